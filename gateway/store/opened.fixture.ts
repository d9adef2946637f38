/**
 * Stores for tests. In: an engine of `eachEngine` and limits. Out: an open store that is closed afterwards, and SQL beside
 * it, as an operator at a prompt would run it. Refuses nothing; used by tests only.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import pg from 'pg'
import { testDatabase } from '../../test/support/postgres.ts'
import { reasonToSkip } from '../../test/support/presence.ts'
import { openStore, type StoreOptions } from './open.ts'
import type { Store, StoreLimits } from './store.ts'

export async function withStore<T>(
  engine: StoreOptions,
  body: (store: Store) => Promise<T>,
  limits: Partial<StoreLimits> = {},
): Promise<T> {
  const store = await openStore(engine, Date.now, limits)
  try {
    return await body(store)
  } finally {
    await store.close()
  }
}

/** Two stores over one database, as two gates have them. */
export async function withTwoStores<T>(
  engine: StoreOptions,
  body: (one: Store, two: Store) => Promise<T>,
): Promise<T> {
  return await withStore(engine, (one) => withStore(engine, (two) => body(one, two)))
}

/** Runs one statement on a connection of its own. */
export async function sqlBeside(engine: StoreOptions, sql: string): Promise<Record<string, unknown>[]> {
  if (engine.engine === 'sqlite') {
    const database = new DatabaseSync(engine.file)
    try {
      database.exec('PRAGMA busy_timeout = 5000')
      return database.prepare(sql).all()
    } finally {
      database.close()
    }
  }
  const client = new pg.Client({ connectionString: engine.url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

/** Waits until `is` holds, looking often; false when it did not within `ms`. */
export async function within(ms: number, is: () => boolean | Promise<boolean>): Promise<boolean> {
  const end = performance.now() + ms
  for (;;) {
    if (await is()) return true
    if (performance.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export type Postgres = Extract<StoreOptions, { engine: 'postgres' }>
export type Sqlite = Extract<StoreOptions, { engine: 'sqlite' }>

/** A test of what only PostgreSQL has: connections that break, servers that hang. */
export function postgresTest(name: string, body: (engine: Postgres) => Promise<void>): void {
  test(name, async (t) => {
    let database
    try {
      database = await testDatabase()
    } catch (error) {
      t.skip(reasonToSkip('postgres', error))
      return
    }
    try {
      await body({ engine: 'postgres', url: database.url })
    } finally {
      await database.drop()
    }
  })
}

/** A test of what only a file has: locks of other processes, disks that fill up. */
export function sqliteTest(name: string, body: (engine: Sqlite) => Promise<void>): void {
  test(name, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
    try {
      await body({ engine: 'sqlite', file: join(folder, 'gatehouse.db') })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
}
