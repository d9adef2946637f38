/**
 * Pushes work to apps. In: a sign that there may be work. Out: signed POSTs of envelopes, and dispatches settled by what
 * came back. Refuses to begin when it is closing; what is then in flight has a time to end and is handed back after it.
 *
 * A try is settled after the answer, so a gate that dies in between sends again: at least once, with the same id.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { DeliveryNeeds } from './needs.ts'
import { type Loaded, load, open } from './load.ts'
import type { Lease, Queue, Share } from './queue.ts'
import { type Outcome, answered } from './schedule.ts'
import type { Settling } from './settling.ts'
import { signedHeaders } from './sign.ts'

export interface PushLimits {
  /** Tries in flight at once; each holds a body of at most a few MiB. */
  readonly total: number
  /** Tries in flight to one subscription, so that a slow app holds up itself and not the others. */
  readonly each: number
  /** Retries come due without an announcement; they are seen this much late at most. */
  readonly tickMs: number
}

export const PUSH_LIMITS: PushLimits = { total: 32, each: 8, tickMs: 1_000 }

export class Pusher {
  readonly #needs: DeliveryNeeds
  readonly #queue: Queue
  readonly #settling: Settling
  readonly #limits: PushLimits
  readonly #flights = new Set<Promise<void>>()
  /** Flights by subscription; bounded by the flights in all. */
  readonly #load = new Map<string, number>()
  readonly #stop = new AbortController()
  readonly #tick: NodeJS.Timeout
  #claiming: Promise<void> | undefined
  #isAsked = false
  #isClosed = false

  constructor(needs: DeliveryNeeds, queue: Queue, settling: Settling, limits: PushLimits) {
    this.#needs = needs
    this.#queue = queue
    this.#settling = settling
    this.#limits = limits
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

  async #claimSome(): Promise<number> {
    const free = this.#limits.total - this.#flights.size
    if (free <= 0) return 0
    const busy = [...this.#load].filter(([, flights]) => flights >= this.#limits.each).map(([id]) => id)
    const ready = await this.#queue.ready('push', { busy })
    if (ready.length === 0) return 0
    const leases = await this.#queue.claim('push', this.#shares(ready.slice(0, free), free))
    const loaded = await load(this.#needs, leases)
    for (const lease of leases) this.#begin(lease, loaded.get(lease.id))
    return leases.length
  }

  /** Room is shared evenly, so a long queue of one subscription takes nothing from the others. */
  #shares(ready: readonly string[], free: number): Share[] {
    const even = Math.max(1, Math.floor(free / ready.length))
    return ready.map((subscription) => {
      const room = this.#limits.each - (this.#load.get(subscription) ?? 0)
      return { subscription, limit: Math.min(even, room) }
    })
  }

  #begin(lease: Lease, loaded: Loaded | undefined): void {
    const { subscriptionId } = lease
    this.#load.set(subscriptionId, (this.#load.get(subscriptionId) ?? 0) + 1)
    const flight = this.#fly(lease, loaded).finally(() => {
      this.#flights.delete(flight)
      const left = (this.#load.get(subscriptionId) ?? 1) - 1
      if (left > 0) this.#load.set(subscriptionId, left)
      else this.#load.delete(subscriptionId)
      this.wake()
    })
    this.#flights.add(flight)
  }

  async #fly(lease: Lease, loaded: Loaded | undefined): Promise<void> {
    const outcome = await this.#try(lease, loaded).catch((): Outcome => failed('internal'))
    await this.#settling.settle(lease, outcome)
  }

  async #try(lease: Lease, loaded: Loaded | undefined): Promise<Outcome> {
    if (loaded === undefined) return failed('content-gone')
    if (this.#isClosed) return { ended: 'released' }
    const opened = await open(this.#needs, loaded)
    if ('failed' in opened) return failed(opened.failed)
    const body = Buffer.from(JSON.stringify(opened.envelope))
    const signed = await this.#sign(lease, loaded, body)
    if (signed === undefined || loaded.url === null) return failed('secret-unreadable')
    const headers = {
      ...signed,
      'content-type': 'application/json',
      'user-agent': 'Gatehouse/1',
      ...(lease.replay ? { 'gatehouse-replay': 'true' } : {}),
    }
    const dialled = await this.#needs.post(loaded.url, headers, body, this.#stop.signal)
    if (dialled.answered) return answered(dialled.status, dialled.retryAfter, this.#needs.clock())
    return dialled.code === 'stopped' ? { ended: 'released' } : failed(dialled.code)
  }

  async #sign(
    lease: Lease,
    { secretSealed }: Loaded,
    body: Buffer,
  ): Promise<Record<string, string> | undefined> {
    if (secretSealed === null) return undefined
    const place = { table: 'subscription', column: 'secret_sealed', row: lease.subscriptionId, schema: 1 }
    try {
      const secret = Buffer.from(await this.#needs.unseal(lease.tenant, place, secretSealed)).toString('utf8')
      return signedHeaders(secret, lease.deliveryId, this.#needs.clock(), body)
    } catch {
      return undefined
    }
  }
}

function failed(code: string): Outcome {
  return { ended: 'failed', code }
}
