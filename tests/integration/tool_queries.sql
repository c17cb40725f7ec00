-- What tools send when they connect and look around, in words of our own: the catalogs, functions,
-- casts, settings and statement kinds that their queries are made of. Run by test_metadata.py
-- through vitrine and directly, by the simple and the extended protocol: the same rows and types.
--
-- A statement ends with a semicolon at the end of a line; several of one simple query stand
-- between `\;`. A section (`-- == name`) is one session. What is not simply the same says so
-- above its statement:
--
--   --@ moves: why            the rows change from moment to moment or with the session; the
--                             columns and their types are the same
--   --@ null COLUMNS: why     vitrine answers null in these columns, and the same in the others
--   --@ computed: why         the columns are computed: no table's name and number with them
--   --@ fails SQLSTATE: why   PostgreSQL itself says no to this role, and vitrine the same
--   --@ refused SQLSTATE: why vitrine says no, and is right to
--   --@ with VALUE | VALUE    parameters; runs by the extended protocol only

-- == pgAdmin: connect
SET DateStyle TO 'ISO' \; SET client_min_messages TO notice \; SELECT
    pg_catalog.set_config('bytea_output', 'hex', false) AS now_hex FROM pg_show_all_settings() AS
    known WHERE known.name = 'bytea_output' \; SET client_encoding TO 'UTF8';
SELECT version();
SELECT pg_catalog.version() AS v, pg_catalog.current_database() AS db,
    pg_catalog.pg_encoding_to_char(d.encoding) AS encoding, d.datallowconn
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database();
SELECT d.oid AS did, d.datname, d.datallowconn, pg_catalog.pg_encoding_to_char(d.encoding) AS
    serverencoding,
    pg_catalog.has_database_privilege(d.oid, 'CREATE') AS cancreate, d.datistemplate
FROM pg_catalog.pg_database d WHERE d.datname = current_database();
WITH RECURSIVE groups (member_of) AS (SELECT roleid FROM pg_catalog.pg_auth_members WHERE member =
    (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user) UNION SELECT wider.roleid
    FROM pg_catalog.pg_auth_members wider, groups WHERE wider.member = groups.member_of) SELECT
    me.oid, me.rolname, me.rolsuper OR me.rolcreaterole AS makes_roles, CASE me.rolsuper WHEN true
    THEN true ELSE me.rolcreatedb END AS makes_databases, 'pg_signal_backend' = ANY (ARRAY(SELECT
    known.rolname FROM groups JOIN pg_catalog.pg_roles known ON known.oid = groups.member_of)) AS
    signals FROM pg_catalog.pg_roles me WHERE me.rolname = current_user;
SELECT pg_is_in_recovery() AS inrecovery, CASE WHEN pg_is_in_recovery() THEN
    pg_is_wal_replay_paused() ELSE false END AS isreplaypaused;
SELECT current_setting('is_superuser'), pg_postmaster_start_time() <= now() AS started,
    pg_conf_load_time() <= now() AS loaded;
SHOW server_version_num;
SELECT count(*) > 0 AS gss FROM pg_catalog.pg_stat_gssapi WHERE pid = pg_backend_pid() AND NOT
    gss_authenticated;
SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = 'adminpack';
SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pgagent'),
    has_schema_privilege('public', 'USAGE');

-- == pgAdmin: dashboard
--@ moves: sessions come and go; the texts of statements are null
/*dashboard*/ SELECT backend.pid, backend.usename || '@' || backend.datname AS who, client_addr,
    backend_type, application_name, state, query, coalesce(wait_event, '') || ' (' ||
    coalesce(wait_event_type, '-') || ')' AS waiting, pg_catalog.to_char(query_start,
    'HH24:MI:SS TZ') AS since, pg_catalog.to_char(xact_start, 'YYYY-MM-DD') AS day,
    array_to_string(pg_catalog.pg_blocking_pids(backend.pid), '+') AS behind, round((extract(epoch
    FROM now() - state_change) / 60)::numeric, 2) AS minutes FROM pg_catalog.pg_stat_activity
    backend WHERE backend.datname = (SELECT here.datname FROM pg_catalog.pg_database here WHERE
    here.datname = current_database()) ORDER BY backend.pid;
--@ moves: counters
SELECT 'connections' AS chart, pg_catalog.row_to_json(point) AS points FROM (SELECT count(*) AS
    "All", count(*) FILTER (WHERE state = 'active') AS "Busy" FROM pg_catalog.pg_stat_activity)
    point UNION ALL SELECT 'work', pg_catalog.row_to_json(point) FROM (SELECT (SELECT
    sum(xact_commit + xact_rollback) FROM pg_catalog.pg_stat_database) AS "Ended", (SELECT
    sum(tup_returned) FROM pg_catalog.pg_stat_database WHERE datname = current_database()) AS
    "Read", (SELECT sum(blks_hit) / greatest(sum(blks_read), 1) FROM pg_catalog.pg_stat_database) AS
    "Cached") point;
--@ moves: locks of the moment
SELECT held.pid, held.mode, held.granted, held.fastpath, held.relation::regclass,
    held.classid::regclass, home.datname, held.locktype || coalesce(held.virtualxid,
    held.transactionid::text, '') AS what, held.page, held.tuple, held.objid, held.objsubid,
    held.virtualtransaction, held.waitstart FROM pg_catalog.pg_locks held LEFT JOIN
    pg_catalog.pg_database home ON home.oid = held.database ORDER BY held.locktype, held.pid;
SELECT waiting.owner, waiting.database, waiting.transaction, pg_catalog.to_char(waiting.prepared,
    'DD.MM.YYYY HH24:MI') AS since FROM pg_catalog.pg_prepared_xacts AS waiting ORDER BY 4, 1;
SELECT name, category, setting, unit, short_desc FROM pg_catalog.pg_show_all_settings() WHERE name
    <> 'application_name' AND name !~ '_command$|conninfo' ORDER BY category, name;
SELECT setting FROM pg_show_all_settings() WHERE name = 'log_destination';
SELECT name, setting::numeric AS setting FROM pg_catalog.pg_show_all_settings() WHERE name IN
    ('autovacuum_naptime', 'vacuum_freeze_min_age', 'autovacuum_vacuum_threshold') ORDER BY name;
SELECT known.vartype, known.name, known.enumvals, known.max_val, known.min_val FROM
    pg_catalog.pg_show_all_settings() known WHERE known.context = ANY ('{user,superuser}') ORDER BY
    2;
SELECT * FROM pg_catalog.pg_stat_replication;
SELECT * FROM pg_catalog.pg_replication_slots;
--@ refused 42501: reads the server's log file
SELECT pg_read_file(pg_current_logfile());
--@ refused 42501: looks at a file of the server's
SELECT pg_stat_file(pg_current_logfile('csvlog'));

-- == pgAdmin: databases, tablespaces, roles
SELECT home.datname, home.oid::int8, home.datconnlimit, home.datcollate, home.datctype,
    place.spcname, said.description, array_to_string(home.datacl::text[], E'\n') AS grants,
    home.datdba::regrole, pg_catalog.has_database_privilege(home.datname, 'CREATE, CONNECT') AS
    usable FROM pg_catalog.pg_database home LEFT JOIN pg_catalog.pg_shdescription said ON
    said.classoid = 'pg_database'::regclass AND said.objoid = home.oid LEFT JOIN
    pg_catalog.pg_tablespace place ON place.oid = home.dattablespace WHERE home.oid >= 1::oid ORDER
    BY home.datname;
SELECT coalesce(receiver.rolname, 'PUBLIC') AS to_whom, giver.rolname AS by_whom,
    pg_catalog.array_agg(DISTINCT (entry.item).privilege_type ORDER BY (entry.item).privilege_type)
    AS what, bool_or((entry.item).is_grantable) AS onwards FROM (SELECT
    pg_catalog.aclexplode(home.datacl) AS item FROM pg_catalog.pg_database home WHERE home.datname =
    'shop') entry LEFT JOIN pg_catalog.pg_roles receiver ON receiver.oid = (entry.item).grantee LEFT
    JOIN pg_catalog.pg_roles giver ON giver.oid = (entry.item).grantor GROUP BY 1, 2 ORDER BY 1, 2;
SELECT t.oid, t.spcname AS name, t.spcowner AS owner, pg_catalog.pg_get_userbyid(t.spcowner) AS
    spcuser, pg_catalog.pg_tablespace_location(t.oid) AS spclocation,
    pg_catalog.array_to_string(t.spcoptions, ',') AS options, pg_catalog.shobj_description(t.oid,
    'pg_tablespace') AS description
FROM pg_catalog.pg_tablespace t ORDER BY name;
SELECT pg_catalog.pg_size_pretty(pg_catalog.pg_tablespace_size(t.oid)) IS NOT NULL AS sized FROM
    pg_catalog.pg_tablespace t WHERE t.spcname = 'pg_default' AND has_tablespace_privilege(t.oid,
    'CREATE');
SELECT person.*, person.oid, pg_catalog.shobj_description(person.oid, 'pg_authid') AS remark,
    array(SELECT pg_get_userbyid(belongs.roleid) || CASE belongs.admin_option WHEN true THEN '*'
    ELSE '' END FROM pg_catalog.pg_auth_members belongs WHERE belongs.member = person.oid ORDER BY
    1) AS groups FROM pg_catalog.pg_roles person WHERE NOT person.rolname LIKE 'pg\_%' ORDER BY
    person.rolname;
SELECT split_part(c.setconfig, '=', 1) AS name, replace(c.setconfig, split_part(c.setconfig, '=', 1)
    || '=', '') AS value, d.datname
FROM (SELECT s.setdatabase, s.setrole, unnest(s.setconfig) AS setconfig FROM
    pg_catalog.pg_db_role_setting s) c LEFT JOIN pg_catalog.pg_database d ON d.oid = c.setdatabase;
SELECT rolname FROM pg_catalog.pg_roles WHERE pg_has_role(oid, 'MEMBER') ORDER BY 1;
SELECT datname, CASE WHEN has_database_privilege(oid, 'CONNECT') THEN
    pg_size_pretty(pg_database_size(oid)) IS NOT NULL END AS sized, age(datfrozenxid) > 0,
    mxid_age(datminmxid) >= 0
FROM pg_database ORDER BY 1;
--@ fails 42501: only superusers read it
SELECT usename, passwd FROM pg_catalog.pg_shadow;
SELECT usesysid, usename, usesuper, passwd FROM pg_catalog.pg_user ORDER BY 1;
SELECT groname, grolist FROM pg_catalog.pg_group WHERE groname !~ '^pg_' ORDER BY 1;
SELECT ('pg_default'), pg_catalog.quote_ident(spcname), pg_catalog.quote_literal(spcname),
    quote_nullable(NULL::text) FROM pg_tablespace ORDER BY oid;
SELECT s.classid::regclass, s.deptype, count(*) FROM pg_catalog.pg_shdepend s GROUP BY 1, 2 ORDER BY
    1, 2;

-- == pgAdmin: the tree
SELECT space.nspname, space.oid, pg_catalog.pg_get_userbyid(space.nspowner) AS keeper,
    words.description, has_schema_privilege(space.oid, 'USAGE') AS enter,
    has_schema_privilege(space.oid, 'CREATE') AS build FROM pg_catalog.pg_namespace space LEFT OUTER
    JOIN pg_catalog.pg_description words ON words.classoid = 'pg_namespace'::regclass AND
    words.objoid = space.oid WHERE space.nspname NOT LIKE E'pg\\_%' AND NOT (space.nspname =
    'information_schema' AND EXISTS (SELECT FROM pg_catalog.pg_class inner_one WHERE
    inner_one.relnamespace = space.oid AND inner_one.relname = 'tables')) ORDER BY 1;
SELECT item.relname, item.oid, item.relkind = 'p' AS in_parts, count(hook.oid) FILTER (WHERE NOT
    hook.tgisinternal) AS hooks, count(hook.oid) FILTER (WHERE hook.tgenabled = 'O' AND NOT
    hook.tgisinternal) AS live_hooks, (SELECT count(*) FROM pg_catalog.pg_inherits up WHERE
    up.inhrelid = item.oid) AS parents FROM pg_catalog.pg_class item LEFT JOIN pg_catalog.pg_trigger
    hook ON hook.tgrelid = item.oid WHERE item.relnamespace = 'library'::regnamespace::oid AND
    item.relkind = ANY ('{r,s,t,p}'::"char"[]) AND NOT item.relispartition GROUP BY item.oid,
    item.relname, item.relkind ORDER BY 1;
SELECT item.relname, item.relacl::text, item.relhastriggers, item.relreplident, item.relrowsecurity,
    item.relforcerowsecurity, item.relpersistence = 'u' AS not_logged,
    coalesce(nullif(place.spcname::text, ''), (SELECT usual.spcname FROM pg_catalog.pg_tablespace
    usual, pg_catalog.pg_database home WHERE home.dattablespace = usual.oid AND home.datname =
    current_database())) AS place, (SELECT known.setting FROM pg_catalog.pg_show_all_settings()
    known WHERE known.name = 'default_table_access_method') AS usual_method, method.amname,
    pg_catalog.pg_get_userbyid(item.relowner) AS keeper,
    pg_catalog.substring(pg_catalog.array_to_string(item.reloptions, ';'), 'fillfactor=([0-9]+)') AS
    full_at, long_ones.reloptions AS long_options, first_key.conname, first_key.conkey,
    made_of.typname, pg_catalog.pg_get_partkeydef(item.oid) AS parted_by, (SELECT
    string_agg(marks.provider || ':' || marks.label, ',') FROM pg_catalog.pg_seclabels marks WHERE
    marks.objsubid = 0 AND marks.objoid = item.oid) AS marks FROM pg_catalog.pg_class item LEFT JOIN
    pg_catalog.pg_constraint first_key ON first_key.contype = 'p' AND first_key.conrelid = item.oid
    LEFT JOIN pg_catalog.pg_class long_ones ON long_ones.oid = item.reltoastrelid LEFT JOIN
    pg_catalog.pg_am method ON method.oid = item.relam LEFT JOIN pg_catalog.pg_tablespace place ON
    place.oid = item.reltablespace LEFT JOIN pg_catalog.pg_type made_of ON made_of.oid =
    item.reloftype WHERE item.relnamespace = 'library'::regnamespace AND item.relkind IN ('p', 'r')
    ORDER BY item.relname;
--@ computed: constants of definitions are hidden
SELECT col.*, col.attname AS label, pg_catalog.format_type(kind.oid, col.atttypmod) AS shown,
    pg_catalog.format_type(kind.oid, NULL) AS bare, coalesce(nullif(kind.typelem, 0), kind.oid) AS
    part, kind.typstorage AS usual_storage, pg_catalog.pg_get_expr(preset.adbin, preset.adrelid) AS
    preset, CASE WHEN col.attgenerated = 's' THEN 'made' WHEN col.attidentity <> '' THEN 'counted'
    ELSE '' END AS origin, sign(col.attndims) AS many, words.description, main.indkey, (SELECT
    home.nspname FROM pg_catalog.pg_namespace home WHERE home.oid = kind.typnamespace) AS kind_home,
    1 < (SELECT count(*) FROM pg_catalog.pg_type same WHERE same.typname = kind.typname) AS
    ambiguous, pg_catalog.concat(quote_ident(order_home.nspname), '.',
    quote_ident(ordering.collname)) AS ordering, EXISTS (SELECT FROM pg_catalog.pg_constraint link
    WHERE link.contype = 'f' AND link.conrelid = col.attrelid AND col.attnum = ANY (link.conkey)) AS
    links, counter.* FROM pg_catalog.pg_attribute col JOIN pg_catalog.pg_type kind ON kind.oid =
    col.atttypid LEFT JOIN pg_catalog.pg_index main ON main.indisprimary AND main.indrelid =
    col.attrelid LEFT JOIN pg_catalog.pg_attrdef preset ON (preset.adnum, preset.adrelid) =
    (col.attnum, col.attrelid) LEFT JOIN pg_catalog.pg_description words ON words.classoid =
    'pg_class'::regclass AND words.objsubid = col.attnum AND words.objoid = col.attrelid LEFT JOIN
    (pg_catalog.pg_class counting JOIN pg_catalog.pg_depend owned ON counting.relkind = 'S' AND
    owned.objid = counting.oid) ON owned.refobjsubid = col.attnum AND owned.refobjid = col.attrelid
    LEFT JOIN pg_catalog.pg_sequence counter ON counter.seqrelid = counting.oid LEFT JOIN
    (pg_catalog.pg_collation ordering JOIN pg_catalog.pg_namespace order_home ON order_home.oid =
    ordering.collnamespace) ON ordering.oid = col.attcollation WHERE NOT col.attisdropped AND
    col.attnum >= 1 AND col.attrelid = 'library.books'::regclass::oid ORDER BY col.attnum;
SELECT DISTINCT ON (ix.relname) ix.relname, ix.oid, place.nspname, entry.indisunique,
    entry.indisprimary, entry.indisvalid, entry.indisclustered, entry.indkey, entry.indnatts,
    method.amname, rule.contype, rule.condeferrable, pg_catalog.pg_get_expr(entry.indpred,
    entry.indrelid, true) AS only_where, (SELECT
    pg_catalog.string_agg(pg_catalog.pg_get_indexdef(ix.oid, nth, true), '; ') FROM
    pg_catalog.generate_series(1, entry.indnkeyatts::int) AS nth) AS over, CASE entry.indoption[0] &
    1 WHEN 1 THEN 'down' ELSE 'up' END AS direction, (SELECT family.opcname FROM
    pg_catalog.pg_opclass family WHERE family.oid = entry.indclass[0]) AS by_class FROM
    pg_catalog.pg_class ix JOIN pg_catalog.pg_index entry ON entry.indexrelid = ix.oid JOIN
    pg_catalog.pg_am method ON method.oid = ix.relam JOIN pg_catalog.pg_class base ON base.oid =
    entry.indrelid JOIN pg_catalog.pg_namespace place ON place.oid = base.relnamespace LEFT JOIN
    pg_catalog.pg_depend needs ON needs.deptype = 'i' AND needs.refobjsubid = 0 AND needs.objid =
    ix.oid AND needs.classid = ix.tableoid LEFT JOIN pg_catalog.pg_constraint rule ON rule.oid =
    needs.refobjid AND rule.tableoid = needs.refclassid WHERE base.oid = 'library.books'::regclass
    ORDER BY ix.relname;
SELECT child.relname AS from_table, parent.relname AS to_table, link.conname, link.conkey,
    link.confkey, link.confrelid, link.convalidated, link.conislocal, link.confdeltype,
    link.confupdtype, link.confmatchtype = 'f' AS in_full, link.condeferrable AND link.condeferred
    AS late, (SELECT home.nspname FROM pg_catalog.pg_namespace home WHERE home.oid =
    child.relnamespace) AS from_schema, (SELECT home.nspname FROM pg_catalog.pg_namespace home WHERE
    home.oid = parent.relnamespace) AS to_schema, pg_catalog.pg_get_constraintdef(link.oid, true) AS
    in_words FROM pg_catalog.pg_constraint link JOIN pg_catalog.pg_class parent ON parent.oid =
    link.confrelid JOIN pg_catalog.pg_class child ON child.oid = link.conrelid WHERE link.contype =
    'f' ORDER BY 1, 3;
SELECT rule.conname, rule.connoinherit, rule.convalidated, holder.relname,
    pg_catalog.pg_get_expr(rule.conbin, holder.oid) AS must_hold, obj_description(rule.oid,
    'pg_constraint') FROM pg_catalog.pg_class holder JOIN pg_catalog.pg_constraint rule ON
    rule.conrelid = holder.oid AND rule.contype = 'c' ORDER BY 4, 1;
SELECT hook.tgname, hook.tgtype, hook.tgenabled, hook.tgattr, hook.xmin::text::bigint > 0 AS dated,
    pg_catalog.encode(hook.tgargs, 'escape') AS arguments, pg_catalog.pg_get_triggerdef(hook.oid,
    true) AS in_words, substring(pg_catalog.pg_get_triggerdef(hook.oid), 'WHEN [(](.*)[)] EXECUTE')
    AS condition, body.prosrc, spoken.lanname, 'trigger on ' || held.relname AS place FROM
    pg_catalog.pg_trigger hook JOIN pg_catalog.pg_class held ON held.oid = hook.tgrelid JOIN
    pg_catalog.pg_proc body ON body.oid = hook.tgfoid JOIN pg_catalog.pg_language spoken ON
    spoken.oid = body.prolang WHERE hook.tgisinternal IS FALSE ORDER BY 1;
SELECT rw.oid, rw.rulename AS name, rw.is_instead, rw.ev_type, pg_catalog.pg_get_ruledef(rw.oid) AS
    definition, rw.ev_enabled FROM pg_catalog.pg_rewrite rw WHERE rw.ev_class =
    'library.shelf'::regclass ORDER BY 2;
SELECT shown.relname, shown.relkind, shown.relispopulated, pg_catalog.pg_get_viewdef(shown.oid,
    true) AS in_words, substring(array_to_string(shown.reloptions, '/') FROM
    'security_barrier=([a-z0-9]+)')::boolean AS fenced, pg_catalog.obj_description(shown.oid),
    pg_catalog.pg_get_userbyid(shown.relowner) AS keeper FROM pg_catalog.pg_class shown WHERE
    shown.relnamespace = 'library'::regnamespace AND shown.relkind = ANY ('{m,v}') ORDER BY 1;
SELECT body.proname, body.oid::regprocedure, pg_catalog.pg_get_function_identity_arguments(body.oid)
    AS told_apart_by, pg_catalog.pg_get_function_arguments(body.oid) AS takes,
    pg_catalog.pg_get_function_result(body.oid) AS gives, pg_get_function_sqlbody(body.oid),
    pg_catalog.oidvectortypes(body.proargtypes) AS kinds, format_type(body.prorettype, NULL),
    body.prokind, body.pronargs, body.prosecdef, body.provolatile, body.proleakproof,
    body.proparallel, body.proisstrict, body.procost, body.prorows, body.prosupport::regproc,
    body.proargmodes, body.proargnames, pg_catalog.pg_get_expr(body.proargdefaults,
    'pg_catalog.pg_class'::regclass) AS presets, body.prosrc, spoken.lanname FROM
    pg_catalog.pg_language spoken JOIN pg_catalog.pg_proc body ON body.prolang = spoken.oid WHERE
    spoken.lanname NOT IN ('c', 'internal') AND body.prokind <> 'a' AND body.pronamespace = ANY
    (ARRAY['library', 'public']::regnamespace[]) ORDER BY 2;
SELECT pg_catalog.pg_get_functiondef('library.fine'::regproc),
    'library.fine(integer)'::regprocedure::oid = 'library.fine'::regproc::oid AS same;
SELECT cl.oid, relname AS name, pg_catalog.pg_get_userbyid(relowner) AS seqowner, relacl,
    s.start_value, s.min_value, s.max_value, s.increment_by, s.cycle, s.cache_size, s.last_value
FROM pg_catalog.pg_class cl JOIN pg_catalog.pg_sequences s ON s.sequencename = cl.relname AND
    s.schemaname = 'library' WHERE relkind = 'S' AND relnamespace = 'library'::regnamespace ORDER BY
    relname;
SELECT seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle FROM
    pg_catalog.pg_sequence WHERE seqrelid = 'library.shelf_marks'::regclass;
SELECT last_value, log_cnt, is_called FROM library.shelf_marks;
SELECT kind.typname, kind.oid, kind.typtype, kind.typacl, format_type(kind.oid, NULL) AS shown,
    pg_catalog.pg_get_userbyid(kind.typowner) AS keeper, shape.relname, array(SELECT
    pg_catalog.quote_literal(label.enumlabel) FROM pg_catalog.pg_enum label WHERE label.enumtypid =
    kind.oid ORDER BY label.enumsortorder) AS labels, bounds.rngsubtype::regtype,
    bounds.rngcollation, bounds.rngcanonical, bounds.rngsubdiff, bounds.rngmultitypid::regtype,
    kind.typinput::regproc, kind.typoutput::regproc, kind.typreceive, kind.typmodin,
    kind.typanalyze, kind.typsubscript, pg_catalog.obj_description(kind.oid, 'pg_type') FROM
    pg_catalog.pg_type kind LEFT JOIN pg_catalog.pg_range bounds ON bounds.rngtypid = kind.oid LEFT
    JOIN pg_catalog.pg_class shape ON shape.relkind = 'c' AND shape.oid = kind.typrelid WHERE
    kind.typnamespace = ANY ('{library,public}'::regnamespace[]) ORDER BY kind.typname;
SELECT d.oid, d.typname AS name, d.typbasetype, format_type(b.oid, NULL) AS basetype, d.typtypmod,
    d.typnotnull, d.typdefault, c.conname, pg_get_constraintdef(c.oid) AS con
FROM pg_catalog.pg_type d JOIN pg_catalog.pg_type b ON b.oid = d.typbasetype LEFT JOIN
    pg_catalog.pg_constraint c ON c.contypid = d.oid WHERE d.typtype = 'd' AND d.typnamespace =
    'library'::regnamespace;
SELECT c.oid, c.collname AS name, c.collprovider, c.collisdeterministic, c.collcollate, c.collctype,
    c.colliculocale, pg_catalog.pg_collation_is_visible(c.oid), pg_collation_for('x'::text COLLATE
    "C")
FROM pg_catalog.pg_collation c WHERE c.collencoding IN (-1, 6) ORDER BY 2, 1 LIMIT 20;
SELECT pack.extname, pack.extversion, pack.extrelocatable, pack.extconfig::regclass[],
    pg_get_userbyid(pack.extowner) AS keeper, home.nspname, offered.comment,
    offered.default_version, known.installed_version FROM pg_catalog.pg_available_extensions known
    JOIN pg_catalog.pg_extension pack ON pack.extname = known.name LEFT JOIN
    pg_catalog.pg_available_extensions() offered(name, default_version, comment) ON offered.name =
    pack.extname LEFT JOIN pg_catalog.pg_namespace home ON home.oid = pack.extnamespace ORDER BY 1;
SELECT name, version, installed, superuser, trusted, relocatable, schema, requires FROM
    pg_catalog.pg_available_extension_versions WHERE name IN ('hstore', 'pg_trgm') ORDER BY 1, 2;
SELECT lan.oid, lanname AS name, lanpltrusted AS trusted, lanacl, hp.proname AS handler, ip.proname
    AS inline, vp.proname AS validator, pg_catalog.has_language_privilege(lan.oid, 'USAGE')
FROM pg_catalog.pg_language lan LEFT JOIN pg_catalog.pg_proc hp ON hp.oid = lanplcallfoid LEFT JOIN
    pg_catalog.pg_proc ip ON ip.oid = laninline LEFT JOIN pg_catalog.pg_proc vp ON vp.oid =
    lanvalidator ORDER BY 2;
SELECT e.oid, e.evtname, e.evtevent, pg_get_userbyid(e.evtowner), e.evtenabled, e.evtfoid::regproc,
    e.evttags FROM pg_catalog.pg_event_trigger e;
SELECT fdw.oid, fdwname, fdwhandler, fdwvalidator, fdwacl, fdwoptions FROM
    pg_catalog.pg_foreign_data_wrapper fdw ORDER BY 1;
SELECT srv.oid, srvname, srvtype, srvversion, srvoptions, has_server_privilege(srv.oid, 'USAGE')
    FROM pg_catalog.pg_foreign_server srv;
SELECT umid, srvid, srvname, usename FROM pg_catalog.pg_user_mappings;
SELECT ftrelid::regclass, ftserver, ftoptions, pg_options_to_table(ftoptions) FROM
    pg_catalog.pg_foreign_table;
SELECT cfg.oid, cfg.cfgname, prs.prsname, pg_catalog.pg_ts_config_is_visible(cfg.oid) FROM
    pg_catalog.pg_ts_config cfg JOIN pg_catalog.pg_ts_parser prs ON prs.oid = cfg.cfgparser ORDER BY
    2;
SELECT (SELECT t.alias FROM pg_catalog.ts_token_type(3722::oid) AS t WHERE t.tokid = m.maptokentype)
    AS tokenalias, pg_catalog.array_agg(d.dictname ORDER BY m.mapseqno) AS dicts
FROM pg_catalog.pg_ts_config_map m JOIN pg_catalog.pg_ts_dict d ON d.oid = m.mapdict WHERE m.mapcfg
    = 'pg_catalog.english'::regconfig GROUP BY m.maptokentype ORDER BY 1;
SELECT dict.dictname, dict.dictinitoption, t.tmplname, t.tmplinit::regproc,
    pg_ts_dict_is_visible(dict.oid), pg_ts_template_is_visible(t.oid) FROM pg_catalog.pg_ts_dict
    dict JOIN pg_catalog.pg_ts_template t ON t.oid = dict.dicttemplate ORDER BY 1;
SELECT prsname, prsstart, prstoken, prsend, prsheadline, prslextype, pg_ts_parser_is_visible(oid)
    FROM pg_catalog.pg_ts_parser;
SELECT op.oid, op.oprname, op.oprkind, op.oprleft::regtype, op.oprright::regtype,
    op.oprcode::regproc, op.oprcom::regoper, op.oprrest, pg_operator_is_visible(op.oid) FROM
    pg_catalog.pg_operator op WHERE op.oprnamespace = 'public'::regnamespace ORDER BY 1;
SELECT a.aggfnoid::regprocedure, a.aggkind, a.aggtransfn, a.aggfinalfn, a.aggsortop::regoperator,
    a.aggtranstype::regtype, a.agginitval FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc p
    ON p.oid = a.aggfnoid WHERE p.pronamespace = 'public'::regnamespace ORDER BY 1;
SELECT ca.oid, format_type(ca.castsource, NULL) || '->' || format_type(ca.casttarget, NULL) AS name,
    ca.castcontext, ca.castmethod, CASE WHEN ca.castfunc = 0 THEN NULL ELSE
    ca.castfunc::regprocedure END FROM pg_catalog.pg_cast ca WHERE ca.oid > 16383 ORDER BY 2;
SELECT pub.oid, pubname, puballtables, pubinsert, pg_get_userbyid(pubowner) FROM
    pg_catalog.pg_publication pub;
SELECT pr.prpubid, pr.prrelid::regclass, pg_get_expr(pr.prqual, pr.prrelid), pr.prattrs,
    pn.pnnspid::regnamespace FROM pg_catalog.pg_publication_rel pr,
    pg_catalog.pg_publication_namespace pn;
SELECT * FROM pg_catalog.pg_publication_tables;
SELECT sub.oid, subname, subenabled, subpublications FROM pg_catalog.pg_subscription sub WHERE
    subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database());
SELECT srsubid, srrelid, srsubstate FROM pg_catalog.pg_subscription_rel;
SELECT told.policyname, told.cmd, told.roles, told.qual, told.with_check, raw.polpermissive,
    pg_catalog.pg_get_expr(raw.polqual, raw.polrelid) FROM pg_catalog.pg_policies told JOIN
    pg_catalog.pg_policy raw ON raw.polname = told.policyname AND raw.polrelid =
    (quote_ident(told.schemaname) || '.' || quote_ident(told.tablename))::regclass ORDER BY 1;
SELECT a.defaclobjtype, a.defaclnamespace::regnamespace, pg_get_userbyid(a.defaclrole),
    (pg_catalog.aclexplode(a.defaclacl)).*, acldefault('r', a.defaclrole) FROM
    pg_catalog.pg_default_acl a;
SELECT DISTINCT needs.deptype, needs.refclassid::regclass, coalesce(item.relname, body.proname,
    kind.typname, '?') AS what, item.relkind::text || coalesce(nullif(needs.refobjsubid, 0)::text,
    '') AS sort, pg_catalog.pg_describe_object(needs.refclassid, needs.refobjid, needs.refobjsubid)
    AS said, (pg_catalog.pg_identify_object(needs.classid, needs.objid, needs.objsubid)).identity
    FROM pg_catalog.pg_depend needs LEFT JOIN pg_catalog.pg_type kind ON kind.oid = needs.refobjid
    LEFT JOIN pg_catalog.pg_proc body ON body.oid = needs.refobjid LEFT JOIN pg_catalog.pg_class
    item ON item.oid = needs.refobjid WHERE needs.objid = ANY (ARRAY['library.shelf',
    'library.books_genre', 'library.books']::regclass[]) ORDER BY 5, 6, 4;
SELECT pg_catalog.obj_description('library.authors'::regclass, 'pg_class'),
    pg_catalog.col_description('library.authors'::regclass, 3),
    pg_catalog.obj_description('library'::regnamespace, 'pg_namespace');
SELECT word, catcode, barelabel, catdesc, baredesc FROM pg_catalog.pg_get_keywords() ORDER BY 1;
SELECT upper(word) AS word FROM pg_catalog.pg_get_keywords() WHERE catcode IN ('R', 'T') ORDER BY
    word;

-- == pgAdmin: statistics
--@ moves: counters
SELECT tab.relname, tab.seq_scan AS "Whole reads", tab.seq_tup_read, tab.idx_scan, tab.n_tup_ins,
    tab.n_live_tup, tab.n_dead_tup, tab.last_vacuum, tab.autoanalyze_count, io.heap_blks_read,
    io.heap_blks_hit, io.toast_blks_read,
    pg_catalog.pg_size_pretty(pg_catalog.pg_relation_size(tab.relid) + coalesce((SELECT
    pg_catalog.pg_relation_size(nullif(own.reltoastrelid, 0)) FROM pg_catalog.pg_class own WHERE
    own.oid = tab.relid), 0)::int8 + coalesce((SELECT
    sum(pg_catalog.pg_relation_size(entry.indexrelid))::int8 FROM pg_catalog.pg_index entry WHERE
    entry.indrelid = tab.relid), 0)) AS "Size" FROM pg_catalog.pg_statio_all_tables io JOIN
    pg_catalog.pg_stat_all_tables tab USING (relid) WHERE tab.relid = 'library.books'::regclass;
--@ moves: counters
SELECT idx_scan, idx_tup_read, idx_tup_fetch, idx_blks_read, idx_blks_hit,
    pg_size_pretty(pg_catalog.pg_relation_size('library.books_genre'::regclass))
FROM pg_catalog.pg_stat_all_indexes stat JOIN pg_catalog.pg_statio_all_indexes statio ON
    stat.indexrelid = statio.indexrelid WHERE stat.indexrelid = 'library.books_genre'::regclass;
--@ moves: counters
SELECT db.datname, numbackends, xact_commit, blks_read, conflicts, deadlocks, temp_files,
    blk_read_time, pg_size_pretty(pg_database_size(db.oid)) FROM pg_catalog.pg_stat_database s JOIN
    pg_catalog.pg_database db ON db.oid = s.datid WHERE db.datname = current_database();
--@ null null_frac, n_distinct, most_common_vals, correlation: they tell values of columns
SELECT attname, null_frac, n_distinct, most_common_vals, correlation FROM pg_catalog.pg_stats WHERE
    schemaname = 'library' AND tablename = 'books' ORDER BY attname;
--@ moves: counters
SELECT funcid, schemaname, funcname, calls, total_time, self_time FROM
    pg_catalog.pg_stat_user_functions;
--@ moves: counters
SELECT * FROM pg_catalog.pg_stat_bgwriter;
SELECT pg_size_pretty(pg_total_relation_size('library.books')),
    pg_size_pretty(pg_indexes_size('library.books'::regclass)), pg_table_size('library.books'),
    pg_relation_size('library.books', 'fsm'), pg_size_bytes('1 GB');
SELECT blks_read >= 0, blks_hit >= 0, seqname FROM (SELECT relname AS seqname, blks_read, blks_hit
    FROM pg_catalog.pg_statio_all_sequences WHERE schemaname = 'library') s ORDER BY 3;

-- == pgAdmin: query tool
BEGIN;
EXPLAIN (FORMAT JSON, VERBOSE true, COSTS true) SELECT * FROM library.books WHERE id = 3;
SELECT id, title FROM library.books ORDER BY id LIMIT 1000 OFFSET 0;
SELECT key.attnum, key.attname, kind.typname FROM pg_catalog.pg_attribute key LEFT JOIN
    pg_catalog.pg_type kind ON kind.oid = key.atttypid WHERE key.attrelid =
    'library.books'::regclass AND key.attnum = ANY ((SELECT rule.conkey FROM pg_catalog.pg_class
    item LEFT JOIN pg_catalog.pg_constraint rule ON rule.conrelid = item.oid AND rule.contype = 'p'
    WHERE item.oid = 'library.books'::regclass)::oid[]);
SELECT n.nspname || '.' || quote_ident(c.relname) AS completion, c.relkind FROM pg_class c,
    pg_namespace n WHERE n.oid = c.relnamespace AND pg_table_is_visible(c.oid) AND c.relname ~*
    '^pg_st' ORDER BY 1;
SELECT nspname FROM pg_namespace WHERE nspname = ANY (current_schemas(true));
SELECT home.nspname, body.proname, body.proretset, coalesce(to_jsonb(body.proargnames), '[]') AS
    names, coalesce(to_json(body.proallargtypes::regtype[]), to_json(body.proargtypes::regtype[]))
    AS kinds FROM pg_catalog.pg_namespace home JOIN pg_catalog.pg_proc body ON body.pronamespace =
    home.oid WHERE home.nspname = 'library' AND body.prorettype::regtype <> 'trigger'::regtype;
ROLLBACK;
ABORT;

-- == DBeaver: connect
SELECT current_schema(), session_user;
SHOW search_path;
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;
SET extra_float_digits = 3;
SET application_name = 'DBeaver 23.1.0 - Main <shop>';
SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate OR
    db.datname = 'shop' ORDER BY db.datname;
SELECT current_database(), current_user, current_role, current_catalog, user, session_user,
    current_schema;
--@ computed: vitrine keeps a few settings' values back
SELECT * FROM pg_catalog.pg_settings WHERE name = 'standard_conforming_strings';
--@ computed: vitrine keeps a few settings' values back
SELECT reset_val FROM pg_settings WHERE name = 'search_path';
SELECT space.*, space.oid, said.description FROM pg_catalog.pg_description said RIGHT JOIN
    pg_catalog.pg_namespace space ON said.objoid = space.oid AND said.classoid =
    'pg_namespace'::regclass AND said.objsubid = 0 ORDER BY space.nspname;
SELECT e.oid, e.* FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid ORDER
    BY e.enumtypid, e.enumsortorder;
SELECT kind.*, kind.oid, table_of.relkind, said.description, format_type(nullif(kind.typbasetype,
    0), kind.typtypmod) AS underneath FROM pg_catalog.pg_type kind LEFT JOIN pg_catalog.pg_class
    table_of ON table_of.oid = kind.typrelid LEFT JOIN pg_catalog.pg_type part ON part.oid =
    kind.typelem LEFT JOIN pg_catalog.pg_description said ON said.objoid = kind.oid AND
    said.classoid = 'pg_type'::regclass WHERE coalesce(table_of.relkind, 'c') = 'c' AND
    coalesce(part.typcategory, 'X') <> 'C' ORDER BY kind.oid;
--@ fails 42501: only superusers read it
SELECT a.oid, a.* FROM pg_catalog.pg_authid a WHERE a.rolname = 'vitrine_reader';

-- == DBeaver: navigator
SELECT item.*, item.oid, said.description, pg_catalog.pg_get_partkeydef(item.oid) AS parted_by,
    pg_catalog.pg_get_expr(item.relpartbound, item.oid) AS part_of FROM pg_catalog.pg_class item
    LEFT JOIN pg_catalog.pg_description said ON said.classoid = 'pg_class'::regclass AND
    said.objsubid = 0 AND said.objoid = item.oid WHERE item.relkind <> ALL ('{i,I,c}'::"char"[]) AND
    item.relnamespace = 'library'::regnamespace::oid ORDER BY item.relname;
--@ computed: constants of definitions are hidden
SELECT col.*, item.relname, said.description, owned.objid, pg_catalog.pg_get_expr(preset.adbin,
    preset.adrelid, true) AS preset FROM pg_catalog.pg_class item JOIN pg_catalog.pg_attribute col
    ON col.attrelid = item.oid AND NOT col.attisdropped LEFT JOIN pg_depend owned ON owned.classid =
    owned.refclassid AND owned.deptype = 'i' AND owned.refobjsubid = col.attnum AND owned.refobjid =
    item.oid LEFT JOIN pg_catalog.pg_description said ON said.objsubid = col.attnum AND said.objoid
    = item.oid LEFT JOIN pg_catalog.pg_attrdef preset ON preset.adnum = col.attnum AND
    preset.adrelid = item.oid WHERE item.relnamespace = 'library'::regnamespace AND item.relkind NOT
    IN ('I', 'c', 'i') ORDER BY item.relname, col.attnum;
SELECT entry.*, ix.relname, ix.relam, ix.reltablespace, base.relname AS of_table, said.description,
    pg_catalog.pg_relation_size(ix.oid) AS bytes, pg_catalog.pg_stat_get_numscans(ix.oid) >= 0 AS
    scanned, pg_catalog.pg_get_expr(entry.indexprs, base.oid, true) AS computed,
    pg_catalog.pg_get_expr(entry.indpred, base.oid) AS only_where FROM pg_catalog.pg_class base JOIN
    pg_catalog.pg_index entry ON entry.indrelid = base.oid JOIN pg_catalog.pg_class ix ON
    entry.indexrelid = ix.oid LEFT JOIN pg_catalog.pg_description said ON said.objoid = ix.oid WHERE
    base.oid = 'library.books'::regclass ORDER BY ix.relname;
--@ computed: constants of definitions are hidden
SELECT rule.*, rule.oid, holder.relname, target.relnamespace AS target_home, said.description FROM
    pg_catalog.pg_class holder JOIN pg_catalog.pg_constraint rule ON rule.conrelid = holder.oid LEFT
    JOIN pg_catalog.pg_class target ON target.oid = rule.confrelid LEFT JOIN
    pg_catalog.pg_description said ON said.classoid = 'pg_constraint'::regclass AND said.objoid =
    rule.oid WHERE holder.relnamespace = 'library'::regnamespace ORDER BY rule.oid;
SELECT down.*, child.relnamespace, child.relname FROM pg_catalog.pg_class child JOIN
    pg_catalog.pg_inherits down ON down.inhrelid = child.oid WHERE down.inhparent =
    'library.loans'::regclass ORDER BY down.inhseqno, child.oid;
SELECT hook.*, hook.oid, body.pronamespace::regnamespace, said.description FROM
    pg_catalog.pg_trigger hook JOIN pg_catalog.pg_proc body ON hook.tgfoid = body.oid LEFT JOIN
    pg_catalog.pg_description said ON said.objsubid = 0 AND said.objoid = hook.oid WHERE NOT
    hook.tgisinternal AND hook.tgrelid = 'library.books'::regclass;
--@ computed: constants of definitions are hidden
SELECT r.oid, r.*, pg_get_ruledef(r.oid, true) FROM pg_catalog.pg_rewrite r WHERE r.ev_class =
    'library.shelf'::regclass ORDER BY 1;
SELECT body.*, body.oid, said.description, pg_catalog.pg_get_expr(body.proargdefaults, 0) AS presets
    FROM pg_catalog.pg_proc body LEFT JOIN pg_catalog.pg_description said ON said.objsubid = 0 AND
    said.objoid = body.oid WHERE body.pronamespace = 'library'::regnamespace ORDER BY body.proname;
SELECT pg_get_functiondef(p.oid) FROM pg_proc p WHERE p.pronamespace = 'library'::regnamespace ORDER
    BY p.oid;
SELECT DISTINCT needs.deptype, needs.classid, needs.objid, col.attname, CASE WHEN item.oid IS NOT
    NULL THEN 'relation ' || item.relkind::character varying WHEN hook.oid IS NOT NULL THEN
    'trigger' WHEN body.oid IS NOT NULL THEN 'function' WHEN kind.oid IS NOT NULL THEN 'type' WHEN
    rule.oid IS NOT NULL THEN 'constraint ' || rule.contype::text WHEN written.oid IS NOT NULL THEN
    'rule' WHEN preset.oid IS NOT NULL THEN 'default' WHEN spoken.oid IS NOT NULL OR home.oid IS NOT
    NULL THEN 'other' END AS what FROM pg_depend needs LEFT JOIN pg_class item ON item.oid =
    needs.objid LEFT JOIN pg_attribute col ON (col.attrelid, col.attnum) = (needs.objid,
    needs.objsubid) LEFT JOIN pg_trigger hook ON hook.oid = needs.objid LEFT JOIN pg_proc body ON
    body.oid = needs.objid LEFT JOIN pg_type kind ON kind.oid = needs.objid LEFT JOIN pg_constraint
    rule ON rule.oid = needs.objid LEFT JOIN pg_rewrite written ON written.oid = needs.objid LEFT
    JOIN pg_attrdef preset ON preset.oid = needs.objid LEFT JOIN pg_language spoken ON spoken.oid =
    needs.objid LEFT JOIN pg_namespace home ON home.oid = needs.objid WHERE needs.refobjid =
    'library.books'::regclass ORDER BY 5, 3, 4;
SELECT s.relname, pg_sequence_parameters(s.oid) FROM pg_class s WHERE s.relkind = 'S' AND
    relnamespace = 'library'::regnamespace ORDER BY 1;
SELECT * FROM pg_catalog.pg_sequences WHERE schemaname = 'library' ORDER BY sequencename;
SELECT c.oid, pg_total_relation_size(c.oid) AS total_rel_size, pg_relation_size(c.oid) AS rel_size
    FROM pg_class c WHERE c.relnamespace = 'library'::regnamespace AND c.relkind IN ('r', 'm', 'p')
    ORDER BY 1;
SELECT t.oid, t.*, pg_tablespace_location(t.oid) loc FROM pg_catalog.pg_tablespace t ORDER BY t.oid;
SELECT l.oid, l.* FROM pg_catalog.pg_language l ORDER BY l.oid;
SELECT am.oid, am.*, pg_indexam_has_property(am.oid, 'can_order') FROM pg_catalog.pg_am am ORDER BY
    am.oid;
SELECT pack.*, pack.oid, home.nspname, array(SELECT item.relname FROM unnest(pack.extconfig) AS kept
    JOIN pg_class item ON item.oid = kept) AS tables FROM pg_catalog.pg_extension pack LEFT JOIN
    pg_namespace home ON home.oid = pack.extnamespace ORDER BY pack.oid;
SELECT relacl FROM pg_catalog.pg_class WHERE relnamespace = 'library'::regnamespace AND relkind IN
    ('r', 'v') ORDER BY relname;
SELECT * FROM information_schema.table_privileges WHERE table_catalog = 'shop' AND grantee =
    'vitrine_reader' ORDER BY table_schema, table_name;
SELECT grantee, routine_schema, routine_name, privilege_type FROM
    information_schema.routine_privileges WHERE routine_schema = 'library' ORDER BY 3, 1;
SELECT c.conname, c.conindid::regclass, c.conpfeqop::regoperator[], c.conffeqop, c.conexclop,
    c.confdelsetcols FROM pg_constraint c WHERE conrelid = 'library.books'::regclass ORDER BY 1;
SELECT s.stxname, s.stxkeys, s.stxkind, pg_get_statisticsobjdef(s.oid),
    pg_get_statisticsobjdef_columns(s.oid), pg_statistics_obj_is_visible(s.oid) FROM
    pg_catalog.pg_statistic_ext s WHERE stxnamespace = 'library'::regnamespace;
SELECT a.attname, a.attcompression, a.attstattarget, a.attoptions, a.attfdwoptions,
    pg_get_serial_sequence('library.books', a.attname) FROM pg_attribute a WHERE a.attrelid =
    'library.books'::regclass AND a.attnum > 0 ORDER BY a.attnum;

-- == DBeaver: session manager
--@ moves: sessions come and go
SELECT sa.* FROM pg_catalog.pg_stat_activity sa;
--@ moves: locks of the moment
WITH held AS (SELECT locktype, relation, mode, pid FROM pg_locks WHERE granted), wanted AS (SELECT
    relation, mode, pid FROM pg_locks WHERE NOT granted), clash (wants, meets, rank) AS (VALUES
    ('AccessShareLock'::text, 'AccessExclusiveLock'::text, 1), ('ShareLock', 'RowExclusiveLock', 2))
    SELECT one.pid, other.pid AS behind, clash.rank, session.query, clock_timestamp() -
    session.query_start AS so_long FROM wanted one JOIN held other USING (relation) JOIN clash ON
    (clash.wants, clash.meets) = (one.mode, other.mode) JOIN pg_stat_activity session ON session.pid
    = one.pid;
--@ moves: sessions come and go
SELECT pid, pg_blocking_pids(pid), pg_safe_snapshot_blocking_pids(pid) FROM pg_stat_activity WHERE
    datname = current_database();
--@ refused 42501: ends another session
SELECT pg_catalog.pg_terminate_backend(0);
--@ refused 42501: interrupts another session
SELECT pg_cancel_backend(0);

-- == DBeaver: data
--@ with library | books
SELECT item.oid FROM pg_catalog.pg_namespace space JOIN pg_catalog.pg_class item ON
    item.relnamespace = space.oid WHERE (space.nspname, item.relname) = ($1, $2);
--@ with 16384
SELECT t.oid, t.* FROM pg_catalog.pg_type t WHERE t.oid = $1::int8::oid;
SELECT x.* FROM library.books x ORDER BY id LIMIT 200;
SELECT count(*) FROM library.books;
SELECT x.ctid, x.* FROM library."Odd Names" x;
SELECT b.title, b.xmin::text::int8 > 0, b.tableoid::regclass FROM library.books b WHERE b.id = 1;
EXPLAIN (FORMAT XML, ANALYZE, TIMING off, BUFFERS off, SUMMARY off, COSTS off) SELECT count(*) FROM
    library.loans;
SET statement_timeout = 30000;
SET statement_timeout = 0;

-- == pgjdbc: connect and DatabaseMetaData
SET extra_float_digits = 3;
SET application_name = 'PostgreSQL JDBC Driver';
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
SHOW TRANSACTION ISOLATION LEVEL;
SELECT current_database() AS catalog, space.nspname AS schema, space.nspname < 'pg_' AS early FROM
    pg_catalog.pg_namespace space WHERE NOT (space.nspname ~ '^pg_(toast_)?temp_' AND space.nspname
    IS DISTINCT FROM replace((pg_catalog.current_schemas(true))[1], 'pg_temp_', 'pg_toast_temp_'))
    AND space.nspname <> 'pg_toast' ORDER BY 2;
SELECT NULL AS catalog, space.nspname, item.relname, said.description, CASE WHEN space.nspname IN
    ('pg_catalog', 'information_schema') OR space.nspname ~ '^pg_' THEN CASE item.relkind WHEN 'r'
    THEN 'system table' WHEN 'v' THEN 'system view' ELSE 'system' END ELSE CASE item.relkind WHEN
    'S' THEN 'sequence' WHEN 'p' THEN 'partitioned' WHEN 'm' THEN 'materialized' WHEN 'r' THEN
    'table' ELSE item.relkind::text END END AS kind FROM pg_catalog.pg_class item LEFT JOIN
    pg_catalog.pg_description said ON said.objoid = item.oid AND said.objsubid = 0 AND said.classoid
    = 'pg_class'::regclass CROSS JOIN LATERAL (SELECT home.nspname FROM pg_catalog.pg_namespace home
    WHERE home.oid = item.relnamespace) space WHERE space.nspname LIKE 'libr%' AND item.relname LIKE
    '%' ORDER BY 5, 3;
SELECT listed.* FROM (SELECT space.nspname, item.relname, col.attname, col.atttypid, col.atttypmod,
    col.attlen, kind.typtype, kind.typtypmod, kind.typbasetype, col.attnotnull OR (kind.typnotnull
    AND kind.typtype = 'd') AS never_null, nullif(col.attgenerated, '') AS made,
    nullif(col.attidentity, '') AS counted, row_number() OVER (PARTITION BY item.oid ORDER BY
    col.attnum) AS place, said.description, pg_catalog.pg_get_expr(preset.adbin, preset.adrelid) AS
    preset FROM pg_catalog.pg_attribute col JOIN pg_catalog.pg_type kind ON kind.oid = col.atttypid
    JOIN pg_catalog.pg_class item ON item.oid = col.attrelid JOIN pg_catalog.pg_namespace space ON
    space.oid = item.relnamespace LEFT JOIN pg_catalog.pg_attrdef preset ON preset.adrelid =
    item.oid AND preset.adnum = col.attnum LEFT JOIN (pg_catalog.pg_description said JOIN
    pg_catalog.pg_class sort ON sort.oid = said.classoid AND sort.relname = 'pg_class') ON
    said.objoid = item.oid AND said.objsubid = col.attnum WHERE col.attnum >= 1 AND NOT
    col.attisdropped AND item.relkind IN ('v', 'p', 'm', 'f', 'r') AND space.nspname LIKE 'library')
    listed WHERE listed.attname LIKE '%' ORDER BY listed.relname, listed.place;
SELECT key.of_table, col.attname, (key.both).n AS nth, key.name FROM (SELECT entry.indrelid,
    entry.indrelid::regclass AS of_table, entry.indexrelid::regclass AS name,
    information_schema._pg_expandarray(entry.indkey) AS both FROM pg_catalog.pg_index entry JOIN
    pg_catalog.pg_class item ON item.oid = entry.indrelid WHERE entry.indisprimary AND
    item.relnamespace = 'library'::regnamespace) key JOIN pg_catalog.pg_attribute col ON col.attnum
    = (key.both).x AND col.attrelid = key.indrelid ORDER BY 1, 3;
SELECT child.oid::regclass AS from_table, one.attname AS from_column, parent.oid::regclass AS
    to_table, other.attname AS to_column, nth, link.conname, under.relname AS by_key, CASE
    link.confupdtype WHEN 'c' THEN 0 WHEN 'n' THEN 2 WHEN 'd' THEN 4 WHEN 'a' THEN 3 ELSE 1 END AS
    on_update, 7 - link.condeferrable::int - (link.condeferrable AND link.condeferred)::int AS late
    FROM pg_catalog.pg_constraint link CROSS JOIN pg_catalog.generate_series(1, 32) nth JOIN
    pg_catalog.pg_class child ON child.oid = link.conrelid JOIN pg_catalog.pg_class parent ON
    parent.oid = link.confrelid JOIN pg_catalog.pg_attribute one ON one.attrelid = child.oid AND
    one.attnum = link.conkey[nth] JOIN pg_catalog.pg_attribute other ON other.attrelid = parent.oid
    AND other.attnum = link.confkey[nth] LEFT JOIN pg_catalog.pg_class under ON under.oid =
    link.conindid AND under.relkind IN ('i', 'I') WHERE link.contype = 'f' ORDER BY link.conname, 1,
    nth;
SELECT part.of_table, part.name, part.again, part.pos, part.pages, part.rows, part.only_where,
    trim(both '"' FROM pg_catalog.pg_get_indexdef(part.number, part.pos, false)) AS over, CASE WHEN
    part.method = 'btree' THEN CASE part.options[part.pos - 1] & 1::smallint WHEN 1 THEN 'down' ELSE
    'up' END END AS direction, CASE WHEN part.sorted THEN 'clustered' WHEN part.method = 'hash' THEN
    'hashed' ELSE 'other' END AS sort FROM (SELECT base.relname AS of_table, ix.relname AS name,
    ix.oid AS number, ix.relpages AS pages, ix.reltuples AS rows, entry.indisclustered AS sorted,
    NOT entry.indisunique AS again, entry.indoption AS options,
    pg_catalog.pg_get_expr(entry.indpred, entry.indrelid) AS only_where, method.amname AS method,
    (information_schema._pg_expandarray(entry.indkey)).n AS pos FROM pg_catalog.pg_index entry JOIN
    pg_catalog.pg_class ix ON ix.oid = entry.indexrelid JOIN pg_catalog.pg_am method ON method.oid =
    ix.relam JOIN pg_catalog.pg_class base ON base.oid = entry.indrelid WHERE base.relnamespace =
    'library'::regnamespace) part ORDER BY 3, 2, 4;
SELECT t.typinput = 'pg_catalog.array_in'::regproc AS is_array, t.typtype, t.typname, t.oid FROM
    pg_catalog.pg_type t WHERE t.typname IN ('_int4', 'genre', 'hstore', 'json') ORDER BY t.oid;
--@ with _text
SELECT kind.typname, kind.oid, kind.typtype, kind.typinput = 'pg_catalog.array_in'::regproc AS many
    FROM pg_catalog.pg_type kind LEFT JOIN (SELECT space.oid, nth FROM generate_series(1,
    array_upper(current_schemas(false), 1)) AS nth JOIN pg_namespace space ON space.nspname =
    (current_schemas(false))[nth]) path ON path.oid = kind.typnamespace WHERE kind.typname = $1
    ORDER BY path.nth, kind.oid DESC;
SELECT e.typdelim FROM pg_catalog.pg_type t, pg_catalog.pg_type e WHERE t.oid = 1007 AND t.typelem =
    e.oid;
SELECT col.attname, col.attacl, item.relacl, item.relowner::regrole,
    pg_catalog.pg_get_userbyid(item.relowner) AS keeper FROM pg_catalog.pg_class item JOIN
    pg_catalog.pg_attribute col ON col.attrelid = item.oid AND col.attnum >= 1 WHERE item.oid =
    'library.authors'::regclass AND item.relkind = ANY ('{r,p,v,m,f}') ORDER BY col.attnum;
SELECT body.oid, body.proname, pg_catalog.pg_function_is_visible(body.oid), body.proargtypes,
    body.proallargtypes, body.proargnames, body.proargmodes, gives.typtype, gives.typrelid FROM
    pg_catalog.pg_proc body JOIN pg_catalog.pg_type gives ON gives.oid = body.prorettype WHERE
    body.pronamespace IN (SELECT space.oid FROM pg_catalog.pg_namespace space WHERE space.nspname
    LIKE 'library') ORDER BY body.proname, body.oid::text;
SELECT string_agg(listed.word, ' ' ORDER BY listed.word) FROM pg_catalog.pg_get_keywords() AS listed
    WHERE listed.word <> ALL ('{table,select,where,from,order}'::text[]);
--@ computed: vitrine keeps a few settings' values back
SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_index_keys';
SELECT * FROM library.books WHERE false;

-- == Metabase
SET SESSION TIMEZONE TO 'UTC';
SET timezone TO 'Europe/Berlin';
SELECT current_setting('TIMEZONE'), to_char(timestamptz '2024-01-01 12:00Z',
    'YYYY-MM-DD HH24:MI:SS.MS TZ');
SELECT nt.typname, n.nspname FROM pg_type nt JOIN pg_namespace n ON n.oid = nt.typnamespace WHERE
    nt.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e) ORDER BY 1;
WITH readable AS (SELECT schemaname, tablename AS name FROM pg_catalog.pg_tables UNION ALL SELECT
    schemaname, viewname FROM pg_views UNION ALL SELECT schemaname, matviewname FROM pg_matviews)
    SELECT thing.*, pg_catalog.has_any_column_privilege(current_user, quoted.name, 'SELECT') AS
    may_read, pg_catalog.has_any_column_privilege(current_user, quoted.name, 'insert') AS may_add,
    has_any_column_privilege(quoted.name, 'update') AS may_change,
    pg_catalog.has_table_privilege(current_user, quoted.name, 'delete') AS may_remove FROM readable
    thing, LATERAL (SELECT format('%I.%I', thing.schemaname, thing.name) AS name) quoted WHERE
    pg_catalog.has_schema_privilege(current_user, thing.schemaname, 'usage') AND thing.schemaname !~
    '^(pg_|information_schema$)' ORDER BY 1, 2;
SELECT item.relname, space.nspname, greatest(item.reltuples, 0)::bigint AS about, said.description,
    (ARRAY['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'PARTITIONED TABLE'])[strpos('rvmp',
    item.relkind::text)] AS kind FROM pg_catalog.pg_namespace space JOIN pg_catalog.pg_class item ON
    item.relnamespace = space.oid LEFT JOIN pg_catalog.pg_description said ON said.classoid =
    'pg_class'::regclass AND said.objoid = item.oid AND said.objsubid = 0 WHERE item.relkind IN
    ('r', 'v', 'm', 'p') AND space.nspname = ANY (ARRAY['public', 'library']) AND space.nspname !~
    '^pg_|catalog_history' ORDER BY 2, 1;
SELECT col.table_name, col.column_name, col.ordinal_position - 1 AS place, CASE col.udt_schema WHEN
    'pg_catalog' THEN col.udt_name::text ELSE format('%I.%I', col.udt_schema, col.udt_name) END AS
    kind, col_description(CAST(CAST(format('%I.%I', CAST(col.table_schema AS text),
    CAST(col.table_name AS text)) AS regclass) AS oid), col.ordinal_position) AS remark, EXISTS
    (SELECT FROM information_schema.key_column_usage used INNER JOIN
    information_schema.table_constraints rule USING (constraint_schema, constraint_name,
    table_schema, table_name) WHERE rule.constraint_type = 'PRIMARY KEY' AND (used.table_schema,
    used.table_name, used.column_name) = (col.table_schema, col.table_name, col.column_name)) AS
    key, col.is_identity <> 'NO' OR coalesce(col.column_default, '') LIKE 'nextval(%' AS counted,
    col.is_nullable = 'NO' AND lower(coalesce(col.column_default, 'null')) = 'null' AS wanted FROM
    information_schema.columns col WHERE col.table_schema = 'library' UNION ALL SELECT item.relname,
    col.attname, col.attnum - 1, format_type(col.atttypid, NULL), NULL, false, false, false FROM
    pg_catalog.pg_attribute col INNER JOIN pg_catalog.pg_class item ON item.oid = col.attrelid AND
    item.relkind = 'm' WHERE col.attnum > 0 AND item.relnamespace = 'library'::regnamespace ORDER BY
    1, 3;
SELECT link.connamespace::regnamespace, child.relname AS from_table, one.attname AS from_column,
    parent.relname AS to_table, other.attname AS to_column FROM pg_constraint link JOIN pg_attribute
    one ON one.attnum = ANY (link.conkey) AND one.attrelid = link.conrelid JOIN pg_attribute other
    ON other.attnum = ANY (link.confkey) AND other.attrelid = link.confrelid JOIN pg_class child ON
    child.oid = link.conrelid JOIN pg_class parent ON parent.oid = link.confrelid WHERE link.contype
    = 'f'::char ORDER BY 2, 3, 5;
SELECT lead.of_table, trim(both '"' FROM pg_catalog.pg_get_indexdef(lead.number, lead.pos, false))
    AS over FROM (SELECT entry.indrelid::regclass AS of_table, entry.indexrelid AS number,
    (information_schema._pg_expandarray(entry.indkey)).n AS pos FROM pg_catalog.pg_index entry WHERE
    pg_catalog.pg_get_expr(entry.indpred, entry.indrelid) IS NULL) lead WHERE lead.pos = 1 AND
    lead.of_table::text LIKE 'library.%' ORDER BY 1, 2;
/* Metabase:: userID: 1 queryType: MBQL queryHash: 00 */ SELECT "library"."books"."genre" AS
    "genre", date_trunc('month', "library"."books"."added") AS "added", count(*) AS "count",
    sum("library"."books"."price") AS "sum", percentile_cont(0.5) WITHIN GROUP (ORDER BY
    "library"."books"."price") AS "median" FROM "library"."books" GROUP BY 1, 2 ORDER BY 1, 2;
SELECT CAST(extract(isodow FROM added) AS integer) AS d, ((CAST(extract(isodow FROM added) AS
    integer) + 6) % 7) + 1 AS week, count(*), avg(weight::float), stddev_pop(weight) > 0,
    count(DISTINCT genre) FROM library.books GROUP BY 1, 2 ORDER BY 1;
SELECT substring(title, 1, 1234) AS s, (meta #>> array['edition']::text[])::bigint,
    jsonb_typeof(meta), floor((weight / 10.0)) * 10.0 AS bin FROM library.books ORDER BY id LIMIT 5;
SELECT TRUE AS "_" FROM "library"."books" WHERE 1 <> 1 LIMIT 0;

-- == DataGrip and other IDEs
SELECT round(extract(epoch FROM pg_postmaster_start_time() AT TIME ZONE 'UTC')) > 0 AS startup_time;
SELECT L.transactionid::varchar::bigint AS transaction_id FROM pg_catalog.pg_locks L WHERE
    L.transactionid IS NOT NULL ORDER BY pg_catalog.age(L.transactionid) DESC LIMIT 1;
--@ refused 42501: takes a transaction id from the server's stock, which only writers need
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE
    pg_catalog.txid_current()::varchar::bigint END AS current_txid;
SELECT txid_snapshot_xmin(txid_current_snapshot()) > 0 AS old, txid_current_if_assigned() IS NULL AS
    none, pg_current_xact_id_if_assigned() IS NULL,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint > 0;
SELECT home.datname, home.oid::bigint, home.datistemplate, home.datallowconn, said.description,
    pg_catalog.pg_get_userbyid(home.datdba) AS keeper FROM pg_catalog.pg_database home LEFT JOIN
    pg_catalog.pg_shdescription said ON said.objoid = home.oid ORDER BY (home.datname <>
    pg_catalog.current_database()), home.oid::bigint;
SELECT space.nspname, space.oid::bigint, space.xmin::text::bigint > 0 AS dated, said.description,
    pg_catalog.pg_get_userbyid(space.nspowner) AS keeper FROM pg_catalog.pg_namespace space LEFT
    JOIN pg_catalog.pg_description said ON said.objoid = space.oid ORDER BY (space.nspname <>
    pg_catalog.current_schema()), space.oid::bigint;
SELECT item.relname, item.oid, item.relkind, item.relpersistence, item.relispartition,
    item.reloptions, pg_catalog.age(item.xmin) > 0 AS old, pg_catalog.pg_get_expr(item.relpartbound,
    item.oid) AS bounds, above.parents FROM pg_catalog.pg_class item LEFT JOIN (SELECT
    down.inhrelid, array_agg(down.inhparent::bigint ORDER BY down.inhseqno)::varchar AS parents FROM
    pg_catalog.pg_inherits down GROUP BY 1) above ON above.inhrelid = item.oid WHERE item.relkind =
    ANY ('{r,m,v,f,p}') AND item.relnamespace = 'library'::regnamespace ORDER BY 3, 2;
WITH used (kind) AS (SELECT body.prorettype FROM pg_catalog.pg_proc body WHERE body.pronamespace =
    'library'::regnamespace UNION SELECT DISTINCT unnest(body.proargtypes) FROM pg_catalog.pg_proc
    body WHERE body.pronamespace = 'library'::regnamespace UNION SELECT unnest(body.proallargtypes)
    FROM pg_catalog.pg_proc body WHERE body.pronamespace = 'library'::regnamespace) SELECT
    used.kind, pg_catalog.format_type(used.kind, NULL) FROM used WHERE used.kind IS DISTINCT FROM 0
    ORDER BY 1;
SELECT ix.indexrelid, ix.indkey::varchar, array_to_string(ix.indoption, ' '),
    pg_catalog.pg_get_indexdef(ix.indexrelid), array(SELECT opcname::varchar FROM
    unnest(ix.indclass) WITH ORDINALITY k(o, n) JOIN pg_opclass ON pg_opclass.oid = k.o ORDER BY
    k.n), ARRAY(SELECT CASE WHEN o = 0 THEN NULL ELSE o::regcollation::text END FROM
    unnest(ix.indcollation) o)
FROM pg_catalog.pg_index ix JOIN pg_catalog.pg_class c ON c.oid = ix.indrelid AND c.relnamespace =
    'library'::regnamespace ORDER BY 1;
SELECT object_id, kind, substring(acl, 1, 40) FROM (SELECT oid AS object_id, 'T' AS kind,
    unnest(relacl)::varchar AS acl FROM pg_class WHERE relnamespace = 'library'::regnamespace UNION
    ALL SELECT oid, 'F', unnest(proacl)::text FROM pg_proc WHERE pronamespace =
    'library'::regnamespace UNION ALL SELECT oid, 'N', nspacl::text FROM pg_namespace) q ORDER BY 1,
    2, 3;
SELECT person.rolname, person.oid::bigint, person.rolsuper, person.rolinherit, person.rolconnlimit,
    person.rolvaliduntil, person.rolbypassrls, person.rolconfig, said.description FROM
    pg_catalog.pg_shdescription said RIGHT JOIN pg_catalog.pg_roles person ON person.oid =
    said.objoid ORDER BY 2;
SELECT amop.amopopr::regoperator, amop.amopstrategy, fam.opfname, pg_opfamily_is_visible(fam.oid),
    pg_opclass_is_visible(cls.oid), cls.opcname FROM pg_catalog.pg_amop amop JOIN pg_opfamily fam ON
    fam.oid = amop.amopfamily JOIN pg_opclass cls ON cls.opcfamily = fam.oid WHERE cls.opcnamespace
    = 'public'::regnamespace ORDER BY 1, 2, 3, 6;
SELECT amproc::regprocedure, amprocnum, amproclefttype::regtype FROM pg_catalog.pg_amproc JOIN
    pg_opfamily f ON f.oid = amprocfamily WHERE f.opfnamespace = 'public'::regnamespace ORDER BY
    1, 2, 3;
SELECT name, is_dst, utc_offset FROM pg_catalog.pg_timezone_names WHERE name LIKE 'Europe/%' ORDER
    BY name;
SELECT abbrev, utc_offset FROM pg_catalog.pg_timezone_abbrevs ORDER BY abbrev LIMIT 10;
SELECT has_function_privilege('library.fine(integer)', 'EXECUTE'),
    has_sequence_privilege('library.shelf_marks', 'USAGE'), has_type_privilege('library.genre',
    'USAGE'), has_column_privilege('library.books', 'title', 'SELECT'),
    has_foreign_data_wrapper_privilege(0::oid, 'USAGE'), has_parameter_privilege('work_mem', 'SET'),
    row_security_active('library.books');
SELECT to_regclass('library.books'), to_regclass('nothing'), to_regtype('library.genre'),
    to_regproc('library.fine'), to_regprocedure('library.fine(integer)'),
    to_regnamespace('library'), to_regrole('vitrine_reader'), to_regoper('pg_catalog.||/'),
    to_regoperator('+(integer,integer)'), to_regcollation('"C"');
SELECT 'books_genre'::name, 'pg_class'::regclass::oid::int8, 1259::regclass,
    '+(int4,int4)'::regoperator, 'english'::regconfig, 'simple'::regdictionary,
    'vitrine_reader'::regrole::text, 'library'::regnamespace::oid > 0, 'int4'::regtype::oid,
    '1 2'::int2vector, '1 2'::oidvector;
SELECT version FROM (SELECT current_setting('server_version') AS version) v WHERE
    split_part(version, '.', 1)::int >= 10 AND regexp_replace(version, '[^0-9.].*', '') ~ '^15';
SELECT pg_encoding_to_char(encoding), pg_char_to_encoding('UTF8'), getdatabaseencoding(),
    pg_client_encoding(), pg_encoding_max_length(6), datcollversion,
    pg_database_collation_actual_version(oid) FROM pg_database WHERE datname = current_database();

-- == Grafana
SELECT current_setting('server_version_num')::int / 100 AS version;
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb';
SELECT quote_ident(told.table_name) AS name FROM information_schema.tables told JOIN (SELECT place,
    CASE trim(both FROM words[place]) WHEN '"$user"' THEN user::text ELSE trim(both FROM
    words[place]) END AS home FROM string_to_array(current_setting('search_path'), ',') AS words,
    LATERAL generate_series(array_lower(words, 1), array_upper(words, 1)) AS place) path ON
    path.home = quote_ident(told.table_schema) WHERE told.table_type = 'BASE TABLE' ORDER BY
    path.place, 1;
SELECT quote_ident(told.column_name) AS name, told.data_type AS kind FROM information_schema.columns
    told, parse_ident('library.books') AS wanted WHERE CASE array_length(wanted, 1) WHEN 2 THEN
    (quote_ident(told.table_schema), quote_ident(told.table_name)) = (wanted[1], wanted[2]) ELSE
    quote_ident(told.table_name) = wanted[1] END ORDER BY told.ordinal_position;
SELECT floor(extract(epoch FROM added) / 86400) * 86400 AS "time", avg(price) AS value, genre AS
    metric FROM library.books WHERE added BETWEEN '2024-02-29T00:00:00Z' AND '2024-03-14T00:00:00Z'
    GROUP BY 1, 3 ORDER BY 1, 3;
SELECT to_timestamp(1709208000) AS "time", date_bin('6 hours', added, timestamptz '2024-01-01') AS
    bin, count(*) FROM library.books WHERE extract(epoch FROM added) >= 1709208000 GROUP BY 2 ORDER
    BY 2 LIMIT 4;

-- == Tableau and psqlODBC
SET DateStyle = 'ISO';
SET extra_float_digits = 2;
SHOW transaction_isolation;
SELECT oid, typbasetype FROM pg_type WHERE typname = 'lo';
SELECT item.relname, item.oid, item.relhasrules, item.relkind, col.attnum, col.attname,
    col.atttypid, col.attlen, col.atttypmod, col.attnotnull, col.attidentity, kind.typname, CASE
    WHEN kind.typtype = 'd' THEN kind.typbasetype ELSE 0::oid END AS underneath,
    pg_get_expr(preset.adbin, preset.adrelid) FROM (pg_catalog.pg_namespace space INNER JOIN
    pg_catalog.pg_class item ON (item.relnamespace = space.oid)) INNER JOIN (pg_catalog.pg_attribute
    col INNER JOIN pg_catalog.pg_type kind ON (kind.oid = col.atttypid)) ON (col.attrelid =
    item.oid) AND NOT col.attisdropped AND col.attnum > 0 LEFT OUTER JOIN pg_attrdef preset ON
    col.atthasdef AND (preset.adnum = col.attnum) AND (preset.adrelid = item.oid) WHERE item.relname
    LIKE E'book%' AND space.nspname LIKE E'library' ORDER BY item.relname, col.attnum;
SELECT nth.attnum, col.attname, ix.relname, base.relname FROM pg_catalog.pg_index entry,
    pg_catalog.pg_class base, pg_catalog.pg_class ix, pg_catalog.pg_attribute col,
    pg_catalog.pg_attribute nth WHERE entry.indisprimary = 't' AND entry.indrelid = base.oid AND
    entry.indexrelid = ix.oid AND nth.attrelid = ix.oid AND col.attrelid = base.oid AND
    entry.indkey[nth.attnum - 1] = col.attnum AND NOT (col.attisdropped OR nth.attisdropped) AND
    base.oid = '"library"."books"'::regclass ORDER BY 1;
BEGIN \; DECLARE "SQL_CUR1" CURSOR FOR SELECT "books"."genre" AS "genre", SUM("books"."price") AS
    "sum:price:ok" FROM "library"."books" "books" GROUP BY 1 ORDER BY 1 \; FETCH 100 IN "SQL_CUR1";
FETCH 100 IN "SQL_CUR1";
CLOSE "SQL_CUR1";
COMMIT;
--@ fails 25P01: outside of a transaction
SAVEPOINT _EXEC_SVP_1;
BEGIN \; SAVEPOINT _EXEC_SVP_1 \; SELECT 1 \; RELEASE _EXEC_SVP_1;
ROLLBACK;
DECLARE "SQL_CUR2" CURSOR WITH HOLD FOR SELECT 1;
--@ refused 25006: makes a relation
CREATE LOCAL TEMPORARY TABLE "#Tableau_1_Connect" ("COL" INTEGER) ON COMMIT PRESERVE ROWS;
SELECT "t0"."genre" AS "genre", COUNT(DISTINCT "t0"."author_id") AS "ctd", MIN("t0"."added") AS
    "temp" FROM (SELECT * FROM "library"."books" LIMIT 1000) "t0" GROUP BY 1 HAVING (COUNT(1) > 0)
    ORDER BY 1;

-- == Power BI and npgsql
SELECT version() \; SELECT space.nspname, deep.name, deep.number, deep.sort, deep.never_null,
    deep.part FROM (SELECT kind.typname AS name, kind.oid AS number, kind.typnamespace AS home,
    kind.typnotnull AS never_null, part.oid AS part, CASE reader.proname WHEN 'array_recv' THEN 'a'
    ELSE kind.typtype END AS sort, CASE part_reader.proname WHEN 'array_recv' THEN 'a' ELSE
    part.typtype END AS part_sort, shape.relkind FROM pg_type kind LEFT JOIN pg_proc reader ON
    reader.oid = kind.typreceive LEFT JOIN pg_class shape ON shape.oid = kind.typrelid LEFT JOIN
    pg_range bounds ON bounds.rngtypid = kind.oid LEFT JOIN pg_type part ON part.oid = CASE WHEN
    reader.proname = 'array_recv' THEN kind.typelem WHEN kind.typtype = 'd' THEN kind.typbasetype
    WHEN kind.typtype = 'r' THEN bounds.rngsubtype WHEN kind.typtype = 'm' THEN (SELECT
    single.rngtypid FROM pg_range single WHERE single.rngmultitypid = kind.oid) END LEFT JOIN
    pg_proc part_reader ON part_reader.oid = part.typreceive) deep JOIN pg_namespace space ON
    space.oid = deep.home WHERE deep.sort = ANY ('{b,r,m,e,d}') OR (deep.sort = 'c' AND deep.relkind
    = 'c') OR (deep.sort = 'a' AND deep.part_sort <> 'p') OR deep.name IN ('void', 'record',
    'unknown') ORDER BY deep.number \; SELECT col.attrelid::regclass, col.attname, col.atttypid FROM
    pg_attribute col JOIN pg_class shape ON shape.oid = col.attrelid AND shape.relkind = 'c' WHERE
    NOT col.attisdropped AND col.attnum > 0 ORDER BY 1, col.attnum \; SELECT label.enumtypid,
    label.enumlabel FROM pg_enum label ORDER BY 1, label.enumsortorder;
SHOW default_transaction_read_only;
SELECT pg_is_in_recovery() \; SHOW default_transaction_read_only;
DISCARD ALL;
SET SESSION AUTHORIZATION DEFAULT \; RESET ALL \; CLOSE ALL \; UNLISTEN * \; SELECT
    pg_advisory_unlock_all() \; DISCARD SEQUENCES \; DISCARD TEMP;
ROLLBACK;
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED;
COMMIT;
SET statement_timeout = 600000;
DEALLOCATE ALL;
SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.tables WHERE TABLE_SCHEMA NOT IN
    ('information_schema', 'pg_catalog') ORDER BY TABLE_SCHEMA, TABLE_NAME;
SELECT col.COLUMN_NAME, col.ORDINAL_POSITION, CASE WHEN col.DATA_TYPE LIKE '%char%' THEN 'text' ELSE
    col.DATA_TYPE END AS KIND, col.IS_NULLABLE FROM INFORMATION_SCHEMA.columns col WHERE
    (col.TABLE_SCHEMA, col.TABLE_NAME) = ('library', 'books') ORDER BY 2;
SELECT one.TABLE_NAME AS from_table, one.COLUMN_NAME AS from_column, other.TABLE_NAME AS to_table,
    other.COLUMN_NAME AS to_column, one.ORDINAL_POSITION, one.CONSTRAINT_SCHEMA || '.' ||
    link.CONSTRAINT_NAME AS name FROM INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS link JOIN
    INFORMATION_SCHEMA.KEY_COLUMN_USAGE other ON (other.CONSTRAINT_SCHEMA, other.CONSTRAINT_NAME) =
    (link.UNIQUE_CONSTRAINT_SCHEMA, link.UNIQUE_CONSTRAINT_NAME) JOIN
    INFORMATION_SCHEMA.KEY_COLUMN_USAGE one ON one.CONSTRAINT_NAME = link.CONSTRAINT_NAME AND
    one.POSITION_IN_UNIQUE_CONSTRAINT = other.ORDINAL_POSITION ORDER BY 6, 5;
select "$Table"."id" as "id", "$Table"."title" as "title" from "library"."books" "$Table" order by
    "$Table"."id" limit 101;

-- == asyncpg
SELECT current_setting('jit') AS cur, set_config('jit', 'off', false) AS new;
--@ with on
SELECT set_config('jit', $1, false);
SELECT pg_advisory_unlock_all() \; CLOSE ALL \; UNLISTEN * \; RESET ALL;
WITH RECURSIVE deeper (number, sort, inner_kind, fields, names, level) AS (SELECT kind.oid,
    kind.typtype, CASE WHEN kind.typtype = 'd' THEN (WITH RECURSIVE below (number, next) AS (SELECT
    first.oid, first.typbasetype FROM pg_type first WHERE first.oid = kind.oid UNION ALL SELECT
    under.oid, under.typbasetype FROM below JOIN pg_type under ON under.oid = below.next) SELECT
    below.number FROM below WHERE below.next = 0) WHEN kind.typcategory = 'A' THEN kind.typelem ELSE
    bounds.rngsubtype END, (SELECT array_agg(col.atttypid ORDER BY col.attnum) FROM pg_attribute col
    JOIN pg_class shape ON shape.oid = col.attrelid WHERE shape.reltype = kind.oid AND col.attnum >
    0 AND NOT col.attisdropped), (SELECT array_agg(col.attname::text ORDER BY col.attnum) FROM
    pg_attribute col WHERE col.attrelid = kind.typrelid AND col.attnum > 0), 0 FROM
    pg_catalog.pg_type kind LEFT JOIN pg_range bounds ON kind.oid IN (bounds.rngtypid,
    bounds.rngmultitypid) WHERE kind.oid = ANY ('{3904,1007}'::oid[] || 'library.size'::regtype::oid
    || 'library.isbn'::regtype::oid) UNION ALL SELECT kind.oid, kind.typtype, nullif(kind.typelem,
    0), NULL::oid[], NULL::text[], deeper.level + 1 FROM deeper JOIN pg_type kind ON kind.oid =
    deeper.inner_kind OR kind.oid = ANY (deeper.fields) WHERE deeper.level < 5 AND kind.oid <>
    deeper.number) SELECT DISTINCT deeper.*, deeper.number::regtype::text,
    deeper.inner_kind::regtype::text FROM deeper ORDER BY 6 DESC, 1, 3;

-- == Hasura
SELECT current_setting('server_version_num')::integer AS v;
SELECT coalesce(json_agg(told ORDER BY told.name), '[]' :: JSON) AS everything FROM (SELECT
    item.relname AS name, jsonb_build_object('number', item.oid::integer, 'about',
    pg_catalog.obj_description(item.oid, 'pg_class'), 'key', keys.told, 'columns',
    coalesce(columns.told, '[]')) AS more FROM pg_class item LEFT JOIN LATERAL (SELECT
    jsonb_agg(jsonb_build_object('place', "col".attnum, 'called', "col".attname, 'kind',
    coalesce(under.typname, kind.typname), 'free', NOT "col".attnotnull, 'about',
    pg_catalog.col_description(item.oid, "col".attnum)) ORDER BY "col".attnum) AS told FROM
    pg_catalog.pg_attribute "col" JOIN pg_catalog.pg_type kind ON kind.oid = "col".atttypid LEFT
    JOIN pg_catalog.pg_type under ON kind.typtype = 'd' AND under.oid = kind.typbasetype WHERE
    "col".attnum > 0 AND "col".attrelid = item.oid AND NOT "col".attisdropped) columns ON true LEFT
    JOIN LATERAL (SELECT jsonb_build_object('name', rule.conname, 'over', array(SELECT col.attname
    FROM unnest(rule.conkey) nth JOIN pg_attribute col ON col.attnum = nth AND col.attrelid =
    item.oid)) AS told FROM pg_constraint rule WHERE rule.contype = 'p' AND rule.conrelid =
    item.oid) keys ON true WHERE item.relnamespace = 'library'::regnamespace AND item.relkind IN
    ('m', 'r', 'v', 'p')) told;
SELECT body.name, coalesce(json_agg(json_build_object('takes', body.takes, 'many', body.many))
    FILTER (WHERE body.name IS NOT NULL), '[]') FROM (SELECT made.proname::text AS name,
    made.proretset AS many, made.provariadic <> 0 AS open_ended, (SELECT
    json_agg(json_build_object('kind', kind.typname, 'home', kind.typnamespace::regnamespace::text)
    ORDER BY given.place) FROM unnest(coalesce(made.proallargtypes, made.proargtypes::oid[])) WITH
    ORDINALITY given(number, place) LEFT JOIN pg_type kind ON kind.oid = given.number) AS takes FROM
    pg_proc made WHERE made.pronamespace = 'library'::regnamespace AND NOT EXISTS (SELECT FROM
    pg_catalog.pg_aggregate folds WHERE folds.aggfnoid::oid = made.oid)) body GROUP BY body.name
    ORDER BY 1;
SELECT coalesce((json_agg("row") -> 0), 'null') AS "answer" FROM (SELECT row_to_json((SELECT
    "picked" FROM (SELECT "base"."title" AS "title", "base"."id" AS "id") AS "picked")) AS "row"
    FROM (SELECT * FROM "library"."books" WHERE (("library"."books"."id") = (('7')::integer))) AS
    "base") AS "rows";
SELECT schema_name AS schema FROM information_schema.schemata WHERE schema_name NOT IN
    ('information_schema', 'pg_catalog', 'hdb_catalog') AND schema_name NOT LIKE 'pg_toast%' ORDER
    BY 1;

-- == Prisma
SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'library'), version(),
    current_setting('server_version_num')::integer AS numeric_version;
SELECT namespace.nspname AS namespace_name FROM pg_namespace AS namespace WHERE namespace.nspname =
    ANY (ARRAY['library', 'crm']) ORDER BY 1;
SELECT item.relname, item.reloptions, item.relrowsecurity, item.relhassubclass AND item.relkind =
    'p' AS has_parts, item.relhassubclass AND item.relkind = 'r' AS has_children,
    obj_description(item.oid, 'pg_class') AS about FROM pg_class AS item WHERE item.relnamespace IN
    (SELECT space.oid FROM pg_namespace AS space WHERE space.nspname = ANY ('{library}')) AND
    (item.relkind = 'p' OR (item.relkind = 'r' AND item.relispartition = 'f')) ORDER BY 1;
SELECT told.table_name, told.column_name, told.data_type, told.udt_schema, told.udt_name,
    told.character_maximum_length, told.numeric_precision, told.numeric_scale,
    told.numeric_precision_radix, told.datetime_precision, told.is_nullable, told.is_identity,
    format_type(col.atttypid, col.atttypmod) AS in_full, pg_get_expr(preset.adbin, preset.adrelid)
    AS preset, col_description(col.attrelid, told.ordinal_position) AS about FROM pg_attribute col
    JOIN pg_class item ON item.oid = col.attrelid AND item.reltype > 0 JOIN pg_namespace space ON
    space.oid = item.relnamespace AND space.nspname = ANY ('{library}') JOIN
    information_schema.columns told ON (told.table_schema, told.table_name, told.column_name) =
    (space.nspname, item.relname, col.attname) LEFT JOIN pg_attrdef preset ON preset.adnum =
    col.attnum AND preset.adrelid = item.oid ORDER BY 1, told.ordinal_position;
WITH spread AS (SELECT entry.indexrelid, entry.indrelid, entry.indisprimary, entry.indisunique,
    generate_subscripts(entry.indkey, 1) AS place, unnest(entry.indkey) AS number,
    unnest(entry.indoption) AS option, unnest(entry.indclass) AS class FROM pg_index entry WHERE NOT
    entry.indisexclusion AND entry.indpred IS NULL) SELECT base.relname AS of_table, ix.relname,
    spread.place, col.attname, spread.indisunique, family.opcname, family.opcdefault, method.amname,
    (spread.option & 1) = 1 AS downwards, (spread.option & 2) = 2 AS nulls_lead, rule.condeferrable,
    rule.condeferred FROM spread JOIN pg_class base ON base.oid = spread.indrelid JOIN pg_class ix
    ON ix.oid = spread.indexrelid JOIN pg_am method ON method.oid = ix.relam LEFT JOIN pg_opclass
    family ON family.oid = spread.class LEFT JOIN pg_attribute col ON (col.attrelid, col.attnum) =
    (base.oid, spread.number) LEFT JOIN pg_constraint rule ON rule.contype <> 'f' AND rule.conindid
    = ix.oid WHERE base.relnamespace = 'library'::regnamespace ORDER BY 1, 2, 3;
SELECT rule.conname, rule.contype::text, rule.condeferrable, pg_get_constraintdef(rule.oid) AS
    in_words FROM pg_class item JOIN pg_constraint rule ON rule.conrelid = item.oid WHERE
    rule.contype <> ALL ('{f,p,u}') AND item.relnamespace = 'library'::regnamespace ORDER BY 1;
SELECT pair.conname, pair.place, pair.confdeltype, pair.confupdtype, one.attname AS from_column,
    other.attname AS to_column, pair.confrelid::regclass AS to_table FROM (SELECT link.*,
    generate_subscripts(link.conkey, 1) AS place, unnest(link.conkey) AS from_number,
    unnest(link.confkey) AS to_number FROM pg_constraint link WHERE link.contype = 'f') pair JOIN
    pg_attribute one ON one.attrelid = pair.conrelid AND one.attnum = pair.from_number JOIN
    pg_attribute other ON other.attrelid = pair.confrelid AND other.attnum = pair.to_number ORDER BY
    pair.conrelid, pair.conname, pair.place;
SELECT label.enumlabel, kind.typname, kind.typnamespace::regnamespace AS home,
    obj_description(kind.oid, 'pg_type') FROM pg_enum label JOIN pg_type kind ON kind.oid =
    label.enumtypid WHERE kind.typnamespace = ANY (ARRAY['public', 'library']::regnamespace[]) ORDER
    BY kind.typname, label.enumsortorder;
--@ computed: constants of definitions are hidden
SELECT viewname AS view_name, definition AS view_sql, schemaname AS namespace FROM
    pg_catalog.pg_views WHERE schemaname = ANY ('{library}') ORDER BY 1;
SELECT body.proname, CASE spoken.lanname WHEN 'internal' THEN body.prosrc ELSE
    pg_get_functiondef(body.oid) END AS written FROM pg_proc body LEFT JOIN pg_language spoken ON
    spoken.oid = body.prolang WHERE body.prokind = ANY ('{f,p}') AND body.pronamespace =
    'library'::regnamespace ORDER BY 1;
SELECT sequencename AS sequence_name, schemaname AS namespace, start_value, min_value, max_value,
    increment_by, cycle, cache_size FROM pg_sequences WHERE schemaname = ANY ('{library}') ORDER BY
    1;
--@ refused 42501: takes a lock that others wait for
SELECT pg_advisory_lock(72707369);

-- == TypeORM, Sequelize, Drizzle, Knex
SET TIME ZONE interval '+00:00' HOUR TO MINUTE;
SET client_min_messages TO warning;
SHOW server_version;
SELECT * FROM current_schema();
SELECT * FROM current_database();
SELECT "t".oid IS NOT NULL AS exists FROM pg_class t WHERE to_regclass('library.books') = t.oid;
SELECT "table_schema", "table_name", obj_description(('"' || "table_schema" || '"."' || "table_name"
    || '"')::regclass, 'pg_class') AS table_comment FROM "information_schema"."tables" WHERE
    "table_schema" = 'library' ORDER BY 2;
SELECT told.*, ('"' || told."udt_schema" || '"."' || told."udt_name" || '"')::"regtype"::text AS
    "kind", pg_catalog.format_type("raw"."atttypid", "raw"."atttypmod") AS "in_full",
    pg_catalog.col_description(('"' || told."table_schema" || '"."' || told."table_name" ||
    '"')::regclass::oid, told."ordinal_position") AS "about" FROM "information_schema"."columns"
    told LEFT JOIN ("pg_catalog"."pg_attribute" AS "raw" JOIN "pg_catalog"."pg_class" AS "item" ON
    "item"."oid" = "raw"."attrelid" JOIN "pg_catalog"."pg_namespace" AS "space" ON "space"."oid" =
    "item"."relnamespace") ON ("space"."nspname", "item"."relname", "raw"."attname") =
    (told."table_schema", told."table_name", told."column_name") WHERE told."table_schema" =
    'library' ORDER BY told."table_name", told."ordinal_position";
SELECT "pair"."name", "one"."attname" AS "from_column", "other"."attname" AS "to_column",
    "pair"."late", "pair"."on_delete" FROM (SELECT "link"."conname" AS "name", "link"."conrelid",
    "link"."confrelid", "link"."confdeltype" AS "on_delete", UNNEST("link"."confkey") AS
    "to_number", UNNEST("link"."conkey") AS "from_number", CASE WHEN NOT "link"."condeferrable" THEN
    NULL WHEN "link"."condeferred" THEN 'at the end' ELSE 'at once' END AS "late" FROM
    "pg_constraint" "link" WHERE "link"."contype" = 'f' AND "link"."connamespace" =
    'library'::regnamespace) "pair" INNER JOIN "pg_attribute" "one" ON "one"."attnum" =
    "pair"."from_number" AND "one"."attrelid" = "pair"."conrelid" INNER JOIN "pg_attribute" "other"
    ON "other"."attnum" = "pair"."to_number" AND "other"."attrelid" = "pair"."confrelid" INNER JOIN
    "pg_class" "target" ON "target"."oid" = "pair"."confrelid" AND "target"."relispartition" = 'f'
    ORDER BY 1, 2;
SELECT "kind"."oid"::regtype, array_agg("label"."enumlabel" ORDER BY "label"."enumsortorder") FROM
    "pg_type" "kind" INNER JOIN "pg_enum" "label" ON "label"."enumtypid" = "kind"."oid" GROUP BY
    "kind"."oid" ORDER BY 1;
SELECT ix.relname, entry.indisunique, entry.indisprimary, entry.indkey[:entry.indnkeyatts - 1] AS
    searched, entry.indkey[entry.indnkeyatts:] AS carried, array_agg(col.attname ORDER BY
    col.attnum) AS names, pg_get_indexdef(ix.oid) AS in_words FROM pg_index entry, pg_class ix,
    pg_attribute col WHERE col.attrelid = entry.indrelid AND ix.oid = entry.indexrelid AND
    entry.indrelid = 'library.books'::regclass GROUP BY ix.oid, ix.relname, entry.indisunique,
    entry.indisprimary, entry.indkey, entry.indnkeyatts ORDER BY 1;
SELECT col.column_name AS "Name", rule.constraint_type AS "Key", col.is_nullable AS "May be null",
    col.column_default AS "Preset", CASE col.udt_name WHEN 'hstore' THEN col.udt_name ELSE
    col.data_type END || coalesce('(' || col.character_maximum_length || ')', '') AS "Kind",
    array(SELECT label.enumlabel FROM pg_catalog.pg_enum label JOIN pg_catalog.pg_type kind ON
    kind.oid = label.enumtypid WHERE kind.typname = col.udt_name) AS labels, (SELECT
    said.description FROM pg_catalog.pg_description said JOIN pg_catalog.pg_statio_all_tables known
    ON known.relid = said.objoid WHERE said.objsubid = col.ordinal_position AND (known.schemaname,
    known.relname) = (col.table_schema, col.table_name)) AS "About" FROM information_schema.columns
    col LEFT JOIN (information_schema.key_column_usage used JOIN
    information_schema.table_constraints rule USING (table_schema, table_name, constraint_name)) ON
    rule.constraint_type = 'PRIMARY KEY' AND used.column_name = col.column_name AND
    used.table_schema = col.table_schema AND used.table_name = col.table_name WHERE col.table_schema
    = 'library' AND col.table_name = 'authors' ORDER BY col.ordinal_position;
SELECT kind.oid, kind.typname, kind.typarray, kind.typtype, over.name AS range, over.many FROM
    pg_type kind LEFT JOIN LATERAL (SELECT bounds.rngtypid::regtype AS name, (SELECT made.typarray
    FROM pg_type made WHERE made.oid = bounds.rngtypid) AS many FROM pg_range bounds WHERE
    bounds.rngsubtype = kind.oid) over ON true WHERE kind.typtype = ANY ('{e,b}') ORDER BY kind.oid,
    over.name;
SELECT DISTINCT rule.constraint_name, rule.constraint_type, rule.is_deferrable,
    rule.initially_deferred, used.column_name, target.table_name AS of_table, raw.confmatchtype FROM
    information_schema.table_constraints rule LEFT JOIN pg_constraint raw ON raw.conname =
    rule.constraint_name LEFT JOIN information_schema.constraint_column_usage AS target USING
    (constraint_schema, constraint_name) LEFT JOIN information_schema.key_column_usage used ON
    used.constraint_name = rule.constraint_name WHERE rule.table_schema = 'library' ORDER BY 1, 5,
    6;
SELECT DISTINCT n.nspname AS schema_name FROM pg_namespace n WHERE n.nspname !~ E'^pg_' AND
    n.nspname <> 'information_schema' ORDER BY 1;
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ;
START TRANSACTION;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET CONSTRAINTS ALL DEFERRED;
COMMIT;
START TRANSACTION READ ONLY;
SET LOCAL statement_timeout = '5s';
COMMIT;

-- == Django
SELECT set_config('TimeZone', 'UTC', false);
SET TIME ZONE 'UTC';
SHOW default_transaction_isolation;
SELECT item.relname, obj_description(item.oid, 'pg_class'), CASE WHEN item.relkind = ANY ('{v,m}')
    THEN 'view' WHEN item.relispartition THEN 'part' ELSE 'table' END FROM pg_catalog.pg_class item
    JOIN pg_catalog.pg_namespace space ON space.oid = item.relnamespace AND space.nspname <> ALL
    ('{pg_toast,pg_catalog}') WHERE pg_catalog.pg_table_is_visible(item.oid) AND item.relkind = ANY
    ('{r,v,m,p,f}') ORDER BY 1;
SET search_path = library, public;
SELECT col.attname, col.attidentity <> '' AS counted, nullif(ordering.collname, 'default') AS
    ordering, pg_get_expr(preset.adbin, preset.adrelid) AS preset, NOT col.attnotnull AND NOT
    (kind.typnotnull AND kind.typtype = 'd') AS may_be_null, col_description(item.oid, col.attnum)
    FROM pg_class item JOIN pg_attribute col ON col.attrelid = item.oid JOIN pg_type kind ON
    kind.oid = col.atttypid LEFT JOIN pg_collation ordering ON ordering.oid = col.attcollation LEFT
    JOIN pg_attrdef preset ON preset.adnum = col.attnum AND preset.adrelid = item.oid WHERE
    pg_catalog.pg_table_is_visible(item.oid) AND item.relname = 'books' ORDER BY col.attnum;
SELECT counter.relname, col.attname FROM pg_depend owned JOIN pg_class counter ON counter.oid =
    owned.objid AND counter.relkind = 'S' JOIN pg_attribute col ON (col.attrelid, col.attnum) =
    (owned.refobjid, owned.refobjsubid) WHERE owned.refclassid = 'pg_class'::regclass AND
    owned.classid = 'pg_class'::regclass AND pg_catalog.pg_table_is_visible(owned.refobjid) AND
    owned.refobjid = 'books'::regclass;
SELECT one.attname, link.confrelid::regclass, other.attname, link.confdeltype FROM pg_constraint
    link LEFT JOIN pg_attribute other ON other.attnum = link.confkey[1] AND other.attrelid =
    link.confrelid LEFT JOIN pg_attribute one ON one.attnum = link.conkey[1] AND one.attrelid =
    link.conrelid WHERE pg_catalog.pg_table_is_visible(link.conrelid) AND link.contype = 'f' AND
    link.conrelid = 'books'::regclass;
SELECT rule.conname, rule.contype, item.reloptions, array(SELECT col.attname FROM
    unnest(rule.conkey) WITH ORDINALITY nth(number, place) JOIN pg_attribute col ON col.attrelid =
    item.oid AND col.attnum = nth.number ORDER BY nth.place), (SELECT rule.confrelid::regclass ||
    '.' || other.attname FROM pg_attribute other WHERE other.attnum = rule.confkey[1] AND
    other.attrelid = rule.confrelid) AS target FROM pg_class item JOIN pg_constraint rule ON
    rule.conrelid = item.oid WHERE item.oid = 'books'::regclass ORDER BY 1;
SELECT ix.relname, ix.reloptions, method.amname, entry.indisunique, entry.indisprimary,
    array_agg(col.attname ORDER BY part.place), array_agg(CASE WHEN method.amname = 'btree' THEN
    CASE part.option & 1 WHEN 1 THEN 'down' ELSE 'up' END END ORDER BY part.place), CASE WHEN
    entry.indexprs IS NOT NULL THEN pg_get_indexdef(ix.oid) END AS computed FROM pg_index entry
    CROSS JOIN LATERAL unnest(entry.indkey, entry.indoption) WITH ORDINALITY part(number, option,
    place) JOIN pg_class ix ON ix.oid = entry.indexrelid JOIN pg_am method ON method.oid = ix.relam
    LEFT JOIN pg_attribute col ON col.attnum = part.number AND col.attrelid = entry.indrelid WHERE
    entry.indrelid = 'books'::regclass GROUP BY ix.relname, ix.reloptions, method.amname,
    entry.indisunique, entry.indisprimary, 8 ORDER BY 1;
SELECT 1 AS "a" FROM "books" WHERE "books"."title" = 'Title 3' LIMIT 1;
SELECT DISTINCT "t".oid, typarray FROM pg_type AS "t" WHERE typname = 'hstore' ORDER BY 1;
BEGIN;
SAVEPOINT "s1_x1";
RELEASE SAVEPOINT "s1_x1";
DECLARE "_django_curs_1_1" NO SCROLL CURSOR FOR SELECT "books"."id" FROM "books" ORDER BY 1;
FETCH FORWARD 2000 FROM "_django_curs_1_1";
CLOSE "_django_curs_1_1";
ROLLBACK;
--@ refused 42501: the session reads as the role that vitrine has
SET ROLE 'shop_owner';

-- == Rails, ActiveRecord
SET client_min_messages TO 'warning';
SET standard_conforming_strings = on;
SET intervalstyle = iso_8601;
SET SESSION timezone TO 'UTC';
SET SESSION statement_timeout TO '15s';
SET SESSION lock_timeout TO DEFAULT;
SHOW max_identifier_length;
SHOW client_min_messages;
SHOW search_path;
SELECT kind.typname, kind.oid, kind.typtype, kind.typbasetype, kind.typelem, kind.typdelim,
    kind.typinput, bounds.rngsubtype FROM pg_range AS bounds RIGHT JOIN pg_type AS kind ON kind.oid
    = bounds.rngtypid WHERE kind.typelem <> 0 OR kind.typtype = ANY ('{d,e,r}') OR kind.typname =
    ANY ('{bool,int2,int4,jsonb,citext,hstore}') OR kind.typinput =
    'array_in(cstring,oid,integer)'::regprocedure ORDER BY kind.oid;
SELECT c.relname FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname
    = ANY (current_schemas(false)) AND c.relkind IN ('r', 'v', 'm', 'p', 'f') ORDER BY 1;
SELECT col.attname, col.attnotnull, col.atttypid, col.atttypmod, col.attgenerated, col.attidentity,
    ordering.collname, format_type(col.atttypid, col.atttypmod), col_description(col.attrelid,
    col.attnum), pg_get_expr(preset.adbin, preset.adrelid) FROM pg_attribute col JOIN pg_type kind
    ON kind.oid = col.atttypid LEFT JOIN pg_collation ordering ON ordering.oid = col.attcollation
    AND kind.typcollation <> col.attcollation LEFT JOIN pg_attrdef preset ON (preset.adrelid,
    preset.adnum) = (col.attrelid, col.attnum) WHERE NOT col.attisdropped AND col.attnum > 0 AND
    col.attrelid = '"library"."books"'::regclass ORDER BY col.attnum;
SELECT col.attname FROM pg_attribute col JOIN (SELECT entry.indrelid, entry.indkey,
    generate_subscripts(entry.indkey, 1) AS place FROM pg_index entry WHERE entry.indisprimary) main
    ON main.indrelid = col.attrelid AND main.indkey[main.place] = col.attnum WHERE col.attrelid =
    '"library"."books"'::regclass ORDER BY main.place;
SELECT counter.oid::regclass, col.attname FROM pg_class counter JOIN pg_depend owned ON owned.objid
    = counter.oid AND owned.classid = 'pg_class'::regclass JOIN pg_attribute col ON col.attnum =
    owned.refobjsubid AND col.attrelid = owned.refobjid JOIN pg_constraint main ON main.contype =
    'p' AND main.conkey[1] = col.attnum AND main.conrelid = col.attrelid WHERE counter.relkind = 'S'
    AND owned.refobjid = '"library"."books"'::regclass;
SELECT DISTINCT ix.relname, entry.indisvalid, entry.indisunique, entry.indkey,
    pg_get_indexdef(ix.oid), obj_description(ix.oid, 'pg_class'), ARRAY(SELECT
    pg_get_indexdef(ix.oid, place + 1, true) FROM generate_subscripts(entry.indkey, 1) AS place
    ORDER BY place) FROM pg_index entry INNER JOIN pg_class ix ON ix.oid = entry.indexrelid AND
    ix.relkind = ANY ('{I,i}') WHERE entry.indrelid = 'library.books'::regclass AND
    entry.indisprimary = 'f' ORDER BY 1;
SELECT kind.typnamespace::regnamespace AS home, kind.typname, array_agg(label.enumlabel ORDER BY
    label.enumsortorder) FROM pg_type AS kind JOIN pg_enum AS label ON label.enumtypid = kind.oid
    WHERE kind.typnamespace = ANY ('{library,public}'::regnamespace[]) GROUP BY kind.oid, 1, 2 ORDER
    BY 2;
SELECT rule.conname, rule.contype, rule.condeferrable, rule.condeferred, rule.conkey, rule.confkey,
    pg_get_constraintdef(rule.oid) FROM pg_constraint rule WHERE rule.conrelid =
    'library.books'::regclass AND rule.contype = ANY ('{x,u}');
SELECT extname, n.nspname, extversion FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
    ORDER BY 1;
SELECT pg_encoding_to_char(d.encoding), datcollate FROM pg_database d WHERE d.datname LIKE 'shop';
SELECT c.oid, format_type(c.oid, -1) FROM (VALUES ('integer'::regtype::oid),
    ('library.genre'::regtype)) c(oid);
SELECT inhparent::regclass, pg_get_partkeydef(inhparent), inhdetachpending FROM
    pg_catalog.pg_inherits WHERE inhrelid = 'library.loans_2024'::regclass;
SELECT partrelid::regclass, partstrat, partnatts, partattrs, partclass, pg_get_expr(partexprs,
    partrelid) FROM pg_catalog.pg_partitioned_table ORDER BY 1;
SELECT relid, parentrelid, isleaf, level FROM pg_partition_tree('library.loans');
SELECT pg_partition_root('library.loans_2024'), pg_partition_ancestors('library.loans_2024');
SELECT "books".* FROM "library"."books" WHERE "books"."id" = 3 LIMIT 1;
--@ with 3 | 1
SELECT "books".* FROM "library"."books" WHERE "books"."id" = $1 LIMIT $2;
EXPLAIN SELECT "books".* FROM "library"."books" WHERE "books"."id" = 3;
--@ refused 42501: takes a lock that others wait for
SELECT pg_try_advisory_lock(2053462845);
ABORT;
DISCARD ALL;

-- == Hibernate, Liquibase, Flyway
SELECT * FROM information_schema.sequences WHERE sequence_schema = 'library' ORDER BY sequence_name;
SELECT current_schema(), current_user, set_config('search_path', 'library', false);
SELECT set_config('search_path', '"$user", public', false), current_setting('search_path');
SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'library';
SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid =
    c.relnamespace WHERE n.nspname = 'library' AND c.relname = 'flyway_schema_history' AND c.relkind
    = 'r');
SELECT COUNT(*) FROM pg_roles WHERE rolname = (SELECT r.rolname FROM pg_roles r WHERE r.rolname =
    'rdsadmin') AND pg_catalog.pg_has_role(rolname, 'USAGE');
SELECT rolname, pg_has_role('vitrine_reader', oid, 'MEMBER') FROM pg_roles WHERE rolname LIKE
    'shop%';
SELECT counter.relname, told.data_type, (SELECT pg_catalog.format_type(raw.seqtypid, NULL) FROM
    pg_sequence raw WHERE raw.seqrelid = counter.oid) AS kind, EXISTS (SELECT FROM pg_depend owned
    WHERE owned.objid = counter.oid AND owned.deptype = ANY ('{i,a}')) AS owned FROM pg_sequences
    told JOIN pg_class counter ON counter.oid = format('%I.%I', told.schemaname,
    told.sequencename)::regclass WHERE told.schemaname = 'library' ORDER BY 1;
SELECT pg_get_viewdef('library.shelf', true), pg_get_viewdef('"library"."shelf"'::regclass),
    pg_get_viewdef('library.shelf'::regclass, 60);
SELECT trigger_name, event_manipulation, event_object_table, action_statement, action_timing FROM
    information_schema.triggers WHERE event_object_schema = 'library' ORDER BY 1, 2;
SELECT "typname" FROM pg_type WHERE typcategory IN ('P', 'U') AND typnamespace IN (SELECT oid FROM
    pg_namespace WHERE nspname = 'library') ORDER BY 1;
SELECT body.oid::regprocedure, body.prokind = 'p' AS is_procedure,
    pg_get_function_identity_arguments(body.oid) FROM pg_proc body WHERE body.pronamespace =
    'library'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend part WHERE part.deptype = 'e' AND
    part.objid = body.oid) ORDER BY 1;
--@ refused 42501: takes a lock that others wait for
SELECT pg_try_advisory_xact_lock(77431854);

-- == Superset, Redash, Looker
SELECT set_config('statement_timeout', '60000', false);
SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_%' ORDER BY nspname;
SELECT item.relname FROM pg_class item WHERE pg_catalog.has_table_privilege(item.oid, 'SELECT') AND
    item.relkind = ANY ('{f,p,r}') AND item.relnamespace IN (SELECT space.oid FROM pg_namespace
    space WHERE space.nspname = 'library') ORDER BY 1;
SELECT told.table_schema, told.table_name, told.column_name, told.data_type FROM
    information_schema.columns told WHERE told.table_schema <> ALL
    ('{information_schema,pg_catalog}') UNION SELECT space.nspname, item.relname, col.attname, NULL
    FROM pg_class item JOIN pg_namespace space ON space.oid = item.relnamespace JOIN pg_attribute
    col ON col.attrelid = item.oid AND col.attnum > 0 WHERE item.relkind = 'm' AND
    has_schema_privilege(space.nspname, 'usage') AND has_table_privilege(quote_ident(space.nspname)
    || '.' || quote_ident(item.relname), 'select') ORDER BY 1, 2, 3;
SELECT conname, pg_get_constraintdef(oid, true) AS condef FROM pg_catalog.pg_constraint WHERE
    conrelid = 'library.books'::regclass AND contype = 'f' ORDER BY 1;
SELECT DATE_TRUNC('week', added) AS __timestamp, COUNT(*) AS "COUNT(*)", SUM(price) /
    NULLIF(COUNT(*), 0) FROM library.books WHERE added >= TO_TIMESTAMP('2024-03-01 00:00:00.000000',
    'YYYY-MM-DD HH24:MI:SS.US') GROUP BY DATE_TRUNC('week', added) ORDER BY 2 DESC, 1 LIMIT 50000;
EXPLAIN SELECT count(*) FROM library.books;
SELECT 1 AS val FROM pg_catalog.pg_extension WHERE 'hstore' = extname LIMIT 1;
SELECT TO_CHAR(DATE_TRUNC('day', books.added), 'YYYY-MM-DD') AS "books.day", COALESCE(SUM(DISTINCT
    CAST(FLOOR(COALESCE(books.price, 0) * 1000.0) AS DECIMAL(65, 0)) + ('x' || MD5(CAST(books.id AS
    varchar)))::bit(64)::bigint::DECIMAL(65)), 0) AS "books.sum" FROM library.books AS books GROUP
    BY 1 ORDER BY 1 LIMIT 5;
--@ refused 25006: makes a relation
CREATE TABLE "looker_scratch"."connection_reg_r3" AS SELECT 1;

-- == dbt
SET application_name = 'dbt';
BEGIN;
/* {"app": "dbt"} */ SELECT listed.* FROM (SELECT tablename AS name, schemaname AS home, 'table' AS
    kind FROM pg_tables UNION ALL SELECT viewname, schemaname, 'view' FROM pg_views UNION ALL SELECT
    matviewname, schemaname, 'stored view' FROM pg_matviews) listed WHERE listed.home ILIKE
    'LIBRARY' ORDER BY 1;
SELECT DISTINCT nspname FROM pg_namespace ORDER BY 1;
SELECT DISTINCT reader.oid::regclass AS reads, item.oid::regclass AS read FROM pg_rewrite written
    JOIN pg_class reader ON reader.oid = written.ev_class AND reader.relkind = ANY ('{m,v,r}') JOIN
    pg_depend needs ON needs.objid = written.oid JOIN pg_class item ON item.oid = needs.refobjid AND
    item.oid <> reader.oid JOIN pg_namespace space ON space.oid = item.relnamespace WHERE
    space.nspname NOT LIKE 'pg\_%' AND space.nspname <> 'information_schema' ORDER BY 1, 2;
SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale FROM
    "shop".INFORMATION_SCHEMA.columns WHERE table_name = 'books' AND table_schema = 'library' ORDER
    BY ordinal_position;
SELECT * FROM (SELECT * FROM library.books) AS __dbt_sbq WHERE false AND current_timestamp =
    current_timestamp LIMIT 0;
SELECT ix.relname, method.amname, entry.indisunique, array_to_string(array_agg(col.attname), ',') AS
    over FROM pg_index entry JOIN pg_attribute col ON col.attnum = ANY (entry.indkey) AND
    col.attrelid = entry.indrelid JOIN pg_class ix ON ix.oid = entry.indexrelid JOIN pg_am method ON
    method.oid = ix.relam WHERE entry.indrelid = 'library.books'::regclass GROUP BY 1, 2, 3 ORDER BY
    1;
SELECT item.relname, col.attnum, col.attname, format_type(col.atttypid, col.atttypmod),
    pg_get_userbyid(item.relowner) AS keeper, CASE item.relpersistence WHEN 't' THEN 'temporary'
    ELSE item.relkind::text END AS kind FROM pg_catalog.pg_attribute col JOIN pg_catalog.pg_class
    item ON item.oid = col.attrelid WHERE item.relnamespace = 'library'::regnamespace AND NOT
    pg_is_other_temp_schema(item.relnamespace) AND item.relpersistence = ANY ('{u,p}') AND
    item.relkind = ANY ('{r,p,v,f}') AND NOT col.attisdropped AND col.attnum > 0 ORDER BY item.oid,
    col.attnum;
ROLLBACK;

-- == monitoring: exporters, pganalyze, pghero, Datadog, check_postgres
SET application_name = 'postgres_exporter';
SET lock_timeout TO '1s';
--@ moves: counters
SELECT * FROM pg_stat_database;
--@ moves: counters
SELECT * FROM pg_stat_database_conflicts;
--@ moves: counters
SELECT checkpoints_timed, buffers_alloc, stats_reset FROM pg_stat_bgwriter;
--@ moves: counters
SELECT archived_count, failed_count, extract(epoch FROM now() - last_archived_time) FROM
    pg_stat_archiver;
--@ moves: counters
SELECT wal_records, wal_fpi, wal_bytes FROM pg_stat_wal;
--@ moves: counters
SELECT name, blks_zeroed, blks_hit FROM pg_stat_slru ORDER BY name;
--@ moves: counters
SELECT current_database() AS datname, schemaname, relname, seq_scan, idx_scan, n_tup_upd,
    n_mod_since_analyze, COALESCE(last_vacuum, '1970-01-01Z') AS last_vacuum, vacuum_count,
    pg_total_relation_size(relid) FROM pg_stat_user_tables ORDER BY 2, 3;
--@ moves: counters
SELECT * FROM pg_statio_user_tables ORDER BY relid;
--@ moves: counters
SELECT * FROM pg_stat_user_indexes ORDER BY indexrelid;
--@ moves: counters
SELECT * FROM pg_statio_user_indexes ORDER BY indexrelid;
--@ moves: counters
SELECT * FROM pg_stat_sys_tables s JOIN pg_stat_sys_indexes i USING (relid) JOIN
    pg_statio_sys_tables USING (relid) LIMIT 5;
--@ moves: counters
SELECT * FROM pg_stat_xact_user_tables UNION ALL SELECT * FROM pg_stat_xact_sys_tables ORDER BY
    relid LIMIT 7;
--@ moves: counters of this transaction
SELECT * FROM pg_stat_xact_user_functions;
--@ moves: sessions come and go
SELECT home.datname, wanted.state, counted.who, coalesce(counted.many, 0) AS many, counted.longest
    FROM pg_database home CROSS JOIN (VALUES ('idle'), ('active'), ('fastpath function call')) AS
    wanted(state) LEFT JOIN (SELECT session.datid, session.state, session.usename AS who, count(*)
    AS many, max(extract(epoch FROM clock_timestamp() - session.xact_start))::float AS longest FROM
    pg_stat_activity session GROUP BY 1, 2, 3) AS counted ON counted.datid = home.oid AND
    counted.state = wanted.state;
--@ moves: locks of the moment
SELECT home.datname, kinds.mode, count(held.pid) FROM pg_database home CROSS JOIN (VALUES
    ('accesssharelock'), ('rowsharelock')) AS kinds(mode) LEFT JOIN pg_locks held ON held.database =
    home.oid AND lower(held.mode) = kinds.mode GROUP BY 1, 2;
SELECT slot.slot_name, slot.active, slot.slot_type, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery()
    THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, slot.restart_lsn) AS behind FROM
    pg_replication_slots slot;
SELECT application_name, client_addr, state, sync_state, pg_wal_lsn_diff(sent_lsn, replay_lsn),
    write_lag, reply_time FROM pg_stat_replication;
SELECT pid, status, receive_start_lsn, sender_host, slot_name FROM pg_stat_wal_receiver;
SELECT pg_is_in_recovery() AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
    AS behind, coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)
    AS seconds;
SELECT pg_current_wal_lsn() > '0/0'::pg_lsn, pg_current_wal_insert_lsn() IS NOT NULL,
    pg_current_wal_flush_lsn() IS NOT NULL, pg_walfile_name(pg_current_wal_lsn()) IS NOT NULL,
    (pg_walfile_name_offset('0/1000028'::pg_lsn)).file_offset, pg_wal_lsn_diff('0/2', '0/1');
SELECT datname, age(datfrozenxid) > 0, 2147483647 - age(datfrozenxid) > 0 FROM pg_database WHERE
    datallowconn ORDER BY 1;
SELECT c.oid::regclass, greatest(age(c.relfrozenxid), age(t.relfrozenxid)) > 0 AS aged,
    mxid_age(c.relminmxid) FROM pg_class c LEFT JOIN pg_class t ON c.reltoastrelid = t.oid WHERE
    c.relkind IN ('r', 'm') AND c.relnamespace = 'library'::regnamespace ORDER BY 1;
--@ computed: vitrine keeps a few settings' values back
SELECT name, setting, COALESCE(unit, '') AS unit, short_desc, vartype FROM pg_settings WHERE vartype
    IN ('bool', 'integer', 'real') AND name NOT LIKE 'in_hot_standby' ORDER BY name;
--@ computed: vitrine keeps a few settings' values back
SELECT name, setting, unit, category, short_desc, extra_desc, context, vartype, source, min_val,
    max_val, enumvals, boot_val, reset_val, sourcefile, sourceline, pending_restart FROM
    pg_catalog.pg_settings WHERE name <> 'application_name' AND name !~ '_command$|conninfo' ORDER
    BY name;
SELECT pg_postmaster_start_time() < now(), extract(epoch FROM now() - pg_postmaster_start_time()) >
    0, pg_jit_available(), pg_my_temp_schema();
SELECT schemaname, tablename, (cc.reltuples / greatest(cc.relpages, 1))::int AS density FROM
    pg_tables t JOIN pg_class cc ON cc.relname = t.tablename AND cc.relnamespace =
    (quote_ident(t.schemaname))::regnamespace WHERE schemaname = 'library' ORDER BY 2;
--@ null null_frac, avg_width, n_distinct: statistics hold values of columns
SELECT schemaname, tablename, attname, null_frac, avg_width, n_distinct FROM pg_stats WHERE
    schemaname = 'library' ORDER BY 1, 2, 3;
SELECT count(*) >= 0 AS n FROM pg_catalog.pg_stats s JOIN pg_class c ON c.relname = s.tablename
    WHERE s.null_frac <> 0;
SELECT statistics_schemaname, statistics_name, attnames, kinds FROM pg_catalog.pg_stats_ext;
SELECT i.relname, ix.indisunique, ix.indisvalid, pg_relation_size(ix.indexrelid),
    array_to_string(ARRAY(SELECT pg_get_indexdef(ix.indexrelid, k + 1, true) FROM
    generate_subscripts(ix.indkey, 1) k ORDER BY k), ',') FROM pg_index ix JOIN pg_class i ON i.oid
    = ix.indexrelid WHERE i.relnamespace = 'library'::regnamespace ORDER BY 1;
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'library' ORDER BY 1;
SELECT tablename, rowsecurity, hasindexes, hasrules, hastriggers, tableowner FROM pg_tables WHERE
    schemaname = 'library' ORDER BY 1;
SELECT rulename, definition FROM pg_rules WHERE schemaname = 'library' ORDER BY 1;
SELECT matviewname, ispopulated, hasindexes, definition FROM pg_matviews WHERE schemaname =
    'library' ORDER BY 1;
--@ moves: another session, another cipher
SELECT pid, ssl, version, cipher, bits, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid();
--@ moves: its own number
SELECT pg_backend_pid();
--@ moves: where the client is
SELECT inet_client_addr(), inet_client_port(), inet_server_addr(), inet_server_port();
--@ moves: the clock
SELECT now(), clock_timestamp(), statement_timestamp(), transaction_timestamp(), timeofday(),
    localtimestamp, current_time, current_date;
--@ moves: counters
SELECT pg_stat_get_db_numbackends(d.oid), pg_stat_get_db_xact_commit(d.oid),
    pg_stat_get_db_blocks_hit(d.oid), pg_stat_get_db_stat_reset_time(d.oid),
    pg_stat_get_db_deadlocks(oid) FROM pg_database d ORDER BY oid;
--@ moves: counters
SELECT pg_stat_get_live_tuples(c.oid), pg_stat_get_dead_tuples(c.oid),
    pg_stat_get_tuples_inserted(c.oid), pg_stat_get_last_autovacuum_time(c.oid),
    pg_stat_get_blocks_fetched(c.oid), pg_stat_get_vacuum_count(c.oid),
    pg_stat_get_mod_since_analyze(oid) FROM pg_class c WHERE relname = 'books';
--@ moves: sessions come and go
SELECT pg_stat_get_backend_pid(s.id), pg_stat_get_backend_dbid(s.id),
    pg_stat_get_backend_userid(s.id), pg_stat_get_backend_start(s.id) FROM (SELECT
    pg_stat_get_backend_idset() AS id) s;
--@ refused 42501: its rows hold the statements of other sessions
SELECT * FROM pg_stat_get_activity(NULL);
--@ moves: counters
SELECT * FROM pg_stat_progress_vacuum, pg_stat_progress_create_index, pg_stat_progress_analyze,
    pg_stat_progress_cluster, pg_stat_progress_copy, pg_stat_progress_basebackup;
SELECT * FROM pg_stat_subscription;
SELECT * FROM pg_stat_replication_slots;
SELECT subname, apply_error_count FROM pg_stat_subscription_stats;
SELECT prefetch IS NOT NULL AS some FROM pg_stat_recovery_prefetch;
--@ refused 42501: lists a directory of the server's
SELECT count(*) FROM pg_ls_waldir();
--@ refused 42501: throws away counters
SELECT pg_stat_reset();
--@ fails 42P01: the extension is not installed
SELECT queryid, query, calls FROM pg_stat_statements LIMIT 5;
SELECT pg_relation_filenode('library.books') > 0, pg_relation_filepath('library.books') LIKE
    'base/%', pg_filenode_relation(0, pg_relation_filenode('library.books'));
SELECT pg_column_size('x'::text), pg_column_compression('x'::text),
    pg_collation_actual_version('"C"'::regcollation);
SELECT system_identifier > 0, pg_control_version FROM pg_control_system();
SELECT checkpoint_lsn IS NOT NULL, timeline_id FROM pg_control_checkpoint();
SELECT pg_notification_queue_usage(), pg_trigger_depth();
SELECT gid IS NULL AS hidden, owner FROM pg_prepared_xacts;
SELECT name, parameter_types, from_sql FROM pg_prepared_statements;
SELECT name, is_holdable, is_binary, is_scrollable FROM pg_cursors WHERE name <> '';
--@ fails 42501: only superusers read it
SELECT roname, external_id FROM pg_replication_origin LEFT JOIN pg_replication_origin_status ON
    local_id = roident;
SELECT roident, roname FROM pg_replication_origin;
SELECT lomowner FROM pg_largeobject_metadata;
SELECT objoid, provider, label FROM pg_seclabel UNION ALL SELECT objoid, provider, label FROM
    pg_shseclabel;
SELECT objoid::regclass, privtype, initprivs FROM pg_init_privs WHERE classoid =
    'pg_class'::regclass ORDER BY 1 LIMIT 5;
SELECT trffromsql, trftosql FROM pg_transform;
SELECT conname, pg_encoding_to_char(conforencoding), pg_conversion_is_visible(oid) FROM
    pg_conversion ORDER BY 1 LIMIT 5;
SELECT parname, paracl FROM pg_parameter_acl;
SELECT objnamespace::regnamespace, objtype, objname, provider, label FROM pg_seclabels;

-- == information_schema
SELECT * FROM information_schema.schemata ORDER BY schema_name;
SELECT * FROM information_schema.tables WHERE table_schema IN ('library', 'public') ORDER BY
    table_schema, table_name;
SELECT * FROM information_schema.columns WHERE table_schema = 'library' ORDER BY table_name,
    ordinal_position;
--@ computed: constants of definitions are hidden
SELECT * FROM information_schema.views WHERE table_schema = 'library';
SELECT * FROM information_schema.table_constraints ORDER BY constraint_schema, table_name,
    constraint_name;
SELECT * FROM information_schema.key_column_usage ORDER BY constraint_name, ordinal_position;
SELECT * FROM information_schema.referential_constraints ORDER BY constraint_name;
SELECT * FROM information_schema.constraint_column_usage cu FULL JOIN
    information_schema.constraint_table_usage tu USING (constraint_name) ORDER BY constraint_name;
--@ computed: constants of definitions are hidden
SELECT * FROM information_schema.check_constraints ORDER BY constraint_schema, constraint_name;
SELECT * FROM information_schema.domains d LEFT JOIN information_schema.domain_constraints c USING
    (domain_catalog, domain_schema, domain_name) ORDER BY domain_schema, domain_name,
    c.constraint_name;
SELECT * FROM information_schema.column_domain_usage UNION ALL SELECT udt_catalog, udt_schema,
    udt_name, table_catalog, table_schema, table_name, column_name FROM
    information_schema.column_udt_usage ORDER BY 1, 2, 3, 5, 6, 7;
SELECT * FROM information_schema.element_types WHERE object_schema = 'library' ORDER BY object_name,
    collection_type_identifier;
SELECT * FROM information_schema.attributes WHERE udt_schema = 'library' ORDER BY ordinal_position;
SELECT * FROM information_schema.routines WHERE routine_schema = 'library' ORDER BY routine_name;
SELECT * FROM information_schema.parameters WHERE specific_schema = 'library' ORDER BY
    specific_name, ordinal_position;
SELECT * FROM information_schema.triggers t LEFT JOIN information_schema.triggered_update_columns c
    USING (trigger_name) WHERE t.trigger_schema = 'library';
SELECT * FROM information_schema.column_privileges WHERE table_schema = 'library' ORDER BY
    table_name, column_name, privilege_type, grantee;
SELECT * FROM information_schema.role_table_grants WHERE table_schema = 'library' ORDER BY
    table_name, privilege_type;
SELECT * FROM information_schema.role_column_grants WHERE table_schema = 'library' AND table_name =
    'authors' ORDER BY column_name;
SELECT * FROM information_schema.usage_privileges WHERE object_schema = 'library' ORDER BY
    object_name;
SELECT * FROM information_schema.udt_privileges WHERE udt_schema = 'library' ORDER BY udt_name,
    grantee;
SELECT * FROM information_schema.role_routine_grants WHERE specific_schema = 'library' UNION ALL
    SELECT * FROM information_schema.routine_privileges WHERE specific_schema = 'library' ORDER BY
    specific_name;
SELECT * FROM information_schema.applicable_roles UNION ALL SELECT * FROM
    information_schema.administrable_role_authorizations ORDER BY 1, 2;
SELECT * FROM information_schema.enabled_roles ORDER BY 1;
SELECT * FROM information_schema.view_table_usage v LEFT JOIN information_schema.view_column_usage c
    USING (view_schema, view_name, table_schema, table_name) WHERE view_schema = 'library';
SELECT * FROM information_schema.view_routine_usage WHERE table_schema = 'library';
SELECT * FROM information_schema.user_defined_types WHERE user_defined_type_schema = 'library';
SELECT * FROM information_schema.data_type_privileges WHERE object_schema = 'library' ORDER BY
    object_name, object_type, dtd_identifier;
SELECT * FROM information_schema.character_sets, information_schema.information_schema_catalog_name;
SELECT * FROM information_schema.collations c JOIN
    information_schema.collation_character_set_applicability USING (collation_name) ORDER BY
    collation_name LIMIT 3;
SELECT * FROM information_schema.sql_features WHERE feature_id LIKE 'B%' ORDER BY feature_id,
    sub_feature_id;
SELECT * FROM information_schema.sql_implementation_info ORDER BY 1;
SELECT * FROM information_schema.sql_sizing ORDER BY 1;
SELECT * FROM information_schema.foreign_tables, information_schema.foreign_servers,
    information_schema.foreign_data_wrappers, information_schema.user_mappings;
SELECT * FROM information_schema.foreign_table_options, information_schema.foreign_server_options,
    information_schema.foreign_data_wrapper_options, information_schema.column_options;
SELECT authorization_identifier, foreign_server_name, option_name FROM
    information_schema.user_mapping_options;
SELECT information_schema._pg_char_max_length(1043, 24),
    information_schema._pg_numeric_precision(1700, 524294),
    information_schema._pg_datetime_precision(1184, 3), information_schema._pg_truetypid(a,
    t)::regtype FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE attrelid =
    'library.books'::regclass AND attname = 'isbn';

-- == old drivers
SET client_encoding TO 'UNICODE';
SHOW client_encoding;
SELECT getdatabaseencoding(), pg_client_encoding();
SET client_encoding = 'utf8';
SHOW client_encoding;

-- == settings that drivers and poolers send
SET application_name TO 'some tool';
SET extra_float_digits TO 3;
SET client_encoding TO 'UTF8';
SET client_encoding TO 'unicode';
SET NAMES 'utf-8';
SET client_min_messages = 'error';
SET client_min_messages = NOTICE;
SET DateStyle TO 'ISO, MDY';
SET datestyle = ISO, YMD;
SET IntervalStyle = 'postgres';
SET TIME ZONE LOCAL;
SET TIME ZONE DEFAULT;
SET TIME ZONE 'America/New_York';
SET TimeZone = 'UTC';
SET SESSION TIME ZONE -3;
RESET TIME ZONE;
SHOW TIME ZONE;
SET bytea_output = 'hex';
SET lc_monetary TO 'C';
SET lc_numeric = 'C';
SET lc_time = 'C';
--@ fails 42501: only superusers set it
SET lc_messages = 'C';
SET search_path TO DEFAULT;
SET search_path TO "$user", public, library;
SET SCHEMA 'library';
SET statement_timeout = '10min';
SET lock_timeout = 5000;
SET idle_in_transaction_session_timeout = '1h';
SET idle_session_timeout = 0;
SET default_transaction_isolation = 'read committed';
SET default_transaction_isolation TO 'repeatable read';
SHOW transaction_isolation;
SET default_transaction_read_only = on;
SET default_transaction_read_only TO 'true';
SET default_transaction_deferrable = off;
SET jit = off;
SET jit_above_cost = -1;
SET plan_cache_mode = force_generic_plan;
RESET plan_cache_mode;
SET standard_conforming_strings = on;
SET escape_string_warning = off;
SET backslash_quote = safe_encoding;
SET row_security = on;
SET row_security = off;
SET quote_all_identifiers = off;
SET synchronize_seqscans TO off;
SET check_function_bodies = false;
SET xmloption = content;
SET xmlbinary = 'base64';
SET array_nulls = on;
SET work_mem = '16MB';
SHOW work_mem;
RESET work_mem;
SET hash_mem_multiplier = 2;
SET max_parallel_workers_per_gather = 0;
SET max_parallel_workers = 4;
SET parallel_leader_participation = on;
SET enable_seqscan = on;
SET enable_hashjoin TO DEFAULT;
SET random_page_cost = 1.1;
SET effective_cache_size = '4GB';
SET constraint_exclusion = partition;
SET geqo = on;
SET from_collapse_limit = 8;
SET default_text_search_config = 'pg_catalog.english';
--@ refused 42501: the connection to the server is vitrine's
SET tcp_keepalives_idle = 60;
--@ refused 42501: the connection to the server is vitrine's
SET tcp_keepalives_interval = 10;
--@ refused 42501: the connection to the server is vitrine's
SET tcp_keepalives_count = 5;
--@ refused 42501: the connection to the server is vitrine's
SET tcp_user_timeout = 0;
--@ fails 42501: only superusers set it
SET compute_query_id = auto;
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE, DEFERRABLE;
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, NOT DEFERRABLE;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE;
SET TRANSACTION READ ONLY;
SET LOCAL work_mem = '8MB';
SET LOCAL TIME ZONE 'UTC';
SET LOCAL search_path = pg_catalog;
SHOW search_path;
COMMIT AND CHAIN;
ROLLBACK AND NO CHAIN;
SHOW search_path;
SET SESSION AUTHORIZATION DEFAULT;
RESET SESSION AUTHORIZATION;
SET ROLE NONE;
RESET ROLE;
SHOW server_encoding;
SHOW is_superuser;
SHOW integer_datetimes;
SHOW standard_conforming_strings;
SHOW client_encoding;
SHOW datestyle;
SHOW max_connections;
SHOW lc_collate;
SHOW transaction_read_only;
SHOW transaction_deferrable;
SHOW in_hot_standby;
SHOW session_authorization;
--@ moves: vitrine's user stands before it
SHOW application_name;
--@ moves: the two sessions have other names
SHOW ALL;
SELECT current_setting('server_version'), current_setting('max_index_keys')::int,
    current_setting('block_size'), current_setting('data_checksums'), current_setting('wal_level'),
    current_setting('nothing.here', true), current_setting('DateStyle') AS styles;
SELECT set_config('application_name', 'x', false) IS NOT NULL, set_config('extra_float_digits', '1',
    true), set_config('search_path', '', false);
SELECT current_schemas(false), current_schemas(true);
RESET search_path;
RESET ALL;
DISCARD PLANS;
DISCARD SEQUENCES;
DISCARD TEMP;
DISCARD TEMPORARY;
DISCARD ALL;
UNLISTEN *;
UNLISTEN some_channel;
CLOSE ALL;
DEALLOCATE ALL;
DEALLOCATE PREPARE ALL;
--@ refused 25006: every session reads only
SET default_transaction_read_only = off;
--@ refused 25006: every session reads only
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;
--@ refused 25006: every session reads only
BEGIN READ WRITE;
--@ refused 42501: others' notifications carry data that nothing masks
LISTEN some_channel;
--@ refused 0A000: statements are read as UTF-8
SET client_encoding = 'SJIS';
--@ refused 42501: the session reads as the role that vitrine has
SET SESSION AUTHORIZATION 'shop_owner';
--@ refused 42501: it turns triggers and rules off
SET session_replication_role = replica;

-- == pings and odds and ends
SELECT 1;
;
/* ping */ SELECT 1;
SELECT 'x' AS keepalive;
VALUES (1);
SELECT 1 WHERE 1 = 0;
SELECT NULL;
TABLE library.authors;
SELECT btrim('  a '), strpos('abc', 'c'), reverse('ab'), substr('abc', 2), host('10.0.0.1/8'::inet),
    decode('YQ==', 'base64'), convert('x'::bytea, 'UTF8', 'LATIN1'), 'x'::bpchar, overlay('abc'
    PLACING 'x' FROM 2), lpad('a', 3, '-'), initcap('a b'), chr(228), ascii('a'), md5('a'),
    concat_ws('-', 1, NULL, 2);
SELECT array_position(ARRAY['a', 'b'], 'b'), array_to_json(ARRAY[1, 2]), array_dims(ARRAY[1]),
    cardinality(ARRAY[1, 2]), array_remove(ARRAY[1, 2], 1), string_to_array('a,b', ','),
    array_cat(ARRAY[1], ARRAY[2]), array_append(ARRAY[1], 2), array_fill(0, ARRAY[2]);
SELECT jsonb_object_agg(n.nspname, n.oid) FROM pg_namespace n WHERE nspname IN ('library', 'crm');
SELECT x.* FROM json_to_record('{"a": 1, "b": "x"}') AS x(a int, b text);
SELECT k.key, k.value FROM jsonb_each_text('{"a": 1}') k, jsonb_array_elements('[1, 2]') e WHERE
    e::text = k.value;
--@ moves: random
SELECT random() < 1, gen_random_uuid(), clock_timestamp(), txid_current_snapshot();
--@ refused 42501: tells how far a sequence is, which may be that of a masked column
SELECT pg_sequence_last_value('library.shelf_marks'::regclass);
SELECT pg_typeof(b.price), pg_typeof(b), pg_column_is_updatable('library.books'::regclass, 2::int2,
    false), pg_relation_is_updatable('library.shelf'::regclass, false) FROM library.books b LIMIT 1;
SELECT x, count(*) FILTER (WHERE x > 1), array_agg(x ORDER BY x DESC), mode() WITHIN GROUP (ORDER BY
    x), rank(1) WITHIN GROUP (ORDER BY x) FROM unnest(ARRAY[1, 2, 2]) x GROUP BY ROLLUP (x) ORDER BY
    1 NULLS LAST;
SELECT title, lag(title) OVER w, first_value(price) OVER w, ntile(3) OVER (ORDER BY id),
    row_number() OVER () FROM library.books WHERE id < 5 WINDOW w AS (PARTITION BY lent ORDER BY id
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) ORDER BY id;
PREPARE by_number (int) AS SELECT title FROM library.books WHERE id = $1;
EXECUTE by_number (3);
EXPLAIN (COSTS off) EXECUTE by_number (3);
DEALLOCATE by_number;
EXPLAIN (ANALYZE, TIMING off, SUMMARY off, COSTS off, BUFFERS off) SELECT count(*) FROM
    library.authors;
EXPLAIN (VERBOSE, COSTS off, SETTINGS) SELECT title FROM library.books WHERE id = 4;
--@ moves: times and buffers
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT count(*) FROM library.books;
BEGIN;
LOCK TABLE library.books, library.authors IN ACCESS SHARE MODE;
DECLARE scroller SCROLL CURSOR FOR SELECT id, title FROM library.books ORDER BY id;
FETCH FIRST FROM scroller;
FETCH RELATIVE 5 FROM scroller;
MOVE LAST FROM scroller;
FETCH BACKWARD 2 FROM scroller;
FETCH ABSOLUTE -3 FROM scroller;
SELECT name, is_scrollable FROM pg_cursors WHERE name = 'scroller';
CLOSE ALL;
DECLARE raw BINARY NO SCROLL CURSOR WITHOUT HOLD FOR SELECT id, token FROM library.books ORDER BY
    id;
FETCH FORWARD ALL FROM raw;
END;
COPY (SELECT id, title FROM library.books ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER true,
    DELIMITER ';', QUOTE '"', ENCODING 'UTF8');
COPY library.authors TO STDOUT;
