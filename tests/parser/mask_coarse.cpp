// round, truncate and network, run by PostgreSQL on the outermost and on random values of every
// type, and compared with INTERFACE's definitions: worked out in C++ where a text shows them, and
// by other SQL where it takes numeric's digits.

#include "parser/masking/coarse_masks.h"

#include <arpa/inet.h>

#include <array>
#include <catch2/catch.hpp>
#include <limits>
#include <random>

#include "parser/masking/mask_expression.h"
#include "tests/parser/fixture_catalog.h"
#include "tests/parser/mask_checks.h"
#include "tests/parser/policy_material.h"

using namespace vitrine::parser;
using namespace vitrine::parser::test;
using vitrine::config::Mask;
using vitrine::config::MaskKind;
using vitrine::config::TruncateUnit;

namespace {

Mask round_to(std::string multiple) {
    Mask mask;
    mask.kind = MaskKind::kRound;
    mask.multiple = std::move(multiple);
    return mask;
}

Mask truncate_to(TruncateUnit unit) {
    Mask mask;
    mask.kind = MaskKind::kTruncate;
    mask.unit = unit;
    return mask;
}

Mask network_of(std::uint32_t bits) {
    Mask mask;
    mask.kind = MaskKind::kNetwork;
    mask.network_bits = bits;
    return mask;
}

// A column of a type that public.kinds has none of.
Column column_of_type(const char* name, Oid type, std::int32_t typmod, const char* type_sql) {
    Column column;
    column.name = name;
    column.type = column.base_type = type;
    column.typmod = column.base_typmod = typmod;
    column.type_sql = type_sql;
    return column;
}

constexpr std::int32_t numeric_typmod(int precision, int scale) {
    return ((precision << 16) | (scale & 0x7ff)) + 4;
}

void make_odd(Server& server, const std::string& column, const std::string& type) {
    server.rows("DROP TABLE IF EXISTS pg_temp.odd; CREATE TEMP TABLE odd (n serial, " + column +
                " " + type + ", expected " + type + ")");
}

void add(Server& server, const std::string& column, const Server::Field& value,
         const Server::Field& expected) {
    server.rows("INSERT INTO odd (" + column + ", expected) VALUES ($1, $2)", {value, expected});
}

// Down to a multiple; where that is below the type's range, its lowest one.
std::int64_t rounded(std::int64_t value, std::int64_t multiple, std::int64_t lowest) {
    __extension__ using Wide = __int128;
    Wide down = Wide{value} / multiple * multiple;
    if (down > value) {
        down -= multiple;
    }
    return down < lowest ? lowest / multiple * multiple : static_cast<std::int64_t>(down);
}

template <typename Integer>
void check_integers(Server& server, const char* name, const char* type) {
    using Limits = std::numeric_limits<Integer>;
    const Column column = column_of(name);
    std::mt19937_64 random(5);
    for (const std::int64_t multiple :
         std::initializer_list<std::int64_t>{1, 2, 7, 10, 1000, 32768, 99999, 999999999999999999}) {
        make_odd(server, column.name, type);
        std::vector<Integer> values{0,
                                    1,
                                    -1,
                                    6,
                                    7,
                                    -7,
                                    -8,
                                    10,
                                    -10,
                                    999,
                                    -999,
                                    Limits::max(),
                                    Limits::max() - 1,
                                    Limits::min(),
                                    Limits::min() + 1};
        for (int count = 0; count < 60; ++count) {
            values.push_back(static_cast<Integer>(random()));
        }
        for (const Integer value : values) {
            add(server, column.name, std::to_string(value),
                std::to_string(rounded(value, multiple, Limits::min())));
        }
        add(server, column.name, std::nullopt, std::nullopt);
        check_expected(server, expression(round_to(std::to_string(multiple)), column), column);
    }
}

// `lowest`: what stands where there would be less; empty where there is no such value.
void check_numerics(Server& server, const Column& column, const std::string& type,
                    const std::vector<std::string>& values, const std::string& multiple,
                    const std::string& lowest) {
    make_odd(server, column.name, type);
    for (const std::string& value : values) {
        server.rows("INSERT INTO odd (" + column.name + ") VALUES ($1)", {value});
    }
    const std::string v = column.name + "::numeric";
    const std::string n = "'" + multiple + "'::numeric";
    // Exact: div() gives a whole number.
    std::string sql = "round(div(" + v + ", " + n + ") * " + n + " - CASE WHEN div(" + v + ", " +
                      n + ") * " + n + " > " + v + " THEN " + n + " ELSE 0 END, scale(" + n + "))";
    if (!lowest.empty()) {
        sql = "greatest(" + sql + ", '" + lowest + "')";
    }
    server.rows("UPDATE odd SET expected = " + sql + " WHERE expected IS NULL AND " + column.name +
                "::text NOT IN ('NaN', 'Infinity', '-Infinity')");
    server.rows("UPDATE odd SET expected = " + column.name + " WHERE " + column.name +
                "::text IN ('NaN', 'Infinity', '-Infinity')");
    server.rows("INSERT INTO odd (" + column.name + ") VALUES (NULL)");
    check_expected(server, expression(round_to(multiple), column), column);
}

std::vector<std::string> decimals(std::size_t whole_max, std::size_t fraction_max) {
    std::vector<std::string> values{"0", "1", "-1", "0.1", "-0.1", "NaN"};
    std::mt19937 random(11);
    const auto digits = [&](std::size_t most) {
        std::string text;
        for (auto size = random() % (most + 1); size > 0; --size) {
            text += static_cast<char>('0' + random() % 10);
        }
        return text;
    };
    for (int count = 0; count < 150; ++count) {
        const std::string whole = digits(whole_max);
        values.push_back(std::string(random() % 2 == 0 ? "-" : "") + (whole.empty() ? "0" : whole) +
                         "." + digits(fraction_max) + "0");
    }
    return values;
}

// A date or timestamp as ISO text shows it, cut: `keep` characters before what `rest` replaces.
std::string cut_time(const std::string& text, TruncateUnit unit) {
    if (text.ends_with("infinity")) {
        return text;
    }
    const bool bc = text.ends_with(" BC");
    const std::size_t dash = text.find('-');
    const std::string year = text.substr(0, dash);
    const bool has_time = text.find(':') != std::string::npos;
    const bool has_zone = text.find("+00") != std::string::npos;
    std::string day = text.substr(dash, 6);
    std::string time = has_time ? text.substr(dash + 6, 3) + ":00:00" : "";
    switch (unit) {
        case TruncateUnit::kYear:
            day = "-01-01";
            break;
        case TruncateUnit::kMonth:
            day = day.substr(0, 3) + "-01";
            break;
        case TruncateUnit::kDay:
        case TruncateUnit::kHour:
            break;
    }
    if (has_time && unit != TruncateUnit::kHour) {
        time = " 00:00:00";
    }
    std::string cut = year + day;
    if (bc && year == "4714" && (day == "-01-01" || day == "-11-01")) {
        cut = "4714-11-24";
    }
    return cut + time + (has_zone ? "+00" : "") + (bc ? " BC" : "");
}

void check_times(Server& server, const Column& column, const std::string& type,
                 const std::vector<std::string>& values, TruncateUnit unit) {
    make_odd(server, column.name, type);
    server.rows("SET TimeZone = 'UTC'");
    for (const std::string& value : values) {
        const auto text = server.rows("SELECT ($1::" + type + ")::text", {value})[0][0];
        add(server, column.name, value, cut_time(*text, unit));
    }
    add(server, column.name, std::nullopt, std::nullopt);
    check_expected(server, expression(truncate_to(unit), column), column);
}

// The first bits of the address, as inet's text has them.
std::string network_text(const std::string& text, std::uint32_t bits) {
    const std::string host = text.substr(0, text.find('/'));
    const int family = host.find(':') == std::string::npos ? AF_INET : AF_INET6;
    const std::uint32_t width = family == AF_INET ? 32 : 128;
    if (bits > width) {
        return "0.0.0.0/0";
    }
    std::array<unsigned char, 16> address{};
    REQUIRE(inet_pton(family, host.c_str(), address.data()) == 1);
    for (std::uint32_t bit = bits; bit < width; ++bit) {
        address[bit / 8] = static_cast<unsigned char>(address[bit / 8] & ~(0x80U >> (bit % 8)));
    }
    std::array<char, INET6_ADDRSTRLEN> shown{};
    REQUIRE(inet_ntop(family, address.data(), shown.data(), shown.size()) != nullptr);
    return std::string(shown.data()) + "/" + std::to_string(bits);
}

}  // namespace

TEST_CASE("round, of whole numbers", "[mask][server]") {
    Server server;
    make_evil(server);
    check_integers<std::int16_t>(server, "c_i2", "int2");
    check_integers<std::int32_t>(server, "c_i4", "int4");
    check_integers<std::int64_t>(server, "c_i8", "int8");
}

TEST_CASE("round, of numeric", "[mask][server]") {
    Server server;
    make_evil(server);
    std::vector<std::string> values = decimals(40, 30);
    const std::string nines(131072, '9');
    for (const char* value : {"Infinity", "-Infinity", "2.99999999999999999999999", "1e-16000",
                              "-1e-16000", "123456789012345678901234567890.5"}) {
        values.emplace_back(value);
    }
    const Column any = column_of_type("c_any", 1700, -1, "pg_catalog.\"numeric\"");
    for (const char* multiple :
         {"1", "3", "0.05", "100", "999999999999999999", "0.000000000000000001", "12345.678"}) {
        check_numerics(server, any, "numeric", values, multiple, "");
        // The outermost, with which other SQL would go beyond what a numeric holds.
        server.rows("INSERT INTO odd (c_any) VALUES ($1), ($2)", {nines, "-" + nines});
        CHECK(server.succeeds("SELECT " + expression(round_to(multiple), any) + " FROM odd"));
    }
    // One less would be a digit too many.
    make_odd(server, "c_any", "numeric");
    for (int count = 0; count < 11; ++count) {
        add(server, "c_any", "-" + nines, "-" + nines.substr(0, 131071) + "0");
    }
    check_expected(server, expression(round_to("10"), any), any);

    const Column num = column_of("c_num");  // numeric(6, 2)
    std::vector<std::string> narrow = decimals(4, 1);
    for (const char* value : {"9999.99", "-9999.99", "-9999.00", "-9990", "-9950.01"}) {
        narrow.emplace_back(value);
    }
    check_numerics(server, num, "numeric(6, 2)", narrow, "10", "-9990");
    check_numerics(server, num, "numeric(6, 2)", narrow, "0.05", "-9999.95");
    check_numerics(server, num, "numeric(6, 2)", narrow, "7000", "-7000");
    check_numerics(server, num, "numeric(6, 2)", narrow, "10000", "0");
    const Column fraction =
        column_of_type("c_frac", 1700, numeric_typmod(2, 3), "pg_catalog.\"numeric\"(2,3)");
    check_numerics(server, fraction, "numeric(2, 3)",
                   {"0", "0.099", "-0.099", "0.05", "-0.05", "0.001", "-0.001", "0.01", "-0.01",
                    "NaN", "0.09"},
                   "0.05", "-0.05");
}

TEST_CASE("round, of floats", "[mask][server]") {
    Server server;
    make_evil(server);
    std::vector<std::string> values{"NaN",       "Infinity",
                                    "-Infinity", "0",
                                    "-0",        "0.1",
                                    "0.3",       "123.456",
                                    "-123.456",  "1e15",
                                    "-1e15",     "4.9e-324",
                                    "-4.9e-324", "2.2250738585072014e-308"};
    std::mt19937_64 random(3);
    for (int count = 0; count < 200; ++count) {
        values.push_back(std::to_string(static_cast<double>(random() % 2000000) / 1000.0 - 1000));
    }
    const Column f8 = column_of("c_f8");
    for (const char* multiple : {"1", "0.1", "250", "0.000000000000000001"}) {
        check_numerics(server, f8, "float8", values, multiple, "");
    }
    // Where the digits end: the outermost there are.
    make_odd(server, "c_f8", "float8");
    for (int count = 0; count < 6; ++count) {
        add(server, "c_f8", "1.7976931348623157e308", "1.79769313486231e308");
        add(server, "c_f8", "-1.7976931348623157e308", "-1.79769313486231e308");
    }
    check_expected(server, expression(round_to("100"), f8), f8);
    const Column f4 = column_of_type("c_f4", 700, -1, "pg_catalog.float4");
    make_odd(server, "c_f4", "float4");
    for (const auto& [value, wanted] :
         std::vector<std::pair<const char*, const char*>>{{"3.4028235e38", "3.4028234e38"},
                                                          {"-3.4028235e38", "-3.4028234e38"},
                                                          {"1234567", "1234500"},
                                                          {"-1234567", "-1234600"},
                                                          {"1e-45", "0"},
                                                          {"-1e-45", "-100"},
                                                          {"0", "0"},
                                                          {"-0", "0"},
                                                          {"NaN", "NaN"},
                                                          {"Infinity", "Infinity"},
                                                          {"-Infinity", "-Infinity"}}) {
        add(server, "c_f4", value, wanted);
    }
    add(server, "c_f4", std::nullopt, std::nullopt);
    check_expected(server, expression(round_to("100"), f4), f4);
    for (const char* value : {"3.4028235e38", "-1e-45", "1e-38"}) {
        server.rows("INSERT INTO odd (c_f4) VALUES ($1)", {value});
    }
    CHECK(server.succeeds("SELECT " + expression(round_to("0.000000000000000001"), f4) +
                          " FROM odd"));
}

TEST_CASE("truncate, of dates and timestamps", "[mask][server]") {
    Server server;
    make_evil(server);
    std::mt19937 random(17);
    std::vector<std::string> dates{
        "infinity",      "-infinity",     "4714-11-24 BC", "4714-12-31 BC", "4713-01-01 BC",
        "4713-12-31 BC", "0001-01-01 BC", "0001-12-31 BC", "0001-01-01",    "0004-02-29",
        "1582-10-10",    "1600-02-29",    "1900-02-28",    "1999-12-31",    "2000-01-01",
        "2000-02-29",    "2024-02-29",    "2024-12-31",    "9999-12-31",    "294276-12-31",
        "294277-01-01",  "5874897-12-31", "5874897-01-01", "0401-03-01 BC"};
    for (int count = 0; count < 300; ++count) {
        const auto date = server.rows("SELECT ('4714-11-24 BC'::date + $1::int)::text",
                                      {std::to_string(random() % 2147483493)});
        dates.push_back(*date[0][0]);
    }
    for (const TruncateUnit unit : {TruncateUnit::kYear, TruncateUnit::kMonth}) {
        check_times(server, column_of("c_date"), "date", dates, unit);
    }
    std::vector<std::string> times{"infinity",
                                   "-infinity",
                                   "4714-11-24 00:00:00 BC",
                                   "4714-11-24 13:59:59.999 BC",
                                   "4714-12-31 23:59:59 BC",
                                   "4713-01-01 00:00:00 BC",
                                   "4713-06-01 01:00 BC",
                                   "0001-12-31 23:59:59.999 BC",
                                   "0001-01-01",
                                   "1969-12-31 23:59:59.999",
                                   "2000-02-29 23:00",
                                   "2024-03-31 01:30",
                                   "2024-10-27 00:59:59.5",
                                   "294276-12-31 23:59:59.999"};
    for (int count = 0; count < 300; ++count) {
        const auto time = server.rows(
            "SELECT (timestamp '1970-01-01' + make_interval(secs => ($1::bigint - 60000000000)))"
            "::timestamp(3)::text",
            {std::to_string(random() * 30LL)});
        times.push_back(*time[0][0]);
    }
    for (const TruncateUnit unit :
         {TruncateUnit::kYear, TruncateUnit::kMonth, TruncateUnit::kDay, TruncateUnit::kHour}) {
        check_times(server, column_of("c_ts"), "timestamp(3)", times, unit);
        check_times(server, column_of("c_tstz"), "timestamptz", times, unit);
    }
}

TEST_CASE("network, of addresses", "[mask][server]") {
    Server server;
    make_evil(server);
    std::vector<std::string> addresses{"0.0.0.0",
                                       "255.255.255.255",
                                       "10.1.2.3/8",
                                       "10.0.0.0/8",
                                       "192.168.1.255/32",
                                       "1.2.3.4/0",
                                       "::",
                                       "::1",
                                       "fe80::1/10",
                                       "2001:db8::/32",
                                       "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                                       "::ffff:1.2.3.4",
                                       "64:ff9b::1.2.3.4/96"};
    std::mt19937 random(23);
    for (int count = 0; count < 60; ++count) {
        std::string v4;
        std::string v6;
        for (int part = 0; part < 8; ++part) {
            v4 += part >= 4 ? "" : (part > 0 ? "." : "") + std::to_string(random() % 256);
            v6 += (part > 0 ? ":" : "") + std::to_string(random() % 10000);
        }
        addresses.push_back(v4);
        addresses.push_back(v6);
    }
    for (const std::uint32_t bits : {0U, 1U, 8U, 23U, 24U, 31U, 32U, 33U, 64U, 127U, 128U}) {
        for (const char* type : {"inet", "cidr"}) {
            const Column column = column_of(type == std::string("inet") ? "c_inet" : "c_cidr");
            make_odd(server, column.name, type);
            for (const std::string& address : addresses) {
                const std::string value =
                    type == std::string("inet")
                        ? address
                        : *server.rows("SELECT network($1::inet)::text", {address})[0][0];
                add(server, column.name, value, network_text(value, bits));
            }
            add(server, column.name, std::nullopt, std::nullopt);
            check_expected(server, expression(network_of(bits), column), column);
        }
    }
}

TEST_CASE("round, truncate and network refuse the types they are not for", "[mask]") {
    std::string why;
    const auto refused = [&](const Mask& mask, const Column& column) {
        why.clear();
        return !mask_expression(mask, column, *fixture_catalog(), why, column) && !why.empty();
    };
    for (const char* name : {"c_text", "c_date", "c_jsonb", "c_enum", "c_arr", "c_bool", "c_iv"}) {
        INFO(name);
        CHECK(refused(round_to("10"), column_of(name)));
        CHECK(refused(network_of(24), column_of(name)));
    }
    for (const char* name : {"c_text", "c_i4", "c_time", "c_iv", "c_jsonb"}) {
        INFO(name);
        CHECK(refused(truncate_to(TruncateUnit::kYear), column_of(name)));
    }
    CHECK(refused(truncate_to(TruncateUnit::kDay), column_of("c_date")));
    CHECK(why == "a date truncated to the day is the date as it is; write year or month");
    CHECK(refused(truncate_to(TruncateUnit::kHour), column_of("c_date")));
    CHECK(refused(round_to("0.5"), column_of("c_i4")));
    CHECK(why == "multiples of 0.5 are no whole numbers, and the column is integer");
    CHECK(refused(round_to("0.005"), column_of("c_num")));
    CHECK(why ==
          "multiples of 0.005 have more digits behind the point than numeric(6,2) has room for");
    CHECK(refused(round_to("1000"), column_of_type("c_neg", 1700, numeric_typmod(2, -3),
                                                   "pg_catalog.\"numeric\"(2,-3)")));
}
