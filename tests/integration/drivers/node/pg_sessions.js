// What applications do with node's drivers beyond queries: cursors, streams, pools, transactions,
// types, timeouts, cancelling; with pg, and with postgres, which prepares all that it sends.
'use strict';
const fs = require('fs');
const pg = require('pg');
const Cursor = require('pg-cursor');
const QueryStream = require('pg-query-stream');
const postgres = require('postgres');

const environment = process.env;
const options = {
  host: environment.PGHOST,
  port: Number(environment.PGPORT),
  database: environment.PGDATABASE,
  user: environment.PGUSER,
  password: environment.PGPASSWORD,
  options: environment.PGOPTIONS || undefined,
  ssl: { ca: fs.readFileSync(environment.PGSSLROOTCERT, 'utf8'), servername: 'localhost' },
};
const show = (label, value) => console.log(`${label}: ${JSON.stringify(value)}`);
const FOREVER = 'SELECT count(*) FROM generate_series(1, 2000000000)';
const failure = async (promise) => promise.then(() => 'went through', (error) => error.code);

async function values(client) {
  const many = await client.query({
    text: `SELECT $1::int4 a, $2::int8 b, $3::numeric c, $4::text d, $5::bytea e, $6::timestamptz f,
             $7::uuid g, $8::bool h, $9::float8 i, $10::text[] j, $11::jsonb k, $12::date l,
             $13::int[] m, $14::int IS NULL n`,
    values: [7, '1099511627776', '12.50', "it's é", Buffer.from([0, 1, 255]),
      new Date('2024-02-29T12:00:00Z'), '00000000-0000-4000-8000-00000000002a', true, 0.1,
      ['a', null, 'b,c'], { k: [1] }, '2024-02-29', [1, 2], null],
  });
  show('values', many.rows[0]);
  show('types', many.fields.map((f) => [f.name, f.dataTypeID, f.dataTypeSize, f.format]));
  show('book', (await client.query('SELECT b.*, a.name FROM library.books b JOIN library.authors a '
    + 'ON a.id = b.author_id WHERE b.id = ANY ($1) ORDER BY b.id', [[3, 4]])).rows);
  // What an application asks for before it can parse types that are not built in.
  const numbers = await client.query(
    "SELECT typname, oid, typarray FROM pg_type WHERE typname = ANY ($1) ORDER BY typname",
    [['hstore', 'citext', 'genre']]);
  show('type numbers', numbers.rows.map((r) => r.typname));
  client.setTypeParser(1700, parseFloat);
  show('parsed', (await client.query('SELECT price FROM library.books WHERE id = 3')).rows);
  for (const id of [1, 2, 3]) {
    show('named', (await client.query({
      name: 'one-book', text: 'SELECT title FROM library.books WHERE id = $1', values: [id],
      rowMode: 'array',
    })).rows);
  }
}

async function transactions(client) {
  for (const mode of ['', ' ISOLATION LEVEL SERIALIZABLE', ' READ ONLY', ' ISOLATION LEVEL '
    + 'REPEATABLE READ, READ ONLY, NOT DEFERRABLE']) {
    await client.query(`BEGIN${mode}`);
    show('isolation', (await client.query('SHOW transaction_isolation')).rows[0]);
    await client.query('SAVEPOINT one');
    show('error', await failure(client.query('SELECT 1 / 0')));
    show('in a failed one', await failure(client.query('SELECT 1')));
    await client.query('ROLLBACK TO SAVEPOINT one');
    show('after it', (await client.query('SELECT 2 AS two')).rows);
    await client.query('COMMIT');
  }
}

async function cursors(client) {
  const cursor = client.query(new Cursor(
    'SELECT id, title FROM library.books WHERE id > $1 ORDER BY id', [5]));
  show('cursor', [(await cursor.read(3)).length, (await cursor.read(100)).length,
    (await cursor.read(1000)).length, (await cursor.read(1)).length]);
  await cursor.close();
  const early = client.query(new Cursor('SELECT generate_series(1, 100000) AS n'));
  show('left early', (await early.read(2)).map((r) => r.n));
  await early.close();
  let count = 0;
  for await (const row of client.query(new QueryStream(
    'SELECT * FROM library.loans ORDER BY id', [], { batchSize: 64 }))) {
    count += row.id > 0 ? 1 : 0;
  }
  show('streamed', count);
}

async function withPg() {
  const client = new pg.Client({ ...options, application_name: 'report', keepAlive: true });
  await client.connect();
  await values(client);
  await transactions(client);
  await cursors(client);
  await client.query('SET statement_timeout = 200');
  show('timed out', await failure(client.query(FOREVER)));
  await client.query('RESET statement_timeout');
  const query = new pg.Query(FOREVER);
  const ended = new Promise((resolve) => { query.on('error', resolve); query.on('end', resolve); });
  client.query(query);
  setTimeout(() => new pg.Client(options).cancel(client, query), 300);
  show('cancelled', (await ended).code);
  show('and on', (await client.query('SELECT 3 AS three')).rows);
  await client.end();

  const limited = new pg.Client({ ...options, statement_timeout: 9000, lock_timeout: 8000,
    idle_in_transaction_session_timeout: 7000, query_timeout: 10000 });
  await limited.connect();
  show('limits', (await limited.query("SELECT current_setting('statement_timeout') AS s, "
    + "current_setting('lock_timeout') AS l, "
    + "current_setting('idle_in_transaction_session_timeout') AS i")).rows);
  await limited.end();

  const pool = new pg.Pool({ ...options, max: 2, idleTimeoutMillis: 50, allowExitOnIdle: true });
  show('pool', await Promise.all(Array.from({ length: 20 }, async (_, n) => {
    const taken = await pool.connect();
    try {
      const found = await taken.query('SELECT name FROM library.authors WHERE id = $1', [n + 1]);
      return found.rows[0].name;
    } finally {
      taken.release(n % 5 === 0);
    }
  })));
  await pool.end();
}

async function withPostgres() {
  const sql = postgres({
    host: options.host, port: options.port, database: options.database, username: options.user,
    password: options.password, ssl: options.ssl, max: 2, onnotice: () => {},
    connection: options.options ? { options: options.options } : {},
  });
  show('tagged', await sql`SELECT id, title, tags, meta, added FROM library.books WHERE id = ${3}`);
  show('arrays', await sql`
    SELECT title FROM library.books WHERE id IN ${sql([1, 2, 3])} ORDER BY id`);
  show('array types', await sql`
    SELECT ${[1, 2]}::int[] AS a, ${sql.array(['x'])} AS b, ${sql.json({ k: 1 })} AS c`);
  show('names', await sql`
    SELECT ${sql('id', 'name')} FROM ${sql('library.authors')} ORDER BY id LIMIT 2`);
  const asked = Array.from({ length: 30 }, (_, n) => sql`SELECT ${n}::int AS n`);
  show('at once', (await Promise.all(asked)).map(([row]) => row.n));
  show('simple', await sql`SELECT 1 AS a; SELECT 2 AS b`.simple());
  show('unsafe', await sql.unsafe('SELECT title FROM library.books WHERE id = $1', [7]));
  const described = await sql`SELECT id, title FROM library.books WHERE id = ${1}`.describe();
  show('described', [described.types, described.columns.map((c) => c.name)]);
  let rows = 0;
  await sql`SELECT * FROM library.loans`.cursor(100, (part) => { rows += part.length; });
  show('cursor', rows);
  show('transaction', await sql.begin('read only', async (t) => {
    const [before] = await t`SHOW transaction_read_only`;
    const failed = await failure(t.savepoint(async (s) => s`SELECT 1 / 0`));
    return [before, failed, await t`SELECT 2 AS two`];
  }));
  let copied = 0;
  for await (const chunk of await sql`COPY (SELECT * FROM library.books) TO STDOUT`.readable()) {
    copied += chunk.length;
  }
  show('copied', copied);
  const forever = sql.unsafe(FOREVER).execute();
  setTimeout(() => forever.cancel(), 300);
  show('cancelled', await failure(forever));
  show('and on', await sql`SELECT 1 AS one`);
  await sql.end();
}

withPg().then(withPostgres).then(() => console.log('done')).catch((error) => {
  console.error(error);
  process.exit(1);
});
