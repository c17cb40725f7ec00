"""The login by SASL OAUTHBEARER (RFC 7628, and PostgreSQL 18's "OAuth Authorization"), with a client
of our own: libpq speaks it from version 18 on."""

import json
import struct
import unittest

from environment import DATABASE, USER, shared
from issuers import Key, claims, key_set
from wire_client import message, names, startup_packet, string

ISSUER = "https://login.example.com"
ASK = {"options": "-c vitrine.login=oauth"}


def initial(data, mechanism="OAUTHBEARER"):
    size = -1 if data is None else len(data)
    return message(b"p", string(mechanism) + struct.pack("!i", size) + (data or b""))


def bearer(token):
    return f"n,,\x01auth=Bearer {token}\x01\x01".encode()


DISCOVERY = b"n,,\x01auth=\x01\x01"


class OAuth(unittest.TestCase):
    OFFER = "on_request"

    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.another(f"oauth-{cls.OFFER}", start=False)
        folder = cls.proxy.config.parent
        cls.key = Key(folder, "k1", "RS256")
        (folder / "idp.json").write_text(key_set(cls.key))
        cls.env.configure(cls.proxy, issuers=(
            f"\n    - {{name: '{ISSUER}', jwks: {{file: idp.json}}, user_claim: email}}"
            f"\n  oauth: {{issuer: '{ISSUER}', scope: openid email, offer: {cls.OFFER}}}"))
        cls.proxy.start()

    @classmethod
    def tearDownClass(cls):
        cls.proxy.stop()

    def token(self, user=USER, **changes):
        return self.key.token(claims(ISSUER, "subject-17", DATABASE, email=user, **changes))

    def begin(self, client, user=USER, **parameters):
        """Up to AuthenticationSASL, whose mechanisms it gives."""
        client.send(startup_packet({"user": user, "database": DATABASE} | parameters))
        asked = client.receive()
        self.assertEqual(asked.name, "Authentication", asked)
        (code,) = struct.unpack_from("!I", asked.payload)
        return code, asked.payload[4:].split(b"\0")[:-2]

    def to_ready(self, client):
        """The messages up to ReadyForQuery or the end."""
        return client.receive_until("ReadyForQuery", "ErrorResponse")

    def refusal(self, client):
        """The JSON error, then the dummy's answer."""
        challenge = client.receive()
        (code,) = struct.unpack_from("!I", challenge.payload)
        self.assertEqual((challenge.name, code), ("Authentication", 11))
        client.send(message(b"p", b"\x01"))
        messages = client.receive_to_end()
        self.assertEqual(names(messages), ["ErrorResponse"])
        return json.loads(challenge.payload[4:]), messages[0]


class OnRequest(OAuth):
    def test_a_token(self):
        with self.proxy.connect() as client:
            self.assertEqual(self.begin(client, **ASK), (10, [b"OAUTHBEARER"]))
            client.send(initial(bearer(self.token())))
            messages = self.to_ready(client)
            self.assertEqual(messages[-1].name, "ReadyForQuery")
            self.assertEqual(struct.unpack("!I", messages[0].payload), (0,))
            [row] = [m for m in client.simple("SELECT 6 * 7") if m.name == "DataRow"]
            self.assertEqual(row.values, [b"42"])

    def test_a_token_when_asked(self):
        """A client that sends no data with its choice is asked by an empty challenge."""
        with self.proxy.connect() as client:
            self.begin(client, **ASK)
            client.send(initial(None))
            self.assertEqual(client.receive().payload, struct.pack("!I", 11))
            client.send(message(b"p", bearer(self.token())))
            self.assertEqual(self.to_ready(client)[-1].name, "ReadyForQuery")

    def test_discovery_and_then_a_token(self):
        """As libpq 18 does it: without a token it learns where to get one, and comes again."""
        with self.proxy.connect() as client:
            self.begin(client, **ASK)
            client.send(initial(DISCOVERY))
            where, error = self.refusal(client)
            self.assertEqual(where, {
                "status": "invalid_token", "scope": "openid email",
                "openid-configuration": f"{ISSUER}/.well-known/openid-configuration"})
            self.assertEqual((error.fields["S"], error.sqlstate), ("FATAL", "28P01"))
            [record] = [r for r in self.proxy.records() if r.get("cause") == "no token"]
            self.assertEqual(record["type"], "login_refused")
        self.test_a_token()

    def test_bad_tokens_are_all_answered_alike(self):
        answers = set()
        good = self.token()
        for name, token in (("expired", self.token(exp=1)), ("audience", self.token(aud="x")),
                            ("signature", good[:-8] + "AAAAAAAA"), ("no JWT", "hunter2"),
                            ("handle", "vt_" + "a" * 32),
                            ("address", self.token(client_address="192.0.2.1")),
                            ("unknown issuer", self.token(iss="https://evil.example"))):
            with self.subTest(name), self.proxy.connect() as client:
                self.begin(client, **ASK)
                client.send(initial(bearer(token)))
                where, error = self.refusal(client)
                answers.add((json.dumps(where), error.payload))
                self.assertEqual(error.sqlstate, "28P01")
        self.assertEqual(len(answers), 1)
        for user, token in (("bob", good), (USER, self.token(databases=["other"]))):
            with self.proxy.connect() as client:
                self.begin(client, user, **ASK)
                client.send(initial(bearer(token)))
                self.assertEqual(self.refusal(client)[1].sqlstate, "28000")

    def test_what_is_no_message(self):
        good = bearer(self.token())
        for name, sent, code in (
                ("other mechanism", initial(good, "SCRAM-SHA-256"), "08P01"),
                ("channel binding", initial(b"p=tls-unique,," + good[3:]), "0A000"),
                ("identity", initial(b"n,a=root," + good[3:]), "0A000"),
                ("trailing", initial(good + b"x"), "08P01"),
                ("two tokens", initial(good[:-1] + good[4:]), "08P01"),
                ("a password", message(b"p", string(self.token())), "08P01"),
                ("a query", message(b"Q", string("SELECT 1")), "08P01")):
            with self.subTest(name), self.proxy.connect() as client:
                self.begin(client, **ASK)
                client.send(sent)
                [error] = client.receive_to_end()
                self.assertEqual((error.fields["S"], error.sqlstate), ("FATAL", code))
        # Behind a refusal nothing but the dummy is taken, and no second token.
        for then in (b"", b"\x01\x01", good):
            with self.subTest(then=then[:8]), self.proxy.connect() as client:
                self.begin(client, **ASK)
                client.send(initial(DISCOVERY))
                client.receive()
                client.send(message(b"p", then))
                [error] = client.receive_to_end()
                self.assertEqual(error.sqlstate, "08P01")

    def test_others_are_asked_for_a_password(self):
        for parameters in ({}, {"options": "-c vitrine.login=password"}):
            with self.proxy.connect() as client:
                self.assertEqual(self.begin(client, **parameters)[0], 3)
        self.assertEqual(self.proxy.psql("-Atc", "SELECT 1", token=self.token()).returncode, 0)

    def test_where_it_is_not_configured(self):
        with self.env.proxy.connect() as client:
            client.send(startup_packet({"user": USER, "database": DATABASE} | ASK))
            [error] = client.receive_to_end()
            self.assertEqual((error.fields["S"], error.sqlstate), ("FATAL", "0A000"))

    def test_the_setting_is_none_of_the_servers(self):
        with self.proxy.connect() as client:
            self.begin(client, options="-c vitrine.login=oauth -c DateStyle=German")
            client.send(initial(bearer(self.token())))
            self.to_ready(client)
            rows = [m.values for m in client.simple("SHOW DateStyle") if m.name == "DataRow"]
            self.assertTrue(rows[0][0].startswith(b"German"), rows)
            self.assertIn("ErrorResponse", names(client.simple("SHOW vitrine.login")))

    def test_the_token_is_written_nowhere(self):
        token = self.token()
        for sent in (token, token[:-8] + "AAAAAAAA"):
            with self.proxy.connect() as client:
                self.begin(client, **ASK)
                client.send(initial(bearer(sent)))
                client.receive()
        text = self.proxy.log.read_text() + "".join(
            f.read_text() for f in self.proxy.audit.rglob("*.jsonl"))
        for part in token.split("."):
            self.assertNotIn(part[10:50], text)


class Always(OAuth):
    OFFER = "always"

    def test_everybody_but_who_wants_a_password(self):
        for parameters, code in (({}, 10), (ASK, 10), ({"vitrine.login": "password"}, 3)):
            with self.proxy.connect() as client:
                self.assertEqual(self.begin(client, **parameters)[0], code)
        with self.proxy.connect() as client:
            self.begin(client)
            client.send(initial(bearer(self.token())))
            self.assertEqual(self.to_ready(client)[-1].name, "ReadyForQuery")
