// What a derived table lacks that a table has, and queries use: system columns (MASKING.md C.3);
// and what `*` stands for beside them.

#include "parser/query.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
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

// A NATURAL join takes all columns of one name for one: below it they get names that nothing has.
void Query::plan_system_columns() {
    if (system_columns_.empty() || natural_joins_.empty()) {
        return;
    }
    constexpr std::string_view kOwn = "vitrine: ";
    const auto is_own = [&](const Column& column) { return column.name.starts_with(kOwn); };
    const auto has_own = [&](const RangeItem& item) {
        return item.relation != nullptr &&
               std::any_of(item.relation->columns.begin(), item.relation->columns.end(), is_own);
    };
    if (sql_.find(kOwn) != std::string_view::npos ||
        std::any_of(items_.begin(), items_.end(), has_own)) {
        refuse_system_column(system_columns_.front());
        return;
    }
    for (Replaced& each : replaced_) {
        if (natural_joins_.contains(each.select)) {
            each.system_prefix = std::string(kOwn) + std::to_string(each.reference->location) + " ";
        }
    }
}

void Query::refuse_system_column(const Attribute& column) {
    refuse(not_supported("system column " + std::string(column.name) +
                             " beside all columns of a masked relation",
                         "It would be one of them.",
                         "Write the columns out, without * and the row as a value.",
                         "masking: system column"),
           column.location);
}

// The alias of a join has all columns below it for its own.
bool Query::is_below_alias(const Replaced& item) const {
    const auto aliased = aliased_joins_.find(item.select);
    std::vector<const Node*> below;
    if (aliased != aliased_joins_.end()) {
        for (const JoinExpr* join : aliased->second) {
            below.push_back(as<Node>(join));
        }
    }
    while (!below.empty()) {
        const Node* node = below.back();
        below.pop_back();
        if (is_a(node, T_RangeTableSample)) {
            node = as<RangeTableSample>(node)->relation;
        }
        if (node == as<Node>(item.reference)) {
            return true;
        }
        if (is_a(node, T_JoinExpr)) {
            below.push_back(as<JoinExpr>(node)->larg);
            below.push_back(as<JoinExpr>(node)->rarg);
        }
    }
    return false;
}

// A derived table gives system columns where it is told to, as columns like any other: then they
// must not show in a star, in the row as a value or in a NATURAL join.
void Query::finish_system_columns() {
    for (const Replaced& replaced : replaced_) {
        if (!replaced.first.empty() && !refusal_) {
            (void)write_stars_out(replaced);  // else the server refuses it
        }
    }
    for (const Attribute& column : system_columns_) {
        for (Replaced& replaced : replaced_) {
            const bool meant = column.qualifier.empty() || column.qualifier == replaced.name;
            auto& given = replaced.system_columns;
            if (!meant || !has_system_columns(*replaced.policy->relation) ||
                std::find(given.begin(), given.end(), column.name) != given.end()) {
                continue;
            }
            if ((!replaced.system_prefix.empty() && !prefixed_.contains(column.location)) ||
                replaced.row_left || is_below_alias(replaced) ||
                (given.empty() && !write_stars_out(replaced))) {
                refuse_system_column(column);
                return;
            }
            given.push_back(column.name);
        }
    }
}

// The stars that would show the system columns become lists of the others. False where one cannot.
bool Query::write_stars_out(const Replaced& item) {
    if (stars_within_.contains("") || item.policy->relation->columns.empty()) {
        return false;
    }
    for (const StarTarget& star : star_targets_) {
        const bool bare = star.qualifier.empty();
        if ((bare ? star.select != item.select : star.qualifier != item.name) ||
            stars_written_.contains(star.location)) {
            continue;
        }
        std::size_t first = tokens().at(at(star.location));
        std::size_t behind = bare ? first : tokens().after_name(first, star.parts - 1) + 1;
        if (bare && !all_columns_.contains(item.select)) {
            all_columns_[item.select] = all_columns(star);
        }
        const auto list = bare ? all_columns_[item.select] : columns_by_name(item);
        // With its schema, the name has been replaced already (finish_qualified).
        if (!list || star.parts > 2 || !tokens().is(behind, '*')) {
            return false;
        }
        without_brackets(tokens(), first, behind);  // a list in brackets is a row
        if (!edit(tokens().begin(first), tokens().end(behind), *list, star.location)) {
            return false;
        }
        stars_written_.insert(star.location);
    }
    return true;
}

std::string Query::column_list(const Replaced& item) {
    std::string list;
    for (const std::string_view column : column_names(item)) {
        list += (list.empty() ? "" : ", ") + item.quoted_name() + "." + quoted_identifier(column);
    }
    return list;
}

// Can its row be of the relation's row type? A mask need not keep to what a domain demands, and a
// pseudo-type's values (anyarray of pg_stats) cannot be put into a row.
bool Query::has_row_type(const Replaced& item) const {
    const RelationPolicy& policy = *item.policy;
    const Relation& relation = *policy.relation;
    const CatalogSnapshot& catalog = policy_.catalog();
    const auto is_domain = [&](const Column& column) {
        const Type* type = catalog.type(column.type);
        if (type != nullptr && type->element != 0) {
            type = catalog.type(type->element);
        }
        while (type != nullptr && type->kind == 'd' && !type->constrained) {
            type = catalog.type(type->base);
        }
        return type == nullptr || type->kind == 'd';
    };
    const auto pseudo = [&](const Column& column) {
        const Type* type = catalog.type(column.type);
        return type == nullptr || type->kind == 'p';
    };
    const auto& columns = relation.columns;
    return relation.row_type != 0 && !std::any_of(columns.begin(), columns.end(), pseudo) &&
           std::none_of(policy.masked.begin(), policy.masked.end(),
                        [&](const MaskedColumn& each) { return is_domain(*each.column); }) &&
           (policy.definition.empty() || std::none_of(columns.begin(), columns.end(), is_domain));
}

// What `c.*` stands for; nullopt where it could be another c's.
std::optional<std::string> Query::columns_by_name(const Replaced& item) const {
    const auto namesakes = std::count_if(items_.begin(), items_.end(), [&](const RangeItem& each) {
        return each.name == item.name;
    });
    return namesakes == 1 ? std::optional(grouped_list(item, true)) : std::nullopt;
}

// What `*` stands for, in the order of FROM; nullopt where that cannot be said by names.
std::optional<std::string> Query::all_columns(const StarTarget& star) const {
    std::vector<StarColumn> columns;
    for (const ListCell& cell : cells(star.query->fromClause)) {
        if (!add_columns(syntax::node(cell), false, star.select, columns)) {
            return std::nullopt;
        }
    }
    // By its name alone, what is merged must be the only one that has it.
    std::map<std::string_view, std::size_t> named;
    for (const StarColumn& each : columns) {
        ++named[each.name.empty() ? std::string_view(each.text) : each.name];
    }
    const bool known = std::none_of(columns.begin(), columns.end(),
                                    [](const StarColumn& each) { return each.name.empty(); });
    std::string list;
    for (const StarColumn& each : columns) {
        if ((each.merged && (!known || named[each.name] > 1)) ||
            (each.name.empty() && named[each.text] > 1)) {
            return std::nullopt;
        }
        list += (list.empty() || each.text.empty() ? "" : ", ") + each.text;
    }
    return list;
}

// False where they cannot be told.
bool Query::add_columns(const Node* from, bool one_by_one, std::uint32_t select,
                        std::vector<StarColumn>& columns) const {
    const Alias* alias = nullptr;
    if (is_a(from, T_JoinExpr)) {
        const auto* join = as<JoinExpr>(from);
        const bool merges = join->isNatural || join->usingClause != nullptr;
        std::vector<StarColumn> left;
        std::vector<StarColumn> right;
        if (join->alias != nullptr ||
            !add_columns(join->larg, one_by_one || merges, select, left) ||
            !add_columns(join->rarg, one_by_one || merges, select, right)) {
            return false;
        }
        if (merges) {
            return merge_columns(join, left, right, columns);
        }
        std::move(left.begin(), left.end(), std::back_inserter(columns));
        std::move(right.begin(), right.end(), std::back_inserter(columns));
        return true;
    }
    if (is_a(from, T_RangeTableSample)) {
        from = as<RangeTableSample>(from)->relation;
    }
    if (is_a(from, T_RangeVar)) {
        const auto* reference = as<RangeVar>(from);
        const auto replaced =
            std::find_if(replaced_.begin(), replaced_.end(),
                         [&](const Replaced& each) { return each.reference == reference; });
        if (replaced != replaced_.end()) {
            std::size_t bytes = 0;
            for (const std::string_view name : column_names(*replaced)) {
                columns.push_back({name, grouped_column(*replaced, name, true)});
                bytes += columns.back().text.size();
                if (bytes > limits::kStatementBytesMax) {
                    break;  // edit() refuses it
                }
            }
            return true;
        }
        const auto item = std::find_if(items_.begin(), items_.end(), [&](const RangeItem& each) {
            return each.select == select && each.location == reference->location;
        });
        if (item == items_.end()) {
            return false;
        }
        if (one_by_one) {
            if (item->relation == nullptr || item->renamed_columns) {
                return false;
            }
            for (const Column& column : item->relation->columns) {
                columns.push_back({column.name, quoted_identifier(item->name) + "." +
                                                    quoted_identifier(column.name)});
            }
            return true;
        }
        columns.push_back({{}, quoted_identifier(item->name) + ".*"});
        return true;
    }
    if (is_a(from, T_RangeSubselect)) {
        alias = as<RangeSubselect>(from)->alias;
    } else if (is_a(from, T_RangeFunction)) {
        alias = as<RangeFunction>(from)->alias;
    } else if (is_a(from, T_RangeTableFunc)) {
        alias = as<RangeTableFunc>(from)->alias;
    }
    if (one_by_one || alias == nullptr) {
        return false;
    }
    columns.push_back({{}, quoted_identifier(alias->aliasname) + ".*"});
    return true;
}

// What both sides have comes once and first (transformFromClauseItem).
bool Query::merge_columns(const JoinExpr* join, const std::vector<StarColumn>& left,
                          const std::vector<StarColumn>& right, std::vector<StarColumn>& columns) {
    const auto has = [](const std::vector<StarColumn>& side, std::string_view name) {
        return std::any_of(side.begin(), side.end(),
                           [&](const StarColumn& each) { return each.name == name; });
    };
    std::vector<std::string_view> merged;
    for (const ListCell& cell : cells(join->usingClause)) {
        merged.push_back(string_value(cell.ptr_value));
    }
    for (const StarColumn& each : join->isNatural ? left : std::vector<StarColumn>{}) {
        if (has(right, each.name)) {
            merged.push_back(each.name);
        }
    }
    for (const std::string_view name : merged) {
        columns.push_back({name, quoted_identifier(name), true});
    }
    for (const auto* side : {&left, &right}) {
        for (const StarColumn& each : *side) {
            if (std::find(merged.begin(), merged.end(), each.name) == merged.end()) {
                columns.push_back(each);
            }
        }
    }
    return true;
}

}  // namespace vitrine::parser
