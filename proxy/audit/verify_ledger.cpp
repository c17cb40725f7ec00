#include "proxy/audit/verify_ledger.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "proxy/audit/ledger_entry.h"
#include "proxy/audit/line_reader.h"

namespace vitrine::audit {

namespace {

const std::map<std::uint64_t, HexDigest> kLedgerBegins{{0, HexDigest{}}};

// The entries between one log_opened and the next.
struct Run {
    std::string public_key;
    const VerifyingKey* key = nullptr;
    bool said = false;  // that its signatures cannot be checked
    std::string last_signed;
    std::string last_signature;
};

// Which signatures are looked at. A signature is over its entry's prev too, and so over all that
// stands before it: where the last one of each run holds and the chain is whole, all do. Where not,
// a second reading says which.
enum class Signatures : std::uint8_t { kLastOfRun, kEach };

class LedgerReading {
  public:
    LedgerReading(const std::filesystem::path& file, const std::vector<VerifyingKey>& keys,
                  Signatures signatures)
        : file_(file), keys_(keys), signatures_(signatures), chain_(&kLedgerBegins) {}

    void entry(std::string_view text);
    [[nodiscard]] LedgerStory finish(bool torn);

  private:
    void complain(std::string message) {
        if (findings_ < kFindingsMax) {
            story_.broken.push_back({file_, line_, std::move(message)});
        }
        ++findings_;
    }
    void signature(const ChainedLine& line);
    void end_run();
    void take(const ChainedLine& line, const LedgerEntry& entry);
    void anchor(const Anchor& anchor);
    void broken(const ChainedLine& line, const Broken& entry);
    void sealed(const Seal& seal);
    void removed(const Removed& entry);
    void not_sealed(const std::string& file);

    // Beyond that many, one more tells an auditor nothing.
    static constexpr std::uint64_t kFindingsMax = 1000;

    std::filesystem::path file_;
    const std::vector<VerifyingKey>& keys_;
    Signatures signatures_;
    ChainCheck chain_;
    LedgerStory story_;
    Run run_;
    std::uint64_t line_ = 0;
    std::uint64_t findings_ = 0;
};

void LedgerReading::entry(std::string_view text) {
    ++line_;
    const auto line = parse_line(text);
    const auto wrong = chain_.next(line);
    if (wrong) {
        complain(*wrong);
    }
    story_.closed = false;
    if (!line) {
        return;
    }
    story_.last_time = parse_time(line->time);
    const auto entry = read_entry(text);
    if (!entry) {
        if (!wrong) {
            complain("this is no entry of a ledger");
        }
        return;
    }
    if (line_ == 1 && !std::holds_alternative<LogOpened>(*entry) && !wrong) {
        complain("the ledger's beginning is missing: it starts with log_opened");
    }
    take(*line, *entry);
    if (!wrong) {
        signature(*line);
    }
}

void LedgerReading::signature(const ChainedLine& line) {
    if (run_.public_key.empty() != line.signature.empty()) {
        complain(line.signature.empty() ? "the entry is not signed, though log_opened names a key"
                                        : "the entry is signed, though log_opened names no key");
        return;
    }
    if (keys_.empty()) {
        return;
    }
    if (run_.key == nullptr) {
        if (!run_.said) {
            run_.said = true;
            story_.not_checkable.push_back(
                {file_, line_,
                 run_.public_key.empty()
                     ? "from here to the next log_opened the entries are not signed"
                     : "from here to the next log_opened the entries are signed with another "
                       "key, " +
                           run_.public_key + "; give that one too"});
        }
        return;
    }
    if (signatures_ == Signatures::kLastOfRun) {
        run_.last_signed.assign(line.signed_bytes);
        run_.last_signature.assign(line.signature);
    } else if (!signature_holds(*run_.key, line.signed_bytes, line.signature)) {
        complain("the entry's signature does not hold");
    }
}

void LedgerReading::end_run() {
    if (!run_.last_signed.empty() &&
        !signature_holds(*run_.key, run_.last_signed, run_.last_signature)) {
        complain("a signature does not hold");  // which one is found in a second reading
    }
    run_.last_signed.clear();
}

void LedgerReading::take(const ChainedLine& line, const LedgerEntry& entry) {
    if (const auto* opened = std::get_if<LogOpened>(&entry)) {
        end_run();
        run_ = {.public_key = opened->public_key};
        for (const VerifyingKey& key : keys_) {
            if (key.public_key == opened->public_key) {
                run_.key = &key;
            }
        }
    } else if (const auto* file = std::get_if<FileOpened>(&entry)) {
        not_sealed(file->file);
        story_.files[file->file].chain_begins[0] = *parse_digest(line.hash);
    } else if (const auto* checkpoint = std::get_if<Checkpoint>(&entry)) {
        ++story_.checkpoints;
        for (const Anchor& vouched : checkpoint->files) {
            not_sealed(vouched.file);
            anchor(vouched);
        }
    } else if (const auto* repaired = std::get_if<Repaired>(&entry)) {
        if (repaired->kept.file != kLedgerName) {
            not_sealed(repaired->kept.file);
            anchor(repaired->kept);
        }
    } else if (const auto* found = std::get_if<Broken>(&entry)) {
        broken(line, *found);
    } else if (const auto* end = std::get_if<Sealed>(&entry)) {
        sealed(end->seal);
    } else if (const auto* gone = std::get_if<Removed>(&entry)) {
        removed(*gone);
    } else {
        story_.closed = true;
    }
}

void LedgerReading::anchor(const Anchor& anchor) {
    FileClaims& claims = story_.files[anchor.file];
    // Where a chain begins there is no record with that hash: a repair may say so of an empty file.
    const auto begin = claims.chain_begins.find(anchor.seq);
    if (begin != claims.chain_begins.end() && begin->second == anchor.hash) {
        return;
    }
    // Two checkpoints written at the same time may stand in the wrong order.
    auto at = claims.anchors.end();
    while (at != claims.anchors.begin() && std::prev(at)->anchor.seq > anchor.seq) {
        --at;
    }
    claims.anchors.insert(at, {anchor, line_});
}

void LedgerReading::sealed(const Seal& seal) {
    not_sealed(seal.end.file);
    anchor(seal.end);
    story_.files[seal.end.file].seal = SealClaim{seal, line_};
}

void LedgerReading::removed(const Removed& entry) {
    FileClaims& claims = story_.files[entry.seal.end.file];
    const bool holds = claims.seal && claims.seal->seal.sha256 == entry.seal.sha256 &&
                       claims.seal->seal.end.hash == entry.seal.end.hash &&
                       claims.seal->seal.end.seq == entry.seal.end.seq;
    if (!holds || claims.removed) {
        complain("the entry says that " + entry.seal.end.file +
                 " was removed, which was not sealed like that before");
        return;
    }
    claims.removed = true;
}

// vitrine writes nothing of a file any more once it is sealed, but that it was removed.
void LedgerReading::not_sealed(const std::string& file) {
    const auto claims = story_.files.find(file);
    if (claims != story_.files.end() && claims->second.seal) {
        complain("the entry speaks of " + file + ", which line " +
                 std::to_string(claims->second.seal->ledger_line) + " has sealed");
    }
}

void LedgerReading::broken(const ChainedLine& line, const Broken& entry) {
    if (entry.file == kLedgerName) {
        complain("vitrine found the ledger broken when it opened the log: " + entry.reason);
        return;
    }
    story_.broken.push_back({file_.parent_path() / entry.file, entry.lines,
                             "vitrine found the file broken (ledger line " + std::to_string(line_) +
                                 "): " + entry.reason});
    FileClaims& claims = story_.files[entry.file];
    std::erase_if(claims.anchors,
                  [&](const Claim& claim) { return claim.anchor.seq > entry.lines; });
    std::erase_if(claims.chain_begins,
                  [&](const auto& begin) { return begin.first >= entry.lines; });
    claims.chain_begins[entry.lines] = *parse_digest(line.hash);
}

LedgerStory LedgerReading::finish(bool torn) {
    end_run();
    if (torn) {
        ++line_;
        complain("the ledger's last line is torn (a crash, or its end was cut off)");
        story_.closed = false;
    }
    if (findings_ > kFindingsMax) {
        story_.broken.push_back(
            {file_, 0, std::to_string(findings_ - kFindingsMax) + " more findings are left out"});
    }
    story_.is_there = true;
    story_.signatures_checked = !keys_.empty() && story_.not_checkable.empty() && line_ > 0;
    return std::move(story_);
}

}  // namespace

std::optional<std::string> ChainCheck::next(const std::optional<ChainedLine>& line) {
    ++lines_;
    if (!line) {
        lost_ = true;
        seq_max_ = std::max(seq_max_, ++seq_);
        return "this is not a line that vitrine wrote";
    }
    const HexDigest computed = sha_.of(line->hashed);
    claimed_before_ = std::exchange(claimed_, *parse_digest(line->hash));
    computed_before_ = std::exchange(computed_, computed);
    if (computed_ != claimed_) {
        // Nothing in it can be relied on, its seq neither.
        seq_max_ = std::max(seq_max_, ++seq_);
        return "the line was changed: its hash does not fit its content";
    }
    auto wrong = check_place(*line);
    seq_ = line->seq;
    seq_max_ = std::max(seq_max_, seq_);
    lost_ = false;
    return wrong;
}

std::optional<std::string> ChainCheck::check_place(const ChainedLine& line) {
    if (line.seq == lines_) {
        if (begins_ == nullptr && lines_ == 1) {
            return std::nullopt;
        }
        const auto begin = begins_ == nullptr ? kLedgerBegins.end() : begins_->find(lines_ - 1);
        if (begins_ != nullptr && begin != begins_->end()) {
            // A chain begun anew after tampering may repeat numbers.
            seq_max_ = 0;
            if (line.prev == begin->second.view()) {
                return std::nullopt;
            }
            return "the line does not belong here: the ledger began this chain with another";
        }
    }
    if (line.seq <= seq_max_ && !lost_) {
        return "the line is repeated or was moved (seq " + std::to_string(line.seq) +
               " stands behind " + std::to_string(seq_max_) + ")";
    }
    if (lost_) {
        return std::nullopt;
    }
    if (line.seq > seq_ + 1) {
        return std::to_string(line.seq - seq_ - 1) + " line(s) before this one are missing (seq " +
               std::to_string(line.seq) + " follows " + std::to_string(seq_) + ")";
    }
    // After a changed line either of its hashes will do: one change is one finding.
    if (line.prev != claimed_before_.view() && line.prev != computed_before_.view()) {
        return "the line does not follow on the one before it: one of them was exchanged";
    }
    return std::nullopt;
}

namespace {

LedgerStory read_ledger_once(const std::filesystem::path& directory,
                             const std::vector<VerifyingKey>& keys, Signatures signatures) {
    const auto path = directory / kLedgerName;
    LedgerStory missing;
    auto file = LogSource::open(path.string());
    if (!file || file->compressed_size()) {
        // The ledger itself is never compressed.
        if (file || file.error().value() == ENOENT) {
            return missing;
        }
        missing.is_there = true;
        auto& findings =
            file.error() == AuditError::kNotAFile ? missing.broken : missing.not_checkable;
        findings.push_back({path, 0, "cannot be read: " + file.error().message()});
        return missing;
    }
    LineReader reader(std::move(*file));
    LedgerReading reading(path, keys, signatures);
    std::string_view line;
    while (reader.next_settled(line)) {
        reading.entry(line);
    }
    LedgerStory story = reading.finish(!reader.torn().empty());
    if (reader.error()) {
        story.not_checkable.push_back({path, 0, "cannot be read: " + reader.error().message()});
    }
    return story;
}

}  // namespace

LedgerStory read_ledger(const std::filesystem::path& directory,
                        const std::vector<VerifyingKey>& keys) {
    LedgerStory story = read_ledger_once(directory, keys, Signatures::kLastOfRun);
    if (!story.broken.empty() && !keys.empty()) {
        story = read_ledger_once(directory, keys, Signatures::kEach);
    }
    return story;
}

}  // namespace vitrine::audit
