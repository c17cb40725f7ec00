"""What the log has of a Bind's values: text whatever format they came in, and nothing that tells
them where it must not."""

import hashlib
import json
import re
import signal
import unittest

from environment import DATABASE, shared
from wire_client import bind, describe, error_of, execute, flush, parse, rows_of, sync

VALUES = {
    "bool": ["t", "f"],
    "bytea": ["", "\\x00ff41"],
    '"char"': ["a"],
    "name": ["pg_class"],
    "int2": ["0", "-32768", "32767"],
    "int4": ["-2147483648", "2147483647"],
    "int8": ["-9223372036854775808", "9223372036854775807"],
    "oid": ["0", "4294967295"],
    "text": ["", "x", "zwölf\n'\"\\"],
    "varchar": ["x"],
    "bpchar": ["x  "],
    "json": ['{"a": 1}'],
    "jsonb": ['{"a": [1, null]}'],
    "xml": ["<a/>"],
    "float4": ["0", "1.5", "-0", "3.4028235e+38", "1e-45", "NaN", "Infinity", "-Infinity", "0.1",
               "999999", "1000000", "0.0001", "0.00001", "123456.7"],
    "float8": ["0", "0.1", "999999999999999", "1e15", "0.0001", "0.00009", "-1e-5", "1e100", "5e-324", "1.7976931348623157e+308", "123456789012345680"],
    "numeric": ["0", "1", "-1", "10000", "123456789.987654321", "0.0001", "0.00001", "1e30", "NaN",
                "Infinity", "-Infinity", "1.10", "100000000", "-0.5", "12345678901234567890.10"],
    "uuid": ["00000000-0000-0000-0000-000000000001", "ffffffff-0123-4567-89ab-cdef01234567"],
    "date": ["1970-01-01", "2000-02-29", "1999-12-31", "infinity", "-infinity", "4713-01-01 BC",
             "0001-01-01", "0001-12-31 BC", "5874897-12-31", "2100-03-01"],
    "time": ["00:00", "23:59:59.999999", "24:00", "01:02:03.5"],
    "timetz": ["01:02:03+00", "01:02:03.000001-05:30", "00:00+15:59:59"],
    "timestamp": ["2000-01-01", "1999-12-31 23:59:59.999999", "infinity", "-infinity",
                  "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999", "0001-12-31 12:00 BC"],
    "timestamptz": ["2024-02-29 12:34:56.7+02", "-infinity", "infinity", "1900-01-01 00:00+00"],
    "interval": ["0", "1 year", "-1 year", "1 mon -2 days +3:04:05.6", "-14 mons", "1 day -0.000001 s",
                 "25 hours", "178000000 years", "-1 days", "2 years 1 mon 1 day 1 s"],
    "inet": ["192.0.2.7", "192.0.2.7/24", "::1", "2001:db8::1/64", "::ffff:1.2.3.4", "1::2:0:0:3"],
    "cidr": ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::/0"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(10)": ["1010101010"],
    "varbit": ["", "1", "101010101"],
    "int4[]": ["{}", "{1,NULL,-3}", "{{1,2},{3,4}}", "[2:3]={7,8}", "{{{1},{2}},{{3},{4}}}"],
    "text[]": ['{}', '{a,"b c","",NULL,"NULL","x\\"y\\\\z","{}"}'],
    "timestamptz[]": ['{"2024-02-29 12:34:56+00"}'],
    "numeric[]": ["{1.10,-2}"],
    "uuid[]": ["{00000000-0000-0000-0000-000000000001}"],
}


class Values(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()

    def params(self, proxy, user):
        return [r["params"] for r in proxy.statements(user) if "params" in r]

    def test_binary_values(self):
        """As the server itself would write them. What it sends in binary comes back to it so."""
        user = "binary"
        proxy = self.env.proxy
        expected = []
        with self.env.direct() as server, \
                proxy.login(proxy.token(user, DATABASE), user=user) as client:
            for each in (server, client):
                each.simple("SET TimeZone = 'UTC'")
            for kind, values in VALUES.items():
                oid = int(self.env.sql(f"SELECT '{kind}'::regtype::oid"))
                for value in values:
                    with self.subTest(kind, value=value):
                        quoted = value.replace("'", "''")
                        server.send(parse(f"SELECT '{quoted}'::{kind}"), bind(result_formats=[1]),
                                    execute(), sync())
                        sent = rows_of(server.receive_until("ReadyForQuery"))[0][0]
                        client.send(parse("SELECT $1", types=[oid]),
                                    bind(values=[sent], formats=[1]), execute(), sync())
                        got = client.receive_until("ReadyForQuery")
                        expected.append([rows_of(got)[0][0].decode()])
        self.assertEqual(len(expected), sum(map(len, VALUES.values())))
        self.assertEqual(self.params(proxy, user), expected)

    def test_types_that_the_server_tells(self):
        """Undeclared: known once the statement was described; before that the bytes stand there."""
        user, sent = "described", (42).to_bytes(4, "big")
        proxy = self.env.proxy
        with proxy.login(proxy.token(user, DATABASE), user=user) as client:
            for described in (False, True):
                client.send(parse("SELECT $1 + 1", "s" if described else ""))
                if described:
                    client.send(describe("S", "s"))
                client.send(sync())
                client.receive_until("ReadyForQuery")
                client.send(bind("", "s" if described else "", [sent], formats=[1]), execute(),
                            sync())
                self.assertEqual(rows_of(client.receive_until("ReadyForQuery")), [[b"43"]])
        self.assertEqual(self.params(proxy, user), [["\\x0000002a"], ["42"]])

    def test_skipped_values_are_on_record(self):
        user = "skipped"
        proxy = self.env.proxy
        with proxy.login(proxy.token(user, DATABASE), user=user) as client:
            client.send(parse("SELECT $1::text", "s"), sync())
            client.receive_until("ReadyForQuery")
            client.send(bind("", "s", [b"one"]), execute(), parse("SELECT 1/0"), bind(), execute(),
                        flush())
            self.assertEqual(error_of(client.receive_until("ErrorResponse")).sqlstate, "22012")
            client.send(bind("", "s", [b"two"]), execute(), parse("SELECT $1::text /* new */", "t"),
                        bind("", "t", [b"three"]), sync())
            client.receive_until("ReadyForQuery")
        self.assertEqual(self.params(proxy, user), [["one"], ["two"], ["three"]])
        last = [r for r in proxy.statements(user) if "params" in r][-2:]
        self.assertEqual([r["verdict"] for r in last], ["reject", "reject"])
        self.assertTrue(all("not run" in r["rule"] for r in last))
        # Of what each would have run: the second of a Parse that was skipped too.
        texts = {r["statement"]: r["sql"] for r in proxy.statements(user) if "sql" in r}
        self.assertEqual([texts[r["of"]] for r in last],
                         ["SELECT $1::text", "SELECT $1::text /* new */"])

    def test_masked(self):
        """No value stands anywhere in the log, and equal ones can be found."""
        proxy = self.env.another("values_masked", directory="log\n  parameters: masked")
        user, secret = "masked", "hunter2!"
        texts = [f"SELECT '{secret}'", f"SELECT E'{secret}', $tag${secret}$tag$ -- {secret}",
                 f"SELECT 1 /* {secret} */", f"SELECT U&'{secret}'", f"SELECT '{secret}'::int",
                 f"SELECT '{secret}", f"SELECT FROM '{secret}' x '{secret}'",
                 f"SELECT count(*) FROM customers WHERE email = '{secret}'",
                 f"INSERT INTO customers VALUES ('{secret}')",
                 f"PREPARE p AS SELECT $1::text; EXECUTE p('{secret}')",
                 f"COPY (SELECT '{secret}') TO STDOUT", f"SELECT '{secret}'::regclass",
                 f"DECLARE c CURSOR WITH HOLD FOR SELECT '{secret}'", "FETCH ALL FROM c",
                 f"WITH x AS (SELECT '{secret}') SELECT (SELECT * FROM x)",
                 f"SET app.secret = '{secret}'", f"SELECT current_setting('{secret}')",
                 f"SELECT 4711, 47.11, X'4711', B'1', 4711 AS n"]
        with proxy.login(proxy.token(user, DATABASE), user=user) as client:
            for text in texts:
                client.simple(text)
            client.send(parse("SELECT $1::text, $2::int"), bind(values=[secret.encode(), b"4711"]),
                        execute(), sync())
            client.receive_until("ReadyForQuery")
            client.send(parse("SELECT $1::int", types=[23]), bind(values=[b"hunter2!"]), execute(),
                        sync())
            self.assertEqual(error_of(client.receive_until("ReadyForQuery")).sqlstate, "22P02")
            # Skipped behind an error: on record all the same.
            client.send(parse("SELECT 1/0"), bind(), execute(), flush())
            client.receive_until("ErrorResponse")
            client.send(parse(f"SELECT '{secret}', $1"), bind(values=[secret.encode()]), sync())
            client.receive_until("ReadyForQuery")
        raw = "".join(path.read_text() for path in (proxy.audit / user).iterdir())
        for line in raw.splitlines():
            self.assertNotIn("hunter2", line)
            record = json.loads(line)
            self.assertNotRegex(record.get("sql", "") + record.get("forwarded", ""), r"\b4711\b")
        statements = proxy.statements(user)
        digest = re.fullmatch(r"SELECT '(d_[0-9a-f]{16})'", statements[0]["sql"])[1]
        self.assertEqual(statements[1]["sql"].rstrip(), f"SELECT '{digest}', '{digest}'")
        number = re.match(r"SELECT '(d_[0-9a-f]{16})', '(d_[0-9a-f]{16})', '", [
            r["sql"] for r in statements if " AS n" in r.get("sql", "")][0])[1]
        self.assertIn([digest, number], [r.get("params") for r in statements])
        # It is still a log: names, verdicts and SQLSTATEs.
        self.assertTrue(any("customers" in r.get("sql", "") and r["verdict"] == "allow"
                            and r["masked"] for r in statements))
        messages = [r["message"] for r in proxy.records(user) if r["type"] == "result"]
        self.assertIn(f'invalid input syntax for type integer: "{digest}"', messages)

    def test_the_version_of_the_policy(self):
        """Of the file that decided, before and behind a reload."""
        proxy = self.env.another("values_policy")
        user = "policy"

        def version():
            return hashlib.sha256(proxy.config.read_bytes()).hexdigest()[:16]
        before = version()
        with proxy.login(proxy.token(user, DATABASE), user=user) as client:
            client.simple("SELECT 1")
            proxy.config.write_text(proxy.config.read_text() + "\n# changed\n")
            proxy.signal(signal.SIGHUP)
            after = version()
            for _ in range(50):
                client.simple("SELECT 2")
                if proxy.statements(user)[-1]["policy"] == after:
                    break
            client.simple("SELECT 3")
        versions = [r["policy"] for r in proxy.statements(user)]
        self.assertEqual((versions[0], versions[-1]), (before, after))
        self.assertNotEqual(before, after)
        start = [r for r in proxy.records(user) if r["type"] == "session_start"][0]
        self.assertIn("public", start["search_path"])


if __name__ == "__main__":
    unittest.main()
