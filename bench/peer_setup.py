"""What the poolers and vitrine are compared on: one PostgreSQL with its tables, and each of them in
front of it as a program of its own with one worker.

PgBouncer and vitrine speak TLS 1.3 to the client and plain TCP to the server, as does Pgpool-II;
behind HAProxy client and server speak TLS with each other. Everything of vitrine's is on: token,
parse, judgement, masks, the log with `durability: write`.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / "demo")]

from proxies import DATABASE, start  # noqa: E402
from throwaway import (Authority, PostgresServer, SetupError, die_with_parent,  # noqa: E402
                       free_port, run, write_private)

NAMES = ("pgbouncer", "pgbouncer-64k", "haproxy", "pgpool", "vitrine")
USER = "reader"
SCALE = 10
BULK_ROWS = 1_000_000
WIDE_ROWS = 10_000
CUSTOMERS = 20_000
ORDERS = 100_000

SERVER = {"log_statement": "none", "autovacuum": "off", "wal_level": "minimal",
          "max_wal_senders": 0, "max_connections": 300, "shared_buffers": "512MB",
          "max_wal_size": "2GB"}

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
    - columns: [public.customers.name]
      mask: hash
    - columns: [public.customers.email]
      mask: email
    - columns: [public.customers.phone]
      mask: {partial: {keep_start: 3, keep_end: 0, with: "*"}}
    - columns: [public.customers.born]
      mask: {truncate: year}
    - columns: [public.orders.note]
      mask: "null"
"""

TABLES = f"""
CREATE TABLE bulk AS SELECT g AS id, md5(g::text) AS a, 'some text of row ' || g AS b,
    timestamptz '2026-01-01 00:00+00' + g * interval '1 second' AS at
  FROM generate_series(1, {BULK_ROWS}) g;
CREATE TABLE wide (id int, body text);
ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
INSERT INTO wide SELECT g, repeat(md5(g::text), 250) FROM generate_series(1, {WIDE_ROWS}) g;
CREATE TABLE customers AS SELECT g AS id, 'customer ' || g AS name,
    'c' || g || '@' || (ARRAY['example.com', 'example.org', 'example.net'])[g % 3 + 1] AS email,
    '+49' || (1000000 + g) AS phone, date '1950-01-01' + g % 20000 AS born,
    (ARRAY['Bremen', 'Köln', 'Ulm', 'Jena', 'Halle'])[g % 5 + 1] AS city
  FROM generate_series(1, {CUSTOMERS}) g;
CREATE TABLE orders AS SELECT g AS id, g % {CUSTOMERS} + 1 AS customer,
    date '2026-01-01' + g % 365 AS placed, (g % 997)::numeric(10, 2) AS amount, 'note ' || g AS note
  FROM generate_series(1, {ORDERS}) g;
ALTER TABLE customers ADD PRIMARY KEY (id);
ALTER TABLE orders ADD PRIMARY KEY (id);
CREATE INDEX ON orders (customer);
CREATE INDEX ON orders (placed);
"""


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
                self.stop()
                raise SetupError(f"{self.name} did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.1)
        return self

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
        self.folder, self._program = folder, program
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
            make = {"pgbouncer": lambda: self.pgbouncer("pgbouncer"),
                    "pgbouncer-64k": lambda: self.pgbouncer("pgbouncer-64k", "pkt_buf = 65536"),
                    "haproxy": self._haproxy, "pgpool": self._pgpool,
                    "vitrine": lambda: self.vitrine("vitrine")}
            for name in names:
                self.peers[name] = make[name]()
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

    def pgbouncer(self, name, more="", *, server=None, sessions=200):
        port, home = free_port(), self.folder / name
        home.mkdir()
        for file in (self.certificate, self.key):
            shutil.copy(file, home)
        # What the server has of the password, with which PgBouncer logs in there, too; from the
        # password itself it would derive the keys anew at each login, which is 4 ms.
        verifier = self.server.sql(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{USER}'")
        write_private(home / "users.txt", f'"{USER}" "{verifier}"\n')
        (home / "pgbouncer.ini").write_text(f"""[databases]
{DATABASE} = host=127.0.0.1 port={(server or self.server).port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {home}/users.txt
pool_mode = session
default_pool_size = {sessions}
max_client_conn = {sessions}
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
                    self.environment(port, self.authority.certificate)).wait_until_up()

    def _haproxy(self):
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
                    self.environment(port)).wait_until_up()

    def _pgpool(self):
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
            self.folder, port,
            self.environment(port, self.authority.certificate)).wait_until_up()

    def vitrine(self, name, *, server=None, sessions=10_000):
        vitrine = start(self.folder / name, self._program, self.authority, server or self.server,
                        self.password, secrets.token_hex(32), MASKING, server_tls=False,
                        max_connections=sessions)
        token = vitrine.token(USER, DATABASE, groups=["bench"], ttl="12h")
        vitrine.name = name
        vitrine.environment = vitrine.environment(USER, token, DATABASE)
        return vitrine

    def stop(self):
        for peer in self.peers.values():
            peer.stop()
        self.server.stop()
