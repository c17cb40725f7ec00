// What the policy says to a request for access (INTERFACE: `access.policies`). Pure.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "auth/grant.h"
#include "config/config.h"

namespace vitrine::auth {

struct AccessRequest {
    std::string database;
    std::chrono::seconds duration{0};
    std::string reason;
    bool emergency = false;  // asked for by name: an emergency policy never stands in by itself
};

struct Decision {
    // Null: refused, and `why` says by what, `hint` what would be possible.
    const config::AccessPolicy* policy = nullptr;
    std::string why;
    std::string hint;
};

// The first policy, in the file's order, that is for one of the user's groups and the database and
// allows all of duration, reason and time of day. Where none does, `why` is what the first one
// that is for them objects to; without such a one, that nothing is for them.
[[nodiscard]] Decision decide(const config::Access& access, const Identity& who,
                              const AccessRequest& request, Time now);

// Whether two names may be one person's, whoever vouches for them: letters of ASCII compare without
// their case, as mail addresses do. Errs towards yes: it is for what one person may not do twice.
[[nodiscard]] bool same_person(std::string_view a, std::string_view b);

// May this person decide on the grant: not the one who asked, and in a group that approves.
[[nodiscard]] bool may_approve(const Grant& grant, const Identity& who);

// In access.admins: may revoke, kill and review for everybody.
[[nodiscard]] bool is_admin(const config::Access& access, const Identity& who);

}  // namespace vitrine::auth
