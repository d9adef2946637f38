/**
 * The writer thread's other end. In: statements. Out: nothing. Refuses the rest of a transaction whose thread is gone:
 * outside a transaction each statement would be durable by itself.
 */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { sqliteTest } from './opened.fixture.ts'
import { pragmas, SqliteWriter } from './sqlite-writer.ts'
import { StoreUnavailable } from './store.ts'

sqliteTest('a thread is begun by BEGIN only', async ({ file }) => {
  const database = new DatabaseSync(file)
  database.exec('CREATE TABLE t (a)')
  const writer = new SqliteWriter(file, pragmas({ lockMs: 1_000 }))
  const count = () => database.prepare('SELECT * FROM t').all().length
  await assert.rejects(writer.run('INSERT INTO t VALUES (1)'), StoreUnavailable)
  await assert.rejects(writer.many('INSERT INTO t VALUES (?)', [[1]]), StoreUnavailable)
  await assert.rejects(writer.run('COMMIT'), StoreUnavailable)
  assert.equal(count(), 0)
  await writer.run('BEGIN IMMEDIATE')
  assert.deepEqual(await writer.many('INSERT INTO t VALUES (?)', [[1], [2]]), new Uint8Array([1, 1]))
  await writer.run('COMMIT')
  assert.equal(count(), 2)
  await writer.close()
  await assert.rejects(writer.run('INSERT INTO t VALUES (1)'), StoreUnavailable)
  assert.equal(count(), 2)
  database.close()
})
