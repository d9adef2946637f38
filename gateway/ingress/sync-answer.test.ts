import assert from 'node:assert/strict'
import { test } from 'node:test'
import { source } from './signing.fixture.ts'
import { judgeAnswer } from './sync-answer.ts'

interface Case {
  readonly kind?: 'command' | 'interaction'
  readonly event: string
  readonly may: readonly unknown[]
  readonly mayNot: readonly unknown[]
}

function judge(
  name: string,
  { kind = 'interaction', event }: Pick<Case, 'kind' | 'event'>,
  body: unknown,
  status = 200,
) {
  const rule = source(name).answers?.rule({ kind, event, workspaces: [] })
  assert.ok(rule, `${name} ${event} may be answered`)
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body))
  return judgeAnswer(rule, { status, contentType: 'application/json; charset=utf-8', body: bytes })
}

const VIEW = { type: 'modal', title: { type: 'plain_text', text: 'Deploy' }, blocks: [] }
const MODAL = { triggerId: 't', view: { type: 'MODAL', blocks: [] }, viewType: 'NATIVE', action: 'OPEN' }
const CHOICES = { type: 8, data: { choices: [{ name: 'a', value: 1 }] } }
const SAY = { type: 4, data: { content: 'hi' } }
const ASK = { type: 9, data: { custom_id: 'x', title: 'Why', components: [{ type: 1 }] } }

const CASES: Readonly<Record<string, readonly Case[]>> = {
  slack: [
    {
      kind: 'command',
      event: '/deploy',
      may: [{ text: 'hi' }, { response_type: 'in_channel', blocks: [{ type: 'section' }] }],
      mayNot: [
        {},
        { text: 1 },
        { response_action: 'clear' },
        { text: 'hi', response_action: 'clear' },
        [],
        null,
      ],
    },
    {
      event: 'view_submission',
      may: [
        { response_action: 'clear' },
        { response_action: 'update', view: VIEW },
        { response_action: 'errors', errors: { a: 'b' } },
      ],
      mayNot: [
        { text: 'hi' },
        { response_action: 'update' },
        { response_action: 'clear', view: VIEW },
        { response_action: 'no' },
      ],
    },
    {
      event: 'block_suggestion',
      may: [{ options: [] }, { option_groups: [{}] }],
      mayNot: [{ options: [], option_groups: [] }, { options: Array(101).fill({}) }],
    },
  ],
  discord: [
    {
      kind: 'command',
      event: 'APPLICATION_COMMAND',
      may: [SAY, ASK, { type: 5 }],
      mayNot: [CHOICES, { type: 1 }, { type: 6 }, { type: 4 }],
    },
    {
      event: 'MESSAGE_COMPONENT',
      may: [SAY, ASK, { type: 6 }, { ...SAY, type: 7 }],
      mayNot: [CHOICES, { type: 1 }],
    },
    { event: 'APPLICATION_COMMAND_AUTOCOMPLETE', may: [CHOICES], mayNot: [SAY, { type: 5 }] },
    {
      event: 'MODAL_SUBMIT',
      may: [SAY, { type: 5 }],
      mayNot: [ASK, { type: 4, data: { content: 'x'.repeat(2_001) } }],
    },
  ],
  pumble: [
    {
      kind: 'command',
      event: 'SLASH_COMMAND',
      may: [{}, { message: 'ok' }, MODAL],
      // Never ack and modal for one callback.
      mayNot: [
        { ...MODAL, message: 'ok' },
        { triggerId: 't' },
        { ...MODAL, action: 'CLOSE' },
        { options: [] },
      ],
    },
    {
      event: 'DYNAMIC_MENU',
      may: [{ onAction: 'a', options: [], triggerId: 't' }],
      mayNot: [{}, MODAL, { message: 'ok' }, { onAction: 'a', options: [] }],
    },
  ],
}

for (const [name, cases] of Object.entries(CASES)) {
  test(`what ${name} may be answered, and what not`, () => {
    for (const one of cases) {
      for (const body of one.may) {
        const judged = judge(name, one, body)
        assert.ok('answer' in judged, `${one.event} ${JSON.stringify(body)}`)
        assert.equal(judged.answer?.body, JSON.stringify(body))
      }
      for (const body of one.mayNot)
        assert.deepEqual(judge(name, one, body), { refused: 'shape' }, `${one.event} ${JSON.stringify(body)}`)
    }
  })
}

test('a status, a type or bytes that the source does not take are refused; nothing to say is the ack', () => {
  const command = { kind: 'command', event: 'SLASH_COMMAND' } as const
  assert.deepEqual(judge('pumble', command, { message: 'no' }, 400), {
    answer: { status: 400, contentType: 'application/json', body: '{"message":"no"}' },
  })
  assert.deepEqual(judge('pumble', command, MODAL, 400), { refused: 'shape' })
  for (const status of [201, 302, 404, 500])
    assert.deepEqual(judge('slack', command, { text: 'hi' }, status), { refused: 'status' })
  assert.deepEqual(judge('slack', command, ''), { answer: undefined })
  assert.deepEqual(judge('slack', command, '', 204), { answer: undefined })
  assert.deepEqual(judge('slack', command, '{"text":'), { refused: 'not-json' })
  assert.deepEqual(judge('slack', command, '['.repeat(100)), { refused: 'not-json' })
  const rule = source('slack').answers?.rule({ ...command, workspaces: [] }) ?? assert.fail()
  const said = { status: 200, contentType: 'text/html', body: Buffer.from('{"text":"hi"}') }
  assert.deepEqual(judgeAnswer(rule, said), { refused: 'content-type' })
  assert.deepEqual(judgeAnswer(rule, { ...said, body: undefined }), { refused: 'unreadable' })
})

test('a member that stands twice goes out once, as it was checked', () => {
  const command = { kind: 'command', event: '/deploy' } as const
  const judged = judge('slack', command, '{"text":"one","text":"two"}')
  assert.ok('answer' in judged)
  assert.equal(judged.answer?.body, '{"text":"two"}')
})

test('what a vendor reads no answer of has no rule', () => {
  const rule = (name: string, kind: string, event: string) =>
    source(name).answers?.rule({ kind, event, workspaces: [] })
  for (const event of ['block_actions', 'shortcut', 'message_action', 'view_closed'])
    assert.equal(rule('slack', 'interaction', event), undefined, event)
  assert.equal(rule('slack', 'message', 'message'), undefined)
  assert.equal(rule('discord', 'message', 'APPLICATION_COMMAND'), undefined)
  assert.equal(rule('pumble', 'message', 'NEW_MESSAGE'), undefined)
  assert.equal(source('github').answers, undefined)
})
