// The row of a relation as a value: `t`, `row_to_json(t)`, `t.*` within an expression (MASKING.md
// C.2). Of a table it has the table's row type, of a derived table it is a record that nobody can
// take a field out of by its name. So where a name is surely the row of a masked relation, a row of
// the relation's own type is put together in its place. Where it is not sure it stays a record,
// with the same values.

#include "parser/query.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "config/limits.h"
#include "parser/output_name.h"
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

bool lists_name(const List* names, std::string_view name) {
    const auto all = cells(names);
    return std::any_of(all.begin(), all.end(),
                       [&](const ListCell& cell) { return string_value(cell.ptr_value) == name; });
}

// `t` or `t.*` as a value: the name, and whether there is a star.
struct Reference {
    std::string_view name;
    bool star = false;
};

Reference reference_of(const Node* node) {
    const auto fields = cells(as<ColumnRef>(node)->fields);
    if (fields.size() == 1) {
        return {string_value(fields[0].ptr_value), false};
    }
    if (fields.size() == 2 && is_a(fields[1].ptr_value, T_A_Star)) {
        return {string_value(fields[0].ptr_value), true};
    }
    return {};
}

}  // namespace

class WholeRows {
  public:
    explicit WholeRows(Query& query) : query_(query) {
        for (const Query::RangeItem& item : query.items_) {
            if (item.location >= 0) {
                relations_[item.location] = item.relation;
            }
        }
        for (Query::Replaced& each : query.replaced_) {
            replaced_[each.reference] = &each;
            names_.insert(each.name);
            other_columns_ = other_columns_ || !each.first.empty() || each.first_row ||
                             !each.system_prefix.empty();
        }
    }
    ~WholeRows() { std::free(const_cast<Node**>(children_.items)); }
    WholeRows(const WholeRows&) = delete;
    WholeRows& operator=(const WholeRows&) = delete;

    void find(const Node* root) { expression(root, nullptr, Place::kValue); }

  private:
    struct Scope;
    struct FromItem {
        std::string_view name;
        const Node* node;
        Query::Replaced* replaced = nullptr;
        bool nullable = false;  // on that side of an outer join
        const Scope* scope = nullptr;
    };
    struct Scope {
        const Scope* outer;
        const SelectStmt* select;
        std::vector<FromItem> items;  // those that can be named
        bool from = true;             // false: of the select, only its WITH is seen
        // Does what is looked at see its groups, and not its rows?
        mutable bool grouped = false;
    };
    // For as long as it lives.
    class Grouped {
      public:
        Grouped(const Scope& scope, bool grouped) : scope_(scope), before_(scope.grouped) {
            scope.grouped = grouped;
        }
        ~Grouped() { scope_.grouped = before_; }
        Grouped(const Grouped&) = delete;
        Grouped& operator=(const Grouped&) = delete;

      private:
        const Scope& scope_;
        bool before_;
    };
    // What stands around an expression.
    enum class Place {
        kValue,
        kXml,     // it gives an element or attribute its name, which only a name alone does
        kOutput,  // it is an output without a name
        kNaming,  // it gives an output its name
    };

    // False where it has taken long enough: rows stay what they are from here on.
    bool spend(std::size_t steps) {
        steps_ += steps;
        if (steps_ > limits::kRowStepsMax && !spent_) {
            spent_ = true;
            for (Query::Replaced& each : query_.replaced_) {
                each.row_left = true;
            }
        }
        return !spent_;
    }

    void select(const SelectStmt* select, const Scope* outer) {
        const Scope above{outer, select, {}, false};
        Scope scope{outer, select, {}};
        for (const ListCell& cell : cells(select->fromClause)) {
            collect(syntax::node(cell), false, scope);
        }
        if (select->withClause != nullptr) {
            for (const ListCell& cell : cells(select->withClause->ctes)) {
                expression(as<CommonTableExpr>(cell.ptr_value)->ctequery, &above, Place::kValue);
            }
        }
        if (select->op != SETOP_NONE) {
            this->select(select->larg, &above);
            this->select(select->rarg, &above);
        }
        GroupedOutputs by;
        collect_grouped(select->groupClause, by);
        int number = 0;
        for (const ListCell& cell : cells(select->targetList)) {
            const auto* each = as<ResTarget>(cell.ptr_value);
            const Grouped output(scope,
                                 !by.numbers.contains(++number) &&
                                     (each->name == nullptr || !by.names.contains(each->name)));
            target(each, scope);
        }
        for (const ListCell& row : cells(select->valuesLists)) {
            fields(as<List>(row.ptr_value), scope);
        }
        names_first(select->groupClause, scope);
        for (const Node* part :
             {as<Node>(select->fromClause), static_cast<const Node*>(select->whereClause),
              static_cast<const Node*>(select->limitOffset),
              static_cast<const Node*>(select->limitCount)}) {
            expression(part, &scope, Place::kValue);
        }
        const Grouped behind(scope, true);
        names_first(select->distinctClause, scope);
        names_first(select->sortClause, scope);
        expression(static_cast<const Node*>(select->havingClause), &scope, Place::kValue);
        expression(as<Node>(select->windowClause), &scope, Place::kValue);
    }

    // The outputs that GROUP BY names by their numbers or names.
    struct GroupedOutputs {
        std::unordered_set<int> numbers;
        std::unordered_set<std::string_view> names;
    };
    static void collect_grouped(const List* groups, GroupedOutputs& outputs) {
        for (const ListCell& cell : cells(groups)) {
            const Node* group = syntax::node(cell);
            if (is_a(group, T_GroupingSet)) {
                collect_grouped(as<GroupingSet>(group)->content, outputs);
            } else if (is_a(group, T_RowExpr)) {
                collect_grouped(as<RowExpr>(group)->args, outputs);
            } else if (is_a(group, T_A_Const) && nodeTag(&as<A_Const>(group)->val) == T_Integer) {
                outputs.numbers.insert(as<A_Const>(group)->val.ival.ival);
            } else if (is_a(group, T_ColumnRef)) {
                outputs.names.insert(reference_of(group).name);
            }
        }
    }

    void collect(const Node* node, bool nullable, Scope& scope) {
        if (is_a(node, T_JoinExpr)) {
            const auto* join = as<JoinExpr>(node);
            if (join->alias != nullptr) {
                scope.items.push_back({join->alias->aliasname, node});
                return;  // hides what is joined
            }
            if (join->join_using_alias != nullptr) {
                scope.items.push_back({join->join_using_alias->aliasname, node});
            }
            const bool left = join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL;
            const bool right = join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL;
            collect(join->larg, nullable || left, scope);
            collect(join->rarg, nullable || right, scope);
            return;
        }
        FromItem item{{}, node, nullptr, nullable, &scope};
        if (is_a(node, T_RangeTableSample)) {
            node = as<RangeTableSample>(node)->relation;
        }
        const Alias* alias = nullptr;
        if (is_a(node, T_RangeVar)) {
            const auto* relation = as<RangeVar>(node);
            alias = relation->alias;
            item.name = relation->relname;
            item.node = node;
            const auto replaced = replaced_.find(relation);
            item.replaced = replaced == replaced_.end() ? nullptr : replaced->second;
        } else if (is_a(node, T_RangeSubselect)) {
            alias = as<RangeSubselect>(node)->alias;
        } else if (is_a(node, T_RangeFunction)) {
            alias = as<RangeFunction>(node)->alias;
        } else if (is_a(node, T_RangeTableFunc)) {
            alias = as<RangeTableFunc>(node)->alias;
        }
        if (alias != nullptr) {
            item.name = alias->aliasname;
        }
        scope.items.push_back(item);
    }

    void target(const ResTarget* target, const Scope& scope) {
        const Node* value = target->val;
        if (is_a(value, T_ColumnRef) && reference_of(value).star) {
            return;  // columns
        }
        if (is_a(value, T_A_Indirection) && bracketed_star(as<A_Indirection>(value), scope)) {
            return;
        }
        // In brackets, the output's name cannot be written behind it.
        const bool alone =
            is_a(value, T_ColumnRef) && as<ColumnRef>(value)->location == target->location;
        expression(value, &scope,
                   target->name != nullptr ? Place::kValue
                   : alone                 ? Place::kOutput
                                           : Place::kNaming);
    }

    // `(t).*`, which shows system columns too where the derived table has them.
    bool bracketed_star(const A_Indirection* indirection, const Scope& scope) {
        const auto steps = cells(indirection->indirection);
        if (steps.size() != 1 || !is_a(steps[0].ptr_value, T_A_Star) ||
            !is_a(indirection->arg, T_ColumnRef)) {
            return false;
        }
        const Reference reference = reference_of(indirection->arg);
        const FromItem* item = reference.star ? nullptr : meant(reference.name, scope);
        if (item == nullptr || (query_.system_columns_.empty() && item->replaced->first.empty()) ||
            may_be_column(reference.name, scope)) {
            return false;
        }
        const int location = as<ColumnRef>(indirection->arg)->location;
        const syntax::Tokens& tokens = query_.tokens();
        std::size_t first = tokens.at(query_.at(location));
        std::size_t last = tokens.after_name(first, 1) - 1;
        without_brackets(tokens, first, last);
        if (!tokens.is(last, ')') || !tokens.is(last + 1, '.') || !tokens.is(last + 2, '*')) {
            return false;
        }
        last += 2;
        without_brackets(tokens, first, last);
        const bool grouped = item->scope->grouped;
        query_.edit(tokens.begin(first), tokens.end(last),
                    grouped ? query_.grouped_list(*item->replaced, true) : column_list(*item),
                    location);
        return true;
    }

    // ORDER BY, GROUP BY and DISTINCT ON take a name alone for an output's, where there is one
    // (parse_clause.c, findTargetlistEntrySQL92).
    void names_first(const List* list, const Scope& scope) {
        for (const ListCell& cell : cells(list)) {
            const Node* node = syntax::node(cell);
            if (is_a(node, T_SortBy)) {
                node = as<SortBy>(node)->node;
            }
            if (is_a(node, T_GroupingSet)) {
                names_first(as<GroupingSet>(node)->content, scope);
                continue;
            }
            if (is_a(node, T_ColumnRef) && !reference_of(node).star && is_output(node, scope)) {
                continue;
            }
            expression(node, &scope, Place::kValue);
        }
    }

    bool is_output(const Node* node, const Scope& scope) {
        if (scope.select->op != SETOP_NONE) {
            return true;
        }
        const auto [names, first] = output_names_.try_emplace(scope.select);
        if (first) {
            for (const ListCell& cell : cells(scope.select->targetList)) {
                const auto* target = as<ResTarget>(cell.ptr_value);
                names->second.insert(target->name != nullptr ? std::string_view(target->name)
                                                             : output_name(target->val));
            }
        }
        return names->second.contains(reference_of(node).name);
    }

    // ROW(…) and a list of VALUES: `t.*` stands for the columns.
    void fields(const List* list, const Scope& scope) {
        for (const ListCell& cell : cells(list)) {
            const Node* node = syntax::node(cell);
            if (is_a(node, T_ColumnRef) && reference_of(node).star) {
                const FromItem* item = meant(reference_of(node).name, scope);
                if (item != nullptr && item->scope->grouped && !item->replaced->first.empty()) {
                    replace(node, query_.grouped_list(*item->replaced, false));
                } else if (item != nullptr && !query_.system_columns_.empty()) {
                    replace(node, column_list(*item));
                }
                continue;
            }
            expression(node, &scope, Place::kValue);
        }
    }

    void expression(const Node* node, const Scope* scope, Place place) {
        if (node == nullptr || spent_ || query_.refusal_) {
            return;  // edit() may refuse
        }
        switch (nodeTag(node)) {
            case T_List:
                for (const ListCell& cell : cells(as<List>(node))) {
                    expression(syntax::node(cell), scope, Place::kValue);
                }
                return;
            case T_SelectStmt:
                select(as<SelectStmt>(node), scope);
                return;
            case T_RangeSubselect: {
                // Without LATERAL it does not see what stands beside it.
                const auto* subselect = as<RangeSubselect>(node);
                within_.push_back(node);
                if (scope != nullptr && !subselect->lateral) {
                    const Scope above{scope->outer, scope->select, {}, false};
                    expression(subselect->subquery, &above, Place::kValue);
                } else {
                    expression(subselect->subquery, scope, Place::kValue);
                }
                within_.pop_back();
                return;
            }
            case T_RangeFunction:
            case T_RangeTableFunc:
                within_.push_back(node);
                children(node, scope);
                within_.pop_back();
                return;
            case T_CaseWhen:
                expression(reinterpret_cast<const Node*>(as<CaseWhen>(node)->expr), scope,
                           Place::kValue);
                expression(reinterpret_cast<const Node*>(as<CaseWhen>(node)->result), scope,
                           Place::kValue);
                return;
            case T_ColumnRef:
                if (scope != nullptr && !other_column(node, *scope, place)) {
                    whole_row(node, *scope, place);
                }
                return;
            case T_ResTarget:
                if (scope != nullptr) {
                    target(as<ResTarget>(node), *scope);
                }
                return;
            case T_XmlExpr:
                xml(as<XmlExpr>(node), scope);
                return;
            case T_RowExpr:
                if (scope != nullptr) {
                    fields(as<RowExpr>(node)->args, *scope);
                }
                return;
            case T_A_Indirection: {
                const auto* indirection = as<A_Indirection>(node);
                const auto steps = cells(indirection->indirection);
                if (is_a(indirection->arg, T_ColumnRef) && !steps.empty() && scope != nullptr) {
                    // The field of a row is found in a record of known columns too.
                    if (is_a(steps[0].ptr_value, T_A_Star)) {
                        leave(reference_of(indirection->arg).name);
                    }
                    if (!is_a(steps[0].ptr_value, T_A_Indices)) {
                        if (!other_column(indirection->arg, *scope, Place::kValue)) {
                            (void)first_field(indirection, *scope);
                        }
                        return;
                    }
                }
                expression(indirection->arg, scope, named(node, place));
                expression(as<Node>(indirection->indirection), scope, Place::kValue);
                return;
            }
            case T_FuncCall:
                call(as<FuncCall>(node), scope);
                return;
            case T_TypeCast:
                expression(as<TypeCast>(node)->arg, scope, named(node, place));
                return;
            case T_CollateClause:
                expression(as<CollateClause>(node)->arg, scope, named(node, place));
                return;
            case T_CaseExpr: {
                const auto* choice = as<CaseExpr>(node);
                expression(reinterpret_cast<const Node*>(choice->arg), scope, Place::kValue);
                expression(as<Node>(choice->args), scope, Place::kValue);
                expression(reinterpret_cast<const Node*>(choice->defresult), scope,
                           named(node, place));
                return;
            }
            default:
                children(node, scope);
                return;
        }
    }

    // What gives an expression its name gives it to an output.
    static Place named(const Node* node, Place place) {
        return place != Place::kValue && named_by(node) != nullptr ? Place::kNaming : Place::kValue;
    }

    void children(const Node* node, const Scope* scope) {
        children_.count = 0;
        vitrine_children(node, &children_);
        const std::vector<const Node*> below(children_.items, children_.items + children_.count);
        children_.failed = 0;  // Query::visit has refused it
        for (const Node* child : below) {
            expression(child, scope, Place::kValue);
        }
    }

    // XMLFOREST(t), XMLATTRIBUTES(t) (parse_expr.c, transformXmlExpr).
    void xml(const XmlExpr* xml, const Scope* scope) {
        for (const ListCell& cell : cells(xml->named_args)) {
            const auto* named = as<ResTarget>(cell.ptr_value);
            const Node* value = named->val;
            if (named->name != nullptr || !is_a(value, T_ColumnRef)) {
                expression(value, scope, Place::kValue);
            } else if (as<ColumnRef>(value)->location == named->location) {
                expression(value, scope, Place::kXml);
            } else {
                leave(reference_of(value).name);  // in brackets, with no place for a name
            }
        }
        expression(as<Node>(xml->args), scope, Place::kValue);
    }

    void call(const FuncCall* call, const Scope* scope) {
        const auto arguments = cells(call->args);
        const auto names = cells(call->funcname);
        // `email(t)` is the column t.email, under the name that the alias gives it.
        if (arguments.size() == 1 && names.size() == 1 && scope != nullptr &&
            is_a(arguments[0].ptr_value, T_ColumnRef)) {
            const FromItem* item = meant(reference_of(syntax::node(arguments[0])).name, *scope);
            const std::string_view function = string_value(names[0].ptr_value);
            if (item != nullptr &&
                (is_system_column(function) || may_have(item->node, function, *scope))) {
                return;
            }
        }
        if (scope == nullptr || !is_aggregate(call)) {
            children(reinterpret_cast<const Node*>(call), scope);
            return;
        }
        // What is aggregated is of each row, but not what WITHIN GROUP stands behind.
        const Node* direct = call->agg_within_group ? as<Node>(call->args) : nullptr;
        expression(direct, scope, Place::kValue);
        const std::array<const Node*, 3> parts{direct == nullptr ? as<Node>(call->args) : nullptr,
                                               as<Node>(call->agg_order),
                                               static_cast<const Node*>(call->agg_filter)};
        const Grouped within(other_columns_ ? aggregating_scope(parts, *scope) : *scope, false);
        for (const Node* part : parts) {
            expression(part, scope, Place::kValue);
        }
    }

    // The query whose groups an aggregate is of: the innermost that it has a column of
    // (parse_agg.c, check_agg_arguments). Where that is not sure, the one that it is written in.
    const Scope& aggregating_scope(std::span<const Node* const> parts, const Scope& scope) {
        std::unordered_set<const Scope*> scopes;
        std::vector<const Node*> left(parts.begin(), parts.end());
        while (!left.empty()) {
            const Node* node = left.back();
            left.pop_back();
            if (node == nullptr) {
                continue;
            }
            if (!spend(1) || is_a(node, T_SelectStmt)) {
                return scope;
            }
            if (!is_a(node, T_ColumnRef)) {
                children_.count = 0;
                vitrine_children(node, &children_);
                left.insert(left.end(), children_.items, children_.items + children_.count);
                children_.failed = 0;
                continue;
            }
            const auto names = cells(as<ColumnRef>(node)->fields);
            const std::string_view name = string_value(names[0].ptr_value);
            const FromItem* item = names.size() == 1 ? item_of(name, scope) : nullptr;
            if (item == nullptr && names.size() <= 2) {
                item = meant(name, scope);
            }
            if (item == nullptr) {
                return scope;
            }
            scopes.insert(item->scope);
        }
        for (const Scope* each = &scope; each != nullptr; each = each->outer) {
            if (scopes.contains(each)) {
                return *each;
            }
        }
        return scope;
    }

    [[nodiscard]] bool is_aggregate(const FuncCall* call) const {
        const auto named = query_.policy_.catalog().functions(
            string_value(cells(call->funcname).back().ptr_value));
        return call->over == nullptr &&
               (call->agg_star || call->agg_distinct || call->agg_within_group ||
                call->agg_order != nullptr || call->agg_filter != nullptr ||
                std::any_of(named.begin(), named.end(),
                            [](const Function* each) { return each->kind == 'a'; }));
    }

    // A column of a relation that the query groups by the key of, and that is the first row's; or a
    // system column that has another name.
    bool other_column(const Node* node, const Scope& scope, Place place) {
        const auto fields = cells(as<ColumnRef>(node)->fields);
        if (!other_columns_ || fields.size() > 2 || is_a(fields.back().ptr_value, T_A_Star)) {
            return false;
        }
        const std::string_view name = string_value(fields.back().ptr_value);
        // Alone, it is of the innermost tables, whichever they are.
        if (is_system_column(name) && fields.size() == 1 && has_table(scope) && !spent_ &&
            std::none_of(scope.items.begin(), scope.items.end(), [](const FromItem& each) {
                return each.replaced != nullptr && !each.replaced->system_prefix.empty();
            })) {
            query_.prefixed_.insert(as<ColumnRef>(node)->location);
            return false;
        }
        const FromItem* item = fields.size() == 1 ? item_of(name, scope)
                                                  : meant(string_value(fields[0].ptr_value), scope);
        if (item == nullptr) {
            return false;
        }
        if (is_system_column(name) && fields.size() == 2 &&
            !item->replaced->system_prefix.empty()) {
            query_.prefixed_.insert(as<ColumnRef>(node)->location);
            replace(node,
                    placed(item->replaced->quoted_name() + "." +
                               quoted_identifier(item->replaced->system_prefix + std::string(name)),
                           name, place),
                    fields.size());
            return true;
        }
        if (!item->scope->grouped || !item->replaced->first.contains(name)) {
            return false;
        }
        auto [text, known_as] = query_.first_value(*item->replaced, name);
        replace(node, known_as == name && place != Place::kXml ? text : placed(text, name, place),
                fields.size());
        return true;
    }

    // `(t).column` of the same.
    bool first_field(const A_Indirection* indirection, const Scope& scope) {
        const Reference reference = reference_of(indirection->arg);
        const std::string_view name = string_value(cells(indirection->indirection)[0].ptr_value);
        const FromItem* item = reference.star ? nullptr : meant(reference.name, scope);
        if (item == nullptr || !item->scope->grouped || !item->replaced->first.contains(name) ||
            !query_.has_row_type(*item->replaced) || may_be_column(reference.name, scope) ||
            item->replaced->first.at(name)->name != name) {
            return false;
        }
        replace(indirection->arg, item->replaced->first_of_group);
        return true;
    }

    // The masked relation that surely has the column of this name.
    const FromItem* item_of(std::string_view name, const Scope& scope) {
        for (const Scope* each = &scope; each != nullptr; each = each->outer) {
            const FromItem* found = nullptr;
            bool others = false;
            for (const FromItem& item : each->items) {
                if (!may_have(item.node, name, *each)) {
                    continue;
                }
                others = others || found != nullptr || item.replaced == nullptr;
                found = &item;
            }
            if (found != nullptr) {
                return others ? nullptr : found;
            }
        }
        return nullptr;
    }

    // An expression in place of what gave an output its name.
    static std::string placed(const std::string& text, std::string_view name, Place place) {
        const std::string named = text + " AS " + quoted_identifier(name);
        return place == Place::kValue    ? text
               : place == Place::kNaming ? "(SELECT " + named + ")"
                                         : named;
    }

    void whole_row(const Node* node, const Scope& scope, Place place) {
        const Reference reference = reference_of(node);
        if (!names_.contains(reference.name)) {
            return;
        }
        if (!reference.star && is_system_column(reference.name) && sees_table(scope)) {
            return;
        }
        const FromItem* item = meant(reference.name, scope);
        const bool sure =
            item != nullptr && (reference.star || !may_be_column(reference.name, scope));
        const bool typed = sure && query_.has_row_type(*item->replaced);
        const bool first = sure && item->scope->grouped && item->replaced->first_row;
        if (!typed) {
            leave(reference.name);
            if (first) {
                replace(node,
                        placed("((pg_catalog.array_agg(" + quoted_identifier(item->name) + "))[1])",
                               reference.name, place));
            }
            return;
        }
        // With system columns the derived table has more than the row: listed, it lacks a name.
        const bool listed = !query_.system_columns_.empty();
        std::string row = typed_row(*item, listed);
        if (first) {
            row = "((pg_catalog.array_agg(" + row + "))[1])";
        }
        replace(node,
                listed || first || place == Place::kXml ? placed(row, reference.name, place) : row);
    }

    // Its columns would show what the derived table has besides.
    void leave(std::string_view name) {
        if (!names_.contains(name) || !left_.insert(name).second) {
            return;
        }
        for (Query::Replaced& each : query_.replaced_) {
            each.row_left = each.row_left || each.name == name;
        }
    }

    void replace(const Node* node, std::string text, std::size_t parts = 1) {
        const auto* column = as<ColumnRef>(node);
        const syntax::Tokens& tokens = query_.tokens();
        const std::size_t first = tokens.at(query_.at(column->location));
        if (first >= tokens.size()) {
            return leave(reference_of(node).name);
        }
        std::size_t behind = tokens.after_name(first, parts);
        if (reference_of(node).star) {
            if (!tokens.is(behind, '.') || !tokens.is(behind + 1, '*')) {
                return leave(reference_of(node).name);
            }
            behind += 2;
        }
        query_.edit(tokens.begin(first), tokens.end(behind - 1), std::move(text), column->location);
    }

    // The masked relation whose row the name is; nullptr where that is not sure.
    const FromItem* meant(std::string_view name, const Scope& scope) {
        const FromItem* found = nullptr;
        for (const Scope* each = &scope; each != nullptr; each = each->outer) {
            if (!spend(1 + each->items.size())) {
                return nullptr;
            }
            for (const FromItem& item : each->items) {
                if (item.name != name) {
                    continue;
                }
                // An outer one may be meant where a sub-select in FROM cannot see the inner one.
                if (found != nullptr || item.replaced == nullptr) {
                    return nullptr;
                }
                found = &item;
            }
        }
        return found;
    }

    static std::string column_list(const FromItem& item) {
        return Query::column_list(*item.replaced);
    }

    // As an output it has the name that the row had (named_by). In a CASE, since the server takes a
    // row constructor apart where it is compared (parse_expr.c, transformAExprIn), and in one that
    // the planner does not see through, since to it a column that was dropped is a NULL of the
    // row's (clauses.c, eval_const_expressions of NullTest). A row that an outer join did not find
    // is NULL, and not a row of NULLs.
    static std::string typed_row(const FromItem& item, bool listed) {
        const Relation& relation = *item.replaced->policy->relation;
        const std::string row =
            listed ? "ROW(" + column_list(item) + ")" : "(" + quoted_identifier(item.name) + ".*)";
        return "(CASE WHEN " + (item.nullable ? no_row(item) : "pg_catalog.now() IS NULL") +
               " THEN NULL ELSE " + row + "::" + quoted_identifier(relation.schema) + "." +
               quoted_identifier(relation.name) + " END)";
    }

    static std::string no_row(const FromItem& item) {
        const Query::Replaced& replaced = *item.replaced;
        const Relation& relation = *replaced.policy->relation;
        const auto names = Query::column_names(replaced);
        // An inheritance parent's key says nothing of its children's rows.
        if ((relation.kind == 'r' && relation.children.empty()) || relation.kind == 'p') {
            for (const std::int16_t number : relation.primary_key) {
                const auto& masked = replaced.policy->masked;
                const bool is_masked = std::any_of(
                    masked.begin(), masked.end(),
                    [&](const MaskedColumn& each) { return each.column->number == number; });
                for (std::size_t i = 0; i < names.size() && !is_masked; ++i) {
                    if (relation.columns[i].number == number &&
                        std::count(names.begin(), names.end(), names[i]) == 1) {
                        return quoted_identifier(item.name) + "." + quoted_identifier(names[i]) +
                               " IS NULL";
                    }
                }
            }
        }
        // Not IS NULL, which is true of a row of NULLs.
        return quoted_identifier(item.name) + " IS NOT DISTINCT FROM NULL";
    }

    // --- is a name a column's? ---------------------------------------------------------------

    [[nodiscard]] bool may_be_column(std::string_view name, const Scope& scope) {
        for (const Scope* each = &scope; each != nullptr; each = each->outer) {
            const List* from = each->from ? each->select->fromClause : nullptr;
            for (const ListCell& cell : cells(from)) {
                if (may_have(syntax::node(cell), name, *each)) {
                    return true;
                }
            }
        }
        return false;
    }

    // Beside a table or the like, `ctid` is a column; of those within a join it has to be
    // qualified.
    [[nodiscard]] bool sees_table(const Scope& scope) {
        for (const Scope* each = &scope; each != nullptr; each = each->outer) {
            if (has_table(*each)) {
                return true;
            }
        }
        return false;
    }

    [[nodiscard]] bool has_table(const Scope& scope) {
        const auto is_table = [&](const ListCell& cell) {
            const Node* node = syntax::node(cell);
            if (is_a(node, T_RangeTableSample)) {
                node = as<RangeTableSample>(node)->relation;
            }
            const auto known = is_a(node, T_RangeVar)
                                   ? relations_.find(as<RangeVar>(node)->location)
                                   : relations_.end();
            return known != relations_.end() && known->second != nullptr &&
                   has_system_columns(*known->second);
        };
        const auto from = cells(scope.from ? scope.select->fromClause : nullptr);
        return !spend(1 + from.size()) || std::any_of(from.begin(), from.end(), is_table);
    }

    [[nodiscard]] bool may_have(const Node* from, std::string_view name, const Scope& scope) {
        if (!spend(1 + within_.size())) {
            return true;
        }
        if (std::find(within_.begin(), within_.end(), from) != within_.end()) {
            return false;  // it does not see itself
        }
        switch (nodeTag(from)) {
            case T_JoinExpr: {
                const auto* join = as<JoinExpr>(from);
                return (join->alias != nullptr && lists_name(join->alias->colnames, name)) ||
                       may_have(join->larg, name, scope) || may_have(join->rarg, name, scope);
            }
            case T_RangeTableSample:
                return may_have(as<RangeTableSample>(from)->relation, name, scope);
            case T_RangeVar:
                return relation_may_have(as<RangeVar>(from), name, scope);
            case T_RangeSubselect: {
                const auto* subselect = as<RangeSubselect>(from);
                return (subselect->alias != nullptr &&
                        lists_name(subselect->alias->colnames, name)) ||
                       gives(as<SelectStmt>(subselect->subquery), name, &scope);
            }
            case T_RangeFunction:
                return function_may_have(as<RangeFunction>(from), name);
            case T_RangeTableFunc: {
                const auto* function = as<RangeTableFunc>(from);
                const auto columns = cells(function->columns);
                return (function->alias != nullptr &&
                        lists_name(function->alias->colnames, name)) ||
                       std::any_of(columns.begin(), columns.end(), [&](const ListCell& cell) {
                           return as<RangeTableFuncCol>(cell.ptr_value)->colname == name;
                       });
            }
            default:
                return true;
        }
    }

    [[nodiscard]] bool relation_may_have(const RangeVar* reference, std::string_view name,
                                         const Scope& scope) {
        if (reference->alias != nullptr && lists_name(reference->alias->colnames, name)) {
            return true;
        }
        const auto known = relations_.find(reference->location);
        if (known == relations_.end()) {
            return true;
        }
        if (known->second != nullptr) {
            const auto& columns = known->second->columns;
            if (!spend(columns.size())) {
                return true;
            }
            const std::size_t renamed =
                reference->alias == nullptr ? 0 : cells(reference->alias->colnames).size();
            return std::any_of(
                columns.begin() + static_cast<long>(std::min(renamed, columns.size())),
                columns.end(), [&](const Column& column) { return column.name == name; });
        }
        for (const Scope* each = &scope; each != nullptr; each = each->outer) {
            if (each->select->withClause == nullptr) {
                continue;
            }
            for (const ListCell& cell : cells(each->select->withClause->ctes)) {
                const auto* cte = as<CommonTableExpr>(cell.ptr_value);
                const Scope above{each->outer, each->select, {}, false};
                if (std::string_view(cte->ctename) == reference->relname &&
                    (cte->search_clause != nullptr || cte->cycle_clause != nullptr ||
                     lists_name(cte->aliascolnames, name) || !is_a(cte->ctequery, T_SelectStmt) ||
                     gives(as<SelectStmt>(cte->ctequery), name, &above))) {
                    return true;
                }
            }
        }
        return false;
    }

    [[nodiscard]] bool function_may_have(const RangeFunction* range, std::string_view name) {
        if (range->ordinality && name == "ordinality") {
            return true;
        }
        if (range->alias != nullptr &&
            (range->alias->aliasname == name || lists_name(range->alias->colnames, name))) {
            return true;
        }
        for (const ListCell& column : cells(range->coldeflist)) {
            if (as<ColumnDef>(column.ptr_value)->colname == name) {
                return true;
            }
        }
        for (const ListCell& cell : cells(range->functions)) {
            const auto parts = cells(as<List>(cell.ptr_value));
            const Node* function = parts.empty() ? nullptr : syntax::node(parts[0]);
            if (!is_a(function, T_FuncCall) || output_name(function) == name ||
                result_may_have(output_name(function), name)) {
                return true;
            }
            for (const ListCell& column : parts.size() < 2 ? std::span<const ListCell>{}
                                                           : cells(as<List>(parts[1].ptr_value))) {
                if (as<ColumnDef>(column.ptr_value)->colname == name) {
                    return true;
                }
            }
        }
        return false;
    }

    // Of any function of that name: the columns of what it returns. The names of OUT arguments are
    // not known here, and polymorphic ones may give any row.
    [[nodiscard]] bool result_may_have(std::string_view function, std::string_view name) const {
        const CatalogSnapshot& catalog = query_.policy_.catalog();
        const auto candidates = catalog.functions(function);
        return std::any_of(candidates.begin(), candidates.end(), [&](const Function* each) {
            const Type* type = catalog.type(each->result_type);
            if (type == nullptr || type->kind == 'p' || !each->result_columns.empty()) {
                return true;
            }
            const Relation* row = catalog.relation(type->relation);
            return type->kind == 'c' && (row == nullptr || row->column(name) != nullptr);
        });
    }

    // Has the result of the query such a column?
    [[nodiscard]] bool gives(const SelectStmt* select, std::string_view name, const Scope* outer) {
        while (select->op != SETOP_NONE) {
            select = select->larg;
        }
        const auto [found, fresh] = gives_.try_emplace({select, name}, false);
        if (!fresh) {
            return found->second;  // within its own definition, the first arm says it all
        }
        const bool given = looks_given(select, name, outer);
        gives_[{select, name}] = given;
        return given;
    }

    [[nodiscard]] bool looks_given(const SelectStmt* select, std::string_view name,
                                   const Scope* outer) {
        if (select->valuesLists != nullptr) {
            return name.starts_with("column");
        }
        const Scope scope{outer, select, {}};
        for (const ListCell& cell : cells(select->targetList)) {
            const auto* target = as<ResTarget>(cell.ptr_value);
            const auto star = [](const Node* value) {
                const List* steps = is_a(value, T_ColumnRef) ? as<ColumnRef>(value)->fields
                                    : is_a(value, T_A_Indirection)
                                        ? as<A_Indirection>(value)->indirection
                                        : nullptr;
                const auto all = cells(steps);
                return !all.empty() && is_a(all.back().ptr_value, T_A_Star);
            };
            if (star(target->val)) {
                if (!is_a(target->val, T_ColumnRef)) {
                    return true;  // of a row that is not known
                }
                for (const ListCell& item : cells(select->fromClause)) {
                    if (may_have(syntax::node(item), name, scope)) {
                        return true;
                    }
                }
                continue;
            }
            if ((target->name != nullptr ? std::string_view(target->name)
                                         : output_name(target->val)) == name) {
                return true;
            }
        }
        return false;
    }

    Query& query_;
    std::unordered_map<const RangeVar*, Query::Replaced*> replaced_;
    std::unordered_set<std::string_view> names_;  // of those in FROM
    std::unordered_set<std::string_view> left_;   // of those, the ones that leave() was told of
    std::unordered_map<const SelectStmt*, std::unordered_set<std::string_view>> output_names_;
    bool other_columns_ = false;  // there may be some for other_column()
    std::size_t steps_ = 0;
    bool spent_ = false;
    VitrineChildren children_{};
    std::vector<const Node*> within_;           // of FROM
    std::map<int, const Relation*> relations_;  // by their places; nullptr: of WITH
    std::map<std::pair<const SelectStmt*, std::string_view>, bool> gives_;
};

void Query::finish_rows() {
    const bool any = std::any_of(replaced_.begin(), replaced_.end(), [&](const Replaced& each) {
        return is_whole_row(each.name) || stars_within_.contains(each.name) ||
               !each.first.empty() || !each.system_prefix.empty();
    });
    if (!any || refusal_) {
        return;
    }
    WholeRows rows(*this);
    for (const Node* root : roots_) {
        rows.find(root);
    }
}

}  // namespace vitrine::parser
