/**
 * The shared store: PostgreSQL behind a pool, many gateways in front. In: transactions. Out: promises that resolve when
 * the server has committed. Refuses with `StoreUnavailable` when the server is away or out of room. A commit whose
 * answer was lost may have happened: the caller is told "unavailable", and the replay memory settles a repeat.
 */
import { CompiledQuery, type DatabaseConnection, type Driver, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { Announcer, GenerationPoll } from './announcer.ts'
import { migrate, type MigrationSession } from './migrate.ts'
import { PostgresTransaction } from './postgres-transaction.ts'
import type { Schema } from './schema.ts'
import { type Store, type StoreLimits, StoreUnavailable, type Topic, type Tx } from './store.ts'
import { withinLimit } from './within-limit.ts'

/** Connections of one gateway; writes come in batches, so few are enough. */
const POOL_SIZE = 12
/** A server that does not answer by then is away. */
const CONNECT_MS = 5_000
/** A body that hangs holds a connection; a statement that waits longer for a lock is given up by the server. */
const LIMITS: StoreLimits = { bodyMs: 15_000, lockMs: 5_000 }
/** A server that gives up a statement says so within this time. */
const ANSWER_MS = 1_000
/** Lost notifications cost at most this much. */
const POLL_MS = 1_000
/** The server undoes one of two transactions that wait for each other; trying again is the cure. */
const DEADLOCK_TRIES = 4
const MIGRATION_LOCK = 4_702_111_234
/** A start waits so long for another gate's migration; then it says so, rather than wait without a word. */
const MIGRATION_WAIT_MS = 60_000

export interface PostgresOptions {
  readonly url: string
  /** Schema that holds the tables; made when missing. */
  readonly schema?: string
}

/** Connects, migrates and listens. */
export async function openPostgres(
  options: PostgresOptions,
  clock: () => number,
  given: Partial<StoreLimits> = {},
): Promise<Store> {
  const limits = { ...LIMITS, ...given }
  const schema = options.schema ?? 'public'
  await migrateSchema(options.url, schema, clock())
  const pool = new pg.Pool({
    connectionString: options.url,
    max: POOL_SIZE,
    // Statements that need nothing of each other go out at once.
    pipeline: true,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: limits.lockMs,
    // The server's own limit cannot end a wait for a server that hangs.
    query_timeout: limits.lockMs + ANSWER_MS,
    // A gate that hangs in a transaction holds the head of the audit log, and with it every other gate.
    idle_in_transaction_session_timeout: limits.bodyMs,
    application_name: 'gatehouse',
    options: `-c search_path=${schema} -c client_min_messages=warning`,
    types: { getTypeParser },
  })
  // An idle connection that breaks is replaced by the pool; the next query says so if the server is away.
  pool.on('error', () => {})
  // The pool stops listening to a connection that is lent out; without this, one that breaks then ends the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  const store = new PostgresStore(pool, options.url, `gatehouse_${schema}`, limits.bodyMs)
  try {
    await store.startListening()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

class PostgresStore implements Store {
  readonly engine = 'postgres'
  readonly read
  readonly #url: string
  readonly #channel: string
  readonly #announcer = new Announcer()
  readonly #poll: GenerationPoll
  readonly #bodyMs: number
  readonly #pool: pg.Pool
  #listener: pg.Client | undefined
  #closed = false

  constructor(pool: pg.Pool, url: string, channel: string, bodyMs: number) {
    this.#bodyMs = bodyMs
    this.#pool = pool
    this.#url = url
    this.#channel = channel
    this.read = new Kysely<Schema>({ dialect: new ForgivingDialect({ pool }) })
    this.#poll = new GenerationPoll(() => this.#generation(), this.#announcer, POLL_MS)
  }

  async write<T>(body: (tx: Tx) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(body)
      } catch (error) {
        if (!isDeadlock(error)) throw asUnavailable(error)
        if (attempt >= DEADLOCK_TRIES)
          throw new StoreUnavailable('write to the store: others held the same rows')
      }
    }
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
    await this.#listener?.end().catch(() => {})
    await this.read.destroy()
  }

  /** Keeps one connection listening; a broken one is made again after a second, and all listeners look anew. */
  async startListening(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: 'gatehouse listener',
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: CONNECT_MS,
      keepAlive: true,
    })
    client.on('error', () => {})
    client.on('notification', (message) => this.#announcer.tell(message.payload as Topic))
    try {
      await client.connect()
      await client.query(`LISTEN ${pg.escapeIdentifier(this.#channel)}`)
    } catch (error) {
      void client.end().catch(() => {})
      throw error
    }
    // Only now: a client that never connected ends too, and one failure must not be tried again twice.
    client.on('end', () => this.#listenSoon())
    this.#listener = client
    if (this.#closed) await client.end()
  }

  #listenSoon(): void {
    if (!this.#closed) setTimeout(() => void this.#listenAgain(), POLL_MS).unref()
  }

  async #listenAgain(): Promise<void> {
    if (this.#closed) return
    try {
      await this.startListening()
      this.#announcer.tell('config')
      this.#announcer.tell('dispatch')
    } catch {
      this.#listenSoon()
    }
  }

  async #once<T>(body: (tx: Tx) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect()
    const transaction = new PostgresTransaction(client)
    const topics = new Set<Topic>()
    const tx: Tx = {
      db: transaction.db,
      insertMany: (table, rows) => transaction.insertMany(table, rows),
      insertLast: (table, rows) => transaction.insertLast(table, rows),
      last: (query) => transaction.last(query),
      announce: (topic) => void topics.add(topic),
    }
    let result: T
    try {
      await client.query('BEGIN')
      result = await withinLimit(body(tx), this.#bodyMs)
      this.#announceIn(transaction, topics)
      await transaction.commit()
    } catch (error) {
      transaction.end()
      // Told at once: the ROLLBACK may have to wait for a server that hangs.
      void takeBack(client)
      throw error
    }
    client.release()
    // The notification comes back a moment later; who asked for a change must find it made at the very next request.
    for (const topic of topics) this.#announcer.tell(topic)
    return result
  }

  /** NOTIFY inside the transaction: the server sends it at commit, or never. */
  #announceIn(transaction: PostgresTransaction, topics: ReadonlySet<Topic>): void {
    if (topics.has('config')) {
      const bump = `UPDATE gate SET value = (value::bigint + 1)::text WHERE key = 'config-generation'`
      transaction.last(CompiledQuery.raw(bump))
    }
    for (const topic of topics) {
      transaction.last(CompiledQuery.raw('SELECT pg_notify($1, $2)', [this.#channel, topic]))
    }
  }

  async #generation(): Promise<string> {
    const query = this.read.selectFrom('gate').select('value').where('key', '=', 'config-generation')
    return (await query.executeTakeFirst())?.value ?? ''
  }
}

/** Says of reads too, in the store's own words, that it is the moment that is wrong. */
class ForgivingDialect extends PostgresDialect {
  override createDriver(): Driver {
    const driver = super.createDriver()
    const acquire = driver.acquireConnection.bind(driver)
    const known = new WeakSet<DatabaseConnection>()
    driver.acquireConnection = async (options) => {
      const connection = await acquire(options).catch(throwAsUnavailable)
      if (known.has(connection)) return connection
      known.add(connection)
      const execute = connection.executeQuery.bind(connection)
      connection.executeQuery = async (query, executeOptions) =>
        await execute<never>(query, executeOptions).catch(throwAsUnavailable)
      return connection
    }
    return driver
  }
}

/** Gives the connection back, or away when it can no longer be trusted. */
async function takeBack(client: pg.PoolClient): Promise<void> {
  try {
    await client.query('ROLLBACK')
    client.release()
  } catch {
    client.release(true)
  }
}

/** Big integers are times, sizes and counts here, all far below 2^53. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
  if (oid === pg.types.builtins.INT8) return Number
  return pg.types.getTypeParser(oid, format as 'text')
}

function isDeadlock(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return code === '40P01' || code === '40001'
}

/** Connection trouble, shutdown, no room, give-ups: the moment is wrong, not the statement. */
function asUnavailable(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: string }
  const sqlState = typeof code === 'string' && /^(08|53|57P|57014|55P|58|25006|25P03)/.test(code)
  const socket = typeof code === 'string' && /^(ECONN|ENOTFOUND|EPIPE|ETIMEDOUT|EHOST|EAI_)/.test(code)
  const pool =
    /timeout exceeded|timeout expired|read timeout|Connection terminated|not queryable|after calling end|been (discarded|destroyed)/.test(
      message ?? '',
    )
  return sqlState || socket || pool
    ? new StoreUnavailable(`use the store: ${message ?? 'it is away'}`)
    : error
}

function throwAsUnavailable(error: unknown): never {
  throw asUnavailable(error)
}

/** On a connection of its own: a migration takes as long as it takes. */
async function migrateSchema(url: string, schema: string, now: number): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'gatehouse migration',
    options: `-c search_path=${schema} -c client_min_messages=warning -c lock_timeout=${MIGRATION_WAIT_MS}`,
    keepAlive: true,
  })
  client.on('error', () => {})
  await client.connect()
  const session: MigrationSession = {
    engine: 'postgres',
    async alone(work) {
      await client.query('BEGIN')
      try {
        await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK])
        await client.query(`CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(schema)}`)
        await work(async (sql) => (await client.query(sql)).rows as Record<string, unknown>[])
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK').catch(() => {})
        throw error
      }
    },
  }
  try {
    await migrate(session, now)
  } finally {
    await client.end()
  }
}
