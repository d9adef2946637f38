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

export function vitals(
  { store, keyring, metrics, clock, config }: Parts,
  held: () => number,
): Rooms['vitals'] {
  let last: { readonly at: number; readonly checks: Promise<Checks> } | undefined
  const check = async (): Promise<Checks> => ({
    // The store does not open before every migration has run.
    migrations: 'ok',
    store: await state(store.ping()),
    rootKey: await state(keyring.check()),
  })
  metrics.ingressInFlightCapBytes.set(config.inFlightCap)
  const checked = (): Promise<Checks> => {
    if (last === undefined || clock() - last.at > REMEMBER_MS) last = { at: clock(), checks: check() }
    return last.checks
  }
  return {
    check: checked,
    async metrics() {
      metrics.ingressInFlightBytes.set(held())
      const checks = await checked()
      for (const [name, is] of Object.entries(checks)) metrics.ready.set({ check: name }, is === 'ok' ? 1 : 0)
      // Without its store a gate is watched all the same: what only the store knows is then no number.
      if (checks['store'] !== 'ok' || !(await counted(store, metrics, clock()))) unknown(metrics)
      return { bytes: Buffer.from(await metrics.text()), contentType: metrics.contentType }
    },
  }
}

/** Whether the store could say; it may go away between its check and these. */
async function counted(store: Parts['store'], metrics: Parts['metrics'], now: number): Promise<boolean> {
  try {
    await count(store, metrics, now)
    return true
  } catch {
    metrics.storeUnavailable.inc()
    return false
  }
}

async function count(store: Parts['store'], metrics: Parts['metrics'], now: number): Promise<void> {
  const waiting = await sql<{ n: number }>`SELECT count(*) AS n FROM (
    SELECT 1 AS one FROM dispatch WHERE state = 'pending' LIMIT ${sql.lit(COUNT_CAP)}) AS waiting`.execute(
    store.read,
  )
  metrics.deliveryPending.set(Number(waiting.rows[0]?.n ?? 0))
  metrics.deliveryBacklogAge.set(Math.max(0, now - (await oldestDue(store, now))) / 1_000)
  await ways(store, metrics, now)
}

/** One look into the index for each subscription: a backlog of millions costs no more than an empty one. */
async function oldestDue(store: Parts['store'], now: number): Promise<number> {
  const due = await sql<{ due: number | string | null }>`SELECT (
    SELECT min(d.due_at) FROM dispatch d WHERE d.subscription_id = s.id AND d.state = 'pending') AS due
    FROM subscription s WHERE s.state = 'active' LIMIT ${sql.lit(SERIES_CAP)}`.execute(store.read)
  return Math.min(now, ...due.rows.map((row) => Number(row.due ?? now)))
}

function unknown(metrics: Parts['metrics']): void {
  for (const gauge of [metrics.deliveryPending, metrics.deliveryBacklogAge, metrics.deliveryDeadNow])
    gauge.set(Number.NaN)
}

/** What an alarm watches: dead letters that are there, and receivers that are away. */
async function ways(store: Parts['store'], metrics: Parts['metrics'], now: number): Promise<void> {
  const dead = await sql<{ n: number }>`SELECT count(*) AS n FROM (
    SELECT 1 AS one FROM dispatch WHERE state = 'dead' LIMIT ${sql.lit(COUNT_CAP)}) AS dead`.execute(
    store.read,
  )
  metrics.deliveryDeadNow.set(Number(dead.rows[0]?.n ?? 0))
  const held = store.read
    .selectFrom('subscription')
    .select(['id', 'held_until'])
    .where('held_why', '=', 'breaker')
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
