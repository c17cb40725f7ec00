// Passwords of local accounts: scrypt (RFC 7914), a memory-hard function, by OpenSSL.
#pragma once

#include <string>
#include <string_view>

namespace vitrine::auth {

// "scrypt$16$8$1$SALT$KEY": log2 of N, r, p, and base64url of 16 random bytes and 32 derived ones.
// 64 MiB and some 100 ms a call. Throws std::runtime_error where OpenSSL cannot.
[[nodiscard]] std::string encode_password(std::string_view password);

// In the same time whether it fits or not. False for an `encoded` that is none.
[[nodiscard]] bool password_fits(std::string_view password, std::string_view encoded);

// Takes as long as password_fits() on a real account: for a user who does not exist.
void password_of_nobody(std::string_view password);

}  // namespace vitrine::auth
