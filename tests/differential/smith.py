"""Queries of Debian's sqlsmith, made fit for a comparison.

sqlsmith reads a catalog and writes statements over what it finds there. Left to itself two thirds of
them say little: they write, fail on a name that it did not quote, call what answers otherwise each time,
or find no row. So it is shown a database of its own (prepare()): a copy of the masked copy, where names
need no quotes and operators, functions and types that are of no use are hidden; and its text is put right
afterwards (readable()): names as they are, samples of all rows, conditions that let rows through.
"""

import random
import re
import subprocess

DATABASE = "smith"
BATCH = 2000

# Names that sqlsmith would have to quote, and does not: others in its database, put back in its text.
NAMES = {"quoted_mixed": '"Mixed"', "quoted_clients": '"Client Data"', "quoted_view": '"View ""of"" mails"',
         "quoted_id": '"Id"', "quoted_mail": '"E-Mail"', "quoted_full_name": '"Full ""Name"""',
         "quoted_select": '"SELECT"', "quoted_email": '"Email"', "quoted_nr": '"Nr."',
         "quoted_upper_mail": '"Mail"', "quoted_tel": '"Tel."', "quoted_table": '"table"'}
RENAME = r"""
SELECT format('ALTER TABLE %s RENAME %I TO %I', attrelid::regclass, attname, plain)
FROM pg_attribute JOIN names ON quote_ident(attname) = quoted
JOIN pg_class c ON c.oid = attrelid WHERE relkind IN ('r', 'v') AND attrelid >= 16384 AND attnum > 0
\gexec
SELECT format('ALTER TABLE %s RENAME TO %I', c.oid::regclass, plain)
FROM pg_class c JOIN names ON quote_ident(relname) = quoted WHERE relkind IN ('r', 'v') AND c.oid >= 16384
\gexec
SELECT format('ALTER SCHEMA %s RENAME TO %I', quoted, plain)
FROM pg_namespace JOIN names ON quote_ident(nspname) = quoted
\gexec
DROP TABLE names;
"""

# What has no one answer to compare, here or on the copy: generated columns (exceptions.txt), partitions
# whose rows a mask moves to another, a view of a function that no list allows, one of whole rows and a
# materialized view that no rule names (not_yet.txt). And columns of types without equality, which
# sqlsmith compares none the less.
LEFT_OUT = """
ALTER TABLE public.contacts DROP COLUMN email_lower, DROP COLUMN email_size;
ALTER TABLE public.docs DROP COLUMN data, DROP COLUMN page, DROP COLUMN place;
ALTER TABLE public.kinds DROP COLUMN k_json, DROP COLUMN k_point;
DROP TABLE public.by_word;
DROP TABLE public.clue_late;  -- is there only after the copy was masked
DROP OPERATOR public.!!! (NONE, oid);
DROP VIEW public.clue_checks, public.clue_union;  -- constants of definitions are in their rows
DROP VIEW public.all_by_function, public.clue_function, public.people_whole, public.people_rows;
DROP MATERIALIZED VIEW public.mail_hosts;
"""

# The types of columns. Not the polymorphic ones, which sqlsmith believes to be types of values.
TYPES = ", ".join(f"'{t}'::regtype" for t in """
bool int2 int4 int8 numeric float4 float8 text varchar bpchar name date timestamp timestamptz time interval
uuid inet cidr macaddr bytea jsonb text[] int4[] int4range int4multirange numrange daterange bit varbit
tsvector tsquery money oid citext hstore mood status address label cents ssn_t""".split())

# Functions of another answer in another session, database or minute.
UNSTABLE = ("^(pg_|current_|txid_|inet_(client|server)|getpgusername$|session_user$|version$|now$|age$|"
            "statement_timestamp$|transaction_timestamp$|mxid_age$|array_typanalyze$)")

HIDE = f"""
-- sqlsmith reads pg_proc by its bare name, and shows no relation of information_schema.
CREATE VIEW information_schema.pg_proc AS
    SELECT p.* FROM pg_catalog.pg_proc p
    WHERE provolatile <> 'v' AND proname !~ '{UNSTABLE}'
      AND pronamespace IN ('pg_catalog'::regnamespace, 'public'::regnamespace)
      AND (oid < 16384 OR prolang = (SELECT oid FROM pg_language WHERE lanname = 'c'))
      AND prorettype = ANY (ARRAY[{TYPES}])
      AND NOT EXISTS (SELECT FROM unnest(proargtypes) AS t(a) WHERE NOT a = ANY (ARRAY[{TYPES}]));
ALTER DATABASE {DATABASE} SET search_path = information_schema, pg_catalog, public;
SET allow_system_table_mods = on;
DELETE FROM pg_operator o
WHERE NOT oprleft = ANY (ARRAY[{TYPES}]) OR NOT oprright = ANY (ARRAY[{TYPES}])
   OR NOT oprresult = ANY (ARRAY[{TYPES}])
   OR NOT EXISTS (SELECT FROM information_schema.pg_proc p WHERE p.oid = oprcode);
"""


def prepare(server, copy):
    """Makes sqlsmith's database from the masked copy."""
    quoted = lambda text: "'" + text.replace("'", "''") + "'"  # noqa: E731
    values = ", ".join(f"({quoted(plain)}, {quoted(name)})" for plain, name in NAMES.items())
    server.sql(f"CREATE DATABASE {DATABASE} TEMPLATE {copy}")
    server.sql("SET client_min_messages = warning;"
               f"CREATE TABLE names AS SELECT * FROM (VALUES {values}) AS v(plain, quoted);"
               f"{RENAME}{LEFT_OUT}{HIDE}", DATABASE)


def statements(server, seed):
    """What sqlsmith makes of a seed, without an end: in batches, each with a seed of its own."""
    while True:
        done = subprocess.run(
            ["sqlsmith", f"--target={server.conninfo(DATABASE)}", "--dry-run", "--exclude-catalog",
             f"--seed={seed}", f"--max-queries={BATCH}"],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900, check=True)
        for text in done.stdout.split(";\n"):
            if text.strip():
                yield text.strip()
        seed += 1_000_000


# --- its text ------------------------------------------------------------------------------------

WORD = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+|\s+|.""", re.S)
WAYS = ("", "is not true", "is not false") + 2 * ("is true is not null",)
ENDS = {"limit", "order", "group", "window"}


def readable(text, choose):
    """The statement as it is compared, or None where it is no read. `choose`: a random.Random."""
    if not text.lower().startswith(("select", "with")):
        return None
    text = re.sub(r"\bquoted_\w+", lambda m: NAMES.get(m[0], m[0]), text)
    # A part of the rows, and another one each time.
    text = re.sub(r"tablesample (system|bernoulli) \([\d.]+\)", r"tablesample \1 (100)", text)
    return ordered(let_through(text, choose))


def ordered(text):
    """A LIMIT takes the first rows in an order of all columns: others would come under another plan."""
    words = WORD.findall(text)
    out, opened = [], []  # for each bracket around: the number of columns of the SELECT in it
    columns = 0
    for at, word in enumerate(words):
        if word == "(":
            opened.append(columns)
            columns = 0
        elif word == ")":
            columns = opened.pop()
        elif word == "select":
            columns = 0
        elif word == "as" and re.fullmatch(r"c\d+", words[at + 2]):
            columns += 1
        elif word == "limit":
            out.append(f"order by {', '.join(str(n + 1) for n in range(max(1, columns)))} ")
        out.append(word)
    return "".join(out)


def let_through(text, choose):
    """Most conditions of sqlsmith's are NULL or false for every row: many are evaluated, and hold."""
    words = WORD.findall(text)
    before, behind = {}, {}
    for at, word in enumerate(words):
        if word == "where" or word == "(" and words[at - 2] == "on":
            way = choose.choice(WAYS)
            if way:
                end = end_of(words, at + 1)
                behind[at] = " ("
                before[end] = f") {way} " + before.get(end, "")
    return "".join(before.get(at, "") + word + behind.get(at, "") for at, word in enumerate(words)) \
        + before.get(len(words), "")


def end_of(words, start):
    """Where the condition that starts there ends: at the bracket around it, or the next clause."""
    depth = 0
    for at in range(start, len(words)):
        depth += (words[at] == "(") - (words[at] == ")")
        if depth < 0 or not depth and words[at] in ENDS:
            return at
    return len(words)
