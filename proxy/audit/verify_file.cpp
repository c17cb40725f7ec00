#include "proxy/audit/verify_file.h"

#include <openssl/evp.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>

#include "proxy/audit/compressed_file.h"
#include "proxy/audit/line_reader.h"
#include "proxy/audit/names.h"
#include "proxy/audit/record.h"

namespace vitrine::audit {

namespace {

// Beyond that many, one more tells an auditor nothing.
constexpr std::uint64_t kFindingsMax = 1000;

// The bytes of a string member, which may have stood as base64 beside it.
std::optional<std::string> exact_text(const boost::json::object& record, std::string_view name) {
    const auto* encoded = record.if_contains(std::string(name) + "_base64");
    const auto* plain = record.if_contains(name);
    if (plain == nullptr || !plain->is_string()) {
        return std::nullopt;
    }
    if (encoded == nullptr) {
        return std::string(plain->get_string().c_str(), plain->get_string().size());
    }
    if (!encoded->is_string()) {
        return std::nullopt;
    }
    const auto& text = encoded->get_string();
    std::string bytes(text.size() / 4 * 3, '\0');
    const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                       reinterpret_cast<const unsigned char*>(text.data()),
                                       static_cast<int>(text.size()));
    if (length < 0) {
        return std::nullopt;
    }
    const auto padding = text.ends_with("==") ? 2U : text.ends_with("=") ? 1U : 0U;
    bytes.resize(static_cast<std::size_t>(length) - padding);
    return bytes;
}

std::filesystem::path compressed_path(const std::filesystem::path& path) {
    return path.string() + std::string(kCompressedSuffix);
}

// A crash leaves the plain file beside the compressed one: then they have the same bytes.
void compare_with_compressed(const std::filesystem::path& path, FileVerdict& verdict) {
    const auto complain = [&](std::uint64_t line, const std::string& message) {
        verdict.broken.push_back({compressed_path(path), line, message});
    };
    auto plain = LogSource::open(path.string());
    auto compressed = LogSource::open_compressed(compressed_path(path).string());
    if (!plain || plain->compressed_size() ||
        (!compressed && compressed.error() == boost::system::errc::no_such_file_or_directory)) {
        return;  // one of them has gone since they were listed, as it should
    }
    if (!compressed) {
        complain(0, "cannot be read beside the plain file: " + compressed.error().message());
        return;
    }
    std::error_code no_size;
    if (*compressed->compressed_size() != std::filesystem::file_size(path, no_size)) {
        complain(0, "it has not as many bytes as the plain file beside it");
        return;
    }
    LineReader ours(std::move(*plain));
    LineReader theirs(std::move(*compressed));
    std::string_view one;
    std::string_view other;
    for (std::uint64_t line = 1;; ++line) {
        const bool has_one = ours.next(one);
        const bool has_other = theirs.next(other);
        if (theirs.error() || has_one != has_other || (has_one && one != other) ||
            (!has_one && ours.torn() != theirs.torn())) {
            complain(line, "it has not the same bytes as the plain file beside it");
            return;
        }
        if (!has_one) {
            return;
        }
    }
}

class FileReading {
  public:
    FileReading(const std::filesystem::path& directory, const std::string& name,
                const FileClaims* claims, std::uint64_t size_at_start)
        : path_(directory / name),
          user_directory_(name.substr(0, name.find('/'))),
          day_(day_of(name) ? day_text(*day_of(name)) : "no day"),
          claims_(claims),
          seal_(claims != nullptr && claims->seal ? &*claims->seal : nullptr),
          size_at_start_(size_at_start),
          chain_(claims != nullptr ? &claims->chain_begins : nullptr) {}

    void record(std::string_view text, std::uint64_t end);
    // The bytes of the next line cannot be had.
    void damaged() {
        complain(line_ + 1, "the compressed file is damaged: from here on it cannot be read");
        damaged_ = true;
    }
    [[nodiscard]] FileVerdict finish(std::string_view torn);

  private:
    void complain(std::uint64_t line, std::string message) {
        if (findings_ < kFindingsMax) {
            verdict_.broken.push_back({path_, line, std::move(message)});
        }
        ++findings_;
    }
    [[nodiscard]] std::optional<std::string> belongs_here(std::string_view text,
                                                          const ChainedLine& line);
    [[nodiscard]] std::optional<std::string> is_vouched_for(const ChainedLine& line,
                                                            std::uint64_t end);

    std::filesystem::path path_;
    std::string user_directory_;
    std::string day_;  // "2026-11-24"
    const FileClaims* claims_;
    const SealClaim* seal_;
    std::uint64_t size_at_start_;
    ChainCheck chain_;
    FileVerdict verdict_;
    std::uint64_t line_ = 0;
    std::uint64_t findings_ = 0;
    std::size_t next_anchor_ = 0;
    bool damaged_ = false;
    bool departed_ = false;        // from what the ledger vouches for: said once
    std::string user_known_good_;  // the text of a user member that fits the directory
};

void FileReading::record(std::string_view text, std::uint64_t end) {
    ++line_;
    ++verdict_.records;
    const auto line = parse_line(text);
    auto wrong = chain_.next(line);
    if (line && !wrong) {
        wrong = belongs_here(text, *line);
    }
    if (line && !wrong) {
        wrong = is_vouched_for(*line, end);
    }
    if (!wrong && seal_ != nullptr && line_ == seal_->seal.end.seq + 1) {
        wrong = "records were added: the ledger's line " + std::to_string(seal_->ledger_line) +
                " sealed the file before this one";
    }
    if (wrong) {
        complain(line_, std::move(*wrong));
    }
    if (seal_ != nullptr) {
        return;
    }
    const bool beyond =
        claims_ != nullptr &&
        (claims_->anchors.empty() || chain_.seq_max() > claims_->anchors.back().anchor.seq);
    if (line && beyond && end <= size_at_start_) {
        const auto time = parse_time(line->time);
        if (++verdict_.unvouched == 1) {
            verdict_.unvouched_line = line_;
            verdict_.unvouched_first = time;
        }
        verdict_.unvouched_last = time;
    }
}

// A record stands in the file of its user and its day. A whole parse only where the user member is
// not, byte for byte, one that was found right already.
std::optional<std::string> FileReading::belongs_here(std::string_view text,
                                                     const ChainedLine& line) {
    if (!line.time.starts_with(day_)) {
        return "the record is of another day than its file";
    }
    if (!is_record_type(line.type)) {
        return "a record of type \"" + std::string(line.type) + "\" is unknown";
    }
    if (!user_known_good_.empty() && user_directory_ != kStrangersDirectory) {
        // Behind time, seq, type and a session's 32 digits, and nowhere else.
        const auto at = text.find(",\"user\":");
        if (at != std::string_view::npos && text.substr(at).starts_with(user_known_good_)) {
            return std::nullopt;
        }
    }
    boost::json::error_code error;
    const auto value = boost::json::parse({text.data(), text.size()}, error);
    const auto* record = error ? nullptr : value.if_object();
    const auto user = record == nullptr ? std::nullopt : exact_text(*record, "user");
    if (!user) {
        return "the record cannot be read";
    }
    const bool stranger =
        user_directory_ == kStrangersDirectory && line.type == record_type(LoginRefused{});
    if (directory_name(*user) != user_directory_ && !stranger) {
        return "the record is of another user than its file";
    }
    if (!record->contains("user_base64")) {
        user_known_good_ = ",\"user\":" + boost::json::serialize(record->at("user")) + ",";
    }
    return std::nullopt;
}

std::optional<std::string> FileReading::is_vouched_for(const ChainedLine& line, std::uint64_t end) {
    if (claims_ == nullptr) {
        return std::nullopt;
    }
    const auto& anchors = claims_->anchors;
    while (next_anchor_ < anchors.size() && anchors[next_anchor_].anchor.seq < line.seq) {
        ++next_anchor_;
    }
    std::optional<std::string> wrong;
    for (; next_anchor_ < anchors.size() && anchors[next_anchor_].anchor.seq == line.seq;
         ++next_anchor_) {
        const Claim& claim = anchors[next_anchor_];
        const bool holds =
            claim.anchor.hash.view() == line.hash && (findings_ > 0 || claim.anchor.bytes == end);
        if (!holds && !departed_) {
            departed_ = true;
            wrong =
                "this or an earlier record was exchanged: it is not the one in the ledger's "
                "line " +
                std::to_string(claim.ledger_line);
        }
    }
    return wrong;
}

FileVerdict FileReading::finish(std::string_view torn) {
    if (!torn.empty()) {
        complain(line_ + 1,
                 "the last line is torn (a crash while it was written, or its end was cut off)");
    }
    if (claims_ != nullptr && !claims_->anchors.empty() && !damaged_) {
        const Claim& last = claims_->anchors.back();
        if (last.anchor.seq > chain_.seq_max()) {
            complain(line_ + 1, "the end is missing from here on: the ledger's line " +
                                    std::to_string(last.ledger_line) + " has " +
                                    std::to_string(last.anchor.seq) + " records, the file " +
                                    std::to_string(chain_.seq_max()));
        }
    }
    if (findings_ > kFindingsMax) {
        verdict_.broken.push_back(
            {path_, 0, std::to_string(findings_ - kFindingsMax) + " more findings are left out"});
    }
    return std::move(verdict_);
}

}  // namespace

FileVerdict verify_file(const std::filesystem::path& directory, const LogFile& listed,
                        const FileClaims* claims, bool live) {
    const auto path = directory / listed.name;
    FileVerdict verdict;
    auto file = LogSource::open(path.string());
    if (!file) {
        const bool gone = file.error().value() == ENOENT || file.error().value() == ENOTDIR;
        if (gone && file.error().category() == boost::system::system_category()) {
            verdict.gone = true;
            std::string had = "it had no records yet";
            if (claims != nullptr && !claims->anchors.empty()) {
                const Claim& last = claims->anchors.back();
                had = "the ledger's line " + std::to_string(last.ledger_line) + " has " +
                      std::to_string(last.anchor.seq) + " records of it";
            }
            verdict.broken.push_back({path, 0, "the file is gone; " + had});
        } else if (file.error() == AuditError::kNotAFile) {
            verdict.broken.push_back({path, 0, "this is not a regular file"});
        } else if (file.error() == AuditError::kDamaged) {
            verdict.broken.push_back({compressed_path(path), 0,
                                      "the compressed file is damaged: its table of frames "
                                      "is not what was written"});
        } else {
            verdict.not_checkable.push_back({path, 0, "cannot be read: " + file.error().message()});
        }
        return verdict;
    }
    const auto compressed_size = file->compressed_size();
    if (compressed_size) {
        // What it would decompress to is only looked at where the ledger knows how much that is.
        const bool sealed = claims != nullptr && claims->seal;
        if (!sealed || *compressed_size > claims->seal->seal.end.bytes) {
            verdict.broken.push_back(
                {compressed_path(path), 0,
                 sealed ? "it says that it has " + std::to_string(*compressed_size) +
                              " bytes; the ledger's line " +
                              std::to_string(claims->seal->ledger_line) + " sealed " +
                              std::to_string(claims->seal->seal.end.bytes)
                        : "it is compressed, and the ledger has not sealed it"});
            return verdict;
        }
    }
    LineReader reader(std::move(*file));
    FileReading reading(directory, listed.name, claims,
                        compressed_size ? *compressed_size : listed.size);
    std::string_view line;
    while (live && !compressed_size ? reader.next_settled(line) : reader.next(line)) {
        reading.record(line, reader.offset());
    }
    const bool damaged = reader.error() == AuditError::kDamaged;
    if (damaged) {
        reading.damaged();
    }
    verdict = reading.finish(damaged ? std::string_view() : reader.torn());
    if (reader.error() && !damaged) {
        verdict.not_checkable.push_back({path, 0, "cannot be read: " + reader.error().message()});
    }
    if (listed.both && !compressed_size) {
        compare_with_compressed(path, verdict);
    }
    return verdict;
}

}  // namespace vitrine::audit
