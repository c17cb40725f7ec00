// What is sent of a record: syslog messages, OTLP requests, the shortened form.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <regex>

#include "proxy/audit/chain.h"
#include "proxy/export/facts.h"
#include "proxy/export/otlp_format.h"
#include "proxy/export/syslog_format.h"

using namespace vitrine;
using namespace vitrine::exports;
namespace json = boost::json;

namespace {

constexpr const char* kTime = "2026-11-24T13:38:32.123456Z";
constexpr std::int64_t kTimeNs = 1795527512123456000;
constexpr const char* kNow = "2027-01-01T00:00:00.000000Z";
constexpr std::int64_t kNowNs = 1798761600000000000;

// A sealed line with these members behind `type`.
Item item_of(const std::string& type, const std::string& members,
             const std::string& file = "ada/2026-11-24.jsonl") {
    Item item;
    audit::begin_line(item.line, kTime, 7, type);
    item.line += members;
    audit::Sha256 sha;
    item.hash = std::string(audit::seal(item.line, audit::HexDigest(), sha).view());
    item.line.pop_back();
    item.file = file;
    item.seq = 7;
    return item;
}

Item a_statement(const std::string& sql, const std::string& verdict = "allow") {
    return item_of("statement", R"(,"session":"0123abcd","user":"ada","statement":3,"sql":")" +
                                    sql + R"(","verdict":")" + verdict +
                                    R"(","rule":"a \"b\" ] \\ c")");
}

SyslogOptions options(std::size_t bytes_max = 8192) {
    return {.facility = 20, .hostname = "proxy1", .message_bytes_max = bytes_max};
}

json::object parsed(const std::string& text) {
    return json::parse(text).as_object();
}

}  // namespace

TEST_CASE("a syslog message is RFC 5424, to the byte") {
    const Item item = a_statement("SELECT 1");
    const SyslogMessage message = syslog_message(item, options(), kNow);
    CHECK_FALSE(message.shortened);
    CHECK(message.text ==
          "<166>1 2026-11-24T13:38:32.123456Z proxy1 vitrine - statement "
          "[vitrine@32473 file=\"ada/2026-11-24.jsonl\" seq=\"7\" hash=\"" +
              item.hash +
              "\" session=\"0123abcd\" user=\"ada\" verdict=\"allow\" "
              "rule=\"a \\\"b\\\" \\] \\\\ c\" statement=\"3\"] \xEF\xBB\xBF" +
              item.line);
    std::string frame = "before";
    append_syslog_frame(frame, message.text);
    CHECK(frame == "before" + std::to_string(message.text.size()) + " " + message.text);
}

TEST_CASE("what was refused is a warning, all else informational") {
    const auto priority = [](const Item& item) {
        const std::string text = syslog_message(item, options(), kNow).text;
        return text.substr(0, text.find('>') + 1);
    };
    CHECK(priority(a_statement("x")) == "<166>");
    CHECK(priority(a_statement("x", "reject")) == "<164>");
    CHECK(priority(item_of("login_refused", R"(,"user":"x")")) == "<164>");
    CHECK(priority(item_of("broken", R"(,"file":"x")", "ledger.jsonl")) == "<164>");
    CHECK(priority(item_of("checkpoint", R"(,"files":[])", "ledger.jsonl")) == "<166>");
}

TEST_CASE("a line that is no record goes all the same, and no field of it breaks the message") {
    Item item;
    item.file = "ada/2026-11-24.jsonl";
    item.line = "\xff not JSON";
    item.seq = 9;
    item.hash = std::string(64, 'a');
    const std::string text = syslog_message(item, options(), kNow).text;
    CHECK(text.starts_with("<164>1 " + std::string(kNow) + " proxy1 vitrine - unreadable ["));
    CHECK(text.ends_with("\xEF\xBB\xBF" + item.line));
    // A type with a space in it would be two fields.
    CHECK(syslog_message(item_of("a b", ""), options(), kNow).text.find(" a b ") ==
          std::string::npos);
    // A line break in a field would be two messages, to some.
    const Item named = item_of("statement", R"(,"session":"s","user":"a\nb\u0007")");
    CHECK(syslog_message(named, options(), kNow).text.find("user=\"a b \"") != std::string::npos);
    // And what deceives whoever reads it: C1 controls, other line breaks, what changes direction.
    const Item deceptive =
        item_of("statement", R"(,"session":"s","user":"a\u0085b\u009bc\u2028\u202ed\u2066ü]")");
    const std::string shown = syslog_message(deceptive, options(), kNow).text;
    CHECK(shown.find("user=\"a b c  d ü\\]\"") != std::string::npos);
}

TEST_CASE("no syslog message is longer than the receiver takes") {
    for (const std::size_t length :
         {100UL, 1000UL, 1400UL, 1500UL, 1600UL, 2000UL, 2500UL, 10000UL, 1000000UL}) {
        for (const std::string& piece : {std::string("x"), std::string("\xC3\xBC"),
                                         std::string("\\u0001"), std::string("\\\"")}) {
            std::string sql;
            while (sql.size() < length) {
                sql += piece;
            }
            const Item item = a_statement(sql);
            const SyslogMessage message = syslog_message(item, options(2048), kNow);
            INFO(length << " " << piece);
            CHECK(message.text.size() <= 2048);
            const std::string msg = message.text.substr(message.text.find("\xEF\xBB\xBF") + 3);
            if (!message.shortened) {
                CHECK(msg == item.line);
                continue;
            }
            const json::object short_form = parsed(msg);
            CHECK(short_form.at("shortened").as_bool());
            CHECK(short_form.at("hash").as_string() == item.hash);
            CHECK(short_form.at("file").as_string() == item.file);
            CHECK(short_form.at("bytes").to_number<std::size_t>() == item.line.size());
            audit::Sha256 sha;
            CHECK(short_form.at("sha256").as_string() == sha.of(item.line).view());
            CHECK(item.line.starts_with(short_form.at("beginning").as_string().c_str()));
        }
    }
}

TEST_CASE("an OTLP request has the line as its body, and 64 bits as text") {
    const Item statement = a_statement("SELECT 'ü'", "reject");
    const Item result =
        item_of("result", R"(,"session":"0123abcd","user":"ada","statement":3,"rows":12,)"
                          R"("bytes":18446744073709551615,"sqlstate":"42501")");
    const std::vector<Item> items = {statement, result};
    const OtlpRequest request =
        otlp_request(items, {.hostname = "proxy1", .record_bytes_max = 1000}, kNowNs);
    CHECK(request.shortened == 0);
    const json::object whole = parsed(request.body);
    const json::object& logs = whole.at("resourceLogs").as_array().at(0).as_object();
    const json::array& records =
        logs.at("scopeLogs").as_array().at(0).as_object().at("logRecords").as_array();
    REQUIRE(records.size() == 2);
    const json::object& first = records[0].as_object();
    CHECK(first.at("timeUnixNano").as_string() == std::to_string(kTimeNs));
    CHECK(first.at("observedTimeUnixNano").as_string() == std::to_string(kNowNs));
    CHECK(first.at("severityText").as_string() == "WARN");
    CHECK(first.at("severityNumber").as_int64() == 13);
    CHECK(first.at("body").as_object().at("stringValue").as_string() == statement.line);
    std::map<std::string, std::string> attributes;
    for (const json::value& one : records[1].as_object().at("attributes").as_array()) {
        const json::object& value = one.as_object().at("value").as_object();
        attributes[one.as_object().at("key").as_string().c_str()] =
            std::string(value.begin()->key()) + " " + value.begin()->value().as_string().c_str();
    }
    CHECK(attributes.at("db.response.returned_rows") == "intValue 12");
    CHECK(attributes.at("vitrine.bytes") == "intValue 18446744073709551615");
    CHECK(attributes.at("db.response.status_code") == "stringValue 42501");
    CHECK(attributes.at("session.id") == "stringValue 0123abcd");
    CHECK(attributes.at("vitrine.hash") == "stringValue " + result.hash);
}

TEST_CASE("an OTLP request is valid whatever stands in a line") {
    Item item;
    item.file = "ada/2026-11-24.jsonl";
    item.line = "\xff\xfe\" \\ \x01 {";
    item.hash = std::string(64, 'a');
    const std::vector<Item> items = {item, a_statement(std::string(5000, 'x'))};
    const OtlpRequest request =
        otlp_request(items, {.hostname = "-", .record_bytes_max = 2048}, kNowNs);
    CHECK(request.shortened == 1);
    json::error_code error;
    json::parse(request.body, error);
    CHECK_FALSE(error);
    CHECK(request.body.find("\"timeUnixNano\":\"" + std::to_string(kNowNs)) != std::string::npos);
}

TEST_CASE("what a collector rejects is read from its answer, in either form of a number") {
    const auto rejected = [](const char* text) {
        const OtlpRejected said = otlp_rejected(text);
        return std::to_string(said.records) + " " + said.message;
    };
    CHECK(rejected(R"({"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"old"}})") ==
          "3 old");
    CHECK(rejected(R"({"partialSuccess":{"rejectedLogRecords":4}})") == "4 ");
    CHECK(rejected(R"({"partialSuccess":{"errorMessage":"only a warning"}})") ==
          "0 only a warning");
    for (const char* const nothing : {"", "{}", "[]", "no JSON", R"({"partialSuccess":null})",
                                      R"({"partialSuccess":{"rejectedLogRecords":-1}})"}) {
        INFO(nothing);
        CHECK(rejected(nothing) == "0 ");
    }
}
