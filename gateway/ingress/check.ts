/**
 * Tries one recorded request against the proof that the listener runs. In: a record with the fields of the published
 * vectors. Out: accept or reject, and why, in one word. Refuses a record it cannot read as `bad-record`, a credential
 * its source cannot use as `bad-credential`, and never throws. Of a body only the questions are
 * answered, and nothing is remembered.
 */
import { z } from 'zod'
import { fromBase64 } from '@gatehouse/proof/bytes.ts'
import { solved } from './challenge.ts'
import { given } from './member.ts'
import { read } from './read.ts'
import { topicSettings, vendorCredentials } from './recorded-key.ts'
import type { RawRequest, Source } from './source.ts'
import { sourceNamed } from './sources.ts'
import { type LiveCredential, type ProofRefusal, type ProvingChannel, VerifiedDelivery } from './verify.ts'

/** Largest repeated body; a record is a line, its body need not be. */
const BODY_CAP = 33_554_432

export interface Verdict {
  readonly id: string | null
  readonly verdict: 'accept' | 'reject'
  readonly reason: string
  /** What the vendor hears when the record is a question of its own; nothing is delivered then. */
  readonly handshake?: { readonly status: number; readonly body: string }
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
  botId: identifier.optional(),
  certPem: z.string().optional(),
  jwks: z.unknown().optional(),
  allowedTopics: z.array(z.string()).optional(),
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
  ['aws-sns', 'aws-sns'],
  ['gitlab-token', 'gitlab'],
  ['line-sha256-b64', 'line'],
  ['linear-sha256', 'linear'],
  ['meta-hub-challenge', 'whatsapp'],
  ['meta-sha256', 'whatsapp'],
  ['pagerduty-v1', 'pagerduty'],
  ['sendgrid-ecdsa', 'sendgrid'],
  ['shopify-app-proxy', 'shopify-app-proxy'],
  ['shopify-oauth-query', 'shopify-oauth'],
  ['shopify-sha256-b64', 'shopify'],
  ['teams-outgoing-hmac', 'teams-outgoing'],
  ['telegram-init-data', 'telegram-init-data'],
  ['telegram-init-data-ed25519', 'telegram-init-data'],
  ['twilio-sha1', 'twilio'],
  ['viber-sha256-hex', 'viber'],
  ['x-sha256-b64', 'x'],
  ['zoom-v0', 'zoom'],
])

/** Providers that carry out a family of schemes under a name of their own. */
const FAMILIES: ReadonlyMap<string, string> = new Map([
  ['instagram', 'meta-'],
  ['messenger', 'meta-'],
  // Svix's headers differ from the scheme it follows.
  ['svix', 'standard-webhooks-'],
])

/** Schemes whose `secret` is not the source's own credential, and its role. */
const ROLES: ReadonlyMap<string, string> = new Map([['meta-hub-challenge', 'verify-token']])

/** The verdict on one record. `nowSeconds` stands in where it has no time of its own. */
export function check(record: unknown, nowSeconds = Number.NaN): Verdict {
  const parsed = Recorded.safeParse(record)
  if (!parsed.success) return reject(idOf(record), 'bad-record')
  const recorded = parsed.data
  const id = recorded.id ?? null
  const source = sourceOf(recorded)
  if (source === undefined) return reject(id, 'unsupported-source')
  const request = requestOf(recorded)
  const settings = source.settings.safeParse(settingsOf(recorded, source))
  if (request === undefined || !settings.success) return reject(id, 'bad-record')
  if (recorded.requiredHeaders.some((name) => !request.headers.get(name.toLowerCase()))) {
    return reject(id, 'missing-header')
  }
  const credentials = credentialsOf(recorded, source, settings.data)
  if (credentials === undefined) return reject(id, 'bad-credential')
  const at = recorded.now ?? nowSeconds
  const published = vendorCredentials(recorded, source, request, settings.data, at)
  if ('refused' in published) return reject(id, wordFor(published))
  const channel = {
    source: within(source, recorded.toleranceSeconds),
    settings: settings.data,
    credentials: [...credentials, ...published],
  }
  const verdict = VerifiedDelivery.verify(channel, request, at)
  return verdict instanceof VerifiedDelivery ? proved(id, channel, verdict) : reject(id, wordFor(verdict))
}

/** A question whose answer could be put to another use is proved and refused all the same. */
function proved(id: Verdict['id'], channel: ProvingChannel, delivery: VerifiedDelivery): Verdict {
  const facts = read(delivery, channel.source, channel.settings)
  if ('malformed' in facts && facts.malformed === 'challenge') return reject(id, 'malformed')
  if ('malformed' in facts && facts.contradicted === true) return reject(id, 'contradicted')
  const verdict = { id, verdict: 'accept', reason: 'proved' } as const
  if ('malformed' in facts) return verdict
  const { handshake, challenge } = facts
  const answer = challenge === undefined ? handshake : solved(channel.credentials, delivery, challenge)
  return { ...verdict, ...given('handshake', answer && { status: answer.status, body: answer.body ?? '' }) }
}

function reject(id: Verdict['id'], reason: string): Verdict {
  return { id, verdict: 'reject', reason }
}

function idOf(record: unknown): Verdict['id'] {
  const parsed = z.looseObject({ id: identifier }).safeParse(record)
  return parsed.success ? parsed.data.id : null
}

export function sourceOf({ provider, scheme }: Recorded): Source | undefined {
  const family = provider === undefined ? undefined : FAMILIES.get(provider)
  const follows = family !== undefined && scheme?.startsWith(family) === true
  const name = scheme === undefined || follows ? provider : SCHEMES.get(scheme)
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
  return {
    method: recorded.method,
    target: target.startsWith('/') ? target : `/${target}`,
    headers,
    body,
    publicUrl: /^https?:\/\//.test(recorded.url ?? '') ? recorded.url : undefined,
  }
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

/** The settings that a channel for this record has; older records carry some of them as fields. */
export function settingsOf(recorded: Recorded, { name }: Source): unknown {
  const { config, botId, toleranceSeconds } = recorded
  if (config === undefined && name === 'aws-sns') return topicSettings(recorded)
  if (config !== undefined || name !== 'telegram-init-data') return config ?? {}
  return { ...given('botId', botId), ...given('maxAgeSeconds', toleranceSeconds) }
}

/** The credentials that a channel for this record has, each with its role; '' is the source's own. */
export function credentialTexts(
  { scheme, secret, publicKey }: Recorded,
  { otherCredentials }: Source,
): readonly { readonly value: string; readonly role: string }[] {
  const role = ROLES.get(scheme ?? '') ?? ''
  const publicRole = otherCredentials?.['public-key'] === undefined ? '' : 'public-key'
  return [
    ...[secret ?? []].flat().map((value) => ({ value, role })),
    ...[publicKey ?? []].flat().map((value) => ({ value, role: publicRole })),
  ]
}

function credentialsOf(recorded: Recorded, source: Source, settings: unknown): LiveCredential[] | undefined {
  try {
    return credentialTexts(recorded, source).map(({ value, role }, i) => ({
      id: String(i),
      key: source.key(value, settings, role),
    }))
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
    case 'issuer':
    case 'audience':
    case 'cert-url':
      return refusal.refused
  }
}
