#include "parser/masking/redaction.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <vector>

#include "parser/syntax/parse_tree.h"

namespace vitrine::parser {

namespace {

using syntax::Tokens;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// Deparsed: keywords are in capitals, and no name is that is not in quotes.
bool is_name(std::string_view token) {
    const char c = token.empty() ? '\0' : token.front();
    return (c == '"' || c == '_' || (c >= 'a' && c <= 'z') ||
            static_cast<unsigned char>(c) >= 0x80) &&
           token.back() != '\'' && token != "true" && token != "false";
}

std::string plain_name(std::string_view token) {
    if (token.size() < 2 || token.front() != '"') {
        return std::string(token);
    }
    std::string name;
    for (std::size_t i = 1; i + 1 < token.size(); ++i) {
        name += token[i];
        i += token[i] == '"' ? 1 : 0;
    }
    return name;
}

// One that says something of a row. A single character, or digit, is a separator, a flag, a count.
bool is_value(std::string_view token) {
    if (token.back() == '\'') {
        return token.size() - token.find('\'') > 3;
    }
    const bool number =
        is_digit(token.front()) || (token.size() > 1 && token.front() == '.' && is_digit(token[1]));
    return number && std::count_if(token.begin(), token.end(), is_digit) > 1;
}

// What stands together: an operand of AND or OR, an output, an item of FROM.
struct Unit {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool counts = false;  // LIMIT and what is no expression
};

class Text {
  public:
    explicit Text(const std::string& text) : text_(text), tokens_(text) { divide(); }

    // Names spread among those that stand together, until nothing changes.
    void spread(std::set<std::string>& names) {
        find_column_aliases(names);
        for (bool changed = true; changed;) {
            changed = false;
            for (const Unit& unit : units_) {
                const std::set<std::string> own = names_in(unit);
                const bool touched =
                    has_whole_row(unit) ||
                    std::any_of(own.begin(), own.end(),
                                [&](const std::string& name) { return names.contains(name); });
                if (touched) {
                    const std::size_t before = names.size();
                    names.insert(own.begin(), own.end());
                    changed = changed || names.size() != before;
                }
            }
        }
    }

    [[nodiscard]] Redacted without(const std::set<std::string>* names) const {
        Redacted out;
        std::size_t copied = 0;
        for (const Unit& unit : units_) {
            if (unit.counts || (names != nullptr && !speaks_of(unit, *names))) {
                continue;
            }
            for (std::size_t i = unit.begin; i < unit.end; ++i) {
                if (!is_value(tokens_.text(i)) || is_typmod(i) || names_object(i)) {
                    continue;
                }
                out.text.append(text_, copied, tokens_.begin(i) - copied);
                out.text += "NULL";
                copied = tokens_.end(i);
                out.changed = true;
            }
        }
        out.text.append(text_, copied);
        return out;
    }

    [[nodiscard]] bool has_name(const std::set<std::string>& names) const {
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            if (is_name(tokens_.text(i)) && names.contains(plain_name(tokens_.text(i)))) {
                return true;
            }
        }
        return false;
    }

  private:
    void divide() {
        static constexpr std::array<std::string_view, 19> kBegin{
            "SELECT", "FROM",   "WHERE",     "ON",     "HAVING", "GROUP", "ORDER",
            "LIMIT",  "OFFSET", "FETCH",     "UNION",  "AND",    "OR",    "JOIN",
            "VALUES", "WINDOW", "INTERSECT", "EXCEPT", "WITH"};
        static constexpr std::array<std::string_view, 4> kCount{"LIMIT", "OFFSET", "FETCH",
                                                                "EXECUTE"};
        std::vector<std::size_t> queries;  // how deep in brackets each begins
        std::size_t depth = 0;
        Unit unit;
        const auto next = [&](std::size_t begin) {
            unit.end = begin;
            units_.push_back(unit);
            unit = {begin, begin, false};
        };
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            const std::string_view token = tokens_.text(i);
            if (token == "(" || token == "[") {
                ++depth;
            } else if (token == ")" || token == "]") {
                depth -= depth > 0 ? 1 : 0;
                while (!queries.empty() && queries.back() > depth) {
                    queries.pop_back();
                }
            } else if (token == "," && !queries.empty() && queries.back() == depth) {
                next(i);
            } else if (std::find(kBegin.begin(), kBegin.end(), token) != kBegin.end() ||
                       token == "EXECUTE") {
                next(i);
                // `WITH (fillfactor='70')`, and not the WITH of a query or `timestamp with …`.
                unit.counts =
                    std::find(kCount.begin(), kCount.end(), token) != kCount.end() ||
                    (token == "WITH" && i + 1 < tokens_.size() && tokens_.text(i + 1) == "(");
                sets_ = sets_ || token == "UNION" || token == "INTERSECT" || token == "EXCEPT";
                if (token == "SELECT" && (queries.empty() || queries.back() != depth)) {
                    queries.push_back(depth);
                }
            }
        }
        next(tokens_.size());
    }

    // `f(…) AS x(a, b)`, `x(a, b) AS (…)`: names that nothing is said of.
    void find_column_aliases(std::set<std::string>& names) const {
        std::vector<std::size_t> open;
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            if (tokens_.text(i) == "(") {
                open.push_back(i);
            }
            if (tokens_.text(i) != ")" || open.empty()) {
                continue;
            }
            const std::size_t begin = open.back();
            open.pop_back();
            const bool named = begin >= 2 && is_name(tokens_.text(begin - 1));
            const std::string_view before = named ? tokens_.text(begin - 2) : std::string_view{};
            const bool of_item = before == ")" || before == "AS";
            const bool of_cte = named && i + 2 < tokens_.size() && tokens_.text(i + 1) == "AS" &&
                                (before == "WITH" || before == "RECURSIVE" || before == ",");
            for (std::size_t k = begin + 1; (of_item || of_cte) && k < i; ++k) {
                if (is_name(tokens_.text(k))) {
                    names.insert(plain_name(tokens_.text(k)));
                }
            }
        }
    }

    // Of columns and outputs: no function's, no type's, and no qualifier.
    [[nodiscard]] std::set<std::string> names_in(const Unit& unit) const {
        std::set<std::string> names;
        for (std::size_t i = unit.begin; i < unit.end; ++i) {
            const std::string_view before = i == 0 ? std::string_view{} : tokens_.text(i - 1);
            const std::string_view behind =
                i + 1 < tokens_.size() ? tokens_.text(i + 1) : std::string_view{};
            if (before == "::" || before == "COLLATE") {
                while (i + 2 < unit.end && tokens_.text(i + 1) == ".") {
                    i += 2;
                }
                continue;
            }
            if (is_name(tokens_.text(i)) && behind != "(" && behind != ".") {
                names.insert(plain_name(tokens_.text(i)));
            }
        }
        return names;
    }

    // `c.*`: the deparser writes no other star.
    [[nodiscard]] bool has_whole_row(const Unit& unit) const {
        for (std::size_t i = unit.begin; i + 1 < unit.end; ++i) {
            if (tokens_.text(i) == "." && tokens_.text(i + 1) == "*") {
                return true;
            }
        }
        return false;
    }

    [[nodiscard]] bool speaks_of(const Unit& unit, const std::set<std::string>& names) const {
        if (has_whole_row(unit)) {
            return true;
        }
        std::set<std::string> own = names_in(unit);
        if (std::any_of(own.begin(), own.end(),
                        [&](const std::string& name) { return names.contains(name); })) {
            return true;
        }
        // Constants alone: with a name, they are that name's; in a set operation or in VALUES they
        // are whatever stands in their place elsewhere.
        std::optional<std::string> alias;
        for (std::size_t i = unit.begin + 1; i < unit.end; ++i) {
            if (tokens_.text(i - 1) == "AS" && is_name(tokens_.text(i))) {
                alias = plain_name(tokens_.text(i));
            }
        }
        const bool columns = own.size() > (alias ? 1U : 0U);
        return !columns && (!alias || sets_);
    }

    // `::numeric(12,2)`
    [[nodiscard]] bool is_typmod(std::size_t i) const {
        while (i > 0 && (tokens_.text(i - 1) == "," || is_digit(tokens_.text(i - 1).front()))) {
            --i;
        }
        if (i == 0 || tokens_.text(i - 1) != "(") {
            return false;
        }
        for (--i; i > 0; --i) {
            const std::string_view token = tokens_.text(i - 1);
            if (token == "::") {
                return true;
            }
            if (!is_name(token) && token != ".") {
                return false;
            }
        }
        return false;
    }

    // `'people_id_seq'::regclass` is a name.
    [[nodiscard]] bool names_object(std::size_t i) const {
        return i + 2 < tokens_.size() && tokens_.text(i + 1) == "::" &&
               (tokens_.text(i + 2) == "regclass" || tokens_.text(i + 2) == "regtype" ||
                tokens_.text(i + 2) == "regproc" || tokens_.text(i + 2) == "regprocedure" ||
                tokens_.text(i + 2) == "regconfig");
    }

    const std::string& text_;
    Tokens tokens_;
    std::vector<Unit> units_;
    bool sets_ = false;
};

}  // namespace

Redacted redacted(const std::string& text, std::set<std::string>& names) {
    Text parts(text);
    parts.spread(names);
    return parts.without(&names);
}

Redacted without_constants(const std::string& text) {
    return Text(text).without(nullptr);
}

bool has_name(const std::string& text, const std::set<std::string>& names) {
    return Text(text).has_name(names);
}

}  // namespace vitrine::parser
