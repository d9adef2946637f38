/**
 * Kysely over whatever runs a statement. In: an engine and a function that runs SQL. Out: a Kysely whose every query goes
 * there at once, also while others are under way. Refuses transactions, which only `Store.write` opens, and streams.
 */
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Schema } from './schema.ts'

export interface Ran {
  readonly rows: unknown[]
  readonly changes: number
}

export type Execute = (sql: string, params: readonly unknown[]) => Promise<Ran>

/** Kysely would let one query of SQLite wait for the other; ours are put in order by who runs them. */
class OrderedElsewhere extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

const DIALECTS = {
  sqlite: {
    createAdapter: () => new OrderedElsewhere(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
  },
  postgres: {
    createAdapter: () => new PostgresAdapter(),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createIntrospector: (db: Kysely<unknown>) => new PostgresIntrospector(db),
  },
}

export function kyselyOver(
  engine: keyof typeof DIALECTS,
  execute: Execute,
  close: () => void = () => {},
): Kysely<Schema> {
  const connection: DatabaseConnection = {
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      const { rows, changes } = await execute(query.sql, query.parameters)
      // A boundary: the rows are what the query asked for.
      return { rows: rows as R[], numAffectedRows: BigInt(changes) }
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
  return new Kysely({ dialect: { createDriver: () => driver, ...DIALECTS[engine] } })
}

async function noTransactions(): Promise<never> {
  throw new Error('write to the store: transactions are opened by Store.write only')
}
