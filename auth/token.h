// Tokens: minting and verifying JWTs signed with Ed25519 (RFC 7519, RFC 8037; INTERFACE: "The
// token"). No I/O and no clock of its own: `now` comes in.
//
// Threading: a Verifier is immutable after construction and may be shared.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "config/config.h"

namespace vitrine::auth {

// Why a login failed: for the log only. The client hears the same words for all of the first group
// (28P01) and for all of the second (28000).
enum class TokenError : std::uint8_t {
    // 28P01
    kTooLong = 1,
    kMalformed,      // not three base64url parts of JSON objects, duplicate members, wrong types
    kAlgorithm,      // anything but EdDSA, `none` and HMAC included
    kCritical,       // a `crit` header
    kUnknownIssuer,  // no issuer of that name, or one without a key
    kSignature,
    kAudience,
    kExpired,
    kNotYetValid,   // nbf or iat in the future
    kLifetime,      // exp - iat beyond auth.max_token_lifetime
    kMissingClaim,  // exp, iat, sub, jti or databases absent
    // 28000
    kOtherUser,
    kOtherDatabase,
};
[[nodiscard]] std::string_view cause(TokenError error);  // for the log: "expired", "signature", …
[[nodiscard]] bool is_authorization_error(TokenError error);  // true: 28000, false: 28P01

boost::system::error_code make_error_code(TokenError error);

struct TokenRequest {
    std::string user;
    std::vector<std::string> databases;
    std::vector<std::string> groups;
    std::string reason;
    std::chrono::seconds ttl{900};
};

// Mints a token with the issuer's signing key; jti is 128 random bits. Errors: the key is not an
// Ed25519 private key, or ttl is not within (0, max_token_lifetime].
[[nodiscard]] boost::system::result<std::string> issue_token(const config::Auth& auth,
                                                             const TokenRequest& request, Time now);

class Verifier {
  public:
    // Throws std::invalid_argument where an issuer's key is not Ed25519; config::load has checked
    // that already.
    explicit Verifier(const config::Auth& auth);
    ~Verifier();
    Verifier(const Verifier&) = delete;
    Verifier& operator=(const Verifier&) = delete;

    // The principal of a token that is good for this user and database now.
    [[nodiscard]] boost::system::result<Principal> verify(std::string_view token,
                                                          std::string_view user,
                                                          std::string_view database,
                                                          Time now) const;

  private:
    struct State;
    std::unique_ptr<const State> state_;
};

}  // namespace vitrine::auth

template <>
struct boost::system::is_error_code_enum<vitrine::auth::TokenError> : std::true_type {};
