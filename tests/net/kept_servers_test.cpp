// Which server connections are kept, for whom, and for how long. The sockets are not connected.
#include "proxy/net/kept_servers.h"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/limits.h"

namespace vitrine::net {

namespace {

using namespace std::chrono_literals;
using Time = KeptServers::Clock::time_point;

const Time kNow{1000h};

struct Keeper {
    boost::asio::io_context context;
    std::shared_ptr<const config::Config> config = std::make_shared<config::Config>();
    KeptServers kept;

    [[nodiscard]] SessionKind kind(const std::string& user = "alice") const {
        return {.config = config,
                .database = "shop",
                .issuer = "vitrine",
                .user = user,
                .groups = {"engineering"},
                .application_name = "psql",
                .settings = {{"TimeZone", "UTC"}}};
    }
    void put(const SessionKind& whose, std::uint16_t port = 5432, Time login = kNow,
             KeptServers::Clock::duration idle = 10s) {
        kept.put(whose,
                 {.side = std::make_unique<Side>(boost::asio::ip::tcp::socket(context)),
                  .login = login,
                  .endpoint = {boost::asio::ip::address_v4::loopback(), port},
                  .session = {}},
                 kNow, idle);
    }
};

}  // namespace

TEST_CASE("a kept server connection is for the same session kind alone") {
    Keeper keeper;
    keeper.put(keeper.kind());
    const std::vector<std::function<void(SessionKind&)>> changes = {
        [](SessionKind& kind) { kind.config = std::make_shared<config::Config>(); },
        [](SessionKind& kind) { kind.database = "stock"; },
        [](SessionKind& kind) { kind.issuer = "another"; },
        [](SessionKind& kind) { kind.user = "bob"; },
        [](SessionKind& kind) { kind.groups.clear(); },
        [](SessionKind& kind) { kind.groups.emplace_back("fraud"); },
        [](SessionKind& kind) { kind.application_name = "ide"; },
        [](SessionKind& kind) { kind.settings[0].second = "Japan"; },
        [](SessionKind& kind) { kind.settings.clear(); }};
    for (const auto& change : changes) {
        SessionKind other = keeper.kind();
        change(other);
        CHECK_FALSE(keeper.kept.take(other));
    }
    CHECK(keeper.kept.take(keeper.kind()));
    CHECK_FALSE(keeper.kept.take(keeper.kind()));
}

TEST_CASE("a kept server connection waits for so long, and never beyond its age") {
    Keeper keeper;
    const auto left_at = [&](Time now) {
        keeper.kept.close_expired(now);
        return keeper.kept.size();
    };
    SECTION("idle") {
        keeper.put(keeper.kind());
        CHECK(left_at(kNow + 9999ms) == 1);
        CHECK(left_at(kNow + 10s) == 0);
    }
    SECTION("its age comes first") {
        keeper.put(keeper.kind(), 5432, kNow - limits::kKeptServerAgeMax + 1s, 1h);
        CHECK(left_at(kNow + 999ms) == 1);
        CHECK(left_at(kNow + 1s) == 0);
    }
    SECTION("too old to be kept at all") {
        keeper.put(keeper.kind(), 5432, kNow - limits::kKeptServerAgeMax, 1h);
        CHECK(keeper.kept.size() == 0);
    }
}

TEST_CASE("so many kept server connections of a user, and of all") {
    Keeper keeper;
    keeper.put(keeper.kind("bob"));
    for (std::uint16_t i = 0; i < 20; ++i) {
        keeper.put(keeper.kind(), i);
    }
    CHECK(keeper.kept.size() == 1 + limits::kKeptServersOfUserMax);
    CHECK(keeper.kept.take(keeper.kind())->endpoint.port() == 19);
    for (int i = 0; i < 100; ++i) {
        keeper.put(keeper.kind("user" + std::to_string(i)));
    }
    CHECK(keeper.kept.size() == limits::kKeptServersMax);
    CHECK_FALSE(keeper.kept.take(keeper.kind("bob")));
    CHECK(keeper.kept.take(keeper.kind("user99")));
}

TEST_CASE("kept server connections make room, and are closed") {
    Keeper keeper;
    CHECK_FALSE(keeper.kept.make_room(kNow));  // whoever has the room, it is not these
    keeper.put(keeper.kind(), 1);
    keeper.put(keeper.kind(), 2);
    keeper.kept.close_of({boost::asio::ip::address_v4::loopback(), 1});
    CHECK(keeper.kept.size() == 1);
    CHECK(keeper.kept.make_room(kNow));
    CHECK(keeper.kept.size() == 0);
    // Others who find the server full in the same moment.
    CHECK(keeper.kept.make_room(kNow + limits::kKeptRoomMax - 1ms));
    CHECK_FALSE(keeper.kept.make_room(kNow + limits::kKeptRoomMax));
    keeper.put(keeper.kind());
    keeper.kept.clear();
    CHECK(keeper.kept.size() == 0);
    keeper.put(keeper.kind());
    CHECK(keeper.kept.size() == 1);
    keeper.kept.close_all();
    keeper.put(keeper.kind());
    CHECK(keeper.kept.size() == 0);
}

}  // namespace vitrine::net
