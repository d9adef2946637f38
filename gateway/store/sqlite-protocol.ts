/**
 * What the event loop and the writer thread say to each other. In: requests, in lists, in order. Out: a reply for each, in
 * the same lists. Refuses nothing; outside a transaction the thread runs `BEGIN` and no other statement.
 */
import type { PackedRows } from './sqlite-rows.ts'

/** Takes the write lock at once, so that no transaction finds out later that another was faster. */
export const BEGIN = 'BEGIN IMMEDIATE'

export type Request = (Statement | { readonly op: 'close' }) & { readonly id: number }

export type Statement = (
  | { readonly op: 'run'; readonly sql: string; readonly params: readonly unknown[] }
  | ({ readonly op: 'many'; readonly sql: string } & PackedRows)
) & {
  /** Nobody waits for it: when it fails, the transaction can only be taken back. */
  readonly last?: boolean
}

export type Reply =
  | { readonly id: number; readonly rows: unknown[]; readonly changes: number }
  | { readonly id: number; readonly inserted: Uint8Array }
  | { readonly id: number; readonly error: string }
