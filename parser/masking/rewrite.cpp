#include "parser/masking/rewrite.h"

#include <algorithm>

#include "parser/syntax/utf8.h"

namespace vitrine::parser {

using syntax::quoted_identifier;

bool is_rewritten(const RelationPolicy* policy) {
    return policy != nullptr &&
           (!policy->masked.empty() || !policy->filter.empty() || !policy->definition.empty());
}

std::string masked_select(const RelationPolicy& policy, bool only,
                          std::span<const std::string_view> system_columns) {
    std::string sql = "SELECT ";
    bool first = true;
    for (const Column& column : policy.relation->columns) {
        if (!first) {
            sql += ", ";
        }
        first = false;
        const auto mask =
            std::find_if(policy.masked.begin(), policy.masked.end(),
                         [&](const MaskedColumn& m) { return m.column->number == column.number; });
        if (mask != policy.masked.end()) {
            sql += mask->expression;
            sql += " AS ";
        }
        sql += quoted_identifier(column.name);
    }
    for (const std::string_view column : system_columns) {
        sql += first ? "" : ", ";
        first = false;
        sql += column;
    }
    if (!policy.definition.empty()) {
        sql += " FROM (" + policy.definition + ") AS " + quoted_identifier(policy.relation->name);
        // What a user writes beside a security barrier sees no row that does not pass it: the
        // planner puts no condition into what has an OFFSET.
        return policy.relation->security_barrier ? sql + " OFFSET 0" : sql;
    }
    sql += only ? " FROM ONLY " : " FROM ";
    sql += quoted_identifier(policy.relation->schema);
    sql += '.';
    sql += quoted_identifier(policy.relation->name);
    return sql;
}

std::string masked_filter(const RelationPolicy& policy) {
    return policy.filter.empty() ? std::string() : " WHERE (" + policy.filter + ")";
}

std::string masked_copy(const RelationPolicy& policy, std::span<const std::string_view> columns) {
    std::string sql = "(SELECT ";
    bool first = true;
    for (const std::string_view column : columns) {
        if (!first) {
            sql += ", ";
        }
        first = false;
        sql += quoted_identifier(column);
    }
    return sql + " FROM (" + masked_select(policy, true) + masked_filter(policy) + ") AS " +
           quoted_identifier(policy.relation->name) + ")";
}

std::string column_title(const Relation& relation, const Column& column) {
    return relation.schema + "." + relation.name + "." + column.name;
}

}  // namespace vitrine::parser
