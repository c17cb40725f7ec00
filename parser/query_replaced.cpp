// What a derived table lacks that a table has, and queries use: system columns, and columns that
// depend on the primary key (MASKING.md C.3 and C.4).

#include "parser/query.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "parser/query_parts.h"
#include "parser/syntax/utf8.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::quoted_identifier;
using syntax::string_value;

namespace {

// pg_opclass.dat: json, xml, point, lseg, path, box, polygon, line and circle have no default
// operator class for btree or hash, so that nothing can be grouped by them.
constexpr std::array<Oid, 9> kNotGroupable{114, 142, 600, 601, 602, 603, 604, 628, 718};

bool has_system_columns(const Relation& relation) {
    return std::string_view("rpmf").find(relation.kind) != std::string_view::npos;
}

// The name of a column where the expression is nothing else: `c.id`, `id`.
std::pair<std::string_view, std::string_view> column_of(const Node* expression) {
    if (!is_a(expression, T_ColumnRef)) {
        return {};
    }
    const auto fields = cells(as<ColumnRef>(expression)->fields);
    if (fields.empty() || fields.size() > 2) {
        return {};
    }
    return {fields.size() == 2 ? string_value(fields[0].ptr_value) : std::string_view{},
            string_value(fields.back().ptr_value)};
}

}  // namespace

// Is the name of something in FROM used as a value?
bool Query::is_whole_row(std::string_view name) const {
    const auto begin = bare_columns_.begin();
    return bare_columns_count_ == bare_columns_.size() ||
           std::find(begin, begin + static_cast<long>(bare_columns_count_), name) !=
               begin + static_cast<long>(bare_columns_count_);
}

// A derived table gives system columns where it is told to, as columns like any other: then they
// must not show in a star, in the row as a value or in a NATURAL join.
void Query::finish_system_columns() {
    for (const Attribute& column : system_columns_) {
        for (Replaced& replaced : replaced_) {
            const bool meant = column.qualifier.empty() || column.qualifier == replaced.name;
            auto& given = replaced.system_columns;
            if (!meant || !has_system_columns(*replaced.policy->relation) ||
                std::find(given.begin(), given.end(), column.name) != given.end()) {
                continue;
            }
            if (natural_join_ || stars_.contains("") || stars_.contains(replaced.name) ||
                is_whole_row(replaced.name)) {
                refuse(not_supported("system column " + std::string(column.name) +
                                         " beside all columns of a masked relation",
                                     "It would be one of them.",
                                     "Write the columns out, without * and the row as a value.",
                                     "masking: system column"),
                       column.location);
                return;
            }
            given.push_back(column.name);
        }
    }
}

// Whoever groups by a table's primary key may use its other columns beside (check_functional_
// grouping): a derived table has no key, so that those columns join the GROUP BY.
void Query::finish_groups() {
    for (const auto& [select, number] : grouped_) {
        for (const Replaced& item : replaced_) {
            if (item.select == number) {
                group_by_columns(select, item);
            }
        }
    }
}

void Query::group_by_columns(const SelectStmt* select, const Replaced& item) {
    const RelationPolicy& policy = *item.policy;
    const Relation& relation = *policy.relation;
    // Under the names that the reference gives them.
    std::vector<std::string_view> names;
    for (const Column& column : relation.columns) {
        names.push_back(column.name);
    }
    if (item.reference->alias != nullptr) {
        const auto given = cells(item.reference->alias->colnames);
        for (std::size_t i = 0; i < std::min(given.size(), names.size()); ++i) {
            names[i] = string_value(given[i].ptr_value);
        }
    }
    // An inheritance parent's key says nothing of its children's rows.
    const bool keyed = (relation.kind == 'r' && relation.children.empty()) || relation.kind == 'p';
    if (!keyed || relation.primary_key.empty()) {
        return;
    }
    std::set<std::string_view> grouped;
    int location = -1;  // of a column of the key
    for (const ListCell& cell : cells(select->groupClause)) {
        const Node* group = syntax::node(cell);
        int place = is_a(group, T_ColumnRef) ? as<ColumnRef>(group)->location : -1;
        if (is_a(group, T_GroupingSet)) {
            return;
        }
        // GROUP BY 1
        if (is_a(group, T_A_Const) && nodeTag(&as<A_Const>(group)->val) == T_Integer) {
            place = as<A_Const>(group)->location;
            const auto targets = cells(select->targetList);
            const int ordinal = as<A_Const>(group)->val.ival.ival;
            group =
                ordinal < 1 || static_cast<std::size_t>(ordinal) > targets.size()
                    ? nullptr
                    : as<ResTarget>(targets[static_cast<std::size_t>(ordinal) - 1].ptr_value)->val;
        }
        auto [qualifier, name] = column_of(group);
        // GROUP BY the name of an output column, where it is no column's.
        if (qualifier.empty() && !name.empty() &&
            std::find(names.begin(), names.end(), name) == names.end()) {
            for (const ListCell& target : cells(select->targetList)) {
                const auto* output = as<ResTarget>(target.ptr_value);
                if (output->name != nullptr && output->name == name) {
                    std::tie(qualifier, name) = column_of(output->val);
                    break;
                }
            }
        }
        if (!name.empty() && (qualifier.empty() || qualifier == item.name)) {
            grouped.insert(name);
            location = place;
        }
    }
    for (const std::int16_t number : relation.primary_key) {
        const auto column = std::find_if(relation.columns.begin(), relation.columns.end(),
                                         [&](const Column& each) { return each.number == number; });
        const bool masked =
            std::any_of(policy.masked.begin(), policy.masked.end(),
                        [&](const MaskedColumn& each) { return each.column->number == number; });
        if (masked || column == relation.columns.end() ||
            !grouped.contains(names[static_cast<std::size_t>(column - relation.columns.begin())])) {
            return;
        }
    }
    const bool all = stars_.contains("") || stars_.contains(item.name) ||
                     bare_columns_count_ == bare_columns_.size();
    std::string added;
    const auto add = [&](std::string_view name) {
        added += (added.empty() ? "" : " ") + quoted_identifier(item.name) + "." +
                 quoted_identifier(name) + ",";
    };
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string_view name = names[i];
        const bool used =
            all || is_whole_row(name) ||
            std::any_of(attributes_.begin(), attributes_.end(), [&](const Attribute& each) {
                return each.qualifier == item.name && each.name == name;
            });
        const bool groupable = std::find(kNotGroupable.begin(), kNotGroupable.end(),
                                         relation.columns[i].base_type) == kNotGroupable.end();
        if (used && groupable && !grouped.contains(name)) {
            add(name);
        }
    }
    for (const std::string_view name : item.system_columns) {
        if (!grouped.contains(name)) {
            add(name);
        }
    }
    if (added.empty()) {
        return;
    }
    // Behind BY, or DISTINCT or ALL.
    const syntax::Tokens& list = tokens();
    std::size_t depth = 0;
    std::size_t index = list.at(at(location));
    while (index > 0 && index < list.size()) {
        --index;
        if (list.is(index, ')') || list.is(index, ']')) {
            ++depth;
        } else if (list.is(index, '(') || list.is(index, '[')) {
            depth -= depth > 0 ? 1 : 0;
        } else if (depth == 0 && list.is_keyword(index, "by")) {
            const bool quantified =
                list.is_keyword(index + 1, "distinct") || list.is_keyword(index + 1, "all");
            const std::size_t behind = list.end(index + (quantified ? 1 : 0));
            (void)edit(behind, behind, std::move(added), location);
            return;
        }
    }
}

}  // namespace vitrine::parser
