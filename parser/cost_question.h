// What to ask the server, to learn what a statement will cost before it runs: EXPLAIN of it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrine::parser {

struct CostQuestion {
    std::size_t statement = 0;  // which one of the text
    std::string sql;            // gives one row of text, JSON, for plan_cost()
    // An offset into `sql` from `prefix` on stands for `begin` + (offset - prefix) in the text.
    std::size_t prefix = 0;
    std::size_t begin = 0;
    // The same words may mean something else the next time: EXECUTE.
    bool by_name = false;
};

// Of a text as it is sent, one that judge() let through: a question for each statement that reads
// (SELECT, VALUES, TABLE, WITH, DECLARE, EXECUTE, COPY … TO, EXPLAIN ANALYZE), in their order. One
// that the server will not take where the text does not parse.
[[nodiscard]] std::vector<CostQuestion> cost_questions(const std::string& text);

// The answer's total cost, in the planner's units (PostgreSQL documentation, "EXPLAIN"); nullopt:
// it is no such answer.
[[nodiscard]] std::optional<double> plan_cost(std::string_view answer);

}  // namespace vitrine::parser
