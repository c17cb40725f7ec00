// Statements with a mark in them, and what the query log has to say of each: a JSON list of
// [sql, values, rows, sqlstate] on stdout, in the order in which they ran.
'use strict';
const fs = require('fs');
const { Client } = require('pg');

const MARK = '/*log*/';
const expected = [];
const note = (sql, values, rows, sqlstate = '00000') => expected.push([sql, values, rows, sqlstate]);

async function main() {
  const client = new Client({
    host: process.env.PGHOST,
    port: Number(process.env.PGPORT),
    database: process.env.PGDATABASE,
    user: process.env.PGUSER,
    password: process.env.PGPASSWORD,
    ssl: { ca: fs.readFileSync(process.env.PGSSLROOTCERT, 'utf8'), servername: 'localhost' },
  });
  await client.connect();
  const run = async (text, values, rows, logged = values) => {
    await client.query(values ? { text, values } : text);
    note(text, logged, rows);
  };
  await run(`SELECT ${MARK} 1`, null, 1);
  await client.query(`SELECT ${MARK} 2; SELECT ${MARK} 3 FROM generate_series(1, 4)`);
  note(`SELECT ${MARK} 2`, null, 1);
  note(`SELECT ${MARK} 3 FROM generate_series(1, 4)`, null, 4);
  await run(`SELECT ${MARK} $1::int, $2::text, $3::int[]`, [7, null, [1, 2]], 1, ['7', null, '{"1","2"}']);
  await run(`SELECT ${MARK} $1::bytea`, [Buffer.from([0, 255])], 1, ['\\x00ff']);
  for (let id = 1; id < 6; id += 1) {
    const text = `SELECT ${MARK} title FROM library.books WHERE id <= $1`;
    await client.query({ name: 'by-id', text, values: [id] });
    note(text, [String(id)], id);
  }
  try {
    await client.query({ text: `SELECT ${MARK} 1 / $1::int`, values: [0] });
  } catch (error) {
    note(`SELECT ${MARK} 1 / $1::int`, ['0'], 0, error.code);
  }
  await client.end();
  console.log(JSON.stringify(expected));
}
main().catch((error) => { console.error(error); process.exit(1); });
