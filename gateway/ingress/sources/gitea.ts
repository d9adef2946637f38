/**
 * Gitea, and with it Gogs and Forgejo, which sign alike under names of their own. In: requests signed with the hook's
 * secret over the body. Out: claims and facts. Refuses forms, whose signature is over something else than what is sent,
 * and every header but its own: one delivery carries up to four signatures, and none stands in for another. No time is
 * signed, and neither is the delivery id nor the event name: they are headers.
 * https://docs.gitea.com/usage/webhooks
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { deliveryId, hexMac, malformed, required } from '../header.ts'
import { given, idAt, isRecord, listAt, member, named, party, textAt } from '../member.ts'
import { randomText, textKey } from '../secret.ts'
import type { Facts, Source } from '../source.ts'

/** None of the three repeats by itself; people redeliver by hand. As long as for GitHub. */
const RETRY_SPAN = 259_200
/** A push lists its commits with the files of each. */
const BODY_CAP = 10_485_760

export const gitea = forge('gitea', 'Gitea')

/** The scheme under headers `x-{name}-…`, and no others. */
export function forge(name: string, title: string): Source<Record<string, never>> {
  const SIGNATURE = `x-${name}-signature`
  return {
    name,
    title,
    docs: `docs/guide/sources/${name}.md`,
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
      hint: `Secret, in the settings of the ${title} webhook; choose a long random one.`,
      generated: true,
      make: randomText,
    },
    refusalStatus: 401,
    ack: { status: 200 },
    key: (secret) => textKey('hmac-sha256', secret),
    claim(request) {
      const headers = required(request, SIGNATURE)
      if ('refused' in headers) return headers
      const value = hexMac(headers[0])
      if (value === undefined) return malformed(SIGNATURE)
      return {
        sentAt: undefined,
        signed: [request.body],
        signatures: [{ algorithm: 'hmac-sha256', value }],
        ...given('deliveryId', deliveryId(request.headers.get(`x-${name}-delivery`))),
      }
    },
    facts(request, body) {
      if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
      return event(body.value, request.headers.get(`x-${name}-event`))
    },
  }
}

function event(body: Json, name: string | undefined): Facts {
  const action = textAt(body, 'action')
  const about = member(body, 'comment') ?? member(body, 'pull_request') ?? member(body, 'issue')
  return {
    workspaces: owners(body),
    kind: kindOf(body),
    ...given('event', name !== undefined && action !== undefined ? `${name}.${action}` : name),
    ...given('actor', party(idAt(body, 'sender', 'id'), textAt(body, 'sender', 'login'))),
    ...given('conversation', repository(body)),
    ...given(
      'text',
      textAt(about, 'body') ??
        textAt(about, 'title') ??
        textAt(body, 'release', 'name') ??
        textAt(listAt(body, 'commits')[0], 'message'),
    ),
  }
}

/** The user or organisation that owns what happened, as it stands before the slash of `owner/name`. */
function owners(body: Json): readonly string[] {
  const owner = member(body, 'repository', 'owner')
  const [before] = textAt(body, 'repository', 'full_name')?.split('/') ?? []
  return named(
    textAt(owner, 'login') ?? textAt(owner, 'username') ?? before,
    textAt(body, 'organization', 'login') ?? textAt(body, 'organization', 'username'),
  )
}

function repository(body: Json) {
  const fullName = textAt(body, 'repository', 'full_name')
  return party(idAt(body, 'repository', 'id') ?? fullName, fullName)
}

/** Told from the signed body, not from the event header, which anyone on the way could change. */
function kindOf(body: Json): string {
  if (isRecord(member(body, 'comment'))) return 'comment'
  if (isRecord(member(body, 'pull_request'))) return 'pull-request'
  if (isRecord(member(body, 'issue'))) return 'issue'
  if (isRecord(member(body, 'release'))) return 'release'
  return textAt(body, 'ref') !== undefined && textAt(body, 'after') !== undefined ? 'push' : 'other'
}
