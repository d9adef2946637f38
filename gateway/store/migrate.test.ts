/**
 * Migrations on both engines: once each however many processes start, and a database that is not as this program left it
 * is refused and left alone. In: empty and tampered databases. Out: nothing. Refuses a half-made database.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { eachEngine } from '../../test/support/engines.ts'
import { StartRefused } from '../start-refused.ts'
import { checksum, MIGRATIONS } from './migrate.ts'
import { openStore, type StoreOptions } from './open.ts'
import { sqlBeside, withStore } from './opened.fixture.ts'

const OPEN = fileURLToPath(new URL('open.fixture.ts', import.meta.url))
/** Milliseconds for a process to start and open a store on a busy machine. */
const PATIENCE = 30_000

eachEngine('four processes that start at once migrate once', async (engine) => {
  const ended = await Promise.all(Array.from({ length: 4 }, () => openInProcess(engine)))
  for (const { code, stderr } of ended) assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  // Rows that migrations insert are there once, too.
  assert.deepEqual(new Set(ended.map(({ stdout }) => stdout)).size, 1)
  const applied = await sqlBeside(engine, 'SELECT id, name, checksum FROM migration ORDER BY id')
  assert.deepEqual(
    applied.map((row) => [Number(row['id']), row['name'], row['checksum']]),
    MIGRATIONS.map((migration) => [migration.id, migration.name, checksum(migration)]),
  )
})

eachEngine('a second start changes nothing', async (engine) => {
  await withStore(engine, async (store) => await store.ping())
  const before = await sqlBeside(engine, 'SELECT * FROM migration')
  await withStore(engine, async (store) => {
    assert.equal(
      (await store.read.selectFrom('gate').selectAll().where('key', '=', 'ping').execute())[0]?.value,
      'pong',
    )
  })
  assert.deepEqual(await sqlBeside(engine, 'SELECT * FROM migration'), before)
})

eachEngine('a migration that was edited after it ran is refused', async (engine) => {
  await withStore(engine, async () => {})
  await sqlBeside(engine, `UPDATE migration SET checksum = '${'0'.repeat(64)}' WHERE id = 1`)
  await refused(engine, 'migration-edited', /restore the released file/)
})

eachEngine('a database of a newer program is refused', async (engine) => {
  await withStore(engine, async () => {})
  await sqlBeside(
    engine,
    "INSERT INTO migration (id, name, checksum, applied_at) VALUES (9999, 'of-tomorrow', 'x', 1)",
  )
  await refused(engine, 'database-newer', /of-tomorrow.*start the newer program/)
  assert.equal((await sqlBeside(engine, 'SELECT * FROM migration')).length, MIGRATIONS.length + 1)
})

eachEngine('a migration that fails leaves nothing of itself', async (engine) => {
  // The first migration makes a table of this name, after several others.
  await sqlBeside(engine, 'CREATE TABLE dispatch (in_the_way INTEGER)')
  await refused(engine, 'store-unreachable', /open/)
  assert.deepEqual(await sqlBeside(engine, 'SELECT * FROM migration'), [])
  assert.deepEqual(await tables(engine), ['dispatch', 'migration'])
  await sqlBeside(engine, 'DROP TABLE dispatch')
  await withStore(engine, async (store) => await store.ping())
  assert.equal((await sqlBeside(engine, 'SELECT * FROM migration')).length, MIGRATIONS.length)
})

async function refused(engine: StoreOptions, code: string, sentence: RegExp): Promise<void> {
  await assert.rejects(openStore(engine, Date.now), (error) => {
    assert.ok(error instanceof StartRefused, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, sentence)
    return true
  })
}

async function tables(engine: StoreOptions): Promise<string[]> {
  const rows = await sqlBeside(
    engine,
    engine.engine === 'sqlite'
      ? "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
      : "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
  )
  return rows.map((row) => String(row['name']))
}

async function openInProcess(
  engine: StoreOptions,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [OPEN, JSON.stringify(engine)], { timeout: PATIENCE })
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  await closed
  return { code: child.exitCode, stdout, stderr }
}
