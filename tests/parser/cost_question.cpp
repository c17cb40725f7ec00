// What is asked for the cost of a text, and how the answer is read.
#include "parser/cost_question.h"

#include <catch2/catch.hpp>

namespace vitrine::parser::test {
namespace {

std::vector<std::string> asked(const std::string& text) {
    std::vector<std::string> all;
    for (const CostQuestion& question : cost_questions(text)) {
        constexpr std::string_view kBegin = "EXPLAIN (FORMAT JSON) ";
        REQUIRE(question.sql.starts_with(kBegin));
        all.push_back(std::to_string(question.statement) + ":" +
                      question.sql.substr(kBegin.size()));
        // The way back of a place in it.
        CHECK(text.substr(question.begin, question.sql.size() - question.prefix) ==
              question.sql.substr(question.prefix));
    }
    return all;
}

using Asked = std::vector<std::string>;

TEST_CASE("each statement that reads has its question", "[cost]") {
    CHECK(asked("SELECT 1") == Asked{"0:SELECT 1"});
    CHECK(asked("VALUES (1)") == Asked{"0:VALUES (1)"});
    CHECK(asked("(SELECT 1)") == Asked{"0:(SELECT 1)"});
    CHECK(asked("BEGIN; SELECT 1; SHOW x; TABLE t").size() == 2);
    CHECK(cost_questions("BEGIN; SELECT 1")[0].statement == 1);
    CHECK(asked("DECLARE c CURSOR FOR SELECT 1") == Asked{"0:DECLARE c CURSOR FOR SELECT 1"});
    CHECK(asked("EXECUTE p(1)") == Asked{"0:EXECUTE p(1)"});
    CHECK(cost_questions("EXECUTE p(1)")[0].by_name);
    CHECK(cost_questions("EXPLAIN ANALYZE EXECUTE p(1)")[0].by_name);
    CHECK_FALSE(cost_questions("SELECT 1")[0].by_name);
    for (const char* const none :
         {"", ";", "BEGIN", "FETCH ALL FROM c", "SET x.y = 1", "PREPARE p AS SELECT 1",
          "EXPLAIN SELECT 1", "EXPLAIN (ANALYZE false) SELECT 1", "EXPLAIN (ANALYZE 0) SELECT 1",
          "EXPLAIN (ANALYZE, ANALYZE OFF) SELECT 1", "EXPLAIN VERBOSE SELECT 1"}) {
        INFO(none);
        CHECK(asked(none).empty());
    }
}

TEST_CASE("EXPLAIN that runs what it explains", "[cost]") {
    for (const char* const begin :
         {"EXPLAIN ANALYZE ", "EXPLAIN ANALYSE VERBOSE ", "explain (analyze) ",
          "EXPLAIN (ANALYZE true, FORMAT json, ANALYZE) ", "EXPLAIN (ANALYZE off, ANALYZE on) ",
          "EXPLAIN (COSTS off, ANALYZE 'yes') ", "EXPLAIN /* ( */ (ANALYZE 1) -- x\n"}) {
        for (const char* const query : {"SELECT 1", "(SELECT (1))", "EXECUTE p", "TABLE t"}) {
            INFO(begin << query);
            CHECK(asked(std::string(begin) + query) == Asked{std::string("0:") + query});
        }
    }
}

TEST_CASE("COPY", "[cost]") {
    CHECK(asked("COPY (SELECT (1)) TO STDOUT") == Asked{"0:(SELECT (1))"});
    CHECK(asked("COPY ( VALUES (1) ) TO STDOUT (FORMAT csv)") == Asked{"0:( VALUES (1) )"});
    CHECK(asked("COPY t TO STDOUT") == Asked{"0:TABLE ONLY t"});
    CHECK(asked("COPY BINARY s . \"T t\" TO STDOUT") == Asked{"0:TABLE ONLY s . \"T t\""});
    CHECK(asked("COPY U&\"\\0074\" (a, b) TO STDOUT") == Asked{"0:TABLE ONLY U&\"\\0074\""});
}

TEST_CASE("the total cost of an answer", "[cost]") {
    CHECK(plan_cost("[{\"Plan\": {\"Total Cost\": 12.50, \"Plans\": [{\"Total Cost\": 1}]}}]") ==
          12.5);
    // A user's text is within quotation marks, and so are its own.
    CHECK(plan_cost("\"Alias\": \"\\\"Total Cost\\\": 1\", \"Total Cost\": 7") == 7);
    CHECK_FALSE(plan_cost(""));
    CHECK_FALSE(plan_cost("\"Total Cost\": "));
    CHECK_FALSE(plan_cost("\"Total Cost\": x"));
    CHECK_FALSE(plan_cost("\"Alias\": \"\\\"Total Cost\\\": 1\""));
}

}  // namespace
}  // namespace vitrine::parser::test
