#include "parser/catalog/snapshot.h"

#include <algorithm>

#include "parser/catalog/snapshot_state.h"

namespace vitrine::parser {

namespace {

template <typename Object>
std::span<const Object* const> find_all(
    const std::unordered_map<std::string_view, std::vector<const Object*>>& by_name,
    std::string_view name) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
        return {};
    }
    return found->second;
}

template <typename Object>
const Object* find_oid(const std::unordered_map<Oid, const Object*>& by_oid, Oid oid) {
    const auto found = by_oid.find(oid);
    return found == by_oid.end() ? nullptr : found->second;
}

template <typename Object>
void index_names(const std::vector<Object>& objects,
                 std::unordered_map<std::string_view, std::vector<const Object*>>& by_name) {
    for (const Object& object : objects) {
        by_name[object.name].push_back(&object);
    }
}

template <typename Object>
void index_oids(const std::vector<Object>& objects,
                std::unordered_map<Oid, const Object*>& by_oid) {
    by_oid.reserve(objects.size());
    for (const Object& object : objects) {
        by_oid[object.oid] = &object;
    }
}

}  // namespace

const Column* Relation::column(std::string_view wanted) const {
    const auto found = std::find_if(columns.begin(), columns.end(), [&](const Column& candidate) {
        return candidate.name == wanted;
    });
    return found == columns.end() ? nullptr : &*found;
}

void CatalogSnapshot::State::index() {
    for (Relation& relation : relations) {
        relation.columns_begin = static_cast<std::uint32_t>(column_names.size());
        for (const Column& column : relation.columns) {
            column_names.add(column.name.c_str());
        }
    }
    index_names(relations, relations_by_name);
    for (auto& [name, all] : relations_by_name) {
        std::sort(all.begin(), all.end(),
                  [](const Relation* a, const Relation* b) { return a->schema < b->schema; });
    }
    index_names(functions, functions_by_name);
    index_names(operators, operators_by_name);
    for (auto& [name, all] : operators_by_name) {
        std::stable_partition(all.begin(), all.end(),
                              [](const Operator* each) { return !each->builtin; });
    }
    index_names(types, types_by_name);
    index_oids(relations, relations_by_oid);
    index_oids(functions, functions_by_oid);
    index_oids(types, types_by_oid);
}

CatalogSnapshot::CatalogSnapshot() = default;
CatalogSnapshot::~CatalogSnapshot() = default;

std::uint64_t CatalogSnapshot::version() const {
    return state_->version;
}

int CatalogSnapshot::server_version() const {
    return state_->server_version;
}

std::string_view CatalogSnapshot::database() const {
    return state_->database;
}

bool CatalogSnapshot::has_impostors() const {
    return state_->has_impostors;
}

std::string_view CatalogSnapshot::server_encoding() const {
    return state_->server_encoding;
}

std::string_view CatalogSnapshot::fingerprint() const {
    return state_->fingerprint;
}

bool CatalogSnapshot::has_schema(std::string_view name) const {
    return std::find(state_->schemas.begin(), state_->schemas.end(), name) != state_->schemas.end();
}

const Relation* CatalogSnapshot::relation(std::string_view schema, std::string_view name) const {
    const auto all = find_all(state_->relations_by_name, name);
    const auto found = std::lower_bound(all.begin(), all.end(), schema,
                                        [](const Relation* relation, std::string_view wanted) {
                                            return relation->schema < wanted;
                                        });
    return found == all.end() || (*found)->schema != schema ? nullptr : *found;
}

const Relation* CatalogSnapshot::relation(Oid oid) const {
    return find_oid(state_->relations_by_oid, oid);
}

std::span<const Relation* const> CatalogSnapshot::relations(std::string_view name) const {
    return find_all(state_->relations_by_name, name);
}

const ColumnNames& CatalogSnapshot::column_names() const {
    return state_->column_names;
}

std::span<const Relation> CatalogSnapshot::relations() const {
    return state_->relations;
}

std::span<const Function* const> CatalogSnapshot::functions(std::string_view name) const {
    return find_all(state_->functions_by_name, name);
}

const Function* CatalogSnapshot::function(Oid oid) const {
    return find_oid(state_->functions_by_oid, oid);
}

std::span<const Operator* const> CatalogSnapshot::operators(std::string_view name) const {
    return find_all(state_->operators_by_name, name);
}

std::span<const Operator> CatalogSnapshot::operators() const {
    return state_->operators;
}

std::span<const Type* const> CatalogSnapshot::types(std::string_view name) const {
    return find_all(state_->types_by_name, name);
}

std::span<const Function> CatalogSnapshot::functions() const {
    return state_->functions;
}

std::span<const Type> CatalogSnapshot::types() const {
    return state_->types;
}

std::span<const StoredDefinition> CatalogSnapshot::stored_definitions() const {
    return state_->stored_definitions;
}

const Type* CatalogSnapshot::type(Oid oid) const {
    return find_oid(state_->types_by_oid, oid);
}

}  // namespace vitrine::parser
