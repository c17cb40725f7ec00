#include "tests/parser/mask_checks.h"

#include <catch2/catch.hpp>

#include "parser/masking/mask_expression.h"
#include "tests/parser/fixture_catalog.h"

namespace vitrine::parser::test {

const std::vector<std::string>& odd_sessions() {
    static const std::vector<std::string> kSessions{
        "RESET search_path",
        "SET DateStyle = 'German, DMY'; SET bytea_output = 'escape'; SET extra_float_digits = -15;"
        "SET TimeZone = 'Asia/Kathmandu'; SET IntervalStyle = 'sql_standard';"
        "SET quote_all_identifiers = on; SET xmlbinary = hex; SET transform_null_equals = on",
        "SET standard_conforming_strings = off; SET escape_string_warning = off;"
        "SET backslash_quote = on",
        "SET search_path = evil, pg_catalog, public",
    };
    return kSessions;
}

namespace {

// Operators that answer wrongly on the types that masks compare and calculate with.
void make_evil_operators(Server& server) {
    for (const char* name : {"int8", "\"numeric\"", "float8", "date", "\"timestamp\"",
                             "timestamptz", "text", "jsonb", "inet"}) {
        const std::string type = "pg_catalog." + std::string(name);
        server.rows("CREATE FUNCTION evil.wrong(" + type + ", " + type +
                    ") RETURNS bool LANGUAGE sql AS 'SELECT true';"
                    "CREATE FUNCTION evil.first(" +
                    type + ", " + type + ") RETURNS " + type + " LANGUAGE sql AS 'SELECT $1'");
        for (const char* symbol : {"=", "<", "<=", ">", ">="}) {
            server.rows("CREATE OPERATOR evil." + std::string(symbol) + " (LEFTARG = " + type +
                        ", RIGHTARG = " + type + ", FUNCTION = evil.wrong)");
        }
        for (const char* symbol : {"+", "-", "*", "/", "%"}) {
            server.rows("CREATE OPERATOR evil." + std::string(symbol) + " (LEFTARG = " + type +
                        ", RIGHTARG = " + type + ", FUNCTION = evil.first)");
        }
        for (const char* function : {"mod", "div"}) {
            server.rows("CREATE FUNCTION evil." + std::string(function) + "(" + type + ", " + type +
                        ") RETURNS " + type + " LANGUAGE sql AS 'SELECT $1'");
        }
    }
    server.rows(
        "CREATE DOMAIN evil.int8 AS bool; CREATE DOMAIN evil.int4 AS bool;"
        "CREATE DOMAIN evil.\"numeric\" AS bool; CREATE DOMAIN evil.float8 AS bool;"
        "CREATE DOMAIN evil.date AS bool; CREATE DOMAIN evil.\"timestamp\" AS bool;"
        "CREATE DOMAIN evil.timestamptz AS bool; CREATE DOMAIN evil.jsonb AS bool;"
        "CREATE DOMAIN evil.inet AS bool; CREATE DOMAIN evil.cidr AS bool;"
        "CREATE FUNCTION evil.date_trunc(pg_catalog.text, pg_catalog.\"timestamp\")"
        " RETURNS pg_catalog.\"timestamp\" LANGUAGE sql AS 'SELECT $2';"
        "CREATE FUNCTION evil.network(pg_catalog.inet) RETURNS pg_catalog.inet LANGUAGE sql"
        " AS 'SELECT $1';"
        "CREATE FUNCTION evil.to_jsonb(pg_catalog.text) RETURNS pg_catalog.jsonb LANGUAGE sql"
        " AS 'SELECT NULL::pg_catalog.jsonb';"
        "CREATE FUNCTION evil.jsonb_typeof(pg_catalog.jsonb) RETURNS pg_catalog.text LANGUAGE sql"
        " AS 'SELECT ''evil''::pg_catalog.text'");
}

}  // namespace

void make_evil(Server& server) {
    server.rows(
        "BEGIN; SELECT pg_advisory_xact_lock(20261124); CREATE SCHEMA evil;"
        "CREATE TYPE evil.text AS ENUM ('evil');"
        "CREATE DOMAIN evil.bpchar AS int; CREATE DOMAIN evil.uuid AS int;"
        "CREATE DOMAIN evil.name AS int; CREATE DOMAIN evil.citext AS int;"
        "CREATE DOMAIN evil.bit AS int;");
    for (const char* function :
         {"\"left\"(pg_catalog.text, int)", "\"right\"(pg_catalog.text, int)",
          "repeat(pg_catalog.text, int)", "substr(pg_catalog.text, int)"}) {
        server.rows(std::string("CREATE FUNCTION evil.") + function +
                    " RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT ''evil''::pg_catalog.text'");
    }
    server.rows(
        "CREATE FUNCTION evil.strpos(pg_catalog.text, pg_catalog.text) RETURNS int LANGUAGE sql"
        " AS 'SELECT 1';"
        "CREATE FUNCTION evil.char_length(pg_catalog.text) RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE FUNCTION evil.join(pg_catalog.text, pg_catalog.text) RETURNS pg_catalog.text"
        " LANGUAGE sql AS 'SELECT ''evil''::pg_catalog.text';"
        "CREATE OPERATOR evil.|| (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text,"
        " FUNCTION = evil.join);"
        "CREATE FUNCTION evil.same(int, int) RETURNS bool LANGUAGE sql AS 'SELECT true';"
        "CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.same);"
        "CREATE OPERATOR evil.<= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.same);"
        "CREATE FUNCTION evil.minus(int, int) RETURNS int LANGUAGE sql AS 'SELECT 0';"
        "CREATE OPERATOR evil.- (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.minus);"
        "CREATE OPERATOR evil.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.minus)");
    make_evil_operators(server);
}

void reset_session(Server& server) {
    server.rows("RESET ALL; SET client_min_messages = error; SET vitrine.mask_key = " +
                quoted_literal(kKey));
}

// Public.kinds' column, or one that only the temporary table has.
Column column_of(const char* name) {
    const Relation* kinds = fixture_catalog()->relation("public", "kinds");
    REQUIRE(kinds != nullptr);
    if (std::string_view(name) == "c_nondet") {
        Column column = *kinds->column("c_text");
        column.name = name;
        column.collation_sql = "pg_temp.nondet";
        return column;
    }
    const Column* column = kinds->column(name);
    REQUIRE(column != nullptr);
    return *column;
}

std::string expression(const config::Mask& mask, const Column& column) {
    std::string why;
    const auto sql = mask_expression(mask, column, *fixture_catalog(), why, column);
    INFO(column.name << ": " << why);
    REQUIRE(sql.has_value());
    return *sql;
}

void check_expected(Server& server, const std::string& sql, const Column& column) {
    const std::string name = quoted_identifier(column.name);
    INFO(sql);
    for (const std::string& session : odd_sessions()) {
        INFO(session);
        server.rows(session);
        const auto rows =
            server.rows("SELECT " + name + "::pg_catalog.text, (SELECT x FROM (SELECT " + sql +
                        " AS x) s)::pg_catalog.text, expected::pg_catalog.text"
                        " FROM odd ORDER BY n");
        REQUIRE(rows.size() > 10);
        std::size_t wrong = 0;
        for (const auto& row : rows) {
            if (row[1] != row[2] && wrong++ < 3) {
                UNSCOPED_INFO("raw " << row[0].value_or("NULL").substr(0, 300) << "\nmasked "
                                     << row[1].value_or("NULL").substr(0, 300) << "\nexpected "
                                     << row[2].value_or("NULL").substr(0, 300));
            }
        }
        CHECK(wrong == 0);
        reset_session(server);
    }
    server.rows("DROP TABLE IF EXISTS pg_temp.masked; CREATE TEMP TABLE masked AS SELECT " + sql +
                " AS x FROM odd WITH NO DATA");
    CHECK(server.rows("SELECT atttypid, atttypmod FROM pg_attribute"
                      " WHERE attrelid = 'pg_temp.masked'::regclass AND attnum = 1") ==
          std::vector<Server::Row>{
              {std::to_string(column.base_type), std::to_string(column.base_typmod)}});
}

}  // namespace vitrine::parser::test
