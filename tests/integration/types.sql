-- Types, functions, operators and casts of users that a statement may mean without naming them:
-- test_types.py runs each of its statements directly, where one of these must run, and through
-- vitrine, where none may. Each of them says so when it runs.

CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE SCHEMA own;
GRANT USAGE ON SCHEMA own TO PUBLIC;
SET search_path = own, public;

CREATE FUNCTION own.ran(what text) RETURNS void LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''RAN %'', what USING ERRCODE = ''VT001''; END';
-- A function that says that it runs.
CREATE PROCEDURE own.make(name text, arguments text, result text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE FUNCTION %s(%s) RETURNS %s LANGUAGE plpgsql AS %L', name, arguments, result,
                   format('BEGIN PERFORM own.ran(%L); RETURN NULL; END', name));
END $$;

CREATE TYPE own.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE own.pair AS (a integer, b text);
CREATE TYPE own.frange AS RANGE (subtype = float8, multirange_type_name = own.fmultirange);
CREATE DOMAIN own.some_mood AS own.mood;
CREATE TYPE own.hue AS ENUM ('h1', 'h2');
CREATE TYPE own.tone AS ENUM ('t1', 't2');
CREATE TYPE own.shade AS ENUM ('s1', 's2');
CREATE TYPE own.toned AS (a integer, b own.tone);

CALL make('own.int_mood', 'integer, own.mood', 'boolean');
CALL make('own.mood_mood', 'own.mood, own.mood', 'boolean');
CALL make('own.text_mood', 'text, own.mood', 'boolean');
CREATE OPERATOR public.=== (LEFTARG = integer, RIGHTARG = own.mood, FUNCTION = own.int_mood);
CREATE OPERATOR public.=~= (LEFTARG = own.mood, RIGHTARG = own.mood, FUNCTION = own.mood_mood);
CREATE OPERATOR public.+ (LEFTARG = own.mood, RIGHTARG = own.mood, FUNCTION = own.mood_mood);
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = own.mood, FUNCTION = own.text_mood);

CALL make('public.of_mood', 'own.mood', 'integer');
CALL make('public.of_some_mood', 'own.some_mood', 'integer');
CALL make('public.of_moods', 'own.mood[]', 'integer');
CALL make('public.of_variadic', 'VARIADIC own.mood[]', 'integer');
CALL make('public.of_default', 'a integer, b own.mood DEFAULT ''ok'', c text DEFAULT ''x''', 'integer');
CALL make('public.of_three', 'integer, integer, own.mood', 'integer');
CALL make('public.of_pair', 'own.pair', 'integer');
CALL make('public.of_range', 'own.frange', 'integer');
CALL make('public.of_multirange', 'own.fmultirange', 'integer');
CALL make('public.of_shades', 'own.shade[]', 'integer');
CALL make('public.of_citext', 'citext', 'integer');
CALL make('public.of_hstore', 'hstore', 'integer');
CALL make('public.upper', 'own.mood', 'text');
CALL make('public.lower', 'own.mood', 'text');
CALL make('public.reverse', 's text', 'text');
CALL make('public.abs', 'x integer', 'integer');
CALL make('public.left', 'a own.mood, b integer', 'text');
CREATE FUNCTION own.vouched(own.mood) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CALL make('own.total_of', 'integer, own.mood', 'integer');
CREATE AGGREGATE public.total (own.mood) (SFUNC = own.total_of, STYPE = integer);

CALL make('own.xid_number', 'xid', 'bigint');
CREATE CAST (xid AS bigint) WITH FUNCTION own.xid_number (xid);
CALL make('own.tid_number', 'tid', 'bigint');
CREATE CAST (tid AS bigint) WITH FUNCTION own.tid_number (tid);
CALL make('own.oid_hue', 'oid', 'own.hue');
CREATE CAST (oid AS own.hue) WITH FUNCTION own.oid_hue (oid);
CALL make('own.smallint_hue', 'smallint', 'own.hue');
CREATE CAST (smallint AS own.hue) WITH FUNCTION own.smallint_hue (smallint);
CALL make('own.multirange_hue', 'int4multirange', 'own.hue');
CREATE CAST (int4multirange AS own.hue) WITH FUNCTION own.multirange_hue (int4multirange);
CALL make('own.fmultirange_hue', 'own.fmultirange', 'own.hue');
CREATE CAST (own.fmultirange AS own.hue) WITH FUNCTION own.fmultirange_hue (own.fmultirange);
CALL make('own.date_tone', 'date', 'own.tone');
CREATE CAST (date AS own.tone) WITH FUNCTION own.date_tone (date) AS ASSIGNMENT;
CALL make('own.mood_date', 'own.mood', 'date');
CREATE CAST (own.mood AS date) WITH FUNCTION own.mood_date (own.mood) AS ASSIGNMENT;
CALL make('own.shades', 'integer[]', 'own.shade[]');
CREATE CAST (integer[] AS own.shade[]) WITH FUNCTION own.shades (integer[]) AS IMPLICIT;

CALL make('own.texts_hues', 'text[]', 'own.hue[]');
CREATE CAST (text[] AS own.hue[]) WITH FUNCTION own.texts_hues (text[]);
CALL make('own.range_hue', 'int4range', 'own.hue');
CREATE CAST (int4range AS own.hue) WITH FUNCTION own.range_hue (int4range);

CALL make('own.inner_check', 'integer', 'boolean');
CREATE DOMAIN own.inner_number AS integer;
CREATE DOMAIN own.outer_number AS integer CHECK ((VALUE)::own.inner_number IS NOT NULL);
ALTER DOMAIN own.inner_number ADD CHECK (own.inner_check(VALUE)) NOT VALID;

CREATE TABLE own.things (id integer, name text, mood own.mood, another own.some_mood, pair own.pair,
                         moods own.mood[], range own.frange, label varchar);
INSERT INTO own.things VALUES (1, 'ok', 'ok', 'ok', ROW(1, 'x'), '{ok}', own.frange(1, 2), 'ok');
CREATE TABLE own.plain (id integer, name text, mood text, numbers integer[]);
INSERT INTO own.plain VALUES (1, 'ok', 'ok', '{1}');
CREATE TABLE own.events (id integer, day date, days date[], span daterange);
INSERT INTO own.events VALUES (1, now(), ARRAY[now()::date], '[2020-01-01,2020-02-01)');
CALL make('public.of_plain', 'own.plain', 'integer');

CREATE TYPE own.ordered AS (v integer);
CREATE FUNCTION own.less(own.ordered, own.ordered) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM own.ran(''less''); RETURN true; END';
CREATE FUNCTION own.compare(own.ordered, own.ordered) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM own.ran(''compare''); RETURN 1; END';
CREATE OPERATOR own.< (LEFTARG = own.ordered, RIGHTARG = own.ordered, FUNCTION = own.less);
CREATE OPERATOR own.<= (LEFTARG = own.ordered, RIGHTARG = own.ordered, FUNCTION = own.less);
CREATE OPERATOR own.= (LEFTARG = own.ordered, RIGHTARG = own.ordered, FUNCTION = own.less);
CREATE OPERATOR own.>= (LEFTARG = own.ordered, RIGHTARG = own.ordered, FUNCTION = own.less);
CREATE OPERATOR own.> (LEFTARG = own.ordered, RIGHTARG = own.ordered, FUNCTION = own.less);
CREATE OPERATOR CLASS own.ordered_ops DEFAULT FOR TYPE own.ordered USING btree AS
    OPERATOR 1 own.<, OPERATOR 2 own.<=, OPERATOR 3 own.=, OPERATOR 4 own.>=, OPERATOR 5 own.>,
    FUNCTION 1 own.compare (own.ordered, own.ordered);
CREATE VIEW own.greatest AS SELECT (GREATEST('(1)'::own.ordered, '(2)'::own.ordered))::text AS x;
CREATE VIEW own.listed AS SELECT ('(1)'::own.ordered = ANY ('{(1)}'::own.ordered[]))::text AS x;
CREATE VIEW own.counted AS
    SELECT count(DISTINCT x)::text AS x FROM (VALUES ('(1)'::own.ordered), ('(2)'::own.ordered)) v (x);

CREATE VIEW own.records AS
    SELECT (z < z)::text AS x FROM (SELECT '(1)'::own.ordered AS o OFFSET 0) z;
CREATE VIEW own.arrays AS SELECT (ARRAY['(1)'::own.ordered] < ARRAY['(2)'::own.ordered])::text AS x;

CREATE TABLE own.parent (a integer);
CREATE TABLE own.child (z integer) INHERITS (own.parent);
INSERT INTO own.child VALUES (1, 2);
CALL make('public.of_parent', 'own.parent', 'integer');
CREATE TABLE own.shelf (hstore text, citext text);
INSERT INTO own.shelf VALUES ('a', 'b');

-- Names of built-in functions in a schema that is on nobody's path.
CREATE SCHEMA elsewhere;
CREATE FUNCTION elsewhere.lower(text) RETURNS text LANGUAGE sql AS 'SELECT pg_catalog.lower($1)';
CREATE FUNCTION elsewhere.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_catalog.now()';

GRANT SELECT ON ALL TABLES IN SCHEMA own TO PUBLIC;
