/**
 * Metrics that alarms stand on. In: a gate whose store goes away, and one whose app does not ask. Out: `/metrics` that still
 * answers and says so. Refuses a gate that cannot be watched just when it should be.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'node:test'
import { lineToUrl, through } from '../faults/cuttable.ts'
import { eachEngine } from '../support/engines.ts'
import { openHouse, openLine, send, until } from '../support/ingress.ts'
import { testDatabase } from '../support/postgres.ts'
import { reasonToSkip } from '../support/presence.ts'

async function valueOf(adminUrl: string, series: string): Promise<number> {
  const answer = await fetch(`${adminUrl}/metrics`)
  assert.equal(answer.status, 200)
  const line = (await answer.text()).split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined
    ? Number.NEGATIVE_INFINITY
    : Number(line.slice(series.length + 1).replace(/^Nan$/i, 'NaN'))
}

test('a gate without its store is watched all the same', async (t) => {
  let database
  try {
    database = await testDatabase()
  } catch (error) {
    t.skip(reasonToSkip('postgres', error))
    return
  }
  const line = await lineToUrl(database.url)
  const house = await openHouse({ engine: 'postgres', url: through(line, database.url) })
  const at = (series: string) => valueOf(house.gate.adminUrl, series)
  try {
    assert.equal(await at('gatehouse_ready{check="store"}'), 1)
    assert.equal(await at('gatehouse_delivery_backlog_age_seconds'), 0)
    line.cut()
    await until('the gate to see it', async () =>
      (await at('gatehouse_ready{check="store"}')) === 0 ? true : undefined,
    )
    assert.ok(Number.isNaN(await at('gatehouse_delivery_pending')), 'what is not known is no number')
    line.pass()
    await until('the gate to be back', async () =>
      (await at('gatehouse_ready{check="store"}')) === 1 ? true : undefined,
    )
    assert.equal(await at('gatehouse_delivery_pending'), 0)
  } finally {
    await house.close()
    await line.close()
    await database.drop()
  }
})

eachEngine(
  'the backlog has an age while nobody asks for it, and the cap is there to compare with',
  async (engine) => {
    const house = await openHouse(engine)
    const at = (series: string) => valueOf(house.gate.adminUrl, series)
    try {
      const { id, path } = await openLine(house, 'github', 'a secret')
      await house.admin.createSubscription(house.tenant, { name: 'pull', mode: 'pull', channels: [id] })
      const headers = {
        'x-hub-signature-256': `sha256=${createHmac('sha256', 'a secret').update('{}').digest('hex')}`,
      }
      await send(house.gate.publicUrl + path, { headers, body: '{}' })
      await pause(1_100)
      const age = await at('gatehouse_delivery_backlog_age_seconds')
      assert.ok(age >= 1 && age < 60, String(age))
      assert.equal(await at('gatehouse_delivery_pending'), 1)
      assert.equal(await at('gatehouse_ingress_in_flight_cap_bytes'), 64 * 1024 * 1024)
    } finally {
      await house.close()
    }
  },
)
