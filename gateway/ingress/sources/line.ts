/**
 * LINE: webhooks of one Messaging API channel. In: requests signed with the channel secret over the body. Out: claims and
 * facts. Refuses bodies that are not JSON objects. No time is signed. LINE repeats an event under the same
 * `webhookEventId` but with `isRedelivery` changed, so that a repeat has another body: the ids are remembered.
 * https://developers.line.biz/en/docs/messaging-api/receiving-messages/
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { base64Mac, malformed, required } from '../header.ts'
import { given, idAt, isRecord, listAt, member, named, party, textAt } from '../member.ts'
import { textKey } from '../secret.ts'
import { type Event, together } from '../several.ts'
import type { Answer, Source } from '../source.ts'

const SIGNATURE = 'x-line-signature'
/** LINE keeps its schedule of repeats to itself; three days are the longest of any vendor. */
const RETRY_SPAN = 259_200
const BODY_CAP = 1_048_576

const OK: Answer = { status: 200 }

const KINDS: ReadonlyMap<string, string> = new Map([
  ['message', 'message'],
  ['postback', 'interaction'],
  ['follow', 'member'],
  ['unfollow', 'member'],
  ['memberJoined', 'member'],
  ['memberLeft', 'member'],
  ['join', 'installation'],
  ['leave', 'installation'],
])

export const line: Source<Record<string, never>> = {
  name: 'line',
  title: 'LINE',
  docs: 'docs/guide/sources/line.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'always',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Channel secret, under Basic settings of the channel in the LINE Developers Console.',
    generated: false,
  },
  refusalStatus: 401,
  ack: OK,
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, SIGNATURE)
    if ('refused' in headers) return headers
    const value = base64Mac(headers[0])
    if (value === undefined) return malformed(SIGNATURE)
    return { sentAt: undefined, signed: [request.body], signatures: [{ algorithm: 'hmac-sha256', value }] }
  },
  facts(_request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const workspaces = named(idAt(body.value, 'destination'))
    const events = listAt(body.value, 'events')
    // The console's Verify button sends no events: it only asks whether we are there.
    const asks = events.length === 0 && member(body.value, 'events') !== undefined
    return asks
      ? { handshake: OK, workspaces, kind: 'other', event: 'verify' }
      : together(workspaces, events.map(event))
  },
}

function event(value: Json): Event {
  const name = textAt(value, 'type')
  const user = idAt(value, 'source', 'userId')
  const room = idAt(value, 'source', 'groupId') ?? idAt(value, 'source', 'roomId')
  return {
    kind: (name !== undefined && KINDS.get(name)) || 'other',
    ...given('deliveryId', idAt(value, 'webhookEventId')),
    ...given('event', name),
    ...given('actor', party(user)),
    ...given('conversation', party(room ?? user)),
    ...given('text', textAt(value, 'message', 'text') ?? textAt(value, 'postback', 'data')),
  }
}
