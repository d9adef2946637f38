/**
 * The first way in: a code printed at the first start, good once and for a quarter of an hour. In: a code. Out: the
 * first administrator's token, with every scope. Refuses, all alike, codes that are wrong, used or too old; the caller
 * limits how often it may be tried.
 */
import { createHash } from 'node:crypto'
import { SCOPES } from '@gatehouse/contract/api.ts'
import type { Database } from '../store/schema.ts'
import type { Tx } from '../store/store.ts'
import { type Issued, issueToken } from './issue.ts'
import type { TokenRefused } from './needs.ts'

/** Long enough to walk from the server's log to the console. */
const GOOD_FOR_MS = 15 * 60_000
/** No i, l, o or u: none is mistaken for another. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** 100 random bits: guessing is hopeless even without the rate limit. */
const CHARACTERS = 20
const GROUP = 5

/** Makes the one live code; any earlier one is void from then on. Show it once: only its hash is kept. */
export async function makeClaimCode(tx: Tx, random: (bytes: number) => Buffer, now: number): Promise<string> {
  const plain = Array.from(random(CHARACTERS), (byte) => ALPHABET[byte & 31]).join('')
  // Two gates that start together take turns here, or each would leave a live code.
  await tx.db.updateTable('audit_head').set({ id: 1 }).where('id', '=', 1).execute()
  await tx.db.deleteFrom('claim_code').where('used_at', 'is', null).execute()
  const row = { hash: hashOf(plain), created_at: now, expires_at: now + GOOD_FOR_MS, used_at: null }
  await tx.db.insertInto('claim_code').values(row).execute()
  return (plain.match(new RegExp(`.{${GROUP}}`, 'g')) ?? []).join('-')
}

/** Whether anyone has claimed this gate yet. */
export async function isClaimed(db: Database): Promise<boolean> {
  const token = await db
    .selectFrom('token')
    .select('id')
    .where('tenant_id', 'is', null)
    .where('revoked_at', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return token !== undefined
}

/** One statement decides and uses the code up, so two who hold it cannot both get in. */
export async function claim(
  tx: Tx,
  random: (bytes: number) => Buffer,
  now: number,
  asked: { readonly code: string; readonly name?: string | undefined },
): Promise<Issued | TokenRefused> {
  const used = await tx.db
    .updateTable('claim_code')
    .set({ used_at: now })
    .where('hash', '=', hashOf(plainOf(asked.code)))
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .returning('created_at')
    .execute()
  if (used.length !== 1) return { refused: 'claim' }
  const name = asked.name ?? 'first administrator'
  return await issueToken(tx, random, now, {
    name,
    tenant: null,
    subscription: null,
    scopes: SCOPES,
    expiresAt: null,
  })
}

/** Typed by hand: dashes, spaces and case do not matter, and look-alikes are read as Crockford says. */
function plainOf(code: string): string {
  return code.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
}

function hashOf(plain: string): Buffer {
  return createHash('sha256').update('gatehouse claim code\0').update(plain).digest()
}
