#include "parser/readonly/setting_rules.h"

#include <algorithm>
#include <array>
#include <vector>

#include "config/limits.h"

namespace vitrine::parser {
namespace {

struct Group {
    SettingCheck check;
    std::string_view reason;
    std::string_view names;  // with blanks between
};

// Every setting of PostgreSQL 15, and of newer servers those that may be changed.
constexpr Group kGroups[] = {
    {SettingCheck::kAny, "changes only how values look or are written",
     "array_nulls bytea_output datestyle extra_float_digits intervalstyle lc_messages "
     "lc_monetary lc_numeric lc_time quote_all_identifiers timezone "
     "timezone_abbreviations xmlbinary xmloption"},
    {SettingCheck::kAny, "changes how a query is planned, not what it may read",
     "constraint_exclusion cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost "
     "cursor_tuple_fraction effective_cache_size enable_async_append enable_bitmapscan "
     "enable_distinct_reordering enable_gathermerge enable_group_by_reordering "
     "enable_hashagg enable_hashjoin enable_incremental_sort enable_indexonlyscan "
     "enable_indexscan enable_material enable_memoize enable_mergejoin enable_nestloop "
     "enable_parallel_append enable_parallel_hash enable_partition_pruning "
     "enable_partitionwise_aggregate enable_partitionwise_join "
     "enable_presorted_aggregate enable_self_join_elimination enable_seqscan enable_sort "
     "enable_tidscan geqo geqo_effort geqo_generations "
     "geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold jit jit_above_cost "
     "jit_expressions jit_inline_above_cost jit_optimize_above_cost jit_tuple_deforming "
     "min_parallel_index_scan_size min_parallel_table_scan_size "
     "parallel_leader_participation parallel_setup_cost parallel_tuple_cost "
     "plan_cache_mode random_page_cost recursive_worktable_factor seq_page_cost "
     "synchronize_seqscans"},
    {SettingCheck::kAny, "says who is there; the name of the user stands before it",
     "application_name"},
    {SettingCheck::kAny, "matters to reading alone, and widens nothing",
     "check_function_bodies default_text_search_config default_transaction_deferrable "
     "default_transaction_isolation escape_string_warning gin_fuzzy_search_limit "
     "restrict_nonsystem_relation_kind stats_fetch_consistency transaction_deferrable "
     "transaction_isolation"},
    // Off, the server raises an error where it would have left rows out: a read fails, and none
    // shows more. Who is not filtered (the owner, BYPASSRLS) is not under either value. pg_dump
    // sends it, so as not to write an incomplete dump without a word.
    {SettingCheck::kAny, "off makes a read fail that a policy would filter; it never shows more",
     "row_security"},
    {SettingCheck::kAny, "how near a match or a search has to be",
     "hnsw.ef_search hnsw.iterative_scan hnsw.max_scan_tuples ivfflat.iterative_scan "
     "ivfflat.max_probes ivfflat.probes pg_trgm.similarity_threshold "
     "pg_trgm.strict_word_similarity_threshold pg_trgm.word_similarity_threshold"},
    {SettingCheck::kAny, "the form of dates in orafce's functions", "orafce.nls_date_format"},

    {SettingCheck::kTransactionMode, "every session is read-only",
     "default_transaction_read_only transaction_read_only"},
    {SettingCheck::kOn, "vitrine reads the text of a statement as the server must",
     "standard_conforming_strings"},
    {SettingCheck::kOff, "vitrine reads the text of a statement as the server must",
     "transform_null_equals"},
    {SettingCheck::kSafeEncoding, "vitrine reads the text of a statement as the server must",
     "backslash_quote"},
    {SettingCheck::kUtf8,
     "vitrine reads the text of a statement as the server must, and does not convert",
     "client_encoding"},
    {SettingCheck::kMessages, "below that, messages show how a statement was rewritten",
     "client_min_messages"},
    {SettingCheck::kSearchPath,
     "names are looked up as the server does it; temporary relations are nobody's", "search_path"},
    {SettingCheck::kNoRole, "the session's role is the one that vitrine reads with", "role"},
    {SettingCheck::kTimeout,
     "how long a statement or a session may take is for the session to shorten",
     "idle_in_transaction_session_timeout idle_session_timeout lock_timeout "
     "statement_timeout transaction_timeout"},
    {SettingCheck::kMemory, "one session must not take the server's memory",
     "maintenance_work_mem work_mem"},
    {SettingCheck::kPages, "one session must not take the server's memory", "temp_buffers"},
    {SettingCheck::kMultiplier, "one session must not take the server's memory",
     "hash_mem_multiplier"},
    {SettingCheck::kWorkers, "one session must not take the server's processes",
     "max_parallel_workers max_parallel_workers_per_gather"},
    {SettingCheck::kRequests, "one session must not take the server's disks",
     "effective_io_concurrency maintenance_io_concurrency"},

    {SettingCheck::kJoins, "planning takes memory that trebles with every relation",
     "from_collapse_limit join_collapse_limit"},

    {SettingCheck::kNever, "the session's role is the one that vitrine reads with",
     "is_superuser session_authorization"},
    {SettingCheck::kNever, "what the server logs and measures is the operator's",
     "backtrace_functions compute_query_id debug_pretty_print debug_print_parse "
     "debug_print_plan debug_print_rewritten jit_dump_bitcode log_duration "
     "log_error_verbosity log_executor_stats log_lock_waits log_min_duration_sample "
     "log_min_duration_statement log_min_error_statement log_min_messages "
     "log_parameter_max_length log_parameter_max_length_on_error log_parser_stats "
     "log_planner_stats log_replication_commands log_statement log_statement_sample_rate "
     "log_statement_stats log_temp_files log_transaction_sample_rate trace_notify "
     "trace_sort track_activities track_counts track_functions track_io_timing "
     "track_wal_io_timing update_process_title"},
    {SettingCheck::kNever, "it loads code into the server",
     "dynamic_library_path extension_destdir local_preload_libraries "
     "output_plugin_libraries session_preload_libraries"},
    {SettingCheck::kNever, "it takes a safeguard of the server's away, or is for its developers",
     "allow_in_place_tablespaces allow_system_table_mods composite_type_mismatch "
     "deadlock_timeout debug_discard_caches exit_on_error force_parallel_mode "
     "ignore_checksum_failure lo_compat_privileges max_stack_depth "
     "session_replication_role temp_file_limit zero_damaged_pages"},
    {SettingCheck::kNever, "it only matters to statements that write",
     "backend_flush_after commit_delay commit_siblings default_statistics_target "
     "default_table_access_method default_tablespace default_toast_compression "
     "gin_pending_list_limit logical_decoding_work_mem max_parallel_maintenance_workers "
     "password_encryption synchronous_commit temp_tablespaces vacuum_cost_delay "
     "vacuum_cost_limit vacuum_cost_page_dirty vacuum_cost_page_hit "
     "vacuum_cost_page_miss vacuum_failsafe_age vacuum_freeze_min_age "
     "vacuum_freeze_table_age vacuum_multixact_failsafe_age "
     "vacuum_multixact_freeze_min_age vacuum_multixact_freeze_table_age wal_compression "
     "wal_consistency_checking wal_init_zero wal_recycle wal_sender_timeout "
     "wal_skip_threshold"},
    {SettingCheck::kNever, "the connection to the server is vitrine's",
     "client_connection_check_interval tcp_keepalives_count tcp_keepalives_idle "
     "tcp_keepalives_interval tcp_user_timeout"},
    {SettingCheck::kNever,
     "the seed of random() is the server's, as setseed() is not allowed either", "seed"},
    {SettingCheck::kNever, "it multiplies work_mem without a limit", "hnsw.scan_mem_multiplier"},
    {SettingCheck::kNever,
     "the server takes it from its own configuration, or when a session starts",
     "archive_cleanup_command archive_command archive_library archive_mode "
     "archive_timeout authentication_timeout autovacuum autovacuum_analyze_scale_factor "
     "autovacuum_analyze_threshold autovacuum_freeze_max_age autovacuum_max_workers "
     "autovacuum_multixact_freeze_max_age autovacuum_naptime "
     "autovacuum_vacuum_cost_delay autovacuum_vacuum_cost_limit "
     "autovacuum_vacuum_insert_scale_factor autovacuum_vacuum_insert_threshold "
     "autovacuum_vacuum_scale_factor autovacuum_vacuum_threshold autovacuum_work_mem "
     "bgwriter_delay bgwriter_flush_after bgwriter_lru_maxpages bgwriter_lru_multiplier "
     "block_size bonjour bonjour_name checkpoint_completion_target "
     "checkpoint_flush_after checkpoint_timeout checkpoint_warning cluster_name "
     "config_file data_checksums data_directory data_directory_mode data_sync_retry "
     "db_user_namespace debug_assertions dynamic_shared_memory_type event_source "
     "external_pid_file fsync full_page_writes hba_file hot_standby hot_standby_feedback "
     "huge_page_size huge_pages ident_file ignore_invalid_pages ignore_system_indexes "
     "in_hot_standby integer_datetimes jit_debugging_support jit_profiling_support "
     "jit_provider krb_caseins_users krb_server_keyfile lc_collate lc_ctype "
     "listen_addresses log_autovacuum_min_duration log_checkpoints log_connections "
     "log_destination log_directory log_disconnections log_file_mode log_filename "
     "log_hostname log_line_prefix log_recovery_conflict_waits log_rotation_age "
     "log_rotation_size log_startup_progress_interval log_timezone "
     "log_truncate_on_rotation logging_collector max_connections max_files_per_process "
     "max_function_args max_identifier_length max_index_keys max_locks_per_transaction "
     "max_logical_replication_workers max_pred_locks_per_page "
     "max_pred_locks_per_relation max_pred_locks_per_transaction "
     "max_prepared_transactions max_replication_slots max_slot_wal_keep_size "
     "max_standby_archive_delay max_standby_streaming_delay "
     "max_sync_workers_per_subscription max_wal_senders max_wal_size "
     "max_worker_processes min_dynamic_shared_memory min_wal_size old_snapshot_threshold "
     "port post_auth_delay pre_auth_delay primary_conninfo primary_slot_name "
     "promote_trigger_file recovery_end_command recovery_init_sync_method "
     "recovery_min_apply_delay recovery_prefetch recovery_target recovery_target_action "
     "recovery_target_inclusive recovery_target_lsn recovery_target_name "
     "recovery_target_time recovery_target_timeline recovery_target_xid "
     "remove_temp_files_after_crash restart_after_crash restore_command segment_size "
     "server_encoding server_version server_version_num shared_buffers "
     "shared_memory_size shared_memory_size_in_huge_pages shared_memory_type "
     "shared_preload_libraries ssl ssl_ca_file ssl_cert_file ssl_ciphers ssl_crl_dir "
     "ssl_crl_file ssl_dh_params_file ssl_ecdh_curve ssl_key_file ssl_library "
     "ssl_max_protocol_version ssl_min_protocol_version ssl_passphrase_command "
     "ssl_passphrase_command_supports_reload ssl_prefer_server_ciphers "
     "superuser_reserved_connections synchronous_standby_names syslog_facility "
     "syslog_ident syslog_sequence_numbers syslog_split_messages trace_recovery_messages "
     "track_activity_query_size track_commit_timestamp unix_socket_directories "
     "unix_socket_group unix_socket_permissions vacuum_defer_cleanup_age wal_block_size "
     "wal_buffers wal_decode_buffer_size wal_keep_size wal_level wal_log_hints "
     "wal_receiver_create_temp_slot wal_receiver_status_interval wal_receiver_timeout "
     "wal_retrieve_retry_interval wal_segment_size wal_sync_method wal_writer_delay "
     "wal_writer_flush_after"},
};

// Modules whose settings decide what is logged, loaded, run elsewhere or let through. A name that
// begins like PostgreSQL's own or one of its languages' is closed, too: what comes under it later
// is not known yet.
constexpr std::array kClosed = {
    ClosedPrefix{"anon.", "the masks of postgresql_anonymizer are the operator's"},
    ClosedPrefix{"auth_delay.", "it decides who gets in"},
    ClosedPrefix{"auto_explain.", "what the server logs is the operator's"},
    ClosedPrefix{"basic_archive.", "it decides where the server writes to"},
    ClosedPrefix{"bdr.", "it decides what is replicated"},
    ClosedPrefix{"citus.", "it decides what other servers are told to do"},
    ClosedPrefix{"credcheck.", "it decides who gets in"},
    ClosedPrefix{"cron.", "it decides what the server runs by itself"},
    ClosedPrefix{"dblink.", "it decides what other servers are told to do"},
    ClosedPrefix{"edb", "the module is not known"},
    ClosedPrefix{"extwlist.", "it decides which code is loaded"},
    ClosedPrefix{"hnsw.", "the setting is not known"},
    ClosedPrefix{"ivfflat.", "the setting is not known"},
    ClosedPrefix{"isolation_test.", "it is for the server's developers"},
    ClosedPrefix{"mysql_fdw.", "it decides what other servers are told to do"},
    ClosedPrefix{"oracle_fdw.", "it decides what other servers are told to do"},
    ClosedPrefix{"orafce.", "it changes what functions do"},
    ClosedPrefix{"passwordcheck.", "it decides who gets in"},
    ClosedPrefix{"pg", "the name is kept for PostgreSQL's own modules and those around it"},
    ClosedPrefix{"pljava.", "it changes how functions run"},
    ClosedPrefix{"plperl", "it changes how functions run"},
    ClosedPrefix{"plprofiler.", "it changes how functions run"},
    ClosedPrefix{"plpgsql", "it changes how functions run"},
    ClosedPrefix{"plproxy.", "it changes how functions run"},
    ClosedPrefix{"plpython", "it changes how functions run"},
    ClosedPrefix{"plr.", "it changes how functions run"},
    ClosedPrefix{"plsh.", "it changes how functions run"},
    ClosedPrefix{"pltcl", "it changes how functions run"},
    ClosedPrefix{"plv8.", "it changes how functions run"},
    ClosedPrefix{"postgis.", "it decides which files and network addresses may be read"},
    ClosedPrefix{"postgres_fdw.", "it decides what other servers are told to do"},
    ClosedPrefix{"powa.", "what the server measures is the operator's"},
    ClosedPrefix{"repmgr.", "it decides what is replicated"},
    ClosedPrefix{"sepgsql.", "it decides what may be read"},
    ClosedPrefix{"session_exec.", "it decides who gets in"},
    ClosedPrefix{"set_user.", "it decides who may become whom"},
    ClosedPrefix{"spock.", "it decides what is replicated"},
    ClosedPrefix{"squeeze.", "it decides what the server runs by itself"},
    ClosedPrefix{"supautils.", "it decides who may do what"},
    ClosedPrefix{"system_stats.", "what the server measures is the operator's"},
    ClosedPrefix{"tds_fdw.", "it decides what other servers are told to do"},
    ClosedPrefix{"timescaledb.", "it decides what the server runs by itself"},
    ClosedPrefix{"vault.", "it may hold a secret"},
    ClosedPrefix{"worker_spi.", "it decides what the server runs by itself"},
};

std::string megabytes(std::size_t bytes) {
    return std::to_string(bytes >> 20U) + " MB";
}

std::string values_in_words(SettingCheck check) {
    switch (check) {
        case SettingCheck::kOn:
        case SettingCheck::kTransactionMode:
            return "on";
        case SettingCheck::kOff:
            return "off";
        case SettingCheck::kSafeEncoding:
            return "safe_encoding";
        case SettingCheck::kMessages:
            return "info, notice, warning or error";
        case SettingCheck::kUtf8:
            return "UTF8; SQL_ASCII comes to the same";
        case SettingCheck::kSearchPath:
            return "any schemas but pg_temp";
        case SettingCheck::kNoRole:
            return "none";
        case SettingCheck::kMemory:
        case SettingCheck::kPages:
            return "at most " + megabytes(limits::kSettingMemoryBytesMax);
        case SettingCheck::kMultiplier:
            return "at most " + std::to_string(limits::kHashMemMultiplierMax);
        case SettingCheck::kWorkers:
            return "at most " + std::to_string(limits::kParallelWorkersMax);
        case SettingCheck::kRequests:
            return "at most " + std::to_string(limits::kIoConcurrencyMax);
        case SettingCheck::kJoins:
            return "at most " + std::to_string(limits::kJoinCollapseMax);
        case SettingCheck::kAny:
        case SettingCheck::kTimeout:
        case SettingCheck::kNever:
            break;
    }
    return {};
}

SettingVerdict verdict_of(SettingCheck check) {
    switch (check) {
        case SettingCheck::kAny:
        case SettingCheck::kTimeout:
            return SettingVerdict::kAllowed;
        case SettingCheck::kNever:
            return SettingVerdict::kRefused;
        case SettingCheck::kOn:
        case SettingCheck::kOff:
        case SettingCheck::kSafeEncoding:
        case SettingCheck::kTransactionMode:
        case SettingCheck::kMessages:
        case SettingCheck::kUtf8:
        case SettingCheck::kSearchPath:
        case SettingCheck::kNoRole:
        case SettingCheck::kMemory:
        case SettingCheck::kPages:
        case SettingCheck::kMultiplier:
        case SettingCheck::kWorkers:
        case SettingCheck::kRequests:
        case SettingCheck::kJoins:
            break;
    }
    return SettingVerdict::kLimited;
}

std::vector<SettingRule> all_rules() {
    std::vector<SettingRule> rules;
    for (const Group& group : kGroups) {
        std::string_view names = group.names;
        while (!names.empty()) {
            const std::size_t size = std::min(names.find(' '), names.size());
            rules.push_back({names.substr(0, size), group.check, verdict_of(group.check),
                             values_in_words(group.check), group.reason});
            names.remove_prefix(std::min(size + 1, names.size()));
        }
    }
    std::ranges::sort(rules, {}, &SettingRule::name);
    return rules;
}

}  // namespace

std::span<const SettingRule> setting_rules() {
    static const std::vector<SettingRule> kRules = all_rules();
    return kRules;
}

std::span<const ClosedPrefix> closed_prefixes() {
    return kClosed;
}

const SettingRule* setting_rule(std::string_view lower) {
    const auto rules = setting_rules();
    const auto rule = std::ranges::lower_bound(rules, lower, {}, &SettingRule::name);
    return rule == rules.end() || rule->name != lower ? nullptr : &*rule;
}

}  // namespace vitrine::parser
