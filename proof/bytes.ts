/**
 * Bytes and text: the one constant-time comparison of the house and the encodings that signatures travel in.
 * In: bytes or text as received. Out: bytes, or `undefined` where the text is not in that encoding, whole and strict.
 * Refuses nothing itself; a caller that gets `undefined` refuses.
 */
import { timingSafeEqual } from 'node:crypto'

/**
 * Whether two byte strings are equal, in time that depends on their lengths only. Lengths are not hidden: a MAC's
 * length is public. For secrets whose length is secret, compare digests of both.
 */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Bytes of lower- or upper-case hex, or `undefined` when any character is not hex or the length is odd. */
export function fromHex(text: string): Buffer | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined
  return Buffer.from(text, 'hex')
}

/** Bytes of padded or unpadded standard base64, or `undefined`; no white space, no URL alphabet. */
export function fromBase64(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  // Buffer.from stops quietly at nonsense; encoding again shows whether it read all of it.
  return strip(bytes.toString('base64')) === strip(text) ? bytes : undefined
}

/** Bytes of unpadded or padded base64url, or `undefined`. */
export function fromBase64Url(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9_-]*={0,2}$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === strip(text) ? bytes : undefined
}

/** Length-prefixed (u32, big endian) parts, so that no two different lists of parts give the same bytes. */
export function lengthPrefixed(parts: readonly (string | Uint8Array)[]): Buffer {
  const chunks: Uint8Array[] = []
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'utf8') : part
    const length = Buffer.allocUnsafe(4)
    length.writeUInt32BE(bytes.length)
    chunks.push(length, bytes)
  }
  return Buffer.concat(chunks)
}

function strip(text: string): string {
  return text.replace(/=+$/, '')
}
