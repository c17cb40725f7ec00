-- What the fuzz target parser_server runs its texts on: a copy of the database of
-- tests/integration/schema.sql, and in it functions that may not be called, in every clothing that
-- SQL has for a call. Each of them raises VT001, which nothing else does: should one run, whatever
-- the way, its SQLSTATE tells. Run by a superuser with psql; the server must be a throw-away one.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
-- While this is on, the canaries keep silent: tables and indexes are filled.
SET fuzz.quiet = on;

-- Every transaction id that is used up is a finding: nobody else may use one.
ALTER SYSTEM SET autovacuum = off;
SELECT pg_catalog.pg_reload_conf() \g /dev/null
SELECT format('ALTER DATABASE %I SET log_statement = none', current_database()) \gexec
SELECT format('ALTER DATABASE %I SET log_min_messages = fatal', current_database()) \gexec
SELECT format('ALTER DATABASE %I SET log_min_error_statement = panic', current_database()) \gexec

CREATE SCHEMA bird;
CREATE ROLE fuzz_reader LOGIN;
GRANT pg_read_all_data TO fuzz_reader;

-- --- functions ------------------------------------------------------------------------------

CREATE FUNCTION bird.sing() RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF pg_catalog.current_setting('fuzz.quiet', true) IS NULL THEN
        RAISE EXCEPTION 'a bird sang' USING ERRCODE = 'VT001';
    END IF;
END $$;

-- One statement a function: name, arguments, result.
CREATE PROCEDURE bird.make(name text, arguments text, result text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE pg_catalog.format(
        'CREATE FUNCTION %s(%s) RETURNS %s LANGUAGE plpgsql IMMUTABLE AS '
        '''BEGIN PERFORM bird.sing(); RETURN NULL; END''', name, arguments, result);
END $$;

CREATE TYPE bird.key AS (a integer, b text);
CREATE TYPE bird.colour AS ENUM ('red', 'green', 'blue');
CREATE TABLE bird.items (id integer PRIMARY KEY, name text, amount numeric, tags text[],
                           made date);

-- Names of its own, and what may be called as a column.
CALL bird.make('bird.touched', 'text', 'text');
CALL bird.make('bird.touched', 'integer', 'integer');
CALL bird.make('bird.touched', 'bird.items', 'text');
CALL bird.make('bird.touched', 'public.products', 'text');
CALL bird.make('public.touched', 'public.orders', 'text');
CALL bird.make('public.first_of', 'anyarray', 'anyelement');
CALL bird.make('bird.any_of', 'anyelement', 'anyelement');
CALL bird.make('bird.named', 'first integer, second text', 'integer');
CALL bird.make('bird.padded', 'a integer, b integer DEFAULT 1, c text DEFAULT ''x''', 'integer');
CALL bird.make('bird.joined', 'VARIADIC text[]', 'text');
CREATE FUNCTION bird.listed(integer) RETURNS SETOF integer LANGUAGE plpgsql STABLE AS
    'BEGIN PERFORM bird.sing(); RETURN; END';
CREATE FUNCTION bird.tabled() RETURNS TABLE (id integer, name text) LANGUAGE plpgsql STABLE AS
    'BEGIN PERFORM bird.sing(); RETURN; END';
CREATE FUNCTION bird.inlined(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS
    'SELECT bird.touched($1)';
CREATE PROCEDURE bird.run() LANGUAGE plpgsql AS 'BEGIN PERFORM bird.sing(); END';
-- Of another name what the server refuses with 25006.
CREATE FUNCTION bird.following(regclass) RETURNS bigint LANGUAGE internal STABLE AS 'nextval_oid';

-- The names of builtins: the same arguments, others, more, a list of any length.
CALL bird.make('bird.lower', 'text', 'text');
CALL bird.make('bird.lower', 'integer', 'text');
CALL bird.make('bird.upper', 'VARIADIC text[]', 'text');
CALL bird.make('bird.length', 'integer', 'integer');
CALL bird.make('bird.abs', 'integer', 'integer');
CALL bird.make('bird.abs', 'text', 'integer');
CALL bird.make('bird.now', '', 'timestamptz');
CALL bird.make('bird.now', 'integer DEFAULT 0', 'timestamptz');
CALL bird.make('bird.concat', 'text, text', 'text');
CALL bird.make('bird.format', 'text', 'text');
CALL bird.make('bird.substring', 'text, integer, integer', 'text');
CALL bird.make('bird.substring', 'integer, integer', 'text');
CALL bird.make('bird.position', 'text, text', 'integer');
CALL bird.make('bird.overlay', 'text, text, integer', 'text');
CALL bird.make('bird.btrim', 'text', 'text');
CALL bird.make('bird.timezone', 'text, timestamptz', 'timestamp');
CALL bird.make('bird.extract', 'text, date', 'numeric');
CALL bird.make('bird.date_part', 'text, date', 'double precision');
CALL bird.make('bird.overlaps', 'date, date, date, date', 'boolean');
CALL bird.make('bird.like_escape', 'text, text', 'text');
CALL bird.make('bird.similar_to_escape', 'text', 'text');
CALL bird.make('bird.row_number', '', 'bigint');
CALL bird.make('bird.count', 'integer, integer', 'bigint');
CALL bird.make('bird.generate_series', 'integer, integer, text', 'integer');
CALL bird.make('bird.unnest', 'text[], integer', 'text');
CALL bird.make('bird.int4', 'text, text', 'integer');
CALL bird.make('bird.date', 'integer', 'date');
CALL bird.make('bird.name', 'text', 'text');
CALL bird.make('bird.current_setting', 'text', 'text');
CALL bird.make('bird.set_config', 'text, text, boolean', 'text');
CALL bird.make('bird.xmlserialize', 'text', 'text');
CALL bird.make('bird.random', '', 'double precision');
CALL bird.make('bird.bernoulli', 'integer', 'real');
CALL bird.make('bird.pg_get_userbyid', 'oid', 'name');
-- Overloads of the one user's function that the policy allows.
CALL bird.make('public.add_tax', 'text', 'text');
CALL bird.make('public.add_tax', 'integer', 'integer');
CALL bird.make('public.add_tax', 'numeric, text DEFAULT ''x''', 'numeric');

CALL bird.make('bird.step', 'integer, integer', 'integer');
CREATE AGGREGATE bird.total (integer) (SFUNC = bird.step, STYPE = integer, INITCOND = '0');
CREATE AGGREGATE bird.sum (text) (SFUNC = bird.concat, STYPE = text, INITCOND = '');
CREATE AGGREGATE bird.max (integer) (SFUNC = bird.step, STYPE = integer, INITCOND = '0');
CREATE AGGREGATE bird.placed (ORDER BY integer) (SFUNC = bird.step, STYPE = integer,
                                                   INITCOND = '0');
-- A builtin that computes, with a final function that sings.
CREATE AGGREGATE bird.finished (text) (SFUNC = pg_catalog.textcat, STYPE = text, INITCOND = '',
                                         FINALFUNC = bird.lower);

-- --- operators ------------------------------------------------------------------------------

CALL bird.make('bird.op_text_integer', 'text, integer', 'boolean');
CALL bird.make('bird.op_integer_text', 'integer, text', 'boolean');
CALL bird.make('bird.op_integer', 'integer, integer', 'integer');
CALL bird.make('bird.op_text', 'text, text', 'text');
CALL bird.make('bird.op_prefix', 'text', 'text');
CALL bird.make('bird.op_items', 'bird.items, bird.items', 'boolean');
CREATE OPERATOR bird.= (LEFTARG = text, RIGHTARG = integer, FUNCTION = bird.op_text_integer);
CREATE OPERATOR bird.< (LEFTARG = text, RIGHTARG = integer, FUNCTION = bird.op_text_integer);
CREATE OPERATOR bird.>= (LEFTARG = integer, RIGHTARG = text, FUNCTION = bird.op_integer_text);
CREATE OPERATOR bird.~~ (LEFTARG = text, RIGHTARG = integer, FUNCTION = bird.op_text_integer);
CREATE OPERATOR bird.!~~* (LEFTARG = text, RIGHTARG = integer, FUNCTION = bird.op_text_integer);
CREATE OPERATOR bird.+ (LEFTARG = text, RIGHTARG = integer, FUNCTION = bird.op_text_integer);
CREATE OPERATOR bird.+ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = bird.op_integer);
CREATE OPERATOR bird.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = bird.op_text);
CREATE OPERATOR bird.- (RIGHTARG = text, FUNCTION = bird.op_prefix);
CREATE OPERATOR bird.@@@ (LEFTARG = integer, RIGHTARG = integer, FUNCTION = bird.op_integer);
CREATE OPERATOR bird.= (LEFTARG = bird.items, RIGHTARG = bird.items,
                          FUNCTION = bird.op_items);
CREATE OPERATOR public.<#> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = bird.op_integer);

-- --- types ----------------------------------------------------------------------------------

CALL bird.make('bird.fits', 'integer', 'boolean');
CALL bird.make('bird.fits', 'text', 'boolean');
CREATE DOMAIN bird.checked AS integer CHECK (bird.fits(VALUE));
CREATE DOMAIN bird.checked_text AS text CHECK (bird.fits(VALUE));
CREATE DOMAIN bird.checked_twice AS bird.checked CHECK (VALUE > 0);
CREATE DOMAIN public.by_operator AS integer CHECK ((VALUE OPERATOR(public.<#>) 1) IS NULL);
CREATE TYPE bird.parts AS (one integer, two bird.checked);
CALL bird.make('bird.apart', 'double precision, double precision', 'double precision');
CREATE TYPE bird.spans AS RANGE (SUBTYPE = double precision, SUBTYPE_DIFF = bird.apart);

-- Casts from, to and between users' types, and between builtin ones that little else uses.
CALL bird.make('bird.key_integer', 'bird.key', 'integer');
CALL bird.make('bird.key_text', 'bird.key', 'text');
CALL bird.make('bird.key_json', 'bird.key', 'json');
CALL bird.make('bird.text_key', 'text', 'bird.key');
CALL bird.make('bird.colour_integer', 'bird.colour', 'integer');
CALL bird.make('bird.colour_key', 'bird.colour', 'bird.key');
CALL bird.make('bird.line_path', 'line', 'path');
CALL bird.make('bird.lsn_tid', 'pg_lsn', 'tid');
CREATE CAST (bird.key AS integer) WITH FUNCTION bird.key_integer(bird.key) AS IMPLICIT;
CREATE CAST (bird.key AS text) WITH FUNCTION bird.key_text(bird.key);
CREATE CAST (bird.key AS json) WITH FUNCTION bird.key_json(bird.key) AS ASSIGNMENT;
CREATE CAST (text AS bird.key) WITH FUNCTION bird.text_key(text);
CREATE CAST (bird.colour AS integer) WITH FUNCTION bird.colour_integer(bird.colour)
    AS ASSIGNMENT;
CREATE CAST (bird.colour AS bird.key) WITH FUNCTION bird.colour_key(bird.colour)
    AS IMPLICIT;
CREATE CAST (line AS path) WITH FUNCTION bird.line_path(line) AS IMPLICIT;
CREATE CAST (pg_lsn AS tid) WITH FUNCTION bird.lsn_tid(pg_lsn);

-- How values are sorted, grouped and hashed: of a user's type, and of a builtin that has no order.
CALL bird.make('bird.key_compare', 'bird.key, bird.key', 'boolean');
CALL bird.make('bird.key_order', 'bird.key, bird.key', 'integer');
CALL bird.make('bird.key_hash', 'bird.key', 'integer');
CREATE OPERATOR bird.<! (LEFTARG = bird.key, RIGHTARG = bird.key,
                           FUNCTION = bird.key_compare);
CREATE OPERATOR bird.<=! (LEFTARG = bird.key, RIGHTARG = bird.key,
                            FUNCTION = bird.key_compare);
CREATE OPERATOR bird.=! (LEFTARG = bird.key, RIGHTARG = bird.key,
                           FUNCTION = bird.key_compare, HASHES, MERGES);
CREATE OPERATOR bird.>=! (LEFTARG = bird.key, RIGHTARG = bird.key,
                            FUNCTION = bird.key_compare);
CREATE OPERATOR bird.>! (LEFTARG = bird.key, RIGHTARG = bird.key,
                           FUNCTION = bird.key_compare);
CREATE OPERATOR CLASS bird.key_ops DEFAULT FOR TYPE bird.key USING btree AS
    OPERATOR 1 bird.<!, OPERATOR 2 bird.<=!, OPERATOR 3 bird.=!, OPERATOR 4 bird.>=!,
    OPERATOR 5 bird.>!, FUNCTION 1 bird.key_order(bird.key, bird.key);
CREATE OPERATOR CLASS bird.key_hash_ops DEFAULT FOR TYPE bird.key USING hash AS
    OPERATOR 1 bird.=!, FUNCTION 1 bird.key_hash(bird.key);
-- Nothing but an order.
CREATE TYPE bird.ranked AS (rank integer);
CALL bird.make('bird.ranked_compare', 'bird.ranked, bird.ranked', 'boolean');
CALL bird.make('bird.ranked_order', 'bird.ranked, bird.ranked', 'integer');
CREATE OPERATOR bird.<? (LEFTARG = bird.ranked, RIGHTARG = bird.ranked,
                         FUNCTION = bird.ranked_compare);
CREATE OPERATOR bird.=? (LEFTARG = bird.ranked, RIGHTARG = bird.ranked,
                         FUNCTION = bird.ranked_compare, MERGES);
CREATE OPERATOR bird.>? (LEFTARG = bird.ranked, RIGHTARG = bird.ranked,
                         FUNCTION = bird.ranked_compare);
CREATE OPERATOR CLASS bird.ranked_ops DEFAULT FOR TYPE bird.ranked USING btree AS
    OPERATOR 1 bird.<?, OPERATOR 3 bird.=?, OPERATOR 5 bird.>?,
    FUNCTION 1 bird.ranked_order(bird.ranked, bird.ranked);
CALL bird.make('bird.line_compare', 'line, line', 'boolean');
CALL bird.make('bird.line_order', 'line, line', 'integer');
CREATE OPERATOR bird.<! (LEFTARG = line, RIGHTARG = line, FUNCTION = bird.line_compare);
CREATE OPERATOR bird.<=! (LEFTARG = line, RIGHTARG = line, FUNCTION = bird.line_compare);
CREATE OPERATOR bird.=! (LEFTARG = line, RIGHTARG = line, FUNCTION = bird.line_compare);
CREATE OPERATOR bird.>=! (LEFTARG = line, RIGHTARG = line, FUNCTION = bird.line_compare);
CREATE OPERATOR bird.>! (LEFTARG = line, RIGHTARG = line, FUNCTION = bird.line_compare);
CREATE OPERATOR CLASS bird.line_ops DEFAULT FOR TYPE line USING btree AS
    OPERATOR 1 bird.<!, OPERATOR 2 bird.<=!, OPERATOR 3 bird.=!, OPERATOR 4 bird.>=!,
    OPERATOR 5 bird.>!, FUNCTION 1 bird.line_order(line, line);

-- --- relations ------------------------------------------------------------------------------

INSERT INTO bird.items SELECT n, 'item ' || n, n * 1.5, ARRAY['a', 'b' || n], date '2025-01-01' + n
FROM generate_series(1, 20) n;
CREATE TABLE bird.typed (id integer, key bird.key, colour bird.colour, checked bird.checked,
                           parts bird.parts, span bird.spans, l line, lsn pg_lsn,
                           checked_all bird.checked[], keys bird.key[]);
INSERT INTO bird.typed SELECT n, ROW(n, 'k' || n)::bird.key, 'red', NULL, NULL, '[1,2]',
    '{1,2,3}', '0/1', NULL, ARRAY[ROW(n, 'k')::bird.key]
FROM generate_series(1, 5) n;
-- A table for each of those types: one that may not be read hides no other.
CREATE TABLE bird.with_key AS SELECT id, key FROM bird.typed;
CREATE TABLE bird.with_keys AS SELECT id, keys FROM bird.typed;
CREATE TABLE bird.with_colour AS SELECT id, colour FROM bird.typed;
CREATE TABLE bird.with_checked AS SELECT id, checked FROM bird.typed;
CREATE TABLE bird.with_parts AS SELECT id, parts FROM bird.typed;
CREATE TABLE bird.with_span AS SELECT id, span FROM bird.typed;
CREATE TABLE bird.with_line AS SELECT id, l FROM bird.typed;
CREATE TABLE bird.with_lsn AS SELECT id, lsn FROM bird.typed;
CREATE TABLE bird.with_rank AS SELECT id, ROW(id)::bird.ranked AS rank FROM bird.items;
-- Columns that are called as the functions are.
CREATE TABLE bird.lower (touched integer, lower text, first_of text, name name);
INSERT INTO bird.lower VALUES (1, 'A', 'x', 'n'), (2, 'B', 'y', 'm');
CREATE TABLE public.touched (id integer, items text);
INSERT INTO public.touched VALUES (1, 'x'), (2, 'y');

-- An order of a user's over a builtin type that has one: an index and partitions that use it.
CREATE FUNCTION bird.integer_order(integer, integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM bird.sing(); RETURN pg_catalog.btint4cmp($1, $2); END';
CREATE OPERATOR CLASS bird.integer_ops FOR TYPE integer USING btree AS
    OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=,
    OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
    FUNCTION 1 bird.integer_order(integer, integer);
CREATE TABLE bird.indexed AS SELECT n AS id, 'row ' || n AS what FROM generate_series(1, 5000) n;
CREATE INDEX ON bird.indexed (id bird.integer_ops);
CREATE TABLE bird.parted (id integer, what text) PARTITION BY RANGE (id bird.integer_ops);
CREATE TABLE bird.parted_1 PARTITION OF bird.parted FOR VALUES FROM (1) TO (10);
CREATE TABLE bird.parted_2 PARTITION OF bird.parted FOR VALUES FROM (20) TO (30);
-- What reading does not evaluate: defaults, generated columns, an index over a column.
CREATE TABLE bird.defaulted (id integer DEFAULT bird.touched(1), what text DEFAULT bird.lower('X'),
                             made text GENERATED ALWAYS AS (bird.touched(what)) STORED);
INSERT INTO bird.defaulted (id, what) VALUES (1, 'x'), (2, 'y');
CREATE INDEX ON bird.defaulted (bird.lower(what));

-- What the planner computes whenever the table is read, for it hangs on no column.
CREATE TABLE bird.predicated (id integer, what text);
CREATE INDEX ON bird.predicated (id) WHERE bird.fits('x'::text) IS NULL;
CREATE TABLE bird.described (id integer, what text);
CREATE STATISTICS bird.on_constants ON (id + coalesce(bird.touched(5), 1)), id
    FROM bird.described;
CREATE TABLE bird.constrained (id integer, what text, CHECK (bird.fits('x'::text)));
CREATE TABLE bird.parted_by_constant (id integer, what text)
    PARTITION BY RANGE ((id + coalesce(bird.touched(5), 1)));

CREATE VIEW bird.by_function AS SELECT id, bird.touched(name) AS name FROM bird.items;
CREATE VIEW bird.by_operator AS SELECT id OPERATOR(bird.@@@) 1 AS id FROM bird.items;
CREATE VIEW bird.by_cast AS SELECT key::text AS key FROM bird.typed;
CREATE VIEW bird.by_implicit_cast AS SELECT 1 + key AS key FROM bird.typed;
CREATE VIEW bird.by_domain AS SELECT id::bird.checked AS id FROM bird.items;
CREATE VIEW bird.by_order AS SELECT DISTINCT key FROM bird.typed;
CREATE VIEW bird.by_aggregate AS SELECT bird.total(id) AS id FROM bird.items;
CREATE VIEW bird.by_view AS SELECT * FROM bird.by_function WHERE id > 1;
CREATE VIEW public.items_plain AS SELECT id, name, amount FROM bird.items;
CREATE TABLE bird.guarded (id integer, what text);
INSERT INTO bird.guarded SELECT n, 'row ' || n FROM generate_series(1, 5) n;
ALTER TABLE bird.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_function ON bird.guarded USING (bird.touched(what) IS NULL);
CREATE VIEW bird.over_guarded WITH (security_invoker = true) AS SELECT * FROM bird.guarded;

GRANT USAGE ON SCHEMA bird, public, crm, "Mixed" TO fuzz_reader;
ANALYZE bird.items, bird.guarded, bird.with_colour, bird.with_checked,
    bird.indexed;
