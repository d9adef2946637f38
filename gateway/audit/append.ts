/**
 * Writes to the audit log, inside the caller's transaction. In: events. Out: their sequence numbers, contiguous from 1.
 * Refuses an event that its schema does not allow by throwing, which takes the caller's mutation back: no entry, no
 * effect. The log that outsiders check is built over these entries in order; `entry` is its leaf, byte for byte.
 */
import { canonical } from '@gatehouse/proof/canonical.ts'
import { chained } from '@gatehouse/proof/chain.ts'
import type { Schema } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import { type AuditEvent, checkedDetails } from './events.ts'

export type { AuditEvent } from './events.ts'

/** Appends one event. Call it last: it holds the head of the log until the transaction ends. */
export async function append(tx: Tx, event: AuditEvent, now: number): Promise<number> {
  return await appendAll(tx, [event], now)
}

/** Appends events in order; answers the number of the last. */
export async function appendAll(tx: Tx, events: readonly AuditEvent[], now: number): Promise<number> {
  const head = await lockHead(tx)
  const rows: Schema['audit_entry'][] = []
  let { seq, hash } = head
  for (const event of events) {
    const entry = leaf(++seq, event, now)
    hash = chained(hash, entry)
    rows.push({
      seq,
      at: now,
      tenant_id: event.tenant,
      action: event.action,
      target: event.target,
      entry,
      hash,
    })
  }
  // A number taken already is an error of the database, and takes the transaction back.
  tx.insertLast('audit_entry', rows)
  tx.last(tx.db.updateTable('audit_head').set({ seq, hash }).where('id', '=', 1).compile())
  return seq
}

/** Reads the head so that no other transaction can until this one ends: that keeps the sequence without a gap. */
async function lockHead(tx: Tx): Promise<{ seq: number; hash: Buffer }> {
  // Writing locks the row on PostgreSQL; SQLite has one writer at a time anyway.
  const query = tx.db.updateTable('audit_head').set((head) => ({ seq: head.ref('seq') }))
  const head = await query.where('id', '=', 1).returning(['seq', 'hash']).executeTakeFirst()
  if (head === undefined) throw new Error('append to the audit log: its head is missing')
  return head
}

function leaf(seq: number, event: AuditEvent, now: number): string {
  return canonical({
    v: 1,
    seq,
    at: new Date(now).toISOString(),
    tenant: event.tenant,
    actor: event.actor,
    action: event.action,
    target: event.target,
    outcome: event.outcome,
    requestId: event.requestId,
    details: checkedDetails(event),
  })
}
