// Inside of a CatalogSnapshot: shared by snapshot.cpp and loader.cpp, and by nobody else.
#pragma once

#include <algorithm>

#include "parser/catalog/snapshot.h"

namespace vitrine::parser {

struct CatalogSnapshot::State {
    std::uint64_t version = 0;
    int server_version = 0;
    std::string database;
    std::string server_encoding;
    std::string fingerprint;
    std::vector<std::string> schemas;
    bool has_impostors = false;
    std::vector<Relation> relations;
    std::vector<Function> functions;
    std::vector<Operator> operators;
    std::vector<Type> types;
    std::vector<StoredDefinition> stored_definitions;

    ColumnNames column_names;

    template <typename Object>
    using ByName = std::unordered_map<std::string_view, std::vector<const Object*>>;
    template <typename Object>
    using ByOid = std::unordered_map<Oid, const Object*>;

    // Point into the vectors above, which do not change any more.
    ByName<Relation> relations_by_name;
    ByName<Function> functions_by_name;
    ByName<Operator> operators_by_name;
    ByName<Type> types_by_name;
    ByOid<Relation> relations_by_oid;
    ByOid<Function> functions_by_oid;
    ByOid<Type> types_by_oid;

    void index();
};

}  // namespace vitrine::parser
