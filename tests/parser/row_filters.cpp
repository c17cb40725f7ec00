// Row filters: what of a DBA's SQL is taken, what it becomes, and that it says the same in every
// session.

#include "parser/masking/written_sql.h"

#include <catch2/catch.hpp>

#include "tests/parser/fixture_catalog.h"
#include "tests/parser/mask_checks.h"
#include "tests/parser/policy_material.h"

using namespace vitrine::parser;
using namespace vitrine::parser::test;

namespace {

const Relation& kinds() {
    const Relation* relation = fixture_catalog()->relation("public", "kinds");
    REQUIRE(relation != nullptr);
    return *relation;
}

std::optional<std::string> written(const std::string& sql, std::string& why,
                                   const std::vector<std::string>& allow = {}) {
    const auto policy = compile_policy(fixture_catalog(), {}, functions(allow), {});
    return written_filter(sql, kinds(), *policy, why);
}

// Why it is refused; empty where it is not.
std::string refusal(const std::string& sql, const std::vector<std::string>& allow = {}) {
    std::string why;
    const bool taken = written(sql, why, allow).has_value();
    CHECK(taken == why.empty());
    return why;
}

constexpr const char* kGood[] = {
    "c_text = 'a'",
    "C_TEXT <> 'a'",
    "\"c_text\" IN ('a', 'b') AND NOT c_vc = 'x' -- the end",
    "c_vc5 = 'abc' OR c_vc5 IS NULL",
    "c_vc5 < c_text",
    "c_vc LIKE 'a%' AND lower(c_vc) ILIKE '%B%' AND upper(c_text) NOT LIKE 'x'",
    "c_text SIMILAR TO 'a|b'",
    "c_ch8 = 'abc'",
    "c_bpc <> c_ch8",
    "c_name = 'ada'",
    "c_dom > 'A'",
    "c_coll < 'b' COLLATE \"C\"",
    "c_i2 = 5 AND c_i4 > 7 AND c_i8 < 10000000000 AND c_i2 < c_i8",
    "c_i4 BETWEEN -5 AND 5",
    "c_i4 % 2 = 0",
    "c_i4 + c_i2 > c_num",
    "c_num > 5 AND c_num <= 100.5 AND c_f8 > 1e3",
    "c_num = 5::numeric",
    "c_f8 < c_i4",
    "c_bool",
    "NOT c_bool",
    "c_bool IS NOT TRUE",
    "c_bool = true OR c_bool = 'f'",
    "c_uuid = '00000000-0000-0000-0000-000000000001'",
    "c_date >= '2026-01-31'",
    "c_date < date '2026-01-31' + 30",
    "c_date + 7 > DATE '2026-02-01'",
    "c_date > c_ts",
    "c_ts > '2026-01-31 12:34' AND c_ts <= timestamp 'infinity'",
    "date_trunc('month', c_ts) = '2026-01-01'",
    "extract(year from c_date) = 2026",
    "c_tstz > '2026-01-31 12:34:56+00'",
    "c_tstz > '2026-01-31 12:34:56.5Z' AND c_tstz < now()",
    "c_tstz AT TIME ZONE 'UTC' > '2026-01-31'",
    "date_trunc('day', c_tstz AT TIME ZONE 'UTC') = (now() AT TIME ZONE 'UTC')::date",
    "c_tstz AT TIME ZONE 'UTC' > (now() AT TIME ZONE 'UTC') - interval '90 days'",
    "c_time < '12:30'",
    "c_iv > '1 day'",
    "c_ts + '1 day' > '2026-01-31'",
    "c_jsonb ->> 'k' = 'v' AND c_jsonb -> 'n' = '1' AND c_jsonb @> '{\"a\": 1}'",
    "c_jsonb ? 'k'",
    "c_json ->> 'k' = 'v'",
    "(c_jsonb ->> 'n')::integer > 3",
    "c_inet << '10.0.0.0/8'",
    "c_cidr = '10.0.0.0/8'",
    "c_bytea = '\\x00'",
    "c_enum = 'paid' AND c_enum <> ALL ('{new,returned}')",
    "c_enum IN ('paid', 'shipped')",
    "'a' = ANY (c_arr)",
    "c_arr @> '{a,b}' AND c_arr[1] = 'a' AND cardinality(c_arr) = 2",
    "c_text = ANY (ARRAY['a', 'b'])",
    "c_text = ANY ('{a,b}')",
    "c_bit = b'101'",
    "CASE WHEN c_i4 > 3 THEN c_bool ELSE false END",
    "CASE c_text WHEN 'a' THEN 1 ELSE 2 END = 1",
    "COALESCE(c_text, 'x') <> 'x'",
    "GREATEST(c_i4, 5) = 5",
    "NULLIF(c_text, 'a') IS NULL",
    "length(c_text) > 3",
    "left(c_vc, 1) = 'a'",
    "starts_with(c_text, 'a')",
    "c_text ~ '^[a-z]+$'",
    "c_text || c_vc = 'ab'",
    "md5(c_text) > '8'",
    "abs(c_i4) = 5",
    "mod(c_i8, 3) = 0",
    "true",
    "1 = 1",
};

}  // namespace

TEST_CASE("a filter is one condition over the table's columns", "[filter]") {
    for (const char* sql : kGood) {
        INFO(sql);
        CHECK(refusal(sql).empty());
        CHECK(written_problem(sql).empty());
    }
    const std::pair<const char*, const char*> bad[] = {
        {"", "no SQL"},
        {"c_text =", "no SQL"},
        {"c_text = 'a'; SELECT 1", "no SQL"},
        {"c_text = 'a', true", "more than one"},
        {"c_textt = 'a'", "names c_textt"},
        {"kinds.c_text = 'a'", "names kinds.c_text"},
        {"value = 'a'", "names value"},
        {"tableoid = 1", "names tableoid"},
        {"kinds IS NULL", "names kinds"},
        {"c_text IN (SELECT email FROM public.customers)", "sub-select"},
        {"EXISTS (SELECT 1)", "sub-select"},
        {"count(*) > 1", "aggregate"},
        {"max(c_text) = 'a'", "not for one value"},
        {"row_number() OVER () = 1", "aggregate"},
        {"generate_series(1, 2) = 1", "set of rows"},
        {"c_text = $1", "parameter"},
        {"c_text", "no condition"},
        {"c_i4", "no condition"},
        {"c_i4 AND true", "no condition"},
        {"NULL", "no condition"},
        {"c_text || 'x'", "no condition"},
        {"random() < 0.5", "volatile"},
        {"c_tstz < clock_timestamp()", "volatile"},
        {"pg_read_file(c_text) = 'x'", ""},
        {"public.add_tax(c_num) > 1", ""},
        {"current_setting('app.region') = c_text", ""},
        {"set_config('a.b', c_text, false) = 'x'", ""},
        {"c_text = current_user", ""},
        {"pg_has_role('dba', 'member')", ""},
        {"c_text = nothing(c_text)", ""},
        {"(c_comp).city = 'x'", "field"},
        {"c_text IS DISTINCT FROM 'a'", "IS DISTINCT FROM"},
    };
    for (const auto& [sql, why] : bad) {
        INFO(sql);
        const std::string said = refusal(sql);
        CHECK_FALSE(said.empty());
        CHECK_THAT(said, Catch::Contains(why));
    }
    // Of these the catalog need not be asked.
    CHECK_THAT(written_problem("c_text ="), Catch::Contains("no SQL"));
    CHECK_THAT(written_problem("x IN (SELECT 1)"), Catch::Contains("sub-select"));
    CHECK_THAT(written_problem("count(*) > 1"), Catch::Contains("aggregate"));
    CHECK_THAT(written_problem("a; b"), Catch::Contains("no SQL"));
}

TEST_CASE("a function of the DBA's in a filter is one that is allowed, and not volatile",
          "[filter]") {
    const auto* function = fixture_catalog()->functions("add_tax")[0];
    INFO(function->volatility);
    const std::string why = refusal("public.add_tax(c_num) > 1", {"public.add_tax(numeric)"});
    CHECK(why.empty() == (function->volatility != 'v'));
}

// A user sets these as they like; each of the filters would keep other rows.
TEST_CASE("a filter does not hang on the session's settings", "[filter]") {
    for (const char* sql : {"c_tstz > '2026-01-31'",                   // TimeZone
                            "c_tstz > '2026-01-31 12:34:56'",          // TimeZone
                            "c_tstz >= '31.01.2026 12:00+00'",         // DateStyle
                            "c_date > '01/02/2026'",                   // DateStyle
                            "c_date = 'today'",                        // TimeZone
                            "c_ts < 'now'",                            // TimeZone
                            "c_date = '31 Jan 2026'",                  // DateStyle in the end
                            "c_ts > '2026-01-31 12:00 PM'",            //
                            "c_date = ANY ('{01/02/2026}')",           //
                            "c_date IN ('2026-01-01', '01/02/2026')",  //
                            "COALESCE(c_date, '01/02/2026') > '2026-01-01'",
                            "CASE WHEN c_bool THEN c_date ELSE '01/02/2026' END > '2026-01-01'",
                            "GREATEST(c_date, '1/2/2026') > '2026-01-01'",
                            "c_tstz::date > '2026-01-31'",
                            "c_tstz > c_ts",
                            "c_tstz > c_date",
                            "c_ts > now()",
                            "c_tstz > now() - interval '90 days'",
                            "date_trunc('day', c_tstz) = '2026-01-31 00:00+00'",
                            "date_trunc('month', c_date) = '2026-01-01 00:00+00'",
                            "age(c_date, '2026-01-01'::date) > '1 day'",
                            "age(c_tstz, '2026-01-01 00:00+00') > '1 day'",
                            "c_tstz AT TIME ZONE 'EST' > '2026-01-31'",
                            "c_tstz AT TIME ZONE c_text > '2026-01-31'",
                            "timezone('IST', c_tstz) > '2026-01-31'",
                            "quote_ident(c_text) = c_text",
                            "c_arr = '{a,NULL}'",
                            "array_replace(ARRAY[c_date], '1/2/2026', '2026-01-02') IS NULL",
                            "extract(hour from c_tstz) < 12",
                            "to_char(c_ts, 'TMMonth') = 'May'",
                            "c_tstz::text LIKE '2026%'",
                            "c_date::text LIKE '2026%'",
                            "c_bytea::text LIKE '\\x%'",
                            "c_f8::text = '0.1'",
                            "c_iv > '-1 day 2 hours'",
                            "concat(c_date, '') LIKE '2026%'",
                            "format('%s', c_ts) = 'x'",
                            "c_text::date > '2026-01-31'",
                            "c_text = ('2026-01-31'::date)::text",
                            "c_i4 = 'kinds'::regclass",
                            "to_tsvector(c_text) @@ to_tsquery('x')",
                            "c_text = any (array['01/02/2026'::date]::text[])",
                            "c_range @> 3 AND c_range = '[1,2)'"}) {
        INFO(sql);
        CHECK_FALSE(refusal(sql).empty());
    }
}

TEST_CASE("a filter keeps the same rows in every session", "[filter][server]") {
    Server server;
    make_evil(server);
    reset_session(server);
    server.rows(
        "CREATE TEMP TABLE filtered (LIKE public.kinds, expected boolean);"
        "INSERT INTO filtered (id, c_text, c_vc, c_vc5, c_ch8, c_bpc, c_name, c_dom, c_coll, c_i2,"
        " c_i4, c_i8, c_uuid, c_num, c_f8, c_bool, c_date, c_ts, c_tstz, c_time, c_iv, c_json, "
        "c_jsonb,"
        " c_inet, c_cidr, c_bytea, c_enum, c_arr, c_bit)"
        " SELECT n, chr(96 + n), chr(97 + n), repeat(chr(96 + n), n), 'abc', 'abc', 'ada',"
        " 'ABCDEF-12-000' || n, chr(96 + n), n, n * 3 - 5, n * 4000000000,"
        " ('00000000-0000-0000-0000-00000000000' || n)::uuid, n * 40, n * 400, n % 2 = 0,"
        " date '2026-01-27' + n, timestamp '2026-01-30 12:00' + n * interval '8 hours',"
        " timestamptz '2026-01-30 12:00+00' + n * interval '8 hours',"
        " time '12:00' + n * interval '10 min',"
        " n * interval '10 hours', json_build_object('k', 'v'),"
        " jsonb_build_object('k', 'v', 'n', n, 'a', 1),"
        " ('10.0.0.' || n)::inet, '10.0.0.0/8', '\\x00',"
        " (ARRAY['new', 'paid', 'shipped'])[1 + n % 3]::public.order_status,"
        " ARRAY['a', 'b'], b'101' FROM generate_series(1, 5) n;"
        "INSERT INTO filtered (id) VALUES (6)");
    const std::string count = "SELECT count(*) FROM filtered WHERE expected IS DISTINCT FROM (";
    for (const char* sql : kGood) {
        INFO(sql);
        std::string why;
        const auto filter = written(sql, why);
        INFO(why);
        REQUIRE(filter);
        INFO(*filter);
        reset_session(server);
        server.rows(
            "SET TimeZone = 'UTC'; SET DateStyle = 'ISO';"
            " SET search_path = pg_catalog, public");
        server.rows("UPDATE filtered SET expected = (" + std::string(sql) + "\n)");
        for (const char* settings :
             {"SET TimeZone = 'UTC'",
              "SET TimeZone = '<X>+167'; SET DateStyle = 'SQL, DMY';"
              " SET IntervalStyle = sql_standard; SET search_path = pg_catalog;"
              " SET bytea_output = escape; SET extra_float_digits = 0",
              "SET TimeZone = 'Pacific/Kiritimati'; SET DateStyle = 'German';"
              " SET search_path = evil, pg_catalog; SET standard_conforming_strings = off; SET "
              "quote_all_identifiers = on"}) {
            INFO(settings);
            server.rows(settings);
            CHECK(server.rows(count + *filter + ")") == std::vector<Server::Row>{{"0"}});
        }
    }
    reset_session(server);
}
