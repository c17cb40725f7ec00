"""durability: fsync, on a disk that takes its time and breaks: nothing is sent before its record is
on the disk, sessions share a sync, and nobody's worker waits."""

import os
import subprocess
import threading
import time
import unittest

from environment import DATABASE, HERE, SANITIZED, shared
from wire_client import error_of, names, query, rows_of, within

SYNC = 0.1  # seconds a sync takes
LONG = 2.0  # longer than a busy machine keeps anybody waiting


@unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library")
class Fsync(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.on_a_disk("fsync", SYNC)
        cls.broken = cls.proxy.config.parent / "broken"

    @classmethod
    def on_a_disk(cls, name, seconds):
        """A proxy with one worker, on a disk whose syncs take so long."""
        proxy = cls.env.another(name, start=False, directory="log\n  durability: fsync", workers=1)
        library = proxy.config.parent / "slow_disk.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, HERE / "slow_disk.c"], check=True)
        proxy.start(os.environ | {"LD_PRELOAD": str(library),
                                  "SLOW_DISK_MS": str(int(seconds * 1000)),
                                  "SLOW_DISK_BROKEN": str(proxy.config.parent / "broken")})
        return proxy

    def login(self, user):
        return self.proxy.login(self.proxy.token(user, DATABASE), user=user)

    def rate(self, clients, seconds):
        """Statements a second, all clients together."""
        counts, end = [0] * len(clients), time.monotonic() + seconds

        def run(index):
            while time.monotonic() < end:
                self.assertEqual(rows_of(clients[index].simple("SELECT 1")), [[b"1"]])
                counts[index] += 1
        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(clients))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(all(counts))
        return sum(counts) / seconds

    def test_it_waits_for_the_disk_and_shares_it(self):
        clients = [self.login("many") for _ in range(32)]
        try:
            one = self.rate(clients[:1], 2)
            self.assertLess(one, 1 / SYNC + 1)
            self.assertGreater(self.rate(clients, 3), 8 * one)
        finally:
            for client in clients:
                client.close()
        others = [self.login(f"single{i}") for i in range(8)]
        try:
            self.assertGreater(self.rate(others, 3), 4 * one)
        finally:
            for client in others:
                client.close()

    def test_nobodys_worker_waits(self):
        """One worker has both: a result that streams, and statements that wait for the disk."""
        proxy = self.on_a_disk("fsync_long", LONG)
        with proxy.login(proxy.token("reader", DATABASE), user="reader") as reader, \
                proxy.login(proxy.token("writer", DATABASE), user="writer") as writer:
            reader.send(query("SELECT repeat('x', 1000), generate_series(1, 100000000)"))
            reader.receive()
            longest, done = 0.0, threading.Event()

            def write():
                while not done.is_set():
                    writer.simple("SELECT 1")
            thread = threading.Thread(target=write)
            thread.start()
            try:
                end = time.monotonic() + 3 * LONG
                while (began := time.monotonic()) < end:
                    reader.receive()
                    longest = max(longest, time.monotonic() - began)
            finally:
                done.set()
                thread.join()
            self.assertLess(longest, LONG * 0.8)

    def test_a_disk_that_breaks(self):
        """What waits is not sent; what comes is refused and the session stays; then it goes on."""
        with self.login("broken") as waits, self.login("broken") as stays:
            self.broken.touch()
            try:
                waits.send(query("SELECT 'late'"))
                error = error_of(waits.receive_until("ErrorResponse"))
                self.assertEqual((error.fields["S"], error.sqlstate), ("FATAL", "58030"))
                got = stays.simple("SELECT 'late'")
                self.assertEqual(error_of(got).sqlstate, "58030")
                self.assertEqual(names(got)[-1], "ReadyForQuery")
                # What a backend ran last stands there, whether it is idle or not.
                self.assertEqual(self.env.sql("SELECT count(*) FROM pg_stat_activity WHERE pid <> "
                                              "pg_backend_pid() AND query LIKE '%late%'"), "0")
                with self.assertRaises(AssertionError):
                    self.login("broken")
            finally:
                self.broken.unlink()
            self.assertEqual(rows_of(stays.simple("SELECT 'on again'")), [[b"on again"]])
        self.login("broken").close()
        self.assertTrue(within(20, lambda: self.verify().returncode == 0), self.verify().stderr)

    def verify(self):
        return subprocess.run([self.proxy.program, "audit", "verify", "--config", self.proxy.config],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


if __name__ == "__main__":
    unittest.main()
