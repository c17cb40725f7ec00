// A DBA's own SQL: what of it is taken, what it becomes, and what it gives on a server.

#include "parser/masking/written_sql.h"

#include <catch2/catch.hpp>

#include "parser/masking/mask_expression.h"
#include "tests/parser/fixture_catalog.h"
#include "tests/parser/mask_checks.h"
#include "tests/parser/policy_material.h"

using namespace vitrine::parser;
using namespace vitrine::parser::test;

namespace {

std::shared_ptr<const Policy> policy_of(const std::vector<std::string>& allow = {}) {
    return compile_policy(fixture_catalog(), {}, functions(allow), {});
}

// Why it is refused; empty where it is not.
std::string refusal(const std::string& sql, const char* column = "c_text",
                    const std::vector<std::string>& allow = {}) {
    std::string why;
    const auto written = written_expression(sql, column_of(column), *policy_of(allow), why);
    CHECK(written.has_value() == why.empty());
    return why;
}

}  // namespace

TEST_CASE("an expression is one, over value", "[mask][written]") {
    CHECK(refusal("left(value, 1)").empty());
    CHECK(refusal("value").empty());
    CHECK(refusal("VALUE -- the whole").empty());
    CHECK(refusal("'x'").empty());
    for (const char* sql : {"",
                            "value, value",
                            "(value, value)",
                            "value; SELECT 1",
                            "1); DROP TABLE x; SELECT (2",
                            "1) AS a, (2",
                            "1) FROM public.customers WHERE (true",
                            "1) UNION (SELECT 2",
                            "value AS x",
                            "(SELECT value)",
                            "(SELECT email FROM public.customers)",
                            "EXISTS (SELECT 1)",
                            "value IN (SELECT email FROM public.customers)",
                            "ARRAY(SELECT 1)",
                            "$1",
                            "value || $1",
                            "*",
                            "value.*",
                            "kinds.c_text",
                            "c_text",
                            "\"Value\"",
                            "max(value)",
                            "count(*)",
                            "pg_catalog.max(value)",
                            "string_agg(value, ',')",
                            "row_number() OVER ()",
                            "lag(value) OVER ()",
                            "unnest(ARRAY[value])",
                            "regexp_split_to_table(value, ',')",
                            "generate_series(1, 3)",
                            "ROW(value)",
                            "(value).x",
                            "current_user",
                            "value /* open",
                            "value IS DISTINCT FROM 'x'",
                            "xmlelement(name x, value)",
                            "substr(string => value)",
                            "DEFAULT",
                            "value::public.customers%ROWTYPE",
                            "nothing_of_the_kind(value)",
                            "value::nothing_of_the_kind",
                            "value OPERATOR(nowhere.+) 1"}) {
        INFO(sql);
        CHECK_FALSE(refusal(sql).empty());
    }
    std::string deep = "value";
    for (int depth = 0; depth < 200; ++depth) {
        deep = "upper(" + deep + ")";
    }
    CHECK_FALSE(refusal(deep).empty());
    std::string wide = "value IN ('x'";
    for (int count = 0; count < 3000; ++count) {
        wide += ", 'x'";
    }
    wide = "(CASE " + wide + ") WHEN true THEN true WHEN false THEN true END)::text";
    CHECK_FALSE(refusal(wide).empty());
}

TEST_CASE("an expression may call what the judge allows", "[mask][written]") {
    for (const char* sql :
         {"pg_sleep(1)::text", "pg_read_file(value)", "query_to_xml(value, true, true, '')::text",
          "set_config('x.y', value, false)", "current_setting('vitrine.mask_key')",
          "current_setting(value)", "pg_notify('x', value)::text", "nextval(value)::text",
          "public.add_tax(1)::text", "lo_get(1)::text"}) {
        INFO(sql);
        CHECK_FALSE(refusal(sql).empty());
    }
    CHECK(refusal("public.add_tax(1)::text", "c_text", {"public.add_tax(numeric)"}).empty());
    // Under pg_catalog alone: without its schema no function of a user's is meant.
    CHECK_FALSE(refusal("add_tax(1)::text", "c_text", {"public.add_tax(numeric)"}).empty());
    CHECK(refusal("(SELECT 1)") == "of its expression, it has a sub-select in it");
}

TEST_CASE("an expression is written in full", "[mask][written]") {
    std::string why;
    CHECK(
        written_expression("left(value, -1) || '''\\' COLLATE \"C\"", column_of("c_vc5"),
                           *policy_of(), why) ==
        R"(CAST(CASE WHEN "c_vc5" IS NULL THEN NULL ELSE (pg_catalog."left"(CAST("c_vc5" AS )"
        R"(character varying(5)), (-1)) OPERATOR(pg_catalog.||) (E'''\\' COLLATE pg_catalog."C")))"
        R"( END AS character varying(5)))");
}

TEST_CASE("an expression means the same in every session", "[mask][written][server]") {
    Server server;
    make_evil(server);
    server.rows(
        "CREATE TEMP TABLE odd (n serial, c_text text, expected text);"
        "INSERT INTO odd (c_text) SELECT v FROM unnest(ARRAY['', 'a', 'Ada', 'ada@mail.example',"
        " 'it''s', '\\', '12', '-7', 'x' || repeat('y', 300), '日本語', 'b', NULL]) AS t (v)");
    reset_session(server);
    for (const char* sql :
         {"left(value, 1) || '…'",
          "value",
          "upper(substring(value from 1 for 2))",
          "CASE WHEN value LIKE 'a%' THEN 'A' WHEN value ILIKE '%A' THEN 'B' ELSE 'C' END",
          "CASE value WHEN 'a' THEN 'one' WHEN 'b' THEN 'two' END",
          "CASE WHEN value IN ('a', 'b') THEN 'in' WHEN value NOT IN ('12', '-7') THEN 'out' END",
          "CASE WHEN length(value) BETWEEN 2 AND 3 THEN 'short' ELSE 'other' END",
          "CASE WHEN length(value) NOT BETWEEN 2 AND 3 THEN 'other' END",
          "NULLIF(value, 'a')",
          "COALESCE(NULLIF(value, 'Ada'), 'nobody')",
          "GREATEST(value, 'b')",
          "length(value) + 2 * 3 - 4 / 2",
          "(length(value) > 3 AND NOT value = 'Ada') IS TRUE",
          "value SIMILAR TO 'a|b'",
          "value = ANY (ARRAY['a', '12'])",
          "value <> ALL ('{a,b}')",
          "split_part(value, '@', 2)",
          "trim(both 'a' from value)",
          "position('a' in value)",
          "(ARRAY[value, 'z'])[2]",
          "E'\\\\' || value",
          "B'101'",
          "1.5e3",
          "-2",
          "true",
          "value::varchar(2)",
          "cast(value as char(3))",
          "extract(day from '2024-02-29'::date + 1)",
          "extract(year from date '2024-02-29')",
          "overlay(value placing '**' from 1 for 2)",
          "md5(value)",
          "value ~ '^[a-z]+$'",
          "value IS NULL",
          "length(value)::numeric(6, 2)",
          "regexp_replace(value, '[a-z]', '#', 'g') COLLATE \"C\"",
          "length(value) IN (1, 2)"}) {
        INFO(sql);
        std::string why;
        const auto written = written_expression(sql, column_of("c_text"), *policy_of(), why);
        INFO(why);
        REQUIRE(written);
        server.rows("WITH e AS (SELECT n, CASE WHEN value IS NULL THEN NULL ELSE (" +
                    std::string(sql) +
                    ")::text END AS x FROM (SELECT n, c_text AS value FROM odd) s)"
                    " UPDATE odd SET expected = x FROM e WHERE e.n = odd.n");
        check_expected(server, *written, column_of("c_text"));
    }
}

namespace {

struct Case {
    const char* column;
    const char* sql;
};

// What a user may set at will, each in turn; the first is what the others are held against.
constexpr const char* kSessions[] = {
    "SELECT 1",
    "SET TimeZone = 'Pacific/Kiritimati'",
    "SET TimeZone = '<X>+3'",
    "SET TimeZone = 'Asia/Manila'",
    "SET TimeZone = 'America/New_York'",
    "SET DateStyle = 'SQL, DMY'",
    "SET DateStyle = 'German'",
    "SET IntervalStyle = sql_standard",
    "SET bytea_output = escape",
    "SET extra_float_digits = 0",
    "SET extra_float_digits = -10",
    "SET quote_all_identifiers = on",
    "SET timezone_abbreviations = 'Australia'",
    "SET array_nulls = off",
    "SET search_path = evil, pg_catalog",
};

// How many answers there are to be had of one value; that there is none is another one.
int answers(Server& server, const std::string& expression, const char* column) {
    const Column& of = column_of(column);
    reset_session(server);
    server.rows(
        "DROP TABLE IF EXISTS pg_temp.answers;"
        "CREATE TEMP TABLE answers AS SELECT NULL::" +
        of.type_sql + " AS answer LIMIT 0");
    bool failed = false;
    for (const char* session : kSessions) {
        reset_session(server);
        server.rows("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'");
        server.rows(session);
        server.rows("SAVEPOINT asked");
        if (!server.succeeds("INSERT INTO pg_temp.answers SELECT " + expression +
                             " FROM pg_temp.watched")) {
            server.rows("ROLLBACK TO asked");
            failed = true;
        }
    }
    reset_session(server);
    const auto rows = server.rows("SELECT count(DISTINCT answer::text) FROM pg_temp.answers");
    return std::stoi(rows[0][0].value_or("0")) + (failed ? 1 : 0);
}

void watch(Server& server) {
    make_evil(server);
    reset_session(server);
    server.rows("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET search_path = public");
    server.rows(
        "CREATE TEMP TABLE watched AS SELECT text 'Ada <a@x>' AS c_text, varchar 'Ada' AS c_vc,"
        " char(8) 'ada' AS c_ch8, citext 'Ada' AS c_ci, smallint '7' AS c_i2, 1234 AS c_i4,"
        " bigint '12345' AS c_i8, numeric(6, 2) '123.45' AS c_num, float8 '0.1' + 0.2 AS c_f8,"
        " true AS c_bool, date '1844-12-31' AS c_date, timestamp(3) '2026-03-08 02:30' AS c_ts,"
        " timestamptz '2026-01-31 14:23:42+00' AS c_tstz, interval '-1 day 2 hours' AS c_iv,"
        " inet '10.1.2.3/8' AS c_inet, bytea '\\x01ff5c' AS c_bytea,"
        " jsonb '{\"a\": 1, \"b\": \"x\"}' AS c_jsonb, ARRAY['a', 'b'] AS c_arr,"
        " 'paid'::public.order_status AS c_enum");
}

}  // namespace

// The attack: who sets TimeZone and the like as they wish sees more of a value than a mask shows.
TEST_CASE("an expression that a session's settings change is refused", "[mask][written][server]") {
    Server server;
    watch(server);
    for (const auto& [column, sql] : std::initializer_list<Case>{
             {"c_tstz", "date_trunc('day', value)"},
             {"c_tstz", "date_trunc('day', value AT TIME ZONE 'UTC')"},
             {"c_tstz", "value::date"},
             {"c_tstz",
              "CASE WHEN extract(hour from value) < 12 THEN NULL ELSE now() - now() +"
              " '2026-01-01 00:00+00'::timestamptz END"},
             {"c_tstz", "date_trunc('day', value AT TIME ZONE 'EST') AT TIME ZONE 'UTC'"},
             {"c_tstz", "date_trunc('day', value, 'EST')"},
             {"c_tstz", "date_trunc('day', value, current_setting('TimeZone'))"},
             {"c_tstz", "'2026-01-01'"},
             {"c_tstz", "COALESCE(NULL, '2026-01-01 00:00')"},
             {"c_tstz", "value + interval '2 months'"},
             {"c_tstz", "timestamptz '2000-01-31 12:00+00' + age(value, '2000-02-29 12:00+00')"},
             {"c_date", "date_trunc('year', value)"},
             {"c_date", "'01/02/2026'"},
             {"c_date", "CASE WHEN value::text LIKE '1844%' THEN '2000-01-01' ELSE value END"},
             {"c_ts", "value::timestamptz AT TIME ZONE 'UTC'"},
             {"c_ts", "GREATEST(value, '2026-03-08 02:30+00'::timestamptz)"},
             {"c_iv", "value::text::interval + (left(value::text, 3) || ' s')::interval"},
             {"c_iv", "'-1 day 2 hours'"},
             {"c_ts", "value + interval ' -1 day 02:00:00'"},
             {"c_ts", "value + interval '@ -1 day 02:00:00'"},
             {"c_ts", "value + interval E'\\t - 1 day 02:00:00'"},
             {"c_text", "'2026-01-31'::date::text"},
             {"c_text", "(date '2026-01-31')"},
             {"c_text", "concat('x', date '2026-01-31')"},
             {"c_text", "'x' || date '2026-01-31'"},
             {"c_text", "concat('x', 0.1::float8 + 0.2::float8)"},
             {"c_text", "'\\x01ff'::bytea"},
             {"c_text", "quote_ident('x')"},
             {"c_text", "to_char('2026-01-31 00:00+00'::timestamptz, 'DD')"},
             {"c_arr", "'{a,NULL}'"},
             {"c_arr", "value || '{null}'"},
             {"c_text", "to_jsonb('2026-01-31 00:00+00'::timestamptz)"},
             {"c_jsonb", "jsonb_build_object('f', 0.1::float8 + 0.2::float8)"},
             {"c_jsonb", "jsonb_build_object('t', '2026-01-31 00:00+00'::timestamptz)"},
             {"c_num", "(0.1::float8 + 0.2::float8)::text::numeric - 0.3"},
         }) {
        INFO(column << ": " << sql);
        CHECK_FALSE(refusal(sql, column).empty());
        // As it would be written, were it not asked.
        const Column& of = column_of(column);
        const std::string raw = "(SELECT CAST((" + std::string(sql) + ") AS " + of.type_sql +
                                ") FROM (SELECT " + column + " AS value) s)";
        if (std::string_view(sql).find("::text::numeric") == std::string_view::npos) {
            CHECK(answers(server, raw, column) > 1);
        }
    }
}

TEST_CASE("an expression says the same of a value in every session", "[mask][written][server]") {
    Server server;
    watch(server);
    for (const auto& [column, sql] : std::initializer_list<Case>{
             {"c_tstz", "date_trunc('day', value, 'UTC')"},
             {"c_tstz", "date_trunc('day', value, 'America/New_York')"},
             {"c_tstz", "date_trunc('day', value AT TIME ZONE 'UTC') AT TIME ZONE 'utc'"},
             {"c_tstz",
              "date_trunc('month', value AT TIME ZONE 'Europe/Berlin') AT TIME ZONE 'UTC'"},
             {"c_tstz", "LEAST(value, '2026-01-01 00:00+00')"},
             {"c_tstz", "to_timestamp(0)"},
             {"c_tstz", "date_bin('1 hour', value, '2000-01-01 00:00+00')"},
             {"c_date", "date_trunc('month', value::timestamp)"},
             {"c_date", "CASE WHEN value < '1900-01-01' THEN '1900-01-01' ELSE value END"},
             {"c_date", "make_date(date_part('year', value)::integer, 1, 1)"},
             {"c_date", "value - 7"},
             {"c_ts", "date_trunc('day', value)"},
             {"c_ts", "value - interval '1 day'"},
             {"c_iv", "date_trunc('hour', value)"},
             {"c_text", "left(value, 1) || '…' || right(value, 1)"},
             {"c_text", "concat(left(value, 1), '***', length(value))"},
             {"c_text", "concat_ws('-', substr(value, 1, 2), 'x')"},
             {"c_text", "upper(substring(value from 1 for 3))"},
             {"c_text", "regexp_replace(value, '[a-z]', '#', 'g')"},
             {"c_text", "replace(lower(value), 'a', 'b')"},
             {"c_text", "repeat('*', length(value))"},
             {"c_text", "lpad(right(value, 2), 4, '*')"},
             {"c_text", "md5(value)"},
             {"c_text", "'h' || length(value)"},
             {"c_text", "length(value) || ' letters'"},
             {"c_text", "encode(sha256(convert_to(value, 'UTF8')), 'hex')"},
             {"c_text", "COALESCE(NULLIF(value, ''), '-')"},
             {"c_text", "CASE WHEN length(value) > 3 THEN left(value, 3) ELSE value END"},
             {"c_text", "date_part('year', date '2026-01-31')::integer"},
             {"c_text", "array_to_string(ARRAY[left(value, 1), 'x'], '-')"},
             {"c_vc", "left(value, 1) || '.'"},
             {"c_vc", "CASE WHEN value LIKE 'A%' THEN left(value, 1) ELSE value END"},
             {"c_ch8", "left(value, 1) || '.'"},
             {"c_ch8", "upper(value)"},
             {"c_ci", "left(value, 1) || '.'"},
             {"c_ci", "upper(value)"},
             {"c_ci", "value || 'x'"},
             {"c_ci", "CASE WHEN length(value) > 2 THEN 'long' ELSE value END"},
             {"c_i2", "value / 10 * 10"},
             {"c_i4", "round(value / 100) * 100"},
             {"c_i4", "round(value, -2)"},
             {"c_i4", "value % 100 + 1"},
             {"c_i4", "CASE WHEN value > 1000 THEN 1000 ELSE value END"},
             {"c_i8", "LEAST(value, 1000)"},
             {"c_i8", "round(value::numeric, -3)"},
             {"c_i8", "floor(value / 1000.0) * 1000"},
             {"c_num", "round(value, -1)"},
             {"c_num", "round(value / 3, 2) * 2 - 1"},
             {"c_num", "CASE WHEN value > 100 THEN 100 ELSE value END"},
             {"c_num", "trunc(value)"},
             {"c_num", "abs(value)"},
             {"c_f8", "round(value)"},
             {"c_f8", "round(value::numeric, 1)"},
             {"c_f8", "value * 2"},
             {"c_bool", "NOT value"},
             {"c_inet", "network(set_masklen(value, 16))"},
             {"c_inet", "'10.0.0.1'"},
             {"c_bytea", "substr(value, 1, 2)"},
             {"c_bytea", "sha256(value)"},
             {"c_jsonb", "value - 'a'"},
             {"c_jsonb", "jsonb_set(value, '{b}', '\"-\"')"},
             {"c_jsonb", "jsonb_build_object('a', value -> 'a', 'n', length(value ->> 'b'))"},
             {"c_arr", "value[1:1]"},
             {"c_arr", "ARRAY['x', left(value[1], 1)]"},
             {"c_arr", "'{x,y}'"},
             {"c_enum", "'new'"},
             {"c_enum", "CASE WHEN value = 'paid' THEN 'new' ELSE value END"},
         }) {
        INFO(column << ": " << sql);
        std::string why;
        const auto written = written_expression(sql, column_of(column), *policy_of(), why);
        CHECK(why.empty());
        INFO(why);
        if (written) {
            INFO(*written);
            CHECK(answers(server, *written, column) == 1);
        }
    }
}

TEST_CASE("the refusal of an expression says what to write", "[mask][written]") {
    const auto says = [](const char* column, const char* sql, const char* what) {
        INFO(sql);
        CHECK_THAT(refusal(sql, column), Catch::Contains(what));
    };
    says("c_tstz", "date_trunc('day', value)", "AT TIME ZONE 'UTC'");
    says("c_tstz", "value AT TIME ZONE 'UTC'", "AT TIME ZONE 'UTC'");
    says("c_tstz", "value AT TIME ZONE 'EST' AT TIME ZONE 'UTC'", "'Europe/Berlin'");
    says("c_text", "'x' || date '2026-01-31'", "a cast of each argument");
    says("c_text", "date '2026-01-31'", "date_part()");
    says("c_text", "'1'::float8", "numeric");
    says("c_date", "'01/02/2026'", "'2026-01-31'");
    says("c_arr", "'{NULL}'", "ARRAY[");
    says("c_f8", "random()", "volatile");
}

TEST_CASE("an expression closes the relation that it cannot mask", "[mask][written]") {
    vitrine::config::Mask mask;
    mask.kind = vitrine::config::MaskKind::kExpression;
    const auto closed = [&](const char* sql) {
        mask.expression = sql;
        std::vector<PolicyWarning> warnings;
        const Rules rules = Rules().add({"public.customers.email"}, mask);
        const auto policy = compile_policy(fixture_catalog(), rules.masking(), {}, {}, &warnings);
        const auto* relation =
            policy->relation(policy->catalog().relation("public", "customers")->oid);
        REQUIRE(relation != nullptr);
        CHECK(relation->closed.has_value() == !warnings.empty());
        return relation->closed.has_value();
    };
    CHECK_FALSE(closed("left(value, 1)"));
    CHECK(closed("pg_read_file(value)"));
    CHECK(closed("(SELECT 1)"));
    CHECK(closed("value +"));
}
