// The conversation's other half: the server's answers, checked, counted and handed to the client.
#include <algorithm>

#include "config/limits.h"
#include "proxy/session/conversation.h"
#include "proxy/session/server_login.h"
#include "proxy/wire/frame.h"

namespace vitrine::session {

namespace {

// The server names a table that the client may never have heard of.
constexpr std::string_view kRightsHint =
    "The statement reads masked columns, so that vitrine reads what is below a view, and all of a "
    "table's columns, by the service role's own rights. \"vitrine check --connect\" tells the "
    "operator "
    "which are missing.";

// In the log, of a statement whose answer the client does not get.
constexpr std::string_view kWithheld = "withheld: an earlier statement went beyond a limit";

}  // namespace

void Conversation::take_server_messages() {
    std::size_t taken = 0;
    while (!ended_) {
        const std::string_view rest = std::string_view(server_input_).substr(taken);
        if (server_rest_ > 0) {
            const std::size_t size = std::min(server_rest_, rest.size());
            client_output_ += rest.substr(0, size);
            taken += size;
            server_rest_ -= size;
            if (row_in_pieces_) {
                options_.rows_digest->piece(rest.substr(0, size));
            }
            if (server_rest_ > 0) {
                break;
            }
            if (std::exchange(row_in_pieces_, false) && !pipeline_.empty()) {
                options_.rows_digest->end(pipeline_.front().sent.sum);
            }
            client_output_ += std::exchange(notice_, {});
            if (ending_) {
                finish(std::move(*ending_));
                break;
            }
            continue;
        }
        if (server_withheld_ > 0) {
            const std::size_t size = std::min(server_withheld_, rest.size());
            taken += size;
            server_withheld_ -= size;
            if (server_withheld_ > 0) {
                break;
            }
            continue;
        }
        const auto header = wire::peek_backend(rest);
        if (!header) {
            unexpected('?');
            break;
        }
        if (!*header) {
            break;
        }
        const auto [type, size] = **header;
        if ((type == 'D' || type == 'd') && !pipeline_.empty() && !pipeline_.front().internal) {
            // Counted whole and passed on as it comes.
            Entry& entry = pipeline_.front();
            if (!within_limits(entry, size)) {
                server_withheld_ = size;
                entry.withheld = true;
                continue;
            }
            ++entry.sent.rows;
            entry.sent.bytes += size;
            server_rest_ = size;
            if (options_.rows_digest != nullptr) {
                row_in_pieces_ = rest.size() < size;
                if (row_in_pieces_) {
                    options_.rows_digest->begin();
                } else {
                    options_.rows_digest->add(entry.sent.sum, rest.substr(0, size));
                }
            }
            continue;
        }
        if (size > limits::kBackendControlBytesMax) {
            unexpected(type);
            break;
        }
        if (rest.size() < size) {
            break;
        }
        server_message(type, rest.substr(wire::kHeaderBytes, size - wire::kHeaderBytes),
                       rest.substr(0, size));
        taken += size;
    }
    if (!ended_) {
        server_input_.erase(0, taken);
    }
}

void Conversation::unexpected(char type) {
    finish({.cause = audit::EndCause::kError,
            .sqlstate = "08P01",
            .message = "the database server sent something unexpected; the session is closed",
            .hint = "Connect again; if it happens again, tell the operator.",
            .log_message = std::string("unexpected message from the server: ") + type});
}

void Conversation::server_message(char type, std::string_view payload, std::string_view whole) {
    // Messages that come at any time.
    switch (type) {
        case 'S':
            parameter_status(payload, whole);
            return;
        case 'N':
            notice_response(payload);
            return;
        case 'A':  // NotificationResponse: LISTEN is refused, so it is nobody's
            return;
        default:
            break;
    }
    if (type == 'E') {
        error_response(payload);
        return;
    }
    if (pipeline_.empty()) {
        unexpected(type);
        return;
    }
    Entry& entry = pipeline_.front();
    if (entry.internal) {
        internal_message(type, payload);
        return;
    }
    switch (type) {
        case '1': {  // ParseComplete
            if (entry.kind != EntryKind::kParse) {
                unexpected(type);
                return;
            }
            remember(entry.name, {.sql = std::move(entry.sql),
                                  .parameter_types = std::move(entry.parameter_types),
                                  .statement = entry.records.front(),
                                  .by_sql = false,
                                  .stale = false,
                                  .judgement = std::move(entry.judgement)});
            pop();
            client_output_ += whole;
            return;
        }
        case '2': {  // BindComplete
            if (entry.kind != EntryKind::kBind) {
                unexpected(type);
                return;
            }
            if (const auto old = portals_.find(entry.name); old != portals_.end()) {
                finish_portal(old->second);
            }
            portals_[entry.name] = {.sql = std::move(entry.sql),
                                    .judgement = std::move(entry.judgement),
                                    .statement = entry.records.front(),
                                    .started = entry.started};
            pop();
            client_output_ += whole;
            return;
        }
        case '3':  // CloseComplete
            if (entry.kind != EntryKind::kClose) {
                unexpected(type);
                return;
            }
            if (!entry.is_portal) {
                forget(entry.name);
            } else if (const auto portal = portals_.find(entry.name); portal != portals_.end()) {
                finish_portal(portal->second);
                portals_.erase(portal);
            }
            pop();
            client_output_ += whole;
            return;
        case 't':  // ParameterDescription
            note_parameter_types(entry, payload);
            client_output_ += whole;
            return;
        case 'n':  // NoData
            if (entry.kind != EntryKind::kDescribe) {
                unexpected(type);
                return;
            }
            described(entry);
            pop();
            client_output_ += whole;
            return;
        case 'T':
            if (!row_description(payload)) {
                return;
            }
            if (entry.kind == EntryKind::kDescribe) {
                described(entry);
                pop();
                client_output_ += whole;
            } else if (entry.beyond == Beyond::kNothing) {
                client_output_ += whole;
            }
            return;
        case 'C':
        case 'I':
        case 's':
            statement_complete(type, whole);
            return;
        case 'H':  // CopyOutResponse
        case 'c':  // CopyDone
            entry.withheld = entry.beyond != Beyond::kNothing;
            if (!entry.withheld) {
                client_output_ += whole;
            }
            return;
        case 'Z':
            ready_for_query(payload, whole);
            return;
        default:
            // CopyInResponse, CopyBothResponse, FunctionCallResponse, an authentication request:
            // nothing that was let through is answered with these.
            unexpected(type);
            return;
    }
}

void Conversation::internal_message(char type, std::string_view payload) {
    if (held_ && (type == 'D' || type == 'C')) {
        cost_message(type, payload);
        return;
    }
    switch (type) {
        case 'D': {
            const auto row = wire::decode_data_row(payload);
            std::vector<std::string> path;
            if (!row || row->values.size() != 1 || !row->values[0] ||
                !parse_name_array(*row->values[0], path)) {
                unexpected(type);
                return;
            }
            path_may_differ_ = false;
            if (path != context_.search_path) {
                context_.search_path = std::move(path);
                rejudge_prepared();
            }
            return;
        }
        case 'T':
            if (!row_description(payload)) {
                return;
            }
            [[fallthrough]];
        case 'n':
            described(pipeline_.front());
            pop();
            return;
        case '1':
        case '2':
        case '3':
        case 'C':
            pop();
            break;
        case 'Z': {
            const auto ready = wire::decode_ready_for_query(payload);
            if (!ready) {
                unexpected(type);
                return;
            }
            status_ = ready->status;
            pop();
            break;
        }
        default:
            unexpected(type);
            return;
    }
}

bool Conversation::row_description(std::string_view payload) {
    const auto rows = wire::decode_row_description(payload);
    if (!rows) {
        unexpected('T');
        return false;
    }
    for (const auto& field : rows->fields) {
        if (field.table != 0 && options_.policy->is_masked(field.table, field.column)) {
            trip(field.table, field.column);
            return false;
        }
    }
    return true;
}

void Conversation::trip(std::uint32_t table, std::int16_t number) {
    constexpr std::string_view kMessage =
        "a masked column would have been shown; the session is closed";
    const Entry& entry = pipeline_.front();
    if (entry.kind == EntryKind::kDescribe && !entry.is_portal) {
        // Nothing of it runs, and a Parse has no result otherwise.
        if (const Prepared* prepared = find_prepared(entry.name)) {
            write_result(prepared->statement, {}, entry.started, "42501", kMessage);
        }
    }
    const parser::Relation* relation = options_.policy->catalog().relation(table);
    finish({.cause = audit::EndCause::kError,
            .sqlstate = "42501",
            .message = std::string(kMessage),
            .hint = "This is a defect of the proxy, not of your statement: tell the operator.",
            .log_message = "tripwire: column " + std::to_string(number) + " of " +
                           (relation == nullptr ? std::to_string(table)
                                                : relation->schema + "." + relation->name) +
                           " is masked and came back as itself"});
}

// For the record of what will be bound: the types that the Parse left to the server.
void Conversation::note_parameter_types(const Entry& entry, std::string_view payload) {
    const auto types = wire::decode_parameter_description(payload);
    const auto prepared = prepared_.find(entry.name);
    if (types && entry.kind == EntryKind::kDescribe && !entry.is_portal &&
        prepared != prepared_.end()) {
        prepared->second.found_types = *types;
    }
}

void Conversation::described(const Entry& entry) {
    const auto portal = portals_.find(entry.name);
    if (entry.is_portal && portal != portals_.end()) {
        portal->second.described = true;
    }
}

void Conversation::parameter_status(std::string_view payload, std::string_view whole) {
    const auto parameter = wire::decode_parameter_status(payload);
    if (!parameter) {
        unexpected('S');
        return;
    }
    if (std::string broken =
            broken_pin(parameter->name, parameter->value, options_.server_parameters);
        !broken.empty()) {
        finish({.cause = audit::EndCause::kError,
                .sqlstate = "42501",
                .message = "a setting that the proxy depends on was changed; the session is closed",
                .hint = "Do not change " + std::string(parameter->name) + ".",
                .log_message = "tripwire: " + broken});
        return;
    }
    report(reported_since_, parameter->name, parameter->value);
    if (parameter->name == "application_name" &&
        parameter->value.starts_with(options_.application_prefix)) {
        wire::write_parameter_status(client_output_, parameter->name,
                                     parameter->value.substr(options_.application_prefix.size()));
        return;
    }
    client_output_ += whole;
}

void Conversation::statement_complete(char type, std::string_view whole) {
    Entry& entry = pipeline_.front();
    entry.sent.bytes += whole.size();
    if (entry.kind == EntryKind::kQuery) {
        if (type == 's') {
            unexpected(type);
            return;
        }
        const bool beyond = entry.beyond != Beyond::kNothing;
        const bool withheld = entry.beyond_told;
        if (beyond && !entry.beyond_told) {
            tell(beyond_refusal(entry.beyond));
            entry.beyond_told = true;
        }
        if (entry.current < entry.records.size()) {
            if (withheld) {
                write_result(entry.records[entry.current], {}, entry.started, "", kWithheld);
            } else {
                const parser::Refusal refusal = beyond_refusal(entry.beyond);
                write_result(entry.records[entry.current], entry.sent, entry.started,
                             beyond ? std::string_view(refusal.sqlstate) : "00000",
                             refusal.message);
            }
            const auto& statement = entry.judgement->statements[entry.current];
            completed(statement, entry.text().substr(statement.begin, statement.size),
                      entry.records[entry.current]);
            ++entry.current;
            entry.sent = {};
            entry.started = options_.now();
            running_since_ = entry.started;
        }
        if (!beyond) {
            client_output_ += whole;
        }
        return;
    }
    if (entry.kind != EntryKind::kExecute) {
        unexpected(type);
        return;
    }
    const auto portal = portals_.find(entry.name);
    if (entry.withheld) {
        // It has run to its end, or to the client's own row limit, before the cancel came. For the
        // client it has failed all the same, and the rest of its batch with it: nothing of that is
        // at the server (waits_for_rows).
        const parser::Refusal refusal = beyond_refusal(entry.beyond);
        Sent sent = entry.sent;
        if (portal != portals_.end()) {
            sent = portal->second.sent += entry.sent;
            portal->second.executed = true;
            portal->second.suspended = false;
        }
        if (!entry.records.empty()) {
            write_result(entry.records.front(), sent, entry.started, refusal.sqlstate,
                         refusal.message);
        }
        tell(beyond_refusal(entry.beyond));
        pop();
        drop_skipped_entries();
        return;
    }
    if (portal != portals_.end()) {
        portal->second.executed = true;
        portal->second.sent += entry.sent;
        portal->second.suspended = type == 's';
        if (type != 's') {
            write_result(portal->second.statement, portal->second.sent, portal->second.started,
                         "00000", {});
            portal->second.sent = {};
        }
    } else if (!entry.records.empty()) {
        write_result(entry.records.front(), entry.sent, entry.started, "00000", {});
    }
    if (type == 'C' && entry.judgement && !entry.judgement->statements.empty()) {
        completed(entry.judgement->statements.front(), entry.text(), entry.records.front());
    }
    pop();
    client_output_ += whole;
}

void Conversation::completed(const parser::StatementJudgement& statement, std::string_view text,
                             std::uint64_t number) {
    switch (statement.effect) {
        case parser::Effect::kPrepare: {
            // As it was judged, under the path that it ran under.
            auto judgement = std::make_shared<parser::Judgement>();
            judgement->statements.push_back(statement);
            judgement->forwarded = statement.forwarded;
            remember(statement.name, {.sql = std::make_shared<const std::string>(text),
                                      .statement = number,
                                      .by_sql = true,
                                      .judgement = std::move(judgement)});
            return;
        }
        case parser::Effect::kDeallocate:
            if (statement.name.empty()) {
                forget_all();
            } else {
                forget(statement.name);
            }
            return;
        case parser::Effect::kDiscardAll:
            forget_all();
            return;
        case parser::Effect::kNone:
        case parser::Effect::kTransaction:
        case parser::Effect::kSearchPath:
        case parser::Effect::kExecute:
        case parser::Effect::kHold:
            return;
    }
}

void Conversation::pop() {
    pipeline_.pop();
    running_since_ = options_.now();
    if (pipeline_.empty() || pipeline_.front().beyond == Beyond::kNothing) {
        cancelled_at_.reset();
    }
    cancelled_for_limit_ = cancelled_for_limit_ && !pipeline_.empty();
    rows_in_batch_ = rows_in_batch_ && !pipeline_.empty();
}

void Conversation::error_response(std::string_view payload) {
    const auto fields = wire::decode_fields(payload);
    if (!fields) {
        unexpected('E');
        return;
    }
    const std::string_view severity = fields->get('V');
    const bool fatal = severity == "FATAL" || severity == "PANIC";
    if (pipeline_.empty() || fatal) {
        // The server speaks for itself (it shuts down, an administrator ended the session).
        fatal_passed_ = fatal_passed_ || fatal;
        if (!fatal) {
            unexpected('E');
            return;
        }
        wire::write_fields(client_output_, 'E', fields->fields);
        return;
    }
    if (held_) {
        cost_failed(*fields);
        return;
    }
    if (pipeline_.front().internal && pipeline_.front().kind == EntryKind::kDescribe) {
        pop();  // the client knows of the Execute behind it
    }
    Entry& entry = pipeline_.front();
    path_may_differ_ = path_may_differ_ || path_was_set_;
    if (entry.internal && !batch_open_) {
        // Inside a batch the client hears of it as the answer to what it sent last; here it has
        // asked nothing.
        unexpected('E');
        return;
    }

    const bool in_place = entry.refusal && (entry.kind != EntryKind::kQuery || !entry.judgement ||
                                            entry.current == entry.judgement->first_refused());
    std::string_view sqlstate = fields->get('C');
    std::string_view text = fields->get('M');
    const parser::Refusal beyond = beyond_refusal(entry.beyond);
    // What is not the cancel is the statement's own error, and says more than that it took long.
    if (entry.beyond_told || (entry.beyond != Beyond::kNothing &&
                              (entry.beyond != Beyond::kTime || sqlstate == beyond.sqlstate))) {
        sqlstate = beyond.sqlstate;
        text = beyond.message;
        if (!entry.beyond_told) {
            tell(beyond_refusal(entry.beyond));
        }
    } else if (in_place) {
        const parser::Refusal& refusal = *entry.refusal;
        sqlstate = refusal.sqlstate;
        text = refusal.message;
        wire::write_error_response(
            client_output_,
            {.severity = "ERROR",
             .sqlstate = refusal.sqlstate,
             .message = refusal.message,
             .detail = refusal.detail,
             .hint = refusal.hint,
             .position = entry.refusal_has_position
                             ? parser::character_position(entry.text(), refusal.position)
                             : 0});
    } else {
        // An error of the server's, for a text that may not be the client's: the position is
        // mapped back, and what quotes the rewritten text is left out.
        const parser::Judgement* judgement = entry.judgement.get();
        const bool rewritten = judgement != nullptr && judgement->forwarded.has_value();
        std::vector<std::pair<char, std::string_view>> kept;
        std::string position;
        for (const auto& [code, value] : fields->fields) {
            if (rewritten && (code == 'W' || code == 'q' || code == 'p')) {
                continue;
            }
            if (rewritten && code == 'P') {
                const std::size_t at = parser::byte_offset(
                    *judgement->forwarded, static_cast<std::size_t>(std::strtoull(
                                               std::string(value).c_str(), nullptr, 10)));
                position = std::to_string(
                    parser::character_position(entry.text(), judgement->positions.to_client(at)));
                kept.emplace_back(code, position);
                continue;
            }
            kept.emplace_back(code, value);
        }
        if (rewritten && sqlstate == "42501" && fields->get('H').empty()) {
            kept.emplace_back('H', kRightsHint);
        }
        if (sqlstate == "57014" && cancelled_for_limit_ && fields->get('D').empty()) {
            // Both had been sent when the first was cancelled, and that had ended by itself.
            kept.emplace_back('D',
                              "A statement sent before it went beyond a limit, and was "
                              "cancelled; run this one again.");
        }
        wire::write_fields(client_output_, 'E', kept);
    }

    // Each statement of the text that has not ended has now: the first with this error.
    for (std::size_t i = entry.current; i < entry.records.size(); ++i) {
        const bool first = i == entry.current;
        if (first && !entry.internal) {
            Sent sent = entry.sent;
            if (entry.kind == EntryKind::kExecute) {
                if (const auto portal = portals_.find(entry.name); portal != portals_.end()) {
                    sent += portal->second.sent;
                    portal->second.executed = true;
                    portal->second.suspended = false;
                }
            }
            write_result(entry.records[i], sent, entry.started, sqlstate, text);
        } else if (entry.judgement && i < entry.judgement->first_refused()) {
            write_result(entry.records[i], {}, entry.started, "",
                         "not run: an earlier statement of the text failed");
        }
    }
    if (entry.kind == EntryKind::kQuery) {
        entry.current = entry.records.size();
        entry.refusal.reset();
        return;  // ReadyForQuery follows
    }
    if (entry.kind == EntryKind::kSync) {
        return;  // the commit failed (a cursor WITH HOLD is read to its end); it follows too
    }
    pop();
    drop_skipped_entries();
}

void Conversation::drop_skipped_entries() {
    while (!pipeline_.empty() && pipeline_.front().kind != EntryKind::kSync) {
        Entry& entry = pipeline_.front();
        if (entry.kind == EntryKind::kParse || entry.kind == EntryKind::kBind ||
            entry.kind == EntryKind::kQuery) {
            for (const std::uint64_t record : entry.records) {
                write_result(record, {}, entry.started, "", kSkipped);
            }
        }
        pop();
    }
    if (pipeline_.empty()) {
        skipping_ = true;
    }
}

void Conversation::notice_response(std::string_view payload) {
    const auto fields = wire::decode_fields(payload);
    if (!fields) {
        unexpected('N');
        return;
    }
    if (!pipeline_.empty() && pipeline_.front().internal) {
        return;
    }
    const bool rewritten = !pipeline_.empty() && pipeline_.front().judgement &&
                           pipeline_.front().judgement->forwarded.has_value();
    std::vector<std::pair<char, std::string_view>> kept;
    for (const auto& [code, value] : fields->fields) {
        if (!rewritten || (code != 'W' && code != 'q' && code != 'p' && code != 'P')) {
            kept.emplace_back(code, value);
        }
    }
    wire::write_fields(client_output_, 'N', kept);
}

void Conversation::ready_for_query(std::string_view payload, std::string_view whole) {
    const auto ready = wire::decode_ready_for_query(payload);
    Entry& entry = pipeline_.front();
    if (!ready || (entry.kind != EntryKind::kQuery && entry.kind != EntryKind::kSync)) {
        unexpected('Z');
        return;
    }
    if (ready->status != status_) {
        path_may_differ_ = path_may_differ_ || path_was_set_;
    }
    status_ = ready->status;
    // The end of a transaction is the end of its portals.
    if (status_ == wire::TransactionStatus::kIdle) {
        for (const auto& [name, portal] : portals_) {
            finish_portal(portal);
        }
        portals_.clear();
    }
    pop();
    client_output_ += whole;
}

}  // namespace vitrine::session
