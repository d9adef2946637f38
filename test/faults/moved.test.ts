/**
 * An attacker, or a mistake, that moves sealed values about in the database. In: two channels, deliveries and subscriptions
 * of one tenant and of two, with their sealed columns swapped. Out: nothing. Refuses a gate that trusts, shows or pushes
 * what was sealed for another place.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ApiRefusal } from '@gatehouse/contract/client.ts'
import { type Engine, eachEngine } from '../support/engines.ts'
import { type Gate, startGate } from '../support/gate.ts'
import { type Furnished, furnish, openChannel } from './furnished.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { post } from './post.ts'
import { MortalApp } from './receiver.ts'

eachEngine('credentials swapped between channels prove nothing', async (engine) => {
  await withGate(engine, async ({ gate, house, ledger, restart }) => {
    const other = await openChannel(house.admin, house.tenant, 'other')
    const foreign = await openChannel(
      house.admin,
      (await house.admin.createTenant({ name: 'foreign' })).id,
      'events',
    )
    const lines = [house, other, foreign]
    for (const line of lines)
      assert.equal((await post(gate.publicUrl + line.path, line.secret, '{"id":"1"}')).status, 200)
    for (const [a, b] of [
      [house, other],
      [house, foreign],
    ] as const) {
      await swap(ledger, 'credential', 'sealed', 'channel_id', a.channel, b.channel)
      const again = await restart()
      for (const line of [a, b])
        for (const { secret } of lines)
          assert.equal((await post(again.publicUrl + line.path, secret, '{"id":"2"}')).status, 401)
      assert.match(again.log(), /credential-unreadable/)
      for (const { secret } of lines) assert.ok(!again.log().includes(secret))
      await swap(ledger, 'credential', 'sealed', 'channel_id', a.channel, b.channel)
    }
    const well = await restart()
    for (const line of lines)
      assert.equal((await post(well.publicUrl + line.path, line.secret, '{"id":"3"}')).status, 200)
  })
})

eachEngine('bodies and push secrets swapped are neither shown nor pushed', async (engine) => {
  await withGate(engine, async ({ gate, house, ledger, app }) => {
    const { admin, tenant } = house
    const [first] = (await admin.listSubscriptions(tenant)).items
    assert.ok(first)
    await admin.changeSubscription(tenant, first.id, { state: 'paused' })
    for (const id of ['one', 'two'])
      assert.equal(
        (await post(gate.publicUrl + house.path, house.secret, JSON.stringify({ id }))).status,
        200,
      )
    const { items } = await admin.listDeliveries(tenant)
    const [two, one] = items
    assert.ok(one && two)
    await swap(ledger, 'inbox', 'sealed', 'id', one.id, two.id)
    for (const { id } of items) {
      await assert.rejects(admin.readDeliveryBody(tenant, id), (error) => {
        assert.ok(error instanceof ApiRefusal, String(error))
        assert.ok(error.problem.status >= 500)
        assert.ok(!JSON.stringify(error.problem).includes('"one"'))
        return true
      })
    }
    await admin.changeSubscription(tenant, first.id, { state: 'active' })
    await untilTried(ledger, 2)
    assert.deepEqual(app.got(), [])
    await swap(ledger, 'inbox', 'sealed', 'id', one.id, two.id)
    assert.equal(Buffer.from(await admin.readDeliveryBody(tenant, one.id)).toString(), '{"id":"one"}')

    const second = await admin.createSubscription(tenant, {
      name: 'b',
      mode: 'push',
      url: app.url,
      channels: [house.channel],
    })
    await swap(ledger, 'subscription', 'secret_sealed', 'id', first.id, second.id)
    assert.equal((await post(gate.publicUrl + house.path, house.secret, '{"id":"three"}')).status, 200)
    await untilTried(ledger, 4)
    assert.deepEqual(app.got(), [])
    await swap(ledger, 'subscription', 'secret_sealed', 'id', first.id, second.id)
    await ledger.run('UPDATE dispatch SET due_at = 0')
    for (let i = 0; i < 400 && new Set(app.got()).size < 3; i++) await pause(25)
    assert.equal(new Set(app.got()).size, 3)
  })
})

interface World {
  readonly gate: Gate
  readonly house: Furnished
  readonly ledger: Ledger
  readonly app: MortalApp
  /** The same gate anew, with nothing in memory. */
  readonly restart: () => Promise<Gate>
}

async function withGate(engine: Engine, body: (world: World) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-moved-'))
  const data = join(folder, 'data')
  const database = engine.engine === 'postgres' ? { GATEHOUSE_DATABASE_URL: engine.url } : {}
  const env = { GATEHOUSE_PUSH_ALLOW_LOOPBACK: 'true', GATEHOUSE_INGRESS_RATE: '0', ...database }
  const app = await MortalApp.start(join(folder, 'got'))
  let gate = await startGate({ data, env })
  const file = { engine: 'sqlite', file: join(data, 'gatehouse.db') } as const
  const ledger = await openLedger(engine.engine === 'postgres' ? engine : file)
  const restart = async (): Promise<Gate> => {
    assert.equal(await gate.stop(), 0)
    gate = await startGate({ data, env })
    return gate
  }
  try {
    const house = await furnish(gate.adminUrl, gate.claim ?? '', app.url)
    await body({ gate, house, ledger, app, restart })
  } finally {
    await Promise.all([gate.kill(), app.kill(), ledger.close()])
    rmSync(folder, { recursive: true, force: true })
  }
}

async function swap(
  { run, literal }: Ledger,
  table: string,
  column: string,
  key: string,
  a: string,
  b: string,
): Promise<void> {
  const read = async (of: string) =>
    (await run(`SELECT ${column} AS v FROM ${table} WHERE ${key} = '${of}'`))[0]?.['v']
  const [valueOfA, valueOfB] = [await read(a), await read(b)]
  await run(`UPDATE ${table} SET ${column} = ${literal(valueOfB)} WHERE ${key} = '${a}'`)
  await run(`UPDATE ${table} SET ${column} = ${literal(valueOfA)} WHERE ${key} = '${b}'`)
}

/** Waits until so many dispatches have failed a try. */
async function untilTried(ledger: Ledger, count: number): Promise<void> {
  for (let i = 0; i < 400; i++) {
    const rows = await ledger.run(`SELECT last_error FROM dispatch WHERE last_error IS NOT NULL`)
    if (rows.length >= count) return
    await pause(25)
  }
  assert.fail(`fewer than ${count} tries failed`)
}
