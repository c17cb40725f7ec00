#include "config/masking.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <optional>

#include "config/limits.h"
#include "config/patterns.h"
#include "config/utf8.h"

namespace vitrine::config {
namespace {

// `with` stands for each character of a value: a long one would multiply it.
constexpr std::size_t kWithCharactersMax = 16;
constexpr std::uint64_t kKeptCharactersMax = 1000000;

// An IPv6 address has as many.
constexpr std::uint64_t kNetworkBitsMax = 128;

// Each key of a path is one more query within the mask's SQL.
constexpr std::size_t kJsonKeysMax = 32;

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

// `multiple` of Mask, from a number as read_positive() takes it; nullopt where it has too many
// digits.
std::optional<std::string> plain_decimal(std::string_view number) {
    constexpr std::size_t kDigitsMax = 18;  // a bigint has them
    const std::size_t e = std::min(number.find_first_of("eE"), number.size());
    std::string_view exponent = number.substr(std::min(e + 1, number.size()));
    exponent.remove_prefix(exponent.starts_with('+') ? 1 : 0);
    int shift = 0;
    (void)std::from_chars(exponent.data(), exponent.data() + exponent.size(), shift);
    std::string digits;
    for (const char c : number.substr(0, e)) {
        if (c != '.') {
            digits += c;
        }
    }
    const auto point = static_cast<int>(std::min(number.find('.'), e)) + shift;
    constexpr int kFar = 2 * static_cast<int>(kDigitsMax);
    if (digits.size() > 2 * kDigitsMax || point > kFar || point < -kFar) {
        return std::nullopt;
    }
    digits.insert(0, static_cast<std::size_t>(std::max(0, -point)), '0');
    const auto whole_size = static_cast<std::size_t>(std::max(0, point));
    digits.resize(std::max(digits.size(), whole_size), '0');
    std::string whole = digits.substr(0, whole_size);
    std::string fraction = digits.substr(whole_size);
    whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
    fraction.erase(fraction.find_last_not_of('0') + 1);
    if (whole.size() > kDigitsMax || fraction.size() > kDigitsMax) {
        return std::nullopt;
    }
    return (whole.empty() ? "0" : whole) + (fraction.empty() ? "" : "." + fraction);
}

void read_round(Reader& reader, const Value& value, Mask& mask) {
    if (!read_positive(reader, value)) {
        return;
    }
    const auto multiple = plain_decimal(value.node->text);
    if (!multiple) {
        reader.problem(value, "is " + shown(value.node->text) +
                                  "; write one with at most 18 digits on either side of its point");
        return;
    }
    mask.multiple = *multiple;
}

// `$.address."post code"`: keys as they are, with letters, digits, _ and - (and whatever is not
// ASCII), or in quotes, where a backslash stands before a quote or a backslash. Empty: not of that
// shape.
std::vector<std::string> parse_json_path(std::string_view path) {
    const auto bare = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' ||
               static_cast<unsigned char>(c) >= 0x80;
    };
    std::vector<std::string> keys;
    if (!path.starts_with('$') || path.size() < 2) {
        return {};
    }
    path.remove_prefix(1);
    while (!path.empty()) {
        if (!path.starts_with('.')) {
            return {};
        }
        path.remove_prefix(1);
        std::string& key = keys.emplace_back();
        if (!path.starts_with('"')) {
            while (!path.empty() && bare(path.front())) {
                key += path.front();
                path.remove_prefix(1);
            }
            if (key.empty()) {
                return {};
            }
            continue;
        }
        path.remove_prefix(1);
        while (!path.empty() && path.front() != '"') {
            if (path.front() == '\\') {
                path.remove_prefix(1);
                if (!path.starts_with('"') && !path.starts_with('\\')) {
                    return {};
                }
            }
            key += path.front();
            path.remove_prefix(1);
        }
        if (path.empty()) {
            return {};
        }
        path.remove_prefix(1);
    }
    return keys;
}

// Is one path the other, or on its way? Then what the one says would be undone by the other.
bool overlap(const JsonMask& a, const JsonMask& b) {
    const std::size_t common = std::min(a.keys.size(), b.keys.size());
    return std::equal(a.keys.begin(), a.keys.begin() + static_cast<std::ptrdiff_t>(common),
                      b.keys.begin());
}

// The DBA's own SQL; what it says, the parser finds out when it knows the catalog.
std::string read_sql(Reader& reader, const Value& value, std::string_view way_out) {
    const bool is_text = value.node->kind == Node::Kind::kScalar && !value.node->text.empty();
    if (!is_text || value.node->text.find('\0') != std::string::npos) {
        reader.problem(value, "is no text; " + std::string(way_out));
        return {};
    }
    if (value.node->text.size() > limits::kWrittenSqlBytesMax) {
        reader.problem(value,
                       "has more than 16 KiB; make a function of it, and name that under "
                       "functions.allow");
        return {};
    }
    return value.node->text;
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
            read_of_other_types(fields);
        }
    }

    void read_of_other_types(const Fields& fields) {
        if (const auto round = fields.find("round")) {
            mask_.kind = MaskKind::kRound;
            read_round(reader_, *round, mask_);
        } else if (const auto truncate = fields.find("truncate")) {
            mask_.kind = MaskKind::kTruncate;
            not_inside_json(*truncate);
            const auto unit = read_word(reader_, *truncate, {"year", "month", "day", "hour"});
            mask_.unit = static_cast<TruncateUnit>(unit.value_or(0));
        } else if (const auto network = fields.find("network")) {
            mask_.kind = MaskKind::kNetwork;
            not_inside_json(*network);
            mask_.network_bits = static_cast<std::uint32_t>(
                read_integer(reader_, *network, 0, kNetworkBitsMax).value_or(0));
        } else if (const auto expression = fields.find("expression")) {
            mask_.kind = MaskKind::kExpression;
            not_inside_json(*expression);
            mask_.expression = read_sql(reader_, *expression, "write SQL over value");
        } else if (const auto json = fields.find("json")) {
            mask_.kind = MaskKind::kJson;
            read_json(*json);
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
            JsonMask& added = mask_.json.emplace_back();
            added.path = path;
            added.mask = MaskReader(reader_, true).read(mask);
            added.keys = parse_json_path(path);
            if (added.keys.empty() || added.keys.size() > kJsonKeysMax) {
                reader_.problem_at(
                    *mask.key, value.path + " has the path " + shown(path) +
                                   "; write it from the top, such as $.phone or $.a.\"b c\", with "
                                   "at most 32 keys");
                mask_.json.pop_back();
                continue;
            }
            const auto other = std::find_if(mask_.json.begin(), mask_.json.end() - 1,
                                            [&](const JsonMask& m) { return overlap(m, added); });
            if (other != mask_.json.end() - 1) {
                reader_.problem_at(*mask.key, value.path + " has the paths " + shown(other->path) +
                                                  " and " + shown(path) +
                                                  ", one within the other; leave one of them out");
            }
        }
    }

    void not_inside_json(const Value& value) {
        if (inside_json_) {
            reader_.problem(value,
                            "is not for a value in JSON; use \"null\", constant, partial, hash, "
                            "email or round");
        }
    }

    Reader& reader_;
    bool inside_json_;
    Mask mask_;
};

// A list of patterns, each of which `parse` gives with what is wrong with it.
template <class Pattern, class Parse>
std::vector<Pattern> read_patterns(Reader& reader, const Value& value,
                                   std::string_view empty_message, Parse parse) {
    std::vector<Pattern> patterns;
    for (const Value& item : read_list(reader, value, empty_message)) {
        const auto text = read_text(reader, item);
        if (!text) {
            continue;
        }
        Pattern pattern;
        const std::string problem = parse(*text, pattern);
        if (!problem.empty()) {
            reader.problem(item, "is " + shown(*text) + ", which " + problem);
            continue;
        }
        pattern.text = *text;
        pattern.position = reader.position(*item.node);
        patterns.push_back(std::move(pattern));
    }
    return patterns;
}

// The parts of a pattern's name; the result is what is wrong.
template <std::size_t kCount>
std::string take_parts(std::string_view text, std::string_view shape,
                       std::array<NamePattern, kCount>& parts) {
    auto parsed = parse_pattern(text, kCount, shape);
    if (parsed.problem.empty()) {
        std::move(parsed.parts.begin(), parsed.parts.end(), parts.begin());
    }
    return std::move(parsed.problem);
}

std::vector<ColumnPattern> read_columns(Reader& reader, const Value& value) {
    return read_patterns<ColumnPattern>(reader, value, "name a column: schema.table.column",
                                        [](std::string_view text, ColumnPattern& pattern) {
                                            return take_parts(text, "schema.table.column",
                                                              pattern.parts);
                                        });
}

std::vector<TypePattern> read_types(Reader& reader, const Value& value) {
    return read_patterns<TypePattern>(reader, value, "name a type: public.ssn_t, inet",
                                      [](std::string_view text, TypePattern& pattern) {
                                          auto parsed = parse_type_pattern(text);
                                          pattern = std::move(parsed.pattern);
                                          return std::move(parsed.problem);
                                      });
}

MaskRule read_rule(Reader& reader, const Value& value) {
    MaskRule rule;
    rule.name = value.path;
    rule.position = reader.position(*value.node);
    Fields fields(reader, value, {"columns", "types", "mask", "except"});
    const auto types = fields.find("types");
    const auto columns =
        types ? fields.find("columns")
              : fields.require("columns",
                               "name them: columns: [schema.table.column], or types: [type]");
    if (columns) {
        rule.columns = read_columns(reader, *columns);
    }
    if (types) {
        rule.types = read_types(reader, *types);
    }
    if (const auto mask = fields.require("mask", "name one, such as mask: hash")) {
        rule.mask = MaskReader(reader, false).read(*mask);
    }
    if (const auto except = fields.find("except")) {
        rule.except_groups = read_groups(reader, *except);
    }
    return rule;
}

RowRule read_row_rule(Reader& reader, const Value& value) {
    RowRule rule;
    rule.name = value.path;
    rule.position = reader.position(*value.node);
    Fields fields(reader, value, {"table", "filter", "except"});
    if (const auto table = fields.require("table", "name one: schema.table")) {
        if (const auto text = read_text(reader, *table)) {
            rule.table.text = *text;
            rule.table.position = reader.position(*table->node);
            const auto problem = take_parts(*text, "schema.table", rule.table.parts);
            if (!problem.empty()) {
                reader.problem(*table, "is " + shown(*text) + ", which " + problem);
            }
        }
    }
    constexpr std::string_view kWayOut = "write SQL over the table's columns";
    if (const auto filter = fields.require("filter", kWayOut)) {
        rule.filter = read_sql(reader, *filter, kWayOut);
        rule.filter_position = reader.position(*filter->node);
    }
    if (const auto except = fields.find("except")) {
        rule.except_groups = read_groups(reader, *except);
    }
    return rule;
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
        for (const Value& item : read_list(reader, *rows)) {
            masking.rules.rows.push_back(read_row_rule(reader, item));
        }
    }
    bool open_by_default = true;
    if (const auto fallback = fields.find("default")) {
        const auto word = read_word(reader, *fallback, {"open", "mask"});
        open_by_default = word == std::size_t{0};
        masking.rules.mask_by_default = word == std::size_t{1};
    }
    if (const auto open = fields.find("open")) {
        masking.rules.open = read_columns(reader, *open);
        if (open_by_default) {
            reader.problem(*open,
                           "has no effect, since all is open; write default: mask beside it");
        }
    }
    const auto& rules = masking.rules.rules;
    const auto is_keyed = [](const Mask& mask) { return mask.kind == MaskKind::kHash; };
    const auto keyed = std::find_if(rules.begin(), rules.end(), [&](const MaskRule& rule) {
        return is_keyed(rule.mask) ||
               std::any_of(rule.mask.json.begin(), rule.mask.json.end(),
                           [&](const JsonMask& json) { return is_keyed(json.mask); });
    });
    if (keyed != rules.end() && !key) {
        reader.problem_at_key(value, "has no key, which " + keyed->name +
                                         " (mask: hash) needs; write key: {file: PATH}");
    }
}

}  // namespace vitrine::config
