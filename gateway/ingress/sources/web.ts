/**
 * Web: Gatehouse's own channel, for a site, a service or a script that has no platform behind it. In: requests signed over
 * `{timestamp}.{body}`. Out: claims and facts. Refuses bodies whose known members are not of the shape below.
 * docs/guide/sources/web.md
 */
import { z } from 'zod'
import { after, hexMac, malformed, required, wholeTime } from '../header.ts'
import { given, named } from '../member.ts'
import { randomText, textKey } from '../secret.ts'
import type { Source } from '../source.ts'

const SIGNATURE = 'x-gatehouse-signature'
const TIMESTAMP = 'x-gatehouse-timestamp'
const TOLERANCE = 300
/** As long as a sender that follows our own delivery page goes on. */
const RETRY_SPAN = 259_200
const BODY_CAP = 1_048_576

const id = z.union([z.string().min(1), z.int().transform(String)])
const party = z.looseObject({ id, name: z.string().optional() })

/** Every member is optional; what else stands in the body is the app's. */
const Message = z.looseObject({
  id: id.optional(),
  kind: z.string().optional(),
  event: z.string().optional(),
  workspace: id.optional(),
  actor: party.optional(),
  conversation: party.optional(),
  text: z.string().optional(),
  locale: z.string().optional(),
})

export const web: Source<Record<string, never>> = {
  name: 'web',
  title: 'Web (Gatehouse’s own)',
  docs: 'docs/guide/sources/web.md',
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
    hint: 'The secret shared with your sender; its UTF-8 bytes are the key.',
    generated: true,
    make: randomText,
  },
  refusalStatus: 401,
  ack: { status: 202 },
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, TIMESTAMP, SIGNATURE)
    if ('refused' in headers) return headers
    const [time, signature] = headers
    const sentAt = wholeTime(time)
    if (sentAt === undefined) return malformed(TIMESTAMP)
    const value = hexMac(after('v1=', signature))
    if (value === undefined) return malformed(SIGNATURE)
    const signed = [time, '.', request.body]
    return { sentAt, signed, signatures: [{ algorithm: 'hmac-sha256', value }] }
  },
  facts(_request, body) {
    const message = body.type === 'json' ? Message.safeParse(body.value) : undefined
    if (message?.success !== true) return { malformed: message?.error.issues[0]?.path.join('.') || 'body' }
    const {
      id: deliveryId,
      kind = 'message',
      event,
      workspace,
      actor,
      conversation,
      text,
      locale,
    } = message.data
    return {
      workspaces: named(workspace),
      kind,
      ...given('deliveryId', deliveryId),
      ...given('event', event),
      ...given('actor', actor && { id: actor.id, ...given('name', actor.name) }),
      ...given('conversation', conversation && { id: conversation.id, ...given('name', conversation.name) }),
      ...given('text', text),
      ...given('locale', locale),
    }
  },
}
