#include "parser/cost_question.h"

#include <charconv>

#include "parser/syntax/parse_tree.h"
#include "parser/syntax/utf8.h"

#include "parser/syntax/nodes.h"

namespace vitrine::parser {

using syntax::as;
using syntax::cells;

namespace {

constexpr std::string_view kPrefix = "EXPLAIN (FORMAT JSON) ";
constexpr std::string_view kTablePrefix = "EXPLAIN (FORMAT JSON) TABLE ONLY ";

// Does EXPLAIN run the statement? As ExplainQuery reads its options: the last one counts.
bool analyzes(const ExplainStmt* stmt) {
    bool analyze = false;
    for (const ListCell& cell : cells(stmt->options)) {
        const auto* option = as<DefElem>(cell.ptr_value);
        if (option->defname != std::string_view("analyze")) {
            continue;
        }
        const Node* value = option->arg;
        if (syntax::is_a(value, T_String)) {
            const std::string word = syntax::ascii_lower(syntax::string_value(value));
            analyze = word != "false" && word != "off";
        } else {
            analyze = !syntax::is_a(value, T_Integer) || as<Integer>(value)->ival != 0;
        }
    }
    return analyze;
}

// Where what EXPLAIN explains begins.
std::size_t explained(const syntax::Tokens& tokens, const ExplainStmt* stmt) {
    std::size_t index = 1;
    if (stmt->options != nullptr && tokens.is(index, '(')) {
        return tokens.after_brackets(index);
    }
    while (tokens.is_keyword(index, "analyze") || tokens.is_keyword(index, "analyse") ||
           tokens.is_keyword(index, "verbose")) {
        ++index;
    }
    return index;
}

}  // namespace

std::vector<CostQuestion> cost_questions(const std::string& text) {
    std::vector<CostQuestion> questions;
    const syntax::ParseTree tree(text);
    if (tree.error()) {
        // It cannot be what is sent; if it were, the server would say of the question what is
        // wrong.
        questions.push_back({.statement = 0,
                             .sql = std::string(kPrefix) + text,
                             .prefix = kPrefix.size(),
                             .begin = 0,
                             .by_name = true});
        return questions;
    }
    std::size_t number = 0;
    for (const ListCell& cell : cells(tree.statements())) {
        const auto* raw = as<RawStmt>(cell.ptr_value);
        const std::size_t begin =
            raw->stmt_location < 0 ? 0 : static_cast<std::size_t>(raw->stmt_location);
        const std::size_t end =
            raw->stmt_len > 0 ? begin + static_cast<std::size_t>(raw->stmt_len) : text.size();
        const auto ask = [&](std::string_view prefix, std::size_t from, std::size_t to,
                             bool by_name = false) {
            questions.push_back({.statement = number,
                                 .sql = std::string(prefix) + text.substr(from, to - from),
                                 .prefix = prefix.size(),
                                 .begin = from,
                                 .by_name = by_name});
        };
        switch (nodeTag(raw->stmt)) {
            case T_SelectStmt:
            case T_DeclareCursorStmt:
                ask(kPrefix, begin, end);
                break;
            case T_ExecuteStmt:
                ask(kPrefix, begin, end, true);
                break;
            case T_ExplainStmt: {
                const auto* stmt = as<ExplainStmt>(raw->stmt);
                if (analyzes(stmt)) {
                    const syntax::Tokens tokens(text.substr(begin, end - begin), begin);
                    const std::size_t first = explained(tokens, stmt);
                    ask(kPrefix, first < tokens.size() ? tokens.begin(first) : begin, end,
                        syntax::is_a(stmt->query, T_ExecuteStmt));
                }
                break;
            }
            case T_CopyStmt: {
                const auto* stmt = as<CopyStmt>(raw->stmt);
                const syntax::Tokens tokens(text.substr(begin, end - begin), begin);
                std::size_t first = 1;  // COPY ( query ) TO …: with its brackets
                std::size_t behind = 0;
                if (stmt->relation != nullptr) {
                    const RangeVar* name = stmt->relation;
                    first = tokens.at(static_cast<std::size_t>(name->location));
                    behind = tokens.after_name(first, 1U + (name->schemaname != nullptr ? 1U : 0U) +
                                                          (name->catalogname != nullptr ? 1U : 0U));
                } else {
                    behind = tokens.after_brackets(first);
                }
                const bool found = first < behind && behind <= tokens.size();
                // Where it was not, the server does not take the question, and nothing runs.
                ask(stmt->relation != nullptr ? kTablePrefix : kPrefix,
                    found ? tokens.begin(first) : begin, found ? tokens.end(behind - 1) : end);
                break;
            }
            default:
                break;
        }
        ++number;
    }
    return questions;
}

std::optional<double> plan_cost(std::string_view answer) {
    // The first one is the top node's. No text of a user's can look like it: within a JSON string
    // a quotation mark has a backslash before it, and what a string ends with has no colon.
    constexpr std::string_view kKey = "\"Total Cost\": ";
    const std::size_t at = answer.find(kKey);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const char* const begin = answer.data() + at + kKey.size();
    double cost = 0;
    const auto [stopped, error] = std::from_chars(begin, answer.data() + answer.size(), cost);
    if (error != std::errc() || stopped == begin) {
        return std::nullopt;
    }
    return cost;
}

}  // namespace vitrine::parser
