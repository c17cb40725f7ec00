// Definitions in the catalog that hold constants beside masked columns (MASKING.md B.6): CHECKs,
// defaults, indexes, views, partitions' bounds and their kin. They are shown with NULL for the
// constants where they are text, and are NULL where they are a tree (pg_node_tree), which nobody
// can look into then.
//
// What is not known to the catalog as an expression stays as it is: bodies of functions, comments,
// labels of enums, options of foreign tables.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "parser/masking/policy.h"

namespace vitrine::parser {

// The functions that print a definition, by the OID that is their first argument; and those that
// give what is hidden in no way that could be mended.
enum class PrintsDefinition : std::uint8_t { kNo, kByOid, kByRelation, kRows };
[[nodiscard]] PrintsDefinition prints_definition(std::string_view function);

// Which names may stand for a masked column where this relation is read; empty: nothing of it is.
using MaskedNames = std::function<const std::set<std::string>&(Oid)>;

// Adds the rules on the system's relations to `result`. `domains` are those that masked columns
// are of, with all that these are made of; `names` are all masked columns' anywhere.
[[nodiscard]] HiddenDefinitions hide_definitions(const CatalogSnapshot& catalog,
                                                 const MaskedNames& names_of,
                                                 const std::set<std::string>& names,
                                                 const std::unordered_set<Oid>& domains,
                                                 std::unordered_map<Oid, RelationPolicy>& result);

}  // namespace vitrine::parser
