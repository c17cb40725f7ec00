"""What masking costs the planner: nothing where a mask is not read. The plan of a statement through
vitrine has the nodes, the indexes and the index conditions of the plan that PostgreSQL makes of the
same text on the unmasked tables.

The exceptions are in OTHERWISE, each with its reason.
"""

import json
import re
import unittest

from environment import DATABASE, HERE, shared

RULES = """
    - columns: [plans.people.email]
      mask: email
    - columns: [plans.people.phone, plans.orders.card]
      mask: {partial: {keep_start: 0, keep_end: 4, with: "*"}}
    - columns: [plans.people.ssn]
      mask: hash
    - columns: [plans.people.notes, plans.events.payload]
      mask: {constant: "[removed]"}
    - columns: [plans.people.salary]
      mask: {round: 10000}
    - columns: [plans.orders.remark]
      mask: "null"
"""

# Under the server's own settings. Each reads at least one relation with masks.
PLAIN = [
    # =, <, IN, ranges; all columns, and masked ones beside
    "SELECT * FROM plans.people WHERE id = 4711",
    "SELECT email, phone, ssn, notes, salary FROM plans.people WHERE code = 'C0004711'",
    "SELECT email FROM plans.people WHERE id IN (1, 20, 300, 4000)",
    "SELECT email FROM plans.people WHERE id = ANY (ARRAY[1, 20, 300]::bigint[])",
    "SELECT email FROM plans.people WHERE id < 50",
    "SELECT phone FROM plans.people WHERE id BETWEEN 100 AND 120",
    "SELECT phone FROM plans.people WHERE born = date '1975-05-05'",
    "SELECT phone FROM plans.people WHERE born >= '1975-05-05' AND born < '1975-05-08'",
    "SELECT ssn FROM plans.people WHERE (country, city) = ('K5', 'city 45')",
    "SELECT ssn FROM plans.people p WHERE p.country = 'K5' AND p.city > 'city 98'",
    "SELECT email FROM plans.people WHERE (id, code) > (59990, '')",
    "SELECT email FROM plans.people WHERE id = (SELECT max(person_id) FROM plans.orders "
    "WHERE id < 100)",
    # kinds of index: pattern, partial, expression, GIN, GiST, hash
    "SELECT email FROM plans.people WHERE code LIKE 'C00012%'",
    "SELECT email FROM plans.people WHERE code ~ '^C00012'",
    "SELECT email FROM plans.people WHERE status = 7 AND id < 2000",
    "SELECT email FROM plans.people WHERE lower(city) = 'city 44'",
    "SELECT email FROM plans.people WHERE tags @> '{\"tag\": 77}'",
    "SELECT email FROM plans.people WHERE span && int4range(500, 510)",
    "SELECT email FROM plans.people WHERE city = 'city 45'",
    # combined
    "SELECT email FROM plans.people WHERE id = 5 OR code = 'C0000077'",
    "SELECT email FROM plans.people WHERE id < 100 OR born = '1960-01-01' OR code = 'C0000099'",
    "SELECT ssn FROM plans.people WHERE tags @> '{\"tag\": 7}' AND city = 'city 45'",
    "SELECT ssn FROM plans.people WHERE NOT (id <> 77)",
    # order and limit
    "SELECT email FROM plans.people ORDER BY id LIMIT 10",
    "SELECT email FROM plans.people ORDER BY id DESC LIMIT 10 OFFSET 20",
    "SELECT email FROM plans.people WHERE born > '1990-01-01' ORDER BY born, id LIMIT 5",
    "SELECT card FROM ONLY plans.orders ORDER BY placed DESC, id LIMIT 7",
    "SELECT card FROM ONLY plans.orders ORDER BY placed, id DESC LIMIT 7",
    "SELECT card FROM plans.orders ORDER BY id FETCH FIRST 3 ROWS ONLY",
    "SELECT DISTINCT ON (id) id, email FROM plans.people ORDER BY id LIMIT 5",
    # the index alone
    "SELECT id FROM plans.people WHERE id BETWEEN 100 AND 5000",
    "SELECT count(*) FROM plans.people WHERE born < '1941-01-01'",
    "SELECT born, status FROM plans.people WHERE born < '1940-06-01'",
    "SELECT country, city, count(*) FROM plans.people WHERE country = 'K5' GROUP BY 1, 2",
    "SELECT min(id), max(id) FROM plans.people",
    "SELECT max(born) FROM plans.people WHERE born < '1990-01-01'",
    "SELECT min(placed) FROM ONLY plans.orders",
    "SELECT (SELECT max(id) FROM plans.orders), (SELECT min(code) FROM plans.people)",
    # groups and windows by a key
    "SELECT id, count(*) FROM plans.people WHERE id < 1000 GROUP BY id HAVING count(*) > 0",
    "SELECT id, row_number() OVER (ORDER BY id) FROM plans.people WHERE id < 100",
    "SELECT person_id, count(*) FROM ONLY plans.orders WHERE person_id < 50 GROUP BY person_id",
    # joins on keys
    "SELECT p.email, o.card FROM plans.people p JOIN ONLY plans.orders o ON o.person_id = p.id "
    "WHERE p.id = 77",
    "SELECT p.email, o.card FROM plans.people p JOIN plans.orders o ON o.person_id = p.id "
    "WHERE p.id = 77",
    "SELECT p.email, o.card FROM plans.people p LEFT JOIN plans.orders o ON o.person_id = p.id "
    "WHERE p.id < 20",
    "SELECT o.card, p.email FROM ONLY plans.orders o LEFT JOIN plans.people p ON p.id = o.person_id "
    "WHERE o.id BETWEEN 10 AND 30",
    "SELECT p.ssn, o.id FROM plans.people p FULL JOIN ONLY plans.orders o ON o.person_id = p.id",
    "SELECT a.email, b.email FROM plans.people a JOIN plans.people b USING (id) WHERE a.id < 9",
    "SELECT a.email FROM plans.people a NATURAL JOIN (SELECT id FROM plans.people) b "
    "WHERE b.id = 12",
    "SELECT count(*) FROM plans.people p JOIN ONLY plans.orders o ON o.person_id = p.id",
    "SELECT p.country, sum(o.total) FROM plans.people p JOIN ONLY plans.orders o "
    "ON o.person_id = p.id WHERE o.placed = '2021-03-03' GROUP BY p.country ORDER BY 2 DESC",
    "SELECT p.notes, p.salary, p.phone FROM ONLY plans.orders o LEFT JOIN plans.people p "
    "ON p.id = o.person_id WHERE o.id < 50",
    "SELECT p.notes FROM plans.people p RIGHT JOIN ONLY plans.orders o ON p.id = o.person_id "
    "WHERE o.id < 50",
    # a join that nothing reads is not made
    "SELECT o.card FROM ONLY plans.orders o LEFT JOIN plans.people p ON p.id = o.person_id "
    "WHERE o.id < 50",
    # subqueries
    "SELECT email FROM plans.people p WHERE EXISTS (SELECT 1 FROM ONLY plans.orders o "
    "WHERE o.person_id = p.id AND o.placed = '2021-03-03')",
    "SELECT email FROM plans.people p WHERE NOT EXISTS (SELECT card FROM ONLY plans.orders o "
    "WHERE o.person_id = p.id) AND p.id < 500",
    "SELECT email FROM plans.people WHERE id IN (SELECT person_id FROM ONLY plans.orders "
    "WHERE id < 30)",
    "SELECT id, (SELECT count(*) FROM plans.orders o WHERE o.person_id = p.id) FROM plans.people p "
    "WHERE p.id < 10",
    "SELECT id, (SELECT o.card FROM ONLY plans.orders o WHERE o.person_id = p.id ORDER BY o.id "
    "LIMIT 1) FROM plans.people p WHERE p.id < 10",
    "SELECT p.email, l.card FROM plans.people p CROSS JOIN LATERAL (SELECT o.card FROM ONLY "
    "plans.orders o WHERE o.person_id = p.id ORDER BY o.id LIMIT 2) l WHERE p.id < 10",
    "SELECT p.email, l.n FROM plans.people p, LATERAL (SELECT count(*) AS n FROM plans.events e "
    "WHERE e.person_id = p.id) l WHERE p.id < 4",
    "SELECT s.email FROM (SELECT id, email FROM plans.people) s WHERE s.id = 5",
    "WITH w AS (SELECT id, email FROM plans.people) SELECT email FROM w WHERE id = 5",
    "WITH w AS MATERIALIZED (SELECT id, email FROM plans.people WHERE id < 9) SELECT * FROM w",
    "SELECT email FROM plans.people WHERE id = 1 UNION ALL SELECT card FROM ONLY plans.orders "
    "WHERE id = 2",
    "SELECT * FROM (SELECT id, email FROM plans.people UNION ALL SELECT id, card FROM ONLY "
    "plans.orders) u WHERE id = 9",
    "SELECT id FROM ONLY plans.orders o WHERE id < 50 AND EXISTS (SELECT 1 FROM plans.people p "
    "WHERE p.id = o.person_id AND p.email LIKE '%1.org')",
    "SELECT id FROM ONLY plans.orders WHERE id < 50 AND person_id NOT IN (SELECT id FROM "
    "plans.people WHERE id < 100 AND phone LIKE '%9')",
    "WITH RECURSIVE r AS (SELECT 3::bigint AS id UNION ALL SELECT r.id * 2 FROM r "
    "JOIN plans.people p ON p.id = r.id) SELECT r.id, p.email FROM r JOIN plans.people p USING (id)",
    # partitions, inheritance
    "SELECT payload FROM plans.events WHERE at = '2024-05-05' AND id < 1000",
    "SELECT payload FROM plans.events WHERE at >= '2024-08-01' AND at < '2024-08-03'",
    "SELECT count(*) FROM plans.events WHERE at < '2024-02-01'",
    "SELECT payload FROM plans.events ORDER BY at, id LIMIT 5",
    "SELECT payload FROM plans.events WHERE person_id = 5",
    "SELECT payload FROM plans.events_2 WHERE at = '2024-05-05'",
    "SELECT max(at) FROM plans.events",
    "SELECT p.email, e.payload FROM plans.events e JOIN plans.people p ON p.id = e.person_id "
    "WHERE e.at = '2024-05-05' AND e.id < 5000",
    "SELECT card FROM plans.orders WHERE id = 200007",
    # views
    "SELECT * FROM plans.contacts WHERE id = 5",
    "SELECT email FROM plans.contacts WHERE code LIKE 'C00012%'",
    "SELECT * FROM plans.baskets WHERE id = 5",
    "SELECT count(*) FROM plans.baskets WHERE order_id < 100",
    # places, samples, cursors and prepared statements
    "SELECT email FROM plans.people WHERE ctid = '(0,1)'",
    "SELECT email FROM plans.people TABLESAMPLE system (5) REPEATABLE (1) WHERE id < 1000",
    "SELECT p FROM plans.people p WHERE id = 5",
    "SELECT tableoid, ctid, email FROM plans.people WHERE id = 5",
    "DECLARE c CURSOR FOR SELECT email FROM plans.people ORDER BY id",
    # a masked column in what is read from the index's rows
    "SELECT email FROM plans.people WHERE id < 50 AND email LIKE '%example1%'",
    "SELECT upper(email), length(phone) FROM plans.people WHERE id = 7",
    "SELECT ssn, count(*) FROM plans.people WHERE id < 50 GROUP BY ssn",
    "SELECT email FROM plans.people WHERE id < 50 ORDER BY email",
    "SELECT a.id FROM plans.people a WHERE a.id < 9 AND a.email IS NOT NULL",
]

# Where a parallel plan is the cheapest: no mask may keep the planner from one.
PARALLEL_SETTINGS = ("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
                     "SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0; "
                     "SET max_parallel_workers_per_gather = 2;")
PARALLEL = [
    "SELECT count(*) FROM plans.people WHERE status = 3",
    "SELECT max(email), max(phone), max(ssn), max(notes), sum(salary) FROM plans.people",
    "SELECT country, min(ssn) FROM plans.people GROUP BY country",
    "SELECT ssn FROM plans.people WHERE status = 3 AND ssn > 'h_8'",
    "SELECT count(o.remark), max(o.card) FROM ONLY plans.orders o "
    "JOIN plans.people p ON p.id = o.person_id WHERE p.status = 3",
    "SELECT count(*), max(payload) FROM plans.events",
    "SELECT count(email) FROM plans.people WHERE id < 30000",
]

PREPARED = ("PREPARE one (bigint) AS SELECT email FROM plans.people WHERE id = $1;"
            "PREPARE days (date, date) AS SELECT payload FROM plans.events WHERE at BETWEEN $1 AND $2;")
EXECUTED = ["EXECUTE one (5)", "EXECUTE days ('2024-05-05', '2024-05-07')"]

# Not the same, and why; with what the other plan has.
OTHERWISE = [
    # What is compared or sorted is the mask, and the index holds the values: by it, rows would be
    # found and ordered as the masked copy does not have them.
    ("SELECT id FROM plans.people WHERE email = 'person.5@example5.org'", "people_email"),
    ("SELECT id FROM plans.people ORDER BY email LIMIT 3", "people_email"),
    # The planner leaves out of GROUP BY what hangs on the primary key where it is a plain column,
    # and groups by the order of the index; a mask is an expression and stays.
    ("SELECT id, email, count(*) FROM plans.people WHERE id < 100 GROUP BY id, email", "Sorted"),
    # Beyond a security barrier PostgreSQL takes leakproof conditions; vitrine holds the view's
    # definition together with OFFSET 0, and takes none.
    ("SELECT email FROM plans.barred WHERE id = 5", "people_pkey"),
]

COMPARED = ("Node Type", "Relation Name", "Index Name", "Scan Direction", "Join Type", "Strategy",
            "Partial Mode", "Parallel Aware", "Index Cond", "Subplans Removed", "Command",
            "Parent Relationship")


def without_constants(sql):
    """A constant takes nothing of a row but its first column, the key in these tables: the plan is
    that of a statement which reads this one, from the index alone where that is enough."""
    return re.sub(r"\b(payload|notes)\b", "id", sql)


def outline(plan):
    """What is compared of a plan, as lines."""
    lines = []

    def add(node, depth):
        children = node.get("Plans", ())
        if node["Node Type"] == "Result" and len(children) == 1 and "One-Time Filter" not in node:
            # An Append gives what its children give: what is computed of that, a mask or upper(),
            # is computed in a node above it.
            child = dict(children[0])
            child.pop("Parent Relationship", None)
            if "Parent Relationship" in node:
                child["Parent Relationship"] = node["Parent Relationship"]
            return add(child, depth)
        told = ", ".join(str(node[key]) for key in COMPARED if key in node and node[key] is not False)
        # EXPLAIN qualifies columns by the names that the relations have in the text that is run.
        lines.append("  " * depth + re.sub(r"\b[a-z_0-9]+\.(?=[a-z_])", "", told))
        for child in children:
            add(child, depth + 1)

    add(plan, 0)
    return lines


def indexes(plan):
    names = {plan["Index Name"]} if "Index Name" in plan else set()
    return names.union(*(indexes(child) for child in plan.get("Plans", ())))


def plans(psql, statements, settings=""):
    """By statement, its plan."""
    script = settings + "\n" + "".join(
        f"EXPLAIN (COSTS OFF, FORMAT JSON) {sql};\n\\echo @@\n" for sql in statements)
    done = psql("-AtqX", "-v", "ON_ERROR_STOP=1", stdin=script)
    answers = done.stdout.split("@@\n")
    if done.returncode != 0 or len(answers) != len(statements) + 1:
        raise AssertionError(done.stdout[-2000:])
    found = {}
    for sql, answer in zip(statements, answers):
        found[sql] = json.loads(answer[answer.index("[\n"):])[0]["Plan"]
    return found


class Plans(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.environment = shared()
        cls.environment.database.load(HERE / "plans.sql", DATABASE)
        cls.proxy = cls.environment.another("plans", rules=RULES)

    @classmethod
    def tearDownClass(cls):
        cls.proxy.stop()
        cls.environment.sql("SET client_min_messages = warning; DROP SCHEMA IF EXISTS plans CASCADE")

    def through(self, *arguments, stdin):
        return self.proxy.psql(*arguments, stdin=stdin, env={"PGOPTIONS": ""})

    def direct(self, *arguments, stdin):
        return self.environment.direct_psql(*arguments, stdin=stdin)

    def check(self, statements, settings="", to_direct=lambda sql: sql):
        masked = plans(self.through, statements, settings)
        unmasked = plans(self.direct, [to_direct(sql) for sql in statements], to_direct(settings))
        for sql in statements:
            with self.subTest(sql=sql):
                self.assertEqual(outline(masked[sql]), outline(unmasked[to_direct(sql)]))
        return masked

    def test_plans(self):
        found = self.check(PLAIN, to_direct=without_constants)
        # The list would show nothing if PostgreSQL chose no index for it.
        used = set().union(*(indexes(plan) for plan in found.values()))
        for name in ("people_pkey", "people_code_key", "people_code_pattern", "people_place",
                     "people_born", "people_seven", "people_lower_city", "people_tags",
                     "people_span", "orders_pkey", "orders_person", "orders_placed",
                     "events_2_pkey", "events_2_person_id_idx", "old_orders_id"):
            self.assertIn(name, used)
        kinds = {line.strip().split(",")[0] for plan in found.values() for line in outline(plan)}
        for kind in ("Index Scan", "Index Only Scan", "Bitmap Heap Scan", "BitmapOr", "BitmapAnd",
                     "Tid Scan", "Nested Loop"):
            self.assertIn(kind, kinds)

    def test_parallel(self):
        for sql, plan in self.check(PARALLEL, PARALLEL_SETTINGS).items():
            with self.subTest(sql=sql):
                self.assertTrue(any("Gather" in line for line in outline(plan)), outline(plan))

    def test_parallel_answers(self):
        """The workers of a parallel plan have the key of the masks too."""
        def answers(settings):
            done = self.proxy.psql("-AtqX", "-v", "ON_ERROR_STOP=1", stdin=settings + "".join(
                f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM ({sql}) t;"
                for sql in PARALLEL))
            self.assertEqual(done.returncode, 0, done.stdout)
            return [line for line in done.stdout.splitlines() if "NOTICE" not in line]
        self.assertEqual(answers(PARALLEL_SETTINGS + "SET parallel_leader_participation = off;"),
                         answers("SET max_parallel_workers_per_gather = 0;"))

    def test_prepared(self):
        for mode in ("force_custom_plan", "force_generic_plan"):
            self.check(EXECUTED, f"SET plan_cache_mode = {mode}; {PREPARED}", without_constants)

    def test_otherwise(self):
        statements = [sql for sql, _ in OTHERWISE]
        masked = plans(self.through, statements)
        unmasked = plans(self.direct, statements)
        for sql, direct_has in OTHERWISE:
            with self.subTest(sql=sql):
                self.assertIn(direct_has, "\n".join(outline(unmasked[sql])))
                self.assertNotIn(direct_has, "\n".join(outline(masked[sql])))


if __name__ == "__main__":
    unittest.main()
