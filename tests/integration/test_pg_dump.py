"""pg_dump, pg_restore, pg_dumpall and pgbench through vitrine.

A schema dump is the one that the service role would get directly; so are the rows of tables that
nothing masks. Rows of masked tables are those of the masked copy. What was dumped can be restored.
"""

import difflib
import re
import subprocess
import unittest

from environment import DATABASE, HERE, MASKED_COPY, SANITIZED, USER, psql, shared
from hidden import same_but_hidden
from wire_client import rows_of

MASKED = {"public.customers", "public.cards", "public.people", "public.staff",
          "public.events_2025", "public.events_2026", "public.events_rest_all",
          '"Mixed"."Client Data"'}
# Nobody reads these through vitrine: a user's function would run. pg_dump leaves them out by name.
CLOSED = ("-T", "public.audited", "-T", "public.moods")
# The rows that row-level security shows; without it pg_dump stops at a table with policies.
ROWS = ("--enable-row-security", *CLOSED)


def run_program(environment, program, *arguments, timeout=300):
    return subprocess.run([program, *(str(a) for a in arguments)], env=environment, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout)


def without_key(text):
    """pg_dump's \\restrict lines hold a random word."""
    return re.sub(r"^\\(un)?restrict .*\n", "", text, flags=re.M)


def complaints(done):
    """What a program said besides its output. The notice at login is vitrine's own."""
    return re.sub(r"^NOTICE:  vitrine: .*\n", "", done.stderr, flags=re.M)


def tables(dump):
    """The rows of a plain dump: {table: (columns, sorted rows)}; and the text around them."""
    found, around, rows = {}, [], None
    for line in dump.splitlines():
        if rows is not None:
            if line == "\\.":
                rows.sort()
                rows = None
            else:
                rows.append(line.split("\t"))
        elif begins := re.match(r"COPY (.*?)(?: \((.*)\))? FROM stdin;$", line):
            rows = []
            found[begins[1]] = ((begins[2] or "").split(", "), rows)
            around.append(line)
        else:
            around.append(line)
    return found, "\n".join(around)


def projected(table, columns):
    """The rows of a table, of the columns named only."""
    have, rows = table
    places = [have.index(column) for column in columns]
    return columns, sorted([row[place] for place in places] for row in rows)


class PgDump(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.token = cls.env.proxy.token(USER, DATABASE)
        cls.addClassCleanup(cls.env.database.load, HERE / "psql_objects_gone.sql", DATABASE)
        cls.env.database.load(HERE / "psql_objects.sql", DATABASE)
        cls.before = cls.env.dump()
        cls.addClassCleanup(cls.unchanged)

    @classmethod
    def unchanged(cls):
        assert cls.env.dump() == cls.before, "the database has changed"

    def through(self, *arguments, program="pg_dump"):
        return run_program(self.env.proxy.environment(USER, self.token, DATABASE), program,
                           *arguments)

    def direct(self, *arguments, program="pg_dump", database=DATABASE):
        return run_program(self.env.direct_environment() | {"PGDATABASE": database}, program,
                           *arguments)

    def superuser(self, program, *arguments, database=DATABASE):
        done = run_program(self.env.database.environment(database), program, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr[:3000])
        return done

    def dumped(self, *arguments):
        """A dump through vitrine that must go well."""
        done = self.through(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr[:3000])
        return done.stdout

    def new_database(self, name):
        self.env.database.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        self.addCleanup(self.env.database.sql, f"DROP DATABASE {name} WITH (FORCE)")

    def equal_texts(self, seen, true):
        if not same_but_hidden(seen, true):
            self.fail("\n" + "".join(difflib.unified_diff(
                true.splitlines(True), seen.splitlines(True), "direct", "vitrine", n=2))[:8000])

    def same(self, *arguments, program="pg_dump"):
        """The same output, the same complaints, the same exit status as directly."""
        true, seen = (one(*arguments, program=program) for one in (self.direct, self.through))
        self.assertEqual(complaints(seen), complaints(true))
        self.assertEqual(seen.returncode, true.returncode)
        self.equal_texts(without_key(seen.stdout), without_key(true.stdout))
        return seen

    # --- the schema --------------------------------------------------------------------------

    def test_schema(self):
        for arguments in ((), CLOSED, ("-n", "library"), ("-n", "desk", "-n", "crm"),
                          ("-N", "public", "-N", "desk"), ("-t", "library.books"),
                          ("-t", "public.customers"), ("-t", "public.audited"),
                          ("-t", "public.cust*", "-T", "*_email"),
                          ("--strict-names", "-t", '"Mixed".*'), ("-e", "hstore"),
                          ("-c", "--if-exists"), ("-C", "-c"), ("-O", "-x"),
                          ("--quote-all-identifiers",), ("--enable-row-security",),
                          ("--section=pre-data",), ("--section=post-data",),
                          ("--use-set-session-authorization",), ("--disable-dollar-quoting",),
                          ("--no-comments", "--no-publications", "--no-security-labels",
                           "--no-tablespaces", "--no-table-access-method",
                           "--no-toast-compression"),
                          ("--serializable-deferrable",), ("--lock-wait-timeout=5s",),
                          ("--lock-wait-timeout=5000",), ("-E", "UTF8"),
                          ("--extra-float-digits=0",), ("-t", "no_such_table")):
            with self.subTest(arguments):
                self.same("--schema-only", *arguments)
        self.assertIn("CREATE POLICY", self.dumped("--schema-only", "-t", "public.tickets"))

    # --- rows --------------------------------------------------------------------------------

    def expected(self):
        """What the dump of all rows must hold: {table: (columns, rows)}, and the text around."""
        true = self.direct("--data-only", *ROWS)
        copy = self.direct("--data-only", *ROWS, database=MASKED_COPY)
        self.assertEqual((true.returncode, copy.returncode), (0, 0), true.stderr + copy.stderr)
        (rows, around), (masked, _) = tables(without_key(true.stdout)), tables(copy.stdout)
        self.assertGreater(len(rows), 25)
        for name in MASKED:
            self.assertIn("CANARY", str(rows[name]))
            rows[name] = projected(masked[name], rows[name][0])
        return rows, around

    def equal_rows(self, seen, rows):
        self.assertEqual(sorted(seen), sorted(rows))
        for name, table in rows.items():
            with self.subTest(name):
                # Not assertEqual: the difference of a hundred thousand rows takes minutes.
                self.assertEqual(seen[name][0], table[0])
                self.assertTrue(seen[name] == table, next(
                    (pair for pair in zip(seen[name][1], table[1]) if pair[0] != pair[1]),
                    (len(seen[name][1]), len(table[1]))))

    def test_rows(self):
        rows, around = self.expected()
        said = self.dumped("--data-only", *ROWS)
        self.assertNotIn("CANARY", said)
        seen, seen_around = tables(without_key(said))
        self.equal_rows(seen, rows)
        self.equal_texts(seen_around, around)

    def test_schema_and_rows_that_nothing_masks(self):
        """Byte for byte, order of rows included."""
        for arguments in (("-n", "library"), ("-t", "library.books"), ("-n", "desk"),
                          ("-n", "library", "--inserts"), ("-n", "library", "--column-inserts"),
                          ("-n", "library", "--inserts", "--rows-per-insert=50",
                           "--on-conflict-do-nothing"),
                          ("-n", "library", "--load-via-partition-root"),
                          ("-t", "library.loans*", "--disable-triggers", "-a"),
                          ("-t", "public.tickets", "--enable-row-security"),
                          ("-t", "public.tickets", "--enable-row-security", "--inserts"),
                          ("-t", "public.kinds", "--column-inserts"),
                          ("-t", "crm.customers"), ("-t", "public.orders_id_seq"),
                          ("-n", "library", "-n", "public", "--exclude-table-data=public.*")):
            with self.subTest(arguments):
                self.assertGreater(len(self.same(*arguments).stdout), 600)

    def test_row_security(self):
        """Without --enable-row-security pg_dump stops at a table with policies, as directly."""
        done = self.same("-t", "public.tickets")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("row-level security", done.stderr)

    def test_inserts_of_masked_rows(self):
        arguments = ("--data-only", "-t", "public.cards", "-t", "public.people", "-t",
                     "public.staff", "-t", "public.events", "-t", "public.events_*", "-t",
                     '"Mixed"."Client Data"')
        for form in ("--inserts", "--column-inserts"):
            with self.subTest(form):
                copy = self.direct(form, *arguments, database=MASKED_COPY)
                seen = self.dumped(form, *arguments)
                lines = [sorted(line for line in text.splitlines() if line.startswith("INSERT"))
                         for text in (seen, copy.stdout)]
                self.assertEqual(len(lines[0]), 2500 + 50 + 30 + 3000 + 40)
                self.assertTrue(lines[0] == lines[1])

    def test_closed_tables(self):
        """A table that no one may read: the refusal names it, and the way out works."""
        done = self.through("--data-only", "-t", "public.moods")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("moods", done.stderr)
        self.assertIn("HINT", done.stderr)
        self.assertIn("CREATE TABLE public.moods", self.dumped(
            "-t", "public.moods", "--exclude-table-data", "public.moods"))

    # --- archives ----------------------------------------------------------------------------

    def test_formats(self):
        """Custom, directory and tar hold what the plain dump holds."""
        plain = without_key(self.dumped("-n", "library"))
        for form in ("custom", "directory", "tar"):
            with self.subTest(form):
                file = self.env.path / f"library.{form}"
                self.dumped("-n", "library", "-F", form, "-f", file)
                said = self.superuser("pg_restore", "-f", "-", file).stdout
                self.assertEqual(without_key(said), plain)

    def test_list(self):
        listed = []
        for name, one in (("direct", self.direct), ("vitrine", self.through)):
            file = self.env.path / f"listed.{name}"
            done = one("-Fc", "-f", file, *ROWS)
            self.assertEqual(done.returncode, 0, done.stderr[:3000])
            said = self.superuser("pg_restore", "--list", file).stdout
            listed.append([line for line in said.splitlines() if not line.startswith(";")])
        self.assertGreater(len(listed[0]), 200)
        self.assertEqual(listed[1], listed[0])

    def test_restore(self):
        """All of it into a new database; what is then there is what the masked copy holds."""
        rows, _ = self.expected()
        file = self.env.path / "all.dump"
        self.dumped("-Fc", "-f", file, *ROWS)
        self.new_database("restored")
        restore = ("pg_restore", "-e", "-d", "restored")
        self.superuser(*restore, "--section=pre-data", file)
        # The mask is no value of the domain: its condition has to go before the rows come.
        self.env.database.sql("ALTER DOMAIN public.ssn_t DROP CONSTRAINT ssn_t_check", "restored")
        self.superuser(*restore, "--section=data", file)
        self.superuser(*restore, "--section=post-data", file)
        seen, _ = tables(self.superuser("pg_dump", "--data-only", database="restored").stdout)
        self.equal_rows(seen, rows)
        self.assertEqual(self.env.database.sql(
            "SELECT count(*), count(DISTINCT email) > 1 FROM customer_emails", "restored"),
            "2000|t")
        self.assertEqual(self.env.database.sql("SELECT nextval('orders_id_seq')", "restored"),
                         "6001")

    def test_restore_plain(self):
        for name, form in (("copied", ()), ("inserted", ("--column-inserts",))):
            with self.subTest(name):
                file = self.env.path / f"{name}.sql"
                self.dumped("-n", "library", "-f", file, *form)
                self.new_database(name)
                done = psql(self.env.database.environment(name), "-q", "-v", "ON_ERROR_STOP=1",
                            "-f", file)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.equal_texts(
                    without_key(self.superuser("pg_dump", "-n", "library", database=name).stdout),
                    without_key(self.direct("-n", "library").stdout))

    def test_restoring_through_vitrine(self):
        file = self.env.path / "back.dump"
        self.dumped("-Fc", "-f", file, "-t", "library.authors")
        done = self.through("-c", "-d", DATABASE, file, program="pg_restore")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("ERROR:", done.stderr)

    # --- what is refused on purpose ------------------------------------------------------------

    def refused(self, *arguments, says, program="pg_dump"):
        done = self.through(*arguments, program=program)
        self.assertNotEqual(done.returncode, 0, arguments)
        self.assertRegex(done.stderr, says)
        return done.stderr

    def test_several_at_once(self):
        """-j 2 shares a snapshot between sessions, which takes pg_export_snapshot: it is refused
        by name, and nothing is left of the dump but its empty directory. -j 1 works."""
        folder = self.env.path / "parallel"
        said = self.refused("-Fd", "-j", "2", "-n", "library", "-f", folder,
                            says="permission denied for function pg_export_snapshot")
        self.assertRegex(said, "DETAIL|HINT")
        self.assertFalse(folder.exists() and any(folder.iterdir()))
        self.dumped("-Fd", "-j", "1", "-n", "library", "-f", self.env.path / "alone")

    def test_snapshot_of_another_session(self):
        """What a session that may export one gives out; and one that there is not."""
        with self.env.direct() as other:
            other.simple("BEGIN ISOLATION LEVEL REPEATABLE READ")
            exported = rows_of(other.simple("SELECT pg_export_snapshot()"))[0][0].decode()
            said = self.same("-n", "library", f"--snapshot={exported}")
            self.assertEqual(said.returncode, 0, said.stderr)
        self.assertNotEqual(self.same("-n", "library", "--snapshot=7-7-7").returncode, 0)

    def test_role(self):
        self.refused("-n", "library", "--role=shop_owner", says='permission denied to set "role"')

    def test_large_objects(self):
        """Their contents come by FunctionCall, which vitrine has no verdict for; --no-blobs."""
        self.env.sql("SELECT lo_from_bytea(4712, 'large'); "
                     "GRANT SELECT ON LARGE OBJECT 4712 TO vitrine_reader")
        self.addCleanup(self.env.sql, "SELECT lo_unlink(4712)")
        self.assertEqual(self.direct("-n", "library", "--blobs").returncode, 0)
        said = self.refused("-n", "library", "--blobs", says=r"(?i)error:.*")
        self.assertRegex(said, r"(?i)function ?call|large object")
        self.dumped("--no-blobs", *ROWS)

    # --- pg_dumpall ----------------------------------------------------------------------------

    def test_globals(self):
        """-l: pg_dumpall connects to a database postgres otherwise, which may not be configured."""
        for arguments in (("--globals-only",), ("--roles-only",), ("--tablespaces-only",),
                          ("--globals-only", "--clean", "--if-exists"),
                          ("--globals-only", "--no-privileges", "--no-comments")):
            with self.subTest(arguments):
                said = self.same(*arguments, "--no-role-passwords", "-l", DATABASE,
                                 program="pg_dumpall")
                self.assertEqual(said.returncode, 0, said.stderr)
        said = self.through("--globals-only", "--no-role-passwords", "-l", DATABASE,
                            program="pg_dumpall").stdout
        self.assertIn("CREATE ROLE desk_keeper", said)
        self.assertNotIn("PASSWORD", said)

    def test_passwords_of_roles(self):
        """pg_authid is nobody's to read, through vitrine or as the service role."""
        for one in (self.direct, self.through):
            done = one("--globals-only", "-l", DATABASE, program="pg_dumpall")
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr, "permission denied for (table|relation) pg_authid")
            self.assertNotIn("PASSWORD", done.stdout)


class PgbenchScripts(unittest.TestCase):
    """pgbench with a script of its user's; its own ones are in test_pgbench."""

    def run_script(self, *arguments, clients=4, transactions=20 if SANITIZED else 50):
        env = shared()
        done = run_program(
            env.proxy.environment(USER, env.proxy.token(USER, DATABASE), DATABASE), "pgbench", "-n",
            "-c", str(clients), "-j", "2", "-t", str(transactions), *arguments, DATABASE)
        self.assertEqual(done.returncode, 0, done.stderr)
        total = clients * transactions
        self.assertIn(f"number of transactions actually processed: {total}/{total}", done.stdout)
        self.assertIn("number of failed transactions: 0 ", done.stdout)
        self.assertNotRegex(done.stderr, r"(?i)error|aborted")
        return done.stdout

    def test_script(self):
        for mode in ("simple", "extended", "prepared"):
            for more in ((), ("-C",)):
                with self.subTest((mode, more)):
                    said = self.run_script("-M", mode, *more, "-D", "scale=1", "-r", "-f",
                                           HERE / "pgbench_reads.sql",
                                           transactions=5 if more else 20)
                    self.assertIn(f"query mode: {mode}", said)

    def test_own_select_and_a_script(self):
        """Two scripts by weight, one of them pgbench's own; the scale is read from the server."""
        said = self.run_script("-b", "select-only@3", "-f", f"{HERE}/pgbench_reads.sql@1", "-M",
                               "prepared", "-D", "scale=1", "--random-seed=7")
        self.assertRegex(said, r"SQL script 1: <builtin: select only>(\n.*)*\nSQL script 2: ")

    def test_reconnecting_in_each_mode(self):
        for mode in ("simple", "extended", "prepared"):
            with self.subTest(mode):
                self.run_script("-S", "-C", "-M", mode, transactions=4)
