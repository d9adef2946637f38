/**
 * Runs one test on both engines. In: a name and a body. Out: two tests, each with the options that `openStore` takes,
 * over an empty store that is gone afterwards. Refuses nothing; without PostgreSQL its half is skipped, or fails where
 * `GATEHOUSE_REQUIRE` names postgres.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { testDatabase } from './postgres.ts'
import { reasonToSkip } from './presence.ts'

export type Engine =
  | { readonly engine: 'sqlite'; readonly file: string }
  | { readonly engine: 'postgres'; readonly url: string }

export function eachEngine(name: string, body: (engine: Engine, t: TestContext) => Promise<void>): void {
  test(`${name} (sqlite)`, (t) => onSqlite((engine) => body(engine, t)))
  test(`${name} (postgres)`, (t) => onPostgres((engine) => body(engine, t), t))
}

async function onSqlite(body: (engine: Engine) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
  try {
    await body({ engine: 'sqlite', file: join(folder, 'gatehouse.db') })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function onPostgres(body: (engine: Engine) => Promise<void>, t: TestContext): Promise<void> {
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
}
