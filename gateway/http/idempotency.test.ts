import assert from 'node:assert/strict'
import { ApiRefusal } from '@gatehouse/contract/client.ts'
import { eachEngine } from '../../test/support/engines.ts'
import { startAdmin } from '../admin.fixture.ts'

const DAY = 86_400_000

eachEngine('one key has one effect, however often and however close together', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const { id: tenant } = await client.createTenant({ name: 'Harbour' })
  const { id: channel } = await client.createChannel(tenant, { name: 'chat', source: 'timely' })
  const ask = () => client.createCredential(tenant, channel, {}, { idempotencyKey: 'one' })
  const answers = await Promise.all(Array.from({ length: 20 }, ask))
  const [first] = answers
  assert.ok(first?.value !== undefined, 'the secret is shown')
  for (const answer of answers) assert.deepEqual(answer, first)
  assert.equal((await client.listCredentials(tenant, channel)).items.length, 1)
  assert.equal(gate.events.filter(({ action }) => action === 'credential.created').length, 1)
})

eachEngine(
  'the same key with another body is refused; another path or token is another key',
  async (engine, t) => {
    const gate = await startAdmin(engine)
    t.after(() => gate.stop())
    const { client } = await gate.administrator()
    const once = { idempotencyKey: 'same' }
    await client.createTenant({ name: 'a' }, once)
    const error = await client.createTenant({ name: 'b' }, once).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof ApiRefusal && error.problem.code === 'idempotency-mismatch')
    const second = await client.createToken({ name: 'second', scopes: ['tenant:write', 'tenant:read'] }, once)
    await gate.client(second.token).createTenant({ name: 'b' }, once)
    assert.deepEqual(
      (await client.listTenants()).items.map(({ name }) => name),
      ['b', 'a'],
    )
  },
)

eachEngine('a refused change keeps no key, and a day later a key is free again', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const once = { idempotencyKey: 'later' }
  const taken = await client.createTenant({ name: 'taken' })
  await assert.rejects(client.createTenant({ name: 'taken' }, once), ApiRefusal)
  const made = await client.createTenant({ name: 'free' }, once)
  assert.notEqual(made.id, taken.id)
  gate.pass(DAY + 1)
  await client.createTenant({ name: 'next' }, once)
  gate.pass(DAY + 1)
  await client.createTenant({ name: 'last' })
  const kept = await gate.store.read.selectFrom('idempotency').select('expires_at').execute()
  assert.equal(kept.length, 1, 'keys of yesterday are forgotten')
})

eachEngine('a repeated answer says that it is one', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { token } = await gate.administrator()
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'idempotency-key': 'k',
  }
  const ask = () => fetch(`${gate.url}/v1/tenants`, { method: 'POST', headers, body: '{"name":"x"}' })
  const [first, second] = [await ask(), await ask()]
  assert.deepEqual([first.status, second.status], [201, 201])
  assert.equal(first.headers.get('idempotency-replayed'), null)
  assert.equal(second.headers.get('idempotency-replayed'), 'true')
  assert.equal(await first.text(), await second.text())
})
