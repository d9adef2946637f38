import assert from 'node:assert/strict'
import { ApiRefusal } from '@gatehouse/contract/client.ts'
import { eachEngine } from '../../test/support/engines.ts'
import { type Fixture, startAdmin } from '../admin.fixture.ts'
import { newId } from '../store/id.ts'
import type { AttachmentAsk } from './needs.ts'

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof ApiRefusal, String(error))
  return `${error.problem.code} ${error.problem.detail ?? ''}`.trim()
}

function seal(gate: Fixture, tenant: string, table: string, row: string, text: string): Promise<Buffer> {
  return gate.deps.rooms.keyring.seal(tenant, { table, column: 'sealed', row, schema: 1 }, Buffer.from(text))
}

async function deliver(gate: Fixture, tenant: string, channel: string): Promise<string> {
  const now = gate.deps.clock()
  const id = newId('dlv_', now)
  const sealed = await seal(gate, tenant, 'inbox', id, 'content')
  const row = { id, tenant_id: tenant, channel_id: channel, source: 'timely', kind: 'message', sealed }
  const rest = { credential_id: 'crd_x', signed_at: null, received_at: now, size: 7 }
  await gate.store.write(async ({ db }) => {
    await db
      .insertInto('inbox')
      .values({ ...row, ...rest })
      .execute()
  })
  return id
}

async function addToken(
  gate: Fixture,
  tenant: string,
  channel: string,
  text: string,
  dead = {},
): Promise<void> {
  const now = gate.deps.clock()
  const id = newId('crd_', now)
  const row = { id, tenant_id: tenant, channel_id: channel, label: '', role: 'download-token' }
  const sealed = await seal(gate, tenant, 'credential', id, text)
  const rest = { state: 'live' as const, expires_at: null, created_at: now, last_used_at: null }
  await gate.store.write(async ({ db }) => {
    await db
      .insertInto('credential')
      .values({ ...row, sealed, ...rest, ...dead })
      .execute()
  })
}

eachEngine(
  'an attachment is opened with the channel’s token, and the opening is in the audit log',
  async (engine, t) => {
    const asked: AttachmentAsk[] = []
    const openAttachment = async (ask: AttachmentAsk) => {
      asked.push(ask)
      if (ask.at === 1) return { problem: 'open the attachment: it is executable (ELF)' }
      return ask.at === 0 ? { bytes: Buffer.from('file') } : undefined
    }
    const gate = await startAdmin(engine, { rooms: { openAttachment } })
    t.after(() => gate.stop())
    const { client } = await gate.administrator()
    const { id: tenant } = await client.createTenant({ name: 'Harbour' })
    const { id: other } = await client.createTenant({ name: 'Quay' })
    const { id: channel } = await client.createChannel(tenant, { name: 'chat', source: 'timely' })
    const delivery = await deliver(gate, tenant, channel)
    const open = (at: number) => client.readDeliveryAttachment(tenant, delivery, at)

    assert.equal(Buffer.from(await open(0)).toString(), 'file')
    assert.equal(asked[0]?.token, undefined)
    await addToken(gate, tenant, channel, 'xoxb-live')
    // Newer ones, each of which is none.
    gate.pass(10)
    await addToken(gate, tenant, channel, 'xoxb-dead', { state: 'revoked' })
    await addToken(gate, tenant, channel, 'xoxb-old', { expires_at: gate.deps.clock() - 1 })
    await addToken(gate, tenant, channel, 'signing-secret', { role: '' })
    await open(0)
    const { token, content, source } = asked[1] ?? assert.fail()
    assert.deepEqual([token, content.toString(), source], ['xoxb-live', 'content', 'timely'])

    assert.equal(await refusal(open(1)), 'conflict open the attachment: it is executable (ELF)')
    assert.equal(await refusal(open(2)), 'not-found')
    assert.equal(await refusal(client.readDeliveryAttachment(other, delivery, 0)), 'not-found')
    assert.equal(await refusal(client.readDeliveryAttachment(tenant, delivery, -1)), 'not-found')
    const leaves = gate.events.filter(({ action }) => action === 'delivery.attachment-read')
    assert.deepEqual(
      leaves.map(({ target, details }) => [target, details]),
      [
        [delivery, { attachment: 0 }],
        [delivery, { attachment: 0 }],
      ],
    )
  },
)

eachEngine('a subscription opens attachments of what it was sent, and nothing else', async (engine, t) => {
  const openAttachment = async () => ({ bytes: Buffer.from('file') })
  const gate = await startAdmin(engine, { rooms: { openAttachment } })
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const { id: tenant } = await client.createTenant({ name: 'Harbour' })
  const { id: channel } = await client.createChannel(tenant, { name: 'chat', source: 'timely' })
  const asked = { name: 'app', mode: 'pull' as const, channels: [channel] }
  const { token } = await client.createSubscription(tenant, asked)
  assert.ok(token !== undefined)
  const own = await deliver(gate, tenant, channel)
  const others = await deliver(gate, tenant, channel)
  await client.replayDelivery(tenant, own, { reason: 'a test' })
  const app = gate.client(token)
  assert.equal(Buffer.from(await app.readDeliveryAttachment(tenant, own, 0)).toString(), 'file')
  assert.equal(await refusal(app.readDeliveryAttachment(tenant, others, 0)), 'not-found')
})
