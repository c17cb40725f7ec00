#include "config/utf8.h"

namespace vitrine::config {

std::optional<char32_t> take_character(std::string_view& text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const char32_t lead = byte(0);
    if (lead < 0x80) {
        text.remove_prefix(1);
        return lead;
    }
    std::size_t length = 0;
    char32_t least = 0;
    char32_t character = 0;
    if ((lead & 0xe0U) == 0xc0) {
        length = 2;
        least = 0x80;
        character = lead & 0x1fU;
    } else if ((lead & 0xf0U) == 0xe0) {
        length = 3;
        least = 0x800;
        character = lead & 0x0fU;
    } else if ((lead & 0xf8U) == 0xf0) {
        length = 4;
        least = 0x10000;
        character = lead & 0x07U;
    } else {
        return std::nullopt;
    }
    if (text.size() < length) {
        return std::nullopt;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) {
            return std::nullopt;
        }
        character = (character << 6U) | (byte(i) & 0x3fU);
    }
    if (character < least || character > 0x10ffff || (character >= 0xd800 && character < 0xe000)) {
        return std::nullopt;
    }
    text.remove_prefix(length);
    return character;
}

std::optional<std::size_t> count_characters(std::string_view text) {
    std::size_t count = 0;
    while (!text.empty()) {
        if (!take_character(text)) {
            return std::nullopt;
        }
        ++count;
    }
    return count;
}

bool is_printable(std::string_view text) {
    while (!text.empty()) {
        const auto character = take_character(text);
        if (!character || *character < 0x20 || (*character >= 0x7f && *character < 0xa0)) {
            return false;
        }
    }
    return true;
}

}  // namespace vitrine::config
