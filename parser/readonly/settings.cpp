#include "parser/readonly/settings.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "parser/masking/policy.h"
#include "parser/syntax/utf8.h"

namespace vitrine::parser {
namespace {

using syntax::ascii_lower;

enum class Rule : std::uint8_t {
    kAny,             // harmless whatever the value
    kOn,              // pinned: may be set to what it is anyway
    kOff,             // the same, the other way
    kMessages,        // client_min_messages: not below notice
    kUtf8,            // client_encoding
    kSearchPath,      // any schemas but temporary ones
    kSafeEncoding,    // backslash_quote
    kTransactionMode  // transaction_read_only and its default: on
};

const std::unordered_map<std::string_view, Rule>& rules() {
    static const std::unordered_map<std::string_view, Rule> kRules{
        {"application_name", Rule::kAny},
        {"array_nulls", Rule::kAny},
        {"bytea_output", Rule::kAny},
        {"check_function_bodies", Rule::kAny},
        {"constraint_exclusion", Rule::kAny},
        {"cpu_index_tuple_cost", Rule::kAny},
        {"cpu_operator_cost", Rule::kAny},
        {"cpu_tuple_cost", Rule::kAny},
        {"cursor_tuple_fraction", Rule::kAny},
        {"datestyle", Rule::kAny},
        {"default_text_search_config", Rule::kAny},
        {"default_transaction_deferrable", Rule::kAny},
        {"default_transaction_isolation", Rule::kAny},
        {"effective_cache_size", Rule::kAny},
        {"enable_async_append", Rule::kAny},
        {"enable_bitmapscan", Rule::kAny},
        {"enable_gathermerge", Rule::kAny},
        {"enable_hashagg", Rule::kAny},
        {"enable_hashjoin", Rule::kAny},
        {"enable_incremental_sort", Rule::kAny},
        {"enable_indexonlyscan", Rule::kAny},
        {"enable_indexscan", Rule::kAny},
        {"enable_material", Rule::kAny},
        {"enable_memoize", Rule::kAny},
        {"enable_mergejoin", Rule::kAny},
        {"enable_nestloop", Rule::kAny},
        {"enable_parallel_append", Rule::kAny},
        {"enable_parallel_hash", Rule::kAny},
        {"enable_partition_pruning", Rule::kAny},
        {"enable_partitionwise_aggregate", Rule::kAny},
        {"enable_partitionwise_join", Rule::kAny},
        {"enable_seqscan", Rule::kAny},
        {"enable_sort", Rule::kAny},
        {"enable_tidscan", Rule::kAny},
        {"escape_string_warning", Rule::kAny},
        {"extra_float_digits", Rule::kAny},
        {"from_collapse_limit", Rule::kAny},
        {"geqo", Rule::kAny},
        {"geqo_effort", Rule::kAny},
        {"geqo_generations", Rule::kAny},
        {"geqo_pool_size", Rule::kAny},
        {"geqo_seed", Rule::kAny},
        {"geqo_selection_bias", Rule::kAny},
        {"geqo_threshold", Rule::kAny},
        {"gin_fuzzy_search_limit", Rule::kAny},
        {"idle_in_transaction_session_timeout", Rule::kAny},
        {"idle_session_timeout", Rule::kAny},
        {"intervalstyle", Rule::kAny},
        {"jit", Rule::kAny},
        {"jit_above_cost", Rule::kAny},
        {"jit_inline_above_cost", Rule::kAny},
        {"jit_optimize_above_cost", Rule::kAny},
        {"join_collapse_limit", Rule::kAny},
        {"lc_monetary", Rule::kAny},
        {"lc_numeric", Rule::kAny},
        {"lc_time", Rule::kAny},
        {"lock_timeout", Rule::kAny},
        {"parallel_setup_cost", Rule::kAny},
        {"parallel_tuple_cost", Rule::kAny},
        {"plan_cache_mode", Rule::kAny},
        {"quote_all_identifiers", Rule::kAny},
        {"random_page_cost", Rule::kAny},
        {"seq_page_cost", Rule::kAny},
        {"statement_timeout", Rule::kAny},
        {"synchronize_seqscans", Rule::kAny},
        {"timezone", Rule::kAny},
        {"transaction_deferrable", Rule::kAny},
        {"transaction_isolation", Rule::kAny},
        {"xmlbinary", Rule::kAny},
        {"xmloption", Rule::kAny},

        {"backslash_quote", Rule::kSafeEncoding},
        {"client_encoding", Rule::kUtf8},
        {"client_min_messages", Rule::kMessages},
        {"default_transaction_read_only", Rule::kTransactionMode},
        {"row_security", Rule::kOn},
        {"search_path", Rule::kSearchPath},
        {"standard_conforming_strings", Rule::kOn},
        {"transaction_read_only", Rule::kTransactionMode},
        {"transform_null_equals", Rule::kOff},
    };
    return kRules;
}

// How the server reads a boolean (parse_bool): any unambiguous beginning of the words.
std::optional<bool> boolean(std::string_view text) {
    const std::string value = ascii_lower(text);
    const auto begins = [&](std::string_view word) {
        return !value.empty() && word.starts_with(value);
    };
    if (begins("true") || begins("yes") || value == "on" || value == "1") {
        return true;
    }
    if (begins("false") || begins("no") || value == "of" || value == "off" || value == "0") {
        return false;
    }
    return std::nullopt;
}

bool is_reserved(std::string_view lower) {
    return lower.starts_with(kSettingPrefix);
}

SettingObjection reserved(std::string_view name) {
    return {"42501", "permission denied for setting \"" + std::string(name) + "\"",
            "Settings under \"" + std::string(kSettingPrefix) + "\" are vitrine's own.", ""};
}

SettingObjection not_listed(std::string_view name, std::string_view lower) {
    if (lower == "role" || lower == "session_authorization") {
        return {"42501", "permission denied to set \"" + std::string(name) + "\"",
                "The role of the session is the one that vitrine reads with.",
                "Go on without it: the session reads as it is."};
    }
    return {"42501", "permission denied to set parameter \"" + std::string(name) + "\"",
            "Setting this parameter is not supported yet; only settings that change how results "
            "look, or how a query is planned, may be changed.",
            "Leave the setting as it is."};
}

SettingObjection pinned(std::string_view name, std::string_view allowed) {
    return {"42501", "parameter \"" + std::string(name) + "\" cannot be set to this value",
            "vitrine keeps this setting; the only value it may be set to is " +
                std::string(allowed) + ".",
            "Leave the setting as it is."};
}

SettingObjection read_write() {
    return {"25006", "cannot set transaction read-write mode inside a read-only transaction",
            "Every session through vitrine is read-only.", "Leave the mode out, or say READ ONLY."};
}

bool all_boolean(std::span<const std::string> values, bool wanted) {
    return values.size() == 1 && boolean(values[0]) == wanted;
}

bool names_utf8(std::string_view text) {
    // pg_char_to_encoding: only letters and digits count.
    std::string clean;
    for (const char c : ascii_lower(text)) {
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            clean += c;
        }
    }
    return clean == "utf8" || clean == "unicode";
}

bool names_temporary(std::span<const std::string> values) {
    return std::any_of(values.begin(), values.end(), [](const std::string& value) {
        const std::string lower = ascii_lower(value);
        return lower.find("pg_temp") != std::string::npos ||
               lower.find("pg_toast_temp") != std::string::npos;
    });
}

}  // namespace

std::optional<SettingObjection> judge_set(std::string_view name,
                                          std::span<const std::string> values) {
    const std::string lower = ascii_lower(name);
    if (is_reserved(lower)) {
        return reserved(name);
    }
    const auto rule = rules().find(lower);
    if (rule == rules().end()) {
        return not_listed(name, lower);
    }
    switch (rule->second) {
        case Rule::kAny:
            return std::nullopt;
        case Rule::kOn:
            if (!all_boolean(values, true)) {
                return pinned(name, "on");
            }
            return std::nullopt;
        case Rule::kOff:
            if (!all_boolean(values, false)) {
                return pinned(name, "off");
            }
            return std::nullopt;
        case Rule::kTransactionMode:
            if (!all_boolean(values, true)) {
                return read_write();
            }
            return std::nullopt;
        case Rule::kSafeEncoding:
            if (values.size() != 1 || ascii_lower(values[0]) != "safe_encoding") {
                return pinned(name, "safe_encoding");
            }
            return std::nullopt;
        case Rule::kUtf8:
            if (values.size() != 1 || !names_utf8(values[0])) {
                return SettingObjection{"0A000",
                                        "client_encoding other than UTF8 is not supported yet",
                                        "vitrine reads statements as UTF-8, as the server must.",
                                        "Leave client_encoding at UTF8 and convert on the client."};
            }
            return std::nullopt;
        case Rule::kMessages: {
            static constexpr std::array<std::string_view, 5> kLevels{"notice", "warning", "error",
                                                                     "fatal", "panic"};
            const bool known =
                values.size() == 1 &&
                std::find(kLevels.begin(), kLevels.end(), ascii_lower(values[0])) != kLevels.end();
            if (!known) {
                return pinned(name, "notice, warning or error");
            }
            return std::nullopt;
        }
        case Rule::kSearchPath:
            if (names_temporary(values)) {
                return SettingObjection{"42501", "pg_temp may not be put on the search_path",
                                        "There are no temporary relations in a session through "
                                        "vitrine, and nobody else's may be read.",
                                        "Leave pg_temp out of the list."};
            }
            return std::nullopt;
    }
    return not_listed(name, lower);
}

std::optional<SettingObjection> judge_reset(std::string_view name) {
    const std::string lower = ascii_lower(name);
    if (is_reserved(lower)) {
        return reserved(name);
    }
    const auto rule = rules().find(lower);
    if (rule == rules().end()) {
        return not_listed(name, lower);
    }
    // The pins are in the StartupMessage, so that a reset goes back to them. What the transaction
    // itself was set to is not, nor is row_security.
    if (lower == "transaction_read_only" || lower == "row_security") {
        return pinned(name, "the one it has");
    }
    return std::nullopt;
}

std::optional<SettingObjection> judge_set_to_unknown(std::string_view name) {
    const std::string lower = ascii_lower(name);
    if (is_reserved(lower)) {
        return reserved(name);
    }
    const auto rule = rules().find(lower);
    if (rule == rules().end()) {
        return not_listed(name, lower);
    }
    if (rule->second == Rule::kAny) {
        return std::nullopt;
    }
    return SettingObjection{"42501",
                            "parameter \"" + std::string(name) + "\" can only be set to a constant",
                            "What it is set to must be known before the statement runs.",
                            "Write the value as a string constant."};
}

std::optional<SettingObjection> judge_show(std::string_view name) {
    // What pg_settings is masked for: passwords and commands of the server's own.
    static constexpr std::array<std::string_view, 7> kSecret{
        "primary_conninfo",        "ssl_passphrase_command", "archive_command", "restore_command",
        "archive_cleanup_command", "recovery_end_command",   "anon.salt"};
    const std::string lower = ascii_lower(name);
    if (is_reserved(lower)) {
        return reserved(name);
    }
    if (std::find(kSecret.begin(), kSecret.end(), lower) != kSecret.end()) {
        return SettingObjection{"42501",
                                "permission denied to examine \"" + std::string(name) + "\"",
                                "The setting may hold a password of the server's own.",
                                "Ask the operator of the database."};
    }
    return std::nullopt;
}

bool is_search_path(std::string_view name) {
    return syntax::ascii_equal_fold(name, "search_path");
}

bool is_application_name(std::string_view name) {
    return syntax::ascii_equal_fold(name, "application_name");
}

}  // namespace vitrine::parser
