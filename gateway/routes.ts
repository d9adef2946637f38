/**
 * THE table: every route of the admin listener, and what each demands. In: nothing. Out: rows that the listener serves,
 * the OpenAPI document prints and the permission matrix shows. Refuses what it does not list: a route not in the table
 * does not exist, and a row that leaves a column out does not type-check.
 */
import type { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import { readAttachment } from './admin/attachments.ts'
import { changeChannel, createChannel, listChannels, readChannel } from './admin/channels.ts'
import { createCredential, listCredentials, revokeCredential, rotateCredential } from './admin/credentials.ts'
import { listDeliveries, readBody, readDelivery, replayDelivery, retryDelivery } from './admin/deliveries.ts'
import { listEvents, listRefusals } from './admin/history.ts'
import type { AdminNeeds } from './admin/needs.ts'
import { cancelReplay, listReplays, previewReplay, readReplay, startReplay } from './admin/replays.ts'
import { listSources } from './admin/sources.ts'
import {
  changeSubscription,
  createSubscription,
  listSubscriptions,
  readSubscription,
  removeSubscription,
} from './admin/subscriptions.ts'
import {
  type Bytes,
  type Details,
  type Done,
  events,
  json,
  type Known,
  raw,
  rowsFor,
  type Row,
} from './http/route.ts'
import type { RoomRefused } from './http/refused.ts'
import { createTenant, listTenants, readTenant, type TenantNeeds } from './tenants/tenants.ts'
import { claim } from './tokens/claim.ts'
import type { TokenNeeds } from './tokens/needs.ts'
import { createToken, listTokens, revokeToken, whoAmI } from './tokens/tokens.ts'

/** Names and settings; nothing the API takes is larger. */
const SMALL = 64 * 1024
/** Reads have no body. */
const NONE = 0

type Leased = z.infer<typeof api.Leased>

/** A pull subscription, as its token proves it. */
export interface Subscriber {
  readonly id: string
  readonly tenant: string
}

/** Who asked, for the audit log. */
export interface AskedBy {
  readonly actor: string
  readonly requestId: string
}

/** The subscriber's side of delivery. */
export interface Pull {
  lease(subscriber: Subscriber, max: number, waitMs: number, signal: AbortSignal): Promise<Leased[]>
  /** For each lease whether it was still in force. */
  ack(subscriber: Subscriber, leases: readonly string[], by: AskedBy): Promise<('done' | 'gone')[]>
  nack(
    subscriber: Subscriber,
    lease: string,
    delayMs: number | undefined,
    by: AskedBy,
  ): Promise<'retry' | 'dead' | 'gone'>
  stream(
    subscriber: Subscriber,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly item: Leased } | { readonly heartbeat: true }>
}

/** How the gate itself is. */
export interface Vitals {
  /** Each check's name with `ok` or what is wrong. */
  check(): Promise<Readonly<Record<string, string>>>
  metrics(): Promise<Bytes>
}

/** What `wire.ts` hands the routes. */
export interface Rooms extends TokenNeeds, AdminNeeds {
  readonly keyring: TenantNeeds['keyring'] & AdminNeeds['keyring']
  readonly pull: Pull
  readonly vitals: Vitals
  /** The OpenAPI document of this table. */
  openapi(): { openapi: string; [name: string]: unknown }
}

const { open, claim: claiming, read, reveal, change, pull } = rowsFor<Rooms>()

const free = { method: 'GET', who: 'anyone', scope: null, audit: null, bodyCap: NONE, body: null } as const
const reading = { method: 'GET', audit: null, bodyCap: NONE, body: null, rate: 'read' } as const
const changing = { bodyCap: SMALL, rate: 'change', query: api.NoQuery } as const
const subscriber = { who: 'subscription', scope: api.PULL_SCOPE, audit: null, rate: 'pull' } as const

const TENANT = '/v1/tenants/{tenant}'
const CHANNEL = `${TENANT}/channels/{channel}` as const
const CREDENTIAL = `${CHANNEL}/credentials/{credential}` as const
const SUBSCRIPTION = `${TENANT}/subscriptions/{subscription}` as const
const REPLAY = `${TENANT}/replays/{replay}` as const
const DELIVERY = `${TENANT}/deliveries/{delivery}` as const

const THE_GATE = {
  readHealth: open({
    about: 'Whether the process runs',
    ...free,
    path: '/healthz',
    rate: 'probe',
    params: api.AtNothing,
    query: api.NoQuery,
    answer: json(200, api.Health),
    run: () => ({ ok: true as const }),
  }),
  readReadiness: open({
    about: 'Whether the gate can take work: migrations, store, root key',
    ...free,
    path: '/readyz',
    rate: 'probe',
    params: api.AtNothing,
    query: api.NoQuery,
    answer: json(200, api.Readiness),
    async run(rooms) {
      const checks = await rooms.vitals.check()
      const failing = Object.keys(checks).filter((name) => checks[name] !== 'ok')
      if (failing.length > 0) return { refused: 'not-ready' as const, failing }
      return { ready: true as const, checks: { ...checks } }
    },
  }),
  readMetrics: open({
    about: 'Metrics in the text format of Prometheus',
    ...free,
    path: '/metrics',
    rate: 'probe',
    params: api.AtNothing,
    query: api.NoQuery,
    answer: raw('text/plain'),
    run: (rooms) => rooms.vitals.metrics(),
  }),
  readOpenApi: open({
    about: 'This document',
    ...free,
    path: '/openapi.json',
    rate: 'probe',
    params: api.AtNothing,
    query: api.NoQuery,
    answer: json(200, api.OpenApiDocument),
    run: (rooms) => rooms.openapi(),
  }),
  claim: claiming({
    about: 'Makes the first administrator out of the code that the first start printed',
    method: 'POST',
    path: '/v1/claim',
    who: 'anyone',
    scope: null,
    bodyCap: SMALL,
    rate: 'claim',
    audit: 'gate.claimed',
    params: api.AtNothing,
    query: api.NoQuery,
    body: api.ClaimRequest,
    answer: json(201, api.Claimed),
    async run(rooms, call, tx) {
      const made = await claim(tx, rooms.random, call.now, call.body)
      if ('refused' in made) return made
      const answer = { ...made, scopes: [...api.SCOPES] }
      return { answer, target: 'gate', details: { token: made.id }, actor: made.id }
    },
  }),
  listSources: read({
    about: 'The vendors this gate knows',
    ...reading,
    path: '/v1/sources',
    who: 'holder',
    scope: 'channel:read',
    params: api.AtNothing,
    query: api.NoQuery,
    answer: json(200, api.SourceList),
    run: (rooms) => listSources(rooms),
  }),
  listEvents: read({
    about: 'The audit log of the whole gate, newest first',
    ...reading,
    path: '/v1/events',
    who: 'platform',
    scope: 'event:read',
    params: api.AtNothing,
    query: api.EventQuery,
    answer: json(200, api.EventList),
    run: (_, call, db) => listEvents(db, null, call.query),
  }),
}

const TOKENS = {
  whoAmI: read({
    about: 'What the token in hand is',
    ...reading,
    path: '/v1/whoami',
    who: 'holder',
    scope: null,
    params: api.AtNothing,
    query: api.NoQuery,
    answer: json(200, api.Identity),
    run: (_, call) => whoAmI(call.caller),
  }),
  createToken: change({
    about: 'Makes a token that may do no more than the one in hand; its value is shown this once',
    ...changing,
    method: 'POST',
    path: '/v1/tokens',
    who: 'holder',
    scope: 'token:write',
    audit: 'token.created',
    params: api.AtNothing,
    body: api.NewToken,
    answer: json(201, api.TokenMade),
    async run(rooms, call, tx) {
      const made = await createToken(rooms, tx, call.caller, call.now, call.body)
      return done(made, { scopes: [...new Set(call.body.scopes)].join(' ') })
    },
  }),
  listTokens: read({
    about: "Tokens, without their values; a token bound to a tenant sees its tenant's",
    ...reading,
    path: '/v1/tokens',
    who: 'holder',
    scope: 'token:read',
    params: api.AtNothing,
    query: api.PageQuery,
    answer: json(200, api.TokenList),
    run: (_, call, db) => listTokens(db, call.caller, call.query),
  }),
  revokeToken: change({
    about: 'Ends a token now',
    ...changing,
    method: 'POST',
    path: '/v1/tokens/{token}/revoke',
    who: 'holder',
    scope: 'token:write',
    audit: 'token.revoked',
    params: api.AtToken,
    body: api.OptionalReason,
    answer: json(200, api.Token),
    async run(_, call, tx) {
      const revoked = await revokeToken(tx, call.caller, call.now, call.at.token)
      const { reason } = call.body
      return done(revoked, reason === undefined ? {} : { reason })
    },
  }),
}

const TENANTS = {
  createTenant: change({
    about: 'Makes a tenant and its data key',
    ...changing,
    method: 'POST',
    path: '/v1/tenants',
    who: 'platform',
    scope: 'tenant:write',
    audit: 'tenant.created',
    params: api.AtNothing,
    body: api.NewTenant,
    answer: json(201, api.Tenant),
    run: async (rooms, call, tx) => done(await createTenant(rooms, tx, call.now, call.body), {}),
  }),
  listTenants: read({
    about: 'All tenants, newest first',
    ...reading,
    path: '/v1/tenants',
    who: 'platform',
    scope: 'tenant:read',
    params: api.AtNothing,
    query: api.PageQuery,
    answer: json(200, api.TenantList),
    run: (_, call, db) => listTenants(db, call.query),
  }),
  readTenant: read({
    about: 'One tenant',
    ...reading,
    path: TENANT,
    who: 'tenant',
    scope: 'tenant:read',
    params: api.AtTenant,
    query: api.NoQuery,
    answer: json(200, api.Tenant),
    run: (_, call, db) => readTenant(db, call.tenant),
  }),
  listTenantEvents: read({
    about: 'The audit log of one tenant, newest first',
    ...reading,
    path: `${TENANT}/events`,
    who: 'tenant',
    scope: 'event:read',
    params: api.AtTenant,
    query: api.EventQuery,
    answer: json(200, api.EventList),
    run: (_, call, db) => listEvents(db, call.tenant, call.query),
  }),
}

const CHANNELS = {
  createChannel: change({
    about: 'Makes a channel that a vendor can post to',
    ...changing,
    method: 'POST',
    path: `${TENANT}/channels`,
    who: 'tenant',
    scope: 'channel:write',
    audit: 'channel.created',
    params: api.AtTenant,
    body: api.NewChannel,
    answer: json(201, api.Channel),
    async run(rooms, call, tx) {
      const made = await createChannel(rooms, tx, call.tenant, call.now, call.body)
      return done(made, { source: call.body.source })
    },
  }),
  listChannels: read({
    about: 'Channels, newest first',
    ...reading,
    path: `${TENANT}/channels`,
    who: 'tenant',
    scope: 'channel:read',
    params: api.AtTenant,
    query: api.PageQuery,
    answer: json(200, api.ChannelList),
    run: (rooms, call, db) => listChannels(rooms, db, call.tenant, call.query),
  }),
  readChannel: read({
    about: 'One channel',
    ...reading,
    path: CHANNEL,
    who: 'tenant',
    scope: 'channel:read',
    params: api.AtChannel,
    query: api.NoQuery,
    answer: json(200, api.Channel),
    run: (rooms, call, db) => readChannel(rooms, db, call.tenant, call.at.channel),
  }),
  changeChannel: change({
    about: 'Changes name, workspaces, settings, replay memory or state',
    ...changing,
    method: 'PATCH',
    path: CHANNEL,
    who: 'tenant',
    scope: 'channel:write',
    audit: 'channel.updated',
    params: api.AtChannel,
    body: api.ChannelChange,
    answer: json(200, api.Channel),
    async run(rooms, call, tx) {
      const changed = await changeChannel(rooms, tx, call.tenant, call.at.channel, call.body)
      return done(changed, { changed: Object.keys(call.body).sort().join(' ') })
    },
  }),
  listRefusals: read({
    about: 'The last refusals at a channel, with the reasons that callers are not told; never a body',
    ...reading,
    path: `${CHANNEL}/refusals`,
    who: 'tenant',
    scope: 'channel:read',
    params: api.AtChannel,
    query: api.PageQuery,
    answer: json(200, api.RefusalList),
    run: (_, call, db) => listRefusals(db, call.tenant, call.at.channel, call.query),
  }),
}

const CREDENTIALS = {
  createCredential: change({
    about:
      'Adds a credential; without a value one is made where the vendor lets its user choose, and shown this once',
    ...changing,
    method: 'POST',
    path: `${CHANNEL}/credentials`,
    who: 'tenant',
    scope: 'credential:write',
    audit: 'credential.created',
    params: api.AtChannel,
    body: api.NewCredential,
    answer: json(201, api.CredentialMade),
    async run(rooms, call, tx) {
      const made = await createCredential(rooms, tx, call.at, call.now, call.body)
      return done(made, { channel: call.at.channel })
    },
  }),
  listCredentials: read({
    about: 'Credentials of a channel, without their values',
    ...reading,
    path: `${CHANNEL}/credentials`,
    who: 'tenant',
    scope: 'credential:read',
    params: api.AtChannel,
    query: api.PageQuery,
    answer: json(200, api.CredentialList),
    run: (_, call, db) => listCredentials(db, call.at, call.now, call.query),
  }),
  rotateCredential: change({
    about: 'Puts a new credential beside the old one, which goes on counting for the overlap',
    ...changing,
    method: 'POST',
    path: `${CREDENTIAL}/rotate`,
    who: 'tenant',
    scope: 'credential:write',
    audit: 'credential.rotated',
    params: api.AtCredential,
    body: api.Rotation,
    answer: json(201, api.CredentialRotated),
    async run(rooms, call, tx) {
      const made = await rotateCredential(rooms, tx, call.at, call.now, call.body)
      const { channel, credential } = call.at
      return done(made, { channel, previous: credential, overlapSeconds: call.body.overlapSeconds })
    },
  }),
  revokeCredential: change({
    about: 'Ends a credential now',
    ...changing,
    method: 'POST',
    path: `${CREDENTIAL}/revoke`,
    who: 'tenant',
    scope: 'credential:write',
    audit: 'credential.revoked',
    params: api.AtCredential,
    body: api.Reason,
    answer: json(200, api.Credential),
    async run(_, call, tx) {
      const revoked = await revokeCredential(tx, call.at, call.now)
      return done(revoked, { channel: call.at.channel, reason: call.body.reason })
    },
  }),
}

const SUBSCRIPTIONS = {
  createSubscription: change({
    about: 'Makes a subscription; push answers its signing secret, pull its bearer token, this once',
    ...changing,
    method: 'POST',
    path: `${TENANT}/subscriptions`,
    who: 'tenant',
    scope: 'subscription:write',
    audit: 'subscription.created',
    params: api.AtTenant,
    body: api.NewSubscription,
    answer: json(201, api.SubscriptionMade),
    async run(rooms, call, tx) {
      const made = await createSubscription(rooms, tx, call.tenant, call.now, call.body)
      return done(made, { mode: call.body.mode })
    },
  }),
  listSubscriptions: read({
    about: 'Subscriptions, newest first',
    ...reading,
    path: `${TENANT}/subscriptions`,
    who: 'tenant',
    scope: 'subscription:read',
    params: api.AtTenant,
    query: api.PageQuery,
    answer: json(200, api.SubscriptionList),
    run: (_, call, db) => listSubscriptions(db, call.tenant, call.now, call.query),
  }),
  readSubscription: read({
    about: 'One subscription',
    ...reading,
    path: SUBSCRIPTION,
    who: 'tenant',
    scope: 'subscription:read',
    params: api.AtSubscription,
    query: api.NoQuery,
    answer: json(200, api.Subscription),
    run: (_, call, db) => readSubscription(db, call.tenant, call.now, call.at.subscription),
  }),
  changeSubscription: change({
    about: 'Changes name, URL, channels, whether bodies travel inside, or state',
    ...changing,
    method: 'PATCH',
    path: SUBSCRIPTION,
    who: 'tenant',
    scope: 'subscription:write',
    audit: 'subscription.updated',
    params: api.AtSubscription,
    body: api.SubscriptionChange,
    answer: json(200, api.Subscription),
    async run(rooms, call, tx) {
      const { tenant, now, at, body } = call
      const changed = await changeSubscription(rooms, tx, tenant, now, at.subscription, body)
      return done(changed, { changed: Object.keys(call.body).sort().join(' ') })
    },
  }),
  removeSubscription: change({
    about: 'Removes a subscription; what it had not been handed ends as dead',
    ...changing,
    method: 'DELETE',
    path: SUBSCRIPTION,
    who: 'tenant',
    scope: 'subscription:write',
    audit: 'subscription.deleted',
    params: api.AtSubscription,
    body: null,
    answer: json(200, api.Removed),
    async run(rooms, call, tx) {
      const removed = await removeSubscription(rooms, tx, call.tenant, call.at.subscription, call.now)
      return done(removed, {})
    },
  }),
}

const DELIVERIES = {
  listDeliveries: read({
    about: 'Deliveries, newest first, without what they say',
    ...reading,
    path: `${TENANT}/deliveries`,
    who: 'tenant',
    scope: 'delivery:read',
    params: api.AtTenant,
    query: api.DeliveryQuery,
    answer: json(200, api.DeliveryList),
    run: (_, call, db) => listDeliveries(db, call.tenant, call.query),
  }),
  readDelivery: read({
    about: 'One delivery, without what it says',
    ...reading,
    path: DELIVERY,
    who: 'tenant',
    scope: 'delivery:read',
    params: api.AtDelivery,
    query: api.NoQuery,
    answer: json(200, api.Delivery),
    run: (_, call, db) => readDelivery(db, call.tenant, call.at.delivery),
  }),
  readDeliveryBody: reveal({
    about: 'The verified raw body of a delivery, byte for byte',
    method: 'GET',
    bodyCap: NONE,
    body: null,
    query: api.NoQuery,
    audit: 'delivery.body-read',
    path: `${DELIVERY}/body`,
    who: 'receiver',
    scope: 'delivery:body',
    rate: 'body',
    params: api.AtDelivery,
    answer: raw('application/octet-stream'),
    async run(rooms, call, db) {
      const body = await readBody(rooms, db, call.tenant, call.at.delivery, call.caller.subscription)
      if ('refused' in body) return body
      const answer = { ...body, contentType: 'application/octet-stream' }
      return { answer, target: call.at.delivery, details: {} }
    },
  }),
  readDeliveryAttachment: reveal({
    about: 'A file that a delivery refers to, fetched from its vendor now and checked',
    method: 'GET',
    bodyCap: NONE,
    body: null,
    query: api.NoQuery,
    audit: 'delivery.attachment-read',
    path: `${DELIVERY}/attachments/{attachment}`,
    who: 'receiver',
    scope: 'delivery:body',
    rate: 'body',
    params: api.AtAttachment,
    answer: raw('application/octet-stream'),
    async run(rooms, call, db) {
      const { delivery, attachment: at } = call.at
      const { tenant, now, signal, caller } = call
      const wanted = { tenant, delivery, at, subscription: caller.subscription, now, signal }
      const file = await readAttachment(rooms, db, wanted)
      if ('refused' in file) return file
      const answer = { ...file, contentType: 'application/octet-stream' }
      return { answer, target: delivery, details: { attachment: at } }
    },
  }),
  replayDelivery: change({
    about: 'Sends a delivery again, signed anew and marked as a replay',
    ...changing,
    method: 'POST',
    path: `${DELIVERY}/replay`,
    who: 'tenant',
    scope: 'delivery:replay',
    audit: 'delivery.replayed',
    params: api.AtDelivery,
    body: api.ReplayRequest,
    answer: json(202, api.Replayed),
    async run(rooms, call, tx) {
      const replayed = await replayDelivery(rooms, tx, call.tenant, call.at.delivery, call.now, call.body)
      if ('refused' in replayed) return replayed
      const { subscription = '', reason } = call.body
      const details = { subscription, reason, dispatches: replayed.dispatches.length }
      return { answer: replayed, target: replayed.delivery, details }
    },
  }),
}

const REPLAYS = {
  retryDelivery: change({
    about: 'Makes what waits of a delivery due now, and brings what died back to life',
    ...changing,
    method: 'POST',
    path: `${DELIVERY}/retry`,
    who: 'tenant',
    scope: 'delivery:replay',
    audit: 'delivery.retried',
    params: api.AtDelivery,
    body: api.RetryRequest,
    answer: json(202, api.Retried),
    async run(_, call, tx) {
      const retried = await retryDelivery(tx, call.tenant, call.at.delivery, call.now, call.body)
      if ('refused' in retried) return retried
      const { subscription = '', reason } = call.body
      const details = { subscription, reason, dispatches: retried.dispatches.length }
      return { answer: retried, target: retried.delivery, details }
    },
  }),
  previewReplay: read({
    about: 'What a replay of many deliveries would send now; counts up to 50,000 deliveries',
    ...reading,
    path: `${TENANT}/replay-preview`,
    who: 'tenant',
    scope: 'delivery:replay',
    params: api.AtTenant,
    query: api.ReplayFilter,
    answer: json(200, api.ReplayPreview),
    run: (rooms, call, db) => previewReplay(rooms, db, call.tenant, call.now, call.query),
  }),
  startReplay: change({
    about: 'Sends many deliveries again, a batch at a time; it goes on over restarts until done or cancelled',
    ...changing,
    method: 'POST',
    path: `${TENANT}/replays`,
    who: 'tenant',
    scope: 'delivery:replay',
    audit: 'replay.started',
    params: api.AtTenant,
    body: api.NewReplay,
    answer: json(202, api.Replay),
    async run(_, call, tx) {
      const { tenant, now, caller, body } = call
      const given = Object.entries(body).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value] as const],
      )
      return done(await startReplay(tx, tenant, now, caller.id, body), Object.fromEntries(given))
    },
  }),
  listReplays: read({
    about: 'Replays of many deliveries, newest first',
    ...reading,
    path: `${TENANT}/replays`,
    who: 'tenant',
    scope: 'delivery:read',
    params: api.AtTenant,
    query: api.PageQuery,
    answer: json(200, api.ReplayList),
    run: (_, call, db) => listReplays(db, call.tenant, call.query),
  }),
  readReplay: read({
    about: 'How far a replay is',
    ...reading,
    path: REPLAY,
    who: 'tenant',
    scope: 'delivery:read',
    params: api.AtReplay,
    query: api.NoQuery,
    answer: json(200, api.Replay),
    run: (_, call, db) => readReplay(db, call.tenant, call.at.replay),
  }),
  cancelReplay: change({
    about: 'Ends a replay; what it has sent stays sent',
    ...changing,
    method: 'POST',
    path: `${REPLAY}/cancel`,
    who: 'tenant',
    scope: 'delivery:replay',
    audit: 'replay.cancelled',
    params: api.AtReplay,
    body: api.Reason,
    answer: json(200, api.Replay),
    async run(_, call, tx) {
      const { reason } = call.body
      return done(await cancelReplay(tx, call.tenant, call.at.replay, call.now), { reason })
    },
  }),
}

const PULL = {
  pullLease: pull({
    about: 'Leases deliveries, waiting for some to come for as long as asked',
    ...subscriber,
    method: 'POST',
    path: '/v1/pull/lease',
    bodyCap: SMALL,
    params: api.AtNothing,
    query: api.NoQuery,
    body: api.LeaseRequest,
    answer: json(200, api.LeasedList),
    async run(rooms, call) {
      const { max, waitSeconds } = call.body
      return { items: await rooms.pull.lease(call.subscriber, max, waitSeconds * 1000, call.signal) }
    },
  }),
  pullAck: pull({
    about: 'Says that leased deliveries are done with',
    ...subscriber,
    method: 'POST',
    path: '/v1/pull/ack',
    bodyCap: SMALL,
    params: api.AtNothing,
    query: api.NoQuery,
    body: api.AckRequest,
    answer: json(200, api.Acked),
    async run(rooms, call) {
      const { leases } = call.body
      const states = await rooms.pull.ack(call.subscriber, leases, askedBy(call))
      const gone = leases.filter((_, i) => states[i] !== 'done')
      return { acked: leases.length - gone.length, gone }
    },
  }),
  pullNack: pull({
    about: 'Gives a leased delivery back, to come again after a delay',
    ...subscriber,
    method: 'POST',
    path: '/v1/pull/nack',
    bodyCap: SMALL,
    params: api.AtNothing,
    query: api.NoQuery,
    body: api.NackRequest,
    answer: json(200, api.Nacked),
    async run(rooms, call) {
      const { lease, delaySeconds } = call.body
      const delay = delaySeconds === undefined ? undefined : delaySeconds * 1000
      return { state: await rooms.pull.nack(call.subscriber, lease, delay, askedBy(call)) }
    },
  }),
  pullStream: pull({
    about: 'Leased deliveries as server-sent events, each `event: delivery`',
    ...subscriber,
    method: 'GET',
    path: '/v1/pull/stream',
    bodyCap: NONE,
    params: api.AtNothing,
    query: api.NoQuery,
    body: null,
    answer: events(api.Leased),
    async *run(rooms, call) {
      for await (const event of rooms.pull.stream(call.subscriber, call.signal)) {
        yield 'item' in event ? event.item : 'heartbeat'
      }
    },
  }),
}

export const ROUTES = {
  ...THE_GATE,
  ...TOKENS,
  ...TENANTS,
  ...CHANNELS,
  ...CREDENTIALS,
  ...SUBSCRIPTIONS,
  ...DELIVERIES,
  ...REPLAYS,
  ...PULL,
} satisfies Record<string, Row<Rooms>>

/** A verb's answer with what the audit log says of it; its refusal as it is. */
function done<R extends { readonly id: string }>(
  result: R | RoomRefused,
  details: Details,
): Done<R> | RoomRefused {
  if (isRoomRefusal(result)) return result
  return { answer: result, target: result.id, details }
}

function isRoomRefusal(result: object): result is RoomRefused {
  return 'refused' in result
}

function askedBy(call: Known<unknown, unknown, unknown>): AskedBy {
  return { actor: call.caller.id, requestId: call.requestId }
}
