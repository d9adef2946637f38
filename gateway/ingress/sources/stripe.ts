/**
 * Stripe: events of one endpoint. In: requests signed with the endpoint's secret over `{t}.{body}`. Out: claims and
 * facts. Refuses a signature header without exactly one time, and bodies that are not JSON objects. Signatures of
 * scheme `v0` are test values of Stripe's and never count.
 * https://docs.stripe.com/webhooks/signature
 */
import { z } from 'zod'
import { SIGNATURES_CAP, hexMac, malformed, required, wholeTime } from '../header.ts'
import { given, idAt, isRecord, named, party, textAt } from '../member.ts'
import { textKey } from '../secret.ts'
import type { Source } from '../source.ts'

const SIGNATURE = 'stripe-signature'
/** The default of Stripe's libraries. */
const TOLERANCE = 300
/** Live mode repeats for up to three days, each time under a new time and signature. */
const RETRY_SPAN = 259_200
const BODY_CAP = 1_048_576

const PAYMENT =
  /^(v2\.)?(charge|payment_|invoice|checkout|refund|payout|transfer|customer\.subscription|subscription_schedule|setup_intent|balance|topup)/

export const stripe: Source<Record<string, never>> = {
  name: 'stripe',
  title: 'Stripe',
  docs: 'docs/guide/sources/stripe.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'sometimes',
  bodyCap: BODY_CAP,
  tolerance: TOLERANCE,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Signing secret of the endpoint (whsec_…), under Webhooks in the Stripe dashboard; test and live differ.',
    generated: false,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, SIGNATURE)
    if ('refused' in headers) return headers
    const items = headers[0].split(',', SIGNATURES_CAP + 2)
    const times = valuesOf(items, 't=')
    const [time] = times
    const sentAt = time === undefined ? undefined : wholeTime(time)
    if (time === undefined || times.length !== 1 || sentAt === undefined) return malformed(SIGNATURE)
    const macs = valuesOf(items, 'v1=').map(hexMac)
    if (macs.length > SIGNATURES_CAP || items.length > SIGNATURES_CAP + 1) return malformed(SIGNATURE)
    const signatures = macs.filter((mac) => mac !== undefined)
    return {
      sentAt,
      signed: [time, '.', request.body],
      signatures: signatures.map((value) => ({ algorithm: 'hmac-sha256', value })),
    }
  },
  facts(_request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const event = textAt(body.value, 'type')
    return {
      // Connect names the account it speaks of; events of one's own account name none.
      workspaces: named(idAt(body.value, 'account'), connected(textAt(body.value, 'context'))),
      kind: event !== undefined && PAYMENT.test(event) ? 'payment' : 'other',
      ...given('deliveryId', idAt(body.value, 'id')),
      ...given('event', event),
      ...given('actor', party(textAt(body.value, 'data', 'object', 'customer'))),
      ...given(
        'conversation',
        party(textAt(body.value, 'data', 'object', 'id') ?? textAt(body.value, 'related_object', 'id')),
      ),
    }
  },
}

function valuesOf(items: readonly string[], prefix: string): readonly string[] {
  return items.filter((item) => item.startsWith(prefix)).map((item) => item.slice(prefix.length))
}

/** Thin events name their account in `context`, which may hold other things too. */
function connected(context: string | undefined): string | undefined {
  return context?.startsWith('acct_') ? context : undefined
}
