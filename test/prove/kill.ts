/**
 * The crash proof, long form: `ROUNDS` kills (1,000 unless set) over both engines. In: `ROUNDS`, and `SEED` to repeat a run.
 * Out: a line each tenth round and a last one with the counts; exit code 0. Refuses, with exit code 1 and the seed, an
 * acknowledged delivery that is lost, doubled or half there, or that did not reach the app once all had settled.
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Counts, Crash, seeded } from '../faults/crash.ts'
import type { Engine } from '../support/engines.ts'
import { testDatabase } from '../support/postgres.ts'

/** Rounds over one store before it settles, is judged whole and gives way to a new one. */
const EPOCH = 100
const ROUNDS = Number(process.env['ROUNDS'] ?? 1_000)
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 32))
const TOLD_EACH = 10

const random = seeded(SEED)
const began = performance.now()
say(`${ROUNDS} rounds over sqlite and postgres, seed ${SEED}`)
try {
  const sqlite = await prove('sqlite', Math.ceil(ROUNDS / 2))
  const postgres = await prove('postgres', Math.floor(ROUNDS / 2))
  say(
    `done: ${text('sqlite', sqlite)}; ${text('postgres', postgres)}; nothing lost, nothing doubled, nothing half-written`,
  )
} catch (error) {
  say(`FAILED with seed ${SEED}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  process.exitCode = 1
}

async function prove(engine: Engine['engine'], rounds: number): Promise<Counts> {
  let sum: Counts | undefined
  for (let left = rounds; left > 0; left -= EPOCH) {
    const counts = await (engine === 'sqlite' ? overSqlite : overPostgres)((store) =>
      epoch(store, Math.min(EPOCH, left)),
    )
    sum = sum === undefined ? counts : added(sum, counts)
    say(`settled: ${text(engine, sum)}`)
  }
  return sum ?? (await Promise.reject(new Error('no rounds were asked for')))
}

async function epoch(engine: Engine, rounds: number): Promise<Counts> {
  const crash = await Crash.open(engine, random)
  try {
    for (let i = 1; i <= rounds; i++) {
      await crash.round()
      if (i % TOLD_EACH === 0) say(text(engine.engine, crash.counts))
    }
    await crash.settle({ shorten: false })
    return crash.counts
  } finally {
    await crash.close()
  }
}

async function overSqlite<T>(body: (engine: Engine) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-prove-'))
  try {
    return await body({ engine: 'sqlite', file: join(folder, 'unused.db') })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function overPostgres<T>(body: (engine: Engine) => Promise<T>): Promise<T> {
  const database = await testDatabase()
  try {
    return await body({ engine: 'postgres', url: database.url })
  } finally {
    await database.drop()
  }
}

function added(a: Counts, b: Counts): Counts {
  const sum = { ...a }
  for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += b[name]
  return sum
}

function text(engine: Engine['engine'], counts: Counts): string {
  return (
    `${engine} ${counts.rounds} rounds (${counts.startsKilled} starts and ${counts.appKills} apps killed too), ` +
    `${counts.acknowledged} acknowledged of ${counts.sent} sent, ${counts.accepted} accepted, ` +
    `${counts.repeatsRefused} repeats recognised, ${counts.toApp} at the app (${counts.repeatsToApp} repeats), ` +
    `${counts.answers503} answers 503`
  )
}

function say(line: string): void {
  process.stdout.write(`${((performance.now() - began) / 1_000).toFixed(0).padStart(5)} s  ${line}\n`)
}
