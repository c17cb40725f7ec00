// Every function that may be called without configuration, PostgreSQL's own and those of the
// extensions that the server has, called on a real server in a READ ONLY transaction: nothing is
// refused there as a write, no transaction id is assigned, no lock stays that could be in anybody's
// way, and no setting changes. Needs VITRINE_TEST_DSN, a superuser's.

#include <libpq-fe.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "parser/masking/policy.h"
#include "parser/readonly/function_lists.h"
#include "tests/parser/fixture_catalog.h"

namespace vitrine::parser::test {
namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

Connection connect(const std::string& besides = {}) {
    const std::string settings = std::string(std::getenv("VITRINE_TEST_DSN")) + besides +
                                 " options='-c statement_timeout=5s -c client_min_messages=error'";
    Connection connection(PQconnectdb(settings.c_str()), PQfinish);
    REQUIRE(PQstatus(connection.get()) == CONNECTION_OK);
    return connection;
}

struct Answer {
    std::string sqlstate;  // empty: no error
    std::string value;     // of the last row
};

Answer run(PGconn* connection, const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection, sql.c_str()),
                                                               PQclear);
    Answer answer;
    if (const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE)) {
        answer.sqlstate = state;
    }
    if (PQntuples(result.get()) > 0) {
        answer.value = PQgetvalue(result.get(), 0, 0);
    }
    REQUIRE(PQstatus(connection) == CONNECTION_OK);
    return answer;
}

// What a call left behind, as far as its own transaction and session tell.
constexpr const char* kTraces = R"(
SELECT pg_catalog.concat_ws(', ',
    CASE WHEN pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL THEN 'a transaction id' END,
    (SELECT pg_catalog.string_agg(DISTINCT locktype || ' ' || mode, ', ')
     FROM pg_catalog.pg_locks
     WHERE pid = pg_catalog.pg_backend_pid() AND locktype <> 'virtualxid'
       AND (locktype = 'advisory' OR mode <> 'AccessShareLock'))))";
// Values that an argument of the type can have; two of them where that leads elsewhere.
std::vector<std::string> samples(const std::string& type) {
    static const std::map<std::string, std::vector<std::string>> kSamples{
        {"\"any\"", {"1", "'a'::text"}},
        {"any", {"1", "'a'::text"}},
        {"anyelement", {"1", "ROW(1, 'a')"}},
        {"anynonarray", {"1", "'a'::text"}},
        {"anycompatible", {"1", "'a'::text"}},
        {"anycompatiblenonarray", {"1", "'a'::text"}},
        {"anyarray", {"ARRAY[1, 2]", "ARRAY['a', 'b']"}},
        {"anycompatiblearray", {"ARRAY[1, 2]", "ARRAY['a', 'b']"}},
        {"anyenum", {"'new'::public.order_status"}},
        {"anyrange", {"'[1,5)'::int4range"}},
        {"anycompatiblerange", {"'[1,5)'::int4range"}},
        {"anymultirange", {"'{[1,5)}'::int4multirange"}},
        {"anycompatiblemultirange", {"'{[1,5)}'::int4multirange"}},
        {"record", {"ROW(1, 'a')"}},
        {"cstring", {"'1'::cstring", "'customers'::cstring"}},
        {"oid", {"'public.customers'::regclass::oid", "'integer'::regtype::oid"}},
        {"regclass", {"'public.customers'::regclass", "'public.customers_pkey'::regclass"}},
        {"regtype", {"'integer'::regtype"}},
        {"regconfig", {"'english'::regconfig"}},
        {"regdictionary", {"'simple'::regdictionary"}},
        {"regproc", {"'now'::regproc"}},
        {"regprocedure", {"'now()'::regprocedure"}},
        {"name", {"'customers'::name", "'public'::name"}},
        {"text", {"'customers'::text", "'1'::text"}},
        {"character varying", {"'a'::varchar"}},
        {"character", {"'a'::bpchar"}},
        {"\"char\"", {"'r'::\"char\""}},
        {"integer", {"1", "0"}},
        {"bigint", {"1::bigint", "0::bigint"}},
        {"smallint", {"1::smallint", "0::smallint"}},
        {"real", {"0.5::real"}},
        {"double precision", {"0.5::float8", "0::float8"}},
        {"numeric", {"1.5", "0::numeric"}},
        {"boolean", {"true", "false"}},
        {"bytea", {"'\\x61'::bytea"}},
        {"json", {"'{\"a\": 1}'::json", "'[1]'::json"}},
        {"jsonb", {"'{\"a\": 1}'::jsonb", "'[1]'::jsonb"}},
        {"jsonpath", {"'$.a'::jsonpath"}},
        {"xml", {"'<a/>'::xml"}},
        {"uuid", {"'00000000-0000-0000-0000-000000000001'::uuid"}},
        {"date", {"'2024-02-29'::date"}},
        {"time without time zone", {"'10:00'::time"}},
        {"time with time zone", {"'10:00+01'::timetz"}},
        {"timestamp without time zone", {"'2024-02-29 10:00'::timestamp"}},
        {"timestamp with time zone", {"'2024-02-29 10:00+01'::timestamptz"}},
        {"interval", {"'1 hour'::interval"}},
        {"money", {"'1'::money"}},
        {"bit", {"B'1'"}},
        {"bit varying", {"B'1'::varbit"}},
        {"inet", {"'10.0.0.1'::inet"}},
        {"cidr", {"'10.0.0.0/8'::cidr"}},
        {"macaddr", {"'08:00:2b:01:02:03'::macaddr"}},
        {"macaddr8", {"'08:00:2b:01:02:03:04:05'::macaddr8"}},
        {"point", {"'(1,1)'::point"}},
        {"box", {"'(1,1),(0,0)'::box"}},
        {"circle", {"'<(1,1),1>'::circle"}},
        {"lseg", {"'[(0,0),(1,1)]'::lseg"}},
        {"line", {"'{1,1,1}'::line"}},
        {"path", {"'((0,0),(1,1))'::path"}},
        {"polygon", {"'((0,0),(1,1),(1,0))'::polygon"}},
        {"tid", {"'(0,1)'::tid"}},
        {"xid", {"'3'::xid"}},
        {"xid8", {"'3'::xid8"}},
        {"cid", {"'1'::cid"}},
        {"pg_lsn", {"'0/1'::pg_lsn"}},
        {"pg_snapshot", {"pg_current_snapshot()"}},
        {"txid_snapshot", {"txid_current_snapshot()"}},
        {"tsvector", {"'a b'::tsvector"}},
        {"tsquery", {"'a & b'::tsquery"}},
        {"aclitem", {"'=r/postgres'::aclitem"}},
        {"refcursor", {"'c'::refcursor"}},
        {"oidvector", {"'23 25'::oidvector"}},
        {"int2vector", {"'1 2'::int2vector"}},
        // Of extensions.
        {"public.box2d", {"'BOX(0 0,1 1)'::public.box2d"}},
        {"public.box3d", {"'BOX3D(0 0 0,1 1 1)'::public.box3d"}},
        {"public.citext", {"'a'::public.citext"}},
        {"public.cube", {"'(1,2)'::public.cube"}},
        {"public.ean13", {"'0220356483481'::public.ean13"}},
        {"public.geography", {"'POINT(1 1)'::public.geography"}},
        {"public.geometry",
         {"'LINESTRING(0 0,1 1)'::public.geometry",
          "'SRID=4326;POLYGON((0 0,1 0,1 1,0 0))'::public.geometry"}},
        {"public.hstore", {"'a=>1'::public.hstore"}},
        {"public.ip4", {"'10.0.0.1'::public.ip4"}},
        {"public.ip4r", {"'10.0.0.0/8'::public.ip4r"}},
        {"public.ip6", {"'::1'::public.ip6"}},
        {"public.ip6r", {"'::/8'::public.ip6r"}},
        {"public.ipaddress", {"'10.0.0.1'::public.ipaddress"}},
        {"public.iprange", {"'10.0.0.0/8'::public.iprange"}},
        {"public.isbn", {"'0-393-04002-X'::public.isbn"}},
        {"public.isbn13", {"'978-0-393-04002-9'::public.isbn13"}},
        {"public.ismn", {"'979-0-060-11561-5'::public.ismn"}},
        {"public.ismn13", {"'979-0-060-11561-5'::public.ismn13"}},
        {"public.issn", {"'1436-4522'::public.issn"}},
        {"public.issn13", {"'977-1436-452-00-8'::public.issn13"}},
        {"public.lquery", {"'a.*'::public.lquery"}},
        {"public.ltree", {"'a.b'::public.ltree"}},
        {"public.ltxtquery", {"'a & b'::public.ltxtquery"}},
        {"public.query_int", {"'1&2'::public.query_int"}},
        {"public.raster", {"public.ST_MakeEmptyRaster(2, 2, 0, 0, 1)"}},
        {"public.seg", {"'1 .. 2'::public.seg"}},
        {"public.upc", {"'220356483481'::public.upc"}},
        {"public.vector", {"'[1,2]'::public.vector"}},
    };
    const auto found = kSamples.find(type);
    if (found != kSamples.end()) {
        return found->second;
    }
    if (type.ends_with("[]")) {
        const auto element = kSamples.find(type.substr(0, type.size() - 2));
        if (element != kSamples.end()) {
            return {"ARRAY[" + element->second.front() + "]"};
        }
    }
    return {"NULL::" + type};
}

std::string call(const Function& function, std::size_t variant) {
    std::string sql = "SELECT \"" + function.schema + "\".\"" + function.name + "\"(";
    for (std::size_t i = 0; i < function.argument_types.size(); ++i) {
        const std::vector<std::string> values = samples(function.argument_types[i]);
        sql += (i == 0 ? "" : ", ") + values[std::min(variant, values.size() - 1)];
    }
    return sql + (function.kind == 'w' ? ") OVER () LIMIT 3" : ") LIMIT 3");
}

struct Tried {
    Answer answer;
    std::string traces;  // what is left of it
};

Tried try_call(PGconn* connection, const std::string& sql) {
    run(connection, "BEGIN READ ONLY");
    Tried tried;
    tried.answer = run(connection, sql);
    if (tried.answer.sqlstate.empty()) {
        tried.traces = run(connection, kTraces).value;
    }
    run(connection, "ROLLBACK");
    return tried;
}

std::string settings_of(PGconn* connection) {
    const Answer answer = run(connection, R"(
SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat(name, '=', setting), ','
                                            ORDER BY name)) FROM pg_catalog.pg_settings)");
    REQUIRE(answer.sqlstate.empty());
    return answer.value;
}

struct Count {
    std::size_t called = 0;
    std::size_t answered = 0;
};

// Calls every function from one OID to another that the policy allows.
Count call_allowed(PGconn* connection, const Policy& policy, Oid first, Oid last) {
    const std::string settings = settings_of(connection);
    Count count;
    for (Oid oid = first; oid < last; ++oid) {
        const Function* function = policy.catalog().function(oid);
        if (function == nullptr || !policy.function_allowed(*function)) {
            continue;
        }
        for (const std::size_t variant : {std::size_t{0}, std::size_t{1}}) {
            const std::string sql = call(*function, variant);
            const Tried tried = try_call(connection, sql);
            INFO(sql << ": " << tried.answer.sqlstate);
            CHECK(tried.answer.sqlstate != "25006");
            CHECK(tried.traces.empty());
            ++count.called;
            count.answered += tried.answer.sqlstate.empty() ? 1 : 0;
        }
        if (oid % 64 == 0) {
            INFO("at or shortly before " << function->name);
            REQUIRE(settings_of(connection) == settings);
        }
    }
    CHECK(settings_of(connection) == settings);
    CHECK(run(connection, kTraces).value.empty());
    CHECK(run(connection, "SELECT count(*) FROM pg_largeobject_metadata").value == "0");
    return count;
}

}  // namespace

TEST_CASE("builtins that are allowed leave nothing behind", "[server][policy]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr) {
        return;
    }
    const Connection connection = connect();

    SECTION("what is looked for is found") {
        const std::string settings = settings_of(connection.get());
        CHECK(try_call(connection.get(), "SELECT nextval('orders_id_seq')").answer.sqlstate ==
              "25006");
        CHECK(try_call(connection.get(), "SELECT pg_current_xact_id()")
                  .traces.find("a transaction id") != std::string::npos);
        CHECK(
            try_call(connection.get(), "SELECT pg_advisory_xact_lock(1)").traces.find("advisory") !=
            std::string::npos);
        CHECK(try_call(connection.get(), "SELECT pg_advisory_lock(1)").traces.find("advisory") !=
              std::string::npos);
        CHECK(run(connection.get(), kTraces).value.find("advisory") != std::string::npos);
        run(connection.get(), "SELECT set_config('work_mem', '123kB', false)");
        CHECK(settings_of(connection.get()) != settings);
    }
    SECTION("and not in them") {
        const auto policy = compile_policy(fixture_catalog(), {}, {}, {});
        const Count count = call_allowed(connection.get(), *policy, 1, kFirstNormalObjectId);
        // Most were really run; the others object to such values, or need WITHIN GROUP.
        CHECK(count.called > 4000);
        CHECK(count.answered * 10 > count.called * 8);
    }
}

TEST_CASE("so do extensions' functions", "[server][policy]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr) {
        return;
    }
    const Connection server = connect();
    const std::string database =
        "vitrine_extensions_" + run(server.get(), "SELECT pg_backend_pid()").value;
    REQUIRE(run(server.get(), "CREATE DATABASE " + database).sqlstate.empty());
    {
        const Connection connection = connect(" dbname=" + database);
        run(connection.get(),
            "CREATE TABLE customers (id int PRIMARY KEY, n text);"
            "CREATE TYPE order_status AS ENUM ('new', 'old')");
        for (const TrustedExtension& extension : trusted_extensions()) {
            const std::string name(extension.name);
            if (run(connection.get(),
                    "SELECT 1 FROM pg_available_extensions WHERE name = '" + name + "'")
                    .value.empty()) {
                continue;
            }
            INFO(name);
            CHECK(run(connection.get(), "CREATE EXTENSION \"" + name + "\" CASCADE")
                      .sqlstate.empty());
        }
        std::stringstream rows;
        dump_catalog(connection.get(), rows);
        const auto policy = compile_policy(read_catalog(rows), {}, {}, {});
        const std::string last = run(connection.get(), "SELECT max(oid) FROM pg_proc").value;
        const Count count = call_allowed(connection.get(), *policy, kFirstNormalObjectId,
                                         static_cast<Oid>(std::stoul(last)) + 1);
        CHECK(count.called > 1000);
        CHECK(count.answered * 10 > count.called * 7);
    }
    CHECK(run(server.get(), "DROP DATABASE " + database + " WITH (FORCE)").sqlstate.empty());
}

}  // namespace vitrine::parser::test
