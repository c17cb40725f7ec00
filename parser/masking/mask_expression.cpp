#include "parser/masking/mask_expression.h"

#include <algorithm>

#include "parser/masking/coarse_masks.h"
#include "parser/masking/constant_literal.h"
#include "parser/masking/json_mask.h"
#include "parser/masking/text_masks.h"

namespace vitrine::parser {

namespace {

// pg_type.dat
constexpr Oid kText = 25;
constexpr Oid kJson = 114;
constexpr Oid kName = 19;
constexpr Oid kBpchar = 1042;
constexpr Oid kVarchar = 1043;
constexpr Oid kJsonb = 3802;

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

// The column's value as text. char(n) without its padding: blanks at the end of it are not part of
// the value.
std::string text_of(const Column& column) {
    const std::string name = quoted_identifier(column.name);
    return column.type == kText ? name : name + "::pg_catalog.text";
}

// Whose char_length() is text_of()'s: of char(n) it does not count the padding, and to make text of
// it first costs more than to count.
std::string counted_of(const Column& column) {
    return column.base_type == kBpchar ? quoted_identifier(column.name) + "::pg_catalog.bpchar"
                                       : text_of(column);
}

}  // namespace

bool is_text_like(Oid oid, const CatalogSnapshot& catalog) {
    return oid == kText || oid == kVarchar || oid == kBpchar || oid == kName ||
           is_citext(oid, catalog);
}

std::string type_title(const Column& column) {
    constexpr std::string_view kCatalog = "pg_catalog.";
    std::string_view name = column.type_sql;
    if (name.starts_with(kCatalog)) {
        name.remove_prefix(kCatalog.size());
    }
    return std::string(name);
}

// text to varchar(n) and char(n) cuts what is too long: an explicit cast raises no error there.
std::string as_column(const std::string& expression, const Column& column) {
    std::string sql = "CAST(" + expression + " AS " + column.type_sql + ")";
    if (!column.collation_sql.empty()) {
        sql += " COLLATE " + column.collation_sql;
    }
    return sql;
}

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

namespace {

using Sql = std::optional<std::string>;

// The planner computes what stands beside a constant, and reports its errors though no row is read.
// What hangs on a column, whichever, is left for the rows, as it would be where the column itself
// holds the constant.
std::string not_folded(const std::string& expression, const Column& column) {
    return "CASE WHEN " + quoted_identifier(column.name) + " IS NULL THEN " + expression +
           " ELSE " + expression + " END";
}

Sql constant_mask(const config::Mask& mask, const Column& column, bool text_like,
                  const CatalogSnapshot& catalog, std::string& why) {
    const Type* type = catalog.type(column.base_type);
    if (mask.constant.find('\0') != std::string::npos) {
        why = "the constant has a NUL in it";
        return std::nullopt;
    }
    if (!text_like &&
        (type == nullptr || !is_safe_constant(mask.constant, *type, column.base_typmod))) {
        why = "\"" + mask.constant + "\" is not plainly a value of type " + type_title(column);
        return std::nullopt;
    }
    return quoted_literal(mask.constant);
}

Sql json_mask(const config::Mask& mask, const Column& column, const CatalogSnapshot& catalog,
              std::string& why) {
    if (column.base_type == kJson) {
        // Its text may be none of jsonb's: a number too large, \u0000, half of a surrogate.
        why =
            "the mask \"json\" is for jsonb, and the column is json, which cannot always be "
            "made jsonb; only \"null\" and constant are for it";
        return std::nullopt;
    }
    if (column.base_type != kJsonb) {
        why = "the mask \"json\" is for jsonb, and the column is " + type_title(column);
        return std::nullopt;
    }
    const auto has_nul = [](const std::string& text) {
        return text.find('\0') != std::string::npos;
    };
    for (const config::JsonMask& json : mask.json) {
        if (has_nul(json.mask.constant) ||
            std::any_of(json.keys.begin(), json.keys.end(), has_nul)) {
            why = "the path or the constant of " + json.path + " has a NUL in it";
            return std::nullopt;
        }
    }
    return json_expression(mask, column, catalog);
}

}  // namespace

std::optional<std::string> mask_expression(const config::Mask& mask, const Column& column,
                                           const CatalogSnapshot& catalog, std::string& why,
                                           const Column& cheapest) {
    if (column.type_sql.empty()) {
        why = "the column's type is not known";
        return std::nullopt;
    }
    const bool text_like = is_text_like(column.base_type, catalog);
    const auto for_text_only = [&](const char* name, std::string sql) -> Sql {
        if (!text_like) {
            why = "the mask \"" + std::string(name) + "\" is for text, and the column is " +
                  type_title(column);
            return std::nullopt;
        }
        return sql;
    };
    Sql sql;
    switch (mask.kind) {
        case config::MaskKind::kNull:
            sql = "NULL";
            break;
        case config::MaskKind::kConstant:
            sql = constant_mask(mask, column, text_like, catalog, why);
            return sql ? Sql(not_folded(as_column(*sql, column), cheapest)) : std::nullopt;
        case config::MaskKind::kPartial:
            sql = for_text_only("partial",
                                partial_expression(mask, text_of(column), counted_of(column)));
            break;
        case config::MaskKind::kEmail:
            sql = for_text_only("email", email_expression(text_of(column)));
            break;
        case config::MaskKind::kHash: {
            const std::string value = quoted_identifier(column.name) + "::pg_catalog.text";
            sql = hash_expression(value, text_like ? kText : column.base_type, catalog);
            if (!sql) {
                why =
                    "the mask \"hash\" is for text, bigint, integer and uuid, and the column is " +
                    type_title(column);
            }
            break;
        }
        case config::MaskKind::kRound:
            sql = round_expression(mask.multiple, column, why);
            break;
        case config::MaskKind::kTruncate:
            sql = truncate_expression(mask.unit, column, why);
            break;
        case config::MaskKind::kNetwork:
            sql = network_expression(mask.network_bits, column, why);
            break;
        case config::MaskKind::kJson:
            sql = json_mask(mask, column, catalog, why);
            break;
        case config::MaskKind::kExpression:
            why = "what an expression may call is a policy's to say";  // written_sql.h
            break;
    }
    return sql ? Sql(as_column(*sql, column)) : std::nullopt;
}

}  // namespace vitrine::parser
