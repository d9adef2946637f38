/**
 * Proves whose bytes a request carries. In: a channel's source, settings and live credentials, the request as received,
 * and the time. Out: a `VerifiedDelivery`, which only this file can make. Refuses a request without a well-formed
 * claim, signed outside the window, signed by no live credential, or whose reading failed in any way. Whether it was
 * delivered before, and which workspace it speaks of, are later questions.
 */
import { inspect } from 'node:util'
import { equal } from '@gatehouse/proof/bytes.ts'
import {
  type ClaimedSignature,
  type SignedParts,
  type VerifyingKey,
  isMacKey,
  mac,
  macKey,
  signedBy,
  signedDigest,
} from '@gatehouse/proof/webhook.ts'
import type { Claim, ClaimRefusal, RawRequest, Source } from './source.ts'

/** A credential that may prove now; which are live is the caller's knowledge. */
export interface LiveCredential {
  readonly id: string
  readonly key: VerifyingKey
}

/** As much of a channel as proof needs. */
export interface ProvingChannel {
  readonly source: Source
  readonly settings: unknown
  readonly credentials: readonly LiveCredential[]
}

/** Why a request is not believed. For operators and counters; every caller sees one plain answer. */
export type ProofRefusal =
  | ClaimRefusal
  | { readonly refused: 'timestamp'; readonly ageSeconds: number }
  | { readonly refused: 'signature'; readonly tried: number }
  | { readonly refused: 'no-credential' }
  | { readonly refused: 'decider-failed' }

/** Who signed what. The bytes that were signed are remembered: no other spelling of a request makes a copy new. */
interface Signer {
  readonly credentialId: string
  readonly signed: SignedParts
}

/** No secret: what is made with it is thrown away. */
const DECOY = macKey('hmac-sha256', Buffer.alloc(32))
const DECOY_CLAIM: ClaimedSignature = { algorithm: 'hmac-sha256', value: Buffer.alloc(32) }

/** A request whose sender has been proved. The private fields keep look-alikes out. */
export class VerifiedDelivery {
  readonly #request: RawRequest
  readonly #claim: Claim
  readonly #credentialId: string
  readonly #digest: Buffer

  private constructor(request: RawRequest, claim: Claim, { credentialId, signed }: Signer) {
    this.#request = request
    this.#claim = claim
    this.#credentialId = credentialId
    this.#digest = signedDigest(claim.remembered ?? signed)
  }

  /** The one way to get one. Any failure on the way is a refusal. */
  static verify(
    channel: ProvingChannel,
    request: RawRequest,
    nowSeconds: number,
  ): VerifiedDelivery | ProofRefusal {
    try {
      const claim = channel.source.claim(request, channel.settings)
      if ('refused' in claim) return claim
      const late = outsideWindow(channel, claim, nowSeconds)
      if (late !== undefined) return late
      const by = signer(channel.credentials, claim)
      return 'refused' in by ? by : new VerifiedDelivery(request, claim, by)
    } catch {
      return { refused: 'decider-failed' }
    }
  }

  /** The request as received. */
  get request(): RawRequest {
    return this.#request
  }

  /** The credential that proved it. */
  get credentialId(): string {
    return this.#credentialId
  }

  /** Unix seconds that the signature covers, where the vendor signs a time. */
  get sentAt(): number | undefined {
    return this.#claim.sentAt
  }

  /** SHA-256 of what was signed: no unsigned header can change it. */
  get digest(): Buffer {
    return this.#digest
  }

  /** A delivery id from a header, signed or not: remember it beside the digest, never instead of it. */
  get headerDeliveryId(): string | undefined {
    return this.#claim.deliveryId
  }

  toString(): string {
    return '[sealed]'
  }

  toJSON(): string {
    return '[sealed]'
  }

  [inspect.custom](): string {
    return '[sealed]'
  }
}

/** The work of refusing one bad HMAC-SHA-256, for channels that do not exist: time must not tell which do. */
export function decoy(request: RawRequest): ProofRefusal {
  matches(DECOY, [request.body], [DECOY_CLAIM])
  return { refused: 'signature', tried: 0 }
}

function outsideWindow(channel: ProvingChannel, claim: Claim, now: number): ProofRefusal | undefined {
  const { source, settings } = channel
  const tolerance = source.toleranceOf === undefined ? source.tolerance : source.toleranceOf(settings)
  if (claim.validity !== undefined) return outsideValidity(claim.validity, source.skew ?? 0, now)
  if (tolerance === undefined && claim.sentAt === undefined) return undefined
  // One without the other is a source that contradicts itself, and not a number: refused like every other.
  const age = now - (claim.sentAt ?? Number.NaN)
  return Math.abs(age) <= (tolerance ?? Number.NaN) ? undefined : { refused: 'timestamp', ageSeconds: age }
}

/** Asked this way round, times that are not numbers are refused too. */
function outsideValidity(
  { from, until }: NonNullable<Claim['validity']>,
  skew: number,
  now: number,
): ProofRefusal | undefined {
  if (now <= until + skew && (from === undefined || now >= from - skew)) return undefined
  return { refused: 'timestamp', ageSeconds: now - until }
}

/** The credential that signed, and what it signed. All are tried, so that time does not tell which is the good one. */
function signer(credentials: readonly LiveCredential[], claim: Claim): Signer | ProofRefusal {
  let by: Signer | undefined
  const spellings = [claim.signed, ...(claim.spellings ?? [])]
  for (const { id, key } of credentials) {
    for (const signed of spellings) {
      if (matches(key, signed, claim.signatures)) by ??= { credentialId: id, signed }
    }
  }
  if (by !== undefined) return by
  return credentials.length === 0
    ? { refused: 'no-credential' }
    : { refused: 'signature', tried: credentials.length }
}

/** Whether one of the claimed signatures is `key`'s. A MAC is made once, however many are claimed. */
function matches(key: VerifyingKey, parts: SignedParts, claimed: readonly ClaimedSignature[]): boolean {
  const alike = claimed.filter(({ algorithm }) => algorithm === key.algorithm)
  if (!isMacKey(key)) {
    return alike.map((one) => signedBy(key, parts, one)).includes(true)
  }
  const expected = mac(key.algorithm, key.key, parts)
  return alike.map(({ value }) => equal(expected, value)).includes(true)
}
