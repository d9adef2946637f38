/**
 * SendGrid: the signed Event Webhook. In: batches of mail events, signed with SendGrid's ECDSA key over time and body.
 * Out: claims and facts. Refuses keys on another curve than P-256, and bodies that are not lists. The line break that
 * ends a batch is signed like every other byte.
 * https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
 */
import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { fromBase64 } from '@gatehouse/proof/bytes.ts'
import type { VerifyingKey } from '@gatehouse/proof/webhook.ts'
import { base64Mac, malformed, required, wholeTime } from '../header.ts'
import { given, idAt, isRecord, party, textAt } from '../member.ts'
import { digestId, together, type Event } from '../several.ts'
import type { Source } from '../source.ts'

const SIGNATURE = 'x-twilio-email-event-webhook-signature'
const TIMESTAMP = 'x-twilio-email-event-webhook-timestamp'
/** SendGrid states none; five minutes is what its users take. */
const TOLERANCE = 300
/** A window of a day is no window any more. */
const TOLERANCE_CAP = 86_400
/** SendGrid repeats a batch for up to a day. */
const RETRY_SPAN = 86_400
/** SendGrid closes a batch below this. */
const BODY_CAP = 1_048_576

const Settings = z.strictObject({ tolerance: z.int().min(1).max(TOLERANCE_CAP).default(TOLERANCE) })
type Settings = z.infer<typeof Settings>

export const sendgrid: Source<Settings> = {
  name: 'sendgrid',
  title: 'SendGrid',
  docs: 'docs/guide/sources/sendgrid.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'never',
  bodyCap: BODY_CAP,
  tolerance: TOLERANCE,
  retrySpan: RETRY_SPAN,
  settings: Settings,
  credential: {
    kind: 'public-key',
    hint: 'Verification Key of the signed event webhook, under Mail Settings: base64 that begins with MFkw.',
    generated: false,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  toleranceOf: ({ tolerance }) => tolerance,
  key,
  claim(request) {
    const headers = required(request, TIMESTAMP, SIGNATURE)
    if ('refused' in headers) return headers
    const [time, signature] = headers
    const sentAt = wholeTime(time)
    if (sentAt === undefined) return malformed(TIMESTAMP)
    const value = base64Mac(signature)
    if (value === undefined) return malformed(SIGNATURE)
    return { sentAt, signed: [time, request.body], signatures: [{ algorithm: 'ecdsa-sha256', value }] }
  },
  facts(request, body) {
    if (body.type !== 'json' || !Array.isArray(body.value)) return { malformed: 'body' }
    // The cast undoes what isArray does to a readonly type.
    const events = (body.value as readonly Json[]).map(said)
    // A repeat comes under a new time: without ids of its own, a batch is known again by its bytes.
    return { deliveryId: digestId(request.body), ...together([], events) }
  },
}

function key(text: string): VerifyingKey {
  const der = fromBase64(text.trim())
  if (der === undefined) throw new RangeError('read the SendGrid verification key: it is not base64')
  const read = spki(der)
  if (read?.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new RangeError(
      'read the SendGrid verification key: it is not a P-256 public key, wanted base64 of its SPKI',
    )
  return { algorithm: 'ecdsa-sha256', key: read }
}

function spki(der: Buffer) {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

function said(event: Json): Event {
  if (!isRecord(event)) return { kind: 'other' }
  return {
    kind: 'receipt',
    ...given('deliveryId', idAt(event, 'sg_event_id')),
    ...given('event', textAt(event, 'event')),
    ...given('actor', party(textAt(event, 'email'))),
    ...given('conversation', party(textAt(event, 'sg_message_id')?.split('.')[0])),
    ...given('text', textAt(event, 'reason') ?? textAt(event, 'url')),
  }
}
