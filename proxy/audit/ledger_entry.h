// What a ledger entry says of files, read back. The writing is in ledger.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/audit/ledger.h"

namespace vitrine::audit {

struct LogOpened {
    std::string public_key;  // 64 hex digits; empty: the entries are not signed
};
struct FileOpened {
    std::string file;
};
struct Checkpoint {
    std::vector<Anchor> files;
};
struct Repaired {
    Anchor kept;
    std::uint64_t cut_bytes = 0;
};
struct Broken {
    std::string file;
    std::uint64_t lines = 0;
    std::uint64_t bytes = 0;
    std::string reason;
};
struct Sealed {
    Seal seal;
};
struct Removed {
    Seal seal;
    std::string reason;
};
struct LogClosed {};

using LedgerEntry =
    std::variant<LogOpened, FileOpened, Checkpoint, Repaired, Broken, Sealed, Removed, LogClosed>;

// `line` without its newline. Nothing where it is not JSON, its type is not one of those above, or
// a field is missing or of the wrong kind.
[[nodiscard]] std::optional<LedgerEntry> read_entry(std::string_view line);

}  // namespace vitrine::audit
