// What the catalog queries promise, on the catalog of tests/integration/schema.sql.

#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>

#include "parser/catalog/loader.h"
#include "tests/parser/fixture_catalog.h"

using namespace vitrine::parser;
using vitrine::parser::test::fixture_catalog;

namespace {

const Relation& relation(std::string_view schema, std::string_view name) {
    const Relation* found = fixture_catalog()->relation(schema, name);
    INFO(schema << "." << name);
    REQUIRE(found != nullptr);
    return *found;
}

const Column& column(const Relation& owner, std::string_view name) {
    const Column* found = owner.column(name);
    INFO(owner.name << "." << name);
    REQUIRE(found != nullptr);
    return *found;
}

const Function& function(std::string_view schema, std::string_view name) {
    for (const Function* candidate : fixture_catalog()->functions(name)) {
        if (candidate->schema == schema) {
            return *candidate;
        }
    }
    FAIL("no function " << schema << "." << name);
    std::abort();
}

bool contains(const std::vector<Oid>& oids, Oid oid) {
    return std::find(oids.begin(), oids.end(), oid) != oids.end();
}

const Type& type(std::string_view schema, std::string_view name) {
    for (const Type* candidate : fixture_catalog()->types(name)) {
        if (candidate->schema == schema) {
            return *candidate;
        }
    }
    FAIL("no type " << schema << "." << name);
    std::abort();
}

}  // namespace

TEST_CASE("the database and its schemas", "[catalog]") {
    const auto catalog = fixture_catalog();
    CHECK(catalog->server_version() >= 120000);
    CHECK(catalog->server_version() < 160000);
    CHECK(catalog->database() == "shop");
    CHECK(catalog->server_encoding() == "UTF8");
    CHECK(catalog->fingerprint().size() == 32);
    for (const auto* schema : {"public", "crm", "Mixed", "pg_catalog", "information_schema"}) {
        CHECK(catalog->has_schema(schema));
    }
    CHECK_FALSE(catalog->has_schema("pg_toast"));
    CHECK_FALSE(catalog->has_schema("mixed"));
}

TEST_CASE("relations of every kind that can be read", "[catalog]") {
    CHECK(relation("public", "customers").kind == 'r');
    CHECK(relation("public", "events").kind == 'p');
    CHECK(relation("public", "customer_contacts").kind == 'v');
    CHECK(relation("public", "customer_emails").kind == 'm');
    CHECK(relation("public", "orders_id_seq").kind == 'S');
    CHECK(relation("pg_catalog", "pg_class").kind == 'r');
    CHECK(relation("information_schema", "columns").kind == 'v');
    CHECK(relation("Mixed", "Client Data").columns.size() == 4);
    CHECK(fixture_catalog()->relation("public", "customers_email") == nullptr);  // an index
    CHECK(fixture_catalog()->relation("public", "address") == nullptr);          // a type
    CHECK(relation("public", "tickets").row_security);
    CHECK_FALSE(relation("public", "customers").row_security);
    CHECK(relation("public", "order_lines").primary_key == std::vector<std::int16_t>{1, 2});
    CHECK(relation("public", "events").primary_key.empty());
    const Relation& customers = relation("public", "customers");
    CHECK(fixture_catalog()->relation(customers.oid) == &customers);
    CHECK(fixture_catalog()->type(customers.row_type)->relation == customers.oid);
}

TEST_CASE("columns: dropped ones out, domains resolved, types under any search_path", "[catalog]") {
    const Relation& customers = relation("public", "customers");
    CHECK(customers.column("dropped") == nullptr);
    for (const Column& each : customers.columns) {
        CHECK(each.number != 7);  // what was there
    }
    CHECK(column(customers, "profile").number == 8);
    CHECK(column(customers, "name").not_null);
    CHECK_FALSE(column(customers, "email").not_null);
    CHECK(column(customers, "email_lower").generated);
    CHECK(column(customers, "email_lower").generated_from ==
          std::vector<std::int16_t>{column(customers, "email").number});
    CHECK(column(customers, "ssn").type != column(customers, "ssn").base_type);
    CHECK(column(customers, "ssn").base_type == 25);

    const Relation& kinds = relation("public", "kinds");
    const std::vector<std::pair<const char*, const char*>> expected{
        {"c_text", "pg_catalog.text"},
        {"c_vc", "character varying"},
        {"c_vc5", "character varying(5)"},
        {"c_ch8", "character(8)"},
        {"c_bpc", "pg_catalog.bpchar"},
        {"c_name", "pg_catalog.name"},
        {"c_ci", "public.citext"},
        {"c_dom", "pg_catalog.text"},
        {"c_i2", "smallint"},
        {"c_i8", "bigint"},
        {"c_num", "numeric(6,2)"},
        {"c_ts", "timestamp(3) without time zone"},
        {"c_tstz", "timestamp with time zone"},
        {"c_iv", "interval"},
        {"c_uuid", "pg_catalog.uuid"},
        {"c_jsonb", "pg_catalog.jsonb"},
        {"c_enum", "public.order_status"},
        {"c_comp", "public.address"},
        {"c_arr", "pg_catalog.text[]"},
        {"c_bit", "bit(3)"},
        {"c_range", "pg_catalog.int4range"},
    };
    for (const auto& [name, sql] : expected) {
        INFO(name);
        CHECK(column(kinds, name).type_sql == sql);
    }
    CHECK(column(kinds, "c_coll").collation_sql == "pg_catalog.\"C\"");
    CHECK(column(kinds, "c_text").collation_sql.empty());
    CHECK(column(kinds, "c_vc5").base_typmod == 9);
}

TEST_CASE("partitions and children", "[catalog]") {
    const Relation& events = relation("public", "events");
    const Relation& rest = relation("public", "events_rest");
    CHECK(events.children.size() == 3);
    CHECK(rest.parents == std::vector<Oid>{events.oid});
    CHECK(rest.children == std::vector<Oid>{relation("public", "events_rest_all").oid});
    CHECK(relation("public", "staff").parents ==
          std::vector<Oid>{relation("public", "people").oid});
}

TEST_CASE("what views name, builtins too", "[catalog]") {
    const Relation& contacts = relation("public", "customer_contacts");
    const Relation& customers = relation("public", "customers");
    CHECK(contacts.reads_relations == std::vector<Oid>{customers.oid});
    const auto read =
        std::find_if(contacts.reads_columns.begin(), contacts.reads_columns.end(),
                     [&](const ColumnsRead& r) { return r.relation == customers.oid; });
    REQUIRE(read != contacts.reads_columns.end());
    CHECK_FALSE(read->whole_row);
    CHECK(read->columns == std::vector<std::int16_t>{1, 2, 3, 4});

    const Relation& rows = relation("public", "customer_rows");
    CHECK(std::any_of(
        rows.reads_columns.begin(), rows.reads_columns.end(),
        [&](const ColumnsRead& r) { return r.relation == customers.oid && r.whole_row; }));
    // pg_depend knows none of these three.
    CHECK(contains(relation("public", "sessions").reads_relations,
                   relation("pg_catalog", "pg_stat_activity").oid));
    CHECK(contains(relation("public", "tables_as_xml").calls_functions,
                   function("pg_catalog", "table_to_xml").oid));
    CHECK(contains(relation("public", "writes_a_lot").calls_functions,
                   function("pg_catalog", "lo_create").oid));
    CHECK(contains(relation("public", "taxed").calls_functions, function("public", "add_tax").oid));
    CHECK(
        contains(relation("public", "joined").calls_functions, function("public", "join_all").oid));
    // A cast to a domain calls what its CHECK calls.
    CHECK(contains(relation("public", "evens").value_types, type("public", "even").oid));
    // Row security, and what to_json() of a row calls.
    CHECK(contains(relation("public", "audited").calls_functions,
                   function("public", "stable_liar").oid));
    CHECK(
        contains(relation("public", "moods").calls_functions, function("public", "mood_json").oid));
}

TEST_CASE("functions", "[catalog]") {
    const Function& lower = function("pg_catalog", "lower");
    CHECK(lower.builtin);
    CHECK(lower.volatility == 'i');
    const Function& similarity = function("public", "similarity");
    CHECK(similarity.extension == "pg_trgm");
    CHECK_FALSE(similarity.builtin);
    CHECK(similarity.argument_types == std::vector<std::string>{"text", "text"});
    const Function& email_of = function("public", "email_of");
    CHECK(email_of.security_definer);
    CHECK(email_of.language == "sql");
    CHECK(email_of.extension.empty());
    CHECK(function("public", "tidy_up").kind == 'p');
    CHECK(function("public", "join_all").kind == 'a');
    CHECK(function("pg_catalog", "concat").arguments_max == UINT16_MAX);
    CHECK(function("pg_catalog", "json_populate_record").arguments_min == 2);
    CHECK(function("pg_catalog", "json_populate_record").arguments_max == 3);
    CHECK(function("pg_catalog", "array_recv").internal_argument);
    CHECK(fixture_catalog()->function(lower.oid) == &lower);
}

TEST_CASE("operators", "[catalog]") {
    const auto found = fixture_catalog()->operators("=");
    const auto users = std::find_if(found.begin(), found.end(),
                                    [](const Operator* op) { return op->schema == "crm"; });
    REQUIRE(users != found.end());
    CHECK_FALSE((*users)->builtin);
    CHECK((*users)->function == function("crm", "integer_equals_text").oid);
    CHECK(found.size() > 50);
}

TEST_CASE("types, and what they run unasked", "[catalog]") {
    const Oid is_even = function("public", "is_even").oid;
    CHECK(contains(type("public", "even").implicit_functions, is_even));
    CHECK(contains(type("public", "four").implicit_functions, is_even));   // a domain over it
    CHECK(contains(type("public", "_even").implicit_functions, is_even));  // an array of it
    CHECK(contains(type("public", "pair").implicit_functions, is_even));   // a composite of it
    CHECK(contains(type("public", "moods").implicit_functions, is_even));  // a table of it
    CHECK_FALSE(contains(type("public", "kinds").implicit_functions, is_even));
    CHECK(contains(type("public", "mood").implicit_functions, function("public", "mood_json").oid));
    CHECK_FALSE(contains(type("pg_catalog", "json").implicit_functions,
                         function("public", "mood_json").oid));
    // A cast that must be written counts where it is written.
    const Oid box_text = function("public", "box_text").oid;
    CHECK(type("pg_catalog", "box").implicit_functions.empty());
    const auto& casts = type("pg_catalog", "macaddr").written_casts;
    CHECK(std::any_of(casts.begin(), casts.end(), [&](const WrittenCast& cast) {
        return cast.function == box_text && cast.source == type("pg_catalog", "box").oid;
    }));
    CHECK(
        contains(type("public", "citext").implicit_functions, function("public", "citextin").oid));
    CHECK(type("pg_catalog", "text").implicit_functions.empty());
    CHECK(type("public", "order_status").labels ==
          std::vector<std::string>{"new", "paid", "shipped", "returned"});
    CHECK(type("pg_catalog", "_text").element == 25);
    CHECK(type("pg_catalog", "oidvector").element == 0);
}

TEST_CASE("rows of another shape fail the load", "[catalog]") {
    using Row = std::vector<std::optional<std::string_view>>;
    std::string error;

    SECTION("too few fields") {
        SnapshotBuilder builder;
        CHECK_FALSE(builder.add(1, Row{"150020", "shop"}));
        CHECK(builder.finish(error) == nullptr);
        CHECK(error == "a row of the catalog query \"database\" has an unexpected shape");
    }
    SECTION("not a number") {
        SnapshotBuilder builder;
        CHECK_FALSE(builder.add(1, Row{"15x", "shop", "pg_catalog, pg_temp", "UTF8"}));
    }
    SECTION("not in one transaction") {
        SnapshotBuilder builder;
        CHECK_FALSE(builder.add(1, Row{"150020", "shop", "\"$user\", public", "UTF8"}));
        CHECK(builder.finish(error) == nullptr);
        CHECK(error == "the catalog queries did not run in one transaction");
    }
    SECTION("another encoding than UTF8") {
        SnapshotBuilder builder;
        CHECK_FALSE(builder.add(1, Row{"150020", "shop", "pg_catalog, pg_temp", "LATIN1"}));
        CHECK(builder.finish(error) == nullptr);
        CHECK(error == "the database's encoding is LATIN1, and only UTF8 is supported yet");
    }
    SECTION("out of order, and after a failure") {
        SnapshotBuilder builder;
        CHECK(builder.add(1, Row{"150020", "shop", "pg_catalog, pg_temp", "UTF8"}));
        CHECK_FALSE(builder.add(0, Row{"", "", ""}));
        CHECK_FALSE(builder.add(2, Row{"public", "t"}));
        CHECK(builder.finish(error) == nullptr);
    }
    SECTION("no row at all") {
        SnapshotBuilder builder;
        CHECK(builder.finish(error) == nullptr);
        CHECK(error == "the catalog query \"database\" gave no row");
    }
    SECTION("a column of no relation") {
        SnapshotBuilder builder;
        CHECK(builder.add(1, Row{"150020", "shop", "pg_catalog, pg_temp", "UTF8"}));
        CHECK_FALSE(
            builder.add(10, Row{"1", "a", "1", "25", "-1", "text", "true", "false", std::nullopt}));
    }
}

TEST_CASE("the fingerprint depends on every field, and versions differ", "[catalog]") {
    using Row = std::vector<std::optional<std::string_view>>;
    const auto build = [](std::optional<std::string_view> schema, const char* database) {
        SnapshotBuilder builder;
        REQUIRE(builder.add(1, Row{"150020", database, "pg_catalog, pg_temp", "UTF8"}));
        if (schema) {
            REQUIRE(builder.add(2, Row{schema, "t"}));
        }
        std::string error;
        return builder.finish(error);
    };
    const auto one = build("public", "shop");
    const auto again = build("public", "shop");
    CHECK(one->fingerprint() == again->fingerprint());
    CHECK(one->version() < again->version());
    CHECK(build("publi", "cshop")->fingerprint() != one->fingerprint());
    CHECK(build("public", "shop2")->fingerprint() != one->fingerprint());
    CHECK(build(std::nullopt, "shop")->fingerprint() != one->fingerprint());
}
