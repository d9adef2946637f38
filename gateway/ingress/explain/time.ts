/**
 * What is wrong with a signed time. In: a case, how old the request is, and whether its signature fits at the time it
 * names. Out: one finding that says which clock, unit or delay it is. Refuses nothing.
 */
import type { Claim } from '../source.ts'
import type { Case, Finding } from './finding.ts'

const NO_TIME = 'the record does not say when it came: give --at'

/** Seconds; a difference this near to whole quarters of an hour is a time zone, not a delay. */
const ZONE_SLACK = 90
const QUARTER = 900
/** Seconds; no time zone is further away. */
const ZONE_MOST = 14 * 3_600
/** As seconds this is the year 5138. */
const MILLISECONDS_FROM = 1e11

export function timeFinding(given: Case, age: number, fits: boolean): Finding {
  const { source, settings, request, now } = given
  const claim = source.claim(request, settings)
  const validity = 'refused' in claim ? undefined : claim.validity
  const window = source.toleranceOf === undefined ? source.tolerance : source.toleranceOf(settings)
  const [evidence, next] =
    validity === undefined
      ? ofWindow(given, age, now - age, window ?? 0)
      : ofValidity(given, validity, source.skew ?? 0)
  const proof = fits ? 'the signature fits at that time' : 'the signature does not fit at that time either'
  return { what: 'clock', weight: fits ? 'cause' : 'sign', evidence: `${evidence}; ${proof}`, next }
}

function ofValidity(
  { now, timed }: Case,
  { from, until }: NonNullable<Claim['validity']>,
  skew: number,
): readonly [string, string] {
  const span = from === undefined ? `until ${iso(until)}` : `from ${iso(from)} to ${iso(until)}`
  const evidence = `good ${span}, give or take ${skew} s; judged at ${iso(now)}`
  return [evidence, timed ? 'compare both clocks: gatehouse doctor' : NO_TIME]
}

function ofWindow(
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
  const passes = `it passes from ${iso(signedAt - window)} to ${iso(signedAt + window)}`
  if (!timed) return [evidence, `${NO_TIME}; ${passes}`]
  if (isZone(age))
    return [
      evidence,
      `the difference is that of a time zone: let the sender sign UTC, and set both clocks by it; ${passes}`,
    ]
  const why =
    age > 0
      ? "it came late, or the gate's clock is fast"
      : "the sender's clock is fast, or the gate's is slow"
  return [evidence, `${why}: see gatehouse doctor; ${passes}`]
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
