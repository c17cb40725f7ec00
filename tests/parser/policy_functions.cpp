// Which functions may be called.

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <initializer_list>
#include <set>
#include <sstream>
#include <string>

#include "parser/masking/policy.h"
#include "parser/readonly/function_lists.h"
#include "tests/parser/fixture_catalog.h"
#include "tests/parser/function_document.h"
#include "tests/parser/policy_material.h"

using namespace vitrine::parser;
using namespace vitrine::parser::test;
namespace config = vitrine::config;

namespace {

std::shared_ptr<const Policy> policy_with(const std::vector<std::string>& allow) {
    return compile_policy(fixture_catalog(), {}, functions(allow), {});
}

// Every function of that name gets the same answer.
void check_all(const Policy& policy, std::string_view schema, std::string_view name,
               FunctionVerdict expected) {
    std::size_t seen = 0;
    for (const Function* function : policy.catalog().functions(name)) {
        if (function->schema == schema) {
            INFO(schema << "." << name);
            CHECK(policy.function_verdict(*function) == expected);
            ++seen;
        }
    }
    INFO(schema << "." << name << " is not in the catalog");
    CHECK(seen > 0);
}

const Function& one(const Policy& policy, std::string_view schema, std::string_view name,
                    const std::vector<std::string>& arguments) {
    for (const Function* function : policy.catalog().functions(name)) {
        if (function->schema == schema && function->argument_types == arguments) {
            return *function;
        }
    }
    FAIL("no function " << schema << "." << name);
    std::abort();
}

// `allow abs(integer)`: a line for each of PostgreSQL's own functions.
std::set<std::string> verdicts(const Policy& policy) {
    std::set<std::string> lines;
    for (Oid oid = 1; oid < kFirstNormalObjectId; ++oid) {
        const Function* function = policy.catalog().function(oid);
        if (function == nullptr) {
            continue;
        }
        const BuiltinGroup* group = builtin_group(function->name, function->volatility);
        const char* verdict = "";
        switch (policy.function_verdict(*function)) {
            case FunctionVerdict::kAllowed:
                verdict = "allow";
                break;
            case FunctionVerdict::kByArgument:
                verdict = "by-argument";
                break;
            case FunctionVerdict::kRefused:
                verdict = group != nullptr && group->list == BuiltinList::kByConfiguration
                              ? "by-configuration"
                              : "refuse";
                break;
        }
        std::string line = std::string(verdict) + " ";
        line += function->builtin ? "" : function->schema + ".";
        line += function->name + "(";
        for (std::size_t i = 0; i < function->argument_types.size(); ++i) {
            line += (i == 0 ? "" : ", ") + function->argument_types[i];
        }
        lines.insert(line + ")");
    }
    return lines;
}

Function member_of(std::string_view extension, std::string_view name, char volatility,
                   std::string_view language) {
    Function function;
    function.oid = kFirstNormalObjectId + 1;
    function.schema = "public";
    function.name = name;
    function.volatility = volatility;
    function.language = language;
    function.extension = extension;
    return function;
}

}  // namespace

TEST_CASE("builtins that write, reach outside or read past the policy are refused", "[policy]") {
    const auto policy = policy_with({"*.*", "pg_catalog.*"});  // no pattern opens these
    for (const char* name : {"nextval",
                             "setval",
                             "lo_create",
                             "lo_creat",
                             "lo_import",
                             "lo_export",
                             "lo_from_bytea",
                             "lo_get",
                             "lo_open",
                             "lo_put",
                             "lo_unlink",
                             "loread",
                             "lowrite",
                             "query_to_xml",
                             "query_to_xmlschema",
                             "query_to_xml_and_xmlschema",
                             "cursor_to_xml",
                             "cursor_to_xmlschema",
                             "table_to_xml",
                             "table_to_xmlschema",
                             "schema_to_xml",
                             "database_to_xml",
                             "ts_stat",
                             "pg_read_file",
                             "pg_read_binary_file",
                             "pg_ls_dir",
                             "pg_ls_logdir",
                             "pg_ls_waldir",
                             "pg_stat_file",
                             "pg_notify",
                             "pg_terminate_backend",
                             "pg_cancel_backend",
                             "pg_reload_conf",
                             "pg_rotate_logfile",
                             "pg_switch_wal",
                             "pg_promote",
                             "pg_advisory_lock",
                             "pg_advisory_xact_lock",
                             "pg_try_advisory_lock",
                             "pg_export_snapshot",
                             "txid_current",
                             "pg_current_xact_id",
                             "pg_create_restore_point",
                             "pg_create_logical_replication_slot",
                             "pg_drop_replication_slot",
                             "pg_logical_emit_message",
                             "pg_logical_slot_get_changes",
                             "pg_logical_slot_peek_changes",
                             "pg_replication_origin_create",
                             "pg_backup_start",
                             "pg_wal_replay_pause",
                             "pg_stat_reset",
                             "pg_stat_reset_shared",
                             "pg_stat_clear_snapshot",
                             "pg_import_system_collations",
                             "pg_log_backend_memory_contexts",
                             "pg_extension_config_dump",
                             "binary_upgrade_set_next_pg_type_oid",
                             "pg_nextoid",
                             "brin_summarize_new_values",
                             "gin_clean_pending_list",
                             "currtid2",
                             "pg_sequence_last_value",
                             "currval",
                             "lastval",
                             "pg_stat_get_activity",
                             "pg_stat_get_backend_activity",
                             "pg_prepared_statement",
                             "pg_cursor",
                             "pg_show_all_settings",
                             "pg_show_all_file_settings",
                             "pg_hba_file_rules",
                             "pg_stat_get_wal_receiver",
                             "pg_mcv_list_items",
                             "pg_prepared_xact",
                             "pg_get_backend_memory_contexts",
                             "domain_in",
                             "array_in",
                             "record_in",
                             "range_in",
                             "multirange_in",
                             "satisfies_hash_partition",
                             "pg_event_trigger_ddl_commands",
                             "plpgsql_call_handler",
                             "RI_FKey_cascade_del",
                             "array_recv"}) {
        check_all(*policy, "pg_catalog", name, FunctionVerdict::kRefused);
    }
    // The two of ts_rewrite are told apart.
    CHECK_FALSE(
        policy->function_allowed(one(*policy, "pg_catalog", "ts_rewrite", {"tsquery", "text"})));
    CHECK(policy->function_allowed(
        one(*policy, "pg_catalog", "ts_rewrite", {"tsquery", "tsquery", "tsquery"})));
}

TEST_CASE("builtins that only read or compute may be called", "[policy]") {
    const auto policy = policy_with({});
    for (const char* name :
         {"now", "random", "clock_timestamp", "timeofday", "gen_random_uuid", "lower", "sum",
          "count", "row_number", "jsonb_path_query", "to_jsonb", "generate_series", "unnest",
          "string_agg", "percentile_cont", "to_tsvector", "ts_headline", "format", "concat",
          "pg_size_pretty", "pg_is_in_recovery", "version", "current_database", "sha256",
          "convert_to", "txid_current_if_assigned", "txid_status", "pg_blocking_pids",
          "pg_lock_status", "pg_backend_pid", "inet_server_addr", "xmlconcat2",
          // What psql, pg_dump, IDEs and drivers call.
          "format_type", "pg_get_expr", "pg_get_viewdef", "pg_get_constraintdef", "pg_get_indexdef",
          "pg_get_functiondef", "pg_get_function_result", "pg_get_function_arguments",
          "pg_get_function_identity_arguments", "pg_get_function_sqlbody", "pg_get_triggerdef",
          "pg_get_ruledef", "pg_get_statisticsobjdef", "pg_get_statisticsobjdef_columns",
          "pg_get_partkeydef", "pg_get_userbyid", "pg_get_serial_sequence", "pg_table_is_visible",
          "pg_type_is_visible", "pg_function_is_visible", "pg_operator_is_visible",
          "pg_encoding_to_char", "pg_char_to_encoding", "obj_description", "col_description",
          "shobj_description", "has_table_privilege", "has_schema_privilege",
          "has_database_privilege", "pg_has_role", "pg_relation_size", "pg_table_size",
          "pg_total_relation_size", "pg_indexes_size", "pg_database_size", "pg_tablespace_size",
          "pg_tablespace_location", "pg_partition_tree", "pg_partition_ancestors",
          "pg_relation_is_publishable", "pg_options_to_table", "pg_relation_filenode",
          "pg_describe_object", "pg_identify_object", "pg_sequence_parameters", "acldefault",
          "aclexplode", "array_to_string", "quote_ident", "quote_literal", "to_regclass",
          "current_schemas", "pg_collation_for", "pg_index_column_has_property",
          "pg_postmaster_start_time", "pg_stat_get_numscans", "pg_stat_get_live_tuples",
          "pg_timezone_names", "pg_listening_channels", "pg_settings_get_flags",
          // What monitoring asks for.
          "pg_control_checkpoint", "pg_control_system", "pg_current_logfile",
          "pg_show_replication_origin_status", "pg_get_replication_slots",
          "pg_stat_get_wal_senders", "pg_get_multixact_members"}) {
        check_all(*policy, "pg_catalog", name, FunctionVerdict::kAllowed);
    }
    check_all(*policy, "information_schema", "_pg_truetypid", FunctionVerdict::kAllowed);
    check_all(*policy, "information_schema", "_pg_expandarray", FunctionVerdict::kAllowed);
    check_all(*policy, "pg_catalog", "current_setting", FunctionVerdict::kByArgument);
    check_all(*policy, "pg_catalog", "set_config", FunctionVerdict::kByArgument);
    CHECK_FALSE(policy->function_allowed(one(*policy, "pg_catalog", "current_setting", {"text"})));
}

TEST_CASE("every built-in function has the verdict that is written down", "[policy]") {
    const auto policy = policy_with({});
    if (policy->catalog().server_version() / 10000 != 15) {
        return;  // another server has other functions
    }
    const std::string file =
        std::string(VITRINE_SOURCE_DIR) + "/tests/parser/builtin_functions.txt";
    std::ifstream in(file);
    REQUIRE(in.is_open());
    std::set<std::string> written;
    for (std::string line; std::getline(in, line);) {
        if (!line.empty() && line[0] != '#') {
            written.insert(line);
        }
    }
    const std::set<std::string> given = verdicts(*policy);
    for (const std::string& line : given) {
        INFO("not in the file: " << line);
        CHECK(written.contains(line));
    }
    for (const std::string& line : written) {
        INFO("in the file only: " << line);
        CHECK(given.contains(line));
    }
    CHECK(given.size() > 3000);
}

TEST_CASE("the lists of builtins are complete, and name what there is", "[policy]") {
    const auto policy = policy_with({});
    if (policy->catalog().server_version() / 10000 != 15) {
        return;
    }
    // Each volatile function that SQL can call was looked at.
    for (Oid oid = 1; oid < kFirstNormalObjectId; ++oid) {
        const Function* function = policy->catalog().function(oid);
        if (function != nullptr && function->builtin && function->volatility == 'v' &&
            !function->internal_argument) {
            INFO(function->name);
            CHECK(builtin_group(function->name, 'v') != nullptr);
        }
    }
    const std::set<std::string_view> newer{
        "random_normal", "array_sample",      "array_shuffle",      "uuidv4",
        "uuidv7",        "pg_input_is_valid", "pg_input_error_info"};
    std::set<std::string_view> seen;
    for (const BuiltinGroup& group : builtin_groups()) {
        for (const std::string_view name : group.names) {
            INFO(name);
            CHECK(seen.insert(name).second);
            if (newer.contains(name)) {
                continue;
            }
            const auto found = policy->catalog().functions(name);
            CHECK(std::any_of(found.begin(), found.end(), [&](const Function* function) {
                return function->builtin && builtin_group(name, function->volatility) == &group;
            }));
        }
    }
}

TEST_CASE("docs/functions.md says what the lists say", "[policy]") {
    std::ifstream in(std::string(VITRINE_SOURCE_DIR) + "/docs/functions.md");
    REQUIRE(in.is_open());
    std::stringstream text;
    text << in.rdbuf();
    CHECK(text.str() == functions_document());
}

TEST_CASE("extensions: plain computations, and nothing that reads by name", "[policy]") {
    const auto policy = policy_with({});
    for (const char* name : {"similarity", "show_trgm", "citext_eq", "digest", "hmac", "crypt",
                             "gen_salt", "armor", "akeys", "populate_record", "regexp_match",
                             "normal_rand", "pgp_sym_decrypt", "gen_random_bytes"}) {
        check_all(*policy, "public", name, FunctionVerdict::kAllowed);
    }
    for (const char* name : {"crosstab", "crosstab2", "connectby", "set_limit",
                             "gin_extract_value_trgm", "gtrgm_consistent"}) {
        check_all(*policy, "public", name, FunctionVerdict::kRefused);
    }
    // A star does not reach the extensions that read by name; a full name does.
    check_all(*policy_with({"public.*"}), "public", "crosstab", FunctionVerdict::kRefused);
    check_all(*policy_with({"public.crosstab"}), "public", "crosstab", FunctionVerdict::kAllowed);
}

TEST_CASE("builtins of newer servers", "[policy]") {
    const auto verdict = [](std::string_view name, char volatility) {
        Function function = member_of("", name, volatility, "internal");
        function.schema = "pg_catalog";
        function.builtin = true;
        return judge_function(function, functions({"*.*"})).verdict;
    };
    for (const char* name : {"pg_input_is_valid", "pg_input_error_info"}) {
        CHECK(verdict(name, 's') == FunctionVerdict::kRefused);
    }
    for (const char* name : {"uuidv7", "random_normal", "array_shuffle"}) {
        CHECK(verdict(name, 'v') == FunctionVerdict::kAllowed);
    }
    CHECK(verdict("not_known_yet", 'v') == FunctionVerdict::kRefused);
    CHECK(verdict("not_known_yet", 'i') == FunctionVerdict::kAllowed);
}

TEST_CASE("extensions that the server need not have", "[policy]") {
    struct Row {
        const char* extension;
        const char* name;
        char volatility;
        const char* language;
        bool allowed;
    };
    for (const Row& row : std::initializer_list<Row>{
             {"postgis", "st_intersects", 'i', "c", true},
             {"postgis", "st_buffer", 'i', "sql", true},
             {"postgis", "st_clusterkmeans", 'v', "c", true},
             {"postgis", "st_symmetricdifference", 'v', "sql", true},
             {"postgis", "postgis_full_version", 'i', "plpgsql", true},
             // Declared IMMUTABLE, and creates a table.
             {"postgis", "st_fromflatgeobuftotable", 'i', "c", false},
             {"postgis", "st_estimatedextent", 's', "c", false},
             {"postgis", "st_findextent", 's', "plpgsql", false},
             {"postgis", "find_srid", 's', "plpgsql", false},
             {"postgis", "_postgis_stats", 's', "c", false},
             {"postgis", "addgeometrycolumn", 'v', "plpgsql", false},
             {"postgis", "addgeometrycolumn", 's', "plpgsql", false},
             {"postgis", "gettransactionid", 'v', "c", false},
             {"postgis", "postgis_extensions_upgrade", 'v', "plpgsql", false},
             {"postgis_raster", "st_intersects", 'i', "sql", true},
             {"postgis_raster", "st_mapalgebra", 'i', "c", false},
             {"postgis_raster", "st_valuecount", 's', "sql", false},
             {"postgis_raster", "st_addband", 'i', "c", false},
             {"postgis_topology", "st_simplify", 'v', "plpgsql", false},
             {"postgis_sfcgal", "st_volume", 'i', "c", true},
             // Declared IMMUTABLE, and sets something for the session.
             {"isn", "isn_weak", 'i', "c", false},
             {"isn", "is_valid", 'i', "c", true},
             {"pg_trgm", "set_limit", 'v', "c", false},
             {"tablefunc", "crosstab", 's', "c", false},
             {"tablefunc", "normal_rand", 'v', "c", true},
             {"xml2", "xpath_string", 'i', "c", true},
             {"xml2", "xpath_table", 's', "c", false},
             {"xml2", "xslt_process", 'i', "c", false},
             {"dblink", "dblink_get_pkey", 's', "c", false},
             {"vector", "cosine_distance", 'i', "c", true},
             {"unheard_of", "f", 'i', "c", false}}) {
        INFO(row.extension << " " << row.name);
        const Function function = member_of(row.extension, row.name, row.volatility, row.language);
        CHECK((judge_function(function, {}).verdict == FunctionVerdict::kAllowed) == row.allowed);
        if (row.allowed) {
            Function definer = function;
            definer.security_definer = true;
            CHECK(judge_function(definer, {}).verdict == FunctionVerdict::kRefused);
            continue;
        }
        // A star speaks of what is not known; a full name opens each of them.
        const bool known = std::string_view(row.extension) != "unheard_of";
        for (const char* pattern : {"public.*", "*.*"}) {
            CHECK((judge_function(function, functions({pattern})).verdict ==
                   FunctionVerdict::kRefused) == known);
        }
        CHECK(judge_function(function, functions({"public." + std::string(row.name)})).verdict ==
              FunctionVerdict::kAllowed);
    }
}

TEST_CASE("rows with values of an unknown extension's type can be read", "[policy]") {
    const auto runs_unasked = [](Function function) {
        return judge_implicit_function(function, {}).verdict == FunctionVerdict::kAllowed;
    };
    Function input = member_of("unheard_of", "thing_in", 'i', "c");
    CHECK(runs_unasked(input));
    CHECK(judge_function(input, {}).verdict == FunctionVerdict::kRefused);
    CHECK_FALSE(runs_unasked(member_of("unheard_of", "thing_to_text", 'i', "plpgsql")));
    CHECK_FALSE(runs_unasked(member_of("unheard_of", "thing_to_text", 'v', "c")));
    CHECK_FALSE(runs_unasked(member_of("dblink", "thing_in", 'i', "c")));
    CHECK_FALSE(runs_unasked(member_of("", "thing_in", 'i', "c")));
    input.security_definer = true;
    CHECK_FALSE(runs_unasked(input));
}

TEST_CASE("a user's function takes a DBA's word, whatever the catalog says of it", "[policy]") {
    const auto closed = policy_with({});
    for (const char* name : {"writer", "stable_liar", "immutable_liar", "email_of", "add_tax",
                             "secret", "join_all", "is_even"}) {
        check_all(*closed, "public", name, FunctionVerdict::kRefused);
    }
    check_all(*closed, "crm", "lower", FunctionVerdict::kRefused);
    std::string why;
    CHECK_FALSE(closed->function_allowed(one(*closed, "public", "add_tax", {"numeric"}), &why));
    CHECK(why.find("user-defined") != std::string::npos);

    for (const char* pattern :
         {"public.add_tax", "public.add_tax(numeric)", "public.add_*", "public.*",
          "public.add_tax(decimal)", "public.add_tax( pg_catalog.numeric )",
          "public.add_tax(numeric(10))", "*.add_tax"}) {
        INFO(pattern);
        check_all(*policy_with({pattern}), "public", "add_tax", FunctionVerdict::kAllowed);
    }
    for (const char* pattern :
         {"crm.add_tax", "public.add_tax()", "public.add_tax(integer)", "public.add_ta",
          "public.add_tax(numeric, numeric)", "public.add_tax(numeric[])", "public.ADD_TAX"}) {
        INFO(pattern);
        check_all(*policy_with({pattern}), "public", "add_tax", FunctionVerdict::kRefused);
    }
    check_all(*policy_with({"public.secret(customers)"}), "public", "secret",
              FunctionVerdict::kAllowed);
    check_all(*policy_with({"public.secret(public.customers)"}), "public", "secret",
              FunctionVerdict::kAllowed);
    check_all(*policy_with({"public.secret(crm.customers)"}), "public", "secret",
              FunctionVerdict::kRefused);
    check_all(*policy_with({"public.email_of(int8)"}), "public", "email_of",
              FunctionVerdict::kAllowed);
}

TEST_CASE("what is only a nuisance can be opened by its full name", "[policy]") {
    for (const char* name :
         {"pg_sleep", "pg_sleep_for", "setseed", "current_query", "pg_ls_waldir", "pg_ls_logdir",
          "pg_stat_clear_snapshot", "pg_sequence_last_value", "pg_config"}) {
        check_all(*policy_with({"pg_catalog.*", "*.*"}), "pg_catalog", name,
                  FunctionVerdict::kRefused);
        check_all(*policy_with({std::string("pg_catalog.") + name}), "pg_catalog", name,
                  FunctionVerdict::kAllowed);
    }
    for (const char* name : {"lo_create", "pg_ls_dir", "txid_current", "nextval"}) {
        check_all(*policy_with({std::string("pg_catalog.") + name}), "pg_catalog", name,
                  FunctionVerdict::kRefused);
    }
}

TEST_CASE("types are judged by what they run", "[policy]") {
    const auto policy = policy_with({});
    const auto allowed = [&](std::string_view name, const Policy& by) {
        const auto found = by.catalog().types(name);
        REQUIRE(found.size() >= 1);
        std::string why;
        return by.type_allowed(*found.front(), &why);
    };
    for (const char* name : {"text", "int4", "citext", "hstore", "_citext", "order_status",
                             "address", "ssn_t", "gtrgm"}) {
        INFO(name);
        CHECK(allowed(name, *policy));
    }
    for (const char* name : {"even", "four", "_even", "pair", "mood"}) {
        INFO(name);
        CHECK_FALSE(allowed(name, *policy));
    }
    CHECK(allowed("four", *policy_with({"public.is_even(int)"})));
}
