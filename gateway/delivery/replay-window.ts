/**
 * Finds what a replay of many deliveries is about, a window at a time. In: a tenant's filter and where the last window
 * ended. Out: which delivery goes to which subscription, how many rows were looked at, and where to go on. Refuses
 * deliveries of other tenants and subscriptions that are gone; a window reads a bounded number of rows, whatever matches.
 */
import { sql } from 'kysely'
import { firstIdAt } from '../store/id.ts'
import type { Database } from '../store/schema.ts'

/** Rows of one window: some milliseconds of one writer. */
export const WINDOW = 500

export interface ReplayFilter {
  readonly channel?: string | undefined
  /** Only to this one, instead of all that are due the channel's deliveries. */
  readonly subscription?: string | undefined
  /** Only what ended so; dead letters come back to life rather than a second time. */
  readonly state?: 'done' | 'dead' | undefined
  readonly kind?: string | undefined
  /** Unix milliseconds; received from then on, and before that time. */
  readonly since?: number | undefined
  readonly until: number
}

export interface Pair {
  readonly delivery: string
  readonly subscription: string
  /** The dead letter that comes back to life. */
  readonly dead?: string
}

export interface ReplayWindow {
  readonly pairs: readonly Pair[]
  readonly examined: number
  /** The last id looked at; undefined when there is nothing after it. */
  readonly reached: string | undefined
}

export async function readWindow(
  db: Database,
  tenant: string,
  filter: ReplayFilter,
  after: string,
): Promise<ReplayWindow> {
  return filter.state === 'dead'
    ? await deadLetters(db, tenant, filter, after)
    : await deliveries(db, tenant, filter, after)
}

interface Received {
  readonly channel_id: string
  readonly kind: string
  readonly received_at: number
}

function matches({ channel, kind, since = 0, until }: ReplayFilter, row: Received): boolean {
  return (
    (channel === undefined || row.channel_id === channel) &&
    (kind === undefined || row.kind === kind) &&
    row.received_at >= since &&
    row.received_at < until
  )
}

/** The filter is applied to rows read, not in the query: a filter that matches nothing must not read everything. */
async function deadLetters(
  db: Database,
  tenant: string,
  filter: ReplayFilter,
  after: string,
): Promise<ReplayWindow> {
  const from = later(after, firstIdAt('dsp_', filter.since ?? 0))
  const rows = await db
    .selectFrom('dispatch as d')
    .leftJoin('inbox as i', (on) =>
      on.onRef('i.id', '=', 'd.delivery_id').onRef('i.tenant_id', '=', 'd.tenant_id'),
    )
    .leftJoin('subscription as s', 's.id', 'd.subscription_id')
    .select(['d.id', 'd.delivery_id', 's.id as subscription', 'i.channel_id', 'i.kind', 'i.received_at'])
    .where('d.tenant_id', '=', tenant)
    // A literal, or SQLite would not use the partial index.
    .where(sql<boolean>`d.state = 'dead'`)
    .where('d.id', '>', from)
    .orderBy('d.id')
    .limit(WINDOW)
    .execute()
  const pairs = rows.flatMap(({ id, delivery_id, subscription, channel_id, kind, received_at }) => {
    if (subscription === null || channel_id === null || kind === null || received_at === null) return []
    if (filter.subscription !== undefined && subscription !== filter.subscription) return []
    return matches(filter, { channel_id, kind, received_at })
      ? [{ delivery: delivery_id, subscription, dead: id }]
      : []
  })
  return { pairs, examined: rows.length, reached: endOf(rows) }
}

async function deliveries(
  db: Database,
  tenant: string,
  filter: ReplayFilter,
  after: string,
): Promise<ReplayWindow> {
  const rows = await db
    .selectFrom('inbox')
    .select(['id', 'channel_id', 'kind', 'received_at'])
    .where('tenant_id', '=', tenant)
    .where('id', '>', later(after, firstIdAt('dlv_', filter.since ?? 0)))
    .where('id', '<', firstIdAt('dlv_', filter.until))
    .orderBy('id')
    .limit(WINDOW)
    .execute()
  const wanted = rows.filter((row) => matches(filter, row))
  const pairs =
    wanted.length === 0
      ? []
      : filter.state === undefined
        ? await bound(db, tenant, filter, wanted)
        : await ended(db, tenant, filter, wanted, filter.state)
  return { pairs, examined: rows.length, reached: endOf(rows) }
}

/** To every subscription that the channel has now. */
async function bound(
  db: Database,
  tenant: string,
  { subscription }: ReplayFilter,
  rows: readonly (Received & { readonly id: string })[],
): Promise<Pair[]> {
  let query = db
    .selectFrom('subscription_channel')
    .select(['channel_id', 'subscription_id'])
    .where('tenant_id', '=', tenant)
    .where('channel_id', 'in', [...new Set(rows.map(({ channel_id }) => channel_id))])
    .orderBy('subscription_id')
  if (subscription !== undefined) query = query.where('subscription_id', '=', subscription)
  const byChannel = Map.groupBy(await query.execute(), ({ channel_id }) => channel_id)
  return rows.flatMap(({ id, channel_id }) =>
    (byChannel.get(channel_id) ?? []).map((to) => ({ delivery: id, subscription: to.subscription_id })),
  )
}

/** To those subscriptions, still there, where a try of it ended so; once each, however often it was sent. */
async function ended(
  db: Database,
  tenant: string,
  { subscription }: ReplayFilter,
  rows: readonly { readonly id: string }[],
  state: 'done' | 'dead',
): Promise<Pair[]> {
  let query = db
    .selectFrom('dispatch as d')
    .innerJoin('subscription as s', 's.id', 'd.subscription_id')
    .select(['d.delivery_id', 'd.subscription_id'])
    .distinct()
    .where('d.tenant_id', '=', tenant)
    .where('d.state', '=', state)
    .where(
      'd.delivery_id',
      'in',
      rows.map(({ id }) => id),
    )
    .orderBy('d.delivery_id')
    .orderBy('d.subscription_id')
  if (subscription !== undefined) query = query.where('d.subscription_id', '=', subscription)
  const found = await query.execute()
  return found.map((row) => ({ delivery: row.delivery_id, subscription: row.subscription_id }))
}

function later(one: string, other: string): string {
  return one > other ? one : other
}

function endOf(rows: readonly { readonly id: string }[]): string | undefined {
  return rows.length < WINDOW ? undefined : rows.at(-1)?.id
}
