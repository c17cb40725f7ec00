// The masked form of a relation: the derived table that stands in a statement where the relation
// stood (MASKING.md C).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "parser/masking/policy.h"

namespace vitrine::parser {

// Does a reference to the relation have to be replaced?
[[nodiscard]] bool is_rewritten(const RelationPolicy* policy);

// `SELECT "id", <mask> AS "email" FROM "shop"."customers"`: every column in attnum order under its
// own name; `ONLY` where the reference has it.
// Behind them the system columns that the statement asks for (`ctid`), which a derived table has
// only so; under their names with the prefix before.
[[nodiscard]] std::string masked_select(const RelationPolicy& policy, bool only,
                                        std::span<const std::string_view> system_columns = {},
                                        std::string_view system_prefix = {});
// What stands behind masked_select(), `select`, and what samples it: ` WHERE …`, and what keeps
// everything written beside the derived table from the rows that this leaves out.
[[nodiscard]] std::string masked_rest(const RelationPolicy& policy, std::string_view select);
// The same of some columns only, in the order given, of the relation alone (COPY's meaning).
[[nodiscard]] std::string masked_copy(const RelationPolicy& policy,
                                      std::span<const std::string_view> columns);

// "shop.customers.email": how log and explain call a column.
[[nodiscard]] std::string column_title(const Relation& relation, const Column& column);

}  // namespace vitrine::parser
