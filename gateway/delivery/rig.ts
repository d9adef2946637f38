/**
 * A small gate around delivery, for its tests only. In: an open store. Out: tenants, channels and subscriptions in it,
 * deliveries accepted as the ingress room does, and needs whose clock can be moved. Refuses nothing; nothing of it is
 * imported by the gate.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '../store/id.ts'
import type { Schema } from '../store/schema.ts'
import type { Store } from '../store/store.ts'
import { type Accepted, fanOut } from './fan-out.ts'
import type { Attempt, BreakerChange, DeliveryEvent, DeliveryNeeds } from './needs.ts'

export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

export interface Rig extends DeliveryNeeds {
  readonly tenant: string
  readonly channel: string
  readonly attempts: Attempt[]
  readonly events: DeliveryEvent[]
  readonly troubles: unknown[]
  readonly breakers: BreakerChange[]
  /** Moves the clock by so many milliseconds. */
  pass(ms: number): void
  subscribe(mode: 'push' | 'pull', changes?: Partial<Schema['subscription']>): Promise<string>
  accept(count?: number, text?: string, marks?: Pick<Accepted, 'orderKey' | 'lease'>): Promise<string[]>
  rows(): Promise<Schema['dispatch'][]>
}

export async function openRig(store: Store, changes: Partial<DeliveryNeeds> = {}): Promise<Rig> {
  let shift = 0
  const clock = (): number => Date.now() + shift
  const tenant = newId('ten_', clock())
  const channel = newId('chn_', clock())
  const attempts: Attempt[] = []
  const events: DeliveryEvent[] = []
  const troubles: unknown[] = []
  const breakers: BreakerChange[] = []
  await store.write(async ({ db }) => {
    await db.insertInto('tenant').values({ id: tenant, name: tenant, created_at: clock() }).execute()
    await db
      .insertInto('channel')
      .values(channelRow(tenant, channel, clock()))
      .execute()
  })
  return {
    store,
    clock,
    tenant,
    channel,
    attempts,
    events,
    troubles,
    breakers,
    // Sealing is not what is tested here: a blob is its own content.
    seal: async (_tenant, _place, bytes) => bytes,
    unseal: async (_tenant, _place, blob) => blob,
    unpack: (bytes) => ({
      facts: { workspaces: [], kind: 'message', text: bytes.toString() },
      contentType: 'text/plain',
      body: bytes,
    }),
    post: async () => ({ answered: true, status: 200, retryAfter: undefined }),
    call: async () => ({ answered: false, code: 'connect-refused' }),
    append: async (_tx, more) => events.push(...more),
    report: {
      attempted: (attempt) => void attempts.push(attempt),
      troubled: (work, error) => void troubles.push([work, error]),
      breaker: (change) => void breakers.push(change),
    },
    random: () => 0.5,
    randomBytes,
    ...changes,
    pass: (ms) => void (shift += ms),
    async subscribe(mode, more = {}) {
      const id = newId('sub_', clock())
      await store.write(async ({ db }) => {
        await db
          .insertInto('subscription')
          .values({ ...subscriptionRow(tenant, id, mode, clock()), ...more })
          .execute()
        const { sync = null, ordered = null } = more
        const bound = { subscription_id: id, channel_id: channel, tenant_id: tenant, sync, ordered }
        await db.insertInto('subscription_channel').values(bound).execute()
      })
      return id
    },
    async accept(count = 1, text = 'hello', marks = {}) {
      const ids = Array.from({ length: count }, () => newId('dlv_', clock()))
      await store.write(async (tx) => {
        const rows = ids.map((id) => inboxRow(tenant, channel, id, text, clock()))
        await tx.insertMany('inbox', rows)
        await fanOut(
          tx,
          ids.map((id) => ({ deliveryId: id, channelId: channel, tenantId: tenant, ...marks })),
          clock(),
        )
      })
      return ids
    },
    rows: () => store.read.selectFrom('dispatch').selectAll().orderBy('id').execute(),
  }
}

/** Where a test leaves what must be closed, last first, before its store is taken away. */
export interface Tidy {
  after(close: () => unknown): void
}

/** A body whose leavings are closed when it ends, however it ends. */
export function tidied<E>(body: (engine: E, tidy: Tidy) => Promise<void>): (engine: E) => Promise<void> {
  return async (engine) => {
    const closes: (() => unknown)[] = []
    try {
      await body(engine, { after: (close) => void closes.push(close) })
    } finally {
      for (const close of closes.toReversed()) await close()
    }
  }
}

/** Waits until `holds` does; fails after five seconds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error('wait in a test: it did not come to be within 5 s')
    await sleep(5)
  }
}

function channelRow(tenant: string, id: string, now: number): Schema['channel'] {
  return {
    id,
    tenant_id: tenant,
    name: id,
    source: 'test',
    workspaces: null,
    settings: '{}',
    replay_ms: 1_000,
    state: 'active',
    created_at: now,
  }
}

function subscriptionRow(
  tenant: string,
  id: string,
  mode: 'push' | 'pull',
  now: number,
): Schema['subscription'] {
  const isPush = mode === 'push'
  return {
    id,
    tenant_id: tenant,
    name: id,
    mode,
    url: isPush ? 'https://example.com/hook' : null,
    secret_sealed: isPush ? Buffer.from(SECRET) : null,
    inline_body: 0,
    state: 'active',
    created_at: now,
    sync: null,
    ordered: null,
    held_until: null,
    held_ms: null,
    held_why: null,
  }
}

function inboxRow(tenant: string, channel: string, id: string, text: string, now: number): Schema['inbox'] {
  return {
    id,
    tenant_id: tenant,
    channel_id: channel,
    source: 'test',
    kind: 'message',
    credential_id: 'crd_test',
    signed_at: null,
    received_at: now,
    size: text.length,
    sealed: Buffer.from(text),
  }
}
