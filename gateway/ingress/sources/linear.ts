/**
 * Linear: webhooks of one organisation. In: requests signed with the webhook's secret over the body. Out: claims and
 * facts. Refuses bodies that are not JSON objects with a `webhookTimestamp`: the signed time stands in there and nowhere
 * else. The `Linear-Timestamp` header says the same and is signed by nobody, so that it is never read.
 *
 * So the body is read before it is proved. That is safe because `json` counts depth and members before it parses,
 * because what is read is one number that can only refuse, and because nothing read here is kept: facts are read again
 * from the proved body.
 * https://linear.app/developers/webhooks
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { deliveryId, hexMac, malformed, required } from '../header.ts'
import { given, idAt, isRecord, member, named, party, textAt } from '../member.ts'
import { json } from '../parse.ts'
import { textKey } from '../secret.ts'
import type { Facts, Source } from '../source.ts'

const SIGNATURE = 'linear-signature'
const DELIVERY = 'linear-delivery'
const TIME = 'webhookTimestamp'
/** What Linear says to check. */
const TOLERANCE = 60
/** Linear repeats after a minute, an hour and six hours. */
const RETRY_SPAN = 28_800
/** Also the most that is parsed before proof. */
const BODY_CAP = 1_048_576

/** `type`, and what that is called here. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['Issue', 'issue'],
  ['Comment', 'comment'],
  ['Reaction', 'reaction'],
  ['User', 'member'],
  ['OAuthApp', 'installation'],
  ['AgentSessionEvent', 'interaction'],
])

/** Read before it is proved, so fewer than others may have. */
const MEMBERS_CAP = 20_000

export const linear: Source<Record<string, never>> = {
  name: 'linear',
  title: 'Linear',
  docs: 'docs/guide/sources/linear.md',
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
    hint: 'Signing secret, on the page of the webhook under Settings, API.',
    generated: false,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, SIGNATURE)
    if ('refused' in headers) return headers
    const value = hexMac(headers[0])
    if (value === undefined) return malformed(SIGNATURE)
    const sentAt = timeIn(request.body)
    if (sentAt === undefined) return malformed(TIME)
    return {
      sentAt,
      signed: [request.body],
      signatures: [{ algorithm: 'hmac-sha256', value }],
      ...given('deliveryId', deliveryId(request.headers.get(DELIVERY))),
    }
  },
  facts(_request, body) {
    return body.type === 'json' && isRecord(body.value) ? event(body.value) : { malformed: 'body' }
  },
}

/** Unix seconds; Linear writes milliseconds. */
function timeIn(body: Buffer): number | undefined {
  if (body.length > BODY_CAP) return undefined
  const parsed = json(body, MEMBERS_CAP)
  const time = 'value' in parsed ? member(parsed.value, TIME) : undefined
  return typeof time === 'number' && Number.isSafeInteger(time) && time > 0 ? time / 1_000 : undefined
}

function event(body: Json): Facts {
  const type = textAt(body, 'type')
  const action = textAt(body, 'action')
  const data = member(body, 'data') ?? member(body, 'notification') ?? member(body, 'agentSession')
  const issue = member(data, 'issue')
  return {
    workspaces: named(idAt(body, 'organizationId')),
    kind: (type !== undefined && KINDS.get(type)) || 'other',
    ...given('deliveryId', idOf(body, data)),
    ...given('event', type !== undefined && action !== undefined ? `${type}.${action}` : type),
    ...given('actor', party(idAt(body, 'actor', 'id'), textAt(body, 'actor', 'name'))),
    ...given(
      'conversation',
      party(
        idAt(data, 'issueId') ?? idAt(issue, 'id') ?? idAt(data, 'id'),
        textAt(issue, 'identifier') ?? textAt(data, 'identifier'),
      ),
    ),
    ...given('text', textAt(data, 'body') ?? textAt(data, 'title') ?? textAt(data, 'name')),
  }
}

/** A repeat has a new time, and so another body: what happened to what, and when, is the same and is signed. */
function idOf(body: Json, data: Json | undefined): string | undefined {
  const all = [textAt(body, 'type'), textAt(body, 'action'), idAt(data, 'id'), textAt(body, 'createdAt')]
  return all.includes(undefined) ? undefined : all.join(':')
}
