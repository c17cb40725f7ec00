#include "parser/readonly/functions.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace vitrine::parser {

namespace {

using Names = std::unordered_set<std::string_view>;

// Volatile builtins that only read, or change nothing that outlives the call. Every other volatile
// builtin is refused: sequences, large objects, files, advisory locks, signals, WAL, replication,
// statistics resets, SQL in strings (query_to_xml, cursor_to_xml, ts_stat, ts_rewrite(tsquery,
// text)), the maintenance of indexes, binary_upgrade_*, the server's files and memory.
const Names kVolatileAllowed{
    // Computations; volatile because the value changes.
    "random",
    "clock_timestamp",
    "timeofday",
    "gen_random_uuid",
    // The state of recovery and of WAL, which monitoring asks for.
    "pg_is_in_recovery",
    "pg_is_wal_replay_paused",
    "pg_get_wal_replay_pause_state",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_current_wal_lsn",
    "pg_current_wal_insert_lsn",
    "pg_current_wal_flush_lsn",
    "pg_get_wal_resource_managers",
    // Sizes: psql's \d+ and \l+, every IDE.
    "pg_relation_size",
    "pg_table_size",
    "pg_indexes_size",
    "pg_total_relation_size",
    "pg_database_size",
    "pg_tablespace_size",
    // Who waits for whom.
    "pg_lock_status",
    "pg_blocking_pids",
    "pg_safe_snapshot_blocking_pids",
    // Partitions: psql's \dP.
    "pg_partition_tree",
    "pg_partition_ancestors",
    // Counters of the own transaction and of the server.
    "pg_stat_get_xact_blocks_fetched",
    "pg_stat_get_xact_blocks_hit",
    "pg_stat_get_xact_function_calls",
    "pg_stat_get_xact_function_self_time",
    "pg_stat_get_xact_function_total_time",
    "pg_stat_get_xact_numscans",
    "pg_stat_get_xact_tuples_deleted",
    "pg_stat_get_xact_tuples_fetched",
    "pg_stat_get_xact_tuples_hot_updated",
    "pg_stat_get_xact_tuples_inserted",
    "pg_stat_get_xact_tuples_returned",
    "pg_stat_get_xact_tuples_updated",
    "pg_stat_have_stats",
    "pg_stat_get_recovery_prefetch",
    "pg_notification_queue_usage",
    // How a transaction ended; nothing is assigned.
    "txid_status",
    "pg_xact_status",
    "pg_xact_commit_timestamp",
    "pg_xact_commit_timestamp_origin",
    "pg_last_committed_xact",
    // Versions of collations, validity of operator classes, JIT: catalog and libraries only.
    "pg_collation_actual_version",
    "pg_database_collation_actual_version",
    "amvalidate",
    "pg_jit_available",
};

// Stable and immutable builtins that are refused all the same.
const Names kStableRefused{
    // Read a table, a schema or the database named by an argument: past every mask.
    "table_to_xml",
    "table_to_xmlschema",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xmlschema",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xmlschema",
    "database_to_xml_and_xmlschema",
    // What pg_stat_activity, pg_prepared_statements, pg_cursors, pg_settings and
    // pg_stat_wal_receiver show, without the rules for those views.
    "pg_stat_get_activity",
    "pg_stat_get_backend_activity",
    "pg_prepared_statement",
    "pg_cursor",
    "pg_show_all_settings",
    "pg_stat_get_wal_receiver",
    // Column values out of extended statistics.
    "pg_mcv_list_items",
    // Declared STABLE, and assign a transaction id: refused by a hot standby, burnt by a primary.
    "txid_current",
    "pg_current_xact_id",
    // How the server was built and where: nothing to the data.
    "pg_config",
    // Only for event triggers and CREATE FUNCTION; the validators load libraries.
    "pg_event_trigger_ddl_commands",
    "pg_event_trigger_dropped_objects",
    "pg_event_trigger_table_rewrite_oid",
    "pg_event_trigger_table_rewrite_reason",
    "fmgr_c_validator",
    "fmgr_internal_validator",
    "fmgr_sql_validator",
    // Input functions that take the type as an OID: array_in('{x}', 'a_domain'::regtype, -1) runs
    // the CHECK of a type that the statement does not mention.
    "domain_in",
    "array_in",
    "record_in",
    "range_in",
    "multirange_in",
    // Opens the hash partitions' operator class by the table's OID and runs it.
    "satisfies_hash_partition",
};

// Refused by default because they waste a connection or tell the rewritten text, not because they
// are unsafe: a DBA may vouch for them by their full name.
const Names kBuiltinByConfiguration{
    "pg_sleep", "pg_sleep_for", "pg_sleep_until", "setseed", "current_query",
};

// Extensions whose immutable and stable functions are plain computations over their arguments.
const Names kTrustedExtensions{
    "pg_trgm",       "citext",   "hstore", "unaccent", "uuid-ossp",      "pgcrypto",  "tablefunc",
    "fuzzystrmatch", "intarray", "ltree",  "cube",     "earthdistance",  "btree_gin", "btree_gist",
    "isn",           "seg",      "intagg", "postgis",  "postgis_sfcgal", "vector",    "ip4r",
};

// Volatile functions of those that only compute. Others set something: set_limit(), isn_weak().
const Names kTrustedVolatile{
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "normal_rand",
    // Encryption draws random bytes.
    "pgp_sym_encrypt",
    "pgp_sym_encrypt_bytea",
    "pgp_pub_encrypt",
    "pgp_pub_encrypt_bytea",
};

// Functions of those that read tables or statistics named by an argument, or run SQL from strings,
// whatever their volatility says.
bool refused_of_trusted(const Function& function) {
    const std::string_view name = function.name;
    if (function.extension == "tablefunc") {
        return name != "normal_rand";  // crosstab*, connectby
    }
    if (function.extension == "postgis") {
        static const Names kRefused{"st_estimatedextent", "st_findextent",       "find_srid",
                                    "estimated_extent",   "geometry_columns",    "findsrid",
                                    "findextent",         "postgis_type_name_of"};
        // _postgis_stats, _postgis_selectivity, _postgis_index_extent read statistics by regclass.
        return kRefused.contains(name) || name.starts_with("_postgis_");
    }
    return false;
}

// Extensions whose functions reach outside of what is judged: a pattern with a star does not
// vouch for them, each must be named.
const Names kReachingExtensions{
    "dblink",
    "postgres_fdw",
    "file_fdw",
    "adminpack",
    "lo",
    "xml2",
    "tablefunc",
    "pageinspect",
    "pg_surgery",
    "pg_prewarm",
    "pg_buffercache",
    "pg_walinspect",
    "pg_visibility",
    "pg_freespacemap",
    "pgstattuple",
    "pgrowlocks",
    "amcheck",
    "pg_stat_statements",
    "old_snapshot",
    "sslinfo",
    "plperl",
    "plperlu",
    "plpython3u",
    "pltcl",
    "pltclu",
    "pg_cron",
    "pg_net",
    "http",
    "plpgsql",
};

bool has_star(const config::NamePattern& pattern) {
    return pattern.pieces.size() != 1;
}

// Names of types as the grammar knows them besides format_type's.
std::string_view canonical_type(std::string_view name) {
    static const std::unordered_map<std::string_view, std::string_view> kAliases{
        {"int", "integer"},
        {"int4", "integer"},
        {"int8", "bigint"},
        {"int2", "smallint"},
        {"bool", "boolean"},
        {"float", "double precision"},
        {"float8", "double precision"},
        {"float4", "real"},
        {"decimal", "numeric"},
        {"dec", "numeric"},
        {"varchar", "character varying"},
        {"char varying", "character varying"},
        {"char", "character"},
        {"bpchar", "character"},
        {"varbit", "bit varying"},
        {"timestamp", "timestamp without time zone"},
        {"timestamptz", "timestamp with time zone"},
        {"time", "time without time zone"},
        {"timetz", "time with time zone"},
    };
    const auto found = kAliases.find(name);
    return found == kAliases.end() ? name : found->second;
}

// `pg_catalog.varchar ( 20 ) [ ]` to `character varying[]`: single spaces, no typmod, one pair of
// brackets, PostgreSQL's own word.
std::string normalized_type(std::string_view written) {
    std::string name;
    int parentheses = 0;
    bool space = false;
    for (const char c : written) {
        if (c == '(' || c == ')') {
            parentheses += c == '(' ? 1 : -1;
            // `timestamp(3) with time zone`
            space = true;
        } else if (parentheses > 0) {
            continue;
        } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            space = true;
        } else {
            if (space && !name.empty() && c != '[' && c != ']') {
                name += ' ';
            }
            space = false;
            name += c;
        }
    }
    constexpr std::string_view kVariadic = "variadic ";
    if (name.starts_with(kVariadic)) {
        name.erase(0, kVariadic.size());
    }
    constexpr std::string_view kCatalog = "pg_catalog.";
    if (name.starts_with(kCatalog)) {
        name.erase(0, kCatalog.size());
    }
    const std::size_t bracket = name.find('[');
    const bool array = bracket != std::string::npos;
    std::string base = name.substr(0, bracket);
    while (base.ends_with(' ')) {
        base.pop_back();
    }
    return std::string(canonical_type(base)) + (array ? "[]" : "");
}

// Outside of pg_catalog format_type() gives the schema: the DBA may leave it out.
std::string_view without_schema(std::string_view type) {
    bool quoted = false;
    for (std::size_t at = 0; at < type.size(); ++at) {
        quoted ^= type[at] == '"';
        if (type[at] == '.' && !quoted) {
            return type.substr(at + 1);
        }
    }
    return type;
}

bool vouched_for(const Function& function, const config::FunctionRules& rules, bool by_full_name) {
    return std::any_of(
        rules.allow.begin(), rules.allow.end(), [&](const config::FunctionPattern& pattern) {
            if (by_full_name && (has_star(pattern.parts[0]) || has_star(pattern.parts[1]))) {
                return false;
            }
            return matches(pattern, function);
        });
}

bool plain_language(const Function& function) {
    return function.language == "internal" || function.language == "c" ||
           function.language == "sql";
}

FunctionJudgement refused(std::string why) {
    return {FunctionVerdict::kRefused, std::move(why)};
}

FunctionJudgement allowed() {
    return {FunctionVerdict::kAllowed, {}};
}

FunctionJudgement judge_builtin(const Function& function, const config::FunctionRules& rules) {
    if (function.name == "current_setting" || function.name == "set_config") {
        return {FunctionVerdict::kByArgument, {}};
    }
    if (kBuiltinByConfiguration.contains(function.name)) {
        return vouched_for(function, rules, true)
                   ? allowed()
                   : refused("it is refused unless functions.allow names it");
    }
    if (function.security_definer || !plain_language(function)) {
        return refused("it is not one of PostgreSQL's plain built-in functions");
    }
    if (function.internal_argument) {
        return refused("it is not meant to be called from SQL");
    }
    if (function.kind == 'p') {
        return refused("it is a procedure");
    }
    if (function.volatility == 'v') {
        return kVolatileAllowed.contains(function.name)
                   ? allowed()
                   : refused("it may change something, or reach outside of the statement");
    }
    if (kStableRefused.contains(function.name)) {
        return refused("it would read past the policy, or is not meant to be called from SQL");
    }
    return allowed();
}

// The parts of information_schema's views; initdb made them.
bool of_information_schema(const Function& function) {
    return function.oid < kFirstNormalObjectId && function.schema == "information_schema" &&
           function.volatility != 'v' && !function.security_definer && function.language == "sql";
}

bool of_trusted_extension(const Function& function) {
    if (!kTrustedExtensions.contains(function.extension) || function.security_definer ||
        !plain_language(function) || refused_of_trusted(function)) {
        return false;
    }
    return function.volatility != 'v' || kTrustedVolatile.contains(function.name);
}

FunctionJudgement judge_other(const Function& function, const config::FunctionRules& rules) {
    if (vouched_for(function, rules, kReachingExtensions.contains(function.extension))) {
        return allowed();
    }
    if (function.extension.empty()) {
        return refused(
            "it is user-defined, and what the catalog says of such a function is no evidence");
    }
    return refused("the policy does not know this function of extension " + function.extension +
                   " as a plain computation");
}

}  // namespace

bool matches(const config::FunctionPattern& pattern, const Function& function) {
    if (!pattern.parts[0].matches(function.schema) || !pattern.parts[1].matches(function.name)) {
        return false;
    }
    if (!pattern.has_arguments) {
        return true;
    }
    return std::equal(pattern.arguments.begin(), pattern.arguments.end(),
                      function.argument_types.begin(), function.argument_types.end(),
                      [](const std::string& written, const std::string& declared) {
                          const std::string type = normalized_type(written);
                          return type == declared || type == without_schema(declared);
                      });
}

FunctionJudgement judge_function(const Function& function, const config::FunctionRules& rules) {
    if (function.builtin) {
        return judge_builtin(function, rules);
    }
    if (of_information_schema(function) ||
        (of_trusted_extension(function) && !function.internal_argument)) {
        return allowed();
    }
    return judge_other(function, rules);
}

FunctionJudgement judge_implicit_function(const Function& function,
                                          const config::FunctionRules& rules) {
    if (of_trusted_extension(function)) {
        return allowed();
    }
    return judge_function(function, rules);
}

}  // namespace vitrine::parser
