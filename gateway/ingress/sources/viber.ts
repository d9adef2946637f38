/**
 * Viber: callbacks of one bot. In: requests signed with the bot's authentication token over the body. Out: claims and
 * facts. Refuses bodies without an `event`. No time is signed. The signature is taken from its header only: Viber's own
 * library looks into the URL too, and what stands in a URL stands in logs.
 * https://developers.viber.com/docs/api/rest-bot-api/#callbacks
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { hexMac, malformed, required } from '../header.ts'
import { given, idAt, isRecord, party, textAt } from '../member.ts'
import { textKey } from '../secret.ts'
import type { Answer, Source } from '../source.ts'

const SIGNATURE = 'x-viber-content-signature'
/** Viber tries again for an hour; a day leaves room for a late queue. */
const RETRY_SPAN = 86_400
const BODY_CAP = 1_048_576

const OK: Answer = { status: 200 }

const KINDS: ReadonlyMap<string, string> = new Map([
  ['message', 'message'],
  ['subscribed', 'member'],
  ['unsubscribed', 'member'],
  ['conversation_started', 'member'],
])

export const viber: Source<Record<string, never>> = {
  name: 'viber',
  title: 'Viber',
  docs: 'docs/guide/sources/viber.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'never',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Authentication token (app key) of the bot, under Edit Info in Viber or the Viber Admin Panel.',
    generated: false,
  },
  refusalStatus: 401,
  ack: OK,
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, SIGNATURE)
    if ('refused' in headers) return headers
    const value = hexMac(headers[0])
    if (value === undefined) return malformed(SIGNATURE)
    return { sentAt: undefined, signed: [request.body], signatures: [{ algorithm: 'hmac-sha256', value }] }
  },
  facts(request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const event = textAt(body.value, 'event')
    if (event === undefined) return { malformed: 'event' }
    // Sent once by set_webhook, which succeeds when it hears 200.
    if (event === 'webhook') return { handshake: OK, workspaces: [], kind: 'other', event }
    const actor = user(body.value)
    return {
      workspaces: [],
      kind: KINDS.get(event) ?? 'other',
      event,
      ...given('deliveryId', deliveryId(event, request.body, actor?.id)),
      ...given('actor', actor),
      ...given('conversation', actor && party(actor.id)),
      ...given('text', textAt(body.value, 'message', 'text')),
      ...given('locale', textAt(body.value, 'sender', 'language') ?? textAt(body.value, 'user', 'language')),
    }
  },
}

function user(body: Json) {
  return (
    party(idAt(body, 'sender', 'id'), textAt(body, 'sender', 'name')) ??
    party(idAt(body, 'user', 'id'), textAt(body, 'user', 'name')) ??
    party(idAt(body, 'user_id'))
  )
}

/** A message, its receipts and each reader of a broadcast share one token: the three together name a callback. */
function deliveryId(event: string, body: Buffer, userId: string | undefined): string | undefined {
  const token = messageToken(body)
  return token === undefined ? undefined : [event, token, userId ?? ''].join(':')
}

/** The token's digits as sent: above 2^53 two of them would be one JavaScript number. */
function messageToken(body: Buffer): string | undefined {
  // ECMA-262 hands each number's text to the reviver; the checker's library does not say so yet.
  const parsed = JSON.parse(
    body.toString('utf8'),
    asWritten as (name: string, value: unknown) => unknown,
  ) as Json
  const token = textAt(parsed, 'message_token')
  return token !== undefined && /^\d{1,32}$/.test(token) ? token : undefined
}

function asWritten(name: string, value: unknown, context?: { readonly source?: string }): unknown {
  return name === 'message_token' && typeof value === 'number' ? context?.source : value
}
