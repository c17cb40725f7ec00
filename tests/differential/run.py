#!/usr/bin/python3
"""As if masked: vitrine's answers against PostgreSQL's on a masked copy of the database.

    tests/differential/run.py [--only WORD] [--part PART …] [--seed N] [--count N] [--list]

Parts: `queries` (queries.sql), `attacks` (attacks.sql, portals.py), `random` (queries made up from
--seed, --count of them); all three by default. `smith` takes the queries of Debian's sqlsmith and must
be asked for.
Prints a table of groups, then each difference and refusal that no list names, with both answers. The
closing line is that of the other tests; exit 0 where nothing failed. VITRINE_PRESET chooses the build
(release), VITRINE_KEEP=1 keeps the folder.
"""

import argparse
import collections
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "integration"))

import answers  # noqa: E402
import dumps  # noqa: E402
import portals  # noqa: E402
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
                true = answers.ask(true_client, sql, mode, values)
            except (ConnectionClosed, OSError) as end:
                raise Lost(f"the copy's session ended: {end}: {sql}") from None
            try:
                seen = answers.ask(seen_client, sql, mode, values)
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

    def well(self, group, outcome):
        self.passed += 1
        self.groups[group][outcome] += 1

    def bad(self, group, outcome, name, sql, detail):
        self.failed += 1
        self.groups[group][outcome] += 1
        print(f"FAILED {name} ({outcome})\n    {shown(sql, 1200)}\n    {shown(detail, 800)}", flush=True)

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
    if unknown or len(exceptions) > EXCEPTIONS_MAX:
        report.bad("lists", DIFFERENT, "the lists", "", f"unknown names {sorted(unknown)}, "
                   f"{len(exceptions)} exceptions of at most {EXCEPTIONS_MAX}")
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


def made_up(sessions, report, group, texts):
    """Both answer: the same. The copy's error must be vitrine's too; a refusal is counted."""
    for number, (sql, ordered) in enumerate(texts):
        # Where a mask is a constant, the planner may know more of an expression's length.
        options = {"made up": ""} | ({} if ordered else {"unordered": ""})
        entry = statements.Entry(group, f"{group} {number}", options, [sql])
        try:
            outcome, detail = sessions.worst(entry, (MODES[number % 3],))
        except Lost as lost:
            print(f"  {lost}")
            for mode in MODES:
                sessions.drop(mode)
            continue
        if outcome == FAILED and group == "sqlsmith" and DATA_ERROR.search(detail):
            # Which of two conditions is evaluated first is nobody's promise.
            report.well(group, "data error")
        elif outcome in (EQUAL, REFUSED):
            failed = answers_error(sessions, MODES[number % 3])
            report.well(group, "both fail" if outcome == EQUAL and failed else outcome)
            if outcome == REFUSED:
                report.refusals[detail.split(": ", 1)[1].split(" | ")[0]] += 1
        else:
            report.bad(group, outcome, f"{group} {number}", sql, detail)


def answers_error(sessions, mode):
    """Was the last answer of the copy's an error?"""
    return mode in sessions.pairs and b"\0C" in bytes(sessions.pairs[mode][1].received) and \
        b"SERROR\0" in bytes(sessions.pairs[mode][1].received)


def random_part(sessions, report, seed, count):
    print(f"random queries: --seed {seed} --count {count}", flush=True)
    generator = Generator(seed)
    made_up(sessions, report, "random", (generator.query() for _ in range(count)))
    report.table("made up", (EQUAL, "both fail", "data error", REFUSED, FAILED, DIFFERENT,
                             ROW_TYPE))


DATA_ERROR = re.compile(r"^\w+: 22\d\d\d ")
# What gives another value each time, or in another database; partitions that a mask moves rows
# out of; generated columns (exceptions.txt).
VOLATILE = re.compile(
    r"by_word_|email_(lower|size)|random|clock|timeofday|_now|now\(|statement_timestamp|"
    r"transaction_timestamp|current_|pg_|txid|"
    r"inet_(client|server)|version\(|setseed|age\(|lastval|tablesample|hashtextextended|xmin|ctid",
    re.I)


def smith(sessions, report, seed, count):
    """Queries of sqlsmith's, made up on the tables of the masked copy."""
    databases = sessions.databases
    server = databases.server
    server.sql(f"CREATE DATABASE smith TEMPLATE {COPY}")
    server.sql("SELECT format('DROP %s IF EXISTS %s CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' ELSE "
               "'MATERIALIZED VIEW' END, oid::regclass) FROM pg_class WHERE relkind IN ('v', 'm') "
               "AND oid >= 16384\n\\gexec", "smith")
    try:
        done = subprocess.run(["sqlsmith", f"--target={server.conninfo('smith')}", "--dry-run",
                               "--exclude-catalog", f"--seed={seed}", f"--max-queries={count}"],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900)
    except FileNotFoundError:
        print("left out: sqlsmith is not there (apt-get install sqlsmith)")
        return
    texts = [t.strip() for t in done.stdout.split(";") if t.strip()]
    reads = [t for t in texts if t.lower().startswith(("select", "with"))
             and not VOLATILE.search(t.replace("pg_catalog.", ""))]
    print(f"sqlsmith --seed={seed}: {len(texts)} statements, {len(reads)} reads that give the same "
          "each time", flush=True)
    for mode in MODES:
        for client in sessions.pair(mode):
            client.simple("SET statement_timeout = '3s'")
    made_up(sessions, report, "sqlsmith", ((t, False) for t in reads))
    report.table("made up", (EQUAL, "both fail", "data error", REFUSED, FAILED, DIFFERENT,
                             ROW_TYPE))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--only", metavar="WORD", help="entries whose group or name has it")
    arguments.add_argument("--part", action="append", metavar="PART",
                           choices=("queries", "attacks", "dumps", "random", "smith"))
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--count", type=int, default=400)
    arguments.add_argument("--list", action="store_true", help="every refusal of the lists too")
    options = arguments.parse_args()
    parts = options.part or ["queries", "attacks", "dumps", "random"]
    started = time.monotonic()
    report = Report()
    report.refusals = collections.Counter()
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
            random_part(sessions, report, options.seed, options.count)
        if "smith" in parts:
            smith(sessions, report, options.seed, options.count)
        for refusal, times in report.refusals.most_common(20):
            print(f"  refused {times:>4}: {shown(refusal, 160)}")
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
