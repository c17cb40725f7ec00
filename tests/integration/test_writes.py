"""Nothing a user sends changes anything, on whatever path; and the session goes on as PostgreSQL's
own would after an error. The database itself is compared before and after."""

import collections
import re
import secrets
import subprocess
import unittest

from environment import (DATABASE, HERE, READ_ONLY, Authority, Environment, PostgresServer,
                         WireClient, client_context, shared)
from wire_client import (bind, describe, error_of, execute, function_call, message, names, parse,
                         query, rows_of, string, sync)

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
        ("session_replication_role", "replica"), ("role", "shop_owner"),
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


# --- the table ------------------------------------------------------------------------------------

class Attack:
    """An entry of writes.txt."""

    def __init__(self, family, options, sql, refused, server):
        self.family, self.sql, self.refused, self.server = family, sql, refused, server
        self.path, self.role = options.get("path"), options.get("role")
        self.several, self.writes = "simple" in options, "writes" in options
        self.values = ()
        if "values" in options:
            self.sql, _, values = sql.partition(" <- ")
            self.values = values.split(", ")

    def __repr__(self):
        return f"{self.family}: {self.sql}"


def attacks(**places):
    """All entries of writes.txt, with @name@ filled in."""
    text = (HERE / "writes.txt").read_text()
    for name, value in places.items():
        text = text.replace(f"@{name}@", str(value))
    found, heading = [], None
    # A statement's further lines are indented.
    for entry in re.split(r"\n(?!    )", text):
        if not entry.strip() or entry.startswith("#"):
            continue
        if entry.startswith("== "):
            family, sqlstate, *options = entry[3:].split(" | ")
            heading = (family, dict(o.partition("=")[::2] for o in options), sqlstate)
            continue
        family, options, sqlstate = heading
        refused, server = (sqlstate,), None
        while match := re.match(r"\[(server )?([^\]]*)\] ", entry):
            entry = entry[match.end():]
            if match[1]:
                server = match[2].partition(":")[0]
            else:
                refused = tuple(match[2].split(", "))
        found.append(Attack(family, options, entry.replace("\n    ", "\n"), refused, server))
    return found


# Volatile functions of PostgreSQL's own that only read. All others must be refused.
READING = set("""
    pg_advisory_unlock_all
    random clock_timestamp timeofday gen_random_uuid txid_status pg_xact_status
    pg_relation_size pg_table_size pg_indexes_size pg_total_relation_size pg_database_size
    pg_tablespace_size pg_lock_status pg_blocking_pids pg_safe_snapshot_blocking_pids
    pg_partition_tree pg_partition_ancestors pg_is_in_recovery pg_is_wal_replay_paused
    pg_get_wal_replay_pause_state pg_last_wal_receive_lsn pg_last_wal_replay_lsn
    pg_last_xact_replay_timestamp pg_current_wal_lsn pg_current_wal_insert_lsn
    pg_current_wal_flush_lsn pg_get_wal_resource_managers pg_stat_get_xact_blocks_fetched
    pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls
    pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time
    pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched
    pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted
    pg_stat_get_xact_tuples_returned pg_stat_get_xact_tuples_updated pg_stat_have_stats
    pg_stat_get_recovery_prefetch pg_notification_queue_usage pg_xact_commit_timestamp
    pg_xact_commit_timestamp_origin pg_last_committed_xact pg_collation_actual_version
    pg_database_collation_actual_version amvalidate pg_jit_available pg_current_logfile
    pg_get_multixact_members pg_show_replication_origin_status pg_control_checkpoint
    pg_control_init pg_control_recovery pg_control_system pg_get_shmem_allocations""".split())

# What only looks like an attack of the table, and must be answered: the search_path, and a query.
ONLY_LOOKS_LIKE_IT = [
    (None, "SELECT upper('x'), abs(3), count(*), now() FROM trap.plain WHERE id = 1"),
    (None, "SELECT (5).text, ('5'::text).varchar"),
    (None, "SELECT DISTINCT ON (p.name) * FROM trap.plain p JOIN trap.plain q USING (id) "
           "ORDER BY p.name, id IN (1, 2), p.name LIKE 'n%'"),
    (None, "SELECT value FROM jsonb_each('{\"a\": 1}') ORDER BY value"),
    (None, "SELECT count(*) FROM trap.usual WHERE id = 3 AND name = 'x'"),
    (None, "SELECT 'DELETE FROM trap.plain' AS \"INSERT INTO\" -- ; DROP TABLE trap.plain"),
    (None, "SELECT $$; DELETE FROM trap.plain; $$"),
    (None, "SELECT E'\\'; DELETE FROM trap.plain; --'"),
    (None, "TABLE trap.written"),
    (None, "SELECT * FROM trap.counter"),
    (None, "WITH write AS (SELECT 1 AS nextval) SELECT nextval FROM write"),
    ("trap, pg_catalog", "SELECT pg_catalog.upper('x'::pg_catalog.text)"),
    ("trap, pg_catalog", "SELECT id FROM plain WHERE id OPERATOR(pg_catalog.=) 1"),
    ("trap, pg_catalog", "SELECT length('x'::pg_catalog.varchar)"),
    ("pg_catalog, trap", "SELECT upper('x'), abs(3), '5'::text, 1 = 1, name LIKE 'n' FROM plain"),
]

# What a dump does not show, one query a line of the fingerprint. The counters of WAL and of
# transactions are looked at apart.
BESIDE_THE_DUMP = {
    "databases": "SELECT datname, datacl FROM pg_database ORDER BY 1",
    "settings of databases and roles": "SELECT * FROM pg_db_role_setting ORDER BY 1, 2",
    "files of relations": "SELECT oid, relfilenode, reltablespace, relpages, reltuples, "
                          "relallvisible, relfrozenxid, relminmxid FROM pg_class ORDER BY 1",
    "statistics": "SELECT md5(string_agg(s::text, ',' ORDER BY starelid, staattnum, stainherit)) "
                  "FROM pg_statistic s",
    "large objects": "SELECT oid, lomowner, lomacl FROM pg_largeobject_metadata ORDER BY 1",
    "collations": "SELECT count(*) FROM pg_collation",
    "types of temporary schemas": "SELECT nspname FROM pg_namespace ORDER BY 1",
    "locks": "SELECT locktype, mode, objid FROM pg_locks WHERE locktype = 'advisory' "
             "OR locktype = 'relation' AND mode <> 'AccessShareLock'",
    "prepared transactions": "SELECT gid FROM pg_prepared_xacts",
    "replication slots": "SELECT slot_name FROM pg_replication_slots",
    "replication origins": "SELECT roname FROM pg_replication_origin",
    "subscriptions": "SELECT subname FROM pg_subscription",
    "resets of statistics": "SELECT stats_reset FROM pg_stat_database UNION ALL "
                            "SELECT stats_reset FROM pg_stat_bgwriter UNION ALL "
                            "SELECT stats_reset FROM pg_stat_slru UNION ALL "
                            "SELECT stats_reset FROM pg_stat_wal UNION ALL "
                            "SELECT stats_reset FROM public.pg_stat_statements_info",
    "configuration": "SELECT name, setting, error FROM pg_file_settings",
    "configuration loaded": "SELECT pg_conf_load_time()",
    "checkpoint": "SELECT checkpoint_lsn FROM pg_control_checkpoint()",
}


class Ground(Environment):
    """A server to be spoilt, and a vitrine whose service role is its superuser: nothing but vitrine
    itself stands before it, and the read-only mode that every session is pinned to."""

    def _build(self):
        self.mask_key = secrets.token_hex(32)
        database_authority = Authority(self.path, "database", "test database CA")
        self.authority = Authority(self.path, "proxy", "test proxy CA")
        self.database = PostgresServer(
            self.path, database_authority, hba=("local all all trust",),
            settings={"max_prepared_transactions": 5, "wal_level": "logical", "autovacuum": "off",
                      "shared_preload_libraries": "pg_stat_statements",
                      "allow_in_place_tablespaces": "on", "checkpoint_timeout": "1h"})
        self.reader_password = self.database.password
        self.database.start()
        self.database.sql(f"CREATE DATABASE {DATABASE}")
        for name in ("schema.sql", "library.sql", "writes.sql"):
            self.database.load(HERE / name, DATABASE)
        self.exchange = self.database.root / "exchange"
        self.exchange.mkdir()
        self.database._hand_over(self.exchange)
        # The same with the rights of somebody whom row security concerns.
        self.database.sql("GRANT pg_read_all_data TO trap_reader; ALTER ROLE trap_reader LOGIN "
                          f"PASSWORD '{self.reader_password}'", DATABASE)
        for database in (DATABASE, "postgres"):
            self.database.sql("VACUUM (FREEZE)", database)
        self.database.sql("CHECKPOINT")
        self.proxy = self.another("main", user="postgres")
        self.reader_proxy = self.another("reader", user="trap_reader")

    def attacks(self):
        return attacks(dir=self.exchange, server=f"host={self.database.root} dbname={DATABASE} "
                                                 f"port={self.database.port} user=postgres")

    def superuser(self):
        client = WireClient(self.database.port)
        client.start_tls(client_context())
        client.login("postgres", DATABASE, self.database.password)
        return client

    def fingerprint(self):
        """Everything that may not change, by name."""
        found = {"dump": self.dump(), "files": sorted(p.name for p in self.exchange.iterdir())}
        done = subprocess.run(["pg_dumpall", "--globals-only"], check=True, text=True,
                              env=self.database.environment(DATABASE), stdout=subprocess.PIPE)
        found["globals"] = [line for line in done.stdout.splitlines()
                            if not line.startswith(("\\restrict", "\\unrestrict"))]
        with self.superuser() as client:
            for name, sql in BESIDE_THE_DUMP.items():
                messages = client.simple(sql)
                assert "ErrorResponse" not in names(messages), (sql, messages)
                found[name] = rows_of(messages)
        return found

    def counters(self):
        """The next transaction id, and where the WAL ends."""
        return self.sql("SELECT pg_snapshot_xmax(pg_current_snapshot()), "
                        "pg_current_wal_insert_lsn()").split("|")


class TheTable(unittest.TestCase):
    """writes.txt, and every volatile function of the server's."""

    @classmethod
    def setUpClass(cls):
        cls.ground = Ground()
        cls.addClassCleanup(cls.end)
        cls.table = cls.ground.attacks()
        cls.sent = collections.Counter()
        cls.before = cls.ground.fingerprint()
        cls.xid, cls.lsn = cls.ground.counters()

    @classmethod
    def end(cls):
        problems = cls.ground.stop()
        if problems:
            raise AssertionError(problems)

    def setUp(self):
        self.client, self.path = None, None
        self.addCleanup(lambda: self.client and self.client.close())

    def session(self, path):
        """A session with that search_path; a new one where the last was left in doubt."""
        if self.client is None:
            self.client, self.path = self.proxy.login(), None
        if path != self.path:
            done = self.client.simple("RESET search_path" if path is None
                                      else f"SET search_path = {path}")
            self.assertNotIn("ErrorResponse", names(done))
            self.path = path
        return self.client

    def each(self, table, attempt):
        """Makes the attempt with each attack, in one session as long as all goes well."""
        for self.proxy in (self.ground.proxy, self.ground.reader_proxy):
            self.client = self.client and self.client.close()
            for attack in table:
                if (attack.role is not None) != (self.proxy is self.ground.reader_proxy):
                    continue
                with self.subTest(attack):
                    client, self.client = self.session(attack.path), None
                    self.addCleanup(client.close)
                    attempt(attack, client)
                    self.client = client

    def send(self, client, *batch):
        """Sends all at once, and a query that must still be answered behind it; gives the
        messages, one list for each ReadyForQuery."""
        client.send(*batch, query("SELECT 'goes on'"))
        answers = []
        while not answers or rows_of(answers[-1]) != [[b"goes on"]]:
            answers.append(client.receive_until("ReadyForQuery", "CopyInResponse"))
            self.assertNotIn("CopyInResponse", names(answers[-1]))
            self.assertLessEqual(len(answers), len(batch) + 1)
        self.assertEqual(answers[-1][-1].status, "I")
        return answers[:-1]

    def refused(self, attack, messages, status="I"):
        error = error_of(messages)
        self.assertEqual(error.fields["S"], "ERROR")
        self.assertIn(error.sqlstate, attack.refused, error)
        self.assertEqual(messages[-1].status, status)
        self.sent[attack.sql] += 1

    def test_a_simple(self):
        def attempt(attack, client):
            # A text of several statements may have begun a transaction.
            answers = self.send(client, query(attack.sql), query("ROLLBACK"))
            self.refused(attack, answers[0], answers[0][-1].status if attack.several else "I")
        self.each([a for a in self.table if not a.values], attempt)

    def test_b_extended(self):
        """Refused where it is parsed, so that there is nothing to bind."""
        def attempt(attack, client):
            at_once, parsed, bound = self.send(
                client, parse(attack.sql), bind(values=attack.values), describe("P"), execute(),
                sync(), parse(attack.sql, "attack"), sync(),
                bind(statement="attack", values=attack.values), execute(), sync())
            self.refused(attack, at_once)
            self.assertEqual(names(at_once), ["ErrorResponse", "ReadyForQuery"])
            self.refused(attack, parsed)
            self.assertEqual(error_of(bound).sqlstate, "26000")
        self.each([a for a in self.table if not a.several], attempt)

    def test_c_several_are_for_the_simple_protocol(self):
        def attempt(attack, client):
            client.send(parse(attack.sql), bind(), execute(), sync())
            self.assertEqual(error_of(client.receive_until("ReadyForQuery")).sqlstate, "42601")
        self.each([a for a in self.table if a.several], attempt)

    def test_d_inside_of_other_statements(self):
        """A query or a write of the table stays what it is inside of another statement."""
        around = ("EXPLAIN ANALYZE {}", "PREPARE attack AS {}", "COPY ({}) TO STDOUT",
                  "DECLARE c CURSOR FOR {}", "WITH w AS ({}) SELECT 1", "SELECT EXISTS ({})",
                  "SELECT 1 UNION ALL ({})")

        def attempt(attack, client):
            for form in around:
                sql = form.format(attack.sql)
                error = error_of(self.send(client, query(sql))[0])
                # 42601: the grammar has no place for it there.
                self.assertIn(error.sqlstate, attack.refused + ("42601", "0A000"), sql)
                self.sent[sql] += 1
        self.each([a for a in self.table if not a.several and not a.values and a.server is None
                   and re.match(r"(SELECT|VALUES|TABLE|INSERT|UPDATE|DELETE|MERGE)\b", a.sql)],
                  attempt)

    def test_f_every_volatile_function(self):
        """Those the server has, whatever they are: called with NULLs of the right types."""
        rows = self.ground.sql(
            "SELECT quote_ident(p.proname), p.oid, p.prokind, COALESCE((SELECT string_agg("
            "  CASE WHEN p.provariadic <> 0 AND n = p.pronargs THEN 'VARIADIC ' ELSE '' END || "
            "  CASE WHEN t.typtype = 'p' THEN 'NULL' "
            "  ELSE 'NULL::' || format_type(t.oid, NULL) END, ', ' ORDER BY n) "
            "  FROM unnest(p.proargtypes) WITH ORDINALITY AS a(type, n) "
            "  JOIN pg_type t ON t.oid = a.type), '') "
            "FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace "
            "AND p.provolatile = 'v' AND p.oid < 16384 AND p.prokind IN ('f', 'p') "
            "AND NOT 'internal'::regtype = ANY (p.proargtypes) "
            "ORDER BY p.oid").splitlines()
        calls = []
        for row in rows:
            name, oid, kind, arguments = row.split("|")
            if name not in READING:
                calls.append(f"pg_catalog.{name}({arguments})")
        self.assertGreater(len(calls), 150)
        table = []
        for call in calls:
            for form in ("SELECT {}", "SELECT * FROM {} AS x", "SELECT 1 WHERE {} IS NULL"):
                table.append(Attack("volatile", {}, form.format(call), ("42501",), None))

        def attempt(attack, client):
            simple, extended = self.send(client, query(attack.sql), parse(attack.sql), bind(),
                                         execute(), sync())
            self.refused(attack, simple)
            self.refused(attack, extended)
        self.each(table, attempt)
        # That they are calls: the server can plan each, or has a reason of its own.
        with self.ground.superuser() as client:
            for call in calls:
                messages = client.simple(f"EXPLAIN SELECT {call}")
                for error in (m for m in messages if m.name == "ErrorResponse"):
                    self.assertNotIn(error.sqlstate, ("42601", "42883", "42725", "42P01"),
                                     (call, error))

    def test_e_what_only_looks_like_it(self):
        with self.ground.proxy.login() as client:
            for path, sql in ONLY_LOOKS_LIKE_IT:
                client.simple("RESET search_path" if path is None else f"SET search_path = {path}")
                for answer in (client.simple(sql), client.extended(sql)):
                    with self.subTest(sql):
                        self.assertEqual([m for m in answer if m.name == "ErrorResponse"], [])

    def test_g_function_call_message(self):
        rows = self.ground.sql(
            "SELECT oid FROM pg_proc WHERE oid < 16384 AND provolatile = 'v' "
            "AND proname ~ '^(lo_|lo(read|write)|nextval|setval|set_config|pg_(notify|advisory|try|"
            "terminate|cancel|read|reload|switch|logical)|query_to_xml|txid_current)' UNION ALL "
            "SELECT oid FROM pg_proc WHERE pronamespace = 'trap'::regnamespace UNION ALL "
            "SELECT 'pg_catalog.length(text)'::regprocedure").split()
        self.assertGreater(len(rows), 80)
        with self.ground.proxy.login() as client:
            for oid in rows:
                with self.subTest(oid=oid):
                    client.send(function_call(int(oid), b"x"))
                    messages = client.receive_until("ReadyForQuery")
                    self.assertEqual(error_of(messages).sqlstate, "0A000")
                    self.assertEqual(messages[-1].status, "I")
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])

    def test_h_startup_packet(self):
        refused = [{"options": text} for text in (
            "-c default_transaction_read_only=off", "-cdefault_transaction_read_only=off",
            "--default_transaction_read_only=off", "--default-transaction-read-only=off",
            "-c transaction_read_only=off", "-c session_replication_role=replica",
            "-c standard_conforming_strings=off", "-c client_encoding=SJIS", "-c role=trap_reader",
            "-c session_authorization=trap_reader", "-c search_path=pg_temp",
            "-c search_path=trap,pg_temp", "-c vitrine.mask_key=mine", "-c log_statement=none",
            "-c allow_system_table_mods=on", "-c local_preload_libraries=x",
            "-c geqo=off -c default_transaction_read_only=off", "-c TimeZone=UTC\t-c\\ role=x",
            "-c default_transaction_read_only\\=off", "-O", "-P", "-f s", "-d 5", "-E", "-j",
            "-r /tmp/x", "-S 100", "-t pa", "-v 3", "-W 5", "-F", "-B 100", "-e")]
        refused += [{name: value} for name, value in (
            ("default_transaction_read_only", "off"), ("DEFAULT_TRANSACTION_READ_ONLY", "off"),
            ("transaction_read_only", "off"), ("session_replication_role", "replica"),
            ("standard_conforming_strings", "off"), ("client_encoding", "SJIS"),
            ("role", "trap_reader"), ("session_authorization", "trap_reader"),
            ("search_path", "pg_temp"), ("search_path", '"pg_temp", trap'),
            ("vitrine.mask_key", "mine"), ("log_statement", "none"),
            ("backslash_quote", "on"), ("replication", "true"), ("replication", "database"),
            ("replication", "on"), ("replication", "1"), ("replication", "yes"))]
        token = self.ground.proxy.token("ada", DATABASE)
        for parameters in refused:
            with self.subTest(parameters), self.ground.proxy.connect() as client:
                messages = client.login("ada", DATABASE, token, **parameters)
                error = error_of(messages)
                self.assertEqual((messages[-1].name, error.fields["S"]), ("ErrorResponse", "FATAL"))

    def test_w_each_refusal_is_on_record(self):
        recorded = collections.Counter()
        for proxy in (self.ground.proxy, self.ground.reader_proxy):
            for record in proxy.statements():
                if record["verdict"] == "reject":
                    self.assertTrue(record["rule"])
                    recorded[record["sql"]] += 1
        self.assertGreater(len(self.sent), 2500)
        # A statement stands there without its semicolon.
        self.sent = collections.Counter({sql.strip("; "): n for sql, n in self.sent.items()})
        several = [a.sql for a in self.table if a.several]
        for sql, times in self.sent.items():
            with self.subTest(sql):
                if sql in several:
                    # On record is the statement of the text that was refused.
                    self.assertTrue(any(r and r in sql for r in recorded), sql)
                else:
                    self.assertGreaterEqual(recorded[sql], times)

    def test_x_nothing_has_changed(self):
        xid, lsn = self.ground.counters()
        self.assertEqual(xid, self.xid, "a transaction id was taken")
        if lsn != self.lsn:
            # What the server writes by itself from time to time.
            written = self.ground.sql(
                "SELECT resource_manager, record_type, count(*) "
                f"FROM public.pg_get_wal_records_info('{self.lsn}', '{lsn}') "
                "WHERE record_type <> 'RUNNING_XACTS' GROUP BY 1, 2")
            self.assertEqual(written, "")
        after = self.ground.fingerprint()
        self.assertEqual(after.keys(), self.before.keys())
        for name, was in self.before.items():
            with self.subTest(name):
                self.assertEqual(after[name], was)

    def test_y_nobody_hears(self):
        """No session through vitrine has come to listen, or hears what is sent."""
        with self.ground.proxy.login() as client, self.ground.superuser() as server:
            for sql in ("LISTEN x", 'LISTEN "X"'):
                client.simple(sql)
                client.extended(sql)
            self.assertEqual(rows_of(client.simple("SELECT pg_listening_channels()")), [])
            server.simple("NOTIFY x, 'payload'")
            self.assertNotIn("NotificationResponse", names(client.simple("SELECT 1")))

    def test_z_the_attacks_are_real(self):
        """Directly, without a READ ONLY: each succeeds, or fails as its entry says. Last, for what
        it leaves behind."""
        client = None
        for attack in self.table:
            with self.subTest(attack):
                if client is None:
                    client = self.ground.superuser()
                server, client = client, None
                self.addCleanup(server.close)
                found, written = self.directly(server, attack, ("BEGIN",))
                if found in ("25001", "2D000") and attack.server != found:
                    # Not inside of a transaction block.
                    found, written = self.directly(server, attack, ())
                self.assertEqual(found, attack.server)
                if attack.writes and attack.server is None:
                    self.assertGreater(written, 0)
                client = server
        client.close()

    @staticmethod
    def directly(server, attack, before):
        """The SQLSTATE it fails with, and how many rows it put into trap.written."""
        counted = "SELECT pg_catalog.count(*) FROM trap.written"
        texts = list(before)
        if attack.path:
            texts.append(f"SET search_path = {attack.path}")
        if attack.role:
            texts.append(f"SET ROLE {attack.role}")
        had = rows_of(server.simple("; ".join([*texts, counted])))
        if attack.values:
            server.send(parse(attack.sql), bind(values=attack.values), execute(), sync())
        else:
            server.send(query(attack.sql))
        messages = server.receive_until("ReadyForQuery", "CopyInResponse")
        found = [m.sqlstate for m in messages if m.name == "ErrorResponse"]
        if messages[-1].name == "CopyInResponse":
            server.send(message(b"f", string("enough")))
            server.receive_until("ReadyForQuery")
            found = ["copy"]
        after = (counted, "ROLLBACK", "RESET SESSION AUTHORIZATION", "DISCARD ALL")
        server.send(*(query(sql) for sql in after))
        has = [rows_of(server.receive_until("ReadyForQuery")) for _ in after][0]
        # No rows: the transaction has failed.
        written = int(has[0][0]) - int(had[0][0]) if has else 0
        return (found[0] if found else None), written
