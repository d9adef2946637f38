/**
 * Gathers the pusher's results, so that those that end together share one transaction. In: leases and how their tries
 * ended. Out: a promise that resolves when that is durable, or given up. Refuses nothing: while the store is away it
 * tries for as long as a lease lasts; after that the lease has run out and the try is made again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Attempt, DeliveryNeeds } from './needs.ts'
import { LEASE_MS, type Lease } from './queue.ts'
import type { Outcome } from './schedule.ts'
import { type Settled, type Settlement, settle } from './settle.ts'

/** Results of one transaction. */
const BATCH = 128
/** Between tries while the store is away. */
const AGAIN_MS = 1_000

interface Waiting extends Settlement {
  readonly dispatch: Lease
  readonly since: number
  readonly resolve: () => void
}

export class Settling {
  readonly #needs: DeliveryNeeds
  #waiting: Waiting[] = []
  #isRunning = false
  #isClosed = false

  constructor(needs: DeliveryNeeds) {
    this.#needs = needs
  }

  settle(dispatch: Lease, outcome: Outcome): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ dispatch, lease: dispatch.lease, outcome, since: this.#needs.clock(), resolve })
    if (!this.#isRunning) void this.#run()
    return promise
  }

  /** From now on a store that is away is not waited for. */
  close(): void {
    this.#isClosed = true
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0) await this.#settleSome(this.#waiting.splice(0, BATCH))
    this.#isRunning = false
  }

  async #settleSome(batch: Waiting[]): Promise<void> {
    try {
      const settled = await settle(this.#needs, batch, { mode: 'push', actor: 'gate', requestId: '' })
      for (const [i, waiting] of batch.entries()) this.#tell(waiting, settled[i])
    } catch (error) {
      this.#needs.report.troubled('settle', error)
      await this.#keep(batch)
    }
  }

  #tell({ dispatch, outcome, resolve }: Waiting, settled: Settled | undefined): void {
    this.#needs.report.attempted(attempt(dispatch, outcome, settled?.state ?? 'gone'))
    resolve()
  }

  async #keep(batch: readonly Waiting[]): Promise<void> {
    const now = this.#needs.clock()
    const lasting = batch.filter(({ since }) => !this.#isClosed && now - since < LEASE_MS)
    for (const waiting of batch) if (!lasting.includes(waiting)) waiting.resolve()
    if (lasting.length === 0) return
    await sleep(AGAIN_MS)
    this.#waiting.unshift(...lasting)
  }
}

function attempt(dispatch: Lease, outcome: Outcome, state: Settled['state']): Attempt {
  const again = outcome.ended === 'released' ? 'released' : 'retry'
  return {
    mode: 'push',
    outcome: state === 'pending' ? again : state,
    tenant: dispatch.tenant,
    delivery: dispatch.deliveryId,
    subscription: dispatch.subscriptionId,
    code: 'code' in outcome ? (outcome.code ?? '') : '',
  }
}
