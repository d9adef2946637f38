/**
 * Deliveries: list, show, open the raw body, send again. In: ids and filters of one tenant. Out: what is known without
 * opening it; the body's bytes only through `readBody`, whose route has a scope of its own. Refuses deliveries of other
 * tenants as if they were not there, and to send again what nobody is subscribed to.
 */
import type { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import type { Database, Schema } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import type { AdminNeeds, AdminRefused } from './needs.ts'
import { page, type PageOf, timeText, timeTextOrNull } from './page.ts'

type Delivery = z.infer<typeof api.Delivery>
type Dispatch = z.infer<typeof api.Dispatch>
type DispatchRow = Schema['dispatch']
/** Everything but what is sealed: a list must not read bodies off the disk. */
type Row = Omit<Schema['inbox'], 'sealed'>

const SHOWN = [
  'id',
  'tenant_id',
  'channel_id',
  'source',
  'kind',
  'credential_id',
  'signed_at',
  'received_at',
  'size',
] as const

export async function listDeliveries(
  db: Database,
  tenant: string,
  ask: z.infer<typeof api.DeliveryQuery>,
): Promise<PageOf<Delivery>> {
  let query = db.selectFrom('inbox').select(SHOWN).where('tenant_id', '=', tenant)
  if (ask.cursor !== undefined) query = query.where('id', '<', ask.cursor)
  if (ask.channel !== undefined) query = query.where('channel_id', '=', ask.channel)
  const { subscription, state } = ask
  if (subscription !== undefined || state !== undefined) {
    query = query.where((is) => {
      let sent = is.selectFrom('dispatch').select('dispatch.id').whereRef('delivery_id', '=', 'inbox.id')
      sent = sent.where('dispatch.tenant_id', '=', tenant)
      if (subscription !== undefined) sent = sent.where('subscription_id', '=', subscription)
      return is.exists(state === undefined ? sent : sent.where('dispatch.state', '=', state))
    })
  }
  const rows = await query
    .orderBy('id', 'desc')
    .limit(ask.limit + 1)
    .execute()
  const sent = await dispatchesOf(db, tenant, rows)
  return page(
    rows,
    ask.limit,
    (row) => row.id,
    (row) => shown(row, sent.get(row.id) ?? []),
  )
}

export async function readDelivery(
  db: Database,
  tenant: string,
  id: string,
): Promise<Delivery | AdminRefused> {
  const query = db.selectFrom('inbox').select(SHOWN).where('id', '=', id)
  const row = await query.where('tenant_id', '=', tenant).executeTakeFirst()
  if (row === undefined) return { refused: 'absent', what: 'delivery' }
  return shown(row, (await dispatchesOf(db, tenant, [row])).get(id) ?? [])
}

/** The verified raw body, byte for byte. A subscription, unlike an operator, opens only what it was sent. */
export async function readBody(
  needs: AdminNeeds,
  db: Database,
  tenant: string,
  id: string,
  subscription: string | null,
): Promise<{ readonly bytes: Uint8Array; readonly filename: string } | AdminRefused> {
  const opened = await openContent(needs, db, tenant, id, subscription)
  return 'refused' in opened ? opened : { bytes: needs.bodyOf(opened.content), filename: `${id}.bin` }
}

/** What the inbox keeps of a delivery, unsealed; a subscription opens only what it was sent. */
export async function openContent(
  needs: Pick<AdminNeeds, 'keyring'>,
  db: Database,
  tenant: string,
  id: string,
  subscription: string | null,
): Promise<{ readonly content: Buffer; readonly source: string; readonly channel: string } | AdminRefused> {
  const query = db.selectFrom('inbox').select(['id', 'channel_id', 'source', 'sealed']).where('id', '=', id)
  const row = await query.where('tenant_id', '=', tenant).executeTakeFirst()
  const isOwn = subscription === null || (await wasSent(db, tenant, id, subscription))
  if (row === undefined || !isOwn) return { refused: 'absent', what: 'delivery' }
  const place = { table: 'inbox', column: 'sealed', row: row.id, schema: 1 }
  const content = await needs.keyring.unseal(tenant, place, row.sealed)
  return { content, source: row.source, channel: row.channel_id }
}

export async function replayDelivery(
  needs: AdminNeeds,
  tx: Tx,
  tenant: string,
  id: string,
  now: number,
  asked: z.infer<typeof api.ReplayRequest>,
): Promise<z.infer<typeof api.Replayed> | AdminRefused> {
  const query = tx.db.selectFrom('inbox').select('id').where('id', '=', id)
  const row = await query.where('tenant_id', '=', tenant).executeTakeFirst()
  if (row === undefined) return { refused: 'absent', what: 'delivery' }
  const ask = { tenant, delivery: id, subscription: asked.subscription, now }
  const dispatches = [...(await needs.replay(tx, ask))]
  if (dispatches.length === 0) {
    return {
      refused: 'state',
      message: 'replay the delivery: no such subscription, wanted at least one to send it to',
    }
  }
  tx.announce('dispatch')
  return { delivery: id, dispatches }
}

/** What waits is due now, and what died comes back to life with all its tries, marked as a replay. */
export async function retryDelivery(
  tx: Tx,
  tenant: string,
  id: string,
  now: number,
  { subscription }: z.infer<typeof api.RetryRequest>,
): Promise<z.infer<typeof api.Retried> | AdminRefused> {
  const found = tx.db.selectFrom('inbox').select('id').where('id', '=', id).where('tenant_id', '=', tenant)
  if ((await found.executeTakeFirst()) === undefined) return { refused: 'absent', what: 'delivery' }
  const of = (state: 'pending' | 'dead') => {
    const query = tx.db
      .updateTable('dispatch')
      .where('delivery_id', '=', id)
      .where('tenant_id', '=', tenant)
      .where('state', '=', state)
      // What a subscription that is gone had not got, nobody can get.
      .where('subscription_id', 'in', (is) =>
        is.selectFrom('subscription').select('id').where('tenant_id', '=', tenant),
      )
      .returning('id')
    return subscription === undefined ? query : query.where('subscription_id', '=', subscription)
  }
  const due = await of('pending').set({ due_at: now }).execute()
  const revived = await of('dead')
    .set({ state: 'pending', attempts: 0, due_at: now, finished_at: null, replay: 1 })
    .execute()
  const dispatches = [...due, ...revived].map((row) => row.id).sort()
  if (dispatches.length === 0) {
    return {
      refused: 'state',
      message:
        'retry the delivery: nothing of it waits or is dead, wanted at least one; replay sends it once more',
    }
  }
  tx.announce('dispatch')
  return { delivery: id, dispatches }
}

async function wasSent(db: Database, tenant: string, id: string, subscription: string): Promise<boolean> {
  const query = db.selectFrom('dispatch').select('id').where('tenant_id', '=', tenant)
  const sent = query.where('delivery_id', '=', id).where('subscription_id', '=', subscription)
  return (await sent.limit(1).executeTakeFirst()) !== undefined
}

async function dispatchesOf(
  db: Database,
  tenant: string,
  rows: readonly Row[],
): Promise<Map<string, Dispatch[]>> {
  const sent = new Map<string, Dispatch[]>(rows.map((row) => [row.id, []]))
  if (rows.length === 0) return sent
  const query = db.selectFrom('dispatch').selectAll().where('tenant_id', '=', tenant)
  const found = await query
    .where('delivery_id', 'in', [...sent.keys()])
    .orderBy('id')
    .execute()
  for (const row of found) sent.get(row.delivery_id)?.push(shownDispatch(row))
  return sent
}

function shownDispatch(row: DispatchRow): Dispatch {
  return {
    id: row.id,
    subscription: row.subscription_id,
    state: row.state,
    attempts: row.attempts,
    dueAt: timeText(row.due_at),
    replay: row.replay === 1,
    lastStatus: row.last_status,
    lastError: row.last_error,
    createdAt: timeText(row.created_at),
    finishedAt: timeTextOrNull(row.finished_at),
  }
}

function shown(row: Row, dispatches: Dispatch[]): Delivery {
  return {
    id: row.id,
    tenant: row.tenant_id,
    channel: row.channel_id,
    source: row.source,
    kind: row.kind,
    credential: row.credential_id,
    signedAt: timeTextOrNull(row.signed_at),
    receivedAt: timeText(row.received_at),
    size: row.size,
    dispatches,
  }
}
