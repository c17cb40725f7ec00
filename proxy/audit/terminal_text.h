// Text that strangers wrote, made safe to print: nothing in it can move the cursor, change colours,
// hide, reverse or forge a line on the terminal of the person who reads the log.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace vitrine::audit {

// For one line: control characters, line breaks, invisible and direction-changing characters become
// escapes like \n, \x1b, \u{202e}; invalid UTF-8 becomes \xNN.
[[nodiscard]] std::string printable(std::string_view text);

// The same in exactly so many columns: cut with `...` behind it, or filled up with spaces.
[[nodiscard]] std::string printable_cell(std::string_view text, std::size_t columns);

// Each character that printable() would escape, and each invalid byte, replaced by a space.
[[nodiscard]] std::string blanked(std::string_view text);

// Each invalid byte replaced by U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view text);

// For many lines: each line of the text on a line of its own behind `    | `, cut into pieces that
// fit a terminal of 80 columns (`    \ ` in front of each further piece), so that no line of it can
// be taken for one of ours. Tabs become spaces.
void print_block(std::ostream& out, std::string_view text);

// Columns as wide as their widest cell. Cells are made printable and cut at 48 columns.
class Table {
  public:
    explicit Table(std::vector<std::string> heads);
    void row(std::vector<std::string> cells);
    void print(std::ostream& out) const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace vitrine::audit
