// JWK Sets: what is taken, what is left out, what is refused as a whole.
#include <algorithm>
#include <catch2/catch.hpp>

#include "auth/base64url.h"
#include "auth/jwks.h"
#include "auth/token.h"
#include "config/keys.h"
#include "config/limits.h"
#include "tests/auth/material.h"

using namespace vitrine::auth;

namespace {

struct Keys {
    std::string ed = test::ed25519_key();
    std::string ec = test::ec_key();
    std::string rsa = test::rsa_key();
    std::string ed_jwk = test::jwk_members(ed);
    std::string ec_jwk = test::jwk_members(ec);
    std::string rsa_jwk = test::jwk_members(rsa);
};
const Keys& keys() {
    static const Keys made;
    return made;
}

// A set of a good key and this one: how many keys come out of it, and what is said.
ParsedKeySet beside_a_good_one(const std::string& jwk) {
    static const std::string good = test::jwk_members(test::ed25519_key());
    return parse_key_set(R"({"keys":[{)" + good + R"(,"kid":"good"},)" + jwk + "]}");
}

// `members` with the value of one replaced by base64url of `bytes`.
std::string with(const std::string& members, const std::string& name, const std::string& bytes) {
    const std::string start = "\"" + name + "\":\"";
    const std::size_t at = members.find(start) + start.size();
    return members.substr(0, at) + base64url(bytes) + members.substr(members.find('"', at));
}

std::string member(const std::string& members, const std::string& name) {
    const std::string start = "\"" + name + "\":\"";
    const std::size_t at = members.find(start) + start.size();
    return *from_base64url(members.substr(at, members.find('"', at) - at));
}

}  // namespace

TEST_CASE("keys that are taken") {
    const Keys& k = keys();
    struct Row {
        std::string jwk;
        Algorithm algorithm;
    };
    const std::vector<Row> rows = {
        {k.ed_jwk, Algorithm::kEdDsa},
        {k.ec_jwk, Algorithm::kEs256},
        {k.rsa_jwk, Algorithm::kRs256},
        {k.ed_jwk + R"(,"use":"sig","alg":"EdDSA")", Algorithm::kEdDsa},
        {k.ec_jwk + R"(,"use":"sig","alg":"ES256","kid":"a")", Algorithm::kEs256},
        {k.rsa_jwk + R"(,"use":"sig","alg":"RS256","x5c":["AA"],"x5t":"AA")", Algorithm::kRs256},
        {k.rsa_jwk + R"(,"key_ops":["verify"])", Algorithm::kRs256},
        {k.rsa_jwk + R"(,"key_ops":["encrypt","verify"],"unknown":{"a":[1]})", Algorithm::kRs256},
    };
    for (const Row& row : rows) {
        INFO(row.jwk);
        const ParsedKeySet parsed = beside_a_good_one("{" + row.jwk + "}");
        CHECK(parsed.problem.empty());
        CHECK(parsed.set.warnings.empty());
        REQUIRE(parsed.set.keys.size() == 2);
        CHECK(parsed.set.keys[1].algorithm == row.algorithm);
        CHECK(parsed.set.keys[0].kid == "good");
    }
}

TEST_CASE("the sizes of RSA that are taken") {
    for (const unsigned bits : {1024U, 2040U, 2048U, 3072U, 4096U}) {
        INFO(bits);
        const ParsedKeySet parsed =
            beside_a_good_one("{" + test::jwk_members(test::rsa_key(bits)) + "}");
        CHECK(parsed.set.keys.size() == (bits < 2048 ? 1 : 2));
        CHECK(parsed.set.warnings.size() == (bits < 2048 ? 1 : 0));
    }
}

TEST_CASE("keys that are left out") {
    const Keys& k = keys();
    const std::string n = member(k.rsa_jwk, "n");
    const std::string x = member(k.ec_jwk, "x");
    const std::string y = member(k.ec_jwk, "y");
    std::string off_the_curve = y;
    off_the_curve[31] = static_cast<char>(off_the_curve[31] ^ 1);
    std::string even = n;
    even.back() = static_cast<char>(even.back() & '\xfe');
    struct Row {
        std::string jwk;
        bool said;  // a mistake, and not only a key for another purpose
    };
    const std::vector<Row> rows = {
        // Other purposes.
        {"{" + k.rsa_jwk + R"(,"use":"enc"})", false},
        {"{" + k.rsa_jwk + R"(,"use":5})", false},
        {"{" + k.rsa_jwk + R"(,"key_ops":["encrypt"]})", false},
        {"{" + k.rsa_jwk + R"(,"key_ops":"verify"})", false},
        {"{" + k.rsa_jwk + R"(,"alg":"RS512"})", false},
        {"{" + k.rsa_jwk + R"(,"alg":"PS256"})", false},
        {"{" + k.rsa_jwk + R"(,"alg":"ES256"})", false},
        {"{" + k.rsa_jwk + R"(,"alg":"HS256"})", false},
        {"{" + k.rsa_jwk + R"(,"alg":"none"})", false},
        {"{" + k.rsa_jwk + R"(,"alg":null})", false},
        {"{" + k.ec_jwk + R"(,"alg":"RS256"})", false},
        {"{" + k.ec_jwk + R"(,"alg":"EdDSA"})", false},
        {R"({"kty":"EC","crv":"P-384","x":"AA","y":"AA"})", false},
        {R"({"kty":"OKP","crv":"X25519","x":"AA"})", false},
        {R"({"kty":"OKP","crv":"Ed448","x":"AA"})", false},
        {R"({"kty":"AKP","alg":"ML-DSA-44","pub":"AA"})", false},
        {R"({"kty":"rsa","n":"AQAB","e":"AQAB"})", false},
        // What has no business in a public set.
        {R"({"kty":"oct","k":"c2VjcmV0"})", true},
        {"{" + k.ed_jwk + R"(,"d":"AA"})", true},
        {"{" + k.ec_jwk + R"(,"d":"AA"})", true},
        {"{" + k.rsa_jwk + R"(,"d":"AA"})", true},
        {"{" + k.rsa_jwk + R"(,"p":"AA"})", true},
        {"{" + k.rsa_jwk + R"(,"oth":[]})", true},
        {"{" + k.rsa_jwk + R"(,"k":"AA"})", true},
        // What is no key.
        {"5", true},
        {"{}", true},
        {R"({"kty":5})", true},
        {R"({"kty":"OKP","crv":"Ed25519"})", true},
        {"{" + with(k.ed_jwk, "x", std::string(31, 'x')) + "}", true},
        {"{" + with(k.ed_jwk, "x", std::string(33, 'x')) + "}", true},
        {"{" + with(k.ec_jwk, "y", off_the_curve) + "}", true},
        {"{" + with(k.ec_jwk, "x", y) + "}", true},
        {"{" + with(with(k.ec_jwk, "x", std::string(32, '\0')), "y", std::string(32, '\0')) + "}",
         true},
        {"{" + with(k.ec_jwk, "x", '\0' + x) + "}", true},
        {"{" + with(k.ec_jwk, "x", x.substr(1)) + "}", true},
        {R"({"kty":"EC","crv":"P-256","x":")" + base64url(x) + "\"}", true},
        {"{" + with(k.rsa_jwk, "n", '\0' + n) + "}", true},
        {"{" + with(k.rsa_jwk, "n", even) + "}", true},
        {"{" + with(k.rsa_jwk, "n", "") + "}", true},
        {"{" + with(k.rsa_jwk, "n", std::string(1025, '\x81')) + "}", true},
        {"{" + with(k.rsa_jwk, "e", "\x01") + "}", true},
        {"{" + with(k.rsa_jwk, "e", "\x02") + "}", true},
        {"{" + with(k.rsa_jwk, "e", "") + "}", true},
        {"{" + with(k.rsa_jwk, "e", std::string("\x01\x00\x00\x00\x01", 5)) + "}", true},
        {"{" + k.rsa_jwk + R"(,"kid":5})", true},
        {"{" + k.rsa_jwk + R"(,"kid":""})", true},
        {"{" + k.rsa_jwk + R"(,"kid":")" + std::string(300, 'x') + "\"}", true},
    };
    for (const Row& row : rows) {
        INFO(row.jwk);
        const ParsedKeySet parsed = beside_a_good_one(row.jwk);
        CHECK(parsed.problem.empty());
        CHECK(parsed.set.keys.size() == 1);
        CHECK(parsed.set.warnings.size() == (row.said ? 1 : 0));
        for (const std::string& warning : parsed.set.warnings) {
            CHECK(warning.starts_with("keys[1] "));
        }
    }
}

TEST_CASE("sets that are refused") {
    const Keys& k = keys();
    const std::string one = "{" + k.ed_jwk + R"(,"kid":"a"})";
    std::string many = one;
    for (std::size_t i = 0; i < vitrine::limits::kJwksKeysMax; ++i) {
        many += "," + one;
    }
    for (const std::string& text : std::vector<std::string>{
             "", "null", "[]", "[" + one + "]", one, "{}", R"({"keys":{}})", R"({"keys":[]})",
             R"({"keys":[)" + one + "]", R"({"keys":[)" + one + "]} x",
             R"({"keys":[)" + one + R"(],"keys":[]})",
             R"({"keys":[{"kty":"OKP",)" + k.ed_jwk + "}]}",
             R"({"keys":[)" + one + "," + one + "]}",
             R"({"keys":[)" + one + R"(,{)" + k.ec_jwk + R"(,"kid":"a"}]})",
             R"({"keys":[{"kty":"oct","k":"AA"}]})", R"({"keys":[)" + many + "]}",
             R"({"keys":[)" + one + "]}" + std::string(vitrine::limits::kJwksBytesMax, ' '),
             "-----BEGIN PUBLIC KEY-----"}) {
        INFO(text.substr(0, 200));
        const ParsedKeySet parsed = parse_key_set(text);
        CHECK_FALSE(parsed.problem.empty());
        CHECK(parsed.set.keys.empty());
    }
}

TEST_CASE("RFC 7515, A.2 and A.3; RFC 8037, A.3") {
    // The examples' signatures, made by others, over their own texts.
    const ParsedKeySet parsed = parse_key_set(
        R"({"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx)"
        R"(HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47)"
        R"(soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsm)"
        R"(tdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs9)"
        R"(1kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"},)"
        R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
        R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
    REQUIRE(parsed.problem.empty());
    REQUIRE(parsed.set.keys.size() == 2);
    const std::string claims =
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ";
    const std::string rs256 = *from_base64url(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2F"
        "p5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQB"
        "MHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeY"
        "I2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw");
    const std::string es256 = *from_base64url(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    CHECK(signature_fits(parsed.set.keys[0], "eyJhbGciOiJSUzI1NiJ9" + claims, rs256));
    CHECK(signature_fits(parsed.set.keys[1], "eyJhbGciOiJFUzI1NiJ9" + claims, es256));
    CHECK_FALSE(signature_fits(parsed.set.keys[1], "eyJhbGciOiJSUzI1NiJ9" + claims, es256));
    CHECK_FALSE(signature_fits(parsed.set.keys[0], "eyJhbGciOiJSUzI1NiJ9" + claims, es256));

    const std::string der =
        std::string("\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", 16) +
        *from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    std::string base64 = base64url(der);
    std::replace(base64.begin(), base64.end(), '-', '+');
    std::replace(base64.begin(), base64.end(), '_', '/');
    const auto key = vitrine::config::read_signing_key("-----BEGIN PRIVATE KEY-----\n" + base64 +
                                                       "\n-----END PRIVATE KEY-----\n");
    CHECK(public_half(key.get()).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

TEST_CASE("a set that is no good is a problem at its issuer") {
    vitrine::config::Auth auth;
    auth.issuers.push_back(test::jwks_issuer("idp", R"({"keys":[{"kty":"oct","k":"AA"}]})"));
    auth.issuers.back().position = {"vitrine.yaml", 7, 5};
    const auto problems = key_problems(auth);
    REQUIRE(problems.size() == 1);
    CHECK(to_string(problems.front()) ==
          "vitrine.yaml:7:5: the keys of issuer idp: idp.json has no public key for EdDSA, ES256 "
          "or RS256 signatures: keys[0] is a symmetric key, which belongs into no public set; it "
          "is left out");
    CHECK_THROWS_WITH(Verifier(auth), to_string(problems.front()));
    auth.issuers.back().jwks = R"({"keys":[{)" + keys().ec_jwk + R"(},{"kty":"oct","k":"AA"}]})";
    CHECK(key_problems(auth).empty());
    CHECK(Verifier(auth).warnings() ==
          std::vector<std::string>{"the keys of issuer idp: keys[1] is a symmetric key, which "
                                   "belongs into no public set; it is left out"});
}
