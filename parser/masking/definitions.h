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

// Functions that print a definition otherwise than by its OID (those are HiddenDefinitions::
// functions): a view's, by its name too; a tree that the catalog gave; rows with trees in them.
inline constexpr std::string_view kPrintsView = "pg_get_viewdef";
inline constexpr std::string_view kPrintsExpression = "pg_get_expr";
inline constexpr std::string_view kPrintsPublications = "pg_get_publication_tables";

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
