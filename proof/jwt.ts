/**
 * Compact JWS (RFC 7515) as arithmetic over text: split, decode, nothing believed. In: a token as received. Out: its header
 * and payload as records, the signed text and the signature's bytes. Refuses, with `undefined`, what is too long, padded
 * or not in canonical base64url, not two JSON objects, or critical in ways nobody here understands.
 */
import { fromBase64Url } from './bytes.ts'

/** Longest token, in characters; Google's and Microsoft's stay under 2,000. */
const TOKEN_CAP = 8_192
const PART = /^[A-Za-z0-9_-]+$/

export type JwtMembers = Readonly<Record<string, unknown>>

/** A token taken apart. Nothing of it is proved before its signature is. */
export interface CompactJws {
  readonly header: JwtMembers
  readonly payload: JwtMembers
  /** What the signature covers: both first parts as they came, with the dot. */
  readonly signed: string
  readonly signature: Buffer
}

export function splitJws(token: string): CompactJws | undefined {
  if (token.length > TOKEN_CAP) return undefined
  const parts = token.split('.', 4)
  const [head, body, mark] = parts
  if (parts.length !== 3 || head === undefined || body === undefined || mark === undefined) return undefined
  const header = record(bytes(head))
  const payload = record(bytes(body))
  const signature = bytes(mark)
  if (header === undefined || payload === undefined || signature === undefined) return undefined
  // RFC 7515 section 4.1.11: an extension that is critical and unknown makes the token invalid. All are unknown here.
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) return undefined
  return { header, payload, signed: `${head}.${body}`, signature }
}

/** The text at `name`, its own, when it is text and not empty. */
export function textOf(members: JwtMembers, name: string): string | undefined {
  const value = Object.hasOwn(members, name) ? members[name] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The time at `name` in unix seconds (RFC 7519 NumericDate, which may have a fraction). */
export function timeOf(members: JwtMembers, name: string): number | undefined {
  const value = Object.hasOwn(members, name) ? members[name] : undefined
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

/** Whether the token is for `audience`: the one it names, or one of several (RFC 7519 section 4.1.3). */
export function isFor(payload: JwtMembers, audience: string): boolean {
  const named = Object.hasOwn(payload, 'aud') ? payload['aud'] : undefined
  return Array.isArray(named) ? named.includes(audience) : named === audience
}

function bytes(part: string): Buffer | undefined {
  // The alphabet without padding; two spellings of one token would be two names in a memory of tokens.
  return PART.test(part) ? fromBase64Url(part) : undefined
}

function record(json: Buffer | undefined): JwtMembers | undefined {
  if (json === undefined) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json))
    // An object that is no list is a record of whatever it holds.
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JwtMembers)
      : undefined
  } catch {
    return undefined
  }
}
