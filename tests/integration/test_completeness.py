"""What programs ran is in the log: each statement with its values and its rows, in their order, none
twice and none missing. The programs say themselves what they ran (drivers/log_*)."""

import json
import unittest

from environment import DATABASE, HERE, shared
import test_drivers
from test_drivers import PYTHON

MARK = "/*log*/"


class Completeness(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        test_drivers.Drivers.env = cls.env

    def logged(self, user):
        """[sql, values, rows, sqlstate] of each marked statement that has run or failed."""
        records = self.env.proxy.records(user)
        texts, runs = {}, []
        results = {}
        for record in records:
            if record["type"] == "result":
                self.assertNotIn((record["session"], record["statement"]), results)
                results[record["session"], record["statement"]] = record
        for record in records:
            if record["type"] != "statement":
                continue
            key = record["session"], record["statement"]
            if "sql" in record:
                self.assertNotIn(key, texts)
                texts[key] = record["sql"]
            sql = texts[record["session"], record.get("of", record["statement"])]
            result = results.get(key)
            if MARK in sql and result is not None and result["sqlstate"]:
                runs.append([sql, record.get("params"), result["rows"], result["sqlstate"]])
        return runs

    def complete(self, user, *command, cwd=None):
        environment = self.env.proxy.environment(user, self.env.proxy.token(user, DATABASE),
                                                 DATABASE)
        done = test_drivers.Drivers.through(self, environment, command, cwd)
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = json.loads(done.stdout)
        self.assertGreater(len(expected), 8)
        self.assertEqual(self.logged(user), expected)

    def test_psycopg3(self):
        self.complete("log_psycopg3", PYTHON, HERE / "drivers/log_psycopg3.py")

    def test_node_pg(self):
        self.complete("log_node", "node", "log_pg.js", cwd=test_drivers.Drivers.node_modules())

    def test_pgjdbc(self):
        self.complete("log_pgjdbc", *test_drivers.Drivers.java("LogPgjdbc"))

    def test_psql(self):
        user = "log_psql"
        statements = [(f"SELECT {MARK} {n} FROM generate_series(1, {n})", n, "00000")
                      for n in range(1, 6)]
        statements += [(f"SELECT {MARK} nope", 0, "42703"),
                       (f"COPY (SELECT {MARK} 1) TO STDOUT", 1, "00000"),
                       (f"UPDATE {MARK} library.books SET id = 1", 0, "25006"),
                       (f"VALUES {MARK} (1), (2)", 2, "00000")]
        done = self.env.proxy.psql("-f", "-", token=self.env.proxy.token(user, DATABASE), user=user,
                                   stdin="".join(f"{sql};\n" for sql, _, _ in statements))
        self.assertIn("nope", done.stdout)
        # Several in one text, and with values: psql's \bind is of 16.
        several = f"SELECT {MARK} 6; SELECT {MARK} 7 FROM generate_series(1, 3)"
        self.env.proxy.psql("-c", several, token=self.env.proxy.token(user, DATABASE), user=user)
        self.assertEqual(self.logged(user),
                         [[sql, None, rows, state] for sql, rows, state in statements]
                         + [[f"SELECT {MARK} 6", None, 1, "00000"],
                            [f"SELECT {MARK} 7 FROM generate_series(1, 3)", None, 3, "00000"]])


if __name__ == "__main__":
    unittest.main()
