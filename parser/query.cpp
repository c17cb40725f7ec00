#include "parser/query.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "config/limits.h"
#include "parser/query_parts.h"
#include "parser/readonly/statements.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

namespace {

// parse_expr.c, transformSQLValueFunction.
Oid sql_value_type(SQLValueFunctionOp op) {
    switch (op) {
        case SVFOP_CURRENT_DATE:
            return 1082;
        case SVFOP_CURRENT_TIME:
        case SVFOP_CURRENT_TIME_N:
            return 1266;
        case SVFOP_CURRENT_TIMESTAMP:
        case SVFOP_CURRENT_TIMESTAMP_N:
            return 1184;
        case SVFOP_LOCALTIME:
        case SVFOP_LOCALTIME_N:
            return 1083;
        case SVFOP_LOCALTIMESTAMP:
        case SVFOP_LOCALTIMESTAMP_N:
            return 1114;
        case SVFOP_CURRENT_ROLE:
        case SVFOP_CURRENT_USER:
        case SVFOP_USER:
        case SVFOP_SESSION_USER:
        case SVFOP_CURRENT_CATALOG:
        case SVFOP_CURRENT_SCHEMA:
            return 19;
    }
    return 19;
}

// At any depth: (), (a, b), ROLLUP (…)
std::size_t group_items(const List* groups) {
    std::size_t items = 0;
    for (const ListCell& cell : cells(groups)) {
        items +=
            1 + (is_a(cell.ptr_value, T_GroupingSet)
                     ? group_items(as<GroupingSet>(cell.ptr_value)->content)
                 : is_a(cell.ptr_value, T_RowExpr) ? cells(as<RowExpr>(cell.ptr_value)->args).size()
                                                   : 0);
    }
    return items;
}

}  // namespace

Refused refused(Objection objection, std::size_t position) {
    Refused out;
    out.refusal.sqlstate = std::move(objection.sqlstate);
    out.refusal.message = std::move(objection.message);
    out.refusal.detail = std::move(objection.detail);
    out.refusal.hint = std::move(objection.hint);
    out.refusal.position = position;
    out.rule = std::move(objection.rule);
    out.stale = objection.stale;
    return out;
}

Query::Query(std::string_view sql, std::size_t begin, std::size_t end, const Policy& policy,
             const SearchPath& path, syntax::TextEdits& edits)
    : sql_(sql),
      begin_(begin),
      end_(end),
      policy_(policy),
      path_(path),
      calls_(policy, path),
      edits_(edits) {
    calls_.watch_users(&types_of_users_);
    if (policy.refuses_written_casts() || policy.refuses_builtin_types()) {
        calls_.watch(&types_seen_);
    }
}

Query::~Query() {
    std::free(const_cast<Node**>(children_.items));
}

std::size_t Query::at(int location) const {
    return location < 0 ? begin_ : static_cast<std::size_t>(location);
}

void Query::refuse(Objection objection, std::size_t position) {
    if (!refusal_ || position < refusal_->refusal.position) {
        refusal_ = refused(std::move(objection), position);
    }
}

void Query::refuse(Objection objection, int location) {
    refuse(std::move(objection), at(location));
}

const syntax::Tokens& Query::tokens() {
    if (!tokens_) {
        tokens_.emplace(std::string(sql_.substr(begin_, end_ - begin_)), begin_);
    }
    return *tokens_;
}

std::size_t Query::keyword_before(int location, std::string_view keyword) {
    const syntax::Tokens& all = tokens();
    const auto& list = all.all();
    const int wanted = static_cast<int>(at(location) - begin_);
    auto from = static_cast<std::size_t>(
        std::upper_bound(list.begin(), list.end(), wanted,
                         [](int position, const syntax::Token& t) { return position < t.begin; }) -
        list.begin());
    while (from > 0) {
        --from;
        if (all.is_keyword(from, keyword)) {
            return all.begin(from);
        }
    }
    return begin_;
}

void Query::push(const Node* node, const Item& parent) {
    if (node != nullptr) {
        stack_.push_back({node, parent.ctes, parent.select, parent.depth + 1});
    }
}

void Query::push_children(const Item& item) {
    children_.count = 0;
    vitrine_children(item.node, &children_);
    if (children_.failed != 0) {
        refuse(unknown_node(), begin_);
        children_.failed = 0;
        return;
    }
    for (std::size_t i = children_.count; i > 0; --i) {
        push(children_.items[i - 1], item);
    }
}

void Query::walk(const Node* node) {
    if (node != nullptr) {
        roots_.push_back(node);
    }
    push(node, Item{nullptr, nullptr, selects_, 0});
    while (!stack_.empty()) {
        const Item item = stack_.back();
        stack_.pop_back();
        if (item.depth > limits::kNestingMax) {
            refuse({"54001", "stack depth limit exceeded",
                    "The statement nests deeper than " + std::to_string(limits::kNestingMax) +
                        " levels.",
                    "Split the statement, or write the list of values as an array.",
                    "limit: nesting", false},
                   begin_);
            stack_.clear();
            return;
        }
        visit(item);
    }
}

void Query::visit(const Item& item) {
    const Node* node = item.node;
    switch (nodeTag(node)) {
        case T_List: {
            const auto all = cells(as<List>(node));
            if (item.cell + 1 < all.size()) {
                Item rest = item;
                ++rest.cell;
                stack_.push_back(rest);
            }
            if (item.cell < all.size() && all[item.cell].ptr_value != nullptr) {
                stack_.push_back(
                    {syntax::node(all[item.cell]), item.ctes, item.select, item.depth});
            }
            return;
        }

        case T_A_Const: {
            // A number may be cast without being asked to be.
            const auto* constant = as<A_Const>(node);
            if (!constant->isnull) {
                constant_type(nodeTag(&constant->val), constant->location);
            }
            return;
        }

        case T_RowExpr:
            rows_ = true;
            push_children(item);
            return;
        case T_ParamRef:
            note_parameter(node);
            return;

        case T_SQLValueFunction:
            grammar_type(sql_value_type(as<SQLValueFunction>(node)->op),
                         as<SQLValueFunction>(node)->location);
            return;
        case T_XmlExpr:
            grammar_type(142, as<XmlExpr>(node)->location);
            push_children(item);
            return;

        // Nothing below, nothing to say.
        case T_A_Star:
        case T_Alias:
        case T_BitString:
        case T_Boolean:
        case T_Float:
        case T_Integer:
        case T_SetToDefault:
        case T_String:
            return;

        // Only what is below counts.
        case T_A_ArrayExpr:
        case T_A_Indices:
        case T_BoolExpr:
        case T_BooleanTest:
        case T_CoalesceExpr:
        case T_CollateClause:
        case T_GroupingFunc:
        case T_GroupingSet:
        case T_MinMaxExpr:
        case T_NamedArgExpr:
        case T_NullTest:
        case T_ResTarget:
        case T_WindowDef:
        case T_XmlSerialize:
            push_children(item);
            return;

        case T_SelectStmt:
            visit_select(as<SelectStmt>(node), item);
            return;
        case T_RangeVar:
            reference(as<RangeVar>(node), item, nullptr);
            return;
        case T_RangeTableSample:
            visit_sample(as<RangeTableSample>(node), item);
            return;
        case T_RangeSubselect: {
            const auto* subselect = as<RangeSubselect>(node);
            if (subselect->alias != nullptr) {
                add_item(subselect->alias->aliasname, item);
            }
            push_children(item);
            return;
        }
        case T_RangeFunction: {
            const auto* function = as<RangeFunction>(node);
            if (show_all_settings(function, item)) {
                return;
            }
            for (const ListCell& entry : cells(function->functions)) {
                const auto parts = cells(as<List>(entry.ptr_value));
                if (!parts.empty() && is_a(parts[0].ptr_value, T_FuncCall)) {
                    in_from_.insert(as<FuncCall>(parts[0].ptr_value));
                }
            }
            if (function->alias != nullptr) {
                add_item(function->alias->aliasname, item);
            } else {
                for (const ListCell& entry : cells(function->functions)) {
                    const auto parts = cells(as<List>(entry.ptr_value));
                    if (!parts.empty() && !is_a(parts[0].ptr_value, T_FuncCall)) {
                        unnamed_items_ = true;  // CAST(…), COALESCE(…): FigureColname names it
                    }
                    if (!parts.empty() && is_a(parts[0].ptr_value, T_FuncCall)) {
                        const auto names = cells(as<FuncCall>(parts[0].ptr_value)->funcname);
                        add_item(string_value(names[names.size() - 1].ptr_value), item);
                    }
                }
            }
            push_children(item);
            return;
        }
        case T_RangeTableFunc: {
            const auto* function = as<RangeTableFunc>(node);
            add_item(function->alias != nullptr ? function->alias->aliasname : "xmltable", item);
            push_children(item);
            return;
        }
        case T_RangeTableFuncCol:
            // The walker leaves the type out.
            push(as<Node>(as<RangeTableFuncCol>(node)->typeName), item);
            if (const auto* column = as<RangeTableFuncCol>(node);
                column->typeName != nullptr && column->coldefexpr != nullptr &&
                operand(column->coldefexpr) != Operand::kLiteral) {
                const WrittenName name = written_name(column->typeName->names);
                if (name.valid) {
                    note_cast(name.object, column->coldefexpr, column->location);
                }
            }
            push_children(item);
            return;
        case T_ColumnDef: {
            const auto* column = as<ColumnDef>(node);
            if (column->constraints != nullptr || column->raw_default != nullptr ||
                column->cooked_default != nullptr || column->fdwoptions != nullptr ||
                column->identitySequence != nullptr || column->compression != nullptr) {
                refuse(unknown_node(), column->location);
            }
            push_children(item);
            return;
        }
        case T_JoinExpr: {
            const auto* join = as<JoinExpr>(node);
            if (join->alias != nullptr) {
                aliased_joins_[item.select].push_back(join);
                add_item(join->alias->aliasname, item);
            }
            if (join->join_using_alias != nullptr) {
                add_item(join->join_using_alias->aliasname, item);
            }
            constexpr OperatorShape kColumns{false, Operand::kTyped, Operand::kTyped};
            if (join->usingClause != nullptr) {
                merged_joins_.insert(item.select);
            }
            for (const ListCell& column : cells(join->usingClause)) {
                using_column_ = string_value(column.ptr_value);
                judge_operator({{}, "="}, kColumns, -1);
                using_column_ = {};
            }
            if (join->isNatural) {
                natural_joins_.insert(item.select);
                merged_joins_.insert(item.select);
                judge_operator({{}, "="}, kColumns, -1);
            }
            push_children(item);
            return;
        }

        case T_A_Expr:
            visit_operator(node);
            push_children(item);
            return;
        case T_SubLink: {
            const auto* link = as<SubLink>(node);
            if (link->subLinkType == ANY_SUBLINK || link->subLinkType == ALL_SUBLINK ||
                link->subLinkType == ROWCOMPARE_SUBLINK || link->operName != nullptr) {
                const WrittenName name = written_name(link->operName);
                if (link->operName == nullptr) {
                    judge_operator({{}, "="}, kAnyOperands, link->location);
                } else if (name.valid) {
                    judge_operator(name.object, kAnyOperands, link->location);
                } else {
                    refuse(unknown_node(), link->location);
                }
            }
            push_children(item);
            return;
        }
        case T_CaseExpr:
            if (const auto* choice = as<CaseExpr>(node); choice->arg != nullptr) {
                for (const ListCell& cell : cells(choice->args)) {
                    const auto* when = as<CaseWhen>(cell.ptr_value);
                    const auto* value = reinterpret_cast<const Node*>(when->expr);
                    const auto* arg = reinterpret_cast<const Node*>(choice->arg);
                    judge_operator({{}, "="}, {false, operand(arg), operand(value)},
                                   choice->location, {arg, value});
                }
            }
            push_children(item);
            return;
        case T_SortBy: {
            const auto* sort = as<SortBy>(node);
            if (sort->useOp != nullptr) {
                const WrittenName name = written_name(sort->useOp);
                if (name.valid) {
                    judge_operator(name.object, kAnyOperands, sort->location);
                } else {
                    refuse(unknown_node(), sort->location);
                }
            }
            push_children(item);
            return;
        }

        case T_FuncCall:
            visit_call(as<FuncCall>(node), item);
            return;
        case T_ColumnRef:
            visit_column(node);
            return;
        case T_A_Indirection:
            visit_indirection(node, item);
            return;
        case T_TypeCast: {
            const auto* cast = as<TypeCast>(node);
            // libpg_query's own: `int $1` where PostgreSQL takes only a string constant.
            if (is_a(cast->arg, T_ParamRef) && cast->location < 0) {
                refuse(parser_extension(cast->arg), as<ParamRef>(cast->arg)->location);
            }
            // A parameter that nobody declared is of the type that it is cast to.
            const bool undeclared = is_a(cast->arg, T_ParamRef) && !types_of(cast->arg);
            if (operand(cast->arg) != Operand::kLiteral && !undeclared) {
                const WrittenName name = written_name(cast->typeName->names);
                if (name.valid) {
                    note_cast(name.object, cast->arg, cast->location);
                }
            }
            push_children(item);
            return;
        }
        case T_TypeName:
            visit_type(as<TypeName>(node), item);
            return;

        case T_InsertStmt:
        case T_UpdateStmt:
        case T_DeleteStmt:
        case T_MergeStmt: {
            const std::string_view command = statement_kind(nodeTag(node))->command;
            const RangeVar* target = is_a(node, T_InsertStmt)   ? as<InsertStmt>(node)->relation
                                     : is_a(node, T_UpdateStmt) ? as<UpdateStmt>(node)->relation
                                     : is_a(node, T_DeleteStmt) ? as<DeleteStmt>(node)->relation
                                                                : as<MergeStmt>(node)->relation;
            refuse(
                {"25006", "cannot execute " + std::string(command) + " in a read-only transaction",
                 "Every session through vitrine is read-only.",
                 "Read with SELECT; to change data, use the access meant for it.",
                 "read-only: " + std::string(command), false},
                keyword_before(target == nullptr ? -1 : target->location, command));
            return;
        }

        default:
            refuse(unknown_node(), begin_);
            return;
    }
}

void Query::visit_select(const SelectStmt* select, const Item& item) {
    if (select->intoClause != nullptr) {
        const RangeVar* target = select->intoClause->rel;
        refuse({"25006", "cannot execute SELECT INTO in a read-only transaction",
                "SELECT INTO creates a table, and every session through vitrine is read-only.",
                "Leave the INTO clause out.", "read-only: SELECT INTO", false},
               keyword_before(target == nullptr ? -1 : target->location, "into"));
    }
    if (select->lockingClause != nullptr) {
        if (!locking_position_) {
            static constexpr std::array<std::string_view, 4> kStrengths{"update", "no", "share",
                                                                        "key"};
            const syntax::Tokens& all = tokens();
            locking_position_ = begin_;
            for (std::size_t i = 0; i + 1 < all.size(); ++i) {
                if (all.is_keyword(i, "for") &&
                    std::any_of(kStrengths.begin(), kStrengths.end(), [&](std::string_view word) {
                        return all.is_keyword(i + 1, word);
                    })) {
                    locking_position_ = all.begin(i);
                    break;
                }
            }
        }
        const auto* clause = as<LockingClause>(cells(select->lockingClause)[0].ptr_value);
        const std::string strength = clause->strength == LCS_FORKEYSHARE      ? "KEY SHARE"
                                     : clause->strength == LCS_FORSHARE       ? "SHARE"
                                     : clause->strength == LCS_FORNOKEYUPDATE ? "NO KEY UPDATE"
                                                                              : "UPDATE";
        refuse({"25006", "cannot execute SELECT FOR " + strength + " in a read-only transaction",
                "A locking clause writes to the rows it locks, and every session through vitrine "
                "is read-only.",
                "Leave the locking clause out.", "read-only: SELECT FOR " + strength, false},
               *locking_position_);
    }

    Item inner{as<Node>(select), item.ctes, ++selects_, item.depth};
    if (select->groupClause != nullptr) {
        grouped_.emplace_back(select, inner.select);
        group_items_ += cells(select->targetList).size() + group_items(select->groupClause);
    }
    for (const ListCell& target : cells(select->targetList)) {
        note_star_target(as<ResTarget>(target.ptr_value)->val, select, inner.select);
    }
    if (select->withClause != nullptr) {
        const auto definitions = cells(select->withClause->ctes);
        const VisibleCte* visible = item.ctes;
        std::vector<const VisibleCte*> seen_by(definitions.size());
        for (std::size_t i = 0; i < definitions.size(); ++i) {
            const auto* cte = as<CommonTableExpr>(definitions[i].ptr_value);
            seen_by[i] = visible;
            const std::size_t depth = visible == nullptr ? 1 : visible->depth + 1;
            visible = &ctes_.emplace_back(VisibleCte{visible, cte->ctename, depth});
        }
        if (visible != nullptr && visible->depth > limits::kNestingMax) {
            refuse({"54001", "too many common table expressions",
                    "More than " + std::to_string(limits::kNestingMax) +
                        " of them are visible in one place.",
                    "Split the statement.", "limit: nesting", false},
                   select->withClause->location);
            return;
        }
        inner.ctes = visible;
        for (std::size_t i = definitions.size(); i > 0; --i) {
            const auto* cte = as<CommonTableExpr>(definitions[i - 1].ptr_value);
            const Item scope{nullptr, select->withClause->recursive ? visible : seen_by[i - 1],
                             item.select, item.depth};
            push(cte->ctequery, scope);
            // The walker leaves these out; a search clause has names alone.
            if (cte->cycle_clause != nullptr) {
                push(cte->cycle_clause->cycle_mark_value, scope);
                push(cte->cycle_clause->cycle_mark_default, scope);
            }
        }
    }

    children_.count = 0;
    vitrine_children(as<Node>(select), &children_);
    if (children_.failed != 0) {
        refuse(unknown_node(), begin_);
        children_.failed = 0;
        return;
    }
    for (std::size_t i = children_.count; i > 0; --i) {
        const Node* child = children_.items[i - 1];
        const bool done = child == as<Node>(select->withClause) ||
                          child == as<Node>(select->intoClause) ||
                          child == as<Node>(select->lockingClause);
        if (!done) {
            push(child, inner);
        }
    }
}

// `*` or `c.*` as an output: its columns, where within an expression it is a row.
void Query::note_star_target(const Node* value, const SelectStmt* query, std::uint32_t select) {
    if (!is_a(value, T_ColumnRef)) {
        return;
    }
    const auto fields = cells(as<ColumnRef>(value)->fields);
    if (fields.empty() || !is_a(fields.back().ptr_value, T_A_Star)) {
        return;
    }
    const std::string_view qualifier =
        fields.size() == 1 ? std::string_view{} : string_value(fields[fields.size() - 2].ptr_value);
    star_targets_.push_back(
        {qualifier, fields.size(), select, query, as<ColumnRef>(value)->location});
    star_nodes_.insert(value);
}

void Query::add_item(std::string_view name, const Item& item) {
    RangeItem added;
    added.name = name;
    added.aliased = true;
    added.select = item.select;
    items_.push_back(added);
}

// ---------------------------------------------------------------------------------------------
// What needs the whole statement

void Query::finish() {
    // Conditions, and literals that nothing gave a type, are everywhere.
    if (selects_ > 0) {
        grammar_type(16, -1);
        grammar_type(25, -1);
    }
    collect_names();
    if (too_many_pairs()) {
        refuse(
            {"54000", "too many references to masked relations in one statement",
             "Each is held against the others, and against the statement's columns.",
             "Split the statement, or give each relation an alias and write the columns with it.",
             "limit: masked references", false},
            replaced_.front().reference->location);
        return;
    }
    finish_same_names();
    finish_qualified();
    finish_attributes();
    finish_casts();
    finish_conditional();
    finish_column_calls();
    plan_system_columns();
    plan_groups();
    finish_rows();
    finish_system_columns();
    finish_groups();
    for (const Replaced& replaced : replaced_) {
        rewrite(replaced);
    }
}

// Would the passes below take more time than others on the worker can wait?
bool Query::too_many_pairs() const {
    const bool same_names =
        std::any_of(replaced_.begin(), replaced_.end(), [&](const Replaced& each) {
            const auto named = names_.find(each.name);
            return each.reference->alias == nullptr && named != names_.end() &&
                   !named->second.rewritten_alone;
        });
    const std::size_t rare = qualified_.size() + system_columns_.size() + group_items_;
    if (rare == 0 && !same_names) {
        return false;
    }
    const std::size_t all = rare + items_.size() + attributes_.size() + star_targets_.size();
    return replaced_.size() * all > limits::kReplacedPairsMax;
}

void Query::collect_names() {
    for (const RangeItem& item : items_) {
        NamedItems& named = names_[item.name];
        if (item.relation == nullptr || item.renamed_columns) {
            named.others = true;
        } else if (std::find(named.relations.begin(), named.relations.end(), item.relation) ==
                   named.relations.end()) {
            named.relations.push_back(item.relation);
        }
        named.any_rewritten = named.any_rewritten || item.rewritten;
        if (item.rewritten && !item.aliased) {
            named.rewritten_alone = named.rewritten_alone && (named.rewritten == nullptr ||
                                                              named.rewritten == item.relation);
            named.rewritten = item.relation;
        } else {
            named.rewritten_alone = false;
        }
    }
}

void Query::constant_type(int tag, int location) {
    // pg_type.dat: int4, numeric, bool. A string has no type of its own yet.
    const Oid type = tag == T_Integer     ? 23
                     : tag == T_Float     ? 1700
                     : tag == T_Boolean   ? 16
                     : tag == T_BitString ? 1560
                                          : 0;
    if (type != 0) {
        grammar_type(type, location);
    }
}

// A type that the grammar gives, without its name being written.
void Query::grammar_type(Oid type, int location) {
    if (!policy_.refuses_builtin_types() && !policy_.refuses_written_casts()) {
        return;
    }
    if (!constant_types_.insert(type).second) {
        return;
    }
    if (auto objection = calls_.type(type)) {
        refuse(std::move(*objection), location);
    }
}

// Everything in the statement that has this name is a relation with that column.
bool Query::surely_has_column(std::string_view item, std::string_view column) const {
    const auto named = names_.find(item);
    return !unnamed_items_ && named != names_.end() && !named->second.others &&
           std::all_of(named->second.relations.begin(), named->second.relations.end(),
                       [&](const Relation* r) { return r->column(column) != nullptr; });
}

}  // namespace vitrine::parser
