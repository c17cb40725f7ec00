// Masks as SQL: what stands for a column in the derived table that replaces its relation.
//
// An expression reads nothing but its own column and the mask key, raises no error on any value the
// column can hold, means the same under any session setting and search_path, and has the column's
// base type, typmod and collation. NULL stays NULL, except under `constant`. The definitions are
// INTERFACE's table of masks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/rules.h"
#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

// The column's type as people say it, for a sentence: "numeric(6,2)".
[[nodiscard]] std::string type_title(const Column& column);

// text, varchar, char(n), name, and citext of the extension.
[[nodiscard]] bool is_text_like(Oid type, const CatalogSnapshot& catalog);

// The expression as the column's base type, with its typmod and collation.
[[nodiscard]] std::string as_column(const std::string& expression, const Column& column);

// For every mask but `expression`, which parser/masking/written_sql.h makes. nullopt where the mask
// cannot stand for a column of this type, and a sentence without a full stop in `why`. `cheapest`:
// a column of the same row, for a mask that needs no more than to be of one.
[[nodiscard]] std::optional<std::string> mask_expression(const config::Mask& mask,
                                                         const Column& column,
                                                         const CatalogSnapshot& catalog,
                                                         std::string& why, const Column& cheapest);

// "name", always in quotes.
[[nodiscard]] std::string quoted_identifier(std::string_view name);

// 'text' or E'te\\xt': the same under either standard_conforming_strings.
[[nodiscard]] std::string quoted_literal(std::string_view text);

}  // namespace vitrine::parser
