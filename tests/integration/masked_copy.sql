-- Turns a copy of the test database into what vitrine must answer like: every masked column
-- overwritten with its mask (environment.py, RULES). Generated columns over masked ones are NULL.
-- What the masks break (constraints, a domain, views over whole rows) is dropped first.
-- The key must not be in the server's log: a test looks for it there.
SET log_statement = none;
DROP VIEW public.customer_rows;
DROP VIEW public.customer_contacts CASCADE;
DROP VIEW public.customers_with_notes;
DROP STATISTICS public.customers_statistics;
ALTER TABLE public.customers ALTER COLUMN email_lower DROP EXPRESSION;
ALTER TABLE public.customers ALTER COLUMN ssn TYPE text;
UPDATE public.customers SET
    email = '****@' || CASE WHEN email LIKE '%@%' THEN substr(email, strpos(email, '@') + 1)
                            WHEN email IS NULL THEN NULL ELSE '' END,
    phone = CASE WHEN length(phone) <= 2 THEN repeat('*', length(phone))
                 ELSE repeat('*', length(phone) - 2) || right(phone, 2) END,
    notes = '[removed]',
    ssn = 'h_' || left(encode(sha256(convert_to(:'key' || ssn, 'UTF8')), 'hex'), 16),
    profile = NULL,
    email_lower = NULL;
UPDATE public.cards SET
    number = repeat('#', length(number) - 4) || right(number, 4),
    holder = 'h_' || left(encode(sha256(convert_to(:'key' || holder, 'UTF8')), 'hex'), 16);
UPDATE public.people SET contact = NULL;
UPDATE public.events SET payload = '[gone]';
UPDATE "Mixed"."Client Data"
    SET "E-Mail" = '****@' || substr("E-Mail", strpos("E-Mail", '@') + 1);
ANALYZE;
