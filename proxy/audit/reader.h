// Reading the query log back: `vitrine audit list`, `show` and `verify`. Works on files alone, also
// on a copy of them; needs no configuration and never writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrine::audit {

// What a verb does not know is refused where its arguments are read.
enum class Format : std::uint8_t { kTable, kJson, kCsv, kHtml };

struct Finding {
    std::filesystem::path file;
    std::uint64_t line = 0;  // from 1; 0: the file as a whole
    std::string message;     // what is wrong with it, one sentence
};

struct Verified {
    std::vector<Finding> broken;         // the log is not what was written: exit 1
    std::vector<Finding> not_checkable;  // a file that cannot be read, no public key, …: exit 2
    std::uint64_t files = 0;
    std::uint64_t removed = 0;  // files that are gone by retention
    std::uint64_t records = 0;
    std::uint64_t checkpoints = 0;
    bool signatures_checked = false;
};

// `public_key_pem`: Ed25519 SubjectPublicKeyInfo; empty: signatures are not checked, the rest is.
// `anchor`: what was copied of the ledger elsewhere, a file or a directory; empty: there is none.
[[nodiscard]] Verified verify(const std::filesystem::path& directory,
                              std::string_view public_key_pem,
                              const std::filesystem::path& anchor = {});

// The verbs: print to `out`, complaints to `err`, give the exit status of INTERFACE.
int list_sessions(const std::filesystem::path& directory, Format format, std::ostream& out,
                  std::ostream& err);
// `session`: the id, or a prefix of at least 4 digits that fits one session only; "last": the
// newest.
int show_session(const std::filesystem::path& directory, std::string_view session, Format format,
                 std::ostream& out, std::ostream& err);
int verify_directory(const std::filesystem::path& directory, std::string_view public_key_pem,
                     Format format, std::ostream& out, std::ostream& err,
                     const std::filesystem::path& anchor = {});

}  // namespace vitrine::audit
