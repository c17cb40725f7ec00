-- What a DBA would write to get the masks of tpch.py without vitrine: a view of the same name for
-- each table, in a schema that comes first on the path. The key is a setting here too.
\set ON_ERROR_STOP on
CREATE SCHEMA by_hand;
SET search_path = by_hand;
CREATE VIEW region AS SELECT * FROM tpch.region;
CREATE VIEW nation AS SELECT * FROM tpch.nation;
CREATE VIEW part AS SELECT * FROM tpch.part;
CREATE VIEW partsupp AS
    SELECT ps_partkey, ps_suppkey, ps_availqty, ps_supplycost, NULL::varchar(199) AS ps_comment
    FROM tpch.partsupp;
CREATE VIEW supplier AS
    SELECT s_suppkey,
           (left(s_name::text, 9) || repeat('*', length(s_name) - 11) || right(s_name::text, 2))::char(25)
               AS s_name,
           '[removed]'::varchar(40) AS s_address, s_nationkey,
           (left(s_phone::text, 2) || repeat('*', length(s_phone) - 2))::char(15) AS s_phone,
           (floor(s_acctbal / 100) * 100)::numeric(15, 2) AS s_acctbal,
           '[removed]'::varchar(101) AS s_comment
    FROM tpch.supplier;
CREATE VIEW customer AS
    SELECT c_custkey,
           ('h_' || left(encode(sha256(convert_to(current_setting('vitrine.mask_key') || c_name,
                                                  'UTF8')), 'hex'), 16))::varchar(25) AS c_name,
           '[removed]'::varchar(40) AS c_address, c_nationkey,
           (left(c_phone::text, 2) || repeat('*', length(c_phone) - 2))::char(15) AS c_phone,
           (floor(c_acctbal / 100) * 100)::numeric(15, 2) AS c_acctbal, c_mktsegment,
           NULL::varchar(117) AS c_comment,
           ('****@' || split_part(c_email, '@', 2))::varchar(60) AS c_email
    FROM tpch.customer;
CREATE VIEW orders AS
    SELECT o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority,
           ('h_' || left(encode(sha256(convert_to(current_setting('vitrine.mask_key') || o_clerk,
                                                  'UTF8')), 'hex'), 16))::char(15) AS o_clerk,
           o_shippriority, '[removed]'::varchar(79) AS o_comment
    FROM tpch.orders;
CREATE VIEW lineitem AS
    SELECT l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount,
           l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct,
           l_shipmode, NULL::varchar(44) AS l_comment
    FROM tpch.lineitem;
GRANT USAGE ON SCHEMA by_hand TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA by_hand TO reader;
