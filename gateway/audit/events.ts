/**
 * What the audit log may say: each action with the names its details may have. In: nothing. Out: the table. Entries are
 * content-free by this schema: ids, counts and codes, never a body, a secret, a text or a vendor's user.
 */

/** Detail values are short machine words; a test sends a canary through every action. */
export type Detail = string | number | boolean

export const AUDIT_ACTIONS = {
  'gate.claim-code-made': [],
  'gate.claimed': ['token'],
  'tenant.created': [],
  'token.created': ['scopes'],
  'token.revoked': ['reason'],
  'channel.created': ['source'],
  'channel.updated': ['changed'],
  'credential.created': ['channel'],
  'credential.rotated': ['channel', 'previous', 'overlapSeconds'],
  'credential.revoked': ['channel', 'reason'],
  'subscription.created': ['mode'],
  'subscription.updated': ['changed'],
  'subscription.deleted': [],
  'delivery.accepted': ['channel', 'kind', 'credential'],
  'delivery.done': ['subscription', 'attempts'],
  'delivery.dead': ['subscription', 'attempts', 'error'],
  'delivery.replayed': ['subscription', 'reason', 'dispatches'],
  'delivery.retried': ['subscription', 'reason', 'dispatches'],
  'delivery.body-read': [],
  'delivery.attachment-read': ['attachment'],
  'replay.started': ['channel', 'subscription', 'state', 'kind', 'since', 'until', 'reason'],
  'replay.batch': ['examined', 'dispatches', 'done'],
  'replay.cancelled': ['reason'],
  'access.denied': ['code'],
  'security.tenant-mismatch': ['channel', 'source'],
} as const satisfies Record<string, readonly string[]>

export type AuditAction = keyof typeof AUDIT_ACTIONS

/** One event, before it has a place in the log. */
export interface AuditEvent {
  readonly action: AuditAction
  /** '' for the platform. */
  readonly tenant: string
  /** A token's id, `gate`, or `source:<name>`. */
  readonly actor: string
  /** The id of what it happened to. */
  readonly target: string
  readonly outcome: 'allowed' | 'denied' | 'held' | 'failed'
  readonly requestId: string
  readonly details?: Readonly<Record<string, Detail>>
}

/** Longest detail text: a sentence of reason from an operator. */
const DETAIL_CAP = 500

/** The event's details, checked against the table; throws on an action or a name the table does not have. */
export function checkedDetails(event: AuditEvent): Record<string, Detail> {
  if (!Object.hasOwn(AUDIT_ACTIONS, event.action))
    throw new Error(`append to the audit log: there is no action ${event.action}`)
  const allowed: readonly string[] = AUDIT_ACTIONS[event.action]
  const details: Record<string, Detail> = {}
  for (const [name, value] of Object.entries(event.details ?? {})) {
    if (!allowed.includes(name))
      throw new Error(`append to the audit log: ${event.action} has no detail ${name}`)
    // A list or an object could carry anything.
    if (typeof value === 'object') throw new Error(`append to the audit log: ${name} is not one plain value`)
    details[name] = typeof value === 'string' ? value.slice(0, DETAIL_CAP).toWellFormed() : value
  }
  return details
}
