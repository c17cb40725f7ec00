// A constant that vitrine calls safe is one that the server takes, under any DateStyle.

#include <catch2/catch.hpp>
#include <random>

#include "parser/masking/constant_literal.h"
#include "tests/parser/fixture_catalog.h"
#include "tests/parser/mask_server.h"

using namespace vitrine::parser;
using namespace vitrine::parser::test;

namespace {

struct Asked {
    Oid type;
    std::int32_t typmod;
    const char* sql;
};

// numeric(p, s)
constexpr std::int32_t numeric_typmod(int precision, int scale) {
    return ((precision << 16) | (scale & 0x7ff)) + 4;
}

const std::vector<Asked> kTypes{
    {16, -1, "bool"},
    {17, -1, "bytea"},
    {20, -1, "int8"},
    {21, -1, "int2"},
    {23, -1, "int4"},
    {114, -1, "json"},
    {3802, -1, "jsonb"},
    {650, -1, "cidr"},
    {869, -1, "inet"},
    {700, -1, "float4"},
    {701, -1, "float8"},
    {1082, -1, "date"},
    {1083, -1, "time"},
    {1114, 3, "timestamp(3)"},
    {1184, -1, "timestamptz"},
    {1700, -1, "numeric"},
    {1700, numeric_typmod(6, 2), "numeric(6,2)"},
    {1700, numeric_typmod(3, 3), "numeric(3,3)"},
    {1700, numeric_typmod(2, -3), "numeric(2,-3)"},
    {2950, -1, "uuid"},
    {1009, -1, "text[]"},
    {1186, -1, "interval"},
    {142, -1, "xml"},
    {3904, -1, "int4range"},
    {600, -1, "point"},
    {829, -1, "macaddr"},
};

const Type& type_of(Oid oid) {
    const Type* type = fixture_catalog()->type(oid);
    REQUIRE(type != nullptr);
    return *type;
}

std::vector<std::string> candidates() {
    const std::vector<std::string> seeds{"",
                                         "0",
                                         "-0",
                                         "+1",
                                         "1",
                                         "32767",
                                         "32768",
                                         "-32769",
                                         "2147483648",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "1.5",
                                         "1.",
                                         ".5",
                                         "1e5",
                                         "NaN",
                                         "Infinity",
                                         "1234.56",
                                         "9999.99",
                                         "9999.995",
                                         "10000",
                                         "0.999",
                                         "0.9999",
                                         "1.0",
                                         "99000",
                                         "100000",
                                         "0.000",
                                         "t",
                                         "true",
                                         "TRUE",
                                         "yes",
                                         "on",
                                         "2",
                                         "2024-02-29",
                                         "2023-02-29",
                                         "2024-13-01",
                                         "2024-00-10",
                                         "0000-01-01",
                                         "24-01-01",
                                         "01/02/2024",
                                         "10000-01-01",
                                         "2024-1-1",
                                         "12:00",
                                         "24:00",
                                         "23:59:60",
                                         "23:59:59.999999",
                                         "12:00:00.1234567",
                                         "2024-01-01 12:00",
                                         "2024-01-01T12:00Z",
                                         "2024-01-01 12:00+00",
                                         "2024-01-01 12:00-14:59",
                                         "2024-01-01 12:00+15",
                                         "2024-01-01 12:00 PST8PDT",
                                         "00000000-0000-0000-0000-000000000000",
                                         "00000000000000000000000000000000",
                                         "0000000-00000-0000-0000-000000000000",
                                         "{}",
                                         "[]",
                                         "{\"a\": 1}",
                                         "{\"a\": }",
                                         "{a: 1}",
                                         "[1, 2,]",
                                         "\"x\"",
                                         "\"x",
                                         "\"\\u0000\"",
                                         "\"\\n\"",
                                         "\"\\q\"",
                                         "null",
                                         "nul",
                                         "01",
                                         "-1",
                                         "-",
                                         "[-]",
                                         "[1.2.3]",
                                         "1 2",
                                         "{\"a\" 1}",
                                         "\"a\tb\"",
                                         "10.0.0.1",
                                         "10.0.0.0/8",
                                         "10.0.0.1/8",
                                         "10.0.0.1/33",
                                         "10.0.0.1/08",
                                         "10.0.0",
                                         "10.0.0.256",
                                         "::1",
                                         "::1/128",
                                         "fe80::/10",
                                         "::/129",
                                         "1::2::3",
                                         "::ffff:1.2.3.4",
                                         "\\x",
                                         "\\x0",
                                         "\\x00ff",
                                         "\\xzz",
                                         "\\\\",
                                         "{1}",
                                         "{",
                                         " 1",
                                         "1 ",
                                         "x",
                                         "<a/>",
                                         "1 day",
                                         "(1,2)",
                                         "empty",
                                         "[1,2)",
                                         "08:00:2b:01:02:03",
                                         "\u0661",
                                         "2024\u201301\u201301"};
    std::vector<std::string> all(seeds);
    std::mt19937 random(7);
    for (int count = 0; count < 2500; ++count) {
        std::string text = seeds[random() % seeds.size()];
        switch (random() % 4) {
            case 0:
                text += seeds[random() % seeds.size()];
                break;
            case 1:
                if (!text.empty()) {
                    text[random() % text.size()] = "0123456789-+.:/{}[]\",x "[random() % 23];
                }
                break;
            case 2:
                text.insert(random() % (text.size() + 1), 1, "0123456789-+.:/"[random() % 15]);
                break;
            default:
                if (!text.empty()) {
                    text.erase(random() % text.size(), 1);
                }
        }
        all.push_back(std::move(text));
    }
    return all;
}

}  // namespace

TEST_CASE("a safe constant is never refused by the server", "[mask][server]") {
    Server server;
    std::size_t safe = 0;
    for (const char* style : {"ISO, MDY", "German, DMY", "SQL, YMD"}) {
        server.rows(std::string("SET DateStyle = '") + style + "'; SET TimeZone = 'Asia/Tokyo'");
        for (const Asked& asked : kTypes) {
            for (const std::string& text : candidates()) {
                if (!is_safe_constant(text, type_of(asked.type), asked.typmod)) {
                    continue;
                }
                ++safe;
                INFO(style << ": '" << text << "'::" << asked.sql);
                CHECK(server.succeeds(std::string("SELECT $1::") + asked.sql, {text}));
            }
        }
    }
    CHECK(safe > 1000);
}

TEST_CASE("plain constants of each type are safe", "[mask]") {
    const auto safe = [](Oid type, const char* text, std::int32_t typmod = -1) {
        return is_safe_constant(text, type_of(type), typmod);
    };
    CHECK(safe(16, "false"));
    CHECK(safe(20, "-9223372036854775808"));
    CHECK(safe(21, "32767"));
    CHECK(safe(23, "0"));
    CHECK(safe(1700, "1234.56", numeric_typmod(6, 2)));
    CHECK(safe(1700, "-0.5"));
    CHECK(safe(1082, "1970-01-01"));
    CHECK(safe(1114, "1970-01-01"));
    CHECK(safe(1184, "1970-01-01T00:00:00Z"));
    CHECK(safe(2950, "00000000-0000-0000-0000-000000000000"));
    CHECK(safe(3802, "{\"removed\": true, \"by\": [\"dba\", 1.5, null]}"));
    CHECK(safe(869, "0.0.0.0"));
    CHECK(safe(1009, "{}"));
    // Depends on the session's time zone.
    CHECK_FALSE(safe(1184, "1970-01-01 00:00"));
    CHECK_FALSE(safe(1082, "01/02/2024"));
    CHECK_FALSE(safe(1082, "now"));
    CHECK_FALSE(safe(1700, "12345.6", numeric_typmod(6, 2)));
}
