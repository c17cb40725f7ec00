#include "parser/masking/builtin_rules.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "parser/masking/mask_expression.h"

namespace vitrine::parser {

namespace {

// Read as they are: definitions of objects, and counters.
const std::unordered_set<std::string_view> kOpenCatalog{
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_attribute",
    "pg_auth_members",
    "pg_available_extension_versions",
    "pg_available_extensions",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_database",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_depend",
    "pg_description",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_group",
    "pg_index",
    "pg_indexes",
    "pg_inherits",
    "pg_init_privs",
    "pg_language",
    "pg_largeobject_metadata",
    "pg_locks",
    "pg_matviews",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_parameter_acl",
    "pg_partitioned_table",
    "pg_pltemplate",
    "pg_policies",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_publication_tables",
    "pg_range",
    "pg_replication_origin",
    "pg_replication_origin_status",
    "pg_replication_slots",
    "pg_rewrite",
    "pg_roles",
    "pg_rules",
    "pg_seclabel",
    "pg_seclabels",
    "pg_sequence",
    "pg_sequences",
    "pg_shdepend",
    "pg_shdescription",
    "pg_shmem_allocations",
    "pg_shseclabel",
    "pg_stat_all_indexes",
    "pg_stat_all_tables",
    "pg_stat_archiver",
    "pg_stat_bgwriter",
    "pg_stat_database",
    "pg_stat_database_conflicts",
    "pg_stat_gssapi",
    "pg_stat_progress_analyze",
    "pg_stat_progress_basebackup",
    "pg_stat_progress_cluster",
    "pg_stat_progress_copy",
    "pg_stat_progress_create_index",
    "pg_stat_progress_vacuum",
    "pg_stat_recovery_prefetch",
    "pg_stat_replication",
    "pg_stat_replication_slots",
    "pg_stat_slru",
    "pg_stat_ssl",
    "pg_stat_subscription",
    "pg_stat_subscription_stats",
    "pg_stat_sys_indexes",
    "pg_stat_sys_tables",
    "pg_stat_user_functions",
    "pg_stat_user_indexes",
    "pg_stat_user_tables",
    "pg_stat_wal",
    "pg_stat_xact_all_tables",
    "pg_stat_xact_sys_tables",
    "pg_stat_xact_user_functions",
    "pg_stat_xact_user_tables",
    "pg_statio_all_indexes",
    "pg_statio_all_sequences",
    "pg_statio_all_tables",
    "pg_statio_sys_indexes",
    "pg_statio_sys_sequences",
    "pg_statio_sys_tables",
    "pg_statio_user_indexes",
    "pg_statio_user_sequences",
    "pg_statio_user_tables",
    "pg_statistic_ext",
    "pg_subscription_rel",
    "pg_tables",
    "pg_tablespace",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "pg_transform",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_config_map",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
    "pg_user",
    "pg_views",
};

const std::unordered_set<std::string_view> kOpenInformationSchema{
    "_pg_foreign_data_wrappers",
    "_pg_foreign_servers",
    "_pg_foreign_table_columns",
    "_pg_foreign_tables",
    "administrable_role_authorizations",
    "applicable_roles",
    "attributes",
    "character_sets",
    "check_constraint_routine_usage",
    "check_constraints",
    "collation_character_set_applicability",
    "collations",
    "column_column_usage",
    "column_domain_usage",
    "column_options",
    "column_privileges",
    "column_udt_usage",
    "columns",
    "constraint_column_usage",
    "constraint_table_usage",
    "data_type_privileges",
    "domain_constraints",
    "domain_udt_usage",
    "domains",
    "element_types",
    "enabled_roles",
    "foreign_data_wrapper_options",
    "foreign_data_wrappers",
    "foreign_server_options",
    "foreign_servers",
    "foreign_table_options",
    "foreign_tables",
    "information_schema_catalog_name",
    "key_column_usage",
    "parameters",
    "referential_constraints",
    "role_column_grants",
    "role_routine_grants",
    "role_table_grants",
    "role_udt_grants",
    "role_usage_grants",
    "routine_column_usage",
    "routine_privileges",
    "routine_routine_usage",
    "routine_sequence_usage",
    "routine_table_usage",
    "routines",
    "schemata",
    "sequences",
    "sql_features",
    "sql_implementation_info",
    "sql_languages",
    "sql_packages",
    "sql_parts",
    "sql_sizing",
    "sql_sizing_profiles",
    "table_constraints",
    "table_privileges",
    "tables",
    "transforms",
    "triggered_update_columns",
    "triggers",
    "udt_privileges",
    "usage_privileges",
    "user_defined_types",
    "user_mappings",
    "view_column_usage",
    "view_routine_usage",
    "view_table_usage",
    "views",
};

// Closed, and what they would tell.
const std::unordered_map<std::string_view, std::string_view> kClosedCatalog{
    {"pg_statistic", "holds values of columns that may be masked"},
    {"pg_statistic_ext_data", "holds values of columns that may be masked"},
    {"pg_largeobject", "holds the contents of large objects"},
    {"pg_hba_file_rules", "shows a file of the server's"},
    {"pg_ident_file_mappings", "shows a file of the server's"},
    {"pg_file_settings", "shows a file of the server's"},
    {"pg_config", "shows how the server was built"},
};

// Columns that come back null. The statements are not the client's but as rewritten, or another
// session's; the statistics hold values of masked columns, and also of the indexes over them.
const std::unordered_map<std::string_view, std::vector<std::string_view>> kNullCatalog{
    {"pg_stats",
     {"null_frac", "avg_width", "n_distinct", "most_common_vals", "most_common_freqs",
      "histogram_bounds", "correlation", "most_common_elems", "most_common_elem_freqs",
      "elem_count_histogram"}},
    {"pg_stats_ext",
     {"n_distinct", "dependencies", "most_common_vals", "most_common_val_nulls",
      "most_common_freqs", "most_common_base_freqs"}},
    {"pg_stats_ext_exprs",
     {"null_frac", "avg_width", "n_distinct", "most_common_vals", "most_common_freqs",
      "histogram_bounds", "correlation", "most_common_elems", "most_common_elem_freqs",
      "elem_count_histogram"}},
    {"pg_stat_activity", {"query"}},
    {"pg_prepared_statements", {"statement"}},
    {"pg_cursors", {"statement"}},
    {"pg_prepared_xacts", {"gid"}},
    {"pg_authid", {"rolpassword"}},
    {"pg_shadow", {"passwd"}},
    {"pg_user_mapping", {"umoptions"}},
    {"pg_user_mappings", {"umoptions"}},
    {"pg_backend_memory_contexts", {"ident"}},
    {"pg_subscription", {"subconninfo"}},
    {"pg_stat_wal_receiver", {"conninfo"}},
};

const std::unordered_map<std::string_view, std::vector<std::string_view>> kNullInformationSchema{
    {"_pg_user_mappings", {"umoptions"}},
    {"user_mapping_options", {"option_value"}},
};

void mask_null(RelationPolicy& policy, std::string_view name, const CatalogSnapshot& catalog) {
    const Column* column = policy.relation->column(name);
    if (column == nullptr) {
        return;  // of another server version
    }
    const config::Mask mask;
    std::string why;
    const auto expression = mask_expression(mask, *column, catalog, why, *column);
    policy.masked.push_back({column, mask, "builtin: " + policy.relation->name, *expression});
}

// The mask key lives in a setting, and some settings are secrets of the server's.
void rule_settings(RelationPolicy& policy) {
    const std::string rule = "builtin: pg_settings";
    for (const std::string_view name : {"setting", "boot_val", "reset_val"}) {
        const Column* column = policy.relation->column(name);
        if (column == nullptr) {
            policy.closed = Closed{rule, "pg_settings has another shape than known", ""};
            return;
        }
        policy.masked.push_back(
            {column, config::Mask{}, rule,
             "CASE WHEN \"name\" OPERATOR(pg_catalog.=) ANY "
             "(ARRAY['primary_conninfo', 'ssl_passphrase_command', 'archive_command', "
             "'restore_command', 'archive_cleanup_command', 'recovery_end_command', "
             "'anon.salt']::pg_catalog.text[]) THEN NULL ELSE " +
                 quoted_identifier(name) + " END"});
    }
    policy.filter = "NOT pg_catalog.starts_with(pg_catalog.lower(\"name\"), " +
                    quoted_literal(kSettingPrefix) + ")";
    policy.filter_rules = {rule};
}

Closed closed_relation(const Relation& relation, std::string_view reason) {
    return {"builtin: " + relation.name,
            relation.schema + "." + relation.name + " " + std::string(reason) + ".",
            "What is known of tables, columns and sessions without that is in the other system "
            "views."};
}

}  // namespace

bool is_system_relation(const Relation& relation) {
    return relation.oid < kFirstNormalObjectId;
}

std::optional<RelationPolicy> builtin_rule(const Relation& relation,
                                           const CatalogSnapshot& catalog) {
    RelationPolicy policy;
    policy.relation = &relation;
    const bool information_schema = relation.schema == "information_schema";
    if (information_schema
            ? kOpenInformationSchema.contains(relation.name)
            : relation.schema == "pg_catalog" && kOpenCatalog.contains(relation.name)) {
        return std::nullopt;
    }
    if (relation.schema == "pg_catalog" && relation.name == "pg_settings") {
        rule_settings(policy);
        return policy;
    }
    const auto& nulls = information_schema ? kNullInformationSchema : kNullCatalog;
    if (const auto found = nulls.find(relation.name); found != nulls.end()) {
        for (const std::string_view column : found->second) {
            mask_null(policy, column, catalog);
        }
        std::sort(policy.masked.begin(), policy.masked.end(),
                  [](const MaskedColumn& left, const MaskedColumn& right) {
                      return left.column->number < right.column->number;
                  });
        return policy;
    }
    const auto closed = kClosedCatalog.find(relation.name);
    policy.closed = closed_relation(
        relation, closed != kClosedCatalog.end()
                      ? closed->second
                      : "is a system relation that this version of vitrine does not know");
    return policy;
}

}  // namespace vitrine::parser
