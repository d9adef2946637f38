/**
 * Canonical JSON (RFC 8785): one spelling for each value, so that a hash of it means the value. In: JSON values. Out:
 * the canonical text. Refuses what JSON cannot say (NaN, infinities, undefined, functions, lone surrogates) by throwing
 * `TypeError`.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/** Canonical text of `value`. Names are sorted by UTF-16 code units, numbers printed as ECMAScript prints them. */
export function canonical(value: Json): string {
  if (typeof value === 'number') return number(value)
  if (typeof value === 'string') return string(value)
  if (value === null || typeof value === 'boolean') return String(value)
  // Array.from, not map: a hole is a value too, and one that JSON cannot say.
  if (isList(value)) return `[${Array.from(value, canonical).join(',')}]`
  if (typeof value !== 'object')
    throw new TypeError(`write canonical JSON: a ${typeof value} has no JSON form`)
  const members = Object.keys(value)
    .sort()
    .map((name) => `${string(name)}:${canonical(value[name] as Json)}`)
  return `{${members.join(',')}}`
}

function isList(value: object): value is readonly Json[] {
  return Array.isArray(value)
}

function number(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`write canonical JSON: ${value} has no JSON form`)
  return JSON.stringify(value)
}

function string(value: string): string {
  // RFC 8785 section 3.2.2.2: a lone surrogate must end the work, where JSON.stringify would escape it.
  if (!value.isWellFormed()) throw new TypeError('write canonical JSON: the text holds a lone surrogate')
  return JSON.stringify(value)
}
