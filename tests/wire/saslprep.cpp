#include "proxy/wire/saslprep.h"

#include <catch2/catch.hpp>

#include "proxy/wire/scram.h"
#include "tests/wire/payload.h"
#include "tests/wire/scram_server.h"

namespace vitrine::wire {

// Each pair agrees with pg_saslprep() of PostgreSQL 15.
TEST_CASE("saslprep: passwords are prepared as PostgreSQL does") {
    struct Row {
        std::string_view why;
        std::string password;
        std::string prepared;
    };
    const std::vector<Row> rows = {
        {"ASCII stays", "user \"x\"", "user \"x\""},
        {"ASCII controls stay", "tab\t\x01", "tab\t\x01"},
        {"nothing", "", ""},
        {"composed", "o\xcc\x88", "\xc3\xb6"},                            // o + diaeresis
        {"compatibility forms", "\xc2\xaa\xef\xac\x81", "\x61\x66\x69"},  // ª, ﬁ
        {"soft hyphen mapped to nothing", "\xc3\xa9\xc2\xad\x62", "\xc3\xa9\x62"},
        {"spaces mapped to space", "\xc3\xa9\xe2\x80\x83x", "\xc3\xa9 x"},
        {"only mapped to nothing: as it is", "\xc2\xad", "\xc2\xad"},
        {"control: as it is", "o\xcc\x88\x07", "o\xcc\x88\x07"},
        {"prohibited before normalisation: as it is", "\xcd\x80tone", "\xcd\x80tone"},
        {"not in Unicode 3.2: as it is", "o\xcc\x88\xf0\x9f\x94\x92", "o\xcc\x88\xf0\x9f\x94\x92"},
        {"right to left, then left: as it is", "\xef\xba\x8d\x31", "\xef\xba\x8d\x31"},
        {"right to left", "\xef\xba\x8d\xd8\xa8", "\xd8\xa7\xd8\xa8"},
        {"not UTF-8: as it is", "\xc3\xa9\xff", "\xc3\xa9\xff"},
        {"UTF-8 cut: as it is", "o\xcc\x88\xc3", "o\xcc\x88\xc3"},
        {"a NUL: as it is", bytes("o\xcc\x88\0x"), bytes("o\xcc\x88\0x")},
        {"grows to 18 characters", "\xef\xb7\xba",
         "\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
         "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 \xd9\x88\xd8\xb3\xd9\x84\xd9\x85"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.why);
        CHECK(saslprep(row.password) == row.prepared);
    }
}

TEST_CASE("saslprep: the largest growth, many times over, fits") {
    std::string password;
    std::string prepared;
    for (int i = 0; i < 1000; ++i) {
        password += "\xef\xb7\xba";
        prepared += saslprep("\xef\xb7\xba");
    }
    CHECK(saslprep(password) == prepared);
}

// Recorded: rolpassword of PostgreSQL 15.20 for the password "pässwörd ①ﬁ".
TEST_CASE("saslprep: the verifier PostgreSQL has stored") {
    const auto salted = salted_password("p\xc3\xa4ssw\xc3\xb6rd \xe2\x91\xa0\xef\xac\x81",
                                        *from_base64("rcwnEfsNRHvEcBU6ew7cCA=="), 4096);
    const Verifier verifier = verifier_of(salted.bytes);
    CHECK(to_base64(verifier.stored_key) == "T6UzqQwxgCTes86A8Tu98OaL1E2w0vZmZ1wIqORJ/ZQ=");
    CHECK(to_base64(verifier.server_key) == "RoGkNWOPNsDdjPIA2BHhwqpRxWDqbyr7kLgxt6h+TAo=");
}

TEST_CASE("base64: RFC 4648, section 10, and nothing else") {
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [raw, text] : rows) {
        CHECK(to_base64(raw) == text);
        CHECK(from_base64(text) == raw);
    }
    for (const std::string& text :
         {std::string("Z"), std::string("Zg"), std::string("Zg="), std::string("Zg==="),
          std::string("===="), std::string("Z==="), std::string("Zh=="), std::string("Zg==Zg=="),
          std::string("=g=="), std::string("Zm9v "), std::string(" Zm9"), std::string("Zm9v\n"),
          std::string("Zm-_"), bytes("Zm9\0"), std::string("Zm9\xff")}) {
        CAPTURE(text);
        CHECK_FALSE(from_base64(text));
    }
}

}  // namespace vitrine::wire
