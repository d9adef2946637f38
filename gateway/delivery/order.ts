/**
 * Keeps deliveries of one conversation in order. In: dispatches of an ordered subscription that are due or have ended.
 * Out: which must wait for an earlier one, and the next one freed when that has ended. Refuses nothing; rows without a
 * key have no order.
 *
 * One of a conversation is out at a time, the earliest first; a dead letter ends its turn. What waits is parked, so that
 * no claim looks at it twice: moved to later until the one before it ends, which moves it back. The park ends by itself too.
 */
import { sql } from 'kysely'
import type { Database } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'

/** Parked work is freed by what it waits for; this only mends what went wrong. */
const PARK_MS = 300_000
/** Due work looked at in one claim beyond what may be taken. */
export const PARK_WINDOW = 128

interface Keyed {
  readonly id: string
  readonly order_key: string | null
}

/**
 * Parks those that must wait; answers their ids. A statement of its own after the rows were locked: on PostgreSQL it then
 * sees every end that was committed before it, and one that commits later waits for our locks and frees what we parked.
 */
export async function parkBlocked(db: Database, rows: readonly Keyed[], now: number): Promise<Set<string>> {
  const keyed = rows.filter((row) => row.order_key !== null).map(({ id }) => id)
  if (keyed.length === 0) return new Set()
  const { rows: blocked } = await sql<{ id: string }>`
    UPDATE dispatch SET due_at = ${now + PARK_MS} WHERE id IN (
      SELECT d.id FROM dispatch d WHERE d.id IN (${sql.join(keyed)}) AND EXISTS (
        SELECT 1 FROM dispatch o
        WHERE o.subscription_id = d.subscription_id AND o.order_key = d.order_key AND o.order_key IS NOT NULL
          AND o.state IN ('pending', 'leased') AND o.id <> d.id AND (o.id < d.id OR o.state = 'leased')))
    RETURNING id`.execute(db)
  return new Set(blocked.map(({ id }) => id))
}

export interface Ended {
  readonly subscriptionId: string
  readonly orderKey?: string | undefined
}

/** The next of each conversation whose turn has ended is due as it was before it was parked. */
export async function freeNext(tx: Tx, ended: readonly Ended[]): Promise<void> {
  const turns = new Map(
    ended.flatMap(({ subscriptionId, orderKey }) =>
      orderKey === undefined
        ? []
        : [[`${subscriptionId} ${orderKey}`, { subscriptionId, orderKey }] as const],
    ),
  )
  for (const { subscriptionId, orderKey } of turns.values()) {
    // Not only what is parked: a claim may be parking it right now, and waiting for its lock is how we come after it.
    const freed = await sql`
      UPDATE dispatch SET due_at = created_at WHERE state = 'pending' AND attempts = 0
        AND id = (SELECT min(o.id) FROM dispatch o
          WHERE o.subscription_id = ${subscriptionId} AND o.order_key = ${orderKey} AND o.order_key IS NOT NULL
            AND o.state IN ('pending', 'leased'))`.execute(tx.db)
    if ((freed.numAffectedRows ?? 0n) > 0n) tx.announce('dispatch')
  }
}
