/**
 * Channels: make, list, show, change. In: a vendor's name, its settings, the workspaces it may speak for. Out: the
 * channel with the path that the vendor posts to. Refuses unknown vendors, settings that the vendor's own schema does
 * not take, names that are taken, and a replay memory shorter than the vendor may go on repeating.
 */
import type { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import type { Database, Schema } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import { newId } from '../store/id.ts'
import { unfitCredential } from './credentials.ts'
import { type AdminNeeds, type AdminRefused, type ChannelSource, isRefused } from './needs.ts'
import { page, type PageAsk, timeText } from './page.ts'

type Channel = z.infer<typeof api.Channel>
type Row = Schema['channel']

const DAY_MS = 86_400_000

export async function createChannel(
  needs: AdminNeeds,
  tx: Tx,
  tenant: string,
  now: number,
  asked: z.infer<typeof api.NewChannel>,
): Promise<Channel | AdminRefused> {
  const source = needs.sources.named(asked.source)
  if (source === undefined)
    return { refused: 'input', path: 'source', message: 'there is no source of this name' }
  const settings = readSettings(source, asked.settings ?? {})
  if (isRefused(settings)) return settings
  const replay = replayMemory(needs, source, settings.value, asked.replayDays)
  if (isRefused(replay)) return replay
  const unnamed = workspaceProblem(source, asked.workspaces)
  if (unnamed !== undefined) return unnamed
  const row: Row = {
    id: newId('chn_', now),
    tenant_id: tenant,
    name: asked.name,
    source: source.name,
    workspaces: workspacesText(asked.workspaces),
    settings: JSON.stringify(settings.value),
    replay_ms: replay.ms,
    state: 'active',
    created_at: now,
  }
  const made = await tx.db
    .insertInto('channel')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .execute()
  if (made.length === 0) return { refused: 'taken', what: 'channel' }
  tx.announce('config')
  return shown(needs, row)
}

export async function listChannels(
  needs: AdminNeeds,
  db: Database,
  tenant: string,
  ask: PageAsk,
): Promise<z.infer<typeof api.ChannelList>> {
  let query = db.selectFrom('channel').selectAll().where('tenant_id', '=', tenant)
  if (ask.cursor !== undefined) query = query.where('id', '<', ask.cursor)
  const rows = await query
    .orderBy('id', 'desc')
    .limit(ask.limit + 1)
    .execute()
  return page(
    rows,
    ask.limit,
    (row) => row.id,
    (row) => shown(needs, row),
  )
}

export async function readChannel(
  needs: AdminNeeds,
  db: Database,
  tenant: string,
  id: string,
): Promise<Channel | AdminRefused> {
  const row = await findChannel(db, tenant, id)
  return row === undefined ? { refused: 'absent', what: 'channel' } : shown(needs, row)
}

export async function changeChannel(
  needs: AdminNeeds,
  tx: Tx,
  tenant: string,
  id: string,
  asked: z.infer<typeof api.ChannelChange>,
): Promise<Channel | AdminRefused> {
  const row = await lockChannel(tx, tenant, id)
  if (row === undefined) return { refused: 'absent', what: 'channel' }
  const changed = await changedRow(needs, tx.db, row, asked)
  if (isRefused(changed)) return changed
  const isTaken = asked.name !== undefined && (await isNameTaken(tx.db, row, asked.name))
  if (isTaken) return { refused: 'taken', what: 'channel' }
  const { name, workspaces, settings, replay_ms, state } = changed
  await tx.db
    .updateTable('channel')
    .set({ name, workspaces, settings, replay_ms, state })
    .where('id', '=', row.id)
    .where('tenant_id', '=', tenant)
    .execute()
  tx.announce('config')
  return shown(needs, changed)
}

export async function findChannel(db: Database, tenant: string, id: string): Promise<Row | undefined> {
  return await db
    .selectFrom('channel')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', tenant)
    .executeTakeFirst()
}

/** Reads the row so that no other change of the channel or its credentials can until this one ends. */
export async function lockChannel(tx: Tx, tenant: string, id: string): Promise<Row | undefined> {
  const query = tx.db.updateTable('channel').set((row) => ({ state: row.ref('state') }))
  return await query.where('id', '=', id).where('tenant_id', '=', tenant).returningAll().executeTakeFirst()
}

async function changedRow(
  needs: AdminNeeds,
  db: Database,
  row: Row,
  asked: z.infer<typeof api.ChannelChange>,
): Promise<Row | AdminRefused> {
  const source = needs.sources.named(row.source)
  if (source === undefined)
    return { refused: 'state', message: 'change the channel: this program lacks its source' }
  const settings = readSettings(source, asked.settings ?? (JSON.parse(row.settings) as unknown))
  if (isRefused(settings)) return settings
  if (asked.settings !== undefined) {
    const unfit = await unfitCredential(needs, db, source, row, settings.value)
    if (unfit !== undefined) return unfit
  }
  const days = asked.replayDays ?? Math.ceil(row.replay_ms / DAY_MS)
  const replay = replayMemory(needs, source, settings.value, days)
  if (isRefused(replay)) return replay
  const unnamed = workspaceProblem(source, asked.workspaces)
  if (unnamed !== undefined) return unnamed
  return {
    ...row,
    name: asked.name ?? row.name,
    workspaces: asked.workspaces === undefined ? row.workspaces : workspacesText(asked.workspaces),
    settings: JSON.stringify(settings.value),
    replay_ms: replay.ms,
    state: asked.state ?? row.state,
  }
}

async function isNameTaken(db: Database, row: Row, name: string): Promise<boolean> {
  const other = await db
    .selectFrom('channel')
    .select('id')
    .where('tenant_id', '=', row.tenant_id)
    .where('name', '=', name)
    .where('id', '!=', row.id)
    .executeTakeFirst()
  return other !== undefined
}

function readSettings(source: ChannelSource, given: unknown): { readonly value: unknown } | AdminRefused {
  const read = source.settings.safeParse(given)
  if (read.success) return { value: read.data }
  const [issue] = read.error.issues
  // A schema's own words name types and choices; only unknown names are repeated, and those may be anything.
  const message =
    issue?.code === 'unrecognized_keys' ? 'has a field that this source does not know' : issue?.message
  const path = ['settings', ...(issue?.path ?? []).map(String)].join('.')
  return { refused: 'input', path, message: message ?? 'is not what this source takes' }
}

/**
 * How long deliveries are remembered. Shorter than twice the window, a copy could come back while its signature still
 * counts; shorter than the vendor's retries, a repeat would reach the app as new.
 */
function replayMemory(
  needs: AdminNeeds,
  source: ChannelSource,
  settings: unknown,
  days: number | undefined,
): { readonly ms: number } | AdminRefused {
  const window = 2 * (toleranceOf(source, settings) ?? 0)
  const floor = Math.ceil((Math.max(window, source.retrySpan) * 1000) / DAY_MS)
  if (days !== undefined && days < floor) {
    const message = `is ${days}, wanted at least ${floor}: ${source.title} may repeat a delivery for that long`
    return { refused: 'input', path: 'replayDays', message }
  }
  return { ms: (days ?? Math.max(needs.replayDays, floor)) * DAY_MS }
}

function toleranceOf(source: ChannelSource, settings: unknown): number | undefined {
  return source.toleranceOf === undefined ? source.tolerance : source.toleranceOf(settings)
}

/** A binding that no delivery can meet, or that none is held to, would only look like protection. */
function workspaceProblem(
  source: ChannelSource,
  workspaces: readonly string[] | null | undefined,
): AdminRefused | undefined {
  if (source.namesWorkspace !== 'never' || workspaces === null || workspaces === undefined) return undefined
  const message = `is given, but deliveries of ${source.title} name no workspace; leave it out`
  return { refused: 'input', path: 'workspaces', message }
}

function workspacesText(workspaces: readonly string[] | null | undefined): string | null {
  return workspaces === null || workspaces === undefined ? null : JSON.stringify([...new Set(workspaces)])
}

function shown(needs: AdminNeeds, row: Row): Channel {
  const source = needs.sources.named(row.source)
  const settings = JSON.parse(row.settings) as Channel['settings'] // our own column, written above
  const signsTime = source !== undefined && toleranceOf(source, settings) !== undefined
  const replayDays = row.replay_ms / DAY_MS
  const path = `/in/${row.id}`
  return {
    id: row.id,
    tenant: row.tenant_id,
    name: row.name,
    source: row.source,
    workspaces: row.workspaces === null ? null : (JSON.parse(row.workspaces) as string[]),
    settings,
    replayDays,
    state: row.state,
    path,
    ...(needs.publicUrl !== undefined && { url: needs.publicUrl.replace(/\/+$/, '') + path }),
    signsTime,
    replayNote: replayNote(source?.title ?? row.source, signsTime, replayDays),
    warnings: [...(source?.warnings?.(settings) ?? [])],
    createdAt: timeText(row.created_at),
  }
}

function replayNote(title: string, signsTime: boolean, days: number): string {
  const memory = `a delivery sent again within ${days} days is recognised`
  return signsTime
    ? `${title} signs a time, so an old delivery is refused by its age; ${memory}.`
    : `${title} signs no time, so only the replay memory protects: ${memory}, an older copy would be taken as new.`
}
