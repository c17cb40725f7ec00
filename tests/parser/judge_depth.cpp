// Deep and long texts: an answer in bounded memory on a small stack, whatever the shape.

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>

#include "config/limits.h"
#include "parser/masking/policy.h"
#include "tests/parser/judge_fixture.h"

namespace vitrine::parser::test {
namespace {

constexpr std::size_t kDepth = 100000;

std::string repeated(std::string_view piece, std::size_t times) {
    std::string text;
    text.reserve(piece.size() * times);
    for (std::size_t i = 0; i < times; ++i) {
        text += piece;
    }
    return text;
}

// prefix, then `open` n times, the middle, `close` n times, suffix
std::string nested(std::string_view prefix, std::string_view open, std::string_view middle,
                   std::string_view close, std::string_view suffix = "",
                   std::size_t depth = kDepth) {
    return std::string(prefix) + repeated(open, depth) + std::string(middle) +
           repeated(close, depth) + std::string(suffix);
}

void run_on_stack(std::size_t bytes, const std::function<void()>& what) {
    pthread_attr_t attributes;
    REQUIRE(pthread_attr_init(&attributes) == 0);
    REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
    pthread_t thread{};
    const auto start = [](void* argument) -> void* {
        (*static_cast<const std::function<void()>*>(argument))();
        return nullptr;
    };
    REQUIRE(pthread_create(&thread, &attributes, start,
                           const_cast<std::function<void()>*>(&what)) == 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
}

std::vector<std::pair<std::string, std::string>> deep_texts(std::size_t depth) {
    const auto make = [depth](std::string_view prefix, std::string_view open,
                              std::string_view middle, std::string_view close,
                              std::string_view suffix = "") {
        return nested(prefix, open, middle, close, suffix, depth);
    };
    return {
        {"parentheses", make("SELECT ", "(", "1", ")")},
        {"open parentheses", make("SELECT ", "(", "", "")},
        {"brackets", make("SELECT ARRAY", "[", "1", "]")},
        {"subscripts", make("SELECT a", "[1]", "", "")},
        {"NOT", make("SELECT ", "NOT ", "true", "")},
        {"minus", make("SELECT ", "- ", "1", "")},
        {"plus chain", make("SELECT 1", "+1", "", "")},
        {"concatenation", make("SELECT 'a'", "||'a'", "", "")},
        {"named operators", make("SELECT 1", " OPERATOR(pg_catalog.+) 1", "", "")},
        {"plus chain behind ORDER BY twice",
         make("(SELECT 1 ORDER BY 1) ORDER BY 1", "+1", "", "")},
        {"casts behind LIMIT twice", make("(SELECT 1 LIMIT 1) LIMIT 1", "::int", "", "")},
        {"casts behind OFFSET twice", make("(SELECT 1 OFFSET 1) OFFSET 1", "::int", "", "")},
        {"COLLATE behind ORDER BY twice",
         make("(SELECT 1 ORDER BY 1) ORDER BY 'a'", " COLLATE \"C\"", "", "")},
        {"operators between CASEs behind ORDER BY twice",
         make("(SELECT 1 ORDER BY 1) ORDER BY 1", "+CASE WHEN true THEN 1 ELSE 2 END", "", "")},
        {"operators between commas behind ORDER BY twice",
         make("(SELECT 1 ORDER BY 1) ORDER BY 1", "+f(1,2)", "", "")},
        {"operators and time zones behind ORDER BY twice",
         make("(SELECT 1 ORDER BY 1) ORDER BY now()", " AT TIME ZONE 'UTC'", "", "")},
        {"WITH twice", make("WITH a AS (SELECT 1) (WITH b AS (SELECT 1", "+1", "", ") SELECT 1)")},
        {"casts", make("SELECT 1", "::int", "", "")},
        {"AND chain", make("SELECT true", " AND true", "", "")},
        {"AND OR chain", make("SELECT true", " AND true OR false", "", "")},
        {"functions", make("SELECT ", "abs(", "1", ")")},
        {"CASE", make("SELECT ", "CASE WHEN true THEN ", "1", " END")},
        {"CASE arguments", make("SELECT ", "CASE ", "1", " WHEN 1 THEN 1 END")},
        {"scalar sub-selects", make("", "SELECT (", "SELECT 1", ")")},
        {"sub-selects in FROM", make("", "SELECT * FROM (", "SELECT 1", ") x")},
        {"EXISTS", make("", "SELECT EXISTS (", "SELECT 1", ")")},
        {"IN", make("", "SELECT 1 IN (", "SELECT 1", ")")},
        {"common table expressions", make("", "WITH x AS (", "SELECT 1", ") SELECT * FROM x")},
        {"UNION chain", make("SELECT 1", " UNION ALL SELECT 1", "", "")},
        {"UNION nest", make("", "(SELECT 1 UNION ", "SELECT 1", ")")},
        {"JOIN chain", make("SELECT 1 FROM products", " CROSS JOIN products", "", "")},
        {"JOIN nest", make("SELECT 1 FROM ", "(", "products", " CROSS JOIN products)")},
        {"rows", make("SELECT ", "ROW(", "1", ")")},
        {"COALESCE", make("SELECT ", "COALESCE(", "1", ")")},
        {"dollar quotes", make("SELECT ", "$a$", "", "")},
        {"nested comments", make("SELECT ", "/*", "", "*/", "1")},
        {"indirection", make("SELECT (a)", ".b", "", "")},
        {"dots", make("SELECT a", ".b", "", "")},
        {"grouping sets", make("SELECT 1 GROUP BY GROUPING SETS ", "(", "1", ")")},
        {"EXPLAIN", make("", "EXPLAIN ", "SELECT 1", "")},
        {"PREPARE", make("", "PREPARE p AS ", "SELECT 1", "")},
        {"LATERAL", make("SELECT 1 FROM ", "LATERAL (SELECT 1 FROM ", "products", ") x")},
        {"types", make("SELECT 1::int", "[]", "", "")},
        {"quotes", make("SELECT ", "\"", "", "")},
        {"xml", make("SELECT ", "xmlconcat(", "'<a/>'", ")")},
        {"semicolons", make("", ";", "", "")},
        {"statements", make("", "SELECT 1;", "", "")},
        {"sampled", make("SELECT 1 FROM products TABLESAMPLE system ",
                         "((SELECT 1 FROM products TABLESAMPLE system ", "(1)", "))")},
        {"plus run", make("SELECT ", "+", "1", "")},
        {"plus and minus run", make("SELECT ", "+-", "1", "")},
        {"comment run", make("SELECT ", "/*", "1", "")},
        {"comment openers in a line comment", make("SELECT 1 --", "/*", "", "")},
        {"signs before a long number", "SELECT " +
                                           repeated("- ", std::min<std::size_t>(depth, 1900)) +
                                           "1." + std::string(depth * 10, '5')},
        {"brackets and signs before a long number",
         nested("SELECT ", "- (", "1." + std::string(depth * 10, '5'), ")", "",
                std::min<std::size_t>(depth, 1900))},
        {"masked", make("", "SELECT * FROM cards WHERE EXISTS (", "SELECT 1", ")")},
    };
}

TEST_CASE("deep texts get an answer on a stack of one megabyte", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    (void)fixture_policy();
    for (const std::size_t depth :
         {std::size_t{1500}, std::size_t{4000}, std::size_t{9000}, kDepth}) {
        for (const auto& [shape, text] : deep_texts(depth)) {
            INFO(shape << " " << depth);
            Judgement judgement;
            run_on_stack(1024 * 1024, [&, &sql = text] { judgement = judged(sql); });
            if (!judgement.allowed()) {
                const std::string state =
                    judgement.statements[judgement.first_refused()].refusal->sqlstate;
                CHECK((state == "54001" || state == "42601" || state == "42883" ||
                       state == "54000" || state == "0A000" || state == "42P01"));
            }
            if (depth == kDepth && !text.starts_with(";") && shape != "AND chain" &&
                shape != "AND OR chain" && shape != "subscripts" && shape != "types" &&
                shape != "indirection" && shape != "dots" && shape != "quotes" &&
                !shape.starts_with("signs") && !shape.starts_with("brackets and signs")) {
                CHECK_FALSE(judgement.allowed());
            }
        }
    }
}

TEST_CASE("ordinary nesting is no obstacle", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    for (const auto& [shape, text] : deep_texts(40)) {
        const Judgement judgement = judged(text);
        INFO(shape);
        if (!judgement.allowed()) {
            CHECK(judgement.statements[judgement.first_refused()].refusal->sqlstate != "54001");
        }
    }
    CHECK(judged("SELECT 1" + repeated(" + 1", 1900)).allowed());
    CHECK(judged("SELECT CASE" + repeated(" WHEN 1 = 2 THEN 3", 5000) + " END").allowed());
    CHECK(judged("SELECT 1 WHERE true" + repeated(" OR 1 = 2", 5000)).allowed());
    CHECK(judged("VALUES (1)" + repeated(", (1 + 2)", 50000)).allowed());
    CHECK(judged("SELECT 1 WHERE 1 IN (0" + repeated(", 1", 50000) + ")").allowed());
    CHECK(judged(repeated("SELECT 1 + 1 - 1;", 9000)).allowed());
}

TEST_CASE("long texts", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    const std::string longest = "SELECT '" + std::string(limits::kStatementBytesMax - 9, 'x') + "'";
    CHECK(longest.size() == limits::kStatementBytesMax);
    CHECK(judged(longest).allowed());
    const Judgement refused = judged(longest + " ");
    CHECK(refused.statements.at(0).refusal->sqlstate == "54000");
    CHECK(judged(std::string(limits::kStatementBytesMax, ';')).allowed());
    CHECK(judged(std::string(limits::kStatementBytesMax, '(')).statements[0].refusal->sqlstate ==
          "54001");
    CHECK(judged("SELECT " + std::string(limits::kStatementBytesMax - 7, 'a')).statements.size() ==
          1);
    CHECK(judged(repeated("SELECT 1;", limits::kStatementsPerQueryMax + 1))
              .statements.at(0)
              .refusal->sqlstate == "54000");
}

TEST_CASE("masked references and what is grouped by, one for each of the other", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    const auto text = [](std::size_t references, std::size_t groups) {
        return "SELECT 1 FROM public.cards" + repeated(", public.cards AS c", references) +
               " GROUP BY cards.id" + repeated(", z", groups);
    };
    CHECK(judged(text(100, 5000)).allowed());
    const Judgement many = judged(text(4000, 5000));
    REQUIRE_FALSE(many.allowed());
    CHECK(many.statements[0].rule == "limit: masked references");
}

// Each would be quadratic in a careless walk. Generous, so that only a blunder fails.
TEST_CASE("work grows with the text and not with its square", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    const std::size_t n = 20000;
    const std::vector<std::pair<const char*, std::string>> texts{
        {"qualified references",
         "SELECT 1" + repeated(", public.products.id", n) + " FROM public.products"},
        {"masked qualified references",
         "SELECT 1" + repeated(", public.cards.id", n) + " FROM public.cards"},
        {"refused attributes",
         "SELECT 1" + repeated(", c.secret", n) + " FROM customers c" + repeated(", orders c", n)},
        {"locks", "SELECT 1" + repeated(", (SELECT 1 FOR UPDATE)", n)},
        {"locks behind a long list",
         "SELECT 1" + repeated(", 1", n) + repeated(", (SELECT 1 FOR UPDATE)", n)},
        {"writes",
         "WITH a AS (SELECT 1)" + repeated(", b AS (DELETE FROM orders)", n) + " SELECT 1"},
        {"names that are not there", "SELECT 1 FROM nosuch" + repeated(", nosuch", n)},
        {"calls as columns", "SELECT 1" + repeated(", id(o)", n) + " FROM orders o"},
        {"outputs and what is grouped by", "SELECT 1 AS b" + repeated(", 1 AS b", n) +
                                               " FROM public.cards GROUP BY id" +
                                               repeated(", z", 10 * n)},
        {"outputs and numbers", "SELECT 1" + repeated(", 1", n) + " FROM public.cards GROUP BY id" +
                                    repeated(", 20000", 10 * n)},
    };
    for (const auto& [shape, text] : texts) {
        INFO(shape);
        const auto begin = std::chrono::steady_clock::now();
        (void)judged(text);
        CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
    }
}

// AddressSanitizer keeps what was freed for a while; LeakSanitizer looks for the same thing there.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kMeasured = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kMeasured = false;
#else
constexpr bool kMeasured = true;
#endif
#else
constexpr bool kMeasured = true;
#endif

std::size_t resident_kilobytes() {
    std::ifstream in("/proc/self/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    in >> total >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

TEST_CASE("a hundred thousand judgements leave nothing behind", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    const std::vector<std::string> texts{
        "SELECT abalance FROM pg_class WHERE oid = 5",
        "SELECT number, count(*) FROM cards c JOIN orders o ON o.id = c.id GROUP BY 1",
        "SELEC 1",
        "SELECT '\xff'",
        "DELETE FROM cards",
        "WITH x AS (SELECT 1) SELECT * FROM x FOR UPDATE",
        "SELECT nosuch(1)",
    };
    const auto round = [&](int times) {
        for (int i = 0; i < times; ++i) {
            (void)judged(texts[static_cast<std::size_t>(i) % texts.size()]);
        }
    };
    round(2000);
    const std::size_t before = resident_kilobytes();
    round(100000);
    CHECK((!kMeasured || resident_kilobytes() < before + 4096));
}

TEST_CASE("threads come and go", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    (void)fixture_policy();
    const auto one = [] { (void)judged("SELECT number FROM cards; SELEC 1"); };
    for (int i = 0; i < 200; ++i) {
        run_on_stack(1024 * 1024, one);
    }
    const std::size_t before = resident_kilobytes();
    // More than there are pthread keys: libpg_query makes one a thread.
    for (int i = 0; i < 1500; ++i) {
        run_on_stack(1024 * 1024, one);
    }
    CHECK((!kMeasured || resident_kilobytes() < before + 8192));
}

}  // namespace
}  // namespace vitrine::parser::test
