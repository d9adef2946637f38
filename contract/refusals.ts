/**
 * Every refusal the gate gives, as the outside sees it: a stable code, a status and a plain title. A code never says
 * more to a prober than its status does. Each has a page in `docs/refusals/`; a test keeps the two alike.
 */
export const REFUSALS = {
  'not-proved': { status: 401, title: 'The sender could not be proved' },
  'vendor-forbidden': { status: 403, title: 'The sender could not be proved' },
  'other-workspace': {
    status: 403,
    title: 'The delivery names a workspace that this channel is not bound to',
  },
  malformed: { status: 400, title: 'The body is not what this channel takes' },
  'bad-request': { status: 400, title: 'The request cannot be read' },
  'no-such-channel': { status: 404, title: 'There is no such channel' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'method-not-allowed': { status: 405, title: 'This method is not taken here' },
  'length-required': { status: 411, title: 'The length of the body must be declared' },
  'too-large': { status: 413, title: 'The body is larger than taken here' },
  'content-type': { status: 415, title: 'This content type is not taken here' },
  'slow-body': { status: 408, title: 'The body came too slowly' },
  'too-many': { status: 429, title: 'Too many requests' },
  unavailable: { status: 503, title: 'The gate cannot take this now; nothing was stored' },
  unauthenticated: { status: 401, title: 'A valid bearer token is needed' },
  'claim-refused': { status: 401, title: 'This claim code is not valid' },
  forbidden: { status: 403, title: 'This token may not do that' },
  conflict: { status: 409, title: 'The state of the resource does not allow that' },
  'idempotency-mismatch': { status: 409, title: 'This idempotency key was used with another request' },
  'idempotency-key-missing': { status: 400, title: 'A change needs an Idempotency-Key header' },
  internal: { status: 500, title: 'The gate failed; it is logged under the request id' },
} as const satisfies Record<string, { status: number; title: string }>

export type RefusalCode = keyof typeof REFUSALS

/** RFC 9457 problem, as every refusal of the admin API is sent. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: RefusalCode
  readonly detail?: string
  readonly requestId?: string
  readonly errors?: readonly { readonly path: string; readonly message: string }[]
}
