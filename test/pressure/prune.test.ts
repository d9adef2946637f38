/**
 * The short form of `npm run prove`'s pruning: expired memory goes while deliveries come in. In: some thousand expired
 * rows, on both engines. Out: nothing. Refuses a batch that is not found by its index, and a delivery that waits long.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { openStore } from '../../gateway/store/open.ts'
import { prune } from '../../gateway/store/prune.ts'
import { eachEngine } from '../support/engines.ts'
import { anyLeft, fill, planOf } from './expired.ts'
import { quantile } from './load.ts'

const COUNT = 20_000
/** Milliseconds; a batch takes some ten on a quiet machine. A stall would take as long as the whole, seconds. */
const WAIT_AT_MOST = 1_000

eachEngine('expired memory goes by its index, and writes go in between', async (engine, t) => {
  const now = Date.now()
  await (await openStore(engine, Date.now)).close()
  await fill(engine, COUNT, now)
  const store = await openStore(engine, Date.now)
  try {
    let isDone = false
    const pruning = prune(
      store,
      'replay_memory',
      now,
      () => false,
      () => performance.now(),
    ).finally(() => (isDone = true))
    const waits: number[] = []
    for (; !isDone; await pause(5)) {
      const began = performance.now()
      await store.ping()
      waits.push(performance.now() - began)
    }
    assert.equal(await pruning, COUNT)
    assert.equal(await anyLeft(engine, now), false)
    t.diagnostic(`${waits.length} writes between, ${quantile(waits, 1).toFixed(0)} ms at most`)
    assert.ok(waits.length >= 10, `${waits.length} writes had their turn`)
    assert.ok(quantile(waits, 1) < WAIT_AT_MOST)
    const plan = await planOf(
      engine,
      `DELETE FROM replay_memory WHERE key IN (
        SELECT key FROM replay_memory WHERE expires_at >= 1 AND expires_at < ${now} ORDER BY expires_at LIMIT 1000)`,
    )
    // PostgreSQL rightly reads a table that has become empty from end to end.
    if (engine.engine === 'sqlite') assert.match(plan, /COVERING INDEX replay_memory_expiry/)
  } finally {
    await store.close()
  }
})

eachEngine('a batch that took long is followed by smaller ones', async (engine) => {
  const now = Date.now()
  await (await openStore(engine, Date.now)).close()
  await fill(engine, 2_500, now)
  const store = await openStore(engine, Date.now)
  try {
    let asked = 0
    // Each batch seems to take 30 ms.
    assert.equal(
      await prune(
        store,
        'replay_memory',
        now,
        () => false,
        () => asked++ * 30,
      ),
      2_500,
    )
    // 1,000, 500, 250, 125, 62, and then fifties.
    assert.ok(asked / 2 >= 15, `${asked / 2} batches`)
  } finally {
    await store.close()
  }
})
