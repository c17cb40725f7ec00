"""Memory of the proxies: their peak behind all cases, and what a large result takes while it passes,
to a reader that is fast, to one that is slow, and in rows of 50 MB instead of 8 kB."""

import statistics
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / "tests/integration")]

from peer_logins import log_in  # noqa: E402
from proxies import cpu_nanoseconds, family, progress  # noqa: E402
from wire_client import client_context, query, terminate  # noqa: E402

NAME = "large results"
END = b"Z\0\0\0\5I"  # ReadyForQuery; the rows are all x


def rows(size, count):
    return f"SELECT repeat('x', {size}) FROM generate_series(1, {count})"


# Name, the statement, megabytes of it, and seconds that the reader sleeps after each megabyte.
RESULTS = (
    ("2 GB, 8 kB rows", rows(8000, 250_000), 2000, 0),
    ("200 MB, slow reader", rows(8000, 25_000), 200, 0.02),
    ("500 MB, 8 kB rows", rows(8000, 62_500), 500, 0),
    ("500 MB, 50 MB rows", rows(50_000_000, 10), 500, 0),
    ("50 MB row, slow", rows(50_000_000, 1), 50, 0.02),
)


def kilobytes(pid, name):
    """What /proc/PID/status says, of the process and those below it."""
    lines = (line.split() for process in family(pid)
             for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return sum(int(words[1]) for words in lines if words[0] == name + ":")


def forget_peak(pid):
    for process in family(pid):
        Path(f"/proc/{process}/clear_refs").write_text("5")


def peaks(setup, names):
    """Megabytes."""
    return [{"peer": name, "peak_mb": kilobytes(setup.peers[name].pid, "VmHWM") / 1000,
             "now_mb": kilobytes(setup.peers[name].pid, "VmRSS") / 1000} for name in names]


def show_peaks(found):
    print(f"{'Memory (RSS)':26}{'at most':>10}{'then':>10}   MB, of all of its processes together")
    for one in found:
        print(f"{one['peer']:26}{one['peak_mb']:10.1f}{one['now_mb']:10.1f}")


def read_all(client, sql, nap):
    client.send(query(sql))
    buffer, tail, since = bytearray(1 << 18), b"", 0
    while tail != END:
        size = client.socket.recv_into(buffer)
        if size == 0:
            raise RuntimeError(f"no end of {sql}")
        tail = (tail + buffer[max(0, size - len(END)):size])[-len(END):]
        since += size
        if nap and since >= 1_000_000:
            time.sleep(nap)
            since = 0


def measure_one(peer, sql, megabytes, nap):
    """Growth of the peak, seconds and CPU seconds a GB."""
    with log_in(peer.environment, client_context()) as client:
        client.simple("SELECT 1")
        before = kilobytes(peer.pid, "VmRSS")
        forget_peak(peer.pid)
        cpu, began = cpu_nanoseconds(peer.pid), time.monotonic()
        read_all(client, sql, nap)
        took, cpu = time.monotonic() - began, cpu_nanoseconds(peer.pid) - cpu
        growth = kilobytes(peer.pid, "VmHWM") - before
        client.send(terminate())
    return growth / 1000, took / megabytes * 1000, cpu / 1e9 / megabytes * 1000


def measure(setup, names, rounds):
    """In turns, each in a session of its own: the most that the peak grew, and medians."""
    found = []
    for result, sql, megabytes, nap in RESULTS:
        samples = {name: [] for name in names}
        for number in range(rounds):
            for name in names if number % 2 else reversed(names):
                progress(f"{result}: {name}, round {number + 1} of {rounds}")
                samples[name].append(measure_one(setup.peers[name], sql, megabytes, nap))
        for name, taken in samples.items():
            growth, took, cpu = zip(*taken)
            found.append({"result": result, "peer": name, "growth_mb": max(growth),
                          "seconds_a_gb": statistics.median(took),
                          "cpu_a_gb": statistics.median(cpu)})
    return found


def show(found):
    names = list(dict.fromkeys(one["peer"] for one in found))
    print(f"{'Large results':24}" + "".join(f"{name:>28}" for name in names))
    for result in dict.fromkeys(one["result"] for one in found):
        print(f"{result:24}" + "".join(
            f"{one['growth_mb']:+11.1f} MB{one['seconds_a_gb']:7.2f}{one['cpu_a_gb']:7.2f}"
            for name in names for one in found if (one["result"], one["peer"]) == (result, name)))
    print("How far the peak (RSS) rose; seconds a GB, and CPU seconds of the proxy.")
