/**
 * How much a flood at one channel costs another. In: `SECONDS` (10 unless set). Out: on each engine the quiet channel's
 * acceptance and waits, alone and beside forged requests and good ones over the rate; exit code 0. Refuses, with exit code
 * 1, a delivery of the quiet channel that was not taken, and a p95 beyond `FACTOR` of the one alone and beyond `FLOOR`.
 */
import type { Engine } from '../support/engines.ts'
import { openHouse } from '../support/ingress.ts'
import { testDatabase } from '../support/postgres.ts'
import { flood } from '../pressure/flood.ts'
import { quantile, type Stream, told } from '../pressure/load.ts'

const SECONDS = Number(process.env['SECONDS'] ?? 10)
const QUIET = 50
const FLOOD = 1_500
const RATE = 200
/** The flood, its sender and the quiet one share the processors, so some of the wait is the sender's own. */
const FACTOR = 10
/** Milliseconds; below it a factor of a few milliseconds says nothing. */
const FLOOR = 50

process.exitCode = Math.max(await prove({ engine: 'sqlite', file: '' }), await onPostgres())

async function onPostgres(): Promise<number> {
  const database = await testDatabase().catch(() => undefined)
  if (database === undefined) return say('postgres: not here, nothing proved', 0)
  try {
    return await prove({ engine: 'postgres', url: database.url })
  } finally {
    await database.drop()
  }
}

async function prove(engine: Engine): Promise<number> {
  const house = await openHouse(engine, { env: { GATEHOUSE_INGRESS_RATE: String(RATE) } })
  try {
    const { alone, beside, forged, over } = await flood(house, {
      quiet: QUIET,
      flood: FLOOD,
      ms: SECONDS * 1_000,
    })
    const limit = Math.max(FLOOR, quantile(alone.waits, 0.95) * FACTOR)
    const isWhole = [alone, beside].every(({ statuses }) => [...statuses.keys()].join() === '200')
    const isQuick = quantile(beside.waits, 0.95) <= limit
    return say(
      `flood, ${engine.engine}: alone ${waits(alone)}; beside ${waits(beside)} (p95 at most ${limit.toFixed(0)} ms); ` +
        `the flood heard ${told(forged.statuses)} (forged) and ${told(over.statuses)} (over ${RATE} a second)`,
      isWhole && isQuick ? 0 : 1,
    )
  } finally {
    await house.close()
  }
}

function waits({ statuses, waits: all }: Stream): string {
  const [p50, p95, most] = [0.5, 0.95, 1].map((q) => quantile(all, q).toFixed(1))
  return `${told(statuses)}, p50 ${p50} ms, p95 ${p95} ms, at most ${most} ms`
}

function say(line: string, code: number): number {
  process.stdout.write(`${code === 0 ? 'ok  ' : 'FAIL'} ${line}\n`)
  return code
}
