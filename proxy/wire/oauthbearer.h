// SASL OAUTHBEARER, as a server (RFC 7628; PostgreSQL 18's auth-oauth.c): what a client says in it.
#pragma once

#include <string_view>

#include "proxy/wire/errors.h"

namespace vitrine::wire {

inline constexpr std::string_view kOAuthBearer = "OAUTHBEARER";
// All that a client may answer to a refusal (RFC 7628 section 3.2.3).
inline constexpr std::string_view kOAuthDummy = "\x01";

// The token of the client's first message: `n,,` 0x01 `auth=Bearer TOKEN` 0x01 0x01, with other
// pairs beside it, which are passed over. A view into it; empty where the client has no token yet
// and asks where to get one, or what it has is not in the form of one (RFC 6750 section 2.1).
//
// kUnsupportedAuthentication: channel binding, or an authorization identity; kBadValue: a pair that
// is none, or no `auth` or two; kTruncated, kTrailingBytes: it ends too early, or goes on.
[[nodiscard]] boost::system::result<std::string_view> decode_oauthbearer(std::string_view message);

}  // namespace vitrine::wire
