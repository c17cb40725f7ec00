// The one door: SQL in, judgement out. Every path (simple query, Parse, `vitrine explain`, and what
// comes later) calls judge() and nothing else decides.
//
// Pure: no I/O, no clock, no state but what libpg_query keeps a thread. May be called from any
// number of threads at once. Memory is bounded by the statement's size (limits::kStatementBytesMax)
// and depth (limits::kNestingMax).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parser/masking/policy.h"

namespace vitrine::parser {

enum class Protocol : std::uint8_t {
    kSimple,    // any number of statements, no parameters
    kExtended,  // one statement at most, $n parameters
};

// What the judgement depends on besides text and policy: all of it, or JudgementCache would give
// one that was made of something else.
struct SessionContext {
    // The schemas an unqualified name is looked up in, in the server's order, as the server itself
    // answered to current_schemas(true) in the state the statement will run in.
    std::vector<std::string> search_path;
    // False: the path may have changed since. What is allowed then means the same whatever it is.
    bool search_path_known = true;
    // What stands before an application_name that the client sets, so that a DBA still sees who it
    // is; empty: nothing.
    std::string application_prefix;
    // The planner's costs may not be changed: the user has a limits.max_cost.
    bool costs_fixed = false;
    Protocol protocol = Protocol::kSimple;
    // The types that a Parse message declares for $1, $2, …; 0: none declared.
    std::vector<Oid> parameter_types;
    // Is this the name of a prepared statement that was judged under the current policy and path?
    // Asked for EXECUTE of a name that no PREPARE of the same text made before. Absent: none is.
    // kNotPlain: it does more than read (it was made by a Parse message, which takes any kind).
    // kPlanHidden: current, and StatementJudgement::plan_hidden.
    enum class Prepared : std::uint8_t { kUnknown, kCurrent, kPlanHidden, kStale, kNotPlain };
    std::function<Prepared(std::string_view name)> prepared;
};

// What a session must know of an allowed statement beyond forwarding it.
enum class Effect : std::uint8_t {
    kNone,         // reads, or changes nothing that vitrine keeps track of
    kTransaction,  // BEGIN, COMMIT, ROLLBACK, SAVEPOINT, …
    kSearchPath,   // SET / RESET search_path, set_config('search_path', …)
    kPrepare,      // SQL-level PREPARE `name`
    kDeallocate,   // DEALLOCATE `name`; empty name: all
    kExecute,      // EXECUTE `name`
    kDiscardAll,   // DISCARD ALL: the search_path and the prepared statements
    kHold,         // DECLARE CURSOR WITH HOLD: its rows outlive the transaction
};

struct Refusal {
    std::string sqlstate;
    std::string message;       // names the construct
    std::string detail;        // the rule
    std::string hint;          // the way out
    std::size_t position = 0;  // byte offset into the client's text

    bool operator==(const Refusal&) const = default;
};

struct StatementJudgement {
    // Where the statement stands in the client's text, in bytes, without the semicolon.
    std::size_t begin = 0;
    std::size_t size = 0;
    std::optional<Refusal> refusal;
    std::string
        rule;  // what decided: "read-only: DELETE", "statement: SELECT", "function: lo_import"
    std::vector<std::string> masked;    // "public.customers.email", sorted, each once
    std::vector<std::string> filtered;  // "public.orders by masking.rows[0]", in the same way
    Effect effect = Effect::kNone;
    std::string name;  // for kPrepare, kDeallocate, kExecute
    // Its plan would show constants that are hidden where a view's definition is asked for.
    bool plan_hidden = false;
    // The statement as it is sent, where it differs from the client's text.
    std::optional<std::string> forwarded;
    // kPrepare: the inner statement is judged as this one is; a stale name is known by its text.
    std::string command_tag;  // "SELECT", "BEGIN", …: PostgreSQL's, as far as known before it runs

    bool operator==(const StatementJudgement&) const = default;
};

// From byte offsets in the forwarded text back to the client's.
class PositionMap {
  public:
    struct Piece {
        std::size_t forwarded_begin = 0;
        std::size_t client_begin = 0;
        std::size_t size = 0;   // in the forwarded text
        bool replaced = false;  // all of it stands for client_begin

        bool operator==(const Piece&) const = default;
    };
    PositionMap() = default;
    explicit PositionMap(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}
    [[nodiscard]] std::size_t to_client(std::size_t forwarded_offset) const;
    [[nodiscard]] bool identity() const { return pieces_.empty(); }
    [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }

    bool operator==(const PositionMap&) const = default;

  private:
    std::vector<Piece> pieces_;  // sorted, without gaps; empty: the texts are the same
};

struct Judgement {
    // In the order of the text. A text that does not parse (or is invalid UTF-8, has a NUL, is too
    // long or too deep) gives one statement, refused, that spans it all.
    std::vector<StatementJudgement> statements;
    // Nothing was refused.
    [[nodiscard]] bool allowed() const;
    // Index of the first refused statement; statements.size() where there is none.
    [[nodiscard]] std::size_t first_refused() const;

    // The text to send for the statements before the first refused one, in the client's order,
    // with the rewriting in it; nullopt: the client's text, as far as `forwarded_size`.
    std::optional<std::string> forwarded;
    std::size_t forwarded_size = 0;  // bytes of the client's text when `forwarded` is nullopt
    PositionMap positions;           // of what is sent to the client's text

    // The refusal is for a relation, function or type that the snapshot does not have: a fresh
    // catalog may judge otherwise.
    bool catalog_may_be_stale = false;

    // SessionContext::prepared was asked: it is not the text and the rules alone that decided.
    bool depends_on_prepared = false;

    bool operator==(const Judgement&) const = default;
};

// A string, since the grammar reads to the NUL behind it.
[[nodiscard]] Judgement judge(const std::string& sql, const Policy& policy,
                              const SessionContext& session);

// 1-based position in characters, as ErrorResponse's P field counts, of a byte offset in UTF-8.
[[nodiscard]] std::size_t character_position(std::string_view utf8, std::size_t byte_offset);
// And back; the text's size where the position lies behind it.
[[nodiscard]] std::size_t byte_offset(std::string_view utf8, std::size_t character_position);

}  // namespace vitrine::parser
