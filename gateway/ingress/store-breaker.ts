/**
 * Stands between requests and the store. In: work that needs the store. Out: its result, in bounded time. Refuses, with
 * `StoreUnavailable`: everything at once while the store is known to be away, and any wait that has become too long.
 *
 * It opens after failures in a row, or when something has waited too long; only a probe of its own closes it, so that no
 * vendor's request has to find out. A refusal does not mean that nothing was written: a write that came too late for its
 * request may still commit, and the vendor's repeat is then a duplicate of it, acknowledged as one.
 */
import { type Store, StoreUnavailable } from '../store/store.ts'

/** Milliseconds between two looks, each of which is also a probe while it is open. Time here is counted in looks. */
const LOOK_MS = 250
/** One failure is a connection that broke, two a bad moment. */
const FAILURES = 3
/** Three seconds: vendors give up after three to ten, and a store that is well answers in milliseconds. */
const LOOKS_TO_OPEN = 12
/** A request waits 4.5 to 4.75 s, then hears 503: vendors that wait longest for a first byte wait five. */
const LOOKS_TO_GIVE_UP = 18
/** A probe that took longer than a second found a store that is not well yet. */
const LOOKS_OF_PROBE = 4
/** Probes that have not ended; one may hang on a connection that is dead, and must not keep the next from a live one. */
const PROBES_CAP = 2

export interface StoreBreakerNeeds {
  readonly store: Store
  readonly opened: (fault: unknown) => void
  readonly closed: (awayMs: number) => void
}

interface Waiting {
  /** The look before which it began. */
  readonly since: number
  giveUp(): void
}

export class StoreBreaker {
  /** The store for what runs inside requests. */
  readonly store: Store
  readonly #needs: StoreBreakerNeeds
  /** Oldest first; as many as requests that wait, which the bytes in flight and the acceptor bound. */
  readonly #waiting = new Set<Waiting>()
  readonly #timer: NodeJS.Timeout
  #look = 0
  #failures = 0
  #probes = 0
  #openSince: number | undefined
  /** What began before the last probe that went well says nothing of the store any more. */
  #wellSince = 0

  constructor(needs: StoreBreakerNeeds) {
    this.#needs = needs
    const { store } = needs
    this.store = {
      engine: store.engine,
      read: store.read,
      write: (body) => this.ask(() => store.write(body)),
      listen: (topic, listener) => store.listen(topic, listener),
      ping: () => store.ping(),
      close: () => store.close(),
    }
    this.#timer = setInterval(() => this.#lookAround(), LOOK_MS)
    this.#timer.unref()
  }

  get isOpen(): boolean {
    return this.#openSince !== undefined
  }

  /** Asks the store. How it ends says how the store is. */
  async ask<T>(work: () => Promise<T>): Promise<T> {
    return await this.wait(async () => {
      try {
        const result = await work()
        this.#failures = 0
        return result
      } catch (error) {
        if (error instanceof StoreUnavailable && ++this.#failures >= FAILURES) this.#open(error)
        throw error
      }
    })
  }

  /** Waits for something that asks the store in its own time, such as a write shared with others. */
  async wait<T>(work: () => Promise<T>): Promise<T> {
    if (this.isOpen) throw new StoreUnavailable('ask the store: it is away, wanted an answer to the probe')
    const late = Promise.withResolvers<never>()
    const giveUp = (): void => late.reject(new StoreUnavailable('ask the store: no answer in time'))
    const waiting = { since: this.#look, giveUp }
    this.#waiting.add(waiting)
    try {
      return await Promise.race([work(), late.promise])
    } finally {
      this.#waiting.delete(waiting)
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #lookAround(): void {
    this.#look++
    for (const waiting of this.#waiting) {
      const looks = this.#look - waiting.since
      if (looks <= LOOKS_TO_OPEN) break
      if (waiting.since >= this.#wellSince)
        this.#open(new StoreUnavailable('ask the store: no answer in time'))
      if (looks <= LOOKS_TO_GIVE_UP) continue
      this.#waiting.delete(waiting)
      waiting.giveUp()
    }
    if (this.isOpen) void this.#probe()
  }

  #open(fault: StoreUnavailable): void {
    if (this.isOpen) return
    this.#openSince = this.#look
    this.#needs.opened(fault)
  }

  async #probe(): Promise<void> {
    if (this.#probes >= PROBES_CAP) return
    this.#probes++
    const asked = this.#look
    try {
      await this.#needs.store.ping()
      if (this.#look - asked <= LOOKS_OF_PROBE) this.#close()
    } catch {
      // Still away.
    } finally {
      this.#probes--
    }
  }

  #close(): void {
    if (this.#openSince === undefined) return
    const awayMs = (this.#look - this.#openSince) * LOOK_MS
    this.#openSince = undefined
    this.#wellSince = this.#look
    this.#failures = 0
    this.#needs.closed(awayMs)
  }
}
