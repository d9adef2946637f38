/**
 * Reads a command line against the table. In: the words after `gatehouse`. Out: a command with its input, or a wish
 * for help. Refuses, with the nearest name that exists, a command or option it does not know, and a value that is
 * missing, given twice or not wanted: nothing is guessed.
 */
import { parseArgs } from 'node:util'
import { type Command, Input, type Option, optionsOf } from './command.ts'
import { type Trouble, usage } from './trouble.ts'

/** Edits away from a known name within which a suggestion helps rather than puzzles. */
const NEAR = 3

export type Parsed =
  | { readonly wish: 'run'; readonly command: Command; readonly input: Input }
  | { readonly wish: 'help'; readonly about: string }

export function parse(argv: readonly string[], table: readonly Command[]): Parsed {
  const [first, second] = argv
  if (first === undefined || first === '--help' || first === '-h') return { wish: 'help', about: '' }
  if (first === 'help') return { wish: 'help', about: known(argv.slice(1), table) }
  if (first === '--version') return parse(['version', ...argv.slice(1)], table)

  const bare = table.find((command) => command.name === first)
  if (bare) return parseOptions(bare, argv.slice(1))
  const nouns = table.filter((command) => command.name.startsWith(`${first} `))
  if (nouns.length > 0 && (second === undefined || second === '--help' || second === '-h')) {
    return { wish: 'help', about: first }
  }
  const command = nouns.find((row) => row.name === `${first} ${second}`)
  if (command) return parseOptions(command, argv.slice(2))
  throw unknown(argv.slice(0, 2).join(' '), table)
}

/** The name of a page: a command, a noun or nothing. */
function known(words: readonly string[], table: readonly Command[]): string {
  const about = words.filter((word) => !word.startsWith('-')).join(' ')
  const exists = table.some((command) => command.name === about || command.name.startsWith(`${about} `))
  if (about !== '' && !exists) throw unknown(about, table)
  return about
}

function unknown(name: string, table: readonly Command[]): Trouble {
  const names = table.flatMap((command) => [command.name, command.name.split(' ')[0] ?? ''])
  const [first = '', second] = name.split(' ')
  const noun = nearest(first, names)
  const whole = names.find((known) => known === `${noun} ${second}`)
  const near = whole ?? nearest(name, names) ?? noun
  return usage(
    `there is no command "${name}"`,
    near === undefined ? 'see gatehouse help' : `did you mean gatehouse ${near}?`,
  )
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number]
type OptionToken = Extract<Token, { kind: 'option' }>

function parseOptions(command: Command, argv: readonly string[]): Parsed {
  const options = optionsOf(command)
  const tokens = readTokens(argv, options)
  if (tokens.some((token) => token.kind === 'option' && token.name === 'help')) {
    return { wish: 'help', about: command.name }
  }
  const given: string[] = []
  const values = new Map<string, string[]>()
  for (const token of tokens) {
    if (token.kind === 'positional') given.push(token.value)
    if (token.kind === 'option') take(token, command, options, values)
  }
  checkGiven(command, given, values)
  return { wish: 'run', command, input: new Input(given, values) }
}

function readTokens(argv: readonly string[], options: Readonly<Record<string, Option>>): readonly Token[] {
  const types = Object.entries(options).map(([name, option]) => {
    return [name, { type: option.value === undefined ? ('boolean' as const) : ('string' as const) }] as const
  })
  // Not strict: parseArgs' own sentences suggest nothing; `take` checks the same and more.
  const { tokens } = parseArgs({
    args: [...argv],
    options: { ...Object.fromEntries(types), help: { type: 'boolean', short: 'h' } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  return tokens
}

function take(
  token: OptionToken,
  command: Command,
  options: Readonly<Record<string, Option>>,
  values: Map<string, string[]>,
): void {
  const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined
  const see = `see gatehouse help ${command.name}`
  if (option === undefined) {
    const near = nearest(token.name, [...Object.keys(options), 'help'])
    throw usage(
      `${command.name} has no option ${token.rawName}`,
      near === undefined ? see : `did you mean --${near}?`,
    )
  }
  const swallowed = token.inlineValue === false && token.value !== '-' && token.value.startsWith('-')
  if (option.value === undefined && token.value !== undefined) {
    throw usage(`--${token.name} takes no value`, see)
  }
  if (option.value !== undefined && (token.value === undefined || swallowed)) {
    throw usage(`--${token.name} needs a value: ${option.help}`, see)
  }
  const before = values.get(token.name) ?? []
  if (before.length > 0 && !option.many) throw usage(`--${token.name} is given more than once`, see)
  values.set(token.name, [...before, token.value ?? ''])
}

/** Says all that is missing at once. */
function checkGiven(
  command: Command,
  given: readonly string[],
  values: ReadonlyMap<string, readonly string[]>,
): void {
  const takes = command.takes ?? []
  const missing = [
    ...takes.filter((argument, index) => !argument.optional && given[index] === undefined).map(angled),
    ...Object.entries(optionsOf(command))
      .filter(([name, option]) => option.needed && !values.has(name))
      .map(([name]) => `--${name}`),
  ]
  const see = `see gatehouse help ${command.name}`
  if (missing.length > 0) throw usage(`${command.name} needs ${missing.join(' and ')}`, see)
  if (given.length > takes.length) {
    // Never printed: a stray word may be a secret given where none is taken.
    throw usage(`${command.name} takes ${countOf(takes.length)}, not ${given.length}`, see)
  }
}

function angled(argument: { readonly name: string }): string {
  return `<${argument.name}>`
}

function countOf(arguments_: number): string {
  if (arguments_ === 0) return 'no argument'
  return arguments_ === 1 ? 'one argument' : `${arguments_} arguments`
}

/** The name with the fewest edits from `word`, when that is few enough to be what was meant. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.min(NEAR, Math.ceil(word.length / 2)) + 1
  for (const name of names) {
    const edits = editsBetween(word, name)
    if (edits < least) [best, least] = [name, edits]
  }
  return best
}

/** Levenshtein distance, one row at a time. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j += 1) {
      const swap = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1)
      next.push(Math.min(swap, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
