/**
 * Delivery as the house sees it. In: the store and what else delivery needs. Out: a pusher at work, the verbs of pull,
 * calls that a vendor waits on, replays under way, and the way to end all of them. Refuses nothing itself; after `close`
 * nothing is taken up any more.
 */
import { Holds } from './holds.ts'
import type { DeliveryNeeds } from './needs.ts'
import { OrderKeys } from './order-key.ts'
import { type Pull, Puller } from './pull.ts'
import { PUSH_LIMITS, type PushLimits, Pusher } from './push.ts'
import { Queue } from './queue.ts'
import { Replayer } from './replayer.ts'
import { Settling } from './settling.ts'
import { SyncCalls } from './sync-calls.ts'
import { Watch } from './watch.ts'
import { WaysBook } from './ways.ts'

export interface Delivery {
  readonly pull: Pull
  readonly sync: SyncCalls
  readonly ways: WaysBook
  /** The blind name of a delivery's conversation, where a subscription of its channel wants order. */
  orderKey(tenant: string, channel: string, conversation: string | undefined): Promise<string | undefined>
  /** There may be work; announcements of the store say so by themselves. */
  wake(): void
  /** Ends polls and streams, lets pushes in flight end for `drainMs`, and hands the rest back. */
  close(drainMs: number): Promise<void>
}

export function startDelivery(needs: DeliveryNeeds, limits: PushLimits = PUSH_LIMITS): Delivery {
  const queue = new Queue(needs)
  const settling = new Settling(needs)
  const holds = new Holds(needs)
  const pusher = new Pusher(needs, queue, settling, holds, limits)
  const sync = new SyncCalls(needs, settling, holds)
  const replayer = new Replayer(needs)
  const watch = new Watch(queue, needs.report)
  const puller = new Puller(needs, queue, watch)
  const ways = new WaysBook(needs.store)
  const keys = new OrderKeys(needs)
  const wake = (): void => {
    pusher.wake()
    watch.wake()
  }
  // A subscription that is active again has work that waited.
  const silences = [needs.store.listen('dispatch', wake), needs.store.listen('config', wake)]
  wake()
  return {
    pull: puller,
    sync,
    ways,
    async orderKey(tenant, channel, conversation) {
      if (conversation === undefined || !(await ways.of(channel)).ordered) return undefined
      return await keys.of(tenant, channel, conversation)
    },
    wake,
    async close(drainMs) {
      for (const silence of silences) silence()
      puller.close()
      watch.close()
      await Promise.all([replayer.close(), sync.close(drainMs), pusher.close(drainMs)])
    },
  }
}
