"""vitrine beside the poolers: PgBouncer, HAProxy (bytes passed through undecrypted) and Pgpool-II
(which parses every statement), in front of one PostgreSQL, each with one worker.

PgBouncer and vitrine speak TLS 1.3 to the client and plain TCP to the server, as does Pgpool-II;
behind HAProxy client and server speak TLS with each other. Everything of vitrine's is on: token,
parse, judgement, three masks on the table, the log with `durability: write`. They take turns; what is
compared is the CPU time of each proxy's own processes, and how much got through.
"""

import json
import os
import pwd
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path[:0] = [str(REPOSITORY / "demo")]

from proxies import DATABASE, cpu_nanoseconds, pgbench, progress, start  # noqa: E402
from throwaway import (Authority, Folder, PostgresServer, SetupError,  # noqa: E402
                       die_with_parent, free_port, run, write_private)

USER = "reader"
SCALE = 10
BULK_ROWS = 200_000
WIDE_ROWS = 5_000
PIPELINE = 20

SERVER = {"log_statement": "none", "autovacuum": "off", "wal_level": "minimal",
          "max_wal_senders": 0, "max_connections": 300}

# `-S` asks for abalance, which this user may see; the rules are looked at all the same.
MASKING = """masking:
  key: {file: mask.key}
  rules:
    - columns: [public.pgbench_accounts.filler]
      mask: {constant: "[removed]"}
    - columns: [public.pgbench_accounts.bid]
      mask: {round: 10}
    - columns: [public.pgbench_accounts.abalance]
      mask: {round: 100}
      except: {groups: [bench]}
"""

TABLES = f"""
CREATE TABLE bulk AS SELECT g AS id, md5(g::text) AS a, 'some text of row ' || g AS b,
    timestamptz '2026-01-01 00:00+00' + g * interval '1 second' AS at
  FROM generate_series(1, {BULK_ROWS}) g;
CREATE TABLE wide (id int, body text);
ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
INSERT INTO wide SELECT g, repeat(md5(g::text), 250) FROM generate_series(1, {WIDE_ROWS}) g;
"""

SCRIPTS = {
    "pipelined": "\\set aid random(1, 100000 * :scale)\n\\startpipeline\n"
                 + "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n" * PIPELINE
                 + "\\endpipeline\n",
    "masked": "\\set aid random(1, 100000 * :scale)\n\\startpipeline\n"
              + "SELECT bid FROM pgbench_accounts WHERE aid = :aid;\n" * PIPELINE
              + "\\endpipeline\n",
    "rows": "SELECT id, a, b, at FROM bulk;\n",
    "wide": "SELECT body FROM wide;\n",
}


class Case:
    """What pgbench runs: `statements` a transaction, `megabytes` where that is what counts."""

    def __init__(self, name, sessions, transactions, arguments, statements=1, megabytes=None):
        self.name, self.sessions, self.transactions = name, sessions, transactions
        self.arguments, self.statements, self.megabytes = arguments, statements, megabytes

    @property
    def unit(self):
        return "s/GB" if self.megabytes else "µs"

    def cost(self, nanoseconds):
        done = self.sessions * self.transactions
        if self.megabytes:
            return nanoseconds / 1e9 / (done * self.megabytes / 1000)
        return nanoseconds / 1000 / (done * self.statements)


def cases(scripts, sizes):
    for mode in ("simple", "extended", "prepared"):
        for sessions in (1, 8, 64):
            yield Case(f"{mode}, {sessions}", sessions, 8000 // sessions, ["-S", "-M", mode])
    for name in ("pipelined", "masked"):
        yield Case(f"{name} by {PIPELINE}, 8", 8, 500, ["-M", "prepared", "-f", scripts[name]],
                   statements=PIPELINE)
    for name in ("rows", "wide"):
        yield Case(f"SELECT, {name}", 1, 3, ["-f", scripts[name]], megabytes=sizes[name])
    yield Case("login and a query", 1, 100, ["-S", "-C"])


class Peer:
    """A proxy that is a program with a configuration file."""

    def __init__(self, name, command, folder, port, environment):
        self.name, self.port, self.environment = name, port, environment
        self._log = folder / f"{name}.out"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, start_new_session=True,
                                             preexec_fn=die_with_parent)
        self.pid = self._process.pid

    def wait_until_up(self):
        deadline = time.monotonic() + 30
        while subprocess.run(["psql", "-XqAtc", "SELECT 1"], env=self.environment,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SetupError(f"{self.name} did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


class Setup:
    """The server, the proxies, and their files."""

    def __init__(self, folder, program, names):
        self.folder = folder
        self.password = secrets.token_hex(16)
        self.owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.server = PostgresServer(folder, Authority(folder, "database", "bench database"),
                                     hba=["host all all 127.0.0.1/32 scram-sha-256"],
                                     settings=SERVER)
        self.peers = {}
        try:
            self.server.start()
            self._fill()
            self.authority = Authority(folder, "proxy", "bench proxy CA")
            self.certificate, self.key = self.authority.sign("peer")
            (folder / "peer.pem").write_text(self.certificate.read_text() + self.key.read_text())
            for name in names:
                self.peers[name] = getattr(self, f"_{name.replace('-', '_')}")(program)
                if isinstance(self.peers[name], Peer):
                    self.peers[name].wait_until_up()
        except BaseException:
            self.stop()
            raise

    def _fill(self):
        self.server.sql(f"CREATE DATABASE {DATABASE}")
        run("pgbench", "-i", "-q", "-s", str(SCALE), env=self.server.environment(DATABASE))
        self.server.sql(TABLES, DATABASE)
        for statement in (f"CREATE ROLE {USER} LOGIN PASSWORD '{self.password}'",
                          f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {USER}",
                          "VACUUM ANALYZE"):
            self.server.sql(statement, DATABASE)

    def environment(self, port, ca=None):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        tls = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(ca)} if ca else \
            {"PGSSLMODE": "require", "PGSSLROOTCERT": "/nonexistent/root.crt"}
        return clean | tls | {"PGHOST": "localhost", "PGPORT": str(port), "PGDATABASE": DATABASE,
                              "PGUSER": USER, "PGPASSWORD": self.password, "PGCONNECT_TIMEOUT": "20"}

    def _drop(self, command):
        """PgBouncer does not run as root."""
        if not self.owner:
            return command
        return ["setpriv", f"--reuid={self.owner.pw_uid}", f"--regid={self.owner.pw_gid}",
                "--clear-groups", "--", *command]

    def _own(self, *paths):
        for path in paths:
            if self.owner:
                os.chown(path, self.owner.pw_uid, self.owner.pw_gid)

    def _pgbouncer_with(self, name, more=""):
        port, home = free_port(), self.folder / name
        home.mkdir()
        for file in (self.certificate, self.key):
            shutil.copy(file, home)
        write_private(home / "users.txt", f'"{USER}" "{self.password}"\n')
        (home / "pgbouncer.ini").write_text(f"""[databases]
{DATABASE} = host=127.0.0.1 port={self.server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {home}/users.txt
pool_mode = session
default_pool_size = 100
max_client_conn = 500
client_tls_sslmode = require
client_tls_protocols = tlsv1.3
client_tls_cert_file = {home}/peer.crt
client_tls_key_file = {home}/peer.key
server_tls_sslmode = disable
log_connections = 0
log_disconnections = 0
{more}
""")
        self._own(home, *home.iterdir())
        return Peer(name, self._drop(["pgbouncer", home / "pgbouncer.ini"]), self.folder, port,
                    self.environment(port, self.authority.certificate))

    def _pgbouncer(self, _):
        return self._pgbouncer_with("pgbouncer")

    def _pgbouncer_64k(self, _):
        return self._pgbouncer_with("pgbouncer-64k", "pkt_buf = 65536")

    def _haproxy(self, _):
        port, file = free_port(), self.folder / "haproxy.cfg"
        file.write_text(f"""global
    nbthread 1
defaults
    mode tcp
    timeout connect 10s
    timeout client 10m
    timeout server 10m
listen postgresql
    bind 127.0.0.1:{port}
    server one 127.0.0.1:{self.server.port}
""")
        return Peer("haproxy", ["haproxy", "-db", "-f", file], self.folder, port,
                    self.environment(port))

    def _pgpool(self, _):
        port, home = free_port(), self.folder / "pgpool"
        home.mkdir()
        for file in (self.certificate, self.key):
            shutil.copy(file, home)
        write_private(home / "passwd", f"{USER}:TEXT{self.password}\n")
        (home / "hba").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        (home / "pcp").write_text("")
        (home / "pgpool.conf").write_text(f"""
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{home}'
socket_dir = '{home}'
pcp_socket_dir = '{home}'
pcp_port = {free_port()}
pid_file_name = '{home}/pid'
logdir = '{home}'
work_dir = '{home}'
backend_hostname0 = '127.0.0.1'
backend_port0 = {self.server.port}
backend_weight0 = 1
backend_clustering_mode = 'raw'
num_init_children = 70
max_pool = 1
enable_pool_hba = on
pool_passwd = '{home}/passwd'
ssl = on
ssl_cert = '{home}/peer.crt'
ssl_key = '{home}/peer.key'
load_balance_mode = off
connection_cache = on
health_check_period = 0
sr_check_period = 0
""")
        self._own(home, *home.iterdir())
        return Peer("pgpool", self._drop(
            ["pgpool", "-n", "-f", home / "pgpool.conf", "-a", home / "hba", "-F", home / "pcp"]),
            self.folder, port, self.environment(port, self.authority.certificate))

    def _vitrine(self, program):
        vitrine = start(self.folder / "vitrine", program, self.authority, self.server,
                        self.password, secrets.token_hex(32), MASKING, server_tls=False)
        token = vitrine.token(USER, DATABASE, groups=["bench"], ttl="12h")
        vitrine.name = "vitrine"
        vitrine_environment = vitrine.environment(USER, token, DATABASE)
        vitrine.environment = vitrine_environment
        return vitrine

    def stop(self):
        for peer in self.peers.values():
            peer.stop()
        self.server.stop()


def measure(peer, case):
    """The proxy's CPU for what is counted, and how much of that a second. The logins of the sessions
    are counted off, but where they are what is measured."""
    def run_it(transactions):
        before = cpu_nanoseconds(peer.pid)
        rate = pgbench(peer.environment, case.sessions, transactions, "-D", f"scale={SCALE}",
                       *case.arguments)
        return cpu_nanoseconds(peer.pid) - before, rate

    if "-C" in case.arguments:
        cpu, rate = run_it(case.transactions)
        return case.cost(cpu), rate
    logins, _ = run_it(1)
    cpu, rate = run_it(case.transactions + 1)
    return case.cost(cpu - logins), rate * case.statements


def print_table(names, rows):
    def cell(one, is_first):
        ratio = "" if is_first else f"×{one['ratio']:.2f}"
        return (f"{one['cpu']:10.2f} {'±' + format(one['spread'], '.1f'):<6}{ratio:>7}"
                f"{one['rate']:9.0f}")

    print(f"{'CPU of the proxy':28}" + "".join(f"{name:>33}" for name in names))
    for row in rows:
        print(f"{row['case']:22}{row['unit']:>6}" + " ".join(
            cell(row["peers"][name], name == names[0]) for name in names))
    print(f"\nMedians, half of what lies between the least and the most, the median of the rounds' "
          f"ratios to {names[0]};\nand what got through a second: statements; of the SELECTs, results; "
          "logins.")


NAMES = ("pgbouncer", "pgbouncer-64k", "haproxy", "pgpool", "vitrine")


def peers(program, rounds, names, only, as_json):
    if unknown := [name for name in names if name not in NAMES]:
        print(f"bench: no peer {unknown[0]}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    folder = Folder("vitrine-peers")
    setup = None

    try:
        scripts = {name: folder.path / f"{name}.sql" for name in SCRIPTS}
        for name, file in scripts.items():
            file.write_text(SCRIPTS[name])
        setup = Setup(folder.path, program, names)
        sizes = {name: int(setup.server.sql(
            f"SELECT sum(octet_length(t::text)) / 1000000 FROM {table} t", DATABASE))
            for name, table in (("rows", "bulk"), ("wide", "wide"))}
        rows = []
        for case in cases(scripts, sizes):
            if only and not any(word in case.name for word in only):
                continue
            samples = {name: [] for name in names}
            for number in range(rounds):
                for name in names if number % 2 else reversed(names):
                    progress(f"{case.name}: {name}, round {number + 1} of {rounds}")
                    samples[name].append(measure(setup.peers[name], case))
            base = [cpu for cpu, _ in samples[names[0]]]
            rows.append({"case": case.name, "unit": case.unit, "peers": {
                name: {"cpu": statistics.median(cpu for cpu, _ in taken),
                       "spread": (max(taken)[0] - min(taken)[0]) / 2,
                       "ratio": statistics.median(
                           cpu / other for (cpu, _), other in zip(taken, base)),
                       "rate": statistics.median(rate for _, rate in taken)}
                for name, taken in samples.items()}})
        progress("")
    finally:
        if setup:
            setup.stop()
        folder.remove()
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        print_table(names, rows)
    return 0
