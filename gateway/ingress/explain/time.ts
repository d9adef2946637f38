/**
 * What is wrong with a signed time. In: a case, how old the request is, and whether its signature fits at the time it
 * names. Out: one finding that says which clock, unit or delay it is. Refuses nothing.
 */
import type { Case, Finding } from '../explain.ts'

/** Seconds; a difference this near to whole quarters of an hour is a time zone, not a delay. */
const ZONE_SLACK = 90
const QUARTER = 900
/** Seconds; no time zone is further away. */
const ZONE_MOST = 14 * 3_600
/** As seconds this is the year 5138. */
const MILLISECONDS_FROM = 1e11

export function timeFinding(given: Case, age: number, fits: boolean): Finding {
  const { source, settings, now } = given
  const window = source.toleranceOf === undefined ? source.tolerance : source.toleranceOf(settings)
  const signedAt = now - age
  const [evidence, next] = reading(given, age, signedAt, window ?? 0)
  const proof = fits ? 'the signature fits at that time' : 'the signature does not fit at that time either'
  return { what: 'clock', weight: fits ? 'cause' : 'sign', evidence: `${evidence}; ${proof}`, next }
}

function reading(
  { now, timed }: Case,
  age: number,
  signedAt: number,
  window: number,
): readonly [string, string] {
  if (signedAt >= MILLISECONDS_FROM)
    return [
      'the signed time is in milliseconds where this source reads seconds',
      'let the sender sign seconds, or use a channel whose settings say ms',
    ]
  if (signedAt < now / 100)
    return ['the signed time is not in seconds since 1970', 'let the sender sign seconds since 1970']
  const evidence = `signed at ${iso(signedAt)}, judged at ${iso(now)}: ${spoken(age)}, the window is ${window} s`
  if (!timed)
    return [
      evidence,
      `the record does not say when it came: give --at; it passes from ${iso(signedAt - window)} to ${iso(signedAt + window)}`,
    ]
  if (isZone(age))
    return [
      evidence,
      'the difference is that of a time zone: let the sender sign UTC, and set the clock of the gate to UTC',
    ]
  return [
    evidence,
    age > 0
      ? `it came late, or the gate's clock is fast: it passes until ${iso(signedAt + window)}; see gatehouse doctor`
      : `the sender's clock is fast, or the gate's is slow: it passes from ${iso(signedAt - window)}; see gatehouse doctor`,
  ]
}

function isZone(age: number): boolean {
  const size = Math.abs(age)
  const quarters = Math.round(size / QUARTER)
  return size <= ZONE_MOST + ZONE_SLACK && quarters >= 2 && Math.abs(size - quarters * QUARTER) <= ZONE_SLACK
}

function spoken(age: number): string {
  return age >= 0 ? `${Math.round(age)} s old` : `${Math.round(-age)} s in the future`
}

function iso(seconds: number): string {
  const date = new Date(seconds * 1_000)
  return Number.isNaN(date.getTime()) ? 'no time' : date.toISOString()
}
