/**
 * Lets a caller up to a row, or not. In: the row, the Authorization header, the tenant that the path names. Out: the live
 * token and the guarded tenant. Refuses, in this order: no live token, too many calls, another tenant's path, the wrong
 * kind of token, a missing scope. Anything thrown on the way is a refusal too: nobody passes by accident.
 */
import type { Database } from '../store/schema.ts'
import { guardTenant } from '../tenants/guard.ts'
import { LiveToken, type TokenDenied } from '../tokens/verify.ts'
import type { Row } from './route.ts'
import type { DoorRefused } from './refused.ts'

export interface RateGate {
  take(
    rateClass: string,
    key: string,
  ): Promise<{ readonly ok: true } | { readonly ok: false; readonly retryAfterSeconds: number }>
}

export interface Door {
  verify(presented: string): Promise<LiveToken | TokenDenied>
  /** Called after every change: it may have ended a token. */
  forget(): void
}

export interface Admission {
  readonly door: Door
  readonly rates: RateGate
  readonly db: Database
}

export interface Admitted {
  readonly caller: LiveToken
  readonly tenant: string
}

/** The denial, with the token it was said to: what a token is denied is worth an audit entry. */
export interface Denied {
  readonly refusal: DoorRefused
  readonly caller?: LiveToken
}

type KeyedRow = Exclude<Row<never>, { readonly who: 'anyone' }>

/** Rows for anyone are still counted, all callers together: there is nothing else to tell them apart by. */
export async function admitAnyone(rates: RateGate, row: Row<never>): Promise<DoorRefused | undefined> {
  const taken = await rates.take(row.rate, 'anyone')
  return taken.ok ? undefined : { refused: 'rate', retryAfterSeconds: taken.retryAfterSeconds }
}

export async function admit(
  admission: Admission,
  row: KeyedRow,
  authorization: string | null,
  named: string | undefined,
): Promise<Admitted | Denied> {
  const caller = await bearerOf(admission.door, authorization)
  if (!(caller instanceof LiveToken)) return { refusal: caller }
  const taken = await admission.rates.take(row.rate, caller.id)
  if (!taken.ok) return { refusal: { refused: 'rate', retryAfterSeconds: taken.retryAfterSeconds }, caller }
  const guarded = named === undefined ? { tenant: '' } : await guardTenant(admission.db, caller, named)
  if ('refused' in guarded) return { refusal: guarded, caller }
  const refusal = kindProblem(row, caller) ?? scopeProblem(row, caller)
  return refusal === undefined ? { caller, tenant: guarded.tenant } : { refusal, caller }
}

async function bearerOf(door: Door, authorization: string | null): Promise<LiveToken | DoorRefused> {
  const presented = /^Bearer ([\x21-\x7e]{1,256})$/i.exec(authorization ?? '')?.[1]
  if (presented === undefined) return { refused: 'bearer', why: 'missing' }
  const verdict = await door.verify(presented)
  return verdict instanceof LiveToken ? verdict : { refused: 'bearer', why: verdict.denied }
}

function kindProblem({ who }: KeyedRow, caller: LiveToken): DoorRefused | undefined {
  switch (who) {
    case 'subscription':
      return caller.subscription === null
        ? { refused: 'who', wanted: "a pull subscription's token" }
        : undefined
    case 'platform':
      return caller.tenant === null ? undefined : { refused: 'who', wanted: 'a token of the platform' }
    case 'tenant':
      // A pull subscription's token is the app's, not the operator's, whatever tenant it is in.
      return caller.subscription === null ? undefined : { refused: 'who', wanted: "an operator's token" }
    case 'receiver':
    case 'holder':
      return undefined
  }
}

function scopeProblem({ scope }: KeyedRow, caller: LiveToken): DoorRefused | undefined {
  return scope === null || caller.may(scope) ? undefined : { refused: 'scope', wanted: scope }
}
