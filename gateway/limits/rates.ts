/**
 * Rate classes: how often one caller may do one kind of thing. In: a class and who asks. Out: go on, or how long to
 * wait. Refuses over the limit. With Redis the limit is one for all gates; while Redis is away each gate falls back to
 * its own count, which admits at most the limit once for each gate; in the very window in which Redis goes, once more.
 */
import type { Redis } from 'ioredis'
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRes,
} from 'rate-limiter-flexible'

export type Taken = { readonly ok: true } | { readonly ok: false; readonly retryAfterSeconds: number }

export interface RateOptions {
  /** Points each so many seconds, by class. */
  readonly classes: Readonly<Record<string, { readonly points: number; readonly seconds: number }>>
  /** Deliveries a second that one channel takes; 0 for no limit. */
  readonly ingressRate: number
  /** Deliveries a second that all channels of one tenant take; 0 or nothing for no limit. */
  readonly tenantRate?: number
  readonly redis: Redis | undefined
  /** Separates gates that share one Redis but not one store. */
  readonly prefix: string
}

const GO_ON: Taken = { ok: true }
/** Classes that a setting may leave without a limit. */
const MAY_BE_UNLIMITED: ReadonlySet<string> = new Set(['ingress', 'tenant'])

export class Rates {
  readonly #limiters = new Map<string, RateLimiterAbstract>()

  constructor(options: RateOptions) {
    for (const [name, { points, seconds }] of Object.entries(options.classes)) {
      this.#limiters.set(name, limiter(options, name, points, seconds))
    }
    const { ingressRate, tenantRate = 0 } = options
    if (ingressRate > 0) this.#limiters.set('ingress', limiter(options, 'ingress', ingressRate, 1))
    if (tenantRate > 0) this.#limiters.set('tenant', limiter(options, 'tenant', tenantRate, 1))
  }

  /**
   * One delivery: a point of its channel and one of its tenant. The channel is asked first, so that a channel over its
   * own rate spends nothing that the tenant's other channels could use.
   */
  async takeDelivery({ id, tenant }: { readonly id: string; readonly tenant: string }): Promise<Taken> {
    const ofChannel = await this.take('ingress', id)
    return ofChannel.ok ? await this.take('tenant', tenant) : ofChannel
  }

  /** Takes one point of `key` in `rateClass`. A class that is not in the table is refused. */
  async take(rateClass: string, key: string): Promise<Taken> {
    const found = this.#limiters.get(rateClass)
    if (found === undefined)
      return MAY_BE_UNLIMITED.has(rateClass) ? GO_ON : { ok: false, retryAfterSeconds: 60 }
    try {
      await found.consume(key)
      return GO_ON
    } catch (thrown) {
      if (!(thrown instanceof RateLimiterRes)) throw thrown
      return { ok: false, retryAfterSeconds: Math.max(1, Math.ceil(thrown.msBeforeNext / 1_000)) }
    }
  }
}

function limiter(options: RateOptions, name: string, points: number, duration: number): RateLimiterAbstract {
  const keyPrefix = `${options.prefix}:${name}`
  const local = new RateLimiterMemory({ keyPrefix, points, duration })
  if (options.redis === undefined) return local
  return new RateLimiterRedis({
    storeClient: options.redis,
    keyPrefix,
    points,
    duration,
    insuranceLimiter: local,
    // Once over, the rest of the window is refused here without asking Redis again.
    inMemoryBlockOnConsumed: points + 1,
  })
}
