"""Settings, over every door: what may be set takes effect, what may not does not, and after all
that poolers and drivers send to begin anew the session is as it was pinned. And the server's own
version, which is a setting of a kind."""

import socket
import ssl
import struct
import threading
import time
import unittest

from environment import DATABASE, USER, shared
from wire_client import SSL_REQUEST, serve_each

PINS = {
    "transaction_read_only": "on", "default_transaction_read_only": "on",
    "standard_conforming_strings": "on", "client_encoding": "UTF8",
    "backslash_quote": "safe_encoding", "transform_null_equals": "off",
    "session_replication_role": "origin", "role": "none", "session_authorization": "vitrine_reader",
    "client_connection_check_interval": "500ms",
}

# name, value, what SHOW gives
ALLOWED = (
    ("work_mem", "64MB", "64MB"), ("work_mem", "1GB", "1GB"), ("maintenance_work_mem", "2MB", "2MB"),
    ("hash_mem_multiplier", "1.5", "1.5"), ("max_parallel_workers_per_gather", "0", "0"),
    ("statement_timeout", "10min", "10min"), ("lock_timeout", "0", "0"),
    ("timezone", "Asia/Tokyo", "Asia/Tokyo"), ("DateStyle", "SQL, DMY", "SQL, DMY"),
    ("intervalstyle", "iso_8601", "iso_8601"), ("bytea_output", "escape", "escape"),
    ("extra_float_digits", "0", "0"), ("client_min_messages", "error", "error"),
    ("enable_seqscan", "off", "off"), ("jit", "off", "off"), ("row_security", "off", "off"),
    ("search_path", "crm, public", "crm, public"), ("app.tenant", "it''s", "it's"),
    ("default_transaction_isolation", "repeatable read", "repeatable read"),
    ("client_encoding", "utf-8", "UTF8"), ("default_transaction_read_only", "true", "on"),
    ("role", "none", "none"),
)

# name, value, SQLSTATE
REFUSED = (
    ("work_mem", "64GB", "42501"), ("work_mem", "1048577", "42501"),
    ("hash_mem_multiplier", "1000", "42501"), ("max_parallel_workers", "64", "42501"),
    ("default_transaction_read_only", "off", "25006"), ("transaction_read_only", "off", "25006"),
    ("standard_conforming_strings", "off", "42501"), ("backslash_quote", "on", "42501"),
    ("transform_null_equals", "on", "42501"), ("client_encoding", "LATIN1", "0A000"),
    ("client_encoding", "SJIS", "0A000"), ("client_min_messages", "debug1", "42501"),
    ("search_path", "pg_temp, public", "42501"), ("role", "postgres", "42501"),
    ("session_authorization", "postgres", "42501"), ("session_replication_role", "replica", "42501"),
    ("synchronous_commit", "off", "42501"), ("log_statement", "none", "42501"),
    ("log_parameter_max_length_on_error", "-1", "42501"), ("default_tablespace", "x", "42501"),
    ("local_preload_libraries", "x", "42501"), ("client_connection_check_interval", "0", "42501"),
    ("auto_explain.log_min_duration", "0", "42501"), ("pgaudit.log", "none", "42501"),
    ("vitrine.mask_key", "x", "42501"), ("ignore_system_indexes", "on", "42501"),
    ("nosuch", "1", "42704"),
)

# What is sent to have a session begin anew.
AFRESH = (
    "RESET ALL", "DISCARD ALL", "DISCARD PLANS", "DISCARD SEQUENCES", "DISCARD TEMP",
    "SET ROLE NONE", "SET SESSION ROLE NONE", "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT",
    "RESET SESSION AUTHORIZATION", "RESET ALL; SET SESSION AUTHORIZATION DEFAULT",
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *; "
    "DISCARD PLANS; DISCARD SEQUENCES", "RESET client_encoding", "SET NAMES DEFAULT",
    "RESET standard_conforming_strings", "RESET default_transaction_read_only",
    "RESET SESSION AUTHORIZATION; RESET ROLE; RESET transform_null_equals; RESET backslash_quote",
    "SET client_encoding = SQL_ASCII", "SET NAMES 'sql ascii'",
    "BEGIN; SET LOCAL ROLE NONE; ROLLBACK", "BEGIN READ ONLY; COMMIT AND CHAIN; ROLLBACK",
    "SELECT set_config('role', 'none', false), set_config('client_encoding', NULL, false)",
)


def errors(messages):
    return [m.sqlstate for m in messages if m.name == "ErrorResponse"]


def rows(messages):
    return [[v if v is None else v.decode() for v in m.values]
            for m in messages if m.name == "DataRow"]


class Session(unittest.TestCase):
    def client(self, **parameters):
        client = shared().proxy.login(**parameters)
        self.addCleanup(client.close)
        return client

    def show(self, client, name):
        return rows(client.simple(f"SHOW {name}"))[0][0]

    def check_pins(self, client):
        for name, value in PINS.items():
            self.assertEqual(self.show(client, name), value, name)
        self.assertEqual(rows(client.simple("SELECT current_user, session_user")),
                         [["vitrine_reader", "vitrine_reader"]])
        self.assertEqual(rows(client.simple("SELECT notes FROM public.customers LIMIT 1")),
                         [["[removed]"]])


class Doors(Session):
    def test_what_may_be_set_takes_effect_over_each_door(self):
        for name, value, shown in ALLOWED:
            with self.subTest(name=name, value=value):
                client = self.client()
                # By SET, as one text and as a list where it is one.
                self.assertEqual(errors(client.simple(f"SET {name} = '{value}'")), [])
                if name != "search_path":
                    self.assertEqual(self.show(client, name), shown)
                self.assertEqual(errors(client.simple("RESET ALL")), [])
                for sql in (f"SELECT set_config('{name}', '{value}', true)",
                            f"SET LOCAL {name} TO '{value}'"):
                    client.simple("BEGIN")
                    self.assertEqual(errors(client.simple(sql)), [], sql)
                    if name != "search_path":
                        self.assertEqual(self.show(client, name), shown)
                    client.simple("ROLLBACK")

    def test_the_startup_message(self):
        for name, value, shown in ALLOWED:
            plain = value.replace("''", "'")
            escaped = plain.replace("\\", "\\\\").replace(" ", "\\ ")
            for parameters in ({name: plain}, {"options": f"-c {name}={escaped}"},
                               {"options": f"--{name.replace('_', '-')}={escaped}"}):
                with self.subTest(parameters=parameters):
                    client = self.client(**parameters)
                    self.assertEqual(self.show(client, name), shown)
                    # RESET goes back to it, as it does on the server.
                    client.simple(f"RESET {name}")
                    self.assertEqual(self.show(client, name), shown)

    def test_what_may_not_be_set_is_refused_over_each_door(self):
        client = self.client()
        for name, value, sqlstate in REFUSED:
            for sql in (f"SET {name} = '{value}'", f"SET LOCAL {name} TO '{value}'",
                        f"SELECT set_config('{name}', '{value}', false)",
                        f"BEGIN; SET LOCAL {name} TO '{value}'"):
                with self.subTest(sql=sql):
                    self.assertEqual(errors(client.simple(sql)), [sqlstate])
                    client.simple("ROLLBACK")
            for parameters in ({name: value}, {"options": "-c " + f"{name}={value}".replace(" ", "\\ ")},
                               {"options": "--" + f"{name}={value}".replace(" ", "\\ ")}):
                with self.subTest(parameters=parameters):
                    proxy = shared().proxy
                    refused = proxy.connect()
                    messages = refused.login(USER, DATABASE, proxy.token(USER, DATABASE),
                                             **parameters)
                    refused.close()
                    self.assertEqual(errors(messages), [sqlstate])
                    self.assertEqual(messages[-1].fields["S"], "FATAL")
                    self.assertIn(name, messages[-1].fields["M"])
        self.check_pins(client)

    def test_after_everything_that_begins_anew_the_pins_hold(self):
        client = self.client()
        for sql in AFRESH:
            with self.subTest(sql=sql):
                self.assertEqual(errors(client.simple(sql)), [])
                self.check_pins(client)

    def test_roles_stay_what_they_are(self):
        client = self.client()
        for sql in ("SET ROLE postgres", "SET ROLE vitrine_reader", "SET ROLE 'NONE'",
                    "SET SESSION AUTHORIZATION postgres", "SET LOCAL ROLE 'postgres'",
                    "SET SESSION AUTHORIZATION 'default'", "SELECT set_config('role', 'postgres', true)",
                    "ALTER ROLE vitrine_reader SET role = 'postgres'"):
            with self.subTest(sql=sql):
                self.assertIn(errors(client.simple(sql)), (["42501"], ["25006"]))
        self.check_pins(client)

    def test_a_value_that_the_server_does_not_take(self):
        client = self.client()
        self.assertEqual(errors(client.simple("SET timezone = 'nosuch'")), ["22023"])
        self.assertEqual(errors(client.simple("SET work_mem = 1")), ["22023"])
        self.assertEqual(errors(client.simple("SET enable_seqscan = maybe")), ["22023"])
        self.check_pins(client)


class Encodings(Session):
    def test_names_of_the_one_encoding(self):
        for name in ("UTF8", "utf8", "utf-8", "UTF-8", "UNICODE", "SQL_ASCII", "sql_ascii"):
            with self.subTest(name=name):
                client = self.client(client_encoding=name)
                self.assertEqual(self.show(client, "client_encoding"), "UTF8")
                self.assertEqual(rows(client.simple("SELECT 'zürich €', length('zürich €')")),
                                 [["zürich €", "8"]])

    def test_psql(self):
        proxy = shared().proxy
        for env in ({"PGCLIENTENCODING": "SQL_ASCII"}, {"PGCLIENTENCODING": "UTF8"},
                    {"LC_ALL": "C"}, {"PGCLIENTENCODING": "auto", "LC_ALL": "C"}):
            with self.subTest(env=env):
                done = proxy.psql("-qAtc", "SELECT 'ü' || length('ü')", env=env)
                self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (0, "ü1"))
        done = proxy.psql("-c", "SELECT 1", env={"PGCLIENTENCODING": "LATIN1"})
        self.assertEqual(done.returncode, 2)
        self.assertIn('client_encoding "LATIN1" is not supported yet', done.stdout)
        self.assertIn("UTF8", done.stdout)
        done = proxy.psql("-qAt", stdin="\\encoding SQL_ASCII\nSELECT 'ü';\n"
                                        "\\encoding LATIN1\nSHOW client_encoding;\n")
        self.assertEqual(done.stdout.splitlines()[-3::2], ["ü", "UTF8"], done.stdout)


class Relay:
    """A server between, which calls itself by another version than the one behind it."""

    def __init__(self, certificate, key, port, substitutes):
        self.substitutes, self.server_port = substitutes, port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        serve_each(self.listener, self.serve)

    def serve(self, client):
        try:
            client.recv(8)  # SSLRequest
            client.sendall(b"S")
            client = self.context.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self.server_port))
            server.sendall(struct.pack("!II", 8, SSL_REQUEST))
            server.recv(1)
            anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
            server = anybody.wrap_socket(server)
        except OSError:
            client.close()
            return
        threading.Thread(target=self.pump, args=(client, server, {}), daemon=True).start()
        self.pump(server, client, self.substitutes)

    @staticmethod
    def pump(source, target, substitutes):
        try:
            while data := source.recv(1 << 16):
                for old, new in substitutes.items():
                    data = data.replace(old, new)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class NewerServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        environment = shared()
        environment.authority.sign("relay")
        text = environment.sql("SHOW server_version").encode()
        number = environment.sql("SHOW server_version_num").encode()
        # As long as the true ones, so that no message changes its length.
        cls.relay = Relay(environment.path / "relay.crt", environment.path / "relay.key",
                          environment.database.port,
                          {text: b"16" + text[2:], number: b"16" + number[2:]})
        cls.addClassCleanup(cls.relay.close)

    def proxy(self, name, named=None):
        """A vitrine in front of the relay; a password in the clear, as no channel is bound."""
        proxy = shared().another(name, start=False, server_port=self.relay.port,
                                 user="reader_password")
        text = proxy.config.read_text().replace("verify-full, ca: database-ca.crt", "require")
        if named:
            text = text.replace("user: reader_password",
                                f"user: reader_password\n    server_version: {named}")
        proxy.config.write_text(text)
        return proxy

    def test_unnamed(self):
        for named in (None, 17):
            with self.subTest(named=named):
                proxy = self.proxy(f"newer-{named}", named)
                done = proxy.verb("check", "--config", proxy.config, "--connect")
                self.assertEqual(done.returncode, 1)
                for part in ("the server is PostgreSQL 16", "server_version: 16",
                             "databases.shop"):
                    self.assertIn(part, done.stdout)
                done = proxy.verb("serve", "--config", proxy.config)
                self.assertEqual(done.returncode, 2)
                self.assertIn("server_version: 16", done.stderr + done.stdout)
                done = proxy.verb("explain", "--config", proxy.config, "--database", DATABASE,
                                  "--user", USER, "SELECT 1")
                self.assertEqual(done.returncode, 2)
                self.assertIn("server_version: 16", done.stderr + done.stdout)

    def test_named(self):
        proxy = self.proxy("newer-named", 16)
        done = proxy.verb("check", "--config", proxy.config, "--connect")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("PostgreSQL 16", done.stderr)
        proxy.start()
        client = proxy.login()
        self.assertEqual(rows(client.simple("SELECT notes FROM public.customers LIMIT 1")),
                         [["[removed]"]])
        self.assertEqual(errors(client.simple("DELETE FROM public.customers")), ["25006"])
        # A number for 16, and no text of one meaning for 15.
        self.assertEqual(errors(client.simple("SELECT 1_000")), ["42601"])
        client.close()
        self.assertRegex(proxy.log.read_text(), r"warn.* the server is PostgreSQL 16")

    def test_one_of_the_servers_behind_a_name_is_newer(self):
        proxy = self.proxy("newer-second")
        text = proxy.config.read_text().replace(
            f"[127.0.0.1:{self.relay.port}]",
            f"[127.0.0.1:{shared().database.port}]")
        newer = proxy.config.read_text()
        proxy.config.write_text(text)
        proxy.start()
        proxy.login().close()
        # The same name, another server: a reload while it runs.
        proxy.config.write_text(newer)
        proxy.signal(1)
        deadline = time.monotonic() + 10
        while "server_version: 16" not in proxy.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        client = proxy.connect()
        messages = client.login(USER, DATABASE, proxy.token(USER, DATABASE))
        client.close()
        self.assertEqual(errors(messages), ["08006"])
        self.assertTrue(proxy.running)


class ServiceRole(unittest.TestCase):
    def test_a_role_that_turns_into_another_is_not_used(self):
        environment = shared()
        environment.sql("ALTER ROLE reader_password SET role = 'vitrine_reader'")
        try:
            proxy = environment.another("other-role", user="reader_password")
            client = proxy.connect()
            messages = client.login(USER, DATABASE, proxy.token(USER, DATABASE))
            client.close()
            self.assertEqual(errors(messages), ["08006"])
            self.assertIn("role must be none, and is vitrine_reader", proxy.log.read_text())
        finally:
            environment.sql("ALTER ROLE reader_password RESET role")


if __name__ == "__main__":
    unittest.main()
