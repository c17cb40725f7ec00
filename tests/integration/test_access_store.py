"""The store: two proxies on one PostgreSQL, the store away, and a proxy killed at any moment."""

import random
import shutil
import signal
import sqlite3
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from environment import DATABASE, PATIENCE, SANITIZED, shared
from issuers import Key, claims, key_set
from test_access import Caller, access, add_account
from test_admin import Machine
from throwaway import Authority, PostgresServer, free_port, write_private
from wire_client import error_of, query, within

ISSUER = "https://login.example.com"
ENDLESS = ("SELECT count(*) FROM pgbench_accounts a, pgbench_accounts b, pgbench_accounts c "
           "WHERE a.bid + b.bid < c.aid /* endless */")


def with_provider(folder):
    """An identity provider's key, and the issuer for the configuration."""
    key = Key(folder, "k1", "ES256")
    (folder / "jwks.json").write_text(key_set(key))
    return key, f"\n    - name: {ISSUER}\n      jwks: {{file: {folder / 'jwks.json'}}}"


class Known(Caller):
    """Somebody with a token of the identity provider, which is quicker than a password."""

    def __init__(self, proxy, port, user, key, groups=("engineering",)):
        super().__init__(proxy, port, user)
        self.bearer = key.token(claims(ISSUER, user, DATABASE, databases=None,
                                       groups=list(groups), exp=int(time.time()) + 3000))

    def http(self, method, path, body=None, headers=None):
        return super().http(method, path, body,
                            headers or {"Authorization": f"Bearer {self.bearer}"})


class TwoProxies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.folder = cls.env.path / "access_pg"
        cls.folder.mkdir()
        authority = Authority(cls.folder, "store", "store CA")
        cls.store = PostgresServer(cls.folder, authority)
        cls.store.start()
        cls.store.sql("CREATE ROLE access LOGIN PASSWORD 'secret'; CREATE DATABASE access OWNER "
                      "access")
        uri = cls.folder / "store.uri"
        write_private(uri, f"postgres://access:secret@localhost:{cls.store.port}/access"
                      f"?sslmode=verify-full&sslrootcert={cls.folder / 'store-ca.crt'}\n")
        cls.key, issuers = with_provider(cls.folder)
        cls.ports = [free_port(), free_port()]
        cls.machines = [Machine(free_port()), Machine(free_port())]
        cls.proxies = [cls.env.another(
            f"access_pg_{n}", issuers=issuers,
            extra=access(port, store=f"{{file: {uri}}}")
            + f"admin: {{address: '127.0.0.1:{cls.machines[n].port}'}}\n")
            for n, port in enumerate(cls.ports)]
        # One key to sign with: a token of the one is good at the other.
        shutil.copy(cls.proxies[0].config.parent / "signing.pem",
                    cls.proxies[1].config.parent / "signing.pem")
        cls.proxies[1].stop()
        cls.proxies[1].start()
        add_account(cls.proxies[0], "bob", "dba")

    @classmethod
    def tearDownClass(cls):
        for proxy in cls.proxies:
            proxy.stop()
        cls.store.stop()

    def at(self, n, user, groups=("engineering",)):
        return Known(self.proxies[n], self.ports[n], user, self.key, groups)

    def test_a_grant_made_at_one_is_good_at_all(self):
        grant = self.at(0, "ann").request(reason="LONG", duration="30m")[1]
        self.assertEqual(grant["state"], "pending")
        # bob's account was made at the other.
        bob = Caller(self.proxies[1], self.ports[1], "bob")
        status, answer = bob.decide(grant, "approve")
        self.assertEqual((status, answer["state"]), (200, "active"))
        passwords = (self.at(0, "ann").token(grant)["token"],
                     self.at(0, "ann").token(grant, handle=True)["handle"])
        for proxy in self.proxies:
            for password in passwords:
                proxy.login(password, user="ann").close()

    def test_a_providers_own_token_opens_what_was_granted(self):
        zoe = self.at(0, "zoe")
        client = self.proxies[1].connect()
        error = error_of(client.login("zoe", DATABASE, zoe.bearer))
        client.close()
        self.assertEqual(error.sqlstate, "28000")
        self.assertIn("vitrine access request", error.fields["H"])
        grant = zoe.granted()
        client = self.proxies[1].login(zoe.bearer, user="zoe")
        # For nobody else, and not beyond the grant.
        other = self.proxies[1].connect()
        self.assertEqual(error_of(other.login("yan", DATABASE, zoe.bearer)).sqlstate, "28P01")
        other.close()
        [start] = [r for r in self.proxies[1].records("zoe") if r["type"] == "session_start"]
        self.assertEqual((start["grant"], start["expires"], start["reason"]),
                         (grant["id"], grant["ends"], grant["reason"]))
        self.assertEqual(zoe.decide(grant, "revoke")[0], 200)
        self.assertEqual(client.receive_to_end()[-1].sqlstate, "57P01")

    def test_a_revocation_at_one_ends_sessions_at_all(self):
        grant = self.at(0, "amy").granted()
        token = self.at(0, "amy").token(grant)["token"]
        clients = [proxy.login(token, user="amy", application_name="amy_pg")
                   for proxy in self.proxies]
        for client in clients:
            client.send(query(ENDLESS))
        since = time.monotonic()
        self.assertEqual(self.at(0, "erin", ("sre",)).decide(grant, "revoke", "gone")[0], 200)
        for client in clients:
            messages = client.receive_to_end()
            self.assertEqual(messages[-1].sqlstate, "57P01")
            self.assertLess(time.monotonic() - since, 1.0 * PATIENCE)
        self.assertTrue(within(PATIENCE, lambda: int(self.env.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%amy_pg%'")) == 0))

    def test_single_use_holds_across_them(self):
        token = self.at(0, "ida").token(self.at(0, "ida").granted(), single_use=True)["token"]
        came, refused = [], []

        def come(proxy):
            client = proxy.connect()
            try:
                messages = client.login("ida", DATABASE, token)
                (came if messages[-1].name == "ReadyForQuery" else refused).append(messages)
            finally:
                client.close()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(come, self.proxies * 4))
        self.assertEqual((len(came), len(refused)), (1, 7))
        self.assertEqual({error_of(m).sqlstate for m in refused}, {"28P01"})

    def test_one_is_killed_and_started_again_in_the_middle(self):
        grant = self.at(0, "max").granted()
        token = self.at(1, "max").token(grant)["token"]
        stays = self.proxies[0].login(token, user="max")
        pending = self.at(1, "max").request(reason="LONG", duration="30m")[1]
        self.proxies[1].signal(signal.SIGKILL)
        self.proxies[1].wait(10)
        self.assertEqual(self.at(0, "bo", ("dba",)).decide(pending, "approve")[0], 200)
        # Revoked while the other is away: it knows of it from its first login on.
        self.assertEqual(self.at(0, "erin", ("sre",)).decide(grant, "revoke")[0], 200)
        self.assertEqual(stays.receive_to_end()[-1].sqlstate, "57P01")
        self.proxies[1].start()
        client = self.proxies[1].connect()
        self.assertEqual(error_of(client.login("max", DATABASE, token)).sqlstate, "28P01")
        client.close()
        self.assertEqual(self.at(1, "max").http("GET", f"/v1/grants/{pending['id']}")[1]["state"],
                         "active")

    def test_the_store_away(self):
        ann = self.at(0, "pat")
        grant = ann.granted()
        answer = ann.token(grant) | ann.token(grant, handle=True)
        session = self.proxies[0].login(answer["token"], user="pat")
        machine = self.machines[0]
        self.assertEqual(machine.get("/readyz"), (200, "ok\n"))
        errors = machine.value("vitrine_store_errors_total")
        self.store.stop()
        try:
            # What runs goes on; who comes is told why not, after the list has grown old.
            self.assertTrue(within(8 * PATIENCE, lambda: self.refusal(answer["token"]) == "57P03",
                                   every=0.2))
            self.assertEqual(self.refusal(answer["handle"]), "57P03")
            self.assertIn("DataRow", [m.name for m in session.simple("SELECT 1")])
            self.assertEqual(ann.http("GET", "/v1/grants")[0], 503)
            status, said = machine.get("/readyz")
            self.assertEqual(status, 503)
            self.assertRegex(said, r"^the store of access.store does not answer: .+\n$")
            self.assertNotIn("secret", said)
            self.assertEqual(machine.get("/healthz"), (200, "ok\n"))
            metrics = machine.metrics()
            self.assertEqual(metrics["vitrine_store_available", frozenset()], 0)
            self.assertGreater(metrics["vitrine_store_errors_total", frozenset()], errors)
            self.assertNotIn(("vitrine_emergency_grants_unreviewed", frozenset()), metrics)
            self.assertGreaterEqual(
                metrics["vitrine_logins_refused_total", frozenset({("cause", "store")})], 2)
        finally:
            self.store.start()
        self.assertTrue(within(10 * PATIENCE, lambda: self.refusal(answer["token"]) is None,
                               every=0.2))
        self.assertEqual(machine.get("/readyz"), (200, "ok\n"))
        self.assertEqual(machine.value("vitrine_store_available"), 1)
        self.assertIn("DataRow", [m.name for m in session.simple("SELECT 1")])
        session.close()

    def refusal(self, password):
        client = self.proxies[0].connect()
        try:
            messages = client.login("pat", DATABASE, password)
            return None if messages[-1].name == "ReadyForQuery" else error_of(messages).sqlstate
        finally:
            client.close()


class TwoIssuers(unittest.TestCase):
    """A user is whom their issuer vouches for; another issuer's user of that name is another."""

    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        folder = cls.env.path / "access_issuers"
        folder.mkdir()
        cls.key, issuers = with_provider(folder)
        other = folder / "other"
        other.mkdir()
        cls.other, more = with_provider(other)
        cls.port = free_port()
        cls.proxy = cls.env.another(
            "access_two", extra=access(cls.port),
            issuers=issuers + more.replace(ISSUER, "https://other.example"))
        add_account(cls.proxy, "ann", "engineering")

    @classmethod
    def tearDownClass(cls):
        cls.proxy.stop()

    def of_the_other(self, user, *groups):
        known = Known(self.proxy, self.port, user, self.other, groups)
        known.bearer = self.other.token(claims(
            "https://other.example", user, DATABASE, databases=None, groups=list(groups),
            grant="g_made_up", approvers=["the-ceo"]))
        return known

    def test_anothers_grant(self):
        for ann in (Caller(self.proxy, self.port, "ann"),
                    Known(self.proxy, self.port, "ann", self.key)):
            grant = ann.granted()
            stranger = self.of_the_other("ann", "fraud")
            self.assertEqual(stranger.http("GET", "/v1/grants")[1], [])
            for verb in ("token", "revoke"):
                self.assertEqual(
                    stranger.http("POST", f"/v1/grants/{grant['id']}/{verb}", {})[0], 404)
            client = self.proxy.connect()
            self.assertEqual(error_of(client.login("ann", DATABASE, stranger.bearer)).sqlstate,
                             "28000")
            client.close()
            status, _ = stranger.http("POST", "/v1/revocations",
                                      {"kind": "user", "value": "ann", "reason": "mine?"})
            self.assertEqual(status, 403)
            session = ann.login(grant)
            self.assertEqual(stranger.http("GET", "/v1/sessions")[1], [])
            self.assertEqual(len(ann.http("GET", "/v1/sessions")[1]), 1)
            session.close()
            self.assertTrue(within(20, lambda: not ann.http("GET", "/v1/sessions")[1]))

    def test_what_is_granted_goes_by_what_was_asked_with(self):
        ann = Known(self.proxy, self.port, "amy", self.key)
        ann.granted()
        # The same person with more groups now: masks go by those that the policy has decided by.
        more = Known(self.proxy, self.port, "amy", self.key, ("engineering", "fraud"))
        self.proxy.login(more.bearer, user="amy").close()
        [start] = [r for r in self.proxy.records("amy") if r["type"] == "session_start"]
        self.assertEqual((start["groups"], start.get("approvers")), (["engineering"], None))

    def test_nobody_approves_their_own_in_another_spelling(self):
        grant = Known(self.proxy, self.port, "zed", self.key).request(
            reason="LONG", duration="30m")[1]
        for name, known in (("Zed", Known(self.proxy, self.port, "Zed", self.key, ("dba",))),
                            ("zed", self.of_the_other("zed", "dba"))):
            self.assertEqual(known.decide(grant, "approve")[0], 403, name)

    def test_who_was_revoked_elsewhere_a_moment_ago_gets_no_grant(self):
        """As by another proxy, a second ago: the sessions of this one have not heard of it yet.
        Several, since it hears of each within a moment."""
        users = [f"grace{i}" for i in range(6)]
        known = [Known(self.proxy, self.port, user, self.key) for user in users]
        time.sleep(2)
        for user, caller in zip(users, known):
            self.assertEqual(caller.http("GET", "/v1/whoami")[0], 200)
            now = int(time.time()) - 1
            store = sqlite3.connect(self.proxy.config.parent / "access.db")
            with store:
                store.execute("INSERT INTO revocations (kind, value, revoked_at, revoked_by, "
                              "reason, keep_until) VALUES ('user', ?, ?, 'erin', '', ?)",
                              (user, now, now + 86400))
            store.close()
            status, answer = caller.request()
            self.assertEqual(status, 401, answer)


class ManySessions(unittest.TestCase):
    def test_a_thousand_revoked_at_once_end_within_two_seconds(self):
        """Without a database connection each: they are cut where they are, in the login too."""
        env = shared()
        port = free_port()
        most = 60 if SANITIZED else 1000
        env.database.sql(f"ALTER SYSTEM SET max_connections = {most + 100}")
        env.database.stop()
        env.database.start()
        folder = env.path / "access_many_keys"
        folder.mkdir()
        key, issuers = with_provider(folder)
        proxy = env.another("access_many", issuers=issuers, extra=access(port), login_timeout="60s")
        try:
            who = Known(proxy, port, "sam", key)
            token = who.token(who.granted())["token"]
            with ThreadPoolExecutor(8) as pool:
                clients = list(pool.map(lambda _: proxy.login(token, user="sam"), range(most)))
            erin = Known(proxy, port, "erin", key, ("sre",))
            ends = [None] * most

            def watch(n):
                messages = clients[n].receive_to_end()
                ends[n] = (time.monotonic(), messages[-1].sqlstate)

            watchers = [threading.Thread(target=watch, args=(n,)) for n in range(most)]
            for watcher in watchers:
                watcher.start()
            since = time.monotonic()
            status, _ = erin.http("POST", "/v1/revocations",
                                  {"kind": "user", "value": "sam", "reason": "all of them"})
            for watcher in watchers:
                watcher.join(60)
            self.assertEqual(status, 200)
            self.assertEqual({code for _, code in ends}, {"57P01"})
            last = max(at for at, _ in ends) - since
            print(f"  {most} sessions ended {last:.2f} s after the call", flush=True)
            self.assertLess(last, 2.0 * PATIENCE)
            self.assertTrue(within(2 * PATIENCE, lambda: int(env.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sam via%'"))
                == 0))
        finally:
            proxy.stop()


class Killed(unittest.TestCase):
    """kill -9 at random moments of grant operations: what was answered is so, and nothing is half."""

    operations = 120 if SANITIZED else 1000

    def test_the_store_says_the_truth(self):
        env = shared()
        seed = random.randrange(1 << 30)
        print(f"  seed {seed}", flush=True)
        chance = random.Random(seed)
        port = free_port()
        folder = env.path / "access_killed_keys"
        folder.mkdir()
        key, issuers = with_provider(folder)
        proxy = env.another("access_killed", issuers=issuers, extra=access(port))
        users = [Known(proxy, port, f"u{n}", key) for n in range(60)]
        dba = Known(proxy, port, "dba", key, ("dba", "sre"))
        truth = {}  # grant -> the states it may be in
        down = threading.Event()
        kills = 0

        def killer():
            nonlocal kills
            while not down.wait(chance.uniform(0.2, 1.0)):
                proxy.signal(signal.SIGKILL)
                proxy.wait(10)
                kills += 1
                proxy.start()

        def call(caller, *arguments):
            """The answer, or None where the proxy died before it gave one."""
            try:
                return caller.http(*arguments)
            except (OSError, HTTPException, ValueError):
                return None

        thread = threading.Thread(target=killer)
        thread.start()
        lost = 0
        try:
            for n in range(self.operations):
                pending = [g for g, states in truth.items() if states == {"pending"}]
                active = [g for g, states in truth.items() if states == {"active"}]
                choice = chance.random()
                if pending and choice < 0.35:
                    grant = chance.choice(pending)
                    verb = chance.choice(["approve", "deny"])
                    goal = {"approve": "active", "deny": "denied"}[verb]
                    answer = call(dba, "POST", f"/v1/grants/{grant}/{verb}", {"reason": "x"})
                elif active and choice < 0.55:
                    grant, goal = chance.choice(active), "revoked"
                    answer = call(dba, "POST", f"/v1/grants/{grant}/revoke", {"reason": "x"})
                else:
                    answer = call(chance.choice(users), "POST", "/v1/grants",
                                  {"database": DATABASE, "for": "5m",
                                   "reason": f"LONG {n}"} if chance.random() < 0.6 else
                                  {"database": DATABASE, "for": "5m", "reason": f"INC-{n}"})
                    if answer is not None and answer[0] == 201:
                        truth[answer[1]["id"]] = {answer[1]["state"]}
                    lost += answer is None
                    if answer is None:
                        time.sleep(0.05)
                    continue
                if answer is None:
                    truth[grant] = truth[grant] | {goal}
                    lost += 1
                    time.sleep(0.05)
                elif answer[0] == 200:
                    truth[grant] = {goal}
                else:
                    self.fail(f"{grant}: {answer}")
        finally:
            down.set()
            thread.join()
        # What a thread has started ends with the thread.
        within(2, lambda: not proxy.running)
        proxy.start()
        print(f"  {self.operations} operations, {lost} without an answer, {kills} kills", flush=True)
        self.assertGreater(kills, 1 if SANITIZED else 5)
        self.assertGreater(len(truth), self.operations // 6)
        self.assertTrue(within(20, lambda: call(dba, "GET", "/v1/whoami") is not None))
        for grant, states in truth.items():
            status, answer = dba.http("GET", f"/v1/grants/{grant}")
            self.assertEqual(status, 200, grant)
            self.assertIn(answer["state"], states, grant)
            if answer["state"] == "active" and answer["policy"] == "long":
                self.assertEqual([a["by"] for a in answer["approvals"]], ["dba"])
        self.assertEqual(proxy.stop(), 0)
        verified = proxy.verb("audit", "verify", "--config", proxy.config)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)


if __name__ == "__main__":
    unittest.main()
