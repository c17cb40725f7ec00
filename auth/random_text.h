// Names and secrets that nobody can guess, in letters that people can read to each other.
#pragma once

#include <cstddef>
#include <string>

namespace vitrine::auth {

// So many random bytes, a multiple of five, in base32 (RFC 4648 section 6), lower case: eight
// characters for five bytes. Throws std::runtime_error where OpenSSL has no randomness.
[[nodiscard]] std::string random_base32(std::size_t bytes);

}  // namespace vitrine::auth
