/**
 * The public listener: raw node:http, caps before anything else. In: connections from the internet. Out: requests for the
 * ingress, and two health paths for a balancer. Refuses every other path alike, and requests the parser cannot trust.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/** Bytes of all headers together; vendors send under 4 KB. */
const HEADER_CAP = 16 * 1024
const HEADERS_MS = 10_000
/** The whole request, however fast its floor lets it be: a body at the cap on a slow line. */
const REQUEST_MS = 120_000
/** Longer than the balancers in front keep theirs, so that it is never us who closes under a request. */
const KEEP_ALIVE_MS = 75_000
/** Headers are counted, not only weighed: each costs an entry. */
const HEADERS_COUNT = 100

export interface PublicNeeds {
  readonly ingress: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  readonly ready: () => Promise<boolean>
}

export function publicServer({ ingress, ready }: PublicNeeds): Server {
  const server = createServer(
    {
      maxHeaderSize: HEADER_CAP,
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      insecureHTTPParser: false,
      requireHostHeader: true,
      joinDuplicateHeaders: false,
    },
    (request, response) => {
      if (request.url === '/healthz') return plain(response, 200, 'ok')
      if (request.url === '/readyz')
        return void ready().then((is) => plain(response, is ? 200 : 503, is ? 'ready' : 'not ready'))
      void ingress(request, response)
    },
  )
  server.maxHeadersCount = HEADERS_COUNT
  // What is not HTTP gets the plainest answer there is, and the connection ends.
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    else socket.destroy()
  })
  return server
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store' })
  response.end(`${text}\n`)
}
