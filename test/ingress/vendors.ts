/**
 * Genuine requests of every source, for black-box tests. In: a source's name, what to say, and the time. Out: a vendor with
 * its credential, and requests signed as it signs, made by hand and with nothing of the gate's. Refuses names it does not
 * know.
 */
import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export interface Said {
  /** Different numbers are different deliveries. */
  readonly n: number
  readonly text?: string
  readonly sender?: string
  /** The vendor's own id of the delivery. */
  readonly id?: string
  /** Unix milliseconds. */
  readonly now?: number
}

export interface Signed {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Vendor {
  readonly source: string
  /** What goes into the channel: a secret, or a public key. */
  readonly secret: string
  /** What must appear nowhere: for a public key there is none. */
  readonly secretIsPrivate: boolean
  readonly settings?: Readonly<Record<string, unknown>>
  /** Whether the vendor signs a time. */
  readonly signsTime: boolean
  readonly ack: number
  says(said: Said): Signed
  /** Signs a body that it did not make. */
  signs(body: string, said?: Partial<Said>): Signed
}

export const SOURCE_NAMES = [
  'slack',
  'discord',
  'telegram',
  'github',
  'stripe',
  'pumble',
  'standard-webhooks',
  'svix',
  'generic-hmac',
] as const

export type SourceName = (typeof SOURCE_NAMES)[number]

/** The workspace that vendors which name one name. */
export const WORKSPACE = 'T0ACME'

const JSON_TYPE = { 'content-type': 'application/json' }

/** A vendor with a credential of its own, made up now unless `secret` is given. */
export function vendor(source: SourceName, secret?: string): Vendor {
  switch (source) {
    case 'slack':
      return hmacVendor(source, secret, 200, true, slackBody, (key, body, at) => {
        const signature = hex(key, `v0:${at}:${body}`)
        return { 'x-slack-request-timestamp': at, 'x-slack-signature': `v0=${signature}` }
      })
    case 'pumble':
      return hmacVendor(source, secret, 200, true, pumbleBody, (key, body, at) => {
        const time = `${at}000`
        return {
          'x-pumble-request-timestamp': time,
          'x-pumble-request-signature': hex(key, `${time}:${body}`),
        }
      })
    case 'stripe':
      return hmacVendor(source, secret, 200, true, stripeBody, (key, body, at) => {
        return { 'stripe-signature': `t=${at},v1=${hex(key, `${at}.${body}`)}` }
      })
    case 'github':
      return hmacVendor(source, secret, 202, false, githubBody, (key, body, _at, id) => {
        return {
          'x-github-event': 'issues',
          'x-github-delivery': id,
          'x-hub-signature-256': `sha256=${hex(key, body)}`,
        }
      })
    case 'generic-hmac': {
      const made = hmacVendor(source, secret, 200, false, genericBody, (key, body) => ({
        'x-signature': hex(key, body),
      }))
      return { ...made, settings: { header: 'x-signature', deliveryIdPath: 'id', kindPath: 'kind' } }
    }
    case 'telegram':
      return hmacVendor(source, secret, 200, false, telegramBody, (key) => {
        return { 'x-telegram-bot-api-secret-token': key }
      })
    case 'standard-webhooks':
      return standard(source, 'webhook', secret)
    case 'svix':
      return standard(source, 'svix', secret)
    case 'discord':
      return discordVendor()
  }
}

type Body = (said: Said) => string
type Sign = (key: string, body: string, at: string, id: string) => Record<string, string>

function hmacVendor(
  source: SourceName,
  given: string | undefined,
  ack: number,
  signsTime: boolean,
  body: Body,
  signed: Sign,
): Vendor {
  const secret = given ?? randomBytes(24).toString('hex')
  const signs = (text: string, { n = 0, id = idOf(n), now = Date.now() }: Partial<Said> = {}): Signed => {
    const at = String(Math.floor(now / 1_000))
    return { headers: { ...JSON_TYPE, ...signed(secret, text, at, id) }, body: text }
  }
  return {
    source,
    secret,
    secretIsPrivate: true,
    signsTime,
    ack,
    signs,
    says: (said) => signs(body(said), said),
  }
}

function standard(source: SourceName, prefix: string, given?: string): Vendor {
  const secret = given ?? `whsec_${randomBytes(32).toString('base64')}`
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return hmacVendor(source, secret, 204, true, genericBody, (_key, body, at, id) => {
    const signature = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')
    return { [`${prefix}-id`]: id, [`${prefix}-timestamp`]: at, [`${prefix}-signature`]: `v1,${signature}` }
  })
}

function discordVendor(): Vendor {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  // The last 32 bytes of the DER form are the key itself (RFC 8410 section 4).
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
  const made = hmacVendor('discord', raw, 200, true, discordBody, (_key, body, at) => {
    const signature = sign(null, Buffer.from(at + body), privateKey).toString('hex')
    return { 'x-signature-timestamp': at, 'x-signature-ed25519': signature }
  })
  return { ...made, secretIsPrivate: false }
}

function hex(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

/** As GitHub's: a UUID. */
function idOf(n: number): string {
  return `d0000000-0000-4000-8000-${String(n).padStart(12, '0')}`
}

function slackBody({ n, text = 'hello', sender = 'U1', id = `Ev${n}` }: Said): string {
  const event = { type: 'message', user: sender, channel: 'C1', text, ts: `${n}.0001` }
  return JSON.stringify({ type: 'event_callback', team_id: WORKSPACE, event_id: id, event })
}

function pumbleBody({ n, text = 'hello', sender = 'U1' }: Said): string {
  const event = { mId: `m${n}`, wId: WORKSPACE, cId: 'c1', aId: sender, tx: text }
  const body = JSON.stringify(event)
  return JSON.stringify({
    messageType: 'PUMBLE_EVENT',
    eventType: 'NEW_MESSAGE',
    workspaceId: WORKSPACE,
    body,
  })
}

function stripeBody({ n, text = 'hello', sender = 'cus_1', id = `evt_${n}` }: Said): string {
  const object = { id: `in_${n}`, customer: sender, description: text }
  return JSON.stringify({ id, object: 'event', account: WORKSPACE, type: 'invoice.paid', data: { object } })
}

function githubBody({ n, text = 'hello', sender = 'octocat' }: Said): string {
  const repository = { id: 1, full_name: `${WORKSPACE}/repo`, owner: { login: WORKSPACE } }
  const issue = { number: n, title: text }
  return JSON.stringify({ action: 'opened', issue, repository, sender: { id: 1, login: sender } })
}

function telegramBody({ n, text = 'hello', sender = 'someone' }: Said): string {
  const message = { message_id: n, from: { id: 7, username: sender }, chat: { id: 8, title: 'room' }, text }
  return JSON.stringify({ update_id: 10_000 + n, message })
}

function discordBody({ n, text = 'hello', sender = 'U1', id = String(10_000 + n) }: Said): string {
  const member = { user: { id: '7', username: sender } }
  return JSON.stringify({ id, application_id: WORKSPACE, type: 2, token: 't', data: { name: text }, member })
}

function genericBody({ n, text = 'hello', sender = 'U1', id = `gen-${n}` }: Said): string {
  return JSON.stringify({ id, type: 'thing.happened', kind: 'message', n, text, sender })
}
