/**
 * Reads a vendor's JSON Web Key Set (RFC 7517). In: its bytes. Out: RSA keys ready to verify with, by key id, with the
 * members that stood beside them. Refuses bytes that are no set or list too many keys; leaves out keys that are not RSA of
 * 2048 to 8192 bits, are meant for something else, or share an id with another: which one is meant, no one can say.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'

/** Bytes of a set. Microsoft's, with a certificate beside each key, has some 50,000. */
export const KEY_SET_CAP = 524_288
/** Keys of a set. */
const KEYS_CAP = 128
/** Longest key id kept; those in use have under 100 characters. */
export const KID_CAP = 256
/** NIST SP 800-131A: less is broken in principle. */
export const RSA_LEAST_BITS = 2_048
/** Verifying costs grow with the square; nobody uses more. */
const RSA_MOST_BITS = 8_192
/** Larger exponents only make verifying slow; 65537 is what all use. */
const EXPONENT_MOST = 0xff_ff_ff_ffn

type Jwk = Readonly<Record<string, unknown>>

export interface VendorKey {
  readonly key: KeyObject
  /** The key as the set lists it, without its certificates. */
  readonly jwk: Jwk
}

/** The keys of a set by id; undefined when it is none. */
export function readKeySet(bytes: Buffer): ReadonlyMap<string, VendorKey> | undefined {
  const listed = listOf(bytes)
  if (listed === undefined || listed.length > KEYS_CAP) return undefined
  const keys = new Map<string, VendorKey>()
  const doubled = new Set<string>()
  for (const jwk of listed) {
    const kid = kidOf(jwk)
    if (kid === undefined) continue
    if (keys.has(kid)) doubled.add(kid)
    const key = rsaKey(jwk)
    if (key !== undefined) keys.set(kid, { key, jwk: withoutCertificates(jwk) })
  }
  for (const kid of doubled) keys.delete(kid)
  return keys
}

/** Whether a public key is one that may prove a webhook. */
export function isStrongRsa(key: KeyObject): boolean {
  const { modulusLength: bits = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  const fits = bits >= RSA_LEAST_BITS && bits <= RSA_MOST_BITS
  return key.asymmetricKeyType === 'rsa' && fits && publicExponent >= 3n && publicExponent <= EXPONENT_MOST
}

function listOf(bytes: Buffer): readonly Jwk[] | undefined {
  if (bytes.length > KEY_SET_CAP) return undefined
  try {
    const set: unknown = JSON.parse(bytes.toString('utf8'))
    const keys = isRecord(set) && Object.hasOwn(set, 'keys') ? set['keys'] : undefined
    return Array.isArray(keys) && keys.every(isRecord) ? keys : undefined
  } catch {
    return undefined
  }
}

function kidOf(jwk: Jwk): string | undefined {
  const kid = jwk['kid']
  return typeof kid === 'string' && kid !== '' && kid.length <= KID_CAP ? kid : undefined
}

/** Only what is for verifying RS256, or says nothing of its use (Microsoft's keys name no algorithm). */
function rsaKey(jwk: Jwk): KeyObject | undefined {
  const { kty, use = 'sig', alg = 'RS256', key_ops: operations = ['verify'], n, e } = jwk
  if (kty !== 'RSA' || use !== 'sig' || alg !== 'RS256') return undefined
  if (!Array.isArray(operations) || !operations.includes('verify')) return undefined
  if (typeof n !== 'string' || typeof e !== 'string') return undefined
  try {
    const key = createPublicKey({ key: { kty, n, e }, format: 'jwk' })
    return isStrongRsa(key) ? key : undefined
  } catch {
    return undefined
  }
}

function withoutCertificates(jwk: Jwk): Jwk {
  return Object.fromEntries(Object.entries(jwk).filter(([name]) => name !== 'x5c'))
}

function isRecord(value: unknown): value is Jwk {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
