/**
 * Who wants to hear of changes. In: topics, from a commit here or from another gateway. Out: calls to listeners.
 * Refuses nothing; a listener that throws is its own fault and does not keep the others from hearing.
 */
import type { Topic } from './store.ts'

export class Announcer {
  readonly #listeners = new Map<Topic, Set<() => void>>()

  listen(topic: Topic, listener: () => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners.add(listener))
    return () => void listeners.delete(listener)
  }

  tell(topic: Topic): void {
    for (const listener of this.#listeners.get(topic) ?? []) {
      try {
        listener()
      } catch (error) {
        // Thrown again outside the loop: loud in the process, harmless to the other listeners.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

/** Hears of other processes' changes by asking for the configuration's generation each second. */
export class GenerationPoll {
  readonly #timer: NodeJS.Timeout
  #seen: string | undefined

  constructor(read: () => Promise<string>, announcer: Announcer, everyMs: number) {
    const ask = async () => {
      const generation = await read()
      const changed = this.#seen !== undefined && generation !== this.#seen
      this.#seen = generation
      if (changed) announcer.tell('config')
      // Work may have come from another process; asking for it is one indexed read.
      announcer.tell('dispatch')
    }
    // A store that is away is `/readyz`'s to tell; the next second asks again.
    this.#timer = setInterval(() => void ask().catch(() => {}), everyMs)
    this.#timer.unref()
    void ask().catch(() => {})
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
