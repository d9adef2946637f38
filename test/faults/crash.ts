/**
 * Crashes a gate over and over and looks what is left. In: an engine and a random source. Out: rounds, each ended by
 * SIGKILL at a random moment, and a settling after which every accepted delivery must have reached the app. Refuses, by
 * throwing, an acknowledged delivery that is lost, doubled or half there.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Engine } from '../support/engines.ts'
import { type Gate, startGate } from '../support/gate.ts'
import { furnish } from './furnished.ts'
import { Witness } from './half-written.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { MortalApp } from './receiver.ts'
import { Senders, type Target } from './senders.ts'

/** Milliseconds of load before a kill, at most. */
const LOAD_MS = 250
/** Milliseconds into a start at which it may be killed, at most: past the moment it is ready. */
const START_MS = 600
/** One round in so many kills the app as well, another the next gate in its start. */
const KILLS_APP = 4
const KILLS_START = 6
/** One round in so many asks SQLite to check every page. */
const INTEGRITY = 10
/** A lease of a gate that died runs out after thirty seconds. */
const LEASE_MS = 31_000
/** Milliseconds without any delivery getting done: longer than a lease and the first retry. */
const PATIENCE = 45_000
/** What was acknowledged last is sent once more at the end: it came closest to a crash. */
const REPEATED = 50
/** Characters of the gate's log that a failure shows. */
const TAIL = 4_000

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))

export interface Counts {
  rounds: number
  startsKilled: number
  appKills: number
  sent: number
  acknowledged: number
  accepted: number
  repeatsRefused: number
  toApp: number
  repeatsToApp: number
  answers503: number
}

export class Crash {
  readonly counts: Counts = {
    rounds: 0,
    startsKilled: 0,
    appKills: 0,
    sent: 0,
    acknowledged: 0,
    accepted: 0,
    repeatsRefused: 0,
    toApp: 0,
    repeatsToApp: 0,
    answers503: 0,
  }
  readonly #engine: Engine['engine']
  readonly #folder: string
  readonly #env: Readonly<Record<string, string>>
  readonly #random: () => number
  readonly #ledger: Ledger
  readonly #witness: Witness
  readonly #app: MortalApp
  readonly #channel: string
  readonly #senders: Senders
  #gate: Gate | undefined

  private constructor(parts: Parts, random: () => number, target: Target) {
    this.#engine = parts.engine
    this.#folder = parts.folder
    this.#env = parts.env
    this.#ledger = parts.ledger
    this.#app = parts.app
    this.#gate = parts.gate
    this.#random = random
    this.#witness = new Witness(parts.ledger)
    this.#channel = target.channel
    this.#senders = new Senders(target, random)
  }

  /** A gate with one channel and one push subscription; its very first starts are killed too. */
  static async open(engine: Engine, random: () => number): Promise<Crash> {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-crash-'))
    const database = engine.engine === 'postgres' ? { GATEHOUSE_DATABASE_URL: engine.url } : {}
    const env = { GATEHOUSE_PUSH_ALLOW_LOOPBACK: 'true', GATEHOUSE_INGRESS_RATE: '0', ...database }
    const data = join(folder, 'data')
    for (let i = 0; i < 2; i++) await startAndKill(data, env, random() * START_MS)
    const gate = await startGate({ data, env })
    const file = { engine: 'sqlite', file: join(data, 'gatehouse.db') } as const
    const ledger = await openLedger(engine.engine === 'postgres' ? engine : file)
    const app = await MortalApp.start(join(folder, 'got'))
    const target = await furnish(gate.adminUrl, gate.claim ?? '', app.url)
    return new Crash({ engine: engine.engine, folder, env, ledger, app, gate }, random, target)
  }

  /** Load, a kill at a random moment, and a look at what is left. */
  async round(): Promise<void> {
    const n = ++this.counts.rounds
    this.#gate ??= await startGate({ data: join(this.#folder, 'data'), env: this.#env })
    const stop = new AbortController()
    const load = this.#senders.run(this.#gate.publicUrl, stop.signal)
    const app = n % KILLS_APP === 0 ? this.#killApp() : undefined
    await pause(this.#random() * LOAD_MS)
    await this.#gate.kill()
    this.#gate = undefined
    stop.abort()
    await Promise.all([load, app])
    await this.#look(n % INTEGRITY === 0)
    if (n % KILLS_START !== 0) return
    this.counts.startsKilled++
    await startAndKill(join(this.#folder, 'data'), this.#env, this.#random() * START_MS)
  }

  /**
   * Lets the gate finish. Leases of dead gates, and the hold on an app that was killed, are waited for, or, with `shorten`,
   * ended as if the time had passed; retries are due at once either way.
   */
  async settle({ shorten }: { readonly shorten: boolean }): Promise<void> {
    await this.#ledger.run(`UPDATE dispatch SET due_at = 0 WHERE state = 'pending'`)
    if (shorten) {
      await this.#ledger.run(`UPDATE dispatch SET lease_until = 0 WHERE state = 'leased'`)
      await this.#ledger.run('UPDATE subscription SET held_until = 0 WHERE held_until IS NOT NULL')
    } else await pause(LEASE_MS)
    const gate = await startGate({ data: join(this.#folder, 'data'), env: this.#env })
    this.#gate = gate
    const before = this.#senders.repeats.length
    const asked = await this.#senders.repeatSome(gate.publicUrl, REPEATED)
    assert.equal(this.#senders.repeats.length - before, asked, 'a repeat is answered as the first was')
    await this.#untilAllIsDone(gate)
    assert.equal(await gate.stop(), 0, 'the gate ends well')
    this.#gate = undefined
    await this.#look(true)
    await this.#everythingReachedTheApp()
  }

  async close(): Promise<void> {
    await this.#gate?.kill()
    await this.#app.kill()
    await this.#ledger.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #look(integrity: boolean): Promise<void> {
    await this.#witness.look()
    const { acknowledged, repeats, refused, sent } = this.#senders
    for (const id of acknowledged) {
      const delivery = this.#witness.deliveryOf(this.#channel, id)
      assert.ok(delivery !== undefined, `${id} was acknowledged and is lost`)
      assert.ok(this.#witness.deliveries.has(delivery), `${id} is remembered but not in the inbox`)
    }
    for (const requestId of repeats)
      assert.ok(!this.#witness.acceptedBy.has(requestId), `a repeat was taken for new: ${requestId}`)
    this.counts.answers503 = refused.get(503) ?? 0
    assert.deepEqual(
      [...refused.keys()].filter((status) => status !== 503),
      [],
      'answers to genuine deliveries',
    )
    Object.assign(this.counts, {
      sent,
      acknowledged: acknowledged.size,
      accepted: this.#witness.deliveries.size,
      repeatsRefused: repeats.length,
    })
    if (!integrity || this.#engine !== 'sqlite') return
    const [checked] = await this.#ledger.run('PRAGMA integrity_check')
    assert.equal(checked?.['integrity_check'], 'ok')
  }

  async #everythingReachedTheApp(): Promise<void> {
    const states = await this.#ledger.run('SELECT state, count(*) AS n FROM dispatch GROUP BY state')
    assert.deepEqual(
      states.map((row) => row['state']),
      ['done'],
      'every dispatch is done',
    )
    const got = this.#app.got()
    assert.deepEqual(
      new Set(got),
      this.#witness.deliveries,
      'the app got each accepted delivery, and nothing else',
    )
    this.counts.toApp = new Set(got).size
    this.counts.repeatsToApp = got.length - this.counts.toApp
  }

  async #untilAllIsDone(gate: Gate): Promise<void> {
    let least = Number.POSITIVE_INFINITY
    let since = performance.now()
    for (;;) {
      const [row] = await this.#ledger.run(
        `SELECT count(*) AS n FROM dispatch WHERE state IN ('pending', 'leased')`,
      )
      const open = Number(row?.['n'])
      if (open === 0) return
      if (open < least) since = performance.now()
      least = Math.min(least, open)
      if (performance.now() - since > PATIENCE)
        throw new Error(
          `${open} dispatches are left that nobody does; the gate said:\n${gate.log().slice(-TAIL)}`,
        )
      await pause(100)
    }
  }

  async #killApp(): Promise<void> {
    this.counts.appKills++
    await pause(this.#random() * LOAD_MS)
    await this.#app.restart()
  }
}

interface Parts {
  readonly engine: Engine['engine']
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly ledger: Ledger
  readonly app: MortalApp
  readonly gate: Gate
}

/** A start that may get nowhere, or all the way. */
async function startAndKill(data: string, env: Readonly<Record<string, string>>, ms: number): Promise<void> {
  const local = { GATEHOUSE_PUBLIC_LISTEN: '127.0.0.1:0', GATEHOUSE_ADMIN_LISTEN: '127.0.0.1:0' }
  const child = spawn(process.execPath, [MAIN, 'up', '--json', '--data', data], {
    env: { PATH: process.env['PATH'], ...local, ...env },
    stdio: 'ignore',
  })
  const gone = once(child, 'exit')
  await pause(ms)
  child.kill('SIGKILL')
  await gone
}

/** A random source that can be repeated: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
