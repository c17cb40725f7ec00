// Definitions in the catalog that are about masked columns and hold constants (MASKING.md B.6):
// CHECKs, defaults, indexes, views, partitions' bounds and their kin. They are shown with NULL for
// the constants where they are text, and are NULL where they are a tree (pg_node_tree), which
// nobody can look into then.
//
// What is not known to the catalog as an expression stays as it is: bodies of functions, comments,
// labels of enums, options of foreign tables.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "parser/masking/policy.h"

namespace vitrine::parser {

// The functions that print a definition, by the OID that is their first argument; and those that
// give what is hidden in no way that could be mended.
enum class PrintsDefinition : std::uint8_t { kNo, kByOid, kByRelation, kRows };
[[nodiscard]] PrintsDefinition prints_definition(std::string_view function);

// What is known of masks when definitions are hidden.
struct MaskedObjects {
    // Is this column of a table masked? Of a materialized view: may it hold what is?
    std::function<bool(Oid, std::int16_t)> column;
    // Does a view read what is masked, or is one of its own columns?
    std::function<bool(Oid)> view;
    // The types of masked columns, and what these are made of.
    std::unordered_set<Oid> types;
    bool any = false;  // anything at all
};

// Adds the rules on the system's relations to `result`.
[[nodiscard]] HiddenDefinitions hide_definitions(const CatalogSnapshot& catalog,
                                                 const MaskedObjects& masked,
                                                 std::unordered_map<Oid, RelationPolicy>& result);

}  // namespace vitrine::parser
