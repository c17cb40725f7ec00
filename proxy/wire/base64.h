// Base64 as SCRAM writes it (RFC 4648, section 4: padded, no line breaks), by OpenSSL.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vitrine::wire {

[[nodiscard]] std::string to_base64(std::string_view bytes);
// nullopt for anything that to_base64() would not have written.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace vitrine::wire
