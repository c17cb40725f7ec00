"""Tokens of several issuers and algorithms, and client certificates, over the wire."""

import hashlib
import hmac
import json
import shutil
import signal
import time
import unittest

from environment import DATABASE, PATIENCE, USER, shared
from issuers import Key, claims, encode, key_set
from throwaway import Authority, run
from wire_client import within

MAIL = "ada@example.com"


def issuers(*lines):
    return "".join(f"\n    - {line}" for line in lines)


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.another("tokens", start=False)
        folder = cls.folder = cls.proxy.config.parent
        cls.ed = Key(folder, "ed-1", "EdDSA")
        cls.ec = Key(folder, "ec-1", "ES256")
        cls.rsa = Key(folder, "rsa-1", "RS256")
        for name, keys in (("ed", [cls.ed]), ("ec", [cls.ec]), ("rsa", [cls.rsa]),
                           ("mixed", [cls.ed, cls.ec, cls.rsa])):
            (folder / f"{name}.json").write_text(key_set(*keys))
        cls.changes = {"issuers": issuers(
            "{name: ed, jwks: {file: ed.json}}",
            "{name: ec, jwks: {file: ec.json}, user_claim: email, "
            "groups_claim: realm_access.roles}",
            "{name: rsa, jwks: {file: rsa.json}, audience: client-id, "
            "user_claim: preferred_username}",
            "{name: mixed, jwks: {file: mixed.json}}")}
        cls.env.configure(cls.proxy, **cls.changes)
        cls.proxy.start()

    @classmethod
    def tearDownClass(cls):
        cls.proxy.stop()

    def made(self, issuer, **changes):
        return claims(issuer, USER, DATABASE, **changes)

    def attempt(self, token, user=USER):
        with self.proxy.connect() as client:
            return client.login(user, DATABASE, token)[-1]

    def last_cause(self, user=USER):
        return [r for r in self.proxy.records(user) if r["type"] == "login_refused"][-1]["cause"]

    def test_each_algorithm_logs_in_with_psql(self):
        for name, user, token in (
                ("EdDSA", USER, self.ed.token(self.made("ed"))),
                ("EdDSA without kid", USER, self.ed.token(self.made("ed"), {"alg": "EdDSA"})),
                ("ES256", MAIL, self.ec.token(self.made("ec", email=MAIL, email_verified=True))),
                ("RS256", MAIL, self.rsa.token(self.made("rsa", aud="client-id",
                                                         preferred_username=MAIL))),
                ("several keys: EdDSA", USER, self.ed.token(self.made("mixed"))),
                ("several keys: ES256", USER, self.ec.token(self.made("mixed"))),
                ("several keys: RS256", USER, self.rsa.token(self.made("mixed"))),
                ("vitrine's own", USER, self.proxy.token(USER, DATABASE))):
            with self.subTest(name):
                done = self.proxy.psql("-Atc", "SELECT 6 * 7", token=token, user=user)
                self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (0, "42"),
                                 done.stdout)

    def test_groups_unmask(self):
        """A role of the provider's is a group of the policy's."""
        for groups, masked in ((["fraud"], False), (["other"], True)):
            token = self.ec.token(self.made("ec", email=MAIL, realm_access={"roles": groups}))
            done = self.proxy.psql("-Atc", "SELECT email FROM customers WHERE email LIKE '%@%' "
                                   "LIMIT 1", token=token, user=MAIL)
            self.assertEqual(done.stdout.splitlines()[-1].startswith("****@"), masked, done.stdout)

    def test_bad_tokens_are_all_answered_alike(self):
        now = int(time.time())
        good = self.ec.token(self.made("mixed"))
        head, body, signature = good.split(".")
        hs = f"{encode({'alg': 'HS256', 'kid': 'rsa-1'})}.{encode(self.made('mixed'))}"

        def hmac_with(secret):
            return f"{hs}.{encode(hmac.new(secret, hs.encode(), hashlib.sha256).digest())}"

        def named(alg, kid, **more):
            return {"alg": alg, "kid": kid, **more}

        ec, rsa, ed = self.ec.token, self.rsa.token, self.ed.token
        made = self.made
        bad = {
            "no token": ("hunter2", "malformed"),
            "none": (f"{encode({'alg': 'none'})}.{body}.", "algorithm"),
            "HMAC with the PEM": (hmac_with(self.rsa.public("PEM")), "algorithm"),
            "HMAC with the DER": (hmac_with(self.rsa.public()), "algorithm"),
            "HMAC with the JWK": (hmac_with(json.dumps(self.rsa.jwk()).encode()), "algorithm"),
            "ES256 at the RSA key": (ec(made("mixed"), named("ES256", "rsa-1")), "algorithm"),
            "RS256 at the EC key": (rsa(made("mixed"), named("RS256", "ec-1")), "algorithm"),
            "EdDSA at the EC key": (ed(made("mixed"), named("EdDSA", "ec-1")), "algorithm"),
            "RS256 in name": (ec(made("mixed"), named("RS256", "rsa-1")), "signature"),
            "PS256 in truth": (rsa(made("mixed"), alg="PS256"), "signature"),
            "RS512 in truth": (rsa(made("mixed"), alg="RS512"), "signature"),
            "ES256 in DER": (ec(made("mixed"), raw=False), "signature"),
            "zeros": (f"{head}.{body}.{encode(bytes(64))}", "signature"),
            "cut": (f"{head}.{body}.{signature[:40]}", "signature"),
            "unknown kid": (ec(made("mixed"), named("ES256", "ec-2")), "unknown key"),
            "other issuer's kid": (ec(made("ed"), named("ES256", "ec-1")), "unknown key"),
            "no kid, several keys": (ec(made("mixed"), {"alg": "ES256"}), "unknown key"),
            "key in the header": (ec(made("mixed"), named("ES256", "ec-1", jwk=self.ec.jwk())),
                                  "malformed"),
            "jku": (ec(made("mixed"), named("ES256", "ec-1", jku="https://x")), "malformed"),
            "crit": (ec(made("mixed"), named("ES256", "ec-1", crit=["exp"])), "critical header"),
            "unknown issuer": (ec(made("https://evil.example")), "unknown issuer"),
            "other audience": (rsa(made("rsa", preferred_username=USER)), "audience"),
            "expired by a second": (ec(made("mixed", iat=now - 60, nbf=now - 60, exp=now)),
                                    "expired"),
            "not yet": (ec(made("mixed", nbf=now + 300)), "not yet valid"),
            "lives too long": (ec(made("mixed", exp=now + 90 * 86400)), "lifetime"),
            "unverified": (ec(made("ec", email=USER, email_verified=False)), "unverified email"),
            "no user": (ec(made("ec")), "missing claim"),
            "of another address": (ec(made("mixed", client_address="192.0.2.0/24")),
                                   "other address"),
            "address of no shape": (ec(made("mixed", client_address="127.0.0.1/8")), "malformed"),
            "groups of numbers": (ec(made("mixed", groups=[1])), "malformed"),
        }
        answers = set()
        for name, (token, cause) in bad.items():
            with self.subTest(name):
                last = self.attempt(token)
                self.assertEqual(last.name, "ErrorResponse")
                self.assertEqual(last.sqlstate, "28P01")
                answers.add(last.payload)
                self.assertEqual(self.last_cause(), cause)
        self.assertEqual(len(answers), 1, "the client must not learn which of them it was")
        # What makes them bad is what was changed.
        self.assertEqual(self.attempt(good).name, "ReadyForQuery")

    def test_bound_to_this_address(self):
        for network in ("127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1"):
            token = self.ec.token(self.made("mixed", client_address=network))
            self.assertEqual(self.attempt(token).name, "ReadyForQuery", network)
        done = self.proxy.verb("token", "issue", "--config", self.proxy.config, "--user", USER,
                               "--database", DATABASE, "--client-address", "127.0.0.0/8")
        self.assertEqual(self.attempt(done.stdout.strip()).name, "ReadyForQuery")
        done = self.proxy.verb("token", "issue", "--config", self.proxy.config, "--user", USER,
                               "--database", DATABASE, "--client-address", "127.0.0.1/8")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--client-address", done.stderr)

    def test_the_log_knows_an_id_and_never_the_token(self):
        token = self.ec.token(self.made("mixed", jti=None))
        self.assertEqual(self.attempt(token).name, "ReadyForQuery")
        text = "".join(f.read_text() for f in self.proxy.audit.rglob("*.jsonl"))
        expected = encode(hashlib.sha256(token.rpartition(".")[0].encode()).digest())
        self.assertIn(f"sha256:{expected}", text)
        for part in token.split("."):
            self.assertNotIn(part[-40:], text + self.proxy.log.read_text())

    def test_keys_rotate_with_an_overlap(self):
        """Old key, both, the new one: a reload each, and no session ends."""
        old, new = self.ec, Key(self.folder, "ec-2", "ES256")
        good = lambda key: self.attempt(key.token(self.made("ec", email=USER))).name == \
            "ReadyForQuery"  # noqa: E731
        with self.proxy.login(old.token(self.made("ec", email=USER))) as session:
            for keys, expected in (([old], (True, False)), ([old, new], (True, True)),
                                   ([new], (False, True)), ([old], (True, False))):
                (self.folder / "ec.json").write_text(key_set(*keys))
                self.proxy.signal(signal.SIGHUP)
                self.assertTrue(within(5 * PATIENCE, lambda: (good(old), good(new)) == expected))
            session.simple("SELECT 1")

    def test_a_broken_key_set_changes_nothing(self):
        file = self.folder / "ed.json"
        before = file.read_text()
        try:
            for text, word in (("{}", "no JWK Set"),
                               (key_set({"kty": "oct", "k": "AA"}), "symmetric key"),
                               (key_set(self.ed.jwk(d="AA")), "private key"),
                               (key_set(self.ed, self.ec.jwk(kid="ed-1")), "two keys")):
                file.write_text(text)
                checked = self.proxy.verb("check", "--config", self.proxy.config)
                self.assertEqual(checked.returncode, 1, checked.stdout)
                self.assertRegex(checked.stdout, rf"vitrine\.yaml:\d+:\d+: .*issuer ed.*{word}")
                self.proxy.signal(signal.SIGHUP)
                self.assertTrue(within(20, lambda: word in self.proxy.log.read_text()))
                self.assertEqual(self.attempt(self.ed.token(self.made("ed"))).name,
                                 "ReadyForQuery")
        finally:
            file.write_text(before)


class ClientCertificates(unittest.TestCase):
    def test_the_certificate_is_the_users(self):
        env = shared()
        proxy = env.another("client-certificates", start=False)
        folder = proxy.config.parent
        authority = Authority(folder, "clients", "clients of the test")
        shutil.copy(authority.certificate, folder / "clients.crt")
        foreign = Authority(folder, "foreign", "somebody else")
        env.configure(proxy, client_ca="\n    client_ca: clients.crt")
        proxy.start()

        def certificate(name, subject, ca, prefix):
            key, made = folder / f"{name}.key", folder / f"{name}.crt"
            run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-keyout", key, "-out",
                folder / "request")
            run("openssl", "x509", "-req", "-in", folder / "request", "-CA", ca.certificate,
                "-CAkey", folder / f"{prefix}-ca.key", "-CAcreateserial", "-days", "1", "-out",
                made)
            key.chmod(0o600)
            return {"PGSSLCERT": str(made), "PGSSLKEY": str(key)}

        def said(environment):
            done = proxy.psql("-Atc", "SELECT 6 * 7", env=environment)
            return done.returncode, done.stdout

        none = {"PGSSLCERT": str(folder / "nothing.crt")}
        mine = certificate("mine", f"/O=x/CN={USER}", authority, "clients")
        self.assertEqual(said(mine)[0], 0, said(mine)[1])
        for name, environment, word in (
                ("none", none, "certificate required"),
                ("another's", certificate("bob", "/CN=bob", authority, "clients"),
                 "certificate authentication failed"),
                ("in the organisation", certificate("o", f"/O={USER}/CN=bob", authority,
                                                    "clients"), "authentication failed"),
                ("two names", certificate("two", f"/CN={USER}/CN=bob", authority, "clients"),
                 "authentication failed"),
                ("two names, the other way", certificate("owt", f"/CN=bob/CN={USER}", authority,
                                                         "clients"), "authentication failed"),
                ("another authority's", certificate("alien", f"/CN={USER}", foreign, "foreign"),
                 "unknown ca")):
            with self.subTest(name):
                status, text = said(environment)
                self.assertEqual(status, 2)
                self.assertIn(word, text)
        # The certificate alone is no login.
        done = proxy.psql("-Atc", "SELECT 1", token="hunter2", env=mine)
        self.assertEqual(done.returncode, 2)
        self.assertIn("password authentication failed", done.stdout)
        self.assertEqual(proxy.stop(), 0)
