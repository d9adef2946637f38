/**
 * Takes proved deliveries in, once each and for good. In: verified deliveries with their facts. Out: whether each is new,
 * after one durable write that is the replay check, the inbox row, the work for the app and the audit entry together.
 * Refuses, with `StoreUnavailable`, when nothing could be written; the vendor then repeats.
 *
 * Deliveries that arrive while a write is under way share the next one. A delivery is new when every name it is
 * remembered under is new; keys go in sorted, so two gateways that take the same deliveries wait for each other in one
 * order and never in a circle.
 */
import type { AuditEvent } from '../audit/events.ts'
import { newId } from '../store/id.ts'
import type { Schema } from '../store/schema.ts'
import { type Store, StoreUnavailable, type Tx } from '../store/store.ts'
import { together } from '../store/together.ts'
import type { Channel } from './channel.ts'
import { pack } from './content.ts'
import { replayKeys } from './replay-key.ts'
import type { Facts } from './source.ts'
import type { VerifiedDelivery } from './verify.ts'

/** Deliveries in one write: enough to share an fsync, few enough to answer the first soon. */
const BATCH_CAP = 128
/** Deliveries that may wait for a write; beyond that the gate says 503 rather than keep a vendor waiting. */
const WAITING_CAP = 4_096
/** Writes under way at once: SQLite has one writer; on PostgreSQL a second hides the first one's round trips. */
const WRITERS = { sqlite: 1, postgres: 2 } as const

export interface AcceptNeeds {
  readonly store: Store
  readonly seal: (tenant: string, row: string, bytes: Uint8Array) => Promise<Buffer>
  readonly append: (tx: Tx, events: readonly AuditEvent[]) => Promise<unknown>
  /** Makes the work for the apps that subscribe to the channels. */
  readonly fanOut: (tx: Tx, rows: readonly Fanned[], now: number) => Promise<void>
  /** The blind name of the conversation, where some app wants its deliveries in order. */
  readonly orderKey?: (
    tenant: string,
    channel: string,
    conversation: string | undefined,
  ) => Promise<string | undefined>
  readonly clock: () => number
}

/** What the work for the apps is made of. */
export interface Fanned {
  readonly deliveryId: string
  readonly channelId: string
  readonly tenantId: string
  readonly orderKey?: string | undefined
  readonly lease?: string | undefined
}

export interface Proved {
  readonly channel: Channel
  readonly delivery: VerifiedDelivery
  readonly facts: Facts
  readonly requestId: string
  /** Where the vendor waits for an app's answer: the lease its dispatch is born under. */
  readonly lease?: string | undefined
}

export interface Accepted {
  /** False when it was taken before; it reaches the app once. */
  readonly fresh: boolean
  readonly id: string
}

interface Waiting {
  readonly orderKey: string | undefined
  readonly lease: string | undefined
  readonly row: Schema['inbox']
  readonly keys: readonly Buffer[]
  readonly expiresAt: number
  readonly requestId: string
  resolve(accepted: Accepted): void
  reject(error: unknown): void
}

/** A name under which a delivery of a batch is remembered. */
interface Named {
  readonly key: Buffer
  readonly of: number
  readonly waiting: Waiting
}

/** Thrown to take back a batch of which some was remembered already. */
const KNOWN = new Error('accept deliveries: some were accepted before')

export class Acceptor {
  readonly #needs: AcceptNeeds
  #waiting: Waiting[] = []
  #writers = 0

  constructor(needs: AcceptNeeds) {
    this.#needs = needs
  }

  /** Resolves when the delivery is durable, here or from before. */
  async accept(proved: Proved): Promise<Accepted> {
    if (this.#waiting.length >= WAITING_CAP)
      throw new StoreUnavailable('accept a delivery: too many wait already')
    const row = await this.#row(proved)
    const { channel, delivery, facts, requestId, lease } = proved
    const orderKey = await this.#needs.orderKey?.(channel.tenant, channel.id, facts.conversation?.id)
    return await new Promise((resolve, reject) => {
      this.#waiting.push({
        row,
        orderKey,
        lease,
        keys: replayKeys(channel.id, delivery.digest, facts.deliveryId ?? delivery.headerDeliveryId),
        expiresAt: row.received_at + channel.replayMs,
        requestId,
        resolve,
        reject,
      })
      if (this.#writers < WRITERS[this.#needs.store.engine]) void this.#drain()
    })
  }

  /** The delivery that a duplicate is a copy of: what was signed says it before any id. */
  async originalOf({ channel, delivery, facts }: Proved): Promise<string | undefined> {
    const keys = replayKeys(channel.id, delivery.digest, facts.deliveryId ?? delivery.headerDeliveryId)
    const query = this.#needs.store.read.selectFrom('replay_memory').select(['key', 'delivery_id'])
    const rows = await query.where('key', 'in', keys).execute()
    const first = keys.map((key) => rows.find((row) => row.key.equals(key))).find((row) => row !== undefined)
    return first?.delivery_id
  }

  async #row({ channel, delivery, facts }: Proved): Promise<Schema['inbox']> {
    const now = this.#needs.clock()
    const id = newId('dlv_', now)
    const { handshake: _h, challenge: _c, visit: _v, ack: _a, ...kept } = facts
    const { body, headers } = delivery.request
    const deliveryId = kept.deliveryId ?? delivery.headerDeliveryId
    const content = pack({
      facts: deliveryId === undefined ? kept : { ...kept, deliveryId },
      contentType: headers.get('content-type'),
      body,
    })
    return {
      id,
      tenant_id: channel.tenant,
      channel_id: channel.id,
      source: channel.source.name,
      kind: facts.kind,
      credential_id: delivery.credentialId,
      signed_at: delivery.sentAt === undefined ? null : Math.round(delivery.sentAt * 1_000),
      received_at: now,
      size: body.length,
      sealed: await this.#needs.seal(channel.tenant, id, content),
    }
  }

  async #drain(): Promise<void> {
    this.#writers++
    // One turn of the loop lets everything that arrived together share the write.
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) await this.#writeTogether(this.#waiting.splice(0, BATCH_CAP))
    this.#writers--
  }

  async #writeTogether(batch: readonly Waiting[]): Promise<void> {
    try {
      const fresh = await this.#write(batch)
      for (const [i, waiting] of batch.entries())
        waiting.resolve({ fresh: fresh[i] === true, id: waiting.row.id })
    } catch (error) {
      for (const waiting of batch) waiting.reject(error)
    }
  }

  /** Nearly every batch is all new, and is then written in one go; any other is sorted first. */
  async #write(batch: readonly Waiting[]): Promise<boolean[]> {
    const { store } = this.#needs
    try {
      return await store.write((tx) => this.#writeAll(tx, batch))
    } catch (error) {
      if (error !== KNOWN) throw error
      return await store.write((tx) => this.#writeNew(tx, batch))
    }
  }

  /** Writes the batch as if all of it were new; when some is not, nothing of it is kept. */
  async #writeAll(tx: Tx, batch: readonly Waiting[]): Promise<boolean[]> {
    const named = namesOf(batch)
    const [remembered] = await together(
      () => insertNames(tx, named),
      () => this.#keep(tx, batch),
    )
    if (!remembered.every(Boolean)) throw KNOWN
    return batch.map(() => true)
  }

  /** Writes what is new. Answers, for each of the batch, whether it is. */
  async #writeNew(tx: Tx, batch: readonly Waiting[]): Promise<boolean[]> {
    const fresh = await remember(tx, batch)
    const taken = batch.filter((_, i) => fresh[i])
    if (taken.length > 0) await this.#keep(tx, taken)
    return fresh
  }

  async #keep(tx: Tx, taken: readonly Waiting[]): Promise<void> {
    const [written] = await together(
      () => tx.insertMany('inbox', taken.map(rowOf)),
      () => this.#needs.fanOut(tx, taken.map(fanned), this.#needs.clock()),
      () => this.#needs.append(tx, taken.map(leaf)),
    )
    if (!written.every(Boolean)) throw new Error('accept a delivery: an id was taken already')
  }
}

/** Remembers the batch under all its names; answers which deliveries are new: those whose every name was. */
async function remember(tx: Tx, batch: readonly Waiting[]): Promise<boolean[]> {
  const named = namesOf(batch)
  const inserted = await insertNames(tx, named)
  const fresh = batch.map(() => true)
  for (const [i, { of }] of named.entries()) if (inserted[i] !== true) fresh[of] = false
  const strays = named.filter(({ of }, i) => inserted[i] === true && fresh[of] !== true).map(({ key }) => key)
  if (strays.length > 0) await forgetStrays(tx, batch, fresh, strays)
  return fresh
}

function namesOf(batch: readonly Waiting[]): Named[] {
  const named = batch.flatMap((waiting, of) => waiting.keys.map((key) => ({ key, of, waiting })))
  return named.sort((a, b) => Buffer.compare(a.key, b.key) || a.of - b.of)
}

function insertNames(tx: Tx, named: readonly Named[]): Promise<boolean[]> {
  return tx.insertMany(
    'replay_memory',
    named.map(({ key, waiting }) => ({ key, delivery_id: waiting.row.id, expires_at: waiting.expiresAt })),
  )
}

/**
 * Forgets the names that only duplicates brought: a forged id beside a replayed body must not be remembered, or the
 * genuine delivery of that id would be refused. Deliveries of this batch that met only such a name are tried again.
 */
async function forgetStrays(
  tx: Tx,
  batch: readonly Waiting[],
  fresh: boolean[],
  strays: readonly Buffer[],
): Promise<void> {
  await tx.db.deleteFrom('replay_memory').where('key', 'in', strays).execute()
  const freed = new Set(strays.map((key) => key.toString('hex')))
  const again = [...batch.keys()].filter(
    (i) =>
      fresh[i] !== true &&
      batch[i]?.keys.some((key) => !strays.includes(key) && freed.has(key.toString('hex'))),
  )
  if (again.length === 0) return
  const retried = await remember(
    tx,
    again.flatMap((i) => batch[i] ?? []),
  )
  for (const [at, i] of again.entries()) fresh[i] = retried[at] === true
}

function rowOf({ row }: Waiting): Schema['inbox'] {
  return row
}

function fanned({ row, orderKey, lease }: Waiting): Fanned {
  return { deliveryId: row.id, channelId: row.channel_id, tenantId: row.tenant_id, orderKey, lease }
}

function leaf({ row, requestId }: Waiting): AuditEvent {
  return {
    action: 'delivery.accepted',
    tenant: row.tenant_id,
    actor: `source:${row.source}`,
    target: row.id,
    outcome: 'allowed',
    requestId,
    details: { channel: row.channel_id, kind: row.kind, credential: row.credential_id },
  }
}
