/**
 * The embedded store: node:sqlite, one writer, group commit. In: transactions. Out: promises that resolve when their
 * commit is on the disk. Refuses with `StoreUnavailable` when the file is locked, full or gone; nothing is written then.
 *
 * Transactions that arrive while a commit is under way wait for it and then share the next one: each runs inside a
 * savepoint of its own, so one that fails takes only itself back.
 */
import { DatabaseSync } from 'node:sqlite'
import { Announcer, GenerationPoll } from './announcer.ts'
import { migrate, type MigrationSession } from './migrate.ts'
import type { Schema } from './schema.ts'
import { BEGIN } from './sqlite-protocol.ts'
import { pragmas, SqliteWriter } from './sqlite-writer.ts'
import { sqliteReader, type SqliteTransaction, sqliteTransaction } from './sqlite-kysely.ts'
import { type Store, type StoreLimits, StoreUnavailable, type Topic, type Tx } from './store.ts'
import { withinLimit } from './within-limit.ts'

/** Transactions that share one commit: enough to amortise an fsync, few enough to answer the first soon. */
const GROUP_CAP = 128
/** The one writer waits for each body, and another process on the file may hold its lock for a while. */
const LIMITS: StoreLimits = { bodyMs: 15_000, lockMs: 5_000 }
/** How soon changes of another process on the same file are seen. */
const POLL_MS = 1_000

interface Job {
  run(tx: Tx): Promise<void>
  committed(): void
  failed(error: unknown): void
  readonly topics: Set<Topic>
}

/** Opens the file, migrates it and starts the writer. */
export async function openSqlite(
  file: string,
  clock: () => number,
  limits: Partial<StoreLimits> = {},
): Promise<Store> {
  const all = { ...LIMITS, ...limits }
  await migrateFile(file, clock(), all)
  return new SqliteStore(file, all)
}

class SqliteStore implements Store {
  readonly engine = 'sqlite'
  readonly read
  readonly #writer: SqliteWriter
  readonly #announcer = new Announcer()
  readonly #poll: GenerationPoll
  #queue: Job[] = []
  #pumping: Promise<void> | undefined
  readonly #limits: StoreLimits
  #closed = false

  constructor(file: string, limits: StoreLimits) {
    this.#limits = limits
    this.#writer = new SqliteWriter(file, pragmas(limits))
    this.read = sqliteReader(file, limits.lockMs)
    this.#poll = new GenerationPoll(() => this.#generation(), this.#announcer, POLL_MS)
  }

  write<T>(body: (tx: Tx) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('write to the store: it is closed'))
    return new Promise<T>((resolve, reject) => {
      let result: T
      this.#queue.push({
        run: async (tx) => void (result = await body(tx)),
        committed: () => resolve(result),
        failed: reject,
        topics: new Set(),
      })
      this.#pumping ??= this.#pump()
    })
  }

  listen(topic: Topic, listener: () => void): () => void {
    return this.#announcer.listen(topic, listener)
  }

  async ping(): Promise<void> {
    await this.write(async (tx) => {
      await tx.db.updateTable('gate').set({ value: 'pong' }).where('key', '=', 'ping').execute()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#poll.stop()
    await this.#pumping
    // The last connection to close folds the log into the file; only the writer may.
    await this.read.destroy()
    await this.#writer.close()
  }

  async #generation(): Promise<string> {
    const query = this.read.selectFrom('gate').select('value').where('key', '=', 'config-generation')
    return (await query.executeTakeFirst())?.value ?? ''
  }

  async #pump(): Promise<void> {
    // One turn of the loop lets everything that arrived together share the commit.
    await new Promise(setImmediate)
    while (this.#queue.length > 0) await this.#commitTogether(this.#queue.splice(0, GROUP_CAP))
    // Cleared in the same turn that found the queue empty, so that no write is left without a pump.
    this.#pumping = undefined
  }

  async #commitTogether(group: Job[]): Promise<void> {
    const done: Job[] = []
    const [first] = group
    let last: readonly Promise<unknown>[] = []
    try {
      this.#writer.frame(BEGIN)
      // One alone needs no savepoint, which would copy every page before it is changed.
      if (group.length === 1 && first !== undefined) {
        last = await this.#run(first)
        done.push(first)
      } else for (const job of group) if (await this.#runInSavepoint(job)) done.push(job)
      await Promise.all([...last, this.#writer.run('COMMIT')])
    } catch (error) {
      await this.#writer.run('ROLLBACK').catch(() => {})
      for (const job of group) job.failed(error)
      return
    }
    for (const job of done) job.committed()
    for (const topic of new Set(done.flatMap((job) => [...job.topics]))) this.#announcer.tell(topic)
  }

  /** Runs one of several transactions; on its failure only its own statements are taken back. */
  async #runInSavepoint(job: Job): Promise<boolean> {
    this.#writer.frame('SAVEPOINT job')
    try {
      await Promise.all(await this.#run(job))
      // Leaves together with the next savepoint or the COMMIT; if it could fail, so would they.
      this.#writer.frame('RELEASE job')
      return true
    } catch (error) {
      job.failed(error)
      await this.#takeBack()
      return false
    }
  }

  /** Runs a body; answers what it did not wait for, which must end well before its work is kept. */
  async #run(job: Job): Promise<readonly Promise<unknown>[]> {
    const { db, runLast, many, end } = sqliteTransaction(this.#writer)
    const last: Promise<unknown>[] = []
    const later = (work: Promise<unknown>): void => {
      // Awaited later, or not at all when the body fails; either way its failure is nobody else's.
      work.catch(() => {})
      last.push(work)
    }
    const tx: Tx = {
      db,
      insertMany: (table, rows) => insertMany(many, table, rows),
      insertLast: (table, rows) => later(insertAll(many, table, rows)),
      last: (query) => later(runLast(query)),
      announce: (topic) => void job.topics.add(topic),
    }
    try {
      await withinLimit(job.run(tx), this.#limits.bodyMs)
      if (job.topics.has('config')) await this.#bumpGeneration()
      return last
    } finally {
      end()
    }
  }

  async #takeBack(): Promise<void> {
    try {
      await this.#writer.run('ROLLBACK TO job')
      await this.#writer.run('RELEASE job')
    } catch {
      // A full disk, a fault of the disk or a writer that died took the whole shared transaction back.
      throw new StoreUnavailable('write to the store: the shared transaction was lost')
    }
  }

  async #bumpGeneration(): Promise<void> {
    await this.#writer.run(
      `UPDATE gate SET value = CAST(value AS INTEGER) + 1 WHERE key = 'config-generation'`,
    )
  }
}

async function insertMany<T extends keyof Schema>(
  many: SqliteTransaction['many'],
  table: T,
  rows: readonly Schema[T][],
): Promise<boolean[]> {
  if (rows.length === 0) return []
  const changes = await many(`${insertInto(table, rows)} ON CONFLICT DO NOTHING`, valuesOf(rows))
  return Array.from(changes, (changed) => changed > 0)
}

async function insertAll<T extends keyof Schema>(
  many: SqliteTransaction['many'],
  table: T,
  rows: readonly Schema[T][],
): Promise<void> {
  if (rows.length > 0) await many(insertInto(table, rows), valuesOf(rows), true)
}

function insertInto(table: string, rows: readonly object[]): string {
  const columns = Object.keys(rows[0] ?? {})
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`
}

function valuesOf(rows: readonly object[]): unknown[][] {
  const columns = Object.keys(rows[0] ?? {})
  return rows.map((row) => columns.map((column) => (row as Record<string, unknown>)[column]))
}

/** Migrates on a connection of its own; `BEGIN EXCLUSIVE` keeps a second process waiting its turn. */
async function migrateFile(file: string, now: number, limits: StoreLimits): Promise<void> {
  const database = new DatabaseSync(file)
  try {
    for (const pragma of pragmas(limits)) database.exec(pragma)
    const session: MigrationSession = {
      engine: 'sqlite',
      async alone(work) {
        database.exec('BEGIN EXCLUSIVE')
        try {
          await work(async (sql) => database.prepare(sql).all() as Record<string, unknown>[])
          database.exec('COMMIT')
        } catch (error) {
          database.exec('ROLLBACK')
          throw error
        }
      },
    }
    await migrate(session, now)
  } finally {
    database.close()
  }
}
