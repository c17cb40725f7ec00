#include "proxy/net/throttle.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "config/limits.h"

namespace vitrine::net {

namespace {

constexpr Throttle::Clock::duration kFree =
    limits::kLoginFailureEvery * (limits::kLoginFailuresBurst - 1);

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

Throttle::Clock::duration Throttle::failed(std::string_view client, Clock::time_point now) {
    const std::lock_guard lock(mutex_);
    if (paid_.size() >= limits::kLoginSourcesMax) {
        std::erase_if(paid_, [&](const auto& entry) { return entry.second <= now; });
        if (paid_.size() >= limits::kLoginSourcesMax) {
            // So many at once are no one source; those that owe least are forgotten.
            const auto least =
                std::ranges::min_element(paid_, {}, [](const auto& entry) { return entry.second; });
            paid_.erase(least);
        }
    }
    auto& paid = paid_[source_of(client)];
    paid = std::max(paid, now) + limits::kLoginFailureEvery;
    return std::max(Clock::duration::zero(), paid - now - limits::kLoginFailureEvery - kFree);
}

Throttle::Clock::duration Throttle::due(std::string_view client, Clock::time_point now) const {
    const std::lock_guard lock(mutex_);
    const auto found = paid_.find(source_of(client));
    return found == paid_.end() ? Clock::duration::zero()
                                : std::max(Clock::duration::zero(), found->second - now - kFree);
}

}  // namespace vitrine::net
