#include "proxy/audit/terminal_text.h"

#include <algorithm>
#include <cstdint>
#include <ostream>

#include "proxy/audit/json_text.h"

namespace vitrine::audit {

namespace {

// 80 columns less the margin.
constexpr std::size_t kBlockColumns = 72;
constexpr std::size_t kTabColumns = 4;

// A cell is cut beyond that: a name of ten kilobytes, padded with spaces until the terminal breaks
// the line, could forge a row.
constexpr std::size_t kCellColumns = 48;

char32_t decode(std::string_view sequence) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
    switch (sequence.size()) {
        case 1:
            return byte(0);
        case 2:
            return static_cast<char32_t>((byte(0) & 0x1F) << 6 | (byte(1) & 0x3F));
        case 3:
            return static_cast<char32_t>((byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 |
                                         (byte(2) & 0x3F));
        default:
            return static_cast<char32_t>((byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 |
                                         (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F));
    }
}

// Invisible, direction-changing or line-breaking (Unicode: Cf and Zl, Zp, and the fillers).
bool is_deceptive(char32_t c) {
    return c == 0xAD || c == 0x34F || c == 0x61C || (c >= 0x115F && c <= 0x1160) ||
           (c >= 0x17B4 && c <= 0x17B5) || (c >= 0x180B && c <= 0x180F) ||
           (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x206F) || c == 0x3164 || (c >= 0xFE00 && c <= 0xFE0F) ||
           c == 0xFEFF || c == 0xFFA0 || (c >= 0xFFF0 && c <= 0xFFFB) ||
           (c >= 0x1BCA0 && c <= 0x1BCA3) || (c >= 0x1D173 && c <= 0x1D17A) || c >= 0xE0000;
}

// Rough: what may take two columns counts as two (East Asian and emoji blocks).
std::size_t columns_of(char32_t c) {
    return (c >= 0x1100 && c < 0x1200) || (c >= 0x2E80 && c < 0xFB00) || c >= 0xFE30 ? 2 : 1;
}

std::string hex(char32_t value) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string digits;
    for (; value > 0 || digits.size() < 2; value >>= 4) {
        digits.insert(digits.begin(), kDigits[value & 15]);
    }
    return digits;
}

struct Shown {
    std::string text;
    std::size_t columns = 0;
    std::size_t length = 0;  // bytes of the source
};

// The first character of a text, as it is shown.
Shown show_first(std::string_view text) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
        return {"\\x" + hex(static_cast<unsigned char>(text[0])), 4, 1};
    }
    const char32_t c = decode(text.substr(0, length));
    if (c == '\n') {
        return {"\\n", 2, 1};
    }
    if (c == '\r') {
        return {"\\r", 2, 1};
    }
    if (c == '\t') {
        return {"\\t", 2, 1};
    }
    if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
        return {"\\x" + hex(c), 4, length};
    }
    if (is_deceptive(c)) {
        std::string escape = "\\u{" + hex(c) + "}";
        return {escape, escape.size(), length};
    }
    return {std::string(text.substr(0, length)), columns_of(c), length};
}

std::string cut_to(std::string_view text, std::size_t columns_max) {
    std::string shown;
    std::size_t columns = 0;
    while (!text.empty()) {
        const Shown first = show_first(text);
        columns += first.columns;
        if (columns > columns_max) {
            return shown + "...";
        }
        shown += first.text;
        text.remove_prefix(first.length);
    }
    return shown;
}

std::size_t columns_of(std::string_view shown) {
    std::size_t columns = 0;
    while (!shown.empty()) {
        const Shown first = show_first(shown);
        columns += first.columns;
        shown.remove_prefix(first.length);
    }
    return columns;
}

void print_line(std::ostream& out, std::string_view line) {
    std::string piece = "    | ";
    std::size_t columns = 0;
    while (!line.empty()) {
        Shown first = show_first(line);
        if (line[0] == '\t') {
            first = {std::string(kTabColumns, ' '), kTabColumns, 1};
        }
        if (columns + first.columns > kBlockColumns) {
            out << piece << '\n';
            piece = "    \\ ";
            columns = 0;
        }
        piece += first.text;
        columns += first.columns;
        line.remove_prefix(first.length);
    }
    out << piece << '\n';
}

}  // namespace

std::string printable(std::string_view text) {
    std::string shown;
    while (!text.empty()) {
        const Shown first = show_first(text);
        shown += first.text;
        text.remove_prefix(first.length);
    }
    return shown;
}

std::string printable_cell(std::string_view text, std::size_t columns) {
    std::string cell = printable(text);
    if (columns_of(cell) > columns) {
        cell = cut_to(cell, columns - std::string_view("...").size());
    }
    // A wide character may have left one column free.
    return cell + std::string(columns - std::min(columns, columns_of(cell)), ' ');
}

std::string blanked(std::string_view text) {
    std::string plain;
    while (!text.empty()) {
        const Shown first = show_first(text);
        const std::string_view source = text.substr(0, first.length);
        plain += first.text == source ? source : " ";
        text.remove_prefix(first.length);
    }
    return plain;
}

std::string valid_utf8(std::string_view text) {
    std::string valid;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        valid += length == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return valid;
}

void print_block(std::ostream& out, std::string_view text) {
    while (true) {
        const auto end = text.find('\n');
        auto line = text.substr(0, end);
        if (end != std::string_view::npos && line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        print_line(out, line);
        if (end == std::string_view::npos) {
            return;
        }
        text.remove_prefix(end + 1);
    }
}

Table::Table(std::vector<std::string> heads) {
    rows_.push_back(std::move(heads));
}

void Table::row(std::vector<std::string> cells) {
    for (std::string& cell : cells) {
        cell = cut_to(cell, kCellColumns);
    }
    rows_.push_back(std::move(cells));
}

void Table::print(std::ostream& out) const {
    std::vector<std::size_t> widths(rows_.front().size(), 0);
    for (const auto& cells : rows_) {
        for (std::size_t i = 0; i < cells.size(); ++i) {
            widths[i] = std::max(widths[i], columns_of(cells[i]));
        }
    }
    for (const auto& cells : rows_) {
        std::string line;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            line += cells[i];
            if (i + 1 < cells.size()) {
                line.append(widths[i] - columns_of(cells[i]) + 2, ' ');
            }
        }
        out << line << '\n';
    }
}

}  // namespace vitrine::audit
