/**
 * The admin API in shapes: every body, query and answer, strict both ways. In: JSON. Out: typed values. Refuses any
 * field it does not know, so a typing error never turns into a default.
 *
 * Times are RFC 3339 in UTC, durations say their unit in their name, ids are `<prefix>_` and 26 Crockford characters.
 * A list answers newest first with `next`, the cursor of the page after it, or null on the last.
 */
import { z } from 'zod'
import { Envelope } from './envelope.ts'
import { REFUSALS, type RefusalCode } from './refusals.ts'

/** Page sizes: 50 unless asked, 100 at most, so that no answer grows without bound. */
export const PAGE = { usual: 50, most: 100 } as const
/** A rotated credential stays good for a day unless asked, and for 30 days at most: forgotten overlaps are stolen ones. */
export const OVERLAP = { usualSeconds: 86_400, mostSeconds: 30 * 86_400 } as const
/** Long polls end by themselves before common proxies cut them. */
export const LONGEST_WAIT_SECONDS = 30

/** What a token may do. `delivery:pull` belongs to pull subscriptions and is never granted by hand. */
export const SCOPES = [
  'token:read',
  'token:write',
  'tenant:read',
  'tenant:write',
  'channel:read',
  'channel:write',
  'credential:read',
  'credential:write',
  'subscription:read',
  'subscription:write',
  'delivery:read',
  'delivery:body',
  'delivery:replay',
  'event:read',
] as const
export const PULL_SCOPE = 'delivery:pull'
export const Scope = z.enum(SCOPES)
export type Scope = z.infer<typeof Scope>
const anyScope = z.enum([...SCOPES, PULL_SCOPE])

const id = (prefix: string) => z.string().regex(new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`))
const time = z.iso.datetime()
/** One line of text for people: no control characters, no lone surrogates (PostgreSQL takes neither NUL nor those). */
const line = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}\p{Cs}]+$/u)
const name = line(120)
const reason = line(200)
const cursor = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)
const limit = z.coerce.number().int().min(1).max(PAGE.most).default(PAGE.usual)
const settings = z.record(z.string().max(64), z.unknown())
const workspaces = z.array(line(256)).min(1).max(100)
/** Secrets come in as text; the longest known is a PEM public key. */
const secretText = z.string().min(1).max(8192)

const tenantId = id('ten')
const channelId = id('chn')
const credentialId = id('crd')
const subscriptionId = id('sub')
const deliveryId = id('dlv')
const tokenId = id('tok')
const replayId = id('rpl')

// Where things are: path parameters.

export const AtNothing = z.strictObject({})
export const AtToken = z.strictObject({ token: tokenId })
export const AtTenant = z.strictObject({ tenant: tenantId })
export const AtChannel = z.strictObject({ tenant: tenantId, channel: channelId })
export const AtCredential = z.strictObject({ tenant: tenantId, channel: channelId, credential: credentialId })
export const AtSubscription = z.strictObject({ tenant: tenantId, subscription: subscriptionId })
export const AtReplay = z.strictObject({ tenant: tenantId, replay: replayId })
export const AtDelivery = z.strictObject({ tenant: tenantId, delivery: deliveryId })
/** Attachments are counted from 0, as the envelope lists them. */
const attachmentNumber = z
  .string()
  .regex(/^(?:0|[1-9]\d?)$/)
  .transform(Number)
export const AtAttachment = z.strictObject({
  tenant: tenantId,
  delivery: deliveryId,
  attachment: attachmentNumber,
})

// Which of them: queries.

export const NoQuery = z.strictObject({})
export const PageQuery = z.strictObject({ cursor: cursor.optional(), limit })
export const DeliveryQuery = z.strictObject({
  channel: channelId.optional(),
  subscription: subscriptionId.optional(),
  state: z.enum(['pending', 'leased', 'done', 'dead']).optional(),
  cursor: cursor.optional(),
  limit,
})
/** Which deliveries a replay is about; all that were received until now where nothing is given. */
const replayFilter = {
  channel: channelId.optional(),
  /** Only to this one, instead of to all that the channel has. */
  subscription: subscriptionId.optional(),
  /** Only what ended so. Dead letters come back to life; what was done is sent once more. */
  state: z.enum(['done', 'dead']).optional(),
  kind: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,63}$/)
    .optional(),
  /** Received from then on. */
  since: time.optional(),
  /** Received before. */
  until: time.optional(),
}
export const ReplayFilter = z.strictObject(replayFilter)
export const EventQuery = z.strictObject({
  action: z
    .string()
    .regex(/^[a-z_.-]{1,64}$/)
    .optional(),
  cursor: z
    .string()
    .regex(/^[0-9]{1,15}$/)
    .optional(),
  limit,
})

function list<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), next: z.string().nullable() })
}

// The gate itself.

export const Health = z.strictObject({ ok: z.literal(true) })
export const Readiness = z.strictObject({ ready: z.literal(true), checks: z.record(z.string(), z.string()) })
export const OpenApiDocument = z.looseObject({ openapi: z.string() })

export const Problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.enum(Object.keys(REFUSALS) as [RefusalCode, ...RefusalCode[]]),
  detail: z.string().optional(),
  requestId: z.string().optional(),
  errors: z.array(z.strictObject({ path: z.string(), message: z.string() })).optional(),
})

export const SourceInfo = z.strictObject({
  name: z.string(),
  title: z.string(),
  docs: z.string(),
  /** Seconds a signed time may differ from ours; null where the vendor signs none. */
  tolerance: z.number().nullable(),
  signsTime: z.boolean(),
  /** Whether deliveries name a workspace; with `never` a channel cannot be bound to one. */
  namesWorkspace: z.enum(['always', 'sometimes', 'never']),
  credential: z.strictObject({
    kind: z.enum(['secret', 'public-key']),
    hint: z.string(),
    generated: z.boolean(),
  }),
  /** JSON Schema of a channel's `settings`. */
  settings: z.record(z.string(), z.unknown()),
})
export const SourceList = z.strictObject({ items: z.array(SourceInfo) })

// Tokens.

export const ClaimRequest = z.strictObject({ code: z.string().min(1).max(64), name: name.optional() })
export const Claimed = z.strictObject({ token: z.string(), id: tokenId, scopes: z.array(Scope) })

export const Identity = z.strictObject({
  id: tokenId,
  name,
  tenant: tenantId.nullable(),
  subscription: subscriptionId.nullable(),
  scopes: z.array(anyScope),
  expiresAt: time.nullable(),
})
export const NewToken = z.strictObject({
  name,
  scopes: z.array(Scope).min(1).max(SCOPES.length),
  /** Binds the token to one tenant; a token that is itself bound can only make its like. */
  tenant: tenantId.optional(),
  expiresInSeconds: z
    .int()
    .min(60)
    .max(10 * 365 * 86_400)
    .optional(),
})
export const Token = z.strictObject({
  id: tokenId,
  name,
  tenant: tenantId.nullable(),
  subscription: subscriptionId.nullable(),
  scopes: z.array(anyScope),
  createdAt: time,
  expiresAt: time.nullable(),
  revokedAt: time.nullable(),
  lastUsedAt: time.nullable(),
})
/** `token` is the value, shown this once. */
export const TokenMade = z.strictObject({ ...Token.shape, token: z.string() })
export const TokenList = list(Token)
export const OptionalReason = z.strictObject({ reason: reason.optional() })
export const Reason = z.strictObject({ reason })

// Tenants.

export const NewTenant = z.strictObject({ name })
export const Tenant = z.strictObject({ id: tenantId, name, createdAt: time })
export const TenantList = list(Tenant)

// Channels and their credentials.

const replayDays = z.int().min(1).max(365)
export const NewChannel = z.strictObject({
  name,
  source: z.string().regex(/^[a-z0-9-]{1,40}$/),
  /** Vendor workspaces this channel may speak for; null or left out binds to none. */
  workspaces: workspaces.nullable().optional(),
  settings: settings.optional(),
  replayDays: replayDays.optional(),
})
export const ChannelChange = z.strictObject({
  name: name.optional(),
  workspaces: workspaces.nullable().optional(),
  settings: settings.optional(),
  replayDays: replayDays.optional(),
  state: z.enum(['active', 'paused']).optional(),
})
export const Channel = z.strictObject({
  id: channelId,
  tenant: tenantId,
  name,
  source: z.string(),
  workspaces: z.array(z.string()).nullable(),
  settings,
  replayDays: z.number(),
  state: z.enum(['active', 'paused']),
  /** Where the vendor posts to, on the public listener. */
  path: z.string(),
  /** The whole address, when the gate knows its public one. */
  url: z.string().optional(),
  signsTime: z.boolean(),
  /** What protects this channel against deliveries sent again. */
  replayNote: z.string(),
  /** What is weak about the settings, a sentence each. */
  warnings: z.array(z.string()),
  createdAt: time,
})
export const ChannelList = list(Channel)

/** What a credential is for where a source has several, such as `verify-token`; '' is the source's own. */
const role = z.string().regex(/^[a-z-]{0,32}$/)
export const NewCredential = z.strictObject({
  label: name.optional(),
  role: role.optional(),
  value: secretText.optional(),
})
export const Rotation = z.strictObject({
  value: secretText.optional(),
  overlapSeconds: z.int().min(0).max(OVERLAP.mostSeconds).default(OVERLAP.usualSeconds),
})
export const Credential = z.strictObject({
  id: credentialId,
  channel: channelId,
  label: z.string(),
  role: z.string(),
  /** `overlap`: rotated, still good until `expiresAt`. */
  state: z.enum(['live', 'overlap', 'expired', 'revoked']),
  createdAt: time,
  expiresAt: time.nullable(),
  lastUsedAt: time.nullable(),
})
/** `value` is there only when Gatehouse made it up, this once. */
export const CredentialMade = z.strictObject({ ...Credential.shape, value: z.string().optional() })
export const CredentialRotated = z.strictObject({
  ...CredentialMade.shape,
  replaces: z.strictObject({ id: credentialId, expiresAt: time }),
})
export const CredentialList = list(Credential)

export const RefusalSeen = z.strictObject({
  id: z.string(),
  at: time,
  reason: z.string(),
  detail: z.string(),
  requestId: z.string(),
  /** How many alike within the same second this one stands for. */
  count: z.int(),
})
export const RefusalList = list(RefusalSeen)

// Subscriptions.

const url = z.string().min(1).max(2048)
export const NewSubscription = z.strictObject({
  name,
  mode: z.enum(['push', 'pull']),
  /** Push only: https, or http on loopback where the operator allows it. */
  url: url.optional(),
  channels: z.array(channelId).min(1).max(1000),
  inlineBody: z.boolean().default(false),
  /** Push only: the app's answer goes back to the vendor where it waits for one. One of a channel's at most. */
  sync: z.boolean().default(false),
  /** Deliveries of one conversation are handed out one after another. */
  ordered: z.boolean().default(false),
})
export const SubscriptionChange = z.strictObject({
  name: name.optional(),
  url: url.optional(),
  channels: z.array(channelId).min(1).max(1000).optional(),
  inlineBody: z.boolean().optional(),
  state: z.enum(['active', 'paused']).optional(),
})
export const Subscription = z.strictObject({
  id: subscriptionId,
  tenant: tenantId,
  name,
  mode: z.enum(['push', 'pull']),
  url: z.string().nullable(),
  channels: z.array(channelId),
  inlineBody: z.boolean(),
  sync: z.boolean(),
  ordered: z.boolean(),
  state: z.enum(['active', 'paused']),
  /** Of push: `open` while its app is away, `half-open` while one delivery asks whether it is back. */
  breaker: z.enum(['closed', 'open', 'half-open']),
  /** Nothing is pushed before: its app is away, or asked for time. */
  heldUntil: time.nullable(),
  createdAt: time,
})
/** Push answers the signing `secret` (Standard Webhooks), pull the bearer `token`, this once. */
export const SubscriptionMade = z.strictObject({
  ...Subscription.shape,
  secret: z.string().optional(),
  token: z.string().optional(),
})
export const SubscriptionList = list(Subscription)
export const Removed = z.strictObject({ id: z.string(), removed: z.literal(true) })

// Deliveries.

export const Dispatch = z.strictObject({
  id: z.string(),
  subscription: z.string(),
  state: z.enum(['pending', 'leased', 'done', 'dead']),
  attempts: z.int(),
  dueAt: time,
  replay: z.boolean(),
  lastStatus: z.int().nullable(),
  lastError: z.string().nullable(),
  createdAt: time,
  finishedAt: time.nullable(),
})
/** What is known of a delivery without opening it. */
export const Delivery = z.strictObject({
  id: deliveryId,
  tenant: tenantId,
  channel: z.string(),
  source: z.string(),
  kind: z.string(),
  credential: z.string(),
  signedAt: time.nullable(),
  receivedAt: time,
  size: z.int(),
  dispatches: z.array(Dispatch),
})
export const DeliveryList = list(Delivery)
export const ReplayRequest = z.strictObject({ subscription: subscriptionId.optional(), reason })
export const RetryRequest = z.strictObject({ subscription: subscriptionId.optional(), reason })
/** The dispatches that are due now. */
export const Retried = z.strictObject({ delivery: deliveryId, dispatches: z.array(z.string()) })
/** `complete` is false when there is more than a preview counts: both numbers are "at least" then. */
export const ReplayPreview = z.strictObject({
  deliveries: z.int(),
  dispatches: z.int(),
  complete: z.boolean(),
})
export const NewReplay = z.strictObject({ ...replayFilter, reason })
export const Replay = z.strictObject({
  id: replayId,
  tenant: tenantId,
  state: z.enum(['running', 'done', 'cancelled']),
  filter: ReplayFilter,
  /** Deliveries or dead letters looked at so far. */
  examined: z.int(),
  /** Of them sent. */
  dispatched: z.int(),
  /** When the last one looked at was received; null before the first and after the last. */
  reached: time.nullable(),
  createdAt: time,
  finishedAt: time.nullable(),
})
export const ReplayList = list(Replay)
export const Replayed = z.strictObject({ delivery: deliveryId, dispatches: z.array(z.string()) })

// Events of the audit log.

export const Event = z.strictObject({
  seq: z.int(),
  at: time,
  action: z.string(),
  tenant: z.string(),
  actor: z.string(),
  target: z.string(),
  outcome: z.enum(['allowed', 'denied', 'failed']),
  requestId: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** Hex; each covers the entry and the hash before it. */
  hash: z.string(),
})
export const EventList = list(Event)

// Pull.

const lease = z.string().min(1).max(128)
export const LeaseRequest = z.strictObject({
  max: z.int().min(1).max(100).default(10),
  waitSeconds: z.number().min(0).max(LONGEST_WAIT_SECONDS).default(0),
})
export const Leased = z.strictObject({ lease, envelope: Envelope })
export const LeasedList = z.strictObject({ items: z.array(Leased) })
export const AckRequest = z.strictObject({ leases: z.array(lease).min(1).max(100) })
/** How many leases ended well, and those that were not in force any more: their deliveries come again. */
export const Acked = z.strictObject({ acked: z.int(), gone: z.array(z.string()) })
export const NackRequest = z.strictObject({ lease, delaySeconds: z.int().min(0).max(86_400).optional() })
/** `retry`: it comes again. `dead`: its tries are used up. `gone`: the lease was not in force any more. */
export const Nacked = z.strictObject({ state: z.enum(['retry', 'dead', 'gone']) })
