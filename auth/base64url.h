// base64url without padding (RFC 4648 section 5, RFC 7515 section 2), one spelling a value.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vitrine::auth {

[[nodiscard]] std::string base64url(std::string_view bytes);

// Empty for anything that base64url() does not give: padding, white space, other alphabets, bits
// that are set beyond the last byte.
[[nodiscard]] std::optional<std::string> from_base64url(std::string_view text);

}  // namespace vitrine::auth
