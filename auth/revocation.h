// What is void before its time. Plain values: a list is immutable, and shared by all sessions,
// which look at each new one once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/principal.h"

namespace vitrine::auth {

struct Revocation {
    enum class Kind : std::uint8_t { kToken, kGrant, kUser, kGroup, kAll } kind = Kind::kToken;
    std::string value;  // a jti, a grant's id, a user, a group; empty for kAll
    Time at;            // of a user, a group, all: what was issued until then is void
    std::string by;
    std::string reason;
};
[[nodiscard]] std::string_view to_string(Revocation::Kind kind);  // "token", "grant", …

class RevocationList {
  public:
    RevocationList() = default;
    explicit RevocationList(std::vector<Revocation> revocations);

    // The revocation that hits what this principal came in with; nullptr: none does. A token or a
    // grant is void for good. Of a user, a group and everything, what was issued until the
    // revocation is void (Principal::issued); what is issued later is good.
    [[nodiscard]] const Revocation* find(const Principal& principal) const;
    [[nodiscard]] std::size_t size() const { return revocations_.size(); }

  private:
    std::vector<Revocation> revocations_;
    // By kind and value: the one with the latest time.
    std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace vitrine::auth
