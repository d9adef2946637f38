/**
 * The public listener: raw node:http, caps before anything else. In: connections from the internet. Out: requests for the
 * ingress, and two health paths for a balancer. Refuses every other path alike, requests that can be read in two ways,
 * expectations it does not know, and bytes the parser cannot trust (`turns.ts`).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Turns } from './turns.ts'

/** Bytes of all headers together; vendors send under 4 KB. */
const HEADER_CAP = 16 * 1024
const HEADERS_MS = 10_000
/** The whole request, however fast its floor lets it be: a body at the cap on a slow line. */
const REQUEST_MS = 120_000
/** How often Node looks for those that are too slow; by itself only each half minute. */
const LOOK_MS = 2_000
/** Longer than the balancers in front keep theirs, so that it is never us who closes under a request. */
const KEEP_ALIVE_MS = 75_000
/** Headers are counted, not only weighed: each costs an entry. */
const HEADERS_COUNT = 100

export interface PublicNeeds {
  readonly ingress: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  /** The sender waits for `ask` before it sends the body. */
  readonly waitsToBeAsked: (request: IncomingMessage, ask: () => void) => void
  readonly ready: () => Promise<boolean>
}

export function publicServer(needs: PublicNeeds): Server {
  const turns = new Turns()
  const answer = (request: IncomingMessage, response: ServerResponse): void =>
    turns.take(request, response, () => begin(needs, request, response))
  const unexpected = (request: IncomingMessage, response: ServerResponse): void =>
    turns.take(request, response, () => refuse(request, response, 417))
  const server = createServer(
    {
      maxHeaderSize: HEADER_CAP,
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: LOOK_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      insecureHTTPParser: false,
      requireHostHeader: true,
      joinDuplicateHeaders: false,
    },
    answer,
  )
  server.maxHeadersCount = HEADERS_COUNT
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // Node takes any list in which it stands.
    if (request.headers.expect?.toLowerCase() !== '100-continue') return unexpected(request, response)
    needs.waitsToBeAsked(request, () => response.writeContinue())
    answer(request, response)
  })
  server.on('checkExpectation', unexpected)
  server.on('clientError', (error, socket) => turns.broken(error, socket))
  return server
}

function begin({ ingress, ready }: PublicNeeds, request: IncomingMessage, response: ServerResponse): void {
  if (isAmbiguous(request)) return refuse(request, response, 400)
  // The parser drops what came behind it in the same segment; what comes next would begin anywhere.
  if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false
  if (request.url === '/healthz') return plain(response, 200, 'ok')
  if (request.url === '/readyz')
    return void ready().then((is) => plain(response, is ? 200 : 503, is ? 'ready' : 'not ready'))
  void ingress(request, response)
}

/** What a proxy in front may have read as another message: a version it speaks otherwise, chunks in a version that has
 * none (RFC 9112 section 6.1), two hosts (section 3.2). */
function isAmbiguous({ httpVersion, headers, rawHeaders }: IncomingMessage): boolean {
  if (httpVersion !== '1.1' && (httpVersion !== '1.0' || headers['transfer-encoding'] !== undefined))
    return true
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i]?.length === 4 && rawHeaders[i]?.toLowerCase() === 'host') hosts++
  return hosts > 1
}

/** No word more: a body may follow that was never asked for, so the connection ends. */
function refuse(request: IncomingMessage, response: ServerResponse, status: number): void {
  request.resume()
  response.writeHead(status, { 'content-length': 0, connection: 'close' })
  response.end()
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store' })
  response.end(`${text}\n`)
}
