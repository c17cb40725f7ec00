#include "proxy/net/hourly.h"

#include <algorithm>
#include <cmath>

#include "config/limits.h"

namespace vitrine::net {

std::uint64_t Hourly::take(const std::string& user, std::uint64_t wanted, std::uint64_t per_hour,
                           Clock::time_point now) {
    constexpr std::chrono::duration<double> kHour = std::chrono::hours(1);
    const std::lock_guard lock(mutex_);
    if (had_.size() >= limits::kRatedUsersMax && !had_.contains(user)) {
        std::erase_if(had_, [&](const auto& entry) { return now - entry.second.at >= kHour; });
        if (had_.size() >= limits::kRatedUsersMax) {
            return 0;  // more users than are kept track of: none has anything uncounted
        }
    }
    const auto most = static_cast<double>(per_hour);
    auto& had = had_.try_emplace(user, Had{.amount = 0, .at = now}).first->second;
    const std::chrono::duration<double> since = now - had.at;
    had.amount = std::max(0.0, had.amount - most * (since / kHour));
    had.at = now;
    const double room = std::floor(most - had.amount);
    const double taken = std::clamp(room, 0.0, static_cast<double>(wanted));
    had.amount += taken;
    return static_cast<std::uint64_t>(taken);
}

}  // namespace vitrine::net
