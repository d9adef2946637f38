/**
 * Fields of a query or a form where one name may come several times. In: text as received. Out: names and values,
 * decoded, in the order they came, none merged and none dropped: what a repeated name means, each vendor says. Refuses,
 * by `undefined`, wrong escapes, bytes that are not UTF-8, and more fields than any vendor sends.
 */
import type { Json } from '@gatehouse/proof/canonical.ts'

/** Twilio's largest form has some 60 fields; each costs a decoding before anything is proved. */
const PAIRS_CAP = 1_000

export type Pair = readonly [name: string, value: string]

export function pairsOf(text: string | Buffer): readonly Pair[] | undefined {
  const fields = String(text).split('&', PAIRS_CAP + 1)
  if (fields.length > PAIRS_CAP) return undefined
  const pairs = fields.filter((field) => field !== '').map(pairOf)
  return pairs.includes(undefined) ? undefined : pairs.filter((pair) => pair !== undefined)
}

/** What comes once, by its own name; a name that comes again says nothing. The record has no prototype. */
export function once(pairs: readonly Pair[]): Readonly<Record<string, Json>> {
  const record: Record<string, Json> = Object.create(null)
  const names = Map.groupBy(pairs, ([name]) => name)
  for (const [name, alike] of names) if (alike.length === 1) record[name] = alike[0]?.[1] ?? ''
  return record
}

/** Orders text by its UTF-16 units, as vendors' libraries do; for the ASCII of names that is the order of bytes. */
export function byUnits(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

function pairOf(field: string): Pair | undefined {
  const equals = field.indexOf('=')
  const name = unescaped(equals < 0 ? field : field.slice(0, equals))
  const value = unescaped(equals < 0 ? '' : field.slice(equals + 1))
  return name === undefined || value === undefined ? undefined : [name, value]
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
