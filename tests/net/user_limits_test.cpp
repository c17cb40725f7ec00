// What the sessions of a user share: how many they are, and how many statements they have run.
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "config/limits.h"
#include "proxy/net/hourly.h"
#include "proxy/net/rates.h"
#include "proxy/net/sessions.h"

using namespace vitrine;
using namespace std::chrono_literals;
using net::Rates;

TEST_CASE("a user's bucket holds a minute's worth, and fills evenly") {
    Rates rates;
    const auto start = Rates::Clock::now();
    for (int i = 0; i < 600; ++i) {
        REQUIRE(rates.take("ada", 1, 600, start));
    }
    CHECK_FALSE(rates.take("ada", 1, 600, start));
    CHECK(rates.take("bob", 600, 600, start));
    CHECK_FALSE(rates.take("ada", 1, 600, start + 99ms));
    CHECK(rates.take("ada", 1, 600, start + 100ms));
    CHECK_FALSE(rates.take("ada", 1, 600, start + 100ms));
    CHECK_FALSE(rates.take("ada", 11, 600, start + 1100ms));
    CHECK(rates.take("ada", 10, 600, start + 1100ms));
    // A quiet hour is worth no more than a minute.
    CHECK(rates.take("ada", 600, 600, start + 1h));
    CHECK_FALSE(rates.take("ada", 1, 600, start + 1h));
}

TEST_CASE("more at once than a minute has never pass, and take nothing") {
    Rates rates;
    const auto start = Rates::Clock::now();
    CHECK_FALSE(rates.take("ada", 6, 5, start));
    CHECK_FALSE(rates.take("ada", std::size_t{1} << 62, std::uint64_t{1} << 63, start));
    CHECK(rates.take("ada", 5, 5, start));
}

TEST_CASE("over ten minutes no more pass than the limit says, whatever it is") {
    for (const std::uint64_t per_minute : {1U, 7U, 59U, 601U, 1009U}) {
        INFO(per_minute);
        Rates rates;
        const auto start = Rates::Clock::now();
        std::uint64_t passed = 0;
        for (auto after = 0ms; after < 10min; after += 7ms) {
            while (rates.take("ada", 1, per_minute, start + after)) {
                ++passed;
            }
        }
        CHECK(passed <= 11 * per_minute);
        CHECK(passed >= 11 * per_minute - 1);
    }
}

TEST_CASE("who cannot be counted runs nothing, and room comes back") {
    Rates rates;
    const auto start = Rates::Clock::now();
    for (std::size_t i = 0; i < limits::kRatedUsersMax; ++i) {
        REQUIRE(rates.take(std::to_string(i), 1, 1, start));
    }
    CHECK_FALSE(rates.take("one more", 1, 1, start + 59s));
    CHECK(rates.take("one more", 1, 1, start + 61s));
}

TEST_CASE("an hour's worth: what is left is given, and it comes back evenly") {
    net::Hourly rows;
    const auto start = net::Hourly::Clock::now();
    CHECK(rows.take("ada", 100, 3600, start) == 100);
    CHECK(rows.take("ada", 3600, 3600, start) == 3500);
    CHECK(rows.take("ada", 1, 3600, start) == 0);
    CHECK(rows.take("bob", 5000, 3600, start) == 3600);
    CHECK(rows.take("ada", 1, 3600, start + 900ms) == 0);
    CHECK(rows.take("ada", 5, 3600, start + 2s) == 2);
    CHECK(rows.take("ada", 1, 3600, start + 2s) == 0);
    CHECK(rows.take("ada", 5000, 3600, start + 24h) == 3600);
    // What nobody has in memory: bytes in the billions, one by one.
    constexpr std::uint64_t kMany = std::uint64_t{1} << 40U;
    CHECK(rows.take("eve", kMany - 1, kMany, start) == kMany - 1);
    CHECK(rows.take("eve", 2, kMany, start) == 1);
    CHECK(rows.take("eve", 2, kMany, start) == 0);
    // Another limit, by a reload: what was had counts.
    CHECK(rows.take("bob", 100, 3000, start) == 0);
    CHECK(rows.take("bob", 100, 3650, start) == 50);
}

TEST_CASE("whose hour cannot be counted gets nothing, and room comes back") {
    net::Hourly rows;
    const auto start = net::Hourly::Clock::now();
    for (std::size_t i = 0; i < limits::kRatedUsersMax; ++i) {
        REQUIRE(rows.take(std::to_string(i), 1, 1, start) == 1);
    }
    CHECK(rows.take("one more", 1, 1, start + 59min) == 0);
    CHECK(rows.take("one more", 1, 1, start + 60min) == 1);
}

TEST_CASE("places of a user: as many as there are, whoever takes them at once") {
    for (int round = 0; round < 50; ++round) {
        net::Sessions sessions;
        std::vector<std::optional<net::Sessions::Place>> taken(8);
        std::vector<std::thread> threads;
        std::atomic<bool> go{false};
        for (auto& place : taken) {
            threads.emplace_back([&] {
                while (!go) {
                }
                if (auto one = sessions.take_place("ada", 3)) {
                    place.emplace(std::move(*one));
                }
            });
        }
        go = true;
        for (auto& thread : threads) {
            thread.join();
        }
        CHECK(sessions.count("ada") == 3);
        CHECK_FALSE(sessions.take_place("ada", 3));
        CHECK(sessions.take_place("bob", 1));
        CHECK(sessions.count("bob") == 0);
        taken.clear();
        CHECK(sessions.count("ada") == 0);
        CHECK(sessions.take_place("ada", 1));
    }
}
