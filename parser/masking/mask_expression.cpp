#include "parser/masking/mask_expression.h"

#include <algorithm>
#include <cstdint>

#include "parser/masking/constant_literal.h"
#include "parser/masking/policy.h"

namespace vitrine::parser {

namespace {

// pg_type.dat
constexpr Oid kInt8 = 20;
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;
constexpr Oid kName = 19;
constexpr Oid kBpchar = 1042;
constexpr Oid kVarchar = 1043;
constexpr Oid kUuid = 2950;

// No value has as many characters (a field holds less than 1 GB).
constexpr std::uint64_t kCharactersMax = 1U << 30;

bool is_citext(Oid oid, const CatalogSnapshot& catalog) {
    const Type* type = catalog.type(oid);
    if (type == nullptr || type->builtin || type->kind != 'b' || type->name != "citext") {
        return false;
    }
    return std::any_of(type->implicit_functions.begin(), type->implicit_functions.end(),
                       [&](Oid function_oid) {
                           const Function* function = catalog.function(function_oid);
                           return function != nullptr && function->extension == "citext";
                       });
}

bool is_text_like(Oid oid, const CatalogSnapshot& catalog) {
    return oid == kText || oid == kVarchar || oid == kBpchar || oid == kName ||
           is_citext(oid, catalog);
}

std::string type_name(const Column& column) {
    constexpr std::string_view kCatalog = "pg_catalog.";
    std::string_view name = column.type_sql;
    if (name.starts_with(kCatalog)) {
        name.remove_prefix(kCatalog.size());
    }
    return std::string(name);
}

// The column's value as text. char(n) without its padding: blanks at the end of it are not part of
// the value.
std::string text_of(const Column& column) {
    const std::string name = quoted_identifier(column.name);
    return column.type == kText ? name : name + "::pg_catalog.text";
}

// The expression as the column's type. text to varchar(n) and char(n) cuts what is too long: an
// explicit cast raises no error there.
std::string as_column(const std::string& expression, const Column& column) {
    std::string sql = "CAST(" + expression + " AS " + column.type_sql + ")";
    if (!column.collation_sql.empty()) {
        sql += " COLLATE " + column.collation_sql;
    }
    return sql;
}

// The planner computes what stands beside a constant, and reports its errors though no row is read.
// What hangs on the column is left for the rows, as it would be where the column holds the
// constant.
std::string not_folded(const std::string& expression, const Column& column) {
    return "CASE WHEN " + quoted_identifier(column.name) + " IS NULL THEN " + expression +
           " ELSE " + expression + " END";
}

std::string partial_expression(const config::Mask& mask, const Column& column) {
    const std::string value = text_of(column);
    const std::string length = "pg_catalog.char_length(" + value + ")";
    // repeat() refuses a result of 1 GB: with more than one byte for each character a value of
    // hundreds of megabytes could get there. One byte for each can never outgrow the value. (Not
    // LEAST(): it leaves NULLs out.)
    const auto repeated = [&](const std::string& count) {
        std::string bounded = count;
        if (mask.with.size() > 1) {
            const std::string most = std::to_string(kCharactersMax / 4 / mask.with.size());
            bounded = "CASE WHEN " + count + " OPERATOR(pg_catalog.>) " + most + " THEN " + most +
                      " ELSE " + count + " END";
        }
        return "pg_catalog.repeat(" + quoted_literal(mask.with) + ", " + bounded + ")";
    };
    const std::uint64_t kept = std::uint64_t{mask.keep_start} + mask.keep_end;
    if (kept == 0 || kept >= kCharactersMax) {
        return repeated(length);
    }
    std::string sql = "CASE WHEN " + length + " OPERATOR(pg_catalog.<=) " + std::to_string(kept) +
                      " THEN " + repeated(length) + " ELSE ";
    if (mask.keep_start > 0) {
        sql += "pg_catalog.left(" + value + ", " + std::to_string(mask.keep_start) +
               ") OPERATOR(pg_catalog.||) ";
    }
    sql += repeated(length + " OPERATOR(pg_catalog.-) " + std::to_string(kept));
    if (mask.keep_end > 0) {
        sql += " OPERATOR(pg_catalog.||) pg_catalog.right(" + value + ", " +
               std::to_string(mask.keep_end) + ")";
    }
    return sql + " END";
}

std::string email_expression(const Column& column) {
    const std::string value = text_of(column);
    // strpos() refuses nondeterministic collations, hence the C one.
    const std::string at = "pg_catalog.strpos(" + value + " COLLATE pg_catalog.\"C\", '@')";
    return "CASE WHEN " + at + " OPERATOR(pg_catalog.=) 0 THEN '****@' ELSE '****@'" +
           " OPERATOR(pg_catalog.||) pg_catalog.substr(" + value + ", " + at +
           " OPERATOR(pg_catalog.+) 1) END";
}

std::string hash_expression(const Column& column, const CatalogSnapshot& catalog) {
    const std::string key = "pg_catalog.current_setting(" + quoted_literal(kMaskKeySetting) + ")";
    // A database in SQL_ASCII may hold any bytes: converting those would raise an error that
    // prints them.
    const std::string encoding = catalog.server_encoding() == "SQL_ASCII" ? "SQL_ASCII" : "UTF8";
    const std::string hex = "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(" + key +
                            " OPERATOR(pg_catalog.||) " + quoted_identifier(column.name) +
                            "::pg_catalog.text, '" + encoding + "')), 'hex')";
    const auto first = [&](int digits) {
        return "pg_catalog.left(" + hex + ", " + std::to_string(digits) + ")";
    };
    switch (column.base_type) {
        case kInt8:
            return "('x' OPERATOR(pg_catalog.||) " + first(15) + ")::pg_catalog.\"bit\"(60)";
        case kInt4:
            return "('x' OPERATOR(pg_catalog.||) " + first(7) + ")::pg_catalog.\"bit\"(28)";
        case kUuid:
            return first(32);
        default:
            return "'h_' OPERATOR(pg_catalog.||) " + first(16);
    }
}

}  // namespace

std::string quoted_identifier(std::string_view name) {
    std::string quoted = "\"";
    for (const char c : name) {
        quoted += c;
        if (c == '"') {
            quoted += c;
        }
    }
    return quoted + '"';
}

std::string quoted_literal(std::string_view text) {
    std::string quoted = text.find('\\') == std::string_view::npos ? "'" : "E'";
    for (const char c : text) {
        quoted += c;
        if (c == '\'' || c == '\\') {
            quoted += c;
        }
    }
    return quoted + '\'';
}

std::optional<std::string> mask_expression(const config::Mask& mask, const Column& column,
                                           const CatalogSnapshot& catalog, std::string& why) {
    if (column.type_sql.empty()) {
        why = "the column's type is not known";
        return std::nullopt;
    }
    const bool text_like = is_text_like(column.base_type, catalog);
    const auto for_text_only = [&](const char* name,
                                   std::string sql) -> std::optional<std::string> {
        if (!text_like) {
            why = "the mask \"" + std::string(name) + "\" is for text, and the column is " +
                  type_name(column);
            return std::nullopt;
        }
        return as_column(sql, column);
    };
    switch (mask.kind) {
        case config::MaskKind::kNull:
            return as_column("NULL", column);
        case config::MaskKind::kConstant: {
            const Type* type = catalog.type(column.base_type);
            if (mask.constant.find('\0') != std::string::npos) {
                why = "the constant has a NUL in it";
                return std::nullopt;
            }
            if (!text_like &&
                (type == nullptr || !is_safe_constant(mask.constant, *type, column.base_typmod))) {
                why =
                    "\"" + mask.constant + "\" is not plainly a value of type " + type_name(column);
                return std::nullopt;
            }
            return not_folded(as_column(quoted_literal(mask.constant), column), column);
        }
        case config::MaskKind::kPartial:
            return for_text_only("partial", partial_expression(mask, column));
        case config::MaskKind::kEmail:
            return for_text_only("email", email_expression(column));
        case config::MaskKind::kHash:
            if (!text_like && column.base_type != kInt8 && column.base_type != kInt4 &&
                column.base_type != kUuid) {
                why =
                    "the mask \"hash\" is for text, bigint, integer and uuid, and the column is " +
                    type_name(column);
                return std::nullopt;
            }
            return as_column(hash_expression(column, catalog), column);
        case config::MaskKind::kRound:
        case config::MaskKind::kTruncate:
        case config::MaskKind::kNetwork:
        case config::MaskKind::kJson:
        case config::MaskKind::kExpression:
            break;
    }
    why = "this kind of mask is not supported yet";
    return std::nullopt;
}

}  // namespace vitrine::parser
