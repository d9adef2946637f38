/**
 * The skeleton that every source fills: how one vendor proves its webhooks and what they say. A source is a value,
 * pure and without state: requests and settings come in, claims and facts go out. It never compares a signature, reads
 * a clock, stores or answers; `verify.ts` and `receive.ts` do, the same way for all.
 */
import type { z } from 'zod'
import type { ClaimedSignature, MacAlgorithm, SignedParts, VerifyingKey } from '@gatehouse/proof/webhook.ts'
import type { Json } from '@gatehouse/proof/canonical.ts'

/** A request as received: nothing decoded, nothing parsed. */
export interface RawRequest {
  readonly method: string
  /** Path and query exactly as on the request line. */
  readonly target: string
  /** Header values by lower-case name; a header sent twice never gets here with two values (`receive.ts` refuses). */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** The URL as the vendor called it, by the operator's `publicUrl` and never by a header; undefined when not set. */
  readonly publicUrl?: string | undefined
}

/** What the request says of its own proof. */
export interface Claim {
  /** Unix time in seconds that the signature covers, or undefined where the vendor signs none. */
  readonly sentAt: number | undefined
  /** The bytes the vendor signed, in order, as received. Their digest is the replay memory's key. */
  readonly signed: SignedParts
  /** Other bytes the vendor may have signed for this very request, where it is not consistent; each costs a MAC. */
  readonly spellings?: readonly SignedParts[]
  /** Alternatives: one good signature under one live key is proof. */
  readonly signatures: readonly ClaimedSignature[]
  /** A delivery id that stands in a header, whether the signature covers it or not. */
  readonly deliveryId?: string
  /** For tokens that live from a time until another, unix seconds: both checked with the source's `skew`. */
  readonly validity?: { readonly from: number | undefined; readonly until: number }
  /** What is remembered against replay where that is more than was signed: a token that covers no body. */
  readonly remembered?: SignedParts
}

/** A key that is not in the channel but with the vendor, named by the request. The URL is checked by the source. */
export type KeyRef =
  | {
      readonly kind: 'jwks'
      readonly url: string
      readonly kid: string
      readonly algorithm: 'rsa-sha256'
      /** Whether the key may be used here, by the members beside it in the set (Bot Framework endorsements). */
      readonly permits?: (jwk: Readonly<Record<string, unknown>>) => boolean
    }
  | {
      readonly kind: 'x509'
      readonly url: string
      readonly algorithm: 'rsa-sha1' | 'rsa-sha256'
      /** The certificate must be for one of these host names. */
      readonly names: readonly string[]
    }

/** An answer that proves we hold the secret too: made with the credential that proved the question. */
export interface SignedAnswer {
  readonly algorithm: MacAlgorithm
  readonly parts: SignedParts
  readonly render: (mac: Buffer) => Answer
}

/** Why a request carries no proof. For operators only; every caller sees one plain 401. */
export type ClaimRefusal =
  | { readonly refused: 'missing-header'; readonly header: string }
  | { readonly refused: 'malformed-header'; readonly header: string }
  /** Proof of somebody else, or for somebody else: a good signature would say nothing here. */
  | { readonly refused: 'issuer' | 'audience' }
  /** The vendor's key is said to be where this vendor has none. */
  | { readonly refused: 'cert-url' }

/** A verified body, parsed within limits: JSON as it stands, forms as a record of text with own names only. */
export type ParsedBody =
  | { readonly type: 'json'; readonly value: Json }
  | { readonly type: 'form'; readonly value: Readonly<Record<string, string>> }
  | { readonly type: 'other' }

/** What Gatehouse answers to the vendor. */
export interface Answer {
  readonly status: number
  readonly contentType?: string
  readonly body?: string
}

/** What an app may say to a callback: a shape for each status. Nothing at all may always be said. */
export interface AnswerRule {
  readonly shapes: ReadonlyMap<number, z.ZodType>
}

/** For vendors that read the answer to some of their deliveries. */
export interface Answers {
  /** Milliseconds the vendor waits. */
  readonly budgetMs: number
  /** Undefined where the vendor does not read the answer. */
  rule(facts: Facts): AnswerRule | undefined
}

/** Who did it, where: vendor ids as text, all optional but `id`. */
export interface Party {
  readonly id: string
  readonly name?: string
}

/** A file that a delivery refers to; fetched when somebody asks for it, and not before. */
export interface Attachment {
  readonly id: string
  readonly name?: string
  /** As the vendor declares it. */
  readonly contentType?: string
  /** Bytes, as the vendor declares them. */
  readonly size?: number
  readonly url: string
}

/** What a proved body says, in Gatehouse's terms. */
export interface Facts {
  /** Answer now and deliver nothing: the vendor only asks whether we are there. Its own signature has been checked. */
  readonly handshake?: Answer
  /** Like `handshake`, where the vendor wants to see that we hold the secret. Sign nothing that could be a body. */
  readonly challenge?: SignedAnswer
  /** A URL that the vendor wants fetched once, after proof, through the guarded dialler; the answer follows it. */
  readonly visit?: string
  /** The vendor's id of this delivery, when the body holds one. */
  readonly deliveryId?: string
  /** Workspaces, teams, accounts or apps that body or headers name; each must be one the channel is bound to. */
  readonly workspaces: readonly string[]
  /** `message`, `command`, `interaction`, `reaction`, `member`, `installation`, `push`, `payment` …; unknown ones are `other`. */
  readonly kind: string
  /** The vendor's own name of the event, such as `NEW_MESSAGE`. */
  readonly event?: string
  readonly actor?: Party
  readonly conversation?: Party
  readonly text?: string
  readonly locale?: string
  readonly attachments?: readonly Attachment[]
  /** What the vendor wants to hear for this kind, where that differs from the source's `ack`. */
  readonly ack?: Answer
}

/** A proved body that is not what this vendor sends. Answered 400. */
export interface Malformed {
  readonly malformed: string
  /** The proof and the body name different senders: answered as if there were no proof. */
  readonly contradicted?: true
}

/** What a credential of this source is, so that a person can be asked for it and a wrong one refused at once. */
export interface CredentialShape {
  /** `secret`: shared with the vendor, kept sealed. `public-key`: the vendor's, sealed all the same. */
  readonly kind: 'secret' | 'public-key'
  /** One sentence: where in the vendor's settings it stands. */
  readonly hint: string
  /** Whether Gatehouse may make one up (the vendor lets its user choose). */
  readonly generated: boolean
  /** A credential's text from 32 fresh random bytes, in the vendor's spelling; there where `generated` is true. */
  make?(random: Uint8Array): string
}

/** A vendor, as far as its webhooks go. `S` is the shape of the channel's settings. */
export interface Source<S = unknown> {
  readonly name: string
  readonly title: string
  readonly docs: string
  readonly methods: readonly ('POST' | 'GET')[]
  /** Media types taken, without parameters; undefined takes any, for vendors that send what they like. */
  readonly contentTypes: readonly string[] | undefined
  /**
   * Forms in which this vendor's bodies come. Which one a body is, its bytes decide, never its content type: that is a
   * header nobody signs, and whoever changed it could hide a workspace. With `text`, what is neither is taken unread.
   */
  readonly bodies: readonly ('json' | 'form' | 'text')[]
  /**
   * Whether deliveries name a workspace. With `always`, a channel that is bound to workspaces refuses a delivery that
   * names none; with `never`, binding one to a workspace can only be a mistake.
   */
  readonly namesWorkspace: 'always' | 'sometimes' | 'never'
  /** Largest body in bytes. */
  readonly bodyCap: number
  /** Seconds a signed time may differ from ours, or undefined where the vendor signs none (the page says so). */
  readonly tolerance: number | undefined
  /** Seconds after which the vendor has given up repeating a delivery; the replay memory is never shorter. */
  readonly retrySpan: number
  readonly settings: z.ZodType<S>
  readonly credential: CredentialShape
  /** Further secrets by role, such as the token of a GET challenge: one key is never used for two things. */
  readonly otherCredentials?: Readonly<Record<string, CredentialShape>>
  /** Hosts where this vendor keeps the files its deliveries refer to; no other is asked for one. */
  readonly attachmentHosts?: readonly string[]
  /** Seconds that clocks may differ when a claim has a validity of its own. */
  readonly skew?: number
  /** 401 unless the vendor demands 403. */
  readonly refusalStatus: 401 | 403
  /** The answer to an accepted delivery and to its duplicates. */
  readonly ack: Answer
  /** What apps may answer through a subscription that is `sync`. */
  readonly answers?: Answers
  /** Tolerance of one channel where its settings may change it (generic-hmac); seconds or undefined for none. */
  toleranceOf?(settings: S): number | undefined
  /** What is weak about these settings, a sentence each, for whoever makes the channel; nothing when nothing is. */
  warnings?(settings: S): readonly string[]
  /**
   * Other settings under which this request may have been signed, with words that end "it is signed …". For
   * `source explain` alone: the door tries the channel's own settings and no others.
   */
  variants?(request: RawRequest, settings: S): readonly { readonly says: string; readonly settings: S }[]
  /** A key from a credential's text; throws `RangeError` with a sentence (never the secret) when it cannot be one. */
  key(secret: string, settings: S, role?: string): VerifyingKey
  /** Where the vendor's own key is, when it is not a credential of the channel. Read before anything is proved. */
  keyRef?(request: RawRequest, settings: S): KeyRef | ClaimRefusal | undefined
  claim(request: RawRequest, settings: S): Claim | ClaimRefusal
  facts(request: RawRequest, body: ParsedBody, settings: S): Facts | Malformed
}
