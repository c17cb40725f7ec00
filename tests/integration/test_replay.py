"""`vitrine audit replay --policy`: what another configuration would have done with what is on
record. The old verdicts are a real proxy's."""

import json
import subprocess
import unittest

from environment import DATABASE, shared
from wire_client import bind, execute, parse, sync


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.another("replay")
        with cls.proxy.login(cls.proxy.token("ada", DATABASE), user="ada") as client:
            for sql in ("SELECT email FROM customers WHERE id = 1", "SELECT 1",
                        "SELECT email FROM customers WHERE id = 2",
                        "SELECT count(*) FROM pgbench_accounts", "DELETE FROM customers",
                        "PREPARE p AS SELECT email FROM customers", "EXECUTE p",
                        "SELECT FROM WHERE", "SELECT lo_import('x')", "BEGIN; SELECT 2; COMMIT"):
                client.simple(sql)
            client.send(parse("SELECT email FROM customers WHERE id = $1", types=[23]),
                        bind(values=[b"3"]), execute(), sync())
            client.receive_until("ReadyForQuery")

    def replay(self, policy, *arguments):
        done = subprocess.run([self.proxy.program, "audit", "replay", "--config", self.proxy.config,
                               "--policy", policy, "--format", "json", *arguments], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    def candidate(self, old, new):
        text = self.proxy.config.read_text()
        self.assertIn(old, text)
        path = self.proxy.config.with_name("candidate.yaml")
        path.write_text(text.replace(old, new))
        return path

    def test_the_same_policy(self):
        status, said = self.replay(self.proxy.config)
        self.assertEqual((status, said["changes"], said["not_comparable"]), (0, [], 0))
        self.assertGreaterEqual(said["judged"], 12)
        self.assertEqual(said["same"], said["judged"])

    def test_another_mask_of_the_same_column(self):
        status, said = self.replay(self.candidate("mask: email", "mask: hash"))
        self.assertEqual(status, 1)
        self.assertEqual({c["change"] for c in said["changes"]}, {"masks differ"})
        shapes = {c["shape"]: c for c in said["changes"]}
        # Both constants have one shape; the Bind's text is another.
        self.assertEqual(shapes["SELECT email FROM customers WHERE id = '?'"]["statements"], 2)
        self.assertEqual(shapes["SELECT email FROM customers WHERE id = $1"]["statements"], 1)
        self.assertIn("rewritten in another way", said["changes"][0]["why"])
        self.assertEqual(said["changes"][0]["users"], ["ada"])

    def test_fewer_and_more_masks(self):
        path = self.proxy.config.with_name("fewer.yaml")
        text = self.proxy.config.read_text()
        begin = text.index("  rules:")
        end = text.index("\naudit:")
        path.write_text(text[:begin] + '  rules:\n    - {columns: [public.pgbench_accounts.abalance],'
                        ' mask: "null"}\n' + text[end:])
        status, said = self.replay(path)
        self.assertEqual(status, 1)
        whys = {c["shape"]: c["why"] for c in said["changes"]}
        self.assertRegex(whys["SELECT email FROM customers WHERE id = '?'"],
                         r"^were: public\.customers\.email\b.*; would be: nothing$")

    def test_verdicts(self):
        text = self.proxy.config.read_text()
        path = self.proxy.config.with_name("verdicts.yaml")
        self.assertNotIn("functions:", text)
        path.write_text(text + '\nfunctions:\n  allow: ["pg_catalog.lo_import"]\n')
        with_rows = text[:text.index("  rules:")] + \
            "  rows:\n    - {table: public.customers, filter: \"id < 3\"}\n" + \
            text[text.index("  rules:"):]
        path.write_text(with_rows)
        status, said = self.replay(path)
        self.assertEqual(status, 1)
        self.assertTrue(all("customers" in c["shape"] for c in said["changes"]))

    def test_time_and_people(self):
        self.assertEqual(self.replay(self.proxy.config, "--user", "eve")[1]["judged"], 0)
        self.assertEqual(self.replay(self.proxy.config, "--until", "1h")[1]["judged"], 0)
        self.assertEqual(self.replay(self.proxy.config, "--since", "2999-01-01")[1]["judged"], 0)
        self.assertGreater(self.replay(self.proxy.config, "--since", "1h")[1]["judged"], 10)
        status, said = self.replay(self.proxy.config, "--since", "yesterday")
        self.assertEqual(status, 2)
        self.assertIn("30d", said)
        self.assertEqual(self.replay(self.proxy.config, "--database", "nope")[0], 2)

    def test_a_table_for_people(self):
        done = subprocess.run([self.proxy.program, "audit", "replay", "--config", self.proxy.config,
                               "--policy", self.candidate("mask: email", "mask: hash")], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("masks differ", done.stdout)
        self.assertIn("statements judged", done.stdout)


class Session(unittest.TestCase):
    """`vitrine audit replay SESSION --against DSN`."""

    STATEMENTS = ("SELECT id, title FROM library.books ORDER BY id LIMIT 5",
                  "SELECT title FROM library.books WHERE id = 3",
                  "SELECT count(*) FROM pgbench_accounts WHERE aid < 100",
                  "SELECT email, ssn FROM customers ORDER BY id",
                  "COPY (SELECT aid FROM pgbench_accounts ORDER BY aid LIMIT 50) TO STDOUT",
                  "DELETE FROM customers", "SELECT nope", "SELECT 1/0",
                  "BEGIN", "SELECT 1", "UPDATE customers SET id = 1", "SELECT 2", "ROLLBACK",
                  "BEGIN", "DECLARE c CURSOR FOR SELECT generate_series(1, 10)",
                  "FETCH 4 FROM c", "DECLARE b CURSOR FOR SELECT title FROM library.books "
                  "ORDER BY id", "FETCH 2 FROM b", "FETCH 5 FROM b", "COMMIT",
                  "PREPARE p(int) AS SELECT title FROM library.books WHERE id <= $1", "EXECUTE p(7)",
                  "SET search_path = library", "SELECT count(*) FROM books", "RESET search_path",
                  "SELECT to_timestamp(id) FROM library.books WHERE id = 3",
                  "COPY (SELECT * FROM library.books ORDER BY id LIMIT 3) TO STDOUT (FORMAT binary)",
                  "SELECT repeat(title, 100000) FROM library.books WHERE id = 3")
    # Their rows are others each time, and no difference for it.
    OF_THE_MOMENT = ("SELECT now(), random()", "SELECT pid, query FROM pg_stat_activity",
                     "PREPARE m AS SELECT clock_timestamp()", "EXECUTE m",
                     "EXPLAIN (ANALYZE) SELECT 1", "SHOW application_name")
    # Each Bind with these result formats: binary, and text beside binary.
    BOUND = (("SELECT aid FROM pgbench_accounts WHERE aid < $1", [23], [[n] for n in range(5)], [1]),
             ("SELECT id, title, $2 FROM library.books WHERE id <= $1", [20, 20],
              [[3, 5], [4, 6]], [1, 0, 1]),
             ("SELECT title FROM library.books ORDER BY id LIMIT 7", [], [[]], [], 2),
             ("SELECT id, now() > '2000-01-01' FROM library.books WHERE id = $1", [23], [[3]], [0]))

    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.another("replay_session")
        with cls.proxy.login(cls.proxy.token("ada", DATABASE), user="ada",
                             TimeZone="Asia/Kolkata", DateStyle="German") as client:
            for sql in cls.STATEMENTS + cls.OF_THE_MOMENT:
                client.simple(sql)
            for number, (sql, types, binds, formats, *pieces) in enumerate(cls.BOUND):
                client.send(parse(sql, f"s{number}", types), sync())
                client.receive_until("ReadyForQuery")
                for values in binds:
                    sent = [v.to_bytes(8 if t == 20 else 4, "big") for v, t in zip(values, types)]
                    client.send(bind("", f"s{number}", sent, formats=[1], result_formats=formats),
                                *[execute(rows=rows) for rows in pieces * 3], execute(), sync())
                    client.receive_until("ReadyForQuery")
        cls.session = cls.proxy.records("ada")[0]["session"]
        cls.everything = (len(cls.STATEMENTS) + len(cls.OF_THE_MOMENT)
                          + sum(len(bound[2]) for bound in cls.BOUND))

    def replay(self, dsn=None, *arguments, config=None):
        direct = self.env.direct_environment()
        dsn = dsn or (f"host=localhost port={direct['PGPORT']} dbname={DATABASE} "
                      f"user=vitrine_reader password={direct['PGPASSWORD']} sslmode=require")
        done = subprocess.run([self.proxy.program, "audit", "replay", self.session, "--config",
                               config or self.proxy.config, "--against", dsn, "--format", "json",
                               *arguments], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode, json.loads(done.stdout)

    def through(self):
        token = self.proxy.token("eve", DATABASE)
        return (f"host=localhost port={self.proxy.port} dbname={DATABASE} user=eve "
                f"password={token} sslmode=require")

    def test_on_the_same_data(self):
        for dsn, arguments in ((None, ()), (self.through(), ("--through-proxy",))):
            with self.subTest(arguments):
                status, said = self.replay(dsn, *arguments)
                self.assertEqual([s for s in said["statements"] if s["verdict"] != "same"], [])
                self.assertEqual((status, said["same"]), (0, self.everything))
                self.assertEqual({s["sql"] for s in said["statements"] if s["why"]
                                  and s["why"] != "refused then and now"},
                                 {*self.OF_THE_MOMENT, self.BOUND[-1][0]}
                                 - {"PREPARE m AS SELECT clock_timestamp()"})


    def test_on_data_with_a_row_changed(self):
        title = self.env.sql("SELECT title FROM library.books WHERE id = 3").strip()
        # One character for another: no length changes.
        self.env.sql("UPDATE library.books SET title = overlay(title PLACING '#' FROM 2 FOR 1) "
                     "WHERE id = 3")
        try:
            status, said = self.replay()
        finally:
            self.env.sql(f"UPDATE library.books SET title = '{title}' WHERE id = 3")
        self.assertEqual(status, 1)
        different = [s for s in said["statements"] if s["verdict"] == "different"]
        self.assertEqual([s["sql"] for s in different],
                         [self.STATEMENTS[0], self.STATEMENTS[1], "FETCH 5 FROM b", "EXECUTE p(7)",
                          *self.STATEMENTS[-2:], *[self.BOUND[1][0]] * 2, self.BOUND[2][0]])
        self.assertEqual({s["why"] for s in different}, {"values"})
        self.env.sql("BEGIN; DELETE FROM pgbench_accounts WHERE aid = 2; COMMIT")
        try:
            status, said = self.replay()
        finally:
            self.env.sql("INSERT INTO pgbench_accounts VALUES (2, 1, 0, '')")
        different = [s for s in said["statements"] if s["verdict"] == "different"]
        self.assertEqual([(s["sql"][:12], s["why"]) for s in different if "why" in s][-2:],
                         [("SELECT aid F", "rows")] * 2)

    def test_nobody_there(self):
        done = subprocess.run([self.proxy.program, "audit", "replay", self.session, "--config",
                               self.proxy.config, "--against", "host=127.0.0.1 port=1"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot connect", done.stderr)

    def test_a_log_that_was_made_up_runs_no_write(self):
        """A record that says a write was let through: the judge of today says no."""
        copy = self.proxy.config.parent / "made_up"
        subprocess.run(["cp", "-r", self.proxy.audit, copy], check=True)
        file, = (copy / "ada").glob("*.jsonl")
        file.write_text(file.read_text().replace(
            "SELECT title FROM library.books WHERE id = 3", "DELETE FROM library.books WHERE id = 3"))
        before = self.env.sql("SELECT count(*) FROM library.books")
        status, said = self.replay(None, "--directory", str(copy))
        self.assertEqual(status, 1)
        self.assertEqual(self.env.sql("SELECT count(*) FROM library.books"), before)
        made_up, = [s for s in said["statements"] if s["sql"].startswith("DELETE FROM library")]
        self.assertEqual((made_up["verdict"], made_up["now"]), ("different", None))
        self.assertIn("refused now", made_up["why"])

    def test_settings_that_were_made_up(self):
        """They undo none of what a session is pinned to, whatever they say."""
        for number, (setting, status, said) in enumerate((
                ("default_transaction_read_only=off", 0, "is refused now, and left out"),
                ("session_replication_role=replica", 0, "is refused now, and left out"),
                ("role=postgres", 0, "is refused now, and left out"),
                ("a -c default_transaction_read_only=off", 0, "is refused now, and left out"),
                ("client_encoding=SJIS", 0, ""),
                ("application_name=\\u0000", 2, "a setting on record is none"),
                ("nothing", 2, "a setting on record is none"))):
            with self.subTest(setting):
                copy = self.proxy.config.parent / f"settings{number}"
                subprocess.run(["cp", "-r", self.proxy.audit, copy], check=True)
                file, = (copy / "ada").glob("*.jsonl")
                text = file.read_text()
                self.assertIn('"settings":["TimeZone=', text)
                file.write_text(text.replace('"settings":["TimeZone=',
                                             f'"settings":["{setting}","TimeZone='))
                # The role could write: the pins alone are in the way.
                done = subprocess.run(
                    [self.proxy.program, "audit", "replay", self.session, "--config", self.proxy.config,
                     "--directory", copy, "--against", f"dbname={DATABASE}"],
                    text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                    env=self.env.database.environment(DATABASE))
                self.assertEqual(done.returncode == 2, status == 2, done.stderr + done.stdout)
                self.assertIn(said, done.stderr)

    def made_up(self, name, texts):
        """What is run where these stand on record for the first statements."""
        copy = self.proxy.config.parent / name
        subprocess.run(["cp", "-r", self.proxy.audit, copy], check=True)
        file, = (copy / "ada").glob("*.jsonl")
        text = file.read_text()
        for old, new in zip(self.STATEMENTS, texts):
            old, new = (f'"sql":{json.dumps(sql)}' for sql in (old, new))
            self.assertIn(old, text)
            text = text.replace(old, new)
        file.write_text(text)
        _, said = self.replay(None, "--directory", str(copy))
        return said["statements"][:len(texts)]

    def test_paths_and_names_that_were_made_up(self):
        """No text of several statements, and nothing that was prepared before, means another
        function than the one that was judged."""
        self.env.sql("CREATE SCHEMA hostile; CREATE FUNCTION hostile.lower(text) RETURNS text "
                     "LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile'; END $$; "
                     "GRANT USAGE ON SCHEMA hostile TO vitrine_reader")
        try:
            path = "SET search_path = hostile, pg_catalog"
            for number, texts in enumerate((
                    [path, "SELECT lower('X')"],
                    [f"SELECT 1; {path}", "SELECT lower('X')"],
                    [f"{path}; SELECT 1/0", "SELECT lower('X')"],
                    ["PREPARE q AS SELECT lower('X')", path, "EXECUTE q"],
                    ["PREPARE q AS SELECT lower('X')", f"SELECT 1; {path}", "EXECUTE q"],
                    ["BEGIN", f"SELECT 1; {path}", "SELECT lower('X')"])):
                with self.subTest(texts):
                    *_, last = self.made_up(f"paths{number}", texts)
                    # The second before the last of the third one fails, and its path with it.
                    ran = texts[0].endswith("1/0")
                    self.assertEqual(last["now"] is not None, ran, last)
                    self.assertNotIn("P0001", str(last))
                    if not ran:
                        self.assertIn("refused now", last["why"])
            last = self.made_up("paths", ["PREPARE q AS SELECT lower('X')", "SELECT 1",
                                          "EXECUTE q"])[-1]
            self.assertEqual(last["now"]["sqlstate"], "00000")
        finally:
            self.env.sql("DROP SCHEMA hostile CASCADE")

    def test_another_key(self):
        """Digests under another key are not held against those on record."""
        folder = self.proxy.config.parent
        key = folder / "another.key"
        key.write_text("another key of at least 32 characters\n")
        key.chmod(0o600)
        config = folder / "another_key.yaml"
        config.write_text(self.proxy.config.read_text().replace("mask.key", "another.key"))
        status, said = self.replay(config=config)
        books = [s for s in said["statements"] if s["sql"] == self.BOUND[2][0]]
        self.assertEqual([(s["verdict"], s["why"]) for s in books],
                         [("same", "its values are not compared: masking.key is another than it "
                                   "was then")])

    def test_the_dsn_undoes_no_pin(self):
        direct = self.env.direct_environment()
        dsn = (f"host=localhost port={direct['PGPORT']} dbname={DATABASE} user=vitrine_reader "
               f"password={direct['PGPASSWORD']} sslmode=require options='-c backslash_quote=on'")
        status, said = self.replay(dsn)
        self.assertEqual((status, said["different"]), (0, 0))


if __name__ == "__main__":
    unittest.main()
