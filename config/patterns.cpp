#include "config/patterns.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "config/limits.h"

namespace vitrine::config {
namespace {

// ASCII alone: in a UTF-8 database PostgreSQL folds no other letters either.
char folded(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool starts_name(char c) {
    const char l = folded(c);
    return (l >= 'a' && l <= 'z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool continues_name(char c) {
    return starts_name(c) || (c >= '0' && c <= '9') || c == '$';
}

// Takes a quoted name off the front; `text` begins with the quote. Empty: no closing quote.
std::optional<std::string> take_quoted(std::string_view& text) {
    std::string name;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] != '"') {
            name += text[i];
        } else if (i + 1 < text.size() && text[i + 1] == '"') {
            name += text[i++];
        } else {
            text.remove_prefix(i + 1);
            return name;
        }
    }
    return std::nullopt;
}

// Takes one part off the front, up to a dot, a parenthesis or the end. The result is what is wrong.
std::string take_part(std::string_view& text, NamePattern& part) {
    enum class Last { kNothing, kStar, kName, kQuoted } last = Last::kNothing;
    part.pieces.emplace_back();
    std::size_t bytes = 0;
    while (!text.empty() && text.front() != '.' && text.front() != '(') {
        const char c = text.front();
        if (c == '*') {
            if (last != Last::kStar) {
                part.pieces.emplace_back();
            }
            text.remove_prefix(1);
            last = Last::kStar;
        } else if (c == '"') {
            if (last == Last::kName || last == Last::kQuoted) {
                return "has a quote in the middle of a name; put the whole name in quotes";
            }
            const auto name = take_quoted(text);
            if (!name) {
                return "has a quote that is not closed; close it, and double one within a name";
            }
            if (name->empty()) {
                return "has an empty name in quotes; name what is meant";
            }
            part.pieces.back() += *name;
            bytes += name->size();
            last = Last::kQuoted;
        } else if (last == Last::kQuoted) {
            return "has something right behind a closing quote; put the whole name in quotes";
        } else if (last == Last::kNothing ? starts_name(c) : continues_name(c)) {
            part.pieces.back() += folded(c);
            text.remove_prefix(1);
            ++bytes;
            last = Last::kName;
        } else {
            return "has a character that a name only has in quotes; write it as in SQL: "
                   "\"Client Data\"";
        }
    }
    if (last == Last::kNothing) {
        return "has an empty part; name what is meant, or write *";
    }
    if (bytes > limits::kNameBytesMax) {
        return "has a name of more than 63 bytes, which PostgreSQL cuts; write it as the server "
               "has it";
    }
    return {};
}

std::string_view trimmed(std::string_view text) {
    const auto white = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    while (!text.empty() && white(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && white(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

// Folded outside of quotes, white space there made one blank.
std::string normal_type(std::string_view text) {
    std::string type;
    bool quoted = false;
    for (const char c : trimmed(text)) {
        quoted ^= c == '"';
        if (quoted) {
            type += c;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            if (!type.empty() && type.back() != ' ') {
                type += ' ';
            }
        } else {
            type += folded(c);
        }
    }
    return type;
}

// SQL's other spellings, and what format_type() calls them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 20> kTypeNames{{
    {"int", "integer"},
    {"int4", "integer"},
    {"int8", "bigint"},
    {"int2", "smallint"},
    {"float", "double precision"},
    {"float8", "double precision"},
    {"float4", "real"},
    {"decimal", "numeric"},
    {"dec", "numeric"},
    {"bool", "boolean"},
    {"varchar", "character varying"},
    {"char varying", "character varying"},
    {"char", "character"},
    {"bpchar", "character"},
    {"varbit", "bit varying"},
    {"timestamptz", "timestamp with time zone"},
    {"timestamp", "timestamp without time zone"},
    {"timetz", "time with time zone"},
    {"time", "time without time zone"},
    {"national character varying", "character varying"},
}};

std::string server_type(std::string type) {
    bool array = false;
    while (type.ends_with("[]")) {
        type = trimmed(std::string_view(type).substr(0, type.size() - 2));
        array = true;
    }
    const auto* const known = std::find_if(kTypeNames.begin(), kTypeNames.end(),
                                           [&](const auto& each) { return each.first == type; });
    if (known != kTypeNames.end()) {
        type = known->second;
    }
    return array ? type + "[]" : type;
}

// What format_type() writes in SQL's words, and pg_type's name of it.
constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kCatalogNames{{
    {"integer", "int4"},
    {"bigint", "int8"},
    {"smallint", "int2"},
    {"double precision", "float8"},
    {"real", "float4"},
    {"boolean", "bool"},
    {"character varying", "varchar"},
    {"character", "bpchar"},
    {"bit varying", "varbit"},
    {"timestamp with time zone", "timestamptz"},
    {"timestamp without time zone", "timestamp"},
    {"time with time zone", "timetz"},
    {"time without time zone", "time"},
}};

// The text between the parentheses, cut at commas outside of quotes. The result is what is wrong.
std::string read_arguments(std::string_view text, std::vector<std::string>& arguments) {
    if (trimmed(text).empty()) {
        return {};
    }
    bool quoted = false;
    std::size_t start = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i == text.size() || (text[i] == ',' && !quoted)) {
            if (quoted) {
                return "has a quote that is not closed; close it, and double one within a name";
            }
            const std::string type = normal_type(text.substr(start, i - start));
            if (type.empty()) {
                return "has an empty argument; name its type";
            }
            arguments.push_back(server_type(type));
            start = i + 1;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && (text[i] == '(' || text[i] == ')')) {
            return "has parentheses within its arguments; leave lengths and precisions out";
        } else if (!quoted && text[i] == '*') {
            return "has a * among its arguments; leave the parentheses out to mean every form";
        }
    }
    return {};
}

}  // namespace

PatternParts parse_pattern(std::string_view text, std::size_t count, std::string_view shape) {
    PatternParts parsed;
    const auto wrong_shape = [&] {
        parsed.problem =
            "is not of the shape " + std::string(shape) + "; write every part, or * for any";
        return parsed;
    };
    while (true) {
        NamePattern part;
        parsed.problem = take_part(text, part);
        if (!parsed.problem.empty()) {
            return parsed;
        }
        parsed.parts.push_back(std::move(part));
        if (text.empty()) {
            break;
        }
        if (text.front() == '(' || parsed.parts.size() == count) {
            return wrong_shape();
        }
        text.remove_prefix(1);  // the dot
    }
    return parsed.parts.size() == count ? parsed : wrong_shape();
}

ParsedFunction parse_function_pattern(std::string_view text) {
    ParsedFunction parsed;
    parsed.pattern.text = text;
    // The first parenthesis outside of quotes.
    bool quoted = false;
    std::size_t open = 0;
    for (; open < text.size() && (quoted || text[open] != '('); ++open) {
        quoted ^= text[open] == '"';
    }
    auto name = parse_pattern(trimmed(text.substr(0, open)), 2, "schema.function(types)");
    parsed.problem = std::move(name.problem);
    if (!parsed.problem.empty()) {
        return parsed;
    }
    std::move(name.parts.begin(), name.parts.end(), parsed.pattern.parts.begin());
    if (open < text.size()) {
        std::string_view arguments = trimmed(text.substr(open + 1));
        if (!arguments.ends_with(')')) {
            parsed.problem = "has no closing parenthesis at its end; close it";
            return parsed;
        }
        arguments.remove_suffix(1);
        parsed.pattern.has_arguments = true;
        parsed.problem = read_arguments(arguments, parsed.pattern.arguments);
    }
    return parsed;
}

ParsedType parse_type_pattern(std::string_view text) {
    ParsedType parsed;
    parsed.pattern.text = text;
    std::string name(trimmed(text));
    while (name.ends_with("[]")) {
        name = trimmed(std::string_view(name).substr(0, name.size() - 2));
        parsed.pattern.array = true;
    }
    const std::string in_words = server_type(normal_type(name));
    const auto* const known =
        std::find_if(kCatalogNames.begin(), kCatalogNames.end(),
                     [&](const auto& each) { return each.first == in_words; });
    if (known != kCatalogNames.end()) {
        name = known->second;
    } else if (in_words == "numeric") {
        name = in_words;  // decimal, dec
    }
    // A dot outside of quotes makes it schema.type.
    bool quoted = false;
    const bool has_schema = std::any_of(name.begin(), name.end(), [&](char c) {
        quoted ^= c == '"';
        return c == '.' && !quoted;
    });
    if (name.find('(') != std::string::npos && name.find('"') == std::string::npos) {
        parsed.problem = "has parentheses; leave lengths and precisions out";
        return parsed;
    }
    auto parts = parse_pattern(name, has_schema ? 2 : 1, has_schema ? "schema.type" : "type");
    parsed.problem = std::move(parts.problem);
    if (parsed.problem.empty()) {
        if (!has_schema) {
            parsed.pattern.parts[0].pieces = {"pg_catalog"};
        }
        std::move(parts.parts.begin(), parts.parts.end(),
                  parsed.pattern.parts.begin() + (has_schema ? 0 : 1));
    }
    return parsed;
}

}  // namespace vitrine::config
