/**
 * How the gate itself is. In: its parts. Out: each check with `ok` or what is wrong, and the metrics' text. Refuses
 * nothing; a check that throws or hangs is one that failed.
 */
import { sql } from 'kysely'
import type { Rooms } from './routes.ts'
import type { Parts } from './wire.ts'

/** A store that cannot write a row by then is not ready. */
const CHECK_MS = 2_000
/** One answer serves all who ask within this time: probes must not become load. */
const REMEMBER_MS = 1_000
/** Waiting work is counted up to here; more is "many". */
const COUNT_CAP = 100_000

/** Receivers that are away and shown one by one. */
const SERIES_CAP = 1_000

type Checks = Readonly<Record<string, string>>

export function vitals({ store, keyring, metrics, clock }: Parts, held: () => number): Rooms['vitals'] {
  let last: { readonly at: number; readonly checks: Promise<Checks> } | undefined
  const check = async (): Promise<Checks> => ({
    // The store does not open before every migration has run.
    migrations: 'ok',
    store: await state(store.ping()),
    rootKey: await state(keyring.check()),
  })
  return {
    check() {
      if (last === undefined || clock() - last.at > REMEMBER_MS) last = { at: clock(), checks: check() }
      return last.checks
    },
    async metrics() {
      metrics.ingressInFlightBytes.set(held())
      const waiting = await sql<{ n: number }>`SELECT count(*) AS n FROM (
        SELECT 1 AS one FROM dispatch WHERE state = 'pending' LIMIT ${sql.lit(COUNT_CAP)}) AS waiting`.execute(
        store.read,
      )
      metrics.deliveryPending.set(Number(waiting.rows[0]?.n ?? 0))
      await ways(store, metrics, clock())
      return { bytes: Buffer.from(await metrics.text()), contentType: metrics.contentType }
    },
  }
}

/** What an alarm watches: dead letters that are there, and receivers that are away. */
async function ways(store: Parts['store'], metrics: Parts['metrics'], now: number): Promise<void> {
  const dead = await sql<{ n: number }>`SELECT count(*) AS n FROM (
    SELECT 1 AS one FROM dispatch WHERE state = 'dead' LIMIT ${sql.lit(COUNT_CAP)}) AS some`.execute(store.read)
  metrics.deliveryDeadNow.set(Number(dead.rows[0]?.n ?? 0))
  const held = store.read.selectFrom('subscription').select(['id', 'held_until']).where('held_why', '=', 'breaker')
  metrics.breakerState.reset()
  for (const { id, held_until } of await held.limit(SERIES_CAP).execute()) {
    metrics.breakerState.set({ subscription: id }, (held_until ?? 0) > now ? 2 : 1)
  }
}

async function state(work: Promise<void>): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('timeout'), CHECK_MS)
  })
  const outcome = work.then(
    () => 'ok',
    () => 'failed',
  )
  const first = await Promise.race([outcome, late])
  clearTimeout(timer)
  return first
}
