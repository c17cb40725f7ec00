-- A database in the shape of TPC-H's, made here: the eight tables with the columns and the
-- cardinalities of its specification (and customer.c_email, for which there is a mask), values from
-- its domains where a query asks for them. The same rows on every run.
--
--     psql -v scale=0.1 -f data.sql
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;

CREATE SCHEMA tpch;
SET search_path = tpch;
CREATE TABLE region (r_regionkey int PRIMARY KEY, r_name char(25), r_comment varchar(152));
CREATE TABLE nation (n_nationkey int PRIMARY KEY, n_name char(25), n_regionkey int, n_comment varchar(152));
CREATE TABLE part (
    p_partkey int, p_name varchar(55), p_mfgr char(25), p_brand char(10), p_type varchar(25),
    p_size int, p_container char(10), p_retailprice numeric(15, 2), p_comment varchar(23));
CREATE TABLE supplier (
    s_suppkey int, s_name char(25), s_address varchar(40), s_nationkey int, s_phone char(15),
    s_acctbal numeric(15, 2), s_comment varchar(101));
CREATE TABLE partsupp (
    ps_partkey int, ps_suppkey int, ps_availqty int, ps_supplycost numeric(15, 2),
    ps_comment varchar(199));
CREATE TABLE customer (
    c_custkey int, c_name varchar(25), c_address varchar(40), c_nationkey int, c_phone char(15),
    c_acctbal numeric(15, 2), c_mktsegment char(10), c_comment varchar(117), c_email varchar(60));
CREATE TABLE orders (
    o_orderkey bigint, o_custkey int, o_orderstatus char(1), o_totalprice numeric(15, 2),
    o_orderdate date, o_orderpriority char(15), o_clerk char(15), o_shippriority int,
    o_comment varchar(79));
CREATE TABLE lineitem (
    l_orderkey bigint, l_partkey int, l_suppkey int, l_linenumber int, l_quantity numeric(15, 2),
    l_extendedprice numeric(15, 2), l_discount numeric(15, 2), l_tax numeric(15, 2),
    l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date,
    l_receiptdate date, l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44));

-- From 0 to bound - 1, by the row and what is drawn for it.
CREATE FUNCTION drawn(row_number bigint, what int, bound bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (hashint8extended(row_number, what) & 4611686018427387903) % bound;
CREATE FUNCTION word(row_number bigint, what int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (ARRAY['furiously', 'sly', 'careful', 'blithe', 'quick', 'fluffy', 'slow', 'quiet',
                  'ruthless', 'thin', 'close', 'dogged', 'daring', 'brave', 'stealthy', 'permanent',
                  'enticing', 'idle', 'busy', 'regular', 'final', 'ironic', 'even', 'bold', 'silent',
                  'deposits', 'requests', 'packages', 'accounts', 'instructions', 'foxes', 'ideas',
                  'theodolites', 'pinto beans', 'special', 'express', 'unusual', 'pending'
                 ])[1 + drawn(row_number, what, 38)];
CREATE FUNCTION words(row_number bigint, what int, how_many int) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT string_agg(word(row_number, what * 100 + i), ' ') FROM generate_series(1, how_many) i);
CREATE FUNCTION phone(row_number bigint, nation bigint) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (10 + nation) || '-' || 100 + drawn(row_number, 61, 900) || '-'
           || 100 + drawn(row_number, 62, 900) || '-' || 1000 + drawn(row_number, 63, 9000);
CREATE FUNCTION balance(row_number bigint) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (drawn(row_number, 64, 1099999) - 99999) / 100.0;

INSERT INTO region SELECT i - 1, name, words(i, 1, 8)
FROM unnest(ARRAY['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST']) WITH ORDINALITY AS r(name, i);
INSERT INTO nation SELECT i - 1, name, region, words(i, 2, 8)
FROM unnest(ARRAY['ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'EGYPT', 'ETHIOPIA', 'FRANCE', 'GERMANY',
                  'INDIA', 'INDONESIA', 'IRAN', 'IRAQ', 'JAPAN', 'JORDAN', 'KENYA', 'MOROCCO',
                  'MOZAMBIQUE', 'PERU', 'CHINA', 'ROMANIA', 'SAUDI ARABIA', 'VIETNAM', 'RUSSIA',
                  'UNITED KINGDOM', 'UNITED STATES'],
            ARRAY[0, 1, 1, 1, 4, 0, 3, 3, 2, 2, 4, 4, 2, 4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1])
     WITH ORDINALITY AS n(name, region, i);
INSERT INTO part
SELECT i, (SELECT string_agg((ARRAY['almond', 'azure', 'beige', 'blue', 'chocolate', 'coral', 'cream',
                                    'dim', 'forest', 'ghost', 'green', 'honeydew', 'ivory', 'khaki',
                                    'lime', 'maroon', 'navy', 'olive', 'peach', 'plum', 'red', 'rose',
                                    'sienna', 'tan', 'white'])[1 + drawn(i, 70 + n, 25)], ' ')
           FROM generate_series(1, 5) n),
       'Manufacturer#' || 1 + drawn(i, 1, 5),
       'Brand#' || 1 + drawn(i, 1, 5) || 1 + drawn(i, 2, 5),
       (ARRAY['STANDARD', 'SMALL', 'MEDIUM', 'LARGE', 'ECONOMY', 'PROMO'])[1 + drawn(i, 3, 6)] || ' ' ||
       (ARRAY['ANODIZED', 'BURNISHED', 'PLATED', 'POLISHED', 'BRUSHED'])[1 + drawn(i, 4, 5)] || ' ' ||
       (ARRAY['TIN', 'NICKEL', 'BRASS', 'STEEL', 'COPPER'])[1 + drawn(i, 5, 5)],
       1 + drawn(i, 6, 50),
       (ARRAY['SM', 'LG', 'MED', 'JUMBO', 'WRAP'])[1 + drawn(i, 7, 5)] || ' ' ||
       (ARRAY['CASE', 'BOX', 'BAG', 'JAR', 'PKG', 'PACK', 'CAN', 'DRUM'])[1 + drawn(i, 8, 8)],
       (90000 + (i / 10) % 20001 + 100 * (i % 1000)) / 100.0, left(words(i, 9, 2), 23)
FROM generate_series(1, (200000 * :scale)::bigint) i;
INSERT INTO supplier
SELECT i, 'Supplier#' || lpad(i::text, 9, '0'), left(words(i, 11, 3), 40), drawn(i, 12, 25),
       phone(i, drawn(i, 12, 25)), balance(i),
       left(CASE WHEN i % 199 = 0 THEN 'Customer ' || word(i, 13) || ' Complaints ' ELSE '' END
            || words(i, 14, 8), 101)
FROM generate_series(1, (10000 * :scale)::bigint) i;
INSERT INTO partsupp
SELECT p, 1 + (p + n * ((10000 * :scale)::bigint / 4 + (p - 1) / (10000 * :scale)::bigint))
              % (10000 * :scale)::bigint,
       1 + drawn(p * 4 + n, 21, 9999), (100 + drawn(p * 4 + n, 22, 99901)) / 100.0,
       left(words(p * 4 + n, 23, 12), 199)
FROM generate_series(1, (200000 * :scale)::bigint) p, generate_series(0, 3) n;
INSERT INTO customer
SELECT i, 'Customer#' || lpad(i::text, 9, '0'), left(words(i, 31, 3), 40), drawn(i, 32, 25),
       phone(i, drawn(i, 32, 25)), balance(i),
       (ARRAY['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'MACHINERY', 'HOUSEHOLD'])[1 + drawn(i, 33, 5)],
       left(words(i, 34, 10), 117),
       word(i, 35) || '.' || i || '@' || replace(word(i, 36), ' ', '-') || '.example'
FROM generate_series(1, (150000 * :scale)::bigint) i;
-- A third of the customers never order; a fifth of the orders are open.
INSERT INTO orders
SELECT i, 1 + 3 * drawn(i, 41, (50000 * :scale)::bigint) + drawn(i, 42, 2), 'O', 0,
       date '1992-01-01' + drawn(i, 43, 2406)::int,
       (ARRAY['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'])[1 + drawn(i, 44, 5)],
       'Clerk#' || lpad((1 + drawn(i, 45, greatest((1000 * :scale)::bigint, 1)))::text, 9, '0'), 0,
       left(CASE WHEN i % 83 = 0 THEN 'special ' || word(i, 46) || ' requests ' ELSE '' END
            || words(i, 47, 6), 79)
FROM generate_series(1, (1500000 * :scale)::bigint) i;
INSERT INTO lineitem
SELECT o.o_orderkey, part, 1 + (part + drawn(line, 52, 4) * ((10000 * :scale)::bigint / 4
                                + (part - 1) / (10000 * :scale)::bigint)) % (10000 * :scale)::bigint,
       n, quantity, quantity * (90000 + (part / 10) % 20001 + 100 * (part % 1000)) / 100.0,
       drawn(line, 54, 11) / 100.0, drawn(line, 55, 9) / 100.0,
       CASE WHEN received <= '1995-06-17' THEN CASE drawn(line, 58, 2) WHEN 0 THEN 'R' ELSE 'A' END
            ELSE 'N' END,
       CASE WHEN shipped > '1995-06-17' THEN 'O' ELSE 'F' END,
       shipped, o.o_orderdate + 30 + drawn(line, 57, 61)::int, received,
       (ARRAY['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'])[1 + drawn(line, 59, 4)],
       (ARRAY['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'])[1 + drawn(line, 60, 7)],
       left(words(line, 56, 4), 44)
FROM orders o
CROSS JOIN LATERAL generate_series(1, 1 + drawn(o.o_orderkey, 48, 7)) n
CROSS JOIN LATERAL (SELECT o.o_orderkey * 8 + n AS line) a
CROSS JOIN LATERAL (SELECT 1 + drawn(line, 51, (200000 * :scale)::bigint) AS part,
                           1 + drawn(line, 53, 50) AS quantity,
                           o.o_orderdate + 1 + drawn(line, 49, 121)::int AS shipped) b
CROSS JOIN LATERAL (SELECT shipped + 1 + drawn(line, 50, 30)::int AS received) c;
UPDATE orders SET o_totalprice = l.total,
    o_orderstatus = CASE l.open WHEN 0 THEN 'F' WHEN l.lines THEN 'O' ELSE 'P' END
FROM (SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS total,
             count(*) AS lines, count(*) FILTER (WHERE l_linestatus = 'O') AS open
      FROM lineitem GROUP BY l_orderkey) l
WHERE l.l_orderkey = o_orderkey;

ALTER TABLE part ADD PRIMARY KEY (p_partkey);
ALTER TABLE supplier ADD PRIMARY KEY (s_suppkey);
ALTER TABLE partsupp ADD PRIMARY KEY (ps_partkey, ps_suppkey);
ALTER TABLE customer ADD PRIMARY KEY (c_custkey);
ALTER TABLE orders ADD PRIMARY KEY (o_orderkey);
ALTER TABLE lineitem ADD PRIMARY KEY (l_orderkey, l_linenumber);
CREATE INDEX ON partsupp (ps_suppkey);
CREATE INDEX ON orders (o_custkey);
CREATE INDEX ON orders (o_orderdate);
CREATE INDEX ON lineitem (l_partkey, l_suppkey);
CREATE INDEX ON lineitem (l_shipdate);
DROP FUNCTION drawn, word, words, phone, balance;

CREATE ROLE reader LOGIN;
GRANT USAGE ON SCHEMA tpch TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA tpch TO reader;
