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

namespace {

constexpr const char* kOAuthOption = "-c vitrine.login=oauth";

std::string initial(std::string_view data, std::string_view mechanism = "OAUTHBEARER") {
    std::string bytes;
    wire::write_sasl_initial_response(bytes, mechanism, data);
    return bytes;
}

std::string response(std::string_view data) {
    std::string bytes;
    wire::write_sasl_response(bytes, data);
    return bytes;
}

// A login that waits for the client's SASLInitialResponse.
ClientLogin asked_for_oauth() {
    ClientLogin login = encrypted();
    std::string bytes = startup({{"user", "alice"}, {"options", kOAuthOption}});
    REQUIRE(login.step(bytes) == Want::kStartup);
    login.ask_oauth();
    std::string asked;
    wire::write_authentication_sasl(asked, "OAUTHBEARER");
    REQUIRE(login.output() == asked);
    login.output().clear();
    return login;
}

const std::string kGood =
    "n,,\x01"
    "auth=Bearer a.b.c\x01\x01";
const wire::ErrorFields kRefusal{.severity = "FATAL", .sqlstate = "28P01", .message = "no"};

void reject(ClientLogin& login) {
    login.reject_token("https://idp.example.com/", "openid \"e\"", kRefusal);
    const auto challenge =
        wire::decode_authentication(std::string_view(login.output()).substr(wire::kHeaderBytes));
    REQUIRE(challenge.has_value());
    CHECK(challenge->kind == 11);
    CHECK(challenge->body ==
          R"({"status":"invalid_token","openid-configuration":)"
          R"("https://idp.example.com/.well-known/openid-configuration","scope":"openid \"e\""})");
    login.output().clear();
}

}  // namespace

TEST_CASE("OAUTHBEARER, whole and byte by byte", "[client_login]") {
    for (const std::string& message : {initial(kGood), std::string()}) {
        ClientLogin login = asked_for_oauth();
        CHECK(login.by_oauth());
        std::string whole = message;
        if (whole.empty()) {
            // Without data in the first message: the client wants to be asked.
            std::string bytes = std::string("p\0\0\0\x14OAUTHBEARER\0\xff\xff\xff\xff", 21);
            REQUIRE(login.step(bytes) == Want::kMore);
            std::string empty;
            wire::write_authentication_sasl_continue(empty, {});
            CHECK(login.output() == empty);
            whole = response(kGood);
        }
        std::string bytes;
        for (std::size_t i = 0; i + 1 < whole.size(); ++i) {
            bytes += whole[i];
            REQUIRE(login.step(bytes) == Want::kMore);
            CHECK(login.password_pending());
        }
        bytes += whole.back();
        REQUIRE(login.step(bytes) == Want::kPassword);
        CHECK(login.password() == "a.b.c");
        CHECK(bytes.empty());
        CHECK_FALSE(login.password_pending());
    }
}

TEST_CASE("a token that is no good by OAUTHBEARER: the error, the dummy, the end",
          "[client_login]") {
    ClientLogin login = asked_for_oauth();
    std::string bytes = initial(
        "n,,\x01"
        "auth=\x01\x01");
    REQUIRE(login.step(bytes) == Want::kPassword);
    CHECK(login.password().empty());
    reject(login);
    CHECK(login.step(bytes) == Want::kMore);
    bytes = response("\x01");
    REQUIRE(login.step(bytes) == Want::kRefused);
    CHECK(sqlstate(login.output()) == "28P01");

    for (const std::string& other :
         {response(""), response("\x01\x01"), response("x"), response(kGood), initial(kGood)}) {
        ClientLogin again = asked_for_oauth();
        bytes = initial(
            "n,,\x01"
            "auth=\x01\x01");
        REQUIRE(again.step(bytes) == Want::kPassword);
        reject(again);
        bytes = other;
        REQUIRE(again.step(bytes) == Want::kRefused);
        CHECK(sqlstate(again.output()) == "08P01");
        bytes = initial(kGood);
        CHECK(again.step(bytes) == Want::kRefused);
    }
}

TEST_CASE("SASL messages that are none", "[client_login]") {
    struct Row {
        std::string bytes;
        const char* code;
    };
    std::string password;
    wire::write_password_message(password, "a.b.c");
    std::string sql;
    wire::write_query(sql, "SELECT 1");
    for (const Row& row : {Row{initial(kGood, "SCRAM-SHA-256"), "08P01"},
                           Row{initial(kGood, "oauthbearer"), "08P01"}, Row{initial(""), "08P01"},
                           Row{initial(kGood + "x"), "08P01"}, Row{response(kGood), "08P01"},
                           Row{password, "08P01"}, Row{sql, "08P01"},
                           Row{initial("n,a=bob,\x01"
                                       "auth=Bearer a.b.c\x01\x01"),
                               "0A000"},
                           Row{initial("p=x,,\x01"
                                       "auth=Bearer a.b.c\x01\x01"),
                               "0A000"}}) {
        ClientLogin login = asked_for_oauth();
        std::string bytes = row.bytes;
        INFO(bytes);
        REQUIRE(login.step(bytes) == Want::kRefused);
        CHECK(sqlstate(login.output()) == row.code);
        CHECK(login.password().empty());
    }
    // Nor is a SASL message a password.
    ClientLogin login = encrypted();
    std::string bytes = startup({{"user", "alice"}});
    REQUIRE(login.step(bytes) == Want::kStartup);
    login.ask_password();
    login.output().clear();
    bytes = initial(kGood);
    CHECK(login.step(bytes) == Want::kRefused);
}

TEST_CASE("how a client says what it logs in by", "[client_login]") {
    using Method = ClientLogin::Method;
    const auto method = [](std::vector<std::pair<std::string_view, std::string_view>> parameters) {
        ClientLogin login = encrypted();
        parameters.insert(parameters.begin(), {"user", "alice"});
        std::string bytes = startup(std::move(parameters));
        REQUIRE(login.step(bytes) == Want::kStartup);
        // It is no setting of the server's.
        for (const auto& [name, value] : login.settings()) {
            CHECK(name != "vitrine.login");
        }
        return login.method();
    };
    CHECK(method({}) == Method::kUnsaid);
    CHECK(method({{"options", kOAuthOption}}) == Method::kOAuth);
    CHECK(method({{"options", "--vitrine.login=password -c a.b=c"}}) == Method::kPassword);
    CHECK(method({{"vitrine.login", "oauth"}, {"DateStyle", "ISO"}}) == Method::kOAuth);
    CHECK(method({{"vitrine.login", "password"}, {"options", kOAuthOption}}) == Method::kOAuth);
    for (const char* other :
         {"-c vitrine.login=OAuth", "-c vitrine.login=", "-c vitrine.login=x"}) {
        ClientLogin login = encrypted();
        std::string bytes = startup({{"user", "alice"}, {"options", other}});
        CHECK(login.step(bytes) == Want::kRefused);
        CHECK(sqlstate(login.output()) == "0A000");
    }
}
