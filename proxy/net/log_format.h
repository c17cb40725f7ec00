// How the operator's log looks: a line of text for people, or JSON for programs (log.format).
#pragma once

#include <spdlog/formatter.h>

#include <memory>

namespace vitrine::net {

// Control characters are escaped in both: what a stranger sends cannot forge a line or paint a
// terminal.
[[nodiscard]] std::unique_ptr<spdlog::formatter> make_log_formatter(bool json);

}  // namespace vitrine::net
