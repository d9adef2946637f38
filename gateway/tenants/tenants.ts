/**
 * Tenants: make, list, show, and whether one is there. In: a name or an id. Out: the tenant. Refuses a name that is
 * taken. A tenant is born with its data key, in one transaction: there is never one that nothing can be sealed for.
 */
import type { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import type { Database, Schema } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import { newId } from '../store/id.ts'

export interface TenantNeeds {
  readonly keyring: { create(tx: Tx, tenant: string): Promise<void> }
}

export type TenantRefused =
  | { readonly refused: 'absent'; readonly what: 'tenant' }
  | { readonly refused: 'taken'; readonly what: 'tenant' }

type Tenant = z.infer<typeof api.Tenant>

export async function createTenant(
  needs: TenantNeeds,
  tx: Tx,
  now: number,
  asked: z.infer<typeof api.NewTenant>,
): Promise<Tenant | TenantRefused> {
  const row = { id: newId('ten_', now), name: asked.name, created_at: now }
  const made = await tx.db
    .insertInto('tenant')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .execute()
  if (made.length === 0) return { refused: 'taken', what: 'tenant' }
  await needs.keyring.create(tx, row.id)
  return shown(row)
}

export async function listTenants(
  db: Database,
  page: { readonly cursor?: string | undefined; readonly limit: number },
): Promise<z.infer<typeof api.TenantList>> {
  let query = db
    .selectFrom('tenant')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(page.limit + 1)
  if (page.cursor !== undefined) query = query.where('id', '<', page.cursor)
  const rows = await query.execute()
  const items = rows.slice(0, page.limit).map(shown)
  return { items, next: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null }
}

export async function readTenant(db: Database, tenant: string): Promise<Tenant | TenantRefused> {
  const row = await db.selectFrom('tenant').selectAll().where('id', '=', tenant).executeTakeFirst()
  return row === undefined ? { refused: 'absent', what: 'tenant' } : shown(row)
}

function shown(row: Schema['tenant']): Tenant {
  return { id: row.id, name: row.name, createdAt: new Date(row.created_at).toISOString() }
}
