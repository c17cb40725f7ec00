"""psql's backslash commands: through vitrine they say what they say directly.

psql_commands.psql holds them all, psql_masked.psql those that show data which is masked. That
nothing is missing is computed from the help of the psql that runs.
"""

import difflib
import os
import pty
import re
import select
import signal
import subprocess
import time
import unittest

from environment import DATABASE, HERE, MASKED_COPY, PATIENCE, READ_ONLY, USER, psql, shared
from hidden import same_but_hidden

SCRIPT = HERE / "psql_commands.psql"
MASKED = HERE / "psql_masked.psql"

# What vitrine sets in each session, besides read-only, and \dconfig lists as not the default.
PINS = "-c client_connection_check_interval=500 -c client_encoding=UTF8"
# An editor that shows the text, from a line on if it is told one, and changes nothing.
PSQL = {"PSQL_EDITOR": "tail -n 100", "PSQL_EDITOR_LINENUMBER_ARG": "-n +"}

# The commands that send nothing to the server: how each is used, and why nothing is sent.
LOCAL = {
    "copyright": (r"\copyright", "prints a text of psql's own"),
    "q": (r"\q", "ends psql; the test that runs this ends with it"),
    "restrict": (r"\restrict word", "changes which commands psql takes"),
    "unrestrict": (r"\unrestrict word", "the same, back"),
    "?": (r"\? commands", "prints psql's own help"),
    "h": (r"\h SELECT", "the grammar is compiled into psql"),
    "s": (r"\s", "the history is a file of psql's"),
    "warn": (r"\warn text", "writes to standard error"),
    "C": (r"\C title", "what stands above a table that is printed"),
    "T": (r"\T border=1", "what stands in the tag of a table that is printed"),
    "getenv": (r"\getenv home HOME", "reads the environment of psql"),
    "setenv": (r"\setenv NAME value", "changes the environment of psql"),
    "prompt": (r"\prompt text name", "asks the user"),
}
# Commands that change something or reach past the mask: refused, tests below.
REFUSED = {"password", "lo_export", "lo_import", "lo_unlink"}
# What is typed before a tab, for each kind of thing that psql looks for in the catalog.
COMPLETIONS = (
    "SELECT * FROM library.b", "SELECT * FROM cust", 'SELECT * FROM "Mixed"."', "TABLE desk.",
    "SELECT * FROM customers WHERE ", "SELECT * FROM library.books ORDER BY pa",
    "INSERT INTO library.books (", "UPDATE customers SET ", "DELETE FROM library.l",
    "ALTER TABLE library.books ALTER COLUMN ", "ALTER TABLE library.books DROP CONSTRAINT ",
    "ALTER TABLE library.books DISABLE TRIGGER ", "ALTER TABLE desk.drawers VALIDATE CONSTRAINT ",
    "ALTER TABLE library.loans DETACH PARTITION ", "ALTER TABLE desk.drawers CLUSTER ON ",
    "ALTER INDEX library.b", "ALTER SEQUENCE ", "ALTER VIEW library.",
    "ALTER MATERIALIZED VIEW library.", "ALTER FOREIGN TABLE desk.", "ALTER DOMAIN library.",
    "ALTER DOMAIN desk.short DROP CONSTRAINT ", "ALTER TYPE library.genre RENAME VALUE ",
    "ALTER TYPE library.size ALTER ATTRIBUTE ", "ALTER FUNCTION library.",
    "DROP FUNCTION add_tax (", "DROP AGGREGATE desk.", "DROP PROCEDURE public.", "CALL desk.",
    "DROP TRIGGER to", "DROP TRIGGER touch ON ", "DROP RULE shelf", "DROP RULE drawers_kept ON ",
    "DROP POLICY op", "DROP POLICY open_regions ON ", "DROP EVENT TRIGGER ",
    "ALTER PUBLICATION desk", "ALTER SUBSCRIPTION ", "ALTER SERVER ",
    "DROP FOREIGN DATA WRAPPER ", "ALTER EXTENSION ", "ALTER EXTENSION hstore UPDATE TO ",
    "CREATE EXTENSION bt", "CREATE INDEX ON library.", "CREATE INDEX ON library.books USING ",
    "CREATE TABLE x PARTITION OF ", "ALTER STATISTICS ", "DROP ACCESS METHOD ",
    "DROP COLLATION desk.", "DROP LANGUAGE ", "ALTER TABLESPACE ",
    "ALTER TEXT SEARCH CONFIGURATION desk.", "ALTER TEXT SEARCH DICTIONARY desk.",
    "DROP TEXT SEARCH PARSER desk.", "DROP TEXT SEARCH TEMPLATE desk.", "DROP CONVERSION desk.",
    "DROP OPERATOR CLASS ", "COMMENT ON COLUMN library.", "COMMENT ON CONSTRAINT sh",
    "DROP CAST (", "GRANT SELECT ON library.", "GRANT USAGE ON SCHEMA ",
    "GRANT SELECT ON library.books TO ", "REVOKE desk", "SET ROLE ", "SET SESSION AUTHORIZATION ",
    "ALTER ROLE vi", "DROP OWNED BY ", "REASSIGN OWNED BY ", "ALTER DATABASE sh", "SET work",
    "SET en", "SET search_path TO ", "SET DateStyle TO ", "SET TimeZone TO 'Europe/Lis",
    "SET client_encoding TO ", "SHOW ", "RESET lc", "ALTER SYSTEM SET log_min", "EXECUTE ",
    "DEALLOCATE ", "FETCH FORWARD FROM ", "CLOSE ", "LOCK library.", "ANALYZE library.",
    "VACUUM library.", "CLUSTER library.", "REINDEX INDEX library.",
    "REFRESH MATERIALIZED VIEW library.", "LISTEN ", "COPY library.", "PREPARE TRANSACTION ",
    "COMMIT PREPARED ", "DO LANGUAGE ", "SECURITY LABEL ON ", r"\d library.", r"\da desk.",
    r"\dA ", r"\dAc b", r"\db ", r"\dconfig work", r"\dD desk.", r"\dew ", r"\des ", r"\deu ",
    r"\det desk.", r"\df library.", r"\dF desk.", r"\dFd desk.", r"\dg vi", r"\di library.",
    r"\dL ", r"\dm library.", r"\dn li", r"\dp library.", r"\dP library.", r"\dRp ",
    r"\ds library.", r"\dt library.", r"\dT desk.", r"\dv library.", r"\dx ", r"\dX library.",
    r"\dy ", r"\sf desk.", r"\sv desk.", r"\ef library.", r"\ev library.", r"\encoding U",
    r"\connect ", r"\connect shop ", r"\password ", r"\copy library.", r"\h ALTER T")
# Not in the script: the service role may not read the column of connection strings, whereas
# through vitrine it is a masked one.
SUBSCRIPTIONS = r"\dRs+"


class Command:
    """A command of psql's help: its name, the option letters that may follow it, whether it is
    given with an argument, and whether without one."""

    def __init__(self, word, with_options):
        self.name = re.match(r"[^\[]+", word)[0]
        options = re.findall(r"\[([^\]]+)\]", word)
        self.letters = "".join(options) if with_options else ""
        # \c[onnect] is no option, it is a longer name.
        self.longer = None if with_options or not options else self.name + options[0]
        self.with_argument = self.without = False

    def takes(self, word):
        return word in (self.name, self.longer) or (
            word.startswith(self.name) and set(word[len(self.name):]) <= set(self.letters))


def commands():
    """What `psql --help=commands` lists, by name."""
    said = subprocess.run(["psql", "--help=commands"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    found, describes = {}, False
    for line in said.splitlines():
        if re.match(r"\S", line):
            describes = line in ("Informational", "Large Objects")
        elif line.startswith("  \\"):
            word, _, rest = line[3:].partition(" ")
            command = Command(word, describes)
            command = found.setdefault(command.name, command)
            if describes:
                # Arguments are in capitals; explanations begin with a small letter.
                argument = re.match(r" *(\[?)[A-Z]{2}", rest)
                command.with_argument |= argument is not None
                command.without |= argument is None or argument[1] == "["
    return found


def uses(text):
    """(command, arguments) of all backslash commands in a script."""
    for line in text.splitlines():
        if not line.startswith("--"):
            for word, arguments in re.findall(r"\\([a-zA-Z_!?]+\+?)((?:[^\\]|$)*)", line):
                yield word, arguments.strip()


def normalised(said):
    """Without what is different in any two sessions."""
    # The notice at login is vitrine's own.
    said = re.sub(r"^(psql:[^\n]*: )?NOTICE:  [^\n]*vitrine[^\n]*\n((DETAIL|HINT):[^\n]*\n)*", "",
                  said, flags=re.M)
    said = re.sub(r"^Time: [0-9.]+ ms( \([0-9:.]+\))?$", "Time: T", said, flags=re.M)
    # The server knows who it is for; ParameterStatus gives psql its own name back.
    said = said.replace(f"{USER} via vitrine: ", "")
    # What the masks hide of \dconfig: the commands among the settings may hold passwords.
    said = re.sub(r"^((?:archive|archive_cleanup|restore|recovery_end)_command\|)[^|\n]*", r"\1",
                  said, flags=re.M)
    # Who is connected where: the user of the token, the service role.
    said = re.sub(r'^(You are (?:now )?connected to database "\w+" as user )"\w+"'
                  r'( (?:on host .*)?at port )?("\d+")?', r'\1USER\2', said, flags=re.M)
    return said


def sections(said):
    """The output of a script, by the title of its sections."""
    parts = re.split(r"^\\echo == (.*)\n", said, flags=re.M)
    return dict(zip(["start", *parts[1::2]], parts[::2]))


class PsqlCommands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.token = cls.env.proxy.token(USER, DATABASE)
        cls.addClassCleanup(cls.env.database.load, HERE / "psql_objects_gone.sql", DATABASE)
        cls.env.database.load(HERE / "psql_objects.sql", DATABASE)
        cls.addClassCleanup(cls.env.sql, "SELECT lo_unlink(4711)")
        cls.env.sql("SELECT lo_from_bytea(4711, 'large'); GRANT SELECT ON LARGE OBJECT 4711 TO "
                    "vitrine_reader; COMMENT ON LARGE OBJECT 4711 IS 'Not so large.'")
        cls.before = cls.env.dump()
        cls.addClassCleanup(cls.unchanged)

    @classmethod
    def unchanged(cls):
        assert cls.env.dump() == cls.before, "the database has changed"

    def run_script(self, name, environment, script):
        """The output of a script, and the files that it wrote."""
        folder = self.env.path / f"{script.stem}-{name}"
        folder.mkdir()
        done = psql(environment | PSQL, "-a", "-v", f"folder={folder}", "-f", script, timeout=300)
        return normalised(done.stdout), {
            file.name: file.read_bytes() for file in sorted(folder.iterdir())}

    def through(self):
        return self.env.proxy.environment(USER, self.token, DATABASE)

    def directly(self, database=DATABASE):
        return self.env.direct_environment() | {
            "PGDATABASE": database, "PGOPTIONS": f"{READ_ONLY} {PINS}"}

    def same(self, script, database):
        true, true_files = self.run_script("direct", self.directly(database), script)
        seen, seen_files = self.run_script("vitrine", self.through(), script)
        true, seen = sections(true), sections(seen)
        self.assertEqual(list(seen), list(true))
        for title in true:
            with self.subTest(title):
                if not same_but_hidden(seen[title], true[title]):
                    self.fail("\n" + "".join(difflib.unified_diff(
                        true[title].splitlines(True), seen[title].splitlines(True), "direct",
                        "vitrine", n=3))[:20000])
        for name in sorted({*true_files, *seen_files}):
            with self.subTest(name):
                self.assertEqual(seen_files.get(name), true_files.get(name))
        self.assertGreater(len(true_files), 3)
        return "".join(true.values())

    def test_all_commands(self):
        said = self.same(SCRIPT, DATABASE)
        # The comparison is of real answers, not of two failures.
        self.assertGreater(len(said), 1_000_000)

    def test_masked_data(self):
        said = self.same(MASKED, MASKED_COPY)
        self.assertIn("[removed]", said)
        self.assertNotIn("CANARY", said)

    def test_settings_of_its_own(self):
        """The key of the masks is a setting too: \\dconfig does not know it."""
        for line in (r"\dconfig *", r"\dconfig+ *.*", r"\dconfig vitrine.*", r"\dconfig *mask*"):
            with self.subTest(line):
                said = psql(self.through(), "-At", "-c", line).stdout
                self.assertNotIn(self.env.mask_key, said)
                self.assertNotRegex(normalised(said), r"vitrine\.|ERROR:")

    def test_subscriptions(self):
        said = [normalised(done.stdout) for done in (
            self.env.proxy.psql("-At", "-c", SUBSCRIPTIONS, token=self.token),
            psql(self.env.database.environment(DATABASE), "-At", "-c", SUBSCRIPTIONS),
            self.env.direct_psql("-At", "-c", SUBSCRIPTIONS))]
        secret = "host=press.example password=printed"
        self.assertIn(secret, said[1])
        self.assertEqual(said[0], said[1].replace(secret, ""))
        self.assertIn("permission denied", said[2])

    def test_unknown_relation_copied(self):
        """PostgreSQL's error; vitrine also knows where in the statement it is."""
        for line in (r"\copy library.nowhere TO STDOUT", "COPY nowhere TO STDOUT"):
            with self.subTest(line):
                seen = self.env.proxy.psql("-c", line, token=self.token)
                true = self.env.direct_psql("-c", line)
                self.assertIn("does not exist", true.stdout)
                self.assertEqual(normalised(seen.stdout).splitlines()[0], true.stdout.strip())

    # --- that nothing is forgotten ---------------------------------------------------------

    def test_every_command_is_here(self):
        listed = commands()
        self.assertGreater(len(listed), 100)
        found = {name: [] for name in listed}
        for word, arguments in uses("\n".join(
                (SCRIPT.read_text(), MASKED.read_text(), SUBSCRIPTIONS))):
            # The longest name that fits: \dFd is not \dF with a letter.
            fits = [c for c in listed.values() if c.takes(word)]
            # \dtvmsE: several of these letters may stand together.
            if not fits and re.fullmatch(r"d[tvmsiE]+[S+]*", word):
                continue
            self.assertTrue(fits, f"psql does not list \\{word}")
            found[max(fits, key=lambda c: len(c.name)).name].append((word, arguments))
        for name, command in listed.items():
            with self.subTest(name):
                used = found[name]
                if name in LOCAL or name in REFUSED:
                    self.assertFalse(used, "in the script too")
                    continue
                self.assertTrue(used, "neither in the script nor among those that send nothing")
                for letter in command.letters:
                    self.assertTrue(any(letter in word[len(name):] for word, _ in used), letter)
                if command.with_argument:
                    self.assertTrue(any(arguments for _, arguments in used), "with an argument")
                if command.without:
                    self.assertTrue(any(not arguments for _, arguments in used), "without one")
        self.assertLessEqual({*LOCAL, *REFUSED}, {*listed})

    def test_local_commands_send_nothing(self):
        script = self.env.path / "local.psql"
        lines = [f"{use}\n\\echo done: {name}" for name, (use, _) in LOCAL.items() if name != "q"]
        script.write_text("\n".join([*lines, LOCAL["q"][0], "SELECT 1 / 0;", ""]))
        before = len(self.env.proxy.statements())
        said = psql(self.through(), "-f", script, stdin="what is asked\n").stdout
        for name in LOCAL:
            # Between \restrict and \unrestrict there are no other commands.
            if name not in ("q", "restrict"):
                self.assertIn(f"done: {name}\n", said)
        self.assertEqual(len(self.env.proxy.statements()), before)

    # --- what runs until it is stopped ------------------------------------------------------

    def test_watch(self):
        """\\watch goes on until it is interrupted; each time the masked value."""
        process = subprocess.Popen(
            ["psql", "-X", "-At"], env=self.through(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        process.stdin.write("SELECT 'seen: ' || notes FROM customers WHERE id = 3 \\watch 0.1\n")
        process.stdin.flush()
        time.sleep(1.5 * PATIENCE)
        os.kill(process.pid, signal.SIGINT)
        said = process.communicate("SELECT 'still here';\n", timeout=20)[0]
        self.assertGreaterEqual(said.count("seen: [removed]"), 3)
        self.assertNotIn("CANARY", said)

    def test_commands_as_arguments(self):
        for arguments in (["-c", r"\d library.books"], ["-c", r"\l", "-c", r"\dn+"],
                          ["-l", "-d", DATABASE], ["-At", "-c", r"\dx", "-c", "SELECT 1"],
                          ["-1", "-c", r"\dt", "-c", r"\di"],
                          ["-AE", "-c", r"\d+ customers", "-c", r"\dconfig"]):
            with self.subTest(arguments):
                seen, true = (psql(e, *arguments) for e in (self.through(), self.directly()))
                self.assertEqual(true.returncode, 0)
                self.assertEqual(normalised(seen.stdout), normalised(true.stdout))
                self.assertEqual(seen.returncode, 0)

    # --- what is asked while one types ---------------------------------------------------------

    def complete(self, environment):
        """What psql shows at a terminal when each line of COMPLETIONS is followed by two tabs."""
        settings = self.env.path / "inputrc"
        settings.write_text("set bell-style none\nset page-completions off\n"
                            "set completion-query-items 0\nset enable-bracketed-paste off\n")
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["psql", "-Xq", "-v", "PROMPT1=> ", "-P", "pager=off"], stdin=theirs, stdout=theirs,
            stderr=theirs, start_new_session=True,
            env=environment | {"INPUTRC": str(settings), "TERM": "dumb", "COLUMNS": "100",
                               "PSQL_HISTORY": "/dev/null"})
        os.close(theirs)
        said = []
        try:
            self.read_until(ours, b"> ")
            for number, line in enumerate(COMPLETIONS):
                # The line is taken away again (^A ^K) before anything is run.
                os.write(ours, f"{line}\t\t\x01\x0b\\echo end {number}\r".encode())
                # The prompt: before it the terminal itself would show what is typed.
                said.append(self.read_until(ours, f"\r\nend {number}\r\n> ".encode()))
            os.write(ours, b"\\q\r")
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            os.close(ours)
        return said

    def read_until(self, terminal, end):
        text, deadline = b"", time.monotonic() + 20 * PATIENCE
        while end not in text:
            ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
            self.assertTrue(ready, text)
            text += os.read(terminal, 65536)
        return text.decode()

    def test_completion(self):
        before = len(self.env.proxy.statements())
        seen, true = self.complete(self.through()), self.complete(self.directly())
        for line, one, other in zip(COMPLETIONS, seen, true):
            with self.subTest(line):
                self.assertEqual(one, other)
        asked = self.env.proxy.statements()[before:]
        # psql keeps quiet about a query of its own that fails.
        self.assertEqual([r["sql"] for r in asked if r["verdict"] != "allow"], [])
        self.assertGreater(len(asked), len(COMPLETIONS))

    # --- what is refused --------------------------------------------------------------------

    def refused(self, line, says, stdin=""):
        """What psql says to the refusal of a command; the session goes on after it."""
        script = self.env.path / "refused.psql"
        script.write_text(f"{line}\n\\encoding\nSELECT 'and on';\n")
        # Without a terminal psql asks for passwords on standard input.
        done = subprocess.run(["psql", "-X", "-f", script], env=self.through(), text=True,
                              input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60, start_new_session=True)
        self.assertRegex(done.stdout, says)
        self.assertIn("UTF8\n", done.stdout)
        self.assertIn("and on", done.stdout)
        return done.stdout

    def test_password(self):
        passwords = "SELECT rolname, rolpassword FROM pg_authid ORDER BY 1"
        before = self.env.sql(passwords)
        for line in (r"\password", r"\password vitrine_reader", rf"\password {USER}"):
            with self.subTest(line):
                said = self.refused(line, "cannot execute ALTER ROLE in a read-only transaction",
                                    "another\nanother\n")
                self.assertIn("HINT", said)
        self.assertEqual(self.env.sql(passwords), before)

    def test_large_objects(self):
        """psql reads and writes them by FunctionCall messages, which have no SQL to judge."""
        file = self.env.path / "large"
        file.write_text("object")
        objects = "SELECT oid FROM pg_largeobject_metadata ORDER BY 1"
        before = self.env.sql(objects)
        for line in (rf"\lo_import '{file}'", rf"\lo_import '{file}' comment", r"\lo_unlink 4711",
                     rf"\lo_export 4711 '{file}.out'"):
            with self.subTest(line):
                self.assertIn("HINT", self.refused(line, "FunctionCall message .* not supported"))
        self.assertEqual(self.env.sql(objects), before)

    def test_copying_in(self):
        file = self.env.path / "rows"
        file.write_text("9999\tX\n")
        for line in (rf"\copy public.people FROM '{file}'", r"\copy people FROM PROGRAM 'echo 1'",
                     "\\copy people FROM STDIN\n9999\tX\n\\."):
            with self.subTest(line):
                self.refused(line, "cannot execute COPY FROM in a read-only transaction")
        self.assertEqual(self.env.sql("SELECT count(*) FROM people WHERE id = 9999"), "0")

    def test_encodings_that_hide_quotes(self):
        """The second byte of a character may be a quote in these."""
        for encoding in ("SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB"):
            with self.subTest(encoding):
                self.refused(rf"\encoding {encoding}", f"{encoding}: invalid encoding name")

    def test_connecting_to_elsewhere(self):
        """The token is for one user and one database; the connection that was there stays."""
        script = self.env.path / "elsewhere.psql"
        for line in (r"\c postgres", r"\c - postgres"):
            with self.subTest(line):
                script.write_text(f"{line}\nSELECT 'and on';\n")
                # -f alone would give up the connection: a script must not go on elsewhere.
                done = psql(self.through(), "-f", script)
                self.assertRegex(done.stdout, r"connection to server .* failed")
                self.assertNotEqual(done.returncode, 0)
