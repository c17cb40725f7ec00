#!/usr/bin/python3
"""PostgreSQL's own regression suite as the oracle of read-only: `tests/oracle/regression.py`.

The suite is run on a throw-away server by PostgreSQL's own pg_regress; then each statement that it
sent is run once more on the database it left behind, directly, in a READ ONLY transaction as
superuser, and through vitrine. What the server says is the truth that the verdicts are held to:

* what fails with 25006, or leaves a trace that READ ONLY does not stop (a transaction id, a lock
  beyond ACCESS SHARE, a listener), or is of a kind or calls a function that has such an effect,
  must be refused: 0 may get through;
* what reads, succeeds and calls only built-in or trusted functions must be allowed: less than 1 %
  may be refused. Which functions a statement calls, the server's parser says: a view is made of it
  and its dependencies are read (rolled back).

Prints what was refused, by rule, and the over-refusals in full; `--list` everything.
The closing line is that of the other tests; exit 0 where both bars hold. VITRINE_PRESET chooses the
build (release).
"""

import argparse
import collections
import json
import os
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "integration"))

import suite  # noqa: E402
from throwaway import (REPOSITORY, Authority, Folder, PostgresServer, Vitrine,  # noqa: E402
                       ed25519_key, free_port, write_private)
from wire_client import (ConnectionClosed, WireClient, client_context, message, query,  # noqa: E402
                         string)

PRESET = os.environ.get("VITRINE_PRESET", "release")
STATEMENT_TIMEOUT = "5s"
OVER_REFUSED_MAX = 0.01
# A run that sees less than this has lost the suite on the way.
READS_MIN = 10000
WRITES_MIN = 5000

COMMENT = re.compile(r"(?:\s|--[^\n]*(?:\n|$))+|/\*|\*/")
# What this program itself says to a session through vitrine.
RECOVER = "ROLLBACK -- the oracle's own"
TRANSACTION = re.compile(r"(begin|start|commit|end|abort|rollback|savepoint|release|prepare\s+transaction)\b", re.I)
PATH = re.compile(r"(set|reset)\s+(session\s+|local\s+)?(search_path|schema)\b", re.I)
READS = re.compile(r"[(\s]*(select|values|table|with|explain|show)\b|copy\b.*\bto\s+stdout", re.I | re.S)
# Kinds that do not write by themselves; every other first word is a write or a side effect.
HARMLESS = re.compile(
    r"[(\s]*(select|values|table|with|explain|show|copy|set|reset|prepare|execute|deallocate|"
    r"declare|fetch|move|close|discard|unlisten|lock|begin|start|commit|end|abort|rollback|"
    r"savepoint|release)\b", re.I)
# Effects that READ ONLY does not stop and that leave nothing the probe could see.
SIDE_EFFECTS = re.compile(
    r"\b(lo_(create|creat|import|export|unlink|put|from_bytea|truncate|truncate64|open|close|lseek"
    r"|tell)|lowrite|loread|pg_notify|pg_advisory_(?!unlock_all)\w*|pg_try_advisory\w*|pg_sleep\w*"
    r"|pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile\w*|pg_switch_wal"
    r"|pg_create_\w+|pg_drop_\w+|pg_copy_\w+|pg_logical_\w+|pg_replication_\w+|pg_export_snapshot"
    r"|pg_stat_reset\w*|pg_stat_force_next_flush|pg_stat_clear_snapshot|pg_read_\w*file|pg_ls_dir"
    r"|pg_ls_logdir|pg_ls_waldir|pg_stat_file|query_to_xml\w*|cursor_to_xml\w*|table_to_xml\w*"
    r"|schema_to_xml\w*|database_to_xml\w*|ts_stat|nextval|setval|txid_current"
    r"|pg_current_xact_id|pg_log_backend_memory_contexts|setseed|currtid2|gin_clean_pending_list"
    r"|brin_(summarize|desummarize)\w+|binary_upgrade\w+)\s*\(", re.I)
# Runs its second argument.
RUNS_TEXT = re.compile(r"\bts_rewrite\b.*'\s*select\b", re.I | re.S)
# The server allows it as long as no row is written: SELECT … FOR UPDATE of nothing, and EXPLAIN of
# what would create a relation.
WRITES_BY_FORM = re.compile(
    r"\bfor\s+(no\s+key\s+update|update|share|key\s+share)\b|^explain\b.*\b(create\s+(table|"
    r"materialized|temp)|into)\b", re.I | re.S)
LEAVES_MODE = re.compile(r"read\s+write|read_only\s*(=|\bto\b)\s*('?off|'?false|0)", re.I)
STRONG_COPY = re.compile(r"copy\b.*\b(from\b|to\s+(program\b|'))", re.I | re.S)
STRONG_LOCK = re.compile(r"lock\b(?!.*\baccess\s+share\b)", re.I | re.S)
# A function's name as a value calls nothing.
NAMES_FUNCTION = re.compile(r"::\s*reg(proc|procedure|oper|operator)\b", re.I)
EXPLAINED = re.compile(r"explain\s*(\([^)]*\)|(analyze|verbose)\b|\s)*", re.I)
COPIED = re.compile(r"copy\s*\((.*)\)\s*to\s+stdout\b.*", re.I | re.S)

# The rules by which reads of the suite are refused that only call built-in functions, and why that is
# right. Any other rule is a failure, however few statements it refuses.
RIGHTLY_REFUSED = {
    "builtin: pg_statistic_ext_data": "holds values of columns that may be masked",
    "builtin: pg_largeobject": "holds the contents of large objects, which no rule masks",
    "builtin: pg_config": "shows how the server was built; PostgreSQL lets superusers only read it",
    "builtin: pg_file_settings": "shows a file of the server's, passwords included",
    "builtin: pg_hba_file_rules": "shows a file of the server's",
    "builtin: pg_ident_file_mappings": "shows a file of the server's",
    "function: pg_ls_archive_statusdir": "lists a folder of the server's; functions.allow opens it",
    "function: array_in": "takes a type by its OID, and would run what a user's type runs",
    "statement: EXECUTE": "of a statement whose PREPARE called a user's function and was refused",
}

PROBE = """
SELECT pg_current_xact_id_if_assigned() IS NOT NULL,
       COALESCE((SELECT string_agg(DISTINCT mode, ', ') FROM pg_locks
                 WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid'
                   AND mode <> 'AccessShareLock'
                   -- pg_sequence_last_value() reads, under the lock that nextval() takes.
                   AND NOT EXISTS (SELECT FROM pg_class c
                                   WHERE c.oid = relation AND c.relkind = 'S')), ''),
       (SELECT count(*) FROM pg_listening_channels())"""

# Everything of users that the statement in `probe` names, as the server resolved it: functions,
# operators, types with functions of users, through views too.
EVIDENCE = """
WITH RECURSIVE named(class, object) AS (
    SELECT d.refclassid, d.refobjid FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND r.ev_class = 'pg_temp.oracle_probe'::regclass
    UNION
    SELECT m.refclassid, m.refobjid FROM named n, LATERAL (
        SELECT d.refclassid, d.refobjid FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
        WHERE n.class = 'pg_class'::regclass AND r.ev_class = n.object
          AND d.classid = 'pg_rewrite'::regclass
        UNION ALL
        SELECT 'pg_type'::regclass, a.atttypid FROM pg_attribute a
        WHERE n.class = 'pg_class'::regclass AND a.attrelid = n.object AND a.atttypid >= 16384
        UNION ALL
        SELECT 'pg_proc'::regclass, o.oprcode FROM pg_operator o
        WHERE n.class = 'pg_operator'::regclass AND o.oid = n.object
        UNION ALL
        SELECT 'pg_proc'::regclass, p.oid
        FROM pg_type t, unnest(ARRAY[t.typinput, t.typoutput]::oid[]) AS p(oid)
        WHERE n.class = 'pg_type'::regclass AND t.oid = n.object
        UNION ALL
        SELECT d.refclassid, d.refobjid FROM pg_constraint k JOIN pg_depend d ON d.objid = k.oid
        WHERE n.class = 'pg_type'::regclass AND k.contypid = n.object
          AND d.classid = 'pg_constraint'::regclass
        UNION ALL
        SELECT 'pg_type'::regclass, x.oid FROM pg_type t,
               LATERAL (VALUES (t.typbasetype), (t.typelem)) AS x(oid)
        WHERE n.class = 'pg_type'::regclass AND t.oid = n.object AND x.oid >= 16384
        UNION ALL
        SELECT 'pg_type'::regclass, a.atttypid FROM pg_type t JOIN pg_attribute a
               ON a.attrelid = t.typrelid
        WHERE n.class = 'pg_type'::regclass AND t.oid = n.object AND a.atttypid >= 16384
        UNION ALL
        SELECT d.refclassid, d.refobjid FROM pg_policy y JOIN pg_depend d ON d.objid = y.oid
        WHERE n.class = 'pg_class'::regclass AND y.polrelid = n.object
          AND d.classid = 'pg_policy'::regclass
    ) m WHERE m.refobjid <> 0)
SELECT p.oid::regprocedure::text FROM named n JOIN pg_proc p ON p.oid = n.object
WHERE n.class = 'pg_proc'::regclass AND p.oid >= 16384
  -- What CREATE TYPE … AS RANGE makes is PostgreSQL's own.
  AND NOT (p.prolang = 12 AND p.prosrc ~ '^(multi)?range_constructor[0-3]$') ORDER BY 1"""


def first_word(text):
    """Where the text begins behind blanks and comments, which nest."""
    at = depth = 0
    while at < len(text):
        found = COMMENT.match(text, at)
        if found and found[0] == "/*":
            depth += 1
        elif found and found[0] == "*/" and depth:
            depth -= 1
        elif not depth and not (found and found[0] != "*/"):
            return at
        at = found.end() if found and (not depth or found[0] in ("/*", "*/")) else at + 1
    return at


class Direct:
    """The oracle: a superuser's session on the server itself."""

    def __init__(self, server):
        self.server = server
        self.client = None

    def connect(self):
        self.client = WireClient(self.server.port, 60)
        self.client.start_tls(client_context())
        done = self.client.login(self.server.SUPERUSER, suite.DATABASE, self.server.password,
                                 options=f"-c statement_timeout={STATEMENT_TIMEOUT}")
        assert done[-1].name == "ReadyForQuery", done

    def close(self):
        if self.client:
            self.client.close()
            self.client = None

    def run(self, text):
        """(SQLSTATE or '', rows)."""
        if self.client is None:
            self.connect()
        return run(self.client, text)

    def classify(self, text):
        """What the statement comes to in a READ ONLY transaction, and what it leaves behind."""
        self.run("BEGIN READ ONLY")
        sqlstate, _ = self.run(text)
        trace = ""
        if not sqlstate:
            problem, rows = self.run(PROBE)
            if problem:
                trace = f"the transaction ended ({problem})"
            elif rows[0][0] == b"t":
                trace = "a transaction id"
            elif rows[0][1]:
                trace = "a lock: " + rows[0][1].decode()
            elif rows[0][2] != b"0":
                trace = "a listener"
        self.run("ROLLBACK")
        return sqlstate, trace

    def functions(self, text):
        """The functions of users that a read calls; None where the server makes no view of it."""
        inner = text[first_word(text):].rstrip().rstrip(";")
        inner = EXPLAINED.sub("", inner, count=1) if EXPLAINED.match(inner) else inner
        copied = COPIED.match(inner)
        inner = copied[1] if copied else inner
        self.run("BEGIN")
        problem, _ = self.run("SET LOCAL client_min_messages = error; CREATE TEMP VIEW oracle_probe "
                              f"AS SELECT 1 FROM (\n{inner}\n) AS oracle_inner")
        rows = [] if problem else self.run(EVIDENCE)[1]
        self.run("ROLLBACK")
        return None if problem else [r[0].decode() for r in rows]


def run(client, text):
    client.send(query(text.encode("utf-8", "surrogateescape")))
    sqlstate, rows = "", []
    while True:
        answer = client.receive()
        if answer.name == "ErrorResponse":
            sqlstate = sqlstate or answer.sqlstate
        elif answer.name == "DataRow" and len(rows) < 1000:
            rows.append(answer.values)
        elif answer.name == "CopyInResponse":
            client.send(message(b"f", string("the oracle copies nothing in")))
        elif answer.name == "ReadyForQuery":
            return sqlstate, rows


def classify(server, progress):
    """Every statement of the suite with what the server says of it."""
    direct, found, current = Direct(server), [], None
    for number, (test, text) in enumerate(suite.statements(server)):
        if number % 5000 == 0:
            progress(f"{number} statements put to the server")
        if test != current:
            direct.close()
            current = test
        start = first_word(text)
        if text[start:].strip("; \n") == "" or TRANSACTION.match(text, start):
            # Of a transaction's commands only those that leave READ ONLY are of interest here.
            if LEAVES_MODE.search(text):
                found.append({"test": test, "text": text, "class": "effect",
                              "why": "leaves READ ONLY"})
            continue
        try:
            if PATH.match(text, start):
                if "pg_temp" not in text:  # refused through vitrine, and another state then
                    direct.run(text)
                found.append({"test": test, "text": text, "class": "path", "why": ""})
                continue
            sqlstate, trace = direct.classify(text)
        except (ConnectionClosed, OSError):
            direct.close()
            continue
        entry = {"test": test, "text": text, "class": "", "why": sqlstate}
        if sqlstate == "25006":
            entry["class"] = "write"
        elif not HARMLESS.match(text, start):
            entry.update({"class": "effect", "why": "its kind"})
        elif (STRONG_COPY.match(text, start) and not COPIED.match(text[start:])
              or STRONG_LOCK.match(text, start)):
            entry.update({"class": "effect", "why": "its form"})
        elif not sqlstate and trace:
            entry.update({"class": "effect", "why": trace})
        elif not sqlstate and LEAVES_MODE.search(text):
            entry.update({"class": "effect", "why": "leaves READ ONLY"})
        elif not sqlstate and SIDE_EFFECTS.search(text):
            entry.update({"class": "effect", "why": SIDE_EFFECTS.search(text)[1]})
        elif not sqlstate and RUNS_TEXT.search(text):
            entry.update({"class": "effect", "why": "runs SQL from a string"})
        elif not sqlstate and WRITES_BY_FORM.search(text[start:]):
            entry.update({"class": "effect", "why": "would write rows, or create a relation"})
        elif not sqlstate and READS.match(text, start):
            entry["class"] = "read"
            entry["functions"] = direct.functions(text)
            if NAMES_FUNCTION.search(text):
                entry["functions"] = None
        else:
            continue
        found.append(entry)
    direct.close()
    return found


# --- through vitrine -------------------------------------------------------------------------


def start_vitrine(server, authority, folder):
    folder.mkdir()
    certificate, key = authority.sign("vitrine")
    ed25519_key(folder / "signing.pem")
    ed25519_key(folder / "audit.pem")
    write_private(folder / "mask.key", "k" * 64 + "\n")
    write_private(folder / "password", server.password + "\n")
    port = free_port()
    config = folder / "vitrine.yaml"
    config.write_text(f"""
listen:
  address: 127.0.0.1:{port}
  tls: {{certificate: {certificate}, key: {key}}}
databases:
  {suite.DATABASE}:
    servers: [127.0.0.1:{server.port}]
    user: {server.SUPERUSER}
    password: {{file: password}}
    tls: {{mode: verify-full, ca: {authority.certificate}}}
auth:
  audience: vitrine
  max_token_lifetime: 4h
  issuers:
    - name: vitrine
      signing_key: {{file: signing.pem}}
masking:
  key: {{file: mask.key}}
  rules: []
audit:
  directory: log
  signing_key: {{file: audit.pem}}
""")
    proxy = Vitrine(REPOSITORY / f"build/{PRESET}/vitrine", config, port, authority)
    proxy.start()
    return proxy


class Through:
    """A session through vitrine, one a test of the suite."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.token = proxy.token("oracle", suite.DATABASE, ttl="4h")
        self.client, self.test = None, None

    def session(self, test):
        if self.client is None or self.test != test:
            if self.client:
                self.client.close()
            self.client = WireClient(self.proxy.port, 60)
            self.client.start_tls(client_context(self.proxy.ca))
            done = self.client.login("oracle", suite.DATABASE, self.token)
            assert done[-1].name == "ReadyForQuery", done
            self.test = test
        return self.client

    def run(self, entry):
        """SQLSTATE and the refusal's words, where vitrine refused; else the server's SQLSTATE."""
        client = self.session(entry["test"])
        client.send(query(entry["text"].encode("utf-8", "surrogateescape")))
        error, done = None, False
        while not done:
            answer = client.receive()
            if answer.name == "ErrorResponse":
                error = error or answer.fields
            elif answer.name == "CopyInResponse":
                client.send(message(b"f", string("the oracle copies nothing in")))
            elif answer.name == "ReadyForQuery":
                done = True
                if answer.status != "I":
                    client.simple(RECOVER)
        return error


def verdicts(proxy, entries, progress):
    """Adds what vitrine did: from its query log, which says what it refused and by which rule."""
    through = Through(proxy)
    for number, entry in enumerate(entries):
        if number % 5000 == 0:
            progress(f"{number} statements sent through vitrine")
        try:
            error = through.run(entry)
        except (ConnectionClosed, OSError) as end:
            entry["answer"] = f"the session ended: {end}"
            through.client = None
            continue
        entry["answer"] = error["C"] if error else ""
        entry["said"] = " · ".join(error[f] for f in "MD" if f in error) if error else ""
    if through.client:
        through.client.close()
    # In the order sent: one user, one session at a time.
    log = iter([r for file in sorted((proxy.config.parent / "log/oracle").glob("*.jsonl"))
                for r in map(json.loads, file.read_text().splitlines())
                if r["type"] == "statement"])
    record = next(log, None)
    for entry in entries:
        text = entry["text"].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        entry["rejected"], entry["rule"] = None, ""
        # A text of several statements has as many records.
        pieces = []
        while record is not None and record["sql"] != RECOVER and record["sql"] in text \
                and len("".join(pieces)) + len(record["sql"]) <= len(text):
            pieces.append(record["sql"])
            if record["verdict"] == "reject":
                entry["rejected"], entry["rule"] = True, record["rule"]
            elif entry["rejected"] is None:
                entry["rejected"] = False
            record = next(log, None)
        while record is not None and record["sql"] == RECOVER:
            record = next(log, None)


# --- what came of it -------------------------------------------------------------------------


def shown(text, width=300):
    one = " ".join(text.split())
    return one if len(one) <= width else one[:width - 1] + "…"


def report(entries, everything):
    passed = failed = 0
    by_class = collections.Counter(e["class"] for e in entries)
    must = [e for e in entries if e["class"] in ("write", "effect")]
    through = [e for e in must if not e["rejected"]]
    print(f"must be refused: {by_class['write']} with 25006, {by_class['effect']} with other "
          f"effects; let through: {len(through)}")
    for e in through:
        print(f"  LET THROUGH ({e['why']}; {e['test']}; {e.get('answer')}): {shown(e['text'])}")
    passed += len(must) - len(through)
    failed += len(through)

    reads = [e for e in entries if e["class"] == "read"]
    plain = [e for e in reads if not e["functions"]]
    users = [e for e in reads if e["functions"]]
    refused = [e for e in plain if e["rejected"] is not False]
    called = [e for e in users if e["rejected"] is False]
    share = len(refused) / max(1, len(plain))
    print(f"reads: {len(plain)} call built-in functions only; refused {len(refused)} "
          f"({share:.2%})")
    rules = collections.defaultdict(list)
    for e in refused:
        rules[e["rule"] or e.get("answer", "?")].append(e)
    for rule, cases in sorted(rules.items(), key=lambda r: -len(r[1])):
        reason = RIGHTLY_REFUSED.get(rule)
        print(f"  {len(cases):>5}  {rule}: {reason or 'NO REASON IS WRITTEN DOWN'}")
        failed += 0 if reason else len(cases)
        if reason and not everything:
            continue
        for e in cases if everything else cases[:3]:
            print(f"           {e['test']}: {shown(e['text'], 160)}\n"
                  f"             {shown(e.get('said', ''), 200)}")
    print(f"reads that call functions of users: {len(users)}; allowed {len(called)}")
    for e in called:
        print(f"  ALLOWED ({', '.join(e['functions'][:3])}; {e['test']}): {shown(e['text'], 200)}")
    passed += len(plain) - len(refused) + len(users) - len(called)
    failed += len(called)
    if share >= OVER_REFUSED_MAX:
        print(f"FAILED: {share:.2%} of the reads are refused, and the bar is "
              f"{OVER_REFUSED_MAX:.0%}")
        failed += 1
    if len(plain) < READS_MIN or len(must) < WRITES_MIN:
        print("FAILED: there are fewer statements than the suite has")
        failed += 1
    return passed, failed


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--list", action="store_true", help="every refused read")
    arguments.add_argument("--keep", metavar="FILE", help="what the server and vitrine said, as JSON")
    options = arguments.parse_args()
    started = time.monotonic()

    def progress(what):
        print(f"  {time.monotonic() - started:5.0f} s  {what}", flush=True)

    folder, server, proxy = Folder("vitrine-oracle"), None, None
    try:
        try:
            suite.regress_folder()
        except suite.NoSuite as why:
            print(f"left out: the regression suite could not be had: {why}")
            print("0 passed, 0 failed, 1 skipped")
            return 0
        authority = Authority(folder.path, "oracle", "oracle CA")
        server = PostgresServer(folder.path, authority, settings=suite.SERVER_SETTINGS)
        server.start()
        progress("the suite runs")
        summary = suite.load(server, folder.path)
        progress(re.search(r"(All )?\d+ .*(passed|failed)\.", summary)[0])
        entries = classify(server, progress)
        server.sql(f"ALTER DATABASE {suite.DATABASE} SET statement_timeout = '{STATEMENT_TIMEOUT}'")
        proxy = start_vitrine(server, authority, folder.path / "proxy")
        verdicts(proxy, entries, progress)
        progress("done")
        if options.keep:
            Path(options.keep).write_text(json.dumps(entries))
        passed, failed = report(entries, options.list)
        if proxy.stop() != 0:
            print("FAILED: vitrine did not end well")
            failed += 1
    finally:
        if proxy:
            proxy.stop()
        if server:
            server.stop()
        folder.remove()
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
