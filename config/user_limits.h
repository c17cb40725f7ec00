// What one user may take of a database: the `limits` section, as plain values.
//
// INTERFACE: "Configuration", limits. docs/limits.md says what each counts.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vitrine::config {

// Empty: there is no such limit.
struct UserLimits {
    std::optional<std::chrono::seconds> statement_timeout;
    std::optional<std::chrono::seconds> idle_timeout;
    std::optional<std::uint64_t> max_rows;          // a statement
    std::optional<std::uint64_t> max_result_bytes;  // a statement
    std::optional<double> max_cost;                 // a statement, as the planner counts
    std::optional<std::uint64_t> max_sessions;      // a user, as all below
    std::optional<std::uint64_t> logins_per_minute;
    std::optional<std::uint64_t> statements_per_minute;
    std::optional<std::uint64_t> rows_per_hour;
    std::optional<std::uint64_t> bytes_per_hour;

    friend bool operator==(const UserLimits&, const UserLimits&) = default;
};

struct LimitRule {
    std::vector<std::string> groups;  // one of them; "*": everybody
    UserLimits limits;
};

// The limits of somebody in these groups. The order is that of the masks: for each limit the last
// rule stands that applies to the user and has it.
[[nodiscard]] UserLimits limits_for(const std::vector<LimitRule>& rules,
                                    const std::vector<std::string>& groups);

}  // namespace vitrine::config
