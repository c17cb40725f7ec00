#!/usr/bin/python3
"""Runs the integration tests: `tests/integration/run.py [MODULE …]`, all modules by default.

VITRINE_PRESET chooses the build (release); VITRINE_KEEP=1 keeps the folder. One line a module,
the failures in full, and at last `N passed, N failed[, N skipped]`.
"""

import sys
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


def main():
    started = time.monotonic()
    import environment

    result = Result()
    modules = sys.argv[1:] or [p.stem for p in HERE.glob("test_*.py")]
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
