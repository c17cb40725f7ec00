// The ledger as a verifier reads it: is it whole, and what does it say of each file?
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proxy/audit/ledger.h"
#include "proxy/audit/reader.h"
#include "proxy/audit/signing.h"

namespace vitrine::audit {

// One thing the ledger says of a file, and where it says it.
struct Claim {
    Anchor anchor;
    std::uint64_t ledger_line = 0;
};

struct SealClaim {
    Seal seal;
    std::uint64_t ledger_line = 0;
};

struct FileClaims {
    // By seq: where a chain begins, with the prev of its first line.
    std::map<std::uint64_t, HexDigest> chain_begins;
    // In order of seq. Those that a `broken` entry has overtaken are not among them.
    std::vector<Claim> anchors;
    std::optional<SealClaim> seal;
    bool removed = false;  // by retention
};

struct LedgerStory {
    std::vector<Finding> broken;
    std::vector<Finding> not_checkable;
    bool is_there = false;
    bool closed = false;  // the last entry is log_closed
    std::optional<Microseconds> last_time;
    std::uint64_t checkpoints = 0;
    bool signatures_checked = false;
    std::map<std::string, FileClaims> files;
};

// `keys` empty: signatures are not checked.
[[nodiscard]] LedgerStory read_ledger(const std::filesystem::path& directory,
                                      const std::vector<VerifyingKey>& keys);

// For both kinds of file. How a line fits to the ones before it; says what is wrong, or nothing.
class ChainCheck {
  public:
    // `begins`: FileClaims::chain_begins; the pointer is kept. Null: a chain may begin anywhere at
    // seq 1.
    explicit ChainCheck(const std::map<std::uint64_t, HexDigest>* begins) : begins_(begins) {}

    // Every line in turn, well-formed or not.
    [[nodiscard]] std::optional<std::string> next(const std::optional<ChainedLine>& line);

    // The highest number that a line had or must have had.
    [[nodiscard]] std::uint64_t seq_max() const { return seq_max_; }

  private:
    [[nodiscard]] std::optional<std::string> check_place(const ChainedLine& line);

    const std::map<std::uint64_t, HexDigest>* begins_;
    Sha256 sha_;
    std::uint64_t lines_ = 0;
    std::uint64_t seq_ = 0;  // of the last line
    std::uint64_t seq_max_ = 0;
    // Of the last line and the one before it: the hash written in it, and the one its bytes have.
    HexDigest claimed_, claimed_before_;
    HexDigest computed_, computed_before_;
    bool lost_ = false;  // the last line could not be read: any may follow
};

}  // namespace vitrine::audit
