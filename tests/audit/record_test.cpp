// How a record is written, byte for byte (docs/query-log.md, "A line").
#include <boost/json.hpp>

#include "proxy/audit/chain.h"
#include "proxy/audit/json_text.h"
#include "proxy/audit/names.h"
#include "tests/audit/log_fixture.h"

namespace vitrine::audit {

namespace {

boost::json::object parsed(const std::string& line) {
    return boost::json::parse(line).as_object();
}

std::string json_string(std::string_view text) {
    std::string out;
    static_cast<void>(append_json_string(out, text));
    return out;
}

}  // namespace

TEST_CASE("Each record has INTERFACE's fields in INTERFACE's order") {
    LogFixture fixture;
    {
        auto log = fixture.open();
        const SessionId id = session_of("alice");
        SessionStart start = a_start();
        start.search_path = {"pg_catalog", "public"};
        REQUIRE(log->append(id, start));
        Statement statement = a_statement(1, "SELECT email FROM customers");
        statement.params = {{"x", std::nullopt}};
        statement.masked = {"public.customers.email"};
        statement.forwarded = "SELECT email FROM (SELECT 1) customers";
        statement.policy = "0123456789abcdef";
        REQUIRE(log->append(id, statement));
        Result result = a_result(1, 3);
        result.sqlstate = "57014";
        result.message = "canceling statement";
        REQUIRE(log->append(id, result));
        Statement bind;
        bind.statement = 2;
        bind.of = 1;
        bind.allowed = false;
        bind.rule = "limit";
        bind.policy = "0123456789abcdef";
        REQUIRE(log->append(id, bind));
        SessionEnd end;
        end.cause = EndCause::kExpired;
        end.statements = 2;
        end.rejected = 1;
        end.rows = 3;
        end.bytes = 30;
        REQUIRE(log->append(id, end));
        REQUIRE(log->append({std::string(32, 'b'), "alice"},
                            LoginRefused{"shop", "10.0.0.1:1", "expired"}));
    }
    const std::string session(32, 'a');
    const std::string head = "\",\"session\":\"" + session + "\",\"user\":\"alice\",";
    const std::string time = "{\"time\":\"2026-11-24T12:00:00.000000Z\",\"seq\":";
    const std::vector<std::string> expected{
        time + "1,\"type\":\"session_start" + head +
            "\"database\":\"shop\",\"groups\":[\"engineering\",\"fraud\"],"
            "\"client\":\"127.0.0.1:50000\",\"application\":\"psql\",\"token\":\"0123abcd\","
            "\"issuer\":\"vitrine\",\"grant\":\"\",\"reason\":\"INC-1\","
            "\"expires\":\"2026-11-24T12:15:00Z\",\"search_path\":[\"pg_catalog\",\"public\"],"
            "\"prev\":\"",
        time + "2,\"type\":\"statement" + head +
            "\"statement\":1,\"sql\":\"SELECT email FROM customers\",\"params\":[\"x\",null],"
            "\"verdict\":\"allow\",\"rule\":\"read\",\"masked\":[\"public.customers.email\"],"
            "\"forwarded\":\"SELECT email FROM (SELECT 1) customers\","
            "\"policy\":\"0123456789abcdef\",\"prev\":\"",
        time + "3,\"type\":\"result" + head +
            "\"statement\":1,\"rows\":3,\"bytes\":30,\"duration_us\":1234,"
            "\"sqlstate\":\"57014\",\"message\":\"canceling statement\",\"prev\":\"",
        time + "4,\"type\":\"statement" + head +
            "\"statement\":2,\"of\":1,\"verdict\":\"reject\",\"rule\":\"limit\",\"masked\":[],"
            "\"policy\":\"0123456789abcdef\",\"prev\":\"",
        time + "5,\"type\":\"session_end" + head +
            "\"cause\":\"expired\",\"statements\":2,\"rejected\":1,\"rows\":3,\"bytes\":30,"
            "\"prev\":\"",
        time + "6,\"type\":\"login_refused\",\"session\":\"" + std::string(32, 'b') +
            "\",\"user\":\"alice\",\"database\":\"shop\",\"client\":\"10.0.0.1:1\","
            "\"cause\":\"expired\",\"prev\":\"",
    };
    const auto lines = lines_of(fixture.file());
    REQUIRE(lines.size() == expected.size());
    Sha256 sha;
    std::string prev;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        INFO(lines[i]);
        CHECK(lines[i].starts_with(expected[i]));
        CHECK(lines[i].size() == expected[i].size() + 64 + 10 + 64 + 2);
        const auto line = parse_line(lines[i]);
        REQUIRE(line);
        CHECK(line->seq == i + 1);
        CHECK(line->hash == sha.of(lines[i].substr(0, lines[i].rfind(",\"hash\":\""))).view());
        if (i > 0) {
            CHECK(line->prev == prev);
        }
        prev = line->hash;
    }
}

TEST_CASE("Text is escaped, and valid UTF-8 stays as it is") {
    CHECK(json_string("a\"b\\c\n\r\t") == R"("a\"b\\c\n\r\t")");
    CHECK(json_string(std::string_view("\0\x1b\x7f", 3)) == "\"\\u0000\\u001b\\u007f\"");
    CHECK(json_string("\xC2\x9B"
                      "31m \xC2\xA0") == "\"\\u009b31m \xC2\xA0\"");
    CHECK(json_string("gr\xC3\xBC\xC3\x9F \xF0\x9F\x90\x98") ==
          "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x90\x98\"");
}

TEST_CASE("No byte that has to be escaped slips through, wherever it stands") {
    for (std::size_t length = 1; length <= 80; ++length) {
        for (std::size_t at = 0; at < length; ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string text(length, 'x');
                text[at] = static_cast<char>(byte);
                const bool is_plain = byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
                std::string json;
                const bool is_valid = append_json_string(json, text);
                std::string member;
                append_member(member, "m", text);
                if ((json == '"' + text + '"') != is_plain || is_valid != (byte < 0x80) ||
                    !member.starts_with(",\"m\":" + json)) {
                    FAIL(length << ' ' << at << ' ' << byte);
                }
            }
        }
    }
}

TEST_CASE("UTF-8 is what Unicode says, and no more") {
    const std::vector<std::string> invalid{"\x80",
                                           "\xBF",
                                           "\xC0\x80",
                                           "\xC1\xBF",
                                           "\xC2",
                                           "\xC2\x41",
                                           "\xE0\x9F\xBF",
                                           "\xE0\xA0",
                                           "\xED\xA0\x80",
                                           "\xED\xBF\xBF",
                                           "\xEF\xBF",
                                           "\xF0\x8F\xBF\xBF",
                                           "\xF0\x90\x80",
                                           "\xF4\x90\x80\x80",
                                           "\xF5\x80\x80\x80",
                                           "\xFF",
                                           "\xFE"};
    for (const std::string& text : invalid) {
        CAPTURE(text);
        CHECK(utf8_length(text) == 0);
        std::string out;
        CHECK_FALSE(append_json_string(out, text));
    }
    const std::vector<std::string> valid{"a",
                                         "\xC2\x80",
                                         "\xDF\xBF",
                                         "\xE0\xA0\x80",
                                         "\xED\x9F\xBF",
                                         "\xEE\x80\x80",
                                         "\xEF\xBF\xBF",
                                         "\xF0\x90\x80\x80",
                                         "\xF4\x8F\xBF\xBF"};
    for (const std::string& text : valid) {
        CAPTURE(text);
        CHECK(utf8_length(text) == text.size());
    }
}

TEST_CASE("Text that is not UTF-8 loses nothing") {
    LogFixture fixture;
    {
        auto log = fixture.open();
        Statement statement = a_statement(1, "SELECT 'a\xFF\x80z'");
        statement.params = {{"\xFF\xFE", "plain", std::nullopt}};
        REQUIRE(log->append(session_of("alice"), statement));
        REQUIRE(log->append(session_of("b\xFF"), statement));
    }
    const auto record = parsed(lines_of(fixture.file()).at(0));
    CHECK(record.at("sql").as_string() == "SELECT 'a\xEF\xBF\xBD\xEF\xBF\xBDz'");
    CHECK(record.at("sql_base64").as_string() == "U0VMRUNUICdh/4B6Jw==");
    const auto& params = record.at("params").as_array();
    CHECK(params.at(0).as_object().at("base64").as_string() == "//4=");
    CHECK(params.at(1).as_string() == "plain");
    CHECK(params.at(2).is_null());
    const auto other = parsed(lines_of(fixture.file("b%FF")).at(0));
    CHECK(other.at("user_base64").as_string() == "Yv8=");
    INFO(all_of(fixture.verified().broken));
    CHECK(fixture.verified().broken.empty());
}

TEST_CASE("Base64 of every remainder and beyond a piece") {
    const auto encoded = [](const std::string& bytes) {
        std::string out;
        append_base64(out, bytes);
        return out;
    };
    CHECK(encoded("").empty());
    CHECK(encoded("f") == "Zg==");
    CHECK(encoded("fo") == "Zm8=");
    CHECK(encoded("foo") == "Zm9v");
    const std::string long_one = encoded(std::string(10000, 'a'));
    CHECK(long_one.size() == (10000 + 2) / 3 * 4);
    CHECK(long_one.find('=') == long_one.size() - 2);
}

TEST_CASE("A user's directory is one name, and nobody else's") {
    CHECK(directory_name("alice") == "alice");
    CHECK(directory_name("A.b_c-d@example.com") == "A.b_c-d@example.com");
    CHECK(directory_name("a/b") == "a%2Fb");
    CHECK(directory_name("../../etc/passwd") == "..%2F..%2Fetc%2Fpasswd");
    CHECK(directory_name(".") == "%2E");
    CHECK(directory_name("..") == "%2E.");
    CHECK(directory_name("...") == "...");
    CHECK(directory_name("") == "%");
    CHECK(directory_name("%") == "%25");
    CHECK(directory_name("ledger.jsonl") == "%6Cedger.jsonl");
    CHECK(directory_name("gr\xC3\xBC") == "gr%C3%BC");
    CHECK(directory_name(std::string_view("a\0b", 3)) == "a%00b");
    const std::string at_limit(200, 'x');
    CHECK(directory_name(at_limit) == at_limit);
    const std::string x = directory_name(at_limit + "x");
    const std::string y = directory_name(at_limit + "y");
    CHECK(x != y);
    CHECK(x.size() == 120 + 2 + 64);
    for (std::size_t offset = 0; offset < 3; ++offset) {
        const std::string cut = directory_name(std::string(offset, 'a') + std::string(200, '/'));
        CHECK((cut.find("%%") - offset) % 3 == 0);
        CHECK(cut.size() <= 200);
    }
}

TEST_CASE("Days and times are read strictly") {
    CHECK(parse_day("2026-11-24"));
    CHECK(parse_day("2024-02-29"));
    for (const char* wrong : {"2026-02-29", "2026-13-01", "2026-00-10", "2026-1-010", "26-11-2400",
                              "2026-11-2a", "2026-11-24 ", "+026-11-24", ""}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_day(wrong));
    }
    const auto time = parse_time("2026-11-24T13:38:32.123456Z");
    REQUIRE(time);
    std::string again;
    append_time(again, *time);
    CHECK(again == "2026-11-24T13:38:32.123456Z");
    for (const char* wrong : {"2026-11-24T13:38:32.12345Z", "2026-11-24 13:38:32.123456Z",
                              "2026-11-24T24:00:00.000000Z", "2026-11-24T13:60:32.123456Z",
                              "2026-11-24T13:38:32.123456z", "2026-11-24T13:38:32,123456Z",
                              "2026-11-24T13:38:-2.123456Z"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_time(wrong));
    }
    CHECK(day_of("alice/2026-11-24.jsonl"));
    CHECK_FALSE(day_of("alice/2026-11-24.jsonl.bak"));
    CHECK_FALSE(day_of("2026-11-24.jsonl"));
}

TEST_CASE("One time after the other reads as each by itself") {
    using namespace std::chrono;
    TimeText text;
    const Microseconds noon = sys_days(year(2026) / 11 / 24) + hours(12);
    for (const microseconds step :
         {microseconds(0), microseconds(1), microseconds(999'999), microseconds(1'000'000),
          microseconds(1'234'567), microseconds(1'200'000), microseconds(0), microseconds(-1),
          microseconds(-1'000'000), duration_cast<microseconds>(hours(12)),
          duration_cast<microseconds>(hours(12)) - microseconds(1),
          duration_cast<microseconds>(days(365 * 60)), -duration_cast<microseconds>(days(365 * 60)),
          -duration_cast<microseconds>(days(365 * 60)) + microseconds(7)}) {
        std::string expected;
        append_time(expected, noon + step);
        CHECK(text.of(noon + step) == expected);
    }
}

TEST_CASE("A line is taken apart only if it has exactly the shape it was given") {
    std::string line;
    begin_line(line, "2026-11-24T13:38:32.123456Z", 7, "result");
    append_member(line, "rows", 1);
    Sha256 sha;
    const HexDigest hash = seal(line, HexDigest{}, sha);
    line.pop_back();
    const auto parsed_line = parse_line(line);
    REQUIRE(parsed_line);
    CHECK(parsed_line->seq == 7);
    CHECK(parsed_line->type == "result");
    CHECK(parsed_line->hash == hash.view());
    CHECK(parsed_line->signature.empty());
    for (std::size_t length = 0; length < line.size(); ++length) {
        CHECK_FALSE(parse_line(std::string_view(line).substr(0, length)));
    }
    CHECK_FALSE(parse_line(line + " "));
    CHECK_FALSE(parse_line(" " + line));
    std::string upper = line;
    upper[upper.size() - 3] = 'F';
    CHECK_FALSE(parse_line(upper));
    std::string zero = line;
    zero.replace(zero.find(":7,"), 3, ":07,");
    CHECK_FALSE(parse_line(zero));
}

}  // namespace vitrine::audit
