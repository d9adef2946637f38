/**
 * Prints results. In: what was measured. Out: one table with ratios, as lines of text. Refuses nothing; a ratio to a server
 * that was not measured is left blank.
 */
import type { Measured, Round } from './ingress.ts'
import { median } from './latency.ts'
import type { Readiness } from './ready.ts'

const HEAD = [
  '',
  'server',
  'req/s',
  'best',
  '÷(b)',
  '÷(e)',
  'cpu µs/req',
  '+db µs',
  'RSS MB',
  'p50',
  'p99',
  'open p50',
  'p99',
  'p99.9',
]

export function ingressTable(measured: readonly Measured[]): string[] {
  const rows = measured.map((one) => [
    `(${one.letter})`,
    one.title,
    whole(middle(one, ({ rate }) => rate)),
    whole(Math.max(...one.rounds.map(({ rate }) => rate))),
    ratioTo(measured, one, 'b'),
    ratioTo(measured, one, 'e'),
    middle(one, ({ micros }) => micros).toFixed(1),
    blankZero(middle(one, ({ databaseMicros }) => databaseMicros)),
    String(one.megabytes),
    millis(middle(one, ({ closed }) => closed.p50)),
    millis(middle(one, ({ closed }) => closed.p99)),
    millis(middle(one, ({ open }) => open.p50)),
    millis(middle(one, ({ open }) => open.p99)),
    millis(middle(one, ({ open }) => open.p999)),
  ])
  return aligned([HEAD, ...rows])
}

export function readyTable(results: readonly Readiness[]): string[] {
  const rows = results.map(({ title, first, later }) => [
    title,
    `${whole(median(later))} ms`,
    `${whole(Math.min(...later))} ms`,
    `${whole(first)} ms`,
  ])
  return aligned([['ready after', 'median', 'best', 'first start'], ...rows])
}

function middle(one: Measured, of: (round: Round) => number): number {
  return median(one.rounds.map(of))
}

/** Median of the ratios within each round: what slowed one round slowed both. */
function ratioTo(measured: readonly Measured[], one: Measured, letter: string): string {
  const other = measured.find((candidate) => candidate.letter === letter)
  if (other === undefined) return ''
  const ratios = one.rounds.map(({ rate }, i) => rate / (other.rounds[i]?.rate ?? Number.NaN))
  return median(ratios).toFixed(2)
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-GB')
}

function millis(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1)
}

function blankZero(value: number): string {
  return value === 0 ? '' : value.toFixed(1)
}

/** Text to the left, numbers to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return isText(rows, column) ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

function isText(rows: readonly (readonly string[])[], column: number): boolean {
  return rows.slice(1).some((row) => /^[^\d-]/.test(row[column] ?? ''))
}
