"""What came back for a statement, in a form in which two databases can be compared."""

import struct
from collections import Counter

from wire_client import bind, describe, execute, parse, query, sync

EQUAL, ROW_TYPE, REFUSED, FAILED, DIFFERENT = "equal", "row type", "refused", "failed", "different"
MODES = ("simple", "text", "binary")
# "PGCOPY…", flags, length of an extension: before the first row of a binary COPY.
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
LEFT_OUT = ("NoticeResponse", "ParameterStatus")


def ask(client, sql, mode, values=()):
    send(client, sql, mode, values)
    return client.receive_until("ReadyForQuery")


def send(client, sql, mode, values=()):
    if mode == "simple":
        client.send(query(sql))
    else:
        client.send(parse(sql), describe("S"),
                    bind(values=values, result_formats=[1] if mode == "binary" else []), describe("P"),
                    execute(), sync())


def error_of(messages):
    return next((m.fields for m in messages if m.name == "ErrorResponse"), None)


def shape(messages):
    """The names of the messages, those of rows once."""
    names = []
    for m in messages:
        if m.name not in LEFT_OUT and not (names and names[-1] == m.name in ("DataRow", "CopyData")):
            names.append(m.name)
    return names


def statuses(messages):
    return [m.status for m in messages if m.name == "ReadyForQuery"]


def columns(messages, type_names):
    return [[(c["name"], type_names.get(str(c["type"]), c["type"]), c["modifier"], c["format"])
             for c in m.columns] for m in messages if m.name == "RowDescription"]


def rows(messages):
    found = []
    for m in messages:
        if m.name == "DataRow":
            found.append(tuple(m.values))
        elif m.name == "CopyData":
            # In binary COPY the first row comes with the header.
            found.append((m.payload.removeprefix(COPY_HEADER),))
    return found


def is_row_type(name):
    """A table's row type, or an array of it, by its name; or the anonymous one."""
    return name.removesuffix("[]") in ROW_TYPES


# Filled in by the runner: the names of all row types of relations.
ROW_TYPES = {"record"}


def parameters(messages, type_names):
    """The types of the parameters, by their names."""
    for m in messages:
        if m.name == "ParameterDescription":
            kinds = struct.unpack(f"!{(len(m.payload) - 2) // 4}I", m.payload[2:])
            return [type_names.get(str(k), k) for k in kinds]
    return None


def compare(seen, true, seen_types, true_types, *, ordered, with_rows=True, binary=False,
            with_modifiers=True):
    """(outcome, what differs) of vitrine's answer and the copy's."""
    seen_error, true_error = error_of(seen), error_of(true)
    if seen_error and (not true_error or seen_error["C"] != true_error["C"]):
        # The server's own errors name the place in its source.
        kind = FAILED if "R" in seen_error else REFUSED
        return kind, f"{seen_error['C']} {seen_error['M']} | {seen_error.get('D', '')}"
    if true_error and not seen_error:
        return DIFFERENT, f"the copy says {true_error['C']} {true_error['M']}"
    if true_error:
        # When an error comes (before or behind RowDescription, say) is the planner's affair. What
        # vitrine finds out by itself (no such function) has PostgreSQL's code and its own words.
        for letter in "SMDHP" if "R" in seen_error else "":
            if seen_error.get(letter) != true_error.get(letter):
                return DIFFERENT, (f"error field {letter}: {seen_error.get(letter)!r}, "
                                   f"{true_error.get(letter)!r} on the copy")
        if statuses(seen) != statuses(true):
            return DIFFERENT, f"transaction status {statuses(seen)}, {statuses(true)} on the copy"
        return EQUAL, ""
    if shape(seen) != shape(true) and with_rows:
        return DIFFERENT, f"messages {shape(seen)}, {shape(true)} on the copy"
    kinds = parameters(seen, seen_types), parameters(true, true_types)
    if kinds[0] != kinds[1]:
        return DIFFERENT, f"parameters {kinds[0]}, {kinds[1]} on the copy"
    outcome = EQUAL
    typed = set()
    for ours, theirs in zip(columns(seen, seen_types), columns(true, true_types)):
        if len(ours) != len(theirs):
            return DIFFERENT, f"columns {ours}, {theirs} on the copy"
        for at, (one, other) in enumerate(zip(ours, theirs)):
            if one == other or not with_modifiers and one[:2] + one[3:] == other[:2] + other[3:]:
                continue
            if one[0] == other[0] and one[1] != other[1] and is_row_type(str(one[1])) \
                    and is_row_type(str(other[1])):
                outcome = ROW_TYPE
                typed.add(at)
                continue
            return DIFFERENT, f"column {one}, {other} on the copy"
    if with_rows:
        def values(messages):
            return [tuple(v for at, v in enumerate(row) if not (binary and at in typed))
                    for row in rows(messages)]

        one, other = values(seen), values(true)
        if one != other if ordered else Counter(one) != Counter(other):
            return DIFFERENT, f"rows {shown(one, other)}"
        tags = [[m.tag for m in side if m.name == "CommandComplete"] for side in (seen, true)]
        if tags[0] != tags[1]:
            return DIFFERENT, f"tags {tags}"
    if statuses(seen) != statuses(true):
        return DIFFERENT, f"transaction status {statuses(seen)}, {statuses(true)} on the copy"
    return outcome, "record in place of the table's row type" if outcome == ROW_TYPE else ""


def shown(one, other):
    """The first rows that only one side has."""
    mine, theirs = Counter(one), Counter(other)
    only, missing = list((mine - theirs).elements())[:2], list((theirs - mine).elements())[:2]
    if not only and not missing:
        at = next(i for i, pair in enumerate(zip(one, other)) if pair[0] != pair[1])
        return f"in another order from row {at + 1} on: {one[at]} / {other[at]}"
    return f"{len(one)} and {len(other)}; only here {only}, only on the copy {missing}"
