/**
 * One signed delivery for a `generic-hmac` channel. In: where, the secret, an id. Out: the answer's status and headers, or
 * what became of a connection that gave none. Refuses nothing.
 */
import { createHmac } from 'node:crypto'
import { type IncomingHttpHeaders, request } from 'node:http'

/** Milliseconds; longer than any answer that the tests wait for. */
const PATIENCE = 40_000

export interface Heard {
  /** 0 when no answer came. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly ms: number
}

/** As a sender does that waits `patience` milliseconds and then gives up. */
export function post(
  url: string,
  secret: string,
  body: string | Buffer,
  patience: number = PATIENCE,
): Promise<Heard> {
  const bytes = Buffer.from(body)
  const began = performance.now()
  const headers = {
    'content-type': 'application/json',
    'content-length': bytes.length,
    'x-signature': createHmac('sha256', secret).update(bytes).digest('hex'),
  }
  return new Promise((resolve) => {
    const heard = (status: number, given: IncomingHttpHeaders) =>
      resolve({ status, headers: given, ms: performance.now() - began })
    const outgoing = request(url, { method: 'POST', agent: false, headers }, (answer) => {
      answer.resume().on('error', () => {})
      heard(answer.statusCode ?? 0, answer.headers)
    })
    outgoing.on('error', () => heard(0, {}))
    outgoing.setTimeout(patience, () => outgoing.destroy())
    outgoing.end(bytes)
  })
}

export async function statusOf(url: string): Promise<number> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE) })
    await answer.arrayBuffer()
    return answer.status
  } catch {
    return 0
  }
}
