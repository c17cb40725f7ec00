// Which types the values of a statement can have, and what follows for names that mean a user's
// object only beside such a value. Nothing is inferred that is not certain: what is not known can
// be anything that is there (ARCHITECTURE.md, "What a name may mean").

#include "parser/query.h"

#include <algorithm>
#include <array>
#include <utility>

#include "config/limits.h"
#include "parser/query_parts.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

namespace {

// pg_type.dat
constexpr Oid kRecordType = 2249;
constexpr Oid kUnknownType = 705;
constexpr Oid kVoidType = 2278;

}  // namespace

Oid Query::declared_type(const Node* parameter) const {
    const int number = as<ParamRef>(parameter)->number;
    const auto at = static_cast<std::size_t>(number) - 1;
    const Oid type = number < 1 || at >= parameter_types_.size() ? 0 : parameter_types_[at];
    return type == kUnknownType ? 0 : type;  // said, and nothing said (parse_param.c)
}

void Query::note_parameter(const Node* parameter) {
    if (declared_type(parameter) != 0) {
        return;
    }
    const int number = as<ParamRef>(parameter)->number;
    const std::uint64_t bit = number >= 0 && number < 64 ? std::uint64_t{1} << number : 0;
    parameter_again_ = parameter_again_ || bit == 0 || (parameters_ & bit) != 0;
    parameters_ |= bit;
}

bool Query::is_void_parameter(const Node* node) const {
    return is_a(node, T_ParamRef) && declared_type(node) == kVoidType;
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

// Can a value of this type be there, given all types of users that are? A parameter of which nobody
// said the type becomes what the first place wants that it stands in, and is of that type in the
// others.
bool Query::present(Oid oid, const std::set<Oid>& types) const {
    if (parameter_again_) {
        return true;
    }
    const Type* type = policy_.catalog().type(oid);
    for (std::size_t depth = 0; type != nullptr && depth < 64; ++depth) {  // no circles
        const auto there = [&](Oid each) {
            // Only where one of them is refused, builtin types are kept track of.
            const Type* held = policy_.catalog().type(each);
            return types.contains(each) ||
                   (held != nullptr && held->element != 0 && types.contains(held->element)) ||
                   (each < kFirstNormalObjectId && !policy_.refuses_builtin_types());
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
        rows_ || parameter_again_ || unnamed_items_ ||
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
    constexpr unsigned kDepth = 3;  // of operations in one another: each doubles what is looked at
    if (is_a(expression, T_TypeCast)) {
        const TypeName* target = as<TypeCast>(expression)->typeName;
        const WrittenName name = written_name(target->names);
        if (!name.valid || target->arrayBounds != nullptr) {
            return std::nullopt;
        }
        std::vector<Oid> types;
        for (const Type* type : calls_.types(name.object)) {
            if (type->oid == kUnknownType) {
                return std::nullopt;  // as good as a literal
            }
            types.push_back(type->oid);
        }
        return types;
    }
    if (is_a(expression, T_A_Expr) && as<A_Expr>(expression)->kind == AEXPR_OP && depth < kDepth) {
        return types_of_operation(expression, depth + 1);
    }
    if (is_a(expression, T_ParamRef)) {
        const Oid declared = declared_type(expression);
        return declared == 0 ? std::nullopt : std::optional(std::vector<Oid>{declared});
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
                if (((known || !parameter_again_) && !types.contains(value)) ||
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

}  // namespace vitrine::parser
