/**
 * Whose turn it is on a connection. In: requests, and what the parser or a timeout says of bytes that are none. Out: each
 * request begun when the one before it is answered, and for broken bytes the plainest answer there is, then the end.
 * Refuses to begin a request behind an answer that closes (RFC 9112 section 9.6), and to speak into an answer that has
 * begun or before its turn: a sender would take it for another's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** The sender has this long to read the answer: closing at once under a sender that still writes would reset it. */
const LINGER_MS = 500

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

export class Turns {
  /** Requests of a connection without a whole answer, in order; Node stops reading when their bytes pile up. */
  readonly #open = new WeakMap<Duplex, Exchange[]>()
  /** Connections whose end has begun: more of their bytes are more of the same. */
  readonly #ended = new WeakSet<Duplex>()

  take(request: IncomingMessage, response: ServerResponse, begin: () => void): void {
    const { socket } = request
    const exchange = { request, response }
    const open = this.#open.get(socket) ?? []
    const before = open.at(-1)
    this.#open.set(socket, [...open, exchange])
    response.once('close', () => this.#forget(socket, exchange))
    if (before === undefined) return begin()
    before.response.once('close', () => {
      if (socket.writable && (request.complete || !this.#ended.has(socket))) begin()
    })
  }

  broken(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (this.#ended.has(socket)) return
    this.#ended.add(socket)
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
    const open = this.#open.get(socket) ?? []
    // The broken one is the last, unless its head was never whole.
    const half = open.find(({ request }) => !request.complete)
    const whole = open.findLast((exchange) => exchange !== half)
    const end = (): void => {
      if (half?.response.headersSent === true || !socket.writable) return void socket.destroy()
      say(socket, statusOf(error.code))
    }
    if (whole === undefined) end()
    else whole.response.once('close', end)
  }

  #forget(socket: Duplex, exchange: Exchange): void {
    const left = this.#open.get(socket)?.filter((one) => one !== exchange) ?? []
    if (left.length > 0) this.#open.set(socket, left)
    else this.#open.delete(socket)
  }
}

function statusOf(code: string | undefined): string {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return '431 Request Header Fields Too Large'
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return '413 Content Too Large'
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return '408 Request Timeout'
    case undefined:
    default:
      return '400 Bad Request'
  }
}

function say(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  socket.resume()
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}
