// What vitrine's parser reads is what the server reads: strings, names, comments and the ends of
// statements, each text judged and run on a real server. Needs VITRINE_TEST_DSN.

#include <libpq-fe.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <optional>

#include "tests/parser/judge_fixture.h"

namespace vitrine::parser::test {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

constexpr const char* kPrefix = "ada: ";

// As vitrine's own sessions are: with the pins.
Connection connect() {
    const std::string dsn = std::string(std::getenv("VITRINE_TEST_DSN")) +
                            " client_encoding=UTF8 options='-c standard_conforming_strings=on"
                            " -c backslash_quote=safe_encoding -c client_min_messages=error'";
    Connection connection(PQconnectdb(dsn.c_str()), PQfinish);
    INFO(PQerrorMessage(connection.get()));
    REQUIRE(PQstatus(connection.get()) == CONNECTION_OK);
    return connection;
}

struct Answer {
    std::string sqlstate;  // of the first error; empty: none
    std::size_t results = 0;
    std::string value;  // the last result's first
};

Answer run(PGconn* connection, const std::string& sql) {
    Answer answer;
    REQUIRE(PQsendQuery(connection, sql.c_str()) == 1);
    while (PGresult* next = PQgetResult(connection)) {
        const Result result(next, PQclear);
        if (PQresultStatus(next) == PGRES_FATAL_ERROR) {
            answer.sqlstate = PQresultErrorField(next, PG_DIAG_SQLSTATE);
            continue;
        }
        ++answer.results;
        if (PQntuples(next) > 0) {
            answer.value = PQgetvalue(next, 0, 0);
        }
    }
    return answer;
}

std::string refusal(const Judgement& judgement) {
    const std::size_t first = judgement.first_refused();
    return first == judgement.statements.size() ? ""
                                                : judgement.statements[first].refusal->sqlstate;
}

std::string repeated(const std::string& piece, std::size_t times) {
    std::string text;
    while (times-- > 0) {
        text += piece;
    }
    return text;
}

TEST_CASE("a string is read as the server reads it", "[lexing]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr || !have_fixture()) {
        return;
    }
    const Connection connection = connect();
    SessionContext context = session();
    context.application_prefix = kPrefix;
    std::size_t read = 0;
    for (const std::string& text : std::vector<std::string>{"'plain'",
                                                            "'it''s'",
                                                            "''",
                                                            "'a\\'",
                                                            "'a\\nb'",
                                                            "'a\nb'",
                                                            "'a\r\nb'",
                                                            "'é€😀'",
                                                            "'a'\n'b'",
                                                            "'a' \n \t 'b'",
                                                            "'a'\r'b'",

                                                            "'a' /* c */ 'b'",
                                                            "'a' 'b'",
                                                            "'a'\n\"b\"",
                                                            "'a'\nE'\\n'",
                                                            "E'a'\n'\\tb'",
                                                            "E'a\\nb\\t\\\\\\b\\f\\r'",
                                                            "E'it\\'s'",
                                                            "E'it''s'",
                                                            "E'\\101\\x42\\103'",
                                                            "E'\\x4'",
                                                            "E'\\1'",
                                                            "E'\\0'",
                                                            "E'\\x00'",
                                                            "E'\\u00e9\\U0001F600'",
                                                            "E'\\u00zz'",
                                                            "E'\\ud83d\\ude00'",
                                                            "E'\\ud83d'",
                                                            "E'\\ude00'",
                                                            "E'\\xc3\\xa9'",
                                                            "E'\\xc3'",
                                                            "E'\\303\\251'",
                                                            "e'\\q\\%'",
                                                            "E'\\'",
                                                            "E'a\\\nb'",
                                                            "U&'\\0061\\+000062c'",
                                                            "U&'d!0061t!+000061' UESCAPE '!'",
                                                            "u&'\\\\'",
                                                            "U&'!!' UESCAPE '!'",
                                                            "U&'a' UESCAPE 'b'",
                                                            "U&'a' UESCAPE '+'",
                                                            "U&'a' UESCAPE ''''",
                                                            "U&'a' UESCAPE '\\'",
                                                            "U&'a' UESCAPE E'!'",
                                                            "U&'a' UESCAPE ' '",
                                                            "U&'a' UESCAPE '!!'",
                                                            "U&'a'\n'\\0062'",
                                                            "U&'\\d83d\\de00'",
                                                            "U&'\\d83d'",
                                                            "U&'\\0000'",
                                                            "U&'\\zzzz'",

                                                            "U &'a'",
                                                            "$$a'b\\c$$",
                                                            "$a$b$$c$a$",
                                                            "$a$b$A$c$a$",
                                                            "$é$b$é$",
                                                            "$1$b$1$",
                                                            "$a b$c$a b$",
                                                            "$$a",
                                                            "$a$b$$",
                                                            "$_9$$_9$",
                                                            "x$$a$$",
                                                            "N'a'",
                                                            "n'a''b'",
                                                            "B'101'",
                                                            "X'1F'",
                                                            "x'1g'",
                                                            "'unfinished",
                                                            "E'a\\",
                                                            "'a';--'",
                                                            "'a'--'\n",
                                                            "'a'/*'*/",
                                                            "'" + repeated("é", 5000) + "'"}) {
        const std::string sql = "SET LOCAL application_name TO " + text;
        INFO(sql.substr(0, 200));
        const Judgement judgement = judge(sql, *open_policy(), context);
        // A setting that cuts nothing and warns of nothing.
        run(connection.get(), "BEGIN");
        const Answer set = run(connection.get(), "SET LOCAL app.read TO " + text);
        const Answer shown = run(connection.get(), "SHOW app.read");
        run(connection.get(), "ROLLBACK");
        CHECK(refusal(judgement) == set.sqlstate);
        if (!set.sqlstate.empty() || !judgement.allowed()) {
            continue;
        }
        const std::string forwarded = sent(sql, judgement);
        std::string doubled;
        for (const char c : kPrefix + shown.value) {
            doubled += c == '\'' ? "''" : std::string(1, c);
        }
        CHECK(forwarded.substr(0, 30 + doubled.size() + 1) ==
              "SET LOCAL application_name TO '" + doubled);
        ++read;
    }
    CHECK(read > 30);
}

TEST_CASE("a name is read, folded and cut as the server does it", "[lexing]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr || !have_fixture()) {
        return;
    }
    const Connection connection = connect();
    std::size_t read = 0;
    for (const std::string& text :
         std::vector<std::string>{"a",
                                  "A",
                                  "\"A\"",
                                  "\"a b\"",
                                  "\"a\"\"b\"",
                                  "\"\"",
                                  "_a$1",
                                  "a$b$c",
                                  "$a",
                                  "1a",
                                  "é",
                                  "É",
                                  "ÀÉ",
                                  "\"É\"",
                                  "İ",
                                  "select",
                                  "\"select\"",
                                  "SELECTED",
                                  "name",
                                  "U&\"\\0061b\"",
                                  "U&\"d!0061t\" UESCAPE '!'",
                                  "u&\"\\00E9\"",
                                  "U&\"\\0000\"",
                                  "U&\"a\"\"b\"",
                                  "U&\"\\d83d\"",
                                  "U&\"!0041\" UESCAPE '!'",
                                  "\"a\nb\"",
                                  "\"a--b\"",
                                  "\"a/*b\"",
                                  "a/**/",
                                  "a--\n",
                                  "a\r",
                                  "\"unfinished",
                                  "\xef\xbb\xbf"
                                  "a",
                                  "a\xe2\x80\x8b"
                                  "b",
                                  "\u00a0",
                                  "a\u00a0b",
                                  std::string(62, 'x'),
                                  std::string(63, 'x'),
                                  std::string(64, 'x'),
                                  std::string(200, 'x'),
                                  std::string(62, 'x') + "é",
                                  std::string(61, 'x') + "é",
                                  std::string(61, 'x') + "éy",
                                  std::string(61, 'x') + "€",
                                  std::string(60, 'x') + "€y",
                                  std::string(60, 'x') + "😀",
                                  std::string(59, 'x') + "😀y",
                                  repeated("é", 32),
                                  repeated("É", 31) + "X",
                                  "\"" + std::string(62, 'X') + "é\"",
                                  "\"" + repeated("\"\"", 64) + "\"",
                                  "\"" + std::string(63, ' ') + "a\"",
                                  "U&\"" + repeated("\\0041", 64) + "\"",
                                  "U&\"" + std::string(62, 'x') + "\\00e9\"",
                                  "\"" + std::string(61, 'x') + "ẞẞ\""}) {
        const std::string sql = "PREPARE " + text + " AS SELECT 1";
        INFO(sql);
        const Judgement judgement = judge(sql, *open_policy(), session());
        const Answer prepared = run(connection.get(), sql);
        CHECK(refusal(judgement) == prepared.sqlstate);
        if (prepared.sqlstate.empty() && judgement.allowed()) {
            const Answer name =
                run(connection.get(), "SELECT name FROM pg_catalog.pg_prepared_statements");
            CHECK(judgement.statements.at(0).name == name.value);
            ++read;
        }
        run(connection.get(), "DEALLOCATE ALL");
    }
    CHECK(read > 35);
}

TEST_CASE("a text has the statements that the server finds in it", "[lexing]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr || !have_fixture()) {
        return;
    }
    const Connection connection = connect();
    std::size_t good = 0;
    for (const std::string& sql :
         std::vector<std::string>{"",
                                  ";",
                                  ";;",
                                  " \n\t\f\r ",
                                  "--",
                                  "-- a",
                                  "/* a */",
                                  "/**/;/**/",
                                  "/* a",
                                  "/* /* a */",
                                  "/* /* a */ */ SELECT 1",
                                  "/*/*/**/*/ SELECT 2 /**/*/ SELECT 3",
                                  "/*/ SELECT 1 /*/",
                                  "SELECT 1; SELECT 2",
                                  "SELECT 1;; SELECT 2;",
                                  "SELECT ';'; SELECT 2",
                                  "SELECT $$;$$",
                                  "SELECT $a$;$$;$a$; SELECT 2",
                                  "SELECT E'\\';'; SELECT 2",
                                  "SELECT '\\'; SELECT 2",
                                  "SELECT '\\'; SELECT 2 --'",
                                  "SELECT \";\" FROM (SELECT 1) t (\";\"); SELECT 2",
                                  "SELECT 1 -- ; SELECT 2",
                                  "SELECT 1 -- a\n; SELECT 2",
                                  "SELECT 1 -- a\r; SELECT 2",
                                  "SELECT 1 -- a\r\n; SELECT 2",
                                  "SELECT 1 /* ; */; SELECT 2",
                                  "SELECT 1 /* -- */; SELECT 2",
                                  "SELECT 1 -- /*\n; SELECT 2 -- */",
                                  "SELECT 1 /* ' */; SELECT '*/'",
                                  "SELECT 1+-- 2\n2; SELECT 3",
                                  "SELECT 1 +/* */ 2; SELECT 3",
                                  "SELECT 1 */**/ 2; SELECT 3",
                                  "SELECT 1-+-/* */1",
                                  "SELECT 4 /* a */ / 2",
                                  "SELECT 4 /- 2",
                                  "SELECT @-- 1\n 1; SELECT 2",
                                  "SELECT 1<@-- 2",
                                  "SELECT -/**/-1",
                                  "SELECT '1'::int--a\n::text",
                                  "SELECT 1\\g",
                                  "SELECT :x",
                                  "SELECT :'x'",
                                  "SELECT :\"x\"",
                                  "SELECT 1 AS a \\; SELECT 2",
                                  "SELECT ?",
                                  "SELECT ? + 1",
                                  "SELECT a ? 'b' FROM (SELECT '{}'::jsonb) t (a)",
                                  "SELECT $0",
                                  "SELECT $1",
                                  "SELECT $1a",
                                  "SELECT $a",
                                  "SELECT $",
                                  "SELECT 1_000",
                                  "SELECT 1 _000",
                                  "SELECT 1 AS _000",
                                  "SELECT 0x1F",
                                  "SELECT 0o17",
                                  "SELECT 0b11",
                                  "SELECT 0 x1F",
                                  "SELECT 1a",
                                  "SELECT 1.5e",
                                  "SELECT 1e5",
                                  "SELECT 1e+",
                                  "SELECT 1.e5",
                                  "SELECT .5",
                                  "SELECT 5.",
                                  "SELECT 1..2",
                                  "SELECT (ARRAY[1,2])[1:2]",
                                  "SELECT 1.5.5",
                                  "SELECT 1_",
                                  "SELECT 1__0",
                                  "SELECT 0_1",
                                  "SELECT 99999999999999999999",
                                  "SELECT 1e400",
                                  "SELECT 1::int4::text",
                                  "SELECT 1 ::int",
                                  "SELECT 1 != 2",
                                  "SELECT 1 <> 2",
                                  "SELECT 1 !=-2",
                                  "SELECT 1 <>-2",
                                  "SELECT 2 =>1",
                                  "SELECT 1 >=-1",
                                  "SELECT 1 <-1",
                                  "SELECT 1=-1",
                                  "SELECT 1 == 1",
                                  "SELECT 1 :=1",
                                  "SELECT a.b.c.d.e",
                                  "SELECT\u00a01",
                                  "SELECT 1\u2028; SELECT 2",
                                  "\xef\xbb\xbfSELECT 1",
                                  "SELECT 1\x01",
                                  "SELECT 1\x7f",
                                  "SELECT `1`",
                                  "SELECT 'a' 'b'",
                                  "SELECT 'a'\n'b'; SELECT 2",
                                  "SELECT 1;SELECT'a';SELECT\"a\"FROM(SELECT 1)t(\"a\")",
                                  "SELECT 1 $$a$$",
                                  "SELECT 1$$a$$",
                                  "SELECT a$$; SELECT 1; SELECT $$ FROM (SELECT 1) t",
                                  "SELECT 1 AS a$$; SELECT 2 AS b$$",
                                  "BEGIN; SELECT 1; ROLLBACK",
                                  "begin read only;rollback",
                                  "SELECT 1; SELEC 2"}) {
        INFO(sql);
        const Judgement judgement = judge(sql, *open_policy(), session());
        const Answer answer = run(connection.get(), sql);
        run(connection.get(), "ROLLBACK");
        // A text that the grammar does not take runs in no part of it, here as there.
        CHECK((refusal(judgement) == "42601") == (answer.sqlstate == "42601"));
        if (judgement.allowed() && answer.sqlstate.empty()) {
            const std::size_t empty = judgement.statements.empty() ? 1 : 0;
            CHECK(judgement.statements.size() + empty == answer.results);
            ++good;
        }
    }
    CHECK(good > 40);
}

// libpg_query's scanner gives comments to whoever asks for tokens, and so ends a string at a
// comment, or what is one token of two words. Where the server goes on, vitrine says that the
// syntax is wrong: it refuses more, and reads nothing in another way.
// libpg_query alone refuses these.
TEST_CASE("a comment inside of what is one for the server is a blank", "[lexing]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr || !have_fixture()) {
        return;
    }
    const Connection connection = connect();
    for (const std::string sql :
         {"SELECT 'a' -- c\n 'b'", "SELECT 'a' -- c\r 'b'", "SELECT U&'a!0062'/**/UESCAPE '!'",
          "SELECT 1 WHERE 1 NOT /**/ IN (2)", "SELECT 1 WHERE 1 NOT -- c\n BETWEEN 2 AND 3",
          "SELECT now()::timestamp WITH /**/ TIME ZONE", "SELECT 1 ORDER BY 1 NULLS /**/ FIRST",
          "SELECT * FROM generate_series(1, 2) WITH /**/ ORDINALITY"}) {
        INFO(sql);
        CHECK(run(connection.get(), sql).sqlstate.empty());
        CHECK(refusal(judge(sql, *open_policy(), session())) == "");
    }
    for (const std::string sql : {"SELECT 'a' /* c */ 'b'", "SELECT 1 NOT /* c */ x", "SELECT /* (",
                                  "SELECT 'a' -- c 'b'\n 'c' x y"}) {
        INFO(sql);
        CHECK(run(connection.get(), sql).sqlstate == "42601");
        CHECK(refusal(judge(sql, *open_policy(), session())) == "42601");
    }
    // Positions are those of the client's text.
    CHECK(judge("SELECT 1 WHERE 1 NOT /* \xc3\xa9 */ IN (writer('x'))", *open_policy(), session())
              .statements[0]
              .refusal->position == 34);
}

// Before anything is parsed. libpq would not send a NUL: the protocol's text ends there.
TEST_CASE("bytes that are no text are refused as the server refuses them", "[lexing]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr || !have_fixture()) {
        return;
    }
    const Connection connection = connect();
    for (const std::string bytes :
         {"\xff", "\xc3", "\x80", "\xc0\xaf", "\xc1\x81", "\xe0\x80\xaf", "\xed\xa0\x80",
          "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2\x82", "\x95\x5c"}) {
        for (const std::string& sql : {"SELECT '" + bytes + "'", "SELECT \"" + bytes + "\"",
                                       "SELECT 1 -- " + bytes, "SELECT 1 AS " + bytes}) {
            INFO(sql);
            CHECK(run(connection.get(), sql).sqlstate == "22021");
            CHECK(refusal(judge(sql, *open_policy(), session())) == "22021");
        }
    }
    for (const std::string good :
         {"\xef\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xc2\x80", "\xee\x80\x80"}) {
        const std::string sql = "SELECT '" + good + "'";
        CHECK(run(connection.get(), sql).sqlstate.empty());
        CHECK(judge(sql, *open_policy(), session()).allowed());
    }
    const std::string nul("SELECT 1\0; DELETE FROM orders", 29);
    CHECK(refusal(judge(nul, *open_policy(), session())) == "22021");
}

}  // namespace
}  // namespace vitrine::parser::test
