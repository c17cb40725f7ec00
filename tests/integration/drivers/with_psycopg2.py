"""What an application does with psycopg2."""

import io

import psycopg2
import psycopg2.extras


def show(label, value):
    print(f"{label}: {value!r}")


connection = psycopg2.connect("")
cursor = connection.cursor()
cursor.execute("SET search_path = library")
cursor.execute("SELECT id, title, price, added, tags, meta, cover FROM books ORDER BY id LIMIT 3")
for row in cursor:
    show("row", [bytes(v) if isinstance(v, memoryview) else v for v in row])
show("description", [(d.name, d.type_code) for d in cursor.description])
cursor.execute("SELECT title FROM books WHERE id = %s OR title = %s ORDER BY id", (7, "Title 9"))
show("parameters", cursor.fetchall())
cursor.execute("SELECT %s, %s, %s", ("it's", None, [1, 2]))
show("adapted", cursor.fetchone())
connection.commit()
show("status", connection.info.transaction_status)

try:
    cursor.execute("SELECT 1 / 0")
except psycopg2.errors.DivisionByZero as error:
    show("error", (error.pgcode, error.diag.message_primary))
try:
    cursor.execute("SELECT 1")
except psycopg2.errors.InFailedSqlTransaction as error:
    show("failed transaction", error.pgcode)
connection.rollback()

connection.set_session(readonly=True, isolation_level="REPEATABLE READ")
cursor.execute("SHOW transaction_isolation")
show("isolation", cursor.fetchone())
connection.rollback()
connection.autocommit = True
cursor.execute("SELECT count(*) FROM library.books; SELECT 2")
show("last of several", cursor.fetchall())
connection.autocommit = False

named = connection.cursor("named_cursor", cursor_factory=psycopg2.extras.RealDictCursor)
named.itersize = 50
named.execute("SELECT id, name FROM library.authors ORDER BY id")
show("named cursor", [row["name"] for row in named][:3])
named.close()
connection.commit()

sink = io.StringIO()
cursor.copy_expert("COPY (SELECT id, name FROM library.authors ORDER BY id) TO STDOUT CSV", sink)
show("copy", sink.getvalue()[:60])
cursor.execute("PREPARE by_id AS SELECT title FROM library.books WHERE id = $1")
cursor.execute("EXECUTE by_id (4)")
show("prepared", cursor.fetchone())
cursor.execute("SELECT NULL::int, 'x'::char(3)")
show("nulls", cursor.fetchone())
connection.rollback()
show("encoding", connection.encoding)
show("server", connection.server_version)
show("parameter", connection.get_parameter_status("standard_conforming_strings"))
for _ in range(3):
    cursor.execute("SELECT pg_typeof(%s::numeric), %s::timestamptz", ("1.5", "2024-02-29 12:00Z"))
    show("again", cursor.fetchone())
connection.close()
print("done")
