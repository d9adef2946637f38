/**
 * The reader of vendors' keys against an issuer over a socket. In: an issuer that is well, down, slow, huge, changing its
 * keys, and senders that try to make the gate fetch. Out: the keys that verify, and how often the issuer was asked. Refuses
 * to pass when one request more than stated reaches the issuer.
 */
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openDialler } from '../../gateway/egress/dial.ts'
import type { KeyRef } from '../../gateway/ingress/source.ts'
import { VendorKeys } from '../../gateway/ingress/vendor-keys.ts'
import { VendorUnavailable } from '../../gateway/ingress/vendor-unavailable.ts'
import type { LiveCredential } from '../../gateway/ingress/verify.ts'
import { makeCertificate } from './certificate.ts'
import { type Issuer, keySet, makeKey, openIssuer, text } from './issuer.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const START = Date.UTC(2026, 0, 1)

const ONE = makeKey('one')
const TWO = makeKey('two')

interface Bench {
  readonly issuer: Issuer
  /** The reader's time; tests move it. */
  now: number
  readonly failures: string[]
  readonly keys: VendorKeys
  readonly read: (
    kid: string,
    more?: Partial<Extract<KeyRef, { kind: 'jwks' }>>,
  ) => Promise<LiveCredential | undefined>
}

async function bench(t: TestContext, listener = keySet(ONE)): Promise<Bench> {
  const issuer = await openIssuer(t, listener)
  const dialler = openDialler({
    config: { except: [], allowLoopback: true },
    resolve: async () => ['127.0.0.1'],
    limits: { headersMs: 300, connectMs: 300, drainMs: 50 },
  })
  t.after(() => dialler.close())
  const failures: string[] = []
  const keys = new VendorKeys({
    get: (url, options) => dialler.get(url, { ...options, totalMs: 400 }),
    failed: (_host, code, kept) => failures.push(kept ? `${code}, kept` : code),
    clock: () => made.now,
  })
  const made: Bench = {
    issuer,
    now: START,
    failures,
    keys,
    read: (kid, more) =>
      keys.read({ kind: 'jwks', url: issuer.url, kid, algorithm: 'rsa-sha256', ...more }, 'chn'),
  }
  return made
}

const unavailable = (reading: Promise<unknown>): Promise<void> => assert.rejects(reading, VendorUnavailable)

test('requests that arrive together on first use share one fetch', async (t) => {
  const { issuer, read } = await bench(t)
  const found = await Promise.all(Array.from({ length: 50 }, () => read('one')))
  assert.ok(found.every((credential) => credential?.id === found[0]?.id && credential?.id.startsWith('vnd_')))
  assert.equal(issuer.asked(), 1)
})

test('a set is kept an hour and then read again', async (t) => {
  const it = await bench(t)
  await it.read('one')
  it.now += HOUR - 1
  assert.ok(await it.read('one'))
  assert.equal(it.issuer.asked(), 1)
  it.now += 1
  assert.ok(await it.read('one'))
  assert.equal(it.issuer.asked(), 2)
})

test('a flood of unknown keys costs one fetch a minute, and nobody is let in', async (t) => {
  const it = await bench(t)
  await it.read('one')
  for (let i = 0; i < 300; i++) assert.equal(await it.read(`unknown-${i}`), undefined)
  assert.equal(it.issuer.asked(), 1)
  for (let minute = 1; minute <= 3; minute++) {
    it.now += MINUTE
    await Promise.all(Array.from({ length: 100 }, (_, i) => it.read(`unknown-${minute}-${i}`)))
    assert.equal(it.issuer.asked(), 1 + minute)
  }
})

test('a sender that goes on using one unknown key costs a fetch in five minutes', async (t) => {
  const it = await bench(t)
  await it.read('one')
  for (let minute = 1; minute <= 6; minute++) {
    it.now += MINUTE
    assert.equal(await it.read('gone'), undefined)
  }
  assert.equal(it.issuer.asked(), 3)
})

test('keys that the vendor changes are found within the minute, and those it withdrew are gone within the hour', async (t) => {
  const it = await bench(t)
  await it.read('one')
  it.issuer.answer(keySet(TWO))
  assert.equal(await it.read('two'), undefined)
  it.now += MINUTE
  assert.ok(await it.read('two'))
  assert.equal(await it.read('one'), undefined)
  assert.equal(it.issuer.asked(), 2)
})

test('an issuer that is down from the start is tried with growing pauses, and the webhook is sent again', async (t) => {
  const it = await bench(t)
  await it.issuer.stop()
  for (let second = 0; second < 60; second++) {
    await unavailable(it.read('one'))
    it.now += 1_000
  }
  assert.deepEqual(it.failures, Array<string>(4).fill('connect-refused'), 'at 0, 5, 15 and 35 s')
})

test('with the issuer down the last keys serve a day, and unknown ones are not refused for good', async (t) => {
  const it = await bench(t)
  await it.read('one')
  it.issuer.answer(text('', 500))
  it.now += HOUR
  assert.ok(await it.read('one'))
  assert.deepEqual(it.failures, ['status 500, kept'])
  // It may be a new key; nobody can say while the issuer is down.
  await unavailable(it.read('two'))
  it.now = START + DAY - 1
  assert.ok(await it.read('one'))
  it.now = START + DAY
  await unavailable(it.read('one'))
  it.issuer.answer(keySet(ONE))
  it.now += MINUTE
  assert.ok(await it.read('one'))
})

test('an issuer that never answers holds a request for the wait and no longer, and only one of many', async (t) => {
  const it = await bench(t)
  await it.read('one')
  it.issuer.answer(() => {})
  it.now += HOUR
  const begun = performance.now()
  const found = await Promise.all(Array.from({ length: 20 }, () => it.read('one')))
  assert.ok(found.every((credential) => credential !== undefined))
  assert.ok(performance.now() - begun < 2_000)
  assert.equal(it.issuer.asked(), 2)
  assert.ok(await it.read('one'))
  assert.equal(it.issuer.asked(), 2)
})

test('answers that are no set leave the last one standing', async (t) => {
  const redirect = (target: string): Parameters<Issuer['answer']>[0] => {
    return (_, response) => void response.writeHead(302, { location: target }).end()
  }
  const many = { keys: Array.from({ length: 129 }, (_, i) => ({ ...TWO.jwk, kid: `${i}` })) }
  const odd: readonly (readonly [string, Parameters<Issuer['answer']>[0]])[] = [
    ['status 302, kept', redirect('http://169.254.169.254/latest/meta-data/')],
    ['answer-too-large, kept', text(Buffer.alloc(600_000, ' '))],
    [
      'answer-too-large, kept',
      (_, response) => void response.writeHead(200, { 'content-length': 2 ** 40 }).end('x'),
    ],
    ['answer-malformed, kept', (_, response) => void response.setHeader('content-encoding', 'gzip').end('x')],
    ['malformed, kept', text('{"keys":{}}')],
    ['malformed, kept', text('<html>')],
    ['malformed, kept', text(JSON.stringify(many))],
    ['malformed, kept', text('{"keys":[]}')],
    ['malformed, kept', text(`${'['.repeat(200_000)}`)],
  ]
  const it = await bench(t)
  await it.read('one')
  for (const [code, listener] of odd) {
    it.issuer.answer(listener)
    it.now += HOUR
    assert.ok(await it.read('one'), code)
    assert.equal(it.failures.at(-1), code)
  }
})

test('only RSA keys of 2048 bits and more, for verifying RS256, once under one name, prove anything', async (t) => {
  const elliptic = { kty: 'EC', crv: 'P-256', x: 'a', y: 'a', kid: 'elliptic' }
  const keys = [
    ONE.jwk,
    makeKey('short', {}, 1_024).jwk,
    { ...TWO.jwk, kid: 'for-encryption', use: 'enc' },
    { ...TWO.jwk, kid: 'for-another', alg: 'PS256' },
    { ...TWO.jwk, kid: 'to-wrap', key_ops: ['wrapKey'] },
    { ...TWO.jwk, kid: 'doubled' },
    { ...ONE.jwk, kid: 'doubled' },
    { ...TWO.jwk, kid: 'huge-exponent', e: Buffer.alloc(64, 255).toString('base64url') },
    { kty: 'oct', k: 'c2VjcmV0', kid: 'symmetric' },
    { ...TWO.jwk, kid: 7 },
    elliptic,
  ]
  const { read } = await bench(t, text(JSON.stringify({ keys })))
  for (const kid of [
    'short',
    'for-encryption',
    'for-another',
    'to-wrap',
    'doubled',
    'huge-exponent',
    'symmetric',
    'elliptic',
    '7',
  ])
    assert.equal(await read(kid), undefined, kid)
  const one = await read('one')
  assert.equal(one?.key.algorithm, 'rsa-sha256')
})

test('a key that the source does not permit proves nothing', async (t) => {
  const it = await bench(t, keySet(makeKey('skype', { endorsements: ['skype'] })))
  const endorsed = (channel: string) => (jwk: Readonly<Record<string, unknown>>) =>
    Array.isArray(jwk['endorsements']) && jwk['endorsements'].includes(channel)
  assert.equal(await it.read('skype', { permits: endorsed('msteams') }), undefined)
  assert.ok(await it.read('skype', { permits: endorsed('skype') }))
})

const NAMES = ['sns.amazonaws.com']
const pem = (
  name: string,
  more: { from?: number; to?: number; isAuthority?: boolean } = {},
  key = ONE,
): string => makeCertificate({ name, key: key.privateKey, from: START - DAY, to: START + DAY, ...more })

function certified(it: Bench, path: string, channel = 'chn'): Promise<LiveCredential | undefined> {
  const url = `${it.issuer.url}/${path}`
  return it.keys.read({ kind: 'x509', url, algorithm: 'rsa-sha256', names: NAMES }, channel)
}

test('a certificate proves for its names, in its time, with a strong key that is no authority', async (t) => {
  const weak = makeKey('weak', {}, 1_024)
  const files: Readonly<Record<string, string>> = {
    good: pem('sns.amazonaws.com'),
    other: pem('sns.amazonaws.com.example.com'),
    wild: pem('*.amazonaws.com'),
    old: pem('sns.amazonaws.com', { to: START - 1 }),
    early: pem('sns.amazonaws.com', { from: START + HOUR }),
    authority: pem('sns.amazonaws.com', { isAuthority: true }),
    weak: pem('sns.amazonaws.com', {}, weak),
    page: '<html>',
  }
  const it = await bench(
    t,
    (request, response) => void response.end(files[request.url?.split('/').at(-1) ?? '']),
  )
  for (const [name] of Object.entries(files).slice(1))
    assert.equal(await certified(it, name), undefined, name)
  const key = (await certified(it, 'good'))?.key.key
  assert.ok(key !== undefined && 'export' in key)
  const expected = createPublicKey(ONE.privateKey).export({ format: 'jwk' })
  assert.deepEqual(key.export({ format: 'jwk' }), expected)
  it.now += DAY + 1
  assert.equal(await certified(it, 'good'), undefined)
})

test('senders who name certificates at will bring ten a minute to a channel, and others none of it', async (t) => {
  const good = pem('sns.amazonaws.com')
  const it = await bench(t, (request, response) => {
    if (request.url?.endsWith('/good') === true) response.end(good)
    else response.writeHead(404).end()
  })
  assert.ok(await certified(it, 'good', 'calm'))
  let refused = 0
  for (let i = 0; i < 200; i++) {
    try {
      assert.equal(await certified(it, `made-up-${i}`, 'flooded'), undefined)
    } catch (error) {
      assert.ok(error instanceof VendorUnavailable)
      refused++
    }
  }
  assert.equal(it.issuer.asked(), 11)
  assert.equal(refused, 190)
  assert.ok(await certified(it, 'good', 'flooded'), 'what is kept still serves the flooded channel')
  assert.ok(await certified(it, 'also/good', 'calm'), 'and others still bring new ones')
  it.now += MINUTE
  assert.ok(await certified(it, 'later/good', 'flooded'))
})

test('a certificate server that fails asks for the webhook again, one that has none does not', async (t) => {
  const it = await bench(t, text('', 503))
  await unavailable(certified(it, 'a'))
  it.issuer.answer(text('', 404))
  assert.equal(await certified(it, 'b'), undefined)
  await it.issuer.stop()
  await unavailable(certified(it, 'c'))
  await pause(0)
})
