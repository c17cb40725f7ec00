// What machines ask of a running proxy: is it well, does it take logins, what has it counted.
// All of them block (on the disk, on the store), so they are no worker's to call. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "proxy/admin/metrics_text.h"
#include "proxy/net/shared.h"

namespace vitrine::admin {

// What keeps the process from its work, a line each; empty: nothing.
[[nodiscard]] std::vector<std::string> health_problems(net::Shared& shared);
// What keeps it from taking logins, a line each: the above, and what is around it.
[[nodiscard]] std::vector<std::string> readiness_problems(net::Shared& shared);

[[nodiscard]] Readings read_metrics(net::Shared& shared);

}  // namespace vitrine::admin
