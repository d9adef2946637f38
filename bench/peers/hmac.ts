/**
 * Peer (b): the least that any honest receiver of Pumble does, on bare node:http. In: a delivery. Out: 200 when its
 * signature holds over the raw bytes, with a cached key and in constant time, and its JSON parses. Refuses with 401 and
 * 400. It looks at no time window, remembers nothing and stores nothing: what it acknowledges is gone if it stops.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import { secretGiven, serve } from './serve.ts'

const OK = ['content-type', 'text/plain', 'content-length', '2']
const KEY = createSecretKey(secretGiven(), 'utf8')

serve(
  createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
      if (!proved(request, body)) return void response.writeHead(401).end()
      if (!parses(body)) return void response.writeHead(400).end()
      response.writeHead(200, OK).end('ok')
    })
  }),
)

function proved({ headers }: IncomingMessage, body: Buffer): boolean {
  const time = headers['x-pumble-request-timestamp']
  const claimed = Buffer.from(String(headers['x-pumble-request-signature']), 'hex')
  const made = createHmac('sha256', KEY)
    .update(`${String(time)}:`)
    .update(body)
    .digest()
  return claimed.length === made.length && timingSafeEqual(claimed, made)
}

/** The delivery and the event inside it, which is JSON in a string. */
function parses(body: Buffer): boolean {
  try {
    // A boundary: what is not an event has no body, and parsing nothing throws.
    const { body: inside } = JSON.parse(body.toString('utf8')) as { body: string }
    JSON.parse(inside)
    return true
  } catch {
    return false
  }
}
