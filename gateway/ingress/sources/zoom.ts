/**
 * Zoom: webhooks of one app. In: requests signed with the app's secret token over `v0:{timestamp}:{body}`. Out: claims and
 * facts. Refuses a validation whose `plainToken` is not plain: Zoom wants it back under the key that signs events, so that
 * a token of the form `v0:{timestamp}:{body}` would have us sign an event for whoever asked.
 * https://developers.zoom.us/docs/api/webhooks/
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { after, hexMac, malformed, required, wholeTime } from '../header.ts'
import { given, idAt, isRecord, named, party, textAt } from '../member.ts'
import { textKey } from '../secret.ts'
import { digestId } from '../several.ts'
import type { Answer, Facts, Malformed, SignedAnswer, Source } from '../source.ts'

const SIGNATURE = 'x-zm-signature'
const TIMESTAMP = 'x-zm-request-timestamp'
/** Zoom states none; as Slack, whose scheme this is. */
const TOLERANCE = 300
/** Three repeats, the last 85 minutes after the first try; a day leaves room for a late queue. */
const RETRY_SPAN = 86_400
const BODY_CAP = 1_048_576
/** Zoom's tokens are 22 characters of base64url. Never a colon, so never a signed text. */
const PLAIN_TOKEN = /^[A-Za-z0-9_+/=-]{1,128}$/

const OK: Answer = { status: 200 }

const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^(bot_notification)$/, 'command'],
  [/^interactive_message_/, 'interaction'],
  [/^(chat_message|team_chat\.(channel|dm|app)?_?message)/, 'message'],
  [/^(bot_installed|app_deauthorized)$/, 'installation'],
  [/^meeting\.participant_/, 'member'],
]

export const zoom: Source<Record<string, never>> = {
  name: 'zoom',
  title: 'Zoom',
  docs: 'docs/guide/sources/zoom.md',
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
    hint: 'Secret Token, under Features → Access (or Token) of the app at marketplace.zoom.us; not the Verification Token.',
    generated: false,
  },
  refusalStatus: 401,
  ack: OK,
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, TIMESTAMP, SIGNATURE)
    if ('refused' in headers) return headers
    const [time, signature] = headers
    const sentAt = wholeTime(time)
    if (sentAt === undefined) return malformed(TIMESTAMP)
    const value = hexMac(after('v0=', signature))
    if (value === undefined) return malformed(SIGNATURE)
    const signed = ['v0:', time, ':', request.body]
    return { sentAt, signed, signatures: [{ algorithm: 'hmac-sha256', value }] }
  },
  facts(request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const name = textAt(body.value, 'event')
    if (name === 'endpoint.url_validation') return validation(body.value)
    return event(body.value, name, request.body)
  },
}

function validation(body: Json): Facts | Malformed {
  const plainToken = textAt(body, 'payload', 'plainToken')
  if (plainToken === undefined || !PLAIN_TOKEN.test(plainToken)) return { malformed: 'challenge' }
  const challenge: SignedAnswer = {
    algorithm: 'hmac-sha256',
    parts: [plainToken],
    render: (mac) => ({
      status: 200,
      contentType: 'application/json',
      body: JSON.stringify({ plainToken, encryptedToken: mac.toString('hex') }),
    }),
  }
  return { challenge, workspaces: [], kind: 'other', event: 'endpoint.url_validation' }
}

/** Events have no id; `event_ts` makes bodies differ, and the digest knows a repeat under a new time again. */
function event(body: Json, name: string | undefined, raw: Buffer): Facts {
  const at = (...path: readonly string[]) => idAt(body, 'payload', ...path)
  return {
    workspaces: named(at('account_id') ?? at('accountId')),
    kind: KINDS.find(([names]) => name !== undefined && names.test(name))?.[1] ?? 'other',
    deliveryId: digestId(raw),
    ...given('event', name),
    ...given('actor', party(at('operator_id') ?? at('userId'), at('operator') ?? at('userName'))),
    ...given(
      'conversation',
      party(
        at('object', 'channel_id') ?? at('object', 'session_id') ?? at('toJid') ?? at('object', 'id'),
        at('object', 'channel_name') ?? at('channelName') ?? at('object', 'topic'),
      ),
    ),
    ...given('text', textAt(body, 'payload', 'object', 'message') ?? textAt(body, 'payload', 'cmd')),
  }
}
