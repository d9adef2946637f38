/**
 * Twilio: webhooks of messaging, voice and conversations, as forms and as JSON. In: requests signed with the account's
 * auth token over the URL that Twilio called and the form, or over the URL with a digest of the JSON body in it. Out:
 * claims and facts. Refuses to guess the URL: it is the operator's `publicUrl` or the channel's `url`, never a header.
 *
 * Twilio writes URLs in more than one way before it signs them, so that several spellings are tried, as Twilio's own
 * libraries do: without the port and with it, `'` as it is and escaped, and the query written anew.
 * https://www.twilio.com/docs/usage/webhooks/webhooks-security
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { base64Mac, deliveryId, required } from '../header.ts'
import { given, idAt, listAt, named, party, textAt } from '../member.ts'
import { type Pair, byUnits, once, pairsOf } from '../pairs.ts'
import { queryOf } from '../query.ts'
import { textKey } from '../secret.ts'
import type { Claim, ClaimRefusal, Facts, RawRequest, Source } from '../source.ts'

const SIGNATURE = 'x-twilio-signature'
/** Outside the signature; remembered beside what is signed. */
const DELIVERY = 'i-twilio-idempotency-token'
/** Twilio repeats within its timeout only, Event Streams for some hours. */
const RETRY_SPAN = 86_400
/** Twilio's forms are a few KB, its batches of events below this. */
const BODY_CAP = 1_048_576

/** No query: that is read from each request, because the signature covers it. Credentials in it are signed too. */
const Settings = z.strictObject({
  url: z
    .string()
    .max(2_048)
    .regex(/^https?:\/\/[^\s/?#]+\/[^\s?#]*$/, 'must be a whole http or https URL without a query')
    .optional(),
})
type Settings = z.infer<typeof Settings>

export const twilio: Source<Settings> = {
  name: 'twilio',
  title: 'Twilio',
  docs: 'docs/guide/sources/twilio.md',
  methods: ['POST'],
  contentTypes: ['application/x-www-form-urlencoded', 'application/json'],
  // Forms are read here, not by the door: Twilio repeats names, and signs them in its own way.
  bodies: ['json', 'form', 'text'],
  namesWorkspace: 'always',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: Settings,
  credential: {
    kind: 'secret',
    hint: 'Auth Token of the account, the primary one, in the Twilio Console under Account info.',
    generated: false,
  },
  refusalStatus: 401,
  // TwiML that does nothing: what every kind of webhook takes for an answer.
  ack: { status: 200, contentType: 'text/xml', body: '<Response/>' },
  key: (secret) => textKey('hmac-sha1', secret),
  claim,
  facts(request, body) {
    if (bodyDigestIn(request) !== undefined)
      return body.type === 'json' ? events(body.value) : { malformed: 'not-json' }
    const pairs = pairsOf(request.body)
    return pairs === undefined ? { malformed: 'form-escape' } : form(once(pairs))
  },
}

function claim(request: RawRequest, { url }: Settings): Claim | ClaimRefusal {
  const headers = required(request, SIGNATURE)
  if ('refused' in headers) return headers
  const called = url ?? request.publicUrl?.split('?', 1)[0]
  // Not a header's fault; the detail tells the operator which setting is missing.
  if (called === undefined) return { refused: 'missing-header', header: 'publicUrl' }
  const value = base64Mac(headers[0])
  // Characters outside base64 are not a second kind of refusal here: Twilio's libraries compare text.
  const fields = fieldsSigned(request)
  const signatures =
    value === undefined || fields === undefined ? [] : [{ algorithm: 'hmac-sha1', value } as const]
  const [signed = [], ...spellings] = urls(called, queryOf(request.target)).map((one) => [one, fields ?? ''])
  return {
    sentAt: undefined,
    signed,
    spellings,
    signatures,
    ...given('deliveryId', deliveryId(request.headers.get(DELIVERY))),
  }
}

/** What is signed beside the URL; undefined when nothing Twilio signs has this body. */
function fieldsSigned(request: RawRequest): string | undefined {
  if (request.body.length > BODY_CAP) return undefined
  const digest = bodyDigestIn(request)
  if (digest !== undefined)
    return createHash('sha256').update(request.body).digest('hex') === digest.toLowerCase() ? '' : undefined
  const pairs = pairsOf(request.body)
  return pairs === undefined ? undefined : joined(pairs)
}

/** Names in order, each with its values: every value once, in order, with nothing between. */
function joined(pairs: readonly Pair[]): string {
  const values = Map.groupBy(pairs, ([name]) => name)
  return [...values.keys()]
    .toSorted(byUnits)
    .flatMap((name) =>
      [...new Set(values.get(name)?.map(([, value]) => value))]
        .toSorted(byUnits)
        .map((value) => name + value),
    )
    .join('')
}

/** The digest of a body that is not a form; a query that names two names none. */
function bodyDigestIn({ target }: RawRequest): string | undefined {
  const named = pairsOf(queryOf(target))?.filter(([name]) => name === 'bodySHA256') ?? []
  return named.length === 0 ? undefined : named.length === 1 ? named[0]?.[1] : ''
}

/** The URL in every way Twilio writes it, each once; the plain one first. */
function urls(called: string, query: string): readonly string[] {
  const queries =
    query === '' ? [''] : [query, query.replaceAll("'", '%27'), rewritten(query)].map((one) => `?${one}`)
  return [...new Set(queries.flatMap((one) => ported(called).map((base) => base + one)))]
}

function ported(called: string): readonly string[] {
  const [, scheme = '', host = '', port, path = ''] =
    /^(https?:\/\/)([^/]*?)(:\d+)?(\/.*)$/s.exec(called) ?? []
  return [scheme + host + path, scheme + host + (port ?? (scheme === 'https://' ? ':443' : ':80')) + path]
}

/** As a querystring library writes what it has read: `%20` for `+`, and `'` never escaped. */
function rewritten(query: string): string {
  const pairs = pairsOf(query) ?? []
  return pairs.map((pair) => pair.map((text) => encodeURIComponent(text.toWellFormed())).join('=')).join('&')
}

function form(body: Json): Facts {
  const event = textAt(body, 'EventType')
  const status = textAt(body, 'MessageStatus') ?? textAt(body, 'SmsStatus')
  const message = textAt(body, 'MessageSid') ?? textAt(body, 'SmsSid')
  const call = textAt(body, 'CallSid')
  return {
    workspaces: named(textAt(body, 'AccountSid')),
    kind: kindOf(body, event, status),
    ...given(
      'deliveryId',
      event === undefined ? (idOf(message, status) ?? idOf(call, stepOf(body))) : undefined,
    ),
    ...given('event', event ?? status ?? textAt(body, 'CallStatus')),
    ...given('actor', party(textAt(body, 'Author') ?? textAt(body, 'From'), textAt(body, 'ProfileName'))),
    ...given('conversation', party(textAt(body, 'ConversationSid') ?? call ?? textAt(body, 'To'))),
    ...given('text', textAt(body, 'Body') ?? textAt(body, 'SpeechResult') ?? textAt(body, 'Digits')),
  }
}

/** Only the progress of a call is numbered through: gathers, streams and conferences each count from their own start. */
function stepOf(body: Json): string | undefined {
  return textAt(body, 'CallbackSource') === 'call-progress-events'
    ? textAt(body, 'SequenceNumber')
    : undefined
}

/** A message has one sid for its coming and for each step of its going; a call's steps are numbered. */
function idOf(sid: string | undefined, step: string | undefined): string | undefined {
  return sid === undefined || step === undefined ? undefined : `${sid}:${step}`
}

function kindOf(body: Json, event: string | undefined, status: string | undefined): string {
  if (textAt(body, 'ButtonPayload') !== undefined) return 'interaction'
  if (event !== undefined) return event === 'onMessageAdded' ? 'message' : 'other'
  if (status !== undefined) return status === 'received' || status === 'receiving' ? 'message' : 'receipt'
  return textAt(body, 'CallSid') === undefined ? 'other' : 'call'
}

/** Event Streams: a list of CloudEvents. Their account stands in each; one that names none says nothing of whose it is. */
function events(body: Json): Facts {
  const list = Array.isArray(body) ? listAt(body) : [body]
  const accounts = list.map(
    (one) => idAt(one, 'AccountSid') ?? idAt(one, 'data', 'accountSid') ?? idAt(one, 'data', 'AccountSid'),
  )
  const types = new Set(list.map((one) => textAt(one, 'type')))
  const [only] = list
  return {
    workspaces: named(...accounts),
    kind: 'other',
    ...given('event', types.size === 1 ? [...types][0] : undefined),
    ...given('deliveryId', list.length === 1 ? idAt(only, 'id') : undefined),
  }
}
