// Tokens: minted and verified, and the table of those that must not be.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <set>

#include "auth/base64url.h"
#include "auth/json_object.h"
#include "auth/token.h"
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
    const auto principal = verifier.verify(token, user, database, now);
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
        const auto principal = verifier.verify(*token, "alice", database, kNow);
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
    CHECK(from_base64url(token->substr(0, dot)) == kHeader);
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

TEST_CASE("no two tokens share an id") {
    const auto auth = test::auth_with(key());
    const Verifier verifier(auth);
    std::set<std::string> ids;
    for (int i = 0; i < 100; ++i) {
        const auto token = issue_token(auth, request_for_alice(), kNow);
        ids.insert(verifier.verify(*token, "alice", "shop", kNow)->token);
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
        {R"({"alg":"EdDSA","typ":"jwt","kid":"x","unknown":[1]})", claims()},
        {R"({"alg":"EdD\u0053A"})", claims()},
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
                      kNow)
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
    claim("groups", R"("fraud")", TokenError::kMalformed);
    claim("groups", "null", TokenError::kMalformed);
    claim("groups", R"([["fraud"]])", TokenError::kMalformed);
    claim("groups", R"(["fraud\u0000"])", TokenError::kMalformed);
    claim("reason", "5", TokenError::kMalformed);
    claim("reason", R"("\u001b[2J")", TokenError::kMalformed);
    claim("grant", "[]", TokenError::kMalformed);

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
    CHECK(names.size() == 13);
    CHECK_FALSE(names.contains("unknown"));
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
