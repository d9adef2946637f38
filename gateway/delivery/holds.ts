/**
 * Holds subscriptions whose receiver is away or asks for time. In: how tries ended. Out: rows that say until when nothing
 * is pushed, seen by every gate and kept over restarts. Refuses nothing: work that is held stays due and loses no try;
 * a hold that could not be written down is tried again with the next failure.
 *
 * Closed until half of ten tries or more failed within 30 s; then held for 30 s, after which one gate sends one delivery
 * as a probe. One that succeeds ends the hold; one that fails doubles it, up to five minutes.
 */
import { BREAKER, holdAfter, signOf, Windows } from './breaker.ts'
import type { DeliveryNeeds } from './needs.ts'
import type { Lease } from './queue.ts'
import type { Outcome } from './schedule.ts'

export class Holds {
  readonly #needs: DeliveryNeeds
  readonly #windows = new Windows()

  constructor(needs: DeliveryNeeds) {
    this.#needs = needs
  }

  /** Takes notice of a try; never rejects. */
  async note(lease: Lease, outcome: Outcome): Promise<void> {
    try {
      await this.#note(lease, outcome)
    } catch (error) {
      this.#needs.report.troubled('hold', error)
    }
  }

  async #note(lease: Lease, outcome: Outcome): Promise<void> {
    const now = this.#needs.clock()
    const said = signOf(outcome)
    if (said.sign === 'nothing') return
    if (said.sign === 'asked') return await this.#ask(lease, Math.min(said.until, now + BREAKER.askedMs))
    const failed = said.sign === 'failed'
    if (lease.probe === true) return failed ? await this.#hold(lease, now) : await this.#end(lease)
    if (this.#windows.note(lease.subscriptionId, failed, now)) await this.#hold(lease, now)
  }

  /** Of many failures at once, and of many gates, one makes the hold; only a probe may lengthen it. */
  async #hold(lease: Lease, now: number): Promise<void> {
    const { subscriptionId, tenant } = lease
    this.#windows.forget(subscriptionId)
    const isHeld = await this.#needs.store.write(async ({ db }) => {
      const of = db
        .selectFrom('subscription')
        .select(['held_ms', 'held_why'])
        .where('id', '=', subscriptionId)
      const row = await of.where('tenant_id', '=', tenant).executeTakeFirst()
      if (row === undefined || (row.held_why === 'breaker' && lease.probe !== true)) return false
      const ms = holdAfter(lease.probe === true ? (row.held_ms ?? undefined) : undefined)
      await db
        .updateTable('subscription')
        .set({ held_until: now + ms, held_ms: ms, held_why: 'breaker' })
        .where('id', '=', subscriptionId)
        .execute()
      return true
    })
    if (isHeld) this.#needs.report.breaker({ tenant, subscription: subscriptionId, state: 'open' })
  }

  async #end({ subscriptionId, tenant }: Lease): Promise<void> {
    this.#windows.forget(subscriptionId)
    await this.#needs.store.write(async (tx) => {
      await tx.db
        .updateTable('subscription')
        .set({ held_until: null, held_ms: null, held_why: null })
        .where('id', '=', subscriptionId)
        .where('tenant_id', '=', tenant)
        .execute()
      tx.announce('dispatch')
    })
    this.#needs.report.breaker({ tenant, subscription: subscriptionId, state: 'closed' })
  }

  /** The receiver lives, so this ends a breaker's hold; between two wishes the later time counts. */
  async #ask({ subscriptionId, tenant, probe }: Lease, until: number): Promise<void> {
    await this.#needs.store.write(async ({ db }) => {
      let query = db
        .updateTable('subscription')
        .set({ held_until: until, held_ms: null, held_why: 'asked' })
        .where('id', '=', subscriptionId)
        .where('tenant_id', '=', tenant)
      if (probe !== true) {
        query = query.where((row) => row.or([row('held_until', 'is', null), row('held_until', '<', until)]))
        query = query.where((row) => row.or([row('held_why', 'is', null), row('held_why', '=', 'asked')]))
      }
      await query.execute()
    })
  }
}
