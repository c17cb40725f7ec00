// HTML that an auditor can hand on: one file, no script, nothing from elsewhere, and nothing in it
// that a stranger's text could make into more than text.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace vitrine::audit {

// For one line, in an element or in a quoted attribute: made printable (terminal_text.h), then
// escaped.
[[nodiscard]] std::string html_text(std::string_view text);
// For <pre>: the same line by line; tabs become spaces.
[[nodiscard]] std::string html_block(std::string_view text);

// Up to and with the heading.
void begin_page(std::ostream& out, std::string_view title);
void end_page(std::ostream& out);

// A list of facts, two columns.
struct Fact {
    std::string name;
    std::string value;
};
void print_facts(std::ostream& out, const std::vector<Fact>& facts);

}  // namespace vitrine::audit
