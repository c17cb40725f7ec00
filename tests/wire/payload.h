// Bytes for the tests of the codec: written by hand from the documentation, and fed to a decoder
// whole, cut at every offset, and with a byte too many.
#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/wire/errors.h"

namespace vitrine::wire {

// A literal with its NULs: bytes("a\0b").
template <std::size_t N>
std::string bytes(const char (&literal)[N]) {
    return {literal, N - 1};
}

inline std::string be16(std::uint16_t value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

inline std::string be32(std::uint32_t value) {
    return be16(static_cast<std::uint16_t>(value >> 16)) +
           be16(static_cast<std::uint16_t>(value & 0xffff));
}

// A whole message: its type, the length, the payload.
inline std::string message(char type, std::string_view payload) {
    return type + be32(static_cast<std::uint32_t>(payload.size() + 4)) + std::string(payload);
}

inline boost::system::error_code code(WireError error) {
    return make_error_code(error);
}

// Feeds `decode` a copy that ends where its memory ends, so that a sanitizer sees one byte more
// being read.
template <typename Decode>
auto decode_exactly(std::string_view payload, Decode decode) {
    const std::unique_ptr<char[]> copy(new char[payload.size()]);
    std::copy(payload.begin(), payload.end(), copy.get());
    return decode(std::string_view(copy.get(), payload.size())).error();
}

// The payload decodes whole; no part of it does, from `from` bytes on; nor does it with more.
template <typename Decode>
void check_whole_only(std::string_view payload, Decode decode, std::size_t from = 0) {
    CHECK_FALSE(decode_exactly(payload, decode));
    for (std::size_t size = from; size < payload.size(); ++size) {
        CAPTURE(size);
        const auto error = decode_exactly(payload.substr(0, size), decode);
        CHECK((error == code(WireError::kTruncated) || error == code(WireError::kUnterminated)));
    }
    for (const char more : {'\0', 'x'}) {
        CHECK(decode_exactly(std::string(payload) + more, decode) ==
              code(WireError::kTrailingBytes));
    }
}

}  // namespace vitrine::wire
