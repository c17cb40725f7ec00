// What stands in the log for a value, under `parameters: masked`.
#pragma once

#include <string>
#include <string_view>

#include "config/secret.h"

namespace vitrine::audit {

// "d_" and the first 16 hex digits of HMAC-SHA256 (RFC 2104), keyed by the SHA-256 of "vitrine
// audit" and the masking key: equal values are found, and nobody without the key can try values. It
// is another function of the key than the mask `hash`, so that a digest tells nothing of a result.
[[nodiscard]] std::string value_digest(const config::Secret& key, std::string_view value);

}  // namespace vitrine::audit
