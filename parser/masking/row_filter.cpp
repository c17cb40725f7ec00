#include "parser/masking/row_filter.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "parser/masking/written_sql.h"
#include "parser/query_parts.h"
#include "parser/syntax/parse_tree.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

namespace {

// pg_type.dat
constexpr Oid kBool = 16;
constexpr Oid kBytea = 17;
constexpr Oid kBigint = 20;
constexpr Oid kInteger = 23;
constexpr Oid kText = 25;
constexpr Oid kReal = 700;
constexpr Oid kDouble = 701;
constexpr Oid kDate = 1082;
constexpr Oid kTime = 1083;
constexpr Oid kTimestamp = 1114;
constexpr Oid kTimestamptz = 1184;
constexpr Oid kInterval = 1186;
constexpr Oid kTimetz = 1266;
constexpr Oid kBits = 1560;
constexpr Oid kNumeric = 1700;
constexpr Oid kJsonb = 3802;

// "char", name, text, bpchar, varchar.
constexpr std::array<Oid, 5> kStrings{18, 19, kText, 1042, 1043};
// What reads and writes their values as text asks for no setting (but see Meaning::converts): the
// strings; bool, int8, int2, int4, oid, the floats and numeric; bytea, json, jsonb, jsonpath, uuid,
// inet, cidr, macaddr, the bit strings.
constexpr std::array<Oid, 23> kSettled{
    18,       19,     kText, 1042,   1043, kBool, kBigint, 21,  kInteger, 26,    kReal, kDouble,
    kNumeric, kBytea, 114,   kJsonb, 4072, 2950,  869,     650, 829,      kBits, 1562};

template <std::size_t kCount>
bool is_one_of(const std::array<Oid, kCount>& list, Oid type) {
    return std::find(list.begin(), list.end(), type) != list.end();
}

bool takes_digits(std::string_view& text, std::size_t count) {
    const std::size_t found = std::min(text.find_first_not_of("0123456789"), text.size());
    if (found != count) {
        return false;
    }
    text.remove_prefix(count);
    return true;
}

bool takes(std::string_view& text, std::string_view what) {
    if (!text.starts_with(what)) {
        return false;
    }
    text.remove_prefix(what.size());
    return true;
}

// 12:34, 12:34:56, 12:34:56.789
bool takes_time(std::string_view& text) {
    if (!takes_digits(text, 2) || !takes(text, ":") || !takes_digits(text, 2)) {
        return false;
    }
    if (takes(text, ":") && !takes_digits(text, 2)) {
        return false;
    }
    if (takes(text, ".")) {
        text.remove_prefix(std::min(text.find_first_not_of("0123456789"), text.size()));
    }
    return true;
}

// The forms that no DateStyle reads otherwise.
bool is_iso(std::string_view text, Oid type) {
    if (type == kTime) {
        return takes_time(text) && text.empty();
    }
    if (text == "infinity" || text == "-infinity" || text == "epoch") {
        return true;
    }
    if (!takes_digits(text, 4) || !takes(text, "-") || !takes_digits(text, 2) ||
        !takes(text, "-") || !takes_digits(text, 2)) {
        return false;
    }
    if ((takes(text, " ") || takes(text, "T")) && !takes_time(text)) {
        return false;
    }
    if (type == kTimestamptz) {
        if (takes(text, "Z")) {
            return text.empty();
        }
        if (!(takes(text, "+") || takes(text, "-")) || !takes_digits(text, 2) ||
            (takes(text, ":") && !takes_digits(text, 2))) {
            return false;
        }
    }
    return text.empty();
}

// What an expression of the written form is: which types, which functions, and whether any of it
// may mean one thing in one session and another in the next.
class Meaning {
  public:
    struct Value {
        Oid type = 0;          // 0: not known
        bool literal = false;  // a constant that has no type yet
        std::string_view text;
        bool null = false;
    };

    Meaning(const Relation& relation, const CatalogSnapshot& catalog)
        : relation_(relation), catalog_(catalog) {}

    Value value(const Node* node);
    [[nodiscard]] const std::string& why() const { return why_; }

  private:
    Value fail(std::string why) {
        if (why_.empty()) {
            why_ = std::move(why);
        }
        return {};
    }
    Value constant(const A_Const* constant);
    Value cast(const TypeCast* cast);
    Value call(const FuncCall* call);
    Value operation(const A_Expr* operation);
    Value elements(const A_Indirection* indirection);
    // They become of one type.
    Oid merged(const std::vector<Value>& values);
    std::vector<Value> values(const List* nodes);
    void truth(const Node* node);

    // What a call may be, by its arguments; and what is said of all of that.
    struct Candidate {
        std::vector<Oid> types;
        const Function* function;
        Oid result;
    };
    Oid called(std::vector<Candidate> candidates, const std::vector<Value>& arguments,
               const std::string& name);
    [[nodiscard]] bool takes_any(Oid wanted, Oid given) const;
    [[nodiscard]] bool accepts(const Candidate& candidate, const std::vector<Value>& arguments,
                               bool exactly) const;
    // A constant becomes a value of the type.
    void becomes(const Value& literal, Oid type);
    void converts(Oid from, Oid to);
    [[nodiscard]] bool is_enum(Oid type) const;
    [[nodiscard]] Oid element(Oid type) const;
    [[nodiscard]] Oid array_of(Oid type) const;
    [[nodiscard]] std::string title(Oid type) const;

    const Relation& relation_;
    const CatalogSnapshot& catalog_;
    std::string why_;
};

bool Meaning::is_enum(Oid oid) const {
    const Type* type = catalog_.type(oid);
    return type != nullptr && type->kind == 'e';
}

Oid Meaning::element(Oid oid) const {
    const Type* type = catalog_.type(oid);
    return type == nullptr ? 0 : type->element;
}

Oid Meaning::array_of(Oid oid) const {
    const auto all = catalog_.types();
    const auto found = std::find_if(
        all.begin(), all.end(), [&](const Type& each) { return oid != 0 && each.element == oid; });
    return found == all.end() ? 0 : found->oid;
}

std::string Meaning::title(Oid oid) const {
    const Type* type = catalog_.type(oid);
    return type == nullptr ? "an unknown type" : type->name;
}

void Meaning::becomes(const Value& literal, Oid type) {
    if (!literal.literal || literal.null || type == 0) {
        return;
    }
    const Type* known = catalog_.type(type);
    if (known != nullptr && known->kind == 'p') {
        return;  // a text
    }
    const Oid each = element(type) == 0 ? type : element(type);
    if (is_one_of(kSettled, each) || is_enum(each)) {
        return;
    }
    const std::string text = "'" + std::string(literal.text) + "'";
    switch (type) {
        case kDate:
        case kTimestamp:
        case kTime:
        case kTimestamptz:
            if (!is_iso(literal.text, type)) {
                fail("it has " + text + " as a " + title(type) +
                     ", which may mean another under another DateStyle or TimeZone; write " +
                     (type == kTime          ? "'12:34:56'"
                      : type == kTimestamptz ? "'2026-01-31 12:34:56+00'"
                                             : "'2026-01-31'"));
            }
            return;
        case kInterval:
            if (literal.text.starts_with('-')) {
                fail("it has the interval " + text +
                     ", which may mean another under another IntervalStyle; subtract it");
            }
            return;
        default:
            fail("it has " + text + " as a " + title(type) +
                 ", and vitrine does not know that this means the same in each session");
    }
}

void Meaning::converts(Oid from, Oid to) {
    if (from == to || !why_.empty()) {
        return;
    }
    const auto time = [](Oid type) { return type == kDate || type == kTime || type == kTimestamp; };
    const auto plain = [&](Oid type) { return is_one_of(kSettled, type) || is_enum(type); };
    // bytea_output and extra_float_digits say how these are written.
    const bool styled = from == kBytea || from == kReal || from == kDouble;
    if ((time(from) && time(to)) ||
        (plain(from) && plain(to) && !(styled && is_one_of(kStrings, to)))) {
        return;
    }
    fail("it makes a " + title(to) + " of a " + title(from) +
         ", which may hang on settings of the session, such as TimeZone");
}

// A polymorphic argument. The pseudo-types of another sort take more than they would, which does
// no harm: each candidate must do.
bool Meaning::takes_any(Oid wanted, Oid given) const {
    const Type* type = catalog_.type(given);
    const char kind = type == nullptr ? 'b' : type->kind;
    switch (wanted) {
        case 2277:  // anyarray, anycompatiblearray
        case 5078:
            return element(given) != 0;
        case 3500:  // anyenum
            return kind == 'e';
        case 3831:  // anyrange, anycompatiblerange
        case 5080:
            return kind == 'r';
        case 4537:  // anymultirange, anycompatiblemultirange
        case 4538:
            return kind == 'm';
        case 2249:  // record
            return kind == 'c';
        case 2275:  // cstring
            return false;
        default:
            return true;
    }
}

bool Meaning::accepts(const Candidate& candidate, const std::vector<Value>& arguments,
                      bool exactly) const {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i].literal || (arguments[i].type == 0 && !exactly)) {
            continue;
        }
        if (i >= candidate.types.size()) {
            if (exactly) {
                return false;
            }
            continue;  // VARIADIC
        }
        const Oid wanted = candidate.types[i];
        if (wanted == arguments[i].type) {
            continue;
        }
        const Type* type = catalog_.type(wanted);
        if (exactly || type == nullptr) {
            return false;
        }
        const auto& sources = type->implicit_sources;
        if (type->kind == 'p'
                ? !takes_any(wanted, arguments[i].type)
                : std::find(sources.begin(), sources.end(), arguments[i].type) == sources.end()) {
            return false;
        }
    }
    return true;
}

// The server takes one of the candidates. Where one takes the arguments as they are, it is that
// (func_select_candidate, oper_select_candidate); else any may be, and each must do.
Oid Meaning::called(std::vector<Candidate> candidates, const std::vector<Value>& arguments,
                    const std::string& name) {
    if (!why_.empty()) {
        return 0;
    }
    const bool typed = std::any_of(arguments.begin(), arguments.end(),
                                   [](const Value& each) { return !each.literal; });
    // A constant beside a value of some type is first taken for one of the same.
    std::vector<Value> alike = arguments;
    if (arguments.size() == 2 && arguments[0].literal != arguments[1].literal) {
        const Oid type = arguments[arguments[0].literal ? 1 : 0].type;
        alike[arguments[0].literal ? 0 : 1] = {type, false, {}, false};
    }
    // varchar and cidr have next to nothing of their own.
    std::vector<Value> relabelled = alike;
    for (Value& each : relabelled) {
        each.type = each.type == 1043 ? kText : each.type == 650 ? Oid{869} : each.type;
    }
    const std::array<const std::vector<Value>*, 3> tries{&alike, &arguments, &relabelled};
    for (const std::vector<Value>* tried : tries) {
        const auto exact = [&](const Candidate& each) { return accepts(each, *tried, true); };
        if (typed && std::any_of(candidates.begin(), candidates.end(), exact)) {
            std::erase_if(candidates, [&](const Candidate& each) { return !exact(each); });
            break;
        }
    }
    std::erase_if(candidates,
                  [&](const Candidate& each) { return !accepts(each, arguments, false); });
    if (candidates.empty()) {
        fail("it calls " + name + ", which is not there for these arguments");
        return 0;
    }
    Oid result = candidates.front().result;
    for (const Candidate& each : candidates) {
        result = each.result == result ? result : 0;
        if (each.function == nullptr) {
            fail("it calls " + name + ", whose function is not in the catalog");
            return 0;
        }
        const Function& function = *each.function;
        const bool of_the_moment = function.builtin && (function.name == "now" ||
                                                        function.name == "transaction_timestamp" ||
                                                        function.name == "statement_timestamp");
        if (function.volatility == 'v') {
            fail("it calls " + name + ", which is volatile");
        } else if (function.volatility != 'i' && function.builtin && !of_the_moment) {
            fail("it calls " + name +
                 ", which may hang on settings of the session, such as TimeZone, with these "
                 "arguments; write it with AT TIME ZONE 'UTC' and types without time zone, or with "
                 "a cast of each argument");
        }
        for (std::size_t i = 0; i < std::min(arguments.size(), each.types.size()); ++i) {
            const Oid wanted = each.types[i];
            const Type* declared = catalog_.type(wanted);
            const bool polymorphic = declared != nullptr && declared->kind == 'p';
            becomes(arguments[i], polymorphic ? alike[i].type : wanted);
            if (!arguments[i].literal && arguments[i].type != wanted &&
                (wanted == kTimestamptz || wanted == kTimetz)) {
                fail("it makes a " + title(wanted) + " of another type for " + name +
                     ", which hangs on the session's TimeZone");
            }
        }
    }
    const Type* type = catalog_.type(result);
    return type != nullptr && type->kind == 'p' ? 0 : result;
}

std::vector<Meaning::Value> Meaning::values(const List* nodes) {
    std::vector<Value> found;
    for (const ListCell& cell : cells(nodes)) {
        found.push_back(value(syntax::node(cell)));
    }
    return found;
}

void Meaning::truth(const Node* node) {
    const Value found = value(node);
    becomes(found, kBool);
    if (why_.empty() && !found.literal && found.type != kBool) {
        fail("it has a part that is no condition: its type is not boolean, or not known");
    }
}

Oid Meaning::merged(const std::vector<Value>& values) {
    Oid type = 0;
    bool any = false;
    bool alike = true;
    for (const Value& each : values) {
        if (!each.literal) {
            alike = alike && (!any || each.type == type);
            type = any ? type : each.type;
            any = true;
        }
    }
    type = !any ? kText : alike ? type : 0;
    for (const Value& each : values) {
        if (type == 0 && each.literal && !each.null) {
            fail("it has '" + std::string(each.text) +
                 "' beside values of more than one type; write a cast of it");
        } else if (type == 0 && (each.type == kTimestamptz || each.type == kTimetz)) {
            fail("it makes a " + title(each.type) +
                 " of another type, which hangs on the session's TimeZone");
        }
        becomes(each, type);
    }
    return type;
}

Meaning::Value Meaning::constant(const A_Const* constant) {
    if (constant->isnull) {
        return {0, true, {}, true};
    }
    switch (nodeTag(&constant->val)) {
        case T_Integer:
            return {kInteger};
        case T_Float: {
            // Digits alone: a bigint where it holds them (scan.l, make_const).
            const std::string_view digits = constant->val.fval.fval;
            constexpr std::size_t kBigintDigits = 18;
            return {digits.find_first_not_of("-0123456789") == std::string_view::npos &&
                            digits.size() <= kBigintDigits
                        ? kBigint
                        : kNumeric};
        }
        case T_Boolean:
            return {kBool};
        case T_BitString:
            return {kBits};
        case T_String:
            return {0, true, constant->val.sval.sval, false};
        default:
            return fail("it has a constant that vitrine does not know");
    }
}

Meaning::Value Meaning::cast(const TypeCast* cast) {
    if (is_a(cast->arg, T_ColumnRef)) {
        // The writer's own, to the column's base type.
        const Column* column =
            relation_.column(string_value(cells(as<ColumnRef>(cast->arg)->fields)[0].ptr_value));
        return column == nullptr ? fail("it names a column that is not there")
                                 : Value{column->base_type};
    }
    const WrittenName name = written_name(cast->typeName->names);
    const std::string_view schema = name.object.qualified() ? name.object.schema : "pg_catalog";
    Oid target = 0;
    for (const Type* type : catalog_.types(name.object.name)) {
        target = type->schema == schema ? type->oid : target;
    }
    if (cast->typeName->arrayBounds != nullptr) {
        target = array_of(target);
    }
    const Value from = value(cast->arg);
    const Type* type = catalog_.type(target);
    if (type == nullptr || type->kind == 'd') {
        return fail("it has a cast to a type that is not there, or is a domain");
    }
    // A constant's own type does not matter: it is read from its text, or is a number.
    const bool number = is_a(cast->arg, T_A_Const) && !from.literal;
    if (from.literal) {
        becomes(from, target);
    } else if (!number || !is_one_of(kSettled, target)) {
        converts(from.type, target);
    }
    return {target};
}

Meaning::Value Meaning::call(const FuncCall* call) {
    const WrittenName name = written_name(call->funcname);
    const std::vector<Value> arguments = values(call->args);
    std::vector<Candidate> candidates;
    for (const Function* function : catalog_.functions(name.object.name)) {
        if (function->schema == name.object.schema && function->arguments_min <= arguments.size() &&
            arguments.size() <= function->arguments_max) {
            candidates.push_back({function->argument_type_oids, function, function->result_type});
        }
    }
    return {called(std::move(candidates), arguments, name.object.text())};
}

Meaning::Value Meaning::operation(const A_Expr* operation) {
    const WrittenName name = written_name(operation->name);
    std::vector<Value> arguments;
    if (operation->lexpr != nullptr) {
        arguments.push_back(value(operation->lexpr));
    }
    Value right = value(operation->rexpr);
    if (operation->kind != AEXPR_OP) {
        // x = ANY ('{…}'): an array of what stands on the left.
        if (right.literal) {
            const Oid array = arguments.empty() ? 0 : array_of(arguments[0].type);
            if (array == 0) {
                return fail("it has an array whose type vitrine does not know; write a cast of it");
            }
            becomes(right, array);
            right = {arguments[0].type, false, {}, false};
        } else {
            right = {element(right.type), false, {}, false};
        }
    }
    arguments.push_back(right);
    std::vector<Candidate> candidates;
    for (const Operator* each : catalog_.operators(name.object.name)) {
        if (each->schema == name.object.schema && (each->left == 0) == (arguments.size() == 1)) {
            std::vector<Oid> types;
            if (each->left != 0) {
                types.push_back(each->left);
            }
            types.push_back(each->right);
            candidates.push_back(
                {std::move(types), catalog_.function(each->function), each->result});
        }
    }
    return {called(std::move(candidates), arguments, "operator " + name.object.text())};
}

Meaning::Value Meaning::elements(const A_Indirection* indirection) {
    const Value of = value(indirection->arg);
    bool slice = false;
    for (const ListCell& cell : cells(indirection->indirection)) {
        const auto* indices = as<A_Indices>(cell.ptr_value);
        slice = slice || indices->is_slice;
        for (const Node* index : {indices->lidx, indices->uidx}) {
            if (index != nullptr) {
                becomes(value(index), of.type == kJsonb ? kText : kInteger);
            }
        }
    }
    return {slice || of.type == kJsonb ? of.type : element(of.type)};
}

Meaning::Value Meaning::value(const Node* node) {
    if (!why_.empty()) {
        return {};
    }
    switch (nodeTag(node)) {
        case T_A_Const:
            return constant(as<A_Const>(node));
        case T_TypeCast:
            return cast(as<TypeCast>(node));
        case T_FuncCall:
            return call(as<FuncCall>(node));
        case T_A_Expr:
            return operation(as<A_Expr>(node));
        case T_BoolExpr:
            for (const ListCell& cell : cells(as<BoolExpr>(node)->args)) {
                truth(syntax::node(cell));
            }
            return {kBool};
        case T_NullTest:
            (void)value(reinterpret_cast<const Node*>(as<NullTest>(node)->arg));
            return {kBool};
        case T_BooleanTest:
            truth(reinterpret_cast<const Node*>(as<BooleanTest>(node)->arg));
            return {kBool};
        case T_CaseExpr: {
            std::vector<Value> results;
            for (const ListCell& cell : cells(as<CaseExpr>(node)->args)) {
                truth(reinterpret_cast<const Node*>(as<CaseWhen>(cell.ptr_value)->expr));
                results.push_back(
                    value(reinterpret_cast<const Node*>(as<CaseWhen>(cell.ptr_value)->result)));
            }
            if (as<CaseExpr>(node)->defresult != nullptr) {
                results.push_back(
                    value(reinterpret_cast<const Node*>(as<CaseExpr>(node)->defresult)));
            }
            return {merged(results)};
        }
        case T_CoalesceExpr:
            return {merged(values(as<CoalesceExpr>(node)->args))};
        case T_MinMaxExpr:
            return {merged(values(as<MinMaxExpr>(node)->args))};
        case T_A_ArrayExpr:
            return {array_of(merged(values(as<A_ArrayExpr>(node)->elements)))};
        case T_A_Indirection:
            return elements(as<A_Indirection>(node));
        case T_CollateClause:
            return value(as<CollateClause>(node)->arg);
        default:
            return fail("it has a construct that vitrine does not take here");
    }
}

// The written form: columns stand in the writer's casts, every name has its schema.
bool is_settled(const std::string& written, const Relation& relation, const Policy& policy,
                std::string& why) {
    const std::string text = "SELECT " + written;
    const syntax::ParseTree tree(text);
    const auto statements = cells(tree.statements());
    if (tree.error() || statements.size() != 1) {
        why = "it cannot be written in full";
        return false;
    }
    const auto* select = as<SelectStmt>(as<RawStmt>(statements[0].ptr_value)->stmt);
    Meaning meaning(relation, policy.catalog());
    const Meaning::Value value =
        meaning.value(as<ResTarget>(cells(select->targetList)[0].ptr_value)->val);
    why = meaning.why();
    if (why.empty() && value.type != kBool) {
        why = "it is no condition: its type is not boolean, or not known";
    }
    return why.empty();
}

}  // namespace

std::optional<std::string> row_filter(const std::string& sql, const Relation& relation,
                                      const Policy& policy, std::string& why) {
    const WrittenNames names = [&](std::string_view name) -> std::optional<std::string> {
        const Column* column = relation.column(name);
        if (column == nullptr || column->type_sql.empty()) {
            return std::nullopt;
        }
        return column_value(*column);
    };
    auto written = written_anew(sql, policy, names, why);
    return written && is_settled(*written, relation, policy, why) ? written : std::nullopt;
}

}  // namespace vitrine::parser
