/**
 * Lets pull apps wait for work without each asking the store. In: subscriptions that wait. Out: a sign when one of them
 * may have work. Refuses to wake more than its bound: those above it look again after a tick.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { DeliveryReport } from './needs.ts'
import type { Queue } from './queue.ts'

/** Work that comes due without an announcement, a retry or a lease that ran out, is seen this much late at most. */
const TICK_MS = 1_000
/** Announcements within this time are one look: a busy inbox announces thousands a second. */
const GATHER_MS = 10
/** Polls and streams that wait at once; each holds a socket as well. */
const WAITING_CAP = 10_000
/** Subscriptions asked after in one query. */
const LOOK_CAP = 500

export class Watch {
  readonly #queue: Queue
  readonly #report: DeliveryReport
  readonly #waiting = new Map<string, Set<() => void>>()
  #count = 0
  #soon: NodeJS.Timeout | undefined
  #tick: NodeJS.Timeout | undefined
  #looking = false
  #isAsked = false
  #closed = false

  constructor(queue: Queue, report: DeliveryReport) {
    this.#queue = queue
    this.#report = report
  }

  /** Resolves when the subscription may have work, when the time is up, or when `signal` says so. Never rejects. */
  wait(subscription: string, ms: number, signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted || ms <= 0) return Promise.resolve()
    // Not counted and not woken, but never a spin: the caller looks again after a tick.
    if (this.#count >= WAITING_CAP) {
      return sleep(Math.min(ms, TICK_MS), undefined, { signal }).catch(() => undefined)
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    const stop = (): void => resolve()
    signal.addEventListener('abort', stop, { once: true })
    this.#enter(subscription, resolve)
    return promise.finally(() => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      this.#leave(subscription, resolve)
    })
  }

  /** There may be work for somebody. */
  wake(): void {
    if (this.#closed || this.#count === 0) return
    this.#soon ??= setTimeout(() => void this.#look(), GATHER_MS)
  }

  /** There may be work, or room, for this one. */
  nudge(subscription: string): void {
    for (const resolve of this.#waiting.get(subscription) ?? []) resolve()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#soon)
    clearInterval(this.#tick)
    for (const subscription of this.#waiting.keys()) this.nudge(subscription)
  }

  async #look(): Promise<void> {
    this.#soon = undefined
    if (this.#looking) {
      this.#isAsked = true
      return
    }
    this.#looking = true
    try {
      const all = [...this.#waiting.keys()]
      for (let from = 0; from < all.length; from += LOOK_CAP) {
        const found = await this.#queue.ready(all.slice(from, from + LOOK_CAP))
        for (const subscription of found) this.nudge(subscription)
      }
    } catch (error) {
      this.#report.troubled('watch', error)
    } finally {
      this.#looking = false
      if (this.#isAsked) this.wake()
      this.#isAsked = false
    }
  }

  #enter(subscription: string, resolve: () => void): void {
    const others = this.#waiting.get(subscription) ?? new Set()
    this.#waiting.set(subscription, others.add(resolve))
    this.#count++
    this.#tick ??= setInterval(() => void this.#look(), TICK_MS)
  }

  #leave(subscription: string, resolve: () => void): void {
    const others = this.#waiting.get(subscription)
    others?.delete(resolve)
    if (others?.size === 0) this.#waiting.delete(subscription)
    this.#count--
    if (this.#count > 0) return
    clearInterval(this.#tick)
    this.#tick = undefined
  }
}
