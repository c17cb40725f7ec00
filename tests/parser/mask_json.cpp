// The mask `json`, run by PostgreSQL on documents of every shape, and compared with its definition
// (parser/masking/json_mask.h) written out again as a recursive function, one path at a time.

#include "parser/masking/json_mask.h"

#include <catch2/catch.hpp>
#include <random>

#include "parser/masking/mask_expression.h"
#include "tests/parser/fixture_catalog.h"
#include "tests/parser/mask_checks.h"
#include "tests/parser/policy_material.h"

using namespace vitrine::parser;
using namespace vitrine::parser::test;
using vitrine::config::JsonMask;
using vitrine::config::Mask;
using vitrine::config::MaskKind;

namespace {

Mask round_to(std::string multiple) {
    Mask mask;
    mask.kind = MaskKind::kRound;
    mask.multiple = std::move(multiple);
    return mask;
}

struct Path {
    std::vector<std::string> keys;
    Mask mask;
    const char* name;  // what the oracle below calls the mask
};

Mask json(const std::vector<Path>& paths) {
    Mask mask;
    mask.kind = MaskKind::kJson;
    for (const Path& path : paths) {
        mask.json.push_back({"$", path.keys, path.mask});
    }
    return mask;
}

// The definition, once more.
constexpr const char* kOracle = R"(
CREATE FUNCTION pg_temp.masked_text(mask text, v text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE mask
        WHEN 'hash' THEN 'h_' || left(encode(sha256(convert_to(
            current_setting('vitrine.mask_key') || v, 'UTF8')), 'hex'), 16)
        WHEN 'email' THEN '****@' || CASE WHEN v LIKE '%@%' THEN regexp_replace(v, '^[^@]*@', '')
                                          ELSE '' END
        WHEN 'partial' THEN CASE WHEN length(v) <= 2 THEN regexp_replace(v, '.', '#', 'g')
            ELSE left(v, 1) || repeat('#', length(v) - 2) || right(v, 1) END END $$;
CREATE FUNCTION pg_temp.masked_end(mask text, v jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF mask = 'null' THEN RETURN 'null'; END IF;
    IF mask = 'constant' THEN RETURN '"it''s \\ gone"'; END IF;
    IF mask = 'round' THEN
        RETURN CASE WHEN jsonb_typeof(v) = 'number'
                    THEN to_jsonb((floor(v::numeric / 10) * 10)::numeric(200, 0)) ELSE 'null' END;
    END IF;
    RETURN CASE WHEN jsonb_typeof(v) IN ('string', 'number', 'boolean')
                THEN to_jsonb(pg_temp.masked_text(mask, v #>> '{}')) ELSE 'null' END;
END $$;
CREATE FUNCTION pg_temp.masked_at(mask text, v jsonb, keys text[], in_array bool)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE result jsonb := '[]'; element jsonb;
BEGIN
    IF jsonb_typeof(v) = 'array' AND NOT in_array
       AND NOT (cardinality(keys) = 0 AND mask IN ('null', 'constant')) THEN
        FOR element IN SELECT jsonb_array_elements(v) LOOP
            result := result || jsonb_build_array(pg_temp.masked_at(mask, element, keys, true));
        END LOOP;
        RETURN result;
    END IF;
    IF cardinality(keys) = 0 THEN RETURN pg_temp.masked_end(mask, v); END IF;
    IF jsonb_typeof(v) <> 'object' THEN RETURN 'null'; END IF;
    IF NOT v ? keys[1] THEN RETURN v; END IF;
    RETURN jsonb_set(v, keys[1:1], pg_temp.masked_at(mask, v -> keys[1], keys[2:], false));
END $$)";

// Objects and arrays in one another, with the keys that the paths have and others.
std::string random_document(std::mt19937& random, unsigned depth) {
    static const std::vector<std::string> kKeys{"\"a\"",    "\"b\"",    "\"a.b\"", "\"it's\"",
                                                "\"\\\"\"", "\"\\\\\"", "\"0\"",   "\"é😀\""};
    static const std::vector<std::string> kScalars{"null",        "true",
                                                   "false",       "0",
                                                   "-7.25",       "1e50",
                                                   "-123456",     "\"\"",
                                                   "\"x\"",       "\"ada@mail.example\"",
                                                   "\"a\\\\b\"",  "\"\\u0001\\n\"",
                                                   "\"日本😀語\"", "\"{\\\"a\\\": 1}\"",
                                                   "\"null\""};
    const auto kind = random() % (depth == 0 ? 2 : 7);
    if (kind < 2) {
        return kScalars[random() % kScalars.size()];
    }
    std::string text;
    for (auto size = random() % 4; size > 0; --size) {
        text += text.empty() ? "" : ", ";
        text += kind < 5 ? kKeys[random() % kKeys.size()] + ": " : "";
        text += random_document(random, depth - 1);
    }
    return kind < 5 ? "{" + text + "}" : "[" + text + "]";
}

std::vector<std::string> documents() {
    std::vector<std::string> all{
        "null",
        "1",
        "\"secret\"",
        "true",
        "[]",
        "{}",
        "[[]]",
        "[1, \"a\"]",
        "[[{\"a\": \"x\"}]]",
        R"({"a": "x"})",
        R"({"a": ["x", 1, null, true, {"b": "x"}, ["x"]]})",
        R"({"a": null})",
        R"({"a": {"b": "x"}})",
        R"({"a": [{"b": "x"}, {"c": 1}, "x", [{"b": "x"}]]})",
        R"([{"a": {"b": [{"a": "x"}]}}, {"a": "x"}])",
        R"({"a": []})",
        R"({"a": {}})",
        R"({"b": {"a": "x", "b": [1, 2]}, "a.b": "x", "it's": {"\"": "x", "\\": "y"}})",
        R"({"a": "{\"b\": \"x\"}"})"};
    std::mt19937 random(20261128);
    for (int count = 0; count < 120; ++count) {
        all.push_back(random_document(random, 5));
    }
    // Deep beside the path and on it.
    const auto nested = [](const char* open, const char* close) {
        std::string text;
        for (int depth = 0; depth < 1000; ++depth) {
            text += open;
        }
        text += "1";
        for (int depth = 0; depth < 1000; ++depth) {
            text += close;
        }
        return text;
    };
    all.push_back(R"({"z": )" + nested("[", "]") + R"(, "a": "x"})");
    all.push_back(nested("{\"a\": ", "}"));
    all.push_back(R"({"a": )" + nested("[", "]") + "}");
    return all;
}

void check_json(Server& server, const Column& column, const std::vector<Path>& paths) {
    server.rows("UPDATE odd SET expected = " + column.name);
    for (const Path& path : paths) {
        Server::Row parameters{path.name};
        std::string keys;
        for (const std::string& key : path.keys) {
            parameters.emplace_back(key);
            keys += (keys.empty() ? "$" : ", $") + std::to_string(parameters.size());
        }
        server.rows("UPDATE odd SET expected = pg_temp.masked_at($1, expected, ARRAY[" + keys +
                        "]::text[], false)",
                    parameters);
    }
    server.rows("UPDATE odd SET expected = NULL WHERE " + column.name + " IS NULL");
    check_expected(server, expression(json(paths), column), column);
}

}  // namespace

TEST_CASE("json, on documents of every shape", "[mask][server]") {
    Server server;
    make_evil(server);
    server.rows(kOracle);
    // The column has the name of what the mask's own queries call theirs.
    for (const char* name : {"c_jsonb", "v", "e1"}) {
        Column column = column_of("c_jsonb");
        column.name = name;
        server.rows("DROP TABLE IF EXISTS pg_temp.odd; CREATE DOMAIN pg_temp.document_" +
                    column.name + " AS jsonb; CREATE TEMP TABLE odd (n serial, " + column.name +
                    " pg_temp.document_" + column.name + ", expected jsonb)");
        for (const std::string& document : documents()) {
            server.rows("INSERT INTO odd (" + column.name + ") VALUES ($1)", {document});
        }
        server.rows("INSERT INTO odd DEFAULT VALUES");
        reset_session(server);
        const Path hash{{"a"}, mask(MaskKind::kHash), "hash"};
        check_json(server, column, {hash});
        if (column.name != "c_jsonb") {
            continue;
        }
        check_json(server, column, {{{"a"}, mask(MaskKind::kNull), "null"}});
        check_json(server, column, {{{"a"}, constant("it's \\ gone"), "constant"}});
        check_json(server, column, {{{"a"}, mask(MaskKind::kEmail), "email"}});
        check_json(server, column, {{{"a"}, partial(1, 1, "#"), "partial"}});
        check_json(server, column, {{{"a"}, round_to("10"), "round"}});
        check_json(server, column, {{{"a", "b"}, mask(MaskKind::kHash), "hash"}});
        check_json(server, column, {{{"a", "a", "b", "a"}, mask(MaskKind::kHash), "hash"}});
        check_json(server, column,
                   {{{"a", "b"}, mask(MaskKind::kHash), "hash"},
                    {{"a", "a"}, mask(MaskKind::kNull), "null"},
                    {{"a.b"}, mask(MaskKind::kHash), "hash"},
                    {{"it's", "\""}, mask(MaskKind::kHash), "hash"},
                    {{"it's", "\\"}, constant("it's \\ gone"), "constant"},
                    {{"b", "0"}, mask(MaskKind::kHash), "hash"},
                    {{"b", "é😀"}, partial(1, 1, "#"), "partial"}});
        check_json(server, column,
                   {{std::vector<std::string>(32, "a"), mask(MaskKind::kHash), "hash"}});
    }
}

TEST_CASE("json hides a document that could outgrow jsonb", "[mask][server]") {
    Server server;
    server.rows(
        "SET vitrine.mask_key = 'k'; CREATE TEMP TABLE large AS SELECT"
        " jsonb_build_object('a', (SELECT array_agg('x'::text) FROM"
        " generate_series(1, 400000))) AS c_jsonb");
    const Column column = column_of("c_jsonb");
    const auto type_of = [&](const Mask& mask) {
        return server.rows("SELECT jsonb_typeof(x) FROM (SELECT " + expression(mask, column) +
                           " AS x FROM large) s")[0][0];
    };
    CHECK(type_of(json({{{"a"}, mask(MaskKind::kHash), ""}})) == "object");
    CHECK(type_of(json({{{"a"}, partial(0, 0, std::string(160, '#')), ""}})) == "null");
    CHECK(type_of(json({{{"a"}, constant(std::string(4000, 'x')), ""}})) == "null");
}

TEST_CASE("json refuses the types it is not for", "[mask]") {
    std::string why;
    const Mask mask = json({{{"a"}, vitrine::parser::test::mask(MaskKind::kHash), ""}});
    for (const char* name : {"c_json", "c_text", "c_i4", "c_arr", "c_comp"}) {
        INFO(name);
        why.clear();
        CHECK_FALSE(
            mask_expression(mask, column_of(name), *fixture_catalog(), why, column_of(name)));
        CHECK_FALSE(why.empty());
    }
}
