#include "proxy/session/server_login.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "proxy/wire/frame.h"
#include "proxy/wire/frontend.h"

using namespace vitrine::session;
using Outcome = ServerLogin::Outcome;
namespace wire = vitrine::wire;
namespace config = vitrine::config;

namespace {

void int32(std::string& out, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += static_cast<char>(value >> shift & 0xff);
    }
}

std::string message(char type, const std::string& payload) {
    std::string out(1, type);
    int32(out, static_cast<std::uint32_t>(payload.size() + 4));
    return out + payload;
}

std::string authentication(std::uint32_t kind, const std::string& body = {}) {
    std::string payload;
    int32(payload, kind);
    return message('R', payload + body);
}

std::string data_row(const std::vector<std::string>& values) {
    std::string payload;
    payload += '\0';
    payload += static_cast<char>(values.size());
    for (const auto& value : values) {
        int32(payload, static_cast<std::uint32_t>(value.size()));
        payload += value;
    }
    return message('D', payload);
}

std::string ready() {
    return message('Z', "I");
}

ServerLoginOptions options() {
    ServerLoginOptions options;
    options.user = "reader";
    options.dbname = "shop";
    options.password = config::Secret("secret");
    options.mask_key = config::Secret("0123456789abcdef0123456789abcdef");
    options.application_name = "alice via vitrine: psql";
    options.settings = {{"client_encoding", "LATIN1"}};
    options.server_version = 150020;
    options.salted = [](std::string_view salt, std::uint32_t iterations) {
        return wire::salted_password("secret", salt, iterations);
    };
    return options;
}

std::vector<std::string> good_state() {
    return {"{pg_catalog,public}", "on", "on", "UTF8", "safe_encoding", "off", "origin", "none"};
}

}  // namespace

TEST_CASE("the startup message pins the session, last and so in force", "[server_login]") {
    ServerLogin login(options());
    const auto packet = wire::decode_startup(login.output());
    REQUIRE(packet.has_value());
    const auto& startup = std::get<wire::StartupMessage>(*packet);
    CHECK(startup.parameter("user") == "reader");
    CHECK(startup.parameter("default_transaction_read_only") == "on");
    CHECK(startup.parameter("client_encoding") == "UTF8");
    CHECK(startup.parameter("standard_conforming_strings") == "on");
    CHECK(startup.parameter("vitrine.mask_key") == "0123456789abcdef0123456789abcdef");
    CHECK(startup.parameter("client_connection_check_interval") == "500");
    CHECK(startup.parameter("application_name") == "alice via vitrine: psql");
}

TEST_CASE("an older server is not asked for settings it does not have", "[server_login]") {
    auto old = options();
    old.server_version = 130000;
    ServerLogin login(std::move(old));
    const auto packet = wire::decode_startup(login.output());
    REQUIRE(packet.has_value());
    CHECK_FALSE(
        std::get<wire::StartupMessage>(*packet).parameter("client_connection_check_interval"));
}

TEST_CASE("a login without a password, whole and byte by byte", "[server_login]") {
    const std::string script = authentication(0) +
                               message('S', std::string("server_version\0"
                                                        "15.20\0",
                                                        21)) +
                               message('K', std::string("\0\0\0\x07\0\0\0\x09", 8)) + ready() +
                               data_row(good_state()) + message('C', std::string("SELECT 1\0", 9)) +
                               ready();
    SECTION("whole") {
        ServerLogin login(options());
        std::string bytes = script;
        REQUIRE(login.step(bytes) == Outcome::kReady);
        CHECK(login.search_path() == std::vector<std::string>{"pg_catalog", "public"});
        REQUIRE(login.key());
        CHECK(login.key()->process_id == 7);
        REQUIRE(login.parameters().size() == 1);
    }
    SECTION("byte by byte") {
        ServerLogin login(options());
        std::string bytes;
        for (std::size_t i = 0; i + 1 < script.size(); ++i) {
            bytes += script[i];
            REQUIRE(login.step(bytes) == Outcome::kGoOn);
        }
        bytes += script.back();
        CHECK(login.step(bytes) == Outcome::kReady);
    }
}

TEST_CASE("passwords are sent as they are asked for", "[server_login]") {
    ServerLogin clear(options());
    clear.output().clear();
    std::string bytes = authentication(3);
    REQUIRE(clear.step(bytes) == Outcome::kGoOn);
    CHECK(clear.output() == message('p', std::string("secret\0", 7)));

    ServerLogin md5(options());
    md5.output().clear();
    bytes = authentication(5, "salt");
    REQUIRE(md5.step(bytes) == Outcome::kGoOn);
    CHECK(md5.output() ==
          message('p', wire::md5_password("reader", "secret", "salt") + std::string(1, '\0')));
}

TEST_CASE("a server that cuts the SCRAM exchange short has proved nothing", "[server_login]") {
    ServerLogin login(options());
    std::string bytes =
        authentication(10, std::string("SCRAM-SHA-256\0\0", 15)) + authentication(0);
    CHECK(login.step(bytes) == Outcome::kFailed);
    CHECK(login.error().find("prove") != std::string::npos);
}

TEST_CASE("a server that falls back from SCRAM does not get the password", "[server_login]") {
    const std::uint32_t weaker = GENERATE(3u, 5u);
    ServerLogin login(options());
    std::string bytes = authentication(10, std::string("SCRAM-SHA-256\0\0", 15));
    REQUIRE(login.step(bytes) == Outcome::kGoOn);
    login.output().clear();
    bytes = authentication(weaker, "salt");
    CHECK(login.step(bytes) == Outcome::kFailed);
    CHECK(login.output().empty());
}

TEST_CASE("a method that vitrine does not have is named", "[server_login]") {
    ServerLogin login(options());
    std::string bytes = authentication(7);
    CHECK(login.step(bytes) == Outcome::kFailed);
    CHECK(login.error().find("7") != std::string::npos);
}

TEST_CASE("a session that is not in the pinned state is not used", "[server_login]") {
    for (std::size_t i = 1; i < good_state().size(); ++i) {
        auto state = good_state();
        state[i] = "something else";
        ServerLogin login(options());
        std::string bytes = authentication(0) + ready() + data_row(state);
        CHECK(login.step(bytes) == Outcome::kFailed);
    }
    ServerLogin silent(options());
    std::string bytes = authentication(0) + ready() + ready();
    CHECK(silent.step(bytes) == Outcome::kFailed);

    ServerLogin reports(options());
    bytes = authentication(0) +
            message('S', std::string("default_transaction_read_only\0off\0", 34)) + ready();
    CHECK(reports.step(bytes) == Outcome::kFailed);
}

TEST_CASE("a server newer than the grammar is taken where its version is named", "[server_login]") {
    CHECK(major_version("15.20 (Debian 15.20-0+deb12u1)") == 15);
    CHECK(major_version("16.1") == 16);
    CHECK(major_version("17beta1") == 17);
    CHECK(major_version("18devel") == 18);
    CHECK(major_version("9.6.24") == 9);
    CHECK(major_version("") == 0);
    CHECK(major_version("devel") == 0);
    CHECK(major_version("-1") == 0);

    const auto outcome = [](const std::string& version, int named) {
        auto made = options();
        made.named_version = named;
        ServerLogin login(std::move(made));
        std::string bytes =
            authentication(0) +
            message('S', "server_version" + std::string(1, '\0') + version + std::string(1, '\0')) +
            ready() + data_row(good_state()) + message('C', std::string("SELECT 1\0", 9)) + ready();
        return login.step(bytes);
    };
    CHECK(outcome("15.20", 0) == Outcome::kReady);
    CHECK(outcome("14.1", 0) == Outcome::kReady);
    CHECK(outcome("15.20", 16) == Outcome::kReady);
    CHECK(outcome("16.1", 16) == Outcome::kReady);
    CHECK(outcome("16.1", 0) == Outcome::kFailed);
    CHECK(outcome("16.1", 17) == Outcome::kFailed);
    CHECK(outcome("17beta1", 16) == Outcome::kFailed);
    CHECK(outcome("newest", 16) == Outcome::kFailed);
}

TEST_CASE("a setting that does not hold is named", "[server_login]") {
    auto state = good_state();
    state.back() = "reporting";
    ServerLogin login(options());
    std::string bytes = authentication(0) + ready() + data_row(state);
    REQUIRE(login.step(bytes) == Outcome::kFailed);
    CHECK(login.error() == "in a session of the service role, role must be none, and is reporting");
}

TEST_CASE("the server's error is passed on as cause and SQLSTATE", "[server_login]") {
    ServerLogin login(options());
    std::string bytes;
    wire::write_error_response(bytes, {.severity = "FATAL",
                                       .sqlstate = "57P03",
                                       .message = "the database system is starting up"});
    CHECK(login.step(bytes) == Outcome::kFailed);
    CHECK(login.sqlstate() == "57P03");
    CHECK(login.error() == "the database system is starting up");
}

TEST_CASE("name arrays as the server writes them", "[server_login]") {
    std::vector<std::string> names;
    REQUIRE(parse_name_array(R"({pg_catalog,"Mixed Case","a\"b\\c",public})", names));
    CHECK(names == std::vector<std::string>{"pg_catalog", "Mixed Case", "a\"b\\c", "public"});
    REQUIRE(parse_name_array("{}", names));
    CHECK(names.empty());
    for (const char* bad :
         {"", "{", "}", "{a", "a}", "{a,}", "{,a}", "{\"a}", "{\"a\\}", "{NULL}", "{\"a\"b}"}) {
        CHECK_FALSE(parse_name_array(bad, names));
    }
}

TEST_CASE("a session that was kept is used as it was after its login, or not at all",
          "[server_login]") {
    const auto parameter = [](const std::string& name, const std::string& value) {
        return message('S', name + '\0' + value + '\0');
    };
    const auto command = [](const std::string& tag) { return message('C', tag + '\0'); };
    KeptSession kept;
    kept.at_login = {{"server_version", "15.20"}, {"TimeZone", "UTC"}};
    kept.reported = {{"server_version", "15.20"}, {"TimeZone", "Japan"}};
    kept.key = wire::BackendKeyData{.process_id = 7, .secret_key = 9};
    const std::string forgot = parameter("TimeZone", "UTC") + command("DISCARD ALL");

    SECTION("whole and byte by byte") {
        ServerLogin login(options(), kept);
        CHECK(login.output().empty());
        std::string bytes;
        for (const char c : forgot + ready()) {
            bytes += c;
            REQUIRE(login.step(bytes) == Outcome::kGoOn);
        }
        CHECK(login.output().find("current_schemas") != std::string::npos);
        bytes = data_row(good_state()) + command("SELECT 1") + ready();
        REQUIRE(login.step(bytes) == Outcome::kReady);
        CHECK(login.parameters() == kept.at_login);
        CHECK(login.key()->process_id == 7);
        CHECK(login.search_path() == std::vector<std::string>{"pg_catalog", "public"});
    }
    SECTION("anything else") {
        auto another_state = good_state();
        another_state[1] = "off";
        const auto [sent, said] = GENERATE_COPY(table<std::string, std::string>({
            {command("DISCARD ALL") + ready(), "TimeZone = Japan"},
            {parameter("TimeZone", "Peru") + command("DISCARD ALL") + ready(), "TimeZone = Peru"},
            {forgot + parameter("is_superuser", "on") + ready(), "is_superuser = on"},
            {forgot + message('Z', "T"), "in a transaction"},
            {forgot + message('Z', "E"), "in a transaction"},
            {ready(), "too early"},
            {parameter("TimeZone", "UTC") + ready(), "too early"},
            {command("DISCARD") + ready(), "unexpected"},
            {command("SELECT 1") + ready(), "unexpected"},
            {forgot + command("DISCARD ALL") + ready(), "unexpected"},
            {data_row(good_state()) + forgot + ready(), "what state"},
            {message('K', std::string(8, '\1')), "BackendKeyData"},
            {authentication(0), "authentication twice"},
            {authentication(3), "authentication twice"},
            {message('A', std::string(4, '\0') + "c\0p\0"), "unexpected"},
            {message('1', ""), "unexpected"},
            {forgot + ready() + data_row(another_state) + command("SELECT 1") + ready(),
             "must be on, and is off"},
        }));
        ServerLogin login(options(), kept);
        std::string bytes = sent;
        INFO(said);
        REQUIRE(login.step(bytes) == Outcome::kFailed);
        CHECK(login.error().find(said) != std::string::npos);
    }
}
