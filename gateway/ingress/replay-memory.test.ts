/**
 * Replay memory ends when it is no longer needed, a little at a time. In: rows that have expired and rows that have not,
 * put in through the store. Out: only the expired ones gone, in bounded writes between which others get their turn.
 * Refuses one long delete, and forgetting what a copy could still be measured by.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { eachEngine } from '../../test/support/engines.ts'
import { appendAll } from '../audit/append.ts'
import { openStore } from '../store/open.ts'
import { prune } from '../store/prune.ts'
import type { Store } from '../store/store.ts'
import { Acceptor, type Proved } from './accept.ts'
import { channel as provingChannel, NOW, proved, signed } from './signing.fixture.ts'

const DAY_MS = 86_400_000
/** More than two batches. */
const EXPIRED = 2_500
/** Rows of one write at most; what `prune.ts` promises. */
const BATCH = 1_000

eachEngine('expired memory goes in bounded batches, and deliveries go in between', async (engine) => {
  let now = NOW * 1_000
  const store = await openStore(engine, () => now)
  try {
    await remember(store, EXPIRED, now - 1)
    await remember(store, 1, now)
    await remember(store, 3, now + DAY_MS)
    const acceptor = acceptorOver(store, () => now)
    const sizes: number[] = []
    const watched = watching(store, sizes)
    const pruning = prune(watched, 'replay_memory', now, () => false)
    const { fresh } = await acceptor.accept(delivery(1))
    assert.equal(fresh, true)
    assert.equal(await pruning, EXPIRED)
    assert.deepEqual(sizes, [BATCH, BATCH, EXPIRED - 2 * BATCH])
    assert.equal(await remembered(store), 4 + 2)
    assert.equal(await prune(store, 'replay_memory', now, () => false), 0)

    now += DAY_MS
    assert.equal((await acceptor.accept(delivery(1))).fresh, false, 'remembered to the last millisecond')
    now += 1
    assert.equal((await acceptor.accept(delivery(1))).fresh, false, 'and until it is pruned')
    await prune(store, 'replay_memory', now, () => false)
    assert.equal(await remembered(store), 0)
    assert.equal((await acceptor.accept(delivery(1))).fresh, true)
  } finally {
    await store.close()
  }
})

eachEngine('pruning stops between batches when it is told to', async (engine) => {
  const now = NOW * 1_000
  const store = await openStore(engine, () => now)
  try {
    await remember(store, EXPIRED, now - 1)
    assert.equal(await prune(store, 'replay_memory', now, () => true), BATCH)
    assert.equal(await remembered(store), EXPIRED - BATCH)
  } finally {
    await store.close()
  }
})

async function remember(store: Store, count: number, expires: number): Promise<void> {
  const rows = Array.from({ length: count }, () => {
    return { key: randomBytes(16), delivery_id: 'dlv_1', expires_at: expires }
  })
  await store.write((tx) => tx.insertMany('replay_memory', rows))
}

async function remembered(store: Store): Promise<number> {
  const query = store.read.selectFrom('replay_memory').select((is) => is.fn.countAll<number>().as('n'))
  return Number((await query.executeTakeFirstOrThrow()).n)
}

/** The same store; notes how many rows of memory each write takes away. */
function watching(store: Store, sizes: number[]): Store {
  return {
    engine: store.engine,
    read: store.read,
    async write(body) {
      return await store.write(async (tx) => {
        const before = await countIn(tx.db)
        const result = await body(tx)
        sizes.push(before - (await countIn(tx.db)))
        return result
      })
    },
    listen: (topic, listener) => store.listen(topic, listener),
    ping: () => store.ping(),
    close: () => store.close(),
  }
}

async function countIn(db: Store['read']): Promise<number> {
  const query = db.selectFrom('replay_memory').select((is) => is.fn.countAll<number>().as('n'))
  return Number((await query.where('delivery_id', '=', 'dlv_1').executeTakeFirstOrThrow()).n)
}

function acceptorOver(store: Store, clock: () => number): Acceptor {
  return new Acceptor({
    store,
    seal: async (_tenant, _row, bytes) => Buffer.from(bytes),
    append: (tx, events) => appendAll(tx, events, clock()),
    fanOut: async () => {},
    clock,
  })
}

function delivery(n: number): Proved {
  const { source, settings } = provingChannel('slack')
  const replay = { workspaces: undefined, replayMs: DAY_MS, paused: false, credentials: [] }
  return {
    channel: { id: 'chn_1', tenant: 'ten_1', name: 'support', source, settings, ...replay },
    delivery: proved('slack', signed('slack', `{"n":${n}}`)),
    facts: { workspaces: [], kind: 'message', deliveryId: `Ev${n}` },
    requestId: 'req_1',
  }
}
