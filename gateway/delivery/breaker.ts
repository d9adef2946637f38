/**
 * Judges destinations by how their last tries ended. In: one try's end. Out: what it says of the destination, and whether
 * so many failed that it should be left alone for a while. Refuses nothing; counts are this gate's own, and what follows
 * from them is kept where all gates see it (`holds.ts`).
 *
 * Ours rather than a library's because its state must outlive the process and be shared: a hold is a row, not an object.
 */
import { LRUCache } from 'lru-cache'
import type { Outcome } from './schedule.ts'

export const BREAKER = {
  /** Tries older than this say nothing any more. */
  windowMs: 30_000,
  /** Fewer tries are no sample. */
  leastTries: 10,
  /** This share of them failed: the destination is away. */
  failing: 0.5,
  /** The first hold; each failed probe doubles it up to the longest. */
  shortestMs: 30_000,
  longestMs: 300_000,
  /** A receiver may ask all of its deliveries to wait, up to this. */
  askedMs: 3_600_000,
} as const

/** Counts are kept by slots of this length. */
const SLOT_MS = 1_000
/** Destinations counted; one evicted begins anew, which only delays its breaker. */
const WINDOWS_CAP = 10_000
/** Ends that say that nobody was there. All else came from a receiver that lives, or from us. */
const AWAY: ReadonlySet<string> = new Set([
  'resolve-failed',
  'connect-refused',
  'connect-failed',
  'connect-timeout',
  'tls-failed',
  'timeout',
  'reset',
  'answer-malformed',
])

export type Sign =
  | { readonly sign: 'fine' | 'failed' | 'nothing' }
  /** Alive, and asks for time. */
  | { readonly sign: 'asked'; readonly until: number }

/** What the end of a try says of its destination. */
export function signOf(outcome: Outcome): Sign {
  if (outcome.ended === 'done') return { sign: 'fine' }
  if (outcome.ended === 'released') return { sign: 'nothing' }
  const { status } = outcome
  if (status === undefined) return { sign: AWAY.has(outcome.code) ? 'failed' : 'nothing' }
  const until = 'notBefore' in outcome ? outcome.notBefore : undefined
  if (until !== undefined && (status === 429 || status === 503)) return { sign: 'asked', until }
  return { sign: status >= 500 ? 'failed' : 'fine' }
}

/** The hold after one that did not help; `before` is undefined for the first. */
export function holdAfter(before: number | undefined): number {
  return before === undefined ? BREAKER.shortestMs : Math.min(before * 2, BREAKER.longestMs)
}

interface Slot {
  readonly at: number
  tries: number
  failed: number
}

/** Rolling counts by destination. */
export class Windows {
  readonly #slots = new LRUCache<string, Slot[]>({ max: WINDOWS_CAP })

  /** Counts one try; true when the destination should be held now. */
  note(destination: string, failed: boolean, now: number): boolean {
    const slots = (this.#slots.get(destination) ?? []).filter(({ at }) => at > now - BREAKER.windowMs)
    const at = now - (now % SLOT_MS)
    const last = slots.at(-1)
    const slot = last?.at === at ? last : { at, tries: 0, failed: 0 }
    if (slot !== last) slots.push(slot)
    slot.tries++
    if (failed) slot.failed++
    this.#slots.set(destination, slots)
    const tries = slots.reduce((sum, one) => sum + one.tries, 0)
    const failures = slots.reduce((sum, one) => sum + one.failed, 0)
    return failed && tries >= BREAKER.leastTries && failures >= tries * BREAKER.failing
  }

  forget(destination: string): void {
    this.#slots.delete(destination)
  }
}
