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
using test::sent;

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
             "SELECT email FROM customers",
             "SELECT c.phone FROM orders o JOIN customers c ON true",
             "SELECT (SELECT number FROM public.cards LIMIT 1)",
             "WITH a AS (SELECT 1 FROM cards) SELECT * FROM a",
             "TABLE cards",
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

TEST_CASE("plain: of masked tables, what names other columns and nothing else") {
    if (!have_fixture()) {
        return;
    }
    for (const char* sql : {
             "SELECT id FROM customers WHERE id > 7",
             "SELECT count(*) FROM customers",
             "SELECT 1 FROM orders o JOIN customers c ON true",
             "SELECT (SELECT 1 FROM public.cards LIMIT 1)",
             "SELECT c.id, c.nick FROM customers AS c ORDER BY c.id",
             "SELECT customers.id FROM customers",
             "SELECT public.customers.id FROM public.customers",
             "SELECT c.id, o.total FROM customers c JOIN orders o ON o.customer_id > c.id",
             "SELECT o.id FROM orders o WHERE EXISTS (SELECT 1 FROM cards k WHERE k.id > o.id)",
             "SELECT id FROM customers WHERE id > (SELECT max(id) FROM customers)",
             "WITH a AS (SELECT c.id FROM customers c) SELECT a.id FROM a",
             "SELECT max(a.id) FROM (SELECT c.id FROM customers c) a",
             "SELECT id FROM ONLY customers",
             "SELECT id.id FROM customers id",
             "SELECT id FROM customers UNION SELECT id FROM cards",
             "SELECT (WITH cards AS (SELECT 2 AS id) SELECT cards.id FROM cards), count(*) FROM "
             "cards",
         }) {
        CAPTURE(sql);
        CHECK(plain(sql));
        const Judgement judgement = test::judged(sql);
        CHECK(judgement.allowed());
        // As it stands, but for the table's schema.
        std::string text = sent(sql, judgement);
        for (std::size_t at = 0; (at = text.find("\"public\".")) != text.npos;) {
            text.erase(at, std::string_view("\"public\".").size());
        }
        CHECK(text == sql);
        CHECK_FALSE(judgement.statements[0].masked.empty());
        // The same whatever is known of the path: a prepared one stays as it is.
        SessionContext unknown = test::session();
        unknown.search_path_known = false;
        const Judgement again = judge(sql, *fixture_policy(), unknown);
        if (again.allowed()) {
            CHECK(again.forwarded == judgement.forwarded);
            CHECK(again.statements == judgement.statements);
        } else {
            CHECK(again.statements[0].rule == "name: search_path");
        }
    }
    CHECK(test::judged("SELECT id FROM customers").forwarded ==
          "SELECT id FROM \"public\".customers");
    // There is another operator of that name, in a schema that may come to be on the path.
    CHECK_FALSE(plain("SELECT id FROM customers WHERE id = 7"));
    CHECK_FALSE(plain("SELECT id FROM customers WHERE id IN (SELECT id FROM customers)"));
    for (const char* sql : {
             // A masked column, and one that is made of it.
             "SELECT email FROM customers",
             "SELECT c.email FROM customers c",
             "SELECT customers.email FROM customers",
             "SELECT public.customers.email FROM customers",
             "SELECT email_lower FROM customers",
             "SELECT 1 FROM customers WHERE email LIKE 'a%'",
             "SELECT 1 FROM customers ORDER BY email",
             "SELECT 1 FROM customers GROUP BY email",
             "SELECT 1 FROM customers GROUP BY GROUPING SETS ((email), ())",
             "SELECT count(*) FROM customers HAVING max(email) > 'a'",
             "SELECT DISTINCT ON (email) id FROM customers",
             "SELECT count(*) FILTER (WHERE email > 'a') FROM customers",
             "SELECT count(*) OVER (PARTITION BY email) FROM customers",
             "SELECT count(*) OVER w FROM customers WINDOW w AS (ORDER BY email)",
             "SELECT 1 FROM orders o JOIN customers c ON c.email > 'a'",
             "SELECT 1 FROM orders LIMIT (SELECT count(email) FROM customers)",
             "SELECT (SELECT c.email) FROM customers c",
             "SELECT x.e FROM customers c, LATERAL (SELECT c.email AS e) x",
             "SELECT x FROM customers c, unnest(ARRAY[c.email]) x",
             "SELECT 1 FROM customers UNION SELECT 1 FROM customers WHERE email > 'a'",
             "WITH a AS (SELECT c.email FROM customers c) SELECT a.email FROM a",
             "SELECT id FROM customers UNION SELECT number::int FROM cards",
             // Stars, and rows as a whole.
             "SELECT * FROM customers",
             "TABLE customers",
             "SELECT c.* FROM customers c",
             "SELECT public.customers.* FROM customers",
             "SELECT (c.*)::text FROM customers c",
             "SELECT count(c.*) FROM customers c",
             "SELECT ROW(c.*) FROM customers c",
             "SELECT o.* FROM orders o, customers c",
             "SELECT c FROM customers c",
             "SELECT customers FROM customers",
             "SELECT c::text FROM customers c",
             "SELECT row_to_json(c) FROM customers c",
             "SELECT to_jsonb(customers) FROM customers",
             "SELECT json_agg(c) FROM customers c",
             "SELECT max(c::text) FROM customers c",
             "SELECT c = c FROM customers c",
             "SELECT 1 FROM customers c ORDER BY c",
             "SELECT (c).email FROM customers c",
             "SELECT (c).id FROM customers c",
             "SELECT email(c) FROM customers c",
             "SELECT (ARRAY[c])[1].email FROM customers c",
             "SELECT (SELECT c FROM customers c LIMIT 1) FROM orders",
             // A name that is a column of one and a row of another.
             "SELECT id FROM customers id",
             "SELECT id FROM customers WHERE EXISTS (SELECT id FROM cards id)",
             "SELECT total FROM orders WHERE EXISTS (SELECT total FROM customers total)",
             // Columns that are not named, and columns by other names.
             "SELECT 1 FROM customers NATURAL JOIN customer_emails",
             "SELECT 1 FROM customers a JOIN customers b USING (email)",
             "SELECT c.b FROM customers AS c(a, b)",
             "SELECT a FROM customers AS c(a)",
             "SELECT j.id FROM (customers c CROSS JOIN orders o) j",
             "SELECT j FROM (customers c CROSS JOIN orders o) j",
             "SELECT j.b FROM (customers c CROSS JOIN orders o) j(a, b)",
             "SELECT 1 FROM customers a JOIN customers b USING (id) AS j",
             // Columns that the catalog does not have: new ones, and the system's.
             "SELECT new FROM customers",
             "SELECT c.new FROM customers c",
             "SELECT (SELECT total FROM customers LIMIT 1) FROM orders",
             "SELECT 1 AS new FROM customers ORDER BY new",
             "SELECT ctid FROM customers",
             "SELECT c.xmin FROM customers c",
             "SELECT tableoid FROM customers",
             // Attributes that are calls.
             "SELECT c.lower FROM customers c",
             "SELECT c.text FROM customers c",
             // What is not a query.
             "SELECT id FROM customers TABLESAMPLE system (1)",
             "SELECT id FROM customers FOR SHARE",
             "COPY customers (id) TO STDOUT",
             "EXPLAIN SELECT id FROM customers",
         }) {
        CAPTURE(sql);
        CHECK_FALSE(plain(sql));
    }
    // The system's own are looked into whatever is named, as views over masked tables are.
    CHECK_FALSE(plain("SELECT pid FROM pg_stat_activity"));
    CHECK_FALSE(plain("SELECT datname FROM pg_stat_activity"));
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
