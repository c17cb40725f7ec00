#include "proxy/wire/frame.h"

#include "config/limits.h"
#include "tests/wire/payload.h"

namespace vitrine::wire {
namespace {

std::string header(char type, std::uint32_t length) {
    return type + be32(length);
}

// Lengths count themselves: 4 more than the payload.
std::uint32_t length_of(std::size_t payload) {
    return static_cast<std::uint32_t>(payload + 4);
}

}  // namespace

TEST_CASE("frame: a header that has not come whole is waited for") {
    const std::string whole = header('Q', 10);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::string part = whole.substr(0, size);
        CHECK_FALSE(peek_frontend(part).value());
        CHECK_FALSE(peek_backend(header('Z', 5).substr(0, size)).value());
    }
    const auto peeked = peek_frontend(whole).value();
    REQUIRE(peeked);
    CHECK(peeked->type == 'Q');
    CHECK(peeked->size == 11);
    // What follows the header does not matter.
    CHECK(peek_frontend(whole + "more and more bytes").value()->size == 11);
}

TEST_CASE("frame: exactly the frontend types are known") {
    const std::string_view known = "QPBDECHSXdcfFp";
    for (int byte = 0; byte < 256; ++byte) {
        const char type = static_cast<char>(byte);
        CAPTURE(byte);
        const auto peeked = peek_frontend(header(type, 4));
        if (known.find(type) == std::string_view::npos) {
            CHECK(peeked.error() == code(WireError::kUnknownMessage));
        } else {
            CHECK(peeked.value()->size == 5);
        }
    }
}

TEST_CASE("frame: exactly the backend types are known") {
    const std::string_view known = "123ACDEGHIKNRSTVWZcdnstv";
    for (int byte = 0; byte < 256; ++byte) {
        const char type = static_cast<char>(byte);
        CAPTURE(byte);
        const auto peeked = peek_backend(header(type, 4));
        if (known.find(type) == std::string_view::npos) {
            CHECK(peeked.error() == code(WireError::kUnknownMessage));
        } else {
            CHECK(peeked.value()->size == 5);
        }
    }
}

TEST_CASE("frame: a length below 4 is refused, negative ones too") {
    for (const std::uint32_t length : {0u, 1u, 3u, 0x80000000u, 0xffffffffu}) {
        CAPTURE(length);
        CHECK(peek_frontend(header('S', length)).error() == code(WireError::kBadLength));
        CHECK(peek_backend(header('D', length)).error() == code(WireError::kBadLength));
    }
}

TEST_CASE("frame: each message has its limit, and not a byte more") {
    struct Row {
        char type;
        std::size_t payload_max;
    };
    const std::size_t small = limits::kSmallMessageBytesMax;
    const std::vector<Row> frontend = {
        {'Q', limits::kStatementBytesMax + 1},  // and its NUL
        {'P', limits::kStatementBytesMax + small + 4 * 65535},
        {'B', limits::kBindBytesMax},
        {'p', limits::kPasswordBytesMax},
        {'D', small},
        {'E', small},
        {'C', small},
        {'H', small},
        {'S', small},
        {'X', small},
        {'d', small},
        {'c', small},
        {'f', small},
        {'F', small},
    };
    for (const Row& row : frontend) {
        CAPTURE(row.type);
        const auto most = peek_frontend(header(row.type, length_of(row.payload_max)));
        CHECK(most.value()->size == row.payload_max + 5);
        CHECK(peek_frontend(header(row.type, length_of(row.payload_max + 1))).error() ==
              code(WireError::kTooLarge));
        CHECK(peek_frontend(header(row.type, 0x7fffffff)).error() == code(WireError::kTooLarge));
    }

    const std::size_t gigabyte = std::size_t{1} << 30;
    const std::size_t control = limits::kBackendControlBytesMax;
    for (const Row& row :
         {Row{'D', gigabyte}, Row{'d', gigabyte}, Row{'T', control}, Row{'E', control},
          Row{'N', control}, Row{'Z', control}, Row{'R', control}, Row{'A', control}}) {
        CAPTURE(row.type);
        const auto most = peek_backend(header(row.type, length_of(row.payload_max)));
        CHECK(most.value()->size == row.payload_max + 5);
        CHECK(peek_backend(header(row.type, length_of(row.payload_max + 1))).error() ==
              code(WireError::kTooLarge));
    }
}

TEST_CASE("frame: a start-up packet holds from 8 bytes to its limit") {
    CHECK_FALSE(peek_startup("").value());
    CHECK_FALSE(peek_startup(bytes("\0\0\0")).value());
    CHECK(peek_startup(be32(8)).value() == 8u);
    CHECK(peek_startup(be32(limits::kStartupPacketBytesMax)).value() ==
          limits::kStartupPacketBytesMax);
    CHECK(peek_startup(be32(limits::kStartupPacketBytesMax + 1)).error() ==
          code(WireError::kTooLarge));
    // A stranger who speaks HTTP ("GET ") or TLS is not believed.
    CHECK(peek_startup("GET / HTTP/1.1").error() == code(WireError::kTooLarge));
    CHECK(peek_startup("\x16\x03\x01\x02").error() == code(WireError::kTooLarge));
    for (const std::uint32_t length : {0u, 4u, 7u, 0x80000000u, 0xffffffffu}) {
        CHECK(peek_startup(be32(length)).error() == code(WireError::kBadLength));
    }
}

TEST_CASE("errors: every code has words of its own") {
    std::vector<std::string> seen;
    for (int value = 1; value <= static_cast<int>(WireError::kUnsupportedAuthentication); ++value) {
        const auto error = code(static_cast<WireError>(value));
        CHECK(error.category().name() == std::string("vitrine.wire"));
        CHECK(error.message() == describe(static_cast<WireError>(value)));
        CHECK(std::find(seen.begin(), seen.end(), error.message()) == seen.end());
        seen.push_back(error.message());
    }
    CHECK(code(WireError::kTruncated) != code(WireError::kBadValue));
}

}  // namespace vitrine::wire
