#include "parser/masking/view_definition.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "config/limits.h"
#include "parser/masking/resolve.h"
#include "parser/query.h"
#include "parser/syntax/parse_tree.h"
#include "parser/syntax/text_edit.h"
#include "parser/syntax/utf8.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

namespace {

constexpr std::string_view kCatalogSchema = "pg_catalog";

// Called where nothing is written: IN of a query, IS DISTINCT FROM, CASE x WHEN, USING. (ORDER BY
// and its kin go by the type's operator class, not by a name.)
constexpr std::array<std::string_view, 6> kUnwritten{"=", "<", ">", "<=", ">=", "<>"};

bool is_symbol(std::string_view token) {
    return token.find_first_not_of("~!@#^&|`?+-*/%<>=") == std::string_view::npos;
}

// An identifier as it is compared.
std::string identifier(std::string_view token) {
    if (token.size() < 2 || token.front() != '"') {
        return syntax::ascii_lower(token);
    }
    std::string name;
    for (std::size_t i = 1; i + 1 < token.size(); ++i) {
        name += token[i];
        i += token[i] == '"' ? 1 : 0;
    }
    return name;
}

// Schemas with something of a name that the text has without a schema, and that is not plainly
// allowed. More names are taken for functions' than are.
class Namesakes {
  public:
    Namesakes(const CatalogSnapshot& catalog, const PlainObjects& plain)
        : catalog_(catalog), plain_(plain) {}

    // `any_types`: types stand in other places than behind `::`; `unwritten`: operators are called
    // without their names.
    std::set<std::string> find(const std::string& sql, bool any_types, bool unwritten) {
        for (const std::string_view symbol : kUnwritten) {
            if (unwritten) {
                add_operators(symbol);
            }
        }
        const syntax::Tokens tokens(sql);
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            const std::string_view text = tokens.text(i);
            if (is_symbol(text)) {
                add_operators(text == "!=" ? "<>" : text);
                continue;
            }
            if ((i > 0 && tokens.is(i - 1, '.')) || tokens.is(i + 1, '.')) {
                continue;
            }
            const std::string name = identifier(text);
            if (any_types || (i > 0 && tokens.is(i - 1, kTokenTypecast))) {
                for (const Type* type : catalog_.types(name)) {
                    add(type->schema, plain_.target(*type));
                }
            }
            if (tokens.is(i + 1, '(')) {
                for (const Function* function : catalog_.functions(name)) {
                    add(function->schema, plain_.function(*function));
                }
            }
        }
        return std::move(found_);
    }

  private:
    void add(const std::string& schema, bool plain) {
        if (!plain && schema != kCatalogSchema) {
            found_.insert(schema);
        }
    }
    void add_operators(std::string_view symbol) {
        for (const Operator* each : catalog_.operators(symbol)) {
            add(each->schema, plain_.operator_symbol(*each));
        }
    }

    const CatalogSnapshot& catalog_;
    const PlainObjects& plain_;
    std::set<std::string> found_;
};

// Those that a column can be qualified with: the alias of a join hides what it joins.
void collect_relations(const Node* item, std::vector<const RangeVar*>& relations) {
    if (is_a(item, T_JoinExpr) && as<JoinExpr>(item)->alias == nullptr) {
        collect_relations(as<JoinExpr>(item)->larg, relations);
        collect_relations(as<JoinExpr>(item)->rarg, relations);
    } else if (is_a(item, T_RangeVar)) {
        relations.push_back(as<RangeVar>(item));
    }
}

bool is_called(const RangeVar* relation, std::string_view name) {
    return relation->alias != nullptr ? relation->alias->aliasname == name
                                      : relation->relname == name;
}

// `c.email`, where c is a relation in FROM.
struct NamedColumn {
    const RelationPolicy* rules = nullptr;
    const Column* column = nullptr;
};

NamedColumn named_column(const Node* value, const SelectStmt* select, const Policy& policy) {
    if (!is_a(value, T_ColumnRef)) {
        return {};
    }
    const auto fields = cells(as<ColumnRef>(value)->fields);
    const auto from = cells(select->fromClause);
    // A name alone may be of anything that is joined; of one relation it can only be a column.
    const bool alone = from.size() == 1 && is_a(from[0].ptr_value, T_RangeVar);
    if (fields.empty() || fields.size() > 2 || (fields.size() == 1 && !alone)) {
        return {};
    }
    const std::string_view qualifier =
        fields.size() == 2 ? string_value(fields[0].ptr_value) : std::string_view{};
    std::vector<const RangeVar*> relations;
    for (const ListCell& item : from) {
        collect_relations(syntax::node(item), relations);
    }
    for (const RangeVar* each : relations) {
        if (!qualifier.empty() && !is_called(each, qualifier)) {
            continue;
        }
        const bool renamed = each->alias != nullptr && each->alias->colnames != nullptr;
        const Relation* relation = renamed || each->schemaname == nullptr
                                       ? nullptr
                                       : policy.catalog().relation(each->schemaname, each->relname);
        if (relation == nullptr) {
            return {};
        }
        return {policy.relation(relation->oid),
                relation->column(string_value(fields.back().ptr_value))};
    }
    return {};
}

const MaskedColumn* masked_column(const NamedColumn& named) {
    if (named.rules == nullptr || named.column == nullptr) {
        return nullptr;
    }
    const auto found =
        std::find_if(named.rules->masked.begin(), named.rules->masked.end(),
                     [&](const MaskedColumn& masked) { return masked.column == named.column; });
    return found == named.rules->masked.end() ? nullptr : &*found;
}

// All that a tree has below it; nothing where it has something that is not known.
std::vector<const Node*> all_nodes(const Node* root) {
    std::vector<const Node*> nodes{root};
    VitrineChildren children{};
    for (std::size_t at = 0; at < nodes.size() && children.failed == 0; ++at) {
        children.count = 0;
        vitrine_children(nodes[at], &children);
        nodes.insert(nodes.end(), children.items, children.items + children.count);
    }
    std::free(const_cast<Node**>(children.items));
    if (children.failed != 0) {
        nodes.clear();
    }
    return nodes;
}

const Alias* alias_of(const Node* node) {
    switch (nodeTag(node)) {
        case T_RangeVar:
            return as<RangeVar>(node)->alias;
        case T_RangeSubselect:
            return as<RangeSubselect>(node)->alias;
        case T_RangeFunction:
            return as<RangeFunction>(node)->alias;
        case T_RangeTableFunc:
            return as<RangeTableFunc>(node)->alias;
        case T_JoinExpr:
            return as<JoinExpr>(node)->alias;
        default:
            return nullptr;
    }
}

// May this node use one of the columns, or all of a row, other than as a target by itself?
bool may_use(const Node* node, const std::set<std::string_view>& columns,
             const std::set<std::string_view>& items) {
    const Alias* alias = alias_of(node);
    if (alias != nullptr && alias->colnames != nullptr) {
        return true;  // columns under other names
    }
    if (is_a(node, T_JoinExpr)) {
        const auto* join = as<JoinExpr>(node);
        const auto joined = cells(join->usingClause);
        return join->isNatural || std::any_of(joined.begin(), joined.end(), [&](const auto& cell) {
                   return columns.contains(string_value(cell.ptr_value));
               });
    }
    if (is_a(node, T_CommonTableExpr)) {
        return true;
    }
    if (!is_a(node, T_ColumnRef)) {
        return false;
    }
    const auto fields = cells(as<ColumnRef>(node)->fields);
    const std::string_view last = fields.empty() ? "" : string_value(fields.back().ptr_value);
    return last.empty() || columns.contains(last) || items.contains(last);
}

// Which outputs are a masked column as it comes, in each arm of a set operation.
std::vector<bool> carried_outputs(const SelectStmt* select, const Policy& policy) {
    if (select->op != SETOP_NONE) {
        std::vector<bool> both = carried_outputs(select->larg, policy);
        const std::vector<bool> right = carried_outputs(select->rarg, policy);
        for (std::size_t i = 0; i < both.size(); ++i) {
            both[i] = both[i] && i < right.size() && right[i];
        }
        return both;
    }
    std::vector<bool> carried;
    for (const ListCell& target : cells(select->targetList)) {
        const NamedColumn named =
            named_column(as<ResTarget>(target.ptr_value)->val, select, policy);
        carried.push_back(masked_column(named) != nullptr ||
                          (named.rules != nullptr && named.column != nullptr &&
                           named.rules->carried.contains(named.column->number)));
    }
    return carried;
}

std::set<std::int16_t> carried_columns(const SelectStmt* select, const Relation& view,
                                       const Policy& policy) {
    const std::vector<bool> outputs = carried_outputs(select, policy);
    std::set<std::int16_t> carried;
    for (std::size_t i = 0; outputs.size() == view.columns.size() && i < outputs.size(); ++i) {
        if (outputs[i]) {
            carried.insert(view.columns[i].number);
        }
    }
    return carried;
}

// Does this node call `=` or another operator without its name?
bool calls_unwritten(const Node* node) {
    switch (nodeTag(node)) {
        case T_CaseExpr:
            return as<CaseExpr>(node)->arg != nullptr;
        case T_JoinExpr:
            return as<JoinExpr>(node)->usingClause != nullptr || as<JoinExpr>(node)->isNatural;
        case T_SubLink:
            return as<SubLink>(node)->subLinkType == ANY_SUBLINK &&
                   as<SubLink>(node)->operName == nullptr;
        case T_A_Expr: {
            const auto kind = as<A_Expr>(node)->kind;
            return kind != AEXPR_OP && kind != AEXPR_OP_ANY && kind != AEXPR_OP_ALL;
        }
        default:
            return false;
    }
}

// Schemas of the users' operators that such a node calls: those whose function the stored
// definition names. Found under the name alone, they must be found in the session's path too.
std::set<std::string> schemas_of_unwritten(const Relation& view, const CatalogSnapshot& catalog) {
    std::set<std::string> schemas;
    for (const std::string_view symbol : kUnwritten) {
        for (const Operator* each : catalog.operators(symbol)) {
            const auto& called = view.calls_functions;
            if (!each->builtin &&
                std::find(called.begin(), called.end(), each->function) != called.end()) {
                schemas.insert(each->schema);
            }
        }
    }
    return schemas;
}

}  // namespace

std::optional<ViewDefinition> view_definition(const Relation& view, const Policy& policy,
                                              const PlainObjects& plain, std::string& why) {
    const std::string& sql = view.definition;
    if (policy.refuses_builtin_types() || policy.catalog().server_version() < 140000) {
        why =
            "users gave a type of PostgreSQL's own a cast or an operator class, or the server is "
            "older than 14";
        return std::nullopt;
    }
    if (sql.empty() || sql.size() > limits::kViewBytesMax) {
        why = sql.empty() ? "the server did not give its definition"
                          : "its definition has more than " +
                                std::to_string(limits::kViewBytesMax) + " bytes";
        return std::nullopt;
    }
    const syntax::ParseTree tree(sql);
    const auto statements = cells(tree.statements());
    if (tree.error() || statements.size() != 1 ||
        !is_a(as<RawStmt>(statements[0].ptr_value)->stmt, T_SelectStmt)) {
        why = "its definition could not be read";
        return std::nullopt;
    }
    const auto* raw = as<RawStmt>(statements[0].ptr_value);
    const std::size_t end = raw->stmt_len > 0
                                ? static_cast<std::size_t>(raw->stmt_location + raw->stmt_len)
                                : sql.size();
    const std::vector<std::string> schemas{std::string(kCatalogSchema)};
    const SearchPath path{schemas, true};
    syntax::TextEdits edits;
    Query query(sql, 0, end, policy, path, edits);
    query.qualify_relations();
    query.forbid_search_path();
    query.walk(raw->stmt);
    query.finish();
    if (const auto& refused = query.refusal()) {
        why = refused->refusal.message;
        if (!refused->refusal.detail.empty()) {
            why += ": " + refused->refusal.detail;
        }
        return std::nullopt;
    }
    ViewDefinition definition;
    auto rendered = edits.render(sql, 0, end);
    if (rendered.overlapping) {
        why = "two of the replacements in its definition would overlap";
        return std::nullopt;
    }
    definition.sql = std::move(rendered.text);
    if (definition.sql.size() > limits::kViewBytesMax) {
        why = "with the masks in it, its definition has more than " +
              std::to_string(limits::kViewBytesMax) + " bytes";
        return std::nullopt;
    }
    definition.masked = query.masked();
    definition.filtered = query.filtered();
    const std::vector<const Node*> nodes = all_nodes(raw->stmt);
    const bool any_types =
        nodes.empty() || std::any_of(nodes.begin(), nodes.end(), [](const Node* node) {
            return is_a(node, T_RangeTableFunc) ||
                   (is_a(node, T_RangeFunction) && as<RangeFunction>(node)->coldeflist != nullptr);
        });
    const bool unwritten =
        nodes.empty() || std::any_of(nodes.begin(), nodes.end(), calls_unwritten);
    definition.except = Namesakes(policy.catalog(), plain).find(sql, any_types, unwritten);
    if (unwritten) {
        definition.require = schemas_of_unwritten(view, policy.catalog());
    }
    for (const Oid read : view.reads_relations) {
        if (const RelationPolicy* inner = policy.relation(read)) {
            definition.except.insert(inner->except.begin(), inner->except.end());
            definition.require.insert(inner->require.begin(), inner->require.end());
        }
    }
    definition.carried = carried_columns(as<SelectStmt>(raw->stmt), view, policy);
    return definition;
}

std::optional<std::map<std::int16_t, CopiedColumn>> copied_columns(const Relation& view,
                                                                   const Policy& policy,
                                                                   std::string& why) {
    const syntax::ParseTree tree(view.definition);
    const auto statements = cells(tree.statements());
    const Node* root = tree.error() || statements.size() != 1
                           ? nullptr
                           : as<RawStmt>(statements[0].ptr_value)->stmt;
    const std::vector<const Node*> nodes =
        is_a(root, T_SelectStmt) ? all_nodes(root) : std::vector<const Node*>{};
    const auto* select = as<SelectStmt>(root);
    if (nodes.empty() || cells(select->targetList).size() != view.columns.size() ||
        select->op != SETOP_NONE || select->distinctClause != nullptr) {
        why = "its definition is not a plain SELECT";
        return std::nullopt;
    }
    const auto targets = cells(select->targetList);
    std::set<std::string_view> columns;
    for (const Oid oid : view.reads_relations) {
        if (const RelationPolicy* rules = policy.relation(oid)) {
            for (const MaskedColumn& masked : rules->masked) {
                columns.insert(masked.column->name);
            }
        }
    }
    std::map<std::int16_t, CopiedColumn> copied;
    std::set<const Node*> seen;
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const Node* value = as<ResTarget>(targets[i].ptr_value)->val;
        if (const MaskedColumn* masked = masked_column(named_column(value, select, policy))) {
            copied[view.columns[i].number] = {masked->mask, masked->rule};
            seen.insert(value);
        }
    }
    std::set<std::string_view> items;
    for (const Node* node : nodes) {
        if (is_a(node, T_RangeVar)) {
            const auto* relation = as<RangeVar>(node);
            items.insert(relation->alias != nullptr ? relation->alias->aliasname
                                                    : relation->relname);
        } else if (const Alias* alias = alias_of(node)) {
            items.insert(alias->aliasname);
        }
    }
    for (const Node* node : nodes) {
        if (!seen.contains(node) && may_use(node, columns, items)) {
            why =
                "its definition uses a masked column, or one of that name, for more than to "
                "hand it on";
            return std::nullopt;
        }
    }
    return copied;
}

}  // namespace vitrine::parser
