/**
 * Brings a database to this program's tables. In: a way to run statements in one transaction, and the list. Out: a
 * database with every migration applied once, each in a transaction of its own. Refuses a database that is newer than
 * the program, and one whose applied migrations differ from ours; nothing is changed then.
 */
import { createHash } from 'node:crypto'
import { StartRefused } from '../start-refused.ts'
import { foundation } from './migrations/0001-foundation.ts'
import { waysOut } from './migrations/0002-ways-out.ts'
import { filters } from './migrations/0003-filters.ts'

export interface Migration {
  readonly id: number
  readonly name: string
  /** SQL that both engines take once `rendered`. */
  readonly statements: readonly string[]
}

export const MIGRATIONS: readonly Migration[] = [foundation, waysOut, filters]

export type Engine = 'sqlite' | 'postgres'

/** What one engine offers while it holds the lock that keeps a second process waiting. */
export interface MigrationSession {
  readonly engine: Engine
  /** Runs `work` in one transaction, alone: a second process waits here and then sees what the first did. */
  alone(work: (run: (sql: string, params?: unknown[]) => Promise<Row[]>) => Promise<void>): Promise<void>
}

type Row = Record<string, unknown>

const TABLE = `CREATE TABLE IF NOT EXISTS migration (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)`

/** Applies what is missing. Safe to run from many processes at once. */
export async function migrate(
  session: MigrationSession,
  now: number,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  await session.alone(async (run) => {
    await run(TABLE)
    checkHistory(await run('SELECT id, name, checksum FROM migration ORDER BY id'), migrations)
  })
  for (const migration of migrations) await applyOnce(session, migration, now)
}

async function applyOnce(session: MigrationSession, migration: Migration, now: number): Promise<void> {
  await session.alone(async (run) => {
    const done = await run(`SELECT id FROM migration WHERE id = ${migration.id}`)
    if (done.length > 0) return
    for (const statement of migration.statements) await run(rendered(statement, session.engine))
    const values = `${migration.id}, '${migration.name}', '${checksum(migration)}', ${Math.trunc(now)}`
    await run(`INSERT INTO migration (id, name, checksum, applied_at) VALUES (${values})`)
  })
}

function checkHistory(applied: readonly Row[], migrations: readonly Migration[]): void {
  for (const row of applied) {
    const ours = migrations.find((migration) => migration.id === Number(row['id']))
    if (ours === undefined) {
      throw new StartRefused(
        'database-newer',
        `open the database: it holds migration ${String(row['id'])} (${String(row['name'])}), this program knows ` +
          `${migrations.length}; start the newer program that made it, or restore an older backup`,
      )
    }
    if (row['checksum'] !== checksum(ours)) {
      throw new StartRefused(
        'migration-edited',
        `open the database: migration ${ours.id} (${ours.name}) was edited after it ran; ` +
          'restore the released file, and put the change into a new migration',
      )
    }
  }
}

/** Over the text as written, so that one history serves both engines. */
export function checksum(migration: Migration): string {
  return createHash('sha256').update(migration.statements.join(';\n')).digest('hex')
}

function rendered(statement: string, engine: Engine): string {
  const sqlite = engine === 'sqlite'
  return statement
    .replaceAll('{ordered}', sqlite ? 'WITHOUT ROWID' : '')
    .replaceAll('{zeros32}', sqlite ? 'zeroblob(32)' : `'\\x${'00'.repeat(32)}'`)
    .replaceAll(/\bBLOB\b/g, sqlite ? 'BLOB' : 'BYTEA')
}
