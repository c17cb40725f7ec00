#include "config/user_limits.h"

#include <algorithm>

namespace vitrine::config {

namespace {

template <typename Value>
void take(std::optional<Value>& limit, const std::optional<Value>& from) {
    if (from) {
        limit = from;
    }
}

}  // namespace

UserLimits limits_for(const std::vector<LimitRule>& rules, const std::vector<std::string>& groups) {
    UserLimits limits;
    for (const LimitRule& rule : rules) {
        const bool applies = std::ranges::any_of(rule.groups, [&](const std::string& group) {
            return group == "*" || std::ranges::find(groups, group) != groups.end();
        });
        if (!applies) {
            continue;
        }
        take(limits.statement_timeout, rule.limits.statement_timeout);
        take(limits.idle_timeout, rule.limits.idle_timeout);
        take(limits.max_rows, rule.limits.max_rows);
        take(limits.max_result_bytes, rule.limits.max_result_bytes);
        take(limits.max_cost, rule.limits.max_cost);
        take(limits.max_sessions, rule.limits.max_sessions);
        take(limits.logins_per_minute, rule.limits.logins_per_minute);
        take(limits.statements_per_minute, rule.limits.statements_per_minute);
        take(limits.rows_per_hour, rule.limits.rows_per_hour);
        take(limits.bytes_per_hour, rule.limits.bytes_per_hour);
    }
    return limits;
}

}  // namespace vitrine::config
