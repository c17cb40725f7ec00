// What a name in a statement stands for, found as the server finds it (namespace.c, parse_cte.c,
// parse_relation.c).
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

// Where unqualified names are looked up.
struct SearchPath {
    // In the server's order, pg_catalog at its place (current_schemas(true)).
    std::span<const std::string> schemas;
    // False behind a statement of the same text that may have changed the path: any schema may be
    // on it then, in any place.
    bool known = true;

    static constexpr std::size_t kUnreachable = std::numeric_limits<std::size_t>::max();
    // The schema's place on the path; kUnreachable where it is not on it. On an unknown path all
    // schemas are in the same place.
    [[nodiscard]] std::size_t place(std::string_view schema) const;
};

// An object's name as written: without a schema it is looked up in the path.
struct ObjectName {
    std::string_view schema;
    std::string_view name;

    [[nodiscard]] bool qualified() const { return !schema.empty(); }
    [[nodiscard]] std::string text() const;
};

// pg_temp, and the schemas behind that name: nothing a user may read lies there.
[[nodiscard]] bool is_temporary_schema(std::string_view name);

struct RelationLookup {
    const Relation* relation = nullptr;
    // The path is unknown and more than one relation has the name.
    bool ambiguous = false;
};
[[nodiscard]] RelationLookup find_relation(const CatalogSnapshot& catalog, const SearchPath& path,
                                           const ObjectName& name);

// The common table expressions that a place in a statement sees: a list that grows at its head as
// one goes inwards. Those of WITH RECURSIVE see all of their siblings, those of a plain WITH only
// the ones before them (parse_cte.c, transformWithClause).
struct VisibleCte {
    const VisibleCte* outer = nullptr;
    std::string_view name;
    std::size_t depth = 1;  // how many there are up to here
};
[[nodiscard]] bool sees_cte(const VisibleCte* ctes, std::string_view name);

}  // namespace vitrine::parser
