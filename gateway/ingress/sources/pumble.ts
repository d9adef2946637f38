/**
 * Pumble: commands, shortcuts, interactions and events of one app. In: requests signed with the app's signing secret
 * over `{timestamp}:{body}`. Out: claims and facts. Refuses known messages without a `workspaceId` and event bodies that
 * are not JSON inside a string.
 *
 * The unit of the timestamp is not documented and traffic has milliseconds: its size tells, and it is signed over as
 * received. Pumble's SDK checks no time and repeats nothing that anyone has seen.
 * https://github.com/CAKE-com/pumble-node-sdk
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { hexMac, malformed, required, wholeTime } from '../header.ts'
import { given, idAt, isRecord, named, party, textAt } from '../member.ts'
import { json } from '../parse.ts'
import { textKey } from '../secret.ts'
import type { Answer, Facts, Malformed, Source } from '../source.ts'
import { pumbleAnswers } from '../sync-pumble.ts'

const SIGNATURE = 'x-pumble-request-signature'
const TIMESTAMP = 'x-pumble-request-timestamp'
/** From here a time is milliseconds: as seconds it would be the year 5138. */
const MILLISECONDS_FROM = 1e11
/** As Slack, whose protocol this resembles; Pumble states none. */
const TOLERANCE = 300
/** None was ever seen; an hour covers what a proxy in between may repeat. */
const RETRY_SPAN = 3_600
const BODY_CAP = 1_048_576

/** Events want to hear `ok`, everything else an empty object. */
const OK: Answer = { status: 200, contentType: 'text/plain', body: 'ok' }
const EMPTY = answer({})

const KINDS: ReadonlyMap<string, string> = new Map([
  ['SLASH_COMMAND', 'command'],
  ['SHORTCUT', 'command'],
  ['BLOCK_INTERACTION', 'interaction'],
  ['DYNAMIC_MENU', 'interaction'],
  ['VIEW_ACTION', 'interaction'],
])

const EVENT_KINDS: readonly (readonly [RegExp, string])[] = [
  [/_MESSAGE$/, 'message'],
  [/^REACTION_/, 'reaction'],
  [/^CHANNEL_/, 'channel'],
  [/^WORKSPACE_USER_/, 'member'],
  [/^APP_/, 'installation'],
]

export const pumble: Source<Record<string, never>> = {
  name: 'pumble',
  title: 'Pumble',
  docs: 'docs/guide/sources/pumble.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'always',
  bodyCap: BODY_CAP,
  tolerance: TOLERANCE,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Signing secret of the app, shown when it is created.',
    generated: false,
  },
  refusalStatus: 401,
  ack: EMPTY,
  answers: pumbleAnswers,
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, TIMESTAMP, SIGNATURE)
    if ('refused' in headers) return headers
    const [time, signature] = headers
    const when = wholeTime(time)
    if (when === undefined) return malformed(TIMESTAMP)
    const value = hexMac(signature)
    if (value === undefined) return malformed(SIGNATURE)
    return {
      sentAt: when >= MILLISECONDS_FROM ? when / 1000 : when,
      signed: [time, ':', request.body],
      signatures: [{ algorithm: 'hmac-sha256', value }],
    }
  },
  facts(_request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const message = textAt(body.value, 'messageType')
    if (message === 'PUMBLE_EVENT' || message === 'APP_EVENT') return event(body.value)
    return callback(body.value, message)
  },
}

function answer(body: { readonly [name: string]: unknown }): Answer {
  return { status: 200, contentType: 'application/json', body: JSON.stringify(body) }
}

function callback(body: Json, message: string | undefined): Facts | Malformed {
  const kind = (message !== undefined && KINDS.get(message)) || 'other'
  const workspaces = named(idAt(body, 'workspaceId'))
  if (kind !== 'other' && workspaces.length === 0) return { malformed: 'workspaceId' }
  return {
    workspaces,
    kind,
    ack: message === 'DYNAMIC_MENU' ? noOptions(body) : EMPTY,
    ...given('event', message),
    ...given('actor', party(idAt(body, 'userId'))),
    ...given('conversation', party(idAt(body, 'channelId'))),
    ...given('text', said(body, message)),
  }
}

/** What the person wrote or chose; of a command with its name, as typed. */
function said(body: Json, message: string | undefined): string | undefined {
  const command = message === 'SLASH_COMMAND' ? textAt(body, 'slashCommand') : undefined
  const text =
    textAt(body, 'text') ?? textAt(body, 'shortcut') ?? textAt(body, 'query') ?? textAt(body, 'onAction')
  return command === undefined
    ? text
    : [command, textAt(body, 'text')].filter((part) => part !== undefined).join(' ')
}

/** A menu waits for its options within the answer; the app was not asked, so there are none. */
function noOptions(body: Json): Answer {
  const onAction = textAt(body, 'onAction') ?? ''
  return answer({ onAction, options: [], triggerId: textAt(body, 'triggerId') ?? '' })
}

/** The inside of an event is JSON in a string, with short names; it may name the workspace again, and must agree. */
function event(body: Json): Facts | Malformed {
  const outside = idAt(body, 'workspaceId')
  const text = textAt(body, 'body')
  if (outside === undefined) return { malformed: 'workspaceId' }
  const inside = text === undefined ? undefined : json(Buffer.from(text, 'utf8'))
  if (inside === undefined || 'malformed' in inside) return { malformed: 'event-body' }
  const name = textAt(body, 'eventType')
  const { value } = inside
  return {
    workspaces: named(outside, idAt(value, 'wId')),
    kind: EVENT_KINDS.find(([names]) => name !== undefined && names.test(name))?.[1] ?? 'other',
    ack: OK,
    ...given('event', name),
    ...given('actor', party(idAt(value, 'aId') ?? idAt(value, 'uId'), textAt(value, 'uN'))),
    ...given('conversation', party(idAt(value, 'cId'), textAt(value, 'cN'))),
    ...given('text', textAt(value, 'tx')),
  }
}
