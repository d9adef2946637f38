/**
 * Makes the work: one dispatch for each accepted delivery and each subscription of its channel. In: accepted deliveries,
 * or one delivery to send again. Out: rows of `dispatch`, in the caller's transaction, so that a delivery is durable
 * together with its work or not at all. Refuses a replay of a delivery or to a subscription that the tenant does not have.
 */
import { sql } from 'kysely'
import { newId } from '../store/id.ts'
import type { Tx } from '../store/store.ts'
import { LEASE_MS } from './queue.ts'

/** Rows of one statement; five parameters each at most, far below what either engine takes. */
const ROWS_CAP = 1_000

export interface Accepted {
  readonly deliveryId: string
  readonly channelId: string
  readonly tenantId: string
  /** Its conversation's blind name, where a subscription of its channel may want order. */
  readonly orderKey?: string | undefined
  /** Where a vendor waits for the app's answer: the name that the answering dispatch is leased under from birth. */
  readonly lease?: string | undefined
}

/** Subscriptions that are paused get their rows too: they wait. */
export async function fanOut(tx: Tx, rows: readonly Accepted[], now: number): Promise<void> {
  let made = 0n
  for (let from = 0; from < rows.length; from += ROWS_CAP) {
    const some = rows.slice(from, from + ROWS_CAP)
    const isPlain = some.every(({ orderKey, lease }) => orderKey === undefined && lease === undefined)
    made += isPlain ? await insertDispatches(tx, some, now) : await insertMarked(tx, some, now)
  }
  if (made > 0n) tx.announce('dispatch')
}

/** The id is composed of both others, which makes it unique and spares the hot path a round trip for ids. */
async function insertDispatches(tx: Tx, rows: readonly Accepted[], now: number): Promise<bigint> {
  const values = rows.map((row) => sql`(${row.deliveryId}, ${row.channelId}, ${row.tenantId})`)
  const result = await sql`
    WITH accepted (delivery_id, channel_id, tenant_id) AS (VALUES ${sql.join(values)})
    INSERT INTO dispatch (id, tenant_id, delivery_id, subscription_id, state, attempts, due_at, replay, created_at)
    SELECT 'dsp_' || substr(a.delivery_id, 5) || '_' || substr(s.subscription_id, 5),
      a.tenant_id, a.delivery_id, s.subscription_id, 'pending', 0, CAST(${now} AS BIGINT), 0,
      CAST(${now} AS BIGINT)
    FROM accepted a
    JOIN subscription_channel s ON s.channel_id = a.channel_id AND s.tenant_id = a.tenant_id`.execute(tx.db)
  return result.numAffectedRows ?? 0n
}

/** The same, with order and leases: a statement of its own, so that deliveries with neither carry nothing for it. */
async function insertMarked(tx: Tx, rows: readonly Accepted[], now: number): Promise<bigint> {
  const values = rows.map(
    ({ deliveryId, channelId, tenantId, orderKey = null, lease = null }) =>
      sql`(${deliveryId}, ${channelId}, ${tenantId}, CAST(${orderKey} AS TEXT), CAST(${lease} AS TEXT))`,
  )
  const isHeld = sql`s.sync = 1 AND a.lease IS NOT NULL`
  const id = sql`'dsp_' || substr(a.delivery_id, 5) || '_' || substr(s.subscription_id, 5)`
  const result = await sql`
    WITH accepted (delivery_id, channel_id, tenant_id, order_key, lease) AS (VALUES ${sql.join(values)})
    INSERT INTO dispatch (id, tenant_id, delivery_id, subscription_id, state, attempts, due_at, lease, lease_until,
      replay, order_key, created_at)
    SELECT ${id}, a.tenant_id, a.delivery_id, s.subscription_id,
      CASE WHEN ${isHeld} THEN 'leased' ELSE 'pending' END, CASE WHEN ${isHeld} THEN 1 ELSE 0 END,
      CAST(${now} AS BIGINT), CASE WHEN ${isHeld} THEN a.lease || '.' || ${id} END,
      CASE WHEN ${isHeld} THEN CAST(${now + LEASE_MS} AS BIGINT) END, 0,
      CASE WHEN s.ordered = 1 THEN a.order_key END, CAST(${now} AS BIGINT)
    FROM accepted a
    JOIN subscription_channel s ON s.channel_id = a.channel_id AND s.tenant_id = a.tenant_id`.execute(tx.db)
  return result.numAffectedRows ?? 0n
}

export type Replayed = { readonly dispatches: readonly string[] } | { readonly refused: 'not-found' }

/**
 * Makes the dispatches of a delivery anew, marked as replay: to every subscription of its channel, or to the one named.
 * The caller appends the audit leaf in the same transaction.
 */
export async function replay(
  tx: Tx,
  tenant: string,
  deliveryId: string,
  subscriptionId: string | undefined,
  now: number,
): Promise<Replayed> {
  const subscriptions = await tx.db
    .selectFrom('inbox as i')
    .innerJoin('subscription_channel as s', 's.channel_id', 'i.channel_id')
    .select('s.subscription_id')
    .where('i.id', '=', deliveryId)
    .where('i.tenant_id', '=', tenant)
    .where('s.tenant_id', '=', tenant)
    .$if(subscriptionId !== undefined, (query) => query.where('s.subscription_id', '=', subscriptionId ?? ''))
    .orderBy('s.subscription_id')
    .execute()
  if (
    subscriptions.length === 0 &&
    !(subscriptionId === undefined && (await exists(tx, tenant, deliveryId)))
  ) {
    return { refused: 'not-found' }
  }
  const rows = subscriptions.map(({ subscription_id }) => replayRow(tenant, deliveryId, subscription_id, now))
  if (rows.length > 0) {
    await tx.insertMany('dispatch', rows)
    tx.announce('dispatch')
  }
  return { dispatches: rows.map(({ id }) => id) }
}

async function exists(tx: Tx, tenant: string, deliveryId: string): Promise<boolean> {
  const query = tx.db
    .selectFrom('inbox')
    .select('id')
    .where('id', '=', deliveryId)
    .where('tenant_id', '=', tenant)
  return (await query.executeTakeFirst()) !== undefined
}

export function replayRow(tenant: string, deliveryId: string, subscriptionId: string, now: number) {
  return {
    id: newId('dsp_', now),
    tenant_id: tenant,
    delivery_id: deliveryId,
    subscription_id: subscriptionId,
    state: 'pending' as const,
    attempts: 0,
    due_at: now,
    lease: null,
    lease_until: null,
    replay: 1,
    last_status: null,
    last_error: null,
    created_at: now,
    finished_at: null,
    order_key: null,
  }
}
