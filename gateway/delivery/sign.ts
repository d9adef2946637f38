/**
 * Signs what the gate pushes, as Standard Webhooks has it. In: the subscription's secret, an id, the time and the bytes.
 * Out: the headers a receiver checks. Refuses a secret that is not `whsec_` and base64 of 24 to 64 bytes; pure.
 */
import { createSecretKey } from 'node:crypto'
import { fromBase64 } from '@gatehouse/proof/bytes.ts'
import { mac } from '@gatehouse/proof/webhook.ts'

const PREFIX = 'whsec_'
/** Key lengths the specification allows, in bytes. */
const SHORTEST = 24
const LONGEST = 64

/** Headers for `body`, signed at `now` (Unix milliseconds), or undefined when the secret is not one. */
export function signedHeaders(
  secret: string,
  id: string,
  now: number,
  body: Uint8Array,
): Record<string, string> | undefined {
  const key = secret.startsWith(PREFIX) ? fromBase64(secret.slice(PREFIX.length)) : undefined
  if (key === undefined || key.length < SHORTEST || key.length > LONGEST) return undefined
  const timestamp = String(Math.floor(now / 1_000))
  const signature = mac('hmac-sha256', createSecretKey(key), [`${id}.${timestamp}.`, body])
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature.toString('base64')}`,
  }
}
