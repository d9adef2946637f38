/**
 * The door that bearer tokens come through. In: the text presented. Out: a `LiveToken` or why not. Refuses by the rules
 * of `verify.ts`; a store that fails makes it throw, and nobody passes.
 *
 * Rows are remembered for at most a second and forgotten on every `config` announcement, so a revocation is felt at
 * once here and within a second everywhere. When a token was last used is written at most once a minute, together.
 */
import { LRUCache } from 'lru-cache'
import type { Store } from '../store/store.ts'
import { digestOf, LiveToken, type TokenDenied, type TokenRow } from './verify.ts'

/** Longest time a revoked token may still pass, should its announcement be lost. */
const REMEMBER_MS = 1_000
/** Tokens in use at once; one that is pushed out costs a look-up and nothing else. */
const REMEMBERED = 10_000
/** Last use is for people; a minute is fine enough and spares the writer. */
const NOTE_MS = 60_000

export class TokenDoor {
  readonly #store: Store
  readonly #now: () => number
  readonly #rows: LRUCache<string, { readonly row: TokenRow; readonly readAt: number }>
  readonly #used = new Map<string, number>()
  readonly #stopListening: () => void
  #generation = 0
  #nextNote = 0
  #noting: Promise<void> = Promise.resolve()

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
    this.#rows = new LRUCache({ max: REMEMBERED })
    this.#stopListening = store.listen('config', () => this.forget())
  }

  async verify(presented: string): Promise<LiveToken | TokenDenied> {
    const digest = digestOf(presented)
    if (digest === undefined) return { denied: 'malformed' }
    const verdict = LiveToken.verify(presented, await this.#row(digest), this.#now())
    if (verdict instanceof LiveToken) this.#note(verdict.id)
    return verdict
  }

  /** Reads every token anew from now on; whoever has just changed one calls it, and need not wait to hear of itself. */
  forget(): void {
    this.#generation++
    this.#rows.clear()
  }

  /** Writes what is left to note and stops listening. */
  async close(): Promise<void> {
    this.#stopListening()
    await this.#noting
    await this.#writeNotes()
  }

  async #row(digest: Buffer): Promise<TokenRow | undefined> {
    const key = digest.toString('latin1')
    const known = this.#rows.get(key)
    const age = this.#now() - (known?.readAt ?? 0)
    if (known !== undefined && age >= 0 && age < REMEMBER_MS) return known.row
    const generation = this.#generation
    const readAt = this.#now()
    const row = await this.#store.read
      .selectFrom('token')
      .selectAll()
      .where('hash', '=', digest)
      .executeTakeFirst()
    // A row read before an announcement may be older than what was announced.
    if (row !== undefined && generation === this.#generation) this.#rows.set(key, { row, readAt })
    return row
  }

  #note(id: string): void {
    if (this.#used.size < REMEMBERED) this.#used.set(id, this.#now())
    if (this.#now() < this.#nextNote) return
    this.#nextNote = this.#now() + NOTE_MS
    this.#noting = this.#writeNotes()
  }

  /** Best effort: a note that cannot be written must not keep anyone out. */
  async #writeNotes(): Promise<void> {
    const notes = [...this.#used]
    this.#used.clear()
    if (notes.length === 0) return
    try {
      await this.#store.write(async ({ db }) => {
        for (const [id, at] of notes) {
          await db.updateTable('token').set({ last_used_at: at }).where('id', '=', id).execute()
        }
      })
    } catch {
      this.#nextNote = 0
    }
  }
}
