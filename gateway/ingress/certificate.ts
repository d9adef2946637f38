/**
 * Reads a vendor's signing certificate. In: PEM bytes, fetched from the vendor's own host, and the names it must be for.
 * Out: its RSA key and the time it is good for. Refuses what is no certificate, is a certificate authority's, is for other
 * names, or has a key under 2048 bits.
 *
 * Not checked: the chain to a public authority and revocation. Amazon's file holds no chain, and trust comes from where the
 * file was read: over TLS, from a host that is the vendor's, at a path where nobody else can put anything.
 */
import { type KeyObject, X509Certificate } from 'node:crypto'
import { isStrongRsa } from './key-set.ts'

/** Bytes of a file; PayPal's, with its chain, has some 8,000. */
export const CERTIFICATE_CAP = 65_536

export interface SigningCertificate {
  readonly key: KeyObject
  /** Unix milliseconds. */
  readonly validFrom: number
  readonly validTo: number
  isFor(names: readonly string[]): boolean
}

/** The first certificate of the file, which is the signer's; undefined when there is none that may sign. */
export function readCertificate(pem: Buffer): SigningCertificate | undefined {
  if (pem.length > CERTIFICATE_CAP || !pem.includes('-----BEGIN CERTIFICATE-----')) return undefined
  try {
    const certificate = new X509Certificate(pem)
    const { publicKey: key, validFromDate, validToDate, ca } = certificate
    if (ca || !isStrongRsa(key)) return undefined
    return {
      key,
      validFrom: validFromDate.getTime(),
      validTo: validToDate.getTime(),
      isFor: (names) => names.some((name) => isNamed(certificate, name)),
    }
  } catch {
    return undefined
  }
}

/** Whether the certificate may prove something at `now`, unix milliseconds. Not a number is no time. */
export function isValidAt({ validFrom, validTo }: SigningCertificate, now: number): boolean {
  return now >= validFrom && now <= validTo
}

/** By its alternative names, or by its common name where it has none of them. */
function isNamed(certificate: X509Certificate, name: string): boolean {
  return certificate.checkHost(name, { wildcards: false, subject: 'default' }) !== undefined
}
