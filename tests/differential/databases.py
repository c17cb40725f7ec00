"""The database, its masked copy, and vitrine in front of the first: made once a run."""

import os
import secrets
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
sys.path.insert(0, str(HERE.parent.parent / "demo"))

from masks import KEY, MaskedCopy, rules_yaml  # noqa: E402
from throwaway import (REPOSITORY, Authority, Folder, PostgresServer, Vitrine,  # noqa: E402
                       ed25519_key, free_port, write_private)
from wire_client import WireClient, client_context  # noqa: E402

PRESET = os.environ.get("VITRINE_PRESET", "release")
USER, READER = "ada", "vitrine_reader"
DATABASE, COPY = "shop", "shop_masked"
READ_ONLY = "-c default_transaction_read_only=on"

# One order of rows on disk in both, by columns that no rule masks: for what is read without ORDER BY.
SAME_ORDER = """
SELECT format('CREATE INDEX same_order ON %1$s (%2$s); CLUSTER %1$s USING same_order; '
              'DROP INDEX %3$s.same_order', c.oid::regclass, string_agg(quote_ident(attname), ', '),
              relnamespace::regnamespace)
FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0
WHERE relkind = 'r' AND c.oid >= 16384 AND attname IN ('id', 'Id', 'opened', 'order_id', 'line')
  AND atttypid <> 'text'::regtype
GROUP BY c.oid
\\gexec"""


class Databases:
    def __init__(self):
        self.folder = Folder("vitrine-differential")
        self.path = self.folder.path
        self.server = self.proxy = None
        self.password = secrets.token_hex(16)
        try:
            self._build()
        except BaseException:
            self.stop()
            raise

    def _build(self):
        self.authority = Authority(self.path, "differential", "differential CA")
        self.server = PostgresServer(self.path, self.authority, settings={"autovacuum": "off", "jit": "off"})
        self.server.start()
        self.server.sql(f"CREATE ROLE {READER} LOGIN PASSWORD '{self.password}'; "
                        f"CREATE DATABASE {DATABASE};"
                        f"REVOKE TEMPORARY ON DATABASE {DATABASE} FROM PUBLIC")
        self.server.load(HERE / "schema.sql", DATABASE)
        self.server.sql(f"CREATE DATABASE {COPY} TEMPLATE {DATABASE}")
        self.server.sql(f"REVOKE TEMPORARY ON DATABASE {COPY} FROM PUBLIC")
        with self.direct(COPY, superuser=True) as session:
            self.copy = MaskedCopy(session)
            self.copy.make()
        for database in (DATABASE, COPY):
            self.server.sql(SAME_ORDER, database)
            # Views over what is masked by now: of the masked columns' base types in the copy.
            self.server.load(HERE / "views.sql", database)
            if database == COPY:  # its column came with its rows
                self.server.sql("UPDATE public.clue_late SET late = '[clue]'", COPY)
            self.server.sql("ANALYZE", database)
        self.type_names = {
            name: dict(line.split("|", 1) for line in self.server.sql(
                "SELECT oid, oid::regtype FROM pg_type", name).splitlines())
            for name in (DATABASE, COPY)}
        self._start_vitrine()

    def _start_vitrine(self):
        folder = self.path / "proxy"
        folder.mkdir()
        certificate, key = self.authority.sign("vitrine")
        ed25519_key(folder / "signing.pem")
        ed25519_key(folder / "audit.pem")
        write_private(folder / "mask.key", KEY + "\n")
        write_private(folder / "password", self.password + "\n")
        config = folder / "vitrine.yaml"
        config.write_text(f"""
listen:
  address: 127.0.0.1:{free_port()}
  tls: {{certificate: {certificate}, key: {key}}}
databases:
  {DATABASE}:
    servers: [127.0.0.1:{self.server.port}]
    user: {READER}
    password: {{file: password}}
    tls: {{mode: verify-full, ca: {self.authority.certificate}}}
auth:
  audience: vitrine
  max_token_lifetime: 4h
  issuers:
    - name: vitrine
      signing_key: {{file: signing.pem}}
masking:
  key: {{file: mask.key}}
  rules:{rules_yaml()}
audit:
  directory: log
  signing_key: {{file: audit.pem}}
""")
        port = int(config.read_text().split("127.0.0.1:", 1)[1].split("\n", 1)[0])
        self.proxy = Vitrine(REPOSITORY / f"build/{PRESET}/vitrine", config, port, self.authority)
        self.proxy.start()
        self.token = self.proxy.token(USER, DATABASE, ttl="4h")

    def through(self):
        """A session through vitrine."""
        client = WireClient(self.proxy.port, 60)
        client.start_tls(client_context(self.proxy.ca))
        return self._logged_in(client, USER, DATABASE, self.token)

    def direct(self, database, superuser=False):
        """A session on the server itself, read-only, as vitrine's role or as superuser."""
        client = WireClient(self.server.port, 60)
        client.start_tls(client_context())
        if superuser:
            return self._logged_in(client, self.server.SUPERUSER, database, self.server.password)
        return self._logged_in(client, READER, database, self.password, options=READ_ONLY)

    @staticmethod
    def _logged_in(client, user, database, password, **parameters):
        messages = client.login(user, database, password, **parameters)
        if messages[-1].name != "ReadyForQuery":
            raise AssertionError(f"no login: {messages}")
        client.received.clear()
        return client

    def stop(self):
        """Ends everything; gives vitrine's exit status."""
        status = self.proxy.stop() if self.proxy else None
        if self.server:
            self.server.stop()
        if os.environ.get("VITRINE_KEEP"):
            print(f"kept: {self.path}")
        else:
            self.folder.remove()
        return status
