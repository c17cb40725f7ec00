#!/usr/bin/python3
"""The benchmarks; `./dev bench` calls this once everything is built into build/bench.

    bench/run.py judge [--pairs N] [--rounds N] [--keep-catalog FILE]
    bench/run.py parts
    bench/run.py tpch [--scale S] [--rounds N] [--format json]
    bench/run.py log [--rounds N] [--format json]
    bench/run.py peers [--rounds N] [--peers NAME,…] [--case WORD]… [--idle N] [--format json]

judge: what parsing costs, what judging costs, and the difference, on bench/schema.sql. Times are
CPU time: a block of parses, one of judgements and one of cached ones, one after the other, and medians over all such
pairs; instructions are counted by callgrind where valgrind is there, and do not depend on what else
the machine does.

parts: single parts of a statement and of a login, by Google Benchmark (parts.cpp).

tpch: TPC-H's queries through vitrine and on views that mask by hand (tpch.py). Exit status 1 where
all of them together take more than 1.05 times as long.

log: the CPU that the query log costs a statement, and the throughput of many sessions with
`durability: fsync` by that of one (log.py). Exit status 1 where one is not as it should be.

peers: vitrine beside PgBouncer, HAProxy and Pgpool-II (peers.py): CPU, memory, system calls,
logins, latency, large results, idle sessions.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAMS = REPOSITORY / "build/bench/bench"
sys.path.insert(0, str(REPOSITORY / "demo"))

from throwaway import Authority, Folder, PostgresServer  # noqa: E402


def write_catalog(path):
    """The catalog of bench/schema.sql, as bench_judge takes it."""
    folder = Folder("vitrine-bench")
    try:
        server = PostgresServer(folder.path, Authority(folder.path, "database", "bench database"))
        try:
            server.start()
            server.sql("CREATE DATABASE bench")
            server.load(REPOSITORY / "bench/schema.sql", "bench")
            with open(path, "w") as f:
                subprocess.run([PROGRAMS / "bench_catalog", server.conninfo("bench")], stdout=f,
                               check=True)
        finally:
            server.stop()
    finally:
        folder.remove()


def names_of_cases(env):
    done = subprocess.run([PROGRAMS / "bench_judge", "--benchmark_list_tests"], env=env, text=True,
                          stdout=subprocess.PIPE, check=True)
    return list(dict.fromkeys(line.split("/")[1] for line in done.stdout.splitlines()))


def times(env, pairs):
    """By name: nanoseconds of the parse, the judge, the difference, that by the parse, and
    nanoseconds of a cached judgement."""
    done = subprocess.run([PROGRAMS / "bench_judge", "--pairs", str(pairs)], env=env, text=True,
                          stdout=subprocess.PIPE, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: [float(value) for value in values] for name, *values in rows}


def instructions(env, folder, rounds, names):
    """Instructions by name; empty where there is no valgrind."""
    if not shutil.which("valgrind"):
        return {}
    subprocess.run(
        ["valgrind", "--tool=callgrind", "--collect-atstart=no",
         "--toggle-collect=measured_rounds", "--dump-after=measured_rounds",
         f"--callgrind-out-file={folder}/callgrind.out", PROGRAMS / "bench_judge", "--rounds",
         str(rounds)],
        env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    counted = {}
    for number, name in enumerate(names, 1):
        text = (folder / f"callgrind.out.{number}").read_text()
        counted[name] = int(re.search(r"^totals: (\d+)", text, re.M)[1]) // rounds
    return counted


LISTS = (100_000, 1_000_000, 10_000_000)


def lists(env, rounds=5):
    """By size: bytes, milliseconds of the parse and of the judge, and bytes of memory; medians, each
    time in a process of its own."""
    for size in LISTS:
        taken = [[float(value) for value in subprocess.run(
            [PROGRAMS / "bench_judge", "--list", str(size)], env=env, text=True,
            stdout=subprocess.PIPE, check=True).stdout.split()] for _ in range(rounds)]
        yield [statistics.median(values) for values in zip(*taken)]


def judge(arguments):
    folder = Folder("vitrine-bench")
    try:
        catalog = Path(arguments.keep_catalog or folder.path / "catalog.tsv").resolve()
        if not catalog.exists():
            write_catalog(catalog)
        env = os.environ | {"VITRINE_BENCH_CATALOG": str(catalog)}
        names = names_of_cases(env)
        ns = times(env, arguments.pairs)
        order = [f"{kind}/{name}" for name in names for kind in ("parse", "judge", "cached")]
        counts = instructions(env, folder.path, arguments.rounds, order)
        long_lists = list(lists(env))
    finally:
        folder.remove()
    print(f"{'':18}{'parse':>12}{'judge':>12}{'beyond':>12}{'of parse':>10}{'cached':>12}"
          f"{'instr. parse':>15}{'beyond':>12}{'of parse':>10}{'cached':>12}")
    for name in names:
        parse, whole, beyond, ratio, cached = ns[name]
        line = (f"{name:18}{parse / 1000:9.2f} µs{whole / 1000:9.2f} µs"
                f"{beyond / 1000:9.2f} µs{100 * ratio:8.1f} %{cached / 1000:9.2f} µs")
        if counts:
            parse, whole = counts[f"parse/{name}"], counts[f"judge/{name}"]
            line += (f"{parse:15,}{whole - parse:12,}{100 * (whole - parse) / parse:8.1f} %"
                     f"{counts[f'cached/{name}']:12,}")
        print(line)
    print(f"\n{'an IN list, once':18}{'parse':>12}{'judge':>12}{'a byte':>12}{'memory':>12}{'a byte':>12}")
    for size, parsed, judged, memory in long_lists:
        print(f"{size / 1e6:15.1f} MB{parsed:9.1f} ms{judged:9.1f} ms{judged / size * 1e6:9.1f} ns"
              f"{memory / 1e6:9.1f} MB{memory / size:12.0f}")


def parts():
    folder = Folder("vitrine-bench")
    try:
        return subprocess.run([PROGRAMS / "bench_parts", folder.path / "log",
                               "--benchmark_repetitions=5", "--benchmark_report_aggregates_only",
                               "--benchmark_color=false"]).returncode
    finally:
        folder.remove()


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["judge", "parts", "tpch", "audit", "log", "peers"], nargs="?",
                        default="judge")
    parser.add_argument("--pairs", type=int, default=1000, help="for the times (default 1000)")
    parser.add_argument("--rounds", type=int,
                        help="judge: for callgrind (default 100); tpch: of each query (default 9)")
    parser.add_argument("--keep-catalog", metavar="FILE",
                        help="the catalog's rows are kept there, and taken from there if it exists")
    parser.add_argument("--scale", type=float, default=0.1,
                        help="tpch: 1 is TPC-H's 1 GB (default 0.1, 250 MB)")
    parser.add_argument("--format", choices=["table", "json"], default="table",
                        help="tpch, audit, log, peers")
    parser.add_argument("--program", default=REPOSITORY / "build/bench/vitrine",
                        help="tpch, audit, log, peers: vitrine (default build/bench/vitrine)")
    parser.add_argument("--records", type=int, default=1_000_000,
                        help="audit: of the log (default 1000000; 10 million are 4 GB)")
    parser.add_argument("--keep-log", metavar="FOLDER",
                        help="audit: the log is kept there, and taken from there if it exists")
    parser.add_argument("--peers", default="pgbouncer,pgbouncer-64k,haproxy,pgpool,vitrine",
                        help="peers: which, the first is what the others are compared with")
    parser.add_argument("--case", action="append", dest="cases", metavar="WORD",
                        help="peers: those that have it in their name; may be given several times")
    parser.add_argument("--idle", type=int, default=2000, metavar="N",
                        help="peers: idle sessions (default 2000)")
    arguments = parser.parse_args()
    if arguments.what == "audit":
        import audit
        return audit.audit(arguments.program,
                           Path(arguments.program).parent / "bench/bench_audit_generator",
                           arguments.records, arguments.keep_log, arguments.format == "json")
    if arguments.what == "log":
        import log
        return log.log(arguments.program, Path(arguments.program).parent / "bench/vitrine_without_log",
                       arguments.rounds or 9, arguments.format == "json")
    if arguments.what == "peers":
        import peers
        return peers.peers(arguments.program, arguments.rounds or 5, arguments.peers.split(","),
                           arguments.cases, arguments.idle, arguments.format == "json")
    if arguments.what == "parts":
        return parts()
    if arguments.what == "tpch":
        import tpch
        return tpch.tpch(arguments.program, arguments.scale, arguments.rounds or 9,
                         arguments.format == "json")
    arguments.rounds = arguments.rounds or 100
    judge(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
