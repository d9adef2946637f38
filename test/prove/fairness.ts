/**
 * Proves that a million waiting deliveries of one tenant do not hold up another's. In: nothing; `--rows N` makes it
 * smaller. Out: on each engine how long the other tenant's deliveries waited, beside slow, hung and failing apps of the
 * first, and exit code 1 when one waited a second or more. Refuses an engine that is not there with a line that says so.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { backlog } from '../../gateway/delivery/backlog.fixture.ts'
import { startDelivery } from '../../gateway/delivery/deliver.ts'
import type { Dialled } from '../../gateway/delivery/needs.ts'
import { openRig, until } from '../../gateway/delivery/rig.ts'
import { openStore, type StoreOptions } from '../../gateway/store/open.ts'
import { testDatabase } from '../support/postgres.ts'

/** Milliseconds that a first delivery may wait. */
const LIMIT = 1_000
/** The tenant with the backlog has this many apps. */
const APPS = 200
/** Deliveries of the other tenant, one after another. */
const ROUNDS = 30

const { values } = parseArgs({ options: { rows: { type: 'string', default: '1000000' } } })
const rows = Number(values.rows)

process.exitCode = Math.max(await onSqlite(), await onPostgres())

async function onSqlite(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-prove-'))
  try {
    return await prove({ engine: 'sqlite', file: join(folder, 'gatehouse.db') })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function onPostgres(): Promise<number> {
  const database = await testDatabase().catch(() => undefined)
  if (database === undefined) return say('postgres: not here, nothing proved', 0)
  try {
    return await prove({ engine: 'postgres', url: database.url })
  } finally {
    await database.drop()
  }
}

async function prove(options: StoreOptions): Promise<number> {
  const store = await openStore(options, Date.now)
  const arrived = new Map<string, number>()
  let others = 0
  const post = async (
    url: string,
    headers: Readonly<Record<string, string>>,
    _: Uint8Array,
    signal: AbortSignal,
  ) => {
    if (url.endsWith('/quick')) {
      arrived.set(String(headers['webhook-id']), performance.now())
      return { answered: true, status: 204, retryAfter: undefined } as const
    }
    return await troubled(others++, signal)
  }
  try {
    const on = await openRig(store, { post })
    const [delivery = ''] = await on.accept()
    const apps = await Promise.all(Array.from({ length: APPS }, () => on.subscribe('push')))
    await backlog(store, on.tenant, apps, delivery, rows, on.clock())
    const other = await openRig(store, { post })
    await other.subscribe('push', { url: 'https://other.example/quick' })
    const gate = startDelivery(on)
    try {
      await sleep(2_000)
      const waits: number[] = []
      for (let round = 0; round < ROUNDS; round++) {
        const began = performance.now()
        const [id = ''] = await other.accept()
        await until(() => arrived.has(id))
        waits.push((arrived.get(id) ?? Infinity) - began)
        await sleep(100)
      }
      waits.sort((a, b) => a - b)
      const [median, longest] = [waits[Math.floor(ROUNDS / 2)] ?? 0, waits.at(-1) ?? 0]
      const line = `${store.engine}: ${rows} waiting, ${others} tries of the first tenant; the other waited ${median.toFixed(0)} ms (median), ${longest.toFixed(0)} ms at most`
      return say(line, longest < LIMIT ? 0 : 1)
    } finally {
      await gate.close(0)
    }
  } finally {
    await store.close()
  }
}

/** The first tenant's apps: most are slow, some hang until they are cut off, some fail at once. */
async function troubled(turn: number, signal: AbortSignal): Promise<Dialled> {
  if (turn % 5 === 0) return { answered: false, code: 'connect-refused' }
  const ms = turn % 5 === 1 ? 15_000 : 500
  await sleep(ms, undefined, { signal }).catch(() => {})
  if (signal.aborted) return { answered: false, code: 'stopped' }
  return ms > 10_000
    ? { answered: false, code: 'timeout' }
    : { answered: true, status: 204, retryAfter: undefined }
}

function say(line: string, code: number): number {
  process.stdout.write(`${code === 0 ? 'ok  ' : 'FAIL'} ${line}\n`)
  return code
}
