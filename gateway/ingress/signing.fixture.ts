/**
 * Genuine requests for tests. In: a source's name, a body and a time. Out: the request its vendor would send, signed under
 * the one secret here. Refuses nothing; used by tests only.
 */
import { createHmac } from 'node:crypto'
import type { RawRequest, Source } from './source.ts'
import { sourceNamed } from './sources.ts'
import { type ProvingChannel, VerifiedDelivery } from './verify.ts'

export const NOW = 1_700_000_000
export const SECRET = 'a key kept in a test, known to all'

export function source(name: string): Source {
  const found = sourceNamed(name)
  if (found === undefined) throw new Error(`there is no source ${name}`)
  return found
}

export function request(body: string | Buffer, headers: Readonly<Record<string, string>>): RawRequest {
  return {
    method: 'POST',
    target: '/in/a',
    headers: new Map(Object.entries(headers)),
    body: Buffer.from(body),
  }
}

export function mac(...parts: readonly (string | Buffer)[]): string {
  const hmac = createHmac('sha256', SECRET)
  for (const part of parts) hmac.update(part)
  return hmac.digest('hex')
}

/** As the vendor signs it; `time` as it stands in the header. */
export function signed(name: string, body: string | Buffer, time = String(NOW)): RawRequest {
  switch (name) {
    case 'slack':
      return request(body, {
        'x-slack-request-timestamp': time,
        'x-slack-signature': `v0=${mac('v0:', time, ':', body)}`,
      })
    case 'pumble':
      return request(body, {
        'x-pumble-request-timestamp': time,
        'x-pumble-request-signature': mac(time, ':', body),
      })
    case 'stripe':
      return request(body, { 'stripe-signature': `t=${time},v1=${mac(time, '.', body)}` })
    case 'github':
      return request(body, { 'x-hub-signature-256': `sha256=${mac(body)}` })
    case 'generic-hmac':
      return request(body, { 'x-signature': mac(body) })
    default:
      throw new Error(`no fixture signs for ${name}`)
  }
}

export function channel(
  name: string,
  settings: unknown = {},
  secrets: readonly string[] = [SECRET],
): ProvingChannel {
  const found = source(name)
  const read = found.settings.parse(
    name === 'generic-hmac' ? { header: 'x-signature', ...Object(settings) } : settings,
  )
  const credentials = secrets.map((secret, i) => ({ id: `crd_${i}`, key: found.key(secret, read) }))
  return { source: found, settings: read, credentials }
}

/** The proof of `from`, or an error that says why there is none. */
export function proved(name: string, from: RawRequest, settings: unknown = {}): VerifiedDelivery {
  const verdict = VerifiedDelivery.verify(channel(name, settings), from, NOW)
  if (verdict instanceof VerifiedDelivery) return verdict
  throw new Error(`not proved: ${JSON.stringify(verdict)}`)
}
