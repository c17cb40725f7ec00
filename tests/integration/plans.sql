-- What plans are compared on (test_plans.py): large enough that PostgreSQL chooses indexes, the same
-- rows on every run. What is masked there is named in test_plans.py.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET log_statement = none;

CREATE SCHEMA plans;
CREATE TABLE plans.people (
    id bigint PRIMARY KEY, code text NOT NULL UNIQUE, country text NOT NULL, city text NOT NULL,
    born date NOT NULL, status smallint NOT NULL, tags jsonb NOT NULL, span int4range NOT NULL,
    email text, phone varchar(20), ssn text, notes text, salary integer);
INSERT INTO plans.people
SELECT i, 'C' || lpad(i::text, 7, '0'), 'K' || i % 40, 'city ' || i % 977,
       date '1940-01-01' + i % 25000, i % 97, jsonb_build_object('tag', i % 1500),
       int4range(i, i + 3), 'person.' || i || '@example' || i % 13 || '.org',
       '+49' || 1000000 + i, 'S' || i * 7, 'note ' || i, 20000 + i % 5000
FROM generate_series(1, 60000) AS i;
CREATE INDEX people_code_pattern ON plans.people (code text_pattern_ops);
CREATE INDEX people_email ON plans.people (email);
CREATE INDEX people_place ON plans.people (country, city);
CREATE INDEX people_born ON plans.people (born) INCLUDE (status);
CREATE INDEX people_seven ON plans.people (id) WHERE status = 7;
CREATE INDEX people_lower_city ON plans.people (lower(city));
CREATE INDEX people_tags ON plans.people USING gin (tags);
CREATE INDEX people_span ON plans.people USING gist (span);
CREATE INDEX people_status_hash ON plans.people USING hash (city);

CREATE TABLE plans.orders (
    id bigint PRIMARY KEY, person_id bigint NOT NULL REFERENCES plans.people, placed date NOT NULL,
    total numeric(10, 2) NOT NULL, remark text, card text);
INSERT INTO plans.orders
SELECT i, 1 + i * 7919::bigint % 60000, date '2020-01-01' + i % 1500, (i % 10000) / 7.0,
       'remark ' || i, '4000' || lpad(i::text, 12, '0')
FROM generate_series(1, 120000) AS i;
CREATE INDEX orders_person ON plans.orders (person_id);
CREATE INDEX orders_placed ON plans.orders (placed DESC, id);

CREATE TABLE plans.events (
    id bigint NOT NULL, at date NOT NULL, person_id bigint NOT NULL, payload text,
    PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE plans.events_1 PARTITION OF plans.events FOR VALUES FROM ('2024-01-01') TO ('2024-04-01');
CREATE TABLE plans.events_2 PARTITION OF plans.events FOR VALUES FROM ('2024-04-01') TO ('2024-07-01');
CREATE TABLE plans.events_3 PARTITION OF plans.events FOR VALUES FROM ('2024-07-01') TO ('2024-10-01');
CREATE TABLE plans.events_4 PARTITION OF plans.events FOR VALUES FROM ('2024-10-01') TO ('2025-01-01');
CREATE INDEX events_person ON plans.events (person_id);
INSERT INTO plans.events
SELECT i, date '2024-01-01' + i % 366, 1 + i * 13::bigint % 60000, 'payload ' || i
FROM generate_series(1, 80000) AS i;

CREATE TABLE plans.old_orders () INHERITS (plans.orders);
INSERT INTO plans.old_orders
SELECT 200000 + i, 1 + i % 60000, date '2010-01-01' + i % 900, i, 'old ' || i, '5000' || i
FROM generate_series(1, 20000) AS i;
CREATE INDEX old_orders_id ON plans.old_orders (id);
CREATE INDEX old_orders_person ON plans.old_orders (person_id);

CREATE VIEW plans.contacts AS SELECT id, code, country, email, phone FROM plans.people;
CREATE VIEW plans.barred WITH (security_barrier) AS SELECT * FROM plans.people;
CREATE VIEW plans.baskets AS
    SELECT p.id, p.email, o.id AS order_id, o.total, o.remark
    FROM plans.people p JOIN plans.orders o ON o.person_id = p.id;

GRANT USAGE ON SCHEMA plans TO vitrine_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA plans TO vitrine_reader;
-- The visibility map, for scans of the index alone.
VACUUM ANALYZE plans.people, plans.orders, plans.old_orders, plans.events;
