#include "parser/query.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <new>

#include "config/limits.h"
#include "parser/masking/rewrite.h"
#include "parser/readonly/settings.h"
#include "parser/readonly/statements.h"
#include "parser/syntax/utf8.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {
namespace {

using syntax::as;
using syntax::cells;
using syntax::constant_text;
using syntax::is_a;
using syntax::quoted_identifier;
using syntax::string_value;

// heap.c, SysAtt: not columns of a derived table.
constexpr std::array<std::string_view, 6> kSystemColumns{"ctid", "xmin", "cmin",
                                                         "xmax", "cmax", "tableoid"};

bool is_system_column(std::string_view name) {
    return std::find(kSystemColumns.begin(), kSystemColumns.end(), name) != kSystemColumns.end();
}

Objection not_supported(std::string construct, std::string detail, std::string hint,
                        std::string rule) {
    return {"0A000",           construct + " is not supported yet",
            std::move(detail), std::move(hint),
            std::move(rule),   false};
}

Objection parser_extension(const Node* parameter) {
    return {"42601",
            "syntax error at or near \"$" + std::to_string(as<ParamRef>(parameter)->number) + "\"",
            "PostgreSQL takes no parameter in this place.",
            "",
            "syntax",
            false};
}

Objection unknown_node() {
    return not_supported("a construct in this statement",
                         "vitrine does not know it and cannot tell whether it only reads.",
                         "Write the query another way.", "syntax: unknown construct");
}

// A list of names, one to three: [[catalog.]schema.]name.
struct WrittenName {
    std::string_view catalog;
    ObjectName object;
    bool valid = false;
};

WrittenName written_name(const List* names) {
    const auto parts = cells(names);
    WrittenName name;
    if (parts.empty() || parts.size() > 3) {
        return name;
    }
    for (const ListCell& part : parts) {
        if (!is_a(part.ptr_value, T_String)) {
            return name;
        }
    }
    name.object.name = string_value(parts[parts.size() - 1].ptr_value);
    if (parts.size() >= 2) {
        name.object.schema = string_value(parts[parts.size() - 2].ptr_value);
    }
    if (parts.size() == 3) {
        name.catalog = string_value(parts[0].ptr_value);
    }
    name.valid = true;
    return name;
}

std::string dotted(const List* names) {
    std::string text;
    for (const ListCell& part : cells(names)) {
        if (!text.empty()) {
            text += '.';
        }
        text += string_value(part.ptr_value);
    }
    return text;
}

Objection other_database(std::string name) {
    return {"0A000",
            "cross-database references are not implemented: \"" + name + "\"",
            "",
            "",
            "name: another database",
            false};
}

// A string constant, with or without a cast to a text type around it.
const char* text_constant(const Node* node) {
    if (is_a(node, T_TypeCast)) {
        const auto* cast = as<TypeCast>(node);
        const WrittenName type = written_name(cast->typeName->names);
        const bool text = type.valid && cast->typeName->arrayBounds == nullptr &&
                          (!type.object.qualified() || type.object.schema == "pg_catalog") &&
                          (type.object.name == "text" || type.object.name == "varchar") &&
                          cast->typeName->typmods == nullptr;
        return text ? constant_text(cast->arg) : nullptr;
    }
    return constant_text(node);
}

bool is_null_constant(const Node* node) {
    return is_a(node, T_A_Const) && as<A_Const>(node)->isnull;
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
      edits_(edits) {}

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

        // Nothing below, nothing to say.
        case T_A_Const:
        case T_A_Star:
        case T_Alias:
        case T_BitString:
        case T_Boolean:
        case T_Float:
        case T_Integer:
        case T_ParamRef:
        case T_SetToDefault:
        case T_SQLValueFunction:
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
        case T_RowExpr:
        case T_WindowDef:
        case T_XmlExpr:
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
            if (function->alias != nullptr) {
                add_item(function->alias->aliasname, item);
            } else {
                for (const ListCell& entry : cells(function->functions)) {
                    const auto parts = cells(as<List>(entry.ptr_value));
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
                add_item(join->alias->aliasname, item);
            }
            if (join->join_using_alias != nullptr) {
                add_item(join->join_using_alias->aliasname, item);
            }
            if (join->usingClause != nullptr || join->isNatural) {
                judge_operator({{}, "="}, false, -1);
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
                    judge_operator({{}, "="}, false, link->location);
                } else if (name.valid) {
                    judge_operator(name.object, false, link->location);
                } else {
                    refuse(unknown_node(), link->location);
                }
            }
            push_children(item);
            return;
        }
        case T_CaseExpr:
            if (as<CaseExpr>(node)->arg != nullptr) {
                judge_operator({{}, "="}, false, as<CaseExpr>(node)->location);
            }
            push_children(item);
            return;
        case T_SortBy: {
            const auto* sort = as<SortBy>(node);
            if (sort->useOp != nullptr) {
                const WrittenName name = written_name(sort->useOp);
                if (name.valid) {
                    judge_operator(name.object, false, sort->location);
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

void Query::add_item(std::string_view name, const Item& item) {
    RangeItem added;
    added.name = name;
    added.aliased = true;
    added.select = item.select;
    items_.push_back(added);
}

// ---------------------------------------------------------------------------------------------
// Calls, operators, types

void Query::judge_operator(const ObjectName& name, bool prefix, int location) {
    if (auto objection = calls_.operator_symbol(name, prefix)) {
        refuse(std::move(*objection), location);
    }
}

void Query::visit_operator(const Node* node) {
    const auto* expression = as<A_Expr>(node);
    const int location = expression->location;
    switch (expression->kind) {
        case AEXPR_BETWEEN:
        case AEXPR_NOT_BETWEEN:
        case AEXPR_BETWEEN_SYM:
        case AEXPR_NOT_BETWEEN_SYM:
            // transformAExprBetween: one pair or the other.
            for (const std::string_view symbol : {">=", "<=", "<", ">"}) {
                judge_operator({{}, symbol}, false, location);
            }
            return;
        case AEXPR_OP:
        case AEXPR_OP_ANY:
        case AEXPR_OP_ALL:
        case AEXPR_DISTINCT:
        case AEXPR_NOT_DISTINCT:
        case AEXPR_NULLIF:
        case AEXPR_IN:
        case AEXPR_LIKE:
        case AEXPR_ILIKE:
        case AEXPR_SIMILAR: {
            const WrittenName name = written_name(expression->name);
            if (!name.valid) {
                refuse(unknown_node(), location);
                return;
            }
            if (!name.catalog.empty() && name.catalog != policy_.catalog().database()) {
                refuse(other_database(dotted(expression->name)), location);
                return;
            }
            judge_operator(name.object, expression->lexpr == nullptr, location);
            return;
        }
    }
    refuse(unknown_node(), location);
}

void Query::visit_type(const TypeName* type, const Item& item) {
    push_children(item);
    if (type->names == nullptr || type->pct_type || type->setof) {
        refuse(unknown_node(), type->location);
        return;
    }
    const WrittenName name = written_name(type->names);
    if (!name.valid) {
        refuse(unknown_node(), type->location);
        return;
    }
    if (!name.catalog.empty() && name.catalog != policy_.catalog().database()) {
        refuse(other_database(dotted(type->names)), type->location);
        return;
    }
    if (auto objection = calls_.type(name.object)) {
        refuse(std::move(*objection), type->location);
    }
}

void Query::visit_call(const FuncCall* call, const Item& item) {
    push_children(item);
    const WrittenName name = written_name(call->funcname);
    if (!name.valid) {
        refuse(unknown_node(), call->location);
        return;
    }
    if (!name.catalog.empty() && name.catalog != policy_.catalog().database()) {
        refuse(other_database(dotted(call->funcname)), call->location);
        return;
    }
    const auto arguments = cells(call->args);
    // libpg_query's own: EXTRACT($1 FROM x).
    if (call->funcformat == COERCE_SQL_SYNTAX && name.object.name == "extract" &&
        !arguments.empty() && is_a(arguments[0].ptr_value, T_ParamRef)) {
        refuse(parser_extension(syntax::node(arguments[0])),
               as<ParamRef>(arguments[0].ptr_value)->location);
    }
    CallShape shape;
    shape.arguments_min = arguments.size();
    shape.arguments_max =
        arguments.size() + (call->agg_within_group ? cells(call->agg_order).size() : 0);
    shape.variadic = call->func_variadic;
    if (!name.object.qualified() && name.object.name == "unnest" && arguments.size() > 1) {
        // In FROM, unnest(a, b) is unnest(a) beside unnest(b) (transformRangeFunction).
        shape.arguments_min = 1;
    }
    shape.plain_single = arguments.size() == 1 && call->agg_order == nullptr &&
                         call->agg_filter == nullptr && call->over == nullptr && !call->agg_star &&
                         !call->agg_distinct && !call->func_variadic &&
                         !is_a(arguments[0].ptr_value, T_NamedArgExpr);
    Calls::FunctionFinding finding = calls_.function(name.object, shape);
    if (finding.objection) {
        refuse(std::move(*finding.objection), call->location);
        return;
    }
    if (finding.by_argument != nullptr) {
        judge_setting_call(call, *finding.by_argument);
    }
    if (finding.column_notation) {
        ColumnCall column{name.object.name, {}, call->location};
        if (is_a(arguments[0].ptr_value, T_ColumnRef)) {
            const auto fields = cells(as<ColumnRef>(arguments[0].ptr_value)->fields);
            if (fields.size() == 1) {
                column.argument = string_value(fields[0].ptr_value);
            }
        }
        column_calls_.push_back(column);
    }
}

void Query::judge_setting_call(const FuncCall* call, const Function& function) {
    const auto arguments = cells(call->args);
    const auto object = [&](SettingObjection objection) {
        refuse({std::move(objection.sqlstate), std::move(objection.message),
                std::move(objection.detail), std::move(objection.hint),
                "function: " + function.name, false},
               call->location);
    };
    const bool named = std::any_of(arguments.begin(), arguments.end(), [](const ListCell& cell) {
        return is_a(cell.ptr_value, T_NamedArgExpr);
    });
    const char* setting = arguments.empty() || named || call->func_variadic
                              ? nullptr
                              : text_constant(syntax::node(arguments[0]));
    if (setting == nullptr) {
        object({"42501", "permission denied for function " + function.name,
                "Which setting is meant must be known before the statement runs.",
                "Write the setting's name as a string constant."});
        return;
    }
    if (function.name == "current_setting") {
        if (auto objection = judge_show(setting)) {
            object(std::move(*objection));
        }
        return;
    }
    std::optional<SettingObjection> objection;
    const Node* value = arguments.size() > 1 ? syntax::node(arguments[1]) : nullptr;
    if (value != nullptr && is_null_constant(value)) {
        objection = judge_reset(setting);
    } else if (const char* text = value == nullptr ? nullptr : text_constant(value)) {
        const std::string values[] = {text};
        objection = judge_set(setting, values);
    } else {
        objection = judge_set_to_unknown(setting);
    }
    if (objection) {
        object(std::move(*objection));
        return;
    }
    if (is_search_path(setting)) {
        if (search_path_forbidden_) {
            object({"0A000", "set_config of search_path is not supported yet in this statement",
                    "The path would change at another time than this statement runs.",
                    "Use SET search_path, or SELECT set_config(…) by itself."});
            return;
        }
        sets_search_path_ = true;
    }
}

void Query::visit_column(const Node* node) {
    const auto* column = as<ColumnRef>(node);
    const auto fields = cells(column->fields);
    if (fields.empty()) {
        refuse(unknown_node(), column->location);
        return;
    }
    const void* last = fields[fields.size() - 1].ptr_value;
    const bool star = is_a(last, T_A_Star);
    const std::size_t qualifier_parts = fields.size() - 1;
    for (const ListCell& field : fields.first(qualifier_parts)) {
        if (!is_a(field.ptr_value, T_String)) {
            refuse(unknown_node(), column->location);
            return;
        }
    }
    if (!star && !is_a(last, T_String)) {
        refuse(unknown_node(), column->location);
        return;
    }
    const std::string_view qualifier = qualifier_parts == 0
                                           ? std::string_view{}
                                           : string_value(fields[qualifier_parts - 1].ptr_value);
    if (qualifier_parts >= 2) {
        if (qualifier_parts > 3) {
            refuse({"42601",
                    "improper qualified name (too many dotted names): " + dotted(column->fields),
                    "", "", "name", false},
                   column->location);
            return;
        }
        if (qualifier_parts == 3 &&
            string_value(fields[0].ptr_value) != policy_.catalog().database()) {
            refuse(other_database(dotted(column->fields)), column->location);
            return;
        }
        qualified_.push_back({{string_value(fields[qualifier_parts - 2].ptr_value), qualifier},
                              qualifier_parts,
                              column->location});
    }
    if (star) {
        return;
    }
    const std::string_view name = string_value(last);
    if (is_system_column(name)) {
        system_columns_.push_back({qualifier, name, column->location});
    }
    if (qualifier_parts >= 1) {
        attributes_.push_back({qualifier, name, column->location});
    }
}

void Query::visit_indirection(const Node* node, const Item& item) {
    const auto* indirection = as<A_Indirection>(node);
    push_children(item);
    // `(c).email`: a field of c's row where c is in FROM.
    std::string_view qualifier;
    int location = -1;
    if (is_a(indirection->arg, T_ColumnRef)) {
        const auto* column = as<ColumnRef>(indirection->arg);
        location = column->location;
        const auto fields = cells(column->fields);
        if (fields.size() == 1 && is_a(fields[0].ptr_value, T_String)) {
            qualifier = string_value(fields[0].ptr_value);
        }
    }
    for (const ListCell& step : cells(indirection->indirection)) {
        if (is_a(step.ptr_value, T_String)) {
            attributes_.push_back({qualifier, string_value(step.ptr_value), location});
        }
        qualifier = {};
    }
}

// ---------------------------------------------------------------------------------------------
// Relations

void Query::visit_sample(const RangeTableSample* sample, const Item& item) {
    const WrittenName method = written_name(sample->method);
    if (!method.valid || !method.catalog.empty()) {
        refuse(unknown_node(), sample->location);
        return;
    }
    if (auto objection = calls_.sampling_method(method.object)) {
        refuse(std::move(*objection), sample->location);
    }
    if (!is_a(sample->relation, T_RangeVar)) {
        refuse(unknown_node(), sample->location);
        return;
    }
    push(as<Node>(sample->args), item);
    push(sample->repeatable, item);
    reference(as<RangeVar>(sample->relation), item, sample);
}

const Relation* Query::resolve(const RangeVar* relation) {
    const int location = relation->location;
    const ObjectName name{
        relation->schemaname == nullptr ? std::string_view{} : relation->schemaname,
        relation->relname};
    if (relation->catalogname != nullptr && policy_.catalog().database() != relation->catalogname) {
        refuse(other_database(std::string(relation->catalogname) + "." + name.text()), location);
        return nullptr;
    }
    if (is_temporary_schema(name.schema)) {
        refuse({"42501", "\"" + name.text() + "\" is a temporary relation",
                "There are no temporary relations in a session through vitrine, and nobody else's "
                "may be read.",
                "Use a relation of another schema.", "name: pg_temp", false},
               location);
        return nullptr;
    }
    const RelationLookup found = find_relation(policy_.catalog(), path_, name);
    if (found.ambiguous) {
        refuse({"0A000",
                "\"" + name.text() +
                    "\" cannot be resolved behind a statement of the same text "
                    "that may change the search_path",
                "More than one schema has a relation of this name.",
                "Write its schema, or send the statements one by one.", "name: search_path", false},
               location);
        return nullptr;
    }
    if (found.relation == nullptr) {
        refuse({"42P01", "relation \"" + name.text() + "\" does not exist", "", "",
                "relation: " + name.text(), true},
               location);
    }
    return found.relation;
}

bool Query::closed(const RelationPolicy* policy, int location) {
    if (policy == nullptr || !policy->closed) {
        return false;
    }
    refuse({"42501",
            "permission denied for relation " +
                (policy->relation == nullptr ? std::string() : policy->relation->name),
            policy->closed->reason, policy->closed->hint, policy->closed->rule, false},
           location);
    return true;
}

void Query::reference(const RangeVar* reference, const Item& item, const RangeTableSample* sample) {
    RangeItem added;
    added.aliased = reference->alias != nullptr;
    added.name = added.aliased ? reference->alias->aliasname : reference->relname;
    added.renamed_columns = added.aliased && reference->alias->colnames != nullptr;
    added.select = item.select;
    added.location = reference->location;
    if (reference->schemaname == nullptr && sees_cte(item.ctes, reference->relname)) {
        added.aliased = true;
        items_.push_back(added);
        return;
    }
    const Relation* relation = resolve(reference);
    if (relation == nullptr) {
        return;
    }
    added.relation = relation;
    const RelationPolicy* policy = policy_.relation(relation->oid);
    if (closed(policy, reference->location)) {
        return;
    }
    for (const Column& column : relation->columns) {
        if (auto objection = calls_.type(column.type)) {
            refuse(std::move(*objection), reference->location);
        }
    }
    added.rewritten = is_rewritten(policy);
    items_.push_back(added);
    if (added.rewritten) {
        rewrite(reference, *policy, sample);
    }
}

void Query::name_relation(const RangeVar* relation) {
    const Relation* found = resolve(relation);
    if (found != nullptr) {
        closed(policy_.relation(found->oid), relation->location);
    }
}

bool Query::edit(std::size_t begin, std::size_t end, std::string text, int location) {
    // What is put in keeps its distance from what stands beside it.
    if (begin == begin_ || sql_[begin - 1] != ' ') {
        text.insert(0, " ");
    }
    if (end < sql_.size() && sql_[end] != ' ') {
        text += ' ';
    }
    if (edits_.added_bytes() + text.size() > limits::kStatementBytesMax) {
        refuse({"54000", "the statement would be too long with its masks in place",
                "Each reference to a masked relation is replaced by a query over it.",
                "Refer to masked relations less often.", "limit: statement size", false},
               location);
        return false;
    }
    edits_.replace(begin, end, std::move(text), at(location));
    return true;
}

void Query::note_masked(const RelationPolicy& policy) {
    for (const MaskedColumn& masked : policy.masked) {
        masked_.insert(column_title(*policy.relation, *masked.column));
    }
}

void Query::rewrite(const RangeVar* reference, const RelationPolicy& policy,
                    const RangeTableSample* sample) {
    note_masked(policy);
    const syntax::Tokens& all = tokens();
    const auto lost = [&] {
        refuse(
            not_supported("this way to write the masked relation " + policy.relation->name,
                          "vitrine could not find all of the reference in the text.",
                          "Write the relation as schema.name with an alias.", "masking: reference"),
            reference->location);
    };
    const std::size_t name = all.at(at(reference->location));
    if (name >= all.size()) {
        return lost();
    }
    std::size_t first = name;
    std::size_t behind = all.after_name(name, 1U + (reference->schemaname != nullptr ? 1U : 0U) +
                                                  (reference->catalogname != nullptr ? 1U : 0U));
    // ONLY t, ONLY (t), t *
    if (!reference->inh) {
        if (first >= 1 && all.is_keyword(first - 1, "only")) {
            first -= 1;
        } else if (first >= 2 && all.is(first - 1, '(') && all.is_keyword(first - 2, "only") &&
                   all.is(behind, ')')) {
            first -= 2;
            ++behind;
        } else {
            return lost();
        }
    } else if (all.is(behind, '*')) {
        ++behind;
    }
    // TABLE t is SELECT * FROM t.
    const bool table_command = first >= 1 && all.is_keyword(first - 1, "table");
    if (table_command) {
        --first;
    }
    const std::string begin = table_command ? "SELECT * FROM (" : "(";
    const std::string select = masked_select(policy, !reference->inh);
    const std::string filter = masked_filter(policy);
    const std::string own_alias = " AS " + quoted_identifier(reference->relname);
    if (sample == nullptr) {
        edit(all.begin(first), all.end(behind - 1),
             begin + select + filter + ")" +
                 (reference->alias == nullptr ? own_alias : std::string()),
             reference->location);
        return;
    }
    // TABLESAMPLE belongs to the relation itself: the alias moves behind it.
    std::string alias = own_alias;
    if (reference->alias != nullptr) {
        if (all.is_keyword(behind, "as")) {
            ++behind;
        }
        behind = all.after_name(behind, 1);
        alias = " AS " + quoted_identifier(reference->alias->aliasname);
        if (reference->alias->colnames != nullptr) {
            behind = all.after_brackets(behind);
            alias += " (";
            bool more = false;
            for (const ListCell& column : cells(reference->alias->colnames)) {
                alias += (more ? ", " : "") + quoted_identifier(string_value(column.ptr_value));
                more = true;
            }
            alias += ")";
        }
    }
    if (!all.is_keyword(behind, "tablesample")) {
        return lost();
    }
    std::size_t end = all.after_name(behind + 1, cells(sample->method).size());
    end = all.after_brackets(end);
    if (sample->repeatable != nullptr && all.is_keyword(end, "repeatable")) {
        end = all.after_brackets(end + 1);
    }
    if (end == 0 || end > all.size()) {
        return lost();
    }
    if (edit(all.begin(first), all.end(behind - 1), begin + select, reference->location)) {
        edit(all.end(end - 1), all.end(end - 1), filter + ")" + alias, reference->location);
    }
}

void Query::copy_relation(const CopyStmt* copy) {
    const RangeVar* target = copy->relation;
    const Relation* relation = resolve(target);
    if (relation == nullptr) {
        return;
    }
    const RelationPolicy* policy = policy_.relation(relation->oid);
    if (closed(policy, target->location)) {
        return;
    }
    for (const Column& column : relation->columns) {
        if (auto objection = calls_.type(column.type)) {
            refuse(std::move(*objection), target->location);
        }
    }
    if (!is_rewritten(policy)) {
        return;
    }
    note_masked(*policy);
    if (relation->kind != 'r') {
        static const std::map<char, std::string_view> kKinds{
            {'p', "partitioned table"}, {'v', "view"},     {'m', "materialized view"},
            {'f', "foreign table"},     {'S', "sequence"},
        };
        const auto kind = kKinds.find(relation->kind);
        refuse(
            {"42809",
             "cannot copy from " + std::string(kind == kKinds.end() ? "relation" : kind->second) +
                 " \"" + relation->name + "\"",
             "", "Try the COPY (SELECT ...) TO variant.", "statement: COPY", false},
            target->location);
        return;
    }
    std::vector<std::string_view> columns;
    for (const ListCell& cell : cells(copy->attlist)) {
        const std::string_view name = string_value(cell.ptr_value);
        const Column* column = relation->column(name);
        if (column == nullptr) {
            refuse({"42703",
                    "column \"" + std::string(name) + "\" of relation \"" + relation->name +
                        "\" does not exist",
                    "", "", "statement: COPY", true},
                   target->location);
            return;
        }
        if (column->generated) {
            refuse({"42P10", "column \"" + std::string(name) + "\" is a generated column",
                    "Generated columns cannot be used in COPY.", "", "statement: COPY", false},
                   target->location);
            return;
        }
        if (std::find(columns.begin(), columns.end(), name) != columns.end()) {
            refuse({"42701", "column \"" + std::string(name) + "\" specified more than once", "",
                    "", "statement: COPY", false},
                   target->location);
            return;
        }
        columns.push_back(name);
    }
    if (copy->attlist == nullptr) {
        for (const Column& column : relation->columns) {
            if (!column.generated) {
                columns.push_back(column.name);
            }
        }
    }
    const syntax::Tokens& all = tokens();
    const std::size_t first = all.at(at(target->location));
    std::size_t behind = all.after_name(first, 1U + (target->schemaname != nullptr ? 1U : 0U) +
                                                   (target->catalogname != nullptr ? 1U : 0U));
    if (copy->attlist != nullptr) {
        behind = all.after_brackets(behind);
    }
    // COPY BINARY t and … DELIMITERS '…' are old forms that a query cannot have.
    bool old_form = first >= all.size() || first == 0 || !all.is_keyword(first - 1, "copy") ||
                    !all.is_keyword(behind, "to");
    if (!old_form) {
        old_form = all.is_keyword(behind + 2, "delimiters") || all.is_keyword(behind + 2, "using");
    }
    if (old_form) {
        refuse(not_supported("this old form of COPY from a masked table",
                             "It has no equivalent for the masked rows.",
                             "Write the options as COPY … TO STDOUT WITH (FORMAT …, DELIMITER …).",
                             "statement: COPY"),
               target->location);
        return;
    }
    edit(all.begin(first), all.end(behind - 1), masked_copy(*policy, columns), target->location);
}

// ---------------------------------------------------------------------------------------------
// What needs the whole statement

void Query::finish() {
    collect_names();
    finish_qualified();
    finish_attributes();
    finish_column_calls();
    finish_system_columns();
    finish_same_names();
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

// Everything in the statement that has this name is a relation with that column.
bool Query::surely_has_column(std::string_view item, std::string_view column) const {
    const auto named = names_.find(item);
    return named != names_.end() && !named->second.others &&
           std::all_of(named->second.relations.begin(), named->second.relations.end(),
                       [&](const Relation* r) { return r->column(column) != nullptr; });
}

// `shop.customers.email` names the relation, and where that stood now stands a derived table of
// the relation's own name.
void Query::finish_qualified() {
    for (const QualifiedReference& reference : qualified_) {
        const auto named = names_.find(reference.relation.name);
        if (named == names_.end() || named->second.rewritten == nullptr ||
            is_temporary_schema(reference.relation.schema)) {
            continue;  // the server knows what it is, or that it is nothing
        }
        const std::size_t first = tokens().at(at(reference.location));
        const std::size_t behind = tokens().after_name(first, reference.parts);
        if (!named->second.rewritten_alone || first >= tokens().size()) {
            refuse(not_supported("the column reference by schema to " + reference.relation.text(),
                                 "A masked relation and something else in the statement have the "
                                 "same name.",
                                 "Give the relation an alias and refer to that.",
                                 "masking: reference"),
                   reference.location);
            return;
        }
        const Relation* relation =
            policy_.catalog().relation(reference.relation.schema, reference.relation.name);
        if (relation != named->second.rewritten) {
            continue;  // another schema's: names nothing in this statement
        }
        if (!edit(tokens().begin(first), tokens().end(behind - 1),
                  quoted_identifier(reference.relation.name), reference.location)) {
            return;
        }
    }
}

// `x.f` calls a function f where x has no such column.
void Query::finish_attributes() {
    std::set<std::pair<std::string_view, std::string_view>> seen;
    for (const Attribute& attribute : attributes_) {
        if (!seen.insert({attribute.qualifier, attribute.name}).second) {
            continue;
        }
        if (policy_.catalog().functions(attribute.name).empty()) {
            // A column or a function that is new must not pass by the old catalog.
            const auto named = names_.find(attribute.qualifier);
            const bool missing =
                !attribute.qualifier.empty() && named != names_.end() && !named->second.others &&
                !is_system_column(attribute.name) &&
                std::none_of(
                    named->second.relations.begin(), named->second.relations.end(),
                    [&](const Relation* r) { return r->column(attribute.name) != nullptr; });
            if (missing) {
                refuse({"42703",
                        "column " + std::string(attribute.qualifier) + "." +
                            std::string(attribute.name) + " does not exist",
                        "", "", "column: " + std::string(attribute.name), true},
                       attribute.location);
            }
            continue;
        }
        auto objection = calls_.attribute(attribute.name);
        if (objection && (attribute.qualifier.empty() ||
                          !surely_has_column(attribute.qualifier, attribute.name))) {
            refuse(std::move(*objection), attribute.location);
        }
    }
}

// `email(c)` is c.email where no function has the name.
void Query::finish_column_calls() {
    std::set<std::pair<std::string_view, std::string_view>> seen;
    for (const ColumnCall& call : column_calls_) {
        if (!call.argument.empty() && !seen.insert({call.function, call.argument}).second) {
            continue;
        }
        if (call.argument.empty() || !surely_has_column(call.argument, call.function)) {
            refuse({"42883", "function " + std::string(call.function) + "(…) does not exist", "",
                    "Check the name and its schema; a function that is new is known to vitrine "
                    "within seconds. A column of a row is (row).column.",
                    "function: " + std::string(call.function), true},
                   call.location);
        }
    }
}

void Query::finish_system_columns() {
    if (system_columns_.empty()) {
        return;
    }
    const bool any = std::any_of(names_.begin(), names_.end(),
                                 [](const auto& named) { return named.second.any_rewritten; });
    for (const Attribute& column : system_columns_) {
        const auto named = names_.find(column.qualifier);
        if (column.qualifier.empty() ? any : named != names_.end() && named->second.any_rewritten) {
            refuse(not_supported("system column " + std::string(column.name) +
                                     " in a query over a masked relation",
                                 "A masked relation has its own columns only.",
                                 "Leave it out, or qualify it with the relation it belongs to.",
                                 "masking: system column"),
                   column.location);
        }
    }
}

// Two relations of one name from different schemas may stand side by side; a derived table and
// another of its name may not.
void Query::finish_same_names() {
    const bool any = std::any_of(items_.begin(), items_.end(),
                                 [](const RangeItem& item) { return item.rewritten; });
    if (!any) {
        return;
    }
    std::map<std::pair<std::uint32_t, std::string_view>, const RangeItem*> seen;
    for (const RangeItem& item : items_) {
        if (item.aliased || item.relation == nullptr) {
            continue;
        }
        const auto [place, fresh] = seen.try_emplace({item.select, item.name}, &item);
        if (!fresh && place->second->relation != item.relation &&
            (item.rewritten || place->second->rewritten)) {
            refuse(not_supported("two relations named " + std::string(item.name) +
                                     " in one FROM clause, one of them masked,",
                                 "They could not be told apart.", "Give each an alias.",
                                 "masking: reference"),
                   item.location);
        }
    }
}

}  // namespace vitrine::parser
