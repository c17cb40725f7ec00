#include "parser/masking/json_mask.h"

#include <algorithm>
#include <cstddef>
#include <map>

#include "parser/masking/coarse_masks.h"
#include "parser/masking/mask_expression.h"
#include "parser/masking/text_masks.h"

namespace vitrine::parser {

namespace {

constexpr Oid kText = 25;
constexpr const char* kNull = "'null'::pg_catalog.jsonb";

// The paths, those with the same keys before them together.
struct Tree {
    std::map<std::string, Tree> keys;    // empty at a path's end
    const config::Mask* mask = nullptr;  // at a path's end
};

Tree tree_of(const config::Mask& mask) {
    Tree top;
    for (const config::JsonMask& json : mask.json) {
        Tree* at = &top;
        for (const std::string& key : json.keys) {
            at = &at->keys[key];
        }
        at->mask = &json.mask;
    }
    return top;
}

std::string is_of(const std::string& value, const char* type) {
    return "pg_catalog.jsonb_typeof(" + value + ") OPERATOR(pg_catalog.=) '" + type + "'";
}

std::string text_literal(const std::string& text) {
    return quoted_literal(text) + "::pg_catalog.text";
}

class JsonExpression {
  public:
    explicit JsonExpression(const CatalogSnapshot& catalog) : catalog_(catalog) {}

    // `value` stands in the result several times; it is short, and names no alias of this level.
    std::string masked(const Tree& tree, const std::string& value) {
        if (tree.mask != nullptr && tree.mask->kind == config::MaskKind::kNull) {
            return kNull;
        }
        if (tree.mask != nullptr && tree.mask->kind == config::MaskKind::kConstant) {
            return "pg_catalog.to_jsonb(" + text_literal(tree.mask->constant) + ")";
        }
        // The elements of an array, or the value as the only one of an array that is taken off
        // again: so that what is done with one stands in the text once.
        const std::string array = is_of(value, "array");
        const std::string alias = "e" + std::to_string(++levels_);
        const std::string element = alias + ".v";
        const std::string one =
            tree.mask != nullptr ? scalar(*tree.mask, element) : object(tree, element);
        // Not jsonb_agg(): on the way to each string's end it reads all that comes behind it, which
        // takes minutes for a document of some megabytes, without an ear for cancelling.
        return "((SELECT pg_catalog.jsonb_build_array(VARIADIC COALESCE(pg_catalog.array_agg(" +
               one + " ORDER BY " + alias +
               ".n), '{}'::pg_catalog.jsonb[])) FROM pg_catalog.jsonb_array_elements(CASE WHEN " +
               array + " THEN " + value + " ELSE pg_catalog.jsonb_build_array(" + value +
               ") END) WITH ORDINALITY AS " + alias +
               " (v, n)) OPERATOR(pg_catalog.#>) CASE WHEN " + array +
               " THEN '{}'::pg_catalog.text[] ELSE '{0}'::pg_catalog.text[] END)";
    }

  private:
    std::string object(const Tree& tree, const std::string& value) {
        std::string changed = value;
        for (const auto& [key, below] : tree.keys) {
            const std::string name = text_literal(key);
            const std::string old = "(" + value + " OPERATOR(pg_catalog.->) " + name + ")";
            changed += " OPERATOR(pg_catalog.||) CASE WHEN pg_catalog.jsonb_exists(" + value +
                       ", " + name + ") THEN pg_catalog.jsonb_build_object(" + name + ", " +
                       masked(below, old) + ") ELSE '{}'::pg_catalog.jsonb END";
        }
        return "CASE WHEN " + is_of(value, "object") + " THEN " + changed + " ELSE " + kNull +
               " END";
    }

    std::string scalar(const config::Mask& mask, const std::string& value) {
        if (mask.kind == config::MaskKind::kRound) {
            return "CASE WHEN " + is_of(value, "number") + " THEN pg_catalog.to_jsonb(" +
                   round_numeric(mask.multiple, value + "::pg_catalog.\"numeric\"") + ") ELSE " +
                   kNull + " END";
        }
        const std::string text = "(" + value + " OPERATOR(pg_catalog.#>>) '{}'::pg_catalog.text[])";
        std::string sql;
        switch (mask.kind) {
            case config::MaskKind::kPartial:
                sql = partial_expression(mask, text, text);
                break;
            case config::MaskKind::kHash:
                sql = *hash_expression(text, kText, catalog_);
                break;
            case config::MaskKind::kEmail:
                sql = email_expression(text);
                break;
            // Done above, or no mask of a value in JSON: nothing of it shows.
            case config::MaskKind::kNull:
            case config::MaskKind::kConstant:
            case config::MaskKind::kRound:
            case config::MaskKind::kTruncate:
            case config::MaskKind::kNetwork:
            case config::MaskKind::kJson:
            case config::MaskKind::kExpression:
                return kNull;
        }
        return "CASE WHEN " + is_of(value, "string") + " OR " + is_of(value, "number") + " OR " +
               is_of(value, "boolean") + " THEN pg_catalog.to_jsonb(" + sql + ") ELSE " + kNull +
               " END";
    }

    const CatalogSnapshot& catalog_;
    std::size_t levels_ = 0;  // each has an alias of its own
};

// How many times its size a document may grow to, in the bytes of jsonb: each element has four at
// least, and becomes a text of 23 (hash), or of a constant, or each byte one of `with`.
std::size_t growth_of(const config::Mask& mask) {
    std::size_t growth = 8;
    for (const config::JsonMask& json : mask.json) {
        growth = std::max({growth, json.mask.constant.size() / 4 + 4, json.mask.with.size() + 2});
    }
    return growth;
}

}  // namespace

std::string json_expression(const config::Mask& mask, const Column& column,
                            const CatalogSnapshot& catalog) {
    // jsonb.h: the sizes in a document have 28 bits.
    constexpr std::size_t kBytesMax = 200'000'000;
    const std::string value = quoted_identifier(column.name) + "::pg_catalog.jsonb";
    // #> along no keys gives the document itself, not compressed and in one piece, whose size is
    // the one that counts.
    return "CASE WHEN " + value + " IS NULL THEN NULL WHEN pg_catalog.pg_column_size(" + value +
           " OPERATOR(pg_catalog.#>) '{}'::pg_catalog.text[]) OPERATOR(pg_catalog.>) " +
           std::to_string(kBytesMax / growth_of(mask)) + " THEN " + kNull + " ELSE " +
           JsonExpression(catalog).masked(tree_of(mask), value) + " END";
}

}  // namespace vitrine::parser
