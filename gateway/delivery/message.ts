/**
 * Makes what is sent to an app. In: a lease with its delivery, and whether the app may answer the vendor. Out: where it
 * goes, the signed headers and the bytes. Refuses, with a content-free code, a delivery or a secret that cannot be opened.
 */
import { type Loaded, open } from './load.ts'
import type { DeliveryNeeds } from './needs.ts'
import type { Lease } from './queue.ts'
import { signedHeaders } from './sign.ts'

export interface Message {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export type Made = { readonly message: Message } | { readonly failed: string }

/** `answerWithinMs` tells the app that its answer goes back to the vendor, and how long it has. */
export async function makeMessage(
  needs: DeliveryNeeds,
  lease: Lease,
  loaded: Loaded,
  answerWithinMs?: number,
): Promise<Made> {
  const opened = await open(needs, loaded)
  if ('failed' in opened) return opened
  const body = Buffer.from(JSON.stringify(opened.envelope))
  const signed = await sign(needs, lease, loaded, body)
  if (signed === undefined || loaded.url === null) return { failed: 'secret-unreadable' }
  const headers = {
    ...signed,
    'content-type': 'application/json',
    'user-agent': 'Gatehouse/1',
    ...(lease.replay ? { 'gatehouse-replay': 'true' } : {}),
    ...(answerWithinMs === undefined
      ? {}
      : { 'gatehouse-answer-within': (answerWithinMs / 1_000).toFixed(1) }),
  }
  return { message: { url: loaded.url, headers, body } }
}

async function sign(
  needs: DeliveryNeeds,
  lease: Lease,
  { secretSealed }: Loaded,
  body: Buffer,
): Promise<Record<string, string> | undefined> {
  if (secretSealed === null) return undefined
  const place = { table: 'subscription', column: 'secret_sealed', row: lease.subscriptionId, schema: 1 }
  try {
    const secret = Buffer.from(await needs.unseal(lease.tenant, place, secretSealed)).toString('utf8')
    return signedHeaders(secret, lease.deliveryId, needs.clock(), body)
  } catch {
    return undefined
  }
}
