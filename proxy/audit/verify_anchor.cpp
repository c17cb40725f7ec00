#include "proxy/audit/verify_anchor.h"

#include <algorithm>
#include <boost/system/result.hpp>
#include <cerrno>
#include <optional>
#include <string>
#include <system_error>

#include "proxy/audit/chain.h"
#include "proxy/audit/errors.h"
#include "proxy/audit/line_reader.h"
#include "proxy/audit/names.h"

namespace vitrine::audit {

namespace {

// Beyond that many, one more tells an auditor nothing.
constexpr std::size_t kFindingsMax = 100;

// The hash of each line of the ledger: of its bytes, whatever it claims itself.
boost::system::result<std::vector<HexDigest>> hashes_of(const std::filesystem::path& ledger) {
    auto file = LogSource::open(ledger.string());
    if (!file) {
        return file.error();
    }
    if (file->compressed_size()) {
        return boost::system::errc::make_error_code(boost::system::errc::no_such_file_or_directory);
    }
    std::vector<HexDigest> hashes;
    Sha256 sha;
    LineReader reader(std::move(*file));
    std::string_view line;
    while (reader.next_settled(line)) {
        hashes.push_back(sha.of(line));
    }
    if (reader.error()) {
        return reader.error();
    }
    return hashes;
}

class AnchorReading {
  public:
    AnchorReading(std::filesystem::path ledger, std::filesystem::path anchor,
                  const std::vector<HexDigest>& hashes)
        : ledger_(std::move(ledger)), anchor_(std::move(anchor)), hashes_(hashes) {}

    void line(std::string_view text);
    [[nodiscard]] AnchorVerdict finish();

  private:
    void doubt(std::string message) {
        if (verdict_.not_checkable.size() < kFindingsMax) {
            verdict_.not_checkable.push_back({anchor_, line_, std::move(message)});
        }
    }

    std::filesystem::path ledger_;
    std::filesystem::path anchor_;
    const std::vector<HexDigest>& hashes_;
    AnchorVerdict verdict_;
    Sha256 sha_;
    std::uint64_t line_ = 0;
    std::uint64_t seq_ = 0;           // the highest so far
    std::uint64_t missing_from_ = 0;  // the first entry that the ledger lacks
    std::uint64_t missing_in_ = 0;    // the anchor's line of it
};

void AnchorReading::line(std::string_view text) {
    ++line_;
    const auto entry = parse_line(text);
    if (!entry || sha_.of(entry->hashed).view() != entry->hash) {
        doubt("this line of the anchor is not what vitrine wrote: the anchor was damaged");
        return;
    }
    if (seq_ > 0 && entry->seq > seq_ + 1) {
        doubt(std::to_string(entry->seq - seq_ - 1) +
              " entries before this one are not in the anchor");
    }
    seq_ = std::max(seq_, entry->seq);
    if (entry->seq > hashes_.size()) {
        if (missing_from_ == 0 || entry->seq < missing_from_) {
            missing_from_ = entry->seq;
            missing_in_ = line_;
        }
        return;
    }
    if (hashes_[static_cast<std::size_t>(entry->seq - 1)] != sha_.of(text) &&
        verdict_.broken.size() < kFindingsMax) {
        verdict_.broken.push_back({ledger_, entry->seq,
                                   "the entry is not the one that was copied to the anchor (its "
                                   "line " +
                                       std::to_string(line_) + "): the ledger was rewritten"});
    }
}

AnchorVerdict AnchorReading::finish() {
    if (missing_from_ > 0) {
        verdict_.broken.push_back({ledger_, hashes_.size() + 1,
                                   "the ledger was cut back: the anchor has its entries up to " +
                                       std::to_string(seq_) + " (from its line " +
                                       std::to_string(missing_in_) + " on)"});
    }
    if (line_ == 0) {
        verdict_.not_checkable.push_back({anchor_, 0, "there is no entry of a ledger in it"});
    }
    return std::move(verdict_);
}

}  // namespace

AnchorVerdict verify_anchor(const std::filesystem::path& directory,
                            const std::filesystem::path& anchor) {
    std::error_code ignored;
    const auto path =
        std::filesystem::is_directory(anchor, ignored) ? anchor / kLedgerName : anchor;
    const auto ledger = directory / kLedgerName;

    // The anchor before the ledger: it is never ahead of it.
    auto file = LogSource::open(path.string());
    if (!file) {
        return {{}, {{path, 0, "the anchor cannot be read: " + file.error().message()}}};
    }
    std::uint64_t size_at_start = std::filesystem::file_size(path, ignored);
    const auto hashes = hashes_of(ledger);
    if (!hashes) {
        if (hashes.error().value() != ENOENT) {
            return {{}, {{ledger, 0, "cannot be read: " + hashes.error().message()}}};
        }
    }
    static const std::vector<HexDigest> none;
    AnchorReading reading(ledger, path, hashes ? *hashes : none);
    LineReader reader(std::move(*file));
    std::string_view line;
    while (reader.offset() < size_at_start && reader.next(line)) {
        reading.line(line);
    }
    AnchorVerdict verdict = reading.finish();
    if (reader.error()) {
        verdict.not_checkable.push_back({path, 0, "cannot be read: " + reader.error().message()});
    }
    return verdict;
}

}  // namespace vitrine::audit
