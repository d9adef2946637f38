import assert from 'node:assert/strict'
import { type Engine, eachEngine } from '../../test/support/engines.ts'
import { openStore } from '../store/open.ts'
import { type Delivery, startDelivery } from './deliver.ts'
import { LEASE_MS } from './queue.ts'
import { type Rig, type Tidy, openRig, tidied } from './rig.ts'

const BY = { actor: 'tok_1', requestId: 'r1' }
const never = new AbortController().signal

async function rig(
  engine: Engine,
  t: Tidy,
): Promise<{ on: Rig; delivery: Delivery; app: { id: string; tenant: string } }> {
  const store = await openStore(engine, Date.now)
  const on = await openRig(store)
  const delivery = startDelivery(on)
  t.after(async () => {
    await delivery.close(100)
    await store.close()
  })
  return { on, delivery, app: { id: await on.subscribe('pull'), tenant: on.tenant } }
}

eachEngine(
  'an app leases, acknowledges, and has each delivery once',
  tidied(async (engine, t) => {
    const {
      on,
      delivery: { pull },
      app,
    } = await rig(engine, t)
    const accepted = await on.accept(5)
    const items = [...(await pull.lease(app, 3, 0, never)), ...(await pull.lease(app, 100, 0, never))]
    assert.deepEqual(items.map(({ envelope }) => envelope.id).toSorted(), accepted)
    assert.deepEqual(items[0]?.envelope.text, 'hello')
    const leases = items.map(({ lease }) => lease)
    assert.deepEqual(await pull.ack(app, [...leases, 'wrong'], BY), [...leases.map(() => 'done'), 'gone'])
    assert.deepEqual(new Set(await pull.ack(app, leases, BY)), new Set(['gone']))
    assert.deepEqual(await pull.lease(app, 1, 0, never), [])
    assert.deepEqual(on.events.map(({ actor, requestId }) => [actor, requestId])[0], ['tok_1', 'r1'])
    assert.equal(on.events.length, 5)
  }),
)

eachEngine(
  'leases of another subscription or tenant, and those that ran out, are gone',
  tidied(async (engine, t) => {
    const {
      on,
      delivery: { pull },
      app,
    } = await rig(engine, t)
    await on.accept()
    const [item] = await pull.lease(app, 1, 0, never)
    const lease = item?.lease ?? ''
    const other = await on.subscribe('pull')
    assert.deepEqual(await pull.ack({ ...app, id: other }, [lease], BY), ['gone'])
    assert.deepEqual(await pull.ack({ ...app, tenant: 'ten_other' }, [lease], BY), ['gone'])
    assert.equal(await pull.nack({ ...app, id: other }, lease, 0, BY), 'gone')
    on.pass(LEASE_MS)
    assert.deepEqual(await pull.ack(app, [lease], BY), ['gone'])
    const [again] = await pull.lease(app, 1, 0, never)
    assert.deepEqual([again?.envelope.id, again?.envelope.attempt], [item?.envelope.id, 2])
  }),
)

eachEngine(
  'a long poll answers when work arrives, and empty when its time is up or it is aborted',
  tidied(async (engine, t) => {
    const {
      on,
      delivery: { pull },
      app,
    } = await rig(engine, t)
    const begun = performance.now()
    const poll = pull.lease(app, 10, 5_000, never)
    setTimeout(() => void on.accept(), 50)
    assert.equal((await poll).length, 1)
    assert.ok(performance.now() - begun < 900, 'the announcement woke it, not the tick')
    assert.deepEqual(await pull.lease(app, 10, 30, never), [])
    const abort = new AbortController()
    setTimeout(() => abort.abort(), 30)
    assert.deepEqual(await pull.lease(app, 10, 60_000, abort.signal), [])
  }),
)

eachEngine(
  'nack() tries again by the schedule or after the delay asked for, and dies after the eighth',
  tidied(async (engine, t) => {
    const {
      on,
      delivery: { pull },
      app,
    } = await rig(engine, t)
    await on.accept()
    const lease = async (): Promise<string> => (await pull.lease(app, 1, 0, never))[0]?.lease ?? ''
    assert.equal(await pull.nack(app, await lease(), undefined, BY), 'retry')
    assert.equal(await lease(), '')
    on.pass(5_000)
    for (let attempt = 2; attempt < 8; attempt++)
      assert.equal(await pull.nack(app, await lease(), 0, BY), 'retry')
    assert.equal(await pull.nack(app, await lease(), 0, BY), 'dead')
    assert.equal((await on.rows())[0]?.last_error, 'nacked')
    assert.equal(await pull.nack(app, 'wrong', 0, BY), 'gone')
  }),
)

eachEngine(
  'an answer stays within its size; what does not fit goes back uncounted',
  tidied(async (engine, t) => {
    const {
      on,
      delivery: { pull },
      app,
    } = await rig(engine, t)
    await on.store.write(
      async ({ db }) => void (await db.updateTable('subscription').set({ inline_body: 1 }).execute()),
    )
    await on.accept(12, 'x'.repeat(1_000_000))
    const first = await pull.lease(app, 100, 0, never)
    assert.ok(first.length > 0 && Buffer.byteLength(JSON.stringify(first)) < 4_300_000)
    const second = await pull.lease(app, 100, 0, never)
    assert.ok(second.every(({ envelope }) => envelope.attempt === 1))
    assert.ok(second.length > 0)
  }),
)

eachEngine(
  'a delivery that cannot be opened fails its try and holds up no other',
  tidied(async (engine, t) => {
    const store = await openStore(engine, Date.now)
    t.after(() => store.close())
    const on = await openRig(store, {
      unseal: async (_tenant, _place, blob) => {
        if (Buffer.from(blob).toString() === 'bad') throw new Error('a canary in the error')
        return blob
      },
    })
    const delivery = startDelivery(on)
    t.after(() => delivery.close(0))
    const app = { id: await on.subscribe('pull'), tenant: on.tenant }
    await on.accept(1, 'bad')
    await on.accept(1, 'good')
    assert.deepEqual(
      (await delivery.pull.lease(app, 10, 0, never)).map(({ envelope }) => envelope.text),
      ['good'],
    )
    const [bad] = (await on.rows()).filter(({ state }) => state === 'pending')
    assert.equal(bad?.last_error, 'content-unreadable')
  }),
)

eachEngine(
  'a stream gives what comes, stops ahead of its reader, and hands back what was not read',
  tidied(async (engine, t) => {
    const {
      on,
      delivery: { pull },
      app,
    } = await rig(engine, t)
    await on.accept(120)
    const abort = new AbortController()
    const got: string[] = []
    for await (const event of pull.stream(app, abort.signal)) {
      if (!('item' in event)) continue
      got.push(event.item.lease)
      if (got.length === 100) {
        // Full: nothing more comes until something is acknowledged.
        setTimeout(() => void pull.ack(app, got.slice(0, 10), BY), 50)
      }
      if (got.length === 105) break
    }
    const rows = await on.rows()
    const count = (state: string): number => rows.filter((row) => row.state === state).length
    assert.deepEqual([count('done'), count('leased'), count('pending')], [10, 95, 15])
    assert.ok(rows.filter(({ state }) => state === 'pending').every(({ attempts }) => attempts === 0))
  }),
)

eachEngine(
  'closing ends polls and streams',
  tidied(async (engine, t) => {
    const { delivery, app } = await rig(engine, t)
    const poll = delivery.pull.lease(app, 1, 60_000, never)
    const stream = delivery.pull.stream(app, never).next()
    await delivery.close(0)
    assert.deepEqual(await poll, [])
    assert.deepEqual((await stream).done, true)
  }),
)
