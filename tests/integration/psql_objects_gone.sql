-- Takes away what psql_objects.sql made.
SET client_min_messages = error;
DROP EVENT TRIGGER IF EXISTS desk_noticed;
DROP SUBSCRIPTION IF EXISTS desk_feed;
DROP PUBLICATION IF EXISTS desk_news, desk_itself, desk_everything;
DROP SCHEMA IF EXISTS desk CASCADE;
DROP CAST IF EXISTS (library.size AS text);
DROP FOREIGN DATA WRAPPER IF EXISTS desk_press CASCADE;
DROP LANGUAGE IF EXISTS desk_language CASCADE;
DROP ACCESS METHOD IF EXISTS desk_heap CASCADE;
SELECT 'DROP OWNED BY desk_keeper CASCADE; DROP ROLE desk_keeper'
WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = 'desk_keeper')
\gexec
