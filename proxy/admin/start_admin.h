// /healthz, /readyz and /metrics as what runs beside the proxy (net::MakeCompanion). In the clear
// and for everybody who reaches it: nothing there is a secret or names a person, and nothing can be
// done there. The API, with which something can, is another listener.
#pragma once

#include <memory>
#include <string>

#include "config/config.h"
#include "proxy/net/shared.h"

namespace vitrine::admin {

// Null where the configuration has no admin.address. Throws std::runtime_error where it cannot
// listen.
[[nodiscard]] std::shared_ptr<void> start_admin(net::Shared& shared);

// A sentence where others than this machine may reach admin.address; empty: there is none, or it is
// of the loopback.
[[nodiscard]] std::string reach_warning(const config::Admin& admin);

}  // namespace vitrine::admin
