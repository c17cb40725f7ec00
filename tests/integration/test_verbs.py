"""The program's other verbs: check, explain, token, audit; their output and exit status."""

import base64
import json
import signal
import subprocess
import time
import unittest

from environment import DATABASE, USER, shared
from wire_client import error_of, within


class Verbs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.proxy
        cls.config = cls.proxy.config

    def verb(self, *arguments):
        done = self.proxy.verb(*arguments)
        self.assertNotIn("terminate called", done.stderr)
        return done

    def broken(self, old, new):
        """A copy of the configuration with a change in it."""
        text = self.config.read_text()
        self.assertIn(old, text)
        path = self.config.with_name("broken.yaml")
        path.write_text(text.replace(old, new))
        return path

    # --- check -----------------------------------------------------------------------------

    def test_check_says_yes(self):
        done = self.verb("check", "--config", self.config)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.verb("check", "--connect", "--config", self.config)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_check_names_every_problem_with_its_place(self):
        path = self.broken("audience: vitrine", "audiense: vitrine\n  max_token_lifetimes: 1h")
        path.write_text(path.read_text().replace("workers: 2", "workers: many"))
        lines = path.read_text().splitlines()
        done = self.verb("check", "--config", path)
        self.assertEqual(done.returncode, 1)
        said = done.stdout + done.stderr
        for wrong, column, word in (("audiense", 3, "audience"),
                                    ("max_token_lifetimes", 3, "max_token_lifetime"),
                                    ("workers: many", 12, "workers")):
            line = next(i for i, text in enumerate(lines, 1) if wrong in text)
            problem = [text for text in said.splitlines()
                       if text.startswith(f"{path}:{line}:{column}: ")]
            self.assertEqual(len(problem), 1, f"{path}:{line}:{column} in\n{said}")
            self.assertIn(word, problem[0])

    def test_check_refuses_what_comes_later(self):
        path = self.broken("    user: ", "    prefer: standby\n    user: ")
        done = self.verb("check", "--config", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not supported yet", done.stdout + done.stderr)

    def test_secrets_are_never_inline(self):
        path = self.broken("password: {file: reader.password}", "password: hunter2")
        done = self.verb("check", "--config", path)
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("hunter2", done.stdout + done.stderr)

    def test_check_connect_complains(self):
        """Rules that name nothing, a role that could write."""
        path = self.broken("[public.customers.notes]", "[public.customers.nots]")
        done = self.verb("check", "--connect", "--config", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("public.customers.nots", done.stdout + done.stderr)
        self.env.sql("GRANT INSERT ON library.loans TO vitrine_reader")
        try:
            done = self.verb("check", "--connect", "--config", self.config)
            self.assertEqual(done.returncode, 1)
            self.assertIn("vitrine_reader", done.stdout + done.stderr)
        finally:
            self.env.sql("REVOKE INSERT ON library.loans FROM vitrine_reader")

    def test_check_connect_names_missing_rights(self):
        """A view over masked columns is read by its definition, with the service role's rights: each
        warning names what is missing, and its GRANTs are all that it takes."""
        self.env.sql("""
            CREATE SCHEMA inner_room;
            CREATE TABLE inner_room.guests (id integer, email text, city text);
            CREATE TABLE inner_room.rooms (id integer, name text, price integer);
            CREATE VIEW inner_room.mails AS SELECT id, email FROM inner_room.guests;
            CREATE VIEW public.over_rooms AS SELECT m.email, r.name FROM inner_room.mails m
                JOIN inner_room.rooms r USING (id);
            CREATE VIEW public.of_invoker WITH (security_invoker) AS
                SELECT email FROM inner_room.guests;
            CREATE VIEW public.hidden_mails AS SELECT email FROM inner_room.guests;
            CREATE VIEW public.only_rooms AS SELECT name FROM inner_room.rooms;
            CREATE TABLE public.part_seen (id integer, email text, secret text, "Odd" text);
            GRANT SELECT (id, email) ON public.part_seen TO vitrine_reader;
            GRANT SELECT ON public.over_rooms, public.of_invoker, public.only_rooms
                TO vitrine_reader""")
        self.addCleanup(self.env.sql, "DROP SCHEMA inner_room CASCADE; DROP TABLE public.part_seen")
        proxy = self.env.another("rights", start=False, rules="""
    - columns: ["*.*.email"]
      mask: email""")
        sql = "SELECT email, name FROM over_rooms"

        def said():
            done = self.verb("check", "--connect", "--config", proxy.config)
            lines = [line.split(": ", 2)[2] for line in done.stdout.splitlines()
                     if "service role" in line]
            return done.returncode, sorted(lines)

        status, lines = said()
        self.assertEqual(status, 1)
        self.assertEqual(len(lines), 3, lines)
        self.assertIn("public.part_seen has masked columns", lines[0])
        self.assertTrue(lines[0].endswith(
            ': GRANT SELECT (secret, "Odd") ON public.part_seen TO vitrine_reader'), lines[0])
        for line, table in zip(lines[1:], ("guests", "rooms")):
            self.assertIn("the view public.over_rooms is over masked columns", line)
            self.assertTrue(line.endswith(f"may not read inner_room.{table}: GRANT USAGE ON SCHEMA "
                                          f"inner_room TO vitrine_reader; GRANT SELECT ON "
                                          f"inner_room.{table} TO vitrine_reader"), line)

        # serve says the same when it starts, once, and goes on.
        proxy.start()

        def log():
            return proxy.log.read_text()

        self.assertTrue(within(10, lambda: all(line in log() for line in lines)), log())
        with proxy.login() as client:
            for text in (sql, "SELECT email FROM part_seen"):
                refused = error_of(client.simple(text))
                self.assertEqual(refused.sqlstate, "42501")
                self.assertIn("vitrine check --connect", refused.fields["H"])
            # What the role may not read as it is has nothing to do with views.
            self.assertNotIn("H", error_of(client.simple(
                "SELECT name FROM inner_room.rooms")).fields)
            for line in lines:
                self.env.sql(line.rsplit(": ", 1)[1])
            self.assertEqual(said(), (0, []))
            for text in (sql, "SELECT email FROM part_seen", "SELECT name FROM only_rooms"):
                self.assertNotIn("ErrorResponse", [m.name for m in client.simple(text)])
        proxy.signal(signal.SIGHUP)
        self.assertTrue(within(10, lambda: "was reloaded" in log()))
        for line in lines:
            self.assertEqual(log().count(line), 1)

        # Columns only, where the view's definition names only those.
        self.env.sql("REVOKE SELECT ON inner_room.rooms FROM vitrine_reader; "
                     "GRANT SELECT (price) ON inner_room.rooms TO vitrine_reader")
        status, lines = said()
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].endswith(
            ": GRANT SELECT (id, name) ON inner_room.rooms TO vitrine_reader"), lines[0])

    def test_check_connect_to_nobody(self):
        path = self.broken(f"127.0.0.1:{self.env.database.port}", "127.0.0.1:1")
        done = self.verb("check", "--connect", "--config", path)
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue((done.stdout + done.stderr).strip())
        self.assertNotIn(self.env.reader_password, done.stdout + done.stderr)

    def test_serve_does_not_start_with_a_mistake(self):
        done = self.verb("serve", "--config", self.broken("audience: vitrine", "audiense: vitrine"))
        self.assertIn(done.returncode, (1, 2))
        self.assertIn("audience", done.stderr)

    def test_no_such_file(self):
        for arguments in (["check"], ["serve"], ["explain", "--database", "shop", "--user", "x",
                                                "SELECT 1"]):
            done = self.verb(*arguments, "--config", "/nonexistent/vitrine.yaml")
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("/nonexistent/vitrine.yaml", done.stderr + done.stdout)

    def test_bad_arguments(self):
        for arguments in ([], ["nonsense"], ["check"], ["check", "--config"],
                          ["token", "issue", "--config", self.config],
                          ["explain", "--config", self.config, "SELECT 1"], ["audit"]):
            with self.subTest(arguments):
                done = self.verb(*arguments)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertTrue(done.stderr.strip())

    def test_help_and_version(self):
        self.assertIn("serve", self.verb("--help").stdout)
        self.assertRegex(self.verb("--version").stdout, r"\d+\.\d+\.\d+")

    # --- explain ---------------------------------------------------------------------------

    def explain(self, sql, *arguments):
        return self.verb("explain", "--config", self.config, "--database", DATABASE, "--user", USER,
                         *arguments, sql)

    def test_explain_a_masked_read(self):
        done = self.explain("SELECT email, region FROM customers WHERE id = 3")
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("allow", "public.customers.email", "region"):
            self.assertIn(word, done.stdout)
        self.assertNotIn(self.env.mask_key, done.stdout)
        # What it says would be sent is SQL that gives what vitrine gives.
        with self.proxy.login() as client:
            client.simple("SELECT email, region FROM customers WHERE id = 3 /* explained */")
        [record] = [r for r in self.proxy.statements() if "explained */" in r.get("sql", "")]
        flat = " ".join(done.stdout.split())
        self.assertIn(" ".join(record["forwarded"].replace("/* explained */", "").split()), flat)

    def test_explain_a_refusal(self):
        done = self.explain("WITH x AS (DELETE FROM customers RETURNING *) SELECT * FROM x")
        self.assertEqual(done.returncode, 1)
        said = done.stdout + done.stderr
        for word in ("reject", "25006", "DELETE"):
            self.assertIn(word, said)

    def test_explain_follows_groups(self):
        self.assertIn("public.customers.email", self.explain("SELECT email FROM customers").stdout)
        other = self.explain("SELECT email FROM customers", "--groups", "fraud").stdout
        self.assertNotIn("****@", other)

    def test_explain_says_which_rule_stands(self):
        """The last that applies to the user, where it is written, and what it stands before."""
        proxy = self.env.another("which-rule", start=False, rules="""
    - columns: ["*.*.email"]
      mask: email
    - columns: [public.customers.email, public.people.contact]
      mask: hash
      except: {groups: [fraud]}
    - columns: [public.customers.email]
      mask: "null"
      except: {groups: [fraud, dba]}""")
        lines = proxy.config.read_text().splitlines()
        places = [f"{proxy.config}:{n}:7" for n, line in enumerate(lines, 1)
                  if line.startswith("    - columns:")]

        def explained(sql, groups):
            done = proxy.verb("explain", "--config", proxy.config, "--database", DATABASE, "--user",
                              USER, "--groups", groups, "--format", "json", sql)
            self.assertEqual(done.returncode, 0, done.stderr)
            [statement] = json.loads(done.stdout)
            self.assertEqual([c["column"] for c in statement["columns"]], statement["masked"])
            return {c["column"]: (c["rule"], c["place"], c["instead_of"])
                    for c in statement["columns"]}

        rules = [f"masking.rules[{n}]" for n in range(3)]
        for groups, stands in (("other", 2), ("dba", 1), ("fraud", 0)):
            for sql in ("SELECT email FROM customers", "SELECT email FROM customer_contacts_again"):
                with self.subTest((groups, sql)):
                    self.assertEqual(explained(sql, groups)["public.customers.email"], (
                        rules[stands], places[stands], [
                            r for n, r in reversed(list(enumerate(rules[:stands])))
                            if groups != "fraud"]))
        # By the rule on the table above it; and by none.
        self.assertEqual(explained("SELECT contact FROM staff", "x")["public.staff.contact"],
                         (rules[1], places[1], []))
        self.assertEqual(explained("SELECT * FROM customers", "x")["public.customers.email_lower"],
                         ("generated from a masked column", "", []))
        table = proxy.verb("explain", "--config", proxy.config, "--database", DATABASE, "--user",
                           USER, "SELECT email FROM customers").stdout
        self.assertIn(f"masked     public.customers.email        masking.rules[2] ({places[2]}), and "
                      f"not masking.rules[1], masking.rules[0]\n", table)
        self.assertIn("sent       SELECT email FROM (SELECT ", table)

    def test_login_says_how_many_columns_are_masked(self):
        """Those of users' relations; of a group that a rule excepts fewer."""
        proxy = self.env.another("how-many", rules="""
    - columns: [public.customers.email, public.cards.number, public.people.contact]
      mask: hash
    - columns: [public.products.name]
      mask: hash
      except: {groups: [fraud]}""")
        # email_lower is generated from email, customer_emails holds it; a child's column is its
        # parent's.
        for groups, count in (("", 6), ("fraud", 5)):
            token = proxy.token(USER, DATABASE, groups=(groups,) if groups else ())
            with proxy.login(token) as client:
                [notice] = client.notices
                self.assertIn(f" {count} columns masked", notice.fields["M"])

    def test_explain_what_does_not_parse(self):
        done = self.explain("SELEC 1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("42601", done.stdout + done.stderr)

    def test_explain_an_unknown_database(self):
        done = self.verb("explain", "--config", self.config, "--database", "nowhere", "--user", USER,
                         "SELECT 1")
        self.assertEqual(done.returncode, 2)
        self.assertIn("nowhere", done.stderr)

    # --- token -----------------------------------------------------------------------------

    def claims(self, token):
        part = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    def test_token_is_alone_on_stdout(self):
        done = self.verb("token", "issue", "--config", self.config, "--user", USER, "--database",
                         DATABASE, "--groups", "a,b", "--ttl", "90s", "--reason", "why not")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\A[\w-]+\.[\w-]+\.[\w-]+\n\Z")
        claims = self.claims(done.stdout.strip())
        self.assertEqual(claims["iss"], "vitrine")
        self.assertEqual(claims["sub"], USER)
        self.assertEqual(claims["databases"], [DATABASE])
        self.assertEqual(claims["groups"], ["a", "b"])
        self.assertEqual(claims["reason"], "why not")
        self.assertEqual(claims["exp"] - claims["iat"], 90)
        self.assertLess(abs(claims["iat"] - time.time()), 5)
        header = json.loads(base64.urlsafe_b64decode(done.stdout.split(".")[0] + "=="))
        self.assertEqual(header["alg"], "EdDSA")

    def test_token_signature_verifies_elsewhere(self):
        token = self.proxy.token(USER, DATABASE)
        text, _, signature = token.rpartition(".")
        work = self.config.parent
        (work / "signed.txt").write_text(text)
        (work / "signature.bin").write_bytes(base64.urlsafe_b64decode(signature + "=="))
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", work / "signing.pub", "-rawin",
             "-in", work / "signed.txt", "-sigfile", work / "signature.bin"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_tokens_differ(self):
        self.assertEqual(len({self.claims(self.proxy.token(USER, DATABASE))["jti"]
                              for _ in range(5)}), 5)

    def test_token_limits(self):
        for ttl in ("0s", "2h", "-5m", "soon", "1e9h"):
            with self.subTest(ttl):
                done = self.verb("token", "issue", "--config", self.config, "--user", USER,
                                 "--database", DATABASE, f"--ttl={ttl}")
                self.assertNotEqual(done.returncode, 0)
                self.assertEqual(done.stdout, "")
                self.assertTrue(done.stderr.strip())

    def test_token_for_an_unknown_database(self):
        done = self.verb("token", "issue", "--config", self.config, "--user", USER, "--database",
                         "nowhere")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nowhere", done.stderr)
