/**
 * Discord: interactions and webhook events of one application. In: requests signed with the application's Ed25519 key
 * over `{timestamp}{body}`. Out: claims and facts. Refuses bodies without a type, and leaves a bad signature to be
 * answered 401: Discord sends such on purpose and removes the URL that lets one through.
 * https://docs.discord.com/developers/interactions/overview
 */
import { z } from 'zod'
import { fromHex } from '@gatehouse/proof/bytes.ts'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { ed25519Key, signedDigest } from '@gatehouse/proof/webhook.ts'
import { hexMac, malformed, required, wholeTime } from '../header.ts'
import { given, idAt, isRecord, listAt, member, named, party, textAt } from '../member.ts'
import type { Answer, Attachment, Facts, Source } from '../source.ts'
import { discordAnswers } from '../sync-discord.ts'

const SIGNATURE = 'x-signature-ed25519'
const TIMESTAMP = 'x-signature-timestamp'
/** Discord states none; interaction tokens answer within 3 s and live 15 min. */
const TOLERANCE = 300
/** Webhook events are repeated with growing pauses for up to ten minutes. */
const RETRY_SPAN = 600
const BODY_CAP = 1_048_576

const NOTHING: Answer = { status: 204 }
const PONG = answer('{"type":1}')
/** DEFERRED_CHANNEL_MESSAGE_WITH_SOURCE: the user sees that the app is thinking. */
const DEFERRED = answer('{"type":5}')
/** DEFERRED_UPDATE_MESSAGE: no sign of it; only where there is a message to update. */
const DEFERRED_UPDATE = answer('{"type":6}')
const NO_CHOICES = answer('{"type":8,"data":{"choices":[]}}')

const PING = 1
const COMMAND = 2
const COMPONENT = 3
const AUTOCOMPLETE = 4
const MODAL = 5
const NAMES: ReadonlyMap<number, string> = new Map([
  [COMMAND, 'APPLICATION_COMMAND'],
  [COMPONENT, 'MESSAGE_COMPONENT'],
  [AUTOCOMPLETE, 'APPLICATION_COMMAND_AUTOCOMPLETE'],
  [MODAL, 'MODAL_SUBMIT'],
])

export const discord: Source<Record<string, never>> = {
  name: 'discord',
  title: 'Discord',
  docs: 'docs/guide/sources/discord.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'always',
  bodyCap: BODY_CAP,
  tolerance: TOLERANCE,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'public-key',
    hint: 'Public Key, under General Information of the application at discord.com/developers/applications.',
    generated: false,
  },
  // Links there carry their own signature, so that no token is needed.
  attachmentHosts: ['cdn.discordapp.com', 'media.discordapp.net'],
  refusalStatus: 401,
  ack: NOTHING,
  answers: discordAnswers,
  key(text) {
    const raw = fromHex(text)
    if (raw === undefined)
      throw new RangeError('read the Discord public key: it is not hex, wanted 64 hex digits')
    return ed25519Key(raw)
  },
  claim(request) {
    const headers = required(request, TIMESTAMP, SIGNATURE)
    if ('refused' in headers) return headers
    const [time, signature] = headers
    const sentAt = wholeTime(time)
    if (sentAt === undefined) return malformed(TIMESTAMP)
    const value = hexMac(signature)
    if (value === undefined) return malformed(SIGNATURE)
    return {
      sentAt,
      signed: [time, request.body],
      signatures: [{ algorithm: 'ed25519', value }],
    }
  },
  facts(request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const type = member(body.value, 'type')
    if (typeof type !== 'number') return { malformed: 'type' }
    // Types 0 and 1 of webhook events collide with the interaction types; only the former carry `event` and no token.
    if (type === 0) return handshake(NOTHING)
    if (isRecord(member(body.value, 'event'))) return event(body.value, request.body)
    return type === PING ? handshake(PONG) : interaction(body.value, type)
  },
}

function answer(body: string): Answer {
  return { status: 200, contentType: 'application/json', body }
}

function handshake(pong: Answer): Facts {
  return { handshake: pong, workspaces: [], kind: 'other', event: 'PING' }
}

/** Events carry no id: the digest of the body stands for it, so that a repeat under a new timestamp is known again. */
function event(body: Json, raw: Buffer): Facts {
  const name = textAt(body, 'event', 'type')
  return {
    workspaces: named(idAt(body, 'application_id')),
    kind: name?.startsWith('APPLICATION_') ? 'installation' : name?.includes('MESSAGE') ? 'message' : 'other',
    deliveryId: `sha256:${signedDigest([raw]).toString('hex')}`,
    ...given('event', name),
    ...given('actor', user(member(body, 'event', 'data', 'user') ?? member(body, 'event', 'data', 'author'))),
    ...given(
      'conversation',
      party(idAt(body, 'event', 'data', 'channel_id') ?? idAt(body, 'event', 'data', 'lobby_id')),
    ),
    ...given('text', textAt(body, 'event', 'data', 'content')),
    ...given('attachments', files(listAt(member(body, 'event', 'data'), 'attachments'))),
  }
}

function interaction(body: Json, type: number): Facts {
  return {
    workspaces: named(idAt(body, 'application_id')),
    kind: type === COMMAND ? 'command' : NAMES.has(type) ? 'interaction' : 'other',
    ack: ackOf(type, member(body, 'message') !== undefined),
    ...given('deliveryId', idAt(body, 'id')),
    ...given('event', NAMES.get(type)),
    ...given('actor', user(member(body, 'member', 'user') ?? member(body, 'user'))),
    ...given(
      'conversation',
      party(idAt(body, 'channel_id') ?? idAt(body, 'channel', 'id'), textAt(body, 'channel', 'name')),
    ),
    ...given('text', textAt(body, 'data', 'name') ?? textAt(body, 'data', 'custom_id')),
    ...given('locale', textAt(body, 'locale')),
    ...given('attachments', files(values(member(body, 'data', 'resolved', 'attachments')))),
  }
}

function values(record: Json | undefined): readonly Json[] {
  return isRecord(record) ? Object.values(record) : []
}

function files(attachments: readonly Json[]): readonly Attachment[] | undefined {
  const found = attachments.flatMap((file) => {
    const id = idAt(file, 'id')
    const url = textAt(file, 'url')
    if (id === undefined || url === undefined) return []
    const size = member(file, 'size')
    return [
      {
        id,
        url,
        ...given('name', textAt(file, 'filename')),
        ...given('contentType', textAt(file, 'content_type')),
        ...given('size', typeof size === 'number' ? size : undefined),
      },
    ]
  })
  return found.length > 0 ? found : undefined
}

function ackOf(type: number, onMessage: boolean): Answer {
  if (type === AUTOCOMPLETE) return NO_CHOICES
  if (type === COMPONENT || (type === MODAL && onMessage)) return DEFERRED_UPDATE
  return DEFERRED
}

function user(value: Json | undefined) {
  return party(idAt(value, 'id'), textAt(value, 'global_name') ?? textAt(value, 'username'))
}
