"""The extended protocol, message for message: what vitrine answers and what PostgreSQL answers."""

import struct
import unittest

from environment import shared
from wire_client import (bind, close, describe, error_of, execute, flush, message, names, parse,
                         query, rows_of, sync)

BOOKS = "SELECT id, title FROM library.books ORDER BY id"


def several(*parts):
    return b"".join(parts)


# Each is one thing a client sends; the answers up to the expected number of ReadyForQuery are
# compared whole (error texts too: all of these errors are the server's own).
CONVERSATIONS = {
    "one statement": [several(parse(BOOKS), bind(), describe("P"), execute(), sync())],
    "describe the statement": [several(parse("SELECT $1::int + $2"), describe("S"), sync())],
    "no parameters, no data": [several(parse("SET enable_nestloop = off"), describe("S"), bind(),
                                       describe("P"), execute(), sync())],
    "parameters": [several(parse("SELECT title FROM library.books WHERE id = $1 OR title = $2"),
                           bind(values=["7", "Title 9"]), execute(), sync())],
    "null and binary parameters": [several(
        parse("SELECT $1::int, $2::text IS NULL"), bind(values=[struct.pack("!i", 77), None],
                                                       formats=[1, 0]), execute(), sync())],
    "typed parameters": [several(parse("SELECT $1 + $2", types=[23, 20]), describe("S"),
                                 bind(values=["1", "2"]), execute(), sync())],
    "binary results": [several(parse("SELECT id, title, price, added, size, tags, on_shelf "
                                     "FROM library.books ORDER BY id LIMIT 5"),
                               bind(result_formats=[1]), describe("P"), execute(), sync())],
    "mixed result formats": [several(parse("SELECT id, title FROM library.books LIMIT 1"),
                                     bind(result_formats=[1, 0]), describe("P"), execute(),
                                     sync())],
    "row limits": [several(parse(BOOKS), bind(), execute(rows=3), execute(rows=2), execute(rows=1),
                           sync())],
    "a limit of exactly all": [several(parse("SELECT generate_series(1, 3)"), bind(),
                                       execute(rows=3), execute(rows=3), execute(), sync())],
    "a portal over several batches in a transaction": [
        query("BEGIN"), several(parse(BOOKS, "s"), bind("p", "s"), execute("p", 2), sync()),
        several(execute("p", 2), sync()), query("SELECT 1"), several(execute("p", 1), sync()),
        several(close("P", "p"), sync()), several(execute("p", 1), sync()), query("ROLLBACK"),
        several(close("S", "s"), sync())],
    "two portals interleaved": [
        query("BEGIN"), several(parse(BOOKS, "s"), bind("p", "s"), bind("q", "s"),
                                execute("p", 1), execute("q", 2), execute("p", 1),
                                execute("q", 1), sync()), query("COMMIT")],
    "a portal ends with its transaction": [
        several(parse(BOOKS), bind("p"), execute("p", 1), sync()),
        several(execute("p", 1), sync())],
    "named statement, twice": [several(parse(BOOKS, "n"), sync()),
                               several(bind(statement="n"), execute(rows=1), sync()),
                               several(bind(statement="n"), execute(rows=1), sync()),
                               several(parse("SELECT 1", "n"), sync()),
                               several(close("S", "n"), sync()),
                               several(bind(statement="n"), execute(), sync())],
    "unnamed statement is replaced": [several(parse("SELECT 1"), sync()),
                                      several(parse("SELECT 2"), bind(), execute(), sync()),
                                      several(bind(), execute(), sync())],
    "a failed Parse forgets the unnamed": [
        several(parse("SELECT 1"), sync()),
        several(parse("SELECT nothing_here"), sync()), several(bind(), execute(), sync())],
    "a simple query forgets the unnamed": [
        several(parse("SELECT 1"), sync()), query("SELECT 2"),
        several(bind(), execute(), sync())],
    "close what is not there": [several(close("S", "none"), close("P", "none"), sync())],
    "an error, skipped to Sync": [several(
        parse("SELECT 1"), bind(), execute(), parse("SELECT 1 / 0"), bind(), execute(),
        parse("SELECT 2"), bind(), execute(), close("S", ""), flush(), sync())],
    "several batches in one go": [
        several(parse("SELECT 1"), bind(), execute(), sync(), parse("SELECT 1/0"), bind(),
                execute(), sync(), parse("SELECT 3"), bind(), execute(), sync())],
    "errors of Bind": [several(parse("SELECT $1::int"), bind(values=["x"]), execute(), sync()),
                       several(parse("SELECT $1::int"), bind(), execute(), sync()),
                       several(bind(statement="never"), execute(), sync()),
                       several(execute("never"), sync()),
                       several(describe("S", "never"), sync()),
                       several(describe("P", "never"), sync()),
                       several(parse("SELECT 1"), bind(result_formats=[0, 1]), sync())],
    "an empty statement": [several(parse(""), describe("S"), bind(), describe("P"), execute(),
                                   sync()), query(""), query(" ; ;"), query("-- nothing")],
    "several statements in Parse": [several(parse("SELECT 1; SELECT 2"), bind(), execute(),
                                            sync())],
    "sync alone": [sync(), several(sync(), sync())],
    "copy out": [several(parse("COPY library.authors TO STDOUT"), bind(), describe("P"), execute(),
                         sync())],
    "copy out in a pipeline": [several(
        parse("COPY (SELECT 1) TO STDOUT"), bind(), execute(), parse("SELECT 2"), bind(),
        execute(), sync())],
    "transactions in a pipeline": [several(
        parse("BEGIN"), bind(), execute(), parse("SELECT 1"), bind(), execute(),
        parse("SELECT 1/0"), bind(), execute(), parse("COMMIT"), bind(), execute(), sync()),
        query("ROLLBACK")],
    "a failed transaction": [query("BEGIN"), query("SELECT 1/0"),
                             several(parse("SELECT 1"), bind(), execute(), sync()),
                             several(parse("ROLLBACK"), bind(), execute(), sync())],
    "protocol's and SQL's statements are one set": [
        several(parse("SELECT 10 AS ten", "shared"), sync()), query("EXECUTE shared"),
        query("DEALLOCATE shared"), several(bind(statement="shared"), execute(), sync()),
        query("PREPARE other AS SELECT 11 AS eleven"),
        several(bind(statement="other"), execute(), sync()), several(close("S", "other"), sync()),
        query("EXECUTE other")],
    "protocol's portals and SQL's cursors too": [
        query("BEGIN"), several(parse(BOOKS), bind("k"), sync()), query("FETCH 2 FROM k"),
        several(execute("k", 1), sync()), query("CLOSE k"),
        query(f"DECLARE d CURSOR FOR {BOOKS}"), several(describe("P", "d"), execute("d", 2), sync()),
        query("ROLLBACK")],
    "deallocate all": [several(parse("SELECT 1", "a"), parse("SELECT 2", "b"), sync()),
                       query("DEALLOCATE ALL"), several(bind(statement="a"), sync()),
                       several(bind(statement="b"), sync())],
    "search_path in a pipeline": [
        several(parse("SET search_path = library"), bind(), execute(),
                parse("SELECT count(*) FROM books"), bind(), execute(), sync()),
        query("BEGIN; SET LOCAL search_path = public; COMMIT"), query("SELECT count(*) FROM books"),
        query("RESET search_path")],
    "names of odd shape": [several(parse("SELECT 1", 'Ünï "q"'), bind("p'", 'Ünï "q"'),
                                   execute("p'"), sync()), several(close("S", 'Ünï "q"'), sync())],
    "explain and show": [several(parse("EXPLAIN (COSTS off) SELECT * FROM library.books"),
                                 describe("S"), bind(), execute(), sync()),
                         several(parse("SHOW work_mem"), describe("S"), bind(), execute(),
                                 sync())],
    "explain row limit": [several(parse("EXPLAIN SELECT * FROM library.books b JOIN "
                                        "library.authors a ON a.id = b.author_id"), bind(),
                                  execute(rows=1), execute(), sync())],
}


class AsPostgresql(unittest.TestCase):
    def answers(self, client, sends):
        seen = []
        for raw in sends:
            client.send(raw)
            syncs = raw.count(sync()) if raw[:1] != b"Q" else 1
            for _ in range(max(syncs, 1)):
                seen += [(m.name, self.normal(m)) for m in client.receive_until("ReadyForQuery")]
        return seen

    @staticmethod
    def normal(m):
        if m.name in ("ErrorResponse", "NoticeResponse"):
            return m.fields
        return m.payload

    def test_conversations(self):
        env = shared()
        for name, sends in CONVERSATIONS.items():
            with self.subTest(name), env.proxy.login() as client, env.direct() as direct:
                seen, true = self.answers(client, sends), self.answers(direct, sends)
                self.assertEqual([n for n, _ in seen], [n for n, _ in true])
                for (kind, a), (_, b) in zip(seen, true):
                    if kind == "ErrorResponse" and a["C"] in ("26000", "34000", "42601"):
                        # vitrine may know by itself that the name is not there, or that the
                        # statement is none; it has no line of PostgreSQL's source to name.
                        a, b = (a["C"], a["M"]), (b["C"], b["M"])
                    self.assertEqual(a, b, kind)

    def test_in_pieces(self):
        """The same answers when every byte comes by itself, and when all comes at once."""
        env = shared()
        for name in ("parameters", "row limits", "an error, skipped to Sync"):
            whole = b"".join(CONVERSATIONS[name])
            with self.subTest(name), env.proxy.login() as client:
                client.send(whole)
                once = client.receive_until("ReadyForQuery")
                for i in range(len(whole)):
                    client.send(whole[i:i + 1])
                pieces = client.receive_until("ReadyForQuery")
                self.assertEqual([(m.kind, m.payload) for m in once],
                                 [(m.kind, m.payload) for m in pieces])

    def test_flush_without_sync(self):
        with shared().proxy.login() as client:
            client.send(parse("SELECT 1"), flush())
            self.assertEqual(client.receive().name, "ParseComplete")
            client.send(bind(), flush())
            self.assertEqual(client.receive().name, "BindComplete")
            client.send(execute(), flush())
            self.assertEqual(names(client.receive_until("CommandComplete")),
                             ["DataRow", "CommandComplete"])
            client.send(parse("DELETE FROM library.books"), flush())
            self.assertEqual(client.receive().sqlstate, "25006")
            client.send(parse("SELECT 2"), bind(), execute(), flush(), sync())
            self.assertEqual(names(client.receive_until("ReadyForQuery")), ["ReadyForQuery"])

    def test_a_query_in_an_open_batch(self):
        with shared().proxy.login() as client, shared().direct() as direct:
            for c in (client, direct):
                c.send(parse("SELECT 1"), bind(), execute(), query("SELECT 2"), sync())
            both = [[(m.name, m.payload) for m in c.receive_until("ReadyForQuery")
                     + c.receive_until("ReadyForQuery")] for c in (client, direct)]
            self.assertEqual(both[0], both[1])

    def test_thousands_in_flight(self):
        """More than any buffer holds, sent before one answer is read: no deadlock, all in order."""
        count = 3000
        with shared().proxy.login() as client:
            batch = b"".join(parse(f"SELECT {n}, repeat('y', 2000)") + bind() + execute()
                             for n in range(count)) + sync()
            client.send_while_receiving(batch)
            rows = rows_of(client.receive_until("ReadyForQuery"))
            self.assertEqual([int(row[0]) for row in rows], list(range(count)))

    def test_statements_survive_and_are_bounded(self):
        with shared().proxy.login() as client:
            for start in range(0, 10500, 500):
                client.send(*(parse("SELECT 1", f"s{n}") for n in range(start, start + 500)),
                            sync())
                last = client.receive_until("ReadyForQuery")
                if error := [m for m in last if m.name == "ErrorResponse"]:
                    self.assertIn(error[0].sqlstate, ("53400", "54000", "53200"))
                    self.assertGreaterEqual(start, 1000)
                    break
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])

    def test_fast_path_and_copy_in(self):
        with shared().proxy.login() as client:
            client.send(message(b"F", struct.pack("!IHHHH", 1299, 1, 0, 0, 0)))
            self.assertEqual(error_of(client.receive_until("ReadyForQuery")).sqlstate, "0A000")
            # now() is oid 1299; with a batch open the same
            client.send(parse("SELECT 1"), message(b"F", struct.pack("!IHHHH", 1299, 1, 0, 0, 0)),
                        sync())
            client.receive_until("ReadyForQuery")
        with shared().proxy.login() as client:
            # CopyData, CopyDone, CopyFail outside of a COPY are ignored, as PostgreSQL does.
            client.send(message(b"d", b"1\tx\n"), message(b"c"), message(b"f", b"no\0"))
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])
        with shared().proxy.login() as client:
            # Data already on its way behind a COPY that is refused is not taken for messages.
            client.send(query("COPY library.authors (name) FROM STDIN"), message(b"d", b"x\n"),
                        message(b"c"))
            self.assertEqual(error_of(client.receive_until("ReadyForQuery")).sqlstate, "25006")
            self.assertEqual(rows_of(client.simple("SELECT 1")), [[b"1"]])
