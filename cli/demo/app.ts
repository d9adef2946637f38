/**
 * The tiny app of the demo. In: pushes over a real socket. Out: how often each body arrived. Refuses, with 401, a push
 * whose Standard Webhooks signature is not the gate's: an app of one's own needs no more than this file.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'

/** Seconds a push may be old; the Standard Webhooks libraries allow as much. */
const TOLERANCE = 300

export interface App {
  readonly url: string
  /** The signing secret that the gate showed when the app was subscribed. */
  trust(secret: string): void
  /** Pushes whose signature was good, by the SHA-256 of the vendor's body. */
  readonly got: ReadonlyMap<string, number>
  /** Pushes that were refused. */
  readonly refused: () => number
  close(): Promise<void>
}

export async function startApp(): Promise<App> {
  const got = new Map<string, number>()
  let key = Buffer.alloc(0)
  let refused = 0
  const take = async (request: IncomingMessage): Promise<number> => {
    const body = await buffer(request)
    if (!genuine(key, request.headers, body)) {
      refused += 1
      return 401
    }
    const digest = digestIn(body)
    got.set(digest, (got.get(digest) ?? 0) + 1)
    return 204
  }
  const server = createServer((request, response) => {
    take(request).then(
      (status) => response.writeHead(status).end(),
      () => response.destroy(),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    url: `http://127.0.0.1:${port}/hook`,
    trust: (secret) => (key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')),
    got,
    refused: () => refused,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function genuine(key: Buffer, headers: NodeJS.Dict<string | string[]>, body: Buffer): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signatures } = headers
  if (key.length === 0 || typeof signatures !== 'string') return false
  if (!(Math.abs(Date.now() / 1000 - Number(at)) <= TOLERANCE)) return false
  const expected = createHmac('sha256', key)
    .update(`${String(id)}.${String(at)}.`)
    .update(body)
    .digest()
  return signatures.split(' ').some((claimed) => {
    const value = Buffer.from(claimed.replace(/^v1,/, ''), 'base64')
    return claimed.startsWith('v1,') && value.length === expected.length && timingSafeEqual(value, expected)
  })
}

/** The envelope names the vendor's body by its digest. */
function digestIn(envelope: Buffer): string {
  // A boundary: the signature has just proved that the gate wrote this.
  const { body } = JSON.parse(envelope.toString('utf8')) as { body: { sha256: string } }
  return body.sha256
}
