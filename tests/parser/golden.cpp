#include "tests/parser/golden.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "parser/masking/rewrite.h"
#include "tests/parser/judge_fixture.h"

namespace vitrine::parser::test {
namespace {

std::string unescaped(const std::string& line) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] != '\\' || i + 1 == line.size()) {
            text += line[i];
            continue;
        }
        switch (line[++i]) {
            case 'n':
                text += '\n';
                break;
            case 't':
                text += '\t';
                break;
            case '\\':
                text += '\\';
                break;
            default:
                text += '\\';
                text += line[i];
        }
    }
    return text;
}

std::string escaped(const std::string& text) {
    std::string line;
    for (const char c : text) {
        line += c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\\' ? "\\\\" : std::string(1, c);
    }
    return line;
}

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    std::stringstream in(list);
    std::string part;
    while (std::getline(in, part, ',')) {
        parts.push_back(part.substr(part.find_first_not_of(' ')));
    }
    return parts;
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
    for (std::size_t at = text.find(what); at != std::string::npos;
         at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
}

std::string abbreviated(std::string text) {
    const CatalogSnapshot& catalog = fixture_policy()->catalog();
    for (const Relation& relation : catalog.relations()) {
        const RelationPolicy* policy = fixture_policy()->relation(relation.oid);
        if (is_rewritten(policy) && !policy->closed) {
            const std::string name = relation.schema + "." + relation.name;
            replace_all(text, masked_select(*policy, false), "{" + name + "}");
            replace_all(text, masked_select(*policy, true), "{ONLY " + name + "}");
        }
    }
    return escaped(text);
}

}  // namespace

std::vector<GoldenRow> read_golden(const std::string& file) {
    std::ifstream in(file);
    if (!in) {
        throw std::runtime_error("cannot read " + file);
    }
    const std::vector<std::string> usual{"pg_catalog", "public"};
    std::vector<GoldenRow> rows;
    std::vector<std::string> path = usual;
    Protocol protocol = Protocol::kSimple;
    std::string line;
    for (std::size_t number = 1; std::getline(in, line); ++number) {
        if (line.empty() || line[0] == '#') {
            continue;
        }
        if (line.starts_with("%path")) {
            path = line.size() > 6 ? split(line.substr(6)) : usual;
        } else if (line.starts_with("%protocol ")) {
            protocol = line.substr(10) == "extended" ? Protocol::kExtended : Protocol::kSimple;
        } else if (line.starts_with("    ")) {
            if (rows.empty()) {
                throw std::runtime_error(file + ": an expectation before any statement");
            }
            rows.back().expected.push_back(line.substr(4));
        } else {
            rows.push_back({file, number, path, protocol, unescaped(line), {}});
        }
    }
    return rows;
}

std::vector<std::string> described(const GoldenRow& row) {
    const Judgement judgement = judge(row.sql, *fixture_policy(), session(row.path, row.protocol));
    std::vector<std::string> lines;
    for (const StatementJudgement& statement : judgement.statements) {
        if (statement.refusal) {
            const std::string at = escaped(row.sql.substr(statement.refusal->position, 12));
            lines.push_back("refuse " + statement.refusal->sqlstate + " " + statement.rule + " @" +
                            (at.empty() ? "" : " ") + at.substr(0, at.find_last_not_of(' ') + 1));
            continue;
        }
        lines.push_back("allow");
        if (!statement.masked.empty()) {
            std::string masked = "masked ";
            for (const std::string& column : statement.masked) {
                masked += (masked.size() > 7 ? ", " : "") + column;
            }
            lines.push_back(masked);
        }
        if (statement.forwarded) {
            lines.push_back("sends " + abbreviated(*statement.forwarded));
        }
    }
    return lines;
}

std::string disagreement(const GoldenRow& row) {
    const std::vector<std::string> actual = described(row);
    std::size_t at = 0;
    std::string problem;
    for (const std::string& expected : row.expected) {
        // What may be left out is passed over.
        while (at < actual.size() && actual[at] != expected &&
               (actual[at].starts_with("masked ") || actual[at].starts_with("sends ")) &&
               expected.substr(0, 5) != actual[at].substr(0, 5)) {
            ++at;
        }
        const std::string got = at < actual.size() ? actual[at] : "(nothing)";
        // The position's text may be given as short as one likes.
        const bool same =
            expected.starts_with("refuse") && expected.find(" @ ") != std::string::npos
                ? got.starts_with(expected)
                : got == expected || got.starts_with(expected + " @ ");
        if (!same) {
            problem = "expected: " + expected + "\n  judged: " + got;
            break;
        }
        ++at;
    }
    while (problem.empty() && at < actual.size()) {
        if (!actual[at].starts_with("masked ") && !actual[at].starts_with("sends ")) {
            problem = "judged besides: " + actual[at];
        }
        ++at;
    }
    if (problem.empty()) {
        return {};
    }
    return row.file + ":" + std::to_string(row.line) + ": " + row.sql + "\n" + problem;
}

}  // namespace vitrine::parser::test
