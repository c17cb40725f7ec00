// The ceiling of a statement's cost (limits.max_cost): before a text runs for the first time, the
// server is asked for its plan. The statement is on record by then, and held back; nothing else is
// taken from the client until the answer is there.
#include <algorithm>
#include <cmath>

#include "config/limits.h"
#include "proxy/session/conversation.h"
#include "proxy/wire/frontend.h"

namespace vitrine::session {

namespace {

constexpr std::string_view kCostStatement = "vitrine:cost";

std::string rounded(double cost) {
    std::string text = std::to_string(cost);
    return text.substr(0, text.find('.'));
}

}  // namespace

std::vector<parser::CostQuestion> Conversation::cost_questions(const std::string& text) {
    if (!options_.limits.max_cost) {
        return {};
    }
    if (path_was_set_) {
        // The same text may mean other relations by now.
        measured_.clear();
        measured_bytes_ = 0;
    }
    auto questions = parser::cost_questions(text);
    std::erase_if(questions, [this](const parser::CostQuestion& question) {
        return measured_.contains(question.sql);
    });
    return questions;
}

std::optional<parser::Refusal> Conversation::cost_unknown(
    const parser::Judgement& judgement, const std::vector<parser::CostQuestion>& questions) {
    for (const parser::CostQuestion& question : questions) {
        for (std::size_t i = 0; question.by_name && i < question.statement; ++i) {
            const parser::Effect effect = judgement.statements[i].effect;
            if (effect == parser::Effect::kPrepare || effect == parser::Effect::kDeallocate ||
                effect == parser::Effect::kDiscardAll) {
                return parser::Refusal{
                    .sqlstate = "0A000",
                    .message = "it is not known what statement " +
                               std::to_string(question.statement + 1) +
                               " of the text would cost before those before it have run",
                    .detail =
                        "There is a limit on it (limits.max_cost), and it executes what the "
                        "text prepares.",
                    .hint = "Send the statements one by one.",
                    .position = 0};
            }
        }
    }
    return std::nullopt;
}

// As extended messages, so that a Bind's values are bound in its question too, and so that it can
// be asked inside a batch without ending its transaction.
void Conversation::ask_cost(Held held, const std::vector<std::uint32_t>& parameter_types,
                            wire::Bind values) {
    const bool inside_batch = batch_open_;
    values.portal = kCostStatement;
    values.statement = kCostStatement;
    values.result_formats.clear();
    for (const parser::CostQuestion& question : held.questions) {
        // One that failed has left its statement behind.
        wire::write_close(server_output_, wire::ObjectKind::kStatement, kCostStatement);
        wire::write_parse(server_output_, kCostStatement, question.sql, parameter_types);
        wire::write_bind(server_output_, values);
        wire::write_execute(server_output_, kCostStatement, 0);
        wire::write_close(server_output_, wire::ObjectKind::kPortal, kCostStatement);
        wire::write_close(server_output_, wire::ObjectKind::kStatement, kCostStatement);
    }
    held.entry.started = options_.now();
    hold_ = Hold::kCost;
    held_.emplace(std::move(held));
    for (std::size_t i = 0; i < held_->questions.size(); ++i) {
        push_internal({EntryKind::kClose, EntryKind::kParse, EntryKind::kBind, EntryKind::kExecute,
                       EntryKind::kClose, EntryKind::kClose});
    }
    end_internal(inside_batch);
}

void Conversation::cost_message(char type, std::string_view payload) {
    if (type == 'D') {
        const auto row = wire::decode_data_row(payload);
        if (!row || row->values.size() != 1 || !row->values[0]) {
            unexpected(type);
            return;
        }
        held_->answer = *row->values[0];
        return;
    }
    // CommandComplete
    if (held_->answered >= held_->questions.size()) {
        unexpected(type);
        return;
    }
    const auto cost = parser::plan_cost(held_->answer);
    const parser::CostQuestion& question = held_->questions[held_->answered];
    ++held_->answered;
    held_->answer.clear();
    const double most = *options_.limits.max_cost;
    if (!held_->refusal && !(cost && *cost <= most)) {
        count_limit(LimitMet::kCost);
        held_->refusal = {
            .sqlstate = "53400",
            .message = (cost ? "the statement would cost " + rounded(*cost)
                             : std::string("it is not known what the statement would cost")) +
                       ", and " + rounded(most) + " is the limit (limits.max_cost)",
            .detail = "The planner's estimate, in its units: what EXPLAIN shows as the total cost.",
            .hint =
                "Ask for less with WHERE or LIMIT, use an index (EXPLAIN shows the plan), or ask "
                "the operator for a higher limit.",
            .position = held_->begin_in_text(question.begin)};
        held_->refusal_has_position = true;
    } else if (!held_->refusal && !question.by_name) {
        if (measured_bytes_ > limits::kMeasuredBytesMax) {
            measured_.clear();
            measured_bytes_ = 0;
        }
        measured_bytes_ += question.sql.size();
        measured_.insert(question.sql);
    }
    pop();
}

// What fails when its plan is made fails when it runs; the client gets the error as the statement's
// own.
void Conversation::cost_failed(const wire::Fields& fields) {
    if (pipeline_.front().kind == EntryKind::kSync || held_->answered >= held_->questions.size()) {
        unexpected('E');  // nothing is left that could fail
        return;
    }
    const parser::CostQuestion& question = held_->questions[held_->answered];
    const Beyond beyond = pipeline_.front().beyond;
    parser::Refusal refusal{.sqlstate = std::string(fields.get('C')),
                            .message = std::string(fields.get('M')),
                            .detail = std::string(fields.get('D')),
                            .hint = std::string(fields.get('H')),
                            .position = 0};
    bool has_position = false;
    if (beyond == Beyond::kTime && refusal.sqlstate == "57014") {
        refusal = beyond_refusal(beyond);
    } else if (question.statement > 0) {
        refusal = {
            .sqlstate = "0A000",
            .message = "it is not known what statement " + std::to_string(question.statement + 1) +
                       " of the text would cost before those before it have run",
            .detail =
                "There is a limit on it (limits.max_cost). The server says: " + refusal.message,
            .hint = "Send the statements one by one.",
            .position = held_->begin_in_text(question.begin)};
        has_position = true;
    } else if (const std::string position(fields.get('P')); !position.empty()) {
        const std::size_t at = parser::byte_offset(
            question.sql, static_cast<std::size_t>(std::strtoull(position.c_str(), nullptr, 10)));
        refusal.position = held_->begin_in_text(question.begin +
                                                (at > question.prefix ? at - question.prefix : 0));
        has_position = true;
    }
    const bool asked_in_batch = std::ranges::none_of(
        pipeline_.entries(), [](const Entry& entry) { return entry.kind == EntryKind::kSync; });
    path_may_differ_ = path_may_differ_ || path_was_set_;
    if (!asked_in_batch) {
        if (!held_->refusal) {
            held_->refusal = std::move(refusal);
            held_->refusal_has_position = has_position;
        }
        while (pipeline_.front().kind != EntryKind::kSync) {
            pop();
        }
        return;
    }
    // The server skips what comes up to the Sync, so that it cannot fail once more.
    const Entry& entry = held_->entry;
    tell(refusal);
    write_result(entry.records.front(), {}, entry.started, refusal.sqlstate, refusal.message);
    held_.reset();
    hold_ = Hold::kNone;
    while (!pipeline_.empty()) {
        pop();
    }
    skipping_ = true;
}

void Conversation::cost_answered() {
    hold_ = Hold::kNone;
    Held held = std::move(*held_);
    held_.reset();
    if (!held.refusal) {
        server_output_ += held.message;
        if (held.entry.kind == EntryKind::kQuery) {
            note_effects(*held.entry.judgement, held.statements);
        }
        push(std::move(held.entry));
        return;
    }
    if (held.entry.kind == EntryKind::kBind) {
        forward_refusal(kCostStatement, std::move(held.entry), std::move(*held.refusal));
        return;
    }
    Entry entry = std::move(held.entry);
    for (std::size_t i = 1; i < entry.records.size(); ++i) {
        write_result(entry.records[i], {}, entry.started, "",
                     "not run: a statement of the text was refused");
    }
    entry.records.resize(1);
    entry.judgement = nullptr;
    entry.refusal = std::move(held.refusal);
    entry.refusal_has_position = held.refusal_has_position;
    wire::write_query(server_output_, kFailingText);
    push(std::move(entry));
}

std::size_t Conversation::Held::begin_in_text(std::size_t sent) const {
    return entry.judgement && entry.judgement->forwarded
               ? entry.judgement->positions.to_client(sent)
               : sent;
}

}  // namespace vitrine::session
