/**
 * The ingress benchmark. In: how many rounds, how long. Out: for each server its rates, CPU, memory and latencies. Refuses to
 * call a run good in which an answer was not 200, or a gate that has not stored exactly what it acknowledged.
 *
 * Rounds are interleaved: each asks every server once, in turn, so that whatever else the machine does hits all alike.
 */
import { randomBytes } from 'node:crypto'
import { benchDatabase, type BenchDatabase } from './database.ts'
import { type Common, type Contestant, gate, peer } from './contestants.ts'
import { Generator } from './generator.ts'
import type { Latency } from './latency.ts'
import type { Loaded } from './load.ts'
import { cpuMicros, peakMegabytes } from './process-use.ts'

export interface IngressOptions {
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  /** Requests a second of the open loop; 0 for none. */
  readonly rate: number
  readonly subscribed: boolean
  /** Letters of those to measure. */
  readonly only: string
  /** Settings and flags for the gates, for profiles. */
  readonly gateEnv: Readonly<Record<string, string>>
  readonly say: (line: string) => void
}

/** What one server did in one round: at its own pace, and at the fixed rate. */
export interface Round extends Pace {
  readonly open: Latency
}

interface Pace {
  readonly rate: number
  /** CPU microseconds a request, of the server and of its database. */
  readonly micros: number
  readonly databaseMicros: number
  readonly closed: Latency
}

export interface Measured {
  readonly letter: string
  readonly title: string
  readonly rounds: readonly Round[]
  readonly megabytes: number
  readonly faults: readonly string[]
}

export interface IngressResult {
  readonly measured: readonly Measured[]
  readonly notes: readonly string[]
}

/** More than any server here answers in a second; what is signed and not sent costs only the time to sign it. */
const SIGNED_PER_SECOND = 50_000
/** Warms the compiler up, and says by one sample that a server works. */
const WARM_SECONDS = 2
/** Between two runs: sockets close, and what a server put off is done. */
const REST_MS = 300
const NO_LATENCY: Latency = { p50: 0, p99: 0, p999: 0, max: 0 }
const WORKSPACE = '61f1c2a9e4b0a51d2c3f4e01'

interface Entry {
  readonly contestant: Contestant
  readonly rounds: Round[]
  good: number
  bad: number
}

export async function ingress(options: IngressOptions): Promise<IngressResult> {
  const common = {
    secret: randomBytes(24).toString('hex'),
    workspace: WORKSPACE,
    subscribed: options.subscribed,
  }
  const database = options.only.includes('d') ? await benchDatabase() : undefined
  const entries: Entry[] = []
  const generator = new Generator()
  const end = async (): Promise<void> => {
    generator.stop()
    await Promise.allSettled(entries.map(({ contestant }) => contestant.stop()))
    await database?.drop()
  }
  const interrupted = (): void => void end().finally(() => process.exit(130))
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    for (const start of starts(common, database, options)) {
      entries.push({ contestant: await start(), rounds: [], good: 0, bad: 0 })
    }
    await warmUp(entries, generator, common)
    for (let round = 1; round <= options.rounds; round++) {
      await roundOf(entries, generator, common, options)
      options.say(`round ${round} of ${options.rounds} done`)
    }
    return { measured: await Promise.all(entries.map(summary)), notes: notesOn(database, options) }
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    await end()
  }
}

function starts(
  common: Common,
  database: BenchDatabase | undefined,
  { only, gateEnv }: IngressOptions,
): (() => Promise<Contestant>)[] {
  const all: readonly [string, () => Promise<Contestant>][] = [
    ['a', () => peer('a', 'node:http, answers 200', 'bare.ts', common)],
    ['b', () => peer('b', 'node:http + HMAC + JSON', 'hmac.ts', common)],
    ['c', () => gate('c', 'Gatehouse, durable on SQLite', common, undefined, gateEnv)],
    ['d', () => gate('d', 'Gatehouse, durable on PostgreSQL', common, database, gateEnv)],
    ['e', () => peer('e', 'Express + pumble-sdk (as written)', 'express-pumble.ts', common)],
  ]
  const possible = all.filter(([letter]) => letter !== 'd' || database !== undefined)
  return possible.filter(([letter]) => only.includes(letter)).map(([, start]) => start)
}

function notesOn(database: BenchDatabase | undefined, { only }: IngressOptions): string[] {
  if (!only.includes('d')) return []
  return [database?.server ?? '(d) left out: no PostgreSQL at GATEHOUSE_TEST_DATABASE_URL or 127.0.0.1:5432']
}

async function warmUp(entries: readonly Entry[], generator: Generator, common: Common): Promise<void> {
  await generator.sign({ ...common, count: WARM_SECONDS * SIGNED_PER_SECOND, now: Date.now() })
  for (const entry of entries) {
    const { port, path } = entry.contestant
    note(entry, await generator.run({ port, path, connections: 64, seconds: WARM_SECONDS, rate: undefined }))
  }
}

/** One round: every server at its own pace, then every server at the fixed one. */
async function roundOf(
  entries: readonly Entry[],
  generator: Generator,
  common: Common,
  options: IngressOptions,
): Promise<void> {
  const { seconds, rate } = options
  const paces: Pace[] = []
  await generator.sign({ ...common, count: seconds * SIGNED_PER_SECOND, now: Date.now() })
  for (const entry of entries) paces.push(await atOwnPace(entry, generator, options))
  if (rate > 0) await generator.sign({ ...common, count: seconds * rate, now: Date.now() })
  for (const [i, entry] of entries.entries()) {
    const pace = paces[i]
    const open = rate > 0 ? await atFixedRate(entry, generator, options) : NO_LATENCY
    if (pace !== undefined) entry.rounds.push({ ...pace, open })
  }
}

async function atOwnPace(entry: Entry, generator: Generator, options: IngressOptions): Promise<Pace> {
  const { connections, seconds } = options
  const { port, path, pid, helpers } = entry.contestant
  await rest()
  const own = cpuMicros([pid])
  const database = cpuMicros(helpers())
  const loaded = await generator.run({ port, path, connections, seconds, rate: undefined })
  note(entry, loaded)
  const answered = loaded.good + loaded.bad
  return {
    rate: loaded.good / loaded.seconds,
    micros: (cpuMicros([pid]) - own) / answered,
    databaseMicros: (cpuMicros(helpers()) - database) / answered,
    closed: loaded.latency,
  }
}

async function atFixedRate(entry: Entry, generator: Generator, options: IngressOptions): Promise<Latency> {
  const { connections, seconds, rate } = options
  const { port, path } = entry.contestant
  await rest()
  // Twice the connections: a server that lags must not slow the sender down.
  const loaded = await generator.run({ port, path, connections: connections * 2, seconds, rate })
  note(entry, loaded)
  return loaded.latency
}

function note(entry: Entry, { good, bad }: Loaded): void {
  entry.good += good
  entry.bad += bad
}

async function rest(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, REST_MS))
}

async function summary({ contestant, rounds, good, bad }: Entry): Promise<Measured> {
  const { letter, title, pid, stored } = contestant
  const faults: string[] = []
  if (bad > 0) faults.push(`(${letter}) ${bad} answers were not 200`)
  const kept = await stored()
  if (kept !== undefined && kept !== good) {
    faults.push(`(${letter}) acknowledged ${good} deliveries and stored ${kept}`)
  }
  return { letter, title, rounds, megabytes: peakMegabytes(pid), faults }
}
