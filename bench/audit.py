"""`./dev bench audit`: a large query log, its index, and searches in it (bench/README.md)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def run(*command, statuses=(0, 1)):
    """(standard output, seconds, CPU seconds, peak MiB) of a program."""
    with tempfile.TemporaryFile() as out:
        began = time.monotonic()
        process = subprocess.Popen([str(part) for part in command], stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in statuses:
            sys.exit(f"{' '.join(map(str, command))}: exit status {process.returncode}")
        out.seek(0)
        return (out.read(), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def size_of(directory):
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def audit(program, generator, records, keep, as_json):
    folder = Path(keep or tempfile.mkdtemp(prefix="vitrine-bench-audit-", dir="/var/tmp"))
    log, index, rows = folder / "log", folder / "index", []

    def measure(what, *command, statuses=(0, 1)):
        out, seconds, cpu, peak = run(*command, statuses=statuses)
        rows.append({"what": what, "lines": out.count(b"\n"), "seconds": round(seconds, 3),
                     "cpu": round(cpu, 3), "peak_mib": round(peak)})
        return out

    try:
        if not (folder / "planted.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            out = measure("written", generator, log, records, statuses=(0,))
            (folder / "planted.json").write_bytes(out)
        planted = json.loads((folder / "planted.json").read_text())
        rows.append({"what": f"{planted['records']} records, MB of log",
                     "lines": size_of(log) // 1_000_000})
        measure("verify", program, "audit", "verify", "--directory", log, statuses=(0,))
        measure("index from nothing", program, "audit", "index", "--rebuild", "--directory", log,
                "--index", index, statuses=(0,))
        rows.append({"what": "MB of index", "lines": size_of(index) // 1_000_000})
        day = sorted((log / "user050").glob("*.jsonl"))[30].stem
        for what, *question in (
                ("a rare word", "--text", planted["text"]),
                ("a number that is not there", "--text", "4999999999999999"),
                ("a frequent word, 100 of it", "--text", "customers", "--limit", "100"),
                ("a user on a day", "--user", "user050", "--since", day, "--until", day),
                ("a relation", "--relation", planted["relation"]),
                ("a relation's column", "--column", planted["relation"] + ".employee"),
                ("a rare SQLSTATE", "--sqlstate", planted["sqlstate"]),
                ("a grant", "--grant", planted["grant"]),
                ("a service's refused deletes of a day", "--user", "service1", "--since", day,
                 "--until", day, "--verdict", "reject")):
            command = [program, "audit", "search", "--directory", log, "--format", "json",
                       *question]
            with_index = measure(what, *command, "--index", index)
            if what in ("a rare word", "a grant"):
                if measure(what + ", without the index", *command, "--no-index") != with_index:
                    sys.exit(f"{what}: another answer without the index")
    finally:
        if not keep:
            shutil.rmtree(folder)
    if as_json:
        print(json.dumps(rows))
        return 0
    for row in rows:
        print(f"{row['what']:<45} {row['lines']:>9}" + (
            f" {row['seconds']:>9.3f} s {row['cpu']:>9.3f} s CPU {row['peak_mib']:>6} MiB"
            if "seconds" in row else ""))
    return 0
