// What the judge sends, on a real server: it parses and runs there, nothing of it writes, and it
// gives the columns and the number of rows of the client's own text. Needs VITRINE_TEST_DSN.

#include <libpq-fe.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>

#include "tests/parser/golden.h"
#include "tests/parser/judge_fixture.h"

namespace vitrine::parser::test {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

struct Answer {
    std::string sqlstate;  // of the last result; empty: none
    std::string columns;   // names and types of the last result with rows
    int rows = 0;
    std::string text;  // all values of all results
};

Connection connect() {
    const char* dsn = std::getenv("VITRINE_TEST_DSN");
    const std::string settings =
        std::string(dsn) +
        " options='-c default_transaction_read_only=on -c statement_timeout=10s"
        " -c client_min_messages=error -c vitrine.hidden="
        " -c vitrine.mask_key=0123456789abcdef0123456789abcdef'";
    Connection connection(PQconnectdb(settings.c_str()), PQfinish);
    INFO(PQerrorMessage(connection.get()));
    REQUIRE(PQstatus(connection.get()) == CONNECTION_OK);
    PQsetNoticeProcessor(
        connection.get(), [](void*, const char*) {}, nullptr);
    return connection;
}

Answer run(PGconn* connection, const std::string& sql, const std::vector<std::string>& path) {
    std::string schemas;
    for (const std::string& schema : path) {
        schemas += (schemas.empty() ? "\"" : ", \"") + schema + "\"";
    }
    for (const std::string& before :
         {std::string("ROLLBACK"), std::string("DISCARD ALL"), "SET search_path = " + schemas}) {
        PQclear(PQexec(connection, before.c_str()));
    }
    Answer answer;
    REQUIRE(PQsendQuery(connection, sql.c_str()) == 1);
    while (PGresult* result = PQgetResult(connection)) {
        switch (PQresultStatus(result)) {
            case PGRES_TUPLES_OK:
                answer.columns.clear();
                for (int i = 0; i < PQnfields(result); ++i) {
                    answer.columns += std::string(PQfname(result, i)) + " " +
                                      std::to_string(PQftype(result, i)) + " " +
                                      std::to_string(PQfmod(result, i)) + "; ";
                }
                answer.rows = PQntuples(result);
                for (int row = 0; row < answer.rows; ++row) {
                    for (int i = 0; i < PQnfields(result); ++i) {
                        answer.text += PQgetvalue(result, row, i);
                        answer.text += '\n';
                    }
                }
                break;
            case PGRES_COPY_OUT: {
                char* line = nullptr;
                while (const int size = PQgetCopyData(connection, &line, 0)) {
                    if (size < 0) {
                        break;
                    }
                    answer.text.append(line, static_cast<std::size_t>(size));
                    ++answer.rows;
                    PQfreemem(line);
                }
                break;
            }
            case PGRES_FATAL_ERROR: {
                const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
                answer.sqlstate = state == nullptr ? "?????" : state;
                answer.text += PQresultErrorMessage(result);
                break;
            }
            default:
                break;
        }
        PQclear(result);
    }
    PQclear(PQexec(connection, "ROLLBACK"));
    return answer;
}

std::string without(const std::string& text, const std::string& what) {
    std::string rest;
    std::size_t begin = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, begin)) {
        rest.append(text, begin, at - begin);
        begin = at + what.size();
    }
    return rest.append(text, begin);
}

TEST_CASE("what is allowed and sent runs on the server as the client's text does", "[judge]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr) {
        WARN("no server: set VITRINE_TEST_DSN");
        return;
    }
    const Connection connection = connect();
    // Where columns or rows may differ from the client's own text, and why.
    const std::map<std::string, std::string> kDiffer{
        {"SELECT cards FROM cards", "a derived table's row has no name: record, not cards"},
        {"SELECT max(email), min(email) FROM customers GROUP BY substr(email, 1, 1) ORDER BY "
         "max(email)",
         "groups of masked values"},
    };
    std::size_t compared = 0;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(VITRINE_SOURCE_DIR) +
                                                                 "/tests/parser/golden")) {
        for (const GoldenRow& row : read_golden(entry.path().string())) {
            if (row.protocol == Protocol::kExtended || row.sql.find('$') != std::string::npos) {
                continue;
            }
            const Judgement judgement =
                judge(row.sql, *fixture_policy(), session(row.path, row.protocol));
            if (!judgement.allowed()) {
                continue;
            }
            INFO(row.file << ":" << row.line << ": " << row.sql);
            const std::string text = sent(row.sql, judgement);
            const Answer through = run(connection.get(), text, row.path);
            CHECK(through.sqlstate != "25006");
            const bool masked = judgement.forwarded.has_value();
            // What a user may not see of vitrine's own is there directly, and not through it.
            const bool hidden = row.sql.find("vitrine") != std::string::npos;
            if (masked) {
                // The mask `email` keeps what follows the first @, be it another canary.
                CHECK(without(through.text, "****@CANARY").find("CANARY") == std::string::npos);
                CHECK(through.text.find("0123456789abcdef") == std::string::npos);
                CHECK(through.sqlstate != "42601");
                const Answer direct = run(connection.get(), row.sql, row.path);
                const bool plan = row.sql.starts_with("EXPLAIN");
                const bool sample = row.sql.find("TABLESAMPLE") != std::string::npos;
                // A cast that fails on the raw value may work on the mask.
                if (direct.sqlstate.empty() && !hidden && !kDiffer.contains(row.sql)) {
                    CHECK(through.sqlstate == "");
                    CHECK(through.columns == direct.columns);
                    if (!plan && !sample && row.sql.find("pg_") == std::string::npos) {
                        CHECK(through.rows == direct.rows);
                    }
                }
            }
            ++compared;
        }
    }
    CHECK(compared > 300);
}

TEST_CASE("SHOW ALL does not show vitrine's settings", "[judge]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr) {
        return;
    }
    const Connection connection = connect();
    const Answer own =
        run(connection.get(), "SELECT current_setting('vitrine.mask_key')", {"pg_catalog"});
    // DISCARD ALL keeps what the startup packet set.
    CHECK(own.text.find("0123456789abcdef") != std::string::npos);
    const Answer all = run(connection.get(), "SHOW ALL", {"pg_catalog"});
    CHECK(all.rows > 100);
    CHECK(all.text.find("0123456789abcdef") == std::string::npos);
    CHECK(all.text.find("vitrine.") == std::string::npos);
    const Answer settings =
        run(connection.get(), "EXPLAIN (SETTINGS, VERBOSE) SELECT 1", {"pg_catalog"});
    CHECK(settings.text.find("0123456789abcdef") == std::string::npos);
}

// Calls::operator_symbol() lets PostgreSQL's own operators pass without asking for their functions.
TEST_CASE("the functions of PostgreSQL's own operators are all allowed", "[judge]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr) {
        return;
    }
    const Connection connection = connect();
    const std::unique_ptr<PGresult, decltype(&PQclear)> names(
        PQexec(connection.get(), "SELECT DISTINCT oprname FROM pg_operator"), PQclear);
    int operators = 0;
    for (int row = 0; row < PQntuples(names.get()); ++row) {
        const CatalogSnapshot& catalog = fixture_policy()->catalog();
        for (const Operator* candidate : catalog.operators(PQgetvalue(names.get(), row, 0))) {
            if (!candidate->builtin) {
                continue;
            }
            INFO(candidate->name << " " << candidate->oid);
            const Function* function = catalog.function(candidate->function);
            REQUIRE(function != nullptr);
            CHECK(fixture_policy()->function_allowed(*function));
            ++operators;
        }
    }
    CHECK(operators > 700);
}

// The same words, at the same place, as the server's own refusal of a text that does not parse.
TEST_CASE("syntax errors are PostgreSQL's own", "[judge]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr) {
        return;
    }
    const Connection connection = connect();
    for (const std::string sql : {"SELEC 1",
                                  "SELECT 1 FROM",
                                  "SELECT '\u00e9\u20ac' FROM FROM",
                                  "SELECT \"a",
                                  "SELECT 'a",
                                  "SELECT /* a",
                                  "SELECT $a$ b",
                                  "SELECT U&'\\00zz'",
                                  "SELECT E'\\u00zz'",

                                  "SELECT 1 FROM a b c",
                                  "SELECT * FROM (SELECT 1)",
                                  "SELECT 1 ORDER BY 1 ORDER BY 2",
                                  "SELECT 1;; SELEC 2",
                                  "SELECT U&\"a\" UESCAPE '+'",
                                  "SELECT 1 LIMIT 1, 2",
                                  "SELECT EXTRACT(FROM x)",
                                  "CREATE TABEL x",
                                  "SELECT '\\' FROM",
                                  "SELECT E'\\xzz' a b",
                                  "WITH a AS SELECT 1",
                                  "SELECT - - 1 2",
                                  "SELECT 1 = 2 = 3",
                                  "SELECT \"\"",
                                  "COPY x TO",
                                  "SELECT 0x",
                                  "EXPLAIN EXPLAIN SELECT 1",
                                  "PREPARE p AS BEGIN",
                                  "SELECT a FROM b WHERE c IN ()",
                                  "SELECT 1 FETCH FIRST 1 ROW WITH TIES",
                                  "SELECT INTERVAL '1' DAY TO YEAR",
                                  "SELECT N'a' 'b'"}) {
        INFO(sql);
        const std::unique_ptr<PGresult, decltype(&PQclear)> result(
            PQexec(connection.get(), sql.c_str()), PQclear);
        REQUIRE(PQresultStatus(result.get()) == PGRES_FATAL_ERROR);
        const auto field = [&](int code) {
            const char* text = PQresultErrorField(result.get(), code);
            return std::string(text == nullptr ? "" : text);
        };
        const Judgement judgement = judged(sql);
        REQUIRE(judgement.statements.at(0).refusal);
        const Refusal& refusal = *judgement.statements[0].refusal;
        CHECK(refusal.sqlstate == field(PG_DIAG_SQLSTATE));
        CHECK(refusal.message == field(PG_DIAG_MESSAGE_PRIMARY));
        CHECK(refusal.hint == field(PG_DIAG_MESSAGE_HINT));
        if (!field(PG_DIAG_STATEMENT_POSITION).empty()) {
            CHECK(std::to_string(character_position(sql, refusal.position)) ==
                  field(PG_DIAG_STATEMENT_POSITION));
        }
    }
}

}  // namespace
}  // namespace vitrine::parser::test
