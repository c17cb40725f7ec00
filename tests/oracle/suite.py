"""PostgreSQL 15's own regression suite: fetched, loaded into a server, and its statements.

The suite is not part of this repository: it comes out of Debian's source package of PostgreSQL 15,
which is fetched once into build/, or out of the folder that VITRINE_REGRESS names (the `regress`
folder of a PostgreSQL 15 source tree).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPOSITORY / "demo"))

from throwaway import PG_BIN  # noqa: E402

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
CACHE = REPOSITORY / "build/regress"
DATABASE = "regression"


class NoSuite(Exception):
    """The suite could not be had; the message says why."""


# --- getting it ------------------------------------------------------------------------------


def _run(*command, **options):
    done = subprocess.run([str(c) for c in command], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise NoSuite(f"{command[0]} failed:\n{done.stdout.strip()[-1500:]}")
    return done.stdout


def _fetch_source():
    """Debian's source package, by an apt that leaves the machine's own lists alone."""
    folder = CACHE / "download"
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    sources = folder / "sources.list"
    sources.write_text("".join(
        f"deb-src [signed-by={KEYRING}] http://deb.debian.org/{place} main\n"
        for place in ("debian bookworm", "debian-security bookworm-security")))
    apt = ["apt-get", "-q", "-o", f"Dir::Etc::SourceList={sources}", "-o",
           "Dir::Etc::SourceParts=-", "-o", f"Dir::State::Lists={folder}/lists",
           "-o", "APT::Sandbox::User=root"]
    _run(*apt, "update")
    # The newest first; a mirror may have dropped it for the one before.
    listed = _run("apt-cache", *apt[2:], "showsrc", "postgresql-15")
    versions = sorted(set(re.findall(r"^Version: (15\.\S+)$", listed, re.M)), reverse=True,
                      key=lambda v: [int(n) for n in re.findall(r"\d+", v.split("-")[0])])
    problem = NoSuite("no source package of PostgreSQL 15 is listed")
    for version in versions:
        try:
            _run(*apt, "source", "--download-only", f"postgresql-15={version}", cwd=folder)
            return next(folder.glob(f"postgresql-15_{version.split('-')[0]}.orig.tar.*"))
        except (NoSuite, StopIteration) as failure:
            problem = failure
    raise NoSuite(f"the source package of PostgreSQL 15 could not be fetched: {problem}")


def regress_folder():
    """The `regress` folder of a PostgreSQL 15 source tree."""
    given = os.environ.get("VITRINE_REGRESS")
    if given:
        if not (Path(given) / "parallel_schedule").exists():
            raise NoSuite(f"VITRINE_REGRESS={given} has no parallel_schedule")
        return Path(given)
    kept = CACHE / "regress"
    if not kept.exists():
        archive = _fetch_source()
        unpacked = CACHE / "unpacked"
        with tarfile.open(archive) as tar:
            wanted = [m for m in tar.getmembers()
                      if re.match(r"[^/]+/src/test/regress(/|$)", m.name)]
            tar.extractall(unpacked, wanted)
        next(unpacked.glob("*/src/test/regress")).rename(kept)
        shutil.rmtree(CACHE / "download", ignore_errors=True)
        shutil.rmtree(unpacked, ignore_errors=True)
    return kept


# --- loading it ------------------------------------------------------------------------------

# For PostgresServer: every statement as psql sends it goes into a log that can be read back.
SERVER_SETTINGS = {
    "logging_collector": "on", "log_destination": "jsonlog", "log_directory": "statements",
    "log_filename": "suite.log", "log_rotation_age": "0", "log_rotation_size": "0",
    "log_statement": "all", "log_min_messages": "warning", "max_prepared_transactions": "2",
    "max_connections": "60",
}


def load(server, folder):
    """Runs the whole suite on the server, by PostgreSQL's own pg_regress; gives its summary.

    Some of its tests fail here (this server has TLS, passwords, another locale); what counts is
    what they leave behind, and the statements.
    """
    suite = folder / "suite"
    shutil.copytree(regress_folder(), suite)
    library = suite / "regress.so"
    include = _run(PG_BIN / "pg_config", "--includedir-server").strip()
    _run("cc", "-O1", "-fPIC", "-shared", "-w", f"-I{include}", "-o", library, suite / "regress.c")
    for name in ("autoinc", "refint"):
        shutil.copy(Path(_run(PG_BIN / "pg_config", "--pkglibdir").strip()) / f"{name}.so", suite)
    output = folder / "output"
    output.mkdir()
    # The server writes here (COPY TO a file) and reads the suite's data, as its own user.
    for place in (output, suite):
        for path in [place, *place.rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o644)
    driver = next((PG_BIN.parent / "lib").glob("**/pg_regress"))
    done = subprocess.run(
        [str(driver), f"--inputdir={suite}", f"--outputdir={output}", f"--dlpath={suite}",
         f"--bindir={PG_BIN}", f"--schedule={suite}/parallel_schedule", "--host=127.0.0.1",
         f"--port={server.port}", f"--user={server.SUPERUSER}", f"--dbname={DATABASE}",
         "--max-connections=8", "--encoding=UTF8", "--no-locale"],
        env=server.environment(), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, cwd=output)
    return done.stdout


def statements(server):
    """(test, text) of every statement the suite sent, each text once a test, in order."""
    seen = set()
    path = server.data / "statements/suite.json"
    with open(path, encoding="utf-8", errors="surrogateescape") as log:
        for line in log:
            entry = json.loads(line)
            if entry.get("dbname") != DATABASE:
                continue
            kind, _, text = entry.get("message", "").partition(": ")
            if kind != "statement" and not kind.startswith("execute"):
                continue
            program, _, test = entry.get("application_name", "").partition("/")
            if program != "pg_regress":
                continue
            key = (test, text)
            if key not in seen:
                seen.add(key)
                yield test, text
