/**
 * Answers as they leave the admin listener. In: a row's answer, or a problem. Out: a response with the headers that keep
 * a browser from guessing, framing, caching or leaking it. Refuses, by throwing before anything is sent, an answer that
 * is not of its row's shape.
 */
import type { Answer, Bytes } from './route.ts'

/** The admin listener serves no page and no other origin, so everything is closed; there is no CORS header at all. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

export function secured(response: Response, requestId: string): Response {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.headers.set(name, value)
  response.headers.set('x-request-id', requestId)
  return response
}

/** The answer's text, read through the row's own schema: a field that is not promised never leaves. */
export function answerText(answer: Answer<unknown>, value: unknown): string {
  return JSON.stringify(answer.schema.parse(value))
}

export function jsonResponse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(text, { status, headers: { 'content-type': 'application/json', ...headers } })
}

export function answered(answer: Answer<unknown>, value: unknown): Response {
  if (answer.as === 'json') return jsonResponse(answer.status, answerText(answer, value))
  return bytesResponse(answer.schema.parse(value) as Bytes) // rows that answer bytes have that schema
}

function bytesResponse({ bytes, contentType, filename }: Bytes): Response {
  const disposition =
    filename === undefined ? {} : { 'content-disposition': `attachment; filename="${filename}"` }
  // A copy: the bytes may lie in a pool that others write to.
  return new Response(Uint8Array.from(bytes), {
    status: 200,
    headers: { 'content-type': contentType, ...disposition },
  })
}
