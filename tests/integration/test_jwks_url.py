"""Keys that an identity provider shows at an HTTPS address: rotation, outages, and bad answers."""

import contextlib
import os
import shutil
import struct
import subprocess
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from environment import DATABASE, HERE, PATIENCE, SANITIZED, USER, shared
from issuers import JwksServer, Key, claims
from test_access import Caller
from throwaway import free_port
from wire_client import within

# config/limits.h: kJwksRefreshMin and kJwksAgeMin.
REFRESH_MIN, AGE_MIN = 3, 15


class Provider(unittest.TestCase):
    def setUp(self):
        env = shared()
        name = self.id().rpartition(".")[2].replace("_", "-")
        self.proxy = env.another(name, start=False)
        folder = self.folder = self.proxy.config.parent
        self.keys = [Key(folder, f"key-{i}", "ES256") for i in range(3)]
        certificate, key = env.authority.sign("provider")
        for file in (certificate, key):
            shutil.move(file, folder / file.name)
        self.server = JwksServer(folder / certificate.name, folder / key.name)
        self.addCleanup(self.server.stop)
        shutil.copy(env.authority.certificate, folder / "provider-ca.crt")
        self.server.show(self.keys[0])
        self.configure()

    def tearDown(self):
        self.assertEqual(self.proxy.stop(), 0)

    def configure(self, host="localhost", ca="provider-ca.crt", extra=""):
        shared().configure(self.proxy, extra=extra, login_timeout="10s", issuers=(
            f"\n    - {{name: idp, jwks: {{url: 'https://{host}:{self.server.port}/keys?v=1', "
            f"ca: {ca}}}}}"))

    def token(self, key, kid=None, **changes):
        header = {"alg": "ES256", "kid": kid or key.kid}
        return key.token(claims("idp", USER, DATABASE, **changes), header)

    def attempt(self, token):
        with self.proxy.connect() as client:
            return client.login(USER, DATABASE, token)[-1]

    def good(self, key):
        return self.attempt(self.token(key)).name == "ReadyForQuery"

    def test_warm_logins_ask_nobody(self):
        self.server.headers = {"Cache-Control": "max-age=3600"}
        self.proxy.start()
        token = self.token(self.keys[0])
        self.assertEqual(self.attempt(token).name, "ReadyForQuery")
        # The first may have come before the start's own request was answered, and asked again.
        asked = list(self.server.requests)
        self.assertIn(asked, (["/keys?v=1"], ["/keys?v=1"] * 2))
        for _ in range(20):
            self.assertEqual(self.attempt(token).name, "ReadyForQuery")
        self.assertEqual(self.server.requests, asked)

    def test_rotation_under_load(self):
        """The provider signs with a key from the moment it shows it, and in the end only with it;
        meanwhile unknown kids keep the one request in a few seconds busy."""
        self.proxy.start()
        tokens = [self.token(key) for key in self.keys]
        stranger = self.token(self.keys[0], "nobody's")
        self.assertTrue(self.good(self.keys[0]))
        failed, done, current, stop = [], [0, 0, 0], [0], threading.Event()

        def log_in():
            while not stop.is_set():
                number = current[0]
                last = self.attempt(tokens[number])
                done[number] += 1
                if last.name != "ReadyForQuery":
                    failed.append((number, last.fields))

        def disturb():
            while not stop.is_set():
                if self.attempt(stranger).sqlstate != "28P01":
                    failed.append("a stranger came in")

        threads = [threading.Thread(target=log_in) for _ in range(4)]
        threads.append(threading.Thread(target=disturb))
        for thread in threads:
            thread.start()
        for number in (1, 2):
            time.sleep(2)
            self.server.show(self.keys[number - 1], self.keys[number])
            current[0] = number
        time.sleep(REFRESH_MIN + 2)
        self.server.show(self.keys[2])
        time.sleep(REFRESH_MIN + 1)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.assertGreater(min(done), 0, done)
        # What is no longer shown is no longer good.
        self.assertEqual(self.attempt(tokens[0]).sqlstate, "28P01")

    def test_unknown_kids_do_not_hammer_the_provider(self):
        self.server.headers = {"Cache-Control": "max-age=3600"}
        self.proxy.start()
        self.assertTrue(self.good(self.keys[0]))
        tokens = [self.token(self.keys[0], f"kid-{i}") for i in range(60)]
        answers, before, started = [], len(self.server.requests), time.monotonic()
        threads = [threading.Thread(target=lambda t=t: answers.append(self.attempt(t)))
                   for t in tokens]
        for thread in threads:
            thread.start()
        # Whoever has a known key does not wait for them.
        since = time.monotonic()
        self.assertTrue(self.good(self.keys[0]))
        self.assertLess(time.monotonic() - since, 1.5 * PATIENCE)
        for thread in threads:
            thread.join()
        took = time.monotonic() - started
        self.assertEqual({a.sqlstate for a in answers}, {"28P01"})
        self.assertEqual(len({a.payload for a in answers}), 1)
        self.assertEqual(len(answers), len(tokens))
        asked = len(self.server.requests) - before
        self.assertGreaterEqual(asked, 1)
        self.assertLessEqual(asked, took / REFRESH_MIN + 1)

    def test_an_outage(self):
        self.server.headers = {"Cache-Control": "max-age=1"}
        self.proxy.start()
        self.assertTrue(self.good(self.keys[0]))
        # It is asked again before that is old.
        self.assertTrue(within(AGE_MIN * PATIENCE, lambda: len(self.server.requests) >= 2))
        self.server.stop()
        end = time.monotonic() + AGE_MIN + 3
        while time.monotonic() < end:
            self.assertTrue(self.good(self.keys[0]))
            time.sleep(0.5)
        self.assertIn("those at hand stay in force", self.proxy.log.read_text())
        self.assertEqual(self.attempt(self.token(self.keys[1])).sqlstate, "28P01")
        # Nor does a reload lose them.
        self.configure()
        self.proxy.signal(1)
        self.assertTrue(within(20, lambda: "was reloaded" in self.proxy.log.read_text()))
        self.assertTrue(self.good(self.keys[0]))
        self.server.show(self.keys[0], self.keys[1])
        self.server.start()
        self.assertTrue(self.good(self.keys[1]))

    @unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library")
    def test_an_outage_of_an_hour(self):
        """The proxy's clocks are put forward under it; everybody else's go on as they are."""
        clock, library = self.folder / "clock", self.folder / "moved_clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, HERE / "moved_clock.c"],
                       check=True)

        def put_forward(seconds):
            with open(clock, "r+b" if clock.exists() else "wb") as file:
                file.write(struct.pack("=q", seconds))

        put_forward(0)
        self.server.headers = {"Cache-Control": "max-age=600"}
        self.proxy.start(os.environ | {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(clock)})
        began = int(time.time())

        def token(minute, key, kid=None):
            now = began + minute * 60
            return self.token(key, kid, iat=now, nbf=now, exp=now + 600)

        def known(minute):
            # Good by a clock that has been put forward, and by no other.
            last = self.attempt(token(minute, self.keys[0]))
            self.assertEqual(last.name, "ReadyForQuery", (minute, last.fields))

        def strange(minute, key):
            self.assertEqual(self.attempt(token(minute, key)).sqlstate, "28P01")

        known(0)
        strange(5, self.keys[0])
        # For half of it nobody is there; then somebody is who has nothing to say.
        self.server.stop()
        for minute in range(5, 75, 5):
            put_forward(minute * 60)
            if minute == 40:
                self.server.status = 503
                self.server.start()
            known(minute)
            if minute % 20 == 0:
                mine = token(minute, self.keys[0])
                others = [token(minute, self.keys[0], f"kid-{i}") for i in range(20)]
                before, since = len(self.server.requests), time.monotonic()
                with ThreadPoolExecutor(len(others)) as pool:
                    outsiders = [pool.submit(self.attempt, other) for other in others]
                    # Who has a known key waits for none of them.
                    asked = time.monotonic()
                    self.assertEqual(self.attempt(mine).name, "ReadyForQuery")
                    self.assertLess(time.monotonic() - asked, 1.5 * PATIENCE)
                    self.assertEqual({each.result().sqlstate for each in outsiders}, {"28P01"})
                took = time.monotonic() - since
                asked = len(self.server.requests) - before
                self.assertLessEqual(asked, took / REFRESH_MIN + 2, minute)
                self.assertGreaterEqual(asked, 0 if minute < 40 else 1, minute)
        self.assertIn("those at hand stay in force", self.proxy.log.read_text())
        strange(minute, self.keys[1])
        strange(0, self.keys[0])
        known(minute)

        self.server.status = 200
        self.server.show(self.keys[1])
        self.assertEqual(self.attempt(token(minute, self.keys[1])).name, "ReadyForQuery")
        strange(minute, self.keys[0])

    def test_the_api_asks_for_fresh_keys_too(self):
        port = free_port()
        self.server.headers = {"Cache-Control": "max-age=3600"}
        self.configure(extra="access:\n  store: sqlite:access.db\n"
                             f"  api: {{address: 127.0.0.1:{port}}}\n"
                             "  policies: [{name: p, groups: ['*'], databases: [shop]}]")
        self.proxy.start()
        caller = Caller(self.proxy, port, USER)

        def status(key, kid=None):
            header = {"Authorization": f"Bearer {self.token(key, kid)}"}
            return caller.http("GET", "/v1/whoami", headers=header)[0]

        self.assertTrue(within(20, lambda: status(self.keys[0]) == 200))
        before = len(self.server.requests)
        self.server.show(self.keys[0], self.keys[1])
        self.assertEqual(status(self.keys[1]), 200)
        self.assertEqual(len(self.server.requests), before + 1)
        # Those that name unknown keys wait one at a time, and take the threads from nobody.
        strangers, said = [], []
        for i in range(6):
            strangers.append(threading.Thread(
                target=lambda i=i: said.append(status(self.keys[0], f"kid-{i}"))))
            strangers[-1].start()
        since = time.monotonic()
        self.assertEqual(status(self.keys[1]), 200)
        self.assertLess(time.monotonic() - since, 1.5 * PATIENCE)
        for thread in strangers:
            thread.join()
        self.assertEqual(set(said) - {401, 503, 429}, set())
        self.assertIn(401, said)
        self.assertIn(503, said)
        self.assertLessEqual(len(self.server.requests), before + 3)
        # Nor does the end of vitrine wait for them.
        self.server.delay = 2.5
        stranger = threading.Thread(target=self.ends_anyhow, args=(status, "kid-late"))
        stranger.start()
        asked = len(self.server.requests)
        self.assertTrue(within(20, lambda: len(self.server.requests) > asked))
        since = time.monotonic()
        self.assertEqual(self.proxy.stop(), 0)
        self.assertLess(time.monotonic() - since, 1 * PATIENCE)
        stranger.join()

    def ends_anyhow(self, status, kid):
        with contextlib.suppress(OSError, HTTPException):
            status(self.keys[0], kid)

    def test_bad_answers_change_nothing(self):
        self.server.headers = {"Cache-Control": "max-age=3600"}
        self.proxy.start()
        self.assertTrue(self.good(self.keys[0]))
        shown = self.server.body
        self.server.show(self.keys[1])
        others = self.server.body
        for name, status, headers, body, delay, word in (
                ("an error", 500, {}, others, 0, "HTTP 500"),
                ("a redirect", 302, {"Location": "/elsewhere"}, others, 0, "HTTP 302"),
                ("another success", 203, {}, others, 0, "HTTP 203"),
                ("no JSON", 200, {}, "<html>", 0, "no JWK Set"),
                ("no keys", 200, {}, '{"keys":[]}', 0, "no public key"),
                ("too long", 200, {}, others + " " * 300000, 0, "limit"),
                ("too late", 200, {}, others, 5, "no answer within")):
            with self.subTest(name):
                self.server.status, self.server.headers = status, headers
                self.server.body, self.server.delay = body, delay
                # It is asked, and what it says is not taken.
                before = len(self.server.requests)
                self.assertEqual(self.attempt(self.token(self.keys[1])).sqlstate[:2], "28")
                self.assertGreater(len(self.server.requests), before)
                self.assertIn(word, self.proxy.log.read_text())
                self.assertTrue(self.good(self.keys[0]))
        self.assertNotIn("/elsewhere", self.server.requests)
        self.server.status, self.server.headers, self.server.delay = 200, {}, 0
        self.server.body = shown
        self.assertTrue(self.good(self.keys[0]))

    def test_whoever_is_not_the_provider(self):
        """Another authority's certificate, and one for another name."""
        for name, changes, word in (
                ("authority", {"ca": "database-ca.crt"}, "certificate verify failed"),
                ("name", {"host": "127.0.0.2"}, "")):
            with self.subTest(name):
                self.configure(**changes)
                self.proxy.start()
                self.assertEqual(self.attempt(self.token(self.keys[0])).sqlstate, "28P01")
                self.assertEqual(self.server.requests, [])
                self.assertIn(word, self.proxy.log.read_text())
                self.proxy.stop()
        self.configure()
        self.proxy.start()
        self.assertTrue(self.good(self.keys[0]))
