// Handles: short passwords (`vt_…`) that stand for a token, for clients that cannot take one of 600
// characters. Only their hash is kept.
#pragma once

#include <string>
#include <string_view>

namespace vitrine::auth {

// "vt_" and 32 characters of base32 (RFC 4648, lower case): 160 random bits.
[[nodiscard]] std::string new_handle();
// Right in form, so that the store is worth asking.
[[nodiscard]] bool is_handle(std::string_view password);
// SHA-256 in 64 hex digits: of 160 random bits a plain hash gives nothing away.
[[nodiscard]] std::string hash_handle(std::string_view handle);

}  // namespace vitrine::auth
