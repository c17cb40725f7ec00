#include "parser/masking/redaction.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

namespace vitrine::parser {

namespace {

std::string shown(const std::string& text, std::set<std::string> names) {
    return redacted(text, names).text;
}

}  // namespace

TEST_CASE("constants go where a masked column stands with them", "[redaction]") {
    CHECK(shown("CHECK ((salary > (1000)::numeric))", {"salary"}) ==
          "CHECK ((salary > (NULL)::numeric))");
    CHECK(shown("CHECK ((salary > (1000)::numeric))", {"email"}) ==
          "CHECK ((salary > (1000)::numeric))");
    CHECK(shown("CHECK (((email <> 'ada@x'::text) AND (kind = 'other'::text)))", {"email"}) ==
          "CHECK (((email <> NULL::text) AND (kind = 'other'::text)))");
    CHECK(
        shown(" SELECT p.id,\n    p.kind\n   FROM public.people p\n  WHERE ((p.email ~~ "
              "'%@x'::text) AND (p.kind = 'other'::text))\n LIMIT 100;",
              {"email"}) ==
        " SELECT p.id,\n    p.kind\n   FROM public.people p\n  WHERE ((p.email ~~ NULL::text) AND "
        "(p.kind = 'other'::text))\n LIMIT 100;");
    CHECK(shown(R"(CHECK (("E-Mail" <> E'a\\b'::text)))", {"E-Mail"}) ==
          R"(CHECK (("E-Mail" <> NULL::text)))");
}

TEST_CASE("names that a masked column goes on under are found", "[redaction]") {
    std::set<std::string> names{"email"};
    CHECK(redacted(" SELECT a.m AS answer\n   FROM ( SELECT people.email AS m\n           FROM "
                   "public.people) a\n  WHERE (a.m <> 'ada@x'::text);",
                   names)
              .changed);
    CHECK(names == std::set<std::string>{"email", "m", "answer"});
    // Constants alone stand for what they are compared with elsewhere.
    CHECK(shown(" SELECT c.id\n   FROM (public.c c\n     JOIN ( VALUES ('ada@x'::text)) v(a) ON "
                "((c.email = v.a)));",
                {"email"})
              .find("ada") == std::string::npos);
    CHECK(shown(" SELECT c.email\n   FROM public.c\nUNION\n SELECT 'ada@x'::text AS other;",
                {"email"})
              .find("ada") == std::string::npos);
    CHECK(shown(" WITH x(a, b) AS (\n SELECT c.email,\n c.id\n FROM public.c\n )\n SELECT x.b\n   "
                "FROM x\n  WHERE (x.a <> 'ada@x'::text);",
                {"email"})
              .find("ada") == std::string::npos);
    CHECK(shown(" SELECT c.id\n   FROM public.c\n  WHERE ((to_jsonb(c.*) ->> 'word'::text) <> "
                "'ada@x'::text);",
                {"email"})
              .find("ada") == std::string::npos);
    // An output with a name of its own is that.
    CHECK(shown(" SELECT 'customer'::text AS kind,\n    c.email\n   FROM public.c;", {"email"}) ==
          " SELECT 'customer'::text AS kind,\n    c.email\n   FROM public.c;");
}

TEST_CASE("what is no value stays", "[redaction]") {
    CHECK(shown("CHECK (((email)::character varying(120) <> ''::text))", {"email"}) ==
          "CHECK (((email)::character varying(120) <> ''::text))");
    CHECK(shown("(split_part(email, '@'::text, 2))", {"email"}) ==
          "(split_part(email, '@'::text, 2))");
    CHECK_FALSE(without_constants("nextval('public.people_id_seq'::regclass)").changed);
    CHECK(without_constants("(x)::numeric(12,2) + 12.5").text == "(x)::numeric(12,2) + NULL");
    CHECK(without_constants("'abc'::text").text == "NULL::text");
    CHECK(without_constants("B'101'::\"bit\"").text == "NULL::\"bit\"");
    CHECK(without_constants(".75").text == "NULL");
}

TEST_CASE("names in a partition key", "[redaction]") {
    CHECK(has_name("RANGE (lower(word), id)", {"word"}));
    CHECK_FALSE(has_name("RANGE (lower(word), id)", {"kind"}));
    CHECK(has_name("LIST (\"E \"\"Mail\")", {"E \"Mail"}));
}

}  // namespace vitrine::parser
