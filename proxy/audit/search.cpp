#include "proxy/audit/search.h"

#include <algorithm>
#include <boost/json.hpp>
#include <future>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <unordered_map>

#include "proxy/audit/json_text.h"
#include "proxy/audit/line_head.h"
#include "proxy/audit/line_reader.h"
#include "proxy/audit/search_index.h"
#include "proxy/audit/statement_texts.h"
#include "proxy/audit/terminal_text.h"

namespace vitrine::audit {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

// What is kept of what was read, and looked up again where it is needed and not kept.
constexpr std::size_t kFactsMax = 20'000;
constexpr std::size_t kTextBytesMax = 16 * 1024 * 1024;
constexpr std::size_t kPlacesMax = 200'000;
constexpr std::size_t kMentionsMax = 4'096;
constexpr std::size_t kMentionBytesMax = 64 * 1024;  // of a text that is remembered
constexpr std::size_t kPendingBytesMax = 64 * 1024 * 1024;
constexpr std::uint64_t kToEnd = ~std::uint64_t{0};

struct Place {
    std::size_t file = 0;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

// Found, and waiting for its result.
struct Pending {
    Place place;
    std::uint64_t line = 0;
    std::uint64_t order = 0;
    std::string text;  // empty: read it again
    std::string sql;   // of the statement it runs
    bool borrowed = false;
    std::vector<Mention> mentions;
};

std::string statement_key(std::string_view session, std::uint64_t statement) {
    return std::string(session) + ':' + std::to_string(statement);
}

// A folded line contains a folded text if and only if it contains this; nothing where that cannot
// be said.
std::optional<std::string> as_in_a_line(std::string_view word) {
    std::string quoted;
    if (!append_json_string(quoted, word)) {
        return std::nullopt;
    }
    return folded(std::string_view(quoted).substr(1, quoted.size() - 2));
}

// The same for one of several words.
using Needles = std::vector<std::string>;

void fold_into(std::string& out, std::string_view text) {
    out.resize(text.size());
    std::ranges::transform(text, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
}

SessionFacts facts_of(const Record& record) {
    SessionFacts facts;
    facts.database = record.text("database");
    facts.groups = record.list("groups");
    facts.client = record.text("client");
    facts.application = record.text("application");
    facts.issuer = record.text("issuer");
    facts.grant = record.text("grant");
    facts.approvers = record.list("approvers");
    facts.reason = record.text("reason");
    facts.expires = record.text("expires");
    return facts;
}

StatementResult result_of(const Record& record) {
    return {record.number("rows"), record.number("bytes"), record.number("duration_us"),
            std::string(record.text("sqlstate")), std::string(record.text("message"))};
}

bool names_column(std::string_view column, std::string_view wanted) {
    const std::string whole = folded(column);
    const std::string end = folded(wanted);
    return whole == end || whole.ends_with("." + end);
}

class Json {
  public:
    // Nothing where the text is no object.
    [[nodiscard]] std::optional<Record> parse(std::string_view text) {
        json::error_code error;
        value_ = json::parse({text.data(), text.size()}, error);
        const json::object* fields = error ? nullptr : value_.if_object();
        return fields == nullptr ? std::nullopt : std::optional<Record>(*fields);
    }

  private:
    json::value value_;
};

// The records of one user, file after file.
class UserSearch {
  public:
    // `index`: nullptr, or what is known; `whole`: of all files, as they stand.
    UserSearch(const fs::path& directory, std::vector<const LogFile*> files, const UserIndex* index,
               bool whole, const Question& question, const std::function<bool(const Hit&)>& found,
               Searched& searched, std::ostream& err);

    // False: that is enough.
    bool run();

  private:
    [[nodiscard]] const IndexedFile* indexed(std::size_t file) const {
        return index_ == nullptr ? nullptr : index_->find(files_[file]->name);
    }
    [[nodiscard]] bool asks_for_texts() const {
        return !question_.words.empty() || !question_.subjects.empty();
    }
    void choose_files();
    void plan();
    [[nodiscard]] std::set<std::uint32_t> sessions_with(
        const std::vector<std::string>& words) const;
    [[nodiscard]] bool may_match(const IndexedBlock& block) const;
    [[nodiscard]] bool awaited(const IndexedBlock& block) const;
    void read_file(std::size_t file);
    void scan(std::size_t file, std::uint64_t begin, std::uint64_t end, std::uint64_t first_line);
    void line(std::size_t file, std::uint64_t offset, std::uint64_t number, std::string_view text);
    void statement(const Place& place, std::uint64_t number, std::string_view text);
    [[nodiscard]] bool matches_line(std::string_view text);
    [[nodiscard]] bool matches(const Record& record, Pending& pending);
    [[nodiscard]] bool has_words(const Record& record, const std::string& sql) const;
    [[nodiscard]] bool has_subjects(const Record& record, Pending& pending);
    void ended(std::string_view session);
    void emit(Pending& pending, const StatementResult* result);
    void complain(std::size_t file, std::uint64_t line, std::string_view what);

    [[nodiscard]] const SessionFacts& facts(std::string_view session, const Place& before);
    [[nodiscard]] std::string text(std::string_view session, std::uint64_t number,
                                   const Place& before);
    [[nodiscard]] std::string read_place(const Place& place);
    // The last record before a place that is a session's and that `wanted` says yes to.
    [[nodiscard]] std::string find_before(
        std::string_view session, const Place& before,
        const std::function<bool(const LineHead&, std::string_view)>& wanted);

    const fs::path& directory_;
    const std::vector<const LogFile*> files_;
    const UserIndex* index_;
    const bool whole_;
    const Question& question_;
    const std::function<bool(const Hit&)>& found_;
    Searched& searched_;
    std::ostream& err_;

    std::string since_;
    std::string until_;
    std::size_t first_file_ = 0;  // of those whose statements are asked for
    std::size_t end_file_ = 0;
    std::vector<Needles> needles_;  // each: one of these stands in the line
    bool enough_ = false;

    // What the index says of the user's sessions.
    std::optional<std::set<std::uint32_t>> started_;      // in the database, by the grant
    std::vector<std::set<std::uint32_t>> word_sessions_;  // a text with the word
    std::vector<std::set<std::uint32_t>> subject_sessions_;
    std::map<const IndexedBlock*, bool> ends_so_;  // a statement of it may end with the SQLSTATE

    LineHead head_;
    std::string folded_line_;
    std::unordered_map<std::string, Pending> pending_;
    std::map<std::uint32_t, std::size_t> pending_sessions_;
    std::size_t pending_bytes_ = 0;
    std::uint64_t order_ = 0;
    std::unordered_map<std::string, SessionFacts> facts_;
    std::unordered_map<std::string, std::string> texts_;
    std::size_t text_bytes_ = 0;
    std::unordered_map<std::string, Place> places_;
    std::vector<std::unordered_map<std::string, Mention>> mentions_;
};

UserSearch::UserSearch(const fs::path& directory, std::vector<const LogFile*> files,
                       const UserIndex* index, bool whole, const Question& question,
                       const std::function<bool(const Hit&)>& found, Searched& searched,
                       std::ostream& err)
    : directory_(directory),
      files_(std::move(files)),
      index_(index),
      whole_(whole),
      question_(question),
      found_(found),
      searched_(searched),
      err_(err),
      mentions_(question.subjects.size()) {
    if (question.since) {
        append_time(since_, *question.since);
    }
    if (question.until) {
        append_time(until_, *question.until);
    }
    const auto add = [&](const std::vector<std::string>& words) {
        Needles needles;
        for (const std::string& word : words) {
            auto needle = as_in_a_line(word);
            if (!needle) {
                return;  // nothing can be told from the line
            }
            needles.push_back(std::move(*needle));
        }
        needles_.push_back(std::move(needles));
    };
    for (const std::string& word : question.words) {
        add({folded(word)});
    }
    for (const Subject& subject : question.subjects) {
        add(subject.words);
    }
    choose_files();
    if (whole_) {
        plan();
    }
}

void UserSearch::choose_files() {
    const auto day = [&](std::size_t file) { return day_of(files_[file]->name); };
    end_file_ = files_.size();
    while (question_.since && first_file_ < end_file_ &&
           *day(first_file_) < std::chrono::floor<std::chrono::days>(*question_.since)) {
        ++first_file_;
    }
    while (question_.until && end_file_ > first_file_ &&
           Microseconds(*day(end_file_ - 1)) >= *question_.until) {
        --end_file_;
    }
}

// What the index has to be asked once for all of the user's files. A file that is not indexed
// cannot be ruled out, nor can what hangs on it: then nothing is concluded.
void UserSearch::plan() {
    if (!question_.database.empty() || !question_.grant.empty()) {
        started_.emplace();
        for (const LogFile* file : files_) {
            for (const IndexedBlock& block : index_->find(file->name)->blocks) {
                for (const IndexedBlock::Start& start : block.starts) {
                    if ((question_.database.empty() ||
                         start.database == name_key(question_.database)) &&
                        (question_.grant.empty() || start.grant == name_key(question_.grant))) {
                        started_->insert(start.session);
                    }
                }
            }
        }
    }
    for (const std::string& word : question_.words) {
        word_sessions_.push_back(sessions_with({word}));
    }
    for (const Subject& subject : question_.subjects) {
        subject_sessions_.push_back(sessions_with(subject.words));
    }
    if (const auto wanted = sqlstate_key(question_.sqlstate);
        !question_.sqlstate.empty() && wanted != 0) {
        // Backwards: whose statements end so later?
        std::set<std::uint32_t> later;
        for (std::size_t file = files_.size(); file > 0; --file) {
            const auto& blocks = indexed(file - 1)->blocks;
            for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
                const bool here = std::ranges::binary_search(block->sqlstates, wanted) ||
                                  std::ranges::binary_search(block->sqlstates, 0U);
                ends_so_[&*block] =
                    here || std::ranges::any_of(block->unended, [&](std::uint32_t session) {
                        return session == 0 || later.contains(session);
                    });
                if (here || (block->flags & IndexedBlock::kAlways) != 0) {
                    later.insert(block->sessions.begin(), block->sessions.end());
                }
            }
        }
    }
}

std::set<std::uint32_t> UserSearch::sessions_with(const std::vector<std::string>& words) const {
    std::set<std::uint32_t> sessions;
    for (const LogFile* file : files_) {
        for (const IndexedBlock& block : index_->find(file->name)->blocks) {
            if ((block.flags & IndexedBlock::kAlways) != 0 ||
                std::ranges::any_of(
                    words, [&](const std::string& word) { return block.may_contain(word); })) {
                sessions.insert(block.sessions.begin(), block.sessions.end());
            }
        }
    }
    return sessions;
}

bool UserSearch::may_match(const IndexedBlock& block) const {
    if ((block.flags & IndexedBlock::kAlways) != 0) {
        return true;
    }
    if ((block.flags & IndexedBlock::kStatements) == 0) {
        return false;
    }
    if (question_.allowed && (block.flags & (*question_.allowed ? IndexedBlock::kAllowed
                                                                : IndexedBlock::kRejected)) == 0) {
        return false;
    }
    if ((question_.since && block.last_time < question_.since->time_since_epoch().count()) ||
        (question_.until && block.first_time >= question_.until->time_since_epoch().count())) {
        return false;
    }
    if (const auto key = session_key(question_.session); key != 0 && !block.has_session(key)) {
        return false;
    }
    if (!question_.masked.empty() && !block.may_contain(folded(question_.masked))) {
        return false;
    }
    if (started_ && !started_->contains(0) &&
        std::ranges::none_of(block.sessions, [&](std::uint32_t session) {
            return session == 0 || started_->contains(session);
        })) {
        return false;
    }
    if (const auto ends = ends_so_.find(&block); ends != ends_so_.end() && !ends->second) {
        return false;
    }
    const auto may_have = [&](const std::vector<std::string>& words,
                              const std::set<std::uint32_t>& elsewhere) {
        return std::ranges::any_of(
                   words, [&](const std::string& word) { return block.may_contain(word); }) ||
               std::ranges::any_of(block.borrowing, [&](std::uint32_t session) {
                   return session == 0 || elsewhere.contains(session);
               });
    };
    for (std::size_t i = 0; i < word_sessions_.size(); ++i) {
        if (!may_have({question_.words[i]}, word_sessions_[i])) {
            return false;
        }
    }
    for (std::size_t i = 0; i < subject_sessions_.size(); ++i) {
        if (!may_have(question_.subjects[i].words, subject_sessions_[i])) {
            return false;
        }
    }
    return true;
}

bool UserSearch::awaited(const IndexedBlock& block) const {
    return std::ranges::any_of(pending_sessions_, [&](const auto& session) {
        return session.first == 0 || block.has_session(session.first);
    });
}

bool UserSearch::run() {
    for (std::size_t file = first_file_; file < files_.size() && !enough_; ++file) {
        if (file >= end_file_ && pending_.empty()) {
            break;
        }
        read_file(file);
    }
    // Those that have no result, as they stand in the log.
    std::vector<Pending*> left;
    for (auto& [key, pending] : pending_) {
        left.push_back(&pending);
    }
    std::ranges::sort(left, {}, &Pending::order);
    for (Pending* pending : left) {
        emit(*pending, nullptr);
    }
    return !enough_;
}

void UserSearch::read_file(std::size_t file) {
    const IndexedFile* known = indexed(file);
    const bool asked = file < end_file_;
    if (known == nullptr) {
        scan(file, 0, kToEnd, 1);
        return;
    }
    std::uint64_t line = 1;
    const auto& blocks = known->blocks;
    for (std::size_t i = 0; i < blocks.size() && !enough_;) {
        line = blocks[i].first_line + blocks[i].lines;
        if (!(asked && may_match(blocks[i])) && !awaited(blocks[i])) {
            ++i;
            continue;
        }
        // What stands side by side is read in one go, as long as nothing waits.
        std::size_t end = i + 1;
        while (end < blocks.size() && asked && may_match(blocks[end])) {
            ++end;
        }
        scan(file, blocks[i].offset, blocks[end - 1].offset + blocks[end - 1].size,
             blocks[i].first_line);
        i = end;
        line = blocks[end - 1].first_line + blocks[end - 1].lines;
    }
    // It has grown since.
    if (!enough_ && !whole_ && !is_unchanged(directory_, *known)) {
        scan(file, known->end, kToEnd, line);
    }
}

void UserSearch::complain(std::size_t file, std::uint64_t line, std::string_view what) {
    searched_.complete = false;
    err_ << printable((directory_ / files_[file]->name).string()) << ':' << line << ": " << what
         << '\n';
}

void UserSearch::scan(std::size_t file, std::uint64_t begin, std::uint64_t end,
                      std::uint64_t first_line) {
    auto source = LogSource::open((directory_ / files_[file]->name).string());
    if (!source) {
        complain(file, 0, "cannot be read: " + source.error().message());
        return;
    }
    LineReader reader(std::move(*source), begin);
    std::uint64_t number = first_line;
    for (std::string_view text; !enough_ && reader.offset() < end && reader.next_settled(text);
         ++number) {
        line(file, reader.offset() - text.size() - 1, number, text);
    }
    if (reader.error()) {
        complain(file, 0, "cannot be read: " + reader.error().message());
    }
}

void UserSearch::line(std::size_t file, std::uint64_t offset, std::uint64_t number,
                      std::string_view text) {
    ++searched_.records;
    if (!head_.read(text)) {
        complain(file, number, "the line cannot be read; see `vitrine audit verify`");
        return;
    }
    if (head_.type == "statement") {
        statement({file, offset, text.size()}, number, text);
    } else if (head_.type == "result") {
        const auto pending = pending_.empty()
                                 ? pending_.end()
                                 : pending_.find(statement_key(head_.session, head_.statement));
        if (pending == pending_.end()) {
            return;
        }
        Json parsed;
        const auto record = parsed.parse(text);
        if (!record) {
            complain(file, number, "the line cannot be read; see `vitrine audit verify`");
            return;
        }
        const StatementResult result = result_of(*record);
        Pending found = std::move(pending->second);
        pending_.erase(pending);
        emit(found, &result);
    } else if (head_.type == "session_start") {
        Json parsed;
        if (const auto record = parsed.parse(text)) {
            if (facts_.size() >= kFactsMax) {
                facts_.clear();
            }
            facts_[std::string(head_.session)] = facts_of(*record);
        }
    } else if (head_.type == "session_end") {
        ended(head_.session);
    }
}

// What has no result by the end of its session will have none.
void UserSearch::ended(std::string_view session) {
    const std::string prefix = std::string(session) + ':';
    std::vector<Pending> left;
    if (pending_sessions_.contains(session_key(session))) {
        std::erase_if(pending_, [&](auto& pending) {
            const bool of_it = pending.first.starts_with(prefix);
            if (of_it) {
                left.push_back(std::move(pending.second));
            }
            return of_it;
        });
    }
    std::ranges::sort(left, {}, &Pending::order);
    for (Pending& pending : left) {
        emit(pending, nullptr);
    }
    facts_.erase(std::string(session));
}

// What the line as it stands already rules out.
bool UserSearch::matches_line(std::string_view text) {
    if ((!since_.empty() && head_.time < since_) || (!until_.empty() && head_.time >= until_) ||
        !head_.session.starts_with(question_.session)) {
        return false;
    }
    if (question_.allowed &&
        text.find(*question_.allowed ? "\"verdict\":\"allow\"" : "\"verdict\":\"reject\"") ==
            std::string_view::npos) {
        return false;
    }
    if (needles_.empty() || !head_.has_sql || text.find("{\"base64\":") != std::string_view::npos) {
        return true;
    }
    fold_into(folded_line_, text);
    return std::ranges::all_of(needles_, [&](const Needles& needles) {
        return std::ranges::any_of(needles, [&](const std::string& needle) {
            return folded_line_.find(needle) != std::string::npos;
        });
    });
}

void UserSearch::statement(const Place& place, std::uint64_t number, std::string_view text) {
    // Whose text another one runs was a Parse, which has no result of its own.
    if (head_.of != 0 && !pending_.empty()) {
        const auto parse = pending_.find(statement_key(head_.session, head_.of));
        if (parse != pending_.end()) {
            Pending settled = std::move(parse->second);
            pending_.erase(parse);
            emit(settled, nullptr);
        }
    }
    // Whoever runs it may be found where it is not.
    if (head_.has_sql) {
        if (places_.size() >= kPlacesMax) {
            places_.clear();
        }
        places_[statement_key(head_.session, head_.statement)] = place;
    }
    if (place.file >= end_file_ || !matches_line(text)) {
        return;
    }
    Json parsed;
    const auto record = parsed.parse(text);
    if (!record) {
        complain(place.file, number, "the line cannot be read; see `vitrine audit verify`");
        return;
    }
    Pending pending;
    pending.place = place;
    pending.line = number;
    if (!matches(*record, pending)) {
        return;
    }
    pending.order = order_++;
    if (pending_bytes_ + text.size() + pending.sql.size() <= kPendingBytesMax) {
        pending.text = text;
    } else {
        pending.sql.clear();
    }
    const std::string session(head_.session);
    const std::string key = statement_key(session, head_.statement);
    // A number that comes twice was not written by vitrine; nothing is lost of it all the same.
    if (const auto twice = pending_.find(key); twice != pending_.end()) {
        Pending first = std::move(twice->second);
        pending_.erase(twice);
        emit(first, nullptr);
    }
    pending_bytes_ += pending.text.size() + pending.sql.size();
    ++pending_sessions_[session_key(session)];
    pending_.emplace(key, std::move(pending));
}

bool UserSearch::matches(const Record& record, Pending& pending) {
    const std::string session(record.text("session"));
    if ((!question_.user.empty() && record.text("user") != question_.user) ||
        (question_.allowed &&
         record.text("verdict") != (*question_.allowed ? "allow" : "reject"))) {
        return false;
    }
    if (!question_.masked.empty() &&
        std::ranges::none_of(record.list("masked"), [&](const std::string& column) {
            return names_column(column, question_.masked);
        })) {
        return false;
    }
    if (!question_.database.empty() || !question_.grant.empty()) {
        const SessionFacts& session_facts = facts(session, pending.place);
        if ((!question_.database.empty() && session_facts.database != question_.database) ||
            (!question_.grant.empty() && session_facts.grant != question_.grant)) {
            return false;
        }
    }
    pending.borrowed = record.find("sql") == nullptr;
    if (asks_for_texts()) {
        if (pending.borrowed) {
            pending.sql = text(session, record.number("of"), pending.place);
        }
        return has_words(record, pending.sql) && has_subjects(record, pending);
    }
    return true;
}

bool UserSearch::has_words(const Record& record, const std::string& sql) const {
    if (question_.words.empty()) {
        return true;
    }
    std::vector<std::string> texts{folded(sql)};
    each_searched_text(record, [&](std::string_view text) { texts.push_back(folded(text)); });
    return std::ranges::all_of(question_.words, [&](const std::string& word) {
        return std::ranges::any_of(
            texts, [&](const std::string& text) { return text.find(word) != std::string::npos; });
    });
}

bool UserSearch::has_subjects(const Record& record, Pending& pending) {
    const std::string sql = pending.borrowed ? pending.sql : std::string(record.text("sql"));
    const std::string plain = folded(sql);
    const auto masked = record.list("masked");
    for (std::size_t i = 0; i < question_.subjects.size(); ++i) {
        const Subject& subject = question_.subjects[i];
        Mention mention = Mention::kNo;
        if (std::ranges::any_of(subject.words, [&](const std::string& word) {
                return plain.find(word) != std::string::npos;
            })) {
            auto& known = mentions_[i];
            if (const auto before = known.find(sql); before != known.end()) {
                mention = before->second;
            } else {
                mention = subject.mentions(sql);
                if (known.size() >= kMentionsMax) {
                    known.clear();
                }
                if (sql.size() <= kMentionBytesMax) {
                    known.emplace(sql, mention);
                }
            }
        }
        if (mention < Mention::kStar && subject.is_masked &&
            std::ranges::any_of(masked, subject.is_masked)) {
            mention = Mention::kMasked;
        }
        if (mention == Mention::kNo) {
            return false;
        }
        pending.mentions.push_back(mention);
    }
    return true;
}

void UserSearch::emit(Pending& pending, const StatementResult* result) {
    pending_bytes_ -= pending.text.size() + (pending.text.empty() ? 0 : pending.sql.size());
    const std::string line = pending.text.empty() ? read_place(pending.place) : pending.text;
    Json parsed;
    const auto record = parsed.parse(line);
    if (!record) {
        complain(pending.place.file, pending.line, "the line cannot be read again");
        return;
    }
    const std::string session(record->text("session"));
    const auto count = pending_sessions_.find(session_key(session));
    if (count != pending_sessions_.end() && --count->second == 0) {
        pending_sessions_.erase(count);
    }
    if (enough_ || (!question_.sqlstate.empty() &&
                    (result == nullptr || result->sqlstate != question_.sqlstate))) {
        return;
    }
    std::string sql(record->text("sql"));
    if (pending.borrowed) {
        sql =
            pending.sql.empty() ? text(session, record->number("of"), pending.place) : pending.sql;
    }
    ++searched_.hits;
    enough_ = !found_({.file = files_[pending.place.file]->name,
                       .line = pending.line,
                       .record = *record,
                       .sql = sql,
                       .session = facts(session, pending.place),
                       .result = result,
                       .mentions = pending.mentions}) ||
              (question_.limit != 0 && searched_.hits >= question_.limit);
}

const SessionFacts& UserSearch::facts(std::string_view session, const Place& before) {
    const std::string key(session);
    if (const auto known = facts_.find(key); known != facts_.end()) {
        return known->second;
    }
    const std::string line = find_before(
        session, before,
        [](const LineHead& head, std::string_view) { return head.type == "session_start"; });
    if (facts_.size() >= kFactsMax) {
        facts_.clear();
    }
    Json parsed;
    const auto record = parsed.parse(line);
    return facts_[key] = record ? facts_of(*record) : SessionFacts();
}

std::string UserSearch::text(std::string_view session, std::uint64_t number, const Place& before) {
    const std::string key = statement_key(session, number);
    if (const auto known = texts_.find(key); known != texts_.end()) {
        return known->second;
    }
    const auto place = places_.find(key);
    const std::string line =
        place != places_.end()
            ? read_place(place->second)
            : find_before(session, before, [&](const LineHead& head, std::string_view) {
                  return head.type == "statement" && head.has_sql && head.statement == number;
              });
    Json parsed;
    const auto record = parsed.parse(line);
    std::string sql(record ? record->text("sql") : std::string_view());
    if (text_bytes_ + sql.size() > kTextBytesMax) {
        texts_.clear();
        text_bytes_ = 0;
    }
    text_bytes_ += sql.size() + key.size();
    texts_[key] = sql;
    return sql;
}

std::string UserSearch::read_place(const Place& place) {
    auto source = LogSource::open((directory_ / files_[place.file]->name).string());
    std::string line(static_cast<std::size_t>(place.size), '\0');
    std::size_t got = 0;
    while (source && got < line.size()) {
        const auto more = source->read(place.offset + got, line.data() + got, line.size() - got);
        if (!more || *more == 0) {
            return {};
        }
        got += *more;
    }
    return source ? line : std::string();
}

std::string UserSearch::find_before(
    std::string_view session, const Place& before,
    const std::function<bool(const LineHead&, std::string_view)>& wanted) {
    const std::uint32_t key = session_key(session);
    std::string last;
    const auto look = [&](std::size_t file, std::uint64_t begin, std::uint64_t end) {
        auto source = LogSource::open((directory_ / files_[file]->name).string());
        if (!source) {
            return;
        }
        LineReader reader(std::move(*source), begin);
        LineHead head;
        for (std::string_view line; reader.offset() < end && reader.next(line);) {
            if (line.find(session) != std::string_view::npos && head.read(line) &&
                head.session == session && wanted(head, line)) {
                last = line;
            }
        }
    };
    for (std::size_t file = before.file + 1; file > 0 && last.empty(); --file) {
        const std::uint64_t end = file - 1 == before.file ? before.offset : kToEnd;
        const IndexedFile* known = indexed(file - 1);
        if (known == nullptr) {
            look(file - 1, 0, end);
            continue;
        }
        if (known->end < end && !whole_ && !is_unchanged(directory_, *known)) {
            look(file - 1, known->end, end);
        }
        for (auto block = known->blocks.rbegin(); block != known->blocks.rend() && last.empty();
             ++block) {
            if (block->offset < end && (key == 0 || block->has_session(key) ||
                                        (block->flags & IndexedBlock::kAlways) != 0)) {
                look(file - 1, block->offset, std::min(end, block->offset + block->size));
            }
        }
    }
    return last;
}

}  // namespace

std::string_view text_of(Mention mention) {
    switch (mention) {
        case Mention::kNo:
            return "no";
        case Mention::kWord:
            return "word";
        case Mention::kStar:
            return "*";
        case Mention::kName:
            return "name";
        case Mention::kMasked:
            return "masked";
    }
    return "no";
}

std::string folded(std::string_view text) {
    std::string small;
    fold_into(small, text);
    return small;
}

namespace {

struct KnownUser {
    std::optional<UserIndex> index;
    bool whole = false;
};

KnownUser load_user(const fs::path& directory, const fs::path& index, const LogFiles& files) {
    KnownUser known;
    const std::string& name = files.files.front().name;
    known.index = load_index(index, name.substr(0, name.find('/')));
    // Nor is anything kept of files that are gone.
    known.whole = known.index && known.index->files.size() == files.files.size() &&
                  std::ranges::all_of(files.files, [&](const LogFile& file) {
                      const IndexedFile* indexed = known.index->find(file.name);
                      return indexed != nullptr && is_unchanged(directory, *indexed);
                  });
    return known;
}

// Those who have none yet get theirs all at once.
bool make_missing(const fs::path& directory, const fs::path& index,
                  const std::vector<LogFiles>& users, std::ostream& err) {
    LogFiles missing;
    for (const LogFiles& user : users) {
        const std::string& name = user.files.front().name;
        std::error_code error;
        if (!fs::exists(index / (name.substr(0, name.find('/')) + std::string(kIndexSuffix)),
                        error)) {
            missing.files.insert(missing.files.end(), user.files.begin(), user.files.end());
        }
    }
    return refresh_index(directory, missing, index, false, err).usable;
}

}  // namespace

Searched search(const fs::path& directory, const LogFiles& files, const fs::path& index,
                const Question& question, const std::function<bool(const Hit&)>& found,
                std::ostream& err) {
    Question asked = question;
    for (std::string& word : asked.words) {
        word = folded(word);
    }
    const std::string only =
        question.user.empty() ? std::string() : directory_name(question.user) + "/";
    std::vector<LogFiles> users;
    std::string last;
    for (const LogFile& file : files.files) {
        if (!file.name.starts_with(only)) {
            continue;
        }
        const std::string user = file.name.substr(0, file.name.find('/') + 1);
        if (users.empty() || user != last) {
            users.emplace_back();
            last = user;
        }
        users.back().files.push_back(file);
    }
    if (!index.empty()) {
        forget_gone_users(index, files);
    }
    bool indexed = !index.empty() && make_missing(directory, index, users, err);
    // The next user's is read while this one's is asked.
    std::future<KnownUser> next;
    const auto prefetch = [&](std::size_t at) {
        if (indexed && at < users.size()) {
            next = std::async(std::launch::async,
                              [&, at] { return load_user(directory, index, users[at]); });
        }
    };
    prefetch(0);
    Searched searched;
    for (std::size_t at = 0; at < users.size(); ++at) {
        KnownUser known;
        if (indexed) {
            known = next.get();
            if (!known.whole) {
                indexed = refresh_index(directory, users[at], index, false, err).usable;
                known = load_user(directory, index, users[at]);
            }
            prefetch(at + 1);
        }
        std::vector<const LogFile*> of_user;
        for (const LogFile& file : users[at].files) {
            of_user.push_back(&file);
        }
        UserSearch of(directory, std::move(of_user), known.index ? &*known.index : nullptr,
                      known.whole, asked, found, searched, err);
        if (!of.run()) {
            break;
        }
    }
    return searched;
}

}  // namespace vitrine::audit
