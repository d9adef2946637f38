/**
 * What Pumble reads in the answer to a callback. In: facts of a delivery. Out: the shapes that may be answered to it: an
 * ack or nack, a modal, or the options of a menu, and never two of them. Refuses to answer events, which hear `ok`.
 * https://github.com/CAKE-com/pumble-node-sdk
 */
import { z } from 'zod'
import type { AnswerRule, Answers } from './source.ts'

/** Pumble shows the app's offline message after three seconds. */
const BUDGET_MS = 3_000
const OPTIONS_CAP = 100
const TITLE_CAP = 75

const ack = z.strictObject({ message: z.string().optional() })
const nack = z.strictObject({ message: z.string() })
const view = z.looseObject({
  type: z.literal('MODAL'),
  title: z.union([z.string().max(TITLE_CAP), z.looseObject({})]).optional(),
  blocks: z.array(z.looseObject({ type: z.string() })),
})
/** Strict, and without `message`: what opens a modal cannot also be an ack. */
const modal = z.strictObject({
  triggerId: z.string().min(1),
  view,
  viewType: z.enum(['NATIVE', 'INTEGRATION']),
  action: z.enum(['OPEN', 'UPDATE', 'PUSH']),
})
const menu = z.strictObject({
  onAction: z.string(),
  options: z.array(z.looseObject({})).max(OPTIONS_CAP),
  triggerId: z.string().min(1),
  value: z.string().optional(),
})

const CALLBACK: AnswerRule = {
  shapes: new Map<number, z.ZodType>([
    [200, z.union([ack, modal])],
    [400, nack],
  ]),
}
const MENU: AnswerRule = {
  shapes: new Map<number, z.ZodType>([
    [200, menu],
    [400, nack],
  ]),
}
const RULES: ReadonlyMap<string, AnswerRule> = new Map([
  ['SLASH_COMMAND', CALLBACK],
  ['SHORTCUT', CALLBACK],
  ['BLOCK_INTERACTION', CALLBACK],
  ['VIEW_ACTION', CALLBACK],
  ['DYNAMIC_MENU', MENU],
])

export const pumbleAnswers: Answers = {
  budgetMs: BUDGET_MS,
  rule({ kind, event }) {
    const isCallback = kind === 'command' || kind === 'interaction'
    return isCallback && event !== undefined ? RULES.get(event) : undefined
  },
}
