// The rules a DBA writes, as plain values: what the parser room needs of the configuration.
//
// INTERFACE: "Configuration", the table of masks, and the column patterns.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vitrine::config {

// Where in the operator's files something stands. Lines and columns count from 1.
struct Position {
    std::string file;
    unsigned line = 0;
    unsigned column = 0;
};

enum class MaskKind : std::uint8_t {
    kNull,
    kConstant,
    kPartial,
    kHash,
    kEmail,
    kRound,
    kTruncate,
    kNetwork,
    kJson,
    kExpression,
};

enum class TruncateUnit : std::uint8_t { kYear, kMonth, kDay, kHour };

struct JsonMask;

// One mask. Which members count depends on `kind`.
struct Mask {
    MaskKind kind = MaskKind::kNull;
    std::string constant;          // kConstant: the text, cast to the column's type
    std::uint32_t keep_start = 0;  // kPartial: characters
    std::uint32_t keep_end = 0;    // kPartial: characters
    std::string with = "*";        // kPartial: replaces each other character
    // kRound: above 0, in digits with at most one point, at most 18 of them on either side of it,
    // and no zeros that could be left out: "100", "0.05".
    std::string multiple;
    TruncateUnit unit = TruncateUnit::kYear;  // kTruncate
    std::uint32_t network_bits = 0;           // kNetwork: 0 to 128
    std::vector<JsonMask> json;               // kJson: no path is another, or leads through it
    std::string expression;                   // kExpression: the DBA's SQL, as written

    friend bool operator==(const Mask&, const Mask&) = default;
};

// What becomes of the values at one path of a JSON document.
struct JsonMask {
    std::string path;               // as the DBA wrote it: $.address."post code"
    std::vector<std::string> keys;  // from the top, one or more
    Mask mask;                      // kNull, kConstant, kPartial, kHash, kEmail or kRound

    friend bool operator==(const JsonMask&, const JsonMask&) = default;
};

// One part of a pattern: a name as PostgreSQL has it after folding, in which `*` stands for any
// run of characters where it was written outside of quotes.
struct NamePattern {
    // The literal pieces between the stars: {"cust"} matches only cust; {"a", "b"} is a*b.
    std::vector<std::string> pieces;

    [[nodiscard]] bool matches(std::string_view name) const;
    friend bool operator==(const NamePattern&, const NamePattern&) = default;
};

// `schema.table.column`.
struct ColumnPattern {
    std::string text;  // as the DBA wrote it
    std::array<NamePattern, 3> parts;
    Position position;

    [[nodiscard]] bool matches(std::string_view schema, std::string_view relation,
                               std::string_view column) const {
        return parts[0].matches(schema) && parts[1].matches(relation) && parts[2].matches(column);
    }
};

// `schema.table`.
struct TablePattern {
    std::string text;  // as the DBA wrote it
    std::array<NamePattern, 2> parts;
    Position position;

    [[nodiscard]] bool matches(std::string_view schema, std::string_view relation) const {
        return parts[0].matches(schema) && parts[1].matches(relation);
    }
};

// `public.ssn_t`, `inet`, `character varying`, `text[]`: a type, as pg_type has its schema and
// name.
struct TypePattern {
    std::string text;  // as the DBA wrote it
    std::array<NamePattern, 2> parts;
    bool array = false;  // the arrays of such types, and not they themselves
    Position position;

    [[nodiscard]] bool matches(std::string_view schema, std::string_view type) const {
        return parts[0].matches(schema) && parts[1].matches(type);
    }
};

struct MaskRule {
    std::string name;  // how log and explain call it: "masking.rules[0]"
    // A column that matches one of them, and is of one of the types. Either may be empty, which
    // asks for nothing; never both.
    std::vector<ColumnPattern> columns;
    std::vector<TypePattern> types;
    Mask mask;
    std::vector<std::string> except_groups;
    Position position;
};

// Rows that a table is to have; the others are as if they were not in it.
struct RowRule {
    std::string name;  // how explain calls it: "masking.rows[0]"
    TablePattern table;
    std::string filter;  // the DBA's SQL, as written
    std::vector<std::string> except_groups;
    Position position;         // of the rule
    Position filter_position;  // of the filter in it
};

// `public.add_tax(numeric)`, `reporting.*`: a function the DBA vouches for.
struct FunctionPattern {
    std::string text;  // as the DBA wrote it
    std::array<NamePattern, 2> parts;
    bool has_arguments = false;
    // The types as written, white space trimmed and folded; compared with format_type's names.
    std::vector<std::string> arguments;
    Position position;
};

struct MaskingRules {
    std::vector<MaskRule> rules;
    std::vector<RowRule> rows;  // those of one table are ANDed
    // Columns that no rule names and that do not match `open` are null.
    bool mask_by_default = false;
    std::vector<ColumnPattern> open;
    // The first 16 digits of the SHA-256 of the file they stand in: what the query log calls the
    // policy, and what `sha256sum FILE` says.
    std::string version;
};

struct FunctionRules {
    std::vector<FunctionPattern> allow;
};

}  // namespace vitrine::config
