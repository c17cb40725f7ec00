// Writing JSON by hand, into one growing buffer (docs/query-log.md, "A line").
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/audit/piece.h"

namespace vitrine::audit {

// Appends `text` as a JSON string. Returns false where the text was not valid UTF-8: then each
// invalid byte has become U+FFFD, and the caller must put the exact bytes beside it.
[[nodiscard]] bool append_json_string(std::string& out, std::string_view text);

void append_base64(std::string& out, std::string_view bytes);

// Each appends `,"name":…`. Text that is not valid UTF-8 also gets `,"name_base64":"…"`.
void append_member(std::string& out, std::string_view name, std::string_view text);
void append_member(std::string& out, std::string_view name, const std::vector<std::string>& list);
void append_member(std::string& out, std::string_view name,
                   const std::vector<std::optional<std::string>>& list);

// Members whose names are no longer are put together in one piece, as all of a record's are.
inline constexpr std::size_t kShortNameMax = 24;

template <std::integral Number>
void append_member(std::string& out, std::string_view name, Number number) {
    constexpr std::size_t kNumberMax = 24;
    Piece<kShortNameMax + kNumberMax + 4> piece;
    if (name.size() > kShortNameMax) {
        out.append(",\"").append(name);
    } else {
        piece.put(",\"");
        piece.put(name);
    }
    piece.put("\":");
    piece.put_number(number);
    out += piece.view();
}

// The length in bytes (1 to 4) of the valid UTF-8 sequence at the start of `text`; 0: invalid
// there. No surrogates, no overlong forms, nothing beyond U+10FFFF (Unicode 15, table 3-7).
[[nodiscard]] std::size_t utf8_length(std::string_view text);

}  // namespace vitrine::audit
