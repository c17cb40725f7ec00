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

}  // namespace

bool Calls::reaches_impostors() const {
    return !path_.known ||
           std::any_of(path_.schemas.begin(), path_.schemas.end(),
                       [&](const auto& schema) { return policy_.catalog().has_impostors(schema); });
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
    for (const Function* candidate : all) {
        const std::size_t at = place(*candidate);
        if (at == SearchPath::kUnreachable) {
            continue;
        }
        reachable = true;
        if (!accepts(*candidate, shape)) {
            continue;
        }
        const bool hidden = std::any_of(all.begin(), all.end(), [&](const Function* other) {
            return other != candidate && place(*other) < at && hides(*other, *candidate);
        });
        if (hidden) {
            continue;
        }
        fits = true;
        if (!candidate->extension.empty() && candidate->language == "sql" && reaches_impostors()) {
            finding.objection = function_refused(
                *candidate,
                "its body looks names up in the search_path, where a schema has functions or "
                "operators of users with the names of built-in ones",
                name.qualified());
            return finding;
        }
        std::string why;
        switch (policy_.function_verdict(*candidate, &why)) {
            case FunctionVerdict::kAllowed:
                break;
            case FunctionVerdict::kByArgument:
                finding.by_argument = candidate;
                continue;
            case FunctionVerdict::kRefused:
                finding.objection = function_refused(*candidate, std::move(why), name.qualified());
                return finding;
        }
        if (auto objection = type(candidate->result_type)) {
            finding.objection = std::move(objection);
            return finding;
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

std::optional<Objection> Calls::operator_symbol(const ObjectName& name, bool prefix) const {
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
    bool found = false;
    for (const Operator* candidate : all) {
        if ((candidate->left == 0) != prefix) {
            continue;
        }
        if (candidate->builtin) {
            // None of PostgreSQL's own operators does anything but compute (a test holds the
            // catalog to it).
            if (!found && place(*candidate) != SearchPath::kUnreachable) {
                found = true;
            }
            continue;
        }
        const std::size_t at = place(*candidate);
        if (at == SearchPath::kUnreachable) {
            continue;
        }
        const bool hidden = std::any_of(all.begin(), all.end(), [&](const Operator* other) {
            return other->left == candidate->left && other->right == candidate->right &&
                   place(*other) < at;
        });
        if (hidden) {
            continue;
        }
        found = true;
        const Function* function = catalog.function(candidate->function);
        std::string why = "its function is not known";
        if (function == nullptr || !policy_.function_allowed(*function, &why)) {
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
            return objection;
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
    const bool own = (name.name == "bernoulli" || name.name == "system") &&
                     (!name.qualified() || name.schema == "pg_catalog");
    const auto all = policy_.catalog().functions(name.name);
    const bool another = std::any_of(all.begin(), all.end(), [&](const Function* function) {
        return !function->builtin && !name.qualified() &&
               path_.place(function->schema) != SearchPath::kUnreachable;
    });
    if (own && !another) {
        return std::nullopt;
    }
    return Objection{"0A000",
                     "TABLESAMPLE method " + name.text() + " is not supported yet",
                     "Only PostgreSQL's own methods may sample a table.",
                     "Use bernoulli or system.",
                     "tablesample: " + name.text(),
                     false};
}

std::optional<Objection> Calls::attribute(std::string_view name) const {
    const CallShape one{1, 1, true, false};
    for (const Function* candidate : policy_.catalog().functions(name)) {
        if (path_.place(candidate->schema) == SearchPath::kUnreachable ||
            !accepts(*candidate, one)) {
            continue;
        }
        std::string why = "it depends on its arguments";
        if (!policy_.function_allowed(*candidate, &why)) {
            Objection objection = function_refused(*candidate, std::move(why), true);
            objection.detail = "\"" + std::string(name) +
                               "\" is not known to be a column here, and would call a function: " +
                               objection.detail;
            return objection;
        }
    }
    return std::nullopt;
}

}  // namespace vitrine::parser
