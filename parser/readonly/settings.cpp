#include "parser/readonly/settings.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "config/limits.h"
#include "parser/masking/policy.h"
#include "parser/readonly/setting_rules.h"
#include "parser/syntax/utf8.h"

namespace vitrine::parser {
namespace {

using syntax::ascii_lower;

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

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// As strtol() reads an integer of any base: "0x1F", "017", "-1". Nothing where there is none, or it
// does not fit; `end` is then where it was.
std::optional<double> any_base(const std::string& text, const char*& end) {
    const char* at = text.data();
    const char* const last = at + text.size();
    while (at != last && is_space(*at)) {
        ++at;
    }
    const bool negative = at != last && *at == '-';
    if (at != last && (*at == '-' || *at == '+')) {
        ++at;
    }
    int base = 10;
    std::int64_t value = 0;
    if (at != last && *at == '0') {
        base = 8;
        if (last - at > 2 && (at[1] == 'x' || at[1] == 'X') && at[2] != '-' &&
            std::from_chars(at + 2, last, value, 16).ptr != at + 2) {
            base = 16;
            at += 2;
        }
    }
    if (at == last || *at == '-') {
        return std::nullopt;
    }
    const auto read = std::from_chars(at, last, value, base);
    if (read.ec != std::errc{}) {
        return std::nullopt;
    }
    end = read.ptr;
    return static_cast<double>(negative ? -value : value);
}

// How the server reads a number (parse_int, parse_real): as an integer of any base, as strtod()
// does where it goes on like a fraction or does not fit; blanks around the unit, whose case counts.
// `unit` gives the factor of a unit, of "" where there is none; nullopt: no such unit.
template <typename Unit>
std::optional<double> number(const std::string& text, bool integer, const Unit& unit) {
    const char* end = text.c_str();
    std::optional<double> value;
    if (integer) {
        value = any_base(text, end);
    }
    if (!value || *end == '.' || *end == 'e' || *end == 'E') {
        char* behind = nullptr;
        errno = 0;
        value = std::strtod(text.c_str(), &behind);
        end = behind;
        if (end == text.c_str() || errno == ERANGE || !std::isfinite(*value)) {
            return std::nullopt;
        }
    }
    std::string_view rest(end);
    while (!rest.empty() && is_space(rest.front())) {
        rest.remove_prefix(1);
    }
    while (!rest.empty() && is_space(rest.back())) {
        rest.remove_suffix(1);
    }
    const std::optional<double> factor = unit(rest);
    if (!factor) {
        return std::nullopt;
    }
    return *value * *factor;
}

std::optional<double> memory_bytes(const std::string& text, double without_unit) {
    return number(text, true, [&](std::string_view unit) -> std::optional<double> {
        static constexpr std::array<std::pair<std::string_view, double>, 5> kUnits = {
            {{"B", 1.0}, {"kB", 1024.0}, {"MB", 0x1p20}, {"GB", 0x1p30}, {"TB", 0x1p40}}};
        if (unit.empty()) {
            return without_unit;
        }
        for (const auto& [name, bytes] : kUnits) {
            if (name == unit) {
                return bytes;
            }
        }
        return std::nullopt;
    });
}

std::optional<double> plain_number(const std::string& text, bool integer) {
    return number(text, integer, [](std::string_view unit) {
        return unit.empty() ? std::optional<double>(1.0) : std::nullopt;
    });
}

// What was asked about is then run by another plan.
bool forces_plans(std::string_view lower) {
    return lower.starts_with("enable_") || lower.starts_with("geqo") ||
           lower.ends_with("_collapse_limit") || lower.starts_with("min_parallel_") ||
           lower == "plan_cache_mode" || lower == "constraint_exclusion";
}

bool is_reserved(std::string_view lower) {
    return lower.starts_with(kSettingPrefix);
}

std::string quoted(std::string_view name) {
    return "\"" + std::string(name) + "\"";
}

SettingObjection reserved(std::string_view name) {
    return {"42501", "permission denied for setting " + quoted(name),
            "Settings under " + quoted(kSettingPrefix) + " are vitrine's own.", ""};
}

SettingObjection refused(std::string_view name, std::string_view lower, std::string_view reason) {
    if (lower == "role" || lower == "session_authorization") {
        return {"42501", "permission denied to set " + quoted(name),
                "The role of the session is the one that vitrine reads with.",
                "Go on without it: the session reads as it is."};
    }
    std::string detail = "The setting may not be changed: ";
    detail += reason;
    return {"42501", "permission denied to set parameter " + quoted(name), detail + ".",
            "Leave the setting as it is."};
}

SettingObjection unknown(std::string_view name) {
    return {"42704", "unrecognized configuration parameter " + quoted(name),
            "It is none of the settings of PostgreSQL 15 that vitrine knows, and no other may be "
            "changed.",
            "Leave the setting as it is."};
}

SettingObjection limited(std::string_view name, const SettingRule& rule) {
    std::string detail = "The value may be " + rule.values + ": ";
    detail += rule.reason;
    return {"42501", "parameter " + quoted(name) + " cannot be set to this value", detail + ".",
            "Leave the setting as it is, or keep to that."};
}

SettingObjection read_write() {
    return {"25006", "cannot set transaction read-write mode inside a read-only transaction",
            "Every session through vitrine is read-only.", "Leave the mode out, or say READ ONLY."};
}

SettingObjection other_encoding(std::span<const std::string> values) {
    return {"0A000",
            "client_encoding " + (values.size() == 1 ? quoted(values[0]) : "other than UTF8") +
                " is not supported yet",
            "vitrine reads statements as UTF-8, as the server must, and does not convert.",
            "Leave client_encoding (PGCLIENTENCODING) out or set it to UTF8, and convert on the "
            "client."};
}

// pg_char_to_encoding: only letters and digits count.
std::string encoding_name(std::string_view text) {
    std::string clean;
    for (const char c : ascii_lower(text)) {
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            clean += c;
        }
    }
    return clean;
}

bool names_temporary(std::span<const std::string> values) {
    return std::any_of(values.begin(), values.end(), [](const std::string& value) {
        const std::string lower = ascii_lower(value);
        return lower.find("pg_temp") != std::string::npos ||
               lower.find("pg_toast_temp") != std::string::npos;
    });
}

bool within(const std::optional<double>& value, double most) {
    return value && *value <= most;
}

// Is the value one that the rule takes?
bool takes(SettingCheck check, std::span<const std::string> values) {
    if (check == SettingCheck::kSearchPath) {
        return !names_temporary(values);
    }
    if (values.size() != 1) {
        return false;
    }
    const std::string& value = values[0];
    switch (check) {
        case SettingCheck::kOn:
        case SettingCheck::kTransactionMode:
            return boolean(value) == true;
        case SettingCheck::kOff:
            return boolean(value) == false;
        case SettingCheck::kSafeEncoding:
            return ascii_lower(value) == "safe_encoding";
        case SettingCheck::kMessages: {
            static constexpr std::array<std::string_view, 6> kLevels{"info",  "notice", "warning",
                                                                     "error", "fatal",  "panic"};
            return std::ranges::find(kLevels, ascii_lower(value)) != kLevels.end();
        }
        case SettingCheck::kUtf8: {
            const std::string encoding = encoding_name(value);
            return encoding == "utf8" || encoding == "unicode";
        }
        case SettingCheck::kNoRole:
            return value == "none";
        case SettingCheck::kMemory:
            return within(memory_bytes(value, 1024.0), limits::kSettingMemoryBytesMax);
        case SettingCheck::kPages:
            return within(memory_bytes(value, 8192.0), limits::kSettingMemoryBytesMax);
        case SettingCheck::kMultiplier:
            return within(plain_number(value, false), limits::kHashMemMultiplierMax);
        case SettingCheck::kWorkers:
            return within(plain_number(value, true), limits::kParallelWorkersMax);
        case SettingCheck::kRequests:
            return within(plain_number(value, true), limits::kIoConcurrencyMax);
        case SettingCheck::kJoins:
            return within(plain_number(value, true), limits::kJoinCollapseMax);
        case SettingCheck::kTimeout:
            // As long as the policy has none of its own, any; this is where it is held against
            // that.
            return true;
        case SettingCheck::kSearchPath:
        case SettingCheck::kAny:
            return true;
        case SettingCheck::kNever:
            return false;
    }
    return false;
}

// Of a name that is in no list: may it be set as a custom setting?
std::optional<SettingObjection> judge_unlisted(std::string_view name, std::string_view lower) {
    if (lower.find('.') == std::string_view::npos) {
        return unknown(name);
    }
    for (const ClosedPrefix& closed : closed_prefixes()) {
        if (lower.starts_with(closed.prefix)) {
            return refused(name, lower, closed.reason);
        }
    }
    return std::nullopt;
}

// What pg_settings is masked for: passwords and commands of the server's own.
constexpr std::array<std::string_view, 7> kSecret{
    "primary_conninfo",        "ssl_passphrase_command", "archive_command", "restore_command",
    "archive_cleanup_command", "recovery_end_command",   "anon.salt"};

}  // namespace

std::optional<SettingObjection> judge_set(std::string_view name,
                                          std::span<const std::string> values) {
    const std::string lower = ascii_lower(name);
    if (is_reserved(lower)) {
        return reserved(name);
    }
    const SettingRule* const rule = setting_rule(lower);
    if (rule == nullptr) {
        return judge_unlisted(name, lower);
    }
    if (rule->check == SettingCheck::kAny || takes(rule->check, values)) {
        return std::nullopt;
    }
    switch (rule->check) {
        case SettingCheck::kTransactionMode:
            return read_write();
        case SettingCheck::kUtf8:
            return other_encoding(values);
        case SettingCheck::kSearchPath:
            return SettingObjection{"42501", "pg_temp may not be put on the search_path",
                                    "There are no temporary relations in a session through "
                                    "vitrine, and nobody else's may be read.",
                                    "Leave pg_temp out of the list."};
        case SettingCheck::kNoRole:
        case SettingCheck::kNever:
            return refused(name, lower, rule->reason);
        case SettingCheck::kOn:
        case SettingCheck::kOff:
        case SettingCheck::kSafeEncoding:
        case SettingCheck::kMessages:
        case SettingCheck::kMemory:
        case SettingCheck::kPages:
        case SettingCheck::kMultiplier:
        case SettingCheck::kWorkers:
        case SettingCheck::kRequests:
        case SettingCheck::kJoins:
        case SettingCheck::kAny:
        case SettingCheck::kTimeout:
            break;
    }
    return limited(name, *rule);
}

std::optional<SettingObjection> judge_reset(std::string_view name) {
    const std::string lower = ascii_lower(name);
    if (is_reserved(lower)) {
        return reserved(name);
    }
    const SettingRule* const rule = setting_rule(lower);
    if (rule == nullptr) {
        return judge_unlisted(name, lower);
    }
    // The session's role is the one it logged in as (ServerLogin asks), and is never another: what
    // poolers and drivers send to have it back changes nothing.
    if (lower == "session_authorization") {
        return std::nullopt;
    }
    if (rule->check == SettingCheck::kNever) {
        return refused(name, lower, rule->reason);
    }
    // The pins are in the StartupMessage, so that a reset goes back to them. What the transaction
    // itself was set to is not.
    if (lower == "transaction_read_only") {
        return read_write();
    }
    return std::nullopt;
}

std::optional<SettingObjection> judge_set_to_unknown(std::string_view name) {
    const std::string lower = ascii_lower(name);
    if (is_reserved(lower)) {
        return reserved(name);
    }
    const SettingRule* const rule = setting_rule(lower);
    if (rule == nullptr) {
        if (auto objection = judge_unlisted(name, lower)) {
            return objection;
        }
    } else if (rule->check == SettingCheck::kAny) {
        return std::nullopt;
    } else if (rule->check == SettingCheck::kNever) {
        return refused(name, lower, rule->reason);
    }
    return SettingObjection{"42501", "parameter " + quoted(name) + " can only be set to a constant",
                            "What it is set to must be known before the statement runs.",
                            "Write the value as a string constant."};
}

std::optional<SettingObjection> judge_show(std::string_view name) {
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

std::span<const std::string_view> secret_settings() {
    return kSecret;
}

bool is_search_path(std::string_view name) {
    return syntax::ascii_equal_fold(name, "search_path");
}

bool is_application_name(std::string_view name) {
    return syntax::ascii_equal_fold(name, "application_name");
}

bool is_cost_setting(std::string_view name) {
    static constexpr std::array<std::string_view, 10> kNames{
        "cpu_index_tuple_cost",  "cpu_operator_cost",    "cpu_tuple_cost",
        "cursor_tuple_fraction", "effective_cache_size", "parallel_setup_cost",
        "parallel_tuple_cost",   "random_page_cost",     "recursive_worktable_factor",
        "seq_page_cost"};
    return std::ranges::any_of(
               kNames,
               [&](std::string_view cost) { return syntax::ascii_equal_fold(name, cost); }) ||
           forces_plans(syntax::ascii_lower(name));
}

SettingObjection cost_is_fixed(std::string_view name) {
    return {"42501", "permission denied to set parameter " + quoted(name),
            "There is a limit on what your statements may cost (limits.max_cost), and this is what "
            "the planner counts by.",
            "Leave the setting as it is."};
}

bool asks_for_no_encoding(std::string_view name, std::span<const std::string> values) {
    return syntax::ascii_equal_fold(name, "client_encoding") && values.size() == 1 &&
           encoding_name(values[0]) == "sqlascii";
}

}  // namespace vitrine::parser
