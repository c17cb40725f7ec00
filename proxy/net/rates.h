// How many statements each user has run of late, or logins made, in all sessions of this proxy: a
// token bucket a user, that holds a minute's worth. It outlives the sessions, so that to connect
// again fills nothing. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace vitrine::net {

class Rates {
  public:
    using Clock = std::chrono::steady_clock;

    // May the user have so many more now, at so many a minute (above 0)? Yes takes them; no takes
    // none.
    [[nodiscard]] bool take(const std::string& user, std::size_t wanted, std::uint64_t per_minute,
                            Clock::time_point now);

  private:
    std::mutex mutex_;
    // When the user's bucket will be full again; a minute from now it is empty.
    std::unordered_map<std::string, Clock::time_point> full_;
};

}  // namespace vitrine::net
