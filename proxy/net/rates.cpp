#include "proxy/net/rates.h"

#include <algorithm>

#include "config/limits.h"

namespace vitrine::net {

namespace {

// Statements of one text: far above what its length allows, and no overflow below.
constexpr std::size_t kWantedMax = 100'000'000;

}  // namespace

bool Rates::take(const std::string& user, std::size_t wanted, std::uint64_t per_minute,
                 Clock::time_point now) {
    constexpr std::chrono::nanoseconds kMinute = std::chrono::minutes(1);
    if (wanted > per_minute || wanted > kWantedMax) {
        return false;
    }
    // Rounded down, which at 100,000 a minute makes two in a million more of them.
    const auto share = std::chrono::nanoseconds(std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(kMinute.count()) * wanted / per_minute));
    const std::lock_guard lock(mutex_);
    if (full_.size() >= limits::kRatedUsersMax && !full_.contains(user)) {
        std::erase_if(full_, [&](const auto& entry) { return entry.second <= now; });
        if (full_.size() >= limits::kRatedUsersMax) {
            return false;  // more users than are kept track of: none runs uncounted
        }
    }
    auto& full = full_[user];
    const Clock::time_point after = std::max(full, now) + share;
    if (after - now > kMinute) {
        return false;
    }
    full = after;
    return true;
}

}  // namespace vitrine::net
