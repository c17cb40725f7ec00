#include "parser/syntax/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace vitrine::parser::syntax {
namespace {

constexpr std::size_t kIdentifierBytesMax = 63;  // NAMEDATALEN - 1

unsigned char byte_at(std::string_view text, std::size_t position) {
    return static_cast<unsigned char>(text[position]);
}

// How long the character is that its first byte announces (pg_utf_mblen).
std::size_t announced_length(unsigned char first) {
    if (first < 0x80) {
        return 1;
    }
    if ((first & 0xe0) == 0xc0) {
        return 2;
    }
    if ((first & 0xf0) == 0xe0) {
        return 3;
    }
    if ((first & 0xf8) == 0xf0) {
        return 4;
    }
    return 1;
}

// The length of the valid character at `position`, or 0.
std::size_t valid_length(std::string_view text, std::size_t position) {
    const unsigned char first = byte_at(text, position);
    const std::size_t length = announced_length(first);
    if (first >= 0x80 && length == 1) {
        return 0;
    }
    if (position + length > text.size()) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte_at(text, position + i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    const unsigned char second = length > 1 ? byte_at(text, position + 1) : 0;
    switch (first) {
        case 0xc0:
        case 0xc1:
            return 0;
        case 0xe0:
            return second < 0xa0 ? 0 : length;
        case 0xed:
            return second > 0x9f ? 0 : length;
        case 0xf0:
            return second < 0x90 ? 0 : length;
        case 0xf4:
            return second > 0x8f ? 0 : length;
        default:
            return first > 0xf4 ? 0 : length;
    }
}

std::string invalid_message(std::string_view text, std::size_t position) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string message = "invalid byte sequence for encoding \"UTF8\":";
    const std::size_t length =
        std::min(announced_length(byte_at(text, position)), text.size() - position);
    for (std::size_t i = 0; i < length; ++i) {
        const unsigned char byte = byte_at(text, position + i);
        message += " 0x";
        message += kHex[byte >> 4];
        message += kHex[byte & 0x0f];
    }
    return message;
}

char folded(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::optional<InvalidByte> find_invalid_byte(std::string_view text) {
    // Most texts are ASCII, and two loops that a compiler makes vectors of say so soonest.
    unsigned char all = 0;
    for (const char c : text) {
        all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
    }
    if (all < 0x80 && text.find('\0') == std::string_view::npos) {
        return std::nullopt;
    }
    std::size_t position = 0;
    while (position < text.size()) {
        // Eight bytes of plain ASCII at a time; a zero byte among them falls through.
        if (text.size() - position >= 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, text.data() + position, 8);
            constexpr std::uint64_t kHigh = 0x8080808080808080U;
            constexpr std::uint64_t kOnes = 0x0101010101010101U;
            if ((word & kHigh) == 0 && ((word - kOnes) & kHigh) == 0) {
                position += 8;
                continue;
            }
        }
        const std::size_t length = text[position] == '\0' ? 0 : valid_length(text, position);
        if (length == 0) {
            return InvalidByte{position, invalid_message(text, position)};
        }
        position += length;
    }
    return std::nullopt;
}

std::string_view truncated_identifier(std::string_view name) {
    if (name.size() <= kIdentifierBytesMax) {
        return name;
    }
    std::size_t end = kIdentifierBytesMax;
    while (end > 0 && (byte_at(name, end) & 0xc0) == 0x80) {
        --end;
    }
    return name.substr(0, end);
}

std::string quoted_identifier(std::string_view name) {
    std::string quoted = "\"";
    for (const char c : name) {
        if (c == '"') {
            quoted += '"';
        }
        quoted += c;
    }
    quoted += '"';
    return quoted;
}

std::string quoted_literal(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'') {
            quoted += '\'';
        }
        quoted += c;
    }
    quoted += '\'';
    return quoted;
}

std::string ascii_lower(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(), folded);
    return lower;
}

bool ascii_equal_fold(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return folded(x) == folded(y); });
}

}  // namespace vitrine::parser::syntax
