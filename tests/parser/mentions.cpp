// Which statements mention a relation or a column, for who searches the query log.
#include "parser/mentions.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace vitrine::parser {

namespace {

struct Row {
    const char* name;
    const char* sql;
    Mentioned expected;
};

constexpr auto kNo = Mentioned::kNo;
constexpr auto kByWord = Mentioned::kByWord;
constexpr auto kByStar = Mentioned::kByStar;
constexpr auto kByName = Mentioned::kByName;

}  // namespace

TEST_CASE("relations are found by their names as relations") {
    const std::vector<Row> rows{
        {"customers", "SELECT 1 FROM customers", kByName},
        {"customers", "select 1 from CuStoMers c", kByName},
        {"customers", "SELECT 1 FROM public.customers", kByName},
        {"customers", "SELECT 1 FROM \"customers\"", kByName},
        {"customers", "SELECT 1 FROM U&\"\\0063ustomers\"", kByName},
        {"customers", "SELECT 1 FROM U&\"!0063ustomers\" UESCAPE '!'", kByName},
        {"customers", "TABLE customers", kByName},
        {"customers", "SELECT (SELECT max(id) FROM customers) FROM orders", kByName},
        {"customers", "WITH w AS (SELECT 1 FROM customers) SELECT * FROM w", kByName},
        {"customers", "SELECT 1 FROM orders JOIN customers USING (id)", kByName},
        {"customers", "SELECT 1; SELECT 2 FROM customers", kByName},
        {"customers", "EXPLAIN ANALYZE SELECT 1 FROM customers", kByName},
        {"customers", "PREPARE p AS SELECT 1 FROM customers", kByName},
        {"customers", "DECLARE c CURSOR FOR SELECT 1 FROM customers", kByName},
        {"customers", "COPY (SELECT 1 FROM customers) TO STDOUT", kByName},
        {"customers", "COPY customers (id) TO STDOUT", kByName},
        {"customers", "DELETE FROM customers", kByName},
        {"customers", "UPDATE orders SET x = 1 FROM customers", kByName},
        {"customers", "MERGE INTO customers USING x ON true WHEN MATCHED THEN DELETE", kByName},
        {"customers", "SELECT 1 FROM orders WHERE EXISTS (SELECT FROM customers)", kByName},
        // What no walk knows, by its words.
        {"customers", "DROP TABLE customers", kByWord},
        {"customers", "VACUUM public.customers", kByWord},
        {"customers", "LOCK TABLE \"customers\"", kByWord},
        {"customers", "SELECT FROM FROM customers", kByWord},
        {"customers", "SELECT 'unclosed FROM customers", kByWord},
        {"customers", "SELECT FROM FROM my_customers", kNo},
        {"customers", "\xff SELECT FROM customers", kByWord},
        // Not as relations.
        {"customers", "SELECT 'customers'", kNo},
        {"customers", "SELECT customers FROM orders", kNo},
        {"customers", "SELECT 1 AS customers", kNo},
        {"customers", "SELECT 1 /* FROM customers */", kNo},
        {"customers", "SELECT 1 FROM \"Customers\"", kNo},
        {"customers", "SELECT 1 FROM customers2", kNo},
        {"customers", "SELECT customers()", kNo},
        {"\"Order\"", "SELECT 1 FROM \"Order\"", kByName},
        {"\"Order\"", "SELECT 1 FROM order_lines", kNo},
        {"\"a\"\"b\"", "SELECT 1 FROM \"a\"\"b\"", kByName},
        {"public.customers", "SELECT 1 FROM customers", kByName},
        {"public.customers", "SELECT 1 FROM public.customers", kByName},
        {"public.customers", "SELECT 1 FROM archive.customers", kNo},
    };
    for (const Row& row : rows) {
        INFO(row.name << " in " << row.sql);
        const auto name = parse_relation_name(row.name);
        REQUIRE(name);
        CHECK(static_cast<int>(find_mention(row.sql, *name)) == static_cast<int>(row.expected));
    }
}

TEST_CASE("columns are found by their names, and where all are read") {
    const std::vector<Row> rows{
        {"customers.email", "SELECT email FROM customers", kByName},
        {"customers.email", "SELECT c.EMAIL FROM customers c", kByName},
        {"customers.email", "SELECT id FROM customers WHERE email LIKE 'a%'", kByName},
        {"customers.email", "SELECT (c).email FROM customers c", kByName},
        {"customers.email", "SELECT 1 FROM customers JOIN x USING (email)", kByName},
        {"customers.email", "COPY customers (id, email) TO STDOUT", kByName},
        {"customers.email", "UPDATE customers SET email = ''", kByName},
        {"customers.email", "INSERT INTO customers (email) VALUES ('')", kByName},
        {"customers.email", "SELECT * FROM customers", kByStar},
        {"customers.email", "SELECT c.* FROM customers c", kByStar},
        {"customers.email", "TABLE customers", kByStar},
        {"customers.email", "SELECT c FROM customers c", kByStar},
        {"customers.email", "SELECT to_jsonb(customers) FROM customers", kByStar},
        {"customers.email", "SELECT (c).* FROM customers c", kByStar},
        {"customers.email", "SELECT b FROM customers AS c(a, b)", kByStar},
        {"customers.email", "SELECT 1 FROM customers NATURAL JOIN x", kByStar},
        {"customers.email", "COPY customers TO STDOUT", kByStar},
        {"customers.email", "INSERT INTO customers VALUES (1)", kByStar},
        {"customers.email", "SELECT id FROM customers", kNo},
        {"customers.email", "SELECT count(*) FROM customers", kNo},
        {"customers.email", "SELECT id AS email FROM customers", kNo},
        {"customers.email", "SELECT 'email' FROM customers", kNo},
        {"customers.email", "SELECT email FROM orders", kNo},
        {"customers.email", "SELECT * FROM orders", kNo},
        {"public.customers.email", "SELECT email FROM archive.customers", kNo},
        {"public.customers.email", "SELECT email FROM customers", kByName},
        {"customers.email", "SELECT FROM FROM customers, email", kByWord},
        {"customers.email", "SELECT FROM FROM customers", kNo},
    };
    for (const Row& row : rows) {
        INFO(row.name << " in " << row.sql);
        const auto name = parse_column_name(row.name);
        REQUIRE(name);
        CHECK(static_cast<int>(find_mention(row.sql, *name)) == static_cast<int>(row.expected));
    }
}

TEST_CASE("names are read as SQL writes them, and nothing else is") {
    const auto mixed = parse_relation_name("Public.\"Client Data\"");
    REQUIRE(mixed);
    CHECK(mixed->schema == "public");
    CHECK(mixed->relation == "Client Data");
    for (const char* text :
         {"", "a b", "a, b", "a; SELECT 1", "1", "a.b.c", "a.*", "f()", "a FROM b", "a -- b", "\"",
          "a /*", "a::text", "'a'", "\xff", "select"}) {
        INFO(text);
        const std::string with_comment = text;
        if (with_comment == "a -- b") {
            CHECK(parse_relation_name(text));  // a comment is none of the name
        } else {
            CHECK_FALSE(parse_relation_name(text));
        }
    }
    CHECK_FALSE(parse_column_name("email"));
    CHECK_FALSE(parse_column_name("a.b.c.d"));
    const auto column = parse_column_name("customers.email");
    REQUIRE(column);
    CHECK(is_column("public.customers.email", *column));
    CHECK(is_column("customers.email", *column));
    CHECK_FALSE(is_column("public.old_customers.email", *column));
    CHECK_FALSE(is_column("public.customers.Email", *column));
    CHECK_FALSE(is_column("archive.customers.email", *parse_column_name("public.customers.email")));
}

TEST_CASE("a text that nests as deep as it can is looked at all the same") {
    const auto name = parse_relation_name("customers");
    const std::string deep(100'000, '(');
    CHECK(find_mention("SELECT " + deep + "1 FROM customers", *name) == Mentioned::kByWord);
    std::string chain = "SELECT 1";
    for (int i = 0; i < 50'000; ++i) {
        chain += "+1";
    }
    CHECK(find_mention(chain + " FROM customers", *name) != Mentioned::kNo);
}

}  // namespace vitrine::parser
