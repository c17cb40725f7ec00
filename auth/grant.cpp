#include "auth/grant.h"

#include "auth/random_text.h"

namespace vitrine::auth {

std::string_view to_string(GrantState state) {
    switch (state) {
        case GrantState::kPending:
            return "pending";
        case GrantState::kActive:
            return "active";
        case GrantState::kDenied:
            return "denied";
        case GrantState::kWithdrawn:
            return "withdrawn";
        case GrantState::kRevoked:
            return "revoked";
    }
    return "unknown";
}

std::string new_grant_id() {
    constexpr std::size_t kBytes = 10;
    return "g_" + random_base32(kBytes);
}

}  // namespace vitrine::auth
