// Catalogs of a few rows, for what no catalog of the tests' database shows.

#include <catch2/catch.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "parser/catalog/loader.h"
#include "parser/catalog/queries.h"
#include "parser/masking/policy.h"
#include "tests/parser/policy_material.h"

using namespace vitrine::parser;
using namespace vitrine::parser::test;
using vitrine::config::MaskKind;

namespace {

using Row = std::vector<std::optional<std::string_view>>;

// A table p (oid 20001) with the child c (20002), and a view v (20003) over the table: each with
// the columns id and secret.
class SmallCatalog {
  public:
    explicit SmallCatalog(const char* kind_of_v = "v") {
        add(kDatabase, {"150020", "small", "pg_catalog, pg_temp", "UTF8"});
        add(kSchemas, {"public", "t"});
        add(kTypes, {"16", "pg_catalog", "bool", "b", "0", "0", "0", "B", "true", "boolean",
                     std::nullopt, "-1", "false"});
        add(kTypes, {"25", "pg_catalog", "text", "b", "0", "0", "0", "S", "true", "text",
                     std::nullopt, "-1", "false"});
        add(kFunctions, {"67", "pg_catalog", "texteq", "f", "i", "false", "internal", std::nullopt,
                         "0", "false", "25 25", "16", "false", std::nullopt, "false"});
        add(kFunctions, {"20010", "public", "f", "f", "s", "false", "plpgsql", std::nullopt, "0",
                         "false", "", "25", "false", std::nullopt, "false"});
        add(kOperators, {"98", "pg_catalog", "=", "25", "25", "67", "16"});
        add(kRelations, {"20001", "public", "p", "r", "0", "false", std::nullopt});
        add(kRelations, {"20002", "public", "c", "r", "0", "true", std::nullopt});
        add(kRelations, {"20003", "public", "v", kind_of_v, "0", "false", std::nullopt});
        for (const char* relation : {"20001", "20002", "20003"}) {
            add(kColumns, {relation, "id", "1", "25", "-1", "pg_catalog.text", "true", "false",
                           std::nullopt});
            add(kColumns, {relation, "secret", "2", "25", "-1", "pg_catalog.text", "false", "false",
                           std::nullopt});
        }
        add(kInheritance, {"20002", "20001"});
    }
    SmallCatalog& definition(std::string_view relation, std::string_view what,
                             std::string_view named) {
        add(kDefinitions, {relation, what, named});
        return *this;
    }
    // Columns of v that are masked under a rule that masks p.secret; "closed" where it is closed.
    std::vector<std::string> masked_in_v(const std::string& rule = "public.p.secret") {
        std::string error;
        const auto catalog = builder_.finish(error);
        INFO(error);
        REQUIRE(catalog != nullptr);
        const auto policy =
            compile_policy(catalog, Rules().add({rule}, mask(MaskKind::kNull)).masking(), {}, {});
        const RelationPolicy* found = policy->relation(20003);
        std::vector<std::string> names;
        if (found != nullptr && found->closed) {
            names.emplace_back("closed");
        }
        for (std::size_t i = 0; found != nullptr && i < found->masked.size(); ++i) {
            names.push_back(found->masked[i].column->name);
        }
        return names;
    }
    // Closed relations under a rule that masks p.secret.
    std::vector<std::string> closed(const std::vector<std::string>& rules = {"public.p.secret"}) {
        std::string error;
        auto catalog = builder_.finish(error);
        INFO(error);
        REQUIRE(catalog != nullptr);
        const auto policy =
            compile_policy(catalog, Rules().add(rules, mask(MaskKind::kNull)).masking(), {}, {});
        std::vector<std::string> names;
        for (const Relation& relation : catalog->relations()) {
            const RelationPolicy* found = policy->relation(relation.oid);
            if (found != nullptr && found->closed) {
                names.push_back(relation.name);
                CHECK(policy->is_masked(relation.oid, 1));
                CHECK_FALSE(found->closed->reason.empty());
                CHECK_FALSE(found->closed->hint.empty());
            }
        }
        return names;
    }

  private:
    void add(std::size_t query, const Row& row) { REQUIRE(builder_.add(query, row)); }

    SnapshotBuilder builder_;
};

using Names = std::vector<std::string>;

Function of_extension(const char* extension, const char* name, char volatility = 's') {
    Function function;
    function.oid = 20000;
    function.schema = "public";
    function.name = name;
    function.language = "c";
    function.extension = extension;
    function.volatility = volatility;
    return function;
}

}  // namespace

TEST_CASE("a view is closed where its definition does not say which columns it reads", "[policy]") {
    CHECK(SmallCatalog().definition("20003", "relid", "20001").closed() == Names{"v"});
    CHECK(SmallCatalog()
              .definition("20003", "relid", "20001")
              .definition("20003", "selected", "20001 7")
              .closed() == Names{"v"});
    CHECK(SmallCatalog()
              .definition("20003", "relid", "20001")
              .definition("20003", "selected", "20001 8")
              .closed() == Names{});
    CHECK(SmallCatalog()
              .definition("20003", "relid", "20001")
              .definition("20003", "selected", "20001 8 9")
              .closed() == Names{"v"});
    // Read twice, once openly.
    CHECK(SmallCatalog()
              .definition("20003", "relid", "20001")
              .definition("20003", "selected", "20001 8")
              .definition("20003", "selected", "20001 9")
              .closed() == Names{"v"});
}

TEST_CASE("a view over what the catalog lacks is closed", "[policy]") {
    CHECK(SmallCatalog().definition("20003", "relid", "29999").closed() == Names{"v"});
    CHECK(SmallCatalog().definition("20003", "funcid", "29999").closed() == Names{"v"});
}

TEST_CASE("a parent is closed with its child, and what reads the parent with it", "[policy]") {
    CHECK(SmallCatalog()
              .definition("20002", "funcid", "20010")
              .definition("20003", "relid", "20001")
              .definition("20003", "selected", "20001 8")
              .closed({"public.p.nothing"}) == Names{"p", "c", "v"});
}

TEST_CASE("extensions that the tests' database does not have", "[policy]") {
    const vitrine::config::FunctionRules none;
    const auto verdict = [&](const Function& function) {
        return judge_function(function, none).verdict;
    };
    CHECK(verdict(of_extension("postgis", "st_area")) == FunctionVerdict::kAllowed);
    CHECK(verdict(of_extension("postgis", "_postgis_stats")) == FunctionVerdict::kRefused);
    CHECK(verdict(of_extension("postgis", "st_estimatedextent")) == FunctionVerdict::kRefused);
    CHECK(verdict(of_extension("uuid-ossp", "uuid_generate_v4", 'v')) == FunctionVerdict::kAllowed);
    CHECK(verdict(of_extension("isn", "isn_weak", 'v')) == FunctionVerdict::kRefused);
    CHECK(verdict(of_extension("vector", "cosine_distance", 'i')) == FunctionVerdict::kAllowed);
    for (const char* extension : {"dblink", "lo", "xml2", "file_fdw", "postgis_raster", "adminpack",
                                  "unheard_of", "pg_stat_statements"}) {
        INFO(extension);
        CHECK(verdict(of_extension(extension, "f", 'i')) == FunctionVerdict::kRefused);
    }
    Function definer = of_extension("citext", "f", 'i');
    definer.security_definer = true;
    CHECK(verdict(definer) == FunctionVerdict::kRefused);
    Function plpgsql = of_extension("citext", "f", 'i');
    plpgsql.language = "plpgsql";
    CHECK(verdict(plpgsql) == FunctionVerdict::kRefused);
    // In pg_catalog, and not the server's own.
    Function late = of_extension("", "lower", 'i');
    late.schema = "pg_catalog";
    CHECK(verdict(late) == FunctionVerdict::kRefused);
}

TEST_CASE("a materialized view is masked by its definition where that is certain", "[policy]") {
    const auto v = [](std::string_view definition) {
        SmallCatalog small("m");
        small.definition("20003", "definition", definition);
        small.definition("20003", "relid", "20001");
        small.definition("20003", "selected", "20001 8 9");
        return small.masked_in_v();
    };
    CHECK(v(" SELECT p.id, p.secret FROM public.p;") == Names{"secret"});
    CHECK(v(" SELECT p.secret AS id, p.id AS secret FROM public.p;") == Names{"id"});
    CHECK(v(" SELECT a.secret AS id, b.secret FROM (public.p a JOIN public.p b ON ((a.id = "
            "b.id)));") == Names{"id", "secret"});
    CHECK(v(" SELECT id, secret FROM public.p WHERE (id > 'x'::text);") == Names{"secret"});
    for (const char* definition : {
             "",
             " SELECT p.id, lower(p.secret) AS secret FROM public.p;",
             " SELECT p.id, p.secret FROM public.p WHERE (p.secret > 'x'::text);",
             " SELECT p.id, p.secret FROM public.p ORDER BY p.secret LIMIT 5;",
             " SELECT DISTINCT p.id, p.secret FROM public.p;",
             " SELECT p.id, p.secret FROM public.p GROUP BY p.id, p.secret;",
             " SELECT p.id, count(*) AS secret FROM public.p GROUP BY p.id, p.secret;",
             " SELECT p.id, p.secret FROM public.p UNION ALL SELECT p.id, p.secret FROM public.p;",
             " SELECT x.id, x.secret FROM ( SELECT p.id, p.secret FROM public.p) x;",
             " WITH x AS ( SELECT p.id, p.secret FROM public.p) SELECT x.id, x.secret FROM x;",
             " SELECT q.id, q.other AS secret FROM public.p q(id, other);",
             " SELECT p.id, (p.*)::text AS secret FROM public.p;",
             " SELECT p.id, to_json(p) AS secret FROM public.p;",
             " SELECT a.id, a.secret FROM (public.p a JOIN public.p b USING (secret));",
             " SELECT a.id, a.secret FROM (public.p a NATURAL JOIN public.p b);",
             " SELECT p.id, ( SELECT max(q.secret) AS max FROM public.p q) AS secret FROM "
             "public.p;",
             " SELECT p.id, p.id AS secret FROM public.p WHERE (EXISTS ( SELECT 1 FROM public.p q "
             "WHERE (q.secret = p.id)));",
             " SELECT p.id FROM public.p;",
             " not SQL",
         }) {
        INFO(definition);
        CHECK(v(definition) == Names{"closed"});
    }
}

TEST_CASE("a rule with a star spares a view's column only where it is the table's", "[policy]") {
    const auto v = [](std::string_view definition) {
        SmallCatalog small;
        small.definition("20003", "definition", definition);
        small.definition("20003", "relid", "20001");
        small.definition("20003", "selected", "20001 8 9");
        return small.masked_in_v("public.*.secret");
    };
    for (const char* definition :
         {" SELECT p.id, p.secret FROM public.p;", " SELECT id, secret FROM public.p;",
          " SELECT a.id, b.secret FROM (public.p a JOIN public.p b USING (id));",
          " SELECT p.id, p.secret FROM public.p UNION SELECT p.id, p.secret FROM public.p;"}) {
        INFO(definition);
        CHECK(v(definition) == Names{});
    }
    for (const char* definition :
         {" SELECT p.secret AS id, p.id AS secret FROM public.p;",
          " SELECT id, secret FROM (( SELECT p.id, p.id AS secret FROM public.p) x FULL JOIN "
          "public.p USING (id, secret));",
          " SELECT p.id, secret FROM public.p, LATERAL ( SELECT p.id AS secret) x;",
          " SELECT j.id, j.secret FROM (public.p JOIN ( SELECT 1 AS one) o ON true) j;",
          " SELECT c.id, c.secret FROM (public.p c JOIN ( SELECT 1 AS one) o ON true) j, "
          "( SELECT p.id, p.id AS secret FROM public.p) c;",
          " SELECT p.id, p.secret FROM public.p p(secret, id);",
          " SELECT p.id, p.secret FROM public.p UNION SELECT p.id, p.id FROM public.p;",
          " SELECT p.id, COALESCE(p.secret) AS secret FROM public.p;"}) {
        INFO(definition);
        CHECK(v(definition) == Names{"secret"});
    }
}
