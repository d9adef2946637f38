/**
 * PayPal: events of one webhook. In: requests signed over the transmission's id and time, the webhook's id and a checksum of
 * the body, under a certificate that they name. Out: claims and facts. Refuses other algorithms than SHA256withRSA,
 * certificates that are not at PayPal's own API, and bodies that are not events.
 *
 * The checksum is a CRC-32, which holds nobody up: whoever has one genuine transmission can fit another body to it. What
 * keeps him out is TLS, and that a transmission is taken once.
 * https://developer.paypal.com/api/rest/webhooks/rest/
 */
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import { base64Mac, malformed, required } from '../header.ts'
import { given, idAt, isRecord, named, party, textAt } from '../member.ts'
import type { ClaimRefusal, Source } from '../source.ts'

const ID = 'paypal-transmission-id'
const TIME = 'paypal-transmission-time'
const SIGNATURE = 'paypal-transmission-sig'
const CERTIFICATE = 'paypal-cert-url'
const ALGORITHM = 'paypal-auth-algo'

/** PayPal repeats for three days and does not say whether under a new time; younger than that, a time is no proof of age. */
const TOLERANCE = 259_200
const RETRY_SPAN = 259_200
const BODY_CAP = 1_048_576

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/
/** Nothing that could be taken for the bar between the parts. */
const PLAIN = /^[A-Za-z0-9-]{1,64}$/
const PATH = /^\/v1\/notifications\/certs\/[A-Za-z0-9_-]{1,128}$/

/** Where the certificates are, and whom they are for: a certificate of the sandbox proves nothing about money. */
const ENVIRONMENTS = {
  live: {
    origins: ['https://api.paypal.com', 'https://api-m.paypal.com'],
    names: ['messageverificationcerts.paypal.com'],
  },
  sandbox: {
    origins: ['https://api.sandbox.paypal.com', 'https://api-m.sandbox.paypal.com'],
    names: ['messageverificationcerts.sandbox.paypal.com', 'messageverificationcerts.paypal.com'],
  },
} as const

const PAYMENT =
  /^(PAYMENT|CHECKOUT|BILLING|INVOICING|CUSTOMER\.(DISPUTE|PAYOUT)|PAYMENTS|VAULT|RISK|PAYMENTORDER)\b/

const Settings = z.strictObject({
  /** The id that PayPal gave to the webhook; it is signed, so that no other webhook's events are taken. */
  webhookId: z.string().regex(/^[A-Za-z0-9]{1,50}$/, 'is not a webhook id'),
  environment: z.enum(['live', 'sandbox']).default('live'),
})

type Settings = z.infer<typeof Settings>

export const paypal: Source<Settings> = {
  name: 'paypal',
  title: 'PayPal',
  docs: 'docs/guide/sources/paypal.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'sometimes',
  bodyCap: BODY_CAP,
  tolerance: TOLERANCE,
  retrySpan: RETRY_SPAN,
  settings: Settings,
  credential: {
    kind: 'public-key',
    hint: 'None: events are proved by the certificates that PayPal publishes. The setting webhookId says for which webhook.',
    generated: false,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  key() {
    throw new RangeError('add a credential: PayPal channels take none, PayPal publishes its certificates')
  },
  keyRef(request, { environment }) {
    const headers = required(request, CERTIFICATE, ALGORITHM)
    if ('refused' in headers) return headers
    const [url, algorithm] = headers
    if (algorithm !== 'SHA256withRSA') return malformed(ALGORITHM)
    const { origins, names } = ENVIRONMENTS[environment]
    const origin = origins.find((known) => url.startsWith(`${known}/`))
    if (origin === undefined || !PATH.test(url.slice(origin.length))) return { refused: 'cert-url' }
    return { kind: 'x509', url, algorithm: 'rsa-sha256', names }
  },
  claim(request, { webhookId }) {
    const headers = required(request, ID, TIME, SIGNATURE)
    if ('refused' in headers) return headers
    const [id, time, signature] = headers
    const odd = oddHeader(id, time)
    if (odd !== undefined) return odd
    const value = base64Mac(signature)
    if (value === undefined) return malformed(SIGNATURE)
    return {
      sentAt: Date.parse(time) / 1_000,
      signed: [`${id}|${time}|${webhookId}|${crc32(request.body)}`],
      signatures: [{ algorithm: 'rsa-sha256', value }],
    }
  },
  facts(_request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const event = textAt(body.value, 'event_type')
    const id = idAt(body.value, 'id')
    if (event === undefined || id === undefined) return { malformed: 'event_type' }
    const payer = textAt(body.value, 'resource', 'payer', 'payer_id')
    return {
      workspaces: named(idAt(body.value, 'resource', 'payee', 'merchant_id')),
      kind: PAYMENT.test(event) ? 'payment' : 'other',
      deliveryId: id,
      event,
      ...given('actor', party(payer ?? textAt(body.value, 'resource', 'payer', 'payer_info', 'payer_id'))),
      ...given('conversation', party(idAt(body.value, 'resource', 'id'))),
      ...given('text', textAt(body.value, 'summary')),
    }
  },
}

function oddHeader(id: string, time: string): ClaimRefusal | undefined {
  if (!PLAIN.test(id)) return malformed(ID)
  return ISO.test(time) && Number.isFinite(Date.parse(time)) ? undefined : malformed(TIME)
}
