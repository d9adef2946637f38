/**
 * Opens the store that the configuration names. In: a file or a PostgreSQL URL. Out: a migrated, listening `Store`.
 * Refuses with `StartRefused` a database that is newer than the program, was edited, or cannot be reached.
 */
import { StartRefused } from '../start-refused.ts'
import { openPostgres } from './postgres.ts'
import { openSqlite } from './sqlite.ts'
import type { Store, StoreLimits } from './store.ts'

export type StoreOptions =
  | { readonly engine: 'sqlite'; readonly file: string }
  | { readonly engine: 'postgres'; readonly url: string; readonly schema?: string }

export async function openStore(
  options: StoreOptions,
  clock: () => number,
  limits: Partial<StoreLimits> = {},
): Promise<Store> {
  try {
    return options.engine === 'sqlite'
      ? await openSqlite(options.file, clock, limits)
      : await openPostgres(options, clock, limits)
  } catch (error) {
    if (error instanceof StartRefused) throw error
    // The URL holds a password, so only the driver's reason is shown.
    const { code, message } = error as { code?: string; message?: string }
    // SQLite has one code for all; its messages name no secret.
    const reason = options.engine === 'sqlite' ? message : (code ?? message)
    const where = options.engine === 'sqlite' ? 'the database file' : 'PostgreSQL'
    const check =
      options.engine === 'sqlite'
        ? 'check the data folder and the free space'
        : 'check GATEHOUSE_DATABASE_URL and that the server runs'
    throw new StartRefused('store-unreachable', `open ${where}: ${reason ?? 'it failed'}; ${check}`)
  }
}
