// Any text to the judge: no crash, no hang, and what it says hangs together.
//
// With VITRINE_TEST_CATALOG (what dump_catalog wrote) the names in the seeds mean something;
// without it every name is unknown, and only the walk is exercised. The first byte of the input
// chooses the search_path, the protocol, and whether the judge's memory is asked too.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "parser/catalog/loader.h"
#include "parser/judge.h"
#include "parser/judgement_cache.h"
#include "parser/syntax/parse_tree.h"
#include "parser/syntax/utf8.h"

namespace {

using namespace vitrine;
using namespace vitrine::parser;

constexpr std::string_view kMask = "[masked]";

// The format of tests/parser/fixture_catalog.h.
std::shared_ptr<const CatalogSnapshot> catalog() {
    SnapshotBuilder builder;
    if (const char* file = std::getenv("VITRINE_TEST_CATALOG")) {
        std::ifstream in(file);
        std::string line;
        while (std::getline(in, line)) {
            std::vector<std::optional<std::string>> fields(1, std::string());
            for (std::size_t i = 0; i < line.size(); ++i) {
                if (line[i] == '\t') {
                    fields.emplace_back(std::string());
                } else if (line[i] == '\\' && i + 1 < line.size()) {
                    const char c = line[++i];
                    if (c == 'N') {
                        fields.back().reset();
                    } else {
                        *fields.back() += c == 't' ? '\t' : c == 'n' ? '\n' : c;
                    }
                } else {
                    *fields.back() += line[i];
                }
            }
            std::vector<std::optional<std::string_view>> row(fields.begin() + 1, fields.end());
            if (!builder.add(std::stoul(*fields[0]), row)) {
                break;
            }
        }
    }
    std::string error;
    auto made = builder.finish(error);
    if (made == nullptr) {
        std::cerr << "no catalog: " << error << '\n';
        std::exit(2);
    }
    return made;
}

config::NamePattern exactly(std::string_view name) {
    return {{std::string(name)}};
}

std::shared_ptr<const Policy> policy() {
    config::MaskingRules rules;
    for (const auto& [relation, column] :
         {std::pair<std::string_view, std::string_view>{"customers", "email"},
          {"cards", "number"},
          {"events", "payload"}}) {
        config::MaskRule rule;
        rule.name = column;
        rule.mask.kind = config::MaskKind::kConstant;
        rule.mask.constant = kMask;
        config::ColumnPattern pattern;
        pattern.parts = {exactly("public"), exactly(relation), exactly(column)};
        rule.columns.push_back(std::move(pattern));
        rules.rules.push_back(std::move(rule));
    }
    return compile_policy(catalog(), rules, {}, {});
}

void require(bool condition, const char* what) {
    if (!condition) {
        std::cerr << "broken: " << what << '\n';
        std::abort();
    }
}

std::size_t statements_of(const std::string& text) {
    // Counted by the judge of a policy without rules: it edits nothing.
    static const std::shared_ptr<const Policy> kOpen = compile_policy(catalog(), {}, {}, {});
    const std::vector<std::string> path{"pg_catalog"};
    SessionContext context;
    context.search_path = path;
    const Judgement judgement = judge(text, *kOpen, context);
    for (const StatementJudgement& statement : judgement.statements) {
        // Unless it grew beyond what the checks before the grammar take, it parses again.
        require(!statement.refusal || statement.rule != "syntax", "what is sent does not parse");
    }
    return judgement.statements.size();
}

std::size_t count(std::string_view text, std::string_view what) {
    std::size_t times = 0;
    for (std::size_t at = text.find(what); at != std::string_view::npos;
         at = text.find(what, at + what.size())) {
        ++times;
    }
    return times;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const std::shared_ptr<const Policy> kPolicy = policy();
    if (size == 0) {
        return 0;
    }
    SessionContext context;
    context.search_path = (bytes[0] & 1) != 0
                              ? std::vector<std::string>{"pg_catalog", "crm", "public"}
                              : std::vector<std::string>{"pg_catalog", "public"};
    context.protocol = (bytes[0] & 2) != 0 ? Protocol::kExtended : Protocol::kSimple;
    const std::string sql(reinterpret_cast<const char*>(bytes) + 1, size - 1);
    const Judgement judgement = judge(sql, *kPolicy, context);
    if ((bytes[0] & 4) != 0) {
        static JudgementCache cache;
        for (int again = 0; again < 3; ++again) {
            require(*cache.judge(sql, *kPolicy, context) == judgement, "kept, it is another");
        }
    }

    std::size_t end = 0;
    for (const StatementJudgement& statement : judgement.statements) {
        require(statement.begin >= end && statement.begin + statement.size <= sql.size(),
                "statements overlap or leave the text");
        end = statement.begin + statement.size;
        if (statement.refusal) {
            require(statement.refusal->position <= sql.size(), "a position outside of the text");
            require(statement.refusal->sqlstate.size() == 5, "a refusal without an SQLSTATE");
            require(!statement.refusal->message.empty(), "a refusal without words");
            require(!statement.forwarded && statement.masked.empty(),
                    "a refused statement that is sent");
        } else {
            require(!statement.rule.empty(), "no rule");
            require(!statement.command_tag.empty(), "no command tag");
        }
        // A whole text that is refused has one statement.
        require(!syntax::find_invalid_byte(sql) || judgement.statements.size() == 1,
                "an invalid text was looked into");
    }
    require(judgement.forwarded_size <= sql.size(), "more is sent than there is");
    const std::size_t first = judgement.first_refused();
    std::size_t edited = 0;
    for (std::size_t i = 0; i < first; ++i) {
        edited += judgement.statements[i].forwarded ? 1 : 0;
        require(!judgement.statements[i].forwarded || judgement.forwarded.has_value(),
                "an edit that is not sent");
    }
    if (judgement.forwarded) {
        require(edited > 0, "a change that no statement has");
        require(statements_of(*judgement.forwarded) == first,
                "what is sent has other statements than were judged");
        // Each masked form reads its relation once, and nothing else in the text does: judged
        // again, as many references are replaced as before.
        const Judgement again = judge(*judgement.forwarded, *kPolicy, context);
        if (again.allowed() && again.forwarded) {
            const std::size_t before = count(sql, kMask);
            const std::size_t once = count(*judgement.forwarded, kMask);
            const std::size_t twice = count(*again.forwarded, kMask);
            if (first == judgement.statements.size()) {
                require(twice - once == once - before, "a masked relation is read as it is");
            }
        }
        // Going through the sent text, one never leaves the client's.
        for (std::size_t i = 0; i <= judgement.forwarded->size(); i += 1 + i / 64) {
            require(judgement.positions.to_client(i) <= sql.size(), "a position mapped outside");
        }
    } else {
        require(statements_of(sql.substr(0, judgement.forwarded_size)) == first,
                "what is sent has other statements than were judged");
    }
    return 0;
}
