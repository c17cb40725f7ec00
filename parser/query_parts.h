// What the parts of the walk over a query (query*.cpp) share: names as a parse tree has them, and
// the objections that are made in more than one place.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "parser/masking/resolve.h"
#include "parser/readonly/calls.h"
#include "parser/syntax/parse_tree.h"

struct List;
struct Node;

namespace vitrine::parser {

[[nodiscard]] Objection not_supported(std::string construct, std::string detail, std::string hint,
                                      std::string rule);
[[nodiscard]] Objection unknown_node();
// libpg_query's grammar takes a parameter where PostgreSQL's does not.
[[nodiscard]] Objection parser_extension(const Node* parameter);
[[nodiscard]] Objection other_database(std::string name);

// A parameter's type may have been declared; a row's fields are compared one by one.
[[nodiscard]] Operand operand(const Node* node);

// A list of names, one to three: [[catalog.]schema.]name.
struct WrittenName {
    std::string_view catalog;
    ObjectName object;
    bool valid = false;
};
[[nodiscard]] WrittenName written_name(const List* names);
[[nodiscard]] std::string dotted(const List* names);

// ctid, xmin, …: what a table has besides its columns, and a derived table has not.
[[nodiscard]] bool is_system_column(std::string_view name);
[[nodiscard]] bool has_system_columns(const Relation& relation);

// Takes the brackets around the tokens from `first` to `last` in: `((t.*))` is what `t.*` is.
void without_brackets(const syntax::Tokens& tokens, std::size_t& first, std::size_t& last);

}  // namespace vitrine::parser
