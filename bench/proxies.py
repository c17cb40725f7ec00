"""The vitrines that benchmarks look at."""

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "demo"))

from throwaway import Vitrine, ed25519_key, free_port, write_private  # noqa: E402

DATABASE = "bench"

CONFIGURATION = """
listen:
  address: 127.0.0.1:{port}
  tls: {{certificate: server.crt, key: server.key}}
  workers: {workers}
  max_connections: {max_connections}
databases:
  bench:
    servers: [127.0.0.1:{server_port}]
    user: reader
    password: {{file: reader.password}}
    tls: {server_tls}
    server_idle: 10s
auth:
  issuers:
    - name: vitrine
      signing_key: {{file: signing.pem}}
{masking}
audit:
  directory: log
  durability: {durability}
  signing_key: {{file: audit.pem}}
log: {{level: warn, format: text}}
"""


def start(folder, program, authority, server, password, mask_key, masking, *, workers=1,
          durability="write", server_tls=True, max_connections=10_000):
    """In a folder of its own, beside the authorities' files."""
    folder.mkdir()
    authority.sign("server")
    for file in ("server.crt", "server.key"):
        shutil.move(folder.parent / file, folder / file)
    shutil.copy(folder.parent / "database-ca.crt", folder)
    ed25519_key(folder / "signing.pem")
    ed25519_key(folder / "audit.pem")
    write_private(folder / "mask.key", mask_key + "\n")
    write_private(folder / "reader.password", password + "\n")
    vitrine = Vitrine(program, folder / "vitrine.yaml", free_port(), authority)
    vitrine.config.write_text(CONFIGURATION.format(
        port=vitrine.port, server_port=server.port, workers=workers, masking=masking,
        durability=durability, max_connections=max_connections,
        server_tls="{mode: verify-full, ca: database-ca.crt}" if server_tls
        else "{mode: disable}"))
    vitrine.start()
    return vitrine


def family(pid):
    """The process and those below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family(int(child))


def cpu_nanoseconds(pid):
    """Of a process, and of all below it that live."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for process in family(pid) for task in Path(f"/proc/{process}/task").iterdir())


def pgbench(environment, sessions, transactions, *arguments):
    """Transactions a second. All of them went well."""
    done = subprocess.run(
        ["pgbench", "-n", "-c", str(sessions), "-j", str(min(2, sessions)), "-t", str(transactions),
         *map(str, arguments), DATABASE],
        env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=600)
    rates = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("tps = ")]
    if done.returncode != 0 or "number of failed transactions: 0 " not in done.stdout or not rates:
        raise RuntimeError(f"pgbench {' '.join(map(str, arguments))}:\n{done.stdout[-2000:]}")
    return float(rates[0])


def progress(text):
    """On a terminal, in one line; empty: takes it away."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
