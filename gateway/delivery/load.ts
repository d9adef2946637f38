/**
 * Fetches and opens what leases are about. In: leases. Out: for each its envelope, and for push where it goes and the
 * secret that signs it. Refuses, with a content-free code, a delivery that is gone or cannot be unsealed; the try has
 * failed then, and the schedule decides.
 */
import type { Envelope } from '@gatehouse/contract/envelope.ts'
import { envelope } from './envelope.ts'
import type { DeliveryNeeds } from './needs.ts'
import type { Lease } from './queue.ts'

/** The inbox row of a lease and its subscription's settings. */
export interface Loaded {
  readonly lease: Lease
  readonly url: string | null
  readonly secretSealed: Buffer | null
  readonly inline: boolean
  /** Unix milliseconds before which its subscription takes nothing; 0 when it is not held. */
  readonly heldUntil: number
  readonly received: {
    readonly id: string
    readonly tenant: string
    readonly channel: string
    readonly source: string
    readonly receivedAt: number
    readonly signedAt: number | null
  }
  /** Bytes of the raw body. */
  readonly size: number
  readonly sealed: Buffer
}

/** Rows by dispatch; a lease whose delivery is no longer kept has none. */
export async function load(needs: DeliveryNeeds, leases: readonly Lease[]): Promise<Map<string, Loaded>> {
  if (leases.length === 0) return new Map()
  const rows = await needs.store.read
    .selectFrom('dispatch as d')
    .innerJoin('subscription as s', 's.id', 'd.subscription_id')
    .innerJoin('inbox as i', 'i.id', 'd.delivery_id')
    .select(['d.id as dispatch', 's.url', 's.secret_sealed', 's.inline_body', 's.held_until'])
    .select([
      'i.id',
      'i.tenant_id',
      'i.channel_id',
      'i.source',
      'i.received_at',
      'i.signed_at',
      'i.size',
      'i.sealed',
    ])
    .where(
      'd.id',
      'in',
      leases.map(({ id }) => id),
    )
    // A dispatch of one tenant never shows a delivery of another, whatever the rows say.
    .whereRef('i.tenant_id', '=', 'd.tenant_id')
    .whereRef('s.tenant_id', '=', 'd.tenant_id')
    .execute()
  const byId = new Map(leases.map((lease) => [lease.id, lease]))
  return new Map(
    rows.flatMap((row) => {
      const lease = byId.get(row.dispatch)
      return lease === undefined ? [] : [[lease.id, loaded(lease, row)]]
    }),
  )
}

export type Opened = { readonly envelope: Envelope } | { readonly failed: 'content-unreadable' }

/** Unseals the delivery and puts it into its envelope. */
export async function open(
  needs: DeliveryNeeds,
  { lease, received, inline, sealed }: Loaded,
): Promise<Opened> {
  try {
    const place = { table: 'inbox', column: 'sealed', row: received.id, schema: 1 }
    const bytes = await needs.unseal(received.tenant, place, sealed)
    const content = needs.unpack(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    return { envelope: envelope(received, content, { attempt: lease.attempt, replay: lease.replay, inline }) }
  } catch {
    // Whatever went wrong may hold what was unsealed; its text goes nowhere.
    return { failed: 'content-unreadable' }
  }
}

interface Row {
  readonly url: string | null
  readonly secret_sealed: Buffer | null
  readonly inline_body: number
  readonly held_until: number | null
  readonly id: string
  readonly tenant_id: string
  readonly channel_id: string
  readonly source: string
  readonly received_at: number
  readonly signed_at: number | null
  readonly size: number
  readonly sealed: Buffer
}

function loaded(lease: Lease, row: Row): Loaded {
  return {
    lease,
    url: row.url,
    secretSealed: row.secret_sealed,
    inline: row.inline_body === 1,
    heldUntil: row.held_until ?? 0,
    received: {
      id: row.id,
      tenant: row.tenant_id,
      channel: row.channel_id,
      source: row.source,
      receivedAt: row.received_at,
      signedAt: row.signed_at,
    },
    size: row.size,
    sealed: row.sealed,
  }
}
