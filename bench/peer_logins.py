"""Logins with a TLS session of before: handshake, login, one statement, and the end, one after the
other, each peer with and without. libpq 15 resumes none, so that the client is the tests' own; how
fast it is does not matter, the CPU of the proxy is counted."""

import statistics
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / "tests/integration")]

from proxies import cpu_nanoseconds, progress  # noqa: E402
from wire_client import WireClient, client_context, terminate  # noqa: E402

NAME = "login, resumed"
LOGINS = 100


class Resuming(WireClient):
    """Begins with a TLS session of before, if there is one."""

    def __init__(self, port, session=None):
        super().__init__(port)
        self.session = session

    def wrap(self, context):
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost",
                                          session=self.session)


def log_in(environment, context, session=None):
    """TLS and a login; the client."""
    client = Resuming(int(environment["PGPORT"]), session)
    if client.start_tls(context) != b"S":
        raise RuntimeError("no TLS")
    messages = client.login(environment["PGUSER"], environment["PGDATABASE"],
                            environment["PGPASSWORD"])
    if not messages or messages[-1].name != "ReadyForQuery":
        raise RuntimeError(f"no login: {messages[-1:]}")
    return client


def log_in_often(environment, context, resume):
    """How many of them were resumed."""
    resumed, session = 0, None
    for _ in range(LOGINS):
        with log_in(environment, context, session) as client:
            resumed += client.socket.session_reused
            client.simple("SELECT 1")
            if resume:  # by now the ticket has come
                session = client.socket.session
            client.send(terminate())
    return resumed


def measure(setup, names, rounds):
    """Microseconds of the proxy's CPU a login; None where no session is resumed."""
    samples = {name: {"full": [], "resumed": []} for name in names}
    for number in range(rounds):
        for name in names if number % 2 else reversed(names):
            peer = setup.peers[name]
            for kind in samples[name]:
                progress(f"login, {kind}: {name}, round {number + 1} of {rounds}")
                before = cpu_nanoseconds(peer.pid)
                resumed = log_in_often(peer.environment, client_context(), kind == "resumed")
                # The first one has nothing to resume.
                if kind == "full" or resumed == LOGINS - 1:
                    samples[name][kind].append(
                        (cpu_nanoseconds(peer.pid) - before) / 1000 / LOGINS)
    return [{"peer": name} | {kind + "_us": statistics.median(taken) if taken else None
                              for kind, taken in kinds.items()}
            for name, kinds in samples.items()]


def show(rows):
    print(f"{'CPU a login and a query':26}{'full handshake':>18}{'resumed':>18}")
    for row in rows:
        resumed = f"{row['resumed_us']:.0f} µs" if row["resumed_us"] else "not resumed"
        print(f"{row['peer']:26}{row['full_us']:15.0f} µs{resumed:>18}")
