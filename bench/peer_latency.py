"""Latency at a fixed rate: half of what the slowest one carries, as prepared statements of 8 sessions,
straight to PostgreSQL by TLS and through each peer, in turns.

A statement's latency is counted from when it was due, pgbench's `time` with its `schedule_lag`: what
waits behind a slow one has waited, too.
"""

import statistics
from types import SimpleNamespace

from peer_setup import SCALE, USER
from proxies import DATABASE, pgbench, progress

NAME = "latency"
SESSIONS = 8
TRANSACTIONS = 4000  # of each session
PEERS = ("pgbouncer", "haproxy", "vitrine")
LEVELS = (50, 99, 99.9)
STATEMENT = ("-S", "-M", "prepared", "-D", f"scale={SCALE}")


def latencies(environment, rate, folder):
    """Microseconds, sorted."""
    pgbench(environment, SESSIONS, TRANSACTIONS, *STATEMENT, f"--rate={rate}", "-l",
            f"--log-prefix={folder}/latency")
    took = []
    for file in folder.glob("latency.*"):
        # client, transaction, time, script, two of the clock, schedule_lag
        took += [int(line.split()[2]) for line in file.read_text().splitlines()]
        file.unlink()
    return sorted(took)


def measure(setup, names, rounds):
    direct = SimpleNamespace(
        environment=setup.server.environment(DATABASE, USER, setup.password))
    ways = {"direct": direct} | {name: setup.peers[name] for name in names if name in PEERS}
    progress("latency: what the slowest carries")
    rate = min(pgbench(way.environment, SESSIONS, 1000, *STATEMENT) for way in ways.values()) / 2
    samples = {name: [] for name in ways}
    for number in range(rounds):
        for name in ways if number % 2 else reversed(ways):
            progress(f"latency: {name}, round {number + 1} of {rounds}")
            took = latencies(ways[name].environment, round(rate), setup.folder)
            samples[name].append([took[int(len(took) * level / 100)] for level in LEVELS])
    rows = []
    for name, taken in samples.items():
        added = [[mine - base for mine, base in zip(one, other)]
                 for one, other in zip(taken, samples["direct"])]
        rows.append({"peer": name} | {
            f"p{level:g}_us": statistics.median(column) for level, column in zip(LEVELS, zip(*taken))
        } | {f"p{level:g}_added_us": statistics.median(column)
             for level, column in zip(LEVELS, zip(*added))})
    return {"rate": round(rate), "rows": rows}


def show(result):
    print(f"{'Latency at ' + str(result['rate']) + ' a second':26}"
          + "".join(f"{f'p{level:g}':>12}{'added':>10}" for level in LEVELS) + "   µs")
    for row in result["rows"]:
        print(f"{row['peer']:26}" + "".join(
            f"{row[f'p{level:g}_us']:12.0f}"
            + (f"{row[f'p{level:g}_added_us']:+10.0f}" if row["peer"] != "direct" else f"{'':10}")
            for level in LEVELS))
