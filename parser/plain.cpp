#include "parser/plain.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <forward_list>
#include <initializer_list>
#include <string_view>

#include "parser/syntax/parse_tree.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;

namespace {

constexpr Oid kVoidType = 2278;  // pg_type.dat
constexpr const char* kCatalogSchema = "pg_catalog";

// What is deeper, or has more in it, is looked into by Query, which has no such limits.
constexpr unsigned kDepthMax = 100;
constexpr std::size_t kItemsMax = 32;
constexpr std::size_t kAttributesMax = 256;

// The text of a String node; nullptr for anything else.
const char* text_of(const ListCell& cell) {
    return is_a(cell.ptr_value, T_String) ? as<String>(cell.ptr_value)->sval : nullptr;
}

// Most names are short, and differ in their first letter.
bool same_text(const char* a, const char* b) {
    for (; *a == *b; ++a, ++b) {
        if (*a == '\0') {
            return true;
        }
    }
    return false;
}

class Walk {
  public:
    // With `in_part`, tables are taken too that are open in part, where nothing else of them is
    // read: it looks at more, and leaves more out, among that what hangs on the path.
    Walk(const Policy& policy, const SearchPath& path, std::vector<OpenInPart>* in_part)
        : policy_(policy), names_(policy.plain_names()), path_(path), in_part_(in_part) {}

    // Each of these says: nothing here that is not plain.
    bool select(const SelectStmt* select, const VisibleCte* ctes, unsigned depth);
    bool attributes() const;
    void find_namesakes();
    // A relation was met that is open in part.
    [[nodiscard]] bool met_open_in_part() const { return met_open_in_part_; }

  private:
    struct Item {
        const char* name;
        const PlainRelation* relation;  // nullptr: its columns are not known here
        bool alone;                     // in the whole statement nothing else has the name
    };
    struct Attribute {
        const char* qualifier;  // nullptr: none; known of only where relations are open in part
        const char* name;
    };
    // Where one is: the expressions see these, so deep in the statement.
    struct Place {
        const VisibleCte* ctes;
        unsigned depth;
    };

    bool nodes(const List* list, Place place);
    // Half of a tree is leaves: they come without what the others need.
    bool node(const Node* node, Place place) {
        if (node == nullptr) {
            return true;
        }
        switch (nodeTag(node)) {
            case T_ColumnRef:
                return column(as<ColumnRef>(node));
            case T_A_Const:
            case T_ParamRef:
            case T_SQLValueFunction:
                return true;
            case T_A_Expr:
                return place.depth < kDepthMax &&
                       operation(as<A_Expr>(node), {place.ctes, place.depth + 1});
            case T_FuncCall:
                return place.depth < kDepthMax &&
                       call(as<FuncCall>(node), {place.ctes, place.depth + 1});
            default:
                return compound(node, place);
        }
    }
    bool compound(const Node* node, Place place);
    bool expression(const Expr* expr, Place place) {
        return node(reinterpret_cast<const Node*>(expr), place);
    }
    bool from(const Node* item, Place place);
    bool relation(const RangeVar* reference, Place place);
    const PlainRelation* in_schema(const PlainName& name, std::string_view schema) const;
    bool call(const FuncCall* call, Place place);
    bool column(const ColumnRef* column);
    bool add_attribute(const char* qualifier, const char* name) {
        if (attributes_count_ == kAttributesMax) {
            return false;
        }
        attributes_[attributes_count_++] = {qualifier, name};
        return true;
    }
    bool is_masked(const Attribute& attribute, const NameKey& name) const;
    bool type(const TypeName* type) const;
    bool operation(const A_Expr* operation, Place place);
    // [pg_catalog.]name; nullptr: another schema's, or none that is plain here.
    const PlainName* own_name(const List* written) const;
    const PlainName* own_symbol(const List* written) const {
        const auto parts = cells(written);
        const char* text = parts.size() == 1 ? text_of(parts[0]) : nullptr;
        return text != nullptr && text[0] != '\0' && text[1] == '\0'
                   ? on_path(names_.find_short(text[0]))
                   : own_name(written);
    }
    bool binary(const char* symbol) const {
        const PlainName* name = on_path(names_.find(symbol));
        return name != nullptr && name->binary_operator;
    }
    // The name without a schema; nullptr where it may mean something that is not plain.
    const PlainName* on_path(const PlainName* name) const {
        return name == nullptr || name->except_count == 0 ||
                       (in_part_ == nullptr && !may_mean_another(*name))
                   ? name
                   : nullptr;
    }
    const PlainRelation* find(const PlainName& name, const char* schema) const;
    bool may_mean_another(const PlainName& name) const;
    bool add_item(const char* name, const PlainRelation* relation) {
        if (items_count_ == kItemsMax) {
            return false;
        }
        items_[items_count_++] = {name, relation, true};
        return true;
    }

    const Policy& policy_;
    const PlainNames& names_;
    const SearchPath& path_;
    std::vector<OpenInPart>* const in_part_;
    bool met_open_in_part_ = false;
    std::forward_list<VisibleCte> ctes_;
    std::size_t items_count_ = 0;
    std::size_t attributes_count_ = 0;
    // Not initialised: what is behind the counts is not looked at.
    std::array<Item, kItemsMax> items_;
    std::array<Attribute, kAttributesMax> attributes_;
};

bool Walk::may_mean_another(const PlainName& name) const {
    const auto except = names_.except(name);
    return std::any_of(path_.schemas.begin(), path_.schemas.end(), [&](std::string_view schema) {
        return std::binary_search(except.begin(), except.end(), schema);
    });
}

const PlainName* Walk::own_name(const List* written) const {
    const auto parts = cells(written);
    if (parts.empty() || parts.size() > 2) {
        return nullptr;
    }
    const char* text = text_of(parts.back());
    if (text == nullptr) {
        return nullptr;
    }
    const PlainName* name = names_.find(text);
    if (parts.size() == 1) {
        return on_path(name);
    }
    // What is left out of PostgreSQL's own schema has left no trace in the name.
    const char* schema = text_of(parts[0]);
    return schema != nullptr && std::strcmp(schema, kCatalogSchema) == 0 ? name : nullptr;
}

bool Walk::nodes(const List* list, Place place) {
    for (const ListCell& cell : cells(list)) {
        if (cell.ptr_value != nullptr && !node(syntax::node(cell), place)) {
            return false;
        }
    }
    return true;
}

bool Walk::compound(const Node* node, Place place) {
    if (++place.depth > kDepthMax) {
        return false;
    }
    switch (nodeTag(node)) {
        case T_TypeCast: {
            const auto* cast = as<TypeCast>(node);
            // libpg_query's own: `int $1`, without a place of its own.
            return (cast->location >= 0 || !is_a(cast->arg, T_ParamRef)) && type(cast->typeName) &&
                   this->node(cast->arg, place);
        }
        case T_ResTarget: {
            const auto* target = as<ResTarget>(node);
            return target->indirection == nullptr && this->node(target->val, place);
        }
        case T_List:
            return nodes(as<List>(node), place);
        case T_BoolExpr:
            return nodes(as<BoolExpr>(node)->args, place);
        case T_NullTest:
            return expression(as<NullTest>(node)->arg, place);
        case T_BooleanTest:
            return expression(as<BooleanTest>(node)->arg, place);
        case T_CaseExpr: {
            const auto* choice = as<CaseExpr>(node);
            if (choice->arg != nullptr && !binary("=")) {
                return false;
            }
            for (const ListCell& cell : cells(choice->args)) {
                const auto* when = as<CaseWhen>(cell.ptr_value);
                if (!expression(when->expr, place) || !expression(when->result, place)) {
                    return false;
                }
            }
            return expression(choice->arg, place) && expression(choice->defresult, place);
        }
        case T_CoalesceExpr:
            return nodes(as<CoalesceExpr>(node)->args, place);
        case T_MinMaxExpr:
            return nodes(as<MinMaxExpr>(node)->args, place);
        case T_RowExpr:
            return nodes(as<RowExpr>(node)->args, place);
        case T_A_ArrayExpr:
            return nodes(as<A_ArrayExpr>(node)->elements, place);
        case T_CollateClause:
            return this->node(as<CollateClause>(node)->arg, place);
        case T_GroupingFunc:
            return nodes(as<GroupingFunc>(node)->args, place);
        case T_GroupingSet:
            return nodes(as<GroupingSet>(node)->content, place);
        case T_A_Indirection: {
            const auto* indirection = as<A_Indirection>(node);
            for (const ListCell& step : cells(indirection->indirection)) {
                if (!is_a(step.ptr_value, T_A_Indices)) {
                    return false;  // an attribute of a value
                }
            }
            return this->node(indirection->arg, place) && nodes(indirection->indirection, place);
        }
        case T_A_Indices:
            return this->node(as<A_Indices>(node)->lidx, place) &&
                   this->node(as<A_Indices>(node)->uidx, place);
        case T_SubLink: {
            const auto* link = as<SubLink>(node);
            bool compares = link->subLinkType == ANY_SUBLINK || link->subLinkType == ALL_SUBLINK ||
                            link->subLinkType == ROWCOMPARE_SUBLINK;
            if (link->operName != nullptr) {
                const PlainName* name = own_symbol(link->operName);
                if (name == nullptr || !name->binary_operator) {
                    return false;
                }
                compares = false;
            }
            return (!compares || binary("=")) && this->node(link->testexpr, place) &&
                   this->node(link->subselect, place);
        }
        case T_SortBy:
            return as<SortBy>(node)->useOp == nullptr && this->node(as<SortBy>(node)->node, place);
        case T_WindowDef: {
            const auto* window = as<WindowDef>(node);
            return nodes(window->partitionClause, place) && nodes(window->orderClause, place) &&
                   this->node(window->startOffset, place) && this->node(window->endOffset, place);
        }
        case T_SelectStmt:
            return select(as<SelectStmt>(node), place.ctes, place.depth);
        default:
            return false;
    }
}

bool Walk::from(const Node* item, Place place) {
    if (item == nullptr) {
        return true;
    }
    if (++place.depth > kDepthMax) {
        return false;
    }
    switch (nodeTag(item)) {
        case T_RangeVar:
            return relation(as<RangeVar>(item), place);
        case T_JoinExpr: {
            const auto* join = as<JoinExpr>(item);
            // Columns that are not named, and columns by other names.
            if (in_part_ != nullptr &&
                (join->isNatural || join->usingClause != nullptr || join->alias != nullptr ||
                 join->join_using_alias != nullptr)) {
                return false;
            }
            for (const Alias* alias : {join->alias, join->join_using_alias}) {
                if (alias != nullptr && !add_item(alias->aliasname, nullptr)) {
                    return false;
                }
            }
            if ((join->isNatural || join->usingClause != nullptr) && !binary("=")) {
                return false;
            }
            return from(join->larg, place) && from(join->rarg, place) && node(join->quals, place);
        }
        case T_RangeSubselect: {
            const auto* subselect = as<RangeSubselect>(item);
            if (subselect->alias != nullptr && !add_item(subselect->alias->aliasname, nullptr)) {
                return false;
            }
            return node(subselect->subquery, place);
        }
        case T_RangeFunction: {
            const auto* function = as<RangeFunction>(item);
            if (function->coldeflist != nullptr ||
                (function->alias != nullptr && !add_item(function->alias->aliasname, nullptr))) {
                return false;
            }
            for (const ListCell& entry : cells(function->functions)) {
                // The call, and the columns it is said to have.
                const auto parts = cells(as<List>(entry.ptr_value));
                if (parts.size() != 2 || !is_a(parts[0].ptr_value, T_FuncCall) ||
                    parts[1].ptr_value != nullptr) {
                    return false;
                }
                const auto* called = as<FuncCall>(parts[0].ptr_value);
                if (function->alias == nullptr) {
                    const auto names = cells(called->funcname);
                    const char* name = names.empty() ? nullptr : text_of(names.back());
                    if (name == nullptr || !add_item(name, nullptr)) {
                        return false;
                    }
                }
                if (!call(called, place)) {
                    return false;
                }
            }
            return true;
        }
        default:
            return false;
    }
}

bool Walk::select(const SelectStmt* select, const VisibleCte* ctes, unsigned depth) {
    if (select->intoClause != nullptr || select->lockingClause != nullptr) {
        return false;
    }
    Place place{ctes, depth};
    if (select->withClause != nullptr) {
        const auto definitions = cells(select->withClause->ctes);
        const VisibleCte* before = ctes;
        for (const ListCell& cell : definitions) {
            const auto* cte = as<CommonTableExpr>(cell.ptr_value);
            const std::size_t count = place.ctes == nullptr ? 1 : place.ctes->depth + 1;
            if (count > kItemsMax || cte->cycle_clause != nullptr ||
                !is_a(cte->ctequery, T_SelectStmt)) {
                return false;
            }
            place.ctes = &ctes_.emplace_front(VisibleCte{place.ctes, cte->ctename, count});
        }
        for (const ListCell& cell : definitions) {
            const auto* cte = as<CommonTableExpr>(cell.ptr_value);
            const VisibleCte* seen = select->withClause->recursive ? place.ctes : before;
            if (!node(cte->ctequery, {seen, depth})) {
                return false;
            }
            // This one is seen by those behind it.
            const VisibleCte* next = place.ctes;
            while (next->outer != before) {
                next = next->outer;
            }
            before = next;
        }
    }
    // First, since it is where most that is not plain is not.
    for (const ListCell& item : cells(select->fromClause)) {
        if (!from(syntax::node(item), place)) {
            return false;
        }
    }
    return nodes(select->targetList, place) && node(select->whereClause, place) &&
           nodes(select->distinctClause, place) && nodes(select->groupClause, place) &&
           node(select->havingClause, place) && nodes(select->windowClause, place) &&
           nodes(select->valuesLists, place) && nodes(select->sortClause, place) &&
           node(select->limitOffset, place) && node(select->limitCount, place) &&
           node(reinterpret_cast<const Node*>(select->larg), place) &&
           node(reinterpret_cast<const Node*>(select->rarg), place);
}

const PlainRelation* Walk::in_schema(const PlainName& name, std::string_view schema) const {
    const auto all = names_.relations(name);
    if (all.size() == 1) {
        return all[0].relation->schema == schema ? &all[0] : nullptr;
    }
    const auto found = std::lower_bound(all.begin(), all.end(), schema,
                                        [](const PlainRelation& each, std::string_view wanted) {
                                            return each.relation->schema < wanted;
                                        });
    return found == all.end() || found->relation->schema != schema ? nullptr : &*found;
}

// nullptr: none, or, where the path is not known, one of several.
const PlainRelation* Walk::find(const PlainName& name, const char* schema) const {
    if (schema != nullptr) {
        return in_schema(name, schema);
    }
    if (!path_.known) {
        const auto all = names_.relations(name);
        return all.size() == 1 ? &all[0] : nullptr;
    }
    const PlainRelation* found = nullptr;
    for (auto each = path_.schemas.begin(); found == nullptr && each != path_.schemas.end();
         ++each) {
        found = in_schema(name, *each);
    }
    return found;
}

bool Walk::relation(const RangeVar* reference, Place place) {
    if (reference->catalogname != nullptr) {
        return false;
    }
    const bool renamed = reference->alias != nullptr && reference->alias->colnames != nullptr;
    const char* name =
        reference->alias != nullptr ? reference->alias->aliasname : reference->relname;
    if (reference->schemaname == nullptr && place.ctes != nullptr &&
        sees_cte(place.ctes, reference->relname)) {
        return add_item(name, nullptr);
    }
    const PlainName* meant = names_.find(reference->relname);
    if (meant == nullptr) {
        return false;
    }
    const PlainRelation* found = find(*meant, reference->schemaname);
    if (found == nullptr) {
        return false;
    }
    if (!found->open) {
        met_open_in_part_ = met_open_in_part_ || found->open_in_part;
        if (in_part_ == nullptr || !found->open_in_part || renamed) {
            return false;
        }
        in_part_->push_back({found, reference->location, reference->schemaname != nullptr});
    }
    return add_item(name, renamed ? nullptr : found);
}

bool Walk::call(const FuncCall* call, Place place) {
    const PlainName* name = own_name(call->funcname);
    if (name == nullptr || name->arguments == 0 || call->func_variadic) {
        return false;
    }
    const auto arguments = cells(call->args);
    const bool libpg_querys_own = call->funcformat == COERCE_SQL_SYNTAX && !arguments.empty() &&
                                  is_a(arguments[0].ptr_value, T_ParamRef);
    if (libpg_querys_own || (arguments.size() > 1 && std::strcmp(name->key.text, "unnest") == 0)) {
        return false;
    }
    const std::size_t least = arguments.size();
    const std::size_t most =
        least + (call->agg_within_group ? cells(call->agg_order).size() : std::size_t{0});
    bool fits = false;
    for (std::size_t count = least; count <= most && !fits; ++count) {
        const std::size_t bit =
            count < PlainNames::kArgumentsMax ? count : PlainNames::kArgumentsMax;
        fits = (name->arguments >> bit & 1) != 0;
    }
    return fits && nodes(call->args, place) && nodes(call->agg_order, place) &&
           node(call->agg_filter, place) && node(reinterpret_cast<const Node*>(call->over), place);
}

bool Walk::column(const ColumnRef* column) {
    const auto fields = cells(column->fields);
    if (fields.empty() || fields.size() > 3) {
        return false;
    }
    const char* name = text_of(fields.back());
    if (name == nullptr && !is_a(fields.back().ptr_value, T_A_Star)) {
        return false;
    }
    if (in_part_ != nullptr && name == nullptr) {
        return false;
    }
    if (fields.size() == 1) {
        return in_part_ == nullptr || add_attribute(nullptr, name);
    }
    const char* qualifier = text_of(fields[fields.size() - 2]);
    if (qualifier == nullptr || (fields.size() == 3 && text_of(fields[0]) == nullptr)) {
        return false;
    }
    if (name == nullptr) {
        return true;
    }
    return add_attribute(qualifier, name);
}

// May it be, or have in it, what is masked of a relation that is open in part? A name by itself
// must be a column of all of those: else it might be one that the catalog does not know of yet, or
// the whole row.
bool Walk::is_masked(const Attribute& attribute, const NameKey& name) const {
    const auto items = std::span(items_).first(items_count_);
    return std::any_of(items.begin(), items.end(), [&](const Item& item) {
        if (item.relation == nullptr || !item.relation->open_in_part) {
            return false;
        }
        return names_.has_masked_column(*item.relation, name) ||
               (attribute.qualifier == nullptr &&
                (!names_.has_column(*item.relation, name) || same_text(item.name, attribute.name)));
    });
}

bool Walk::type(const TypeName* type) const {
    if (type->names == nullptr || type->pct_type || type->setof) {
        return false;
    }
    for (const ListCell& modifier : cells(type->typmods)) {
        if (!is_a(modifier.ptr_value, T_A_Const)) {
            return false;
        }
    }
    const PlainName* name = own_name(type->names);
    if (name != nullptr && name->own_type) {
        return true;
    }
    if (in_part_ != nullptr) {
        return false;
    }
    // A user's: an enum, a domain.
    const auto parts = cells(type->names);
    const char* schema = parts.size() == 2 ? text_of(parts[0]) : nullptr;
    const char* text = parts.size() <= 2 ? text_of(parts.back()) : nullptr;
    if (text == nullptr || (parts.size() == 2 && schema == nullptr)) {
        return false;
    }
    name = names_.find(text);
    if (name == nullptr || !name->type) {
        return false;
    }
    const auto except = names_.except(*name);
    for (const Type* each : policy_.catalog().types(text)) {
        const bool meant = schema == nullptr ? path_.place(each->schema) != SearchPath::kUnreachable
                                             : each->schema == schema;
        if (meant) {
            // Where there are several, all of them must be plain.
            return !is_temporary_schema(each->schema) &&
                   (schema == nullptr
                        ? !may_mean_another(*name)
                        : std::find(except.begin(), except.end(), schema) == except.end());
        }
    }
    return false;
}

bool Walk::operation(const A_Expr* operation, Place place) {
    switch (operation->kind) {
        case AEXPR_BETWEEN:
        case AEXPR_NOT_BETWEEN:
        case AEXPR_BETWEEN_SYM:
        case AEXPR_NOT_BETWEEN_SYM:
            if (!binary(">=") || !binary("<=") || !binary("<") || !binary(">")) {
                return false;
            }
            break;
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
            const PlainName* name = own_symbol(operation->name);
            if (name == nullptr ||
                !(operation->lexpr == nullptr ? name->prefix_operator : name->binary_operator)) {
                return false;
            }
            break;
        }
        default:
            return false;
    }
    return node(operation->lexpr, place) && node(operation->rexpr, place);
}

// `x.f`: a column of every x that there is, or a function or a cast that may be called.
bool Walk::attributes() const {
    const auto items = std::span(items_).first(items_count_);
    for (const Attribute& attribute : std::span(attributes_).first(attributes_count_)) {
        const NameKey name(attribute.name);
        if (in_part_ != nullptr && is_masked(attribute, name)) {
            return false;
        }
        if (attribute.qualifier == nullptr) {
            continue;
        }
        bool column = false;
        bool other = false;
        for (const Item& item : items) {
            if (!same_text(item.name, attribute.qualifier)) {
                continue;
            }
            if (item.relation == nullptr) {
                other = true;
            } else if (names_.has_column(*item.relation, name)) {
                column = true;
            } else {
                return false;  // the catalog may be older than the column
            }
            if (item.alone) {
                break;
            }
        }
        if (column && !other) {
            continue;
        }
        const PlainName* called = names_.find(attribute.name);
        if (called != nullptr && (!called->attribute || on_path(called) == nullptr)) {
            return false;
        }
    }
    return true;
}

void Walk::find_namesakes() {
    const auto items = std::span(items_).first(items_count_);
    for (std::size_t i = 0; i < items.size(); ++i) {
        for (std::size_t k = 0; k < i; ++k) {
            if (same_text(items[i].name, items[k].name)) {
                items[i].alone = items[k].alone = false;
            }
        }
    }
}

}  // namespace

bool is_plain(const Node* statement, const Policy& policy, const SearchPath& path,
              std::span<const Oid> parameters, std::vector<OpenInPart>& in_part) {
    if (!is_a(statement, T_SelectStmt) || !policy.plain_names().any() ||
        path.place(kCatalogSchema) == SearchPath::kUnreachable) {
        return false;
    }
    for (const Oid type : parameters) {
        if (type == kVoidType ||
            (type != 0 && (policy.catalog().type(type) == nullptr || policy.type_refused(type)))) {
            return false;
        }
    }
    const auto is_plain_read = [&](Walk& walk) {
        if (!walk.select(as<SelectStmt>(statement), nullptr, 0)) {
            return false;
        }
        walk.find_namesakes();
        return walk.attributes();
    };
    if (path.known) {
        Walk walk(policy, path, nullptr);
        if (is_plain_read(walk)) {
            return true;
        }
        if (!walk.met_open_in_part()) {
            return false;
        }
    }
    Walk walk(policy, path, &in_part);
    if (is_plain_read(walk) && !in_part.empty()) {
        return true;
    }
    in_part.clear();
    return false;
}

bool is_plain(const std::string& sql, const Policy& policy, const SearchPath& path,
              std::span<const Oid> parameters) {
    const syntax::ParseTree tree(sql);
    const auto statements = cells(tree.statements());
    std::vector<OpenInPart> in_part;
    return !tree.error() && statements.size() == 1 &&
           is_plain(as<RawStmt>(statements[0].ptr_value)->stmt, policy, path, parameters, in_part);
}

}  // namespace vitrine::parser
