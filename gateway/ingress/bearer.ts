/**
 * Reads a token that a vendor's platform signed, where a request carries one for proof. In: a request. Out: the token taken
 * apart, its key id, and the claim it makes. Refuses another scheme than Bearer, any algorithm but RS256, a token without key
 * id or end, and extensions; who may have issued it for whom, each source says.
 *
 * Such a token covers no body: whoever holds one may write what he likes until it ends. What is remembered against replay
 * is therefore the body, and a source checks all that token and body say alike.
 */
import { type CompactJws, splitJws, textOf, timeOf } from '@gatehouse/proof/jwt.ts'
import { malformed, required } from './header.ts'
import { KID_CAP } from './key-set.ts'
import type { Claim, ClaimRefusal, RawRequest } from './source.ts'

const HEADER = 'authorization'
/** RFC 9110 section 11.1: the scheme is read without regard to case. */
const BEARER = /^Bearer ([\x21-\x7e]+)$/i

export interface BearerToken extends CompactJws {
  readonly kid: string
}

export function bearerToken(request: RawRequest): BearerToken | ClaimRefusal {
  const headers = required(request, HEADER)
  if ('refused' in headers) return headers
  const token = BEARER.exec(headers[0])?.[1]
  const jws = token === undefined ? undefined : splitJws(token)
  if (jws === undefined) return malformed(HEADER)
  const { alg, typ = 'JWT' } = jws.header
  // Pinned, never negotiated (RFC 8725 section 3.1): `none` and HMAC under a public key are how such checks were fooled.
  if (alg !== 'RS256' || typeof typ !== 'string' || typ.toUpperCase() !== 'JWT') return malformed(HEADER)
  const kid = textOf(jws.header, 'kid')
  return kid === undefined || kid.length > KID_CAP ? malformed(HEADER) : { ...jws, kid }
}

/** The claim of a token over this request. */
export function bearerClaim(
  { payload, signed, signature }: BearerToken,
  request: RawRequest,
): Claim | ClaimRefusal {
  const until = timeOf(payload, 'exp')
  const from = timeOf(payload, 'nbf') ?? timeOf(payload, 'iat')
  const odd = Object.hasOwn(payload, 'nbf') && timeOf(payload, 'nbf') === undefined
  if (until === undefined || odd) return malformed(HEADER)
  return {
    sentAt: undefined,
    signed: [signed],
    signatures: [{ algorithm: 'rsa-sha256', value: signature }],
    validity: { from, until },
    remembered: [request.body],
  }
}
