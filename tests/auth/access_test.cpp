// What is decided about access, the steps of a grant, and what is void: no store here.
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>

#include "auth/decide.h"
#include "auth/lifecycle.h"
#include "auth/revocation.h"
#include "config/limits.h"

using namespace vitrine::auth;
using namespace vitrine;
using namespace std::chrono_literals;

namespace {

using Kind = Revocation::Kind;

// 2026-11-27, a Friday, 12:00 UTC.
constexpr Time kFriday{std::chrono::seconds(1795780800)};

// The local time of this program while it lives.
class Zone {
  public:
    explicit Zone(const char* name) { set(name); }
    ~Zone() { set("UTC"); }
    Zone(const Zone&) = delete;
    Zone& operator=(const Zone&) = delete;

  private:
    static void set(const char* name) {
        setenv("TZ", name, 1);
        tzset();
    }
};

config::AccessPolicy policy_for(std::string name, std::vector<std::string> groups) {
    config::AccessPolicy policy;
    policy.name = std::move(name);
    policy.groups = std::move(groups);
    policy.databases = {"shop"};
    policy.max_duration = 4h;
    policy.reason_required = false;
    return policy;
}

config::Access access_of(std::vector<config::AccessPolicy> policies) {
    config::Access access;
    access.policies = std::move(policies);
    access.admins = {"admins"};
    return access;
}

const Identity kAda{"ada", {"engineering", "oncall"}, "https://login.example.com", "t1"};
const Identity kBob{"bob", {"dba"}, "local", ""};
const Identity kCyd{"cyd", {"dba"}, "local", ""};
const Identity kRoot{"root", {"admins"}, "local", ""};

AccessRequest hour(std::string reason = "") {
    return {"shop", 1h, std::move(reason), false};
}

config::AccessPolicy approved_by_dba(unsigned count) {
    auto policy = policy_for("four-eyes", {"engineering"});
    policy.approvers = {"dba"};
    policy.approvals = count;
    return policy;
}

Grant pending(unsigned count = 1, const Identity& who = kAda) {
    const auto policy = approved_by_dba(count);
    return new_grant(access_of({policy}), policy, who, hour("INC-1"), kFriday);
}

bool is(const boost::system::error_code& code, GrantError error) {
    return code == error;
}

}  // namespace

TEST_CASE("the first policy in the file's order that allows all of it decides") {
    auto narrow = policy_for("narrow", {"oncall"});
    narrow.max_duration = 30min;
    const auto access =
        access_of({policy_for("others", {"dba"}), narrow, policy_for("wide", {"engineering"}),
                   policy_for("never reached", {"engineering"})});
    const auto decision = decide(access, kAda, hour(), kFriday);
    REQUIRE(decision.policy != nullptr);
    CHECK(decision.policy == &access.policies[2]);
    CHECK(decision.why.empty());
    CHECK(decide(access, kAda, {"shop", 30min, "", false}, kFriday).policy == &access.policies[1]);
    CHECK(decide(access, kAda, {"shop", 4h, "", false}, kFriday).policy != nullptr);

    const auto longer = decide(access, kAda, {"shop", 4h + 1s, "", false}, kFriday);
    CHECK(longer.policy == nullptr);
    CHECK(longer.why == "policy narrow gives at most 30m, not 14401s");
    CHECK(longer.hint == "ask with --for 30m or less");
}

TEST_CASE("a policy is for its groups and databases, spelled exactly; the star is for all") {
    const auto allows = [](std::vector<std::string> groups, std::vector<std::string> databases,
                           const Identity& who, const std::string& database) {
        auto policy = policy_for("p", std::move(groups));
        policy.databases = std::move(databases);
        return decide(access_of({policy}), who, {database, 1h, "", false}, kFriday).policy !=
               nullptr;
    };
    const Identity nobody{"eve", {}, "local", ""};
    CHECK(allows({"oncall"}, {"shop"}, kAda, "shop"));
    CHECK(allows({"x", "oncall"}, {"stock", "shop"}, kAda, "shop"));
    CHECK(allows({"*"}, {"shop"}, nobody, "shop"));
    CHECK(allows({"*"}, {"*"}, nobody, "any"));
    CHECK_FALSE(allows({}, {"*"}, kAda, "shop"));
    CHECK_FALSE(allows({"oncall"}, {}, kAda, "shop"));
    CHECK_FALSE(allows({"OnCall"}, {"shop"}, kAda, "shop"));
    CHECK_FALSE(allows({"on*"}, {"shop"}, kAda, "shop"));
    CHECK_FALSE(allows({"oncall"}, {"sh*"}, kAda, "shop"));
    CHECK_FALSE(allows({"oncall"}, {"shop"}, kAda, "shop2"));
    CHECK_FALSE(allows({"oncall"}, {"shop"}, kAda, "Shop"));
    CHECK_FALSE(allows({"oncall"}, {"*"}, kAda, ""));
    // Somebody whose identity provider calls a group `*` is in no other for that.
    CHECK_FALSE(allows({"oncall"}, {"shop"}, {"eve", {"*"}, "local", ""}, "shop"));

    const auto none = decide(access_of({policy_for("p", {"dba"})}), kAda, hour(), kFriday);
    CHECK(none.why == "no policy gives you the database shop");
    CHECK_FALSE(none.hint.empty());
    CHECK(decide(access_of({}), kAda, hour(), kFriday).policy == nullptr);
    CHECK(decide(access_of({policy_for("p", {"*"})}), {"", {"oncall"}, "", ""}, hour(), kFriday)
              .policy == nullptr);
}

TEST_CASE("a grant is for some time") {
    const auto access = access_of({policy_for("p", {"*"})});
    for (const auto duration : {0s, -1s, -3600s, std::chrono::seconds::min()}) {
        const auto decision = decide(access, kAda, {"shop", duration, "", false}, kFriday);
        CHECK(decision.policy == nullptr);
        CHECK(decision.hint == "say for how long: --for 1h");
    }
    CHECK(decide(access, kAda, {"shop", std::chrono::seconds::max(), "", false}, kFriday).policy ==
          nullptr);
    CHECK(decide(access, kAda, {"shop", 1s, "", false}, kFriday).policy != nullptr);
}

TEST_CASE("a reason is asked for, and the whole of it must match") {
    auto policy = policy_for("on-call", {"*"});
    policy.reason_required = true;
    policy.reason_pattern = R"(INC-\d+)";
    const auto access = access_of({policy});
    const auto allows = [&](const std::string& reason) {
        return decide(access, kAda, hour(reason), kFriday).policy != nullptr;
    };
    CHECK(allows("INC-4711"));
    for (const char* const reason :
         {"", " ", "   ", "INC-", "inc-4711", "see INC-4711", "INC-4711 ", " INC-4711",
          "INC-4711\n", "INC-4711\nx", "INC-\xd9\xa1", "INC-1|INC-2"}) {
        CAPTURE(reason);
        CHECK_FALSE(allows(reason));
    }
    CHECK_FALSE(allows(std::string("INC-4711\0", 9)));

    const auto without = decide(access, kAda, hour(), kFriday);
    CHECK(without.why == "policy on-call wants a reason");
    CHECK(without.hint == R"(say why with --reason; the pattern is INC-\d+)");
    const auto other = decide(access, kAda, hour("lunch"), kFriday);
    CHECK(other.why == "policy on-call does not take this reason");
    CHECK(other.hint == R"(the whole reason must match INC-\d+)");

    // An alternative must not open the pattern's end.
    policy.reason_pattern = "INC|REQ";
    CHECK_FALSE(decide(access_of({policy}), kAda, hour("INCx"), kFriday).policy != nullptr);
    CHECK_FALSE(decide(access_of({policy}), kAda, hour("xREQ"), kFriday).policy != nullptr);

    // Optional: none, or one that matches.
    policy.reason_required = false;
    CHECK(decide(access_of({policy}), kAda, hour(), kFriday).policy != nullptr);
    CHECK(decide(access_of({policy}), kAda, hour("REQ"), kFriday).policy != nullptr);
    CHECK(decide(access_of({policy}), kAda, hour("no"), kFriday).policy == nullptr);

    // A pattern that is none takes nothing.
    policy.reason_pattern = "(";
    CHECK(decide(access_of({policy}), kAda, hour("("), kFriday).policy == nullptr);
    // What makes a backtracking matcher think for years.
    policy.reason_pattern = "(a*)*b";
    CHECK(decide(access_of({policy}), kAda, hour(std::string(1000, 'a')), kFriday).policy ==
          nullptr);
}

TEST_CASE("a reason is one line of text, of limited length") {
    const auto access = access_of({policy_for("p", {"*"})});
    const auto why = [&](const std::string& reason) {
        const auto decision = decide(access, kAda, hour(reason), kFriday);
        return decision.policy != nullptr ? "allowed" : decision.why;
    };
    CHECK(why(std::string(limits::kReasonBytesMax, 'x')) == "allowed");
    CHECK(why(std::string(limits::kReasonBytesMax + 1, 'x')) ==
          "the reason is longer than 1024 bytes");
    CHECK(why("Überprüfung „Rechnung“ '; DROP TABLE grants; --") == "allowed");
    for (const std::string& reason :
         {std::string("a\nb"), std::string("a\0b", 3), std::string("\xff"), std::string("\x1b[2J"),
          std::string("\xed\xa0\x80"), std::string("\xc0\x80")}) {
        CHECK_THAT(why(reason), Catch::StartsWith("the reason is no line of text"));
    }
}

TEST_CASE("hours: days of the week, over midnight, and the next opening") {
    const Zone zone("UTC");
    constexpr std::uint8_t kWeekdays = 0x1f;
    constexpr std::uint8_t kOnlyFriday = 0x10;
    auto policy = policy_for("hours", {"*"});
    const auto open = [&](Time at) {
        return decide(access_of({policy}), kAda, hour(), at).policy != nullptr;
    };
    const auto hint = [&](Time at) { return decide(access_of({policy}), kAda, hour(), at).hint; };
    const Time midnight = kFriday - 12h;  // with which Friday begins

    policy.hours = {{kWeekdays, 9h, 18h}};
    CHECK(open(midnight + 9h));
    CHECK(open(midnight + 18h - 1s));
    CHECK_FALSE(open(midnight + 9h - 1s));
    CHECK_FALSE(open(midnight + 18h));
    CHECK_FALSE(open(midnight + 24h + 10h));
    CHECK_FALSE(open(midnight + 48h + 10h));
    CHECK(open(midnight + 72h + 10h));
    CHECK(hint(midnight + 8h) == "it opens on Fri 27 Nov 09:00 UTC");
    CHECK(hint(midnight + 18h) == "it opens on Mon 30 Nov 09:00 UTC");
    CHECK(hint(midnight + 9h - 1s) == "it opens on Fri 27 Nov 09:00 UTC");
    CHECK(decide(access_of({policy}), kAda, hour(), midnight).why == "policy hours is closed now");

    // Friday night goes into Saturday; Thursday night does not go into Friday.
    policy.hours = {{kOnlyFriday, 22h, 6h}};
    CHECK(open(midnight + 22h));
    CHECK(open(midnight + 24h));
    CHECK(open(midnight + 30h - 1s));
    CHECK_FALSE(open(midnight + 30h));
    CHECK_FALSE(open(midnight));
    CHECK_FALSE(open(midnight + 6h - 1s));
    CHECK_FALSE(open(midnight + 46h));
    CHECK(hint(midnight + 30h) == "it opens on Fri 4 Dec 22:00 UTC");

    // Sunday night goes into Monday: the week has no end.
    policy.hours = {{0x40, 22h, 6h}};
    CHECK(open(midnight + 72h + 5h));
    CHECK_FALSE(open(midnight + 48h + 5h));

    policy.hours = {{kOnlyFriday, 0h, 24h}};
    CHECK(open(midnight));
    CHECK(open(midnight + 24h - 1s));
    CHECK_FALSE(open(midnight - 1s));
    CHECK_FALSE(open(midnight + 24h));

    // One of several is enough; none at all is always; an empty one, or one on no day, is never.
    policy.hours = {{kOnlyFriday, 1h, 2h}, {kOnlyFriday, 12h, 13h}};
    CHECK(open(kFriday));
    policy.hours = {{kOnlyFriday, 12h, 12h}};
    CHECK_FALSE(open(kFriday));
    CHECK(hint(kFriday) == "the operator corrects its hours: it never opens");
    policy.hours = {{0, 0h, 24h}};
    CHECK_FALSE(open(kFriday));
    policy.hours = {};
    CHECK(open(midnight));
}

TEST_CASE("hours are the machine's own, through summer and winter time") {
    const Zone zone("Europe/Berlin");
    auto policy = policy_for("hours", {"*"});
    policy.hours = {{0x7f, 9h, 18h}};
    const auto open = [&](Time at) {
        return decide(access_of({policy}), kAda, hour(), at).policy != nullptr;
    };
    const Time winter{1795780800s - 12h};  // 2026-11-27 00:00 UTC
    const Time summer{std::chrono::sys_days(std::chrono::year(2026) / 7 / 3)};
    CHECK(open(winter + 8h));
    CHECK_FALSE(open(winter + 8h - 1s));
    CHECK(open(summer + 7h));
    CHECK_FALSE(open(summer + 7h - 1s));

    // 2026-03-29: at 02:00 it is 03:00. What would open at 02:30 opens once there is such a time.
    policy.hours = {{0x40, 2h + 30min, 4h}};
    const Time spring{std::chrono::sys_days(std::chrono::year(2026) / 3 / 29)};
    CHECK_FALSE(open(spring + 1h - 1s));  // 01:59:59
    CHECK(open(spring + 1h));             // 03:00:00
    CHECK(decide(access_of({policy}), kAda, hour(), spring).hint ==
          "it opens on Sun 29 Mar 03:00 CEST");
}

TEST_CASE("an emergency policy never stands in by itself") {
    auto glass = policy_for("break-glass", {"*"});
    glass.emergency = true;
    const auto only = access_of({glass});
    CHECK(decide(only, kAda, hour(), kFriday).policy == nullptr);
    CHECK_THAT(decide(only, kAda, hour(), kFriday).hint, Catch::EndsWith("--emergency"));
    CHECK(decide(only, kAda, {"shop", 1h, "", true}, kFriday).policy == &only.policies[0]);

    // Nor does an ordinary one where the emergency's was asked for: it would not be reviewed.
    const auto ordinary = access_of({policy_for("p", {"*"})});
    const auto decision = decide(ordinary, kAda, {"shop", 1h, "", true}, kFriday);
    CHECK(decision.policy == nullptr);
    CHECK(decision.why == "no emergency policy gives you the database shop");

    // Its own limits hold, and what is not for them is not mentioned.
    const auto both = access_of({policy_for("p", {"*"}), glass});
    CHECK(decide(both, kAda, {"shop", 5h, "", true}, kFriday).why ==
          "policy break-glass gives at most 4h, not 5h");
    auto others = glass;
    others.groups = {"dba"};
    CHECK_THAT(decide(access_of({others}), kAda, hour(), kFriday).hint,
               !Catch::Contains("--emergency"));
}

TEST_CASE("a grant is its user's, as the issuer knows them") {
    const Grant grant = pending();
    CHECK(is_own(grant, kAda));
    Identity another = kAda;
    another.issuer = "https://other.example.com";
    CHECK_FALSE(is_own(grant, another));
    Grant ended = grant;
    CHECK(end(ended, config::Access(), another, "", kFriday) == GrantError::kNotTheirs);
    Grant nobodys = grant;
    nobodys.user.clear();
    another = {"", {}, grant.issuer, ""};
    CHECK_FALSE(is_own(nobodys, another));
}

TEST_CASE("each approves once, in whatever spelling") {
    Grant grant = pending(2);
    CHECK_FALSE(approve(grant, kBob, kFriday));
    CHECK(approve(grant, {"BOB", {"dba"}, "https://login.example.com", "t"}, kFriday) ==
          GrantError::kApprovedBefore);
    CHECK_FALSE(approve(grant, kCyd, kFriday));
    CHECK(grant.state == GrantState::kActive);
}

TEST_CASE("nobody decides on their own request; groups say who may") {
    const Grant grant = pending();
    CHECK(may_approve(grant, kBob));
    CHECK_FALSE(may_approve(grant, kAda));
    Identity ada_as_dba = kAda;
    ada_as_dba.groups = {"dba"};
    CHECK_FALSE(may_approve(grant, ada_as_dba));
    ada_as_dba.issuer = "local";  // the same name by another way in is the same person
    CHECK_FALSE(may_approve(grant, ada_as_dba));
    ada_as_dba.user = "Ada";  // and so is one that may be the same mailbox
    CHECK_FALSE(may_approve(grant, ada_as_dba));
    CHECK_FALSE(may_approve(grant, {"", {"dba"}, "local", ""}));
    CHECK_FALSE(may_approve(grant, {"eve", {"DBA"}, "local", ""}));
    CHECK_FALSE(may_approve(grant, {"eve", {}, "local", ""}));
    CHECK_FALSE(may_approve(grant, kRoot));  // an admin is no approver

    Grant anybodys = grant;
    anybodys.approver_groups = {"*"};
    CHECK(may_approve(anybodys, {"eve", {}, "local", ""}));
    CHECK_FALSE(may_approve(anybodys, kAda));
    anybodys.approver_groups = {};
    CHECK_FALSE(may_approve(anybodys, kBob));

    CHECK(is_admin(access_of({}), kRoot));
    CHECK_FALSE(is_admin(access_of({}), kBob));
    CHECK_FALSE(is_admin({}, {"eve", {"*", ""}, "local", ""}));
}

TEST_CASE("a grant begins at once, or once enough others have agreed") {
    const auto free = policy_for("free", {"*"});
    const Grant at_once = new_grant(access_of({free}), free, kAda, hour("why"), kFriday);
    CHECK(at_once.state == GrantState::kActive);
    CHECK(at_once.started == kFriday);
    CHECK(at_once.ends == kFriday + 1h);
    CHECK(at_once.user == "ada");
    CHECK(at_once.groups == kAda.groups);
    CHECK(at_once.database == "shop");
    CHECK(at_once.reason == "why");
    CHECK(at_once.policy == "free");

    Grant grant = pending(2);
    CHECK(grant.state == GrantState::kPending);
    CHECK(grant.ends == kFriday + 24h);
    CHECK_FALSE(in_force(grant, kFriday));
    CHECK(is(approve(grant, kAda, kFriday), GrantError::kOwnRequest));
    CHECK(is(approve(grant, kRoot, kFriday), GrantError::kNotApprover));
    CHECK_FALSE(approve(grant, kBob, kFriday + 1s));
    CHECK(grant.state == GrantState::kPending);
    CHECK(is(approve(grant, kBob, kFriday + 2s), GrantError::kApprovedBefore));
    CHECK(grant.approvals.size() == 1);
    CHECK_FALSE(approve(grant, kCyd, kFriday + 10min));
    CHECK(grant.state == GrantState::kActive);
    CHECK(grant.started == kFriday + 10min);
    CHECK(grant.ends == kFriday + 10min + 1h);  // for what was asked, from when it was given
    CHECK(is(approve(grant, {"dan", {"dba"}, "local", ""}, kFriday + 11min),
             GrantError::kNotPending));

    // Approvers without a number are one approval, not none.
    CHECK(pending(0).state == GrantState::kPending);
    auto glass = approved_by_dba(2);
    glass.emergency = true;
    CHECK(new_grant(access_of({glass}), glass, kAda, hour(), kFriday).state == GrantState::kActive);
}

TEST_CASE("a request that lapses in the second of its approval has lapsed") {
    Grant grant = pending();
    const Grant before = grant;
    CHECK(is(approve(grant, kBob, grant.ends), GrantError::kLapsed));
    CHECK(is(deny(grant, kBob, "", grant.ends), GrantError::kLapsed));
    CHECK(grant.state == before.state);
    CHECK(grant.approvals.empty());
    CHECK(grant.ends == before.ends);
    CHECK_FALSE(approve(grant, kBob, before.ends - 1s));
    CHECK(in_force(grant, before.ends));
}

TEST_CASE("what is decided stays decided") {
    const auto access = access_of({});
    Grant denied = pending();
    CHECK(is(deny(denied, kAda, "", kFriday), GrantError::kOwnRequest));
    CHECK_FALSE(deny(denied, kBob, "not today", kFriday + 5s));
    CHECK(denied.state == GrantState::kDenied);
    CHECK(denied.ended_by == "bob");
    CHECK(denied.end_reason == "not today");
    CHECK(denied.ends == kFriday + 5s);
    CHECK(is(approve(denied, kCyd, kFriday + 6s), GrantError::kNotPending));
    CHECK(is(end(denied, access, kAda, "", kFriday + 6s), GrantError::kOver));

    Grant withdrawn = pending();
    CHECK(is(end(withdrawn, access, {"eve", {"engineering"}, "local", ""}, "", kFriday),
             GrantError::kNotTheirs));
    CHECK_FALSE(end(withdrawn, access, kAda, "", kFriday));
    CHECK(withdrawn.state == GrantState::kWithdrawn);
    CHECK(is(approve(withdrawn, kBob, kFriday), GrantError::kNotPending));

    Grant revoked = pending();
    CHECK_FALSE(approve(revoked, kBob, kFriday));
    CHECK_FALSE(end(revoked, access, kRoot, "left", kFriday + 60s));
    CHECK(revoked.state == GrantState::kRevoked);
    CHECK_FALSE(in_force(revoked, kFriday + 59s));  // not even should the clock go back
    CHECK(is(end(revoked, access, kRoot, "", kFriday + 61s), GrantError::kOver));
    CHECK(is(end(revoked, access, kRoot, "", kFriday), GrantError::kOver));

    Grant ended = pending();
    CHECK_FALSE(approve(ended, kBob, kFriday));
    CHECK(is(end(ended, access, kAda, "", kFriday + 1h), GrantError::kOver));
    Grant lapsed = pending();
    CHECK(is(end(lapsed, access, kAda, "", kFriday + 24h), GrantError::kLapsed));
}

TEST_CASE("an emergency is reviewed once, and by somebody else") {
    auto glass = approved_by_dba(1);
    glass.emergency = true;
    const auto access = access_of({glass});
    Grant grant = new_grant(access, access.policies[0], kAda, hour("fire"), kFriday);
    Identity ada_as_admin = kAda;
    ada_as_admin.groups = {"admins", "dba"};
    CHECK(is(review(grant, access, ada_as_admin, kFriday), GrantError::kOwnRequest));
    CHECK(is(review(grant, access, {"eve", {"engineering"}, "local", ""}, kFriday),
             GrantError::kNotApprover));
    CHECK(grant.reviewed_by.empty());
    CHECK_FALSE(review(grant, access, kBob, kFriday + 48h));
    CHECK(grant.reviewed_by == "bob");
    CHECK(is(review(grant, access, kRoot, kFriday + 49h), GrantError::kReviewed));
    Grant ordinary = pending();
    CHECK(is(review(ordinary, access, kRoot, kFriday), GrantError::kNoEmergency));
}

TEST_CASE("revocations hit what was issued until then, tokens and grants for good") {
    Principal principal;
    principal.user = "ada";
    principal.groups = {"engineering", "oncall"};
    principal.token = "t1";
    principal.grant = "g1";
    principal.issued = kFriday;
    const auto hits = [&](Kind kind, const std::string& value, Time at) {
        return RevocationList({{kind, value, at, "root", ""}}).find(principal) != nullptr;
    };
    CHECK(RevocationList().find(principal) == nullptr);
    CHECK(hits(Kind::kToken, "t1", kFriday - 1h));
    CHECK(hits(Kind::kGrant, "g1", kFriday - 1h));
    CHECK_FALSE(hits(Kind::kToken, "t2", kFriday + 1h));
    CHECK_FALSE(hits(Kind::kToken, "g1", kFriday + 1h));
    for (const auto& [kind, value] : {std::pair{Kind::kUser, "ada"},
                                      {Kind::kGroup, "engineering"},
                                      {Kind::kGroup, "oncall"},
                                      {Kind::kAll, ""}}) {
        CAPTURE(value);
        CHECK(hits(kind, value, kFriday + 1s));
        CHECK(hits(kind, value, kFriday));  // the same second: void
        CHECK_FALSE(hits(kind, value, kFriday - 1s));
    }
    CHECK_FALSE(hits(Kind::kUser, "Ada", kFriday));
    CHECK_FALSE(hits(Kind::kUser, "oncall", kFriday));
    CHECK_FALSE(hits(Kind::kGroup, "ada", kFriday));

    // Of two the later one counts, wherever it stands.
    const Revocation early{Kind::kUser, "ada", kFriday - 1h, "", "early"};
    const Revocation late{Kind::kUser, "ada", kFriday, "", "late"};
    for (const auto& list : {RevocationList({early, late}), RevocationList({late, early})}) {
        const auto* const found = list.find(principal);
        REQUIRE(found != nullptr);
        CHECK(found->reason == "late");
        CHECK(list.size() == 2);
    }

    // Without a grant there is none to revoke.
    principal.grant.clear();
    principal.token.clear();
    CHECK_FALSE(hits(Kind::kGrant, "", kFriday));
    CHECK_FALSE(hits(Kind::kToken, "", kFriday));
    CHECK(hits(Kind::kAll, "anything", kFriday));
}
