// Rules over relations: what is masked, what is closed, and why.

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "parser/masking/policy.h"
#include "tests/parser/fixture_catalog.h"
#include "tests/parser/policy_material.h"

using namespace vitrine::parser;
using namespace vitrine::parser::test;
using vitrine::config::MaskKind;

namespace {

using Names = std::vector<std::string>;

struct Compiled {
    std::shared_ptr<const Policy> policy;
    Names warnings;

    [[nodiscard]] const RelationPolicy* of(std::string_view schema, std::string_view name) const {
        const Relation* relation = policy->catalog().relation(schema, name);
        INFO(schema << "." << name);
        REQUIRE(relation != nullptr);
        return policy->relation(relation->oid);
    }
    // "column=rule" of each masked one; "closed" alone for a closed relation.
    [[nodiscard]] Names masked(std::string_view schema, std::string_view name) const {
        const RelationPolicy* found = of(schema, name);
        Names names;
        if (found != nullptr && found->closed) {
            return {"closed"};
        }
        if (found != nullptr) {
            for (const MaskedColumn& column : found->masked) {
                names.push_back(column.column->name + "=" + column.rule);
            }
        }
        return names;
    }
    [[nodiscard]] bool open(std::string_view schema, std::string_view name) const {
        return of(schema, name) == nullptr;
    }
    [[nodiscard]] std::string reason(std::string_view schema, std::string_view name) const {
        const RelationPolicy* found = of(schema, name);
        return found != nullptr && found->closed ? found->closed->reason : "";
    }
};

Compiled compile(const Rules& rules, const Names& groups = {}, const Names& allow = {}) {
    Compiled compiled;
    std::vector<PolicyWarning> warnings;
    compiled.policy =
        compile_policy(fixture_catalog(), rules.masking(), functions(allow), groups, &warnings);
    for (const PolicyWarning& warning : warnings) {
        compiled.warnings.push_back(warning.text);
    }
    return compiled;
}

const vitrine::config::Mask kNull = mask(MaskKind::kNull);
const vitrine::config::Mask kEmail = mask(MaskKind::kEmail);
const vitrine::config::Mask kHash = mask(MaskKind::kHash);

}  // namespace

TEST_CASE("a rule masks the column it names and no other of that name", "[policy]") {
    const auto compiled = compile(Rules().add({"public.customers.email"}, kEmail));
    CHECK(compiled.masked("public", "customers") ==
          Names{"email=masking.rules[0]", "email_lower=generated from a masked column"});
    CHECK(compiled.open("crm", "customers"));
    CHECK(compiled.open("Mixed", "Client Data"));
    CHECK(compiled.open("public", "cards"));
    CHECK(compiled.warnings.empty());
    CHECK(compiled.policy->masked_columns() == 3);

    const RelationPolicy* customers = compiled.of("public", "customers");
    const auto number = [&](const char* name) { return customers->relation->column(name)->number; };
    CHECK(compiled.policy->is_masked(customers->relation->oid, number("email")));
    CHECK(compiled.policy->is_masked(customers->relation->oid, number("email_lower")));
    CHECK_FALSE(compiled.policy->is_masked(customers->relation->oid, number("name")));
    CHECK_FALSE(compiled.policy->is_masked(customers->relation->oid + 1, number("email")));
}

TEST_CASE("the last rule that applies to the user stands", "[policy]") {
    Rules rules;
    rules.add({"*.*.email"}, kEmail, {"fraud"});
    rules.add({"public.customers.*"}, kNull, {"fraud", "dba"});
    rules.add({"public.customers.email"}, kHash, {"dba"});
    CHECK(compile(rules).masked("public", "customers").size() == 13);
    CHECK(compile(rules).masked("public", "customers")[2] == "email=masking.rules[2]");
    CHECK(compile(rules).masked("crm", "customers") == Names{"email=masking.rules[0]"});
    CHECK(compile(rules, {"dba"}).masked("public", "customers") ==
          Names{"email=masking.rules[0]", "email_lower=generated from a masked column"});
    CHECK(compile(rules, {"x", "fraud"}).masked("public", "customers") ==
          Names{"email=masking.rules[2]", "email_lower=generated from a masked column"});
    CHECK(compile(rules, {"fraud"}).open("crm", "customers"));
    CHECK(compile(rules, {"fraud", "dba"}).open("public", "customers"));
    CHECK(compile(rules, {"FRAUD"}).masked("crm", "customers") == Names{"email=masking.rules[0]"});
}

TEST_CASE("a rule on a table holds for its partitions and children, by name", "[policy]") {
    const auto compiled =
        compile(Rules().add({"public.events.payload", "public.people.contact"}, kNull));
    for (const char* name :
         {"events", "events_2025", "events_2026", "events_rest", "events_rest_all"}) {
        INFO(name);
        CHECK(compiled.masked("public", name) == Names{"payload=masking.rules[0]"});
    }
    CHECK(compiled.masked("public", "staff") == Names{"contact=masking.rules[0]"});
    // Not a column more than the rule named.
    CHECK(compiled.policy->masked_columns() == 2);
    // events_2026 has its columns in another order.
    CHECK(compiled.of("public", "events_2026")->masked[0].column->number == 1);
}

TEST_CASE("a parent does not show what its child masks", "[policy]") {
    SECTION("alike where one mask is meant") {
        const auto compiled = compile(Rules().add({"public.events_rest_all.payload"}, kHash));
        CHECK(compiled.masked("public", "events_rest_all") == Names{"payload=masking.rules[0]"});
        CHECK(compiled.masked("public", "events_rest") == Names{"payload=masking.rules[0]"});
        CHECK(compiled.masked("public", "events") == Names{"payload=masking.rules[0]"});
        CHECK(compiled.open("public", "events_2025"));
    }
    SECTION("closed where two are") {
        const auto compiled = compile(Rules()
                                          .add({"public.events_2025.payload"}, kHash)
                                          .add({"public.events_2026.payload"}, kNull));
        CHECK(compiled.masked("public", "events") == Names{"closed"});
        CHECK(compiled.masked("public", "events_2025") == Names{"payload=masking.rules[0]"});
        CHECK(compiled.masked("public", "events_2026") == Names{"payload=masking.rules[1]"});
        CHECK(compiled.open("public", "events_rest"));
    }
    SECTION("closed where a child has another mask than its parent") {
        const auto compiled = compile(
            Rules().add({"public.people.contact"}, kHash).add({"public.staff.contact"}, kNull));
        CHECK(compiled.masked("public", "people") == Names{"closed"});
        CHECK(compiled.masked("public", "staff") == Names{"contact=masking.rules[1]"});
    }
    SECTION("closed where a child is") {
        const auto compiled = compile(Rules().add({"public.events_2025.day"}, kHash));
        CHECK(compiled.masked("public", "events_2025") == Names{"closed"});
        CHECK(compiled.masked("public", "events") == Names{"closed"});
    }
    SECTION("a column that only the child has is the child's") {
        const auto compiled = compile(Rules().add({"public.staff.badge"}, kHash));
        CHECK(compiled.masked("public", "staff") == Names{"badge=masking.rules[0]"});
        CHECK(compiled.open("public", "people"));
    }
}

TEST_CASE("a generated column keeps a rule of its own", "[policy]") {
    const auto compiled = compile(Rules()
                                      .add({"public.customers.email"}, kNull)
                                      .add({"public.customers.email_lower"}, kHash));
    CHECK(compiled.masked("public", "customers") ==
          Names{"email=masking.rules[0]", "email_lower=masking.rules[1]"});
}

TEST_CASE("a view over what is masked is replaced by its definition", "[policy]") {
    const auto compiled = compile(Rules().add({"public.customers.email"}, kEmail));
    for (const char* name :
         {"customer_contacts", "customer_contacts_again", "customer_rows", "customers_sampled"}) {
        INFO(name);
        const RelationPolicy* view = compiled.of("public", name);
        REQUIRE(view != nullptr);
        CHECK_FALSE(view->closed);
        CHECK(view->masked.empty());
        CHECK(view->masked_within ==
              std::set<std::string>{"public.customers.email", "public.customers.email_lower"});
        // It reads the table where the mask is, and nowhere else.
        constexpr std::string_view kRead = "FROM \"public\".\"customers\"";
        const std::size_t table = view->definition.find(kRead);
        REQUIRE(table != std::string::npos);
        CHECK(view->definition.find(kRead, table + 1) == std::string::npos);
        CHECK(view->definition.rfind("'****@'", table) != std::string::npos);
        CHECK(view->definition.find("'****@'", table) == std::string::npos);
    }
    // A materialized one hands the column on.
    CHECK(compiled.masked("public", "customer_emails") == Names{"email=masking.rules[0]"});
    for (const char* name : {"product_prices", "customers_by_region", "customers_with_notes",
                             "region_totals", "schemas"}) {
        INFO(name);
        CHECK(compiled.open("public", name));
    }
    // A predicate touches, too.
    const auto notes = compile(Rules().add({"public.customers.notes"}, kNull));
    REQUIRE(notes.of("public", "customers_with_notes") != nullptr);
    CHECK_FALSE(notes.of("public", "customers_with_notes")->definition.empty());
    CHECK(notes.open("public", "customer_contacts"));
    CHECK_FALSE(notes.of("public", "customer_rows")->definition.empty());
    CHECK(notes.open("public", "customer_emails"));
    // What the system's own relations tell is masked within as well.
    const auto without_rules = compile({});
    const RelationPolicy* sessions = without_rules.of("public", "sessions");
    REQUIRE(sessions != nullptr);
    CHECK(sessions->masked_within == std::set<std::string>{"pg_catalog.pg_stat_activity.query"});
    CHECK(sessions->definition.find("pg_catalog") != std::string::npos);
}

TEST_CASE("a view has rules of its own", "[policy]") {
    const auto named = compile(Rules().add({"public.customer_contacts.name"}, kNull));
    CHECK(named.masked("public", "customer_contacts") == Names{"name=masking.rules[0]"});
    CHECK(named.of("public", "customer_contacts")->definition.empty());
    CHECK(named.warnings.empty());
    // A view over it is over what is masked.
    const RelationPolicy* again = named.of("public", "customer_contacts_again");
    REQUIRE(again != nullptr);
    CHECK(again->masked_within == std::set<std::string>{"public.customer_contacts.name"});
    // What a star has masked in the table is not masked again in a view that hands it on; a rule
    // that names the view is about the view.
    const auto star = compile(Rules().add({"*.*.email"}, kHash));
    CHECK(star.masked("public", "customer_contacts").empty());
    const auto both =
        compile(Rules().add({"*.*.email"}, kHash).add({"public.customer_contacts.email"}, kNull));
    CHECK(both.masked("public", "customer_contacts") == Names{"email=masking.rules[1]"});
    CHECK_FALSE(both.of("public", "customer_contacts")->definition.empty());
    // A mask that does not fit closes it.
    CHECK(compile(Rules().add({"public.product_prices.price"}, kHash))
              .masked("public", "product_prices") == Names{"closed"});
}

TEST_CASE("views are closed by what they call, and by system relations that are not open",
          "[policy]") {
    const auto compiled = compile({});
    for (const char* name : {"tables_as_xml", "writes_a_lot", "taxed", "joined", "evens"}) {
        INFO(name);
        CHECK(compiled.masked("public", name) == Names{"closed"});
    }
    CHECK(compiled.reason("public", "taxed").find("public.add_tax") != std::string::npos);
    CHECK(compile({}, {}, {"public.add_tax(numeric)"}).open("public", "taxed"));
    CHECK(compile({}, {}, {"*.*"}).masked("public", "writes_a_lot") == Names{"closed"});
    // Row security, and casts that to_json() finds.
    CHECK(compiled.masked("public", "audited") == Names{"closed"});
    CHECK(compiled.masked("public", "moods") == Names{"closed"});
    CHECK(compiled.open("public", "tickets"));
}

TEST_CASE("rules that name system relations close them", "[policy]") {
    const auto system = compile(Rules().add({"pg_catalog.pg_class.relname"}, kNull));
    CHECK(system.masked("pg_catalog", "pg_class") == Names{"closed"});
    CHECK(system.warnings.size() == 1);
    // Stars do not reach the system's relations.
    const auto all = compile(Rules().add({"*.*.*"}, kNull));
    CHECK(all.open("pg_catalog", "pg_namespace"));
    CHECK(all.masked("pg_catalog", "pg_stat_activity") == Names{"query=builtin: pg_stat_activity"});
}

TEST_CASE("a materialized view is masked by a rule that names it, or as what it copies",
          "[policy]") {
    const auto named = compile(Rules()
                                   .add({"public.customers.email"}, kEmail)
                                   .add({"public.customer_emails.email"}, kHash));
    CHECK(named.masked("public", "customer_emails") == Names{"email=masking.rules[1]"});
    const auto star = compile(Rules().add({"public.*.email"}, kEmail));
    CHECK(star.masked("public", "customer_emails") == Names{"email=masking.rules[0]"});
    // Grouped by, so that the groups tell.
    CHECK(compile(Rules().add({"public.orders.region"}, kNull)).masked("public", "region_totals") ==
          Names{"closed"});
}

TEST_CASE("a mask that cannot stand for its column closes the relation", "[policy]") {
    const auto compiled = compile(Rules().add({"public.orders.total"}, kHash));
    CHECK(compiled.masked("public", "orders") == Names{"closed"});
    REQUIRE(compiled.warnings.size() == 1);
    CHECK(compiled.warnings[0] ==
          "masking.rules[0] cannot apply to public.orders.total: the mask \"hash\" is for text, "
          "bigint, integer and uuid, and the column is numeric(12,2); the relation is closed");
    CHECK(compiled.masked("public", "region_totals") == Names{"closed"});
    CHECK(compiled.open("public", "order_lines"));
    CHECK(compile(Rules().add({"public.orders.status"}, constant("lost")))
              .masked("public", "orders") == Names{"closed"});
    CHECK(compile(Rules().add({"public.orders.status"}, constant("paid")))
              .masked("public", "orders") == Names{"status=masking.rules[0]"});
}

TEST_CASE("a rule that names nothing is told of", "[policy]") {
    const auto compiled =
        compile(Rules().add({"public.customer.email", "public.customers.mail"}, kNull));
    CHECK(compiled.warnings ==
          Names{"masking.rules[0]: public.customer.email names no existing column",
                "masking.rules[0]: public.customers.mail names no existing column"});
}

TEST_CASE("the system's own relations", "[policy]") {
    const auto compiled = compile({});
    for (const char* name :
         {"pg_statistic", "pg_statistic_ext_data", "pg_largeobject", "pg_hba_file_rules",
          "pg_file_settings", "pg_ident_file_mappings", "pg_config"}) {
        INFO(name);
        CHECK(compiled.masked("pg_catalog", name) == Names{"closed"});
    }
    const auto columns = [&](const char* schema, const char* name) {
        Names names;
        for (const MaskedColumn& masked : compiled.of(schema, name)->masked) {
            names.push_back(masked.column->name);
        }
        return names;
    };
    const Names values{"null_frac",           "avg_width",         "n_distinct",
                       "most_common_vals",    "most_common_freqs", "histogram_bounds",
                       "correlation",         "most_common_elems", "most_common_elem_freqs",
                       "elem_count_histogram"};
    CHECK(columns("pg_catalog", "pg_stats") == values);
    CHECK(columns("pg_catalog", "pg_authid") == Names{"rolpassword"});
    CHECK(columns("pg_catalog", "pg_shadow") == Names{"passwd"});
    CHECK(columns("pg_catalog", "pg_user_mapping") == Names{"umoptions"});
    CHECK(columns("pg_catalog", "pg_backend_memory_contexts") == Names{"ident"});
    CHECK(columns("pg_catalog", "pg_stats_ext") ==
          Names{"n_distinct", "dependencies", "most_common_vals", "most_common_val_nulls",
                "most_common_freqs", "most_common_base_freqs"});
    CHECK(columns("pg_catalog", "pg_stats_ext_exprs") == values);
    CHECK(columns("pg_catalog", "pg_stat_activity") == Names{"query"});
    CHECK(columns("pg_catalog", "pg_prepared_statements") == Names{"statement"});
    CHECK(columns("pg_catalog", "pg_cursors") == Names{"statement"});
    CHECK(columns("pg_catalog", "pg_user_mappings") == Names{"umoptions"});
    CHECK(columns("pg_catalog", "pg_subscription") == Names{"subconninfo"});
    CHECK(columns("pg_catalog", "pg_stat_wal_receiver") == Names{"conninfo"});
    CHECK(columns("information_schema", "user_mapping_options") == Names{"option_value"});
    CHECK(columns("pg_catalog", "pg_settings") == Names{"setting", "boot_val", "reset_val"});
    CHECK_FALSE(compiled.of("pg_catalog", "pg_settings")->filter.empty());
    // What psql's \d family, pg_dump, IDEs and drivers read.
    for (const char* name : {"pg_class",
                             "pg_attribute",
                             "pg_attrdef",
                             "pg_type",
                             "pg_proc",
                             "pg_index",
                             "pg_constraint",
                             "pg_namespace",
                             "pg_roles",
                             "pg_database",
                             "pg_depend",
                             "pg_description",
                             "pg_trigger",
                             "pg_rewrite",
                             "pg_inherits",
                             "pg_statistic_ext",
                             "pg_foreign_server",
                             "pg_extension",
                             "pg_policy",
                             "pg_publication",
                             "pg_subscription_rel",
                             "pg_largeobject_metadata",
                             "pg_auth_members",
                             "pg_db_role_setting",
                             "pg_tables",
                             "pg_views",
                             "pg_matviews",
                             "pg_indexes",
                             "pg_stat_user_tables",
                             "pg_locks",
                             "pg_sequences",
                             "pg_sequence"}) {
        INFO(name);
        CHECK(compiled.open("pg_catalog", name));
    }
    for (const char* name : {"columns", "tables", "key_column_usage", "views", "routines"}) {
        CHECK(compiled.open("information_schema", name));
    }
}

TEST_CASE("each system relation of the server is judged by name", "[policy]") {
    const auto compiled = compile({});
    for (const Relation& relation : compiled.policy->catalog().relations()) {
        const RelationPolicy* found = compiled.policy->relation(relation.oid);
        if (relation.oid < kFirstNormalObjectId && found != nullptr && found->closed) {
            INFO(relation.schema << "." << relation.name);
            CHECK(found->closed->reason.find("does not know") == std::string::npos);
        }
    }
}

TEST_CASE("policies are told apart, and keep their catalog", "[policy]") {
    auto first = compile({}).policy;
    auto second = compile({}).policy;
    CHECK(first->version() < second->version());
    CHECK(&first->catalog() == fixture_catalog().get());
}

TEST_CASE("a filter is over the table, its partitions and its children", "[policy][filter]") {
    const auto compiled = compile(Rules()
                                      .filter("public.orders", "region = 'EU'", {"dba"})
                                      .filter("public.events", "kind <> 'x'")
                                      .filter("public.orders", "total < 100", {"audit"}));
    CHECK(compiled.warnings.empty());
    const RelationPolicy* orders = compiled.of("public", "orders");
    REQUIRE(orders != nullptr);
    CHECK_FALSE(orders->closed);
    CHECK(orders->filter ==
          "(CAST(\"region\" AS pg_catalog.text) OPERATOR(pg_catalog.=) 'EU') AND "
          "(CAST(\"total\" AS numeric(12,2)) OPERATOR(pg_catalog.<) (100))");
    CHECK(orders->filter_rules == Names{"masking.rows[0]", "masking.rows[2]"});
    for (const char* name :
         {"events", "events_2025", "events_2026", "events_rest", "events_rest_all"}) {
        INFO(name);
        CHECK(compiled.of("public", name)->filter ==
              "(CAST(\"kind\" AS pg_catalog.text) OPERATOR(pg_catalog.<>) 'x')");
    }
    CHECK(compiled.policy->filtered_tables() == 2);
    CHECK(compiled.policy->is_masked(orders->relation->oid, 1));
    CHECK(compiled.open("public", "customers"));

    const auto dba = compile(Rules()
                                 .filter("public.orders", "region = 'EU'", {"dba"})
                                 .filter("public.orders", "total < 100", {"audit"}),
                             {"dba"});
    CHECK(dba.of("public", "orders")->filter_rules == Names{"masking.rows[1]"});
    CHECK(compile(Rules().filter("public.orders", "region = 'EU'", {"dba"}), {"dba"})
              .open("public", "orders"));
}

TEST_CASE("a parent shows of its child's rows what the child's filter keeps", "[policy][filter]") {
    const auto compiled = compile(Rules().filter("public.events_2026", "kind <> 'x'"));
    const RelationPolicy* events = compiled.of("public", "events");
    REQUIRE(events != nullptr);
    CHECK(events->filter ==
          "(tableoid OPERATOR(pg_catalog.<>) CAST('" +
              std::to_string(compiled.of("public", "events_2026")->relation->oid) +
              "' AS pg_catalog.oid) OR (CAST(\"kind\" AS pg_catalog.text) OPERATOR(pg_catalog.<>) "
              "'x'))");
    CHECK(compiled.open("public", "events_2025"));
    CHECK(compiled.open("public", "events_rest"));
    // Over a column that the parent lacks, nothing can stand for it there.
    const auto own = compile(Rules().filter("public.staff", "salary < 1000"));
    CHECK(own.masked("public", "people") == Names{"closed"});
    CHECK(own.of("public", "staff")->filter_rules == Names{"masking.rows[0]"});
    CHECK_FALSE(own.of("public", "staff")->closed);
}

TEST_CASE("views follow a filter, and materialized views are closed by it", "[policy][filter]") {
    const auto compiled = compile(
        Rules().filter("public.customers", "region = 'EU'").filter("public.orders", "total < 5"));
    for (const char* name : {"customer_contacts", "customer_contacts_again", "customer_rows",
                             "customers_by_region", "customers_with_notes", "customers_sampled"}) {
        INFO(name);
        const RelationPolicy* view = compiled.of("public", name);
        REQUIRE(view != nullptr);
        CHECK_FALSE(view->closed);
        CHECK(view->filter.empty());
        CHECK(view->definition.find("WHERE ((CAST(\"region\" AS pg_catalog.text) "
                                    "OPERATOR(pg_catalog.=) 'EU')) UNION ALL ") !=
              std::string::npos);
        CHECK(view->masked_within.empty());
        CHECK(view->filtered_within ==
              std::set<std::string>{"public.customers by masking.rows[0]"});
    }
    CHECK(compiled.open("public", "product_prices"));
    for (const char* name : {"customer_emails", "region_totals"}) {
        INFO(name);
        CHECK(compiled.masked("public", name) == Names{"closed"});
        CHECK(compiled.reason("public", name).find("hidden") != std::string::npos);
        CHECK(compiled.of("public", name)->closed->hint.find("masking.rows") != std::string::npos);
    }
    // A mask says nothing of its rows; a filter of its own does, a star does not mean it.
    Rules rules;
    rules.filter("public.customers", "region = 'EU'").add({"public.customer_emails.email"}, kNull);
    CHECK(compile(rules).masked("public", "customer_emails") == Names{"closed"});
    CHECK(compile(rules.filter("public.*_emails", "region = 'EU'"))
              .masked("public", "customer_emails") == Names{"closed"});
    const auto named = compile(rules.filter("public.customer_emails", "region = 'EU'"));
    CHECK(named.masked("public", "customer_emails") == Names{"email=masking.rules[0]"});
    CHECK_FALSE(named.of("public", "customer_emails")->filter.empty());
    // What is over it, too.
    CHECK(compile(Rules().filter("public.customer_contacts", "id < 5"))
              .of("public", "customer_contacts_again")
              ->filtered_within ==
          std::set<std::string>{"public.customer_contacts by masking.rows[0]"});
}

TEST_CASE("a filter that cannot be carried out closes its table", "[policy][filter]") {
    Rules rules;
    rules.filter("public.orders", "area = 'EU'").filter("*.customers", "stage = 'warm'");
    rules.filter("public.order", "true").filter("pg_catalog.pg_class", "true");
    std::vector<PolicyWarning> warnings;
    const auto policy = compile_policy(fixture_catalog(), rules.masking(), {}, {}, &warnings);
    REQUIRE(warnings.size() == 4);
    const auto told = [&](const char* text) {
        return std::any_of(warnings.begin(), warnings.end(), [&](const PolicyWarning& warning) {
            return warning.text.find(text) != std::string::npos;
        });
    };
    CHECK(
        told("masking.rows[0] cannot filter public.orders: it names area, which is not known "
             "here; the relation is closed"));
    CHECK(told("masking.rows[1] cannot filter public.customers"));
    CHECK(told("masking.rows[2]: public.order names no existing table"));
    CHECK(told("pg_catalog.pg_class names a system relation"));
    CHECK(std::count_if(warnings.begin(), warnings.end(), [](const PolicyWarning& warning) {
              return warning.position.line == 7;
          }) == 2);
    const auto compiled = compile(rules);
    CHECK(compiled.masked("public", "orders") == Names{"closed"});
    CHECK(compiled.masked("public", "region_totals") == Names{"closed"});
    CHECK(compiled.masked("public", "customers") == Names{"closed"});
    CHECK(compiled.masked("public", "customer_contacts") == Names{"closed"});
    CHECK_FALSE(compiled.of("crm", "customers")->closed);
    CHECK(compiled.masked("pg_catalog", "pg_class") == Names{"closed"});
}

TEST_CASE("a rule by type", "[policy][types]") {
    SECTION("a domain by its own name, an array by its brackets") {
        const auto compiled = compile(Rules().add_types({"public.ssn_t"}, kHash));
        CHECK(compiled.masked("public", "customers") == Names{"ssn=masking.rules[0]"});
        CHECK(compiled.masked("public", "kinds") == Names{"c_dom=masking.rules[0]"});
        CHECK(compiled.warnings.empty());
        CHECK(compile(Rules().add_types({"pg_catalog.text[]"}, kNull)).masked("public", "kinds") ==
              Names{"c_arr=masking.rules[0]"});
        CHECK(compile(Rules().add_types({"*.inet", "pg_catalog.cid*"}, kNull))
                  .masked("public", "kinds") ==
              Names{"c_inet=masking.rules[0]", "c_cidr=masking.rules[0]"});
        const auto text = compile(Rules().add_types({"pg_catalog.text"}, kHash));
        const Names masked = text.masked("public", "kinds");
        CHECK(std::find(masked.begin(), masked.end(), "c_dom=masking.rules[0]") == masked.end());
        CHECK(std::find(masked.begin(), masked.end(), "c_arr=masking.rules[0]") == masked.end());
        CHECK(std::find(masked.begin(), masked.end(), "c_coll=masking.rules[0]") != masked.end());
    }
    SECTION("together with columns") {
        const auto compiled = compile(
            Rules().add_types({"pg_catalog.text", "*.address"}, kNull, {"public.customers.n*"}));
        CHECK(compiled.masked("public", "customers") ==
              Names{"name=masking.rules[0]", "notes=masking.rules[0]",
                    "name_length=generated from a masked column"});
        CHECK(compiled.open("crm", "customers"));
    }
    SECTION("the last rule stands") {
        const auto compiled = compile(
            Rules().add({"public.customers.ssn"}, kNull).add_types({"public.ssn_t"}, kHash));
        CHECK(compiled.masked("public", "customers") == Names{"ssn=masking.rules[1]"});
    }
    SECTION("what names nothing is told of") {
        const auto compiled = compile(Rules()
                                          .add_types({"public.inet", "public.mood"}, kNull)
                                          .add_types({"pg_catalog.macaddr8"}, kNull)
                                          .add_types({"pg_catalog.uuid"}, kNull, {"crm.*.*"}));
        CHECK(compiled.warnings ==
              Names{"masking.rules[0]: public.inet names no existing type; one that is not in "
                    "pg_catalog needs its schema",
                    "masking.rules[1]: its list of types names no existing column of its types",
                    "masking.rules[2]: crm.*.* names no existing column of its types"});
    }
}

TEST_CASE("masked by default", "[policy][default]") {
    Rules rules;
    rules.add({"public.customers.email"}, kEmail, {"fraud"});
    rules.add({"public.events_2025.payload"}, kHash);
    rules.open({"public.customers.id", "public.customers.region", "public.events.*",
                "public.people.id", "public.*.total", "public.orders.id", "nowhere.*.*"});
    const auto compiled = compile(rules);
    CHECK(compiled.warnings == Names{"masking.open: nowhere.*.* names no existing column"});
    const Names customers = compiled.masked("public", "customers");
    REQUIRE(customers.size() == 11);
    CHECK(customers[0] == "name=masking.default");
    CHECK(customers[1] == "email=masking.rules[0]");
    CHECK(customers[2] == "phone=masking.default");
    CHECK(compiled.masked("crm", "customers").size() == 5);
    // A rule on one partition is its parent's, and what is open is so for children.
    CHECK(compiled.masked("public", "events_2025") == Names{"payload=masking.rules[1]"});
    CHECK(compiled.masked("public", "events") == Names{"payload=masking.rules[1]"});
    CHECK(compiled.open("public", "events_2026"));
    CHECK(compiled.masked("public", "staff") ==
          Names{"contact=masking.default", "badge=masking.default", "salary=masking.default"});
    // A rule that spares a user leaves the column as it is.
    const auto fraud = compile(rules, {"fraud"});
    const Names spared = fraud.masked("public", "customers");
    CHECK(std::find(spared.begin(), spared.end(), "email=masking.rules[0]") == spared.end());
    CHECK(spared.size() == 10);
    // Views follow. A star opens no materialized view, whatever the name of its column.
    const RelationPolicy* contacts = compiled.of("public", "customer_contacts");
    REQUIRE(contacts != nullptr);
    CHECK(contacts->masked.empty());
    CHECK_FALSE(contacts->definition.empty());
    CHECK(compiled.masked("public", "region_totals") ==
          Names{"region=masking.default", "total=masking.default", "orders=masking.default"});
    CHECK(compile(rules.open({"public.region_totals.total"})).masked("public", "region_totals") ==
          Names{"region=masking.default", "orders=masking.default"});
    // The system's own are as ever.
    CHECK(compiled.open("pg_catalog", "pg_class"));
    CHECK(compiled.open("information_schema", "schemata"));
    CHECK(compiled.masked("pg_catalog", "pg_stat_activity") ==
          Names{"query=builtin: pg_stat_activity"});
}
