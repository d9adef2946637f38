/**
 * Subscriptions: who is handed which channels' deliveries, and how. In: a name, push with a URL or pull, channels. Out:
 * the subscription; its signing secret or bearer token once, when it is made. Refuses URLs that the dialler would not
 * dial, channels of other tenants, and a URL where nothing is pushed.
 */
import { sql } from 'kysely'
import type { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import type { Database, Schema } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import { newId } from '../store/id.ts'
import type { AdminNeeds, AdminRefused } from './needs.ts'
import { page, type PageAsk, type PageOf, timeText } from './page.ts'

/** Standard Webhooks asks for 24 to 64 random bytes. */
const SECRET_BYTES = 32
/** A pull app takes what is its own, and opens the bodies of what it was handed. */
const PULL_SCOPES = [api.PULL_SCOPE, 'delivery:body']
const NOT_HELD = { held_until: null, held_ms: null, held_why: null } as const
/** What the dispatches of a removed subscription end as. */
const REMOVED = 'subscription-removed'
/** Waiting dispatches that removing ends itself: what a person has in view, and a moment of the writer's time. */
const ENDED_AT_ONCE = 1_000

type Subscription = z.infer<typeof api.Subscription>
type Row = Schema['subscription']

export async function createSubscription(
  needs: AdminNeeds,
  tx: Tx,
  tenant: string,
  now: number,
  asked: z.infer<typeof api.NewSubscription>,
): Promise<z.infer<typeof api.SubscriptionMade> | AdminRefused> {
  const problem =
    urlProblem(needs, asked.mode, asked.url) ??
    (await channelProblem(tx.db, tenant, asked.channels)) ??
    syncShapeProblem(asked) ??
    (asked.sync ? await syncProblem(needs, tx.db, asked.channels) : undefined)
  if (problem !== undefined) return problem
  const id = newId('sub_', now)
  const secret = asked.mode === 'push' ? `whsec_${needs.random(SECRET_BYTES).toString('base64')}` : undefined
  const row: Row = {
    id,
    tenant_id: tenant,
    name: asked.name,
    mode: asked.mode,
    url: asked.url ?? null,
    secret_sealed:
      secret === undefined ? null : await needs.keyring.seal(tenant, placeOf(id), Buffer.from(secret)),
    // Whoever has a second to answer has none to fetch the body.
    inline_body: asked.inlineBody || asked.sync ? 1 : 0,
    state: 'active',
    created_at: now,
    sync: asked.sync ? 1 : null,
    ordered: asked.ordered ? 1 : null,
    ...NOT_HELD,
  }
  const made = await tx.db
    .insertInto('subscription')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .execute()
  if (made.length === 0) return { refused: 'taken', what: 'subscription' }
  const channels = await bind(tx, row, asked.channels)
  tx.announce('config')
  if (secret !== undefined) return { ...shown(row, channels, now), secret }
  const { token } = await needs.issueToken(tx, {
    name: asked.name,
    tenant,
    subscription: id,
    scopes: PULL_SCOPES,
    now,
  })
  return { ...shown(row, channels, now), token }
}

export async function listSubscriptions(
  db: Database,
  tenant: string,
  now: number,
  ask: PageAsk,
): Promise<PageOf<Subscription>> {
  let query = db.selectFrom('subscription').selectAll().where('tenant_id', '=', tenant)
  if (ask.cursor !== undefined) query = query.where('id', '<', ask.cursor)
  const rows = await query
    .orderBy('id', 'desc')
    .limit(ask.limit + 1)
    .execute()
  const channels = await channelsOf(db, rows)
  return page(
    rows,
    ask.limit,
    (row) => row.id,
    (row) => shown(row, channels.get(row.id) ?? [], now),
  )
}

export async function readSubscription(
  db: Database,
  tenant: string,
  now: number,
  id: string,
): Promise<Subscription | AdminRefused> {
  const row = await findSubscription(db, tenant, id)
  if (row === undefined) return { refused: 'absent', what: 'subscription' }
  return shown(row, (await channelsOf(db, [row])).get(id) ?? [], now)
}

export async function changeSubscription(
  needs: AdminNeeds,
  tx: Tx,
  tenant: string,
  now: number,
  id: string,
  asked: z.infer<typeof api.SubscriptionChange>,
): Promise<Subscription | AdminRefused> {
  const row = await lockSubscription(tx, tenant, id)
  if (row === undefined) return { refused: 'absent', what: 'subscription' }
  const problem = await changeProblem(needs, tx.db, row, asked)
  if (problem !== undefined) return problem
  const changed: Row = {
    ...row,
    name: asked.name ?? row.name,
    url: asked.url ?? row.url,
    inline_body: asked.inlineBody === undefined ? row.inline_body : Number(asked.inlineBody),
    state: asked.state ?? row.state,
    // Whoever resumes it, or sends it elsewhere, says that somebody is there.
    ...(asked.state === 'active' || asked.url !== undefined ? NOT_HELD : {}),
  }
  const { name, url, inline_body, state, held_until, held_ms, held_why } = changed
  await tx.db
    .updateTable('subscription')
    .set({ name, url, inline_body, state, held_until, held_ms, held_why })
    .where('id', '=', id)
    .where('tenant_id', '=', tenant)
    .execute()
  if (asked.channels !== undefined) {
    await unbind(tx, id)
    await bind(tx, row, asked.channels)
  }
  tx.announce('config')
  // What waited while it was paused is due now.
  tx.announce('dispatch')
  return shown(changed, (await channelsOf(tx.db, [row])).get(id) ?? [], now)
}

/** Reads the row so that no other change can until this one ends: what is written back is then never stale. */
async function lockSubscription(tx: Tx, tenant: string, id: string): Promise<Row | undefined> {
  const query = tx.db.updateTable('subscription').set((row) => ({ state: row.ref('state') }))
  return await query.where('id', '=', id).where('tenant_id', '=', tenant).returningAll().executeTakeFirst()
}

/** What it had not been handed yet ends as dead, so that the deliveries still show where they went. */
export async function removeSubscription(
  needs: AdminNeeds,
  tx: Tx,
  tenant: string,
  id: string,
  now: number,
): Promise<z.infer<typeof api.Removed> | AdminRefused> {
  const row = await lockSubscription(tx, tenant, id)
  if (row === undefined) return { refused: 'absent', what: 'subscription' }
  await unbind(tx, id)
  await needs.revokeTokensOf(tx, id)
  await endWork(tx, id, now)
  await tx.db.deleteFrom('subscription').where('id', '=', id).where('tenant_id', '=', tenant).execute()
  tx.announce('config')
  return { id, removed: true }
}

/**
 * Ends what it has in hand and the first of what waits. A backlog of any length is ended by delivery, a batch with each
 * look, so that removing never holds the writers up. States are literals, or SQLite would not use the partial indexes.
 */
async function endWork(tx: Tx, id: string, now: number): Promise<void> {
  await sql`UPDATE dispatch SET state = 'dead', last_error = ${REMOVED}, lease = NULL, lease_until = NULL,
    finished_at = ${now} WHERE state = 'leased' AND subscription_id = ${id}`.execute(tx.db)
  await sql`UPDATE dispatch SET state = 'dead', last_error = ${REMOVED}, finished_at = ${now}
    WHERE id IN (SELECT id FROM dispatch WHERE subscription_id = ${id} AND state = 'pending'
      ORDER BY due_at LIMIT ${sql.lit(ENDED_AT_ONCE)})`.execute(tx.db)
}

function urlProblem(needs: AdminNeeds, mode: Row['mode'], url: string | undefined): AdminRefused | undefined {
  const refuse = (message: string): AdminRefused => ({ refused: 'input', path: 'url', message })
  if (mode === 'pull')
    return url === undefined ? undefined : refuse('is given, but a pull subscription has none')
  if (url === undefined) return refuse('is missing: a push subscription needs one')
  const judged = needs.pushUrl(url)
  return judged.ok ? undefined : refuse(judged.problem)
}

async function changeProblem(
  needs: AdminNeeds,
  db: Database,
  row: Row,
  asked: z.infer<typeof api.SubscriptionChange>,
): Promise<AdminRefused | undefined> {
  const url = asked.url === undefined ? undefined : urlProblem(needs, row.mode, asked.url)
  if (url !== undefined) return url
  if (asked.name !== undefined && (await isNameTaken(db, row, asked.name))) {
    return { refused: 'taken', what: 'subscription' }
  }
  if (asked.channels === undefined) return undefined
  const problem = await channelProblem(db, row.tenant_id, asked.channels)
  return problem ?? (row.sync === 1 ? await syncProblem(needs, db, asked.channels, row.id) : undefined)
}

function syncShapeProblem({
  mode,
  sync,
  ordered,
}: z.infer<typeof api.NewSubscription>): AdminRefused | undefined {
  if (!sync) return undefined
  const refuse = (message: string): AdminRefused => ({ refused: 'input', path: 'sync', message })
  if (mode === 'pull') return refuse('is given, but only push can answer in time')
  return ordered ? refuse('is given with ordered: an answer cannot wait for its turn') : undefined
}

/** Two apps cannot give one answer; an index of the database holds this too. */
async function syncProblem(
  needs: AdminNeeds,
  db: Database,
  channels: readonly string[],
  own = '',
): Promise<AdminRefused | undefined> {
  const refuse = (id: string, message: string): AdminRefused => {
    return { refused: 'input', path: `channels.${channels.indexOf(id)}`, message }
  }
  const rows = await db.selectFrom('channel').select(['id', 'source']).where('id', 'in', channels).execute()
  const silent = rows.find(({ source }) => needs.sources.named(source)?.answers === undefined)
  if (silent !== undefined) return refuse(silent.id, `is of ${silent.source}, which reads no answers`)
  const other = await db
    .selectFrom('subscription_channel')
    .select('channel_id')
    .where('channel_id', 'in', channels)
    .where('sync', '=', 1)
    .where('subscription_id', '!=', own)
    .executeTakeFirst()
  return other && refuse(other.channel_id, 'has a sync subscription already, and one app can answer')
}

async function channelProblem(
  db: Database,
  tenant: string,
  channels: readonly string[],
): Promise<AdminRefused | undefined> {
  const query = db
    .selectFrom('channel')
    .select('id')
    .where('tenant_id', '=', tenant)
    .where('id', 'in', channels)
  const found = new Set((await query.execute()).map((row) => row.id))
  const at = channels.findIndex((id) => !found.has(id))
  return at === -1
    ? undefined
    : { refused: 'input', path: `channels.${at}`, message: 'is no channel of this tenant' }
}

async function isNameTaken(db: Database, row: Row, name: string): Promise<boolean> {
  const other = await db
    .selectFrom('subscription')
    .select('id')
    .where('tenant_id', '=', row.tenant_id)
    .where('name', '=', name)
    .where('id', '!=', row.id)
    .executeTakeFirst()
  return other !== undefined
}

async function findSubscription(db: Database, tenant: string, id: string): Promise<Row | undefined> {
  const query = db.selectFrom('subscription').selectAll().where('id', '=', id)
  return await query.where('tenant_id', '=', tenant).executeTakeFirst()
}

async function bind(tx: Tx, row: Row, channels: readonly string[]): Promise<string[]> {
  const ids = [...new Set(channels)].sort()
  const { id: subscription_id, tenant_id, sync, ordered } = row
  const rows = ids.map((channel_id) => ({ subscription_id, channel_id, tenant_id, sync, ordered }))
  await tx.db.insertInto('subscription_channel').values(rows).execute()
  return ids
}

async function unbind(tx: Tx, id: string): Promise<void> {
  await tx.db.deleteFrom('subscription_channel').where('subscription_id', '=', id).execute()
}

async function channelsOf(db: Database, rows: readonly Row[]): Promise<Map<string, string[]>> {
  const channels = new Map<string, string[]>(rows.map((row) => [row.id, []]))
  if (rows.length === 0) return channels
  const bound = await db
    .selectFrom('subscription_channel')
    .select(['subscription_id', 'channel_id'])
    .where('subscription_id', 'in', [...channels.keys()])
    .orderBy('channel_id')
    .execute()
  for (const { subscription_id, channel_id } of bound) channels.get(subscription_id)?.push(channel_id)
  return channels
}

function placeOf(id: string) {
  return { table: 'subscription', column: 'secret_sealed', row: id, schema: 1 } as const
}

function breakerOf({ held_why, held_until }: Row, now: number): Subscription['breaker'] {
  if (held_why !== 'breaker') return 'closed'
  return (held_until ?? 0) > now ? 'open' : 'half-open'
}

function shown(row: Row, channels: string[], now: number): Subscription {
  return {
    id: row.id,
    tenant: row.tenant_id,
    name: row.name,
    mode: row.mode,
    url: row.url,
    channels,
    inlineBody: row.inline_body === 1,
    sync: row.sync === 1,
    ordered: row.ordered === 1,
    state: row.state,
    breaker: breakerOf(row, now),
    heldUntil: row.held_until !== null && row.held_until > now ? timeText(row.held_until) : null,
    createdAt: timeText(row.created_at),
  }
}
