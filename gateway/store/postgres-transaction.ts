/**
 * One transaction on one lent connection. In: statements. Out: their rows; what is issued together is sent together, and
 * the server does it in order. Refuses every statement once the body has ended, however long its COMMIT or ROLLBACK
 * takes, and a COMMIT behind a statement that failed: the server then takes all of it back.
 */
import { hash } from 'node:crypto'
import type { CompiledQuery, Kysely } from 'kysely'
import type pg from 'pg'
import { kyselyOver } from './kysely-over.ts'
import { BULK_TABLES, type BulkTable } from './postgres-bulk.ts'
import type { Schema } from './schema.ts'

export class PostgresTransaction {
  readonly db: Kysely<Schema>
  readonly #client: pg.ClientBase
  readonly #last: Promise<unknown>[] = []
  #ended = false

  constructor(client: pg.ClientBase) {
    this.#client = client
    this.db = kyselyOver('postgres', async (text, values) => {
      const { rows, rowCount } = await this.#still().query(text, [...values])
      return { rows, changes: rowCount ?? 0 }
    })
  }

  async insertMany<T extends keyof Schema>(table: T, rows: readonly Schema[T][]): Promise<boolean[]> {
    const client = this.#still()
    if (rows.length === 0) return []
    const { key } = shapeOf(table)
    const { text, values } = bulkInsert(table, rows)
    const result = await client.query<{ key: unknown }>(
      kept(`${text} ON CONFLICT DO NOTHING RETURNING ${key} AS key`, values),
    )
    const inserted = new Set(result.rows.map((row) => keyText(row.key)))
    // Of rows with one key only the first went in; deleting it from the set as it is met says so.
    return rows.map((row) => inserted.delete(keyText((row as Record<string, unknown>)[key])))
  }

  insertLast<T extends keyof Schema>(table: T, rows: readonly Schema[T][]): void {
    if (rows.length === 0) return
    const { text, values } = bulkInsert(table, rows)
    this.#later(this.#still().query(kept(text, values)))
  }

  last({ sql, parameters }: CompiledQuery): void {
    this.#later(this.#still().query(kept(sql, [...parameters])))
  }

  /** No statement is taken from here on. */
  end(): void {
    this.#ended = true
  }

  /** Sends the COMMIT along behind what the body did not wait for. */
  async commit(): Promise<void> {
    this.#ended = true
    const [committed] = await Promise.all([this.#client.query('COMMIT'), ...this.#last])
    // The server's way to say that a statement before had failed.
    if (committed.command !== 'COMMIT')
      throw new Error('commit a transaction: one of its statements had failed')
  }

  #still(): pg.ClientBase {
    if (this.#ended) throw new Error('write to the store: the transaction has ended; a query was not awaited')
    return this.#client
  }

  #later(work: Promise<unknown>): void {
    // Awaited with the COMMIT, or not at all when the body fails; either way its failure is nobody else's.
    work.catch(() => {})
    this.#last.push(work)
  }
}

/** A statement whose text is always the same: the server keeps its plan. */
function kept(text: string, values: unknown[]): pg.QueryConfig {
  return { name: hash('sha1', text), text, values }
}

/**
 * One statement for all rows: an array for each column, `unnest` on the server. Bytes go as one parameter for a column,
 * cut up by the server: in an array they would travel and be parsed as text, at twice the size.
 */
function bulkInsert(table: keyof Schema, rows: readonly object[]): { text: string; values: unknown[] } {
  const { columns: types } = shapeOf(table)
  const records = rows as readonly Record<string, unknown>[]
  const columns = Object.keys(records[0] ?? {})
  const values: unknown[] = []
  const arrays: string[] = []
  const names: string[] = []
  const selected = columns.map((column) => {
    const cells = records.map((record) => record[column])
    if (types[column] !== 'bytea') {
      arrays.push(`$${values.push(cells)}::${types[column]}[]`)
      names.push(column)
      return column
    }
    const { bytes, starts, lengths } = joined(cells)
    arrays.push(`$${values.push(starts)}::integer[]`, `$${values.push(lengths)}::integer[]`)
    names.push(`${column}_start`, `${column}_length`)
    return `substring($${values.push(bytes)}::bytea from ${column}_start for ${column}_length)`
  })
  const source = `unnest(${arrays.join(', ')}) AS given (${names.join(', ')})`
  return {
    text: `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${selected.join(', ')} FROM ${source}`,
    values,
  }
}

function joined(cells: readonly unknown[]): {
  bytes: Buffer
  starts: (number | null)[]
  lengths: (number | null)[]
} {
  const starts: (number | null)[] = []
  const lengths: (number | null)[] = []
  const parts: Uint8Array[] = []
  let at = 1
  for (const cell of cells) {
    const isBytes = cell instanceof Uint8Array
    starts.push(isBytes ? at : null)
    lengths.push(isBytes ? cell.length : null)
    if (!isBytes) continue
    parts.push(cell)
    at += cell.length
  }
  return { bytes: Buffer.concat(parts), starts, lengths }
}

function shapeOf(table: keyof Schema): BulkTable {
  const shape: BulkTable | undefined = BULK_TABLES[table]
  if (shape === undefined) throw new Error(`insert many rows: ${table} is not declared in postgres-bulk.ts`)
  return shape
}

function keyText(key: unknown): string {
  return Buffer.isBuffer(key) ? key.toString('latin1') : String(key)
}
