/**
 * Reads what vendors put in headers, exactly as received. In: a request and header names, or a header's text. Out: the
 * values, or why there is no proof. Refuses an absent or empty header as missing; never trims, never takes one header
 * for another, and never reads a number that is not written as one.
 */
import { fromBase64, fromHex } from '@gatehouse/proof/bytes.ts'
import type { ClaimRefusal, RawRequest } from './source.ts'

/** Signatures one header may list. Each costs a comparison or an Ed25519 check; vendors in rotation send two. */
export const SIGNATURES_CAP = 10
/** Longest delivery id; what `contract/envelope.ts` carries. */
const ID_CAP = 512

/** Values of headers that must all be there, in the order asked. */
export function required<N extends readonly string[]>(
  request: RawRequest,
  ...names: N
): { readonly [I in keyof N]: string } | ClaimRefusal {
  const missing = names.find((name) => !request.headers.get(name))
  if (missing !== undefined) return { refused: 'missing-header', header: missing }
  // Every name has a value, so that the list is as long as the names.
  return names.map((name) => request.headers.get(name)) as unknown as { readonly [I in keyof N]: string }
}

export function malformed(header: string): ClaimRefusal {
  return { refused: 'malformed-header', header }
}

/** A time in whole digits, without sign, fraction, exponent or leading zero; the unit is the caller's. */
export function wholeTime(text: string): number | undefined {
  return /^[1-9]\d{0,15}$/.test(text) ? Number(text) : undefined
}

/** The text after `prefix`, or `undefined` when it does not begin so. */
export function after(prefix: string, text: string): string | undefined {
  return text.startsWith(prefix) ? text.slice(prefix.length) : undefined
}

/**
 * Bytes of a hex MAC. Characters outside the alphabet give `undefined` (malformed); a length that no MAC has gives
 * bytes that equal none, so that it is refused as a wrong signature.
 */
export function hexMac(text: string | undefined): Buffer | undefined {
  if (text === undefined || !/^[0-9a-fA-F]*$/.test(text)) return undefined
  return fromHex(text) ?? Buffer.alloc(0)
}

/** Bytes of a base64 signature by the same rule as `hexMac`. */
export function base64Mac(text: string | undefined): Buffer | undefined {
  if (text === undefined || !/^[0-9a-zA-Z+/]*={0,2}$/.test(text)) return undefined
  return fromBase64(text) ?? Buffer.alloc(0)
}

/** A delivery id in a header: one to 512 printable ASCII characters. */
export function deliveryId(text: string | undefined): string | undefined {
  return text !== undefined && text.length <= ID_CAP && /^[\x21-\x7e]+$/.test(text) ? text : undefined
}
