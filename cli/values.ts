/**
 * Option values that are more than text. In: what was typed. Out: numbers, settings, a page. Refuses anything else with
 * a sentence that names the option.
 */
import type { Page } from '@gatehouse/contract/client.ts'
import type { Input } from './command.ts'
import { usage } from './trouble.ts'

export function numberOf(input: Input, option: string): number | undefined {
  const text = input.text(option)
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw usage(`--${option} takes a whole number`)
  return Number(text)
}

export function pageOf(input: Input): Page {
  const cursor = input.text('cursor')
  const limit = numberOf(input, 'limit')
  return { ...(cursor !== undefined && { cursor }), ...(limit !== undefined && { limit }) }
}

/** `key=value` pairs; a value that reads as JSON is that, any other is text. Undefined when none is given. */
export function settingsOf(input: Input): Record<string, unknown> | undefined {
  const pairs = input.list('setting')
  if (pairs.length === 0) return undefined
  return Object.fromEntries(pairs.map((pair) => pairOf(pair)))
}

function pairOf(pair: string): [string, unknown] {
  const at = pair.indexOf('=')
  if (at < 1) throw usage('--setting takes key=value')
  return [pair.slice(0, at), valueOf(pair.slice(at + 1))]
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The one of `choices` that was given, or undefined. */
export function choiceOf<T extends string>(
  input: Input,
  option: string,
  choices: readonly T[],
): T | undefined {
  const text = input.text(option)
  if (text === undefined) return undefined
  const choice = choices.find((known) => known === text)
  if (choice === undefined) throw usage(`--${option} takes one of ${choices.join(', ')}`)
  return choice
}
