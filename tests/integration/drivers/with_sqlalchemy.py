"""What SQLAlchemy sends: reflection of everything, sessions, pools and isolation levels."""

import re
import warnings

import sqlalchemy
from sqlalchemy import MetaData, Table, create_engine, event, exc, func, inspect, select, text
from sqlalchemy.orm import Session, declarative_base, relationship
from sqlalchemy.ext.automap import automap_base

warnings.filterwarnings("ignore", category=exc.SAWarning)
SCHEMAS = ("library", "public", "crm", "Mixed", "information_schema", "pg_catalog", None)
# psycopg 3 from version 2 on; psycopg2 always.
DRIVERS = ["psycopg2"] + (["psycopg"] if sqlalchemy.__version__ >= "2" else [])


def show(label, value):
    print(f"{label}: {value!r}")


def plain(value):
    """Types and expressions as text, dictionaries in order."""
    if isinstance(value, dict):
        return sorted((k, plain(v)) for k, v in value.items())
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    return value if isinstance(value, (int, bool, type(None))) else str(value)


def inspect_all(engine):
    inspector = inspect(engine)
    show("default schema", inspector.default_schema_name)
    show("schemas", inspector.get_schema_names())
    for schema in SCHEMAS:
        tables = sorted(inspector.get_table_names(schema=schema))
        views = sorted(inspector.get_view_names(schema=schema))
        show(f"{schema} tables", tables)
        show(f"{schema} views", views)
        show(f"{schema} materialized", inspector.get_view_names(schema, include="materialized")
             if sqlalchemy.__version__ < "2" else inspector.get_materialized_view_names(schema))
        show(f"{schema} sequences", sorted(inspector.get_sequence_names(schema=schema)))
        show(f"{schema} enums", plain(inspector.get_enums(schema=schema or "public")))
        show(f"{schema} foreign", inspector.get_foreign_table_names(schema=schema))
        for view in views:
            definition = inspector.get_view_definition(view, schema=schema)
            if definition:  # constants in one over masked columns are hidden (docs/masking.md)
                definition = re.sub(r"'[^']*'|\b\d{2,}\b|\bNULL\b(::integer|::numeric)?|\bpublic\.", "", definition)
            show(f"{schema}.{view} definition", definition)
        # The server's own relations are many and alike.
        for relation in (tables + views)[:4 if schema in SCHEMAS[4:6] else None]:
            for what in ("columns", "pk_constraint", "foreign_keys", "indexes", "table_comment",
                         "unique_constraints", "check_constraints", "table_options"):
                found = getattr(inspector, f"get_{what}")(relation, schema=schema)
                show(f"{schema}.{relation} {what}", plain(found))
            show(f"{schema}.{relation} oid", inspector.get_table_oid(relation, schema=schema) > 0)
    for what in ("get_temp_table_names", "get_temp_view_names"):
        try:
            show(what, getattr(inspector, what)())
        except NotImplementedError:
            show(what, "not for PostgreSQL")
    show("has", (inspector.has_table("books", schema="library"), inspector.has_table("nothing"),
                 inspector.has_sequence("shelf_marks", schema="library")))
    show("sorted", [name for name, _ in inspector.get_sorted_table_and_fkc_names("library")])


def reflect_all(engine):
    for schema in SCHEMAS[:4]:
        metadata = MetaData(schema=schema)
        metadata.reflect(engine, views=True, resolve_fks=True)
        for table in sorted(metadata.tables.values(), key=str):
            show(f"reflected {table}", [
                (c.name, repr(c.type), c.nullable, c.primary_key, c.comment, c.computed is not None,
                 str(getattr(c.server_default, "arg", None)),
                 [str(k.column) for k in c.foreign_keys])
                for c in table.columns])
            show(f"reflected {table} constraints", sorted(
                f"{type(c).__name__} {c.name} {[str(k) for k in c.columns.keys()]}"
                for c in table.constraints))
    one = Table("books", MetaData(), autoload_with=engine, schema="library")
    with engine.connect() as connection:
        show("one row", connection.execute(select(one).where(one.c.id == 3)).one())
    base = automap_base()
    base.prepare(autoload_with=engine, schema="library")
    show("mapped", sorted(c.__name__ for c in base.classes))


Base = declarative_base()


class Author(Base):
    __tablename__ = "authors"
    __table_args__ = {"schema": "library"}
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    name = sqlalchemy.Column(sqlalchemy.Text)
    books = relationship("Book", order_by="Book.id", back_populates="author")


class Book(Base):
    __tablename__ = "books"
    __table_args__ = {"schema": "library"}
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    author_id = sqlalchemy.Column(sqlalchemy.ForeignKey("library.authors.id"))
    title = sqlalchemy.Column(sqlalchemy.Text)
    price = sqlalchemy.Column(sqlalchemy.Numeric(8, 2))
    tags = sqlalchemy.Column(sqlalchemy.ARRAY(sqlalchemy.Text))
    author = relationship(Author, back_populates="books")


def sessions(engine):
    with Session(engine) as session:
        author = session.get(Author, 5)
        show("lazy", [(b.title, b.tags) for b in author.books][:3])
        joined = session.execute(select(Author.name, func.count(Book.id), func.sum(Book.price))
                                 .join(Book).group_by(Author.name).order_by(Author.name).limit(4))
        show("joined", joined.all())
        with session.begin_nested():
            show("nested", session.query(Book).filter(Book.title.ilike("title 1_")).count())
        try:
            with session.begin_nested():
                session.execute(text("SELECT 1 / 0"))
        except exc.DataError as error:
            show("error in a savepoint", error.orig.__class__.__name__)
        show("after it", session.execute(text("SELECT :n + 1"), {"n": 41}).scalar())
        session.rollback()
        session.add(Author(name="Nobody"))
        try:
            session.flush()
        except exc.DBAPIError as error:
            show("a write", getattr(error.orig, "pgcode", None) or error.orig.sqlstate)
        session.rollback()
        show("and on", session.query(func.max(Book.id)).scalar())


def connections(engine):
    for level in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ UNCOMMITTED",
                  "AUTOCOMMIT"):
        with engine.connect().execution_options(isolation_level=level) as connection:
            show(level, (connection.get_isolation_level(),
                         connection.execute(text("SHOW transaction_isolation")).scalar()))
        # Back in the pool, with the level it came with.
        with engine.connect() as connection:
            show("after it", connection.get_isolation_level())
    with engine.connect().execution_options(postgresql_readonly=True,
                                            postgresql_deferrable=True) as connection:
        show("read only", (connection.execute(text("SHOW transaction_read_only")).scalar(),
                           connection.execute(text("SHOW transaction_deferrable")).scalar()))
    engine.dispose()  # what that one is told when it goes back to the pool is a test of its own
    with engine.connect().execution_options(stream_results=True, max_row_buffer=50) as connection:
        rows = connection.execute(text("SELECT id FROM library.books ORDER BY id"))
        show("streamed", sum(len(part) for part in rows.partitions(7)))
    with engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(text("SET LOCAL statement_timeout = '10s'"))
        transaction.rollback()
        show("timeout", connection.execute(text("SHOW statement_timeout")).scalar())
    with engine.connect() as connection:
        show("many", connection.execute(text(
            "SELECT title FROM library.books WHERE id = ANY (:ids) ORDER BY id"),
            {"ids": [1, 2, 3]}).scalars().all())


def settings(url):
    """The engine's own settings, each with what it says on connect."""
    for options in ({"isolation_level": "AUTOCOMMIT"}, {"isolation_level": "SERIALIZABLE"},
                    {"pool_pre_ping": True, "pool_recycle": 1},
                    {"poolclass": sqlalchemy.pool.NullPool},
                    {"pool_reset_on_return": "commit"}, {"pool_reset_on_return": None},
                    {"echo_pool": False, "pool_size": 1, "max_overflow": 0}):
        engine = create_engine(url, **options)
        for _ in range(3):
            with engine.connect() as connection:
                show(f"{sorted(options)}", connection.execute(
                    text("SELECT count(*), current_setting('transaction_isolation') "
                         "FROM library.authors")).one())
        engine.dispose()
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def set_path(connection, _):
        before, connection.autocommit = connection.autocommit, True
        cursor = connection.cursor()
        cursor.execute("SET SESSION search_path = 'library'")
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.close()
        connection.autocommit = before

    with engine.connect() as connection:
        show("search_path", connection.execute(text("SELECT count(*) FROM books")).scalar())
        show("default schema", engine.dialect.default_schema_name)
    engine.dispose()


for driver in DRIVERS:
    address = f"postgresql+{driver}://"
    main = create_engine(address, pool_pre_ping=True)
    show("version", main.connect().dialect.server_version_info)
    inspect_all(main)
    reflect_all(main)
    sessions(main)
    connections(main)
    settings(address)
    main.dispose()
print("done")
