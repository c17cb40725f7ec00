// What the tests of masks' values share: sessions in which names and settings mean something else,
// and the comparison of a mask with what is expected, row by row, under each of them.
#pragma once

#include <string>
#include <vector>

#include "config/rules.h"
#include "parser/catalog/snapshot.h"
#include "tests/parser/mask_server.h"

namespace vitrine::parser::test {

// Odd in itself: quotes, a backslash, and not ASCII.
inline const std::string kKey = "a key's \\ text, 32 characters — or more";

// Everything a session can set that might change what an expression means. The schema `evil` has
// an object for each name that a mask uses, and comes before pg_catalog; it goes with the
// transaction that made it (make_evil), and of two tests at once one waits.
[[nodiscard]] const std::vector<std::string>& odd_sessions();
void make_evil(Server& server);
// Back to what make_evil() left.
void reset_session(Server& server);

// Public.kinds' column, or one that only the tests' temporary tables have.
[[nodiscard]] Column column_of(const char* name);
[[nodiscard]] std::string expression(const config::Mask& mask, const Column& column);

// Of the temporary table `odd` (n, the column, expected), under each session: the column's mask is
// `expected` in every row, and of the column's base type and typmod.
void check_expected(Server& server, const std::string& mask_sql, const Column& column);

}  // namespace vitrine::parser::test
