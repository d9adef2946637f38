import assert from 'node:assert/strict'
import { type Engine, eachEngine } from '../../test/support/engines.ts'
import { openStore } from '../store/open.ts'
import { startDelivery } from './deliver.ts'
import { OrderKeys } from './order-key.ts'
import { PUSH_LIMITS } from './push.ts'
import { Queue } from './queue.ts'
import { openRig, type Rig, type Tidy, tidied, until } from './rig.ts'
import type { Outcome } from './schedule.ts'
import { settle } from './settle.ts'

const PUSHER = { mode: 'push', actor: 'gate', requestId: '' } as const
const DONE: Outcome = { ended: 'done', status: 204 }
const GONE: Outcome = { ended: 'failed', code: 'status-410', status: 410 }
const FAILED: Outcome = { ended: 'failed', code: 'status-404', status: 404 }

async function rig(engine: Engine, t: Tidy): Promise<{ on: Rig; queue: Queue; subscription: string }> {
  const store = await openStore(engine, Date.now)
  t.after(() => store.close())
  const on = await openRig(store)
  return { on, queue: new Queue(on), subscription: await on.subscribe('push', { ordered: 1 }) }
}

eachEngine(
  'of one conversation the earliest goes alone; others go beside it; a retry holds its followers and a dead letter frees them',
  tidied(async (engine, t) => {
    const { on, queue, subscription } = await rig(engine, t)
    const a = await on.accept(3, 'a', { orderKey: 'A' })
    const b = await on.accept(2, 'b', { orderKey: 'B' })
    const free = await on.accept(2, 'c')
    const shares = [{ subscription, limit: 100 }]
    const claim = async () => {
      const leases = await queue.claim('push', shares)
      return { ids: leases.map(({ deliveryId }) => deliveryId).toSorted(), leases }
    }
    const end = (which: Awaited<ReturnType<typeof claim>>, delivery: string | undefined, outcome: Outcome) =>
      settle(
        on,
        which.leases
          .filter(({ deliveryId }) => deliveryId === delivery)
          .map(({ lease }) => ({ lease, outcome })),
        PUSHER,
      )
    const first = await claim()
    assert.deepEqual(first.ids, [a[0], b[0], ...free])
    assert.deepEqual((await claim()).ids, [])
    await end(first, b[0], DONE)
    await end(first, a[0], FAILED)
    const second = await claim()
    assert.deepEqual(second.ids, [b[1]], 'A waits for its retry')
    on.pass(6_000)
    const third = await claim()
    assert.deepEqual(third.ids, [a[0]])
    await end(third, a[0], GONE)
    const fourth = await claim()
    assert.deepEqual(fourth.ids, [a[1]], 'a dead letter frees the next, and only that')
    await end(fourth, a[1], DONE)
    assert.deepEqual((await claim()).ids, [a[2]])
  }),
)

eachEngine(
  'two gates push a busy conversation strictly in order, and nothing is left behind',
  tidied(async (engine, t) => {
    const store = await openStore(engine, Date.now)
    const other = await openStore(engine, Date.now)
    const open = new Map<string, number>()
    const seen: { key: string; id: string }[] = []
    const on = await openRig(store, {
      post: async (_url, headers, body) => {
        const key = String((JSON.parse(Buffer.from(body).toString()) as { text: string }).text)
        open.set(key, (open.get(key) ?? 0) + 1)
        assert.equal(open.get(key), 1, 'two of one conversation at once')
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 4))
        seen.push({ key, id: String(headers['webhook-id']) })
        open.set(key, 0)
        return { answered: true, status: 204, retryAfter: undefined }
      },
    })
    await on.subscribe('push', { ordered: 1 })
    for (let round = 0; round < 10; round++)
      for (const key of ['K', 'L', 'M']) await on.accept(5, key, { orderKey: key })
    const limits = { ...PUSH_LIMITS, tickMs: 20 }
    const gates = [startDelivery(on, limits), startDelivery({ ...on, store: other }, limits)]
    t.after(async () => {
      await Promise.all(gates.map((gate) => gate.close(500)))
      await other.close()
      await store.close()
    })
    await until(() => seen.length >= 150)
    for (const key of ['K', 'L', 'M']) {
      const ids = seen.filter((one) => one.key === key).map(({ id }) => id)
      assert.deepEqual(ids, ids.toSorted(), key)
      assert.equal(new Set(ids).size, 50)
    }
    assert.deepEqual(on.troubles, [])
  }),
)

eachEngine(
  'the name of a conversation is the same for all gates, one for each tenant and channel, and tells no id',
  tidied(async (engine, t) => {
    const { on } = await rig(engine, t)
    const [one, two] = [new OrderKeys(on), new OrderKeys(on)]
    const [a, b] = await Promise.all([one.of('ten_1', 'chn_1', 'C1'), two.of('ten_1', 'chn_1', 'C1')])
    assert.equal(a, b)
    assert.match(a, /^[A-Za-z0-9_-]{22}$/)
    const others = [
      await one.of('ten_2', 'chn_1', 'C1'),
      await one.of('ten_1', 'chn_2', 'C1'),
      await one.of('ten_1', 'chn_1', 'C2'),
    ]
    assert.equal(new Set([a, ...others]).size, 4)
  }),
)
