#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/fuzz/server/writer.h"

namespace vitrine::fuzz {
namespace {

Oid oid(const std::string& text) {
    Oid value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

std::vector<Oid> oids(const std::string& list) {
    std::vector<Oid> all;
    std::istringstream in(list);
    for (std::string one; in >> one;) {
        all.push_back(oid(one));
    }
    return all;
}

// The statements of tests/parser/golden and the reads of tests/integration.
std::vector<std::string> seeds(const std::string& source_dir) {
    std::vector<std::string> all;
    const std::filesystem::path tests = std::filesystem::path(source_dir) / "tests";
    for (const auto& entry : std::filesystem::directory_iterator(tests / "parser/golden")) {
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);) {
            if (!line.empty() && line[0] != '#' && line[0] != '%' && !line.starts_with("    ")) {
                all.push_back(line);
            }
        }
    }
    for (const auto& entry : std::filesystem::directory_iterator(tests / "integration")) {
        if (entry.path().extension() != ".psql") {
            continue;
        }
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);) {
            if (!line.empty() && line[0] != '-' && line[0] != '\\') {
                all.push_back(line);
            }
        }
    }
    // The order of a directory is not that of another machine.
    std::sort(all.begin(), all.end());
    return all;
}

// What a single token is replaced by, besides the names out of the catalog.
constexpr std::string_view kWords =
    "SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET DISTINCT ON AS ALL ANY SOME IN EXISTS "
    "NOT "
    "AND OR NULL TRUE FALSE IS BETWEEN SYMMETRIC LIKE ILIKE SIMILAR TO ESCAPE CASE WHEN THEN ELSE "
    "END CAST COLLATE UNION INTERSECT EXCEPT WITH RECURSIVE MATERIALIZED LATERAL JOIN LEFT RIGHT "
    "FULL CROSS NATURAL USING VALUES TABLE ONLY TABLESAMPLE BERNOULLI SYSTEM REPEATABLE WINDOW "
    "OVER "
    "PARTITION ROWS RANGE GROUPS UNBOUNDED PRECEDING FOLLOWING CURRENT ROW EXCLUDE TIES FILTER "
    "WITHIN ARRAY VARIADIC ORDINALITY CUBE ROLLUP GROUPING SETS FOR UPDATE SHARE NOWAIT SKIP "
    "LOCKED "
    "INTO EXPLAIN ANALYZE VERBOSE COPY STDOUT STDIN PROGRAM FORMAT CSV PREPARE EXECUTE DEALLOCATE "
    "DECLARE CURSOR SCROLL HOLD FETCH MOVE CLOSE BEGIN COMMIT ROLLBACK SAVEPOINT RELEASE "
    "TRANSACTION READ WRITE ISOLATION LEVEL SERIALIZABLE DEFERRABLE CHAIN SET LOCAL SESSION RESET "
    "SHOW DISCARD LOCK ACCESS EXCLUSIVE MODE INSERT UPDATE DELETE MERGE CREATE TEMP VIEW CALL DO "
    "LISTEN NOTIFY UNLISTEN VACUUM TRUNCATE GRANT EXTRACT POSITION OVERLAY SUBSTRING TRIM LEADING "
    "NORMALIZE OVERLAPS AT TIME ZONE INTERVAL COALESCE NULLIF GREATEST LEAST XMLELEMENT XMLFOREST "
    "XMLPARSE XMLSERIALIZE XMLTABLE XMLEXISTS CURRENT_USER SESSION_USER CURRENT_DATE "
    "LOCALTIMESTAMP ROW OPERATOR SETOF DEFAULT NULLS FIRST LAST ASC DESC TIES NEXT "
    "( ) , ; . * [ ] :: := => : $1 $2 $3 0 1 -1 2 10 100 1.5 1e300 2147483647 9223372036854775807 "
    "'' 'x' 'a%' '1' '{1,2}' '{}' '[1,5)' '2025-01-01' 'pg_class' '1 day' '{\"a\":1}' '<a/>' 'on' "
    "'off' E'\\\\x' U&'\\0041' B'101' X'1F' $$a$$ \"a\" U&\"\\0061\" + - / % ^ = <> < > <= >= || ~ "
    "!~ ~* ~~ !~~ -> ->> #> #>> @> <@ ? ?| ?& @@ @? && -|- << >> & | # !! ## <-> |/ @ /**/ --\n "
    "bird public pg_catalog crm information_schema pg_temp search_path role nextval setval "
    "lo_create pg_notify set_config pg_advisory_lock query_to_xml ts_stat txid_current dblink "
    "pg_read_file touched checked checked_text checked_twice by_operator key colour items typed "
    "lower first_of any_of named padded joined listed tabled inlined following total placed "
    "finished spans parts guarded over_guarded by_function by_cast by_implicit_cast by_domain "
    "by_order by_aggregate by_view items_plain add_tax secret orders_id_seq";

}  // namespace

Oid Vocabulary::named(std::string_view sql) const {
    for (const auto& [type, known] : types) {
        if (known.sql == sql) {
            return type;
        }
    }
    return 0;
}

Vocabulary load_vocabulary(Oracle& oracle, const std::string& source_dir,
                           const std::function<bool(const std::string&)>& allowed) {
    Vocabulary known;
    oracle.rows("SET search_path = pg_catalog");
    for (const auto& row : oracle.rows(
             "SELECT t.oid, "
             "format_type(t.oid, NULL), t.typtype, t.typarray, CASE WHEN t.typcategory = 'A' "
             "THEN t.typelem ELSE 0 END FROM pg_type t JOIN pg_namespace n ON n.oid = "
             "t.typnamespace WHERE n.nspname !~ '^pg_(toast|temp_)' ORDER BY t.oid")) {
        const Oid type = oid(row[0]);
        known.types[type] = {type, row[1], row[2][0], oid(row[3]), oid(row[4])};
    }
    std::unordered_map<Oid, bool> judged;
    const auto usable = [&](Oid type) {
        const auto found = judged.find(type);
        if (found != judged.end()) {
            return found->second;
        }
        const auto named = known.types.find(type);
        const bool well =
            named != known.types.end() &&
            (named->second.kind == 'p' ? named->second.sql != "internal"
                                       : allowed("SELECT NULL::" + named->second.sql));
        judged[type] = well;
        return well;
    };
    for (const auto& row : oracle.rows(
             "SELECT quote_ident(nspname), quote_ident(proname), prokind, proretset::int, "
             "(provariadic <> 0)::int, proargtypes, prorettype FROM pg_proc p JOIN pg_namespace n "
             "ON n.oid = p.pronamespace ORDER BY p.oid")) {
        KnownFunction function{row[0],        row[1],       row[2][0],  row[3] == "1",
                               row[4] == "1", oids(row[5]), oid(row[6])};
        std::string sql = "SELECT " + function.schema + "." + function.name + "(";
        for (std::size_t i = 0; i < function.arguments.size(); ++i) {
            sql += i > 0 ? ", NULL" : "NULL";
        }
        const bool well = allowed(sql + ")") && function.kind != 'p' &&
                          std::all_of(function.arguments.begin(), function.arguments.end(), usable);
        (well ? known.functions : known.refused).push_back(std::move(function));
    }
    for (const auto& row : oracle.rows(
             "SELECT quote_ident(nspname), oprname, oprleft, oprright, oprresult FROM pg_operator "
             "o JOIN pg_namespace n ON n.oid = o.oprnamespace ORDER BY o.oid")) {
        if ((row[2] == "0" || usable(oid(row[2]))) && usable(oid(row[3])) && row[0] != "bird") {
            known.operators.push_back({row[0], row[1], oid(row[2]), oid(row[3]), oid(row[4])});
        }
        known.words.push_back(row[1]);
    }
    for (const auto& row :
         oracle.rows("SELECT castsource, casttarget FROM pg_cast ORDER BY 1, 2")) {
        if (usable(oid(row[0])) && usable(oid(row[1]))) {
            known.casts.emplace_back(oid(row[0]), oid(row[1]));
        }
    }
    for (const auto& row : oracle.rows(
             "SELECT quote_ident(nspname), quote_ident(relname), quote_ident(attname), atttypid "
             "FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute a ON "
             "attrelid = c.oid AND attnum > 0 AND NOT attisdropped WHERE relkind IN "
             "('r','p','v','m','f','S') AND nspname !~ '^pg_(toast|temp_)' ORDER BY c.oid, "
             "attnum")) {
        if (known.relations.empty() || known.relations.back().name != row[1] ||
            known.relations.back().schema != row[0]) {
            const bool catalogs = row[0] == "pg_catalog" || row[0] == "information_schema";
            known.relations.push_back({row[0], row[1], {}, catalogs});
        }
        known.relations.back().columns.emplace_back(row[2], oid(row[3]));
    }
    for (const auto& row : oracle.rows("SELECT name FROM pg_settings ORDER BY 1")) {
        known.settings.push_back(row[0]);
    }
    for (const char* more : {"role", "session_authorization", "vitrine.mask_key", "fuzz.quiet"}) {
        known.settings.emplace_back(more);
    }
    for (std::size_t i = 0; i < known.functions.size(); ++i) {
        // The input functions of types fit nowhere but at the top of a list of columns.
        const std::vector<Oid>& arguments = known.functions[i].arguments;
        if (std::none_of(arguments.begin(), arguments.end(),
                         [&](Oid type) { return known.types[type].sql == "cstring"; })) {
            known.functions_of[known.functions[i].result].push_back(i);
        }
    }
    for (std::size_t i = 0; i < known.operators.size(); ++i) {
        known.operators_of[known.operators[i].result].push_back(i);
    }
    for (const char* name : {"integer",
                             "bigint",
                             "smallint",
                             "numeric",
                             "double precision",
                             "real",
                             "text",
                             "character varying",
                             "name",
                             "boolean",
                             "date",
                             "timestamp with time zone",
                             "timestamp without time zone",
                             "interval",
                             "time without time zone",
                             "jsonb",
                             "json",
                             "uuid",
                             "bytea",
                             "inet",
                             "text[]",
                             "integer[]",
                             "int4range",
                             "datemultirange",
                             "bit",
                             "point",
                             "box",
                             "tsvector",
                             "tsquery",
                             "xml",
                             "oid",
                             "regclass",
                             "regproc",
                             "\"char\"",
                             "money",
                             "jsonpath",
                             "macaddr",
                             "pg_lsn",
                             "citext",
                             "public.citext",
                             "public.hstore",
                             "numrange",
                             "polygon",
                             "circle",
                             "cidr"}) {
        if (const Oid type = known.named(name); type != 0 && usable(type)) {
            known.basic.push_back(type);
        }
    }
    std::istringstream in{std::string(kWords)};
    for (std::string word; in >> word;) {
        known.words.push_back(word);
    }
    for (const auto* list : {&known.functions, &known.refused}) {
        for (const KnownFunction& function : *list) {
            known.words.push_back(function.name);
        }
    }
    for (const auto& [type, named] : known.types) {
        known.words.push_back(named.sql);
    }
    for (const KnownRelation& relation : known.relations) {
        known.words.push_back(relation.schema + "." + relation.name);
        known.words.push_back(relation.name);
        for (const auto& [column, type] : relation.columns) {
            known.words.push_back(column);
        }
    }
    std::sort(known.words.begin(), known.words.end());
    known.words.erase(std::unique(known.words.begin(), known.words.end()), known.words.end());
    known.seeds = seeds(source_dir);
    return known;
}

}  // namespace vitrine::fuzz
