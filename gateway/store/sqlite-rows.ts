/**
 * Rows on their way to the writer thread. In: rows of values. Out: the same rows with lengths in place of bytes, and all
 * the bytes in one piece that is handed over rather than copied; on the other side the rows as they were. Refuses
 * nothing: bytes in a column that had none in the first row travel inside their row.
 */

export interface PackedRows {
  readonly rows: unknown[][]
  /** Positions of the columns whose numbers are lengths of bytes. */
  readonly byteColumns: readonly number[]
  readonly bytes: ArrayBuffer
}

/** Changes `rows` in place. */
export function packRows(rows: unknown[][]): PackedRows {
  const byteColumns = (rows[0] ?? []).flatMap((value, i) => (value instanceof Uint8Array ? [i] : []))
  let total = 0
  for (const row of rows) for (const i of byteColumns) total += sizeOf(row[i])
  const bytes = new Uint8Array(total)
  let at = 0
  for (const row of rows) {
    for (const i of byteColumns) {
      const value = row[i]
      if (!(value instanceof Uint8Array)) continue
      bytes.set(value, at)
      at += value.length
      row[i] = value.length
    }
  }
  return { rows, byteColumns, bytes: bytes.buffer }
}

/** Changes the rows back, in place; their bytes are views. */
export function unpackRows({ rows, byteColumns, bytes }: PackedRows): unknown[][] {
  let at = 0
  for (const row of rows) {
    for (const i of byteColumns) {
      const length = row[i]
      if (typeof length !== 'number') continue
      row[i] = new Uint8Array(bytes, at, length)
      at += length
    }
  }
  return rows
}

function sizeOf(value: unknown): number {
  return value instanceof Uint8Array ? value.length : 0
}
