/**
 * Kysely over node:sqlite: a reader on this thread and a writer on the worker. In: compiled queries. Out: rows, with
 * blobs as Buffers. Refuses a query on a transaction that has ended, so a forgotten `await` cannot write into the next.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import type { CompiledQuery, Kysely } from 'kysely'
import { type Execute, kyselyOver } from './kysely-over.ts'
import type { Schema } from './schema.ts'
import { sqliteError, type SqliteWriter } from './sqlite-writer.ts'

/** Reads are prepared once; their number is bounded by the program's own queries. */
const STATEMENT_CAP = 512

/** Reads on this thread: point reads take microseconds; anything longer must be paged. */
export function sqliteReader(file: string, lockMs: number): Kysely<Schema> {
  const database = new DatabaseSync(file, { readOnly: true })
  database.exec(`PRAGMA busy_timeout = ${lockMs}`)
  const statements = new Map<string, StatementSync>()
  const execute: Execute = async (sql, params) => {
    let statement = statements.get(sql)
    if (statement === undefined) {
      if (statements.size >= STATEMENT_CAP) statements.clear()
      statement = database.prepare(sql)
      statements.set(sql, statement)
    }
    return { rows: statement.all(...(params as SQLInputValue[])).map(withBuffers), changes: 0 }
  }
  const executeOrSay: Execute = async (sql, params) => {
    try {
      return await execute(sql, params)
    } catch (error) {
      throw sqliteError(error instanceof Error ? error.message : String(error))
    }
  }
  return kyselyOver('sqlite', executeOrSay, () => database.close())
}

/** The database of one transaction; `end()` closes it for good. */
export function sqliteTransaction(writer: SqliteWriter): SqliteTransaction {
  let ended = false
  const open = (): SqliteWriter => {
    if (ended) throw new Error('write to the store: the transaction has ended; a query was not awaited')
    return writer
  }
  return {
    db: kyselyOver('sqlite', async (sql, params) => {
      const { rows, changes } = await open().run(sql, params)
      return { rows: rows.map(withBuffers), changes }
    }),
    runLast: async ({ sql, parameters }) => await open().run(sql, parameters, true),
    many: async (sql, rows, last) => await open().many(sql, rows, last),
    end: () => (ended = true),
  }
}

export interface SqliteTransaction {
  readonly db: Kysely<Schema>
  readonly runLast: (query: CompiledQuery) => Promise<unknown>
  readonly many: SqliteWriter['many']
  readonly end: () => void
}

function withBuffers(row: unknown): unknown {
  const columns = row as Record<string, unknown>
  for (const name in columns) {
    const value = columns[name]
    if (value instanceof Uint8Array && !Buffer.isBuffer(value)) {
      columns[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    }
  }
  return columns
}
