/**
 * Ends leases. In: the names of leases and how their tries ended. Out: for each what became of its dispatch: done, due
 * again, dead, or `gone` when the lease is not in force; dispatches and their audit leaves change in one transaction.
 * Refuses, as `gone`, a name that is wrong, of another subscription, or superseded, and on the pull side one that ran out.
 */
import type { Database } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import type { DeliveryEvent, DeliveryNeeds, Mode } from './needs.ts'
import { freeNext } from './order.ts'
import type { Lease } from './queue.ts'
import { type Next, type Outcome, next } from './schedule.ts'

export interface Settlement {
  readonly lease: string
  readonly outcome: Outcome
}

export interface Settled {
  readonly state: 'done' | 'pending' | 'dead' | 'gone'
  /** Absent when gone. */
  readonly dispatch?: Lease
}

/** Who ends them: the gate's own pusher, or an app with its token. */
export interface Settler {
  readonly mode: Mode
  readonly actor: string
  readonly requestId: string
  /** Set for pull: no lease of another subscription is touched. */
  readonly subscription?: { readonly id: string; readonly tenant: string }
}

/** Settles all of them in one transaction, in any order; answers in the order asked. */
export async function settle(
  needs: DeliveryNeeds,
  asked: readonly Settlement[],
  by: Settler,
): Promise<Settled[]> {
  const outcomes = new Map(asked.map(({ lease, outcome }) => [lease, outcome]))
  if (outcomes.size === 0) return []
  const settled = await needs.store.write(async (tx) => {
    const now = needs.clock()
    const held = await lock(tx.db, [...outcomes.keys()], by, needs.store.engine === 'postgres', now)
    const ends = held.map((dispatch): End => {
      const outcome = outcomes.get(dispatch.lease) ?? { ended: 'released' }
      return { dispatch, outcome, next: next(outcome, dispatch.attempt, now, needs.random()) }
    })
    await write(tx, ends, now)
    const ended = ends.filter((end) => end.next.state === 'done' || end.next.state === 'dead')
    await freeNext(
      tx,
      ended.map(({ dispatch }) => dispatch),
    )
    const leaves = ends.flatMap((end) => leaf(end, by))
    if (leaves.length > 0) await needs.append(tx, leaves, now)
    return new Map(ends.map(({ dispatch, next: { state } }) => [dispatch.lease, { state, dispatch }]))
  })
  return asked.map(({ lease }) => settled.get(lease) ?? { state: 'gone' })
}

interface End {
  readonly dispatch: Lease
  readonly outcome: Outcome
  readonly next: Next
}

async function lock(
  db: Database,
  leases: readonly string[],
  by: Settler,
  forUpdate: boolean,
  now: number,
): Promise<Lease[]> {
  let query = db
    .selectFrom('dispatch')
    .select(['id', 'lease', 'tenant_id', 'delivery_id', 'subscription_id', 'attempts', 'replay', 'order_key'])
    // The dispatch is named in the lease: found by primary key, proved by the whole name.
    .where(
      'id',
      'in',
      leases.map((lease) => lease.slice(lease.indexOf('.') + 1)),
    )
    .where('lease', 'in', leases)
    .where('state', '=', 'leased')
    .orderBy('id')
  const { subscription } = by
  if (subscription !== undefined) {
    query = query.where('subscription_id', '=', subscription.id).where('tenant_id', '=', subscription.tenant)
    // The gate may still settle a late lease of its own that nobody took over; an app is told that its time was up.
    query = query.where('lease_until', '>', now)
  }
  const rows = await (forUpdate ? query.forUpdate() : query).execute()
  return rows.map((row) => ({
    lease: row.lease ?? '',
    id: row.id,
    tenant: row.tenant_id,
    deliveryId: row.delivery_id,
    subscriptionId: row.subscription_id,
    attempt: row.attempts,
    replay: row.replay === 1,
    orderKey: row.order_key ?? undefined,
  }))
}

const UNLEASED = { lease: null, lease_until: null } as const

async function write(tx: Tx, ends: readonly End[], now: number): Promise<void> {
  const done = ends.filter((end) => end.next.state === 'done')
  for (const group of Map.groupBy(
    done,
    ({ outcome }) => `${statusOf(outcome)} ${codeOf(outcome)}`,
  ).values()) {
    const [first] = group
    if (first === undefined) continue
    const known = { last_status: statusOf(first.outcome), last_error: codeOf(first.outcome) }
    await tx.db
      .updateTable('dispatch')
      .set({ ...UNLEASED, ...known, state: 'done', finished_at: now })
      .where(
        'id',
        'in',
        group.map(({ dispatch }) => dispatch.id),
      )
      .execute()
  }
  for (const end of ends) if (end.next.state !== 'done') await writeOne(tx, end, now)
}

async function writeOne(tx: Tx, { dispatch, outcome, next: after }: End, now: number): Promise<void> {
  const known = outcome.ended === 'failed' ? { last_status: statusOf(outcome), last_error: outcome.code } : {}
  const changes =
    after.state === 'pending'
      ? { due_at: after.dueAt, attempts: after.counts ? dispatch.attempt : dispatch.attempt - 1 }
      : { finished_at: now }
  await tx.db
    .updateTable('dispatch')
    .set({ ...UNLEASED, ...known, ...changes, state: after.state })
    .where('id', '=', dispatch.id)
    .execute()
  // Work that is due at once may be done by another gateway, or by another app.
  if (after.state === 'pending' && after.dueAt <= now) tx.announce('dispatch')
}

function statusOf(outcome: Outcome): number | null {
  return 'status' in outcome ? (outcome.status ?? null) : null
}

function codeOf(outcome: Outcome): string | null {
  return 'code' in outcome ? (outcome.code ?? null) : null
}

function leaf({ dispatch, outcome, next: after }: End, by: Settler): DeliveryEvent[] {
  if (after.state === 'dead') {
    return [deadLeaf(dispatch, outcome.ended === 'failed' ? outcome.code : '', by)]
  }
  if (after.state !== 'done') return []
  return [
    {
      action: 'delivery.done',
      ...common(dispatch, by),
      outcome: 'allowed',
      details: details(dispatch),
    },
  ]
}

/** The leaf of a dead letter. `error` is a content-free code. */
export function deadLeaf(
  dispatch: Lease,
  error: string,
  by: { readonly actor: string; readonly requestId: string },
): DeliveryEvent {
  return {
    action: 'delivery.dead',
    ...common(dispatch, by),
    outcome: 'failed',
    details: { ...details(dispatch), error },
  }
}

function common(dispatch: Lease, by: { readonly actor: string; readonly requestId: string }) {
  return { tenant: dispatch.tenant, actor: by.actor, target: dispatch.deliveryId, requestId: by.requestId }
}

function details(dispatch: Lease) {
  return { subscription: dispatch.subscriptionId, attempts: dispatch.attempt }
}
