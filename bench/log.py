"""What the query log costs a statement, and what group commit gives.

The cost: of the log alone (log_cost.cpp: the records of pgbench's SELECT, one after the other, on a
thread of their own), and of a whole proxy: pgbench's SELECT through two vitrines in front of one
server, one as it is (`durability: write`), one linked without a query log (without_log.cpp); they
take turns, and what is compared is the CPU time of the proxies' processes for each statement. Group
commit: `durability: fsync`, 64 sessions and one, in turns; what is compared is statements a second, of
the log alone (a thread a session) and through a proxy, where a fast disk leaves it to the cores that
proxy, server and clients share. What an fdatasync takes on that file system is measured beside it.
"""

import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path[:0] = [str(REPOSITORY / "demo")]

from proxies import DATABASE, cpu_nanoseconds, pgbench, progress, start  # noqa: E402
from throwaway import Authority, Folder, PostgresServer  # noqa: E402

BAR_MICROSECONDS = 3.0
BAR_GROUP = 10.0
SESSIONS = 64

# The key makes results have digests, which is a part of what the log costs.
MASKING = "masking:\n  key: {file: mask.key}\n"

SERVER = {"log_statement": "none", "autovacuum": "off", "wal_level": "minimal",
          "max_wal_senders": 0, "max_connections": 200}


def run(vitrine, mode, sessions, transactions, user="ada"):
    """Statements a second."""
    environment = vitrine.environment(user, vitrine.token(user, DATABASE, ttl="2h"), DATABASE)
    return pgbench(environment, sessions, transactions, "-S", "-M", mode)


def cpu_a_statement(vitrine, mode, sessions, transactions):
    """Microseconds of the proxy's CPU; the logins are counted off."""
    run(vitrine, mode, sessions, 1)
    before = cpu_nanoseconds(vitrine.pid)
    run(vitrine, mode, sessions, 1)
    logins = cpu_nanoseconds(vitrine.pid) - before
    before = cpu_nanoseconds(vitrine.pid)
    run(vitrine, mode, sessions, transactions + 1)
    return (cpu_nanoseconds(vitrine.pid) - before - logins) / 1000 / (sessions * transactions)


def cost(with_log, without, rounds):
    rows = []
    for mode in ("simple", "extended", "prepared"):
        for sessions in (1, 8):
            samples = {with_log: [], without: []}
            for number in range(rounds):
                for vitrine in (with_log, without) if number % 2 else (without, with_log):
                    samples[vitrine].append(
                        cpu_a_statement(vitrine, mode, sessions, 8000 // sessions))
                progress(f"{mode}, {sessions} sessions, round {number + 1} of {rounds}")
            rows.append({"mode": mode, "sessions": sessions,
                         "with_us": statistics.median(samples[with_log]),
                         "without_us": statistics.median(samples[without]),
                         "difference_us": statistics.median(
                             a - b for a, b in zip(samples[with_log], samples[without]))})
    return rows


def alone(program, folder):
    """Microseconds of CPU a statement: of the thread that writes, and of the process."""
    done = subprocess.run([program, folder / "alone", "200"], text=True, stdout=subprocess.PIPE,
                          check=True)
    return [float(value) for value in done.stdout.split()]


def fdatasync_microseconds(folder):
    """Of a line appended: median of 300."""
    took = []
    with open(folder / "probe", "ab", buffering=0) as file:
        for _ in range(300):
            file.write(b"x" * 500)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(1e6 * (time.perf_counter() - began))
    return statistics.median(took)


def group_alone(program, folder, rounds):
    """Of the log's own threads, without a proxy, a server and clients that share its cores."""
    samples = []
    for number in range(rounds):
        one, many = (int(subprocess.run([program, folder / f"group{number}-{sessions}", "group",
                                         str(sessions)], text=True, stdout=subprocess.PIPE,
                                        check=True).stdout) for sessions in (1, SESSIONS))
        samples.append((one, many, many / one))
        progress(f"group commit of the log alone, round {number + 1} of {rounds}")
    one, many, ratio = (statistics.median(column) for column in zip(*samples))
    return {"one": one, "many": many, "ratio": ratio}


def group_commit(vitrine, rounds):
    samples = []
    for number in range(rounds):
        one = run(vitrine, "simple", 1, 1500)
        many = run(vitrine, "simple", SESSIONS, 400)
        samples.append((one, many, many / one))
        progress(f"group commit, round {number + 1} of {rounds}")
    one, many, ratio = (statistics.median(column) for column in zip(*samples))
    return {"one": one, "many": many, "ratio": ratio}


def log(program, without_log, rounds, as_json):
    """0 where both are within their bars."""
    folder = Folder("vitrine-log")
    server, vitrines = None, []

    try:
        password = secrets.token_hex(16)
        server = PostgresServer(folder.path, Authority(folder.path, "database", "bench database"),
                                settings=SERVER)
        server.start()
        server.sql(f"CREATE DATABASE {DATABASE}")
        subprocess.run(["pgbench", "-i", "-q", "-s", "1"], check=True,
                       env=server.environment(DATABASE), stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        server.sql(f"CREATE ROLE reader LOGIN PASSWORD '{password}'; GRANT SELECT ON ALL TABLES IN "
                   "SCHEMA public TO reader", DATABASE)
        authority = Authority(folder.path, "proxy", "bench proxy CA")
        for name, binary, durability, masking, workers in (
                ("with", program, "write", MASKING, 1), ("without", without_log, "write", "", 1),
                ("fsync", program, "fsync", MASKING, 2)):
            vitrines.append(start(folder.path / name, binary, authority, server, password,
                                  secrets.token_hex(32), masking, workers=workers,
                                  durability=durability))
        thread, process = alone(Path(without_log).with_name("bench_log_cost"), folder.path)
        rows = cost(vitrines[0], vitrines[1], rounds)
        sync = fdatasync_microseconds(folder.path / "fsync")
        group_log = group_alone(Path(without_log).with_name("bench_log_cost"), folder.path, rounds)
        group = group_commit(vitrines[2], rounds)
        progress("")
    finally:
        for vitrine in vitrines:
            vitrine.stop()
        if server:
            server.stop()
        folder.remove()
    if as_json:
        print(json.dumps({"alone_us": {"thread": thread, "process": process}, "cost": rows,
                          "fdatasync_us": sync, "group_commit_alone": group_log,
                          "group_commit": group}, indent=1))
    else:
        print(f"the log alone: {thread:.2f} µs of CPU a statement, {process:.2f} µs with its own "
              "threads\n")
        print(f"{'':26}{'with log':>12}{'without':>12}{'difference':>13}   CPU a statement")
        for row in rows:
            print(f"{row['mode'] + ', ' + str(row['sessions']) + ' session(s)':26}"
                  f"{row['with_us']:9.2f} µs{row['without_us']:9.2f} µs"
                  f"{row['difference_us']:10.2f} µs")
        print(f"\ndurability: fsync (an fdatasync takes {sync:.0f} µs here)")
        print(f"{'':16}{'one session':>14}{SESSIONS:>9} sessions   statements a second")
        for name, what in (("the log alone", group_log), ("a whole proxy", group)):
            print(f"{name:16}{what['one']:14.0f}{what['many']:18.0f}   "
                  f"{what['ratio']:.1f} times as many")
    return 0 if process < BAR_MICROSECONDS and group["ratio"] >= BAR_GROUP else 1
