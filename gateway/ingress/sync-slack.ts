/**
 * What Slack reads in the answer to a callback. In: facts of a delivery. Out: the shapes that may be answered to it.
 * Refuses to answer what Slack does not read an answer of: buttons, shortcuts and events are delivered as usual.
 * https://docs.slack.dev/interactivity/implementing-slash-commands
 * https://docs.slack.dev/surfaces/modals
 */
import { z } from 'zod'
import type { AnswerRule, Answers } from './source.ts'

/** Slack shows its user an error after three seconds. */
const BUDGET_MS = 3_000
/** Longest text, and most blocks, of a message; blocks of a modal. */
const TEXT_CAP = 40_000
const BLOCKS_CAP = 50
const VIEW_BLOCKS_CAP = 100
const OPTIONS_CAP = 100

const block = z.looseObject({ type: z.string() })
const message = z
  .strictObject({
    response_type: z.enum(['in_channel', 'ephemeral']).optional(),
    text: z.string().max(TEXT_CAP).optional(),
    blocks: z.array(block).max(BLOCKS_CAP).optional(),
    attachments: z.array(z.looseObject({})).max(OPTIONS_CAP).optional(),
    mrkdwn: z.boolean().optional(),
    thread_ts: z.string().optional(),
    unfurl_links: z.boolean().optional(),
    unfurl_media: z.boolean().optional(),
    replace_original: z.boolean().optional(),
    delete_original: z.boolean().optional(),
  })
  .refine(
    ({ text, blocks, attachments, delete_original }) =>
      text !== undefined || blocks !== undefined || attachments !== undefined || delete_original === true,
  )
const view = z.looseObject({ type: z.literal('modal'), blocks: z.array(block).max(VIEW_BLOCKS_CAP) })
const modal = z.discriminatedUnion('response_action', [
  z.strictObject({ response_action: z.literal('clear') }),
  z.strictObject({ response_action: z.literal('update'), view }),
  z.strictObject({ response_action: z.literal('push'), view }),
  z.strictObject({ response_action: z.literal('errors'), errors: z.record(z.string(), z.string()) }),
])
const options = z.union([
  z.strictObject({ options: z.array(z.looseObject({})).max(OPTIONS_CAP) }),
  z.strictObject({ option_groups: z.array(z.looseObject({})).max(OPTIONS_CAP) }),
])

const COMMAND: AnswerRule = { shapes: new Map([[200, message]]) }
const RULES: ReadonlyMap<string, AnswerRule> = new Map([
  ['view_submission', { shapes: new Map([[200, modal]]) }],
  ['block_suggestion', { shapes: new Map([[200, options]]) }],
  ['interactive_message', COMMAND],
])

export const slackAnswers: Answers = {
  budgetMs: BUDGET_MS,
  rule({ kind, event }) {
    if (kind === 'command') return COMMAND
    return kind === 'interaction' && event !== undefined ? RULES.get(event) : undefined
  },
}
