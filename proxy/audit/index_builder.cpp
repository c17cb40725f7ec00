#include "proxy/audit/index_builder.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <limits>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "proxy/audit/chain.h"
#include "proxy/audit/grams.h"
#include "proxy/audit/line_head.h"
#include "proxy/audit/line_reader.h"
#include "proxy/audit/names.h"
#include "proxy/audit/statement_texts.h"

namespace vitrine::audit {

namespace {

// Small enough that reading one is nothing, large enough that there are few.
constexpr std::uint64_t kBlockBytes = 512 * 1024;
constexpr std::size_t kParseBytes = 64 * 1024;

// One block while its lines come in.
class OpenBlock {
  public:
    explicit OpenBlock(Grams& grams) : grams_(grams) {}

    void begin(std::uint64_t offset, std::uint64_t first_line) {
        block_ = {};
        block_.offset = offset;
        block_.first_line = first_line;
        block_.first_time = std::numeric_limits<std::int64_t>::max();
        block_.last_time = std::numeric_limits<std::int64_t>::min();
        sessions_.clear();
        running_.clear();
        borrowing_.clear();
        texts_.clear();
        sqlstates_.clear();
    }
    void add(std::string_view line);
    [[nodiscard]] IndexedBlock end();
    [[nodiscard]] std::uint64_t size() const { return block_.size; }
    [[nodiscard]] std::uint64_t lines() const { return block_.lines; }

  private:
    void time(std::string_view text);
    void statement(const Record& record, const LineHead& head, std::uint64_t id);
    void parsed(std::string_view line, const LineHead& head);

    Grams& grams_;
    IndexedBlock block_;
    LineHead head_;
    std::string last_time_;
    std::set<std::uint32_t> sessions_;
    std::unordered_map<std::uint64_t, std::uint32_t> running_;  // statement → session
    std::unordered_set<std::uint64_t> texts_;                   // statements with a text here
    std::set<std::uint32_t> borrowing_;
    std::set<std::uint32_t> sqlstates_;
    std::array<unsigned char, kParseBytes> memory_{};
};

std::uint64_t statement_id(std::string_view session, std::uint64_t statement) {
    return std::hash<std::string_view>{}(session) ^ statement * 0x9E3779B97F4A7C15U;
}

void OpenBlock::time(std::string_view text) {
    const auto at = parse_time(text);
    if (!at) {
        block_.flags |= IndexedBlock::kAlways;
        return;
    }
    const std::int64_t micros = at->time_since_epoch().count();
    block_.first_time = std::min(block_.first_time, micros);
    block_.last_time = std::max(block_.last_time, micros);
}

void OpenBlock::add(std::string_view line) {
    block_.size += line.size() + 1;
    ++block_.lines;
    if (!head_.read(line)) {
        ++block_.unreadable;
        block_.flags |= IndexedBlock::kAlways;
        return;
    }
    sessions_.insert(session_key(head_.session));
    if (head_.type == "statement" || head_.type == "result" || head_.type == "session_start") {
        parsed(line, head_);
    }
}

void OpenBlock::parsed(std::string_view line, const LineHead& head) {
    boost::json::monotonic_resource memory(memory_.data(), memory_.size());
    boost::json::error_code error;
    const auto value = boost::json::parse({line.data(), line.size()}, error, &memory);
    const auto* fields = error ? nullptr : value.if_object();
    if (fields == nullptr) {
        block_.flags |= IndexedBlock::kAlways;
        return;
    }
    const Record record(*fields);
    const std::uint64_t id = statement_id(head.session, head.statement);
    if (head.type == "statement") {
        statement(record, head, id);
    } else if (head.type == "result") {
        running_.erase(id);
        sqlstates_.insert(sqlstate_key(record.text("sqlstate")));
    } else {
        block_.starts.push_back({session_key(head.session), name_key(record.text("database")),
                                 name_key(record.text("grant"))});
    }
}

void OpenBlock::statement(const Record& record, const LineHead& head, std::uint64_t id) {
    block_.flags |= IndexedBlock::kStatements;
    const auto verdict = record.text("verdict");
    block_.flags |= verdict == "allow"    ? IndexedBlock::kAllowed
                    : verdict == "reject" ? IndexedBlock::kRejected
                                          : IndexedBlock::kAlways;
    time(head.time);
    running_[id] = session_key(head.session);
    if (record.find("sql") != nullptr) {
        texts_.insert(id);
    } else if (!texts_.contains(statement_id(head.session, record.number("of")))) {
        borrowing_.insert(session_key(head.session));
    }
    each_searched_text(record, [&](std::string_view text) { grams_.add(text); });
}

IndexedBlock OpenBlock::end() {
    block_.sessions.assign(sessions_.begin(), sessions_.end());
    block_.borrowing.assign(borrowing_.begin(), borrowing_.end());
    block_.sqlstates.assign(sqlstates_.begin(), sqlstates_.end());
    std::set<std::uint32_t> unended;
    for (const auto& [id, session] : running_) {
        unended.insert(session);
    }
    block_.unended.assign(unended.begin(), unended.end());
    return std::move(block_);
}

// From which byte on the file has to be read; 0 where what is known does not hold any more.
std::uint64_t standing_end(LogSource& source, const IndexedFile& before, Sha256& sha) {
    if (before.blocks.empty() || before.end == 0) {
        return 0;
    }
    // The last line stands in the last block.
    std::string last(static_cast<std::size_t>(before.blocks.back().size), '\0');
    const std::uint64_t begin = before.blocks.back().offset;
    std::size_t got = 0;
    while (got < last.size()) {
        const auto more = source.read(begin + got, last.data() + got, last.size() - got);
        if (!more || *more == 0) {
            return 0;
        }
        got += *more;
    }
    if (begin + last.size() != before.end || last.empty() || last.back() != '\n') {
        return 0;
    }
    last.pop_back();
    const std::size_t newline = last.rfind('\n');
    const std::string_view line =
        std::string_view(last).substr(newline == std::string::npos ? 0 : newline + 1);
    return sha.of(line).view() == before.last_line_hash ? before.end : 0;
}

}  // namespace

std::optional<FileStamp> stamp_of(const std::filesystem::path& directory, const std::string& name) {
    struct stat status {};
    const std::string path = (directory / name).string();
    if (::lstat(path.c_str(), &status) != 0 && ::lstat((path + ".zst").c_str(), &status) != 0) {
        return std::nullopt;
    }
    return FileStamp{static_cast<std::uint64_t>(status.st_size),
                     std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec};
}

IndexBuilder::IndexBuilder() : grams_(std::make_unique<Grams>()) {}
IndexBuilder::~IndexBuilder() = default;

std::optional<IndexBuilder::Built> IndexBuilder::build(const std::filesystem::path& directory,
                                                       const std::string& name,
                                                       const IndexedFile* before,
                                                       std::atomic<std::uint64_t>& read) {
    // Taken before the file is read: what it grows by meanwhile is found the next time.
    const auto stamp = stamp_of(directory, name);
    const std::string path = (directory / name).string();
    auto source = LogSource::open(path);
    if (!stamp || !source) {
        return std::nullopt;
    }
    Built built;
    built.file.name = name;
    built.file.size_on_disk = stamp->size_on_disk;
    built.file.changed_ns = stamp->changed_ns;
    Sha256 sha;
    // A file that has another time and no more bytes was not appended to: it is read anew.
    if (before != nullptr && stamp->size_on_disk > before->size_on_disk &&
        standing_end(*source, *before, sha) != 0) {
        built.file.blocks = before->blocks;
        if (built.file.blocks.back().size < kBlockBytes) {
            built.file.blocks.pop_back();
        }
    }
    built.kept = built.file.blocks.size();
    std::uint64_t offset = 0;
    std::uint64_t line_number = 1;
    if (built.kept > 0) {
        const IndexedBlock& last = built.file.blocks.back();
        offset = last.offset + last.size;
        line_number = last.first_line + last.lines;
    }
    LineReader reader(std::move(*source), offset);
    OpenBlock open(*grams_);
    const auto close = [&] {
        built.file.blocks.push_back(open.end());
        built.grams.push_back(grams_->take());
    };
    open.begin(offset, line_number);
    std::string last_line;
    bool any = false;
    for (std::string_view line; reader.next(line); ++line_number) {
        if (open.size() >= kBlockBytes) {
            close();
            open.begin(reader.offset() - line.size() - 1, line_number);
        }
        open.add(line);
        read.fetch_add(line.size() + 1, std::memory_order_relaxed);
        last_line = line;
        any = true;
    }
    if (reader.error()) {
        static_cast<void>(grams_->take());
        return std::nullopt;
    }
    if (open.lines() > 0) {
        close();
    }
    built.file.end = reader.offset();
    built.file.last_line_hash = any              ? std::string(sha.of(last_line).view())
                                : built.kept > 0 ? before->last_line_hash
                                                 : std::string(64, '0');
    return built;
}

}  // namespace vitrine::audit
