#include "config/masking.h"

#include <algorithm>
#include <array>

#include "config/limits.h"
#include "config/patterns.h"
#include "config/utf8.h"

namespace vitrine::config {
namespace {

// `with` stands for each character of a value: a long one would multiply it.
constexpr std::size_t kWithCharactersMax = 16;
constexpr std::uint64_t kKeptCharactersMax = 1000000;

constexpr std::string_view kLeaveOut = "leave it out";

void read_partial(Reader& reader, const Value& value, Mask& mask) {
    const Fields fields(reader, value, {"keep_start", "keep_end", "with"});
    if (const auto start = fields.find("keep_start")) {
        mask.keep_start = static_cast<std::uint32_t>(
            read_integer(reader, *start, 0, kKeptCharactersMax).value_or(0));
    }
    if (const auto end = fields.find("keep_end")) {
        mask.keep_end = static_cast<std::uint32_t>(
            read_integer(reader, *end, 0, kKeptCharactersMax).value_or(0));
    }
    const auto with = fields.find("with");
    if (!with) {
        return;
    }
    if (with->node->kind != Node::Kind::kScalar) {
        reader.problem(*with, "is no text; write the character that replaces, in quotes: \"*\"");
        return;
    }
    mask.with = with->node->text;
    if (!is_printable(mask.with) || count_characters(mask.with) > kWithCharactersMax) {
        reader.problem(*with, "is not a printable text of at most 16 characters; write \"*\"");
    }
}

// A mask that is written as one word, or with its arguments: {partial: {…}}.
class MaskReader {
  public:
    MaskReader(Reader& reader, bool inside_json) : reader_(reader), inside_json_(inside_json) {}

    Mask read(const Value& value) {
        switch (value.node->kind) {
            case Node::Kind::kNull:
                reader_.problem(value, "is empty to YAML; write \"null\", with the quotes");
                break;
            case Node::Kind::kScalar:
                read_bare(value);
                break;
            case Node::Kind::kSequence:
                reader_.problem(value, "is a list; write one mask, such as hash");
                break;
            case Node::Kind::kMap:
                read_with_arguments(value);
                break;
        }
        return std::move(mask_);
    }

  private:
    void read_bare(const Value& value) {
        const std::string_view word = value.node->text;
        if (word == "null") {
            mask_.kind = MaskKind::kNull;
        } else if (word == "hash") {
            mask_.kind = MaskKind::kHash;
        } else if (word == "email") {
            mask_.kind = MaskKind::kEmail;
        } else {
            const auto best = nearest(word, {"null", "hash", "email", "constant", "partial",
                                             "round", "truncate", "network", "json", "expression"});
            const bool bare = best.word == "null" || best.word == "hash" || best.word == "email";
            reader_.problem(value, "is " + shown(word) + "; the nearest mask is " +
                                       (best.word == "null" ? "\"null\""
                                        : bare              ? std::string(best.word)
                                               : "{" + std::string(best.word) + ": …}"));
        }
    }

    void read_with_arguments(const Value& value) {
        const std::size_t before = reader_.problems().size();
        const Fields fields(
            reader_, value,
            {"constant", "partial", "round", "truncate", "network", "json", "expression"});
        if (reader_.problems().size() != before) {
            return;
        }
        if (value.node->entries.size() != 1) {
            reader_.problem(value, "does not have one mask; write one, such as {constant: x}");
            return;
        }
        if (const auto constant = fields.find("constant")) {
            mask_.kind = MaskKind::kConstant;
            if (constant->node->kind == Node::Kind::kScalar) {
                mask_.constant = constant->node->text;
            } else {
                reader_.problem(*constant, "is no text; write one in quotes, or mask: \"null\"");
            }
        } else if (const auto partial = fields.find("partial")) {
            mask_.kind = MaskKind::kPartial;
            read_partial(reader_, *partial, mask_);
        } else {
            read_later(fields);
        }
    }

    // Known and checked, and not carried out yet.
    void read_later(const Fields& fields) {
        if (const auto round = fields.find("round")) {
            mask_.kind = MaskKind::kRound;
            (void)read_positive(reader_, *round);
            refuse(*round);
        } else if (const auto truncate = fields.find("truncate")) {
            mask_.kind = MaskKind::kTruncate;
            (void)read_word(reader_, *truncate, {"year", "month", "day", "hour"});
            refuse(*truncate);
        } else if (const auto network = fields.find("network")) {
            mask_.kind = MaskKind::kNetwork;
            (void)read_integer(reader_, *network, 0, 128);
            refuse(*network);
        } else if (const auto expression = fields.find("expression")) {
            mask_.kind = MaskKind::kExpression;
            if (expression->node->kind != Node::Kind::kScalar || expression->node->text.empty()) {
                reader_.problem(*expression, "is no text; write SQL over value");
            }
            refuse(*expression);
        } else if (const auto json = fields.find("json")) {
            mask_.kind = MaskKind::kJson;
            read_json(*json);
            refuse(*json);
        }
    }

    void read_json(const Value& value) {
        if (inside_json_) {
            reader_.problem(value, "stands inside of json; name the whole path instead");
            return;
        }
        const auto paths = read_named(reader_, value);
        if (paths.empty() && value.node->kind == Node::Kind::kMap) {
            reader_.problem(value, "has no path; write one, such as {\"$.phone\": \"null\"}");
        }
        for (const auto& [path, mask] : paths) {
            if (!path.starts_with("$.") || path.size() < 3) {
                reader_.problem_at(*mask.key, value.path + " has the path " + shown(path) +
                                                  "; write it from the top, such as $.phone");
            }
            (void)MaskReader(reader_, true).read(mask);
        }
    }

    void refuse(const Value& value) {
        if (!inside_json_) {
            reader_.not_supported(value, "use \"null\", constant, partial, hash or email");
        }
    }

    Reader& reader_;
    bool inside_json_;
    Mask mask_;
};

void read_columns(Reader& reader, const Value& value, std::vector<ColumnPattern>& columns) {
    for (const Value& item : read_list(reader, value, "name a column: schema.table.column")) {
        const auto text = read_text(reader, item);
        if (!text) {
            continue;
        }
        auto parsed = parse_pattern(*text, 3, "schema.table.column");
        if (!parsed.problem.empty()) {
            reader.problem(item, "is " + shown(*text) + ", which " + parsed.problem);
            continue;
        }
        ColumnPattern column;
        column.text = *text;
        std::move(parsed.parts.begin(), parsed.parts.end(), column.parts.begin());
        column.position = reader.position(*item.node);
        columns.push_back(std::move(column));
    }
}

MaskRule read_rule(Reader& reader, const Value& value) {
    MaskRule rule;
    rule.name = value.path;
    rule.position = reader.position(*value.node);
    Fields fields(reader, value, {"columns", "mask", "except"});
    if (const auto columns =
            fields.require("columns", "name them: columns: [schema.table.column]")) {
        read_columns(reader, *columns, rule.columns);
    }
    if (const auto mask = fields.require("mask", "name one, such as mask: hash")) {
        rule.mask = MaskReader(reader, false).read(*mask);
    }
    if (const auto except = fields.find("except")) {
        rule.except_groups = read_groups(reader, *except);
    }
    return rule;
}

void read_rows(Reader& reader, const Value& value) {
    for (const Value& item : read_list(reader, value)) {
        Fields fields(reader, item, {"table", "filter", "except"});
        if (const auto table = fields.require("table", "name one: schema.table")) {
            if (const auto text = read_text(reader, *table)) {
                const auto parsed = parse_pattern(*text, 2, "schema.table");
                if (!parsed.problem.empty()) {
                    reader.problem(*table, "is " + shown(*text) + ", which " + parsed.problem);
                }
            }
        }
        if (const auto filter = fields.require("filter", "write SQL over the table's columns")) {
            if (filter->node->kind != Node::Kind::kScalar || filter->node->text.empty()) {
                reader.problem(*filter, "is no text; write SQL over the table's columns");
            }
        }
        if (const auto except = fields.find("except")) {
            (void)read_groups(reader, *except);
        }
    }
    reader.not_supported(value, kLeaveOut);
}

void read_mask_key(Reader& reader, const Value& value, Masking& masking) {
    auto key = read_secret(reader, value);
    if (!key) {
        return;
    }
    const auto characters = count_characters(key->reveal());
    if (!is_printable(key->reveal())) {
        reader.problem(value, "is not printable UTF-8; make one with: openssl rand -hex 32");
    } else if (*characters < limits::kMaskKeyCharactersMin) {
        reader.problem(value, "has fewer than 32 characters; make one with: openssl rand -hex 32");
    } else if (*characters > limits::kMaskKeyCharactersMax) {
        reader.problem(value, "has more than 1024 characters; make one with: openssl rand -hex 32");
    }
    masking.key = std::move(*key);
}

}  // namespace

void read_masking(Reader& reader, const Value& value, Masking& masking) {
    const Fields fields(reader, value, {"key", "rules", "rows", "default", "open"});
    if (!fields.is_map()) {
        return;
    }
    const auto key = fields.find("key");
    if (key) {
        read_mask_key(reader, *key, masking);
    }
    if (const auto rules = fields.find("rules")) {
        for (const Value& item : read_list(reader, *rules)) {
            masking.rules.rules.push_back(read_rule(reader, item));
        }
    }
    if (const auto rows = fields.find("rows")) {
        read_rows(reader, *rows);
    }
    if (const auto fallback = fields.find("default")) {
        (void)read_word(reader, *fallback, {"mask", "open"});
        reader.not_supported(*fallback, kLeaveOut);
    }
    if (const auto open = fields.find("open")) {
        std::vector<ColumnPattern> columns;
        read_columns(reader, *open, columns);
        reader.not_supported(*open, kLeaveOut);
    }
    const auto& rules = masking.rules.rules;
    const auto keyed = std::find_if(rules.begin(), rules.end(), [](const MaskRule& rule) {
        return rule.mask.kind == MaskKind::kHash;
    });
    if (keyed != rules.end() && !key) {
        reader.problem_at_key(value, "has no key, which " + keyed->name +
                                         " (mask: hash) needs; write key: {file: PATH}");
    }
}

}  // namespace vitrine::config
