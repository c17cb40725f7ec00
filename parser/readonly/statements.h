// One table over every kind of statement of PostgreSQL 15's grammar: its name, whether it reads,
// and why it is let through or is not. Complete by construction: tests hold it against the node
// tags of the server's nodes.h, and each of psql's own list of SQL commands against the verdict it
// gives. docs/statements.md is made from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace vitrine::parser {

enum class StatementVerdict : std::uint8_t {
    kRead,         // reads, or changes nothing but the session's own, in every form
    kConditional,  // does in some forms; judge.cpp knows which
    kWrite,        // 25006
    kForbidden,    // 42501: changes no row and must not be all the same
    kInner,        // a node that no client's text has at its top
};

struct StatementKind {
    int tag = 0;               // NodeTag
    std::string_view command;  // PostgreSQL's command tag, as far as the kind says it
    StatementVerdict verdict = StatementVerdict::kInner;
    std::string_view condition;  // kConditional: in which forms
    std::string_view reason;     // "LISTEN is refused: …"
};

// In the order of the tags.
[[nodiscard]] std::span<const StatementKind> statement_kinds();
// nullptr for a node that is no statement.
[[nodiscard]] const StatementKind* statement_kind(int tag);
// Of a text that is one statement; nullptr where it does not parse.
[[nodiscard]] const StatementKind* statement_kind_of(const std::string& sql);

}  // namespace vitrine::parser
