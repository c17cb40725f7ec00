// The mask `json`: the values at named paths of a jsonb column masked, the rest kept.
//
// What becomes of a document, walked from its top along the keys of a path:
//   - an object: the value of the next key, where it has that key; nothing is added;
//   - an array: each of its elements that is an object, as if it stood there by itself;
//   - anything else on the way (a text, a number, an array within an array) may hold what the path
//     was meant for: JSON null. So may such a document as a whole.
// At the path's end:
//   - `null` and `constant` replace whatever is there, arrays and nulls included; a constant is a
//     JSON string;
//   - the others mask the text of a string, a number or a boolean, and give a JSON string; in an
//     array, that of each element. `round` is for numbers, and gives one. What does not fit (an
//     object, an array within an array) is JSON null; JSON null stays.
// A document that could outgrow what a jsonb holds (by 256 MB) is JSON null.
#pragma once

#include <string>

#include "config/rules.h"
#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

// SQL of type jsonb over a column whose base type is jsonb; NULL for NULL, and never an error.
[[nodiscard]] std::string json_expression(const config::Mask& mask, const Column& column,
                                          const CatalogSnapshot& catalog);

}  // namespace vitrine::parser
