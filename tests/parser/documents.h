// The documents for DBAs that are made from the tables of parser/readonly: docs/statements.md and
// docs/settings.md. `cmake --build DIRECTORY --target docs` writes them; a test fails where what is
// committed is not what comes out.
#pragma once

#include <string>
#include <vector>

namespace vitrine::parser::test {

// A line of tests/parser/commands.txt.
struct Command {
    std::string name;  // as psql calls it: "CREATE TABLE AS"
    std::string sql;
    bool allowed = false;
};
// Throws std::runtime_error where the file cannot be read or a line is none.
[[nodiscard]] std::vector<Command> read_commands();

[[nodiscard]] std::string statements_document();
[[nodiscard]] std::string settings_document();

}  // namespace vitrine::parser::test
