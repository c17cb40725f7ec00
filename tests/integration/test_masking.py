"""As if masked: vitrine's answer is PostgreSQL's answer on a copy in which the sensitive columns
are overwritten with their masks. And whatever is tried, the raw values (they carry CANARY) and the
mask's key are never in the bytes that arrive, in whatever dress.
"""

import base64
import re
import subprocess
import unittest

from environment import DATABASE, MASKED_COPY, USER, shared
from wire_client import (bind, describe, error_of, execute, parse, query, rows_of, sync)

# Each must be answered as the masked copy answers, errors included.
SAME = [
    # the column as itself, by star, under an alias, qualified in every way
    "SELECT email FROM customers ORDER BY id LIMIT 60",
    "SELECT * FROM customers ORDER BY id LIMIT 60",
    "SELECT c.* FROM public.customers AS c ORDER BY 1 LIMIT 5",
    "SELECT customers.email, public.customers.phone FROM public.customers ORDER BY id LIMIT 5",
    "SELECT shop.public.customers.email FROM shop.public.customers ORDER BY id LIMIT 5",
    'SELECT "email" AS "x", EMAIL y, U&"em\\0061il" FROM "customers" ORDER BY id LIMIT 5',
    "SELECT t.b FROM customers AS t(a, b, c) ORDER BY a LIMIT 5",
    "SELECT t.c FROM customers AS t(a, b, c) ORDER BY a LIMIT 5",
    "TABLE cards",
    "SELECT * FROM ONLY customers ORDER BY id LIMIT 3",
    "SELECT * FROM customers * ORDER BY id LIMIT 3",
    # in an expression
    "SELECT upper(email), length(email), email || '!', left(phone, 3), reverse(ssn) "
    "FROM customers ORDER BY id LIMIT 60",
    "SELECT encode(convert_to(email, 'UTF8'), 'hex'), encode(email::bytea, 'base64'), md5(email) "
    "FROM customers WHERE id BETWEEN 3 AND 9 ORDER BY id",
    "SELECT CASE WHEN email LIKE 'CANARY%' THEN 1 ELSE 0 END, coalesce(email, phone), "
    "nullif(email, 'x') FROM customers ORDER BY id LIMIT 60",
    "SELECT ascii(email), substr(email, 1, 1), regexp_replace(email, '.', 'x', 'g') "
    "FROM customers ORDER BY id LIMIT 9",
    "SELECT string_to_array(email, '.'), regexp_matches(email, '(.*)@', 'g') "
    "FROM customers ORDER BY id LIMIT 9",
    "SELECT email::citext = upper(email)::citext, email < 'D', email COLLATE \"C\" > 'A' "
    "FROM customers ORDER BY id LIMIT 9",
    "SELECT profile->>'phone', profile FROM customers ORDER BY id LIMIT 3",
    # in a predicate, a join, an order, a group, a window, a limit
    "SELECT id FROM customers WHERE email LIKE 'CANARY%' ORDER BY id",
    "SELECT id FROM customers WHERE email ~* 'canary' OR phone LIKE 'CANARY%' ORDER BY id",
    "SELECT id FROM customers WHERE notes IS NULL ORDER BY id",
    "SELECT id FROM customers WHERE notes IS NOT NULL ORDER BY id LIMIT 5",
    "SELECT count(*) FROM customers WHERE ssn IS NULL",
    "SELECT count(*), count(email), count(DISTINCT email), min(email), max(phone) FROM customers",
    "SELECT email, count(*) FROM customers GROUP BY email ORDER BY email NULLS FIRST",
    "SELECT id FROM customers ORDER BY email, id LIMIT 20",
    "SELECT id, rank() OVER (ORDER BY phone NULLS LAST) FROM customers ORDER BY id LIMIT 20",
    "SELECT c.id, m.\"Id\" FROM customers c JOIN \"Mixed\".\"Client Data\" m "
    "ON c.email = m.\"E-Mail\" ORDER BY 1, 2 LIMIT 5",
    "SELECT count(*) FROM customers a JOIN customers b USING (ssn)",
    "SELECT email, id FROM customers a NATURAL JOIN (SELECT id, email FROM customers) b "
    "ORDER BY id LIMIT 5",
    "SELECT email FROM customers FULL JOIN (SELECT 1::bigint AS id) x USING (id) ORDER BY id LIMIT 5",
    "SELECT string_agg(email, ',' ORDER BY id), array_agg(phone ORDER BY id) FROM customers "
    "WHERE id < 30",
    "SELECT json_agg(c ORDER BY id) FROM customers c WHERE id < 5",
    "SELECT jsonb_object_agg(id, email) FROM customers WHERE id < 30",
    "SELECT mode() WITHIN GROUP (ORDER BY email), percentile_disc(0.1) WITHIN GROUP (ORDER BY phone) "
    "FROM customers",
    "SELECT DISTINCT ON (region) region, email FROM customers ORDER BY region, email, id",
    "SELECT id FROM customers ORDER BY id OFFSET (SELECT length(email) FROM customers WHERE id = 3) "
    "LIMIT 3",
    "SELECT 1 WHERE EXISTS (SELECT FROM customers WHERE email = 'CANARY.3@mail.example')",
    "SELECT 'CANARY'::text IS NULL FROM customers WHERE email IN ('CANARY.3@mail.example')",
    "SELECT id FROM customers GROUP BY id, email HAVING email > 'B' ORDER BY id LIMIT 4",
    # the whole row
    "SELECT c::text FROM customers c ORDER BY id LIMIT 5",
    "SELECT ROW(c.*)::text FROM customers c ORDER BY id LIMIT 5",
    "SELECT to_jsonb(c), row_to_json(c), json_build_array(c) FROM customers c ORDER BY id LIMIT 5",
    "SELECT (c).email FROM customers c ORDER BY id LIMIT 5",
    "SELECT (x.c).phone FROM (SELECT c FROM customers c) x ORDER BY (x.c).id LIMIT 5",
    "SELECT max(c::text) FROM customers c",
    "SELECT count(c), c IS NULL FROM customers c WHERE id < 3 GROUP BY 2",
    "SELECT md5(c::text) FROM (SELECT id, email FROM customers) c ORDER BY id LIMIT 5",
    # deeper
    "WITH customers AS (SELECT * FROM customers) SELECT email FROM customers ORDER BY id LIMIT 5",
    "WITH x AS (TABLE customers) SELECT * FROM x ORDER BY id LIMIT 5",
    "WITH RECURSIVE r AS (SELECT id, email FROM customers WHERE id = 3 UNION ALL "
    "SELECT c.id, c.email FROM customers c JOIN r ON c.id = r.id + 1 WHERE c.id < 7) TABLE r",
    "WITH customers(email) AS (VALUES ('mine')) SELECT email, (SELECT email FROM public.customers "
    "WHERE id = 3) FROM customers",
    "SELECT (SELECT email FROM customers WHERE id = 3), ARRAY(SELECT phone FROM customers "
    "WHERE id < 9 ORDER BY id)",
    "SELECT l.* FROM generate_series(3, 5) n, LATERAL (SELECT email FROM customers WHERE id = n) l",
    "SELECT email FROM customers WHERE id = 3 UNION SELECT 'x' UNION ALL SELECT holder FROM cards "
    "WHERE id = 1 ORDER BY 1",
    "VALUES ((SELECT email FROM customers WHERE id = 3))",
    "SELECT * FROM (VALUES (1)) v, customers c JOIN cards d ON d.customer_id = c.id "
    "ORDER BY d.id LIMIT 3",
    "SELECT x.* FROM (customers CROSS JOIN (SELECT 1 AS one) o) AS x ORDER BY id LIMIT 2",
    "SELECT count(*) FROM customers TABLESAMPLE SYSTEM (100) WHERE email LIKE '%CANARY%'",
    # partitions and children
    "SELECT * FROM events ORDER BY id LIMIT 5", "SELECT * FROM events_2025 ORDER BY id LIMIT 5",
    "SELECT * FROM events_2026 ORDER BY id LIMIT 5", "SELECT * FROM events_rest ORDER BY id LIMIT 5",
    "SELECT payload, count(*) FROM events GROUP BY 1",
    "SELECT * FROM people ORDER BY id", "SELECT * FROM staff ORDER BY id LIMIT 5",
    "SELECT * FROM ONLY people ORDER BY id LIMIT 5",
    # odd names
    'SELECT * FROM "Mixed"."Client Data" ORDER BY 1 LIMIT 5',
    'SELECT "E-Mail", c."E-Mail" FROM "Mixed"."Client Data" c ORDER BY 1 LIMIT 5',
    'SELECT U&"E\\002DMail" FROM U&"M\\0069xed"."Client Data" ORDER BY 1 LIMIT 5',
    # what is not masked stays as it is
    "SELECT * FROM crm.customers ORDER BY id LIMIT 5",
    "SELECT c.email, d.email FROM customers c JOIN crm.customers d USING (id) ORDER BY id LIMIT 5",
    "SELECT * FROM kinds ORDER BY id LIMIT 3",
    "SELECT region, sum(total) FROM orders GROUP BY region ORDER BY 1",
    "SELECT o.id, c.email FROM orders o JOIN customers c ON c.id = o.customer_id ORDER BY 1 LIMIT 4",
    # errors that print their argument
    "SELECT email::integer FROM customers WHERE id = 3",
    "SELECT ssn::date FROM customers WHERE id = 3",
    "SELECT (email || '')::inet FROM customers WHERE id = 3",
    "SELECT phone::regclass FROM customers WHERE id = 3",
    "SELECT email::json FROM customers WHERE id = 3",
    "SELECT email::order_status FROM customers WHERE id = 3",
    "SELECT CAST(number AS uuid) FROM cards WHERE id = 1",
    "SELECT 1 / (CASE WHEN email LIKE 'CANARY%' THEN 0 ELSE 1 END) FROM customers WHERE id = 3",
    "SELECT to_number(email, email), to_date(phone, 'YYYY') FROM customers WHERE id = 3",
    "SELECT email AT TIME ZONE phone FROM customers WHERE id = 3",
    "SELECT now() AT TIME ZONE email FROM customers WHERE id = 3",
    "SELECT convert_from(email::bytea, email) FROM customers WHERE id = 3",
    "SELECT email::point, phone::xml FROM customers WHERE id = 3",
    "SELECT email.x FROM customers", "SELECT c.nosuch FROM customers c",
    # COPY
    "COPY customers (id, email, phone, notes, ssn, profile) TO STDOUT",
    "COPY customers (id, email) TO STDOUT (FORMAT csv, HEADER)",
    "COPY (SELECT email FROM customers ORDER BY id) TO STDOUT",
    "COPY (TABLE customers ORDER BY id) TO STDOUT (FORMAT csv, FORCE_QUOTE *)",
    "COPY cards TO STDOUT (FORMAT binary)", "COPY events_2026 TO STDOUT",
]

# Answered or refused: only that nothing of the raw values comes out is asked.
ANYTHING = [
    # a whole row of a masked table is a record; the text is the same (SAME has it)
    "SELECT c FROM customers c ORDER BY id LIMIT 5", "COPY customers TO STDOUT",
    "SELECT tableoid::regclass, payload FROM events ORDER BY id LIMIT 5",
    "SELECT nosuch(email) FROM customers", "SELECT email FROM customers c WHERE customers.id = 1",
    "SELECT email(c) FROM customers c", "SELECT email(customers) FROM customers",
    "SELECT c.secret FROM customers c", "SELECT secret(c) FROM customers c",
    "SELECT (c).secret FROM customers c", "SELECT email_of(3)", "SELECT * FROM email_of(3)",
    "SELECT crm.lower('x')", "SELECT public.email_of(id) FROM customers",
    "SELECT c::public.customers FROM customers c", "SELECT (c::public.customers).email FROM customers c",
    "SELECT NULL::public.customers", "SELECT email_lower, name_length FROM customers",
    "SELECT * FROM customer_contacts", "SELECT * FROM customer_contacts_again",
    "SELECT * FROM customers_with_notes", "SELECT * FROM customer_rows", "SELECT * FROM customer_emails",
    "SELECT * FROM customers_by_region", "SELECT * FROM tables_as_xml", "SELECT * FROM sessions",
    "SELECT mood::json FROM moods", "SELECT to_json(mood) FROM moods", "SELECT json_agg(m) FROM moods m",
    "SELECT * FROM pg_stats", "SELECT most_common_vals, histogram_bounds FROM pg_stats "
    "WHERE tablename = 'customers'", "SELECT * FROM pg_statistic", "SELECT * FROM pg_stats_ext",
    "SELECT * FROM pg_statistic_ext_data", "SELECT * FROM pg_stats_ext_exprs",
    "SELECT stavalues1 FROM pg_catalog.pg_statistic",
    "SELECT pg_mcv_list_items(stxdmcv) FROM pg_statistic_ext_data",
    "SELECT query FROM pg_stat_activity", "SELECT * FROM pg_prepared_statements",
    "SELECT * FROM pg_cursors", "SELECT * FROM pg_settings", "SHOW ALL", "SHOW vitrine.mask_key",
    "SELECT current_setting('vitrine.mask_key')", "SELECT current_setting('VITRINE.Mask_Key', true)",
    "SELECT current_setting('vitrine' || '.mask_key')", "SELECT set_config('vitrine.mask_key', 'x', true)",
    "SELECT current_setting(s) FROM (VALUES ('vitrine.mask_key')) v(s)",
    "SELECT * FROM pg_show_all_settings() WHERE name LIKE 'vitrine%'", "RESET vitrine.mask_key",
    "SELECT * FROM pg_file_settings", "SELECT * FROM pg_authid", "SELECT * FROM pg_shadow",
    "SELECT * FROM pg_largeobject", "SELECT * FROM pg_hba_file_rules", "SELECT * FROM pg_user_mappings",
    "SELECT query_to_xml('SELECT * FROM customers', true, true, '')",
    "SELECT table_to_xml('customers', true, false, '')", "SELECT database_to_xml(true, false, '')",
    "SELECT schema_to_xml('public', true, false, '')", "SELECT cursor_to_xml('c', 1, true, true, '')",
    "SELECT * FROM ts_stat('SELECT to_tsvector(email) FROM customers')",
    "SELECT ts_rewrite('a'::tsquery, 'SELECT email::tsquery, phone::tsquery FROM customers')",
    "SELECT * FROM crosstab('SELECT id, name, email FROM customers') AS t(id bigint, a text, b text)",
    "SELECT * FROM connectby('customers', 'email', 'phone', 'x', 0) AS t(a text, b text, c int)",
    "SELECT * FROM dblink('dbname=shop', 'SELECT email FROM customers') AS t(a text)",
    "EXPLAIN SELECT * FROM customers WHERE email = 'x'",
    "EXPLAIN VERBOSE SELECT * FROM customers WHERE ssn = 'x'",
    "EXPLAIN (VERBOSE, FORMAT json) SELECT ssn, holder FROM customers, cards",
    "EXPLAIN (ANALYZE, VERBOSE, SETTINGS) SELECT ssn FROM customers WHERE id < 5",
    "EXPLAIN (ANALYZE, TIMING off) SELECT * FROM customers WHERE email LIKE 'CANARY%'",
    "EXPLAIN SELECT * FROM customers WHERE lower(email) = 'canary.3@mail.example'",
    "SELECT pg_get_viewdef('customer_contacts'::regclass)", "SELECT pg_read_file('base/1/1259')",
    "SELECT get_raw_page('customers', 0)", "SELECT heap_page_items(get_raw_page('customers', 0))",
    "SELECT lo_get(1)", "SELECT currtid2('customers', '(0,1)')",
    "SELECT * FROM pg_catalog.pg_class c, customers d WHERE c.relname = d.email",
    "SELECT ctid, xmin, email FROM customers ORDER BY id LIMIT 3",
    "SELECT customers.ctid, customers.* FROM customers WHERE ctid = '(0,1)'",
    "SELECT * FROM customers GROUP BY id", "SELECT id, email FROM customers GROUP BY id ORDER BY id",
    "SELECT c.id, c.email, count(d.id) FROM customers c LEFT JOIN cards d ON d.customer_id = c.id "
    "GROUP BY c.id ORDER BY c.id LIMIT 3",
    "SELECT email FROM customers FOR SHARE", "SELECT email INTO leaked FROM customers",
    "SELECT hstore(c) FROM customers c", "SELECT each(hstore(c)) FROM customers c",
    "SELECT populate_record(c, ''::hstore) FROM customers c",
    "SELECT jsonb_populate_record(c, '{}') FROM customers c",
    "SELECT jsonb_populate_record(NULL::customers, '{\"email\": \"x\"}')",
    "SELECT xmlelement(name x, c) FROM customers c", "SELECT xmlforest(email) FROM customers",
    "SELECT * FROM json_populate_recordset(NULL::customers, (SELECT json_agg(c) FROM customers c))",
    "SELECT similarity(email, 'CANARY'), email % 'CANARY', show_trgm(email) FROM customers LIMIT 9",
    "SELECT digest(email, 'sha256'), crypt(email, gen_salt('bf', 4)) FROM customers LIMIT 2",
    "SELECT email <-> 'CANARY.3' FROM customers ORDER BY 1 LIMIT 3",
    "SELECT join_all(email) FROM customers", "SELECT email <~> 'x' FROM customers",
    "SELECT email OPERATOR(public.<~>) phone FROM customers", "SELECT add_tax(1)",
    "LISTEN x", "DO $$ BEGIN RAISE NOTICE '%', (SELECT email FROM customers LIMIT 1); END $$",
    "SELECT pg_typeof(c), pg_column_size(email), pg_column_compression(email) FROM customers c LIMIT 3",
    "SELECT format('%s %L', email, phone), concat_ws('-', c.*) FROM customers c LIMIT 3",
    "SELECT unnest(ARRAY[c]) FROM customers c LIMIT 3", "SELECT (ARRAY[c])[1].email FROM customers c LIMIT 3",
    "SELECT (SELECT c FROM customers c LIMIT 1).email",
    "SELECT ((SELECT c FROM customers c ORDER BY id LIMIT 1)).email",
    "SELECT * FROM ROWS FROM (unnest(ARRAY(SELECT email FROM customers))) LIMIT 3",
    "SELECT XMLTABLE.* FROM customers, XMLTABLE('/a' PASSING email COLUMNS x text) LIMIT 3",
    "SELECT obj_description(oid), relname FROM pg_class WHERE relname ~ 'customers'",
    "SELECT * FROM information_schema.columns WHERE table_name = 'customers'",
    "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef", "SELECT pg_get_statisticsobjdef_expressions(oid) "
    "FROM pg_statistic_ext", "SELECT pg_indexes.* FROM pg_indexes WHERE tablename = 'customers'",
]

MARKS = [b"canary", b"43414e415259", b"yranac",
         *(base64.b64encode(b"x" * shift + b"CANARY" + b"y" * (-(shift + 6) % 3))[start:][:7].lower()
           for shift, start in ((0, 0), (1, 2), (2, 3)))]


def leaks(received, key):
    """What of the raw values or the key can be seen in these bytes; None where nothing is."""
    low = bytes(received).lower()
    for mark in MARKS:
        if mark in low:
            at = low.index(mark)
            return received[max(0, at - 40):at + 60]
    if key.encode() in low:
        return b"the mask's key"
    return None


class Canary(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.proxy
        cls.key = cls.env.mask_key

    def ask(self, client, sql, how):
        if how == "simple":
            return client.simple(sql)
        return client.extended(sql, result_formats=[1] if how == "binary" else [])

    def no_leak(self, client, sql):
        seen = leaks(client.received, self.key)
        # A statement that says CANARY itself may hear it back, in an error's text for one.
        if seen and "canary" in sql.lower():
            seen = leaks(re.sub(rb"(?i)canary(%|'|\.3|$)", b"", bytes(client.received)), self.key)
        self.assertIsNone(seen, sql)
        client.received.clear()

    def test_the_marks_are_there(self):
        """Directly, nearly all of this leaks: the test can see a leak where there is one."""
        with self.env.direct() as direct:
            found = 0
            for sql in SAME:
                direct.received.clear()
                direct.simple(sql)
                found += leaks(direct.received, self.key) is not None
        self.assertGreater(found, 35)

    def test_as_on_the_masked_copy(self):
        for how in ("simple", "extended", "binary"):
            with self.proxy.login() as client, self.env.direct(MASKED_COPY) as copy:
                for sql in SAME:
                    with self.subTest(sql, how=how):
                        seen, true = self.ask(client, sql, how), self.ask(
                            copy, sql.replace("shop.public", f"{MASKED_COPY}.public"), how)
                        self.no_leak(client, sql)
                        self.assertEqual([self.normal(m) for m in seen if self.normal(m)],
                                         [self.normal(m) for m in true if self.normal(m)])

    @staticmethod
    def normal(m):
        """What a client makes of a message; None for what may differ."""
        if m.name == "RowDescription":
            # A derived table's columns have no table; a domain's base type and length stand.
            return "columns", [(c["name"], c["type"], c["format"]) for c in m.columns]
        if m.name == "ErrorResponse":
            return "error", {k: m.fields.get(k) for k in "SCMDHP"}
        return m.name, m.payload

    def test_whatever_is_tried(self):
        for how in ("simple", "extended", "binary"):
            client = self.proxy.login()
            for sql in ANYTHING:
                with self.subTest(sql, how=how):
                    try:
                        messages = self.ask(client, sql, how)
                        self.assertIn(messages[-1].status, "IT")
                    finally:
                        self.no_leak(client, sql)
            client.close()

    def test_prepared_and_cursors(self):
        email = "SELECT email, phone, notes, ssn FROM customers WHERE id OPERATOR(pg_catalog.=) 3"
        conversations = {
            "PREPARE and EXECUTE": [f"PREPARE p AS {email}", "EXECUTE p", "EXPLAIN VERBOSE EXECUTE p",
                                    "SELECT * FROM pg_prepared_statements", "DEALLOCATE p"],
            "a cursor": ["BEGIN", f"DECLARE c CURSOR FOR {email}", "FETCH ALL FROM c",
                         "SELECT * FROM pg_cursors", "MOVE BACKWARD ALL IN c", "CLOSE c", "COMMIT"],
            "a binary cursor": ["BEGIN", f"DECLARE c BINARY SCROLL CURSOR FOR {email}",
                                "FETCH 1 FROM c", "FETCH PRIOR FROM c", "ROLLBACK"],
            "WITH HOLD": [f"DECLARE h CURSOR WITH HOLD FOR {email}", "FETCH ALL FROM h", "CLOSE h"],
            "search_path at the table's like": [
                "SET search_path = crm, public", "SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3",
                "SET search_path = public, crm", "SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3",
                "SELECT lower(email) FROM public.customers WHERE id OPERATOR(pg_catalog.=) 3", "RESET search_path"],
            "prepared under one path, run under another": [
                "SET search_path = crm", "PREPARE q AS SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3",
                "EXECUTE q", "SET search_path = public", "EXECUTE q",
                "SET search_path = crm", "BEGIN", "SET LOCAL search_path = public", "EXECUTE q",
                "ROLLBACK", "EXECUTE q", "DEALLOCATE q", "RESET search_path"],
            "a path that a rollback undoes": [
                "SET search_path = public", "BEGIN", "SET search_path = crm",
                "SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3", "ROLLBACK",
                "SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3", "BEGIN", "SAVEPOINT s",
                "SET LOCAL search_path = crm", "ROLLBACK TO s",
                "SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3", "COMMIT", "RESET search_path"],
            "a path in the same query": [
                "SET search_path = crm; SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3",
                "SET search_path = public; SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3",
                "BEGIN; SET LOCAL search_path = public; SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3; "
                "COMMIT", "RESET search_path"],
            "a path by function": [
                "SELECT set_config('search_path', 'public', false)",
                "SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3",
                "SELECT set_config('search_path', 'crm', false)",
                "SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3",
                "SELECT set_config('search_path', '', false)",
                "SELECT email FROM public.customers WHERE id OPERATOR(pg_catalog.=) 3", "RESET search_path"],
            "builtins hidden by the path": [
                "SET search_path = crm, pg_catalog", "SELECT lower('x')",
                "SELECT lower(email) FROM public.customers WHERE id OPERATOR(pg_catalog.=) 3", "RESET search_path"],
            "DISCARD and RESET": [
                "SET search_path = crm", "DISCARD ALL", "SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3",
                "SET search_path = crm", "RESET ALL", "SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3"],
        }
        for name, statements in conversations.items():
            for how in ("simple", "extended"):
                with self.subTest(name, how=how), self.proxy.login() as client:
                    for sql in statements:
                        if how == "extended" and ";" in sql:
                            continue
                        self.ask(client, sql, how)
                        self.no_leak(client, sql)

    def test_prepared_by_protocol_under_another_path(self):
        sql = "SELECT email FROM customers WHERE id OPERATOR(pg_catalog.=) 3"
        with self.proxy.login() as client:
            client.simple("SET search_path = crm")
            client.send(parse(sql, "n"), bind(statement="n"), execute(), sync())
            self.assertEqual(rows_of(client.receive_until("ReadyForQuery")),
                             [[b"lead3@crm.example"]])
            for path in ("public", "crm", "public"):
                client.simple(f"SET search_path = {path}")
                client.send(bind(statement="n"), execute(), sync())
                client.receive_until("ReadyForQuery")
                self.no_leak(client, sql)
            # the path set in the same batch, before Parse and between Parse and Bind
            client.send(parse("SET search_path = crm"), bind(), execute(), parse(sql, "m"),
                        parse("SET search_path = public"), bind(), execute(),
                        bind("p", "m", result_formats=[1]), describe("P", "p"), execute("p"), sync())
            client.receive_until("ReadyForQuery")
            self.no_leak(client, sql)
            client.send(parse("SET search_path = public", "s"), bind("", "s"), execute(),
                        query(sql), sync())
            client.receive_until("ReadyForQuery")
            client.receive_until("ReadyForQuery")
            self.no_leak(client, sql)

    def test_protocol_portal_and_sql_fetch(self):
        with self.proxy.login() as client:
            client.simple("BEGIN")
            client.send(parse("SELECT * FROM customers ORDER BY id"), bind("k"), sync())
            client.receive_until("ReadyForQuery")
            for sql in ("FETCH 5 FROM k", "FETCH ALL FROM k"):
                client.simple(sql)
                self.no_leak(client, sql)
            client.simple("ROLLBACK")

    def test_parameters_are_no_way_round(self):
        with self.proxy.login() as client:
            for sql, values in (
                    ("SELECT current_setting($1)", ["vitrine.mask_key"]),
                    ("SELECT set_config($1, 'off', false)", ["transaction_read_only"]),
                    ("SELECT email FROM customers WHERE email LIKE $1", ["C%"]),
                    ("SELECT $1::regclass, pg_relation_size($1::regclass)", ["customers"]),
                    ("SELECT query_to_xml($1, true, true, '')", ["TABLE customers"]),
                    ("SELECT table_to_xml($1, true, true, '')", ["customers"])):
                for formats in ([], [1]):
                    with self.subTest(sql):
                        client.extended(sql, values, formats)
                        self.no_leak(client, sql)

    def test_notices_and_context(self):
        with self.proxy.login() as client:
            for level in ("debug5", "debug1", "log", "notice"):
                client.simple(f"SET client_min_messages = {level}")
                for name in ("debug_print_parse", "debug_print_plan", "debug_print_rewritten",
                             "log_statement_stats", "log_duration"):
                    client.simple(f"SET {name} = on")
                client.simple("SELECT ssn, email FROM customers WHERE id = 3")
                client.simple("SELECT email::int FROM customers WHERE id = 3")
                self.no_leak(client, level)

    def test_except_groups(self):
        """The rule's exception, and only it: fraud sees e-mail, and nothing else."""
        with self.proxy.login(self.proxy.token(USER, DATABASE, groups=["fraud"])) as client:
            [[email, phone]] = rows_of(client.simple("SELECT email, phone FROM customers "
                                                     "WHERE id = 3"))
            self.assertEqual(email.decode(), self.env.sql("SELECT email FROM customers "
                                                          "WHERE id = 3"))
            self.assertNotIn(b"CANARY", phone)
        with self.proxy.login(self.proxy.token(USER, DATABASE, groups=["Fraud", "fraude"])) as other:
            other.simple("SELECT email FROM customers")
            self.no_leak(other, "")

    def test_described_types(self):
        """Names, types and lengths of the columns are the table's own."""
        with self.proxy.login() as client, self.env.direct() as direct:
            for table in ("public.customers", "public.cards", "public.events",
                          '"Mixed"."Client Data"'):
                described = []
                for c in (client, direct):
                    c.send(parse(f"SELECT * FROM {table}"), describe("S"), sync())
                    [row] = [m for m in c.receive_until("ReadyForQuery")
                             if m.name == "RowDescription"]
                    described.append([(x["name"], x["type"]) for x in row.columns])
                self.assertEqual(described[0], described[1])

    def test_indexes_are_used(self):
        with self.proxy.login() as client:
            plan = b"\n".join(r[0] for r in rows_of(client.simple(
                "EXPLAIN SELECT email FROM customers WHERE id = 3")))
            self.assertIn(b"customers_pkey", plan)

    def test_psql_and_pg_dump(self):
        token = self.proxy.token(USER, DATABASE)
        environment = self.proxy.environment(USER, token, DATABASE)
        for command in (["psql", "-X", "-c", r"\d+ customers", "-c", r"\d+ customer_contacts",
                         "-c", r"\dX+", "-c", r"\df+ public.*", "-c", "TABLE customers",
                         "-c", r"\copy customers to stdout", "-c", r"\gdesc"],
                        ["pg_dump", "--data-only", "-t", "public.customers"],
                        ["pg_dump", "--inserts", "-t", "public.cards"]):
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
            self.assertIsNone(leaks(done.stdout, self.key), command)
            self.assertTrue(done.stdout)

    def test_nothing_of_the_key_elsewhere(self):
        with self.proxy.login() as client:
            client.simple("SELECT ssn FROM customers")
            self.assertNotIn(self.key, self.env.sql("SELECT * FROM pg_stat_activity"))
            client.simple("SELECT ssn::int FROM customers")
        for file in (*self.proxy.audit.rglob("*.jsonl"), self.proxy.log):
            self.assertNotIn(self.key, file.read_text(errors="replace"))
        self.assertNotIn(self.key, self.env.database.log.read_text(errors="replace"))

    def test_the_record_names_the_masked_columns(self):
        with self.proxy.login() as client:
            client.simple("SELECT email, c.phone FROM customers c /* masked columns */")
        [record] = [r for r in self.proxy.statements() if "masked columns */" in r.get("sql", "")]
        self.assertTrue({"public.customers.email", "public.customers.phone"}
                        <= set(record["masked"]))
        self.assertIn("forwarded", record)
        self.assertEqual(record["verdict"], "allow")

    def test_the_key_by_a_name_that_is_computed(self):
        """current_setting() of what only the server knows: a parameter, a prepared statement, a
        cursor, a COPY; in any case, and in a failed transaction's successor."""
        with self.proxy.login() as client:
            for name in ("vitrine.mask_key", "VITRINE.Mask_Key", "vitrine.hidden"):
                with self.subTest(name):
                    self.assertEqual(rows_of(client.extended("SELECT current_setting($1)", [name])),
                                     [[b""]])
                    self.assertEqual(
                        rows_of(client.extended("SELECT current_setting($1, true)", [name])), [[b""]])
                    client.simple("PREPARE named (text) AS SELECT pg_catalog.current_setting($1)")
                    self.assertEqual(rows_of(client.simple(f"EXECUTE named ('{name}')")), [[b""]])
                    client.simple("DEALLOCATE named")
                    client.simple("BEGIN; SELECT 1 / 0")
                    client.simple("ROLLBACK; BEGIN; DECLARE c CURSOR FOR SELECT current_setting(x) "
                                  f"FROM (VALUES ('{name}')) v (x)")
                    self.assertEqual(rows_of(client.simple("FETCH c")), [[b""]])
                    client.simple("ROLLBACK")
                    copied = client.simple("COPY (SELECT current_setting(x) FROM (VALUES "
                                           f"('{name}')) v (x)) TO STDOUT")
                    self.assertEqual([m.payload for m in copied if m.name == "CopyData"], [b"\n"])
            self.assertEqual(rows_of(client.extended("SELECT current_setting($1)", ["work_mem"])),
                             rows_of(client.simple("SHOW work_mem")))
            self.assertNotIn(self.env.mask_key.encode(), bytes(client.received))

    def test_a_refusal_names_the_construct(self):
        with self.proxy.login() as client:
            for sql, word in (("SELECT query_to_xml('SELECT 1', true, true, '')", "query_to_xml"),
                              ("SELECT * FROM audited", "audited"),
                              ("SELECT * FROM pg_statistic", "pg_statistic"),
                              ("SELECT email_of(1)", "email_of")):
                with self.subTest(sql):
                    error = error_of(client.simple(sql))
                    self.assertEqual(error.sqlstate, "42501")
                    self.assertIn(word, error.fields["M"])
                    self.assertEqual(sql[error.position - 1:].startswith(word), True, error)
                    self.assertTrue(error.fields.get("D") and error.fields.get("H"))

class Positions(unittest.TestCase):
    """Errors of the server's for a rewritten text point into the client's own."""

    # Of analysis, of a constant that is read while planning, and behind letters of several bytes;
    # before, between and behind what was replaced.
    STATEMENTS = (
        "SELECT nope, email FROM customers",
        "SELECT email FROM customers WHERE nope = 1",
        "SELECT email + 1 FROM customers",
        "SELECT 'ä日', c.email FROM customers c JOIN cards k ON k.customer_id = c.id WHERE k.ü = 'ß'",
        "SELECT email FROM customers c, cards k, LATERAL (SELECT c.nope) x",
        "WITH x AS (SELECT email FROM customers) SELECT y FROM x",
        "SELECT (SELECT nope FROM cards LIMIT 1), email FROM customers",
        "SELECT count(*), email FROM customers",
        "SELECT email FROM customers UNION SELECT id FROM cards",
        "SELECT email FROM customers ORDER BY 9",
        "SELECT email FROM customers WHERE id = 'x'",
        "SELECT email FROM customers LIMIT 'x'",
        "SELECT 'x'::date, email FROM customers",
        "SELECT email FROM customers WHERE email = ANY('{x')",
        "SELECT round(email) FROM customers",
        "SELECT email COLLATE nope FROM customers",
        "COPY (SELECT email, nope FROM customers) TO STDOUT",
        "EXPLAIN SELECT email, nope FROM customers",
        "DECLARE c CURSOR FOR SELECT email, nope FROM customers",
        "PREPARE p AS SELECT email, nope FROM customers",
    )

    def test_as_on_the_masked_copy(self):
        env = shared()
        with env.proxy.login() as client, env.direct(MASKED_COPY) as copy:
            for sql in self.STATEMENTS:
                for way in ("simple", "extended"):
                    with self.subTest(sql, way=way):
                        seen, true = (error_of(getattr(c, way)(sql)) for c in (client, copy))
                        self.assertEqual(seen.fields["M"], true.fields["M"])
                        self.assertEqual(seen.position, true.position)
                        self.assertIsNotNone(true.position)
            # Behind another statement of the text.
            sql = "SELECT email FROM customers LIMIT 0; SELECT 'ß', number, nope FROM cards"
            seen, true = (error_of(c.simple(sql)) for c in (client, copy))
            self.assertEqual((seen.fields["M"], seen.position), (true.fields["M"], true.position))

    def test_within_what_was_replaced(self):
        """A place that the client has not written is the relation's, for which it stands."""
        env = shared()
        env.sql("CREATE TABLE fading (id integer, email text, more text); "
                "GRANT SELECT ON fading TO vitrine_reader")
        self.addCleanup(env.sql, "DROP TABLE fading")
        proxy = env.another("fading", rules="""
    - columns: [public.fading.email]
      mask: email""")
        with proxy.login() as client:
            for sql in ("SELECT 'ß', email FROM fading AS f", "SELECT email FROM cards, public.fading"):
                self.assertNotIn("ErrorResponse", [m.name for m in client.simple(sql)])
            # Gone before vitrine has heard of it.
            env.sql("ALTER TABLE fading DROP COLUMN more")
            for sql, word in (("SELECT 'ß', email FROM fading AS f", "fading"),
                              ("SELECT email FROM cards, public.fading", "public.fading")):
                for way in ("simple", "extended"):
                    error = error_of(getattr(client, way)(sql))
                    self.assertEqual(error.sqlstate, "42703")
                    self.assertTrue(sql[error.position - 1:].startswith(word), error)
                    self.assertNotIn("pg_catalog", str(error.fields))


class Expressions(unittest.TestCase):
    """A mask that goes by a setting would show more of a value with each that a user tries."""

    # Every hour of the day begins a day somewhere.
    SESSIONS = [f"SET TimeZone = '<X>{hours:+}'" for hours in range(-12, 13)] + [
        "SET TimeZone = 'Asia/Manila'", "SET DateStyle = 'SQL, DMY'", "SET timezone_abbreviations = 'Australia'"]

    @classmethod
    def setUpClass(cls):
        cls.env = env = shared()
        env.sql("CREATE SCHEMA watch; CREATE TABLE watch.visits (id integer PRIMARY KEY, at timestamptz, day date); "
                "INSERT INTO watch.visits VALUES (1, '2026-01-31 14:23:42+00', '1844-12-31'); "
                "GRANT USAGE ON SCHEMA watch TO vitrine_reader; GRANT SELECT ON watch.visits TO vitrine_reader")
        cls.addClassCleanup(env.sql, "DROP SCHEMA watch CASCADE")

    def vitrine(self, name, column, expression):
        proxy = self.env.another(f"expression-{name}", rules=f"""
    - columns: [watch.visits.{column}]
      mask: {{expression: "{expression}"}}""")
        self.addCleanup(proxy.stop)
        return proxy

    def seen(self, proxy, column):
        """What is to be learnt of the one value, and what was refused."""
        values, refused = set(), {}
        with proxy.login() as client:
            for session in self.SESSIONS:
                client.simple("RESET TimeZone; RESET DateStyle; RESET timezone_abbreviations")
                client.simple(session)
                for m in client.simple(f"SELECT extract(epoch FROM {column}) FROM watch.visits"):
                    if m.name == "DataRow":
                        values.add(m.values[0])
                    elif m.name == "ErrorResponse":
                        refused = m.fields
        return values, refused

    def test_what_goes_by_a_setting_is_closed(self):
        for name, column, expression, why in (
                ("day", "at", "date_trunc('day', value)", "AT TIME ZONE 'UTC'"),
                ("cast", "at", "date_trunc('day', value AT TIME ZONE 'UTC')", "AT TIME ZONE 'UTC'"),
                ("zone", "at", "date_trunc('day', value AT TIME ZONE 'EST') AT TIME ZONE 'UTC'", "timezone_abbreviations"),
                ("date", "day", "date_trunc('year', value)", "TimeZone"),
                ("style", "day", "'01/02/2026'", "DateStyle")):
            with self.subTest(expression):
                proxy = self.vitrine(name, column, expression)
                values, refused = self.seen(proxy, column)
                self.assertEqual(values, set())
                self.assertEqual(refused["C"], "42501")
                self.assertIn(why, refused["D"])
                done = proxy.verb("check", "--connect", "--config", proxy.config)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                line = next(i for i, text in enumerate(proxy.config.read_text().splitlines(), 1)
                            if "watch.visits" in text)
                [said] = [text for text in done.stdout.splitlines()
                          if text.startswith(f"{proxy.config}:{line}:") and "watch.visits" in text]
                self.assertIn(why, said)

    def test_what_does_not_shows_one_value(self):
        for name, column, expression, epoch in (
                ("day-utc", "at", "date_trunc('day', value, 'UTC')", b"1769817600.000000"),
                ("day-at", "at", "date_trunc('day', value AT TIME ZONE 'Europe/Berlin') AT TIME ZONE 'UTC'",
                 b"1769817600.000000"),
                ("year", "day", "date_trunc('year', value::timestamp)", b"-3976214400")):
            with self.subTest(expression):
                proxy = self.vitrine(name, column, expression)
                self.assertEqual(self.seen(proxy, column), ({epoch}, {}))
                done = proxy.verb("check", "--connect", "--config", proxy.config)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_check_finds_what_is_no_sql(self):
        for expression, why in (("value +", "no SQL"), ("(SELECT 1)", "sub-select")):
            with self.subTest(expression):
                proxy = self.env.another(f"expression-{why[:2]}", start=False, rules=f"""
    - columns: [watch.visits.at]
      mask: {{expression: "{expression}"}}""")
                done = proxy.verb("check", "--config", proxy.config)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn("masking.rules[0].mask.expression cannot be used: it", done.stdout)
                self.assertIn(why, done.stdout)
