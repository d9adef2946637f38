/**
 * How a channel's deliveries go out, ready at the accept. In: a channel's id. Out: the subscription whose answer goes back
 * to the vendor, and whether any subscription wants order. Refuses nothing; what it says may be a second old, and the rows
 * that `fanOut` makes follow the tables themselves.
 */
import { LRUCache } from 'lru-cache'
import type { Store } from '../store/store.ts'

/** Channels remembered; one evicted is read again. */
const CHANNELS_CAP = 10_000

export interface Ways {
  /** The active subscription that answers callbacks. */
  readonly sync: string | undefined
  readonly ordered: boolean
}

export class WaysBook {
  readonly #store: Store
  readonly #known = new LRUCache<string, Promise<Ways>>({ max: CHANNELS_CAP })

  constructor(store: Store) {
    this.#store = store
    store.listen('config', () => this.#known.clear())
  }

  /** A promise that fails is forgotten, so that the next delivery asks again. */
  of(channel: string): Promise<Ways> {
    const known = this.#known.get(channel)
    if (known !== undefined) return known
    const reading = this.#read(channel)
    this.#known.set(channel, reading)
    reading.catch(() => {
      if (this.#known.peek(channel) === reading) this.#known.delete(channel)
    })
    return reading
  }

  async #read(channel: string): Promise<Ways> {
    const rows = await this.#store.read
      .selectFrom('subscription_channel as c')
      .innerJoin('subscription as s', 's.id', 'c.subscription_id')
      .select(['s.id', 's.state', 's.mode', 's.sync', 's.ordered'])
      .where('c.channel_id', '=', channel)
      .whereRef('c.tenant_id', '=', 's.tenant_id')
      .execute()
    const sync = rows.find((row) => row.sync === 1 && row.mode === 'push' && row.state === 'active')
    return { sync: sync?.id, ordered: rows.some((row) => row.ordered === 1) }
  }
}
