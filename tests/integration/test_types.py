"""What a name means follows from types: a function, operator or cast of a user's that the server
would choose is found, however it is brought about; and statements that cannot mean it go through."""

import unittest

from environment import DATABASE, HERE, shared
from wire_client import error_of, rows_of

NAME = "types"

# Each runs something of a user's, directly.
MEANS_IT = """
SELECT of_mood('ok')
SELECT of_mood('ok'::unknown)
SELECT of_mood(pg_catalog.unknown 'ok')
SELECT of_mood(unknown('ok'))
SELECT of_mood($$ok$$ COLLATE "C")
SELECT of_mood(('ok').unknown)
SELECT ('ok').of_mood
SELECT reverse(s => 'X')
SELECT reverse(s := 'X')
SELECT abs(x => 1)
SELECT left(a => 'ok', b => 1)
SELECT left('ok', b => 1)
SELECT 1 === 'ok'
SELECT 1 === 'ok'::unknown
SELECT of_three(1, 1, 'ok'::unknown)
SELECT total('ok'::unknown)
SELECT of_moods('{ok}'::unknown)
SELECT of_mood(mood) FROM things
SELECT of_mood(t.mood) FROM own.things AS t
SELECT of_mood(m) FROM (SELECT mood AS m FROM things) x
WITH x AS (SELECT mood FROM things) SELECT of_mood(mood) FROM x
SELECT of_mood(m) FROM things t (a, b, m)
SELECT of_mood(coalesce(mood, 'sad')) FROM things
SELECT of_mood(CASE WHEN id = 1 THEN mood END) FROM things
SELECT of_mood((SELECT mood FROM things))
SELECT of_mood(moods[1]) FROM things
SELECT of_mood(unnest(moods)) FROM things
SELECT of_mood(another) FROM things
SELECT of_some_mood(mood) FROM things
SELECT of_moods(array_agg(mood)) FROM things
SELECT of_moods(ARRAY[mood]) FROM things
SELECT of_mood(x) FROM unnest(ARRAY['ok'::own.mood]) x
SELECT of_mood(enum_first(mood)) FROM things
SELECT of_mood(max(mood)) FROM things
SELECT of_mood(lag(mood) OVER ()) FROM (SELECT mood FROM things UNION ALL SELECT mood FROM things) x
SELECT of_variadic(mood) FROM things
SELECT of_variadic('ok'::own.mood)
SELECT of_variadic(mood, mood) FROM things
SELECT of_variadic(VARIADIC moods) FROM things
SELECT of_default(1)
SELECT of_default(1, mood) FROM things
SELECT of_default(1, b => 'ok')
SELECT of_pair(ROW(1, 'x'))
SELECT of_pair(pair) FROM things
SELECT of_pair(z.*) FROM (SELECT 1 AS a, 'x'::text AS b) z
SELECT of_pair(z) FROM (SELECT 1 AS a, 'x'::text AS b) z
WITH z AS (SELECT 1 AS a, 'x'::text AS b) SELECT of_pair(z.*) FROM z
SELECT of_plain(plain) FROM plain
SELECT of_plain(p.*) FROM plain p
SELECT of_mood(name) FROM CAST((SELECT name FROM plain LIMIT 1) AS own.mood)
SELECT 1 === name FROM CAST((SELECT name FROM plain LIMIT 1) AS own.mood)
SELECT name =~= name FROM CAST((SELECT name FROM plain LIMIT 1) AS own.mood)
SELECT of_range(range) FROM things
SELECT of_multirange(multirange(range)) FROM things
SELECT of_multirange(range_agg(range)) FROM things
SELECT of_shades(numbers) FROM plain
SELECT of_citext('a'::citext)
SELECT of_citext(x.a) FROM (SELECT 'a'::citext) x (a)
SELECT of_hstore('a=>1'::hstore)
SELECT upper(mood) FROM things
SELECT mood + mood FROM things
SELECT name = mood FROM things
SELECT name = ANY (moods) FROM things
SELECT a.id FROM plain a JOIN things b ON a.name = b.mood
SELECT name IS DISTINCT FROM mood, nullif(name, mood) FROM things
SELECT nullif(name, mood) FROM things
SELECT id FROM things WHERE name = mood
SELECT id FROM things WHERE name IN (mood)
SELECT CASE name WHEN mood THEN 1 END FROM things
SELECT xmin::bigint FROM plain
SELECT plain.ctid::bigint FROM plain
SELECT tableoid::own.hue FROM plain
SELECT ('1 2'::oidvector)[0]::own.hue
SELECT ('1 2'::int2vector)[0]::own.hue
SELECT multirange(int4range(1, 5))::own.hue
SELECT range_agg(int4range(1, 5))::own.hue
SELECT range_agg(range)::own.hue FROM things
SELECT day::own.tone FROM events
SELECT CURRENT_DATE::own.tone
SELECT lower(span)::own.tone FROM events
SELECT ROW(1, day)::own.toned FROM events
SELECT days::own.tone[] FROM events
SELECT ARRAY[day]::own.tone[] FROM events
SELECT * FROM events, XMLTABLE('/a' PASSING ('<a/>'::xml) COLUMNS b own.tone PATH 'b' DEFAULT day)
SELECT * FROM things, XMLTABLE('/a' PASSING ('<a/>'::xml) COLUMNS b date PATH 'b' DEFAULT mood)
SELECT array_agg(name)::own.hue[] FROM plain
SELECT unnest('{[1,2)}'::int4multirange)::own.hue
SELECT 1::own.outer_number
SELECT of_parent((SELECT c FROM child c))
SELECT of_parent(c.*) FROM child c
SELECT of_parent((array_agg(c))[1]) FROM child c
SELECT of_hstore(z.hstore) FROM plain z WHERE EXISTS (SELECT 1 FROM shelf z)
SELECT * FROM own.records
SELECT * FROM own.arrays
SELECT * FROM own.greatest
SELECT * FROM own.counted
""".strip().split("\n")

# Each only reads, with all of that on the path.
MEANS_SOMETHING_ELSE = """
SELECT upper(name), lower('X'), lower(name), reverse('x'), abs(-1) FROM things
SELECT mood, mood::text AS text, mood IS NULL AS none FROM things ORDER BY things.mood
SELECT id FROM things WHERE mood = 'ok'
SELECT id FROM things WHERE label = 'ok' AND name = 'ok' AND id = 1
SELECT id FROM things WHERE name IN ('a', 'ok') OR name LIKE 'o%'
SELECT id FROM things WHERE mood IN ('sad', 'ok')
SELECT count(*), max(name), min(id) FROM things GROUP BY name HAVING count(*) > 0
SELECT a.id FROM things a JOIN plain b USING (id) JOIN events c ON c.id = b.id
SELECT CASE name WHEN 'ok' THEN 1 ELSE 2 END, coalesce(name, 'x'), nullif(name, 'x') FROM things
SELECT id + 1, id * 2, -id, id % 2, id BETWEEN 1 AND 3 FROM things
SELECT day + 1, day - 7, day - interval '1 day', date_trunc('month', day) FROM events
SELECT day::text, day::timestamp, id::bigint, id::text, '5'::integer, 5::numeric FROM events
SELECT numbers[1], array_length(numbers, 1), 1 = ANY (numbers), unnest(numbers) FROM plain
SELECT span && daterange('2020-01-01', '2020-03-01'), lower(span), upper(span) FROM events
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM things
SELECT row_number() OVER (PARTITION BY name ORDER BY id), sum(id) OVER () FROM things
SELECT to_jsonb(p), row_to_json(p), p::text FROM plain p
SELECT jsonb_build_object('a', id, 'b', name) -> 'a' FROM things
SELECT string_agg(name, ',' ORDER BY id), array_agg(id) FILTER (WHERE id > 0) FROM things
SELECT * FROM generate_series(1, 3) g, LATERAL (SELECT g * 2 AS double) d
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r
SELECT split_part(name, 'o', 1), replace(name, 'o', 'a'), regexp_replace(name, 'o', 'a') FROM things
SELECT to_tsvector('simple', name) @@ to_tsquery('simple', 'ok') FROM things
SELECT (pair).a, (pair).b FROM things
SELECT enum_range(NULL::own.mood), range, frange(1, 2) FROM things
SELECT 'a'::citext = 'A', 'a=>1'::hstore -> 'a'
SELECT xmin, ctid, tableoid::regclass FROM plain
SELECT * FROM plain UNION SELECT id, name, mood::text, NULL FROM things
SELECT GREATEST(id, 2), LEAST(name, 'z') FROM things
SELECT pg_size_pretty(pg_total_relation_size('own.plain'))
EXPLAIN SELECT id FROM things WHERE name = 'ok'
COPY plain TO STDOUT
""".strip().split("\n")


# The same with a parameter: its value and the type that Parse declares for it (0: none).
MEANS_IT_WITH_A_PARAMETER = [
    ("SELECT of_mood($1)", "ok", 0),
    ("SELECT of_mood($1)", "ok", 705),
    ("SELECT of_variadic($1)", "ok", 0),
    ("SELECT of_default(b => $1, a => 1)", "ok", 0),
    ("SELECT of_mood($1::unknown)", "ok", 0),
    # What one place makes of it, it is in the other.
    ("SELECT vouched($1), of_mood(coalesce($1, $1))", "ok", 0),
    ("SELECT vouched($1), of_mood(coalesce($1, $1))", "ok", 705),
    ("SELECT akeys($1), of_hstore(CASE WHEN true THEN $1 END)", "a=>1", 0),
    ("SELECT array[$1]::own.hue[]", "1", 26),
]


class Types(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        server = cls.env.database
        server.sql(f"CREATE DATABASE {NAME}")
        cls.addClassCleanup(server.sql, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.load(HERE / "types.sql", NAME)
        server.sql(f"ALTER DATABASE {NAME} SET search_path = own, public")
        cls.proxy = cls.env.another("types", start=False)
        cls.addClassCleanup(cls.proxy.stop)
        text = cls.proxy.config.read_text()
        start, end = text.index(f"  {DATABASE}:\n"), text.index("\nauth:")
        text = text[:start] + text[start:end].replace(f"  {DATABASE}:", f"  {NAME}:") + text[end:]
        before, after = text.index("  rules:"), text.index("\naudit:")
        cls.proxy.config.write_text(text[:before] + "  rules: []\n" + text[after:]
                                    + "functions:\n  allow: [own.vouched]\n")
        cls.proxy.start()
        cls.client = cls.proxy.login(database=NAME)
        cls.addClassCleanup(cls.client.close)
        cls.direct = cls.env.direct(NAME)
        cls.addClassCleanup(cls.direct.close)

    def ask(self, client, sql, extended):
        return client.extended(sql) if extended else client.simple(sql)

    def test_what_means_it_is_refused(self):
        for sql in MEANS_IT:
            with self.subTest(sql):
                self.assertEqual(error_of(self.direct.simple(sql)).sqlstate, "VT001",
                                 "this runs nothing of a user's")
            for extended in (False, True):
                with self.subTest(sql, extended=extended):
                    error = error_of(self.ask(self.client, sql, extended))
                    self.assertEqual(error.sqlstate, "42501", error)

    def test_parameters(self):
        for sql, value, type_ in MEANS_IT_WITH_A_PARAMETER:
            with self.subTest(sql, type=type_):
                self.assertEqual(error_of(self.direct.extended(sql, [value], types=[type_])).sqlstate,
                                 "VT001", "this runs nothing of a user's")
                error = error_of(self.client.extended(sql, [value], types=[type_]))
                self.assertEqual(error.sqlstate, "42501", error)
        for sql, value, type_ in (("SELECT vouched($1), upper($2)", "ok", 0),
                                  ("SELECT upper($1)", "ok", 25)):
            with self.subTest(sql):
                values = [value] * sql.count("$")
                self.assertEqual(rows_of(self.client.extended(sql, values, types=[type_])),
                                 rows_of(self.direct.extended(sql, values, types=[type_])))

    def test_at_every_depth_and_in_every_wrapping(self):
        """Where a statement stands does not change what its names mean."""
        for call in ("of_mood('ok'::unknown)", "reverse(s => 'X')", "of_variadic(mood)",
                     "(SELECT of_pair(z.*) FROM (SELECT 1 AS a, 'x'::text AS b) z)"):
            read = f"SELECT {call} FROM own.things"
            for sql in (f"WITH x AS ({read}) TABLE x", f"SELECT ({read})", f"EXPLAIN ANALYZE {read}",
                        f"SELECT * FROM own.plain p, LATERAL ({read}) l", f"COPY ({read}) TO STDOUT",
                        f"SELECT 1 ORDER BY ({read})", f"VALUES (({read}))", f"{read} UNION ALL {read}",
                        f"PREPARE named AS {read}", f"BEGIN; DECLARE c CURSOR FOR {read}",
                        f"SELECT count(*) FILTER (WHERE ({read}) IS NULL) FROM own.plain"):
                with self.subTest(sql):
                    self.assertEqual(error_of(self.client.simple(sql)).sqlstate, "42501")
                    self.client.simple("ROLLBACK")

    def test_what_means_something_else_goes_through(self):
        for sql in MEANS_SOMETHING_ELSE:
            for extended in (False, True):
                with self.subTest(sql, extended=extended):
                    seen = self.ask(self.client, sql, extended)
                    true = self.ask(self.direct, sql, extended)
                    self.assertEqual([m for m in seen if m.name == "ErrorResponse"], [])
                    self.assertEqual(rows_of(seen), rows_of(true))
                    self.assertEqual([m.payload for m in seen if m.name == "CopyData"],
                                     [m.payload for m in true if m.name == "CopyData"])
