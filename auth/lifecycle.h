// The steps of a grant (the picture in auth/grant.h), and who may take them. Pure: Store::
// change_grant calls one within its transaction, so that each sees what the one before it left.
#pragma once

#include <boost/system/error_code.hpp>
#include <cstdint>
#include <string>

#include "auth/decide.h"
#include "auth/grant.h"
#include "config/config.h"

namespace vitrine::auth {

enum class GrantError : std::uint8_t {
    kOwnRequest = 1,  // nobody approves their own
    kNotApprover,     // in none of the groups that decide
    kApprovedBefore,  // each counts once
    kNotPending,      // decided already
    kLapsed,          // nobody decided in time
    kNotTheirs,       // neither the one who asked, nor one who may end it
    kOver,            // access that has ended by itself, or was ended
    kNoEmergency,     // nothing to review
    kReviewed,        // somebody has already
};
[[nodiscard]] boost::system::error_code make_error_code(GrantError error);

// What becomes of a request that `policy` (of decide()) allows: active at once, or pending.
[[nodiscard]] Grant new_grant(const config::Access& access, const config::AccessPolicy& policy,
                              const Identity& who, const AccessRequest& request, Time now);

// The last approval that is needed makes the grant active, from `now` on for what was asked.
[[nodiscard]] boost::system::error_code approve(Grant& grant, const Identity& who, Time now);
[[nodiscard]] boost::system::error_code deny(Grant& grant, const Identity& who,
                                             const std::string& reason, Time now);
// Ends a grant: of what is pending, who asked takes it back (kWithdrawn); of what is active, who
// asked, an approver or an admin revokes it.
[[nodiscard]] boost::system::error_code end(Grant& grant, const config::Access& access,
                                            const Identity& who, const std::string& reason,
                                            Time now);
// Of an emergency, that somebody else has looked at it: an admin or an approver.
[[nodiscard]] boost::system::error_code review(Grant& grant, const config::Access& access,
                                               const Identity& who, Time now);

}  // namespace vitrine::auth

template <>
struct boost::system::is_error_code_enum<vitrine::auth::GrantError> : std::true_type {};
