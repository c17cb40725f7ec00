"""Server connections that wait for the next session of the same user (server_idle): faster, and nothing
of the session before is left, nor does anybody else ever get one."""

import concurrent.futures
import os
import signal
import time
import unittest

from environment import DATABASE, PATIENCE, shared
from wire_client import (bind, cancel_request, error_of, execute, parse, query, rows_of, sync,
                         terminate, within)

KEPT = "\n    server_idle: 5m"
ENDLESS = "SELECT count(*) FROM (SELECT generate_series(1, 2000000000)) AS kept_scan"


class Kept(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.another("kept", database=KEPT, extra="limits:\n"
                                    "  - {groups: [slow], statement_timeout: 1s}\n")

    def login(self, user, groups=(), **parameters):
        token = self.proxy.token(user, DATABASE, groups=list(groups))
        return self.proxy.login(token, user=user, **parameters)

    def one(self, client, sql):
        messages = client.simple(sql)
        self.assertNotIn("ErrorResponse", [m.name for m in messages], messages)
        rows = rows_of(messages)
        return rows[0][0].decode() if rows and rows[0][0] is not None else None

    def pid(self, client):
        return self.one(client, "SELECT pg_backend_pid()")

    def leave(self, client):
        """Goes in order, and waits until the proxy is done with it."""
        client.send(terminate())
        self.assertTrue(client.closed_within(5 * PATIENCE))
        client.close()

    def visit(self, user, *statements, **parameters):
        """A session: its backend."""
        with self.login(user, **parameters) as client:
            pid = self.pid(client)
            for sql in statements:
                client.simple(sql)
            self.leave(client)
        return pid

    def alive(self, pid):
        return self.env.sql(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}").strip() == "1"

    # --- who gets one ----------------------------------------------------------------------

    def test_the_same_user_again(self):
        first = self.visit("again")
        for _ in range(3):
            self.assertEqual(self.visit("again"), first)

    def test_two_at_once(self):
        with self.login("two") as one, self.login("two") as other:
            pids = {self.pid(one), self.pid(other)}
            self.assertEqual(len(pids), 2)
            self.leave(one)
            self.leave(other)
        with self.login("two") as one, self.login("two") as other, self.login("two") as third:
            self.assertEqual({self.pid(one), self.pid(other)}, pids)
            self.assertNotIn(self.pid(third), pids)

    def test_nobody_else(self):
        first = self.visit("else", application_name="a", options="-c TimeZone=UTC")
        for user, parameters in (
                ("other", {"application_name": "a", "options": "-c TimeZone=UTC"}),
                ("else", {"application_name": "b", "options": "-c TimeZone=UTC"}),
                ("else", {"options": "-c TimeZone=UTC"}),
                ("else", {"application_name": "a", "options": "-c TimeZone=Japan"}),
                ("else", {"application_name": "a", "TimeZone": "Japan"}),
                ("else", {"application_name": "a"}),
                ("else", {"application_name": "a", "options": "-c TimeZone=UTC",
                          "groups": ["fraud"]})):
            with self.subTest(user=user, **parameters):
                self.assertNotEqual(self.visit(user, **parameters), first)
        self.assertEqual(self.visit("else", application_name="a", options="-c TimeZone=UTC"), first)

    # --- what is left of a session -----------------------------------------------------------

    def test_settings_are_as_after_a_login(self):
        everything = "SELECT string_agg(name || '=' || setting, chr(10) ORDER BY name) FROM pg_settings"
        with self.login("settings", options="-c work_mem=5MB") as client:
            pid = self.pid(client)
            parameters = dict(client.parameters)
            before = self.one(client, everything)
            for sql in ("SET TimeZone = 'Japan'", "SET DateStyle = 'German'", "SET work_mem = '64MB'",
                        "SET search_path = pg_catalog", "SET application_name = 'changed'",
                        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                        "SELECT set_config('my.word', 'secret', false)",
                        "SET statement_timeout = 100"):
                self.assertNotIn("ErrorResponse", [m.name for m in client.simple(sql)], sql)
            self.assertNotEqual(self.one(client, everything), before)
            self.leave(client)
        with self.login("settings", options="-c work_mem=5MB") as client:
            self.assertEqual(self.pid(client), pid)
            self.assertEqual(dict(client.parameters), parameters)
            self.assertEqual(self.one(client, everything), before)
            self.assertIn(self.one(client, "SELECT current_setting('my.word', true)"), ("", None))
            starts = [r for r in self.proxy.records("settings") if r["type"] == "session_start"]
            self.assertEqual(len(starts), 2)
            self.assertEqual(starts[0]["search_path"], starts[1]["search_path"])

    def test_nothing_by_name_is_left(self):
        with self.login("names") as client:
            pid = self.pid(client)
            client.send(parse("SELECT 1", "stays"), sync())
            client.receive_until("ReadyForQuery")
            client.simple("PREPARE by_sql AS SELECT 2")
            client.simple("BEGIN")
            client.simple("DECLARE held CURSOR WITH HOLD FOR SELECT 3")
            client.simple("COMMIT")
            self.leave(client)
        with self.login("names") as client:
            self.assertEqual(self.pid(client), pid)
            client.send(bind(statement="stays"), execute(), sync())
            self.assertEqual(error_of(client.receive_until("ReadyForQuery")).sqlstate, "26000")
            for sql, sqlstate in (("EXECUTE by_sql", "26000"), ("FETCH held", "34000")):
                self.assertEqual(error_of(client.simple(sql)).sqlstate, sqlstate)
            for view in ("pg_prepared_statements", "pg_cursors"):
                self.assertEqual(self.one(client, f"SELECT count(*) FROM {view} WHERE name NOT LIKE "
                                                  "'vitrine:%' AND name <> ''"), "0")

    def test_masks_are_the_same(self):
        """The masks' key is a setting of the session, and is so again after DISCARD ALL."""
        sql = "SELECT string_agg(ssn, ',' ORDER BY id) FROM public.customers"
        seen = []
        for _ in range(2):
            with self.login("masked") as client:
                seen.append((self.pid(client), self.one(client, sql)))
                self.leave(client)
        self.assertEqual(seen[0], seen[1])
        self.assertNotEqual(seen[0][1], self.env.sql(sql).strip())

    def test_both_are_on_record_as_themselves(self):
        self.visit("recorded", "SELECT 'first'")
        self.visit("recorded", "SELECT 'second'")
        records = self.proxy.records("recorded")
        sessions = [r["session"] for r in records if r["type"] == "session_start"]
        self.assertEqual(len(set(sessions)), 2)
        for session, text in zip(sessions, ("'first'", "'second'")):
            said = [r["sql"] for r in records if r["session"] == session and "sql" in r]
            self.assertEqual(said, ["SELECT pg_backend_pid()", f"SELECT {text}"])
            self.assertEqual([r["type"] for r in records if r["session"] == session][-1],
                             "session_end")

    def test_cancelling_the_second_session(self):
        pid = self.visit("stopped")
        with self.login("stopped") as client:
            self.assertEqual(self.pid(client), pid)
            client.send(query(ENDLESS))
            self.assertTrue(within(5 * PATIENCE, lambda: self.env.backends("%kept_scan%") == 1))
            with self.proxy.connect() as other:
                other.send(cancel_request(client.key))
                self.assertTrue(other.closed_within(5 * PATIENCE))
            self.assertEqual(error_of(client.receive_until("ReadyForQuery")).sqlstate, "57014")
            self.leave(client)
        # A cancel might still be on its way.
        self.assertNotEqual(self.visit("stopped"), pid)

    # --- sessions that leave something behind --------------------------------------------------

    def test_a_session_that_did_not_end_in_order(self):
        def in_a_transaction(client):
            client.simple("BEGIN")

        def failed(client):
            client.simple("BEGIN")
            client.simple("SELECT 1/0")

        def in_a_statement(client):
            client.send(query(ENDLESS))

        def in_a_batch(client):
            client.send(parse("SELECT 1"), bind(), execute())

        def skipping(client):
            client.send(parse("SELEKT 1"))
            client.receive_until("ErrorResponse")

        def beyond_a_limit(client):
            self.assertEqual(error_of(client.simple(ENDLESS)).sqlstate, "57014")

        def malformed(client):
            client.send(b"~\0\0\0\4")

        for number, state in enumerate((in_a_transaction, failed, in_a_statement, in_a_batch, skipping,
                                        beyond_a_limit, malformed)):
            user = f"untidy{number}"
            for in_order in (True, False):
                with self.subTest(state.__name__, in_order=in_order):
                    client = self.login(user, groups=["slow"])
                    pid = self.pid(client)
                    state(client)
                    if in_order:
                        client.send(terminate())
                        client.closed_within(5 * PATIENCE)
                    client.close()
                    self.assertTrue(within(5 * PATIENCE, lambda: not self.alive(pid)))
                    with self.login(user, groups=["slow"]) as client:
                        self.assertNotEqual(self.pid(client), pid)
                        client.simple("BEGIN")  # this one is not kept, either

    def test_a_client_that_hangs_up(self):
        """Between two statements that is an orderly end, too."""
        client = self.login("hangs")
        pid = self.pid(client)
        client.close()
        self.assertTrue(within(5 * PATIENCE, lambda: self.env.sql(
            f"SELECT query FROM pg_stat_activity WHERE pid = {pid}").strip() == "DISCARD ALL"))
        time.sleep(0.1 * PATIENCE)
        self.assertEqual(self.visit("hangs"), pid)

    # --- connections that are no good any more -----------------------------------------------

    def test_a_backend_that_is_gone(self):
        pids = []
        with self.login("gone") as one, self.login("gone") as other:
            pids = [self.pid(one), self.pid(other)]
            self.leave(one)
            self.leave(other)
        for pid in pids:
            self.env.sql(f"SELECT pg_terminate_backend({pid})")
            self.assertTrue(within(5 * PATIENCE, lambda: not self.alive(pid)))
        self.assertNotIn(self.visit("gone"), pids)

    def test_many_backends_that_do_not_answer(self):
        """One is waited for, then a new one is opened."""
        clients = [self.login("mutes") for _ in range(6)]
        pids = [self.pid(client) for client in clients]
        for client in clients:
            self.leave(client)
        for pid in pids:
            os.kill(int(pid), signal.SIGSTOP)
        try:
            started = time.monotonic()
            with self.login("mutes") as client:
                self.assertNotIn(self.pid(client), pids)
            self.assertLess(time.monotonic() - started, 2 + 3 * PATIENCE)
        finally:
            for pid in pids:
                os.kill(int(pid), signal.SIGCONT)
        self.assertTrue(within(5 * PATIENCE, lambda: not any(map(self.alive, pids))))

    def test_the_server_changed_a_setting(self):
        """The client is told what holds, whichever session it gets."""
        self.visit("changed")
        self.env.sql("ALTER SYSTEM SET DateStyle = 'SQL, DMY'")
        try:
            self.env.sql("SELECT pg_reload_conf()")
            time.sleep(0.3 * PATIENCE)
            with self.login("changed") as client:
                self.assertEqual(client.parameters["DateStyle"], "SQL, DMY")
                self.assertEqual(self.one(client, "SELECT make_date(2026, 11, 29)::text"),
                                 "29/11/2026")
        finally:
            self.env.sql("ALTER SYSTEM RESET DateStyle")
            self.env.sql("SELECT pg_reload_conf()")

    def test_a_reload(self):
        pid = self.visit("reload")
        with self.login("reload", application_name="before") as client:
            of_before = self.pid(client)
            self.proxy.signal(signal.SIGHUP)
            # Nobody could take them any more.
            self.assertTrue(within(5 * PATIENCE, lambda: not self.alive(pid)))
            self.leave(client)
        self.assertTrue(within(5 * PATIENCE, lambda: not self.alive(of_before)))
        self.assertNotEqual(self.visit("reload"), pid)

    def test_no_more_than_so_many(self):
        for users, most in ((["one"] * 12, 8), ([f"many{i}" for i in range(70)], 64)):
            clients = [self.login(user, application_name=f"a{i}") for i, user in enumerate(users)]
            pids = [self.pid(client) for client in clients]
            for client in clients:
                self.leave(client)
            self.assertTrue(within(5 * PATIENCE, lambda: sum(map(self.alive, pids)) <= most))
            # Those that were left last; ones of other tests' are older.
            self.assertTrue(all(map(self.alive, pids[-most:])))


class Idle(unittest.TestCase):
    """With a vitrine of their own."""

    @classmethod
    def setUpClass(cls):
        cls.env = shared()

    def visit(self, proxy, user):
        with proxy.login(proxy.token(user, DATABASE), user=user) as client:
            pid = rows_of(client.simple("SELECT pg_backend_pid()"))[0][0].decode()
            client.send(terminate())
            client.closed_within(5 * PATIENCE)
        return pid

    def alive(self, pid):
        return self.env.sql(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}").strip() == "1"

    def test_its_time_is_over(self):
        proxy = self.env.another("kept_shortly", database=f"\n    server_idle: {2 * PATIENCE}s")
        pid = self.visit(proxy, "alice")
        self.assertTrue(self.alive(pid))
        self.assertEqual(self.env.sql(f"SELECT query FROM pg_stat_activity WHERE pid = {pid}").strip(),
                         "DISCARD ALL")
        time.sleep(2 * PATIENCE)
        self.assertTrue(within(3 * PATIENCE, lambda: not self.alive(pid)))
        self.assertNotEqual(self.visit(proxy, "alice"), pid)

    def test_none_are_kept_where_nobody_asked_for_it(self):
        proxy = self.env.another("not_kept")
        pid = self.visit(proxy, "alice")
        self.assertTrue(within(3 * PATIENCE, lambda: not self.alive(pid)))

    def test_the_proxy_ends(self):
        proxy = self.env.another("kept_to_the_end", database=KEPT)
        pids = [self.visit(proxy, user) for user in ("alice", "bob")]
        self.assertTrue(all(map(self.alive, pids)))
        self.assertEqual(proxy.stop(seconds=10 * PATIENCE), 0)
        self.assertTrue(within(3 * PATIENCE, lambda: not any(map(self.alive, pids))))

    def test_room_for_the_catalog(self):
        """A statement about what is new waits for the catalog, which takes a connection."""
        proxy = self.env.another("kept_catalog", database=KEPT)
        with proxy.login(proxy.token("alice", DATABASE), user="alice") as client:
            pids = [self.visit(proxy, f"u{i}") for i in range(4)]
            self.assertTrue(all(map(self.alive, pids)))
            open_now = self.env.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = "
                                    "'vitrine_reader'").strip()
            try:
                self.env.sql(f"ALTER ROLE vitrine_reader CONNECTION LIMIT {open_now}")
                self.env.sql("CREATE TABLE public.made_since (id integer)")
                self.env.sql("GRANT SELECT ON public.made_since TO vitrine_reader")
                messages = client.simple("SELECT count(*) FROM public.made_since")
                self.assertEqual(rows_of(messages), [[b"0"]], messages)
            finally:
                self.env.sql("ALTER ROLE vitrine_reader CONNECTION LIMIT -1")
                self.env.sql("DROP TABLE IF EXISTS public.made_since")

    def test_room_for_somebody_else(self):
        """Kept connections never keep anybody out."""
        proxy = self.env.another("kept_narrow", database=KEPT)
        pids = [self.visit(proxy, f"u{i}") for i in range(6)]
        self.assertTrue(all(map(self.alive, pids)))
        open_now = self.env.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = "
                                "'vitrine_reader'").strip()
        try:
            self.env.sql(f"ALTER ROLE vitrine_reader CONNECTION LIMIT {open_now}")
            with concurrent.futures.ThreadPoolExecutor() as pool:  # each of them finds it full
                newcomers = pool.map(lambda i: self.visit(proxy, f"newcomer{i}"), range(4))
                self.assertEqual(len(set(newcomers)), 4)
            self.assertFalse(any(map(self.alive, pids)))
        finally:
            self.env.sql("ALTER ROLE vitrine_reader CONNECTION LIMIT -1")
