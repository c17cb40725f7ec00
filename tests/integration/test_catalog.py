"""What a DBA may have made, or makes while vitrine runs: functions, casts, views and schemas that
would read raw data on a user's behalf. Each is made first, then used through vitrine."""

import os
import signal
import time
import unittest

from environment import shared
from wire_client import bind, error_of, execute, parse, rows_of, sync

MAKE = """
CREATE SCHEMA attack;
GRANT USAGE ON SCHEMA attack TO vitrine_reader;
-- The key, by a name that comes from a row; and a setting that is written down, which is fine.
CREATE VIEW attack.settings AS
    SELECT n, current_setting(n, true) FROM (VALUES ('vitrine.' || 'mask_key')) v (n);
CREATE VIEW attack.direct AS SELECT current_setting('Vitrine.mask_key', true) AS key;
CREATE VIEW attack.tenant AS
    SELECT id FROM library.books WHERE id::text <> current_setting('app.tenant', true) IS NOT FALSE;
GRANT SELECT ON ALL TABLES IN SCHEMA attack TO vitrine_reader;
-- A cast of a row, and a column that is computed.
CREATE FUNCTION attack.leak(public.orders) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
    AS 'SELECT email FROM public.customers WHERE id = $1.customer_id';
CREATE FUNCTION attack.email(public.products) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
    AS 'SELECT email FROM public.customers WHERE id = $1.id';
CREATE FUNCTION public.email(public.products) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
    AS 'SELECT email FROM public.customers WHERE id = $1.id';
CREATE CAST (public.orders AS text) WITH FUNCTION attack.leak(public.orders) AS IMPLICIT;
-- What a function of an extension finds in the path.
CREATE SCHEMA impostor;
GRANT USAGE ON SCHEMA impostor TO vitrine_reader;
CREATE FUNCTION impostor.join(text, text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
    AS 'SELECT email FROM public.customers WHERE id = 3';
CREATE OPERATOR impostor.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = impostor.join);
-- A schema that the path names and that may not be used yet.
CREATE SCHEMA hidden;
CREATE FUNCTION hidden.upper(text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
    AS 'SELECT email FROM public.customers WHERE id = 3';
"""
UNMAKE = """
DROP SCHEMA IF EXISTS attack, impostor, hidden CASCADE;
DROP FUNCTION IF EXISTS public.email(public.products);
"""


class Objects(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.proxy
        cls.key = (cls.proxy.config.parent / "mask.key").read_text().strip().encode()
        cls.env.sql(MAKE)
        cls.reload()

    @classmethod
    def tearDownClass(cls):
        cls.env.sql(UNMAKE)
        cls.reload()

    @classmethod
    def reload(cls):
        os.kill(cls.proxy.pid, signal.SIGHUP)
        time.sleep(2)

    def shows_nothing(self, messages):
        raw = repr(messages).encode()
        self.assertNotIn(b"canary", raw.lower())
        self.assertNotIn(self.key, raw)
        return messages

    def refused(self, client, sql):
        with self.subTest(sql):
            for how in (client.simple, client.extended):
                error = error_of(self.shows_nothing(how(sql)))
                self.assertEqual(error.sqlstate, "42501")
                self.assertNotIn("F", error.fields, "vitrine's own refusal, not the server's")

    def test_views_that_read_settings(self):
        with self.proxy.login() as client:
            self.refused(client, "SELECT * FROM attack.settings")
            self.refused(client, "SELECT * FROM attack.direct")
            self.assertEqual(rows_of(client.simple("SELECT count(*) > 1 FROM attack.tenant")),
                             [[b"t"]])

    def test_casts_of_rows(self):
        with self.proxy.login() as client:
            for sql in ("SELECT o::text FROM orders o", "SELECT string_agg(o, ',') FROM orders o",
                        "SELECT lower(o) FROM orders o", "COPY (SELECT o::text FROM orders o) TO STDOUT",
                        "SELECT (ARRAY[o])::text[] FROM orders o", "SELECT NULL::orders"):
                self.refused(client, sql)

    def test_a_column_and_a_relation_of_one_name(self):
        with self.proxy.login() as client:
            for sql in ("SELECT (c).email FROM (SELECT p AS c FROM products p LIMIT 3) x "
                        "WHERE EXISTS (SELECT FROM crm.customers c)",
                        "WITH c AS (SELECT 1 AS email) SELECT (SELECT (c).email FROM "
                        "(SELECT p AS c FROM products p LIMIT 1) x) FROM c",
                        "SELECT p.email FROM products p", "SELECT email(p) FROM products p"):
                self.refused(client, sql)

    def test_types_of_parameters(self):
        oids = {name: int(self.env.sql(f"SELECT '{name}'::regtype::oid")) for name in
                ("public.even", "public.even[]", "public.orders", "integer", "text")}
        with self.proxy.login() as client:
            for name, oid in oids.items():
                with self.subTest(name):
                    client.send(parse("SELECT $1 IS NULL", types=[oid]), bind(values=["4"]),
                                execute(), sync())
                    messages = self.shows_nothing(client.receive_until("ReadyForQuery"))
                    if name in ("integer", "text"):
                        self.assertEqual(rows_of(messages), [[b"f"]])
                    else:
                        self.assertEqual(error_of(messages).sqlstate, "42501")
            client.send(parse("SELECT $1 IS NULL", types=[4_000_000_000]), bind(values=["4"]),
                        execute(), sync())
            self.assertEqual(error_of(client.receive_until("ReadyForQuery")).sqlstate, "42704")

    def test_functions_of_extensions_among_impostors(self):
        """Their text is parsed when they run, in the path of then: whatever the path is now."""
        sql = "SELECT public.regexp_replace('a'::public.citext, 'x'::public.citext, 'Q', 'g')"
        with self.proxy.login() as client:
            self.refused(client, sql)
            client.simple("SET search_path = impostor, pg_catalog, public")
            self.refused(client, sql)
            self.assertEqual(rows_of(client.simple(
                "SELECT pg_catalog.regexp_replace('a', 'x', 'Q', 'g')")), [[b"a"]])

    def test_a_definition_that_is_new(self):
        """Hidden from the next catalog on, also to who had prepared the question; ends no session."""
        ask = "SELECT pg_get_constraintdef(oid), conbin IS NULL FROM pg_constraint " \
              "WHERE conname = 'new_check'"
        name = f"a new {os.getpid()}"
        with self.proxy.login() as client:
            client.simple(f"PREPARE ask AS {ask}")
            client.simple("BEGIN")
            client.simple("DECLARE c CURSOR WITH HOLD FOR SELECT 1")
            self.env.sql("ALTER TABLE customers ADD CONSTRAINT new_check "
                         f"CHECK (email <> '{name}') NOT VALID;"
                         f"CREATE VIEW attack.news AS SELECT id FROM customers WHERE email <> '{name}';"
                         "CREATE TABLE attack.guarded (id integer);"
                         "ALTER TABLE attack.guarded ENABLE ROW LEVEL SECURITY;"
                         "CREATE POLICY new_policy ON attack.guarded USING (NOT EXISTS "
                         f"(SELECT FROM customers WHERE email = '{name}'));"
                         "GRANT SELECT ON attack.news, attack.guarded TO vitrine_reader")
            try:
                self.reload()
                seen = [client.simple(ask), client.extended(ask), client.simple("EXECUTE ask")]
                self.assertEqual(rows_of(seen[0]), rows_of(seen[1]))
                self.assertEqual(rows_of(seen[0])[0][1], b"t")
                self.assertIn(b"NULL::text", rows_of(seen[0])[0][0])
                self.assertEqual(error_of(seen[2]).sqlstate, "0A000")  # it must be prepared again
                client.simple("ROLLBACK")
                client.simple("DEALLOCATE ask")
                # Elsewhere the call could not be put off; another place for it is told.
                for call in ("SELECT d FROM pg_constraint, pg_get_constraintdef(oid) d",
                             "SELECT pg_get_constraintdef(lag(oid) OVER ()) FROM pg_constraint",
                             "SELECT pg_get_constraintdef(unnest(ARRAY[oid])) FROM pg_constraint",
                             "SELECT (oid).pg_get_constraintdef FROM pg_constraint"):
                    error = error_of(client.simple(call))
                    self.assertEqual(error.sqlstate, "0A000", call)
                    self.assertIn("in the select list", error.fields["H"])
                client.simple(f"PREPARE ask AS {ask}")
                seen.append(client.simple("EXECUTE ask"))
                self.assertEqual(rows_of(seen[3]), rows_of(seen[0]))
                client.simple("PREPARE news AS SELECT * FROM attack.news")
                # Nothing of it is replaced.
                client.send(parse("SELECT id FROM attack.guarded", name="guarded"), sync())
                client.receive_until("ReadyForQuery")
                for explain in ("EXPLAIN EXECUTE guarded", "EXPLAIN TABLE attack.guarded",
                                "EXPLAIN SELECT * FROM attack.news", "EXPLAIN EXECUTE news",
                                "PREPARE here AS TABLE attack.news; EXPLAIN EXECUTE here"):
                    seen.append(client.simple(explain))
                    self.assertEqual(error_of(seen[-1]).sqlstate, "42501", explain)
                self.assertIn('prepared statement "news"', error_of(seen[-2]).fields["M"])
                self.assertNotIn(name, repr(seen))
            finally:
                self.env.sql("ALTER TABLE customers DROP CONSTRAINT new_check;"
                             "DROP VIEW attack.news; DROP TABLE attack.guarded")
                self.reload()

    def test_a_schema_that_opens(self):
        with self.proxy.login() as client:
            client.simple("SET search_path = hidden, pg_catalog, public")
            self.assertEqual(rows_of(client.simple("SELECT upper('a')")), [[b"A"]])
            client.send(parse("SELECT upper('a')", "prepared"), sync())
            client.receive_until("ReadyForQuery")
            self.env.sql("GRANT USAGE ON SCHEMA hidden TO vitrine_reader")
            self.reload()
            self.refused(client, "SELECT upper('a')")
            client.send(bind(statement="prepared"), execute(), sync())
            self.assertEqual(error_of(self.shows_nothing(
                client.receive_until("ReadyForQuery"))).sqlstate, "26000")

    def test_the_catalog_loads_whatever_casts_there_are(self):
        self.env.sql("CREATE FUNCTION attack.number(integer) RETURNS text LANGUAGE sql IMMUTABLE "
                     "AS 'SELECT ''none''::text';"
                     "CREATE CAST (integer AS text) WITH FUNCTION attack.number(integer) AS IMPLICIT")
        try:
            self.reload()
            with self.proxy.login() as client:
                self.refused(client, "SELECT 3::text")
                self.refused(client, "SELECT 3 LIKE '3'")
                self.assertEqual(rows_of(client.simple("SELECT 'still' AS here")), [[b"still"]])
        finally:
            self.env.sql("DROP CAST (integer AS text)")
            self.reload()


if __name__ == "__main__":
    unittest.main()
