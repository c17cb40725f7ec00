-- A pgbench script of reads: variables, expressions, conditions, a transaction, \gset.
\set aid random(1, 100000 * :scale)
\set bid 1 + :aid % :scale
\set small :aid % 10
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
SELECT count(*) AS tellers, max(tid) AS last FROM pgbench_tellers WHERE bid = :bid \gset
\if :tellers > 0 and :small < 5
BEGIN READ ONLY;
SELECT tbalance FROM pgbench_tellers WHERE tid = :last;
SELECT email, phone FROM customers WHERE id = 1 + :small;
COMMIT;
\elif :small = 7
SELECT :small AS a \aset
\else
SELECT b.title FROM library.books b WHERE b.id = 1 + :small AND b.price IS NOT NULL;
\endif
\sleep 100 us
SELECT :aid BETWEEN 1 AND 100000 * :scale AS within \gset
\if not :within
SELECT 1 / 0;
\endif
