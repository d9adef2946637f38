/**
 * Answers a vendor with its app's answer, in the vendor's time. In: a delivery that a subscription may answer, accepted
 * and durable. Out: exactly one answer for each callback, kept with the delivery so that a copy of it hears the same.
 * Refuses an answer that came late or is not what the source may answer: the vendor hears the source's own ack then.
 *
 * Whatever is answered is decided first, by one row that only the first writer makes: the app in time, the clock, or a
 * copy of the callback that waited for a gate that died. All others read what was decided. Only when the store fails at
 * that very moment is nothing decided; then the vendor hears the ack, and so does every copy after it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../store/store.ts'
import type { Accepted, Proved } from './accept.ts'
import type { Channel } from './channel.ts'
import type { Answer, AnswerRule, Facts } from './source.ts'
import { type AppAnswer, judgeAnswer } from './sync-answer.ts'

/** Of the vendor's time: for its network, our write and a busy moment. */
const MARGIN_MS = 500
/** How often a copy looks whether the first has been answered. */
const LOOK_MS = 50

export type SyncOutcome = 'answered' | 'neutral' | 'late' | 'refused' | 'failed' | 'repeated' | 'shed'
/** What became of the app's answer. */
export type Taken = 'sent' | 'late' | 'refused'

export interface SyncCall {
  readonly tenant: string
  readonly delivery: string
  readonly subscription: string
  readonly lease: string
  readonly withinMs: number
}

interface SealedPlace {
  readonly table: string
  readonly column: string
  readonly row: string
  readonly schema: number
}

export interface SyncNeeds {
  readonly store: Store
  /** The subscription that answers a channel's callbacks, where there is one. */
  readonly subscriptionOf: (channel: string) => Promise<string | undefined>
  /** A name to lease its dispatch under, or undefined when too many calls are under way. */
  readonly lease: () => string | undefined
  /** Calls the app and hands its answer to `take`, once, without one where there is none; never throws. */
  readonly call: (asked: SyncCall, take: (answer: AppAnswer | undefined) => Promise<Taken>) => void
  /** Whether a gate still has the first request about a delivery in hand. */
  readonly isOpen: (delivery: string, subscription: string) => Promise<boolean>
  /** The delivery that a duplicate is a copy of. */
  readonly originalOf: (proved: Proved) => Promise<string | undefined>
  readonly seal: (tenant: string, place: SealedPlace, bytes: Uint8Array) => Promise<Buffer>
  readonly unseal: (tenant: string, place: SealedPlace, blob: Uint8Array) => Promise<Buffer>
  readonly report: (source: string, outcome: SyncOutcome) => void
  readonly clock: () => number
}

/** A delivery that an app may answer. */
export interface SyncPlan {
  readonly rule: AnswerRule
  readonly budgetMs: number
  readonly subscription: string
  readonly lease: string | undefined
}

export class SyncAnswers {
  readonly #needs: SyncNeeds

  constructor(needs: SyncNeeds) {
    this.#needs = needs
  }

  /** Asked before the accept, which leases the dispatch from birth so that nothing else sends it. */
  async plan(channel: Channel, facts: Facts): Promise<SyncPlan | undefined> {
    const { answers } = channel.source
    const rule = answers?.rule(facts)
    if (answers === undefined || rule === undefined) return undefined
    const subscription = await this.#needs.subscriptionOf(channel.id)
    if (subscription === undefined) return undefined
    return { rule, subscription, budgetMs: answers.budgetMs - MARGIN_MS, lease: this.#needs.lease() }
  }

  /** The answer to the vendor, by `until` (the gate's clock). Never throws: the delivery is durable already. */
  async answer(plan: SyncPlan, proved: Proved, taken: Accepted, startedAt: number): Promise<Answer> {
    const { channel, facts } = proved
    const neutral = facts.ack ?? channel.source.ack
    const until = startedAt + plan.budgetMs
    try {
      if (taken.fresh) return await this.#ask(plan, proved, taken.id, until, neutral)
      this.#needs.report(channel.source.name, 'repeated')
      return await this.#repeat(plan, proved, until, neutral)
    } catch {
      return neutral
    }
  }

  async #ask(
    { rule, subscription, lease }: SyncPlan,
    { channel: { tenant, source } }: Proved,
    delivery: string,
    until: number,
    neutral: Answer,
  ): Promise<Answer> {
    const { report, call, clock } = this.#needs
    if (lease === undefined) {
      report(source.name, 'shed')
      return neutral
    }
    const said = Promise.withResolvers<Answer>()
    let isOver = false
    const end = async (answer: Answer, outcome: SyncOutcome): Promise<boolean> => {
      isOver = true
      clearTimeout(timer)
      report(source.name, outcome)
      const decided = await this.#decide(tenant, delivery, answer)
      said.resolve(decided?.answer ?? neutral)
      return decided?.isOurs === true
    }
    const withinMs = Math.max(0, until - clock())
    const timer = setTimeout(() => {
      // Whoever writes first from here on writes the same: the vendor need not wait for it.
      said.resolve(neutral)
      void end(neutral, 'late')
    }, withinMs)
    call({ tenant, delivery, subscription, lease, withinMs }, async (answer) => {
      if (isOver) return 'late'
      const judged = answer === undefined ? undefined : judgeAnswer(rule, answer)
      if (judged === undefined || 'refused' in judged) {
        await end(neutral, judged === undefined ? 'failed' : 'refused')
        return 'refused'
      }
      const { answer: ours } = judged
      return (await end(ours ?? neutral, ours === undefined ? 'neutral' : 'answered')) ? 'sent' : 'late'
    })
    return await said.promise
  }

  /** A copy waits for what the first is told, as long as it has itself, and decides when nobody else will. */
  async #repeat({ subscription }: SyncPlan, proved: Proved, until: number, neutral: Answer): Promise<Answer> {
    const { originalOf, isOpen, clock } = this.#needs
    const { tenant } = proved.channel
    const delivery = await originalOf(proved)
    if (delivery === undefined) return neutral
    for (;;) {
      const kept = await this.#kept(tenant, delivery)
      if (kept !== undefined) return kept
      if (clock() >= until || !(await isOpen(delivery, subscription))) break
      await sleep(LOOK_MS)
    }
    return (await this.#decide(tenant, delivery, neutral))?.answer ?? neutral
  }

  /** Writes the answer down, or reads the one that was first; undefined when the store can do neither. */
  async #decide(
    tenant: string,
    delivery: string,
    answer: Answer,
  ): Promise<{ readonly answer: Answer; readonly isOurs: boolean } | undefined> {
    const { store, seal, clock } = this.#needs
    try {
      const bytes = Buffer.from(JSON.stringify(answer))
      const sealed = await seal(tenant, placeOf(delivery), bytes)
      const row = { delivery_id: delivery, tenant_id: tenant, sealed, created_at: clock() }
      const made = await store.write(({ db }) =>
        db
          .insertInto('sync_answer')
          .values(row)
          .onConflict((conflict) => conflict.doNothing())
          .returning('delivery_id')
          .execute(),
      )
      if (made.length > 0) return { answer, isOurs: true }
      const kept = await this.#kept(tenant, delivery)
      return kept && { answer: kept, isOurs: false }
    } catch {
      return undefined
    }
  }

  async #kept(tenant: string, delivery: string): Promise<Answer | undefined> {
    const query = this.#needs.store.read.selectFrom('sync_answer').select('sealed')
    const row = await query
      .where('delivery_id', '=', delivery)
      .where('tenant_id', '=', tenant)
      .executeTakeFirst()
    if (row === undefined) return undefined
    const bytes = await this.#needs.unseal(tenant, placeOf(delivery), row.sealed)
    // Sealed by `#decide`, so the shape is the one it wrote.
    return JSON.parse(bytes.toString('utf8')) as Answer
  }
}

function placeOf(delivery: string): SealedPlace {
  return { table: 'sync_answer', column: 'sealed', row: delivery, schema: 1 }
}
