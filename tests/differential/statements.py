"""Files of statements: queries.sql, attacks.sql, and the lists of names beside them.

    -- == a group ==
    /* name */ SELECT …;
    SELECT …;                              the same entry: run in the same session, one by one
    /* name, rows: why they may differ */  an option, and its reason
"""

import re
from dataclasses import dataclass, field


@dataclass
class Entry:
    group: str
    name: str
    options: dict
    statements: list = field(default_factory=list)

    @property
    def sql(self):
        return " ;; ".join(self.statements)


HEAD = re.compile(r"/\* ([\w.-]+)(?:, (.*?))? \*/ ")


def read(path):
    entries, group, pending = [], "", ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        title = re.fullmatch(r"-- == (.*) ==", line)
        if title:
            group = title[1]
            continue
        if not pending and (not line.strip() or line.startswith("--")):
            continue
        head = HEAD.match(line) if not pending else None
        if head:
            options = dict((o.partition(": ")[0], o.partition(": ")[2])
                           for o in (head[2] or "").split(", ") if o)
            entries.append(Entry(group, head[1], options))
            line = line[head.end():]
        elif not pending and line.startswith("/* "):
            raise ValueError(f"{path.name}:{number}: no name: {line}")
        pending += ("\n" if pending else "") + line
        if line.endswith(";"):
            entries[-1].statements.append(pending[:-1])
            pending = ""
    if pending:
        raise ValueError(f"{path.name}: no end of statement: {pending}")
    names = [e.name for e in entries]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise ValueError(f"{path.name}: names that stand twice: {', '.join(sorted(twice))}")
    return entries


def read_list(path):
    """{name: reason} of a file of `name: reason` lines; `# …` is a comment."""
    found = {}
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition(": ")
            if not reason or name in found:
                raise ValueError(f"{path.name}: twice, or without a reason: {line}")
            found[name] = reason
    return found


QUOTED = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.S)


def is_ordered(sql):
    """Does the statement itself order what it gives?"""
    bare = QUOTED.sub("''", sql)
    if re.match(r"\s*fetch\b", bare, re.I):
        return True
    if not re.match(r"\s*copy\b", bare, re.I):
        before = None
        while before != bare:
            before, bare = bare, re.sub(r"\([^()]*\)", "", bare)
    return re.search(r"\border\s+by\b", bare, re.I) is not None
