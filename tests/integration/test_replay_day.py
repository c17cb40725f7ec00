"""`vitrine audit replay` of all that a day's programs ran: on a restored dump nothing differs; where
one row of it is changed, what read that row, and nothing else."""

import json
import re
import subprocess
import unittest

from environment import DATABASE, HERE, SANITIZED, USER, shared
import test_drivers
from test_drivers import PYTHON

RESTORED = "shop_restored"
ACCOUNT = 4242


class Day(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = env = shared()
        test_drivers.Drivers.env = env
        cls.proxy = env.another("replay_day")
        transactions = 20 if SANITIZED else 400
        for mode in ("simple", "extended", "prepared"):
            cls.pgbench("-S", "-M", mode, "-c", "3", "-t", str(transactions))
        cls.pgbench("-M", "extended", "-c", "2", "-t", str(transactions // 4), "-f",
                    HERE / "pgbench_reads.sql")
        # The row that will be another: read in each way, as text and in binary.
        one = env.path / "one_account.sql"
        one.write_text(f"\\set aid {ACCOUNT}\n"
                       "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
                       "SELECT count(*) FROM pgbench_accounts WHERE aid < :aid;\n")
        for mode in ("simple", "prepared"):
            cls.pgbench("-M", mode, "-c", "1", "-t", "2", "-f", one)
        cls.program(PYTHON, HERE / "drivers/log_psycopg3.py")
        cls.program("node", "log_pg.js", cwd=test_drivers.Drivers.node_modules())
        cls.program(*test_drivers.Drivers.java("LogPgjdbc"))
        env.database.sql(f"CREATE DATABASE {RESTORED}")
        server = env.database.environment(DATABASE)
        dump = subprocess.Popen(["pg_dump", "-Fc", DATABASE], env=server, stdout=subprocess.PIPE)
        subprocess.run(["pg_restore", "-d", RESTORED, "--exit-on-error"], env=server,
                       stdin=dump.stdout, check=True, timeout=300)
        if dump.wait() != 0:
            raise RuntimeError("pg_dump failed")
        done = cls.proxy.verb("audit", "list", "--directory", cls.proxy.audit, "--format", "json")
        cls.sessions = [s["session"] for s in json.loads(done.stdout) if s["statements"]]

    @classmethod
    def pgbench(cls, *arguments):
        done = subprocess.run(
            ["pgbench", "-n", "-j", "2", *arguments, DATABASE],
            env=cls.proxy.environment(USER, cls.proxy.token(USER, DATABASE), DATABASE), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=300)
        if done.returncode != 0:
            raise RuntimeError(done.stdout)

    @classmethod
    def program(cls, *command, cwd=None):
        environment = cls.proxy.environment(USER, cls.proxy.token(USER, DATABASE), DATABASE)
        done = test_drivers.Drivers.through(cls, environment, command, cwd)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def replay(self):
        """All statements of all sessions, as they came out again."""
        direct = self.env.direct_environment()
        dsn = (f"host=localhost port={direct['PGPORT']} dbname={RESTORED} user=vitrine_reader "
               f"password={direct['PGPASSWORD']} sslmode=require")
        statements = []
        for session in self.sessions:
            done = subprocess.run([self.proxy.program, "audit", "replay", session, "--config",
                                   self.proxy.config, "--against", dsn, "--format", "json"],
                                  text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=300)
            self.assertIn(done.returncode, (0, 1), done.stderr)
            said = json.loads(done.stdout)
            different = [s for s in said["statements"] if s["verdict"] == "different"]
            self.assertEqual(done.returncode, 1 if different else 0)
            statements += [s | {"session": session} for s in said["statements"]]
        return statements

    def test_day(self):
        statements = self.replay()
        self.assertGreater(len(statements), 200 if SANITIZED else 4000)
        self.assertEqual([s for s in statements if s["verdict"] == "different"], [])
        unlike = {(s["why"], s["sql"]) for s in statements
                  if s["why"] not in ("", "refused then and now")}
        # Nearly all of them are compared, values included.
        self.assertLess(len(unlike), 12, unlike)

        self.env.database.sql(f"UPDATE pgbench_accounts SET abalance = abalance + 1 "
                              f"WHERE aid = {ACCOUNT}", RESTORED)
        read_it = {(r["session"], r["statement"]) for r in self.proxy.statements()
                   if self.reads_the_account(r)}
        self.assertGreaterEqual(len(read_it), 4)
        again = self.replay()
        self.assertEqual({(s["session"], s["statement"]) for s in again
                          if s["verdict"] == "different"}, read_it)
        self.assertEqual({s["why"] for s in again if s["verdict"] == "different"}, {"values"})

    def reads_the_account(self, record):
        if record["verdict"] != "allow":
            return False
        key = record["session"], record.get("of", record["statement"])
        sql = self.texts.get(key, "")
        if not re.search(r"SELECT abalance FROM pgbench_accounts WHERE aid = ", sql):
            return False
        return (record.get("params") == [str(ACCOUNT)] if "of" in record
                else sql.rstrip("; ").endswith(f"= {ACCOUNT}"))

    @property
    def texts(self):
        if not hasattr(self, "_texts"):
            self._texts = {(r["session"], r["statement"]): r["sql"]
                           for r in self.proxy.statements() if "sql" in r}
        return self._texts


if __name__ == "__main__":
    unittest.main()
