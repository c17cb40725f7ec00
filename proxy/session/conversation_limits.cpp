// The limits of the session's user in the conversation: what a statement and a session may take.
// docs/limits.md says what each counts. What several sessions of a user share is the driver's.
#include <algorithm>

#include "config/limits.h"
#include "proxy/session/conversation.h"

namespace vitrine::session {

namespace {

parser::Refusal hourly_refusal(std::uint64_t most, std::string_view of, std::string_view key) {
    return {
        .sqlstate = "53400",
        .message = "more than " + std::to_string(most) + " " + std::string(of) +
                   " an hour (limits." + std::string(key) + ")",
        .detail = "All sessions of a user count together. The rows up to the limit were sent.",
        .hint = "Wait: each minute a sixtieth comes free. Or ask the operator for a higher limit.",
        .position = 0};
}

}  // namespace

// An Execute that goes beyond a limit may have run to its end before the cancel comes. It fails
// for the client, and what follows it in its batch must then not have run: so that waits for its
// rows. Behind a Sync nothing has to.
bool Conversation::waits_for_rows(char type) const {
    if (!rows_in_batch_ || pipeline_.empty()) {
        return false;
    }
    return type == 'P' || type == 'B' || type == 'D' || type == 'E' || type == 'C' || type == 'Q' ||
           type == 'F';
}

// An execution counts: each statement of a Query, each Bind, which makes a portal that runs once,
// and each Execute of a cursor. A Parse runs nothing, and drivers send one for many Binds or one
// for each.
std::optional<parser::Refusal> Conversation::beyond_rate(std::size_t statements) {
    const auto& most = options_.limits.statements_per_minute;
    if (!most || statements == 0 || options_.take_statements(statements)) {
        return std::nullopt;
    }
    count_limit(LimitMet::kRate);
    return parser::Refusal{
        .sqlstate = "53400",
        .message = "more than " + std::to_string(*most) +
                   " statements a minute (limits.statements_per_minute)",
        .detail =
            "All sessions of a user count together; a text of several statements runs as a "
            "whole or not at all.",
        .hint = "Wait some seconds, or ask the operator for a higher limit.",
        .position = 0};
}

bool Conversation::limits_rows() const {
    const config::UserLimits& limits = options_.limits;
    return limits.max_rows || limits.max_result_bytes || limits.rows_per_hour ||
           limits.bytes_per_hour;
}

void Conversation::count_limit(LimitMet met) const {
    if (options_.counters != nullptr) {
        options_.counters->limit(met);
    }
}

bool Conversation::within_limits(Entry& entry, std::size_t size) {
    if (entry.beyond != Beyond::kNothing) {
        return false;
    }
    const config::UserLimits& limits = options_.limits;
    if (!limits_rows()) {
        return true;
    }
    std::uint64_t rows = entry.sent.rows;
    std::uint64_t bytes = entry.sent.bytes;
    if (entry.kind == EntryKind::kExecute) {
        // A portal is one statement, in however many pieces its rows are fetched.
        if (const auto portal = portals_.find(entry.name); portal != portals_.end()) {
            rows += portal->second.sent.rows;
            bytes += portal->second.sent.bytes;
        }
    }
    if (limits.max_rows && rows >= *limits.max_rows) {
        entry.beyond = Beyond::kRows;
        count_limit(LimitMet::kRows);
    } else if (limits.max_result_bytes && bytes + size > *limits.max_result_bytes) {
        entry.beyond = Beyond::kBytes;
        count_limit(LimitMet::kBytes);
    }
    return entry.beyond == Beyond::kNothing && within_the_hour(entry, size);
}

// All sessions of the user take from the same, some rows at a time. What a session has taken and
// does not use is lost to the user until the hour is over; it is less than a step.
bool Conversation::within_the_hour(Entry& entry, std::size_t size) {
    const config::UserLimits& limits = options_.limits;
    if (limits.rows_per_hour && rows_taken_ == 0) {
        rows_taken_ = options_.take_rows(
            std::clamp<std::uint64_t>(*limits.rows_per_hour / 100, 1, limits::kHourRowsStep));
        if (rows_taken_ == 0) {
            entry.beyond = Beyond::kHourRows;
            count_limit(LimitMet::kHourRows);
            return false;
        }
    }
    if (limits.bytes_per_hour && bytes_taken_ < size) {
        const std::uint64_t step =
            std::min<std::uint64_t>(*limits.bytes_per_hour / 100, limits::kHourBytesStep);
        bytes_taken_ += options_.take_bytes(std::max<std::uint64_t>(step, size - bytes_taken_));
        if (bytes_taken_ < size) {
            entry.beyond = Beyond::kHourBytes;
            count_limit(LimitMet::kHourBytes);
            return false;
        }
    }
    rows_taken_ -= limits.rows_per_hour ? 1 : 0;
    bytes_taken_ -= limits.bytes_per_hour ? size : 0;
    return true;
}

void Conversation::tell(const parser::Refusal& refusal) {
    wire::write_error_response(client_output_, {.severity = "ERROR",
                                                .sqlstate = refusal.sqlstate,
                                                .message = refusal.message,
                                                .detail = refusal.detail,
                                                .hint = refusal.hint,
                                                .position = 0});
}

bool Conversation::enforce_limits() {
    if (ended_ || ending_) {
        return false;
    }
    end_if_idle();
    if (ended_ || pipeline_.empty()) {
        return false;
    }
    if (unflushed_) {
        // Whether the statement has ended, only its answer tells, and the client may never ask
        // for it.
        wire::write_flush(server_output_);
        unflushed_ = false;
    }
    const Entry& entry = pipeline_.front();
    const auto now = options_.now();
    const auto& timeout = options_.limits.statement_timeout;
    if (entry.beyond == Beyond::kNothing && timeout && now - running_since_ >= *timeout) {
        pipeline_.mark_batch(Beyond::kTime);
        count_limit(LimitMet::kTime);
    }
    if (entry.beyond == Beyond::kNothing) {
        return false;
    }
    if (!cancelled_at_) {
        cancelled_at_ = now;
        cancelled_for_limit_ = true;
        ++cancels_in_flight_;
        cancel_sent_ = true;
        return true;
    }
    if (now - *cancelled_at_ >= limits::kLimitGrace) {
        // It does not take the cancel, or its client does not take the row it is in.
        const parser::Refusal refusal = beyond_refusal(entry.beyond);
        end({.cause = audit::EndCause::kLimit,
             .sqlstate = refusal.sqlstate,
             .message = "terminating connection: " + refusal.message +
                        ", and the statement could not be stopped",
             .hint = refusal.hint,
             .log_message = "a statement beyond its limit did not stop: " + refusal.message});
    }
    return false;
}

// Idle: nothing runs, nothing is on its way to the client, and nothing comes from it. An open
// transaction is idle too: it is what holds the server up most.
void Conversation::end_if_idle() {
    const auto& timeout = options_.limits.idle_timeout;
    const auto now = options_.now();
    if (!pipeline_.empty() || !client_output_.empty() || hold_ != Hold::kNone) {
        last_active_ = now;
    } else if (timeout && now - last_active_ >= *timeout) {
        end({.cause = audit::EndCause::kLimit,
             .sqlstate = "57P05",
             .message = "terminating connection: idle for " + std::to_string(timeout->count()) +
                        " s (limits.idle_timeout)",
             .hint = "Connect again; the token is good until it expires.",
             .log_message = "idle for " + std::to_string(timeout->count()) + " s"});
    }
}

parser::Refusal Conversation::beyond_refusal(Beyond beyond) const {
    const config::UserLimits& limits = options_.limits;
    switch (beyond) {
        case Beyond::kNothing:
            break;
        case Beyond::kHourRows:
            return hourly_refusal(*limits.rows_per_hour, "rows", "rows_per_hour");
        case Beyond::kHourBytes:
            return hourly_refusal(*limits.bytes_per_hour, "bytes", "bytes_per_hour");
        case Beyond::kRows:
            return {.sqlstate = "53400",
                    .message =
                        "more than " + std::to_string(*limits.max_rows) + " rows (limits.max_rows)",
                    .detail = "The rows up to the limit were sent.",
                    .hint =
                        "Ask for fewer rows with WHERE or LIMIT, or the operator for a higher "
                        "limit.",
                    .position = 0};
        case Beyond::kBytes:
            return {.sqlstate = "53400",
                    .message = "a result of more than " + std::to_string(*limits.max_result_bytes) +
                               " bytes (limits.max_result_size)",
                    .detail = "The rows up to the limit were sent.",
                    .hint = "Ask for fewer rows or columns, or the operator for a higher limit.",
                    .position = 0};
        case Beyond::kTime:
            return {.sqlstate = "57014",
                    .message = "canceling statement after " +
                               std::to_string(limits.statement_timeout->count()) +
                               " s (limits.statement_timeout)",
                    .detail = {},
                    .hint = "Ask for less at once, or the operator for a higher limit.",
                    .position = 0};
    }
    return {};
}

}  // namespace vitrine::session
