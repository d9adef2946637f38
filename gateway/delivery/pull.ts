/**
 * Hands work to apps that come for it. In: a subscription, proved by the token that asked, and what it wants: leases, or
 * leases to end. Out: envelopes under leases of 30 seconds, and how many leases were in force. Refuses, as `gone`, leases
 * of others and leases that ran out; a subscription that is paused waits and gets nothing.
 *
 * What is not acknowledged within its lease comes again: at least once, with the same id. An app that acknowledges
 * twice, or remembers ids, sees each delivery once.
 */
import type { Envelope } from '@gatehouse/contract/envelope.ts'
import { load, open } from './load.ts'
import type { DeliveryNeeds } from './needs.ts'
import type { Lease, Queue } from './queue.ts'
import type { Outcome } from './schedule.ts'
import { type Settled, settle } from './settle.ts'
import type { Watch } from './watch.ts'

/** Items of one answer. */
const ITEMS_CAP = 100
/** Bytes of one answer; a single larger item still goes, alone. */
const ANSWER_CAP = 4 * 1_024 * 1_024
/** Bytes an envelope takes beside its body, roughly. */
const ENVELOPE_SIZE = 1_024
/** A stream says that it lives this often; common proxies cut at 30 s or more of silence. */
const HEARTBEAT_MS = 15_000
/** Items a stream sends ahead of their acknowledgement, and at once: what is sent too far ahead runs out of its lease. */
const UNANSWERED_CAP = 100
const STREAM_BATCH = 16
/** Claims of one call that found only work whose turn has not come; the rest is looked at in the next. */
const LOOKS_CAP = 16
/** A full stream looks this often whether there is room again; acknowledgements at this gate make it look at once. */
const ROOM_MS = 1_000

/** A pull subscription as its token proves it. */
export interface PullSubscription {
  readonly id: string
  readonly tenant: string
}

export interface PullItem {
  readonly lease: string
  readonly envelope: Envelope
}

export type StreamEvent = { readonly item: PullItem } | { readonly heartbeat: true }

/** Who acts, for the audit log. */
export interface PullActor {
  readonly actor: string
  readonly requestId: string
}

export interface Pull {
  /** Up to `max` items; waits up to `waitMs` for the first. An abort hands back what was leased. */
  lease(subscription: PullSubscription, max: number, waitMs: number, signal: AbortSignal): Promise<PullItem[]>
  /** Ends leases well; answers for each whether it was in force. */
  ack(subscription: PullSubscription, leases: readonly string[], by: PullActor): Promise<('done' | 'gone')[]>
  /** Ends a lease badly: tried again by the schedule of push, or after `delayMs`, until the tries are used up. */
  nack(
    subscription: PullSubscription,
    lease: string,
    delayMs: number | undefined,
    by: PullActor,
  ): Promise<'retry' | 'dead' | 'gone'>
  /** Items as they come, until `signal`; at most a hundred are out and not yet acknowledged. */
  stream(subscription: PullSubscription, signal: AbortSignal): AsyncGenerator<StreamEvent, void, void>
}

export class Puller implements Pull {
  readonly #needs: DeliveryNeeds
  readonly #queue: Queue
  readonly #watch: Watch
  readonly #closing = new AbortController()

  constructor(needs: DeliveryNeeds, queue: Queue, watch: Watch) {
    this.#needs = needs
    this.#queue = queue
    this.#watch = watch
  }

  close(): void {
    this.#closing.abort()
  }

  async lease(
    subscription: PullSubscription,
    max: number,
    waitMs: number,
    asked: AbortSignal,
  ): Promise<PullItem[]> {
    const signal = AbortSignal.any([asked, this.#closing.signal])
    const until = performance.now() + waitMs
    while (!signal.aborted) {
      const items = await this.#leaseNow(subscription, Math.min(max, ITEMS_CAP), signal)
      const left = until - performance.now()
      if (items.length > 0 || left <= 0) return items
      await this.#watch.wait(subscription.id, left, signal)
    }
    return []
  }

  async ack(
    subscription: PullSubscription,
    leases: readonly string[],
    by: PullActor,
  ): Promise<('done' | 'gone')[]> {
    const asked = leases.map((lease) => ({ lease, outcome: { ended: 'done' } as const }))
    const settled = await this.#settle(subscription, asked, by)
    return settled.map(({ state }) => (state === 'done' ? 'done' : 'gone'))
  }

  async nack(
    subscription: PullSubscription,
    lease: string,
    delayMs: number | undefined,
    by: PullActor,
  ): Promise<'retry' | 'dead' | 'gone'> {
    const code = 'nacked'
    const outcome: Outcome =
      delayMs === undefined ? { ended: 'failed', code } : { ended: 'failed', code, delayMs }
    const [settled] = await this.#settle(subscription, [{ lease, outcome }], by)
    const state = settled?.state ?? 'gone'
    return state === 'dead' || state === 'gone' ? state : 'retry'
  }

  async *stream(subscription: PullSubscription, asked: AbortSignal): AsyncGenerator<StreamEvent, void, void> {
    const signal = AbortSignal.any([asked, this.#closing.signal])
    let spokenAt = performance.now()
    while (!signal.aborted) {
      const silence = HEARTBEAT_MS - (performance.now() - spokenAt)
      if (silence <= 0) {
        spokenAt = performance.now()
        yield { heartbeat: true }
        continue
      }
      const room = UNANSWERED_CAP - (await this.#unanswered(subscription))
      if (room <= 0) {
        await this.#watch.wait(subscription.id, Math.min(ROOM_MS, silence), signal)
        continue
      }
      const items = await this.lease(subscription, Math.min(room, STREAM_BATCH), silence, signal)
      if (items.length > 0) spokenAt = performance.now()
      yield* this.#hand(subscription, items)
    }
  }

  /** Items one by one; what the reader leaves untouched goes back at once. */
  async *#hand(subscription: PullSubscription, items: PullItem[]): AsyncGenerator<StreamEvent, void, void> {
    const left = [...items]
    try {
      for (let item = left.shift(); item !== undefined; item = left.shift()) yield { item }
    } finally {
      await this.#release(
        subscription,
        left.map(({ lease }) => lease),
      )
    }
  }

  async #leaseNow(subscription: PullSubscription, limit: number, signal: AbortSignal): Promise<PullItem[]> {
    if ((await this.#queue.ready([subscription.id])).length === 0) return []
    const leases = await this.#withinCap(subscription, await this.#claim(subscription.id, limit))
    const items = await this.#open(subscription, leases)
    if (!signal.aborted) return items
    await this.#release(
      subscription,
      items.map(({ lease }) => lease),
    )
    return []
  }

  /** Goes on past work that waits for its conversation's turn, as far as one call may look. */
  async #claim(subscription: string, limit: number): Promise<Lease[]> {
    for (let looks = 0; looks < LOOKS_CAP; looks++) {
      const { leases, parked } = await this.#queue.take('pull', [{ subscription, limit }])
      if (leases.length > 0 || parked === 0) return leases
    }
    return []
  }

  /** As many leases as fit an answer by the size of their bodies; the rest goes back before anything is opened. */
  async #withinCap(subscription: PullSubscription, leases: readonly Lease[]): Promise<Lease[]> {
    if (leases.length <= 1) return [...leases]
    const rows = await this.#needs.store.read
      .selectFrom('inbox')
      .select(['id', 'size'])
      .where(
        'id',
        'in',
        leases.map(({ deliveryId }) => deliveryId),
      )
      .execute()
    const sizes = new Map(rows.map(({ id, size }) => [id, size]))
    const fitting = fit(leases, ({ deliveryId }) => ENVELOPE_SIZE + (sizes.get(deliveryId) ?? 0))
    await this.#release(
      subscription,
      leases.slice(fitting.length).map(({ lease }) => lease),
    )
    return fitting
  }

  async #open(subscription: PullSubscription, leases: readonly Lease[]): Promise<PullItem[]> {
    const loaded = await load(this.#needs, leases)
    const items: PullItem[] = []
    for (const { id, lease } of leases) {
      const one = loaded.get(id)
      const opened = one === undefined ? ({ failed: 'content-gone' } as const) : await open(this.#needs, one)
      if ('envelope' in opened) items.push({ lease, envelope: opened.envelope })
      else await this.#fail(subscription, lease, opened.failed)
    }
    // Escapes make text longer, so the answer is weighed once more as it will be.
    const fitting = fit(items, (item) => Buffer.byteLength(JSON.stringify(item)))
    await this.#release(
      subscription,
      items.slice(fitting.length).map(({ lease }) => lease),
    )
    return fitting
  }

  async #unanswered(subscription: PullSubscription): Promise<number> {
    const row = await this.#needs.store.read
      .selectFrom('dispatch')
      .select((count) => count.fn.countAll().as('leased'))
      .where('subscription_id', '=', subscription.id)
      .where('tenant_id', '=', subscription.tenant)
      .where('state', '=', 'leased')
      .where('lease_until', '>', this.#needs.clock())
      .executeTakeFirst()
    return Number(row?.leased ?? 0)
  }

  async #release(subscription: PullSubscription, leases: readonly string[]): Promise<void> {
    if (leases.length === 0) return
    const asked = leases.map((lease) => ({ lease, outcome: { ended: 'released' } as const }))
    await this.#settle(subscription, asked, { actor: 'gate', requestId: '' })
  }

  async #fail(subscription: PullSubscription, lease: string, code: string): Promise<void> {
    await this.#settle(subscription, [{ lease, outcome: { ended: 'failed', code } }], {
      actor: 'gate',
      requestId: '',
    })
  }

  async #settle(
    subscription: PullSubscription,
    asked: readonly { readonly lease: string; readonly outcome: Outcome }[],
    by: PullActor,
  ): Promise<Settled[]> {
    const settled = await settle(this.#needs, asked, { mode: 'pull', subscription, ...by })
    for (const [i, { state, dispatch }] of settled.entries()) {
      const outcome = asked[i]?.outcome
      const again = outcome?.ended === 'released' ? 'released' : 'retry'
      this.#needs.report.attempted({
        mode: 'pull',
        outcome: state === 'pending' ? again : state,
        tenant: subscription.tenant,
        delivery: dispatch?.deliveryId ?? '',
        subscription: subscription.id,
        code: outcome?.ended === 'failed' ? outcome.code : '',
      })
    }
    // A full stream has room again.
    this.#watch.nudge(subscription.id)
    return settled
  }
}

/** The first items whose weights stay within an answer; never none, or a large one would block its queue. */
function fit<T>(items: readonly T[], weigh: (item: T) => number): T[] {
  let left = ANSWER_CAP
  const most = items.findIndex((item, i) => (left -= weigh(item)) < 0 && i > 0)
  return items.slice(0, most === -1 ? items.length : most)
}
