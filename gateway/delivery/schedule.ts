/**
 * What becomes of a try. In: how it ended, which try it was, the time and a random number. Out: done, tried again at a
 * time, or dead. Refuses nothing; pure.
 *
 * Eight tries over some 27 hours. Any 2xx is done. 410 Gone is dead at once: Standard Webhooks has receivers say so when
 * they want no more, and a dead letter can still be replayed. All else, redirects too, is tried again.
 */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
/** Waits before the first try, the second and so on. */
const DELAYS = [0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR]
/** Tries before a delivery is a dead letter. */
export const TRIES = DELAYS.length
/** Waits differ by this share either way, so that what failed together does not come back together. */
const JITTER = 0.2
/** A receiver may ask for later than the schedule, up to this; beyond, it would be forgotten rather than late. */
const LONGEST_WAIT = 24 * HOUR

export type Outcome =
  /** `code` remarks on a good end: the app's answer came too late for the vendor, or could not be passed on. */
  | { readonly ended: 'done'; readonly status?: number; readonly code?: string }
  | { readonly ended: 'failed'; readonly code: string; readonly status?: number; readonly notBefore?: number }
  /** Given back by a pull app that wants it again after `delayMs`. */
  | { readonly ended: 'failed'; readonly code: string; readonly status?: number; readonly delayMs: number }
  /** Never begun, or broken off by us: it does not count. */
  | { readonly ended: 'released' }

export type Next =
  | { readonly state: 'done' }
  | { readonly state: 'dead' }
  | { readonly state: 'pending'; readonly dueAt: number; readonly counts: boolean }

/** How a receiver's answer ends the try. */
export function answered(status: number, retryAfter: string | undefined, now: number): Outcome {
  if (status >= 200 && status <= 299) return { ended: 'done', status }
  const notBefore = retryAfter === undefined ? undefined : parseRetryAfter(retryAfter, now)
  return {
    ended: 'failed',
    code: `status-${status}`,
    status,
    ...(notBefore === undefined ? {} : { notBefore }),
  }
}

/** What follows try number `attempt`, counted from 1. `random` is in [0, 1). */
export function next(outcome: Outcome, attempt: number, now: number, random: number): Next {
  if (outcome.ended === 'done') return { state: 'done' }
  if (outcome.ended === 'released') return { state: 'pending', dueAt: now, counts: false }
  const delay = DELAYS[attempt]
  if (delay === undefined || outcome.status === 410) return { state: 'dead' }
  if ('delayMs' in outcome)
    return { state: 'pending', dueAt: now + Math.min(outcome.delayMs, LONGEST_WAIT), counts: true }
  const jittered = now + Math.round(delay * (1 - JITTER + 2 * JITTER * random))
  const dueAt = Math.max(jittered, Math.min(outcome.notBefore ?? 0, now + LONGEST_WAIT))
  return { state: 'pending', dueAt, counts: true }
}

/** RFC 9110 section 10.2.3: seconds, or a date in its preferred form. A time, or undefined for anything else. */
export function parseRetryAfter(text: string, now: number): number | undefined {
  if (/^\d{1,9}$/.test(text)) return now + Number(text) * SECOND
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined
  const time = Date.parse(text)
  return Number.isNaN(time) ? undefined : time
}
