// One table over all of PostgreSQL's settings: which may be changed, to what, and why. A test holds
// it against the server's pg_settings, and docs/settings.md is made from it. What it says is
// carried out in settings.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace vitrine::parser {

enum class SettingCheck : std::uint8_t {
    kAny,              // harmless whatever the value
    kOn,               // pinned: may be set to what it is anyway
    kOff,              // the same, the other way
    kSafeEncoding,     // the same, safe_encoding
    kTransactionMode,  // read-only: on
    kMessages,         // not below info
    kUtf8,
    kSearchPath,  // any schemas but temporary ones
    kNoRole,      // none
    kTimeout,
    kMemory,      // up to limits::kSettingMemoryBytesMax, without a unit in kB
    kPages,       // the same, without a unit in blocks of 8 kB
    kMultiplier,  // up to limits::kHashMemMultiplierMax
    kWorkers,     // up to limits::kParallelWorkersMax
    kRequests,    // up to limits::kIoConcurrencyMax
    kJoins,       // up to limits::kJoinCollapseMax
    kNever,
};

enum class SettingVerdict : std::uint8_t {
    kAllowed,  // to any value
    kLimited,  // to the values that `values` names
    kRefused,
};

struct SettingRule {
    std::string_view name;  // in lower case
    SettingCheck check = SettingCheck::kNever;
    SettingVerdict verdict = SettingVerdict::kRefused;
    std::string values;       // kLimited: which ones, in words
    std::string_view reason;  // for people: why so
};

// By name, sorted, each once. What is not there is refused, but for custom settings.
[[nodiscard]] std::span<const SettingRule> setting_rules();
[[nodiscard]] const SettingRule* setting_rule(std::string_view lower);  // nullptr: not there

// Custom settings (`app.tenant`) have two names or more. Only what the database's own people wrote
// reads them, so they may be set to constants, unless the first name is a module's. These are the
// beginnings that are closed, each with its reason.
struct ClosedPrefix {
    std::string_view prefix;  // "cron.": that name; "pg": all that begins so
    std::string_view reason;
};
[[nodiscard]] std::span<const ClosedPrefix> closed_prefixes();

}  // namespace vitrine::parser
