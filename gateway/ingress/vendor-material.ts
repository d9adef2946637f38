/**
 * What a vendor publishes to verify with, and the one key of it that a request means. In: bytes as fetched, a reference from
 * a source, a time. Out: keys, or the credential that the reference names. Refuses bytes of which no key can be read, and
 * a key that is not permitted, not for the names asked, or not valid at that time.
 */
import { createHash } from 'node:crypto'
import { type SigningCertificate, isValidAt, readCertificate } from './certificate.ts'
import { type VendorKey, readKeySet } from './key-set.ts'
import type { KeyRef } from './source.ts'
import type { LiveCredential } from './verify.ts'

export type Material =
  | { readonly kind: 'jwks'; readonly keys: ReadonlyMap<string, VendorKey> }
  | { readonly kind: 'x509'; readonly certificate: SigningCertificate }

/** Undefined when no key can be read of it. */
export function readMaterial(kind: KeyRef['kind'], bytes: Buffer): Material | undefined {
  if (kind === 'jwks') {
    const keys = readKeySet(bytes)
    return keys === undefined || keys.size === 0 ? undefined : { kind, keys }
  }
  const certificate = readCertificate(bytes)
  return certificate === undefined ? undefined : { kind, certificate }
}

/** Whether the set has a key of this id, permitted or not. */
export function lacksKey(material: Material, ref: KeyRef): boolean {
  return material.kind === 'jwks' && ref.kind === 'jwks' && !material.keys.has(ref.kid)
}

/** The key that `ref` means, good at `now` (unix milliseconds). */
export function keyOf(material: Material, ref: KeyRef, now: number): LiveCredential | undefined {
  if (material.kind === 'jwks' && ref.kind === 'jwks') {
    const found = material.keys.get(ref.kid)
    if (found === undefined || ref.permits?.(found.jwk) === false) return undefined
    return { id: idOf(ref.url, ref.kid), key: { algorithm: ref.algorithm, key: found.key } }
  }
  if (material.kind !== 'x509' || ref.kind !== 'x509') return undefined
  const { certificate } = material
  if (!certificate.isFor(ref.names) || !isValidAt(certificate, now)) return undefined
  return { id: idOf(ref.url, ''), key: { algorithm: ref.algorithm, key: certificate.key } }
}

/** A name for the audit log that is of one length and says nothing a sender chose. */
function idOf(url: string, kid: string): string {
  return `vnd_${createHash('sha256').update(`${url}\n${kid}`).digest('hex').slice(0, 26)}`
}
