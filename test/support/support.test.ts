/**
 * The ground other tests stand on: databases are fresh and gone afterwards, a server of our own starts and answers, and
 * absence is a skip or a failure as the run asks.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { startEmbeddedPostgres } from './embedded-postgres.ts'
import { eachEngine } from './engines.ts'
import { testDatabase } from './postgres.ts'
import { Absent, reasonToSkip } from './presence.ts'
import { redisOrSkip } from './redis.ts'

async function count(url: string, sql: string): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rowCount } = await client.query(sql)
  await client.end()
  return rowCount ?? 0
}

test('testDatabase() gives an empty database and takes it away', async (t) => {
  let database
  try {
    database = await testDatabase()
  } catch (error) {
    t.skip(reasonToSkip('postgres', error))
    return
  }
  const name = new URL(database.url).pathname.slice(1)
  assert.equal(await count(database.url, "select 1 from pg_tables where schemaname = 'public'"), 0)
  await database.drop()
  const server = new URL(database.url)
  server.pathname = '/postgres'
  assert.equal(await count(server.href, `select 1 from pg_database where datname = '${name}'`), 0)
})

test('the PostgreSQL from npm starts with install scripts off, as root too', async () => {
  const url = await startEmbeddedPostgres()
  assert.equal(await count(url, 'select 1'), 1)
})

eachEngine('eachEngine() hands out store options', async (engine) => {
  assert.ok(engine.engine === 'sqlite' ? engine.file.endsWith('.db') : engine.url.startsWith('postgres'))
})

test('a server that is away skips, and fails where it is required', () => {
  const before = process.env['GATEHOUSE_REQUIRE']
  try {
    delete process.env['GATEHOUSE_REQUIRE']
    assert.equal(reasonToSkip('redis', new Absent('away')), 'away')
    assert.throws(() => reasonToSkip('redis', new TypeError('a bug')), TypeError)
    process.env['GATEHOUSE_REQUIRE'] = 'postgres, redis'
    assert.throws(() => reasonToSkip('redis', new Absent('away')), Absent)
  } finally {
    if (before === undefined) delete process.env['GATEHOUSE_REQUIRE']
    else process.env['GATEHOUSE_REQUIRE'] = before
  }
})

test('redisOrSkip() gives each caller a prefix of its own', async (t) => {
  const first = await redisOrSkip(t)
  if (first === undefined) return
  assert.notEqual(first.prefix, (await redisOrSkip(t))?.prefix)
})
