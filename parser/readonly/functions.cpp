#include "parser/readonly/functions.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <unordered_map>

#include "parser/readonly/function_lists.h"

namespace vitrine::parser {

namespace {

bool has_star(const config::NamePattern& pattern) {
    return pattern.pieces.size() != 1;
}

// Names of types as the grammar knows them besides format_type's.
std::string_view canonical_type(std::string_view name) {
    static const std::unordered_map<std::string_view, std::string_view> kAliases{
        {"int", "integer"},
        {"int4", "integer"},
        {"int8", "bigint"},
        {"int2", "smallint"},
        {"bool", "boolean"},
        {"float", "double precision"},
        {"float8", "double precision"},
        {"float4", "real"},
        {"decimal", "numeric"},
        {"dec", "numeric"},
        {"varchar", "character varying"},
        {"char varying", "character varying"},
        {"char", "character"},
        {"bpchar", "character"},
        {"varbit", "bit varying"},
        {"timestamp", "timestamp without time zone"},
        {"timestamptz", "timestamp with time zone"},
        {"time", "time without time zone"},
        {"timetz", "time with time zone"},
    };
    const auto found = kAliases.find(name);
    return found == kAliases.end() ? name : found->second;
}

// `pg_catalog.varchar ( 20 ) [ ]` to `character varying[]`: single spaces, no typmod, one pair of
// brackets, PostgreSQL's own word.
std::string normalized_type(std::string_view written) {
    std::string name;
    int parentheses = 0;
    bool space = false;
    for (const char c : written) {
        if (c == '(' || c == ')') {
            parentheses += c == '(' ? 1 : -1;
            // `timestamp(3) with time zone`
            space = true;
        } else if (parentheses > 0) {
            continue;
        } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            space = true;
        } else {
            if (space && !name.empty() && c != '[' && c != ']') {
                name += ' ';
            }
            space = false;
            name += c;
        }
    }
    constexpr std::string_view kVariadic = "variadic ";
    if (name.starts_with(kVariadic)) {
        name.erase(0, kVariadic.size());
    }
    constexpr std::string_view kCatalog = "pg_catalog.";
    if (name.starts_with(kCatalog)) {
        name.erase(0, kCatalog.size());
    }
    const std::size_t bracket = name.find('[');
    const bool array = bracket != std::string::npos;
    std::string base = name.substr(0, bracket);
    while (base.ends_with(' ')) {
        base.pop_back();
    }
    return std::string(canonical_type(base)) + (array ? "[]" : "");
}

// Outside of pg_catalog format_type() gives the schema: the DBA may leave it out.
std::string_view without_schema(std::string_view type) {
    bool quoted = false;
    for (std::size_t at = 0; at < type.size(); ++at) {
        quoted ^= type[at] == '"';
        if (type[at] == '.' && !quoted) {
            return type.substr(at + 1);
        }
    }
    return type;
}

bool vouched_for(const Function& function, const config::FunctionRules& rules, bool by_full_name) {
    return std::any_of(
        rules.allow.begin(), rules.allow.end(), [&](const config::FunctionPattern& pattern) {
            if (by_full_name && (has_star(pattern.parts[0]) || has_star(pattern.parts[1]))) {
                return false;
            }
            return matches(pattern, function);
        });
}

bool plain_language(const Function& function) {
    return function.language == "internal" || function.language == "c" ||
           function.language == "sql";
}

FunctionJudgement refused(std::string why) {
    return {FunctionVerdict::kRefused, std::move(why)};
}

FunctionJudgement allowed() {
    return {FunctionVerdict::kAllowed, {}};
}

FunctionJudgement judge_builtin(const Function& function, const config::FunctionRules& rules) {
    const BuiltinGroup* group = builtin_group(function.name, function.volatility);
    if (group != nullptr && group->list == BuiltinList::kByArgument) {
        return {FunctionVerdict::kByArgument, {}};
    }
    if (group != nullptr && group->list == BuiltinList::kByConfiguration) {
        return vouched_for(function, rules, true)
                   ? allowed()
                   : refused("it " + std::string(group->reason) +
                             ", and may be called where functions.allow names it in full");
    }
    if (function.security_definer || !plain_language(function)) {
        return refused("it is not one of PostgreSQL's plain built-in functions");
    }
    if (function.internal_argument) {
        return refused("it is not meant to be called from SQL");
    }
    if (function.kind == 'p') {
        return refused("it is a procedure");
    }
    if (group != nullptr && group->list != BuiltinList::kVolatileAllowed) {
        return refused("it " + std::string(group->reason));
    }
    if (group == nullptr && function.volatility == 'v') {
        return refused("it may change something, or reach outside of the statement");
    }
    return allowed();
}

// The parts of information_schema's views; initdb made them.
bool of_information_schema(const Function& function) {
    return function.oid < kFirstNormalObjectId && function.schema == "information_schema" &&
           function.volatility != 'v' && !function.security_definer && function.language == "sql";
}

bool contains(const std::vector<std::string_view>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool allowed_of(const TrustedExtension& extension, const Function& function) {
    if (function.security_definer || function.kind == 'p' ||
        contains(extension.refused, function.name) ||
        (!extension.only.empty() && !contains(extension.only, function.name))) {
        return false;
    }
    return contains(extension.allowed, function.name) ||
           (function.volatility != 'v' && plain_language(function));
}

FunctionJudgement judge_other(const Function& function, const config::FunctionRules& rules) {
    const TrustedExtension* trusted = trusted_extension(function.extension);
    // What is known of an extension and not allowed is refused for a reason: a star does not speak
    // of that.
    const bool by_full_name = trusted != nullptr || is_reaching_extension(function.extension);
    if (vouched_for(function, rules, by_full_name)) {
        return allowed();
    }
    if (function.extension.empty()) {
        return refused(
            "it is user-defined, and what the catalog says of such a function is no evidence");
    }
    if (trusted != nullptr) {
        return refused("of extension " + function.extension + ", it " +
                       (function.internal_argument     ? "is not meant to be called from SQL"
                        : trusted->why_refused.empty() ? "may change something"
                        : contains(trusted->refused, function.name) || !trusted->only.empty()
                            ? std::string(trusted->why_refused)
                            : "may change something"));
    }
    return refused("the policy does not know this function of extension " + function.extension +
                   " as a plain computation");
}

}  // namespace

bool matches(const config::FunctionPattern& pattern, const Function& function) {
    if (!pattern.parts[0].matches(function.schema) || !pattern.parts[1].matches(function.name)) {
        return false;
    }
    if (!pattern.has_arguments) {
        return true;
    }
    return std::equal(pattern.arguments.begin(), pattern.arguments.end(),
                      function.argument_types.begin(), function.argument_types.end(),
                      [](const std::string& written, const std::string& declared) {
                          const std::string type = normalized_type(written);
                          return type == declared || type == without_schema(declared);
                      });
}

FunctionJudgement judge_function(const Function& function, const config::FunctionRules& rules) {
    if (function.builtin) {
        return judge_builtin(function, rules);
    }
    if (of_information_schema(function) || function.range_constructor) {
        return allowed();
    }
    const TrustedExtension* trusted = trusted_extension(function.extension);
    if (trusted != nullptr && !function.internal_argument && allowed_of(*trusted, function)) {
        return allowed();
    }
    return judge_other(function, rules);
}

FunctionJudgement judge_implicit_function(const Function& function,
                                          const config::FunctionRules& rules) {
    // Plumbing of an extension's type, written in C: only a superuser can have put it there. That
    // the functions to call are not trusted does not mean that rows with such a value cannot be
    // read.
    const bool plumbing = !function.extension.empty() && function.volatility != 'v' &&
                          !function.security_definer &&
                          (function.language == "c" || function.language == "internal") &&
                          !is_reaching_extension(function.extension);
    if (plumbing) {
        return allowed();
    }
    const TrustedExtension* trusted = trusted_extension(function.extension);
    if (trusted != nullptr && allowed_of(*trusted, function)) {
        return allowed();
    }
    return judge_function(function, rules);
}

}  // namespace vitrine::parser
