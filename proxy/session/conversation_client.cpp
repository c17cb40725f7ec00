// The conversation's one half: from the client through the door to the server.
#include <algorithm>
#include <new>

#include "config/limits.h"
#include "proxy/session/conversation.h"
#include "proxy/session/own_words.h"
#include "proxy/session/rewriting.h"
#include "proxy/session/server_login.h"
#include "proxy/wire/binary_value.h"
#include "proxy/wire/frame.h"

namespace vitrine::session {

namespace {

// Clients may not use names like this one: see kPathStatement.
constexpr std::string_view kOwnNames = "vitrine:";

// As kFailingText, at the end of a text: it parses, so that the statements before it run, and then
// fails: nobody can make a setting of that name (parser::kSettingPrefix is closed).
constexpr std::string_view kFailingStatement = "SHOW vitrine.statement_refused";

parser::Refusal stale_refusal(std::string_view name) {
    return {.sqlstate = "26000",
            .message = "prepared statement \"" + std::string(name) + "\" has to be prepared again",
            .detail =
                "The search_path, the rules or the catalog have changed since it was prepared, "
                "and it would mean something else now.",
            .hint = "Prepare it again under the same name after closing it.",
            .position = 0};
}

parser::Refusal stale_catalog_refusal() {
    return {.sqlstate = "57P03",
            .message = "the database's catalog is out of date and could not be loaded anew",
            .detail = "A statement is judged by what the server's catalog says, or not at all.",
            .hint = "Try again in a moment; the operator's log has the reason.",
            .position = 0};
}

constexpr std::string_view kRateRule = "limits: statements_per_minute";
constexpr std::string_view kRateState = "53400";
constexpr std::string_view kCostRule = "limits: max_cost";

std::string_view trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\f\v;";
    const std::size_t begin = text.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

void Conversation::take_client_messages() {
    while (takes_messages()) {
        const std::string_view rest = std::string_view(client_input_).substr(client_taken_);
        const auto header = wire::peek_frontend(rest);
        if (!header) {
            malformed(wire::describe(static_cast<wire::WireError>(header.error().value())));
            return;
        }
        if (!*header || rest.size() < (*header)->size) {
            break;
        }
        const char type = (*header)->type;
        if (!client_message(
                type, rest.substr(wire::kHeaderBytes, (*header)->size - wire::kHeaderBytes))) {
            break;
        }
        if (ended_) {
            return;
        }
        catalog_asked_ = false;
        client_taken_ += (*header)->size;
    }
    if (client_taken_ > 0) {
        client_input_.erase(0, client_taken_);
        client_taken_ = 0;
        if (client_input_.empty() && client_input_.capacity() > limits::kOutputHighWaterBytes) {
            client_input_.shrink_to_fit();
        }
    }
}

bool Conversation::client_message(char type, std::string_view payload) {
    if (skipping_ && type != 'S' && type != 'X') {
        // The server would discard it; it does not get to see it. What it holds is recorded.
        if (type == 'Q') {
            const auto message = wire::decode_query(payload);
            message ? void(record_skipped(message->sql)) : malformed("Query");
        } else if (type == 'P') {
            const auto message = wire::decode_parse(payload);
            message ? record_skipped(*message) : malformed("Parse");
        } else if (type == 'B') {
            const auto message = wire::decode_bind(payload);
            message ? record_skipped(*message) : malformed("Bind");
        }
        return true;
    }
    if (waits_for_rows(type)) {
        drain();
        return false;
    }
    switch (type) {
        case 'Q':
            return query(payload);
        case 'P':
            return parse(payload);
        case 'B':
            return bind(payload);
        case 'D':
            return describe(payload);
        case 'E':
            return execute(payload);
        case 'C':
            close(payload);
            return true;
        case 'F':
            function_call();
            return true;
        case 'S':
            if (!wire::decode_empty(payload)) {
                malformed("Sync");
                return true;
            }
            sync();
            return true;
        case 'H':
            if (!wire::decode_empty(payload)) {
                malformed("Flush");
                return true;
            }
            wire::write_flush(server_output_);
            unflushed_ = false;
            return true;
        case 'X':
            finish({.cause = audit::EndCause::kClient});
            return true;
        case 'd':
        case 'c':
        case 'f':
            // No COPY FROM STDIN ever runs; PostgreSQL ignores these outside of one, as a client
            // may send them before it has seen the error (postgres.c, PostgresMain).
            return true;
        default:
            malformed("a message that does not belong here");
            return true;
    }
}

void Conversation::malformed(std::string_view what) {
    finish({.cause = audit::EndCause::kError,
            .sqlstate = "08P01",
            .message = "malformed protocol message: " + std::string(what),
            .log_message = "malformed message from the client: " + std::string(what)});
}

bool Conversation::ready_to_judge() {
    return take_newest_policy();
}

void Conversation::drain() {
    hold_ = Hold::kDrain;
    if (batch_open_) {
        wire::write_flush(server_output_);
        unflushed_ = false;
    }
}

void Conversation::wait_for_path() {
    if (!pipeline_.empty()) {
        drain();
        return;
    }
    hold_ = Hold::kPath;
    ask_search_path();
}

bool Conversation::take_newest_policy() {
    auto newest = options_.newest_policy();
    policy_believed_ = newest != nullptr;
    if (!policy_believed_ || newest == options_.policy) {
        return true;
    }
    if (!pipeline_.empty()) {
        // What is under way was judged by the policy of before.
        drain();
        return false;
    }
    if ((status_ != wire::TransactionStatus::kIdle || batch_open_ || cursor_held_) &&
        !parser::same_rules(*options_.policy, *newest)) {
        // A portal or a cursor of this transaction, or one WITH HOLD, would go on under the rules
        // of before.
        finish({.cause = audit::EndCause::kRevoked,
                .sqlstate = "57P01",
                .message = "terminating connection: the masking rules have changed",
                .hint = "A transaction or a cursor WITH HOLD was open; connect again.",
                .log_message = "ended by a change of the rules inside a transaction"});
        return false;
    }
    options_.policy = std::move(newest);
    measured_.clear();
    measured_bytes_ = 0;
    // A schema that is new, or may be used now, changes what the server makes of the path.
    path_may_differ_ = true;
    rejudge_prepared();
    return true;
}

std::shared_ptr<const parser::Judgement> Conversation::ask_the_judge(
    std::string_view sql, parser::Protocol protocol, const std::vector<std::uint32_t>& types,
    bool path_known) {
    context_.search_path_known = path_known;
    context_.protocol = protocol;
    context_.parameter_types = types;
    try {
        return as_sent(options_.judgements->judge(sql, *options_.policy, context_));
    } catch (const std::bad_alloc&) {
        parser::Judgement refused;
        refused.statements.push_back(
            {.begin = 0,
             .size = sql.size(),
             .refusal = parser::Refusal{.sqlstate = "53200",
                                        .message = "out of memory while judging the statement",
                                        .detail = {},
                                        .hint = "Split the statement.",
                                        .position = 0},
             .rule = "limit: memory"});
        return std::make_shared<const parser::Judgement>(std::move(refused));
    }
}

std::shared_ptr<const parser::Judgement> Conversation::judge(
    std::string_view sql, parser::Protocol protocol, const std::vector<std::uint32_t>& types) {
    if (!policy_believed_) {
        auto refused = std::make_shared<parser::Judgement>();
        refused->statements.push_back({.begin = 0,
                                       .size = sql.size(),
                                       .refusal = stale_catalog_refusal(),
                                       .rule = "catalog: out of date"});
        return refused;
    }
    asked_for_unknown_ = false;
    // Where the path may have changed, what means the same under any path need not wait for it
    // (and SET TRANSACTION must not: the question would be a query before it).
    auto judgement = ask_the_judge(sql, protocol, types, !path_may_differ_);
    if (judgement->allowed()) {
        return judgement;
    }
    if (asked_for_unknown_ && !pipeline_.empty()) {
        drain();  // the PREPARE may be under way
        return nullptr;
    }
    // In a failed transaction the server cannot be asked, and runs nothing but its end.
    const bool can_ask = status_ != wire::TransactionStatus::kFailed || batch_open_;
    if (path_may_differ_ && can_ask) {
        wait_for_path();
        return nullptr;
    }
    if (judgement->catalog_may_be_stale && !catalog_asked_) {
        catalog_asked_ = true;
        hold_ = Hold::kCatalog;
        return nullptr;
    }
    return judgement;
}

void Conversation::note_effects(const parser::Judgement& judgement, std::size_t count) {
    for (std::size_t i = 0; i < count && i < judgement.statements.size(); ++i) {
        const parser::Effect effect = judgement.statements[i].effect;
        path_was_set_ = path_was_set_ || effect == parser::Effect::kSearchPath ||
                        effect == parser::Effect::kDiscardAll;
        cursor_held_ = cursor_held_ || effect == parser::Effect::kHold;
    }
}

void Conversation::push(Entry entry) {
    entry.started = options_.now();
    if (entry.kind != EntryKind::kQuery && entry.kind != EntryKind::kSync) {
        batch_open_ = true;
        unflushed_ = true;
    } else {
        unflushed_ = false;
        rows_in_batch_ = false;
    }
    if (pipeline_.empty()) {
        running_since_ = entry.started;
    }
    // Whatever runs may set the path or, by the end of its transaction, undo what set it.
    const bool runs = entry.kind == EntryKind::kQuery || entry.kind == EntryKind::kSync ||
                      entry.kind == EntryKind::kExecute;
    path_may_differ_ = path_may_differ_ || (runs && path_was_set_ && !entry.internal);
    pipeline_.push(std::move(entry));
    unsent_ += staged_.empty() ? 0 : 1;
    if (pipeline_.bytes() >= limits::kPipelineBytesMax && batch_open_) {
        wire::write_flush(server_output_);  // no more is read before the server has answered
        unflushed_ = false;
    }
}

void Conversation::forward_refusal(std::string_view statement_name, Entry entry,
                                   parser::Refusal refusal) {
    wire::write_parse(server_output_, statement_name, kFailingText, {});
    entry.refusal = std::move(refusal);
    push(std::move(entry));
    skipping_ = true;
}

bool Conversation::query(std::string_view payload) {
    const auto message = wire::decode_query(payload);
    if (!message) {
        malformed("Query");
        return true;
    }
    if (!ready_to_judge()) {
        return false;
    }
    auto judgement = judge(message->sql, parser::Protocol::kSimple, {});
    if (judgement == nullptr) {
        return false;
    }
    const std::size_t let_through = judgement->first_refused();
    std::string text;
    std::vector<parser::CostQuestion> questions;
    if (let_through > 0) {
        const auto& last = judgement->statements[let_through - 1];
        text = judgement->forwarded ? *judgement->forwarded
                                    : message->sql.substr(0, last.begin + last.size);
        questions = cost_questions(text);
        if (!questions.empty() && !pipeline_.empty()) {
            drain();  // if the batch before it fails, it is skipped with the rest of that
            return false;
        }
        if (!questions.empty() && batch_open_) {
            // A Query ends the transaction of a batch before it; so does the question's own Sync,
            // and what it is judged by (SET LOCAL) must be what it will run by.
            end_internal(false);
            path_may_differ_ = path_may_differ_ || path_was_set_;
            drain();
            return false;
        }
    }
    auto beyond = beyond_rate(judgement->statements.size());
    if (auto unknown = cost_unknown(*judgement, questions); unknown && !beyond) {
        beyond = std::move(unknown);
    }
    const bool rate_refused = beyond.has_value();
    if (beyond) {
        auto refused_whole = std::make_shared<parser::Judgement>(*judgement);
        refused_whole->statements.front().refusal = std::move(beyond);
        refused_whole->statements.front().rule =
            refused_whole->statements.front().refusal->sqlstate == kRateState ? kRateRule
                                                                              : kCostRule;
        judgement = std::move(refused_whole);
    }
    const auto& statements = judgement->statements;
    const std::size_t refused = judgement->first_refused();

    Entry entry{.kind = EntryKind::kQuery};
    entry.sql = std::make_shared<const std::string>(message->sql);
    entry.judgement = judgement;
    std::size_t text_begin = 0;
    bool recorded = true;
    for (std::size_t i = 0; i < statements.size() && recorded; ++i) {
        const auto& statement = statements[i];
        const std::size_t text_end = statement.begin + statement.size;
        std::vector<std::string> masked = statement.masked;
        if (statement.effect == parser::Effect::kExecute) {
            if (const Prepared* prepared = find_prepared(statement.name)) {
                masked = prepared->judgement->statements.front().masked;
            }
        }
        const std::uint64_t number = next_statement_++;
        recorded = record(
            {.statement = number,
             .sql = trim(std::string_view(message->sql).substr(text_begin, text_end - text_begin)),
             .of = {},
             .params = {},
             .allowed = i<refused, .rule = i> refused
                            ? std::string_view("not run: an earlier statement was refused")
                            : std::string_view(statement.rule),
             .masked = std::move(masked),
             .forwarded = statement.forwarded
                              ? std::optional<std::string_view>(*statement.forwarded)
                              : std::nullopt});
        if (recorded) {
            entry.records.push_back(number);
        }
        text_begin = text_end;
    }

    skipping_ = false;
    batch_open_ = false;
    if (!recorded) {
        (void)write_staged();  // whether those before it are on record
        refuse_unrecorded_query(entry);
        wire::write_query(server_output_, kFailingText);
        push(std::move(entry));
        return true;
    }
    if (statements.empty()) {
        // Nothing but white space and comments, which are on nobody's record: not sent either.
        wire::write_query(server_output_, "");
    } else if (refused == 0) {
        entry.refusal = statements.front().refusal;
        entry.refusal_has_position = !rate_refused;
        wire::write_query(server_output_, kFailingText);
    } else {
        if (refused < statements.size()) {
            text += "\n;";
            text += kFailingStatement;
            entry.refusal = statements[refused].refusal;
            entry.refusal_has_position = true;
        }
        if (!questions.empty()) {
            Held held;
            wire::write_query(held.message, text);
            held.entry = std::move(entry);
            held.statements = refused;
            held.questions = std::move(questions);
            ask_cost(std::move(held), {}, {});
            return true;
        }
        note_effects(*judgement, refused);
        wire::write_query(server_output_, text);
    }
    push(std::move(entry));
    return true;
}

bool Conversation::parse(std::string_view payload) {
    const auto message = wire::decode_parse(payload);
    if (!message) {
        malformed("Parse");
        return true;
    }
    if (!ready_to_judge()) {
        return false;
    }
    auto judgement = judge(message->sql, parser::Protocol::kExtended, message->parameter_types);
    if (judgement == nullptr) {
        return false;
    }
    Entry entry{.kind = EntryKind::kParse};
    entry.name = message->name;
    entry.sql = std::make_shared<const std::string>(message->sql);
    entry.parameter_types = message->parameter_types;
    entry.judgement = judgement;

    std::optional<parser::Refusal> refusal;
    std::string_view rule = "statement: empty";
    std::vector<std::string> masked;
    std::optional<std::string_view> forwarded;
    if (!judgement->statements.empty()) {
        const auto& statement = judgement->statements.front();
        rule = statement.rule;
        masked = statement.masked;
        refusal = statement.refusal;
        entry.refusal_has_position = refusal.has_value();
        if (statement.effect == parser::Effect::kExecute) {
            if (const Prepared* prepared = find_prepared(statement.name)) {
                masked = prepared->judgement->statements.front().masked;
            }
        }
        if (statement.forwarded) {
            forwarded = *statement.forwarded;
        }
    }
    if (!refusal && message->name.starts_with(kOwnNames)) {
        rule = "protocol: reserved name";
        refusal = {.sqlstate = "42939",
                   .message = "the name \"" + std::string(message->name) + "\" is reserved",
                   .detail = "Names that begin with \"vitrine:\" belong to the proxy.",
                   .hint = "Choose another name for the prepared statement.",
                   .position = 0};
    }
    if (!refusal && ((prepared_.size() >= limits::kPreparedStatementsMax &&
                      !prepared_.contains(std::string(message->name))) ||
                     prepared_bytes_ + message->sql.size() > limits::kPreparedBytesMax)) {
        rule = "limit: prepared statements";
        refusal = {.sqlstate = "53400",
                   .message = "too many prepared statements in this session",
                   .detail = "At most " + std::to_string(limits::kPreparedStatementsMax) +
                             ", and " + std::to_string(limits::kPreparedBytesMax >> 20) +
                             " MiB of their texts.",
                   .hint = "Close those that are no longer needed.",
                   .position = 0};
    }
    const std::uint64_t number = next_statement_++;
    if (record({.statement = number,
                .sql = message->sql,
                .of = {},
                .params = {},
                .allowed = !refusal,
                .rule = rule,
                .masked = std::move(masked),
                .forwarded = forwarded,
                .parameter_types = message->parameter_types})) {
        entry.records.push_back(number);
    } else {
        refusal = log_refusal();
        entry.refusal_has_position = false;
    }
    if (refusal) {
        forward_refusal(message->name, std::move(entry), std::move(*refusal));
        return true;
    }
    wire::write_parse(server_output_, message->name,
                      judgement->forwarded            ? std::string_view(*judgement->forwarded)
                      : judgement->statements.empty() ? std::string_view()
                                                      : message->sql,
                      message->parameter_types);
    push(std::move(entry));
    return true;
}

bool Conversation::bind(std::string_view payload) {
    const auto message = wire::decode_bind(payload);
    if (!message) {
        malformed("Bind");
        return true;
    }
    if (!ready_to_judge()) {
        return false;
    }
    const Named named = named_statement(message->statement);
    if (named.uncertain || (named.pending != nullptr && !pending_stands(*named.pending))) {
        drain();
        return false;
    }
    // The server plans a statement anew when the path has changed since it was prepared: whether
    // the judgement of then still holds has to be known first.
    Standing found = Standing::kCurrent;
    if (named.pending == nullptr && named.made != nullptr) {
        found = standing(*named.made);
        if (found == Standing::kWait) {
            return false;
        }
    }
    Entry entry{.kind = EntryKind::kBind};
    entry.name = message->portal;
    std::uint64_t of = 0;
    std::string_view rule;
    std::vector<std::string> masked;
    std::optional<parser::Refusal> refusal;
    if (named.pending != nullptr) {
        entry.sql = named.pending->sql;
        entry.judgement = named.pending->judgement;
        of = named.pending->records.empty() ? 0 : named.pending->records.front();
    } else if (named.made != nullptr) {
        entry.sql = named.made->sql;
        entry.judgement = named.made->judgement;
        of = named.made->statement;
    }
    if (!policy_believed_) {
        rule = "catalog: out of date";
        refusal = stale_catalog_refusal();
    } else if (named.pending == nullptr && named.made == nullptr) {
        rule = "protocol: unknown prepared statement";
        refusal = {.sqlstate = "26000",
                   .message = message->statement.empty()
                                  ? "unnamed prepared statement does not exist"
                                  : "prepared statement \"" + std::string(message->statement) +
                                        "\" does not exist",
                   .detail = {},
                   .hint = {},
                   .position = 0};
    } else if (found == Standing::kStale) {
        rule = "prepared: judged under other rules or another search_path";
        refusal = stale_refusal(message->statement);
    } else if (message->portal.starts_with(kOwnNames) ||
               message->statement.starts_with(kOwnNames)) {
        rule = "protocol: reserved name";
        refusal = {.sqlstate = "42939",
                   .message = "names that begin with \"vitrine:\" are reserved",
                   .detail = {},
                   .hint = "Choose another name for the portal.",
                   .position = 0};
    } else if (portals_.size() >= limits::kPreparedStatementsMax) {
        rule = "limit: portals";
        refusal = {.sqlstate = "53400",
                   .message = "too many portals in this session",
                   .detail = {},
                   .hint = "Close those that are no longer needed.",
                   .position = 0};
    }
    std::vector<parser::CostQuestion> questions;
    if (!refusal && options_.limits.max_cost &&
        ((named.made != nullptr && named.made->by_sql) ||
         (entry.judgement && !entry.judgement->statements.empty() &&
          entry.judgement->statements.front().effect == parser::Effect::kExecute))) {
        // What runs then is planned by name, when it runs.
        rule = kCostRule;
        refusal = {.sqlstate = "0A000",
                   .message =
                       "EXECUTE, and a Bind of what PREPARE made, are not supported here "
                       "under a limit on the cost (limits.max_cost)",
                   .detail = {},
                   .hint = "Send EXECUTE as a simple query, or prepare the statement by a Parse.",
                   .position = 0};
    }
    if (!refusal && entry.judgement && options_.limits.max_cost) {
        questions = cost_questions(entry.judgement->forwarded ? *entry.judgement->forwarded
                                                              : std::string(entry.text()));
        if (!questions.empty() && !pipeline_.empty()) {
            drain();  // the Parse, above all, has to have gone well
            return false;
        }
    }
    if (auto beyond = beyond_rate(1); beyond && !refusal) {
        rule = kRateRule;
        refusal = std::move(beyond);
    }
    if (entry.judgement && !entry.judgement->statements.empty()) {
        const auto& statement = entry.judgement->statements.front();
        masked = statement.masked;
        if (rule.empty()) {
            rule = statement.rule;
        }
    } else if (rule.empty()) {
        rule = of == 0 ? "protocol: unknown prepared statement" : "statement: empty";
    }

    static const std::vector<std::uint32_t> kNoTypes;
    auto params = values_of(*message, named.pending != nullptr ? named.pending->parameter_types
                                      : named.made != nullptr  ? named.made->types()
                                                               : kNoTypes);
    const std::uint64_t number = next_statement_++;
    // A Bind of a name that was never prepared has no text to refer to; the server refuses it.
    const std::string unknown = unknown_statement(message->statement);
    if (record({.statement = number,
                .sql = of == 0 ? std::optional<std::string_view>(unknown) : std::nullopt,
                .of = of == 0 ? std::nullopt : std::optional<std::uint64_t>(of),
                .params = std::move(params),
                .allowed = !refusal,
                .rule = rule,
                .masked = std::move(masked),
                .forwarded = {},
                .result_formats = message->result_formats},
               Words::kOwn)) {
        entry.records.push_back(number);
    } else {
        refusal = log_refusal();
    }
    if (refusal) {
        forward_refusal(kPathStatement, std::move(entry), std::move(*refusal));
        return true;
    }
    std::string held_back;
    std::string& out = questions.empty() ? server_output_ : held_back;
    out += 'B';
    const std::size_t length = payload.size() + 4;
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(length >> shift & 0xff);
    }
    out += payload;
    if (questions.empty()) {
        push(std::move(entry));
        return true;
    }
    Held held;
    held.entry = std::move(entry);
    held.message = std::move(held_back);
    held.questions = std::move(questions);
    ask_cost(std::move(held), named.made->parameter_types, *message);
    return true;
}

bool Conversation::describe(std::string_view payload) {
    const auto message = wire::decode_describe(payload);
    if (!message) {
        malformed("Describe");
        return true;
    }
    Entry entry{.kind = EntryKind::kDescribe};
    entry.name = message->name;
    entry.is_portal = message->kind == wire::ObjectKind::kPortal;
    if (!entry.is_portal) {
        // The server may plan it anew to describe it.
        if (!ready_to_judge()) {
            return false;
        }
        const Named named = named_statement(message->name);
        if (named.uncertain || (named.pending != nullptr && !pending_stands(*named.pending))) {
            drain();
            return false;
        }
        if (named.pending == nullptr && named.made != nullptr) {
            switch (standing(*named.made)) {
                case Standing::kCurrent:
                    break;
                case Standing::kWait:
                    return false;
                case Standing::kStale:
                    forward_refusal(kPathStatement, std::move(entry), stale_refusal(message->name));
                    return true;
            }
        }
    }
    wire::write_describe(server_output_, message->kind, message->name);
    push(std::move(entry));
    return true;
}

bool Conversation::execute(std::string_view payload) {
    const auto message = wire::decode_execute(payload);
    if (!message) {
        malformed("Execute");
        return true;
    }
    if (!ready_to_judge()) {
        return false;
    }
    Entry entry{.kind = EntryKind::kExecute};
    entry.name = message->portal;
    // The newest Bind of the name, as named_statement() does it for statements.
    const Entry* pending = nullptr;
    bool behind = false;
    bool described = false;
    const auto& entries = pipeline_.entries();
    for (auto waiting = entries.rbegin(); waiting != entries.rend(); ++waiting) {
        behind = behind || waiting->kind == EntryKind::kSync || waiting->kind == EntryKind::kQuery;
        // Behind a Sync, a Describe that fails would not keep the Execute from running.
        described = described || (waiting->kind == EntryKind::kDescribe && waiting->is_portal &&
                                  waiting->name == message->portal && !behind);
        if ((waiting->kind == EntryKind::kBind ||
             (waiting->kind == EntryKind::kClose && waiting->is_portal)) &&
            waiting->name == message->portal && !waiting->internal) {
            if (behind || waiting->kind == EntryKind::kClose) {
                drain();
                return false;
            }
            pending = &*waiting;
            break;
        }
    }
    const auto portal = portals_.find(entry.name);
    if (pending != nullptr) {
        entry.sql = pending->sql;
        entry.judgement = pending->judgement;
        entry.records = pending->records;
    } else if (portal != portals_.end()) {
        entry.sql = portal->second.sql;
        entry.judgement = portal->second.judgement;
        entry.records = {portal->second.statement};
        described = described || portal->second.described;
    }
    if (entry.judgement && !entry.judgement->statements.empty() &&
        entry.judgement->statements.front().effect == parser::Effect::kExecute) {
        // EXECUTE plans what it names when it runs: now.
        const auto now = judge(entry.text(), parser::Protocol::kExtended, {});
        if (now == nullptr) {
            return false;
        }
        if (!now->allowed()) {
            forward_refusal(kPathStatement, std::move(entry), *now->statements.front().refusal);
            return true;
        }
    }
    if (entry.records.empty()) {
        // A cursor that DECLARE made is a portal too: what Execute fetches from it is on record.
        entry.sql =
            std::make_shared<const std::string>("-- Execute of portal \"" + entry.name + "\"");
        auto beyond = beyond_rate(1);
        const std::uint64_t number = next_statement_++;
        const bool recorded =
            record({.statement = number,
                    .sql = entry.text(),
                    .of = {},
                    .params = {},
                    .allowed = !beyond,
                    .rule = beyond ? kRateRule : std::string_view("protocol: Execute of a cursor"),
                    .masked = {},
                    .forwarded = {}},
                   Words::kOwn);
        if (recorded) {
            entry.records = {number};
        }
        if (!recorded || beyond) {
            forward_refusal(kPathStatement, std::move(entry),
                            recorded ? std::move(*beyond) : log_refusal());
            return true;
        }
    }
    if (!described) {
        // The rows would come without a RowDescription, so that no tripwire saw whose they are.
        wire::write_describe(server_output_, wire::ObjectKind::kPortal, message->portal);
        Entry own{.kind = EntryKind::kDescribe};
        own.internal = true;
        own.name = message->portal;
        own.is_portal = true;
        push(std::move(own));
    }
    if (entry.judgement) {
        note_effects(*entry.judgement, 1);
    }
    const bool limited = limits_rows() || options_.limits.statement_timeout;
    // All but what surely gives none: a SELECT may set the path, and a Bind may be of a PREPARE.
    const auto effect = entry.judgement && !entry.judgement->statements.empty()
                            ? entry.judgement->statements.front().effect
                            : parser::Effect::kNone;
    const bool gives_rows = effect != parser::Effect::kTransaction &&
                            effect != parser::Effect::kDeallocate &&
                            effect != parser::Effect::kDiscardAll;
    wire::write_execute(server_output_, message->portal, message->max_rows);
    push(std::move(entry));
    rows_in_batch_ = rows_in_batch_ || (limited && gives_rows);
    return true;
}

void Conversation::close(std::string_view payload) {
    const auto message = wire::decode_close(payload);
    if (!message) {
        malformed("Close");
        return;
    }
    wire::write_close(server_output_, message->kind, message->name);
    Entry entry{.kind = EntryKind::kClose};
    entry.name = message->name;
    entry.is_portal = message->kind == wire::ObjectKind::kPortal;
    push(std::move(entry));
}

void Conversation::sync() {
    wire::write_sync(server_output_);
    batch_open_ = false;
    skipping_ = false;
    skipped_parses_.clear();
    push({.kind = EntryKind::kSync});
}

void Conversation::function_call() {
    constexpr std::string_view kText = "-- FunctionCall message";
    Entry entry{.kind = EntryKind::kQuery};
    entry.sql = std::make_shared<const std::string>(kText);
    const std::uint64_t number = next_statement_++;
    if (record({.statement = number,
                .sql = kText,
                .of = {},
                .params = {},
                .allowed = false,
                .rule = "protocol: FunctionCall",
                .masked = {},
                .forwarded = {}},
               Words::kOwn)) {
        entry.records.push_back(number);
    }
    entry.refusal = {.sqlstate = "0A000",
                     .message = "the FunctionCall message (fast-path call) is not supported",
                     .detail = "vitrine judges SQL; a fast-path call has none.",
                     .hint = "Call the function with SELECT.",
                     .position = 0};
    batch_open_ = false;
    wire::write_query(server_output_, kFailingText);
    push(std::move(entry));
}

void Conversation::ask_search_path() {
    // As extended messages, so that it can be asked inside a batch without ending its transaction.
    wire::write_parse(server_output_, kPathStatement, kSearchPathQuery, {});
    wire::write_bind(server_output_, {.portal = kPathStatement, .statement = kPathStatement});
    wire::write_execute(server_output_, kPathStatement, 0);
    wire::write_close(server_output_, wire::ObjectKind::kPortal, kPathStatement);
    wire::write_close(server_output_, wire::ObjectKind::kStatement, kPathStatement);
    const bool inside_batch = batch_open_;
    push_internal({EntryKind::kParse, EntryKind::kBind, EntryKind::kExecute, EntryKind::kClose,
                   EntryKind::kClose});
    end_internal(inside_batch);
}

void Conversation::push_internal(std::initializer_list<EntryKind> kinds) {
    for (const EntryKind kind : kinds) {
        Entry entry{.kind = kind};
        entry.internal = true;
        push(std::move(entry));
    }
}

void Conversation::end_internal(bool inside_batch) {
    if (inside_batch) {
        wire::write_flush(server_output_);
        unflushed_ = false;
    } else {
        wire::write_sync(server_output_);
        push_internal({EntryKind::kSync});
        batch_open_ = false;
    }
}

}  // namespace vitrine::session
