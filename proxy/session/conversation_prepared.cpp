// The conversation's memory of names: which statement a name stands for when a message reaches the
// server, and whether it would still be sent as it was judged.
#include <algorithm>

#include "proxy/session/conversation.h"

namespace vitrine::session {

parser::SessionContext::Prepared Conversation::known_as_prepared(std::string_view name) {
    using Known = parser::SessionContext::Prepared;
    const Prepared* made = find_prepared(name);
    if (made == nullptr) {
        asked_for_unknown_ = true;
        return Known::kUnknown;
    }
    if (made->stale) {
        return Known::kStale;
    }
    const auto& statements = made->judgement->statements;
    const auto plain = made->by_sql ? parser::Effect::kPrepare : parser::Effect::kNone;
    if (statements.empty() || statements.front().effect != plain) {
        return Known::kNotPlain;
    }
    return statements.front().plan_hidden ? Known::kPlanHidden : Known::kCurrent;
}

void Conversation::rejudge_prepared() {
    for (auto& [name, prepared] : prepared_) {
        const auto now =
            ask_the_judge(*prepared.sql,
                          prepared.by_sql ? parser::Protocol::kSimple : parser::Protocol::kExtended,
                          prepared.parameter_types, true);
        const auto plan_hidden = [](const parser::Judgement& judgement) {
            return !judgement.statements.empty() && judgement.statements.front().plan_hidden;
        };
        prepared.stale = !now->allowed() || now->forwarded != prepared.judgement->forwarded ||
                         plan_hidden(*now) != plan_hidden(*prepared.judgement);
    }
}

const Conversation::Prepared* Conversation::find_prepared(std::string_view name) const {
    const auto made = prepared_.find(std::string(name));
    return made == prepared_.end() ? nullptr : &made->second;
}

void Conversation::remember(const std::string& name, Prepared prepared) {
    forget(name);
    prepared_bytes_ += prepared.sql->size();
    prepared_[name] = std::move(prepared);
}

void Conversation::forget(const std::string& name) {
    if (const auto made = prepared_.find(name); made != prepared_.end()) {
        prepared_bytes_ -= made->second.sql->size();
        prepared_.erase(made);
    }
}

void Conversation::forget_all() {
    prepared_.clear();
    prepared_bytes_ = 0;
}

// From the newest message back: within the batch, a Parse that fails takes with it whatever
// follows; behind a Sync or a Query it does not, and what the name stands for is known when all is
// answered.
Conversation::Named Conversation::named_statement(std::string_view name) const {
    Named named;
    named.made = find_prepared(name);
    if (!pipeline_.changes_names()) {
        return named;
    }
    bool behind = false;
    const auto& entries = pipeline_.entries();
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        switch (entry->kind) {
            case EntryKind::kParse:
                if (entry->name == name && !entry->internal) {
                    named.uncertain = behind;
                    named.pending = behind ? nullptr : &*entry;
                    return named;
                }
                break;
            case EntryKind::kClose:
                if (!entry->is_portal && entry->name == name && !entry->internal) {
                    named.uncertain = true;
                    return named;
                }
                break;
            case EntryKind::kQuery:
            case EntryKind::kExecute:
                behind = behind || entry->kind == EntryKind::kQuery;
                if (entry->prepares()) {
                    named.uncertain = true;
                    return named;
                }
                break;
            case EntryKind::kSync:
                behind = true;
                break;
            case EntryKind::kBind:
            case EntryKind::kDescribe:
                break;
        }
    }
    return named;
}

// A Parse of this batch: does its judgement hold, whatever ran between it and what uses it?
bool Conversation::pending_stands(const Entry& parse) {
    if (!path_may_differ_) {
        return true;
    }
    const auto now =
        ask_the_judge(parse.text(), parser::Protocol::kExtended, parse.parameter_types, false);
    return now->allowed() && now->forwarded == parse.judgement->forwarded;
}

// Would the statement be sent now as it was when it was prepared?
Conversation::Standing Conversation::standing(const Prepared& prepared) {
    if (prepared.stale) {
        return Standing::kStale;
    }
    const auto& statements = prepared.judgement->statements;
    const bool executes =
        !statements.empty() && statements.front().effect == parser::Effect::kExecute;
    if (!path_may_differ_ && !executes) {
        return Standing::kCurrent;
    }
    const auto now = ask_the_judge(
        *prepared.sql, prepared.by_sql ? parser::Protocol::kSimple : parser::Protocol::kExtended,
        prepared.parameter_types, !path_may_differ_);
    if (now->allowed() && now->forwarded == prepared.judgement->forwarded) {
        return Standing::kCurrent;
    }
    if (!path_may_differ_) {
        return Standing::kStale;
    }
    if (status_ == wire::TransactionStatus::kFailed && !batch_open_) {
        return Standing::kCurrent;  // the server runs nothing but the end of the transaction
    }
    wait_for_path();
    return Standing::kWait;
}

}  // namespace vitrine::session
