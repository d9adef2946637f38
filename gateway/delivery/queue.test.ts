import assert from 'node:assert/strict'
import { type Engine, eachEngine } from '../../test/support/engines.ts'
import { openStore } from '../store/open.ts'
import { replay } from './fan-out.ts'
import { LEASE_MS, type Lease, Queue } from './queue.ts'
import { type Rig, type Tidy, openRig, tidied } from './rig.ts'
import type { Outcome } from './schedule.ts'
import { settle } from './settle.ts'

const ALL = 1_000
const PUSHER = { mode: 'push', actor: 'gate', requestId: '' } as const
const DONE: Outcome = { ended: 'done', status: 204 }
const FAILED: Outcome = { ended: 'failed', code: 'status-503', status: 503 }

async function rig(engine: Engine, t: Tidy): Promise<{ rig: Rig; queue: Queue }> {
  const store = await openStore(engine, Date.now)
  t.after(() => store.close())
  const opened = await openRig(store)
  return { rig: opened, queue: new Queue(opened) }
}

/** Push subscriptions with work, but for one that is busy. */
const pushable = async (queue: Queue, busy = ''): Promise<string[]> =>
  (await queue.look(({ subscription }) => subscription !== busy)).map(({ subscription }) => subscription)
const states = async (on: Rig): Promise<string[]> => (await on.rows()).map(({ state }) => state)
const end = (on: Rig, leases: readonly Lease[], outcome: Outcome) =>
  settle(
    on,
    leases.map(({ lease }) => ({ lease, outcome })),
    PUSHER,
  )

eachEngine(
  'fanOut() makes one dispatch for each delivery and subscription, paused ones too',
  tidied(async (engine, t) => {
    const { rig: on } = await rig(engine, t)
    const subscriptions = [await on.subscribe('push'), await on.subscribe('pull', { state: 'paused' })]
    const deliveries = await on.accept(3)
    const rows = await on.rows()
    const pairs = rows.map((row) => `${row.delivery_id} ${row.subscription_id}`)
    assert.deepEqual(
      pairs,
      deliveries.flatMap((d) => subscriptions.map((s) => `${d} ${s}`)),
    )
    assert.equal(new Set(rows.map(({ id }) => id)).size, 6)
    for (const row of rows) {
      assert.match(row.id, /^dsp_[0-9a-z]{26}_[0-9a-z]{26}$/)
      assert.deepEqual(
        [row.state, row.attempts, row.replay, row.tenant_id, row.lease],
        ['pending', 0, 0, on.tenant, null],
      )
    }
  }),
)

eachEngine(
  'claim() leases each dispatch once, oldest first, whoever asks at the same time',
  tidied(async (engine, t) => {
    const { rig: on, queue } = await rig(engine, t)
    const subscription = await on.subscribe('push')
    const deliveries = await on.accept(40)
    const claims = Array.from({ length: 8 }, () => queue.claim('push', [{ subscription, limit: 10 }]))
    const leases = (await Promise.all(claims)).flat()
    // What one claim passes over because another holds it is there for the next.
    leases.push(...(await queue.claim('push', [{ subscription, limit: ALL }])))
    assert.deepEqual(leases.map(({ deliveryId }) => deliveryId).toSorted(), deliveries)
    assert.equal(new Set(leases.map(({ lease }) => lease)).size, 40)
    assert.ok(leases.every(({ attempt, replay: again }) => attempt === 1 && !again))
    assert.deepEqual(await queue.claim('push', [{ subscription, limit: ALL }]), [])
  }),
)

eachEngine(
  'claim() and ready() pass over the paused, the other mode, and what is not due',
  tidied(async (engine, t) => {
    const { rig: on, queue } = await rig(engine, t)
    const paused = await on.subscribe('push', { state: 'paused' })
    const pull = await on.subscribe('pull')
    await on.accept()
    assert.deepEqual(await pushable(queue), [])
    assert.deepEqual(
      await queue.claim(
        'push',
        [paused, pull].map((subscription) => ({ subscription, limit: ALL })),
      ),
      [],
    )
    assert.deepEqual(await queue.ready([pull, paused]), [pull])
    const push = await on.subscribe('push')
    await on.accept()
    assert.deepEqual(await pushable(queue, push), [])
    assert.deepEqual(await pushable(queue, paused), [push])
    await end(on, await queue.claim('push', [{ subscription: push, limit: ALL }]), FAILED)
    assert.deepEqual(await pushable(queue), [])
    on.pass(5_000)
    assert.deepEqual(await pushable(queue), [push])
  }),
)

eachEngine(
  'a lease that ran out is leased again: a new name, and for push the same try',
  tidied(async (engine, t) => {
    const { rig: on, queue } = await rig(engine, t)
    const shares = [{ subscription: await on.subscribe('push'), limit: ALL }]
    await on.accept()
    const [first] = await queue.claim('push', shares)
    on.pass(LEASE_MS)
    assert.equal((await pushable(queue)).length, 1)
    const [second] = await queue.claim('push', shares)
    assert.ok(first && second && first.lease !== second.lease)
    assert.deepEqual([first.attempt, second.attempt], [1, 1])
    assert.deepEqual(
      (await end(on, [first], DONE)).map(({ state }) => state),
      ['gone'],
    )
    assert.deepEqual(
      (await end(on, [second], DONE)).map(({ state }) => state),
      ['done'],
    )
  }),
)

eachEngine(
  'a pull dispatch that nobody ever answers becomes a dead letter',
  tidied(async (engine, t) => {
    const { rig: on, queue } = await rig(engine, t)
    const shares = [{ subscription: await on.subscribe('pull'), limit: ALL }]
    await on.accept()
    for (let i = 1; i <= 3; i++) {
      assert.deepEqual(
        (await queue.claim('pull', shares)).map(({ attempt }) => attempt),
        [i],
      )
      on.pass(LEASE_MS)
    }
    await on.store.write(
      async ({ db }) => void (await db.updateTable('dispatch').set({ attempts: 100 }).execute()),
    )
    assert.deepEqual(await queue.claim('pull', shares), [])
    assert.deepEqual(await states(on), ['dead'])
    assert.deepEqual(
      on.events.map(({ action, details }) => [action, details['error']]),
      [['delivery.dead', 'lease-unanswered']],
    )
  }),
)

eachEngine(
  'settle() writes dispatches and their leaves together, or neither',
  tidied(async (engine, t) => {
    const { rig: on, queue } = await rig(engine, t)
    const shares = [{ subscription: await on.subscribe('push'), limit: ALL }]
    await on.accept(3)
    const leases = await queue.claim('push', shares)
    const broken = { ...on, append: () => Promise.reject(new Error('no leaf')) }
    const settlements = leases.map(({ lease }) => ({ lease, outcome: DONE }))
    await assert.rejects(settle(broken, settlements, PUSHER), /no leaf/)
    assert.deepEqual(await states(on), ['leased', 'leased', 'leased'])
    const settled = await settle(on, [...settlements, { lease: 'wrong', outcome: DONE }], PUSHER)
    assert.deepEqual(
      settled.map(({ state }) => state),
      ['done', 'done', 'done', 'gone'],
    )
    assert.deepEqual(
      on.events.map(({ action, target }) => [action, target]),
      leases.map((lease) => ['delivery.done', lease.deliveryId]),
    )
    assert.deepEqual(
      (await on.rows()).map((row) => [row.last_status, row.lease, row.lease_until]),
      Array(3).fill([204, null, null]),
    )
  }),
)

eachEngine(
  'a dispatch that always fails goes through the schedule and dies after the eighth try',
  tidied(async (engine, t) => {
    const { rig: on, queue } = await rig(engine, t)
    const shares = [{ subscription: await on.subscribe('push'), limit: ALL }]
    await on.accept()
    const waits: number[] = []
    for (let attempt = 1; attempt <= 8; attempt++) {
      const leases = await queue.claim('push', shares)
      assert.deepEqual(
        leases.map((lease) => lease.attempt),
        [attempt],
      )
      await end(on, leases, FAILED)
      const [row] = await on.rows()
      const wait = Math.max(0, (row?.due_at ?? 0) - on.clock())
      waits.push(Math.round(wait / 1_000))
      on.pass(wait + 1)
    }
    assert.deepEqual(waits, [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 0])
    const [row] = await on.rows()
    assert.deepEqual([row?.state, row?.last_error, row?.last_status], ['dead', 'status-503', 503])
    assert.deepEqual(
      on.events.map(({ action }) => action),
      ['delivery.dead'],
    )
    on.pass(1_000_000_000)
    assert.deepEqual(await queue.claim('push', shares), [])
  }),
)

eachEngine(
  'replay() makes the work anew, marked, for all subscriptions or the one named',
  tidied(async (engine, t) => {
    const { rig: on, queue } = await rig(engine, t)
    const [first, second] = [await on.subscribe('push'), await on.subscribe('pull')]
    const [delivery = ''] = await on.accept()
    const again = (tenant: string, id: string, only?: string) =>
      on.store.write((tx) => replay(tx, tenant, id, only, on.clock()))
    const all = await again(on.tenant, delivery)
    assert.ok('dispatches' in all && all.dispatches.length === 2)
    const one = await again(on.tenant, delivery, second)
    assert.ok('dispatches' in one && one.dispatches.length === 1)
    for (const [tenant, id, only] of [
      [on.tenant, 'dlv_none'],
      ['ten_other', delivery],
      [on.tenant, delivery, 'sub_other'],
    ] as const) {
      assert.deepEqual(await again(tenant, id, only), { refused: 'not-found' })
    }
    const leases = await queue.claim('push', [{ subscription: first, limit: ALL }])
    assert.deepEqual(
      leases.map((lease) => Number(lease.replay)).toSorted((a, b) => a - b),
      [0, 1],
    )
  }),
)
