// What the conversation puts on record: statements before they are sent, with their values, and
// results when they have ended.
#include <algorithm>
#include <iterator>
#include <utility>

#include "config/limits.h"
#include "proxy/session/conversation.h"
#include "proxy/session/own_words.h"
#include "proxy/wire/binary_value.h"

namespace vitrine::session {

namespace {

std::string hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text = "\\x";
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

}  // namespace

std::string Conversation::unknown_statement(std::string_view name) {
    return "-- Bind of prepared statement \"" + std::string(name) + "\", which does not exist";
}

bool Conversation::record(audit::Statement statement, Words words, Sending sending) {
    std::string sql;
    std::string forwarded;
    if (options_.digest && words == Words::kClients) {
        if (statement.sql) {
            sql = parser::without_constants(std::string(*statement.sql), options_.digest);
            statement.sql = sql;
        }
        if (statement.forwarded) {
            forwarded =
                parser::without_constants(std::string(*statement.forwarded), options_.digest);
            statement.forwarded = forwarded;
        }
    }
    statement.policy = options_.policy->rules_version();
    // Of a statement whose cost is asked for first more hangs on the record than what is unsent.
    if (sending == Sending::kBehindIt && options_.log->stages() && !options_.limits.max_cost) {
        if (!stage(statement)) {
            return false;
        }
    } else {
        const auto appended = options_.log->append(options_.id, statement);
        if (!appended) {
            return false;
        }
        recorded_ = *appended;
    }
    ++totals_.statements;
    if (!statement.allowed) {
        ++totals_.rejected;
    }
    if (options_.counters != nullptr) {
        (statement.allowed ? options_.counters->allowed : options_.counters->rejected).add();
    }
    return true;
}

bool Conversation::stage(const audit::Statement& statement) {
    if (!staged_.empty() && staged_.back().staged.state() == audit::StageState::kFailed) {
        return false;  // it may refer to one that is not on record, and will not be sent either
    }
    auto staged = options_.log->stage(options_.id, statement);
    if (!staged) {
        return false;
    }
    if (staged_.empty()) {
        unsent_begin_ = server_output_.size();
        unsent_ = 0;
    }
    if (staged_.empty() || !staged_.back().staged.shares_stage_with(*staged)) {
        staged_.push_back({.staged = std::move(*staged), .first = statement.statement});
    }
    ++staged_.back().count;
    staged_.back().rejected += statement.allowed ? 0 : 1;
    return true;
}

bool Conversation::write_staged() {
    bool well = true;
    for (const StagedRun& run : staged_) {
        options_.log->write(run.staged);
        well = well && run.staged.state() == audit::StageState::kWritten;
    }
    return well;
}

void Conversation::write_records() {
    if (!write_staged()) {
        take_back_totals();
        refuse_unsent();
    }
    staged_.clear();
}

void Conversation::settle_records() {
    if (!write_staged()) {
        take_back_totals();
        pipeline_.visit_last(unsent_, [this](Entry& entry) { forget_unrecorded(entry); });
    }
    staged_.clear();
}

void Conversation::take_back_totals() {
    for (StagedRun& run : staged_) {
        if (run.staged.state() != audit::StageState::kWritten) {
            totals_.statements -= std::exchange(run.count, 0);
            totals_.rejected -= std::exchange(run.rejected, 0);
        }
    }
}

bool Conversation::is_unrecorded(std::uint64_t number) const {
    const auto behind =
        std::ranges::find_if(staged_, [&](const StagedRun& run) { return run.first > number; });
    return behind != staged_.begin() &&
           std::prev(behind)->staged.state() != audit::StageState::kWritten;
}

void Conversation::forget_unrecorded(Entry& entry) const {
    std::erase_if(entry.records, [this](std::uint64_t number) { return is_unrecorded(number); });
}

// In place of what is unsent the server gets, for each batch, a text that fails; what follows that
// it would skip, so it does not get to see it. The pipeline is as if all had been sent.
void Conversation::refuse_unsent() {
    server_output_.resize(unsent_begin_);
    bool skipping = false;
    bool owed = false;  // the batch's error, to a message of the client's
    pipeline_.visit_last(unsent_, [&](Entry& entry) {
        if (entry.kind == EntryKind::kQuery && !skipping) {
            wire::write_query(server_output_, kFailingText);
            refuse_unrecorded_query(entry);
            return;
        }
        forget_unrecorded(entry);
        if (entry.kind == EntryKind::kSync) {
            wire::write_sync(server_output_);
            skipping = false;
            return;
        }
        if (!skipping) {
            // As a Parse of that name that fails: the unnamed statement is gone after it.
            wire::write_parse(
                server_output_,
                entry.kind == EntryKind::kParse ? std::string_view(entry.name) : kPathStatement,
                kFailingText, {});
            skipping = true;
            owed = true;
        }
        if (owed && !entry.internal) {
            entry.refusal = log_refusal();
            entry.refusal_has_position = false;
            owed = false;
        }
    });
    if (unsent_ > 0) {
        skipping_ = skipping;
        batch_open_ = batch_open_ || skipping;
    }
}

// Of those that are on record each that was to run, and the one that was refused, get a result.
void Conversation::refuse_unrecorded_query(Entry& entry) {
    const std::size_t refused = entry.judgement ? entry.judgement->first_refused() : 0;
    for (std::size_t i = 0; i < entry.records.size() && i <= refused; ++i) {
        if (!is_unrecorded(entry.records[i])) {
            write_result(entry.records[i], {}, entry.started, "",
                         "not run: a statement of the text could not be recorded");
        }
    }
    entry.records.clear();
    entry.judgement = nullptr;
    entry.refusal = log_refusal();
    entry.refusal_has_position = false;
}

bool Conversation::record_skipped(std::string_view sql) {
    // Nothing is forwarded, so there is nothing to refuse where this cannot be written.
    return record({.statement = next_statement_++,
                   .sql = sql,
                   .of = {},
                   .params = {},
                   .allowed = false,
                   .rule = kSkipped,
                   .masked = {},
                   .forwarded = {}},
                  Words::kClients, Sending::kNothing);
}

void Conversation::record_skipped(const wire::Parse& parse) {
    if (skipped_parses_.size() >= limits::kPreparedStatementsMax) {
        finish({.cause = audit::EndCause::kLimit,
                .sqlstate = "53400",
                .message = "too many messages behind an error",
                .hint = "Send a Sync, and look at the error.",
                .log_message = "too many Parse messages behind an error"});
        return;
    }
    const std::uint64_t number = next_statement_;
    skipped_parses_[std::string(parse.name)] = record_skipped(parse.sql) ? number : 0;
}

void Conversation::record_skipped(const wire::Bind& bind) {
    const Prepared* made = find_prepared(bind.statement);
    const auto skipped = skipped_parses_.find(std::string(bind.statement));
    std::optional<std::uint64_t> of;
    if (skipped != skipped_parses_.end()) {
        if (skipped->second != 0) {
            of = skipped->second;
        }
        made = nullptr;  // it would have been replaced
    } else if (made != nullptr) {
        of = made->statement;
    }
    static const std::vector<std::uint32_t> kNoTypes;
    const std::string unknown = unknown_statement(bind.statement);
    (void)record({.statement = next_statement_++,
                  .sql = of ? std::nullopt : std::optional<std::string_view>(unknown),
                  .of = of,
                  .params = values_of(bind, made == nullptr ? kNoTypes : made->types()),
                  .allowed = false,
                  .rule = kSkipped,
                  .masked = {},
                  .forwarded = {}},
                 Words::kOwn, Sending::kNothing);
}

std::optional<std::vector<std::optional<std::string>>> Conversation::values_of(
    const wire::Bind& bind, const std::vector<std::uint32_t>& types) const {
    if (bind.values.empty() || options_.parameters == config::Parameters::kNone) {
        return std::nullopt;
    }
    std::vector<std::optional<std::string>> values;
    values.reserve(bind.values.size());
    for (std::size_t i = 0; i < bind.values.size(); ++i) {
        if (!bind.values[i]) {
            values.emplace_back(std::nullopt);
            continue;
        }
        const std::string_view sent = *bind.values[i];
        std::string text(sent);
        if (bind.format(i) != 0) {
            const auto read = wire::text_of_binary(i < types.size() ? types[i] : 0, sent);
            text = read ? *read : hex(sent);
        }
        values.emplace_back(options_.digest ? options_.digest(text) : std::move(text));
    }
    return values;
}

void Conversation::finish_portal(const Portal& portal) {
    if (portal.suspended) {
        write_result(portal.statement, portal.sent, portal.started, "00000",
                     "closed before its end");
    } else if (!portal.executed) {
        write_result(portal.statement, {}, portal.started, "", "bound, but not executed");
    }
}

void Conversation::write_result(std::uint64_t statement, const Sent& sent,
                                std::chrono::steady_clock::time_point started,
                                std::string_view sqlstate, std::string_view message) {
    totals_.rows += sent.rows;
    totals_.bytes += sent.bytes;
    if (options_.counters != nullptr) {
        options_.counters->rows.add(sent.rows);
        options_.counters->bytes.add(sent.bytes);
    }
    std::string said(message);
    if (options_.digest) {
        said = parser::without_values(sqlstate, message, options_.digest);
    }
    // Where a result cannot be written, the next statement cannot be recorded either, and is
    // refused for it: nothing is lost but this.
    (void)options_.log->append(
        options_.id,
        audit::Result{.statement = statement,
                      .rows = sent.rows,
                      .bytes = sent.bytes,
                      .duration = std::chrono::duration_cast<std::chrono::microseconds>(
                          options_.now() - started),
                      .sqlstate = std::string(sqlstate),
                      .message = std::move(said),
                      // Of a row that was cut nobody knows the rest.
                      .digest = options_.rows_digest != nullptr && sent.rows > 0 && !row_in_pieces_
                                    ? options_.rows_digest->text(sent.sum, sent.rows)
                                    : std::string()});
}

}  // namespace vitrine::session
