"""What applications do with psycopg 3 beyond queries: types by the catalog, prepared statements,
pipelines, cursors of the server's, COPY, cancelling, asynchronous connections."""

import asyncio
import threading

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row, namedtuple_row
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.hstore import register_hstore
from psycopg.types.json import Jsonb
from psycopg.types.multirange import MultirangeInfo
from psycopg.types.range import Range, RangeInfo


def show(label, value):
    print(f"{label}: {value!r}")


def types(connection):
    for name in ("hstore", "citext", "library.genre", "library.isbn", "int4range", "text",
                 "library.size", "library.books", "nothing_at_all"):
        info = TypeInfo.fetch(connection, name)
        show(f"type {name}", info and (info.name, info.oid == int(info.oid), info.delimiter))
    register_hstore(TypeInfo.fetch(connection, "hstore"), connection)
    show("hstore", connection.execute("SELECT 'a=>1, b=>NULL'::hstore, %s -> 'x'",
                                      ({"x": "y"},)).fetchone())
    size = CompositeInfo.fetch(connection, "library.size")
    register_composite(size, connection)
    show("composite", (size.field_names, connection.execute(
        "SELECT size, %s = size FROM library.books WHERE id = 3",
        (size.python_type(203, 120),)).fetchone()))
    genre = EnumInfo.fetch(connection, "library.genre")
    register_enum(genre, connection)
    show("enum", (genre.labels, connection.execute(
        "SELECT genre FROM library.books WHERE genre = %s ORDER BY id LIMIT 1",
        (genre.enum["poetry"],)).fetchone()))
    for binary in (False, True):
        cursor = connection.cursor(binary=binary)
        show(f"binary {binary}", cursor.execute(
            "SELECT id, title, price, tags, meta, cover, size, on_shelf, added, weight, lent, "
            "from_ip, token, kept_for, genre FROM library.books WHERE id = 4").fetchone())
        show("sent", cursor.execute(
            "SELECT %s, %s, %s::int4range, %s, %s::text[], %s", (
                Jsonb({"k": [1]}), b"\x00\xff", Range(1, 5), 1 << 40, ["a", None],
                None)).fetchone())
    for fetched in (RangeInfo.fetch(connection, "int4range"),
                    MultirangeInfo.fetch(connection, "int4multirange")):
        show("range", (fetched.name, fetched.oid, fetched.subtype_oid))


def prepared(connection):
    connection.prepare_threshold = 2
    for n in range(1, 7):
        show("prepared", connection.execute(
            "SELECT title FROM library.books WHERE id = %s", (n,)).fetchone())
    connection.prepared_max = 2
    for n in range(6):
        connection.execute(f"SELECT {n}, %s::int", (n,), prepare=True).fetchone()
    show("held", connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone())
    connection.prepare_threshold = None
    connection.execute("DEALLOCATE ALL")
    show("none held", connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone())


def pipelines(connection):
    with connection.pipeline() as pipeline, connection.cursor() as cursor:
        for n in range(50):
            cursor.execute("SELECT %s::int, title FROM library.books WHERE id = %s", (n, n + 1))
        pipeline.sync()
        show("last", cursor.fetchone())
        cursor.executemany("SELECT %s::int * 2", [(n,) for n in range(20)], returning=True)
        pipeline.sync()
        answers = [cursor.fetchone()[0]]
        while cursor.nextset():
            answers.append(cursor.fetchone()[0])
        show("many", answers)
    with connection.transaction(), connection.pipeline():
        show("in a transaction", [connection.execute("SELECT %s::int", (n,)).fetchone()
                                  for n in range(3)])
        try:
            with connection.transaction():
                connection.execute("SELECT 1 / 0").fetchone()
        except psycopg.errors.DivisionByZero as error:
            show("error", error.sqlstate)
        show("goes on", connection.execute("SELECT 4").fetchone())
    show("status", connection.info.transaction_status.name)


def transactions(connection):
    for level in psycopg.IsolationLevel:
        connection.isolation_level = level
        with connection.transaction():
            show(level.name, connection.execute("SHOW transaction_isolation").fetchone())
    connection.isolation_level = None
    with connection.transaction("outer"):
        with connection.transaction("inner"):
            with connection.transaction("innermost", force_rollback=True):
                show("deep", connection.execute("SELECT 1").fetchone())
        try:
            with connection.transaction():
                raise psycopg.Rollback()
        except psycopg.Rollback:
            pass
        show("deep", connection.execute("SELECT 2").fetchone())


def modes(_):
    with psycopg.connect("", autocommit=True) as connection:
        connection.read_only = True
        connection.deferrable = True
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        with connection.transaction():
            show("modes", [connection.execute(f"SHOW transaction_{m}").fetchone()[0]
                           for m in ("read_only", "deferrable", "isolation")])


def cursors(connection):
    with connection.transaction():
        for scrollable in (None, False, True):
            with connection.cursor("named", scrollable=scrollable) as named:
                named.itersize = 50
                named.execute("SELECT id, title FROM library.books WHERE id > %s ORDER BY id", (9,))
                show("named", (named.fetchone(), named.fetchmany(2), len(named.fetchall())))
                if scrollable:
                    named.scroll(-3)
                    named.scroll(5, "absolute")
                    show("scrolled", named.fetchone())
        with connection.cursor("binary_one") as named:
            named.execute("SELECT token FROM library.books ORDER BY id", binary=True)
            show("binary", named.fetchone())
    for factory in (dict_row, namedtuple_row, class_row(dict)):
        with connection.cursor(row_factory=factory) as cursor:
            show("rows", cursor.execute("SELECT id, name FROM library.authors ORDER BY id LIMIT 1")
                 .fetchone())
    with psycopg.ClientCursor(connection) as client:
        show("client side", (client.mogrify("SELECT %s, %s", ["it's", 1]), client.execute(
            "SELECT %s || %s; SELECT %s", ["it's \\", "é", 1]).fetchone(), client.nextset()))
    show("composed", connection.execute(sql.SQL("SELECT count(*) FROM {}").format(
        sql.Identifier("library", "books"))).fetchone())
    show("description", [(d.name, d.type_code, d.precision, d.scale, d.internal_size)
                         for d in connection.execute("SELECT id, title, price FROM library.books "
                                                     "LIMIT 0").description])


def copies(connection):
    cursor = connection.cursor()
    for options in ("", " (FORMAT csv)", " (FORMAT binary)"):
        with cursor.copy("COPY (SELECT id, title, price FROM library.books ORDER BY id) TO STDOUT"
                         + options) as copy:
            show("copied", sum(len(bytes(block)) for block in copy))
    with cursor.copy("COPY (SELECT id, name FROM library.authors WHERE id < %s ORDER BY id) "
                     "TO STDOUT", (4,)) as copy:
        copy.set_types(["int4", "text"])
        show("rows", list(copy.rows()))


def cancels(connection):
    threading.Timer(0.3, connection.cancel).start()
    try:
        connection.execute("SELECT count(*) FROM (SELECT generate_series(1, 2000000000)) AS scan")
    except psycopg.errors.QueryCanceled as error:
        show("cancelled", (error.sqlstate, error.diag.severity_nonlocalized))
    show("and on", connection.execute("SELECT 1").fetchone())


def information(connection):
    info = connection.info
    show("info", (info.server_version, info.encoding, info.dbname, info.timezone.key,
                  info.parameter_status("integer_datetimes"), info.pipeline_status.name,
                  info.transaction_status.name, info.vendor, info.status.name,
                  sorted(set(info.get_parameters()) - {"host", "hostaddr", "port", "user",
                                                       "sslrootcert", "options",
                                                       "connect_timeout"})))
    show("protocol", connection.pgconn.protocol_version)


async def asynchronously():
    connection = await psycopg.AsyncConnection.connect("", autocommit=True)
    async with connection:
        for name in ("hstore", "library.genre"):
            show("type", (await TypeInfo.fetch(connection, name)).name)
        async with connection.pipeline():
            cursors = [await connection.execute("SELECT %s::int", (n,)) for n in range(5)]
            show("pipeline", [(await c.fetchone())[0] for c in cursors])
        async with connection.transaction(), connection.cursor("named") as cursor:
            await cursor.execute("SELECT id FROM library.authors ORDER BY id")
            show("named", [row async for row in cursor][-1])
        streamed = connection.cursor()
        show("streamed", len([row async for row in streamed.stream("SELECT * FROM library.loans")]))


with psycopg.connect("", autocommit=True) as main:
    for part in (information, types, prepared, pipelines, transactions, modes, cursors, copies,
                 cancels):
        part(main)
asyncio.run(asynchronously())
# Without autocommit, as most use it; and with what a connection string sets.
with psycopg.connect("application_name=report options='-c statement_timeout=9000'",
                     row_factory=dict_row) as implicit:
    show("implicit", implicit.execute("SELECT count(*) FROM library.books").fetchone())
    implicit.commit()
    try:
        implicit.execute("SELECT 'x'::int")
    except psycopg.errors.InvalidTextRepresentation as failed:
        show("error", (failed.sqlstate, failed.diag.statement_position))
    implicit.rollback()
    show("timeout", implicit.execute("SHOW statement_timeout").fetchone())
with psycopg.connect("", cursor_factory=psycopg.ClientCursor, prepare_threshold=0) as eager:
    show("eager", eager.execute("SELECT title FROM library.books WHERE id = %s", (3,)).fetchone())
print("done")
