// The names of a rule, as a DBA writes them: `public.customers.email`, `*.*.email`,
// `Mixed."Client Data"."E-Mail"`, `public.add_tax(numeric)` (INTERFACE: "Masks").
//
// Names are read as PostgreSQL reads them (its manual, 4.1.1 "Identifiers and Key Words"): without
// quotes folded to lower case, in quotes exact, a quote within quotes doubled. A `*` outside of
// quotes stands for any run of characters, and may stand next to either kind.
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/rules.h"

namespace vitrine::config {

// Dotted parts, `count` of them. Where the text is none, why, as the rest of a sentence.
struct PatternParts {
    std::vector<NamePattern> parts;
    std::string problem;  // empty: none
};
[[nodiscard]] PatternParts parse_pattern(std::string_view text, std::size_t count,
                                         std::string_view shape);

struct ParsedFunction {
    FunctionPattern pattern;  // without its position
    std::string problem;
};
// `schema.function`, or with the types of its arguments in parentheses. The types get the names
// that format_type() gives: `int` is `integer`.
[[nodiscard]] ParsedFunction parse_function_pattern(std::string_view text);

struct ParsedType {
    TypePattern pattern;  // without its position
    std::string problem;
};
// `schema.type`, or a type of pg_catalog by its name alone, in SQL's own words too (`integer`,
// `timestamp with time zone`); the arrays of it where `[]` stands behind.
[[nodiscard]] ParsedType parse_type_pattern(std::string_view text);

}  // namespace vitrine::config
