#include "parser/masking/redaction.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "parser/syntax/parse_tree.h"

namespace vitrine::parser {

namespace {

using syntax::Tokens;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Deparsed: keywords are in capitals, and no name is that is not in quotes.
bool is_name(std::string_view token) {
    const char c = token.front();
    return token.back() != '\'' && (c == '"' || c == '_' || (c >= 'a' && c <= 'z') ||
                                    static_cast<unsigned char>(c) >= 0x80);
}

bool is_value(std::string_view token) {
    if (token.back() == '\'') {  // 'x', E'x', B'1'
        return token != "''";
    }
    const bool number =
        is_digit(token.front()) || (token.size() > 1 && token.front() == '.' && is_digit(token[1]));
    return number && token != "0" && token != "1";
}

// The index behind the type that stands at `i`: its names, and its numbers in brackets.
std::size_t after_type(const Tokens& tokens, std::size_t i) {
    while (i < tokens.size() && (is_name(tokens.text(i)) || tokens.text(i) == ".")) {
        ++i;
    }
    if (i < tokens.size() && tokens.text(i) == "(") {
        while (i < tokens.size() && tokens.text(i) != ")") {
            ++i;
        }
    }
    return i;
}

// One by its number would be a value.
bool names_object(const Tokens& tokens, std::size_t i) {
    static constexpr std::array<std::string_view, 5> kTypes{"regclass", "regtype", "regproc",
                                                            "regprocedure", "regconfig"};
    const std::string_view text = tokens.text(i);
    return i + 2 < tokens.size() && tokens.text(i + 1) == "::" &&
           !std::all_of(text.begin() + 1, text.end() - 1, is_digit) &&
           std::find(kTypes.begin(), kTypes.end(), tokens.text(i + 2)) != kTypes.end();
}

}  // namespace

Redacted without_constants(const std::string& text) {
    const Tokens tokens(text);
    Redacted out;
    std::size_t copied = 0;
    for (std::size_t i = 0; i < tokens.size();) {
        if (tokens.text(i) == "::") {
            i = after_type(tokens, i + 1);
            continue;
        }
        // `WITH (fillfactor='70')`
        if (tokens.text(i) == "WITH" && i + 1 < tokens.size() && tokens.text(i + 1) == "(") {
            while (i < tokens.size() && tokens.text(i) != ")") {
                ++i;
            }
            continue;
        }
        if (is_value(tokens.text(i)) && !names_object(tokens, i)) {
            out.text.append(text, copied, tokens.begin(i) - copied);
            // A number's type is its own; that of a literal stands behind it. One without is no
            // expression: an argument of a trigger's, what a rule notifies of.
            const std::string_view token = tokens.text(i);
            const bool typed = i + 1 < tokens.size() && tokens.text(i + 1) == "::";
            out.text += token.back() == '\'' ? (typed ? "NULL" : "''")
                        : std::all_of(token.begin(), token.end(), is_digit) ? "NULL::integer"
                                                                            : "NULL::numeric";
            copied = tokens.end(i);
            out.changed = true;
        }
        ++i;
    }
    out.text.append(text, copied);
    return out;
}

}  // namespace vitrine::parser
