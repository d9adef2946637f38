/**
 * How answers look. In: what the API answered. Out: with `--json` that answer on one line; otherwise rows in columns
 * or one fact a line, for people. Refuses to let control characters in values reach a terminal.
 */
import type { Input } from './command.ts'
import { answer, type Io, plain, remark } from './io.ts'

/** Widest cell; longer text is cut, and `--json` has all of it. */
const CELL = 60

export interface Listed<T> {
  readonly items: readonly T[]
  readonly next?: string | null
}

/** Columns by their head; each says what of an item stands in it. */
export type Columns<T> = Readonly<Record<string, (item: T) => unknown>>

export function printPage<T>(io: Io, input: Input, page: Listed<T>, columns: Columns<T>): void {
  if (input.flag('json')) return answer(io, JSON.stringify(page))
  if (page.items.length === 0) return remark(io, 'hint', 'there is nothing to list')
  const cells = Object.values(columns)
  answer(
    io,
    rowsOf(
      Object.keys(columns),
      page.items.map((item) => cells.map((cell) => cut(textOf(cell(item))))),
    ),
  )
  if (typeof page.next === 'string') remark(io, 'hint', `there is more: add --cursor ${page.next}`)
}

/** One thing, a fact a line; lists and objects inside it as JSON. */
export function printRecord(io: Io, input: Input, record: object): void {
  if (input.flag('json')) return answer(io, JSON.stringify(record))
  const facts = Object.entries(record).filter(([, value]) => value !== undefined && value !== null)
  const width = Math.max(...facts.map(([name]) => name.length))
  answer(io, facts.map(([name, value]) => `${name.padEnd(width)}  ${plain(textOf(value))}`).join('\n'))
}

/** Rows under a head, each column as wide as its widest cell. */
export function rowsOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head.map((name) => name.toUpperCase()), ...rows.map((row) => row.map(plain))]
  const widths = head.map((_, index) => Math.max(...all.map((row) => (row[index] ?? '').length)))
  return all
    .map((row) =>
      row
        .map((text, index) => text.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function cut(text: string): string {
  return text.length > CELL ? `${text.slice(0, CELL - 1)}…` : text
}

function textOf(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-'
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value.join(',')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
