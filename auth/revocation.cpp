#include "auth/revocation.h"

#include <utility>

namespace vitrine::auth {
namespace {

// No kind's word is the beginning of another's with a colon in it, so keys do not collide.
std::string key_of(Revocation::Kind kind, std::string_view value) {
    return std::string(to_string(kind)) + ':' + std::string(value);
}

bool is_for_good(Revocation::Kind kind) {
    return kind == Revocation::Kind::kToken || kind == Revocation::Kind::kGrant;
}

}  // namespace

std::string_view to_string(Revocation::Kind kind) {
    switch (kind) {
        case Revocation::Kind::kToken:
            return "token";
        case Revocation::Kind::kGrant:
            return "grant";
        case Revocation::Kind::kUser:
            return "user";
        case Revocation::Kind::kGroup:
            return "group";
        case Revocation::Kind::kAll:
            return "all";
    }
    return "unknown";
}

RevocationList::RevocationList(std::vector<Revocation> revocations)
    : revocations_(std::move(revocations)) {
    for (std::size_t i = 0; i < revocations_.size(); ++i) {
        const Revocation& each = revocations_[i];
        const bool all = each.kind == Revocation::Kind::kAll;
        if (each.value.empty() && !all) {
            continue;  // or it would hit all who come in without a grant
        }
        const auto [place, fresh] = index_.emplace(key_of(each.kind, all ? "" : each.value), i);
        if (!fresh && revocations_[place->second].at < each.at) {
            place->second = i;
        }
    }
}

const Revocation* RevocationList::find(const Principal& principal) const {
    const auto hit = [&](Revocation::Kind kind, std::string_view value) -> const Revocation* {
        const auto found = index_.find(key_of(kind, value));
        if (found == index_.end()) {
            return nullptr;
        }
        const Revocation& revocation = revocations_[found->second];
        // Times are whole seconds: of what was issued in the very second nobody knows whether it
        // was before, so it is void.
        return is_for_good(kind) || principal.issued <= revocation.at ? &revocation : nullptr;
    };
    if (const auto* const found = hit(Revocation::Kind::kToken, principal.token)) {
        return found;
    }
    if (const auto* const found = hit(Revocation::Kind::kGrant, principal.grant)) {
        return found;
    }
    if (const auto* const found = hit(Revocation::Kind::kUser, principal.user)) {
        return found;
    }
    for (const std::string& group : principal.groups) {
        if (const auto* const found = hit(Revocation::Kind::kGroup, group)) {
            return found;
        }
    }
    return hit(Revocation::Kind::kAll, "");
}

}  // namespace vitrine::auth
