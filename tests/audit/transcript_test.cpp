// `audit list` and `audit show`: what an auditor sees, and that nobody can paint it for them.
#include <boost/json.hpp>
#include <sstream>

#include "proxy/audit/terminal_text.h"
#include "tests/audit/log_fixture.h"

namespace vitrine::audit {

namespace {

struct Printed {
    int status = 0;
    std::string out;
    std::string err;
};

Printed list(const LogFixture& fixture, Format format = Format::kTable) {
    std::ostringstream out;
    std::ostringstream err;
    const int status = list_sessions(fixture.directory, format, out, err);
    return {status, out.str(), err.str()};
}

Printed show(const LogFixture& fixture, const std::string& session,
             Format format = Format::kTable) {
    std::ostringstream out;
    std::ostringstream err;
    const int status = show_session(fixture.directory, session, format, out, err);
    return {status, out.str(), err.str()};
}

void write_example(const LogFixture& fixture) {
    auto log = fixture.open();
    const auto tick = [&] { fixture.time.advance(std::chrono::milliseconds(1500)); };
    const SessionId id = session_of("alice", 'a');
    REQUIRE(log->append(id, a_start()));
    tick();
    Statement masked = a_statement(1, "SELECT email\n  FROM customers\n WHERE id = $1");
    masked.masked = {"public.customers.email"};
    masked.forwarded = "SELECT email FROM (SELECT '****') customers";
    REQUIRE(log->append(id, masked));
    tick();
    Statement bind;
    bind.statement = 2;
    bind.of = 1;
    bind.allowed = true;
    bind.rule = "read";
    bind.params = {{"O'Hara", std::nullopt, "\xFF"}};
    REQUIRE(log->append(id, bind));
    tick();
    REQUIRE(log->append(id, a_result(2, 1)));
    tick();
    REQUIRE(log->append(id, a_statement(3, "DELETE FROM orders", false)));
    Result refused = a_result(3, 0);
    refused.sqlstate = "25006";
    refused.message = "cannot execute DELETE in a read-only transaction";
    REQUIRE(log->append(id, refused));
    tick();
    SessionEnd end;
    end.cause = EndCause::kExpired;
    end.statements = 3;
    end.rejected = 1;
    end.rows = 1;
    end.bytes = 10;
    REQUIRE(log->append(id, end));
    tick();
    REQUIRE(log->append(session_of("bob", 'b'), a_start()));
    REQUIRE(log->append(session_of("bob", 'b'), a_statement(1, "DROP TABLE x", false)));
    REQUIRE(log->append(session_of("bob", 'b'), a_result(1, 7)));
    tick();
    REQUIRE(
        log->append(session_of("mallory", 'c'), LoginRefused{"shop", "10.9.9.9:1", "signature"}));
}

}  // namespace

TEST_CASE("The list has each session and each refused login") {
    LogFixture fixture;
    write_example(fixture);
    const Printed table = list(fixture);
    CHECK(table.status == 0);
    CHECK(table.err.empty());
    const std::string a(32, 'a');
    const std::string b(32, 'b');
    const std::string c(32, 'c');
    // clang-format off
    CHECK(table.out ==
        "session                           user     database  start            "
            "    end                          statements  rejected  rows  client\n"
        + a + "  alice    shop      2026-11-24 12:00:00  "
            "2026-11-24 12:00:07 expired  3           1         1     127.0.0.1:50000\n"
        + b + "  bob      shop      2026-11-24 12:00:09  open                        "
            " 1           1         7     127.0.0.1:50000\n"
        + c + "  mallory  shop      2026-11-24 12:00:10  login refused: signature    "
            " 0           0         0     10.9.9.9:1\n");
    // clang-format on
    const auto sessions = boost::json::parse(list(fixture, Format::kJson).out).as_array();
    REQUIRE(sessions.size() == 3);
    CHECK(sessions[0].at("cause").as_string() == "expired");
    CHECK(sessions[1].at("end").is_null());
    CHECK(sessions[2].at("type").as_string() == "login_refused");
}

TEST_CASE("A session reads as a transcript") {
    LogFixture fixture;
    write_example(fixture);
    const Printed shown = show(fixture, "aaaa");
    CHECK(shown.status == 0);
    CHECK(shown.err.empty());
    CHECK(shown.out == "session " + std::string(32, 'a') +
                           "\n"
                           "  user         alice\n"
                           "  database     shop\n"
                           "  groups       engineering, fraud\n"
                           "  client       127.0.0.1:50000\n"
                           "  application  psql\n"
                           "  token        0123abcd from vitrine\n"
                           "  grant        none\n"
                           "  reason       INC-1\n"
                           "  expires      2026-11-24 12:15:00\n"
                           "\n"
                           "-- 2026-11-24 --\n"
                           "12:00:00.000000  session starts\n"
                           "12:00:01.500000  #1  allowed (read)\n"
                           "    | SELECT email\n"
                           "    |   FROM customers\n"
                           "    |  WHERE id = $1\n"
                           "    masked: public.customers.email\n"
                           "    sent to the server as:\n"
                           "    | SELECT email FROM (SELECT '****') customers\n"
                           "12:00:03.000000  #2  allowed (read), runs #1\n"
                           "    | SELECT email\n"
                           "    |   FROM customers\n"
                           "    |  WHERE id = $1\n"
                           "    | $1 = 'O''Hara'\n"
                           "    | $2 = NULL\n"
                           "    | $3 = base64 /w==\n"
                           "12:00:04.500000  #2  1 row, 10 bytes, 1.234 ms\n"
                           "12:00:06.000000  #3  REJECTED (read-only)\n"
                           "    | DELETE FROM orders\n"
                           "12:00:06.000000  #3  ERROR 25006 after 0 rows, 0 bytes, 1.234 ms\n"
                           "    | cannot execute DELETE in a read-only transaction\n"
                           "12:00:07.500000  session ends: expired; 3 statements, 1 rejected, 1 "
                           "rows, 10 bytes\n");
}

TEST_CASE("Which session is meant") {
    LogFixture fixture;
    write_example(fixture);
    CHECK(show(fixture, "last").out.find("user         bob") != std::string::npos);
    CHECK(show(fixture, "last").out.find("still running, or vitrine was killed") !=
          std::string::npos);
    CHECK(show(fixture, std::string(32, 'a')).status == 0);
    CHECK(show(fixture, "cccc").out.find("login refused") == 0);
    CHECK(show(fixture, "aaa").status == 2);
    CHECK(show(fixture, "").status == 2);
    CHECK(show(fixture, "dddd").status == 2);
    CHECK(show(fixture, "dddd").err.find("audit list") != std::string::npos);
    {
        auto log = fixture.open();
        REQUIRE(log->append({"aaaab" + std::string(27, '0'), "bob"}, a_start()));
    }
    CHECK(show(fixture, "aaaa").status == 2);
    CHECK(show(fixture, "aaaa").err.find("more than one") == 0);
    CHECK(show(fixture, "aaaab").status == 0);

    LogFixture empty;
    CHECK(list(empty).status == 2);
    CHECK(show(empty, "last").status == 2);
}

TEST_CASE("A session over midnight is shown whole") {
    LogFixture fixture;
    {
        auto log = fixture.open();
        const SessionId id = session_of("alice");
        REQUIRE(log->append(id, a_start()));
        REQUIRE(log->append(id, a_statement(1, "SELECT 'prepared before'")));
        fixture.time.advance(std::chrono::hours(13));
        Statement bind;
        bind.statement = 2;
        bind.of = 1;
        bind.allowed = true;
        REQUIRE(log->append(id, bind));
        REQUIRE(log->append(id, SessionEnd{}));
    }
    const Printed shown = show(fixture, "last");
    CHECK(shown.out.find("-- 2026-11-25 --\n01:00:00.000000  #2  allowed, runs #1\n"
                         "    | SELECT 'prepared before'\n") != std::string::npos);
    CHECK(boost::json::parse(list(fixture, Format::kJson).out).as_array().size() == 1);
}

TEST_CASE("As JSON the records stand as they stand in the file") {
    LogFixture fixture;
    write_example(fixture);
    const Printed shown = show(fixture, "aaaa", Format::kJson);
    const auto lines = lines_of(fixture.file());
    for (const std::string& line : lines) {
        CHECK(shown.out.find(line) != std::string::npos);
    }
    CHECK(boost::json::parse(shown.out).at("records").as_array().size() == lines.size());
}

TEST_CASE("A damaged line is said, and the rest is shown") {
    LogFixture fixture;
    write_example(fixture);
    auto lines = lines_of(fixture.file());
    lines[2] = "garbage\x1b[31m";
    write_lines(fixture.file(), lines);
    const Printed shown = show(fixture, "aaaa");
    CHECK(shown.status == 1);
    CHECK(shown.err.find("2026-11-24.jsonl:3: ") != std::string::npos);
    CHECK(shown.err.find('\x1b') == std::string::npos);
    CHECK(shown.out.find("session ends") != std::string::npos);
    CHECK(list(fixture).status == 1);
}

TEST_CASE("Nothing a stranger wrote reaches the terminal as more than text") {
    LogFixture fixture;
    const std::string evil =
        "SELECT 1 --\x1b[2J\x1b]0;title\x07\r12:00:00  #9  allowed\b\b\x7f\xC2\x9B"
        "31m\xE2\x80\xAE"
        "txet\xE2\x80\x8B\xE2\x80\xA8\xF3\xA0\x81\x81\xFF"
        "\n12:00:00.000000  #9  allowed (read)\n" +
        std::string(72, ' ') + "12:00:00.000000  #8  allowed (read)";
    {
        auto log = fixture.open();
        const SessionId id{"abcd\x1b[2J\n", "al\x1b[1mice\nroot"};
        SessionStart start = a_start();
        start.database = start.client = start.application = start.reason = evil;
        start.token = start.issuer = start.grant = evil;
        start.groups = {evil};
        REQUIRE(log->append(id, start));
        Statement statement = a_statement(1, evil);
        statement.rule = evil;
        statement.masked = {evil};
        statement.params = {{evil}};
        statement.forwarded = evil;
        REQUIRE(log->append(id, statement));
        Result result = a_result(1, 1);
        result.sqlstate = evil;
        result.message = evil;
        REQUIRE(log->append(id, result));
        REQUIRE(log->append({std::string(32, 'b'), "x" + std::string(200, ' ') + "y"},
                            LoginRefused{evil, evil, evil}));
    }
    for (const Printed& printed : {list(fixture), show(fixture, "abcd"), show(fixture, "bbbb")}) {
        CHECK(printed.status == 0);
        std::istringstream lines(printed.out);
        for (std::string line; std::getline(lines, line);) {
            INFO(line);
            for (const char c : line) {
                CHECK(((c >= 0x20 && c < 0x7F) || static_cast<unsigned char>(c) >= 0x80));
            }
            for (const char* hidden :
                 {"\xC2\x9B", "\xE2\x80\xAE", "\xE2\x80\x8B", "\xE2\x80\xA8", "\xF3\xA0\x81\x81"}) {
                CHECK(line.find(hidden) == std::string::npos);
            }
            CHECK(line.find("12:00:00.000000  #9") != 0);
            CHECK(line.find("12:00:00.000000  #8") != 0);
            // As a terminal of 80 columns breaks it.
            if (line.starts_with("    | ") || line.starts_with("    \\ ")) {
                CHECK(line.size() <= 80);
            }
        }
    }
}

TEST_CASE("Printable text") {
    CHECK(printable("plain \xC3\xBC") == "plain \xC3\xBC");
    CHECK(printable("a\nb\tc\x1b") == "a\\nb\\tc\\x1b");
    CHECK(printable(std::string_view("\0\x7f\xFF", 3)) == "\\x00\\x7f\\xff");
    CHECK(printable("\xE2\x80\xAE") == "\\u{202e}");
    std::ostringstream out;
    print_block(out, "a\n\n\tb\r\n" + std::string(80, 'x'));
    CHECK(out.str() == "    | a\n    | \n    |     b\n    | " + std::string(72, 'x') + "\n    \\ " +
                           std::string(8, 'x') + "\n");
}

}  // namespace vitrine::audit
