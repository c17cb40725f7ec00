#include "parser/masking/text_masks.h"

#include <cstdint>

#include "parser/masking/mask_expression.h"
#include "parser/masking/policy.h"

namespace vitrine::parser {

namespace {

// pg_type.dat
constexpr Oid kInt8 = 20;
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;
constexpr Oid kUuid = 2950;

// No value has as many characters (a field holds less than 1 GB).
constexpr std::uint64_t kCharactersMax = 1U << 30;

}  // namespace

std::string partial_expression(const config::Mask& mask, const std::string& value,
                               const std::string& counted) {
    const std::string length = "pg_catalog.char_length(" + counted + ")";
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

std::string email_expression(const std::string& value) {
    // strpos() refuses nondeterministic collations, hence the C one.
    const std::string at = "pg_catalog.strpos(" + value + " COLLATE pg_catalog.\"C\", '@')";
    // right(v, -n) is all but the first n characters, and right(v, 0) nothing: as it should be
    // where there is no @.
    return "'****@' OPERATOR(pg_catalog.||) pg_catalog.right(" + value +
           ", OPERATOR(pg_catalog.-) " + at + ")";
}

std::optional<std::string> hash_expression(const std::string& value, Oid type,
                                           const CatalogSnapshot& catalog) {
    const std::string key = "pg_catalog.current_setting(" + quoted_literal(kMaskKeySetting) + ")";
    // A database in SQL_ASCII may hold any bytes: converting those would raise an error that
    // prints them.
    const std::string encoding = catalog.server_encoding() == "SQL_ASCII" ? "SQL_ASCII" : "UTF8";
    const std::string hex = "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(" + key +
                            " OPERATOR(pg_catalog.||) " + value + ", '" + encoding + "')), 'hex')";
    const auto first = [&](int digits) {
        return "pg_catalog.left(" + hex + ", " + std::to_string(digits) + ")";
    };
    switch (type) {
        case kInt8:
            return "('x' OPERATOR(pg_catalog.||) " + first(15) + ")::pg_catalog.\"bit\"(60)";
        case kInt4:
            return "('x' OPERATOR(pg_catalog.||) " + first(7) + ")::pg_catalog.\"bit\"(28)";
        case kUuid:
            return first(32);
        case kText:
            return "'h_' OPERATOR(pg_catalog.||) " + first(16);
        default:
            return std::nullopt;
    }
}

}  // namespace vitrine::parser
