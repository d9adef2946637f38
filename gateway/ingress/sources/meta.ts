/**
 * What WhatsApp, Messenger and Instagram have in common as Meta's webhooks. In: a product's name and the way to read its
 * entries. Out: its source. Refuses bodies of another product: one app has one secret for all of them. No time is signed.
 *
 * POSTs are signed with the app secret over the bytes as sent, in which everything beyond ASCII stands as `\u` and four
 * lower-case digits. GETs ask whether the URL is ours, with a verify token of the operator's own: a second credential,
 * so that no key is used for two things, and what a URL shows to logs signs nothing.
 * https://developers.facebook.com/docs/graph-api/webhooks/getting-started/
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { tokenKey } from '@gatehouse/proof/webhook.ts'
import { after, hexMac, malformed, required } from '../header.ts'
import { listAt, member, named } from '../member.ts'
import { fieldsOf, queryOf } from '../query.ts'
import { randomText, textKey } from '../secret.ts'
import { type Event, together } from '../several.ts'
import type { Claim, ClaimRefusal, Facts, Malformed, RawRequest, Source } from '../source.ts'

const SIGNATURE = 'x-hub-signature-256'
const TOKEN = 'hub.verify_token'
/** Room for a full batch: Meta puts up to 1,000 updates into one request. */
const BODY_CAP = 4_194_304
/** Meta's challenges are numbers; letters for what its products may send. Nothing that a browser would run. */
const CHALLENGE = /^[A-Za-z0-9_-]{1,256}$/
/** Role of the credential that proves a GET. */
const VERIFY_TOKEN = 'verify-token'

/** What tells one product from another. */
export interface Product extends Pick<Source, 'name' | 'title' | 'docs' | 'retrySpan'> {
  /** What `object` in the body is. */
  readonly object: string
  /** The accounts that an entry is about. */
  accounts(entry: Json): readonly (string | undefined)[]
  events(entry: Json): readonly Event[]
}

export function metaSource(product: Product): Source<Record<string, never>> {
  const { name, title, docs, retrySpan } = product
  return {
    name,
    title,
    docs,
    methods: ['GET', 'POST'],
    contentTypes: ['application/json'],
    // A GET has no body, which is no JSON.
    bodies: ['json', 'text'],
    namesWorkspace: 'always',
    bodyCap: BODY_CAP,
    tolerance: undefined,
    retrySpan,
    settings: z.strictObject({}),
    credential: {
      kind: 'secret',
      hint: 'App secret, under App settings → Basic at developers.facebook.com (Instagram login has one of its own).',
      generated: false,
    },
    otherCredentials: {
      [VERIFY_TOKEN]: {
        kind: 'secret',
        hint: 'Verify token: any text that you also type into the Webhooks settings of the app.',
        generated: true,
        make: randomText,
      },
    },
    refusalStatus: 401,
    ack: { status: 200 },
    key: (secret, _settings, role) =>
      role === VERIFY_TOKEN ? verifyToken(secret) : textKey('hmac-sha256', secret),
    claim: (request) => (request.method === 'GET' ? questionClaim(request) : eventClaim(request)),
    facts(request, body) {
      if (request.method === 'GET') return question(request)
      return body.type === 'json' ? delivery(product, body.value) : { malformed: 'body' }
    },
  }
}

function verifyToken(secret: string) {
  if (secret.trim() === '')
    throw new RangeError('read the verify token: it is blank, wanted at least one character')
  return tokenKey(secret)
}

function eventClaim(request: RawRequest): Claim | ClaimRefusal {
  const headers = required(request, SIGNATURE)
  if ('refused' in headers) return headers
  const value = hexMac(after('sha256=', headers[0]))
  if (value === undefined) return malformed(SIGNATURE)
  return { sentAt: undefined, signed: [request.body], signatures: [{ algorithm: 'hmac-sha256', value }] }
}

/** The token covers nothing; nothing is delivered and nothing remembered. */
function questionClaim(request: RawRequest): Claim | ClaimRefusal {
  const query = queryOf(request.target)
  const fields = fieldsOf(query)
  if (fields?.['hub.mode'] !== 'subscribe') return malformed('hub.mode')
  const token = fields[TOKEN]
  if (token === undefined || token === '') return { refused: 'missing-header', header: TOKEN }
  const value = Buffer.from(token, 'utf8')
  return { sentAt: undefined, signed: [query], signatures: [{ algorithm: 'token', value }] }
}

function question(request: RawRequest): Facts | Malformed {
  const challenge = fieldsOf(queryOf(request.target))?.['hub.challenge']
  if (challenge === undefined || !CHALLENGE.test(challenge)) return { malformed: 'challenge' }
  const handshake = { status: 200, contentType: 'text/plain', body: challenge }
  return { handshake, workspaces: [], kind: 'other', event: 'hub.challenge' }
}

function delivery(product: Product, body: Json): Facts | Malformed {
  if (member(body, 'object') !== product.object) return { malformed: 'object' }
  const entries = listAt(body, 'entry')
  const accounts = entries.map((entry) => product.accounts(entry)).flat()
  // An entry whose account we cannot read could be anybody's.
  if (entries.length === 0 || accounts.includes(undefined)) return { malformed: 'entry' }
  return together(
    named(...accounts),
    entries.flatMap((entry) => product.events(entry)),
  )
}
