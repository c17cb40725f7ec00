"""Cancelling: within a second, the right statement, and no other."""

import os
import re
import signal
import socket
import subprocess
import time
import unittest

from environment import DATABASE, PATIENCE, USER, shared
from wire_client import (WireClient, bind, cancel_request, client_context, error_of, execute,
                         parse, query, rows_of, sync, within)

# In the select list: a function in FROM would first fill the disk with its rows, and a server that
# waits for the disk does not look up.
SCAN = "SELECT count(*) FROM (SELECT generate_series(1, 2000000000)) AS long_scan"
JOIN = ("SELECT count(*) FROM pgbench_accounts a, pgbench_accounts b, pgbench_accounts c "
        "WHERE a.bid + b.bid < c.aid /* long_scan */")


class Cancel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.proxy

    def running(self):
        return self.env.backends("%long_scan%")

    def send_cancel(self, key, tls=True):
        """A CancelRequest on a connection of its own; the peer answers by closing it."""
        with self.proxy.connect(tls=tls) as other:
            other.send(cancel_request(key))
            self.assertTrue(other.closed_within(5 * PATIENCE))
            self.assertNotIn(b"E", bytes(other.received[1:2]))

    def test_psql_interrupted(self):
        for sql in (SCAN, JOIN):
            with self.subTest(sql):
                process = subprocess.Popen(
                    ["psql", "-X", "-v", "VERBOSITY=verbose", "-c", sql],
                    env=self.proxy.environment(USER, self.proxy.token(USER, DATABASE), DATABASE),
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
                self.assertTrue(within(10, lambda: self.running() == 1))
                started = time.monotonic()
                os.kill(process.pid, signal.SIGINT)
                said = process.communicate(timeout=20)[0]
                self.assertLess(time.monotonic() - started, 1.0 * PATIENCE)
                self.assertIn("57014", said)
                self.assertTrue(within(1 * PATIENCE, lambda: self.running() == 0))

    def test_by_message(self):
        for tls in (True, False):
            for path in ("simple", "extended", "copy"):
                with self.subTest(path, tls=tls), self.proxy.login() as client:
                    if path == "simple":
                        client.send(query(SCAN))
                    elif path == "extended":
                        client.send(parse(SCAN), bind(), execute(), sync())
                    else:
                        client.send(query(f"COPY ({SCAN.replace('count(*)', 'long_scan.*')} OFFSET 1999999999) TO STDOUT"))
                    self.assertTrue(within(10, lambda: self.running() == 1))
                    started = time.monotonic()
                    self.send_cancel(client.key, tls)
                    messages = client.receive_until("ReadyForQuery")
                    self.assertLess(time.monotonic() - started, 1.0 * PATIENCE)
                    self.assertEqual(error_of(messages).sqlstate, "57014")
                    # The session goes on.
                    self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])

    def test_a_wrong_key_cancels_nothing(self):
        with self.proxy.login() as client:
            client.send(query(SCAN))
            self.assertTrue(within(10, lambda: self.running() == 1))
            pid, secret = client.key
            for key in ((pid, secret ^ 1), (pid ^ 1, secret), (pid, 0), (0, 0),
                        (0xffffffff, 0xffffffff)):
                self.send_cancel(key)
            backend = int(self.env.sql("SELECT pid FROM pg_stat_activity WHERE state = 'active' "
                                       "AND query LIKE '%long_scan%' AND pid <> pg_backend_pid()"))
            self.send_cancel((backend, secret))
            time.sleep(0.5)
            self.assertEqual(self.running(), 1)
            self.send_cancel(client.key)
            self.assertEqual(error_of(client.receive_until("ReadyForQuery")).sqlstate, "57014")

    def test_the_servers_key_is_not_handed_out(self):
        """Our key is no good at the server itself."""
        with self.proxy.login() as client:
            client.send(query(SCAN))
            self.assertTrue(within(10, lambda: self.running() == 1))
            with WireClient(self.env.database.port) as other:
                other.start_tls(client_context())
                other.send(cancel_request(client.key))
                other.closed_within(3)
            time.sleep(0.3)
            self.assertEqual(self.running(), 1)
            self.send_cancel(client.key)
            client.receive_until("ReadyForQuery")

    def test_only_ones_own(self):
        with self.proxy.login() as one, self.proxy.login() as two:
            self.assertNotEqual(one.key, two.key)
            one.send(query(SCAN))
            two.send(query(SCAN))
            self.assertTrue(within(10, lambda: self.running() == 2))
            self.send_cancel(one.key)
            self.assertEqual(error_of(one.receive_until("ReadyForQuery")).sqlstate, "57014")
            self.assertEqual(self.running(), 1)
            self.send_cancel(two.key)
            two.receive_until("ReadyForQuery")

    def test_late_cancels_hit_nothing(self):
        """Cancels and short statements at once: an answer is whole, or 57014 of its own; a cancel
        that came while nothing ran never hits the next statement."""
        with self.proxy.login() as client:
            for _ in range(5):
                self.send_cancel(client.key)
                for _ in range(5):
                    self.assertEqual(rows_of(client.simple("SELECT 42")), [[b"42"]])

    def test_keys_are_not_guessable(self):
        keys = []
        for _ in range(8):
            with self.proxy.login() as client:
                keys.append(client.key)
        self.assertEqual(len({secret for _, secret in keys}), 8)
        differences = {keys[i + 1][1] - keys[i][1] for i in range(7)}
        self.assertGreater(len(differences), 5)

    def test_torn_cancels(self):
        for raw in (cancel_request((1, 2))[:12], cancel_request((1, 2)) + b"more",
                    b"\0\0\0\x14" + cancel_request((1, 2))[4:] + b"\0\0\0\0"):
            with self.subTest(raw), self.proxy.connect(tls=False) as client:
                client.send(raw)
                client.socket.shutdown(socket.SHUT_WR)
                self.assertTrue(client.closed_within(8 * PATIENCE))
        with self.proxy.login() as client:
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])

    def test_the_record_says_so(self):
        with self.proxy.login() as client:
            client.send(query(SCAN + " /* recorded */"))
            self.assertTrue(within(10, lambda: self.running() == 1))
            self.send_cancel(client.key)
            client.receive_until("ReadyForQuery")
        records = self.proxy.records()
        [statement] = [r for r in records if r["type"] == "statement"
                       and "recorded */" in r.get("sql", "")]
        [result] = [r for r in records if r["type"] == "result"
                    and r["session"] == statement["session"]
                    and r["statement"] == statement["statement"]]
        self.assertEqual(result["sqlstate"], "57014")
        self.assertTrue(re.match(r"\d", str(result["duration_us"])))
