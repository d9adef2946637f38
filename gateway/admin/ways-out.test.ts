import assert from 'node:assert/strict'
import { ApiRefusal } from '@gatehouse/contract/client.ts'
import { type Engine, eachEngine } from '../../test/support/engines.ts'
import { type Fixture, startAdmin } from '../admin.fixture.ts'
import { newId } from '../store/id.ts'

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof ApiRefusal, String(error))
  return [
    error.problem.code,
    ...(error.problem.errors ?? []).map(({ path, message }) => `${path} ${message}`),
  ].join()
}

async function setUp(engine: Engine, t: { after(end: () => unknown): void }) {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const { id: tenant } = await client.createTenant({ name: 'Harbour' })
  const { id: channel } = await client.createChannel(tenant, { name: 'chat', source: 'timely' })
  const push = { mode: 'push' as const, url: 'https://app.example/hook', channels: [channel] }
  return { gate, client, tenant, channel, push }
}

const reason = 'the app was down'

/** A delivery, and its dispatch in some state. */
async function sent(
  gate: Fixture,
  at: { tenant: string; channel: string; subscription: string },
  state: 'pending' | 'done' | 'dead',
): Promise<string> {
  const now = gate.deps.clock()
  const delivery = newId('dlv_', now)
  const { tenant: tenant_id, subscription: subscription_id } = at
  await gate.store.write(async ({ db }) => {
    await db
      .insertInto('inbox')
      .values({
        id: delivery,
        tenant_id,
        channel_id: at.channel,
        source: 'timely',
        kind: 'message',
        credential_id: 'crd_x',
        signed_at: null,
        received_at: now,
        size: 1,
        sealed: Buffer.alloc(1),
      })
      .execute()
    const tried = { attempts: 3, due_at: now + 3_600_000, replay: 0, created_at: now }
    const row = { id: newId('dsp_', now), tenant_id, delivery_id: delivery, subscription_id, state, ...tried }
    await db.insertInto('dispatch').values(row).execute()
  })
  return delivery
}

eachEngine(
  'one subscription of a channel answers, by push, where the vendor reads answers',
  async (engine, t) => {
    const { client, tenant, channel, push } = await setUp(engine, t)
    const other = await client.createChannel(tenant, { name: 'silent', source: 'timeless' })
    const bad = (more: object) => refusal(client.createSubscription(tenant, { ...push, name: 'x', ...more }))
    assert.match(await bad({ sync: true, mode: 'pull', url: undefined }), /sync is given, but only push/)
    assert.match(await bad({ sync: true, ordered: true }), /sync is given with ordered/)
    assert.match(
      await bad({ sync: true, channels: [channel, other.id] }),
      /channels.1 is of timeless, which reads no/,
    )
    const made = await client.createSubscription(tenant, { ...push, name: 'bot', sync: true })
    assert.deepEqual(
      [made.sync, made.ordered, made.inlineBody, made.breaker, made.heldUntil],
      [true, false, true, 'closed', null],
    )
    assert.match(await bad({ sync: true }), /channels.0 has a sync subscription already/)
    // The check and the insert are apart; the index stands between two that passed the check together.
    const racing = ['a', 'b', 'c'].map(async (name) => {
      const free = await client.createChannel(tenant, { name: `${name}-1`, source: 'timely' })
      const asked = { ...push, channels: [free.id], sync: true }
      const both = await Promise.allSettled([
        client.createSubscription(tenant, { ...asked, name: `${name}-1` }),
        client.createSubscription(tenant, { ...asked, name: `${name}-2` }),
      ])
      return both.filter(({ status }) => status === 'fulfilled').length
    })
    assert.deepEqual(await Promise.all(racing), [1, 1, 1])
    const elsewhere = await client.createChannel(tenant, { name: 'more', source: 'timely' })
    const moved = await client.changeSubscription(tenant, made.id, { channels: [channel, elsewhere.id] })
    assert.equal(moved.channels.length, 2)
    await client.changeSubscription(tenant, made.id, { channels: [elsewhere.id] })
    await client.createSubscription(tenant, { ...push, name: 'next', sync: true })
    assert.match(
      await refusal(client.changeSubscription(tenant, made.id, { channels: [channel] })),
      /already/,
    )
  },
)

eachEngine('a held subscription shows its breaker, and resuming it ends the hold', async (engine, t) => {
  const { gate, client, tenant, push } = await setUp(engine, t)
  const { id } = await client.createSubscription(tenant, { ...push, name: 'app' })
  const until = gate.deps.clock() + 30_000
  await gate.store.write(async ({ db }) => {
    const hold = { held_until: until, held_ms: 30_000, held_why: 'breaker' } as const
    await db.updateTable('subscription').set(hold).where('id', '=', id).execute()
  })
  const held = await client.readSubscription(tenant, id)
  assert.deepEqual([held.breaker, held.heldUntil], ['open', new Date(until).toISOString()])
  gate.pass(31_000)
  assert.equal((await client.readSubscription(tenant, id)).breaker, 'half-open')
  await client.changeSubscription(tenant, id, { name: 'renamed' })
  assert.equal((await client.readSubscription(tenant, id)).breaker, 'half-open')
  const resumed = await client.changeSubscription(tenant, id, { state: 'active' })
  assert.deepEqual([resumed.breaker, resumed.heldUntil], ['closed', null])
})

eachEngine(
  'retry makes due what waits and revives what died, and refuses what is done',
  async (engine, t) => {
    const { gate, client, tenant, channel, push } = await setUp(engine, t)
    const { id: subscription } = await client.createSubscription(tenant, { ...push, name: 'app' })
    const at = { tenant, channel, subscription }
    const [waiting, dead, done] = [
      await sent(gate, at, 'pending'),
      await sent(gate, at, 'dead'),
      await sent(gate, at, 'done'),
    ]
    for (const [delivery, attempts, replay] of [
      [waiting, 3, false],
      [dead, 0, true],
    ] as const) {
      const retried = await client.retryDelivery(tenant, delivery, { reason })
      const [dispatch] = (await client.readDelivery(tenant, delivery)).dispatches
      assert.deepEqual(retried.dispatches, [dispatch?.id])
      assert.deepEqual([dispatch?.state, dispatch?.attempts, dispatch?.replay], ['pending', attempts, replay])
      assert.ok(Date.parse(dispatch?.dueAt ?? '') <= gate.deps.clock())
    }
    assert.equal(await refusal(client.retryDelivery(tenant, done, { reason })), 'conflict')
    const { id: foreign } = await client.createTenant({ name: 'Other' })
    assert.equal(await refusal(client.retryDelivery(foreign, dead, { reason })), 'not-found')
  },
)

eachEngine('a replay is started, watched and cancelled, by its own tenant only', async (engine, t) => {
  const { client, tenant, channel } = await setUp(engine, t)
  const { id: foreign } = await client.createTenant({ name: 'Other' })
  assert.deepEqual(await client.previewReplay(tenant, { channel, state: 'dead' }), {
    deliveries: 2,
    dispatches: 3,
    complete: true,
  })
  assert.match(
    await refusal(client.previewReplay(foreign, { channel })),
    /channel is no channel of this tenant/,
  )
  const since = '2026-11-20T08:00:00.000Z'
  assert.match(
    await refusal(client.startReplay(tenant, { since, until: since, reason })),
    /until is not after since/,
  )
  const started = await client.startReplay(tenant, { channel, since, reason })
  assert.deepEqual([started.state, started.filter.channel, started.filter.since], ['running', channel, since])
  assert.ok(started.filter.until !== undefined && started.reached === null)
  assert.deepEqual((await client.listReplays(tenant)).items, [started])
  assert.equal(await refusal(client.readReplay(foreign, started.id)), 'not-found')
  assert.equal(await refusal(client.cancelReplay(foreign, started.id, { reason })), 'not-found')
  const ended = await client.cancelReplay(tenant, started.id, { reason })
  assert.equal(ended.state, 'cancelled')
  assert.equal(await refusal(client.cancelReplay(tenant, started.id, { reason })), 'conflict')
  const actions = (await client.listTenantEvents(tenant)).items.map(({ action }) => action)
  assert.deepEqual(actions.slice(0, 2), ['replay.cancelled', 'replay.started'])
})
