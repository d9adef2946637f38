/**
 * Slack: Events API, slash commands and interactivity. In: requests signed with the app's signing secret over
 * `v0:{timestamp}:{body}`. Out: claims and facts. Refuses nothing of its own beyond a malformed signature header or a
 * `payload` field that is not JSON.
 * https://docs.slack.dev/authentication/verifying-requests-from-slack
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { tokenKey } from '@gatehouse/proof/webhook.ts'
import { after, hexMac, malformed, required, wholeTime } from '../header.ts'
import { given, idAt, listAt, member, named, party, textAt } from '../member.ts'
import { json } from '../parse.ts'
import { textKey } from '../secret.ts'
import type { Answer, Attachment, Facts, Source } from '../source.ts'
import { slackAnswers } from '../sync-slack.ts'

const SIGNATURE = 'x-slack-signature'
const TIMESTAMP = 'x-slack-request-timestamp'
/** Slack's own advice: older than five minutes is a replay. */
const TOLERANCE = 300
/** Three repeats, the last after five minutes; an hour leaves room for a late queue. */
const RETRY_SPAN = 3_600
const BODY_CAP = 1_048_576
/** Slack's challenges have 52 characters. */
const CHALLENGE_CAP = 1_024

const EMPTY: Answer = { status: 200 }
/** `block_suggestion` wants options within the answer; the app was not asked, so there are none. */
const NO_OPTIONS: Answer = { status: 200, contentType: 'application/json', body: '{"options":[]}' }

const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^(message|app_mention)$/, 'message'],
  [/^reaction_(added|removed)$/, 'reaction'],
  [/^(member_joined_channel|member_left_channel|team_join|user_change)$/, 'member'],
  [/^(channel|group|im|mpim)_/, 'channel'],
  [
    /^(app_uninstalled|app_installed|tokens_revoked|team_access_granted|team_access_revoked)$/,
    'installation',
  ],
]

export const slack: Source<Record<string, never>> = {
  name: 'slack',
  title: 'Slack',
  docs: 'docs/guide/sources/slack.md',
  methods: ['POST'],
  contentTypes: ['application/json', 'application/x-www-form-urlencoded'],
  bodies: ['json', 'form'],
  namesWorkspace: 'always',
  bodyCap: BODY_CAP,
  tolerance: TOLERANCE,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Signing Secret, under Basic Information of the app at api.slack.com/apps.',
    generated: false,
  },
  otherCredentials: {
    'download-token': {
      kind: 'secret',
      hint: 'Bot User OAuth Token (xoxb-…) with files:read, to open attachments; it proves no request.',
      generated: false,
    },
  },
  attachmentHosts: ['files.slack.com'],
  refusalStatus: 401,
  ack: EMPTY,
  answers: slackAnswers,
  key: (secret, _settings, role) =>
    role === 'download-token' ? tokenKey(secret) : textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, TIMESTAMP, SIGNATURE)
    if ('refused' in headers) return headers
    const [time, signature] = headers
    const sentAt = wholeTime(time)
    if (sentAt === undefined) return malformed(TIMESTAMP)
    const value = hexMac(after('v0=', signature))
    if (value === undefined) return malformed(SIGNATURE)
    const signed = ['v0:', time, ':', request.body]
    return { sentAt, signed, signatures: [{ algorithm: 'hmac-sha256', value }] }
  },
  facts(_request, body) {
    if (body.type === 'json') return event(body.value)
    if (body.type === 'other') return { malformed: 'body' }
    const payload = textAt(body.value, 'payload')
    if (payload === undefined) return command(body.value)
    const inner = json(Buffer.from(payload, 'utf8'))
    return 'malformed' in inner ? inner : interaction(inner.value)
  },
}

function event(body: Json) {
  if (member(body, 'type') === 'url_verification') return handshake(body)
  const name = textAt(body, 'event', 'type') ?? textAt(body, 'type')
  const subtype = textAt(body, 'event', 'subtype')
  return {
    workspaces: installed(body),
    kind: KINDS.find(([names]) => name !== undefined && names.test(name))?.[1] ?? 'other',
    ...given('deliveryId', idAt(body, 'event_id')),
    ...given('event', name !== undefined && subtype !== undefined ? `${name}.${subtype}` : name),
    ...given('actor', party(idAt(body, 'event', 'user') ?? idAt(body, 'event', 'user', 'id'))),
    ...given('conversation', party(idAt(body, 'event', 'channel') ?? idAt(body, 'event', 'channel', 'id'))),
    ...given('text', textAt(body, 'event', 'text')),
    ...given('attachments', files(body)),
  }
}

/** Files of a message; those that Slack only links to elsewhere have no private URL of its own. */
function files(body: Json): readonly Attachment[] | undefined {
  const found = listAt(member(body, 'event'), 'files').flatMap((file) => {
    const id = idAt(file, 'id')
    const url = textAt(file, 'url_private_download') ?? textAt(file, 'url_private')
    if (id === undefined || url === undefined || member(file, 'is_external') === true) return []
    const size = member(file, 'size')
    return [
      {
        id,
        url,
        ...given('name', textAt(file, 'name')),
        ...given('contentType', textAt(file, 'mimetype')),
        ...given('size', typeof size === 'number' ? size : undefined),
      },
    ]
  })
  return found.length > 0 ? found : undefined
}

/** Slack asks whether the URL is ours. Its signature has been checked; the challenge goes back as text, never as HTML. */
function handshake(body: Json) {
  const challenge = textAt(body, 'challenge')
  if (challenge === undefined || challenge.length > CHALLENGE_CAP) return { malformed: 'challenge' }
  const answer: Answer = { status: 200, contentType: 'text/plain', body: challenge }
  return { handshake: answer, workspaces: [], kind: 'other', event: 'url_verification' }
}

/**
 * Where the app is installed. An organisation-wide installation is named by the organisation. In a channel shared with
 * another company `team_id` may be theirs; then only the installation that Slack names counts.
 */
function installed(body: Json): readonly string[] {
  const [first] = listAt(body, 'authorizations')
  if (member(first, 'is_enterprise_install') === true) return named(idAt(first, 'enterprise_id'))
  const ours = idAt(body, 'context_team_id') ?? idAt(first, 'team_id')
  if (member(body, 'is_ext_shared_channel') === true && ours !== undefined) return [ours]
  const teams = named(idAt(body, 'team_id'), ours)
  return teams.length > 0 ? teams : named(idAt(body, 'enterprise_id'))
}

function command(form: Json): Facts {
  if (member(form, 'ssl_check') === '1')
    return { handshake: EMPTY, workspaces: [], kind: 'other', event: 'ssl_check' }
  const name = textAt(form, 'command')
  const organisation =
    member(form, 'is_enterprise_install') === 'true' ? idAt(form, 'enterprise_id') : undefined
  return {
    workspaces: named(organisation ?? idAt(form, 'team_id') ?? idAt(form, 'enterprise_id')),
    kind: name === undefined ? 'other' : 'command',
    ...given('deliveryId', idAt(form, 'trigger_id')),
    ...given('event', name),
    ...given('actor', party(idAt(form, 'user_id'), textAt(form, 'user_name'))),
    ...given('conversation', party(idAt(form, 'channel_id'), textAt(form, 'channel_name'))),
    ...given('text', textAt(form, 'text')),
  }
}

function interaction(body: Json): Facts {
  const name = textAt(body, 'type')
  const [action] = listAt(body, 'actions')
  const organisation =
    member(body, 'is_enterprise_install') === true ? idAt(body, 'enterprise', 'id') : undefined
  return {
    workspaces: named(organisation ?? idAt(body, 'team', 'id') ?? idAt(body, 'enterprise', 'id')),
    kind: name === undefined ? 'other' : 'interaction',
    ...given('deliveryId', idAt(body, 'trigger_id')),
    ...given('event', name),
    ...given(
      'actor',
      party(idAt(body, 'user', 'id'), textAt(body, 'user', 'username') ?? textAt(body, 'user', 'name')),
    ),
    ...given('conversation', party(idAt(body, 'channel', 'id'), textAt(body, 'channel', 'name'))),
    ...given('text', textAt(action, 'value') ?? textAt(body, 'value')),
    ...given('ack', name === 'block_suggestion' ? NO_OPTIONS : undefined),
  }
}
