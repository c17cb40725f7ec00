"""psql through vitrine and psql directly say the same (data that nothing masks)."""

import difflib
import os
import re
import signal
import subprocess
import time
import unittest

from environment import DATABASE, HERE, PATIENCE, USER, shared
from hidden import same_but_hidden
from wire_client import error_of, query, rows_of


class Psql(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.token = cls.env.proxy.token(USER, DATABASE)

    def both(self, *arguments, stdin=None):
        proxy = self.env.proxy.psql(*arguments, token=self.token, stdin=stdin)
        direct = self.env.direct_psql(*arguments, stdin=stdin)
        # The login's NOTICE is vitrine's own.
        said = re.sub(r"\ANOTICE:.*\n((DETAIL|HINT):.*\n)*", "", proxy.stdout)
        return said, direct.stdout

    def same(self, *arguments, stdin=None):
        seen, true = self.both(*arguments, stdin=stdin)
        if not same_but_hidden(seen, true):
            self.fail("".join(difflib.unified_diff(
                true.splitlines(True), seen.splitlines(True), "direct", "vitrine", n=3))[:8000])
        return true

    def test_a_hundred_reads(self):
        script = HERE / "reads.psql"
        self.assertGreaterEqual(len([line for line in script.read_text().splitlines()
                                     if line and not line.startswith(("--", "\\set", "\\pset"))]),
                                100)
        said = self.same("-a", "-f", str(script))
        # The comparison is of real answers, not of two failures to connect.
        self.assertGreater(len(said), 50000)
        self.assertLess(said.count("ERROR:"), 15)

    def test_one_by_one_with_c(self):
        for sql in ("SELECT 1; SELECT 2", "SELECT count(*) FROM library.books",
                    r"\d library.books", "COPY library.authors TO STDOUT"):
            with self.subTest(sql):
                self.same("-c", sql)

    def test_single_transaction(self):
        self.same("-1", "-v", "ON_ERROR_STOP=1", "-f", "-",
                  stdin="SELECT 1;\nSELECT 1/0;\nSELECT 2;\n")

    def test_copy_to_a_file(self):
        for name in ("seen", "true"):
            target = self.env.path / f"copied-{name}"
            line = rf"\copy (SELECT * FROM library.books ORDER BY id) TO '{target}' WITH (FORMAT csv)"
            psql = self.env.proxy.psql if name == "seen" else self.env.direct_psql
            self.assertIn("COPY 400", psql("-c", line).stdout)
        self.assertEqual((self.env.path / "copied-seen").read_bytes(),
                         (self.env.path / "copied-true").read_bytes())

    def test_copy_binary(self):
        out = []
        for environment in (self.env.proxy.environment(USER, self.token, DATABASE),
                            self.env.direct_environment()):
            done = subprocess.run(
                ["psql", "-X", "-c", "COPY (SELECT id, title, price, added FROM library.books "
                 "ORDER BY id) TO STDOUT (FORMAT binary)"], env=environment,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            out.append(done.stdout)
        self.assertEqual(out[0], out[1])
        self.assertTrue(out[0].startswith(b"PGCOPY\n\xff\r\n\0"))

    def test_watch_until_interrupted(self):
        process = subprocess.Popen(
            ["psql", "-X", "-At"], env=self.env.proxy.environment(USER, self.token, DATABASE),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        process.stdin.write("SELECT 'seen' \\watch 0.1\n")
        process.stdin.flush()
        time.sleep(1.0 * PATIENCE)
        os.kill(process.pid, signal.SIGINT)
        said = process.communicate(timeout=20)[0]
        self.assertGreaterEqual(said.count("seen"), 3)

    def test_pg_dump_schema(self):
        """pg_dump's reads (set_config, SET of timeouts, catalog queries, LOCK) have their own
        answer: it either dumps the schema as it would directly, or is refused by name."""
        done = subprocess.run(
            ["pg_dump", "--schema-only", "-n", "library"], text=True, stdin=subprocess.DEVNULL,
            env=self.env.proxy.environment(USER, self.token, DATABASE), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=120)
        if done.returncode != 0:
            self.assertRegex(done.stderr, r"(?i)lock|function|setting")

    def test_unknown_names(self):
        """What exists nowhere: PostgreSQL's SQLSTATE, and a position where it has one."""
        with self.env.proxy.login() as client, self.env.direct() as direct:
            for sql in ("SELECT * FROM nowhere", "SELECT * FROM library.nowhere",
                        "SELECT * FROM nowhere.books", "SELECT nothing(1)", "SELECT 1 +",
                        "SELECT x FROM library.books", "SELECT b.x FROM library.books b",
                        "SELECT 1::nosuchtype", "EXECUTE nothing", "FETCH 1 FROM nothing",
                        "SHOW nothing", "SELECT * FROM library.books b, library.books b",
                        "SELECT lower(library.books) FROM library.books", "SELECT $1", "",
                        "SELECT 'é', * FROM nowhere", "SELECT count(* FROM library.books",
                        "SELECT 1 FROM library.books GROUP", "ROLLBACK TO nothing"):
                with self.subTest(sql):
                    seen, true = client.simple(sql), direct.simple(sql)
                    if not sql:
                        self.assertEqual([m.name for m in seen], [m.name for m in true])
                        continue
                    seen, true = error_of(seen), error_of(true)
                    self.assertEqual(seen.sqlstate, true.sqlstate)
                    if true.position:
                        self.assertEqual(seen.position, true.position)

    def test_a_new_table_is_seen(self):
        """DDL on the server while a session is open: neither stale nor refused for long."""
        with self.env.proxy.login() as client:
            self.assertEqual(error_of(client.simple("SELECT * FROM library.fresh")).sqlstate,
                             "42P01")
            self.env.sql("CREATE TABLE library.fresh AS SELECT 1 AS one;"
                         "GRANT SELECT ON library.fresh TO vitrine_reader")
            try:
                time.sleep(0.6)  # an unknown relation asks for a fresh catalog, twice a second at most
                self.assertEqual(rows_of(client.simple("SELECT one FROM library.fresh")), [[b"1"]])
            finally:
                self.env.sql("DROP TABLE library.fresh")

    def test_large_results_stream(self):
        """Thirty megabytes, read slowly: neither side may have to hold them."""
        with self.env.proxy.login() as client:
            client.send(query("SELECT n, repeat('x', 1000) FROM generate_series(1, 30000) n"))
            time.sleep(0.5)
            count = sum(1 for m in client.receive_until("ReadyForQuery") if m.name == "DataRow")
            self.assertEqual(count, 30000)
