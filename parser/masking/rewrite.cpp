#include "parser/masking/rewrite.h"

#include <algorithm>

#include "parser/masking/builtin_rules.h"
#include "parser/syntax/utf8.h"

namespace vitrine::parser {

using syntax::quoted_identifier;

bool is_rewritten(const RelationPolicy* policy) {
    return policy != nullptr &&
           (!policy->masked.empty() || !policy->filter.empty() || !policy->definition.empty());
}

std::string masked_select(const RelationPolicy& policy, bool only,
                          std::span<const std::string_view> system_columns,
                          std::string_view system_prefix) {
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
        if (!system_prefix.empty()) {
            sql += " AS " + quoted_identifier(std::string(system_prefix).append(column));
        }
    }
    if (!policy.definition.empty()) {
        return sql + " FROM (" + policy.definition + ") AS " +
               quoted_identifier(policy.relation->name);
    }
    sql += only ? " FROM ONLY " : " FROM ";
    sql += quoted_identifier(policy.relation->schema);
    sql += '.';
    sql += quoted_identifier(policy.relation->name);
    return sql;
}

// A user's condition could fail on a hidden row, and an error tell of it: the planner puts none
// into what has an OFFSET, and makes no Limit of OFFSET 0. It would still try conditions on the
// column's statistics, which hold values of hidden rows, for an estimate that EXPLAIN shows
// (selfuncs.c, examine_simple_variable): not through a set operation. Its second arm is empty to
// the planner.
std::string masked_rest(const RelationPolicy& policy, std::string_view select) {
    constexpr std::string_view kBarrier = " OFFSET 0";
    std::string rest;
    if (!policy.filter.empty()) {
        rest = " WHERE (" + policy.filter + ")";
        if (!is_system_relation(*policy.relation)) {
            rest += " UNION ALL ";
            rest += select;
            rest += " WHERE false";
        }
        rest += kBarrier;
    } else if (!policy.definition.empty() && policy.relation->security_barrier) {
        rest = kBarrier;
    }
    return rest;
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
    const std::string select = masked_select(policy, true);
    return sql + " FROM (" + select + masked_rest(policy, select) + ") AS " +
           quoted_identifier(policy.relation->name) + ")";
}

std::string column_title(const Relation& relation, const Column& column) {
    return relation.schema + "." + relation.name + "." + column.name;
}

}  // namespace vitrine::parser
