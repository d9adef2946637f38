/**
 * One key, one effect. In: who asks, where, under which key, with which bytes, and the effect. Out: the answer, fresh or
 * as it was given the first time. Refuses a key that comes again with other bytes within its day.
 *
 * The key's row goes in before the effect and in the same transaction: of two requests at once the second waits at the
 * unique key, then finds the first one's answer. A refused or failed effect takes the row back, so trying again is free.
 */
import { createHash } from 'node:crypto'
import { lengthPrefixed } from '@gatehouse/proof/bytes.ts'
import type { Place } from '@gatehouse/proof/sealed.ts'
import type { Tx } from '../store/store.ts'

/** As long as a client may reasonably go on trying. */
const KEPT_MS = 24 * 3_600_000
/** Rows pruned at once; more would hold up other writers. */
const PRUNE_BATCH = 200

type At = Omit<Place, 'tenant'>

export interface Seals {
  seal(tenant: string, place: At, bytes: Uint8Array): Promise<Buffer>
  unseal(tenant: string, place: At, blob: Uint8Array): Promise<Buffer>
}

export interface KeyedRequest {
  readonly tokenId: string
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly key: string
  readonly body: Uint8Array
  /** Whose data key seals the answer: the path's tenant, '' for the platform. */
  readonly tenant: string
  readonly now: number
}

/** What is kept: it may hold a secret that is shown once, so it is sealed. */
export interface KeptAnswer {
  readonly status: number
  readonly text: string
}

/** The answer of the first time, still sealed: it is opened after the transaction, which may wait for nothing else. */
export interface Earlier {
  readonly status: number
  readonly sealed: Buffer
}

export type Once =
  | { readonly fresh: KeptAnswer }
  | { readonly earlier: Earlier }
  | { readonly refused: 'key-mismatch' }

export async function once(
  tx: Tx,
  seals: Seals,
  request: KeyedRequest,
  effect: () => Promise<KeptAnswer>,
): Promise<Once> {
  const key = keyDigest(request)
  const row = await reserve(tx, key, request)
  if (row !== undefined) {
    const isSame = bodyDigest(request).equals(row.request_digest)
    return isSame ? { earlier: row } : { refused: 'key-mismatch' }
  }
  const answer = await effect()
  const sealed = await seals.seal(request.tenant, placeOf(key), Buffer.from(answer.text))
  const kept = { status: answer.status, sealed }
  await tx.db.updateTable('idempotency').set(kept).where('key', '=', key).execute()
  return { fresh: answer }
}

/** The answer of the first time, opened. */
export async function openEarlier(
  seals: Seals,
  request: KeyedRequest,
  earlier: Earlier,
): Promise<KeptAnswer> {
  const text = await seals.unseal(request.tenant, placeOf(keyDigest(request)), earlier.sealed)
  return { status: earlier.status, text: text.toString() }
}

/**
 * Brings the tenant's data key into memory, for sealing and for opening. Transactions that wait for one another hold
 * their connections: one that had to read a key on another would wait for all of them.
 */
export async function warmKey(seals: Seals, tenant: string): Promise<void> {
  const place = placeOf(Buffer.alloc(0))
  await seals.unseal(tenant, place, await seals.seal(tenant, place, Buffer.alloc(0)))
}

/** Forgets keys whose day is over. */
export async function pruneIdempotency(tx: Tx, now: number): Promise<void> {
  const old = tx.db.selectFrom('idempotency').select('key').where('expires_at', '<=', now).limit(PRUNE_BATCH)
  await tx.db.deleteFrom('idempotency').where('key', 'in', old).execute()
}

interface KeptRow extends Earlier {
  readonly request_digest: Buffer
}

/** Puts the row in, or answers the one that is there. */
async function reserve(tx: Tx, key: Buffer, request: KeyedRequest): Promise<KeptRow | undefined> {
  const { now, tenant } = request
  await tx.db.deleteFrom('idempotency').where('key', '=', key).where('expires_at', '<=', now).execute()
  const row = {
    key,
    tenant_id: tenant,
    request_digest: bodyDigest(request),
    status: 0,
    sealed: Buffer.alloc(0),
    expires_at: now + KEPT_MS,
  }
  const insert = tx.db.insertInto('idempotency').values(row)
  const made = await insert
    .onConflict((conflict) => conflict.doNothing())
    .returning('expires_at')
    .execute()
  if (made.length === 1) return undefined
  return await tx.db
    .selectFrom('idempotency')
    .select(['request_digest', 'status', 'sealed'])
    .where('key', '=', key)
    .executeTakeFirstOrThrow()
}

function keyDigest({ tokenId, method, target, key }: KeyedRequest): Buffer {
  return createHash('sha256')
    .update(lengthPrefixed([tokenId, method, target, key]))
    .digest()
}

/** Under the client's key, which is not stored: a body may hold a secret weak enough to be guessed from a plain hash. */
function bodyDigest({ key, body }: KeyedRequest): Buffer {
  return createHash('sha256')
    .update(lengthPrefixed([key, body]))
    .digest()
}

function placeOf(key: Buffer): At {
  return { table: 'idempotency', column: 'sealed', row: key.toString('hex'), schema: 1 }
}
