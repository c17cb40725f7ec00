"""The same program, through vitrine and directly: the same output. Each lies in drivers/ and reads
where to connect from the usual environment variables. What a read-only session has to say no to is
told apart: as each driver's own error, after which the connection goes on."""

import difflib
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from environment import DATABASE, HERE, PATIENCE, USER, shared
from wire_client import bind, error_of, execute, parse, rows_of, sync

PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for
JDBC = Path("/usr/share/java/postgresql.jar")


class Drivers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.token = cls.env.proxy.token(USER, DATABASE)

    def through(self, environment, command, cwd=None):
        # Not localhost: some drivers take its first address only, which may be ::1.
        return subprocess.run([str(c) for c in command], cwd=cwd, text=True,
                              env=environment | {"PGHOST": "127.0.0.1"}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=180 * PATIENCE)

    def through_vitrine(self, *command, cwd=None):
        return self.through(self.env.proxy.environment(USER, self.token, DATABASE), command, cwd)

    def same(self, *command, cwd=None, lines=15):
        said = []
        for environment in (self.env.proxy.environment(USER, self.token, DATABASE),
                            self.env.direct_environment() | {
                                "PGSSLMODE": "verify-full",
                                "PGSSLROOTCERT": str(self.env.path / "database-ca.crt")}):
            done = self.through(environment, command, cwd)
            self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)
            said.append(done.stdout)
        if said[0] != said[1]:
            self.fail("".join(difflib.unified_diff(
                said[1].splitlines(True), said[0].splitlines(True), "direct", "vitrine",
                n=1))[:8000])
        # The program went its whole way.
        self.assertTrue(said[0].rstrip().endswith("done"), said[0][-300:])
        self.assertGreater(said[0].count("\n"), lines)

    # --- Python --------------------------------------------------------------------------------

    def test_psycopg2(self):
        self.same(PYTHON, HERE / "drivers/with_psycopg2.py")

    def test_psycopg2_sessions(self):
        self.same(PYTHON, HERE / "drivers/psycopg2_sessions.py", lines=60)

    def test_psycopg3(self):
        self.same(PYTHON, HERE / "drivers/with_psycopg3.py")

    def test_psycopg3_types(self):
        self.same(PYTHON, HERE / "drivers/psycopg3_types.py", lines=60)

    def test_sqlalchemy(self):
        self.same(PYTHON, HERE / "drivers/with_sqlalchemy.py", lines=1000)

    # --- node ----------------------------------------------------------------------------------

    @classmethod
    def node_modules(cls):
        """The folder with the programs and what they need, or why there is none."""
        if not shutil.which("npm") or not shutil.which("node"):
            raise unittest.SkipTest("node is not installed")
        work = cls.env.path / "node"
        if (work / "node_modules").exists():
            return work
        shutil.copytree(HERE / "drivers/node", work, dirs_exist_ok=True)
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        installed = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"],
            cwd=work, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=300, env=os.environ | {"XDG_CACHE_HOME": str(cache)})
        if installed.returncode != 0:
            raise AssertionError(installed.stdout)
        return work

    def test_node_pg(self):
        self.same("node", "with_pg.js", cwd=self.node_modules())

    def test_node_sessions(self):
        self.same("node", "pg_sessions.js", cwd=self.node_modules(), lines=40)

    # --- Java ----------------------------------------------------------------------------------

    @classmethod
    def java(cls, program):
        if not shutil.which("javac") or not JDBC.exists():
            raise unittest.SkipTest("no JDK, or no pgjdbc in /usr/share/java")
        work = cls.env.path / "java"
        work.mkdir(exist_ok=True)
        if not (work / f"{program}.class").exists():
            compiled = subprocess.run(
                ["javac", "-cp", JDBC, "-d", work, HERE / f"drivers/{program}.java"], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if compiled.returncode != 0:
                raise AssertionError(compiled.stdout)
        classpath = ":".join([str(work), str(JDBC), *(str(p) for p in
                              Path("/usr/share/java").glob("ongres-*.jar"))])
        return "java", "-Xshare:auto", "-cp", classpath, program

    def test_pgjdbc(self):
        self.same(*self.java("WithPgjdbc"))

    def test_pgjdbc_metadata(self):
        """Every method of DatabaseMetaData."""
        self.same(*self.java("PgjdbcMetadata"), lines=20000)

    def test_pgjdbc_sessions(self):
        self.same(*self.java("PgjdbcSessions"), lines=500)

    def test_pgjdbc_refusals(self):
        before = self.env.dump()
        done = self.through_vitrine(*self.java("PgjdbcRefusals"))
        self.assertEqual(done.stdout.splitlines(), [
            "insert: 25006", "generated keys: 25006", "batch: 25006", "updatable row: 25006",
            "procedure: 42501", "function: 42501", "copy in: 25006", "listen: 42501",
            "large object made: 0A000", "large object read: 0A000",
            "large object gone: 0A000", "two phases: 25006", "done"], done.stderr)
        self.assertEqual(self.env.dump(), before)

    # --- what drivers do to a read-only session of their own -------------------------------------

    def test_psycopg2_asked_for_read_write(self):
        """readonly=False is said with the next BEGIN, and neither the connection nor the call
        breaks over it; nothing can be written for it."""
        code = """
import psycopg2
c = psycopg2.connect("")
c.set_session(readonly=False)
cursor = c.cursor()
for statement in ("SELECT count(*) FROM library.books", "SHOW transaction_read_only"):
    try:
        cursor.execute(statement)
        print(statement, *cursor.fetchone())
    except psycopg2.errors.ReadOnlySqlTransaction:
        print(statement, "refused")
        c.rollback()
try:
    cursor.execute("DELETE FROM library.loans")
    print("deleted")
except psycopg2.errors.ReadOnlySqlTransaction:
    c.rollback()
c.set_session(readonly="DEFAULT")
cursor.execute("SELECT count(*) FROM library.books")
print("and on", *cursor.fetchone())
"""
        done = self.through_vitrine(PYTHON, "-c", code)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\ASELECT.* (400|refused)\nSHOW.* (on|refused)\n"
                                      r"and on 400\n\Z")

    def test_sqlalchemy_read_only_goes_back_to_its_pool(self):
        """SQLAlchemy says readonly=False to a connection that goes back to the pool after it was
        asked to be read-only, and READ WRITE is refused; an engine that says read-only for all its
        connections goes on."""
        code = """
from sqlalchemy import create_engine, text
for options in ({"postgresql_readonly": True}, {"isolation_level": "AUTOCOMMIT"},
                {"postgresql_readonly": True, "isolation_level": "SERIALIZABLE"}):
    engine = create_engine("postgresql+psycopg2://", pool_size=1, max_overflow=0,
                           execution_options=options)
    for _ in range(3):
        with engine.connect() as connection:
            print(connection.execute(text("SELECT count(*) FROM library.books")).scalar(),
                  connection.execute(text("SHOW transaction_read_only")).scalar())
"""
        done = self.through_vitrine(PYTHON, "-c", code)
        self.assertEqual(done.stdout, "400 on\n" * 9, done.stderr)

    def test_psycopg3_read_only_and_back(self):
        """READ WRITE (which psycopg 3.1 also sends for None) is an error of the statement, and the
        connection goes on."""
        code = """
import psycopg
with psycopg.connect("") as c:
    for mode in (True, None, False, True):
        c.read_only = mode
        try:
            print(*c.execute("SHOW transaction_read_only").fetchone())
        except psycopg.errors.ReadOnlySqlTransaction as e:
            print(e.sqlstate)
        c.rollback()
"""
        done = self.through_vitrine(PYTHON, "-c", code)
        self.assertEqual(done.stdout, "on\n25006\n25006\non\n", done.stderr)

    # --- the wire under it -----------------------------------------------------------------------

    def test_a_parameter_of_type_void_is_no_argument(self):
        """pgjdbc sends one for what a function returns, and the server leaves it out when it looks
        for the function: so must who judges the call."""
        void, varchar = 2278, 1043
        with self.env.proxy.login() as client:
            def call(sql, types, values):
                client.send(parse(sql, types=types), bind(values=values), execute(), sync())
                return client.receive_until("ReadyForQuery")

            for sql, types, values, answer in (
                    ("SELECT * FROM upper($1, $2) AS result", [void, varchar], [None, "called"],
                     b"CALLED"),
                    ("SELECT pg_catalog.pi($1)", [void], [None], b"3.141592653589793"),
                    ("SELECT left($1, 'abc', $2, 2)", [void, void], [None, None], b"ab")):
                with self.subTest(sql):
                    self.assertEqual(rows_of(call(sql, types, values)), [[answer]])
            # With three arguments a harmless function, with two one that runs SQL from a string.
            inner = "'SELECT ''a''::tsquery, plainto_tsquery(email) FROM public.customers'"
            for sql, types in (
                    (f"SELECT ts_rewrite('a'::tsquery, {inner}, $1)", [void]),
                    (f"SELECT ts_rewrite('a'::tsquery, $1, {inner})", [void]),
                    (f"SELECT ts_rewrite($1, 'a'::tsquery, {inner})", [void]),
                    (f"SELECT * FROM ts_rewrite('a'::tsquery, {inner}, ($1))", [void]),
                    ("SELECT pg_advisory_lock(1, $1)", [void]),
                    ("SELECT public.writer('x', $1)", [void])):
                with self.subTest(sql):
                    messages = call(sql, types, [None])
                    self.assertEqual(error_of(messages).sqlstate, "42501")
                    self.assertEqual(rows_of(messages), [])
            # And where SQL says the type.
            prepared = client.simple(
                f"PREPARE p (void) AS SELECT ts_rewrite('a'::tsquery, {inner}, $1)")
            self.assertEqual(error_of(prepared).sqlstate, "0A000")

    def test_drivers_see_refusals_as_errors(self):
        """SQLSTATE and position arrive in a driver's own exception."""
        code = ("import psycopg2\n"
                "c = psycopg2.connect('')\n"
                "try:\n    c.cursor().execute('SELECT 1; DELETE FROM library.loans')\n"
                "except psycopg2.errors.ReadOnlySqlTransaction as e:\n"
                "    print(e.diag.sqlstate, e.diag.statement_position, bool(e.diag.message_hint))\n")
        done = subprocess.run(["/usr/bin/python3", "-c", code], text=True,
                              env=self.env.proxy.environment(USER, self.token, DATABASE),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertTrue(re.search(r"^25006 11 True$", done.stdout, re.M), done.stdout)
