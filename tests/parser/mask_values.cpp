// The masks' SQL, run by PostgreSQL on thousands of odd values of every type that takes them, and
// compared with INTERFACE's definitions written out again in C++.

#include "parser/masking/mask_expression.h"

#include <openssl/sha.h>

#include <array>
#include <catch2/catch.hpp>
#include <functional>
#include <random>

#include "tests/parser/fixture_catalog.h"
#include "tests/parser/mask_checks.h"
#include "tests/parser/mask_server.h"
#include "tests/parser/policy_material.h"

using namespace vitrine::parser;
using namespace vitrine::parser::test;
using vitrine::config::Mask;
using vitrine::config::MaskKind;

namespace {

// OpenSSL sets itself up with the first digest, and that needs pthread keys; libpg_query keeps one
// for each thread that ever judged. So it is done before any does.
const bool kOpenSslReady = [] {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    return SHA256(digest.data(), digest.size(), digest.data()) != nullptr;
}();

// --- the definitions, a second time ---------------------------------------------------------

std::vector<std::string> characters(const std::string& utf8) {
    std::vector<std::string> list;
    for (const char c : utf8) {
        if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
            list.emplace_back();
        }
        list.back() += c;
    }
    return list;
}

std::string partial_of(const std::string& value, const Mask& mask) {
    const auto all = characters(value);
    std::string masked;
    for (std::size_t at = 0; at < all.size(); ++at) {
        const bool kept = all.size() > std::size_t{mask.keep_start} + mask.keep_end &&
                          (at < mask.keep_start || at >= all.size() - mask.keep_end);
        masked += kept ? all[at] : mask.with;
    }
    return masked;
}

std::string email_of(const std::string& value) {
    const std::size_t at = value.find('@');
    return "****@" + (at == std::string::npos ? "" : value.substr(at + 1));
}

std::string hash_hex(const std::string& value) {
    REQUIRE(kOpenSslReady);
    const std::string text = kKey + value;
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    std::string hex;
    for (const unsigned char byte : digest) {
        hex += "0123456789abcdef"[byte >> 4];
        hex += "0123456789abcdef"[byte & 15];
    }
    return hex;
}

// --- the types -------------------------------------------------------------------------------

std::string first_characters(const std::string& value, std::size_t count) {
    std::string cut;
    for (const std::string& character : characters(value)) {
        if (count-- == 0) {
            break;
        }
        cut += character;
    }
    return cut;
}

std::string without_blanks(std::string value) {
    while (value.ends_with(' ')) {
        value.pop_back();
    }
    return value;
}

// What a cast from text to the type keeps, and what text shows of it again.
std::string same(const std::string& value) {
    return value;
}
std::string five(const std::string& value) {
    return first_characters(value, 5);
}
std::string eight_blanks(const std::string& value) {
    return without_blanks(first_characters(value, 8));
}
std::string name_of(const std::string& value) {
    std::string cut;
    for (const std::string& character : characters(value)) {
        if (cut.size() + character.size() > 63) {
            break;
        }
        cut += character;
    }
    return cut;
}

struct TextType {
    const char* column;  // of public.kinds
    std::function<std::string(const std::string&)> stored;
};

const std::vector<TextType> kTextTypes{
    {"c_text", same},          {"c_vc", same},      {"c_vc5", five}, {"c_ch8", eight_blanks},
    {"c_bpc", without_blanks}, {"c_name", name_of}, {"c_ci", same},  {"c_dom", same},
    {"c_coll", same},          {"c_nondet", same},
};

// --- values ----------------------------------------------------------------------------------

std::vector<std::string> odd_values() {
    const std::vector<std::string> pieces{"",       " ",
                                          "  ",     "@",
                                          "@@",     "a",
                                          "Z",      "0",
                                          "é",      "e\u0301",
                                          "ß",      "日本",
                                          "😀",      "👩‍👩‍👧",
                                          "\u200d", "'",
                                          "\"",     "\\",
                                          "\\x41",  "$1",
                                          "%s",     "\n",
                                          "\r\n",   "\t",
                                          "\x01",   "NULL",
                                          "--",     "/*",
                                          ";",      "ada@mail.example",
                                          "İ",      "ﬁ",
                                          "\uFEFF", "�",
                                          "x@y@z"};
    std::vector<std::string> values(pieces);
    std::mt19937 random(20261124);
    for (int count = 0; count < 1000; ++count) {
        std::string value;
        for (auto size = random() % 12; size > 0; --size) {
            value += pieces[random() % pieces.size()];
        }
        values.push_back(std::move(value));
    }
    std::string large;
    while (large.size() < 500'000) {
        large += "long 😀 value ";
    }
    values.push_back(large + "@" + large);
    return values;
}

// A table of the odd values with a row of NULL at its end; c_dom is a domain that takes anything.
void make_values(Server& server) {
    server.rows(
        "CREATE COLLATION pg_temp.nondet (provider = icu, locale = 'und', deterministic = false);"
        "CREATE DOMAIN pg_temp.anything AS text CHECK (VALUE <> 'never');"
        "CREATE TEMP TABLE odd (n integer, c_text text, c_vc varchar, c_vc5 varchar(5),"
        " c_ch8 char(8), c_bpc bpchar, c_name name, c_ci public.citext, c_dom pg_temp.anything,"
        " c_coll text COLLATE \"C\", c_nondet text COLLATE pg_temp.nondet)");
    int number = 0;
    for (const std::string& value : odd_values()) {
        server.rows(
            "INSERT INTO odd SELECT $1::integer, v, v, v::varchar(5), v::char(8), v::bpchar,"
            " v::name, v, v, v, v FROM (SELECT $2::text) AS t (v)",
            {std::to_string(++number), value});
    }
    server.rows("INSERT INTO odd (n) VALUES (" + std::to_string(++number) + ")");
    server.rows("SELECT set_config('vitrine.mask_key', $1, false)", {kKey});
}

// The mask's value for every row, beside the raw one, under each of the sessions; and its type.
void check_values(Server& server, const Mask& mask, const Column& column,
                  const std::function<std::string(const std::string&)>& expected) {
    const std::string sql = expression(mask, column);
    const std::string name = quoted_identifier(column.name);
    INFO(sql);
    const auto raw = server.rows("SELECT " + name + "::pg_catalog.text FROM odd ORDER BY n");
    REQUIRE(raw.size() > 10);
    std::vector<Server::Field> wanted;
    for (const auto& row : raw) {
        wanted.push_back(row[0] ? Server::Field(expected(*row[0])) : std::nullopt);
    }
    for (const std::string& session : odd_sessions()) {
        INFO(session);
        server.rows(session);
        const auto masked = server.rows("SELECT (SELECT x FROM (SELECT " + sql +
                                        " AS x) s)::pg_catalog.text FROM odd ORDER BY n");
        REQUIRE(masked.size() == raw.size());
        std::size_t wrong = 0;
        for (std::size_t row = 0; row < raw.size(); ++row) {
            if (masked[row][0] != wanted[row] && wrong++ < 3) {
                UNSCOPED_INFO("raw " << raw[row][0].value_or("NULL").substr(0, 200) << "\nmasked "
                                     << masked[row][0].value_or("NULL").substr(0, 200)
                                     << "\nexpected "
                                     << wanted[row].value_or("NULL").substr(0, 200));
            }
        }
        CHECK(wrong == 0);
        reset_session(server);
    }
    // Another client encoding: what the server cannot send, it need not be asked for.
    server.rows("SET client_encoding = LATIN1");
    CHECK(server.rows("SELECT count(x) FROM (SELECT " + sql + " AS x FROM odd) s").size() == 1);
    server.rows("SET client_encoding = UTF8");
    // The column's base type, typmod and collation.
    server.rows("DROP TABLE IF EXISTS pg_temp.masked; CREATE TEMP TABLE masked AS SELECT " + sql +
                " AS x FROM odd WITH NO DATA");
    const auto shape = server.rows(
        "SELECT a.atttypid = $2::oid, a.atttypmod = $3::int, a.attcollation = c.attcollation"
        " FROM pg_attribute a, pg_attribute c WHERE a.attrelid = 'pg_temp.masked'::regclass"
        " AND a.attnum = 1 AND c.attrelid = 'pg_temp.odd'::regclass AND c.attname = $1",
        {column.name, std::to_string(column.base_type), std::to_string(column.base_typmod)});
    CHECK(shape == std::vector<Server::Row>{{"t", "t", "t"}});
}

}  // namespace

TEST_CASE("masks of text, on odd values", "[mask][server]") {
    Server server;
    make_evil(server);
    make_values(server);
    const std::vector<Mask> partials{partial(0, 4),       partial(2, 0),
                                     partial(1, 1, "•"),  partial(0, 0),
                                     partial(3, 4, ""),   partial(1, 2, "'\\x"),
                                     partial(0, 0, "ab"), partial(4000000000, 4000000000)};
    for (const TextType& type : kTextTypes) {
        const Column column = column_of(type.column);
        for (const Mask& mask : partials) {
            check_values(server, mask, column, [&](const std::string& value) {
                return type.stored(partial_of(value, mask));
            });
        }
        check_values(server, mask(MaskKind::kEmail), column,
                     [&](const std::string& value) { return type.stored(email_of(value)); });
        check_values(server, mask(MaskKind::kHash), column, [&](const std::string& value) {
            return type.stored("h_" + hash_hex(value).substr(0, 16));
        });
    }
}

TEST_CASE("hash of numbers and uuids", "[mask][server]") {
    Server server;
    make_evil(server);
    server.rows(
        "CREATE TEMP TABLE odd AS SELECT row_number() OVER () AS n, v AS c_i8,"
        " CASE WHEN v BETWEEN -2147483648 AND 2147483647 THEN v::integer END AS c_i4,"
        " md5(v::text)::uuid AS c_uuid FROM (SELECT generate_series(-500, 500)::bigint"
        " UNION ALL VALUES (9223372036854775807), (-9223372036854775808), (2147483647),"
        " (-2147483648), (NULL)) t (v)");
    server.rows("SELECT set_config('vitrine.mask_key', $1, false)", {kKey});
    check_values(server, mask(MaskKind::kHash), column_of("c_i8"), [](const std::string& value) {
        return std::to_string(std::stoull(hash_hex(value).substr(0, 15), nullptr, 16));
    });
    check_values(server, mask(MaskKind::kHash), column_of("c_i4"), [](const std::string& value) {
        return std::to_string(std::stoull(hash_hex(value).substr(0, 7), nullptr, 16));
    });
    check_values(server, mask(MaskKind::kHash), column_of("c_uuid"), [](const std::string& value) {
        std::string hex = hash_hex(value).substr(0, 32);
        for (const std::size_t dash : {20U, 16U, 12U, 8U}) {
            hex.insert(dash, "-");
        }
        return hex;
    });
}

TEST_CASE("null and constant, on every type", "[mask][server]") {
    Server server;
    const std::vector<std::pair<std::string, std::string>> constants{
        {"c_text", "[removed]"},
        {"c_vc5", "too long by far"},
        {"c_ch8", "'\\"},
        {"c_name", "n"},
        {"c_ci", "Ci"},
        {"c_dom", "breaks its CHECK"},
        {"c_i4", "-7"},
        {"c_uuid", "00000000-0000-0000-0000-000000000000"},
        {"c_num", "12.5"},
        {"c_bool", "false"},
        {"c_date", "2000-02-29"},
        {"c_ts", "2000-01-01 12:00"},
        {"c_tstz", "2000-01-01 12:00+00"},
        {"c_jsonb", "{\"a\": [1, \"x\"]}"},
        {"c_inet", "10.0.0.1/8"},
        {"c_enum", "paid"},
        {"c_arr", "{}"},
        {"c_bytea", "\\x00ff"}};
    const auto rows_of = [&](const std::string& sql) {
        return server.rows("SELECT DISTINCT x::text FROM (SELECT " + sql +
                           " AS x FROM public.kinds) s");
    };
    const auto type_of = [&](const std::string& sql) {
        server.rows("DROP TABLE IF EXISTS pg_temp.masked; CREATE TEMP TABLE masked AS SELECT " +
                    sql + " AS x FROM public.kinds WITH NO DATA");
        return server.rows(
            "SELECT atttypid, atttypmod FROM pg_attribute"
            " WHERE attrelid = 'pg_temp.masked'::regclass AND attnum = 1")[0];
    };
    const Relation* kinds = fixture_catalog()->relation("public", "kinds");
    REQUIRE(kinds != nullptr);
    for (const Column& column : kinds->columns) {
        const std::string sql = expression(mask(MaskKind::kNull), column);
        INFO(sql);
        CHECK(rows_of(sql) == std::vector<Server::Row>{{std::nullopt}});
        CHECK(type_of(sql) ==
              Server::Row{std::to_string(column.base_type), std::to_string(column.base_typmod)});
    }
    for (const auto& [name, text] : constants) {
        const Column column = column_of(name.c_str());
        const std::string sql = expression(constant(text), column);
        INFO(sql);
        // NULLs are replaced too.
        const auto rows = rows_of(sql);
        REQUIRE(rows.size() == 1);
        CHECK(rows[0][0].has_value());
        CHECK(rows == server.rows("SELECT $1::" + column.type_sql + "::text", {text}));
        CHECK(type_of(sql) ==
              Server::Row{std::to_string(column.base_type), std::to_string(column.base_typmod)});
    }
}

TEST_CASE("the key is read from the session, and stands in no expression", "[mask][server]") {
    const std::string sql = expression(mask(MaskKind::kHash), column_of("c_text"));
    CHECK(sql.find("current_setting('vitrine.mask_key')") != std::string::npos);
    Server server;
    // Without a key nothing is masked with an empty one: the statement fails.
    CHECK_FALSE(server.succeeds("SELECT " + sql + " FROM public.kinds"));
    server.rows("SET vitrine.mask_key = 'one'");
    const auto one = server.rows("SELECT " + sql + " FROM public.kinds WHERE id = 1");
    server.rows("SET vitrine.mask_key = 'two'");
    CHECK(server.rows("SELECT " + sql + " FROM public.kinds WHERE id = 1") != one);
}

TEST_CASE("masks refuse the types they are not for", "[mask]") {
    std::string why;
    const auto refused = [&](const Mask& mask, const char* name) {
        why.clear();
        const Column column = column_of(name);
        return !mask_expression(mask, column, *fixture_catalog(), why, column) && !why.empty();
    };
    for (const char* name : {"c_i4", "c_num", "c_date", "c_jsonb", "c_enum", "c_arr", "c_bytea",
                             "c_inet", "c_bool", "c_comp", "c_range", "c_xml"}) {
        INFO(name);
        CHECK(refused(mask(MaskKind::kEmail), name));
        CHECK(refused(partial(0, 4), name));
        CHECK(refused(constant("surely not"), name));
    }
    for (const char* name : {"c_i2", "c_num", "c_f8", "c_date", "c_tstz", "c_jsonb", "c_enum",
                             "c_arr", "c_bytea", "c_bool"}) {
        INFO(name);
        CHECK(refused(mask(MaskKind::kHash), name));
    }
    CHECK(refused(mask(MaskKind::kHash), "c_num"));
    CHECK(why ==
          "the mask \"hash\" is for text, bigint, integer and uuid, and the column is "
          "numeric(6,2)");
}

TEST_CASE("names and literals are quoted", "[mask]") {
    CHECK(quoted_identifier("E-Mail") == "\"E-Mail\"");
    CHECK(quoted_identifier("a\"b") == "\"a\"\"b\"");
    CHECK(quoted_literal("it's") == "'it''s'");
    CHECK(quoted_literal("\\'") == "E'\\\\'''");
    CHECK(quoted_literal("") == "''");
}
