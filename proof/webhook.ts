/**
 * Webhook signatures as arithmetic over bytes. In: a key, the signed parts and the claimed signature. Out: whether one
 * made the other. Knows no clock, no header and no vendor; refuses by answering false, never by throwing.
 */
import {
  createHash,
  createHmac,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  verify as verifySignature,
} from 'node:crypto'
import { equal } from './bytes.ts'

export type MacAlgorithm = 'hmac-sha1' | 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512'

/** RSA is PKCS#1 v1.5; ECDSA signatures are DER, as vendors send them. */
export type PublicKeyAlgorithm = 'rsa-sha1' | 'rsa-sha256' | 'ecdsa-sha256'

/**
 * A key ready to verify with, made once and kept: a raw Buffer as HMAC key costs four to six times as much a call on
 * some runtimes. `token` is a bearer secret that is compared, not a key that signs.
 */
export type VerifyingKey =
  | { readonly algorithm: MacAlgorithm; readonly key: KeyObject }
  | { readonly algorithm: 'ed25519'; readonly key: KeyObject }
  | { readonly algorithm: PublicKeyAlgorithm; readonly key: KeyObject }
  | { readonly algorithm: 'token'; readonly key: Buffer }

/** What a sender claims: these bytes, under that algorithm, stand for the signed parts. */
export interface ClaimedSignature {
  readonly algorithm: VerifyingKey['algorithm']
  readonly value: Uint8Array
}

/** Parts of a signed input in order; text is UTF-8. They are signed one after another with nothing between. */
export type SignedParts = readonly (string | Uint8Array)[]

const NODE_HASH = {
  'hmac-sha1': 'sha1',
  'hmac-sha256': 'sha256',
  'hmac-sha384': 'sha384',
  'hmac-sha512': 'sha512',
} as const

/** DER prefix of an Ed25519 SubjectPublicKeyInfo (RFC 8410); the 32 key bytes follow. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** An HMAC key from the secret's bytes. */
export function macKey(algorithm: MacAlgorithm, secret: Uint8Array): VerifyingKey {
  return { algorithm, key: createSecretKey(secret) }
}

/** An Ed25519 key from its 32 raw bytes; throws `RangeError` on any other length or an invalid point. */
export function ed25519Key(raw: Uint8Array): VerifyingKey {
  if (raw.length !== 32) throw new RangeError(`read an Ed25519 public key: ${raw.length} bytes, wanted 32`)
  const der = Buffer.concat([ED25519_SPKI, raw])
  return { algorithm: 'ed25519', key: createPublicKey({ key: der, format: 'der', type: 'spki' }) }
}

/** A bearer secret; kept as its SHA-256, so that comparing takes the same time whatever its length. */
export function tokenKey(secret: string): VerifyingKey {
  return { algorithm: 'token', key: createHash('sha256').update(secret).digest() }
}

/** Whether `key` makes MACs, so that one MAC answers for any number of claims. */
export function isMacKey(key: VerifyingKey): key is Extract<VerifyingKey, { algorithm: MacAlgorithm }> {
  return Object.hasOwn(NODE_HASH, key.algorithm)
}

/** Whether `claimed` stands for `parts` under `key`, in constant time for MACs and tokens. */
export function signedBy(key: VerifyingKey, parts: SignedParts, claimed: ClaimedSignature): boolean {
  if (key.algorithm !== claimed.algorithm) return false
  switch (key.algorithm) {
    case 'ed25519':
      return claimed.value.length === 64 && verifySignature(null, joined(parts), key.key, claimed.value)
    case 'rsa-sha1':
      return verifySignature('sha1', joined(parts), key.key, claimed.value)
    case 'rsa-sha256':
    case 'ecdsa-sha256':
      return verifySignature('sha256', joined(parts), key.key, claimed.value)
    case 'token':
      return equal(key.key, createHash('sha256').update(claimed.value).digest())
    case 'hmac-sha1':
    case 'hmac-sha256':
    case 'hmac-sha384':
    case 'hmac-sha512':
      return equal(mac(key.algorithm, key.key, parts), claimed.value)
  }
}

/** The MAC of the parts; for signing what Gatehouse itself sends. */
export function mac(algorithm: MacAlgorithm, key: KeyObject, parts: SignedParts): Buffer {
  const hmac = createHmac(NODE_HASH[algorithm], key)
  for (const part of parts) hmac.update(part)
  return hmac.digest()
}

/** SHA-256 of the parts as signed: the name under which a delivery is remembered. */
export function signedDigest(parts: SignedParts): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function joined(parts: SignedParts): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : part)))
}
