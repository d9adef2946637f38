/**
 * Pages and times, as every list shows them. In: one row more than was asked for. Out: the page, and the cursor of the
 * next when that row came. Refuses nothing.
 */
export interface PageAsk {
  readonly cursor?: string | undefined
  readonly limit: number
}

export interface PageOf<T> {
  items: T[]
  next: string | null
}

/** `keyOf` gives the value the list is ordered by, newest first; it is the cursor. */
export function page<R, T>(
  rows: readonly R[],
  limit: number,
  keyOf: (row: R) => string | number,
  show: (row: R) => T,
): PageOf<T> {
  const kept = rows.slice(0, limit)
  const last = kept.at(-1)
  const isMore = rows.length > limit && last !== undefined
  return { items: kept.map(show), next: isMore ? String(keyOf(last)) : null }
}

/** RFC 3339, UTC. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

export function timeTextOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : timeText(milliseconds)
}
