import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { parse } from './parse.ts'
import { read } from './read.ts'
import { NOW, proved, request, signed, source } from './signing.fixture.ts'
import type { Facts, Malformed, Source } from './source.ts'
import { SOURCES } from './sources.ts'
import { VerifiedDelivery } from './verify.ts'

const PUMBLE_EVENT = { messageType: 'PUMBLE_EVENT', eventType: 'NEW_MESSAGE', workspaceId: 'w1' }
const PUMBLE_MESSAGE = { mId: 'm1', wId: 'w1', cId: 'c1', aId: 'u1', tx: 'Здраво 👋' }

test('read() refuses whatever a source throws', () => {
  const broken: Source = { ...source('slack'), facts: () => JSON.parse('{') }
  assert.deepEqual(read(proved('slack', signed('slack', '{}')), broken, {}), { malformed: 'decider-failed' })
})

test('read() cuts names and text to fit, whole characters only, and drops ids that do not fit', () => {
  const found = bounded({
    text: `${'a'.repeat(99_999)}👋`,
    actor: { id: 'x'.repeat(257) },
    conversation: { id: 'c', name: 'n'.repeat(300) },
  })
  assert.ok(!('malformed' in found))
  assert.equal(found.text?.length, 99_999)
  assert.equal(found.actor, undefined)
  assert.equal(found.conversation?.name?.length, 256)
})

test('read() refuses workspaces and delivery ids that name nothing', () => {
  assert.deepEqual(bounded({ workspaces: ['w\u0000'] }), { malformed: 'workspace' })
  assert.deepEqual(bounded({ workspaces: [''] }), { malformed: 'workspace' })
  assert.deepEqual(bounded({ workspaces: Array.from({ length: 65 }, String) }), { malformed: 'workspace' })
  assert.deepEqual(bounded({ deliveryId: 'd'.repeat(513) }), { malformed: 'delivery-id' })
  assert.deepEqual(bounded({ deliveryId: '\ud800' }), { malformed: 'delivery-id' })
})

test('read() calls other what is not a kind', () => {
  const found = bounded({ kind: 'Not A Kind\n', event: 'line\nbreak', locale: 'x'.repeat(36) })
  assert.deepEqual(found, { workspaces: [], kind: 'other' })
})

test('slack: a message, a shared channel, an organisation, a command and a button', () => {
  const message = {
    type: 'event_callback',
    team_id: 'T1',
    event_id: 'Ev1',
    event: { type: 'message', user: 'U1', channel: 'C1', text: 'hi' },
  }
  assert.deepEqual(said('slack', message), {
    workspaces: ['T1'],
    kind: 'message',
    deliveryId: 'Ev1',
    event: 'message',
    actor: { id: 'U1' },
    conversation: { id: 'C1' },
    text: 'hi',
  })
  const shared = { ...message, team_id: 'T_THEIRS', context_team_id: 'T1', is_ext_shared_channel: true }
  assert.deepEqual(said('slack', shared).workspaces, ['T1'])
  const organisation = {
    ...message,
    authorizations: [{ enterprise_id: 'E1', team_id: null, is_enterprise_install: true }],
  }
  assert.deepEqual(said('slack', organisation).workspaces, ['E1'])
  const command = form({
    command: '/go',
    text: 'now',
    team_id: 'T1',
    user_id: 'U1',
    user_name: 'n',
    channel_id: 'C1',
    trigger_id: '1.2',
  })
  assert.deepEqual(raw('slack', command), {
    workspaces: ['T1'],
    kind: 'command',
    deliveryId: '1.2',
    event: '/go',
    actor: { id: 'U1', name: 'n' },
    conversation: { id: 'C1' },
    text: 'now',
  })
  const button = {
    type: 'block_actions',
    team: { id: 'T1' },
    user: { id: 'U1', username: 'n' },
    trigger_id: '3',
    actions: [{ value: 'v' }],
  }
  assert.deepEqual(raw('slack', form({ payload: JSON.stringify(button) })), {
    workspaces: ['T1'],
    kind: 'interaction',
    deliveryId: '3',
    event: 'block_actions',
    actor: { id: 'U1', name: 'n' },
    text: 'v',
  })
  assert.equal(raw('slack', form({ payload: '{"type":"block_suggestion"}' })).ack?.body, '{"options":[]}')
  assert.equal(raw('slack', 'ssl_check=1&token=x').handshake?.status, 200)
})

test('discord: pings, and an answer for each interaction', () => {
  const named = { application_id: 'A1', id: 'I1', token: 't', version: 1 }
  assert.deepEqual(unproved('discord', { ...named, type: 1 }).handshake, {
    status: 200,
    contentType: 'application/json',
    body: '{"type":1}',
  })
  assert.deepEqual(unproved('discord', { version: 1, application_id: 'A1', type: 0 }).handshake, {
    status: 204,
  })
  const ack = (more: object) => unproved('discord', { ...named, ...more } as Json).ack?.body
  assert.equal(ack({ type: 2 }), '{"type":5}')
  assert.equal(ack({ type: 3 }), '{"type":6}')
  assert.equal(ack({ type: 4 }), '{"type":8,"data":{"choices":[]}}')
  assert.equal(ack({ type: 5 }), '{"type":5}')
  assert.equal(ack({ type: 5, message: {} }), '{"type":6}')
  const event = unproved('discord', {
    version: 1,
    application_id: 'A1',
    type: 1,
    event: { type: 'APPLICATION_AUTHORIZED', data: { user: { id: 'U' } } },
  })
  assert.deepEqual(
    [event.handshake, event.kind, event.ack, event.actor],
    [undefined, 'installation', undefined, { id: 'U' }],
  )
  assert.match(event.deliveryId ?? '', /^sha256:[0-9a-f]{64}$/)
})

test('telegram: a command, a button and an update it does not know', () => {
  const from = { id: 5, username: 'n', language_code: 'cs' }
  assert.deepEqual(
    unproved('telegram', { update_id: 7, message: { text: '/start', from, chat: { id: -100 } } }),
    {
      workspaces: [],
      kind: 'command',
      deliveryId: '7',
      event: 'message',
      actor: { id: '5', name: 'n' },
      conversation: { id: '-100' },
      text: '/start',
      locale: 'cs',
    },
  )
  assert.equal(
    unproved('telegram', { update_id: 8, callback_query: { data: 'x', from } }).kind,
    'interaction',
  )
  assert.equal(unproved('telegram', { update_id: 9, something_new: {} }).kind, 'other')
})

test('pumble: every message type, with what each wants to hear', () => {
  const about = { workspaceId: 'w1', userId: 'u1', channelId: 'c1', triggerId: 't1' }
  const kinds = [
    'SLASH_COMMAND',
    'SHORTCUT',
    'BLOCK_INTERACTION',
    'DYNAMIC_MENU',
    'VIEW_ACTION',
    'SOMETHING_NEW',
  ]
  assert.deepEqual(
    kinds.map((messageType) => said('pumble', { messageType, ...about }).kind),
    ['command', 'command', 'interaction', 'interaction', 'interaction', 'other'],
  )
  assert.deepEqual(
    said('pumble', { messageType: 'SLASH_COMMAND', slashCommand: '/go', text: 'now', ...about }),
    {
      workspaces: ['w1'],
      kind: 'command',
      event: 'SLASH_COMMAND',
      actor: { id: 'u1' },
      conversation: { id: 'c1' },
      text: '/go now',
      ack: { status: 200, contentType: 'application/json', body: '{}' },
    },
  )
  assert.equal(
    said('pumble', { messageType: 'DYNAMIC_MENU', onAction: 'm', ...about }).ack?.body,
    '{"onAction":"m","options":[],"triggerId":"t1"}',
  )
  assert.deepEqual(said('pumble', { ...PUMBLE_EVENT, body: JSON.stringify(PUMBLE_MESSAGE) }), {
    workspaces: ['w1'],
    kind: 'message',
    event: 'NEW_MESSAGE',
    actor: { id: 'u1' },
    conversation: { id: 'c1' },
    text: 'Здраво 👋',
    ack: { status: 200, contentType: 'text/plain', body: 'ok' },
  })
})

test('pumble: an event whose body is not JSON in a string is malformed', () => {
  for (const body of [PUMBLE_MESSAGE, 'not json', '', 7]) {
    assert.throws(() => said('pumble', { ...PUMBLE_EVENT, body }), { message: 'event-body' })
  }
})

test('github, stripe and generic-hmac: what happened, to whom', () => {
  const push = {
    ref: 'refs/heads/main',
    after: 'abc',
    commits: [],
    head_commit: { message: 'm' },
    repository: { id: 1, full_name: 'a/b', owner: { login: 'a' } },
    sender: { id: 2, login: 'l' },
  }
  assert.deepEqual(said('github', push), {
    workspaces: ['a'],
    kind: 'push',
    actor: { id: '2', name: 'l' },
    conversation: { id: '1', name: 'a/b' },
    text: 'm',
  })
  assert.equal(raw('github', 'Hello, World!').kind, 'other')
  const paid = said('stripe', {
    id: 'evt_1',
    type: 'invoice.paid',
    data: { object: { id: 'in_1', customer: 'cus_1' } },
  })
  assert.deepEqual(paid, {
    workspaces: [],
    kind: 'payment',
    deliveryId: 'evt_1',
    event: 'invoice.paid',
    actor: { id: 'cus_1' },
    conversation: { id: 'in_1' },
  })
  const settings = { deliveryIdPath: 'data.id', kindPath: 'type', ack: { status: 202 } }
  const generic = source('generic-hmac')
  const verified = proved('generic-hmac', signed('generic-hmac', '{"type":"Order.Paid","data":{"id":9}}'))
  assert.deepEqual(read(verified, generic, generic.settings.parse({ header: 'x', ...settings })), {
    workspaces: [],
    kind: 'other',
    deliveryId: '9',
    event: 'Order.Paid',
    ack: { status: 202 },
  })
})

/** Settings of sources that cannot do without. */
const NEEDED: Readonly<Record<string, object>> = {
  'aws-sns': { topics: ['arn:aws:sns:eu-west-1:123456789012:orders'] },
  'generic-hmac': { header: 'x', workspacePath: 'a.b', kindPath: 'type' },
  'google-chat': { audience: { kind: 'project', number: '1' } },
  paypal: { webhookId: 'A1' },
  teams: { appId: '8f2d6a1e-0b57-4c3a-9d1f-5c2e7b9a4d10' },
}

for (const each of SOURCES) {
  const { name, bodies, settings } = each
  test(`${name}: facts() never throws, whatever the body`, () => {
    const usable = settings.parse(NEEDED[name] ?? {})
    const names = fc.constantFrom(
      'type',
      'event',
      'message',
      'messageType',
      'body',
      'update_id',
      'team_id',
      'data',
      'actions',
      'payload',
      'workspaceId',
    )
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue(),
        fc.constantFrom('PUMBLE_EVENT', 'url_verification', 0, 1, 2),
        fc.dictionary(names, tie('any')),
      ),
    })).any
    fc.assert(
      fc.property(value, (body) => {
        const bytes = Buffer.from(JSON.stringify(body))
        const parsed = parse(bytes, bodies)
        if (!('malformed' in parsed)) each.facts(request(bytes, {}), parsed, usable)
      }),
    )
  })
}

function said(name: string, body: Json): Facts {
  return raw(name, JSON.stringify(body))
}

function raw(name: string, body: string): Facts {
  return known(read(proved(name, signed(name, body)), source(name), {}))
}

/** Through the reading alone, for sources whose vendor's key nobody here has. */
function unproved(name: string, body: Json): Facts {
  const bytes = Buffer.from(JSON.stringify(body))
  return known(source(name).facts(request(bytes, {}), { type: 'json', value: body }, {}))
}

function known(found: Facts | Malformed): Facts {
  if ('malformed' in found) throw new Error(found.malformed)
  return found
}

function form(fields: Readonly<Record<string, string>>): string {
  return new URLSearchParams(fields).toString()
}

function bounded(facts: Partial<Facts>): Facts | Malformed {
  const saying: Source = { ...source('github'), facts: () => ({ workspaces: [], kind: 'other', ...facts }) }
  const verified = VerifiedDelivery.verify({ ...proving(), source: saying }, signed('github', '{}'), NOW)
  if (!(verified instanceof VerifiedDelivery)) throw new Error(verified.refused)
  return read(verified, saying, {})
}

function proving() {
  const github = source('github')
  return {
    source: github,
    settings: {},
    credentials: [{ id: 'c', key: github.key('a key kept in a test, known to all', {}) }],
  }
}
