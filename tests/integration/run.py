#!/usr/bin/python3
"""Runs the integration tests: `tests/integration/run.py [-j N] [MODULE …]`, all modules by default.

VITRINE_PRESET chooses the build (release); VITRINE_KEEP=1 keeps the folder. One line a module,
the failures in full, and at last `N passed, N failed[, N skipped]`. With -j the modules are dealt out
to N processes, each with a PostgreSQL and a vitrine of its own.
"""

import re
import subprocess
import sys
import threading
import time
import traceback
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed, self.reported = 0, set()

    def addSuccess(self, test):
        self.passed += 1

    def addExpectedFailure(self, test, err):
        self.addFailure(test, err)

    def addSubTest(self, test, subtest, err):
        # Each subTest counts: a table of forty attacks is forty tests.
        if err is None:
            self.passed += 1
        super().addSubTest(test, subtest, err)

    @property
    def failed(self):
        return len(self.failures) + len(self.errors) + len(self.unexpectedSuccesses)

    def report(self):
        """What failed since the last report."""
        for problems in (self.failures, self.errors):
            for problem in problems:
                if id(problem) not in self.reported:
                    self.reported.add(id(problem))
                    test, trace = problem
                    print(f"FAILED {test.id()}\n{trace}", flush=True)


# The long ones and how long they take, so that the processes end together; the others take a few
# seconds, or wait.
SECONDS = {"test_psql_commands": 59, "test_pg_dump": 59, "test_drivers": 58, "test_login": 48,
           "test_pgbench": 44, "test_expiry": 42, "test_writes": 40, "test_record": 60,
           "test_jwks_url": 80, "test_admin": 28, "test_kills": 130,
           "test_export": 150}


def side_by_side(modules, count):
    """Each module in one of so many processes; the same lines and the same sum."""
    groups = [[] for _ in range(count)]
    for name in sorted(modules, key=lambda m: -SECONDS.get(m, 15)):
        min(groups, key=lambda g: sum(SECONDS.get(m, 15) for m in g)).append(name)
    counted, lock, statuses = [0, 0, 0], threading.Lock(), []

    def follow(group):
        process = subprocess.Popen([sys.executable, __file__, *group], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, closing = [], None
        for line in process.stdout:
            closing = re.fullmatch(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n", line)
            # What belongs to one module is said in one piece.
            if closing or re.match(r"test_\w+ +\d+ well", line):
                with lock:
                    print("".join(said), end="", flush=True)
                said = []
            if not closing:
                said.append(line)
        with lock:
            print("".join(said), end="", flush=True)
            statuses.append(process.wait() if closing else 1)
            for i, number in enumerate(closing.groups() if closing else ()):
                counted[i] += int(number or 0)

    threads = [threading.Thread(target=follow, args=(group,)) for group in groups if group]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed, failed, skipped = counted
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if passed and not failed and not any(statuses) else 1


def main():
    arguments = sys.argv[1:]
    processes = 1
    if arguments[:1] == ["-j"]:
        processes, arguments = int(arguments[1]), arguments[2:]
    modules = arguments or [p.stem for p in HERE.glob("test_*.py")]
    if processes > 1 and len(modules) > 1:
        return side_by_side(modules, processes)
    started = time.monotonic()
    import environment

    result = Result()
    # test_record looks at the log of all that the others did.
    modules.sort(key=lambda name: (name == "test_record", name))
    try:
        environment.shared()
        print(f"environment in {time.monotonic() - started:.1f} s", flush=True)
        for name in modules:
            began, before = time.monotonic(), (result.passed, result.failed, len(result.skipped))
            try:
                suite = unittest.defaultTestLoader.loadTestsFromName(name)
            except Exception:
                suite = unittest.TestSuite()
                result.errors.append((unittest.FunctionTestCase(main, description=name),
                                      traceback.format_exc()))
            suite.run(result)
            passed, failed, skipped = (now - then for now, then in zip(
                (result.passed, result.failed, len(result.skipped)), before))
            print(f"{name:<18} {passed:>4} well {failed:>3} not"
                  + (f" {skipped:>3} left out" if skipped else "")
                  + f"   {time.monotonic() - began:.1f} s", flush=True)
            result.report()
        for test, reason in result.skipped:
            print(f"left out: {test.id().split('.')[-1]}: {reason}")
    except Exception:
        traceback.print_exc(file=sys.stdout)
        result.errors.append((unittest.FunctionTestCase(main), traceback.format_exc()))
    finally:
        problems = environment._shared.stop() if environment._shared else []
    # A crash, a leak or a race that no test saw.
    for problem in problems:
        print(f"FAILED to end well: {problem}", flush=True)
        result.errors.append((unittest.FunctionTestCase(main), problem))
    result.passed += not problems
    skipped = f", {len(result.skipped)} skipped" if result.skipped else ""
    print(f"{result.passed} passed, {result.failed} failed{skipped}")
    return 0 if result.passed and not result.failed else 1


if __name__ == "__main__":
    sys.exit(main())
