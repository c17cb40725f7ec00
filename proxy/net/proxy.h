// The running proxy: listener, workers, signals, reload (INTERFACE: `vitrine serve`).
#pragma once

#include <filesystem>
#include <memory>

#include "config/config.h"

namespace vitrine::net {

// Runs until it is told to stop; gives the program's exit status. SIGHUP reloads, SIGTERM and
// SIGINT drain, a second one ends at once.
[[nodiscard]] int serve(std::shared_ptr<const config::Config> config);

}  // namespace vitrine::net
