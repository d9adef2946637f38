/**
 * Hands out the durable work. In: which subscriptions, and how much each may take. Out: leases of dispatches, each for
 * 30 seconds and under a name nobody can guess. Refuses nothing; a subscription that is paused, held or gone gets
 * nothing.
 *
 * A lease that runs out is handed out again. For push that does not count as a try, since it was the gate that failed;
 * for pull it does, and a dispatch that took a hundred leases and was never answered is a dead letter.
 */
import { sql } from 'kysely'
import type { Database } from '../store/schema.ts'
import type { Store, Tx } from '../store/store.ts'
import type { DeliveryNeeds, Mode } from './needs.ts'
import { freeNext, PARK_WINDOW, parkBlocked } from './order.ts'
import { deadLeaf } from './settle.ts'

/** Twice the longest try and some: whoever holds a lease ends well within it, or is gone. */
export const LEASE_MS = 30_000
/** A probe that has not ended by then is lost, and the next one may go. */
const PROBE_MS = 20_000
/** Leases of one pull dispatch that ran out unanswered before it is taken to bring its app down. */
const LEASES_UNANSWERED = 100
/** Leases that ran out and are taken back in one transaction. */
const SWEEP_CAP = 500
/** Dispatches of removed subscriptions that one look ends. */
const ORPHANS_CAP = 1_000
/** Random bytes in the name of a lease. */
const NAME_BYTES = 16
/** Subscriptions looked at in one query, each by index; some milliseconds of the reader. */
const PAGE = 256
/** Pages of one look: more subscriptions with work than this have their turn in the next. */
const PAGES_CAP = 64

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
  /** Its conversation, where the subscription is ordered. */
  readonly orderKey?: string | undefined
  /** The one try that asks whether a held receiver is back. */
  readonly probe?: boolean
}

/** A push subscription that has work due and may have it. */
export interface Ready {
  readonly subscription: string
  readonly tenant: string
  /** Its receiver was away: one try at most. */
  readonly probe: boolean
}

/** What one subscription may take now. */
export interface Share {
  readonly subscription: string
  readonly limit: number
  readonly probe?: boolean
}

export interface Claimed {
  readonly leases: Lease[]
  /** Work that was due and waits for an earlier one of its conversation: there may be more behind it. */
  readonly parked: number
}

export class Queue {
  readonly #store: Store
  readonly #needs: DeliveryNeeds
  /** Where the last look ended, so that each subscription has its turn. */
  #turn = ''

  constructor(needs: DeliveryNeeds) {
    this.#needs = needs
    this.#store = needs.store
  }

  /** Which of these pull subscriptions have work due. Reads, and locks nothing: the claim after it may find less. */
  async ready(only: readonly string[]): Promise<string[]> {
    if (only.length === 0) return []
    const now = this.#needs.clock()
    // The states are literals, or SQLite would not use the partial indexes.
    const rows = await this.#store.read
      .selectFrom('subscription as s')
      .select('s.id')
      .where('s.mode', '=', 'pull')
      .where('s.state', '=', 'active')
      .where('s.id', 'in', [...only])
      .where(
        // Not EXISTS for what may be long: PostgreSQL may then read all of it into a hash.
        sql<boolean>`(
        (SELECT min(d.due_at) FROM dispatch d
          WHERE d.subscription_id = s.id AND d.state = 'pending') <= ${now}
        OR EXISTS (SELECT 1 FROM dispatch d
          WHERE d.subscription_id = s.id AND d.state = 'leased' AND d.lease_until <= ${now}))`,
      )
      .orderBy('s.id')
      .execute()
    return rows.map(({ id }) => id)
  }

  /**
   * The next push subscriptions in turn that have work due and are `wanted`. It walks the index of waiting work from
   * one subscription to the next, so what it costs does not grow with anyone's backlog, nor with those who have none.
   */
  async look(wanted: (one: Ready) => boolean): Promise<Ready[]> {
    if (await this.#hasLapsed()) await this.#store.write((tx) => this.#sweep(tx))
    let isWrapped = this.#turn === ''
    for (let pages = 0; pages < PAGES_CAP; pages++) {
      const rows = await this.#page(this.#turn)
      this.#turn = rows.length < PAGE ? '' : (rows.at(-1)?.id ?? '')
      const now = this.#needs.clock()
      await this.#endOrphans(rows.filter(({ mode }) => mode === null).map(({ id }) => id))
      const found = rows.flatMap((row) => readyOf(row, now)).filter(wanted)
      if (found.length > 0) return found
      if (this.#turn !== '') continue
      if (isWrapped) return []
      isWrapped = true
    }
    return []
  }

  async #page(after: string): Promise<WaitingRow[]> {
    const { rows } = await waitingQuery(after).execute(this.#store.read)
    return rows
  }

  /** Work of subscriptions that are gone: an accept may have bound it while the subscription was being removed. */
  async #endOrphans(gone: readonly string[]): Promise<void> {
    if (gone.length === 0) return
    await this.#store.write(async ({ db }) => {
      await sql`UPDATE dispatch SET state = 'dead', last_error = 'subscription-removed', finished_at = ${this.#needs.clock()}
        WHERE id IN (SELECT id FROM dispatch WHERE state = 'pending' AND subscription_id IN (${sql.join(gone)})
          LIMIT ${sql.lit(ORPHANS_CAP)})`.execute(db)
    })
  }

  async #hasLapsed(): Promise<boolean> {
    const { rows } = await sql`SELECT 1 AS one FROM dispatch
      WHERE state = 'leased' AND lease_until <= ${this.#needs.clock()} LIMIT 1`.execute(this.#store.read)
    return rows.length > 0
  }

  /** Leases what is due, oldest first, up to each share. Two gateways never lease the same dispatch. */
  async claim(mode: Mode, shares: readonly Share[]): Promise<Lease[]> {
    return (await this.take(mode, shares)).leases
  }

  /** As `claim`, and says whether anything was in its way. */
  async take(mode: Mode, shares: readonly Share[]): Promise<Claimed> {
    return await this.#store.write(async (tx) => {
      await this.#sweep(tx)
      const open = await this.#open(tx.db, mode, shares)
      const ids: string[] = []
      let parked = 0
      for (const share of shares) {
        const ordered = open.get(share.subscription)
        if (ordered === undefined || (share.probe === true && !(await this.#mayProbe(tx.db, share)))) continue
        const due = await this.#due(tx.db, share, ordered)
        ids.push(...due.ids)
        parked += due.parked
      }
      const probes = new Set(shares.filter(({ probe }) => probe === true).map((share) => share.subscription))
      const leases = ids.length === 0 ? [] : await this.#lease(tx.db, ids)
      return {
        leases: leases.map((lease) => (probes.has(lease.subscriptionId) ? { ...lease, probe: true } : lease)),
        parked,
      }
    })
  }

  /** Those that may take anything, each with whether it wants order. */
  async #open(db: Database, mode: Mode, shares: readonly Share[]): Promise<Map<string, boolean>> {
    const ids = shares.filter(({ limit }) => limit > 0).map(({ subscription }) => subscription)
    if (ids.length === 0) return new Map()
    const rows = await db
      .selectFrom('subscription')
      .select(['id', 'ordered'])
      .where('id', 'in', ids)
      .where('mode', '=', mode)
      .where('state', '=', 'active')
      .execute()
    return new Map(rows.map(({ id, ordered }) => [id, ordered === 1]))
  }

  /** Of all gates one sends the probe: whoever moves the hold first. */
  async #mayProbe(db: Database, { subscription }: Share): Promise<boolean> {
    const now = this.#needs.clock()
    const moved = await db
      .updateTable('subscription')
      .set({ held_until: now + PROBE_MS })
      .where('id', '=', subscription)
      .where('held_until', '<=', now)
      .where('held_why', '=', 'breaker')
      .returning('id')
      .execute()
    return moved.length > 0
  }

  async #due(
    db: Database,
    share: Share,
    ordered: boolean,
  ): Promise<{ readonly ids: string[]; readonly parked: number }> {
    const limit = share.probe === true ? 1 : share.limit
    const { rows } = await dueQuery(
      share.subscription,
      this.#needs.clock(),
      ordered ? limit + PARK_WINDOW : limit,
      this.#store.engine,
    ).execute(db)
    // The query must not sort by id: thousands may have become due in one millisecond, and it would read all of them.
    rows.sort((a, b) => a.due_at - b.due_at || (a.id < b.id ? -1 : 1))
    if (!ordered) return { ids: rows.map(({ id }) => id), parked: 0 }
    const blocked = await parkBlocked(db, rows, this.#needs.clock())
    const free = rows.filter(({ id }) => !blocked.has(id))
    return { ids: free.slice(0, limit).map(({ id }) => id), parked: blocked.size }
  }

  async #lease(db: Database, ids: readonly string[]): Promise<Lease[]> {
    const name = leaseName(this.#needs)
    const until = this.#needs.clock() + LEASE_MS
    const { rows } = await sql<LeasedRow>`
      UPDATE dispatch SET state = 'leased', lease = CAST(${name} AS TEXT) || '.' || id, lease_until = ${until},
        attempts = attempts + 1
      WHERE id IN (${sql.join(ids)})
      RETURNING id, lease, tenant_id, delivery_id, subscription_id, attempts, replay, order_key`.execute(db)
    const order = new Map(ids.map((id, i) => [id, i]))
    return rows.toSorted((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0)).map(leased)
  }

  /** Takes back leases that ran out, so that they are due at once. */
  async #sweep(tx: Tx): Promise<void> {
    const now = this.#needs.clock()
    const { rows } = await sql<LeasedRow & { mode: Mode | null }>`
      SELECT d.id, d.lease, d.tenant_id, d.delivery_id, d.subscription_id, d.attempts, d.replay, d.order_key, s.mode
      FROM dispatch d LEFT JOIN subscription s ON s.id = d.subscription_id
      WHERE d.state = 'leased' AND d.lease_until <= ${now}
      ORDER BY d.lease_until LIMIT ${sql.lit(SWEEP_CAP)} ${skipLocked(this.#store.engine)}`.execute(tx.db)
    const dead = rows.filter((row) => row.mode === 'pull' && row.attempts >= LEASES_UNANSWERED)
    const back = rows.filter((row) => !dead.includes(row))
    const pushes = back.filter((row) => row.mode !== 'pull')
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
    await freeNext(tx, dead)
    const who = { actor: 'gate', requestId: '' }
    await this.#needs.append(
      tx,
      dead.map((lease) => deadLeaf(lease, 'lease-unanswered', who)),
      now,
    )
  }
}

/** The random half of a lease's name; it is safe to be seen by whoever holds the lease. */
export function leaseName({ randomBytes }: Pick<DeliveryNeeds, 'randomBytes'>): string {
  return Buffer.from(randomBytes(NAME_BYTES)).toString('base64url')
}

export interface WaitingRow {
  readonly id: string
  readonly tenant_id: string | null
  readonly mode: Mode | null
  readonly state: 'active' | 'paused' | null
  readonly held_until: number | null
  readonly held_why: 'breaker' | 'asked' | null
  /** Of the work that waits, when the first is due. */
  readonly due_at: number | null
}

/**
 * A page of the subscriptions after `after` that have anything waiting, found by stepping from one to the next. Each step
 * is the least of an index range: neither engine has another way to find it than to go there.
 */
export function waitingQuery(after: string) {
  return sql<WaitingRow>`
    WITH RECURSIVE waiting (id, n) AS (
      SELECT min(subscription_id), 1 FROM dispatch WHERE state = 'pending' AND subscription_id > CAST(${after} AS TEXT)
      UNION ALL
      SELECT (SELECT min(d.subscription_id) FROM dispatch d WHERE d.state = 'pending' AND d.subscription_id > w.id),
        w.n + 1
      FROM waiting w WHERE w.id IS NOT NULL AND w.n < ${sql.lit(PAGE)}
    )
    SELECT w.id, s.tenant_id, s.mode, s.state, s.held_until, s.held_why,
      (SELECT min(d.due_at) FROM dispatch d WHERE d.subscription_id = w.id AND d.state = 'pending') AS due_at
    FROM waiting w LEFT JOIN subscription s ON s.id = w.id WHERE w.id IS NOT NULL ORDER BY w.n`
}

interface DueRow {
  readonly id: string
  readonly due_at: number
  readonly order_key: string | null
}

/**
 * What of one subscription is due, oldest first. PostgreSQL locks what it hands out and passes over what another gateway
 * has; SQLite has one writer anyway. What became due at once comes in the order of the index, which is that of arrival.
 */
export function dueQuery(subscription: string, now: number, limit: number, engine: Store['engine']) {
  return sql<DueRow>`
    SELECT d.id, d.due_at, d.order_key FROM dispatch d
    WHERE d.subscription_id = ${subscription} AND d.state = 'pending' AND d.due_at <= ${now}
    ORDER BY d.due_at LIMIT ${limit} ${skipLocked(engine)}`
}

function readyOf(row: WaitingRow, now: number): Ready[] {
  if (row.mode !== 'push' || row.state !== 'active' || row.tenant_id === null) return []
  if (row.due_at === null || row.due_at > now || (row.held_until ?? 0) > now) return []
  return [{ subscription: row.id, tenant: row.tenant_id, probe: row.held_why === 'breaker' }]
}

function skipLocked(engine: Store['engine']) {
  return engine === 'postgres' ? sql`FOR UPDATE OF d SKIP LOCKED` : sql``
}

interface LeasedRow {
  readonly id: string
  readonly lease: string
  readonly tenant_id: string
  readonly delivery_id: string
  readonly subscription_id: string
  readonly attempts: number
  readonly replay: number
  readonly order_key: string | null
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
    orderKey: row.order_key ?? undefined,
  }
}
