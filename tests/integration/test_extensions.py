"""Extensions: what people do with them every day goes through without configuration and answers as
PostgreSQL does, wherever the extension is installed; what reaches outside of the statement does
not.

Two databases with all extensions of the table: in one they are in `public`, in the other in a
schema of their own that is in the database's search_path.
"""

import re
import unittest

from environment import shared
from wire_client import error_of, rows_of

DATABASES = ("in_public", "in_own_schema")
# PostGIS as its packages and images set it up, with rasters and topologies beside it.
CROWDED = "crowded"
# Without configuration.
TRUSTED = ("btree_gin", "btree_gist", "citext", "cube", "dict_int", "dict_xsyn", "earthdistance",
           "fuzzystrmatch", "hstore", "intarray", "isn", "ltree", "pg_trgm", "pgcrypto", "seg",
           "tablefunc", "unaccent", "uuid-ossp", "xml2")
# Their functions are refused.
OTHERS = ("adminpack", "amcheck", "dblink", "file_fdw", "lo", "old_snapshot", "pageinspect",
          "pg_buffercache", "pg_freespacemap", "pg_prewarm", "pg_stat_statements", "pg_surgery",
          "pg_visibility", "pg_walinspect", "pgrowlocks", "pgstattuple", "postgres_fdw", "sslinfo")
# Not of PostgreSQL's own packages: only where the machine has them.
OPTIONAL = ("postgis", "ip4r", "vector")

TABLES = """
CREATE TABLE docs (id int PRIMARY KEY, title citext, body text, tags int[], attributes hstore,
                   path ltree, position cube, range_of seg, isbn isbn13, price numeric, day date);
INSERT INTO docs
SELECT i, (ARRAY['The Alpha', 'the beta', 'GAMMA ray', 'Überraschung', 'delta'])[i % 5 + 1] || i,
       'body of ' || i || ' with wörds', ARRAY[i, i % 3, i % 7],
       hstore(ARRAY['k' || i % 3, 'v' || i, 'color', (ARRAY['red', 'blue'])[i % 2 + 1]]),
       ('Top.' || (ARRAY['Science', 'Hobbies', 'Art'])[i % 3 + 1] || '.n' || i)::ltree,
       cube(ARRAY[i, i * 2, 3]::float8[]), (i || ' .. ' || i + 2)::seg,
       CASE i % 2 WHEN 0 THEN '978-0-393-04002-9' ELSE '978-3-16-148410-0' END::isbn13,
       i * 1.5, date '2024-01-01' + i
FROM generate_series(1, 40) i;
CREATE INDEX ON docs USING gin (body gin_trgm_ops);
CREATE INDEX ON docs USING gin (attributes);
CREATE INDEX ON docs USING gist (path);
CREATE INDEX ON docs USING gin (tags gin__int_ops);
CREATE INDEX ON docs USING gist (day, price);
CREATE INDEX ON docs USING gist (position);
GRANT SELECT ON docs TO vitrine_reader;
CREATE TABLE answers (n int); INSERT INTO answers VALUES (1);
GRANT SELECT ON answers TO vitrine_reader;
"""
POSTGIS_TABLES = """
CREATE TABLE places (id int PRIMARY KEY, name text, geom geometry(Point, 4326),
                     area geometry(Polygon, 4326), spot geography(Point, 4326));
INSERT INTO places
SELECT i, 'place ' || i, ST_SetSRID(ST_MakePoint(i / 10.0, 50 + i / 20.0), 4326),
       ST_Buffer(ST_SetSRID(ST_MakePoint(i / 10.0, 50 + i / 20.0), 4326), 0.2, 2),
       ST_SetSRID(ST_MakePoint(i / 10.0, 50 + i / 20.0), 4326)
FROM generate_series(1, 30) i;
CREATE INDEX ON places USING gist (geom);
CREATE VIEW near_places AS SELECT id, geom FROM places WHERE ST_DWithin(spot, spot, 1);
GRANT SELECT ON places, near_places TO vitrine_reader;
"""

READS = {
    "hstore": """
        SELECT attributes -> 'color' FROM docs ORDER BY id
        SELECT id FROM docs WHERE attributes @> 'color=>red' ORDER BY id
        SELECT id FROM docs WHERE attributes ? 'k1' ORDER BY id
        SELECT id FROM docs WHERE attributes ?& ARRAY['k1', 'color'] ORDER BY id
        SELECT id FROM docs WHERE attributes ?| ARRAY['k1', 'k2'] ORDER BY id
        SELECT akeys(attributes), avals(attributes) FROM docs WHERE id = 3
        SELECT skeys(attributes) AS k, count(*) FROM docs GROUP BY 1 ORDER BY 1
        SELECT (each(attributes)).key FROM docs WHERE id < 4
        SELECT e.key, e.value FROM docs, each(attributes) e WHERE id = 5 ORDER BY 1
        SELECT attributes || 'x=>1'::hstore FROM docs WHERE id = 1
        SELECT attributes - 'color'::text, attributes - ARRAY['color'] FROM docs WHERE id = 1
        SELECT hstore_to_json(attributes), hstore_to_jsonb(attributes) FROM docs WHERE id = 1
        SELECT attributes::json, attributes::jsonb, attributes::text FROM docs WHERE id = 1
        SELECT hstore('a', 'b'), hstore(ARRAY['a', '1', 'b', '2']), hstore(ROW(1, 2))
        SELECT exist(attributes, 'color'), defined(attributes, 'x') FROM docs WHERE id = 1
        SELECT slice(attributes, ARRAY['color']), %% attributes, %# attributes FROM docs WHERE id
            = 1
        SELECT attributes['color'] FROM docs WHERE id = 2
        SELECT DISTINCT attributes FROM docs ORDER BY attributes LIMIT 3
        SELECT hstore(d) -> 'price' FROM docs d WHERE id = 1
    """,
    "citext": """
        SELECT id FROM docs WHERE title = 'THE ALPHA5'
        SELECT id FROM docs WHERE title IN ('the alpha5', 'x') ORDER BY 1
        SELECT id FROM docs WHERE title LIKE 'the%' ORDER BY id
        SELECT id FROM docs WHERE title ~ '^THE' ORDER BY id
        SELECT id FROM docs WHERE title !~~ 'the%' ORDER BY id
        SELECT DISTINCT title FROM docs ORDER BY title
        SELECT title, count(*) FROM docs GROUP BY title ORDER BY title
        SELECT min(title), max(title) FROM docs
        SELECT 'A'::citext = 'a'::citext, 'a'::citext < 'B', 'a'::citext BETWEEN 'A' AND 'Z'
        SELECT replace(title, 'ALPHA', 'x'), strpos(title, 'ALPHA') FROM docs ORDER BY id LIMIT 5
        SELECT split_part(title, 'A', 1), regexp_replace(title, 'ALPHA', 'x') FROM docs WHERE id = 5
        SELECT lower(title), upper(title), length(title), title || '!' FROM docs ORDER BY id LIMIT 3
        SELECT regexp_match(title, 'ALPHA'), translate(title, 'A', 'b') FROM docs WHERE id = 5
        SELECT a.id FROM docs a JOIN docs b USING (title) ORDER BY 1 LIMIT 3
        SELECT title::text, title::varchar, 'x'::text::citext FROM docs WHERE id = 1
        SELECT string_agg(title, ',' ORDER BY title) FROM docs WHERE id < 5
    """,
    "pg_trgm": """
        SELECT similarity(body, 'body of 1') FROM docs ORDER BY id LIMIT 5
        SELECT id FROM docs WHERE body % 'body of 1 with wörds' ORDER BY id
        SELECT id FROM docs WHERE body ILIKE '%of 1 %' ORDER BY id
        SELECT id FROM docs WHERE body ~ 'of 1[0-9]' ORDER BY id
        SELECT id FROM docs ORDER BY body <-> 'body of 7', id LIMIT 3
        SELECT id FROM docs ORDER BY body <->> 'body of 7', id LIMIT 3
        SELECT id, body <<-> 'wörds', body <<<-> 'wörds' FROM docs ORDER BY id LIMIT 3
        SELECT word_similarity('wörds', body), strict_word_similarity('wörds', body) FROM docs
            WHERE id = 1
        SELECT 'wörds' <% body, body %> 'wörds', 'wörds' <<% body, body %>> 'x' FROM docs WHERE id
            = 1
        SELECT show_trgm('word'), show_limit()
        SELECT 'a' % 'b', NOT ('abc' % 'abd')
        SELECT id, similarity(title::text, 'alpha') AS s FROM docs ORDER BY s DESC, id LIMIT 3
    """,
    "unaccent": """
        SELECT unaccent('Hôtel Überraschung')
        SELECT unaccent(title::text) FROM docs ORDER BY id
        SELECT id FROM docs WHERE unaccent(title) ILIKE 'uberraschung%' ORDER BY id
        SELECT ts_lexize('unaccent', 'Hôtel')
        SELECT lower(unaccent(body)) FROM docs WHERE id = 1
        SELECT to_tsvector('simple', unaccent(body)) FROM docs WHERE id = 1
        SELECT unaccent('unaccent', 'Hôtel'), unaccent('unaccent'::regdictionary, 'Ærø')
        SELECT id FROM docs WHERE unaccent(body) ~ 'words' ORDER BY id
        SELECT unaccent(title::text) AS plain, count(*) FROM docs GROUP BY 1 ORDER BY 1
        SELECT id FROM docs WHERE unaccent(body) % unaccent('body of 1 with wörds') ORDER BY id
        SELECT DISTINCT unaccent(lower(title::text)) FROM docs ORDER BY 1
        SELECT string_agg(unaccent(title::text), ',' ORDER BY id) FROM docs
    """,
    "uuid-ossp": """
        SELECT uuid_generate_v5(uuid_ns_dns(), 'example.org')
        SELECT uuid_generate_v3(uuid_ns_url(), 'https://example.org')
        SELECT uuid_nil(), uuid_ns_oid(), uuid_ns_x500()
        SELECT uuid_generate_v4() <> uuid_generate_v4()
        SELECT uuid_generate_v1() IS NOT NULL, uuid_generate_v1mc() IS NOT NULL
        SELECT count(DISTINCT uuid_generate_v4()) FROM docs
        SELECT id, uuid_generate_v5(uuid_ns_url(), body) FROM docs ORDER BY id
        SELECT uuid_generate_v5(uuid_nil(), 'a') = uuid_generate_v5(uuid_nil(), 'a')
        SELECT uuid_generate_v3(uuid_ns_oid(), '1.2')::text, uuid_ns_dns()::text
        SELECT id FROM docs ORDER BY uuid_generate_v5(uuid_ns_dns(), body) LIMIT 5
        SELECT length(uuid_generate_v4()::text), uuid_generate_v4() IS DISTINCT FROM uuid_nil()
        SELECT u FROM (VALUES (uuid_ns_dns()), (uuid_ns_url())) v (u) ORDER BY u
    """,
    "pgcrypto": """
        SELECT digest('a', 'sha256'), digest('a'::bytea, 'md5')
        SELECT encode(digest(body, 'sha1'), 'hex') FROM docs ORDER BY id LIMIT 3
        SELECT hmac('a', 'key', 'sha256'), hmac('a'::bytea, 'key'::bytea, 'sha1')
        SELECT crypt('secret', '$1$abcdefgh$') = '$1$abcdefgh$x', crypt('a', 'ab')
        SELECT length(gen_salt('bf')), length(gen_salt('bf', 5))
        SELECT length(gen_random_bytes(8)), gen_random_uuid() IS NOT NULL
        SELECT encrypt('data', 'key', 'aes'), decrypt(encrypt('data', 'key', 'aes'), 'key', 'aes')
        SELECT encrypt_iv('data', '0123456789abcdef', '0123456789abcdef', 'aes')
        SELECT pgp_sym_decrypt(pgp_sym_encrypt('data', 'key'), 'key')
        SELECT pgp_sym_decrypt_bytea(pgp_sym_encrypt_bytea('data', 'key', 'cipher-algo=aes256'),
            'key')
        SELECT armor('abc'), dearmor(armor('abc'))
        SELECT pgp_key_id(dearmor(armor(pgp_sym_encrypt('data', 'key'))))
    """,
    "tablefunc": """
        SELECT count(*) FROM normal_rand(10, 5, 3)
        SELECT avg(x) IS NOT NULL FROM normal_rand(5, 1, 1) x
    """,
    "fuzzystrmatch": """
        SELECT soundex('Anne'), soundex('Ann'), difference('Anne', 'Ann')
        SELECT text_soundex('hello'), metaphone('Thompson', 4)
        SELECT dmetaphone('gumbo'), dmetaphone_alt('gumbo')
        SELECT levenshtein('GUMBO', 'GAMBOL'), levenshtein('GUMBO', 'GAMBOL', 2, 1, 1)
        SELECT levenshtein_less_equal('extensive', 'exhaustive', 2)
        SELECT levenshtein_less_equal('extensive', 'exhaustive', 1, 1, 1, 4)
        SELECT id FROM docs WHERE levenshtein(title::text, 'the beta1') < 3 ORDER BY id
        SELECT id FROM docs WHERE soundex(title::text) = soundex('the beta') ORDER BY id
        SELECT id FROM docs ORDER BY levenshtein(body, 'body'), id LIMIT 3
    """,
    "intarray": """
        SELECT icount(tags), sort(tags), sort(tags, 'desc') FROM docs ORDER BY id LIMIT 3
        SELECT sort_asc(tags), sort_desc(tags), uniq(sort(tags)) FROM docs WHERE id = 3
        SELECT idx(tags, 1), subarray(tags, 1, 2), intset(3) FROM docs WHERE id = 3
        SELECT id FROM docs WHERE tags && ARRAY[1, 2] ORDER BY id
        SELECT id FROM docs WHERE tags @> ARRAY[1] ORDER BY id
        SELECT id FROM docs WHERE tags <@ ARRAY[0, 1, 2, 3] ORDER BY id
        SELECT id FROM docs WHERE tags @@ '1&(2|3)'::query_int ORDER BY id
        SELECT id FROM docs WHERE '1&!2' ~~ tags ORDER BY id
        SELECT # tags, tags # 1, tags + 5, tags + ARRAY[9] FROM docs WHERE id = 1
        SELECT tags - 1, tags - ARRAY[1], tags | 7, tags | ARRAY[7], tags & ARRAY[1] FROM docs
            WHERE id = 1
        SELECT '1&2'::query_int, '1&2'::query_int::text
        SELECT id FROM docs WHERE tags = ARRAY[1, 1, 1] ORDER BY id
        SELECT ARRAY[3, 1, 2] = ARRAY[3, 1, 2], 1 = ANY (tags) FROM docs WHERE id = 1
    """,
    "ltree": """
        SELECT path FROM docs WHERE path <@ 'Top.Science' ORDER BY path
        SELECT path FROM docs WHERE path @> 'Top.Art.n2' ORDER BY path
        SELECT path FROM docs WHERE path ~ '*.Science.*' ORDER BY path
        SELECT path FROM docs WHERE path ? ARRAY['*.Art.*', 'x']::lquery[] ORDER BY path
        SELECT path FROM docs WHERE path @ 'Science & !Art' ORDER BY path
        SELECT nlevel(path), subltree(path, 0, 1), subpath(path, 1), subpath(path, 0, 2) FROM docs
            WHERE id = 1
        SELECT index(path, 'Science'), lca(path, 'Top.x') FROM docs ORDER BY id LIMIT 3
        SELECT lca(array_agg(path)) FROM docs
        SELECT ltree2text(path), text2ltree('a.b'), path || 'c', 'z' || path FROM docs WHERE id = 1
        SELECT DISTINCT subpath(path, 0, 2) FROM docs ORDER BY 1
        SELECT path, count(*) FROM docs GROUP BY path ORDER BY path LIMIT 3
        SELECT 'a.b'::ltree < 'a.c'::ltree, 'a.b'::ltree = 'a.b', ARRAY[path] @> 'Top'::ltree FROM
            docs WHERE id = 1
        SELECT ARRAY['a.b', 'c']::ltree[] ?@> 'a', ARRAY['a.b']::ltree[] ?~ 'a.*'
    """,
    "cube": """
        SELECT position, cube_dim(position), cube_ll_coord(position, 1) FROM docs WHERE id = 1
        SELECT id FROM docs ORDER BY position <-> cube(ARRAY[3, 6, 3]), id LIMIT 3
        SELECT id FROM docs WHERE position <@ cube(ARRAY[0, 0, 0], ARRAY[5, 20, 5]) ORDER BY id
        SELECT id FROM docs WHERE position && '(1,2,3),(4,8,3)'::cube ORDER BY id
        SELECT cube_distance('(0,0)', '(3,4)'), distance_taxicab('(0,0)', '(3,4)'),
            distance_chebyshev('(0,0)', '(3,4)')
        SELECT cube_union('(1)', '(2)'), cube_inter('(0),(2)', '(1),(3)'), cube_enlarge('(1)', 1, 1)
        SELECT cube(1), cube(1, 2), cube_is_point('(1)'), cube_size('(0,0),(2,2)')
        SELECT cube_subset('(1,3,5),(6,7,8)', ARRAY[3, 2]), '(1,2)'::cube -> 1, '(1,2)'::cube ~> 1
        SELECT id FROM docs ORDER BY position <#> '(1,1,1)', position <=> '(1,1,1)', id LIMIT 3
        SELECT DISTINCT position FROM docs ORDER BY position LIMIT 3
        SELECT '(1)'::cube = '(1)'::cube, '(1)'::cube < '(2)', '(0),(3)'::cube @> '(1)'
        SELECT position::text FROM docs WHERE id = 4
    """,
    "earthdistance": """
        SELECT earth()
        SELECT round(earth_distance(ll_to_earth(48, 2), ll_to_earth(52, 13))::numeric)
        SELECT point(2, 48) <@> point(13, 52)
        SELECT latitude(ll_to_earth(48, 2)), longitude(ll_to_earth(48, 2))
        SELECT sec_to_gc(1000), gc_to_sec(1000)
        SELECT earth_box(ll_to_earth(48, 2), 1000) @> ll_to_earth(48, 2)
    """,
    "btree_gist": """
        SELECT id FROM docs WHERE day = '2024-01-05' ORDER BY id
        SELECT id FROM docs ORDER BY day <-> '2024-01-10', id LIMIT 3
        SELECT 1 <-> 3, 1.5::float8 <-> 3.5::float8, time '10:00' <-> time '11:00'
        SELECT timestamp '2024-01-01' <-> timestamp '2024-01-02', interval '1 h' <-> interval '2 h'
        SELECT id FROM docs WHERE price <> 3 AND day < '2024-01-10' ORDER BY id
        SELECT money '1' <-> money '3', oid '1' <-> oid '5', 1::int2 <-> 4::int2, 1::bigint <->
            4::bigint
    """,
    "isn": """
        SELECT DISTINCT isbn FROM docs ORDER BY isbn
        SELECT id FROM docs WHERE isbn = '978-0-393-04002-9' ORDER BY id
        SELECT isbn('978-0-393-04002-9'), isbn13('0-393-04002-X'), issn('1436-4522')
        SELECT is_valid(isbn), make_valid(isbn) FROM docs WHERE id = 1
        SELECT upc('220356483481'), ean13('0220356483481'), ismn('979-0-060-11561-5')
        SELECT isbn::ean13, isbn::text FROM docs WHERE id = 2
        SELECT '0-393-04002-X'::isbn < '978-3-16-148410-0'::isbn13
        SELECT isbn, count(*) FROM docs GROUP BY isbn ORDER BY isbn
    """,
    "seg": """
        SELECT range_of, seg_center(range_of), seg_lower(range_of), seg_upper(range_of) FROM docs
            WHERE id = 1
        SELECT id FROM docs WHERE range_of && '5 .. 7' ORDER BY id
        SELECT id FROM docs WHERE range_of @> '5' ORDER BY id
        SELECT id FROM docs WHERE range_of << '5' OR range_of >> '35' ORDER BY id
        SELECT '1 .. 2'::seg = '1 .. 2'::seg, seg_size('1 .. 3'), seg_union('1', '3'),
            seg_inter('1 .. 3', '2 .. 4')
        SELECT DISTINCT range_of FROM docs ORDER BY range_of LIMIT 3
    """,
    "dict_int": """
        SELECT ts_lexize('intdict', '12345678'), ts_lexize('intdict', 'x')
        SELECT ts_lexize('xsyn', 'word')
    """,
    "xml2": """
        SELECT xpath_string('<a><b>1</b></a>', '/a/b'), xpath_number('<a><b>1</b></a>', '/a/b')
        SELECT xpath_bool('<a><b>1</b></a>', '/a/b'), xpath_list('<a><b>1</b><b>2</b></a>', '/a/b')
        SELECT xpath_list('<a><b>1</b><b>2</b></a>', '/a/b', ';'), xpath_nodeset('<a><b/></a>',
            '/a/b')
        SELECT xpath_nodeset('<a><b/></a>', '/a/b', 'top', 'item'), xpath_nodeset('<a><b/></a>',
            '/a/b', 'x')
        SELECT xml_valid('<a/>'), xml_encode_special_chars('<&>')
    """,
    "btree_gin": """
        SELECT id FROM docs WHERE price = 3 ORDER BY id
    """,
    "postgis": """
        SELECT id, ST_AsText(geom) FROM places ORDER BY id
        SELECT ST_AsGeoJSON(geom) FROM places ORDER BY id LIMIT 3
        SELECT ST_AsGeoJSON(p.*) FROM places p WHERE id = 1
        SELECT ST_AsGeoJSON(p.*, 'geom', 5) FROM (SELECT id, geom FROM places) p WHERE id = 1
        SELECT ST_X(geom), ST_Y(geom), ST_SRID(geom), GeometryType(geom), ST_GeometryType(geom)
            FROM places WHERE id = 1
        SELECT id FROM places WHERE ST_DWithin(spot, ST_MakePoint(1, 50.5)::geography, 20000)
            ORDER BY id
        SELECT id FROM places WHERE ST_Intersects(geom, ST_MakeEnvelope(0, 50, 1, 51, 4326)) ORDER
            BY id
        SELECT id FROM places WHERE geom && ST_MakeEnvelope(0, 50, 1, 51, 4326) ORDER BY id
        SELECT id FROM places ORDER BY geom <-> ST_SetSRID(ST_MakePoint(1, 50), 4326), id LIMIT 5
        SELECT id FROM places ORDER BY geom <#> ST_SetSRID(ST_MakePoint(1, 50), 4326), id LIMIT 5
        SELECT round(ST_Distance(spot, ST_MakePoint(0, 50)::geography)) FROM places ORDER BY id
        SELECT round(ST_Area(area::geography)), ST_Perimeter(area) > 0 FROM places WHERE id = 1
        SELECT ST_Contains(area, geom), ST_Within(geom, area), ST_Covers(area, geom) FROM places
            WHERE id = 1
        SELECT a.id, b.id FROM places a JOIN places b ON ST_Overlaps(a.area, b.area) WHERE a.id =
            5 ORDER BY 2
        SELECT ST_Touches(a.area, b.area), ST_Crosses(a.area, b.area), ST_Disjoint(a.area,
            b.area), ST_Equals(a.area, b.area) FROM places a, places b WHERE a.id = 1 AND b.id = 2
        SELECT ST_AsText(ST_Centroid(ST_Collect(geom))) FROM places
        SELECT ST_NPoints(ST_Union(area)), ST_IsValid(ST_Union(area)) FROM places
        SELECT ST_AsText(ST_Extent(geom)::geometry), ST_3DExtent(geom) FROM places
        SELECT ST_AsText(ST_MakeLine(geom ORDER BY id)) FROM places WHERE id < 4
        SELECT ST_AsText(ST_Transform(geom, 3857), 2) FROM places WHERE id = 1
        SELECT ST_AsEWKT(geom), ST_AsBinary(geom), ST_AsEWKB(geom), ST_AsHEXEWKB(geom) FROM places
            WHERE id = 1
        SELECT ST_AsSVG(geom), ST_AsKML(geom), ST_AsGML(geom), ST_GeoHash(geom, 5) FROM places
            WHERE id = 1
        SELECT ST_AsText(ST_Simplify(area, 0.01)), ST_NumGeometries(ST_Multi(area)) FROM places
            WHERE id = 1
        SELECT ST_AsText(ST_Buffer(geom, 1, 'quad_segs=1'), 1), ST_AsText(ST_Envelope(area), 1)
            FROM places WHERE id = 1
        SELECT ST_AsText(ST_ConvexHull(ST_Collect(geom)), 2) FROM places
        SELECT ST_AsText(ST_Intersection(a.area, b.area), 2), ST_AsText(ST_Difference(a.area,
            b.area), 2) FROM places a, places b WHERE a.id = 1 AND b.id = 2
        SELECT ST_AsText(ST_SymDifference(a.area, b.area), 2),
            ST_IsEmpty(ST_SymmetricDifference(a.area, a.area)) FROM places a, places b WHERE a.id
            = 1 AND b.id = 2
        SELECT (ST_Dump(ST_Collect(geom))).path FROM places WHERE id < 4
        SELECT d.path, ST_AsText(d.geom, 2) FROM places, ST_DumpPoints(area) d WHERE id = 1 ORDER
            BY 1
        SELECT ST_AsText(ST_GeomFromText('POINT(1 2)', 4326)), 'SRID=4326;POINT(1 2)'::geometry,
            'POINT(1 2)'::geography
        SELECT ST_AsText(ST_GeomFromGeoJSON('{"type":"Point","coordinates":[1,2]}')),
            ST_AsText(ST_PointFromText('POINT(1 2)'))
        SELECT ST_AsText(ST_GeomFromWKB(ST_AsBinary(geom))),
            ST_AsText(ST_GeomFromEWKT('SRID=4326;POINT(1 2)')) FROM places WHERE id = 1
        SELECT ST_ClusterDBSCAN(geom, 0.5, 2) OVER (ORDER BY id) FROM places
        SELECT count(DISTINCT c) FROM (SELECT ST_ClusterKMeans(geom, 3) OVER () AS c FROM places) x
        SELECT unnest(ST_ClusterWithin(geom, 0.05)) IS NOT NULL FROM places
        SELECT ST_NumGeometries(ST_GeneratePoints(area, 5)) FROM places WHERE id = 1
        SELECT length(ST_AsMVT(q, 'layer', 4096, 'g')) > 0 FROM (SELECT id,
            ST_AsMVTGeom(ST_Transform(geom, 3857), ST_TileEnvelope(0, 0, 0)) AS g FROM places) q
        SELECT length(ST_AsGeobuf(q, 'geom')) > 0, length(ST_AsFlatGeobuf(q, false, 'geom')) > 0
            FROM (SELECT id, geom FROM places) q
        SELECT count(*) FROM ST_SquareGrid(10, ST_MakeEnvelope(0, 0, 50, 50)), ST_HexagonGrid(40,
            ST_MakeEnvelope(0, 0, 50, 50)) h
        SELECT ST_AsText(ST_LineInterpolatePoint('LINESTRING(0 0, 2 2)', 0.5)),
            ST_LineLocatePoint('LINESTRING(0 0, 2 2)', 'POINT(1 1)')
        SELECT ST_AsText(ST_VoronoiPolygons(ST_Collect(geom)), 1) IS NOT NULL,
            ST_AsText(ST_DelaunayTriangles('MULTIPOINT(0 0, 1 1, 2 0)')) FROM places
        SELECT ST_AsText(ST_ClosestPoint(area, 'SRID=4326;POINT(9 9)'), 2), ST_MaxDistance(area,
            geom) > 0 FROM places WHERE id = 1
        SELECT ST_Azimuth('POINT(0 0)'::geometry, 'POINT(1 1)'), ST_Length('LINESTRING(0 0, 3
            4)'), ST_HausdorffDistance('LINESTRING(0 0, 1 0)', 'LINESTRING(0 1, 1 1)')
        SELECT ST_Relate(area, geom), ST_RelateMatch('101202FFF', 'TTTTTTFFF'),
            ST_IsValidReason(area), ST_IsSimple(area) FROM places WHERE id = 1
        SELECT ST_AsText(ST_MakeValid('POLYGON((0 0, 1 1, 1 0, 0 1, 0 0))')),
            ST_AsText(ST_SnapToGrid('POINT(1.23 4.56)', 0.1))
        SELECT ST_AsText(ST_Translate('POINT(1 1)', 1, 1)), ST_AsText(ST_Scale('POINT(1 1)', 2,
            2)), ST_AsText(ST_Rotate('POINT(1 0)', 0))
        SELECT ST_XMin(area), ST_XMax(area), ST_YMin(area), ST_YMax(area), Box2D(area),
            Box3D(area) FROM places WHERE id = 1
        SELECT area @ area, area ~ geom, area ~= area, area << geom, area &< geom, area |>> geom
            FROM places WHERE id = 1
        SELECT geom = geom, geom < geom FROM places WHERE id = 1
        SELECT DISTINCT geom FROM places ORDER BY geom LIMIT 2
        SELECT geom, count(*) FROM places GROUP BY geom ORDER BY count(*), geom LIMIT 2
        SELECT geom::text, geom::bytea, geom::json, geom::jsonb, geom::geography, geom::point FROM
            places WHERE id = 1
        SELECT to_jsonb(p), row_to_json(p) FROM places p WHERE id = 1
        SELECT f_table_name, f_geometry_column, coord_dimension, srid, type FROM geometry_columns
            ORDER BY 1, 2
        SELECT f_table_name, f_geography_column, srid, type FROM geography_columns ORDER BY 1
        SELECT srid, auth_name, proj4text FROM spatial_ref_sys WHERE srid = 4326
        SELECT postgis_version(), postgis_lib_version(), postgis_geos_version(),
            postgis_proj_version(), postgis_full_version()
        SELECT id FROM near_places ORDER BY id
        SELECT postgis_typmod_srid(atttypmod), postgis_typmod_type(atttypmod) FROM pg_attribute
            WHERE attrelid = 'places'::regclass AND attname = 'geom'
        SELECT ST_AsText(ST_Project('POINT(0 0)'::geography, 100000, 0), 3),
            ST_AsLatLonText('POINT(-3.2 50)')
        SELECT ST_AsText(ST_Point(1, 2)), ST_AsText(ST_MakePolygon('LINESTRING(0 0, 1 0, 1 1, 0
            0)')), ST_AsText(ST_FlipCoordinates('POINT(1 2)'))
        SELECT ST_AsEncodedPolyline('SRID=4326;LINESTRING(0 0, 1 1)'), ST_AsTWKB('POINT(1 2)'),
            ST_AsText(ST_Letters('A'), 0) IS NOT NULL
        SELECT id FROM places WHERE area && geom AND NOT area &&& geom ORDER BY id
    """,
    "ip4r": """
        SELECT ip4r '10.0.0.0/8' >>= ip4 '10.1.2.3', lower(ip4r '10.0.0.0/8'), upper(ip4r
            '10.0.0.0/8')
        SELECT iprange '10.0.0.0/8' && iprange '10.1.0.0/16', ip4 '1.2.3.4' + 1, is_cidr(ip4r
            '1.2.3.4-1.2.3.9')
        SELECT cidr_split(ip4r '1.2.3.4-1.2.3.9'), ipaddress '::1', family(ipaddress '::1')
        SELECT masklen(ip4r '10.0.0.0/8'), ip4r '10.0.0.0/8' = ip4r '10.0.0.0/8', gip FROM (VALUES
            (ip4 '1.1.1.1')) v (gip) ORDER BY gip
    """,
    "vector": """
        SELECT '[1,2,3]'::vector <-> '[3,2,1]', '[1,2,3]'::vector <=> '[3,2,1]', '[1,2,3]'::vector
            <#> '[3,2,1]'
        SELECT avg(v), vector_dims('[1,2]'), vector_norm('[3,4]') FROM (VALUES ('[1,2]'::vector))
            t (v)
        SELECT cosine_distance('[1,2]', '[2,1]'), l2_distance('[1,2]', '[2,1]'),
            '[1,2]'::vector(2) + '[1,1]'
    """,
}

REFUSED = {
    "tablefunc": """
        SELECT * FROM crosstab('SELECT 1, 2, 3') AS t (a int, b int)
        SELECT * FROM crosstab('SELECT 1, 2, 3', 'SELECT 2') AS t (a int, b int)
        SELECT * FROM crosstab('SELECT 1, 2, 3', 1) AS t (a int, b int)
        SELECT * FROM crosstab2('SELECT 1, 2, 3')
        SELECT * FROM crosstab3('SELECT 1, 2, 3')
        SELECT * FROM crosstab4('SELECT 1, 2, 3')
        SELECT * FROM connectby('docs', 'id', 'id', '1', 0) AS t (a int, b int, c int)
    """,
    "pg_trgm": "SELECT set_limit(0.5)",
    "isn": """
        SELECT isn_weak(true)
        SELECT isn_weak()
    """,
    "xml2": """
        SELECT * FROM xpath_table('id', 'body', 'docs', '/a', 'true') AS t (a int, b text)
        SELECT xslt_process('<a/>', '<b/>')
        SELECT xslt_process('<a/>', '<b/>', 'x=1')
    """,
    "dblink": """
        SELECT * FROM dblink('', 'SELECT 1') AS t (a int)
        SELECT dblink_connect('')
        SELECT dblink_connect_u('')
        SELECT dblink_exec('', 'DELETE FROM docs')
        SELECT dblink_open('c', 'SELECT 1')
        SELECT * FROM dblink_get_pkey('docs')
        SELECT dblink_current_query()
        SELECT dblink_build_sql_delete('docs', '1', 1, ARRAY['1'])
        SELECT dblink_get_connections()
    """,
    "postgres_fdw": """
        SELECT * FROM postgres_fdw_get_connections()
        SELECT postgres_fdw_disconnect('x')
        SELECT postgres_fdw_disconnect_all()
    """,
    "adminpack": """
        SELECT pg_file_write('x', 'y', false)
        SELECT pg_file_rename('x', 'y')
        SELECT pg_file_unlink('x')
        SELECT pg_file_sync('x')
        SELECT pg_logdir_ls()
    """,
    "pageinspect": """
        SELECT get_raw_page('docs', 0)
        SELECT * FROM heap_page_items('x')
        SELECT * FROM heap_page_item_attrs('x', 'docs')
        SELECT * FROM bt_page_items('docs_pkey', 1)
        SELECT * FROM bt_metap('docs_pkey')
        SELECT * FROM page_header('x')
    """,
    "pg_surgery": """
        SELECT heap_force_kill('docs'::regclass, ARRAY['(0,1)']::tid[])
        SELECT heap_force_freeze('docs'::regclass, ARRAY['(0,1)']::tid[])
    """,
    "pg_prewarm": """
        SELECT pg_prewarm('docs')
        SELECT autoprewarm_start_worker()
        SELECT autoprewarm_dump_now()
    """,
    "pg_buffercache": """
        SELECT count(*) FROM pg_buffercache_pages() AS p (a int, b oid, c oid, d oid, e int2, f
            int8, g bool, h int2, i int4)
        SELECT count(*) FROM pg_buffercache
    """,
    "lo": """
        SELECT lo_oid(1::lo)
        SELECT lo_manage()
    """,
    "pg_stat_statements": """
        SELECT pg_stat_statements_reset()
        SELECT * FROM pg_stat_statements(true)
    """,
    "amcheck": """
        SELECT bt_index_check('docs_pkey')
        SELECT * FROM verify_heapam('docs')
    """,
    "pg_visibility": """
        SELECT pg_truncate_visibility_map('docs')
        SELECT * FROM pg_visibility_map('docs')
    """,
    "pg_walinspect": "SELECT * FROM pg_get_wal_record_info('0/1')",
    "pgrowlocks": "SELECT * FROM pgrowlocks('docs')",
    "pgstattuple": """
        SELECT * FROM pgstattuple('docs')
        SELECT pg_relpages('docs')
    """,
    "pg_freespacemap": "SELECT * FROM pg_freespace('docs')",
    "old_snapshot": "SELECT * FROM pg_old_snapshot_time_mapping()",
    "sslinfo": """
        SELECT ssl_client_dn()
        SELECT ssl_extension_info()
    """,
    "postgis": """
        SELECT ST_EstimatedExtent('places', 'geom')
        SELECT ST_EstimatedExtent('public', 'places', 'geom')
        SELECT ST_EstimatedExtent('public', 'places', 'geom', true)
        SELECT ST_FindExtent('places', 'geom')
        SELECT ST_FromFlatGeobufToTable('public', 'made', 'x')
        SELECT Find_SRID('public', 'places', 'geom')
        SELECT AddGeometryColumn('places', 'g', 4326, 'POINT', 2)
        SELECT DropGeometryColumn('places', 'geom')
        SELECT DropGeometryTable('places')
        SELECT UpdateGeometrySRID('places', 'geom', 4326)
        SELECT Populate_Geometry_Columns()
        SELECT Populate_Geometry_Columns('places'::regclass)
        SELECT postgis_extensions_upgrade()
        SELECT AddAuth('x')
        SELECT CheckAuth('places', 'id')
        SELECT LockRow('places', '1', 'x')
        SELECT UnlockRows('x')
        SELECT EnableLongTransactions()
        SELECT DisableLongTransactions()
        SELECT gettransactionid()
        SELECT _postgis_stats('places', 'geom', '2')
        SELECT _postgis_selectivity('places', 'geom', 'POINT(0 0)')
        SELECT _postgis_join_selectivity('places', 'geom', 'places', 'geom')
        SELECT _postgis_index_extent('places', 'geom')
    """,
}

# One line of YAML each, and what it opens. Without the one for topologies, ST_Simplify could mean
# theirs, which reads tables.
ALLOW = (
    ("public.crosstab(text)", "SELECT * FROM crosstab('SELECT 1, 2, 3') AS t (a int, b int)"),
    ("public.pgstattuple", "SELECT table_len FROM pgstattuple('docs')"),
    ("public.set_limit(real)", "SELECT set_limit(0.3)"),
    ("pg_catalog.pg_sleep", "SELECT pg_sleep(0)"),
    ("topology.st_simplify(topogeometry, double precision)", None),
    ("public.twice*", "SELECT twice(2), twice_as_much(3)"),
)


def failure(messages):
    """The fields of the answer's error; None where there is none."""
    return next((m.fields for m in messages if m.name == "ErrorResponse"), None)


def statements(text):
    """A statement a line; one that begins further to the right goes on with the one before."""
    found = []
    lines = [line for line in text.splitlines() if line.strip()]
    margin = lines[0][:len(lines[0]) - len(lines[0].lstrip())]
    for line in lines:
        if line.startswith(margin + " "):
            found[-1] += " " + line.strip()
        else:
            found.append(line.strip())
    return found


class Extensions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.env = shared()
        cls.server = cls.env.database
        available = cls.server.sql("SELECT name FROM pg_available_extensions").split()
        cls.optional = [name for name in OPTIONAL if name in available]
        for database in DATABASES:
            cls.make(database)
        cls.databases = DATABASES
        if "postgis" in cls.optional:
            cls.databases += (CROWDED,)
            cls.server.sql(f"CREATE DATABASE {CROWDED}")
            cls.server.sql("CREATE EXTENSION postgis; CREATE EXTENSION postgis_raster; "
                           "CREATE EXTENSION postgis_topology; CREATE EXTENSION postgis_sfcgal;"
                           + POSTGIS_TABLES + """
                CREATE TABLE rasters (id int, raster raster);
                INSERT INTO rasters VALUES (1, ST_AddBand(ST_MakeEmptyRaster(2, 2, 0, 0, 1),
                                                          '8BUI'::text, 1, 0));
                GRANT SELECT ON rasters TO vitrine_reader;
                GRANT USAGE ON SCHEMA topology TO vitrine_reader;
                GRANT SELECT ON ALL TABLES IN SCHEMA topology TO vitrine_reader;""", CROWDED)
            cls.server.sql(f"ALTER DATABASE {CROWDED} SET search_path = public, topology")
        cls.proxy = cls.env.another("extensions", start=False)
        text = cls.proxy.config.read_text()
        start, end = text.index("  shop:\n"), text.index("\nauth:")
        entry = text[start:end]
        entries = "".join(entry.replace("  shop:", f"  {name}:") for name in cls.databases)
        text = text[:start] + entries + text[end:]
        # No masks: what is asked here is which functions may be called.
        text = re.sub(r"  rules: .*?\n\n", "  rules: []\n\n", text, flags=re.S)
        text += "functions:\n  allow:\n" + "".join(f"    - {line}\n" for line, _ in ALLOW)
        cls.proxy.config.write_text(text)
        cls.proxy.start()
        cls.clients = {name: cls.proxy.login(database=name) for name in cls.databases}
        cls.direct = {name: cls.env.direct(name) for name in cls.databases}

    @classmethod
    def make(cls, database):
        own = database == "in_own_schema"
        schema = "extensions" if own else "public"
        sql = (f"CREATE SCHEMA IF NOT EXISTS {schema};"
               f"GRANT USAGE ON SCHEMA {schema} TO vitrine_reader;")
        for name in (*TRUSTED, *OTHERS, *cls.optional):
            where = "" if name == "adminpack" else f" SCHEMA {schema}"
            sql += f'CREATE EXTENSION "{name}"{where} CASCADE;'
        sql += f"SET search_path = public, {schema};" + TABLES
        if "postgis" in cls.optional:
            sql += POSTGIS_TABLES
        if not own:
            sql += """
                CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2';
                CREATE FUNCTION twice_as_much(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2';"""
        cls.server.sql(f"CREATE DATABASE {database}")
        cls.server.sql(f"ALTER DATABASE {database} SET search_path = public, {schema}")
        cls.server.sql(sql, database)
        # The service role of a DBA who was generous: it is vitrine that refuses.
        cls.server.sql(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema}, pg_catalog "
                       f"TO vitrine_reader; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} "
                       f"TO vitrine_reader", database)

    @classmethod
    def tearDownClass(cls):
        for client in (*cls.clients.values(), *cls.direct.values()):
            client.close()
        cls.proxy.stop()
        for name in cls.databases:
            cls.server.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def fingerprint(self, database):
        return self.server.sql(
            "SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (SELECT relname || reltuples "
            "FROM pg_class UNION ALL SELECT d::text FROM docs d) t (x)", database)

    def same(self, database, sql):
        expected = self.direct[database].simple(sql)
        self.assertIsNone(failure(expected), sql)
        for how in ("simple", "extended"):
            given = getattr(self.clients[database], how)(sql)
            self.assertIsNone(failure(given), f"{database}, {how}: {sql}")
            if how == "simple":
                self.assertEqual(rows_of(given), rows_of(expected), sql)

    def test_reads(self):
        for extension, text in READS.items():
            if extension in OPTIONAL and extension not in self.optional:
                continue
            for sql in statements(text):
                for database in DATABASES:
                    with self.subTest(f"{database}: {sql}"):
                        self.same(database, sql)

    def test_rasters_and_topologies_do_not_stand_in_the_way(self):
        if CROWDED not in self.databases:
            self.skipTest("the server has no postgis")
        reads = statements(READS["postgis"]) + [
            "SELECT id FROM rasters", "SELECT raster FROM rasters",
            "SELECT ST_Volume(ST_Extrude('POLYGON((0 0, 1 0, 1 1, 0 0))', 0, 0, 1))",
            "SELECT name, srid FROM topology.topology",
            "SELECT r_table_name, srid FROM raster_columns"]
        for sql in reads:
            with self.subTest(sql):
                self.same(CROWDED, sql)
        for sql in ("SELECT ST_MapAlgebra(raster, NULL, 'pg_sleep(1)') FROM rasters",
                    "SELECT ST_AddBand(raster, '/etc/passwd'::text, ARRAY[1]) FROM rasters",
                    "SELECT ST_Value(raster, 1, 1) FROM rasters",
                    "SELECT * FROM ST_Retile('rasters'::regclass, 'raster', NULL, 1, 1, 1, 1)",
                    "SELECT topology.CreateTopology('x')", "SELECT topology.DropTopology('x')",
                    "SELECT AddRasterConstraints('rasters', 'raster')"):
            with self.subTest(sql):
                self.assertEqual(error_of(self.clients[CROWDED].simple(sql)).sqlstate, "42501")

    def test_optional_extensions_are_installed(self):
        missing = [name for name in OPTIONAL if name not in self.optional]
        if missing:
            self.skipTest(f"the server has no {', '.join(missing)}")

    def test_refused(self):
        before = [self.fingerprint(database) for database in DATABASES]
        # What the configuration allows in `public` is still refused in the other database.
        opened = {sql for _, sql in ALLOW}
        for extension, text in REFUSED.items():
            if extension in OPTIONAL and extension not in self.optional:
                continue
            for sql in statements(text):
                for database in DATABASES:
                    if database == "in_public" and (sql in opened or "pgstattuple(" in sql
                                                    or "set_limit" in sql):
                        continue
                    with self.subTest(f"{database}: {sql}"):
                        for how in ("simple", "extended"):
                            error = error_of(getattr(self.clients[database], how)(sql))
                            self.assertIsNotNone(error, sql)
                            self.assertEqual(error.sqlstate, "42501", error.fields)
                            # The server's own errors name its source file.
                            self.assertNotIn("F", error.fields, "refused by the server only")
        self.assertEqual([self.fingerprint(database) for database in DATABASES], before)

    def test_qualified(self):
        for sql in ("SELECT extensions.similarity('a', 'b')",
                    "SELECT 'a' OPERATOR(extensions.%) 'b'",
                    "SELECT 'a'::extensions.citext = 'A'",
                    "SELECT extensions.digest('a', 'md5')"):
            with self.subTest(sql):
                self.same("in_own_schema", sql)

    def test_allowed_by_one_line(self):
        for line, sql in ALLOW:
            if sql is not None:
                with self.subTest(line):
                    self.same("in_public", sql)
        # Another signature, another name, another schema.
        for database, sql in (
                ("in_public",
                 "SELECT * FROM crosstab('SELECT 1, 2, 3', 'SELECT 2') AS t (a int, b int)"),
                ("in_public", "SELECT * FROM pgstatindex('docs_pkey')"),
                ("in_own_schema", "SELECT set_limit(0.3)"),
                ("in_own_schema", "SELECT * FROM crosstab('SELECT 1, 2, 3') AS t (a int, b int)")):
            with self.subTest(sql):
                error = error_of(self.clients[database].simple(sql))
                self.assertEqual(error.sqlstate, "42501", error.fields)


if __name__ == "__main__":
    unittest.main()
