/**
 * Deliveries as server-sent events. In: an endless list and a way to ask whether the token still lives. Out: one event an
 * item, a comment now and then so that proxies keep the line open. Refuses to send anything more once the token is dead,
 * the reader has gone or the gate drains; what was leased and not sent comes again when its lease lapses.
 */
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import { answerText } from './respond.ts'
import type { Answer } from './route.ts'

export function streamed(
  context: Context,
  answer: Answer<unknown>,
  items: (signal: AbortSignal) => AsyncIterable<unknown>,
  isLive: () => Promise<boolean>,
  ended: AbortSignal,
  failed: (error: unknown) => void,
): Response {
  return streamSSE(context, async (stream) => {
    const gone = new AbortController()
    stream.onAbort(() => gone.abort())
    const signal = AbortSignal.any([gone.signal, ended])
    try {
      await stream.write(': open\n\n')
      for await (const item of items(signal)) {
        if (signal.aborted || !(await isStillLive(isLive))) break
        if (item === 'heartbeat') await stream.write(': beat\n\n')
        else await stream.writeSSE({ event: 'delivery', data: answerText(answer, item) })
      }
    } catch (error) {
      // Told here: left to the framework it would be printed whole, or sent to the reader.
      failed(error)
    } finally {
      gone.abort()
    }
  })
}

/** A question that fails is answered no. */
async function isStillLive(isLive: () => Promise<boolean>): Promise<boolean> {
  try {
    return await isLive()
  } catch {
    return false
  }
}
