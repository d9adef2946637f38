/**
 * Delivery as the house sees it. In: the store and what else delivery needs. Out: a pusher at work, the verbs of pull,
 * and the way to end both. Refuses nothing itself; after `close` nothing is taken up any more.
 */
import type { DeliveryNeeds } from './needs.ts'
import { type Pull, Puller } from './pull.ts'
import { PUSH_LIMITS, type PushLimits, Pusher } from './push.ts'
import { Queue } from './queue.ts'
import { Settling } from './settling.ts'
import { Watch } from './watch.ts'

export interface Delivery {
  readonly pull: Pull
  /** There may be work; announcements of the store say so by themselves. */
  wake(): void
  /** Ends polls and streams, lets pushes in flight end for `drainMs`, and hands the rest back. */
  close(drainMs: number): Promise<void>
}

export function startDelivery(needs: DeliveryNeeds, limits: PushLimits = PUSH_LIMITS): Delivery {
  const queue = new Queue(needs)
  const settling = new Settling(needs)
  const pusher = new Pusher(needs, queue, settling, limits)
  const watch = new Watch(queue, needs.report)
  const puller = new Puller(needs, queue, watch)
  const wake = (): void => {
    pusher.wake()
    watch.wake()
  }
  // A subscription that is active again has work that waited.
  const silences = [needs.store.listen('dispatch', wake), needs.store.listen('config', wake)]
  wake()
  return {
    pull: puller,
    wake,
    async close(drainMs) {
      for (const silence of silences) silence()
      puller.close()
      watch.close()
      await pusher.close(drainMs)
    },
  }
}
