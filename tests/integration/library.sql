-- A public library, nothing in it masked: what psql, pgbench and the drivers read in the tests
-- that compare the answers through vitrine with PostgreSQL's own. Loaded after schema.sql.

CREATE SCHEMA library;
COMMENT ON SCHEMA library IS 'Books and who wrote them.';

CREATE TYPE library.genre AS ENUM ('novel', 'poetry', 'essay', 'manual');
CREATE DOMAIN library.isbn AS text CHECK (VALUE ~ '^[0-9]{13}$');
CREATE TYPE library.size AS (height_mm integer, width_mm integer);

CREATE TABLE library.authors (
    id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text NOT NULL,
    country char(2),
    born    date
);
COMMENT ON TABLE library.authors IS 'Writers, alphabetically or not.';
COMMENT ON COLUMN library.authors.country IS 'ISO 3166-1';

CREATE TABLE library.books (
    id        serial PRIMARY KEY,
    author_id integer NOT NULL REFERENCES library.authors,
    title     text NOT NULL,
    genre     library.genre NOT NULL DEFAULT 'novel',
    isbn      library.isbn,
    pages     integer CHECK (pages > 0),
    price     numeric(8, 2),
    tags      text[] NOT NULL DEFAULT '{}',
    meta      jsonb,
    cover     bytea,
    size      library.size,
    on_shelf  int4range,
    added     timestamptz NOT NULL DEFAULT timestamptz '2024-02-29 12:00:00+00',
    weight    double precision,
    lent      boolean NOT NULL DEFAULT false,
    from_ip   inet,
    token     uuid,
    kept_for  interval,
    pages_twice integer GENERATED ALWAYS AS (pages * 2) STORED,
    UNIQUE (author_id, title)
);
CREATE INDEX books_genre ON library.books (genre) WHERE NOT lent;
CREATE INDEX books_title ON library.books (lower(title) text_pattern_ops);
CREATE STATISTICS library.books_statistics (dependencies) ON genre, lent FROM library.books;

CREATE TABLE library.loans (
    id      integer NOT NULL,
    book_id integer NOT NULL,
    day     date NOT NULL,
    days    integer NOT NULL
) PARTITION BY RANGE (day);
CREATE TABLE library.loans_2024 PARTITION OF library.loans
    FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE library.loans_2025 PARTITION OF library.loans
    FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE INDEX loans_book ON library.loans (book_id);

CREATE VIEW library.shelf AS
    SELECT b.id, b.title, a.name AS author, b.price
    FROM library.books b JOIN library.authors a ON a.id = b.author_id
    WHERE NOT b.lent;
CREATE MATERIALIZED VIEW library.by_genre AS
    SELECT genre, count(*) AS books, sum(pages) AS pages FROM library.books GROUP BY genre
    WITH NO DATA;
CREATE SEQUENCE library.shelf_marks START 100 INCREMENT 10;
CREATE TABLE library."Odd Names" ("Select" integer, "two words" text, "é" text);
CREATE TABLE library.empty ();

CREATE FUNCTION library.fine(days integer) RETURNS numeric LANGUAGE sql IMMUTABLE
    AS 'SELECT greatest(days - 14, 0) * 0.20';
CREATE FUNCTION library.touch() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN NEW.lent := true; RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE OF price ON library.books
    FOR EACH ROW WHEN (NEW.price IS NULL) EXECUTE FUNCTION library.touch();
CREATE RULE shelf_insert AS ON INSERT TO library.shelf DO INSTEAD NOTHING;

INSERT INTO library.authors (name, country, born)
SELECT 'Author ' || n, (ARRAY['IE', 'FR', 'JP', 'BR'])[1 + n % 4], date '1900-01-01' + n * 400
FROM generate_series(1, 40) n;

INSERT INTO library.books (author_id, title, genre, isbn, pages, price, tags, meta, cover, size,
                           on_shelf, added, weight, lent, from_ip, token, kept_for)
SELECT 1 + n % 40, 'Title ' || n,
       (ARRAY['novel', 'poetry', 'essay', 'manual'])[1 + n % 4]::library.genre,
       lpad(n::text, 13, '9'), 80 + n, CASE WHEN n % 7 = 0 THEN NULL ELSE n * 1.25 END,
       ARRAY['t' || n % 3, 'all'], jsonb_build_object('n', n, 'edition', n % 5),
       decode(lpad(to_hex(n), 4, '0'), 'hex'), ROW(200 + n, 120)::library.size,
       int4range(n, n + 10), timestamptz '2024-02-29 12:00:00+00' + n * interval '1 hour',
       n / 3.0::float8, n % 5 = 0, ('10.0.0.' || n % 250)::inet,
       ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, n * interval '36 hours'
FROM generate_series(1, 400) n;

INSERT INTO library.loans
SELECT n, 1 + n % 400, date '2024-01-01' + n % 700, n % 40 FROM generate_series(1, 3000) n;
REFRESH MATERIALIZED VIEW library.by_genre;
INSERT INTO library."Odd Names" VALUES (1, 'one', 'un'), (2, NULL, 'deux');

GRANT USAGE ON SCHEMA library TO vitrine_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA library TO vitrine_reader;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA library TO vitrine_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA library GRANT SELECT ON TABLES TO vitrine_reader;
ANALYZE library.authors, library.books, library.loans, library."Odd Names";
