"""The log's disk is full, read-only or gone while sessions run: what cannot be recorded is refused and
does not reach the server, the session stays, the probes say so; and when the disk is back it goes on.
Killed in that state it does not start before the disk is back, and then repairs what is torn."""

import contextlib
import errno
import json
import os
import random
import re
import resource
import signal
import subprocess
import threading
import unittest

from environment import DATABASE, HERE, PATIENCE, SANITIZED, shared
from test_admin import AdminCase, sample
from throwaway import SetupError
from wire_client import (ConnectionClosed, bind, execute, parse, query, sync, within)

USERS = ("kim", "lea", "max")
MARKER = re.compile(r"disk_\w+?_\d+_\d+_")


class Session:
    """A user's session that sends without a pause, and what came of each statement."""

    def __init__(self, proxy, user, prefix):
        self.proxy, self.user, self.prefix = proxy, user, prefix
        self.ran, self.refused, self.problems, self.count = [], [], [], 0
        self.stop, self.killed = threading.Event(), threading.Event()
        self.random = random.Random(prefix)
        self.token = proxy.token(user, DATABASE)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def end(self):
        self.stop.set()
        self.thread.join()

    def run(self):
        try:
            with self.proxy.login(self.token, user=self.user) as client:
                while not self.stop.is_set():
                    self.step(client)
                    self.stop.wait(0.005)
        except (ConnectionClosed, OSError) as end:
            if not self.killed.is_set():
                self.problems.append(f"{self.prefix}: cut off: {end!r}")
        except Exception as problem:
            self.problems.append(f"{self.prefix}: {problem!r}")

    def statement(self):
        # Of any length, so that the room ends anywhere in a record.
        self.count += 1
        marker = f"{self.prefix}_{self.count}_"
        return marker, f"SELECT '{marker}' /* {'x' * self.random.randrange(3000)} */"

    def step(self, client):
        made = [self.statement() for _ in range(self.random.choice((1, 1, 2)))]
        batches = [made]
        path = self.random.randrange(3)
        if path == 0:
            client.send(query("; ".join(sql for _, sql in made)))
        elif path == 1:
            client.send(*(m for _, sql in made for m in (parse(sql), bind(), execute())), sync())
        else:  # a pipeline
            client.send(*(m for _, sql in made for m in (parse(sql), bind(), execute(), sync())))
            batches = [[one] for one in made]
        for batch in batches:
            self.take_answer(client, [marker for marker, _ in batch])

    def take_answer(self, client, left):
        while True:
            got = client.receive()
            if got.name == "CommandComplete":
                self.ran.append(left.pop(0))
            elif got.name == "ErrorResponse":
                fields = got.fields
                if (fields["S"], fields["C"]) != ("ERROR", "58030") or "operator" not in fields["H"]:
                    self.problems.append(f"{self.prefix}: {got}")
                self.refused += left  # the one, and what came behind it
                left = []
            elif got.name == "ReadyForQuery":
                if left:
                    self.problems.append(f"{self.prefix}: nothing said of {left}")
                return


@unittest.skipUnless(os.geteuid() == 0, "a file system of its own takes root")
class BrokenDisk(AdminCase):
    def begin(self, size="64m", program_environment=None):
        name = self._testMethodName.removeprefix("test_")
        self.disk = shared().path / f"broken-disk-{name}"
        self.disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.disk],
                                 stderr=subprocess.PIPE, text=True)
        if mounted.returncode != 0:
            self.skipTest("no tmpfs can be mounted here: " + mounted.stderr.strip())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", self.disk], check=True))
        self.log = self.disk / "log"
        self.proxy = self.start(f"broken-disk-{name}", directory=self.log,
                                program_environment=program_environment)
        self.proxy.audit = self.log
        self.ready()
        self.newcomers = 0
        self.sessions = [Session(self.proxy, user, f"disk_{name}_{i}")
                         for i, user in enumerate(USERS)]
        self.addCleanup(lambda: [s.end() for s in self.sessions])
        self.all_go_on()

    def all_go_on(self, count=20):
        self.each_has_more("ran", count)

    def all_are_refused(self, count=5):
        self.each_has_more("refused", count)

    def each_has_more(self, what, count):
        before = [len(getattr(s, what)) for s in self.sessions]
        self.assertTrue(within(15 * PATIENCE, lambda: all(
            len(getattr(s, what)) >= n + count for s, n in zip(self.sessions, before))),
            [(what, s.prefix, s.problems) for s in self.sessions])

    def fill(self):
        with open(self.disk / "ballast", "ab", buffering=0) as f:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        f.write(b"x" * size)

    def make_room(self):
        (self.disk / "ballast").unlink()

    # --- what must be ----------------------------------------------------------------------

    def is_refused(self, words):
        """All are refused, and who asks is told why; what was running goes on."""
        self.all_are_refused()
        for path in ("/healthz", "/readyz"):
            self.assertTrue(within(3 * PATIENCE, lambda: self.machine.get(path)[0] == 503))
            self.assertRegex(self.machine.get(path)[1],
                             rf"the query log cannot be written: .*{words}")
        metrics = self.machine.metrics()
        self.assertEqual(metrics[sample("vitrine_audit_writable")], 0)
        self.assertGreater(metrics[sample("vitrine_audit_write_failures_total")], 5)
        # Neither one who is known, nor one whose file would be made for this, and who never returns.
        self.newcomers += 1
        for user in ("kim", f"newcomer{self.newcomers}"):
            token = self.proxy.token(user, DATABASE)
            with self.subTest(user), self.proxy.connect() as late:
                # Longer than what a page may have left.
                last = late.login(user, DATABASE, token, application_name="n" * 5000)[-1]
                self.assertEqual((last.name, last.sqlstate, last.fields["S"]),
                                 ("ErrorResponse", "58030", "FATAL"))

    def goes_on(self):
        self.all_go_on()
        self.assertTrue(within(3 * PATIENCE, lambda: self.machine.get("/healthz")[0] == 200),
                        self.machine.get("/healthz"))
        self.ready()
        self.assertEqual(self.machine.value("vitrine_audit_writable"), 1)

    def broken_and_back(self, break_it, words, mend_it):
        with self.proxy.login(self.sessions[0].token, user="kim") as reader:
            reader.send(query("SELECT repeat('x', 1000), generate_series(1, 100000000)"))
            reader.receive_until("DataRow")
            for _ in range(2):
                break_it()
                self.is_refused(words)
                for _ in range(20000):  # more than buffers hold
                    self.assertEqual(reader.receive().name, "DataRow")
                mend_it()
                self.goes_on()
        self.tells_the_truth()

    def tells_the_truth(self):
        """The log verifies; what the server ran and what was answered is in it, and nothing else."""
        for session in self.sessions:
            session.end()
            self.assertEqual(session.problems, [])
        self.proxy.stop()
        verified = self.proxy.verb("audit", "verify", "--config", self.proxy.config)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        ran = {m for s in self.sessions for m in s.ran}
        refused = {m for s in self.sessions for m in s.refused}
        self.assertGreater(min(len(ran), len(refused)), 20)
        ours = f"disk_{self._testMethodName.removeprefix('test_')}_"
        said = self.env.database.log.read_text(errors="replace")
        on_server = {m for line in said.splitlines() if "LOG:  " in line
                     for m in MARKER.findall(line) if m.startswith(ours)}
        recorded, texts, with_result, sessions = set(), {}, set(), {}
        for user in USERS:
            for record in self.proxy.records(user):
                key = record["session"], record.get("statement")
                count = sessions.setdefault(key[0], {"allow": 0, "reject": 0})
                if record["type"] == "session_end":
                    self.assertEqual((record["statements"], record["rejected"]),
                                     (sum(count.values()), count["reject"]))
                elif record["type"] == "statement":
                    count[record["verdict"]] += 1
                    # A Parse that could not be recorded is on nobody's record: of the Bind behind
                    # it there is what it would have run, and that it did not.
                    texts[key] = record.get("sql") or texts.get((key[0], record["of"]), "")
                    if record["verdict"] == "allow":
                        self.assertIn("SELECT", texts[key])
                        recorded.update(MARKER.findall(texts[key]))
                elif record["type"] == "result" and record["sqlstate"] == "00000":
                    with_result.update(MARKER.findall(texts[key]))
        self.assertEqual(on_server - recorded, set(), "reached the server unrecorded")
        self.assertEqual(on_server & refused, set(), "were refused, and reached the server")
        self.assertEqual(ran - recorded, set(), "were answered and are not on record")
        self.assertEqual(ran - on_server, set())
        self.assertEqual(with_result - on_server, set(), "have a result and were never run")

    # --- what breaks -----------------------------------------------------------------------

    def test_full(self):
        self.begin()
        self.broken_and_back(self.fill, "No space left", self.make_room)

    def test_full_of_the_log_itself(self):
        self.begin(size="1m")
        sizes = iter(("3m", "64m"))
        self.broken_and_back(lambda: None, "No space left", lambda: subprocess.run(
            ["mount", "-o", f"remount,size={next(sizes)}", self.disk], check=True))

    def test_moved_away(self):
        """What is written until it is noticed, a second at most, is in the files when they are back."""
        self.begin()
        away = self.disk / "away"
        self.broken_and_back(lambda: self.log.rename(away), "moved or removed",
                             lambda: away.rename(self.log))

    def test_files_may_not_grow(self):
        self.begin()

        def limit(size):
            return lambda: resource.prlimit(self.proxy.pid, resource.RLIMIT_FSIZE,
                                            (size, resource.RLIM_INFINITY))
        self.broken_and_back(limit(3000), "File too large", limit(resource.RLIM_INFINITY))

    def failing(self):
        """The environment of a proxy whose disk fails while self.failure has the errno."""
        self.failure = shared().path / f"{self._testMethodName}.errno"
        library = shared().path / f"{self._testMethodName}.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, HERE / "failing_disk.c"],
                       check=True)
        return os.environ | {"LD_PRELOAD": str(library), "FAILING_DISK": str(self.failure)}

    @unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library")
    def test_read_only(self):
        self.begin(program_environment=self.failing())
        self.broken_and_back(lambda: self.failure.write_text(str(errno.EROFS)),
                             "Read-only file system", self.failure.unlink)

    @unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library")
    def test_quota(self):
        self.begin(program_environment=self.failing())
        self.broken_and_back(lambda: self.failure.write_text(str(errno.EDQUOT)),
                             "Disk quota exceeded", self.failure.unlink)

    # --- and killed in that state ----------------------------------------------------------

    def kill(self):
        for session in self.sessions:
            session.killed.set()
        self.proxy.signal(signal.SIGKILL)
        self.proxy.wait(10)
        for session in self.sessions:
            session.end()

    def does_not_start(self, words, environment=None):
        # A few starts may fit in what is left of the ledger's last page.
        for _ in range(15):
            try:
                self.proxy.start(environment)
            except SetupError:
                break
            self.kill()
        else:
            self.fail("it starts again and again")
        self.assertEqual(self.proxy.wait(1), 2)
        last = self.proxy.log.read_text(errors="replace").splitlines()[-1]
        self.assertRegex(last, rf"cannot open the query log in {re.escape(str(self.log))}: .*{words}")

    def test_killed_while_full(self):
        self.begin()
        self.fill()
        self.all_are_refused(20)
        self.kill()
        self.fill()
        self.does_not_start("No space left")
        self.make_room()
        self.starts_again()

    @unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library")
    def test_killed_while_read_only(self):
        """Half a record is left that could not be cut back."""
        environment = self.failing()
        self.begin(program_environment=environment)
        self.failure.write_text(str(errno.EROFS))
        self.all_are_refused(20)
        self.kill()
        torn = [f for f in self.log.rglob("*.jsonl") if not f.read_bytes().endswith(b"\n")]
        self.assertTrue(torn)
        self.does_not_start("Read-only file system", environment)
        self.failure.unlink()
        self.starts_again(environment)
        repaired = [json.loads(line)["kept"]["file"] for line in
                    (self.log / "ledger.jsonl").read_text().splitlines()
                    if '"type":"repaired"' in line]
        self.assertEqual(sorted(repaired), sorted(str(f.relative_to(self.log)) for f in torn))

    def starts_again(self, environment=None):
        self.proxy.start(environment)
        before = self.sessions
        self.sessions = [Session(self.proxy, s.user, s.prefix[:-1] + str(i + len(USERS)))
                         for i, s in enumerate(before)]
        self.all_go_on()
        self.ready()
        self.sessions += before
        self.tells_the_truth()


if __name__ == "__main__":
    unittest.main()
