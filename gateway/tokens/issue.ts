/**
 * Makes bearer tokens. In: whose, what for, how long. Out: the row's id and the text, shown once; the store keeps only
 * its SHA-256. Refuses nothing: whether the caller may is asked in `tokens.ts`.
 */
import type { Tx } from '../store/store.ts'
import { newId } from '../store/id.ts'
import { digestOf } from './verify.ts'

export interface Issue {
  readonly name: string
  /** Null for the platform. */
  readonly tenant: string | null
  readonly subscription: string | null
  readonly scopes: readonly string[]
  /** Unix milliseconds; null never. */
  readonly expiresAt: number | null
}

export interface Issued {
  readonly id: string
  readonly token: string
}

export async function issueToken(
  tx: Tx,
  random: (bytes: number) => Buffer,
  now: number,
  issue: Issue,
): Promise<Issued> {
  const token = `gh_${random(32).toString('base64url')}`
  const hash = digestOf(token)
  if (hash === undefined) throw new Error('issue a token: the text made is not of the form that is taken')
  const id = newId('tok_', now)
  const row = {
    id,
    tenant_id: issue.tenant,
    subscription_id: issue.subscription,
    name: issue.name,
    hash,
    scopes: JSON.stringify(issue.scopes),
    created_at: now,
    expires_at: issue.expiresAt,
    revoked_at: null,
    last_used_at: null,
  }
  await tx.db.insertInto('token').values(row).execute()
  return { id, token }
}
