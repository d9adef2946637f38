/**
 * The chat platforms: what their deliveries say, and the ways in which receivers of them were fooled, each a test by name.
 * In: requests as the vendor, an attacker or a careless proxy makes them. Out: what must happen. Refuses to pass when a
 * trap works here.
 */
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { type VerifyingKey, macKey, tokenKey } from '@gatehouse/proof/webhook.ts'
import { solved } from './challenge.ts'
import { check } from './check.ts'
import { parse } from './parse.ts'
import { read } from './read.ts'
import { NOW, SECRET, mac, request, source } from './signing.fixture.ts'
import type { Facts, Malformed, RawRequest } from './source.ts'
import { VerifiedDelivery } from './verify.ts'

const TOKEN = '110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw'
const MATTERMOST_TOKEN = 'okwexkjpe7ygb8eq1ww58t483w'
const VERIFY = 'a verify token, typed twice'
const TEAMS_TOKEN = Buffer.alloc(32, 7).toString('base64')

/** The text of each source's own credential where it is not the fixture's secret. */
const SECRETS: Readonly<Record<string, string>> = {
  mattermost: MATTERMOST_TOKEN,
  'telegram-init-data': TOKEN,
  'teams-outgoing': TEAMS_TOKEN,
}

const base64 = (...parts: readonly (string | Buffer)[]) =>
  Buffer.from(mac(...parts), 'hex').toString('base64')

/** Signed as the vendor signs a body; `time` where it signs one. */
function signed(name: string, body: string, time = String(NOW)): RawRequest {
  switch (name) {
    case 'line':
      return request(body, { 'x-line-signature': base64(body) })
    case 'viber':
      return request(body, { 'x-viber-content-signature': mac(body) })
    case 'zoom':
      return request(body, {
        'x-zm-request-timestamp': time,
        'x-zm-signature': `v0=${mac('v0:', time, ':', body)}`,
      })
    case 'x':
      return request(body, { 'x-twitter-webhooks-signature': `sha256=${base64(body)}` })
    case 'web':
      return request(body, {
        'x-gatehouse-timestamp': time,
        'x-gatehouse-signature': `v1=${mac(time, '.', body)}`,
      })
    case 'teams-outgoing': {
      const value = createHmac('sha256', Buffer.from(TEAMS_TOKEN, 'base64')).update(body).digest('base64')
      return request(body, { authorization: `HMAC ${value}` })
    }
    case 'whatsapp':
    case 'messenger':
    case 'instagram':
      return request(body, { 'x-hub-signature-256': `sha256=${mac(body)}` })
    default:
      return request(body, {})
  }
}

/** A channel with all the credentials its source knows. */
function channel(name: string, settings: unknown = {}) {
  const found = source(name)
  const usable = found.settings.parse(settings)
  const credentials = [{ id: 'crd_0', key: found.key(SECRETS[name] ?? SECRET, usable, '') }]
  if (found.otherCredentials?.['verify-token'] !== undefined)
    credentials.push({ id: 'crd_1', key: found.key(VERIFY, usable, 'verify-token') })
  return { source: found, settings: usable, credentials }
}

function outcome(name: string, sent: RawRequest, now = NOW): Facts | Malformed | string {
  const proving = channel(name)
  const verdict = VerifiedDelivery.verify(proving, sent, now)
  return verdict instanceof VerifiedDelivery
    ? read(verdict, proving.source, proving.settings)
    : verdict.refused
}

function facts(name: string, sent: RawRequest): Facts {
  const found = outcome(name, sent)
  if (typeof found === 'string') throw new Error(found)
  if ('malformed' in found) throw new Error(found.malformed)
  return found
}

function said(name: string, body: unknown): Facts {
  return facts(name, signed(name, JSON.stringify(body)))
}

function digestOf(name: string, sent: RawRequest): string {
  const verdict = VerifiedDelivery.verify(channel(name), sent, NOW)
  if (!(verdict instanceof VerifiedDelivery)) throw new Error(verdict.refused)
  return verdict.digest.toString('hex')
}

/** What the vendor hears to a question that it signed. */
function answered(name: string, sent: RawRequest): unknown {
  const proving = channel(name)
  const verdict = VerifiedDelivery.verify(proving, sent, NOW)
  const found = facts(name, sent)
  if (!(verdict instanceof VerifiedDelivery) || found.challenge === undefined) throw new Error('no challenge')
  return JSON.parse(solved(proving.credentials, verdict, found.challenge).body ?? '')
}

function get(query: string, headers: Readonly<Record<string, string>> = {}): RawRequest {
  return { ...request('', headers), method: 'GET', target: `/in/a?${query}` }
}

function signedGet(query: string): RawRequest {
  return get(query, { 'x-twitter-webhooks-signature': `sha256=${base64(query)}` })
}

function validation(plainToken: unknown): string {
  return JSON.stringify({ event: 'endpoint.url_validation', payload: { plainToken } })
}

test('zoom: a signed validation is answered with the token and its HMAC', () => {
  const plainToken = 'qgg8vlvZRS6UYooatFL8Aw'
  const sent = signed('zoom', validation(plainToken))
  assert.deepEqual(answered('zoom', sent), { plainToken, encryptedToken: mac(plainToken) })
  assert.equal(outcome('zoom', signed('zoom', validation(plainToken)), NOW + 301), 'timestamp')
})

test('challenge as signing oracle: zoom signs no plainToken that could be an event', () => {
  const event = `v0:${NOW}:{"event":"meeting.started"}`
  for (const odd of [event, `v0:${NOW}:`, 'a:b', 'a b', '{}', 'a\n', '', 'a'.repeat(129), 7, null, ['a']])
    assert.deepEqual(
      outcome('zoom', signed('zoom', validation(odd))),
      { malformed: 'challenge' },
      String(odd),
    )
  const unsigned = request(validation('abc'), { 'x-zm-request-timestamp': String(NOW) })
  assert.equal(outcome('zoom', unsigned), 'missing-header')
})

test('challenge as signing oracle: no answer of zoom’s is ever the signature of an event', () => {
  const plain = fc.oneof(fc.string(), fc.stringMatching(/^v0:\d{1,12}:.*$/), fc.base64String())
  fc.assert(
    fc.property(plain, (plainToken) => {
      const found = outcome('zoom', signed('zoom', validation(plainToken)))
      if (typeof found === 'string' || 'malformed' in found) return
      // What was signed must not be `v0:{time}:{body}` for any time and body.
      assert.doesNotMatch(found.challenge?.parts.join('') ?? '', /^v0:\d+:/)
    }),
  )
})

test('challenge as signing oracle: an odd question is refused in a recorded request, too', () => {
  const record = (plainToken: string) => {
    const { headers, body } = signed('zoom', validation(plainToken))
    return {
      provider: 'zoom',
      secret: SECRET,
      headers: Object.fromEntries(headers),
      body: body.toString(),
      now: NOW,
    }
  }
  assert.equal(
    check(record('abc')).handshake?.body,
    JSON.stringify({ plainToken: 'abc', encryptedToken: mac('abc') }),
  )
  const odd = check(record(`v0:${NOW}:{}`))
  assert.deepEqual([odd.verdict, odd.reason, odd.handshake], ['reject', 'malformed', undefined])
})

test('a challenge is answered under the credential that proved it, or not at all', () => {
  const sent = signed('zoom', validation('abc'))
  const proving = channel('zoom')
  const verdict = VerifiedDelivery.verify(proving, sent, NOW)
  const { challenge } = facts('zoom', sent)
  assert.ok(verdict instanceof VerifiedDelivery && challenge !== undefined)
  const answer = (key: VerifyingKey, id = 'crd_0') => solved([{ id, key }], verdict, challenge)
  const sealed = Buffer.from(SECRET)
  assert.equal(answer(macKey('hmac-sha256', sealed)).status, 200)
  assert.throws(() => answer(macKey('hmac-sha1', sealed)), /not a MAC key/)
  assert.throws(() => answer(tokenKey(SECRET)), /not a MAC key/)
  assert.throws(() => answer(macKey('hmac-sha256', sealed), 'crd_9'), /not a MAC key/)
})

test('x: a signed question is answered with the HMAC of its token', () => {
  const token = 'MDgxOWE5MjctNTlhZC00ZTRlLWE2NzYtZTE0OTYxNGE3MDFh'
  const response = answered('x', signedGet(`crc_token=${token}&nonce=abc`))
  assert.deepEqual(response, { response_token: `sha256=${base64(token)}` })
})

test('challenge as signing oracle: x answers no unsigned question, and no token that could be an event', () => {
  assert.equal(outcome('x', get('crc_token=abc')), 'missing-header')
  const forged = get('crc_token=abc', { 'x-twitter-webhooks-signature': `sha256=${base64('crc_token=abd')}` })
  assert.equal(outcome('x', forged), 'signature')
  for (const odd of [
    '%7B%22for_user_id%22%3A%221%22%7D',
    '%5B%5D',
    'a%20b',
    '%22a%22',
    'a%0A',
    '',
    'a'.repeat(257),
  ])
    assert.deepEqual(outcome('x', signedGet(`crc_token=${odd}`)), { malformed: 'challenge' }, odd)
  assert.deepEqual(outcome('x', signedGet('nonce=a')), { malformed: 'challenge' })
  assert.deepEqual(outcome('x', signedGet('crc_token=a&crc_token=b')), { malformed: 'challenge' })
})

test('challenge as signing oracle: x takes no body that could be a question or its token', () => {
  for (const odd of ['abc', '123456', 'true', 'MDgxOWE5Mjc=', 'crc_token=abc', 'nonce=x&crc_token=abc'])
    assert.deepEqual(outcome('x', signed('x', odd)), { malformed: 'challenge' }, odd)
  const link = said('x', {
    for_user_id: '1',
    tweet_create_events: [{ text: 'https://a.example/?b&crc_token=c' }],
  })
  assert.equal(link.kind, 'message')
})

for (const name of ['whatsapp', 'messenger', 'instagram']) {
  const question = (token: string, challenge = '1158201444') =>
    get(
      `hub.mode=subscribe&hub.challenge=${encodeURIComponent(challenge)}&hub.verify_token=${encodeURIComponent(token)}`,
    )

  test(`${name}: the challenge comes back as text, for the verify token only`, () => {
    assert.deepEqual(facts(name, question(VERIFY)).handshake, {
      status: 200,
      contentType: 'text/plain',
      body: '1158201444',
    })
    assert.equal(outcome(name, question('another')), 'signature')
    for (const odd of ['<script>', 'a b', '', 'a\r\nb', 'a'.repeat(257)])
      assert.deepEqual(outcome(name, question(VERIFY, odd)), { malformed: 'challenge' }, odd)
  })

  test(`one key for two uses: ${name}'s app secret is no verify token, nor the other way round`, () => {
    assert.equal(outcome(name, question(SECRET)), 'signature')
    const underVerifyToken = createHmac('sha256', VERIFY).update('{}').digest('hex')
    const sent = request('{}', { 'x-hub-signature-256': `sha256=${underVerifyToken}` })
    assert.equal(outcome(name, sent), 'signature')
    assert.equal(outcome(name, { ...question(VERIFY), method: 'POST' }), 'missing-header')
  })

  test(`identity, not just signature: ${name} refuses what one secret signs for another product`, () => {
    const objects = { whatsapp: 'whatsapp_business_account', messenger: 'page', instagram: 'instagram' }
    for (const [product, object] of Object.entries(objects)) {
      const body = JSON.stringify({ object, entry: [{ id: '1' }] })
      const found = outcome(name, signed(name, body))
      assert.deepEqual(
        found,
        product === name ? { workspaces: ['1'], kind: 'other' } : { malformed: 'object' },
        product,
      )
    }
    const nameless = `{"object":${JSON.stringify(objects[name as keyof typeof objects])},"entry":[{"id":"1"},{}]}`
    assert.deepEqual(outcome(name, signed(name, nameless)), { malformed: 'entry' })
  })
}

test('header fallbacks: no source looks for its proof in a second place', () => {
  const body = '{"event":"message"}'
  const inUrl = { ...request(body, {}), target: `/in/a?sig=${mac(body)}` }
  assert.equal(outcome('viber', inUrl), 'missing-header')
  const sha1 = request('{}', { 'x-hub-signature': `sha1=${mac('{}')}` })
  assert.equal(outcome('whatsapp', sha1), 'missing-header')
  const authorized = request('text=a', { authorization: `Token ${MATTERMOST_TOKEN}` })
  assert.equal(outcome('mattermost', authorized), 'missing-header')
})

test('unauthenticated timestamps: sources that sign no time have no window, and say so', () => {
  for (const name of [
    'line',
    'viber',
    'x',
    'mattermost',
    'whatsapp',
    'messenger',
    'instagram',
    'teams-outgoing',
  ])
    assert.equal(source(name).tolerance, undefined, name)
  const { body } = request('{"event":"a","timestamp":1}', {})
  const sent = request(body, { 'x-viber-content-signature': mac(body), date: new Date(0).toUTCString() })
  assert.notEqual(outcome('viber', sent, NOW + 1e9), 'timestamp')
})

test('unsigned delivery ids: a changed header changes neither id nor digest', () => {
  const sent = signed('zoom', '{"event":"meeting.ended"}')
  const other = { ...sent, headers: new Map([...sent.headers, ['x-zm-trackingid', 'a']]) }
  assert.equal(digestOf('zoom', sent), digestOf('zoom', other))
  assert.equal(facts('zoom', sent).deliveryId, facts('zoom', other).deliveryId)
})

test('zoom: a repeat under a new time is known again', () => {
  const body = '{"event":"meeting.ended","event_ts":1}'
  const [first, again] = [signed('zoom', body), signed('zoom', body, String(NOW + 60))]
  assert.notEqual(digestOf('zoom', first), digestOf('zoom', again))
  assert.match(facts('zoom', first).deliveryId ?? '', /^sha256:[0-9a-f]{64}$/)
  assert.equal(facts('zoom', first).deliveryId, facts('zoom', again).deliveryId)
})

test('line: a redelivery is known by the ids of its events', () => {
  const events = (isRedelivery: boolean, ...ids: readonly string[]) => ({
    destination: 'U1',
    events: ids.map((webhookEventId) => ({
      type: 'message',
      webhookEventId,
      deliveryContext: { isRedelivery },
    })),
  })
  const id = (...all: Parameters<typeof events>) => said('line', events(...all)).deliveryId
  assert.equal(id(true, 'a'), 'a')
  assert.equal(id(false, 'a', 'b'), id(true, 'a', 'b'))
  assert.match(id(false, 'a', 'b') ?? '', /^sha256:[0-9a-f]{64}$/)
  const others = [id(false, 'b', 'a'), id(false, 'a'), id(false, 'a","b'), id(false, 'a', 'b', 'c')]
  assert.equal(new Set([...others, id(false, 'a', 'b'), id(false, 'a', 'bc'), id(false, 'ab', 'c')]).size, 7)
  const one = { type: 'message', webhookEventId: 'a' }
  assert.equal(said('line', { events: [one, { type: 'message' }] }).deliveryId, undefined)
})

test('line: no events is a question, one is a message, several say what they share', () => {
  assert.deepEqual(said('line', { destination: 'U1', events: [] }).handshake, { status: 200 })
  const message = (userId: string, text: string) => ({
    type: 'message',
    webhookEventId: text,
    source: { type: 'group', groupId: 'C1', userId },
    message: { type: 'text', text },
  })
  assert.deepEqual(said('line', { destination: 'U1', events: [message('Ua', 'hi')] }), {
    workspaces: ['U1'],
    kind: 'message',
    deliveryId: 'hi',
    event: 'message',
    actor: { id: 'Ua' },
    conversation: { id: 'C1' },
    text: 'hi',
  })
  const { deliveryId: _, ...shared } = said('line', {
    destination: 'U1',
    events: [message('Ua', 'hi'), message('Ub', 'ho')],
  })
  assert.deepEqual(shared, {
    workspaces: ['U1'],
    kind: 'message',
    event: 'message',
    conversation: { id: 'C1' },
  })
  const mixed = {
    destination: 'U1',
    events: [message('Ua', 'hi'), { type: 'follow', source: { userId: 'Ua' } }],
  }
  assert.deepEqual(said('line', mixed), { workspaces: ['U1'], kind: 'other', actor: { id: 'Ua' } })
})

test('raw bytes: viber’s token keeps digits that no JavaScript number has', () => {
  const body = (token: string) =>
    `{"event":"message","message_token":${token},"sender":{"id":"u=","name":"n"},"message":{"text":"\\"message_token\\":1"}}`
  const id = (token: string) => facts('viber', signed('viber', body(token))).deliveryId
  assert.equal(id('4912661846655238145'), 'message:4912661846655238145:u=')
  // One number to JSON.parse, two messages to Viber.
  assert.notEqual(id('4912661846655238145'), id('4912661846655238146'))
  assert.equal(id('1e3'), undefined)
  assert.equal(id('-1'), undefined)
})

test('viber: one token names a message, its receipts and every reader, each on its own', () => {
  const id = (event: string, user_id: string) =>
    said('viber', { event, user_id, message_token: 5 }).deliveryId
  const ids = [id('delivered', 'a'), id('seen', 'a'), id('seen', 'b')]
  assert.equal(new Set(ids).size, 3)
  assert.deepEqual(said('viber', { event: 'webhook', message_token: 5 }).handshake, { status: 200 })
})

test('whatsapp: accounts and numbers are named, and statuses are not taken for their message', () => {
  const value = (more: object) => ({
    object: 'whatsapp_business_account',
    entry: [
      { id: 'W1', changes: [{ field: 'messages', value: { metadata: { phone_number_id: 'P1' }, ...more } }] },
    ],
  })
  const messages = [{ id: 'wamid.1', from: '420', type: 'text', text: { body: 'hi' } }]
  assert.deepEqual(
    said('whatsapp', value({ messages, contacts: [{ wa_id: '420', profile: { name: 'n' } }] })),
    {
      workspaces: ['W1', 'P1'],
      kind: 'message',
      deliveryId: 'wamid.1',
      event: 'messages.text',
      actor: { id: '420', name: 'n' },
      conversation: { id: '420' },
      text: 'hi',
    },
  )
  const status = (of: string) =>
    said('whatsapp', value({ statuses: [{ id: 'wamid.1', status: of, timestamp: '1' }] }))
  assert.deepEqual([status('sent').event, status('sent').deliveryId], ['statuses.sent', 'wamid.1:sent:1'])
  assert.notEqual(status('sent').deliveryId, status('read').deliveryId)
  const update = { id: 'W1', changes: [{ field: 'account_update', value: {} }] }
  assert.deepEqual(said('whatsapp', { object: 'whatsapp_business_account', entry: [update] }), {
    workspaces: ['W1'],
    kind: 'other',
    event: 'account_update',
  })
})

test('messenger: what only mentions a message does not take its id', () => {
  const item = (more: object) =>
    said('messenger', { object: 'page', entry: [{ id: 'P', messaging: [{ sender: { id: 'u' }, ...more }] }] })
  const message = item({ message: { mid: 'm1', text: 'hi' } })
  assert.deepEqual(message, {
    workspaces: ['P'],
    kind: 'message',
    deliveryId: 'm1',
    event: 'message',
    actor: { id: 'u' },
    conversation: { id: 'u' },
    text: 'hi',
  })
  const about = [
    { message: { mid: 'm1', is_deleted: true } },
    { message_edit: { mid: 'm1', text: 'ho' } },
    { reaction: { mid: 'm1', emoji: '👍' } },
    { delivery: { mids: ['m1'] } },
  ]
  assert.deepEqual(
    about.map((one) => item(one).deliveryId),
    [undefined, undefined, undefined, undefined],
  )
  const standby = { id: 'P', standby: [{ sender: { id: 'u' }, message: { mid: 'm1' } }] }
  const watched = said('messenger', { object: 'page', entry: [standby] })
  assert.deepEqual([watched.event, watched.deliveryId], ['standby.message', undefined])
  const echo = item({ sender: { id: 'P' }, recipient: { id: 'u' }, message: { mid: 'm2', is_echo: true } })
  assert.deepEqual([echo.event, echo.conversation], ['message_echo', { id: 'u' }])
})

test('meta: a batch names every account in it', () => {
  const entry = ['P1', 'P2', 'P1'].map((id) => ({ id, messaging: [{ message: { mid: id } }] }))
  assert.deepEqual(said('messenger', { object: 'page', entry }).workspaces, ['P1', 'P2'])
  const comment = {
    field: 'comments',
    value: { from: { id: 'u', username: 'n' }, media: { id: 'm' }, text: 't' },
  }
  assert.deepEqual(said('instagram', { object: 'instagram', entry: [{ id: 'I', changes: [comment] }] }), {
    workspaces: ['I'],
    kind: 'comment',
    event: 'comments',
    actor: { id: 'u', name: 'n' },
    conversation: { id: 'm' },
    text: 't',
  })
})

test('x: account activity and X activity', () => {
  const message = { message_create: { sender_id: '3', message_data: { text: 'hi' } } }
  assert.deepEqual(said('x', { for_user_id: '1', direct_message_events: [message] }), {
    workspaces: ['1'],
    kind: 'message',
    event: 'direct_message_events',
    actor: { id: '3' },
    conversation: { id: '3' },
    text: 'hi',
  })
  const bio = { filter: { user_id: '1' }, event_type: 'profile.update.bio', event_uuid: 'e1', payload: {} }
  assert.deepEqual(said('x', { data: bio }), {
    workspaces: ['1'],
    kind: 'other',
    deliveryId: 'e1',
    event: 'profile.update.bio',
  })
  assert.deepEqual(facts('x', signed('x', 'Test Payload Body')), { workspaces: [], kind: 'other' })
})

test('mattermost: a command and a webhook, read after no more than the caps allow', () => {
  const command = new URLSearchParams({
    token: MATTERMOST_TOKEN,
    team_id: 't',
    channel_id: 'c',
    channel_name: 'town-square',
    user_id: 'u',
    user_name: 'n',
    command: '/test',
    text: 'asd',
    trigger_id: 'g',
  }).toString()
  assert.deepEqual(facts('mattermost', request(command, {})), {
    workspaces: ['t'],
    kind: 'command',
    deliveryId: 'g',
    event: '/test',
    actor: { id: 'u', name: 'n' },
    conversation: { id: 'c', name: 'town-square' },
    text: 'asd',
  })
  const crowded = `token=${MATTERMOST_TOKEN}${'&a'.repeat(2_000)}`
  const deep = `{"token":"${MATTERMOST_TOKEN}","a":${'['.repeat(100)}${']'.repeat(100)}}`
  const long = `token=${MATTERMOST_TOKEN}&text=${'a'.repeat(262_144)}`
  for (const body of [crowded, deep, long])
    assert.equal(outcome('mattermost', request(body, {})), 'malformed-header')
})

test('mattermost: a copied delivery has the digest of its body', () => {
  const body = (text: string) => request(`token=${MATTERMOST_TOKEN}&text=${text}`, {})
  assert.equal(digestOf('mattermost', body('a')), digestOf('mattermost', body('a')))
  assert.notEqual(digestOf('mattermost', body('a')), digestOf('mattermost', body('b')))
})

/** Init data as Telegram signs it with the bot's token. */
function initData(fields: Readonly<Record<string, string>>, order = Object.keys(fields)): string {
  const lines = Object.keys(fields)
    .toSorted()
    .map((name) => `${name}=${fields[name]}`)
  const key = createHmac('sha256', 'WebAppData').update(TOKEN).digest()
  const hash = createHmac('sha256', key).update(lines.join('\n')).digest('hex')
  const sent = order.map((name) => `${name}=${encodeURIComponent(fields[name] ?? '')}`)
  return [...sent, `hash=${hash}`].join('&')
}

const OPENED = {
  auth_date: String(NOW),
  query_id: 'AAH',
  start_param: 'promo',
  user: '{"id":7,"first_name":"A & = b","language_code":"cs"}',
}

test('telegram init data: who opened the app, from where, and how', () => {
  assert.deepEqual(facts('telegram-init-data', request(initData(OPENED), {})), {
    workspaces: [],
    kind: 'interaction',
    deliveryId: 'AAH',
    event: 'init-data',
    actor: { id: '7', name: 'A & = b' },
    text: 'promo',
    locale: 'cs',
  })
})

test('telegram init data: order and spelling make no second delivery', () => {
  const [one, other] = [initData(OPENED), initData(OPENED, ['user', 'query_id', 'start_param', 'auth_date'])]
  const spelt = one.replace('promo', '%70romo')
  const digests = [one, other, spelt].map((body) => digestOf('telegram-init-data', request(body, {})))
  assert.equal(new Set(digests).size, 1)
})

test('telegram init data: its window has two different sides', () => {
  const at = (now: number) => outcome('telegram-init-data', request(initData(OPENED), {}), now)
  assert.notEqual(at(NOW + 86_400), 'timestamp')
  assert.equal(at(NOW + 86_401), 'timestamp')
  assert.notEqual(at(NOW - 300), 'timestamp')
  assert.equal(at(NOW - 301), 'timestamp')
  assert.equal(at(Number.NaN), 'timestamp')
})

test('telegram init data: one signed text is cut into fields in one way only', () => {
  const { user, ...rest } = OPENED
  const merged = { ...rest, start_param: `${rest.start_param}\nuser=${user}` }
  const hash = (text: string) => text.slice(text.lastIndexOf('&hash='))
  // The same text is signed; only the cut differs, and the user would be gone.
  assert.equal(hash(initData(merged)), hash(initData(OPENED)))
  assert.equal(outcome('telegram-init-data', request(initData(merged), {})), 'malformed-header')
  const doubled = `${initData(OPENED)}&user=%7B%22id%22%3A8%7D`
  assert.equal(outcome('telegram-init-data', request(doubled, {})), 'malformed-header')
})

test('telegram init data: a channel takes one of the two signatures, never either', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
  const botId = '110201543'
  const lines = Object.entries(OPENED)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')
  const signature = sign(null, Buffer.from(`${botId}:WebAppData\n${lines}`), privateKey).toString('base64url')
  const both = `${initData({ ...OPENED, signature })}`
  const init = source('telegram-init-data')
  const thirdParty = init.settings.parse({ botId })
  const key = init.key(raw, thirdParty, 'public-key')
  const verify = (body: string) => {
    const proving = { source: init, settings: thirdParty, credentials: [{ id: 'c', key }] }
    const verdict = VerifiedDelivery.verify(proving, request(body, {}), NOW)
    return verdict instanceof VerifiedDelivery ? 'proved' : verdict.refused
  }
  assert.equal(verify(both), 'proved')
  assert.equal(verify(initData(OPENED)), 'missing-header')
  assert.equal(verify(both.replace(/signature=../, 'signature=AA')), 'signature')
  assert.throws(() => init.key(TOKEN, thirdParty, ''), RangeError)
  assert.throws(() => init.key(raw, init.settings.parse({}), 'public-key'), RangeError)
})

test('web: our own shape, and nothing of another', () => {
  const message = {
    id: 7,
    kind: 'order',
    event: 'order.paid',
    workspace: 'w',
    actor: { id: 'u', name: 'n' },
    conversation: { id: 'c' },
    text: 'hi',
    locale: 'cs',
    more: [1],
  }
  const { id, more: _, workspace, ...rest } = message
  assert.deepEqual(said('web', message), { ...rest, workspaces: [workspace], deliveryId: String(id) })
  assert.deepEqual(said('web', {}), { workspaces: [], kind: 'message' })
  const odd: readonly [unknown, string][] = [
    [{ text: 7 }, 'text'],
    [{ actor: { name: 'n' } }, 'actor.id'],
    [{ workspace: '' }, 'workspace'],
    [[], 'body'],
  ]
  for (const [body, at] of odd)
    assert.deepEqual(outcome('web', signed('web', JSON.stringify(body))), { malformed: at }, at)
})

test('web: proof at 299 seconds, none at 301, and a word for each reason', () => {
  const sent = signed('web', '{}')
  for (const now of [NOW + 299, NOW - 299, NOW + 300])
    assert.ok(typeof outcome('web', sent, now) === 'object')
  for (const now of [NOW + 301, NOW - 301]) assert.equal(outcome('web', sent, now), 'timestamp')
  assert.equal(outcome('web', { ...sent, body: Buffer.from('{} ') }), 'signature')
})

test('teams-outgoing: the answer is a message, and the tenant is named', () => {
  const activity = {
    type: 'message',
    id: '1',
    text: '<at>bot</at> hi',
    from: { id: '29:x', aadObjectId: 'a', name: 'n' },
    conversation: { id: '19:c' },
    channelData: { tenant: { id: 'T' } },
  }
  assert.deepEqual(said('teams-outgoing', activity), {
    workspaces: ['T'],
    kind: 'message',
    deliveryId: '1',
    event: 'message',
    actor: { id: 'a', name: 'n' },
    conversation: { id: '19:c' },
    text: '<at>bot</at> hi',
    ack: { status: 200, contentType: 'application/json', body: '{"type":"message","text":"Received."}' },
  })
  assert.throws(() => source('teams-outgoing').key('c2hvcnQ=', { reply: 'a' }), RangeError)
})

test('zoom: a chatbot command and a chat message', () => {
  const payload = { accountId: 'A', cmd: 'go', toJid: 'c@x', channelName: 'ops', userId: 'u', userName: 'n' }
  const { deliveryId: _, ...command } = said('zoom', { event: 'bot_notification', payload })
  assert.deepEqual(command, {
    workspaces: ['A'],
    kind: 'command',
    event: 'bot_notification',
    actor: { id: 'u', name: 'n' },
    conversation: { id: 'c@x', name: 'ops' },
    text: 'go',
  })
  const object = { message: 'hi', channel_id: 'c' }
  const chat = said('zoom', { event: 'chat_message.sent', payload: { account_id: 'A', object } })
  assert.deepEqual([chat.kind, chat.text, chat.conversation], ['message', 'hi', { id: 'c' }])
})

const CHAT = [
  'line',
  'viber',
  'zoom',
  'x',
  'mattermost',
  'whatsapp',
  'messenger',
  'instagram',
  'web',
  'teams-outgoing',
]

test('facts() never throws over what these platforms call things', () => {
  const names = fc.constantFrom(
    'object',
    'entry',
    'events',
    'changes',
    'value',
    'id',
    'event',
    'payload',
    'data',
  )
  const more = fc.constantFrom(
    'messaging',
    'messages',
    'statuses',
    'metadata',
    'message',
    'message_token',
    'source',
  )
  const texts = fc.constantFrom(
    'page',
    'instagram',
    'whatsapp_business_account',
    'message',
    'endpoint.url_validation',
  )
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 5 },
      fc.jsonValue(),
      texts,
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(fc.oneof(names, more), tie('any')),
    ),
  })).any
  fc.assert(
    fc.property(value, (body) => {
      const bytes = Buffer.from(JSON.stringify(body))
      for (const name of CHAT) {
        const each = source(name)
        const parsed = parse(bytes, each.bodies)
        if (!('malformed' in parsed)) each.facts(request(bytes, {}), parsed, each.settings.parse({}))
      }
    }),
  )
})

test('claim() never throws, whatever the query, the bytes and the headers', () => {
  const names = fc.constantFrom('authorization', 'x-twitter-webhooks-signature', 'x-hub-signature-256')
  const value = fc.oneof(fc.string(), fc.stringMatching(/^(sha256=|HMAC )?[0-9a-zA-Z+/=]{0,64}$/))
  fc.assert(
    fc.property(fc.string(), fc.uint8Array(), fc.dictionary(names, value), (query, bytes, headers) => {
      for (const name of [...CHAT, 'telegram-init-data']) {
        const each = source(name)
        for (const method of each.methods) {
          const sent = { ...request(Buffer.from(bytes), headers), method, target: `/in/a?${query}` }
          each.claim(sent, each.settings.parse({}))
        }
      }
    }),
  )
})
