// What the rows of a statement depend on beside the data, for who replays the query log.
#include "parser/repeatable.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

namespace vitrine::parser {

TEST_CASE("what a statement depends on beside the data") {
    const std::vector<std::pair<std::string, std::string>> rows{
        {"SELECT 1", ""},
        {"SELECT name FROM customers WHERE id = 1", ""},
        {"SELECT now()", "now()"},
        {"SELECT pg_catalog.now()", "now()"},
        {"SELECT \"now\" FROM t", ""},
        {"SELECT 'now()'", ""},
        {"SELECT CURRENT_TIMESTAMP(3)", "CURRENT_TIMESTAMP"},
        {"SELECT * FROM t WHERE day > current_date - 7", "CURRENT_DATE"},
        {"SELECT * FROM t WHERE day > (SELECT max(day) - random() FROM u)", "random()"},
        {"WITH w AS (SELECT clock_timestamp()) SELECT * FROM w", "clock_timestamp()"},
        {"SELECT 1 UNION ALL SELECT pg_backend_pid()", "pg_backend_pid()"},
        {"SELECT age(born) FROM t", "age()"},
        {"SELECT age(born, died) FROM t", ""},
        {"SELECT session_user", "CURRENT_USER"},
        {"SELECT current_schema", ""},
        {"SELECT * FROM pg_stat_activity", "pg_stat_activity"},
        {"SELECT * FROM pg_catalog.pg_locks l", "pg_locks"},
        {"SELECT relname FROM pg_class", ""},
        {"SELECT pg_stat_get_numscans(1)", "pg_stat_get_numscans()"},
        {"SELECT * FROM t TABLESAMPLE system (1)", "TABLESAMPLE"},
        {"SELECT * FROM t TABLESAMPLE system (1) REPEATABLE (7)", ""},
        {"EXPLAIN SELECT 1", "EXPLAIN"},
        {"SHOW work_mem", "SHOW"},
        {"COPY (SELECT now()) TO STDOUT", "now()"},
        {"COPY t TO STDOUT", ""},
        {"VALUES (random())", "random()"},
        {"SELECT count(*) FILTER (WHERE x < now()) OVER (ORDER BY y) FROM t", "now()"},
        {"BEGIN", ""},
        {"SELECT FROM WHERE", ""},
        {"\xff", ""},
        {std::string(5000, '(') + "1" + std::string(5000, ')'), ""},
    };
    for (const auto& [sql, expected] : rows) {
        INFO(sql);
        CHECK(find_repeatable(sql).depends_on == expected);
    }
}

TEST_CASE("what is made under a name, and used by it") {
    const auto made = find_repeatable("PREPARE \"P q\" AS SELECT now()");
    CHECK(made.makes == std::vector<std::string>{"statement P q"});
    CHECK(made.depends_on == "now()");
    CHECK(find_repeatable("EXECUTE \"P q\"(1)").uses == std::vector<std::string>{"statement P q"});
    const auto cursor = find_repeatable("DECLARE C CURSOR FOR SELECT random()");
    CHECK(cursor.makes == std::vector<std::string>{"cursor c"});
    CHECK(cursor.depends_on == "random()");
    CHECK(find_repeatable("FETCH 3 FROM c").uses == std::vector<std::string>{"cursor c"});
    CHECK(find_repeatable("EXECUTE p(1, now())").depends_on == "now()");
    CHECK(find_repeatable("CREATE TABLE t AS EXECUTE p").uses.empty());
}

}  // namespace vitrine::parser
