#include "parser/constants.h"

#include <algorithm>

#include "config/limits.h"
#include "parser/syntax/parse_tree.h"
#include "parser/syntax/utf8.h"

namespace vitrine::parser {

namespace {

// gram.y, beside those that syntax/raw_parser.h names.
constexpr int kTokenBitString = 263;
constexpr int kTokenHexString = 264;

bool is_constant(int code) {
    return code == kTokenNumber || code == kTokenInteger || code == kTokenStringConstant ||
           code == kTokenUnicodeString || code == kTokenBitString || code == kTokenHexString;
}

// A constant's value, as it would be bound: without what quotes it. Escapes of E'' and U&'' stay as
// they are written.
std::string value_of(std::string_view text) {
    if (text.starts_with('$')) {
        const std::size_t tag = text.find('$', 1) + 1;
        return text.size() < 2 * tag ? std::string(text)
                                     : std::string(text.substr(tag, text.size() - 2 * tag));
    }
    const std::size_t open = text.find('\'');
    if (open == std::string_view::npos || text.size() < open + 2 || text.back() != '\'') {
        return std::string(text);
    }
    std::string value;
    const std::string_view inner = text.substr(open + 1, text.size() - open - 2);
    for (std::size_t i = 0; i < inner.size(); ++i) {
        value += inner[i];
        if (inner[i] == '\'' && i + 1 < inner.size() && inner[i + 1] == '\'') {
            ++i;
        }
    }
    return value;
}

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

std::string whole(const std::string& sql, const Digest& digest) {
    return "/* " + std::to_string(sql.size()) + " bytes, " + digest(sql) + " */";
}

}  // namespace

std::string without_constants(const std::string& sql, const Digest& digest) {
    if (sql.size() > limits::kStatementBytesMax || syntax::find_invalid_byte(sql) ||
        syntax::find_too_complex(sql, limits::kNestingMax)) {
        return whole(sql, digest);
    }
    const syntax::Tokens tokens(sql);
    std::string text;
    std::size_t done = 0;
    const auto between = [&](std::size_t end) {
        const std::string_view blanks = std::string_view(sql).substr(done, end - done);
        text += is_blank(blanks) ? blanks : std::string_view(" ");
    };
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        between(tokens.begin(i));
        if (is_constant(tokens[i].code)) {
            text += '\'' + digest(value_of(tokens.text(i))) + '\'';
        } else {
            text += tokens.text(i);
        }
        done = tokens.end(i);
    }
    if (tokens.size() == 0) {
        return is_blank(sql) ? sql : whole(sql, digest);
    }
    // Behind the last token: blanks and comments, or what the scanner could not read.
    const syntax::ParseTree tree(sql);
    return tree.error() && tree.error()->position >= done ? whole(sql, digest) : text;
}

std::string without_values(std::string_view sqlstate, std::string_view message,
                           const Digest& digest) {
    if (sqlstate.starts_with("P0") || sqlstate.starts_with("XX") || sqlstate == "22021" ||
        sqlstate == "22P05") {
        return message.empty() ? std::string() : digest(message);
    }
    const std::size_t open = message.find('"');
    const std::size_t close = message.rfind('"');
    if (open == std::string_view::npos || open == close) {
        return std::string(message);
    }
    // To the last one: a value may have quotation marks in it.
    return std::string(message.substr(0, open + 1)) +
           digest(message.substr(open + 1, close - open - 1)) + std::string(message.substr(close));
}

}  // namespace vitrine::parser
