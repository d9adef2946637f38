/**
 * Shares the pusher's room. In: which subscriptions have work, and what is in flight. Out: how many tries each may begin
 * now. Refuses more than its limits; pure.
 *
 * Slots go round the tenants, and within a tenant round its subscriptions. A tenant holds at most its own share of the
 * room, and one that has nothing in flight finds a spare slot even when the room is full: however much others have
 * waiting, and however slow their apps are, its first delivery does not wait for theirs.
 */
import type { Ready, Share } from './queue.ts'

export interface RoomLimits {
  /** Tries in flight at once; each holds a body of at most a few MiB. */
  readonly total: number
  /** Tries in flight of one tenant. */
  readonly tenant: number
  /** Tries in flight to one subscription, so that a slow app holds up itself and not the others. */
  readonly each: number
  /** Beyond the total, for tenants that have nothing in flight. */
  readonly spare: number
}

export class Room {
  readonly #limits: RoomLimits
  /** Flights; bounded by the flights in all. */
  readonly #bySubscription = new Map<string, number>()
  readonly #byTenant = new Map<string, number>()
  #total = 0

  constructor(limits: RoomLimits) {
    this.#limits = limits
  }

  enter(subscription: string, tenant: string): void {
    this.#total++
    add(this.#bySubscription, subscription, 1)
    add(this.#byTenant, tenant, 1)
  }

  leave(subscription: string, tenant: string): void {
    this.#total--
    add(this.#bySubscription, subscription, -1)
    add(this.#byTenant, tenant, -1)
  }

  /** Whether one more try could begin now. */
  has({ subscription, tenant }: Pick<Ready, 'subscription' | 'tenant'>): boolean {
    const { total, tenant: most, each, spare } = this.#limits
    const ofTenant = this.#byTenant.get(tenant) ?? 0
    const limit = ofTenant === 0 ? total + spare : total
    return this.#total < limit && ofTenant < most && (this.#bySubscription.get(subscription) ?? 0) < each
  }

  /** Slots for `ready`, a round of tenants at a time until there is no more room or nobody who wants some. */
  shares(ready: readonly Ready[]): Share[] {
    const trial = this.#copy()
    const given = new Map<string, { share: Ready; limit: number }>()
    const rings = [...Map.groupBy(ready, ({ tenant }) => tenant).values()].map((ring) => [...ring])
    for (let isOpen = true; isOpen;) {
      isOpen = false
      for (const ring of rings) {
        const at = ring.findIndex((one) => trial.has(one) && (!one.probe || !given.has(one.subscription)))
        const [one] = at === -1 ? [] : ring.splice(at, 1)
        if (one === undefined) continue
        ring.push(one)
        trial.enter(one.subscription, one.tenant)
        given.set(one.subscription, { share: one, limit: (given.get(one.subscription)?.limit ?? 0) + 1 })
        isOpen = true
      }
    }
    return [...given.values()].map(({ share: { subscription, probe }, limit }) => ({
      subscription,
      limit,
      ...(probe && { probe }),
    }))
  }

  #copy(): Room {
    const copy = new Room(this.#limits)
    copy.#total = this.#total
    for (const [id, flights] of this.#bySubscription) copy.#bySubscription.set(id, flights)
    for (const [id, flights] of this.#byTenant) copy.#byTenant.set(id, flights)
    return copy
  }
}

function add(counts: Map<string, number>, id: string, change: number): void {
  const count = (counts.get(id) ?? 0) + change
  if (count > 0) counts.set(id, count)
  else counts.delete(id)
}
