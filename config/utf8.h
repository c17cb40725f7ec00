// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF. PostgreSQL
// accepts the same, so a text that passes here is not refused there.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace vitrine::config {

// Takes one character off the front of `text`. Empty where the bytes are not UTF-8; `text` must
// not be empty.
[[nodiscard]] std::optional<char32_t> take_character(std::string_view& text);

// How many characters; empty where the bytes are not UTF-8.
[[nodiscard]] std::optional<std::size_t> count_characters(std::string_view text);

// UTF-8 without control characters (C0, DEL, C1): what may stand in a name, a log line or a
// message to a terminal.
[[nodiscard]] bool is_printable(std::string_view text);

}  // namespace vitrine::config
