// The table of statement kinds against PostgreSQL's own list of node tags.

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <memory>
#include <regex>
#include <set>
#include <sstream>

#include "parser/readonly/statements.h"

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

TEST_CASE("the table is in order, and what it refuses has a name", "[judge]") {
    int before = 0;
    std::set<std::string_view> reading;
    for (const StatementKind& kind : statement_kinds()) {
        CHECK(kind.tag > before);
        before = kind.tag;
        CHECK((kind.verdict == StatementVerdict::kInner || !kind.command.empty()));
        CHECK((kind.verdict == StatementVerdict::kForbidden) == !kind.reason.empty());
        if (kind.verdict == StatementVerdict::kRead ||
            kind.verdict == StatementVerdict::kConditional) {
            reading.insert(kind.command);
        }
    }
    // Nobody adds to these in passing.
    CHECK(reading == std::set<std::string_view>{"SELECT", "CLOSE CURSOR", "COPY", "FETCH",
                                                "UNLISTEN", "BEGIN", "EXPLAIN", "SET", "SHOW",
                                                "DISCARD", "LOCK TABLE", "PREPARE", "EXECUTE",
                                                "DEALLOCATE", "DECLARE CURSOR"});
}

}  // namespace
}  // namespace vitrine::parser::test
