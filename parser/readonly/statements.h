// One table over every kind of statement of PostgreSQL 15's grammar: its name, and whether it
// reads. Complete by construction: a test holds it against the node tags of nodes.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace vitrine::parser {

enum class StatementVerdict : std::uint8_t {
    kRead,         // reads, once what is in it has been looked at
    kConditional,  // reads in some forms; judge.cpp knows which
    kWrite,        // 25006
    kForbidden,    // 42501: changes no row and must not be all the same
    kInner,        // a node that no client's text has at its top
};

struct StatementKind {
    int tag = 0;               // NodeTag
    std::string_view command;  // PostgreSQL's command tag, as far as the kind says it
    StatementVerdict verdict = StatementVerdict::kInner;
    std::string_view reason;  // kForbidden: "LISTEN is refused: …"
};

// In the order of the tags.
[[nodiscard]] std::span<const StatementKind> statement_kinds();
// nullptr for a node that is no statement.
[[nodiscard]] const StatementKind* statement_kind(int tag);

}  // namespace vitrine::parser
