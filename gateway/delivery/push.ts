/**
 * Pushes work to apps. In: a sign that there may be work. Out: signed POSTs of envelopes, and dispatches settled by what
 * came back. Refuses to begin when it is closing; what is then in flight has a time to end and is handed back after it.
 *
 * A try is settled after the answer, so a gate that dies in between sends again: at least once, with the same id.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Holds } from './holds.ts'
import { type Loaded, load } from './load.ts'
import { makeMessage } from './message.ts'
import type { DeliveryNeeds } from './needs.ts'
import type { Lease, Queue } from './queue.ts'
import { Room, type RoomLimits } from './room.ts'
import { type Outcome, answered } from './schedule.ts'
import type { Settling } from './settling.ts'

export interface PushLimits extends RoomLimits {
  /** Retries come due without an announcement; they are seen this much late at most. */
  readonly tickMs: number
}

export const PUSH_LIMITS: PushLimits = { total: 32, tenant: 16, each: 8, spare: 16, tickMs: 1_000 }

export class Pusher {
  readonly #needs: DeliveryNeeds
  readonly #queue: Queue
  readonly #settling: Settling
  readonly #holds: Holds
  readonly #room: Room
  readonly #flights = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  readonly #tick: NodeJS.Timeout
  #claiming: Promise<void> | undefined
  #isAsked = false
  #isClosed = false

  constructor(needs: DeliveryNeeds, queue: Queue, settling: Settling, holds: Holds, limits: PushLimits) {
    this.#needs = needs
    this.#queue = queue
    this.#settling = settling
    this.#holds = holds
    this.#room = new Room(limits)
    this.#tick = setInterval(() => this.wake(), limits.tickMs)
  }

  /** There may be work. Signs that come while one is looked after are one more look. */
  wake(): void {
    if (this.#isClosed) return
    this.#isAsked = true
    this.#claiming ??= this.#claimAll().finally(() => (this.#claiming = undefined))
  }

  /** Takes no more, waits for what is in flight, then breaks it off; that try counts for nothing. */
  async close(drainMs: number): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#tick)
    await this.#claiming
    const drained = new AbortController()
    const late = sleep(drainMs, undefined, { signal: drained.signal }).catch(() => {})
    await Promise.race([Promise.all(this.#flights), late])
    drained.abort()
    this.#stop.abort()
    this.#settling.close()
    await Promise.all(this.#flights)
  }

  async #claimAll(): Promise<void> {
    try {
      while (this.#isAsked && !this.#isClosed) {
        this.#isAsked = false
        while (!this.#isClosed && (await this.#claimSome()) > 0);
      }
    } catch (error) {
      // The next tick tries again; nothing was leased, or its lease will run out.
      this.#needs.report.troubled('claim', error)
    }
  }

  /** How much was claimed or put in order; with none there is nothing to do, or no room to do it. */
  async #claimSome(): Promise<number> {
    const ready = await this.#queue.look((one) => this.#room.has(one))
    const shares = this.#room.shares(ready)
    if (shares.length === 0) return 0
    const { leases, parked } = await this.#queue.take('push', shares)
    const loaded = await load(this.#needs, leases)
    for (const lease of leases) this.#begin(lease, loaded.get(lease.id))
    return leases.length + parked
  }

  #begin(lease: Lease, loaded: Loaded | undefined): void {
    const { subscriptionId, tenant } = lease
    this.#room.enter(subscriptionId, tenant)
    const flight = this.#fly(lease, loaded).finally(() => {
      this.#flights.delete(flight)
      this.#room.leave(subscriptionId, tenant)
      this.wake()
    })
    this.#flights.add(flight)
  }

  async #fly(lease: Lease, loaded: Loaded | undefined): Promise<void> {
    const outcome = await this.#try(lease, loaded).catch((): Outcome => failed('internal'))
    await this.#settling.settle(lease, outcome)
    await this.#holds.note(lease, outcome)
  }

  async #try(lease: Lease, loaded: Loaded | undefined): Promise<Outcome> {
    if (loaded === undefined) return failed('content-gone')
    if (this.#isClosed) return { ended: 'released' }
    const made = await makeMessage(this.#needs, lease, loaded)
    if ('failed' in made) return failed(made.failed)
    const { url, headers, body } = made.message
    const dialled = await this.#needs.post(url, headers, body, this.#stop.signal)
    if (dialled.answered) return answered(dialled.status, dialled.retryAfter, this.#needs.clock())
    return dialled.code === 'stopped' ? { ended: 'released' } : failed(dialled.code)
  }
}

function failed(code: string): Outcome {
  return { ended: 'failed', code }
}
