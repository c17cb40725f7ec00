// Tokens: minted and verified, and the table of those that must not be.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <set>

#include "auth/base64url.h"
#include "auth/json_object.h"
#include "auth/network.h"
#include "auth/revocation.h"
#include "auth/token.h"
#include "config/keys.h"
#include "config/limits.h"
#include "tests/auth/material.h"

using namespace vitrine::auth;
using namespace std::chrono_literals;

namespace {

const Time kNow{std::chrono::seconds(1800000000)};
constexpr const char* kHeader = R"({"alg":"EdDSA","typ":"JWT"})";

TokenRequest request_for_alice() {
    TokenRequest request;
    request.user = "alice";
    request.databases = {"shop", "stock"};
    request.groups = {"engineering"};
    request.reason = "ticket 17";
    return request;
}

// Claims that are good, with members replaced (a JSON text) or left out (an empty one).
std::string claims(const std::vector<std::pair<std::string, std::string>>& changes = {}) {
    std::vector<std::pair<std::string, std::string>> members = {
        {"iss", R"("vitrine")"},  {"sub", R"("alice")"},        {"aud", R"("vitrine")"},
        {"iat", "1800000000"},    {"nbf", "1800000000"},        {"exp", "1800000900"},
        {"jti", R"("0123abcd")"}, {"databases", R"(["shop"])"}, {"groups", R"(["fraud"])"}};
    for (const auto& change : changes) {
        const auto found = std::find_if(members.begin(), members.end(), [&](const auto& each) {
            return each.first == change.first;
        });
        if (found == members.end()) {
            members.push_back(change);
        } else {
            found->second = change.second;
        }
    }
    std::string text = "{";
    for (const auto& [name, value] : members) {
        if (!value.empty()) {
            text += (text.size() > 1 ? ",\"" : "\"") + name + "\":" + value;
        }
    }
    return text + "}";
}

// 0: the token was accepted.
int error_of(const Verifier& verifier, std::string_view token, std::string_view user = "alice",
             std::string_view database = "shop", Time now = kNow) {
    const auto principal = verifier.verify(token, user, database, "192.0.2.7", now);
    return principal.has_error() ? principal.error().value() : 0;
}

const std::string& key() {
    static const std::string pem = test::ed25519_key();
    return pem;
}

}  // namespace

TEST_CASE("a minted token is good for its user and databases until it ends") {
    const auto auth = test::auth_with(key());
    const Verifier verifier(auth);
    const auto token = issue_token(auth, request_for_alice(), kNow);
    REQUIRE(token.has_value());
    for (const auto* database : {"shop", "stock"}) {
        const auto principal = verifier.verify(*token, "alice", database, "", kNow);
        REQUIRE(principal.has_value());
        CHECK(principal->user == "alice");
        CHECK(principal->database == database);
        CHECK(principal->groups == std::vector<std::string>{"engineering"});
        CHECK(principal->token.size() == 22);
        CHECK(principal->issuer == "vitrine");
        CHECK(principal->grant.empty());
        CHECK(principal->reason == "ticket 17");
        CHECK(principal->expires == kNow + 900s);
    }
    CHECK(error_of(verifier, *token, "alice", "shop", kNow + 899s) == 0);
    CHECK(error_of(verifier, *token, "alice", "shop", kNow + 900s) ==
          static_cast<int>(TokenError::kExpired));
    CHECK(error_of(verifier, *token, "alice", "shop", kNow - 60s) == 0);
    CHECK(error_of(verifier, *token, "alice", "shop", kNow - 61s) ==
          static_cast<int>(TokenError::kNotYetValid));

    const std::size_t dot = token->find('.');
    CHECK(from_base64url(token->substr(0, dot)) ==
          R"({"alg":"EdDSA","typ":"JWT","kid":")" +
              public_half(vitrine::config::read_signing_key(key()).get()).kid + "\"}");
    const auto claims =
        parse_object(*from_base64url(token->substr(dot + 1, token->rfind('.') - dot - 1)));
    REQUIRE(claims);
    std::set<std::string> names;
    for (const auto& member : *claims) {
        names.emplace(member.key().data(), member.key().size());
    }
    CHECK(names == std::set<std::string>{"iss", "sub", "aud", "iat", "nbf", "exp", "jti",
                                         "databases", "groups", "reason"});
}

TEST_CASE("a minted token carries its grant, its address and that it is for one login") {
    const auto auth = test::auth_with(key());
    const Verifier verifier(auth);
    TokenRequest request = request_for_alice();
    request.grant = "g_0123";
    request.client_address = "192.0.2.0/24";
    request.single_use = true;
    const auto token = issue_token(auth, request, kNow);
    const auto principal = verifier.verify(*token, "alice", "shop", "192.0.2.9", kNow);
    REQUIRE(principal.has_value());
    CHECK(principal->grant == "g_0123");
    CHECK(principal->client_address == "192.0.2.0/24");
    CHECK(principal->single_use);
    CHECK(principal->issued == kNow);
    for (const char* elsewhere : {"192.0.3.9", "", "::1", "192.0.2.9.5", "192.0.2"}) {
        CHECK(verifier.verify(*token, "alice", "shop", elsewhere, kNow).error() ==
              TokenError::kOtherAddress);
    }
    CHECK(verifier.identify(*token, kNow, "192.0.2.9").error() == TokenError::kSingleUse);
    CHECK(verifier.identify(*token, kNow).error() == TokenError::kOtherAddress);
}

TEST_CASE("no two tokens share an id") {
    const auto auth = test::auth_with(key());
    const Verifier verifier(auth);
    std::set<std::string> ids;
    for (int i = 0; i < 100; ++i) {
        const auto token = issue_token(auth, request_for_alice(), kNow);
        ids.insert(verifier.verify(*token, "alice", "shop", "", kNow)->token);
    }
    CHECK(ids.size() == 100);
}

TEST_CASE("what verify() would refuse is not minted") {
    const auto auth = test::auth_with(key());
    const auto error = [&](auto change) {
        TokenRequest request = request_for_alice();
        change(request);
        const auto token = issue_token(auth, request, kNow);
        return token.has_error() ? token.error() : boost::system::error_code();
    };
    CHECK(error([](auto&) {}) == boost::system::error_code());
    CHECK(error([](auto& r) { r.ttl = 0s; }) == TokenError::kLifetime);
    CHECK(error([](auto& r) { r.ttl = -1s; }) == TokenError::kLifetime);
    CHECK(error([](auto& r) { r.ttl = 12h; }) == boost::system::error_code());
    CHECK(error([](auto& r) { r.ttl = 12h + 1s; }) == TokenError::kLifetime);
    CHECK(error([](auto& r) { r.ttl = std::chrono::seconds::max(); }) == TokenError::kLifetime);
    CHECK(error([](auto& r) { r.user = ""; }) == TokenError::kMalformed);
    CHECK(error([](auto& r) { r.user = "al\xff"; }) == TokenError::kMalformed);
    CHECK(error([](auto& r) { r.user = std::string("al\0ice", 6); }) == TokenError::kMalformed);
    CHECK(error([](auto& r) { r.databases = {}; }) == TokenError::kMalformed);
    CHECK(error([](auto& r) { r.databases = {""}; }) == TokenError::kMalformed);
    CHECK(error([](auto& r) { r.groups = {"a\nb"}; }) == TokenError::kMalformed);
    CHECK(error([](auto& r) {
              r.groups = {};
              r.reason = "";
          }) == boost::system::error_code());
    CHECK(error([](auto& r) { r.reason = "\x1b[2J"; }) == TokenError::kMalformed);
    CHECK(error([](auto& r) { r.grant = "\n"; }) == TokenError::kMalformed);
    CHECK(error([](auto& r) { r.client_address = "here"; }) == TokenError::kMalformed);
    CHECK(error([](auto& r) { r.reason = std::string(20000, 'x'); }) == TokenError::kTooLong);
    const auto error_with = [&](std::string_view pem) {
        return issue_token(test::auth_with(pem), request_for_alice(), kNow).error();
    };
    CHECK(error_with("") == TokenError::kUnknownIssuer);
    CHECK(error_with(test::ec_key()) == TokenError::kAlgorithm);
    CHECK(error_with("nonsense") == TokenError::kAlgorithm);
    CHECK(issue_token(vitrine::config::Auth{}, request_for_alice(), kNow).error() ==
          TokenError::kUnknownIssuer);
}

TEST_CASE("a verifier takes Ed25519 keys alone") {
    CHECK_THROWS_AS(Verifier(test::auth_with(test::ec_key())), std::invalid_argument);
    CHECK_THROWS_AS(Verifier(test::auth_with(test::public_pem(key()))), std::invalid_argument);
    auto twice = test::auth_with(key());
    twice.issuers.push_back(std::move(test::auth_with(test::ed25519_key()).issuers.front()));
    CHECK_THROWS_AS(Verifier(twice), std::invalid_argument);
}

TEST_CASE("each issuer vouches with its own key") {
    const std::string other_key = test::ed25519_key();
    auto auth = test::auth_with(key());
    vitrine::config::Issuer second;
    second.name = "second";
    second.signing_key = vitrine::config::Secret(std::string(other_key));
    auth.issuers.push_back(std::move(second));
    vitrine::config::Issuer keyless;
    keyless.name = "keyless";
    auth.issuers.push_back(std::move(keyless));
    const Verifier verifier(auth);
    const auto from = [&](const char* issuer, const std::string& pem) {
        return error_of(verifier, test::token(pem, kHeader, claims({{"iss", issuer}})));
    };
    CHECK(from(R"("vitrine")", key()) == 0);
    CHECK(from(R"("second")", other_key) == 0);
    CHECK(from(R"("second")", key()) == static_cast<int>(TokenError::kSignature));
    CHECK(from(R"("vitrine")", other_key) == static_cast<int>(TokenError::kSignature));
    CHECK(from(R"("keyless")", key()) == static_cast<int>(TokenError::kUnknownIssuer));
}

TEST_CASE("RFC 8037, appendix A") {
    // The key of A.1, as PKCS#8; the signature of A.4 over its text.
    const std::string seed = *from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    const std::string der =
        std::string("\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", 16) + seed;
    std::string base64 = base64url(der);
    std::replace(base64.begin(), base64.end(), '-', '+');
    std::replace(base64.begin(), base64.end(), '_', '/');
    const std::string pem =
        "-----BEGIN PRIVATE KEY-----\n" + base64 + "\n-----END PRIVATE KEY-----\n";
    const std::string text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    const std::string signature =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    CHECK(base64url(test::sign_eddsa(pem, text)) == signature);

    // The text signed there is no JSON, so that token as a whole is malformed; the same key over
    // claims of ours is good, and what it signs is what another implementation gives.
    const Verifier verifier(test::auth_with(pem));
    CHECK(error_of(verifier, text + "." + signature) == static_cast<int>(TokenError::kMalformed));
    const auto token = issue_token(test::auth_with(pem), request_for_alice(), kNow);
    CHECK(error_of(verifier, *token) == 0);
    const std::string signed_text = token->substr(0, token->rfind('.'));
    CHECK(token->substr(token->rfind('.') + 1) == base64url(test::sign_eddsa(pem, signed_text)));
}

TEST_CASE("good tokens in every form that is allowed") {
    const Verifier verifier(test::auth_with(key()));
    const std::vector<std::pair<std::string, std::string>> rows = {
        {kHeader, claims()},
        {R"({"alg":"EdDSA"})", claims()},
        {R"({"alg":"EdDSA","typ":"jwt","unknown":[1]})", claims()},
        {R"({"alg":"EdD\u0053A"})", claims()},
        {R"({"alg":"EdDSA","x5t":"AA","x5t#S256":"AA"})", claims()},
        {R"({"alg":"EdDSA","kid":")" +
             public_half(vitrine::config::read_signing_key(key()).get()).kid + "\"}",
         claims()},
        {kHeader, claims({{"groups", R"("fraud")"}})},
        {kHeader, claims({{"client_address", R"("192.0.2.7")"}})},
        {kHeader, claims({{"client_address", R"("192.0.2.0/29")"}, {"single_use", "false"}})},
        {kHeader, claims({{"email", R"("x@example.com")"}, {"email_verified", "false"}})},
        {kHeader, claims({{"aud", R"(["other","vitrine"])"}})},
        {kHeader, claims({{"nbf", ""}, {"groups", ""}})},
        {kHeader, claims({{"groups", "[]"}, {"grant", R"("g1")"}, {"email", R"({"a":{"b":[]}})"}})},
        {kHeader, claims({{"iat", "1800000060"}, {"nbf", "1800000060"}})},
        {kHeader, claims({{"iat", "1800000000"}, {"exp", "1800043200"}})},
        {kHeader, " \n" + claims() + "\t"},
        {kHeader, claims({{"sub", R"("\u0061lice")"}})},
    };
    for (const auto& [header, body] : rows) {
        INFO(header << " " << body);
        CHECK(error_of(verifier, test::token(key(), header, body)) == 0);
    }
    CHECK(verifier
              .verify(test::token(key(), kHeader, claims({{"grant", R"("g1")"}})), "alice", "shop",
                      "", kNow)
              ->grant == "g1");
}

TEST_CASE("bad tokens, each with its cause") {
    const Verifier verifier(test::auth_with(key()));
    struct Row {
        std::string what;
        std::string token;
        TokenError error;
    };
    std::vector<Row> rows;
    const auto add = [&](std::string what, std::string token, TokenError error) {
        rows.push_back({std::move(what), std::move(token), error});
    };
    const auto header = [&](const std::string& text, TokenError error) {
        add("header " + text, test::token(key(), text, claims()), error);
    };
    const auto body = [&](const std::string& text, TokenError error) {
        add("claims " + text.substr(0, 300), test::token(key(), kHeader, text), error);
    };
    const auto claim = [&](const std::string& name, const std::string& value, TokenError error) {
        add(name + " = " + value.substr(0, 100),
            test::token(key(), kHeader, claims({{name, value}})), error);
    };
    const std::string good = test::token(key(), kHeader, claims());
    const std::string good_text = good.substr(0, good.rfind('.'));
    const std::string good_signature = good.substr(good.rfind('.') + 1);
    const std::string good_header = good.substr(0, good.find('.'));
    const std::string good_claims = base64url(claims());

    // Algorithms.
    for (const char* alg : {"none", "None", "NONE", "nOnE", "noNe"}) {
        const std::string text =
            base64url(std::string(R"({"alg":")") + alg + R"("})") + "." + good_claims;
        add(std::string("alg ") + alg, text + ".", TokenError::kAlgorithm);
        add(std::string("signed alg ") + alg, text + "." + good_signature, TokenError::kAlgorithm);
    }
    for (const char* alg : {"HS256", "HS384", "HS512", "ES256", "RS256", "PS256", "ES256K", "eddsa",
                            "EDDSA", "EdDSA ", "Ed25519", "EdDSA\\u0000", ""}) {
        header(std::string(R"({"alg":")") + alg + R"("})", TokenError::kAlgorithm);
    }
    const std::string hs = base64url(R"({"alg":"HS256","typ":"JWT"})") + "." + good_claims;
    const std::string public_key = test::public_pem(key());
    add("HMAC with the public key", hs + "." + base64url(test::sign_hs256(public_key, hs)),
        TokenError::kAlgorithm);
    const std::string es = base64url(R"({"alg":"ES256"})") + "." + good_claims;
    add("ES256", es + "." + base64url(test::sign_es256(test::ec_key(), es)),
        TokenError::kAlgorithm);
    const std::string rs = base64url(R"({"alg":"RS256"})") + "." + good_claims;
    add("RS256", rs + "." + base64url(test::sign_rs256(test::rsa_key(), rs)),
        TokenError::kAlgorithm);
    add("EdDSA in the header, HMAC in truth",
        good_text + "." + base64url(test::sign_hs256(public_key, good_text)),
        TokenError::kSignature);
    add("EdDSA in the header, ES256 in truth",
        good_text + "." + base64url(test::sign_es256(test::ec_key(), good_text)),
        TokenError::kSignature);
    header("{}", TokenError::kAlgorithm);
    for (const char* alg : {"null", "5", "true", R"(["EdDSA"])", R"({"EdDSA":1})"}) {
        header(std::string(R"({"alg":)") + alg + "}", TokenError::kAlgorithm);
    }

    // Headers.
    header(R"({"alg":"EdDSA","crit":["exp"]})", TokenError::kCritical);
    header(R"({"alg":"EdDSA","crit":[]})", TokenError::kCritical);
    header(R"({"alg":"EdDSA","crit":null})", TokenError::kCritical);
    header(R"({"alg":"EdDSA","b64":false,"crit":["b64"]})", TokenError::kCritical);
    header(R"({"alg":"EdDSA","b64":true})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"AA"}})",
           TokenError::kMalformed);
    header(R"({"alg":"EdDSA","jku":"https://evil.example.com"})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","x5u":"https://evil.example.com"})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","x5c":["AA"]})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","typ":"at+jwt"})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","typ":"JWT\u0000"})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","typ":null})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","kid":5})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","kid":""})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","kid":"x"})", TokenError::kUnknownKey);
    header(R"({"alg":"EdDSA","kid":"../signing.pem"})", TokenError::kUnknownKey);
    header(R"({"alg":"EdDSA","kid":")" + std::string(300, 'x') + "\"}", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","cty":"JWT"})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","zip":"DEF"})", TokenError::kMalformed);
    header(R"({"alg":"none","alg":"EdDSA"})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","alg":"EdDSA"})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA","\u0061lg":"EdDSA"})", TokenError::kMalformed);
    header("", TokenError::kMalformed);
    header("null", TokenError::kMalformed);
    header(R"(["EdDSA"])", TokenError::kMalformed);
    header(R"("EdDSA")", TokenError::kMalformed);
    header(R"({"alg":"EdDSA")", TokenError::kMalformed);
    header(R"({"alg":"EdDSA"} x)", TokenError::kMalformed);
    header(R"({"alg":"EdDSA"}{})", TokenError::kMalformed);
    header(R"({"alg":"EdDSA",})", TokenError::kMalformed);
    header(R"({alg:"EdDSA"})", TokenError::kMalformed);
    header(R"(/**/{"alg":"EdDSA"})", TokenError::kMalformed);
    header("\xef\xbb\xbf{\"alg\":\"EdDSA\"}", TokenError::kMalformed);

    // Keys and signatures.
    add("another key", test::token(test::ed25519_key(), kHeader, claims()), TokenError::kSignature);
    add("no signature", good_text + ".", TokenError::kSignature);
    add("half a signature", good_text + "." + base64url(std::string(32, 'x')),
        TokenError::kSignature);
    add("a signature of zeros", good_text + "." + base64url(std::string(64, '\0')),
        TokenError::kSignature);
    add("a signature twice",
        good_text + "." +
            base64url(*from_base64url(good_signature) + *from_base64url(good_signature)),
        TokenError::kSignature);
    {
        // S + L is the same scalar (RFC 8032 section 5.1.7): a second spelling of one signature.
        std::string raw = *from_base64url(good_signature);
        const std::array<unsigned char, 32> order = {
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
            0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
            0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
        unsigned carry = 0;
        for (std::size_t i = 0; i < order.size(); ++i) {
            carry += static_cast<unsigned char>(raw[32 + i]) + unsigned{order[i]};
            raw[32 + i] = static_cast<char>(carry & 0xffU);
            carry >>= 8U;
        }
        add("S + L", good_text + "." + base64url(raw), TokenError::kSignature);
    }
    add("another's claims under this signature",
        good_header + "." + base64url(claims({{"sub", R"("bob")"}})) + "." + good_signature,
        TokenError::kSignature);

    // Forms.
    add("nothing", "", TokenError::kMalformed);
    add("a password", "s3cret", TokenError::kMalformed);
    add("dots", "..", TokenError::kMalformed);
    add("one dot", good_header + "." + good_claims, TokenError::kMalformed);
    add("three dots", good + ".", TokenError::kMalformed);
    add("five parts (JWE)", good + ".AA.AA", TokenError::kMalformed);
    add("a blank before", " " + good, TokenError::kMalformed);
    add("a blank behind", good + " ", TokenError::kMalformed);
    add("a newline behind", good + "\n", TokenError::kMalformed);
    add("a NUL behind", good + std::string(1, '\0'), TokenError::kMalformed);
    add("Bearer", "Bearer " + good, TokenError::kMalformed);
    add("garbage behind", good + "AAAA", TokenError::kSignature);
    add("padding", good + "==", TokenError::kMalformed);
    add("padding of the header", good_header + "=." + good_claims + "." + good_signature,
        TokenError::kMalformed);
    add("a newline within", good.substr(0, 20) + "\n" + good.substr(20), TokenError::kMalformed);
    {
        // 64 bytes leave 4 bits of the last character unused.
        std::string spelt = good;
        spelt.back() = static_cast<char>(spelt.back() + 1);
        add("bits set beyond the signature", spelt, TokenError::kMalformed);
    }
    add("base64 and not base64url", good_text + "." + std::string(85, '+') + "A",
        TokenError::kMalformed);
    add("a byte above 127", good_text + "." + std::string(85, '\xc3') + "A",
        TokenError::kMalformed);
    add("a megabyte", std::string(1000000, 'A'), TokenError::kTooLong);
    add("a megabyte of dots", std::string(1000000, '.'), TokenError::kTooLong);
    add("a megabyte of good claims",
        test::token(key(), kHeader, claims({{"reason", "\"" + std::string(1000000, 'x') + "\""}})),
        TokenError::kTooLong);

    // JSON of the claims.
    body("", TokenError::kMalformed);
    body("null", TokenError::kMalformed);
    body("17", TokenError::kMalformed);
    body("[" + claims() + "]", TokenError::kMalformed);
    body(claims() + "x", TokenError::kMalformed);
    body(claims() + claims(), TokenError::kMalformed);
    body(claims() + std::string(1, '\0'), TokenError::kMalformed);
    body("{\"sub\":\"bob\"," + claims().substr(1), TokenError::kMalformed);
    body("{\"exp\":9999999999," + claims().substr(1), TokenError::kMalformed);
    body("{\"s\\u0075b\":\"bob\"," + claims().substr(1), TokenError::kMalformed);
    body("{\"x\":{\"a\":1,\"a\":2}," + claims().substr(1), TokenError::kMalformed);
    body("{\"x\":[{\"a\":1,\"a\":2}]," + claims().substr(1), TokenError::kMalformed);
    body("{\"x\":" + std::string(100, '[') + std::string(100, ']') + "," + claims().substr(1),
         TokenError::kMalformed);
    body("{\"x\":" + std::string(6000, '[') + "," + claims().substr(1), TokenError::kMalformed);
    body("{\"x\":\"\xff\"," + claims().substr(1), TokenError::kMalformed);
    body("{\"x\":\"\xc0\xaf\"," + claims().substr(1), TokenError::kMalformed);
    body("{\"x\":\"\\ud800\"," + claims().substr(1), TokenError::kMalformed);
    body("{\"x\":NaN," + claims().substr(1), TokenError::kMalformed);
    body("{\"x\":01," + claims().substr(1), TokenError::kMalformed);
    body("{}", TokenError::kUnknownIssuer);

    // Claims.
    claim("iss", "", TokenError::kUnknownIssuer);
    claim("iss", R"("https://evil.example.com")", TokenError::kUnknownIssuer);
    claim("iss", R"("Vitrine")", TokenError::kUnknownIssuer);
    claim("iss", R"("vitrine\u0000")", TokenError::kUnknownIssuer);
    claim("iss", R"("")", TokenError::kUnknownIssuer);
    claim("iss", R"(["vitrine"])", TokenError::kMalformed);
    claim("iss", "null", TokenError::kMalformed);
    claim("aud", "", TokenError::kAudience);
    claim("aud", R"("other")", TokenError::kAudience);
    claim("aud", R"("VITRINE")", TokenError::kAudience);
    claim("aud", R"("vitrine ")", TokenError::kAudience);
    claim("aud", R"([])", TokenError::kAudience);
    claim("aud", R"(["other","vitrine2"])", TokenError::kAudience);
    claim("aud", R"([["vitrine"]])", TokenError::kMalformed);
    claim("aud", R"(["vitrine",5])", TokenError::kMalformed);
    claim("aud", R"({"vitrine":1})", TokenError::kMalformed);
    claim("aud", "null", TokenError::kMalformed);
    claim("exp", "1800000000", TokenError::kExpired);
    claim("exp", "1799999999", TokenError::kExpired);
    claim("exp", "0", TokenError::kExpired);
    claim("exp", "", TokenError::kMissingClaim);
    for (const char* time :
         {"-1", "1e300", "1.8000009e9", "1800000900.0", "1800000900.5", R"("1800000900")", "null",
          "true", "[1800000900]", "{}", "9223372036854775807", "9223372036854775808",
          "18446744073709551615", "18446744073709551616", "-9223372036854775808",
          "-9223372036854775809", "253402300800"}) {
        claim("exp", time, TokenError::kMalformed);
        claim("iat", time, TokenError::kMalformed);
        claim("nbf", time, TokenError::kMalformed);
    }
    claim("exp", "253402300799", TokenError::kLifetime);
    claim("exp", "1800043201", TokenError::kLifetime);
    claim("iat", "1799957699", TokenError::kLifetime);
    claim("iat", "0", TokenError::kLifetime);
    claim("iat", "", TokenError::kMissingClaim);
    claim("iat", "1800000061", TokenError::kNotYetValid);
    claim("nbf", "1800000061", TokenError::kNotYetValid);
    claim("nbf", "253402300799", TokenError::kNotYetValid);
    add("ends before it begins",
        test::token(key(), kHeader, claims({{"iat", "1800000030"}, {"exp", "1800000020"}})),
        TokenError::kLifetime);
    claim("jti", "", TokenError::kMissingClaim);
    claim("jti", R"("")", TokenError::kMalformed);
    claim("jti", "5", TokenError::kMalformed);
    claim("jti", R"("a\nb")", TokenError::kMalformed);
    claim("sub", "", TokenError::kMissingClaim);
    claim("sub", R"("")", TokenError::kMalformed);
    claim("sub", "5", TokenError::kMalformed);
    claim("sub", R"(["alice"])", TokenError::kMalformed);
    claim("sub", R"("alice\u0000")", TokenError::kMalformed);
    claim("sub", R"("alice\u0000bob")", TokenError::kMalformed);
    claim("sub", R"("alice\n")", TokenError::kMalformed);
    claim("sub", R"("bob")", TokenError::kOtherUser);
    claim("sub", R"("Alice")", TokenError::kOtherUser);
    claim("sub", R"("alice ")", TokenError::kOtherUser);
    claim("sub", R"("alic\u0435")", TokenError::kOtherUser);
    claim("sub", R"("*")", TokenError::kOtherUser);
    claim("databases", "", TokenError::kMissingClaim);
    claim("databases", R"("shop")", TokenError::kMalformed);
    claim("databases", "null", TokenError::kMalformed);
    claim("databases", R"(["shop",null])", TokenError::kMalformed);
    claim("databases", R"(["shop",""])", TokenError::kMalformed);
    claim("databases", R"({"shop":true})", TokenError::kMalformed);
    claim("databases", "[]", TokenError::kOtherDatabase);
    claim("databases", R"(["*"])", TokenError::kOtherDatabase);
    claim("databases", R"(["Shop","shop2","sho"])", TokenError::kOtherDatabase);
    claim("groups", R"("")", TokenError::kMalformed);
    claim("groups", R"({"fraud":true})", TokenError::kMalformed);
    claim("groups", "null", TokenError::kMalformed);
    claim("groups", R"([["fraud"]])", TokenError::kMalformed);
    claim("groups", R"(["fraud\u0000"])", TokenError::kMalformed);
    claim("reason", "5", TokenError::kMalformed);
    claim("reason", R"("\u001b[2J")", TokenError::kMalformed);
    claim("grant", "[]", TokenError::kMalformed);
    for (const char* value :
         {R"("192.0.2.8")", R"("192.0.2.0/30")", R"("::1")", R"("0.0.0.0")", R"("::192.0.2.7")"}) {
        claim("client_address", value, TokenError::kOtherAddress);
    }
    for (const char* value :
         {R"("")", R"("somewhere")", R"("192.0.2.7/24")", R"("192.0.2.7/33")", R"("192.0.2.7/")",
          R"("192.0.2.7/032")", R"("192.0.2.7/-1")", R"("192.0.2.7 ")", R"("192.0.2.7\u0000")",
          R"("192.0.2")", R"("*")", R"(["192.0.2.7"])", "null", "3221225991"}) {
        claim("client_address", value, TokenError::kMalformed);
    }
    for (const char* value : {R"("true")", "1", "null", "[]"}) {
        claim("single_use", value, TokenError::kMalformed);
    }

    // What comes first is said first, and nothing is said of claims without a signature.
    add("expired, under another key",
        test::token(test::ed25519_key(), kHeader, claims({{"exp", "1"}})), TokenError::kSignature);

    CHECK(rows.size() >= 150);
    for (const Row& row : rows) {
        INFO(row.what);
        CHECK(error_of(verifier, row.token) == static_cast<int>(row.error));
    }
}

TEST_CASE("the user and the database of the start-up message are compared exactly") {
    const Verifier verifier(test::auth_with(key()));
    const std::string token = test::token(key(), kHeader, claims());
    CHECK(error_of(verifier, token) == 0);
    for (const std::string_view user :
         {std::string_view(""), std::string_view("alice\0", 6), std::string_view("alice\0bob", 9),
          std::string_view("ALICE"), std::string_view("alice "), std::string_view("al\xff")}) {
        CHECK(error_of(verifier, token, user) == static_cast<int>(TokenError::kOtherUser));
    }
    for (const std::string_view database :
         {std::string_view(""), std::string_view("shop\0", 5), std::string_view("SHOP"),
          std::string_view("shop/"), std::string_view("*")}) {
        CHECK(error_of(verifier, token, "alice", database) ==
              static_cast<int>(TokenError::kOtherDatabase));
    }
}

TEST_CASE("a good token cut at any byte is refused") {
    const auto auth = test::auth_with(key());
    const Verifier verifier(auth);
    const auto token = issue_token(auth, request_for_alice(), kNow);
    for (std::size_t size = 0; size < token->size(); ++size) {
        INFO(size);
        REQUIRE(error_of(verifier, token->substr(0, size)) != 0);
        REQUIRE(error_of(verifier, token->substr(token->size() - size)) != 0);
    }
}

TEST_CASE("a good token with one bit turned is refused") {
    const auto auth = test::auth_with(key());
    const Verifier verifier(auth);
    std::string token = *issue_token(auth, request_for_alice(), kNow);
    REQUIRE(error_of(verifier, token) == 0);
    for (char& c : token) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            const char before = c;
            c = static_cast<char>(static_cast<unsigned char>(c) ^ (1U << bit));
            INFO(&c - token.data() << " bit " << bit);
            REQUIRE(error_of(verifier, token) != 0);
            c = before;
        }
    }
    CHECK(error_of(verifier, token) == 0);
}

TEST_CASE("an unknown issuer costs what a wrong signature costs") {
    const Verifier verifier(test::auth_with(key()));
    const std::string stranger = test::ed25519_key();
    const std::string unknown = test::token(stranger, kHeader, claims({{"iss", R"("another")"}}));
    const std::string wrong = test::token(stranger, kHeader, claims());
    const auto fastest = [&](const std::string& token) {
        auto best = std::chrono::nanoseconds::max();
        for (int i = 0; i < 200; ++i) {
            const auto start = std::chrono::steady_clock::now();
            (void)error_of(verifier, token);
            best =
                std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
        }
        return static_cast<double>(best.count());
    };
    const double ratio = fastest(unknown) / fastest(wrong);
    CHECK(ratio > 0.5);
    CHECK(ratio < 2.0);
}

TEST_CASE("causes have names, and two of them are about rights") {
    std::set<std::string_view> names;
    for (int i = 1; i <= static_cast<int>(TokenError::kOtherDatabase); ++i) {
        const auto error = static_cast<TokenError>(i);
        names.insert(cause(error));
        CHECK(make_error_code(error).message() == cause(error));
        CHECK(make_error_code(error).failed());
        CHECK(is_authorization_error(error) ==
              (error == TokenError::kOtherUser || error == TokenError::kOtherDatabase));
    }
    CHECK(names.size() == 17);
    CHECK_FALSE(names.contains("unknown"));
}

// --- several issuers and algorithms ---

namespace {

// Three issuers with a key each of one algorithm, and one ("mixed") with all of them.
struct Providers {
    std::string ed = test::ed25519_key();
    std::string ec = test::ec_key();
    std::string rsa = test::rsa_key();
    vitrine::config::Auth auth = [this] {
        auto made = test::auth_with(key());
        made.issuers.push_back(test::jwks_issuer("ed", test::jwks({{"ed-1", ed}})));
        made.issuers.push_back(test::jwks_issuer("ec", test::jwks({{"ec-1", ec}})));
        made.issuers.push_back(test::jwks_issuer("rsa", test::jwks({{"rsa-1", rsa}})));
        made.issuers.push_back(
            test::jwks_issuer("mixed", test::jwks({{"ed-1", ed}, {"ec-1", ec}, {"rsa-1", rsa}})));
        return made;
    }();
    Verifier verifier{auth};
};

const Providers& providers() {
    static const Providers made;
    return made;
}

using Sign = std::string (*)(std::string_view, std::string_view);

std::string provider_token(Sign sign, const std::string& pem, const std::string& issuer,
                           const std::string& alg, const std::string& kid,
                           std::vector<std::pair<std::string, std::string>> changes = {}) {
    changes.emplace_back("iss", "\"" + issuer + "\"");
    const std::string header =
        R"({"alg":")" + alg + "\"" + (kid.empty() ? "" : R"(,"kid":")" + kid + "\"") + "}";
    return test::token(sign, pem, header, claims(changes));
}

}  // namespace

TEST_CASE("each algorithm is good under the key that it belongs to") {
    const Providers& p = providers();
    const Verifier& v = p.verifier;
    CHECK(error_of(v, provider_token(test::sign_eddsa, p.ed, "ed", "EdDSA", "ed-1")) == 0);
    CHECK(error_of(v, provider_token(test::sign_eddsa, p.ed, "ed", "EdDSA", "")) == 0);
    CHECK(error_of(v, provider_token(test::sign_es256, p.ec, "ec", "ES256", "ec-1")) == 0);
    CHECK(error_of(v, provider_token(test::sign_es256, p.ec, "ec", "ES256", "")) == 0);
    CHECK(error_of(v, provider_token(test::sign_rs256, p.rsa, "rsa", "RS256", "rsa-1")) == 0);
    CHECK(error_of(v, provider_token(test::sign_rs256, p.rsa, "rsa", "RS256", "")) == 0);
    CHECK(error_of(v, provider_token(test::sign_eddsa, p.ed, "mixed", "EdDSA", "ed-1")) == 0);
    CHECK(error_of(v, provider_token(test::sign_es256, p.ec, "mixed", "ES256", "ec-1")) == 0);
    CHECK(error_of(v, provider_token(test::sign_rs256, p.rsa, "mixed", "RS256", "rsa-1")) == 0);
}

TEST_CASE("bad tokens of several issuers and algorithms") {
    const Providers& p = providers();
    struct Row {
        std::string what;
        std::string token;
        TokenError error;
    };
    std::vector<Row> rows;
    const auto add = [&](std::string what, std::string token, TokenError error) {
        rows.push_back({std::move(what), std::move(token), error});
    };
    struct Kind {
        std::string issuer;
        std::string alg;
        Sign sign;
        const std::string& pem;
    };
    const std::array<Kind, 3> kinds = {{{"ed", "EdDSA", test::sign_eddsa, p.ed},
                                        {"ec", "ES256", test::sign_es256, p.ec},
                                        {"rsa", "RS256", test::sign_rs256, p.rsa}}};
    for (const Kind& key_kind : kinds) {
        const std::string kid = key_kind.issuer + "-1";
        for (const Kind& other : kinds) {
            if (&other == &key_kind) {
                continue;
            }
            const std::string way = other.alg + " at " + key_kind.alg + "'s key";
            add(way, provider_token(other.sign, other.pem, key_kind.issuer, other.alg, kid),
                TokenError::kAlgorithm);
            add(way + ", without a kid",
                provider_token(other.sign, other.pem, key_kind.issuer, other.alg, ""),
                TokenError::kAlgorithm);
            add(way + ", an issuer with both",
                provider_token(other.sign, other.pem, "mixed", other.alg, kid),
                TokenError::kAlgorithm);
            add(way + ", in truth only",
                provider_token(other.sign, other.pem, key_kind.issuer, key_kind.alg, kid),
                TokenError::kSignature);
            add(way + ", in name only",
                provider_token(key_kind.sign, key_kind.pem, key_kind.issuer, other.alg, kid),
                TokenError::kAlgorithm);
            add(way + ", other issuer's kid",
                provider_token(other.sign, other.pem, key_kind.issuer, other.alg,
                               other.issuer + "-1"),
                TokenError::kUnknownKey);
        }
        // HMAC with what is public of the key, in every form that a verifier could take for one.
        const std::string text = base64url(R"({"alg":"HS256","kid":")" + kid + "\"}") + "." +
                                 base64url(claims({{"iss", "\"" + key_kind.issuer + "\""}}));
        const std::string same_alg =
            base64url(R"({"alg":")" + key_kind.alg + R"(","kid":")" + kid + "\"}") +
            text.substr(text.find('.'));
        const std::array<std::pair<std::string, std::string>, 3> forms = {
            {{"PEM", test::public_pem(key_kind.pem)},
             {"DER", test::public_der(key_kind.pem)},
             {"JWK", "{" + test::jwk_members(key_kind.pem) + "}"}}};
        for (const auto& [form, secret] : forms) {
            add("HMAC with " + key_kind.alg + "'s public key, " + form,
                text + "." + base64url(test::sign_hs256(secret, text)), TokenError::kAlgorithm);
            add("HMAC as " + key_kind.alg + " with its public key, " + form,
                same_alg + "." + base64url(test::sign_hs256(secret, same_alg)),
                TokenError::kSignature);
        }
        for (const char* none : {"none", "None", "NONE", "nOnE"}) {
            const std::string unsigned_text =
                base64url(std::string(R"({"alg":")") + none + R"(","kid":")" + kid + "\"}") +
                text.substr(text.find('.'));
            add(std::string(none) + " at " + key_kind.alg, unsigned_text + ".",
                TokenError::kAlgorithm);
        }
        const std::string good =
            provider_token(key_kind.sign, key_kind.pem, key_kind.issuer, key_kind.alg, kid);
        REQUIRE(error_of(p.verifier, good) == 0);
        const std::string signed_text = good.substr(0, good.rfind('.'));
        const std::string raw = *from_base64url(good.substr(good.rfind('.') + 1));
        for (const std::size_t size :
             {std::size_t{0}, std::size_t{1}, raw.size() / 2, raw.size() - 1}) {
            add(key_kind.alg + " cut to " + std::to_string(size),
                signed_text + "." + base64url(raw.substr(0, size)), TokenError::kSignature);
            add(key_kind.alg + " with its end alone, " + std::to_string(size),
                signed_text + "." + base64url(raw.substr(raw.size() - size)),
                TokenError::kSignature);
        }
        add(key_kind.alg + " with a byte more", signed_text + "." + base64url(raw + '\0'),
            TokenError::kSignature);
        add(key_kind.alg + " with a byte before", signed_text + "." + base64url('\0' + raw),
            TokenError::kSignature);
        add(key_kind.alg + " of zeros",
            signed_text + "." + base64url(std::string(raw.size(), '\0')), TokenError::kSignature);
        add(key_kind.alg + " of ones",
            signed_text + "." + base64url(std::string(raw.size(), '\xff')), TokenError::kSignature);
        add(key_kind.alg + ", signed by another's key of the kind",
            provider_token(key_kind.sign,
                           key_kind.issuer == "ed"   ? test::ed25519_key()
                           : key_kind.issuer == "ec" ? test::ec_key()
                                                     : test::rsa_key(),
                           key_kind.issuer, key_kind.alg, kid),
            TokenError::kSignature);
        add(key_kind.alg + ", of ours",
            provider_token(key_kind.sign, key_kind.pem, "vitrine", key_kind.alg, ""),
            key_kind.alg == "EdDSA" ? TokenError::kSignature : TokenError::kAlgorithm);
        add(key_kind.alg + ", key in the header",
            test::token(key_kind.sign, key_kind.pem,
                        R"({"alg":")" + key_kind.alg + R"(","jwk":{)" +
                            test::jwk_members(key_kind.pem) + "}}",
                        claims({{"iss", "\"" + key_kind.issuer + "\""}})),
            TokenError::kMalformed);
        add(key_kind.alg + ", no kid at an issuer with several keys",
            provider_token(key_kind.sign, key_kind.pem, "mixed", key_kind.alg, ""),
            TokenError::kUnknownKey);
        add(key_kind.alg + ", a kid nearly right",
            provider_token(key_kind.sign, key_kind.pem, key_kind.issuer, key_kind.alg, kid + " "),
            TokenError::kUnknownKey);
    }

    // ES256: what OpenSSL would take, and the numbers at the border.
    add("ES256 in DER", provider_token(test::sign_es256_der, p.ec, "ec", "ES256", "ec-1"),
        TokenError::kSignature);
    const std::string es = provider_token(test::sign_es256, p.ec, "ec", "ES256", "ec-1");
    const std::string es_text = es.substr(0, es.rfind('.'));
    const std::string es_raw = *from_base64url(es.substr(es.rfind('.') + 1));
    const std::string zero(32, '\0');
    const std::string n(
        "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"
        "\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51",
        32);
    const std::string n_less_one = n.substr(0, 31) + "\x50";
    const std::string r = es_raw.substr(0, 32);
    const std::string s = es_raw.substr(32);
    for (const auto& [what, signature] : std::vector<std::pair<std::string, std::string>>{
             {"r = 0", zero + s},
             {"s = 0", r + zero},
             {"r = s = 0 (CVE-2022-21449)", zero + zero},
             {"r = n", n + s},
             {"s = n", r + n},
             {"r = s = n", n + n},
             {"r = n - 1", n_less_one + s},
             {"r and s in turn", s + r}}) {
        add("ES256 with " + what, es_text + "." + base64url(signature), TokenError::kSignature);
    }

    // RS256: another hash, another padding.
    add("RS512 as RS256", provider_token(test::sign_rs512, p.rsa, "rsa", "RS256", "rsa-1"),
        TokenError::kSignature);
    add("PS256 as RS256", provider_token(test::sign_ps256, p.rsa, "rsa", "RS256", "rsa-1"),
        TokenError::kSignature);
    for (const char* alg : {"RS512", "PS256", "ES384", "ES512", "ES256K", "RSA1_5", "rs256"}) {
        add(std::string(alg) + " in the header",
            provider_token(test::sign_rs256, p.rsa, "rsa", alg, "rsa-1"), TokenError::kAlgorithm);
    }

    // Another address, and one nobody can say.
    add("bound to another address",
        provider_token(test::sign_es256, p.ec, "ec", "ES256", "ec-1",
                       {{"client_address", R"("198.51.100.7")"}}),
        TokenError::kOtherAddress);
    add("uti of the wrong type",
        provider_token(test::sign_es256, p.ec, "ec", "ES256", "ec-1", {{"jti", ""}, {"uti", "5"}}),
        TokenError::kMalformed);
    add("jti of the wrong type beside a good uti",
        provider_token(test::sign_es256, p.ec, "ec", "ES256", "ec-1",
                       {{"jti", "null"}, {"uti", R"("u")"}}),
        TokenError::kMalformed);

    CHECK(rows.size() >= 100);
    for (const Row& row : rows) {
        INFO(row.what);
        CHECK(error_of(p.verifier, row.token) == static_cast<int>(row.error));
        // The client is told the same of each.
        CHECK_FALSE(is_authorization_error(row.error));
    }
}

TEST_CASE("each issuer has its own audience and its own clock") {
    const std::string ec = test::ec_key();
    auto auth = test::auth_with(key());
    auth.clock_skew = 10s;
    auth.issuers.push_back(test::jwks_issuer("ec", test::jwks({{"1", ec}})));
    auth.issuers.back().audience = "client-id";
    const Verifier verifier(auth);
    const auto with = [&](std::vector<std::pair<std::string, std::string>> changes) {
        changes.insert(changes.begin(), {"aud", R"("client-id")"});
        return provider_token(test::sign_es256, ec, "ec", "ES256", "1", std::move(changes));
    };
    CHECK(error_of(verifier, with({})) == 0);
    CHECK(error_of(verifier, with({{"aud", R"("vitrine")"}})) ==
          static_cast<int>(TokenError::kAudience));
    const std::string ours = test::token(key(), kHeader, claims({{"aud", R"("client-id")"}}));
    CHECK(error_of(verifier, ours) == static_cast<int>(TokenError::kAudience));

    CHECK(error_of(verifier, with({}), "alice", "shop", kNow - 10s) == 0);
    CHECK(error_of(verifier, with({}), "alice", "shop", kNow - 11s) ==
          static_cast<int>(TokenError::kNotYetValid));
    CHECK(error_of(verifier, with({}), "alice", "shop", kNow + 899s) == 0);
    CHECK(error_of(verifier, with({}), "alice", "shop", kNow + 900s) ==
          static_cast<int>(TokenError::kExpired));
    // Their clock may be behind.
    CHECK(verifier.verify(with({}), "alice", "shop", "", kNow)->issued == kNow - 10s);
    // So may that of another machine with vitrine's own key. But for a grant's token: the grant is
    // revoked with its user, by its id.
    const auto issued = [&](std::vector<std::pair<std::string, std::string>> changes) {
        return verifier
            .verify(test::token(key(), kHeader, claims(std::move(changes))), "alice", "shop", "",
                    kNow)
            ->issued;
    };
    CHECK(issued({}) == kNow - 10s);
    CHECK(issued({{"grant", R"("g_1")"}}) == kNow);
}

TEST_CASE("a token of a clock that is ahead does not outlive a revocation") {
    auto auth = test::auth_with(key());
    auth.clock_skew = 60s;
    const Verifier verifier(auth);
    // Minted by a clock that is a minute ahead; the user is revoked a moment later, and tries again
    // when the token's iat is behind.
    const auto token = issue_token(auth, request_for_alice(), kNow + 60s);
    const Time revoked = kNow + 1s;
    for (const auto kind : {Revocation::Kind::kUser, Revocation::Kind::kAll}) {
        const RevocationList list(
            {{kind, kind == Revocation::Kind::kUser ? "alice" : "", revoked, "root", ""}});
        for (const Time now : {kNow, revoked + 1s, kNow + 62s}) {
            const auto principal = verifier.verify(*token, "alice", "shop", "", now);
            REQUIRE(principal.has_value());
            CHECK(list.find(*principal) != nullptr);
        }
        // What is minted when that minute is over is good.
        const Time later = revoked + 61s;
        const auto again = verifier.verify(*issue_token(auth, request_for_alice(), later), "alice",
                                           "shop", "", later);
        REQUIRE(again.has_value());
        CHECK(list.find(*again) == nullptr);
    }
}

TEST_CASE("claims as the identity providers send them") {
    const std::string ec = test::ec_key();
    struct Row {
        const char* what;
        const char* user_claim;
        const char* groups_claim;
        std::vector<std::pair<std::string, std::string>> claims;
        TokenError error;  // {}: good
        std::vector<std::string> groups;
    };
    constexpr auto kGood = TokenError{};
    const std::string mail = R"("alice@example.com")";
    const std::vector<Row> rows = {
        {"Okta",
         "email",
         "groups",
         {{"email", mail}, {"email_verified", "true"}, {"groups", R"(["dba","dev"])"}},
         kGood,
         {"dba", "dev"}},
        {"Google: no groups",
         "email",
         "groups",
         {{"email", mail}, {"email_verified", "true"}, {"groups", ""}, {"jti", ""}},
         kGood,
         {}},
        {"Google: not verified",
         "email",
         "groups",
         {{"email", mail}, {"email_verified", "false"}},
         TokenError::kUnverifiedEmail,
         {}},
        {"verified, in a text",
         "email",
         "groups",
         {{"email", mail}, {"email_verified", R"("true")"}},
         TokenError::kUnverifiedEmail,
         {}},
        {"verified, nobody says of what",
         "email",
         "groups",
         {{"email", mail}, {"email_verified", "null"}},
         TokenError::kUnverifiedEmail,
         {}},
        {"nothing said of it", "email", "groups", {{"email", mail}}, kGood, {"fraud"}},
        {"Entra ID",
         "preferred_username",
         "roles",
         {{"preferred_username", mail},
          {"email_verified", "false"},
          {"jti", ""},
          {"uti", R"("abc")"},
          {"roles", R"(["Reader"])"}},
         kGood,
         {"Reader"}},
        {"Keycloak",
         "email",
         "realm_access.roles",
         {{"email", mail}, {"realm_access", R"({"roles":["dba"]})"}},
         kGood,
         {"dba"}},
        {"Keycloak: no roles",
         "email",
         "realm_access.roles",
         {{"email", mail}, {"realm_access", "{}"}},
         kGood,
         {}},
        {"Keycloak: no object",
         "email",
         "realm_access.roles",
         {{"email", mail}, {"realm_access", R"(["roles"])"}},
         kGood,
         {}},
        {"Auth0",
         "email",
         "https://vitrine.example.com/roles",
         {{"email", mail}, {"https://vitrine.example.com/roles", R"(["dba"])"}},
         kGood,
         {"dba"}},
        {"the whole name goes before the path",
         "email",
         "a.b",
         {{"email", mail}, {"a.b", R"("whole")"}, {"a", R"({"b":"path"})"}},
         kGood,
         {"whole"}},
        {"one group", "email", "groups", {{"email", mail}, {"groups", R"("dba")"}}, kGood, {"dba"}},
        {"groups of numbers",
         "email",
         "groups",
         {{"email", mail}, {"groups", "[1]"}},
         TokenError::kMalformed,
         {}},
        {"no user", "email", "groups", {}, TokenError::kMissingClaim, {}},
        {"users in a list",
         "email",
         "groups",
         {{"email", "[" + mail + "]"}},
         TokenError::kMalformed,
         {}},
        {"the user is in sub, and another claim is asked for",
         "upn",
         "groups",
         {{"sub", mail}},
         TokenError::kMissingClaim,
         {}},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        vitrine::config::Auth auth;
        auth.issuers.push_back(test::jwks_issuer("ec", test::jwks({{"1", ec}})));
        auth.issuers.back().user_claim = row.user_claim;
        auth.issuers.back().groups_claim = row.groups_claim;
        const Verifier verifier(auth);
        const auto principal =
            verifier.verify(provider_token(test::sign_es256, ec, "ec", "ES256", "1", row.claims),
                            "alice@example.com", "shop", "", kNow);
        if (row.error != kGood) {
            REQUIRE(principal.has_error());
            CHECK(principal.error() == row.error);
            continue;
        }
        REQUIRE(principal.has_value());
        CHECK(principal->groups == row.groups);
        CHECK(principal->issuer == "ec");
    }
}

TEST_CASE("an issuer gives no groups but those that are its own to give") {
    const std::string ec = test::ec_key();
    using Groups = std::vector<std::string>;
    const auto groups_with = [&](const std::vector<std::vector<std::string>>& patterns) {
        vitrine::config::Auth auth;
        auth.issuers.push_back(test::jwks_issuer("ec", test::jwks({{"1", ec}})));
        for (const auto& pieces : patterns) {
            auth.issuers.back().groups.push_back({pieces});
        }
        const Verifier verifier(auth);
        const std::string token = provider_token(
            test::sign_es256, ec, "ec", "ES256", "1",
            {{"groups", R"(["dba","app-web","APP-web","app-","my-app-web","contractors"])"}});
        const auto principal = verifier.verify(token, "alice", "shop", "", kNow);
        const auto identified = verifier.identify(token, kNow);
        REQUIRE(principal.has_value());
        REQUIRE(identified.has_value());
        // For a session and for the API.
        CHECK(identified->who.groups == principal->groups);
        CHECK(identified->principal.groups == principal->groups);
        return principal->groups;
    };
    // Without: a lesser issuer makes approvers.
    CHECK(groups_with({}) ==
          Groups{"dba", "app-web", "APP-web", "app-", "my-app-web", "contractors"});
    CHECK(groups_with({{"contractors"}, {"app-", ""}}) == Groups{"app-web", "app-", "contractors"});
    CHECK(groups_with({{"DBA"}}).empty());
    CHECK(groups_with({{"", ""}}).size() == 6);
}

TEST_CASE("a token without a jti is known by uti, or by what is signed") {
    const Providers& p = providers();
    const auto id = [&](const std::string& token) {
        return p.verifier.verify(token, "alice", "shop", "", kNow)->token;
    };
    const auto make = [&](const std::vector<std::pair<std::string, std::string>>& changes) {
        return provider_token(test::sign_es256, p.ec, "ec", "ES256", "ec-1", changes);
    };
    CHECK(id(make({})) == "0123abcd");
    CHECK(id(make({{"jti", ""}, {"uti", R"("u-1")"}})) == "u-1");
    // ECDSA takes a random number: two signatures of one text, and n - s in the place of s, are
    // one token all the same, which is revoked, and used up, as one.
    const std::string first = make({{"jti", ""}});
    const std::string again = make({{"jti", ""}});
    REQUIRE(first != again);
    CHECK(id(first) == id(again));
    CHECK(id(first).starts_with("sha256:"));
    CHECK(id(first).size() == 7 + 43);
    CHECK(id(first) != id(make({{"jti", ""}, {"exp", "1800000800"}})));
    CHECK(first.find(id(first).substr(7)) == std::string::npos);
    // Our own have one.
    CHECK(error_of(p.verifier, test::token(key(), kHeader, claims({{"jti", ""}}))) ==
          static_cast<int>(TokenError::kMissingClaim));
}

TEST_CASE("identify() asks for no database, and for all the rest") {
    const Providers& p = providers();
    const auto make = [&](const std::vector<std::pair<std::string, std::string>>& changes) {
        return provider_token(test::sign_rs256, p.rsa, "rsa", "RS256", "rsa-1", changes);
    };
    const auto known = p.verifier.identify(make({{"databases", ""}}), kNow);
    REQUIRE(known.has_value());
    CHECK(known->who.user == "alice");
    CHECK(known->who.groups == std::vector<std::string>{"fraud"});
    CHECK(known->who.issuer == "rsa");
    CHECK(known->who.token == "0123abcd");
    CHECK(known->principal.expires == kNow + 900s);
    CHECK(known->principal.database.empty());
    const auto error = [&](const std::vector<std::pair<std::string, std::string>>& changes,
                           Time now = kNow) {
        return p.verifier.identify(make(changes), now).error();
    };
    CHECK(error({{"aud", R"("other")"}}) == TokenError::kAudience);
    CHECK(error({{"single_use", "true"}}) == TokenError::kSingleUse);
    CHECK(error({{"client_address", R"("192.0.2.7")"}}) == TokenError::kOtherAddress);
    CHECK(error({{"databases", "5"}}) == TokenError::kMalformed);
    CHECK(error({}, kNow + 900s) == TokenError::kExpired);
    CHECK(p.verifier.identify("", kNow).error() == TokenError::kMalformed);
}

TEST_CASE("the keys of an issuer with a URL come in as they were fetched") {
    const std::string ec = test::ec_key();
    const std::string next = test::ec_key();
    auto auth = test::auth_with(key());
    vitrine::config::Issuer issuer;
    issuer.name = "idp";
    issuer.jwks_url = "https://idp.example.com/keys";
    auth.issuers.push_back(std::move(issuer));
    const auto token = [](const std::string& pem, const std::string& kid) {
        return provider_token(test::sign_es256, pem, "idp", "ES256", kid);
    };
    const auto unknown = static_cast<int>(TokenError::kUnknownKey);
    const auto fetched = [](const std::vector<std::pair<std::string, std::string>>& keys) {
        return FetchedKeys{
            {"idp", std::make_shared<const KeySet>(parse_key_set(test::jwks(keys)).set)}};
    };

    const Verifier cold(auth);
    CHECK(error_of(cold, token(ec, "1")) == unknown);
    CHECK(cold.issuer_to_refresh(token(ec, "1")) == "idp");
    CHECK(cold.issuer_to_refresh(token(ec, "")) == "idp");

    const Verifier warm(auth, fetched({{"1", ec}}));
    CHECK(error_of(warm, token(ec, "1")) == 0);
    CHECK_FALSE(warm.issuer_to_refresh(token(ec, "1")));
    CHECK(error_of(warm, token(next, "2")) == unknown);
    CHECK(warm.issuer_to_refresh(token(next, "2")) == "idp");

    const Verifier rotated(auth, fetched({{"1", ec}, {"2", next}}));
    CHECK(error_of(rotated, token(ec, "1")) == 0);
    CHECK(error_of(rotated, token(next, "2")) == 0);
    CHECK_FALSE(rotated.issuer_to_refresh(token(ec, "")));
    // Nothing is asked for on behalf of those whose keys do not come from there.
    CHECK_FALSE(
        rotated.issuer_to_refresh(test::token(key(), R"({"alg":"EdDSA","kid":"x"})", claims())));
    CHECK_FALSE(rotated.issuer_to_refresh("nonsense"));
    CHECK_FALSE(
        rotated.issuer_to_refresh(provider_token(test::sign_es256, next, "nobody", "ES256", "2")));
    // Nor do keys that were fetched in the name of another count.
    FetchedKeys astray = fetched({{"1", ec}});
    astray["vitrine"] = astray.at("idp");
    const Verifier own(auth, astray);
    CHECK(error_of(own, provider_token(test::sign_es256, ec, "vitrine", "ES256", "1")) == unknown);
}

TEST_CASE("networks") {
    for (const char* good : {"192.0.2.7", "192.0.2.7/32", "10.0.0.0/8", "0.0.0.0/0", "::/0", "::1",
                             "2001:db8::/32", "::ffff:192.0.2.7"}) {
        INFO(good);
        CHECK(is_network(good));
    }
    for (const char* bad : {"", "/", "10.0.0.0/", "10.0.0.1/8", "10.0.0.0/33", "2001:db8::1/32",
                            "::/129", "10.0.0.0/8/8", "10/8", "fe80::1%eth0", "010.0.0.0/8",
                            "10.0.0.0/+8", "10.0.0.0/08", " 10.0.0.0/8"}) {
        INFO(bad);
        CHECK_FALSE(is_network(bad));
    }
    CHECK(network_contains("10.0.0.0/8", "10.255.255.255"));
    CHECK_FALSE(network_contains("10.0.0.0/8", "11.0.0.0"));
    CHECK(network_contains("192.0.2.7", "::ffff:192.0.2.7"));
    CHECK(network_contains("::ffff:192.0.2.7", "192.0.2.7"));
    CHECK_FALSE(network_contains("0.0.0.0/0", "2001:db8::1"));
    CHECK(network_contains("::/0", "192.0.2.7"));
    CHECK(network_contains("fe80::1", "fe80::1%eth0"));
    CHECK(network_contains("192.0.2.128/25", "192.0.2.200"));
    CHECK_FALSE(network_contains("192.0.2.128/25", "192.0.2.127"));
    CHECK_FALSE(network_contains("10.0.0.0/8", "10.0.0.0/8"));
}

TEST_CASE("base64url has one spelling a value") {
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
    for (const auto& [bytes, text] : rows) {
        CHECK(base64url(bytes) == text);
        CHECK(from_base64url(text) == bytes);
    }
    for (const char* bad :
         {"Z", "A", "Zm9vA", "Zg==", "Zh", "Zm9", "Zm8=", "+/8", "Zm9v\n", "Zm 9v", "Zm9vY", "é"}) {
        INFO(bad);
        CHECK_FALSE(from_base64url(bad));
    }
}
