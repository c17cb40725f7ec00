#include "proxy/wire/oauthbearer.h"

#include <string>
#include <vector>

#include "proxy/wire/frontend.h"
#include "tests/wire/payload.h"

using namespace vitrine::wire;

namespace {

// ^ stands for the separator, 0x01.
std::string said(std::string text) {
    for (char& c : text) {
        c = c == '^' ? '\x01' : c;
    }
    return text;
}

auto decode(std::string_view message) {
    return decode_oauthbearer(message);
}

}  // namespace

TEST_CASE("an OAUTHBEARER message has a token, or asks where to get one", "[oauthbearer]") {
    const std::vector<std::pair<std::string, std::string>> rows = {
        {"n,,^auth=Bearer eyJ.abc-_~+/.sig^^", "eyJ.abc-_~+/.sig"},
        {"y,,^auth=Bearer abc^^", "abc"},
        {"n,,^auth=bearer abc==^^", "abc=="},
        {"n,,^auth=BEARER   abc^^", "abc"},
        {"n,,^host=db.example.com^port=6432^auth=Bearer abc^x=^^", "abc"},
        // No token, or nothing that is one.
        {"n,,^auth=^^", ""},
        {"n,,^auth=Bearer^^", ""},
        {"n,,^auth=Bearer ^^", ""},
        {"n,,^auth=Bearer\tabc^^", ""},
        {"n,,^auth=Bearerabc^^", ""},
        {"n,,^auth=Basic YWxpY2U6eA==^^", ""},
        {"n,,^auth= Bearer abc^^", ""},
        {"n,,^auth=Bearer abc def^^", ""},
        {"n,,^auth=Bearer abc ^^", ""},
        {"n,,^auth=Bearer a=bc^^", ""},
        {"n,,^auth=Bearer =^^", ""},
        {"n,,^auth=Bearer a\"b^^", ""},
        {"n,,^auth=Bearer abc\r\n^^", ""},
    };
    for (const auto& [message, token] : rows) {
        INFO(message);
        const std::string bytes = said(message);
        const auto decoded = decode(bytes);
        REQUIRE(decoded.has_value());
        CHECK(*decoded == token);
        // Cut anywhere it is none, nor with anything behind.
        check_whole_only(bytes, decode);
    }
}

TEST_CASE("OAUTHBEARER messages that are none", "[oauthbearer]") {
    const auto error = [](const std::string& message) {
        return decode_exactly(said(message), decode);
    };
    for (const char* bad :
         {"x,,^auth=Bearer abc^^", "n,^auth=Bearer abc^^", "n ,^auth=Bearer abc^^", "N,,^auth=^^",
          "n,,auth=Bearer abc^^", "n,,^^", "n,,^host=x^^", "n,,^auth=Bearer abc^auth=Bearer abc^^",
          "n,,^auth=Bearer abc^auth=^^", "n,,^auth^^", "n,,^=Bearer abc^^", "n,,^au th=Bearer a^^",
          "n,,^a1=x^auth=^^", "n,,^auth=Bearer \xc3\xa9^^", "n,,^auth=Bearer \x7f^^",
          "n,m=x,^auth=^^", "n,b=x,^auth=^^"}) {
        INFO(bad);
        CHECK(error(bad) == code(WireError::kBadValue));
    }
    CHECK(error(std::string("n,,^auth=Bearer a\0b^^", 21)) == code(WireError::kBadValue));
    for (const char* unsupported :
         {"p=tls-server-end-point,,^auth=Bearer abc^^", "p=x", "n,a=alice,^auth=Bearer abc^^",
          "y,a=alice,^auth=Bearer abc^^"}) {
        INFO(unsupported);
        CHECK(error(unsupported) == code(WireError::kUnsupportedAuthentication));
    }
    CHECK(error("n,,^auth=Bearer abc^^^") == code(WireError::kTrailingBytes));
    CHECK(error("n,,^auth=Bearer abc^^x=y^^") == code(WireError::kTrailingBytes));
    CHECK(error("") == code(WireError::kTruncated));
}

TEST_CASE("a SASLInitialResponse", "[oauthbearer]") {
    const std::string with = bytes("OAUTHBEARER\0\0\0\0\x03") + "n,,";
    check_whole_only(with, decode_sasl_initial_response);
    CHECK(decode_sasl_initial_response(with)->mechanism == "OAUTHBEARER");
    CHECK(decode_sasl_initial_response(with)->data == "n,,");
    const std::string without = bytes("OAUTHBEARER\0\xff\xff\xff\xff");
    check_whole_only(without, decode_sasl_initial_response);
    CHECK_FALSE(decode_sasl_initial_response(without)->data);
    CHECK(decode_sasl_initial_response(bytes("X\0\0\0\0\0"))->data == "");
    CHECK(decode_exactly(bytes("X\0\xff\xff\xff\xfe"), decode_sasl_initial_response) ==
          code(WireError::kBadValue));
    CHECK(decode_exactly(bytes("X\0\x7f\xff\xff\xff"), decode_sasl_initial_response) ==
          code(WireError::kTruncated));
}
