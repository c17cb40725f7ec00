// UTF-8 as PostgreSQL checks it (pg_utf8_islegal): strict, no overlong forms, no surrogates.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vitrine::parser::syntax {

struct InvalidByte {
    std::size_t position = 0;  // byte offset
    std::string message;       // PostgreSQL's: `invalid byte sequence for encoding "UTF8": 0xff`
};

// The first thing in the text that the server would refuse as 22021: a byte sequence that is not
// UTF-8, or a NUL.
[[nodiscard]] std::optional<InvalidByte> find_invalid_byte(std::string_view text);

// Cut to PostgreSQL's 63 bytes, never in the middle of a character (truncate_identifier).
[[nodiscard]] std::string_view truncated_identifier(std::string_view name);

// As in SQL: always in double quotes, those within doubled.
[[nodiscard]] std::string quoted_identifier(std::string_view name);
// As in SQL: a string constant for standard_conforming_strings = on.
[[nodiscard]] std::string quoted_literal(std::string_view text);

// ASCII letters folded to lower case; what guc_name_compare and keywords go by.
[[nodiscard]] std::string ascii_lower(std::string_view text);
[[nodiscard]] bool ascii_equal_fold(std::string_view a, std::string_view b);

}  // namespace vitrine::parser::syntax
