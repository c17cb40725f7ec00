// Calls of functions that print what the catalog keeps, of which some is hidden
// (masking/definitions.h).

#include "parser/query.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "parser/masking/definitions.h"
#include "parser/query_parts.h"
#include "parser/syntax/utf8.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

namespace {

// `c.oid`, `oid`: its qualifier and its name; empty where it is anything else.
std::pair<std::string_view, std::string_view> plain_column(const Node* node) {
    if (!is_a(node, T_ColumnRef)) {
        return {};
    }
    const auto fields = cells(as<ColumnRef>(node)->fields);
    if (fields.empty() || fields.size() > 2 || !is_a(fields.back().ptr_value, T_String)) {
        return {};
    }
    return {fields.size() == 1 ? std::string_view{} : string_value(fields[0].ptr_value),
            string_value(fields.back().ptr_value)};
}

// `'16400'::oid`, `16400`: the OID where it is written as a number. (Without a cast, a text is a
// name where names are taken.)
std::optional<Oid> constant_oid(const Node* node, bool takes_names) {
    bool cast = !takes_names;
    if (is_a(node, T_TypeCast)) {
        const WrittenName type = written_name(as<TypeCast>(node)->typeName->names);
        if (!type.valid || (type.object.qualified() && type.object.schema != "pg_catalog") ||
            (type.object.name != "oid" && type.object.name != "regclass") ||
            as<TypeCast>(node)->typeName->arrayBounds != nullptr) {
            return std::nullopt;
        }
        cast = true;
        node = as<TypeCast>(node)->arg;
    }
    if (!is_a(node, T_A_Const) || as<A_Const>(node)->isnull) {
        return std::nullopt;
    }
    const auto& value = as<A_Const>(node)->val;
    if (nodeTag(&value) == T_Integer && value.ival.ival >= 0) {
        return static_cast<Oid>(value.ival.ival);
    }
    const std::string_view text =
        nodeTag(&value) == T_String ? std::string_view(value.sval.sval) : std::string_view{};
    Oid oid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), oid);
    return cast && !text.empty() && text.front() != '0' && error == std::errc{} &&
                   end == text.data() + text.size()
               ? std::optional(oid)
               : std::nullopt;
}

}  // namespace

// A window function, or one that gives more than a row: it would be computed at another place.
bool Query::gives_rows(const Node* argument) const {
    std::vector<const Node*> pending{argument};
    VitrineChildren children{};
    bool found = false;
    while (!pending.empty() && !found) {
        const Node* node = pending.back();
        pending.pop_back();
        if (is_a(node, T_FuncCall)) {
            const WrittenName name = written_name(as<FuncCall>(node)->funcname);
            const auto functions = policy_.catalog().functions(name.object.name);
            found = as<FuncCall>(node)->over != nullptr ||
                    std::any_of(functions.begin(), functions.end(),
                                [](const Function* each) { return each->returns_set; });
        }
        if (is_a(node, T_List)) {
            for (const ListCell& cell : cells(as<List>(node))) {
                if (cell.ptr_value != nullptr) {
                    pending.push_back(syntax::node(cell));
                }
            }
            continue;
        }
        if (is_a(node, T_SelectStmt)) {
            continue;  // computed there
        }
        children.count = 0;
        vitrine_children(node, &children);
        found = found || children.failed != 0;
        pending.insert(pending.end(), children.items, children.items + children.count);
    }
    std::free(const_cast<Node**>(children.items));
    return found;
}

void Query::refuse_definition(std::string_view function, int location) {
    refuse(not_supported(std::string(function) + "() in this place",
                         "Some of what it prints has constants in it that are hidden, since they "
                         "are about masked columns",
                         "Call it as f(…) in the select list, with the OID as its first argument.",
                         "builtin: " + std::string(function)),
           location);
}

// The call becomes a query of one row, in which the OID is computed once: what is looked at is what
// is printed. `f(x, y)` is written as `(SELECT CASE WHEN o <> ALL (…) THEN f(o, p1) WHEN o = … THEN
// '…' END AS f FROM (SELECT x, y OFFSET 0) AS v (o, p1))`.
void Query::show_definition(const FuncCall* call, const ObjectName& name) {
    const HiddenDefinitions& hidden = policy_.hidden_definitions();
    const auto printed = hidden.functions.find(name.name);
    if (name.qualified() && name.schema != "pg_catalog") {
        return;
    }
    if (printed == hidden.functions.end()) {
        if (name.name == kPrintsPublications && hidden.publications) {
            refuse_definition(name.name, call->location);
        } else if (name.name == kPrintsExpression) {
            show_expression(call);
        }
        return;
    }
    const CatalogSnapshot& catalog = policy_.catalog();
    const auto arguments = cells(call->args);
    const bool takes_names = name.name == kPrintsView;
    std::string none = printed->second.none;
    std::string branches = printed->second.branches;
    // psql and pg_dump name one object.
    const auto oid =
        arguments.empty() ? std::nullopt : constant_oid(syntax::node(arguments[0]), takes_names);
    if (oid && catalog.types("oid").size() == 1 && catalog.types("regclass").size() == 1) {
        const auto found = printed->second.texts.find(*oid);
        if (found == printed->second.texts.end()) {
            return;
        }
        none = "false";
        branches =
            " WHEN true THEN " + (found->second ? syntax::quoted_literal(*found->second) : "NULL");
    }
    const bool plain = call->agg_order == nullptr && call->agg_filter == nullptr &&
                       call->over == nullptr && !call->agg_star && !call->agg_distinct &&
                       !call->func_variadic && !arguments.empty() && arguments.size() <= 3 &&
                       std::none_of(arguments.begin(), arguments.end(), [](const ListCell& cell) {
                           return is_a(cell.ptr_value, T_NamedArgExpr);
                       });
    const auto functions = catalog.functions(name.name);
    const bool others = std::any_of(functions.begin(), functions.end(),
                                    [](const Function* each) { return !each->builtin; });
    const auto place = plain ? argument_place(call, 0) : std::nullopt;
    const auto end = end_of_call(call);
    if (!place || !end || in_from_.contains(call) || (others && !name.qualified()) ||
        gives_rows(syntax::node(arguments[0]))) {
        refuse_definition(name.name, call->location);
        return;
    }
    const std::string function(name.name);
    std::string columns;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        columns += ", p" + std::to_string(i);
        if (!takes_names && !give_type(call, i, function == "pg_get_indexdef" && i == 1)) {
            return;
        }
    }
    const std::string print = " THEN pg_catalog." + function + "(o" + columns + ")";
    std::string shown = "CASE WHEN " + none;
    if (function == "pg_get_indexdef" && arguments.size() > 1) {
        // pg_get_indexdef(oid, 1, …) is one column of an index: its name, or an expression.
        shown +=
            " OR (SELECT i.indkey[p1 OPERATOR(pg_catalog.-) 1] OPERATOR(pg_catalog.<>) 0 "
            "FROM pg_catalog.pg_index AS i WHERE i.indexrelid OPERATOR(pg_catalog.=) o)" +
            print + " WHEN p1 OPERATOR(pg_catalog.<>) 0 THEN NULL";
    } else {
        shown += print;
    }
    shown += branches + " END";
    // A name, or the OID of a relation. A literal is a name there, be it of digits.
    const bool literal = takes_names && is_a(arguments[0].ptr_value, T_A_Const) &&
                         operand(syntax::node(arguments[0])) == Operand::kLiteral;
    const std::string open = "(SELECT " + shown + " AS " + function + " FROM (SELECT CAST((" +
                             (takes_names ? "CAST((" : "") + (literal ? "CAST((" : "");
    const std::string close = std::string(literal ? ") AS pg_catalog.text)" : "") +
                              (takes_names ? ") AS pg_catalog.regclass)" : "") +
                              ") AS pg_catalog.oid)";
    if (edit(at(call->location), place->first, open, call->location) &&
        edit(place->second, place->second, close, call->location)) {
        (void)edit(*end - 1, *end, " OFFSET 0) AS v (o" + columns + "))", call->location);
    }
}

// The end of `f(…)`, behind its bracket.
std::optional<std::size_t> Query::end_of_call(const FuncCall* call) {
    const syntax::Tokens& all = tokens();
    const std::size_t behind = all.after_brackets(
        all.after_name(all.at(at(call->location)), cells(call->funcname).size()));
    return behind == 0 || behind > all.size() || !all.is(behind - 1, ')')
               ? std::nullopt
               : std::optional(all.end(behind - 1));
}

// An argument without a type has the function's, which the derived table would not know. False: it
// was refused.
bool Query::give_type(const FuncCall* call, std::size_t argument, bool number) {
    const Node* node = syntax::node(cells(call->args)[argument]);
    const auto here = argument_place(call, argument);
    if (!here || (operand(node) == Operand::kTyped && !is_a(node, T_ParamRef))) {
        return true;
    }
    return edit(here->first, here->first, "CAST((", call->location) &&
           edit(here->second, here->second,
                number ? ") AS pg_catalog.int4)" : ") AS pg_catalog.bool)", call->location);
}

// The tree that is printed is NULL where it is hidden. What stands in its place is for the reader
// and for pg_dump, that its text is SQL.
void Query::show_expression(const FuncCall* call) {
    const auto arguments = cells(call->args);
    if (arguments.size() < 2 || in_from_.contains(call)) {
        return;
    }
    const auto [tree_of, tree] = plain_column(syntax::node(arguments[0]));
    const auto [oid_of, oid] = plain_column(syntax::node(arguments[1]));
    const auto place = argument_place(call, 1);
    if (tree.empty() || tree_of != oid_of || !place) {
        return;
    }
    const std::string value(sql_.substr(place->first, place->second - place->first));
    std::string shown;
    if (tree == "adbin" && oid == "adrelid" && policy_.hidden_definitions().defaults) {
        shown = "CASE WHEN " + value + " IS NOT NULL THEN 'NULL' END";
    } else if (tree == "relpartbound" && oid == "oid" &&
               !policy_.hidden_definitions().bounds.empty()) {
        shown = "(SELECT CASE" + policy_.hidden_definitions().bounds + " END FROM (SELECT " +
                value + ") AS v (o))";
    } else {
        return;
    }
    const auto end = end_of_call(call);
    if (end && edit(at(call->location), at(call->location), "(SELECT COALESCE(", call->location)) {
        (void)edit(*end - 1, *end, "), " + shown + ") AS pg_get_expr)", call->location);
    }
}

}  // namespace vitrine::parser
