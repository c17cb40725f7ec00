#!/usr/bin/python3
"""The repository is tidy; and each rule is shown to bite, on a small tree that breaks it."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tidy import REPOSITORY, Tidy  # noqa: E402

# rule, file, text: each breaks that rule, and no other.
BREACHES = [
    ("direction", "config/a.cpp", '#include "auth/token.h"\n'),
    ("direction", "auth/a.cpp", '#include "proxy/wire/frame.h"\n'),
    ("direction", "parser/a.cpp", '#include "config/config.h"\n'),
    ("direction", "parser/syntax/a.cpp", '#include "proxy/audit/reader.h"\n'),
    ("direction", "proxy/wire/a.cpp", '#include "proxy/session/pipeline.h"\n'),
    ("direction", "proxy/audit/a.cpp", '#include "proxy/net/stream.h"\n'),
    ("direction", "proxy/session/a.cpp", '#include "proxy/net/stream.h"\n'),
    ("direction", "proxy/net/a.cpp", '#include "proxy/cli/verbs.h"\n'),
    ("library", "proxy/session/a.cpp", "#include <boost/asio.hpp>\n"),
    ("library", "auth/a.cpp", "#include <yaml-cpp/yaml.h>\n"),
    ("library", "proxy/cli/a.cpp", "#include <yaml-cpp/yaml.h>\n"),
    ("library", "proxy/session/a.cpp", "#include <libpq-fe.h>\n"),
    ("library", "auth/a.cpp", "#include <libpq-fe.h>\n"),
    ("library", "auth/a.cpp", "#include <sqlite3.h>\n"),
    ("library", "proxy/net/a.cpp", "#include <sqlite3.h>\n"),
    ("library", "parser/a.cpp", "#include <re2/re2.h>\n"),
    ("library", "proxy/session/a.cpp", '#include "nodes/parsenodes.h"\n'),
    ("library", "config/a.cpp", '#include "postgres.h"\n'),
    ("library", "proxy/net/a.cpp", "#include <CLI/CLI.hpp>\n"),
    ("pure", "parser/a.cpp", "#include <openssl/evp.h>\n"),
    ("pure", "parser/a.cpp", "#include <chrono>\n"),
    ("pure", "proxy/wire/a.cpp", "#include <thread>\n"),
    ("pure", "proxy/session/a.cpp", "#include <fstream>\n"),
    ("include", "auth/a.cpp", '#include "../config/config.h"\n'),
    ("guard", "config/a.h", "int f();\n"),
    ("end", "config/a.cpp", "int f();"),
    ("columns", "config/a.cpp", "// " + "x" * 100 + "\n"),
    ("tabs", "config/a.cpp", "\tint f();\n"),
    ("blanks", "config/a.cpp", "int f(); \n"),
    ("unfinished", "config/a.cpp", "// TO" "DO: later\n"),
    ("unfinished", "config/a.cpp", "// FIX" "ME\n"),
    ("call", "config/a.cpp", "void f(char* a) { strcpy(a, a); }\n"),
    ("call", "config/a.cpp", "void f(char* a) { std::sprintf(a, a); }\n"),
    ("call", "config/a.cpp", "void f() { ::system(nullptr); }\n"),
    ("call", "config/a.cpp", "int f() { return rand(); }\n"),
    ("call", "config/a.cpp", "int f() { return std::atoi(nullptr); }\n"),
    ("call", "parser/a.cpp", "auto f() { return std::getenv(nullptr); }\n"),
    ("call", "parser/a.c", "void f(void) { longjmp(0, 1); }\n"),
    ("call", "proxy/net/a.cpp", "void f() { exit(1); }\n"),
    ("assert", "config/a.cpp", "void f(int i) { assert(i++ == 1); }\n"),
    ("assert", "config/a.cpp", "void f(int i) { assert((i = 1)); }\n"),
    ("name", "config/a.cpp", "class ConfigManager;\n"),
    ("name", "config/a.cpp", "struct ParserImpl;\n"),
    ("namespace", "config/a.h", "#pragma once\nusing namespace std;\n"),
    ("co_await", "proxy/net/a.cpp", "    if (co_await f(x)) {\n"),
    ("co_await", "proxy/net/a.cpp", "    co_await f(Thing{1});\n"),
    ("co_await", "proxy/net/a.cpp", "    co_await f([&] { g(); });\n"),
    ("co_await", "proxy/net/a.cpp", "    g(co_await f(x));\n"),
    ("co_await", "proxy/net/a.cpp", "    return co_await f(x);\n"),
    ("co_await", "proxy/session/a.cpp", "    co_await f(x);\n"),
    ("test", "tests/config/a.cpp", 'TEST_CASE("a") { f(); }\n'),
]

# What looks like a breach and is none.
FINE = [
    ("config/a.cpp", '#include "config/config.h"\n#include <yaml-cpp/yaml.h>\n'),
    ("parser/a.cpp", '#include "config/rules.h"\n#include "parser/judge.h"\n'),
    ("parser/syntax/a.c", '#include "postgres.h"\n#include "nodes/nodes.h"\n'),
    ("proxy/net/a.cpp", "#include <boost/asio/io_context.hpp>\n"),
    ("config/a.cpp", '// system() is never called here\nconst char* s = "strcpy(a)";\n'),
    ("config/a.cpp", "void f(T& t) { t.exit(1); t->system(); }\nint my_rand();\n"),
    ("config/a.cpp", "void f(int i) { assert(i == 1 && i <= 2 && i != 3); }\n"),
    ("proxy/net/a.cpp", "    auto size = co_await read(stream, buffer);\n    co_await wait(timer);\n"),
    ("proxy/net/a.cpp", "    const std::size_t n = co_await read(stream, buffer);\n"),
    ("proxy/net/a.cpp", "    // if (co_await f()) is what must not be\n"),
    ("tests/config/a.cpp", 'TEST_CASE("a") { REQUIRE(f()); }\n'),
]


class Repository(unittest.TestCase):
    def test_is_tidy(self):
        breaches = Tidy(REPOSITORY).run()
        self.assertEqual(breaches, [], "\n" + "\n".join(breaches))

    def test_there_is_something_to_look_at(self):
        self.assertGreater(len(list(Tidy(REPOSITORY).sources())), 50)


class Rules(unittest.TestCase):
    def tree(self, files):
        """A small repository with these files, and the headers they name."""
        folder = tempfile.TemporaryDirectory(prefix="vitrine-tidy-")
        self.addCleanup(folder.cleanup)
        root = Path(folder.name)
        named = ("config/config.h", "config/rules.h", "auth/token.h", "parser/judge.h",
                 "proxy/wire/frame.h", "proxy/session/pipeline.h", "proxy/audit/reader.h",
                 "proxy/net/stream.h", "proxy/cli/verbs.h")
        for name, text in [(n, "#pragma once\n") for n in named] + files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
            readme = (root / name).with_name("README.md")
            if not readme.exists():
                readme.write_text("What lives here.\n")
        return root

    def test_each_rule_bites(self):
        for rule, file, text in BREACHES:
            with self.subTest(rule, file=file, text=text):
                breaches = Tidy(self.tree([(file, text)])).run()
                self.assertTrue(breaches)
                for breach in breaches:
                    self.assertIn(f"{file}:", breach)
                    self.assertIn(f": {rule}: ", breach)

    def test_what_is_fine_is_left_alone(self):
        for file, text in FINE:
            with self.subTest(file, text=text):
                self.assertEqual(Tidy(self.tree([(file, text)])).run(), [])

    def test_readme(self):
        root = self.tree([("auth/keys/a.cpp", "int f();\n")])
        self.assertEqual(Tidy(root).run(), [])
        (root / "auth/keys/README.md").write_text("x\n" * 61)
        self.assertEqual(len(Tidy(root).run()), 1)
        (root / "auth/keys/README.md").unlink()
        [breach] = Tidy(root).run()
        self.assertIn("readme", breach)

    def test_no_common_room(self):
        root = self.tree([("proxy/common/a.cpp", "int f();\n")])
        self.assertTrue(any(": name: " in b for b in Tidy(root).run()))


class Result(unittest.TextTestResult):
    """Each subTest counts."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        self.passed += err is None


if __name__ == "__main__":
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0, resultclass=Result).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
