/**
 * Help pages, from the table. In: what help is wanted about. Out: one screen of text that ends in a worked example.
 * Refuses nothing; unknown names were refused by `parse.ts`.
 */
import { type Command, type Option, optionsOf } from './command.ts'

/** A terminal as small as they come still shows a page whole. */
export const SCREEN = { columns: 80, lines: 24 } as const

const OPENING = 'gatehouse: lets in only what is proved genuine, and hands it to your app once'

const FIRST_EXAMPLE = ['example:', '  gatehouse demo'].join('\n')

/** The page about a command, a noun, or with '' the program. */
export function helpPage(about: string, table: readonly Command[]): string {
  const command = table.find((row) => row.name === about)
  if (command) return commandPage(command)
  return about === '' ? frontPage(table) : nounPage(about, table)
}

function frontPage(table: readonly Command[]): string {
  const rows = Map.groupBy(table, (command) => command.name.split(' ')[0] ?? '')
  const lines = [...rows].map(([noun, commands]) => {
    const verbs = commands.map((command) => command.name.split(' ')[1] ?? command.summary)
    return [noun, verbs.join(', ')] as const
  })
  return [OPENING, 'usage: gatehouse <noun> <verb> [options]; more: gatehouse help <noun> [verb]']
    .concat(columns(lines), '', FIRST_EXAMPLE)
    .join('\n')
}

function nounPage(noun: string, table: readonly Command[]): string {
  const commands = table.filter((command) => command.name.startsWith(`${noun} `))
  const lines = commands.map((command) => [command.name, command.summary] as const)
  const example = commands[0]?.example ?? ''
  return [`usage: gatehouse ${noun} <verb> [options]`, '', ...columns(lines), '', exampleOf(example)].join(
    '\n',
  )
}

function commandPage(command: Command): string {
  const takes = (command.takes ?? []).map((argument) => [`<${argument.name}>`, argument.help] as const)
  return [
    `${command.summary}`,
    `usage: gatehouse ${usageOf(command)}`,
    '',
    ...columns([...takes, ...optionLines(command)]),
    '',
    exampleOf(command.example),
  ].join('\n')
}

export function usageOf(command: Command): string {
  const takes = (command.takes ?? []).map(({ name, optional }) => (optional ? `[${name}]` : `<${name}>`))
  return [command.name, ...takes, ...(Object.keys(optionsOf(command)).length > 0 ? ['[options]'] : [])].join(
    ' ',
  )
}

export function optionLines(command: Command): (readonly [string, string])[] {
  return Object.entries(optionsOf(command)).map(
    ([name, option]) => [flagOf(name, option), notes(option)] as const,
  )
}

function flagOf(name: string, option: Option): string {
  return option.value === undefined ? `--${name}` : `--${name} <${option.value}>`
}

function notes(option: Option): string {
  const marks = [option.needed && 'needed', option.many && 'may be repeated'].filter(Boolean)
  return marks.length > 0 ? `${option.help} (${marks.join(', ')})` : option.help
}

function exampleOf(example: string): string {
  return ['example:', ...example.split('\n').map((line) => `  ${line}`)].join('\n')
}

/** Two columns; the second breaks at words, under itself. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const left = Math.max(...rows.map(([name]) => name.length)) + 4
  return rows.flatMap(([name, text]) => {
    const [first = '', ...rest] = wrap(text, SCREEN.columns - left)
    return [`  ${name}`.padEnd(left) + first, ...rest.map((line) => ' '.repeat(left) + line)]
  })
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
