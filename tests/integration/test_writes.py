"""Nothing a user sends changes anything, on whatever path; and the session goes on as PostgreSQL's
own would after an error. The database itself is compared before and after."""

import re
import unittest

from environment import READ_ONLY, shared
from wire_client import (bind, describe, error_of, execute, names, parse, query, rows_of, sync)

# A statement, and the words one of which the error's position must point at. PostgreSQL refuses
# each of these in a READ ONLY transaction with 25006 as well (test_the_table_itself).
WRITES = [
    ("DELETE FROM library.loans", "DELETE"),
    ("  /* look */ -- here\n delete from only library.loans where true", "delete"),
    ("INSERT INTO library.authors (name) VALUES ('x')", "INSERT"),
    ("INSERT INTO library.authors (name) SELECT 'x' ON CONFLICT DO NOTHING RETURNING id", "INSERT"),
    ("UPDATE library.books SET price = 0 WHERE id = 1 RETURNING *", "UPDATE"),
    ("MERGE INTO library.books b USING library.authors a ON b.id = a.id "
     "WHEN MATCHED THEN DELETE", "MERGE"),
    ("TRUNCATE library.loans", "TRUNCATE"),
    ("WITH x AS (DELETE FROM library.loans RETURNING *) SELECT count(*) FROM x", "DELETE"),
    ("WITH x AS (SELECT 1), y AS (INSERT INTO library.authors (name) SELECT 'x') SELECT 1",
     "INSERT"),
    ("WITH x AS (UPDATE library.books SET lent = true RETURNING 1) TABLE x", "UPDATE"),
    ("WITH a AS (SELECT 1) DELETE FROM library.loans", "WITH|DELETE"),
    ("SELECT * INTO library.copy FROM library.books", "INTO|library.copy|copy"),
    ("SELECT 'é', 'ü' INTO library.copy", "INTO|library.copy|copy"),
    ("CREATE TABLE library.copy AS SELECT * FROM library.books", "CREATE"),
    ("CREATE TABLE library.made (id integer)", "CREATE"),
    ("CREATE TEMP TABLE made (id integer)", "CREATE"),
    ("CREATE VIEW library.made AS SELECT 1", "CREATE"),
    ("CREATE INDEX ON library.books (price)", "CREATE"),
    ("CREATE FUNCTION library.made() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE"),
    ("CREATE SCHEMA made", "CREATE"),
    ("ALTER TABLE library.books ADD COLUMN made integer", "ALTER"),
    ("DROP TABLE library.loans", "DROP"),
    ("COMMENT ON TABLE library.books IS 'mine'", "COMMENT"),
    ("GRANT SELECT ON library.books TO PUBLIC", "GRANT"),
    ("REVOKE SELECT ON library.books FROM vitrine_reader", "REVOKE"),
    ("REFRESH MATERIALIZED VIEW library.by_genre", "REFRESH"),
    ("SELECT * FROM library.books WHERE id = 1 FOR UPDATE", "FOR|UPDATE|SELECT"),
    ("SELECT * FROM (SELECT id FROM library.books FOR SHARE) x", "FOR|SHARE|SELECT"),
    ("SELECT nextval('library.shelf_marks')", "nextval"),
    ("SELECT setval('library.shelf_marks', 1)", "setval"),
    ("COPY library.authors (name) FROM STDIN", "COPY|FROM"),
    ("COPY (DELETE FROM library.loans RETURNING *) TO STDOUT", "DELETE"),
    ("COPY (WITH x AS (DELETE FROM library.loans RETURNING *) SELECT * FROM x) TO STDOUT",
     "DELETE"),
    ("EXPLAIN ANALYZE DELETE FROM library.loans", "DELETE"),
    ("EXPLAIN (COSTS off, ANALYZE on) WITH x AS (DELETE FROM library.loans RETURNING 1) "
     "SELECT * FROM x", "DELETE"),
]

# Refused as well, though PostgreSQL would let (some of) it through in a READ ONLY transaction, or
# refuses it for another reason.
NOT_READS = [
    "EXPLAIN ANALYZE CREATE TABLE library.copy AS SELECT * FROM library.books",
    "EXPLAIN ANALYZE SELECT * INTO library.copy FROM library.books",
    "EXPLAIN ANALYZE CREATE MATERIALIZED VIEW library.copy AS SELECT 1",
    "BEGIN READ WRITE",
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
    "SET TRANSACTION READ WRITE",
    "SET transaction_read_only = off",
    "SET LOCAL transaction_read_only TO 'off'",
    "SET default_transaction_read_only = off",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT pg_catalog.set_config('default_transaction' || '_read_only', 'off', false)",
    "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'transaction_read_only'",
    "VACUUM library.books", "ANALYZE library.books", "REINDEX TABLE library.books",
    "CLUSTER library.books USING books_pkey", "CHECKPOINT", "LOAD 'plpgsql'",
    "LOCK TABLE library.books", "LISTEN x", "NOTIFY x, 'y'", "SELECT pg_notify('x', 'y')",
    "DO $$ BEGIN DELETE FROM library.loans; END $$", "CALL library.nothing()",
    "ALTER SYSTEM SET work_mem = '1MB'", "SET ROLE shop_owner", "SET SESSION AUTHORIZATION shop_owner",
    "PREPARE TRANSACTION 'held'", "COPY library.books TO '/tmp/books'",
    "COPY library.books TO PROGRAM 'cat >/tmp/books'", "COPY library.authors FROM '/etc/passwd'",
    "COPY library.authors FROM PROGRAM 'id'",
    "SELECT lo_create(4711)", "SELECT lo_from_bytea(0, 'x')", "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/x')", "SELECT lo_put(1, 0, 'x')",
    "SELECT pg_advisory_lock(1)", "SELECT pg_try_advisory_xact_lock(1)",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "SELECT pg_cancel_backend(1)",
    "SELECT pg_reload_conf()", "SELECT pg_switch_wal()", "SELECT pg_create_restore_point('x')",
    "SELECT pg_logical_emit_message(true, 'x', 'y')", "SELECT pg_export_snapshot()",
    "SELECT txid_current()", "SELECT pg_current_xact_id()", "SELECT pg_stat_reset()",
    "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('.')", "SELECT * FROM pg_ls_logdir()",
    "SELECT query_to_xml('DELETE FROM library.loans', true, true, '')",
    "SELECT ts_stat('SELECT 1')", "SELECT pg_sleep(100)", "SELECT pg_sleep_for('1 hour')",
    "SELECT 1 WHERE pg_sleep(1) IS NULL", "SELECT library.fine(3)",
    "SELECT dblink_exec('dbname=shop', 'DELETE FROM library.loans')",
    "CREATE EXTENSION dblink", "IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z",
    "SECURITY LABEL ON TABLE library.books IS 'x'", "REASSIGN OWNED BY shop_owner TO postgres",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1 FOR UPDATE",
    "CREATE USER me SUPERUSER", "ALTER ROLE vitrine_reader SUPERUSER", "DROP OWNED BY vitrine_reader",
]

REFUSALS = ("25006", "42501", "0A000", "42883", "42P01", "42703", "42704", "3F000")


def sqlstates_of(sql):
    """25006; of a function, that the policy forbids it is as good an answer."""
    return ("25006", "42501") if "val(" in sql else ("25006",)


def token_at(sql, position):
    return re.match(r'[\w.]+', sql[position - 1:])


class Writes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.proxy
        cls.before = cls.env.dump()
        cls.sent = []

    def setUp(self):
        self.client = self.proxy.login()
        self.addCleanup(self.client.close)

    def refused(self, messages, sql, words=None, shift=0):
        error = error_of(messages)
        self.assertEqual(error.fields["S"], "ERROR")
        self.assertIn(error.sqlstate, sqlstates_of(sql), error)
        self.assertEqual(rows_of(messages), [])
        self.assertTrue(error.fields.get("M"))
        self.assertTrue(error.fields.get("H"), "the way out belongs to a refusal")
        if words:
            self.assertIsNotNone(error.position, error)
            found = token_at(sql, error.position - shift)
            self.assertTrue(found and re.match(rf"({words})\b", found[0], re.I),
                            f"position {error.position} of {sql!r}")
        self.sent.append(sql)

    def still_works(self, client=None):
        messages = (client or self.client).simple("SELECT 1")
        self.assertEqual(rows_of(messages), [[b"1"]])
        self.assertEqual(messages[-1].status, "I")

    def test_the_table_itself(self):
        """PostgreSQL refuses each of WRITES in a READ ONLY transaction with 25006, as superuser."""
        from wire_client import WireClient, client_context
        for sql, _ in WRITES:
            with self.subTest(sql), WireClient(self.env.database.port) as client:
                client.start_tls(client_context())
                client.login("postgres", "shop", self.env.database.password, options=READ_ONLY)
                self.assertEqual(error_of(client.simple(sql)).sqlstate, "25006")

    def test_simple(self):
        for sql, words in WRITES:
            with self.subTest(sql):
                messages = self.client.simple(sql)
                self.refused(messages, sql, words)
                self.assertEqual(messages[-1].status, "I")
        self.still_works()

    def test_second_of_one_query(self):
        for sql, words in WRITES:
            with self.subTest(sql):
                first = "SELECT 'é', 2; "
                messages = self.client.simple(first + sql)
                error = error_of(messages)
                self.assertIn(error.sqlstate, sqlstates_of(sql))
                found = token_at(first + sql, error.position)
                self.assertTrue(found and re.match(rf"({words})\b", found[0], re.I), error)
                # As PostgreSQL would: what stood before has run, what stands behind has not.
                self.assertEqual(rows_of(messages), [["é".encode(), b"2"]])
                self.assertEqual(messages[-1].status, "I")
                self.assertEqual(rows_of(self.client.simple(f"{sql}; SELECT 3")), [])
        self.still_works()

    def test_extended(self):
        for sql, words in WRITES:
            with self.subTest(sql):
                messages = self.client.extended(sql)
                self.refused(messages, sql, words)
                self.assertEqual(messages[-1].status, "I")
        self.still_works()

    def test_pipelined_with_a_read_behind(self):
        for sql, words in WRITES:
            with self.subTest(sql):
                self.client.send(
                    parse("SELECT 1"), bind(), execute(), parse(sql), bind(), execute(),
                    parse("SELECT 2"), bind(), execute(), sync(), parse("SELECT 3"), bind(),
                    execute(), sync())
                first = self.client.receive_until("ReadyForQuery")
                second = self.client.receive_until("ReadyForQuery")
                self.assertIn(error_of(first).sqlstate, sqlstates_of(sql))
                self.assertEqual(rows_of(first), [[b"1"]])
                self.assertEqual(rows_of(second), [[b"3"]])
        self.still_works()

    def test_prepared(self):
        for number, (sql, words) in enumerate(WRITES):
            with self.subTest(sql):
                name = f"w{number}"
                self.client.simple("ROLLBACK")
                self.client.send(parse(sql, name), describe("S", name), sync())
                self.refused(self.client.receive_until("ReadyForQuery"), sql, words)
                self.client.send(bind(statement=name), execute(), sync())
                messages = self.client.receive_until("ReadyForQuery")
                self.assertEqual(error_of(messages).sqlstate, "26000")
                prefix = f"PREPARE {name} AS "
                if re.match(r"\s*(/\*.*\*/ -- here\n )?"
                            r"(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES)", sql, re.I):
                    messages = self.client.simple(prefix + sql)
                    self.refused(messages, sql, words, shift=len(prefix))
                    self.assertEqual(error_of(self.client.simple(f"EXECUTE {name}")).sqlstate,
                                     "26000")
        self.still_works()

    def test_in_a_transaction_as_postgresql(self):
        """The state after a refusal, step by step beside a server in READ ONLY."""
        for path in ("simple", "extended"):
            for sql, _ in WRITES:
                if sql.startswith("COPY library.authors"):
                    continue  # COPY FROM STDIN is refused before it starts on both; same state
                with self.subTest(sql, path=path), self.env.direct() as direct:
                    statuses = []
                    for client in (self.client, direct):
                        seen = []
                        for text in ("BEGIN", "SELECT 1", sql, "SELECT 2", "SAVEPOINT x",
                                     "ROLLBACK", "SELECT 3"):
                            step = client.simple if path == "simple" or text != sql \
                                else client.extended
                            messages = step(text)
                            errors = [m.sqlstate for m in messages if m.name == "ErrorResponse"]
                            if text == sql and len(errors) == 1:
                                errors = ["refused"]  # directly, privileges may come first
                            seen.append((text, messages[-1].status, errors, rows_of(messages)))
                        statuses.append(seen)
                    self.assertEqual(statuses[0], statuses[1])

    def test_savepoint_survives(self):
        for sql in ("DELETE FROM library.loans", "SELECT lo_create(1)"):
            with self.subTest(sql):
                self.client.simple("BEGIN")
                self.client.simple("SAVEPOINT a")
                messages = self.client.simple(sql)
                self.assertEqual(messages[-1].status, "E")
                self.assertEqual(self.client.simple("ROLLBACK TO a")[-1].status, "T")
                self.assertEqual(rows_of(self.client.simple("SELECT 7")), [[b"7"]])
                self.assertEqual(self.client.simple("COMMIT")[-1].status, "I")

    def test_refused_in_an_implicit_transaction_of_several(self):
        messages = self.client.simple("BEGIN; SELECT 1; DELETE FROM library.loans; COMMIT")
        self.assertEqual(error_of(messages).sqlstate, "25006")
        self.assertEqual(messages[-1].status, "E")
        self.client.simple("ROLLBACK")
        self.still_works()

    def test_not_reads(self):
        for sql in NOT_READS:
            for path in (self.client.simple, self.client.extended):
                with self.subTest(sql, path=path.__name__):
                    if path.__name__ == "extended" and "; " in sql and "$$" not in sql:
                        continue
                    messages = path(sql)
                    error = error_of(messages)
                    self.assertIn(error.sqlstate, REFUSALS, error)
                    self.assertEqual(messages[-1].status, "I")
                    self.assertNotIn("CopyInResponse", names(messages))
                    self.sent.append(sql)
        self.still_works()
        self.assertEqual(rows_of(self.client.simple("SHOW transaction_read_only")), [[b"on"]])
        self.assertEqual(rows_of(self.client.simple("SHOW default_transaction_read_only")),
                         [[b"on"]])

    def test_read_only_stays_after_resets(self):
        self.hashes = set()
        with self.proxy.login() as client:
            client.simple("SET DateStyle = 'German'")
            for sql in ("RESET ALL", "DISCARD ALL", "RESET default_transaction_read_only",
                        "SET default_transaction_read_only TO DEFAULT", "RESET SESSION AUTHORIZATION",
                        "RESET ROLE", "BEGIN; COMMIT AND CHAIN; COMMIT",
                        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"):
                with self.subTest(sql):
                    client.simple(sql)
                    self.assertEqual(rows_of(client.simple("SHOW transaction_read_only")), [[b"on"]])
                    client.simple("ROLLBACK")
                    # The key of the masks is still there, and still nobody's.
                    hashed = rows_of(client.simple("SELECT ssn FROM public.customers "
                                                   "WHERE id OPERATOR(pg_catalog.=) 1"))
                    self.assertRegex(hashed[0][0].decode(), r"^h_[0-9a-f]{16}$")
                    self.hashes.add(hashed[0][0])
                    self.assertEqual(error_of(client.simple("SHOW vitrine.mask_key")).sqlstate,
                                     "42501")
            self.assertEqual(len(self.hashes), 1)
            for name, value in (("standard_conforming_strings", b"on"), ("client_encoding", b"UTF8"),
                                ("DateStyle", b"ISO, MDY")):
                self.assertEqual(rows_of(client.simple(f"SHOW {name}")), [[value]])

    def test_belt_and_braces(self):
        """Even what vitrine forwards runs in a session that the server holds read-only."""
        with self.proxy.login(application_name="pinned"):
            seen = self.env.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'vitrine_reader'")
            self.assertEqual(seen, "f")

    def test_comments_and_spelling_do_not_hide(self):
        for sql in ("/*;*/DELETE/**/FROM/**/library.loans", "dElEtE fRoM library.loans",
                    "(((SELECT 1)))\n;\n;DELETE FROM library.loans",
                    "--x\rDELETE FROM library.loans", "\ufeffDELETE FROM library.loans",
                    ";;DELETE FROM library.loans;;", "/* a /* nested */ b */DELETE FROM library.loans",
                    "SELECT 1;DELETE FROM library.loans--", "\x0cDELETE FROM library.loans",
                    "SELECT $a$ $a$;DELETE FROM library.loans",
                    "SELECT 'it''s';DELETE FROM library.loans",
                    "SELECT E'\\';DELETE FROM library.loans --'; DELETE FROM library.loans"):
            with self.subTest(sql):
                messages = self.client.simple(sql)
                self.assertIn(error_of(messages).sqlstate, ("25006", "42601"), messages)
        self.still_works()

    def test_zz_nothing_has_changed(self):
        """Last of this class: whatever was tried above, the database is what it was."""
        self.assertEqual(self.env.dump(), self.before)
        for path in ("/tmp/books", "/tmp/x"):
            with self.assertRaises(FileNotFoundError):
                open(path)

    def test_zz_each_refusal_is_on_record(self):
        recorded = [r for r in self.proxy.statements() if r["verdict"] == "reject"]
        texts = " ".join(r.get("sql", "") for r in recorded)
        self.assertGreater(len(self.sent), 100)
        for sql in set(self.sent):
            self.assertIn(sql, texts)
        self.assertTrue(all(r["rule"] for r in recorded))


class SettingsThatMatter(unittest.TestCase):
    """What the session is pinned to cannot be moved, whichever way it is said."""

    PINNED = [
        ("standard_conforming_strings", "off"), ("backslash_quote", "on"),
        ("client_encoding", "SJIS"), ("client_encoding", "BIG5"), ("client_encoding", "GBK"),
        ("client_encoding", "GB18030"), ("client_encoding", "UHC"),
        ("session_replication_role", "replica"), ("row_security", "off"), ("role", "shop_owner"),
        ("transform_null_equals", "on"), ("vitrine.mask_key", "mine"), ("log_statement", "none"),
        ("allow_system_table_mods", "on"), ("local_preload_libraries", "x"),
    ]

    def test_pinned(self):
        with shared().proxy.login() as client:
            before = {}
            for name, value in self.PINNED:
                if name != "vitrine.mask_key":
                    before[name] = rows_of(client.simple(f"SHOW {name}"))
            for name, value in self.PINNED:
                for sql in (f"SET {name} = '{value}'", f"SET LOCAL {name} TO '{value}'",
                            f'SET SESSION "{name.upper()}" = \'{value}\'',
                            f"SELECT set_config('{name}', '{value}', false)",
                            f"BEGIN; SET {name} = '{value}'; COMMIT"):
                    with self.subTest(sql):
                        messages = client.simple(sql)
                        client.simple("ROLLBACK")
                        if name != "vitrine.mask_key":
                            self.assertEqual(rows_of(client.simple(f"SHOW {name}")), before[name])
                        if name != "row_security":  # pg_dump sends it; it may be answered and kept
                            self.assertTrue([m for m in messages if m.name == "ErrorResponse"])
            for sql in ("SET NAMES 'SJIS'", "SET CLIENT_ENCODING TO big5"):
                with self.subTest(sql):
                    self.assertIn(error_of(client.simple(sql)).sqlstate, REFUSALS + ("22023",))
            # All spellings of the same encoding are fine.
            for value in ("UTF8", "utf-8", "unicode", "SQL_ASCII", "LATIN1"):
                with self.subTest(value):
                    client.simple(f"SET client_encoding = '{value}'")
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])
