// A text without its values.
#include "parser/constants.h"

#include <catch2/catch.hpp>

namespace vitrine::parser::test {
namespace {

// Shows the value that was taken out.
std::string shown(const std::string& sql) {
    return without_constants(sql,
                             [](std::string_view value) { return "<" + std::string(value) + ">"; });
}

TEST_CASE("constants of all kinds, by their value", "[constants]") {
    CHECK(shown("SELECT 'a', 1, 1.5, $$b$$, $t$c$t$, E'd', U&'e', B'1', X'ff', N'f'") ==
          "SELECT '<a>', '<1>', '<1.5>', '<b>', '<c>', '<d>', '<e>', '<1>', '<ff>', N'<f>'");
    CHECK(shown("SELECT 'it''s', ''") == "SELECT '<it's>', '<>'");
    CHECK(shown("SELECT a FROM t WHERE b = $1 AND \"c 'd'\" = 'x'") ==
          "SELECT a FROM t WHERE b = $1 AND \"c 'd'\" = '<x>'");
    CHECK(shown("SELECT -- secret\n 1 /* secret */ + 2 -- secret") == "SELECT '<1>' + '<2>'");
    CHECK(shown("SELECT\n  1") == "SELECT\n  '<1>'");
    CHECK(shown("") == "");
    CHECK(shown("  \n") == "  \n");
}

TEST_CASE("what cannot be read is left out as a whole", "[constants]") {
    for (const std::string& text :
         {std::string("SELECT 'secret"), std::string("SELECT \"secret"), std::string("-- secret"),
          std::string("/* secret"), std::string("SELECT $$secret"),
          std::string("SELECT 'secret\xff'"), std::string("SELECT 'secret\0'", 16),
          std::string(5000, '(') + "'secret'"}) {
        INFO(text);
        const std::string digest = without_constants(text, [](std::string_view) { return "d"; });
        CHECK(digest == "/* " + std::to_string(text.size()) + " bytes, d */");
    }
    // A text that the grammar alone refuses still shows what it is.
    CHECK(shown("SELECT FROM 'secret' x 'y'") == "SELECT FROM '<secret>' x '<y>'");
}

TEST_CASE("errors about values lose them", "[constants]") {
    const Digest digest = [](std::string_view value) { return "<" + std::string(value) + ">"; };
    CHECK(without_values("22P02", "invalid input syntax for type integer: \"a\"b\"", digest) ==
          "invalid input syntax for type integer: \"<a\"b>\"");
    CHECK(without_values("42601", "syntax error at or near \"'x'\"", digest) ==
          "syntax error at or near \"<'x'>\"");
    CHECK(without_values("42P01", "relation \"4111\" does not exist", digest) ==
          "relation \"<4111>\" does not exist");
    CHECK(without_values("P0001", "no such customer: Ada", digest) == "<no such customer: Ada>");
    CHECK(without_values("22021", "invalid byte sequence: 0xff", digest) ==
          "<invalid byte sequence: 0xff>");
    CHECK(without_values("22012", "division by zero", digest) == "division by zero");
    CHECK(without_values("22012", "one \"", digest) == "one \"");
}

}  // namespace
}  // namespace vitrine::parser::test
