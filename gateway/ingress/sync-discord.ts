/**
 * What Discord reads in the answer to an interaction. In: facts of a delivery. Out: the shapes that may be answered to it.
 * Refuses to answer webhook events, which Discord reads no answer of, and PONG to anything but a ping.
 * https://docs.discord.com/developers/interactions/receiving-and-responding
 */
import { z } from 'zod'
import type { AnswerRule, Answers } from './source.ts'

/** Discord forgets the interaction after three seconds. */
const BUDGET_MS = 3_000
const CONTENT_CAP = 2_000
const EMBEDS_CAP = 10
const CHOICES_CAP = 25
const TITLE_CAP = 45
const CUSTOM_ID_CAP = 100

const message = z.looseObject({
  content: z.string().max(CONTENT_CAP).optional(),
  embeds: z.array(z.looseObject({})).max(EMBEDS_CAP).optional(),
  components: z.array(z.looseObject({})).optional(),
  flags: z.int().optional(),
})
const choice = z.looseObject({
  name: z.string().min(1).max(100),
  value: z.union([z.string().max(100), z.number()]),
})
const dialog = z.looseObject({
  custom_id: z.string().min(1).max(CUSTOM_ID_CAP),
  title: z.string().min(1).max(TITLE_CAP),
  components: z.array(z.looseObject({})).min(1),
})

const SAY = z.strictObject({ type: z.literal(4), data: message })
const DEFER = z.strictObject({
  type: z.literal(5),
  data: z.looseObject({ flags: z.int().optional() }).optional(),
})
const DEFER_UPDATE = z.strictObject({ type: z.literal(6) })
const UPDATE = z.strictObject({ type: z.literal(7), data: message })
const CHOOSE = z.strictObject({
  type: z.literal(8),
  data: z.strictObject({ choices: z.array(choice).max(CHOICES_CAP) }),
})
const ASK = z.strictObject({ type: z.literal(9), data: dialog })
const LAUNCH = z.strictObject({ type: z.literal(12) })

const RULES: ReadonlyMap<string, AnswerRule> = new Map([
  ['APPLICATION_COMMAND', rule(z.union([SAY, DEFER, ASK, LAUNCH]))],
  ['MESSAGE_COMPONENT', rule(z.union([SAY, DEFER, DEFER_UPDATE, UPDATE, ASK, LAUNCH]))],
  ['APPLICATION_COMMAND_AUTOCOMPLETE', rule(CHOOSE)],
  // A modal never answers a modal.
  ['MODAL_SUBMIT', rule(z.union([SAY, DEFER, DEFER_UPDATE, UPDATE, LAUNCH]))],
])

export const discordAnswers: Answers = {
  budgetMs: BUDGET_MS,
  rule({ kind, event }) {
    const isCallback = kind === 'command' || kind === 'interaction'
    return isCallback && event !== undefined ? RULES.get(event) : undefined
  },
}

function rule(shape: z.ZodType): AnswerRule {
  return { shapes: new Map([[200, shape]]) }
}
