/**
 * The tenant guard: whose path is this, and may this token be on it. In: the token and the tenant that the path names.
 * Out: the tenant to work for. Refuses, as if nothing were there, a token on another tenant's path and a tenant that
 * does not exist: a prober learns of neither.
 */
import type { Database } from '../store/schema.ts'

/** As much of a live token as the guard asks for. */
export interface Bound {
  /** Null for the platform's own, which work for the tenant that the path names. */
  readonly tenant: string | null
}

export type Guarded = { readonly tenant: string } | { readonly refused: 'other-tenant' }

export async function guardTenant(db: Database, token: Bound, named: string): Promise<Guarded> {
  // The credential decides; the path may only agree with it.
  if (token.tenant !== null) return token.tenant === named ? { tenant: named } : { refused: 'other-tenant' }
  const row = await db.selectFrom('tenant').select('id').where('id', '=', named).executeTakeFirst()
  return row === undefined ? { refused: 'other-tenant' } : { tenant: row.id }
}
