/**
 * The database as an outsider reads it after a crash. In: an engine. Out: what is in the tables that one accepted delivery
 * must fill together, read in one snapshot. Refuses nothing; `half-written.ts` judges.
 */
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import type { Engine } from '../support/engines.ts'

type Row = Readonly<Record<string, unknown>>

export interface Snapshot {
  /** Deliveries above the mark. */
  readonly inbox: readonly string[]
  readonly replay: readonly { readonly key: string; readonly delivery: string }[]
  readonly dispatch: readonly { readonly delivery: string; readonly state: string }[]
  /** Entries above the mark, in order. */
  readonly audit: readonly { readonly seq: number; readonly entry: string; readonly hash: Buffer }[]
  readonly head: { readonly seq: number; readonly hash: Buffer }
}

export interface Marks {
  readonly delivery: string
  readonly seq: number
}

const QUERIES = {
  inbox: ({ delivery }: Marks) => `SELECT id FROM inbox WHERE id > '${delivery}' ORDER BY id`,
  replay: ({ delivery }: Marks) =>
    `SELECT key, delivery_id FROM replay_memory WHERE delivery_id > '${delivery}'`,
  dispatch: ({ delivery }: Marks) =>
    `SELECT delivery_id, state FROM dispatch WHERE delivery_id > '${delivery}'`,
  audit: ({ seq }: Marks) => `SELECT seq, entry, hash FROM audit_entry WHERE seq > ${seq} ORDER BY seq`,
  head: () => 'SELECT seq, hash FROM audit_head',
}

export interface Ledger {
  snapshot(marks: Marks): Promise<Snapshot>
  /** Runs one statement; for what time would do, when a test does not wait for it. */
  readonly run: (sql: string) => Promise<readonly Row[]>
  /** Bytes as this engine writes them in SQL. */
  readonly literal: (bytes: unknown) => string
  close(): Promise<void>
}

export async function openLedger(engine: Engine): Promise<Ledger> {
  return engine.engine === 'sqlite' ? onSqlite(engine.file) : await onPostgres(engine.url)
}

function onSqlite(file: string): Ledger {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA busy_timeout = 5000')
  const all = (sql: string) => database.prepare(sql).all() as Row[]
  return {
    async snapshot(marks) {
      database.exec('BEGIN')
      const read = readAll(Object.fromEntries(entries().map(([name, sql]) => [name, all(sql(marks))])))
      database.exec('COMMIT')
      return read
    },
    run: async (sql) => all(sql),
    literal: (value) => `X'${hex(value)}'`,
    close: async () => database.close(),
  }
}

async function onPostgres(url: string): Promise<Ledger> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return {
    async snapshot(marks) {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
      const found: Record<string, Row[]> = {}
      for (const [name, sql] of entries()) found[name] = (await client.query<Row>(sql(marks))).rows
      await client.query('COMMIT')
      return readAll(found)
    },
    run: async (sql) => (await client.query<Row>(sql)).rows,
    literal: (value) => `'\\x${hex(value)}'::bytea`,
    close: () => client.end(),
  }
}

function entries(): [string, (marks: Marks) => string][] {
  return Object.entries(QUERIES)
}

function readAll(found: Readonly<Record<string, readonly Row[]>>): Snapshot {
  const rows = (name: keyof typeof QUERIES) => found[name] ?? []
  const [head] = rows('head')
  return {
    inbox: rows('inbox').map((row) => String(row['id'])),
    replay: rows('replay').map((row) => ({ key: hex(row['key']), delivery: String(row['delivery_id']) })),
    dispatch: rows('dispatch').map((row) => ({
      delivery: String(row['delivery_id']),
      state: String(row['state']),
    })),
    audit: rows('audit').map((row) => ({
      seq: Number(row['seq']),
      entry: String(row['entry']),
      hash: bytes(row['hash']),
    })),
    head: { seq: Number(head?.['seq']), hash: bytes(head?.['hash']) },
  }
}

function bytes(value: unknown): Buffer {
  if (!(value instanceof Uint8Array)) throw new Error('read the ledger: a blob is wanted')
  return Buffer.from(value)
}

function hex(value: unknown): string {
  return bytes(value).toString('hex')
}
