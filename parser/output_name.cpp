#include "parser/output_name.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

namespace {

// A type's name or CASE is only a name where there is no better one.
enum class Strength { kNone, kWeak, kStrong };

struct Name {
    Strength strength = Strength::kNone;
    std::string_view text;
    const Node* reference = nullptr;  // a ColumnRef that it is the name of
};

std::string_view sql_value_name(SQLValueFunctionOp op) {
    switch (op) {
        case SVFOP_CURRENT_DATE:
            return "current_date";
        case SVFOP_CURRENT_TIME:
        case SVFOP_CURRENT_TIME_N:
            return "current_time";
        case SVFOP_CURRENT_TIMESTAMP:
        case SVFOP_CURRENT_TIMESTAMP_N:
            return "current_timestamp";
        case SVFOP_LOCALTIME:
        case SVFOP_LOCALTIME_N:
            return "localtime";
        case SVFOP_LOCALTIMESTAMP:
        case SVFOP_LOCALTIMESTAMP_N:
            return "localtimestamp";
        case SVFOP_CURRENT_ROLE:
            return "current_role";
        case SVFOP_CURRENT_USER:
            return "current_user";
        case SVFOP_USER:
            return "user";
        case SVFOP_SESSION_USER:
            return "session_user";
        case SVFOP_CURRENT_CATALOG:
            return "current_catalog";
        case SVFOP_CURRENT_SCHEMA:
            return "current_schema";
    }
    return {};
}

std::string_view xml_name(XmlExprOp op) {
    switch (op) {
        case IS_XMLCONCAT:
            return "xmlconcat";
        case IS_XMLELEMENT:
            return "xmlelement";
        case IS_XMLFOREST:
            return "xmlforest";
        case IS_XMLPARSE:
            return "xmlparse";
        case IS_XMLPI:
            return "xmlpi";
        case IS_XMLROOT:
            return "xmlroot";
        case IS_XMLSERIALIZE:
            return "xmlserialize";
        case IS_DOCUMENT:
            return {};
    }
    return {};
}

Name strong(std::string_view text) {
    return text.empty() ? Name{} : Name{Strength::kStrong, text};
}

std::string_view last_name(const List* names) {
    const auto parts = cells(names);
    for (std::size_t i = parts.size(); i > 0; --i) {
        if (is_a(parts[i - 1].ptr_value, T_String)) {
            return string_value(parts[i - 1].ptr_value);
        }
    }
    return {};
}

// Of the one column of a sub-select.
Name first_output(const SelectStmt* select) {
    while (select->op != SETOP_NONE) {
        select = select->larg;
    }
    if (select->valuesLists != nullptr) {
        return strong("column1");
    }
    const auto targets = cells(select->targetList);
    if (targets.empty()) {
        return {};
    }
    const auto* target = as<ResTarget>(targets[0].ptr_value);
    return strong(target->name != nullptr ? std::string_view(target->name)
                                          : output_name(target->val));
}

Name figure(const Node* node);

Name of_sublink(const SubLink* link) {
    switch (link->subLinkType) {
        case EXISTS_SUBLINK:
            return strong("exists");
        case ARRAY_SUBLINK:
            return strong("array");
        case EXPR_SUBLINK:
            return is_a(link->subselect, T_SelectStmt)
                       ? first_output(as<SelectStmt>(link->subselect))
                       : Name{};
        default:
            return {};
    }
}

Name figure(const Node* node) {
    if (node == nullptr) {
        return {};
    }
    switch (nodeTag(node)) {
        case T_ColumnRef: {
            Name name = strong(last_name(as<ColumnRef>(node)->fields));
            name.reference = node;
            return name;
        }
        case T_A_Indirection: {
            const auto* indirection = as<A_Indirection>(node);
            const std::string_view field = last_name(indirection->indirection);
            return field.empty() ? figure(indirection->arg) : strong(field);
        }
        case T_FuncCall:
            return strong(last_name(as<FuncCall>(node)->funcname));
        case T_A_Expr:
            return as<A_Expr>(node)->kind == AEXPR_NULLIF ? strong("nullif") : Name{};
        case T_TypeCast: {
            const auto* cast = as<TypeCast>(node);
            const Name inner = figure(cast->arg);
            return inner.strength == Strength::kStrong || cast->typeName == nullptr
                       ? inner
                       : Name{Strength::kWeak, last_name(cast->typeName->names)};
        }
        case T_CollateClause:
            return figure(as<CollateClause>(node)->arg);
        case T_CaseExpr: {
            const Name inner = figure(reinterpret_cast<const Node*>(as<CaseExpr>(node)->defresult));
            return inner.strength == Strength::kStrong ? inner : Name{Strength::kWeak, "case"};
        }
        case T_GroupingFunc:
            return strong("grouping");
        case T_SubLink:
            return of_sublink(as<SubLink>(node));
        case T_A_ArrayExpr:
            return strong("array");
        case T_RowExpr:
            return strong("row");
        case T_CoalesceExpr:
            return strong("coalesce");
        case T_MinMaxExpr:
            return strong(as<MinMaxExpr>(node)->op == IS_GREATEST ? "greatest" : "least");
        case T_SQLValueFunction:
            return strong(sql_value_name(as<SQLValueFunction>(node)->op));
        case T_XmlExpr:
            return strong(xml_name(as<XmlExpr>(node)->op));
        case T_XmlSerialize:
            return strong("xmlserialize");
        default:
            return {};
    }
}

}  // namespace

std::string_view output_name(const Node* expression) {
    return figure(expression).text;
}

const Node* named_by(const Node* expression) {
    return figure(expression).reference;
}

}  // namespace vitrine::parser
