// SASLprep (RFC 4013) as PostgreSQL does it: pg_saslprep() in src/common/saslprep.c.
#pragma once

#include <string>
#include <string_view>

namespace vitrine::wire {

// The password a server has stored a verifier of. ASCII stays as it is, control characters and
// all; so does what is not UTF-8, has a character that is prohibited or not in Unicode 3.2, or
// comes out empty. The caller wipes the result.
[[nodiscard]] std::string saslprep(std::string_view password);

}  // namespace vitrine::wire
