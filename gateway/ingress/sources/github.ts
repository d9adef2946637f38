/**
 * GitHub: webhooks of repositories, organisations and apps. In: requests signed with the hook's secret over the body.
 * Out: claims and facts. Refuses bodies that open as JSON and are not, and `payload` fields that are not JSON. The older
 * SHA-1 header is never read. No time is signed, and neither is the delivery id nor the event name: both are headers.
 * https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { after, deliveryId, hexMac, malformed, required } from '../header.ts'
import { given, idAt, isRecord, listAt, member, named, party, textAt } from '../member.ts'
import { json } from '../parse.ts'
import { randomText, textKey } from '../secret.ts'
import type { Facts, Source } from '../source.ts'

const SIGNATURE = 'x-hub-signature-256'
const DELIVERY = 'x-github-delivery'
const EVENT = 'x-github-event'
/** GitHub repeats nothing by itself; people may redeliver by hand for three days. */
const RETRY_SPAN = 259_200
/** GitHub drops payloads above 25 MB. */
const BODY_CAP = 26_214_400

export const github: Source<Record<string, never>> = {
  name: 'github',
  title: 'GitHub',
  docs: 'docs/guide/sources/github.md',
  methods: ['POST'],
  contentTypes: ['application/json', 'application/x-www-form-urlencoded'],
  bodies: ['json', 'form'],
  namesWorkspace: 'sometimes',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Secret, in the settings of the webhook; choose a long random one.',
    generated: true,
    make: randomText,
  },
  refusalStatus: 401,
  ack: { status: 202 },
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, SIGNATURE)
    if ('refused' in headers) return headers
    const value = hexMac(after('sha256=', headers[0]))
    if (value === undefined) return malformed(SIGNATURE)
    return {
      sentAt: undefined,
      signed: [request.body],
      signatures: [{ algorithm: 'hmac-sha256', value }],
      ...given('deliveryId', deliveryId(request.headers.get(DELIVERY))),
    }
  },
  facts(request, body) {
    const name = request.headers.get(EVENT)
    if (body.type === 'json') return event(body.value, name)
    const payload = body.type === 'form' ? textAt(body.value, 'payload') : undefined
    if (payload === undefined) return { workspaces: [], kind: 'other', ...given('event', name) }
    const inner = json(Buffer.from(payload, 'utf8'))
    return 'malformed' in inner ? inner : event(inner.value, name)
  },
}

/** The account that owns what happened: one name for the events of repositories, organisations and installations. */
function owners(body: Json): readonly string[] {
  return named(
    textAt(body, 'organization', 'login'),
    textAt(body, 'repository', 'owner', 'login') ?? textAt(body, 'repository', 'owner', 'name'),
    textAt(body, 'installation', 'account', 'login'),
  )
}

function event(body: Json, name: string | undefined): Facts {
  const action = textAt(body, 'action')
  const about = member(body, 'comment') ?? member(body, 'pull_request') ?? member(body, 'issue')
  return {
    workspaces: owners(body),
    kind: kindOf(body),
    ...given('event', name !== undefined && action !== undefined ? `${name}.${action}` : name),
    ...given('actor', party(idAt(body, 'sender', 'id'), textAt(body, 'sender', 'login'))),
    ...given('conversation', party(idAt(body, 'repository', 'id'), textAt(body, 'repository', 'full_name'))),
    ...given(
      'text',
      textAt(about, 'body') ?? textAt(about, 'title') ?? textAt(body, 'head_commit', 'message'),
    ),
  }
}

/** Told from the signed body, not from the event header, which anyone on the way could change. */
function kindOf(body: Json): string {
  if (isRecord(member(body, 'comment'))) return 'comment'
  if (isRecord(member(body, 'pull_request'))) return 'pull-request'
  if (isRecord(member(body, 'issue'))) return 'issue'
  if (isRecord(member(body, 'release'))) return 'release'
  if (isRecord(member(body, 'installation', 'account'))) return 'installation'
  const pushed = textAt(body, 'ref') !== undefined && textAt(body, 'after') !== undefined
  return pushed || listAt(body, 'commits').length > 0 ? 'push' : 'other'
}
