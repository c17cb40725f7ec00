// A session after login: the client's messages through the door to the server, and the server's
// answers back (PostgreSQL documentation, "Message Flow"). Without I/O.
//
// The life of a message from the client:
//   framed (its length checked first) → decoded → judged → recorded → appended to server_output().
// With durability: write the records of what came together are written together, by whoever asks
// for server_output(): what could not be recorded is refused there, and has not been sent.
// The life of an answer: framed → matched with the message it answers (Pipeline) → checked (the
// tripwires) → counted → appended to client_output(), DataRow and CopyData in pieces as they come.
//
// A statement is judged by the state it will run in. Where that state is not known for sure (a SET
// search_path is under way, a transaction that set it has ended) the conversation stops taking
// messages until all answers are in, and asks the server. Where the catalog may be old, it stops
// until a fresh one is there. wants() says so to whoever drives it.
//
// Not thread-safe: one conversation lives on one worker.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "auth/principal.h"
#include "config/config.h"
#include "parser/constants.h"
#include "parser/cost_question.h"
#include "parser/judge.h"
#include "parser/judgement_cache.h"
#include "proxy/audit/query_log.h"
#include "proxy/session/counters.h"
#include "proxy/session/pipeline.h"
#include "proxy/session/server_login.h"
#include "proxy/wire/backend.h"
#include "proxy/wire/frontend.h"

namespace vitrine::session {

struct ConversationOptions {
    audit::SessionId id;
    std::shared_ptr<const parser::Policy> policy;
    std::vector<std::string> search_path;  // at the login
    // What the server reported at the login, by name: what of it never changes is held to it.
    ServerParameters server_parameters;
    // The newest policy for this principal; asked for whenever it may be taken over. Null: there
    // is none that may be believed, and nothing is let through.
    std::function<std::shared_ptr<const parser::Policy>()> newest_policy;
    audit::QueryLog* log = nullptr;
    Counters* counters = nullptr;                  // the worker's; null: nothing is counted
    parser::JudgementCache* judgements = nullptr;  // the worker's
    config::Parameters parameters = config::Parameters::kFull;
    // What stands for a value; set for Parameters::kMasked.
    parser::Digest digest;
    // Of the rows, for the results on record; null: they are not hashed.
    std::unique_ptr<audit::RowsDigest> rows_digest;
    audit::Ticket recorded;          // of the session_start
    std::string application_prefix;  // what stands before the client's own application_name
    std::function<std::chrono::steady_clock::time_point()> now;
    config::UserLimits limits;
    // May the user run so many more statements now? They are counted where the answer is yes.
    // Called only where limits.statements_per_minute is set.
    std::function<bool(std::size_t)> take_statements;
    // How many of so many rows (bytes) more may the user have within the hour? They are counted.
    // Called only where limits.rows_per_hour (bytes_per_hour) is set.
    std::function<std::uint64_t(std::uint64_t)> take_rows;
    std::function<std::uint64_t(std::uint64_t)> take_bytes;
};

// What the server is sent in place of a refused text: it cannot be parsed, in whatever state the
// transaction is.
inline constexpr std::string_view kFailingText = "vitrine: statement refused";

// The reason on record for what the server discards after an error.
inline constexpr std::string_view kSkipped = "not run: an earlier message of the batch failed";

// Why a conversation is over, and what its client is told.
struct Ending {
    audit::EndCause cause = audit::EndCause::kClient;
    std::string sqlstate;  // empty: nothing is said (the client left, or cannot be spoken to)
    std::string message;
    std::string hint;
    std::string log_message;  // for the operator's log; empty: nothing to say
};

class Conversation {
  public:
    explicit Conversation(ConversationOptions options);
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    // Bytes that came, in whatever pieces.
    void from_client(std::string_view bytes);
    void from_server(std::string_view bytes);
    // There is room for more: goes on with messages that waited for it.
    void output_drained() { take_client_messages(); }
    void client_closed();
    void server_closed();
    // The catalog was loaded anew (or could not be): goes on with what was waiting for it.
    void catalog_answered();
    // A CancelRequest for this session arrived. True: there is something to cancel, so send it to
    // the server and call cancel_delivered() once that is over; until then nothing is forwarded,
    // so that a late cancel cannot hit the next statement.
    [[nodiscard]] bool cancel_requested();
    void cancel_delivered();
    // Called a few times a second, for the limits that time brings about: an idle session is
    // ended. True: a statement went beyond its limit, so send a cancel to the server and call
    // cancel_delivered() once that is over, as for cancel_requested().
    [[nodiscard]] bool enforce_limits();
    // Ends the session from outside: the token expired, the proxy shuts down.
    void end(Ending ending);
    // Tells the client something, between two messages of the server's.
    void notify(std::string message, std::string hint);
    // The same as end(), at once, whatever the client is in the middle of: no last words.
    void abandon();

    // With durability: fsync, what is to be sent to the server may be sent once this is settled;
    // see log_failed().
    [[nodiscard]] const audit::Ticket& recorded() const { return recorded_; }
    // The record could not be brought to the disk: what hangs on it is never sent.
    void log_failed();

    // Bytes to send; whoever sends takes them out.
    [[nodiscard]] std::string& client_output() { return client_output_; }
    [[nodiscard]] std::string& server_output() {
        if (!staged_.empty()) {
            write_records();
        }
        return server_output_;
    }
    // Called now and then: buffers that are empty cost an idle session nothing.
    void give_back();
    // Back-pressure: is it any use to read more from this side now?
    [[nodiscard]] bool wants_client_bytes() const;
    [[nodiscard]] bool wants_server_bytes() const;
    [[nodiscard]] bool wants_fresh_catalog() const { return hold_ == Hold::kCatalog; }
    // Set once the session is over: flush client_output(), cancel what runs, close.
    [[nodiscard]] const std::optional<Ending>& ended() const { return ended_; }
    [[nodiscard]] bool statement_running() const { return !pipeline_.empty(); }
    // It has to end, and waits for the client to take the rest of a message.
    [[nodiscard]] bool ending() const { return ending_.has_value(); }
    // The client's connection is inside a message: nothing of ours can be put there.
    [[nodiscard]] bool inside_client_message() const { return server_rest_ > 0; }

    // The session ended with bytes for the server unsent: maybe in the middle of a message, so that
    // nothing more may be sent to it.
    [[nodiscard]] bool server_message_cut() const { return server_message_cut_; }

    [[nodiscard]] const audit::SessionEnd& totals() const { return totals_; }

    // Once it has ended: is the server's session idle, with nothing on its way to it or from it,
    // and was nothing of it ever cancelled? Then it may be told to forget this one, and be
    // another's.
    [[nodiscard]] bool leaves_server_idle() const { return leaves_server_idle_; }
    // What the server has reported, at the login and since.
    [[nodiscard]] ServerParameters server_parameters() const;
    [[nodiscard]] const ServerParameters& parameters_at_login() const {
        return options_.server_parameters;
    }

  private:
    // A statement that a Parse or PREPARE made, by its name on the server.
    struct Prepared {
        std::shared_ptr<const std::string> sql;  // the client's text (PREPARE: all of it)
        std::vector<std::uint32_t> parameter_types;
        std::vector<std::uint32_t> found_types;  // as the server has described them; or empty
        std::uint64_t statement = 0;             // its record
        bool by_sql = false;                     // PREPARE: judged as a simple statement
        // Under the current policy and path it would not be sent as it was.
        bool stale = false;
        std::shared_ptr<const parser::Judgement> judgement;

        [[nodiscard]] const std::vector<std::uint32_t>& types() const {
            return found_types.empty() ? parameter_types : found_types;
        }
    };
    struct Portal {
        std::shared_ptr<const std::string> sql;
        std::shared_ptr<const parser::Judgement> judgement;
        std::uint64_t statement = 0;  // the record of its Bind
        Sent sent;
        bool described = false;  // its columns have passed the tripwire
        bool executed = false;
        bool suspended = false;
        std::chrono::steady_clock::time_point started;
    };
    enum class Hold : std::uint8_t {
        kNone,
        kDrain,    // until all answers are in, to learn the state the next statement runs in
        kPath,     // until the server has said its search_path
        kCatalog,  // until a fresh catalog is there
        kCost,     // until the server has said what the statement held will cost
    };
    // A statement that is on record, and is sent once its cost is known.
    struct Held {
        Entry entry;
        std::string message;         // as it will be sent
        std::size_t statements = 0;  // of a Query's: those that will run
        std::vector<parser::CostQuestion> questions;
        std::size_t answered = 0;
        std::string answer;  // to the one that is not
        std::optional<parser::Refusal> refusal;
        bool refusal_has_position = false;
        // The place in the client's text of one in the text that is sent.
        [[nodiscard]] std::size_t begin_in_text(std::size_t sent) const;
    };

    [[nodiscard]] bool takes_messages() const;
    // The client's side. A handler gives false where its message has to wait.
    void take_client_messages();
    [[nodiscard]] bool client_message(char type, std::string_view payload);
    [[nodiscard]] bool query(std::string_view payload);
    [[nodiscard]] bool parse(std::string_view payload);
    [[nodiscard]] bool bind(std::string_view payload);
    [[nodiscard]] bool describe(std::string_view payload);
    [[nodiscard]] bool execute(std::string_view payload);
    void close(std::string_view payload);
    void sync();
    void function_call();
    void malformed(std::string_view what);
    // Nothing of these is sent. False: it is not on record.
    bool record_skipped(std::string_view sql);
    void record_skipped(const wire::Parse& parse);
    void record_skipped(const wire::Bind& bind);
    // A Bind's values for the record: as text, in whatever format and of whatever type they came.
    [[nodiscard]] std::optional<std::vector<std::optional<std::string>>> values_of(
        const wire::Bind& bind, const std::vector<std::uint32_t>& types) const;
    // What stands on record for the text of a Bind whose statement was never prepared.
    [[nodiscard]] static std::string unknown_statement(std::string_view name);
    // What is vitrine's own words, and has no values in it.
    enum class Words : std::uint8_t { kClients, kOwn };
    [[nodiscard]] bool waits_for_rows(char type) const;
    // The refusal where the user has run too many statements; the count is taken where not.
    [[nodiscard]] std::optional<parser::Refusal> beyond_rate(std::size_t statements);
    // What is not known yet of the costs of a text that is to be sent.
    [[nodiscard]] std::vector<parser::CostQuestion> cost_questions(const std::string& text);
    // The refusal where what a statement of a text will run is not what would be asked about.
    [[nodiscard]] static std::optional<parser::Refusal> cost_unknown(
        const parser::Judgement& judgement, const std::vector<parser::CostQuestion>& questions);
    // Asks them, with a Bind's parameters. The statement is sent, or refused, when all answers are
    // in.
    void ask_cost(Held held, const std::vector<std::uint32_t>& parameter_types, wire::Bind values);
    void cost_message(char type, std::string_view payload);
    void cost_failed(const wire::Fields& fields);
    void cost_answered();

    // The door.
    [[nodiscard]] bool ready_to_judge();
    [[nodiscard]] std::shared_ptr<const parser::Judgement> ask_the_judge(
        std::string_view sql, parser::Protocol protocol, const std::vector<std::uint32_t>& types,
        bool path_known);
    [[nodiscard]] std::shared_ptr<const parser::Judgement> judge(
        std::string_view sql, parser::Protocol protocol, const std::vector<std::uint32_t>& types);
    [[nodiscard]] parser::SessionContext::Prepared known_as_prepared(std::string_view name);
    [[nodiscard]] bool take_newest_policy();
    void drain();
    void wait_for_path();
    // What a name stands for when the message being looked at reaches the server.
    struct Named {
        const Entry* pending = nullptr;  // a Parse of the same batch, not answered yet
        const Prepared* made = nullptr;
        bool uncertain = false;  // it takes the answers of what is under way to know
    };
    [[nodiscard]] Named named_statement(std::string_view name) const;
    [[nodiscard]] bool pending_stands(const Entry& parse);
    enum class Standing : std::uint8_t { kCurrent, kStale, kWait };
    [[nodiscard]] Standing standing(const Prepared& prepared);
    void remember(const std::string& name, Prepared prepared);
    void forget(const std::string& name);
    void forget_all();
    void rejudge_prepared();
    void ask_search_path();
    // The entries of messages of vitrine's own, and what makes the server answer them.
    void push_internal(std::initializer_list<EntryKind> kinds);
    void end_internal(bool inside_batch);
    void note_effects(const parser::Judgement& judgement, std::size_t count);
    // What hangs on a record: the message that is appended to server_output() next, or nothing.
    enum class Sending : std::uint8_t { kBehindIt, kNothing };
    [[nodiscard]] bool record(audit::Statement statement, Words words = Words::kClients,
                              Sending sending = Sending::kBehindIt);
    [[nodiscard]] bool stage(const audit::Statement& statement);
    // What was staged goes into the query log; false: not all of it. The runs stay.
    bool write_staged();
    // The same, and what hangs on what is not on record is refused: nothing of it was sent.
    void write_records();
    // The same, and nothing of it will be sent.
    void settle_records();
    void take_back_totals();
    void refuse_unsent();
    void refuse_unrecorded_query(Entry& entry);
    // Is that statement among those that could not be recorded?
    [[nodiscard]] bool is_unrecorded(std::uint64_t number) const;
    void forget_unrecorded(Entry& entry) const;
    [[nodiscard]] const Prepared* find_prepared(std::string_view name) const;
    // Puts a message into the server's stream that fails there, in place of a refused one.
    void forward_refusal(std::string_view statement_name, Entry entry, parser::Refusal refusal);
    void push(Entry entry);
    void pop();

    // The server's side.
    void take_server_messages();
    void server_message(char type, std::string_view payload, std::string_view whole);
    void internal_message(char type, std::string_view payload);
    void error_response(std::string_view payload);
    void notice_response(std::string_view payload);
    void ready_for_query(std::string_view payload, std::string_view whole);
    void statement_complete(char type, std::string_view whole);
    [[nodiscard]] bool row_description(std::string_view payload);
    void trip(std::uint32_t table, std::int16_t number);
    void described(const Entry& entry);
    void note_parameter_types(const Entry& entry, std::string_view payload);
    void parameter_status(std::string_view payload, std::string_view whole);
    void unexpected(char type);
    void drop_skipped_entries();
    // A row of so many bytes comes: does its statement stay within the user's limits?
    [[nodiscard]] bool within_limits(Entry& entry, std::size_t size);
    void count_limit(LimitMet met) const;
    [[nodiscard]] parser::Refusal beyond_refusal(Beyond beyond) const;
    void tell(const parser::Refusal& refusal);
    void end_if_idle();
    [[nodiscard]] bool within_the_hour(Entry& entry, std::size_t size);
    [[nodiscard]] bool limits_rows() const;
    void completed(const parser::StatementJudgement& statement, std::string_view text,
                   std::uint64_t number);
    void finish_portal(const Portal& portal);
    void write_result(std::uint64_t statement, const Sent& sent,
                      std::chrono::steady_clock::time_point started, std::string_view sqlstate,
                      std::string_view message);
    void finish(Ending ending);

    ConversationOptions options_;
    // What the next statement is judged by; kept, since to make it takes longer than to find a
    // judgement by it.
    parser::SessionContext context_;
    audit::Ticket recorded_;  // of the last statement
    // Statements on their way to the query log, in their order. What is in server_output_ from
    // unsent_begin_ on, and the last entries of the pipeline, as many as unsent_, hang on them.
    struct StagedRun {
        audit::Staged staged;
        std::uint64_t first = 0;  // statement
        std::uint64_t count = 0;
        std::uint64_t rejected = 0;
    };
    std::vector<StagedRun> staged_;
    std::size_t unsent_begin_ = 0;
    std::size_t unsent_ = 0;
    std::string client_input_;
    std::size_t client_taken_ = 0;  // bytes of client_input_ that are done with
    std::string server_input_;
    std::string client_output_;
    std::string server_output_;
    std::size_t server_rest_ = 0;      // bytes of a streamed message still to come
    bool row_in_pieces_ = false;       // it is a row, and goes into its statement's digest
    std::size_t server_withheld_ = 0;  // the same of one that is not passed on

    Pipeline pipeline_;
    std::unordered_map<std::string, Prepared> prepared_;
    std::size_t prepared_bytes_ = 0;
    // The records of those that were skipped since the error, by their names; 0: it has none.
    std::unordered_map<std::string, std::uint64_t> skipped_parses_;
    std::unordered_map<std::string, Portal> portals_;
    wire::TransactionStatus status_ = wire::TransactionStatus::kIdle;
    bool server_message_cut_ = false;
    bool leaves_server_idle_ = false;
    bool cancel_sent_ = false;         // ever
    ServerParameters reported_since_;  // since the login, the newest of each name
    bool fatal_passed_ = false;        // the server has said why it closes

    Hold hold_ = Hold::kNone;
    std::optional<Held> held_;
    // The questions whose answers were below the limit: a text is asked about once.
    std::unordered_set<std::string> measured_;
    std::size_t measured_bytes_ = 0;
    // Taken from what the user may have within the hour, and not passed on yet.
    std::uint64_t rows_taken_ = 0;
    std::uint64_t bytes_taken_ = 0;
    unsigned cancels_in_flight_ = 0;
    // When the statement at the front of the pipeline became that, or began.
    std::chrono::steady_clock::time_point running_since_;
    std::chrono::steady_clock::time_point last_active_;
    // When the one at the front was cancelled for a limit.
    std::optional<std::chrono::steady_clock::time_point> cancelled_at_;
    bool cancelled_for_limit_ = false;  // and answers of that time are still to come
    bool unflushed_ = false;            // the server may keep back answers until a Flush or Sync
    bool rows_in_batch_ = false;  // an Execute that may give rows was sent since the last Sync
    bool policy_believed_ = true;
    bool asked_for_unknown_ = false;  // the judge asked for a prepared statement not known
    bool catalog_asked_ = false;      // for the message at the front of client_input_
    bool path_may_differ_ = false;    // the server has to be asked before the next judgement
    bool cursor_held_ = false;        // WITH HOLD, ever in this session: it may be open still
    bool path_was_set_ = false;       // ever in this session: transaction ends may change it
    bool batch_open_ = false;         // extended messages were sent since the last Sync
    bool skipping_ = false;           // the server discards everything up to the next Sync
    std::uint64_t next_statement_ = 1;
    audit::SessionEnd totals_;
    std::optional<Ending> ended_;
    std::optional<Ending> ending_;  // to be said at the next message boundary
    std::string notice_;            // an encoded NoticeResponse, as ending_
};

}  // namespace vitrine::session
