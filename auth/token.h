// Tokens: minting JWTs signed with Ed25519, and verifying those of several issuers (RFC 7519, RFC
// 7515, RFC 8725; INTERFACE: "The token"). No I/O and no clock of its own: `now` comes in.
//
// Threading: a Verifier is immutable after construction and may be shared.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/grant.h"
#include "auth/jwks.h"
#include "auth/principal.h"
#include "config/config.h"

namespace vitrine::auth {

// Why a login failed: for the log only. The client hears the same words for all of the first group
// (28P01) and for all of the second (28000).
enum class TokenError : std::uint8_t {
    // 28P01
    kTooLong = 1,
    kMalformed,      // not three base64url parts of JSON objects, duplicate members, wrong types
    kAlgorithm,      // another than the key's: `none` and HMAC are nobody's
    kCritical,       // a `crit` header
    kUnknownIssuer,  // no issuer of that name, or one without a key
    kUnknownKey,     // the issuer has no key of that kid (now), or several and the token names none
    kSignature,
    kAudience,
    kExpired,
    kNotYetValid,   // nbf or iat in the future
    kLifetime,      // exp - iat beyond auth.max_token_lifetime
    kMissingClaim,  // exp, iat, the user, databases, or the jti of a token of ours absent
    kUnverifiedEmail,
    kOtherAddress,  // bound to another client address
    kSingleUse,     // good for one login, and this is none
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
    std::string grant;                   // empty: from none
    std::vector<std::string> approvers;  // of the grant
    std::string client_address;          // an address or a network (auth/network.h) to bind it to
    bool single_use = false;
    std::chrono::seconds ttl{900};
};

// Mints a token with the first signing key there is; jti is 128 random bits, kid the key's
// thumbprint (RFC 7638). Errors: the key is not an Ed25519 private key, ttl is not within
// (0, max_token_lifetime], or a text is none that verify() would take.
[[nodiscard]] boost::system::result<std::string> issue_token(const config::Auth& auth,
                                                             const TokenRequest& request, Time now);

// The keys of the issuers with a jwks.url, by issuer, as they were fetched last.
using FetchedKeys = std::map<std::string, std::shared_ptr<const KeySet>, std::less<>>;

// What is wrong with the keys of the issuers, each at its issuer's place: load() reads a JWK Set's
// file, and does not look into it.
[[nodiscard]] std::vector<config::Problem> key_problems(const config::Auth& auth);

// Somebody who is known by a token, for the API: no database is asked for.
struct Identified {
    Identity who;
    Principal principal;  // for RevocationList::find(), and until when; .database is empty
};

class Verifier {
  public:
    // Throws std::invalid_argument with the first of key_problems(). An issuer with a jwks.url that
    // `fetched` has nothing of has no keys.
    explicit Verifier(const config::Auth& auth, const FetchedKeys& fetched = {});
    ~Verifier();
    Verifier(const Verifier&) = delete;
    Verifier& operator=(const Verifier&) = delete;

    // The principal of a token that is good for this user and database now, from this address
    // (without a port).
    [[nodiscard]] boost::system::result<Principal> verify(std::string_view token,
                                                          std::string_view user,
                                                          std::string_view database,
                                                          std::string_view client_address,
                                                          Time now) const;
    // Whose token it is, for the API. `databases` need not be there; a token that is good for one
    // login is not good here, and one that is bound to an address only with that address.
    [[nodiscard]] boost::system::result<Identified> identify(
        std::string_view token, Time now, std::string_view client_address = {}) const;

    // After kUnknownKey: the issuer whose fresh keys may know this token's kid. Empty where asking
    // for them would not help: the issuer has no jwks.url.
    [[nodiscard]] std::optional<std::string> issuer_to_refresh(std::string_view token) const;

    // What was left out of JWK Sets, one sentence each with the issuer's name.
    [[nodiscard]] const std::vector<std::string>& warnings() const;

  private:
    struct State;
    std::unique_ptr<const State> state_;
};

}  // namespace vitrine::auth

template <>
struct boost::system::is_error_code_enum<vitrine::auth::TokenError> : std::true_type {};
