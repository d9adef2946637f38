/**
 * Answers on the ingress, ready to send. In: a refusal code, or what the vendor wants to hear. Out: status, headers and
 * body. Refuses nothing; a refusal's body is made once for each code, so that all refusals of a code are the same bytes.
 */
import { REFUSALS, type RefusalCode } from '@gatehouse/contract/refusals.ts'
import type { Answer } from './source.ts'

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
