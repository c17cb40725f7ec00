"""Attacks that no SQL text alone makes: by portals, named statements, batches and messages.

Each is a list of steps; a step is the bytes that are sent and how many ReadyForQuery answer them.
"""

import struct

from wire_client import (ConnectionClosed, bind, describe, execute, flush, function_call, parse, query,
                         sync)

EMAIL = "SELECT email, pin, badge FROM people WHERE id OPERATOR(pg_catalog.<) 9"
# crm.people has that column too.
MAIL = "SELECT email FROM people WHERE id OPERATOR(pg_catalog.<) 9"
OPEN = "SELECT name FROM products"


def batch(*messages):
    return b"".join(messages) + sync(), 1


def sql(text):
    return query(text), 1


def conversations(function):
    """Name to steps. `function`: the OID of one that reads a raw value by an integer."""
    path = [parse("SET search_path = crm"), bind(), execute()]
    back = [parse("SET search_path = public"), bind(), execute()]
    return {
        "in pieces": [batch(parse(EMAIL), bind("p"), execute("p", 1), execute("p", 2), execute("p"))],
        "in pieces, binary": [batch(parse(EMAIL), bind("p", result_formats=[1]), execute("p", 3),
                                    execute("p", 3))],
        "mixed formats": [batch(parse(EMAIL), bind(result_formats=[0, 1, 1]), execute())],
        "described only, then run": [batch(parse(EMAIL, "s"), describe("S", "s")),
                                     batch(bind("", "s"), describe("P"), execute())],
        "with flush": [batch(parse(EMAIL), flush(), bind(), flush(), execute(), flush())],
        "portal, FETCH": [sql("BEGIN"), batch(parse(EMAIL), bind("k")), sql("FETCH ALL FROM k"),
                          sql("ROLLBACK")],
        "portal in binary, FETCH": [sql("BEGIN"), batch(parse(EMAIL), bind("k", result_formats=[1])),
                                    sql("FETCH 3 FROM k"), sql("MOVE 1 IN k"), sql("FETCH k"),
                                    sql("ROLLBACK")],
        "DECLARE, Execute": [sql("BEGIN"), sql(f"DECLARE c CURSOR FOR {EMAIL}"),
                             batch(describe("P", "c"), execute("c")), sql("ROLLBACK")],
        "Parse, EXECUTE": [batch(parse(EMAIL, "n")), sql("EXECUTE n")],
        "PREPARE, Bind": [sql(f"PREPARE q AS {EMAIL}"),
                          batch(describe("S", "q"), bind("", "q", result_formats=[1]), execute())],
        "unnamed one replaced": [batch(parse(OPEN), bind("a"), parse(EMAIL), bind("b"), execute("a"),
                                       execute("b"))],
        "bound again and again": [batch(parse(EMAIL, "m"), *([bind("", "m"), execute()] * 7))],
        "after an error": [batch(parse("SELECT 1 / 0"), bind(), execute(), parse(EMAIL), bind(),
                                 execute()),
                           batch(parse(EMAIL), bind(), execute())],
        "a failed Parse of its name": [batch(parse("SELECT nosuch", "f")),
                                       batch(parse(EMAIL, "f"), bind("", "f"), execute())],
        "path between Parse and Bind": [batch(*path), batch(parse(MAIL, "x")),
                                        batch(*back), batch(bind("", "x"), execute())],
        "path in the batch": [batch(*path, parse(MAIL, "y"), *back, bind("", "y"), execute())],
        "path in the batch, first": [batch(*path), batch(*back, parse(EMAIL), bind(), execute())],
        "path rolled back": [sql("SET search_path = public"), sql("BEGIN"),
                             sql("SET search_path = crm"), batch(parse(MAIL, "z")), sql("ROLLBACK"),
                             batch(bind("", "z"), execute())],
        "path local": [sql("SET search_path = crm"), batch(parse(MAIL, "w")), sql("BEGIN"),
                       sql("SET LOCAL search_path = public"), batch(bind("", "w"), execute()),
                       sql("ROLLBACK")],
        "two statements": [sql(f"{OPEN}; {EMAIL}")],
        "two statements, path": [sql(f"SET search_path = public; {EMAIL}")],
        "two statements, transaction": [sql(f"BEGIN; {EMAIL}; ROLLBACK")],
        "two statements, error behind": [sql(f"{EMAIL}; SELECT 1 / 0")],
        "two statements, DECLARE": [sql(f"BEGIN; DECLARE c CURSOR FOR {EMAIL}; FETCH ALL FROM c; END")],
        "two statements, PREPARE": [sql(f"PREPARE e AS {EMAIL}; EXECUTE e")],
        "pipelined queries": [(query(OPEN) + query(EMAIL), 2)],
        "pipelined batches": [(parse(EMAIL) + bind() + execute() + sync() + parse(EMAIL)
                               + bind(result_formats=[1]) + execute() + sync(), 2)],
        "Query within a batch": [(parse(EMAIL) + bind("v") + query("BEGIN") + execute("v") + sync(), 2)],
        "COPY in a batch": [batch(parse("COPY people TO STDOUT"), bind(), execute())],
        "COPY binary in a batch": [batch(parse("COPY people (email) TO STDOUT (FORMAT binary)"),
                                         bind(), execute())],
        "parameters": [batch(parse("SELECT email FROM people WHERE id = $1"), bind(values=["3"]),
                             execute())],
        "parameters, binary": [batch(parse("SELECT email FROM people WHERE id = $1", types=[23]),
                                     bind(values=[struct.pack("!i", 3)], formats=[1]), execute())],
        "parameter names the table": [batch(parse("SELECT table_to_xml($1, true, false, '')"),
                                            bind(values=["people"]), execute())],
        "parameter holds the query": [batch(parse("SELECT query_to_xml($1, true, true, '')"),
                                            bind(values=["TABLE people"]), execute())],
        "parameter in a cast": [batch(parse("SELECT (email || $1)::int FROM people WHERE id = 3"),
                                      bind(values=["x"]), execute())],
        "function call": [(function_call(function, b"3"), 1)],
    }


def run(client, steps):
    """The messages of all steps; what came before where the session ended."""
    found = []
    try:
        for message, answers in steps:
            client.send(message)
            while answers:
                found.append(client.receive())
                answers -= found[-1].name == "ReadyForQuery"
    except (ConnectionClosed, OSError):
        pass
    return found
