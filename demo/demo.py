"""`./dev demo`: a shop, vitrine in front of it, and psql through it; or, with --tour or without a
terminal, the scripted tour."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from screen import Screen  # noqa: E402
from shop import Shop  # noqa: E402
from throwaway import REPOSITORY, SetupError  # noqa: E402
from tour import tour  # noqa: E402


def banner(shop, screen):
    screen.title("vitrine: look, don't touch")
    screen.line("You are ada, in psql, on a real PostgreSQL 15, through vitrine. Your password is a")
    screen.line("token that ends in 15 minutes; so will this session.")
    screen.line()
    screen.table([
        ("masked", "SELECT * FROM customers LIMIT 5;"),
        ("open", "SELECT * FROM sales ORDER BY turnover DESC;"),
        ("refused", "UPDATE products SET price = 0;"),
        ("refused", "SELECT pg_read_file('/etc/passwd');"),
        ("finds nobody", "SELECT * FROM customers WHERE email LIKE 'ben%';"),
        ("the record", r"\! vitrine audit show last --config vitrine.yaml"),
        ("is it whole?", r"\! vitrine audit verify --config vitrine.yaml"),
        ("why?", r'\! vitrine explain --config vitrine.yaml --database shop --user ada '
                 r'"SELECT email FROM customers"'),
    ])
    screen.line()
    screen.line(rf"\d lists the tables, \q ends the demo and removes {shop.folder.path}.")
    screen.line()


def interactive(shop, screen):
    banner(shop, screen)
    env = shop.psql_environment(shop.token())
    env["PATH"] = f"{shop.vitrine.program.parent}:{env.get('PATH', '/usr/bin:/bin')}"
    env.setdefault("LESS", "-FRSX")  # what fits on the screen needs no pager
    # Ctrl-C belongs to psql. A handler, not SIG_IGN: that would be inherited.
    signal.signal(signal.SIGINT, lambda *_: None)
    subprocess.run(["psql", "-X", "-v", "PROMPT1=shop %R%x%# ", "-v", "PROMPT2=shop %R%x%# "],
                   env=env, cwd=shop.folder.path)
    return 0


def leave(number, _frame):
    sys.exit(128 + number)


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--tour", action="store_true", help="run the scripted tour")
    parser.add_argument("--program", type=Path, default=REPOSITORY / "build/release/vitrine",
                        help="another build of vitrine")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)

    screen = Screen(sys.stdout)
    if not shutil.which("psql"):
        screen.error("psql is missing: install the package postgresql-client-15")
        return 2
    shop = None
    try:
        shop = Shop(arguments.program.resolve())
        if arguments.tour or not (sys.stdin.isatty() and sys.stdout.isatty()):
            return tour(shop, screen)
        return interactive(shop, screen)
    except SetupError as problem:
        screen.error(str(problem))
        return 2
    finally:
        # Nothing may keep the servers from being stopped.
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if shop:
            shop.stop()


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
