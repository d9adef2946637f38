/**
 * Nothing secret, said or sent is found where it does not belong. In: canaries in every path of the gate: webhooks taken
 * and refused, pushes and pulls, rotations, settings, errors, crashes. Out: no hit in logs, files, database rows, metrics,
 * answers or error output. Refuses a search that would find nothing anyway: known words must be found in each place.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eachEngine } from '../support/engines.ts'
import { openHouse, startApp } from '../support/ingress.ts'
import { Canaries, type Haystack, type Hit, type Planted, spellings } from './canaries.ts'
import { badRequests } from './bad-requests.ts'
import { deliveries } from './deliveries.ts'
import { webhooks } from './webhooks.ts'
import { everywhere, filesIn } from './surfaces.ts'

eachEngine('canaries in every path', async (engine, t) => {
  const canaries: Planted = { secrets: new Canaries(), texts: new Canaries() }
  const search = (...places: readonly Haystack[]): readonly string[] =>
    told([...canaries.secrets.search(places), ...canaries.texts.search(places)])
  const house = await openHouse(engine, { env: { GATEHOUSE_LOG_LEVEL: 'debug' } })
  const app = await startApp()
  try {
    canaries.secrets.watch('claim code', house.claim)
    canaries.secrets.watch('claim code without dashes', house.claim.replaceAll('-', ''))
    canaries.secrets.watch('administrator token', house.token)
    const lines = await webhooks(house, canaries)
    const sent = await deliveries(house, canaries, app, lines)
    const errors = await badRequests(house, canaries, lines)
    const channels = lines.map(({ line }) => line.id)
    const found = await everywhere(house, engine)
    assert.deepEqual(search(...found, ...errors), [])
    mustBeSeen(found, channels)
    // Secrets of the vendor and of the operator are none of the app's business.
    assert.deepEqual(told(canaries.secrets.search(sent.appGot)), [])
    assert.notDeepEqual(told(canaries.texts.search(sent.appGot)), [], 'the app has got what was said')

    await house.gate.kill()
    const again = await house.add()
    assert.deepEqual(search({ place: 'log after a crash', bytes: Buffer.from(again.log()) }), [])
    assert.equal(await again.stop(), 0)
    const left = [{ place: 'log after the stop', bytes: Buffer.from(again.log()) }, ...filesIn(house.data)]
    assert.deepEqual(search(...left), [])
    const size = found.reduce((sum, { bytes }) => sum + bytes.length, 0)
    t.diagnostic(
      `${canaries.secrets.count} secrets and ${canaries.texts.count} texts planted; ${found.length + errors.length} places, ${size} bytes searched`,
    )
  } finally {
    await house.close()
    await app.close()
  }
})

test('the search finds every spelling, whatever stands around it', () => {
  const canaries = new Canaries()
  const text = canaries.plant('a text')
  canaries.watch('a secret', 'whsec_/+aA0123456789')
  for (const one of [text, 'whsec_/+aA0123456789']) {
    for (const shift of ['', 'x', 'xy', 'xyz']) {
      const bytes = Buffer.from(`${shift}${one}tail`)
      const ways = {
        plain: bytes,
        hex: Buffer.from(bytes.toString('hex')),
        base64: Buffer.from(bytes.toString('base64')),
        base64url: Buffer.from(bytes.toString('base64url')),
        'UTF-16': Buffer.from(bytes.toString('utf8'), 'utf16le'),
        JSON: Buffer.from(JSON.stringify({ a: bytes.toString('utf8') })),
        percent: Buffer.from(encodeURIComponent(bytes.toString('utf8'))),
        'upper case': Buffer.from(bytes.toString('utf8').toUpperCase()),
      }
      for (const [way, haystack] of Object.entries(ways)) {
        const hits = canaries.search([{ place: way, bytes: haystack }])
        assert.ok(hits.length > 0, `${way} after ${shift.length} characters`)
      }
    }
  }
  assert.equal(canaries.search([{ place: 'text', bytes: Buffer.from(text) }])[0]?.label, 'a text')
  assert.deepEqual(canaries.search([{ place: 'elsewhere', bytes: Buffer.from('nothing here') }]), [])
  assert.ok(spellings('abc').length > 5)
})

function told(hits: readonly Hit[]): readonly string[] {
  return hits.map(({ label, spelling, place, around }) => `${label} (${spelling}) in ${place}: ${around}`)
}

/** Ids that are no secret: where they are not found, the search looked at nothing. */
function mustBeSeen(found: readonly Haystack[], channels: readonly string[]): void {
  const [channel = ''] = channels
  for (const place of [
    'log of gate 1',
    'table inbox',
    'table channel',
    'table audit_entry',
    'table refusal',
  ]) {
    const bytes = found.find((haystack) => haystack.place === place)?.bytes
    assert.ok(bytes?.includes(channel), `${place} does not even name the channel`)
  }
  const metrics = found.find(({ place }) => place === 'GET /metrics')?.bytes
  assert.ok(metrics?.includes('gatehouse_ingress_requests_total'))
}
