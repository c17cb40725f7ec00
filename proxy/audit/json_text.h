// Writing JSON by hand, into one growing buffer (docs/query-log.md, "A line").
#pragma once

#include <charconv>
#include <concepts>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrine::audit {

// Appends `text` as a JSON string. Returns false where the text was not valid UTF-8: then each
// invalid byte has become U+FFFD, and the caller must put the exact bytes beside it.
[[nodiscard]] bool append_json_string(std::string& out, std::string_view text);

void append_base64(std::string& out, std::string_view bytes);

// Appends `,"name":`, in one piece: a record is a dozen of them.
inline void append_name(std::string& out, std::string_view name) {
    constexpr std::size_t kPieceMax = 40;
    if (name.size() + 4 > kPieceMax) {
        out.append(",\"").append(name).append("\":");
        return;
    }
    char piece[kPieceMax];
    piece[0] = ',';
    piece[1] = '"';
    std::memcpy(piece + 2, name.data(), name.size());
    piece[name.size() + 2] = '"';
    piece[name.size() + 3] = ':';
    out.append(piece, name.size() + 4);
}

// Each appends `,"name":…`. Text that is not valid UTF-8 also gets `,"name_base64":"…"`.
void append_member(std::string& out, std::string_view name, std::string_view text);
void append_member(std::string& out, std::string_view name, const std::vector<std::string>& list);
void append_member(std::string& out, std::string_view name,
                   const std::vector<std::optional<std::string>>& list);

template <std::integral Number>
void append_member(std::string& out, std::string_view name, Number number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    append_name(out, name);
    out.append(digits, static_cast<std::size_t>(end - digits));
}

// The length in bytes (1 to 4) of the valid UTF-8 sequence at the start of `text`; 0: invalid
// there. No surrogates, no overlong forms, nothing beyond U+10FFFF (Unicode 15, table 3-7).
[[nodiscard]] std::size_t utf8_length(std::string_view text);

}  // namespace vitrine::audit
