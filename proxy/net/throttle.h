// Slows down who guesses: counts the failed logins of each source, an IPv4 address or an IPv6 /64.
// Thread-safe.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace vitrine::net {

class Throttle {
  public:
    using Clock = std::chrono::steady_clock;

    // How long a failure of this source's has to wait for its answer: nothing as long as it has not
    // failed `burst` times in short intervals, or where that is 0. `client` is "address:port" or an
    // address alone.
    [[nodiscard]] Clock::duration failed(std::string_view client, unsigned burst,
                                         Clock::time_point now);
    // The same without counting: what a further failure would have to wait.
    [[nodiscard]] Clock::duration due(std::string_view client, unsigned burst,
                                      Clock::time_point now) const;

  private:
    mutable std::mutex mutex_;
    // When all failures of a source will have been paid for, one each kLoginFailureEvery.
    std::unordered_map<std::string, Clock::time_point> paid_;
};

// What a source is counted by: "192.0.2.7", "2001:db8:0:1::/64"; the text itself where it is no
// address.
[[nodiscard]] std::string source_of(std::string_view client);

}  // namespace vitrine::net
