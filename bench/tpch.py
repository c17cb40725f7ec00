"""TPC-H's 22 queries on masked tables: through vitrine, and as the same SQL on views that mask by
hand (tpch/by_hand.sql). One server, one connection each, the same text; the two take turns, and who
goes first alternates.

What is compared is the same work twice, so the answers must be equal, row by row.
"""

import json
import secrets
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path[:0] = [str(REPOSITORY / "demo"), str(REPOSITORY / "tests/integration")]

from proxies import DATABASE, cpu_nanoseconds, start  # noqa: E402
from throwaway import Authority, Folder, PostgresServer  # noqa: E402
from wire_client import WireClient, client_context, query  # noqa: E402

BAR = 1.05

MASKING = """
masking:
  key: {file: mask.key}
  rules:
    - columns: [tpch.customer.c_name, tpch.orders.o_clerk]
      mask: hash
    - columns: [tpch.customer.c_email]
      mask: email
    - columns: [tpch.customer.c_phone, tpch.supplier.s_phone]
      mask: {partial: {keep_start: 2, keep_end: 0, with: "*"}}
    - columns: [tpch.supplier.s_name]
      mask: {partial: {keep_start: 9, keep_end: 2, with: "*"}}
    - columns: [tpch.customer.c_acctbal, tpch.supplier.s_acctbal]
      mask: {round: 100}
    - columns: [tpch.customer.c_address, tpch.supplier.s_address, tpch.supplier.s_comment, tpch.orders.o_comment]
      mask: {constant: "[removed]"}
    - columns: [tpch.customer.c_comment, tpch.lineitem.l_comment, tpch.partsupp.ps_comment]
      mask: "null"
"""

# One process a query, so that its CPU time is that of one process; the table and its indexes in
# memory. The rest is PostgreSQL's own.
SERVER = {"shared_buffers": "256MB", "work_mem": "64MB", "log_statement": "none", "autovacuum": "off",
          "max_parallel_workers_per_gather": 0, "wal_level": "minimal", "max_wal_senders": 0,
          "max_wal_size": "4GB"}


def queries():
    """Name and title, and SQL."""
    found = []
    for part in (HERE / "tpch/queries.sql").read_text().split("\n-- Q")[1:]:
        title, sql = part.split("\n", 1)
        found.append(("Q" + title, sql.strip()))
    return found


class Side:
    """A connection, and the server's process at its other end."""

    def __init__(self, name, port, context, user, password, server, **parameters):
        self.name = name
        before = self.backends(server)
        self.client = WireClient(port, timeout=600)
        self.client.start_tls(context)
        last = self.client.login(user, DATABASE, password, **parameters)[-1]
        if last.name != "ReadyForQuery":
            raise RuntimeError(f"{name}: no login: {last}")
        (self.pid,) = self.backends(server) - before

    @staticmethod
    def backends(server):
        return set(server.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'reader'").split())

    def run(self, sql):
        """The rows as they came, the time in ms, and the server's CPU time in ms."""
        cpu, began = cpu_nanoseconds(self.pid), time.perf_counter()
        messages = self.client.send(query(sql)).receive_until("ReadyForQuery")
        took = 1000 * (time.perf_counter() - began)
        for message in messages:
            if message.name == "ErrorResponse":
                raise RuntimeError(f"{self.name}: {message.fields['M']}\n{sql}")
        rows = [message.payload for message in messages if message.name == "DataRow"]
        return rows, took, (cpu_nanoseconds(self.pid) - cpu) / 1e6


def measure(vitrine, through, by_hand, rounds):
    """By query: what is printed of it."""
    results = []
    for name, sql in queries():
        samples = {through: [], by_hand: []}
        proxy_cpu = []
        rows = None
        for number in range(rounds + 1):
            for side in (through, by_hand) if number % 2 else (by_hand, through):
                before = cpu_nanoseconds(vitrine.pid)
                answer, took, cpu = side.run(sql)
                rows = answer if rows is None else rows
                if answer != rows:
                    raise RuntimeError(f"{name}: the answers differ: {rows[:3]} and {answer[:3]}")
                if number > 0:  # the first one fills the caches
                    samples[side].append((took, cpu))
                    if side is through:
                        proxy_cpu.append((cpu_nanoseconds(vitrine.pid) - before) / 1e6)

        def of(side, index):
            return [sample[index] for sample in samples[side]]

        def ratio(index):
            return statistics.median(a / b for a, b in zip(of(through, index), of(by_hand, index)))

        results.append({
            "query": name, "rows": len(rows),
            "vitrine_ms": statistics.median(of(through, 0)),
            "by_hand_ms": statistics.median(of(by_hand, 0)), "time_ratio": ratio(0),
            "vitrine_server_cpu_ms": statistics.median(of(through, 1)),
            "by_hand_server_cpu_ms": statistics.median(of(by_hand, 1)), "server_cpu_ratio": ratio(1),
            "proxy_cpu_ms": statistics.median(proxy_cpu)})
        print(f"\r{name[:3]} of {len(queries())}", end="", file=sys.stderr, flush=True)
    print("\r", end="", file=sys.stderr)
    return results


def overall(results):
    def total(key):
        return sum(result[key] for result in results)
    def weighted(ratio, by):
        """The pairs met the same machine; their totals did not."""
        return sum(result[ratio] * result[by] for result in results) / total(by)
    return {
        "queries": len(results),
        "vitrine_ms": total("vitrine_ms"), "by_hand_ms": total("by_hand_ms"),
        "time_ratio": weighted("time_ratio", "by_hand_ms"),
        "time_ratio_mean": statistics.geometric_mean(r["time_ratio"] for r in results),
        "server_cpu_ratio": weighted("server_cpu_ratio", "by_hand_server_cpu_ms"),
        "server_cpu_ratio_mean": statistics.geometric_mean(r["server_cpu_ratio"] for r in results),
        "proxy_cpu_ms": total("proxy_cpu_ms"), "bar": BAR}


def show(results, total):
    print(f"{'':38}{'rows':>7}{'vitrine':>11}{'by hand':>11}{'ratio':>8}{'CPU ratio':>11}"
          f"{'proxy CPU':>12}")
    for r in results:
        print(f"{r['query']:38}{r['rows']:7}{r['vitrine_ms']:8.1f} ms{r['by_hand_ms']:8.1f} ms"
              f"{r['time_ratio']:8.3f}{r['server_cpu_ratio']:11.3f}{r['proxy_cpu_ms']:9.2f} ms")
    print(f"{'all of them':45}{total['vitrine_ms']:8.0f} ms{total['by_hand_ms']:8.0f} ms"
          f"{total['time_ratio']:8.3f}{total['server_cpu_ratio']:11.3f}{total['proxy_cpu_ms']:9.2f} ms")
    print(f"{'geometric mean of the ratios':67}{total['time_ratio_mean']:8.3f}"
          f"{total['server_cpu_ratio_mean']:11.3f}")


def tpch(program, scale, rounds, as_json):
    """0 where all of them together are within the bar."""
    folder = Folder("vitrine-tpch")
    vitrine = server = None
    try:
        key, password = secrets.token_hex(32), secrets.token_hex(16)
        server = PostgresServer(folder.path, Authority(folder.path, "database", "bench database"),
                                settings=SERVER)
        server.start()
        server.sql(f"CREATE DATABASE {DATABASE}")
        print(f"loading TPC-H at scale {scale}", file=sys.stderr)
        text = (HERE / "tpch/data.sql").read_text()
        server.sql(f"\\set scale {scale}\n{text}", DATABASE)
        server.load(HERE / "tpch/by_hand.sql", DATABASE)
        server.sql(f"ALTER ROLE reader PASSWORD '{password}'; VACUUM FREEZE ANALYZE; CHECKPOINT",
                   DATABASE)
        authority = Authority(folder.path, "proxy", "bench proxy CA")
        vitrine = start(folder.path / "vitrine", program, authority, server, password, key, MASKING)
        read_only = "-c default_transaction_read_only=on"
        by_hand = Side("by hand", server.port, client_context(), "reader", password, server,
                       search_path="by_hand, tpch",
                       options=f"{read_only} -c vitrine.mask_key={key}")
        through = Side("vitrine", vitrine.port, client_context(vitrine.ca), "ada",
                       vitrine.token("ada", DATABASE, ttl="2h"), server, search_path="tpch")
        results = measure(vitrine, through, by_hand, rounds)
    finally:
        if vitrine:
            vitrine.stop()
        if server:
            server.stop()
        folder.remove()
    total = overall(results)
    if as_json:
        print(json.dumps({"scale": scale, "rounds": rounds, "queries": results, "all": total},
                         indent=1))
    else:
        show(results, total)
    return 0 if total["time_ratio"] <= BAR else 1
