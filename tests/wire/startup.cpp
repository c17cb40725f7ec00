#include "config/limits.h"
#include "proxy/wire/frame.h"
#include "proxy/wire/frontend.h"
#include "tests/wire/payload.h"

namespace vitrine::wire {
namespace {

std::string packet(std::uint32_t code, std::string_view rest) {
    return be32(static_cast<std::uint32_t>(rest.size() + 8)) + be32(code) + std::string(rest);
}

boost::system::error_code error_of(const std::string& startup) {
    return decode_exactly(startup, decode_startup);
}

}  // namespace

TEST_CASE("startup: the requests are told by their codes") {
    CHECK(std::holds_alternative<SSLRequest>(decode_startup(packet(80877103, "")).value()));
    CHECK(std::holds_alternative<GSSENCRequest>(decode_startup(packet(80877104, "")).value()));

    const auto decoded = decode_startup(packet(80877102, be32(77) + be32(0x80000001))).value();
    const auto& cancel = std::get<CancelRequest>(decoded);
    CHECK(cancel.process_id == 77);
    CHECK(cancel.secret_key == std::int32_t{-2147483647});
}

TEST_CASE("startup: requests of another size are refused") {
    CHECK(error_of(packet(80877103, "x")) == code(WireError::kTrailingBytes));
    CHECK(error_of(packet(80877104, be32(0))) == code(WireError::kTrailingBytes));
    CHECK(error_of(packet(80877102, "")) == code(WireError::kTruncated));
    CHECK(error_of(packet(80877102, be32(77) + "abc")) == code(WireError::kTruncated));
    CHECK(error_of(packet(80877102, be32(77) + be32(78) + "x")) == code(WireError::kTrailingBytes));
}

TEST_CASE("startup: a startup message gives version and parameters") {
    const std::string sent =
        packet(196608, bytes("user\0alice\0database\0shop\0_pq_.x\0y\0options\0\0\0"));
    const auto decoded = decode_startup(sent).value();
    const auto& startup = std::get<StartupMessage>(decoded);
    CHECK(startup.major == 3);
    CHECK(startup.minor == 0);
    REQUIRE(startup.parameters.size() == 4);
    CHECK(startup.parameters[2].first == "_pq_.x");
    CHECK(startup.parameter("user") == "alice");
    CHECK(startup.parameter("database") == "shop");
    CHECK(startup.parameter("options") == "");
    CHECK_FALSE(startup.parameter("User"));
    CHECK_FALSE(startup.parameter("alice"));  // a value is not a name
}

TEST_CASE("startup: of a parameter given twice the last one counts, as in PostgreSQL") {
    const std::string sent = packet(196608, bytes("user\0alice\0user\0bob\0\0"));
    const auto decoded = decode_startup(sent).value();
    const auto& startup = std::get<StartupMessage>(decoded);
    CHECK(startup.parameters.size() == 2);
    CHECK(startup.parameter("user") == "bob");
}

TEST_CASE("startup: newer minors are read, other majors are not") {
    const auto decoded = decode_startup(packet(196608 + 2, bytes("user\0a\0\0"))).value();
    CHECK(std::get<StartupMessage>(decoded).minor == 2);

    // 2.0, 4.0, 1234.5677 and 1234.5681 (beside the requests), and nonsense.
    for (const std::uint32_t version : {0x20000u, 0x40000u, 80877101u, 80877105u, 0u, ~0u}) {
        CHECK(error_of(packet(version, bytes("user\0a\0\0"))) == code(WireError::kBadProtocol));
    }
}

TEST_CASE("startup: the terminator is the last byte") {
    check_whole_only(packet(196608, bytes("user\0alice\0\0")), [](std::string_view part) {
        // The length field is made to fit, so that the cut is what is refused.
        std::string whole = std::string(part);
        if (whole.size() >= 4) {
            whole.replace(0, 4, be32(static_cast<std::uint32_t>(whole.size())));
        }
        const auto decoded = decode_startup(whole);
        return decoded ? boost::system::result<void>() : decoded.error();
    });
    CHECK(error_of(packet(196608, bytes("user\0alice\0\0\0"))) == code(WireError::kTrailingBytes));
    CHECK(error_of(packet(196608, bytes("user\0alice\0\0x\0y\0\0"))) ==
          code(WireError::kTrailingBytes));
    CHECK(error_of(packet(196608, bytes("user\0"))) == code(WireError::kUnterminated));
    CHECK(error_of(packet(196608, "")) == code(WireError::kUnterminated));
}

TEST_CASE("startup: a packet whose length is not its own is refused") {
    CHECK(error_of(be32(9) + be32(80877103)) == code(WireError::kBadLength));
    CHECK(error_of(be32(4) + be32(80877103)) == code(WireError::kBadLength));
}

TEST_CASE("startup: what is written is what the documentation says") {
    std::string out;
    write_ssl_request(out);
    CHECK(out == bytes("\0\0\0\x08\x04\xd2\x16\x2f"));

    out.clear();
    write_cancel_request(out, 0x01020304, -2);
    CHECK(out == bytes("\0\0\0\x10\x04\xd2\x16\x2e\x01\x02\x03\x04\xff\xff\xff\xfe"));

    out.clear();
    const std::vector<std::pair<std::string_view, std::string_view>> parameters = {{"user", "u"},
                                                                                   {"options", ""}};
    write_startup_message(out, parameters);
    CHECK(out == bytes("\0\0\0\x19\0\3\0\0user\0u\0options\0\0\0"));
    CHECK(std::get<StartupMessage>(decode_startup(out).value()).parameters == parameters);
}

TEST_CASE("startup: a NUL in a value does not add a parameter") {
    std::string out;
    const std::string evil = bytes("alice\0options\0-c default_transaction_read_only=off");
    const std::vector<std::pair<std::string_view, std::string_view>> parameters = {
        {"application_name", evil}, {"user", "reader"}};
    write_startup_message(out, parameters);
    const auto decoded = decode_startup(out).value();
    const auto& startup = std::get<StartupMessage>(decoded);
    CHECK(startup.parameters.size() == 2);
    CHECK_FALSE(startup.parameter("options"));
    CHECK(startup.parameter("application_name") == "alice");
    CHECK(startup.parameter("user") == "reader");
}

}  // namespace vitrine::wire
