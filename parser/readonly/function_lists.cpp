#include "parser/readonly/function_lists.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

namespace vitrine::parser {

namespace {

using enum BuiltinList;

const std::vector<BuiltinGroup> kBuiltins{
    // --- volatile, and may be called -------------------------------------------------------
    {kVolatileAllowed,
     "computes, or asks the clock; it is volatile because its value changes",
     {"random", "clock_timestamp", "timeofday", "gen_random_uuid",
      // From 16 and 18 on.
      "random_normal", "array_sample", "array_shuffle", "uuidv4", "uuidv7"}},
    {kVolatileAllowed,
     "tells the state of recovery and of the WAL, which monitoring asks for",
     {"pg_is_in_recovery", "pg_is_wal_replay_paused", "pg_get_wal_replay_pause_state",
      "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn", "pg_last_xact_replay_timestamp",
      "pg_current_wal_lsn", "pg_current_wal_insert_lsn", "pg_current_wal_flush_lsn",
      "pg_get_wal_resource_managers", "pg_show_replication_origin_status"}},
    // Their own file, and numbers about the cluster only; PUBLIC may call them.
    {kVolatileAllowed,
     "reads the numbers of the server's control file",
     {"pg_control_checkpoint", "pg_control_init", "pg_control_recovery", "pg_control_system"}},
    // asyncpg and npgsql hand a connection back to their pool with it.
    {kVolatileAllowed,
     "releases locks that no session through vitrine can have taken",
     {"pg_advisory_unlock_all"}},
    {kVolatileAllowed,
     "tells the name of the server's log file, and nothing of what is in it",
     {"pg_current_logfile"}},
    // psql's \d+ and \l+, every IDE. They lock with ACCESS SHARE.
    {kVolatileAllowed,
     "tells a size",
     {"pg_relation_size", "pg_table_size", "pg_indexes_size", "pg_total_relation_size",
      "pg_database_size", "pg_tablespace_size"}},
    {kVolatileAllowed,
     "tells who waits for whom",
     {"pg_lock_status", "pg_blocking_pids", "pg_safe_snapshot_blocking_pids"}},
    {kVolatileAllowed,
     "tells how the server's shared memory is laid out",
     {"pg_get_shmem_allocations"}},
    // psql's \dP.
    {kVolatileAllowed,
     "tells which partitions there are",
     {"pg_partition_tree", "pg_partition_ancestors"}},
    // pg_notification_queue_usage() frees what every listener has read, as any backend does.
    {kVolatileAllowed,
     "reads counters",
     {"pg_stat_get_xact_blocks_fetched", "pg_stat_get_xact_blocks_hit",
      "pg_stat_get_xact_function_calls", "pg_stat_get_xact_function_self_time",
      "pg_stat_get_xact_function_total_time", "pg_stat_get_xact_numscans",
      "pg_stat_get_xact_tuples_deleted", "pg_stat_get_xact_tuples_fetched",
      "pg_stat_get_xact_tuples_hot_updated", "pg_stat_get_xact_tuples_inserted",
      "pg_stat_get_xact_tuples_returned", "pg_stat_get_xact_tuples_updated", "pg_stat_have_stats",
      "pg_stat_get_recovery_prefetch", "pg_notification_queue_usage"}},
    {kVolatileAllowed,
     "tells how a transaction ended, and assigns none",
     {"txid_status", "pg_xact_status", "pg_xact_commit_timestamp",
      "pg_xact_commit_timestamp_origin", "pg_last_committed_xact", "pg_get_multixact_members"}},
    {kVolatileAllowed,
     "looks at the catalog and at libraries only",
     {"pg_collation_actual_version", "pg_database_collation_actual_version", "amvalidate",
      "pg_jit_available"}},

    // --- volatile, and refused -------------------------------------------------------------
    {kVolatileRefused,
     "advances a sequence, or asks for what nextval() gave in this session",
     {"nextval", "setval", "currval", "lastval"}},
    {kVolatileRefused,
     "reads or writes large objects, which no rule masks",
     {"lo_close", "lo_creat", "lo_create", "lo_export", "lo_from_bytea", "lo_get", "lo_import",
      "lo_lseek", "lo_lseek64", "lo_open", "lo_put", "lo_tell", "lo_tell64", "lo_truncate",
      "lo_truncate64", "lo_unlink", "loread", "lowrite"}},
    {kVolatileRefused,
     "runs SQL from a string, or reads a cursor by its name",
     {"query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema", "cursor_to_xml",
      "cursor_to_xmlschema", "ts_stat", "ts_rewrite"}},
    {kVolatileRefused,
     "reads the server's files",
     {"pg_read_file", "pg_read_file_old", "pg_read_binary_file", "pg_stat_file", "pg_ls_dir",
      "pg_hba_file_rules", "pg_ident_file_mappings", "pg_show_all_file_settings"}},
    {kVolatileRefused,
     "takes or releases an advisory lock",
     {"pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_unlock",
      "pg_advisory_unlock_shared", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared",
      "pg_try_advisory_lock", "pg_try_advisory_lock_shared", "pg_try_advisory_xact_lock",
      "pg_try_advisory_xact_lock_shared"}},
    {kVolatileRefused,
     "acts on another session, or on the server",
     {"pg_cancel_backend", "pg_terminate_backend", "pg_log_backend_memory_contexts",
      "pg_reload_conf", "pg_rotate_logfile", "pg_rotate_logfile_old", "pg_promote", "pg_notify",
      "pg_isolation_test_session_is_blocked"}},
    {kVolatileRefused,
     "writes WAL, takes a backup, or steers recovery",
     {"pg_switch_wal", "pg_create_restore_point", "pg_logical_emit_message", "pg_backup_start",
      "pg_backup_stop", "pg_wal_replay_pause", "pg_wal_replay_resume"}},
    {kVolatileRefused,
     "changes replication, or reads the changes of tables past the policy",
     {"pg_copy_logical_replication_slot",
      "pg_copy_physical_replication_slot",
      "pg_create_logical_replication_slot",
      "pg_create_physical_replication_slot",
      "pg_drop_replication_slot",
      "pg_replication_slot_advance",
      "pg_logical_slot_get_binary_changes",
      "pg_logical_slot_get_changes",
      "pg_logical_slot_peek_binary_changes",
      "pg_logical_slot_peek_changes",
      "pg_replication_origin_advance",
      "pg_replication_origin_create",
      "pg_replication_origin_drop",
      "pg_replication_origin_progress",
      "pg_replication_origin_session_is_setup",
      "pg_replication_origin_session_progress",
      "pg_replication_origin_session_reset",
      "pg_replication_origin_session_setup",
      "pg_replication_origin_xact_reset",
      "pg_replication_origin_xact_setup"}},
    {kVolatileRefused,
     "resets or forces statistics",
     {"pg_stat_reset", "pg_stat_reset_replication_slot", "pg_stat_reset_shared",
      "pg_stat_reset_single_function_counters", "pg_stat_reset_single_table_counters",
      "pg_stat_reset_slru", "pg_stat_reset_subscription_stats", "pg_stat_force_next_flush"}},
    {kVolatileRefused,
     "writes to an index",
     {"brin_desummarize_range", "brin_summarize_new_values", "brin_summarize_range",
      "gin_clean_pending_list"}},
    {kVolatileRefused,
     "shares a snapshot with other sessions and assigns a transaction id",
     {"pg_export_snapshot"}},
    {kVolatileRefused,
     "reads a row by its place in a table that it is given by name",
     {"currtid2"}},
    {kVolatileRefused,
     "shows what a system view shows, without the rule for that view: use the view",
     {"pg_prepared_xact", "pg_get_backend_memory_contexts"}},
    {kVolatileRefused,
     "writes to the catalog",
     {"pg_extension_config_dump", "pg_import_system_collations", "pg_nextoid",
      "pg_stop_making_pinned_objects"}},
    {kVolatileRefused,
     "is part of pg_upgrade",
     {"binary_upgrade_create_empty_extension", "binary_upgrade_set_missing_value",
      "binary_upgrade_set_next_array_pg_type_oid", "binary_upgrade_set_next_attribute_versions",
      "binary_upgrade_set_next_heap_pg_class_oid", "binary_upgrade_set_next_heap_relfilenode",
      "binary_upgrade_set_next_index_pg_class_oid", "binary_upgrade_set_next_index_relfilenode",
      "binary_upgrade_set_next_multirange_array_pg_type_oid",
      "binary_upgrade_set_next_multirange_pg_type_oid", "binary_upgrade_set_next_pg_authid_oid",
      "binary_upgrade_set_next_pg_enum_oid", "binary_upgrade_set_next_pg_tablespace_oid",
      "binary_upgrade_set_next_pg_type_oid", "binary_upgrade_set_next_toast_pg_class_oid",
      "binary_upgrade_set_next_toast_relfilenode", "binary_upgrade_set_record_init_privs"}},
    {kVolatileRefused,
     "is not meant to be called from SQL: a trigger, or part of a language",
     {"RI_FKey_cascade_del", "RI_FKey_cascade_upd", "RI_FKey_check_ins", "RI_FKey_check_upd",
      "RI_FKey_noaction_del", "RI_FKey_noaction_upd", "RI_FKey_restrict_del",
      "RI_FKey_restrict_upd", "RI_FKey_setdefault_del", "RI_FKey_setdefault_upd",
      "RI_FKey_setnull_del", "RI_FKey_setnull_upd", "unique_key_recheck",
      "suppress_redundant_updates_trigger", "tsvector_update_trigger",
      "tsvector_update_trigger_column", "plpgsql_call_handler", "plpgsql_validator"}},

    // --- stable or immutable, and refused --------------------------------------------------
    {kStableRefused,
     "reads a table, a schema or the database that it is given by name, past every mask",
     {"table_to_xml", "table_to_xmlschema", "table_to_xml_and_xmlschema", "schema_to_xml",
      "schema_to_xmlschema", "schema_to_xml_and_xmlschema", "database_to_xml",
      "database_to_xmlschema", "database_to_xml_and_xmlschema"}},
    {kStableRefused,
     "shows what a system view shows, without the rule for that view: use the view",
     {"pg_stat_get_activity", "pg_stat_get_backend_activity", "pg_prepared_statement", "pg_cursor",
      "pg_show_all_settings", "pg_stat_get_wal_receiver"}},
    {kStableRefused, "shows values of columns out of extended statistics", {"pg_mcv_list_items"}},
    // Refused by a hot standby, burnt by a primary.
    {kStableRefused,
     "assigns a transaction id, although it is declared to change nothing",
     {"txid_current", "pg_current_xact_id"}},
    {kStableRefused,
     "is not meant to be called from SQL: part of event triggers, or of CREATE FUNCTION",
     {"pg_event_trigger_ddl_commands", "pg_event_trigger_dropped_objects",
      "pg_event_trigger_table_rewrite_oid", "pg_event_trigger_table_rewrite_reason",
      "fmgr_c_validator", "fmgr_internal_validator", "fmgr_sql_validator"}},
    // array_in('{x}', 'a_domain'::regtype, -1) runs the CHECK of a type that the statement does
    // not mention; so does pg_input_is_valid('x', 'a_domain'), from 16 on.
    {kStableRefused,
     "takes a type by its OID or its name, and would run what that type runs",
     {"domain_in", "array_in", "record_in", "range_in", "multirange_in", "pg_input_is_valid",
      "pg_input_error_info"}},
    {kStableRefused,
     "runs the operator class of a table that it is given by its OID",
     {"satisfies_hash_partition"}},

    // --- by configuration ------------------------------------------------------------------
    {kByConfiguration,
     "holds a connection for as long as the client likes",
     {"pg_sleep", "pg_sleep_for", "pg_sleep_until"}},
    {kByConfiguration, "changes what random() gives in the session", {"setseed"}},
    {kByConfiguration,
     "throws away the session's view of the counters",
     {"pg_stat_clear_snapshot"}},
    {kByConfiguration, "shows the statement as vitrine sent it", {"current_query"}},
    {kByConfiguration,
     "tells how far a sequence is, which may be that of a masked column",
     {"pg_sequence_last_value"}},
    // Names and sizes, for pg_monitor.
    {kByConfiguration,
     "lists a directory of the server's",
     {"pg_ls_logdir", "pg_ls_waldir", "pg_ls_tmpdir", "pg_ls_archive_statusdir",
      "pg_ls_logicalmapdir", "pg_ls_logicalsnapdir", "pg_ls_replslotdir"}},
    {kByConfiguration, "tells how the server was built", {"pg_config"}},

    // --- by argument -----------------------------------------------------------------------
    {kByArgument,
     "may be called where the setting is a constant that SHOW or SET would be allowed",
     {"current_setting", "set_config"}},
};

// Those of contrib that only compute, PostGIS, and two more that people have.
const std::vector<TrustedExtension> kTrusted{
    {"btree_gin", {}, {}, {}, {}},
    {"btree_gist", {}, {}, {}, {}},
    {"citext", {}, {}, {}, {}},
    {"cube", {}, {}, {}, {}},
    {"dict_int", {}, {}, {}, {}},
    {"dict_xsyn", {}, {}, {}, {}},
    {"earthdistance", {}, {}, {}, {}},
    {"fuzzystrmatch", {}, {}, {}, {}},
    {"hstore", {}, {}, {}, {}},
    {"intagg", {}, {}, {}, {}},
    {"intarray", {}, {}, {}, {}},
    {"ip4r", {}, {}, {}, {}},
    {"isn", {}, {"isn_weak"}, {}, "changes what the extension's types accept in the session"},
    {"ltree", {}, {}, {}, {}},
    {"pg_trgm", {}, {"set_limit"}, {}, "changes a setting of the session"},
    // What draws random bytes is volatile.
    {"pgcrypto",
     {},
     {},
     {"gen_random_bytes", "gen_random_uuid", "gen_salt", "pgp_sym_encrypt", "pgp_sym_encrypt_bytea",
      "pgp_pub_encrypt", "pgp_pub_encrypt_bytea"},
     {}},
    // Functions that write are volatile, but for the first. The others read tables or statistics
    // that they are given by name.
    {"postgis",
     {},
     {"st_fromflatgeobuftotable", "st_estimatedextent", "st_estimated_extent", "estimated_extent",
      "st_findextent", "find_extent", "find_srid", "_postgis_index_extent", "_postgis_stats",
      "_postgis_selectivity", "_postgis_join_selectivity"},
     {"st_clusterkmeans", "st_generatepoints", "st_symmetricdifference", "postgis_full_version",
      "st_letters", "st_bdpolyfromtext", "st_bdmpolyfromtext"},
     "writes a table, or reads a table or its statistics by name"},
    // What shares its name or its symbol with something for geometries, so that it does not stand
    // in the way of that. The rest can call a function by its OID, run an expression, read a table
    // by its name, or open files (bands outside of the database). And what the views over the
    // catalog, raster_columns and raster_overviews, are made of.
    {"postgis_raster",
     {"_st_contains",
      "_st_containsproperly",
      "_st_coveredby",
      "_st_covers",
      "_st_dfullywithin",
      "_st_dwithin",
      "_st_intersects",
      "_st_overlaps",
      "_st_touches",
      "_st_within",
      "box3d",
      "bytea",
      "postgis_noop",
      "st_asbinary",
      "st_contains",
      "st_containsproperly",
      "st_convexhull",
      "st_coveredby",
      "st_covers",
      "st_dfullywithin",
      "st_disjoint",
      "st_dwithin",
      "st_envelope",
      "st_intersection",
      "st_intersects",
      "st_isempty",
      "st_memsize",
      "st_overlaps",
      "st_polygon",
      "st_setsrid",
      "st_snaptogrid",
      "st_srid",
      "st_summary",
      "st_touches",
      "st_transform",
      "st_union",
      "st_within",
      "raster_overlap",
      "raster_overleft",
      "raster_overright",
      "raster_left",
      "raster_right",
      "raster_overabove",
      "raster_overbelow",
      "raster_above",
      "raster_below",
      "raster_eq",
      "raster_same",
      "raster_contain",
      "raster_contained",
      "raster_contained_by_geometry",
      "raster_geometry_contain",
      "raster_geometry_overlap",
      "geometry_contained_by_raster",
      "geometry_raster_contain",
      "geometry_raster_overlap",
      "_overview_constraint_info",
      "_raster_constraint_info_alignment",
      "_raster_constraint_info_blocksize",
      "_raster_constraint_info_coverage_tile",
      "_raster_constraint_info_extent",
      "_raster_constraint_info_index",
      "_raster_constraint_info_nodata_values",
      "_raster_constraint_info_num_bands",
      "_raster_constraint_info_out_db",
      "_raster_constraint_info_pixel_types",
      "_raster_constraint_info_regular_blocking",
      "_raster_constraint_info_scale",
      "_raster_constraint_info_spatially_unique",
      "_raster_constraint_info_srid"},
     {},
     {"_raster_constraint_info_regular_blocking", "_st_intersects", "st_intersection", "st_summary",
      "st_transform"},
     "reaches for a function, an expression, a file or a table that it is given"},
    {"postgis_sfcgal", {}, {}, {}, {}},
    // As of rasters: only these say nothing of what the topology's tables hold.
    {"postgis_topology",
     {"geometrytype", "st_geometrytype", "st_srid"},
     {},
     {"st_srid"},
     "reads or writes the tables of a topology"},
    {"seg", {}, {}, {}, {}},
    // crosstab() and connectby() run SQL from strings.
    {"tablefunc", {"normal_rand"}, {}, {"normal_rand"}, "runs SQL from a string"},
    {"unaccent", {}, {}, {}, {}},
    {"uuid-ossp", {}, {}, {"uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4"}, {}},
    {"vector", {}, {}, {}, {}},
    // xpath_table() reads a table by name; a stylesheet can ask for files.
    {"xml2",
     {"xml_valid", "xml_encode_special_chars", "xpath_string", "xpath_nodeset", "xpath_list",
      "xpath_number", "xpath_bool"},
     {},
     {},
     "reads a table that it is given by name, or runs a stylesheet"},
};

constexpr std::array<std::string_view, 39> kReaching{
    "address_standardizer",
    "adminpack",
    "amcheck",
    "dblink",
    "file_fdw",
    "http",
    "hypopg",
    "lo",
    "mysql_fdw",
    "ogr_fdw",
    "old_snapshot",
    "oracle_fdw",
    "pageinspect",
    "pg_buffercache",
    "pg_cron",
    "pg_freespacemap",
    "pg_net",
    "pg_partman",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_surgery",
    "pg_visibility",
    "pg_walinspect",
    "pglogical",
    "pgrouting",
    "pgrowlocks",
    "pgstattuple",
    "plperl",
    "plperlu",
    "plpgsql",
    "plpython3u",
    "pltcl",
    "pltclu",
    "plv8",
    "postgis_tiger_geocoder",
    "postgres_fdw",
    "sslinfo",
    "tds_fdw",
    "timescaledb",
};

}  // namespace

std::span<const BuiltinGroup> builtin_groups() {
    return kBuiltins;
}

const BuiltinGroup* builtin_group(std::string_view name, char volatility) {
    struct Found {
        const BuiltinGroup* of_volatile = nullptr;
        const BuiltinGroup* of_others = nullptr;
    };
    static const std::unordered_map<std::string_view, Found> by_name = [] {
        std::unordered_map<std::string_view, Found> map;
        for (const BuiltinGroup& group : kBuiltins) {
            for (const std::string_view n : group.names) {
                switch (group.list) {
                    case kVolatileAllowed:
                    case kVolatileRefused:
                        map[n].of_volatile = &group;
                        break;
                    case kStableRefused:
                        map[n].of_others = &group;
                        break;
                    case kByConfiguration:
                    case kByArgument:
                        map[n] = {&group, &group};
                        break;
                }
            }
        }
        return map;
    }();
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
        return nullptr;
    }
    return volatility == 'v' ? found->second.of_volatile : found->second.of_others;
}

std::span<const TrustedExtension> trusted_extensions() {
    return kTrusted;
}

const TrustedExtension* trusted_extension(std::string_view name) {
    const auto found = std::find_if(kTrusted.begin(), kTrusted.end(),
                                    [&](const TrustedExtension& e) { return e.name == name; });
    return found == kTrusted.end() ? nullptr : &*found;
}

std::span<const std::string_view> reaching_extensions() {
    return kReaching;
}

bool is_reaching_extension(std::string_view name) {
    return std::find(kReaching.begin(), kReaching.end(), name) != kReaching.end();
}

}  // namespace vitrine::parser
