// How much each user has had within the last hour of something that is counted, in all sessions of
// this proxy. It leaks: an hour after the last of it nothing is left of it, and in between it goes
// evenly. It outlives the sessions, so that to connect again gives nothing back. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace vitrine::net {

class Hourly {
  public:
    using Clock = std::chrono::steady_clock;

    // As much of `wanted` as the user may have now, of so much an hour: it is counted.
    [[nodiscard]] std::uint64_t take(const std::string& user, std::uint64_t wanted,
                                     std::uint64_t per_hour, Clock::time_point now);

  private:
    struct Had {
        double amount = 0;
        Clock::time_point at;
    };
    std::mutex mutex_;
    std::unordered_map<std::string, Had> had_;
};

}  // namespace vitrine::net
