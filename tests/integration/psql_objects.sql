-- One of each kind of object that psql describes and pg_dump dumps, and that neither schema.sql nor
-- library.sql has. By a superuser, in the test database; psql_objects_gone.sql takes it all away.
SET client_min_messages = error;
SET TimeZone = 'UTC';

CREATE ROLE desk_keeper NOLOGIN CONNECTION LIMIT 3;
COMMENT ON ROLE desk_keeper IS 'Keeps the desk.';
GRANT desk_keeper TO shop_owner WITH ADMIN OPTION;
CREATE SCHEMA desk AUTHORIZATION desk_keeper;
COMMENT ON SCHEMA desk IS 'All that lies on it.';

-- What the settings of roles and databases look like in \drds.
ALTER ROLE desk_keeper SET search_path = desk, public;
SELECT format('ALTER ROLE desk_keeper IN DATABASE %I SET work_mem = ''5MB''', current_database())
\gexec

-- --- tables, with all that can hang on one ---------------------------------------------------

CREATE ACCESS METHOD desk_heap TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD desk_heap IS 'A heap by another name.';

CREATE TABLE desk.drawers (
    id      integer GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 5) PRIMARY KEY,
    label   varchar(40) COLLATE "C" NOT NULL DEFAULT 'it''s empty',
    inside  text COMPRESSION pglz,
    room    int4range,
    twice   integer GENERATED ALWAYS AS (2 * char_length('label')) STORED,
    part_of integer REFERENCES desk.drawers ON UPDATE CASCADE ON DELETE SET NULL
            DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT drawers_label UNIQUE NULLS NOT DISTINCT (label, part_of),
    CONSTRAINT drawers_room EXCLUDE USING gist (room WITH &&) WHERE (room IS NOT NULL),
    CONSTRAINT drawers_named CHECK (label <> '') NO INHERIT
) WITH (fillfactor = 80);
COMMENT ON CONSTRAINT drawers_named ON desk.drawers IS 'No drawer without a name.';
ALTER TABLE desk.drawers ADD CONSTRAINT drawers_later CHECK (id > 0) NOT VALID;
ALTER TABLE desk.drawers ALTER label SET STATISTICS 500, ALTER inside SET STORAGE EXTERNAL,
    ALTER inside SET (n_distinct = 7);
CREATE UNIQUE INDEX drawers_lower ON desk.drawers (lower(label) DESC NULLS LAST, id)
    INCLUDE (inside) WITH (fillfactor = 70) WHERE id > 1;
COMMENT ON INDEX desk.drawers_lower IS 'By name.';
ALTER TABLE desk.drawers REPLICA IDENTITY USING INDEX drawers_pkey, CLUSTER ON drawers_pkey;
CREATE STATISTICS desk.drawers_kinds (ndistinct, mcv) ON label, part_of FROM desk.drawers;
CREATE STATISTICS desk.drawers_expression ON (lower(label)) FROM desk.drawers;
COMMENT ON STATISTICS desk.drawers_kinds IS 'Which go together.';
INSERT INTO desk.drawers (label, inside, room)
VALUES ('left', 'pens', '[1,3)'), ('right', NULL, '[3,5)');

CREATE UNLOGGED TABLE desk.scratch (what text, "when" timestamptz DEFAULT now()) USING desk_heap;
CREATE TABLE desk.typed OF library.size (height_mm PRIMARY KEY);
CREATE TABLE desk.child (extra inet) INHERITS (desk.drawers);
CREATE TABLE desk.parts (id integer, kind "char") PARTITION BY HASH (id);
CREATE TABLE desk.parts_0 PARTITION OF desk.parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE desk.parts_1 PARTITION OF desk.parts FOR VALUES WITH (MODULUS 2, REMAINDER 1)
    PARTITION BY LIST (kind);
CREATE TABLE desk.parts_1_a PARTITION OF desk.parts_1 FOR VALUES IN ('a', NULL);
CREATE INDEX parts_id ON desk.parts (id);
INSERT INTO desk.parts SELECT n, 'a' FROM generate_series(1, 20) n;
CREATE SEQUENCE desk.numbers AS smallint INCREMENT -2 MINVALUE -100 MAXVALUE 10 CYCLE CACHE 4;
COMMENT ON SEQUENCE desk.numbers IS 'Downwards.';

CREATE VIEW desk.labels WITH (security_barrier, security_invoker) AS
    SELECT id, label FROM desk.drawers WHERE label <> 'secret' WITH LOCAL CHECK OPTION;
COMMENT ON VIEW desk.labels IS 'What stands on them.';
COMMENT ON COLUMN desk.labels.label IS 'Without the secret ones.';
CREATE RECURSIVE VIEW desk.nesting (id, depth) AS
    SELECT id, 0 FROM desk.drawers WHERE part_of IS NULL
    UNION ALL SELECT d.id, n.depth + 1 FROM desk.drawers d JOIN nesting n ON n.id = d.part_of;
CREATE MATERIALIZED VIEW desk.counted AS SELECT count(*) AS drawers FROM desk.drawers;
CREATE UNIQUE INDEX counted_all ON desk.counted (drawers);

-- --- functions, triggers, rules, policies ----------------------------------------------------

CREATE FUNCTION desk.greeting(IN name text DEFAULT 'you', OUT greeting text,
                              VARIADIC more text[] = '{}')
    LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 7 SECURITY DEFINER SET search_path = desk, pg_temp
    AS $$SELECT 'Hello, ' || name$$;
COMMENT ON FUNCTION desk.greeting IS 'Says hello.';
CREATE FUNCTION desk.atomic(a integer, b integer) RETURNS TABLE (sum integer, product integer)
    LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT a + b, a * b; END;
CREATE FUNCTION desk.row_no() RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number';
CREATE PROCEDURE desk.clean(INOUT what text) LANGUAGE plpgsql AS 'BEGIN what := upper(what); END';
CREATE FUNCTION desk.touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION desk.noticed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE AGGREGATE desk.total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
COMMENT ON AGGREGATE desk.total(integer) IS 'Adds.';
CREATE AGGREGATE desk.nth(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition,
    STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);

CREATE TRIGGER touched AFTER INSERT ON desk.drawers REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION desk.touched();
CREATE TRIGGER touched_label BEFORE UPDATE OF label ON desk.drawers
    FOR EACH ROW EXECUTE FUNCTION desk.touched();
CREATE CONSTRAINT TRIGGER touched_late AFTER DELETE ON desk.drawers DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.id > 3) EXECUTE FUNCTION desk.touched('an argument');
CREATE TRIGGER touched_off BEFORE INSERT ON desk.parts FOR EACH ROW EXECUTE FUNCTION desk.touched();
ALTER TABLE desk.drawers DISABLE TRIGGER touched_late;
COMMENT ON TRIGGER touched_off ON desk.parts IS 'For nothing.';
CREATE RULE drawers_kept AS ON DELETE TO desk.drawers WHERE OLD.id = 5 DO INSTEAD NOTHING;
COMMENT ON RULE drawers_kept ON desk.drawers IS 'One stays.';
ALTER TABLE desk.scratch ENABLE ROW LEVEL SECURITY;
ALTER TABLE desk.scratch FORCE ROW LEVEL SECURITY;
CREATE POLICY short ON desk.scratch AS RESTRICTIVE FOR SELECT TO vitrine_reader, desk_keeper
    USING (char_length(what) < 10);
CREATE POLICY all_of_it ON desk.scratch USING (true) WITH CHECK (what IS NOT NULL);
CREATE EVENT TRIGGER desk_noticed ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE')
    EXECUTE FUNCTION desk.noticed();
COMMENT ON EVENT TRIGGER desk_noticed IS 'Sees tables come and go.';

-- --- types, operators, conversions, text search ----------------------------------------------

CREATE TYPE desk.span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
CREATE TYPE desk.shell;
CREATE DOMAIN desk.short AS varchar(8) COLLATE "C" DEFAULT 'x' NOT NULL
    CONSTRAINT short_trimmed CHECK (VALUE = btrim(VALUE));
COMMENT ON DOMAIN desk.short IS 'Eight at most.';
COMMENT ON CONSTRAINT short_trimmed ON DOMAIN desk.short IS 'No blanks around it.';
CREATE COLLATION desk.big_first (PROVIDER = icu, LOCALE = 'und-u-kf-upper', DETERMINISTIC = false);
COMMENT ON COLLATION desk.big_first IS 'Capitals first.';
CREATE FUNCTION desk.same_length(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE
    AS 'SELECT char_length($1) = char_length($2)';
CREATE OPERATOR desk.=|= (LEFTARG = text, RIGHTARG = text, FUNCTION = desk.same_length,
    COMMUTATOR = OPERATOR(desk.=|=), RESTRICT = eqsel, JOIN = eqjoinsel);
COMMENT ON OPERATOR desk.=|= (text, text) IS 'As long as the other.';
CREATE OPERATOR FAMILY desk.lengths USING btree;
CREATE OPERATOR CLASS desk.length_ops FOR TYPE integer USING btree FAMILY desk.lengths AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 btint4cmp(int4, int4);
COMMENT ON OPERATOR CLASS desk.length_ops USING btree IS 'As integers do.';
COMMENT ON OPERATOR FAMILY desk.lengths USING btree IS 'The lengths.';
CREATE CAST (library.size AS text) WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (library.size AS text) IS 'As it is written.';
CREATE CONVERSION desk.to_utf8 FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION desk.to_utf8 IS 'From the old world.';
CREATE TEXT SEARCH PARSER desk.words (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
    LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE desk.plain (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY desk.plain (TEMPLATE = desk.plain, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION desk.search (PARSER = desk.words);
ALTER TEXT SEARCH CONFIGURATION desk.search
    ADD MAPPING FOR asciiword, word WITH desk.plain, english_stem;
COMMENT ON TEXT SEARCH CONFIGURATION desk.search IS 'Plain words first.';
COMMENT ON TEXT SEARCH DICTIONARY desk.plain IS 'Without stop words.';
COMMENT ON TEXT SEARCH PARSER desk.words IS 'The usual one.';
COMMENT ON TEXT SEARCH TEMPLATE desk.plain IS 'The simple one.';
CREATE FUNCTION desk.call_handler() RETURNS language_handler LANGUAGE c
    AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE TRUSTED LANGUAGE desk_language HANDLER desk.call_handler;
COMMENT ON LANGUAGE desk_language IS 'plpgsql by another name.';

-- --- what lies elsewhere ---------------------------------------------------------------------

CREATE FOREIGN DATA WRAPPER desk_press OPTIONS (debug 'on');
COMMENT ON FOREIGN DATA WRAPPER desk_press IS 'The printing press.';
CREATE SERVER desk_press TYPE 'paper' VERSION '2' FOREIGN DATA WRAPPER desk_press
    OPTIONS (host 'press.example');
COMMENT ON SERVER desk_press IS 'Round the corner.';
CREATE USER MAPPING FOR PUBLIC SERVER desk_press OPTIONS (login 'press', password 'printed');
CREATE FOREIGN TABLE desk.articles (id integer OPTIONS (key 'yes') NOT NULL, headline text)
    SERVER desk_press OPTIONS (feed 'daily');
COMMENT ON FOREIGN TABLE desk.articles IS 'What is printed.';
CREATE PUBLICATION desk_news FOR TABLE library.authors (id, name) WHERE (id > 3)
    WITH (publish = 'insert, update');
CREATE PUBLICATION desk_itself FOR TABLES IN SCHEMA desk;
COMMENT ON PUBLICATION desk_news IS 'Who writes.';
CREATE PUBLICATION desk_everything FOR ALL TABLES WITH (publish_via_partition_root);
CREATE SUBSCRIPTION desk_feed CONNECTION 'host=press.example password=printed' PUBLICATION daily
    WITH (connect = false, enabled = false, create_slot = false, slot_name = NONE);

-- --- who may -----------------------------------------------------------------------------------

GRANT USAGE ON SCHEMA desk TO vitrine_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA desk TO vitrine_reader;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA desk TO vitrine_reader;
GRANT UPDATE (label), REFERENCES (id) ON desk.drawers TO desk_keeper WITH GRANT OPTION;
GRANT USAGE ON TYPE desk.short TO desk_keeper;
GRANT USAGE ON LANGUAGE desk_language TO desk_keeper;
GRANT USAGE ON FOREIGN SERVER desk_press TO desk_keeper;
REVOKE EXECUTE ON FUNCTION desk.greeting FROM PUBLIC;
GRANT EXECUTE ON FUNCTION desk.greeting TO desk_keeper;
ALTER DEFAULT PRIVILEGES FOR ROLE desk_keeper GRANT USAGE ON SEQUENCES TO vitrine_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE desk_keeper REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ANALYZE desk.drawers, desk.parts;
