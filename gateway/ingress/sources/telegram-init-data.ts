/**
 * Telegram Mini Apps: the init data with which Telegram opens one, posted by the app itself. In: bodies that are the init
 * data as Telegram wrote it. Out: claims and facts. Refuses fields that could be cut from the signed text in another way.
 *
 * The signed text is the fields, sorted, a line each, so the body has to be read before it is proved: bounded, and by the
 * parser that reads all forms. It is signed twice: in `hash`, with a key made from the bot's token, and in `signature`,
 * with Telegram's own Ed25519 key for those who do not have the token. A channel takes one of the two, never either.
 * https://core.telegram.org/bots/webapps#validating-data-received-via-the-mini-app
 */
import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { fromBase64Url, fromHex } from '@gatehouse/proof/bytes.ts'
import { type ClaimedSignature, type VerifyingKey, ed25519Key, macKey } from '@gatehouse/proof/webhook.ts'
import { hexMac, malformed, wholeTime } from '../header.ts'
import { given, idAt, member, party, textAt } from '../member.ts'
import { json } from '../parse.ts'
import { fieldsOf } from '../query.ts'
import type { Claim, ClaimRefusal, Source } from '../source.ts'

/** What Telegram's libraries allow: init data is made once, when the Mini App opens. */
const MAX_AGE = 86_400
/** Beyond a week it is a password. */
const MAX_AGE_CAP = 604_800
/** Telegram's clock may be ahead of ours by as much as other vendors'. */
const AHEAD = 300
/** Nobody repeats init data but the app itself, and a repeat is a duplicate while the data lives. */
const RETRY_SPAN = MAX_AGE_CAP
/** Telegram's are below 2 KiB. */
const BODY_CAP = 16_384
/** With letters only, no name can hold the `=` or the line break that ends a pair. */
const FIELD = /^[a-z][a-z0-9_]{0,63}$/
const PUBLIC_KEY = 'public-key'

const Settings = z.strictObject({
  /** Proves with Telegram's public key, for this bot, in place of the bot's token. */
  botId: z
    .string()
    .regex(/^[1-9]\d{0,19}$/, 'not a bot id')
    .optional(),
  /** Seconds after `auth_date` for which init data is taken. */
  maxAgeSeconds: z.int().min(1).max(MAX_AGE_CAP).default(MAX_AGE),
})

type Settings = z.infer<typeof Settings>

export const telegramInitData: Source<Settings> = {
  name: 'telegram-init-data',
  title: 'Telegram Mini App',
  docs: 'docs/guide/sources/telegram-init-data.md',
  methods: ['POST'],
  contentTypes: ['text/plain', 'application/x-www-form-urlencoded'],
  bodies: ['form'],
  namesWorkspace: 'never',
  bodyCap: BODY_CAP,
  tolerance: MAX_AGE,
  retrySpan: RETRY_SPAN,
  settings: Settings,
  credential: {
    kind: 'secret',
    hint: 'Bot token from BotFather, such as 110201543:AAH…; only where no botId is set.',
    generated: false,
  },
  otherCredentials: {
    [PUBLIC_KEY]: {
      kind: 'public-key',
      hint: 'Telegram’s Ed25519 public key, 64 hex digits, from its page on Mini Apps; only where botId is set.',
      generated: false,
    },
  },
  refusalStatus: 401,
  ack: { status: 204 },
  toleranceOf: ({ maxAgeSeconds }) => maxAgeSeconds,
  key,
  claim: ({ body }, settings) => claim(body, settings),
  facts(_request, body) {
    if (body.type !== 'form') return { malformed: 'body' }
    const user = objectIn(body.value['user'])
    const chat = objectIn(body.value['chat'])
    const name = textAt(user, 'username') ?? textAt(user, 'first_name')
    return {
      workspaces: [],
      kind: 'interaction',
      event: 'init-data',
      ...given('deliveryId', textAt(body.value, 'query_id')),
      ...given('actor', party(idAt(user, 'id'), name)),
      ...given(
        'conversation',
        party(idAt(chat, 'id') ?? textAt(body.value, 'chat_instance'), textAt(chat, 'title')),
      ),
      ...given('text', textAt(body.value, 'start_param')),
      ...given('locale', textAt(user, 'language_code')),
    }
  },
}

function key(text: string, { botId }: Settings, role?: string): VerifyingKey {
  if (role === PUBLIC_KEY) {
    if (botId === undefined)
      throw new RangeError('read Telegram’s public key: the channel has no botId, wanted one to prove for')
    const raw = fromHex(text)
    if (raw === undefined)
      throw new RangeError('read Telegram’s public key: it is not hex, wanted 64 hex digits')
    return ed25519Key(raw)
  }
  if (botId !== undefined)
    throw new RangeError('read the bot token: the channel has a botId, so its credential is a public-key')
  if (!/^\d{1,20}:[A-Za-z0-9_-]{20,128}$/.test(text))
    throw new RangeError('read the bot token: wanted digits, a colon and the secret as BotFather shows them')
  return macKey('hmac-sha256', createHmac('sha256', 'WebAppData').update(text).digest())
}

function claim(body: Buffer, { botId, maxAgeSeconds }: Settings): Claim | ClaimRefusal {
  const fields = body.length > BODY_CAP ? undefined : fieldsOf(body)
  if (fields === undefined || !Object.entries(fields).every(isUnambiguous)) return malformed('body')
  const time = fields['auth_date']
  if (time === undefined) return { refused: 'missing-header', header: 'auth_date' }
  const sentAt = wholeTime(time)
  if (sentAt === undefined) return malformed('auth_date')
  const signature = botId === undefined ? ourHash(fields) : telegramsSignature(fields)
  if ('refused' in signature) return signature
  const signed =
    botId === undefined
      ? lines(fields, ['hash'])
      : `${botId}:WebAppData\n${lines(fields, ['hash', 'signature'])}`
  // A page may be open for long but cannot be opened in the future: the window has two different sides.
  const validity = { from: sentAt - AHEAD, until: sentAt + maxAgeSeconds }
  return { sentAt, signed: [signed], signatures: [signature], validity }
}

/** A line break inside a value would let two pairs be one; then a field could be hidden, or made. */
function isUnambiguous([name, value]: readonly [string, string]): boolean {
  return FIELD.test(name) && !value.includes('\n')
}

function ourHash({ hash }: Readonly<Record<string, string>>): ClaimedSignature | ClaimRefusal {
  if (hash === undefined) return { refused: 'missing-header', header: 'hash' }
  const value = hexMac(hash)
  return value === undefined ? malformed('hash') : { algorithm: 'hmac-sha256', value }
}

function telegramsSignature({
  signature,
}: Readonly<Record<string, string>>): ClaimedSignature | ClaimRefusal {
  if (signature === undefined) return { refused: 'missing-header', header: 'signature' }
  const value = fromBase64Url(signature)
  return value === undefined ? malformed('signature') : { algorithm: 'ed25519', value }
}

/** `name=value`, sorted by name, a line each, without those in `besides`. */
function lines(fields: Readonly<Record<string, string>>, besides: readonly string[]): string {
  const names = Object.keys(fields).filter((name) => !besides.includes(name))
  return names
    .toSorted()
    .map((name) => `${name}=${fields[name]}`)
    .join('\n')
}

/** The user and the chat are JSON in a field. */
function objectIn(text: string | undefined) {
  const parsed = text === undefined ? undefined : json(Buffer.from(text, 'utf8'))
  return parsed !== undefined && 'value' in parsed ? member(parsed.value) : undefined
}
