/**
 * The name that someone who mistyped probably meant. In: the name given and those there are. Out: the nearest by edits, or
 * undefined when none is near. Refuses nothing.
 */

/** Edits that a slip makes; more of them is another word. A third of the name at most. */
const SLIP = 3
/** Names longer than this are compared by their beginning: the cost grows with the square. */
const LENGTH_CAP = 64

export function nearest(given: string, known: readonly string[]): string | undefined {
  const least = known
    .map((name) => ({ name, edits: edits(given, name) }))
    .toSorted((a, b) => a.edits - b.edits)[0]
  if (least === undefined || least.edits > Math.min(SLIP, Math.ceil(given.length / 3))) return undefined
  return least.name
}

/** Levenshtein distance without regard to case. */
function edits(left: string, right: string): number {
  const [a, b] = [left.slice(0, LENGTH_CAP).toLowerCase(), right.slice(0, LENGTH_CAP).toLowerCase()]
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (const [line, letter] of a.split('').entries()) {
    const next = [line + 1]
    for (let column = 1; column <= b.length; column += 1) {
      const swap = (row[column - 1] ?? 0) + (b[column - 1] === letter ? 0 : 1)
      next.push(Math.min(swap, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
