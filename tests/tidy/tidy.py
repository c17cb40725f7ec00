#!/usr/bin/python3
"""The source rules that matter, as a test (STYLE: "Habits", DESIGN: "The shape").

    tests/tidy/tidy.py [DIRECTORY]

Prints `FILE:LINE: RULE: what is wrong` for each breach, and exits 1 where there is one.
"""

import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
ROOMS = ("config", "auth", "parser", "proxy")
COLUMNS = 100

# Which rooms (or parts of a room) the files of one may include. The longest prefix counts.
MAY_INCLUDE = {
    "config": ("config",),
    "auth": ("auth", "config"),
    "parser": ("parser", "config/rules.h", "config/limits.h"),
    "proxy/wire": ("proxy/wire", "config/limits.h", "config/secret.h"),
    "proxy/audit": ("proxy/audit", "auth", "config"),
    "proxy/session": ("proxy/session", "proxy/wire", "proxy/audit", "parser", "auth", "config"),
    "proxy/net": ("proxy/net", "proxy/session", "proxy/wire", "proxy/audit", "parser", "auth",
                  "config"),
    "proxy/admin": ("proxy/admin", "proxy/net", "proxy/wire", "proxy/audit", "auth", "config"),
    "proxy/replay": ("proxy/replay", "proxy/audit", "proxy/wire", "parser", "config"),
    "proxy/export": ("proxy/export", "proxy/audit", "config"),
    "proxy/cli": ("proxy", "parser", "auth", "config"),
}

# Libraries with a place of their own: the include's shape, and where it may stand.
LIBRARIES = {
    "Asio": (r"boost/(asio|beast)(\.hpp|/)", ("proxy/net", "proxy/admin", "proxy/export")),
    "librdkafka": (r"librdkafka/", ("proxy/export",)),
    "yaml-cpp": (r"yaml-cpp/", ("config",)),
    "libpq": (r"libpq-fe\.h", ("auth/store", "proxy/net", "proxy/admin", "proxy/replay", "proxy/cli",
                                  "tests")),
    "RE2": (r"re2/", ("auth", "config")),
    "CLI11": (r"CLI/", ("proxy/cli",)),
    "SQLite": (r"sqlite3\.h", ("auth/store",)),
    "PostgreSQL's headers": (r"(postgres\.h|nodes/|utils/|parser/(parser|scanner|gram)\w*\.h|"
                             r"pg_query|c\.h$|fmgr\.h|catalog/pg_)", ("parser/syntax",
                                                                      "parser/readonly",
                                                                      "parser/masking",
                                                                      "parser")),
    "spdlog": (r"spdlog/", ("proxy/net", "proxy/admin", "proxy/cli")),
}
# The parser is pure: no I/O, no clock, no TLS.
PURE = {
    "parser": r"<(openssl/|fstream|iostream|ostream|sstream|chrono|thread|filesystem|sys/|unistd|"
              r"fcntl|cstdio|ctime|boost/filesystem)",
    "proxy/wire": r"<(fstream|iostream|thread|filesystem|sys/|unistd|fcntl)",
    "proxy/session": r"<(fstream|iostream|thread|filesystem|sys/|unistd|fcntl|openssl/ssl)",
}

BANNED_CALLS = {
    "strcpy": "it does not know how much room there is", "strcat": "as strcpy",
    "sprintf": "as strcpy; use std::format's kin or snprintf", "vsprintf": "as sprintf",
    "gets": "as strcpy", "strtok": "it keeps state of its own", "system": "no shell, ever",
    "popen": None, "rand": "not random; RAND_bytes", "srand": "not random; RAND_bytes",
    "alloca": "the stack has an end",
    "atoi": "it has no errors; std::from_chars", "atol": "as atoi", "strtol": "std::from_chars",
    "mktemp": "races; mkstemp", "tmpnam": "races; mkstemp", "localtime": "not thread-safe",
    "gmtime": "not thread-safe", "getenv": None, "setjmp": None, "longjmp": None,
    "memcmp": None, "exit": None, "abort": None,
}
# Calls that are right in few places.
CALL_ALLOWED = {
    "getenv": ("config", "proxy/cli"), "popen": (), "setjmp": (), "longjmp": (),
    "exit": (), "abort": ("proxy", "parser", "config", "auth"), "memcmp": ("proxy/wire", "parser"),
}
ASSERT_WITH_EFFECT = re.compile(r"\bassert\s*\(.*?(\+\+|--|[^=!<>]=[^=])")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
BAD_NAMES = re.compile(r"\b(class|struct)\s+\w*(Manager|Helper|Util|Utils|Impl|Processor)\b")


def without_comments(text):
    """Comments and literals blanked out, lines kept, so that only code is looked at."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])

    return re.sub(r'R"(\w*)\((?:.|\n)*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'(?!\w)'
                  r"|//[^\n]*|/\*(?:.|\n)*?\*/", blank, text)


def raw_string_lines(text):
    """Numbers of the lines that a raw string touches."""
    lines = set()
    for found in re.finditer(r'R"(\w*)\((?:.|\n)*?\)\1"', text):
        first = text.count("\n", 0, found.start()) + 1
        lines.update(range(first, first + found[0].count("\n") + 1))
    return lines


def room_of(path, rooms):
    """The longest of `rooms` that the path lies in."""
    found = [r for r in rooms if path == r or path.startswith(r + "/")]
    return max(found, key=len, default=None)


class Tidy:
    def __init__(self, root):
        self.root = Path(root)
        self.breaches = []

    def complain(self, path, line, rule, what):
        self.breaches.append(f"{path}:{line}: {rule}: {what}")

    def sources(self):
        for top in (*ROOMS, "tests", "bench"):
            for file in sorted((self.root / top).rglob("*")):
                if file.suffix in (".h", ".cpp", ".c") and file.is_file():
                    yield file.relative_to(self.root).as_posix(), file

    def run(self):
        for path, file in self.sources():
            try:
                text = file.read_text()
            except UnicodeDecodeError:
                self.complain(path, 1, "encoding", "not UTF-8")
                continue
            self.text(path, text)
            self.includes(path, text)
            self.code(path, text, without_comments(text))
        self.directories()
        return self.breaches

    def text(self, path, text):
        if path.endswith(".h") and not re.search(r"^#pragma once$", text, re.M):
            self.complain(path, 1, "guard", "a header begins with #pragma once")
        if text and not text.endswith("\n"):
            self.complain(path, text.count("\n") + 1, "end", "no newline at the end of the file")
        raw = raw_string_lines(text)
        for number, line in enumerate(text.splitlines(), 1):
            # SQL in a raw string is broken where SQL is.
            if len(line) > COLUMNS and number not in raw:
                self.complain(path, number, "columns", f"{len(line)} of at most {COLUMNS}")
            if "\t" in line:
                self.complain(path, number, "tabs", "a tab; four spaces, please")
            if line != line.rstrip():
                self.complain(path, number, "blanks", "white space at the end of the line")
            if UNFINISHED.search(line):
                self.complain(path, number, "unfinished", "finish it, or open an issue")

    def includes(self, path, text):
        room = room_of(path, MAY_INCLUDE)
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if not found:
                continue
            own, name = found[1] == '"', found[2]
            if ".." in name:
                self.complain(path, number, "include", "paths start at the root of the repository")
            top = name.split("/")[0]
            if room and own and top in (*ROOMS, "tests") and (self.root / name).exists():
                if not room_of(name, MAY_INCLUDE[room]):
                    self.complain(path, number, "direction",
                                  f"{room} may not include {name}; only "
                                  + ", ".join(MAY_INCLUDE[room]))
                continue
            for library, (shape, places) in LIBRARIES.items():
                if re.match(shape, name) and not (self.root / name).exists():
                    if not path.startswith("tests/") and not room_of(path, places):
                        self.complain(path, number, "library",
                                      f"{library} only in {', '.join(places)}")
            for pure, shape in PURE.items():
                if path.startswith(pure + "/") and re.match(shape, f"<{name}"):
                    self.complain(path, number, "pure", f"{pure} knows no {name}")

    def code(self, path, text, code):
        tested = path.startswith(("tests/", "bench/"))
        for number, line in enumerate(code.splitlines(), 1):
            for call, why in BANNED_CALLS.items():
                if re.search(rf"(?<![\w.>:])(?:std::|::)?{call}\s*\(", line):
                    # A function of that name declared, or a member called: not the C library's.
                    if re.search(rf"(\.|->|[\w>&*] ){call}\s*\(", line) \
                            and not re.search(rf"\b(return|else|co_return)\s+(std::)?{call}\s*\(",
                                              line):
                        continue
                    if tested and call in CALL_ALLOWED:
                        continue
                    if call in CALL_ALLOWED and room_of(path, CALL_ALLOWED[call]):
                        continue
                    self.complain(path, number, "call", f"{call}()" + (f": {why}" if why else
                                                                       ": not here"))
            if ASSERT_WITH_EFFECT.search(line):
                self.complain(path, number, "assert", "an assertion that changes something")
            if BAD_NAMES.search(line):
                self.complain(path, number, "name", "say what it is, not that it is something")
            if re.match(r"using\s+namespace\b", line) and path.endswith(".h"):
                self.complain(path, number, "namespace", "using namespace in a header")
            self.co_await(path, number, line)
        if path.endswith((".cpp", ".c")) and tested and "TEST_CASE" in code \
                and not re.search(r"\b(CHECK|REQUIRE)\w*\s*\(", code):
            self.complain(path, 1, "test", "test cases that assert nothing")

    def co_await(self, path, number, line):
        """GCC 12.2 miscompiles co_await inside of a condition, and destroys temporaries of its
        expression twice. It stands alone: `auto x = co_await f(named, arguments);`"""
        if not re.search(r"\bco_(await|yield)\b", line):
            return
        if not re.match(r"\s*((const\s+)?[\w:<>,*& ]+[ &*][\w\[\], ]+=\s*|[\w.\->]+\s*=\s*)?"
                        r"co_(await|yield)\s+[^{}\[]*$", line):
            self.complain(path, number, "co_await", "it stands alone, with named arguments")
        if re.search(r"\b(if|while|for|switch|return)\b.*\bco_(await|yield)\b", line):
            self.complain(path, number, "co_await", "not inside of another statement")
        if not path.startswith(("proxy/net/", "proxy/admin/", "tests/")):
            self.complain(path, number, "co_await", "coroutines only in proxy/net and proxy/admin")

    def directories(self):
        with_sources = {Path(p).parent.as_posix() for p, _ in self.sources()
                        if p.split("/")[0] in ROOMS}
        for directory in sorted(with_sources):
            if not (self.root / directory / "README.md").is_file():
                self.complain(directory, 0, "readme", "a source directory says what lives in it")
            elif len((self.root / directory / "README.md").read_text().splitlines()) > 60:
                self.complain(f"{directory}/README.md", 60, "readme", "a page or less")
        for directory in sorted({p for room in ROOMS for p in (self.root / room).rglob("*")
                                 if p.is_dir()}):
            if directory.name in ("common", "util", "utils", "helpers", "misc"):
                self.complain(directory.relative_to(self.root), 0, "name", "no such room")


def main():
    breaches = Tidy(sys.argv[1] if len(sys.argv) > 1 else REPOSITORY).run()
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
