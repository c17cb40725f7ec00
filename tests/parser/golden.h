// Golden tables: a statement and what the judge says of it, in a text file that anyone can add to.
//
//     # a comment
//     %path pg_catalog, crm, public        for all that follow in the file; `%path` alone: the
//                                          default, pg_catalog and public
//     %protocol extended                   or simple
//     DELETE FROM orders
//         refuse 25006 read-only: DELETE @ DELETE
//     SELECT * FROM cards; COMMIT
//         allow
//         masked public.cards.holder, public.cards.number
//         sends SELECT * FROM ({public.cards}) AS "cards"; COMMIT
//         allow
//
// A statement is a line (with \n, \t and \\ for what a line cannot hold); below it, indented, a
// line for each statement in it. `@` and what follows: how the text at the position begins.
// `{schema.relation}` stands for the masked select over it, `{ONLY schema.relation}` for that with
// ONLY. `sends` and `masked` may be left out.
#pragma once

#include <string>
#include <vector>

#include "parser/judge.h"

namespace vitrine::parser::test {

struct GoldenRow {
    std::string file;
    std::size_t line = 0;
    std::vector<std::string> path;
    Protocol protocol = Protocol::kSimple;
    std::string sql;
    std::vector<std::string> expected;
};

[[nodiscard]] std::vector<GoldenRow> read_golden(const std::string& file);
// What the row's expectations should be, in full: sends and masked included.
[[nodiscard]] std::vector<std::string> described(const GoldenRow& row);
// Where they disagree: a sentence; empty where they do not.
[[nodiscard]] std::string disagreement(const GoldenRow& row);

}  // namespace vitrine::parser::test
