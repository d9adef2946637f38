/**
 * GitLab: webhooks of projects and groups, and system hooks. In: requests with the hook's secret token, or signed with
 * its signing token as Standard Webhooks; the channel's setting says which. Out: claims and facts. Refuses what is
 * proved in the other way, even when it is: a hook may send both, and whoever could choose would choose the weaker. The
 * secret token is a password, not a signature: it covers neither body nor time nor the id beside it.
 * https://docs.gitlab.com/user/project/integrations/webhooks/
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { tokenKey } from '@gatehouse/proof/webhook.ts'
import { deliveryId, required } from '../header.ts'
import { given, idAt, isRecord, listAt, member, named, party, textAt } from '../member.ts'
import type { Claim, ClaimRefusal, Facts, RawRequest, Source } from '../source.ts'
import { following } from './standard-webhooks.ts'

const TOKEN = 'x-gitlab-token'
/** The same for every repeat of one delivery. `X-Gitlab-Event-UUID` is not: recursive hooks share it. */
const DELIVERY = 'idempotency-key'
/** GitLab repeats for at most a day; people may resend from the log for a few more. */
const RETRY_SPAN = 259_200
/** GitLab.com sends at most 25 MB. */
const BODY_CAP = 26_214_400

/** `object_kind` or `event_name`, and what that is called here. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['push', 'push'],
  ['tag_push', 'push'],
  ['issue', 'issue'],
  ['work_item', 'issue'],
  ['note', 'comment'],
  ['merge_request', 'pull-request'],
  ['release', 'release'],
  ['emoji', 'reaction'],
])

const Settings = z.strictObject({ mode: z.enum(['token', 'signed']).default('token') })
type Settings = z.infer<typeof Settings>

const NAMED = { name: 'gitlab', title: 'GitLab', docs: 'docs/guide/sources/gitlab.md' }
const signed = following('webhook', NAMED)

export const gitlab: Source<Settings> = {
  ...NAMED,
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'sometimes',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: Settings,
  credential: {
    kind: 'secret',
    hint: 'Secret token of the webhook; in mode signed its signing token (whsec_…). Both are write-only in GitLab.',
    generated: true,
    // Good for either mode: as a signing token it is 32 bytes, as a secret token it is text.
    make: (random) => `whsec_${Buffer.from(random).toString('base64')}`,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  toleranceOf: ({ mode }) => (mode === 'signed' ? signed.tolerance : undefined),
  warnings: ({ mode }) => (mode === 'signed' ? [] : [WEAK]),
  key: (secret, { mode }) => (mode === 'signed' ? signingKey(secret) : secretKey(secret)),
  claim: (request, { mode }) => (mode === 'signed' ? signed.claim(request, {}) : token(request)),
  facts(request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    return event(body.value, request.headers.get('x-gitlab-event'))
  },
}

const WEAK =
  'A secret token covers neither the body nor a time: whoever has seen one delivery can write the next. Use mode=signed where your GitLab has signing tokens.'

function signingKey(secret: string) {
  if (!secret.startsWith('whsec_'))
    throw new RangeError('read the signing token: it does not begin with whsec_, wanted one from GitLab')
  return signed.key(secret, {})
}

function secretKey(secret: string) {
  if (secret.trim() === '')
    throw new RangeError('read the secret token: it is blank, wanted at least one character')
  return tokenKey(secret)
}

function token(request: RawRequest): Claim | ClaimRefusal {
  const headers = required(request, TOKEN)
  if ('refused' in headers) return headers
  const value = Buffer.from(headers[0], 'latin1')
  return {
    sentAt: undefined,
    // The token covers nothing; the body stands here so that the replay memory knows a copy again.
    signed: [request.body],
    signatures: [{ algorithm: 'token', value }],
    ...given('deliveryId', deliveryId(request.headers.get(DELIVERY))),
  }
}

function event(body: Json, hook: string | undefined): Facts {
  const name = textAt(body, 'object_kind') ?? textAt(body, 'event_name')
  const about = member(body, 'object_attributes')
  const action = textAt(about, 'action')
  const project = member(body, 'project')
  return {
    workspaces: namespaces(body),
    kind: (name !== undefined && KINDS.get(name)) || 'other',
    ...given('event', name !== undefined && action !== undefined ? `${name}.${action}` : (name ?? hook)),
    ...given('actor', actor(body)),
    ...given(
      'conversation',
      party(idAt(project, 'id') ?? idAt(body, 'project_id'), textAt(project, 'path_with_namespace')),
    ),
    ...given(
      'text',
      textAt(about, 'note') ??
        textAt(about, 'title') ??
        textAt(body, 'name') ??
        textAt(listAt(body, 'commits').at(-1), 'message'),
    ),
  }
}

/** The namespace of the project, or the group: what stands before the last slash of `group/subgroup/project`. */
function namespaces(body: Json): readonly string[] {
  const path = textAt(body, 'project', 'path_with_namespace') ?? textAt(body, 'path_with_namespace')
  return named(
    path?.includes('/') ? path.slice(0, path.lastIndexOf('/')) : path,
    textAt(body, 'parent_full_path') ?? textAt(body, 'group_path'),
  )
}

function actor(body: Json) {
  return party(
    idAt(body, 'user', 'id') ?? idAt(body, 'user_id'),
    textAt(body, 'user', 'username') ?? textAt(body, 'user_username'),
  )
}
