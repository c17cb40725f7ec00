"""The tripwires, with the rewriting switched off: what comes back raw ends the session.

`vitrine_without_rewriting` judges and records like vitrine and then sends the client's own text. It
shows that a defect of the rewriting would not show a value: a column that comes back as itself in a
RowDescription, or would without one being asked for, ends the session before a row of it has passed.

What no tripwire can see: a masked column within an expression, an aggregate or a set operation, whose
column in the RowDescription belongs to no table; and COPY, which has no RowDescription. UNSEEN has an
example of each, so that this list is true; only the rewriting stands before these.
"""

import unittest

from environment import DATABASE, PRESET, USER, REPOSITORY, shared
from wire_client import (ConnectionClosed, bind, describe, execute, parse, query, sync, within)

PROGRAM = REPOSITORY / f"build/{PRESET}/tests/vitrine_without_rewriting"

# Each shows a masked column as itself.
RAW = {
    "a column": "SELECT email FROM customers",
    "among others": "SELECT id, name, phone, region FROM customers",
    "all columns": "SELECT * FROM customers",
    "TABLE": "TABLE cards",
    "renamed": "SELECT notes AS x FROM customers AS c (a, b)",
    "ordered and limited": "SELECT ssn FROM customers WHERE ssn IS NOT NULL ORDER BY id LIMIT 3",
    "a generated column": "SELECT email_lower FROM customers",
    "a join": "SELECT o.id, c.notes FROM orders o JOIN customers c ON c.id = o.customer_id",
    "USING": "SELECT id, email FROM customers JOIN (SELECT id FROM orders) o USING (id)",
    "LATERAL": "SELECT l.phone FROM orders o, LATERAL (SELECT phone FROM customers c "
               "WHERE c.id = o.customer_id) l",
    "a sub-select": "SELECT e FROM (SELECT email AS e FROM customers OFFSET 0) s",
    "a CTE": "WITH c AS MATERIALIZED (SELECT notes FROM customers) SELECT * FROM c",
    "DISTINCT": "SELECT DISTINCT notes FROM customers",
    "GROUP BY": "SELECT notes, count(*) FROM customers GROUP BY notes",
    "a row by its field": "SELECT (c).email FROM customers c",
    "a whole row": "SELECT c FROM customers c",
    "a whole row of a sub-select's table": "SELECT s.c FROM (SELECT c FROM customers c) s",
    "a partitioned table": "SELECT payload FROM events",
    "a partition": "SELECT payload FROM events_2025",
    "a partition of a partition": "SELECT payload FROM events_rest_all",
    "an inheritance parent": "SELECT contact FROM people",
    "ONLY a parent": "SELECT contact FROM ONLY people",
    "a child": "SELECT contact FROM staff",
    "names to be quoted": 'SELECT "E-Mail" FROM "Mixed"."Client Data"',
    "a view": "SELECT email FROM customer_contacts",
    "a view's other column": "SELECT name FROM customer_contacts",
    "a view over a view": "SELECT phone FROM customer_contacts_again",
    "what a view computes": "SELECT customer FROM customer_rows",
    "a whole row of a view": "SELECT v FROM customer_contacts v",
    "FETCH": "FETCH 5 FROM raw",
    "EXECUTE": "EXECUTE raw",
}
BEFORE = {
    "FETCH": ["BEGIN", "DECLARE raw CURSOR FOR SELECT id, email FROM customers"],
    "EXECUTE": ["PREPARE raw AS SELECT notes FROM customers"],
}

# Shows raw values, and no RowDescription says of what.
UNSEEN = {
    "an expression": "SELECT notes || '' FROM customers",
    "a cast": "SELECT ssn::text FROM customers",
    "an aggregate": "SELECT min(notes) FROM customers",
    "a set operation": "SELECT notes FROM customers UNION ALL SELECT notes FROM customers",
    "USING of an outer join": "SELECT notes FROM customers FULL JOIN (SELECT notes FROM customers) c "
                              "USING (notes)",
    "a row as JSON": "SELECT to_jsonb(c) FROM customers c",
    "COPY": "COPY customers TO STDOUT",
    "COPY of a query": "COPY (SELECT email FROM customers) TO STDOUT",
    "a scalar sub-select": "SELECT (SELECT notes FROM customers WHERE notes IS NOT NULL LIMIT 1)",
}


def batch(*messages):
    return b"".join(messages)


def answer(client):
    """What comes until the server is ready for more, or ends the connection."""
    messages = []
    try:
        while not messages or messages[-1].name != "ReadyForQuery":
            messages.append(client.receive())
    except ConnectionClosed:
        pass
    return messages


# The ways a statement can be asked for; each with `$` for its text.
WAYS = {
    "simple": lambda sql: query(sql),
    "among others": lambda sql: query(f"SELECT 1; {sql}; SELECT 2"),
    "Describe of the portal": lambda sql: batch(parse(sql), bind(), describe("P"), execute(), sync()),
    "Describe of the statement": lambda sql: batch(parse(sql), describe("S"), sync()),
    "without Describe": lambda sql: batch(parse(sql), bind(), execute(), sync()),
    "without Describe, binary": lambda sql: batch(
        parse(sql), bind(result_formats=[1]), execute(rows=1), sync()),
    "a named statement and portal": lambda sql: batch(
        parse(sql, "s"), bind("p", "s"), execute("p", 2), execute("p", 2), sync()),
    "binary": lambda sql: batch(parse(sql), bind(result_formats=[1]), describe("P"), execute(),
                                sync()),
    "another's Describe": lambda sql: batch(
        parse("SELECT 1", "one"), bind("one", "one"), describe("P", "one"),
        parse(sql), bind("p"), execute("p"), sync()),
    "Describe of the portal of before": lambda sql: batch(
        parse("SELECT 1"), bind(), describe("P"), parse(sql), bind(), execute(), sync()),
}


class Tripwire(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.another("without-rewriting", start=False)
        cls.proxy.program = PROGRAM
        cls.proxy.start()
        cls.token = cls.proxy.token(USER, DATABASE)

    def session_end(self):
        return [r for r in self.proxy.records() if r["type"] == "session_end"]

    def ends(self, name, message):
        """Sends it to a new session, which must end, with no DataRow of a raw value."""
        before = len(self.session_end())
        with self.proxy.login(self.token) as client:
            for sql in BEFORE.get(name, ()):
                client.simple(sql)
            start = len(client.received)
            client.send(message)
            said = answer(client)
            received = bytes(client.received[start:])
        errors = [m for m in said if m.name == "ErrorResponse"]
        self.assertEqual([m.fields["V"] for m in errors], ["FATAL"], said)
        self.assertEqual(errors[0].sqlstate, "42501")
        self.assertNotIn(b"canary", received.lower())
        # Of one that shows no raw value, rows may have passed.
        self.assertLessEqual(sum(m.name == "DataRow" for m in said), 1)
        self.assertTrue(within(20, lambda: len(self.session_end()) > before))
        end = self.session_end()[-1]
        self.assertEqual(end["cause"], "error")
        results = [r for r in self.proxy.records()
                   if r["type"] == "result" and r["session"] == end["session"]]
        self.assertIn("masked column would have been shown", str(results))
        self.assertEqual(len({r["statement"] for r in results}), len(results), results)

    def test_what_comes_back_as_itself(self):
        for name, sql in RAW.items():
            for way, message in WAYS.items():
                with self.subTest(name, way=way):
                    self.ends(name, message(sql))
        said = self.proxy.log.read_text()
        self.assertIn("tripwire: column", said)

    def test_they_are_attacks(self):
        """Each of them shows a raw value where nothing is between."""
        for name, sql in (*RAW.items(), *UNSEEN.items()):
            with self.subTest(name), self.env.direct() as direct:
                for first in BEFORE.get(name, ()):
                    direct.simple(first)
                said = direct.simple(sql)
                self.assertTrue({"DataRow", "CopyData"} & {m.name for m in said}, said)
                if name not in ("a view's other column",):
                    self.assertIn(b"canary", bytes(direct.received).lower())

    def test_cursors_over_the_protocol(self):
        """A portal that DECLARE made, and one that is executed in a batch of its own."""
        for before, message in (
                (query("DECLARE c CURSOR FOR SELECT email FROM customers"), execute("c", 2)),
                (query("DECLARE c BINARY CURSOR FOR SELECT email FROM customers"), execute("c", 2)),
                (batch(parse("SELECT email FROM customers"), bind("c"), sync()), execute("c", 2)),
                (batch(parse("SELECT email FROM customers", "s"), sync()),
                 batch(bind("c", "s"), execute("c"))),
                (query("PREPARE s AS SELECT email FROM customers"),
                 batch(bind("c", "s"), execute("c")))):
            with self.subTest(before), self.proxy.login(self.token) as client:
                client.simple("BEGIN")
                client.send(before)
                client.receive_until("ReadyForQuery")
                client.send(message, sync())
                said = answer(client)
                self.assertEqual([m.fields["V"] for m in said if m.name == "ErrorResponse"],
                                 ["FATAL"], said)
                self.assertNotIn("DataRow", [m.name for m in said])
                self.assertNotIn(b"CANARY", bytes(client.received))

    def test_what_no_tripwire_sees(self):
        for name, sql in UNSEEN.items():
            with self.subTest(name), self.proxy.login(self.token) as client:
                client.simple(sql)
                self.assertIn(b"CANARY", bytes(client.received))

    def test_open_columns_pass(self):
        """The tripwire is no other judge: what is not masked comes, from a masked table too."""
        with self.proxy.login(self.token) as client:
            for sql in ("SELECT id, name, region FROM customers", "SELECT * FROM crm.customers",
                        "SELECT kind, day FROM events", "SELECT name FROM product_prices"):
                for message in WAYS.values():
                    client.send(message(sql))
                    self.assertNotIn("ErrorResponse", [
                        m.name for m in client.receive_until("ReadyForQuery")])
                    client.simple("DEALLOCATE ALL")

    def test_it_says_what_it_is(self):
        said = self.proxy.verb("--version")
        self.assertIn("NOTHING IS MASKED", said.stdout)
        self.assertIn("NOTHING IS MASKED", self.proxy.verb("check", "--config", "/none").stderr)
        self.assertIn("NOTHING IS MASKED", self.proxy.log.read_text())
        self.assertNotIn("NOTHING IS MASKED", self.env.proxy.verb("--version").stdout)
        self.assertNotIn(b"NOTHING IS MASKED", (REPOSITORY / f"build/{PRESET}/vitrine").read_bytes())


if __name__ == "__main__":
    unittest.main()
