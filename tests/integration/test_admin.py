"""Health and metrics, for machines: what is counted is what happened, and what is wrong is said."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest
from contextlib import ExitStack
from http.client import HTTPConnection

from prometheus_client.parser import text_string_to_metric_families

from environment import DATABASE, PATIENCE, USER, shared
from test_access import Caller, access, add_account
from test_operation import Door
from throwaway import free_port
from wire_client import WireClient, error_of, rows_of, within

CONNECTIONS_MAX = 64  # config/limits.h: kAdminConnectionsMax
REQUEST_SECONDS = 5   # kAdminIdleMax
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\d+)")


def read_strictly(text):
    """{(name, labels): value}; every family's HELP and TYPE once, in front of its samples, which
    are together; no sample twice."""
    samples, seen, family, kind = {}, set(), None, None
    assert text.endswith("\n"), text[-80:]
    for line in text[:-1].split("\n"):
        if found := re.fullmatch(rf"# HELP ({NAME}) \S.*", line):
            assert kind is None or any(name == family for name, _ in samples), f"{family}: empty"
            family, kind = found[1], None
            assert family not in seen, f"a second {line}"
            seen.add(family)
        elif found := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge)", line):
            assert found[1] == family and kind is None, f"out of its place: {line}"
            kind = found[2]
            assert (kind == "counter") == family.endswith("_total"), line
            assert family.startswith("vitrine_"), line
        else:
            found = SAMPLE.fullmatch(line)
            assert found, f"no sample: {line!r}"
            assert found[1] == family and kind, f"not of its family: {line}"
            labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
            key = (family, frozenset(labels.items()))
            assert key not in samples, f"twice: {line}"
            samples[key] = int(found[3])
    return samples


class Machine:
    """Who asks at admin.address."""

    def __init__(self, port):
        self.port = port

    def ask(self, path, method="GET", headers=None):
        """(status, headers, body)"""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def get(self, path):
        status, _, body = self.ask(path)
        return status, body

    def text(self):
        status, text = self.get("/metrics")
        assert status == 200, text
        return text

    def metrics(self):
        return read_strictly(self.text())

    def value(self, name, **labels):
        return self.metrics().get((name, frozenset(labels.items())))


def changed(before, after):
    """What is other now: {(name, labels): by how much}; what is read anew at each look left out."""
    volatile = ("vitrine_audit_records_total", "vitrine_judgement_cache_hits_total",
                "vitrine_judgement_cache_misses_total", "vitrine_connections",
                "vitrine_kept_server_connections",
                "vitrine_catalog_loads_total")
    return {key: after[key] - before.get(key, 0) for key in after
            if after[key] != before.get(key, 0) and key[0] not in volatile}


def sample(name, **labels):
    return name, frozenset(labels.items())


class AdminCase(unittest.TestCase):
    def start(self, name, extra="", address=None, **changes):
        self.env = shared()
        self.machine = Machine(free_port())
        address = address or f"127.0.0.1:{self.machine.port}"
        proxy = self.env.another(f"admin-{name}", extra=f"admin: {{address: '{address}'}}\n" + extra,
                                 **changes)
        self.addCleanup(proxy.stop)
        # Its clients can come a moment earlier.
        self.assertTrue(within(5 * PATIENCE, lambda: "health and metrics are at" in
                               proxy.log.read_text()))
        return proxy

    def ready(self):
        self.assertTrue(within(5 * PATIENCE, lambda: self.machine.get("/readyz") == (200, "ok\n")),
                        self.machine.get("/readyz"))


class Counting(AdminCase):
    def setUp(self):
        self.proxy = self.start(self._testMethodName)
        self.ready()

    def results(self):
        return [r for r in self.proxy.records() if r["type"] == "result"]

    def test_statements_rows_and_bytes(self):
        def totals():
            metrics = self.machine.metrics()
            return [metrics[key] for key in (
                sample("vitrine_statements_total", database=DATABASE, verdict="allow"),
                sample("vitrine_statements_total", database=DATABASE, verdict="reject"),
                sample("vitrine_result_rows_total", database=DATABASE),
                sample("vitrine_result_bytes_total", database=DATABASE))]

        with self.proxy.login() as client:
            before = totals()
            self.assertEqual(before, [0, 0, 0, 0])
            client.simple("SELECT generate_series(1, 7)")
            client.simple("SELECT repeat('x', 1000) FROM generate_series(1, 3)")
            client.extended("SELECT aid FROM pgbench_accounts ORDER BY aid LIMIT 11")
            client.simple("SELECT 1; SELECT 2")
            self.assertEqual(error_of(client.simple("DELETE FROM customers")).sqlstate, "25006")
            self.assertEqual(error_of(client.extended("DROP TABLE customers")).sqlstate, "25006")
            after = totals()
            # A Parse and its Bind are a record each, also one that is skipped behind an error.
            self.assertEqual(after[:3], [6, 3, 7 + 3 + 11 + 2])
            written = self.proxy.statements()
            self.assertEqual([sum(r["verdict"] == verdict for r in written)
                              for verdict in ("allow", "reject")], after[:2])
            self.assertEqual(sum(r["rows"] for r in self.results()), after[2])
            self.assertEqual(sum(r["bytes"] for r in self.results()), after[3])
            self.assertTrue(3000 < after[3] < 4000, after)
        self.assertTrue(within(20, lambda: [r for r in self.proxy.records()
                                           if r["type"] == "session_end"]))
        [end] = [r for r in self.proxy.records() if r["type"] == "session_end"]
        self.assertEqual([end["statements"] - end["rejected"], end["rejected"], end["rows"],
                          end["bytes"]], totals())

    def test_sessions_by_cause_of_their_end(self):
        def count(name, **labels):
            return self.machine.value(name, database=DATABASE, **labels)

        self.assertEqual((count("vitrine_sessions"), count("vitrine_sessions_begun_total")), (0, 0))
        clients = [self.proxy.login() for _ in range(3)]
        self.assertEqual((count("vitrine_sessions"), count("vitrine_sessions_begun_total")), (3, 3))
        self.assertTrue(within(20, lambda: self.machine.value("vitrine_connections") == 3))
        clients[0].close()
        self.assertTrue(within(5 * PATIENCE, lambda: count("vitrine_sessions") == 2))
        self.assertEqual(count("vitrine_sessions_ended_total", cause="client"), 1)
        brief = self.proxy.login(self.proxy.token(USER, DATABASE, ttl="2s"))
        self.assertEqual(brief.receive_to_end()[-1].sqlstate, "57P01")
        self.assertEqual(count("vitrine_sessions_ended_total", cause="expired"), 1)
        self.assertEqual(count("vitrine_sessions_ended_total", cause="client"), 1)
        self.assertEqual((count("vitrine_sessions"), count("vitrine_sessions_begun_total")), (2, 4))
        for client in clients[1:]:
            client.close()

    def test_refused_logins_by_cause(self):
        def attempt(password, user=USER, **parameters):
            with self.proxy.connect() as client:
                return error_of(client.login(user, DATABASE, password, **parameters)).sqlstate

        good = self.proxy.token(USER, DATABASE)
        with socket.create_connection(("127.0.0.1", self.proxy.port), 10) as plain:
            plain.sendall(b"no protocol at all" * 20)
            plain.recv(1000)

        def protocol():
            with WireClient(self.proxy.port, 10) as client:
                client.login(USER, DATABASE, good)

        for cause, does in {
                "token": lambda: self.assertEqual(attempt("nonsense"), "28P01"),
                "not_allowed": lambda: self.assertEqual(attempt(good, user="eve"), "28000"),
                "setting": lambda: self.assertEqual(
                    attempt(good, default_transaction_read_only="off"), "25006"),
                "protocol": protocol}.items():
            with self.subTest(cause):
                before = self.machine.metrics()
                does()
                self.assertEqual(changed(before, self.machine.metrics()),
                                 {sample("vitrine_logins_refused_total", cause=cause): 1})

    def test_a_judgement_is_counted_once(self):
        def judged():
            metrics = self.machine.metrics()
            return [metrics[sample(f"vitrine_judgement_cache_{what}_total")]
                    for what in ("hits", "misses")]

        with self.proxy.login() as client:
            before = judged()
            for _ in range(10):
                client.simple("SELECT 'judged' AS again")
            # A worker hands its counts over at each tick. A text is kept when it is met again.
            self.assertTrue(within(3 * PATIENCE, lambda: sum(judged()) - sum(before) == 10))
            self.assertEqual([now - then for then, now in zip(before, judged())], [8, 2])

    def test_the_format(self):
        with self.proxy.login(application_name="curious") as client:
            client.simple("SELECT 'a_secret_of_theirs'")
            text = self.machine.text()
        ours = read_strictly(text)
        theirs = {}
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                theirs[(each.name, frozenset(each.labels.items()))] = int(each.value)
        self.assertEqual(ours, theirs)
        for private in (rf"\b{USER}\b", "a_secret_of_theirs", "SELECT", "curious",
                        "vitrine_reader"):
            self.assertIsNone(re.search(private, text), private)
        self.assertLessEqual({label for _, labels in ours for label, _ in labels},
                             {"database", "cause", "verdict", "version"})
        ends = int(subprocess.run(
            ["date", "+%s", "-d", subprocess.run(
                ["openssl", "x509", "-noout", "-enddate", "-in",
                 self.proxy.config.parent / "server.crt"], check=True, text=True,
                stdout=subprocess.PIPE).stdout.strip().removeprefix("notAfter=")],
            check=True, text=True, stdout=subprocess.PIPE).stdout)
        self.assertEqual(ours[sample("vitrine_certificate_expiry_timestamp_seconds")], ends)
        version = self.proxy.verb("--version").stdout.split()[1]
        self.assertEqual(ours[sample("vitrine_build_info", version=version)], 1)

    def test_what_there_is_and_what_not(self):
        status, headers, body = self.machine.ask("/metrics")
        self.assertEqual((status, headers["Content-Type"]),
                         (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertEqual(self.machine.get("/healthz"), (200, "ok\n"))
        self.assertEqual(self.machine.get("/healthz?verbose=1")[0], 200)
        self.assertEqual(self.machine.get("/readyz"), (200, "ok\n"))
        for path in ("/", "/v1/sessions", "/v1/grants", "/metrics/", "/healthz/x", "//healthz",
                     "/METRICS", "/../healthz", "/healthz%00", "http://127.0.0.1/healthz"):
            with self.subTest(path):
                self.assertEqual(self.machine.get(path)[0], 404)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "NONSENSE"):
            with self.subTest(method):
                status, headers, _ = self.machine.ask("/metrics", method)
                self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))
        with socket.create_connection(("127.0.0.1", self.machine.port), 10) as raw:
            # Two in one go: the first has a length and no body, so the second follows its header.
            raw.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            said = b""
            while more := raw.recv(4096):
                said += more
            head, get, body = said.split(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200") and b"Content-Length: 3" in head, said)
            self.assertTrue(get.startswith(b"HTTP/1.1 200"), said)
            self.assertEqual(body, b"ok\n")


class Limits(AdminCase):
    def test_statements_by_the_limit_they_met(self):
        self.proxy = self.start("limits", """
limits:
  - {groups: [rows], max_rows: 5}
  - {groups: [size], max_result_size: 4KiB}
  - {groups: [time], statement_timeout: 1s}
  - {groups: [rate], statements_per_minute: 3}
  - {groups: [cost], max_cost: 1000}
  - {groups: [hour], rows_per_hour: 5}
  - {groups: [bytes], bytes_per_hour: 4KiB}
""")
        for user, cause, within_it, sql, sqlstate in (
                ("rows", "max_rows", "SELECT generate_series(1, 5)", "SELECT generate_series(1, 6)",
                 "53400"),
                ("size", "max_result_size", "SELECT 1", "SELECT repeat('x', 5000)", "53400"),
                ("time", "statement_timeout", "SELECT 1",
                 "SELECT count(*) FROM (SELECT generate_series(1, 2000000000)) AS scan", "57014"),
                ("rate", "statements_per_minute", "SELECT 1; SELECT 2; SELECT 3", "SELECT 4",
                 "53400"),
                ("cost", "max_cost", "SELECT 1",
                 "SELECT * FROM pgbench_accounts a, pgbench_accounts b", "53400"),
                ("hour", "rows_per_hour", "SELECT generate_series(1, 5)", "SELECT 1", "53400"),
                ("bytes", "bytes_per_hour", "SELECT 1", "SELECT repeat('x', 5000)", "53400")):
            token = self.proxy.token(user, DATABASE, groups=[user])
            with self.subTest(cause), self.proxy.login(token, user=user) as client:
                for text, expected in ((within_it, []), (sql, [sqlstate])):
                    before = self.machine.metrics()
                    self.assertEqual([m.sqlstate for m in client.simple(text)
                                      if m.name == "ErrorResponse"], expected)
                    limited = {key: by for key, by in changed(before,
                                                              self.machine.metrics()).items()
                               if key[0] == "vitrine_statements_limited_total"}
                    self.assertEqual(limited, {sample("vitrine_statements_limited_total",
                                                      database=DATABASE, cause=cause): 1}
                                     if expected else {})


class Grants(AdminCase):
    def test_grants_and_emergencies(self):
        port = free_port()
        self.proxy = self.start("grants", access(port))
        for user, groups in {"alice": "engineering", "bob": "dba", "erin": "sre"}.items():
            add_account(self.proxy, user, groups)
        alice, bob, erin = (Caller(self.proxy, port, user) for user in ("alice", "bob", "erin"))

        def counted(does, **expected):
            before = self.machine.metrics()
            self.assertEqual(does()[0] // 100, 2)
            self.assertEqual(changed(before, self.machine.metrics()),
                             {sample(f"vitrine_{name}"): by for name, by in expected.items()})

        made = {}

        def ask(name, **more):
            def request():
                status, made[name] = alice.request(**more)
                return status, made[name]
            return request

        self.assertEqual(self.machine.value("vitrine_emergency_grants_unreviewed"), 0)
        self.assertEqual(self.machine.value("vitrine_store_available"), 1)
        counted(ask("quick"), grants_made_total=1)
        counted(ask("long", reason="LONG"))
        counted(lambda: bob.decide(made["long"], "approve"), grants_made_total=1)
        counted(ask("other", reason="LONG again"))
        counted(lambda: bob.decide(made["other"], "deny"), grants_denied_total=1)
        counted(ask("taken back", reason="LONG once more"))
        counted(lambda: alice.decide(made["taken back"], "revoke"))
        counted(lambda: erin.decide(made["long"], "revoke"), grants_revoked_total=1)
        counted(ask("fire", reason="fire", emergency=True), grants_made_total=1,
                emergency_grants_total=1, emergency_grants_unreviewed=1)
        counted(ask("smoke", reason="smoke", emergency=True), grants_made_total=1,
                emergency_grants_total=1, emergency_grants_unreviewed=1)
        counted(lambda: erin.decide(made["fire"], "review"), emergency_grants_unreviewed=-1)
        before = self.machine.metrics()
        self.assertEqual(alice.decide(made["smoke"], "review")[0], 403)
        self.assertEqual(alice.decide(made["other"], "approve")[0], 403)
        self.assertEqual(changed(before, self.machine.metrics()), {})
        counted(lambda: erin.http("POST", "/v1/revocations", {
            "kind": "user", "value": "nobody", "reason": "x"}), revocations_total=1)
        # A session that ends by a revocation says so.
        client = alice.login(made["quick"])
        self.assertEqual(erin.decide(made["quick"], "revoke")[0], 200)
        self.assertEqual(client.receive_to_end()[-1].sqlstate, "57P01")
        self.assertEqual(self.machine.value("vitrine_sessions_ended_total", database=DATABASE,
                                            cause="revoked"), 1)


@unittest.skipUnless(os.geteuid() == 0, "a file system of its own takes root")
class DiskFull(AdminCase):
    def setUp(self):
        self.env = shared()
        self.disk = self.env.path / "small-admin-disk"
        self.disk.mkdir(exist_ok=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", self.disk],
                                 stderr=subprocess.PIPE, text=True)
        if mounted.returncode != 0:
            self.skipTest("no tmpfs can be mounted here: " + mounted.stderr.strip())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", self.disk], check=True))
        self.proxy = self.start(self._testMethodName, directory=self.disk / "log")
        self.proxy.audit = self.disk / "log"

    def fill(self):
        with open(self.disk / "ballast", "wb", buffering=0) as f:
            for size in (4096, 1):
                try:
                    while True:
                        f.write(b"x" * size)
                except OSError:
                    pass

    def test_health_follows_the_disk(self):
        ask = self.machine.get
        self.ready()
        self.assertEqual(ask("/healthz"), (200, "ok\n"))
        with self.proxy.login() as client:
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])
            # The result is written a moment after the answer.
            self.assertTrue(within(3 * PATIENCE, lambda: self.machine.value(
                "vitrine_audit_records_total") == 3))
            # Nobody writes: it is found out all the same.
            self.fill()
            for path in ("/healthz", "/readyz"):
                status, body = ask(path)
                self.assertEqual(status, 503, body)
                self.assertRegex(body, r"^the query log cannot be written: .*No space left.*\n$")
            self.assertEqual(self.machine.value("vitrine_audit_writable"), 0)
            before = self.machine.metrics()
            self.assertEqual(before[sample("vitrine_audit_write_failures_total")], 0)
            self.assertEqual(error_of(client.simple(f"SELECT '{'x' * 5000}'")).sqlstate, "58030")
            after = self.machine.metrics()
            self.assertGreaterEqual(after[sample("vitrine_audit_write_failures_total")], 1)
            self.assertEqual(after[sample("vitrine_audit_records_total")],
                             before[sample("vitrine_audit_records_total")])
            (self.disk / "ballast").unlink()
            # It is well again although the one whose record failed has not come back.
            self.assertTrue(within(3 * PATIENCE, lambda: ask("/healthz") == (200, "ok\n")))
            self.assertEqual(ask("/readyz")[0], 200)
            self.assertEqual(self.machine.value("vitrine_audit_writable"), 1)
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])
        verified = self.proxy.verb("audit", "verify", "--config", self.proxy.config)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_a_log_that_was_moved_away_is_no_log(self):
        shutil.move(self.disk / "log", self.disk / "moved")

        def says():
            status, body = self.machine.get("/healthz")
            return status == 503 and "the query log cannot be written" in body

        self.assertTrue(within(3 * PATIENCE, says))
        shutil.move(self.disk / "moved", self.disk / "log")
        self.assertTrue(within(3 * PATIENCE, lambda: self.machine.get("/healthz")[0] == 200))


class Ready(AdminCase):
    def test_the_database_away(self):
        door = Door(shared().database.port)
        self.addCleanup(door.shut)
        self.proxy = self.start("away", server_port=door.port)
        self.ready()
        failures = "vitrine_catalog_load_failures_total"
        self.assertEqual(self.machine.value(failures, database=DATABASE), 0)
        loads = self.machine.value("vitrine_catalog_loads_total", database=DATABASE)
        self.assertGreaterEqual(loads, 1)
        door.shut()
        self.proxy.signal(signal.SIGHUP)  # loads the catalogs anew at once

        def away():
            status, body = self.machine.get("/readyz")
            return status == 503 and re.fullmatch(f"database {DATABASE}: .+\n", body)

        self.assertTrue(within(10 * PATIENCE, away), self.machine.get("/readyz"))
        self.assertEqual(self.machine.get("/healthz"), (200, "ok\n"))
        self.assertGreaterEqual(self.machine.value(failures, database=DATABASE), 1)
        with self.proxy.connect() as client:
            client.login(USER, DATABASE, self.proxy.token(USER, DATABASE))
        self.assertEqual(self.machine.value("vitrine_logins_refused_total", cause="database"), 1)
        door.open()
        self.proxy.signal(signal.SIGHUP)
        self.assertTrue(within(10 * PATIENCE, lambda: self.machine.get("/readyz")[0] == 200))
        self.assertGreater(self.machine.value("vitrine_catalog_loads_total", database=DATABASE),
                           loads)

    def test_draining(self):
        self.proxy = self.start("drain")
        self.ready()
        with self.proxy.login() as client:
            self.proxy.signal(signal.SIGTERM)
            self.assertTrue(within(3 * PATIENCE, lambda: self.machine.get("/readyz")[0] == 503))
            self.assertEqual(self.machine.get("/readyz")[1],
                             "draining: no more logins are taken\n")
            self.assertEqual(self.machine.get("/healthz"), (200, "ok\n"))
            self.assertEqual(self.machine.value("vitrine_sessions", database=DATABASE), 1)
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])
        self.assertEqual(self.proxy.wait(15 * PATIENCE), 0)


class Listener(AdminCase):
    def test_slow_and_many(self):
        self.proxy = self.start("slow")
        with ExitStack() as held:
            closed = 0
            for i in range(CONNECTIONS_MAX + 20):
                raw = held.enter_context(socket.create_connection(
                    ("127.0.0.1", self.machine.port), 10))
                if i % 2:
                    raw.sendall(b"GET /healthz HT")
                raw.settimeout(0.05)
                try:
                    closed += raw.recv(1) == b""
                except TimeoutError:
                    pass
                except ConnectionResetError:
                    closed += 1
            self.assertEqual(closed, 20, "no more than so many at a time")
            # Who holds a place for nothing loses it; clients of the database notice nothing.
            with self.proxy.login() as client:
                self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])

            def answers():
                try:
                    return self.machine.get("/healthz") == (200, "ok\n")
                except OSError:
                    return False

            self.assertTrue(within((REQUEST_SECONDS + 3) * PATIENCE, answers, every=0.2))

    def test_drop_by_drop(self):
        self.proxy = self.start("drops")
        with socket.create_connection(("127.0.0.1", self.machine.port), 10) as raw:
            raw.settimeout(0.5)
            began = time.monotonic()
            while time.monotonic() - began < 4 * REQUEST_SECONDS * PATIENCE:
                try:
                    raw.sendall(b"G" if time.monotonic() - began < 0.1 else b"E")
                    if raw.recv(100) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            self.assertLess(time.monotonic() - began, (REQUEST_SECONDS + 3) * PATIENCE)
        with socket.create_connection(("127.0.0.1", self.machine.port), 10) as raw:
            raw.sendall(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 20000 + b"\r\n\r\n")
            self.assertTrue(raw.recv(100).startswith(b"HTTP/1.1 413"))
        self.assertEqual(self.machine.get("/healthz")[0], 200)

    def test_the_port_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            proxy = shared().another("admin-taken", start=False,
                                     extra=f"admin: {{address: '127.0.0.1:{port}'}}")
            done = proxy.verb("serve", "--config", proxy.config)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"cannot listen on 127.0.0.1:{port} (admin.address): ", done.stderr)

    def test_check_warns_of_who_may_reach_it(self):
        proxy = shared().another("admin-reach", start=False)
        for address, warned in (("127.0.0.1:9187", False), ("'[::1]:9187'", False),
                                ("0.0.0.0:9187", True)):
            with self.subTest(address):
                shared().configure(proxy, extra=f"admin: {{address: {address}}}")
                done = proxy.verb("check", "--config", proxy.config)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertEqual(
                    bool(re.search(r"warning: \S+vitrine.yaml:\d+:18: admin.address is 0.0.0.0, "
                                   "which is not this machine's loopback", done.stderr)), warned,
                    done.stderr)

    def test_another_address_waits_for_the_next_start(self):
        self.proxy = self.start("reload")
        other = free_port()
        self.env.configure(self.proxy, extra=f"admin: {{address: '127.0.0.1:{other}'}}")
        self.proxy.signal(signal.SIGHUP)
        self.assertTrue(within(5 * PATIENCE, lambda: re.search(
            "admin.address take effect at the next start only", self.proxy.log.read_text())))
        self.assertEqual(self.machine.get("/healthz")[0], 200)
        with self.assertRaises(ConnectionRefusedError):
            Machine(other).get("/healthz")

    def test_none_without_the_section(self):
        proxy = shared().another("admin-none")
        self.addCleanup(proxy.stop)
        self.assertNotIn("health and metrics", proxy.log.read_text())


if __name__ == "__main__":
    unittest.main()
