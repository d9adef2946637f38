/**
 * Forgets what has expired. In: a store and the time. Out: how many rows went. Refuses nothing; it deletes in batches,
 * each a transaction of its own, so that a long backlog never holds up a delivery.
 */
import { sql } from 'kysely'
import type { Store } from './store.ts'

/** Rows of one batch: a few milliseconds of the writer's time. */
const BATCH = 1_000
/** How often expired rows are looked for. */
const EVERY_MS = 60_000
/** Between batches others write. */
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
  ) {
    const one = async (table: Expiring): Promise<void> => {
      try {
        const rows = await prune(store, table, clock(), () => this.#closed)
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

/** Deletes rows of `table` that expired before `now`, until none is left or `stopped` says so. */
export async function prune(
  store: Store,
  table: Expiring,
  now: number,
  stopped: () => boolean,
): Promise<number> {
  let total = 0
  let since = 0
  for (;;) {
    const gone = await pruneBatch(store, table, since, now)
    total += gone.length
    if (gone.length < BATCH || stopped()) return total
    since = Math.max(...gone)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

/**
 * One batch, oldest first; answers when its rows had expired. `since` is where the last batch ended: PostgreSQL keeps
 * deleted rows in the index until a vacuum, and each batch would walk over those of all before it.
 */
async function pruneBatch(store: Store, table: Expiring, since: number, now: number): Promise<number[]> {
  return await store.write(async (tx) => {
    const result = await sql<{ expires_at: number }>`DELETE FROM ${sql.table(table)} WHERE key IN (
      SELECT key FROM ${sql.table(table)} WHERE expires_at >= ${since} AND expires_at < ${now}
      ORDER BY expires_at LIMIT ${sql.lit(BATCH)}
    ) RETURNING expires_at`.execute(tx.db)
    return result.rows.map((row) => row.expires_at)
  })
}
