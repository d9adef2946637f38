/**
 * Mattermost: outgoing webhooks and slash commands. In: requests whose body holds the integration's `token`. Out: claims
 * and facts. Refuses bodies without one. The token is a password, not a signature: it covers neither body nor time.
 *
 * It stands in the body, and only slash commands repeat it in a header; so, unlike everywhere else, the body is read
 * before it is proved: by the parser that reads all bodies within limits, and only up to a cap of its own.
 * https://developers.mattermost.com/integrate/webhooks/outgoing/
 * https://developers.mattermost.com/integrate/slash-commands/custom/
 */
import { z } from 'zod'
import { tokenKey } from '@gatehouse/proof/webhook.ts'
import { malformed } from '../header.ts'
import { given, idAt, named, party, textAt } from '../member.ts'
import { parse } from '../parse.ts'
import type { Answer, ParsedBody, Source } from '../source.ts'

/** Mattermost repeats nothing; an hour covers what a proxy in between may repeat. */
const RETRY_SPAN = 3_600
/** A post has 16,383 characters at most, which a form writes in up to 12 bytes each. */
const BODY_CAP = 262_144
const BODIES = ['json', 'form'] as const

/** An answer with text becomes a post, and one that is not JSON an error in the server's log. */
const NOTHING: Answer = { status: 200, contentType: 'application/json', body: '{}' }

export const mattermost: Source<Record<string, never>> = {
  name: 'mattermost',
  title: 'Mattermost',
  docs: 'docs/guide/sources/mattermost.md',
  methods: ['POST'],
  contentTypes: ['application/json', 'application/x-www-form-urlencoded'],
  bodies: BODIES,
  namesWorkspace: 'always',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Token of the outgoing webhook or slash command, shown under Integrations when it is made.',
    generated: false,
  },
  refusalStatus: 401,
  ack: NOTHING,
  key(secret) {
    if (!/^[A-Za-z0-9]{16,64}$/.test(secret))
      throw new RangeError('read the token: Mattermost’s are 16 to 64 letters and digits')
    return tokenKey(secret)
  },
  claim({ body }) {
    const parsed = body.length > BODY_CAP ? undefined : parse(body, BODIES)
    if (parsed === undefined || 'malformed' in parsed) return malformed('body')
    const token = textAt(valueOf(parsed), 'token')
    if (token === undefined) return { refused: 'missing-header', header: 'token' }
    const value = Buffer.from(token, 'utf8')
    // The token covers nothing; the body stands here so that the replay memory knows a copy again.
    return { sentAt: undefined, signed: [body], signatures: [{ algorithm: 'token', value }] }
  },
  facts(_request, parsed) {
    const body = valueOf(parsed)
    const command = textAt(body, 'command')
    return {
      workspaces: named(idAt(body, 'team_id')),
      kind: command === undefined ? 'message' : 'command',
      ...given('deliveryId', idAt(body, 'trigger_id')),
      ...given('event', command ?? textAt(body, 'trigger_word')),
      ...given('actor', party(idAt(body, 'user_id'), textAt(body, 'user_name'))),
      ...given('conversation', party(idAt(body, 'channel_id'), textAt(body, 'channel_name'))),
      ...given('text', textAt(body, 'text')),
    }
  },
}

function valueOf(body: ParsedBody) {
  return body.type === 'other' ? undefined : body.value
}
