#!/usr/bin/python3
"""As if masked: vitrine's answers against PostgreSQL's on a masked copy of the database.

    tests/differential/run.py [--only WORD] [--part PART …] [--seed N] [--count N] [--list]

Parts: `queries` (queries.sql), `attacks` (attacks.sql, portals.py), `random` (queries made up from
--seed, --count of them), `smith` (those of Debian's sqlsmith, until --count were compared); all by
default, the made-up ones a few hundred each. The whole of the last is
    tests/differential/run.py --part smith --count 20000
Prints a table of groups, then each difference and refusal that no list names, with both answers; of the
made-up ones each kind of refusal, too. --list shows one statement for each. The closing line is that of the other tests; exit 0 where nothing failed. VITRINE_PRESET chooses the build
(release), VITRINE_KEEP=1 keeps the folder.
"""

import argparse
import collections
import random
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "integration"))

import answers  # noqa: E402
import dumps  # noqa: E402
import portals  # noqa: E402
import smith  # noqa: E402
import statements  # noqa: E402
from answers import DIFFERENT, EQUAL, FAILED, MODES, REFUSED, ROW_TYPE  # noqa: E402
from canaries import Canaries  # noqa: E402
from databases import COPY, DATABASE, Databases  # noqa: E402
from masks import KEY  # noqa: E402
from random_queries import Generator  # noqa: E402
from wire_client import ConnectionClosed  # noqa: E402

EXCEPTIONS_MAX = 9
WORST = (EQUAL, ROW_TYPE, REFUSED, FAILED, DIFFERENT)
BINARY_MARKED = "SELECT born, salary, ref, badge, pin, ip, span, home, raw FROM people"


def shown(text, width=400):
    one = " ".join(str(text).split())
    return one if len(one) <= width else one[:width - 1] + "…"


class Lost(Exception):
    """A session ended where it should not."""


class Sessions:
    """For each mode a session through vitrine and one on the copy, in step."""

    def __init__(self, databases):
        self.databases = databases
        self.pairs = {}
        self.true_code, self.true_rows = None, False  # of the copy's last answer
        self.canaries = Canaries(KEY)
        with databases.direct(DATABASE, superuser=True) as direct:
            for m in direct.extended(BINARY_MARKED, result_formats=[1]):
                if m.name == "DataRow":
                    self.canaries.learn(m.values)
        answers.ROW_TYPES |= set(databases.server.sql(
            "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') "
            "AND oid >= 16384", DATABASE).splitlines())

    def pair(self, mode):
        if mode not in self.pairs:
            self.pairs[mode] = self.databases.through(), self.databases.direct(COPY)
        return self.pairs[mode]

    def drop(self, mode):
        for client in self.pairs.pop(mode, ()):
            client.close()

    def compare(self, entry, mode):
        """(outcome, detail, leak) of an entry in one mode."""
        seen_client, true_client = self.pair(mode)
        seen_client.received.clear()
        true_client.received.clear()
        types = self.databases.type_names
        outcome, detail, leak = EQUAL, "", None
        status = "I"
        values = entry.options["values"].split("|") if "values" in entry.options else ()
        for sql in entry.statements:
            try:
                answers.send(true_client, sql, mode, values)
                answers.send(seen_client, sql, mode, values)
                true = true_client.receive_until("ReadyForQuery")
            except (ConnectionClosed, OSError) as end:
                raise Lost(f"a session ended: {end}: {sql}") from None
            self.true_code = (answers.error_of(true) or {}).get("C")
            self.true_rows = any(m.name in ("DataRow", "CopyData") for m in true)
            try:
                seen = seen_client.receive_until("ReadyForQuery")
            except (ConnectionClosed, OSError) as end:
                self.drop(mode)
                return DIFFERENT, f"the session ended: {end or 'closed'}", leak
            leak = leak or self.canaries.seen_in(seen_client.received, seen)
            status = seen[-1].status + true[-1].status
            found, why = answers.compare(
                seen, true, types[DATABASE], types[COPY], binary=mode == "binary",
                ordered=statements.is_ordered(sql) and "unordered" not in entry.options,
                with_rows="rows" not in entry.options,
                with_modifiers="made up" not in entry.options)
            if WORST.index(found) > WORST.index(outcome):
                outcome, detail = found, why
            if found in (REFUSED, FAILED, DIFFERENT):
                break
        if outcome in (REFUSED, FAILED, DIFFERENT) and len(entry.statements) > 1:
            self.drop(mode)  # the rest of the entry would have put things back
        elif status.strip("I"):
            for client in (seen_client, true_client):
                client.simple("ROLLBACK")
        return outcome, detail, leak

    def worst(self, entry, modes=MODES):
        """Over all modes; the detail says in which."""
        outcome, detail = EQUAL, ""
        # Values for parameters go with the extended protocol only.
        for mode in modes[1:] if "values" in entry.options else modes:
            found, why, leak = self.compare(entry, mode)
            if leak:
                return DIFFERENT, f"LEAK ({mode}): {leak}"
            if WORST.index(found) > WORST.index(outcome):
                outcome, detail = found, f"{mode}: {why}"
        return outcome, detail

    def close(self):
        for mode in list(self.pairs):
            self.drop(mode)


class Report:
    def __init__(self):
        self.passed = self.failed = 0
        self.groups = collections.defaultdict(collections.Counter)
        self.refusals = collections.Counter()
        self.refused = {}

    def well(self, group, outcome):
        self.passed += 1
        self.groups[group][outcome] += 1

    def bad(self, group, outcome, name, sql, detail):
        self.failed += 1
        self.groups[group][outcome] += 1
        print(f"FAILED {name} ({outcome})\n    {shown(sql, 20000)}\n    {shown(detail, 1200)}", flush=True)

    def table(self, title, kinds):
        width = max([len(g) for g in self.groups] + [len(title)])
        print(f"\n{title:<{width}}  " + "  ".join(f"{k:>9}" for k in kinds))
        total = collections.Counter()
        for group, counts in self.groups.items():
            total.update(counts)
            print(f"{group:<{width}}  " + "  ".join(f"{counts[k] or '':>9}" for k in kinds))
        print(f"{'':<{width}}  " + "  ".join(f"{total[k]:>9}" for k in kinds) + "\n", flush=True)
        self.groups.clear()


# --- queries ---------------------------------------------------------------------------------


def queries(sessions, report, only, everything):
    exceptions = statements.read_list(HERE / "exceptions.txt")
    not_yet = statements.read_list(HERE / "not_yet.txt")
    entries = statements.read(HERE / "queries.sql")
    unknown = (set(exceptions) | set(not_yet)) - {e.name for e in entries}
    listed = exceptions | not_yet
    reasons = [why for why in listed.values() if not why.startswith("as ")]
    unknown |= {why[3:] for why in listed.values() if why.startswith("as ")} - set(listed)
    if unknown or len(reasons) > EXCEPTIONS_MAX:
        report.bad("lists", DIFFERENT, "the lists", "", f"unknown names {sorted(unknown)}, "
                   f"{len(reasons)} reasons of at most {EXCEPTIONS_MAX}")
    for entry in entries:
        if only and only not in f"{entry.group} {entry.name}":
            continue
        outcome, detail = sessions.worst(entry)
        if "LEAK" in detail:
            report.bad(entry.group, outcome, entry.name, entry.sql, detail)
        elif entry.name in exceptions:
            if outcome == DIFFERENT:
                report.well(entry.group, "exception")
            else:
                report.bad(entry.group, outcome, entry.name, entry.sql,
                           f"is in exceptions.txt, and is {outcome} now: {detail}")
        elif entry.name in not_yet:
            # An answer that is right but for the row's type is the one kind that is no refusal.
            if outcome in (REFUSED, FAILED, ROW_TYPE):
                report.well(entry.group, outcome)
                if everything:
                    print(f"{outcome:<9} {entry.name}: {shown(entry.sql, 150)}\n"
                          f"          {shown(detail, 200)}")
            else:
                report.bad(entry.group, outcome, entry.name, entry.sql,
                           f"is in not_yet.txt, and is {outcome} now: {detail}")
        elif outcome == EQUAL:
            report.well(entry.group, outcome)
        else:
            report.bad(entry.group, outcome, entry.name, entry.sql, detail)
    report.table("queries", (EQUAL, ROW_TYPE, REFUSED, FAILED, DIFFERENT, "exception"))


# --- attacks ---------------------------------------------------------------------------------


def attacks(sessions, report, only, everything):
    """Each is shown to be one, on the server itself; then no byte of a raw value may come through."""
    databases, canaries = sessions.databases, sessions.canaries
    raw = {}
    for entry in statements.read(HERE / "attacks.sql"):
        if only and only not in f"{entry.group} {entry.name}":
            continue
        if "cannot" not in entry.options:
            problem = real(databases, raw, canaries, entry)
            if problem:
                report.bad(entry.group, "no attack", entry.name, entry.sql, problem)
                continue
        outcomes, leak = set(), None
        for mode in MODES:
            outcome, leak = attack(sessions, entry, mode)
            outcomes.add(outcome)
            if leak:
                leak = f"{mode}: {leak}"
                break
        worst = next(o for o in ("leaks", "ended", "refused", "error", "answered") if o in outcomes)
        if bool(leak) != ("known" in entry.options):
            report.bad(entry.group, worst, entry.name, entry.sql,
                       leak or "shows nothing any more: it is known no longer")
            continue
        report.well(entry.group, worst)
        if everything:
            print(f"{worst:<9} {entry.name}: {shown(entry.sql, 150)}")
    for client in raw.values():
        client.close()
    portal_attacks(sessions, report, only)
    report.table("attacks", ("answered", "error", "refused", "ended", "leaks", "no attack"))


def portal_attacks(sessions, report, only):
    """Those that are made of messages; each in sessions of its own."""
    databases, canaries = sessions.databases, sessions.canaries
    function = int(databases.server.sql("SELECT 'email_of'::regproc::oid", DATABASE))
    for name, steps in portals.conversations(function).items():
        if only and only not in f"portals {name}":
            continue
        with databases.direct(DATABASE, superuser=True) as direct:
            messages = portals.run(direct, steps)
            if not canaries.seen_in(direct.received, messages):
                report.bad("portals", "no attack", name, steps, messages)
                continue
        with databases.through() as client:
            messages = portals.run(client, steps)
            leak = canaries.seen_in(client.received, messages)
            error = answers.error_of(messages)
            ended = not messages or messages[-1].name != "ReadyForQuery"
        if leak:
            report.bad("portals", "leaks", name, steps, leak)
        else:
            report.well("portals", "ended" if ended else "answered" if not error
                        else "error" if "R" in error else "refused")


def attack(sessions, entry, mode):
    """(what came of it, what shows) of an attack in one mode."""
    client, _ = sessions.pair(mode)
    client.received.clear()
    outcome, leak = "answered", None
    try:
        for sql in entry.statements:
            messages = answers.ask(client, sql, mode)
            error = answers.error_of(messages)
            if error:
                outcome = "error" if "R" in error else "refused"
            leak = leak or sessions.canaries.seen_in(client.received, messages)
    except (ConnectionClosed, OSError):
        outcome = "ended"
        leak = leak or sessions.canaries.seen_in(client.received)
    if outcome == "ended" or len(entry.statements) > 1:
        sessions.drop(mode)
    # One that shows itself in which rows come, and not in a text: as on the copy, or refused.
    if not leak and "blind" in entry.options:
        found, detail, leak = sessions.compare(entry, mode)
        if found == DIFFERENT and "weak" not in entry.options:
            leak = detail
    return ("leaks" if leak else outcome), leak


def real(databases, raw, canaries, entry):
    """Why an attack is none: nothing shows on the server itself, as superuser, in any mode."""
    seen = {}
    for database in (DATABASE, COPY) if "blind" in entry.options else (DATABASE,):
        for mode in MODES if "blind" not in entry.options else ("simple",):
            if database not in raw:
                raw[database] = databases.direct(database, superuser=True)
                raw[database].simple("SET client_min_messages = notice")
            client = raw[database]
            client.received.clear()
            client.simple("BEGIN")
            said, leak = [], None
            try:
                for sql in entry.statements:
                    messages = answers.ask(client, sql, mode)
                    said.append(([m.values for m in messages if m.name == "DataRow"],
                                 (answers.error_of(messages) or {}).get("C")))
                    leak = leak or canaries.seen_in(client.received, messages)
                client.simple("ROLLBACK; DEALLOCATE ALL; RESET ALL")
            except (ConnectionClosed, OSError):
                raw.pop(database).close()
            seen[database, mode] = said
            if leak and "blind" not in entry.options:
                return None
    if "blind" not in entry.options:
        return f"nothing of a raw value shows on the server itself: {shown(seen)}"
    if seen[DATABASE, "simple"] == seen[COPY, "simple"]:
        return f"the answer is that of the masked copy on the server itself: {shown(seen)}"
    return None


# --- made-up queries -------------------------------------------------------------------------

# How the planner may go about a statement; PostgreSQL promises no more than that one of them is taken.
PLANS = (
    "", "SET enable_hashjoin = off; SET enable_mergejoin = off", "SET enable_nestloop = off",
    "SET enable_hashagg = off; SET enable_material = off; SET enable_memoize = off",
    "SET enable_seqscan = off", "SET enable_indexscan = off; SET enable_bitmapscan = off; "
    "SET enable_indexonlyscan = off; SET enable_sort = off", "SET from_collapse_limit = 1; "
    "SET join_collapse_limit = 1", "SET enable_nestloop = off; SET enable_hashjoin = off",
    "SET enable_mergejoin = off; SET enable_nestloop = off; SET enable_hashagg = off",
)
MADE_UP = (EQUAL, "no rows", "both fail", "by plan", "evaluation", "timeout", REFUSED, FAILED, DIFFERENT, ROW_TYPE)
USABLE = (EQUAL, "no rows", "both fail")
TIMEOUT, LONG_TIMEOUT = "200ms", "30s"


class MadeUp:
    """Compares made-up queries, one mode after the other, until there are enough."""

    def __init__(self, sessions, report, group):
        self.sessions, self.report, self.group = sessions, report, group
        self.number = self.usable = 0
        self.errors = collections.Counter()
        self.excused = []
        self.failing = {}  # the first one for each SQLSTATE
        self.started = self.told = time.monotonic()

    def compare(self, texts, ordered):
        sql = " ;; ".join(texts)
        mode = MODES[self.number % 3]
        self.number += 1
        # Where a mask is a constant, the planner may know more of an expression's length.
        entry = statements.Entry(self.group, f"{self.group} {self.number}", {"made up": ""} | (
            {} if ordered else {"unordered": ""}), texts)
        if mode not in self.sessions.pairs:
            self.set_timeout(mode, TIMEOUT)
        try:
            outcome, detail = self.one(entry, mode)
        except Lost as lost:
            print(f"  {lost}", flush=True)
            for each in MODES:
                self.sessions.drop(each)
            return
        self.usable += outcome in USABLE
        if outcome in (FAILED, DIFFERENT, ROW_TYPE):
            self.report.bad(self.group, outcome, f"{entry.name} ({mode})", sql, detail)
        else:
            self.report.well(self.group, outcome)
        if outcome in ("by plan", "evaluation"):
            self.excused.append((f"{outcome} ({mode}): {detail}", sql))
        if outcome == REFUSED:
            self.report.refusals[detail.split(" | ")[0]] += 1
            self.report.refused.setdefault(detail.split(" | ")[0], sql)
        if time.monotonic() - self.told > 30:
            self.told = time.monotonic()
            counts = self.report.groups[self.group]
            print(f"  {self.usable} compared of {self.number} in {self.told - self.started:.0f} s: "
                  + ", ".join(f"{times} {what}" for what, times in counts.most_common()), flush=True)

    def set_timeout(self, mode, value):
        for client in self.sessions.pair(mode):
            client.simple(f"SET statement_timeout = '{value}'")

    def one(self, entry, mode):
        outcome, detail, leak = self.sessions.compare(entry, mode)
        if not leak and self.sessions.true_code == "57014":
            return "timeout", ""
        if not leak and outcome == FAILED and detail.startswith("57014"):
            # Masking costs time: one condition of several is equal, that both come to an end.
            self.set_timeout(mode, LONG_TIMEOUT)
            outcome, detail, leak = self.sessions.compare(entry, mode)
            if mode in self.sessions.pairs:
                self.set_timeout(mode, TIMEOUT)
        if leak:
            return DIFFERENT, f"LEAK: {leak}"
        if outcome in (FAILED, DIFFERENT) and len(entry.statements) == 1 and mode in self.sessions.pairs:
            fails = self.sessions.true_code or outcome == FAILED
            if self.by_plan(entry, mode):
                return "by plan", detail
            if fails and self.evaluated(entry, mode):
                return "evaluation", detail
        if outcome == EQUAL and self.sessions.true_code:
            self.errors[self.sessions.true_code] += 1
            self.failing.setdefault(self.sessions.true_code, entry.sql)
            return "both fail", ""
        if outcome == EQUAL and not self.sessions.true_rows:
            return "no rows", ""
        return outcome, detail

    def by_plan(self, entry, mode):
        """Is vitrine's answer one that the copy itself gives under another plan?

        Which rows a LIMIT without an order takes, in which order an aggregate sees them, which of two
        errors comes first or whether a condition is evaluated at all: the copy has more than one answer.
        """
        through, copy = self.sessions.pair(mode)
        types = self.sessions.databases.type_names
        for client in (through, copy):
            client.simple("SET statement_timeout = '3s'")
        try:
            answered = [self.under(through, plan, entry, mode) for plan in PLANS]
            true = [self.under(copy, plan, entry, mode) for plan in PLANS]
        finally:
            for client in (through, copy):
                client.simple(f"RESET ALL; SET statement_timeout = '{TIMEOUT}'")
        return any(answers.compare(seen, other, types[DATABASE], types[COPY], binary=mode == "binary",
                                   ordered="unordered" not in entry.options,
                                   with_modifiers=False)[0] == EQUAL
                   for seen in answered for other in true)

    @staticmethod
    def under(client, plan, entry, mode):
        client.simple("BEGIN")
        if plan:
            client.simple(plan.replace("SET ", "SET LOCAL "))
        messages = answers.ask(client, entry.sql, mode)
        client.simple("ROLLBACK")
        return messages

    def evaluated(self, entry, mode):
        """Does the statement fail for a value only, that another plan need not come to?

        Where a mask is a constant, the planner through vitrine may know that a condition holds for no
        row, and what stands behind it is not evaluated: no set of PLANS has the copy know it too. And
        the copy's planner tries conditions on the statistics of columns, which a mask has not. So the
        statement is but prepared: its analysis fails on neither side.
        """
        def prepared(client):
            messages = client.simple("PREPARE evaluated AS " + entry.sql)
            client.simple("DEALLOCATE evaluated")
            return not answers.error_of(messages)
        return all(prepared(client) for client in self.sessions.pair(mode))

    def end(self, everything):
        excused = self.report.groups[self.group]["by plan"] + self.report.groups[self.group]["evaluation"]
        if excused * 100 > self.usable:
            self.report.bad(self.group, DIFFERENT, self.group, "", f"{excused} answers that hang on the "
                            f"plan beside {self.usable}: more than one in a hundred")
        self.report.table("made up", MADE_UP)
        if self.errors:
            print("SQLSTATEs of those that fail on both: " + ", ".join(
                f"{code} {times}" for code, times in self.errors.most_common()) + "\n")
        if everything:
            for what, sql in [*self.failing.items(), *self.excused]:
                print(f"  {what}\n      {shown(sql, 20000)}")


def random_part(sessions, report, seed, count, everything):
    print(f"random queries: --seed {seed} --count {count}", flush=True)
    generator = Generator(seed)
    made_up = MadeUp(sessions, report, "random")
    for _ in range(count):
        made_up.compare(*generator.query())
    made_up.end(everything)


def smith_part(sessions, report, seed, count, everything):
    """Queries of sqlsmith's until `count` of them were compared."""
    print(f"sqlsmith: --part smith --seed {seed} --count {count}", flush=True)
    if not shutil.which("sqlsmith"):
        report.bad("sqlsmith", "missing", "sqlsmith", "", "is not there: apt-get install sqlsmith")
        return
    sessions.close()  # no database is copied that somebody uses
    smith.prepare(sessions.databases.server, COPY)
    choose = random.Random(seed)
    made_up = MadeUp(sessions, report, "sqlsmith")
    for text in smith.statements(sessions.databases.server, seed):
        if made_up.usable >= count:
            break
        text = smith.readable(text, choose)
        if text:
            made_up.compare([text], False)
    made_up.end(everything)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--only", metavar="WORD", help="entries whose group or name has it")
    arguments.add_argument("--part", action="append", metavar="PART",
                           choices=("queries", "attacks", "dumps", "random", "smith"))
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--count", type=int, default=400)
    arguments.add_argument("--list", action="store_true", help="every refusal of the lists too, and of the made-up queries what was excused")
    options = arguments.parse_args()
    parts = options.part or ["queries", "attacks", "dumps", "random", "smith"]
    started = time.monotonic()
    report = Report()
    databases = Databases()
    sessions = None
    try:
        print(f"databases in {time.monotonic() - started:.1f} s; constraints that the masks break: "
              f"{'; '.join(databases.copy.gone) or 'none'}", flush=True)
        sessions = Sessions(databases)
        if "queries" in parts:
            queries(sessions, report, options.only, options.list)
        if "attacks" in parts:
            attacks(sessions, report, options.only, options.list)
        if "dumps" in parts:
            dumps.run(databases, report)
        if "random" in parts:
            random_part(sessions, report, options.seed, options.count, options.list)
        if "smith" in parts:
            smith_part(sessions, report, options.seed, options.count, options.list)
        for refusal, times in report.refusals.most_common():
            print(f"  refused {times:>4}: {shown(refusal, 160)}")
            if options.list:
                print(f"      {shown(report.refused[refusal], 1200)}")
        print(f"{time.monotonic() - started:.0f} s")
    finally:
        if sessions:
            sessions.close()
        status = databases.stop()
    if status != 0:
        print(f"FAILED: vitrine ended with status {status}")
        report.failed += 1
    print(f"{report.passed} passed, {report.failed} failed")
    return 0 if report.passed and not report.failed else 1


if __name__ == "__main__":
    sys.exit(main())
