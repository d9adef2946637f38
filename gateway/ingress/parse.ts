/**
 * Parses a proved body within limits. In: the raw bytes and the forms this vendor sends. Out: JSON as it stands, a form
 * as a record of text without a prototype, or `other` for text that is taken unread. Refuses bytes that are not UTF-8,
 * deep or crowded JSON before it is parsed, and forms with too many, doubled or wrongly escaped fields.
 *
 * A doubled form field is refused, not resolved: what we read first, an app behind us might read last. In JSON the last
 * of doubled names stands, as ECMAScript has it.
 */
import type { Json } from '@gatehouse/proof/canonical.ts'
import type { Malformed, ParsedBody, Source } from './source.ts'

/** Vendors' deepest bodies (nested blocks) stay below 20; `JSON.parse` recurses. */
const DEPTH_CAP = 64
/**
 * Members and items of one body, which cost some 100 bytes of heap each. GitHub's largest pushes, of 2,048 commits, stay
 * below it.
 */
const MEMBERS_CAP = 200_000
/** Slack's largest form has some 20 fields. */
const FIELDS_CAP = 1_000

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const WHITE = new Set([0x20, 0x09, 0x0a, 0x0d])

/** `body` as one of the forms in `bodies`. A body that opens as JSON is JSON. */
export function parse(body: Buffer, bodies: Source['bodies']): ParsedBody | Malformed {
  const parsed = opensAsJson(body) || !bodies.includes('form') ? json(body) : form(body)
  return 'malformed' in parsed && bodies.includes('text') ? { type: 'other' } : parsed
}

/**
 * Strict JSON: UTF-8 without a mark, nothing around it, within depth and number of members. Who reads a body before it is
 * proved asks for fewer members: a stranger pays for them with nothing but bytes.
 */
export function json(
  body: Buffer,
  membersCap: number = MEMBERS_CAP,
): { readonly type: 'json'; readonly value: Json } | Malformed {
  const crowded = beyondLimits(body, membersCap)
  if (crowded !== undefined) return { malformed: crowded }
  const text = utf8(body)
  if (text === undefined) return { malformed: 'not-utf-8' }
  try {
    // What `JSON.parse` gives is JSON; it makes `__proto__` an own property like any other.
    return { type: 'json', value: JSON.parse(text) as Json }
  } catch {
    return { malformed: 'not-json' }
  }
}

function form(body: Buffer): ParsedBody | Malformed {
  const text = utf8(body)
  if (text === undefined) return { malformed: 'not-utf-8' }
  const value: Record<string, string> = Object.create(null)
  // One more than allowed is enough to refuse; the rest is never split.
  const pairs = text.split('&', FIELDS_CAP + 1)
  if (pairs.length > FIELDS_CAP) return { malformed: 'form-too-large' }
  for (const pair of pairs) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = unescaped(equals < 0 ? pair : pair.slice(0, equals))
    const content = unescaped(equals < 0 ? '' : pair.slice(equals + 1))
    if (name === undefined || content === undefined) return { malformed: 'form-escape' }
    if (Object.hasOwn(value, name)) return { malformed: 'form-doubled-field' }
    value[name] = content
  }
  return { type: 'form', value }
}

function opensAsJson(body: Buffer): boolean {
  const first = body.find((byte) => !WHITE.has(byte))
  return first === OPEN_OBJECT || first === OPEN_LIST
}

/** Counts brackets and commas outside strings, so that the parser never meets a body made to exhaust it. */
function beyondLimits(body: Buffer, membersCap: number): 'json-too-deep' | 'json-too-large' | undefined {
  if (body.length <= membersCap && hasFewOpeners(body)) return undefined
  let depth = 0
  let members = 0
  let inText = false
  for (let i = 0; i < body.length; i++) {
    const byte = body[i] ?? 0
    if (byte === QUOTE) inText = !inText
    else if (inText) i += byte === BACKSLASH ? 1 : 0
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      depth++
      members++
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--
    else if (byte === COMMA) members++
    if (depth > DEPTH_CAP) return 'json-too-deep'
    if (members > membersCap) return 'json-too-large'
  }
  return undefined
}

/** True of most bodies, and found natively: what opens so seldom, inside strings or out, cannot be too deep. */
function hasFewOpeners(body: Buffer): boolean {
  let openers = 0
  for (const opener of [OPEN_OBJECT, OPEN_LIST]) {
    for (let at = body.indexOf(opener); at >= 0; at = body.indexOf(opener, at + 1)) {
      if (++openers > DEPTH_CAP) return false
    }
  }
  return true
}

function utf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
