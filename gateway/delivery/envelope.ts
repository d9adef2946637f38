/**
 * Makes the envelope that an app receives. In: an inbox row, its opened content, and which try this is. Out: an
 * `Envelope` that passes the contract's schema, whatever the vendor put into its names. Refuses nothing: what is too
 * long is cut, what is empty is left out, and the raw body still holds it; pure.
 */
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { type Envelope, TEXT_CAP } from '@gatehouse/contract/envelope.ts'

/** Longest names of the envelope, in UTF-16 units, as the contract has them. */
const CAPS = { id: 256, name: 256, deliveryId: 512, kind: 64, event: 256, locale: 35, contentType: 256 }

interface Party {
  readonly id: string
  readonly name?: string
}

/** Where the file is, only the gate needs to know. */
interface Attachment {
  readonly id: string
  readonly name?: string
  readonly contentType?: string
  readonly size?: number
}

/** As much of a verified delivery as an envelope shows. */
export interface Content {
  readonly facts: {
    readonly deliveryId?: string
    readonly workspaces: readonly string[]
    readonly kind: string
    readonly event?: string
    readonly actor?: Party
    readonly conversation?: Party
    readonly text?: string
    readonly locale?: string
    readonly attachments?: readonly Attachment[]
  }
  readonly contentType: string | undefined
  readonly body: Buffer
}

/** The inbox row behind the delivery. Times are Unix milliseconds. */
export interface Received {
  readonly id: string
  readonly tenant: string
  readonly channel: string
  readonly source: string
  readonly receivedAt: number
  readonly signedAt: number | null
}

export interface Try {
  readonly attempt: number
  readonly replay: boolean
  readonly inline: boolean
}

export function envelope(received: Received, content: Content, { attempt, replay, inline }: Try): Envelope {
  const { facts, body, contentType } = content
  return {
    version: 1,
    id: received.id,
    tenant: received.tenant,
    channel: received.channel,
    source: received.source,
    ...text('deliveryId', facts.deliveryId, CAPS.deliveryId),
    kind: facts.kind === '' || facts.kind.length > CAPS.kind ? 'other' : facts.kind,
    ...text('event', facts.event, CAPS.event),
    ...text('workspace', facts.workspaces[0], CAPS.id),
    ...party('actor', facts.actor),
    ...party('conversation', facts.conversation),
    ...(facts.text === undefined ? {} : { text: cut(facts.text, TEXT_CAP) }),
    ...text('locale', facts.locale, CAPS.locale),
    ...attached(received, facts.attachments),
    receivedAt: new Date(received.receivedAt).toISOString(),
    ...(received.signedAt === null ? {} : time(received.signedAt)),
    replay,
    attempt,
    body: {
      href: `/v1/tenants/${received.tenant}/deliveries/${received.id}/body`,
      ...text('contentType', contentType, CAPS.contentType),
      size: body.length,
      sha256: createHash('sha256').update(body).digest('hex'),
      ...(inline ? inlined(body) : {}),
    },
  }
}

function attached(
  { tenant, id: delivery }: Received,
  attachments: readonly Attachment[] | undefined,
): Pick<Envelope, 'attachments'> {
  if (attachments === undefined) return {}
  return {
    attachments: attachments.map(({ id, name, contentType, size }, at) => ({
      id,
      ...text('name', name, CAPS.name),
      ...text('contentType', contentType, CAPS.contentType),
      ...(size === undefined ? {} : { size }),
      href: `/v1/tenants/${tenant}/deliveries/${delivery}/attachments/${at}`,
    })),
  }
}

function inlined(body: Buffer): Pick<Envelope['body'], 'inline' | 'inlineEncoding'> {
  // Bytes that are not text would be changed by pretending that they are.
  return isUtf8(body)
    ? { inline: body.toString('utf8'), inlineEncoding: 'utf8' }
    : { inline: body.toString('base64'), inlineEncoding: 'base64' }
}

/** A signed time is the sender's number and may be beyond what a date can hold. */
function time(signedAt: number): { signedAt?: string } {
  const date = new Date(signedAt)
  const year = date.getUTCFullYear()
  return year >= 0 && year <= 9_999 ? { signedAt: date.toISOString() } : {}
}

function party<N extends 'actor' | 'conversation'>(name: N, value: Party | undefined): { [K in N]?: Party } {
  if (value === undefined || value.id === '') return {}
  return { [name]: { id: cut(value.id, CAPS.id), ...text('name', value.name, CAPS.name) } } as {
    [K in N]?: Party
  }
}

function text<N extends string>(name: N, value: string | undefined, cap: number): { [K in N]?: string } {
  return value === undefined || value === '' ? {} : ({ [name]: cut(value, cap) } as { [K in N]?: string })
}

/** The first `cap` UTF-16 units, never half a character; halves that came in are replaced. */
function cut(value: string, cap: number): string {
  if (value.length <= cap) return value.toWellFormed()
  const splits = (value.charCodeAt(cap - 1) & 0xfc00) === 0xd800
  return value.slice(0, splits ? cap - 1 : cap).toWellFormed()
}
