// The table of settings against the server's own list, and the reading of values against what the
// server makes of them. Needs VITRINE_TEST_DSN.

#include <libpq-fe.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>

#include "config/limits.h"
#include "parser/readonly/setting_rules.h"
#include "parser/readonly/settings.h"
#include "tests/parser/judge_fixture.h"

namespace vitrine::parser::test {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Rows = std::vector<std::vector<std::string>>;

Connection connect() {
    Connection connection(PQconnectdb(std::getenv("VITRINE_TEST_DSN")), PQfinish);
    INFO(PQerrorMessage(connection.get()));
    REQUIRE(PQstatus(connection.get()) == CONNECTION_OK);
    PQsetNoticeProcessor(
        connection.get(), [](void*, const char*) {}, nullptr);
    return connection;
}

// nullopt: the server refused it.
std::optional<Rows> run(PGconn* connection, const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection, sql.c_str()),
                                                               PQclear);
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        return std::nullopt;
    }
    Rows rows;
    for (int i = 0; i < PQntuples(result.get()); ++i) {
        auto& row = rows.emplace_back();
        for (int j = 0; j < PQnfields(result.get()); ++j) {
            row.emplace_back(PQgetvalue(result.get(), i, j));
        }
    }
    return rows;
}

std::string lower(std::string text) {
    for (char& c : text) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    return text;
}

std::string literal(const std::string& value) {
    std::string text = "'";
    for (const char c : value) {
        text += c == '\'' ? "''" : std::string(1, c);
    }
    return text + "'";
}

// What the server has in pg_settings.setting once the value is set; nullopt: it does not take it.
std::optional<std::string> taken(PGconn* connection, const std::string& name,
                                 const std::string& value) {
    if (!run(connection, "SET " + name + " TO " + literal(value))) {
        return std::nullopt;
    }
    return run(connection, "SELECT setting FROM pg_settings WHERE name = " + literal(name))
        .value()
        .at(0)
        .at(0);
}

bool allowed(const std::string& name, const std::string& value) {
    const std::string sql = "SET " + name + " TO " + literal(value);
    return judge(sql, *open_policy(), session()).allowed();
}

TEST_CASE("every setting of the server's has a verdict and a reason", "[settings]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr) {
        return;
    }
    const Connection connection = connect();
    const Rows settings =
        run(connection.get(), "SELECT name, context FROM pg_settings WHERE name !~ '[.]'").value();
    REQUIRE(settings.size() > 340);
    std::size_t settable = 0;
    for (const auto& setting : settings) {
        INFO(setting[0] << " " << setting[1]);
        const SettingRule* rule = setting_rule(lower(setting[0]));
        REQUIRE(rule != nullptr);
        // Who reads the list finds these among the settings that no session changes.
        const bool by_session = setting[1] == "user" || setting[1] == "superuser";
        CHECK(by_session != rule->reason.starts_with("the server takes it"));
        settable += by_session ? 1 : 0;
    }
    CHECK(settable > 150);
}

TEST_CASE("the table of settings is in order", "[settings]") {
    std::string_view before;
    for (const SettingRule& rule : setting_rules()) {
        INFO(rule.name);
        CHECK(rule.name > before);
        before = rule.name;
        CHECK(lower(std::string(rule.name)) == rule.name);
        CHECK_FALSE(rule.reason.empty());
        CHECK((rule.verdict == SettingVerdict::kLimited) == !rule.values.empty());
    }
    for (const ClosedPrefix& closed : closed_prefixes()) {
        INFO(closed.prefix);
        CHECK_FALSE(closed.reason.empty());
        const auto objection =
            judge_set(std::string(closed.prefix) + "x.y", std::array{std::string("1")});
        REQUIRE(objection);
        CHECK(objection->sqlstate == "42501");
    }
}

TEST_CASE("a size, a number: allowed as far as what the server makes of it is", "[settings]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr || !have_fixture()) {
        return;
    }
    struct Capped {
        std::string name;
        double unit;  // of pg_settings.setting
        double most;
    };
    const std::vector<Capped> capped = {
        {"work_mem", 1024, limits::kSettingMemoryBytesMax},
        {"maintenance_work_mem", 1024, limits::kSettingMemoryBytesMax},
        {"temp_buffers", 8192, limits::kSettingMemoryBytesMax},
        {"hash_mem_multiplier", 1, limits::kHashMemMultiplierMax},
        {"max_parallel_workers", 1, limits::kParallelWorkersMax},
        {"max_parallel_workers_per_gather", 1, limits::kParallelWorkersMax},
        {"effective_io_concurrency", 1, limits::kIoConcurrencyMax},
        {"maintenance_io_concurrency", 1, limits::kIoConcurrencyMax},
    };
    std::vector<std::string> values;
    for (const char* number :
         {"0",        "1",        "2",          "4",          "4.0001",
          "5",        "8",        "9",          "64",         "100",
          "256",      "257",      "1000",       "1024",       "1025",
          "65536",    "131072",   "131073",     "262144",     "1048575",
          "1048576",  "1048577",  "2147483647", "2147483648", "99999999999999999999",
          "-1",       "0x10",     "0x100000",   "0x100001",   "010",
          "04000000", "04000001", "1e3",        "1e6",        "1e400",
          "1.5",      ".5",       "5.",         "1.0000001",  "0.9999999",
          "0x1.8p1",  "nan",      "inf",        "infinity",   "+7",
          " 7",       "1_000",    "١"}) {
        for (const char* unit : {"", "B", "kB", "KB", "MB", "mb", "GB", "TB", "PB", " MB", "MB ",
                                 "\tGB\n", " ", "M B", "ms", "s", "%"}) {
            values.push_back(number + std::string(unit));
        }
    }
    values.insert(values.end(), {"", " ", "MB", "on", "default", "1 GB 1", "0x", "1GB\v"});
    const Connection connection = connect();
    std::size_t within = 0;
    std::size_t beyond = 0;
    for (const Capped& setting : capped) {
        for (const std::string& value : values) {
            INFO(setting.name << " = '" << value << "'");
            const auto made = taken(connection.get(), setting.name, value);
            run(connection.get(), "RESET " + setting.name);
            if (!made) {
                continue;  // the server's own refusal is as good
            }
            const double is = std::strtod(made->c_str(), nullptr) * setting.unit;
            // The bound itself: the server may have rounded down to it.
            if (is != setting.most) {
                CHECK(allowed(setting.name, value) == (is < setting.most));
            }
            ++(is <= setting.most ? within : beyond);
        }
    }
    CHECK(within > 300);
    CHECK(beyond > 150);
}

TEST_CASE("a pinned setting: allowed only where the server makes the pin of it", "[settings]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr || !have_fixture()) {
        return;
    }
    const Connection connection = connect();
    const std::vector<std::pair<std::string, std::string>> pins = {
        {"standard_conforming_strings", "on"}, {"default_transaction_read_only", "on"},
        {"transaction_read_only", "on"},       {"transform_null_equals", "off"},
        {"backslash_quote", "safe_encoding"},  {"role", "none"},
    };
    for (const auto& [name, pin] : pins) {
        std::size_t kept = 0;
        for (const std::string value : {"on",
                                        "off",
                                        "ON",
                                        "Off",
                                        "o",
                                        "of",
                                        "t",
                                        "tr",
                                        "tru",
                                        "true",
                                        "TRUE",
                                        "truex",
                                        "f",
                                        "fa",
                                        "false",
                                        "y",
                                        "ye",
                                        "yes",
                                        "yess",
                                        "n",
                                        "no",
                                        "nO",
                                        "none",
                                        "NONE",
                                        "1",
                                        "0",
                                        "01",
                                        "2",
                                        "-1",
                                        "1.0",
                                        " on",
                                        "on ",
                                        "",
                                        "safe_encoding",
                                        "SAFE_Encoding",
                                        "safe_encodin",
                                        "postgres"}) {
            INFO(name << " = '" << value << "'");
            run(connection.get(), "BEGIN");
            const auto made = run(connection.get(), "SET " + name + " TO " + literal(value))
                                  ? run(connection.get(), "SHOW " + name)
                                  : std::nullopt;
            run(connection.get(), "ROLLBACK");
            const bool holds = made && made->at(0).at(0) == pin;
            if (made) {
                CHECK(allowed(name, value) == holds);
            }
            kept += holds ? 1 : 0;
        }
        INFO(name);
        CHECK(kept > 0);
    }
}

TEST_CASE("client_encoding: UTF8 under each name that the server has for it", "[settings]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr || !have_fixture()) {
        return;
    }
    const Connection connection = connect();
    std::set<std::string> names{"utf8",     "UTF-8",     "utf_8",       "Unicode",
                                "UNI CODE", "u.t.f.8",   "utf88",       "utf",
                                "",         "sql_ascii", "SQL ASCII",   "sqlascii",
                                "latin-1",  "iso88591",  "windows1252", "utf8é"};
    const Rows encodings =
        run(connection.get(), "SELECT pg_encoding_to_char(i) FROM generate_series(0, 45) i")
            .value();
    for (const auto& row : encodings) {
        names.insert(row[0]);
    }
    CHECK(names.contains("SJIS"));
    std::size_t others = 0;
    for (const std::string& name : names) {
        INFO(name);
        const auto made = taken(connection.get(), "client_encoding", name);
        run(connection.get(), "RESET client_encoding");
        if (!made) {
            continue;
        }
        CHECK(allowed("client_encoding", name) == (*made == "UTF8" || *made == "SQL_ASCII"));
        // Of what converts nothing the session stays at UTF8.
        if (*made == "SQL_ASCII") {
            const std::string sql = "SET client_encoding TO " + literal(name);
            CHECK(sent(sql, judge(sql, *open_policy(), session())) ==
                  "SET client_encoding TO 'UTF8'");
            CHECK(judge_set("client_encoding", std::array{name}));
        }
        others += *made != "UTF8" && *made != "SQL_ASCII" ? 1 : 0;
    }
    CHECK(others > 30);
}

TEST_CASE("messages below info stay closed under every name of theirs", "[settings]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr || !have_fixture()) {
        return;
    }
    const Connection connection = connect();
    std::size_t open = 0;
    for (const std::string level :
         {"debug", "debug1", "debug2", "debug3", "debug4", "debug5", "DEBUG5", "log", "Log", "info",
          "notice", "warning", "error", "fatal", "panic", "commerror", "NOTICE"}) {
        INFO(level);
        const auto made = taken(connection.get(), "client_min_messages", level);
        if (made) {
            const bool low = made->starts_with("debug") || *made == "log";
            CHECK(allowed("client_min_messages", level) == !low);
            open += low ? 0 : 1;
        }
    }
    CHECK(open >= 4);
}

// pg_dump sends it. What is not filtered is not under either value, and what is fails with off.
TEST_CASE("row_security = off never shows more", "[settings]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr) {
        return;
    }
    const Connection connection = connect();
    REQUIRE(run(connection.get(),
                "BEGIN; CREATE ROLE vitrine_filtered; CREATE TABLE filtered (a integer); "
                "INSERT INTO filtered VALUES (1), (2); ALTER TABLE filtered ENABLE ROW LEVEL "
                "SECURITY; CREATE POLICY p ON filtered USING (a = 1); GRANT SELECT ON filtered TO "
                "vitrine_filtered; SET LOCAL ROLE vitrine_filtered"));
    CHECK(run(connection.get(), "SELECT a FROM filtered").value() == Rows{{"1"}});
    REQUIRE(run(connection.get(), "SET LOCAL row_security = off"));
    CHECK_FALSE(run(connection.get(), "SELECT a FROM filtered"));
    run(connection.get(), "ROLLBACK");
}

}  // namespace
}  // namespace vitrine::parser::test
