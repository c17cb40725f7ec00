// Views over what is masked. The server runs a view on the tables as they are, so that such a view
// is replaced by its own definition, in which each masked relation has been replaced in turn: what
// comes out is what the view would be on the masked copy, predicates and aggregates included
// (MASKING.md C.5).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "parser/masking/policy.h"

namespace vitrine::parser {

struct ViewDefinition {
    std::string sql;
    std::set<std::string> masked;    // "public.customers.email"
    std::set<std::string> filtered;  // "public.orders by masking.rows[0]"
    std::set<std::string> except;    // as in RelationPolicy
    std::set<std::string> require;
    std::set<std::int16_t> carried;
};

// `policy` must know all that the view reads. nullopt with a sentence in `why` where the judge has
// an objection to the definition, or it is too long.
[[nodiscard]] std::optional<ViewDefinition> view_definition(const Relation& view,
                                                            const Policy& policy,
                                                            const PlainObjects& plain,
                                                            std::string& why);

// Materialized views hold what their definition once gave. Where a masked column was put into a
// column of it as it was, and used for nothing else, that column is masked in the same way: by its
// number, with the rule. nullopt with a sentence in `why` where that is not certain.
struct CopiedColumn {
    config::Mask mask;
    std::string rule;
};
[[nodiscard]] std::optional<std::map<std::int16_t, CopiedColumn>> copied_columns(
    const Relation& view, const Policy& policy, std::string& why);

}  // namespace vitrine::parser
