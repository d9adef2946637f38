/**
 * Tries one recorded request against the proof that the listener runs. In: a record with the fields of the published
 * vectors. Out: accept or reject, and why, in one word. Refuses a record it cannot read as `bad-record`, a credential
 * its source cannot use as `bad-credential`, and never throws. Bodies are not parsed and nothing is remembered.
 */
import { z } from 'zod'
import { fromBase64 } from '@gatehouse/proof/bytes.ts'
import type { RawRequest, Source } from './source.ts'
import { sourceNamed } from './sources.ts'
import { type LiveCredential, type ProofRefusal, VerifiedDelivery } from './verify.ts'

/** Largest repeated body; a record is a line, its body need not be. */
const BODY_CAP = 33_554_432

export interface Verdict {
  readonly id: string | null
  readonly verdict: 'accept' | 'reject'
  readonly reason: string
}

const identifier = z.union([z.string(), z.number().transform(String)])
const text = z.union([z.string(), z.array(z.string())])

/** The fields that are read; others, such as a note, may stand beside them. */
export const Recorded = z.looseObject({
  id: identifier.optional(),
  provider: z.string().optional(),
  scheme: z.string().optional(),
  secret: text.optional(),
  publicKey: text.optional(),
  method: z.string().default('POST'),
  url: z.string().optional(),
  headers: z.record(z.string(), z.string()).default({}),
  requiredHeaders: z.array(z.string()).default([]),
  body: z.string().optional(),
  bodyBase64: z.string().optional(),
  bodyRepeat: z.strictObject({ text: z.string(), count: z.int().min(0) }).optional(),
  now: z.number().optional(),
  toleranceSeconds: z.number().min(0).optional(),
  config: z.unknown().optional(),
})

export type Recorded = z.infer<typeof Recorded>

/** Schemes of the published vectors and the source that carries each out; what has no scheme is named by its provider. */
const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['slack-v0', 'slack'],
  ['discord-ed25519', 'discord'],
  ['telegram-secret-token', 'telegram'],
  ['github-sha256', 'github'],
  ['stripe-v1', 'stripe'],
  ['pumble', 'pumble'],
  ['standard-webhooks-v1', 'standard-webhooks'],
  ['standard-webhooks-v1a', 'standard-webhooks'],
  ['hmac', 'generic-hmac'],
])

/** The verdict on one record. `nowSeconds` stands in where it has no time of its own. */
export function check(record: unknown, nowSeconds = Number.NaN): Verdict {
  const read = Recorded.safeParse(record)
  if (!read.success) return reject(idOf(record), 'bad-record')
  const recorded = read.data
  const id = recorded.id ?? null
  const source = sourceOf(recorded)
  if (source === undefined) return reject(id, 'unsupported-source')
  const request = requestOf(recorded)
  const settings = source.settings.safeParse(recorded.config ?? {})
  if (request === undefined || !settings.success) return reject(id, 'bad-record')
  if (recorded.requiredHeaders.some((name) => !request.headers.get(name.toLowerCase()))) {
    return reject(id, 'missing-header')
  }
  const credentials = credentialsOf(recorded, source, settings.data)
  if (credentials === undefined) return reject(id, 'bad-credential')
  const channel = { source: within(source, recorded.toleranceSeconds), settings: settings.data, credentials }
  const verdict = VerifiedDelivery.verify(channel, request, recorded.now ?? nowSeconds)
  if (verdict instanceof VerifiedDelivery) return { id, verdict: 'accept', reason: 'proved' }
  return reject(id, wordFor(verdict))
}

function reject(id: Verdict['id'], reason: string): Verdict {
  return { id, verdict: 'reject', reason }
}

function idOf(record: unknown): Verdict['id'] {
  const read = z.looseObject({ id: identifier }).safeParse(record)
  return read.success ? read.data.id : null
}

export function sourceOf({ provider, scheme }: Recorded): Source | undefined {
  // Svix's headers differ from the scheme it follows.
  if (provider === 'svix' && (scheme === undefined || scheme.startsWith('standard-webhooks-')))
    return sourceNamed('svix')
  const name = scheme === undefined ? provider : SCHEMES.get(scheme)
  return name === undefined ? undefined : sourceNamed(name)
}

export function requestOf(recorded: Recorded): RawRequest | undefined {
  const body = bodyOf(recorded)
  const headers = new Map(
    Object.entries(recorded.headers).map(([name, value]) => [name.toLowerCase(), value]),
  )
  // Two spellings of one header are a header sent twice, which never gets as far as this.
  if (body === undefined || headers.size !== Object.keys(recorded.headers).length) return undefined
  const target = (recorded.url ?? '/').replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  return { method: recorded.method, target: target.startsWith('/') ? target : `/${target}`, headers, body }
}

function bodyOf({ body, bodyBase64, bodyRepeat }: Recorded): Buffer | undefined {
  if (bodyBase64 !== undefined) return fromBase64(bodyBase64)
  if (bodyRepeat === undefined) return Buffer.from(body ?? '', 'utf8')
  const once = Buffer.from(bodyRepeat.text, 'utf8')
  if (once.length === 0 || bodyRepeat.count === 0) return Buffer.alloc(0)
  return once.length * bodyRepeat.count > BODY_CAP
    ? undefined
    : Buffer.alloc(once.length * bodyRepeat.count, once)
}

function credentialsOf(recorded: Recorded, source: Source, settings: unknown): LiveCredential[] | undefined {
  const texts = [recorded.secret ?? [], recorded.publicKey ?? []].flat()
  try {
    return texts.map((secret, i) => ({ id: String(i), key: source.key(secret, settings) }))
  } catch {
    return undefined
  }
}

/** The source with another window, where it has one at all. */
export function within(source: Source, seconds: number | undefined): Source {
  if (seconds === undefined) return source
  return {
    ...source,
    toleranceOf: (settings) => {
      const own = source.toleranceOf === undefined ? source.tolerance : source.toleranceOf(settings)
      return own === undefined ? undefined : seconds
    },
  }
}

/** The refusal in the words of the published vectors. */
function wordFor(refusal: ProofRefusal): string {
  switch (refusal.refused) {
    case 'malformed-header':
      return 'malformed'
    case 'no-credential':
      return 'signature'
    case 'missing-header':
    case 'timestamp':
    case 'signature':
    case 'decider-failed':
      return refusal.refused
  }
}
