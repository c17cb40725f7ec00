// Durations as people write them: `90s`, `15m`, `12h`, `400d` (INTERFACE: "Configuration").
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace vitrine::config {

// Nothing where it is not one, or 0; the longest there is where it is beyond counting.
[[nodiscard]] std::optional<std::chrono::seconds> parse_duration(std::string_view text);

}  // namespace vitrine::config
