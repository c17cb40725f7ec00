// Which query is which, for the builder: the order of catalog_queries().
#pragma once

#include <cstddef>
#include <string_view>

namespace vitrine::parser {

enum QueryIndex : std::size_t {
    kSettings,
    kDatabase,
    kSchemas,
    kTypes,
    kTypeParts,
    kEnumLabels,
    kFunctions,
    kOperators,
    kTypeFunctions,
    kCasts,
    kRelations,
    kColumns,
    kInheritance,
    kGenerated,
    kDefinitions,
    kStoredDefinitions,
    kQueryCount,
};

// format_type() spells names as search_path makes them necessary: the first query sets the path
// for the transaction, and the second lets the builder see that it held.
inline constexpr std::string_view kLoadSearchPath = "pg_catalog, pg_temp";

}  // namespace vitrine::parser
