/**
 * Amazon SNS and PayPal through the receiver on a socket, with certificates from a server on loopback in the vendor's
 * place. In: messages as the vendors sign them, and changed ones. Out: the answer on the wire, what was accepted, and what
 * was fetched. Refuses to pass when a signature is good for anything but what was signed.
 */
import assert from 'node:assert/strict'
import { sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { openDialler } from '../../gateway/egress/dial.ts'
import type { Proved } from '../../gateway/ingress/accept.ts'
import { RawBodies } from '../../gateway/ingress/raw.ts'
import { Receiver } from '../../gateway/ingress/receive.ts'
import { sourceNamed } from '../../gateway/ingress/sources.ts'
import { VendorKeys } from '../../gateway/ingress/vendor-keys.ts'
import { Visits } from '../../gateway/ingress/visit.ts'
import { send } from '../support/ingress.ts'
import { makeCertificate } from './certificate.ts'
import { makeKey, openIssuer } from './issuer.ts'

const NOW = Date.UTC(2026, 0, 1, 12)
const DAY = 86_400_000
const KEY = makeKey('vendor')
const OTHER = makeKey('other')
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:orders'
const HOST = 'https://sns.eu-west-1.amazonaws.com'
const CERTIFICATE = `${HOST}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem`
const MESSAGE_ID = '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324'

interface Gate {
  readonly post: (body: string, headers?: Readonly<Record<string, string>>) => Promise<number>
  readonly accepted: Proved[]
  readonly reasons: string[]
  /** Targets asked of the vendor's host. */
  readonly asked: string[]
  /** Status that the vendor's host gives to anything but certificates. */
  status: number
}

/** A receiver with one channel, whose fetches all end at a local server. */
async function gate(t: TestContext, source: string, settings: unknown, name: string): Promise<Gate> {
  const found = sourceNamed(source)
  assert.ok(found)
  const pem = makeCertificate({ name, key: KEY.privateKey, from: NOW - DAY, to: NOW + DAY })
  const made: Gate = { post, accepted: [], reasons: [], asked: [], status: 200 }
  const vendor = await openIssuer(t, (request, response) => {
    made.asked.push(request.url ?? '')
    const isCertificate = /\.pem$|certs/.test(request.url ?? '')
    response
      .writeHead(isCertificate ? 200 : made.status)
      .end(isCertificate ? pem : '<ConfirmSubscriptionResponse/>')
  })
  const dialler = openDialler({
    config: { except: [], allowLoopback: true },
    resolve: async () => ['127.0.0.1'],
  })
  const get = (url: string, options: Parameters<typeof dialler.get>[1]) =>
    dialler.get(url.replace(/^https:\/\/[^/]+/, new URL(vendor.url).origin), options)
  const clock = (): number => NOW
  const keys = new VendorKeys({ get, failed: () => {}, clock })
  const visits = new Visits({ get, clock })
  const bodies = new RawBodies({ bodyCap: 1_048_576, inFlightCap: 8_388_608, slowBodyFloor: 1 })
  const seen = new Set<string>()
  const receiver = new Receiver({
    bodies,
    methods: new Set(['POST']),
    find: async () => ({
      id: 'chn_1',
      tenant: 'ten_1',
      name: 'a',
      source: found,
      settings: found.settings.parse(settings),
      workspaces: undefined,
      replayMs: DAY,
      paused: false,
      credentials: [],
    }),
    accept: async (proved) => {
      const digest = proved.delivery.digest.toString('hex')
      const fresh = !seen.has(digest)
      seen.add(digest)
      if (fresh) made.accepted.push(proved)
      return { fresh, id: 'dlv_1' }
    },
    admit: async () => undefined,
    noteRefusal: ({ reason, detail }) => made.reasons.push(detail === '' ? reason : `${reason} ${detail}`),
    tenantMismatch: async () => {},
    credentialUsed: () => {},
    report: () => {},
    failed: (_request, _channel, error) => assert.fail(String(error)),
    vendorKey: (ref, channel) => keys.read(ref, channel),
    visit: (url) => visits.visit(url),
    publicUrl: undefined,
    newRequestId: () => 'req_1',
    clock,
  })
  const server = createServer((request, response) => void receiver.answer(request, response)).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP server's
  t.after(async () => {
    bodies.close()
    server.closeAllConnections()
    server.close()
    await dialler.close()
  })
  async function post(body: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
    const type = { 'content-type': 'text/plain; charset=UTF-8' }
    return (await send(`http://127.0.0.1:${port}/in/chn_1`, { headers: { ...type, ...headers }, body }))
      .status
  }
  return made
}

type Members = Readonly<Record<string, string>>

/** As Amazon signs it, under `key`. */
function sns(more: Members = {}, key = KEY): Members {
  const message: Members = {
    Type: 'Notification',
    MessageId: MESSAGE_ID,
    TopicArn: TOPIC,
    Message: 'hello',
    Timestamp: new Date(NOW).toISOString(),
    SignatureVersion: '2',
    SigningCertURL: CERTIFICATE,
    ...more,
  }
  const signed = ['Message', 'MessageId', 'Subject', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
    .filter((name) => message[name] !== undefined)
    .map((name) => `${name}\n${message[name]}\n`)
    .join('')
  const hash = message['SignatureVersion'] === '1' ? 'sha1' : 'sha256'
  return { ...message, Signature: sign(hash, Buffer.from(signed), key.privateKey).toString('base64') }
}

const confirmation = (more: Members = {}): Members =>
  sns({
    Type: 'SubscriptionConfirmation',
    Token: '2336412f37fb687f',
    SubscribeURL: `${HOST}/?Action=ConfirmSubscription&TopicArn=${TOPIC}&Token=2336412f37fb687f`,
    ...more,
  })

const json = (value: unknown): string => JSON.stringify(value)
const atSns = (t: TestContext, more: object = {}): Promise<Gate> =>
  gate(t, 'aws-sns', { topics: [TOPIC], ...more }, 'sns.amazonaws.com')

test('aws-sns: messages of a listed topic are taken, in both signature versions, once', async (t) => {
  const it = await atSns(t)
  assert.equal(await it.post(json(sns())), 200)
  assert.equal(await it.post(json(sns())), 200)
  assert.equal(await it.post(json(sns({ SignatureVersion: '1', Subject: 'a subject' }))), 200)
  assert.equal(await it.post(json({ ...sns({ Message: 'x\nMessageId\ny' }), Subject: null })), 200)
  assert.equal(it.accepted.length, 3)
  const [first] = it.accepted
  assert.deepEqual(first?.facts.workspaces, ['123456789012'])
  assert.equal(first?.facts.deliveryId, MESSAGE_ID)
  assert.equal(first?.facts.text, 'hello')
  assert.deepEqual(it.asked, ['/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem'])
})

test('aws-sns: what is not signed so, for that topic, from that host, now, is refused', async (t) => {
  const it = await atSns(t)
  const cases: readonly (readonly [string, unknown])[] = [
    ['signature credentials tried: 1', { ...sns(), Message: 'changed' }],
    ['signature credentials tried: 1', { ...sns(), MessageId: MESSAGE_ID.replace('2', '3') }],
    ['signature credentials tried: 1', { ...sns(), Subject: 'added' }],
    ['signature credentials tried: 1', { ...sns(), SignatureVersion: '1' }],
    ['signature credentials tried: 1', sns({}, OTHER)],
    ['audience', sns({ TopicArn: `${TOPIC}-of-another` })],
    ['audience', sns({ TopicArn: TOPIC.replace('123456789012', '210987654321') })],
    ['cert-url', sns({ SigningCertURL: CERTIFICATE.replace('https', 'http') })],
    ['cert-url', sns({ SigningCertURL: CERTIFICATE.replace('eu-west-1', 'us-east-1') })],
    ['cert-url', sns({ SigningCertURL: CERTIFICATE.replace('.com', '.com.example.com') })],
    ['cert-url', sns({ SigningCertURL: CERTIFICATE.replace('https://', 'https://x@') })],
    ['cert-url', sns({ SigningCertURL: CERTIFICATE.replace('.com', '.com:8443') })],
    // Amazon's API answers queries on this host with text that anyone may have stored there.
    ['cert-url', sns({ SigningCertURL: `${HOST}/?Action=GetEndpointAttributes&x=.pem` })],
    ['cert-url', sns({ SigningCertURL: `${HOST}/a/../b.pem` })],
    ['cert-url', sns({ SigningCertURL: `${HOST}/cert.pem#x` })],
    ['malformed-header SignatureVersion', { ...sns(), SignatureVersion: '3' }],
    ['malformed-header SignatureVersion', { ...sns(), SignatureVersion: 2 }],
    ['malformed-header Message', { ...sns(), Message: { a: 1 } }],
    ['malformed-header Subject', sns({ Subject: 'a\nb' })],
    ['malformed-header MessageId', sns({ MessageId: `${MESSAGE_ID}\nSubject\nx` })],
    ['malformed-header Type', sns({ Type: 'Other' })],
    ['malformed-header Type', {}],
    ['malformed-header body', []],
    ['timestamp age 3601 s', sns({ Timestamp: new Date(NOW - 3_601_000).toISOString() })],
    ['malformed-header Timestamp', sns({ Timestamp: 'yesterday' })],
  ]
  for (const [reason, message] of cases) assert.equal(await it.post(json(message)), 401, reason)
  assert.deepEqual(
    it.reasons,
    cases.map(([reason]) => reason),
  )
  assert.equal(it.accepted.length, 0)
  assert.equal(it.asked.length, 1, 'nothing but the one certificate was fetched')
})

test('aws-sns: a member that stands twice is refused, however it is spelled', async (t) => {
  const it = await atSns(t)
  const good = json(sns())
  for (const doubled of ['"Message":"evil",', '"Mess\\u0061ge":"evil",', '"Message" :"evil",'])
    assert.equal(await it.post(good.replace('{', `{${doubled}`)), 401, doubled)
  assert.equal(await it.post(good.replace('{', '{"MessageAttributes":{"Message":{"Value":"x"}},')), 200)
})

test('aws-sns: a subscription is confirmed by one visit, after proof, at the topic’s own host', async (t) => {
  const it = await atSns(t)
  const body = json(confirmation())
  assert.equal(await it.post(body), 200)
  assert.equal(await it.post(body), 200)
  const visited = it.asked.filter((target) => target.startsWith('/?'))
  assert.deepEqual(visited, [`/?Action=ConfirmSubscription&TopicArn=${TOPIC}&Token=2336412f37fb687f`])
  assert.equal(it.accepted.length, 0, 'nothing is delivered')
  const url = confirmation()['SubscribeURL'] ?? ''
  for (const SubscribeURL of [
    url.replace('eu-west-1.amazonaws.com', 'eu-west-1.amazonaws.com.example.com'),
    url.replace('https', 'http'),
    url.replace('ConfirmSubscription', 'Publish'),
    url.replace('orders', 'others'),
    url.replace('2336412f37fb687f', '1'),
    'http://169.254.169.254/latest/meta-data/',
  ])
    assert.equal(await it.post(json(confirmation({ SubscribeURL }))), 400, SubscribeURL)
  assert.equal(await it.post(json({ ...confirmation(), Token: 'changed' })), 401)
  assert.equal(it.asked.filter((target) => target.startsWith('/?')).length, 1)
})

test('aws-sns: a confirmation that fails is asked for again; the end of a subscription is delivered, not undone', async (t) => {
  const it = await atSns(t)
  it.status = 500
  assert.equal(await it.post(json(confirmation())), 503)
  it.status = 200
  assert.equal(await it.post(json(confirmation())), 200)
  assert.equal(await it.post(json(confirmation({ Type: 'UnsubscribeConfirmation' }))), 200)
  assert.deepEqual(
    it.accepted.map(({ facts }) => facts.event),
    ['UnsubscribeConfirmation'],
  )
  assert.equal(it.asked.filter((target) => target.startsWith('/?')).length, 2)
})

test('aws-sns: SHA-1 can be left behind, and an empty list of topics cannot be had', async (t) => {
  const it = await atSns(t, { requireSha256: true })
  assert.equal(await it.post(json(sns())), 200)
  assert.equal(await it.post(json(sns({ SignatureVersion: '1' }))), 401)
  assert.equal(sourceNamed('aws-sns')?.settings.safeParse({ topics: [] }).success, false)
  assert.equal(sourceNamed('aws-sns')?.settings.safeParse({}).success, false)
})

const WEBHOOK = '9XL90610J3647323C'
const EVENT = json({
  id: 'WH-1',
  event_type: 'PAYMENT.CAPTURE.COMPLETED',
  resource: { id: 'R1' },
  summary: 'paid',
})
const CERT = 'https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270'

function paypal(body: string, more: Members = {}, webhook = WEBHOOK, key = KEY): Members {
  const headers: Members = {
    'content-type': 'application/json',
    'paypal-transmission-id': 'd938e770-8046-11e6-8103-6b62a8a99ac4',
    'paypal-transmission-time': new Date(NOW).toISOString().replace('.000', ''),
    'paypal-auth-algo': 'SHA256withRSA',
    'paypal-cert-url': CERT,
    ...more,
  }
  const { 'paypal-transmission-id': id, 'paypal-transmission-time': time } = headers
  const signed = `${id}|${time}|${webhook}|${crc32(body)}`
  return {
    'paypal-transmission-sig': sign('sha256', Buffer.from(signed), key.privateKey).toString('base64'),
    ...headers,
  }
}

const atPaypal = (
  t: TestContext,
  more: object = {},
  name = 'messageverificationcerts.paypal.com',
): Promise<Gate> => gate(t, 'paypal', { webhookId: WEBHOOK, ...more }, name)

test('paypal: an event of this webhook is taken, once', async (t) => {
  const it = await atPaypal(t)
  assert.equal(await it.post(EVENT, paypal(EVENT)), 200)
  assert.equal(await it.post(EVENT, paypal(EVENT)), 200)
  assert.equal(it.accepted.length, 1)
  assert.equal(it.accepted[0]?.facts.kind, 'payment')
  assert.deepEqual(it.asked, ['/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270'])
})

test('paypal: another body, webhook, key, algorithm, host or time is refused', async (t) => {
  const it = await atPaypal(t)
  const sandbox = CERT.replace('api.', 'api.sandbox.')
  const cases: readonly (readonly [string, Members, string?])[] = [
    ['signature credentials tried: 1', paypal(EVENT), `${EVENT} `],
    ['signature credentials tried: 1', paypal(EVENT, {}, '1JE4291016473214C')],
    ['signature credentials tried: 1', paypal(EVENT, {}, WEBHOOK, OTHER)],
    ['malformed-header paypal-auth-algo', paypal(EVENT, { 'paypal-auth-algo': 'SHA1withRSA' })],
    ['cert-url', paypal(EVENT, { 'paypal-cert-url': sandbox })],
    ['cert-url', paypal(EVENT, { 'paypal-cert-url': CERT.replace('api.', 'evil.') })],
    ['cert-url', paypal(EVENT, { 'paypal-cert-url': CERT.replace('.com', '.com.example.com') })],
    ['cert-url', paypal(EVENT, { 'paypal-cert-url': CERT.replace('https', 'http') })],
    ['cert-url', paypal(EVENT, { 'paypal-cert-url': `${CERT}/../../../x` })],
    ['cert-url', paypal(EVENT, { 'paypal-cert-url': `${CERT}?x=1` })],
    ['malformed-header paypal-transmission-id', paypal(EVENT, { 'paypal-transmission-id': 'a|b' })],
    ['malformed-header paypal-transmission-time', paypal(EVENT, { 'paypal-transmission-time': 'now' })],
    ['timestamp age 259201 s', paypal(EVENT, { 'paypal-transmission-time': '2025-12-29T11:59:59Z' })],
    ['missing-header paypal-transmission-sig', { ...paypal(EVENT), 'paypal-transmission-sig': '' }],
  ]
  for (const [reason, headers, body = EVENT] of cases) assert.equal(await it.post(body, headers), 401, reason)
  assert.deepEqual(
    it.reasons,
    cases.map(([reason]) => reason),
  )
})

test('paypal: a certificate for another name proves nothing, the sandbox’s only in the sandbox', async (t) => {
  const other = await atPaypal(t, {}, 'mail.paypal.com')
  assert.equal(await other.post(EVENT, paypal(EVENT)), 401)
  const name = 'messageverificationcerts.sandbox.paypal.com'
  assert.equal(await (await atPaypal(t, {}, name)).post(EVENT, paypal(EVENT)), 401)
  const headers = paypal(EVENT, { 'paypal-cert-url': CERT.replace('api.', 'api.sandbox.') })
  assert.equal(await (await atPaypal(t, { environment: 'sandbox' }, name)).post(EVENT, headers), 200)
})
