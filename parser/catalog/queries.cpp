// The catalog queries. Each field is text; each query is ordered, so that the rows of one catalog
// come in one order and have one fingerprint.

#include "parser/catalog/queries.h"

#include <array>

#include "parser/catalog/loader.h"

namespace vitrine::parser {

namespace {

// SQL is laid out by hand.
// clang-format off

// A type's name that means the same under any search_path. format_type() gives SQL's own words
// for some builtins (`character varying(20)`: the grammar takes those from pg_catalog), and bare
// names for the others, which are qualified here. Two of the first kind, bpchar and bit, come out
// bare where they have no typmod. Needs: t the type, e its element type (see below), as true
// arrays are spelled after their element.
#define TYPE_SQL(typmod)                                                                        \
    "CASE WHEN COALESCE(e.typnamespace, t.typnamespace)"                                        \
    " = 'pg_catalog'::pg_catalog.regnamespace"                                                  \
    " AND NOT (COALESCE(e.oid, t.oid) IN"                                                       \
    " (16, 20, 21, 23, 700, 701, 1043, 1083, 1114, 1184, 1186, 1266, 1562, 1700)"               \
    " OR COALESCE(e.oid, t.oid) IN (1042, 1560) AND " typmod " <> -1)"                          \
    " THEN 'pg_catalog.' ELSE '' END || pg_catalog.format_type(t.oid, " typmod ")"

#define JOIN_ELEMENT                                                                            \
    "LEFT JOIN pg_catalog.pg_type e"                                                            \
    " ON e.oid = t.typelem AND t.typlen = -1 AND t.typstorage <> 'p'"

#define OUR_RELATIONS                                                                           \
    "c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_(toast|temp_)'"

// What an expression names, out of its stored node tree. pg_depend would be simpler, and says
// nothing of builtin (pinned) objects: there, a view over pg_authid or pg_read_file() depends on
// nothing. Text inside a node tree cannot imitate this: its blanks carry a backslash.
#define NAMED_IN(tree)                                                                          \
    "pg_catalog.regexp_matches(" tree "::pg_catalog.text, ':(relid|funcid|aggfnoid|winfnoid"    \
    "|tsmhandler|opno|opnos|eqop|sortop|resulttype|coltypes|funccoltypes|opresulttype|aggtype"    \
    "|wintype|funcresulttype|vartype|consttype|minmaxtype|coalescetype|casetype|array_typeid"     \
    "|element_typeid|row_typeid|startInRangeFunc|endInRangeFunc) (?:[(]o )?"           \
    "([0-9]+(?: [0-9]+)*)', 'g') AS m"

// Those of a key, without the places of its expressions.
#define KEY_COLUMNS(key)                                                                       \
    "pg_catalog.array_to_string(pg_catalog.array_remove(" key "::pg_catalog.int2[],"           \
    " 0::pg_catalog.int2), ' ')"

// Numbers of the columns that an expression names, 0 the whole row; those of other relations, in a
// sub-select, are among them.
#define COLUMNS_IN(tree)                                                                        \
    "(SELECT pg_catalog.string_agg(m[1], ' ') FROM pg_catalog.regexp_matches("                  \
    tree "::pg_catalog.text, ':varattno (-?[0-9]+)', 'g') AS m)"

#define HAS_CONSTANT(tree) tree "::pg_catalog.text ~ ':constisnull false'"

constexpr std::array<CatalogQuery, kQueryCount> kQueries{{
    {"settings", R"(
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
       pg_catalog.set_config('quote_all_identifiers', 'off', true),
       pg_catalog.set_config('client_encoding', 'UTF8', true),
       pg_catalog.set_config('DateStyle', 'ISO', true),
       pg_catalog.set_config('IntervalStyle', 'postgres', true),
       pg_catalog.set_config('extra_float_digits', '1', true))"},

    {"database", R"(
SELECT pg_catalog.current_setting('server_version_num'),
       pg_catalog.current_database()::pg_catalog.text,
       pg_catalog.current_setting('search_path'),
       pg_catalog.current_setting('server_encoding'))"},

    {"schemas", R"(
SELECT nspname::pg_catalog.text, pg_catalog.has_schema_privilege(oid, 'USAGE')
FROM pg_catalog.pg_namespace
WHERE nspname !~ '^pg_(toast|temp_)' ORDER BY oid)"},

    // The last four: the name by which functions' arguments are compared, a domain's base type
    // with its typmod, and whether a value of that is not always one of the domain.
    {"types", R"(
SELECT d.oid, n.nspname::pg_catalog.text, d.typname::pg_catalog.text,
       d.typtype::pg_catalog.text, d.typbasetype,
       COALESCE(i.oid, 0), d.typrelid, d.typcategory::pg_catalog.text,
       d.typispreferred::pg_catalog.text,
       pg_catalog.format_type(d.oid, NULL),
       CASE WHEN d.typtype = 'd' THEN
           (SELECT )" TYPE_SQL("d.typtypmod") R"(
            FROM pg_catalog.pg_type t )" JOIN_ELEMENT R"(
            WHERE t.oid = d.typbasetype) END,
       d.typtypmod,
       (d.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint k
                                WHERE k.contypid = d.oid))::pg_catalog.text
FROM pg_catalog.pg_type d
JOIN pg_catalog.pg_namespace n ON n.oid = d.typnamespace
LEFT JOIN pg_catalog.pg_type i ON i.oid = d.typelem AND d.typlen = -1 AND d.typstorage <> 'p'
WHERE n.nspname !~ '^pg_(toast|temp_)' ORDER BY d.oid)"},

    // What types are made of besides base and element: composite types of their columns, ranges of
    // their subtype, multiranges of their range, types with subscripts (point, oidvector) of what
    // those give, and domains of what their CHECK has values of. pg_range.rngmultitypid is unknown
    // to 12 and 13, and is asked for by a way that does not mind.
    {"parts of types", R"(
SELECT c.reltype, a.atttypid
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'c'
UNION
SELECT rngtypid, rngsubtype FROM pg_catalog.pg_range
UNION
SELECT oid, typelem FROM pg_catalog.pg_type
WHERE typelem <> 0 AND (typlen <> -1 OR typstorage = 'p')
UNION
SELECT k.contypid, pg_catalog.regexp_split_to_table(m[2], ' ')::pg_catalog.oid
FROM pg_catalog.pg_constraint k, )" NAMED_IN("k.conbin") R"(
WHERE k.contypid >= 16384 AND m[1] ~ 'type(s|id)?$'
UNION
SELECT (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::pg_catalog.oid, r.rngtypid
FROM pg_catalog.pg_range r WHERE pg_catalog.to_jsonb(r) ->> 'rngmultitypid' IS NOT NULL
ORDER BY 1, 2)"},

    {"enum labels", R"(
SELECT enumtypid, enumlabel::pg_catalog.text FROM pg_catalog.pg_enum
ORDER BY enumtypid, enumsortorder)"},

    // The last two: the types of OUT and TABLE columns, and whether it is the constructor that
    // CREATE TYPE … AS RANGE makes (makeRangeConstructors, makeMultirangeConstructors).
    {"functions", R"(
SELECT p.oid, n.nspname::pg_catalog.text, p.proname::pg_catalog.text,
       p.prokind::pg_catalog.text, p.provolatile::pg_catalog.text, p.prosecdef::pg_catalog.text,
       l.lanname::pg_catalog.text, x.extname::pg_catalog.text,
       p.pronargdefaults, (p.provariadic <> 0)::pg_catalog.text,
       p.proargtypes, p.prorettype, p.proretset::pg_catalog.text,
       CASE WHEN p.proargmodes IS NOT NULL THEN
           (SELECT pg_catalog.string_agg(u.type::pg_catalog.text, ' ')
            FROM ROWS FROM (pg_catalog.unnest(p.proallargtypes), pg_catalog.unnest(p.proargmodes))
                 AS u (type, mode) WHERE u.mode IN ('o', 'b', 't')) END,
       (l.lanname = 'internal' AND p.prosrc IN ('range_constructor2', 'range_constructor3',
           'multirange_constructor0', 'multirange_constructor1', 'multirange_constructor2')
       )::pg_catalog.text
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
LEFT JOIN (pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid)
  ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
     AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
ORDER BY p.oid)"},

    {"operators", R"(
SELECT o.oid, n.nspname::pg_catalog.text, o.oprname::pg_catalog.text,
       o.oprleft, o.oprright,
       o.oprcode::pg_catalog.oid, o.oprresult
FROM pg_catalog.pg_operator o
JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
ORDER BY o.oid)"},

    // Type, function: what values of a type run unasked (Type::implicit_functions), without what is
    // inherited. 16384 is FirstNormalObjectId: builtins' own plumbing is not listed, but what a
    // domain's CHECK calls is, whatever it is. Casts that happen unasked count for what is cast, or
    // for the one of the two that is not a builtin: implicit ones; assignments to what a condition,
    // a LIMIT, a subscript or XML is turned into (coerce_to_boolean, coerce_to_specific_type); and
    // any cast to json (json_categorize_type). An operator between a builtin and another type
    // counts for the other.
    {"type functions", R"(
SELECT u.type, pg_catalog.format('%s', u.function) FROM (
    SELECT t.oid, pg_catalog.unnest(ARRAY[t.typinput, t.typoutput, t.typreceive, t.typsend,
                                          t.typmodin, t.typmodout]::pg_catalog.oid[])
    FROM pg_catalog.pg_type t WHERE t.oid >= 16384
    UNION
    SELECT rngtypid, pg_catalog.unnest(ARRAY[rngcanonical, rngsubdiff]::pg_catalog.oid[])
    FROM pg_catalog.pg_range
    UNION
    SELECT castsource, castfunc FROM pg_catalog.pg_cast
    WHERE castcontext = 'i' AND (castsource >= 16384 OR casttarget < 16384)
       OR castcontext = 'a' AND casttarget IN (16, 20, 23, 25, 142, 700, 701)
       OR castsource >= 16384 AND casttarget = 114
    UNION
    SELECT c.casttarget, c.castfunc FROM pg_catalog.pg_cast c
    JOIN pg_catalog.pg_type s ON s.oid = c.castsource
    WHERE c.castcontext = 'i' AND c.castsource < 16384
      AND (c.casttarget >= 16384 OR s.typelem <> 0 AND s.typlen = -1)  -- arrays are built unnamed
    UNION
    SELECT g.rngtypid, a.function
    FROM pg_catalog.pg_range g JOIN pg_catalog.pg_opclass k ON k.oid = g.rngsubopc
    JOIN (SELECT amprocfamily, amproclefttype, amprocrighttype, amproc::pg_catalog.oid
          FROM pg_catalog.pg_amproc
          UNION ALL
          SELECT p.amopfamily, p.amoplefttype, p.amoprighttype, o.oprcode::pg_catalog.oid
          FROM pg_catalog.pg_amop p JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr
         ) AS a (family, l, r, function)
      ON a.family = k.opcfamily AND a.l = k.opcintype AND a.r = k.opcintype
    UNION
    SELECT s.type, a.function
    FROM (SELECT amprocfamily, amproclefttype, amprocrighttype, amproc::pg_catalog.oid
          FROM pg_catalog.pg_amproc
          UNION ALL
          SELECT p.amopfamily, p.amoplefttype, p.amoprighttype, o.oprcode::pg_catalog.oid
          FROM pg_catalog.pg_amop p JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr
         ) AS a (family, l, r, function)
    JOIN pg_catalog.pg_opclass k ON k.opcfamily = a.family AND k.opcdefault
    JOIN pg_catalog.pg_am m ON m.oid = k.opcmethod AND m.amname IN ('btree', 'hash'),
    LATERAL (VALUES (a.l), (a.r)) AS s (type)
    WHERE a.function >= 16384 AND (a.l = a.r OR s.type >= 16384)
) AS u (type, function) WHERE u.function >= 16384
UNION
SELECT k.contypid, m[2]
FROM pg_catalog.pg_constraint k, )" NAMED_IN("k.conbin") R"(
WHERE k.contypid >= 16384 AND m[1] = 'funcid'
UNION
SELECT k.contypid, pg_catalog.format('%s', o.oprcode::pg_catalog.oid)
FROM pg_catalog.pg_constraint k, )" NAMED_IN("k.conbin") R"(,
     LATERAL pg_catalog.regexp_split_to_table(m[2], ' ') AS named
     JOIN pg_catalog.pg_operator o ON o.oid = named::pg_catalog.oid
WHERE k.contypid >= 16384 AND m[1] IN ('opno', 'opnos', 'eqop', 'sortop')
ORDER BY 1, 2)"},

    // Target, source, function: casts by a user's function that run only where they are written.
    // And with 0 for the function: those that happen unasked.
    {"casts", R"(
SELECT casttarget, castsource, castfunc::pg_catalog.oid FROM pg_catalog.pg_cast
WHERE castfunc >= 16384 AND castcontext <> 'i'
UNION
SELECT casttarget, castsource, 0::pg_catalog.oid FROM pg_catalog.pg_cast WHERE castcontext = 'i'
ORDER BY 1, 2, 3)"},

    {"relations", R"(
SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
       c.relkind::pg_catalog.text, c.reltype, c.relrowsecurity::pg_catalog.text,
       i.indkey
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE )" OUR_RELATIONS R"(
ORDER BY c.oid)"},

    {"columns", R"(
SELECT a.attrelid, a.attname::pg_catalog.text, a.attnum,
       a.atttypid, a.atttypmod,
       CASE WHEN t.typtype <> 'd' THEN )" TYPE_SQL("a.atttypmod") R"( END,
       a.attnotnull::pg_catalog.text, (a.attgenerated <> '')::pg_catalog.text,
       CASE WHEN a.attcollation <> 100  -- the database's default
            THEN pg_catalog.quote_ident(k.nspname) || '.' || pg_catalog.quote_ident(k.collname) END
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid )" JOIN_ELEMENT R"(
LEFT JOIN (SELECT l.oid, l.collname, s.nspname FROM pg_catalog.pg_collation l
           JOIN pg_catalog.pg_namespace s ON s.oid = l.collnamespace) k ON k.oid = a.attcollation
WHERE a.attnum > 0 AND NOT a.attisdropped AND )" OUR_RELATIONS R"(
ORDER BY a.attrelid, a.attnum)"},

    {"inheritance", R"(
SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits
ORDER BY inhrelid, inhseqno)"},

    {"generated columns", R"(
SELECT DISTINCT d.adrelid, d.adnum, m[1]
FROM pg_catalog.pg_attrdef d
JOIN pg_catalog.pg_attribute a
  ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attgenerated <> '',
pg_catalog.regexp_matches(d.adbin::pg_catalog.text, ':varattno ([0-9]+)', 'g') AS m
ORDER BY 1, 2, 3)"},

    // Relation, what is named, OIDs: what views' definitions and tables' row-security policies
    // name, the casts to json that to_json() of a row finds for its columns by itself, and the
    // functions of users (not of extensions) behind the operator classes of indexes and partition
    // keys. "folded" is an expression that the planner looks at whenever the relation is read, and
    // in which it computes what hangs on no column. The server's own views are left out:
    // builtin_rules judges those by name.
    //
    // "definition" is a view as SQL, with all names qualified that are not in pg_catalog, and its
    // constants spelled so that they mean the same whatever a session has set.
    //
    // "selected" is an entry of a definition's range tables: the relation, and the columns read of
    // it as the bits of selectedCols; 7 stands for the whole row, and is taken where nothing is
    // found, and since 16, which keeps them apart from the entries (RTEPermissionInfo).
    // "constant settings": every current_setting() in the definition names its setting as a
    // constant, and none of vitrine's own.
    {"definitions", R"(
SELECT r.ev_class, m[1], m[2]
FROM pg_catalog.pg_rewrite r, )" NAMED_IN("r.ev_action") R"(
WHERE r.ev_type = '1' AND r.ev_class >= 16384
UNION
SELECT r.ev_class, 'selected',
       x.relid || CASE WHEN r.ev_action::pg_catalog.text ~ ':rteperminfos' THEN ' 7'
                       ELSE COALESCE(x.columns, ' 7') END
FROM pg_catalog.pg_rewrite r,
     pg_catalog.unnest(
         pg_catalog.string_to_array(r.ev_action::pg_catalog.text, ':rtekind ')) AS entry,
     LATERAL (SELECT pg_catalog.substring(entry, ':relid ([1-9][0-9]*)'),
                     pg_catalog.substring(entry, ':selectedCols [(]b([0-9 ]*)[)]')
             ) AS x (relid, columns)
WHERE r.ev_type = '1' AND r.ev_class >= 16384 AND x.relid IS NOT NULL
UNION
SELECT p.polrelid, m[1], m[2]
FROM pg_catalog.pg_policy p, )" NAMED_IN("p.polqual") R"(
WHERE m[1] <> 'relid'
UNION
SELECT p.polrelid, 'policy reads', m[2]
FROM pg_catalog.pg_policy p, )" NAMED_IN("p.polqual") R"(
WHERE m[1] = 'relid'
UNION
SELECT ev_class, 'locks rows', '' FROM pg_catalog.pg_rewrite
WHERE ev_type = '1' AND ev_class >= 16384 AND ev_action::pg_catalog.text ~ ':rowMarks [(][{]'
UNION
SELECT oid, 'definition', pg_catalog.pg_get_viewdef(oid) FROM pg_catalog.pg_class
WHERE relkind IN ('v', 'm') AND oid >= 16384
UNION
SELECT c.oid, 'option', o FROM pg_catalog.pg_class c, pg_catalog.unnest(c.reloptions) AS o
WHERE c.relkind = 'v' AND c.oid >= 16384
UNION
SELECT f.ftrelid, 'runs a program', '' FROM pg_catalog.pg_foreign_table f
WHERE EXISTS (SELECT FROM pg_catalog.unnest(f.ftoptions) AS o WHERE o LIKE 'program=%')
UNION
SELECT i.indrelid, 'supports an index', pg_catalog.format('%s', a.amproc::pg_catalog.oid)
FROM (SELECT indrelid, pg_catalog.unnest(indclass::pg_catalog.oid[]) FROM pg_catalog.pg_index
      WHERE indrelid >= 16384
      UNION
      SELECT partrelid, pg_catalog.unnest(partclass::pg_catalog.oid[])
      FROM pg_catalog.pg_partitioned_table) AS i (indrelid, class)
JOIN pg_catalog.pg_opclass k ON k.oid = i.class
JOIN pg_catalog.pg_amproc a ON a.amprocfamily = k.opcfamily
     AND a.amproclefttype = k.opcintype AND a.amprocrighttype = k.opcintype
WHERE a.amproc::pg_catalog.oid >= 16384
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                    AND d.objid = a.amproc::pg_catalog.oid AND d.deptype = 'e')
UNION
SELECT x.relation, 'folded', x.tree
FROM (SELECT indrelid, indexprs::pg_catalog.text FROM pg_catalog.pg_index
      UNION ALL SELECT indrelid, indpred::pg_catalog.text FROM pg_catalog.pg_index
      UNION ALL SELECT partrelid, partexprs::pg_catalog.text FROM pg_catalog.pg_partitioned_table
      UNION ALL SELECT conrelid, conbin::pg_catalog.text FROM pg_catalog.pg_constraint
                WHERE contype = 'c'
      UNION ALL SELECT stxrelid, pg_catalog.to_jsonb(s) ->> 'stxexprs'  -- unknown before 14
                FROM pg_catalog.pg_statistic_ext s
     ) AS x (relation, tree)
WHERE x.relation >= 16384
  AND x.tree ~ ':(funcid|opno) (16[3-9]|1[7-9]|[2-9][0-9]|[0-9]{3,})[0-9]{3}'
UNION
SELECT t.oid, 'constant settings', ''
FROM (SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid) FROM pg_catalog.pg_class c
      WHERE c.relkind IN ('v', 'm') AND c.oid >= 16384
      UNION ALL
      SELECT p.polrelid, pg_catalog.string_agg(pg_catalog.pg_get_expr(p.polqual, p.polrelid), ' ')
      FROM pg_catalog.pg_policy p GROUP BY p.polrelid
     ) AS t (oid, definition)
WHERE (SELECT pg_catalog.count(*)
       FROM pg_catalog.regexp_matches(t.definition, 'current_setting', 'gi'))
    = (SELECT pg_catalog.count(*)
       FROM pg_catalog.regexp_matches(
                t.definition, 'current_setting[(]''(?!vitrine[.])[a-z0-9_.]+''::text', 'gi'))
UNION
SELECT a.attrelid, 'funcid', pg_catalog.format('%s', c.castfunc)
FROM pg_catalog.pg_cast c JOIN pg_catalog.pg_attribute a ON a.atttypid = c.castsource
WHERE a.attnum > 0 AND c.castsource >= 16384 AND c.castfunc >= 16384
  AND c.casttarget = 'pg_catalog.json'::pg_catalog.regtype
ORDER BY 1, 2, 3)"},

    // What of the catalog holds a constant, and so may hold a value of a masked column
    // (masking/redaction.h): kind, OID, a number, whose it is, the names by which the system's
    // views know it, the columns that it is about, and the text. Values of hash partitioning are
    // none. The number is a default's column, and of a bound how many columns the key has.
    {"stored definitions", R"(
SELECT x.kind, x.oid, x.number, x.subject, n.nspname::pg_catalog.text, x.name, x.columns, x.text
FROM (SELECT CASE WHEN k.contypid = 0 THEN 'check' ELSE 'domain check' END, k.oid, 0,
             CASE WHEN k.contypid = 0 THEN k.conrelid ELSE k.contypid END, k.connamespace,
             k.conname::pg_catalog.text,
             pg_catalog.concat_ws(' ', )" COLUMNS_IN("k.conbin") ", "
                KEY_COLUMNS("i.indkey") ", "
                COLUMNS_IN("i.indexprs") ", " COLUMNS_IN("i.indpred") R"(),
             pg_catalog.pg_get_constraintdef(k.oid)
      FROM pg_catalog.pg_constraint k
      LEFT JOIN pg_catalog.pg_index i ON k.contype = 'x' AND i.indexrelid = k.conindid
      WHERE k.contype = 'x' OR k.contype = 'c' AND )" HAS_CONSTANT("k.conbin") R"(
      UNION ALL
      SELECT 'default', d.adrelid, d.adnum, d.adrelid, c.relnamespace, a.attname::pg_catalog.text,
             d.adnum::pg_catalog.text, pg_catalog.pg_get_expr(d.adbin, d.adrelid)
      FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class c ON c.oid = d.adrelid
      JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
      WHERE )" HAS_CONSTANT("d.adbin") R"(
      UNION ALL
      SELECT 'domain default', oid, 0, oid, typnamespace, typname::pg_catalog.text, '', typdefault
      FROM pg_catalog.pg_type WHERE typtype = 'd' AND typdefault IS NOT NULL
      UNION ALL
      SELECT 'rule', r.oid, 0, r.ev_class, c.relnamespace, r.rulename::pg_catalog.text, '',
             pg_catalog.pg_get_ruledef(r.oid)
      FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
      WHERE r.ev_class >= 16384
        AND (r.rulename <> '_RETURN' OR )" HAS_CONSTANT("r.ev_action") R"()
      UNION ALL
      SELECT 'index', i.indexrelid, 0, i.indrelid, c.relnamespace, c.relname::pg_catalog.text,
             pg_catalog.concat_ws(' ', )" KEY_COLUMNS("i.indkey") ", "
                COLUMNS_IN("i.indexprs") ", "
                COLUMNS_IN("i.indpred") R"(),
             pg_catalog.pg_get_indexdef(i.indexrelid)
      FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      WHERE )" HAS_CONSTANT("i.indexprs") " OR " HAS_CONSTANT("i.indpred") R"(
      UNION ALL
      SELECT 'statistics', s.oid, 0, s.stxrelid, s.stxnamespace, s.stxname::pg_catalog.text,
             pg_catalog.concat_ws(' ', )" KEY_COLUMNS("s.stxkeys") ", "
                COLUMNS_IN("(pg_catalog.to_jsonb(s) ->> 'stxexprs')") R"(),
             pg_catalog.pg_get_statisticsobjdef(s.oid)
      FROM pg_catalog.pg_statistic_ext s  -- without expressions before 14
      WHERE pg_catalog.to_jsonb(s) ->> 'stxexprs' ~ ':constisnull false'
      UNION ALL
      SELECT 'policy', p.oid, 0, p.polrelid, c.relnamespace, p.polname::pg_catalog.text,
             pg_catalog.concat_ws(' ', )" COLUMNS_IN("p.polqual") ", "
                COLUMNS_IN("p.polwithcheck") R"(),
             pg_catalog.concat_ws(' AND ', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
                                  pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
      FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
      WHERE )" HAS_CONSTANT("p.polqual") " OR " HAS_CONSTANT("p.polwithcheck") R"(
      UNION ALL
      SELECT 'trigger', t.oid, 0, t.tgrelid, c.relnamespace, t.tgname::pg_catalog.text,
             )" COLUMNS_IN("t.tgqual") R"(, pg_catalog.pg_get_triggerdef(t.oid)
      FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
      WHERE )" HAS_CONSTANT("t.tgqual") R"(
      UNION ALL
      SELECT 'bound', c.oid, p.partnatts, i.inhparent, c.relnamespace, c.relname::pg_catalog.text,
             pg_catalog.concat_ws(' ', )" KEY_COLUMNS("p.partattrs") ", "
                COLUMNS_IN("p.partexprs") R"(),
             pg_catalog.pg_get_expr(c.relpartbound, c.oid)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
      JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = i.inhparent
      WHERE c.relispartition AND p.partstrat <> 'h'
      UNION ALL
      SELECT 'partition key', p.partrelid, 0, p.partrelid, c.relnamespace,
             c.relname::pg_catalog.text,
             pg_catalog.concat_ws(' ', )" KEY_COLUMNS("p.partattrs") ", "
                COLUMNS_IN("p.partexprs") R"(),
             pg_catalog.pg_get_partkeydef(p.partrelid)
      FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_class c ON c.oid = p.partrelid
      WHERE )" HAS_CONSTANT("p.partexprs") R"(
      UNION ALL
      SELECT 'publication', r.oid, 0, r.prrelid, c.relnamespace, c.relname::pg_catalog.text,
             )" COLUMNS_IN("(pg_catalog.to_jsonb(r) ->> 'prqual')") R"(, NULL
      FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
      WHERE pg_catalog.to_jsonb(r) ->> 'prqual' ~ ':constisnull false'  -- unknown before 15
     ) AS x (kind, oid, number, subject, namespace, name, columns, text)
JOIN pg_catalog.pg_namespace n ON n.oid = x.namespace
WHERE x.subject >= 16384
ORDER BY 1, 2, 3)"},
}};

// clang-format on

#undef TYPE_SQL
#undef JOIN_ELEMENT
#undef OUR_RELATIONS
#undef NAMED_IN
#undef COLUMNS_IN
#undef KEY_COLUMNS
#undef HAS_CONSTANT

}  // namespace

std::span<const CatalogQuery> catalog_queries() {
    return kQueries;
}

}  // namespace vitrine::parser
