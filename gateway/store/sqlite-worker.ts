/**
 * The one writer of the embedded database, in a thread of its own so that an fsync never blocks the event loop. In:
 * statements, in order. Out: their rows, or which rows of a batch went in. Refuses nothing; errors go back as text.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { BEGIN, type Reply, type Request } from './sqlite-protocol.ts'
import { unpackRows } from './sqlite-rows.ts'

/** Prepared statements kept; the program has fewer than a hundred. */
const STATEMENT_CAP = 256

const port = parentPort
if (port === null) throw new Error('run the writer: this file runs in a worker thread only')
const database = new DatabaseSync((workerData as { file: string }).file)
for (const pragma of (workerData as { pragmas: string[] }).pragmas) database.exec(pragma)
const statements = new Map<string, StatementSync>()

/** Why the transaction must not be kept: a statement that nobody waited for failed. */
let broken: string | undefined
/** Why the last `BEGIN` failed: what was sent along behind it fails for the same reason. */
let notBegun = 'no transaction is open'

port.on('message', (requests: Request[]) => port.postMessage(requests.map(answer)))

function answer(request: Request): Reply {
  try {
    return perform(request)
  } catch (error) {
    const { message } = error as Error
    if (request.op !== 'close' && request.last === true) broken ??= message
    return { id: request.id, error: message }
  }
}

function perform(request: Request): Reply {
  if (request.op === 'close') {
    database.close()
    return { id: request.id, rows: [], changes: 0 }
  }
  if (request.sql === BEGIN) return begin(request.id)
  // A statement whose transaction was never begun, or was taken back by a full disk, must not stand alone.
  if (!database.isTransaction) throw new Error(notBegun)
  if (request.sql.startsWith('ROLLBACK')) broken = undefined
  if (broken !== undefined) throw new Error(broken)
  return request.op === 'run'
    ? run(request.id, request.sql, request.params)
    : many(request.id, request.sql, unpackRows(request))
}

function begin(id: number): Reply {
  try {
    notBegun = 'no transaction is open'
    broken = undefined
    return run(id, BEGIN, [])
  } catch (error) {
    notBegun = (error as Error).message
    throw error
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
