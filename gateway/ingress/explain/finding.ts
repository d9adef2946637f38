/**
 * What is known of a recorded request, and what is found out about it. In: nothing. Out: the shapes of a case, of its
 * findings and of the whole explanation. Refuses nothing.
 */
import type { RawRequest, Source } from '../source.ts'
import type { LiveCredential } from '../verify.ts'
import type { HeaderList } from './headers.ts'

export interface Finding {
  readonly what: string
  /** `cause`: this alone makes it pass. `part`: it passes with the other parts. `sign`: seen, not proved. */
  readonly weight: 'cause' | 'part' | 'sign'
  readonly evidence: string
  readonly next: string
}

export interface Explanation {
  readonly source: string | null
  readonly verdict: 'accept' | 'reject'
  /** Where it ended: `record`, `credential`, `header`, `vendor-key`, `timestamp`, `signature`; null for one that passes. */
  readonly step: string | null
  readonly findings: readonly Finding[]
  /** Requests and secrets tried with the listener's proof. */
  readonly tried: number
}

/** A credential's text; role '' is the source's own. */
export interface GivenSecret {
  readonly value: string
  readonly role: string
}

/** A recorded request, ready to be tried. */
export interface Case {
  readonly source: Source
  readonly settings: unknown
  readonly request: RawRequest
  /** Every header, doubled ones too. */
  readonly came: HeaderList
  readonly secrets: readonly GivenSecret[]
  readonly credentials: readonly LiveCredential[]
  readonly now: number
  /** Whether the record says when it came. */
  readonly timed: boolean
}

export function sign(what: string, evidence: string, next: string): Finding {
  return { what, weight: 'sign', evidence, next }
}
