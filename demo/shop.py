"""The demo's world: a shop on a throw-away PostgreSQL, and vitrine in front of it."""

import os
import secrets
import string

from throwaway import (REPOSITORY, Authority, Folder, PostgresServer, SetupError, Vitrine,
                       ed25519_key, free_port, write_private)

HERE = REPOSITORY / "demo"
USER = "ada"
GROUPS = ("support",)
REASON = "ticket 4711: an order that never arrived"


class Shop:
    """Everything below one folder. stop() ends the servers and removes it."""

    def __init__(self, program):
        self.folder = Folder("vitrine-demo")
        self.database = self.vitrine = None
        try:
            self._build(program)
        except BaseException:
            self.stop()
            raise

    def _build(self, program):
        path = self.folder.path
        self.mask_key = secrets.token_hex(32)
        reader_password = secrets.token_hex(16)
        write_private(path / "mask.key", self.mask_key + "\n")
        write_private(path / "reader.password", reader_password + "\n")
        ed25519_key(path / "signing.pem")
        ed25519_key(path / "audit.pem")

        self.database = PostgresServer(path, Authority(path, "database", "The shop's databases"))
        self.database.start()
        self.database.sql("CREATE DATABASE shop")
        self.database.sql(f"CREATE ROLE vitrine_reader LOGIN PASSWORD '{reader_password}'")
        self.database.load(HERE / "shop.sql", "shop")

        authority = Authority(path, "proxy", "The shop's proxies")
        authority.sign("server")
        port, self.api_port = free_port(), free_port()
        config = path / "vitrine.yaml"
        config.write_text(string.Template((HERE / "vitrine.yaml").read_text()).substitute(
            PROXY_PORT=port, API_PORT=self.api_port, DATABASE_PORT=self.database.port))
        self.log = path / "log"
        self.vitrine = Vitrine(program, config, port, authority)
        self.vitrine.start()

    def token(self, ttl="15m"):
        return self.vitrine.token(USER, "shop", groups=GROUPS, ttl=ttl, reason=REASON)

    def add_account(self, user, groups):
        """A local account, and the environment in which the program knows who asks."""
        password = secrets.token_hex(12)
        env = os.environ | {"VITRINE_PASSWORD": password, "VITRINE_CA": str(self.vitrine.ca),
                            "VITRINE_API": f"https://localhost:{self.api_port}"}
        done = self.vitrine.verb("user", "add", user, "--groups", groups, "--config",
                                 self.vitrine.config, env=env)
        if done.returncode != 0:
            raise SetupError(f"no account: {done.stderr.strip()}")
        return env

    def psql_environment(self, token):
        return self.vitrine.environment(USER, token, "shop") | {
            "PSQL_HISTORY": str(self.folder.path / "psql_history"), "PSQLRC": "/dev/null",
            "PGAPPNAME": "psql"}

    def stop(self):
        if self.vitrine:
            self.vitrine.stop(seconds=3)
        if self.database:
            self.database.stop()
        self.folder.remove()
