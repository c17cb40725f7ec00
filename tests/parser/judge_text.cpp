// Texts as bytes: encodings, positions, statements in one text, effects, what is forwarded.

#include <catch2/catch.hpp>

#include "config/limits.h"
#include "parser/syntax/parse_tree.h"
#include "parser/syntax/text_edit.h"
#include "parser/syntax/utf8.h"
#include "tests/parser/judge_fixture.h"

namespace vitrine::parser::test {
namespace {

using namespace std::string_literals;

TEST_CASE("UTF-8 as the server checks it", "[judge]") {
    using syntax::find_invalid_byte;
    for (const std::string& good :
         {""s, "abc"s, "\x7f"s, "\u00e9"s, "\u20ac"s, "\U0001F600"s, "\xf4\x8f\xbf\xbf"s,
          "\xed\x9f\xbf"s, "\xee\x80\x80"s, "12345678\u00e9"s}) {
        INFO(good);
        CHECK_FALSE(find_invalid_byte(good));
    }
    struct Bad {
        std::string text;
        std::size_t position;
        std::string bytes;
    };
    for (const Bad& bad : {
             Bad{"\x80", 0, "0x80"},
             Bad{"a\xff", 1, "0xff"},
             Bad{"ab\xc3(", 2, "0xc3 0x28"},
             Bad{"\xc0\x80", 0, "0xc0 0x80"},           // overlong
             Bad{"\xc1\xbf", 0, "0xc1 0xbf"},           // overlong
             Bad{"\xe0\x80\x80", 0, "0xe0 0x80 0x80"},  // overlong
             Bad{"\xed\xa0\x80", 0, "0xed 0xa0 0x80"},  // a surrogate
             Bad{"\xf0\x80\x80\x80", 0, "0xf0 0x80 0x80 0x80"},
             Bad{"\xf4\x90\x80\x80", 0, "0xf4 0x90 0x80 0x80"},
             Bad{"\xf8\x88\x80\x80\x80", 0, "0xf8"},
             Bad{"12345678\xe2\x82", 8, "0xe2 0x82"},
             Bad{"1234\0SELECT"s, 4, "0x00"},
             Bad{"123456789\0"s, 9, "0x00"},
         }) {
        const auto found = find_invalid_byte(bad.text);
        INFO(bad.bytes);
        REQUIRE(found);
        CHECK(found->position == bad.position);
        CHECK(found->message == "invalid byte sequence for encoding \"UTF8\": " + bad.bytes);
    }
}

TEST_CASE("identifiers are cut at 63 bytes and never within a character", "[judge]") {
    const std::string ascii(80, 'a');
    CHECK(syntax::truncated_identifier(ascii).size() == 63);
    std::string accents;
    for (int i = 0; i < 40; ++i) {
        accents += "\u00e9";
    }
    CHECK(syntax::truncated_identifier(accents).size() == 62);
    CHECK(syntax::truncated_identifier("short") == "short");
    CHECK(syntax::quoted_identifier("a\"b") == "\"a\"\"b\"");
    CHECK(syntax::quoted_literal("a'b\\") == "'a''b\\'");
}

TEST_CASE("positions in characters and in bytes", "[judge]") {
    const std::string text = "a\u00e9\u20acz";
    CHECK(character_position(text, 0) == 1);
    CHECK(character_position(text, 1) == 2);
    CHECK(character_position(text, 3) == 3);
    CHECK(character_position(text, 6) == 4);
    CHECK(character_position(text, 100) == 5);
    for (std::size_t position = 1; position <= 4; ++position) {
        CHECK(character_position(text, byte_offset(text, position)) == position);
    }
    CHECK(byte_offset(text, 5) == text.size());
}

TEST_CASE("edits and the way back", "[judge]") {
    syntax::TextEdits edits;
    const std::string sql = "SELECT a FROM b, c";
    edits.replace(17, 18, "(long text)", 17);
    edits.replace(14, 15, "X", 14);
    edits.replace(15, 15, "+", 14);
    const auto rendered = edits.render(sql, 0, sql.size());
    CHECK(rendered.text == "SELECT a FROM X+, (long text)");
    const PositionMap map(rendered.pieces);
    for (std::size_t i = 0; i < 14; ++i) {
        CHECK(map.to_client(i) == i);
    }
    CHECK(map.to_client(14) == 14);
    CHECK(map.to_client(15) == 14);
    CHECK(map.to_client(16) == 15);
    CHECK(map.to_client(18) == 17);
    CHECK(map.to_client(24) == 17);
    CHECK(PositionMap{}.to_client(7) == 7);
    const auto part = edits.render(sql, 7, 16);
    CHECK(part.text == "a FROM X+,");
}

TEST_CASE("tokens end where the scanner says", "[judge]") {
    const syntax::Tokens tokens("a /* x */ \"b c\" U&\"d\" UESCAPE '!' $q$ z $q$ 'e'\n 'f'-- g\n::",
                                0);
    std::vector<std::string_view> texts;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        texts.push_back(tokens.text(i));
    }
    CHECK(texts == std::vector<std::string_view>{"a", "\"b c\"", "U&\"d\"", "UESCAPE", "'!'",
                                                 "$q$ z $q$", "'e'\n 'f'", "::"});
    CHECK(tokens.after_name(2, 1) == 5);
    CHECK(tokens.at(10) == 1);
    CHECK(tokens.at(11) == tokens.size());
}

TEST_CASE("what is not text is refused as a whole", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    const std::string invalid = "SELECT 1; SELECT '\xc3('";
    const Judgement judgement = judged(invalid);
    REQUIRE(judgement.statements.size() == 1);
    CHECK(judgement.statements[0].refusal->sqlstate == "22021");
    CHECK(judgement.statements[0].refusal->position == 18);
    CHECK(judgement.statements[0].size == invalid.size());
    CHECK(judgement.forwarded_size == 0);
    CHECK(judged("SELECT 1\0; DROP TABLE x"s).statements[0].refusal->sqlstate == "22021");
    const std::string syntax_error = "SELECT '\u00e9' FROM";
    const Judgement wrong = judged(syntax_error);
    CHECK(wrong.statements[0].refusal->sqlstate == "42601");
    CHECK(wrong.statements[0].refusal->message == "syntax error at end of input");
    CHECK(judged("SELECT \u00e9\u00e9 FROM FROM").statements[0].refusal->position == 17);
    CHECK(judged("SELECT \u00e9\u00e9 FROM FROM").statements[0].refusal->message ==
          "syntax error at or near \"FROM\"");
    // A byte-order mark is a letter to the scanner.
    CHECK(judged("\ufeffSELECT 1").statements[0].refusal->sqlstate == "42601");
}

TEST_CASE("nothing to run is allowed", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    for (const char* empty : {"", " ", ";", ";;\n;", "-- x", "/* x */;", "\t-- a\n;-- b"}) {
        const Judgement judgement = judged(empty);
        INFO(empty);
        CHECK(judgement.statements.empty());
        CHECK(judgement.allowed());
        CHECK(judgement.forwarded_size == std::string_view(empty).size());
        CHECK_FALSE(judgement.forwarded);
    }
}

TEST_CASE("what is sent is what stands before the first refusal", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    const std::string sql = "  SELECT 1 ;\n SELECT number FROM cards; DELETE FROM cards; SELECT 3";
    const Judgement judgement = judged(sql);
    REQUIRE(judgement.statements.size() == 4);
    CHECK(judgement.first_refused() == 2);
    CHECK_FALSE(judgement.allowed());
    CHECK(sql.substr(judgement.statements[0].begin, judgement.statements[0].size) == "SELECT 1");
    CHECK(sql.substr(judgement.statements[1].begin, judgement.statements[1].size) ==
          "SELECT number FROM cards");
    CHECK(sql.substr(judgement.statements[2].begin, judgement.statements[2].size) ==
          "DELETE FROM cards");
    REQUIRE(judgement.forwarded);
    const std::string& text = *judgement.forwarded;
    CHECK(text.starts_with("  SELECT 1 ;\n SELECT number FROM (SELECT"));
    CHECK(text.find("DELETE") == std::string::npos);
    CHECK_FALSE(judgement.statements[0].forwarded);
    CHECK(text.ends_with(*judgement.statements[1].forwarded));
    // Behind the replaced piece the texts run side by side again.
    CHECK(judgement.positions.to_client(text.find("number")) == sql.find("number"));
    CHECK(judgement.positions.to_client(text.find("\"customer_id\"")) == sql.find("cards"));
    CHECK_FALSE(judgement.positions.identity());

    const std::string plain = "SELECT 1; DELETE FROM cards";
    const Judgement untouched = judged(plain);
    CHECK_FALSE(untouched.forwarded);
    CHECK(plain.substr(0, untouched.forwarded_size) == "SELECT 1");
    CHECK(untouched.positions.identity());
    CHECK(judged("DELETE FROM cards; SELECT 1").forwarded_size == 0);
    const std::string trailing = "SELECT 1; -- the end\n";
    CHECK(judged(trailing).forwarded_size == trailing.size());
}

TEST_CASE("effects and command tags", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    struct Row {
        const char* sql;
        Effect effect;
        const char* name;
        const char* tag;
    };
    for (const Row& row : {
             Row{"SELECT 1", Effect::kNone, "", "SELECT"},
             Row{"VALUES (1)", Effect::kNone, "", "SELECT"},
             Row{"BEGIN", Effect::kTransaction, "", "BEGIN"},
             Row{"START TRANSACTION", Effect::kTransaction, "", "START TRANSACTION"},
             Row{"END", Effect::kTransaction, "", "COMMIT"},
             Row{"ABORT", Effect::kTransaction, "", "ROLLBACK"},
             Row{"ROLLBACK TO a", Effect::kTransaction, "", "ROLLBACK"},
             Row{"SAVEPOINT a", Effect::kTransaction, "", "SAVEPOINT"},
             Row{"RELEASE a", Effect::kTransaction, "", "RELEASE"},
             Row{"SET search_path = x", Effect::kSearchPath, "", "SET"},
             Row{"SET \"Search_Path\" TO DEFAULT", Effect::kSearchPath, "", "SET"},
             Row{"SET SCHEMA 'x'", Effect::kSearchPath, "", "SET"},
             Row{"RESET search_path", Effect::kSearchPath, "", "RESET"},
             Row{"SELECT set_config('SEARCH_PATH', 'x', false)", Effect::kSearchPath, "", "SELECT"},
             Row{"SELECT (SELECT set_config('search_path', 'x', true))", Effect::kSearchPath, "",
                 "SELECT"},
             Row{"EXPLAIN SELECT set_config('search_path', 'x', true)", Effect::kSearchPath, "",
                 "EXPLAIN"},
             Row{"SET timezone = 'UTC'", Effect::kNone, "", "SET"},
             Row{"PREPARE \"P q\" AS SELECT 1", Effect::kPrepare, "P q", "PREPARE"},
             Row{"DEALLOCATE p", Effect::kDeallocate, "p", "DEALLOCATE"},
             Row{"DEALLOCATE ALL", Effect::kDeallocate, "", "DEALLOCATE ALL"},
             Row{"MOVE c", Effect::kNone, "", "MOVE"},
             Row{"FETCH c", Effect::kNone, "", "FETCH"},
             Row{"CLOSE c", Effect::kNone, "", "CLOSE CURSOR"},
             Row{"CLOSE ALL", Effect::kNone, "", "CLOSE CURSOR ALL"},
             Row{"DECLARE c CURSOR FOR SELECT 1", Effect::kNone, "", "DECLARE CURSOR"},
             Row{"COPY products TO STDOUT", Effect::kNone, "", "COPY"},
             Row{"EXPLAIN SELECT 1", Effect::kNone, "", "EXPLAIN"},
             Row{"DISCARD PLANS", Effect::kNone, "", "DISCARD PLANS"},
             Row{"SHOW ALL", Effect::kNone, "", "SHOW"},
         }) {
        INFO(row.sql);
        const Judgement judgement = judged(row.sql);
        REQUIRE(judgement.allowed());
        REQUIRE(judgement.statements.size() == 1);
        CHECK(judgement.statements[0].effect == row.effect);
        CHECK(judgement.statements[0].name == row.name);
        CHECK(judgement.statements[0].command_tag == row.tag);
        CHECK(judgement.statements[0].rule.starts_with("statement: "));
    }
}

TEST_CASE("EXECUTE asks for what is prepared", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    SessionContext context = session();
    using Prepared = SessionContext::Prepared;
    context.prepared = [](std::string_view name) {
        return name == "good"  ? Prepared::kCurrent
               : name == "old" ? Prepared::kStale
                               : Prepared::kUnknown;
    };
    const auto verdict = [&](const std::string& sql) {
        const Judgement judgement = judge(sql, *fixture_policy(), context);
        const auto& last = judgement.statements.back();
        return last.refusal ? last.refusal->sqlstate : std::string("allow");
    };
    CHECK(verdict("EXECUTE good") == "allow");
    CHECK(verdict("EXECUTE good(1, 'x')") == "allow");
    CHECK(verdict("EXPLAIN ANALYZE EXECUTE good") == "allow");
    CHECK(verdict("EXECUTE old") == "0A000");
    CHECK(verdict("EXECUTE nosuch") == "26000");
    CHECK(verdict("DEALLOCATE good; EXECUTE good") == "26000");
    CHECK(verdict("DEALLOCATE ALL; EXECUTE good") == "26000");
    CHECK(verdict("DEALLOCATE old; PREPARE old AS SELECT 1; EXECUTE old") == "allow");
    CHECK(verdict("EXECUTE good((SELECT writer('x')))") == "42501");
    CHECK(verdict("EXECUTE good((SELECT number FROM cards LIMIT 1))") == "allow");
    CHECK(verdict("ROLLBACK; EXECUTE good") == "0A000");
    CHECK(verdict("CREATE TABLE t AS EXECUTE good") == "25006");
    CHECK(verdict("EXPLAIN ANALYZE CREATE TABLE t AS EXECUTE good") == "25006");
    const Judgement masked =
        judge("EXECUTE good((SELECT number FROM cards LIMIT 1))", *fixture_policy(), context);
    CHECK(masked.statements[0].effect == Effect::kExecute);
    CHECK(masked.statements[0].name == "good");
    CHECK(masked.forwarded);
}

TEST_CASE("a stale catalog is said to be one", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    for (const char* sql : {"SELECT * FROM nosuch", "SELECT nosuch(1, 2)", "SELECT nosuch(1)",
                            "SELECT 1::nosuch", "SELECT 1 ~~~~ 2", "SELECT o.nosuch FROM orders o",
                            "COPY nosuch TO STDOUT", "LOCK nosuch IN ACCESS SHARE MODE",
                            "SELECT 1; SELECT * FROM nosuch; DELETE FROM cards"}) {
        INFO(sql);
        CHECK(judged(sql).catalog_may_be_stale);
    }
    for (const char* sql :
         {"SELECT 1", "DELETE FROM nosuch", "SELECT writer('x')", "SELECT * FROM pg_statistic",
          "SELECT 1; DELETE FROM cards; SELECT * FROM nosuch", "SELEC 1"}) {
        INFO(sql);
        CHECK_FALSE(judged(sql).catalog_may_be_stale);
    }
}

TEST_CASE("every refusal has words and a place", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    for (const char* sql : {"DELETE FROM cards", "SELECT writer('x')", "SET ROLE x", "LISTEN x",
                            "SELECT * FROM audited", "SELECT 1::even", "SELECT * FROM x",
                            "COPY cards TO PROGRAM 'x'", "SELECT *, c.ctid FROM cards c, x",
                            "BEGIN READ WRITE", "EXPLAIN CREATE TABLE x AS TABLE y"}) {
        INFO(sql);
        const Judgement judgement = judged(sql);
        REQUIRE(judgement.statements.at(0).refusal);
        const Refusal& refusal = *judgement.statements[0].refusal;
        CHECK(refusal.sqlstate.size() == 5);
        CHECK_FALSE(refusal.message.empty());
        CHECK(refusal.position < std::string_view(sql).size());
        CHECK_FALSE(judgement.statements[0].rule.empty());
        CHECK(judgement.statements[0].masked.empty());
        CHECK_FALSE(judgement.statements[0].forwarded);
    }
}

TEST_CASE("replacements that overlap are found", "[judge]") {
    const std::string sql = "SELECT a FROM b";
    syntax::TextEdits apart;
    apart.replace(7, 8, "x", 7);
    apart.replace(8, 8, "y", 8);
    apart.replace(14, 15, "z", 14);
    CHECK_FALSE(apart.render(sql, 0, sql.size()).overlapping);
    syntax::TextEdits over;
    over.replace(7, 13, "x", 7);
    over.replace(12, 15, "z", 14);
    CHECK(over.render(sql, 0, sql.size()).overlapping);
    syntax::TextEdits within;
    within.replace(7, 15, "x", 7);
    within.replace(9, 9, "z", 9);
    CHECK(within.render(sql, 0, sql.size()).overlapping);
}

// What takes the product of two numbers that a client chooses is counted, and ends.
TEST_CASE("many masked references do not hold up a worker", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    const auto many = [](int count, std::string head, const std::string& each) {
        for (int i = 0; i < count; ++i) {
            head += each;
        }
        return head;
    };
    const auto rows = [](int count) {
        std::string list = "SELECT 1";
        std::string from = " FROM orders";
        for (int i = 0; i < count; ++i) {
            list += ",c" + std::to_string(i);
            from += ",cards c" + std::to_string(i);
        }
        return list + from;
    };
    const auto typed = [](const Judgement& judgement) {
        const std::string& text = judgement.forwarded.value();
        std::size_t found = 0;
        for (std::size_t at = 0; (at = text.find("::\"public\".\"cards\"", at)) != text.npos;
             ++at) {
            ++found;
        }
        return found;
    };
    CHECK(typed(judged(rows(100))) == 100);
    const Judgement large = judged(rows(6000));
    REQUIRE(large.allowed());
    CHECK(typed(large) > 0);
    CHECK(typed(large) < 3000);  // the rest are rows still, without their type

    for (const char* each :
         {",(SELECT public.cards.number FROM cards)", ",(SELECT ctid FROM cards)",
          ",(SELECT max(holder) FROM cards GROUP BY id)"}) {
        INFO(each);
        CHECK(judged(many(200, "SELECT 1", each)).allowed());
        const Judgement judgement = judged(many(8000, "SELECT 1", each));
        REQUIRE(judgement.statements[0].refusal);
        CHECK(judgement.statements[0].refusal->sqlstate == "54000");
        CHECK(judgement.statements[0].rule == "limit: masked references");
    }
    CHECK(judged(many(8000, "SELECT 1", ",(SELECT number FROM cards)")).allowed());
}

TEST_CASE("masked references cannot make a text grow without bounds", "[judge]") {
    if (!have_fixture()) {
        return;
    }
    std::string sql = "SELECT 1 FROM cards c0";
    for (int i = 1; i < 60000; ++i) {
        sql += ",cards c" + std::to_string(i);
    }
    const Judgement judgement = judged(sql);
    REQUIRE(judgement.statements[0].refusal);
    CHECK(judgement.statements[0].refusal->sqlstate == "54000");
}

}  // namespace
}  // namespace vitrine::parser::test
