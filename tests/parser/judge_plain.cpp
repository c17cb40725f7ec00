// Plain statements (parser/plain.h): that the ordinary ones are, and that nothing is of which the
// judge has more to say. That the judge would say nothing of a plain one, an assertion in judge()
// holds for every statement of every test.

#include <catch2/catch.hpp>

#include "parser/plain.h"
#include "parser/syntax/parse_tree.h"
#include "tests/parser/judge_fixture.h"

namespace vitrine::parser {
namespace {

using test::fixture_policy;
using test::have_fixture;

bool plain(const std::string& sql, std::vector<std::string> path = {"pg_catalog", "public"},
           std::vector<Oid> parameters = {}) {
    REQUIRE_FALSE(syntax::ParseTree(sql).error());
    return is_plain(sql, *fixture_policy(), {path, true}, parameters);
}

}  // namespace

TEST_CASE("plain: what people send all day is plain") {
    if (!have_fixture()) {
        return;
    }
    for (const char* sql : {
             "SELECT 1",
             "SELECT id, total FROM orders WHERE id = 7",
             "SELECT o.id, o.total FROM public.orders o WHERE o.id IN (1, 2, 3) ORDER BY o.id DESC "
             "LIMIT 10 OFFSET 5",
             "SELECT orders.id FROM orders",
             "SELECT public.orders.id FROM public.orders",
             "SELECT * FROM orders",
             "SELECT o.* FROM orders AS o",
             "TABLE orders",
             "VALUES (1, 'a'), (2, 'b')",
             "SELECT DISTINCT ON (id) id, -total FROM orders",
             "SELECT count(*), sum(total)::numeric(12, 2), max(date '2025-01-01') FROM orders "
             "GROUP BY id HAVING count(*) > 1",
             "SELECT sum(total) OVER (PARTITION BY id ORDER BY total ROWS 3 PRECEDING) FROM orders",
             "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders",
             "SELECT CASE id WHEN 1 THEN 'one' ELSE coalesce(NULL, 'more') END FROM orders",
             "SELECT (SELECT max(i.id) FROM orders i WHERE i.id < o.id) FROM orders o",
             "SELECT id FROM orders WHERE id = ANY ('{1,2}'::int[]) AND EXISTS (SELECT 1)",
             "SELECT id FROM orders UNION ALL SELECT id FROM orders EXCEPT SELECT 3",
             "WITH a AS (SELECT id FROM orders), b AS (SELECT a.id FROM a) SELECT b.id FROM b",
             "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9) "
             "SELECT sum(t.n) FROM t",
             "SELECT g FROM generate_series(1, 10) g",
             "SELECT a.id FROM orders a JOIN orders b USING (id) NATURAL JOIN orders c",
             "SELECT (ARRAY[1, 2, 3])[2:3], now() - interval '1 day', current_date, lower('A')",
             "SELECT a.x FROM (SELECT 1 AS x) a",
             "SELECT relname FROM pg_class WHERE relname OPERATOR(pg_catalog.~) '^(o)$' COLLATE "
             "pg_catalog.default",
             "SELECT 'new'::order_status, 'paid'::public.order_status",
             "SELECT extract(year FROM now()), 'x' LIKE 'y', 'x' SIMILAR TO 'y', 1 BETWEEN 0 AND 2",
         }) {
        CAPTURE(sql);
        CHECK(plain(sql));
    }
    CHECK(
        plain("SELECT id FROM orders WHERE id = $1 OR id = $2", {"public", "pg_catalog"}, {20, 0}));
}

TEST_CASE("plain: what there is more to say of is not") {
    if (!have_fixture()) {
        return;
    }
    for (const char* sql : {
             // Masked, closed, filtered, or not there.
             "SELECT id FROM customers",
             "SELECT 1 FROM orders o JOIN customers c ON true",
             "SELECT (SELECT 1 FROM public.cards LIMIT 1)",
             "WITH a AS (SELECT 1 FROM cards) SELECT * FROM a",
             "SELECT count(*) FROM pg_stat_activity",
             "SELECT 1 FROM pg_authid",
             "SELECT 1 FROM nothing_of_that_name",
             "SELECT 1 FROM crm.nothing",
             "SELECT 1 FROM pg_temp.orders",
             "SELECT 1 FROM shop.public.orders",
             // A CTE of that name is not everywhere.
             "SELECT (WITH a AS (SELECT 1) SELECT count(*) FROM a), b.x FROM a b",
             "WITH a AS (SELECT 1 FROM b), b AS (SELECT 1) SELECT 1 FROM a",
             // Refused functions, and users' ones of other names and of the same.
             "SELECT pg_sleep(1)",
             "SELECT nextval('s')",
             "SELECT set_config('a.b', 'c', true)",
             "SELECT current_setting('a.b')",
             "SELECT writer('x')",
             "SELECT public.writer('x')",
             "SELECT crm.lower('x')",
             "SELECT max(writer('x')) FROM orders",
             "SELECT 1 FROM orders WHERE writer('x') = 1",
             "SELECT 1 FROM orders ORDER BY writer('x')",
             "SELECT 1 FROM orders GROUP BY writer('x')",
             "SELECT 1 FROM orders HAVING writer('x') = 1",
             "SELECT 1 LIMIT writer('x')",
             "SELECT 1 OFFSET writer('x')",
             "SELECT DISTINCT ON (writer('x')) 1",
             "SELECT count(*) FILTER (WHERE writer('x') = 1) FROM orders",
             "SELECT string_agg('a', 'b' ORDER BY writer('x'))",
             "SELECT count(*) OVER (ORDER BY writer('x')) FROM orders",
             "SELECT count(*) OVER w FROM orders WINDOW w AS (PARTITION BY writer('x'))",
             "VALUES (1), (writer('x'))",
             "SELECT 1 UNION SELECT writer('x')",
             "SELECT CASE WHEN true THEN writer('x') END",
             "SELECT CASE writer('x') WHEN 1 THEN 2 END",
             "SELECT CASE WHEN false THEN 1 ELSE writer('x') END",
             "SELECT ARRAY[writer('x')]",
             "SELECT (ARRAY[1])[writer('x')]",
             "SELECT ROW(writer('x'))",
             "SELECT greatest(1, writer('x'))",
             "SELECT coalesce(1, writer('x'))",
             "SELECT writer('x') IS NULL",
             "SELECT (writer('x') = 1) IS TRUE",
             "SELECT NOT writer('x') = 1",
             "SELECT writer('x')::text",
             "SELECT 1 IN (SELECT writer('x'))",
             "SELECT writer('x') IN (SELECT 1)",
             "SELECT 1 FROM writer('x')",
             "SELECT 1 FROM ROWS FROM (now(), writer('x'))",
             "SELECT 1 FROM orders o JOIN orders p ON writer('x') = 1",
             "SELECT 1 FROM (SELECT writer('x')) a",
             "SELECT 1 FROM LATERAL (SELECT writer('x')) a",
             // Operators.
             "SELECT 'a' <~> 'b'",
             "SELECT 'a' OPERATOR(public.<~>) 'b'",
             "SELECT 1 OPERATOR(crm.=) 'b'",
             "SELECT 1 FROM orders ORDER BY id USING <~>",
             // Types, attributes, columns that are new.
             "SELECT 1::even",
             "SELECT ARRAY[1]::even[]",
             "SELECT ''::json",
             "SELECT orders.status::json FROM orders",
             "SELECT o.no_such_column FROM orders o",
             "SELECT (o).total FROM orders o",
             "SELECT o.writer FROM (SELECT 1) o",
             "SELECT o.even FROM (SELECT 1) o",
             // What is not a query, or more than one.
             "SELECT 1 FROM orders FOR UPDATE",
             "SELECT 1 INTO t",
             "WITH a AS (DELETE FROM orders RETURNING 1) SELECT 1",
             "SELECT 1 FROM orders TABLESAMPLE system (1)",
             "SELECT 1 FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b int)",
             "SELECT xmlelement(name a)",
             "SELECT * FROM json_to_record('{}') AS t(a int)",
             "SELECT concat(VARIADIC ARRAY['a'])",
             "SELECT make_date(year => 1, month => 1, day => 1)",
             "SELECT lower('a', 'b')",
             "SHOW ALL",
             "BEGIN",
             "EXPLAIN SELECT 1",
             "COPY orders TO STDOUT",
         }) {
        CAPTURE(sql);
        CHECK_FALSE(plain(sql));
    }
    // Something else may be meant where its schema is on the path; not where PostgreSQL's is said.
    for (const char* sql : {"SELECT id FROM orders WHERE id = 1", "SELECT lower('A')",
                            "SELECT o.lower FROM (SELECT 1) o"}) {
        CAPTURE(sql);
        CHECK(plain(sql));
        CHECK(plain(sql, {"pg_catalog", "public", "Mixed"}));
        CHECK_FALSE(plain(sql, {"pg_catalog", "public", "crm"}));
        CHECK_FALSE(plain(sql, {"crm", "public", "pg_catalog"}));
    }
    CHECK(plain("SELECT pg_catalog.lower('A'), 1 OPERATOR(pg_catalog.=) 1",
                {"crm", "pg_catalog", "public"}));
    // A schema that has something of PostgreSQL's names, or none of them at all.
    CHECK_FALSE(plain("SELECT id FROM orders", {"pg_catalog"}));
    CHECK_FALSE(plain("SELECT id FROM orders", {"public"}));
    // void is no argument; a domain's CHECK runs for a parameter of it.
    CHECK_FALSE(plain("SELECT lower($1)", {"pg_catalog", "public"}, {2278}));
    CHECK_FALSE(plain("SELECT $1", {"pg_catalog", "public"}, {4000000000U}));
}

TEST_CASE("plain: long statements are looked into as others are") {
    if (!have_fixture()) {
        return;
    }
    std::string deep = "1";
    std::string wide = "SELECT 1";
    std::string many = "SELECT o.id";
    for (int i = 0; i < 500; ++i) {
        deep = "(" + deep + " + 1)";
        wide += i == 0 ? " FROM orders o" + std::to_string(i) : ", orders o" + std::to_string(i);
        many += ", o.id";
    }
    CHECK_FALSE(plain("SELECT " + deep));
    CHECK_FALSE(plain(wide));
    CHECK_FALSE(plain(many + " FROM orders o"));
}

}  // namespace vitrine::parser
