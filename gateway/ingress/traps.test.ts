/**
 * Ways in which webhook receivers were fooled, each a test by name. In: requests as an attacker or a careless proxy makes
 * them. Out: what must happen instead. Refuses to pass when one of them works here.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { read } from './read.ts'
import { NOW, channel, mac, proved, request, signed, source } from './signing.fixture.ts'
import type { Facts, Malformed, RawRequest } from './source.ts'
import { VerifiedDelivery } from './verify.ts'

test('a challenge is not answered without proof', () => {
  const body = '{"type":"url_verification","challenge":"abc"}'
  const forged = request(body, {
    'x-slack-request-timestamp': String(NOW),
    'x-slack-signature': `v0=${'0'.repeat(64)}`,
  })
  // Facts, and with them the answer, are read from a VerifiedDelivery only; there is none.
  assert.equal(refused('slack', forged), 'signature')
  assert.equal(refused('slack', request(body, {})), 'missing-header')
  assert.equal(facts('slack', signed('slack', body)).handshake?.body, 'abc')
})

test('a challenge comes back as text, and an endless one not at all', () => {
  const echo = facts('slack', signed('slack', '{"type":"url_verification","challenge":"<script>"}')).handshake
  assert.equal(echo?.contentType, 'text/plain')
  const endless = JSON.stringify({ type: 'url_verification', challenge: 'a'.repeat(1_025) })
  assert.deepEqual(outcome('slack', signed('slack', endless)), { malformed: 'challenge' })
})

test('a changed delivery id that is not signed leaves the digest as it is', () => {
  const first = withHeader(signed('github', '{"a":1}'), 'x-github-delivery', 'guid-1')
  const second = withHeader(signed('github', '{"a":1}'), 'x-github-delivery', 'guid-2')
  assert.notEqual(proved('github', first).headerDeliveryId, proved('github', second).headerDeliveryId)
  assert.deepEqual(proved('github', first).digest, proved('github', second).digest)
})

test('a missing optional delivery id does not skip the digest', () => {
  const bare = proved('github', signed('github', '{"a":1}'))
  assert.equal(bare.headerDeliveryId, undefined)
  const named = proved('github', withHeader(signed('github', '{"a":1}'), 'x-github-delivery', 'guid-1'))
  assert.deepEqual(bare.digest, named.digest)
  const odd = withHeader(signed('github', '{"a":1}'), 'x-github-delivery', 'two words')
  assert.equal(proved('github', odd).headerDeliveryId, undefined)
})

test('a copied bearer delivery has the digest of its body', () => {
  const telegram = channel('telegram', {}, ['token'])
  const digest = (body: string) => {
    const verdict = VerifiedDelivery.verify(
      telegram,
      request(body, { 'x-telegram-bot-api-secret-token': 'token' }),
      NOW,
    )
    return verdict instanceof VerifiedDelivery ? verdict.digest.toString('hex') : verdict.refused
  }
  assert.equal(digest('{"update_id":1}'), digest('{"update_id":1}'))
  assert.notEqual(digest('{"update_id":1}'), digest('{"update_id":2}'))
})

test('raw bytes are signed: a character split between chunks stays whole', () => {
  const body = Buffer.from('{"workspaceId":"w1","text":"👋"}', 'utf8')
  const cut = body.indexOf(0xf0) + 2
  const asText = body.subarray(0, cut).toString() + body.subarray(cut).toString()
  assert.ok(
    proved('pumble', {
      ...signed('pumble', body),
      body: Buffer.concat([body.subarray(0, cut), body.subarray(cut)]),
    }),
  )
  assert.equal(refused('pumble', { ...signed('pumble', body), body: Buffer.from(asText) }), 'signature')
})

test('raw bytes are signed: JSON written anew is refused, white space and order included', () => {
  for (const name of ['slack', 'pumble', 'stripe', 'github', 'generic-hmac']) {
    const sent = signed(name, '{ "b": 1,\n "a": "\\u0041" }\r\n')
    assert.ok(proved(name, sent))
    const anew = Buffer.from(JSON.stringify(JSON.parse(sent.body.toString())))
    assert.equal(refused(name, { ...sent, body: anew }), 'signature', name)
  }
})

test('raw bytes are signed: whole numbers above 2^53 keep their digits', () => {
  const body = '{"workspaceId":"w1","messageType":"X","n":4977069964384421269}'
  assert.ok(proved('pumble', signed('pumble', body)).request.body.includes('4977069964384421269'))
})

test('no header stands in for another', () => {
  const slack = signed('slack', '{}')
  assert.equal(refused('pumble', slack), 'missing-header')
  const sha1 = request('{}', { 'x-hub-signature': `sha1=${mac('{}')}` })
  assert.equal(refused('github', sha1), 'missing-header')
  const query = { ...request('{}', {}), target: `/in/a?sig=${mac('{}')}&x-signature=${mac('{}')}` }
  assert.equal(refused('generic-hmac', query), 'missing-header')
})

test('a time that is not signed is not trusted: such settings are refused', () => {
  const { settings } = source('generic-hmac')
  const unsigned = { header: 'x-signature', timestampHeader: 'x-time' }
  assert.equal(settings.safeParse(unsigned).success, false)
  assert.equal(settings.safeParse({ ...unsigned, template: '{timestamp}.{body}' }).success, true)
  assert.equal(settings.safeParse({ header: 'x-signature', template: '{timestamp}.{body}' }).success, false)
  assert.equal(
    settings.safeParse({ header: 'x-signature', template: '{timestamp}', timestampHeader: 'x-time' }).success,
    false,
  )
  assert.equal(
    settings.safeParse({ header: 'x-signature', idHeader: 'x-id', template: '{id}{body}' }).success,
    false,
  )
})

test('a Date or Age header moves no window', () => {
  const stale = withHeader(
    signed('slack', '{}', String(NOW - 301)),
    'date',
    new Date(NOW * 1000).toUTCString(),
  )
  assert.equal(refused('slack', stale), 'timestamp')
})

test('Pumble signs seconds or milliseconds as received', () => {
  assert.equal(proved('pumble', signed('pumble', '{}')).sentAt, NOW)
  assert.equal(proved('pumble', signed('pumble', '{}', `${NOW}250`)).sentAt, NOW + 0.25)
  const normalised = withHeader(
    signed('pumble', '{}', `${NOW}000`),
    'x-pumble-request-timestamp',
    String(NOW),
  )
  assert.equal(refused('pumble', normalised), 'signature')
})

test('identity, not just signature: every workspace that is named comes out', () => {
  const event = (outside: string, inside: string) =>
    JSON.stringify({
      messageType: 'PUMBLE_EVENT',
      eventType: 'NEW_MESSAGE',
      workspaceId: outside,
      body: JSON.stringify({ wId: inside, tx: 'hi' }),
    })
  assert.deepEqual(facts('pumble', signed('pumble', event('w1', 'w1'))).workspaces, ['w1'])
  assert.deepEqual(facts('pumble', signed('pumble', event('w1', 'w2'))).workspaces, ['w1', 'w2'])
  assert.deepEqual(
    facts('slack', signed('slack', '{"team_id":"T1","authorizations":[{"team_id":"T2"}]}')).workspaces,
    ['T1', 'T2'],
  )
  assert.deepEqual(facts('slack', signed('slack', 'command=%2Fx&team_id=T3')).workspaces, ['T3'])
  assert.deepEqual(facts('stripe', signed('stripe', '{"id":"evt_1","account":"acct_1"}')).workspaces, [
    'acct_1',
  ])
  const push = '{"organization":{"login":"a"},"repository":{"owner":{"login":"b"}}}'
  assert.deepEqual(facts('github', signed('github', push)).workspaces, ['a', 'b'])
})

test('identity survives a changed content type: no header decides how a body is read', () => {
  for (const type of [
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    '',
  ]) {
    const sent = withHeader(signed('slack', '{"team_id":"T1"}'), 'content-type', type)
    assert.deepEqual(facts('slack', sent).workspaces, ['T1'], type)
  }
  const form = withHeader(
    signed('github', 'payload=%7B%22organization%22%3A%7B%22login%22%3A%22a%22%7D%7D'),
    'content-type',
    'application/json',
  )
  assert.deepEqual(facts('github', form).workspaces, ['a'])
})

test('Pumble names its workspace in workspaceId only, and a known message must', () => {
  const typo = '{"messageType":"SLASH_COMMAND","workspaceIs":"w1","slashCommand":"/x"}'
  assert.deepEqual(outcome('pumble', signed('pumble', typo)), { malformed: 'workspaceId' })
})

test('a workspace path that finds nothing is refused, not passed as unbound', () => {
  const settings = { workspacePath: 'account.id' }
  assert.deepEqual(outcome('generic-hmac', signed('generic-hmac', 'text'), settings), {
    malformed: 'workspace',
  })
  assert.deepEqual(outcome('generic-hmac', signed('generic-hmac', '{"account":{"id":"a"}}'), settings), {
    workspaces: ['a'],
    kind: 'other',
  })
})

test('Stripe v0 does not count', () => {
  const { body } = request('{"id":"evt_1"}', {})
  const good = mac(String(NOW), '.', body)
  assert.equal(refused('stripe', request(body, { 'stripe-signature': `t=${NOW},v0=${good}` })), 'signature')
  assert.ok(
    proved('stripe', request(body, { 'stripe-signature': `t=${NOW},v0=${'0'.repeat(64)},v1=${good}` })),
  )
})

test('GitHub event names come from an unsigned header and so do not decide the kind', () => {
  const sent = withHeader(
    signed('github', '{"issue":{"title":"t"},"action":"opened"}'),
    'x-github-event',
    'push',
  )
  assert.equal(facts('github', sent).kind, 'issue')
})

test('names of prototypes reach no prototype', () => {
  const body =
    '{"__proto__":{"team_id":"T9","type":"url_verification","challenge":"x"},"constructor":{"name":"x"}}'
  const found = facts('slack', signed('slack', body))
  assert.deepEqual(found, { workspaces: [], kind: 'other' })
  assert.deepEqual(
    facts('generic-hmac', signed('generic-hmac', '{}'), { kindPath: 'constructor.name' }).event,
    undefined,
  )
  const map = request('{}', { constructor: 'x', ['__proto__']: 'y' })
  assert.equal(refused('slack', map), 'missing-header')
})

function facts(name: string, sent: RawRequest, settings?: unknown): Facts {
  const found = outcome(name, sent, settings)
  if ('malformed' in found) throw new Error(found.malformed)
  return found
}

function outcome(name: string, sent: RawRequest, settings: unknown = {}): Facts | Malformed {
  return read(proved(name, sent, settings), source(name), channel(name, settings).settings)
}

function refused(name: string, sent: RawRequest): string {
  const verdict = VerifiedDelivery.verify(channel(name), sent, NOW)
  return verdict instanceof VerifiedDelivery ? 'believed' : verdict.refused
}

function withHeader(sent: RawRequest, name: string, value: string): RawRequest {
  return { ...sent, headers: new Map([...sent.headers, [name, value]]) }
}
