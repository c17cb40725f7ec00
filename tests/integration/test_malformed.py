"""What is not the protocol, and statements that are not meant to be survived: an error, in bounded
memory, and the proxy lives."""

import random
import struct
import unittest

from environment import PATIENCE, SANITIZED, shared
from wire_client import (ConnectionClosed, bind, describe, error_of, execute, message, names,
                         parse, query, rows_of, string, sync)

MALFORMED = {
    "unknown type": message(b"z", b""),
    "type byte 0": message(b"\0", b""),
    "a backend's type": message(b"Z", b"I"),
    "length below its minimum": b"Q\0\0\0\x03",
    "length of zero": b"S\0\0\0\0",
    "negative length": b"Q\xff\xff\xff\xff",
    "length of 2 GB": b"Q\x7f\xff\xff\xff",
    "Sync of 1 MB": b"S" + struct.pack("!I", 1 << 20) + b"x" * 100,
    "Query without its end": message(b"Q", b"SELECT 1"),
    "Query with bytes behind": message(b"Q", b"SELECT 1\0SELECT 2\0"),
    "Query that is empty of all": message(b"Q", b""),
    "Parse without its end": message(b"P", b"name"),
    "Parse with a type count too many": message(b"P", b"\0SELECT 1\0\0\x05"),
    "Parse with a negative type count": message(b"P", b"\0SELECT 1\0\xff\xff"),
    "Parse with bytes behind": message(b"P", b"\0SELECT 1\0\0\0more"),
    "Bind cut in the formats": message(b"B", b"\0\0\0\x02\0"),
    "Bind with a value too long": message(b"B", b"\0\0\0\0\0\x01\x7f\xff\xff\xff"),
    "Bind with a length of -2": message(b"B", b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
    "Bind with bytes behind": message(b"B", b"\0\0\0\0\0\0\0\0x"),
    "Bind with too many formats": message(b"B", b"\0\0\xff\xff"),
    "Describe of X": describe("X"),
    "Describe of nothing": message(b"D", b""),
    "Close of X": message(b"C", b"X\0"),
    "Execute cut": message(b"E", b"\0\0\0"),
    "Execute with bytes behind": message(b"E", b"\0\0\0\0\0\0"),
    "Flush with a payload": message(b"H", b"x"),
    "Terminate with a payload": message(b"X", b"x"),
    "a second startup": b"\0\0\0\x08\x04\xd2\x16\x2f",
    "a password again": message(b"p", b"x\0"),
}


class Malformed(unittest.TestCase):
    def test_each_ends_the_connection(self):
        proxy = shared().proxy
        for name, raw in MALFORMED.items():
            with self.subTest(name), proxy.login() as client:
                client.send(raw)
                client.socket.settimeout(8 * PATIENCE)
                messages = client.receive_to_end()
                if name == "Terminate with a payload":
                    continue  # the end either way
                error = error_of(messages)
                self.assertEqual((error.fields["S"], error.sqlstate), ("FATAL", "08P01"))
        with proxy.login() as client:
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])

    def test_memory_is_not_taken_on_a_strangers_word(self):
        """A length of 2 GB, announced and never sent, by many."""
        proxy = shared().proxy
        before = self.memory(proxy)
        clients = []
        for _ in range(20):
            client = proxy.login()
            client.send(b"Q\x3f\xff\xff\xff" + b"x" * 1000)
            clients.append(client)
        if not SANITIZED:
            self.assertLess(self.memory(proxy) - before, 100 << 20)
        for client in clients:
            client.close()

    @staticmethod
    def memory(proxy):
        """Resident bytes of the proxy."""
        with open(f"/proc/{proxy.pid}/statm") as f:
            return int(f.read().split()[1]) * 4096

    def test_texts_that_are_no_text(self):
        with shared().proxy.login() as client:
            for raw in (b"SELECT '\xff'\0", b"SELECT '\xc3'\0", b"SELECT 'a\xc0\x80'\0",
                        b"SELECT '\xed\xa0\x80'\0", b"\xf8\x88\x80\x80\x80\0",
                        b"SELECT '\xc3';DELETE FROM library.loans --'\0"):
                for make in (lambda r: message(b"Q", r), lambda r: message(b"P", b"\0" + r + b"\0\0")):
                    with self.subTest(raw):
                        client.send(make(raw))
                        if make(raw)[:1] == b"P":
                            client.send(sync())
                        messages = client.receive_until("ReadyForQuery")
                        self.assertIn(error_of(messages).sqlstate, ("22021", "42601"))
            self.assertEqual(rows_of(client.simple("SELECT 'é'")), [["é".encode()]])

    def test_nul_in_a_query(self):
        """A NUL ends the string, so there are bytes behind it: 08P01, and nothing has run."""
        with shared().proxy.login() as client:
            client.send(message(b"Q", b"SELECT 1\0; DELETE FROM library.loans\0"))
            self.assertEqual(error_of(client.receive_to_end()).sqlstate, "08P01")

    def test_syntax_errors_are_postgresqls(self):
        with shared().proxy.login() as client, shared().direct() as direct:
            for sql in ("SELEC 1", "SELECT 1 FROM", "SELECT 'é', FROM x", "SELECT 1;; SELEC 2",
                        "SELECT (1", 'SELECT "', "SELECT '", "SELECT $$", "/*", "SELECT E'\\u00'",
                        "SELECT 1 1e", "SELECT 100a", "SELECT ?", "SELECT 1 ? 2",
                        "SELECT * FROM a WHERE b = ?", "INSERT INTO", "SELECT U&'\\zzzz'",
                        "\u00a0SELECT 1", ") SELECT 1"):
                for how in ("simple", "extended"):
                    with self.subTest(sql, how=how):
                        seen = error_of(getattr(client, how)(sql))
                        true = error_of(getattr(direct, how)(sql))
                        self.assertEqual((seen.sqlstate, seen.fields["M"], seen.position),
                                         (true.sqlstate, true.fields["M"], true.position))

    def test_deep(self):
        depth = 100_000
        deep = {
            "parentheses": "SELECT " + "(" * depth + "1" + ")" * depth,
            "additions": "SELECT 1" + "+1" * depth,
            "subqueries": "SELECT * FROM " + "(SELECT * FROM " * depth + "library.books"
                          + ") x" * depth,
            "NOT": "SELECT " + "NOT " * depth + "true",
            "minus": "SELECT " + "- " * depth + "1",
            "unions": "SELECT 1" + " UNION ALL SELECT 1" * depth,
            "arrays": "SELECT " + "ARRAY[" * depth + "1" + "]" * depth,
            "joins": "SELECT 1 FROM library.books" + " CROSS JOIN library.books" * (depth // 4),
            "CASE": "SELECT " + "CASE WHEN true THEN " * depth + "1" + " END" * depth,
            "casts": "SELECT 1" + "::int" * depth,
            "comments": "SELECT " + "/*" * depth + "*/" * depth + "1",
            "only opening": "(" * depth,
            "ANDs": "SELECT true" + " AND true" * depth,
            "a list": "SELECT 1 IN (1" + ",1" * depth + ")",
        }
        proxy = shared().proxy
        pid = proxy.pid
        with proxy.login() as client:
            client.socket.settimeout(120)
            for name, sql in deep.items():
                for how in ("simple", "extended"):
                    with self.subTest(name, how=how):
                        messages = getattr(client, how)(sql)
                        if name in ("comments", "ANDs", "a list"):
                            continue  # not deep at all: may be answered
                        self.assertIn(error_of(messages).sqlstate,
                                      ("54001", "54000", "42601", "53200", "53400"))
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])
        self.assertTrue(proxy.running and proxy.pid == pid)

    def test_a_hundred_megabytes(self):
        proxy = shared().proxy
        before = self.memory(proxy)
        size = 100 << 20
        for name, make in (("query", lambda body: b"Q" + struct.pack("!I", len(body) + 5)),
                           ("parse", lambda body: b"P" + struct.pack("!I", len(body) + 8))):
            with self.subTest(name):
                client = proxy.login()
                client.socket.settimeout(60)
                body = b"SELECT '" + b"x" * size + b"'"
                tail = b"\0" if name == "query" else b"\0\0\0"
                head = make(body) + (b"\0" if name == "parse" else b"")
                try:
                    client.send(head, body, tail)
                    if name == "parse":
                        client.send(sync())
                    messages = client.receive_until("ReadyForQuery")
                except (ConnectionClosed, OSError):
                    messages = []
                    try:
                        messages = client.receive_to_end()
                    except OSError:
                        pass
                    messages = messages or []
                errors = [m for m in messages if m.name == "ErrorResponse"]
                for error in errors:
                    self.assertIn(error.sqlstate, ("54000", "08P01", "53200", "53400"))
                self.assertNotIn("DataRow", names(messages))
                client.close()
        if not SANITIZED:
            self.assertLess(self.memory(proxy) - before, 200 << 20)
        with proxy.login() as client:
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])

    def test_a_megabyte_is_fine(self):
        with shared().proxy.login() as client:
            sql = "SELECT length('" + "x" * (1 << 20) + "')"
            self.assertEqual(rows_of(client.simple(sql)), [[b"1048576"]])
            value = "y" * (8 << 20)
            self.assertEqual(rows_of(client.extended("SELECT length($1)", [value])),
                             [[b"8388608"]])

    def test_noise(self):
        """Random changes to a good conversation. Whatever comes of it, the proxy stays, and the
        log stays readable. The seed is printed with a failure."""
        proxy = shared().proxy
        seed = random.randrange(1 << 32)
        source = random.Random(seed)
        good = (parse("SELECT $1::int", "s") + bind("p", "s", ["1"]) + describe("P", "p")
                + execute("p", 1) + sync() + query("SELECT 2") + message(b"C", b"S" + string("s"))
                + sync())
        for number in range(60):
            raw = bytearray(good)
            for _ in range(source.randint(1, 4)):
                at = source.randrange(len(raw))
                what = source.randrange(3)
                if what == 0:
                    raw[at] = source.randrange(256)
                elif what == 1:
                    del raw[at]
                else:
                    raw.insert(at, source.randrange(256))
            with self.subTest(seed=seed, number=number), proxy.login() as client:
                client.socket.settimeout(0.3)
                try:
                    client.send(bytes(raw))
                    client.receive_to_end()
                except OSError:
                    pass
                self.assertTrue(proxy.running)
        with proxy.login() as client:
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])
