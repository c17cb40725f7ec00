// What the server's own relations may tell. MASKING.md E: each has a rule here, open, masked in
// some columns, filtered or closed; one that is not listed is closed.
#pragma once

#include <optional>

#include "parser/masking/policy.h"

namespace vitrine::parser {

// Is this a relation that initdb made? Those are judged here, and by no rule of the DBA's.
[[nodiscard]] bool is_system_relation(const Relation& relation);

// For a system relation; nullopt: open as it is.
[[nodiscard]] std::optional<RelationPolicy> builtin_rule(const Relation& relation,
                                                         const CatalogSnapshot& catalog);

}  // namespace vitrine::parser
