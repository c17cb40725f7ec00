// Points in time as people give them: `--since`, `--until`.
#pragma once

#include <optional>
#include <string_view>

#include "proxy/audit/names.h"

namespace vitrine::cli {

// A duration before now ("30d"), a day (its beginning, or for `until` its end), or RFC 3339;
// nullopt: none of these.
[[nodiscard]] std::optional<audit::Microseconds> parse_moment(std::string_view text, bool until);

}  // namespace vitrine::cli
