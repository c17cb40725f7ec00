// The API as what runs beside the proxy (net::MakeCompanion).
#pragma once

#include <memory>

#include "proxy/net/shared.h"

namespace vitrine::admin {

// Null where the configuration has no access.api. Throws std::runtime_error where it cannot listen.
[[nodiscard]] std::shared_ptr<void> start_api(net::Shared& shared);

}  // namespace vitrine::admin
