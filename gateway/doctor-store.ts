/**
 * The store, looked at without writing. In: settings and the root key. Out: whether it can be reached, what it would be
 * migrated to, how far its clock is from ours, whether the root key opens it; and whether Redis answers. Refuses nothing.
 */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Config } from './config.ts'
import type { DataFolder } from './data-folder.ts'
import { broken, doubtful, fine, type Symptom } from './doctor-finding.ts'
import { openRedis } from './limits/redis.ts'
import { wrappedPlace } from './secrets/keyring.ts'
import { fileRoot } from './secrets/roots/file.ts'
import { checksum, MIGRATIONS } from './store/migrate.ts'

/** Milliseconds for a database to answer. */
const PATIENCE = 5_000
/** Milliseconds two clocks may differ; signatures are good for five minutes, leases for half of one. */
const SKEW_SEEN = 2_000
const SKEW_MOST = 60_000

type Row = Readonly<Record<string, unknown>>

/** One query after the other, none of which writes. */
interface Looking {
  readonly where: string
  query(sql: string): Promise<readonly Row[]>
  close(): Promise<void>
}

export async function lookAtStore(
  config: Config,
  folder: DataFolder | undefined,
): Promise<readonly Symptom[]> {
  if (config.databaseUrl === undefined && (folder === undefined || !existsSync(folder.databaseFile)))
    return [fine('store', 'there is no database yet; the first start makes it')]
  let looking: Looking | undefined
  try {
    looking = config.databaseUrl === undefined ? fileOf(folder) : await server(config.databaseUrl.reveal())
    if (looking === undefined) return []
    return await lookWith(looking, folder)
  } catch (error) {
    const where = config.databaseUrl === undefined ? 'the database file' : 'PostgreSQL'
    const hint =
      config.databaseUrl === undefined
        ? 'restore it from a backup'
        : 'check GATEHOUSE_DATABASE_URL and that the server runs'
    return [broken('store', `${where} cannot be read (${codeOf(error)})`, hint)]
  } finally {
    await looking?.close().catch(() => {})
  }
}

async function lookWith(looking: Looking, folder: DataFolder | undefined): Promise<readonly Symptom[]> {
  const tables = await looking
    .query(`SELECT id, name, checksum FROM migration ORDER BY id`)
    .catch((error: unknown) => {
      // 42P01 and SQLite's words: the table is not there, which a new database is allowed.
      if (codeOf(error) === '42P01' || /no such table/.test(String(error))) return undefined
      throw error
    })
  if (tables === undefined)
    return [fine('store', `${looking.where} answers and is empty; the first start fills it`)]
  const opens = await opensWith(looking, folder)
  return [fine('store', `${looking.where} answers`), migrationsOf(tables), ...(await clockOf(looking)), opens]
}

function migrationsOf(applied: readonly Row[]): Symptom {
  const newer = applied.find((row) => !MIGRATIONS.some(({ id }) => id === Number(row['id'])))
  if (newer !== undefined)
    return broken(
      'migrations',
      `the database holds migration ${String(newer['id'])}, which this program does not know`,
      'start the newer program that made it',
    )
  const edited = MIGRATIONS.find((one) =>
    applied.some((row) => Number(row['id']) === one.id && row['checksum'] !== checksum(one)),
  )
  if (edited !== undefined)
    return broken('migrations', `migration ${edited.id} was edited after it ran`, 'restore the released file')
  const missing = MIGRATIONS.length - applied.length
  if (missing > 0)
    return doubtful(
      'migrations',
      `${missing} are not applied yet`,
      'the next start applies them; back the database up before',
    )
  return fine('migrations', `all ${applied.length} are applied`)
}

async function clockOf(looking: Looking): Promise<readonly Symptom[]> {
  if (!looking.where.startsWith('PostgreSQL')) return []
  const began = Date.now()
  const [row] = await looking.query('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now')
  const skew = Number(row?.['now']) - (began + Date.now()) / 2
  return [clockSymptom('database-clock', skew, 'the clock of the database')]
}

/** `skew`: how many milliseconds the other clock is ahead of ours. */
export function clockSymptom(check: string, skew: number, whose: string): Symptom {
  const size = Math.abs(skew)
  const detail = `${whose} is ${(size / 1_000).toFixed(1)} s ${skew < 0 ? 'behind' : 'ahead of'} this machine's`
  if (size > SKEW_MOST)
    return broken(check, detail, 'set both by NTP: signatures and leases are judged by them')
  return size > SKEW_SEEN ? doubtful(check, detail, 'set both by NTP') : fine(check, detail)
}

async function opensWith(looking: Looking, folder: DataFolder | undefined): Promise<Symptom> {
  const [row] = await looking.query(
    `SELECT id, wrapped FROM data_key WHERE tenant_id = '' AND state = 'active'`,
  )
  if (row === undefined) return fine('root-key', 'nothing is sealed yet')
  if (folder === undefined)
    return broken(
      'root-key',
      'the store is sealed and the data folder holds no root key',
      'copy root.key of the other gates into the data folder',
    )
  const wrapped = row['wrapped']
  const bytes = wrapped instanceof Uint8Array ? wrapped : new Uint8Array()
  const opened = await fileRoot(folder.rootKey).unwrap(wrappedPlace('', String(row['id'])), bytes)
  opened?.fill(0)
  return opened === undefined
    ? broken(
        'root-key',
        'the root key does not open the store',
        'put back the root.key that this database was made with',
      )
    : fine('root-key', 'the root key opens the store')
}

function fileOf(folder: DataFolder | undefined): Looking | undefined {
  if (folder === undefined) return undefined
  const database = new DatabaseSync(folder.databaseFile, { readOnly: true })
  database.exec(`PRAGMA busy_timeout = ${PATIENCE}`)
  return {
    where: 'the database file',
    query: async (sql) => database.prepare(sql).all() as Row[],
    close: async () => database.close(),
  }
}

async function server(url: string): Promise<Looking> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: PATIENCE,
    query_timeout: PATIENCE,
    application_name: 'gatehouse doctor',
    options: '-c default_transaction_read_only=on',
  })
  client.on('error', () => {})
  await client.connect()
  const [version] = (await client.query('SHOW server_version')).rows as Row[]
  return {
    where: `PostgreSQL ${String(version?.['server_version'])}`,
    query: async (sql) => (await client.query(sql)).rows as Row[],
    close: () => client.end(),
  }
}

/** Its absence is survived: limits are then counted by each gate for itself. */
export async function lookAtRedis({ redisUrl }: Config): Promise<readonly Symptom[]> {
  if (redisUrl === undefined) return []
  let why = 'failed'
  const client = await openRedis(redisUrl.reveal(), (error) => (why = codeOf(error)))
  try {
    await client.ping()
    return [fine('redis', 'Redis answers')]
  } catch {
    return [
      doubtful(
        'redis',
        `Redis does not answer (${why})`,
        'rate limits are counted by each gate alone until it does',
      ),
    ]
  } finally {
    client.disconnect()
  }
}

/** A code, never the message: it may quote the URL, which holds a password. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'failed'
}
