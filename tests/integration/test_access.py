"""Access that developers give themselves: the life of a grant, and what ends it."""

import base64
import json
import os
import sqlite3
import ssl
import subprocess
import time
import unittest
from http.client import HTTPSConnection

from environment import DATABASE, PATIENCE, PROGRAM, shared
from throwaway import free_port
from wire_client import error_of, names, query, within

ENDLESS = ("SELECT count(*) FROM pgbench_accounts a, pgbench_accounts b, pgbench_accounts c "
           "WHERE a.bid + b.bid < c.aid /* endless */")
PASSWORD = "correct horse battery"
ACCOUNTS = {"alice": "engineering", "bob": "dba", "carol": "dba", "dave": "engineering",
            "erin": "sre", "mallory": "other", "gina": "engineering", "hugo": "engineering"}

ACCESS = """
access:
  store: {store}
  api: {{address: 127.0.0.1:{port}}}
  admins: [sre]
  policies:
    - name: quick
      groups: [engineering]
      databases: [shop]
      max_duration: 10m
      reason_pattern: "(INC|CHG)-\\\\d+.*"
    - name: long
      groups: [engineering]
      databases: [shop]
      max_duration: 1h
      reason_pattern: "LONG.*"
      approval: {{by: [dba], count: {count}}}
    - name: fire
      groups: [engineering]
      databases: [shop]
      max_duration: 5m
      emergency: true
"""


def access(port, store="sqlite:access.db", count=1):
    return ACCESS.format(store=store, port=port, count=count)


class Caller:
    """Somebody at the API, by HTTP or by the program."""

    def __init__(self, proxy, port, user, password=PASSWORD, program=PROGRAM):
        self.proxy, self.port, self.user, self.password = proxy, port, user, password
        self.program = program

    def http(self, method, path, body=None, headers=None):
        context = ssl.create_default_context(cafile=self.proxy.ca)
        connection = HTTPSConnection("localhost", self.port, context=context, timeout=40)
        given = {"Authorization": "Basic " + base64.b64encode(
            f"{self.user}:{self.password}".encode()).decode()} if headers is None else headers
        if body is not None:
            given = {"Content-Type": "application/json"} | given
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body),
                               headers=given)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def run(self, *arguments, check=True, timeout=60, **options):
        done = subprocess.run(
            [self.program, *arguments, "--api", f"https://localhost:{self.port}", "--ca",
             self.proxy.ca, "--user", self.user], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=timeout,
            env=os.environ | {"VITRINE_PASSWORD": self.password}, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def request(self, reason="INC-1", duration="5m", **more):
        return self.http("POST", "/v1/grants", {"database": DATABASE, "for": duration,
                                                "reason": reason} | more)

    def granted(self, **more):
        status, grant = self.request(**more)
        assert (status, grant["state"]) == (201, "active"), (status, grant)
        return grant

    def token(self, grant, **more):
        status, answer = self.http("POST", f"/v1/grants/{grant['id']}/token", more)
        assert status == 201, answer
        return answer

    def login(self, grant, **parameters):
        return self.proxy.login(self.token(grant)["token"], user=self.user, **parameters)

    def decide(self, grant, verb, reason="because"):
        return self.http("POST", f"/v1/grants/{grant['id']}/{verb}", {"reason": reason})


def add_account(proxy, user, groups, password=PASSWORD):
    subprocess.run([PROGRAM, "user", "add", user, "--groups", groups, "--config", proxy.config],
                   check=True, env=os.environ | {"VITRINE_PASSWORD": password},
                   stdin=subprocess.DEVNULL)


class AccessCase(unittest.TestCase):
    name = "access"
    changes = {}

    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.port = free_port()
        cls.proxy = cls.env.another(cls.name, extra=access(cls.port, **cls.changes))
        for user, groups in ACCOUNTS.items():
            add_account(cls.proxy, user, groups)
        cls.alice, cls.bob, cls.carol, cls.dave, cls.erin, cls.mallory, cls.gina, cls.hugo = (
            Caller(cls.proxy, cls.port, user) for user in ACCOUNTS)

    @classmethod
    def tearDownClass(cls):
        cls.proxy.stop()

    def backends(self, name):
        return int(self.env.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name "
                                f"LIKE '%{name}%'"))

    def gone(self, name):
        self.assertTrue(within(1 * PATIENCE, lambda: self.backends(name) == 0),
                        "a backend stayed behind on the server")

    def revoked(self, client, since, words=""):
        """The FATAL within a second."""
        messages = client.receive_to_end()
        self.assertLess(time.monotonic() - since, 1.0 * PATIENCE)
        error = messages[-1]
        self.assertEqual((error.name, error.fields["S"], error.sqlstate),
                         ("ErrorResponse", "FATAL", "57P01"))
        self.assertIn("revoked", error.fields["M"])
        self.assertIn(words, error.fields["M"])
        self.assertIn("vitrine access request", error.fields["H"])

    def calls(self, user):
        return [r for r in self.proxy.records(user) if r["type"] == "access"]


class Life(AccessCase):
    def test_at_once_with_psql(self):
        done = self.alice.run("access", "request", "--database", DATABASE, "--for", "5m",
                              "--reason", "INC-4711 slow query")
        line = done.stdout.strip().splitlines()[-1]
        self.assertTrue(line.startswith("PGPASSWORD="), done.stdout)
        # What is printed is what is pasted.
        pasted = subprocess.run(["bash", "-c", line + " -Xtc 'SELECT count(*) FROM customers'"],
                                text=True, capture_output=True, timeout=60)
        self.assertEqual(pasted.returncode, 0, pasted.stderr)
        self.assertIn("INC-4711 slow query", pasted.stderr)  # the NOTICE of the login
        [start] = [r for r in self.proxy.records("alice") if r["type"] == "session_start"
                   and r["reason"] == "INC-4711 slow query"]
        grant = [r for r in self.calls("alice") if r["action"] == "request"][-1]
        self.assertEqual(start["grant"], grant["grant"])
        self.assertEqual((grant["verdict"], grant["rule"]), ("allow", "quick"))

    def test_psql_in_one_go(self):
        done = subprocess.run(
            [PROGRAM, "access", "psql", "--database", DATABASE, "--for", "5m", "--reason", "INC-9",
             "--api", f"https://localhost:{self.port}", "--ca", self.proxy.ca, "--user", "alice",
             "--", "-Xtc", "SELECT 40 + 2"], text=True, capture_output=True, timeout=60,
            stdin=subprocess.DEVNULL, env=os.environ | {"VITRINE_PASSWORD": PASSWORD})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("42", done.stdout)

    def test_a_handle(self):
        grant = self.alice.granted()
        answer = self.alice.token(grant, handle=True)
        self.assertRegex(answer["handle"], r"^vt_[a-z2-7]{32}$")
        client = self.proxy.login(answer["handle"], user="alice")
        self.assertIn("DataRow", names(client.simple("SELECT 1")))
        client.close()
        self.assertNotIn(answer["handle"].encode(), (self.proxy.config.parent / "access.db")
                         .read_bytes())
        # For nobody else, and no other database; and it ends with its grant.
        for user, database in (("bob", DATABASE), ("alice", "other")):
            other = self.proxy.connect()
            self.assertEqual(error_of(other.login(user, database, answer["handle"])).sqlstate,
                             "28P01")
            other.close()
        self.assertEqual(self.alice.decide(grant, "revoke")[0], 200)
        other = self.proxy.connect()
        self.assertEqual(error_of(other.login("alice", DATABASE, answer["handle"])).sqlstate,
                         "28P01")
        other.close()

    def test_after_an_approval(self):
        waiting = subprocess.Popen(
            [PROGRAM, "access", "request", "--database", DATABASE, "--for", "30m", "--reason",
             "LONG story", "--wait", "--format", "json", "--api",
             f"https://localhost:{self.port}", "--ca", self.proxy.ca, "--user", "alice"],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            env=os.environ | {"VITRINE_PASSWORD": PASSWORD})
        try:
            self.assertTrue(within(20, lambda: any(
                g["reason"] == "LONG story"
                for g in self.bob.http("GET", "/v1/grants?scope=pending")[1])))
            [grant] = [g for g in self.bob.http("GET", "/v1/grants?scope=pending")[1]
                       if g["reason"] == "LONG story"]
            # Not by herself, not by who is in no such group, and not a token before.
            self.assertEqual(self.alice.decide(grant, "approve")[0], 403)
            self.assertEqual(self.mallory.decide(grant, "approve")[0], 404)
            self.assertEqual(self.dave.decide(grant, "approve")[0], 404)
            self.assertEqual(self.alice.http("POST", f"/v1/grants/{grant['id']}/token", {})[0], 409)
            self.assertIsNone(waiting.poll())
            approved = self.bob.run("access", "approve", grant["id"])
            self.assertIn("active", approved.stdout)
            out, err = waiting.communicate(timeout=30)
        finally:
            waiting.kill()
        self.assertEqual(waiting.returncode, 0, err)
        answer = json.loads(out)
        client = self.proxy.login(answer["token"], user="alice", application_name="approved")
        client.close()
        [start] = [r for r in self.proxy.records("alice") if r["type"] == "session_start"
                   and r["grant"] == grant["id"]]
        self.assertEqual((start["approvers"], start["reason"]), (["bob"], "LONG story"))

    def test_denied(self):
        grant = self.alice.request(reason="LONG shot", duration="30m")[1]
        self.assertEqual(grant["state"], "pending")
        self.assertEqual(self.bob.decide(grant, "deny", "not today")[0], 200)
        status, after = self.alice.http("GET", f"/v1/grants/{grant['id']}")
        self.assertEqual((after["state"], after["ended_by"], after["end_reason"]),
                         ("denied", "bob", "not today"))
        self.assertEqual(self.alice.http("POST", f"/v1/grants/{grant['id']}/token", {})[0], 409)
        self.assertEqual(self.bob.decide(grant, "approve")[0], 409)
        done = self.alice.run("access", "list")
        self.assertIn("denied", done.stdout)

    def test_refused_by_the_policy(self):
        for more, words in (({"reason": "because"}, "reason"), ({"duration": "2h"}, "10m"),
                            ({"reason": "INC-1", "duration": "20m"}, "10m"),
                            ({"reason": ""}, "reason"), ({"database": "other"}, "other")):
            with self.subTest(more):
                status, answer = self.alice.http("POST", "/v1/grants", {
                    "database": DATABASE, "for": more.get("duration", "5m"),
                    "reason": "INC-1"} | {k: v for k, v in more.items() if k != "duration"})
                self.assertEqual(status, 403, answer)
                self.assertIn(words, answer["error"] + answer.get("hint", ""))
        self.assertEqual(self.mallory.request()[0], 403)

    def test_emergency_stays_on_a_list_until_reviewed(self):
        grant = self.alice.granted(reason="the shop is on fire", emergency=True)
        self.assertTrue(grant["emergency"])
        self.assertIn("EMERGENCY ACCESS", self.proxy.log.read_text())
        on_list = [g["id"] for g in self.erin.http("GET", "/v1/grants?scope=emergencies")[1]]
        self.assertIn(grant["id"], on_list)
        self.assertEqual(self.alice.decide(grant, "review")[0], 403)
        self.assertEqual(self.erin.decide(grant, "review")[0], 200)
        on_list = [g["id"] for g in self.erin.http("GET", "/v1/grants?scope=emergencies")[1]]
        self.assertNotIn(grant["id"], on_list)

    def test_a_list_that_is_cut_says_so_and_hides_nobody_who_waits(self):
        """A thousand emergencies and requests that nobody has to decide on any more, and one each
        that waits: the newer ones are the others'."""
        emergency = self.alice.granted(reason="a fire", emergency=True)["id"]
        pending = self.dave.request(reason="LONG a look", duration="1h")[1]["id"]
        columns = ("issuer, user_groups, database_name, duration, reason, policy, "
                   "emergency, approvals_needed, approver_groups, approvals, state, {}, {}, "
                   "started, ended_by, end_reason, reviewed_by, reviewed")
        copy = ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001) "
                f"INSERT INTO grants (id, user_name, {columns.format('requested', 'ends')}) "
                f"SELECT ? || i, 'somebody', {columns} FROM grants, n WHERE id = ?")

        def listed(caller, scope):
            done = caller.run("access", "list", f"--{scope}", "--format", "json")
            return [grant["id"] for grant in json.loads(done.stdout)], done.stderr

        store = sqlite3.connect(self.proxy.config.parent / "access.db", timeout=10)
        try:
            with store:
                store.execute(copy.format("requested + i", "ends"), ("g_cut_e", emergency))
                store.execute(copy.format("requested + i", "1"), ("g_cut_p", pending))
            ids, said = listed(self.erin, "emergencies")
            self.assertEqual(len(ids), 1000)
            self.assertIn(emergency, ids)
            self.assertIn("there are more than these 1000 grants", said)
            self.assertEqual(listed(self.bob, "pending"), ([pending], ""))
            ids, said = listed(self.erin, "all")
            self.assertEqual(len(ids), 1000)
            self.assertIn("there are more", said)
            # What concerns somebody is not hidden by what does not.
            ids, said = listed(self.dave, "all")
            self.assertIn(pending, ids)
            self.assertFalse([each for each in ids if each.startswith("g_cut")])
            self.assertEqual(said, "")
            self.assertEqual(listed(self.mallory, "all"), ([], ""))
        finally:
            with store:
                store.execute("DELETE FROM grants WHERE id LIKE 'g_cut%'")
            store.close()
        self.assertEqual(self.dave.decide({"id": pending}, "revoke")[0], 200)
        self.assertEqual(self.erin.decide({"id": emergency}, "review")[0], 200)

    def test_single_use(self):
        token = self.alice.token(self.alice.granted(), single_use=True)["token"]
        self.proxy.login(token, user="alice").close()
        again = self.proxy.connect()
        self.assertEqual(error_of(again.login("alice", DATABASE, token)).sqlstate, "28P01")
        again.close()

    def test_a_token_for_a_database_is_no_key_to_the_api(self):
        for token in (self.alice.token(self.alice.granted())["token"],
                      self.proxy.token("alice", DATABASE, groups=("engineering", "sre"))):
            status, _ = self.alice.http("GET", "/v1/whoami",
                                        headers={"Authorization": f"Bearer {token}"})
            self.assertEqual(status, 401)

    def test_a_page_in_a_browser_decides_nothing(self):
        grant = self.alice.request(reason="LONG way", duration="30m")[1]
        basic = "Basic " + base64.b64encode(f"bob:{PASSWORD}".encode()).decode()
        for headers in ({"Content-Type": "text/plain"}, {"Origin": "https://evil.example"},
                        {"Sec-Fetch-Site": "cross-site"}):
            status, _ = self.bob.http("POST", f"/v1/grants/{grant['id']}/approve", {},
                                      headers={"Authorization": basic} | headers)
            self.assertEqual(status, 415, headers)
        self.assertEqual(self.bob.http("POST", f"/v1/grantsX{grant['id']}/approve", {})[0], 404)
        self.assertEqual(self.bob.decide(grant, "approve")[0], 200)

    def test_the_operators_configuration_asks_for_nobody(self):
        done = subprocess.run([PROGRAM, "access", "request", "--database", DATABASE, "--reason",
                               "INC-1", "--user", "alice", "--config", self.proxy.config],
                              text=True, capture_output=True, stdin=subprocess.DEVNULL,
                              env=os.environ | {"VITRINE_PASSWORD": PASSWORD})
        self.assertEqual(done.returncode, 2)
        self.assertIn("--api", done.stderr)

    def test_not_without_end(self):
        add_account(self.proxy, "ivan", "engineering")
        ivan = Caller(self.proxy, self.port, "ivan")
        answers = [ivan.request(reason="LONG", duration="30m")[0] for _ in range(22)]
        self.assertEqual(answers, [201] * 20 + [429] * 2)

    def test_who_is_no_good_is_told_the_same(self):
        wrong = Caller(self.proxy, self.port, "alice", "wrong password")
        nobody = Caller(self.proxy, self.port, "nobody at all")
        answers = [wrong.http("GET", "/v1/whoami"), nobody.http("GET", "/v1/whoami"),
                   wrong.http("GET", "/v1/whoami", headers={"Authorization": "Bearer a.b.c"})]
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0], answers[2])
        self.assertEqual(answers[0][0], 401)
        causes = [r["cause"] for r in self.proxy.records("alice") if r["type"] == "login_refused"]
        self.assertIn("API: password", causes)

    def test_the_log_has_every_call_and_verifies(self):
        before = len(self.calls("alice"))
        self.alice.http("GET", "/v1/whoami")
        self.alice.http("GET", "/v1/grants")
        self.alice.http("GET", "/v1/sessions")
        self.alice.http("POST", "/v1/revocations", {"kind": "user", "value": "bob",
                                                    "reason": "because I can"})
        self.alice.http("POST", "/v1/grants/g_none/approve", {})
        new = self.calls("alice")[before:]
        self.assertEqual([r["action"] for r in new], ["whoami", "list", "sessions", "revoke",
                                                      "approve"])
        self.assertEqual([r["verdict"] for r in new], ["allow"] * 3 + ["reject"] * 2)
        done = subprocess.run([PROGRAM, "audit", "verify", "--config", self.proxy.config],
                              text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        listed = subprocess.run([PROGRAM, "audit", "list", "--config", self.proxy.config],
                                text=True, capture_output=True)
        self.assertIn("access revoke user bob: refused", listed.stdout)


class Guessing(unittest.TestCase):
    def test_who_guesses_is_slowed_down_and_nobody_else(self):
        env = shared()
        port = free_port()
        proxy = env.another("access_guess", extra=access(port), failed_logins=3)
        try:
            add_account(proxy, "alice", "engineering")
            took = []
            for _ in range(5):
                client = proxy.connect()
                since = time.monotonic()
                self.assertEqual(error_of(client.login("alice", DATABASE, "guess")).sqlstate,
                                 "28P01")
                took.append(time.monotonic() - since)
                client.close()
            self.assertLess(max(took[:3]), 1.0 * PATIENCE)
            self.assertGreater(min(took[3:]), 1.0)
            since = time.monotonic()
            proxy.login().close()
            self.assertLess(time.monotonic() - since, 1.0 * PATIENCE)
            # At the API passwords are not even looked at any more; the right one neither, for some
            # seconds.
            wrong = Caller(proxy, port, "alice", "a guess of mine")
            answers = [wrong.http("GET", "/v1/whoami")[0] for _ in range(5)]
            self.assertEqual((answers[0], answers[-1]), (401, 429))
            right = Caller(proxy, port, "alice")
            self.assertTrue(within(15, lambda: right.http("GET", "/v1/whoami")[0] == 200, every=0.5))
        finally:
            proxy.stop()


class End(AccessCase):
    name = "access_end"

    def test_revoked_in_the_middle_of_a_scan(self):
        grant = self.alice.granted()
        client = self.alice.login(grant, application_name="revoked_scan")
        client.send(query(ENDLESS))
        self.assertTrue(within(20, lambda: self.env.backends("%endless */%") >= 1))
        since = time.monotonic()
        self.assertEqual(self.bob.decide(grant, "revoke")[0], 404)  # none of bob's business
        since = time.monotonic()
        self.assertEqual(self.erin.decide(grant, "revoke", "the laptop is gone")[0], 200)
        self.revoked(client, since, "by erin: the laptop is gone")
        self.gone("revoked_scan")
        [start] = [r for r in self.proxy.records("alice") if r["type"] == "session_start"
                   and r["application"] == "revoked_scan"]
        [end] = [r for r in self.proxy.records("alice") if r["type"] == "session_end"
                 and r["session"] == start["session"]]
        self.assertEqual(end["cause"], "revoked")

    def test_idle_in_transaction_and_back_pressure(self):
        for name, text in (("revoked_idle", None), ("revoked_open", "BEGIN"),
                           ("revoked_copy", "COPY (SELECT repeat('x', 1000) FROM pgbench_accounts "
                                            "a, pgbench_accounts b) TO STDOUT")):
            with self.subTest(name):
                grant = self.alice.granted()
                client = self.alice.login(grant, application_name=name)
                if text:
                    client.send(query(text))
                    time.sleep(0.5)
                self.assertEqual(self.backends(name), 1)
                self.assertEqual(self.erin.decide(grant, "revoke")[0], 200)
                self.gone(name)  # nobody reads the client's side
                client.close()

    def test_a_user_a_group_everything(self):
        for caller, kind, value in ((self.gina, "user", "gina"), (self.dave, "group",
                                                                   "engineering"),
                                    (self.alice, "all", "")):
            with self.subTest(kind):
                time.sleep(1.1)  # what was issued in the second of a revocation is void
                grant = caller.granted()
                token = caller.token(grant)["token"]
                client = self.proxy.login(token, user=caller.user)
                since = time.monotonic()
                status, answer = self.erin.http("POST", "/v1/revocations", {
                    "kind": kind, "value": value, "reason": "left"})
                self.assertEqual(status, 200, answer)
                self.revoked(client, since, "left")
                again = self.proxy.connect()
                self.assertEqual(error_of(again.login(caller.user, DATABASE, token)).sqlstate,
                                 "28P01")
                again.close()
                self.assertEqual(self.erin.http("GET", f"/v1/grants/{grant['id']}")[1]["state"],
                                 "revoked")
                # A revoked account is no way back, before its password is another.
                self.assertEqual(caller.http("GET", "/v1/whoami")[0],
                                 401 if kind == "user" else 200)
        subprocess.run([PROGRAM, "user", "password", "gina", "--config", self.proxy.config],
                       check=True, env=os.environ | {"VITRINE_PASSWORD": "another long password"})
        time.sleep(1.1)
        again = Caller(self.proxy, self.port, "gina", "another long password")
        self.assertEqual(again.http("GET", "/v1/whoami")[0], 200)

    def test_a_revocation_says_what_it_has_hit(self):
        add_account(self.proxy, "ivan", "engineering")
        ivan = Caller(self.proxy, self.port, "ivan")
        client = ivan.login(ivan.granted())
        ivan.granted()
        since = time.monotonic()
        done = self.erin.run("access", "revoke", "--of-user", "ivan", "--reason", "left",
                             "--format", "json")
        self.assertEqual(json.loads(done.stdout), {"revoked": "user ivan", "grants": 2,
                                                   "sessions": 1, "account": True})
        self.assertEqual(done.stderr, "")
        self.revoked(client, since, "left")
        # Nobody is called that: it is said, and stands all the same.
        done = self.erin.run("access", "revoke", "--of-user", "Ivan", "--reason", "left")
        self.assertIn("revoked: user Ivan (0 open grants, 0 sessions at this proxy)", done.stdout)
        self.assertIn("no open grant, no session at this proxy, no local account", done.stderr)
        store = sqlite3.connect(self.proxy.config.parent / "access.db")
        self.assertEqual(store.execute("SELECT count(*) FROM revocations WHERE kind = 'user' AND "
                                       "value = 'Ivan'").fetchone(), (1,))
        store.close()

    def test_ones_own(self):
        time.sleep(1.1)
        grant = self.hugo.granted()
        client = self.hugo.login(grant)
        since = time.monotonic()
        self.assertEqual(self.hugo.http("POST", "/v1/revocations", {
            "kind": "user", "value": "hugo", "reason": "lost my laptop"})[0], 200)
        self.revoked(client, since, "lost my laptop")

    def test_sessions_list_and_kill(self):
        time.sleep(1.1)
        grant = self.dave.granted()
        client = self.dave.login(grant, application_name="to_be_killed")
        # The operator, by the configuration's signing key.
        listed = subprocess.run([PROGRAM, "sessions", "list", "--format", "json", "--config",
                                 self.proxy.config], text=True, capture_output=True)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        [session] = [s for s in json.loads(listed.stdout) if s["application"] == "to_be_killed"]
        self.assertEqual((session["user"], session["grant"]), ("dave", grant["id"]))
        # bob sees it not, and cannot end it.
        self.assertEqual(self.bob.http("GET", "/v1/sessions")[1], [])
        self.assertEqual(self.bob.http("POST", f"/v1/sessions/{session['session']}/kill", {})[0],
                         404)
        since = time.monotonic()
        done = subprocess.run([PROGRAM, "sessions", "kill", session["session"], "--reason",
                               "cleaning", "--config", self.proxy.config], text=True,
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.revoked(client, since, "cleaning")

    def test_an_account_that_is_removed(self):
        add_account(self.proxy, "frank", "engineering")
        frank = Caller(self.proxy, self.port, "frank")
        client = frank.login(frank.granted())
        since = time.monotonic()
        subprocess.run([PROGRAM, "user", "remove", "frank", "--config", self.proxy.config],
                       check=True)
        self.revoked(client, since)
        self.assertEqual(frank.http("GET", "/v1/whoami")[0], 401)

    def test_five_minutes_before(self):
        grant = self.alice.request(duration="10m")[1]
        client = self.proxy.login(
            self.alice.token(grant)["token"], user="alice")
        client.close()
        # With a notice of ten minutes less two seconds it comes while the session runs.
        proxy = self.env.another(f"{self.name}_notice", extra=access(free_port()).replace(
            "  admins:", "  notice: 58s\n  admins:"))
        client = proxy.login(proxy.token("ada", DATABASE, ttl="60s"), user="ada")
        messages = client.receive()
        self.assertEqual(messages.name, "NoticeResponse")
        self.assertIn("ends in", messages.fields["M"])
        client.close()


if __name__ == "__main__":
    unittest.main()
