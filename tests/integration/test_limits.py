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
  - {groups: [hourly], rows_per_hour: 200}
  - {groups: [hourly_bytes], bytes_per_hour: 64KiB}
  - {groups: [comer], logins_per_minute: 3}
  - {groups: [cheap, cheap_quick], max_cost: 1000}
  - {groups: [cheap_quick], statement_timeout: 1s}
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
                        self.refused(got, "53400", "more than 100 rows (limits.max_rows)", 100)
                        self.assertNotIn("CommandComplete", names(got))
                        self.assertNotIn("CopyDone", names(got))
                        self.usable(client)
        results = [r for r in self.proxy.records("few") if r["type"] == "result"
                   and r["sqlstate"] == "53400"]
        self.assertGreaterEqual(len(results), 12)
        self.assertEqual({r["rows"] for r in results}, {100})

    def test_rows_in_a_transaction(self):
        with self.login("few", "few_in_transaction") as client:
            client.simple("BEGIN")
            for path, messages in self.paths(accounts(101)):
                with self.subTest(path):
                    client.send(*messages)
                    got = client.receive_until("ReadyForQuery")
                    self.refused(got, "53400", "limits.max_rows", 100)
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
            self.refused(got, "53400", "limits.max_rows", 160)
            got = client.simple(f"{accounts(500)}; SELECT 1/0")
            self.refused(got, "53400", "limits.max_rows", 100)
            # So many that the server does not keep them in its buffer.
            got = client.simple(f"{accounts(5000)}; {ENDLESS.format('behind')}")
            self.refused(got, "53400", "limits.max_rows", 100)
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
            self.refused(got, "53400", "limits.max_rows", 100)
            client.send(execute("p", 30), sync())
            again = client.receive_until("ReadyForQuery")
            self.refused(again, "53400" if got[-1].status == "T" else "34000", "", 0)
            client.simple("ROLLBACK")
            # All in one batch, too.
            client.send(parse(accounts(1000)), bind("p"), *[execute("p", 30)] * 5, sync())
            self.refused(client.receive_until("ReadyForQuery"), "53400", "limits.max_rows", 100)
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
            self.refused(client.receive_until("ReadyForQuery"), "53400", "limits.max_rows", 100)
            client.simple("ROLLBACK; BEGIN; DECLARE c CURSOR FOR " + accounts(1000))
            self.refused(client.simple("FETCH ALL FROM c"), "53400", "limits.max_rows", 100)
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
            self.refused(first, "53400", "limits.max_rows", 150)
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
        self.assertIn("ERROR:  53400: more than 100 rows (limits.max_rows)", done.stdout)
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
                    self.refused(got, "53400",
                                 "a result of more than 65536 bytes (limits.max_result_size)")
                    passed = [m for m in got if m.name in ("DataRow", "CopyData")]
                    self.assertLessEqual(sum(len(m.payload) + 5 for m in passed), 65536)
                    self.assertGreater(sum(len(m.payload) + 5 for m in passed), 64000)
                    self.usable(client)
            # One value beyond it: nothing of it passes.
            self.refused(client.simple("SELECT repeat('x', 100000000)"), "53400",
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
                self.assertTrue(within(20, lambda: self.env.backends("%unread */%") >= 1))
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
                self.assertTrue(within(3 * PATIENCE, lambda: self.end_of(f"idle_{name}")["cause"] == "limit"))
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
        self.assertTrue(within(20, comes_in))
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
            self.assertTrue(within(20, lambda: self.sessions_of("crowd") == 0))

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

    # --- rows and bytes an hour, logins a minute -------------------------------------------

    def test_rows_an_hour(self):
        """All sessions together, to the row; a new session finds nothing new."""
        token = self.token("hourly")
        with self.proxy.login(token, user="hourly") as one, \
                self.proxy.login(token, user="hourly") as two:
            self.assertEqual(len(rows_of(one.simple(accounts(150)))), 150)
            for path, messages in self.paths(accounts(51)):
                with self.subTest(path):
                    two.send(*messages)
                    self.refused(two.receive_until("ReadyForQuery"), "53400",
                                 "more than 200 rows an hour (limits.rows_per_hour)",
                                 50 if path == "simple" else 0)
        with self.proxy.login(token, user="hourly") as three:
            self.refused(three.simple("SELECT 1"), "53400", "limits.rows_per_hour", 0)
            # What gives no rows goes on.
            self.assertNotIn("ErrorResponse", names(three.simple("BEGIN; COMMIT")))
        with self.login("hourly", "hourly_other") as other:
            self.usable(other)

    def test_bytes_an_hour(self):
        token = self.token("hourly_bytes")
        with self.proxy.login(token, user="hourly_bytes") as client:
            got = client.simple("SELECT repeat('x', 1000) FROM generate_series(1, 200)")
            self.refused(got, "53400", "more than 65536 bytes an hour (limits.bytes_per_hour)")
            rows = sum(n == "DataRow" for n in names(got))
            self.assertEqual(rows, 65536 // (1000 + 11))
        with self.proxy.login(token, user="hourly_bytes") as client:
            self.refused(client.simple("SELECT repeat('x', 1000)"), "53400", "bytes_per_hour", 0)

    def test_logins_a_minute(self):
        token = self.token("comer")
        for _ in range(3):
            self.proxy.login(token, user="comer").close()
        client, answer = self.attempt(token, "comer")
        client.close()
        self.assertEqual((answer.fields["S"], answer.sqlstate), ("FATAL", "53400"))
        self.assertIn("more than 3 logins a minute of user \"comer\" (limits.logins_per_minute)",
                      answer.fields["M"])
        self.login("comer", "other_comer").close()
        refusals = [r for r in self.proxy.records("comer") if r["type"] == "login_refused"]
        self.assertEqual(refusals[-1]["cause"], "limits: logins_per_minute")

    # --- cost ------------------------------------------------------------------------------

    ALL = "SELECT count(*) FROM pgbench_accounts"
    ONE = "SELECT abalance FROM pgbench_accounts WHERE aid = 42"

    def cost_refused(self, messages, status="I"):
        self.refused(messages, "53400", ", and 1000 is the limit (limits.max_cost)", 0)
        self.assertEqual(messages[-1].status, status)

    def test_cost(self):
        too_much = (
            self.ALL, f"  /* a */ {self.ALL} -- b", f"WITH x AS ({self.ALL}) TABLE x",
            "TABLE pgbench_accounts", f"EXPLAIN ANALYZE {self.ALL}",
            f"EXPLAIN (ANALYZE, COSTS off) ({self.ALL})", f"EXPLAIN ANALYZE VERBOSE {self.ALL}",
            f"COPY ({self.ALL}) TO STDOUT", "COPY pgbench_accounts TO STDOUT",
            "COPY public.pgbench_accounts (aid) TO STDOUT (FORMAT csv)",
            f"SELECT 1; {self.ALL}", f"{self.ALL}; SELECT 1",
            'SELECT 1 AS """Total Cost"": 1" FROM pgbench_accounts AS "a"", ""Total Cost"": 1, """')
        with self.login("cheap") as client:
            for sql in too_much:
                with self.subTest(sql):
                    self.cost_refused(client.simple(sql))
                    self.usable(client)
            for sql in (self.ONE, f"EXPLAIN {self.ALL}", f"EXPLAIN (ANALYZE false) {self.ALL}",
                        f"EXPLAIN ANALYZE {self.ONE}", f"COPY ({self.ONE}) TO STDOUT",
                        "COPY pgbench_branches TO STDOUT", f"{self.ONE}; {self.ONE}",
                        f"{self.ALL} WHERE aid < 5", "VALUES (1), (2)", "SHOW server_version",
                        "", ";"):
                with self.subTest(sql):
                    for _ in range(2):
                        got = client.simple(sql)
                        self.assertNotIn("ErrorResponse", names(got), got)
        records = self.proxy.records("cheap")
        statements = [r for r in records if r["type"] == "statement"]
        self.assertEqual(sum(r["sql"] == "TABLE pgbench_accounts" for r in statements), 1)
        results = [r for r in records if r["type"] == "result"]
        self.assertEqual(sum(r["sqlstate"] == "53400" for r in results), len(too_much))
        self.assertEqual(sorted(r["statement"] for r in results),
                         sorted(r["statement"] for r in statements))

    def test_cost_in_a_transaction(self):
        with self.login("cheap", "cheap_in_transaction") as client:
            client.simple("BEGIN")
            self.usable(client, "T")
            self.cost_refused(client.simple(self.ALL), "E")
            self.assertEqual(error_of(client.simple("SELECT 1")).sqlstate, "25P02")
            self.assertEqual(error_of(client.simple("ROLLBACK; SELECT 2")).sqlstate, "0A000")
            self.assertEqual(client.simple("ROLLBACK")[-1].status, "I")
            # The first of a transaction may still say what the transaction is like.
            client.simple("BEGIN")
            client.simple("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            self.assertEqual(rows_of(client.simple("SHOW transaction_isolation")),
                             [[b"serializable"]])
            client.simple(f"DECLARE c CURSOR FOR {self.ONE}")
            self.assertEqual(len(rows_of(client.simple("FETCH ALL FROM c"))), 1)
            self.cost_refused(client.simple("DECLARE d CURSOR FOR TABLE pgbench_accounts"), "E")
            client.simple("ROLLBACK")
            self.usable(client)

    def test_cost_of_prepared_statements(self):
        with self.login("cheap", "cheap_prepared") as client:
            client.simple(f"PREPARE p AS {self.ONE}")
            self.assertEqual(len(rows_of(client.simple("EXECUTE p"))), 1)
            # The same words, another statement.
            client.simple("DEALLOCATE p")
            client.simple(f"PREPARE p AS {self.ALL}")
            self.cost_refused(client.simple("EXECUTE p"))
            self.cost_refused(client.simple("EXPLAIN ANALYZE EXECUTE p"))
            got = client.simple(f"PREPARE q AS {self.ONE}; EXECUTE q")
            self.refused(got, "0A000", "statement 2 of the text", 0)
            self.assertIn("one by one", error_of(got).fields["H"])
            self.usable(client)

    def test_cost_of_what_is_prepared_meanwhile(self):
        """What EXECUTE names is another statement by the time it runs."""
        with self.login("cheap", "cheap_meanwhile") as client:
            client.simple(f"PREPARE p AS {self.ALL.replace('count(*)', '1::bigint')} LIMIT 1")
            got = client.simple(f"DEALLOCATE p; PREPARE p AS {self.ALL}; EXECUTE p")
            self.refused(got, "0A000", "statement 3 of the text", 0)
            client.simple(f"PREPARE q AS {self.ALL}")
            client.send(bind("", "q"), execute(), sync())
            self.refused(client.receive_until("ReadyForQuery"), "0A000", "limits.max_cost", 0)
            client.send(parse("EXECUTE p", "s"), bind("", "s"), execute(), sync())
            self.refused(client.receive_until("ReadyForQuery"), "0A000", "limits.max_cost", 0)
            for sql in ("SET enable_indexscan = off", "SET join_collapse_limit = 1"):
                self.assertEqual(error_of(client.simple(sql)).sqlstate, "42501")
            self.usable(client)

    def test_a_query_in_a_batch_is_judged_by_the_path_it_runs_by(self):
        """SET LOCAL lasts to the end of the batch, which the question for the cost ends."""
        self.env.sql("CREATE SCHEMA aside; CREATE TABLE aside.customers (email text); "
                     "INSERT INTO aside.customers VALUES ('aside'); "
                     "GRANT USAGE ON SCHEMA aside TO vitrine_reader; "
                     "GRANT SELECT ON aside.customers TO vitrine_reader")
        try:
            proxy = self.env.another("limits_path",
                                     extra='limits:\n  - {groups: ["*"], max_cost: 1e9}')
            with proxy.login(proxy.token("path", DATABASE), user="path") as client:
                sql = "SELECT string_agg(email || '', ',') FROM customers"
                masked = rows_of(client.simple(sql))
                client.send(parse("SET LOCAL search_path = aside"), bind(), execute(), query(sql))
                got = client.receive_until("ReadyForQuery")
                if got[-1].name == "ReadyForQuery" and not rows_of(got):
                    got = client.receive_until("ReadyForQuery")
                self.assertIn(rows_of(got), (masked, [[b"aside"]]), got)
                self.assertEqual(rows_of(client.simple(sql)), masked)
                # A batch that fails takes the Query behind it along, to the Sync.
                client.send(parse("SELECT 1/0"), bind(), execute(), query(sql), sync())
                got = client.receive_until("ReadyForQuery")
                self.assertEqual(error_of(got).sqlstate, "22012")
                self.assertEqual(rows_of(got), [])
                self.assertEqual(rows_of(client.simple(sql)), masked)
        finally:
            self.env.sql("DROP SCHEMA aside CASCADE")

    def test_cost_by_parameters(self):
        sql = "SELECT aid FROM pgbench_accounts WHERE aid <= $1"
        few, everything = (5).to_bytes(4, "big"), (100000).to_bytes(4, "big")
        for name, transaction in (("", False), ("s", False), ("", True)):
            with self.subTest(name=name, transaction=transaction), \
                    self.login("cheap", "cheap_parameters") as client:
                if transaction:
                    client.simple("BEGIN")
                client.send(parse(sql, name), bind("", name, [everything], formats=[1]),
                            execute(), sync())
                got = client.receive_until("ReadyForQuery")
                self.cost_refused(got, "E" if transaction else "I")
                if transaction:
                    client.simple("ROLLBACK; BEGIN")
                name += "t" if name else ""
                client.send(parse(sql, name), bind("", name, [few], formats=[1]),
                            describe("P"), execute(), sync())
                got = client.receive_until("ReadyForQuery")
                self.assertEqual(len(rows_of(got)), 5, got)
                self.usable(client, "T" if transaction else "I")

    def test_cost_in_a_batch(self):
        """What stands before it has run, and what stands behind it has not."""
        with self.login("cheap", "cheap_batch") as client:
            for begin in ("", "BEGIN"):
                client.simple(begin)
                client.send(parse(self.ONE), bind(), execute(), parse(self.ALL), bind(), execute(),
                            parse("SELECT 3"), bind(), execute(), sync())
                got = client.receive_until("ReadyForQuery")
                self.refused(got, "53400", "limits.max_cost", 1)
                self.assertEqual(names(got)[-2:], ["ErrorResponse", "ReadyForQuery"])
                self.assertEqual(got[-1].status, "E" if begin else "I")
                client.simple("ROLLBACK")
                self.usable(client)
            client.send(parse("SELECT nope FROM pgbench_accounts"), bind(), execute(), sync(),
                        parse("SELECT 1/(1 - 1)"), bind(), execute(), sync())
            self.assertEqual(error_of(client.receive_until("ReadyForQuery")).sqlstate, "42703")
            self.assertEqual(error_of(client.receive_until("ReadyForQuery")).sqlstate, "22012")
            self.usable(client)
        # Each Bind that was let through has its result, and there are five of them.
        records = self.proxy.records("cheap_batch")
        binds = {r["statement"] for r in records if r["type"] == "statement" and "of" in r
                 and r["verdict"] == "allow"}
        results = [r["statement"] for r in records if r["type"] == "result"]
        self.assertEqual(len(binds), 5)
        self.assertEqual([results.count(number) for number in binds], [1] * 5)

    def test_errors_of_the_plan_are_the_statements_own(self):
        with self.login("cheap", "cheap_errors") as client, \
                self.login("everybody", "everybody_errors") as free:
            for sql in ("SELECT nope FROM pgbench_accounts", "SELECT 1/0",
                        "  SELECT * FROM pgbench_accounts WHERE bid = 'x'",
                        "SELECT count(*) FROM customers WHERE nope = 3 AND email = 'x'"):
                for begin, status in (("", "I"), ("BEGIN", "E")):
                    with self.subTest(sql, begin=begin):
                        answers = []
                        for each in (client, free):
                            each.simple(begin)
                            got = each.simple(sql)
                            fields = error_of(got).fields
                            answers.append([fields.get(f) for f in "SVCMDHP"])
                            self.assertEqual(got[-1].status, status)
                            self.assertEqual(names(got).count("ErrorResponse"), 1)
                            each.simple("ROLLBACK")
                        self.assertEqual(*answers)

    def test_what_the_planner_counts_by_is_fixed(self):
        with self.login("cheap", "cheap_settings") as client:
            for sql in ("SET seq_page_cost = 0", "SET LOCAL CPU_TUPLE_COST TO 0",
                        'SET "cpu_operator_cost" = 0', 'SET U&"seq\\005fpage_cost" = 0',
                        "SET SESSION enable_SeqScan = off",
                        "SELECT set_config('cpu_tuple_cost', '0', false)",
                        "SELECT set_config('Random_Page_Cost', (SELECT '0'), false)",
                        "SET effective_cache_size = '100GB'"):
                with self.subTest(sql):
                    self.assertEqual(error_of(client.simple(sql)).sqlstate, "42501")
            self.assertNotIn("ErrorResponse", names(client.simple("RESET seq_page_cost")))
            self.assertNotIn("ErrorResponse", names(client.simple("SET work_mem = '8MB'")))
            self.cost_refused(client.simple(self.ALL))
        client = self.proxy.connect()
        last = client.login("cheap_settings", DATABASE, self.token("cheap", "cheap_settings"),
                            options="-c seq_page_cost=0 -c cpu_tuple_cost=0")[-1]
        self.assertEqual(last.sqlstate, "42501")
        client.close()
        with self.login("everybody", "everybody_settings") as client:
            self.assertNotIn("ErrorResponse", names(client.simple("SET seq_page_cost = 0")))

    def test_the_question_can_be_stopped(self):
        """It waits for a lock: the client's cancel, its own timeout and the session's end."""
        sql = "SELECT count(*) FROM pgbench_branches"
        with subprocess.Popen(["psql", "-qX"], stdin=subprocess.PIPE, text=True,
                              env=self.env.database.environment(DATABASE)) as owner:
            owner.stdin.write("BEGIN; LOCK TABLE pgbench_branches IN ACCESS EXCLUSIVE MODE;\n")
            owner.stdin.flush()
            self.assertTrue(within(20, lambda: self.env.sql(
                "SELECT 1 FROM pg_locks WHERE relation = 'pgbench_branches'::regclass AND granted "
                "AND mode = 'AccessExclusiveLock'")))
            with self.login("cheap", "cheap_waiting") as client:
                client.send(query(sql))
                self.assertTrue(within(20, lambda: self.asked() == 1))
                with self.proxy.connect() as other:
                    other.send(cancel_request(client.key))
                got = client.receive_until("ReadyForQuery")
                self.assertEqual((error_of(got).sqlstate, got[-1].status), ("57014", "I"))
                self.usable(client)
            with self.login("cheap_quick") as client:
                client.send(query(sql))
                got = client.receive_until("ReadyForQuery")
                self.refused(got, "57014", "limits.statement_timeout", 0)
                self.usable(client)
            with self.login("cheap", "cheap_leaving") as client:
                client.send(query(sql))
                self.assertTrue(within(20, lambda: self.asked() == 1))
            self.assertTrue(within(20, lambda: self.sessions_of("cheap_leaving") == 0))
            ends = [r for r in self.proxy.records("cheap_leaving") if r["type"] == "result"]
            self.assertEqual([r["sqlstate"] for r in ends], ["57P01"])
            self.assertTrue(within(20, lambda: self.asked() == 0))
            owner.communicate("ROLLBACK;\n")

    def asked(self):
        return int(self.env.sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                                "query LIKE 'EXPLAIN (FORMAT JSON) %pgbench_branches'"))
