// Rules as a test writes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/rules.h"

namespace vitrine::parser::test {

inline config::NamePattern name_pattern(std::string_view text) {
    config::NamePattern pattern;
    pattern.pieces.emplace_back();
    for (const char c : text) {
        if (c == '*') {
            pattern.pieces.emplace_back();
        } else {
            pattern.pieces.back() += c;
        }
    }
    return pattern;
}

// schema.table.column, names as they are in the catalog and without dots in them.
inline config::ColumnPattern column_pattern(std::string_view text) {
    config::ColumnPattern pattern;
    pattern.text = text;
    const std::size_t first = text.find('.');
    const std::size_t last = text.rfind('.');
    pattern.parts[0] = name_pattern(text.substr(0, first));
    pattern.parts[1] = name_pattern(text.substr(first + 1, last - first - 1));
    pattern.parts[2] = name_pattern(text.substr(last + 1));
    return pattern;
}

inline config::Mask mask(config::MaskKind kind) {
    config::Mask mask;
    mask.kind = kind;
    return mask;
}

inline config::Mask partial(std::uint32_t keep_start, std::uint32_t keep_end,
                            std::string with = "*") {
    config::Mask mask;
    mask.kind = config::MaskKind::kPartial;
    mask.keep_start = keep_start;
    mask.keep_end = keep_end;
    mask.with = std::move(with);
    return mask;
}

inline config::Mask constant(std::string text) {
    config::Mask mask;
    mask.kind = config::MaskKind::kConstant;
    mask.constant = std::move(text);
    return mask;
}

class Rules {
  public:
    Rules& add(const std::vector<std::string>& columns, config::Mask mask,
               std::vector<std::string> except_groups = {}) {
        config::MaskRule rule;
        rule.name = "masking.rules[" + std::to_string(rules_.rules.size()) + "]";
        for (const std::string& column : columns) {
            rule.columns.push_back(column_pattern(column));
        }
        rule.mask = std::move(mask);
        rule.except_groups = std::move(except_groups);
        rules_.rules.push_back(std::move(rule));
        return *this;
    }
    // Rules by the columns' types: "public.ssn_t", "pg_catalog.text[]".
    Rules& add_types(const std::vector<std::string>& types, config::Mask mask,
                     const std::vector<std::string>& columns = {}) {
        add(columns, std::move(mask));
        for (const std::string& type : types) {
            config::TypePattern& pattern = rules_.rules.back().types.emplace_back();
            pattern.text = type;
            pattern.array = type.ends_with("[]");
            const std::string name = pattern.array ? type.substr(0, type.size() - 2) : type;
            const std::size_t dot = name.find('.');
            pattern.parts = {name_pattern(name.substr(0, dot)), name_pattern(name.substr(dot + 1))};
        }
        return *this;
    }
    // schema.table, and what keeps its rows.
    Rules& filter(const std::string& table, std::string filter,
                  std::vector<std::string> except_groups = {}) {
        config::RowRule rule;
        rule.name = "masking.rows[" + std::to_string(rules_.rows.size()) + "]";
        rule.table.text = table;
        const std::size_t dot = table.find('.');
        rule.table.parts = {name_pattern(table.substr(0, dot)),
                            name_pattern(table.substr(dot + 1))};
        rule.filter = std::move(filter);
        rule.except_groups = std::move(except_groups);
        rule.filter_position = {"rules.yaml", 7, 7};
        rules_.rows.push_back(std::move(rule));
        return *this;
    }
    // default: mask
    Rules& open(const std::vector<std::string>& columns) {
        rules_.mask_by_default = true;
        for (const std::string& column : columns) {
            rules_.open.push_back(column_pattern(column));
        }
        return *this;
    }
    [[nodiscard]] const config::MaskingRules& masking() const { return rules_; }

  private:
    config::MaskingRules rules_;
};

// schema.name, or schema.name(type, type).
inline config::FunctionPattern function_pattern(std::string_view text) {
    config::FunctionPattern pattern;
    pattern.text = text;
    const std::size_t open = std::min(text.find('('), text.size());
    const std::string_view name = text.substr(0, open);
    const std::size_t dot = name.find('.');
    pattern.parts[0] = name_pattern(name.substr(0, dot));
    pattern.parts[1] = name_pattern(name.substr(dot + 1));
    pattern.has_arguments = open < text.size();
    if (pattern.has_arguments) {
        std::string_view arguments = text.substr(open + 1, text.rfind(')') - open - 1);
        while (!arguments.empty()) {
            const std::size_t comma = std::min(arguments.find(','), arguments.size());
            pattern.arguments.emplace_back(arguments.substr(0, comma));
            arguments.remove_prefix(std::min(comma + 1, arguments.size()));
        }
    }
    return pattern;
}

inline config::FunctionRules functions(const std::vector<std::string>& patterns) {
    config::FunctionRules rules;
    for (const std::string& pattern : patterns) {
        rules.allow.push_back(function_pattern(pattern));
    }
    return rules;
}

}  // namespace vitrine::parser::test
