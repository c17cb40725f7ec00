#include "parser/masking/written_sql.h"

#include <algorithm>
#include <string_view>

#include "config/limits.h"
#include "parser/masking/mask_expression.h"
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

class Writer {
  public:
    // Without a catalog, what a name of a function calls is not asked.
    Writer(const CatalogSnapshot* catalog, const WrittenNames& names)
        : catalog_(catalog), names_(names) {}

    // In brackets, or a call or a constant. Once `why` is not empty, the text means nothing.
    std::string expression(const Node* node);
    [[nodiscard]] const std::string& why() const { return why_; }

  private:
    std::string fail(std::string why) {
        if (why_.empty()) {
            why_ = std::move(why);
        }
        return {};
    }
    std::string construct(const Node* node);
    std::string list(const List* nodes, const char* between = ", ");
    std::string constant(const A_Const* constant);
    std::string column(const ColumnRef* column);
    std::string call(const FuncCall* call);
    std::string operation(const A_Expr* operation);
    std::string compare(const std::string& left, std::string_view symbol, const std::string& right);
    std::string operator_name(const List* name);
    std::string qualified(const List* names, std::string_view what);
    std::string type(const TypeName* type);
    std::string choice(const CaseExpr* choice);
    std::string subscripts(const A_Indirection* indirection);
    std::string truth(const BooleanTest* test);
    void check_function(const ObjectName& name);

    const CatalogSnapshot* catalog_;
    const WrittenNames& names_;
    std::string why_;
    unsigned depth_ = 0;
};

std::string Writer::expression(const Node* node) {
    if (!why_.empty()) {
        return {};
    }
    if (node == nullptr) {
        return fail("it has a part that is not there");
    }
    if (depth_ >= kNestingMax) {
        return fail("it nests deeper than " + std::to_string(kNestingMax) + " levels");
    }
    ++depth_;
    std::string sql = construct(node);
    --depth_;
    return sql.size() > kBytesMax ? fail("it is too long, written in full") : sql;
}

// An allow-list: what is not on it is refused.
std::string Writer::construct(const Node* node) {
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
            return "CAST(" + expression(as<TypeCast>(node)->arg) + " AS " +
                   type(as<TypeCast>(node)->typeName) + ")";
        case T_BoolExpr: {
            const auto* all = as<BoolExpr>(node);
            return all->boolop == NOT_EXPR
                       ? "(NOT " + list(all->args) + ")"
                       : "(" + list(all->args, all->boolop == AND_EXPR ? " AND " : " OR ") + ")";
        }
        case T_NullTest: {
            const auto* test = as<NullTest>(node);
            return "(" + expression(reinterpret_cast<const Node*>(test->arg)) +
                   (test->nulltesttype == IS_NULL ? " IS NULL)" : " IS NOT NULL)");
        }
        case T_BooleanTest:
            return truth(as<BooleanTest>(node));
        case T_CaseExpr:
            return choice(as<CaseExpr>(node));
        case T_CoalesceExpr:
            return "COALESCE(" + list(as<CoalesceExpr>(node)->args) + ")";
        case T_MinMaxExpr:
            return (as<MinMaxExpr>(node)->op == IS_GREATEST ? "GREATEST(" : "LEAST(") +
                   list(as<MinMaxExpr>(node)->args) + ")";
        case T_A_ArrayExpr:
            return "ARRAY[" + list(as<A_ArrayExpr>(node)->elements) + "]";
        case T_A_Indirection:
            return subscripts(as<A_Indirection>(node));
        case T_CollateClause:
            return "(" + expression(as<CollateClause>(node)->arg) + " COLLATE " +
                   qualified(as<CollateClause>(node)->collname, "a collation") + ")";
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

std::string Writer::list(const List* nodes, const char* between) {
    std::string sql;
    for (const ListCell& cell : cells(nodes)) {
        sql += sql.empty() ? "" : between;
        sql += expression(syntax::node(cell));
    }
    return sql;
}

std::string Writer::constant(const A_Const* constant) {
    if (constant->isnull) {
        return "NULL";
    }
    switch (nodeTag(&constant->val)) {
        case T_Integer:
            return "(" + std::to_string(constant->val.ival.ival) + ")";
        case T_Float:
            return "(" + std::string(constant->val.fval.fval) + ")";
        case T_Boolean:
            return constant->val.boolval.boolval ? "TRUE" : "FALSE";
        case T_String:
            return quoted_literal(constant->val.sval.sval);
        case T_BitString: {  // b101, x1f
            const std::string_view bits = constant->val.bsval.bsval;
            return std::string(bits.substr(0, 1)) + quoted_literal(bits.substr(1));
        }
        default:
            return fail("it has a constant that vitrine does not know");
    }
}

std::string Writer::column(const ColumnRef* column) {
    const auto fields = cells(column->fields);
    const std::string name = dotted(column->fields);
    if (fields.size() == 1 && is_a(fields[0].ptr_value, T_String)) {
        if (auto sql = names_(name)) {
            return *sql;
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

std::string Writer::call(const FuncCall* call) {
    const WrittenName name = written_name(call->funcname);
    if (call->agg_order != nullptr || call->agg_filter != nullptr || call->over != nullptr ||
        call->agg_within_group || call->agg_star || call->agg_distinct) {
        return fail("it calls " + dotted(call->funcname) + " as an aggregate");
    }
    std::string sql = qualified(call->funcname, "a function");
    check_function({name.object.qualified() ? name.object.schema : "pg_catalog", name.object.name});
    sql += "(";
    const auto arguments = cells(call->args);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        sql += i == 0 ? "" : ", ";
        sql += call->func_variadic && i + 1 == arguments.size() ? "VARIADIC " : "";
        sql += expression(syntax::node(arguments[i]));
    }
    return sql + ")";
}

std::string Writer::compare(const std::string& left, std::string_view symbol,
                            const std::string& right) {
    return "(" + left + " OPERATOR(pg_catalog." + std::string(symbol) + ") " + right + ")";
}

std::string Writer::operator_name(const List* name) {
    const WrittenName written = written_name(name);
    if (!written.valid || !written.catalog.empty()) {
        return fail("it has an operator by a name that vitrine does not take");
    }
    return " OPERATOR(" +
           (written.object.qualified() ? quoted_identifier(written.object.schema) : "pg_catalog") +
           "." + std::string(written.object.name) + ") ";
}

// What the server would look up under its own "=" or "<" is written out (parse_expr.c).
std::string Writer::operation(const A_Expr* operation) {
    const auto left = [&] { return expression(operation->lexpr); };
    const auto right = [&] { return expression(operation->rexpr); };
    switch (operation->kind) {
        case AEXPR_OP:
        case AEXPR_LIKE:
        case AEXPR_ILIKE:
        case AEXPR_SIMILAR:
            return "(" + (operation->lexpr == nullptr ? "" : left()) +
                   operator_name(operation->name) + right() + ")";
        case AEXPR_OP_ANY:
        case AEXPR_OP_ALL:
            return "(" + left() + operator_name(operation->name) +
                   (operation->kind == AEXPR_OP_ANY ? "ANY (" : "ALL (") + right() + "))";
        case AEXPR_IN: {
            const bool in = string_value(cells(operation->name)[0].ptr_value) == "=";
            std::string sql;
            const std::string value = left();
            for (const ListCell& cell : cells(as<List>(operation->rexpr))) {
                sql += sql.empty() ? "(" : in ? " OR " : " AND ";
                sql += compare(value, in ? "=" : "<>", expression(syntax::node(cell)));
                if (sql.size() > kBytesMax) {
                    return fail("it is too long, written in full");
                }
            }
            return sql + ")";
        }
        case AEXPR_BETWEEN:
        case AEXPR_NOT_BETWEEN: {
            const auto bounds = cells(as<List>(operation->rexpr));
            const bool between = operation->kind == AEXPR_BETWEEN;
            const std::string value = left();
            return "(" + compare(value, between ? ">=" : "<", expression(syntax::node(bounds[0]))) +
                   (between ? " AND " : " OR ") +
                   compare(value, between ? "<=" : ">", expression(syntax::node(bounds[1]))) + ")";
        }
        case AEXPR_NULLIF: {
            const std::string value = left();
            return "(CASE WHEN " + compare(value, "=", right()) + " THEN NULL ELSE " + value +
                   " END)";
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
        return fail("it has " + std::string(what) + " by a name that vitrine does not take");
    }
    return (name.object.qualified() ? quoted_identifier(name.object.schema) : "pg_catalog") + "." +
           quoted_identifier(name.object.name);
}

std::string Writer::type(const TypeName* type) {
    if (type->names == nullptr || type->setof || type->pct_type) {
        return fail("it has a type by a name that vitrine does not take");
    }
    std::string sql = qualified(type->names, "a type");
    const auto modifiers = cells(type->typmods);
    // Those of interval are no numbers where they are written.
    if (!modifiers.empty() && sql == "pg_catalog.\"interval\"") {
        return fail("it has an interval with fields or a precision; write it without");
    }
    for (std::size_t i = 0; i < modifiers.size(); ++i) {
        if (!is_a(modifiers[i].ptr_value, T_A_Const)) {
            return fail("it has a type with a modifier that is no number");
        }
        const auto* number = as<A_Const>(modifiers[i].ptr_value);
        if (number->isnull || nodeTag(&number->val) != T_Integer) {
            return fail("it has a type with a modifier that is no number");
        }
        sql += (i == 0 ? "(" : ", ") + std::to_string(number->val.ival.ival);
    }
    sql += modifiers.empty() ? "" : ")";
    for ([[maybe_unused]] const ListCell& bound : cells(type->arrayBounds)) {
        sql += "[]";
    }
    return sql;
}

std::string Writer::choice(const CaseExpr* choice) {
    std::string sql = "(CASE";
    const std::string value =
        choice->arg == nullptr ? "" : expression(reinterpret_cast<const Node*>(choice->arg));
    for (const ListCell& cell : cells(choice->args)) {
        const auto* when = as<CaseWhen>(cell.ptr_value);
        const std::string condition = expression(reinterpret_cast<const Node*>(when->expr));
        sql += " WHEN " + (choice->arg == nullptr ? condition : compare(value, "=", condition)) +
               " THEN " + expression(reinterpret_cast<const Node*>(when->result));
        if (sql.size() > kBytesMax) {
            return fail("it is too long, written in full");
        }
    }
    if (choice->defresult != nullptr) {
        sql += " ELSE " + expression(reinterpret_cast<const Node*>(choice->defresult));
    }
    return sql + " END)";
}

// `(x).f` may be a function's call by its name alone: not here.
std::string Writer::subscripts(const A_Indirection* indirection) {
    std::string sql = "(" + expression(indirection->arg) + ")";
    for (const ListCell& cell : cells(indirection->indirection)) {
        if (!is_a(cell.ptr_value, T_A_Indices)) {
            return fail("it has a field of a row in it");
        }
        const auto* indices = as<A_Indices>(cell.ptr_value);
        sql += "[";
        sql += indices->lidx == nullptr ? "" : expression(indices->lidx);
        sql += indices->is_slice ? ":" : "";
        sql += indices->uidx == nullptr ? "" : expression(indices->uidx);
        sql += "]";
    }
    return sql;
}

std::string Writer::truth(const BooleanTest* test) {
    const auto is = [&](const char* words) {
        return "(" + expression(reinterpret_cast<const Node*>(test->arg)) + words + ")";
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

// One parse tree at a time: it is gone when the result is judged.
std::optional<std::string> rewritten(const std::string& sql, const CatalogSnapshot* catalog,
                                     const WrittenNames& names, std::string& why) {
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
    std::string written = writer.expression(target);
    if (!writer.why().empty()) {
        why = writer.why();
        return std::nullopt;
    }
    return written;
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

}  // namespace

std::string column_value(const Column& column) {
    return "CAST(" + quoted_identifier(column.name) + " AS " + column.type_sql + ")";
}

std::optional<std::string> written_anew(const std::string& sql, const Policy& policy,
                                        const WrittenNames& names, std::string& why) {
    auto expression = rewritten(sql, &policy.catalog(), names, why);
    return expression && is_allowed(*expression, policy, why) ? expression : std::nullopt;
}

std::string written_problem(const std::string& sql) {
    std::string why;
    (void)rewritten(
        sql, nullptr, [](std::string_view) { return std::optional<std::string>("NULL"); }, why);
    return why;
}

std::optional<std::string> written_expression(const std::string& sql, const Column& column,
                                              const Policy& policy, std::string& why) {
    if (column.type_sql.empty()) {
        why = "the column's type is not known";
        return std::nullopt;
    }
    const WrittenNames names = [&](std::string_view name) {
        return name == "value" ? std::optional(column_value(column)) : std::nullopt;
    };
    const auto expression = written_anew(sql, policy, names, why);
    if (!expression) {
        why = "of its expression, " + why;
        return std::nullopt;
    }
    return as_column("CASE WHEN " + quoted_identifier(column.name) + " IS NULL THEN NULL ELSE " +
                         *expression + " END",
                     column);
}

}  // namespace vitrine::parser
