/**
 * What the writer thread takes, and when. In: statements sent together. Out: nothing. Refuses any that would stand outside
 * a transaction, and loses no byte of those that go in.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { BEGIN } from './sqlite-protocol.ts'
import { pragmas, SqliteWriter } from './sqlite-writer.ts'
import { StoreUnavailable } from './store.ts'

test('outside a transaction nothing runs, whatever was sent along', async () => {
  await withWriter(async (writer, beside) => {
    writer.frame(BEGIN)
    await writer.run('COMMIT')
    await assert.rejects(writer.run('INSERT INTO t VALUES (1, NULL)'), /no transaction is open/)
    await assert.rejects(writer.run('SAVEPOINT job'), /no transaction is open/)
    await assert.rejects(writer.many('INSERT INTO t VALUES (?, ?)', [[1, null]]), /no transaction is open/)
    assert.equal(count(beside), 0)
  })
})

test('what is sent along behind a BEGIN that fails, fails for the same reason', async () => {
  await withWriter(async (writer, beside) => {
    beside.exec(BEGIN)
    writer.frame(BEGIN)
    writer.frame('SAVEPOINT job')
    const outcomes = await Promise.allSettled([
      writer.many('INSERT INTO t VALUES (?, ?)', [[1, null]]),
      writer.run('COMMIT'),
    ])
    for (const outcome of outcomes) {
      assert.ok(outcome.status === 'rejected' && outcome.reason instanceof StoreUnavailable)
      assert.match(outcome.reason.message, /locked/)
    }
    beside.exec('COMMIT')
    assert.equal(count(beside), 0)
    writer.frame(BEGIN)
    await writer.many('INSERT INTO t VALUES (?, ?)', [[1, null]])
    await writer.run('COMMIT')
    assert.equal(count(beside), 1)
  })
})

test('rows keep their bytes, empty ones and missing ones too', async () => {
  await withWriter(async (writer, beside) => {
    const values = [Buffer.from('one'), Buffer.alloc(0), null, Buffer.alloc(9_000, 7)]
    writer.frame(BEGIN)
    const changes = await writer.many(
      'INSERT INTO t VALUES (?, ?) ON CONFLICT DO NOTHING',
      [...values.entries()].map(([id, value]) => [id, value]).concat([[0, Buffer.from('again')]]),
    )
    await writer.run('COMMIT')
    assert.deepEqual([...changes], [1, 1, 1, 1, 0])
    const kept = beside.prepare('SELECT b FROM t ORDER BY id').all()
    assert.deepEqual(
      kept.map(({ b }) => (b instanceof Uint8Array ? Buffer.from(b) : b)),
      values,
    )
  })
})

test('bytes below a first row without any arrive as well', async () => {
  await withWriter(async (writer, beside) => {
    writer.frame(BEGIN)
    await writer.many('INSERT INTO t VALUES (?, ?)', [
      [1, null],
      [2, Buffer.from('two')],
    ])
    await writer.run('COMMIT')
    assert.deepEqual(
      beside.prepare('SELECT b FROM t WHERE id = 2').get()?.['b'],
      new Uint8Array(Buffer.from('two')),
    )
  })
})

async function withWriter(
  body: (writer: SqliteWriter, beside: DatabaseSync) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-writer-'))
  const file = join(folder, 'a.db')
  const beside = new DatabaseSync(file)
  const writer = new SqliteWriter(file, pragmas({ lockMs: 50 }))
  try {
    beside.exec('PRAGMA journal_mode = WAL')
    beside.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)')
    await body(writer, beside)
  } finally {
    await writer.close()
    beside.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function count(database: DatabaseSync): unknown {
  return database.prepare('SELECT count(*) AS n FROM t').get()?.['n']
}
