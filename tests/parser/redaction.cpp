#include "parser/masking/redaction.h"

#include <catch2/catch.hpp>
#include <string>

using vitrine::parser::without_constants;

TEST_CASE("constants are taken out of a definition", "[redaction]") {
    CHECK(without_constants("CHECK ((salary > (1000)::numeric))").text ==
          "CHECK ((salary > (NULL::integer)::numeric))");
    CHECK(without_constants("CHECK ((s = ANY (ARRAY['M'::text, 'F'::text])))").text ==
          "CHECK ((s = ANY (ARRAY[NULL::text, NULL::text])))");
    CHECK(without_constants(R"(CHECK (("E-Mail's" <> E'a\\b\'c'::text)))").text ==
          R"(CHECK (("E-Mail's" <> NULL::text)))");
    CHECK(without_constants("((now() - at) > '3 days'::interval)").text ==
          "((now() - at) > NULL::interval)");
    CHECK(without_constants("B'101'::\"bit\" = flags").text == "NULL::\"bit\" = flags");
    CHECK(without_constants("(x > .75) AND (y < 1.5e10)").text ==
          "(x > NULL::numeric) AND (y < NULL::numeric)");
    CHECK(
        without_constants(" SELECT a.b\n   FROM a\n  WHERE (a.b ~~ 'x%'::text)\n LIMIT 10;").text ==
        " SELECT a.b\n   FROM a\n  WHERE (a.b ~~ NULL::text)\n LIMIT NULL::integer;");
}

TEST_CASE("what is no value stays", "[redaction]") {
    for (const char* text :
         {"((email)::character varying(120) <> ''::text)", "(x)::numeric(12,2) > 0",
          "(a)::timestamp(3) without time zone", "(a)::public.\"Odd Type\"(17)",
          "nextval('public.people_id_seq'::regclass)", "lower(email)", "(flag = true)"}) {
        CAPTURE(text);
        const auto out = without_constants(text);
        CHECK(out.text == text);
        CHECK_FALSE(out.changed);
    }
    CHECK(without_constants("('84555'::regclass)::oid").text == "(NULL::regclass)::oid");
    CHECK(without_constants("NOTIFY chan, 'a word'").text == "NOTIFY chan, ''");
    CHECK(without_constants("WHEN ((new.a <> 'x'::text)) EXECUTE FUNCTION f('b', '')").text ==
          "WHEN ((new.a <> NULL::text)) EXECUTE FUNCTION f('', '')");
    CHECK(without_constants("ON t USING btree (a) WITH (fillfactor='70') WHERE (a > 7)").text ==
          "ON t USING btree (a) WITH (fillfactor='70') WHERE (a > NULL::integer)");
    CHECK(without_constants("(x)::numeric(12,2) + 12.5").text ==
          "(x)::numeric(12,2) + NULL::numeric");
    CHECK(without_constants("round((x)::numeric, 12)").text ==
          "round((x)::numeric, NULL::integer)");
}
