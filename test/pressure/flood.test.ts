/**
 * A channel under flood does not cost another a delivery. In: forged requests and good ones over the rate, at one channel.
 * Out: what the other heard. Refuses anything but 2xx there. How long it waited, `npm run prove` tells: a machine that
 * runs tests is no place to measure.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openHouse } from '../support/ingress.ts'
import { flood } from './flood.ts'
import { quantile, told } from './load.ts'

const RATE = 50

test('a flood at one channel: the other is taken whole', async (t) => {
  const house = await openHouse(
    { engine: 'sqlite', file: '' },
    { env: { GATEHOUSE_INGRESS_RATE: String(RATE) } },
  )
  try {
    const { alone, beside, forged, over } = await flood(house, { quiet: 20, flood: 300, ms: 2_500 })
    t.diagnostic(
      `p95 ${quantile(alone.waits, 0.95).toFixed(0)} ms alone, ${quantile(beside.waits, 0.95).toFixed(0)} ms beside; ` +
        `forged ${told(forged.statuses)}; over ${told(over.statuses)}`,
    )
    for (const { statuses, taken } of [alone, beside]) {
      assert.deepEqual([...statuses.keys()], [200])
      assert.ok(taken.length > 20, `${taken.length} were sent`)
    }
    assert.deepEqual([...forged.statuses.keys()], [401])
    assert.deepEqual([...over.statuses.keys()].toSorted(byNumber), [200, 429])
    // A window begins with its first delivery, so 2.5 s touch four at most, and a late machine one more.
    assert.ok(over.taken.length <= RATE * 5, `${over.taken.length} were taken`)
  } finally {
    await house.close()
  }
})

test('what all channels of a tenant take together is bounded too', async () => {
  const env = { GATEHOUSE_INGRESS_RATE: '50', GATEHOUSE_TENANT_RATE: '60' }
  const house = await openHouse({ engine: 'sqlite', file: '' }, { env })
  try {
    const { over, beside } = await flood(house, { quiet: 40, flood: 300, ms: 1_500 })
    const both = over.taken.length + beside.taken.length
    assert.ok(both <= 60 * 4, `${both} were taken together`)
    // The flooded channel is refused by its own rate first, so ten a second at least are left to the other.
    assert.ok(beside.taken.length >= 10, `${beside.taken.length} of the other were taken`)
  } finally {
    await house.close()
  }
})

function byNumber(a: number, b: number): number {
  return a - b
}
