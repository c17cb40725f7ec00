"""What tools send when they connect and look around (tool_queries.sql): through vitrine the same
rows, types and command tags as directly, by the simple and the extended protocol."""

import re
import unittest

from environment import HERE, shared
from wire_client import bind, describe, execute, parse, rows_of, sync

# What vitrine's server sessions are pinned to, so that pg_settings is the same in both.
PINS = {"standard_conforming_strings": "on", "backslash_quote": "safe_encoding",
        "transform_null_equals": "off", "client_encoding": "UTF8",
        "client_connection_check_interval": "500"}
EXPECTATION = re.compile(r"--@ (?P<kind>moves|computed|null|fails|refused|with)(?P<rest>.*)$")


class Statement:
    """One of the file, with what is said above it."""

    def __init__(self, line, text, said):
        self.line, self.moves, self.computed, self.null = line, False, False, ()
        self.sqlstate, self.refused = None, False
        self.values = None
        # The statements of one simple query stand between `\;`.
        self.parts = [part.strip() for part in text.split("\\;")]
        for kind, rest in said:
            before, colon, why = rest.partition(":")
            if kind == "with":
                self.values = [value.strip() for value in rest.split("|")]
                continue
            # No exception without a reason.
            assert colon and why.strip(), f"line {line}: {kind} without a reason"
            if kind == "moves":
                self.moves = True
            elif kind == "computed":
                self.computed = True
            elif kind == "null":
                self.null = tuple(name.strip() for name in before.split(","))
            else:
                self.sqlstate, self.refused = before.strip(), kind == "refused"

    @property
    def text(self):
        return "; ".join(self.parts)

    def __str__(self):
        return f"line {self.line}: {self.text[:100]}"


def sections(path):
    """{name: [Statement]}, in the order of the file."""
    found, name, text, said, first = {}, None, [], [], 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not text and line.startswith("-- == "):
            name = line[6:]
            found[name] = []
        elif not text and line.startswith("--@ "):
            matched = EXPECTATION.match(line)
            assert matched, f"line {number}: {line}"
            said.append((matched["kind"], matched["rest"].strip()))
        elif text or (line and not line.startswith("--")):
            first = first or number
            text.append(line)
            if line.endswith(";") and not line.endswith("\\;"):
                found[name].append(Statement(first, "\n".join(text)[:-1], said))
                text, said, first = [], [], 0
    assert not text and not said, "the last statement has no end"
    return found


def simple(client, statement):
    return client.simple(statement.text)


def extended(client, statement):
    """Each part by Parse, Describe, Bind, Describe, Execute, Sync."""
    messages = []
    for part in statement.parts:
        client.send(parse(part), describe("S"), bind(values=statement.values or ()), describe("P"),
                    execute(), sync())
        messages += client.receive_until("ReadyForQuery")
        if messages[-2].name == "ErrorResponse":
            break
    return messages


def shape(messages, computed):
    """All that is the same from run to run: no values, but the names and types of columns."""
    said = []
    for m in messages:
        if m.name == "RowDescription":
            # A masked relation is read through a derived table, whose columns are no table's.
            said.append([(c["name"], c["type"], c["format"]) for c in m.columns]
                        if computed else m.payload)
        elif m.name == "CommandComplete":
            said.append((m.name, re.sub(r"\d+", "#", m.tag)))
        elif m.name in ("ReadyForQuery", "ParameterDescription"):
            said.append((m.name, m.payload))
        elif m.name not in ("DataRow", "CopyData", "ParameterStatus"):
            said.append(m.name)
    return said


def same_rows(messages, ordered, null):
    """The rows of each result; where the statement leaves the order open, in one of ours."""
    results, columns = [], []
    for m in messages:
        if m.name == "RowDescription":
            columns = [c["name"] for c in m.columns]
            results.append([])
        elif m.name == "DataRow":
            results[-1].append([None if columns[i] in null else value
                                for i, value in enumerate(m.values)])
        elif m.name == "CopyOutResponse":
            results.append([])
        elif m.name == "CopyData":
            results[-1].append(m.payload)
    return results if ordered else [sorted(rows, key=repr) for rows in results]


class ToolQueries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.sections = sections(HERE / "tool_queries.sql")

    def test_there_are_enough(self):
        """And each of the reasons to differ is used, or it should go."""
        statements = [s for section in self.sections.values() for s in section]
        self.assertGreaterEqual(len(statements), 400)
        self.assertGreaterEqual(len(self.sections), 20)
        # What differs is the exception.
        self.assertLess(sum(s.refused for s in statements), len(statements) / 15)
        self.assertLess(sum(bool(s.null) for s in statements), 5)

    def run_section(self, name, protocol):
        with self.env.proxy.login() as client, self.env.direct(**PINS) as direct:
            for statement in self.sections[name]:
                if statement.values is not None and protocol is simple:
                    continue
                with self.subTest(f"{protocol.__name__}, {statement}"):
                    self.compare(statement, protocol, client, direct)

    def compare(self, statement, protocol, client, direct):
        seen = protocol(client, statement)
        errors = [m for m in seen if m.name == "ErrorResponse"]
        if statement.refused:
            self.assertEqual([m.sqlstate for m in errors], [statement.sqlstate], seen)
            # Refused by vitrine, not by the server.
            self.assertTrue(errors[0].fields.get("D"), errors[0])
            return
        true = protocol(direct, statement)
        wrong = [m.fields for m in errors]
        expected = [statement.sqlstate] if statement.sqlstate else []
        self.assertEqual([m.sqlstate for m in true if m.name == "ErrorResponse"], expected,
                         [m.fields for m in true if m.name == "ErrorResponse"])
        self.assertEqual([m.sqlstate for m in errors], expected, wrong)
        if expected:
            # vitrine may say so at an earlier message of a batch than the server does.
            self.assertEqual(seen[-1].payload, true[-1].payload)
            return
        computed = statement.computed or statement.moves or bool(statement.null)
        self.assertEqual(shape(seen, computed), shape(true, computed))
        if statement.moves:
            # A view of what happens has rows on both sides or on none.
            self.assertEqual(bool(rows_of(seen)), bool(rows_of(true)))
            return
        ordered = "order by" in statement.text.lower()
        self.assertEqual(same_rows(seen, ordered, ()), same_rows(true, ordered, statement.null))


def add_sections():
    """A test a section and protocol: one that breaks does not take the others with it."""
    for number, name in enumerate(sections(HERE / "tool_queries.sql")):
        for protocol in (simple, extended):
            def test(self, name=name, protocol=protocol):
                self.run_section(name, protocol)

            test.__doc__ = name
            word = re.sub(r"\W+", "_", name.lower())
            setattr(ToolQueries, f"test_{number:02}_{word}_{protocol.__name__}", test)


add_sections()
