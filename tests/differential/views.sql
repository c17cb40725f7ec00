-- What reads the tables of schema.sql: loaded into the database and into the masked copy.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET TimeZone = 'UTC';

-- Over what is open.
CREATE VIEW public.product_prices AS SELECT id, name, price FROM public.products;
CREATE VIEW public.people_per_city AS SELECT city, count(*) AS people, avg(score) AS score
    FROM public.people GROUP BY city;
CREATE VIEW public.active_people AS SELECT id, name, city, region, joined FROM public.people WHERE active;
CREATE VIEW public.line_totals AS
    SELECT l.order_id, sum(l.quantity * p.price) AS total
    FROM public.lines l JOIN public.products p ON p.id = l.product_id GROUP BY l.order_id;
CREATE MATERIALIZED VIEW public.product_tags AS
    SELECT t.tag, count(*) AS products FROM public.products, unnest(tags) AS t(tag) GROUP BY t.tag;

-- Over masked columns.
CREATE VIEW public.people_contacts AS SELECT id, name, email, phone FROM public.people;
CREATE VIEW public.people_contacts_2 AS SELECT * FROM public.people_contacts WHERE id > 2;
CREATE VIEW public.people_contacts_3 AS
    SELECT id, upper(email) AS email, left(phone, 4) AS phone FROM public.people_contacts_2;
CREATE VIEW public.people_renamed (number, mail, "Tel.") AS SELECT id, email, phone FROM public.people;
CREATE VIEW public.people_with_mail AS SELECT id, name FROM public.people WHERE email LIKE '%@mail.example';
CREATE VIEW public.people_by_note AS
    SELECT note, count(*) AS people, min(email) AS first, max(phone) AS last FROM public.people GROUP BY note;
CREATE VIEW public.all_mails AS
    SELECT email FROM public.people UNION SELECT email FROM crm.people
    UNION ALL SELECT "E-Mail" FROM "Mixed"."Client Data";
CREATE VIEW public.big_orders AS
    WITH big AS (SELECT * FROM public.orders WHERE total > 50)
    SELECT b.id, b.card, p.email FROM big b JOIN public.people p ON p.id = b.person_id;
CREATE VIEW public.ranked_people AS
    SELECT id, email, rank() OVER (PARTITION BY city ORDER BY phone NULLS LAST) AS place,
           lag(note) OVER (ORDER BY id) AS before FROM public.people;
CREATE VIEW public.safe_people WITH (security_barrier) AS
    SELECT id, email, city FROM public.people WHERE region = 'EU';
CREATE VIEW public.checked_people AS SELECT id, email FROM public.people WHERE id < 50 WITH CHECK OPTION;
CREATE VIEW public.people_rows AS SELECT id, to_jsonb(p) AS person FROM public.people p;
CREATE VIEW public.people_whole AS SELECT p AS person FROM public.people p;
CREATE VIEW public.distinct_cards AS SELECT DISTINCT ON (person_id) person_id, card FROM public.orders
    ORDER BY person_id, id DESC;
CREATE VIEW public.family AS
    WITH RECURSIVE down AS (
        SELECT id, label::text AS path FROM public.nodes WHERE parent IS NULL
        UNION ALL
        SELECT n.id, d.path || '/' || n.label FROM public.nodes n JOIN down d ON n.parent = d.id)
    SELECT * FROM down;
CREATE VIEW public.event_texts AS SELECT id, payload FROM public.events;
CREATE VIEW public.animal_owners AS SELECT id, owner_name FROM public.animals;
CREATE VIEW public.mixed_mails AS SELECT "Id", "E-Mail" AS mail FROM "Mixed"."Client Data";
CREATE VIEW public.ssns AS SELECT id, ssn FROM public.people WHERE ssn IS NOT NULL;
CREATE VIEW public.ssn_lists AS SELECT id, ARRAY[ssn] AS all_of_it FROM public.people;
CREATE VIEW public.grouped_by_key AS
    SELECT p.id, p.email, count(o.id) AS orders FROM public.people p
    LEFT JOIN public.orders o ON o.person_id = p.id GROUP BY p.id;
CREATE VIEW public.invoker_people WITH (security_invoker) AS SELECT id, email FROM public.people;
CREATE VIEW "Mixed"."View ""of"" mails" AS SELECT "Id" AS "Nr.", "E-Mail" AS "Mail" FROM "Mixed"."Client Data";
CREATE VIEW public.visit_agents AS SELECT agent, count(*) FROM public.visits GROUP BY 1;
CREATE VIEW public.all_by_function AS SELECT id, email_of(id) AS mail FROM public.products;

-- One that a rule names, one that none does.
CREATE MATERIALIZED VIEW public.mail_list AS SELECT id, email, city FROM public.people;
CREATE MATERIALIZED VIEW public.mail_hosts AS
    SELECT split_part(email, '@', 2) AS host, min(email) AS first, count(*) AS people
    FROM public.people GROUP BY 1;
CREATE VIEW public.over_mail_list AS SELECT id, email FROM public.mail_list;

-- Over what a filter hides rows of; the first of the materialized views has a filter of its own.
CREATE VIEW public.deal_codes AS SELECT id, code::integer AS code, contact FROM public.deals;
CREATE VIEW public.deals_by_region AS SELECT region, count(*) AS deals, sum(amount) AS amount
    FROM public.deals GROUP BY region;
CREATE VIEW public.deal_rates WITH (security_barrier) AS SELECT id, 100 / parts AS rate FROM public.deals;
CREATE VIEW public.rates_again AS SELECT r.id, r.rate, c.code FROM public.deal_rates r JOIN public.deal_codes c USING (id);
CREATE VIEW public.sale_memos AS SELECT memo FROM public.sales UNION SELECT name FROM public.sites;
CREATE MATERIALIZED VIEW public.deal_list AS SELECT id, region, code FROM public.deals;
CREATE MATERIALIZED VIEW public.deal_copies AS SELECT id, region, code FROM public.deals;
CREATE VIEW public.over_deal_list AS SELECT code::integer AS code FROM public.deal_list;
CREATE VIEW public.device_pins AS SELECT id, pin, mac FROM public.devices;

-- Constants beside what is masked, under its own name and under others.
CREATE VIEW public.clue_words AS SELECT id, word FROM public.clues
    WHERE word <> 'KANARIENVOGEL view' AND kind <> 'other' AND id < 1000;
-- No constant of their own.
CREATE VIEW public.clue_over AS SELECT id FROM public.clue_words;
CREATE VIEW public.clue_over_own AS SELECT kind FROM public.clue_own;
CREATE VIEW public.clue_renamed AS SELECT a.w AS answer FROM (SELECT word AS w FROM public.clues) a
    WHERE a.w <> 'KANARIENVOGEL renamed';
CREATE VIEW public.clue_answers AS SELECT answer FROM public.clue_renamed WHERE answer <> 'KANARIENVOGEL answer';
CREATE VIEW public.clue_values AS SELECT c.id FROM public.clues c JOIN (VALUES ('KANARIENVOGEL values', 1)) v (a, b)
    ON c.word = v.a OR c.id >= v.b;
CREATE VIEW public.clue_union AS SELECT word AS one FROM public.clues UNION SELECT 'KANARIENVOGEL union' AS two;
CREATE VIEW public.clue_rows AS SELECT id FROM public.clues c WHERE to_jsonb(c.*) ->> 'word' <> 'KANARIENVOGEL row';
CREATE VIEW public.clue_with AS WITH x (a, b) AS (SELECT word, id FROM public.clues)
    SELECT b FROM x WHERE a <> 'KANARIENVOGEL with';
CREATE VIEW public.clue_kinds AS SELECT id, kind FROM public.clues WHERE kind <> 'nothing of that kind';
CREATE MATERIALIZED VIEW public.clue_list AS SELECT id, word FROM public.clues WHERE word <> 'KANARIENVOGEL list';
CREATE VIEW public.clue_sub AS SELECT id FROM public.products p
    WHERE (SELECT c.word FROM public.clues c WHERE c.id = p.id) <> 'KANARIENVOGEL sub';
CREATE VIEW public.clue_filter AS SELECT min(word) FILTER (WHERE id > 3) = 'KANARIENVOGEL filter' AS f,
    string_agg(word, ',' ORDER BY id) <> 'KANARIENVOGEL order' AS o FROM public.clues;
CREATE VIEW public.clue_in AS SELECT id FROM public.clues
    WHERE word IN (SELECT name || 'KANARIENVOGEL in' FROM public.products);
CREATE VIEW public.clue_alias AS SELECT c.i FROM public.clues c (i, w) WHERE c.w <> 'KANARIENVOGEL alias';
CREATE VIEW public.clue_ordinal AS SELECT c.id FROM public.clues c,
    string_to_table(c.word, ',') WITH ORDINALITY AS t (tag, nr) WHERE t.tag <> 'KANARIENVOGEL ordinal';
CREATE VIEW public.clue_limit AS SELECT id FROM public.clues
    LIMIT CASE WHEN (SELECT max(word) FROM public.clues) = 'KANARIENVOGEL limit' THEN 1 ELSE 5 END;
CREATE VIEW public.clue_function AS SELECT id FROM public.all_people() WHERE email <> 'KANARIENVOGEL function';
-- The catalog has the value that a new column has in the rows that were there before.
CREATE TABLE public.clue_late (id integer PRIMARY KEY);
INSERT INTO public.clue_late SELECT generate_series(1, 3);
ALTER TABLE public.clue_late ADD COLUMN late text DEFAULT 'KANARIENVOGEL late';
-- What such a function prints, printed by a view.
CREATE VIEW public.clue_checks AS SELECT conname::text, pg_get_constraintdef(oid) AS text FROM pg_constraint;

GRANT USAGE ON SCHEMA public, crm, "Mixed", "straße" TO vitrine_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, crm, "Mixed", "straße" TO vitrine_reader;
