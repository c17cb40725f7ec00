// Passwords of local accounts, handles, and the ids of grants.
#include <catch2/catch.hpp>
#include <ctime>
#include <limits>
#include <set>

#include "auth/base64url.h"
#include "auth/grant.h"
#include "auth/handle.h"
#include "auth/password.h"

using namespace vitrine::auth;

TEST_CASE("a password fits its own encoding and no other") {
    const std::string encoded = encode_password("correct horse");
    CHECK_THAT(encoded, Catch::StartsWith("scrypt$16$8$1$"));
    CHECK(password_fits("correct horse", encoded));
    CHECK_FALSE(password_fits("correct horsf", encoded));
    CHECK_FALSE(password_fits("correct horse ", encoded));
    CHECK_FALSE(password_fits("", encoded));
    CHECK_FALSE(password_fits(encoded, encoded));
    CHECK(encode_password("correct horse") != encoded);  // another salt

    const std::string with_nul("a\0b", 3);
    const std::string of_nul = encode_password(with_nul);
    CHECK(password_fits(with_nul, of_nul));
    CHECK_FALSE(password_fits("a", of_nul));
}

TEST_CASE("scrypt is RFC 7914's") {
    // Made with Python's hashlib.scrypt, since the RFC's own examples have other lengths of salt.
    CHECK(password_fits(
        "pleaseletmein",
        "scrypt$14$8$1$U29kaXVtQ2hsb3JpZGUhIQ$UmYyNDO_YRuFmsgA6JK5baM1qTJw1bFvX2are1D2OBc"));
    CHECK(password_fits(
        "pleaseletmein",
        "scrypt$16$8$1$U29kaXVtQ2hsb3JpZGUhIQ$x2lvLxoLeAm-lTgeRqci96uZrmCaN16DNPs2eaEsC8A"));
    CHECK(password_fits(
        "", "scrypt$4$1$1$AAAAAAAAAAAAAAAAAAAAAA$spcgNMK_Glf-sRFeaTh6AOS30IZRFQL45Ty_ndK6F7w"));
}

TEST_CASE("what is no encoded password fits nothing") {
    const std::string salt = base64url(std::string(16, 's'));
    const std::string key = base64url(std::string(32, 'k'));
    for (const std::string& encoded :
         {std::string(), std::string("x"), std::string("plain"), "scrypt$16$8$1$" + salt,
          "scrypt$16$8$1$" + salt + "$" + key + "$", "SCRYPT$16$8$1$" + salt + "$" + key,
          "scrypt$19$8$1$" + salt + "$" + key, "scrypt$0$8$1$" + salt + "$" + key,
          "scrypt$-1$8$1$" + salt + "$" + key, "scrypt$16$9$1$" + salt + "$" + key,
          "scrypt$16$8$5$" + salt + "$" + key, "scrypt$16 $8$1$" + salt + "$" + key,
          "scrypt$99999999999$8$1$" + salt + "$" + key, "scrypt$16$8$1$" + salt + "$",
          "scrypt$16$8$1$$" + key, "scrypt$16$8$1$" + salt + "$" + key.substr(0, 40),
          "scrypt$16$8$1$" + salt + "$" + key + "=", "scrypt$16$8$1$" + salt + "$" + key}) {
        CAPTURE(encoded);
        CHECK_FALSE(password_fits("plain", encoded));
        CHECK_FALSE(password_fits("", encoded));
    }
}

TEST_CASE("who does not exist takes as long as who does") {
    const std::string encoded = encode_password("secret");
    // In the processor's time, the least of several: what else the machine does only makes it more.
    const auto least = [](const auto& call) {
        std::clock_t best = std::numeric_limits<std::clock_t>::max();
        for (int i = 0; i < 5; ++i) {
            const std::clock_t start = std::clock();
            call();
            best = std::min(best, std::clock() - start);
        }
        return static_cast<double>(best) / CLOCKS_PER_SEC;
    };
    bool fits = true;
    const double wrong = least([&] { fits = password_fits("guess", encoded); });
    CHECK_FALSE(fits);
    const double right = least([&] { fits = password_fits("secret", encoded); });
    CHECK(fits);
    const double nobody = least([] { password_of_nobody("guess"); });
    const double broken = least([&] { fits = password_fits("guess", "scrypt$"); });
    CHECK_FALSE(fits);
    CHECK(right > 0.02);
    for (const double other : {wrong, nobody, broken}) {
        CHECK(other > right * 0.6);
        CHECK(other < right * 1.7);
    }
}

TEST_CASE("handles and ids have their form, and never come twice") {
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        const std::string handle = new_handle();
        CHECK(handle.size() == 35);
        CHECK(is_handle(handle));
        CHECK(seen.insert(handle).second);
        const std::string id = new_grant_id();
        CHECK(id.size() == 18);
        CHECK_THAT(id, Catch::StartsWith("g_"));
        CHECK(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567", 2) == std::string::npos);
        CHECK(seen.insert(id).second);
    }
    const std::string good = "vt_abcdefghijklmnopqrstuvwxyz234567";
    CHECK(is_handle(good));
    for (const std::string& bad :
         {std::string(), std::string("vt_"), good + "a", good.substr(0, 34), "VT_" + good.substr(3),
          "vt-" + good.substr(3), good.substr(0, 34) + "1", good.substr(0, 34) + "A",
          good.substr(0, 34) + '\0', good.substr(0, 34) + "="}) {
        CAPTURE(bad);
        CHECK_FALSE(is_handle(bad));
    }
}

TEST_CASE("a handle's hash is SHA-256") {
    // FIPS 180-4, of "abc".
    CHECK(hash_handle("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hash_handle("abd") != hash_handle("abc"));
}
