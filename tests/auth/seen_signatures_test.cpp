#include "auth/seen_signatures.h"

#include <catch2/catch.hpp>
#include <string>

#include "auth/token.h"
#include "tests/auth/material.h"

namespace vitrine::auth {

TEST_CASE("a signature is seen with its own text alone, and not for ever") {
    SeenSignatures seen;
    const auto one = SeenSignatures::digest("text", "signature");
    REQUIRE(one);
    CHECK_FALSE(seen.contains(*one));
    seen.add(*one);
    CHECK(seen.contains(*one));
    for (const auto& [text, signature] : {std::pair("text", "Signature"),
                                          {"Text", "signature"},
                                          {"texts", "ignature"},
                                          {"tex", "tsignature"},
                                          {"", "textsignature"},
                                          {"textsignature", ""},
                                          {"", ""}}) {
        const auto other = SeenSignatures::digest(text, signature);
        REQUIRE(other);
        CHECK_FALSE(seen.contains(*other));
    }
    CHECK_FALSE(seen.contains({}));
    for (int i = 0; i < 256; ++i) {
        CHECK(seen.contains(*one));
        seen.add(*SeenSignatures::digest(std::to_string(i), ""));
    }
    CHECK_FALSE(seen.contains(*one));
    CHECK(seen.contains(*SeenSignatures::digest("0", "")));
}

TEST_CASE("a token that was good is looked at again in all but its signature") {
    const std::string key = test::ed25519_key();
    const auto auth = test::auth_with(key);
    const Time now{std::chrono::seconds(1'800'000'000)};
    TokenRequest request;
    request.user = "alice";
    request.databases = {"shop"};
    request.ttl = std::chrono::seconds(900);
    const std::string token = *issue_token(auth, request, now);
    const auto cause = [&](const Verifier& verifier, std::string_view text,
                           std::string_view user = "alice", Time at = {}) {
        const auto found =
            verifier.verify(text, user, "shop", "192.0.2.7", at == Time{} ? now : at);
        return found ? std::string() : found.error().message();
    };
    const Verifier verifier(auth);
    CHECK(cause(verifier, token).empty());
    CHECK(cause(verifier, token).empty());
    CHECK(cause(verifier, token, "bob") == cause(Verifier(auth), token, "bob"));
    CHECK_FALSE(cause(verifier, token, "bob").empty());
    const Time late = now + std::chrono::seconds(901);
    CHECK(cause(verifier, token, "alice", late) == cause(Verifier(auth), token, "alice", late));
    CHECK_FALSE(cause(verifier, token, "alice", late).empty());
    // The text of one token with the signature of another, both seen.
    request.user = "bob";
    const std::string other = *issue_token(auth, request, now);
    CHECK(cause(verifier, other, "bob").empty());
    const std::string mixed = other.substr(0, other.rfind('.')) + token.substr(token.rfind('.'));
    CHECK_FALSE(cause(verifier, mixed, "bob").empty());
    // What another key has signed, and what this one no longer vouches for.
    CHECK_FALSE(cause(Verifier(test::auth_with(test::ed25519_key())), token).empty());
}

}  // namespace vitrine::auth
