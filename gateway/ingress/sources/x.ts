/**
 * X: account activity and other webhooks of one app. In: POSTs signed with the app's consumer secret over the body, and
 * GETs signed with it over the query, which ask us to sign `crc_token`. Out: claims and facts. Refuses a `crc_token`
 * that is not an opaque token, and any body that could be one: question and event are signed with one key in one way, so
 * only their forms keep an answer from being an event. No time is signed.
 * https://docs.x.com/x-api/webhooks/quickstart
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { after, base64Mac, malformed, required } from '../header.ts'
import { given, idAt, isRecord, listAt, member, named, party, textAt } from '../member.ts'
import { fieldsOf, queryOf } from '../query.ts'
import { textKey } from '../secret.ts'
import type { Facts, Malformed, RawRequest, SignedAnswer, Source } from '../source.ts'

const SIGNATURE = 'x-twitter-webhooks-signature'
/** X replays what was missed for up to five days. */
const RETRY_SPAN = 432_000
const BODY_CAP = 1_048_576
/** Base64 or base64url, as X sends it: never white space, a quote or a brace, so never an event. */
const CRC_TOKEN = /^[A-Za-z0-9+/_-]{1,256}={0,2}$/
/** The query of such a question, which X signs too. */
const QUESTION = /^(?:[^{["]*&)?crc_token=/

/** Members of an account activity body that hold what happened, and what that is called here. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['tweet_create_events', 'message'],
  ['direct_message_events', 'message'],
  ['favorite_events', 'reaction'],
  ['follow_events', 'member'],
  ['user_event', 'installation'],
])

export const x: Source<Record<string, never>> = {
  name: 'x',
  title: 'X',
  docs: 'docs/guide/sources/x.md',
  methods: ['GET', 'POST'],
  contentTypes: ['application/json'],
  // A GET has no body, which is no JSON.
  bodies: ['json', 'text'],
  namesWorkspace: 'sometimes',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Consumer secret (API Key Secret) of the app, under Keys and tokens at developer.x.com; not the OAuth 2.0 client secret.',
    generated: false,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, SIGNATURE)
    if ('refused' in headers) return headers
    const value = base64Mac(after('sha256=', headers[0]))
    if (value === undefined) return malformed(SIGNATURE)
    const signed = request.method === 'GET' ? [queryOf(request.target)] : [request.body]
    return { sentAt: undefined, signed, signatures: [{ algorithm: 'hmac-sha256', value }] }
  },
  facts(request, body) {
    if (request.method === 'GET') return question(request)
    const value = body.type === 'json' && isRecord(body.value) ? body.value : undefined
    if (value === undefined && couldBeQuestion(request.body)) return { malformed: 'challenge' }
    return value === undefined ? { workspaces: [], kind: 'other' } : (activity(value) ?? account(value))
  },
}

function question(request: RawRequest): Facts | Malformed {
  const token = fieldsOf(queryOf(request.target))?.['crc_token']
  if (token === undefined || !CRC_TOKEN.test(token)) return { malformed: 'challenge' }
  const challenge: SignedAnswer = {
    algorithm: 'hmac-sha256',
    parts: [token],
    render: (mac) => ({
      status: 200,
      contentType: 'application/json',
      body: JSON.stringify({ response_token: `sha256=${mac.toString('base64')}` }),
    }),
  }
  return { challenge, workspaces: [], kind: 'other', event: 'crc' }
}

/** Whether a signature over these bytes may have been made for a question, by X or by us. */
function couldBeQuestion(body: Buffer): boolean {
  const text = body.toString('latin1')
  return CRC_TOKEN.test(text) || QUESTION.test(text)
}

/** The X Activity API, and what is built on it: one event in `data`, with an id. */
function activity(body: Json): Facts | undefined {
  const name = textAt(body, 'data', 'event_type')
  if (name === undefined) return undefined
  const said = member(body, 'data', 'payload')
  return {
    workspaces: named(idAt(body, 'data', 'filter', 'user_id')),
    kind: /^(dm|chat|post)\./.test(name) ? 'message' : name.startsWith('follow.') ? 'member' : 'other',
    event: name,
    ...given('deliveryId', idAt(body, 'data', 'event_uuid')),
    ...given('actor', party(idAt(said, 'author_id') ?? idAt(said, 'sender_id'))),
    ...given('conversation', party(idAt(said, 'dm_conversation_id') ?? idAt(said, 'conversation_id'))),
    ...given('text', textAt(said, 'text')),
  }
}

/** The Account Activity API: whose account it is, and a list named after what happened. */
function account(body: Json): Facts {
  const workspaces = named(
    idAt(body, 'for_user_id') ?? idAt(body, 'user_event', 'revoke', 'source', 'user_id'),
  )
  const name = Object.keys(isRecord(body) ? body : {}).find((one) => /_events?$/.test(one))
  const found = name === undefined ? [] : listAt(body, name)
  const base = {
    workspaces,
    kind: (name !== undefined && KINDS.get(name)) || 'other',
    ...given('event', name),
  }
  const [first] = found
  if (first === undefined || found.length > 1) return base
  const sender = idAt(first, 'message_create', 'sender_id')
  return {
    ...base,
    ...given(
      'actor',
      party(idAt(first, 'user', 'id_str'), textAt(first, 'user', 'screen_name')) ?? party(sender),
    ),
    ...given('conversation', party(idAt(first, 'id_str') ?? sender)),
    ...given('text', textAt(first, 'message_create', 'message_data', 'text') ?? textAt(first, 'text')),
  }
}
