/**
 * THE table of log events: name, level, fields. In: nothing. Out: what may be logged, and the types that hold callers to it.
 * Refuses, by type, every other event and field. `test/golden/log-events.txt` shows it to reviewers.
 *
 * Nothing here carries a body, a secret or a sender's id: ids are Gatehouse's own, `path` loses its query, and of a fault
 * only name, code and place are kept, since messages quote what they failed on.
 */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** A kind with `?` may be left out. */
export type FieldKind = 'text' | 'text?' | 'number' | 'number?' | 'boolean' | 'path' | 'fault'

interface Declared {
  readonly level: LogLevel
  readonly fields: Readonly<Record<string, FieldKind>>
}

const TABLE = {
  // The gate itself.
  'gate.ready': {
    level: 'info',
    fields: { version: 'text', engine: 'text', public: 'text', admin: 'text', startMs: 'number' },
  },
  'gate.stopping': { level: 'info', fields: { signal: 'text', inFlight: 'number' } },
  'gate.stopped': { level: 'info', fields: { drainMs: 'number' } },
  'gate.failed': { level: 'error', fields: { fault: 'fault' } },
  'gate.claim-code-made': { level: 'info', fields: {} },

  // The store.
  'store.unavailable': { level: 'error', fields: { fault: 'fault' } },
  'store.recovered': { level: 'info', fields: { awayMs: 'number' } },
  'store.pruned': { level: 'debug', fields: { table: 'text', rows: 'number' } },
  'store.prune-failed': { level: 'warn', fields: { table: 'text', fault: 'fault' } },

  // Webhooks coming in. Refusals are everyday noise on the internet: counted, kept per channel, logged only on request.
  'ingress.accepted': {
    level: 'debug',
    fields: {
      requestId: 'text',
      channel: 'text',
      source: 'text',
      delivery: 'text',
      kind: 'text',
      bytes: 'number',
      ms: 'number',
    },
  },
  'ingress.duplicate': { level: 'debug', fields: { requestId: 'text', channel: 'text', source: 'text' } },
  'ingress.refused': {
    level: 'debug',
    fields: { requestId: 'text', channel: 'text?', source: 'text?', status: 'number', reason: 'text' },
  },
  'ingress.tenant-mismatch': {
    level: 'warn',
    fields: { requestId: 'text', channel: 'text', tenant: 'text', source: 'text' },
  },
  'ingress.shed': { level: 'warn', fields: { requestId: 'text', inFlightBytes: 'number' } },
  'ingress.failed': {
    level: 'error',
    fields: { requestId: 'text', channel: 'text?', step: 'text', fault: 'fault' },
  },

  'ingress.credential-unreadable': {
    level: 'error',
    fields: { channel: 'text', credential: 'text', fault: 'fault' },
  },

  'ingress.vendor-keys-unread': { level: 'warn', fields: { host: 'text', code: 'text', kept: 'boolean' } },

  // Deliveries going out.
  'delivery.attempted': {
    level: 'debug',
    fields: { delivery: 'text', subscription: 'text', mode: 'text', outcome: 'text', code: 'text' },
  },
  'delivery.dead': { level: 'warn', fields: { delivery: 'text', subscription: 'text', reason: 'text' } },
  'delivery.breaker': { level: 'warn', fields: { subscription: 'text', state: 'text' } },
  'delivery.failed': { level: 'error', fields: { step: 'text', fault: 'fault' } },

  // The admin listener.
  'admin.requested': {
    level: 'debug',
    fields: { requestId: 'text', method: 'text', path: 'path', status: 'number', ms: 'number' },
  },
  'admin.failed': { level: 'error', fields: { requestId: 'text', route: 'text', fault: 'fault' } },

  // Shared parts.
  'limits.redis-unavailable': { level: 'warn', fields: { fault: 'fault' } },
} as const satisfies Record<string, Declared>

type Table = typeof TABLE
export type LogEvent = keyof Table

interface KindValues {
  text: string
  number: number
  boolean: boolean
  path: string
  /** Whatever was thrown. */
  fault: unknown
}

type Required<K> = K extends keyof KindValues ? KindValues[K] : never
type Optional<K> = K extends `${infer Base}?` ? Required<Base> : never

type FieldsOf<F> = {
  readonly [N in keyof F as F[N] extends `${string}?` ? never : N]: Required<F[N]>
} & {
  readonly [N in keyof F as F[N] extends `${string}?` ? N : never]?: Optional<F[N]> | undefined
}

/** Fields by event, for those who emit. */
export type LogEvents = { readonly [E in LogEvent]: FieldsOf<Table[E]['fields']> }

export const LOG_EVENTS: Readonly<Record<LogEvent, Declared>> = TABLE

/** The table as text, for review. */
export function logEventTable(): string {
  const rows = Object.entries(LOG_EVENTS).map(([event, { level, fields }]) => {
    const list = Object.entries(fields).map(([name, kind]) => `${name}: ${kind}`)
    return `${event.padEnd(26)} ${level.padEnd(6)} ${list.join(', ')}`
  })
  return `${rows.join('\n')}\n`
}
