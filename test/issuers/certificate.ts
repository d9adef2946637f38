/**
 * Self-signed X.509 certificates for tests (RFC 5280), as few members as a reader of them needs. In: a name, times and a key.
 * Out: PEM. Refuses nothing: expired, weak and wrongly named ones are what tests are about.
 */
import { type KeyObject, createPublicKey, sign } from 'node:crypto'

const SHA256_RSA = Buffer.from('300d06092a864886f70d01010b0500', 'hex')
const COMMON_NAME = Buffer.from('0603550403', 'hex')
const ALTERNATIVE_NAME = Buffer.from('0603551d11', 'hex')
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex')

export interface CertificateOptions {
  readonly name: string
  readonly key: KeyObject
  /** Unix milliseconds. */
  readonly from: number
  readonly to: number
  readonly isAuthority?: boolean
}

export function makeCertificate({ name, key, from, to, isAuthority = false }: CertificateOptions): string {
  const who = der(0x30, der(0x31, der(0x30, COMMON_NAME, der(0x0c, Buffer.from(name)))))
  const names = extension(ALTERNATIVE_NAME, der(0x30, der(0x82, Buffer.from(name))))
  const authority = isAuthority ? der(0x01, Buffer.from([0xff])) : Buffer.alloc(0)
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    SHA256_RSA,
    who,
    der(0x30, time(from), time(to)),
    who,
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, names, extension(BASIC_CONSTRAINTS, der(0x30, authority)))),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, key))
  const lines = der(0x30, body, SHA256_RSA, signature)
    .toString('base64')
    .match(/.{1,64}/g)
  return `-----BEGIN CERTIFICATE-----\n${(lines ?? []).join('\n')}\n-----END CERTIFICATE-----\n`
}

function extension(id: Buffer, value: Buffer): Buffer {
  return der(0x30, id, der(0x04, value))
}

/** GeneralizedTime. */
function time(at: number): Buffer {
  return der(0x18, Buffer.from(new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '')))
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const short = content.length < 0x80
  const length = short ? [content.length] : [0x82, content.length >> 8, content.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}
