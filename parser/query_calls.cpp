// Functions, operators, types and columns in a query: what a name may call.

#include "parser/query.h"

#include <algorithm>
#include <array>
#include <utility>

#include "parser/query_parts.h"
#include "parser/readonly/settings.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::constant_text;
using syntax::is_a;
using syntax::string_value;

namespace {

// heap.c, SysAtt: not columns of a derived table.
constexpr std::array<std::string_view, 6> kSystemColumns{"ctid", "xmin", "cmin",
                                                         "xmax", "cmax", "tableoid"};

bool is_system_column(std::string_view name) {
    return std::find(kSystemColumns.begin(), kSystemColumns.end(), name) != kSystemColumns.end();
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
    if (is_application_name(setting)) {
        // SET is rewritten, so that the name of the user stays before it.
        object({"0A000", "set_config of application_name is not supported yet",
                "The user's name stands before it for the DBA.", "Use SET application_name."});
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
            attributes_.push_back({qualifier, string_value(step.ptr_value), location, true});
        }
        qualifier = {};
    }
}

// `x.f` calls a function f where x has no such column.
void Query::finish_attributes() {
    std::set<std::tuple<std::string_view, std::string_view, bool>> seen;
    for (const Attribute& attribute : attributes_) {
        if (!seen.insert({attribute.qualifier, attribute.name, attribute.parenthesised}).second) {
            continue;
        }
        if (policy_.catalog().functions(attribute.name).empty()) {
            // A column or a function that is new must not pass by the old catalog.
            const auto named = names_.find(attribute.qualifier);
            const bool missing =
                !attribute.qualifier.empty() && !attribute.parenthesised && named != names_.end() &&
                !named->second.others && !is_system_column(attribute.name) &&
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
        // `(c).f`: c is a column of that name before it is a relation.
        if (objection && (attribute.qualifier.empty() || attribute.parenthesised ||
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

}  // namespace vitrine::parser
