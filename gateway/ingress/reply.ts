/**
 * Answers on the ingress. In: a refusal code, or what the vendor wants to hear. Out: status, headers and body, sent so
 * that the sender can read them. Refuses nothing; a refusal's body is made once for each code, so that all refusals of a code are the same bytes.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { REFUSALS, type RefusalCode } from '@gatehouse/contract/refusals.ts'
import type { Answer } from './source.ts'

/** How long, and how much, is read and thrown away after an early answer. */
const LINGER_MS = 500
const LINGER_BYTES = 4 * 1024 * 1024

export interface Reply {
  readonly status: number
  readonly code: string
  /** Names and values in turn, as `writeHead` takes them. */
  readonly headers: readonly string[]
  readonly body: string
}

export interface RefusedWith {
  readonly retryAfter?: number
  readonly allow?: string
  /** Ends the connection: part of the body was not read. */
  readonly close?: boolean
}

const BODIES = Object.fromEntries(
  Object.entries(REFUSALS).map(([code, { status, title }]) => [
    code,
    `${JSON.stringify({ title, status, code })}\n`,
  ]),
) as Record<RefusalCode, string>

const ALWAYS = ['cache-control', 'no-store', 'x-content-type-options', 'nosniff'] as const

export function refused(code: RefusalCode, { retryAfter, allow, close }: RefusedWith = {}): Reply {
  const body = BODIES[code]
  const headers = [
    ...ALWAYS,
    'content-type',
    'application/problem+json',
    'content-length',
    String(body.length),
  ]
  if (retryAfter !== undefined) headers.push('retry-after', String(retryAfter))
  if (allow !== undefined) headers.push('allow', allow)
  if (close === true) headers.push('connection', 'close')
  return { status: REFUSALS[code].status, code, headers, body }
}

export function accepted({ status, contentType, body = '' }: Answer): Reply {
  const headers: string[] = [...ALWAYS]
  // 204 has no body and says no length (RFC 9110 section 8.6).
  if (status !== 204) headers.push('content-length', String(Buffer.byteLength(body)))
  if (contentType !== undefined && body !== '') headers.push('content-type', contentType)
  return { status, code: 'accepted', headers, body }
}

/** Sends one answer. A request whose body has not all come is read on for a moment. */
export function send(
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  requestId: string,
): void {
  if (response.destroyed) return
  response.writeHead(reply.status, [...reply.headers, 'gatehouse-request-id', requestId])
  if (request.complete) return void response.end(reply.body)
  response.write(reply.body)
  linger(request, () => response.end())
}

/**
 * Reads on for a moment after an early answer: a connection closed under a sender that still writes is reset, and the
 * reset throws the answer away before it is read.
 */
function linger(request: IncomingMessage, done: () => void): void {
  let left = LINGER_BYTES
  const timer = setTimeout(end, LINGER_MS)
  function end(): void {
    clearTimeout(timer)
    request.off('data', drop).off('end', end).off('close', end)
    done()
  }
  function drop(chunk: Buffer): void {
    left -= chunk.length
    if (left < 0) end()
  }
  request.on('data', drop).once('end', end).once('close', end).resume()
}
