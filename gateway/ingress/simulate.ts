/**
 * Sample events, signed as their vendors sign them. In: a source, a channel's settings, a secret and where it is sent.
 * Out: a request ready for the wire, or forged on purpose. Refuses a source whose vendor signs with a key that nobody
 * else has, and never gives out a genuine request that the listener's own proof would not take.
 *
 * Nothing here knows a signature: the source's own `claim` says which bytes it covers, and its own key signs them.
 */
import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { isMacKey, mac, macKey, type VerifyingKey } from '@gatehouse/proof/webhook.ts'
import { CHAT } from './samples/chat.ts'
import { CODE } from './samples/code.ts'
import { COMMERCE } from './samples/commerce.ts'
import type { Sample, Samples } from './samples/sample.ts'
import type { RawRequest, Source } from './source.ts'
import { sourceNamed } from './sources.ts'
import { VerifiedDelivery } from './verify.ts'

/** As long as the longest MAC in hex; stands where the signature will, so that the claim can be read. */
const NO_MAC = Buffer.alloc(32)
const ENCODINGS = ['hex', 'base64', 'base64url'] as const

export const SAMPLES: Readonly<Record<string, Samples>> = { ...CHAT, ...CODE, ...COMMERCE }

export interface Wanted {
  readonly source: string
  /** A sample's name; the first one when left out. */
  readonly event?: string | undefined
  /** The channel's, as the API shows them. */
  readonly settings: unknown
  readonly secret: string
  /** Where it is sent: some vendors sign that. */
  readonly url: string
  readonly workspace?: string | undefined
  /** Unix milliseconds. */
  readonly now: number
  /** Signs with a key, or sends a token, that is not the secret. */
  readonly forge: boolean
}

export interface Simulated {
  readonly event: string
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Names of a source's samples; none where the vendor alone can sign. */
export function sampleNames(source: string, settings: unknown): readonly string[] {
  return samplesOf(source, settings).map(({ event }) => event)
}

/** Throws `RangeError` with a sentence, never the secret, when it cannot be made. */
export function simulate(wanted: Wanted): Simulated {
  const source = sourceNamed(wanted.source)
  if (source === undefined) throw new RangeError(`simulate ${wanted.source}: there is no such source`)
  const settings = source.settings.parse(wanted.settings ?? {})
  const samples = samplesOf(wanted.source, settings)
  const sample = samples.find(({ event }) => wanted.event === undefined || event === wanted.event)
  if (sample === undefined) throw new RangeError(noSample(wanted, samples))
  const key = source.key(wanted.secret, settings, '')
  const values = valuesFor(sample, wanted)
  const unsigned = filled(sample, wanted, new Map([...values, ...macs(NO_MAC)]))
  const signature = signatureOf(unsigned.raw, source, settings, wanted.forge ? forged(key) : key)
  const { sent, raw } = filled(sample, wanted, new Map([...values, ...macs(signature)]))
  if (wanted.forge) return sent
  const verdict = VerifiedDelivery.verify(
    { source, settings, credentials: [{ id: '', key }] },
    raw,
    wanted.now / 1_000,
  )
  if (verdict instanceof VerifiedDelivery) return sent
  throw new RangeError(`simulate ${source.name}: the sample is not proved (${verdict.refused})`)
}

/** The MAC over what the source says is signed; nothing where a token is sent as it is. */
function signatureOf(raw: RawRequest, source: Source, settings: unknown, key: VerifyingKey): Buffer {
  if (!isMacKey(key)) return NO_MAC
  const claim = source.claim(raw, settings)
  if ('refused' in claim)
    throw new RangeError(`simulate ${source.name}: the sample does not fit the channel's settings`)
  return mac(key.algorithm, key.key, claim.signed)
}

function forged(key: VerifyingKey): VerifyingKey {
  return isMacKey(key) ? macKey(key.algorithm, randomBytes(32)) : key
}

function samplesOf(source: string, settings: unknown): readonly Sample[] {
  const samples = Object.hasOwn(SAMPLES, source) ? SAMPLES[source] : undefined
  return typeof samples === 'function' ? samples(settings) : (samples ?? [])
}

function noSample({ source, event }: Wanted, samples: readonly Sample[]): string {
  return samples.length === 0
    ? `simulate ${source}: only its vendor has the key that signs`
    : `simulate ${source}: there is no sample ${event ?? ''}, wanted one of ${samples.map((one) => one.event).join(', ')}`
}

type Values = ReadonlyMap<string, string>

function valuesFor(sample: Sample, { now, secret, workspace, forge }: Wanted): Values {
  const number = String(now * 1_000 + randomInt(1_000))
  return new Map([
    ['{time}', String(Math.floor(now / 1_000))],
    ['{ms}', String(now)],
    ['{iso}', new Date(now).toISOString()],
    ['{id}', randomBytes(12).toString('hex')],
    ['{uuid}', randomUUID()],
    ['{number}', number],
    ['{workspace}', workspace ?? sample.workspace ?? 'sample'],
    [
      '{secret}',
      forge ? randomBytes(secret.length).toString('hex').slice(0, Math.max(16, secret.length)) : secret,
    ],
  ])
}

function macs(signature: Buffer): readonly (readonly [string, string])[] {
  return ENCODINGS.map((encoding) => [`{mac:${encoding}}`, signature.toString(encoding)] as const)
}

interface Filled {
  readonly sent: Simulated
  readonly raw: RawRequest
}

function filled(sample: Sample, wanted: Wanted, values: Values): Filled {
  const body = bodyOf(sample, values)
  const url = wanted.url + queryOf(sample, values)
  const method = sample.query === undefined ? 'POST' : 'GET'
  const own = Object.entries(sample.headers).map(
    ([name, value]) => [name, withValues(value, values)] as const,
  )
  const headers = { ...typeOf(sample), ...Object.fromEntries(own) }
  const target = url.replace(/^https?:\/\/[^/]*/, '')
  const raw = { method, target, headers: new Map(Object.entries(headers)), body, publicUrl: url }
  return { sent: { event: sample.event, url, method, headers, body }, raw }
}

function typeOf({ json, form }: Sample): Readonly<Record<string, string>> {
  if (form !== undefined) return { 'content-type': 'application/x-www-form-urlencoded' }
  return json === undefined ? {} : { 'content-type': 'application/json' }
}

function queryOf({ query }: Sample, values: Values): string {
  if (query === undefined) return ''
  const fields = Object.entries(query).map(([name, value]): [string, string] => [
    name,
    withValues(value, values),
  ])
  return `?${new URLSearchParams(fields).toString()}`
}

function bodyOf({ json, form }: Sample, values: Values): Buffer {
  if (form === undefined) return Buffer.from(json === undefined ? '' : JSON.stringify(jsonWith(json, values)))
  const fields = Object.entries(form).map(([name, value]): [string, string] => [
    name,
    textOf(jsonWith(value, values)),
  ])
  return Buffer.from(new URLSearchParams(fields).toString())
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function jsonWith(value: Json, values: Values): Json {
  if (typeof value === 'string') {
    const text = withValues(value, values)
    return value === '{number}' || value === '{time}' || value === '{ms}' ? Number(text) : text
  }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: Json) => jsonWith(item, values))
  const entries = Object.entries(value).map(([name, inner]): [string, Json] => [
    name,
    jsonWith(inner, values),
  ])
  const [first] = entries
  return first?.[0] === '{text}' ? JSON.stringify(first[1]) : Object.fromEntries(entries)
}

function withValues(text: string, values: Values): string {
  return text.replaceAll(/\{(?:[a-z]+)(?::[a-z0-9]+)?\}/g, (hole) => values.get(hole) ?? hole)
}
