// What the sessions of a user share: how many they are, and how many statements they have run.
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "config/limits.h"
#include "proxy/net/sessions.h"
#include "proxy/net/statement_rates.h"

using namespace vitrine;
using namespace std::chrono_literals;
using net::StatementRates;

TEST_CASE("a user's bucket holds a minute's worth, and fills evenly") {
    StatementRates rates;
    const auto start = StatementRates::Clock::now();
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
    StatementRates rates;
    const auto start = StatementRates::Clock::now();
    CHECK_FALSE(rates.take("ada", 6, 5, start));
    CHECK_FALSE(rates.take("ada", std::size_t{1} << 62, std::uint64_t{1} << 63, start));
    CHECK(rates.take("ada", 5, 5, start));
}

TEST_CASE("over ten minutes no more pass than the limit says, whatever it is") {
    for (const std::uint64_t per_minute : {1U, 7U, 59U, 601U, 1009U}) {
        INFO(per_minute);
        StatementRates rates;
        const auto start = StatementRates::Clock::now();
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
    StatementRates rates;
    const auto start = StatementRates::Clock::now();
    for (std::size_t i = 0; i < limits::kRatedUsersMax; ++i) {
        REQUIRE(rates.take(std::to_string(i), 1, 1, start));
    }
    CHECK_FALSE(rates.take("one more", 1, 1, start + 59s));
    CHECK(rates.take("one more", 1, 1, start + 61s));
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
