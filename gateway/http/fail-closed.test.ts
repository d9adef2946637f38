import assert from 'node:assert/strict'
import { ApiRefusal } from '@gatehouse/contract/client.ts'
import { eachEngine } from '../../test/support/engines.ts'
import { StoreUnavailable } from '../store/store.ts'
import { type Fixture, startAdmin } from '../admin.fixture.ts'

async function refusal(work: Promise<unknown>): Promise<ApiRefusal> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof ApiRefusal, String(error))
  return error
}

async function countOf(
  gate: Fixture,
  table: 'tenant' | 'idempotency' | 'data_key' | 'token',
): Promise<number> {
  return (await gate.store.read.selectFrom(table).selectAll().execute()).length
}

eachEngine('a verifier that throws lets nobody in', async (engine, t) => {
  let fault: Error | undefined
  const gate = await startAdmin(engine, {
    deps: ({ door }) => ({
      door: {
        forget: () => door.forget(),
        async verify(presented) {
          if (fault !== undefined) throw fault
          return await door.verify(presented)
        },
      },
    }),
  })
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  fault = new Error('the verifier broke')
  assert.equal((await refusal(client.createTenant({ name: 'x' }))).problem.code, 'internal')
  assert.equal((await refusal(client.whoAmI())).problem.code, 'internal')
  assert.deepEqual(gate.faults, [fault, fault])
  fault = new StoreUnavailable('away')
  const away = await refusal(client.whoAmI())
  assert.deepEqual([away.problem.code, away.problem.status], ['unavailable', 503])
  assert.ok(away.retryAfterSeconds !== undefined)
  assert.equal(await countOf(gate, 'tenant'), 0)
})

eachEngine('a rate gate that throws lets nobody in', async (engine, t) => {
  const gate = await startAdmin(engine, {
    deps: () => ({ rates: { take: () => Promise.reject(new Error('the limiter broke')) } }),
  })
  t.after(() => gate.stop())
  const code = await gate.claimCode()
  assert.equal((await refusal(gate.client().claim({ code }))).problem.code, 'internal')
  assert.equal(await countOf(gate, 'token'), 0)
})

eachEngine('without its audit entry a change has not happened', async (engine, t) => {
  let isBroken = false
  const gate = await startAdmin(engine, {
    deps: ({ audit }) => ({
      async audit(tx, event) {
        if (isBroken) throw new Error('the audit log broke')
        return await audit(tx, event)
      },
    }),
  })
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const before = { keys: await countOf(gate, 'data_key'), tokens: await countOf(gate, 'token') }
  isBroken = true
  const failed = await refusal(client.createTenant({ name: 'x' }, { idempotencyKey: 'k' }))
  assert.equal(failed.problem.code, 'internal')
  assert.ok(!JSON.stringify(failed.problem).includes('audit log'))
  const code = await gate.claimCode()
  assert.equal((await refusal(gate.client().claim({ code }))).problem.code, 'internal')
  assert.equal(await countOf(gate, 'tenant'), 0)
  assert.equal(await countOf(gate, 'idempotency'), 0)
  assert.deepEqual({ keys: await countOf(gate, 'data_key'), tokens: await countOf(gate, 'token') }, before)
  isBroken = false
  await client.createTenant({ name: 'x' }, { idempotencyKey: 'k' })
  assert.ok((await gate.client().claim({ code })).token, 'a failed claim does not use the code up')
})

eachEngine('without its kept answer a change has not happened', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const { keyring } = gate.deps.rooms
  const seal = keyring.seal.bind(keyring)
  keyring.seal = async (tenant, place, bytes) => {
    if (place.table === 'idempotency' && bytes.length > 0) throw new Error('the seal broke')
    return await seal(tenant, place, bytes)
  }
  assert.equal((await refusal(client.createTenant({ name: 'x' }))).problem.code, 'internal')
  assert.equal(await countOf(gate, 'tenant'), 0)
  assert.equal(await countOf(gate, 'idempotency'), 0)
  keyring.seal = seal
  assert.equal(
    (await client.listEvents()).items.filter(({ action }) => action === 'tenant.created').length,
    0,
  )
})

eachEngine('no body is shown without its audit entry', async (engine, t) => {
  const gate = await startAdmin(engine, {
    deps: ({ audit }) => ({
      async audit(tx, event) {
        if (event.action === 'delivery.body-read') throw new Error('the audit log broke')
        return await audit(tx, event)
      },
    }),
  })
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const { id: tenant } = await client.createTenant({ name: 'x' })
  const id = 'dlv_00000000000000000000000000'
  const place = { table: 'inbox', column: 'sealed', row: id, schema: 1 }
  const sealed = await gate.deps.rooms.keyring.seal(tenant, place, Buffer.from('secret body'))
  const row = { id, tenant_id: tenant, channel_id: 'c', source: 's', kind: 'k', credential_id: 'r', sealed }
  await gate.store.write(async ({ db }) => {
    await db
      .insertInto('inbox')
      .values({ ...row, signed_at: null, received_at: 1, size: 1 })
      .execute()
  })
  assert.equal((await refusal(client.readDeliveryBody(tenant, id))).problem.code, 'internal')
})

eachEngine(
  'an answer that is not of its shape does not leave, and its change is taken back',
  async (engine, t) => {
    const gate = await startAdmin(engine, { rooms: { replayDays: Number.NaN } })
    t.after(() => gate.stop())
    const { client } = await gate.administrator()
    const { id: tenant } = await client.createTenant({ name: 'x' })
    const made = client.createChannel(tenant, { name: 'x', source: 'timeless' })
    assert.equal((await refusal(made)).problem.code, 'internal')
    assert.deepEqual((await client.listChannels(tenant)).items, [])
  },
)
