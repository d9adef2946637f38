/**
 * The skeleton of every command: a name, a sentence, what it takes, and what it does. In: rows written in
 * `commands/*.ts`. Out: rows of one table that parsing, help and the reference page read. Refuses nothing.
 */
import type { Io } from './io.ts'
import type { ExitCode } from './trouble.ts'

export interface Option {
  /** Name of the value in help; without it the option is a flag. */
  readonly value?: string
  /** May be given more than once. */
  readonly many?: true
  readonly needed?: true
  readonly help: string
}

export interface Argument {
  readonly name: string
  readonly help: string
  readonly optional?: true
}

export interface Command {
  /** `tenant create`, or one word for the few bare verbs. */
  readonly name: string
  readonly summary: string
  readonly takes?: readonly Argument[]
  readonly options?: Readonly<Record<string, Option>>
  /** Whether it speaks to a running gate, and so takes `--url`. */
  readonly online?: true
  /** Names its tenant, and so takes `--tenant`. */
  readonly tenanted?: true
  /** Answers a list, and so takes `--limit` and `--cursor`. */
  readonly paged?: true
  /** Cannot be taken back, and so needs `--reason`. */
  readonly dangerous?: true
  /** Has no `--json`: what it writes is bytes, or JSON already. */
  readonly bare?: true
  /** A line or more that work as they stand. */
  readonly example: string
  run(input: Input, io: Io): Promise<ExitCode>
}

const JSON_OPTION: Option = { help: 'answer with JSON on one line; this form is stable' }
const URL_OPTION: Option = { value: 'url', help: 'admin address of the gate, else GATEHOUSE_URL' }
const TENANT: Option = { value: 'tenant', help: 'id or name; may be left out while there is only one' }
const LIMIT: Option = { value: 'number', help: 'how many at most, 1 to 100' }
const CURSOR: Option = { value: 'cursor', help: 'go on where the last page ended' }
const REASON: Option = { value: 'text', needed: true, help: 'why; kept in the audit log' }

/** A command's own options, then those that its kind brings. */
export function optionsOf(command: Command): Readonly<Record<string, Option>> {
  return {
    ...(command.tenanted && { tenant: TENANT }),
    ...command.options,
    ...(command.dangerous && { reason: REASON }),
    ...(command.paged && { limit: LIMIT, cursor: CURSOR }),
    ...(!command.bare && { json: JSON_OPTION }),
    ...(command.online && { url: URL_OPTION }),
  }
}

/** What was given, checked against the row: needed values are there, unknown ones are not. */
export class Input {
  readonly #arguments: readonly string[]
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(given: readonly string[], values: ReadonlyMap<string, readonly string[]>) {
    this.#arguments = given
    this.#values = values
  }

  text(option: string): string | undefined {
    return this.#values.get(option)?.[0]
  }

  /** The value of an option whose row says `needed`. */
  need(option: string): string {
    const value = this.text(option)
    if (value === undefined) throw new Error(`read --${option}: not given, though its row says it is needed`)
    return value
  }

  list(option: string): readonly string[] {
    return this.#values.get(option) ?? []
  }

  flag(option: string): boolean {
    return this.#values.has(option)
  }

  /** The argument at `index`, when given. */
  at(index: number): string | undefined {
    return this.#arguments[index]
  }

  /** The argument at `index` whose row does not say `optional`. */
  needAt(index: number): string {
    const value = this.at(index)
    if (value === undefined) throw new Error(`read argument ${index}: not given, though its row needs it`)
    return value
  }
}
