// Which settings a session may change and to what: SET, RESET, set_config() and the settings of a
// StartupMessage; SHOW and current_setting() for reading. The table is in setting_rules.h.
//
// Names are compared as the server compares them: ASCII letters without regard to case, however
// they were quoted. Values are read as guc.c reads them; what is doubtful is refused.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vitrine::parser {

struct SettingObjection {
    std::string sqlstate;
    std::string message;
    std::string detail;
    std::string hint;
};

// The values as constants; DEFAULT and RESET are judge_reset().
[[nodiscard]] std::optional<SettingObjection> judge_set(std::string_view name,
                                                        std::span<const std::string> values);
[[nodiscard]] std::optional<SettingObjection> judge_reset(std::string_view name);
// For set_config() with a value that is not a constant.
[[nodiscard]] std::optional<SettingObjection> judge_set_to_unknown(std::string_view name);
[[nodiscard]] std::optional<SettingObjection> judge_show(std::string_view name);

// In lower case: those that judge_show() refuses besides vitrine's own.
[[nodiscard]] std::span<const std::string_view> secret_settings();

[[nodiscard]] bool is_search_path(std::string_view name);
[[nodiscard]] bool is_application_name(std::string_view name);
// What the planner takes things to cost: whoever changes it changes what limits.max_cost means.
[[nodiscard]] bool is_cost_setting(std::string_view name);
// For a session whose statements have a ceiling of cost.
[[nodiscard]] SettingObjection cost_is_fixed(std::string_view name);

// client_encoding = SQL_ASCII, as psql says it in the C locale: "convert nothing". The session is
// UTF8 whatever is said, and a client that does not mind gets UTF8; SET sends that in its place.
[[nodiscard]] bool asks_for_no_encoding(std::string_view name, std::span<const std::string> values);

}  // namespace vitrine::parser
