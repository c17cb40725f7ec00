// The messages that were sent to the server and are not answered yet, in their order: which answer
// belongs to which message (PostgreSQL documentation, "Message Flow", "Extended Query",
// "Pipelining").
//
// Each frontend message that the server answers has one Entry; which backend message completes it
// is in this table:
//
//   kQuery      ReadyForQuery      (a CommandComplete a statement before)
//   kParse      ParseComplete
//   kBind       BindComplete
//   kDescribe   RowDescription or NoData (ParameterDescription before)
//   kExecute    CommandComplete, EmptyQueryResponse or PortalSuspended
//   kClose      CloseComplete
//   kSync       ReadyForQuery
//
// An ErrorResponse answers the first entry; unless that is a kQuery, everything up to the next
// kSync is discarded by the server without an answer.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parser/judge.h"
#include "proxy/audit/rows_digest.h"

namespace vitrine::session {

// What the client got of a statement's answer.
struct Sent {
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    audit::RowsSum sum;  // where rows are hashed

    Sent& operator+=(const Sent& other) {
        rows += other.rows;
        bytes += other.bytes;
        sum += other.sum;
        return *this;
    }
};

enum class EntryKind : std::uint8_t { kQuery, kParse, kBind, kDescribe, kExecute, kClose, kSync };

// The limit of the user's that a statement went beyond.
enum class Beyond : std::uint8_t { kNothing, kRows, kBytes, kHourRows, kHourBytes, kTime };

struct Entry {
    EntryKind kind = EntryKind::kSync;
    // vitrine's own question: its answers are not the client's.
    bool internal = false;
    // kParse, kClose, kDescribe: the statement's name; kBind, kExecute: the portal's.
    std::string name;
    bool is_portal = false;  // kClose, kDescribe: it is a portal's name
    // The client's text and what was made of it: kQuery, kParse; kBind and kExecute have those of
    // their statement. Null where there is none.
    std::shared_ptr<const std::string> sql;
    std::vector<std::uint32_t> parameter_types;  // kParse
    std::shared_ptr<const parser::Judgement> judgement;
    // The record of each statement of the text (kQuery), or the one record (others); 0: none.
    std::vector<std::uint64_t> records;
    // What the client gets in place of the error that the server will answer with.
    std::optional<parser::Refusal> refusal;
    bool refusal_has_position = false;  // it is about a place in `sql`

    [[nodiscard]] std::string_view text() const { return sql ? std::string_view(*sql) : ""; }
    // What the entry holds in memory that others do not hold too.
    [[nodiscard]] std::size_t bytes_held() const {
        return kind == EntryKind::kQuery || kind == EntryKind::kParse ? text().size() : 0;
    }

    std::size_t current = 0;  // kQuery: the statement that runs
    Sent sent;                // of the current statement
    // From then on nothing more of the answer passes, whatever the server still sends; the client
    // has an error in its place as soon as the server has ended the statement.
    Beyond beyond = Beyond::kNothing;
    bool withheld = false;     // some of the answer has not passed for it
    bool beyond_told = false;  // kQuery: it has it, and the other statements of the text remain
    std::chrono::steady_clock::time_point started;
    std::size_t counted = 0;  // bytes_held() when it was pushed
    bool counted_name = false;

    // Does it run a statement of SQL that makes or drops names of prepared statements?
    [[nodiscard]] bool prepares() const {
        return judgement &&
               std::any_of(judgement->statements.begin(), judgement->statements.end(),
                           [](const parser::StatementJudgement& statement) {
                               return statement.effect == parser::Effect::kPrepare ||
                                      statement.effect == parser::Effect::kDeallocate ||
                                      statement.effect == parser::Effect::kDiscardAll;
                           });
    }
    // May a name of a prepared statement stand for something else behind it?
    [[nodiscard]] bool changes_names() const {
        switch (kind) {
            case EntryKind::kParse:
                return true;
            case EntryKind::kClose:
                return !is_portal;
            case EntryKind::kQuery:
            case EntryKind::kExecute:
                return prepares();
            case EntryKind::kSync:
            case EntryKind::kBind:
            case EntryKind::kDescribe:
                return false;
        }
        return true;
    }
};

class Pipeline {
  public:
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] Entry& front() { return entries_.front(); }
    // Of the texts of all entries.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    void push(Entry entry) {
        entry.counted = entry.bytes_held();
        bytes_ += entry.counted;
        entry.counted_name = entry.changes_names();
        names_ += entry.counted_name ? 1 : 0;
        entries_.push_back(std::move(entry));
    }
    // Of the batch at the front, which of its messages runs cannot be told: the server keeps the
    // answers to those before it in its buffer.
    void mark_batch(Beyond beyond) {
        for (Entry& entry : entries_) {
            entry.beyond = beyond;
            if (entry.kind == EntryKind::kQuery || entry.kind == EntryKind::kSync) {
                return;
            }
        }
    }
    void pop() {
        bytes_ -= entries_.front().counted;
        names_ -= entries_.front().counted_name ? 1 : 0;
        entries_.pop_front();
    }
    [[nodiscard]] const std::deque<Entry>& entries() const { return entries_; }
    // `visit` for each of the last ones, as many of them.
    template <class Visit>
    void visit_last(std::size_t count, const Visit& visit) {
        const std::size_t begin = entries_.size() - std::min(count, entries_.size());
        for (std::size_t i = begin; i < entries_.size(); ++i) {
            visit(entries_[i]);
        }
    }
    // Is there one that Entry::changes_names()? Where not, nobody need look through them: a
    // pipeline of one statement's Binds is as long as the client likes.
    [[nodiscard]] bool changes_names() const { return names_ > 0; }

  private:
    std::deque<Entry> entries_;
    std::size_t bytes_ = 0;
    std::size_t names_ = 0;
};

}  // namespace vitrine::session
