/**
 * Forgets what has expired. In: a store and the time. Out: how many rows went. Refuses nothing; it deletes in batches,
 * each a transaction of its own, so that a long backlog never holds up a delivery.
 */
import { sql } from 'kysely'
import type { Store } from './store.ts'

/** Rows of one batch at most: a few milliseconds of the writer's time, on a table that fits into memory. */
const BATCH = 1_000
/** Rows of one batch at least; fewer would cost more in commits than in rows. */
const LEAST = 50
/** Milliseconds. A batch that took longer is followed by half of it: deliveries wait for it. */
const LONG = 20
/** Milliseconds. A batch that took less may be followed by twice of it. */
const SHORT = 8
/** How often expired rows are looked for. */
const EVERY_MS = 60_000
/** Between batches others write, for as long as the batch took at least. */
const PAUSE_MS = 20

export type Expiring = 'replay_memory' | 'idempotency'

/** Prunes each minute until closed. */
export class Pruner {
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> = Promise.resolve()
  #closed = false

  constructor(
    store: Store,
    clock: () => number,
    tell: { pruned(table: Expiring, rows: number): void; failed(table: Expiring, error: unknown): void },
    pace: () => number = () => performance.now(),
  ) {
    const one = async (table: Expiring): Promise<void> => {
      try {
        const rows = await prune(store, table, clock(), () => this.#closed, pace)
        if (rows > 0) tell.pruned(table, rows)
      } catch (error) {
        tell.failed(table, error)
      }
    }
    const all = () => {
      // One round at a time: a long backlog must not pile rounds up.
      this.#running = this.#running.then(() => one('replay_memory')).then(() => one('idempotency'))
    }
    this.#timer = setInterval(all, EVERY_MS)
    this.#timer.unref()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await this.#running
  }
}

/**
 * Deletes rows of `table` that expired before `now`, until none is left or `stopped` says so. `pace` tells milliseconds:
 * on a table larger than memory each row costs a page, and batches become smaller.
 */
export async function prune(
  store: Store,
  table: Expiring,
  now: number,
  stopped: () => boolean,
  pace: () => number = () => 0,
): Promise<number> {
  let total = 0
  let since = 0
  for (let size = BATCH; ;) {
    const began = pace()
    const gone = await pruneBatch(store, table, since, now, size)
    const took = pace() - began
    total += gone.length
    if (gone.length < size || stopped()) return total
    since = Math.max(...gone)
    if (took > LONG) size = Math.max(LEAST, Math.floor(size / 2))
    else if (took < SHORT) size = Math.min(BATCH, size * 2)
    await new Promise((resolve) => setTimeout(resolve, Math.max(PAUSE_MS, took)))
  }
}

/**
 * One batch, oldest first; answers when its rows had expired. `since` is where the last batch ended: PostgreSQL keeps
 * deleted rows in the index until a vacuum, and each batch would walk over those of all before it.
 */
async function pruneBatch(
  store: Store,
  table: Expiring,
  since: number,
  now: number,
  size: number,
): Promise<number[]> {
  return await store.write(async (tx) => {
    const result = await sql<{ expires_at: number }>`DELETE FROM ${sql.table(table)} WHERE key IN (
      SELECT key FROM ${sql.table(table)} WHERE expires_at >= ${since} AND expires_at < ${now}
      ORDER BY expires_at LIMIT ${sql.lit(size)}
    ) RETURNING expires_at`.execute(tx.db)
    return result.rows.map((row) => row.expires_at)
  })
}
