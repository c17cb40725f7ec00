"""What applications and libraries do with a connection of psycopg2, beyond queries: sessions,
adapters that look at the catalog, cancelling, encodings, asynchronous connections."""

import io
import select
import threading
import time

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
from psycopg2 import sql


def show(label, value):
    print(f"{label}: {value!r}")


connection = psycopg2.connect("")
cursor = connection.cursor()


def one(statement, values=None):
    cursor.execute(statement, values)
    return cursor.fetchone()[0]


# Sessions: what is said with each BEGIN, or at once where autocommit is on.
for autocommit in (False, True):
    connection.autocommit = autocommit
    for settings in ({"readonly": True}, {"isolation_level": "SERIALIZABLE"}, {"deferrable": True},
                     {"isolation_level": "DEFAULT"}, {"deferrable": False}, {"readonly": "DEFAULT"},
                     {"isolation_level": "REPEATABLE READ", "readonly": True, "deferrable": True},
                     {"isolation_level": "DEFAULT", "readonly": "DEFAULT",
                      "deferrable": "DEFAULT"}):
        connection.set_session(**settings)
        show(f"{autocommit} {settings}", [one(f"SHOW transaction_{what}") for what in
                                          ("isolation", "read_only", "deferrable")])
        if not autocommit:
            connection.rollback()
connection.set_session(isolation_level="SERIALIZABLE", readonly=True, autocommit=True)
show("all at once", one("SHOW default_transaction_isolation"))
connection.set_session(isolation_level="DEFAULT", readonly="DEFAULT", autocommit=False)
for level in (0, 1, 2, 3, 4, psycopg2.extensions.ISOLATION_LEVEL_DEFAULT):
    connection.set_isolation_level(level)
    show(f"level {level}", one("SHOW transaction_isolation"))
    if level:
        connection.rollback()

show("status", connection.get_transaction_status())
one("SELECT 1")
show("in a transaction", (connection.get_transaction_status(), connection.status))
connection.commit()
connection.reset()
show("reset", (connection.isolation_level, one("SELECT 1")))
connection.rollback()
connection.set_client_encoding("UTF8")
show("encoding", connection.encoding)
connection.set_client_encoding("UNICODE")
show("alias", connection.encoding)
connection.set_client_encoding("UTF8")
show("info", (connection.info.protocol_version, connection.info.server_version,
              connection.info.ssl_in_use, connection.info.dbname, connection.info.status,
              connection.info.parameter_status("IntervalStyle"), connection.info.needs_password))
show("notices", len([n for n in connection.notices if "vitrine" not in n]))
connection.poll()
show("notifies", connection.notifies)

# Adapters ask the catalog for the numbers of types.
psycopg2.extras.register_hstore(connection)
show("hstore", one("SELECT 'a=>1, b=>NULL'::hstore"))
size = psycopg2.extras.register_composite("library.size", connection)
show("composite", (one("SELECT size FROM library.books WHERE id = 3"), size.attnames))
psycopg2.extras.register_json(connection)
psycopg2.extras.register_default_jsonb(connection)
show("json", one("SELECT meta FROM library.books WHERE id = 3")["n"])
psycopg2.extras.register_uuid(None, connection)
show("uuid", one("SELECT token FROM library.books WHERE id = 3"))
psycopg2.extras.register_inet()
show("inet", str(one("SELECT from_ip FROM library.books WHERE id = 3")))
psycopg2.extras.register_range("int4range", "Shelf", connection)
show("range", one("SELECT on_shelf FROM library.books WHERE id = 3"))
show("enum", one("SELECT genre FROM library.books WHERE id = 3"))
show("sent back", one("SELECT %s::int4range @> %s", (psycopg2.extras.NumericRange(1, 9), 5)))
show("dictionary", one("SELECT %s -> 'a'", ({"a": "1"},)))
show("json sent", one("SELECT %s::jsonb ->> 'k'", (psycopg2.extras.Json({"k": "é"}),)))
connection.rollback()

# Statements put together.
show("composed", one(sql.SQL("SELECT count(*) FROM {}.{} WHERE {} > %s").format(
    sql.Identifier("library"), sql.Identifier("books"), sql.Identifier("id")), (7,)))
show("mogrified", cursor.mogrify("SELECT %s, %s", ("it's \\", b"\x00\xff")))
cursor.executemany("SELECT %s::int", [(1,), (2,), (3,)])
show("many", cursor.rowcount)
show("values", psycopg2.extras.execute_values(
    cursor, "SELECT v.a, b.title FROM (VALUES %s) v (a) JOIN library.books b ON b.id = v.a "
    "ORDER BY 1", [(n,) for n in range(1, 6)], fetch=True))
psycopg2.extras.execute_batch(cursor, "SELECT %s::int + 1", [(n,) for n in range(5)], page_size=2)
show("batch", cursor.fetchone())
cursor.execute("/* no column */ SELECT")
show("nothing", (cursor.description, cursor.rowcount))
cursor.callproc("upper", ["called"])
show("callproc", cursor.fetchone())
connection.rollback()

# Cursors of the server's.
for scrollable in (None, False, True):
    named = connection.cursor(f"c_{scrollable}".lower(), scrollable=scrollable)
    named.itersize = 33
    named.execute("SELECT id, title FROM library.books WHERE id > %s ORDER BY id", (5,))
    show("named", (named.fetchone(), named.fetchmany(2), len(named.fetchall())))
    if scrollable:
        named.scroll(0, mode="absolute")
        named.scroll(3)
        show("scrolled", named.fetchone())
    named.close()
connection.commit()
with connection, connection.cursor(cursor_factory=psycopg2.extras.NamedTupleCursor) as tuples:
    tuples.execute("SELECT id, name FROM library.authors ORDER BY id LIMIT 2")
    show("tuples", [row.name for row in tuples])

# COPY.
for options in ("", " (FORMAT csv, HEADER)", " WITH CSV DELIMITER ';' NULL 'nil'"):
    sink = io.StringIO()
    cursor.copy_expert(f"COPY (SELECT id, title, price FROM library.books ORDER BY id) TO STDOUT"
                       f"{options}", sink)
    show("copied", (len(sink.getvalue()), sink.getvalue()[:30]))
sink = io.BytesIO()
cursor.copy_expert("COPY library.books (id, cover) TO STDOUT (FORMAT binary)", sink)
show("copied", (sink.tell(), sink.getvalue()[:11]))
cursor.execute("SET LOCAL search_path = library")
sink = io.StringIO()
cursor.copy_to(sink, "authors", columns=("id", "name"), sep="|")
show("copied", sink.getvalue()[:30])
connection.rollback()

# Cancelling.
threading.Timer(0.3, connection.cancel).start()
try:
    cursor.execute("SELECT count(*) FROM (SELECT generate_series(1, 2000000000)) AS scan")
except psycopg2.errors.QueryCanceled as error:
    show("cancelled", error.pgcode)
connection.rollback()
cursor.execute("SET LOCAL statement_timeout = 200")
try:
    cursor.execute("SELECT count(*) FROM (SELECT generate_series(1, 2000000000)) AS scan")
except psycopg2.errors.QueryCanceled as error:
    show("timed out", error.pgcode)
connection.rollback()
show("and on", one("SELECT 1"))
connection.rollback()


def wait(asynchronous):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        state = asynchronous.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        sockets = [asynchronous.fileno()]
        if state == psycopg2.extensions.POLL_READ:
            select.select(sockets, [], [], 5)
        else:
            select.select([], sockets, [], 5)
    raise TimeoutError


asynchronous = psycopg2.connect("", async_=1)
wait(asynchronous)
waiting = asynchronous.cursor()
waiting.execute("SELECT title FROM library.books WHERE id = %s", (4,))
wait(asynchronous)
show("asynchronous", waiting.fetchall())
asynchronous.close()

pool = psycopg2.pool.ThreadedConnectionPool(1, 3, "")
taken = [pool.getconn() for _ in range(3)]
for each in taken:
    with each.cursor() as c:
        c.execute("SELECT count(*) FROM library.loans")
        show("pooled", c.fetchone())
    pool.putconn(each)
again = pool.getconn()
show("pooled again", again.info.transaction_status)
pool.putconn(again)
pool.closeall()

# Settings in the connection string.
for extra in ("options='-c statement_timeout=9000 -c search_path=library,public'",
              "client_encoding=utf8 application_name=report", "options='-c DateStyle=German'",
              "options='-c extra_float_digits=0 -c TimeZone=Asia/Tokyo'",
              "fallback_application_name=x keepalives=1 keepalives_idle=30 connect_timeout=10"):
    with_settings = psycopg2.connect(extra)
    with with_settings.cursor() as c:
        c.execute("SELECT current_setting('statement_timeout'), current_setting('search_path'), "
                  "date '2024-02-29', 0.1::float8 + 0.2::float8, current_setting('TimeZone')")
        show(extra, c.fetchone())
    with_settings.close()
print("done")
