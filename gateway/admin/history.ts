/**
 * What happened: refusals at a channel, and the events of the audit log. In: a channel, a tenant or the platform. Out:
 * pages, newest first. Refuses channels of other tenants as if they were not there.
 */
import type { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import type { Database, Schema } from '../store/schema.ts'
import { findChannel } from './channels.ts'
import type { AdminRefused } from './needs.ts'
import { page, type PageAsk, type PageOf, timeText } from './page.ts'

type Event = z.infer<typeof api.Event>

export async function listRefusals(
  db: Database,
  tenant: string,
  channel: string,
  ask: PageAsk,
): Promise<PageOf<z.infer<typeof api.RefusalSeen>> | AdminRefused> {
  if ((await findChannel(db, tenant, channel)) === undefined) return { refused: 'absent', what: 'channel' }
  let query = db.selectFrom('refusal').selectAll().where('channel_id', '=', channel)
  if (ask.cursor !== undefined) query = query.where('id', '<', ask.cursor)
  const rows = await query
    .where('tenant_id', '=', tenant)
    .orderBy('id', 'desc')
    .limit(ask.limit + 1)
    .execute()
  return page(
    rows,
    ask.limit,
    (row) => row.id,
    ({ id, at, reason, detail, request_id, count }) => {
      return { id, at: timeText(at), reason, detail, requestId: request_id, count }
    },
  )
}

/** `tenant` null lists the whole chain, as only the platform may. */
export async function listEvents(
  db: Database,
  tenant: string | null,
  ask: z.infer<typeof api.EventQuery>,
): Promise<PageOf<Event>> {
  let query = db.selectFrom('audit_entry').selectAll()
  if (tenant !== null) query = query.where('tenant_id', '=', tenant)
  if (ask.action !== undefined) query = query.where('action', '=', ask.action)
  if (ask.cursor !== undefined) query = query.where('seq', '<', Number(ask.cursor))
  const rows = await query
    .orderBy('seq', 'desc')
    .limit(ask.limit + 1)
    .execute()
  return page(rows, ask.limit, (row) => row.seq, shown)
}

function shown(row: Schema['audit_entry']): Event {
  // Our own column, written by the audit room; the answer's schema looks again.
  const entry = JSON.parse(row.entry) as Pick<Event, 'actor' | 'outcome' | 'requestId'> & Partial<Event>
  return {
    seq: row.seq,
    at: timeText(row.at),
    action: row.action,
    tenant: row.tenant_id,
    actor: entry.actor,
    target: row.target,
    outcome: entry.outcome,
    requestId: entry.requestId,
    details: entry.details ?? {},
    hash: Buffer.from(row.hash).toString('hex'),
  }
}
