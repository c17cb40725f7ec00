// Would a recorded statement give the same rows if it were run again on the same data? For those
// who replay a query log; nothing is judged here, and no catalog is asked: what a function of the
// users' own or a view depends on is not seen.
#pragma once

#include <string>
#include <vector>

namespace vitrine::parser {

struct Repeatable {
    // What its rows depend on beside the data: "now()", "pg_stat_activity", "EXPLAIN"; empty:
    // nothing that is known here.
    std::string depends_on;
    // The prepared statements it executes and the cursors it reads; those it makes. Names as
    // PostgreSQL has them, each behind "statement " or "cursor ".
    std::vector<std::string> uses;
    std::vector<std::string> makes;
};

// `sql`: any bytes; of what does not parse nothing is known.
[[nodiscard]] Repeatable find_repeatable(const std::string& sql);

}  // namespace vitrine::parser
