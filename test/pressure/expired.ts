/**
 * Replay memory that has expired, by the million. In: an engine whose tables are there and no gate runs on, a count and the
 * time. Out: that many expired rows under random keys, in no order of time, as years of traffic leave them. Refuses
 * nothing; indexes are taken off meanwhile, or it would take an hour.
 */
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import type { Engine } from '../support/engines.ts'

/** Milliseconds over which the rows expired. */
const SPAN = 7 * 86_400_000

export async function fill(engine: Engine, count: number, now: number): Promise<void> {
  if (engine.engine === 'sqlite') fillSqlite(engine.file, count, now)
  else await fillPostgres(engine.url, count, now)
}

/** Keys ascend, so that each page is written once; when a row expires says nothing of its key. */
function fillSqlite(file: string, count: number, now: number): void {
  const database = new DatabaseSync(file)
  database.exec(`PRAGMA cache_size = -65536; DROP INDEX replay_memory_expiry`)
  const step = Math.floor(2 ** 48 / count)
  for (let from = 0; from < count; from += 1_000_000) {
    database.exec(`WITH RECURSIVE n(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${Math.min(count, from + 1_000_000)})
      INSERT INTO replay_memory (key, delivery_id, expires_at)
      SELECT unhex(printf('%012x', i * ${step}) || hex(randomblob(10))), 'dlv_' || hex(randomblob(13)),
        ${now - SPAN} + abs(random()) % ${SPAN} FROM n`)
  }
  database.exec(`CREATE INDEX replay_memory_expiry ON replay_memory (expires_at)`)
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
}

async function fillPostgres(url: string, count: number, now: number): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  for (const sql of [
    `DROP INDEX replay_memory_expiry`,
    `ALTER TABLE replay_memory DROP CONSTRAINT replay_memory_pkey`,
    `INSERT INTO replay_memory (key, delivery_id, expires_at)
      SELECT decode(md5(i || random()::text), 'hex'), 'dlv_' || substr(md5(random()::text), 1, 26),
        ${now - SPAN} + floor(random() * ${SPAN})::bigint FROM generate_series(1, ${count}) AS i`,
    `ALTER TABLE replay_memory ADD PRIMARY KEY (key)`,
    `CREATE INDEX replay_memory_expiry ON replay_memory (expires_at)`,
    `ANALYZE replay_memory`,
    `CHECKPOINT`,
  ])
    await client.query(sql)
  await client.end()
}

/** Expired rows that are left; a look into the index. */
export async function anyLeft(engine: Engine, now: number): Promise<boolean> {
  const sql = `SELECT 1 FROM replay_memory WHERE expires_at < ${now} ORDER BY expires_at LIMIT 1`
  if (engine.engine === 'sqlite') {
    const database = new DatabaseSync(engine.file, { readOnly: true })
    try {
      return database.prepare(sql).get() !== undefined
    } finally {
      database.close()
    }
  }
  return (await ask(engine.url, sql)).length > 0
}

/** How the engine would find the next batch. */
export async function planOf(engine: Engine, statement: string): Promise<string> {
  if (engine.engine === 'sqlite') {
    const database = new DatabaseSync(engine.file)
    try {
      return database
        .prepare(`EXPLAIN QUERY PLAN ${statement}`)
        .all()
        .map((row) => String(row['detail']))
        .join('; ')
    } finally {
      database.close()
    }
  }
  return (await ask(engine.url, `EXPLAIN ${statement}`)).map((row) => String(row['QUERY PLAN'])).join('\n')
}

async function ask(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}
