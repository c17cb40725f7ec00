#include "proxy/net/throttle.h"

#include <catch2/catch.hpp>

#include "config/limits.h"

using namespace vitrine;
using namespace std::chrono_literals;

namespace {

constexpr unsigned kBurst = 3;
const net::Throttle::Clock::time_point kNow{1000h};

}  // namespace

TEST_CASE("who fails often waits, and nobody else") {
    net::Throttle throttle;
    for (unsigned i = 0; i < kBurst; ++i) {
        CHECK(throttle.due("192.0.2.7:1", kBurst, kNow) == 0s);
        CHECK(throttle.failed("192.0.2.7:1", kBurst, kNow) == 0s);
    }
    CHECK(throttle.due("192.0.2.7:2", kBurst, kNow) == limits::kLoginFailureEvery);
    CHECK(throttle.failed("192.0.2.7:2", kBurst, kNow) == limits::kLoginFailureEvery);
    CHECK(throttle.failed("192.0.2.8:2", kBurst, kNow) == 0s);
    // It is paid for by waiting, and never for longer than the longest wait.
    for (int i = 0; i < 1000; ++i) {
        CHECK(throttle.failed("192.0.2.7", kBurst, kNow) <= limits::kLoginFailureWaitMax);
    }
    CHECK(throttle.failed("192.0.2.7", kBurst, kNow) == limits::kLoginFailureWaitMax);
    const auto later =
        kNow + limits::kLoginFailureWaitMax + (kBurst + 1) * limits::kLoginFailureEvery;
    CHECK(throttle.failed("192.0.2.7", kBurst, later) == 0s);
}

TEST_CASE("a burst of 0 slows nobody down") {
    net::Throttle throttle;
    for (int i = 0; i < 100; ++i) {
        CHECK(throttle.failed("192.0.2.7", 0, kNow) == 0s);
    }
    CHECK(throttle.due("192.0.2.7", 0, kNow) == 0s);
}

TEST_CASE("sources are addresses, and networks of IPv6") {
    CHECK(net::source_of("192.0.2.7:4711") == "192.0.2.7");
    CHECK(net::source_of("192.0.2.7") == "192.0.2.7");
    CHECK(net::source_of("::ffff:192.0.2.7") == "192.0.2.7");
    CHECK(net::source_of("[2001:db8:0:1:2::7]:4711") == "2001:db8:0:1::/64");
    CHECK(net::source_of("2001:db8:0:1:ffff::1") == "2001:db8:0:1::/64");
    CHECK(net::source_of("") == "");
}

TEST_CASE("a flood of sources does not grow without end") {
    net::Throttle throttle;
    for (std::size_t i = 0; i < limits::kLoginSourcesMax; ++i) {
        (void)throttle.failed("source " + std::to_string(i), kBurst, kNow);
    }
    for (unsigned i = 0; i <= kBurst; ++i) {
        (void)throttle.failed("192.0.2.7", kBurst, kNow);
    }
    // The one that fails most is the one that stays.
    for (int i = 0; i < 100; ++i) {
        (void)throttle.failed("another " + std::to_string(i), kBurst, kNow);
    }
    CHECK(throttle.due("192.0.2.7", kBurst, kNow) > 0s);
}
