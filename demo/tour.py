"""The scripted tour: each step is run for real, printed, and checked."""

import json
import re
import shutil
import subprocess
import time

from shop import REASON, USER

MASKED_NAME = re.compile(r"^h_[0-9a-f]{16}$")
# Runs for hours unless somebody stops it.
ENDLESS = "SELECT count(*) FROM orders a, orders b, orders c"


class Tour:
    def __init__(self, shop, screen):
        self.shop, self.screen = shop, screen
        self.token = shop.token()
        self.steps = self.failed = 0

    # --- what steps are made of ------------------------------------------------------------

    def step(self, text):
        self.steps += 1
        self.screen.step(self.steps, text)

    def expect(self, well, text, otherwise=""):
        """One thing that must be so; what was seen instead is printed where it is not."""
        self.screen.verdict(well, text)
        if not well:
            self.failed += 1
            if otherwise:
                self.screen.output("seen instead:\n" + otherwise)

    def psql(self, sql, token=None, show=True, options=()):
        """Runs SQL through vitrine; returns psql's CompletedProcess, stderr in stdout."""
        if show:
            self.screen.command(sql)
        done = subprocess.run(
            ["psql", "-X", "-v", "VERBOSITY=verbose", "-P", "footer=off", *options, "-c", sql],
            env=self.shop.psql_environment(token or self.token), text=True, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        # The login's NOTICE is looked at once, in its own step.
        done.login_notice = "".join(re.findall(r"^NOTICE:.*\n(?:DETAIL:.*\n|HINT:.*\n)*",
                                               done.stdout, re.M))
        done.text = done.stdout.replace(done.login_notice, "").strip("\n")
        if show:
            self.screen.output(done.text)
        return done

    def rows(self, sql):
        """The bare rows through vitrine."""
        done = self.psql(sql, show=False, options=("-At",))
        return [line.split("|") for line in done.text.splitlines()]

    def direct(self, sql):
        return [line.split("|") for line in self.shop.database.sql(sql, "shop").splitlines()]

    def vitrine(self, *arguments, lines=14, env=None):
        shown = [a if re.fullmatch(r"[\w./:,-]+", a) else f'"{a}"' for a in map(str, arguments)]
        self.screen.command("vitrine " + " ".join(shown).replace(f"{self.shop.folder.path}/", ""))
        done = self.shop.vitrine.verb(*arguments, env=env)
        self.screen.output((done.stdout + done.stderr).replace(f"{self.shop.folder.path}/", ""),
                           lines)
        return done

    def audit(self, verb, *arguments, **how):
        return self.vitrine("audit", verb, *arguments, "--config", self.shop.vitrine.config, **how)

    def refused(self, done, sqlstate, text):
        said = re.search(r"(ERROR|FATAL):\s+(\w{5}):", done.text)
        self.expect(bool(said) and said[2] == sqlstate and done.returncode != 0,
                    f"refused with SQLSTATE {sqlstate}: {text}", done.text)

    # --- the steps -------------------------------------------------------------------------

    def login(self):
        self.step("ada logs in, with a token as her password")
        done = self.psql("SELECT version()", show=False, options=("-At",))
        self.screen.output(done.login_notice)
        told = done.login_notice
        self.expect(USER in told and "shop" in told and REASON in told and done.returncode == 0,
                    "she is told who she is, what she may read, until when, and why", done.stdout)
        self.expect(done.text.startswith("PostgreSQL 15"), "and is on a real PostgreSQL", done.text)

    def stranger(self):
        self.step("somebody else tries, with a token that nobody signed")
        header, claims, _ = self.token.split(".")
        done = self.psql("SELECT 1", token=f"{header}.{claims}.{'A' * 86}")
        self.expect(done.returncode != 0 and "FATAL:" in done.text and "SELECT" not in done.text,
                    "no login", done.text)

    def masked(self):
        self.step("she reads customers and their cards")
        self.psql("SELECT id, name, email, phone, region FROM customers ORDER BY id LIMIT 4")
        rows = self.rows("SELECT id, name, email, phone, region FROM customers ORDER BY id")
        raw = self.direct("SELECT id, name, email, phone, region FROM customers ORDER BY id")
        well = len(rows) == len(raw) > 0 and all(
            len(seen) == 5 and seen[0] == true[0] and seen[4] == true[4]
            and MASKED_NAME.match(seen[1])
            and seen[2] == "****@" + true[2].split("@")[1]
            and seen[3] == true[3][:3] + "*" * (len(true[3]) - 5) + true[3][-2:]
            for seen, true in zip(rows, raw))
        self.expect(well, f"{len(raw)} rows: names hashed, e-mail and phone masked, the rest true",
                    str(rows[:3]))
        self.psql("SELECT brand, number FROM cards ORDER BY id LIMIT 2")
        numbers = [row[0] for row in self.rows("SELECT number FROM cards ORDER BY id")]
        true = [row[0] for row in self.direct("SELECT number FROM cards ORDER BY id")]
        self.expect(numbers == ["*" * (len(n) - 4) + n[-4:] for n in true],
                    "of a card, the last four digits", str(numbers[:3]))

    def open(self):
        self.step("what is not masked is as it is")
        sql = "SELECT * FROM sales ORDER BY turnover DESC LIMIT 4"
        self.psql(sql)
        seen, true = self.rows(sql), self.direct(sql)
        self.expect(seen == true and len(true) == 4, "the same as PostgreSQL says directly",
                    str(seen))

    def predicate(self):
        self.step("she looks for one person by a masked value")
        sql = "SELECT count(*) FROM customers WHERE email LIKE 'ben.novak1@%'"
        self.psql(sql)
        seen, true = self.rows(sql), self.direct(sql)
        self.expect(seen == [["0"]] and true == [["1"]],
                    "nobody: the predicate sees the mask, not the value", str(seen))

    def cast(self):
        self.step("she makes an error message print the value")
        sql = "SELECT number::integer FROM cards WHERE id = 1"
        done = self.psql(sql)
        [[true]] = self.direct("SELECT number FROM cards WHERE id = 1")
        self.expect("22P02" in done.text and true not in done.text and true[-4:] in done.text,
                    "PostgreSQL's own error, and in it the masked value", done.text)

    def writes(self):
        self.step("she tries to write")
        before = self.direct("SELECT sum(price), sum(stock) FROM products")
        self.refused(self.psql("UPDATE products SET price = 0"), "25006", "an UPDATE")
        self.refused(self.psql("WITH gone AS (DELETE FROM orders RETURNING *)\n"
                               "SELECT count(*) FROM gone"), "25006", "one hidden in a CTE")
        self.expect(self.direct("SELECT sum(price), sum(stock) FROM products") == before
                    and self.direct("SELECT count(*) FROM orders") == [["4000"]],
                    "nothing has changed in the shop")

    def files(self):
        self.step("she tries to read the server's files")
        self.refused(self.psql("SELECT pg_read_file('/etc/passwd')"), "42501",
                     "a function that reaches outside of the tables")

    @staticmethod
    def nodes(plan):
        return re.findall(r"[A-Z][A-Za-z ]+(?:Scan|Loop|Join|Hash|Sort)", plan)

    def explain_plan(self):
        self.step("EXPLAIN works, and indexes are used")
        sql = ("SELECT o.total, c.email\nFROM orders o JOIN customers c ON c.id = o.customer_id\n"
               "WHERE o.customer_id = 42")
        done = self.psql("EXPLAIN (COSTS off) " + sql)
        plan = self.shop.database.sql("EXPLAIN (COSTS off) " + sql, "shop")
        self.expect("orders_customer" in done.text and self.nodes(done.text) == self.nodes(plan),
                    "the same plan as on the tables themselves", done.text)
        verbose = self.psql("EXPLAIN (VERBOSE) SELECT * FROM customers", show=False)
        self.expect(verbose.returncode == 0 and self.shop.mask_key not in verbose.text,
                    "EXPLAIN VERBOSE does not print the mask's key", verbose.text)

    def check(self):
        self.step("a DBA asks whether the configuration is right")
        done = self.vitrine("check", "--connect", "--config", self.shop.vitrine.config)
        self.expect(done.returncode == 0, "it is, and the database agrees",
                    done.stdout + done.stderr)

    def why(self):
        self.step("a DBA asks what the policy does with a statement")
        done = self.vitrine("explain", "--config", self.shop.vitrine.config, "--database", "shop",
                            "--user", USER, "SELECT name, region FROM customers WHERE id = 7")
        self.expect(done.returncode == 0 and "public.customers.name" in done.stdout,
                    "the verdict, the masked columns, and the SQL that is sent",
                    done.stdout + done.stderr)

    def expiry(self):
        self.step("a token of five seconds, and a query that would run for hours")
        token = self.shop.token(ttl="5s")
        started = time.monotonic()
        done = self.psql(ENDLESS, token=token)
        seconds = time.monotonic() - started
        self.expect("57P01" in done.text and 3 <= seconds <= 7,
                    f"thrown out after {seconds:.1f} s, in the middle of the scan", done.text)
        for _ in range(20):
            left = self.direct("SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' "
                               "AND query LIKE '%orders a, orders b%' "
                               "AND pid <> pg_backend_pid()")
            if left == [["0"]]:
                break
            time.sleep(0.05)
        self.expect(left == [["0"]], "and nothing of it goes on on the server", str(left))

    def access(self):
        self.step("ben has nothing, and is on call: he asks for ten minutes")
        env = self.shop.add_account("ben", "engineering")
        request = ("access", "request", "--user", "ben", "--database", "shop", "--for", "10m")
        done = self.vitrine(*request, "--reason", "curious", env=env)
        self.expect(done.returncode == 1 and "INC-" in done.stderr,
                    "the policy wants a ticket", done.stdout + done.stderr)
        done = self.vitrine(*request, "--reason", "INC-4711 slow checkout", "--handle", env=env)
        line = done.stdout.strip().splitlines()[-1] if done.stdout else ""
        self.expect(done.returncode == 0 and line.startswith("PGPASSWORD="),
                    "with one, he gets it at once, and a line to paste", done.stdout + done.stderr)
        self.step("he pastes it; while his query runs, his laptop is stolen")
        session = subprocess.Popen(["bash", "-c", f"{line} -X -v VERBOSITY=verbose -c '{ENDLESS}'"],
                                   text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        try:
            running = ("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE "
                       "'ben via vitrine%' AND state = 'active'")
            for _ in range(200):
                if self.direct(running) == [["1"]]:
                    break
                time.sleep(0.05)
            started = time.monotonic()
            self.vitrine("access", "revoke", "--of-user", "ben", "--reason", "the laptop is stolen",
                         "--config", self.shop.vitrine.config)
            said = session.communicate(timeout=20)[0]
            seconds = time.monotonic() - started
        finally:
            session.kill()
        self.screen.output("\n".join(said.splitlines()[-3:]))
        self.expect("57P01" in said and "the laptop is stolen" in said and seconds < 2,
                    f"thrown out after {seconds:.1f} s, and told why", said)
        for _ in range(20):
            if self.direct(running) == [["0"]]:
                break
            time.sleep(0.05)
        self.expect(self.direct(running) == [["0"]], "and nothing of it goes on on the server")

    def record(self):
        self.step("the auditor looks at it")
        self.psql("SELECT name FROM customers WHERE id = 1; DELETE FROM customers", show=False)
        done = self.audit("show", "last", lines=40)
        self.expect(done.returncode == 0 and "DELETE FROM customers" in done.stdout,
                    "ada's last session, with what was refused", done.stdout + done.stderr)
        records = [json.loads(line) for file in sorted((self.shop.log / USER).glob("*.jsonl"))
                   for line in file.read_text().splitlines()]
        ends = [r["cause"] for r in records if r["type"] == "session_end"]
        rejected = [r["sql"] for r in records
                    if r["type"] == "statement" and r["verdict"] == "reject"]
        self.expect("expired" in ends and len(rejected) >= 4,
                    f"{len(records)} records: {len(ends)} sessions, {len(rejected)} statements "
                    "refused", str(ends))

    def verify(self):
        self.step("is the record whole?")
        done = self.audit("verify")
        self.expect(done.returncode == 0, "it is", done.stdout + done.stderr)
        self.step("somebody changes one byte of it")
        forged = self.shop.log.with_name("forged")
        shutil.copytree(self.shop.log, forged)
        file = sorted((forged / USER).glob("*.jsonl"))[0]
        text = file.read_bytes()
        at = text.index(b"DELETE FROM orders")
        file.write_bytes(text[:at] + b"S" + text[at + 1:])
        line = text.count(b"\n", 0, at) + 1
        done = self.vitrine("audit", "verify", "--directory", forged, "--public-key",
                            forged.with_name("audit.pub"))
        said = done.stdout + done.stderr
        self.expect(done.returncode == 1 and f"{file.name}:{line}" in said,
                    f"found: {file.name}, line {line}", said)

    def replay(self):
        self.step("the record, played again: on the same data, and on data that has changed")
        database = self.shop.database
        password = (self.shop.folder.path / "reader.password").read_text().strip()
        env = database.environment("shop", "vitrine_reader", password)
        against = f"host=127.0.0.1 port={database.port} dbname=shop user=vitrine_reader"
        done = self.audit("replay", "last", "--against", against, env=env)
        self.expect(done.returncode == 0 and "0 did not" in done.stdout, "it comes out as it did",
                    done.stdout + done.stderr)
        # Without the foreign keys that hang on it.
        change = "SET session_replication_role = replica; UPDATE customers SET id = {} WHERE id = {}"
        database.sql(change.format(-1, 1), "shop")
        done = self.audit("replay", "last", "--against", against, env=env)
        database.sql(change.format(1, -1), "shop")
        self.expect(done.returncode == 1 and "1 did not" in done.stdout,
                    "one statement does not: its row is gone", done.stdout + done.stderr)

    def run(self):
        self.screen.title("vitrine: a tour")
        self.screen.line(f"PostgreSQL 15 on port {self.shop.database.port}, vitrine in front of it "
                         f"on port {self.shop.vitrine.port}, both in {self.shop.folder.path}")
        for step in (self.login, self.stranger, self.masked, self.open, self.predicate, self.cast,
                     self.writes, self.files, self.explain_plan, self.check, self.why, self.expiry,
                     self.access, self.record, self.verify, self.replay):
            try:
                step()
            except Exception as problem:  # a step that cannot even be looked at has failed
                self.expect(False, f"{type(problem).__name__}: {problem}")
        self.screen.line()
        if self.failed:
            self.screen.line(f"{self.steps} steps, {self.failed} of the checks did not come out as "
                             "they must.")
            return 1
        self.screen.line(f"{self.steps} steps, all as they must be. Yours: ./dev demo, in a "
                         "terminal.")
        return 0


def tour(shop, screen):
    return Tour(shop, screen).run()
