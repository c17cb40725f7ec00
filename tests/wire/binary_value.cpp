// What strangers may send as a value in binary. (What the server itself sends is in
// tests/integration/test_values.py.)
#include "proxy/wire/binary_value.h"

#include <catch2/catch.hpp>

using vitrine::wire::text_of_binary;

namespace {

std::string be(std::uint64_t value, unsigned size) {
    std::string bytes;
    for (unsigned i = size; i > 0; --i) {
        // Sizes beyond eight bytes are zeros first.
        bytes += i > 8 ? '\0' : static_cast<char>(value >> (8 * (i - 1)) & 0xffU);
    }
    return bytes;
}

std::string array(std::uint32_t element, const std::string& value) {
    return be(1, 4) + be(0, 4) + be(element, 4) + be(1, 4) + be(1, 4) + be(value.size(), 4) + value;
}

}  // namespace

TEST_CASE("arrays of arrays are not followed, however deep") {
    constexpr std::uint32_t kInt4Array = 1007;
    CHECK(text_of_binary(kInt4Array, array(23, be(7, 4))) == "{7}");
    std::string value = array(23, be(7, 4));
    for (int depth = 0; depth < 40; ++depth) {
        value = array(kInt4Array, value);
    }
    CHECK_FALSE(text_of_binary(kInt4Array, value));
    for (int depth = 0; depth < 20000; ++depth) {
        value.insert(
            0, be(1, 4) + be(0, 4) + be(kInt4Array, 4) + be(1, 4) + be(1, 4) + be(value.size(), 4));
        if (depth % 1000 == 0) {
            CHECK_FALSE(text_of_binary(kInt4Array, value));
        }
    }
}

TEST_CASE("no value becomes much longer as text than it was sent") {
    const std::string huge = be(1, 2) + be(32767, 2) + be(0, 2) + be(65535, 2) + be(1, 2);
    CHECK_FALSE(text_of_binary(1700, huge));
    CHECK_FALSE(text_of_binary(1231, array(1700, huge)));
    const std::string tiny = be(1, 2) + be(0x8000, 2) + be(0, 2) + be(0, 2) + be(1, 2);
    CHECK_FALSE(text_of_binary(1700, tiny));
    // 10^40 and 10^-20 are no such things.
    CHECK(text_of_binary(1700, be(1, 2) + be(10, 2) + be(0, 2) + be(0, 2) + be(1, 2)) ==
          "1" + std::string(40, '0'));
    CHECK(text_of_binary(1700, be(1, 2) + be(0xfffb, 2) + be(0, 2) + be(20, 2) + be(1, 2)) ==
          "0." + std::string(19, '0') + "1");
}

TEST_CASE("bytes that are none of the type, cut at every place") {
    const std::string interval = be(1, 8) + be(2, 4) + be(3, 4);
    const std::string inet = std::string("\2\x20\0\4", 4) + be(0x0a000001, 4);
    for (const auto& [type, bytes] : {std::pair{1186U, interval},
                                      {869U, inet},
                                      {1184U, be(5, 8)},
                                      {1007U, array(23, be(7, 4))},
                                      {2950U, be(1, 16)},
                                      {1562U, be(9, 4) + be(0x8080, 2)},
                                      {701U, be(0, 8)}}) {
        INFO(type);
        CHECK(text_of_binary(type, bytes));
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            CHECK_FALSE(text_of_binary(type, bytes.substr(0, size)));
        }
        CHECK_FALSE(text_of_binary(type, bytes + "x"));
    }
    CHECK_FALSE(text_of_binary(0, "x"));
    CHECK_FALSE(text_of_binary(600, "x"));
}
