"""The limits of a user: each over every path, in and out of transactions; what is below one is
untouched, and the session goes on behind what is not."""

import subprocess
import threading
import time
import unittest

from environment import DATABASE, PATIENCE, shared
from wire_client import (bind, cancel_request, close, describe, error_of, execute, flush, names,
                         parse, query, rows_of, sync, within)

LIMITS = """
limits:
  - {groups: ["*"], statement_timeout: 30s, idle_timeout: 15m, max_rows: 100000,
     max_result_size: 256MiB, max_sessions: 50, statements_per_minute: 60000}
  - {groups: [few], max_rows: 100}
  - {groups: [small], max_result_size: 64KiB}
  - {groups: [quick], statement_timeout: 1s}
  - {groups: [sleepy], idle_timeout: 2s}
  - {groups: [lonely], max_sessions: 2}
  - {groups: [rated], statements_per_minute: 10}
"""
ENDLESS = ("SELECT count(*) FROM pgbench_accounts a, pgbench_accounts b, pgbench_accounts c "
           "WHERE a.bid + b.bid < c.aid /* {} */")


def accounts(rows):
    return f"SELECT aid FROM pgbench_accounts ORDER BY aid LIMIT {rows}"


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.another("limits", extra=LIMITS)

    def token(self, group, user=None):
        return self.proxy.token(user or group, DATABASE, groups=[group])

    def login(self, group, user=None, **parameters):
        return self.proxy.login(self.token(group, user), user=user or group, **parameters)

    def usable(self, client, status="I"):
        messages = client.simple("SELECT 42")
        self.assertEqual(rows_of(messages), [[b"42"]], messages)
        self.assertEqual(messages[-1].status, status)

    def refused(self, messages, sqlstate, said, rows=None):
        """One ErrorResponse, with the limit's name in it, behind so many rows."""
        errors = [m for m in messages if m.name == "ErrorResponse"]
        self.assertEqual(len(errors), 1, messages)
        self.assertEqual((errors[0].fields["S"], errors[0].sqlstate), ("ERROR", sqlstate))
        self.assertIn(said, errors[0].fields["M"])
        self.assertTrue(errors[0].fields["H"])
        if rows is not None:
            self.assertEqual(sum(m.name in ("DataRow", "CopyData") for m in messages), rows)
        return messages

    def active(self, tag):
        return int(self.env.sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                                f"pid <> pg_backend_pid() AND query LIKE '%{tag} */%'"))

    def end_of(self, user):
        records = self.proxy.records(user)
        return [r for r in records if r["type"] == "session_end"][-1]

    # --- rows ------------------------------------------------------------------------------

    def paths(self, sql):
        yield "simple", (query(sql),)
        yield "extended", (parse(sql), bind(), execute(), sync())
        yield "described", (parse(sql), bind(), describe("P"), execute(), sync())
        yield "copy", (query(f"COPY ({sql}) TO STDOUT"),)

    def test_rows(self):
        with self.login("few") as client:
            for path, messages in self.paths(accounts(100)):
                with self.subTest(path, rows=100):
                    client.send(*messages)
                    got = client.receive_until("ReadyForQuery")
                    self.assertNotIn("ErrorResponse", names(got))
                    self.assertEqual(sum(n in ("DataRow", "CopyData") for n in names(got)), 100)
            # 101: the server has ended before anything could stop it. 100000: it has too, or is
            # cancelled. Endless: it is cancelled.
            for rows in ("101", "100000", "ALL"):
                sql = (accounts(rows) if rows != "ALL" else
                       "SELECT a.aid FROM pgbench_accounts a, pgbench_accounts b")
                for path, messages in self.paths(sql):
                    with self.subTest(path, rows=rows):
                        started = time.monotonic()
                        client.send(*messages)
                        got = client.receive_until("ReadyForQuery")
                        self.assertLess(time.monotonic() - started, 2 * PATIENCE)
                        self.refused(got, "54000", "more than 100 rows (limits.max_rows)", 100)
                        self.assertNotIn("CommandComplete", names(got))
                        self.assertNotIn("CopyDone", names(got))
                        self.usable(client)
        results = [r for r in self.proxy.records("few") if r["type"] == "result"
                   and r["sqlstate"] == "54000"]
        self.assertGreaterEqual(len(results), 12)
        self.assertEqual({r["rows"] for r in results}, {100})

    def test_rows_in_a_transaction(self):
        with self.login("few", "few_in_transaction") as client:
            client.simple("BEGIN")
            for path, messages in self.paths(accounts(101)):
                with self.subTest(path):
                    client.send(*messages)
                    got = client.receive_until("ReadyForQuery")
                    self.refused(got, "54000", "limits.max_rows", 100)
                    # PostgreSQL's own state: it fails where the cancel was faster.
                    if got[-1].status == "E":
                        client.simple("ROLLBACK; BEGIN")
                    self.usable(client, "T")
            self.assertEqual(client.simple("COMMIT")[-1].status, "I")

    def test_rows_of_several_statements(self):
        with self.login("few", "few_several") as client:
            got = client.simple(f"{accounts(100)}; {accounts(100)}")
            self.assertEqual(len(rows_of(got)), 200)
            got = client.simple(f"{accounts(60)}; {accounts(500)}; SELECT 'unseen'")
            self.refused(got, "54000", "limits.max_rows", 160)
            got = client.simple(f"{accounts(500)}; SELECT 1/0")
            self.refused(got, "54000", "limits.max_rows", 100)
            # So many that the server does not keep them in its buffer.
            got = client.simple(f"{accounts(5000)}; {ENDLESS.format('behind')}")
            self.refused(got, "54000", "limits.max_rows", 100)
            self.usable(client)

    def test_rows_of_a_portal(self):
        """However few at a time they are asked for."""
        with self.login("few", "few_portal") as client:
            client.simple("BEGIN")
            client.send(parse(accounts(1000)), bind("p"))
            got = []
            for _ in range(4):
                client.send(execute("p", 30), sync())
                got += client.receive_until("ReadyForQuery")
            self.refused(got, "54000", "limits.max_rows", 100)
            client.send(execute("p", 30), sync())
            again = client.receive_until("ReadyForQuery")
            self.refused(again, "54000" if got[-1].status == "T" else "34000", "", 0)
            client.simple("ROLLBACK")
            # All in one batch, too.
            client.send(parse(accounts(1000)), bind("p"), *[execute("p", 30)] * 5, sync())
            self.refused(client.receive_until("ReadyForQuery"), "54000", "limits.max_rows", 100)
            self.usable(client)

    def test_rows_of_a_cursor(self):
        """Each FETCH is a statement."""
        with self.login("few", "few_cursor") as client:
            client.simple("BEGIN; DECLARE c CURSOR FOR " + accounts(1000))
            self.assertEqual(len(rows_of(client.simple("FETCH 100 FROM c"))), 100)
            self.assertEqual(len(rows_of(client.simple("FETCH 100 FROM c"))), 100)
            client.send(execute("c", 100), sync())
            self.assertEqual(len(rows_of(client.receive_until("ReadyForQuery"))), 100)
            client.send(execute("c", 101), sync())
            self.refused(client.receive_until("ReadyForQuery"), "54000", "limits.max_rows", 100)
            client.simple("ROLLBACK; BEGIN; DECLARE c CURSOR FOR " + accounts(1000))
            self.refused(client.simple("FETCH ALL FROM c"), "54000", "limits.max_rows", 100)
            client.simple("ROLLBACK")
            self.usable(client)

    def test_a_pipeline(self):
        """What follows in the batch is skipped as behind any error, and has not run; what
        follows the Sync runs."""
        with self.login("few", "few_pipeline") as client:
            client.send(parse(accounts(50)), bind(), execute(),
                        parse(accounts(101)), bind(), execute(),
                        parse("SELECT 1", "later"), bind("", "later"), execute(), sync(),
                        parse("SELECT 2", "later"), bind("", "later"), execute(), sync(),
                        query("SELECT 3"))
            first = client.receive_until("ReadyForQuery")
            self.refused(first, "54000", "limits.max_rows", 150)
            self.assertEqual(names(first)[-2:], ["ErrorResponse", "ReadyForQuery"])
            # The name is still free: the server has not seen the first of it.
            self.assertEqual(rows_of(client.receive_until("ReadyForQuery")), [[b"2"]])
            self.assertEqual(rows_of(client.receive_until("ReadyForQuery")), [[b"3"]])
            # Without a limit reached, a long batch gives what PostgreSQL gives.
            batch = [m for n in range(1, 40)
                     for m in (parse(accounts(n)), bind(), execute(), close("P"))]
            client.send(*batch, sync())
            got = client.receive_until("ReadyForQuery")
            self.assertEqual(len(rows_of(got)), sum(range(1, 40)))
            with self.env.direct() as direct:
                direct.send(*batch, sync())
                self.assertEqual(names(direct.receive_until("ReadyForQuery")), names(got))

    def test_psql(self):
        done = self.proxy.psql("-v", "VERBOSITY=verbose", "-c", accounts(101), "-c", "SELECT 7 AS x",
                               token=self.token("few", "few_psql"), user="few_psql")
        self.assertIn("ERROR:  54000: more than 100 rows (limits.max_rows)", done.stdout)
        self.assertIn("HINT:", done.stdout)
        self.assertIn("(1 row)", done.stdout)
        done = self.proxy.psql("-v", "FETCH_COUNT=30", "-c", accounts(101),
                               token=self.token("few", "few_psql"), user="few_psql")
        self.assertEqual(done.returncode, 0, done.stdout)

    # --- bytes -----------------------------------------------------------------------------

    def test_result_size(self):
        wide = "SELECT repeat('x', 1000) FROM generate_series(1, {})"
        with self.login("small") as client:
            for path, messages in self.paths(wide.format(60)):
                with self.subTest(path):
                    client.send(*messages)
                    got = client.receive_until("ReadyForQuery")
                    self.assertNotIn("ErrorResponse", names(got))
            for path, messages in self.paths(wide.format(5000)):
                with self.subTest(path, over=True):
                    client.send(*messages)
                    got = client.receive_until("ReadyForQuery")
                    self.refused(got, "54000",
                                 "a result of more than 65536 bytes (limits.max_result_size)")
                    passed = [m for m in got if m.name in ("DataRow", "CopyData")]
                    self.assertLessEqual(sum(len(m.payload) + 5 for m in passed), 65536)
                    self.assertGreater(sum(len(m.payload) + 5 for m in passed), 64000)
                    self.usable(client)
            # One value beyond it: nothing of it passes.
            self.refused(client.simple("SELECT repeat('x', 100000000)"), "54000",
                         "limits.max_result_size", 0)
            self.usable(client)

    # --- time ------------------------------------------------------------------------------

    def test_statement_timeout(self):
        for transaction in (False, True):
            with self.login("quick") as client:
                tag = f"too_slow_{transaction}"
                for path, messages in self.paths(ENDLESS.format(tag)):
                    with self.subTest(path, transaction=transaction):
                        if transaction:
                            client.simple("BEGIN")
                        started = time.monotonic()
                        client.send(*messages)
                        got = client.receive_until("ReadyForQuery")
                        took = time.monotonic() - started
                        self.assertGreaterEqual(took, 1.0)
                        self.assertLess(took, 1.0 + 1.0 * PATIENCE)
                        self.refused(got, "57014", "after 1 s (limits.statement_timeout)")
                        self.assertEqual(got[-1].status, "E" if transaction else "I")
                        self.assertEqual(self.active(tag), 0)
                        if transaction:
                            client.simple("ROLLBACK")
                        self.usable(client)

    def test_no_setting_lengthens_it(self):
        for sql in ("SET statement_timeout = 0", "SET statement_timeout = '1h'",
                    "SELECT set_config('statement_timeout', '0', false)",
                    "RESET statement_timeout", "RESET ALL", "DISCARD ALL"):
            with self.subTest(sql), self.login("quick", options="-c statement_timeout=0") as client:
                client.simple(sql)
                self.refused(client.simple(ENDLESS.format("set")), "57014",
                             "limits.statement_timeout")
                self.usable(client)

    def test_the_users_own_timeout_comes_first(self):
        with self.login("quick") as client:
            client.simple("SET statement_timeout = 300")
            started = time.monotonic()
            got = client.simple(ENDLESS.format("own"))
            self.assertLess(time.monotonic() - started, 0.9 * PATIENCE)
            self.assertEqual(error_of(got).fields["M"],
                             "canceling statement due to statement timeout")

    def test_a_batch_without_sync(self):
        """The server keeps its answers back; the statement ends in time all the same, and one that
        has ended is no statement that takes long."""
        with self.login("quick") as client:
            client.send(parse(ENDLESS.format("no_sync")), bind(), execute())
            self.assertEqual(error_of(client.receive_until("ErrorResponse")).sqlstate, "57014")
            client.send(sync())
            client.receive_until("ReadyForQuery")
            client.send(parse("SELECT 5"), bind(), execute())
            time.sleep(2.5)
            client.send(sync())
            self.assertEqual(rows_of(client.receive_until("ReadyForQuery")), [[b"5"]])
            self.usable(client)

    def test_a_client_that_does_not_read(self):
        """Neither a row of a moderate size nor a huge one keeps the statement running."""
        for name, sql in (("rows", "SELECT repeat('x', 1000) FROM pgbench_accounts a, "
                                   "pgbench_accounts b /* unread */"),
                          ("huge", "SELECT repeat('x', 200000000) /* unread */")):
            with self.subTest(name):
                client = self.login("quick", f"unread_{name}")
                client.send(query(sql))
                self.assertTrue(within(5, lambda: self.env.backends("%unread */%") >= 1))
                self.assertTrue(within(9 * PATIENCE,
                                       lambda: self.env.backends("%unread */%") == 0))
                client.close()

    def test_the_clients_own_cancel(self):
        with self.login("quick") as client:
            client.send(query(ENDLESS.format("cancelled")))
            self.assertTrue(within(0.8, lambda: self.env.backends("%cancelled */%") == 1))
            with self.proxy.connect() as other:
                other.send(cancel_request(client.key))
                self.assertTrue(other.closed_within(5))
            error = error_of(client.receive_until("ReadyForQuery"))
            self.assertEqual(error.fields["M"], "canceling statement due to user request")
            self.usable(client)

    # --- idle ------------------------------------------------------------------------------

    def idle_end(self, client, started):
        messages = client.receive_to_end()
        took = time.monotonic() - started
        self.assertGreaterEqual(took, 1.9)
        self.assertLess(took, 2.0 + 1.0 * PATIENCE)
        self.assertEqual((messages[-1].fields["S"], messages[-1].sqlstate), ("FATAL", "57P05"))
        self.assertIn("idle for 2 s (limits.idle_timeout)", messages[-1].fields["M"])

    def test_idle(self):
        for name, before in (("nothing", ()), ("transaction", (query("BEGIN; SELECT 1"),)),
                             ("open_batch", (parse("SELECT 1"), bind(), execute(), flush()))):
            with self.subTest(name), self.login("sleepy", f"idle_{name}") as client:
                if before:
                    client.send(*before)
                    client.receive_until("ReadyForQuery" if len(before) == 1 else
                                         "CommandComplete")
                self.idle_end(client, time.monotonic())
                self.assertTrue(within(3, lambda: self.end_of(f"idle_{name}")["cause"] == "limit"))
                self.assertTrue(within(2 * PATIENCE, lambda: self.env.sql(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE "
                    f"'idle\\_{name} via%'").strip() == "0"))

    def test_not_idle(self):
        with self.login("sleepy") as client:
            # A statement that takes longer, and then whoever types.
            got = client.simple("SELECT count(*) FROM generate_series(1, 60000000)")
            self.assertNotIn("ErrorResponse", names(got))
            for _ in range(4):
                time.sleep(1.2)
                self.usable(client)
            # A reader that is slow.
            client.send(query("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 30000)) "
                              "TO STDOUT"))
            time.sleep(4)
            got = client.receive_until("ReadyForQuery")
            self.assertEqual(sum(n == "CopyData" for n in names(got)), 30000)

    # --- sessions --------------------------------------------------------------------------

    def attempt(self, token, user="lonely"):
        client = self.proxy.connect()
        try:
            return client, client.login(user, DATABASE, token)[-1]
        except OSError:
            client.close()
            raise

    def test_sessions(self):
        token = self.token("lonely")
        first, second = (self.proxy.login(token, user="lonely") for _ in range(2))
        client, answer = self.attempt(token)
        client.close()
        self.assertEqual((answer.fields["S"], answer.sqlstate), ("FATAL", "53300"))
        self.assertIn("2 at most (limits.max_sessions)", answer.fields["M"])
        self.assertTrue(answer.fields["H"])
        refusals = [r for r in self.proxy.records("lonely") if r["type"] == "login_refused"]
        self.assertEqual(refusals[-1]["cause"], "limits: max_sessions")
        # Another user has room, and so has this one when a session is over, however it ends.
        self.login("lonely", "other_lonely").close()
        first.close()
        self.usable(second)

        def comes_in():
            came, last = self.attempt(token)
            came.close()
            return last.name == "ReadyForQuery"
        self.assertTrue(within(5, comes_in))
        second.close()

    def test_sessions_at_once(self):
        """However many come at the same moment."""
        token = self.token("lonely", "crowd")
        for _ in range(3):
            clients, answers, lock = [], [], threading.Lock()
            barrier = threading.Barrier(12)

            def enter():
                barrier.wait()
                client, last = self.attempt(token, "crowd")
                with lock:
                    clients.append(client)
                    answers.append(last)
            threads = [threading.Thread(target=enter) for _ in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            came = [a for a in answers if a.name == "ReadyForQuery"]
            self.assertEqual(len(came), 2, answers)
            self.assertEqual({a.sqlstate for a in answers if a.name != "ReadyForQuery"}, {"53300"})
            for client in clients:
                client.close()
            self.assertTrue(within(5, lambda: self.sessions_of("crowd") == 0))

    def sessions_of(self, user):
        records = self.proxy.records(user)
        return (sum(r["type"] == "session_start" for r in records)
                - sum(r["type"] == "session_end" for r in records))

    # --- statements a minute ---------------------------------------------------------------

    def rate_refused(self, messages):
        self.refused(messages, "53400", "more than 10 statements a minute "
                                        "(limits.statements_per_minute)", 0)

    def test_statements_a_minute(self):
        token = self.token("rated")
        with self.proxy.login(token, user="rated") as one, \
                self.proxy.login(token, user="rated") as two:
            for client in (one, two) * 2:
                self.usable(client)
            self.assertEqual(len(rows_of(one.simple("SELECT 1; SELECT 2; SELECT 3"))), 3)
            one.send(parse("SELECT 1", "s"), bind("", "s"), execute(), bind("", "s"), execute(),
                     sync())
            self.assertEqual(len(rows_of(one.receive_until("ReadyForQuery"))), 2)
            self.usable(two)
            # Ten, of both.
            for client in (one, two):
                self.rate_refused(client.simple("SELECT 1"))
            one.send(bind("", "s"), execute(), sync())
            self.rate_refused(one.receive_until("ReadyForQuery"))
            # Whoever connects anew finds no new bucket.
            with self.proxy.login(token, user="rated") as three:
                self.rate_refused(three.simple("SELECT 1; SELECT 2"))
            # One more every six seconds.
            time.sleep(6.2)
            self.usable(one)
            self.rate_refused(two.simple("SELECT 1"))
        refused = [r for r in self.proxy.statements("rated") if r["verdict"] == "reject"]
        self.assertEqual([r["rule"] for r in refused],
                         ["limits: statements_per_minute"] * 4
                         + ["not run: an earlier statement was refused",
                            "limits: statements_per_minute"])

    def test_statements_a_minute_in_a_transaction(self):
        with self.login("rated", "rated_in_transaction") as client:
            client.simple("BEGIN")
            for _ in range(9):
                self.usable(client, "T")
            got = client.simple("SELECT 1")
            self.rate_refused(got)
            self.assertEqual(got[-1].status, "E")

    # --- well below all of them ------------------------------------------------------------

    def test_pg_dump(self):
        """A copy of a table with exactly as many rows as there may be, and one of fewer."""
        for user, group, well in (("dump", "everybody", True), ("dump_few", "few", False)):
            with self.subTest(group):
                done = subprocess.run(
                    ["pg_dump", "-a", "-t", "public.pgbench_accounts"], text=True, timeout=120,
                    env=self.proxy.environment(user, self.token(group, user), DATABASE),
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                if well:
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(len([line for line in done.stdout.splitlines()
                                          if line[:1].isdigit()]), 100000)
                else:
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn("more than 100 rows", done.stderr)

    def test_check_names_what_is_not_there(self):
        proxy = self.env.another("limits_cost", start=False,
                                 extra='limits:\n  - {groups: ["*"], max_cost: 1e8}')
        done = subprocess.run([proxy.program, "check", "--config", proxy.config], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 1)
        self.assertIn("limits[0].max_cost is not supported yet; leave it out", done.stdout)
