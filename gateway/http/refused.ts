/**
 * Every way in which the admin API says no, seen from inside, with its evidence. In: nothing. Out: the tagged union that
 * `problem.ts` turns into what the outside sees. Refuses nothing itself.
 */
import type { AdminRefused } from '../admin/needs.ts'
import type { TenantRefused } from '../tenants/tenants.ts'
import type { TokenRefused } from '../tokens/needs.ts'
import type { TokenDenied } from '../tokens/verify.ts'

/** What rooms answer instead of doing. */
export type RoomRefused =
  | AdminRefused
  | TenantRefused
  | TokenRefused
  | { readonly refused: 'not-ready'; readonly failing: readonly string[] }

export interface Issue {
  readonly path: string
  readonly message: string
}

/** What the listener refuses before a room hears of it. */
export type DoorRefused =
  | { readonly refused: 'bearer'; readonly why: 'missing' | TokenDenied['denied'] }
  | { readonly refused: 'rate'; readonly retryAfterSeconds: number }
  | { readonly refused: 'other-tenant' }
  | { readonly refused: 'who'; readonly wanted: string }
  | { readonly refused: 'scope'; readonly wanted: string }
  | { readonly refused: 'no-route' }
  | { readonly refused: 'method'; readonly allow: readonly string[] }
  | { readonly refused: 'content-type' }
  | { readonly refused: 'too-large'; readonly cap: number }
  | { readonly refused: 'unreadable'; readonly issues: readonly Issue[] }
  | { readonly refused: 'key-missing' }
  | { readonly refused: 'key-mismatch' }
  | { readonly refused: 'store-away' }
  | { readonly refused: 'failed' }

export type Refused = RoomRefused | DoorRefused

/** Carries a refusal out of a transaction, so that everything in it is taken back. */
export class TakenBack extends Error {
  override readonly name = 'TakenBack'
  readonly refusal: Refused

  constructor(refusal: Refused) {
    super(`take back the transaction: ${refusal.refused}`)
    this.refusal = refusal
  }
}

export function isRefusal(value: unknown): value is Refused {
  return typeof value === 'object' && value !== null && 'refused' in value
}
