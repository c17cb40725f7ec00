"""System calls a statement, and a login with one: counted by strace, in runs that are not timed."""

import re
import shutil
import signal
import subprocess
import time

from peer_setup import SCALE
from proxies import family, pgbench, progress

NAME = "system calls"
SESSIONS = 8
TRANSACTIONS = 250  # of each session
LOGINS = 20


def count(peer, arguments, transactions, folder):
    """All calls of the proxy's processes and threads meanwhile, by name."""
    summary = folder / "strace.out"
    pids = [argument for pid in family(peer.pid) for argument in ("-p", str(pid))]
    with subprocess.Popen(["strace", "-f", "-c", "-o", summary, *pids], text=True,
                          stderr=subprocess.PIPE) as strace:
        try:
            for _ in range(len(pids) // 2):  # each process once, with its threads
                strace.stderr.readline()
            time.sleep(0.2)
            pgbench(peer.environment, SESSIONS, transactions, "-S", *arguments, "-D",
                    f"scale={SCALE}")
            time.sleep(0.2)
        finally:
            strace.send_signal(signal.SIGINT)
            strace.stderr.read()
    # share, seconds, microseconds a call, calls, errors (if there were any), name
    found = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", summary.read_text(), re.M)
    return {name: int(calls) for calls, name in found if name != "total"}


def measure(setup, names):
    """A statement's, the sessions' logins counted off; nothing where there is no strace."""
    if not shutil.which("strace"):
        return []
    rows = []
    for case, arguments, transactions in (
            ("simple", ["-M", "simple"], TRANSACTIONS),
            ("prepared", ["-M", "prepared"], TRANSACTIONS), ("login", ["-C"], LOGINS)):
        for name in names:
            progress(f"system calls: {case}, {name}")
            # With -C a transaction fewer is a login fewer.
            logins = count(setup.peers[name], arguments, 1, setup.folder)
            calls = count(setup.peers[name], arguments, transactions + 1, setup.folder)
            each = {call: (calls[call] - logins.get(call, 0)) / (SESSIONS * transactions)
                    for call in calls}
            rows.append({"case": f"{case}, {SESSIONS}", "peer": name, "all": sum(each.values()),
                         "calls": {call: value for call, value in
                                   sorted(each.items(), key=lambda one: -one[1]) if value > 0.02}})
    return rows


def show(rows):
    if not rows:
        print("System calls: there is no strace.")
        return
    print("System calls a statement")
    for row in rows:
        print(f"{row['case']:14}{row['peer']:16}{row['all']:6.1f}   " + ", ".join(
            f"{call} {value:.1f}" for call, value in row["calls"].items()))
