"""Queries made up over the schema: joins, subqueries, aggregates, windows, set operations, CTEs, and
expressions by type; keys, samples, cursors, prepared statements. The same seed gives the same queries.

A query is (its statements, whether the last one orders its rows totally). LIMIT stands only behind a
total order.
"""

import random

# Relation: {column: kind}, without those with generated columns (exceptions.txt); the first column is a key, or a total order with the second.
TABLES = {
    "people": {"id": "int", "name": "text", "email": "text", "phone": "text", "note": "text",
               "ssn": "text", "profile": "jsonb", "born": "date", "salary": "num", "nick": "citext",
               "code": "char", "ref": "uuid", "badge": "big", "pin": "int", "ip": "inet",
               "raw": "bytea", "tags": "texts", "mood": "mood", "span": "range", "city": "text",
               "region": "text", "active": "bool", "score": "float", "level": "small"},
    "crm.people": {"id": "int", "name": "text", "email": "text", "phone": "text", "stage": "text"},
    "products": {"id": "int", "name": "text", "price": "num", "tags": "texts", "attrs": "jsonb"},
    "orders": {"id": "big", "person_id": "int", "card": "text", "total": "num", "status": "status",
               "placed": "date", "memo": "text"},
    "accounts": {"login": "text", "owner": "int", "opened": "date"},
    "logins": {"id": "int", "login": "text", "ok": "bool"},
    "slips": {"id": "int", "word": "text", "pair": "text", "weight": "int"},
    "nodes": {"id": "int", "parent": "int", "label": "text"},
    "docs": {"id": "int", "title": "text", "body": "text", "spare": "name"},
    "kinds": {"id": "int", "k_text": "text", "k_vc8": "text", "k_ch": "char", "k_bpc": "char",
              "k_name": "name", "k_ci": "citext", "k_label": "text", "k_cents": "num",
              "k_i2": "small", "k_i4": "int", "k_i8": "big", "k_num": "num", "k_f8": "float",
              "k_bool": "bool", "k_date": "date", "k_uuid": "uuid", "k_inet": "inet",
              "k_bytea": "bytea", "k_jsonb": "jsonb", "k_enum": "mood", "k_tarr": "texts",
              "k_range": "range"},
    '"Mixed"."Client Data"': {'"Id"': "int", '"E-Mail"': "text", '"SELECT"': "int",
                              '"größe"': "text"},
    '"straße"."kündigungen"': {"id": "int", '"grüße"': "text", '"日付"': "date"},
    "events": {"id": "big", "kind": "text", "payload": "text", "at": "date"},
    "events_buy": {"id": "big", "kind": "text", "payload": "text", "at": "date"},
    "visits": {"id": "int", "person_id": "int", "agent": "text"},
    "logs": {"id": "int", "day": "date", "region": "text", "line": "text"},
    "logs_2025_rest": {"id": "int", "day": "date", "region": "text", "line": "text"},
    "animals": {"id": "int", "owner_name": "text", "kind": "text"},
    "ONLY animals": {"id": "int", "owner_name": "text", "kind": "text"},
    "dogs": {"id": "int", "owner_name": "text", "tricks": "text", "chip": "text"},
    "tickets": {"id": "int", "region": "text", "subject": "text"},
    "mail_list": {"id": "int", "email": "text", "city": "text"},
    "product_prices": {"id": "int", "name": "text", "price": "num"},
    "active_people": {"id": "int", "name": "text", "city": "text", "region": "text"},
    # Views over what is masked, up to three deep.
    "people_contacts": {"id": "int", "name": "text", "email": "text", "phone": "text"},
    "people_contacts_3": {"id": "int", "email": "text", "phone": "text"},
    "people_renamed": {"number": "int", "mail": "text", '"Tel."': "text"},
    "people_with_mail": {"id": "int", "name": "text"},
    "big_orders": {"id": "big", "card": "text", "email": "text"},
    "ranked_people": {"id": "int", "email": "text", "place": "big", "before": "text"},
    "safe_people": {"id": "int", "email": "text", "city": "text"},
    "distinct_cards": {"person_id": "int", "card": "text"},
    "family": {"id": "int", "path": "text"},
    "event_texts": {"id": "big", "payload": "text"},
    "animal_owners": {"id": "int", "owner_name": "text"},
    "ssns": {"id": "int", "ssn": "text"},
    "lines": {"order_id": "big", "line": "small", "product_id": "int", "quantity": "int", "gift": "text"},
    "token": {"token": "text", "id": "int", '"table"': "text"},
    "by_word": {"id": "int", "word": "text"},
    "cats": {"id": "int", "owner_name": "text", "kind": "text", "lives": "int"},
    "puppies": {"id": "int", "owner_name": "text", "tricks": "text", "chip": "text", "weeks": "int"},
    "ONLY dogs": {"id": "int", "owner_name": "text", "chip": "text"},
    "events_login": {"id": "big", "kind": "text", "payload": "text", "at": "date"},
    "events_rest": {"id": "big", "kind": "text", "payload": "text", "at": "date"},
    "visits_1": {"id": "int", "person_id": "int", "agent": "text"},
    "logs_2025": {"id": "int", "day": "date", "region": "text", "line": "text"},
    '"Mixed".people': {'"Id"': "int", "email": "text", '"Email"': "text"},
    '"Mixed"."View ""of"" mails"': {'"Nr."': "int", '"Mail"': "text"},
    "mixed_mails": {'"Id"': "int", "mail": "text"},
    "checked_people": {"id": "int", "email": "text"},
    "invoker_people": {"id": "int", "email": "text"},
    "people_contacts_2": {"id": "int", "name": "text", "email": "text", "phone": "text"},
    "people_by_note": {"note": "text", "people": "big", '"first"': "text", '"last"': "text"},
    "people_per_city": {"city": "text", "people": "big"},
    "visit_agents": {"agent": "text", "count": "big"},
    "all_mails": {"email": "text"},
    "people_rows": {"id": "int", "person": "jsonb"},
    "line_totals": {"order_id": "big", "total": "num"},
    "product_tags": {"tag": "text", "products": "big"},
    "grouped_by_key": {"id": "int", "email": "text", "orders": "big"},
    "over_mail_list": {"id": "int", "email": "text"},
}
KEYS = {"accounts": "login", "people_renamed": "number", "distinct_cards": "person_id",
        '"Mixed"."Client Data"': '"Id"', "lines": "order_id", '"Mixed".people': '"Id"',
        '"Mixed"."View ""of"" mails"': '"Nr."', "mixed_mails": '"Id"', "people_by_note": "note",
        "people_per_city": "city", "visit_agents": "agent", "all_mails": "email",
        "line_totals": "order_id", "product_tags": "tag"}
# Those whose primary key stands for all columns in GROUP BY.
GROUPED_BY_KEY = ("people", "crm.people", "orders", "slips", "nodes", "kinds", "tickets",
                  "cats", '"Mixed"."Client Data"', "products", "logins", "docs", "animals")
# Columns of theirs of types without equality.
NOT_COMPARED = {"docs": ("data", "page", "place"), "kinds": ("k_json",)}

CONSTANTS = {
    "text": ["'****@mail.example'", "'[removed]'", "'K'", "'x'", "''", "'h_'", "NULL::text"],
    "citext": ["'Kxxx'::citext", "'h_1'::citext"], "char": ["'###'::char(5)", "' '::bpchar"],
    "name": ["'h_'::name"], "int": ["0", "3", "17", "-1", "100000000", "NULL::int"],
    "small": ["2::smallint", "0::smallint"], "big": ["5::bigint", "700000000000000000"],
    "num": ["0.5", "10.25", "-3::numeric", "0::numeric"], "float": ["1.5::float8", "0::float8"],
    "date": ["date '1900-01-01'", "date '2025-03-01'", "date '2000-01-05'"],
    "bool": ["true", "false"], "uuid": ["'80000000-0000-0000-0000-000000000000'::uuid"],
    "inet": ["'10.0.0.3'::inet"], "bytea": [r"'\x6231'::bytea"],
    "jsonb": ["'{\"a\": 1}'::jsonb", "'[]'::jsonb"], "texts": ["ARRAY['a', 'x']", "'{}'::text[]"],
    "mood": ["'bad'::mood", "'unknown'::mood"], "status": ["'paid'::status"],
    "range": ["int4range(1, 9)", "'empty'::int4range"],
}
# Result kind: templates over argument kinds.
OPERATIONS = {
    "text": [("upper({})", "text"), ("lower({})", "text"), ("left({}, {})", "text", "small_int"),
             ("right({}, 3)", "text"), ("({} || {})", "text", "text"), ("reverse({})", "text"),
             ("split_part({}, '@', 2)", "text"), ("coalesce({}, {})", "text", "text"),
             ("nullif({}, {})", "text", "text"), ("md5({})", "text"), ("{}::text", "any"),
             ("replace({}, '*', '+')", "text"), ("substr({}, 2, 4)", "text"),
             ("CASE WHEN {} THEN {} ELSE {} END", "bool", "text", "text"),
             ("greatest({}, {})", "text", "text"), ("format('%s-%s', {}, {})", "any", "any"),
             ("regexp_replace({}, '[a-e]', '_')", "text"), ("concat({}, {})", "any", "text"),
             ("array_to_string({}, ',')", "texts"), ("{}::text", "citext"), ("{}::text", "char"),
             ("to_json({})::text", "any"), ("{} ->> 'n'", "jsonb"), ("quote_literal({})", "text"),
             ("({})[1]", "texts"), ("({})['n'] #>> '{{}}'", "jsonb"), ("{} #>> '{{a}}'", "jsonb"),
             ("jsonb_path_query_first({}, '$.*')::text", "jsonb"), ("overlay({} placing '_' from 2)", "text"),
             ("jsonb_typeof({})", "jsonb"), ("to_char({}, 'YYYY')", "date"),
             ("encode({}, 'hex')", "bytea"), ("host({})", "inet"), ("initcap({})", "text")],
    "int": [("length({})", "text"), ("({} + {})", "int", "small_int"), ("strpos({}, '@')", "text"),
            ("({} % 7)", "int"), ("ascii({})", "text"), ("coalesce({}, {})", "int", "int"),
            ("array_length({}, 1)", "texts"), ("({} - {})", "date", "date"),
            ("extract(year FROM {})::int", "date"), ("(CASE WHEN {} THEN 1 ELSE 0 END)", "bool"),
            ("num_nulls({}, {})", "any", "any"), ("lower({})", "range"), ("octet_length({})", "text")],
    "big": [("({}::bigint + {})", "int", "big"), ("abs({})", "big"), ("({} / 3)", "big")],
    "num": [("({} + {})", "num", "num"), ("round({}, 1)", "num"), ("({} * 2)", "num"),
            ("{}::numeric", "int"), ("(10 / nullif({}, 0))", "num"), ("coalesce({}, 0)", "num")],
    "float": [("({}::float8 / 4)", "int"), ("({} + 1)", "float")],
    "date": [("({} + {})", "date", "small_int"), ("greatest({}, {})", "date", "date"),
             ("date_trunc('year', {})::date", "date")],
    "bool": [("{} = {}", "same", "same"), ("{} <> {}", "same", "same"), ("{} < {}", "same", "same"),
             ("{} >= {}", "same", "same"), ("{} IS NULL", "any"), ("{} IS NOT NULL", "any"),
             ("{} LIKE '%a%'", "text"), ("{} ~ '^[*h]'", "text"), ("NOT {}", "bool"),
             ("({} AND {})", "bool", "bool"), ("({} OR {})", "bool", "bool"),
             ("{} IS DISTINCT FROM {}", "same", "same"), ("{} IN ({}, {})", "same", "same", "same"),
             ("{} BETWEEN {} AND {}", "same", "same", "same"), ("{} = ANY ({})", "text", "texts"),
             ("starts_with({}, '*')", "text"), ("{} ? 'a'", "jsonb"), ("{} @> {}", "texts", "texts"),
             ("({}, {}) < ({}, {})", "text", "int", "text", "int"), ("{} <> ALL ({})", "text", "texts"),
             ("({}, {}) IS DISTINCT FROM ({}, {})", "text", "same", "text", "same"),
             ("{} @@ '$.a == 1'", "jsonb"), ("{} && {}", "texts", "texts"), ("{} IS TRUE", "bool"),
             ("{} SIMILAR TO '%(a|h)%'", "text"), ("{} ILIKE 'h%'", "text")],
    "jsonb": [("to_jsonb({})", "any"), ("jsonb_build_object('k', {}, 'v', {})", "any", "any"),
              ("coalesce({}, '{{}}')", "jsonb")],
    "texts": [("ARRAY[{}, {}]", "text", "text"), ("string_to_array({}, '.')", "text"),
              ("({} || {})", "texts", "text")],
    "bytea": [("convert_to({}, 'UTF8')", "text"), ("sha256({})", "bytea")],
    "mood": [("coalesce({}, {})", "mood", "mood")],
    "citext": [("{}::citext", "text")],
}
# Kinds with an order and equality, as two operands of one type.
COMPARABLE = ["text", "int", "big", "num", "date", "float", "uuid", "mood", "citext", "char", "bytea",
              "inet", "jsonb", "texts", "range", "small", "name", "bool"]
AGGREGATES = {
    "text": [("min({})", "text"), ("max({})", "text"),
             ("string_agg({0}, ',' ORDER BY {0})", "text"),
             ("string_agg(DISTINCT {0}, '|' ORDER BY {0})", "text"),
             ("mode() WITHIN GROUP (ORDER BY {})", "text"),
             ("max({}) FILTER (WHERE {})", "text", "bool"), ("min({})::text", "citext"),
             ("percentile_disc(0.4) WITHIN GROUP (ORDER BY {})", "text")],
    "int": [("min({})", "int"), ("max({})", "int")],
    "big": [("count({})", "any"), ("count(*)",), ("count(DISTINCT {})", "text"), ("sum({})", "int"),
            ("count(*) FILTER (WHERE {})", "bool"), ("rank('h') WITHIN GROUP (ORDER BY {})", "text"),
            ("count(DISTINCT ({}, {}))", "text", "any"), ("bit_xor({})", "int"),
            ("dense_rank('K', 3) WITHIN GROUP (ORDER BY {}, {} DESC)", "text", "int")],
    "num": [("sum({})", "num"), ("max({})", "num"), ("avg({})", "int"), ("avg({})", "num")],
    "date": [("min({})", "date"), ("max({})", "date")],
    "bool": [("bool_and({})", "bool"), ("bool_or({})", "bool")],
    "jsonb": [("jsonb_agg({0} ORDER BY {0})", "text")],
    "texts": [("array_agg({0} ORDER BY {0})", "text"), ("array_agg(DISTINCT {0} ORDER BY {0})", "text")],
}
WINDOWS = {
    "big": ["rank() OVER ({p}ORDER BY {t})", "count(*) OVER ({p}ORDER BY {t})",
            "row_number() OVER ({p}ORDER BY {t}, {k})", "dense_rank() OVER (ORDER BY {t})"],
    "text": ["lag({t}) OVER ({p}ORDER BY {k})", "first_value({t}) OVER ({p}ORDER BY {k})",
             "max({t}) OVER ({p}ORDER BY {k} ROWS 2 PRECEDING)"],
}


class Source:
    """An item of FROM: its text, its name, its columns by kind, and its key."""

    def __init__(self, text, name, columns, key):
        self.text, self.name, self.columns, self.key = text, name, columns, key


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = 0

    def name(self, letter="t"):
        self.names += 1
        return f"{letter}{self.names}"

    def chance(self, percent):
        return self.random.random() * 100 < percent

    def pick(self, things):
        return self.random.choice(list(things))

    # --- expressions -----------------------------------------------------------------------

    def column(self, sources, kind):
        """A column of the kind, or None."""
        found = [f"{s.name}.{c}" for s in sources for c, k in s.columns.items() if k == kind]
        return self.pick(found) if found else None

    def expression(self, sources, kind, depth=2):
        if kind == "any":
            kind = self.pick([k for s in sources for k in s.columns.values()] or ["text"])
        if kind == "small_int":
            return str(self.random.randint(0, 9))
        if depth > 0 and kind in OPERATIONS and self.chance(45):
            template, *arguments = self.pick(OPERATIONS[kind])
            same = self.pick(COMPARABLE)
            texts = [self.expression(sources, same if a == "same" else a, depth - 1)
                     for a in arguments]
            return template.format(*texts)
        if depth > 0 and kind == "text" and self.chance(6):
            return self.scalar_subquery(sources)
        own = self.column(sources, kind)
        if own and self.chance(85):
            return own
        return self.pick(CONSTANTS[kind])

    def scalar_subquery(self, outer):
        """A value of another table that belongs to a row outside."""
        table = self.pick(["people", "crm.people", "slips", "nodes", "docs"])
        name = self.name("s")
        inner = Source(table, name, TABLES[table], "id")
        link = self.column(outer, "int") or "3"
        return (f"(SELECT max({self.expression([inner], 'text', 1)}) FROM {table} {name} "
                f"WHERE {name}.id = {link})")

    def condition(self, sources, depth=2):
        way = self.random.random()
        if way < 0.1:
            table = self.pick(["orders", "people", "slips", "nodes", "logins"])
            name = self.name("e")
            inner = Source(table, name, TABLES[table], "id")
            link = self.column(sources, "int") or "3"
            own = {"orders": "person_id"}.get(table, "id")
            return (f"{self.pick(['', 'NOT '])}EXISTS (SELECT FROM {table} {name} WHERE "
                    f"{name}.{own} = {link} AND {self.expression([inner] + sources, 'bool', 1)})")
        if way < 0.2:
            table = self.pick(TABLES)
            name = self.name("i")
            inner = Source(table, name, TABLES[table], "id")
            return (f"{self.expression(sources, 'text', 1)} {self.pick(['', 'NOT '])}IN (SELECT "
                    f"coalesce({self.expression([inner], 'text', 1)}, '') FROM {table} {name})")
        return self.expression(sources, "bool", depth)

    # --- FROM ------------------------------------------------------------------------------

    def table(self):
        table = self.pick(TABLES)
        columns = TABLES[table]
        key = KEYS.get(table, "id")
        name = self.name()
        way = self.random.random()
        if way < 0.12:
            # Columns renamed from the left.
            count = self.random.randint(1, min(2, len(columns)))
            if table in PHYSICAL:
                order = PHYSICAL[table]
                renamed = {c: f"{name}_c{n}" for n, c in enumerate(order[:count])}
                return Source(f"{table} AS {name}({', '.join(renamed.values())})", name,
                              {renamed.get(c, c): k for c, k in columns.items()},
                              renamed.get(key, key))
        if way < 0.3:
            return self.derived(table, columns, key, name)
        return Source(f"{table} {name}" if self.chance(50) else f"{table} AS {name}", name, columns,
                      key)

    def derived(self, table, columns, key, name):
        """A subquery over one table, some of its columns renamed or computed."""
        inner = self.name("d")
        source = [Source(table, inner, columns, key)]
        chosen, texts = {"k": columns[key]}, [f"{inner}.{key} AS k"]
        for number in range(self.random.randint(1, 4)):
            kind = self.pick(["text", "text", "int", "num", "date", "bool"])
            texts.append(f"{self.expression(source, kind)} AS c{number}")
            chosen[f"c{number}"] = kind
        where = f" WHERE {self.condition(source, 1)}" if self.chance(40) else ""
        return Source(f"{self.pick(['', 'LATERAL '])}(SELECT {', '.join(texts)} FROM {table} {inner}"
                      f"{where}) {name}", name, chosen, "k")

    def sources(self):
        """(FROM's text, the sources)."""
        first = self.table()
        text, found = first.text, [first]
        for _ in range(self.pick([0, 0, 1, 1, 2])):
            other = self.table()
            way = self.random.random()
            if way < 0.12:
                text += f" CROSS JOIN (SELECT * FROM {other.text} LIMIT 0) {other.name}_none"
                continue
            kind = self.pick(["JOIN", "LEFT JOIN", "JOIN", "RIGHT JOIN", "FULL JOIN"])
            if other.text.startswith("LATERAL") and kind not in ("JOIN", "LEFT JOIN"):
                kind = "JOIN"
            text += f" {kind} {other.text} ON {self.join_condition(found, other, kind)}"
            found.append(other)
        return text, found

    def join_condition(self, found, other, kind):
        one = self.pick(found)
        if self.chance(25):
            mine, theirs = self.column([one], "text"), self.column([other], "text")
            number = self.column([other], "int") or self.column([other], "big")
            if mine and theirs and number and kind != "FULL JOIN":
                return f"{mine} = {theirs} AND {number} < 12"
        pairs = [(c, d) for c, k in one.columns.items() for d, l in other.columns.items()
                 if k in ("int", "big") and l in ("int", "big")]
        if not pairs:
            return "false"
        mine, theirs = self.pick(pairs)
        return f"{one.name}.{mine} = {other.name}.{theirs}"

    # --- queries ---------------------------------------------------------------------------

    def query(self):
        way = self.random.random()
        for share, make in ((0.15, self.grouped), (0.07, self.set_operation), (0.07, self.with_query),
                            (0.07, self.windowed), (0.04, self.copied), (0.07, self.grouped_by_key),
                            (0.05, self.distinct_on), (0.05, self.using), (0.05, self.lateral),
                            (0.05, self.recursive), (0.05, self.failing), (0.04, self.sampled),
                            (0.04, self.with_ties), (0.04, self.cursor), (0.04, self.prepared),
                            (0.04, self.whole), (0.03, self.join_alias), (0.03, self.listed)):
            way -= share
            if way < 0:
                text, ordered = make()
                return (text if isinstance(text, list) else [text]), ordered
        text, ordered = self.plain()
        return [text], ordered

    def one(self, tables=None):
        """One relation, and its source."""
        table = self.pick(tables or TABLES)
        return table, Source(table, self.name(), TABLES[table], KEYS.get(table, "id"))

    def grouped_by_key(self):
        table, source = self.one(GROUPED_BY_KEY)
        columns = [f"{source.name}.{c}" for c in self.random.sample(
            list(source.columns), min(len(source.columns), self.random.randint(1, 4)))]
        text, other = f"{table} {source.name}", None
        if self.chance(60):
            _, other = self.one(("orders", "slips", "visits", "people_contacts_3", "logs", "nodes"))
            link = self.column([other], "int") or f"{other.name}.{other.key}"
            text += f" {self.pick(['', 'LEFT '])}JOIN {other.text} {other.name} ON {link} = {source.name}.{source.key}"
        found = [source, other or source]
        items = columns + [self.expression([source], "text", 1), "count(*)",
                           f"max({self.expression(found[1:], 'text', 1)})"]
        for column in NOT_COMPARED.get(table, ()):
            items += [f"{source.name}.{column}::text"] * self.chance(40)
        if table not in NOT_COMPARED:
            items += [f"row_to_json({source.name})::text"] * self.chance(30)
        sets = self.pick(["", "", f", ROLLUP ({self.pick(columns)})",
                          f", GROUPING SETS (({self.pick(columns)}), ({self.pick(columns)}, {columns[0]}))"])
        having = f" HAVING {self.expression([source], 'bool', 1)}" if self.chance(30) else ""
        where = f" WHERE {self.condition(found, 1)}" if self.chance(30) else ""
        return (f"SELECT {', '.join(items)} FROM {text}{where} GROUP BY {source.name}.{source.key}"
                f"{sets}{having}"), False

    def distinct_on(self):
        table, source = self.one()
        first = self.expression([source], "text", 1)
        rest = ", ".join(f"{source.name}.{c}" for c, k in source.columns.items() if k != "json")
        items = f"{first}, {self.expression([source], 'any', 1)}"
        return (f"SELECT DISTINCT ON ({first}) {items} FROM {table} {source.name} "
                f"ORDER BY {first}{self.pick(['', ' DESC'])}, {rest}"), False

    def using(self):
        """Columns merged by a join, and a name for the merged ones."""
        one, first = self.one()
        shared = []
        while not shared:
            other, second = self.one()
            shared = [c for c, k in first.columns.items() if second.columns.get(c) == k and k != "jsonb"]
            if not shared:
                one, first = self.one()
        kind = self.pick(["", "LEFT ", "RIGHT ", "FULL "])
        names = self.random.sample(shared, self.random.randint(1, min(2, len(shared))))
        alias = self.name("j") if self.chance(40) else ""
        items = [self.pick([f"{alias}.", ""] if alias else [""]) + n for n in names]
        items += [self.expression([first], "text", 1), self.expression([second], "any", 1)]
        where = f" WHERE {self.condition([first, second], 1)}" if self.chance(40) else ""
        join = f"{kind}JOIN {other} {second.name} USING ({', '.join(names)})"
        if self.chance(20):
            return f"SELECT * FROM {one} {first.name} {join}{' AS ' + alias if alias else ''}{where}", False
        return (f"SELECT {', '.join(items)} FROM {one} {first.name} {join}"
                f"{' AS ' + alias if alias else ''}{where}"), False

    def lateral(self):
        table, source = self.one()
        other, inner = self.one()
        name = self.name("l")
        both = [inner, source]
        number = self.column([inner], "int") or self.column([inner], "big") or "1"
        link = self.column([source], "int") or self.column([source], "big") or "1"
        items = ", ".join(f"{self.expression(both, k, 1)} AS {n}" for n, k in (("a", "text"), ("b", "int")))
        sub = Source("", name, {"a": "text", "b": "int"}, "b")
        join, on = self.pick([("CROSS JOIN", ""), ("LEFT JOIN", " ON true"), (",", "")])
        return (f"SELECT {self.expression([source, sub], 'any', 1)}, {name}.* FROM {table} {source.name} "
                f"{join} LATERAL "
                f"(SELECT {items} FROM {other} {inner.name} WHERE {number} = {link}"
                f"{self.pick(['', ' AND ' + self.expression(both, 'bool', 1)])}) {name}{on}"), False

    def recursive(self):
        table, source = self.one([t for t, c in TABLES.items() if c.get("id") == "int"])
        name = self.pick(["r", "people", "down"])
        inner = Source(table, self.name(), TABLES[table], "id")
        start, step = self.expression([source], "text", 1), self.expression([inner], "text", 1)
        qualified = table if " " in table or "." in table else f"public.{table}"
        if table.startswith("ONLY "):
            qualified = table.replace("ONLY ", "ONLY public.")
        return (f"WITH RECURSIVE {name}(id, t) AS (SELECT {source.name}.id, {start} FROM {qualified} "
                f"{source.name} WHERE {source.name}.id < 4 {self.pick(['UNION', 'UNION ALL'])} "
                f"SELECT {inner.name}.id, left({name}.t || {step}, 60) FROM {name} "
                f"JOIN {qualified} {inner.name} ON {inner.name}.id = {name}.id * 2 + 1) "
                f"SELECT * FROM {name}"), False

    def failing(self):
        """What may fail for one value and not for another: which one comes first, the rows' order says."""
        # by_word: its rows lie in other partitions, in another order.
        table, source = self.one([t for t in TABLES if t != "by_word"])
        text = self.expression([source], "text", 1)
        number = self.column([source], "int") or self.column([source], "big") or "0"
        item = self.pick([f"({text})::int", f"({text})::date", f"10 / ({number} - {self.random.randint(0, 30)})",
                          f"({text})::mood", f"({text})::uuid", f"({text})::jsonb", f"({number})::smallint",
                          f"sqrt({number} - 5)", f"({text})::numeric(3, 1)", f"('{{' || {text} || '}}')::int[]",
                          f"substr({text}, 1, {number} - 3)", f"({text})::inet", f"decode({text}, 'hex')",
                          f"('a' || {text})::\"char\"", f"regexp_match('a', {text})", f"chr({number})"])
        return f"SELECT {item} FROM {table} {source.name}", False

    def sampled(self):
        tables = [t for t in TABLES if t in ("people", "orders", "slips", "events", "visits", "nodes",
                                             "mail_list", "kinds", "dogs", "animals")]
        table, source = self.one(tables)
        method = self.pick(["SYSTEM (100)", "BERNOULLI (100)", "BERNOULLI (100) REPEATABLE (3)", "SYSTEM (0)"])
        where = f" WHERE {self.condition([source], 1)}" if self.chance(50) else ""
        return (f"SELECT {self.expression([source], 'any', 1)}, {self.expression([source], 'text')} "
                f"FROM {table} AS {source.name} TABLESAMPLE {method}{where}"), False

    def with_ties(self):
        table, source = self.one()
        first = self.expression([source], self.pick(["text", "int", "date", "num"]), 1)
        if first in sum(CONSTANTS.values(), []):
            first = f"{source.name}.{source.key}"
        limit = self.pick(["3", "(SELECT count(*) % 7 FROM slips WHERE word > 'h_5')", "17"])
        return (f"SELECT {first}, {source.name}.{source.key} FROM {table} {source.name} "
                f"ORDER BY ({first}){self.pick(['', ' DESC', ' NULLS FIRST'])} "
                f"FETCH FIRST {limit if limit.isdigit() else f'({limit})'} ROWS WITH TIES"), False

    def cursor(self):
        table, source = self.one()
        columns = ", ".join(f"{source.name}.{c}" for c in source.columns)
        return ["BEGIN", f"DECLARE cu {self.pick(['', 'SCROLL ', 'BINARY '])}CURSOR FOR SELECT "
                f"{self.expression([source], 'text')}, {source.name}.{source.key} FROM {table} "
                f"{source.name} ORDER BY {columns}", "FETCH 2 FROM cu", "MOVE 3 IN cu",
                f"FETCH {self.pick(['ALL', 'FORWARD 4', 'NEXT'])} FROM cu", "ROLLBACK"], True

    def prepared(self):
        table, source = self.one()
        kind = self.pick([k for k in source.columns.values() if k in ("text", "int", "big", "date", "num")])
        own, value = self.column([source], kind), self.pick(CONSTANTS[kind])
        types = {"text": "text", "int": "int", "big": "bigint", "date": "date", "num": "numeric"}
        typed = f"({types[kind]})" if self.chance(60) else ""
        return [f"PREPARE st{typed} AS SELECT {own}, {self.expression([source], 'text', 1)} FROM {table} "
                f"{source.name} WHERE {own} {self.pick(['=', '>', '<>', 'IS DISTINCT FROM'])} $1",
                f"EXECUTE st({value})", "EXECUTE st(NULL)", "DEALLOCATE st"], False

    def whole(self):
        table, source = self.one()
        row, column = source.name, self.pick(source.columns)
        item = self.pick([f"({row}).{column}", f"row_to_json({row})::text", f"{row} IS NULL", f"count({row})",
                          f"{row} = {row}", f"({row}.*) IS NOT NULL", f"md5({row}::text)", f"ROW({row}.*)::text",
                          f"jsonb_agg({row} ORDER BY {row}.{source.key}, {row}::text)", f"hstore({row})::text",
                          f"to_jsonb({row}) ->> '{column.strip(chr(34))}'", f"max({row}::text)",
                          f"num_nulls({row}.{column}, {row})", f"(SELECT x.{column} FROM (SELECT {row}.*) x)",
                          f"string_agg({row}::text, '|' ORDER BY {row}::text)"])
        item = item.replace('""', '"') if "->>" in item else item
        return f"SELECT {item} FROM {table} {row}", False

    def join_alias(self):
        """A join in brackets, by its own name and its columns' own."""
        one, first = self.one()
        other, second = self.one()
        name = self.name("j")
        columns = {f"a{n}": k for n, k in enumerate(first.columns.values())} \
            if one in PHYSICAL and one not in ("people",) else {}
        link = [self.column([s], "int") or self.column([s], "big") for s in (first, second)]
        on = f"{link[0]} = {link[1]}" if all(link) else "false"
        names = f"({', '.join(columns)})" if columns else ""
        item = f"{name}.*" if not columns or self.chance(30) else \
            self.expression([Source("", name, columns, "a0")], "text")
        return (f"SELECT {item} FROM ({one} {first.name} {self.pick(['JOIN', 'LEFT JOIN', 'FULL JOIN'])} "
                f"{other} {second.name} ON {on}) AS {name}{names}"), False

    def listed(self):
        """VALUES and functions beside a relation, ROWS FROM, and sub-selects in odd places."""
        table, source = self.one()
        text = self.expression([source], "text", 1)
        return self.pick([
            f"SELECT v.a, {text} FROM (VALUES (1, 'x'), (2, '****@mail.example')) v(a, b), {table} "
            f"{source.name} WHERE {text} >= v.b",
            f"VALUES ((SELECT max({text}) FROM {table} {source.name})), ('x')",
            f"SELECT {text}, g FROM {table} {source.name}, generate_series(1, coalesce(length({text}) % 3, 0)) g",
            f"SELECT r.* FROM {table} {source.name}, ROWS FROM (string_to_table({text}, '*'), "
            f"generate_series(1, 2)) WITH ORDINALITY r(a, b, c)",
            f"SELECT (SELECT count(*) FROM {table} WHERE {source.key} IS NOT NULL) + (SELECT "
            f"count(DISTINCT {text}) FROM {table} {source.name})",
            f"SELECT x FROM (SELECT {text} AS x FROM {table} {source.name}) q GROUP BY x ORDER BY "
            f"(SELECT count(*) FROM slips WHERE word > q.x), x LIMIT (SELECT 5)",
            f"SELECT ARRAY(SELECT {text} FROM {table} {source.name} ORDER BY 1)",
            f"SELECT unnest(ARRAY[{text}, 'y']) FROM {table} {source.name}",
            f"TABLE {table.removeprefix('ONLY ')}",
        ]), False

    def kinds(self, count=None):
        count = count or self.random.randint(1, 4)
        return [self.pick(["text", "text", "text", "int", "big", "num", "date", "bool", "jsonb", "texts",
                           "any", "bytea"]) for _ in range(count)]

    def select(self, kinds):
        """(text without ORDER BY, the sources)."""
        text, found = self.sources()
        items = [self.expression(found, k) for k in kinds]
        where = f" WHERE {self.condition(found)}" if self.chance(60) else ""
        return f"SELECT {', '.join(items)} FROM {text}{where}", found

    def plain(self):
        if self.chance(12):
            source = self.table()
            row = self.pick(["*", f"{source.name}.*", f"{source.name}::text", f"to_jsonb({source.name})",
                             f"row_to_json({source.name})::text"])
            if "(k_" in row or " AS " in source.text and "(" in source.text and "json" in row:
                row = f"{source.name}.*"
            where = f" WHERE {self.condition([source])}" if self.chance(50) else ""
            return f"SELECT {row} FROM {source.text}{where}", False
        text, found = self.select(self.kinds())
        if self.chance(15):
            return text.replace("SELECT ", "SELECT DISTINCT ", 1), False
        if self.chance(30):
            # All columns of the output; equal rows are equal.
            count = text_items(text)
            order = ", ".join(str(n) for n in range(1, count + 1))
            limit = f" LIMIT {self.random.randint(1, 20)}" if self.chance(60) else ""
            offset = f" OFFSET {self.random.randint(1, 9)}" if limit and self.chance(30) else ""
            direction = self.pick(["", " DESC", " NULLS FIRST"])
            return f"SELECT * FROM ({text}) AS {self.names_of(count)} ORDER BY {order}{direction}" \
                   f"{limit}{offset}", True
        return text, False

    def names_of(self, count):
        return f"{self.name('o')}({', '.join(f'o{n}' for n in range(count))})"

    def grouped(self):
        text, found = self.sources()
        keys = [self.expression(found, k, 1) for k in self.random.sample(["text", "int", "date", "bool"],
                                                                         self.random.randint(1, 2))]
        keys = [k for k in keys if "SELECT" not in k and k not in sum(CONSTANTS.values(), [])]
        items = list(keys)
        for _ in range(self.random.randint(1, 3)):
            kind = self.pick(AGGREGATES)
            template, *arguments = self.pick(AGGREGATES[kind])
            items.append(template.format(*(self.expression(found, a, 1) for a in arguments)))
        where = f" WHERE {self.condition(found, 1)}" if self.chance(50) else ""
        group = ""
        if keys:
            shape = self.pick(["{}", "{}", "{}", "ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())"])
            group = " GROUP BY " + shape.format(", ".join(keys))
        having = ""
        if self.chance(25):
            largest = f"max({self.expression(found, 'text', 1)}) IS NOT NULL"
            having = f" HAVING {self.pick(['count(*) > 1', largest])}"
        return f"SELECT {', '.join(items)} FROM {text}{where}{group}{having}", False

    def set_operation(self):
        kinds = [self.pick(["text", "int", "date", "num", "bool"]) for _ in range(self.random.randint(1, 3))]
        one, _ = self.select(kinds)
        other, _ = self.select(kinds)
        word = self.pick(["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"])
        if self.chance(30):
            third, _ = self.select(kinds)
            other = f"({other} {self.pick(['UNION', 'EXCEPT'])} {third})"
        order = ", ".join(str(n) for n in range(1, len(kinds) + 1))
        if self.chance(50):
            return f"{one} {word} {other} ORDER BY {order}", True
        return f"{one} {word} {other}", False

    def with_query(self):
        # A name of a table's or one of its own.
        name = self.pick(["x", "people", "slips", '"Client Data"', "crm"])
        kinds = [self.pick(["text", "int", "date", "num"]) for _ in range(3)]
        inner, _ = self.select(kinds)
        columns = {f"w{n}": k for n, k in enumerate(kinds)}
        source = Source(name, name, columns, "w0")
        items = [self.expression([source], k, 1) for k in ("text", "any")]
        kept = self.pick(["", "", "MATERIALIZED ", "NOT MATERIALIZED "])
        where = f" WHERE {self.condition([source], 1)}" if self.chance(50) else ""
        return (f"WITH {name}({', '.join(columns)}) AS {kept}({inner}) SELECT {', '.join(items)} "
                f"FROM {name}{where}"), False

    def windowed(self):
        source = self.table()
        kind = self.pick(WINDOWS)
        # A key may be doubled by a join; one table has none.
        key = f"{source.name}.{source.key}"
        if "event" in source.text or "animal" in source.text:
            key = f"{source.name}.{source.key}, {source.name}::text"
        partition = f"PARTITION BY {self.expression([source], 'text', 1)} " if self.chance(40) else ""
        template = self.pick(WINDOWS[kind])
        window = template.format(p=partition, t=self.expression([source], "text", 1), k=key)
        where = f" WHERE {self.condition([source], 1)}" if self.chance(30) else ""
        return f"SELECT {key}, {window} FROM {source.text}{where}", False

    def copied(self):
        text, _ = self.select(self.kinds(2))
        options = self.pick(["", " (FORMAT csv)", " (FORMAT binary)", " (FORMAT csv, HEADER)"])
        return f"COPY ({text}) TO STDOUT{options}", False


# The order in which a column alias list counts, where it is not that of TABLES.
PHYSICAL = {name: list(TABLES[name]) for name in
            ("slips", "nodes", "logins", "accounts", "tickets", "crm.people", "products", "orders",
             "visits", "animals", "mail_list", "product_prices", "active_people", "people_contacts",
             "people_renamed", "ranked_people", "family")}


def text_items(text):
    """How many items the target list has: commas outside of brackets and quotes up to FROM."""
    depth, count, quoted, at = 0, 1, None, len("SELECT ")
    while at < len(text):
        letter = text[at]
        if quoted:
            quoted = None if letter == quoted else quoted
        elif letter in "'\"":
            quoted = letter
        elif letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        elif not depth and letter == ",":
            count += 1
        elif not depth and text.startswith(" FROM ", at):
            break
        at += 1
    return count
