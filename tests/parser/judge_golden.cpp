// The golden tables of tests/parser/golden: verdicts, positions, what is masked and what is sent.

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/parser/golden.h"
#include "tests/parser/judge_fixture.h"

namespace vitrine::parser::test {
namespace {

std::vector<GoldenRow> all_rows() {
    std::vector<GoldenRow> rows;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(VITRINE_SOURCE_DIR) +
                                                                 "/tests/parser/golden")) {
        if (entry.path().extension() == ".txt") {
            for (GoldenRow& row : read_golden(entry.path().string())) {
                rows.push_back(std::move(row));
            }
        }
    }
    return rows;
}

TEST_CASE("golden tables", "[judge]") {
    if (!have_fixture()) {
        WARN("no fixture: set VITRINE_TEST_CATALOG or VITRINE_TEST_DSN");
        return;
    }
    const std::vector<GoldenRow> rows = all_rows();
    REQUIRE(rows.size() > 900);
    for (const GoldenRow& row : rows) {
        const std::string problem = disagreement(row);
        if (!problem.empty()) {
            FAIL_CHECK(problem);
        }
    }
}

// A table that asserts nothing would pass whatever the judge says.
TEST_CASE("a golden row that is wrong is found", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    GoldenRow row{"here", 1, {"pg_catalog", "public"}, Protocol::kSimple, "DELETE FROM cards", {}};
    CHECK_FALSE(disagreement(row).empty());
    row.expected = {"allow"};
    CHECK_FALSE(disagreement(row).empty());
    row.expected = {"refuse 42501 read-only: DELETE"};
    CHECK_FALSE(disagreement(row).empty());
    row.expected = {"refuse 25006 read-only: DELETE @ FROM"};
    CHECK_FALSE(disagreement(row).empty());
    row.expected = {"refuse 25006 read-only: DELETE @ DELETE"};
    CHECK(disagreement(row).empty());
    row.sql = "SELECT number FROM cards";
    row.expected = {"allow", "sends SELECT number FROM cards"};
    CHECK_FALSE(disagreement(row).empty());
    row.expected = {"allow", "masked public.cards.number"};
    CHECK_FALSE(disagreement(row).empty());
}

}  // namespace
}  // namespace vitrine::parser::test
