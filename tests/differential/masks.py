"""The masks of INTERFACE.md in Python, and the copy of a database that is overwritten with them.

Nothing here comes from vitrine: which columns a rule covers is read from the server's catalog, each
masked value is computed here from the raw one, and written into the copy with a plain UPDATE.
"""

import hashlib
import re
from fnmatch import fnmatchcase

# A fixed key: a hash that by chance looks like a marker would do so in every run, or in none.
KEY = "differential-" + hashlib.sha256(b"the key of the differential test").hexdigest()

# (columns, mask as in INTERFACE.md). The markers in the raw values are described in schema.sql.
RULES = [
    (["public.people.email", "public.contacts.email", "public.mail_list.email", "public.deals.contact",
      '"Mixed"."Client Data"."E-Mail"', "public.kinds.k_c", "public.soft.mail"], "email"),
    (["public.people.phone"], {"partial": {"keep_start": 0, "keep_end": 2, "with": "*"}}),
    (["public.people.note"], {"constant": "[removed]"}),
    (["public.people.ssn", "public.people.ref", "public.people.badge", "public.people.pin",
      "public.accounts.login", "public.logins.login", "public.slips.word", "public.visits.agent",
      "public.by_word.word", "public.soft.word", "public.soft.fixed", "public.token.token",
      "public.animals.owner_name", "public.herds.keeper", "public.docs.spare",
      "public.kinds.k_ch", "public.kinds.k_ci", "public.kinds.k_label", "public.kinds.k_i4",
      "public.kinds.k_i8", "public.kinds.k_uuid"], "hash"),
    (["public.people.profile", "public.people.ip", "public.people.raw", "public.people.tags",
      "public.people.home", "public.people.span", "public.lines.gift", "public.clues.mark", "public.dogs.chip",
      "public.docs.data", "public.docs.page", "public.docs.words", "public.docs.place",
      "public.kinds.k_num62", "public.kinds.k_tz", "public.kinds.k_json", "public.kinds.k_comp",
      "public.kinds.k_tarr", "public.kinds.k_bytea", "public.kinds.k_mr", "public.kinds.k_hs",
      "public.kinds.k_bit", "public.kinds.k_arr"], "null"),
    (["public.people.born", "public.kinds.k_date"], {"constant": "1900-01-01"}),
    (["public.people.salary", "public.kinds.k_num", "public.kinds.k_f8"], {"constant": "0"}),
    (["public.people.nick"], {"partial": {"keep_start": 1, "keep_end": 0, "with": "x"}}),
    (["public.people.code"], {"partial": {"keep_start": 0, "keep_end": 1, "with": "#"}}),
    (["public.people.mood", "public.kinds.k_enum"], {"constant": "unknown"}),
    (["public.orders.card"], {"partial": {"keep_start": 0, "keep_end": 4, "with": "#"}}),
    # Longer than varchar(40) holds.
    (["public.orders.memo"], {"constant": "this memo was taken out by rule 7 of the shop's policy"}),
    # Longer than the domain's varchar(20) holds.
    (["public.nodes.label"], {"partial": {"keep_start": 2, "keep_end": 0, "with": "<>"}}),
    (["public.docs.body", "public.kinds.k_name"], {"constant": "it's \\ \"gone\""}),
    (['"Mixed"."Client Data"."größe"'], {"partial": {"keep_start": 0, "keep_end": 1, "with": "ß"}}),
    (['"straße"."kündigungen"."grüße"'], {"partial": {"keep_start": 0, "keep_end": 4, "with": "日"}}),
    (["public.tickets.subject"], {"constant": ""}),
    (["public.clues.word", "public.clue_parts.word",
      "public.clue_own.word", "public.clue_late.late"], {"constant": "[clue]"}),
    (["public.token.table"], {"constant": "[token]"}),
    (["public.events.payload"], {"constant": "[gone]"}),
    (["public.logs.line"], {"partial": {"keep_start": 3, "keep_end": 2, "with": "."}}),
    (["public.kinds.k_vc8"], {"partial": {"keep_start": 1, "keep_end": 1, "with": "*"}}),
    (["public.kinds.k_bpc"], {"partial": {"keep_start": 1, "keep_end": 0, "with": "*"}}),
    (["public.soft.part"], {"partial": {"keep_start": 0, "keep_end": 1, "with": "*"}}),
    (["public.kinds.k_bool"], {"constant": "false"}),
    (["public.kinds.k_ts"], {"constant": "2020-01-01 10:20:30.123456"}),
    (["public.kinds.k_time"], {"constant": "10:20:30.7"}),
    (["public.kinds.k_jsonb"], {"constant": '{"gone": true}'}),
    (["public.kinds.k_i2"], {"constant": "7"}),
    (["public.kinds.k_cents"], {"constant": "-1"}),
]

# By the columns' types, (columns; all where there are none, types, mask). They stand behind RULES.
TYPE_RULES = [
    ([], ["public.pin_t"], "hash"),
    ([], ["public.pin_*[]"], "null"),
    (["public.devices.*"], ["macaddr", "macaddr[]"], "null"),
    (["public.devices.*", "crm.*.nothing"], ["text", "integer[]"],
     {"partial": {"keep_start": 0, "keep_end": 1, "with": "."}}),
]


SQL_NAMES = {"integer[]": "int4[]"}


def has_end(text, end):
    return text is not None and text.endswith(end)


# (table, filter, the same of a row's texts: does it stay?) None: it is not there yet in the copy.
ROWS = [
    ("public.deals", "region = 'EU'", lambda row: row["region"] == "EU"),
    ("public.deals", "contact NOT LIKE '%@held.example' OR contact IS NULL",
     lambda row: not has_end(row["contact"], "@held.example")),
    ("public.sales", "amount < 1000 AND region NOT IN ('APAC', 'none')",
     lambda row: int(row["amount"]) < 1000 and row["region"] not in ("APAC", "none")),
    ("public.labs", "in_use", lambda row: row["in_use"] == "t"),
    ("public.deal_list", "region = 'EU' AND left(code, 1) BETWEEN '0' AND '9'", None),
]


def rules_yaml():
    """The same for vitrine's configuration file."""
    def quoted(text):
        return "'" + str(text).replace("'", "''") + "'"

    lines = []
    for columns, types, mask in [(c, [], m) for c, m in RULES] + TYPE_RULES:
        named = [f"{key}: [{', '.join(quoted(n) for n in names)}]"
                 for key, names in (("columns", columns), ("types", types)) if names]
        lines.append("    - " + "\n      ".join(named))
        if isinstance(mask, str):
            lines.append(f"      mask: {quoted(mask)}")
        elif "constant" in mask:
            lines.append(f"      mask: {{constant: {quoted(mask['constant'])}}}")
        else:
            inner = mask["partial"]
            lines.append(f"      mask: {{partial: {{keep_start: {inner['keep_start']}, keep_end: "
                         f"{inner['keep_end']}, with: {quoted(inner['with'])}}}}}")
    lines.append("  rows:")
    lines += [f"    - {{table: {quoted(table)}, filter: {quoted(text)}}}" for table, text, _ in ROWS]
    return "\n" + "\n".join(lines)


def masked_value(mask, value, base):
    """What the mask gives for a value's text, as text; None for NULL. `base`: the type's name."""
    if isinstance(mask, dict) and "constant" in mask:
        return mask["constant"]
    if value is None or mask == "null":
        return None
    if mask == "email":
        return "****@" + value.partition("@")[2]
    if mask == "hash":
        digits = hashlib.sha256((KEY + value).encode()).hexdigest()
        if base == "bigint":
            return str(int(digits[:15], 16))
        if base == "integer":
            return str(int(digits[:7], 16))
        return digits[:32] if base == "uuid" else "h_" + digits[:16]
    start, end, letter = (mask["partial"][k] for k in ("keep_start", "keep_end", "with"))
    if len(value) <= start + end:
        return letter * len(value)
    kept_end = value[len(value) - end:] if end else ""
    return value[:start] + letter * (len(value) - start - end) + kept_end


# --- the copy --------------------------------------------------------------------------------


def parts_of(pattern):
    return [q.replace('""', '"') or plain for q, plain in
            re.findall(r'"((?:[^"]|"")*)"|([^".]+)', pattern)]


def literal(text):
    if text is None:
        return "NULL"
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


class MaskedCopy:
    """Overwrites a database that is a copy already, over a superuser's session in it."""

    def __init__(self, session):
        self.session = session
        # The values of raw and masked columns stay out of the server's log, and the key with them.
        self.sql("SET client_min_messages = warning; SET log_statement = none")

    def sql(self, text):
        """Rows of texts and None."""
        messages = self.session.simple(text)
        for m in messages:
            if m.name == "ErrorResponse":
                raise AssertionError(f"{m.fields['M']}: {text[:2000]}")
        return [[None if v is None else v.decode() for v in m.values]
                for m in messages if m.name == "DataRow"]

    def columns(self):
        """{(relation's oid, column): (mask, base type, its declaration)}, children included."""
        found = {}
        for patterns, mask in RULES:
            for pattern in patterns:
                schema, table, column = parts_of(pattern)
                rows = self.sql(f"""
                    WITH RECURSIVE down AS (
                        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                        WHERE nspname = {literal(schema)} AND relname = {literal(table)}
                        UNION SELECT inhrelid FROM pg_inherits JOIN down ON inhparent = down.oid)
                    SELECT down.oid, CASE typtype WHEN 'd' THEN format_type(typbasetype, NULL)
                                     ELSE format_type(atttypid, NULL) END,
                           CASE typtype WHEN 'd' THEN format_type(typbasetype, typtypmod)
                           ELSE format_type(atttypid, atttypmod) END, typtype
                    FROM down JOIN pg_attribute ON attrelid = down.oid
                    JOIN pg_type t ON t.oid = atttypid WHERE attname = {literal(column)}""")
                # A materialized view is not there yet; its rule masks what it copies.
                for oid, base, declared, kind in rows:
                    found[oid, column] = mask, base, declared, kind == "d"
        return self.columns_by_type(found)

    def columns_by_type(self, found):
        rows = self.sql("""
            SELECT c.oid, attname, r.nspname, relname, coalesce(en.nspname, tn.nspname),
                   coalesce(e.typname, t.typname), e.oid IS NOT NULL, t.typtype,
                   CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, NULL)
                   ELSE format_type(atttypid, NULL) END,
                   CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
                   ELSE format_type(atttypid, atttypmod) END
            FROM pg_class c JOIN pg_namespace r ON r.oid = relnamespace
            JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            JOIN pg_type t ON t.oid = atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace
            LEFT JOIN pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
            LEFT JOIN pg_namespace en ON en.oid = e.typnamespace
            WHERE relkind IN ('r', 'p') AND c.oid >= 16384""")
        for patterns, types, mask in TYPE_RULES:
            for oid, column, schema, table, type_schema, name, array, kind, base, declared in rows:
                by_name = not patterns or any(fnmatchcase(f"{schema}.{table}.{column}", p)
                                              for p in patterns)
                full = f"{type_schema}.{name}" + ("[]" if array == "t" else "")
                # In fnmatch, brackets are something else.
                by_type = any(fnmatchcase(full.replace("[]", "()"), (
                    t if "." in t else "pg_catalog." + SQL_NAMES.get(t, t)).replace("[]", "()"))
                    for t in types)
                if by_name and by_type:
                    found[oid, column] = mask, base, declared, kind == "d"
        return found

    def delete_rows(self):
        """Those that a filter hides, of the tables below too; by their values before any mask."""
        for name, _, stays in ROWS:
            if stays is None:
                continue
            schema, table = parts_of(name)
            for [below] in self.sql(f"""
                    WITH RECURSIVE down AS (
                        SELECT c.oid, relkind FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                        WHERE nspname = {literal(schema)} AND relname = {literal(table)}
                        UNION SELECT c.oid, c.relkind FROM pg_inherits
                        JOIN down ON inhparent = down.oid JOIN pg_class c ON c.oid = inhrelid)
                    SELECT oid::regclass FROM down WHERE relkind = 'r'"""):
                names = [n for [n] in self.sql(
                    f"SELECT attname FROM pg_attribute WHERE attrelid = {literal(below)}::regclass "
                    f"AND attnum > 0 AND NOT attisdropped ORDER BY attnum")]
                texts = ", ".join(identifier(n) + "::text" for n in names)
                for place, *values in self.sql(f"SELECT ctid, {texts} FROM ONLY {below}"):
                    if not stays({n: {"true": "t", "false": "f"}.get(v, v)
                                  for n, v in zip(names, values)}):
                        self.sql(f"DELETE FROM ONLY {below} WHERE ctid = '{place}'")

    def make(self):
        self.delete_rows()
        columns = self.columns()
        constraints = self.drop_constraints(columns)
        self.to_base_types(columns)
        # All are read before any is written: a mask may move a row to another partition.
        updates = [self.overwriting(oid, {c: m for (o, c), m in columns.items() if o == oid})
                   for oid in sorted({oid for oid, _ in columns}, key=int)]
        for update in filter(None, updates):
            self.sql(update)
        self.put_back(constraints)

    def drop_constraints(self, columns):
        """All that touch a masked column; gives them in the order to try them again."""
        dropped = {}
        for oid, column in columns:
            for row in self.sql(f"""
                    SELECT k.oid, k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid),
                           k.contype::text
                    FROM pg_constraint k JOIN pg_attribute a
                      ON a.attrelid = {oid} AND a.attname = {literal(column)}
                    WHERE k.conparentid = 0 AND k.coninhcount = 0
                      AND (k.conrelid = {oid} AND a.attnum = ANY (k.conkey)
                           OR k.confrelid = {oid} AND a.attnum = ANY (k.confkey))"""):
                dropped[row[0]] = row[1:]
            not_null = self.sql(f"SELECT attrelid::regclass, quote_ident(attname) FROM pg_attribute "
                                 f"WHERE attrelid = {oid} AND attnotnull AND attname = {literal(column)}")
            for table, name in not_null:
                dropped[oid, column] = (table, name, "SET NOT NULL", "n")
        order = sorted(dropped.values(), key=lambda c: "pucfxn".index(c[3]))
        for table, name, _, kind in reversed(order):
            if kind != "n":
                self.sql(f"ALTER TABLE {table} DROP CONSTRAINT {identifier(name)} CASCADE")
        for table, name, _, kind in order:
            if kind == "n":
                self.sql(f"ALTER TABLE {table} ALTER {name} DROP NOT NULL")
        return order

    def put_back(self, constraints):
        """Those that hold for the masked values."""
        self.gone = []
        for table, name, definition, kind in constraints:
            what = (f"ALTER {name} {definition}" if kind == "n"
                    else f"ADD CONSTRAINT {identifier(name)} {definition}")
            try:
                self.sql(f"ALTER TABLE {table} {what}")
            except AssertionError:
                self.gone.append(f"{table}: {name} {definition}")

    def to_base_types(self, columns):
        for (oid, column), (_, _, declared, domain) in columns.items():
            if domain:
                self.sql(f"ALTER TABLE {self.table(oid)} ALTER {identifier(column)} TYPE {declared}")

    def table(self, oid):
        return self.sql(f"SELECT {oid}::regclass")[0][0]

    def overwriting(self, oid, masks):
        """The UPDATEs of one relation's rows; None where there are none."""
        [[table, kind, root]] = self.sql(f"""
            SELECT oid::regclass, relkind::text, CASE WHEN relispartition
                   THEN pg_partition_root(oid) END FROM pg_class WHERE oid = {oid}""")
        if kind != "r":
            return None
        names = list(masks)
        raw = self.sql(f"SELECT ctid, {', '.join(identifier(n) + '::text' for n in names)} "
                        f"FROM ONLY {table}")
        # Through the root, for a mask may move a row to another partition.
        target = root or f"ONLY {table}"
        updates = []
        for ctid, *texts in raw:
            # An explicit cast cuts what is too long for the column, as the mask does.
            sets = ", ".join(
                f"{identifier(n)} = CAST({literal(masked_value(masks[n][0], t, masks[n][1]))} AS "
                f"{masks[n][2]})" for n, t in zip(names, texts))
            updates.append(f"UPDATE {target} SET {sets} "
                           f"WHERE ctid = '{ctid}' AND tableoid = {oid}")
        return "; ".join(updates)
