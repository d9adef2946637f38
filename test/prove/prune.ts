/**
 * Ten million expired rows of replay memory, forgotten under live traffic. In: `COUNT` (10,000,000 unless set), `ENGINE` for
 * one of the two, `MINUTES` to end earlier (and fail). Out: on each engine how long acknowledgements took before and while it prunes, and how long that took;
 * exit code 0. Refuses, with exit code 1, an answer other than 2xx, an acknowledgement that took a second or more, a batch
 * that is not found by its index, and rows that are left.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from '@gatehouse/contract/client.ts'
import { openLine } from '../support/ingress.ts'
import { type Gate, startGate } from '../support/gate.ts'
import type { Engine } from '../support/engines.ts'
import { testDatabase } from '../support/postgres.ts'
import { anyLeft, fill, planOf } from '../pressure/expired.ts'
import { quantile, SETTINGS, type Stream, stream, told } from '../pressure/load.ts'

const COUNT = Number(process.env['COUNT'] ?? 10_000_000)
const ENGINE = process.env['ENGINE'] ?? ''
/** Deliveries a second. */
const RATE = 200
/** Milliseconds: a gate begins to prune a minute after its start. */
const BEFORE = 50_000
/** Milliseconds that an acknowledgement may take. */
const STALL = 1_000
/** Minutes that the pruning of ten million may take; a gate that is slower would never be done. */
const MINUTES = Number(process.env['MINUTES'] ?? 90)
const SECRET = 'the secret of a channel in a test'

process.exitCode = Math.max(await onSqlite(), await onPostgres())

async function onSqlite(): Promise<number> {
  if (ENGINE === 'postgres') return 0
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-prune-'))
  try {
    const data = join(folder, 'data')
    return await prove(data, { engine: 'sqlite', file: join(data, 'gatehouse.db') }, {})
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function onPostgres(): Promise<number> {
  if (ENGINE === 'sqlite') return 0
  const database = await testDatabase().catch(() => undefined)
  if (database === undefined) return say('prune, postgres: not here, nothing proved', 0)
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-prune-'))
  try {
    const env = { GATEHOUSE_DATABASE_URL: database.url }
    return await prove(join(folder, 'data'), { engine: 'postgres', url: database.url }, env)
  } finally {
    rmSync(folder, { recursive: true, force: true })
    await database.drop()
  }
}

async function prove(data: string, engine: Engine, env: Readonly<Record<string, string>>): Promise<number> {
  const path = await furnished(data, env)
  const now = Date.now()
  await fill(engine, COUNT, now)
  const filled = (Date.now() - now) / 1_000
  const gate = await startGate({ data, env })
  try {
    const before = await traffic(gate, path, 'before', () => pause(BEFORE))
    const began = performance.now()
    const during = await traffic(gate, path, 'during', async () => {
      while (performance.now() - began < MINUTES * 60_000 && (await anyLeft(engine, now))) await pause(1_000)
    })
    const seconds = (performance.now() - began) / 1_000
    const plan = await planOf(engine, batch(now))
    const isFine =
      [before, during].every(({ statuses }) => [...statuses.keys()].join() === '200') &&
      quantile(during.waits, 1) < STALL &&
      plan.includes('replay_memory_expiry') &&
      !(await anyLeft(engine, now))
    return say(
      `prune, ${engine.engine}: ${COUNT} rows (made in ${filled.toFixed(0)} s) gone after ${seconds.toFixed(0)} s at ${RATE} deliveries a second; ` +
        `before ${waits(before)}; during ${waits(during)}; plan: ${plan.replaceAll(/\s+/g, ' ')}`,
      isFine ? 0 : 1,
    )
  } finally {
    await gate.kill()
  }
}

/** As `store/prune.ts` asks. */
function batch(now: number): string {
  return `DELETE FROM replay_memory WHERE key IN (
    SELECT key FROM replay_memory WHERE expires_at >= 1 AND expires_at < ${now} ORDER BY expires_at LIMIT 1000)`
}

/** The tables and a channel, by a gate that ends again. */
async function furnished(data: string, env: Readonly<Record<string, string>>): Promise<string> {
  const gate = await startGate({ data, env })
  const { token } = await new Client({ url: gate.adminUrl }).claim({ code: gate.claim ?? '' })
  const admin = new Client({ url: gate.adminUrl, token })
  const { id: tenant } = await admin.createTenant({ name: 'acme' })
  const { path } = await openLine({ admin, tenant }, 'generic-hmac', SECRET, { settings: SETTINGS })
  await gate.stop()
  return path
}

async function traffic(
  gate: Gate,
  path: string,
  name: string,
  during: () => Promise<unknown>,
): Promise<Stream> {
  const stop = new AbortController()
  const streaming = stream({ url: gate.publicUrl + path, secret: SECRET, rate: RATE, name }, stop.signal)
  await during()
  stop.abort()
  return await streaming
}

function waits({ statuses, waits: all }: Stream): string {
  const [p50, p99, most] = [0.5, 0.99, 1].map((q) => quantile(all, q).toFixed(1))
  return `${told(statuses)}, p50 ${p50} ms, p99 ${p99} ms, at most ${most} ms`
}

function say(line: string, code: number): number {
  process.stdout.write(`${code === 0 ? 'ok  ' : 'FAIL'} ${line}\n`)
  return code
}
