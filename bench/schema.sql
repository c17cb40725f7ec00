-- What the judge is measured on: pgbench's tables, a shop with three masked relations, two hundred
-- tables beside them.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE EXTENSION pg_trgm;
CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE EXTENSION pgcrypto;

CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88));
CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84));
CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp,
                              filler char(22));

CREATE SCHEMA shop;
CREATE TABLE shop.regions (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE shop.countries (id int PRIMARY KEY, region_id int REFERENCES shop.regions, name text);
CREATE TABLE shop.stores (id int PRIMARY KEY, country_id int REFERENCES shop.countries, city text);
CREATE TABLE shop.customers (
    id bigint PRIMARY KEY, country_id int REFERENCES shop.countries, name text NOT NULL,
    email text, phone text, segment text, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE shop.orders (
    id bigint PRIMARY KEY, customer_id bigint REFERENCES shop.customers,
    store_id int REFERENCES shop.stores, status text NOT NULL,
    placed_at timestamptz NOT NULL, total numeric(12, 2) NOT NULL);
CREATE TABLE shop.order_lines (
    order_id bigint REFERENCES shop.orders, line int, product_id int, quantity int NOT NULL,
    price numeric(12, 2) NOT NULL, discount numeric(4, 2) NOT NULL DEFAULT 0,
    shipped_on date, PRIMARY KEY (order_id, line));
CREATE TABLE shop.people (id bigint PRIMARY KEY, name text, email text, phone text, born_on date);
CREATE TABLE shop.cards (id bigint PRIMARY KEY, person_id bigint, number text, holder text);
CREATE TABLE shop.tickets (id bigint PRIMARY KEY, person_id bigint, body text, opened_at timestamptz);

SELECT format('CREATE TABLE shop.metric_%s (id bigint PRIMARY KEY, at timestamptz, source text, '
              'value double precision, attributes jsonb, tags text[], note varchar(200))', n)
FROM generate_series(1, 200) AS n \gexec
