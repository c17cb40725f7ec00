// The store in PostgreSQL, and what can happen on the way to it. Needs VITRINE_TEST_DSN, a
// superuser's.
#include <libpq-fe.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <thread>

#include "auth/lifecycle.h"
#include "config/limits.h"
#include "tests/auth/forwarder.h"
#include "tests/auth/store_place.h"

using namespace vitrine::auth;
using namespace vitrine;
using namespace std::chrono_literals;
using test::Forwarder;
using test::Place;
using test::server_port;
using test::server_sql;

namespace {

using Clock = std::chrono::steady_clock;
using Kind = Revocation::Kind;

constexpr Time kNow{std::chrono::seconds(1800000000)};

Grant pending_grant(std::string id = new_grant_id()) {
    Grant grant;
    grant.id = std::move(id);
    grant.user = "ada";
    grant.groups = {"engineering"};
    grant.database = "shop";
    grant.duration = 1h;
    grant.policy = "on-call";
    grant.approvals_needed = 1;
    grant.approver_groups = {"dba"};
    grant.requested = kNow;
    grant.ends = kNow + 24h;
    return grant;
}

std::string password() {
    const std::string dsn = std::getenv("VITRINE_TEST_DSN");
    const auto at = dsn.find("password=") + 9;
    return dsn.substr(at, dsn.find(' ', at) - at);
}

std::unique_ptr<Store> open(const std::string& conninfo) {
    std::string error;
    auto store = open_postgres_store(conninfo, error);
    CAPTURE(error);
    REQUIRE(store.has_value());
    return std::move(*store);
}

// All sessions of a store, but the one that asks.
std::string kill_sessions(const Place& place, const std::string& which = "true") {
    return place.sql(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
        "current_database() AND pid <> pg_backend_pid() AND (" +
        which + ")");
}

template <class Call>
std::chrono::milliseconds time_of(Call call) {
    const auto start = Clock::now();
    call();
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
}

template <class Call>
bool comes_well(Call call, std::chrono::milliseconds within) {
    const auto deadline = Clock::now() + within;
    while (call().has_error()) {
        if (Clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(20ms);
    }
    return true;
}

// Both its connections, as soon as there is a server again.
bool recovers(Store& store, std::chrono::milliseconds within = 2s) {
    return comes_well([&] { return store.revocations(); }, within) &&
           comes_well([&] { return store.wait_for_change(0, 0ms); }, within) &&
           store.last_problem().empty();
}

}  // namespace

TEST_CASE("a server that is stopped: at once an error, and well again once it is back",
          "[postgres]") {
    const Place place(Place::Kind::kPostgres);
    Forwarder way(server_port());
    const auto store = open(place.conninfo(way.port()));
    const Grant grant = pending_grant();
    REQUIRE(store->add_grant(grant));
    const auto seen = store->wait_for_change(0, 1s).value();

    way.refuse();
    CHECK(time_of([&] {
              for (int i = 0; i < 50; ++i) {
                  const auto got = store->grant(grant.id);
                  REQUIRE(got.has_error());
                  CHECK(got.error() == StoreError::kUnavailable);
                  CHECK(store->use_token("vitrine", "j", kNow).error() == StoreError::kUnavailable);
              }
          }) < 2s);
    CHECK_THAT(store->last_problem(), Catch::Contains("cannot be reached: connection to server") &&
                                          !Catch::Contains(password()));
    // Who waits hears of it, and not in a loop that spins.
    unsigned turns = 0;
    const auto until = Clock::now() + 1s;
    while (Clock::now() < until) {
        const auto number = store->wait_for_change(seen, 10s);
        REQUIRE(number.has_error());
        CHECK(number.error() == StoreError::kUnavailable);
        ++turns;
    }
    CHECK(turns <= 4);

    way.serve();
    CHECK(recovers(*store));
    CHECK(store->grant(grant.id).has_value());
    CHECK(store->use_token("vitrine", "j", kNow).value());
    REQUIRE(store->revoke({Kind::kToken, "t", kNow, "", ""}, kNow).has_value());
    result<std::uint64_t> number = StoreError::kUnavailable;
    for (int i = 0; i < 10 && number.has_error(); ++i) {
        number = store->wait_for_change(seen, 1s);
    }
    CHECK(number.value() != seen);
    CHECK(store->last_problem().empty());
}

TEST_CASE("a server that hangs: an error within seconds, for all who wait", "[postgres]") {
    const Place place(Place::Kind::kPostgres);
    Forwarder way(server_port());
    const auto store = open(place.conninfo(way.port()));
    const auto seen = store->wait_for_change(0, 1s).value();
    way.silence(true);
    const auto limit = limits::kStoreConnectMax + limits::kStoreStatementMax + 3s;
    CHECK(time_of([&] {
              std::array<std::thread, 5> threads;
              std::atomic<unsigned> errors{0};
              for (std::thread& thread : threads) {
                  thread = std::thread(
                      [&] { errors += store->add_grant(pending_grant()).has_error() ? 1 : 0; });
              }
              CHECK(store->wait_for_change(seen, 8s).has_error());
              for (std::thread& thread : threads) {
                  thread.join();
              }
              CHECK(errors == threads.size());
          }) < limit);
    CHECK_FALSE(store->last_problem().empty());
    way.silence(false);
    CHECK(recovers(*store, 5s));
    CHECK(store->grants({}).value().empty());
}

TEST_CASE("a connection cut at any message: what was acknowledged is there, nothing is by half",
          "[postgres]") {
    const Place place(Place::Kind::kPostgres);
    Forwarder way(server_port());
    const auto store = open(place.conninfo(way.port()));
    const auto direct = place.open();
    REQUIRE(store->revocations().has_value());
    const unsigned before = way.pieces(Forwarder::Way::kToServer);
    REQUIRE(store->add_grant(pending_grant("g_0")));
    const unsigned pieces = way.pieces(Forwarder::Way::kToServer) - before;
    REQUIRE(pieces >= 6);  // begin, three statements, announce, commit
    unsigned refused = 0;
    unsigned there_all_the_same = 0;
    for (const auto direction : {Forwarder::Way::kToServer, Forwarder::Way::kToClient}) {
        for (unsigned piece = 1; piece <= pieces; ++piece) {
            CAPTURE(piece, direction == Forwarder::Way::kToServer);
            const auto number = direct->wait_for_change(0, 0ms).value();
            const Grant grant = pending_grant();
            way.cut(direction, piece);
            const auto added = store->add_grant(grant);
            way.cut(direction, 0);
            // Where the client could not know: the server may still be about to end it.
            std::this_thread::sleep_for(20ms);
            const auto there = direct->grant(grant.id);
            // With all that belongs to it, or not at all.
            CHECK(there.has_value() == (direct->wait_for_change(0, 0ms).value() != number));
            if (added.has_value()) {
                CHECK(there.has_value());
            } else {
                CHECK(added.error() == StoreError::kUnavailable);
                CHECK_FALSE(store->last_problem().empty());
                ++refused;
                there_all_the_same += there.has_value() ? 1 : 0;
            }
            // Not by its other connection, whose pieces would be counted, too.
            CHECK(comes_well([&] { return store->revocations(); }, 2s));
        }
    }
    CHECK(refused >= 2 * (pieces - 1));  // of a begin that was cut nothing is left to do but again
    CHECK(there_all_the_same == 1);      // the answer to the commit
}

TEST_CASE("killed sessions are made anew, and no change is missed", "[postgres]") {
    const Place place(Place::Kind::kPostgres);
    const auto store = place.open();
    const auto other = place.open();
    auto seen = store->wait_for_change(0, 1s).value();
    REQUIRE(other->wait_for_change(0, 1s).has_value());
    for (int i = 0; i < 5; ++i) {
        // The session that listens, right before the change that it should have heard of.
        result<std::uint64_t> number = StoreError::kUnavailable;
        Clock::time_point woken;
        std::thread thread([&] {
            number = store->wait_for_change(seen, 10s);
            woken = Clock::now();
        });
        std::this_thread::sleep_for(100ms);
        CHECK(kill_sessions(place, "query LIKE 'LISTEN%' OR query LIKE '%FROM vitrine_store'") !=
              "0");
        REQUIRE(other->add_grant(pending_grant()));
        const auto changed = Clock::now();
        thread.join();
        CHECK(woken - changed < 1s);
        if (number.has_error()) {
            number = store->wait_for_change(seen, 1s);
        }
        REQUIRE(number.has_value());
        CHECK(*number != seen);
        seen = *number;
    }
    // All of them: who calls next notices nothing.
    for (int i = 0; i < 5; ++i) {
        CHECK(kill_sessions(place) != "0");
        CHECK(store->add_grant(pending_grant()).has_value());
        CHECK(store->grants({}).has_value());
    }
    CHECK(store->grants({}).value().size() == 10);
}

TEST_CASE("a notification that is lost is made up for within a second", "[postgres]") {
    const Place place(Place::Kind::kPostgres);
    const auto store = place.open();
    const auto seen = store->wait_for_change(0, 1s).value();
    std::thread thread([&] {
        std::this_thread::sleep_for(200ms);
        place.sql("UPDATE vitrine_store SET changes = changes + 1");  // and says nothing
    });
    const auto took = time_of([&] { CHECK(store->wait_for_change(seen, 10s).value() != seen); });
    thread.join();
    CHECK(took < 1200ms);
}

TEST_CASE("a notification wakes at once, long before it would be asked for", "[postgres]") {
    const Place place(Place::Kind::kPostgres);
    const auto store = place.open();
    const auto other = place.open();
    auto seen = store->wait_for_change(0, 1s).value();
    std::chrono::milliseconds most{0};
    for (int i = 0; i < 5; ++i) {
        Clock::time_point woken;
        std::thread thread([&] {
            seen = store->wait_for_change(seen, 10s).value();
            woken = Clock::now();
        });
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        REQUIRE(other->add_grant(pending_grant()));
        const auto changed = Clock::now();
        thread.join();
        most =
            std::max(most, std::chrono::duration_cast<std::chrono::milliseconds>(woken - changed));
    }
    CHECK(most < 150ms);
}

TEST_CASE("another that holds the lock is waited for, and not forever", "[postgres]") {
    const Place place(Place::Kind::kPostgres);
    const auto store = place.open();
    const std::unique_ptr<PGconn, decltype(&PQfinish)> holder(PQconnectdb(place.conninfo().c_str()),
                                                              &PQfinish);
    PQclear(PQexec(holder.get(), "BEGIN; SELECT pg_advisory_xact_lock(33329996108492389)"));
    const auto took = time_of([&] {
        const auto added = store->add_grant(pending_grant());
        REQUIRE(added.has_error());
        CHECK(added.error() == StoreError::kUnavailable);
    });
    CHECK(took > 2s);
    CHECK(took < 6s);
    CHECK_THAT(store->last_problem(), Catch::Contains("timeout"));
    CHECK(store->grants({}).has_value());
    PQclear(PQexec(holder.get(), "ROLLBACK"));
    CHECK(store->add_grant(pending_grant()).has_value());

    // One that falls asleep in its transaction is thrown out, and has changed nothing.
    const Grant grant = pending_grant();
    REQUIRE(store->add_grant(grant));
    const auto slept = store->change_grant(grant.id, [](Grant& each) {
        std::this_thread::sleep_for(limits::kStoreStatementMax + 500ms);
        each.approvals.push_back({"bob", kNow});
        return boost::system::error_code();
    });
    REQUIRE(slept.has_error());
    CHECK(slept.error() == StoreError::kUnavailable);
    CHECK(store->grant(grant.id).value().approvals.empty());
}

TEST_CASE("nothing of the address is told that could be a piece of a password", "[postgres]") {
    std::string error;
    for (const char* const uri :
         {"postgres://ada:hunter2@127.0.0.1:1/shop", "postgres://ada:hun@ter2@127.0.0.1:1/shop",
          "postgres://ada:hun/ter2@127.0.0.1:1/shop", "postgres://ada:hunter2%@127.0.0.1:1/shop",
          "postgres://ada:hunter2%zz@127.0.0.1:1/shop", "postgres://ada:hunter2?x@127.0.0.1/shop",
          "postgres://ada:x#hunter2@127.0.0.1:1/shop", "postgres://ada:hunter2:x@127.0.0.1:1/shop",
          "postgres://127.0.0.1:1/shop?password=hunter2&hunter2=1",
          "postgres://127.0.0.1:1/shop?connect_timeout=hunter2",
          "postgres://127.0.0.1:1/shop?sslmode=hunter2", "postgres:/hunter2", "hunter2",
          "postgres://ada:[hunter2@127.0.0.1:1/shop", "postgres://ada:1[hunter2]@127.0.0.1:1/x",
          "host=127.0.0.1 port=1 password='hunter2", "postgres://hunter2:99999999/shop"}) {
        const auto store = open_postgres_store(uri, error);
        CAPTURE(uri, error);
        REQUIRE(store.has_error());
        CHECK(store.error() == StoreError::kUnavailable);
        CHECK_FALSE(error.empty());
        for (const char* const piece : {"hunter2", "ter2", "hun/", "hun@"}) {
            CHECK_THAT(error, !Catch::Contains(piece));
        }
    }
    // The server's own words for a wrong one.
    const std::string port = std::to_string(server_port());
    CHECK(open_postgres_store(
              "postgres://postgres:hunter2@127.0.0.1:" + port + "/shop?sslmode=require", error)
              .has_error());
    CHECK_THAT(error,
               Catch::Contains("password authentication failed") && !Catch::Contains("hunter2"));
}

TEST_CASE("the server's certificate is verified where nobody says otherwise", "[postgres]") {
    const Place place(Place::Kind::kPostgres);
    const std::string dsn = place.conninfo();
    const auto database = dsn.substr(dsn.rfind('=') + 1);
    const std::string uri = "postgres://postgres:" + password() +
                            "@127.0.0.1:" + std::to_string(server_port()) + "/" + database;
    std::string error;
    const auto refused = open_postgres_store(uri, error);
    REQUIRE(refused.has_error());
    CHECK_THAT(error, Catch::Contains("certificate verify failed"));
    CHECK(open_postgres_store(uri + "?sslmode=require", error).has_value());
}

TEST_CASE("a database that cannot be the store", "[postgres]") {
    std::string error;
    SECTION("in another encoding") {
        const Place place(Place::Kind::kPostgres);
        server_sql("DROP DATABASE IF EXISTS store_latin");
        server_sql(
            "CREATE DATABASE store_latin TEMPLATE template0 ENCODING 'LATIN1' "
            "LOCALE 'C'");
        CHECK(open_postgres_store(place.conninfo() + " dbname=store_latin", error).error() ==
              StoreError::kUnavailable);
        CHECK_THAT(error, Catch::Contains("another encoding than UTF8"));
        server_sql("DROP DATABASE store_latin");
    }
    SECTION("with a schema of that name, and something else in it") {
        const Place place(Place::Kind::kPostgres);
        place.sql("CREATE SCHEMA vitrine_access CREATE TABLE grants (a int)");
        CHECK(place.try_open(error).error() == StoreError::kCorrupt);
        CHECK_THAT(error, Catch::Contains("has other tables in it"));
        CHECK(place.sql("SELECT count(*) FROM vitrine_access.grants") == "0");
    }
    SECTION("of which a table was dropped") {
        const Place place(Place::Kind::kPostgres);
        const auto store = place.open();
        place.sql("DROP TABLE revocations");
        CHECK(store->revocations().error() == StoreError::kCorrupt);
        CHECK(store->add_grant(pending_grant()).error() == StoreError::kCorrupt);
        CHECK_FALSE(store->last_problem().empty());
    }
    SECTION("that is only read") {
        const Place place(Place::Kind::kPostgres);
        REQUIRE(place.open() != nullptr);
        place.sql(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET "
            "default_transaction_read_only = on', current_database()); END $$");
        CHECK(place.try_open(error).error() == StoreError::kUnavailable);
        CHECK_THAT(error, Catch::Contains("session is read-only"));
    }
}

TEST_CASE("a role that owns the schema alone is enough", "[postgres]") {
    const Place place(Place::Kind::kPostgres);
    place.sql("DROP ROLE IF EXISTS store_keeper");
    place.sql("CREATE ROLE store_keeper LOGIN PASSWORD 'keeper'");
    std::string error;
    const std::string as_keeper = place.conninfo() + " user=store_keeper password=keeper";
    const auto refused = open_postgres_store(as_keeper, error);
    REQUIRE(refused.has_error());
    CHECK_THAT(error, Catch::Contains("permission denied for database"));
    place.sql("CREATE SCHEMA vitrine_access AUTHORIZATION store_keeper");
    {
        const auto store = open(as_keeper);
        CHECK(store->add_grant(pending_grant()).has_value());
        CHECK(open(as_keeper)->grants({}).value().size() == 1);
    }
    kill_sessions(place);
    place.sql("DROP SCHEMA vitrine_access CASCADE; DROP ROLE store_keeper");
}
