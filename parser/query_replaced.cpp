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

// pg_opclass.dat: json, xml, point, lseg, path, box, polygon, line, circle and refcursor have no
// default operator class for btree or hash, so that nothing can be grouped by them.
constexpr std::array<Oid, 10> kNotGroupable{114, 142, 600, 601, 602, 603, 604, 628, 718, 1790};

// An array is compared by its elements.
bool is_groupable(Oid oid, const CatalogSnapshot& catalog) {
    const Type* type = catalog.type(oid);
    const Oid element = type == nullptr || type->element == 0 ? oid : type->element;
    return std::find(kNotGroupable.begin(), kNotGroupable.end(), element) == kNotGroupable.end();
}

bool has_system_columns(const Relation& relation) {
    return std::string_view("rpmf").find(relation.kind) != std::string_view::npos;
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

}  // namespace

// In attnum order, under the names that the reference gives them.
std::vector<std::string_view> Query::column_names(const Replaced& item) {
    std::vector<std::string_view> names;
    for (const Column& column : item.policy->relation->columns) {
        names.push_back(column.name);
    }
    if (item.reference->alias != nullptr) {
        const auto given = cells(item.reference->alias->colnames);
        for (std::size_t i = 0; i < std::min(given.size(), names.size()); ++i) {
            names[i] = string_value(given[i].ptr_value);
        }
    }
    return names;
}

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
            if (natural_join_ || is_whole_row(replaced.name) ||
                (given.empty() && !write_stars_out(replaced))) {
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

// The stars that would show the system columns become lists of the others. False where one cannot.
bool Query::write_stars_out(const Replaced& item) {
    const auto columns = column_names(item);
    const auto count = [&](const auto& is) {
        return std::count_if(items_.begin(), items_.end(), is);
    };
    const auto beside = count([&](const RangeItem& each) { return each.select == item.select; });
    // A star by its name would be the star of each.
    const auto namesakes = count([&](const RangeItem& each) { return each.name == item.name; });
    if (stars_within_.contains("") || stars_within_.contains(item.name) || columns.empty() ||
        namesakes != 1) {
        return false;
    }
    for (const StarTarget& star : star_targets_) {
        const bool bare = star.qualifier.empty();
        if (bare ? star.select != item.select : star.qualifier != item.name) {
            continue;
        }
        // Of several in FROM, `*` shows all, and what USING merges once.
        const std::size_t first = tokens().at(at(star.location));
        const std::size_t behind = bare ? first : tokens().after_name(first, star.parts - 1) + 1;
        // With its schema, the name has been replaced already (finish_qualified).
        if ((bare && beside != 1) || star.parts > 2 || !tokens().is(behind, '*')) {
            return false;
        }
        std::string list;
        for (const std::string_view column : columns) {
            list += (list.empty() ? "" : ", ") + quoted_identifier(item.name) + "." +
                    quoted_identifier(column);
        }
        if (!edit(tokens().begin(first), tokens().end(behind), std::move(list), star.location)) {
            return false;
        }
    }
    return true;
}

// Whoever groups by a table's primary key may use its other columns beside (check_functional_
// grouping): a derived table has no key, so that those columns join the GROUP BY.
void Query::finish_groups() {
    for (const auto& [select, number] : grouped_) {
        for (const Replaced& item : replaced_) {
            // The alias of a join hides the names within.
            if (item.select == number && !aliased_joins_.contains(number)) {
                group_by_columns(select, item);
            }
        }
    }
}

void Query::group_by_columns(const SelectStmt* select, const Replaced& item) {
    const RelationPolicy& policy = *item.policy;
    const Relation& relation = *policy.relation;
    const auto names = column_names(item);
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
    const bool all =
        stars_within_.contains("") || stars_within_.contains(item.name) ||
        bare_columns_count_ == bare_columns_.size() ||
        std::any_of(star_targets_.begin(), star_targets_.end(), [&](const StarTarget& star) {
            return star.qualifier.empty() ? star.select == item.select
                                          : star.qualifier == item.name;
        });
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
        if (used && is_groupable(relation.columns[i].base_type, policy_.catalog()) &&
            !grouped.contains(name)) {
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
