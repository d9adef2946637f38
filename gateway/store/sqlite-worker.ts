/**
 * The one writer of the embedded database, in a thread of its own so that an fsync never blocks the event loop. In:
 * statements, in order. Out: their rows, or which rows of a batch went in. Refuses nothing; errors go back as text.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'

export type Request =
  | { readonly id: number; readonly op: 'run'; readonly sql: string; readonly params: readonly unknown[] }
  | { readonly id: number; readonly op: 'many'; readonly sql: string; readonly rows: readonly unknown[][] }
  | { readonly id: number; readonly op: 'close' }

export type Reply =
  | { readonly id: number; readonly rows: unknown[]; readonly changes: number }
  | { readonly id: number; readonly inserted: Uint8Array }
  | { readonly id: number; readonly error: string; readonly code: string | undefined }

/** Prepared statements kept; the program has fewer than a hundred. */
const STATEMENT_CAP = 256

const port = parentPort
if (port === null) throw new Error('run the writer: this file runs in a worker thread only')
const database = new DatabaseSync((workerData as { file: string }).file)
for (const pragma of (workerData as { pragmas: string[] }).pragmas) database.exec(pragma)
const statements = new Map<string, StatementSync>()

port.on('message', (request: Request) => port.postMessage(answer(request)))

function answer(request: Request): Reply {
  try {
    return perform(request)
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    return { id: request.id, error: message, code }
  }
}

function perform(request: Request): Reply {
  switch (request.op) {
    case 'run':
      return run(request.id, request.sql, request.params)
    case 'many':
      return many(request.id, request.sql, request.rows)
    case 'close':
      database.close()
      return { id: request.id, rows: [], changes: 0 }
  }
}

function run(id: number, sql: string, params: readonly unknown[]): Reply {
  const statement = prepared(sql)
  const values = params as SQLInputValue[]
  if (statement.columns().length > 0) return { id, rows: statement.all(...values), changes: 0 }
  return { id, rows: [], changes: Number(statement.run(...values).changes) }
}

function many(id: number, sql: string, rows: readonly unknown[][]): Reply {
  const statement = prepared(sql)
  const inserted = new Uint8Array(rows.length)
  for (const [i, row] of rows.entries())
    inserted[i] = Number(statement.run(...(row as SQLInputValue[])).changes)
  return { id, inserted }
}

function prepared(sql: string): StatementSync {
  const known = statements.get(sql)
  if (known !== undefined) return known
  if (statements.size >= STATEMENT_CAP) statements.clear()
  const statement = database.prepare(sql)
  statements.set(sql, statement)
  return statement
}
