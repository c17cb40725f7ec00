"""vitrine beside the poolers: PgBouncer, HAProxy (bytes passed through undecrypted) and Pgpool-II
(which parses every statement), in front of one PostgreSQL, each with one worker (peer_setup.py).

The parts: what goes through them and its CPU (peer_cases.py), system calls (peer_calls.py), logins
(peer_logins.py), latency (peer_latency.py), idle sessions (peer_idle.py), memory (peer_memory.py).
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "demo")]

import peer_calls  # noqa: E402
import peer_cases  # noqa: E402
import peer_idle  # noqa: E402
import peer_latency  # noqa: E402
import peer_logins  # noqa: E402
import peer_memory  # noqa: E402
from peer_setup import NAMES, Setup  # noqa: E402
from proxies import progress  # noqa: E402
from throwaway import Folder  # noqa: E402


def parts(setup, names, rounds, wanted, idle):
    """Name, result and what prints it, as they come; memory behind the cases, whose peak it is."""
    scripts = peer_cases.write_scripts(setup.folder)
    chosen = [case for case in peer_cases.cases(scripts, peer_cases.sizes(setup.server))
              if wanted(case.name)]
    if chosen:
        yield ("cpu", peer_cases.measure(setup, names, rounds, chosen),
               lambda rows: peer_cases.show(names, rows))
        yield "memory", peer_memory.peaks(setup, names), peer_memory.show_peaks
    if wanted(peer_calls.NAME):
        yield "system_calls", peer_calls.measure(setup, names), peer_calls.show
    if wanted(peer_logins.NAME):
        yield "logins", peer_logins.measure(setup, names, rounds), peer_logins.show
    if wanted(peer_latency.NAME):
        yield "latency", peer_latency.measure(setup, names, rounds), peer_latency.show
    if wanted(peer_memory.NAME):
        yield "large_results", peer_memory.measure(setup, names, min(rounds, 3)), peer_memory.show
    if wanted(peer_idle.NAME) and any(name in peer_idle.PEERS for name in names):
        yield "idle", peer_idle.measure(setup, names, idle), peer_idle.show


def peers(program, rounds, names, only, idle, as_json):
    if unknown := [name for name in names if name not in NAMES]:
        print(f"bench: no peer {unknown[0]}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2

    def wanted(name):
        return not only or any(word in name for word in only)

    folder = Folder("vitrine-peers")
    setup, results = None, {}
    try:
        progress("the server and the proxies")
        setup = Setup(folder.path, program, names)
        peer_cases.check_masks(setup, setup.peers.get("vitrine"))
        for name, result, show in parts(setup, names, rounds, wanted, idle):
            progress("")
            results[name] = result
            if not as_json:
                show(result)
                print(flush=True)
    finally:
        if setup:
            setup.stop()
        folder.remove()
    if as_json:
        print(json.dumps(results, indent=1))
    return 0
