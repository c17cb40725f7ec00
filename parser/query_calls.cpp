// Functions, operators, types and columns in a query: what a name may call.

#include "parser/query.h"

#include <algorithm>
#include <array>
#include <utility>

#include "parser/query_parts.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

void Query::judge_operator(const ObjectName& name, const OperatorShape& shape, int location,
                           std::array<const Node*, 2> operands) {
    // What a symbol may mean is the same all over the statement; a few are found out faster than
    // they are looked up.
    constexpr std::size_t kFew = 16;
    if (operators_judged_ < kFew) {
        ++operators_judged_;
        std::vector<Conditional> found;
        if (auto objection = calls_.operator_symbol(name, shape, found)) {
            refuse(std::move(*objection), location);
            return;
        }
        for (Conditional& each : found) {
            add_conditional(std::move(each), operands, location);
        }
        return;
    }
    const auto key = std::tuple(name.schema, name.name, shape.prefix, shape.left, shape.right);
    auto known = operators_.find(key);
    if (known == operators_.end()) {
        OperatorFinding finding;
        finding.objection = calls_.operator_symbol(name, shape, finding.conditional);
        known = operators_.emplace(key, std::move(finding)).first;
    }
    if (known->second.objection) {
        refuse(*known->second.objection, location);
        return;
    }
    for (const Conditional& each : known->second.conditional) {
        add_conditional(each, operands, location);
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
                judge_operator({{}, symbol}, kAnyOperands, location);
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
            OperatorShape shape = kAnyOperands;
            shape.prefix = expression->lexpr == nullptr;
            std::array<const Node*, 2> operands{};
            shape.left = operand(expression->lexpr);
            operands[0] = expression->lexpr;
            if (expression->kind != AEXPR_OP_ANY && expression->kind != AEXPR_OP_ALL) {
                if (is_a(expression->rexpr, T_List)) {  // IN (…)
                    const auto list = cells(as<List>(expression->rexpr));
                    const bool literals = std::all_of(list.begin(), list.end(), [](const auto& c) {
                        return operand(syntax::node(c)) == Operand::kLiteral;
                    });
                    shape.right = literals ? Operand::kLiteral : Operand::kEither;
                } else {
                    shape.right = operand(expression->rexpr);
                    operands[1] = expression->rexpr;
                }
            }
            judge_operator(name.object, shape, location, operands);
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
    // A parameter that was declared as void is no argument (ParseFuncOrColumn): so drivers write
    // the result of a function.
    std::vector<const Node*> arguments;
    for (const ListCell& cell : cells(call->args)) {
        const Node* argument = syntax::node(cell);
        if (call->agg_within_group || !is_void_parameter(argument)) {
            arguments.push_back(argument);
        } else if (call->func_variadic) {
            refuse(not_supported("VARIADIC with a parameter of type void", "", "Leave it out.",
                                 "function: " + name.object.text()),
                   call->location);
        }
    }
    // libpg_query's own: EXTRACT($1 FROM x).
    if (call->funcformat == COERCE_SQL_SYNTAX && name.object.name == "extract" &&
        !arguments.empty() && is_a(arguments[0], T_ParamRef)) {
        refuse(parser_extension(arguments[0]), as<ParamRef>(arguments[0])->location);
    }
    CallShape shape;
    shape.arguments_min = arguments.size();
    shape.arguments_max =
        arguments.size() + (call->agg_within_group ? cells(call->agg_order).size() : 0);
    shape.variadic = call->func_variadic;
    shape.named = std::any_of(arguments.begin(), arguments.end(),
                              [](const Node* argument) { return is_a(argument, T_NamedArgExpr); });
    if (!call->agg_within_group && !shape.named) {
        for (const Node* argument : arguments) {
            shape.operands.push_back(operand(argument));
        }
    }
    if (!name.object.qualified() && name.object.name == "unnest" && arguments.size() > 1) {
        // In FROM, unnest(a, b) is unnest(a) beside unnest(b) (transformRangeFunction).
        shape.arguments_min = 1;
    }
    shape.plain_single = arguments.size() == 1 && call->agg_order == nullptr &&
                         call->agg_filter == nullptr && call->over == nullptr && !call->agg_star &&
                         !call->agg_distinct && !call->func_variadic &&
                         !is_a(arguments[0], T_NamedArgExpr);
    Calls::FunctionFinding finding = calls_.function(name.object, shape);
    if (finding.objection) {
        refuse(std::move(*finding.objection), call->location);
        return;
    }
    if (!finding.conditional.empty()) {
        std::array<const Node*, 2> operands{};
        if (!shape.operands.empty()) {
            std::copy_n(arguments.begin(), std::min(arguments.size(), operands.size()),
                        operands.begin());
        }
        for (Conditional& each : finding.conditional) {
            add_conditional(std::move(each), operands, call->location);
        }
    }
    if (shape.plain_single && operand(arguments[0]) != Operand::kLiteral) {
        note_cast(name.object, arguments[0], call->location);
    }
    if (finding.by_argument != nullptr) {
        judge_setting_call(call, *finding.by_argument);
    }
    show_definition(call, name.object);
    if (finding.column_notation) {
        ColumnCall column{name.object.name, {}, call->location};
        if (is_a(arguments[0], T_ColumnRef)) {
            const auto fields = cells(as<ColumnRef>(arguments[0])->fields);
            if (fields.size() == 1) {
                column.argument = string_value(fields[0].ptr_value);
            }
        }
        column_calls_.push_back(column);
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
        if (!star_nodes_.contains(node)) {
            stars_within_.insert(qualifier);
            if (!qualifier.empty()) {
                note_bare_column(qualifier);  // as an argument it is a row
            }
        }
        return;
    }
    const std::string_view name = string_value(last);
    if (qualifier_parts == 0) {
        note_bare_column(name);
    }
    if (is_system_column(name)) {
        grammar_type(name == "tableoid"                 ? 26
                     : name == "ctid"                   ? 27
                     : name == "xmin" || name == "xmax" ? 28
                                                        : 29,
                     column->location);
        system_columns_.push_back({qualifier, name, column->location});
    }
    if (qualifier_parts >= 1) {
        attributes_.push_back(
            {qualifier, name, column->location, false, Operand::kTyped, qualifier_parts >= 2});
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
    Operand of = operand(reinterpret_cast<const Node*>(indirection->arg));
    for (const ListCell& step : cells(indirection->indirection)) {
        if (is_a(step.ptr_value, T_String)) {
            attributes_.push_back({qualifier, string_value(step.ptr_value), location, true, of});
        }
        qualifier = {};
        of = Operand::kTyped;
    }
}

// `x.f` calls a function f where x has no such column.
void Query::finish_attributes() {
    std::set<std::tuple<std::string_view, std::string_view, bool, Operand>> seen;
    for (const Attribute& attribute : attributes_) {
        if (!seen.insert(
                     {attribute.qualifier, attribute.name, attribute.parenthesised, attribute.of})
                 .second) {
            continue;
        }
        if (!surely_has_column(attribute.qualifier, attribute.name)) {
            note_cast({{}, attribute.name}, nullptr, attribute.location);
        }
        if (policy_.catalog().functions(attribute.name).empty() &&
            policy_.catalog().types(attribute.name).empty()) {
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
        // `(oid).pg_get_ruledef` is a call; `q.pg_get_ruledef` would be one with q's row, and fail.
        for (const Function* function : policy_.catalog().functions(attribute.name)) {
            if (attribute.parenthesised && policy_.prints_hidden(*function)) {
                refuse_definition(attribute.name, attribute.location);
            }
        }
        auto objection = calls_.attribute(attribute.name, attribute.of);
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
        const auto named = names_.find(call.argument);
        if (is_system_column(call.function) && !unnamed_items_ && named != names_.end() &&
            !named->second.others) {
            system_columns_.push_back({call.argument, call.function, call.location});
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

}  // namespace vitrine::parser
