/**
 * When each credential last proved a delivery. In: uses, as they happen. Out: rows, written every ten seconds. Refuses
 * nothing; it only tells an operator that an old credential is out of use, so a lost note costs nothing.
 */
import type { Store } from '../store/store.ts'

const FLUSH_MS = 10_000
/** Credentials noted between two flushes. */
const CAP = 10_000

export class CredentialUse {
  readonly #store: Store
  readonly #clock: () => number
  readonly #timer: NodeJS.Timeout
  #used = new Map<string, number>()

  constructor(store: Store, clock: () => number) {
    this.#store = store
    this.#clock = clock
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS)
    this.#timer.unref()
  }

  note(credential: string): void {
    if (this.#used.size < CAP || this.#used.has(credential)) this.#used.set(credential, this.#clock())
  }

  async flush(): Promise<void> {
    const used = [...this.#used]
    this.#used = new Map()
    if (used.length === 0) return
    try {
      await this.#store.write(async ({ db }) => {
        for (const [id, at] of used) {
          await db.updateTable('credential').set({ last_used_at: at }).where('id', '=', id).execute()
        }
      })
    } catch {
      for (const [id] of used) this.note(id)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }
}
