// What a store promises, of both: SQLite and PostgreSQL. Two Store objects on one place stand for
// two processes.
#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "auth/handle.h"
#include "auth/lifecycle.h"
#include "config/limits.h"
#include "tests/auth/store_place.h"

using namespace vitrine::auth;
using namespace vitrine;
using namespace std::chrono_literals;
using test::Place;

namespace {

using Kind = Revocation::Kind;
using Clock = std::chrono::steady_clock;

constexpr Time kNow{std::chrono::seconds(1800000000)};

const Identity kBob{"bob", {"dba"}, "local", ""};

Grant pending_grant(std::string user = "ada", std::vector<std::string> groups = {"engineering"}) {
    Grant grant;
    grant.id = new_grant_id();
    grant.user = std::move(user);
    grant.issuer = "local";
    grant.groups = std::move(groups);
    grant.database = "shop";
    grant.duration = 1h;
    grant.reason = "INC-1";
    grant.policy = "on-call";
    grant.approvals_needed = 1;
    grant.approver_groups = {"dba"};
    grant.requested = kNow;
    grant.ends = kNow + 24h;
    return grant;
}

Grant active_grant(std::string user = "ada", std::vector<std::string> groups = {"engineering"}) {
    Grant grant = pending_grant(std::move(user), std::move(groups));
    grant.state = GrantState::kActive;
    grant.started = kNow;
    grant.ends = kNow + 1h;
    return grant;
}

HandleRecord a_handle() {
    HandleRecord handle;
    handle.hash = hash_handle(new_handle());
    handle.principal.user = "ada";
    handle.principal.groups = {"engineering"};
    handle.principal.token = "jti-1";
    handle.principal.issuer = "vitrine";
    handle.principal.issued = kNow;
    handle.principal.expires = kNow + 1h;
    handle.databases = {"shop"};
    return handle;
}

bool same(const Grant& a, const Grant& b) {
    const auto same_approvals = std::equal(
        a.approvals.begin(), a.approvals.end(), b.approvals.begin(), b.approvals.end(),
        [](const Approval& x, const Approval& y) { return x.by == y.by && x.at == y.at; });
    return same_approvals && a.id == b.id && a.user == b.user && a.issuer == b.issuer &&
           a.groups == b.groups && a.database == b.database && a.duration == b.duration &&
           a.reason == b.reason && a.policy == b.policy && a.emergency == b.emergency &&
           a.approvals_needed == b.approvals_needed && a.approver_groups == b.approver_groups &&
           a.state == b.state && a.requested == b.requested && a.ends == b.ends &&
           a.started == b.started && a.ended_by == b.ended_by && a.end_reason == b.end_reason &&
           a.reviewed_by == b.reviewed_by && a.reviewed == b.reviewed;
}

std::vector<std::string> ids(const result<std::vector<Grant>>& grants) {
    std::vector<std::string> ids;
    for (const Grant& grant : grants.value()) {
        ids.push_back(grant.id);
    }
    return ids;
}

Store::Change approve_by(std::string user, Time now) {
    return [identity = Identity{std::move(user), {"dba"}, "local", ""}, now](Grant& grant) {
        return approve(grant, identity, now);
    };
}

Store::Change end_by_admin(Time now) {
    return [now](Grant& grant) {
        config::Access access;
        access.admins = {"admins"};
        return end(grant, access, {"root", {"admins"}, "local", ""}, "left", now);
    };
}

Principal principal_of(const Grant& grant, Time issued) {
    Principal principal;
    principal.user = grant.user;
    principal.groups = grant.groups;
    principal.grant = grant.id;
    principal.token = "t";
    principal.issued = issued;
    return principal;
}

bool is_void(Store& store, const Principal& principal) {
    const bool listed = RevocationList(store.revocations().value()).find(principal) != nullptr;
    // Two ways to ask, and one answer.
    REQUIRE(store.is_revoked(principal).value() == listed);
    return listed;
}

template <class T>
bool failed_with(const result<T>& outcome, StoreError error) {
    return outcome.has_error() && outcome.error() == error;
}

auto both() {
    return GENERATE(Place::Kind::kSqlite, Place::Kind::kPostgres);
}

}  // namespace

TEST_CASE("a grant is kept as it is", "[store]") {
    const Place place(both());
    const auto store = place.open();
    Grant grant = active_grant("Ünal O'Neil \"x\" \\ $1 %s ; -- ?1", {"a b", "'", "[\"x\"]", "*"});
    grant.reason = "'; DROP TABLE grants; -- \xf0\x9f\x94\xa5 {\"$.a\": 1} \\u0041";
    grant.emergency = true;
    grant.approvals_needed = 2;
    grant.approver_groups = {};
    grant.approvals = {{"bob", kNow + 1s}, {"c'yd", kNow + 2s}};
    grant.ended_by = "root";
    grant.end_reason = "  blanks stay  ";
    grant.reviewed_by = "eve";
    grant.reviewed = kNow + 3s;
    REQUIRE(store->add_grant(grant).has_value());
    CHECK(same(store->grant(grant.id).value(), grant));
    CHECK(same(place.open()->grant(grant.id).value(), grant));
    CHECK(failed_with(store->add_grant(grant), StoreError::kExists));
    CHECK(failed_with(store->grant("g_none"), StoreError::kNotFound));
    CHECK(failed_with(store->grant(""), StoreError::kNotFound));
    CHECK(failed_with(store->grant("' OR 1=1 --"), StoreError::kNotFound));
    CHECK(store->last_problem().empty());

    Grant extreme = pending_grant();
    extreme.duration = std::chrono::seconds(std::numeric_limits<std::int64_t>::max());
    extreme.requested = Time(std::chrono::seconds(-62135596800));
    REQUIRE(store->add_grant(extreme).has_value());
    CHECK(same(store->grant(extreme.id).value(), extreme));
}

TEST_CASE("lists of grants: the newest first, by user, state and what is unreviewed", "[store]") {
    const Place place(both());
    const auto store = place.open();
    std::vector<std::string> all;
    for (int i = 0; i < 6; ++i) {
        Grant grant = i % 2 == 0 ? pending_grant() : active_grant("bob");
        grant.requested = kNow + std::chrono::seconds(i);
        grant.emergency = i == 3 || i == 5;
        grant.reviewed_by = i == 5 ? "root" : "";
        REQUIRE(store->add_grant(grant).has_value());
        all.insert(all.begin(), grant.id);
    }
    CHECK(ids(store->grants({})) == all);
    CHECK(ids(store->grants({.most = 2})) == std::vector{all[0], all[1]});
    CHECK(ids(store->grants({.most = 0})).empty());
    CHECK(ids(store->grants({.most = std::numeric_limits<std::size_t>::max()})) == all);
    CHECK(ids(store->grants({.user = "ada"})) == std::vector{all[1], all[3], all[5]});
    CHECK(ids(store->grants({.user = "Ada"})).empty());
    CHECK(ids(store->grants({.user = std::string("ada\0", 4)})).empty());
    CHECK(ids(store->grants({.state = GrantState::kActive})) ==
          std::vector{all[0], all[2], all[4]});
    CHECK(ids(store->grants({.user = "ada", .state = GrantState::kActive})).empty());
    CHECK(ids(store->grants({.unreviewed_emergencies = true})) == std::vector{all[2]});
    CHECK(ids(store->grants({.user = "bob", .unreviewed_emergencies = true, .most = 5})) ==
          std::vector{all[2]});
    CHECK(ids(store->grants({.user = "bob", .issuer = "local", .most = 1})) == std::vector{all[0]});
    CHECK(ids(store->grants({.user = "bob", .issuer = "https://idp"})).empty());
    CHECK(ids(store->grants({.issuer = "local"})) == all);
}

TEST_CASE("what is over or nobody's business takes no place in a list of grants", "[store]") {
    const Place place(both());
    const auto store = place.open();
    // An emergency and a request that wait for somebody, and then more than a list is long of what
    // has lapsed, ended, or been reviewed since.
    Grant waiting = pending_grant();
    waiting.approver_groups = {"dba", "a \"group\", in\\JSON"};
    Grant first = active_grant();
    first.emergency = true;
    Grant second = first;
    second.id = new_grant_id();
    second.requested = kNow + 1s;
    for (const Grant& grant : {waiting, first, second}) {
        REQUIRE(store->add_grant(grant).has_value());
    }
    for (int i = 0; i < 10; ++i) {
        Grant lapsed = pending_grant(i % 2 == 0 ? "mallory" : "ada");
        lapsed.requested = kNow + 2s;
        lapsed.ends = kNow + 10s;
        lapsed.approver_groups = {"others", "db", "a"};
        Grant reviewed = active_grant("mallory");
        reviewed.requested = kNow + 2s;
        reviewed.emergency = true;
        reviewed.reviewed_by = "root";
        reviewed.approver_groups = {};
        REQUIRE(store->add_grant(lapsed).has_value());
        REQUIRE(store->add_grant(reviewed).has_value());
    }
    CHECK(
        ids(store->grants({.state = GrantState::kPending, .ends_after = kNow + 10s, .most = 2})) ==
        std::vector{waiting.id});
    CHECK(ids(store->grants({.state = GrantState::kPending, .ends_after = kNow + 24h})).empty());
    // Who has waited longest is seen even where not all are.
    CHECK(ids(store->grants({.unreviewed_emergencies = true, .most = 1})) == std::vector{first.id});
    CHECK(ids(store->grants({.unreviewed_emergencies = true, .most = 5})) ==
          std::vector{first.id, second.id});

    const auto concerning = [&](const Identity& who) {
        return ids(store->grants({.concerning = who, .ends_after = kNow + 10s, .most = 4}));
    };
    CHECK(concerning({"bob", {"x", "dba"}, "local", ""}) ==
          std::vector{second.id, std::max(waiting.id, first.id), std::min(waiting.id, first.id)});
    CHECK(concerning({"eve", {"a \"group\", in\\JSON"}, "", ""}) == std::vector{waiting.id});
    CHECK(concerning({"ada", {}, "local", ""}).size() == 3);
    // Another issuer's, another spelling, pieces of a group's name, nobody.
    CHECK(concerning({"ada", {}, "https://idp", ""}).empty());
    CHECK(concerning({"Ada", {"DBA", "db", "a", ",", "[]", ""}, "local", ""}).empty());
    CHECK(concerning({"", {"dba"}, "", ""}).empty());
}

TEST_CASE("many grants are revoked in no more statements than one", "[store]") {
    const Place place(both());
    const auto store = place.open();
    constexpr std::size_t kMany = 300;
    for (std::size_t i = 0; i < kMany; ++i) {
        REQUIRE(store->add_grant(active_grant(i % 3 == 0 ? "bob" : "ada")).has_value());
    }
    const auto hit = store->revoke({Kind::kUser, "ada", kNow, "root", ""}, kNow + 24h);
    CHECK(hit->grants == kMany * 2 / 3);
    CHECK(store->revocations()->size() == 1 + kMany * 2 / 3);
    for (const Grant& grant : store->grants({}).value()) {
        const bool hers = grant.user == "ada";
        CHECK((grant.state == GrantState::kRevoked) == hers);
        CHECK(store->is_revoked(principal_of(grant, kNow + 1h)).value() == hers);
    }
    CHECK(store->revoke({Kind::kUser, "ada", kNow, "root", ""}, kNow + 24h)->grants == 0);
}

TEST_CASE("a change is the whole of it, or nothing", "[store]") {
    const Place place(both());
    const auto store = place.open();
    const Grant grant = pending_grant();
    REQUIRE(store->add_grant(grant).has_value());
    const auto number = store->wait_for_change(0, 0ms).value();

    const auto own = store->change_grant(grant.id, approve_by("ada", kNow));
    CHECK((own.has_error() && own.error() == GrantError::kOwnRequest));
    CHECK(store->last_problem().empty());  // the store is well
    CHECK_THROWS_AS(store->change_grant(grant.id,
                                        [](Grant& each) -> boost::system::error_code {
                                            each.state = GrantState::kActive;
                                            throw std::bad_alloc();
                                        }),
                    std::bad_alloc);
    CHECK(failed_with(store->change_grant(grant.id,
                                          [](Grant& each) {
                                              each.end_reason = std::string("\xff");
                                              return boost::system::error_code();
                                          }),
                      StoreError::kInvalid));
    CHECK(failed_with(store->change_grant(grant.id,
                                          [](Grant& each) {
                                              each.id = new_grant_id();
                                              return boost::system::error_code();
                                          }),
                      StoreError::kInvalid));
    CHECK(
        failed_with(store->change_grant("g_none", approve_by("bob", kNow)), StoreError::kNotFound));
    CHECK(same(store->grant(grant.id).value(), grant));
    CHECK(store->wait_for_change(0, 0ms).value() == number);

    const auto approved = store->change_grant(grant.id, approve_by("bob", kNow + 5s));
    REQUIRE(approved.has_value());
    CHECK(approved->state == GrantState::kActive);
    CHECK(same(store->grant(grant.id).value(), *approved));
    CHECK(store->wait_for_change(0, 0ms).value() != number);
}

TEST_CASE("the tokens of a revoked grant are void with it", "[store]") {
    const Place place(both());
    const auto store = place.open();
    const Grant grant = active_grant();
    const Grant other = active_grant();
    REQUIRE(store->add_grant(grant).has_value());
    REQUIRE(store->add_grant(other).has_value());
    CHECK_FALSE(is_void(*store, principal_of(grant, kNow)));
    REQUIRE(store->change_grant(grant.id, end_by_admin(kNow + 60s)).has_value());
    CHECK(is_void(*store, principal_of(grant, kNow)));
    CHECK(is_void(*store, principal_of(grant, kNow + 24h)));  // whenever it was issued
    CHECK_FALSE(is_void(*store, principal_of(other, kNow)));
    // For as long as they could be good: its end, not that of its revocation.
    REQUIRE(store->clean_up(kNow + 59min + limits::kClockBackMax).has_value());
    CHECK(is_void(*store, principal_of(grant, kNow)));
    REQUIRE(store->clean_up(kNow + 1h + limits::kClockBackMax).has_value());
    CHECK(store->revocations().value().empty());
    CHECK(store->grant(grant.id).value().state == GrantState::kRevoked);
}

TEST_CASE("a revocation takes the grants with it that it is about", "[store]") {
    const Place place(both());
    const auto store = place.open();
    const Grant ada_pending = pending_grant("ada", {"engineering"});
    const Grant ada_active = active_grant("ada", {"engineering", "oncall"});
    const Grant bob_active = active_grant("bob", {"oncall"});
    const Grant cyd_pending = pending_grant("cyd", {"sales"});
    Grant ada_over = active_grant("ada", {"engineering"});
    ada_over.ends = kNow + 10s;
    Grant ada_denied = pending_grant("ada");
    ada_denied.state = GrantState::kDenied;
    ada_denied.ended_by = "bob";
    const std::array all = {ada_pending, ada_active, bob_active, cyd_pending, ada_over, ada_denied};
    for (const Grant& grant : all) {
        REQUIRE(store->add_grant(grant).has_value());
    }
    const auto states = [&] {
        std::string text;
        for (const Grant& grant : all) {
            text += to_string(store->grant(grant.id).value().state).substr(0, 1);
        }
        return text;
    };
    REQUIRE(states() == "paapad");
    const Time at = kNow + 10s;
    SECTION("a user") {
        REQUIRE(store->add_account({"ada", {}, "scrypt$…", kNow, false}).has_value());
        const auto hit = store->revoke({Kind::kUser, "ada", at, "root", "left"}, kNow + 24h);
        CHECK(hit->grants == 2);
        CHECK(hit->account);
        CHECK(states() == "wrapad");
        const Grant revoked = store->grant(ada_active.id).value();
        CHECK(revoked.ends == at);
        CHECK(revoked.ended_by == "root");
        CHECK(revoked.end_reason == "left");
        CHECK(store->grant(ada_denied.id).value().ended_by == "bob");
        CHECK(is_void(*store, principal_of(ada_active, at + 5s)));  // by the grant
        CHECK(is_void(*store, principal_of(ada_denied, at)));       // by the user
        CHECK_FALSE(is_void(*store, principal_of(ada_denied, at + 1s)));
        CHECK_FALSE(is_void(*store, principal_of(bob_active, kNow)));
    }
    SECTION("a group") {
        const auto hit = store->revoke({Kind::kGroup, "oncall", at, "root", ""}, kNow + 24h);
        CHECK(hit->grants == 2);
        CHECK_FALSE(hit->account);
        CHECK(states() == "prrpad");
        // Both of its grants' tokens, whenever they were issued, until those would have ended.
        for (const Grant& grant : {ada_active, bob_active}) {
            CHECK(is_void(*store, principal_of(grant, at + 5s)));
        }
        REQUIRE(store->clean_up(kNow + 59min + limits::kClockBackMax).has_value());
        CHECK(is_void(*store, principal_of(bob_active, at + 5s)));
    }
    SECTION("a name that nobody has, a piece of another's, or SQL") {
        for (const char* const name : {"call", "Ada", "oncal%", "oncall\"", "' OR 1 = 1 --", ","}) {
            for (const Kind kind : {Kind::kUser, Kind::kGroup, Kind::kGrant}) {
                INFO(to_string(kind) << " " << name);
                const auto hit = store->revoke({kind, name, at, "root", ""}, kNow + 24h);
                CHECK(hit->grants == 0);
                CHECK_FALSE(hit->account);
            }
        }
        CHECK(states() == "paapad");
    }
    SECTION("a group whose name has everything in it that JSON writes in its own way") {
        const std::string name = "a\"b\\c,\xc3\xa4\xf0\x9f\x94\xa5/]";
        const Grant odd = active_grant("eve", {"x,", name, ",y"});
        REQUIRE(store->add_grant(odd).has_value());
        CHECK(store->revoke({Kind::kGroup, ",", at, "root", ""}, kNow + 24h)->grants == 0);
        CHECK(store->revoke({Kind::kGroup, name, at, "root", ""}, kNow + 24h)->grants == 1);
        CHECK(store->grant(odd.id)->state == GrantState::kRevoked);
    }
    SECTION("everything") {
        CHECK(store->revoke({Kind::kAll, "", at, "root", ""}, kNow + 24h)->grants == 4);
        CHECK(states() == "wrrwad");
    }
    SECTION("one grant") {
        CHECK(store->revoke({Kind::kGrant, bob_active.id, at, "root", ""}, at)->grants == 1);
        CHECK(states() == "parpad");
        CHECK(is_void(*store, principal_of(bob_active, kNow)));
    }
    SECTION("a token") {
        CHECK(store->revoke({Kind::kToken, "t", at, "root", ""}, kNow + 24h)->grants == 0);
        CHECK(states() == "paapad");
        CHECK(is_void(*store, principal_of(bob_active, kNow + 24h)));
    }
}

TEST_CASE("who is revoked while they ask gets nothing, then or later", "[store]") {
    const Place place(both());
    const auto store = place.open();
    const Grant before = pending_grant();
    REQUIRE(store->add_grant(before).has_value());
    const auto by = GENERATE(std::pair{Kind::kUser, "ada"}, std::pair{Kind::kGroup, "engineering"},
                             std::pair{Kind::kAll, ""});
    REQUIRE(store->revoke({by.first, by.second, kNow, "root", ""}, kNow + 48h).has_value());

    // The request that was pending cannot become active any more.
    const auto late = store->change_grant(before.id, approve_by("bob", kNow + 5s));
    CHECK((late.has_error() && late.error() == GrantError::kNotPending));
    // One that was decided on before the revocation, and comes to the store after it.
    CHECK(failed_with(store->add_grant(pending_grant()), StoreError::kRevoked));
    CHECK(failed_with(store->add_grant(active_grant()), StoreError::kRevoked));
    // Who asks again a second later does so with what was issued later.
    Grant again = active_grant();
    again.requested = kNow + 1s;
    CHECK(store->add_grant(again).has_value());
    CHECK((by.first == Kind::kAll || store->add_grant(active_grant("bob", {})).has_value()));
}

TEST_CASE("should the clock go back, nothing that was void is good again", "[store]") {
    const Place place(both());
    const auto store = place.open();

    // A request that had lapsed when its user was revoked; then it is an hour ago again.
    Grant lapsed = pending_grant();
    lapsed.ends = kNow + 60s;
    REQUIRE(store->add_grant(lapsed).has_value());
    REQUIRE(store->revoke({Kind::kUser, "ada", kNow + 1h, "root", ""}, kNow + 24h).has_value());
    CHECK(failed_with(store->change_grant(lapsed.id, approve_by("bob", kNow + 30s)),
                      StoreError::kRevoked));
    CHECK(failed_with(store->add_grant(active_grant()), StoreError::kRevoked));

    // Revoked again, by a clock that is behind: what the first one made void stays void, and is
    // remembered for as long.
    REQUIRE(store->revoke({Kind::kUser, "ada", kNow + 30s, "root", "2"}, kNow + 2h).has_value());
    CHECK(store->revocations().value().size() == 1);
    CHECK(is_void(*store, principal_of(active_grant(), kNow + 1h)));
    REQUIRE(store->clean_up(kNow + 23h + limits::kClockBackMax).has_value());
    CHECK(is_void(*store, principal_of(active_grant(), kNow + 1h)));

    // A used token is cleared away once it has expired for long; not before.
    REQUIRE(store->use_token("vitrine", "j", kNow + 60s).value());
    REQUIRE(store->clean_up(kNow + 61s).has_value());
    CHECK_FALSE(store->use_token("vitrine", "j", kNow + 60s).value());
    REQUIRE(store->clean_up(kNow + 60s + limits::kClockBackMax).has_value());
    CHECK(store->use_token("vitrine", "j", kNow + 60s).value());

    // A revoked grant stays so whatever the time.
    const Grant grant = active_grant("bob");
    REQUIRE(store->add_grant(grant).has_value());
    REQUIRE(store->change_grant(grant.id, end_by_admin(kNow + 30min)).has_value());
    const auto again = store->change_grant(grant.id, end_by_admin(kNow));
    CHECK((again.has_error() && again.error() == GrantError::kOver));
    CHECK_FALSE(in_force(store->grant(grant.id).value(), kNow));
}

TEST_CASE("local accounts", "[store]") {
    const Place place(both());
    const auto store = place.open();
    Account account{"ada", {"engineering", "dba"}, "scrypt$16$8$1$x$y", kNow, false};
    CHECK(failed_with(store->account("ada"), StoreError::kNotFound));
    CHECK(failed_with(store->replace_account(account), StoreError::kNotFound));
    CHECK(failed_with(store->remove_account("ada"), StoreError::kNotFound));
    REQUIRE(store->add_account(account).has_value());
    CHECK(failed_with(store->add_account(account), StoreError::kExists));
    REQUIRE(store->add_account({"Zoe", {}, "p", kNow, true}).has_value());
    REQUIRE(store->add_account({"Ada", {}, "p", kNow, false}).has_value());
    account.groups = {};
    account.disabled = true;
    account.password = "scrypt$16$8$1$z$z";
    REQUIRE(store->replace_account(account).has_value());
    const Account read = store->account("ada").value();
    CHECK(read.groups.empty());
    CHECK(read.disabled);
    CHECK(read.password == account.password);
    CHECK(read.created == kNow);
    CHECK_FALSE(store->account("Ada").value().disabled);
    std::string names;
    for (const Account& each : store->accounts().value()) {
        names += each.user + " ";
    }
    CHECK(names == "Ada Zoe ada ");
    REQUIRE(store->remove_account("ada").has_value());
    CHECK(failed_with(store->account("ada"), StoreError::kNotFound));
    CHECK(store->account("Ada").has_value());
}

TEST_CASE("a user's revocation disables their account, for longer than it is kept", "[store]") {
    const Place place(both());
    const auto store = place.open();
    for (const char* const user : {"ada", "bob"}) {
        REQUIRE(store->add_account({user, {"engineering"}, "scrypt$…", kNow, false}).has_value());
    }
    // Of others, and in other ways, accounts stay as they are.
    REQUIRE(store->revoke({Kind::kGroup, "engineering", kNow, "root", ""}, kNow + 1h).has_value());
    REQUIRE(store->revoke({Kind::kToken, "ada", kNow, "root", ""}, kNow + 1h).has_value());
    CHECK_FALSE(store->account("ada")->disabled);
    REQUIRE(store->revoke({Kind::kUser, "ada", kNow, "root", ""}, kNow + 1h).has_value());
    REQUIRE(store->clean_up(kNow + 24h * 365).has_value());
    REQUIRE(store->revocations()->empty());
    CHECK(store->account("ada")->disabled);
    CHECK_FALSE(store->account("bob")->disabled);
}

TEST_CASE("handles live as long as their token", "[store]") {
    const Place place(both());
    const auto store = place.open();
    HandleRecord handle = a_handle();
    handle.principal.grant = "g_1";
    handle.principal.reason = "why";
    handle.principal.client_address = "10.0.0.0/8";
    handle.principal.single_use = true;
    handle.databases = {"shop", "stock"};
    REQUIRE(store->add_handle(handle).has_value());
    CHECK(failed_with(store->add_handle(handle), StoreError::kExists));
    const HandleRecord read = store->handle(handle.hash).value();
    CHECK(read.hash == handle.hash);
    CHECK(read.databases == handle.databases);
    CHECK(read.principal.user == "ada");
    CHECK(read.principal.groups == handle.principal.groups);
    CHECK(read.principal.token == "jti-1");
    CHECK(read.principal.issuer == "vitrine");
    CHECK(read.principal.grant == "g_1");
    CHECK(read.principal.reason == "why");
    CHECK(read.principal.issued == kNow);
    CHECK(read.principal.expires == kNow + 1h);
    CHECK(read.principal.client_address == "10.0.0.0/8");
    CHECK(read.principal.single_use);
    CHECK(read.principal.database.empty());
    CHECK(failed_with(store->handle(hash_handle("vt_other")), StoreError::kNotFound));
    REQUIRE(store->clean_up(kNow + 1h - 1s).has_value());
    CHECK(store->handle(handle.hash).has_value());
    REQUIRE(store->clean_up(kNow + 1h).has_value());
    CHECK(failed_with(store->handle(handle.hash), StoreError::kNotFound));
}

TEST_CASE("what is no text is refused before it comes to the store", "[store]") {
    const Place place(both());
    const auto store = place.open();
    const std::array bad = {std::string("a\0b", 3),
                            std::string("\0", 1),
                            std::string("\xff"),
                            std::string("\xc0\x80"),
                            std::string("\xed\xa0\x80"),
                            std::string("a\nb"),
                            std::string("\x1b[0m"),
                            std::string("\x7f"),
                            std::string(limits::kStoredTextBytesMax + 1, 'x')};
    for (const std::string& text : bad) {
        const auto refuses = [&](const auto& spoil) {
            Grant grant = pending_grant();
            spoil(grant);
            return failed_with(store->add_grant(grant), StoreError::kInvalid);
        };
        CHECK(refuses([&](Grant& grant) { grant.id = text; }));
        CHECK(refuses([&](Grant& grant) { grant.user = text; }));
        CHECK(refuses([&](Grant& grant) { grant.groups = {"x", text}; }));
        CHECK(refuses([&](Grant& grant) { grant.database = text; }));
        CHECK(refuses([&](Grant& grant) { grant.reason = text; }));
        CHECK(refuses([&](Grant& grant) { grant.policy = text; }));
        CHECK(refuses([&](Grant& grant) { grant.approver_groups = {text}; }));
        CHECK(refuses([&](Grant& grant) { grant.approvals = {{text, kNow}}; }));
        CHECK(refuses([&](Grant& grant) { grant.ended_by = text; }));
        CHECK(refuses([&](Grant& grant) { grant.end_reason = text; }));
        CHECK(refuses([&](Grant& grant) { grant.reviewed_by = text; }));
        CHECK(failed_with(store->add_account({text, {}, "p", kNow, false}), StoreError::kInvalid));
        CHECK(
            failed_with(store->add_account({"a", {text}, "p", kNow, false}), StoreError::kInvalid));
        CHECK(failed_with(store->use_token("vitrine", text, kNow), StoreError::kInvalid));
        CHECK(failed_with(store->use_token(text, "j", kNow), StoreError::kInvalid));
        CHECK(failed_with(store->revoke({Kind::kUser, text, kNow, "root", ""}, kNow),
                          StoreError::kInvalid));
        CHECK(failed_with(store->revoke({Kind::kUser, "a", kNow, "root", text}, kNow),
                          StoreError::kInvalid));
        HandleRecord handle = a_handle();
        handle.principal.token = text;
        CHECK(failed_with(store->add_handle(handle), StoreError::kInvalid));
        CHECK(failed_with(store->grant(text), StoreError::kNotFound));
        CHECK(failed_with(store->account(text), StoreError::kNotFound));
        CHECK(failed_with(store->handle(text), StoreError::kNotFound));
    }
    Grant nobodys = pending_grant("");
    CHECK(failed_with(store->add_grant(nobodys), StoreError::kInvalid));
    Grant crowded =
        pending_grant("ada", std::vector<std::string>(limits::kStoredNamesMax + 1, "g"));
    CHECK(failed_with(store->add_grant(crowded), StoreError::kInvalid));
    // All is revoked by its kind alone: a value beside it was meant for something else.
    CHECK(failed_with(store->revoke({Kind::kAll, "ada", kNow, "root", ""}, kNow),
                      StoreError::kInvalid));
    CHECK(store->grants({}).value().empty());
    CHECK(store->accounts().value().empty());
    CHECK(store->revocations().value().empty());

    Grant large = pending_grant(std::string(limits::kStoredNameBytesMax, 'u'),
                                std::vector<std::string>(limits::kStoredNamesMax, "group"));
    large.reason = std::string(limits::kStoredTextBytesMax, 'r');
    REQUIRE(store->add_grant(large).has_value());
    CHECK(same(store->grant(large.id).value(), large));
    CHECK(store
              ->use_token(std::string(limits::kStoredNameBytesMax, 'i'),
                          std::string(limits::kStoredNameBytesMax, 'j'), kNow)
              .value());
}

TEST_CASE("what is made at one is there at the other; single use holds across them", "[store]") {
    const Place place(both());
    const auto one = place.open();
    const auto other = place.open();
    const Grant grant = pending_grant();
    REQUIRE(one->add_grant(grant).has_value());
    REQUIRE(other->change_grant(grant.id, approve_by("bob", kNow)).has_value());
    CHECK(one->grant(grant.id).value().state == GrantState::kActive);
    CHECK(one->use_token("vitrine", "j1", kNow + 1h).value());
    CHECK_FALSE(other->use_token("vitrine", "j1", kNow + 1h).value());
    CHECK_FALSE(one->use_token("vitrine", "j1", kNow + 1h).value());
    CHECK(other->use_token("https://login.example.com", "j1", kNow + 1h).value());
    CHECK(other->use_token("vitrine", "J1", kNow + 1h).value());
}

TEST_CASE("several who change at once come one after the other", "[store]") {
    const Place place(both());
    const std::array stores = {place.open(), place.open()};
    constexpr unsigned kThreads = 8;
    constexpr unsigned kTokens = 25;
    Grant grant = pending_grant();
    grant.approvals_needed = kThreads / 2;
    REQUIRE(stores[0]->add_grant(grant).has_value());

    std::atomic<unsigned> approved{0};
    std::atomic<unsigned> late{0};
    std::atomic<unsigned> wrong{0};
    std::atomic<unsigned> first_uses{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
            Store& store = *stores[i % 2];
            const auto changed =
                store.change_grant(grant.id, approve_by("dba" + std::to_string(i), kNow + 1s));
            if (changed.has_value()) {
                ++approved;
            } else if (changed.error() == GrantError::kNotPending) {
                ++late;
            } else {
                ++wrong;
            }
            for (unsigned j = 0; j < kTokens; ++j) {
                const auto used = store.use_token("vitrine", std::to_string(j), kNow + 1h);
                wrong += used.has_error() ? 1 : 0;
                first_uses += used.has_value() && *used ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(approved == kThreads / 2);
    CHECK(late == kThreads / 2);
    CHECK(first_uses == kTokens);
    const Grant after = stores[0]->grant(grant.id).value();
    CHECK(after.state == GrantState::kActive);
    CHECK(after.approvals.size() == kThreads / 2);
}

TEST_CASE("revocations and requests at once: no grant of a revoked user survives", "[store]") {
    const Place place(both());
    const std::array stores = {place.open(), place.open()};
    std::atomic<bool> revoked{false};
    std::atomic<unsigned> refused{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (unsigned j = 0; j < 200 && (refused < 8 || !revoked); ++j) {
                refused +=
                    failed_with(stores[i % 2]->add_grant(active_grant()), StoreError::kRevoked) ? 1
                                                                                                : 0;
            }
        });
    }
    std::this_thread::sleep_for(30ms);
    const auto done = stores[0]->revoke({Kind::kUser, "ada", kNow, "root", ""}, kNow + 24h);
    revoked = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    REQUIRE(done.has_value());
    CHECK(refused > 0);
    CHECK(ids(stores[1]->grants({.state = GrantState::kActive})).empty());
    CHECK_FALSE(ids(stores[1]->grants({.state = GrantState::kRevoked})).empty());
}

TEST_CASE("a change wakes who waits: here at once, elsewhere within a second", "[store]") {
    const Place place(both());
    const auto one = place.open();
    const auto other = place.open();
    auto seen = one->wait_for_change(0, 10s).value();  // not the first number: at once
    CHECK(seen != 0);

    auto start = Clock::now();
    CHECK(one->wait_for_change(seen, 300ms).value() == seen);
    CHECK(Clock::now() - start >= 300ms);

    const auto woken_after = [&](Store& waiting, const auto& change,
                                 std::chrono::milliseconds pause = 250ms) {
        Clock::time_point woken;
        std::uint64_t number = 0;
        std::thread thread([&] {
            number = waiting.wait_for_change(seen, 10s).value();
            woken = Clock::now();
        });
        std::this_thread::sleep_for(pause);
        change();
        const auto changed = Clock::now();
        thread.join();
        CHECK(number != seen);
        seen = number;
        return std::chrono::duration_cast<std::chrono::milliseconds>(woken - changed);
    };
    const Grant grant = pending_grant();
    REQUIRE(one->add_grant(grant).has_value());
    seen = one->wait_for_change(seen, 10s).value();
    // At every moment between two looks of its own, which would take half of kSqlitePoll each.
    auto sum = 0ms;
    for (int i = 0; i < 10; ++i) {
        sum += woken_after(
            *one, [&] { REQUIRE(one->add_grant(pending_grant()).has_value()); },
            std::chrono::milliseconds(100 + 10 * i));
    }
    CHECK(sum < 250ms);
    CHECK(woken_after(*other, [&] {
              REQUIRE(one->change_grant(grant.id, approve_by("bob", kNow)).has_value());
          }) < 1000ms);
    CHECK(woken_after(*other, [&] {
              REQUIRE(one->revoke({Kind::kToken, "t", kNow, "", ""}, kNow + 1h).has_value());
          }) < 1000ms);
    // From before it waited: what was not seen is not slept through.
    REQUIRE(other->revoke({Kind::kToken, "u", kNow, "", ""}, kNow + 1h).has_value());
    start = Clock::now();
    CHECK(one->wait_for_change(seen, 10s).value() != seen);
    CHECK(Clock::now() - start < 1s);
    // What nobody waits for wakes nobody for long.
    seen = one->wait_for_change(0, 0ms).value();
    REQUIRE(one->use_token("vitrine", "j", kNow).value());
    CHECK(one->wait_for_change(seen, 50ms).value() == seen);
    CHECK(one->last_problem().empty());
}

TEST_CASE("a store of a newer vitrine is refused, and left as it is", "[store]") {
    const Place place(both());
    const Grant grant = pending_grant();
    REQUIRE(place.open()->add_grant(grant).has_value());
    place.sql("UPDATE vitrine_store SET version = 1000");
    std::string error;
    CHECK(failed_with(place.try_open(error), StoreError::kNewer));
    CHECK_THAT(error, Catch::Contains("newer vitrine"));
    CHECK(place.sql("SELECT version FROM vitrine_store") == "1000");
    place.sql("UPDATE vitrine_store SET version = 1");
    CHECK(same(place.open()->grant(grant.id).value(), grant));
}

TEST_CASE("several that open a new store at once make it once", "[store]") {
    const Place place(both());
    std::array<std::unique_ptr<Store>, 6> stores;
    std::array<std::string, 6> errors;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < stores.size(); ++i) {
        threads.emplace_back([&, i] {
            auto store = place.try_open(errors[i]);
            stores[i] = store.has_value() ? std::move(*store) : nullptr;
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (std::size_t i = 0; i < stores.size(); ++i) {
        CAPTURE(errors[i]);
        REQUIRE(stores[i] != nullptr);
    }
    CHECK(place.sql("SELECT count(*) FROM vitrine_store") == "1");
    REQUIRE(stores[0]->add_grant(pending_grant()).has_value());
    CHECK(stores[5]->grants({}).value().size() == 1);
}

TEST_CASE("a row that somebody spoiled is an error, not a guess", "[store]") {
    const Place place(both());
    const auto store = place.open();
    const Grant grant = pending_grant();
    REQUIRE(store->add_grant(grant).has_value());
    for (const char* const spoil :
         {"UPDATE grants SET approvals = '{}'", "UPDATE grants SET approvals = '[[\"bob\"]]'",
          "UPDATE grants SET approvals = '[[1, 2]]'", "UPDATE grants SET user_groups = '[1]'",
          "UPDATE grants SET user_groups = 'engineering'"}) {
        CAPTURE(spoil);
        const std::string column =
            std::string(spoil).find("approvals") != std::string::npos ? "approvals" : "user_groups";
        const std::string before = place.sql("SELECT " + column + " FROM grants");
        place.sql(spoil);
        CHECK(failed_with(store->grant(grant.id), StoreError::kCorrupt));
        CHECK_THAT(store->last_problem(), Catch::Contains("damaged"));
        CHECK(failed_with(store->grants({}), StoreError::kCorrupt));
        CHECK(failed_with(store->change_grant(grant.id, approve_by("bob", kNow)),
                          StoreError::kCorrupt));
        CHECK_THAT(store->last_problem(), Catch::Contains("damaged"));
        place.sql("UPDATE grants SET " + column + " = '" + before + "'");
        CHECK(same(store->grant(grant.id).value(), grant));
    }
    CHECK_THROWS(place.sql("UPDATE grants SET state = 'good'"));
}
