/**
 * PagerDuty: v3 webhook subscriptions. In: requests signed with the subscription's secret over the body. Out: claims and
 * facts. Refuses a signature header without one `v1`, and bodies without an event. No time is signed; the event's id is.
 * https://docs.pagerduty.com/developer/verifying-webhook-signatures
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { SIGNATURES_CAP, after, hexMac, malformed, required } from '../header.ts'
import { given, idAt, isRecord, member, named, party, textAt } from '../member.ts'
import { textKey } from '../secret.ts'
import type { Facts, Source } from '../source.ts'

const SIGNATURE = 'x-pagerduty-signature'
/** PagerDuty states no span that could be found; two days are longer than every one it was said to have. */
const RETRY_SPAN = 172_800
const BODY_CAP = 1_048_576
/** Links name the account by its subdomain, in both service regions. */
const ACCOUNT = /^https:\/\/([a-z0-9][a-z0-9-]*)\.(?:eu\.)?pagerduty\.com\//

export const pagerduty: Source<Record<string, never>> = {
  name: 'pagerduty',
  title: 'PagerDuty',
  docs: 'docs/guide/sources/pagerduty.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'sometimes',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Signing secret of the webhook subscription; PagerDuty shows it once, when the subscription is made.',
    generated: false,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, SIGNATURE)
    if ('refused' in headers) return headers
    const entries = headers[0].split(',', SIGNATURES_CAP + 1)
    const macs = entries.map((entry) => hexMac(after('v1=', entry))).filter((mac) => mac !== undefined)
    if (entries.length > SIGNATURES_CAP || macs.length === 0) return malformed(SIGNATURE)
    return {
      sentAt: undefined,
      signed: [request.body],
      signatures: macs.map((value) => ({ algorithm: 'hmac-sha256', value })),
    }
  },
  facts(_request, body) {
    const event = body.type === 'json' ? member(body.value, 'event') : undefined
    return isRecord(event) ? facts(event) : { malformed: 'event' }
  },
}

function facts(event: Json): Facts {
  const name = textAt(event, 'event_type')
  const data = member(event, 'data')
  if (name === 'pagey.ping') return { handshake: { status: 200 }, workspaces: [], kind: 'other', event: name }
  // Notes, responders and updates hang on an incident; everything else is what `data` is.
  const incident = member(data, 'incident') ?? data
  return {
    workspaces: named(account(data), account(incident)),
    kind: name?.startsWith('incident.') ? 'incident' : 'other',
    ...given('deliveryId', idAt(event, 'id')),
    ...given('event', name),
    ...given('actor', party(idAt(event, 'agent', 'id'), textAt(event, 'agent', 'summary'))),
    ...given(
      'conversation',
      party(idAt(incident, 'id'), textAt(incident, 'summary') ?? textAt(incident, 'title')),
    ),
    ...given(
      'text',
      textAt(data, 'content') ?? textAt(data, 'message') ?? textAt(data, 'title') ?? textAt(data, 'summary'),
    ),
  }
}

function account(value: Json | undefined): string | undefined {
  return ACCOUNT.exec(textAt(value, 'html_url') ?? '')?.[1]
}
