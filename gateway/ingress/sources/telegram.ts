/**
 * Telegram: updates of one bot. In: requests that carry the secret token given to `setWebhook`. Out: claims and facts.
 * Refuses bodies without an `update_id`. The token is a password, not a signature: it covers neither body nor time, and
 * whoever has seen one request can write the next. It is taken from its header only, never from the URL.
 * https://core.telegram.org/bots/api#setwebhook
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { tokenKey } from '@gatehouse/proof/webhook.ts'
import { required } from '../header.ts'
import { given, idAt, isRecord, member, party, textAt } from '../member.ts'
import { randomText } from '../secret.ts'
import type { Facts, Source } from '../source.ts'

const TOKEN = 'x-telegram-bot-api-secret-token'
/** Telegram keeps updates for at most a day. */
const RETRY_SPAN = 86_400
const BODY_CAP = 1_048_576

/** Members of an update that hold what happened, and what that is called here. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['message', 'message'],
  ['edited_message', 'message'],
  ['channel_post', 'message'],
  ['edited_channel_post', 'message'],
  ['business_message', 'message'],
  ['edited_business_message', 'message'],
  ['callback_query', 'interaction'],
  ['inline_query', 'interaction'],
  ['chosen_inline_result', 'interaction'],
  ['poll_answer', 'interaction'],
  ['message_reaction', 'reaction'],
  ['my_chat_member', 'installation'],
  ['chat_member', 'member'],
  ['chat_join_request', 'member'],
  ['pre_checkout_query', 'payment'],
  ['shipping_query', 'payment'],
])

export const telegram: Source<Record<string, never>> = {
  name: 'telegram',
  title: 'Telegram',
  docs: 'docs/guide/sources/telegram.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'never',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'The secret_token you give to setWebhook: 1 to 256 of A-Z, a-z, 0-9, _ and -.',
    generated: true,
    make: randomText,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  key(secret) {
    if (!/^[A-Za-z0-9_-]{1,256}$/.test(secret)) {
      throw new RangeError('read the secret token: Telegram takes 1 to 256 of A-Z, a-z, 0-9, _ and - only')
    }
    return tokenKey(secret)
  },
  claim(request) {
    const headers = required(request, TOKEN)
    if ('refused' in headers) return headers
    const value = Buffer.from(headers[0], 'latin1')
    // The token covers nothing; the body stands here so that the replay memory knows a copy again.
    return { sentAt: undefined, signed: [request.body], signatures: [{ algorithm: 'token', value }] }
  },
  facts(_request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const updateId = member(body.value, 'update_id')
    if (typeof updateId !== 'number' || !Number.isSafeInteger(updateId)) return { malformed: 'update_id' }
    return update(body.value, String(updateId))
  },
}

function update(body: { readonly [name: string]: Json }, deliveryId: string): Facts {
  const event = Object.keys(body).find((name) => name !== 'update_id')
  const inside = event === undefined ? undefined : member(body, event)
  const text =
    textAt(inside, 'text') ?? textAt(inside, 'caption') ?? textAt(inside, 'data') ?? textAt(inside, 'query')
  const kind = (event !== undefined && KINDS.get(event)) || 'other'
  const chat = member(inside, 'chat') ?? member(inside, 'message', 'chat')
  const from = member(inside, 'from') ?? member(inside, 'user')
  return {
    workspaces: [],
    kind: event === 'message' && text?.startsWith('/') ? 'command' : kind,
    deliveryId,
    ...given('event', event),
    ...given('actor', party(idAt(from, 'id'), textAt(from, 'username') ?? textAt(from, 'first_name'))),
    ...given('conversation', party(idAt(chat, 'id'), textAt(chat, 'title') ?? textAt(chat, 'username'))),
    ...given('text', text),
    ...given('locale', textAt(from, 'language_code')),
  }
}
