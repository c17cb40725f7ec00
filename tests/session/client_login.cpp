#include "proxy/session/client_login.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "proxy/wire/backend.h"
#include "proxy/wire/frame.h"

using vitrine::session::ClientLogin;
using vitrine::session::split_options;
using Want = ClientLogin::Want;
namespace wire = vitrine::wire;

namespace {

std::string ssl_request() {
    std::string bytes;
    wire::write_ssl_request(bytes);
    return bytes;
}

std::string startup(std::vector<std::pair<std::string_view, std::string_view>> parameters) {
    std::string bytes;
    wire::write_startup_message(bytes, parameters);
    return bytes;
}

// The SQLSTATE of the ErrorResponse that the output ends with.
std::string sqlstate(const std::string& output) {
    const auto fields = wire::decode_fields(std::string_view(output).substr(wire::kHeaderBytes));
    REQUIRE(output.front() == 'E');
    REQUIRE(fields.has_value());
    CHECK(fields->get('S') == "FATAL");
    return std::string(fields->get('C'));
}

// A login that is past TLS.
ClientLogin encrypted() {
    ClientLogin login;
    std::string bytes = ssl_request();
    REQUIRE(login.step(bytes) == Want::kTls);
    REQUIRE(login.output() == "S");
    login.output().clear();
    login.tls_started();
    return login;
}

}  // namespace

TEST_CASE("a login: SSLRequest, startup, password", "[client_login]") {
    ClientLogin login = encrypted();
    std::string bytes = startup({{"user", "alice"}, {"database", "shop"}, {"DateStyle", "ISO"}});
    REQUIRE(login.step(bytes) == Want::kStartup);
    CHECK(login.user() == "alice");
    CHECK(login.database() == "shop");
    REQUIRE(login.settings().size() == 1);
    CHECK(login.settings()[0] == std::pair<std::string, std::string>("DateStyle", "ISO"));
    login.ask_password();
    std::string asked;
    wire::write_authentication_cleartext_password(asked);
    CHECK(login.output() == asked);
    CHECK(login.step(bytes) == Want::kMore);
    wire::write_password_message(bytes, "the token");
    CHECK(login.password_pending());
    REQUIRE(login.step(bytes) == Want::kPassword);
    CHECK(login.password() == "the token");
    CHECK(bytes.empty());
    CHECK_FALSE(login.password_pending());
}

TEST_CASE("a login byte by byte comes to the same", "[client_login]") {
    ClientLogin login = encrypted();
    std::string whole = startup({{"user", "alice"}});
    std::string bytes;
    for (std::size_t i = 0; i + 1 < whole.size(); ++i) {
        bytes += whole[i];
        REQUIRE(login.step(bytes) == Want::kMore);
    }
    bytes += whole.back();
    REQUIRE(login.step(bytes) == Want::kStartup);
    CHECK(login.database() == "alice");
}

TEST_CASE("plaintext is refused", "[client_login]") {
    ClientLogin login;
    std::string bytes = startup({{"user", "alice"}});
    CHECK(login.step(bytes) == Want::kRefused);
    CHECK(sqlstate(login.output()) == "28000");
}

TEST_CASE("bytes in the clear behind SSLRequest end the connection", "[client_login]") {
    ClientLogin login;
    std::string bytes = ssl_request() + "x";
    CHECK(login.step(bytes) == Want::kRefused);
    CHECK(login.output().front() == 'E');
}

TEST_CASE("GSSENCRequest is declined once, then TLS", "[client_login]") {
    ClientLogin login;
    std::string gss("\0\0\0\x08\x04\xd2\x16\x30", 8);
    std::string bytes = gss;
    CHECK(login.step(bytes) == Want::kMore);
    CHECK(login.output() == "N");
    login.output().clear();
    bytes = gss;
    CHECK(login.step(bytes) == Want::kRefused);
    CHECK(sqlstate(login.output()) == "08P01");
}

TEST_CASE("a direct TLS start and a cancel request are told apart", "[client_login]") {
    ClientLogin direct;
    std::string hello = "\x16\x03\x01";
    CHECK(direct.step(hello) == Want::kDirectTls);
    CHECK(direct.started_directly());

    ClientLogin cancel;
    std::string bytes;
    wire::write_cancel_request(bytes, 17, -4);
    CHECK(cancel.step(bytes) == Want::kCancel);
    CHECK(cancel.cancel().process_id == 17);
    CHECK(cancel.cancel().secret_key == -4);
}

TEST_CASE("a newer minor version and protocol options are negotiated down", "[client_login]") {
    ClientLogin login = encrypted();
    std::string bytes = startup({{"user", "alice"}, {"_pq_.command_tag_format", "x"}});
    bytes[7] = 2;  // 3.2
    REQUIRE(login.step(bytes) == Want::kStartup);
    CHECK(login.settings().empty());
    login.ask_password();
    std::string expected;
    const std::vector<std::string_view> unknown = {"_pq_.command_tag_format"};
    wire::write_negotiate_protocol_version(expected, 0, unknown);
    wire::write_authentication_cleartext_password(expected);
    CHECK(login.output() == expected);
}

TEST_CASE("what a proxy does not carry is refused in words", "[client_login]") {
    const auto [parameters, state] =
        GENERATE(table<std::vector<std::pair<std::string_view, std::string_view>>, std::string>({
            {{{"user", "alice"}, {"replication", "database"}}, "0A000"},
            {{{"user", "alice"}, {"replication", "true"}}, "0A000"},
            {{{"user", "alice"}, {"options", "-B 100"}}, "0A000"},
            {{{"user", "alice"}, {"options", "-c"}}, "0A000"},
            {{{"user", "alice"}, {"options", "--work_mem"}}, "0A000"},
            {{{"database", "shop"}}, "28000"},
        }));
    ClientLogin login = encrypted();
    std::string bytes = startup(parameters);
    CHECK(login.step(bytes) == Want::kRefused);
    CHECK(sqlstate(login.output()) == state);
}

TEST_CASE("malformed packets are FATAL 08P01", "[client_login]") {
    const std::string packet =
        GENERATE(std::string("\0\0\0\x04", 4), std::string("\0\0\0\x07xyz", 7),
                 std::string("\x7f\xff\xff\xff", 4), std::string("\0\0\0\x08\0\x02\0\0", 8),
                 std::string("\0\0\0\x0a\0\x03\0\0us", 10));
    ClientLogin login = encrypted();
    std::string bytes = packet;
    CHECK(login.step(bytes) == Want::kRefused);
    CHECK(sqlstate(login.output()) == "08P01");
}

TEST_CASE("instead of a password, anything else is refused", "[client_login]") {
    ClientLogin login = encrypted();
    std::string bytes = startup({{"user", "alice"}});
    REQUIRE(login.step(bytes) == Want::kStartup);
    login.ask_password();
    login.output().clear();
    wire::write_query(bytes, "select 1");
    CHECK(login.step(bytes) == Want::kRefused);
    CHECK(sqlstate(login.output()) == "08P01");
}

TEST_CASE("options are taken apart as PostgreSQL does", "[client_login]") {
    std::vector<std::pair<std::string, std::string>> settings;
    REQUIRE(split_options(
        R"(-c geqo=off  -cwork_mem=4MB --search-path=a\ b -c DateStyle=ISO,\ DMY)", settings));
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"geqo", "off"}, {"work_mem", "4MB"}, {"search_path", "a b"}, {"DateStyle", "ISO, DMY"}};
    CHECK(settings == expected);
    for (const char* bad : {"-c", "-c x", "x", "-d 3", "--=1", "-c =1", "-fs"}) {
        settings.clear();
        CHECK_FALSE(split_options(bad, settings));
    }
}
