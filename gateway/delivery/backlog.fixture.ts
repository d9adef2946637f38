/**
 * A long queue, made at once. In: a store, a tenant, its subscriptions and how many. Out: that many waiting dispatches,
 * spread evenly, due a moment ago, all of one delivery. Refuses nothing; tests and proofs only.
 */
import { sql } from 'kysely'
import type { Store } from '../store/store.ts'

/** Rows of one statement; the writer's time limit is for a body. */
const STEP = 50_000

export async function backlog(
  store: Store,
  tenant: string,
  subscriptions: readonly string[],
  delivery: string,
  count: number,
  now: number,
): Promise<void> {
  const each = Math.ceil(count / subscriptions.length)
  for (const subscription of subscriptions)
    for (let from = 0; from < each; from += STEP)
      await step(store, tenant, subscription, delivery, from, Math.min(each, from + STEP), now)
  if (store.engine === 'postgres') await sql`ANALYZE dispatch`.execute(store.read)
}

async function step(
  store: Store,
  tenant: string,
  subscription: string,
  delivery: string,
  from: number,
  to: number,
  now: number,
): Promise<void> {
  const key = subscription.slice(4)
  await store.write(async ({ db }) => {
    await sql`
      WITH RECURSIVE numbers (n) AS (SELECT ${sql.lit(from)} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${sql.lit(to)})
      INSERT INTO dispatch (id, tenant_id, delivery_id, subscription_id, state, attempts, due_at, replay, created_at)
      SELECT 'dsp_' || n || '_' || CAST(${key} AS TEXT), CAST(${tenant} AS TEXT), CAST(${delivery} AS TEXT), CAST(${subscription} AS TEXT),
        'pending', 0, CAST(${now} AS BIGINT) - n % 1000, 0, CAST(${now} AS BIGINT)
      FROM numbers`.execute(db)
  })
}
