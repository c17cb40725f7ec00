// Grants: access that somebody asked for, and what became of it. Plain values; what may be asked
// for is decided in auth/decide.h, and they are kept in auth/store.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"

namespace vitrine::auth {

// Somebody who is known: by an identity provider's token or by a local account.
struct Identity {
    std::string user;
    std::vector<std::string> groups;
    std::string issuer;  // the token's iss; "local" for an account of the store's own
    std::string token;   // the token's jti; empty for a local account
};

//            ┌──> kDenied
// kPending ──┼──> kActive ──> kRevoked
//            └──> kWithdrawn        (of what is active, `ends` says when it is over)
enum class GrantState : std::uint8_t { kPending, kActive, kDenied, kWithdrawn, kRevoked };
[[nodiscard]] std::string_view to_string(GrantState state);  // "pending", "active", …

struct Approval {
    std::string by;
    Time at;
};

struct Grant {
    std::string id;  // "g_" and 16 characters of base32: 80 random bits
    std::string user;
    // Who vouches for the user (Identity::issuer): another issuer's user of that name is another.
    std::string issuer;
    std::vector<std::string> groups;  // the user's, when it was asked for
    std::string database;
    std::chrono::seconds duration{0};
    std::string reason;  // empty: none was given, where the policy allows that
    std::string policy;  // by which it was decided
    bool emergency = false;
    unsigned approvals_needed = 0;
    std::vector<std::string> approver_groups;
    std::vector<Approval> approvals;
    GrantState state = GrantState::kPending;
    Time requested;
    // Pending: when the request lapses. Active: the end of the access. Otherwise when it ended.
    Time ends;
    Time started;             // became active
    std::string ended_by;     // who denied, withdrew or revoked it
    std::string end_reason;   // and why
    std::string reviewed_by;  // of an emergency: empty until somebody has looked at it
    Time reviewed;
};

[[nodiscard]] inline bool is_own(const Grant& grant, const Identity& who) {
    return !who.user.empty() && grant.user == who.user && grant.issuer == who.issuer;
}

// A grant that gives access now.
[[nodiscard]] inline bool in_force(const Grant& grant, Time now) {
    return grant.state == GrantState::kActive && now < grant.ends;
}
// A request that can still be decided.
[[nodiscard]] inline bool awaits_decision(const Grant& grant, Time now) {
    return grant.state == GrantState::kPending && now < grant.ends;
}

[[nodiscard]] std::string new_grant_id();

}  // namespace vitrine::auth
