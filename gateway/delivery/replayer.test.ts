import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Engine, eachEngine } from '../../test/support/engines.ts'
import { newId } from '../store/id.ts'
import { openStore } from '../store/open.ts'
import type { Schema } from '../store/schema.ts'
import type { Store } from '../store/store.ts'
import { previewReplay, replayBatch, Replayer } from './replayer.ts'
import { type ReplayFilter, WINDOW } from './replay-window.ts'
import { openRig, type Rig, type Tidy, tidied, until } from './rig.ts'

async function rig(engine: Engine, t: Tidy): Promise<{ on: Rig; store: Store }> {
  const store = await openStore(engine, Date.now)
  t.after(() => store.close())
  return { on: await openRig(store), store }
}

async function job(on: Rig, filter: ReplayFilter): Promise<string> {
  const id = newId('rpl_', on.clock())
  const row: Schema['replay_job'] = {
    id,
    tenant_id: on.tenant,
    state: 'running',
    filter: JSON.stringify(filter),
    actor: 'tok_test',
    reached: '',
    examined: 0,
    dispatched: 0,
    created_at: on.clock(),
    finished_at: null,
  }
  await on.store.write(async ({ db }) => void (await db.insertInto('replay_job').values(row).execute()))
  return id
}

const read = (on: Rig, id: string) =>
  on.store.read.selectFrom('replay_job').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
const set = (on: Rig, changes: Partial<Schema['dispatch']>, ids?: readonly string[]) =>
  on.store.write(async ({ db }) => {
    const query = db.updateTable('dispatch').set(changes)
    await (ids === undefined ? query : query.where('delivery_id', 'in', ids)).execute()
  })
const batch = (on: Rig, id: string) => on.store.write((tx) => replayBatch(on, tx, id))

eachEngine(
  'a replay goes on after each batch where the row says, on whichever gate, and sends each delivery once',
  tidied(async (engine, t) => {
    const { on } = await rig(engine, t)
    await on.subscribe('push')
    const deliveries = await on.accept(WINDOW + 100)
    await set(on, { state: 'done' })
    on.pass(10)
    const filter = { until: on.clock() }
    assert.deepEqual(await previewReplay(on.store, on.tenant, filter), {
      deliveries: WINDOW + 100,
      dispatches: WINDOW + 100,
      complete: true,
    })
    const id = await job(on, filter)
    assert.equal(await batch(on, id), true)
    const half = await read(on, id)
    assert.deepEqual([half.state, half.examined, half.dispatched], ['running', WINDOW, WINDOW])
    // Two gates, and one that died after its batch: each goes on from the row.
    const gates = [new Replayer(on, 20), new Replayer(on, 20)]
    t.after(() => Promise.all(gates.map((gate) => gate.close())))
    await until(async () => (await read(on, id)).state === 'done')
    const sent = (await on.rows()).filter(({ replay }) => replay === 1).map((row) => row.delivery_id)
    assert.deepEqual(sent.toSorted(), deliveries)
    assert.equal((await read(on, id)).dispatched, WINDOW + 100)
    assert.deepEqual(
      on.events.map(({ action, details }) => [action, details['dispatches'], details['done']]),
      [
        ['replay.batch', WINDOW, false],
        ['replay.batch', 100, true],
      ],
    )
    assert.equal(await batch(on, id), false)
  }),
)

eachEngine(
  'dead letters come back to life, once, and only those that match and can be had',
  tidied(async (engine, t) => {
    const { on } = await rig(engine, t)
    const [kept, gone] = [await on.subscribe('push'), await on.subscribe('push')]
    const [first = '', second = '', third = ''] = await on.accept(3)
    await set(on, { state: 'dead', attempts: 8, finished_at: on.clock(), last_error: 'timeout' }, [
      first,
      second,
    ])
    await on.store.write(async ({ db }) => {
      await db.deleteFrom('subscription_channel').where('subscription_id', '=', gone).execute()
      await db.deleteFrom('subscription').where('id', '=', gone).execute()
    })
    on.pass(10)
    const all = { until: on.clock() }
    const preview = (filter: ReplayFilter) => previewReplay(on.store, on.tenant, filter)
    assert.deepEqual(await preview({ ...all, state: 'dead' }), {
      deliveries: 2,
      dispatches: 2,
      complete: true,
    })
    for (const none of [
      { kind: 'command' },
      { channel: 'chn_x' },
      { subscription: gone },
      { since: on.clock() },
    ])
      assert.equal((await preview({ ...all, ...none, state: 'dead' })).dispatches, 0, JSON.stringify(none))
    assert.equal((await previewReplay(on.store, 'ten_other', { ...all, state: 'dead' })).dispatches, 0)
    on.pass(10)
    const [after = ''] = await on.accept()
    await set(on, { state: 'dead' }, [after])
    assert.equal(
      (await preview({ ...all, state: 'dead' })).dispatches,
      2,
      'what came after it is not its business',
    )
    await set(on, { state: 'done' }, [after])
    const id = await job(on, { ...all, state: 'dead', subscription: kept })
    await batch(on, id)
    const rows = (await on.rows()).filter((row) => row.subscription_id === kept)
    assert.deepEqual(
      rows.map((row) => [row.delivery_id, row.state, row.attempts, row.replay]),
      [
        [first, 'pending', 0, 1],
        [second, 'pending', 0, 1],
        [third, 'pending', 0, 0],
        [after, 'done', 0, 0],
      ],
    )
    assert.equal((await preview({ ...all, state: 'dead' })).dispatches, 0)
  }),
)

eachEngine(
  'a replay of what is done sends each once more, however often it was sent, and a cancelled one ends',
  tidied(async (engine, t) => {
    const { on } = await rig(engine, t)
    await on.subscribe('push')
    await on.accept(20)
    await set(on, { state: 'done' })
    on.pass(10)
    const filter = { until: on.clock(), state: 'done' } as const
    await batch(on, await job(on, filter))
    assert.equal((await on.rows()).length, 40)
    await set(on, { state: 'done' })
    await batch(on, await job(on, filter))
    assert.equal((await on.rows()).length, 60)
    const cancelled = await job(on, filter)
    await on.store.write(
      async ({ db }) =>
        void (await db
          .updateTable('replay_job')
          .set({ state: 'cancelled' })
          .where('id', '=', cancelled)
          .execute()),
    )
    const gate = new Replayer(on, 20)
    await sleep(100)
    await gate.close()
    assert.equal((await on.rows()).length, 60)
  }),
)
