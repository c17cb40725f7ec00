// The cache gives what judge() gives, whatever is sent in whatever order under whatever session; it
// stays within its bounds; and it does give again.

#include "parser/judgement_cache.h"

#include <catch2/catch.hpp>

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/parser/fixture_catalog.h"
#include "tests/parser/judge_fixture.h"

namespace vitrine::parser {
namespace {

using test::fixture_policy;
using test::have_fixture;
using test::open_policy;
using test::session;

// Texts whose judgement hangs on what the sessions below differ in.
const std::vector<std::string>& texts() {
    static const std::vector<std::string> kTexts{
        "SELECT 1",
        "SELECT id, total FROM orders WHERE id = $1",
        // By the rules, and by the path: public.customers is masked, crm.customers is another.
        "SELECT email FROM customers",
        "SELECT c.email, k.number, e.payload FROM customers c, cards k, events e",
        "SELECT * FROM public.customers; SELECT number FROM cards",
        "SELECT lower('A'), 1 = 1",
        "SELECT id FROM crm.customers",
        // By the protocol.
        "SELECT 1; SELECT 2",
        // By the types of parameters.
        "SELECT lower($1)",
        "SELECT $1, $2",
        // By the user.
        "SET application_name = 'psql'",
        "SELECT set_config('application_name', 'psql', false)",
        // By what is prepared.
        "EXECUTE made",
        "EXECUTE other (1)",
        "EXPLAIN EXECUTE made",
        "PREPARE made AS SELECT email FROM customers",
        "PREPARE made AS SELECT 1; EXECUTE made",
        "DEALLOCATE ALL; EXECUTE made",
        // Effects, and what is behind them.
        "SET search_path = crm",
        "SET search_path = crm; SELECT email FROM customers",
        "SET search_path = crm; EXECUTE made",
        "SELECT set_config('search_path', 'crm', false)",
        "BEGIN; DECLARE c CURSOR FOR SELECT phone FROM customers; FETCH ALL FROM c; COMMIT",
        "COPY customers TO STDOUT",
        "DISCARD ALL",
        // Refused, wholly or in part.
        "DELETE FROM orders",
        "SELECT 1; DELETE FROM orders",
        "SELECT nothing FROM nothing_of_that_name",
        "SELEC 1",
        "SELECT '\xff'",
        "",
        ";;",
    };
    return kTexts;
}

using Known = SessionContext::Prepared;

class Sessions {
  public:
    explicit Sessions(unsigned seed) : random_(seed) {}

    std::size_t below(std::size_t bound) {
        return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
    }

    // Few of each kind, so that what differs in one alone is met soon.
    SessionContext one() {
        static const std::vector<std::vector<std::string>> kPaths{
            {"pg_catalog", "public"}, {"pg_catalog", "crm", "public"}, {"crm", "pg_catalog"},
            {"public", "pg_catalog"}, {"pg_catalog", "publi", "c"},    {"pg_catalog"}};
        static const std::vector<std::string> kPrefixes{"",
                                                        "ada via vitrine: ", "bob via vitrine: "};
        // void is no argument, 4000000000 no type.
        static const std::vector<std::vector<Oid>> kTypes{{},     {0},      {25},         {23},
                                                          {2278}, {25, 23}, {4000000000U}};
        SessionContext made;
        made.search_path = kPaths[below(kPaths.size())];
        made.search_path_known = below(4) != 0;
        made.application_prefix = kPrefixes[below(kPrefixes.size())];
        made.protocol = below(2) == 0 ? Protocol::kSimple : Protocol::kExtended;
        made.parameter_types = kTypes[below(kTypes.size())];
        if (below(4) != 0) {
            made.prepared = [known = static_cast<Known>(below(4))](std::string_view name) {
                return name == "made" ? known : Known::kUnknown;
            };
        }
        return made;
    }

  private:
    std::mt19937 random_;
};

SessionContext user(std::string prefix) {
    SessionContext made = session();
    made.application_prefix = std::move(prefix);
    return made;
}

}  // namespace

TEST_CASE("judgement cache: what it says is what judge() says") {
    if (!have_fixture()) {
        return;
    }
    const std::vector<std::shared_ptr<const Policy>> policies{fixture_policy(), open_policy()};
    for (const unsigned seed : {1U, 2U, 3U}) {
        Sessions sessions(seed);
        JudgementCache cache;
        SessionContext context = sessions.one();
        for (int round = 0; round < 60'000; ++round) {
            // Most steps change one thing alone, as one forgotten would have it.
            const SessionContext other = sessions.one();
            switch (sessions.below(7)) {
                case 0:
                    context.search_path = other.search_path;
                    break;
                case 1:
                    context.search_path_known = other.search_path_known;
                    break;
                case 2:
                    context.application_prefix = other.application_prefix;
                    break;
                case 3:
                    context.protocol = other.protocol;
                    break;
                case 4:
                    context.parameter_types = other.parameter_types;
                    break;
                case 5:
                    context.prepared = other.prepared;
                    break;
                default:
                    break;
            }
            const std::string& sql = texts()[sessions.below(texts().size())];
            const Policy& policy = *policies[sessions.below(policies.size())];
            const auto cached = cache.judge(sql, policy, context);
            if (*cached != judge(sql, policy, context)) {
                CAPTURE(seed, round, sql, context.search_path, context.search_path_known,
                        context.application_prefix, context.parameter_types);
                FAIL("another judgement than judge()'s");
            }
        }
        CHECK(cache.hits() > 5'000);
        CHECK(cache.bytes() <= limits::kJudgementCacheBytesMax);
    }
}

TEST_CASE("judgement cache: from the third time on a judgement is given again") {
    if (!have_fixture()) {
        return;
    }
    JudgementCache cache;
    const std::string sql = "SELECT email FROM customers";
    const auto first = cache.judge(sql, *fixture_policy(), session());
    CHECK(cache.entries() == 0);
    const auto second = cache.judge(sql, *fixture_policy(), session());
    CHECK(cache.entries() == 1);
    CHECK(cache.hits() == 0);
    const auto third = cache.judge(sql, *fixture_policy(), session());
    CHECK(cache.hits() == 1);
    CHECK(third == second);
    CHECK(*third == *first);
    // To another user it is a new one.
    CHECK(cache.judge(sql, *fixture_policy(), user("bob via vitrine: ")) != second);
    CHECK(cache.hits() == 1);
}

TEST_CASE("judgement cache: a policy that is gone is not taken for the one in its place") {
    if (!have_fixture()) {
        return;
    }
    JudgementCache cache;
    const std::string sql = "SELECT email FROM customers";
    for (int round = 0; round < 20; ++round) {
        config::MaskingRules rules;
        if (round % 2 == 0) {
            config::MaskRule rule;
            rule.name = "email";
            rule.mask.kind = config::MaskKind::kNull;
            rule.columns.push_back(
                {"public.customers.email", {{{{"public"}}, {{"customers"}}, {{"email"}}}}, {}});
            rules.rules.push_back(rule);
        }
        // Likely to be where the one before was.
        const auto policy = compile_policy(test::fixture_catalog(), rules, {}, {});
        for (int again = 0; again < 3; ++again) {
            CHECK(cache.judge(sql, *policy, session())->forwarded.has_value() == (round % 2 == 0));
        }
    }
}

TEST_CASE("judgement cache: what is refused or hangs on what is prepared is not kept") {
    if (!have_fixture()) {
        return;
    }
    JudgementCache cache;
    SessionContext context = session();
    context.prepared = [](std::string_view) { return Known::kCurrent; };
    for (const char* sql :
         {"DELETE FROM orders", "SELECT nothing FROM nothing_of_that_name", "SELEC 1",
          "EXECUTE made", "EXPLAIN EXECUTE made", "SELECT 1; EXECUTE made"}) {
        CAPTURE(sql);
        for (int again = 0; again < 4; ++again) {
            CHECK(cache.judge(sql, *fixture_policy(), context)->statements.size() >= 1);
        }
        CHECK(cache.entries() == 0);
    }
}

TEST_CASE("judgement cache: what is sent once drives nothing out") {
    if (!have_fixture()) {
        return;
    }
    JudgementCache cache;
    const std::string kept = "SELECT email FROM customers";
    for (int again = 0; again < 3; ++again) {
        (void)cache.judge(kept, *fixture_policy(), session());
    }
    REQUIRE(cache.hits() == 1);
    for (int number = 0; number < 20'000; ++number) {
        (void)cache.judge("SELECT " + std::to_string(number), *fixture_policy(), session());
    }
    CHECK(cache.entries() == 1);
    (void)cache.judge(kept, *fixture_policy(), session());
    CHECK(cache.hits() == 2);
}

TEST_CASE("judgement cache: it stays within its bounds") {
    if (!have_fixture()) {
        return;
    }
    JudgementCache cache;
    const auto twice = [&](const std::string& sql) {
        (void)cache.judge(sql, *open_policy(), session());
        (void)cache.judge(sql, *open_policy(), session());
    };
    SECTION("of entries") {
        for (int number = 0; number < 30'000; ++number) {
            twice("SELECT " + std::to_string(number));
        }
        CHECK(cache.entries() <= limits::kJudgementCacheEntriesMax);
        CHECK(cache.entries() > limits::kJudgementCacheEntriesMax / 2);
    }
    SECTION("of bytes") {
        const std::string long_text(limits::kJudgementCacheEntryBytesMax / 2, 'x');
        for (int number = 0; number < 1'000; ++number) {
            twice("SELECT '" + long_text + std::to_string(number) + "'");
            REQUIRE(cache.bytes() <= limits::kJudgementCacheBytesMax);
        }
        CHECK(cache.bytes() > limits::kJudgementCacheBytesMax / 2);
    }
    SECTION("of one") {
        twice("SELECT '" + std::string(limits::kJudgementCacheEntryBytesMax, 'x') + "'");
        // A short text with much to say of it: some 300 bytes a statement.
        std::string many;
        for (int number = 0; number < 1'000; ++number) {
            many += "SELECT 1;";
        }
        twice(many);
        CHECK(cache.entries() == 0);
        CHECK(cache.bytes() == 0);
    }
}

}  // namespace vitrine::parser
