#include "tests/parser/documents.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <stdexcept>

#include "parser/readonly/setting_rules.h"
#include "parser/readonly/statements.h"

namespace vitrine::parser::test {
namespace {

constexpr const char* kNote =
    "<!-- Made from the tables in parser/readonly: cmake --build DIRECTORY --target docs -->\n";

std::string trimmed(const std::string& text) {
    const std::size_t begin = text.find_first_not_of(' ');
    return begin == std::string::npos ? std::string{}
                                      : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::string row(const std::string& first, const std::string& second, const std::string& third) {
    return "| " + first + " | " + second + " | " + third + " |\n";
}

std::string sentence(std::string text) {
    if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') {
        text[0] = static_cast<char>(text[0] - 32);
    }
    return text;
}

// What psql calls by one name: may it run, in which forms, and why.
std::string command_row(const std::string& name, const std::vector<Command>& forms) {
    const StatementKind* kind = statement_kind_of(forms.front().sql);
    if (kind == nullptr) {
        throw std::runtime_error("no kind of statement: " + forms.front().sql);
    }
    const auto is_allowed = [](const Command& command) { return command.allowed; };
    const bool some = std::ranges::any_of(forms, is_allowed);
    const bool all = std::ranges::all_of(forms, is_allowed);
    const std::string reason(kind->reason);
    if (kind->verdict == StatementVerdict::kConditional && !all) {
        return some ? row(name, "in part", sentence(std::string(kind->condition)) + ": " + reason)
                    : row(name, "no",
                          "Not one of the forms of " + std::string(kind->command) +
                              " that are let through");
    }
    return row(name, some ? "yes" : "no", sentence(reason));
}

}  // namespace

std::vector<Command> read_commands() {
    const std::string file = std::string(VITRINE_SOURCE_DIR) + "/tests/parser/commands.txt";
    std::ifstream in(file);
    if (!in) {
        throw std::runtime_error("cannot read " + file);
    }
    std::vector<Command> commands;
    std::string line;
    while (std::getline(in, line)) {
        if (line.empty() || line[0] == '#') {
            continue;
        }
        const std::size_t first = line.find('|');
        const std::size_t second = line.find('|', first + 1);
        const std::string verdict = trimmed(line.substr(0, std::min(first, line.size())));
        if (second == std::string::npos || (verdict != "allow" && verdict != "refuse")) {
            throw std::runtime_error(file + ": no command: " + line);
        }
        commands.push_back({trimmed(line.substr(first + 1, second - first - 1)),
                            trimmed(line.substr(second + 1)), verdict == "allow"});
    }
    return commands;
}

std::string statements_document() {
    std::map<std::string, std::vector<Command>> by_name;
    for (const Command& command : read_commands()) {
        by_name[command.name].push_back(command);
    }
    std::string text = kNote;
    text +=
        "\n# What each SQL command comes to\n\n"
        "Every session through vitrine is read-only. What is refused fails with 25006 where it\n"
        "writes, and with 42501 where it does something else that a reader must not do; the\n"
        "transaction is then in the state in which PostgreSQL itself would have left it. A kind "
        "of\n"
        "statement that is in no list is refused.\n\n"
        "A statement is looked at to every depth: in sub-selects, in WITH, behind EXPLAIN, "
        "PREPARE,\n"
        "DECLARE and COPY. Which settings may be changed is in [settings.md](settings.md).\n\n";
    text += row("command", "runs", "why, and in which forms") + "| --- | --- | --- |\n";
    for (const auto& [name, forms] : by_name) {
        text += command_row(name, forms);
    }
    return text;
}

std::string settings_document() {
    std::string text = kNote;
    text +=
        "\n# Which settings a session may change\n\n"
        "The same holds for SET, SET LOCAL, RESET, set_config(), the StartupMessage and its\n"
        "`options`. RESET and SET … TO DEFAULT go back to what the session began with, and are "
        "let\n"
        "through wherever some value is. A setting that is in no list is refused.\n\n";
    const std::pair<SettingVerdict, const char*> parts[] = {
        {SettingVerdict::kAllowed, "## To any value\n\n"},
        {SettingVerdict::kLimited, "## Within bounds\n\n"},
        {SettingVerdict::kRefused, "## Not at all\n\n"},
    };
    for (const auto& [verdict, title] : parts) {
        const bool limited = verdict == SettingVerdict::kLimited;
        text += title;
        text += limited ? "| setting | values | why |\n| --- | --- | --- |\n"
                        : "| why | settings |\n| --- | --- |\n";
        std::map<std::string_view, std::string> by_reason;
        for (const SettingRule& rule : setting_rules()) {
            if (rule.verdict != verdict) {
                continue;
            }
            const std::string name = "`" + std::string(rule.name) + "`";
            if (limited) {
                text += row(name, rule.values, sentence(std::string(rule.reason)));
            } else {
                std::string& names = by_reason[rule.reason];
                names += (names.empty() ? "" : ", ") + name;
            }
        }
        for (const auto& [reason, names] : by_reason) {
            text += "| " + sentence(std::string(reason)) + " | " + names + " |\n";
        }
        text += "\n";
    }
    text +=
        "## Custom settings\n\n"
        "A name of two parts, such as `app.tenant`, may be set to a constant: only what the\n"
        "database's own people wrote reads it. These are closed, but for the settings above:\n\n"
        "| begins with | why |\n| --- | --- |\n"
        "| `vitrine.` | Vitrine's own |\n";
    for (const ClosedPrefix& closed : closed_prefixes()) {
        text += "| `" + std::string(closed.prefix) + "` | " + sentence(std::string(closed.reason)) +
                " |\n";
    }
    return text;
}

}  // namespace vitrine::parser::test
