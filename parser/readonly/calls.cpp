#include "parser/readonly/calls.h"

#include <algorithm>
#include <cstdint>

namespace vitrine::parser {
namespace {

constexpr std::string_view kQualifyHint =
    "If you mean PostgreSQL's own, write its schema: pg_catalog.";

Objection temporary_object(const ObjectName& name) {
    return {"42501",
            "\"" + name.text() + "\" is a temporary object",
            "There are no temporary objects in a session through vitrine, and nobody else's may "
            "be used.",
            "Use an object of another schema.",
            "name: pg_temp",
            false};
}

bool accepts(const Function& function, const CallShape& shape) {
    if (function.arguments_max == UINT16_MAX) {
        // The array may also be given as one argument; a variadic "any" takes none at all.
        return shape.variadic || shape.arguments_max + 1 >= function.arguments_min;
    }
    return shape.arguments_min <= function.arguments_max &&
           shape.arguments_max >= function.arguments_min;
}

// On the path, a function hides those of the same arguments in later schemas (namespace.c,
// FuncnameGetCandidates). Only where neither has defaults nor is variadic is that certain.
bool hides(const Function& earlier, const Function& later) {
    return earlier.arguments_min == earlier.arguments_max &&
           later.arguments_min == later.arguments_max &&
           earlier.argument_type_oids == later.argument_type_oids;
}

std::string signature(const Function& function) {
    std::string text = function.schema + "." + function.name + "(";
    for (std::size_t i = 0; i < function.argument_types.size(); ++i) {
        text += (i > 0 ? ", " : "") + function.argument_types[i];
    }
    return text + ")";
}

std::string with_stop(std::string why) {
    if (!why.empty() && why.back() != '.') {
        why += '.';
    }
    return why;
}

Objection function_refused(const Function& function, std::string why, bool written_qualified) {
    Objection objection;
    objection.sqlstate = "42501";
    objection.message = "permission denied for function " + function.name;
    objection.detail = signature(function) + " is refused: " + with_stop(std::move(why));
    if (function.builtin) {
        objection.hint = "Leave the call out.";
    } else {
        objection.hint = "The operator can allow it under functions: allow.";
        if (!written_qualified) {
            objection.hint += " " + std::string(kQualifyHint);
        }
    }
    objection.rule =
        "function: " + (function.builtin ? function.name : function.schema + "." + function.name);
    return objection;
}

constexpr Oid kTextType = 25;  // pg_type.dat
constexpr Oid kRecordType = 2249;

constexpr std::string_view kLooksNamesUp =
    "its body looks names up in the search_path, and the database has functions or operators of "
    "users with the names of built-in ones";

}  // namespace

// PostgreSQL's own bodies have been parsed by initdb, from 14 on.
bool may_look_names_up(const Function& function, const CatalogSnapshot& catalog) {
    const bool compiled = function.language == "c" || function.language == "internal";
    return !compiled && catalog.has_impostors() &&
           (function.builtin ? catalog.server_version() < 140000 : !function.extension.empty());
}

bool Calls::has_builtin(std::string_view symbol, Oid left, Oid right) const {
    const auto all = policy_.catalog().operators(symbol);
    return std::any_of(all.begin(), all.end(), [&](const Operator* o) {
        return o->builtin && o->left == left && o->right == right;
    });
}

// Types whose values are not everywhere.
bool Calls::is_special(Oid oid) const {
    if (oid < kFirstNormalObjectId) {
        return policy_.type_refused(oid);
    }
    const Type* type = policy_.catalog().type(oid);
    return type == nullptr || type->kind != 'p';
}

// The rules of parse_func.c and parse_oper.c, as far as they leave candidates out: an operand that
// has a type is of the candidate's type, or becomes it unasked; one that has none may become
// anything, but PostgreSQL's own come first.
Calls::Needs Calls::needs(const Operator& candidate, const OperatorShape& shape,
                          const ObjectName& name) const {
    std::vector<Need> needed;
    std::vector<Need> beside;  // of operands that may have what is wanted in any statement
    std::vector<Oid> either;
    bool left_literal = false;
    bool right_literal = false;
    bool possible = true;
    const auto look = [&](Oid type, std::size_t at, Operand operand, bool& literal) {
        const bool reachable = policy_.type_reachable(type);
        if (type == 0) {
            return;
        }
        if (reachable && !is_special(type)) {
            if (operand == Operand::kTyped) {
                beside.push_back({type, at});
            }
            return;
        }
        if (operand == Operand::kTyped) {
            possible = possible && reachable;
            needed.push_back({type, at});
            return;
        }
        literal = true;
        if (operand == Operand::kEither && reachable) {
            either.push_back(type);
        }
    };
    look(candidate.left, 0, shape.left, left_literal);
    look(candidate.right, 1, shape.right, right_literal);
    if (!possible) {
        return std::nullopt;
    }
    if (!left_literal && !right_literal && needed.empty()) {
        return needed;
    }
    if (!needed.empty()) {
        needed.insert(needed.end(), beside.begin(), beside.end());
        return needed;
    }
    const auto own_come_first = [&] {
        if (shape.prefix || (name.qualified() && name.schema != "pg_catalog") ||
            path_.place("pg_catalog") == SearchPath::kUnreachable ||
            (left_literal && literal_may_become(candidate.left)) ||
            (right_literal && literal_may_become(candidate.right))) {
            return false;
        }
        if (left_literal && right_literal) {
            // Two literals are texts wherever an operator takes texts (func_select_candidate).
            return has_builtin(name.name, kTextType, kTextType);
        }
        // Beside what is or becomes a text, a literal is a text; beside another type it is first
        // taken for that type (binary_oper_exact).
        const Oid known = left_literal ? candidate.right : candidate.left;
        const Type* type = policy_.catalog().type(known);
        if (known == kTextType) {
            return has_builtin(name.name, kTextType, kTextType);
        }
        return type != nullptr && has_builtin(name.name, known, known) &&
               std::all_of(type->implicit_sources.begin(), type->implicit_sources.end(),
                           [&](Oid source) { return has_builtin(name.name, source, source); });
    };
    if (!own_come_first()) {
        return beside;
    }
    if (either.empty()) {
        return std::nullopt;
    }
    if (either.front() == either.back()) {
        beside.push_back({either.front()});
    }
    return beside;
}

// A type that competes with text for literals.
bool Calls::literal_may_become(Oid oid) const {
    const Type* type = policy_.catalog().type(oid);
    return type == nullptr || (type->category == 'S' && type->preferred);
}

Calls::Needs Calls::needs(const Function& candidate, const CallShape& shape,
                          const ObjectName& name) const {
    if (shape.named) {
        return std::vector<Need>{};
    }
    const auto& types = candidate.argument_type_oids;
    std::vector<Need> needed;
    std::vector<Need> beside;  // of arguments that may have what is wanted in any statement
    std::vector<Oid> either;
    std::vector<bool> literal(types.size());
    bool any_literal = false;
    for (std::size_t i = 0; i < shape.arguments_max && !types.empty(); ++i) {
        const std::size_t at = std::min(i, types.size() - 1);
        Oid wanted = types[at];
        if (candidate.arguments_max == UINT16_MAX && at + 1 == types.size() && !shape.variadic) {
            // VARIADIC, and the arguments are the array's elements.
            const Type* array = policy_.catalog().type(wanted);
            wanted = array != nullptr && array->element != 0 ? array->element : wanted;
        }
        const bool reachable = policy_.type_reachable(wanted);
        const Operand operand = i < shape.operands.size() ? shape.operands[i] : Operand::kEither;
        if (reachable && !is_special(wanted)) {
            if (operand == Operand::kTyped) {
                beside.push_back({wanted, i});
            }
            continue;
        }
        if (operand == Operand::kTyped) {
            if (!reachable) {
                return std::nullopt;
            }
            needed.push_back({wanted, i});
            continue;
        }
        any_literal = literal[at] = true;
        if (operand == Operand::kEither && reachable) {
            either.push_back(wanted);
        }
    }
    if (!any_literal && needed.empty()) {
        return needed;
    }
    if (!needed.empty()) {
        needed.insert(needed.end(), beside.begin(), beside.end());
        return needed;
    }
    const auto all = policy_.catalog().functions(name.name);
    // Literals are texts where one of PostgreSQL's own takes a text in that place, and is as near
    // in the others.
    const auto comes_first = [&](const Function* own) {
        if (own == &candidate || !own->builtin || own->argument_type_oids.size() != types.size() ||
            types.size() != shape.arguments_max || own->arguments_max != types.size()) {
            return false;
        }
        for (std::size_t i = 0; i < types.size(); ++i) {
            if (own->argument_type_oids[i] != (literal[i] ? kTextType : types[i]) ||
                (literal[i] && literal_may_become(types[i]))) {
                return false;
            }
        }
        return true;
    };
    if ((name.qualified() && name.schema != "pg_catalog") || shape.variadic ||
        path_.place("pg_catalog") == SearchPath::kUnreachable ||
        std::none_of(all.begin(), all.end(), comes_first)) {
        return beside;
    }
    if (either.empty()) {
        return std::nullopt;
    }
    const bool alike =
        std::all_of(either.begin(), either.end(), [&](Oid type) { return type == either.front(); });
    if (alike) {
        beside.push_back({either.front()});
    }
    return beside;
}

std::optional<Objection> Calls::result(const Function& function) const {
    if (of_users_ != nullptr && function.result_type == kRecordType) {
        of_users_->insert(kRecordType);
    }
    if (function.builtin && seen_ == nullptr && !policy_.refuses_builtin_types()) {
        return std::nullopt;
    }
    if (auto objection = type(function.result_type)) {
        return objection;
    }
    // A value becomes what an argument wants.
    for (const Oid argument : function.argument_type_oids) {
        if (auto objection = use_of_type(argument)) {
            return objection;
        }
    }
    for (const Oid column : function.result_columns) {
        if (auto objection = type(column)) {
            return objection;
        }
    }
    return std::nullopt;
}

Calls::FunctionFinding Calls::function(const ObjectName& name, const CallShape& shape) const {
    FunctionFinding finding;
    if (is_temporary_schema(name.schema)) {
        finding.objection = temporary_object(name);
        return finding;
    }
    const CatalogSnapshot& catalog = policy_.catalog();
    const auto all = catalog.functions(name.name);
    const auto place = [&](const Function& f) {
        if (name.qualified()) {
            return f.schema == name.schema ? std::size_t{0} : SearchPath::kUnreachable;
        }
        return path_.place(f.schema);
    };
    bool reachable = false;
    bool fits = false;
    const Function* impossible = nullptr;  // for want of a value of a type that is refused
    for (const Function* candidate : all) {
        const std::size_t at = place(*candidate);
        if (at == SearchPath::kUnreachable) {
            continue;
        }
        reachable = true;
        if (!accepts(*candidate, shape)) {
            continue;
        }
        const bool hidden =
            !shape.named && std::any_of(all.begin(), all.end(), [&](const Function* other) {
                return other != candidate && place(*other) < at && hides(*other, *candidate);
            });
        if (hidden) {
            continue;
        }
        // Nothing of PostgreSQL's own is in question by its types, unless one of those is refused.
        const bool own = candidate->builtin && !policy_.refuses_builtin_types();
        const Needs needed = own ? Needs{std::vector<Need>{}} : needs(*candidate, shape, name);
        if (!needed) {
            impossible = candidate;
            continue;
        }
        fits = true;
        // True: nothing more to be said.
        const auto object = [&](Objection objection) {
            if (!needed->empty()) {
                finding.conditional.push_back({std::move(objection), *needed});
                return false;
            }
            finding.objection = std::move(objection);
            return true;
        };
        if (may_look_names_up(*candidate, catalog)) {
            Objection objection =
                function_refused(*candidate, std::string(kLooksNamesUp), name.qualified());
            objection.hint =
                "Cast the argument to a built-in type, so that PostgreSQL's own function is meant.";
            if (object(std::move(objection))) {
                return finding;
            }
            continue;
        }
        std::string why;
        switch (policy_.function_verdict(*candidate, &why)) {
            case FunctionVerdict::kAllowed:
                break;
            case FunctionVerdict::kByArgument:
                finding.by_argument = candidate;
                continue;
            case FunctionVerdict::kRefused:
                if (object(function_refused(*candidate, std::move(why), name.qualified()))) {
                    return finding;
                }
                continue;
        }
        if (auto objection = result(*candidate)) {
            if (object(std::move(*objection))) {
                return finding;
            }
        }
    }
    bool is_type = false;
    if (shape.plain_single && !catalog.types(name.name).empty()) {
        // func_get_detail: a type's name with one argument is a cast.
        const auto types = catalog.types(name.name);
        is_type = std::any_of(types.begin(), types.end(), [&](const Type* t) {
            return name.qualified() ? t->schema == name.schema
                                    : path_.place(t->schema) != SearchPath::kUnreachable;
        });
        if (is_type) {
            if (auto objection = type(name)) {
                finding.objection = std::move(objection);
                return finding;
            }
        }
    }
    if (fits || is_type) {
        return finding;
    }
    if (impossible != nullptr) {
        for (const Oid type : impossible->argument_type_oids) {
            if ((finding.objection = use_of_type(type))) {
                return finding;
            }
        }
    }
    if (shape.plain_single && !name.qualified()) {
        // With a function of the name but none that fits, the server tries the column too.
        finding.column_notation = true;
        return finding;
    }
    finding.objection =
        Objection{"42883",
                  "function " + name.text() + "(…) does not exist",
                  reachable ? "No function of this name takes that many arguments." : "",
                  "Check the name and its schema; a function that is new is known to vitrine "
                  "within seconds.",
                  "function: " + name.text(),
                  true};
    return finding;
}

std::optional<Objection> Calls::operator_symbol(const ObjectName& name, const OperatorShape& shape,
                                                std::vector<Conditional>& conditional) const {
    if (is_temporary_schema(name.schema)) {
        return temporary_object(name);
    }
    const CatalogSnapshot& catalog = policy_.catalog();
    const auto all = catalog.operators(name.name);
    const auto place = [&](const Operator& o) {
        if (name.qualified()) {
            return o.schema == name.schema ? std::size_t{0} : SearchPath::kUnreachable;
        }
        return path_.place(o.schema);
    };
    // None of PostgreSQL's own operators does anything but compute (a test holds the catalog to
    // it), and none gives a value of a user's type.
    const bool every_builtin =
        seen_ != nullptr || policy_.refuses_builtin_types() || catalog.server_version() < 140000;
    bool found = false;
    for (const Operator* candidate : all) {
        if (candidate->builtin && found && !every_builtin) {
            break;  // and so is all that comes (CatalogSnapshot::operators)
        }
        if ((candidate->left == 0) != shape.prefix) {
            continue;
        }
        const std::size_t at = place(*candidate);
        if (at == SearchPath::kUnreachable) {
            continue;
        }
        if (candidate->builtin && !every_builtin) {
            found = true;
            continue;
        }
        const bool hidden =
            !candidate->builtin && std::any_of(all.begin(), all.end(), [&](const Operator* other) {
                return other->left == candidate->left && other->right == candidate->right &&
                       place(*other) < at;
            });
        const Needs needed = hidden ? Needs{} : needs(*candidate, shape, name);
        if (!needed) {
            continue;
        }
        found = true;
        // True: nothing more to be said.
        std::optional<Objection> said;
        const auto object = [&](Objection objection) {
            if (!needed->empty()) {
                conditional.push_back({std::move(objection), *needed});
                return false;
            }
            said = std::move(objection);
            return true;
        };
        bool judged = false;
        for (const Oid used : {candidate->left, candidate->right, candidate->result}) {
            if (used != 0) {
                auto objection = used == candidate->result ? type(used) : use_of_type(used);
                if (objection) {
                    judged = true;
                    if (object(std::move(*objection))) {
                        return said;
                    }
                }
            }
        }
        if (judged) {
            continue;
        }
        const Function* function = catalog.function(candidate->function);
        std::string why = "its function is not known";
        bool refused = function == nullptr ||
                       (!candidate->builtin && !policy_.function_allowed(*function, &why));
        if (!refused && may_look_names_up(*function, catalog)) {
            refused = true;
            why = kLooksNamesUp;
        }
        if (!refused && policy_.prints_hidden(*function)) {
            refused = true;
            why = "it prints definitions of which some are hidden";
        }
        if (refused) {
            Objection objection;
            objection.sqlstate = "42501";
            objection.message =
                "permission denied for operator " + candidate->schema + "." + candidate->name;
            objection.detail = function == nullptr
                                   ? "The function behind the operator is not known."
                                   : "The operator calls " + signature(*function) +
                                         ", which is refused: " + with_stop(std::move(why));
            objection.hint = "If you mean PostgreSQL's own, write OPERATOR(pg_catalog." +
                             candidate->name + "), or leave schema " + candidate->schema +
                             " out of the search_path.";
            objection.rule = "operator: " + candidate->schema + "." + candidate->name;
            if (object(std::move(objection))) {
                return said;
            }
        }
    }
    if (!found) {
        return Objection{"42883",
                         "operator does not exist: " + name.text(),
                         "",
                         "Check the operator and its schema; one that is new is known to vitrine "
                         "within seconds.",
                         "operator: " + name.text(),
                         true};
    }
    return std::nullopt;
}

std::optional<Objection> Calls::type(Oid oid) const {
    if (seen_ != nullptr) {
        seen_->insert(oid);
    }
    if (of_users_ != nullptr && oid >= kFirstNormalObjectId) {
        of_users_->insert(oid);
    }
    return use_of_type(oid);
}

std::optional<Objection> Calls::use_of_type(Oid oid) const {
    const Type* type = policy_.catalog().type(oid);
    if (type == nullptr) {
        return Objection{"42704",
                         "type with OID " + std::to_string(oid) + " is not known",
                         "The catalog that vitrine has loaded does not have it.",
                         "One that is new is known to vitrine within seconds.",
                         "type: " + std::to_string(oid),
                         true};
    }
    std::string why;
    if (policy_.type_allowed(*type, &why)) {
        return std::nullopt;
    }
    return Objection{
        "42501",
        "permission denied for type " + type->schema + "." + type->name,
        "Values of this type run a function that is refused: " + with_stop(std::move(why)),
        "The operator can allow the function under functions: allow.",
        "type: " + type->schema + "." + type->name,
        false};
}

std::vector<const Type*> Calls::types(const ObjectName& name) const {
    std::vector<const Type*> meant;
    for (const Type* candidate : policy_.catalog().types(name.name)) {
        if (name.qualified() ? candidate->schema == name.schema
                             : path_.place(candidate->schema) != SearchPath::kUnreachable) {
            meant.push_back(candidate);
        }
    }
    return meant;
}

std::optional<Objection> Calls::type(const ObjectName& name) const {
    if (is_temporary_schema(name.schema)) {
        return temporary_object(name);
    }
    const auto all = policy_.catalog().types(name.name);
    const Type* chosen = nullptr;
    std::size_t chosen_place = SearchPath::kUnreachable;
    for (const Type* candidate : all) {
        const std::size_t at =
            name.qualified()
                ? (candidate->schema == name.schema ? std::size_t{0} : SearchPath::kUnreachable)
                : path_.place(candidate->schema);
        if (at == SearchPath::kUnreachable) {
            continue;
        }
        if (!path_.known || name.qualified()) {
            if (auto objection = type(candidate->oid)) {
                return objection;
            }
        }
        if (at < chosen_place) {
            chosen = candidate;
            chosen_place = at;
        }
    }
    if (chosen == nullptr) {
        return Objection{"42704",
                         "type \"" + name.text() + "\" does not exist",
                         "",
                         "Check the name and its schema; a type that is new is known to vitrine "
                         "within seconds.",
                         "type: " + name.text(),
                         true};
    }
    return type(chosen->oid);
}

std::optional<Objection> Calls::sampling_method(const ObjectName& name) const {
    // A method is its handler function of that name (parse_clause.c, transformRangeTableSample).
    const auto sampler = [](const Function& function) {
        return function.builtin ? function.name == "bernoulli" || function.name == "system"
                                : function.extension == "tsm_system_rows" ||
                                      function.extension == "tsm_system_time";
    };
    bool found = false;
    bool another = false;
    for (const Function* function : policy_.catalog().functions(name.name)) {
        const bool meant = name.qualified()
                               ? function->schema == name.schema
                               : path_.place(function->schema) != SearchPath::kUnreachable;
        found = found || (meant && sampler(*function));
        another = another || (meant && !sampler(*function));
    }
    if (found && !another) {
        return std::nullopt;
    }
    return Objection{"0A000",
                     "TABLESAMPLE method " + name.text() + " is not supported",
                     "Only PostgreSQL's own methods may sample a table.",
                     "Use bernoulli or system.",
                     "tablesample: " + name.text(),
                     !found && !another};
}

std::optional<Objection> Calls::attribute(std::string_view name, Operand of) const {
    const CallShape one{1, 1, true, false, false, {of}};
    for (const Function* candidate : policy_.catalog().functions(name)) {
        if (path_.place(candidate->schema) == SearchPath::kUnreachable ||
            !accepts(*candidate, one) || !needs(*candidate, one, {{}, name})) {
            continue;
        }
        std::string why = "it depends on its arguments";
        bool refused = !policy_.function_allowed(*candidate, &why);
        if (!refused && may_look_names_up(*candidate, policy_.catalog())) {
            refused = true;
            why = kLooksNamesUp;
        }
        if (refused) {
            Objection objection = function_refused(*candidate, std::move(why), true);
            objection.detail = "\"" + std::string(name) +
                               "\" is not known to be a column here, and would call a function: " +
                               objection.detail;
            return objection;
        }
        if (auto objection = result(*candidate)) {
            return objection;
        }
    }
    // The name of a type is a cast to it (func_get_detail).
    for (const Type* meant : types({{}, name})) {
        if (auto objection = type(meant->oid)) {
            return objection;
        }
    }
    return std::nullopt;
}

}  // namespace vitrine::parser
