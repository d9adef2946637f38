/**
 * Calls an app about one delivery that a vendor waits on. In: a delivery whose dispatch was leased at birth, and who takes
 * the answer. Out: the app's answer, offered once, and the dispatch settled by what became of it. Refuses more calls than
 * its room, and a receiver that is held; those deliveries are pushed as every other, only late.
 *
 * The answer is offered before the dispatch is settled: a gate that dies in between pushes the delivery again, and no
 * second answer reaches the vendor.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Holds } from './holds.ts'
import { load } from './load.ts'
import { makeMessage } from './message.ts'
import type { DeliveryNeeds } from './needs.ts'
import { leaseName, type Lease } from './queue.ts'
import { answered, type Outcome } from './schedule.ts'
import type { Settling } from './settling.ts'

/** Calls under way at once: each holds a vendor's request as well. */
const CALLS_CAP = 256
/** Largest answer in bytes; a modal of a hundred blocks stays below it. */
const ANSWER_CAP = 64 * 1_024

export interface AppAnswer {
  readonly status: number
  readonly contentType: string | undefined
  /** Undefined where it was too large, encoded or cut short. */
  readonly body: Buffer | undefined
}

/** What became of an answer: it went to the vendor, came too late, or is nothing the vendor may be told. */
export type Taken = 'sent' | 'late' | 'refused'

export interface SyncCall {
  readonly tenant: string
  readonly delivery: string
  readonly subscription: string
  /** As `lease()` gave it, and as the accept wrote it. */
  readonly lease: string
  readonly withinMs: number
}

export class SyncCalls {
  readonly #needs: DeliveryNeeds
  readonly #settling: Settling
  readonly #holds: Holds
  readonly #flights = new Set<Promise<void>>()
  readonly #stop = new AbortController()

  constructor(needs: DeliveryNeeds, settling: Settling, holds: Holds) {
    this.#needs = needs
    this.#settling = settling
    this.#holds = holds
  }

  /** A name to lease a dispatch under, or undefined when there is no room for a call. */
  lease(): string | undefined {
    if (this.#stop.signal.aborted || this.#flights.size >= CALLS_CAP) return undefined
    return leaseName(this.#needs)
  }

  /** Calls the app. `take` is called once, without an answer where there is none. Never throws. */
  call(asked: SyncCall, take: (answer: AppAnswer | undefined) => Promise<Taken>): void {
    const flight = this.#fly(asked, take).finally(() => this.#flights.delete(flight))
    this.#flights.add(flight)
  }

  /** Whether some gate still has the vendor's first request about this delivery in hand. */
  async isOpen(delivery: string, subscription: string): Promise<boolean> {
    const query = this.#needs.store.read.selectFrom('dispatch').select('state')
    const row = await query.where('id', '=', dispatchId(delivery, subscription)).executeTakeFirst()
    return row?.state === 'leased'
  }

  async close(drainMs: number): Promise<void> {
    const drained = new AbortController()
    const late = sleep(drainMs, undefined, { signal: drained.signal }).catch(() => {})
    await Promise.race([Promise.all(this.#flights), late])
    drained.abort()
    this.#stop.abort()
    await Promise.all(this.#flights)
  }

  async #fly(asked: SyncCall, take: (answer: AppAnswer | undefined) => Promise<Taken>): Promise<void> {
    const lease = leaseOf(asked)
    let isTaken = false
    const takeOnce = (answer: AppAnswer | undefined): Promise<Taken> => {
      isTaken = true
      return take(answer)
    }
    let outcome: Outcome
    try {
      outcome = await this.#try(lease, asked.withinMs, takeOnce)
    } catch {
      outcome = { ended: 'failed', code: 'internal' }
    }
    if (!isTaken) await take(undefined).catch(() => {})
    await this.#settling.settle(lease, outcome)
    await this.#holds.note(lease, outcome)
  }

  async #try(lease: Lease, withinMs: number, take: (answer: AppAnswer) => Promise<Taken>): Promise<Outcome> {
    const loaded = (await load(this.#needs, [lease])).get(lease.id)
    if (loaded === undefined || loaded.heldUntil > this.#needs.clock()) return { ended: 'released' }
    const made = await makeMessage(this.#needs, lease, loaded, withinMs)
    if ('failed' in made) return { ended: 'failed', code: made.failed }
    const { url, headers, body } = made.message
    const called = await this.#needs.call(url, headers, body, { cap: ANSWER_CAP, signal: this.#stop.signal })
    if (!called.answered) {
      return called.code === 'stopped' ? { ended: 'released' } : { ended: 'failed', code: called.code }
    }
    const { status, retryAfter } = called
    const taken = await take(called)
    const outcome = answered(status, retryAfter, this.#needs.clock())
    if (taken === 'sent') return { ended: 'done', status }
    return outcome.ended === 'done' ? { ...outcome, code: `sync-${taken}` } : outcome
  }
}

/** The dispatch that `fanOut` makes of a delivery and a subscription. */
export function dispatchId(delivery: string, subscription: string): string {
  return `dsp_${delivery.slice(4)}_${subscription.slice(4)}`
}

function leaseOf({ tenant, delivery, subscription, lease }: SyncCall): Lease {
  const id = dispatchId(delivery, subscription)
  return {
    lease: `${lease}.${id}`,
    id,
    tenant,
    deliveryId: delivery,
    subscriptionId: subscription,
    attempt: 1,
    replay: false,
  }
}
