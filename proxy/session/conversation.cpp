// The conversation as its driver sees it: bytes in, what is wanted, and how it ends.
#include "proxy/session/conversation.h"

#include <algorithm>
#include <set>

#include "config/limits.h"

namespace vitrine::session {

Conversation::Conversation(ConversationOptions options) : options_(std::move(options)) {
    context_.search_path = std::move(options_.search_path);
    context_.application_prefix = options_.application_prefix;
    context_.costs_fixed = options_.limits.max_cost.has_value();
    context_.prepared = [this](std::string_view name) { return known_as_prepared(name); };
    last_active_ = options_.now();
    recorded_ = options_.recorded;
}

void Conversation::log_failed() {
    finish({.cause = audit::EndCause::kError,
            .sqlstate = "58030",
            .message = "the statement could not be recorded in the query log",
            .hint = "Nothing of it was sent. Tell the operator, and connect again later.",
            .log_message = "the query log could not be brought to the disk"});
}

void Conversation::from_client(std::string_view bytes) {
    if (ended_) {
        return;
    }
    client_input_ += bytes;
    last_active_ = options_.now();
    take_client_messages();
}

void Conversation::from_server(std::string_view bytes) {
    if (ended_) {
        return;
    }
    if (!staged_.empty()) {
        write_records();  // the answers may take entries away that hang on them
    }
    server_input_ += bytes;
    take_server_messages();
    if (ended_) {
        return;
    }
    if (pipeline_.empty() && (hold_ == Hold::kDrain || hold_ == Hold::kPath)) {
        hold_ = Hold::kNone;
    }
    if (pipeline_.empty() && held_) {
        cost_answered();
    }
    take_client_messages();
}

void Conversation::client_closed() {
    finish({.cause = audit::EndCause::kClient});
}

void Conversation::server_closed() {
    if (fatal_passed_) {
        finish({.cause = audit::EndCause::kError, .log_message = "the server ended the session"});
        return;
    }
    // A message cut in the middle cannot be followed by one of ours.
    const bool can_speak = !inside_client_message();
    finish({.cause = audit::EndCause::kError,
            .sqlstate = can_speak ? "08006" : "",
            .message = "the database server closed the connection unexpectedly",
            .hint = "Connect again.",
            .log_message = "the server closed the connection unexpectedly"});
}

void Conversation::catalog_answered() {
    if (hold_ == Hold::kCatalog) {
        hold_ = Hold::kNone;
        take_client_messages();
    }
}

bool Conversation::cancel_requested() {
    // An answer of vitrine's own may be in the server's buffer while what follows it runs.
    const auto& entries = pipeline_.entries();
    if (ended_ || (!held_ && std::ranges::all_of(entries, &Entry::internal))) {
        return false;
    }
    ++cancels_in_flight_;
    cancel_sent_ = true;
    return true;
}

void Conversation::cancel_delivered() {
    --cancels_in_flight_;
    take_client_messages();
}

void Conversation::end(Ending ending) {
    if (ended_ || ending_) {
        return;
    }
    if (inside_client_message()) {
        ending_ = std::move(ending);
        return;
    }
    finish(std::move(ending));
}

void Conversation::notify(std::string message, std::string hint) {
    if (ended_ || ending_) {
        return;
    }
    std::string& out = inside_client_message() ? notice_ : client_output_;
    wire::write_notice_response(out, {.severity = "NOTICE",
                                      .sqlstate = "00000",
                                      .message = std::move(message),
                                      .detail = {},
                                      .hint = std::move(hint),
                                      .position = 0});
}

void Conversation::abandon() {
    if (!ended_) {
        Ending ending = ending_.value_or(Ending{.cause = audit::EndCause::kError});
        ending.sqlstate.clear();
        finish(std::move(ending));
    }
}

void Conversation::finish(Ending ending) {
    if (ended_) {
        return;
    }
    settle_records();
    // An error that ended it came of the statement that was being answered.
    const bool failed = ending.cause == audit::EndCause::kError && !ending.sqlstate.empty();
    std::set<std::uint64_t> ended;  // a Bind and its Execute have one record
    if (held_) {
        for (const std::uint64_t record : held_->entry.records) {
            ended.insert(record);
            write_result(record, {}, held_->entry.started, failed ? ending.sqlstate : "57P01",
                         failed ? ending.message : "the session ended before the statement did");
        }
        held_.reset();
    }
    for (const Entry& entry : pipeline_.entries()) {
        for (std::size_t i = entry.current; i < entry.records.size(); ++i) {
            const bool its_own = failed && ended.empty();
            if (ended.insert(entry.records[i]).second) {
                write_result(
                    entry.records[i], i == entry.current ? entry.sent : Sent{}, entry.started,
                    its_own ? ending.sqlstate : "57P01",
                    its_own ? ending.message : "the session ended before the statement did");
            }
        }
    }
    for (const auto& [name, portal] : portals_) {
        if (!ended.contains(portal.statement)) {
            finish_portal(portal);
        }
    }
    totals_.cause = ending.cause;
    if (options_.counters != nullptr) {
        options_.counters->end(ending.cause);
    }
    if (const auto written = options_.log->append(options_.id, totals_); !written) {
        ending.log_message += ending.log_message.empty() ? "" : "; ";
        ending.log_message += "session_end could not be recorded: " + written.error().message();
    }
    if (!ending.sqlstate.empty()) {
        wire::write_error_response(client_output_, {.severity = "FATAL",
                                                    .sqlstate = ending.sqlstate,
                                                    .message = ending.message,
                                                    .detail = {},
                                                    .hint = ending.hint,
                                                    .position = 0});
    }
    server_message_cut_ = !server_output_.empty();
    leaves_server_idle_ = ending.cause == audit::EndCause::kClient && pipeline_.empty() && !held_ &&
                          status_ == wire::TransactionStatus::kIdle && !batch_open_ && !skipping_ &&
                          hold_ == Hold::kNone && !cancel_sent_ && !fatal_passed_ &&
                          server_output_.empty() && server_input_.empty() && server_rest_ == 0 &&
                          server_withheld_ == 0;
    server_output_.clear();
    client_input_.clear();
    client_taken_ = 0;
    server_input_.clear();
    ended_ = std::move(ending);
}

ServerParameters Conversation::server_parameters() const {
    ServerParameters all = options_.server_parameters;
    for (const auto& [name, value] : reported_since_) {
        report(all, name, value);
    }
    return all;
}

void Conversation::give_back() {
    for (std::string* buffer : {&client_input_, &server_input_, &client_output_, &server_output_}) {
        if (buffer->empty()) {
            std::string().swap(*buffer);
        }
    }
}

bool Conversation::wants_client_bytes() const {
    // While messages wait, some more are read: so it is noticed when the client leaves.
    return takes_messages() ||
           (!ended_ && !ending_ && client_input_.size() < limits::kOutputHighWaterBytes);
}

bool Conversation::takes_messages() const {
    // What was sent behind a statement that is cancelled might be hit in its place.
    const bool beyond =
        !pipeline_.empty() && pipeline_.entries().front().beyond != Beyond::kNothing;
    return !ended_ && !ending_ && hold_ == Hold::kNone && cancels_in_flight_ == 0 && !beyond &&
           server_output_.size() < limits::kOutputHighWaterBytes &&
           pipeline_.size() < limits::kPipelineEntriesMax &&
           pipeline_.bytes() < limits::kPipelineBytesMax;
}

bool Conversation::wants_server_bytes() const {
    // What is not passed on needs no room: a statement that is to stop does not wait for a client
    // that does not read.
    const bool withheld = !pipeline_.empty() && server_rest_ < limits::kOutputHighWaterBytes &&
                          pipeline_.entries().front().beyond != Beyond::kNothing;
    return !ended_ && (withheld || client_output_.size() < limits::kOutputHighWaterBytes);
}

}  // namespace vitrine::session
