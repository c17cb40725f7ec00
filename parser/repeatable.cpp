#include "parser/repeatable.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "config/limits.h"
#include "parser/syntax/each_node.h"
#include "parser/syntax/parse_tree.h"
#include "parser/syntax/utf8.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;
using syntax::is_a;
using syntax::string_value;

namespace {

// Functions of PostgreSQL's whose value is another at another moment, in another session or on
// another copy of the same data; sorted.
constexpr std::array kFunctions{
    std::string_view("clock_timestamp"),
    std::string_view("current_database"),
    std::string_view("current_query"),
    std::string_view("current_setting"),
    std::string_view("currval"),
    std::string_view("gen_random_bytes"),
    std::string_view("gen_random_uuid"),
    std::string_view("inet_client_addr"),
    std::string_view("inet_client_port"),
    std::string_view("inet_server_addr"),
    std::string_view("inet_server_port"),
    std::string_view("lastval"),
    std::string_view("now"),
    std::string_view("pg_backend_pid"),
    std::string_view("pg_blocking_pids"),
    std::string_view("pg_conf_load_time"),
    std::string_view("pg_current_snapshot"),
    std::string_view("pg_current_wal_flush_lsn"),
    std::string_view("pg_current_wal_insert_lsn"),
    std::string_view("pg_current_wal_lsn"),
    std::string_view("pg_current_xact_id"),
    std::string_view("pg_current_xact_id_if_assigned"),
    std::string_view("pg_database_size"),
    std::string_view("pg_indexes_size"),
    std::string_view("pg_is_in_recovery"),
    std::string_view("pg_last_wal_receive_lsn"),
    std::string_view("pg_last_wal_replay_lsn"),
    std::string_view("pg_last_xact_replay_timestamp"),
    std::string_view("pg_lock_status"),
    std::string_view("pg_my_temp_schema"),
    std::string_view("pg_postmaster_start_time"),
    std::string_view("pg_relation_size"),
    std::string_view("pg_show_all_settings"),
    std::string_view("pg_table_size"),
    std::string_view("pg_tablespace_size"),
    std::string_view("pg_total_relation_size"),
    std::string_view("pg_xact_status"),
    std::string_view("random"),
    std::string_view("statement_timestamp"),
    std::string_view("timeofday"),
    std::string_view("transaction_timestamp"),
    std::string_view("txid_current"),
    std::string_view("txid_current_if_assigned"),
    std::string_view("txid_current_snapshot"),
    std::string_view("uuid_generate_v1"),
    std::string_view("uuid_generate_v1mc"),
    std::string_view("uuid_generate_v4"),
};
static_assert(std::ranges::is_sorted(kFunctions));

constexpr std::array kRelations{
    std::string_view("pg_backend_memory_contexts"),
    std::string_view("pg_cursors"),
    std::string_view("pg_locks"),
    std::string_view("pg_prepared_statements"),
    std::string_view("pg_prepared_xacts"),
    std::string_view("pg_replication_slots"),
    std::string_view("pg_settings"),
    std::string_view("pg_shmem_allocations"),
};
static_assert(std::ranges::is_sorted(kRelations));

std::string_view text_of(const char* text) {
    return text == nullptr ? std::string_view() : std::string_view(text);
}

std::string_view value_function(SQLValueFunctionOp op) {
    switch (op) {
        case SVFOP_CURRENT_DATE:
            return "CURRENT_DATE";
        case SVFOP_CURRENT_TIME:
        case SVFOP_CURRENT_TIME_N:
            return "CURRENT_TIME";
        case SVFOP_CURRENT_TIMESTAMP:
        case SVFOP_CURRENT_TIMESTAMP_N:
            return "CURRENT_TIMESTAMP";
        case SVFOP_LOCALTIME:
        case SVFOP_LOCALTIME_N:
            return "LOCALTIME";
        case SVFOP_LOCALTIMESTAMP:
        case SVFOP_LOCALTIMESTAMP_N:
            return "LOCALTIMESTAMP";
        case SVFOP_CURRENT_CATALOG:
            return "CURRENT_CATALOG";
        case SVFOP_CURRENT_SCHEMA:
            return {};  // of the path, which is the session's own again
        case SVFOP_CURRENT_ROLE:
        case SVFOP_CURRENT_USER:
        case SVFOP_USER:
        case SVFOP_SESSION_USER:
            return "CURRENT_USER";
    }
    return {};
}

std::string dependence(const Node* node) {
    switch (nodeTag(node)) {
        case T_FuncCall: {
            const auto* call = as<FuncCall>(node);
            const auto names = cells(call->funcname);
            const std::string_view name = names.empty() ? "" : string_value(names.back().ptr_value);
            const bool age_to_today = name == "age" && cells(call->args).size() == 1;
            return age_to_today || name.starts_with("pg_stat_get_") ||
                           std::ranges::binary_search(kFunctions, name)
                       ? std::string(name) + "()"
                       : "";
        }
        case T_SQLValueFunction:
            return std::string(value_function(as<SQLValueFunction>(node)->op));
        case T_RangeVar: {
            const std::string_view name = text_of(as<RangeVar>(node)->relname);
            return name.starts_with("pg_stat") || std::ranges::binary_search(kRelations, name)
                       ? std::string(name)
                       : "";
        }
        case T_RangeTableSample:
            return as<RangeTableSample>(node)->repeatable == nullptr ? "TABLESAMPLE" : "";
        default:
            return {};
    }
}

// What the grammar's own walker does not know is passed over.
std::string tree(const Node* node) {
    std::string found;
    (void)syntax::each_node(node, [&found](const Node* each) {
        found = dependence(each);
        return found.empty();
    });
    return found;
}

void statement(const Node* node, Repeatable& repeatable) {
    const auto depend = [&](std::string on) {
        if (repeatable.depends_on.empty()) {
            repeatable.depends_on = std::move(on);
        }
    };
    if (node == nullptr) {
        return;
    }
    switch (nodeTag(node)) {
        case T_SelectStmt:
            depend(tree(node));
            return;
        case T_ExplainStmt:
            depend("EXPLAIN");  // estimates and times
            return;
        case T_VariableShowStmt:
            depend("SHOW");
            return;
        case T_CopyStmt:
            statement(as<CopyStmt>(node)->query, repeatable);
            return;
        case T_PrepareStmt:
            repeatable.makes.push_back("statement " +
                                       std::string(text_of(as<PrepareStmt>(node)->name)));
            depend(tree(as<PrepareStmt>(node)->query));
            return;
        case T_ExecuteStmt:
            repeatable.uses.push_back("statement " +
                                      std::string(text_of(as<ExecuteStmt>(node)->name)));
            for (const ListCell& cell : cells(as<ExecuteStmt>(node)->params)) {
                depend(tree(static_cast<const Node*>(cell.ptr_value)));
            }
            return;
        case T_DeclareCursorStmt:
            repeatable.makes.push_back(
                "cursor " + std::string(text_of(as<DeclareCursorStmt>(node)->portalname)));
            depend(tree(as<DeclareCursorStmt>(node)->query));
            return;
        case T_FetchStmt:
            repeatable.uses.push_back("cursor " +
                                      std::string(text_of(as<FetchStmt>(node)->portalname)));
            return;
        default:
            return;
    }
}

}  // namespace

Repeatable find_repeatable(const std::string& sql) {
    Repeatable repeatable;
    if (syntax::find_invalid_byte(sql) || syntax::find_too_complex(sql, limits::kNestingMax)) {
        return repeatable;
    }
    const syntax::ParseTree parsed(sql);
    if (parsed.error()) {
        return repeatable;
    }
    for (const ListCell& cell : cells(parsed.statements())) {
        statement(as<RawStmt>(cell.ptr_value)->stmt, repeatable);
    }
    return repeatable;
}

}  // namespace vitrine::parser
