"""pg_dump through vitrine: a dump that restores, and holds what the masked copy holds.

A dump carries the database's own constraints, which raw values kept and masked ones may break. Those
are the constraints that the masked copy has lost (masks.py); between the sections of a dump they are
taken away here as docs/pg_dump.md tells the user to, and nothing else may go wrong.
"""

import difflib
import re
import subprocess

from canaries import Canaries
from databases import COPY, DATABASE, READER, USER
from masks import KEY, identifier

# A line of the schema with a constant in it, and what of a policy goes with it.
CONSTANT = r"'|\d|CREATE POLICY clue|FROM public\.clues c"

EMPTY = "restored"  # the schema, and no rows
# Row-level security is what the service role sees; a moved row has another partition.
ROWS = ("--enable-row-security",)
ALL = (*ROWS, "--load-via-partition-root")
# An INSERT without column names is in the order of the partition's columns, which is not the root's:
# for those the rows whose partition a mask changes are left out.
BY_POSITION = (*ROWS, "--exclude-table-data=public.by_word*")

# Each a dump of all rows: (name, the form's options, how it is restored).
FORMS = (
    ("plain", ALL, "psql"),
    ("inserts", (*BY_POSITION, "--inserts"), "psql"),
    ("column-inserts", (*ALL, "--column-inserts"), "psql"),
    ("rows-per-insert", (*BY_POSITION, "--rows-per-insert=50", "--on-conflict-do-nothing"), "psql"),
    ("custom", (*ALL, "-Fc"), "pg_restore"),
    ("tar", (*ALL, "-Ft"), "pg_restore"),
    ("directory", (*ALL, "-Fd", "-j1"), "pg_restore"),
)


class Dumps:
    def __init__(self, databases, report):
        self.databases, self.report = databases, report
        self.server, self.path = databases.server, databases.path
        self.canaries = Canaries(KEY)
        self.files = 0

    def program(self, *arguments, database=None):
        """Through vitrine, or, where a database is named, as its superuser."""
        env = (self.server.environment(database) if database else
               self.databases.proxy.environment(USER, self.databases.token, DATABASE))
        return subprocess.run([str(a) for a in arguments], env=env, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)

    def check(self, name, well, detail=""):
        if well:
            self.report.well("dumps", "well")
        else:
            self.report.bad("dumps", "not", name, "", str(detail)[:3000])

    def dump(self, name, *options):
        """The file of a dump through vitrine, which must go well and show no marker."""
        self.files += 1
        file = self.path / f"dump{self.files}"
        done = self.program("pg_dump", *options, "-f", file)
        self.check(f"{name}: pg_dump", done.returncode == 0, done.stderr)
        if done.returncode == 0:
            archive = "-Fc" in options or "-Ft" in options or "-Fd" in options
            text = (self.program("pg_restore", "-f", "-", file, database=COPY).stdout if archive
                    else file.read_text())
            self.check(f"{name}: rows in it", "COPY " in text or "INSERT " in text or
                       "--schema-only" in options or "--section=post-data" in options or
                       "--section=pre-data" in options, text)
            seen = self.canaries.seen_in(text.encode())
            self.check(f"{name}: no marker", seen is None, seen)
        return file

    def restore(self, name, how, file, database, *options):
        """The errors of a restore, each a line."""
        command = (("psql", "-Xq", "-f") if how == "psql" else
                   ("pg_restore", "-d", database, *options))
        done = self.program(*command, file, database=database)
        return re.findall(r"ERROR:\s+(.*)", done.stderr)

    def new(self, name, template="template0"):
        self.server.sql(f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} TEMPLATE {template}")

    def rows(self, database):
        """{table: its rows}: those of a partitioned table together."""
        tables = self.server.sql("""
            SELECT c.oid::regclass FROM pg_class c WHERE c.oid >= 16384 AND relkind IN ('r', 'p')
              AND NOT relispartition AND relnamespace::regnamespace::text !~ '^(pg_|information_)'
            ORDER BY 1""", database).splitlines()
        found = {}
        for table in tables:
            # What the service role sees of the one with policies.
            seen = "WHERE region <> 'US'" if table == "tickets" else ""
            only = "" if self.server.sql(f"SELECT relkind FROM pg_class WHERE oid = "
                                         f"'{table}'::regclass", database) == "p" else "ONLY"
            text = self.server.sql(f"COPY (SELECT * FROM {only} {table} {seen}) TO STDOUT", database)
            found[table] = sorted(text.splitlines())
        return found

    def same_rows(self, name, database, tables=None):
        seen = self.rows(database)
        for table, rows in self.expected.items():
            if tables is None or table in tables:
                have = seen.get(table, [])
                self.check(f"{name}: {table}", have == rows, next(
                    (pair for pair in zip(have, rows) if pair[0] != pair[1]),
                    (len(have), len(rows))))

    def take_away(self, database):
        """What a masked value may break and the rows come through."""
        for lost in self.databases.copy.gone:
            table, what = lost.split(": ", 1)
            if " CHECK " in what:
                self.server.sql(f"ALTER TABLE {table} DROP CONSTRAINT "
                                f"{identifier(what.split(' ', 1)[0])}", database)
            elif what.endswith(" SET NOT NULL"):
                self.server.sql(f"ALTER TABLE {table} ALTER {what[:-len(' SET NOT NULL')]} "
                                "DROP NOT NULL", database)
        self.server.sql("ALTER DOMAIN public.ssn_t DROP CONSTRAINT ssn_t_check; "
                        "ALTER DOMAIN public.cents DROP CONSTRAINT cents_check", database)

    def run(self):
        # pg_dump asks every sequence where it stands.
        self.server.sql(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {READER}", DATABASE)
        self.expected = self.rows(COPY)
        self.check("the copy has rows", len(self.expected) > 25, sorted(self.expected))
        self.schema()
        self.forms()
        self.in_one_go()
        self.parts()

    def schema(self):
        file = self.dump("schema", "--schema-only", "--section=pre-data")
        self.new(EMPTY)
        self.check("schema: restores", not (e := self.restore("schema", "psql", file, EMPTY)), e)
        self.take_away(EMPTY)

    def forms(self):
        for name, form, how in FORMS:
            data = self.dump(name, "--section=data", *form)
            post = self.dump(name, "--section=post-data", *ALL,
                             *(() if how == "psql" else ("-Fc",)))
            self.new("one", EMPTY)
            errors = self.restore(name, how, data, "one")
            self.check(f"{name}: the rows restore", not errors, errors)
            self.same_rows(name, "one", set(self.expected) -
                           ({"by_word"} if form[:2] == BY_POSITION else set()))
            self.post_data(name, self.restore(name, how, post, "one"), "one")

    def post_data(self, name, errors, database):
        """Keys that masked values break are the only ones that are not there again."""
        lost = {what.split(" ", 1)[0].strip('"') for _, what in (
            g.split(": ", 1) for g in self.databases.copy.gone)
            if re.search(r" (PRIMARY KEY|UNIQUE|FOREIGN KEY|EXCLUDE)", what)}
        wrong = [e for e in errors if not any(f'"{n}"' in e for n in lost)
                 and "there is no unique constraint matching" not in e]
        self.check(f"{name}: the rest restores", not wrong, wrong)
        self.check(f"{name}: as many errors as lost keys", len(errors) <= len(lost), (errors, lost))

    def in_one_go(self):
        """An archive of everything: its three sections one after the other."""
        file = self.dump("everything", "-Fc", *ALL)
        self.new("one")
        errors = self.restore("everything", "pg_restore", file, "one", "--section=pre-data")
        self.check("everything: the schema restores", not errors, errors)
        self.new("other", "one")
        errors = self.restore("everything", "pg_restore", file, "other", "--section=data")
        self.check("everything: what masks break says so", errors and all(
            re.search("violates check constraint", e) for e in errors), errors)
        self.take_away("one")
        errors = self.restore("everything", "pg_restore", file, "one", "--section=data")
        self.check("everything: the rows restore", not errors, errors)
        self.same_rows("everything", "one")
        self.post_data("everything", self.restore("everything", "pg_restore", file, "one",
                                                  "--section=post-data"), "one")

    def parts(self):
        file = self.dump("data-only", "--data-only", "--disable-triggers", *ALL)
        self.new("one", EMPTY)
        errors = self.restore("data-only", "psql", file, "one")
        self.check("data-only: restores", not errors, errors)
        self.same_rows("data-only", "one")
        # One table whose masks break nothing, as it comes.
        file = self.dump("one table", "-t", "public.slips")
        self.new("one")
        errors = self.restore("one table", "psql", file, "one")
        self.check("one table: restores", not errors, errors)
        self.same_rows("one table", "one", {"slips"})
        # The dump of the schema is that of the service role.
        said = self.program("pg_dump", "--schema-only")
        env = self.server.environment(DATABASE, "vitrine_reader", self.databases.password)
        true = subprocess.run(["pg_dump", "--schema-only"], env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        plain = [re.sub(r"^\\(un)?restrict .*\n", "", t, flags=re.M) for t in (said.stdout, true.stdout)]
        changed = [line for line in difflib.ndiff(*(t.splitlines() for t in reversed(plain)))
                   if line[0] in "-+"]
        # But for constants beside masked columns.
        odd = [line for line in changed
               if line[0] == "-" and not re.search(CONSTANT, line[2:])]
        self.check("schema-only: as directly", len(plain[0]) > 10000 and 20 < len(changed) < 200 and
                   not odd and "KANARIENVOGEL" not in plain[0], odd or said.stderr)


def run(databases, report):
    Dumps(databases, report).run()
    report.table("pg_dump", ("well", "not"))
