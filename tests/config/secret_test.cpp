// Secrets: moved, wiped, compared; patterns and UTF-8.
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <new>
#include <sstream>
#include <type_traits>

#include "config/keys.h"
#include "config/patterns.h"
#include "config/rules.h"
#include "config/secret.h"
#include "config/utf8.h"
#include "tests/config/material.h"

using namespace vitrine::config;

namespace {

template <class T>
concept Streamable = requires(std::ostream& out, const T& value) {
    out << value;
};

static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!Streamable<Secret>);

NamePattern pattern(std::vector<std::string> pieces) {
    return NamePattern{std::move(pieces)};
}

}  // namespace

TEST_CASE("a secret leaves nothing behind in its own memory") {
    // Short enough to stand inside of the object, which a move copies and does not clear.
    for (const char* text : {"short secret", "a secret that is too long for the object itself"}) {
        alignas(Secret) std::array<unsigned char, sizeof(Secret)> memory{};
        auto* const secret = new (memory.data()) Secret(std::string(text));
        const char* const bytes = secret->reveal().data();
        const bool inside = bytes >= reinterpret_cast<const char*>(memory.data()) &&
                            bytes < reinterpret_cast<const char*>(memory.data() + memory.size());
        Secret moved(std::move(*secret));
        CHECK(moved.equals(text));
        CHECK(secret->empty());  // NOLINT(bugprone-use-after-move)
        secret->~Secret();
        const std::string_view left(reinterpret_cast<const char*>(memory.data()), memory.size());
        CHECK(left.find("secret") == std::string_view::npos);
        CHECK(inside == (std::strlen(text) < 16));
    }
    std::string text = "a secret of some length, on the heap";
    text.resize(8);
    const char* const old = text.data();
    const std::size_t room = text.capacity();
    wipe(text);
    CHECK(text.empty());
    CHECK(std::string_view(old, room).find_first_not_of('\0') == std::string_view::npos);
}

TEST_CASE("secrets are assigned and cloned") {
    Secret a(std::string("one"));
    Secret b(std::string("two"));
    a = std::move(b);
    CHECK(a.equals("two"));
    CHECK(b.empty());  // NOLINT(bugprone-use-after-move)
    auto& same = a;
    a = std::move(same);
    CHECK(a.equals("two"));
    CHECK(a.clone().equals("two"));
}

TEST_CASE("secrets are equal or not") {
    const Secret secret(std::string("abc\0def", 7));
    CHECK(secret.equals(std::string_view("abc\0def", 7)));
    for (const std::string_view other :
         {std::string_view(""), std::string_view("abc"), std::string_view("abc\0deg", 7),
          std::string_view("bbc\0def", 7), std::string_view("abc\0def\0", 8),
          std::string_view("abc\0defg", 8)}) {
        CHECK_FALSE(secret.equals(other));
    }
    CHECK(Secret().equals(""));
    CHECK_FALSE(Secret().equals("a"));
}

TEST_CASE("name patterns match what they say") {
    CHECK(pattern({"a"}).matches("a"));
    CHECK_FALSE(pattern({"a"}).matches("ab"));
    CHECK_FALSE(pattern({}).matches(""));
    CHECK(pattern({"", ""}).matches(""));
    CHECK(pattern({"", ""}).matches("anything"));
    CHECK(pattern({"a", ""}).matches("a"));
    CHECK(pattern({"a", ""}).matches("abc"));
    CHECK_FALSE(pattern({"a", ""}).matches("ba"));
    CHECK(pattern({"", "a"}).matches("ba"));
    CHECK_FALSE(pattern({"a", "a"}).matches("a"));
    CHECK(pattern({"a", "a"}).matches("aa"));
    CHECK(pattern({"a", "b", "c"}).matches("abc"));
    CHECK(pattern({"a", "b", "c"}).matches("axbxc"));
    CHECK_FALSE(pattern({"a", "b", "c"}).matches("acb"));
    CHECK_FALSE(pattern({"ab", "b", "bc"}).matches("abbc"));
    CHECK(pattern({"ab", "b", "bc"}).matches("abbbc"));
    CHECK(pattern({"", "x", "y", ""}).matches("..x..y.."));
    CHECK_FALSE(pattern({"", "x", "y", ""}).matches("..y..x.."));
}

TEST_CASE("patterns are read as SQL reads names") {
    struct Row {
        const char* text;
        std::vector<NamePattern> parts;
    };
    const std::vector<Row> rows = {
        {"Public.CARDS.Number", {pattern({"public"}), pattern({"cards"}), pattern({"number"})}},
        {"*.*.*", {pattern({"", ""}), pattern({"", ""}), pattern({"", ""})}},
        {"a.**.b", {pattern({"a"}), pattern({"", ""}), pattern({"b"})}},
        {"a.*_log.\"X.y\"", {pattern({"a"}), pattern({"", "_log"}), pattern({"X.y"})}},
        {"\"a\"\"b\".\"*\".\"(\"", {pattern({"a\"b"}), pattern({"*"}), pattern({"("})}},
        {"\"A\"*\"B\".x.*2$", {pattern({"A", "B"}), pattern({"x"}), pattern({"", "2$"})}},
        {"größe.É.ß1", {pattern({"größe"}), pattern({"É"}), pattern({"ß1"})}},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        const auto parsed = parse_pattern(row.text, 3, "schema.table.column");
        CHECK(parsed.problem.empty());
        CHECK(parsed.parts == row.parts);
    }
}

TEST_CASE("functions' arguments get the server's names of types") {
    const std::vector<std::pair<const char*, std::vector<std::string>>> rows = {
        {"a.b(INT)", {"integer"}},
        {"a.b( int8 , text )", {"bigint", "text"}},
        {"a.b(timestamptz, timestamp  without   time zone)",
         {"timestamp with time zone", "timestamp without time zone"}},
        {"a.b(varchar [] [])", {"character varying[]"}},
        {"a.b(app.\"Odd, (name)\")", {"app.\"Odd, (name)\""}},
    };
    for (const auto& [text, arguments] : rows) {
        INFO(text);
        const auto parsed = parse_function_pattern(text);
        CHECK(parsed.problem.empty());
        CHECK(parsed.pattern.has_arguments);
        CHECK(parsed.pattern.arguments == arguments);
    }
}

TEST_CASE("UTF-8 is read strictly") {
    CHECK(count_characters("aé€😀") == 4U);
    CHECK(is_printable("aé€😀 "));
    for (const std::string_view bad :
         {"\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
          "\xf8\x88\x80\x80", "\xc3", "\xe2\x82", "\xff"}) {
        CHECK_FALSE(count_characters(bad));
        CHECK_FALSE(is_printable(bad));
    }
    CHECK_FALSE(is_printable("a\nb"));
    CHECK_FALSE(is_printable("\x7f"));
    CHECK_FALSE(is_printable("\xc2\x85"));
    CHECK_FALSE(is_printable(std::string_view("\0", 1)));
}

TEST_CASE("signing keys are Ed25519 in PKCS#8, and nothing else") {
    CHECK(read_signing_key(test::ed25519_key()));
    CHECK(read_signing_key("# a remark\n" + test::ed25519_key()));
    for (const std::string& pem :
         {test::ec_key(), test::rsa_key(2048), test::encrypted_key(), test::public_key(),
          test::traditional_ec_key(), std::string(), std::string("-----BEGIN PRIVATE KEY-----\n"),
          test::certificate(test::ed25519_key()) + test::ed25519_key()}) {
        CHECK_FALSE(read_signing_key(pem));
        CHECK(signing_key_problem(pem));
    }
}
