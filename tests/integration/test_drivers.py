"""The same program, through vitrine and directly: the same output. Each lies in drivers/ and reads
where to connect from the usual environment variables."""

import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from environment import DATABASE, HERE, USER, shared

JDBC = Path("/usr/share/java/postgresql.jar")


class Drivers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.token = cls.env.proxy.token(USER, DATABASE)

    def same(self, command, cwd=None):
        said = []
        for environment in (self.env.proxy.environment(USER, self.token, DATABASE),
                            self.env.direct_environment() | {
                                "PGSSLMODE": "verify-full",
                                "PGSSLROOTCERT": str(self.env.path / "database-ca.crt")}):
            # Not localhost: some drivers take its first address only, which may be ::1.
            done = subprocess.run([str(c) for c in command], cwd=cwd, text=True,
                                  env=environment | {"PGHOST": "127.0.0.1"},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=180)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            said.append(done.stdout)
        self.assertEqual(said[0], said[1])
        # The program went its whole way.
        self.assertTrue(said[0].rstrip().endswith("done"), said[0][-300:])
        self.assertGreater(said[0].count("\n"), 15)

    def test_psycopg2(self):
        self.same(["/usr/bin/python3", HERE / "drivers/with_psycopg2.py"])

    def test_psycopg3(self):
        self.same(["/usr/bin/python3", HERE / "drivers/with_psycopg3.py"])

    def test_node_pg(self):
        if not shutil.which("npm") or not shutil.which("node"):
            self.skipTest("node is not installed")
        work = self.env.path / "node"
        shutil.copytree(HERE / "drivers/node", work, dirs_exist_ok=True)
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        installed = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"],
            cwd=work, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=300, env=os.environ | {"XDG_CACHE_HOME": str(cache)})
        self.assertEqual(installed.returncode, 0, installed.stdout)
        self.same(["node", "with_pg.js"], cwd=work)

    def test_pgjdbc(self):
        if not shutil.which("javac") or not JDBC.exists():
            self.skipTest("no JDK, or no pgjdbc in /usr/share/java")
        work = self.env.path / "java"
        work.mkdir(exist_ok=True)
        compiled = subprocess.run(["javac", "-cp", JDBC, "-d", work, HERE / "drivers/WithPgjdbc.java"], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(compiled.returncode, 0, compiled.stdout)
        classpath = ":".join([str(work), str(JDBC), *(str(p) for p in
                              Path("/usr/share/java").glob("ongres-*.jar"))])
        self.same(["java", "-Xshare:auto", "-cp", classpath, "WithPgjdbc"])

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
