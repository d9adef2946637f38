/**
 * Decides whether a bearer token is live. In: the text presented, the row kept under its hash, the time. Out: a
 * `LiveToken`, which only this file makes and which every door of the admin API demands. Refuses text that is no token
 * of ours, and tokens that are unknown, expired or revoked.
 */
import { createHash } from 'node:crypto'
import { equal } from '@gatehouse/proof/bytes.ts'

/** `gh_` and 32 random bytes in base64url. */
const FORM = /^gh_[A-Za-z0-9_-]{43}$/

/** What the store keeps of a token; never its text. */
export interface TokenRow {
  readonly id: string
  readonly tenant_id: string | null
  readonly subscription_id: string | null
  readonly name: string
  readonly hash: Uint8Array
  readonly scopes: string
  readonly expires_at: number | null
  readonly revoked_at: number | null
}

export interface TokenDenied {
  readonly denied: 'malformed' | 'unknown' | 'expired' | 'revoked'
}

/** A token that was live when asked. The private constructor keeps look-alikes out. */
export class LiveToken {
  readonly id: string
  readonly name: string
  /** The tenant it is bound to; null for the platform's own. */
  readonly tenant: string | null
  /** The pull subscription it belongs to, if any. */
  readonly subscription: string | null
  readonly scopes: readonly string[]
  readonly expiresAt: number | null

  private constructor(row: TokenRow) {
    this.id = row.id
    this.name = row.name
    this.tenant = row.tenant_id
    this.subscription = row.subscription_id
    this.scopes = JSON.parse(row.scopes) as string[] // our own column, written by issue.ts
    this.expiresAt = row.expires_at
  }

  may(scope: string): boolean {
    return this.scopes.includes(scope)
  }

  /** `row` is what the store holds under `digestOf(presented)`; `now` is Unix milliseconds. */
  static verify(presented: string, row: TokenRow | undefined, now: number): LiveToken | TokenDenied {
    const digest = digestOf(presented)
    if (digest === undefined) return { denied: 'malformed' }
    if (row === undefined || !equal(digest, row.hash)) return { denied: 'unknown' }
    if (row.revoked_at !== null) return { denied: 'revoked' }
    // Asked this way round, a time that is not a number is refused too.
    if (row.expires_at !== null && !(now < row.expires_at)) return { denied: 'expired' }
    return new LiveToken(row)
  }
}

/** The name under which a token is kept, or undefined for text that cannot be one. 256 random bits need no slow hash. */
export function digestOf(presented: string): Buffer | undefined {
  return FORM.test(presented) ? createHash('sha256').update(presented).digest() : undefined
}
