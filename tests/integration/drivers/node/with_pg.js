// What an application does with node's pg: plain, parametrised and named queries, errors, pools.
'use strict';
const fs = require('fs');
const { Client, Pool } = require('pg');

const options = {
  host: process.env.PGHOST,
  port: Number(process.env.PGPORT),
  database: process.env.PGDATABASE,
  user: process.env.PGUSER,
  password: process.env.PGPASSWORD,
  options: process.env.PGOPTIONS || undefined,
  ssl: { ca: fs.readFileSync(process.env.PGSSLROOTCERT, 'utf8'), servername: 'localhost' },
};
const show = (label, value) => console.log(`${label}: ${JSON.stringify(value)}`);

async function main() {
  const client = new Client(options);
  await client.connect();
  const books = await client.query(
    'SELECT id, title, price, added, tags, meta, cover, lent FROM library.books ORDER BY id LIMIT 3');
  show('fields', books.fields.map((f) => [f.name, f.dataTypeID, f.format]));
  books.rows.forEach((row) => show('row', row));
  show('parameters', (await client.query(
    'SELECT title FROM library.books WHERE id = $1 OR title = $2 ORDER BY id',
    [7, 'Title 9'])).rows);
  show('null and array', (await client.query(
    'SELECT $1::text IS NULL AS n, $2::int[] AS a', [null, [1, 2]])).rows);
  for (let id = 1; id < 5; id += 1) {
    const named = { name: 'by-id', text: 'SELECT title FROM library.books WHERE id = $1', values: [id] };
    show('named', (await client.query(named)).rows);
  }
  show('binary', (await client.query({ text: 'SELECT id FROM library.books ORDER BY id LIMIT 2', binary: true })).rows);
  show('array rows', (await client.query({ text: 'SELECT 1 AS a, 2 AS a', rowMode: 'array' })).rows);
  const several = await client.query('SELECT 1 AS one; SELECT 2 AS two');
  show('several', several.map((r) => r.rows));
  try {
    await client.query('SELECT 1 / 0');
  } catch (error) {
    show('error', [error.code, error.message, error.severity]);
  }
  try {
    await client.query('SELECT $1::int', ['x']);
  } catch (error) {
    show('bind error', [error.code, error.message]);
  }
  try {
    await client.query('SELECT nothing FROM library.books');
  } catch (error) {
    show('column error', [error.code, error.position]);
  }
  await client.query('BEGIN');
  show('in a transaction', (await client.query('SHOW transaction_read_only')).rows);
  await client.query('COMMIT');
  show('many at once', (await Promise.all([1, 2, 3, 4].map(
    (n) => client.query('SELECT $1::int * 10 AS ten', [n])))).map((r) => r.rows[0].ten));
  await client.end();

  const pool = new Pool({ ...options, max: 3 });
  const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => pool.query(
    'SELECT name FROM library.authors WHERE id = $1', [n + 1])));
  show('pool', answers.map((r) => r.rows[0].name));
  await pool.end();
  console.log('done');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
