// current_setting(), set_config() and pg_show_all_settings(): calls that are judged by what they
// are called with, and edited where that is known only when the statement runs.

#include "parser/query.h"

#include <algorithm>
#include <utility>

#include "parser/masking/mask_expression.h"
#include "parser/masking/rewrite.h"
#include "parser/query_parts.h"
#include "parser/readonly/settings.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::constant_text;
using syntax::is_a;

namespace {

// A string constant, with or without a cast to a text type around it.
const char* text_constant(const Node* node) {
    if (is_a(node, T_TypeCast)) {
        const auto* cast = as<TypeCast>(node);
        const WrittenName type = written_name(cast->typeName->names);
        const bool text = type.valid && cast->typeName->arrayBounds == nullptr &&
                          (!type.object.qualified() || type.object.schema == "pg_catalog") &&
                          (type.object.name == "text" || type.object.name == "varchar") &&
                          cast->typeName->typmods == nullptr;
        return text ? constant_text(cast->arg) : nullptr;
    }
    return constant_text(node);
}

// Names of settings that a user may not see, as a regular expression; compare judge_show().
std::string hidden_settings_pattern() {
    std::string pattern(kSettingPrefix.substr(0, kSettingPrefix.size() - 1));
    pattern += "[.].*";
    for (const std::string_view name : secret_settings()) {
        pattern += '|';
        for (const char c : name) {
            pattern += c == '.' ? std::string("[.]") : std::string(1, c);
        }
    }
    return pattern;
}

// What restrict_nonsystem_relation_kind is set to: it takes something away, and gives nothing.
bool restricts_kinds(std::string_view list) {
    std::size_t begin = 0;
    while (begin <= list.size()) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        std::string_view kind = list.substr(begin, end - begin);
        while (kind.starts_with(' ')) {
            kind.remove_prefix(1);
        }
        if (kind != "view" && kind != "foreign-table") {
            return false;
        }
        begin = end + 1;
    }
    return true;
}

bool is_null_constant(const Node* node) {
    return is_a(node, T_A_Const) && as<A_Const>(node)->isnull;
}

}  // namespace

std::optional<std::pair<std::size_t, std::size_t>> Query::argument_place(const FuncCall* call,
                                                                         std::size_t argument) {
    const syntax::Tokens& all = tokens();
    const std::size_t name = all.at(at(call->location));
    if (name >= all.size()) {
        return std::nullopt;
    }
    const std::size_t open = all.after_name(name, cells(call->funcname).size());
    if (open >= all.size() || !all.is(open, '(')) {
        return std::nullopt;
    }
    std::size_t depth = 0;
    std::size_t first = open + 1;
    for (std::size_t i = open + 1; i < all.size(); ++i) {
        const bool closing = all.is(i, ')') || all.is(i, ']');
        if (depth == 0 && (closing || all.is(i, ','))) {
            if (argument == 0) {
                return i == first ? std::nullopt
                                  : std::optional(std::pair{all.begin(first), all.end(i - 1)});
            }
            if (closing) {
                return std::nullopt;
            }
            --argument;
            first = i + 1;
        } else if (closing) {
            --depth;
        } else if (all.is(i, '(') || all.is(i, '[')) {
            ++depth;
        }
    }
    return std::nullopt;
}

// Computed once, whatever it is; under "C" letters are those of ASCII, as guc.c compares them.
void Query::filter_setting_name(const FuncCall* call, const std::string& pattern,
                                std::string_view replacement) {
    const auto place = argument_place(call, 0);
    if (!place) {
        refuse(not_supported("this way to write the call", "", "Write it as f(…).",
                             "function: current_setting"),
               call->location);
        return;
    }
    if (edit(place->first, place->first, "pg_catalog.regexp_replace((", call->location)) {
        (void)edit(place->second, place->second,
                   ") COLLATE pg_catalog.\"C\", " + quoted_literal(pattern) + ", " +
                       quoted_literal(replacement) + ", 'i')",
                   call->location);
    }
}

bool Query::show_all_settings(const RangeFunction* function, const Item& item) {
    const auto functions = cells(function->functions);
    if (functions.size() != 1 || function->is_rowsfrom || function->ordinality ||
        function->coldeflist != nullptr) {
        return false;
    }
    const auto parts = cells(as<List>(functions[0].ptr_value));
    if (parts.empty() || !is_a(parts[0].ptr_value, T_FuncCall)) {
        return false;
    }
    const auto* call = as<FuncCall>(parts[0].ptr_value);
    const WrittenName name = written_name(call->funcname);
    const CatalogSnapshot& catalog = policy_.catalog();
    if (!name.valid || name.object.name != "pg_show_all_settings" || call->args != nullptr ||
        !name.catalog.empty() || (name.object.qualified() && name.object.schema != "pg_catalog") ||
        catalog.functions(name.object.name).size() != 1 ||
        (!name.object.qualified() && path_.place("pg_catalog") == SearchPath::kUnreachable)) {
        return false;
    }
    const Relation* settings = catalog.relation("pg_catalog", "pg_settings");
    const RelationPolicy* policy = settings == nullptr ? nullptr : policy_.relation(settings->oid);
    const syntax::Tokens& all = tokens();
    const std::size_t first = all.at(at(call->location));
    if (policy == nullptr || policy->closed || !is_rewritten(policy) || first >= all.size()) {
        return false;
    }
    const std::size_t open = all.after_name(first, cells(call->funcname).size());
    if (!all.is(open, '(') || !all.is(open + 1, ')')) {
        return false;
    }
    // The same masks, over the function itself: its columns are no table's.
    std::string text = "(" + masked_select(*policy, false);
    constexpr std::string_view kRelation = "\"pg_catalog\".\"pg_settings\"";
    if (!text.ends_with(kRelation)) {
        return false;
    }
    text.replace(text.size() - kRelation.size(), kRelation.size(),
                 "pg_catalog.pg_show_all_settings()");
    text += masked_rest(*policy, {}) + ")";
    if (function->alias == nullptr) {
        text += " AS pg_show_all_settings";
    }
    if (edit(all.begin(first), all.end(open + 1), std::move(text), call->location)) {
        note_masked(*policy);
        add_item(function->alias != nullptr ? function->alias->aliasname : "pg_show_all_settings",
                 item);
    }
    return true;
}

void Query::judge_setting_call(const FuncCall* call, const Function& function) {
    const auto arguments = cells(call->args);
    const auto object = [&](SettingObjection objection) {
        refuse({std::move(objection.sqlstate), std::move(objection.message),
                std::move(objection.detail), std::move(objection.hint),
                "function: " + function.name, false},
               call->location);
    };
    const bool named = std::any_of(arguments.begin(), arguments.end(), [](const ListCell& cell) {
        return is_a(cell.ptr_value, T_NamedArgExpr);
    });
    const char* setting = arguments.empty() || named || call->func_variadic
                              ? nullptr
                              : text_constant(syntax::node(arguments[0]));
    if (setting == nullptr && !named && !call->func_variadic && !arguments.empty()) {
        // The name comes from a row, as in psql's \dconfig; and pg_dump sets this one so.
        constexpr std::string_view kRestricts = "restrict_nonsystem_relation_kind";
        if (function.name == "current_setting") {
            filter_setting_name(call, "^(" + hidden_settings_pattern() + ")$", kHiddenSetting);
            return;
        }
        const char* text =
            arguments.size() > 1 ? text_constant(syntax::node(arguments[1])) : nullptr;
        if (is_a(arguments[0].ptr_value, T_ColumnRef) && text != nullptr && restricts_kinds(text)) {
            filter_setting_name(call, "^(?!" + std::string(kRestricts) + "$).*$", "");
            return;
        }
    }
    if (setting == nullptr) {
        object({"42501", "permission denied for function " + function.name,
                "Which setting is meant must be known before the statement runs.",
                "Write the setting's name as a string constant."});
        return;
    }
    if (function.name == "current_setting") {
        if (auto objection = judge_show(setting)) {
            object(std::move(*objection));
        }
        return;
    }
    if (is_application_name(setting) && !application_prefix_.empty()) {
        // As SET is rewritten, so that the name of the user stays before it.
        const char* text =
            arguments.size() > 1 ? text_constant(syntax::node(arguments[1])) : nullptr;
        const auto place = argument_place(call, 1);
        if (text == nullptr || !place) {
            object({"42501", "permission denied for function " + function.name,
                    "The user's name stands before application_name for the DBA, so that it must "
                    "be known before the statement runs.",
                    "Write the name as a string constant."});
            return;
        }
        (void)edit(place->first, place->second,
                   quoted_literal(std::string(application_prefix_) + text), call->location);
        return;
    }
    std::optional<SettingObjection> objection;
    const Node* value = arguments.size() > 1 ? syntax::node(arguments[1]) : nullptr;
    if (value != nullptr && is_null_constant(value)) {
        objection = judge_reset(setting);
    } else if (const char* text = value == nullptr ? nullptr : text_constant(value)) {
        const std::string values[] = {text};
        objection = judge_set(setting, values);
    } else {
        objection = judge_set_to_unknown(setting);
    }
    if (!objection && costs_fixed_ && is_cost_setting(setting)) {
        objection = cost_is_fixed(setting);
    }
    if (objection) {
        object(std::move(*objection));
        return;
    }
    if (is_search_path(setting)) {
        if (search_path_forbidden_) {
            object({"0A000", "set_config of search_path is not supported yet in this statement",
                    "The path would change at another time than this statement runs.",
                    "Use SET search_path, or SELECT set_config(…) by itself."});
            return;
        }
        sets_search_path_ = true;
    }
}

}  // namespace vitrine::parser
