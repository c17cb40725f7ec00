// Which settings a session may change and to what: SET, RESET, set_config(), and SHOW and
// current_setting() for reading. MASKING_RULES.md section 3 gives the reasons.
//
// Names are compared as the server compares them: ASCII letters without regard to case, however
// they were quoted.
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

[[nodiscard]] bool is_search_path(std::string_view name);
[[nodiscard]] bool is_application_name(std::string_view name);

}  // namespace vitrine::parser
