"""pgbench -S through vitrine over TLS, with the query log on: to its end, without an error."""

import re
import subprocess
import unittest

from environment import DATABASE, SANITIZED, USER, shared


class Pgbench(unittest.TestCase):
    def run_mode(self, mode):
        env = shared()
        clients, transactions = (4, 100) if SANITIZED else (8, 500)
        done = subprocess.run(
            ["pgbench", "-n", "-S", "-M", mode, "-c", str(clients), "-j", "2", "-t",
             str(transactions), DATABASE],
            env=env.proxy.environment(USER, env.proxy.token(USER, DATABASE), DATABASE), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout)
        made = re.search(r"actually processed: (\d+)/(\d+)", done.stdout)
        self.assertTrue(made and made[1] == made[2] == str(clients * transactions), done.stdout)
        self.assertRegex(done.stdout, r"number of failed transactions: 0 ")
        self.assertNotIn("error", done.stdout.lower())
        return clients * transactions

    def test_modes(self):
        env = shared()
        for mode in ("simple", "extended", "prepared"):
            with self.subTest(mode):
                before = len(env.proxy.statements())
                made = self.run_mode(mode)
                # Each of them is on record: the SELECTs, and in the prepared mode the Parses too.
                self.assertGreaterEqual(len(env.proxy.statements()) - before, made)

    def test_a_connection_each(self):
        env = shared()
        done = subprocess.run(
            ["pgbench", "-n", "-S", "-C", "-c", "4", "-j", "2", "-t", "5", DATABASE],
            env=env.proxy.environment(USER, env.proxy.token(USER, DATABASE), DATABASE), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=120)
        self.assertIn("actually processed: 20/20", done.stdout)

    def test_pipeline(self):
        """Ten SELECTs a batch, in a pgbench script of its own."""
        env = shared()
        script = env.path / "pipeline.sql"
        script.write_text("\\startpipeline\n"
                          + "SELECT abalance FROM pgbench_accounts WHERE aid = 5;\n" * 10
                          + "\\endpipeline\n")
        for mode in ("extended", "prepared"):
            with self.subTest(mode):
                done = subprocess.run(
                    ["pgbench", "-n", "-M", mode, "-f", script, "-c", "4", "-t", "20", DATABASE],
                    env=env.proxy.environment(USER, env.proxy.token(USER, DATABASE), DATABASE),
                    text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, timeout=120)
                self.assertIn("actually processed: 80/80", done.stdout)
                self.assertRegex(done.stdout, r"number of failed transactions: 0 ")

    def test_writing_script_fails(self):
        """The other half: pgbench's own writing script does not run to its end."""
        env = shared()
        before = env.sql("SELECT sum(abalance), (SELECT count(*) FROM pgbench_history) "
                         "FROM pgbench_accounts")
        done = subprocess.run(
            ["pgbench", "-n", "-c", "1", "-t", "1", DATABASE],
            env=env.proxy.environment(USER, env.proxy.token(USER, DATABASE), DATABASE), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(env.sql("SELECT sum(abalance), (SELECT count(*) FROM pgbench_history) "
                                 "FROM pgbench_accounts"), before)
