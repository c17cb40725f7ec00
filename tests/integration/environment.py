"""What every integration test stands on: one PostgreSQL with test data, one vitrine in front.

`shared()` makes it once a run. Tests that need a vitrine of their own (another configuration, a
full disk, a reload) start one with `shared().another(...)` on the same PostgreSQL.
"""

import atexit
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "demo"))

from throwaway import (REPOSITORY, Authority, Folder, PostgresServer,  # noqa: E402
                       Vitrine, ed25519_key, free_port, run, write_private)
from wire_client import WireClient, client_context  # noqa: E402

PRESET = os.environ.get("VITRINE_PRESET", "release")
SANITIZED = PRESET in ("asan", "tsan")
PROGRAM = REPOSITORY / f"build/{PRESET}/vitrine"
USER = "ada"
DATABASE = "shop"
# The same with the sensitive columns overwritten by their masks.
MASKED_COPY = "shop_masked"
# Sanitizers slow everything down; the promise of a second is the release build's.
PATIENCE = 4 if SANITIZED else 1
# A result is in its file with its user's next record, or 10 ms later, if the machine lets it.
RESULTS_LATE = 0.05 * PATIENCE
READ_ONLY = "-c default_transaction_read_only=on"

# Roles of the server that authenticate in the older ways (for the login to the database).
HBA = ("hostssl all reader_md5 127.0.0.1/32 md5", "hostssl all reader_password 127.0.0.1/32 password")

# What the tests mask. The same masks in SQL, for the copy that the answers are compared with, are
# in masked_copy.sql.
RULES = """
    - columns: [public.customers.email]
      mask: email
      except: {groups: [fraud]}
    - columns: [public.customers.phone]
      mask: {partial: {keep_start: 0, keep_end: 2, with: "*"}}
    - columns: [public.customers.notes]
      mask: {constant: "[removed]"}
    - columns: [public.customers.ssn, public.cards.holder]
      mask: hash
    - columns: [public.customers.profile, public.people.contact]
      mask: "null"
    - columns: [public.cards.number]
      mask: {partial: {keep_start: 0, keep_end: 4, with: "#"}}
    - columns: ["public.events.*load"]
      mask: {constant: "[gone]"}
    - columns: ['"Mixed"."Client Data"."E-Mail"']
      mask: email"""

_shared = None


def shared():
    global _shared
    if _shared is None:
        _shared = Environment()
        atexit.register(_shared.stop)
    return _shared


class Proxy(Vitrine):
    """A vitrine with its own configuration, certificate and log directory."""

    def __init__(self, environment, folder, port):
        super().__init__(PROGRAM, folder / "vitrine.yaml", port, environment.authority)
        self.environment_ = environment
        self.audit = folder / "log"

    def connect(self, tls=True, timeout=30):
        client = WireClient(self.port, timeout)
        if tls:
            client.start_tls(client_context(self.ca))
        return client

    def login(self, token=None, user=USER, database=DATABASE, **parameters):
        """A raw client, logged in."""
        client = self.connect()
        messages = client.login(user, database, token or self.token(user, database), **parameters)
        if messages[-1].name != "ReadyForQuery":
            client.close()
            raise AssertionError(f"no login: {messages}")
        return client

    def psql(self, *arguments, token=None, user=USER, stdin=None, env=None, timeout=120):
        environment = self.environment(user, token or self.token(user, DATABASE), DATABASE)
        return psql(environment | (env or {}), *arguments, stdin=stdin, timeout=timeout)

    # --- its query log ---------------------------------------------------------------------

    def records(self, user=USER):
        """All records of a user, file by file."""
        time.sleep(RESULTS_LATE)
        return [json.loads(line) for file in sorted((self.audit / user).glob("*.jsonl"))
                for line in file.read_text().splitlines()]

    def statements(self, user=USER):
        return [r for r in self.records(user) if r["type"] == "statement"]


def psql(environment, *arguments, stdin=None, timeout=120):
    return subprocess.run(["psql", "-X", *arguments], env=environment, text=True, input=stdin,
                          stdin=None if stdin is not None else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)


class Environment:
    def __init__(self):
        self.folder = Folder("vitrine-test")
        self.path = self.folder.path
        self.proxies = []
        self.database = None
        try:
            self._build()
        except BaseException:
            self.stop()
            raise

    def _build(self):
        self.mask_key = secrets.token_hex(32)
        self.reader_password = secrets.token_hex(16)
        database_authority = Authority(self.path, "database", "test database CA")
        self.authority = Authority(self.path, "proxy", "test proxy CA")
        self.database = PostgresServer(
            self.path, database_authority, hba=HBA,
            settings={"max_prepared_transactions": 5, "wal_level": "minimal",
                      "max_wal_senders": 0, "autovacuum": "off", "temp_file_limit": "2GB"})
        self.database.start()
        self.database.sql(f"CREATE DATABASE {DATABASE}")
        self.database.load(HERE / "schema.sql", DATABASE)
        self.database.load(HERE / "library.sql", DATABASE)
        subprocess.run(["pgbench", "-i", "-q", "-s", "1"], check=True,
                       env=self.database.environment(DATABASE), stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.database.sql(
            f"ALTER ROLE vitrine_reader LOGIN PASSWORD '{self.reader_password}';"
            f"REVOKE TEMPORARY ON DATABASE {DATABASE} FROM PUBLIC;"
            "GRANT SELECT ON pgbench_accounts, pgbench_branches, pgbench_tellers, "
            "pgbench_history TO vitrine_reader;"
            f"CREATE ROLE reader_password LOGIN PASSWORD '{self.reader_password}' "
            "IN ROLE vitrine_reader;"
            "SET password_encryption = md5;"
            f"CREATE ROLE reader_md5 LOGIN PASSWORD '{self.reader_password}' "
            "IN ROLE vitrine_reader;"
            # schema.sql has addresses with the marker behind the @, which the mask keeps.
            "UPDATE customers SET email = replace(email, '@CANARY', '@second') "
            "WHERE email LIKE '%@CANARY%'; REFRESH MATERIALIZED VIEW customer_emails; "
            "ANALYZE customers", DATABASE)
        self.database.sql(f"CREATE DATABASE {MASKED_COPY} TEMPLATE {DATABASE}")
        run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-v", f"key={self.mask_key}", "-f",
            HERE / "masked_copy.sql", env=self.database.environment(MASKED_COPY))
        # The same order of rows in both, for what is read without ORDER BY.
        for database in (DATABASE, MASKED_COPY):
            self.database.sql("CLUSTER customers USING customers_pkey; "
                              "CLUSTER cards USING cards_pkey", database)
        self.proxy = self.another("main")

    # --- vitrine ---------------------------------------------------------------------------

    def another(self, name, start=True, program_environment=None, **changes):
        """A vitrine of its own. `changes` are those of configuration()."""
        folder = self.path / name
        folder.mkdir()
        self.authority.sign("server")
        shutil.move(self.path / "server.crt", folder / "server.crt")
        shutil.move(self.path / "server.key", folder / "server.key")
        shutil.copy(self.path / "database-ca.crt", folder)
        ed25519_key(folder / "signing.pem")
        ed25519_key(folder / "audit.pem")
        write_private(folder / "mask.key", self.mask_key + "\n")
        write_private(folder / "reader.password", self.reader_password + "\n")
        proxy = Proxy(self, folder, free_port())
        self.configure(proxy, **changes)
        self.proxies.append(proxy)
        if start:
            proxy.start(program_environment)
        return proxy

    def configure(self, proxy, **changes):
        """Writes the proxy's configuration file (anew)."""
        values = {"port": proxy.port, "server_port": self.database.port, "login_timeout": f"{5 * PATIENCE}s",
                  "rules": RULES, "user": "vitrine_reader", "directory": "log", "extra": "", "workers": 2,
                  "min_version": "1.2", "client_ca": "", "failed_logins": 0, "issuers": "", "database": ""} | changes
        template = (HERE / "vitrine.yaml").read_text()
        for key, value in values.items():
            template = template.replace(f"@{key}@", str(value))
        proxy.config.write_text(template)

    # --- around the proxy ------------------------------------------------------------------

    def direct(self, database=DATABASE, **parameters):
        """A raw client, logged in at PostgreSQL itself as vitrine does it: read-only."""
        client = WireClient(self.database.port)
        client.start_tls(client_context())
        messages = client.login("vitrine_reader", database, self.reader_password,
                                options=READ_ONLY, **parameters)
        assert messages[-1].name == "ReadyForQuery", messages
        return client

    def direct_environment(self):
        return self.database.environment(DATABASE, "vitrine_reader", self.reader_password) | {
            "PGOPTIONS": READ_ONLY, "PGHOST": "localhost"}

    def direct_psql(self, *arguments, stdin=None, env=None):
        return psql(self.direct_environment() | (env or {}), *arguments, stdin=stdin)

    def sql(self, text):
        """As superuser, directly."""
        return self.database.sql(text, DATABASE)

    def backends(self, like):
        """How many other sessions of the server run a statement LIKE this."""
        quoted = like.replace("'", "''")
        return int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND "
                            f"pid <> pg_backend_pid() AND query LIKE '{quoted}'"))

    def dump(self):
        """Everything in the database, sequences and large objects too, for comparisons."""
        done = subprocess.run(["pg_dump", "--blobs"], check=True, text=True,
                              env=self.database.environment(DATABASE), stdout=subprocess.PIPE)
        # pg_dump's \restrict lines hold a random word.
        return "\n".join(line for line in done.stdout.splitlines()
                         if not line.startswith(("\\restrict", "\\unrestrict")))

    def stop(self):
        """Ends everything; gives a sentence for each vitrine that did not end as it should."""
        problems = []
        for proxy in self.proxies:
            status = proxy.stop(seconds=10 * PATIENCE)
            said = proxy.log.read_text(errors="replace") if proxy.log.exists() else ""
            found = [line for line in said.splitlines()
                     if "Sanitizer" in line or "runtime error:" in line]
            # None: never started; -SIGKILL: a test's own doing.
            if status not in (0, None, -signal.SIGKILL) or found:
                problems.append(f"{proxy.config.parent.name}: exit status {status}\n"
                                + "\n".join(found or said.splitlines()[-20:]))
        if self.database:
            self.database.stop()
        if os.environ.get("VITRINE_KEEP"):
            print(f"kept: {self.path}")
        else:
            self.folder.remove()
        self.proxies, self.database = [], None
        return problems
