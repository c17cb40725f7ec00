#include "parser/masking/written_sql.h"

#include <array>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "config/limits.h"
#include "parser/masking/mask_expression.h"
#include "parser/masking/meaning.h"
#include "parser/query.h"
#include "parser/query_parts.h"
#include "parser/syntax/parse_tree.h"
#include "parser/syntax/text_edit.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

namespace {

// Written by hand, for people: more is a mistake. The second bounds what an operand that is
// repeated (IN, CASE x WHEN, BETWEEN) multiplies.
constexpr unsigned kNestingMax = 100;
constexpr std::size_t kBytesMax = 16 * limits::kWrittenSqlBytesMax;

// A column as a value of its base type: a domain's functions are not asked.
std::string column_value(const Column& column) {
    return "CAST(" + quoted_identifier(column.name) + " AS " + column.type_sql + ")";
}

// The column that a name stands for; nullptr: it is not known.
using WrittenNames = std::function<const Column*(std::string_view)>;

class Writer {
  public:
    using Value = Meaning::Value;
    struct Written {
        std::string sql;
        Value value;
    };

    // Without a catalog, what a name of a function calls is not asked.
    Writer(const CatalogSnapshot* catalog, const WrittenNames& names)
        : catalog_(catalog), names_(names), meaning_(catalog) {}

    // In brackets, or a call or a constant. Once the meaning's why() is not empty, it means
    // nothing.
    Written expression(const Node* node);
    Meaning& meaning() { return meaning_; }

  private:
    Written fail(std::string why) {
        meaning_.fail(std::move(why));
        return {};
    }
    struct Writtens {
        std::string sql;
        std::vector<Value> values;
    };
    Writtens list(const List* nodes, const char* between = ", ");
    Written condition(const Node* node);
    Written construct(const Node* node);
    Written constant(const A_Const* constant);
    Written column(const ColumnRef* column);
    Written call(const FuncCall* call);
    Written operation(const A_Expr* operation);
    Written compare(const Written& left, std::string_view symbol, const Written& right);
    Written cast(const TypeCast* cast);
    Written choice(const CaseExpr* choice);
    Written subscripts(const A_Indirection* indirection);
    Written truth(const BooleanTest* test);
    std::string operator_name(const List* name);
    std::string qualified(const List* names, std::string_view what);
    std::string type(const TypeName* type);
    void check_function(const ObjectName& name);

    const CatalogSnapshot* catalog_;
    const WrittenNames& names_;
    Meaning meaning_;
    unsigned depth_ = 0;
};

// What a name means: pg_catalog's where no schema is written.
ObjectName meant(const List* names) {
    const WrittenName name = written_name(names);
    return {name.object.qualified() ? name.object.schema : "pg_catalog", name.object.name};
}

Writer::Written Writer::expression(const Node* node) {
    if (!meaning_.why().empty()) {
        return {};
    }
    if (node == nullptr) {
        return fail("it has a part that is not there");
    }
    if (depth_ >= kNestingMax) {
        return fail("it nests deeper than " + std::to_string(kNestingMax) + " levels");
    }
    ++depth_;
    Written written = construct(node);
    --depth_;
    return written.sql.size() > kBytesMax ? fail("it is too long, written in full") : written;
}

Writer::Written Writer::condition(const Node* node) {
    Written written = expression(node);
    meaning_.truth(written.value);
    return written;
}

// An allow-list: what is not on it is refused.
Writer::Written Writer::construct(const Node* node) {
    switch (nodeTag(node)) {
        case T_A_Const:
            return constant(as<A_Const>(node));
        case T_ColumnRef:
            return column(as<ColumnRef>(node));
        case T_FuncCall:
            return call(as<FuncCall>(node));
        case T_A_Expr:
            return operation(as<A_Expr>(node));
        case T_TypeCast:
            return cast(as<TypeCast>(node));
        case T_BoolExpr: {
            const auto* all = as<BoolExpr>(node);
            const Writtens parts = list(all->args, all->boolop == OR_EXPR ? " OR " : " AND ");
            for (const Value& each : parts.values) {
                meaning_.truth(each);
            }
            return {(all->boolop == NOT_EXPR ? "(NOT " : "(") + parts.sql + ")",
                    Meaning::boolean()};
        }
        case T_NullTest: {
            const auto* test = as<NullTest>(node);
            return {"(" + expression(reinterpret_cast<const Node*>(test->arg)).sql +
                        (test->nulltesttype == IS_NULL ? " IS NULL)" : " IS NOT NULL)"),
                    Meaning::boolean()};
        }
        case T_BooleanTest:
            return truth(as<BooleanTest>(node));
        case T_CaseExpr:
            return choice(as<CaseExpr>(node));
        case T_CoalesceExpr: {
            const Writtens parts = list(as<CoalesceExpr>(node)->args);
            return {"COALESCE(" + parts.sql + ")", meaning_.merged(parts.values)};
        }
        case T_MinMaxExpr: {
            const Writtens parts = list(as<MinMaxExpr>(node)->args);
            return {(as<MinMaxExpr>(node)->op == IS_GREATEST ? "GREATEST(" : "LEAST(") + parts.sql +
                        ")",
                    meaning_.merged(parts.values)};
        }
        case T_A_ArrayExpr: {
            const Writtens parts = list(as<A_ArrayExpr>(node)->elements);
            return {"ARRAY[" + parts.sql + "]", meaning_.array(parts.values)};
        }
        case T_A_Indirection:
            return subscripts(as<A_Indirection>(node));
        case T_CollateClause: {
            const Written written = expression(as<CollateClause>(node)->arg);
            return {"(" + written.sql + " COLLATE " +
                        qualified(as<CollateClause>(node)->collname, "a collation") + ")",
                    written.value};
        }
        case T_RowExpr:
            return fail("it is more than one expression");
        case T_SubLink:
            return fail("it has a sub-select in it");
        case T_ParamRef:
            return fail("it has a parameter in it");
        default:
            return fail("it has a construct that vitrine does not take here");
    }
}

Writer::Writtens Writer::list(const List* nodes, const char* between) {
    Writtens all;
    for (const ListCell& cell : cells(nodes)) {
        const Written written = expression(syntax::node(cell));
        all.sql += all.sql.empty() ? "" : between;
        all.sql += written.sql;
        all.values.push_back(written.value);
    }
    return all;
}

Writer::Written Writer::constant(const A_Const* constant) {
    if (constant->isnull) {
        return {"NULL", {0, true, {}, true}};
    }
    switch (nodeTag(&constant->val)) {
        case T_Integer:
            return {"(" + std::to_string(constant->val.ival.ival) + ")", Meaning::integer()};
        case T_Float:
            return {"(" + std::string(constant->val.fval.fval) + ")",
                    Meaning::number(constant->val.fval.fval)};
        case T_Boolean:
            return {constant->val.boolval.boolval ? "TRUE" : "FALSE", Meaning::boolean()};
        case T_String:
            return {quoted_literal(constant->val.sval.sval),
                    {0, true, constant->val.sval.sval, false}};
        case T_BitString: {  // b101, x1f
            const std::string_view bits = constant->val.bsval.bsval;
            return {std::string(bits.substr(0, 1)) + quoted_literal(bits.substr(1)),
                    Meaning::bits()};
        }
        default:
            return fail("it has a constant that vitrine does not know");
    }
}

Writer::Written Writer::column(const ColumnRef* column) {
    const auto fields = cells(column->fields);
    const std::string name = dotted(column->fields);
    if (fields.size() == 1 && is_a(fields[0].ptr_value, T_String)) {
        if (const Column* named = names_(name)) {
            return {column_value(*named), {named->base_type, false, {}, false}};
        }
    }
    return fail(name.empty() ? "it has a * in it"
                             : "it names " + name + ", which is not known here");
}

// Aggregates would make one row of all, sets many of one.
void Writer::check_function(const ObjectName& name) {
    if (catalog_ == nullptr) {
        return;
    }
    for (const Function* function : catalog_->functions(name.name)) {
        if (function->schema != name.schema) {
            continue;
        }
        if (function->kind != 'f') {
            fail("it calls " + name.text() + ", which is not for one value");
        } else if (function->returns_set) {
            fail("it calls " + name.text() + ", which gives a set of rows");
        }
    }
}

Writer::Written Writer::call(const FuncCall* call) {
    if (call->agg_order != nullptr || call->agg_filter != nullptr || call->over != nullptr ||
        call->agg_within_group || call->agg_star || call->agg_distinct) {
        return fail("it calls " + dotted(call->funcname) + " as an aggregate");
    }
    std::string sql = qualified(call->funcname, "a function");
    const ObjectName name = meant(call->funcname);
    check_function(name);
    sql += "(";
    std::vector<Value> values;
    const auto arguments = cells(call->args);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        sql += i == 0 ? "" : ", ";
        sql += call->func_variadic && i + 1 == arguments.size() ? "VARIADIC " : "";
        const Written argument = expression(syntax::node(arguments[i]));
        sql += argument.sql;
        values.push_back(argument.value);
    }
    return {sql + ")", meaning_.function(name.schema, name.name, values)};
}

Writer::Written Writer::compare(const Written& left, std::string_view symbol,
                                const Written& right) {
    return {"(" + left.sql + " OPERATOR(pg_catalog." + std::string(symbol) + ") " + right.sql + ")",
            meaning_.operation("pg_catalog", symbol, std::array{left.value, right.value})};
}

std::string Writer::operator_name(const List* name) {
    const WrittenName written = written_name(name);
    if (!written.valid || !written.catalog.empty()) {
        return fail("it has an operator by a name that vitrine does not take").sql;
    }
    return " OPERATOR(" +
           (written.object.qualified() ? quoted_identifier(written.object.schema) : "pg_catalog") +
           "." + std::string(written.object.name) + ") ";
}

// What the server would look up under its own "=" or "<" is written out (parse_expr.c).
Writer::Written Writer::operation(const A_Expr* operation) {
    const ObjectName name = meant(operation->name);
    switch (operation->kind) {
        case AEXPR_OP:
        case AEXPR_LIKE:
        case AEXPR_ILIKE:
        case AEXPR_SIMILAR: {
            std::string sql = "(";
            std::vector<Value> values;
            if (operation->lexpr != nullptr) {
                const Written left = expression(operation->lexpr);
                sql += left.sql;
                values.push_back(left.value);
            }
            const Written right = expression(operation->rexpr);
            values.push_back(right.value);
            return {sql + operator_name(operation->name) + right.sql + ")",
                    meaning_.operation(name.schema, name.name, values)};
        }
        case AEXPR_OP_ANY:
        case AEXPR_OP_ALL: {
            const Written left = expression(operation->lexpr);
            const Written right = expression(operation->rexpr);
            return {"(" + left.sql + operator_name(operation->name) +
                        (operation->kind == AEXPR_OP_ANY ? "ANY (" : "ALL (") + right.sql + "))",
                    meaning_.any_of(right.value, name.schema, name.name, left.value)};
        }
        case AEXPR_IN: {
            const bool in = name.name == "=";
            std::string sql;
            const Written value = expression(operation->lexpr);
            for (const ListCell& cell : cells(as<List>(operation->rexpr))) {
                sql += sql.empty() ? "(" : in ? " OR " : " AND ";
                sql += compare(value, in ? "=" : "<>", expression(syntax::node(cell))).sql;
                if (sql.size() > kBytesMax) {
                    return fail("it is too long, written in full");
                }
            }
            return {sql + ")", Meaning::boolean()};
        }
        case AEXPR_BETWEEN:
        case AEXPR_NOT_BETWEEN: {
            const auto bounds = cells(as<List>(operation->rexpr));
            const bool between = operation->kind == AEXPR_BETWEEN;
            const Written value = expression(operation->lexpr);
            const auto bound = [&](std::size_t which, const char* symbol) {
                return compare(value, symbol, expression(syntax::node(bounds[which]))).sql;
            };
            const std::string low = bound(0, between ? ">=" : "<");
            return {"(" + low + (between ? " AND " : " OR ") + bound(1, between ? "<=" : ">") + ")",
                    Meaning::boolean()};
        }
        case AEXPR_NULLIF: {
            const Written value = expression(operation->lexpr);
            const Written same = compare(value, "=", expression(operation->rexpr));
            return {"(CASE WHEN " + same.sql + " THEN NULL ELSE " + value.sql + " END)",
                    meaning_.merged(std::array{value.value})};
        }
        case AEXPR_DISTINCT:
        case AEXPR_NOT_DISTINCT:
        case AEXPR_BETWEEN_SYM:
        case AEXPR_NOT_BETWEEN_SYM:
            break;
    }
    return fail(
        "it has IS DISTINCT FROM or BETWEEN SYMMETRIC in it; write it with =, <, > and IS NULL");
}

std::string Writer::qualified(const List* names, std::string_view what) {
    const WrittenName name = written_name(names);
    if (!name.valid || !name.catalog.empty()) {
        return fail("it has " + std::string(what) + " by a name that vitrine does not take").sql;
    }
    return (name.object.qualified() ? quoted_identifier(name.object.schema) : "pg_catalog") + "." +
           quoted_identifier(name.object.name);
}

Writer::Written Writer::cast(const TypeCast* cast) {
    const Written of = expression(cast->arg);
    const std::string sql = "CAST(" + of.sql + " AS " + type(cast->typeName) + ")";
    if (!meaning_.why().empty()) {
        return {};
    }
    const ObjectName name = meant(cast->typeName->names);
    return {sql, meaning_.cast(of.value, is_a(cast->arg, T_A_Const) && !of.value.literal,
                               name.schema, name.name, cast->typeName->arrayBounds != nullptr)};
}

std::string Writer::type(const TypeName* type) {
    if (type->names == nullptr || type->setof || type->pct_type) {
        return fail("it has a type by a name that vitrine does not take").sql;
    }
    std::string sql = qualified(type->names, "a type");
    const auto modifiers = cells(type->typmods);
    // Those of interval are no numbers where they are written.
    if (!modifiers.empty() && sql == "pg_catalog.\"interval\"") {
        return fail("it has an interval with fields or a precision; write it without").sql;
    }
    for (std::size_t i = 0; i < modifiers.size(); ++i) {
        if (!is_a(modifiers[i].ptr_value, T_A_Const)) {
            return fail("it has a type with a modifier that is no number").sql;
        }
        const auto* number = as<A_Const>(modifiers[i].ptr_value);
        if (number->isnull || nodeTag(&number->val) != T_Integer) {
            return fail("it has a type with a modifier that is no number").sql;
        }
        sql += (i == 0 ? "(" : ", ") + std::to_string(number->val.ival.ival);
    }
    sql += modifiers.empty() ? "" : ")";
    for ([[maybe_unused]] const ListCell& bound : cells(type->arrayBounds)) {
        sql += "[]";
    }
    return sql;
}

Writer::Written Writer::choice(const CaseExpr* choice) {
    std::string sql = "(CASE";
    std::vector<Value> results;
    const bool of_value = choice->arg != nullptr;
    const Written value =
        of_value ? expression(reinterpret_cast<const Node*>(choice->arg)) : Written{};
    const auto result = [&](const Expr* node) {
        const Written written = expression(reinterpret_cast<const Node*>(node));
        results.push_back(written.value);
        return written.sql;
    };
    for (const ListCell& cell : cells(choice->args)) {
        const auto* when = as<CaseWhen>(cell.ptr_value);
        const auto* test = reinterpret_cast<const Node*>(when->expr);
        sql += " WHEN " + (of_value ? compare(value, "=", expression(test)) : condition(test)).sql +
               " THEN " + result(when->result);
        if (sql.size() > kBytesMax) {
            return fail("it is too long, written in full");
        }
    }
    if (choice->defresult != nullptr) {
        sql += " ELSE " + result(choice->defresult);
    }
    return {sql + " END)", meaning_.merged(results)};
}

// `(x).f` may be a function's call by its name alone: not here.
Writer::Written Writer::subscripts(const A_Indirection* indirection) {
    const Written of = expression(indirection->arg);
    std::string sql = "(" + of.sql + ")";
    std::vector<Value> values;
    bool slice = false;
    const auto index = [&](const Node* node) {
        if (node != nullptr) {
            const Written written = expression(node);
            sql += written.sql;
            values.push_back(written.value);
        }
    };
    for (const ListCell& cell : cells(indirection->indirection)) {
        if (!is_a(cell.ptr_value, T_A_Indices)) {
            return fail("it has a field of a row in it");
        }
        const auto* indices = as<A_Indices>(cell.ptr_value);
        slice = slice || indices->is_slice;
        sql += "[";
        index(indices->lidx);
        sql += indices->is_slice ? ":" : "";
        index(indices->uidx);
        sql += "]";
    }
    return {sql, meaning_.subscripted(of.value, values, slice)};
}

Writer::Written Writer::truth(const BooleanTest* test) {
    const auto is = [&](const char* words) -> Written {
        return {"(" + condition(reinterpret_cast<const Node*>(test->arg)).sql + words + ")",
                Meaning::boolean()};
    };
    switch (test->booltesttype) {
        case IS_TRUE:
            return is(" IS TRUE");
        case IS_NOT_TRUE:
            return is(" IS NOT TRUE");
        case IS_FALSE:
            return is(" IS FALSE");
        case IS_NOT_FALSE:
            return is(" IS NOT FALSE");
        case IS_UNKNOWN:
            return is(" IS UNKNOWN");
        case IS_NOT_UNKNOWN:
            return is(" IS NOT UNKNOWN");
    }
    return fail("it has a test that vitrine does not know");
}

// The only target of a SELECT that has nothing else; nullptr where there is more or less.
const Node* only_target(const List* statements) {
    const auto all = cells(statements);
    if (all.size() != 1 || !is_a(as<RawStmt>(all[0].ptr_value)->stmt, T_SelectStmt)) {
        return nullptr;
    }
    const auto* select = as<SelectStmt>(as<RawStmt>(all[0].ptr_value)->stmt);
    const auto targets = cells(select->targetList);
    if (targets.size() != 1 || select->distinctClause != nullptr || select->intoClause != nullptr ||
        select->fromClause != nullptr || select->whereClause != nullptr ||
        select->groupClause != nullptr || select->havingClause != nullptr ||
        select->windowClause != nullptr || select->valuesLists != nullptr ||
        select->sortClause != nullptr || select->limitOffset != nullptr ||
        select->limitCount != nullptr || select->lockingClause != nullptr ||
        select->withClause != nullptr || select->op != SETOP_NONE) {
        return nullptr;
    }
    const auto* target = as<ResTarget>(targets[0].ptr_value);
    return target->name == nullptr && target->indirection == nullptr ? target->val : nullptr;
}

// Whatever else is asked of what was written.
using Demand = std::function<void(const Meaning::Value&, Meaning&)>;

// One parse tree at a time: it is gone when the result is judged.
std::optional<std::string> rewritten(const std::string& sql, const CatalogSnapshot* catalog,
                                     const WrittenNames& names, const Demand& demand,
                                     std::string& why) {
    // The newline ends a comment.
    const std::string text = "SELECT (" + sql + "\n)";
    if (text.find('\0') != std::string::npos ||
        syntax::find_too_complex(text, limits::kNestingMax)) {
        why = "it is too complex";
        return std::nullopt;
    }
    const syntax::ParseTree tree(text);
    if (tree.error()) {
        why = "it is no SQL: " + tree.error()->message;
        return std::nullopt;
    }
    const Node* target = only_target(tree.statements());
    if (target == nullptr) {
        why = "it is not one expression";
        return std::nullopt;
    }
    Writer writer(catalog, names);
    Writer::Written written = writer.expression(target);
    if (writer.meaning().why().empty()) {
        demand(written.value, writer.meaning());
    }
    if (!writer.meaning().why().empty()) {
        why = writer.meaning().why();
        return std::nullopt;
    }
    return std::move(written.sql);
}

// As a client's text: may it call what it calls?
bool is_allowed(const std::string& expression, const Policy& policy, std::string& why) {
    const std::string text = "SELECT " + expression;
    const syntax::ParseTree tree(text);
    if (tree.error() || cells(tree.statements()).size() != 1) {
        why = "it cannot be written in full";
        return false;
    }
    const std::vector<std::string> schemas{"pg_catalog"};
    const SearchPath path{schemas, true};
    syntax::TextEdits edits;
    Query query(text, 0, text.size(), policy, path, edits);
    query.walk(as<RawStmt>(cells(tree.statements())[0].ptr_value)->stmt);
    query.finish();
    if (const auto& refusal = query.refusal()) {
        why = refusal->refusal.message;
        if (!refusal->refusal.detail.empty()) {
            why += " (" + refusal->refusal.detail + ")";
        }
        return false;
    }
    if (edits.count() > 0 || query.sets_search_path()) {
        why = "it reads or sets a setting that is not for it";
        return false;
    }
    return true;
}

// The expression, written anew and judged.
std::optional<std::string> written_anew(const std::string& sql, const Policy& policy,
                                        const WrittenNames& names, const Demand& demand,
                                        std::string& why) {
    auto expression = rewritten(sql, &policy.catalog(), names, demand, why);
    return expression && is_allowed(*expression, policy, why) ? expression : std::nullopt;
}

}  // namespace

std::string written_problem(const std::string& sql) {
    const Column any;
    std::string why;
    (void)rewritten(
        sql, nullptr, [&](std::string_view) { return &any; },
        [](const Meaning::Value&, Meaning&) {}, why);
    return why;
}

std::optional<std::string> written_expression(const std::string& sql, const Column& column,
                                              const Policy& policy, std::string& why) {
    if (column.type_sql.empty()) {
        why = "the column's type is not known";
        return std::nullopt;
    }
    const auto expression = written_anew(
        sql, policy, [&](std::string_view name) { return name == "value" ? &column : nullptr; },
        [&](const Meaning::Value& value, Meaning& meaning) {
            meaning.becomes(value, column.base_type);
        },
        why);
    if (!expression) {
        why = "of its expression, " + why;
        return std::nullopt;
    }
    return as_column("CASE WHEN " + quoted_identifier(column.name) + " IS NULL THEN NULL ELSE " +
                         *expression + " END",
                     column);
}

std::optional<std::string> written_filter(const std::string& sql, const Relation& relation,
                                          const Policy& policy, std::string& why) {
    return written_anew(
        sql, policy,
        [&](std::string_view name) {
            const Column* column = relation.column(name);
            return column == nullptr || column->type_sql.empty() ? nullptr : column;
        },
        [](const Meaning::Value& value, Meaning& meaning) {
            if (value.literal || value.type != Meaning::boolean().type) {
                meaning.fail("it is no condition: its type is not boolean, or not known");
            }
        },
        why);
}

}  // namespace vitrine::parser
