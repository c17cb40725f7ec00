"""What happens to the machine around it: the database away, the disk full, a reload, the end."""

import os
import shutil
import signal
import subprocess
import threading
import time
import unittest

from environment import DATABASE, PATIENCE, USER, shared
from wire_client import (ConnectionClosed, WireClient, error_of, query, rows_of, within)

SCAN = "SELECT count(*) FROM (SELECT generate_series(1, 2000000000)) AS operation_scan"


class DatabaseAway(unittest.TestCase):
    """With a door of our own between vitrine and PostgreSQL, which can be shut."""

    def setUp(self):
        self.env = shared()
        self.door = Door(self.env.database.port)
        self.addCleanup(self.door.shut)
        self.proxy = self.env.another(f"away-{self._testMethodName}", server_port=self.door.port)
        self.addCleanup(self.proxy.stop)

    def attempt(self):
        with self.proxy.connect() as client:
            client.socket.settimeout(30)
            return client.login(USER, DATABASE, self.proxy.token(USER, DATABASE))[-1]

    def test_away_at_login(self):
        self.assertEqual(self.attempt().name, "ReadyForQuery")
        self.door.shut()
        last = self.attempt()
        self.assertEqual((last.name, last.fields["S"]), ("ErrorResponse", "FATAL"))
        self.assertIn(last.sqlstate, ("08006", "08001", "57P03"))
        self.assertTrue(last.fields["M"])
        self.door.open()
        self.assertEqual(self.attempt().name, "ReadyForQuery")

    def test_away_in_the_middle(self):
        for how in ("idle", "running"):
            with self.subTest(how):
                client = self.proxy.login()
                if how == "running":
                    client.send(query(SCAN))
                    self.assertTrue(within(10, lambda: self.env.backends("%operation_scan%") == 1))
                self.door.cut()
                client.socket.settimeout(10)
                messages = client.receive_to_end()
                self.assertTrue(messages, "the client is told why")
                self.assertEqual(messages[-1].fields["S"], "FATAL")
                self.assertIn(messages[-1].sqlstate, ("08006", "57P01", "57P02", "57P03"))
                self.assertEqual(self.attempt().name, "ReadyForQuery")

    def test_backend_terminated(self):
        client = self.proxy.login(application_name="to_be_terminated")
        self.env.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                     "WHERE application_name LIKE '%to_be_terminated%'")
        messages = client.receive_to_end()
        self.assertEqual(messages[-1].sqlstate, "57P01")
        self.assertTrue(messages[-1].fields["M"])

    def test_away_at_the_start(self):
        """vitrine starts without its database, says so to whoever comes, and heals."""
        self.door.shut()
        proxy = self.env.another("away-at-start", server_port=self.door.port)
        self.addCleanup(proxy.stop)
        with proxy.connect() as client:
            client.socket.settimeout(30)
            last = client.login(USER, DATABASE, proxy.token(USER, DATABASE))[-1]
            self.assertIn(last.sqlstate, ("08006", "08001", "57P03"))
        self.door.open()

        def works():
            with proxy.connect() as again:
                return again.login(USER, DATABASE,
                                   proxy.token(USER, DATABASE))[-1].name == "ReadyForQuery"

        self.assertTrue(within(5 * PATIENCE, works, every=0.3))


class Door:
    """A TCP relay to PostgreSQL that can be shut (nobody listens) or cut (connections end)."""

    def __init__(self, target):
        self.target, self.port, self._process = target, None, None
        self.open()

    def open(self):
        code = (
            "import asyncio, sys\n"
            "async def pump(r, w):\n"
            "    try:\n"
            "        while data := await r.read(65536):\n"
            "            w.write(data); await w.drain()\n"
            "    except OSError: pass\n"
            "    w.close()\n"
            "async def one(r, w):\n"
            f"    br, bw = await asyncio.open_connection('127.0.0.1', {self.target})\n"
            "    await asyncio.gather(pump(r, bw), pump(br, w))\n"
            "async def main():\n"
            f"    s = await asyncio.start_server(one, '127.0.0.1', {self.port or 0})\n"
            "    print(s.sockets[0].getsockname()[1], flush=True)\n"
            "    await s.serve_forever()\n"
            "asyncio.run(main())\n")
        self._process = subprocess.Popen(["/usr/bin/python3", "-c", code], text=True,
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.port = int(self._process.stdout.readline())

    def shut(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def cut(self):
        self.shut()
        self.open()


@unittest.skipUnless(os.geteuid() == 0, "a file system of its own takes root")
class DiskFull(unittest.TestCase):
    def setUp(self):
        self.env = shared()
        self.disk = self.env.path / "small-disk"
        self.disk.mkdir(exist_ok=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", self.disk],
                                 stderr=subprocess.PIPE, text=True)
        if mounted.returncode != 0:
            self.skipTest("no tmpfs can be mounted here: " + mounted.stderr.strip())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", self.disk], check=True))
        self.proxy = self.env.another("disk-full", directory=self.disk / "log")
        self.proxy.audit = self.disk / "log"
        self.addCleanup(self.proxy.stop)

    def fill(self):
        with open(self.disk / "ballast", "wb", buffering=0) as f:
            for size in (4096, 1):
                try:
                    while True:
                        f.write(b"x" * size)
                except OSError:
                    pass

    def test_refused_and_not_forwarded(self):
        with self.proxy.login() as client:
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])
            self.fill()
            marker = "disk_is_full_" + "x" * 5000  # longer than what is left of the last page
            log_before = self.env.database.log.read_text(errors="replace").count("disk_is_full_x")
            for how in ("simple", "extended"):
                with self.subTest(how):
                    messages = getattr(client, how)(f"SELECT '{marker}'")
                    self.assertEqual(error_of(messages).sqlstate, "58030")
                    self.assertEqual(rows_of(messages), [])
            self.assertEqual(self.env.database.log.read_text(errors="replace")
                             .count("disk_is_full_x"), log_before, "it reached the server")
            # No new session either: its start cannot be recorded.
            with self.proxy.connect() as other:
                long_name = "n" * 5000
                last = other.login(USER, DATABASE, self.proxy.token(USER, DATABASE),
                                   application_name=long_name)[-1]
                self.assertEqual((last.name, last.sqlstate), ("ErrorResponse", "58030"))
            (self.disk / "ballast").unlink()

            def works():
                return rows_of(client.simple("SELECT 2")) == [[b"2"]]

            self.assertTrue(within(5 * PATIENCE, works))
        verified = self.proxy.verb("audit", "verify", "--config", self.proxy.config)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)


class Signals(unittest.TestCase):
    def setUp(self):
        self.env = shared()

    def own(self, name, **changes):
        proxy = self.env.another(f"signals-{name}", **changes)
        self.addCleanup(proxy.stop)
        return proxy

    def refused(self, proxy):
        try:
            WireClient(proxy.port, 2).close()
            return False
        except OSError:
            return True

    def test_sigterm_drains(self):
        proxy = self.own("drain")
        busy = proxy.login()
        busy.send(query("SELECT count(*) FROM generate_series(1, 3000000)"))
        proxy.signal(signal.SIGTERM)
        self.assertTrue(within(2 * PATIENCE, lambda: self.refused(proxy)))
        messages = busy.receive_until("ReadyForQuery", "ErrorResponse")
        self.assertEqual(rows_of(messages), [[b"3000000"]], "what runs is allowed to end")
        busy.close()
        self.assertEqual(proxy.wait(15 * PATIENCE), 0)
        ends = [r["cause"] for r in proxy.records() if r["type"] == "session_end"]
        self.assertEqual(len(ends), 1)
        self.assertEqual(proxy.verb("audit", "verify", "--config", proxy.config).returncode, 0)

    def test_second_sigterm_ends_at_once(self):
        proxy = self.own("at-once")
        idle, busy = proxy.login(), proxy.login()
        busy.send(query(SCAN))
        self.assertTrue(within(10, lambda: self.env.backends("%operation_scan%") == 1))
        proxy.signal(signal.SIGTERM)
        time.sleep(0.3)
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(3 * PATIENCE), 0)
        for client in (idle, busy):
            self.assertTrue(client.closed_within(3))
        self.assertTrue(within(2 * PATIENCE,
                               lambda: self.env.backends("%operation_scan%") == 0))
        ends = [r["cause"] for r in proxy.records() if r["type"] == "session_end"]
        self.assertEqual(sorted(ends), ["shutdown", "shutdown"])
        self.assertEqual(proxy.verb("audit", "verify", "--config", proxy.config).returncode, 0)

    def test_killed_and_started_again(self):
        """SIGKILL in the middle: what was written verifies, and the log goes on."""
        proxy = self.own("killed")
        with proxy.login() as client:
            client.simple("SELECT 'before'")
            proxy.signal(signal.SIGKILL)
            proxy.wait(5)
        proxy.start()
        with proxy.login() as client:
            client.simple("SELECT 'after'")
        proxy.stop()
        texts = [r.get("sql") for r in proxy.statements()]
        self.assertIn("SELECT 'before'", texts)
        self.assertIn("SELECT 'after'", texts)
        done = proxy.verb("audit", "verify", "--config", proxy.config)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def reload(self, proxy):
        before = len(proxy.log.read_text())
        proxy.signal(signal.SIGHUP)
        self.assertTrue(within(3 * PATIENCE, lambda: len(proxy.log.read_text()) > before),
                        "the log says nothing of the reload")

    def test_sighup_takes_new_rules(self):
        proxy = self.own("reload")
        with proxy.login() as old:
            def author(client):
                return rows_of(client.simple("SELECT name FROM library.authors WHERE id = 1"))

            self.assertEqual(author(old), [[b"Author 1"]])
            self.env.configure(proxy, rules="[{columns: [library.authors.name], "
                                            'mask: {constant: "[removed]"}}]')
            self.reload(proxy)
            with proxy.login() as new:
                self.assertTrue(within(2 * PATIENCE, lambda: author(new) == [[b"[removed]"]]))
            # The session that was there stays, and the new rules hold for it too.
            self.assertTrue(within(2 * PATIENCE, lambda: author(old) == [[b"[removed]"]]))

    def test_sighup_with_a_mistake_keeps_the_old(self):
        proxy = self.own("reload-mistake")
        good = proxy.config.read_text()
        with proxy.login() as client:
            proxy.config.write_text(good.replace("audience: vitrine", "audience: vitrine\n  audiens: x"))
            self.reload(proxy)
            self.assertTrue(proxy.running)
            self.assertIn("audiens", proxy.log.read_text())
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])
            proxy.config.write_text(good)
            with proxy.login() as another:
                self.assertEqual(rows_of(another.simple("SELECT 1")), [[b"1"]])

    def test_sighup_takes_a_new_certificate(self):
        proxy = self.own("reload-certificate")

        def serial():
            with proxy.connect() as client:
                return client.socket.getpeercert()["serialNumber"]

        before = serial()
        self.env.authority.sign("renewed")
        for suffix in (".crt", ".key"):
            shutil.move(self.env.path / f"renewed{suffix}", proxy.config.with_name(f"server{suffix}"))
        self.reload(proxy)
        self.assertTrue(within(2 * PATIENCE, lambda: serial() != before))

    def test_reload_under_load(self):
        proxy = self.own("reload-load")
        bench = subprocess.Popen(
            ["pgbench", "-n", "-S", "-M", "prepared", "-c", "4", "-T", "4", DATABASE], text=True,
            env=proxy.environment(USER, proxy.token(USER, DATABASE), DATABASE),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while bench.poll() is None:
            proxy.signal(signal.SIGHUP)
            time.sleep(0.2)
        said = bench.communicate()[0]
        self.assertEqual(bench.returncode, 0, said)
        self.assertRegex(said, r"number of failed transactions: 0 ")


class Crowd(unittest.TestCase):
    def test_many_at_once(self):
        """Sixty sessions come, read and go at the same time."""
        proxy = shared().proxy
        token = proxy.token(USER, DATABASE)
        answers, problems = [], []

        def visit(number):
            try:
                with proxy.login(token) as client:
                    for _ in range(5):
                        answers.append(rows_of(client.extended("SELECT $1::int", [str(number)]))
                                       == [[str(number).encode()]])
            except (ConnectionClosed, AssertionError, OSError) as problem:
                problems.append(problem)

        threads = [threading.Thread(target=visit, args=(n,)) for n in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])
        self.assertEqual(answers, [True] * 300)

    def test_the_port_is_taken(self):
        env = shared()
        proxy = env.another("port-taken", start=False, port=env.proxy.port)
        done = proxy.verb("serve", "--config", proxy.config)
        self.assertEqual(done.returncode, 2)
        self.assertIn(str(env.proxy.port), done.stderr)

    def test_the_log_is_taken(self):
        """Two processes on one log directory would tear its chain."""
        env = shared()
        proxy = env.another("log-taken", start=False, directory=env.proxy.audit)
        done = proxy.verb("serve", "--config", proxy.config)
        self.assertEqual(done.returncode, 2)
        self.assertTrue(done.stderr.strip())
        self.assertNotIn("Traceback", done.stderr)
