"""What an application does with psycopg 3: server-side parameters, binary, pipelines, COPY."""

import psycopg
from psycopg.rows import dict_row


def show(label, value):
    print(f"{label}: {value!r}")


with psycopg.connect("", autocommit=True) as connection:
    show("text", connection.execute(
        "SELECT id, title, price, added, tags, meta, cover, on_shelf, token, kept_for, weight, lent "
        "FROM library.books ORDER BY id LIMIT 3").fetchall())
    binary = connection.cursor(binary=True)
    show("binary", binary.execute(
        "SELECT id, title, price, added, tags, cover, token, weight, lent FROM library.books "
        "ORDER BY id LIMIT 3").fetchall())
    show("parameters", connection.execute(
        "SELECT title FROM library.books WHERE id = %s OR title = %s ORDER BY id",
        (7, "Title 9")).fetchall())
    show("binary parameters", binary.execute(
        "SELECT %b::int8 + 1, %b::text, %b::bytea", (41, "é", b"\x00\xff")).fetchone())
    # Prepared by the driver after five runs.
    for number in range(8):
        row = connection.execute("SELECT title FROM library.books WHERE id = %s", (number + 1,),
                                 prepare=number > 2).fetchone()
        show("prepared", row)
    with connection.transaction():
        show("in a transaction", connection.execute("SHOW transaction_read_only").fetchone())
        try:
            with connection.transaction():
                connection.execute("SELECT 1 / 0")
        except psycopg.errors.DivisionByZero as error:
            show("savepoint", error.sqlstate)
        show("goes on", connection.execute("SELECT 1").fetchone())
    with connection.pipeline() as pipeline:
        cursors = [connection.execute("SELECT %s::int * 2", (n,)) for n in range(20)]
        pipeline.sync()
        show("pipeline", [c.fetchone()[0] for c in cursors])
    try:
        with connection.pipeline():
            first = connection.execute("SELECT 1")
            connection.execute("SELECT 1 / 0")
            connection.execute("SELECT 2")
    except psycopg.errors.DivisionByZero as error:
        show("pipeline error", error.sqlstate)
    show("after it", connection.execute("SELECT 3").fetchone())
    with connection.transaction():
        with connection.cursor("server_side", row_factory=dict_row) as named:
            named.itersize = 7
            named.execute("SELECT id, name FROM library.authors ORDER BY id")
            show("named cursor", [row["name"] for row in named][-2:])
    with connection.cursor().copy("COPY library.authors (id, name) TO STDOUT") as copy:
        show("copy", len(b"".join(bytes(block) for block in copy)))
    with connection.cursor().copy(
            "COPY (SELECT id, name FROM library.authors ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int4", "text"])
        show("binary copy", list(copy.rows())[:2])
    show("several", connection.execute("SELECT 1; SELECT 2").fetchall())
    streamed = connection.cursor()
    show("stream", sum(row[0] for row in streamed.stream("SELECT generate_series(1, 100)")))
    show("server", connection.info.server_version)
    show("encoding", connection.info.encoding)
    show("time zone", str(connection.info.timezone))
print("done")
