/**
 * Reads the answer of an outside host. In: an answer whose head has come, and a cap. Out: its bytes, or nothing where only
 * the status counts. Refuses an answer that declares or brings more than the cap, and one that is encoded: a few bytes
 * of it could become any number.
 */
import type { Dispatcher } from 'undici'

type Answer = Pick<Dispatcher.ResponseData, 'headers' | 'body'>

/** The answer came and is not what may be kept. */
export class AnswerRefused extends Error {
  override readonly name = 'AnswerRefused'
  readonly code: 'answer-too-large' | 'answer-malformed'

  constructor(code: AnswerRefused['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** The bytes of an answer, at most `cap` of them. */
export async function collect({ headers, body }: Answer, cap: number): Promise<Buffer> {
  body.on('error', () => {})
  try {
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity')
      throw new AnswerRefused('answer-malformed', 'the answer is encoded, and it was asked not to be')
    if (Number(headers['content-length'] ?? 0) > cap) throw tooLarge(cap)
    return await upTo(cap, body)
  } finally {
    body.destroy()
  }
}

/** The status decides; the rest is read only so that the connection can serve again. */
export async function discard(body: Answer['body'], cap: number, drainMs: number): Promise<void> {
  const timer = setTimeout(() => body.destroy(), drainMs)
  body.on('error', () => {})
  try {
    await upTo(cap, body)
  } catch {
    // Cut short, by the host, by the timer or by the cap: nothing is lost.
  } finally {
    clearTimeout(timer)
    body.destroy()
  }
}

async function upTo(cap: number, body: Answer['body']): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    const bytes = chunk as Uint8Array // what undici's bodies are made of
    size += bytes.length
    if (size > cap) throw tooLarge(cap)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}

function tooLarge(cap: number): AnswerRefused {
  return new AnswerRefused('answer-too-large', `the answer is larger than ${cap} bytes`)
}
