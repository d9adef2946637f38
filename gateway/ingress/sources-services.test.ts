/**
 * Ways in which receivers of forges, shops and telephone services were fooled, each a test by name. In: requests as an
 * attacker, a careless proxy or the vendor itself makes them. Out: what must happen instead. Refuses to pass when one of
 * them works here.
 */
import assert from 'node:assert/strict'
import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import { once, pairsOf } from './pairs.ts'
import { read } from './read.ts'
import { NOW, SECRET, channel, mac, request, source } from './signing.fixture.ts'
import type { Facts, Malformed, RawRequest } from './source.ts'
import { type ProvingChannel, VerifiedDelivery } from './verify.ts'

const URL_CALLED = 'https://gate.example/in/chn_1'
const FORM = 'AccountSid=AC1&Body=hi&From=%2B1&MessageSid=SM1&SmsStatus=received&To=%2B2'
const FORM_SIGNED = 'AccountSidAC1BodyhiFrom+1MessageSidSM1SmsStatusreceivedTo+2'
const SHOP = 'some-shop.myshopify.com'

test('a GitLab channel takes the proof it is set to, and never the other', () => {
  const body = '{"object_kind":"push"}'
  const key = Buffer.from('testtesttesttesttesttesttesttest')
  const signingToken = `whsec_${key.toString('base64')}`
  const made = createHmac('sha256', key).update(`id.${NOW}.${body}`).digest('base64')
  const signed = { 'webhook-id': 'id', 'webhook-timestamp': String(NOW), 'webhook-signature': `v1,${made}` }
  const bySignature = channel('gitlab', { mode: 'signed' }, [signingToken])
  const byToken = channel('gitlab', {}, [signingToken])
  assert.equal(verdict(bySignature, request(body, signed)), 'proved')
  assert.equal(verdict(bySignature, request(body, { 'x-gitlab-token': signingToken })), 'missing-header')
  assert.equal(verdict(byToken, request(body, { 'x-gitlab-token': signingToken })), 'proved')
  assert.equal(verdict(byToken, request(body, signed)), 'missing-header')
  // Both at once: the one that is asked for decides.
  const both = (token: string, mac64: string) =>
    request(body, { ...signed, 'webhook-signature': `v1,${mac64}`, 'x-gitlab-token': token })
  assert.equal(verdict(bySignature, both(signingToken, 'AAAA')), 'signature')
  assert.equal(verdict(byToken, both('wrong', made)), 'signature')
})

test('a GitLab credential that we make up is good for either mode', () => {
  const gitlab = source('gitlab')
  const key = (secret: string, settings: object) => gitlab.key(secret, gitlab.settings.parse(settings))
  const made = gitlab.credential.make?.(Buffer.alloc(32, 7)) ?? ''
  for (const mode of ['token', 'signed']) assert.ok(key(made, { mode }))
  assert.throws(() => key('a secret token', { mode: 'signed' }), RangeError)
  assert.throws(() => key(' ', {}), RangeError)
})

test('a delivery id that is not signed leaves the digest as it is, whoever sends it', () => {
  const body = '{"a":1}'
  const one = (name: string, id: string, headers: Readonly<Record<string, string>>) =>
    ['1', '2', ''].map((value) => proved(name, request(body, { ...headers, [id]: value })))
  const all = [
    ...['gitea', 'gogs', 'forgejo'].map((name) =>
      one(name, `x-${name}-delivery`, { [`x-${name}-signature`]: mac(body) }),
    ),
    one('bitbucket', 'x-request-uuid', { 'x-hub-signature': `sha256=${mac(body)}` }),
    one('gitlab', 'idempotency-key', { 'x-gitlab-token': SECRET }),
    one('shopify', 'x-shopify-webhook-id', { 'x-shopify-hmac-sha256': base64(mac(body)) }),
    ['1', '2', ''].map((id) =>
      proved('twilio', withHeader(twilio(FORM, FORM_SIGNED), 'i-twilio-idempotency-token', id)),
    ),
  ]
  for (const [first, second, none] of all) {
    assert.notEqual(first?.headerDeliveryId, second?.headerDeliveryId)
    assert.equal(none?.headerDeliveryId, undefined)
    assert.deepEqual(first?.digest, second?.digest)
    assert.deepEqual(first?.digest, none?.digest)
  }
})

test('a Linear delivery id that is not signed leaves digest and id as they are', () => {
  const sent = linear({ createdAt: 'then', data: { id: 'd1' }, type: 'Issue', action: 'create' })
  const [one, two] = ['one', 'two'].map((id) => withHeader(sent, 'linear-delivery', id))
  assert.ok(one && two)
  assert.deepEqual(proved('linear', one).digest, proved('linear', two).digest)
  assert.equal(facts('linear', two).deliveryId, 'Issue:create:d1:then')
})

test('of the four signatures of a forge only its own counts', () => {
  const body = '{"a":1}'
  const good = mac(body)
  const headers = {
    'x-gitea-signature': good,
    'x-gogs-signature': good,
    'x-hub-signature-256': `sha256=${good}`,
  }
  assert.equal(verdict(channel('forgejo'), request(body, headers)), 'missing-header')
  assert.equal(
    verdict(channel('forgejo'), request(body, { ...headers, 'x-forgejo-signature': mac('other') })),
    'signature',
  )
  assert.equal(verdict(channel('gitea'), request(body, headers)), 'proved')
})

test('unsigned event names do not decide the kind', () => {
  const body = '{"issue":{"id":1,"title":"t"},"repository":{"full_name":"o/r"}}'
  const forged = { 'x-gitea-event': 'push', 'x-event-key': 'repo:push' }
  const forge = facts('gitea', request(body, { ...forged, 'x-gitea-signature': mac(body) }))
  const bucket = facts('bitbucket', request(body, { ...forged, 'x-hub-signature': `sha256=${mac(body)}` }))
  assert.deepEqual([forge.kind, bucket.kind], ['issue', 'issue'])
  const order = '{"line_items":[{"id":1}]}'
  const shop = facts(
    'shopify',
    request(order, { 'x-shopify-topic': 'app/uninstalled', 'x-shopify-hmac-sha256': base64(mac(order)) }),
  )
  assert.deepEqual([shop.kind, shop.event], ['order', 'app/uninstalled'])
})

test('identity, not just signature: forges and services name their workspaces', () => {
  const named = (name: string, body: string, headers: Readonly<Record<string, string>>) =>
    facts(name, request(body, headers)).workspaces
  const forge =
    '{"repository":{"full_name":"octo/app","owner":{"login":"octo"}},"organization":{"login":"org"}}'
  assert.deepEqual(named('gogs', forge, { 'x-gogs-signature': mac(forge) }), ['octo', 'org'])
  const lab = '{"object_kind":"push","project":{"path_with_namespace":"group/sub/app"}}'
  assert.deepEqual(named('gitlab', lab, { 'x-gitlab-token': SECRET }), ['group/sub'])
  const cloud = '{"repository":{"full_name":"team/app","workspace":{"slug":"team"}}}'
  assert.deepEqual(named('bitbucket', cloud, { 'x-hub-signature': `sha256=${mac(cloud)}` }), ['team'])
  const center = '{"pullRequest":{"toRef":{"repository":{"project":{"key":"PRJ"}}}}}'
  assert.deepEqual(named('bitbucket', center, { 'x-hub-signature': `sha256=${mac(center)}` }), ['PRJ'])
  const pager =
    '{"event":{"id":"e","event_type":"incident.triggered","data":{"html_url":"https://acme.pagerduty.com/incidents/P"}}}'
  assert.deepEqual(named('pagerduty', pager, { 'x-pagerduty-signature': `v1=${mac(pager)}` }), ['acme'])
  assert.deepEqual(facts('linear', linear({ organizationId: 'o1' })).workspaces, ['o1'])
  assert.deepEqual(facts('twilio', twilio(FORM, FORM_SIGNED)).workspaces, ['AC1'])
})

test('a shop that the header and the body name differently is named twice', () => {
  const body = `{"shop_id":1,"shop_domain":"${SHOP}","orders_to_redact":[]}`
  const sent = request(body, {
    'x-shopify-hmac-sha256': base64(mac(body)),
    'x-shopify-shop-domain': 'other.myshopify.com',
  })
  const said = facts('shopify', sent)
  assert.deepEqual([said.workspaces, said.kind], [['other.myshopify.com', SHOP], 'privacy'])
  assert.equal(source('shopify').namesWorkspace, 'always')
})

test('URLs behind proxies: no header says where Twilio called', () => {
  const sent = twilio(FORM, FORM_SIGNED)
  const { publicUrl: _, ...unknown } = sent
  const forwarded = new Map([
    ...sent.headers,
    ['host', 'gate.example'],
    ['x-forwarded-host', 'gate.example'],
    ['x-forwarded-proto', 'https'],
    ['forwarded', 'host=gate.example;proto=https'],
    ['x-original-url', '/in/chn_1'],
  ])
  assert.equal(verdict(channel('twilio'), sent), 'proved')
  assert.equal(verdict(channel('twilio'), { ...unknown, headers: forwarded }), 'missing-header')
  const inside = { ...sent, headers: forwarded, publicUrl: 'http://10.0.0.1:8080/in/chn_1' }
  assert.equal(verdict(channel('twilio'), inside), 'signature')
  assert.equal(verdict(channel('twilio', { url: URL_CALLED }), inside), 'proved')
})

test('a Twilio url setting is a whole URL without a query', () => {
  const { settings } = source('twilio')
  for (const url of [
    'gate.example/in',
    'ftp://gate.example/in',
    `${URL_CALLED}?a=1`,
    `${URL_CALLED}#a`,
    'https://a',
  ])
    assert.equal(settings.safeParse({ url }).success, false, url)
  assert.equal(settings.safeParse({ url: URL_CALLED }).success, true)
})

test('a copy of a Twilio request in another spelling has the digest of what was signed', () => {
  const spelled = (query: string, signedUrl: string) =>
    proved('twilio', { ...twilio(FORM, FORM_SIGNED, signedUrl), target: `/in/chn_1${query}` })
  const signedUrl = `${URL_CALLED}?a=it's`
  const plain = spelled("?a=it's", signedUrl)
  assert.deepEqual(spelled('?a=it%27s', signedUrl).digest, plain.digest)
  assert.deepEqual(plain.digest, sha256(signedUrl + FORM_SIGNED))
  const ported = 'https://gate.example:443/in/chn_1'
  assert.deepEqual(spelled('', ported).digest, sha256(ported + FORM_SIGNED))
})

test('a Twilio form cut in another way has the digest of what was signed', () => {
  const first = proved('twilio', twilio(FORM, FORM_SIGNED))
  const recut = FORM.replace('Body=hi&From=%2B1', 'Body=hiFrom%2B1')
  assert.deepEqual(proved('twilio', twilio(recut, FORM_SIGNED)).digest, first.digest)
})

test('Twilio signs a digest of JSON bodies: without it, or with two, a body is no body', () => {
  const body = '{"AccountSid":"AC1"}'
  const digest = createHash('sha256').update(body).digest('hex')
  const sent = (query: string) => ({ ...twilio(body, '', URL_CALLED + query), target: `/in/chn_1${query}` })
  const once256 = `?bodySHA256=${digest}`
  assert.equal(verdict(channel('twilio'), sent(once256)), 'proved')
  assert.deepEqual(facts('twilio', sent(once256)).workspaces, ['AC1'])
  assert.equal(verdict(channel('twilio'), { ...sent(once256), body: Buffer.from(`${body} `) }), 'signature')
  assert.equal(verdict(channel('twilio'), sent('')), 'signature')
  assert.equal(verdict(channel('twilio'), sent(`${once256}&bodySHA256=${digest}`)), 'signature')
})

test('one message is known by each of its steps, a repeated name by none', () => {
  const idOf = (form: string, signed: string) => facts('twilio', twilio(form, signed)).deliveryId
  assert.equal(idOf(FORM, FORM_SIGNED), 'SM1:received')
  assert.equal(idOf('MessageSid=SM1&MessageStatus=sent', 'MessageSidSM1MessageStatussent'), 'SM1:sent')
  const progress = 'CallSid=CA1&CallbackSource=call-progress-events&SequenceNumber=2'
  assert.equal(idOf(progress, 'CallSidCA1CallbackSourcecall-progress-eventsSequenceNumber2'), 'CA1:2')
  assert.equal(idOf('CallSid=CA1&SequenceNumber=2', 'CallSidCA1SequenceNumber2'), undefined)
  assert.equal(idOf('CallSid=CA1&Digits=1', 'CallSidCA1Digits1'), undefined)
  const doubled = twilio('AccountSid=AC1&AccountSid=AC2', 'AccountSidAC1AccountSidAC2')
  assert.deepEqual(facts('twilio', doubled).workspaces, [])
})

test('SendGrid signs the line break that ends a batch', () => {
  const { sent, at } = sendgrid()
  const batch = '[{"event":"open","sg_event_id":"1"}]\r\n'
  assert.equal(verdict(at, sent(batch)), 'proved')
  assert.equal(verdict(at, { ...sent(batch), body: Buffer.from(batch.trimEnd()) }), 'signature')
  assert.equal(verdict(at, { ...sent(batch), body: Buffer.from(batch.replace('\r', '')) }), 'signature')
})

test('a SendGrid batch that comes again under a new time is known again', () => {
  const { sent, at } = sendgrid()
  const idOf = (batch: string, time: number) => {
    const delivery = VerifiedDelivery.verify(at, sent(batch, time), NOW)
    assert.ok(delivery instanceof VerifiedDelivery)
    return factsOf(delivery, 'sendgrid', at.settings)
  }
  const one = '[{"event":"open","sg_event_id":"1"}]\r\n'
  assert.equal(idOf(one, NOW).deliveryId, '1')
  for (const batch of ['[{"sg_event_id":"1"},{"sg_event_id":"2"}]', '[{"event":"open"},{"event":"open"}]']) {
    assert.ok(idOf(batch, NOW).deliveryId)
    assert.equal(idOf(batch, NOW).deliveryId, idOf(batch, NOW + 9).deliveryId)
  }
})

test('one key for two uses: what Shopify signed for one thing is refused as every other', () => {
  const oauth = `code=c&shop=${SHOP}&timestamp=${NOW}`
  const proxy = `path_prefix=/apps/ashop=${SHOP}timestamp=${NOW}`
  const webhook = '{"id":1}'
  const asWebhook = (text: string) =>
    verdict(channel('shopify'), request(text, { 'x-shopify-hmac-sha256': base64(mac(text)) }))
  const asOauth = (query: string, text: string) =>
    verdict(channel('shopify-oauth'), get(`${query}&hmac=${mac(text)}`))
  const asProxy = (query: string, text: string) =>
    verdict(channel('shopify-app-proxy'), get(`${query}&signature=${mac(text)}`))

  assert.equal(asWebhook(webhook), 'proved')
  assert.equal(asOauth(oauth, oauth), 'proved')
  assert.equal(asProxy(`path_prefix=%2Fapps%2Fa&shop=${SHOP}&timestamp=${NOW}`, proxy), 'proved')

  for (const text of [oauth, proxy, 'oauth-state-nonce', ` {"x":"${proxy}"}`, '[1]', '<order/>', ''])
    assert.equal(asWebhook(text), 'signature', text)
  assert.equal(asProxy(`code=c%26&shop=${SHOP}%26&timestamp=${NOW}`, oauth), 'signature')
  assert.equal(asOauth(`path_prefix=%2Fapps%2Fa&shop=${SHOP}&timestamp=${NOW}`, proxy), 'signature')
  assert.equal(asOauth(`${encodeURIComponent(webhook)}&shop=${SHOP}&timestamp=${NOW}`, webhook), 'signature')
  assert.equal(asProxy(`${encodeURIComponent(webhook)}&shop=${SHOP}&timestamp=${NOW}`, webhook), 'signature')
})

test('what comes twice in a query of Shopify’s own is refused, even when it is signed', () => {
  const oauth = `code=a&code=b&shop=${SHOP}&timestamp=${NOW}`
  assert.equal(verdict(channel('shopify-oauth'), get(`${oauth}&hmac=${mac(oauth)}`)), 'signature')
  const query = `logged_in_customer_id=1&logged_in_customer_id=2&shop=${SHOP}&timestamp=${NOW}`
  const signed = `logged_in_customer_id=1,2shop=${SHOP}timestamp=${NOW}`
  assert.equal(verdict(channel('shopify-app-proxy'), get(`${query}&signature=${mac(signed)}`)), 'signature')
})

test('a visitor cannot write an app proxy query that reads as another customer’s', () => {
  // Asked for by a visitor who is not logged in: b=xlogged_in_customer_id=7m=
  const signed = `b=xlogged_in_customer_id=7m=logged_in_customer_id=path_prefix=/apps/ashop=${SHOP}timestamp=${NOW}`
  const rest = `path_prefix=%2Fapps%2Fa&shop=${SHOP}&timestamp=${NOW}&signature=${mac(signed)}`
  const at = channel('shopify-app-proxy')
  assert.equal(
    verdict(at, get(`b=xlogged_in_customer_id%3D7m%3D&logged_in_customer_id=&${rest}`)),
    'signature',
  )
  assert.equal(
    verdict(at, get(`b=x&logged_in_customer_id=7&m=logged_in_customer_id%3D&${rest}`)),
    'signature',
  )
})

test('a Shopify query is delivered as it was proved, without its signature', () => {
  const text = `code=c&host=aG9zdA&shop=${SHOP}&state=a%20b&timestamp=${NOW}`
  const oauth = facts('shopify-oauth', get(`${text.replace('%20', '+')}&hmac=${mac(text)}`))
  assert.deepEqual(oauth, {
    workspaces: [SHOP],
    kind: 'installation',
    event: 'oauth.callback',
    conversation: { id: SHOP },
    text,
  })
  const signed = `a=1,2logged_in_customer_id=7shop=${SHOP}timestamp=${NOW}`
  const query = `a=1&a=2&logged_in_customer_id=7&shop=${SHOP}&timestamp=${NOW}`
  const proxy = facts('shopify-app-proxy', get(`signature=${mac(signed)}&${query}`))
  assert.deepEqual([proxy.text, proxy.actor], [query, { id: '7' }])
})

test('a Linear time counts from the signed body only', () => {
  const late = linear({}, NOW - 61)
  assert.equal(verdict(channel('linear'), late), 'timestamp')
  assert.equal(verdict(channel('linear'), withHeader(late, 'linear-timestamp', `${NOW}000`)), 'timestamp')
  assert.equal(
    verdict(channel('linear'), linear({ data: { webhookTimestamp: NOW * 1_000 } }, NOW - 61)),
    'timestamp',
  )
})

test('a Linear body made to exhaust a parser is refused before it is parsed', () => {
  for (const body of ['['.repeat(65), `[${'0,'.repeat(200_001)}0]`, '"'.repeat(1_048_577)])
    assert.equal(
      verdict(channel('linear'), request(body, { 'linear-signature': mac(body) })),
      'malformed-header',
    )
})

test('a Linear repeat comes under a new time and is known again', () => {
  const what = { createdAt: 'then', data: { id: 'd1' }, type: 'Issue', action: 'update' }
  const [first, again] = [linear(what), linear(what, NOW + 9)]
  assert.notDeepEqual(proved('linear', first).digest, proved('linear', again).digest)
  assert.equal(facts('linear', first).deliveryId, facts('linear', again).deliveryId)
  const later = linear({ ...what, createdAt: 'now' })
  assert.notEqual(facts('linear', first).deliveryId, facts('linear', later).deliveryId)
})

test('a PagerDuty ping is answered and not delivered; an event is known by its id', () => {
  const said = (body: string) =>
    facts('pagerduty', request(body, { 'x-pagerduty-signature': `v1=${'0'.repeat(64)},v1=${mac(body)}` }))
  assert.deepEqual(said('{"event":{"id":"a","event_type":"pagey.ping"}}').handshake, { status: 200 })
  const note = said(
    '{"event":{"id":"e1","event_type":"incident.annotated","data":{"content":"hi","incident":{"id":"P1"}}}}',
  )
  assert.deepEqual(
    [note.deliveryId, note.conversation, note.text, note.kind],
    ['e1', { id: 'P1' }, 'hi', 'incident'],
  )
})

test('pairs keep order, names that repeat, and names of prototypes', () => {
  assert.deepEqual(pairsOf('b=1&a=%2B+&&b=&c'), [
    ['b', '1'],
    ['a', '+ '],
    ['b', ''],
    ['c', ''],
  ])
  assert.equal(pairsOf('a=%zz'), undefined)
  assert.equal(pairsOf('%ff=1'), undefined)
  assert.equal(pairsOf('a&'.repeat(1_000)), undefined)
  const record = once(pairsOf('__proto__=1&a=1&a=2') ?? [])
  assert.deepEqual(Object.keys(record), ['__proto__'])
  assert.equal(Object.getPrototypeOf(record), null)
})

/** `proved`, or the word for why it is not. */
function verdict(at: ProvingChannel, from: RawRequest): string {
  const delivery = VerifiedDelivery.verify(at, from, NOW)
  return delivery instanceof VerifiedDelivery ? 'proved' : delivery.refused
}

function proved(name: string, from: RawRequest): VerifiedDelivery {
  const delivery = VerifiedDelivery.verify(channel(name), from, NOW)
  assert.ok(delivery instanceof VerifiedDelivery, `${name}: ${JSON.stringify(delivery)}`)
  return delivery
}

function facts(name: string, from: RawRequest): Facts {
  return factsOf(proved(name, from), name, channel(name).settings)
}

function factsOf(delivery: VerifiedDelivery, name: string, settings: unknown): Facts {
  const found: Facts | Malformed = read(delivery, source(name), settings)
  assert.ok(!('malformed' in found), JSON.stringify(found))
  return found
}

function twilio(body: string, fields: string, url = URL_CALLED): RawRequest {
  const signature = createHmac('sha1', SECRET)
    .update(url + fields)
    .digest('base64')
  const sent = request(body, { 'x-twilio-signature': signature })
  return { ...sent, target: '/in/chn_1', publicUrl: URL_CALLED }
}

function linear(fields: object, at = NOW): RawRequest {
  const body = JSON.stringify({ ...fields, webhookTimestamp: at * 1_000 })
  return request(body, { 'linear-signature': mac(body) })
}

function sendgrid() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const at = channel('sendgrid', {}, [publicKey.export({ type: 'spki', format: 'der' }).toString('base64')])
  const sent = (body: string, time = NOW) =>
    request(body, {
      'x-twilio-email-event-webhook-timestamp': String(time),
      'x-twilio-email-event-webhook-signature': sign('sha256', Buffer.from(time + body), privateKey).toString(
        'base64',
      ),
    })
  return { at, sent }
}

function get(query: string): RawRequest {
  return { ...request('', {}), method: 'GET', target: `/in/chn_1?${query}` }
}

function withHeader(from: RawRequest, name: string, value: string): RawRequest {
  return { ...from, headers: new Map([...from.headers, [name, value]]) }
}

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
