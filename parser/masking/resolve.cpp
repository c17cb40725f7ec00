#include "parser/masking/resolve.h"

#include "parser/syntax/utf8.h"

namespace vitrine::parser {

std::size_t SearchPath::place(std::string_view schema) const {
    if (!known) {
        return is_temporary_schema(schema) ? kUnreachable : 0;
    }
    for (std::size_t i = 0; i < schemas.size(); ++i) {
        if (schemas[i] == schema) {
            return i;
        }
    }
    return kUnreachable;
}

std::string ObjectName::text() const {
    if (!qualified()) {
        return std::string(name);
    }
    return std::string(schema) + "." + std::string(name);
}

bool is_temporary_schema(std::string_view name) {
    return name == "pg_temp" || name.starts_with("pg_temp_") || name.starts_with("pg_toast_temp_");
}

RelationLookup find_relation(const CatalogSnapshot& catalog, const SearchPath& path,
                             const ObjectName& name) {
    RelationLookup found;
    if (name.qualified()) {
        found.relation = catalog.relation(name.schema, name.name);
        return found;
    }
    if (path.known) {
        for (const std::string& schema : path.schemas) {
            found.relation = catalog.relation(schema, name.name);
            if (found.relation != nullptr) {
                return found;
            }
        }
        return found;
    }
    for (const Relation& relation : catalog.relations()) {
        if (relation.name != name.name || is_temporary_schema(relation.schema)) {
            continue;
        }
        if (found.relation != nullptr) {
            found.ambiguous = true;
            return found;
        }
        found.relation = &relation;
    }
    return found;
}

bool sees_cte(const VisibleCte* ctes, std::string_view name) {
    for (; ctes != nullptr; ctes = ctes->outer) {
        if (ctes->name == name) {
            return true;
        }
    }
    return false;
}

}  // namespace vitrine::parser
