#!/usr/bin/python3
"""Every test of vitrine, in stages; `./dev test` calls this once everything is installed.

    tests/run.py [STAGE …]      stages: unit, tidy, integration, oracle,
                                differential, tour, sanitizers, fuzz

Prints which stage runs, what came of it and how long it took; the last line is the sum,
`N passed, N failed`, with `, N skipped` behind it where something was. Exit 0 where something
passed and nothing failed.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "demo"))

from throwaway import Authority, Folder, PostgresServer, SetupError  # noqa: E402

CORES = os.cpu_count() or 2
STAGES = ("unit", "tidy", "integration", "oracle", "differential", "tour", "sanitizers", "fuzz")

# What a sanitizer finds ends the program with this, and nothing else does.
SANITIZER_EXIT = 99
SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:detect_stack_use_after_return=1:"
                    "strict_string_checks=1:check_initialization_order=1",
    "UBSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:print_stacktrace=1",
    "TSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:halt_on_error=1:second_deadlock_stack=1",
}
# Under the thread sanitizer, what runs in more than one thread.
TSAN_UNIT = "^(audit|session):"
# The same threads thousands of times over: minutes, and nothing that others of them do not meet.
TSAN_UNIT_NOT = ("(Every byte of every file|A file cut at any byte|the index never changes|"
                 "random sessions on a disk)")
TSAN_TARGETS = ("vitrine", "test_audit", "test_session", "dump_catalog")
# Many statements that take the same ways through the program: the address sanitizer goes them with
# the other modules.
NOT_ON_ASAN = ("test_psql_commands", "test_pg_dump", "test_drivers", "test_extensions",
               "test_metadata", "test_tripwire")
TSAN_INTEGRATION = ("test_login", "test_cancel", "test_expiry", "test_pgbench", "test_operation",
                    "test_extended", "test_access", "test_kept")


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def check(self, name, well, detail=""):
        """A test that is one program."""
        self.add(1 if well else 0, 0 if well else 1)
        if not well:
            self.failures.append(name)
            say(f"FAILED: {name}" + (f"\n{detail}" if detail else ""))


def say(text):
    print(text, flush=True)


def build(preset, *targets):
    started = time.monotonic()
    configured = subprocess.run(["cmake", "--preset", preset], cwd=REPOSITORY, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if configured.returncode != 0:
        say(configured.stdout)
        return False
    command = ["cmake", "--build", f"build/{preset}", "-j", str(CORES)]
    if targets:
        command += ["--target", *targets]
    built = subprocess.run([*command, "--", "--quiet"], cwd=REPOSITORY)
    say(f"  built {preset} in {time.monotonic() - started:.0f} s")
    return built.returncode == 0


@contextlib.contextmanager
def built_beside(presets):
    """Builds of them what there is time for, on all cores but one; the stage that needs them builds
    the rest, and says what fails."""
    commands = [f"cmake --preset {p} && cmake --build build/{p} -j {max(1, CORES - 1)}"
                + "".join(f" --target {t}" for t in targets) for p, targets in presets]
    process = subprocess.Popen(["sh", "-c", "; ".join(commands) or ":"],
                               cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def sanitizer_environment(preset):
    return os.environ | (SANITIZER_ENVIRONMENT if preset in ("asan", "tsan") else {})


# --- unit ----------------------------------------------------------------------------------


@contextlib.contextmanager
def test_database(folder, preset):
    """A PostgreSQL with tests/integration/schema.sql; gives the environment that tells of it."""
    server = PostgresServer(folder, Authority(folder, "database", "test database"))
    try:
        server.start()
        server.sql("CREATE DATABASE shop")
        server.load(REPOSITORY / "tests/integration/schema.sql", "shop")
        catalog = folder / "catalog.tsv"
        with open(catalog, "w") as f:
            subprocess.run([REPOSITORY / f"build/{preset}/tests/dump_catalog",
                            server.conninfo("shop")], stdout=f, check=True,
                           env=sanitizer_environment(preset))
        yield {"VITRINE_TEST_DSN": server.conninfo("shop"), "VITRINE_TEST_CATALOG": str(catalog)}
    finally:
        server.stop()


def unit(tally, preset="release", only=None, targets=(), without=None):
    if not build(preset, *targets):
        tally.check(f"build {preset}", False)
        return
    folder = Folder("vitrine-unit")
    try:
        with test_database(folder.path, preset) as database:
            report = folder.path / "ctest.xml"
            command = ["ctest", "--test-dir", f"build/{preset}", "--output-on-failure",
                       "--timeout", "600", "--output-junit", report, "-j", str(CORES), "--quiet"]
            if only:
                command += ["-R", only]
            if without:
                command += ["-E", without]
            subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL,
                           env=sanitizer_environment(preset) | database)
            count_ctest(tally, preset, report)
    except (SetupError, subprocess.CalledProcessError) as problem:
        tally.check(f"unit tests on {preset}", False, str(problem))
    finally:
        folder.remove()


def count_ctest(tally, preset, report):
    if not report.exists():
        tally.check(f"unit tests on {preset}", False, "ctest ran nothing")
        return
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        if case.get("status") == "run":
            tally.add(1, 0)
        else:
            tally.check(case.get("name"), False, output or case.get("status"))


# --- scripts -------------------------------------------------------------------------------


def script(tally, name, command, env=None, show=True):
    """Runs a test program of ours; its closing line is `N passed, N failed[, N skipped]`."""
    process = subprocess.Popen([str(c) for c in command], cwd=REPOSITORY, text=True, env=env,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    closing, passed, failed = None, 0, 0
    for line in process.stdout:
        counted = re.fullmatch(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n", line)
        if counted:
            closing = counted
        elif show:
            print("  " + line, end="", flush=True)
    status = process.wait()
    if closing:
        passed, failed = int(closing[1]), int(closing[2])
        tally.add(passed, failed, int(closing[3] or 0))
    if failed:
        tally.failures.append(name)
    if status != 0 and not failed:
        tally.check(name, False, f"exit status {status}")
    elif passed + failed == 0:
        tally.check(name, False, "ran no test")


def tidy(tally):
    script(tally, "tidy", ["/usr/bin/python3", "tests/tidy/test_tidy.py"])


def integration(tally, preset="release", modules=()):
    # The second for test_tripwire; of it, one object and the link are new.
    unmasked = not modules or "test_tripwire" in modules
    kafka = not modules or "test_export" in modules
    if not build(preset, "vitrine", *(["vitrine_without_rewriting"] if unmasked else []),
                 *(["kafka_mock"] if kafka else [])):
        tally.check(f"build {preset}", False)
        return
    env = sanitizer_environment(preset) | {"VITRINE_PRESET": preset}
    script(tally, f"integration on {preset}",
           ["/usr/bin/python3", "tests/integration/run.py", "-j", "2", *modules], env)


def oracle(tally, ahead=()):
    """One statement after the other, which leaves the other cores to build what comes later."""
    if not build("release", "vitrine"):
        tally.check("build release", False)
        return
    with built_beside(ahead):
        script(tally, "oracle", ["/usr/bin/python3", "tests/oracle/regression.py"])


def differential(tally):
    if not build("release", "vitrine"):
        tally.check("build release", False)
        return
    script(tally, "differential", ["/usr/bin/python3", "tests/differential/run.py"])


def tour(tally):
    if not build("release", "vitrine"):
        tally.check("build release", False)
        return
    done = subprocess.run(["/usr/bin/python3", "demo/demo.py", "--tour"], cwd=REPOSITORY,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    steps = len(re.findall(r"^\s+✓ ", done.stdout, re.M))
    wrong = len(re.findall(r"^\s+✗ ", done.stdout, re.M))
    tally.add(steps, wrong)
    if wrong or done.returncode != 0:
        tally.failures.append("tour")
        say(done.stdout)
    if done.returncode != 0 and not wrong:
        tally.check("the tour's exit status", False, str(done.returncode))


def sanitizers(tally):
    say("address and undefined behaviour")
    unit(tally, "asan")
    integration(tally, "asan", sorted(
        m.stem for m in (REPOSITORY / "tests/integration").glob("test_*.py")
        if m.stem not in NOT_ON_ASAN))
    say("threads")
    unit(tally, "tsan", TSAN_UNIT, TSAN_TARGETS, TSAN_UNIT_NOT)
    integration(tally, "tsan", TSAN_INTEGRATION)


# --- fuzz ----------------------------------------------------------------------------------


# These get the whole time, the others a sixth of it.
FUZZ_LONG = ("wire_frontend", "parser_judge", "parser_server")
# Writes its own texts, one change at a time and as long as they come.
FUZZ_OPTIONS = {"parser_server": ("-mutate_depth=1", "-len_control=0", "-max_len=4096")}


def fuzz(tally, seconds, only=()):
    targets = sorted((p.stem for p in (REPOSITORY / "tests/fuzz").glob("*.cpp")
                      if not only or p.stem in only), key=lambda t: (t not in FUZZ_LONG, t))
    if not targets or not set(only) <= set(targets):
        tally.check("fuzz", False, f"tests/fuzz has no target {' '.join(only)}")
        return
    if not build("asan", "dump_catalog", *(f"fuzz_{t}" for t in targets)):
        tally.check("build asan", False)
        return
    folder = Folder("vitrine-fuzz")
    try:
        with test_database(folder.path, "asan") as database:
            database["VITRINE_FUZZ_DSN"] = canaries(database["VITRINE_TEST_DSN"])
            for start in range(0, len(targets), CORES):
                spans = [(t, seconds if t in FUZZ_LONG else max(1, seconds // 6))
                         for t in targets[start:start + CORES]]
                running = [(t, span, start_fuzzer(t, span, folder.path, os.environ | database))
                           for t, span in spans]
                for target, span, (process, log) in running:
                    fuzzed(tally, target, process.wait(), log, span)
    except (SetupError, subprocess.CalledProcessError) as problem:
        tally.check("fuzz", False, str(problem))
    finally:
        folder.remove()


def canaries(dsn):
    """A copy of the test database with tests/fuzz/server/canaries.sql in it; gives its DSN."""
    own = dsn.replace("dbname=shop", "dbname=fuzz")
    for command in (("-c", "CREATE DATABASE fuzz TEMPLATE shop", dsn),
                    ("-f", REPOSITORY / "tests/fuzz/server/canaries.sql", own)):
        subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", *command], check=True)
    return own


def fuzzed(tally, target, status, log, seconds):
    text = log.read_text(errors="replace")
    executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    well = status == 0 and executed is not None and int(executed[1]) > 0
    tally.check(f"fuzz {target}", well, text[-6000:])
    if well:
        say(f"  {target}: {int(executed[1]):,} inputs in {seconds} s, no finding")
        for counters in re.findall(r"^(?:texts|statements) .*", text, re.M):
            say(f"    {counters}")
    else:
        keep_findings(log.parent / target)


def start_fuzzer(target, seconds, folder, env):
    corpus = folder / target
    corpus.mkdir()
    seeds = REPOSITORY / "tests/fuzz/corpus" / target
    dictionary = REPOSITORY / "tests/fuzz" / f"{target}.dict"
    command = [REPOSITORY / "build/asan/tests" / f"fuzz_{target}", corpus,
               *([seeds] if seeds.is_dir() else []),
               f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=3000",
               "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={corpus}/",
               *FUZZ_OPTIONS.get(target, ()),
               *([f"-dict={dictionary}"] if dictionary.exists() else [])]
    log = folder / f"{target}.log"
    with open(log, "w") as f:
        return subprocess.Popen([str(c) for c in command], cwd=REPOSITORY, stdout=f, env=env,
                                stderr=subprocess.STDOUT), log


def keep_findings(corpus):
    """What crashed a target outlives the run, in build/asan."""
    for pattern in ("crash-*", "leak-*", "timeout-*", "oom-*"):
        for found in corpus.glob(pattern):
            kept = REPOSITORY / "build/asan" / f"{corpus.name}-{found.name}"
            shutil.copy(found, kept)
            say(f"  kept as {kept.relative_to(REPOSITORY)}")


# --- all -----------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__.split("\n")[0])
    parser.add_argument("stages", nargs="*", metavar="STAGE",
                        help=f"one or more of: {', '.join(STAGES)} (default: all)")
    parser.add_argument("--fuzz-seconds", type=int, default=60,
                        help="how long each fuzz target runs (default 60)")
    parser.add_argument("--fuzz-target", action="append", default=[], metavar="TARGET",
                        help="only this fuzz target (repeatable)")
    arguments = parser.parse_args()
    for stage in arguments.stages:
        if stage not in STAGES:
            parser.error(f"no such stage: {stage}; there are {', '.join(STAGES)}")
    run_stage = {"unit": unit, "tidy": tidy, "integration": integration, "oracle": oracle,
                 "differential": differential, "tour": tour, "sanitizers": sanitizers,
                 "fuzz": lambda t: fuzz(t, arguments.fuzz_seconds, arguments.fuzz_target)}
    stages = arguments.stages or STAGES
    if "sanitizers" in stages:
        run_stage["oracle"] = lambda t: oracle(t, (("asan", ()), ("tsan", TSAN_TARGETS)))

    tally = Tally()
    for stage in stages:
        before = (tally.passed, tally.failed, tally.skipped)
        started = time.monotonic()
        say(f"== {stage}")
        run_stage[stage](tally)
        passed, failed, skipped = (now - then for now, then in zip(
            (tally.passed, tally.failed, tally.skipped), before))
        say(f"   {stage}: {passed} well, {failed} not, {skipped} left out, "
            f"{time.monotonic() - started:.0f} s")
    if tally.failures:
        say("failed: " + ", ".join(tally.failures))
    say(f"{tally.passed} passed, {tally.failed} failed"
        + (f", {tally.skipped} skipped" if tally.skipped else ""))
    return 0 if tally.passed and not tally.failed else 1


if __name__ == "__main__":
    sys.exit(main())
