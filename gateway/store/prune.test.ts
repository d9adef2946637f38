/**
 * Forgetting in bounded batches, on both engines. In: expired rows and live ones. Out: nothing. Refuses a batch without a
 * bound, a live row that goes, and a prune that does not stop when it is told to.
 */
import assert from 'node:assert/strict'
import { eachEngine } from '../../test/support/engines.ts'
import { withStore } from './opened.fixture.ts'
import { prune } from './prune.ts'
import type { Store } from './store.ts'

const NOW = 1_700_000_000_000
const EXPIRED = 2_300
const BATCH = 1_000

eachEngine('what has expired goes, in batches, and what has not stays', async (engine) => {
  await withStore(engine, async (store) => {
    await fill(store)
    const { watched, batches } = watch(store)
    assert.equal(await prune(watched, 'replay_memory', NOW, () => false), EXPIRED)
    assert.equal(batches(), 3)
    const left = await store.read.selectFrom('replay_memory').select('expires_at').execute()
    assert.deepEqual(left.map((row) => row.expires_at).sort(byNumber), [NOW, NOW + 1, NOW + 2])
    assert.equal(await prune(store, 'replay_memory', NOW, () => false), 0)
  })
})

eachEngine('a prune that is told to stop ends after its batch', async (engine) => {
  await withStore(engine, async (store) => {
    await fill(store)
    assert.equal(await prune(store, 'replay_memory', NOW, () => true), BATCH)
    assert.equal(await prune(store, 'replay_memory', NOW, () => false), EXPIRED - BATCH)
  })
})

eachEngine('others write between two batches', async (engine) => {
  await withStore(engine, async (store) => {
    await fill(store)
    const pruning = prune(store, 'replay_memory', NOW, () => false)
    let done = false
    void pruning.then(() => (done = true))
    let between = 0
    while (!done) {
      await store.ping()
      between++
    }
    assert.equal(await pruning, EXPIRED)
    assert.ok(between >= 2, `${between} writes had their turn`)
  })
})

async function fill(store: Store): Promise<void> {
  const row = (i: number, expires: number) => ({
    key: Buffer.from(`k${i}`),
    delivery_id: 'd',
    expires_at: expires,
  })
  const rows = Array.from({ length: EXPIRED }, (_, i) => row(i, NOW - 1 - i))
  await store.write((tx) =>
    tx.insertMany('replay_memory', [...rows, row(-1, NOW), row(-2, NOW + 1), row(-3, NOW + 2)]),
  )
}

/** The store, counting its transactions. */
function watch(store: Store): { watched: Store; batches: () => number } {
  let count = 0
  const watched: Store = {
    engine: store.engine,
    read: store.read,
    write: (body) => (count++, store.write(body)),
    listen: (topic, listener) => store.listen(topic, listener),
    ping: () => store.ping(),
    close: () => store.close(),
  }
  return { watched, batches: () => count }
}

function byNumber(a: number, b: number): number {
  return a - b
}
