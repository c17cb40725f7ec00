#include "proxy/admin/operator_token.h"

#include <algorithm>

#include "auth/token.h"

namespace vitrine::admin {

namespace {

constexpr std::chrono::seconds kLifetime{60};

// The issuers that are vitrine itself, and an audience that tokens for logins never have: theirs is
// what this one begins with.
config::Auth own_issuers(const config::Auth& auth) {
    config::Auth own;
    own.audience = auth.audience + "#operator";
    own.max_token_lifetime = kLifetime;
    own.clock_skew = std::chrono::seconds(0);
    for (const config::Issuer& issuer : auth.issuers) {
        if (!issuer.signing_key.empty()) {
            config::Issuer& copy = own.issuers.emplace_back();
            copy.name = issuer.name;
            copy.signing_key = config::Secret(std::string(issuer.signing_key.reveal()));
        }
    }
    return own;
}

}  // namespace

boost::system::result<std::string> make_operator_token(const config::Auth& auth,
                                                       const std::string& user, auth::Time now) {
    const auth::TokenRequest request{
        .user = user, .databases = {"operator"}, .groups = {}, .reason = {}, .ttl = kLifetime};
    return auth::issue_token(own_issuers(auth), request, now);
}

std::optional<auth::Identity> verify_operator_token(const config::Auth& auth,
                                                    std::string_view token, auth::Time now) {
    const config::Auth own = own_issuers(auth);
    if (own.issuers.empty()) {
        return std::nullopt;
    }
    const auth::Verifier verifier(own);
    auto found = verifier.identify(token, now);
    if (!found) {
        return std::nullopt;
    }
    return std::move(found->who);
}

}  // namespace vitrine::admin
