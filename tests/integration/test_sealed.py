"""Days that are over: sealed, compressed, one day removed; and every verb of the auditor's reads on.
The proxy's clock is put forward between its runs."""

import json
import os
import struct
import subprocess
import unittest

from environment import DATABASE, HERE, SANITIZED, shared
from wire_client import within

DAY = 86400


@unittest.skipIf(SANITIZED, "a sanitizer wants to be the first library")
class Sealed(unittest.TestCase):
    def setUp(self):
        self.env = shared()
        self.folder = self.env.path / self._testMethodName
        self.folder.mkdir()
        self.anchor = self.folder / "anchor"
        self.anchor.mkdir()
        self.clock, self.library = self.folder / "clock", self.folder / "moved_clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", self.library, HERE / "moved_clock.c"],
                       check=True)
        self.proxy = self.env.another(
            f"sealed_{self._testMethodName}", start=False,
            directory=f"log\n  retain: 30d\n  anchor: {{directory: {self.anchor}}}")
        self.start(0)
        with self.proxy.login(self.proxy.token("cyd", DATABASE), user="cyd") as client:
            for number in range(20):
                client.simple(f"SELECT count(*) /* {number} */ FROM customers")
        self.proxy.stop()
        self.plain, = (self.proxy.audit / "cyd").glob("*.jsonl")
        self.packed = self.plain.with_name(self.plain.name + ".zst")

    def start(self, days):
        self.clock.write_bytes(struct.pack("=q", days * DAY))
        self.proxy.start(os.environ | {"LD_PRELOAD": str(self.library),
                                       "MOVED_CLOCK": str(self.clock)})

    def audit(self, verb, *arguments):
        return subprocess.run([self.proxy.program, "audit", verb, "--config", self.proxy.config,
                               *arguments], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)

    def said(self):
        return {"list": json.loads(self.audit("list", "--format", "json").stdout),
                "show": self.audit("show", "last").stdout,
                "search": self.audit("search", "--text", "customers", "--format", "json").stdout,
                "replay": self.audit("replay", "--policy", self.proxy.config, "--format",
                                     "json").stdout}

    def verified(self):
        done = self.audit("verify", "--anchor", self.anchor, "--format", "json")
        return done.returncode, json.loads(done.stdout)

    def test_a_day_that_is_over(self):
        before = self.said()
        self.assertEqual(before["search"].count("\n"), 20)
        self.assertEqual(json.loads(before["replay"])["judged"], 20)
        status, verdict = self.verified()
        self.assertEqual((status, verdict["verdict"]), (0, "ok"), verdict)
        self.start(3)
        self.assertTrue(within(20, lambda: self.packed.exists() and not self.plain.exists()))
        self.proxy.stop()
        self.assertEqual(self.said(), before)
        self.assertEqual(self.verified()[0], 0, self.verified())
        # An index made from nothing says the same, and so does none.
        self.assertEqual(self.audit("index", "--rebuild").returncode, 0)
        self.assertEqual(self.said(), before)
        # A byte changed in it is found.
        raw = bytearray(self.packed.read_bytes())
        raw[len(raw) // 2] ^= 1
        self.packed.write_bytes(raw)
        status, verdict = self.verified()
        self.assertEqual(status, 1)
        self.assertIn(self.plain.name, verdict["broken"][0]["file"])

    def test_a_day_that_is_kept_no_longer(self):
        self.start(40)
        self.assertTrue(within(20, lambda: not self.plain.exists() and not self.packed.exists()
                               and b'"removed"' in
                               (self.proxy.audit / "ledger.jsonl").read_bytes()))
        self.proxy.stop()
        status, verdict = self.verified()
        self.assertEqual((status, verdict["removed"]), (0, 1), verdict)

    def test_a_ledger_that_was_cut_back(self):
        """With the files, to the same moment: from them alone it cannot be told."""
        ledger = self.proxy.audit / "ledger.jsonl"
        self.assertEqual((self.anchor / "ledger.jsonl").read_bytes(), ledger.read_bytes())
        lines = ledger.read_bytes().splitlines(keepends=True)
        ledger.write_bytes(b"".join(lines[:1]))
        for file in self.proxy.audit.glob("*/*.jsonl"):
            file.unlink()
        self.assertEqual(self.audit("verify").returncode, 0)
        status, verdict = self.verified()
        self.assertEqual(status, 1)
        self.assertIn("ledger", verdict["broken"][0]["file"])


if __name__ == "__main__":
    unittest.main()
