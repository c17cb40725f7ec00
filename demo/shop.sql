-- The demo's shop: an owner, a role that only reads (vitrine's), and a year of business.
-- Loaded by the superuser into the database `shop`. Always the same data: no random().

CREATE ROLE shop_owner NOLOGIN;
REVOKE ALL ON DATABASE shop FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO shop_owner;
GRANT CONNECT ON DATABASE shop TO vitrine_reader;
GRANT USAGE ON SCHEMA public TO vitrine_reader;

SET ROLE shop_owner;

CREATE TABLE customers (
    id     integer PRIMARY KEY,
    name   text NOT NULL,
    email  text NOT NULL UNIQUE,
    phone  text,
    region text NOT NULL,
    since  date NOT NULL,
    notes  text
);
COMMENT ON TABLE customers IS 'Who buys from us.';

CREATE TABLE cards (
    id          integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    brand       text NOT NULL,
    number      text NOT NULL,
    expires     date NOT NULL
);

CREATE TABLE products (
    id    integer PRIMARY KEY,
    name  text NOT NULL,
    price numeric(10, 2) NOT NULL,
    stock integer NOT NULL
);

CREATE TABLE orders (
    id          integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    product_id  integer NOT NULL REFERENCES products,
    quantity    integer NOT NULL,
    total       numeric(10, 2) NOT NULL,
    status      text NOT NULL,
    placed_at   timestamp NOT NULL
);
CREATE INDEX orders_customer ON orders (customer_id);

CREATE VIEW sales AS
    SELECT p.name AS product, count(*) AS orders, sum(o.total) AS turnover
    FROM orders o JOIN products p ON p.id = o.product_id
    GROUP BY p.name;

INSERT INTO products VALUES
    (1, 'Walnut desk', 849.00, 12), (2, 'Reading lamp', 79.90, 140),
    (3, 'Office chair', 329.00, 45), (4, 'Oak shelf', 189.50, 30),
    (5, 'Wool rug', 259.00, 18), (6, 'Desk organiser', 24.90, 400),
    (7, 'Standing mat', 59.00, 95), (8, 'Wall clock', 44.50, 61),
    (9, 'Floor cushion', 39.00, 120), (10, 'Side table', 149.00, 27);

INSERT INTO customers
SELECT n,
       first.name || ' ' || last.name,
       lower(first.name || '.' || last.name) || n || '@' ||
           (ARRAY['example.com', 'example.org', 'example.net'])[1 + n % 3],
       '+44 7700 900' || lpad(((n * 37) % 1000)::text, 3, '0'),
       (ARRAY['EU', 'UK', 'US', 'APAC'])[1 + n * 7 % 4],
       date '2023-01-01' + (n * 11) % 900,
       CASE n % 5 WHEN 0 THEN 'Called about a refund; prefers e-mail.'
                  WHEN 1 THEN 'Leave parcels with the neighbour at no. ' || n || '.' END
FROM generate_series(1, 200) n,
     LATERAL (SELECT (ARRAY['Ada', 'Ben', 'Chloe', 'Dara', 'Elif', 'Femi', 'Grace', 'Hugo',
                            'Ines', 'Jonas', 'Kira', 'Liam', 'Maya'])[1 + n % 13]) first(name),
     LATERAL (SELECT (ARRAY['Okafor', 'Lindqvist', 'Moreau', 'Tanaka', 'Silva', 'Novak',
                            'Byrne', 'Kaya', 'Weber', 'Rossi', 'Haddad'])[1 + n * 5 % 11])
         last(name);

INSERT INTO cards
SELECT n, n,
       CASE WHEN n % 3 = 0 THEN 'mastercard' ELSE 'visa' END,
       CASE WHEN n % 3 = 0 THEN '5555' ELSE '4111' END || ' ' ||
           lpad((n * 7919 % 10000)::text, 4, '0') || ' ' ||
           lpad((n * 104729 % 10000)::text, 4, '0') || ' ' ||
           lpad((n * 1299 % 10000)::text, 4, '0'),
       date '2027-01-31' + (n * 31) % 1000
FROM generate_series(1, 200) n;

INSERT INTO orders
SELECT n, 1 + n * 17 % 200, p.id, 1 + n % 3, p.price * (1 + n % 3),
       (ARRAY['delivered', 'delivered', 'shipped', 'paid', 'returned'])[1 + n % 5],
       timestamp '2025-11-01' + n * interval '2 hours 11 minutes'
FROM generate_series(1, 4000) n JOIN products p ON p.id = 1 + n * 3 % 10;

RESET ROLE;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO vitrine_reader;
ANALYZE;
