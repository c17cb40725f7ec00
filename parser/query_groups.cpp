// GROUP BY a masked table's primary key with its other columns beside (MASKING.md C.4): a derived
// table has no key.

#include "parser/query.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "config/limits.h"
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

// pg_opclass.dat: json, xml, point, lseg, path, box, polygon, line, circle and refcursor have no
// default operator class for btree or hash, so that nothing can be grouped by them.
constexpr std::array<Oid, 10> kNotGroupable{114, 142, 600, 601, 602, 603, 604, 628, 718, 1790};

// An array is compared by its elements, a row by its fields.
bool is_groupable(Oid oid, const CatalogSnapshot& catalog) {
    const Type* type = catalog.type(oid);
    while (type != nullptr && (type->element != 0 || type->kind == 'd')) {
        oid = type->element != 0 ? type->element : type->base;
        type = catalog.type(oid);
    }
    if (type != nullptr && type->kind == 'c') {
        return std::all_of(type->parts.begin(), type->parts.end(),
                           [&](Oid part) { return is_groupable(part, catalog); });
    }
    return std::find(kNotGroupable.begin(), kNotGroupable.end(), oid) == kNotGroupable.end();
}

// Does array_agg() give an array that has such values for its elements, with all that is known of
// them? Those that nothing can be grouped by have neither modifier nor collation.
bool is_element(const Column& column, const CatalogSnapshot& catalog) {
    const Type* type = catalog.type(column.base_type);
    return type != nullptr && type->element == 0 && !is_groupable(column.base_type, catalog);
}

// The name of a column where the expression is nothing else: `c.id`, `id`, `public.c.id`.
std::pair<std::string_view, std::string_view> column_of(const Node* expression) {
    if (!is_a(expression, T_ColumnRef)) {
        return {};
    }
    const auto fields = cells(as<ColumnRef>(expression)->fields);
    if (fields.empty() || fields.size() > 3) {
        return {};
    }
    return {
        fields.size() == 1 ? std::string_view{} : string_value(fields[fields.size() - 2].ptr_value),
        string_value(fields.back().ptr_value)};
}

// Is it `*` or `t.*`, and of this relation alone?
enum class Star { kNone, kOwn, kOther };

Star star_of(const ResTarget* target, const SelectStmt* select, std::string_view item) {
    if (!is_a(target->val, T_ColumnRef)) {
        return is_a(target->val, T_A_Indirection) ? Star::kOther : Star::kNone;
    }
    const auto fields = cells(as<ColumnRef>(target->val)->fields);
    if (fields.empty() || !is_a(fields.back().ptr_value, T_A_Star)) {
        return Star::kNone;
    }
    const auto from = cells(select->fromClause);
    const bool own = fields.size() == 1 ? from.size() == 1 && is_a(from[0].ptr_value, T_RangeVar)
                                        : string_value(fields[fields.size() - 2].ptr_value) == item;
    return own ? Star::kOwn : Star::kOther;
}

// A column that is grouped by, as `c.id`, as `1` or by the name of an output.
struct GroupedBy {
    std::string_view qualifier;
    std::string_view name;  // empty: something else
    int location = -1;
};

// What a GROUP BY can name of a query's outputs, as one relation's columns.
class Outputs {
  public:
    Outputs(const SelectStmt* select, std::string_view item, std::vector<std::string_view> columns)
        : item_(item), columns_(std::move(columns)) {
        std::size_t width = 0;
        bool numbered = true;  // as far as how many outputs each is is known
        for (const ListCell& cell : cells(select->targetList)) {
            const auto* target = as<ResTarget>(cell.ptr_value);
            if (target->name != nullptr) {
                by_name_.try_emplace(target->name, target->val);
            }
            const Star star = star_of(target, select, item);
            numbered = numbered && star != Star::kOther;
            if (numbered) {
                const std::size_t more = star == Star::kOwn ? columns_.size() : 1;
                for (std::size_t i = 0; i < more; ++i) {
                    by_number_.push_back(star == Star::kOwn
                                             ? GroupedBy{item, columns_[i]}
                                             : GroupedBy{column_of(target->val).first,
                                                         column_of(target->val).second});
                }
                width += more;
            }
            if (width > kOutputsMax) {
                break;
            }
        }
        known_.insert(columns_.begin(), columns_.end());
    }

    [[nodiscard]] std::string_view item() const { return item_; }

    [[nodiscard]] GroupedBy grouped_by(const Node* group) const {
        GroupedBy by;
        by.location = is_a(group, T_ColumnRef) ? as<ColumnRef>(group)->location : -1;
        if (is_a(group, T_A_Const) && nodeTag(&as<A_Const>(group)->val) == T_Integer) {
            by.location = as<A_Const>(group)->location;
            const int number = as<A_Const>(group)->val.ival.ival;
            if (number < 1 || std::cmp_greater(number, by_number_.size())) {
                return by;
            }
            const GroupedBy& output = by_number_[static_cast<std::size_t>(number) - 1];
            std::tie(by.qualifier, by.name) = std::pair(output.qualifier, output.name);
        } else {
            std::tie(by.qualifier, by.name) = column_of(group);
        }
        // The name of an output, where it is no column's.
        if (by.qualifier.empty() && !by.name.empty() && !known_.contains(by.name)) {
            const auto output = by_name_.find(by.name);
            if (output != by_name_.end()) {
                std::tie(by.qualifier, by.name) = column_of(output->second);
            }
        }
        return by;
    }

  private:
    // MaxTupleAttributeNumber: the server refuses more.
    static constexpr std::size_t kOutputsMax = 1664;

    std::string_view item_;
    std::vector<std::string_view> columns_;
    std::unordered_set<std::string_view> known_;
    std::unordered_map<std::string_view, const Node*> by_name_;  // the first of each
    std::vector<GroupedBy> by_number_;
};

// The names of columns in it, at any depth; an empty one where something else is.
void grouping_set_columns(const GroupingSet* set, const Outputs& outputs,
                          std::set<std::string_view>& names) {
    for (const ListCell& cell : cells(set->content)) {
        if (is_a(cell.ptr_value, T_GroupingSet)) {
            grouping_set_columns(as<GroupingSet>(cell.ptr_value), outputs, names);
            continue;
        }
        const std::span<const ListCell> each = is_a(cell.ptr_value, T_RowExpr)
                                                   ? cells(as<RowExpr>(cell.ptr_value)->args)
                                                   : std::span<const ListCell>(&cell, 1);
        for (const ListCell& group : each) {
            names.insert(outputs.grouped_by(syntax::node(group)).name);
        }
    }
}

// The columns of a relation that every one of these grouping sets has, alone or by an output's name
// or number (parse_agg.c, parseCheckAggregates).
std::set<std::string_view> grouped_columns(std::span<const ListCell> groups, const Outputs& outputs,
                                           int& location) {
    std::set<std::string_view> grouped;
    for (const ListCell& cell : groups) {
        const Node* group = syntax::node(cell);
        if (is_a(group, T_GroupingSet)) {
            // (), ROLLUP and CUBE have the empty set among them.
            const auto* sets = as<GroupingSet>(group);
            std::optional<std::set<std::string_view>> common;
            for (const ListCell& each : sets->kind == GROUPING_SET_SETS
                                            ? cells(sets->content)
                                            : std::span<const ListCell>{}) {
                const auto within = grouped_columns({&each, 1}, outputs, location);
                if (!common) {
                    common = within;
                } else {
                    std::erase_if(*common,
                                  [&](std::string_view name) { return !within.contains(name); });
                }
            }
            if (common) {
                grouped.merge(*common);
            }
            continue;
        }
        if (is_a(group, T_RowExpr)) {
            const auto* row = as<RowExpr>(group);
            if (row->row_format == COERCE_IMPLICIT_CAST) {  // (a, b), not ROW(a, b)
                grouped.merge(grouped_columns(cells(row->args), outputs, location));
            }
            continue;
        }
        const GroupedBy by = outputs.grouped_by(group);
        if (!by.name.empty() && (by.qualifier.empty() || by.qualifier == outputs.item())) {
            grouped.insert(by.name);
            location = by.location;
        }
    }
    return grouped;
}

// Two values never have one mask, but by chance in 2^60: the key of the masked copy is one still.
bool keeps_apart(const MaskedColumn& masked) {
    constexpr Oid kInteger = 23;  // 28 bits of a hash
    return masked.mask.kind == config::MaskKind::kHash && masked.column->base_type != kInteger;
}

}  // namespace

// The same where the query sees its groups (plan_group).
std::string Query::grouped_list(const Replaced& item, bool named) const {
    std::string list;
    for (const std::string_view column : column_names(item)) {
        list += (list.empty() ? "" : ", ") + grouped_column(item, column, named);
        if (list.size() > limits::kStatementBytesMax) {
            break;  // edit() refuses it
        }
    }
    return list;
}

std::string Query::grouped_column(const Replaced& item, std::string_view column, bool named) const {
    const std::string name = quoted_identifier(column);
    if (!item.first.contains(column)) {
        return item.quoted_name() + "." + name;
    }
    return first_value(item, column).text + (named ? " AS " + name : std::string());
}

// The first of the group's rows, of the relation's row type. What is not asked for is left out of
// it, so that no mask is computed in vain; but a domain may not like NULL.
std::string Query::first_row(const Replaced& item) {
    const Relation& relation = *item.policy->relation;
    const auto names = column_names(item);
    std::string row;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Column& column = relation.columns[i];
        const bool needed = item.first.contains(names[i]) || column.type != column.base_type;
        row += row.empty() ? "" : ", ";
        row += needed ? item.quoted_name() + "." + quoted_identifier(names[i]) : "NULL";
    }
    return "((pg_catalog.array_agg(ROW(" + row + ")::" + quoted_identifier(relation.schema) + "." +
           quoted_identifier(relation.name) + "))[1])";
}

// A field of it keeps its type, modifier and collation, be it an array, and has the name that the
// relation gives it.
Query::FirstValue Query::first_value(const Replaced& item, std::string_view name) const {
    const Column& column = *item.first.at(name);
    if (is_element(column, policy_.catalog())) {
        return {"((pg_catalog.array_agg(" + item.quoted_name() + "." + quoted_identifier(name) +
                    "))[1])",
                {}};
    }
    return {item.first_of_group + "." + quoted_identifier(column.name), column.name};
}

// Whoever groups by a table's primary key may use its other columns beside (check_functional_
// grouping): a derived table has no key. So those columns join the GROUP BY, or where they cannot
// are taken of the group's first row, as the server does it.
void Query::plan_groups() {
    for (const auto& [select, number] : grouped_) {
        for (Replaced& item : replaced_) {
            // The alias of a join hides the names within.
            if (item.select == number && !aliased_joins_.contains(number)) {
                plan_group(select, item);
            }
        }
    }
}

void Query::plan_group(const SelectStmt* select, Replaced& item) {
    const RelationPolicy& policy = *item.policy;
    const Relation& relation = *policy.relation;
    const auto names = column_names(item);
    if ((relation.kind != 'r' && relation.kind != 'p') || relation.primary_key.empty() ||
        !item.alias.empty()) {
        return;
    }
    int location = -1;  // of a column of the key
    const Outputs outputs(select, item.name, names);
    const auto grouped = grouped_columns(cells(select->groupClause), outputs, location);
    for (const std::int16_t number : relation.primary_key) {
        const auto column = std::find_if(relation.columns.begin(), relation.columns.end(),
                                         [&](const Column& each) { return each.number == number; });
        const bool mixed_up =
            std::any_of(policy.masked.begin(), policy.masked.end(), [&](const MaskedColumn& each) {
                return each.column->number == number && !keeps_apart(each);
            });
        if (mixed_up || column == relation.columns.end() ||
            !grouped.contains(names[static_cast<std::size_t>(column - relation.columns.begin())])) {
            return;
        }
    }
    const bool whole_row = is_whole_row(item.name) || stars_within_.contains(item.name);
    const bool all =
        stars_within_.contains("") || whole_row ||
        std::any_of(star_targets_.begin(), star_targets_.end(), [&](const StarTarget& star) {
            return star.qualifier.empty() ? star.select == item.select
                                          : star.qualifier == item.name;
        });
    // In a grouping set, a column is NULL in the groups of the others: it is no longer what the key
    // says it is.
    std::set<std::string_view> in_sets;
    for (const ListCell& cell : cells(select->groupClause)) {
        if (is_a(cell.ptr_value, T_GroupingSet)) {
            grouping_set_columns(as<GroupingSet>(cell.ptr_value), outputs, in_sets);
        }
    }
    // So is an expression, which then must stay what it is in the sets.
    const bool can_be_first = in_sets.erase("") == 0;
    const bool typed = has_row_type(item);
    for (const std::string_view name : grouped) {
        in_sets.erase(name);
    }
    if (!in_sets.empty() && whole_row && !can_be_first) {
        refuse(not_supported(
                   "a row of " + std::string(item.name) + " beside GROUPING SETS of its columns",
                   "It is a masked relation, and the columns could not be told apart.",
                   "Write the columns out that are needed.", "masking: group"),
               location);
        return;
    }
    // Its key says nothing of its children's rows: a group may have several, that differ.
    const bool parent = relation.kind == 'r' && !relation.children.empty() && item.reference->inh;
    item.key_location = parent ? -1 : location;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string_view name = names[i];
        const bool used =
            all || is_whole_row(name) ||
            std::any_of(attributes_.begin(), attributes_.end(), [&](const Attribute& each) {
                return each.qualifier == item.name && each.name == name;
            });
        if (!used || grouped.contains(name) || in_sets.contains(name)) {
            continue;
        }
        const Column& column = relation.columns[i];
        if (!parent && is_groupable(column.base_type, policy_.catalog())) {
            item.grouped_too.push_back(name);
        } else if (can_be_first && (typed || is_element(column, policy_.catalog()))) {
            item.first[name] = &column;
        }
    }
    item.first_of_group = first_row(item);
    // As a record it is no column that could be grouped by.
    item.first_row =
        whole_row && can_be_first && (!typed || !item.first.empty() || !in_sets.empty());
}

void Query::finish_groups() {
    for (const Replaced& item : replaced_) {
        if (item.key_location >= 0) {
            group_by_columns(item);
        }
    }
}

void Query::group_by_columns(const Replaced& item) {
    std::string added;
    const auto add = [&](std::string_view name) {
        added +=
            (added.empty() ? "" : " ") + item.quoted_name() + "." + quoted_identifier(name) + ",";
    };
    for (const std::string_view name : item.grouped_too) {
        add(name);
    }
    for (const std::string_view name : item.system_columns) {
        add(item.system_prefix + std::string(name));
    }
    if (added.empty()) {
        return;
    }
    const int location = item.key_location;
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
        } else if (depth == 0 && index > 0 && list.is_keyword(index, "by") &&
                   list.is_keyword(index - 1, "group")) {
            const bool quantified =
                list.is_keyword(index + 1, "distinct") || list.is_keyword(index + 1, "all");
            const std::size_t behind = list.end(index + (quantified ? 1 : 0));
            (void)edit(behind, behind, std::move(added), location);
            return;
        }
    }
}

}  // namespace vitrine::parser
