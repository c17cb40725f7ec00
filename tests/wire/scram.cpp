#include "proxy/wire/scram.h"

#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "tests/wire/payload.h"
#include "tests/wire/scram_server.h"

namespace vitrine::wire {
namespace {

// RFC 7677, section 3: the user "user" with the password "pencil".
constexpr std::string_view kRfcNonce = "rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kRfcServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view kRfcWithoutProof =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view kRfcProof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view kRfcServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

ScramClient::Salted salt_with(std::string password) {
    return [password = std::move(password)](std::string_view salt, std::uint32_t iterations) {
        return salted_password(password, salt, iterations);
    };
}

ScramClient rfc_client() {
    return {std::string(kRfcNonce), "", false, salt_with("pencil")};
}

Verifier rfc_verifier() {
    return verifier_of(
        salted_password("pencil", *from_base64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096).bytes);
}

boost::system::error_code first_error(std::string_view server_first) {
    ScramClient client = rfc_client();
    CHECK_FALSE(client.client_first().empty());
    return client.client_final(server_first).error();
}

}  // namespace

TEST_CASE("scram: the salted password and the test's server are those of RFC 7677") {
    const std::string auth =
        auth_message("n=user,r=rOprNGfwEbeRWgbNEkqO", kRfcServerFirst, kRfcWithoutProof);
    CHECK(proof_holds(rfc_verifier(), auth, kRfcProof));
    CHECK(server_final(rfc_verifier(), auth) == kRfcServerFinal);
}

TEST_CASE("scram: a whole exchange") {
    ScramClient client = rfc_client();
    CHECK(client.mechanism() == "SCRAM-SHA-256");
    CHECK(client.client_first() == "n,,n=,r=rOprNGfwEbeRWgbNEkqO");

    const std::string final = client.client_final(kRfcServerFirst).value();
    const std::string auth =
        auth_message("n=,r=rOprNGfwEbeRWgbNEkqO", kRfcServerFirst, kRfcWithoutProof);
    const std::string prefix = std::string(kRfcWithoutProof) + ",p=";
    REQUIRE(final.starts_with(prefix));
    CHECK(proof_holds(rfc_verifier(), auth, final.substr(prefix.size())));
    CHECK(client.verify(server_final(rfc_verifier(), auth)));
}

// Recorded with the role `s`, password "pencil".
TEST_CASE("scram: an exchange with PostgreSQL 15.20") {
    ScramClient client("fyko+d2lbbFgONRv9qkxdawL", "", false, salt_with("pencil"));
    CHECK(client.client_first() == "n,,n=,r=fyko+d2lbbFgONRv9qkxdawL");
    CHECK(client
              .client_final("r=fyko+d2lbbFgONRv9qkxdawL4iaX/GUBft75iEND7oa798DS,"
                            "s=5WcZEVF6ycGn5nPU+EGKVQ==,i=4096")
              .value() ==
          "c=biws,r=fyko+d2lbbFgONRv9qkxdawL4iaX/GUBft75iEND7oa798DS,"
          "p=OpewfYFAiwqHD2mux2hrBVPmcdNLtQXsWLaPJvjgQXQ=");
    CHECK(client.verify("v=yrHyYpEs1mrpxnpX5qeC86SdPkTmt3vwBDxx/xH6n98="));
}

TEST_CASE("scram: an exchange with PostgreSQL 15.20 bound to its certificate") {
    const std::string hash = *from_base64("S3p5c3yUmsxMsKBBu2PTlFS46czQgJYWSrYlW9tR+gw=");
    ScramClient client("AIGHMWlknR7Pyqqyk3oid3SV", hash, true, salt_with("pencil"));
    CHECK(client.mechanism() == "SCRAM-SHA-256-PLUS");
    CHECK(client.client_first() == "p=tls-server-end-point,,n=,r=AIGHMWlknR7Pyqqyk3oid3SV");
    CHECK(client
              .client_final("r=AIGHMWlknR7Pyqqyk3oid3SVStCI1QczV+LJ7n9+yQaWDe+N,"
                            "s=5WcZEVF6ycGn5nPU+EGKVQ==,i=4096")
              .value() ==
          "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsS3p5c3yUmsxMsKBBu2PTlFS46czQgJYWSrYlW9tR+gw=,"
          "r=AIGHMWlknR7Pyqqyk3oid3SVStCI1QczV+LJ7n9+yQaWDe+N,"
          "p=N3Fs4M+N5LIOT7cOOo84sTNOJ3KYrMk81j4dkfFRhA4=");
    CHECK(client.verify("v=Ly5iiGe962GxrD/XzeTzGa8WitPwBJJTEYsYEcpRdoQ="));
}

TEST_CASE("scram: the GS2 header says what was offered") {
    struct Row {
        std::string hash;
        bool offers_plus;
        std::string_view mechanism;
        std::string_view header;
        std::string_view bound;  // base64 of what the final message carries
    };
    for (const Row& row : {Row{"", false, "SCRAM-SHA-256", "n,,", "biws"},
                           Row{"", true, "SCRAM-SHA-256", "n,,", "biws"},
                           Row{"hash", false, "SCRAM-SHA-256", "y,,", "eSws"},
                           Row{"hash", true, "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,",
                               "cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA=="}}) {
        ScramClient client("nonce", row.hash, row.offers_plus, salt_with("x"));
        CHECK(client.mechanism() == row.mechanism);
        CHECK(client.client_first() == std::string(row.header) + "n=,r=nonce");
        const std::string final = client.client_final("r=nonce+,s=c2FsdA==,i=4096").value();
        CHECK(final.starts_with("c=" + std::string(row.bound) + ",r=nonce+,p="));
    }
}

TEST_CASE("scram: a server's first message that is wrong ends the exchange") {
    const std::string nonce = "r=rOprNGfwEbeRWgbNEkqOserver";
    CHECK_FALSE(first_error(nonce + ",s=c2FsdA==,i=4096"));
    const std::vector<std::string> refused = {
        "",
        "e=other-error",
        // The nonce: another, none, ours without the server's part, ours cut, not printable.
        "r=xOprNGfwEbeRWgbNEkqOserver,s=c2FsdA==,i=4096",
        "r=,s=c2FsdA==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO,s=c2FsdA==,i=4096",
        "r=rOprNGfwEbeRWgbNEkq,s=c2FsdA==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO\x01,s=c2FsdA==,i=4096",
        bytes("r=rOprNGfwEbeRWgbNEkqO\0x,s=c2FsdA==,i=4096"),
        "r=server" + std::string(kRfcNonce) + ",s=c2FsdA==,i=4096",
        // The salt: none, not base64, base64 that is not canonical.
        nonce + ",s=,i=4096",
        nonce + ",i=4096",
        nonce + ",s=c2FsdA=,i=4096",
        nonce + ",s=c2FsdB==,i=4096",
        nonce + ",s=c2 sdA==,i=4096",
        nonce + ",s=====,i=4096",
        // The iterations.
        nonce + ",s=c2FsdA==",
        nonce + ",s=c2FsdA==,i=",
        nonce + ",s=c2FsdA==,i=0",
        nonce + ",s=c2FsdA==,i=1",
        nonce + ",s=c2FsdA==,i=4095",
        nonce + ",s=c2FsdA==,i=10000001",
        nonce + ",s=c2FsdA==,i=4294971392",  // 4096 + 2^32
        nonce + ",s=c2FsdA==,i=99999999999999999999",
        nonce + ",s=c2FsdA==,i=-4096",
        nonce + ",s=c2FsdA==,i=+4096",
        nonce + ",s=c2FsdA==,i= 4096",
        nonce + ",s=c2FsdA==,i=4096x",
        nonce + ",s=c2FsdA==,i=0x1000",
        // Extensions, mandatory or behind; another order.
        "m=must," + nonce + ",s=c2FsdA==,i=4096",
        nonce + ",m=must,s=c2FsdA==,i=4096",
        nonce + ",s=c2FsdA==,i=4096,",
        nonce + ",s=c2FsdA==,i=4096,x=y",
        nonce + ",i=4096,s=c2FsdA==",
        "s=c2FsdA==," + nonce + ",i=4096",
    };
    for (const std::string& message : refused) {
        CAPTURE(message);
        CHECK(first_error(message) == code(WireError::kAuthentication));
    }
}

TEST_CASE("scram: a first message cut anywhere is refused before its iterations end") {
    // "i=4096" cut by a digit is below the minimum; all else is not a whole message.
    for (std::size_t size = 0; size < kRfcServerFirst.size(); ++size) {
        CAPTURE(size);
        CHECK(first_error(kRfcServerFirst.substr(0, size)) == code(WireError::kAuthentication));
    }
}

TEST_CASE("scram: a refused message costs no key derivation") {
    int derived = 0;
    ScramClient client("nonce", "", false, [&derived](std::string_view, std::uint32_t) {
        ++derived;
        return SaltedPassword{std::string(32, 'k')};
    });
    CHECK(client.client_first() == "n,,n=,r=nonce");
    CHECK(client.client_final("r=nonce1,s=c2FsdA==,i=2000000000").error() ==
          code(WireError::kAuthentication));
    CHECK(derived == 0);
}

TEST_CASE("scram: without a key the exchange ends") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{31}}) {
        ScramClient client("nonce", "", false, [size](std::string_view, std::uint32_t) {
            return SaltedPassword{std::string(size, 'k')};
        });
        CHECK(client.client_first() == "n,,n=,r=nonce");
        CHECK(client.client_final("r=nonce1,s=c2FsdA==,i=4096").error() ==
              code(WireError::kAuthentication));
    }
}

TEST_CASE("scram: a server that does not know the password is found out") {
    const std::string auth =
        auth_message("n=,r=rOprNGfwEbeRWgbNEkqO", kRfcServerFirst, kRfcWithoutProof);
    const std::string right = server_final(rfc_verifier(), auth);
    std::vector<std::string> wrong = {
        "",
        "v=",
        "e=invalid-proof",
        "e=" + right.substr(2),
        right.substr(2),
        right + ",",
        right + ",x=y",
        "x=y," + right,
        right + "=",
        "v=" + to_base64(std::string(32, '\0')),
        "v=" + to_base64(std::string(31, 'x')),
        "v=" + to_base64(std::string(33, 'x')),
        // The signature of another exchange, the RFC's own.
        std::string(kRfcServerFinal),
    };
    for (std::size_t size = 0; size < right.size(); ++size) {
        wrong.push_back(right.substr(0, size));
    }
    const std::string signature = *from_base64(right.substr(2));
    wrong.push_back("v=" + to_base64(signature + 'x'));
    for (std::size_t bit = 0; bit < 8 * signature.size(); ++bit) {
        std::string flipped = signature;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        wrong.push_back("v=" + to_base64(flipped));
    }
    const SaltedPassword kept =
        salted_password("pencil", *from_base64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
    for (const std::string& message : wrong) {
        CAPTURE(message);
        ScramClient client(std::string(kRfcNonce), "", false,
                           [&kept](std::string_view, std::uint32_t) { return kept; });
        CHECK_FALSE(client.client_first().empty());
        REQUIRE(client.client_final(kRfcServerFirst));
        CHECK(client.verify(message).error() == code(WireError::kAuthentication));
        // There is no second guess.
        CHECK(client.verify(right).error() == code(WireError::kAuthentication));
    }
}

TEST_CASE("scram: steps out of their order are refused") {
    const std::string auth =
        auth_message("n=,r=rOprNGfwEbeRWgbNEkqO", kRfcServerFirst, kRfcWithoutProof);
    const std::string right = server_final(rfc_verifier(), auth);

    ScramClient not_begun = rfc_client();
    CHECK(not_begun.client_final(kRfcServerFirst).error() == code(WireError::kAuthentication));

    // A server that skips to its end, with the signature of an all-zero key.
    ScramClient skipped = rfc_client();
    CHECK_FALSE(skipped.client_first().empty());
    CHECK(skipped.verify("v=" + to_base64(std::string(32, '\0'))).error() ==
          code(WireError::kAuthentication));
    CHECK(skipped.client_final(kRfcServerFirst).error() == code(WireError::kAuthentication));

    ScramClient twice = rfc_client();
    CHECK_FALSE(twice.client_first().empty());
    CHECK(twice.client_final(kRfcServerFirst));
    CHECK(twice.client_final(kRfcServerFirst).error() == code(WireError::kAuthentication));
    CHECK(twice.verify(right).error() == code(WireError::kAuthentication));

    ScramClient replayed = rfc_client();
    CHECK_FALSE(replayed.client_first().empty());
    CHECK(replayed.client_final(kRfcServerFirst));
    CHECK(replayed.verify(right));
    CHECK(replayed.verify(right).error() == code(WireError::kAuthentication));
}

TEST_CASE("scram: nonces are 24 printable characters, each another") {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        const std::string nonce = new_nonce();
        CHECK(nonce.size() == 24);
        CHECK(nonce.find(',') == std::string::npos);
        CHECK(from_base64(nonce)->size() == 18);
        CHECK(seen.insert(nonce).second);
    }
}

// Recorded: the role `m`, whose rolpassword is md58bbf3f45673bf67d02e4214911f3417f.
TEST_CASE("md5: the answer PostgreSQL 15.20 took") {
    CHECK(md5_password("m", "pencil", "\xe0gB\x1d") == "md5f4e227110cfc1f58d8cfc0a88ebeeb5f");
    CHECK(md5_password("m", "pencil", "\xe0gB\x1e") != "md5f4e227110cfc1f58d8cfc0a88ebeeb5f");
    CHECK(md5_password("n", "pencil", "\xe0gB\x1d") != "md5f4e227110cfc1f58d8cfc0a88ebeeb5f");
}

}  // namespace vitrine::wire
