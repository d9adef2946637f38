/**
 * What delivery needs of the house. In: nothing. Out: the interfaces that `wire.ts` fills, and what delivery tells
 * through them. Refuses nothing; no code lives here.
 */
import type { Store, Tx } from '../store/store.ts'
import type { Content } from './envelope.ts'

export type Mode = 'push' | 'pull'

/** Where a sealed value lives, within its tenant. */
export interface SealedPlace {
  readonly table: string
  readonly column: string
  readonly row: string
  readonly schema: number
}

/** A leaf for a dispatch that has ended, or for a step of a replay. Content-free. */
export interface DeliveryEvent {
  readonly action: 'delivery.done' | 'delivery.dead' | 'replay.batch'
  readonly tenant: string
  readonly actor: string
  /** The delivery, or the replay. */
  readonly target: string
  readonly outcome: 'allowed' | 'failed'
  readonly requestId: string
  readonly details: Record<string, string | number | boolean>
}

export type Dialled =
  | { readonly answered: true; readonly status: number; readonly retryAfter: string | undefined }
  | { readonly answered: false; readonly code: string }

/** One try of one dispatch, for counters and logs. */
export interface Attempt {
  readonly mode: Mode
  /** `gone`: the lease had run out, so that someone else has it or will. */
  readonly outcome: 'done' | 'retry' | 'dead' | 'released' | 'gone'
  readonly tenant: string
  readonly delivery: string
  readonly subscription: string
  /** Content-free: `timeout`, `status-503`. Empty when there is none. */
  readonly code: string
}

/** A breaker that opened or closed. */
export interface BreakerChange {
  readonly tenant: string
  readonly subscription: string
  readonly state: 'open' | 'closed'
}

export type Called =
  | {
      readonly answered: true
      readonly status: number
      readonly retryAfter: string | undefined
      readonly contentType: string | undefined
      readonly body: Buffer | undefined
    }
  | { readonly answered: false; readonly code: string }

export interface DeliveryReport {
  attempted(attempt: Attempt): void
  /** Delivery itself cannot go on for now; `work` says with what. */
  troubled(work: 'claim' | 'settle' | 'watch' | 'hold' | 'replay', error: unknown): void
  breaker(change: BreakerChange): void
}

export interface DeliveryNeeds {
  readonly store: Store
  readonly seal: (tenant: string, place: SealedPlace, bytes: Uint8Array) => Promise<Uint8Array>
  readonly unseal: (tenant: string, place: SealedPlace, blob: Uint8Array) => Promise<Uint8Array>
  readonly unpack: (bytes: Buffer) => Content
  readonly post: (
    url: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    signal: AbortSignal,
  ) => Promise<Dialled>
  /** As `post`, and reads the answer. */
  readonly call: (
    url: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    options: { readonly cap: number; readonly signal: AbortSignal },
  ) => Promise<Called>
  readonly append: (tx: Tx, events: readonly DeliveryEvent[], now: number) => Promise<unknown>
  readonly report: DeliveryReport
  /** Unix milliseconds. */
  readonly clock: () => number
  /** In [0, 1); for jitter only. */
  readonly random: () => number
  readonly randomBytes: (size: number) => Uint8Array
}
