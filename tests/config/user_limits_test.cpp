// The limits in force for a user: of each, the last rule that applies and has it.
#include "config/user_limits.h"

#include <catch2/catch.hpp>

#include "config/config.h"
#include "tests/config/material.h"

using namespace vitrine::config;
using namespace std::chrono_literals;

namespace {

std::vector<LimitRule> rules() {
    const test::Directory directory;
    test::fill(directory);
    const Loaded loaded =
        load(directory.write("limits.yaml", test::read(std::filesystem::path(VITRINE_SOURCE_DIR) /
                                                       "tests/config/valid/limits.yaml")));
    REQUIRE(loaded.config);
    return loaded.config->limits;
}

const UserLimits kEverybody{.statement_timeout = 30s,
                            .idle_timeout = 15min,
                            .max_rows = 100000,
                            .max_result_bytes = 256ULL << 20,
                            .max_cost = 1e8,
                            .max_sessions = 5,
                            .logins_per_minute = 30,
                            .statements_per_minute = 600,
                            .rows_per_hour = 1000000,
                            .bytes_per_hour = 10ULL << 30};

}  // namespace

TEST_CASE("limits of a user without groups are those of everybody") {
    CHECK(limits_for(rules(), {}) == kEverybody);
    CHECK(limits_for(rules(), {"engineering", "analysts"}) == kEverybody);
}

TEST_CASE("of each limit the last rule stands that applies and has it") {
    UserLimits expected = kEverybody;
    expected.max_rows = 1000000000000;
    expected.statement_timeout = 1h;
    CHECK(limits_for(rules(), {"the analysts"}) == expected);
    // The last rule of dba's has none of its own.
    CHECK(limits_for(rules(), {"engineering", "dba"}) == expected);
    const UserLimits intern{.statement_timeout = 1s,
                            .idle_timeout = 1s,
                            .max_rows = 1,
                            .max_result_bytes = 1024,
                            .max_cost = 1,
                            .max_sessions = 1,
                            .logins_per_minute = 1,
                            .statements_per_minute = 1,
                            .rows_per_hour = 1,
                            .bytes_per_hour = 1024};
    // The order of the rules decides, not that of the groups.
    CHECK(limits_for(rules(), {"interns", "dba"}) == intern);
    CHECK(limits_for(rules(), {"dba", "interns"}) == intern);
}

TEST_CASE("without rules there is no limit") {
    CHECK(limits_for({}, {"dba"}) == UserLimits{});
    CHECK(limits_for({{.groups = {"dba"}, .limits = {.max_rows = 1}}}, {"dbas"}) == UserLimits{});
}
