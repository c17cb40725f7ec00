// What a database's catalog said at one moment: relations, columns, functions, operators, types.
//
// Built from the rows of the queries in catalog/loader.h by a SnapshotBuilder (whoever has the
// connection runs them: this room does no I/O). Immutable afterwards and shared between threads as
// `std::shared_ptr<const CatalogSnapshot>`; pointers into it live as long as it does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "parser/catalog/name_key.h"

namespace vitrine::parser {

using Oid = std::uint32_t;

// Objects below this OID came with initdb (access/transam.h, FirstNormalObjectId). What an
// extension or a user put into pg_catalog later has a larger one, and is not a builtin.
inline constexpr Oid kFirstNormalObjectId = 16384;

struct Column {
    std::string name;
    std::int16_t number = 0;  // attnum, from 1; dropped columns are left out
    Oid type = 0;
    std::int32_t typmod = -1;
    // The type that a mask's value is cast to: the base type (domains resolved, all the way down)
    // with its typmod, spelled so that it means the same under any search_path.
    std::string type_sql;
    Oid base_type = 0;              // domains resolved
    std::int32_t base_typmod = -1;  // the typmod that goes with it
    std::string collation_sql;      // qualified; empty: none, or the database's default
    bool not_null = false;
    bool generated = false;
    // Generated columns: the numbers of the columns of the same relation the expression reads.
    std::vector<std::int16_t> generated_from;
};

// Which columns of a relation a definition names anywhere in it, as the server's own check of
// privileges has it (the range table's selectedCols).
struct ColumnsRead {
    Oid relation = 0;
    bool whole_row = false;  // the row as a value, or not known
    std::vector<std::int16_t> columns;
};

struct Relation {
    Oid oid = 0;
    std::string schema;
    std::string name;
    char kind = 'r';  // pg_class.relkind
    Oid row_type = 0;
    std::vector<Column> columns;      // in attnum order
    std::uint32_t columns_begin = 0;  // of their names in CatalogSnapshot::column_names()
    std::vector<Oid> parents;         // pg_inherits, direct
    std::vector<Oid> children;        // pg_inherits, direct
    std::vector<std::int16_t> primary_key;
    // Views and materialized views: everything their definition names. Taken from the stored tree:
    // pg_depend does not speak of builtins.
    std::vector<Oid> reads_relations;        // direct
    std::vector<ColumnsRead> reads_columns;  // one or more for each of reads_relations
    // Direct, operators' and casts' functions included. For tables: those of row-security policies
    // and the casts to json that to_json() of a row finds by itself.
    std::vector<Oid> calls_functions;
    bool row_security = false;
    std::vector<Oid> value_types;   // of the values in the definition
    std::vector<Oid> policy_reads;  // tables: what their row-security policies read
    // Views and materialized views: the definition as SQL that means the same in any session whose
    // path has pg_catalog and nothing of a name that it uses besides; empty where the server gave
    // none.
    std::string definition;
    bool security_barrier = false;
    bool security_invoker = false;
    // Views: FOR UPDATE or another locking clause in the definition.
    bool locks_rows = false;
    // Foreign tables of file_fdw: reading one runs a program on the server.
    bool runs_program = false;
    // Every current_setting() in the definition (or the policies) names its setting as a constant,
    // and none of vitrine's own.
    bool constant_settings = false;

    [[nodiscard]] const Column* column(std::string_view name) const;
};

struct Function {
    Oid oid = 0;
    std::string schema;
    std::string name;
    char kind = 'f';        // f function, a aggregate, w window, p procedure
    char volatility = 'v';  // i, s, v
    bool security_definer = false;
    bool builtin = false;             // oid < kFirstNormalObjectId and schema pg_catalog
    bool internal_argument = false;   // takes or gives `internal`: not callable from SQL sensibly
    std::string language;             // internal, c, sql, plpgsql, …
    std::string extension;            // member of, by pg_depend deptype e; empty: none
    std::uint16_t arguments_min = 0;  // without those that have defaults
    std::uint16_t arguments_max = 0;  // UINT16_MAX where the last is VARIADIC
    std::vector<std::string> argument_types;  // format_type's names, input arguments
    std::vector<Oid> argument_type_oids;
    Oid result_type = 0;
    bool returns_set = false;
    std::vector<Oid> result_columns;  // the types of OUT, INOUT and TABLE arguments
    // The constructor that CREATE TYPE … AS RANGE makes of its own accord.
    bool range_constructor = false;
};

struct Operator {
    Oid oid = 0;
    std::string schema;
    std::string name;
    Oid left = 0;  // 0: prefix operator
    Oid right = 0;
    Oid function = 0;
    Oid result = 0;
    bool builtin = false;
};

// A cast by a user's function that runs only where it is written (pg_cast.castcontext e or a).
struct WrittenCast {
    Oid source = 0;
    Oid function = 0;
};

struct Type {
    Oid oid = 0;
    std::string schema;
    std::string name;
    char kind = 'b';      // pg_type.typtype: b, c, d, e, p, r, m
    char category = 'U';  // pg_type.typcategory
    bool preferred = false;
    Oid base = 0;              // domains: the type below
    bool constrained = false;  // domains: NOT NULL, or a CHECK of their own
    Oid element = 0;           // true array types
    Oid relation = 0;          // composite types: pg_class oid
    bool builtin = false;
    // What else it is made of: a composite type's columns (not a table's row's), a range's subtype,
    // a multirange's range, what subscripts give.
    std::vector<Oid> parts;
    // Functions that merely mentioning a value of this type may run: what a domain's CHECK calls,
    // and where it is not a builtin: input and output functions, casts from and to it, the
    // functions of its default btree and hash operator classes. The judge refuses the type where
    // one of them is not allowed. Arrays, composites, ranges and domains over such a type inherit
    // them.
    std::vector<Oid> implicit_functions;
    std::vector<std::string> labels;  // enums, in their order
    // Types whose values become this one unasked: an implicit cast leads here.
    std::vector<Oid> implicit_sources;
    std::vector<WrittenCast> written_casts;  // to this type
};

// An expression or a bound that the catalog keeps, with a constant in it, as the server deparses
// it: every name that is not in pg_catalog is qualified, where the syntax has a place for that.
struct StoredDefinition {
    enum class Kind : std::uint8_t {
        kBound,  // of a partition, by range or list
        kCheck,  // or the predicate of an exclusion constraint
        kDefault,
        kDomainCheck,
        kDomainDefault,
        kIndex,
        kPartitionKey,
        kPolicy,
        kPublication,
        kRule,  // a view's too
        kStatistics,
        kTrigger,
    };
    Kind kind = Kind::kCheck;
    Oid oid = 0;              // in the catalog that it is of; a column's default: its relation's
    std::int16_t number = 0;  // a default's column; of a bound, how many columns the key has
    Oid subject = 0;     // whose it is: a relation, a domain; a bound's is the partitioned table
    std::string schema;  // by which the system's views know it
    std::string name;
    // Those that it is about, by their numbers: 0 the whole row, or an expression; of a rule none.
    std::vector<std::int16_t> columns;
    std::string text;  // empty: the server gave none
};

class CatalogSnapshot {
  public:
    ~CatalogSnapshot();
    CatalogSnapshot(const CatalogSnapshot&) = delete;
    CatalogSnapshot& operator=(const CatalogSnapshot&) = delete;

    // Counts up with each load of one database; never two alike in a process.
    [[nodiscard]] std::uint64_t version() const;
    // pg_control's server_version_num, for example 150020.
    [[nodiscard]] int server_version() const;
    [[nodiscard]] std::string_view database() const;         // current_database()
    [[nodiscard]] std::string_view server_encoding() const;  // "UTF8"
    // Two snapshots with the same fingerprint (SHA-256-like digest of all rows; hex) judge alike.
    [[nodiscard]] std::string_view fingerprint() const;

    [[nodiscard]] bool has_schema(std::string_view name) const;
    // Some function or operator of a user has the name of a builtin.
    [[nodiscard]] bool has_impostors() const;
    [[nodiscard]] const Relation* relation(std::string_view schema, std::string_view name) const;
    [[nodiscard]] const Relation* relation(Oid oid) const;
    [[nodiscard]] std::span<const Relation* const> relations(std::string_view name) const;
    [[nodiscard]] std::span<const Relation> relations() const;
    [[nodiscard]] const ColumnNames& column_names() const;
    // All relations / functions / operators / types of that name in any schema; relations by their
    // schemas' names, operators of users first.
    [[nodiscard]] std::span<const Function* const> functions(std::string_view name) const;
    [[nodiscard]] const Function* function(Oid oid) const;
    [[nodiscard]] std::span<const Function> functions() const;
    [[nodiscard]] std::span<const Operator* const> operators(std::string_view name) const;
    [[nodiscard]] std::span<const Operator> operators() const;
    [[nodiscard]] std::span<const Type* const> types(std::string_view name) const;
    [[nodiscard]] const Type* type(Oid oid) const;
    [[nodiscard]] std::span<const Type> types() const;
    [[nodiscard]] std::span<const StoredDefinition> stored_definitions() const;

  private:
    friend class SnapshotBuilder;
    CatalogSnapshot();
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace vitrine::parser
