"""`vitrine audit replay --policy`: what another configuration would have done with what is on
record. The old verdicts are a real proxy's."""

import json
import subprocess
import unittest

from environment import DATABASE, shared
from wire_client import bind, execute, parse, sync


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.another("replay")
        with cls.proxy.login(cls.proxy.token("ada", DATABASE), user="ada") as client:
            for sql in ("SELECT email FROM customers WHERE id = 1", "SELECT 1",
                        "SELECT email FROM customers WHERE id = 2",
                        "SELECT count(*) FROM pgbench_accounts", "DELETE FROM customers",
                        "PREPARE p AS SELECT email FROM customers", "EXECUTE p",
                        "SELECT FROM WHERE", "SELECT lo_import('x')", "BEGIN; SELECT 2; COMMIT"):
                client.simple(sql)
            client.send(parse("SELECT email FROM customers WHERE id = $1", types=[23]),
                        bind(values=[b"3"]), execute(), sync())
            client.receive_until("ReadyForQuery")

    def replay(self, policy, *arguments):
        done = subprocess.run([self.proxy.program, "audit", "replay", "--config", self.proxy.config,
                               "--policy", policy, "--format", "json", *arguments], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    def candidate(self, old, new):
        text = self.proxy.config.read_text()
        self.assertIn(old, text)
        path = self.proxy.config.with_name("candidate.yaml")
        path.write_text(text.replace(old, new))
        return path

    def test_the_same_policy(self):
        status, said = self.replay(self.proxy.config)
        self.assertEqual((status, said["changes"], said["not_comparable"]), (0, [], 0))
        self.assertGreaterEqual(said["judged"], 12)
        self.assertEqual(said["same"], said["judged"])

    def test_another_mask_of_the_same_column(self):
        status, said = self.replay(self.candidate("mask: email", "mask: hash"))
        self.assertEqual(status, 1)
        self.assertEqual({c["change"] for c in said["changes"]}, {"masks differ"})
        shapes = {c["shape"]: c for c in said["changes"]}
        # Both constants have one shape; the Bind's text is another.
        self.assertEqual(shapes["SELECT email FROM customers WHERE id = '?'"]["statements"], 2)
        self.assertEqual(shapes["SELECT email FROM customers WHERE id = $1"]["statements"], 1)
        self.assertIn("rewritten in another way", said["changes"][0]["why"])
        self.assertEqual(said["changes"][0]["users"], ["ada"])

    def test_fewer_and_more_masks(self):
        path = self.proxy.config.with_name("fewer.yaml")
        text = self.proxy.config.read_text()
        begin = text.index("  rules:")
        end = text.index("\naudit:")
        path.write_text(text[:begin] + '  rules:\n    - {columns: [public.pgbench_accounts.abalance],'
                        ' mask: "null"}\n' + text[end:])
        status, said = self.replay(path)
        self.assertEqual(status, 1)
        whys = {c["shape"]: c["why"] for c in said["changes"]}
        self.assertRegex(whys["SELECT email FROM customers WHERE id = '?'"],
                         r"^were: public\.customers\.email\b.*; would be: nothing$")

    def test_verdicts(self):
        text = self.proxy.config.read_text()
        path = self.proxy.config.with_name("verdicts.yaml")
        self.assertNotIn("functions:", text)
        path.write_text(text + '\nfunctions:\n  allow: ["pg_catalog.lo_import"]\n')
        with_rows = text[:text.index("  rules:")] + \
            "  rows:\n    - {table: public.customers, filter: \"id < 3\"}\n" + \
            text[text.index("  rules:"):]
        path.write_text(with_rows)
        status, said = self.replay(path)
        self.assertEqual(status, 1)
        self.assertTrue(all("customers" in c["shape"] for c in said["changes"]))

    def test_time_and_people(self):
        self.assertEqual(self.replay(self.proxy.config, "--user", "eve")[1]["judged"], 0)
        self.assertEqual(self.replay(self.proxy.config, "--until", "1h")[1]["judged"], 0)
        self.assertEqual(self.replay(self.proxy.config, "--since", "2999-01-01")[1]["judged"], 0)
        self.assertGreater(self.replay(self.proxy.config, "--since", "1h")[1]["judged"], 10)
        status, said = self.replay(self.proxy.config, "--since", "yesterday")
        self.assertEqual(status, 2)
        self.assertIn("30d", said)
        self.assertEqual(self.replay(self.proxy.config, "--database", "nope")[0], 2)

    def test_a_table_for_people(self):
        done = subprocess.run([self.proxy.program, "audit", "replay", "--config", self.proxy.config,
                               "--policy", self.candidate("mask: email", "mask: hash")], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("masks differ", done.stdout)
        self.assertIn("statements judged", done.stdout)


if __name__ == "__main__":
    unittest.main()
