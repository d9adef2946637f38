import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { ApiRefusal } from '@gatehouse/contract/client.ts'
import { eachEngine } from '../../test/support/engines.ts'
import { newId } from '../store/id.ts'
import { type Fixture, startAdmin } from '../admin.fixture.ts'

const DAY = 86_400_000

async function code(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof ApiRefusal, String(error))
  return error.problem.code
}

/** A delivery as ingress would have stored it; the fixture's bodies are the content itself. */
async function deliver(gate: Fixture, tenant: string, channel: string, body: string): Promise<string> {
  const now = gate.deps.clock()
  const id = newId('dlv_', now)
  const place = { table: 'inbox', column: 'sealed', row: id, schema: 1 }
  const sealed = await gate.deps.rooms.keyring.seal(tenant, place, Buffer.from(body))
  const row = { id, tenant_id: tenant, channel_id: channel, source: 'timely', kind: 'message', sealed }
  const rest = { credential_id: 'crd_x', signed_at: null, received_at: now, size: body.length }
  await gate.store.write(
    async (tx) =>
      void (await tx.db
        .insertInto('inbox')
        .values({ ...row, ...rest })
        .execute()),
  )
  return id
}

eachEngine('an administrator sets a tenant up and looks at what came', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { client } = await gate.administrator()

  const { id: tenant } = await client.createTenant({ name: 'Harbour' })
  assert.equal(await code(client.createTenant({ name: 'Harbour' })), 'conflict')
  assert.deepEqual(
    (await client.listTenants()).items.map(({ name }) => name),
    ['Harbour'],
  )
  assert.equal((await client.listSources()).items.length, 2)

  const channel = await client.createChannel(tenant, { name: 'chat', source: 'timely', workspaces: ['W1'] })
  assert.equal(channel.path, `/in/${channel.id}`)
  assert.equal(channel.url, `https://gate.example/in/${channel.id}`)
  assert.equal(channel.replayDays, 7)
  const changed = await client.changeChannel(tenant, channel.id, { state: 'paused', workspaces: null })
  assert.deepEqual([changed.state, changed.workspaces], ['paused', null])

  const made = await client.createCredential(tenant, channel.id, { label: 'first' })
  assert.ok(made.value !== undefined && made.value.length >= 43)
  const rotated = await client.rotateCredential(tenant, channel.id, made.id, { value: 'a-secret-of-theirs' })
  assert.equal(rotated.value, undefined)
  assert.equal(rotated.replaces.id, made.id)
  const states = (await client.listCredentials(tenant, channel.id)).items.map(({ state }) => state)
  assert.deepEqual(states, ['live', 'overlap'])
  assert.equal(await code(client.rotateCredential(tenant, channel.id, made.id)), 'conflict')
  await client.revokeCredential(tenant, channel.id, made.id, { reason: 'seen in a log' })
  gate.pass(2 * DAY)
  assert.deepEqual(
    (await client.listCredentials(tenant, channel.id)).items.map(({ state }) => state),
    ['live', 'revoked'],
  )

  const pushed = await client.createSubscription(tenant, {
    name: 'app',
    mode: 'push',
    url: 'https://app.example/hook',
    channels: [channel.id],
  })
  assert.match(pushed.secret ?? '', /^whsec_/)
  assert.equal(pushed.token, undefined)
  const renamed = await client.changeSubscription(tenant, pushed.id, { name: 'the app', inlineBody: true })
  assert.deepEqual([renamed.name, renamed.inlineBody, renamed.channels], ['the app', true, [channel.id]])

  const delivery = await deliver(gate, tenant, channel.id, 'raw bytes')
  assert.deepEqual(
    (await client.listDeliveries(tenant)).items.map(({ id }) => id),
    [delivery],
  )
  assert.deepEqual((await client.listDeliveries(tenant, { state: 'dead' })).items, [])
  assert.equal(Buffer.from(await client.readDeliveryBody(tenant, delivery)).toString(), 'raw bytes')
  const replayed = await client.replayDelivery(tenant, delivery, { reason: 'the app was down' })
  assert.equal(replayed.dispatches.length, 1)
  const [dispatch] = (await client.readDelivery(tenant, delivery)).dispatches
  assert.deepEqual([dispatch?.state, dispatch?.replay], ['pending', true])
  assert.equal(
    (await client.listDeliveries(tenant, { state: 'pending', subscription: pushed.id })).items.length,
    1,
  )

  await client.removeSubscription(tenant, pushed.id)
  assert.equal(await code(client.readSubscription(tenant, pushed.id)), 'not-found')
  assert.equal((await client.readDelivery(tenant, delivery)).dispatches[0]?.state, 'dead')

  const actions = (await client.listTenantEvents(tenant)).items.map(({ action }) => action)
  assert.deepEqual(actions, [
    'subscription.deleted',
    'delivery.replayed',
    'delivery.body-read',
    'subscription.updated',
    'subscription.created',
    'credential.revoked',
    'credential.rotated',
    'credential.created',
    'channel.updated',
    'channel.created',
  ])
  const all = (await client.listEvents()).items
  assert.deepEqual(all.map(({ action }) => action).slice(-2), ['tenant.created', 'gate.claimed'])
  assert.deepEqual(gate.faults, [])
})

eachEngine('lists come in pages that neither skip nor repeat', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  for (const name of ['a', 'b', 'c', 'd', 'e']) await client.createTenant({ name })
  const names: string[] = []
  let cursor: string | null = null
  do {
    const page = await client.listTenants({ limit: 2, ...(cursor !== null && { cursor }) })
    names.push(...page.items.map(({ name }) => name))
    cursor = page.next
  } while (cursor !== null)
  assert.deepEqual(names, ['e', 'd', 'c', 'b', 'a'])
})

eachEngine('a channel is refused what would only look like protection', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const { id: tenant } = await client.createTenant({ name: 'Harbour' })
  const refused = [
    { name: 'x', source: 'nobody' },
    { name: 'x', source: 'timely', settings: { mode: 'other' } },
    { name: 'x', source: 'timely', replayDays: 2 },
    { name: 'x', source: 'timeless', workspaces: ['W1'] },
    { name: 'nul\u0000', source: 'timely' },
  ]
  for (const body of refused) assert.equal(await code(client.createChannel(tenant, body)), 'bad-request')
  const hex = await client.createChannel(tenant, { name: 'hex', source: 'timely', settings: { mode: 'hex' } })
  const { value = '' } = await client.createCredential(tenant, hex.id, {}).catch(() => ({ value: '' }))
  assert.equal(value, '', 'nothing is made up that the source would not take')
  await client.createCredential(tenant, hex.id, { value: 'abcdef0123' })
  const any = await client.createChannel(tenant, { name: 'any', source: 'timely' })
  await client.createCredential(tenant, any.id, { value: 'not hexadecimal' })
  const change = client.changeChannel(tenant, any.id, { settings: { mode: 'hex' } })
  assert.equal(await code(change), 'conflict', 'settings must fit the credentials that count')
  for (const value of [
    'changeme',
    'secret',
    'short',
    'whsec_secret',
    ' padded-secret ',
    'xxxxxxxxxx',
    '12345678',
  ]) {
    assert.equal(await code(client.createCredential(tenant, any.id, { value })), 'bad-request', value)
  }
  const timeless = await client.createChannel(tenant, { name: 'old', source: 'timeless' })
  assert.equal(timeless.signsTime, false)
  assert.match(timeless.replayNote, /only the replay memory/)
  assert.equal(await code(client.createCredential(tenant, timeless.id, {})), 'bad-request')
  await client.createCredential(tenant, timeless.id, { value: 'test' })
})

eachEngine('a pull subscription takes and opens what is its own, and nothing else', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const { id: tenant } = await client.createTenant({ name: 'Harbour' })
  const { id: channel } = await client.createChannel(tenant, { name: 'chat', source: 'timely' })
  const { token, id } = await client.createSubscription(tenant, {
    name: 'app',
    mode: 'pull',
    channels: [channel],
  })
  assert.ok(token !== undefined)
  const app = gate.client(token)
  assert.equal((await app.whoAmI()).subscription, id)
  assert.deepEqual(await app.pullLease({ max: 5 }), { items: [] })
  assert.deepEqual(await app.pullAck({ leases: ['mine', 'other'] }), { acked: 1, gone: ['other'] })
  assert.deepEqual(await app.pullNack({ lease: 'mine' }), { state: 'retry' })
  assert.equal(await code(app.listChannels(tenant)), 'forbidden')
  assert.equal(await code(client.pullLease()), 'forbidden')

  const own = await deliver(gate, tenant, channel, 'mine')
  const others = await deliver(gate, tenant, channel, 'not mine')
  await client.replayDelivery(tenant, own, { reason: 'a test' })
  assert.equal(Buffer.from(await app.readDeliveryBody(tenant, own)).toString(), 'mine')
  assert.equal(await code(app.readDeliveryBody(tenant, others)), 'not-found')

  await client.removeSubscription(tenant, id)
  assert.equal(await code(app.pullLease()), 'unauthenticated')
})

eachEngine('no secret, token or body is in the store as it was typed', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { client, token } = await gate.administrator()
  const { id: tenant } = await client.createTenant({ name: 'Harbour' })
  const { id: channel } = await client.createChannel(tenant, { name: 'chat', source: 'timely' })
  const canary = `canary-${randomBytes(16).toString('hex')}`
  await client.createCredential(tenant, channel, { value: canary })
  const { value = '' } = await client.createCredential(tenant, channel)
  const pull = await client.createSubscription(tenant, { name: 'p', mode: 'pull', channels: [channel] })
  const push = await client.createSubscription(tenant, {
    name: 's',
    mode: 'push',
    url: 'https://app.example/',
    channels: [channel],
  })
  const secrets = [canary, value, token, pull.token ?? '', push.secret ?? '']
  const db = gate.store.read
  for (const table of ['credential', 'subscription', 'token', 'idempotency', 'audit_entry'] as const) {
    const rows = await db.selectFrom(table).selectAll().execute()
    assert.ok(rows.length > 0, table)
    const text = JSON.stringify(rows, (_, kept: unknown) => {
      const isBytes = typeof kept === 'object' && kept !== null && 'data' in kept && Array.isArray(kept.data)
      return isBytes ? Buffer.from(kept.data as number[]).toString('latin1') : kept
    })
    for (const secret of secrets) assert.ok(secret !== '' && !text.includes(secret), table)
  }
})
