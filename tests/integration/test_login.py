"""The way in: TLS, the start-up, tokens, and what bad ones get (INTERFACE: "A connection")."""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import struct
import subprocess
import time
import unittest

from environment import DATABASE, PATIENCE, USER, shared
from wire_client import (GSSENC_REQUEST, PROTOCOL_3_0, SSL_REQUEST, WireClient, client_context,
                         error_of, message, names, startup_packet, within)


def encode(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Signer:
    """Makes tokens of any shape, signed with the proxy's own key or another."""

    def __init__(self, key):
        self.key = key

    def sign(self, claims, header=None):
        text = f"{encode(header or {'alg': 'EdDSA', 'typ': 'JWT'})}.{encode(claims)}"
        source = self.key.with_name("to-be-signed")
        source.write_text(text)
        signature = subprocess.run(
            ["openssl", "pkeyutl", "-sign", "-inkey", self.key, "-rawin", "-in", source],
            check=True, stdout=subprocess.PIPE).stdout
        return f"{text}.{encode(signature)}"


class Login(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.proxy
        cls.signer = Signer(cls.proxy.config.with_name("signing.pem"))

    def claims(self, **changes):
        now = int(time.time())
        claims = {"iss": "vitrine", "sub": USER, "aud": "vitrine", "iat": now, "nbf": now,
                  "exp": now + 600, "jti": f"test-{time.monotonic_ns()}", "databases": [DATABASE],
                  "groups": []}
        claims.update(changes)
        return {k: v for k, v in claims.items() if v is not None}

    def attempt(self, token, user=USER, database=DATABASE):
        with self.proxy.connect() as client:
            messages = client.login(user, database, token)
            last = messages[-1]
            if last.name == "ErrorResponse":
                self.assertTrue(client.closed_within(5))
            return last

    def refused_records(self, user=USER):
        return [r for r in self.proxy.records(user) if r["type"] == "login_refused"]

    # --- a good one ------------------------------------------------------------------------

    def test_notice_says_who_what_until_when_and_why(self):
        token = self.proxy.token(USER, DATABASE, groups=["support", "eu"], reason="ticket 17: why")
        with self.proxy.login(token) as client:
            self.assertEqual(len(client.notices), 1)
            fields = client.notices[0].fields
            self.assertEqual(fields["S"], "NOTICE")
            text = " ".join(fields.get(f, "") for f in "MDH")
            for word in (USER, DATABASE, "ticket 17: why"):
                self.assertIn(word, text)
            self.assertRegex(text, r"\d\d:\d\d")

    def test_parameters_are_the_servers(self):
        with self.proxy.login() as client, self.env.direct() as direct:
            same = set(direct.parameters) - {"application_name"}
            self.assertEqual({k: client.parameters.get(k) for k in same},
                             {k: direct.parameters[k] for k in same})

    def test_the_key_is_our_own(self):
        with self.proxy.login() as client:
            pids = self.env.sql("SELECT pid FROM pg_stat_activity").split()
            self.assertIsNotNone(client.key)
            # A process id of ours may be any number; it must not be good at the server.
            before = self.env.sql("SELECT count(*) FROM pg_stat_activity")
            self.assertTrue(int(before) > 0 and pids)

    def test_dba_sees_the_user(self):
        with self.proxy.login(application_name="report") as client:
            seen = self.env.sql("SELECT application_name FROM pg_stat_activity "
                                "WHERE usename = 'vitrine_reader'")
            self.assertTrue(any(USER in line and "report" in line for line in seen.splitlines()),
                            seen)
            client.simple("SELECT 1")

    def test_a_session_start_is_on_record(self):
        token = self.proxy.token(USER, DATABASE, groups=["support"], reason="on record")
        with self.proxy.login(token, application_name="recorder"):
            claims = claims_of(token)
            start = [r for r in self.proxy.records() if r["type"] == "session_start"
                     and r["token"] == claims["jti"]]
        self.assertEqual(len(start), 1)
        self.assertEqual(start[0]["database"], DATABASE)
        self.assertEqual(start[0]["groups"], ["support"])
        self.assertEqual(start[0]["reason"], "on record")
        self.assertEqual(start[0]["application"], "recorder")
        self.assertTrue(start[0]["client"].startswith("127.0.0.1:"))
        self.assertEqual(start[0]["issuer"], "vitrine")

    # --- bad tokens ------------------------------------------------------------------------

    def test_bad_tokens(self):
        good = self.proxy.token(USER, DATABASE)
        header, body, signature = good.split(".")
        now = int(time.time())
        other = self.proxy.config.with_name("audit.pem")
        public = self.proxy.config.with_name("signing.pub").read_bytes()
        hmac_text = f"{encode({'alg': 'HS256', 'typ': 'JWT'})}.{body}"
        hmac_token = f"{hmac_text}.{encode(hmac.new(public, hmac_text.encode(), hashlib.sha256).digest())}"
        flipped = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
        sign = self.signer.sign
        bad = {
            "empty": "",
            "no token": "hunter2",
            "two parts": f"{header}.{body}",
            "four parts": good + ".x",
            "changed signature": f"{header}.{body}.{flipped}",
            "no signature": f"{header}.{body}.",
            "other claims under the signature": f"{header}.{encode(self.claims(sub='root'))}.{signature}",
            "alg none": f"{encode({'alg': 'none'})}.{body}.",
            "alg None": f"{encode({'alg': 'None'})}.{body}.{signature}",
            "HMAC with the public key": hmac_token,
            "alg missing": sign(self.claims(), {"typ": "JWT"}),
            "crit": sign(self.claims(), {"alg": "EdDSA", "crit": ["x"], "x": 1}),
            "another's key": Signer(other).sign(self.claims()),
            "expired": sign(self.claims(iat=now - 900, nbf=now - 900, exp=now - 300)),
            "not yet": sign(self.claims(nbf=now + 300)),
            "other audience": sign(self.claims(aud="somebody")),
            "unknown issuer": sign(self.claims(iss="https://evil.example")),
            "no exp": sign(self.claims(exp=None)),
            "no databases": sign(self.claims(databases=None)),
            "lives too long": sign(self.claims(exp=now + 90 * 86400)),
            "exp is text": sign(self.claims(exp=str(now + 600))),
            "padded": good + "=",
            "white space": " " + good,
        }
        words = set()
        for name, token in bad.items():
            with self.subTest(name):
                before = len(self.refused_records())
                last = self.attempt(token)
                self.assertEqual(last.name, "ErrorResponse")
                self.assertEqual((last.fields["S"], last.sqlstate), ("FATAL", "28P01"))
                words.add(tuple(sorted((k, v) for k, v in last.fields.items() if k in "MDH")))
                records = self.refused_records()
                self.assertEqual(len(records), before + 1)
                self.assertTrue(records[-1]["cause"])
                if token:
                    self.assertNotIn(token[-20:], json.dumps(records[-1]))
        self.assertEqual(len(words), 1, "the client must not learn which of them it was")

    def test_the_log_knows_the_cause(self):
        now = int(time.time())
        self.attempt(self.signer.sign(self.claims(iat=now - 900, nbf=now - 900, exp=now - 300)))
        expired = self.refused_records()[-1]["cause"]
        self.attempt(self.signer.sign(self.claims(aud="somebody")))
        audience = self.refused_records()[-1]["cause"]
        self.assertNotEqual(expired, audience)

    def test_a_token_signed_here_is_good(self):
        """The other half of test_bad_tokens: what makes those bad is what was changed."""
        self.assertEqual(self.attempt(self.signer.sign(self.claims())).name, "ReadyForQuery")

    def test_for_somebody_else(self):
        for name, user, database, token in (
                ("user", "bob", DATABASE, self.proxy.token(USER, DATABASE)),
                ("database", USER, DATABASE, self.signer.sign(self.claims(databases=["other"]))),
                ("unknown database", USER, "nowhere", self.proxy.token(USER, DATABASE)),
                ("server's own database", USER, "postgres", self.proxy.token(USER, DATABASE))):
            with self.subTest(name):
                last = self.attempt(token, user, database)
                self.assertEqual((last.fields["S"], last.sqlstate), ("FATAL", "28000"))

    def test_the_token_is_written_nowhere(self):
        token = self.proxy.token(USER, DATABASE)
        with self.proxy.login(token) as client:
            client.simple("SELECT 1")
        self.attempt(token[:-4] + "AAAA")
        for file in [*self.proxy.audit.rglob("*.jsonl"), self.proxy.log, self.env.database.log]:
            self.assertNotIn(token[20:60], file.read_text(errors="replace"), file.name)
            self.assertNotIn(token.split(".")[2][:40], file.read_text(errors="replace"), file.name)

    # --- TLS and the start -----------------------------------------------------------------

    def test_plaintext_is_refused(self):
        with self.proxy.connect(tls=False) as client:
            messages = client.login(USER, DATABASE, "x")
            error = error_of(messages)
            self.assertEqual(error.fields["S"], "FATAL")
            self.assertEqual(error.sqlstate, "28000")
            self.assertIn("TLS", error.fields["M"] + error.fields.get("H", ""))
            self.assertNotIn("Authentication", names(messages))
            self.assertTrue(client.closed_within(5))

    def test_bytes_behind_sslrequest_end_the_connection(self):
        """CVE-2021-23214: what came in the clear must not be read as if it came through TLS."""
        with self.proxy.connect(tls=False) as client:
            client.send(struct.pack("!II", 8, SSL_REQUEST)
                        + startup_packet({"user": USER, "database": DATABASE}))
            try:
                answer = client.read_exactly(1)
            except Exception:
                return
            self.assertIn(answer, (b"S", b"E"))
            if answer == b"S":
                with self.assertRaises((ssl.SSLError, OSError)):
                    client.wrap(client_context(self.proxy.ca))
                    self.assertFalse(client.closed_within(3))

    def test_gssenc_is_declined(self):
        with self.proxy.connect(tls=False) as client:
            client.send(struct.pack("!II", 8, GSSENC_REQUEST))
            self.assertEqual(client.read_exactly(1), b"N")
            self.assertEqual(client.start_tls(client_context(self.proxy.ca)), b"S")
            last = client.login(USER, DATABASE, self.proxy.token(USER, DATABASE))[-1]
            self.assertEqual(last.name, "ReadyForQuery")

    def test_a_second_sslrequest_is_no_startup(self):
        with self.proxy.connect() as client:
            client.send(struct.pack("!II", 8, SSL_REQUEST))
            self.assertTrue(client.closed_within(3))
            self.assertNotIn(b"S", bytes(client.received[1:2]))

    def test_direct_tls(self):
        with self.proxy.connect(tls=False) as client:
            client.wrap(client_context(self.proxy.ca, alpn="postgresql"))
            self.assertEqual(client.socket.selected_alpn_protocol(), "postgresql")
            last = client.login(USER, DATABASE, self.proxy.token(USER, DATABASE))[-1]
            self.assertEqual(last.name, "ReadyForQuery")

    def test_direct_tls_without_alpn_is_refused(self):
        for alpn in (None, "h2"):
            with self.subTest(alpn=alpn), self.proxy.connect(tls=False) as client:
                try:
                    client.wrap(client_context(self.proxy.ca, alpn=alpn))
                except (ssl.SSLError, OSError):
                    continue
                messages = client.login(USER, DATABASE, self.proxy.token(USER, DATABASE))
                self.assertNotIn("ReadyForQuery", names(messages))

    def test_tls_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version.name), self.proxy.connect(tls=False) as client:
                client.start_tls(client_context(self.proxy.ca, version=version))
                last = client.login(USER, DATABASE, self.proxy.token(USER, DATABASE))[-1]
                self.assertEqual(last.name, "ReadyForQuery")
        with self.proxy.connect(tls=False) as client:
            context = client_context(self.proxy.ca)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            with self.assertRaises((ssl.SSLError, OSError)):
                client.start_tls(context)

    def test_newer_minor_is_negotiated(self):
        for minor, options in ((2, {}), (99, {"_pq_.vitrine": "1"}), (0, {"_pq_.command": "x"})):
            with self.subTest(minor=minor, options=options), self.proxy.connect() as client:
                messages = client.login(USER, DATABASE, self.proxy.token(USER, DATABASE),
                                        version=PROTOCOL_3_0 + minor, **options)
                self.assertEqual(messages[-1].name, "ReadyForQuery")
                [negotiated] = [m for m in messages if m.name == "NegotiateProtocolVersion"]
                newest, count = struct.unpack_from("!II", negotiated.payload)
                self.assertIn(newest, (0, PROTOCOL_3_0))
                unknown = negotiated.payload[8:].split(b"\0")[:count]
                self.assertEqual(unknown, [name.encode() for name in options])

    def test_other_major_versions(self):
        for version in (2 << 16, 4 << 16, 0, 0x7fffffff):
            with self.subTest(version=version), self.proxy.connect() as client:
                messages = client.login(USER, DATABASE, "x", version=version)
                self.assertNotIn("Authentication", names(messages))
                self.assertTrue(client.closed_within(5))
                for error in messages:
                    self.assertEqual(error.sqlstate, "08P01" if version != 2 << 16 else
                                     error.sqlstate)

    def test_what_a_proxy_does_not_carry(self):
        for parameters in ({"replication": "database"}, {"replication": "true"},
                           {"options": "-c default_transaction_read_only=off"},
                           {"options": "-cdefault_transaction_read_only=off"},
                           {"options": "--session_replication_role=replica"},
                           {"options": "-c standard_conforming_strings=off"},
                           {"default_transaction_read_only": "off"},
                           {"vitrine.mask_key": "mine"},
                           {"role": "shop_owner"},
                           {"client_encoding": "SJIS"},
                           {"session_authorization": "postgres"}):
            with self.subTest(parameters), self.proxy.connect() as client:
                messages = client.login(USER, DATABASE, self.proxy.token(USER, DATABASE),
                                        **parameters)
                self.assertEqual(messages[-1].name, "ErrorResponse")
                self.assertEqual(messages[-1].fields["S"], "FATAL")
                self.assertIn(messages[-1].sqlstate, ("0A000", "25006", "42501", "28000", "22023"))

    def test_harmless_startup_parameters(self):
        with self.proxy.login(application_name="x", client_encoding="UTF8", DateStyle="German",
                              TimeZone="Asia/Tokyo", extra_float_digits="2",
                              search_path="library") as client:
            self.assertEqual(client.parameters["TimeZone"], "Asia/Tokyo")
            self.assertIn("German", client.parameters["DateStyle"])
            rows = [m.values for m in client.simple("SELECT count(*) FROM books")
                    if m.name == "DataRow"]
            self.assertEqual(rows, [[b"400"]])

    def test_huge_and_torn_startups(self):
        cases = {
            "length of 2 GB": struct.pack("!II", 0x7fffffff, PROTOCOL_3_0),
            "length below its minimum": struct.pack("!II", 4, PROTOCOL_3_0),
            "length of 10 KB and more": struct.pack("!II", 20000, PROTOCOL_3_0) + b"x" * 19992,
            "name without its end": struct.pack("!II", 12, PROTOCOL_3_0) + b"user",
            "user missing": startup_packet({"database": DATABASE}),
            "bytes behind the end": struct.pack("!I", 8 + 7) + struct.pack("!I", PROTOCOL_3_0)
                                    + b"\0extra\0",
            "an HTTP request": b"GET / HTTP/1.1\r\n\r\n",
        }
        for name, raw in cases.items():
            with self.subTest(name), self.proxy.connect() as client:
                client.send(raw)
                self.assertTrue(client.closed_within(5 * PATIENCE))
                self.assertNotIn(b"R\0\0\0\x08\0\0\0\0", bytes(client.received))

    def test_wrong_messages_instead_of_a_password(self):
        for name, raw in (("query", message(b"Q", b"SELECT 1\0")), ("terminate", message(b"X")),
                          ("password of 1 GB", b"p" + struct.pack("!I", 1 << 30)),
                          ("password without its end", message(b"p", b"abc")),
                          ("bytes behind it", message(b"p", b"abc\0def\0"))):
            with self.subTest(name), self.proxy.connect() as client:
                client.send(startup_packet({"user": USER, "database": DATABASE}))
                client.receive()
                client.send(raw)
                self.assertTrue(client.closed_within(5 * PATIENCE))

    def test_login_timeout(self):
        """login_timeout is 5s here (with a sanitizer, 20s): whoever says nothing is put out, at whatever step."""
        silent = WireClient(self.proxy.port)
        after_tls = self.proxy.connect()
        after_startup = self.proxy.connect()
        after_startup.send(startup_packet({"user": USER, "database": DATABASE}))
        trickle = self.proxy.connect()
        started = time.monotonic()
        for byte in startup_packet({"user": USER, "database": DATABASE})[:5]:
            trickle.send(bytes([byte]))
            time.sleep(0.3)
        for client in (silent, after_tls, after_startup, trickle):
            self.assertTrue(client.closed_within(8 * PATIENCE))
            client.close()
        self.assertGreater(time.monotonic() - started, 2)

    def test_no_server_backend_before_a_good_token(self):
        before = self.env.sql("SELECT count(*) FROM pg_stat_activity")
        with self.proxy.connect() as client:
            client.send(startup_packet({"user": USER, "database": DATABASE}))
            client.receive()
            self.assertEqual(self.env.sql("SELECT count(*) FROM pg_stat_activity"), before)

    def test_the_session_leaves_with_the_client(self):
        def sessions():
            return int(self.env.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name "
                                    "LIKE '%leaving%'"))

        for how in ("terminate", "close", "reset"):
            with self.subTest(how):
                client = self.proxy.login(application_name="leaving")
                self.assertEqual(sessions(), 1)
                if how == "terminate":
                    client.send(message(b"X"))
                elif how == "reset":
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                             struct.pack("ii", 1, 0))
                client.close()
                self.assertTrue(within(2 * PATIENCE, lambda: sessions() == 0))


class ServerLogin(unittest.TestCase):
    """vitrine's own login to PostgreSQL, by each method."""

    def test_methods(self):
        env = shared()
        for user in ("vitrine_reader", "reader_md5", "reader_password"):
            with self.subTest(user):
                proxy = env.another(f"login-{user}", user=user)
                with proxy.login() as client:
                    [row] = [m for m in client.simple("SELECT current_user") if m.name == "DataRow"]
                    self.assertEqual(row.values, [user.encode()])
                self.assertEqual(proxy.stop(), 0)

    def test_server_that_is_not_the_one(self):
        """verify-full: a certificate of another authority ends the login before the password."""
        env = shared()
        proxy = env.another("foreign-ca", start=False)
        proxy.config.with_name("database-ca.crt").write_bytes(
            (env.path / "proxy-ca.crt").read_bytes())
        proxy.start()
        with proxy.connect() as client:
            last = client.login(USER, DATABASE, proxy.token(USER, DATABASE))[-1]
            self.assertEqual(last.name, "ErrorResponse")
            self.assertIn(last.sqlstate, ("08006", "08001", "57P03"))
            self.assertNotIn(env.reader_password, str(last.fields))
        proxy.stop()
