/**
 * Why deliveries were refused, kept for the operator. In: refusals as they happen, without bodies. Out: rows per channel,
 * the newest only. Refuses nothing and slows nothing: refusals are gathered and written each second, alike ones as one
 * row with a count, and beyond the bounds they are only counted by the metrics.
 */
import { sql } from 'kysely'
import { newId } from '../store/id.ts'
import type { Schema } from '../store/schema.ts'
import type { Store } from '../store/store.ts'

/** Refusals kept for each channel. */
export const KEPT_PER_CHANNEL = 100
/** Channels written in one flush; a flood over more is visible in the metrics. */
const CHANNELS_CAP = 500
/** Different refusals of one channel in one flush. */
const KINDS_CAP = 20
const FLUSH_MS = 1_000

export interface Refused {
  readonly tenant: string
  readonly channel: string
  readonly reason: string
  /** A header's name, an age, a number tried: never what the sender wrote. */
  readonly detail: string
  readonly requestId: string
}

export class RefusalLog {
  readonly #store: Store
  readonly #clock: () => number
  readonly #failed: (error: unknown) => void
  readonly #timer: NodeJS.Timeout
  #gathered = new Map<string, Map<string, Schema['refusal']>>()

  constructor(store: Store, clock: () => number, failed: (error: unknown) => void) {
    this.#store = store
    this.#clock = clock
    this.#failed = failed
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS)
    this.#timer.unref()
  }

  note({ tenant, channel, reason, detail, requestId }: Refused): void {
    const kinds = this.#gathered.get(channel) ?? new Map<string, Schema['refusal']>()
    if (kinds.size === 0 && this.#gathered.size >= CHANNELS_CAP) return
    this.#gathered.set(channel, kinds)
    const kind = `${reason}\n${detail}`
    const alike = kinds.get(kind)
    if (alike !== undefined) alike.count++
    else if (kinds.size < KINDS_CAP) kinds.set(kind, this.#row(tenant, channel, reason, detail, requestId))
  }

  /** Writes what has gathered. A store that is away loses these rows, never a delivery. */
  async flush(): Promise<void> {
    if (this.#gathered.size === 0) return
    const gathered = this.#gathered
    this.#gathered = new Map()
    try {
      await this.#store.write(async (tx) => {
        await tx.insertMany(
          'refusal',
          [...gathered.values()].flatMap((kinds) => [...kinds.values()]),
        )
        for (const channel of gathered.keys()) await dropOld(tx.db, channel)
      })
    } catch (error) {
      this.#failed(error)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }

  #row(
    tenant: string,
    channel: string,
    reason: string,
    detail: string,
    requestId: string,
  ): Schema['refusal'] {
    const at = this.#clock()
    const id = newId('ref_', at)
    return { id, tenant_id: tenant, channel_id: channel, at, reason, detail, request_id: requestId, count: 1 }
  }
}

async function dropOld(db: Store['read'], channel: string): Promise<void> {
  await sql`DELETE FROM refusal WHERE channel_id = ${channel} AND id NOT IN (
    SELECT id FROM refusal WHERE channel_id = ${channel} ORDER BY id DESC LIMIT ${sql.lit(KEPT_PER_CHANNEL)}
  )`.execute(db)
}
