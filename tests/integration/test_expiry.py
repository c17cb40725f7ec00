"""A session ends when its token does, whatever it is doing; and nothing of it stays behind."""

import socket
import subprocess
import time
import unittest

from environment import DATABASE, PATIENCE, USER, shared
from wire_client import (ConnectionClosed, bind, error_of, execute, names, parse, query, sync,
                         within)

TTL = 3
ENDLESS = ("SELECT count(*) FROM pgbench_accounts a, pgbench_accounts b, pgbench_accounts c "
           "WHERE a.bid + b.bid < c.aid /* endless */")
MANY_ROWS = "SELECT a.aid, repeat('x', 1000) FROM pgbench_accounts a, pgbench_accounts b /* endless */"


class Expiry(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.proxy

    def short(self, name):
        """A session of a few seconds, and when it ends."""
        asked = time.time()
        client = self.proxy.login(self.proxy.token(USER, DATABASE, ttl=f"{TTL}s"),
                                  application_name=name)
        # exp counts whole seconds, so it lies up to one before or after.
        return client, asked + TTL

    def backends(self, name):
        return int(self.env.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name "
                                f"LIKE '%{name}%'"))

    def gone(self, name):
        self.assertTrue(within(1 * PATIENCE, lambda: self.backends(name) == 0),
                        "a backend stayed behind on the server")

    def expired(self, client, end):
        """Waits for the end, which must come at the time and in the form it should."""
        messages = client.receive_to_end()
        late = time.time() - end
        self.assertGreater(late, -1.5)
        self.assertLess(late, 1.0 * PATIENCE + 0.2)
        error = messages[-1]
        self.assertEqual(error.name, "ErrorResponse")
        self.assertEqual((error.fields["S"], error.sqlstate), ("FATAL", "57P01"))
        return messages

    def end_record(self, name):
        records = self.proxy.records()
        [session] = [r["session"] for r in records if r["type"] == "session_start"
                     and r["application"] == name]
        [end] = [r for r in records if r["type"] == "session_end" and r["session"] == session]
        return end

    def test_in_the_middle_of_a_scan(self):
        client, end = self.short("scan_simple")
        client.send(query(ENDLESS))
        self.assertTrue(within(20, lambda: self.env.backends("%endless */%") >= 1))
        self.expired(client, end)
        self.gone("scan_simple")
        self.assertEqual(self.end_record("scan_simple")["cause"], "expired")

    def test_in_the_middle_of_an_extended_scan(self):
        client, end = self.short("scan_extended")
        client.send(parse(ENDLESS), bind(), execute(), sync())
        self.expired(client, end)
        self.gone("scan_extended")

    def test_psql_says_so(self):
        started = time.monotonic()
        done = self.proxy.psql("-v", "VERBOSITY=verbose", "-c", ENDLESS,
                               token=self.proxy.token(USER, DATABASE, ttl=f"{TTL}s"))
        self.assertIn("57P01", done.stdout)
        self.assertNotEqual(done.returncode, 0)
        self.assertLess(time.monotonic() - started, TTL + 1.5 * PATIENCE)

    def test_idle(self):
        client, end = self.short("is_idle")
        client.simple("SELECT 1")
        self.expired(client, end)
        self.gone("is_idle")

    def test_idle_in_a_transaction(self):
        client, end = self.short("in_transaction")
        client.simple("BEGIN")
        client.simple("SELECT count(*) FROM library.books")
        self.expired(client, end)
        self.gone("in_transaction")

    def test_in_the_middle_of_rows(self):
        client, end = self.short("mid_rows")
        client.send(query(MANY_ROWS))
        messages = self.expired(client, end)
        self.assertIn("DataRow", names(messages))
        self.gone("mid_rows")

    def test_in_the_middle_of_a_copy(self):
        client, end = self.short("mid_copy")
        client.send(query(f"COPY ({MANY_ROWS}) TO STDOUT"))
        messages = self.expired(client, end)
        self.assertIn("CopyData", names(messages))
        self.gone("mid_copy")

    def test_a_client_that_does_not_read(self):
        """Its socket is full; the session and the backend end all the same."""
        client, end = self.short("does_not_read")
        client.send(query(MANY_ROWS))
        time.sleep(max(0, end - time.time()) + 1.2 * PATIENCE)
        self.gone("does_not_read")
        self.assertTrue(client.closed_within(10))
        self.assertEqual(self.end_record("does_not_read")["cause"], "expired")

    def test_a_client_that_stopped_in_the_middle_of_a_message(self):
        client, end = self.short("half_message")
        client.send(b"Q\0\0\0\x20SELECT")
        self.expired(client, end)
        self.gone("half_message")

    def test_a_suspended_portal(self):
        client, end = self.short("suspended")
        client.simple("BEGIN")
        client.send(parse("SELECT * FROM library.books"), bind(), execute(rows=5), sync())
        client.receive_until("ReadyForQuery")
        self.expired(client, end)
        self.gone("suspended")

    def test_busy_until_the_end(self):
        """Short statements one after the other: the last ones fail, and none runs after the end."""
        client, end = self.short("is_busy")
        last = None
        try:
            while time.time() < end + 5:
                messages = client.simple("SELECT extract(epoch FROM clock_timestamp())")
                last = time.time()
                self.assertNotIn("ErrorResponse", names(messages))
        except (ConnectionClosed, OSError):
            pass
        self.assertIsNotNone(last)
        self.assertLess(last, end + 1.0 * PATIENCE)
        self.gone("is_busy")

    def test_others_go_on(self):
        with self.proxy.login() as long_lived:
            client, end = self.short("short_lived")
            self.expired(client, end)
            self.assertNotIn("ErrorResponse", names(long_lived.simple("SELECT 1")))

    def test_nobody_comes_in_with_it_again(self):
        token = self.proxy.token(USER, DATABASE, ttl="1s")
        time.sleep(2.2)
        with self.proxy.connect() as client:
            self.assertEqual(error_of(client.login(USER, DATABASE, token)).sqlstate, "28P01")

    def test_the_client_gone_first(self):
        client, _ = self.short("left_early")
        client.send(query(ENDLESS))
        self.assertTrue(within(20, lambda: self.env.backends("%endless */%") >= 1))
        client.socket.shutdown(socket.SHUT_RDWR)
        client.close()
        # A client that leaves takes its statement with it, long before the token ends.
        self.gone("left_early")
        self.assertEqual(self.end_record("left_early")["cause"], "client")

    def test_pgbench_is_stopped(self):
        done = subprocess.run(
            ["pgbench", "-n", "-S", "-c", "4", "-T", "20", DATABASE], text=True,
            env=self.proxy.environment(USER, self.proxy.token(USER, DATABASE, ttl="2s"), DATABASE)
            | {"PGAPPNAME": "stopped_bench"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=60)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.gone("stopped_bench")
