// The masks that are for text, over any SQL that is of type text: a column's, or that of a value
// in a JSON document. Each gives text, never raises an error, and gives NULL for NULL.
#pragma once

#include <optional>
#include <string>

#include "config/rules.h"
#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

// `value` stands in the result several times; it is short. `counted`: what has as many characters
// and may be cheaper to count.
[[nodiscard]] std::string partial_expression(const config::Mask& mask, const std::string& value,
                                             const std::string& counted);
[[nodiscard]] std::string email_expression(const std::string& value);
// What is cast to `type` (text, bigint, integer or uuid) without an error; nullopt for another.
[[nodiscard]] std::optional<std::string> hash_expression(const std::string& value, Oid type,
                                                         const CatalogSnapshot& catalog);

}  // namespace vitrine::parser
