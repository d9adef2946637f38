/**
 * Judges what an app wants said to a vendor. In: an app's HTTP answer and the rule of the callback it answers. Out: the
 * answer as it goes to the vendor, or why it does not. Refuses a status, a type or a shape that the rule does not have,
 * and JSON beyond the limits of any body; pure.
 *
 * What goes out is written anew from what was checked, so a member that stands twice cannot mean one thing here and
 * another there.
 */
import { json } from './parse.ts'
import type { Answer, AnswerRule } from './source.ts'

export interface AppAnswer {
  readonly status: number
  readonly contentType: string | undefined
  /** Undefined where it was too large, encoded or cut short. */
  readonly body: Buffer | undefined
}

export type Judged =
  | { readonly answer: Answer }
  /** The app took it and has nothing to say: the source's own ack says that. */
  | { readonly answer: undefined }
  | { readonly refused: 'status' | 'unreadable' | 'content-type' | 'not-json' | 'shape' }

export function judgeAnswer(rule: AnswerRule, { status, contentType, body }: AppAnswer): Judged {
  const isGood = status >= 200 && status <= 299
  if (isGood && body?.length === 0) return { answer: undefined }
  const shape = rule.shapes.get(status)
  if (shape === undefined) return { refused: 'status' }
  if (body === undefined || body.length === 0) return { refused: 'unreadable' }
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') return { refused: 'content-type' }
  const read = json(body)
  if ('malformed' in read) return { refused: 'not-json' }
  if (!shape.safeParse(read.value).success) return { refused: 'shape' }
  return { answer: { status, contentType: 'application/json', body: JSON.stringify(read.value) } }
}
