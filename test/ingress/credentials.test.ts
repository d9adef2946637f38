/**
 * Credentials from outside: rotated without losing a delivery, ended at once when they leak. In: deliveries under old and
 * new secrets, before and after, at one gate and at another. Out: what each may still prove. Refuses an old secret that
 * outlives its overlap, a revoked one that is taken anywhere after a moment, and a use that is booked on the wrong one.
 */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Gate } from '../support/gate.ts'
import { eachEngine } from '../support/engines.ts'
import { testDatabase } from '../support/postgres.ts'
import { reasonToSkip } from '../support/presence.ts'
import { adminOf, type House, type Line, openHouse, openLine, send } from '../support/ingress.ts'
import { type Vendor, vendor } from './vendors.ts'

/** Milliseconds within which a change has reached every gate. */
const EVERYWHERE = 1_500
const ROUNDS = 20

eachEngine('rotation: both secrets count during the overlap, the new one alone after it', async (engine) => {
  const house = await openHouse(engine)
  const { admin, tenant } = house
  try {
    const [old, young] = [vendor('slack'), vendor('slack')]
    const line = await openLine(house, 'slack', old.secret)
    const proves = prover(house.gate, line)
    assert.equal(await proves(young), 401)
    const made = await admin.rotateCredential(tenant, line.id, line.credential, {
      value: young.secret,
      overlapSeconds: 3,
    })
    assert.equal(made.replaces.id, line.credential)
    assert.deepEqual([await proves(old), await proves(young)], [200, 200])
    assert.equal(await proves(vendor('slack')), 401)
    assert.deepEqual(await states(house, line), { [line.credential]: 'overlap', [made.id]: 'live' })
    await pause(Math.max(0, Date.parse(made.replaces.expiresAt) - Date.now() + 50))
    assert.deepEqual([await proves(old), await proves(young)], [401, 200])
    assert.deepEqual(await states(house, line), { [line.credential]: 'expired', [made.id]: 'live' })
  } finally {
    await house.close()
  }
})

eachEngine('rotation without overlap ends the old one at once', async (engine) => {
  const house = await openHouse(engine)
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const [old, young] = [vendor('github'), vendor('github')]
      const line = await openLine(house, 'github', old.secret)
      const proves = prover(house.gate, line)
      assert.equal(await proves(old), 202)
      const change = { value: young.secret, overlapSeconds: 0 }
      await house.admin.rotateCredential(house.tenant, line.id, line.credential, change)
      assert.deepEqual([await proves(old), await proves(young)], [401, 202], `round ${round}`)
    }
  } finally {
    await house.close()
  }
})

eachEngine('revocation holds for the very next request at the gate that was told', async (engine) => {
  const house = await openHouse(engine)
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const from = vendor('pumble')
      const line = await openLine(house, 'pumble', from.secret)
      const proves = prover(house.gate, line)
      assert.equal(await proves(from), 200)
      await house.admin.revokeCredential(house.tenant, line.id, line.credential, { reason: 'leaked' })
      assert.equal(await proves(from), 401, `round ${round}`)
    }
  } finally {
    await house.close()
  }
})

eachEngine('the use is booked on the credential that proved', async (engine) => {
  const house = await openHouse(engine)
  try {
    const [first, second] = [vendor('slack'), vendor('slack')]
    const line = await openLine(house, 'slack', first.secret)
    const rotation = { value: second.secret, overlapSeconds: 3_600 }
    const made = await house.admin.rotateCredential(house.tenant, line.id, line.credential, rotation)
    await prover(house.gate, line)(first)
    await prover(house.gate, line)(vendor('slack'))
    await house.gate.stop()
    const again = await house.add()
    const used = await lastUses(house, again, line)
    assert.deepEqual([...used.keys()].toSorted(), [line.credential, made.id].toSorted())
    assert.ok(Math.abs(Date.parse(used.get(line.credential) ?? '') - Date.now()) < 60_000)
    assert.equal(used.get(made.id), null)
    await prover(again, line)(second)
    await again.stop()
    const later = await lastUses(house, await house.add(), line)
    assert.equal(later.get(line.credential), used.get(line.credential))
    assert.notEqual(later.get(made.id), null)
  } finally {
    await house.close()
  }
})

test('revocation and pause reach another gate on the same PostgreSQL within a moment', async (t) => {
  await withSecondGate(t, async (house, other) => {
    const from = vendor('slack')
    const line = await openLine(house, 'slack', from.secret)
    const here = prover(house.gate, line)
    const there = prover(other, line)
    assert.deepEqual([await here(from), await there(from)], [200, 200])
    await house.admin.changeChannel(house.tenant, line.id, { state: 'paused' })
    await within(EVERYWHERE, async () => (await there(from)) === 503)
    await adminOf(house, other).changeChannel(house.tenant, line.id, { state: 'active' })
    await within(EVERYWHERE, async () => (await here(from)) === 200)
    await house.admin.revokeCredential(house.tenant, line.id, line.credential, { reason: 'leaked' })
    const ms = await within(EVERYWHERE, async () => (await there(from)) === 401)
    t.diagnostic(`revoked at the other gate after ${Math.round(ms)} ms`)
    for (let copy = 0; copy < 20; copy++) assert.equal(await there(from), 401)
    const next = vendor('slack')
    await house.admin.createCredential(house.tenant, line.id, { value: next.secret })
    await within(EVERYWHERE, async () => (await there(next)) === 200)
  })
})

/** Connections that stand already: the request after a revocation must not wait for one, or it would come too late. */
const agent = new Agent({ keepAlive: true })

after(() => agent.destroy())

let n = 0

/** Sends one fresh delivery; answers the status. */
function prover(gate: Gate, line: Line): (from: Vendor) => Promise<number> {
  return async (from) => (await send(gate.publicUrl + line.path, { ...from.says({ n: ++n }), agent })).status
}

async function states({ admin, tenant }: House, line: Line): Promise<Record<string, string>> {
  const { items } = await admin.listCredentials(tenant, line.id)
  return Object.fromEntries(items.map(({ id, state }) => [id, state]))
}

async function lastUses(house: House, gate: Gate, line: Line): Promise<Map<string, string | null>> {
  const { items } = await adminOf(house, gate).listCredentials(house.tenant, line.id)
  return new Map(items.map(({ id, lastUsedAt }) => [id, lastUsedAt]))
}

/** Milliseconds until it holds; fails when that is more than `limit`. */
async function within(limit: number, holds: () => Promise<boolean>): Promise<number> {
  const began = performance.now()
  while (!(await holds())) {
    assert.ok(performance.now() - began < limit, `not within ${limit} ms`)
    await pause(10)
  }
  return performance.now() - began
}

async function withSecondGate(
  t: TestContext,
  body: (house: House, other: Gate) => Promise<void>,
): Promise<void> {
  let database
  try {
    database = await testDatabase()
  } catch (error) {
    t.skip(reasonToSkip('postgres', error))
    return
  }
  const house = await openHouse({ engine: 'postgres', url: database.url }, { gates: 2 })
  try {
    const [, other] = house.gates
    assert.ok(other)
    await body(house, other)
  } finally {
    await house.close()
    await database.drop()
  }
}
