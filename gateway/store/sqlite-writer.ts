/**
 * The event loop's end of the writer thread. In: statements. Out: promises of their rows. Refuses with
 * `StoreUnavailable` everything still open when the thread dies; the next statement starts a new one.
 */
import { Worker } from 'node:worker_threads'
import type { Ran } from './kysely-over.ts'
import { packRows } from './sqlite-rows.ts'
import { type StoreLimits, StoreUnavailable } from './store.ts'
import { BEGIN, type Reply, type Request, type Statement } from './sqlite-protocol.ts'

/**
 * 16 KB pages and a checkpoint each 4 MB keep the slowest commits near 5 ms; FULL makes each commit an fsync, so an
 * acknowledged delivery outlives a power cut.
 */
export function pragmas({ lockMs }: Pick<StoreLimits, 'lockMs'>): readonly string[] {
  return [
    // First: another process may hold the file while the rest is set.
    `PRAGMA busy_timeout = ${lockMs}`,
    'PRAGMA page_size = 16384',
    'PRAGMA journal_mode = WAL',
    'PRAGMA synchronous = FULL',
    'PRAGMA wal_autocheckpoint = 250',
    // Replay keys are random: their pages must stay in memory, or each key costs a read and a write of 16 KB more.
    'PRAGMA cache_size = -65536',
    // Savepoints keep the pages as they were; in memory, or each of them would go to a file first.
    'PRAGMA temp_store = MEMORY',
    'PRAGMA foreign_keys = ON',
  ]
}

/** SQLite says so when it is the moment that is wrong, not the statement. */
const PASSING = /locked|busy|disk I\/O|full|readonly|unable to open/i

/** The error that callers see for what SQLite said. */
export function sqliteError(message: string): Error {
  return PASSING.test(message) ? new StoreUnavailable(`use the store: ${message}`) : new Error(message)
}

interface Waiting {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
}

export class SqliteWriter {
  readonly #file: string
  readonly #pragmas: readonly string[]
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  /** What leaves together at the end of this turn: a message costs more than most statements. */
  #outbox: Request[] = []
  #lastId = 0

  constructor(file: string, pragmas: readonly string[]) {
    this.#file = file
    this.#pragmas = pragmas
  }

  async run(sql: string, params: readonly unknown[] = [], last = false): Promise<Ran> {
    // A new thread begins with a transaction. The rest of one that died with its thread would be written for good.
    if (!sql.startsWith('BEGIN')) this.#assertAlive()
    const reply = await this.#send({ op: 'run', sql, params, last })
    return 'rows' in reply ? reply : { rows: [], changes: 0 }
  }

  /** Runs a statement that nobody waits for. Outside a transaction the thread takes nothing but a `BEGIN`: when that
   * fails, so does all that follows it, with the same error. */
  frame(sql: typeof BEGIN | 'SAVEPOINT job' | 'RELEASE job'): void {
    this.#send({ op: 'run', sql, params: [] }).catch(() => {})
  }

  /** Runs one statement for each row, in order; answers how many rows each changed. Takes the rows over. */
  async many(sql: string, rows: unknown[][], last = false): Promise<Uint8Array> {
    this.#assertAlive()
    const reply = await this.#send({ op: 'many', sql, ...packRows(rows), last })
    return 'inserted' in reply ? reply.inserted : new Uint8Array(rows.length)
  }

  async close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    await this.#send({ op: 'close' })
    this.#worker = undefined
    await worker.terminate()
  }

  #send(work: Statement | { op: 'close' }): Promise<Reply> {
    this.#worker ??= this.#spawn()
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      if (this.#outbox.push({ ...work, id }) === 1) process.nextTick(() => this.#post())
    })
  }

  #post(): void {
    const requests = this.#outbox
    this.#outbox = []
    const handedOver = requests.flatMap((request) => (request.op === 'many' ? [request.bytes] : []))
    if (requests.length > 0) this.#worker?.postMessage(requests, handedOver)
  }

  #assertAlive(): void {
    if (this.#worker === undefined) throw new StoreUnavailable('write to the store: the writer thread ended')
  }

  #spawn(): Worker {
    const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), {
      workerData: { file: this.#file, pragmas: this.#pragmas },
    })
    worker.on('message', (replies: Reply[]) => {
      for (const reply of replies) this.#settle(reply)
    })
    worker.on('error', (error) =>
      this.#abandon(worker, error instanceof Error ? error.message : String(error)),
    )
    worker.on('exit', () => this.#abandon(worker, 'the writer thread ended'))
    return worker
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (waiting === undefined) return
    if (!('error' in reply)) return waiting.resolve(reply)
    waiting.reject(sqliteError(reply.error))
  }

  #abandon(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#outbox = []
    const open = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const waiting of open) waiting.reject(new StoreUnavailable(`write to the store: ${why}`))
  }
}
