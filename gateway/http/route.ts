/**
 * The shape of a row in `routes.ts`: what a route must say of itself. In: the row as written. Out: the row as the
 * listener, the OpenAPI printer and the permission matrix read it. Refuses, by not type-checking, a row that leaves a
 * column out, a change without an audit action and a read with one.
 */
import { z } from 'zod'
import type { PULL_SCOPE, Scope } from '@gatehouse/contract/api.ts'
import type { Database } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import type { LiveToken } from '../tokens/verify.ts'
import type { RoomRefused } from './refused.ts'

/** How often one token (or everybody together, where there is none) may call. */
export const RATE_CLASSES = {
  /** Health checks and scrapers. */
  probe: { points: 50, seconds: 1 },
  /** Guessing a claim code: 100 bits would do alone, but nobody types faster. */
  claim: { points: 10, seconds: 60 },
  read: { points: 100, seconds: 1 },
  change: { points: 30, seconds: 1 },
  /** Opening bodies; fast enough for a person and a script, slow enough to notice a drain. */
  body: { points: 20, seconds: 1 },
  pull: { points: 500, seconds: 1 },
} as const
export type RateClass = keyof typeof RATE_CLASSES

/** What changes are called in the audit log, and the denials beside them. */
export type ApiAction =
  | 'gate.claimed'
  | 'token.created'
  | 'token.revoked'
  | 'tenant.created'
  | 'channel.created'
  | 'channel.updated'
  | 'credential.created'
  | 'credential.rotated'
  | 'credential.revoked'
  | 'subscription.created'
  | 'subscription.updated'
  | 'subscription.deleted'
  | 'delivery.replayed'
  | 'delivery.retried'
  | 'replay.started'
  | 'replay.cancelled'
  | 'delivery.body-read'
  | 'delivery.attachment-read'
  | 'access.denied'

export type Details = Readonly<Record<string, string | number | boolean>>

/** One call, checked: path and query read, tenant guarded. */
export interface Call<P, Q, B> {
  readonly at: P
  readonly query: Q
  readonly body: B
  /** The guarded tenant of the path; '' where the path names none. */
  readonly tenant: string
  /** Unix milliseconds. */
  readonly now: number
  readonly requestId: string
  /** Fires when the caller has gone or the gate drains. */
  readonly signal: AbortSignal
}

export interface Known<P, Q, B> extends Call<P, Q, B> {
  readonly caller: LiveToken
}

/** What a change did: the answer, and what the audit log says of it. */
export interface Done<R> {
  readonly answer: R
  readonly target: string
  readonly details: Details
  /** Only where no token asked: who is said to have done it. */
  readonly actor?: string
}

export interface Bytes {
  readonly bytes: Uint8Array
  readonly contentType: string
  /** Given, the browser saves it under this name and never shows it. */
  readonly filename?: string
}
const bytes = z.custom<Bytes>((value) => value instanceof Object && 'bytes' in value)

export type Answer<R> =
  | { readonly as: 'json'; readonly status: 200 | 201 | 202; readonly schema: z.ZodType<R> }
  | {
      readonly as: 'bytes'
      readonly status: 200
      readonly contentType: string
      readonly schema: z.ZodType<R>
    }
  | { readonly as: 'events'; readonly status: 200; readonly schema: z.ZodType<R> }

export function json<R>(status: 200 | 201 | 202, schema: z.ZodType<R>): Answer<R> {
  return { as: 'json', status, schema }
}

export function raw(contentType: string): Answer<Bytes> {
  return { as: 'bytes', status: 200, contentType, schema: bytes }
}

export function events<R>(schema: z.ZodType<R>): Answer<R> {
  return { as: 'events', status: 200, schema }
}

interface Columns<P, Q, B, R> {
  readonly about: string
  readonly path: `/${string}`
  readonly bodyCap: number
  readonly rate: RateClass
  readonly params: z.ZodType<P>
  readonly query: z.ZodType<Q>
  readonly body: z.ZodType<B> | null
  readonly answer: Answer<R>
}

/** Answers without a credential, and changes nothing. */
export interface OpenRow<M, P, Q, R> extends Columns<P, Q, null, R> {
  readonly method: 'GET'
  readonly who: 'anyone'
  readonly scope: null
  readonly audit: null
  run(rooms: M, call: Call<P, Q, null>): Promise<R | RoomRefused> | R
}

/** Changes something for a caller who has no token yet. */
export interface ClaimRow<M, P, Q, B, R> extends Columns<P, Q, B, R> {
  readonly method: 'POST'
  readonly who: 'anyone'
  readonly scope: null
  readonly audit: ApiAction
  run(rooms: M, call: Call<P, Q, B>, tx: Tx): Promise<Done<R> | RoomRefused>
}

/**
 * `platform`: a token bound to no tenant. `tenant`: an operator's, of the path's tenant or the platform. `receiver`:
 * that, or a pull subscription's of that tenant. `holder`: any token. With the last two the verb itself stays within
 * what the token is bound to.
 */
export type Who = 'platform' | 'tenant' | 'receiver' | 'holder'

export interface ReadRow<M, P, Q, R> extends Columns<P, Q, null, R> {
  readonly method: 'GET'
  readonly who: Who
  readonly scope: Scope | null
  readonly audit: null
  run(rooms: M, call: Known<P, Q, null>, db: Database): Promise<R | RoomRefused> | R
}

/** Opens something sealed: it changes nothing and leaves a leaf all the same, and without the leaf nothing is shown. */
export interface RevealRow<M, P, Q, R> extends Columns<P, Q, null, R> {
  readonly method: 'GET'
  readonly who: Who
  readonly scope: Scope
  readonly audit: ApiAction
  run(rooms: M, call: Known<P, Q, null>, db: Database): Promise<Done<R> | RoomRefused>
}

export interface ChangeRow<M, P, Q, B, R> extends Columns<P, Q, B, R> {
  readonly method: 'POST' | 'PATCH' | 'DELETE'
  readonly who: Who
  readonly scope: Scope
  readonly audit: ApiAction
  run(rooms: M, call: Known<P, Q, B>, tx: Tx): Promise<Done<R> | RoomRefused>
}

/** A subscriber takes what is its own. Not audited one by one: the dispatch rows are the record. */
export interface PullRow<M, P, Q, B, R> extends Columns<P, Q, B, R> {
  readonly method: 'GET' | 'POST'
  readonly who: 'subscription'
  readonly scope: typeof PULL_SCOPE
  readonly audit: null
  run(
    rooms: M,
    call: Known<P, Q, B> & { readonly subscriber: { readonly id: string; readonly tenant: string } },
  ): Promise<R | RoomRefused> | AsyncIterable<R | 'heartbeat'>
}

/** A row of any kind, its own types forgotten: the listener has read everything through the row's schemas. */
export type Row<M> =
  | ({ readonly kind: 'open' } & OpenRow<M, unknown, unknown, unknown>)
  | ({ readonly kind: 'claim' } & ClaimRow<M, unknown, unknown, unknown, unknown>)
  | ({ readonly kind: 'read' } & ReadRow<M, unknown, unknown, unknown>)
  | ({ readonly kind: 'reveal' } & RevealRow<M, unknown, unknown, unknown>)
  | ({ readonly kind: 'change' } & ChangeRow<M, unknown, unknown, unknown, unknown>)
  | ({ readonly kind: 'pull' } & PullRow<M, unknown, unknown, unknown, unknown>)

/** The makers of rows for rooms `M`; each keeps handler and schemas in step before their types are forgotten. */
export function rowsFor<M>() {
  return {
    open: <P, Q, R>(row: OpenRow<M, P, Q, R>): Row<M> => ({ kind: 'open', ...row }),
    claim: <P, Q, B, R>(row: ClaimRow<M, P, Q, B, R>): Row<M> => ({ kind: 'claim', ...row }),
    read: <P, Q, R>(row: ReadRow<M, P, Q, R>): Row<M> => ({ kind: 'read', ...row }),
    reveal: <P, Q, R>(row: RevealRow<M, P, Q, R>): Row<M> => ({ kind: 'reveal', ...row }),
    change: <P, Q, B, R>(row: ChangeRow<M, P, Q, B, R>): Row<M> => ({ kind: 'change', ...row }),
    pull: <P, Q, B, R>(row: PullRow<M, P, Q, B, R>): Row<M> => ({ kind: 'pull', ...row }),
  }
}
