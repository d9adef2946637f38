/**
 * Reads one behaviour script. In: its text, commands above and files below (`-- name --`). Out: the steps with their
 * line numbers, the files. Refuses a quote that never closes.
 */

export interface Step {
  readonly line: number
  readonly source: string
  /** `!` before a command: it must fail. */
  readonly mustFail: boolean
  readonly words: readonly string[]
}

export interface Script {
  readonly steps: readonly Step[]
  readonly files: ReadonlyMap<string, string>
}

export function readScript(text: string): Script {
  const [head = '', ...rest] = text.split(/^-- (.+) --\n/m)
  const files = new Map<string, string>()
  for (let index = 0; index < rest.length; index += 2) files.set(rest[index] ?? '', rest[index + 1] ?? '')
  const lines = head.split('\n').map((source, index) => ({ source: source.trim(), line: index + 1 }))
  const steps = lines
    .filter(({ source }) => source !== '' && !source.startsWith('#'))
    .map(({ source, line }) => {
      const mustFail = source.startsWith('! ')
      return { line, source, mustFail, words: wordsOf(mustFail ? source.slice(2) : source) }
    })
  return { steps, files }
}

/** Words between blanks; 'single quotes' keep blanks, and nothing inside them is replaced. */
function wordsOf(source: string): string[] {
  const words = source.match(/'[^']*'|[^\s']+/g) ?? []
  if ((source.split("'").length - 1) % 2 !== 0) throw new Error(`read "${source}": a quote does not close`)
  return words
}

/** Unquotes a word, or puts in the values of its `$NAMES`. */
export function expand(word: string, names: ReadonlyMap<string, string>): string {
  if (word.startsWith("'")) return word.slice(1, -1)
  return word.replace(/\$([A-Z]+)/g, (_, name: string) => {
    const value = names.get(name)
    if (value === undefined) throw new Error(`$${name} has no value yet`)
    return value
  })
}
