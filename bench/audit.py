"""`./dev bench audit`: a large query log, its index, and searches in it (bench/README.md)."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "demo"))

from throwaway import (Authority, Folder, PostgresServer, ed25519_key,  # noqa: E402
                       write_private)

# What the generator's statements read, in each of its databases.
DATABASES = ("shop", "warehouse", "billing")
SCHEMA = """
CREATE TABLE customers (id bigint, name text, email text);
CREATE TABLE orders (id bigint, total numeric, customer_id bigint, created date);
CREATE TABLE events (kind text, account bigint);
CREATE TABLE cards (holder text, number text);
CREATE TABLE shipments (id bigint, tracking text);
CREATE TABLE payments (account bigint, state text, amount numeric, currency text);
CREATE TABLE products (sku text, name text);
CREATE TABLE tickets (id bigint, subject text);
CREATE TABLE salaries_2019 (employee bigint, zebra text);
"""
CANDIDATE = """
listen: {{address: 127.0.0.1:1, tls: {{certificate: server.crt, key: server.key}}}}
databases:
{databases}
auth: {{issuers: [{{name: vitrine, signing_key: {{file: signing.pem}}}}]}}
masking:
  key: {{file: mask.key}}
  rules:
    - {{columns: [public.customers.email], mask: email}}
audit: {{directory: log, signing_key: {{file: signing.pem}}}}
"""
DATABASE = """  {name}: {{servers: [127.0.0.1:{port}], user: reader, password: {{file: reader.password}},
    tls: {{mode: verify-full, ca: database-ca.crt}}}}"""


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


def replay_by_policy(program, log, measure):
    """All that is on record, judged by a candidate that masks a column."""
    folder = Folder("vitrine-bench")
    try:
        path, password = folder.path, secrets.token_hex(16)
        server = PostgresServer(path, Authority(path, "database", "bench database"))
        try:
            server.start()
            server.sql(f"CREATE ROLE reader LOGIN PASSWORD '{password}'")
            for name in DATABASES:
                server.sql(f"CREATE DATABASE {name}")
                server.sql(SCHEMA + "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", name)
            Authority(path, "proxy", "bench proxy CA").sign("server")
            ed25519_key(path / "signing.pem")
            write_private(path / "mask.key", secrets.token_hex(32) + "\n")
            write_private(path / "reader.password", password + "\n")
            candidate = path / "candidate.yaml"
            candidate.write_text(CANDIDATE.format(databases="\n".join(
                DATABASE.format(name=name, port=server.port) for name in DATABASES)))
            out = measure("a candidate policy", program, "audit", "replay", "--config", candidate,
                          "--policy", candidate, "--directory", log, "--format", "json",
                          statuses=(1,))
            said = json.loads(out)
            return {"what": f"{said['judged']} statements judged, shapes that change",
                    "lines": len(said["changes"])}
        finally:
            server.stop()
    finally:
        folder.remove()


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
        rows.append(replay_by_policy(program, log, measure))
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
