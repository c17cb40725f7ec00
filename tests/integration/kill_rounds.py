"""A proxy that is killed again and again while sessions run, and what its log says of it each time.

One Lane is one proxy with a log directory of its own; its rounds are independent of another lane's,
so that several run side by side, each in a process. A round: the proxy starts over the log as the
last kill left it, clients of three users send statements without a pause, `kill -9` comes at a
random time. Each statement carries a marker of its own:

    k<lane>_<round>_<client>_<number>_<kind><rows>

kind a: allowed, in the SQL; v: allowed, as a value; r: refused; n: not run, as an earlier statement
of its batch is refused; s: the session, in its application_name.
"""

import hashlib
import json
import os
import random
import re
import signal
import struct
import subprocess
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

from environment import HERE, PATIENCE
from throwaway import die_with_parent
from wire_client import (ConnectionClosed, WireClient, bind, client_context, execute, parse, query,
                         sync)

MARKER = re.compile(r"k\d+_\d+_\d+_\d+_[avrns]\d*")
USERS = ("kim", "lea", "max")
CLIENTS = 4
DAY = 86400
BULK = "x" * 200_000
BULKY_ROUNDS = 8        # one round in so many has a client that sends such statements
SHORT_ROUNDS = 3        # and one in so many has writes in two pieces (short_writes.c)
EPOCH = 25              # rounds; each begins just before another midnight, and ends with a verify
RUNNING_SECONDS = 0.2 * PATIENCE   # a kill comes so long after the first login at the latest
START_SECONDS = 0.25 * PATIENCE    # and one at the start so long after exec


def kind_of(marker):
    return re.search(r"_([avrns])\d*$", marker)[1]


def rows_of(marker):
    return int(re.search(r"\d*$", marker)[0])


class Lane:
    """`configs`: one with durability write, one with fsync. `faults`: Faults, or None: no clock is
    moved, no write is short. `issue(user, environment)` gives a token."""

    def __init__(self, number, seed, program, configs, directory, port, ca, database, faults, issue):
        self.number, self.random = number, random.Random(seed)
        self.program, self.configs, self.directory = program, configs, Path(directory)
        self.port, self.database = port, database
        self.context = client_context(ca)
        self.faults, self.issue, self.tokens = faults, issue, {}
        self.process, self.logged_in = None, threading.Event()
        self.ending = threading.Event()   # a session may be cut off now
        self.leaving = threading.Event()  # no more statements
        # What happened, as seen from outside.
        self.sent, self.answered, self.problems, self.counts = set(), set(), [], Counter()
        # What the log says: the verdicts and the results of each marker.
        self.verdicts, self.results = {}, {}
        self.offsets, self.statements, self.repaired = {}, {}, set()
        self.torn = set()  # (file, bytes, SHA-256) of what a kill left, until it is on record

    # --- rounds ----------------------------------------------------------------------------

    def run(self, rounds):
        try:
            for number in range(rounds):
                if number % EPOCH == 0:
                    if number:
                        self.verify()
                    self.next_midnight(number // EPOCH)
                self.round(number)
                if len(self.problems) > 20:
                    break
            self.end()
        except Exception:
            self.problems.append(traceback.format_exc())
        finally:
            if self.process:
                self.process.kill()
        return {name: getattr(self, name) for name in
                ("sent", "answered", "problems", "counts", "verdicts", "results")}

    def next_midnight(self, days):
        """The proxy's clock goes on from a second before another midnight."""
        if self.faults:
            now = int(time.time())
            self.faults.put_forward((now // DAY + 1 + days) * DAY - 1 - now)
        if self.faults or not self.tokens:
            self.tokens = {user: self.issue(user, self.environment()) for user in USERS}

    def environment(self, short_writes=False):
        return self.faults.environment(short_writes) if self.faults else None

    def round(self, number):
        how, longest = "running", RUNNING_SECONDS
        if self.faults and number % EPOCH == 0:
            how, longest = "midnight", 1.2
        elif number % EPOCH <= 2 or number % 10 == 5:
            how, longest = "starting", START_SECONDS
        elif number % 10 == 9:
            how = "ending"
        delay = self.random.uniform(0, longest)
        bulky = self.random.randrange(BULKY_ROUNDS) == 0
        config = self.configs[0 if self.random.randrange(5) else 1]
        before = self.counts["opened"]
        clients = [Client(self, number, i, bulky and i == 0) for i in range(CLIENTS)]
        self.start(config, clients, self.random.randrange(SHORT_ROUNDS) == 0)
        try:
            if how != "starting":
                if not self.logged_in.wait(30):
                    self.problems.append(f"round {number}: nobody could log in; {self.last_words()}")
            time.sleep(delay)
            self.ending.set()
            if how == "ending":
                self.process.send_signal(signal.SIGTERM)
                time.sleep(self.random.uniform(0, 0.05))
        finally:
            self.ending.set()
            self.process.kill()
            status = self.process.wait()
            self.leaving.set()
            for client in clients:
                client.thread.join()
        self.counts[f"killed while {how}" if status == -signal.SIGKILL
                    else "ended before the kill"] += 1
        if status not in (-signal.SIGKILL, 0):
            self.problems.append(f"round {number}: exit status {status}; {self.last_words()}")
        self.read_log(number)
        if self.logged_in.is_set():
            if self.counts["opened"] == before:
                self.problems.append(f"round {number}: the ledger does not say that it started")
            self.check_repaired(number)
        self.note_torn()

    def start(self, config, clients, short_writes=False):
        for event in (self.ending, self.leaving, self.logged_in):
            event.clear()
        with open(config.with_suffix(".log"), "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", "--config", config], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, preexec_fn=die_with_parent,
                env=self.environment(short_writes))
        for client in clients:
            client.thread.start()

    def last_words(self):
        return "; ".join(" | ".join(c.with_suffix(".log").read_text(errors="replace")
                                    .splitlines()[-3:]) for c in self.configs)

    def end(self):
        """A last start, and an orderly end."""
        client = Client(self, 0, CLIENTS, False)
        self.start(self.configs[0], [client])
        if not self.logged_in.wait(30):
            self.problems.append(f"the last start: {self.last_words()}")
        self.leaving.set()
        client.thread.join()
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(30) != 0:
            self.problems.append(f"the orderly end: {self.last_words()}")
        self.read_log("last")
        self.check_repaired("last")
        self.verify()

    def verify(self):
        """Nothing is broken but what the last kill has torn, and no start has repaired yet."""
        done = subprocess.run([self.program, "audit", "verify", "--config", self.configs[0],
                               "--anchor", self.configs[0].with_name("anchor"), "--format", "json"],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.counts["verified"] += 1
        torn = sorted(str(f) for f in self.files() if self.behind(f).rpartition(b"\n")[2])
        try:
            found = json.loads(done.stdout)["broken"]
        except ValueError:
            found = []
        if done.returncode != (1 if torn else 0) or sorted(f["file"] for f in found) != torn or \
                any("torn" not in f["message"] for f in found):
            self.problems.append(f"verify: exit status {done.returncode}, torn: {torn}: "
                                 f"{done.stdout[-1500:]}")

    # --- the log ---------------------------------------------------------------------------

    def files(self):
        return [f for f in self.directory.rglob("*.jsonl") if f.is_file()]

    def note_torn(self):
        for file in self.files():
            rest = self.behind(file).rpartition(b"\n")[2]
            if rest:
                self.counts["torn ends"] += 1
                self.torn.add((str(file.relative_to(self.directory)), len(rest),
                               hashlib.sha256(rest).hexdigest()))

    def check_repaired(self, number):
        """What was torn is on record as such. (Of the ledger: that it was. A start that is killed
        while it repairs the ledger leaves other bytes than it found.)"""
        for torn in self.torn - self.repaired:
            if torn[0] != "ledger.jsonl" or not any(r[0] == torn[0] for r in self.repaired):
                self.problems.append(f"round {number}: nothing says that {torn} was cut off")
        self.torn.clear()
        self.repaired.clear()

    def behind(self, file):
        with open(file, "rb") as f:
            f.seek(self.offsets.get(file, 0))
            return f.read()

    def read_log(self, number):
        """What has been written since the last time."""
        for file in self.files():
            known = self.offsets.get(file, 0)
            if file.stat().st_size < known:
                self.problems.append(f"round {number}: whole lines were cut off {file}")
                continue
            whole = self.behind(file).rpartition(b"\n")
            self.offsets[file] = known + len(whole[0] + whole[1])
            for line in whole[0].splitlines():
                record = json.loads(line)
                self.counts[record["type"]] += 1
                if file.parent == self.directory:
                    self.read_entry(number, record)
                else:
                    self.read_record(record)

    def read_entry(self, number, entry):
        if entry["type"] == "log_opened":
            self.counts["opened"] += 1
        elif entry["type"] == "broken":
            self.problems.append(f"round {number}: said to be broken: {entry}")
        elif entry["type"] == "repaired":
            self.repaired.add((entry["kept"]["file"], entry["cut_bytes"], entry["cut_sha256"]))

    def read_record(self, record):
        if record["type"] == "session_start":
            self.verdicts.setdefault(record["application"], []).append("session")
        elif record["type"] == "statement":
            text = record.get("sql", "") + " ".join(p or "" for p in record.get("params", ()))
            markers = MARKER.findall(text)
            self.statements[record["session"], record["statement"]] = markers
            for marker in markers:
                self.verdicts.setdefault(marker, []).append(record["verdict"])
        elif record["type"] == "result":
            for marker in self.statements.pop((record["session"], record["statement"]), ()):
                self.results.setdefault(marker, []).append((record["sqlstate"], record["rows"]))


class Client:
    """A session that sends until the proxy is gone."""

    def __init__(self, lane, round_number, number, bulky):
        self.lane, self.user, self.bulky = lane, USERS[number % len(USERS)], bulky
        self.prefix, self.count = f"k{lane.number}_{round_number}_{number}", 0
        self.random = random.Random(self.prefix)
        self.steps = (self.bulk,) if bulky else (
            self.simple, self.several, self.refused, self.refused_in_the_middle, self.pipeline,
            self.refused_pipeline, self.transaction, self.copy)
        self.thread = threading.Thread(target=self.run)

    def marker(self, kind, rows=""):
        self.count += 1
        marker = f"{self.prefix}_{self.count}_{kind}{rows}"
        self.lane.sent.add(marker)
        return marker

    def run(self):
        ended = (ConnectionClosed, OSError)  # ssl.SSLError is one
        while not (self.lane.ending.is_set() or self.lane.leaving.is_set()):
            try:
                client = WireClient(self.lane.port, 30)
            except OSError:
                time.sleep(0.003)  # not there yet
                continue
            with client:
                began = False
                try:
                    client.start_tls(self.lane.context)
                    session = self.marker("s")
                    last = client.login(self.user, self.lane.database, self.lane.tokens[self.user],
                                        application_name=session)[-1]
                    if last.name == "ErrorResponse" and last.sqlstate not in ("57P03", "57P01"):
                        self.problem(f"no login: {last}")
                    if last.name != "ReadyForQuery":
                        continue  # cut off, or the catalog is not there yet: one comes again
                    began = True
                    self.lane.answered.add(session)
                    self.lane.logged_in.set()
                    while not self.lane.leaving.is_set():
                        self.random.choice(self.steps)(client)
                except ended as end:
                    if began and not self.lane.ending.is_set():
                        self.problem(f"cut off: {end!r}")
                except IndexError:
                    return  # said where it was found

    def problem(self, what):
        self.lane.problems.append(f"{self.prefix}: {what}")

    def converse(self, client, messages, *expected):
        """Sends; each marker in turn is answered by one CommandComplete or ErrorResponse. None: a
        statement without a marker."""
        client.send(*messages)
        left = list(expected)
        while True:
            got = client.receive()
            if got.name in ("CommandComplete", "ErrorResponse"):
                if got.name == "ErrorResponse" and got.fields["S"] == "FATAL":
                    raise ConnectionClosed(got.sqlstate)  # it is shutting down
                if not left:
                    self.problem(f"one answer too many: {got}")
                marker = left.pop(0)
                if marker:
                    self.lane.answered.add(marker)
                    refused = kind_of(marker) == "r"
                    if refused != (got.name == "ErrorResponse") or refused and \
                            got.sqlstate not in ("25006", "42501", "42809"):
                        self.problem(f"{marker}: {got}")
            elif got.name == "ReadyForQuery":
                if left:
                    self.problem(f"no answer to {left}")
                return

    def rows(self):
        return self.random.choice((0, 1, 1, 3, 40))

    def select(self):
        rows = self.rows()
        marker = self.marker("a", rows)
        return marker, f"SELECT '{marker}', g FROM generate_series(1, {rows}) g"

    def write(self):
        marker = self.marker("r")
        return marker, self.random.choice((
            f"DELETE FROM things WHERE name = '{marker}'", f"INSERT INTO things VALUES (1, '{marker}')",
            f"CREATE TABLE {marker} ()", f"COPY things FROM STDIN /* {marker} */"))

    def simple(self, client):
        marker, sql = self.select()
        self.converse(client, [query(sql)], marker)

    def several(self, client):
        made = [self.select() for _ in range(3)]
        self.converse(client, [query("; ".join(sql for _, sql in made))], *(m for m, _ in made))

    def refused(self, client):
        marker, sql = self.write()
        self.converse(client, [query(sql)], marker)

    def refused_in_the_middle(self, client):
        (first, sql), (marker, write) = self.select(), self.write()
        self.converse(client, [query(f"{sql}; {write}; SELECT '{self.marker('n')}'")], first, marker)

    def pipeline(self, client):
        """One statement run with several values, and others, before the first answer is read."""
        batch, expected = [], []
        rows = self.rows()
        batch.append(parse(f"SELECT $1::text, '{self.marker('a', rows)}' "
                           f"FROM generate_series(1, {rows})", f"s{self.count}"))
        name = f"s{self.count}"
        for _ in range(3):
            value = self.marker("v", rows)
            batch += [bind("", name, [value]), execute()]
            expected.append(value)
            marker, sql = self.select()
            batch += [parse(sql), bind(), execute()]
            expected.append(marker)
        self.converse(client, [*batch, sync()], *expected)

    def refused_pipeline(self, client):
        (first, sql), (marker, write) = self.select(), self.write()
        self.converse(client, [parse(sql), bind(), execute(), parse(write), bind(), execute(),
                               parse(f"SELECT '{self.marker('n')}'"), bind(), execute(), sync()],
                      first, marker)

    def transaction(self, client):
        self.converse(client, [query("BEGIN")], None)
        self.simple(client)
        if self.random.randrange(2):
            self.refused(client)
        self.converse(client, [query("COMMIT")], None)

    def copy(self, client):
        rows = self.rows()
        marker = self.marker("a", rows)
        self.converse(client, [query(f"COPY (SELECT '{marker}' FROM generate_series(1, {rows})) "
                                     "TO STDOUT")], marker)

    def bulk(self, client):
        """Records longer than a page; neither is in the server's log as a whole."""
        marker, sql = self.write()
        self.converse(client, [query(f"{sql} /* {BULK} */")], marker)
        marker = self.marker("v", 1)
        self.converse(client, [parse("SELECT $1::text"), bind("", "", [marker + BULK]), execute(),
                               sync()], marker)


class Faults:
    """Libraries in front of the proxy's C library."""

    def __init__(self, folder):
        self.clock = folder / "clock"
        self.moved_clock, self.short_writes = (self.build(folder, n) for n in
                                               ("moved_clock", "short_writes"))

    @staticmethod
    def build(folder, name):
        library = folder / f"{name}.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, HERE / f"{name}.c"], check=True)
        return str(library)

    def put_forward(self, seconds):
        self.clock.write_bytes(struct.pack("=q", seconds))

    def environment(self, short_writes):
        libraries = [self.moved_clock] + [self.short_writes] * short_writes
        return os.environ | {"LD_PRELOAD": ":".join(libraries), "MOVED_CLOCK": str(self.clock)}
