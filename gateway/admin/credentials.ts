/**
 * Credentials of a channel: add, list, rotate with overlap, revoke now. In: the vendor's secret, or the wish to have one
 * made. Out: the credential without its value, but for the once when Gatehouse made it. Refuses what the source cannot
 * read as a key, placeholders, more live ones than a channel may have, and to rotate what is not current.
 */
import type { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import type { Database, Schema } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import { newId } from '../store/id.ts'
import { type AdminNeeds, type AdminRefused, type ChannelSource, isRefused } from './needs.ts'
import { page, type PageAsk, type PageOf, timeText, timeTextOrNull } from './page.ts'
import { keyProblem, kindOf, makeSecret, secretProblem } from './secret-text.ts'

/** Each live one is tried on every delivery, so their number bounds what a forged one costs. */
const LIVE_CAP = 10

type Credential = z.infer<typeof api.Credential>
type Made = z.infer<typeof api.CredentialMade>
type Row = Schema['credential']
type ChannelRow = Schema['channel']

/** The channel that a credential is for, as the path names it. */
export interface OnChannel {
  readonly tenant: string
  readonly channel: string
}

interface NewValue {
  readonly label: string
  readonly role: string
  readonly value: string | undefined
}

export async function createCredential(
  needs: AdminNeeds,
  tx: Tx,
  on: OnChannel,
  now: number,
  asked: z.infer<typeof api.NewCredential>,
): Promise<Made | AdminRefused> {
  const channel = await lockedChannelOf(tx, on)
  if (channel === undefined) return { refused: 'absent', what: 'channel' }
  return await add(needs, tx, channel, now, {
    label: asked.label ?? '',
    role: asked.role ?? '',
    value: asked.value,
  })
}

export async function listCredentials(
  db: Database,
  on: OnChannel,
  now: number,
  ask: PageAsk,
): Promise<PageOf<Credential> | AdminRefused> {
  if ((await channelOf(db, on)) === undefined) return { refused: 'absent', what: 'channel' }
  let query = db.selectFrom('credential').selectAll().where('channel_id', '=', on.channel)
  if (ask.cursor !== undefined) query = query.where('id', '<', ask.cursor)
  const rows = await query
    .where('tenant_id', '=', on.tenant)
    .orderBy('id', 'desc')
    .limit(ask.limit + 1)
    .execute()
  return page(
    rows,
    ask.limit,
    (row) => row.id,
    (row) => shown(row, now),
  )
}

/** The new one counts at once; the old one goes on counting for the overlap, so the vendor can be changed meanwhile. */
export async function rotateCredential(
  needs: AdminNeeds,
  tx: Tx,
  on: OnChannel & { readonly credential: string },
  now: number,
  asked: z.infer<typeof api.Rotation>,
): Promise<z.infer<typeof api.CredentialRotated> | AdminRefused> {
  const channel = await lockedChannelOf(tx, on)
  const old = await findCredential(tx.db, on)
  if (channel === undefined || old === undefined) return { refused: 'absent', what: 'credential' }
  if (old.state !== 'live' || old.expires_at !== null) {
    const state = stateOf(old, now)
    return { refused: 'state', message: `rotate the credential: it is in state ${state}, wanted live` }
  }
  const expires = now + asked.overlapSeconds * 1000
  await tx.db.updateTable('credential').set({ expires_at: expires }).where('id', '=', old.id).execute()
  const made = await add(needs, tx, channel, now, { label: old.label, role: old.role, value: asked.value })
  return isRefused(made) ? made : { ...made, replaces: { id: old.id, expiresAt: timeText(expires) } }
}

export async function revokeCredential(
  tx: Tx,
  on: OnChannel & { readonly credential: string },
  now: number,
): Promise<Credential | AdminRefused> {
  await lockedChannelOf(tx, on)
  const row = await findCredential(tx.db, on)
  if (row === undefined) return { refused: 'absent', what: 'credential' }
  await tx.db.updateTable('credential').set({ state: 'revoked' }).where('id', '=', row.id).execute()
  tx.announce('config')
  return shown({ ...row, state: 'revoked' }, now)
}

/** Settings say how a key is read, so new ones must fit every credential that still counts. */
export async function unfitCredential(
  needs: AdminNeeds,
  db: Database,
  source: ChannelSource,
  channel: ChannelRow,
  settings: unknown,
): Promise<AdminRefused | undefined> {
  const rows = await db
    .selectFrom('credential')
    .selectAll()
    .where('channel_id', '=', channel.id)
    .where('state', '=', 'live')
    .execute()
  for (const row of rows) {
    const value = await needs.keyring.unseal(channel.tenant_id, placeOf(row.id), row.sealed)
    if (keyProblem(source, settings, value.toString(), row.role) === undefined) continue
    return {
      refused: 'state',
      message: `change the settings: credential ${row.id} does not fit them; revoke it first`,
    }
  }
  return undefined
}

async function add(
  needs: AdminNeeds,
  tx: Tx,
  channel: ChannelRow,
  now: number,
  wanted: NewValue,
): Promise<Made | AdminRefused> {
  const found = await valueFor(needs, channel, wanted)
  if (isRefused(found)) return found
  if ((await countLive(tx.db, channel, now)) >= LIVE_CAP) {
    return {
      refused: 'state',
      message: `add a credential: ${LIVE_CAP} are live, wanted fewer; revoke one first`,
    }
  }
  const id = newId('crd_', now)
  const row: Row = {
    id,
    tenant_id: channel.tenant_id,
    channel_id: channel.id,
    label: wanted.label,
    role: wanted.role,
    sealed: await needs.keyring.seal(channel.tenant_id, placeOf(id), Buffer.from(found.value)),
    state: 'live',
    expires_at: null,
    created_at: now,
    last_used_at: null,
  }
  await tx.db.insertInto('credential').values(row).execute()
  tx.announce('config')
  return { ...shown(row, now), ...(found.isMade && { value: found.value }) }
}

async function valueFor(
  needs: AdminNeeds,
  channel: ChannelRow,
  { value: given, role }: NewValue,
): Promise<{ readonly value: string; readonly isMade: boolean } | AdminRefused> {
  const source = needs.sources.named(channel.source)
  if (source === undefined)
    return { refused: 'state', message: 'add a credential: this program lacks its source' }
  const settings = JSON.parse(channel.settings) as unknown
  const kind = kindOf(source, role)
  if (kind === undefined) {
    const roles = Object.keys(source.otherCredentials ?? {}).join(', ')
    const has = roles === '' ? 'none' : roles
    return { refused: 'input', path: 'role', message: `is unknown to ${source.title}; its roles: ${has}` }
  }
  if (given !== undefined) {
    const problem = secretProblem(needs, source, settings, given, role)
    return problem === undefined
      ? { value: given, isMade: false }
      : { refused: 'input', path: 'value', message: problem }
  }
  const made = makeSecret(needs, source, settings, role)
  if (made !== undefined) return { value: made, isMade: true }
  return {
    refused: 'input',
    path: 'value',
    message: `is missing: ${source.title} makes it. ${kind.hint}`,
  }
}

async function countLive(db: Database, channel: ChannelRow, now: number): Promise<number> {
  const rows = await db
    .selectFrom('credential')
    .select('id')
    .where('channel_id', '=', channel.id)
    .where('state', '=', 'live')
    .where((is) => is.or([is('expires_at', 'is', null), is('expires_at', '>', now)]))
    .limit(LIVE_CAP)
    .execute()
  return rows.length
}

/** Changes of one channel's credentials take turns: their number and what they fit are judged on what is there. */
async function lockedChannelOf(tx: Tx, on: OnChannel): Promise<ChannelRow | undefined> {
  const query = tx.db.updateTable('channel').set((row) => ({ state: row.ref('state') }))
  return await query
    .where('id', '=', on.channel)
    .where('tenant_id', '=', on.tenant)
    .returningAll()
    .executeTakeFirst()
}

async function channelOf(db: Database, on: OnChannel): Promise<ChannelRow | undefined> {
  const query = db.selectFrom('channel').selectAll().where('id', '=', on.channel)
  return await query.where('tenant_id', '=', on.tenant).executeTakeFirst()
}

async function findCredential(
  db: Database,
  on: OnChannel & { readonly credential: string },
): Promise<Row | undefined> {
  return await db
    .selectFrom('credential')
    .selectAll()
    .where('id', '=', on.credential)
    .where('channel_id', '=', on.channel)
    .where('tenant_id', '=', on.tenant)
    .executeTakeFirst()
}

function placeOf(id: string) {
  return { table: 'credential', column: 'sealed', row: id, schema: 1 } as const
}

function stateOf(row: Row, now: number): Credential['state'] {
  if (row.state === 'revoked') return 'revoked'
  if (row.expires_at === null) return 'live'
  return now < row.expires_at ? 'overlap' : 'expired'
}

function shown(row: Row, now: number): Credential {
  return {
    id: row.id,
    channel: row.channel_id,
    label: row.label,
    role: row.role,
    state: stateOf(row, now),
    createdAt: timeText(row.created_at),
    expiresAt: timeTextOrNull(row.expires_at),
    lastUsedAt: timeTextOrNull(row.last_used_at),
  }
}
