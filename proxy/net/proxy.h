// The running proxy: listener, workers, signals, reload (INTERFACE: `vitrine serve`).
#pragma once

#include <functional>
#include <memory>

#include "config/config.h"

namespace vitrine::net {

struct Shared;

// What runs beside the proxy with what it shares (the API): made when all is set up, before the
// first client; gone before the last of it. May throw std::runtime_error, and the start fails.
using Companion = std::shared_ptr<void>;
using MakeCompanion = std::function<Companion(Shared& shared)>;

// Runs until it is told to stop; gives the program's exit status. SIGHUP reloads, SIGTERM and
// SIGINT drain, a second one ends at once.
[[nodiscard]] int serve(std::shared_ptr<const config::Config> config,
                        const MakeCompanion& make_companion);

}  // namespace vitrine::net
