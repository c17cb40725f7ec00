#include "parser/readonly/statements.h"

#include <algorithm>
#include <iterator>

#include "parser/syntax/parse_tree.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {
namespace {

constexpr std::string_view kRows = "it changes rows";
constexpr std::string_view kSchema = "it changes the schema";
constexpr std::string_view kCode = "it changes what code the server runs";
constexpr std::string_view kRights = "it changes who may do what";
constexpr std::string_view kServer = "it changes databases or where they are stored";
constexpr std::string_view kStorage = "it writes tables or indexes anew, or their statistics";
constexpr std::string_view kForeign = "it changes what other servers and files are reached";
constexpr std::string_view kReplication = "it changes what is replicated";

constexpr StatementKind kKinds[] = {
    {T_RawStmt, "", StatementVerdict::kInner, "", "it wraps each statement of a text"},
    {T_PlannedStmt, "", StatementVerdict::kInner, "", "it comes from the planner"},
    {T_InsertStmt, "INSERT", StatementVerdict::kWrite, "", kRows},
    {T_DeleteStmt, "DELETE", StatementVerdict::kWrite, "", kRows},
    {T_UpdateStmt, "UPDATE", StatementVerdict::kWrite, "", kRows},
    {T_MergeStmt, "MERGE", StatementVerdict::kWrite, "", kRows},
    {T_SelectStmt, "SELECT", StatementVerdict::kConditional,
     "what it reads and calls may be read and called, at every depth; without INTO, without FOR "
     "UPDATE and other row locks",
     "it reads"},
    {T_ReturnStmt, "", StatementVerdict::kInner, "", "it is part of a function's body"},
    {T_PLAssignStmt, "", StatementVerdict::kInner, "", "it is part of a function's body"},
    {T_AlterTableStmt, "ALTER TABLE", StatementVerdict::kWrite, "", kSchema},
    {T_AlterDomainStmt, "ALTER DOMAIN", StatementVerdict::kWrite, "", kSchema},
    {T_SetOperationStmt, "", StatementVerdict::kInner, "",
     "it comes from the analysis of UNION and its kin"},
    {T_GrantStmt, "GRANT", StatementVerdict::kWrite, "", kRights},
    {T_GrantRoleStmt, "GRANT ROLE", StatementVerdict::kWrite, "", kRights},
    {T_AlterDefaultPrivilegesStmt, "ALTER DEFAULT PRIVILEGES", StatementVerdict::kWrite, "",
     kRights},
    {T_ClosePortalStmt, "CLOSE CURSOR", StatementVerdict::kRead, "",
     "it ends a cursor of the session"},
    {T_ClusterStmt, "CLUSTER", StatementVerdict::kWrite, "", kStorage},
    {T_CopyStmt, "COPY", StatementVerdict::kConditional,
     "TO STDOUT; a query in it is judged as such", "it reads"},
    {T_CreateStmt, "CREATE TABLE", StatementVerdict::kWrite, "", kSchema},
    {T_DefineStmt, "CREATE", StatementVerdict::kWrite, "", kSchema},
    {T_DropStmt, "DROP", StatementVerdict::kWrite, "", kSchema},
    {T_TruncateStmt, "TRUNCATE TABLE", StatementVerdict::kWrite, "", kRows},
    {T_CommentStmt, "COMMENT", StatementVerdict::kWrite, "", kSchema},
    {T_FetchStmt, "FETCH", StatementVerdict::kRead, "",
     "it reads from a cursor whose query was looked at"},
    {T_IndexStmt, "CREATE INDEX", StatementVerdict::kWrite, "", kSchema},
    {T_CreateFunctionStmt, "CREATE FUNCTION", StatementVerdict::kWrite, "", kCode},
    {T_AlterFunctionStmt, "ALTER FUNCTION", StatementVerdict::kWrite, "", kCode},
    {T_DoStmt, "DO", StatementVerdict::kForbidden, "", "it runs code that cannot be judged"},
    {T_RenameStmt, "ALTER", StatementVerdict::kWrite, "", kSchema},
    {T_RuleStmt, "CREATE RULE", StatementVerdict::kWrite, "", kCode},
    {T_NotifyStmt, "NOTIFY", StatementVerdict::kForbidden, "",
     "what a notification carries would go past the masks"},
    {T_ListenStmt, "LISTEN", StatementVerdict::kForbidden, "",
     "what a notification carries would go past the masks"},
    {T_UnlistenStmt, "UNLISTEN", StatementVerdict::kRead, "", "it changes nothing: nobody listens"},
    {T_TransactionStmt, "BEGIN", StatementVerdict::kConditional,
     "all but READ WRITE and the two-phase commands (PREPARE TRANSACTION and what ends it)",
     "it says when what is read is read"},
    {T_ViewStmt, "CREATE VIEW", StatementVerdict::kWrite, "", kSchema},
    {T_LoadStmt, "LOAD", StatementVerdict::kForbidden, "", "it loads code into the server"},
    {T_CreateDomainStmt, "CREATE DOMAIN", StatementVerdict::kWrite, "", kSchema},
    {T_CreatedbStmt, "CREATE DATABASE", StatementVerdict::kWrite, "", kServer},
    {T_DropdbStmt, "DROP DATABASE", StatementVerdict::kWrite, "", kServer},
    {T_VacuumStmt, "VACUUM", StatementVerdict::kWrite, "", kStorage},
    {T_ExplainStmt, "EXPLAIN", StatementVerdict::kConditional, "of what may be run itself",
     "ANALYZE runs the statement, and one that creates a relation even in a READ ONLY transaction"},
    {T_CreateTableAsStmt, "CREATE TABLE AS", StatementVerdict::kWrite, "", kSchema},
    {T_CreateSeqStmt, "CREATE SEQUENCE", StatementVerdict::kWrite, "", kSchema},
    {T_AlterSeqStmt, "ALTER SEQUENCE", StatementVerdict::kWrite, "", kSchema},
    {T_VariableSetStmt, "SET", StatementVerdict::kConditional,
     "of what the list of settings allows",
     "settings decide how a statement is read, and what is logged"},
    {T_VariableShowStmt, "SHOW", StatementVerdict::kConditional,
     "of what holds no password of the server's", "it reads a setting"},
    {T_DiscardStmt, "DISCARD", StatementVerdict::kRead, "",
     "what it goes back to is what the session began with: read-only"},
    {T_CreateTrigStmt, "CREATE TRIGGER", StatementVerdict::kWrite, "", kCode},
    {T_CreatePLangStmt, "CREATE LANGUAGE", StatementVerdict::kWrite, "", kCode},
    {T_CreateRoleStmt, "CREATE ROLE", StatementVerdict::kWrite, "", kRights},
    {T_AlterRoleStmt, "ALTER ROLE", StatementVerdict::kWrite, "", kRights},
    {T_DropRoleStmt, "DROP ROLE", StatementVerdict::kWrite, "", kRights},
    {T_LockStmt, "LOCK TABLE", StatementVerdict::kConditional, "IN ACCESS SHARE MODE",
     "that is the lock that reading takes; every other keeps writers out"},
    {T_ConstraintsSetStmt, "SET CONSTRAINTS", StatementVerdict::kRead, "",
     "it only matters to statements that write, and frameworks send it unasked"},
    {T_ReindexStmt, "REINDEX", StatementVerdict::kWrite, "", kStorage},
    {T_CheckPointStmt, "CHECKPOINT", StatementVerdict::kForbidden, "",
     "it interferes with the server"},
    {T_CreateSchemaStmt, "CREATE SCHEMA", StatementVerdict::kWrite, "", kSchema},
    {T_AlterDatabaseStmt, "ALTER DATABASE", StatementVerdict::kWrite, "", kServer},
    {T_AlterDatabaseRefreshCollStmt, "ALTER DATABASE", StatementVerdict::kWrite, "", kServer},
    {T_AlterDatabaseSetStmt, "ALTER DATABASE", StatementVerdict::kWrite, "", kServer},
    {T_AlterRoleSetStmt, "ALTER ROLE", StatementVerdict::kWrite, "", kRights},
    {T_CreateConversionStmt, "CREATE CONVERSION", StatementVerdict::kWrite, "", kCode},
    {T_CreateCastStmt, "CREATE CAST", StatementVerdict::kWrite, "", kCode},
    {T_CreateOpClassStmt, "CREATE OPERATOR CLASS", StatementVerdict::kWrite, "", kCode},
    {T_CreateOpFamilyStmt, "CREATE OPERATOR FAMILY", StatementVerdict::kWrite, "", kCode},
    {T_AlterOpFamilyStmt, "ALTER OPERATOR FAMILY", StatementVerdict::kWrite, "", kCode},
    {T_PrepareStmt, "PREPARE", StatementVerdict::kConditional, "of what may be run itself",
     "its statement is judged when it is prepared, and again where what it means may have changed"},
    {T_ExecuteStmt, "EXECUTE", StatementVerdict::kConditional,
     "of a name that PREPARE made in this session, under the same search_path and rules",
     "what was prepared was judged"},
    {T_DeallocateStmt, "DEALLOCATE", StatementVerdict::kRead, "",
     "it ends a prepared statement of the session"},
    {T_DeclareCursorStmt, "DECLARE CURSOR", StatementVerdict::kConditional,
     "its query is judged as such", "it reads"},
    {T_CreateTableSpaceStmt, "CREATE TABLESPACE", StatementVerdict::kWrite, "", kServer},
    {T_DropTableSpaceStmt, "DROP TABLESPACE", StatementVerdict::kWrite, "", kServer},
    {T_AlterObjectDependsStmt, "ALTER", StatementVerdict::kWrite, "", kSchema},
    {T_AlterObjectSchemaStmt, "ALTER", StatementVerdict::kWrite, "", kSchema},
    {T_AlterOwnerStmt, "ALTER", StatementVerdict::kWrite, "", kRights},
    {T_AlterOperatorStmt, "ALTER OPERATOR", StatementVerdict::kWrite, "", kCode},
    {T_AlterTypeStmt, "ALTER TYPE", StatementVerdict::kWrite, "", kSchema},
    {T_DropOwnedStmt, "DROP OWNED", StatementVerdict::kWrite, "", kRights},
    {T_ReassignOwnedStmt, "REASSIGN OWNED", StatementVerdict::kWrite, "", kRights},
    {T_CompositeTypeStmt, "CREATE TYPE", StatementVerdict::kWrite, "", kSchema},
    {T_CreateEnumStmt, "CREATE TYPE", StatementVerdict::kWrite, "", kSchema},
    {T_CreateRangeStmt, "CREATE TYPE", StatementVerdict::kWrite, "", kSchema},
    {T_AlterEnumStmt, "ALTER TYPE", StatementVerdict::kWrite, "", kSchema},
    {T_AlterTSDictionaryStmt, "ALTER TEXT SEARCH DICTIONARY", StatementVerdict::kWrite, "",
     kSchema},
    {T_AlterTSConfigurationStmt, "ALTER TEXT SEARCH CONFIGURATION", StatementVerdict::kWrite, "",
     kSchema},
    {T_CreateFdwStmt, "CREATE FOREIGN DATA WRAPPER", StatementVerdict::kWrite, "", kForeign},
    {T_AlterFdwStmt, "ALTER FOREIGN DATA WRAPPER", StatementVerdict::kWrite, "", kForeign},
    {T_CreateForeignServerStmt, "CREATE SERVER", StatementVerdict::kWrite, "", kForeign},
    {T_AlterForeignServerStmt, "ALTER SERVER", StatementVerdict::kWrite, "", kForeign},
    {T_CreateUserMappingStmt, "CREATE USER MAPPING", StatementVerdict::kWrite, "", kRights},
    {T_AlterUserMappingStmt, "ALTER USER MAPPING", StatementVerdict::kWrite, "", kRights},
    {T_DropUserMappingStmt, "DROP USER MAPPING", StatementVerdict::kWrite, "", kRights},
    {T_AlterTableSpaceOptionsStmt, "ALTER TABLESPACE", StatementVerdict::kWrite, "", kServer},
    {T_AlterTableMoveAllStmt, "ALTER TABLE", StatementVerdict::kWrite, "", kServer},
    {T_SecLabelStmt, "SECURITY LABEL", StatementVerdict::kWrite, "", kRights},
    {T_CreateForeignTableStmt, "CREATE FOREIGN TABLE", StatementVerdict::kWrite, "", kForeign},
    {T_ImportForeignSchemaStmt, "IMPORT FOREIGN SCHEMA", StatementVerdict::kWrite, "", kForeign},
    {T_CreateExtensionStmt, "CREATE EXTENSION", StatementVerdict::kWrite, "", kCode},
    {T_AlterExtensionStmt, "ALTER EXTENSION", StatementVerdict::kWrite, "", kCode},
    {T_AlterExtensionContentsStmt, "ALTER EXTENSION", StatementVerdict::kWrite, "", kCode},
    {T_CreateEventTrigStmt, "CREATE EVENT TRIGGER", StatementVerdict::kWrite, "", kCode},
    {T_AlterEventTrigStmt, "ALTER EVENT TRIGGER", StatementVerdict::kWrite, "", kCode},
    {T_RefreshMatViewStmt, "REFRESH MATERIALIZED VIEW", StatementVerdict::kWrite, "", kStorage},
    {T_ReplicaIdentityStmt, "", StatementVerdict::kInner, "", "it is part of ALTER TABLE"},
    {T_AlterSystemStmt, "ALTER SYSTEM", StatementVerdict::kForbidden, "",
     "it changes the server's configuration"},
    {T_CreatePolicyStmt, "CREATE POLICY", StatementVerdict::kWrite, "", kRights},
    {T_AlterPolicyStmt, "ALTER POLICY", StatementVerdict::kWrite, "", kRights},
    {T_CreateTransformStmt, "CREATE TRANSFORM", StatementVerdict::kWrite, "", kCode},
    {T_CreateAmStmt, "CREATE ACCESS METHOD", StatementVerdict::kWrite, "", kCode},
    {T_CreatePublicationStmt, "CREATE PUBLICATION", StatementVerdict::kWrite, "", kReplication},
    {T_AlterPublicationStmt, "ALTER PUBLICATION", StatementVerdict::kWrite, "", kReplication},
    {T_CreateSubscriptionStmt, "CREATE SUBSCRIPTION", StatementVerdict::kWrite, "", kReplication},
    {T_AlterSubscriptionStmt, "ALTER SUBSCRIPTION", StatementVerdict::kWrite, "", kReplication},
    {T_DropSubscriptionStmt, "DROP SUBSCRIPTION", StatementVerdict::kWrite, "", kReplication},
    {T_CreateStatsStmt, "CREATE STATISTICS", StatementVerdict::kWrite, "", kSchema},
    {T_AlterCollationStmt, "ALTER COLLATION", StatementVerdict::kWrite, "", kSchema},
    {T_CallStmt, "CALL", StatementVerdict::kForbidden, "", "it runs code that cannot be judged"},
    {T_AlterStatsStmt, "ALTER STATISTICS", StatementVerdict::kWrite, "", kSchema},
};

}  // namespace

std::span<const StatementKind> statement_kinds() {
    return kKinds;
}

const StatementKind* statement_kind(int tag) {
    const auto* const found =
        std::lower_bound(std::begin(kKinds), std::end(kKinds), tag,
                         [](const StatementKind& kind, int wanted) { return kind.tag < wanted; });
    return found == std::end(kKinds) || found->tag != tag ? nullptr : found;
}

const StatementKind* statement_kind_of(const std::string& sql) {
    const syntax::ParseTree tree(sql);
    const auto statements = syntax::cells(tree.statements());
    return tree.error() || statements.size() != 1
               ? nullptr
               : statement_kind(nodeTag(syntax::as<RawStmt>(statements.front().ptr_value)->stmt));
}

}  // namespace vitrine::parser
