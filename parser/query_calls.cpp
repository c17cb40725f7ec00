// Functions, operators, types and columns in a query: what a name may call.

#include "parser/query.h"

#include <algorithm>
#include <array>
#include <utility>

#include "config/limits.h"
#include "parser/masking/mask_expression.h"
#include "parser/masking/rewrite.h"
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

constexpr Oid kRecordType = 2249;  // pg_type.dat

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

// Names of settings that a user may not see, as a regular expression; compare judge_show().
std::string hidden_settings_pattern() {
    std::string pattern(kSettingPrefix.substr(0, kSettingPrefix.size() - 1));
    pattern += "[.].*";
    for (const std::string_view name : secret_settings()) {
        pattern += '|';
        for (const char c : name) {
            pattern += c == '.' ? std::string("[.]") : std::string(1, c);
        }
    }
    return pattern;
}

// What restrict_nonsystem_relation_kind is set to: it takes something away, and gives nothing.
bool restricts_kinds(std::string_view list) {
    std::size_t begin = 0;
    while (begin <= list.size()) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        std::string_view kind = list.substr(begin, end - begin);
        while (kind.starts_with(' ')) {
            kind.remove_prefix(1);
        }
        if (kind != "view" && kind != "foreign-table") {
            return false;
        }
        begin = end + 1;
    }
    return true;
}

bool is_null_constant(const Node* node) {
    return is_a(node, T_A_Const) && as<A_Const>(node)->isnull;
}

}  // namespace

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

bool Query::is_void_parameter(const Node* node) const {
    constexpr Oid kVoidType = 2278;
    if (!is_a(node, T_ParamRef)) {
        return false;
    }
    const int number = as<ParamRef>(node)->number;
    return number >= 1 && static_cast<std::size_t>(number) <= parameter_types_.size() &&
           parameter_types_[static_cast<std::size_t>(number) - 1] == kVoidType;
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

std::optional<std::pair<std::size_t, std::size_t>> Query::argument_place(const FuncCall* call,
                                                                         std::size_t argument) {
    const syntax::Tokens& all = tokens();
    const std::size_t name = all.at(at(call->location));
    if (name >= all.size()) {
        return std::nullopt;
    }
    const std::size_t open = all.after_name(name, cells(call->funcname).size());
    if (open >= all.size() || !all.is(open, '(')) {
        return std::nullopt;
    }
    std::size_t depth = 0;
    std::size_t first = open + 1;
    for (std::size_t i = open + 1; i < all.size(); ++i) {
        const bool closing = all.is(i, ')') || all.is(i, ']');
        if (depth == 0 && (closing || all.is(i, ','))) {
            if (argument == 0) {
                return i == first ? std::nullopt
                                  : std::optional(std::pair{all.begin(first), all.end(i - 1)});
            }
            if (closing) {
                return std::nullopt;
            }
            --argument;
            first = i + 1;
        } else if (closing) {
            --depth;
        } else if (all.is(i, '(') || all.is(i, '[')) {
            ++depth;
        }
    }
    return std::nullopt;
}

// Computed once, whatever it is; under "C" letters are those of ASCII, as guc.c compares them.
void Query::filter_setting_name(const FuncCall* call, const std::string& pattern,
                                std::string_view replacement) {
    const auto place = argument_place(call, 0);
    if (!place) {
        refuse(not_supported("this way to write the call", "", "Write it as f(…).",
                             "function: current_setting"),
               call->location);
        return;
    }
    if (edit(place->first, place->first, "pg_catalog.regexp_replace((", call->location)) {
        (void)edit(place->second, place->second,
                   ") COLLATE pg_catalog.\"C\", " + quoted_literal(pattern) + ", " +
                       quoted_literal(replacement) + ", 'i')",
                   call->location);
    }
}

bool Query::show_all_settings(const RangeFunction* function, const Item& item) {
    const auto functions = cells(function->functions);
    if (functions.size() != 1 || function->is_rowsfrom || function->ordinality ||
        function->coldeflist != nullptr) {
        return false;
    }
    const auto parts = cells(as<List>(functions[0].ptr_value));
    if (parts.empty() || !is_a(parts[0].ptr_value, T_FuncCall)) {
        return false;
    }
    const auto* call = as<FuncCall>(parts[0].ptr_value);
    const WrittenName name = written_name(call->funcname);
    const CatalogSnapshot& catalog = policy_.catalog();
    if (!name.valid || name.object.name != "pg_show_all_settings" || call->args != nullptr ||
        !name.catalog.empty() || (name.object.qualified() && name.object.schema != "pg_catalog") ||
        catalog.functions(name.object.name).size() != 1 ||
        (!name.object.qualified() && path_.place("pg_catalog") == SearchPath::kUnreachable)) {
        return false;
    }
    const Relation* settings = catalog.relation("pg_catalog", "pg_settings");
    const RelationPolicy* policy = settings == nullptr ? nullptr : policy_.relation(settings->oid);
    const syntax::Tokens& all = tokens();
    const std::size_t first = all.at(at(call->location));
    if (policy == nullptr || policy->closed || !is_rewritten(policy) || first >= all.size()) {
        return false;
    }
    const std::size_t open = all.after_name(first, cells(call->funcname).size());
    if (!all.is(open, '(') || !all.is(open + 1, ')')) {
        return false;
    }
    // The same masks, over the function itself: its columns are no table's.
    std::string text = "(" + masked_select(*policy, false);
    constexpr std::string_view kRelation = "\"pg_catalog\".\"pg_settings\"";
    if (!text.ends_with(kRelation)) {
        return false;
    }
    text.replace(text.size() - kRelation.size(), kRelation.size(),
                 "pg_catalog.pg_show_all_settings()");
    text += masked_filter(*policy) + ")";
    if (function->alias == nullptr) {
        text += " AS pg_show_all_settings";
    }
    if (edit(all.begin(first), all.end(open + 1), std::move(text), call->location)) {
        note_masked(*policy);
        add_item(function->alias != nullptr ? function->alias->aliasname : "pg_show_all_settings",
                 item);
    }
    return true;
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
    if (setting == nullptr && !named && !call->func_variadic && !arguments.empty()) {
        // The name comes from a row, as in psql's \dconfig; and pg_dump sets this one so.
        constexpr std::string_view kRestricts = "restrict_nonsystem_relation_kind";
        if (function.name == "current_setting") {
            filter_setting_name(call, "^(" + hidden_settings_pattern() + ")$", kHiddenSetting);
            return;
        }
        const char* text =
            arguments.size() > 1 ? text_constant(syntax::node(arguments[1])) : nullptr;
        if (is_a(arguments[0].ptr_value, T_ColumnRef) && text != nullptr && restricts_kinds(text)) {
            filter_setting_name(call, "^(?!" + std::string(kRestricts) + "$).*$", "");
            return;
        }
    }
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
    if (is_application_name(setting) && !application_prefix_.empty()) {
        // As SET is rewritten, so that the name of the user stays before it.
        const char* text =
            arguments.size() > 1 ? text_constant(syntax::node(arguments[1])) : nullptr;
        const auto place = argument_place(call, 1);
        if (text == nullptr || !place) {
            object({"42501", "permission denied for function " + function.name,
                    "The user's name stands before application_name for the DBA, so that it must "
                    "be known before the statement runs.",
                    "Write the name as a string constant."});
            return;
        }
        (void)edit(place->first, place->second,
                   quoted_literal(std::string(application_prefix_) + text), call->location);
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
        if (!qualifier.empty()) {
            note_bare_column(qualifier);  // as an argument it is a row
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
        auto objection = calls_.attribute(attribute.name, attribute.of);
        // `(c).f`: c is a column of that name before it is a relation.
        if (objection && (attribute.qualifier.empty() || attribute.parenthesised ||
                          !surely_has_column(attribute.qualifier, attribute.name))) {
            refuse(std::move(*objection), attribute.location);
        }
    }
}

void Query::assign(const List* values) {
    if (!policy_.refuses_written_casts()) {
        return;
    }
    for (const ListCell& cell : cells(values)) {
        if (operand(syntax::node(cell)) == Operand::kLiteral) {
            continue;
        }
        for (const Type& type : policy_.catalog().types()) {
            if (!type.written_casts.empty()) {
                note_cast(&type, syntax::node(cell), -1);
            }
        }
    }
}

void Query::add_conditional(Conditional conditional, std::array<const Node*, 2> operands,
                            int location) {
    if (conditional_.size() >= limits::kConditionalMax) {
        refuse(std::move(conditional.objection), location);
        return;
    }
    conditional_.push_back({std::move(conditional), operands, using_column_, location});
}

void Query::note_bare_column(std::string_view name) {
    if (bare_columns_count_ == bare_columns_.size()) {
        rows_ = true;
        return;
    }
    bare_columns_[bare_columns_count_++] = name;
}

void Query::note_cast(const ObjectName& name, const Node* value, int location) {
    if (!policy_.refuses_written_casts()) {
        return;
    }
    for (const Type* target : calls_.types(name)) {
        note_cast(target, value, location);
    }
}

// What values of these types hold can be taken out of them.
void Query::add_parts(std::set<Oid>& types) const {
    const CatalogSnapshot& catalog = policy_.catalog();
    std::vector<Oid> pending(types.begin(), types.end());
    while (!pending.empty()) {
        const Type* type = catalog.type(pending.back());
        pending.pop_back();
        if (type == nullptr) {
            continue;
        }
        std::vector<Oid> parts = type->parts;
        parts.push_back(type->base);
        parts.push_back(type->element);
        if (const Relation* row = catalog.relation(type->relation)) {
            for (const Column& column : row->columns) {
                parts.push_back(column.type);
            }
        }
        for (const Oid part : parts) {
            if (part != 0 && types.insert(part).second) {
                pending.push_back(part);
            }
        }
    }
}

// Can a value of this type be there, given all types of users that are?
bool Query::present(Oid oid, const std::set<Oid>& types) const {
    const Type* type = policy_.catalog().type(oid);
    for (std::size_t depth = 0; type != nullptr && depth < 64; ++depth) {  // no circles
        const auto there = [&](Oid each) {
            // Only where one of them is refused, builtin types are kept track of.
            const Type* held = policy_.catalog().type(each);
            return types.contains(each) ||
                   (held != nullptr && held->element != 0 && types.contains(held->element)) ||
                   (each < kFirstNormalObjectId &&
                    (parameters_ || !policy_.refuses_builtin_types()));
        };
        if (there(type->oid)) {
            return true;
        }
        // A row without a type becomes any composite type; what has an implicit cast becomes this.
        const Relation* row = policy_.catalog().relation(type->relation);
        if ((type->kind == 'c' && types.contains(kRecordType)) || type->kind == 'p' ||
            (row != nullptr && !row->children.empty()) ||  // a child's row is one of its parent's
            std::any_of(type->implicit_sources.begin(), type->implicit_sources.end(), there)) {
            return true;
        }
        const Oid next = type->kind == 'd' ? type->base : type->element;
        if (next == 0) {
            return false;
        }
        type = policy_.catalog().type(next);
    }
    return true;
}

// The types of all values that the statement can have: those of users, and builtin ones where
// they matter (Calls::watch).
std::set<Oid> Query::types_there() const {
    std::set<Oid> types = types_of_users_;
    types.insert(types_seen_.begin(), types_seen_.end());
    // A literal that nothing gives a type, GROUPING(), a number, a condition, system columns.
    types.insert(constant_types_.begin(), constant_types_.end());
    types.insert({25, 23, 20, 16});
    if (!system_columns_.empty()) {
        types.insert({26, 27, 28, 29});
    }
    for (const RangeItem& item : items_) {
        if (item.relation != nullptr) {
            types.insert(item.relation->row_type);
            for (const Column& column : item.relation->columns) {
                types.insert(column.type);
            }
        }
    }
    types.insert(parameter_types_.begin(), parameter_types_.end());
    // ROW(…), and the name of a sub-select as a value.
    const bool rows =
        rows_ || parameters_ || unnamed_items_ ||
        std::any_of(bare_columns_.begin(), bare_columns_.begin() + bare_columns_count_,
                    [&](std::string_view name) {
                        const auto named = names_.find(name);
                        return named != names_.end() && named->second.others;
                    });
    if (rows) {
        types.insert(kRecordType);
    }
    add_parts(types);
    // Ranges are put together to multiranges.
    for (const Type& type : policy_.catalog().types()) {
        if (type.kind == 'm' && std::any_of(type.parts.begin(), type.parts.end(),
                                            [&](Oid range) { return types.contains(range); })) {
            types.insert(type.oid);
        }
    }
    return types;
}

// What operators of that symbol give for such operands.
std::optional<std::vector<Oid>> Query::types_of_operation(const Node* node, unsigned depth) const {
    const auto* operation = as<A_Expr>(node);
    const WrittenName name = written_name(operation->name);
    const auto side = [&](const Node* expression) {
        return operand(expression) == Operand::kLiteral ? std::optional(std::vector<Oid>{})
                                                        : types_of(expression, depth);
    };
    const auto left = side(operation->lexpr);
    const auto right = side(operation->rexpr);
    if (!name.valid || !right || (operation->lexpr != nullptr && !left)) {
        return std::nullopt;
    }
    // No type at all: a literal, which becomes any.
    const CatalogSnapshot& catalog = policy_.catalog();
    const auto fits = [&](const std::vector<Oid>& types, Oid wanted) {
        const Type* target = catalog.type(wanted);
        const bool range = target != nullptr && target->kind == 'p' &&
                           target->name.find("range") != std::string::npos;
        return types.empty() || std::any_of(types.begin(), types.end(), [&](Oid type) {
                   const Type* source = catalog.type(type);
                   // anyrange, anymultirange and their compatible kin take nothing else.
                   return range ? source == nullptr || source->kind == 'r' || source->kind == 'm' ||
                                      source->kind == 'd'
                                : becomes(type, wanted);
               });
    };
    std::vector<Oid> results;
    for (const Operator* candidate : catalog.operators(name.object.name)) {
        if ((candidate->left == 0) != (operation->lexpr == nullptr) ||
            !fits(*right, candidate->right) ||
            (candidate->left != 0 && !fits(*left, candidate->left))) {
            continue;
        }
        const Type* result = catalog.type(candidate->result);
        if (result == nullptr || result->kind == 'p') {
            return std::nullopt;
        }
        results.push_back(candidate->result);
    }
    return results.empty() ? std::nullopt : std::optional(std::move(results));
}

std::optional<std::vector<Oid>> Query::types_of(const Node* expression, unsigned depth) const {
    constexpr unsigned kDepth = 8;  // of operations in one another
    if (is_a(expression, T_TypeCast)) {
        const TypeName* target = as<TypeCast>(expression)->typeName;
        const WrittenName name = written_name(target->names);
        if (!name.valid || target->arrayBounds != nullptr) {
            return std::nullopt;
        }
        std::vector<Oid> types;
        for (const Type* type : calls_.types(name.object)) {
            types.push_back(type->oid);
        }
        return types;
    }
    if (is_a(expression, T_A_Expr) && as<A_Expr>(expression)->kind == AEXPR_OP && depth < kDepth) {
        return types_of_operation(expression, depth + 1);
    }
    if (is_a(expression, T_ParamRef)) {
        const int number = as<ParamRef>(expression)->number;
        const auto at = static_cast<std::size_t>(number) - 1;
        if (number < 1 || at >= parameter_types_.size() || parameter_types_[at] == 0) {
            return std::nullopt;
        }
        return std::vector<Oid>{parameter_types_[at]};
    }
    if (is_a(expression, T_A_Const)) {
        switch (nodeTag(&as<A_Const>(expression)->val)) {
            case T_Integer:
                return std::vector<Oid>{23};
            case T_Float:  // or bigint, where it is an integer that long
                return std::vector<Oid>{1700, 20};
            case T_Boolean:
                return std::vector<Oid>{16};
            case T_BitString:
                return std::vector<Oid>{1560};
            default:
                return std::nullopt;
        }
    }
    if (!is_a(expression, T_ColumnRef) || unnamed_items_) {
        return std::nullopt;
    }
    const auto fields = cells(as<ColumnRef>(expression)->fields);
    if (fields.empty() || fields.size() > 2 || !is_a(fields.back().ptr_value, T_String) ||
        !is_a(fields[0].ptr_value, T_String)) {
        return std::nullopt;
    }
    return types_of_column(fields.size() == 2 ? string_value(fields[0].ptr_value) : "",
                           string_value(fields.back().ptr_value));
}

// All that the name of a column can mean, wherever in the statement it stands.
std::optional<std::vector<Oid>> Query::types_of_column(std::string_view qualifier,
                                                       std::string_view column) const {
    std::vector<Oid> types;
    for (const RangeItem& item : items_) {
        if (!qualifier.empty() && item.name != qualifier) {
            continue;
        }
        if (item.relation == nullptr || item.renamed_columns) {
            return std::nullopt;
        }
        if (qualifier.empty() && item.name == column) {
            types.push_back(item.relation->row_type);
        }
        if (const Column* found = item.relation->column(column)) {
            types.push_back(found->type);
        } else if (!qualifier.empty()) {
            return std::nullopt;  // a function in the notation of an attribute
        }
    }
    // Not a column that is known: an attribute that is a function, or a system column.
    if (types.empty()) {
        return std::nullopt;
    }
    return types;
}

bool Query::becomes(Oid from, Oid to, unsigned depth) const {
    if (from == to || depth > 32) {
        return true;
    }
    const CatalogSnapshot& catalog = policy_.catalog();
    const Type* source = catalog.type(from);
    const Type* target = catalog.type(to);
    if (source == nullptr || target == nullptr || target->kind == 'p' ||
        (from == kRecordType && target->kind == 'c')) {
        return true;
    }
    if (std::find(target->implicit_sources.begin(), target->implicit_sources.end(), from) !=
        target->implicit_sources.end()) {
        return true;
    }
    if (source->kind == 'd') {
        return becomes(source->base, to, depth + 1);
    }
    if (target->kind == 'd') {
        return becomes(from, target->base, depth + 1);
    }
    if (source->element != 0 && target->element != 0) {
        return becomes(source->element, target->element, depth + 1);
    }
    return source->kind == 'c' && target->kind == 'c';  // a child's row for its parent's
}

// What holds only where values of certain types are: judged when all is known that gives values.
void Query::finish_conditional() {
    if (conditional_.empty()) {
        return;
    }
    const std::set<Oid> types = types_there();
    for (LocatedConditional& each : conditional_) {
        const auto& needs = each.conditional.needs;
        const auto met = [&](const Need& need) {
            const Node* operand =
                need.operand < each.operands.size() ? each.operands[need.operand] : nullptr;
            const auto known = each.using_column.empty() || unnamed_items_
                                   ? types_of(operand)
                                   : types_of_column({}, each.using_column);
            if (known) {
                return std::any_of(known->begin(), known->end(),
                                   [&](Oid type) { return becomes(type, need.type); });
            }
            return present(need.type, types);
        };
        if (std::all_of(needs.begin(), needs.end(), met)) {
            refuse(std::move(each.conditional.objection), each.location);
        }
    }
}

// Beyond some, casts to one type are one.
void Query::note_cast(const Type* target, const Node* value, int location) {
    if (casts_.size() >= limits::kCastsApartMax) {
        value = nullptr;
    }
    if (value != nullptr || casts_of_any_.insert(target).second) {
        casts_.push_back({target, value, location});
    }
}

// A cast by a user's function runs where it is written, if a value of its source
// type can be there.
void Query::finish_casts() {
    if (casts_.empty()) {
        return;
    }
    const CatalogSnapshot& catalog = policy_.catalog();
    const std::set<Oid> all = types_there();
    for (const CastHere& cast : casts_) {
        const auto known = types_of(cast.value);
        std::set<Oid> types = all;
        if (known) {
            types = {known->begin(), known->end()};
            add_parts(types);
        }
        std::set<Oid> targets{cast.target->oid};
        for (const Type& array : policy_.catalog().types()) {
            if (array.element == cast.target->oid) {
                targets.insert(array.oid);  // which name[] is written for
            }
        }
        add_parts(targets);
        for (const Oid oid : targets) {
            const Type* target = catalog.type(oid);
            if (target == nullptr) {
                continue;
            }
            for (const WrittenCast& written : target->written_casts) {
                const Type* source = catalog.type(written.source);
                const Oid value =
                    source != nullptr && source->element != 0 ? source->element : written.source;
                const Function* function = catalog.function(written.function);
                std::string why = "it is not in the catalog";
                if (((known || !parameters_) && !types.contains(value)) ||
                    (function != nullptr && policy_.function_allowed(*function, &why))) {
                    continue;
                }
                const std::string name = function == nullptr
                                             ? std::string("a function")
                                             : function->schema + "." + function->name;
                refuse({"42501",
                        "permission denied for the cast from " +
                            (source == nullptr ? std::string("a type") : source->name) + " to " +
                            target->name,
                        "The cast calls " + name + ": " + why + ".",
                        "Leave the cast out; or the operator can allow the function under "
                        "functions: allow.",
                        "function: " + name, false},
                       cast.location);
            }
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
