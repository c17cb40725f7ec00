#include "proxy/net/throttle.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "config/limits.h"

namespace vitrine::net {

namespace {

// What a source may owe before it waits.
Throttle::Clock::duration free_of(unsigned burst) {
    return limits::kLoginFailureEvery * burst;
}

}  // namespace

std::string source_of(std::string_view client) {
    std::string_view text = client;
    if (text.starts_with('[')) {
        text = text.substr(1, text.find(']') - 1);
    } else if (std::ranges::count(text, ':') == 1) {
        text = text.substr(0, text.find(':'));
    }
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(std::string(text), error);
    if (error) {
        return std::string(text);
    }
    if (address.is_v4()) {
        return address.to_string();
    }
    const auto v6 = address.to_v6();
    if (v6.is_v4_mapped()) {
        return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6).to_string();
    }
    auto bytes = v6.to_bytes();
    std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
    return boost::asio::ip::address_v6(bytes).to_string() + "/64";
}

Throttle::Clock::duration Throttle::failed(std::string_view client, unsigned burst,
                                           Clock::time_point now) {
    if (burst == 0) {
        return Clock::duration::zero();
    }
    const std::lock_guard lock(mutex_);
    if (paid_.size() >= limits::kLoginSourcesMax) {
        std::erase_if(paid_, [&](const auto& entry) { return entry.second <= now; });
        if (paid_.size() >= limits::kLoginSourcesMax) {
            // So many at once are no one source; the one that owes least is forgotten.
            paid_.erase(std::ranges::min_element(paid_, {},
                                                 [](const auto& entry) { return entry.second; }));
        }
    }
    auto& paid = paid_[source_of(client)];
    // Not beyond what the longest wait is for: who has stopped guessing is soon as good as others.
    paid = std::min(std::max(paid, now) + limits::kLoginFailureEvery,
                    now + free_of(burst) + limits::kLoginFailureWaitMax);
    return std::max(Clock::duration::zero(), paid - now - free_of(burst));
}

Throttle::Clock::duration Throttle::due(std::string_view client, unsigned burst,
                                        Clock::time_point now) const {
    if (burst == 0) {
        return Clock::duration::zero();
    }
    const std::lock_guard lock(mutex_);
    const auto found = paid_.find(source_of(client));
    return found == paid_.end()
               ? Clock::duration::zero()
               : std::max(Clock::duration::zero(),
                          found->second + limits::kLoginFailureEvery - now - free_of(burst));
}

}  // namespace vitrine::net
