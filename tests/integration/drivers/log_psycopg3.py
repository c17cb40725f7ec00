"""Statements with a mark in them, and what the query log has to say of each: a JSON list of
[sql, values, rows, sqlstate] on stdout, in the order in which they ran."""

import json
from decimal import Decimal

import psycopg

MARK = "/*log*/"
expected = []


def note(sql, values=None, rows=0, sqlstate="00000"):
    expected.append([sql, values, rows, sqlstate])


with psycopg.connect("", autocommit=True) as connection:
    connection.execute(f"SELECT {MARK} 1")
    note(f"SELECT {MARK} 1", None, 1)
    binary = connection.cursor(binary=True)
    for value in (1, 70000, 2**40):
        binary.execute(f"SELECT {MARK} %b::int8 FROM generate_series(1, 3)", (value,))
        note(f"SELECT {MARK} $1::int8 FROM generate_series(1, 3)", [str(value)], 3)
    binary.execute(f"SELECT {MARK} %b, %b, %b, %b, %b",
                   ("é\n'", None, b"\x00\xff", True, Decimal("-12.50")))
    note(f"SELECT {MARK} $1, $2, $3, $4, $5", ["é\n'", None, "\\x00ff", "t", "-12.50"], 1)
    connection.execute(f"SELECT {MARK} %t::numeric, %t::float8", (Decimal("1.10"), 0.1))
    note(f"SELECT {MARK} $1::numeric, $2::float8", ["1.10", "0.1"], 1)
    for number in range(8):
        connection.execute(f"SELECT {MARK} title FROM library.books WHERE id <= %b", (number,),
                           prepare=number > 2)
        note(f"SELECT {MARK} title FROM library.books WHERE id <= $1", [str(number)], number)
    with connection.pipeline() as pipeline:
        for number in range(30):
            connection.execute(f"SELECT {MARK} %b::int2", (number,))
            note(f"SELECT {MARK} $1::int2", [str(number)], 1)
        pipeline.sync()
        try:
            connection.execute(f"SELECT {MARK} 1 / %b::int2", (0,))
            pipeline.sync()
        except psycopg.errors.DivisionByZero:
            note(f"SELECT {MARK} 1 / $1::int2", ["0"], 0, "22012")
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY (SELECT {MARK} generate_series(1, 7)) TO STDOUT") as copy:
            for _ in copy:
                pass
    note(f"COPY (SELECT {MARK} generate_series(1, 7)) TO STDOUT", None, 7)
    with connection.transaction(), connection.cursor(f"c{MARK}") as cursor:
        cursor.itersize = 4
        cursor.execute(f"SELECT {MARK} generate_series(1, 10)")
        cursor.fetchall()
    note(f'DECLARE "c{MARK}" CURSOR FOR SELECT {MARK} generate_series(1, 10)')
    note(f'FETCH FORWARD ALL FROM "c{MARK}"', None, 10)
    note(f'CLOSE "c{MARK}"')
    try:
        connection.execute(f"DELETE {MARK} FROM library.books")
    except psycopg.errors.ReadOnlySqlTransaction:
        note(f"DELETE {MARK} FROM library.books", None, 0, "25006")

print(json.dumps(expected))
