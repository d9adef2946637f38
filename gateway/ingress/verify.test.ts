import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { NOW, SECRET, channel, proved, request, signed, source as named } from './signing.fixture.ts'
import type { Source } from './source.ts'
import { SOURCES } from './sources.ts'
import { VerifiedDelivery, decoy } from './verify.ts'

const body = '{"team_id":"T1"}'
const good = signed('slack', body)

test('verify() believes a delivery signed by a live credential and says which', () => {
  const two = channel('slack', {}, ['an older key', SECRET])
  const verdict = VerifiedDelivery.verify(two, good, NOW)
  assert.ok(verdict instanceof VerifiedDelivery)
  assert.equal(verdict.credentialId, 'crd_1')
  assert.equal(verdict.sentAt, NOW)
  assert.equal(verdict.digest.length, 32)
  assert.equal(verdict.request, good)
})

test('verify() refuses the same delivery once its credential is dead', () => {
  assert.deepEqual(VerifiedDelivery.verify(channel('slack', {}, []), good, NOW), { refused: 'no-credential' })
  assert.deepEqual(VerifiedDelivery.verify(channel('slack', {}, ['b', 'c']), good, NOW), {
    refused: 'signature',
    tried: 2,
  })
})

test('verify() refuses at 301 seconds and not at 300, to both sides', () => {
  for (const now of [NOW + 300, NOW - 300]) {
    assert.ok(VerifiedDelivery.verify(channel('slack'), good, now) instanceof VerifiedDelivery)
  }
  assert.deepEqual(VerifiedDelivery.verify(channel('slack'), good, NOW + 301), {
    refused: 'timestamp',
    ageSeconds: 301,
  })
  assert.deepEqual(VerifiedDelivery.verify(channel('slack'), good, NOW - 301), {
    refused: 'timestamp',
    ageSeconds: -301,
  })
})

test('verify() refuses when the time is not a number, ours or theirs', () => {
  assert.equal(refusal(channel('slack').source, Number.NaN), 'timestamp')
  const slack = named('slack')
  const odd: Source = { ...slack, claim: () => ({ sentAt: Number.NaN, signed: [], signatures: [] }) }
  assert.equal(refusal(odd), 'timestamp')
})

test('verify() refuses a source that contradicts itself about time', () => {
  const slack = named('slack')
  assert.equal(refusal({ ...slack, tolerance: undefined }), 'timestamp')
  const timeless: Source = { ...slack, claim: () => ({ sentAt: undefined, signed: [], signatures: [] }) }
  assert.equal(refusal(timeless), 'timestamp')
})

test('verify() refuses as decider-failed whatever throws inside', () => {
  const slack = named('slack')
  const broken = () => {
    throw new Error('broken')
  }
  assert.equal(refusal({ ...slack, claim: broken }), 'decider-failed')
  assert.equal(refusal({ ...slack, toleranceOf: broken }), 'decider-failed')
  const key = { algorithm: 'hmac-sha256', key: undefined } as never
  const verdict = VerifiedDelivery.verify(
    { source: slack, settings: {}, credentials: [{ id: 'c', key }] },
    good,
    NOW,
  )
  assert.deepEqual(verdict, { refused: 'decider-failed' })
})

test('a verified delivery cannot be printed', () => {
  const verified = proved('slack', good)
  assert.equal(String(verified), '[sealed]')
  assert.equal(JSON.stringify({ verified }), '{"verified":"[sealed]"}')
  assert.equal(inspect(verified), '[sealed]')
})

test('decoy() refuses, always', () => {
  assert.deepEqual(decoy(good), { refused: 'signature', tried: 0 })
})

/** Settings of the sources that cannot do without. */
const NEEDED: Readonly<Record<string, object>> = {
  'aws-sns': { topics: ['arn:aws:sns:eu-west-1:123456789012:news'] },
  'generic-hmac': { header: 'x-signature', timestampHeader: 'x-time', template: '{timestamp}{body}' },
  'google-chat': { audience: { kind: 'url', url: 'https://gate.example/in/chn_x' } },
  paypal: { webhookId: '8PT597110X687430LKGECATA' },
  teams: { appId: '00000000-0000-0000-0000-000000000001' },
}

for (const source of SOURCES) {
  const { name, settings } = source
  const usable = settings.parse(NEEDED[name] ?? {})
  test(`${name}: no credential is blank`, () => {
    for (const blank of ['', ' ', '\n']) assert.throws(() => source.key(blank, usable), RangeError)
  })
  test(`${name}: claim() never throws, whatever the headers and bytes`, () => {
    const names = fc.constantFrom(...headersOf(name))
    const value = fc.oneof(
      fc.string(),
      fc.stringMatching(/^(v0=|sha256=|v1,|t=1,v1=)?[0-9a-f]{0,64}$/),
      fc.constant('1700000000'),
    )
    fc.assert(
      fc.property(fc.dictionary(names, value), fc.uint8Array(), (headers, bytes) => {
        source.claim(request(Buffer.from(bytes), headers), usable)
      }),
    )
  })
}

function refusal(odd: Source, now = NOW): string {
  const verdict = VerifiedDelivery.verify({ ...channel('slack'), source: odd }, good, now)
  return verdict instanceof VerifiedDelivery ? 'believed' : verdict.refused
}

/** The headers that the source's own vectors send. */
function headersOf(name: string): readonly string[] {
  const file = new URL(`../../test/vectors/${name}.json`, import.meta.url)
  const read = JSON.parse(readFileSync(file, 'utf8')) as { vectors: { headers: Record<string, string> }[] }
  return ['content-type', ...new Set(read.vectors.flatMap(({ headers }) => Object.keys(headers)))]
}
