/**
 * Bitbucket, Cloud and Data Center: webhooks of repositories, projects and workspaces. In: requests signed with the
 * hook's secret over the body. Out: claims and facts. Refuses a signature by another hash than SHA-256 and bodies that
 * are not JSON objects. No time is signed, and of Cloud's deliveries neither the event name: id and event are headers.
 * https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { after, deliveryId, hexMac, malformed, required } from '../header.ts'
import { given, idAt, isRecord, listAt, member, named, party, textAt } from '../member.ts'
import { randomText, textKey } from '../secret.ts'
import type { Facts, Source } from '../source.ts'

const SIGNATURE = 'x-hub-signature'
const EVENT = 'x-event-key'
/** Cloud's and Data Center's names of the same thing. */
const IDS = ['x-request-uuid', 'x-request-id'] as const
/** Cloud tries again twice, soon; people may resend from the request log for days. */
const RETRY_SPAN = 259_200
/** Cloud sends at most 256 KB; Data Center states no limit. */
const BODY_CAP = 10_485_760

export const bitbucket: Source<Record<string, never>> = {
  name: 'bitbucket',
  title: 'Bitbucket',
  docs: 'docs/guide/sources/bitbucket.md',
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
    hint: 'Secret, in the settings of the webhook; choose a long random one.',
    generated: true,
    make: randomText,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, SIGNATURE)
    if ('refused' in headers) return headers
    const value = hexMac(after('sha256=', headers[0]))
    if (value === undefined) return malformed(SIGNATURE)
    const [id] = IDS.map((name) => deliveryId(request.headers.get(name))).filter((one) => one !== undefined)
    return {
      sentAt: undefined,
      signed: [request.body],
      signatures: [{ algorithm: 'hmac-sha256', value }],
      ...given('deliveryId', id),
    }
  },
  facts(request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    // "Test connection" of Data Center.
    if (member(body.value, 'test') === true) return TESTED
    return event(body.value, textAt(body.value, 'eventKey') ?? request.headers.get(EVENT))
  },
}

const TESTED: Facts = { handshake: { status: 200 }, workspaces: [], kind: 'other', event: 'diagnostics:ping' }

function event(body: Json, name: string | undefined): Facts {
  const repository =
    member(body, 'repository') ??
    member(body, 'pullRequest', 'toRef', 'repository') ??
    member(body, 'pullrequest', 'destination', 'repository')
  const request = member(body, 'pullRequest') ?? member(body, 'pullrequest')
  const comment = member(body, 'comment')
  return {
    workspaces: owners(body, repository),
    kind: kindOf(body),
    ...given('event', name),
    ...given('actor', actor(member(body, 'actor'))),
    ...given(
      'conversation',
      party(
        idAt(repository, 'uuid') ?? idAt(repository, 'id'),
        textAt(repository, 'full_name') ?? textAt(repository, 'slug'),
      ),
    ),
    ...given(
      'text',
      textAt(comment, 'content', 'raw') ??
        textAt(comment, 'text') ??
        textAt(request, 'title') ??
        textAt(body, 'issue', 'title'),
    ),
  }
}

/** Cloud's workspace, before the slash of `workspace/repository`; Data Center's project key. */
function owners(body: Json, repository: Json | undefined): readonly string[] {
  const [before] = textAt(repository, 'full_name')?.split('/') ?? []
  return named(
    textAt(repository, 'workspace', 'slug'),
    before ?? textAt(repository, 'project', 'key') ?? textAt(body, 'new', 'key'),
  )
}

function actor(value: Json | undefined) {
  return party(
    idAt(value, 'uuid') ?? idAt(value, 'account_id') ?? idAt(value, 'id'),
    textAt(value, 'display_name') ?? textAt(value, 'displayName'),
  )
}

/** Told from the signed body: of Cloud's deliveries the event key is a header that nobody signs. */
function kindOf(body: Json): string {
  if (isRecord(member(body, 'comment'))) return 'comment'
  if (isRecord(member(body, 'pullRequest') ?? member(body, 'pullrequest'))) return 'pull-request'
  if (isRecord(member(body, 'issue'))) return 'issue'
  return isRecord(member(body, 'push')) || listAt(body, 'changes').length > 0 ? 'push' : 'other'
}
