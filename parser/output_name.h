// The name that a column of a query's result gets where none is written (parse_target.c,
// FigureColname).
#pragma once

#include <string_view>

struct Node;

namespace vitrine::parser {

// Empty where PostgreSQL would say "?column?", and of `*`.
[[nodiscard]] std::string_view output_name(const Node* expression);
// The column reference that an expression has its name from; nullptr where another thing gives it.
[[nodiscard]] const Node* named_by(const Node* expression);

}  // namespace vitrine::parser
