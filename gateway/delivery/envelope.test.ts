import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Envelope, TEXT_CAP } from '@gatehouse/contract/envelope.ts'
import { type Content, envelope } from './envelope.ts'

const RECEIVED = {
  id: 'dlv_1',
  tenant: 'ten_1',
  channel: 'chn_1',
  source: 'slack',
  receivedAt: 1_700_000_000_123,
  signedAt: 1_700_000_000_000,
}
const BODY = Buffer.from('{"text":"héllo"}')
const CONTENT: Content = {
  facts: { workspaces: ['T1', 'T2'], kind: 'message' },
  contentType: 'application/json',
  body: BODY,
}
const TRY = { attempt: 2, replay: false, inline: false }

test('envelope() shows the facts, the times and the body by reference', () => {
  const facts = {
    ...CONTENT.facts,
    deliveryId: 'Ev1',
    event: 'app_mention',
    actor: { id: 'U1', name: 'Actor' },
    conversation: { id: 'C1' },
    text: 'hello',
    locale: 'en',
  }
  const made = Envelope.parse(envelope(RECEIVED, { ...CONTENT, facts }, TRY))
  assert.deepEqual(made, {
    version: 1,
    id: 'dlv_1',
    tenant: 'ten_1',
    channel: 'chn_1',
    source: 'slack',
    deliveryId: 'Ev1',
    kind: 'message',
    event: 'app_mention',
    workspace: 'T1',
    actor: { id: 'U1', name: 'Actor' },
    conversation: { id: 'C1' },
    text: 'hello',
    locale: 'en',
    receivedAt: '2023-11-14T22:13:20.123Z',
    signedAt: '2023-11-14T22:13:20.000Z',
    replay: false,
    attempt: 2,
    body: {
      href: '/v1/tenants/ten_1/deliveries/dlv_1/body',
      contentType: 'application/json',
      size: BODY.length,
      sha256: createHash('sha256').update(BODY).digest('hex'),
    },
  })
})

test('envelope() carries the body when asked: text as text, bytes as base64', () => {
  const inline = { ...TRY, inline: true }
  const text = envelope(RECEIVED, CONTENT, inline).body
  assert.deepEqual([text.inline, text.inlineEncoding], [BODY.toString(), 'utf8'])
  const bytes = envelope(RECEIVED, { ...CONTENT, body: Buffer.of(0xff, 0) }, inline).body
  assert.deepEqual([bytes.inline, bytes.inlineEncoding], ['/wA=', 'base64'])
  assert.equal(envelope(RECEIVED, { ...CONTENT, body: Buffer.of() }, inline).body.inline, '')
})

test('envelope() passes its schema whatever the vendor wrote', () => {
  const long = '\u{1f600}'.repeat(TEXT_CAP)
  const hostile = {
    deliveryId: long,
    workspaces: [long],
    kind: long,
    event: '',
    actor: { id: '', name: 'nobody' },
    conversation: { id: long, name: '' },
    text: `${long.slice(0, TEXT_CAP - 1)}\ud83d${long}`,
    locale: long,
  }
  const made = Envelope.parse(
    envelope({ ...RECEIVED, signedAt: 9e18 }, { facts: hostile, contentType: long, body: BODY }, TRY),
  )
  assert.equal(made.kind, 'other')
  assert.equal(made.actor, undefined)
  assert.equal(made.signedAt, undefined)
  assert.ok(made.text?.isWellFormed())
  assert.equal(envelope(RECEIVED, { ...CONTENT, facts: { workspaces: [], kind: '' } }, TRY).kind, 'other')
})
