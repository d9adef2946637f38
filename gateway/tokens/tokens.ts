/**
 * Tokens as their holders see them: make, list, revoke, who am I. In: the caller's own token and what is asked. Out: a
 * token without its text, but for the once when it is made. Refuses scopes, tenants and lifetimes beyond the caller's own,
 * and knows nothing of tokens outside the caller's tenant.
 */
import type { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import type { Database, Schema } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import { issueToken } from './issue.ts'
import type { TokenNeeds, TokenRefused } from './needs.ts'
import type { LiveToken } from './verify.ts'

type Token = z.infer<typeof api.Token>

export async function createToken(
  needs: TokenNeeds,
  tx: Tx,
  caller: LiveToken,
  now: number,
  asked: z.infer<typeof api.NewToken>,
): Promise<z.infer<typeof api.TokenMade> | TokenRefused> {
  const beyond = asked.scopes.find((scope) => !caller.may(scope))
  if (beyond !== undefined) return { refused: 'beyond-own', what: `the scope ${beyond}` }
  const tenant = caller.tenant ?? asked.tenant ?? null
  if (asked.tenant !== undefined && asked.tenant !== tenant) return { refused: 'absent', what: 'tenant' }
  if (asked.tenant !== undefined && !(await isTenant(tx.db, asked.tenant)))
    return { refused: 'absent', what: 'tenant' }
  const scopes = [...new Set(asked.scopes)]
  const expiresAt = lifetime(caller, now, asked.expiresInSeconds)
  const { id, token } = await issueToken(tx, needs.random, now, {
    name: asked.name,
    tenant,
    subscription: null,
    scopes,
    expiresAt,
  })
  const row = await tx.db.selectFrom('token').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  return { ...shown(row), token }
}

/** A token bound to a tenant sees its tenant's; the platform's see all. */
export async function listTokens(
  db: Database,
  caller: LiveToken,
  page: { readonly cursor?: string | undefined; readonly limit: number },
): Promise<z.infer<typeof api.TokenList>> {
  let query = db
    .selectFrom('token')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
  if (caller.tenant !== null) query = query.where('tenant_id', '=', caller.tenant)
  if (page.cursor !== undefined) query = query.where('id', '<', page.cursor)
  const rows = await query.execute()
  const items = rows.slice(0, page.limit).map(shown)
  return { items, next: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
}

/** Revoking twice is no error: what was wanted is so. */
export async function revokeToken(
  tx: Tx,
  caller: LiveToken,
  now: number,
  id: string,
): Promise<Token | TokenRefused> {
  let query = tx.db
    .updateTable('token')
    .set((row) => ({ revoked_at: row.fn.coalesce('revoked_at', row.val(now)) }))
  if (caller.tenant !== null) query = query.where('tenant_id', '=', caller.tenant)
  const row = await query.where('id', '=', id).returningAll().executeTakeFirst()
  if (row === undefined) return { refused: 'absent', what: 'token' }
  tx.announce('config')
  return shown(row)
}

/** Every token of a pull subscription that goes away. */
export async function revokeTokensOf(tx: Tx, subscription: string, now: number): Promise<void> {
  await tx.db
    .updateTable('token')
    .set({ revoked_at: now })
    .where('subscription_id', '=', subscription)
    .where('revoked_at', 'is', null)
    .execute()
  tx.announce('config')
}

export function whoAmI(caller: LiveToken): z.infer<typeof api.Identity> {
  return {
    id: caller.id,
    name: caller.name,
    tenant: caller.tenant,
    subscription: caller.subscription,
    scopes: caller.scopes as z.infer<typeof api.Identity>['scopes'], // the answer's schema looks again
    expiresAt: textOf(caller.expiresAt),
  }
}

/** A token never outlives the one that made it. */
function lifetime(caller: LiveToken, now: number, seconds: number | undefined): number | null {
  const wanted = seconds === undefined ? Number.POSITIVE_INFINITY : now + seconds * 1000
  const end = Math.min(wanted, caller.expiresAt ?? Number.POSITIVE_INFINITY)
  return Number.isFinite(end) ? end : null
}

async function isTenant(db: Database, id: string): Promise<boolean> {
  return (await db.selectFrom('tenant').select('id').where('id', '=', id).executeTakeFirst()) !== undefined
}

function shown(row: Schema['token']): Token {
  return {
    id: row.id,
    name: row.name,
    tenant: row.tenant_id,
    subscription: row.subscription_id,
    scopes: JSON.parse(row.scopes) as Token['scopes'], // the answer's schema looks again
    createdAt: new Date(row.created_at).toISOString(),
    expiresAt: textOf(row.expires_at),
    revokedAt: textOf(row.revoked_at),
    lastUsedAt: textOf(row.last_used_at),
  }
}

function textOf(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString()
}
