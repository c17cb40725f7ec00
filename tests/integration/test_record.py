"""The query log of all that the other modules did (this one runs last): whole, and complete. Then
it is tampered with, on copies, and must say where."""

import json
import re
import shutil
import unittest
from pathlib import Path

from environment import DATABASE, SANITIZED, USER, shared
from wire_client import bind, execute, parse, query, sync

# Recorded texts are looked up by so many of their first characters.
KEY = 12


class Record(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.proxy
        with cls.proxy.login() as client:
            client.simple("SELECT 'recorded', email FROM customers WHERE id = 3")
            client.simple("DELETE FROM library.books")
            client.send(parse("SELECT $1::text, $2::int", "s"), bind("", "s", ["it's", None]),
                        execute(), bind("", "s", ["again", "5"]), execute(), sync())
            client.receive_until("ReadyForQuery")
        cls.copies = 0

    def verify(self, directory):
        """`audit verify` on another directory, through a configuration that differs in it alone."""
        config = self.proxy.config.with_name("verify.yaml")
        text = re.sub(r"directory: .*", f"directory: {directory}", self.proxy.config.read_text())
        config.write_text(text)
        done = self.proxy.verb("audit", "verify", "--config", config)
        return done.returncode, done.stdout + done.stderr

    def copy(self):
        Record.copies += 1
        target = self.env.path / f"log-copy-{Record.copies}"
        shutil.copytree(self.proxy.audit, target)
        return target

    def largest(self, directory):
        return max((directory / USER).glob("*.jsonl"), key=lambda f: f.stat().st_size)

    # --- it verifies -----------------------------------------------------------------------

    def test_the_running_log_verifies(self):
        code, said = self.verify(self.proxy.audit)
        self.assertEqual(code, 0, said)

    def test_a_copy_verifies(self):
        code, said = self.verify(self.copy())
        self.assertEqual(code, 0, said)

    # --- and only if whole -----------------------------------------------------------------

    def broken(self, change, line=None, sub=None):
        """Applies `change` to the lines of the largest file (or of `sub`); it must be found, there."""
        directory = self.copy()
        file = directory / sub if sub else self.largest(directory)
        lines = file.read_bytes().splitlines(keepends=True)
        before = b"".join(lines)
        change(lines)
        self.assertNotEqual(b"".join(lines), before)
        file.write_bytes(b"".join(lines))
        code, said = self.verify(directory)
        self.assertEqual(code, 1, said)
        self.assertIn(file.name, said)
        if line:
            # where it was done, or at the first line behind it that no longer fits
            found = [int(n) for n in re.findall(rf"{re.escape(file.name)}:(\d+)", said)]
            self.assertTrue(found and line <= min(found) <= line + 1, said)
        shutil.rmtree(directory)

    def test_one_byte_changed(self):
        total = len(self.largest(self.proxy.audit).read_bytes().splitlines())
        for line in (1, total // 2) if SANITIZED else (1, 2, total // 2, total):
            for what in ("value", "hash", "seq", "white space"):
                with self.subTest(line=line, what=what):
                    def change(lines):
                        raw = lines[line - 1]
                        if what == "value":
                            at = raw.index(b'"user":"') + 8
                        elif what == "hash":
                            at = raw.index(b'"hash":"') + 8
                        elif what == "seq":
                            at = raw.index(b'"seq":') + 6
                        if what == "white space":
                            lines[line - 1] = raw.replace(b"{", b"{ ", 1)
                        else:
                            other = b"1" if raw[at:at + 1] != b"1" else b"2"
                            lines[line - 1] = raw[:at] + other + raw[at + 1:]
                    self.broken(change, line)

    def test_a_line_removed(self):
        total = len(self.largest(self.proxy.audit).read_bytes().splitlines())
        for line in (1, total // 2, total - 1):
            with self.subTest(line=line):
                self.broken(lambda lines: lines.pop(line - 1), line)

    def test_lines_swapped_or_doubled(self):
        def swap(lines):
            lines[4], lines[5] = lines[5], lines[4]

        self.broken(swap, 5)
        self.broken(lambda lines: lines.insert(6, lines[5]), 7)

    def test_the_end_cut_off(self):
        for name, change in {
            "the last line": lambda lines: lines.pop(),
            "half of the last line": lambda lines: lines.append(lines.pop()[:20]),
            "a hundred lines": lambda lines: lines.__delitem__(slice(-100, None)),
            "all of it": lambda lines: lines.clear(),
        }.items():
            with self.subTest(name):
                self.broken(change)

    def test_a_line_forged(self):
        def forge(lines):
            record = json.loads(lines[-1])
            record["seq"] += 1
            record["prev"] = record["hash"]
            lines.append(json.dumps(record, separators=(",", ":")).encode() + b"\n")

        self.broken(forge)

    def test_a_file_removed_or_renamed(self):
        for how in ("removed", "renamed", "to another user"):
            with self.subTest(how):
                directory = self.copy()
                file = self.largest(directory)
                if how == "removed":
                    file.unlink()
                elif how == "renamed":
                    file.rename(file.with_name("2001-01-01.jsonl"))
                else:
                    (directory / "mallory").mkdir(exist_ok=True)
                    file.rename(directory / "mallory" / file.name)
                code, said = self.verify(directory)
                self.assertEqual(code, 1, said)
                self.assertIn(file.name, said)

    def test_the_ledger(self):
        def flip(lines):
            lines[1] = lines[1].replace(b'"seq":', b'"sep":', 1)

        for name, change in {"changed": flip, "cut": lambda lines: lines.__delitem__(slice(len(lines) // 2, None)),
                             "a line removed": lambda lines: lines.pop(2)}.items():
            with self.subTest(name):
                directory = self.copy()
                file = directory / "ledger.jsonl"
                lines = file.read_bytes().splitlines(keepends=True)
                change(lines)
                file.write_bytes(b"".join(lines))
                code, said = self.verify(directory)
                self.assertEqual(code, 1, said)
        directory = self.copy()
        (directory / "ledger.jsonl").unlink()
        self.assertNotEqual(self.verify(directory)[0], 0)

    def test_nothing_there(self):
        code, said = self.verify(self.env.path / "no-such-directory")
        self.assertEqual(code, 2, said)

    # --- what is in it ---------------------------------------------------------------------

    def test_modes(self):
        """Only its owner reads it."""
        for path in [self.proxy.audit, *self.proxy.audit.rglob("*")]:
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_each_session_has_a_start_and_an_end(self):
        starts, ends = {}, {}
        for record in self.proxy.records():
            if record["type"] == "session_start":
                starts[record["session"]] = record
            elif record["type"] == "session_end":
                ends[record["session"]] = record
        self.assertGreater(len(starts), 50)
        self.assertEqual(set(ends), set(starts))

    def test_counts_agree(self):
        sessions = {}
        for record in self.proxy.records():
            sessions.setdefault(record["session"], []).append(record)
        for records in sessions.values():
            ends = [r for r in records if r["type"] == "session_end"]
            if not ends:
                continue
            statements = [r for r in records if r["type"] == "statement"]
            self.assertEqual(ends[0]["statements"], len(statements))
            self.assertEqual(ends[0]["rejected"],
                             sum(r["verdict"] == "reject" for r in statements))
            results = [r for r in records if r["type"] == "result"]
            self.assertEqual(ends[0]["rows"], sum(r["rows"] for r in results))
            numbers = [r["statement"] for r in statements]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_parameters_are_recorded(self):
        bound = [r for r in self.proxy.statements() if r.get("params") == ["it's", None]]
        self.assertEqual(len(bound), 1)
        self.assertTrue([r for r in self.proxy.statements() if r.get("params") == ["again", "5"]])

    def test_no_statement_reached_the_server_unrecorded(self):
        """Every statement in the server's own log that came through the service role is one that
        vitrine recorded first, or one of vitrine's own."""
        recorded = set()
        for proxy in self.env.proxies:
            for file in proxy.audit.rglob("*.jsonl"):
                if file.name == "ledger.jsonl":
                    continue
                for line in file.read_text().splitlines():
                    record = json.loads(line)
                    if record["type"] == "statement" and record["verdict"] == "allow":
                        for field in ("sql", "forwarded"):
                            if field in record:
                                recorded.add(" ".join(record[field].split()))
        index = {}
        for text in recorded:
            index.setdefault(text[:KEY], []).append(text)
        unrecorded, seen, checked = [], 0, set()
        for user, application, sql in self.server_statements():
            # Sessions of users carry the user's name there; the rest of the service role's are
            # vitrine's own (its catalog), or this test's (which name none).
            if not application.strip() or USER not in application:
                continue
            seen += 1
            # In place of a refused statement the server gets one that fails there, so that the
            # transaction is in the state PostgreSQL would leave it in.
            flat = " ".join(sql.replace(";SHOW vitrine.statement_refused", "").split())
            # Nearly all are one recorded text as it is; looking for pieces is for the rest.
            if flat.rstrip("; ") in recorded or flat in checked:
                continue
            if self.made_of(flat, index) or self.vitrines_own(flat):
                checked.add(flat)
                continue
            unrecorded.append((application, flat[:300]))
        self.assertGreater(seen, 10)
        self.assertFalse(self.made_of("SELECT 1; SELECT 'never sent'", index))
        self.assertEqual(unrecorded[:10], [], f"{len(unrecorded)} of {seen}")

    @staticmethod
    def made_of(flat, index):
        """Is the text one recorded statement behind the other? (A query of several has a record
        each; what stands between them is semicolons, white space and comments.)"""
        between = re.compile(r"(?:[;\s]|/\*.*?\*/)*")
        pending, seen = [0], set()
        while pending:
            at = between.match(flat, pending.pop()).end()
            if at == len(flat):
                return True
            for size in range(1, KEY + 1):
                for text in index.get(flat[at:at + size], ()):
                    end = at + len(text)
                    if end not in seen and flat.startswith(text, at):
                        seen.add(end)
                        pending.append(end)
        return False

    @staticmethod
    def vitrines_own(sql):
        """The few statements of vitrine's own: what state a session is in, and the settings of the
        client's StartupMessage as the SET that they are equal to."""
        return bool(re.fullmatch(
            r"SELECT pg_catalog\.current_schemas\(true\)(, pg_catalog\.current_setting\('[a-z_]+'\))*"
            r"|SET \"[A-Za-z_]+\" TO '[^']*'|SHOW vitrine\.statement_refused", sql))

    def server_statements(self):
        """(user, application, sql) of each statement in the server's log."""
        entry = None
        head = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \w+ \[\d+\] (?:<(\w+)@\w+\|(.*?)> )?(\w+): +(.*)$")
        text = self.env.database.log.read_text(errors="replace")
        for line in text.splitlines():
            found = head.match(line)
            if found:
                if entry:
                    yield entry
                entry = None
                said = re.match(r"(?:statement|execute [^:]*): (.*)", found[4])
                if found[3] == "LOG" and said and found[1] == "vitrine_reader":
                    entry = (found[1], found[2] or "", said[1])
            elif entry and line.startswith("\t"):
                entry = (entry[0], entry[1], entry[2] + "\n" + line[1:])
        if entry:
            yield entry

    # --- the verbs -------------------------------------------------------------------------

    def test_list_and_show(self):
        listed = self.proxy.verb("audit", "list", "--config", self.proxy.config)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertIn(USER, listed.stdout)
        shown = self.proxy.verb("audit", "show", "last", "--config", self.proxy.config)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        sessions = [r for r in self.proxy.records() if r["type"] == "session_start"]
        for how in (sessions[0]["session"], sessions[0]["session"][:12]):
            shown = self.proxy.verb("audit", "show", how, "--config", self.proxy.config)
            self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertNotEqual(self.proxy.verb("audit", "show", "ffffffffffff", "--config",
                                            self.proxy.config).returncode, 0)

    def test_json(self):
        shown = self.proxy.verb("audit", "list", "--format", "json", "--config", self.proxy.config)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        sessions = [json.loads(line) for line in shown.stdout.splitlines()] \
            if not shown.stdout.lstrip().startswith("[") else json.loads(shown.stdout)
        self.assertGreater(len(sessions), 50)

    def test_control_characters_do_not_reach_the_terminal(self):
        with self.proxy.login() as client:
            client.send(query("SELECT '\x1b[31m\x07red', 1 /* last words */"))
            client.receive_until("ReadyForQuery")
        shown = self.proxy.verb("audit", "show", "last", "--config", self.proxy.config)
        self.assertIn("last words", shown.stdout)
        self.assertNotIn("\x1b", shown.stdout)
        self.assertNotIn("\x07", shown.stdout)

    def test_nothing_was_lost(self):
        """The files on disk are the ones the ledger knows; names say user and day."""
        for file in self.proxy.audit.rglob("*.jsonl"):
            if file.name != "ledger.jsonl":
                self.assertRegex(file.name, r"^\d{4}-\d\d-\d\d\.jsonl$")
                self.assertNotIn("/", str(Path(file).relative_to(self.proxy.audit).parent))
        self.assertTrue((self.proxy.audit / USER).is_dir())
        self.assertEqual(DATABASE, [r for r in self.proxy.records()
                                    if r["type"] == "session_start"][-1]["database"])
