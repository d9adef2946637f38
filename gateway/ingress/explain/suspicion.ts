/**
 * What may have happened to a request on its way, as a value that can be tried. In: the request as recorded. Out: the
 * request as it may have been sent, or another secret or setting, with words for a person. Refuses nothing and proves
 * nothing; `explain.ts` tries each with the listener's own proof.
 */
import type { RawRequest } from '../source.ts'

export interface Suspicion {
  /** Stable name of the cause, such as `body-reserialised`. */
  readonly what: string
  /** What was changed to try it: lengths, names, layouts; never a secret, a header's value or a signature. */
  readonly evidence: string
  /** What to do when this is it. */
  readonly next: string
  readonly request?: RawRequest
  /** In place of the given secret. */
  readonly secret?: string
  /** In place of the key that the source makes of the secret: raw bytes of a MAC key. */
  readonly keyBytes?: Buffer
  /** Another role's key, made of the same text. */
  readonly role?: string
  readonly settings?: unknown
}
