/**
 * Replays of many deliveries: preview, start, watch, cancel. In: a filter, or the id of a replay. Out: how much it would
 * send, or how far it is. Refuses replays of other tenants as if they were not there, channels and subscriptions that are
 * not this tenant's, and to cancel one that has ended. The work itself is done by the delivery room, a batch at a time.
 */
import type { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import { newId, timeOf } from '../store/id.ts'
import type { Database, Schema } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import type { AdminNeeds, AdminRefused, ReplayFilter } from './needs.ts'
import { page, type PageAsk, type PageOf, timeText, timeTextOrNull } from './page.ts'

type Replay = z.infer<typeof api.Replay>
type Asked = z.infer<typeof api.ReplayFilter>
type Row = Schema['replay_job']

export async function previewReplay(
  needs: AdminNeeds,
  db: Database,
  tenant: string,
  now: number,
  asked: Asked,
): Promise<z.infer<typeof api.ReplayPreview> | AdminRefused> {
  const problem = await filterProblem(db, tenant, asked)
  return problem ?? (await needs.previewReplay(tenant, filterOf(asked, now)))
}

export async function startReplay(
  tx: Tx,
  tenant: string,
  now: number,
  actor: string,
  given: z.infer<typeof api.NewReplay>,
): Promise<Replay | AdminRefused> {
  // The reason is the audit log's.
  const { channel, subscription, state, kind, since, until } = given
  const asked = { channel, subscription, state, kind, since, until }
  const problem = await filterProblem(tx.db, tenant, asked)
  if (problem !== undefined) return problem
  const row: Row = {
    id: newId('rpl_', now),
    tenant_id: tenant,
    state: 'running',
    filter: JSON.stringify(filterOf(asked, now)),
    actor,
    reached: '',
    examined: 0,
    dispatched: 0,
    created_at: now,
    finished_at: null,
  }
  await tx.db.insertInto('replay_job').values(row).execute()
  return shown(row)
}

export async function listReplays(db: Database, tenant: string, ask: PageAsk): Promise<PageOf<Replay>> {
  let query = db.selectFrom('replay_job').selectAll().where('tenant_id', '=', tenant)
  if (ask.cursor !== undefined) query = query.where('id', '<', ask.cursor)
  const rows = await query
    .orderBy('id', 'desc')
    .limit(ask.limit + 1)
    .execute()
  return page(rows, ask.limit, (row) => row.id, shown)
}

export async function readReplay(db: Database, tenant: string, id: string): Promise<Replay | AdminRefused> {
  const query = db.selectFrom('replay_job').selectAll().where('id', '=', id)
  const row = await query.where('tenant_id', '=', tenant).executeTakeFirst()
  return row === undefined ? { refused: 'absent', what: 'replay' } : shown(row)
}

/** What it has sent already stays sent. */
export async function cancelReplay(
  tx: Tx,
  tenant: string,
  id: string,
  now: number,
): Promise<Replay | AdminRefused> {
  const row = await tx.db
    .updateTable('replay_job')
    .set({ state: 'cancelled', finished_at: now })
    .where('id', '=', id)
    .where('tenant_id', '=', tenant)
    .where('state', '=', 'running')
    .returningAll()
    .executeTakeFirst()
  if (row !== undefined) return shown(row)
  const known = await readReplay(tx.db, tenant, id)
  if ('refused' in known) return known
  return { refused: 'state', message: `cancel the replay: it is ${known.state}, wanted one that is running` }
}

async function filterProblem(
  db: Database,
  tenant: string,
  { channel, subscription, since, until }: Asked,
): Promise<AdminRefused | undefined> {
  if (since !== undefined && until !== undefined && since >= until)
    return { refused: 'input', path: 'until', message: 'is not after since' }
  if (channel !== undefined && !(await isThere(db, 'channel', tenant, channel)))
    return { refused: 'input', path: 'channel', message: 'is no channel of this tenant' }
  if (subscription !== undefined && !(await isThere(db, 'subscription', tenant, subscription)))
    return { refused: 'input', path: 'subscription', message: 'is no subscription of this tenant' }
  return undefined
}

async function isThere(
  db: Database,
  table: 'channel' | 'subscription',
  tenant: string,
  id: string,
): Promise<boolean> {
  const query = db.selectFrom(table).select('id').where('id', '=', id).where('tenant_id', '=', tenant)
  return (await query.executeTakeFirst()) !== undefined
}

/** What comes in after the replay was asked for is not its business, or it might never end. */
function filterOf({ since, until, ...rest }: Asked, now: number): ReplayFilter {
  const end = until === undefined ? now : Math.min(Date.parse(until), now)
  return { ...rest, ...(since !== undefined && { since: Date.parse(since) }), until: end }
}

function shown(row: Row): Replay {
  // Our own column, written by `startReplay`.
  const { since, until, ...rest } = JSON.parse(row.filter) as ReplayFilter
  return {
    id: row.id,
    tenant: row.tenant_id,
    state: row.state,
    filter: { ...rest, ...(since !== undefined && { since: timeText(since) }), until: timeText(until) },
    examined: row.examined,
    dispatched: row.dispatched,
    reached: row.reached === '' || row.state === 'done' ? null : timeText(timeOf(row.reached)),
    createdAt: timeText(row.created_at),
    finishedAt: timeTextOrNull(row.finished_at),
  }
}
