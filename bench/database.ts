/**
 * A fresh PostgreSQL database for the bench. In: `GATEHOUSE_TEST_DATABASE_URL`, else a server on 127.0.0.1:5432. Out: the
 * database's URL, what the server is, and the way to drop it. Answers `undefined` where there is no server; says so when
 * the server does not wait for its disk, since its numbers would then mean less than ours.
 */
import { randomBytes } from 'node:crypto'
import pg from 'pg'

const LOCAL = 'postgres://postgres@127.0.0.1:5432/postgres'
const CONNECT_MS = 5_000

export interface BenchDatabase {
  readonly url: string
  readonly name: string
  /** Version and how durable its commits are. */
  readonly server: string
  rows(table: 'inbox'): Promise<number>
  drop(): Promise<void>
}

export async function benchDatabase(): Promise<BenchDatabase | undefined> {
  const base = process.env['GATEHOUSE_TEST_DATABASE_URL'] ?? LOCAL
  const server = await over(base, describe).catch(() => undefined)
  if (server === undefined) return undefined
  const name = `gatehouse_bench_${randomBytes(6).toString('hex')}`
  await over(base, (client) => client.query(`create database ${name} template template0`))
  const url = new URL(base)
  url.pathname = `/${name}`
  return {
    url: url.href,
    name,
    server,
    rows: (table) => over(url.href, (client) => countIn(client, table)),
    drop: async () => void (await over(base, (client) => client.query(`drop database ${name} with (force)`))),
  }
}

async function describe(client: pg.Client): Promise<string> {
  const answer = await client.query<Record<string, string>>(
    `select current_setting('server_version') as version, current_setting('fsync') as fsync,
      current_setting('synchronous_commit') as commit`,
  )
  const { version, fsync, commit } = answer.rows[0] ?? {}
  return `PostgreSQL ${version?.split(' ')[0] ?? ''} (fsync ${fsync ?? '?'}, synchronous_commit ${commit ?? '?'})`
}

async function countIn(client: pg.Client, table: 'inbox'): Promise<number> {
  const answer = await client.query<{ n: string }>(`select count(*) as n from ${table}`)
  return Number(answer.rows[0]?.n)
}

async function over<T>(url: string, body: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS })
  await client.connect()
  try {
    return await body(client)
  } finally {
    await client.end()
  }
}
