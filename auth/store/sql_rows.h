// Grants, accounts, handles and revocations as the fields of a row, and back. Lists are JSON, times
// are seconds since 1970, states and kinds are words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/store/store.h"

namespace vitrine::auth {

// What cannot be told apart by looking at it, or would be cut or refused by one of the databases
// (a NUL, bytes that are not UTF-8), is kept by neither.
[[nodiscard]] bool is_name(std::string_view name);
[[nodiscard]] bool is_name_or_empty(std::string_view name);
[[nodiscard]] bool is_storable(const Grant& grant);
[[nodiscard]] bool is_storable(const Account& account);
[[nodiscard]] bool is_storable(const HandleRecord& handle);
[[nodiscard]] bool is_storable(const Revocation& revocation);

[[nodiscard]] std::int64_t number_of(Time time);
[[nodiscard]] std::string list_of(const std::vector<std::string>& texts);
// [["bob",1800000000],…]
[[nodiscard]] std::string list_of(const std::vector<Approval>& approvals);

// The columns of a grant, in the order of grant_of().
#define GRANT_COLUMNS                                                                           \
    "id, user_name, issuer, user_groups, database_name, duration, reason, policy, emergency, "  \
    "approvals_needed, approver_groups, approvals, state, requested, ends, started, ended_by, " \
    "end_reason, reviewed_by, reviewed"

// kCorrupt where a field is not what it must be, or there are more or fewer.
[[nodiscard]] result<Grant> grant_of(const std::vector<std::string>& row);
[[nodiscard]] result<Account> account_of(const std::vector<std::string>& row);
[[nodiscard]] result<HandleRecord> handle_of(const std::vector<std::string>& row);
[[nodiscard]] result<Revocation> revocation_of(const std::vector<std::string>& row);
[[nodiscard]] result<std::int64_t> integer_of(const std::vector<std::string>& row);

}  // namespace vitrine::auth
