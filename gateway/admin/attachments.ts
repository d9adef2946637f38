/**
 * Opens a file that a delivery refers to. In: a delivery, a number, and who asks. Out: the file's bytes, fetched from the
 * vendor now. Refuses deliveries and numbers that are not there as if they were not, and with one sentence what the vendor
 * does not give or the gate does not hand on.
 */
import type { Database } from '../store/schema.ts'
import { openContent } from './deliveries.ts'
import type { AdminNeeds, AdminRefused } from './needs.ts'

/** The role of the credential that opens files and proves nothing. */
const ROLE = 'download-token'

export interface WantedAttachment {
  readonly tenant: string
  readonly delivery: string
  readonly at: number
  /** The pull subscription that asks, or null for an operator. */
  readonly subscription: string | null
  readonly now: number
  readonly signal: AbortSignal
}

export async function readAttachment(
  needs: AdminNeeds,
  db: Database,
  wanted: WantedAttachment,
): Promise<{ readonly bytes: Uint8Array; readonly filename: string } | AdminRefused> {
  const { tenant, delivery, at, subscription, now, signal } = wanted
  const found = await openContent(needs, db, tenant, delivery, subscription)
  if ('refused' in found) return found
  const { source, channel, content } = found
  const token = await tokenOf(needs, db, tenant, channel, now)
  const opened = await needs.openAttachment({ source, content, at, token, signal })
  if (opened === undefined) return { refused: 'absent', what: 'attachment' }
  if ('problem' in opened) return { refused: 'state', message: opened.problem }
  // The vendor's name for it stays in the envelope: here it would be a header made of a sender's text.
  return { bytes: opened.bytes, filename: `${delivery}-${at}.bin` }
}

/** The newest live one. */
async function tokenOf(
  needs: AdminNeeds,
  db: Database,
  tenant: string,
  channel: string,
  now: number,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('credential')
    .select(['id', 'sealed'])
    .where('tenant_id', '=', tenant)
    .where('channel_id', '=', channel)
    .where('role', '=', ROLE)
    .where('state', '=', 'live')
    .where((is) => is.or([is('expires_at', 'is', null), is('expires_at', '>', now)]))
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const place = { table: 'credential', column: 'sealed', row: row.id, schema: 1 }
  return (await needs.keyring.unseal(tenant, place, row.sealed)).toString('utf8')
}
