"""Row filters, and `default: mask`: a small database, and the same made by hand into what vitrine
must answer like.
"""

import json
import unittest

from environment import DATABASE, USER, shared

# Most of what is hidden has one name, which the statistics hold.
TABLES = """
CREATE EXTENSION file_fdw;
CREATE TYPE public.mood AS ENUM ('good', 'bad');
CREATE TYPE public.address AS (street text, city text);
CREATE DOMAIN public.code AS varchar(20) NOT NULL CHECK (VALUE <> '');
CREATE TABLE public.people (
    id integer PRIMARY KEY, name text NOT NULL, mail varchar(40), born date, code public.code,
    home public.address, mood public.mood, tags text[] NOT NULL, shout text GENERATED ALWAYS AS (upper(name)) STORED,
    region text NOT NULL);
INSERT INTO public.people (id, name, mail, born, code, home, mood, tags, region)
SELECT n, CASE WHEN n % 4 = 0 THEN 'Person ' || n ELSE 'Hidden' END, 'p' || n || '@mail.example', date '1980-01-01' + n,
       'code ' || n, ROW('Street ' || n, 'City')::public.address,
       (ARRAY['bad', 'good'])[1 + n % 2]::public.mood, ARRAY['t' || n],
       CASE WHEN n % 4 = 0 THEN 'EU' ELSE 'US' END
FROM generate_series(1, 400) n;
CREATE INDEX people_region ON public.people (region);
CREATE TABLE public.parts (id integer, region text, amount numeric(8, 2), PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE public.parts_eu PARTITION OF public.parts FOR VALUES IN ('EU');
CREATE TABLE public.parts_rest (amount numeric(8, 2), region text NOT NULL, id integer NOT NULL);
ALTER TABLE public.parts ATTACH PARTITION public.parts_rest DEFAULT;
INSERT INTO public.parts SELECT n, (ARRAY['EU', 'US'])[1 + n % 2], n * 1.5 FROM generate_series(1, 20) n;
CREATE SCHEMA crm;
CREATE TABLE crm.notes (id integer PRIMARY KEY, note text NOT NULL);
INSERT INTO crm.notes SELECT n, 'Note ' || n FROM generate_series(1, 5) n;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE public.outside (line text) SERVER files OPTIONS (filename '/etc/hostname');
"""
# `default: mask` by hand: what is open stays, mail has a rule; the rest is NULL.
MASKED = """
ALTER TABLE public.people ALTER name DROP NOT NULL, ALTER tags DROP NOT NULL,
    ALTER code TYPE varchar(20), ALTER shout DROP EXPRESSION;
UPDATE public.people SET name = NULL, mail = '****@mail.example', born = NULL, code = NULL, home = NULL, mood = NULL,
    tags = NULL, shout = NULL;
UPDATE public.parts SET amount = NULL;
DROP FOREIGN TABLE public.outside;
CREATE TABLE public.outside AS SELECT NULL::text AS line;
"""
VIEWS = """
CREATE VIEW public.everybody AS SELECT * FROM public.people;
CREATE VIEW public.per_region AS SELECT region, count(*) AS people, count(name) AS names, max(born) AS youngest
    FROM public.people GROUP BY region;
CREATE VIEW public.mails AS SELECT id, split_part(mail, '@', 1) AS who FROM public.people WHERE name IS NULL OR id < 9;
CREATE VIEW public.amounts AS SELECT p.id, a.amount FROM public.people p JOIN public.parts a USING (id);
CREATE VIEW public.one AS SELECT 1 AS one;
"""
COPIES = """
CREATE MATERIALIZED VIEW public.copies AS SELECT id, name, region FROM public.people;
CREATE MATERIALIZED VIEW public.listed AS SELECT id, region, name FROM public.people;
"""
COPIES_MASKED = """
CREATE TABLE public.copies AS SELECT NULL::integer AS id, NULL::text AS name, NULL::text AS region FROM public.people;
CREATE TABLE public.listed AS SELECT id, NULL::text AS region, NULL::text AS name FROM public.people;
"""
GRANTS = """
GRANT USAGE ON SCHEMA public, crm TO vitrine_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, crm TO vitrine_reader;
ANALYZE
"""
BY_DEFAULT = """
    - columns: [public.people.mail]
      mask: email
    - columns: [public.people.name]
      mask: "null"
      except: {groups: [ops, dba]}
  default: mask
  open: ["public.people.id", "public.*.region", "public.parts.i*", "crm.*.*", public.listed.id]"""
FILTERS = """
    - columns: [public.people.code]
      mask: hash
  rows:
    - table: public.people
      filter: "region = 'EU'"
      except: {groups: [dba]}
    - {table: public.parts_rest, filter: "id < 10"}
    - {table: "crm.*", filter: "note <> 'Note 3'", except: {groups: [dba]}}
    - {table: public.mails, filter: "id < 8", except: {groups: [dba]}}
    - {table: public.outside, filter: "line = ''"}
    - {table: public.listed, filter: "region = 'EU'"}"""

SAME = [
    "TABLE people ORDER BY id",
    "SELECT count(*), count(name), count(code), count(tags), count(home) FROM people",
    "SELECT name IS NULL, born IS NULL, shout FROM people WHERE id = 4",
    "SELECT id FROM people WHERE name = 'Hidden' OR born > '1980-01-01' ORDER BY id",
    "SELECT region, min(mail), max(code) FROM people GROUP BY region ORDER BY region",
    "SELECT id, mail, region FROM people GROUP BY id ORDER BY id LIMIT 5",
    "SELECT (home).city, cardinality(tags), mood FROM people ORDER BY id LIMIT 3",
    "SELECT upper(name), length(code), coalesce(born, '2000-01-01') FROM people ORDER BY id LIMIT 3",
    "SELECT mood::text::integer, code::integer, tags[1]::date FROM people",
    "SELECT * FROM parts ORDER BY id", "SELECT * FROM parts_rest ORDER BY id", "SELECT sum(amount) FROM parts",
    "SELECT * FROM ONLY parts", "SELECT id, amount FROM parts_eu WHERE amount > 3 ORDER BY id",
    "COPY parts_eu TO STDOUT", "COPY people (id, name, mail) TO STDOUT (FORMAT csv)",
    "SELECT * FROM everybody ORDER BY id LIMIT 9", "SELECT * FROM per_region ORDER BY region",
    "SELECT * FROM mails ORDER BY id", "SELECT * FROM amounts ORDER BY id", "TABLE one",
    "TABLE outside", "SELECT line || 'x' FROM outside", "SELECT * FROM crm.notes ORDER BY id", "SELECT count(*), count(id), count(name) FROM copies",
    "SELECT * FROM listed ORDER BY id LIMIT 5", "SELECT name || 'x' FROM listed WHERE region = 'EU'",
    "SELECT p.id FROM people p JOIN people q ON p.name = q.name",
    "SELECT relname FROM pg_class WHERE relname IN ('people', 'parts') ORDER BY 1",
    "SELECT column_name FROM information_schema.columns WHERE table_name = 'parts' ORDER BY 1",
    "SELECT attname FROM pg_attribute WHERE attrelid = 'people'::regclass AND attnum > 0 ORDER BY attnum",
]


def answer(messages):
    """Rows, and an error's code and text; what is copied in no order."""
    return [(m.name, m.values if m.name == "DataRow" else
             {k: v for k, v in m.fields.items() if k in "CM"} if m.name == "ErrorResponse" else None)
            for m in messages if m.name in ("DataRow", "ErrorResponse", "CommandComplete")], sorted(
                bytes(m.payload) for m in messages if m.name == "CopyData")


class Rows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = env = shared()
        env.database.sql("CREATE DATABASE vault; REVOKE TEMPORARY ON DATABASE vault FROM PUBLIC")
        env.database.sql(TABLES, "vault")
        env.database.sql("CREATE DATABASE vault_masked TEMPLATE vault; "
                         "REVOKE TEMPORARY ON DATABASE vault_masked FROM PUBLIC")
        env.database.sql(MASKED + VIEWS + COPIES_MASKED + GRANTS, "vault_masked")
        env.database.sql(VIEWS + COPIES + GRANTS, "vault")
        user = "vitrine_reader\n    dbname: vault"
        cls.by_default = env.another("default-mask", rules=BY_DEFAULT, user=user)
        cls.filtered = env.another("filtered", rules=FILTERS, user=user)

    def through(self, proxy, *groups):
        return proxy.login(proxy.token(USER, DATABASE, groups=groups) if groups else None)

    def rows(self, client, sql):
        return [[None if v is None else v.decode() for v in m.values]
                for m in client.simple(sql) if m.name == "DataRow"]

    def error(self, client, sql):
        return next((m.fields for m in client.simple(sql) if m.name == "ErrorResponse"), None)

    # --- default: mask -----------------------------------------------------------------------

    def test_masked_by_default_is_as_the_copy(self):
        with self.by_default.login() as seen, self.env.direct("vault_masked") as true:
            for sql in SAME:
                with self.subTest(sql):
                    self.assertEqual(answer(seen.simple(sql)), answer(true.simple(sql)))

    def test_a_new_table_is_masked(self):
        self.env.database.sql("CREATE TABLE public.later (id integer, secret text); "
                              "INSERT INTO public.later VALUES (1, 'told'); "
                              "GRANT SELECT ON public.later TO vitrine_reader", "vault")
        try:
            with self.by_default.login() as client:
                self.assertEqual(self.rows(client, "SELECT * FROM later"), [[None, None]])
        finally:
            self.env.database.sql("DROP TABLE public.later", "vault")

    def test_whom_a_rule_spares(self):
        """Sees the column as it is: a rule speaks of it."""
        with self.through(self.by_default, "ops") as client:
            self.assertEqual(self.rows(client, "SELECT name, code FROM people WHERE id = 4"),
                             [["Person 4", None]])

    def test_check_knows_what_opens_nothing(self):
        config = self.by_default.config
        done = self.by_default.verb("check", "--connect", "--config", config)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        path = config.with_name("broken.yaml")
        path.write_text(config.read_text().replace("public.listed.id", "public.listed.idd"))
        line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "listed.idd" in text)
        done = self.by_default.verb("check", "--connect", "--config", path)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, rf"{path}:{line}:\d+: database shop: masking.open: "
                                      "public.listed.idd names no existing column")

    # --- rows --------------------------------------------------------------------------------

    def test_the_notice_counts(self):
        client = self.filtered.connect()
        messages = client.login(USER, DATABASE, self.filtered.token(USER, DATABASE))
        client.close()
        [notice] = [m.fields["M"] for m in messages if m.name == "NoticeResponse"]
        self.assertIn("1 column masked, rows of 6 tables filtered, until", notice)

    def test_hidden_rows_are_not_there(self):
        with self.filtered.login() as client:
            self.assertEqual(self.rows(client, "SELECT count(*), count(DISTINCT name) FROM people"), [["100", "100"]])
            self.assertEqual(self.rows(client, "SELECT count(*) FROM parts"), [["15"]])
            self.assertEqual(self.rows(client, "SELECT count(*) FROM parts_rest"), [["5"]])
            self.assertEqual(self.rows(client, "SELECT count(*) FROM crm.notes"), [["4"]])
            self.assertEqual(self.rows(client, "SELECT people, names FROM per_region"), [["100", "100"]])
            self.assertEqual(self.rows(client, "SELECT count(*) FROM listed"), [["100"]])
            # A view by its own definition, and by a filter of its own.
            self.assertEqual(self.rows(client, "SELECT * FROM mails"), [["4", "p4"]])
            self.assertEqual(self.rows(client, "SELECT count(*) FROM outside"), [["0"]])
            error = self.error(client, "SELECT * FROM copies")
            self.assertEqual(error["C"], "42501")
            self.assertIn("hidden", error["D"])
            self.assertIn("masking.rows", error["H"])

    def test_groups(self):
        with self.through(self.filtered, "dba") as client:
            self.assertEqual(self.rows(client, "SELECT count(*) FROM people"), [["400"]])
            self.assertEqual(self.rows(client, "SELECT count(*) FROM crm.notes"), [["5"]])
            self.assertEqual(self.rows(client, "SELECT count(*) FROM copies"), [["400"]])
            self.assertEqual(self.rows(client, "SELECT count(*) FROM parts"), [["15"]])
            self.assertEqual(self.rows(client, "SELECT count(*) FROM mails"), [["8"]])
        with self.through(self.filtered, "other") as client:
            self.assertEqual(self.rows(client, "SELECT count(*) FROM people"), [["100"]])

    def test_estimates_tell_nothing(self):
        """The statistics hold values of hidden rows: directly an estimate tells of them."""
        def plan(client, value):
            text = "\n".join(r[0] for r in self.rows(client, f"EXPLAIN SELECT * FROM people WHERE name = '{value}'"))
            return text.replace(value, "…")
        with self.env.direct("vault") as direct:
            self.assertNotEqual(plan(direct, "Hidden"), plan(direct, "Nobody"))
        with self.filtered.login() as client:
            self.assertEqual(plan(client, "Hidden"), plan(client, "Nobody"))
            self.assertEqual(self.rows(client, "SELECT count(*) > 0, count(most_common_vals), count(null_frac) "
                                               "FROM pg_stats WHERE tablename = 'people'"), [["t", "0", "0"]])
            for sql in ("SELECT query_to_xml('SELECT * FROM people', true, true, '')",
                        "SELECT table_to_xml('people', true, false, '')"):
                self.assertEqual(self.error(client, sql)["C"], "42501", sql)

    def test_the_filter_may_use_an_index(self):
        with self.filtered.login() as client:
            client.simple("SET enable_seqscan = off")
            plan = self.rows(client, "EXPLAIN SELECT id FROM people")
            self.assertIn("people_region", str(plan))

    def test_explain_names_the_rules(self):
        arguments = ("explain", "--config", self.filtered.config, "--database", DATABASE, "--user", USER)
        done = self.filtered.verb(*arguments, "SELECT * FROM per_region, people")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("filtered   public.people by masking.rows[0]\n", done.stdout)
        done = self.filtered.verb(*arguments, "--format", "json", "SELECT * FROM parts")
        [said] = json.loads(done.stdout)
        self.assertEqual(said["filtered"], ["public.parts by masking.rows[1]"])
        done = self.filtered.verb(*arguments, "--groups", "dba", "SELECT * FROM people")
        self.assertNotIn("\nfiltered ", done.stdout)

    def test_check_places_a_filter(self):
        config = self.filtered.config
        done = self.filtered.verb("check", "--connect", "--config", config)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for broken, connect, why in (
                ("region = ", (), "no SQL"),
                ("region IN (SELECT name FROM people)", (), "sub-select"),
                ("count(*) > 1", (), "aggregate"),
                ("area = 'EU'", ("--connect",), "names area"),
                ("random() < 0.5", ("--connect",), "volatile"),
                ("region", ("--connect",), "boolean"),
                ("born > '01/02/2003'", ("--connect",), "DateStyle"),
                ("unnest(tags) = 'x'", ("--connect",), "set of rows")):
            with self.subTest(broken):
                path = config.with_name("broken.yaml")
                path.write_text(config.read_text().replace("region = 'EU'\"\n", broken + '"\n'))
                line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if broken in text)
                done = self.filtered.verb("check", *connect, "--config", path)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                [said] = [text for text in done.stdout.splitlines() if text.startswith(f"{path}:{line}:15: ")
                          and why in text][:1] or [done.stdout]
                self.assertIn("masking.rows[0]", said)
                self.assertIn(why, said)

    def test_a_broken_filter_closes_its_table(self):
        rules = FILTERS.replace("region = 'EU'\"\n", "area = 'EU'\"\n")
        proxy = self.env.another("broken-filter", rules=rules, user="vitrine_reader\n    dbname: vault")
        with proxy.login() as client:
            self.assertEqual(self.error(client, "SELECT count(*) FROM people")["C"], "42501")
            self.assertEqual(self.error(client, "SELECT * FROM everybody")["C"], "42501")
            self.assertEqual(self.rows(client, "SELECT count(*) FROM parts"), [["15"]])
        proxy.stop()
