"""The search_path that a statement is judged under is the one it runs under, whatever happened
before: each of these sequences once read raw data. And rules that change reach what is running."""

import os
import re
import signal
import time
import unittest

from environment import SANITIZED, shared
from wire_client import (bind, close, describe, error_of, execute, names, parse, query, rows_of,
                         sync)

CRM = "SET search_path = crm, pg_catalog"
PUBLIC = "SET search_path = public"
READ = "SELECT lower(email) FROM customers LIMIT 2"


def run(sql, name=""):
    return parse(sql, name) + bind(statement=name) + execute()


class Path(unittest.TestCase):
    def setUp(self):
        self.proxy = shared().proxy
        self.client = self.proxy.login()
        self.addCleanup(self.client.close)

    def batch(self, *messages):
        """Sends them at once; everything up to the last ReadyForQuery that is due."""
        raw = b"".join(messages)
        self.client.send(raw)
        due = sum(1 for m in messages if m[:1] in (b"S", b"Q"))
        seen = []
        for _ in range(due):
            seen += self.client.receive_until("ReadyForQuery")
        self.assertNotIn("canary", repr(seen).lower())
        return seen

    def test_execute_of_a_parsed_statement(self):
        for made in (CRM, "SELECT set_config('search_path', 'crm, pg_catalog', false)",
                     "PREPARE y AS " + READ, "EXECUTE other", "BEGIN"):
            for use in ("EXECUTE s", "EXPLAIN (ANALYZE) EXECUTE s", "EXECUTE s; SELECT lower('x')"):
                with self.subTest(made, use=use), self.proxy.login() as client:
                    client.send(parse(made, "s"), sync())
                    client.receive_until("ReadyForQuery")
                    for sql in (use, "SELECT lower('x')", READ):
                        self.assertNotIn("canary", repr(client.simple(sql)).lower())

    def test_a_parse_that_fails_over_an_existing_name(self):
        self.batch(parse(CRM, "s"), sync())
        self.batch(parse("SELECT 2", "s"), sync(), bind(statement="s"), execute(), sync(),
                   query("SELECT lower('x')"))
        self.batch(query("SELECT lower('x')"))

    def test_the_end_of_an_implicit_transaction(self):
        for end in (sync(), query("SELECT 1")):
            self.batch(run("SET LOCAL search_path = crm"), run("SELECT 1"), end)
            self.batch(query(READ))
            self.batch(run("SELECT set_config('search_path', 'crm', true)"), end, query(READ))
            self.batch(run("SET LOCAL search_path = crm"), parse(READ, "r"), end,
                       bind(statement="r"), execute(), sync())
            self.batch(close("S", "r"), sync())

    def test_a_path_set_between_parse_and_bind(self):
        for use in (bind("p", "m") + execute("p"), describe("S", "m") + bind("p", "m") + execute("p")):
            seen = self.batch(run("SET search_path = crm"), parse(READ, "m"), run(PUBLIC), use, sync())
            self.assertEqual(error_of(seen).sqlstate, "26000")
            self.batch(close("S", "m"), sync())

    def test_what_is_prepared_of_a_masked_table_stays_whatever_the_path(self):
        # The first is forwarded but for the schema, the second has its masks in it.
        for read in ("SELECT id FROM people ORDER BY id LIMIT 1",
                     "SELECT contact FROM people ORDER BY id LIMIT 1"):
            with self.subTest(read), self.proxy.login() as client:
                def used(name):
                    client.send(bind(statement=name), execute(), sync())
                    seen = client.receive_until("ReadyForQuery")
                    self.assertNotIn("ErrorResponse", names(seen), seen)
                    return rows_of(seen)

                client.send(parse(read, "before"), sync())
                client.receive_until("ReadyForQuery")
                first = used("before")
                client.simple(PUBLIC)
                client.send(parse(read, "behind"), sync())
                client.receive_until("ReadyForQuery")
                self.assertEqual(used("behind"), first)
                client.simple("SELECT lower('x')")  # the path is asked for
                self.assertEqual(used("behind"), first)
                self.assertEqual(used("before"), first)
                client.simple("BEGIN")
                client.simple("SET LOCAL search_path = crm")
                self.assertEqual(used("before"), first)
                client.simple("ROLLBACK")
                self.assertEqual(used("before"), first)

    def test_a_batch_that_fails_behind_a_set(self):
        for failing in (run("SELECT 1/0"), parse("DELETE FROM customers"), parse("SELEC")):
            self.batch(run("SET search_path = crm"), run("SELECT 1"), failing, sync(), query(READ))
            self.batch(query(READ))

    def test_rollbacks(self):
        self.batch(query("BEGIN"), query("SET search_path = crm"), query("ROLLBACK"), query(READ))
        self.batch(query("BEGIN"), query("SAVEPOINT a"), query("SET search_path = crm"),
                   query("ROLLBACK TO a"), query(READ), query("COMMIT"))
        self.batch(run("BEGIN"), run("SET search_path = crm"), run("ROLLBACK"), run(READ), sync())

    def test_statements_that_name_others(self):
        self.batch(query("SET search_path = crm"))
        self.batch(query("PREPARE y AS " + READ))  # crm's customers: not masked, and theirs to read
        self.batch(parse("EXECUTE y", "e"), sync())
        self.batch(query(PUBLIC))
        for messages in ((bind(statement="e"), execute(), sync()), (query("EXECUTE e"),),
                         (query("EXECUTE y"),), (bind(statement="y"), execute(), sync()),
                         (bind("p", "e"), sync())):
            seen = self.batch(*messages)
            self.assertTrue([m for m in seen if m.name == "ErrorResponse"])

    def test_an_unknown_statement_is_refused(self):
        error = error_of(self.batch(bind(statement="nobody"), execute(), sync()))
        self.assertEqual(error.sqlstate, "26000")

    # --- and ordinary use goes on ----------------------------------------------------------

    def test_the_next_unnamed_statement(self):
        one = run("SELECT email FROM customers LIMIT 1")
        self.batch(one, sync())
        self.batch(query("SET search_path = crm"))
        self.assertEqual(rows_of(self.batch(run("SELECT 1"), sync())), [[b"1"]])
        self.batch(query(PUBLIC))
        self.batch(parse("SELECT email FROM customers LIMIT 1", "S_1"), sync())
        self.batch(query("SET search_path = crm"))
        seen = self.batch(close("S", "S_1"), parse("SELECT 1", "S_1"), bind(statement="S_1"),
                          execute(), sync())
        self.assertEqual(rows_of(seen), [[b"1"]])

    def test_transaction_modes_behind_a_path(self):
        for first in ("SET search_path = public", "SET LOCAL search_path = public"):
            self.batch(query("SET search_path = public"))
            for sql in ("BEGIN", first, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                        "SAVEPOINT a", "SHOW transaction_isolation", "COMMIT"):
                self.assertNotIn("ErrorResponse", names(self.batch(query(sql))), sql)

    def test_prepare_behind_a_path(self):
        """Names that only the path tells apart, prepared and executed in SQL."""
        for path in ("crm", "public"):
            self.batch(query(f"SET search_path = {path}"))
            self.batch(query(f"PREPARE q_{path} AS SELECT count(*) > 0 FROM customers"))
            for _ in range(2):
                self.assertEqual(rows_of(self.batch(query(f"EXECUTE q_{path}"))), [[b"t"]])
            self.assertEqual(rows_of(self.batch(bind(statement=f"q_{path}"), execute(), sync())),
                             [[b"t"]])

    def test_describe_of_a_stale_statement(self):
        self.batch(query("SET search_path = crm"))
        self.batch(parse("SELECT email FROM customers", "s"), sync())
        self.batch(query(PUBLIC))
        self.assertEqual(error_of(self.batch(describe("S", "s"), sync())).sqlstate, "26000")
        self.assertEqual(rows_of(self.batch(query("SELECT 1"))), [[b"1"]])

    def test_pipelined_prepare_and_execute(self):
        seen = self.batch(query("PREPARE z AS SELECT 7"), query("EXECUTE z"),
                          bind(statement="z"), execute(), sync())
        self.assertEqual(rows_of(seen), [[b"7"], [b"7"]])
        seen = self.batch(parse("SELECT 8", "w"), sync(), query("EXECUTE w"))
        self.assertEqual(rows_of(seen), [[b"8"]])

    def test_a_long_statement_that_waits_for_the_path(self):
        # Longer than what may wait for the server (kOutputHighWaterBytes): the rest of the batch goes
        # on when it has gone out.
        for length in (100 << 10, 300 << 10, 2 << 20):
            with self.subTest(length=length):
                self.batch(query(PUBLIC))
                seen = self.batch(run(f"{READ} /* {'x' * length} */"), sync())
                self.assertEqual(len(rows_of(seen)), 2)

    def test_memory_of_binds(self):
        def memory():
            with open(f"/proc/{self.proxy.pid}/status") as f:
                return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) >> 10
        text = "SELECT 1 /* " + "x" * (4 << 20) + " */"
        self.batch(parse(text, "big"), sync())
        before = memory()
        self.batch(*[bind(f"p{i}", "big") + execute(f"p{i}") for i in range(150)], sync())
        # What a sanitizer frees it keeps for a while.
        if not SANITIZED:
            self.assertLess(memory() - before, 150)


class Rules(unittest.TestCase):
    """Rules that change under live sessions."""

    def reload(self, proxy, text):
        proxy.config.write_text(text)
        os.kill(proxy.pid, signal.SIGHUP)
        time.sleep(2)

    def test_what_is_open_does_not_go_on_under_the_old_rules(self):
        proxy = shared().another("open-rules", rules="[]")
        text = proxy.config.read_text()
        client = proxy.login()
        client.send(query("BEGIN"))
        client.receive_until("ReadyForQuery")
        client.simple("DECLARE cu CURSOR FOR SELECT lower(email) FROM customers")
        client.send(parse("SELECT email FROM customers"), bind("p"), execute("p", 2), sync())
        self.assertIn("canary", repr(client.receive_until("ReadyForQuery")).lower())
        self.reload(proxy, text.replace("rules: []", "rules: [{columns: [public.customers.email], mask: email}]"))
        client.send(execute("p", 2), sync())
        seen = repr(client.receive_to_end()).lower()
        self.assertNotIn("canary", seen)
        self.assertIn("57p01", seen)
        # A session without a transaction goes on, under the new ones.
        with proxy.login() as other:
            self.assertNotIn("canary", repr(other.simple("SELECT email FROM customers")).lower())
        proxy.stop()

    def test_nor_does_what_is_held_beyond_a_transaction(self):
        proxy = shared().another("held-rules", rules="[]")
        text = proxy.config.read_text()
        held = "CURSOR WITH HOLD FOR SELECT lower(email) FROM customers"
        clients = [proxy.login() for _ in range(4)]
        for i, make in enumerate((
                [query(f"DECLARE h {held}")],
                [query(f"BEGIN; DECLARE h NO SCROLL {held}; COMMIT")],
                [parse(f"DECLARE h {held}"), bind(), execute(), sync()],
                [parse(f"DECLARE h {held}", name="d"), bind(statement="d"), execute(), sync()])):
            clients[i].send(*make)
            clients[i].receive_until("ReadyForQuery")
            self.assertIn("canary", repr(clients[i].simple("FETCH 2 FROM h")).lower())
        self.reload(proxy, text.replace("rules: []", "rules: [{columns: [public.customers.email], mask: email}]"))
        for client in clients:
            client.send(query("FETCH 2 FROM h"))
            seen = repr(client.receive_to_end()).lower()
            self.assertNotIn("canary", seen)
            self.assertIn("57p01", seen)
        proxy.stop()

    def test_a_database_that_is_taken_out_and_put_back(self):
        proxy = shared().another("out-and-back", rules="[]")
        text = proxy.config.read_text()
        without = re.sub(r"\n  shop:\n", "\n  elsewhere:\n", text)
        self.assertNotEqual(without, text)
        with proxy.login() as client:
            name = "SELECT name FROM customers WHERE id OPERATOR(pg_catalog.=) 1"
            self.assertEqual(rows_of(client.simple(name)), [[b"Customer 1"]])
            self.reload(proxy, without)
            self.assertEqual(error_of(client.simple(name)).sqlstate, "57P03")
            self.reload(proxy, text.replace(
                "rules: []", 'rules: [{columns: [public.customers.name], mask: "null"}]'))
            self.assertEqual(rows_of(client.simple(name)), [[None]])
        proxy.stop()


if __name__ == "__main__":
    unittest.main()
