/**
 * What the admin verbs need of other rooms, as small interfaces that `wire.ts` fills, and how they say no. In: nothing.
 * Out: types. Refuses nothing itself.
 */
import type { z } from 'zod'
import type { Place } from '@gatehouse/proof/sealed.ts'
import type { Tx } from '../store/store.ts'

/** What a credential is, so that a person can be asked for it. */
export interface CredentialKind {
  readonly kind: 'secret' | 'public-key'
  readonly hint: string
  readonly generated: boolean
  /** A credential's text from 32 fresh random bytes, in the vendor's spelling. */
  make?(random: Uint8Array): string
}

/** As much of a source as setting a channel up asks for. */
export interface ChannelSource {
  readonly name: string
  readonly title: string
  readonly docs: string
  readonly tolerance: number | undefined
  readonly retrySpan: number
  readonly settings: z.ZodType
  readonly credential: CredentialKind
  /** There where the vendor reads the answer to some of its deliveries. */
  readonly answers?: unknown
  readonly otherCredentials?: Readonly<Record<string, CredentialKind>>
  /** With `never`, binding a channel to a workspace can only be a mistake. */
  readonly namesWorkspace: 'always' | 'sometimes' | 'never'
  toleranceOf?(settings: unknown): number | undefined
  /** What is weak about these settings, a sentence each. */
  warnings?(settings: unknown): readonly string[]
  /** Throws `RangeError` with a sentence, never the secret, when it cannot be one. */
  key(secret: string, settings: unknown, role?: string): unknown
}

type At = Omit<Place, 'tenant'>

export interface AdminNeeds {
  readonly random: (bytes: number) => Buffer
  readonly keyring: {
    seal(tenant: string, place: At, bytes: Uint8Array): Promise<Buffer>
    unseal(tenant: string, place: At, blob: Uint8Array): Promise<Buffer>
  }
  readonly sources: {
    named(name: string): ChannelSource | undefined
    all(): readonly ChannelSource[]
  }
  /** Whether text is one of the words that examples and templates put where a secret belongs. */
  isPlaceholder(text: string): boolean
  /** Whether a push may go there, as far as its text says; the dialler judges every address again. */
  pushUrl(url: string): { readonly ok: true } | { readonly ok: false; readonly problem: string }
  /** Makes dispatch rows that send a delivery again, to all its subscriptions or to one; answers their ids. */
  replay(tx: Tx, ask: ReplayAsk): Promise<readonly string[]>
  /** What a replay of many deliveries would send now. */
  previewReplay(tenant: string, filter: ReplayFilter): Promise<ReplayPreview>
  /** The raw body out of what the inbox keeps, unsealed. */
  bodyOf(content: Buffer): Uint8Array
  /** Fetches a file that a delivery refers to; undefined when it refers to none of that number. */
  openAttachment(ask: AttachmentAsk): Promise<AttachmentOpened | undefined>
  /** The bearer of a pull subscription. */
  issueToken(tx: Tx, ask: TokenAsk): Promise<{ readonly token: string }>
  revokeTokensOf(tx: Tx, subscription: string): Promise<void>
  /** Origin of the public listener as the outside sees it, when known. */
  readonly publicUrl: string | undefined
  /** Days of replay memory where neither the channel nor its vendor says more. */
  readonly replayDays: number
}

export interface AttachmentAsk {
  readonly source: string
  /** What the inbox keeps, unsealed. */
  readonly content: Buffer
  /** From 0, as the envelope counts. */
  readonly at: number
  readonly token: string | undefined
  readonly signal: AbortSignal
}

export type AttachmentOpened = { readonly bytes: Uint8Array } | { readonly problem: string }

export interface ReplayAsk {
  readonly tenant: string
  readonly delivery: string
  readonly subscription: string | undefined
  readonly now: number
}

/** Which deliveries a replay is about; times are Unix milliseconds. */
export interface ReplayFilter {
  readonly channel?: string | undefined
  readonly subscription?: string | undefined
  readonly state?: 'done' | 'dead' | undefined
  readonly kind?: string | undefined
  readonly since?: number | undefined
  readonly until: number
}

export interface ReplayPreview {
  readonly deliveries: number
  readonly dispatches: number
  readonly complete: boolean
}

export interface TokenAsk {
  readonly name: string
  readonly tenant: string
  readonly subscription: string
  readonly scopes: readonly string[]
  readonly now: number
}

/** `absent`: not there. `taken`: the name is. `input`: a value that its shape could not refuse. `state`: not now. */
export type AdminRefused =
  | { readonly refused: 'absent'; readonly what: string }
  | { readonly refused: 'taken'; readonly what: string }
  | { readonly refused: 'input'; readonly path: string; readonly message: string }
  | { readonly refused: 'state'; readonly message: string }

export function isRefused<T extends object>(
  result: T | AdminRefused,
): result is Extract<T | AdminRefused, { readonly refused: unknown }> {
  return 'refused' in result
}
