"""What goes through each peer, and what it costs: CPU of the proxy's own processes for what is counted,
and how much of that got through a second."""

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psycopg

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / "demo")]

from peer_setup import SCALE  # noqa: E402
from proxies import DATABASE, cpu_nanoseconds, pgbench, progress  # noqa: E402

PIPELINE = 20

PLAIN = "SELECT abalance FROM pgbench_accounts WHERE aid = "
MASKED = "SELECT bid FROM pgbench_accounts WHERE aid = "  # rewritten, and rounded to tens
ROWS = "SELECT id, a, b, at FROM bulk"
WIDE = "SELECT body FROM wide"

# By weight. Each time another literal, so that no text is seen twice.
REPORTS = {
    "by_city": (4, """\\set day random(0, 300)
SELECT c.city, count(*), sum(o.amount), avg(o.amount)::numeric(12, 2)
  FROM orders o JOIN customers c ON c.id = o.customer
 WHERE o.placed BETWEEN date '2026-01-01' + :day AND date '2026-01-31' + :day
 GROUP BY c.city ORDER BY 3 DESC;
"""),
    "best_customers": (3, """\\set day random(0, 300)
SELECT c.name, c.email, c.phone, sum(o.amount) AS total, count(*) AS orders
  FROM customers c JOIN orders o ON o.customer = c.id
 WHERE o.placed BETWEEN date '2026-01-01' + :day AND date '2026-01-10' + :day
 GROUP BY c.id, c.name, c.email, c.phone ORDER BY total DESC LIMIT 50;
"""),
    "by_year_of_birth": (2, """\\set first random(1, 18000)
SELECT c.born, c.city, count(DISTINCT c.id), max(o.amount)
  FROM customers c LEFT JOIN orders o ON o.customer = c.id AND o.amount > 500
 WHERE c.id BETWEEN :first AND :first + 1000
 GROUP BY c.born, c.city HAVING count(*) > 1 ORDER BY c.born, c.city;
"""),
    "domains": (2, """\\set first random(1, 18000)
WITH recent AS (SELECT customer, placed, note FROM orders WHERE customer BETWEEN :first AND :first + 500)
SELECT c.email, count(*), count(r.note), max(r.placed)
  FROM recent r JOIN customers c ON c.id = r.customer GROUP BY c.email ORDER BY 2 DESC LIMIT 100;
"""),
    "branches": (3, """\\set branch random(1, 10)
SELECT t.tid, b.bbalance, count(*), sum(a.abalance), min(a.filler)
  FROM pgbench_branches b JOIN pgbench_tellers t ON t.bid = b.bid
  JOIN pgbench_accounts a ON a.aid BETWEEN t.tid * 1000 AND t.tid * 1000 + 99
 WHERE b.bid = :branch GROUP BY t.tid, b.bbalance ORDER BY t.tid;
"""),
}


def connect(environment):
    """As libpq's programs would with that environment."""
    words = {"PGHOST": "host", "PGPORT": "port", "PGDATABASE": "dbname", "PGUSER": "user",
             "PGPASSWORD": "password", "PGSSLMODE": "sslmode", "PGSSLROOTCERT": "sslrootcert"}
    return psycopg.connect(**{word: environment[name] for name, word in words.items()},
                           autocommit=True, prepare_threshold=None)


def by_pgbench(*arguments):
    def client(environment, sessions, transactions):
        return pgbench(environment, sessions, transactions, "-D", f"scale={SCALE}", *arguments)
    return client


def by_psql(sql):
    """COPY, which pgbench does not take."""
    def client(environment, _, transactions):
        began = time.monotonic()
        done = subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", *["-c", sql] * transactions],
                              env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise RuntimeError(f"{sql}: {done.stderr}")
        return transactions / (time.monotonic() - began)
    return client


def binary(sql):
    """Results in binary format, which neither asks for. They are not read out of libpq's hands."""
    def client(environment, _, transactions):
        began = time.monotonic()
        with connect(environment) as connection:
            for _ in range(transactions):
                connection.cursor(binary=True).execute(sql)
        return transactions / (time.monotonic() - began)
    return client


class Case:
    """`statements` a transaction; `megabytes` where that is what counts; `logins`: they do too."""

    def __init__(self, name, sessions, transactions, client, *, statements=1, megabytes=None,
                 logins=False):
        self.name, self.sessions, self.transactions = name, sessions, transactions
        self.client, self.statements, self.megabytes = client, statements, megabytes
        self.logins = logins

    @property
    def unit(self):
        return "s/GB" if self.megabytes else "µs"

    def cost(self, nanoseconds):
        done = self.sessions * self.transactions
        if self.megabytes:
            return nanoseconds / 1e9 / (done * self.megabytes / 1000)
        return nanoseconds / 1000 / (done * self.statements)

    def measure(self, peer):
        """Cost, and how many a second. The logins of the sessions are counted off, but where they
        are what is measured."""
        def run_it(client, transactions):
            before = cpu_nanoseconds(peer.pid)
            rate = client(peer.environment, self.sessions, transactions)
            return cpu_nanoseconds(peer.pid) - before, rate

        if self.logins:
            cpu, rate = run_it(self.client, self.transactions)
            return self.cost(cpu), rate
        if self.megabytes:
            login, _ = run_it(by_psql("SELECT 1"), 1)
            cpu, rate = run_it(self.client, self.transactions)
            return self.cost(cpu - login), rate
        logins, _ = run_it(self.client, 1)
        cpu, rate = run_it(self.client, self.transactions + 1)
        return self.cost(cpu - logins), rate * self.statements


def write_scripts(folder):
    def write(name, text):
        file = folder / f"{name}.sql"
        file.write_text(text)
        return file

    pipeline = "\\set aid random(1, 100000 * :scale)\n\\startpipeline\n{}\\endpipeline\n"
    scripts = {name: write(name, pipeline.format(f"{sql}:aid;\n" * PIPELINE))
               for name, sql in (("pipelined", PLAIN), ("masked", MASKED))}
    scripts |= {name: write(name, sql + ";\n") for name, sql in (("rows", ROWS), ("wide", WIDE))}
    return scripts | {name: write(name, sql) for name, (_, sql) in REPORTS.items()}


def sizes(server):
    """Megabytes of a whole result: in text with what COPY puts between the columns, in binary
    format the values alone."""
    def megabytes(expression, table):
        return float(server.sql(f"SELECT sum({expression}) / 1e6 FROM {table} t", DATABASE))

    return {"rows": megabytes("octet_length(t::text)", "bulk"),
            "wide": megabytes("octet_length(body)", "wide"),
            "binary": megabytes("4 + octet_length(a) + octet_length(b) + 8", "bulk")}


def cases(scripts, megabytes):
    for mode in ("simple", "extended", "prepared"):
        for sessions in (1, 8, 64):
            yield Case(f"{mode}, {sessions}", sessions, 8000 // sessions,
                       by_pgbench("-S", "-M", mode))
    for name in ("pipelined", "masked"):
        yield Case(f"{name} by {PIPELINE}, 8", 8, 500,
                   by_pgbench("-M", "prepared", "-f", scripts[name]), statements=PIPELINE)
    weighted = [argument for name, (weight, _) in REPORTS.items()
                for argument in ("-f", f"{scripts[name]}@{weight}")]
    yield Case("reports, masked, 4", 4, 100, by_pgbench(*weighted))
    for name in ("rows", "wide"):
        yield Case(f"SELECT, {name}", 1, 2, by_pgbench("-f", scripts[name]),
                   megabytes=megabytes[name])
    yield Case("SELECT binary, rows", 1, 2, binary(ROWS), megabytes=megabytes["binary"])
    yield Case("COPY, rows", 1, 2, by_psql("COPY bulk TO STDOUT"), megabytes=megabytes["rows"])
    yield Case("COPY, wide", 1, 2, by_psql(f"COPY ({WIDE}) TO STDOUT"), megabytes=megabytes["wide"])
    yield Case("COPY binary, rows", 1, 2, by_psql("COPY bulk TO STDOUT (FORMAT binary)"),
               megabytes=megabytes["binary"])
    for sessions in (1, 8):
        yield Case(f"login, {sessions}", sessions, 160 // sessions, by_pgbench("-S", "-C"),
                   logins=True)


def check_masks(setup, vitrine):
    """What the masked cases send is rewritten and masked by vitrine, and by nobody else."""
    name = "SELECT name FROM customers WHERE id = "
    for peer in setup.peers.values():
        with connect(peer.environment) as connection:
            rounded, hashed = ([row[0] for row in connection.execute(sql + "%s", (1,))]
                               for sql in (MASKED, name))
        masked = rounded == [0] and re.fullmatch("h_[0-9a-f]{16}", hashed[0])
        if not (masked if peer is vitrine else (rounded, hashed) == ([1], ["customer 1"])):
            raise RuntimeError(f"{peer.name} gave {rounded} and {hashed}")
    if vitrine:
        records = [json.loads(line) for file in (vitrine.config.parent / "log").glob("*/*.jsonl")
                   for line in file.read_text().splitlines()]
        if not any(MASKED in record.get("sql", "") and record.get("forwarded")
                   for record in records):
            raise RuntimeError(f"the query log has no rewritten statement like {MASKED}")


def measure(setup, names, rounds, chosen):
    """In turns, and who goes first alternates."""
    rows = []
    for case in chosen:
        samples = {name: [] for name in names}
        for number in range(rounds):
            for name in names if number % 2 else reversed(names):
                progress(f"{case.name}: {name}, round {number + 1} of {rounds}")
                samples[name].append(case.measure(setup.peers[name]))
        base = [cpu for cpu, _ in samples[names[0]]]
        rows.append({"case": case.name, "unit": case.unit, "peers": {
            name: {"cpu": statistics.median(cpu for cpu, _ in taken),
                   "spread": (max(taken)[0] - min(taken)[0]) / 2,
                   "ratio": statistics.median(cpu / other for (cpu, _), other in zip(taken, base)),
                   "rate": statistics.median(rate for _, rate in taken)}
            for name, taken in samples.items()}})
    return rows


def show(names, rows):
    def cell(one, is_first):
        ratio = "" if is_first else f"×{one['ratio']:.2f}"
        return (f"{one['cpu']:10.2f} {'±' + format(one['spread'], '.1f'):<6}{ratio:>7}"
                f"{one['rate']:9.{0 if one['rate'] >= 100 else 2}f}")

    print(f"{'CPU of the proxy':28}" + "".join(f"{name:>33}" for name in names))
    for row in rows:
        print(f"{row['case']:22}{row['unit']:>6}" + " ".join(
            cell(row["peers"][name], name == names[0]) for name in names))
    print(f"\nMedians, half of what lies between the least and the most, the median of the rounds' "
          f"ratios to {names[0]};\nand what got through a second: statements; where the cost is by "
          "the GB, results; logins.")
