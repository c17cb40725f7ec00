// The table of statement kinds against PostgreSQL's own lists: the node tags of its grammar, and
// the SQL commands that psql knows.

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <regex>
#include <set>
#include <sstream>

#include "parser/readonly/statements.h"
#include "tests/parser/documents.h"
#include "tests/parser/judge_fixture.h"

namespace vitrine::parser::test {
namespace {

std::string include_directory() {
    const std::unique_ptr<FILE, int (*)(FILE*)> out(
        popen("/usr/lib/postgresql/15/bin/pg_config --includedir-server", "r"), pclose);
    std::array<char, 512> line{};
    if (!out || std::fgets(line.data(), line.size(), out.get()) == nullptr) {
        return {};
    }
    const std::string text = line.data();
    return text.substr(0, text.find('\n'));
}

// The enumerators of NodeTag, in order: their numbers are their places.
std::vector<std::string> node_tags() {
    std::ifstream in(include_directory() + "/nodes/nodes.h");
    std::stringstream whole;
    whole << in.rdbuf();
    const std::string text = whole.str();
    const std::size_t begin = text.find("typedef enum NodeTag");
    const std::size_t end = text.find("} NodeTag;");
    std::vector<std::string> tags;
    const std::regex tag("\n\t(T_[A-Za-z_]+)");
    const std::string body = text.substr(begin, end - begin);
    for (std::sregex_iterator it(body.begin(), body.end(), tag), none; it != none; ++it) {
        tags.push_back((*it)[1]);
    }
    return tags;
}

TEST_CASE("every statement kind of the grammar has a verdict", "[judge]") {
    const std::vector<std::string> tags = node_tags();
    REQUIRE(tags.size() > 400);
    REQUIRE(tags[0] == "T_Invalid");
    std::size_t statements = 0;
    for (std::size_t i = 0; i < tags.size(); ++i) {
        const bool statement = tags[i].ends_with("Stmt");
        const StatementKind* kind = statement_kind(static_cast<int>(i));
        INFO(tags[i]);
        CHECK((kind != nullptr) == statement);
        statements += statement ? 1 : 0;
    }
    CHECK(statement_kinds().size() == statements);
}

TEST_CASE("the table is in order, and has a reason for each verdict", "[judge]") {
    int before = 0;
    std::set<std::string_view> reading;
    for (const StatementKind& kind : statement_kinds()) {
        INFO(kind.tag << " " << kind.command);
        CHECK(kind.tag > before);
        before = kind.tag;
        CHECK((kind.verdict == StatementVerdict::kInner) == kind.command.empty());
        CHECK((kind.verdict == StatementVerdict::kConditional) == !kind.condition.empty());
        CHECK_FALSE(kind.reason.empty());
        if (kind.verdict == StatementVerdict::kRead ||
            kind.verdict == StatementVerdict::kConditional) {
            reading.insert(kind.command);
        }
    }
    // Nobody adds to these in passing.
    CHECK(reading == std::set<std::string_view>{
                         "SELECT", "CLOSE CURSOR", "COPY", "FETCH", "UNLISTEN", "BEGIN", "EXPLAIN",
                         "SET", "SHOW", "DISCARD", "LOCK TABLE", "SET CONSTRAINTS", "PREPARE",
                         "EXECUTE", "DEALLOCATE", "DECLARE CURSOR"});
}

// The list that \h prints, in columns of one width.
std::set<std::string> psql_commands() {
    const std::string command = "/usr/lib/postgresql/15/bin/psql -X -d '" +
                                std::string(std::getenv("VITRINE_TEST_DSN")) +
                                "' -c '\\pset pager off' -c '\\h'";
    const std::unique_ptr<FILE, int (*)(FILE*)> out(popen(command.c_str(), "r"), pclose);
    REQUIRE(out);
    std::set<std::string> commands;
    std::array<char, 1024> buffer{};
    std::size_t width = 0;
    while (std::fgets(buffer.data(), buffer.size(), out.get()) != nullptr) {
        std::string line = buffer.data();
        if (!line.starts_with("  ")) {
            continue;
        }
        line = line.substr(2, line.find('\n') - 2);
        if (width == 0) {
            width = line.find_first_not_of(' ', line.find(' '));
        }
        for (std::size_t at = 0; at < line.size(); at += width) {
            const std::string cell = line.substr(at, width);
            const std::size_t last = cell.find_last_not_of(' ');
            if (last != std::string::npos) {
                commands.insert(cell.substr(0, last + 1));
            }
        }
    }
    return commands;
}

TEST_CASE("each SQL command of psql's is in the list of commands", "[judge]") {
    if (std::getenv("VITRINE_TEST_DSN") == nullptr) {
        return;
    }
    const std::set<std::string> known = psql_commands();
    REQUIRE(known.size() > 180);
    std::set<std::string> listed;
    for (const Command& command : read_commands()) {
        listed.insert(command.name);
    }
    CHECK(listed == known);
}

TEST_CASE("each command is judged as the list says, and each kind is in it", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    std::set<int> seen;
    std::set<int> allowed;
    std::set<int> refused;
    for (const Command& command : read_commands()) {
        INFO(command.sql);
        const StatementKind* kind = statement_kind_of(command.sql);
        REQUIRE(kind != nullptr);
        CHECK(kind->verdict != StatementVerdict::kInner);
        seen.insert(kind->tag);
        (command.allowed ? allowed : refused).insert(kind->tag);

        SessionContext context = session();
        context.prepared = [](std::string_view name) {
            return name == "nosuch" ? SessionContext::Prepared::kUnknown
                                    : SessionContext::Prepared::kCurrent;
        };
        const Judgement judgement = judge(command.sql, *fixture_policy(), context);
        REQUIRE(judgement.statements.size() == 1);
        CHECK(judgement.allowed() == command.allowed);
        if (judgement.allowed()) {
            continue;
        }
        const Refusal& refusal = *judgement.statements[0].refusal;
        CHECK_FALSE(refusal.message.empty());
        if (kind->verdict == StatementVerdict::kWrite) {
            CHECK(refusal.sqlstate == "25006");
        } else if (kind->verdict == StatementVerdict::kForbidden) {
            CHECK(refusal.sqlstate == "42501");
            CHECK(refusal.detail.find(kind->reason) != std::string::npos);
        }
    }
    for (const StatementKind& kind : statement_kinds()) {
        INFO(kind.tag << " " << kind.command);
        const bool inner = kind.verdict == StatementVerdict::kInner;
        CHECK(seen.contains(kind.tag) == !inner);
        if (kind.verdict == StatementVerdict::kConditional) {
            CHECK((allowed.contains(kind.tag) && refused.contains(kind.tag)));
        }
        if (kind.verdict == StatementVerdict::kRead) {
            CHECK_FALSE(refused.contains(kind.tag));
        }
    }
}

// A grammar's node that nobody gave a verdict is found: the check is one that can fail.
TEST_CASE("what is no statement of the table has no verdict", "[judge]") {
    CHECK(statement_kind(0) == nullptr);
    CHECK(statement_kind(1000000) == nullptr);
    CHECK(statement_kind_of("SELECT 1; SELECT 2") == nullptr);
    CHECK(statement_kind_of("SELEC") == nullptr);
    CHECK(statement_kind_of("") == nullptr);
}

std::string committed(const std::string& name) {
    std::ifstream in(std::string(VITRINE_SOURCE_DIR) + "/docs/" + name);
    std::stringstream whole;
    whole << in.rdbuf();
    return whole.str();
}

TEST_CASE("the documents are what the tables make (--target docs writes them)", "[judge]") {
    CHECK(committed("statements.md") == statements_document());
    CHECK(committed("settings.md") == settings_document());
}

}  // namespace
}  // namespace vitrine::parser::test
