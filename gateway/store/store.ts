/**
 * The store as rooms see it: read, write in a transaction, hear of changes. Two engines stand behind it (`sqlite.ts`,
 * `postgres.ts`); a room never asks which.
 */
import type { CompiledQuery } from 'kysely'
import type { Database, Schema } from './schema.ts'

/** A transaction: everything in it is durable together or not at all. */
export interface Tx {
  readonly db: Database
  /**
   * Inserts many rows in their order, skipping those that meet a unique key. Answers, row by row, whether it went in.
   * Every row has the same columns.
   */
  insertMany<T extends keyof Schema>(table: T, rows: readonly Schema[T][]): Promise<boolean[]>
  /**
   * Inserts rows that must all go in, as the last thing a body does but for `last`. The body does not wait: what fails
   * here fails the commit, which is sent along behind it.
   */
  insertLast<T extends keyof Schema>(table: T, rows: readonly Schema[T][]): void
  /** Runs a statement behind `insertLast`, in the same way. */
  last(query: CompiledQuery): void
  /** Tells every gateway after the commit, and no one if it never comes. */
  announce(topic: Topic): void
}

/** `config`: channels, credentials or subscriptions changed. `dispatch`: there is work to hand out. */
export type Topic = 'config' | 'dispatch'

export interface Store {
  readonly engine: 'sqlite' | 'postgres'
  /** Reads outside any transaction. Never write through it. */
  readonly read: Database
  /**
   * Runs `body` in a transaction and resolves when it is durable. `body` may await only the transaction itself: on
   * SQLite all writers wait for it. Rejects with the body's error, or `StoreUnavailable`; nothing is written then.
   */
  write<T>(body: (tx: Tx) => Promise<T>): Promise<T>
  /** Calls `listener` after each announcement, at most a second late, perhaps more often than needed. Returns the way out. */
  listen(topic: Topic, listener: () => void): () => void
  /** One cheap write and read, for readiness. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** How long the store waits for others; each engine has its own, and tests have shorter ones. */
export interface StoreLimits {
  /** A transaction whose body has not ended by then is taken back, or it would hold up other writers. */
  readonly bodyMs: number
  /** A statement that waits longer for a lock is given up. */
  readonly lockMs: number
}

/** The store is away, locked or full; the caller may try again. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}
