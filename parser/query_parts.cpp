#include "parser/query_parts.h"

#include <algorithm>
#include <array>

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

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

Operand operand(const Node* node) {
    // COLLATE leaves a literal untyped (transformCollateClause).
    while (is_a(node, T_CollateClause)) {
        node = as<CollateClause>(node)->arg;
    }
    if (is_a(node, T_A_Const)) {
        const auto* constant = as<A_Const>(node);
        return constant->isnull || nodeTag(&constant->val) == T_String ? Operand::kLiteral
                                                                       : Operand::kTyped;
    }
    // A literal that is said to be of type unknown is as good as one of which nothing is said.
    const List* names = is_a(node, T_TypeCast)   ? as<TypeCast>(node)->typeName->names
                        : is_a(node, T_FuncCall) ? as<FuncCall>(node)->funcname
                                                 : nullptr;
    const auto parts =
        is_a(node, T_A_Indirection) ? cells(as<A_Indirection>(node)->indirection) : cells(names);
    if (!parts.empty() && string_value(parts.back().ptr_value) == "unknown") {
        return Operand::kEither;
    }
    return is_a(node, T_ParamRef) || is_a(node, T_RowExpr) ? Operand::kEither : Operand::kTyped;
}

bool is_system_column(std::string_view name) {
    // heap.c, SysAtt
    static constexpr std::array<std::string_view, 6> kNames{"ctid", "xmin", "cmin",
                                                            "xmax", "cmax", "tableoid"};
    return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

bool has_system_columns(const Relation& relation) {
    return std::string_view("rpmf").find(relation.kind) != std::string_view::npos;
}

void without_brackets(const syntax::Tokens& tokens, std::size_t& first, std::size_t& last) {
    while (first > 0 && tokens.is(first - 1, '(') && tokens.is(last + 1, ')')) {
        --first;
        ++last;
    }
}

Objection other_database(std::string name) {
    return {"0A000",
            "cross-database references are not implemented: \"" + name + "\"",
            "",
            "",
            "name: another database",
            false};
}

}  // namespace vitrine::parser
