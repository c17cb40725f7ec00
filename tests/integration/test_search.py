"""`audit search`, `audit index` and the pages, on the log of a real proxy and real clients."""

import csv
import html.parser
import io
import json
import shutil
import time
import unittest

from environment import DATABASE, RESULTS_LATE, USER, shared
from wire_client import bind, execute, parse, sync

HIDDEN = "evil‮txt"


class Page(html.parser.HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.said = set(), [], []
        self.feed(text)
        self.text = "".join(self.said)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.said.append(data)


class Search(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.proxy = cls.env.another("search")
        with cls.proxy.login() as client:
            client.simple("SELECT email FROM customers WHERE id = 3")
            client.simple("SELECT * FROM customers LIMIT 2")
            client.simple("SELECT id FROM customers -- no column of interest")
            client.simple("SELECT title FROM library.books LIMIT 1")
            client.simple("DELETE FROM library.books")
            client.simple("SELECT 1/0")
            client.simple(f"SELECT '</script><img src=x onerror=alert(1)>', '{HIDDEN}'")
            client.simple("=cmd|' /C calc'!A0")
            client.send(parse('SELECT "email" FROM public.customers WHERE id = $1::int', "s"),
                        bind("", "s", ["4711"]), execute(), bind("", "s", ["7"]), execute(), sync())
            client.receive_until("ReadyForQuery")
        with cls.proxy.login(user="grace") as client:
            client.simple("SELECT 'by grace', 42")
        cls.statements = cls.proxy.statements()

    def search(self, *arguments, status=0):
        """What is found, the same with an index, without one, and on a copy."""
        answers = []
        for how in (["--index", self.env.path / "search-index"], ["--no-index"], []):
            done = self.proxy.verb("audit", "search", "--directory", self.proxy.audit, "--format",
                                   "json", *arguments, *how)
            self.assertEqual((done.returncode, done.stderr), (status, ""), (arguments, how))
            answers.append([json.loads(line) for line in done.stdout.splitlines()])
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0], answers[2])
        return answers[0]

    def numbers(self, *arguments, **options):
        return sorted(hit["statement"] for hit in self.search("--user", USER, *arguments, **options))

    def of(self, *beginnings):
        """The numbers of the statements that begin so, and of those that run one of them."""
        own = {r["statement"] for r in self.statements
               if r.get("sql", "").startswith(beginnings)}
        return sorted(own | {r["statement"] for r in self.statements if r.get("of") in own})

    def test_everything_is_found_once_and_complete(self):
        hits = self.search("--user", USER)
        self.assertEqual(sorted(h["statement"] for h in hits),
                         sorted(r["statement"] for r in self.statements))
        results = {r["statement"]: r for r in self.proxy.records() if r["type"] == "result"}
        for hit in hits:
            self.assertEqual(hit["database"], DATABASE)
            result = results.get(hit["statement"], {})  # a Parse has none
            for field in ("rows", "bytes", "duration_us", "sqlstate", "message"):
                self.assertEqual(hit[field], result.get(field))
            line = (self.proxy.audit / hit["file"]).read_text().splitlines()[hit["line"] - 1]
            self.assertEqual(json.loads(line)["hash"], hit["hash"])

    def test_relations_and_columns(self):
        customers = self.of("SELECT email FROM customers", "SELECT * FROM customers",
                            "SELECT id FROM customers", 'SELECT "email" FROM public.customers')
        self.assertEqual(self.numbers("--relation", "customers"), customers)
        self.assertEqual(self.numbers("--relation", "public.Customers"), customers)
        self.assertEqual(self.numbers("--relation", "archive.customers"),
                         [n for n in customers
                          if n not in self.of('SELECT "email" FROM public.customers')])
        self.assertEqual(self.numbers("--relation", "library.books"),
                         self.of("SELECT title FROM library.books", "DELETE FROM library.books"))
        hits = self.search("--user", USER, "--column", "customers.email")
        how = {h["sql"]: h["mentions"]["customers.email"] for h in hits}
        self.assertEqual(how.pop("SELECT * FROM customers LIMIT 2"), "*")
        self.assertEqual(how.pop("SELECT email FROM customers WHERE id = 3"), "name")
        self.assertEqual(how.pop('SELECT "email" FROM public.customers WHERE id = $1::int'), "name")
        # The record says what is masked of the relation, whether it is read or not.
        self.assertEqual(how, {"SELECT id FROM customers -- no column of interest": "masked"})
        self.assertEqual(sorted(h["statement"] for h in hits), customers)
        # One that is not masked: only the texts can tell.
        ids = {h["sql"]: h["mentions"]["customers.id"]
               for h in self.search("--user", USER, "--column", "customers.id")}
        self.assertEqual(ids["SELECT * FROM customers LIMIT 2"], "*")
        self.assertEqual(ids["SELECT email FROM customers WHERE id = 3"], "name")
        self.numbers("--relation", '"Client Data"', status=1)

    def test_conditions(self):
        self.assertEqual(self.numbers("--verdict", "reject", "--sqlstate", "25006"),
                         self.of("DELETE FROM library.books"))
        self.assertEqual(self.numbers("--sqlstate", "22012"), self.of("SELECT 1/0"))
        self.assertEqual(len(self.numbers("--text", "4711")), 1)
        self.assertEqual(len(self.numbers("--text", "4711 CUSTOMERS", "--text", "email")), 1)
        self.assertEqual(len(self.numbers("--masked", "customers.email", "--limit", "2")), 2)
        self.assertEqual([h["user"] for h in self.search("--text", "by grace")], ["grace"])
        self.assertEqual(self.numbers("--since", "2h"), self.numbers("--database", DATABASE))
        session = self.proxy.records()[0]["session"]
        self.assertEqual(self.numbers("--session", session[:9]), self.numbers("--since", "1d"))
        for nothing in (["--until", "2h"], ["--since", "2999-01-01"], ["--grant", "g_none"],
                        ["--database", "none"], ["--text", "not there"], ["--sqlstate", "99999"],
                        ["--until", "2020-01-01T00:00:00.5+02:00"], ["--session", "00000000ffff"]):
            self.assertEqual(self.numbers(*nothing, status=1), [], nothing)

    def test_questions_that_are_none(self):
        for wrong in (["--since", "yesterday"], ["--until", "2026-13-01"], ["--relation", "a b"],
                      ["--column", "email"], ["--session", "ab"], ["--sqlstate", "4250"],
                      ["--verdict", "perhaps"], ["--format", "xml"],
                      ["--relation", "a; DROP TABLE b"], ["--since", "2026-11-24T13:00:00"]):
            done = self.proxy.verb("audit", "search", "--directory", self.proxy.audit, *wrong)
            self.assertEqual(done.returncode, 2, (wrong, done.stdout))
            self.assertTrue(done.stderr.strip(), wrong)
        done = self.proxy.verb("audit", "search", "--directory", self.env.path / "no-log")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no-log: cannot be read", done.stderr)
        self.assertEqual(self.proxy.verb("audit", "search").returncode, 2)

    def test_a_log_that_cannot_be_written_to(self):
        """A copy with an index beside it that is not ours to write; the log still verifies."""
        copy = self.env.path / "search-copy"
        shutil.copytree(self.proxy.audit, copy)
        done = self.proxy.verb("audit", "index", "--directory", copy)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((copy / ".index" / f"{USER}.vidx").is_file())
        self.assertEqual(self.proxy.verb("audit", "verify", "--directory", copy).returncode, 0)
        again = self.proxy.verb("audit", "index", "--directory", copy)
        self.assertIn(" 0 of them read anew", again.stdout)
        rebuilt = self.proxy.verb("audit", "index", "--rebuild", "--directory", copy)
        self.assertIn(" 2 of them read anew", rebuilt.stdout)

    def test_the_running_proxy_goes_on(self):
        before = len(self.search("--user", "linus", status=1))
        with self.proxy.login(user="linus") as client:
            for i in range(3):
                client.simple(f"SELECT 'growing', {i}")
                # Two searches must not find the log before and behind a result.
                time.sleep(RESULTS_LATE)
                self.assertEqual(len(self.search("--user", "linus", "--text", "growing")),
                                 before + i + 1)

    def test_table(self):
        done = self.proxy.verb("audit", "search", "--config", self.proxy.config, "--user", USER)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), len(self.statements) + 1)
        self.assertTrue(lines[0].startswith("time "))
        self.assertNotIn(HIDDEN, done.stdout)
        self.assertIn("evil\\u{202e}txt", done.stdout)

    def test_csv(self):
        done = self.proxy.verb("audit", "search", "--directory", self.proxy.audit, "--user", USER,
                               "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        self.assertEqual(len(rows), len(self.statements))
        self.assertIn("'=cmd|' /C calc'!A0", [row["sql"] for row in rows])
        for row in rows:
            for value in row.values():
                self.assertNotIn(value[:1], ("=", "+", "-", "@", "\t"))

    def test_pages(self):
        for verb in (["search", "--user", USER], ["show", self.proxy.records()[0]["session"]]):
            done = self.proxy.verb("audit", *verb, "--config", self.proxy.config, "--format",
                                   "html")
            self.assertEqual(done.returncode, 0, done.stderr)
            page = Page(done.stdout)
            self.assertFalse(page.tags & {"script", "img", "link", "iframe", "object", "svg", "a"})
            self.assertFalse([name for name in page.attributes if name.startswith("on")
                              or name in ("src", "href", "style")])
            self.assertIn("</script><img src=x onerror=alert(1)>", page.text)
            self.assertNotIn(HIDDEN, done.stdout)
            self.assertIn("4711", page.text)
            self.assertIn("public.customers.email", page.text)
            self.assertRegex(page.text, r"verified: \d+ records in 2 files are what was written; "
                                        r"signatures checked|verified: ")
        done = self.proxy.verb("audit", "show", "ffffffff", "--config", self.proxy.config,
                               "--format", "html")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
