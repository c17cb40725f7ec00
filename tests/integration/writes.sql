-- What the attacks of writes.txt call, read and shadow: each object here writes, or would, when a
-- statement that looks like a read touches it. Loaded after schema.sql and library.sql, by a
-- superuser, into a server that is thrown away.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE EXTENSION adminpack;
CREATE EXTENSION amcheck;
CREATE EXTENSION autoinc;
CREATE EXTENSION cube;
CREATE EXTENSION dblink;
CREATE EXTENSION earthdistance;
CREATE EXTENSION file_fdw;
CREATE EXTENSION isn;
CREATE EXTENSION lo;
CREATE EXTENSION old_snapshot;
CREATE EXTENSION pageinspect;
CREATE EXTENSION pg_buffercache;
CREATE EXTENSION pg_freespacemap;
CREATE EXTENSION pg_prewarm;
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION pg_surgery;
CREATE EXTENSION pg_visibility;
CREATE EXTENSION pg_walinspect;
CREATE EXTENSION pgrowlocks;
CREATE EXTENSION pgstattuple;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION sslinfo;
CREATE EXTENSION xml2;

CREATE SCHEMA trap;
CREATE TABLE trap.written (what text);
CREATE TABLE trap.plain (id integer PRIMARY KEY, name text);
INSERT INTO trap.plain SELECT n, 'name ' || n FROM generate_series(1, 5) n;
CREATE SEQUENCE trap.counter;
SELECT nextval('trap.counter') \g /dev/null
SELECT lo_from_bytea(4242, 'large') \g /dev/null

-- --- functions ------------------------------------------------------------------------------

CREATE FUNCTION trap.write(what text) RETURNS integer LANGUAGE sql VOLATILE
    AS 'INSERT INTO trap.written VALUES ($1) RETURNING 1';
CREATE FUNCTION trap.write() RETURNS integer LANGUAGE sql VOLATILE AS 'SELECT trap.write(''none'')';
CREATE FUNCTION trap.stable(what text) RETURNS integer LANGUAGE plpgsql STABLE
    AS 'BEGIN RETURN (SELECT trap.write(what)); END';
CREATE FUNCTION trap.immutable(what text) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN (SELECT trap.write(what)); END';
CREATE FUNCTION trap.definer(what text) RETURNS integer LANGUAGE plpgsql STABLE SECURITY DEFINER
    AS 'BEGIN RETURN (SELECT trap.write(what)); END';
CREATE FUNCTION trap.leakproof(what text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE COST 1
    AS 'BEGIN RETURN (SELECT trap.write(what)) = 1; END';
CREATE FUNCTION trap.standard(what text) RETURNS integer LANGUAGE sql
    BEGIN ATOMIC SELECT trap.write(what); END;
CREATE FUNCTION trap.by_default(what integer DEFAULT trap.write('default')) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION trap.many(VARIADIC what text[]) RETURNS integer LANGUAGE plpgsql STABLE
    AS 'BEGIN RETURN trap.write(what[1]); END';
CREATE FUNCTION trap.polymorphic(anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE
    AS 'BEGIN PERFORM trap.write($1::text); RETURN $1; END';
CREATE FUNCTION trap.named(what text, times integer DEFAULT 1) RETURNS integer
    LANGUAGE plpgsql STABLE AS 'BEGIN RETURN trap.write(what); END';
CREATE FUNCTION trap.outs(OUT a integer, OUT b integer) LANGUAGE plpgsql STABLE
    AS 'BEGIN a := trap.write(''outs''); b := 2; END';
CREATE FUNCTION trap.rows(n integer) RETURNS SETOF integer LANGUAGE plpgsql STABLE
    AS 'BEGIN RETURN QUERY SELECT trap.write(''rows'') FROM generate_series(1, n); END';
CREATE FUNCTION trap.records() RETURNS SETOF record LANGUAGE plpgsql STABLE
    AS 'BEGIN RETURN QUERY SELECT trap.write(''records''), 2; END';
CREATE FUNCTION trap."Quoted Name"(text) RETURNS integer LANGUAGE sql AS 'SELECT trap.write($1)';
CREATE FUNCTION trap.a_name_of_sixty_three_bytes_that_is_cut_where_the_server_cuts_it(text)
    RETURNS integer LANGUAGE sql AS 'SELECT trap.write($1)';
CREATE FUNCTION trap.réécrire(text) RETURNS integer LANGUAGE sql AS 'SELECT trap.write($1)';
CREATE FUNCTION trap.from_string(text) RETURNS integer LANGUAGE plpgsql
    AS 'BEGIN EXECUTE $1; RETURN 1; END';
CREATE FUNCTION trap.noted(trap.plain) RETURNS integer LANGUAGE plpgsql STABLE
    AS 'BEGIN RETURN trap.write(''noted''); END';
CREATE FUNCTION trap.cursor_of(refcursor) RETURNS refcursor LANGUAGE plpgsql
    AS 'BEGIN PERFORM trap.write(''cursor''); OPEN $1 FOR SELECT 1; RETURN $1; END';
CREATE PROCEDURE trap.procedure(what text) LANGUAGE plpgsql
    AS 'BEGIN PERFORM trap.write(what); END';
CREATE PROCEDURE trap.leaves_the_mode() LANGUAGE plpgsql
    AS 'BEGIN COMMIT; SET TRANSACTION READ WRITE; PERFORM trap.write(''out''); END';

-- --- builtin names, for a search_path with trap in front -------------------------------------

CREATE FUNCTION trap.upper(text) RETURNS text LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''upper''); RETURN $1; END';
CREATE FUNCTION trap.abs(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''abs''); RETURN $1; END';
CREATE FUNCTION trap.num_nulls(xml) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN trap.write(''num_nulls''); END';
CREATE FUNCTION trap.cardinality(date[]) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN trap.write(''cardinality''); END';
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql STABLE
    AS 'BEGIN PERFORM trap.write(''now''); RETURN pg_catalog.now(); END';
CREATE FUNCTION trap.count_step(bigint, integer) RETURNS bigint LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''count''); RETURN $1 OPERATOR(pg_catalog.+) 1; END';
CREATE AGGREGATE trap.count(integer) (SFUNC = trap.count_step, STYPE = bigint, INITCOND = '0');
CREATE FUNCTION trap.equal(integer, integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''equal''); RETURN $1 OPERATOR(pg_catalog.=) $2; END';
CREATE FUNCTION trap.less(integer, integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''less''); RETURN $1 OPERATOR(pg_catalog.<) $2; END';
CREATE FUNCTION trap.minus(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''minus''); RETURN OPERATOR(pg_catalog.-) $1; END';
CREATE FUNCTION trap.likes(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''likes''); RETURN true; END';
CREATE OPERATOR trap.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.equal);
CREATE OPERATOR trap.<> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.equal);
CREATE OPERATOR trap.< (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.less);
CREATE OPERATOR trap.> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.less);
CREATE OPERATOR trap.<= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.less);
CREATE OPERATOR trap.>= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.less);
CREATE OPERATOR trap.- (RIGHTARG = integer, FUNCTION = trap.minus);
CREATE OPERATOR trap.~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.likes);
CREATE OPERATOR trap.!~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.likes);
CREATE OPERATOR trap.~~* (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.likes);
CREATE OPERATOR trap.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.likes);
CREATE FUNCTION trap.concatenate(text, text) RETURNS text LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''concatenate''); RETURN $1; END';
CREATE FUNCTION trap.times(integer, double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''times''); RETURN $2; END';
CREATE OPERATOR trap.* (LEFTARG = integer, RIGHTARG = double precision, FUNCTION = trap.times);
CREATE OPERATOR trap.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.concatenate);
CREATE OPERATOR trap.<#> (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.likes);
CREATE OPERATOR trap.@@@ (RIGHTARG = integer, FUNCTION = trap.minus);

-- --- types ----------------------------------------------------------------------------------

CREATE FUNCTION trap.checked(integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''checked''); RETURN true; END';
CREATE DOMAIN trap.watched AS integer CHECK (trap.checked(VALUE));
CREATE DOMAIN trap.watched_again AS trap.watched;
CREATE DOMAIN trap.watched_array AS integer[] CHECK (trap.checked(VALUE[1]));
-- The name of a builtin one that the grammar has no keyword for.
CREATE DOMAIN trap.text AS pg_catalog.text CHECK (trap.write(VALUE) IS NOT NULL);
CREATE TYPE trap.holds_watched AS (a trap.watched);
CREATE TYPE trap.watched_range AS RANGE (SUBTYPE = trap.watched);
CREATE TYPE trap.point_like AS (x integer, y integer);
CREATE TABLE trap.watching (id integer PRIMARY KEY, value trap.watched, held trap.holds_watched);
INSERT INTO trap.watching VALUES (1, 2, ROW(3));
TRUNCATE trap.written;

-- A composite type with a default operator class of its own: DISTINCT, GROUP BY, ORDER BY, arrays
-- and IN find it.
CREATE TYPE trap.sorted AS (n integer);
CREATE FUNCTION trap.sorted_compare(trap.sorted, trap.sorted) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''sorted''); RETURN pg_catalog.btint4cmp($1.n, $2.n); END';
CREATE FUNCTION trap.sorted_less(trap.sorted, trap.sorted) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''sorted''); RETURN $1.n OPERATOR(pg_catalog.<) $2.n; END';
CREATE FUNCTION trap.sorted_equal(trap.sorted, trap.sorted) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''sorted''); RETURN $1.n OPERATOR(pg_catalog.=) $2.n; END';
CREATE OPERATOR trap.<< (LEFTARG = trap.sorted, RIGHTARG = trap.sorted,
                         FUNCTION = trap.sorted_less);
CREATE OPERATOR trap.>> (LEFTARG = trap.sorted, RIGHTARG = trap.sorted,
                         FUNCTION = trap.sorted_less);
CREATE OPERATOR trap.== (LEFTARG = trap.sorted, RIGHTARG = trap.sorted,
                         FUNCTION = trap.sorted_equal);
CREATE OPERATOR CLASS trap.sorted_ops DEFAULT FOR TYPE trap.sorted USING btree AS
    OPERATOR 1 trap.<<, OPERATOR 3 trap.==, OPERATOR 5 trap.>>,
    FUNCTION 1 trap.sorted_compare(trap.sorted, trap.sorted);
CREATE TABLE trap.sorting (s trap.sorted);
INSERT INTO trap.sorting VALUES (ROW(1)), (ROW(2)), (ROW(1));

-- A builtin type that has no default operator class gets one from a user.
CREATE FUNCTION trap.point_compare(point, point) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''point''); RETURN pg_catalog.btfloat8cmp($1[0], $2[0]); END';
CREATE FUNCTION trap.point_less(point, point) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''point''); RETURN $1[0] OPERATOR(pg_catalog.<) $2[0]; END';
CREATE FUNCTION trap.point_equal(point, point) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''point''); RETURN $1[0] OPERATOR(pg_catalog.=) $2[0]; END';
CREATE OPERATOR trap.<< (LEFTARG = point, RIGHTARG = point, FUNCTION = trap.point_less);
CREATE OPERATOR trap.== (LEFTARG = point, RIGHTARG = point, FUNCTION = trap.point_equal);
CREATE OPERATOR trap.>> (LEFTARG = point, RIGHTARG = point, FUNCTION = trap.point_less);
CREATE OPERATOR CLASS trap.point_ops DEFAULT FOR TYPE point USING btree AS
    OPERATOR 1 trap.<<, OPERATOR 3 trap.==, OPERATOR 5 trap.>>,
    FUNCTION 1 trap.point_compare(point, point);

-- Indexes and partitions with an operator class that has PostgreSQL's own operators, and a
-- function of a user's behind them: the planner and the index call it for id = 5.
CREATE FUNCTION trap.compare(integer, integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''compare''); RETURN pg_catalog.btint4cmp($1, $2); END';
CREATE OPERATOR CLASS trap.integer_ops FOR TYPE integer USING btree AS
    OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=,
    OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>, FUNCTION 1 trap.compare(integer, integer);
CREATE FUNCTION trap.hash(integer, bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''hash''); RETURN pg_catalog.hashint4extended($1, $2); END';
CREATE OPERATOR CLASS trap.hash_ops FOR TYPE integer USING hash AS
    OPERATOR 1 pg_catalog.=, FUNCTION 2 trap.hash(integer, bigint);
CREATE TABLE trap.indexed (id integer NOT NULL);
INSERT INTO trap.indexed SELECT generate_series(1, 3000);
CREATE INDEX indexed_id ON trap.indexed (id trap.integer_ops);
ANALYZE trap.indexed;
CREATE TABLE trap.ranged (id integer NOT NULL) PARTITION BY RANGE (id trap.integer_ops);
CREATE TABLE trap.ranged_1 PARTITION OF trap.ranged FOR VALUES FROM (1) TO (10);
CREATE TABLE trap.ranged_2 PARTITION OF trap.ranged FOR VALUES FROM (10) TO (20);
CREATE TABLE trap.hashed (id integer NOT NULL) PARTITION BY HASH (id trap.hash_ops);
CREATE TABLE trap.hashed_0 PARTITION OF trap.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE trap.hashed_1 PARTITION OF trap.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
-- The same of a child and of a view's.
CREATE TABLE trap.parent (id integer NOT NULL);
CREATE TABLE trap.child () INHERITS (trap.parent);
INSERT INTO trap.child SELECT generate_series(1, 3000);
CREATE INDEX ON trap.child (id trap.integer_ops);
ANALYZE trap.child;
CREATE MATERIALIZED VIEW trap.indexed_copy AS SELECT id FROM trap.child;
CREATE INDEX ON trap.indexed_copy (id trap.integer_ops);
ANALYZE trap.indexed_copy;
-- What is constant in the expression of an index, of its predicate, of a statistics object, of a
-- partition's key or of a CHECK is computed whenever somebody plans a query over the table.
CREATE TABLE trap.expressed (id integer);
INSERT INTO trap.expressed SELECT generate_series(1, 100);
CREATE INDEX ON trap.expressed ((id + trap.abs(5)));
CREATE TABLE trap.predicated (id integer);
CREATE INDEX ON trap.predicated (id) WHERE id > trap.abs(5);
CREATE TABLE trap.described (id integer, other integer);
CREATE STATISTICS trap.described_statistics ON (id + trap.abs(5)), other FROM trap.described;
CREATE TABLE trap.keyed (id integer) PARTITION BY RANGE ((id + trap.abs(5)));
CREATE TABLE trap.keyed_1 PARTITION OF trap.keyed FOR VALUES FROM (1) TO (10);
CREATE TABLE trap.constrained (id integer CHECK (id > trap.abs(5)));
CREATE TABLE trap.constrained_child () INHERITS (trap.constrained);
-- That is not so where a column is the argument: reading does not call these.
CREATE TABLE trap.usual (id integer CHECK (trap.checked(id)), name pg_catalog.text);
CREATE INDEX ON trap.usual (trap.abs(id));
CREATE INDEX ON trap.usual (name) WHERE trap.leakproof(name);
CREATE STATISTICS trap.usual_statistics ON trap.abs(id), name FROM trap.usual;
-- A range with an operator class of a user's for a builtin type.
CREATE TYPE trap.compared_range AS RANGE (SUBTYPE = integer, SUBTYPE_OPCLASS = trap.integer_ops);
-- json gets a default operator class.
CREATE FUNCTION trap.json_less(json, json) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''json''); RETURN $1::pg_catalog.text < $2::pg_catalog.text; END';
CREATE FUNCTION trap.json_equal(json, json) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''json''); RETURN $1::pg_catalog.text = $2::pg_catalog.text; END';
CREATE FUNCTION trap.json_compare(json, json) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''json'');
        RETURN pg_catalog.bttextcmp($1::pg_catalog.text, $2::pg_catalog.text); END';
CREATE OPERATOR trap.<< (LEFTARG = json, RIGHTARG = json, FUNCTION = trap.json_less);
CREATE OPERATOR trap.== (LEFTARG = json, RIGHTARG = json, FUNCTION = trap.json_equal);
CREATE OPERATOR trap.>> (LEFTARG = json, RIGHTARG = json, FUNCTION = trap.json_less);
CREATE OPERATOR CLASS trap.json_ops DEFAULT FOR TYPE json USING btree AS
    OPERATOR 1 trap.<<, OPERATOR 3 trap.==, OPERATOR 5 trap.>>,
    FUNCTION 1 trap.json_compare(json, json);
-- So does xml.
CREATE FUNCTION trap.xml_less(xml, xml) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''xml''); RETURN $1::pg_catalog.text < $2::pg_catalog.text; END';
CREATE FUNCTION trap.xml_equal(xml, xml) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''xml''); RETURN $1::pg_catalog.text = $2::pg_catalog.text; END';
CREATE FUNCTION trap.xml_compare(xml, xml) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''xml'');
        RETURN pg_catalog.bttextcmp($1::pg_catalog.text, $2::pg_catalog.text); END';
CREATE OPERATOR trap.<< (LEFTARG = xml, RIGHTARG = xml, FUNCTION = trap.xml_less);
CREATE OPERATOR trap.== (LEFTARG = xml, RIGHTARG = xml, FUNCTION = trap.xml_equal);
CREATE OPERATOR trap.>> (LEFTARG = xml, RIGHTARG = xml, FUNCTION = trap.xml_less);
CREATE OPERATOR CLASS trap.xml_ops DEFAULT FOR TYPE xml USING btree AS
    OPERATOR 1 trap.<<, OPERATOR 3 trap.==, OPERATOR 5 trap.>>,
    FUNCTION 1 trap.xml_compare(xml, xml);
-- Among PostgreSQL's own, and not one of them.
CREATE FUNCTION pg_catalog.write_from_pg_catalog(pg_catalog.text) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT trap.write($1)';
CREATE FUNCTION information_schema.write_from_there(pg_catalog.text) RETURNS integer
    LANGUAGE sql STABLE AS 'SELECT trap.write($1)';
CREATE OPERATOR pg_catalog.=# (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text,
                               FUNCTION = trap.likes);
CREATE VIEW trap.by_points AS
    SELECT array_agg(@@ circle '<(1,2),3>') = array_agg(@@ circle '<(1,2),4>') AS equal;
CREATE VIEW trap.by_json AS SELECT count(DISTINCT value) FROM json_each('{"a": 1, "b": 2}');

-- --- casts, aggregates, sampling -------------------------------------------------------------

CREATE FUNCTION trap.to_boolean(trap.point_like) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''cast''); RETURN true; END';
CREATE CAST (trap.point_like AS boolean) WITH FUNCTION trap.to_boolean(trap.point_like) AS IMPLICIT;
CREATE FUNCTION trap.from_text(pg_catalog.text) RETURNS trap.point_like LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''cast''); RETURN ROW(1, 2); END';
CREATE CAST (pg_catalog.text AS trap.point_like) WITH FUNCTION trap.from_text(pg_catalog.text);
CREATE FUNCTION trap.circle_macaddr(circle) RETURNS macaddr8 LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''circle''); RETURN ''08:00:2b:01:02:03:04:05''; END';
CREATE CAST (circle AS macaddr8) WITH FUNCTION trap.circle_macaddr(circle) AS IMPLICIT;
CREATE FUNCTION trap.dates_macaddr(date[]) RETURNS macaddr8 LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''dates''); RETURN ''08:00:2b:01:02:03:04:05''; END';
CREATE CAST (date[] AS macaddr8) WITH FUNCTION trap.dates_macaddr(date[]) AS IMPLICIT;
-- Where a condition or a number is wanted, an assignment cast is made without being written.
CREATE FUNCTION trap.lsn_boolean(pg_lsn) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''lsn''); RETURN true; END';
CREATE CAST (pg_lsn AS boolean) WITH FUNCTION trap.lsn_boolean(pg_lsn) AS ASSIGNMENT;
CREATE FUNCTION trap.lsn_integer(pg_lsn) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''lsn''); RETURN 1; END';
CREATE CAST (pg_lsn AS integer) WITH FUNCTION trap.lsn_integer(pg_lsn) AS ASSIGNMENT;
CREATE FUNCTION trap.lsn_bigint(pg_lsn) RETURNS bigint LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''lsn''); RETURN 1; END';
CREATE CAST (pg_lsn AS bigint) WITH FUNCTION trap.lsn_bigint(pg_lsn) AS ASSIGNMENT;
CREATE FUNCTION trap.lsn_double(pg_lsn) RETURNS double precision LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''lsn''); RETURN 1; END';
CREATE CAST (pg_lsn AS double precision) WITH FUNCTION trap.lsn_double(pg_lsn) AS ASSIGNMENT;
-- A cast that is only made where it is written, from what nobody has to write.
CREATE FUNCTION trap.date_money(date) RETURNS money LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''money''); RETURN ''1''::money; END';
CREATE CAST (date AS money) WITH FUNCTION trap.date_money(date);
CREATE TYPE trap.has_money AS (m money);
CREATE TYPE trap.has_money_deep AS (a integer, h trap.has_money);
CREATE DOMAIN trap.money_domain AS money;
CREATE TYPE trap.feeling AS ENUM ('good');
CREATE FUNCTION trap.feeling_json(trap.feeling) RETURNS json LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''json''); RETURN ''1''::json; END';
CREATE CAST (trap.feeling AS json) WITH FUNCTION trap.feeling_json(trap.feeling);
CREATE TABLE trap.feelings (f trap.feeling);
INSERT INTO trap.feelings VALUES ('good');
CREATE FUNCTION trap.sum_step(integer, integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''sum''); RETURN $1; END';
CREATE AGGREGATE trap.total(integer) (SFUNC = trap.sum_step, STYPE = integer, INITCOND = '0',
    MSFUNC = trap.sum_step, MINVFUNC = trap.sum_step, MSTYPE = integer, MINITCOND = '0');
CREATE FUNCTION trap.ordered_step(integer, integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM trap.write(''ordered''); RETURN $2; END';
CREATE AGGREGATE trap.last_of(ORDER BY integer) (SFUNC = trap.ordered_step, STYPE = integer);
CREATE FUNCTION trap.window_rank() RETURNS bigint LANGUAGE internal WINDOW AS 'window_rank';
CREATE FUNCTION trap.sampler(internal) RETURNS tsm_handler LANGUAGE internal
    AS 'tsm_system_handler';

-- --- views, policies, foreign tables ----------------------------------------------------------

CREATE VIEW trap.writing AS SELECT id, trap.write(name) AS n FROM trap.plain;
CREATE VIEW trap.writing_again AS SELECT n FROM trap.writing;
CREATE VIEW trap.writing_in_where AS SELECT id FROM trap.plain WHERE trap.leakproof(name);
CREATE VIEW trap.locking AS SELECT id FROM trap.plain FOR UPDATE;
CREATE VIEW trap.locking_again AS SELECT id FROM trap.locking;
CREATE VIEW trap.locking_inside AS SELECT id FROM (SELECT id FROM trap.plain FOR KEY SHARE) x;
CREATE VIEW trap.locking_cte AS WITH x AS (SELECT id FROM trap.plain FOR SHARE) SELECT id FROM x;
CREATE VIEW trap.counting AS SELECT nextval('trap.counter');
CREATE VIEW trap.emitting AS SELECT pg_logical_emit_message(false, 'x', 'y');
CREATE VIEW trap.advising AS SELECT pg_try_advisory_lock(1);
CREATE VIEW trap.strings AS
    SELECT query_to_xml('DELETE FROM trap.plain RETURNING 1', true, true, '');
CREATE VIEW trap.setting AS SELECT set_config('transaction_read_only', 'off', false);
CREATE VIEW trap.by_operator AS SELECT OPERATOR(trap.@@@) id FROM trap.plain;
CREATE VIEW trap.by_domain AS SELECT id::trap.watched FROM trap.plain;
CREATE VIEW trap.by_order AS SELECT DISTINCT ROW(id)::trap.sorted AS s FROM trap.plain;
CREATE VIEW trap.by_aggregate AS SELECT trap.total(id) FROM trap.plain;
CREATE VIEW trap.by_sample AS SELECT id FROM trap.plain TABLESAMPLE trap.sampler(100);
CREATE VIEW trap.by_index AS SELECT id FROM trap.indexed WHERE id = 5;
CREATE VIEW trap.by_function AS SELECT * FROM trap.rows(1);
CREATE VIEW trap.by_column_type AS SELECT * FROM json_to_record('{"a": 1}') AS x(a trap.watched);

CREATE TABLE trap.guarded (id integer, what text);
INSERT INTO trap.guarded VALUES (1, 'x');
ALTER TABLE trap.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY guarded ON trap.guarded USING (trap.write(what) = 1);
CREATE VIEW trap.by_guarded WITH (security_invoker = true) AS SELECT id FROM trap.guarded;
CREATE TABLE trap.guarded_deep (id integer);
INSERT INTO trap.guarded_deep VALUES (1);
ALTER TABLE trap.guarded_deep ENABLE ROW LEVEL SECURITY;
CREATE POLICY deep ON trap.guarded_deep USING (EXISTS (SELECT FROM trap.writing WHERE n = 1));

CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE trap.program_output (line text) SERVER files
    OPTIONS (program 'echo ran', format 'text');

-- --- who reads -------------------------------------------------------------------------------

CREATE ROLE trap_reader;
GRANT USAGE ON SCHEMA trap TO PUBLIC;
GRANT INSERT, SELECT ON trap.written TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA trap TO trap_reader;
GRANT ALL ON ALL SEQUENCES IN SCHEMA trap TO trap_reader;
