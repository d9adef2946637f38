/**
 * Hands out the durable work. In: which subscriptions, and how much each may take. Out: leases of dispatches, each for
 * 30 seconds and under a name nobody can guess. Refuses nothing; a subscription that is paused or gone gets nothing.
 *
 * A lease that runs out is handed out again. For push that does not count as a try, since it was the gate that failed;
 * for pull it does, and a dispatch that took a hundred leases and was never answered is a dead letter.
 */
import { sql } from 'kysely'
import type { Database } from '../store/schema.ts'
import type { Store, Tx } from '../store/store.ts'
import type { DeliveryNeeds, Mode } from './needs.ts'
import { deadLeaf } from './settle.ts'

/** Twice the longest try and some: whoever holds a lease ends well within it, or is gone. */
export const LEASE_MS = 30_000
/** Leases of one pull dispatch that ran out unanswered before it is taken to bring its app down. */
const LEASES_UNANSWERED = 100
/** Leases that ran out and are taken back in one transaction. */
const SWEEP_CAP = 500
/** Random bytes in the name of a lease. */
const NAME_BYTES = 16
/** Subscriptions looked at in one claim; the rest have their turn next. */
const READY_CAP = 32

export interface Lease {
  /** Names it to the outside: random, then the dispatch it is of. */
  readonly lease: string
  readonly id: string
  readonly tenant: string
  readonly deliveryId: string
  readonly subscriptionId: string
  /** Which try this is, from 1. */
  readonly attempt: number
  readonly replay: boolean
}

/** What one subscription may take now. */
export interface Share {
  readonly subscription: string
  readonly limit: number
}

export class Queue {
  readonly #store: Store
  readonly #needs: DeliveryNeeds
  /** Where the last look ended, so that each subscription has its turn. */
  readonly #turn: Record<Mode, string> = { push: '', pull: '' }

  constructor(needs: DeliveryNeeds) {
    this.#needs = needs
    this.#store = needs.store
  }

  /**
   * Active subscriptions that have work due, in turn: all but `busy` ones, or among `only`. Reads, and locks nothing:
   * the claim after it may find less.
   */
  async ready(
    mode: Mode,
    which: { readonly busy: readonly string[] } | { readonly only: readonly string[] },
  ): Promise<string[]> {
    if ('only' in which) return which.only.length === 0 ? [] : await this.#look(mode, which, '')
    const found = await this.#look(mode, which, this.#turn[mode])
    const all = found.length > 0 || this.#turn[mode] === '' ? found : await this.#look(mode, which, '')
    this.#turn[mode] = all.length < READY_CAP ? '' : (all.at(-1) ?? '')
    return all
  }

  async #look(
    mode: Mode,
    which: { busy: readonly string[] } | { only: readonly string[] },
    after: string,
  ): Promise<string[]> {
    const now = this.#needs.clock()
    // The states are literals, or SQLite would not use the partial indexes.
    const query = this.#store.read
      .selectFrom('subscription as s')
      .select('s.id')
      .where('s.mode', '=', mode)
      .where('s.state', '=', 'active')
      .where(
        sql<boolean>`(
        EXISTS (SELECT 1 FROM dispatch d
          WHERE d.subscription_id = s.id AND d.state = 'pending' AND d.due_at <= ${now})
        OR EXISTS (SELECT 1 FROM dispatch d
          WHERE d.subscription_id = s.id AND d.state = 'leased' AND d.lease_until <= ${now}))`,
      )
    const chosen =
      'only' in which ? query.where('s.id', 'in', [...which.only]) : query.where('s.id', '>', after)
    const busy =
      'busy' in which && which.busy.length > 0 ? chosen.where('s.id', 'not in', [...which.busy]) : chosen
    const limit = 'only' in which ? which.only.length : READY_CAP
    return (await busy.orderBy('s.id').limit(limit).execute()).map(({ id }) => id)
  }

  /** Leases what is due, oldest first, up to each share. Two gateways never lease the same dispatch. */
  async claim(mode: Mode, shares: readonly Share[]): Promise<Lease[]> {
    return await this.#store.write(async (tx) => {
      await this.#sweep(tx)
      const ids: string[] = []
      for (const share of shares) ids.push(...(await this.#due(tx, mode, share)))
      return ids.length === 0 ? [] : await this.#lease(tx.db, ids)
    })
  }

  async #due(tx: Tx, mode: Mode, { subscription, limit }: Share): Promise<string[]> {
    const { rows } = await sql<{ id: string }>`
      SELECT d.id FROM dispatch d CROSS JOIN subscription s
      WHERE s.id = d.subscription_id AND s.state = 'active' AND s.mode = ${mode}
        AND d.subscription_id = ${subscription} AND d.state = 'pending' AND d.due_at <= ${this.#needs.clock()}
      ORDER BY d.due_at, d.id LIMIT ${limit} ${this.#skipLocked('d')}`.execute(tx.db)
    return rows.map(({ id }) => id)
  }

  async #lease(db: Database, ids: readonly string[]): Promise<Lease[]> {
    const name = Buffer.from(this.#needs.randomBytes(NAME_BYTES)).toString('base64url')
    const until = this.#needs.clock() + LEASE_MS
    const { rows } = await sql<LeasedRow>`
      UPDATE dispatch SET state = 'leased', lease = CAST(${name} AS TEXT) || '.' || id, lease_until = ${until},
        attempts = attempts + 1
      WHERE id IN (${sql.join(ids)})
      RETURNING id, lease, tenant_id, delivery_id, subscription_id, attempts, replay`.execute(db)
    const order = new Map(ids.map((id, i) => [id, i]))
    return rows.toSorted((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0)).map(leased)
  }

  /** Takes back leases that ran out, so that they are due at once. */
  async #sweep(tx: Tx): Promise<void> {
    const now = this.#needs.clock()
    const { rows } = await sql<LeasedRow & { mode: Mode }>`
      SELECT d.id, d.lease, d.tenant_id, d.delivery_id, d.subscription_id, d.attempts, d.replay, s.mode
      FROM dispatch d CROSS JOIN subscription s
      WHERE s.id = d.subscription_id AND d.state = 'leased' AND d.lease_until <= ${now}
      ORDER BY d.lease_until LIMIT ${sql.lit(SWEEP_CAP)} ${this.#skipLocked('d')}`.execute(tx.db)
    const dead = rows.filter((row) => row.mode === 'pull' && row.attempts >= LEASES_UNANSWERED)
    const back = rows.filter((row) => !dead.includes(row))
    const pushes = back.filter((row) => row.mode === 'push')
    await giveBack(tx.db, pushes, 1)
    await giveBack(
      tx.db,
      back.filter((row) => row.mode === 'pull'),
      0,
    )
    await this.#bury(tx, dead.map(leased), now)
  }

  async #bury(tx: Tx, dead: readonly Lease[], now: number): Promise<void> {
    if (dead.length === 0) return
    await tx.db
      .updateTable('dispatch')
      .set({
        state: 'dead',
        lease: null,
        lease_until: null,
        finished_at: now,
        last_error: 'lease-unanswered',
      })
      .where(
        'id',
        'in',
        dead.map(({ id }) => id),
      )
      .execute()
    const who = { actor: 'gate', requestId: '' }
    await this.#needs.append(
      tx,
      dead.map((lease) => deadLeaf(lease, 'lease-unanswered', who)),
      now,
    )
  }

  /** PostgreSQL locks what it hands out and passes over what another gateway has; SQLite has one writer anyway. */
  #skipLocked(table: string) {
    return this.#store.engine === 'postgres' ? sql`FOR UPDATE OF ${sql.ref(table)} SKIP LOCKED` : sql``
  }
}

interface LeasedRow {
  readonly id: string
  readonly lease: string
  readonly tenant_id: string
  readonly delivery_id: string
  readonly subscription_id: string
  readonly attempts: number
  readonly replay: number
}

async function giveBack(db: Database, rows: readonly LeasedRow[], uncounted: 0 | 1): Promise<void> {
  if (rows.length === 0) return
  await db
    .updateTable('dispatch')
    .set((set) => ({
      state: 'pending',
      lease: null,
      lease_until: null,
      last_error: 'lease-expired',
      attempts: set('attempts', '-', uncounted),
    }))
    .where(
      'id',
      'in',
      rows.map(({ id }) => id),
    )
    .execute()
}

function leased(row: LeasedRow): Lease {
  return {
    lease: row.lease,
    id: row.id,
    tenant: row.tenant_id,
    deliveryId: row.delivery_id,
    subscriptionId: row.subscription_id,
    attempt: row.attempts,
    replay: row.replay === 1,
  }
}
