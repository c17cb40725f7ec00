"""`kill -9` at random points (kill_rounds.py): no statement reached the server that is not in the
log, every log opens and verifies, and what it says is what happened.

VITRINE_KILLS is how many there are. As part of all tests it is 500, in some two minutes; the thousand
takes twice that: `VITRINE_KILLS=1000 tests/integration/run.py test_kills`. VITRINE_SEED repeats the
times at which a run killed, though not what it met there."""

import contextlib
import multiprocessing
import os
import random
import re
import secrets
import shutil
import socket
import subprocess
import unittest
from collections import Counter
from pathlib import Path

from environment import PROGRAM, SANITIZED, shared
from kill_rounds import MARKER, Faults, Lane, kind_of, rows_of
from throwaway import Authority, PostgresServer, die_with_parent
from wire_client import within

KILLS = int(os.environ.get("VITRINE_KILLS", "24" if SANITIZED else "500"))
LANES = 2
SEED = os.environ.get("VITRINE_SEED") or secrets.token_hex(4)


class Kills(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A PostgreSQL of its own: a small catalog, which is read at each start, and a log in which
        nothing else stands."""
        cls.env = shared()
        cls.folder = cls.env.path / "kills"
        cls.folder.mkdir()
        cls.folder.chmod(0o711)
        cls.server = PostgresServer(cls.folder, Authority(cls.folder, "database", "kills CA"),
                                    settings={"log_parameter_max_length": 100, "autovacuum": "off"})
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        cls.server.sql("CREATE DATABASE shop")
        cls.server.sql("CREATE TABLE things (id int, name text);"
                       f"CREATE ROLE vitrine_reader LOGIN PASSWORD '{cls.env.reader_password}';"
                       "GRANT SELECT, INSERT, DELETE ON things TO vitrine_reader", "shop")
        cls.lanes = cls.run_lanes()
        # What a killed proxy had sent is run to its end.
        assert within(30, lambda: cls.server.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'vitrine_reader'") == "0")
        cls.on_server = cls.read_server_log()

    @classmethod
    def run_lanes(cls):
        context = multiprocessing.get_context("fork")
        pool = []
        for number in range(LANES):
            proxy = cls.env.another(f"kills-{number}", start=False, server_port=cls.server.port,
                                    rules="[]")
            proxy.port = cls.port_nobody_is_given()
            anchor = proxy.config.with_name("anchor")
            anchor.mkdir()
            cls.env.configure(proxy, server_port=cls.server.port, rules="[]",
                              directory=f"log\n  retain: 5d\n  anchor: {{directory: {anchor}}}")
            receiving, sending = context.Pipe(False)
            process = context.Process(target=cls.run_lane, args=(number, proxy, sending))
            process.start()
            sending.close()
            pool.append((process, receiving))
        lanes = []
        for process, receiving in pool:
            lanes.append(receiving.recv())
            process.join()
        return lanes

    @staticmethod
    def port_nobody_is_given():
        """A client that comes before the proxy could else be given the very port that it calls, and
        be connected with itself."""
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        while True:
            with contextlib.suppress(OSError), socket.socket() as s:
                s.bind(("127.0.0.1", random.randrange(low - 12000, low)))
                return s.getsockname()[1]

    @classmethod
    def run_lane(cls, number, proxy, results):
        die_with_parent()
        folder = proxy.config.parent
        shutil.copy(cls.folder / "database-ca.crt", folder)
        fsync = folder / "fsync.yaml"
        fsync.write_text(proxy.config.read_text().replace("directory: log", "directory: log\n"
                                                          "  durability: fsync"))

        def issue(user, environment):
            return subprocess.run([PROGRAM, "token", "issue", "--config", proxy.config, "--user",
                                   user, "--database", "shop", "--ttl", "1h"], text=True, check=True,
                                  env=environment, stdout=subprocess.PIPE).stdout.strip()

        # A sanitizer wants to be the first library.
        faults = None if SANITIZED else Faults(folder)
        lane = Lane(number, f"{SEED}-{number}", PROGRAM, (proxy.config, fsync), proxy.audit,
                    proxy.port, proxy.ca, "shop", faults, issue)
        results.send(lane.run(-(-KILLS // LANES)))

    @classmethod
    def read_server_log(cls):
        """The markers in what the server says it ran; with those in the values."""
        ran = re.compile(r"<vitrine_reader@shop\|[^>]*> (?:LOG:  (?:statement|execute [^:]*): "
                         r"|DETAIL:  parameters: )(.*)")
        markers, runs = Counter(), False
        with open(cls.server.log, errors="replace") as log:
            for line in log:
                if not line.startswith("\t"):  # else it goes on
                    found = ran.search(line)
                    runs = found is not None
                    line = found[1] if found else ""
                if runs:
                    markers.update(MARKER.findall(line))
        return markers

    def all(self, name):
        """What the lanes have of that name, together."""
        together = type(self.lanes[0][name])()
        for lane in self.lanes:
            together.update(lane[name])
        return together

    def none(self, found, what):
        found = sorted(found)
        self.assertEqual(found[:10], [], f"{len(found)} {what} (VITRINE_SEED={SEED})")

    def allowed(self):
        return {m for m, verdicts in self.all("verdicts").items() if "allow" in verdicts}

    # --- what it must show -----------------------------------------------------------------

    def test_1_it_was_killed(self):
        counts = Counter()
        for lane in self.lanes:
            counts.update(lane["counts"])
        print("  " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())), flush=True)
        kills = sum(n for what, n in counts.items() if what.startswith("killed"))
        self.assertGreater(kills, KILLS * 0.9)
        recorded = self.allowed()
        caught = recorded - set(self.on_server)
        print(f"  {kills} kills: {len(self.on_server)} markers on the server, {len(recorded)} "
              f"allowed in the log; {len(caught)} of them did not get to the server", flush=True)
        self.assertGreater(len(self.on_server), 10 * KILLS)
        self.assertGreater(len(caught), KILLS // 10, "the kills met nobody at work")
        if not SANITIZED:
            self.assertGreater(counts["torn ends"], KILLS // 20)

    def test_every_start_went_well_and_the_log_verifies(self):
        self.none([p for lane in self.lanes for p in lane["problems"]], "problems")

    def test_nothing_reached_the_server_unrecorded(self):
        self.none(set(self.on_server) - self.allowed(), "statements reached the server unrecorded")

    def test_nothing_refused_reached_the_server(self):
        self.none((m for m in self.on_server if kind_of(m) not in "av"), "refused ones were run")
        self.none((m for m, verdicts in self.all("verdicts").items()
                   if kind_of(m) in "rn" and set(verdicts) != {"reject"}), "are not on record so")

    def test_what_was_answered_is_on_record(self):
        verdicts = self.all("verdicts")
        self.none(self.all("answered") - set(verdicts), "were answered and are not on record")

    def test_nothing_is_on_record_that_did_not_happen(self):
        verdicts, results = self.all("verdicts"), self.all("results")
        self.none(set(verdicts) - self.all("sent"), "were never sent")
        self.none((m for m, v in verdicts.items() if len(v) > 1), "are on record twice")
        for marker, said in results.items():
            if kind_of(marker) in "av":
                # The SQL of a prepared statement has its result where it is run.
                self.assertEqual(said, [("00000", rows_of(marker))], marker)
            else:
                self.assertTrue(all(state != "00000" and rows == 0 for state, rows in said), marker)
        self.none({m for m in results if kind_of(m) in "av"} - set(self.on_server),
                  "have a result and were never run")
        self.assertEqual({m for m, n in self.on_server.items() if n > 1 and kind_of(m) == "v"}, set())
        self.assertEqual(self.server.sql("SELECT count(*) FROM things", "shop"), "0")


if __name__ == "__main__":
    unittest.main()
