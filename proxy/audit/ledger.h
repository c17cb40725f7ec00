// The ledger: what binds the log's files together (docs/query-log.md, "The ledger").
//
// Written by one process at a time (QueryLog holds the directory's lock); thread-safe. An entry
// that cannot be written leaves the ledger as it was.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "proxy/audit/append_file.h"
#include "proxy/audit/chain.h"
#include "proxy/audit/names.h"
#include "proxy/audit/signing.h"

namespace vitrine::audit {

// Where a file stood: the number of its lines, its size in bytes, and what the next line's prev
// must be. That is its last line's hash, or, where a chain begins, the hash of the ledger's entry.
struct Anchor {
    std::string file;
    std::uint64_t seq = 0;
    std::uint64_t bytes = 0;
    HexDigest hash;
    bool begins_chain = false;
};

// A file that nobody writes any more.
struct Seal {
    Anchor end;
    HexDigest sha256;  // of all its bytes, as they were written
};

class Ledger {
  public:
    // Opens or makes it, repairs its end, and writes log_opened.
    [[nodiscard]] static boost::system::result<std::unique_ptr<Ledger>> open(
        int directory, const config::Audit& audit, Microseconds now);

    // False where the process before did not come to log_closed.
    [[nodiscard]] bool was_closed() const { return was_closed_; }

    // What the ledger last said of a file; nothing: it does not know it.
    [[nodiscard]] std::optional<Anchor> last_known(const std::string& file);
    // Nothing is written to it any more, be it still there or not.
    [[nodiscard]] bool is_sealed(const std::string& file);
    // After an end without log_closed: the files that may be ahead of the ledger or torn.
    [[nodiscard]] std::vector<Anchor> maybe_torn();
    // Drops what is remembered of older files; last_known() reads it again if need be.
    void forget_before(std::chrono::sys_days day);

    // file_opened and broken return the anchor from which the file's next chain begins.
    [[nodiscard]] boost::system::result<Anchor> file_opened(Microseconds time,
                                                            const std::string& file);
    [[nodiscard]] boost::system::result<void> checkpoint(Microseconds time,
                                                         const std::vector<Anchor>& files);
    [[nodiscard]] boost::system::result<void> repaired(Microseconds time, const Anchor& kept,
                                                       std::uint64_t cut_bytes,
                                                       const HexDigest& cut);
    [[nodiscard]] boost::system::result<Anchor> broken(Microseconds time, const std::string& file,
                                                       std::uint64_t lines, std::uint64_t bytes,
                                                       std::string_view reason);
    // On the disk when they return, whatever the durability: what they say is acted upon.
    [[nodiscard]] boost::system::result<void> sealed(Microseconds time, const Seal& seal);
    [[nodiscard]] boost::system::result<void> removed(Microseconds time, const Seal& seal,
                                                      std::string_view reason);
    [[nodiscard]] boost::system::result<void> closed(Microseconds time);

    // Its whole entries, in bytes. What stands behind that may be taken back.
    [[nodiscard]] std::uint64_t size() const;

    // Whether ledger.jsonl in the directory is still this one.
    [[nodiscard]] boost::system::result<void> check_place() const;

  private:
    Ledger() = default;

    struct Known {
        Anchor anchor;
        bool complete = false;  // nothing older can change it
        bool sealed = false;
    };

    // Entries that are written together, and the chain's end behind them.
    struct Lines {
        std::string text;
        std::uint64_t seq = 0;
        HexDigest hash;
    };
    [[nodiscard]] Lines next_lines() const;
    void add_line(Lines& lines, Microseconds time, std::string_view type, std::string_view members);
    [[nodiscard]] boost::system::result<void> append(const Lines& lines);
    [[nodiscard]] boost::system::result<HexDigest> append(Microseconds time, std::string_view type,
                                                          std::string_view members);
    [[nodiscard]] boost::system::result<void> append_seal(Microseconds time, std::string_view type,
                                                          const Seal& seal,
                                                          std::string_view reason);
    [[nodiscard]] const Known* find_known(const std::string& file);
    void load_back_to(std::chrono::sys_days day);
    void learn_from_older(std::string_view text);
    void learn(Anchor anchor, bool complete, bool sealed = false);

    int directory_ = -1;
    bool sync_ = false;
    bool was_closed_ = true;
    std::optional<SigningKey> key_;

    mutable std::mutex mutex_;
    Descriptor reading_;
    AppendFile file_;
    std::uint64_t seq_ = 0;
    HexDigest hash_;
    Sha256 sha_;

    // Of the files mentioned from `horizon_` (an offset in the ledger) on.
    std::map<std::string, Known, std::less<>> known_;
    std::uint64_t horizon_ = 0;
};

// The number of newlines in the file.
[[nodiscard]] boost::system::result<std::uint64_t> count_lines(int fd);

}  // namespace vitrine::audit
