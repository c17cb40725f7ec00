"""What an idle session takes of a proxy's memory, TLS and all: the growth of its RSS by the number of
sessions, once they are logged in, and again once each has run a statement (PgBouncer gives a session
its connection to the server only then).

PostgreSQL could not hold so many; behind the proxies stands fake_server.py.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "demo")]

from peer_logins import log_in  # noqa: E402
from peer_memory import kilobytes  # noqa: E402
from proxies import progress  # noqa: E402
from throwaway import die_with_parent  # noqa: E402
from wire_client import client_context  # noqa: E402

NAME = "idle sessions"
PEERS = ("pgbouncer", "vitrine")
WARM = 50
SETTLE_SECONDS = 2


def more_files(sessions):
    """As many sessions as there may be: each has two files at the proxy."""
    needed = 2 * (sessions + WARM) + 200
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, needed))
            return sessions
        except (ValueError, OSError):
            pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(sessions, (hard - 200) // 2 - WARM)


def start_server(setup):
    process = subprocess.Popen([sys.executable, HERE / "fake_server.py", str(setup.server.port)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               preexec_fn=die_with_parent)
    process.stdin.write(setup.password)
    process.stdin.close()
    return SimpleNamespace(port=int(process.stdout.readline()), process=process)


def open_sessions(peer, number):
    context, clients = client_context(), []
    for done in range(number):
        if done % 100 == 0:
            progress(f"idle sessions: {peer.name}, {done} of {number}")
        clients.append(log_in(peer.environment, context))
    return clients


def settled(peer):
    """Kilobytes, once what was busy has been given back."""
    time.sleep(SETTLE_SECONDS)
    return kilobytes(peer.pid, "VmRSS")


def measure_one(peer, sessions):
    clients = []
    try:
        # What the first sessions bring is not a session's.
        clients = open_sessions(peer, WARM)
        for client in clients:
            client.simple("SELECT 1")
        before = settled(peer)
        idle = open_sessions(peer, sessions)
        clients += idle
        logged_in = settled(peer)
        for client in idle:
            client.simple("SELECT 1")
        used = settled(peer)
        return {"peer": peer.name, "sessions": sessions, "before_mb": before / 1000,
                "login_kb": (logged_in - before) / sessions, "used_kb": (used - before) / sessions}
    finally:
        for client in clients:
            client.close()


def measure(setup, names, sessions):
    asked, sessions = sessions, more_files(sessions)
    room = sessions + WARM + 50
    server = start_server(setup)
    make = {"pgbouncer": lambda: setup.pgbouncer("idle-pgbouncer", server=server, sessions=room),
            "vitrine": lambda: setup.vitrine("idle-vitrine", server=server, sessions=room)}
    rows = []
    try:
        for name in [name for name in names if name in PEERS]:
            peer = make[name]()
            try:
                rows.append(measure_one(peer, sessions) | {"peer": name, "asked": asked})
            finally:
                peer.stop()
    finally:
        server.process.terminate()
        server.process.wait()
    return rows


def show(rows):
    sessions = rows[0]["sessions"]
    print(f"{f'{sessions} idle sessions':26}{'before':>10} MB{'logged in':>12} kB{'used once':>12} kB")
    for row in rows:
        print(f"{row['peer']:26}{row['before_mb']:10.1f}   {row['login_kb']:12.1f}   "
              f"{row['used_kb']:12.1f}")
    print("Of the proxy's own memory (RSS), a session."
          + (" More files than for so many may not be open here."
             if sessions < rows[0]["asked"] else ""))
