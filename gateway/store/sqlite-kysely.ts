/**
 * Kysely over node:sqlite: a reader on this thread and a writer on the worker. In: compiled queries. Out: rows, with
 * blobs as Buffers. Refuses a query on a transaction that has ended, so a forgotten `await` cannot write into the next.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Schema } from './schema.ts'
import { sqliteError, type SqliteWriter } from './sqlite-writer.ts'

/** Reads are prepared once; their number is bounded by the program's own queries. */
const STATEMENT_CAP = 512

type Execute = (sql: string, params: readonly unknown[]) => Promise<{ rows: unknown[]; changes: number }>

/** A Kysely whose every query goes to `execute`. */
function kyselyOver(execute: Execute, close: () => void = () => {}): Kysely<Schema> {
  const connection: DatabaseConnection = {
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      const { rows, changes } = await execute(query.sql, query.parameters)
      return { rows: rows.map(withBuffers) as R[], numAffectedRows: BigInt(changes) }
    },
    streamQuery() {
      throw new Error('read the store: streaming is not offered, page instead')
    },
  }
  const driver: Driver = {
    init: async () => {},
    acquireConnection: async () => connection,
    beginTransaction: noTransactions,
    commitTransaction: noTransactions,
    rollbackTransaction: noTransactions,
    releaseConnection: async () => {},
    destroy: async () => close(),
  }
  return new Kysely({
    dialect: {
      createDriver: () => driver,
      createAdapter: () => new SqliteAdapter(),
      createQueryCompiler: () => new SqliteQueryCompiler(),
      createIntrospector: (db) => new SqliteIntrospector(db),
    },
  })
}

async function noTransactions(): Promise<never> {
  throw new Error('write to the store: transactions are opened by Store.write only')
}

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
    return { rows: statement.all(...(params as SQLInputValue[])), changes: 0 }
  }
  const executeOrSay: Execute = async (sql, params) => {
    try {
      return await execute(sql, params)
    } catch (error) {
      throw sqliteError(error instanceof Error ? error.message : String(error))
    }
  }
  return kyselyOver(executeOrSay, () => database.close())
}

/** The database of one transaction; `end()` closes it for good. */
export function sqliteTransaction(writer: SqliteWriter): SqliteTransaction {
  let ended = false
  const open = (): SqliteWriter => {
    if (ended) throw new Error('write to the store: the transaction has ended; a query was not awaited')
    return writer
  }
  return {
    db: kyselyOver(async (sql, params) => await open().run(sql, params)),
    many: async (sql, rows) => await open().many(sql, rows),
    end: () => (ended = true),
  }
}

export interface SqliteTransaction {
  readonly db: Kysely<Schema>
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
