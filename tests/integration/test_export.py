"""`audit export`: the log of a real proxy, handed on to receivers that take every byte at its word.

What holds in each of them: every line of the files arrives, whole; a user's lines arrive first in the
order in which they were written; and where nothing was killed or cut, none arrives twice."""

import datetime
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

from environment import DATABASE, HERE, PATIENCE, PRESET, REPOSITORY, SANITIZED, free_port, shared
from receivers import KafkaCluster, KafkaThatSendsOn, OtlpReceiver, Rsyslog, SyslogReceiver, server_context
from throwaway import Authority, run
from wire_client import bind, execute, parse, sync, within

DAY = 86400
SEED = int(os.environ.get("VITRINE_SEED", random.SystemRandom().randrange(10**6)))


class Exporter:
    """`vitrine audit export` on a proxy's configuration."""

    def __init__(self, proxy, *arguments):
        self.proxy, self.arguments = proxy, arguments
        self.log = proxy.config.with_name("export.log")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.proxy.program, "audit", "export", "--config", self.proxy.config, *self.arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.log, "ab"))

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(20)

    def said(self):
        return self.log.read_text()


class Export(unittest.TestCase):
    def setUp(self):
        self.env = shared()
        self.name = self._testMethodName.removeprefix("test_")
        self.folder = self.env.path / f"export_of_{self.name}"
        self.folder.mkdir()
        self.authority = Authority(self.folder, "receiver", "receivers' CA")
        self.certificate, self.key = self.authority.sign("receiver")
        self.port = free_port()
        self.clock, self.library, self.moved = self.folder / "clock", None, None

    # --- what is set up ----------------------------------------------------------------------

    def configure(self, *targets, audit="", start=True):
        listed = "".join(f"\n    - {{{target}}}" for target in targets)
        self.proxy = self.env.another(f"export_{self.name}", start=start,
                                      directory=f"log{audit}\n  export:{listed}")
        self.addCleanup(self.proxy.stop)

    def syslog(self, name="siem", more="", host="localhost", ca=None):
        return (f"name: {name}, syslog: {{address: \"{host}:{self.port}\", "
                f"ca: {ca or self.authority.certificate}{more}}}")

    def otlp(self, name="otel", more="", scheme="https"):
        ca = f", ca: {self.authority.certificate}" if scheme == "https" else ""
        return f"name: {name}, otlp: {{url: \"{scheme}://localhost:{self.port}/v1/logs\"{ca}{more}}}"

    def receiver(self, kind, **options):
        made = kind(self.port, **options)
        self.addCleanup(made.stop)
        return made

    def context(self, **options):
        return server_context(self.certificate, self.key, **options)

    def exporter(self, *arguments):
        made = Exporter(self.proxy, *arguments)
        self.addCleanup(lambda: made.process.poll() is None and made.end(signal.SIGKILL))
        return made

    def export(self, *arguments, env=None):
        return self.proxy.verb("audit", "export", "--config", self.proxy.config, *arguments, env=env)

    def status(self):
        done = self.export("--status", "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {target["target"]: target for target in json.loads(done.stdout)}

    def token(self, user):
        """By the proxy's clock."""
        done = self.proxy.verb("token", "issue", "--config", self.proxy.config, "--user", user,
                               "--database", DATABASE, env=self.moved or os.environ)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def start_at(self, days):
        """The proxy, with its clock so far ahead."""
        if self.library is None:
            self.library = self.folder / "moved_clock.so"
            subprocess.run(["cc", "-shared", "-fPIC", "-o", self.library, HERE / "moved_clock.c"],
                           check=True)
        self.clock.write_bytes(struct.pack("=q", days * DAY))
        self.moved = os.environ | {"LD_PRELOAD": str(self.library), "MOVED_CLOCK": str(self.clock)}
        self.proxy.start(self.moved)

    def traffic(self, users=("ada", "bob", "cyd"), statements=10):
        for user in users:
            with self.proxy.login(self.token(user), user=user) as client:
                for number in range(statements):
                    client.simple(f"SELECT '{user} ] \" \\ {number} äöü', 'a\nb'")
                client.simple("DELETE FROM customers")
                client.send(parse("SELECT $1::text"), bind("", "", ["ü\x01" * 20]), execute(), sync())
                client.receive_until("ReadyForQuery")

    # --- what is compared --------------------------------------------------------------------

    def log(self):
        """Each user's lines, and the ledger's, as they stand in the files."""
        lines = {}
        for user in sorted(p for p in self.proxy.audit.iterdir() if p.is_dir()):
            for file in sorted(user.glob("*.jsonl*"), key=lambda f: f.name.removesuffix(".zst")):
                text = file.read_bytes() if file.suffix == ".jsonl" else subprocess.run(
                    ["zstd", "-dc", file], check=True, stdout=subprocess.PIPE).stdout
                lines.setdefault(user.name, []).extend(text.splitlines())
        lines["ledger"] = (self.proxy.audit / "ledger.jsonl").read_bytes().splitlines()
        return lines

    def check(self, receiver, written, twice=False):
        self.assertEqual(receiver.problems, [])
        came = receiver.texts()
        place = {}
        for number, line in enumerate(came):
            place.setdefault(line, number)
        if not twice:
            self.assertEqual(len(place), len(came), "some came twice")
        self.assertGreater(sum(map(len, written.values())), 20)
        for whose, lines in written.items():
            missing = [line for line in lines if line not in place]
            self.assertEqual(missing, [], f"{whose}: {len(missing)} of {len(lines)} are missing")
            order = [place[line] for line in lines]
            self.assertEqual(order, sorted(order), f"{whose}: out of order")
        self.assertEqual(len(place), len({line for lines in written.values() for line in lines}))

    def once(self, status=0):
        done = self.export("--once")
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr

    # --- for every kind ----------------------------------------------------------------------

    def begin_again(self, receiver):
        """Twice the same: the second time nothing; after more traffic just that."""
        self.traffic()
        self.proxy.stop()
        self.once()
        self.check(receiver, self.log())
        before = receiver.count()
        self.once()
        self.assertEqual(receiver.count(), before)
        self.proxy.start()
        self.traffic(["bob", "new"])
        self.proxy.stop()
        self.once()
        self.check(receiver, self.log())
        state, = self.status().values()
        self.assertEqual((state["behind"], state["sent"], state["trouble"], state["running"]),
                         (0, receiver.count(), "", False))

    def follow(self, receiver):
        """While the log grows; the receiver goes and comes back; SIGTERM ends it in order."""
        exporter = self.exporter()
        self.traffic()
        self.assertTrue(within(20, lambda: receiver.count() >= 70), exporter.said())
        self.traffic(["ada", "dot"])
        self.proxy.stop()
        written = self.log()
        total = sum(map(len, written.values()))
        self.assertTrue(within(20, lambda: receiver.count() >= total), exporter.said())
        self.assertEqual(exporter.end(), 0)
        self.assertEqual(exporter.said(), "")
        self.check(receiver, written)
        before = receiver.count()
        self.once()
        self.assertEqual(receiver.count(), before)

    def goes_and_comes_back(self, receiver):
        exporter = self.exporter()
        self.traffic()
        self.assertTrue(within(20, lambda: receiver.count() >= 50), exporter.said())
        receiver.stop()
        self.traffic()
        self.assertTrue(within(30, lambda: "trying again" in exporter.said()), exporter.said())
        state, = self.status().values()
        self.assertTrue(state["running"])
        self.assertGreater(state["behind"], 30)
        self.assertRegex(state["oldest_unsent"], r"^\d{4}-\d\d-\d\dT.*Z$")
        self.assertTrue(within(5, lambda: next(iter(self.status().values()))["trouble"]))
        receiver.start()
        self.proxy.stop()
        written = self.log()
        wanted = {line for lines in written.values() for line in lines}
        self.assertTrue(within(40, lambda: wanted <= set(receiver.texts())), exporter.said())
        self.assertTrue(within(10, lambda: "takes records again" in exporter.said()))
        self.assertEqual(exporter.end(), 0)
        self.assertEqual(exporter.said().count("\n"), 2, exporter.said())
        self.check(receiver, written, twice=True)

    def killed(self, receiver, kills=25):
        """kill -9 at random moments while the log grows; days are sealed, compressed and removed."""
        rng = random.Random(SEED)
        stop, written = threading.Event(), {}

        def keep():
            for whose, lines in self.log().items():
                known = written.setdefault(whose, {})
                known.update(dict.fromkeys(lines))

        def behind():
            return next(iter(self.status().values()))["behind"]

        def kill():
            exporter = self.exporter()
            for _ in range(kills):
                time.sleep(rng.uniform(0.02, 0.5) * PATIENCE)
                exporter.end(signal.SIGKILL)
                exporter.start()
            stop.set()
            self.last = exporter

        # So that most of the kills come between what was read and what was taken.
        receiver.delay = 0.1
        killer = threading.Thread(target=kill)
        self.start_at(0)
        killer.start()
        days = [0, 1, 3, 34]
        while not stop.is_set() or days:
            self.traffic(rng.sample(["ada", "bob", "cyd", "dot", "eve"], 3), 5)
            if days and rng.random() < 0.6:
                self.proxy.stop()
                keep()
                # What is removed must have arrived before, and be known to have.
                if days == [34]:
                    self.assertTrue(within(60, lambda: behind() == 0), behind())
                self.start_at(days.pop(0))
        self.proxy.stop()
        killer.join()
        keep()
        missing = {line for lines in written.values() for line in lines}

        def all_there():
            missing.difference_update(receiver.texts())
            return not missing

        self.assertTrue(within(60, all_there), (sorted(missing)[:5], self.last.said()))
        self.assertEqual(self.last.end(), 0)
        self.assertFalse(list(self.proxy.audit.glob("*/*.tmp")))
        self.assertTrue(any(b'"removed"' in line for line in written["ledger"]), "nothing removed")
        self.check(receiver, {whose: list(lines) for whose, lines in written.items()}, twice=True)
        self.assertEqual(next(iter(self.status().values()))["lost"], 0, self.last.said())
        self.assertNotRegex(self.last.said(), "gone|exchanged|retention")
        self.once()

    def killed_configuration(self, target):
        self.configure(target, audit="\n  retain: 30d", start=False)

    # --- syslog ------------------------------------------------------------------------------

    def test_syslog(self):
        self.configure(self.syslog(more=", facility: local4, hostname: proxy1.example.com"))
        receiver = self.receiver(SyslogReceiver, context=self.context())
        self.begin_again(receiver)
        for line, said in receiver.lines:
            record = json.loads(line)
            self.assertEqual(said["host"], b"proxy1.example.com")
            self.assertEqual(said["type"].decode(), record["type"])
            self.assertEqual(said["time"].decode(), record["time"])
            refused = record.get("verdict") == "reject"
            self.assertEqual(int(said["pri"]), 20 * 8 + (4 if refused else 6))
            data = {name: re.sub(r"\\(.)", r"\1", value) for name, value in re.findall(
                r' ([a-z_]+)="((?:\\.|[^"\\])*)"', said["data"].decode())}
            self.assertEqual(data["hash"], record["hash"])
            self.assertEqual(int(data["seq"]), record["seq"])
            if "session" in record:
                self.assertEqual((data["session"], data["user"]), (record["session"], record["user"]))
        self.assertEqual(receiver.torn, 0)

    def test_syslog_follows(self):
        self.configure(self.syslog())
        receiver = self.receiver(SyslogReceiver, context=self.context())
        receiver.polite = False  # closes without a close_notify of its own
        self.follow(receiver)

    def test_syslog_goes_and_comes_back(self):
        self.configure(self.syslog())
        self.goes_and_comes_back(self.receiver(SyslogReceiver, context=self.context()))

    @unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library")
    def test_syslog_killed(self):
        self.killed_configuration(self.syslog())
        print(f"seed {SEED}", flush=True)
        self.killed(self.receiver(SyslogReceiver, context=self.context()))

    def test_syslog_to_rsyslog(self):
        self.configure(self.syslog() + ", max_record_size: 64KiB")
        receiver = Rsyslog(self.folder, self.port, self.authority.certificate, self.certificate,
                           self.key)
        self.addCleanup(receiver.stop)
        self.traffic()
        self.proxy.stop()
        self.once()
        written = self.log()
        self.assertTrue(within(10, lambda: receiver.count() >= sum(map(len, written.values()))))
        self.check(receiver, written)

    def test_syslog_that_nobody_reads(self):
        """The kernel has acknowledged every byte, and nobody has read them: they did not arrive."""
        self.configure(self.syslog())
        receiver = self.receiver(SyslogReceiver, context=self.context())
        receiver.unread = True
        self.traffic(["ada"])
        self.proxy.stop()
        done = self.export("--once", "--give-up", "2")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("given up", done.stderr)
        self.assertEqual(receiver.count(), 0)
        self.assertEqual(next(iter(self.status().values()))["sent"], 0)
        receiver.unread = False
        self.once()
        self.check(receiver, self.log())

    def test_syslog_certificates(self):
        other = Authority(self.folder, "other", "another CA")
        ours, key = self.certificate_of("ours", "extendedKeyUsage=clientAuth")
        self.configure(self.syslog("wrong_authority", ca=other.certificate),
                       self.syslog("no_certificate"),
                       self.syslog("right", f", certificate: {ours}, key: {key}"))
        receiver = self.receiver(SyslogReceiver, context=self.context(
            client_ca=self.authority.certificate))
        self.traffic(["ada"])
        self.proxy.stop()

        def refused(name, said):
            with self.subTest(name):
                done = self.export("--once", "--give-up", "1", "--to", name)
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr, said)
                self.assertEqual(receiver.count(), 0)

        refused("wrong_authority", r"certificate is not to be trusted \(self-signed|"
                                   r"not to be trusted \(unable to get")
        refused("no_certificate", "alert certificate required|reset by peer|ended the connection")
        certificate, key = self.certificate_of("elsewhere", "subjectAltName=DNS:elsewhere.example")
        good, receiver.context = receiver.context, server_context(certificate, key)
        refused("right", "not to be trusted|by the name in the certificate")
        receiver.context = good
        done = self.export("--once", "--to", "right")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check(receiver, self.log())

    def certificate_of(self, name, extension):
        """Of the receivers' authority, for other than a server at localhost."""
        base = self.folder / name
        files = {kind: base.with_suffix("." + kind) for kind in ("crt", "key", "csr", "ext")}
        files["ext"].write_text(extension + "\n")
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", f"/CN={name}", "-keyout", files["key"], "-out", files["csr"])
        run("openssl", "x509", "-req", "-in", files["csr"], "-CA", self.authority.certificate,
            "-CAkey", self.folder / "receiver-ca.key", "-CAcreateserial", "-days", "30",
            "-extfile", files["ext"], "-out", files["crt"])
        return files["crt"], files["key"]

    def test_long_records(self):
        """Longer than the receiver is said to take: in the short form, with its hash and place."""
        self.configure(self.syslog())
        receiver = self.receiver(SyslogReceiver, context=self.context())
        with self.proxy.login() as client:
            client.simple("SELECT '" + "ü" * 20000 + "'")
            client.simple("SELECT 'short'")
        self.proxy.stop()
        said = self.once()
        self.assertIn("max_record_size", said)
        self.assertLessEqual(max(data["size"] for _, data in receiver.lines), 8192)
        short = [json.loads(line) for line, _ in receiver.lines if b'"shortened":true' in line]
        self.assertEqual(len(short), 1)
        line, = (line for line in self.log()["ada"] if len(line) > 8192)
        record = json.loads(line)
        self.assertEqual({k: short[0][k] for k in ("time", "seq", "type", "session", "user", "hash")},
                         {k: record[k] for k in ("time", "seq", "type", "session", "user", "hash")})
        self.assertEqual(short[0]["bytes"], len(line))
        self.assertTrue(line.decode().startswith(short[0]["beginning"]))
        self.assertGreater(len(short[0]["beginning"]), 1000)
        self.assertIn(b"'short'", b"".join(receiver.texts()))
        state, = self.status().values()
        self.assertEqual((state["shortened"], state["behind"]), (1, 0))

    # --- OTLP --------------------------------------------------------------------------------

    def test_otlp(self):
        token = self.folder / "token"
        token.write_text("Bearer s3cret\n")
        self.configure(self.otlp(more=f", headers: {{Authorization: {{file: {token}}}}}"))
        receiver = self.receiver(OtlpReceiver, context=self.context())
        self.begin_again(receiver)
        self.assertEqual({h["Authorization"] for h in receiver.headers}, {"Bearer s3cret"})
        for line, said in receiver.lines:
            record = json.loads(line)
            self.assertEqual(said["vitrine.type"], record["type"])
            self.assertEqual(said["vitrine.hash"], record["hash"])
            self.assertEqual(said["severity"], "WARN" if record.get("verdict") == "reject" else "INFO")
            moment = datetime.datetime.fromisoformat(record["time"])
            self.assertAlmostEqual(said["time"] / 1e9, moment.timestamp(), places=5)
            for theirs, ours in (("session.id", "session"), ("user.name", "user"),
                                 ("db.namespace", "database"),
                                 ("db.response.status_code", "sqlstate")):
                self.assertEqual(said.get(theirs) or None, record.get(ours) or None, record)

    def test_otlp_follows(self):
        self.configure(self.otlp(scheme="http"))
        self.follow(self.receiver(OtlpReceiver))

    def test_otlp_goes_and_comes_back(self):
        self.configure(self.otlp())
        self.goes_and_comes_back(self.receiver(OtlpReceiver, context=self.context()))

    @unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library")
    def test_otlp_killed(self):
        self.killed_configuration(self.otlp(scheme="http"))
        self.killed(self.receiver(OtlpReceiver))

    def test_otlp_answers(self):
        self.configure(self.otlp())
        receiver = self.receiver(OtlpReceiver, context=self.context())
        self.traffic(["ada"])
        self.proxy.stop()
        total = sum(map(len, self.log().values()))
        # Later, as it asks for; and again, however it fails.
        receiver.script = [(503, {"Retry-After": "2"}, b"busy"), (429, {}, b""), "cut",
                           (502, {}, b"")]
        self.assertIn("HTTP 503 busy", self.once())
        self.check(receiver, self.log())
        self.assertGreater(receiver.times[1] - receiver.times[0], 1.9)
        # Some of them rejected: said, counted, and not sent again.
        self.again()
        receiver.script = [(200, {}, json.dumps({"partialSuccess": {
            "rejectedLogRecords": "3", "errorMessage": "too old\x1b[2J" + "x" * 1000}}).encode())]
        before = receiver.count()
        said = self.once(status=1)
        self.assertIn("rejected 3 records, which are not sent again: too old", said)
        self.assertIn("too old\\x1b[2Jxxx", said)
        self.assertLess(len(said), 600)
        self.assertEqual(receiver.count(), before + total)
        state = self.status()["otel"]
        self.assertEqual((state["rejected"], state["behind"]), (3, 0))
        self.assertEqual(self.once(), "")
        # What no second try makes better ends it.
        self.again()
        receiver.script = [(401, {}, b"who are you?")]
        said = self.once(status=2)
        self.assertIn("HTTP 401 who are you?", said)
        self.assertEqual(len(receiver.script), 0)
        self.assertEqual(self.status()["otel"]["behind"], total)

    def again(self):
        for cursor in (self.proxy.audit / ".export").glob("*.json"):
            cursor.unlink()

    def test_otlp_that_takes_little(self):
        self.configure(self.otlp(scheme="http"))
        receiver = self.receiver(OtlpReceiver)
        receiver.bytes_max = 100_000
        with self.proxy.login() as client:
            client.simple("SELECT 'first'")
            client.simple("SELECT '" + "ü" * 1_000_000 + "'")
            client.simple("SELECT 'last'")
        self.traffic()
        self.proxy.stop()
        self.once()
        written = self.log()
        long, = (line for lines in written.values() for line in lines if len(line) > 1_000_000)
        short, = (json.loads(line) for line in receiver.texts() if b'"shortened":true' in line)
        self.assertEqual((short["hash"], short["bytes"]), (json.loads(long)["hash"], len(long)))
        written["ada"].remove(long)
        receiver.lines = [one for one in receiver.lines if b'"shortened":true' not in one[0]]
        self.check(receiver, written)

    def test_otlp_connection_that_breaks_shortens_nothing(self):
        self.configure(self.otlp(scheme="http"))
        receiver = self.receiver(OtlpReceiver)
        with self.proxy.login() as client:
            client.simple("SELECT '" + "x" * 3_000_000 + "'")
        self.proxy.stop()
        receiver.breaks = 7  # fewer and fewer records, and then that one alone more than once
        self.once()
        self.assertEqual(receiver.breaks, 0)
        self.assertEqual(self.status()["otel"]["shortened"], 0)
        self.assertEqual(receiver.problems, [])
        self.assertEqual(sorted(receiver.texts()),
                         sorted(line for lines in self.log().values() for line in lines))

    # --- Kafka -------------------------------------------------------------------------------

    def kafka(self, cluster, more=""):
        brokers = ", ".join(cluster.brokers)
        return f"name: bus, kafka: {{brokers: [{brokers}], topic: audit, tls: false}}{more}"

    def cluster(self):
        made = KafkaCluster(REPOSITORY / f"build/{PRESET}/tests/kafka_mock", "audit")
        self.addCleanup(made.end)
        return made

    def test_kafka(self):
        cluster = self.cluster()
        self.configure(self.kafka(cluster))
        self.begin_again(cluster)
        for line, said in cluster.lines:
            record = json.loads(line)
            self.assertEqual(said["key"], record.get("user", "ledger.jsonl"))
            self.assertEqual(said["headers"], "type=" + record["type"])
            moment = datetime.datetime.fromisoformat(record["time"])
            self.assertEqual(said["time"], int(moment.timestamp() * 1e6) // 1000)

    def test_kafka_follows(self):
        cluster = self.cluster()
        self.configure(self.kafka(cluster))
        self.follow(cluster)

    def test_kafka_goes_and_comes_back(self):
        cluster = self.cluster()
        self.configure(self.kafka(cluster))
        self.goes_and_comes_back(cluster)

    @unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library")
    def test_kafka_killed(self):
        cluster = self.cluster()
        cluster.command("rtt 50")
        self.killed_configuration(self.kafka(cluster))
        self.killed(cluster, kills=15)

    def test_kafka_errors(self):
        """Of the broker's, for a moment: 6 is NOT_LEADER_OR_FOLLOWER, 19 NOT_ENOUGH_REPLICAS."""
        cluster = self.cluster()
        self.configure(self.kafka(cluster))
        self.traffic()
        self.proxy.stop()
        cluster.command("error 6 2")
        cluster.command("error 19 2")
        self.once()
        self.check(cluster, self.log())

    def test_kafka_refuses(self):
        """29: TOPIC_AUTHORIZATION_FAILED. It is said, without a word of what was refused."""
        cluster = self.cluster()
        self.configure(self.kafka(cluster))
        self.traffic()
        self.proxy.stop()
        cluster.command("error 29 1")
        said = self.once()
        self.assertRegex(said, r"^vitrine: export bus: [0-9.:,]+: Broker: Topic authorization "
                               r"failed; trying again.*\n.*it takes records again\n$")
        self.check(cluster, self.log(), twice=True)

    def test_kafka_long_records(self):
        cluster = self.cluster()
        self.configure(self.kafka(cluster, ", max_record_size: 20000B"))
        with self.proxy.login() as client:
            client.simple("SELECT '" + "ü" * 20000 + "'")
        self.traffic()
        # The broker takes less than is configured, once of a whole batch (10: MESSAGE_TOO_LARGE).
        cluster.command("error 10 1")
        self.proxy.stop()
        self.assertIn("max_record_size", self.once())
        written = self.log()
        long = next(line for line in written["ada"] if len(line) > 20000)
        short = [json.loads(line) for line in cluster.texts() if b'"shortened":true' in line]
        self.assertEqual({s["hash"] for s in short}, {json.loads(long)["hash"]})
        written["ada"].remove(long)
        missing = {line for lines in written.values() for line in lines} - set(cluster.texts())
        self.assertEqual(missing, set())

    def test_kafka_certificate(self):
        """What is there is no broker, but its certificate is looked at before all else."""
        other = Authority(self.folder, "other", "another CA")
        self.receiver(SyslogReceiver, context=self.context())
        self.configure(f"name: bus, kafka: {{brokers: [\"localhost:{self.port}\"], topic: audit, "
                       f"ca: {other.certificate}}}")
        self.traffic(["ada"])
        self.proxy.stop()
        done = self.export("--once", "--give-up", "1")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, "certificate verif")

    def test_once_that_is_ended_has_not_sent_all(self):
        """Between two batches: the first has arrived, and the next is not read yet."""
        cluster = self.cluster()
        self.configure(self.kafka(cluster))
        self.traffic(["ada", "bob"], 400)
        self.proxy.stop()
        cluster.command("rtt 400")
        exporter = self.exporter("--once")
        time.sleep(1)
        self.assertEqual(exporter.end(), 2, exporter.said())
        self.assertGreater(self.status()["bus"]["behind"], 0)
        cluster.command("rtt 0")
        self.once()
        self.assertEqual(self.status()["bus"]["behind"], 0)

    def test_kafka_in_the_clear_stays_on_this_machine(self):
        """A broker that sends its clients on to an address that is none of the loopback's."""
        elsewhere = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(elsewhere.close)
        elsewhere.settimeout(0.1)
        # To connect to 0.0.0.0 is to connect to this machine: somebody would be there.
        broker = KafkaThatSendsOn(("0.0.0.0", elsewhere.getsockname()[1]))
        self.addCleanup(broker.stop)
        self.configure(f"name: bus, kafka: {{brokers: [\"127.0.0.1:{broker.port}\"], "
                       "topic: audit, tls: false}")
        self.traffic(["ada"])
        self.proxy.stop()
        done = self.export("--once", "--give-up", "1")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, "an address that is not this machine's")
        self.assertGreater(broker.sent_on, 0)
        with self.assertRaises(TimeoutError):
            elsewhere.accept()

    # --- the cursor --------------------------------------------------------------------------

    def cursor(self):
        return self.proxy.audit / ".export/siem.json"

    def test_cursor(self):
        self.configure(self.syslog())
        receiver = self.receiver(SyslogReceiver, context=self.context())
        self.traffic(["ada"])
        self.proxy.stop()
        self.once()
        good = self.cursor().read_bytes()
        self.assertEqual(self.cursor().stat().st_mode & 0o777, 0o600)
        for wrong in (b"", good[:-3], b"[]", good.replace(b'"format":1', b'"format":2')):
            with self.subTest(wrong[:20]):
                self.cursor().write_bytes(wrong)
                self.assertIn("remove it", self.once(status=2))
        self.assertEqual(receiver.count(), len(set(receiver.texts())))
        # The log's own verbs do not mind it.
        self.cursor().write_bytes(good)
        done = self.proxy.verb("audit", "verify", "--config", self.proxy.config)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        # Two at a time would both send.
        exporter = self.exporter()
        self.assertTrue(within(5, lambda: self.status()["siem"]["running"]))
        self.assertIn("another process", self.once(status=2))
        self.assertEqual(exporter.end(), 0)
        # Without it, all once more.
        self.cursor().unlink()
        before = receiver.count()
        self.once()
        self.assertEqual(receiver.count(), 2 * before)

    def test_file_exchanged_behind_the_cursor(self):
        self.configure(self.syslog())
        receiver = self.receiver(SyslogReceiver, context=self.context())
        self.traffic(["ada", "bob"])
        self.proxy.stop()
        self.once()
        file, = (self.proxy.audit / "ada").glob("*.jsonl")
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(b"".join(lines[:3] + lines[4:]))
        before = receiver.count()
        self.assertRegex(self.once(status=1), r"ada/.*\.jsonl is not the file that was sent")
        self.assertEqual(receiver.count(), before + len(lines) - 1)
        self.assertEqual(self.status()["siem"]["replaced"], 1)
        self.once()
        self.assertEqual(receiver.count(), before + len(lines) - 1)

    @unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library")
    def test_removed_before_it_was_sent(self):
        self.configure(self.syslog(), audit="\n  retain: 30d", start=False)
        receiver = self.receiver(SyslogReceiver, context=self.context())
        self.start_at(0)
        self.traffic(["ada"], 3)
        self.proxy.stop()
        self.once()
        self.start_at(0)
        self.traffic(["ada"], 4)
        self.traffic(["eve"], 4)
        self.proxy.stop()
        lost = sum(map(len, (self.log()[user] for user in ("ada", "eve")))) \
            - len([t for t in receiver.texts() if b'"user":"ada"' in t])
        self.start_at(40)
        ledger = self.proxy.audit / "ledger.jsonl"
        self.assertTrue(within(20, lambda: ledger.read_bytes().count(b'"type":"removed"') == 2))
        self.assertTrue(within(20, lambda: not list(self.proxy.audit.glob("*/*.jsonl*"))))
        self.proxy.stop()
        said = self.once(status=1)
        self.assertEqual(said.count("removed by the log's retention"), 2, said)
        self.assertRegex(said, r"eve/\d{4}-\d\d-\d\d\.jsonl was removed")
        self.assertEqual(sum(int(n) for n in re.findall(r": (\d+) records are lost", said)), lost)
        self.assertEqual(self.status()["siem"]["lost"], lost)
        self.assertEqual(self.once(), "")
        # To a target that is new it is no loss: it was never promised any of that.
        self.cursor().unlink()
        self.assertEqual(self.once(), "")

    def test_days_that_are_over_take_a_line_in_the_cursor(self):
        self.configure(self.syslog(), start=False)
        self.receiver(SyslogReceiver, context=self.context())
        for day in (0, 1, 3):
            self.start_at(day)
            self.traffic(["ada"], 2)
            if day == 3:
                self.assertTrue(within(20, lambda: len(list(self.proxy.audit.glob(
                    "ada/*.zst"))) == 2))
            self.proxy.stop()
        self.once()
        cursor = json.loads(self.cursor().read_text())
        self.assertEqual(len(cursor["through"]), 1)
        self.assertEqual(len(cursor["files"]), 2, cursor)  # today's, and the ledger
        self.assertEqual(self.status()["siem"]["behind"], 0)

    def test_one_that_is_down_holds_up_no_other(self):
        receiver = OtlpReceiver(self.port)
        self.addCleanup(receiver.stop)
        nobody = free_port()
        self.configure(f"name: siem, syslog: {{address: \"localhost:{nobody}\", "
                       f"ca: {self.authority.certificate}}}", self.otlp(scheme="http"))
        self.traffic()
        self.proxy.stop()
        done = self.export("--once", "--give-up", "2")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, f"export siem: cannot connect to localhost:{nobody}: "
                                      "Connection refused; trying again")
        self.assertNotIn("export otel", done.stderr)
        self.check(receiver, self.log())
        state = self.status()
        self.assertEqual(state["otel"]["behind"], 0)
        self.assertEqual(state["siem"]["behind"], receiver.count())
        self.assertIn("Connection refused", state["siem"]["trouble"])
        self.assertEqual(self.export("--once", "--to", "otel").returncode, 0)

    # --- what stands in the way --------------------------------------------------------------

    def test_arguments(self):
        self.configure(self.syslog())
        self.proxy.stop()
        done = self.export("--to", "nobody")
        self.assertEqual((done.returncode, "nobody" in done.stderr), (2, True))
        done = self.export("--status")
        self.assertEqual(done.returncode, 0)
        self.assertIn("siem", done.stdout)
        main = self.env.proxy
        done = main.verb("audit", "export", "--config", main.config)
        self.assertEqual(done.returncode, 2)
        self.assertIn("audit.export", done.stderr)


if __name__ == "__main__":
    unittest.main()
