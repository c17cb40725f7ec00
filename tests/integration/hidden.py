"""Texts that are the same but for constants of definitions, which vitrine hides (docs/masking.md)."""

import re

# In the test database's definitions about masked columns; and, of views, the schema before a name.
CONSTANTS = ("'^[A-Z]{6}-", "NICK7", "SELECT 100", "old.id = 5", '"old"."id" = 5', "LIMIT 1")


def squeezed(line):
    """Without the widths of a table's columns, and what is hidden may be quoted in another way."""
    return re.sub(r"[ -]+", " ", line.replace('"', "").replace("public.", "")).strip()


def loosely(line):
    line = re.sub(r"'[^']*'|\b\d+\b|\bNULL(::integer|::numeric)?\b", "?", line)
    return re.sub(r"[ ()+-]+", "", line.replace('"', "").replace("public.", ""))


def same_but_hidden(seen, true):
    seen, true = seen.splitlines(), true.splitlines()
    return len(seen) == len(true) and all(
        s == t or squeezed(s) == squeezed(t) or
        (any(c in t for c in CONSTANTS) and loosely(s) == loosely(t))
        for s, t in zip(seen, true))
