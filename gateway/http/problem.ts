/**
 * The outside face of a refusal: an RFC 9457 problem. In: a refusal with its evidence, and the request's id. Out: a
 * stable code, one sentence, headers. Refuses to carry anything over that a prober could use or that may be a secret:
 * no value that was sent is ever repeated.
 */
import { type Problem, REFUSALS, type RefusalCode } from '@gatehouse/contract/refusals.ts'
import type { Issue, Refused } from './refused.ts'

/** Seconds after which a store that was away is worth another try. */
const STORE_RETRY_SECONDS = 2

/** As much of a refusal as may be shown. */
interface Face {
  readonly code: RefusalCode
  readonly detail?: string
  readonly errors?: readonly Issue[]
  readonly headers?: Readonly<Record<string, string>>
}

export function problemOf(refusal: Refused, requestId: string): Response {
  const { code, detail, errors, headers } = faceOf(refusal)
  const { status, title } = REFUSALS[code]
  const problem: Problem = {
    type: `urn:gatehouse:refusal:${code}`,
    title,
    status,
    code,
    ...(detail !== undefined && { detail }),
    requestId,
    ...(errors !== undefined && { errors }),
  }
  return new Response(JSON.stringify(problem), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  })
}

/** The code a refusal goes out under; for the audit log and the metrics. */
export function codeOf(refusal: Refused): RefusalCode {
  return faceOf(refusal).code
}

function faceOf(refusal: Refused): Face {
  switch (refusal.refused) {
    case 'bearer':
      // Missing, unknown, expired, revoked: one face, so that a finder of old tokens learns nothing.
      return { code: 'unauthenticated', headers: { 'www-authenticate': 'Bearer realm="gatehouse"' } }
    case 'claim':
      return { code: 'claim-refused' }
    case 'rate':
      return { code: 'too-many', headers: { 'retry-after': String(Math.max(1, refusal.retryAfterSeconds)) } }
    case 'other-tenant':
    case 'no-route':
    case 'absent':
      return { code: 'not-found' }
    case 'method':
      return { code: 'method-not-allowed', headers: { allow: refusal.allow.join(', ') } }
    case 'who':
      return { code: 'forbidden', detail: `use this route: it wants ${refusal.wanted}` }
    case 'scope':
      return { code: 'forbidden', detail: `use this route: the token lacks the scope ${refusal.wanted}` }
    case 'beyond-own':
      return { code: 'forbidden', detail: `give out rights: the token itself lacks ${refusal.what}` }
    case 'content-type':
      return { code: 'content-type', detail: 'read the body: it is not declared application/json' }
    case 'too-large':
      return { code: 'too-large', detail: `read the body: it is larger than ${refusal.cap} bytes` }
    case 'unreadable':
      return { code: 'bad-request', errors: refusal.issues }
    case 'input':
      return { code: 'bad-request', errors: [{ path: refusal.path, message: refusal.message }] }
    case 'taken':
      return { code: 'conflict', detail: `name the ${refusal.what}: the name is taken, wanted another` }
    case 'state':
      return { code: 'conflict', detail: refusal.message }
    case 'key-missing':
      return { code: 'idempotency-key-missing' }
    case 'key-mismatch':
      return { code: 'idempotency-mismatch' }
    case 'not-ready':
      return { code: 'unavailable', detail: `be ready: ${refusal.failing.join(', ')} failing` }
    case 'store-away':
      return { code: 'unavailable', headers: { 'retry-after': String(STORE_RETRY_SECONDS) } }
    case 'failed':
      return { code: 'internal' }
  }
}
