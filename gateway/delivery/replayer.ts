/**
 * Carries out replays of many deliveries. In: rows of `replay_job` that run. Out: dispatches, a bounded batch in each
 * transaction together with how far the job is and its audit entry. Refuses to go on with a job that was cancelled.
 *
 * How far it is stands in the row, so that whichever gate comes next goes on there: after a restart, and between gates,
 * nothing is sent twice by one job or left out.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store, Tx } from '../store/store.ts'
import { replayRow } from './fan-out.ts'
import type { DeliveryNeeds } from './needs.ts'
import { type Pair, readWindow, type ReplayFilter } from './replay-window.ts'

/** A new job is seen this much late at most. */
const TICK_MS = 1_000
/** Between batches others write. */
const PAUSE_MS = 20
/** Jobs that take turns. */
const JOBS_CAP = 16
/** Windows of a preview; what is beyond is told as "at least". */
const PREVIEW_WINDOWS = 100

type Needs = Pick<DeliveryNeeds, 'store' | 'append' | 'report' | 'clock'>

export class Replayer {
  readonly #needs: Needs
  readonly #tick: NodeJS.Timeout
  #running: Promise<void> | undefined
  #isClosed = false

  constructor(needs: Needs, tickMs: number = TICK_MS) {
    this.#needs = needs
    this.#tick = setInterval(() => this.wake(), tickMs)
    this.#tick.unref()
  }

  wake(): void {
    if (!this.#isClosed) this.#running ??= this.#run().finally(() => (this.#running = undefined))
  }

  /** Ends with the batch under way; the next gate goes on after it. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#tick)
    await this.#running
  }

  async #run(): Promise<void> {
    try {
      for (let jobs = await this.#jobs(); jobs.length > 0 && !this.#isClosed; jobs = await this.#jobs()) {
        let isMoved = false
        for (const job of jobs) {
          if (this.#isClosed) return
          if (await this.#batch(job)) isMoved = true
          await sleep(PAUSE_MS)
        }
        // Another gate has all of them in hand.
        if (!isMoved) return
      }
    } catch (error) {
      // The next tick goes on where the row says.
      this.#needs.report.troubled('replay', error)
    }
  }

  /** A batch that fails must not keep the other jobs from their turn. */
  async #batch(job: string): Promise<boolean> {
    try {
      return await this.#needs.store.write((tx) => replayBatch(this.#needs, tx, job))
    } catch (error) {
      this.#needs.report.troubled('replay', error)
      return false
    }
  }

  async #jobs(): Promise<string[]> {
    const query = this.#needs.store.read.selectFrom('replay_job').select('id').where('state', '=', 'running')
    return (await query.orderBy('id').limit(JOBS_CAP).execute()).map(({ id }) => id)
  }
}

/** One batch of one job; false when the job is not there to go on with, or in another gate's hand. */
export async function replayBatch(needs: Needs, tx: Tx, id: string): Promise<boolean> {
  const query = tx.db.selectFrom('replay_job').selectAll().where('id', '=', id).where('state', '=', 'running')
  const locked = needs.store.engine === 'postgres' ? query.forUpdate().skipLocked() : query
  const job = await locked.executeTakeFirst()
  if (job === undefined) return false
  const now = needs.clock()
  // Our own column, checked by the contract when it was written.
  const filter = JSON.parse(job.filter) as ReplayFilter
  const { pairs, examined, reached } = await readWindow(tx.db, job.tenant_id, filter, job.reached)
  const dispatched = await send(tx, job.tenant_id, pairs, now)
  const isDone = reached === undefined
  await tx.db
    .updateTable('replay_job')
    .set({
      examined: job.examined + examined,
      dispatched: job.dispatched + dispatched,
      ...(isDone ? { state: 'done', finished_at: now } : { reached }),
    })
    .where('id', '=', id)
    .execute()
  if (dispatched > 0) tx.announce('dispatch')
  const details = { examined, dispatches: dispatched, done: isDone }
  const leaf = { action: 'replay.batch', tenant: job.tenant_id, actor: 'gate', target: id } as const
  await needs.append(tx, [{ ...leaf, outcome: 'allowed', requestId: '', details }], now)
  return true
}

/** Dead letters come back to life, so that they are dead no more; all else is sent by a dispatch of its own. */
async function send(tx: Tx, tenant: string, pairs: readonly Pair[], now: number): Promise<number> {
  const dead = pairs.flatMap((pair) => pair.dead ?? [])
  const rows = pairs
    .filter((pair) => pair.dead === undefined)
    .map((pair) => replayRow(tenant, pair.delivery, pair.subscription, now))
  if (rows.length > 0) await tx.insertMany('dispatch', rows)
  if (dead.length === 0) return rows.length
  const revived = await tx.db
    .updateTable('dispatch')
    .set({ state: 'pending', attempts: 0, due_at: now, finished_at: null, replay: 1 })
    .where('id', 'in', dead)
    .where('state', '=', 'dead')
    .executeTakeFirst()
  return rows.length + Number(revived.numUpdatedRows)
}

export interface Preview {
  readonly deliveries: number
  readonly dispatches: number
  /** False when there was more than a preview looks at: both are "at least" then. */
  readonly complete: boolean
}

/** What a replay would send now. */
export async function previewReplay(store: Store, tenant: string, filter: ReplayFilter): Promise<Preview> {
  const seen = new Set<string>()
  let dispatches = 0
  let after = ''
  for (let windows = 0; windows < PREVIEW_WINDOWS; windows++) {
    const { pairs, reached } = await readWindow(store.read, tenant, filter, after)
    dispatches += pairs.length
    for (const { delivery } of pairs) seen.add(delivery)
    if (reached === undefined) return { deliveries: seen.size, dispatches, complete: true }
    after = reached
    // The embedded reader works on this thread; others have their turn between windows.
    await new Promise(setImmediate)
  }
  return { deliveries: seen.size, dispatches, complete: false }
}
