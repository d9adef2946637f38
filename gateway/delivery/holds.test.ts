import assert from 'node:assert/strict'
import { type Engine, eachEngine } from '../../test/support/engines.ts'
import { openStore } from '../store/open.ts'
import { startDelivery } from './deliver.ts'
import type { Dialled } from './needs.ts'
import { PUSH_LIMITS } from './push.ts'
import { openRig, type Rig, type Tidy, tidied, until } from './rig.ts'

interface Setup {
  readonly on: Rig
  readonly subscription: string
  /** What the receiver does from now on. */
  answer: Dialled
  calls: number
  /** Starts a gate over the same rows. */
  start(): Promise<{ stop(): Promise<void> }>
}

const DOWN: Dialled = { answered: false, code: 'connect-refused' }
const UP: Dialled = { answered: true, status: 204, retryAfter: undefined }

async function setUp(engine: Engine, t: Tidy): Promise<Setup> {
  const store = await openStore(engine, Date.now)
  t.after(() => store.close())
  const on = await openRig(store, {
    post: async () => {
      setup.calls++
      return setup.answer
    },
  })
  const setup: Setup = {
    on,
    subscription: await on.subscribe('push'),
    answer: DOWN,
    calls: 0,
    async start() {
      const own = await openStore(engine, Date.now)
      const delivery = startDelivery({ ...on, store: own }, { ...PUSH_LIMITS, tickMs: 20 })
      const stop = async (): Promise<void> => {
        await delivery.close(100)
        await own.close()
      }
      t.after(stop)
      return { stop }
    },
  }
  return setup
}

const held = async ({ on, subscription }: Setup) =>
  await on.store.read
    .selectFrom('subscription')
    .select(['held_until', 'held_ms', 'held_why'])
    .where('id', '=', subscription)
    .executeTakeFirstOrThrow()
const tries = async ({ on }: Setup) =>
  (await on.rows()).map(({ attempts }) => attempts).reduce((a, b) => a + b, 0)

eachEngine(
  'an app that is away is held: no more tries are burnt, by this gate or another, over a restart, until a probe gets through',
  tidied(async (engine, t) => {
    const setup = await setUp(engine, t)
    const { on } = setup
    await on.accept(200)
    const first = await setup.start()
    await until(async () => (await held(setup)).held_why === 'breaker')
    // What was in flight when it opened ends; nothing else begins.
    await until(async () => (await on.rows()).every(({ state }) => state === 'pending'))
    const burnt = await tries(setup)
    assert.ok(burnt >= 10 && burnt <= 10 + PUSH_LIMITS.each, String(burnt))
    await first.stop()
    const second = await setup.start()
    await setup.start()
    on.pass(10_000)
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.equal(await tries(setup), burnt)

    on.pass(20_000)
    await until(async () => (await held(setup)).held_ms === 60_000)
    assert.equal(await tries(setup), burnt + 1, 'one probe, of two gates')
    setup.answer = UP
    on.pass(60_000)
    await until(async () => (await on.rows()).filter(({ state }) => state === 'done').length >= 150)
    assert.deepEqual({ ...(await held(setup)) }, { held_until: null, held_ms: null, held_why: null })
    assert.deepEqual(
      on.breakers.map(({ state }) => state),
      ['open', 'open', 'closed'],
    )
    await second.stop()
    assert.deepEqual(on.troubles, [])
  }),
)

eachEngine(
  'an app that answers 429 with Retry-After is left alone as a whole until then, and its breaker stays closed',
  tidied(async (engine, t) => {
    const setup = await setUp(engine, t)
    const { on } = setup
    setup.answer = { answered: true, status: 429, retryAfter: '120' }
    await setup.start()
    await on.accept(50)
    await until(async () => (await held(setup)).held_why === 'asked')
    await until(async () => (await on.rows()).every(({ state }) => state === 'pending'))
    const calls = setup.calls
    assert.ok(calls <= 2 * PUSH_LIMITS.each, String(calls))
    on.pass(60_000)
    await new Promise((resolve) => setTimeout(resolve, 150))
    assert.equal(setup.calls, calls)
    setup.answer = UP
    on.pass(120_000)
    await until(async () => (await on.rows()).every(({ state }) => state === 'done'))
    assert.deepEqual(on.breakers, [])
  }),
)

eachEngine(
  'an app that refuses what it gets, but is there, is never held',
  tidied(async (engine, t) => {
    const setup = await setUp(engine, t)
    setup.answer = { answered: true, status: 404, retryAfter: undefined }
    await setup.start()
    await setup.on.accept(60)
    await until(() => setup.calls >= 60)
    assert.equal((await held(setup)).held_why, null)
  }),
)

eachEngine(
  'what is paused waits over two gates and a restart, and is pushed once when it is resumed',
  tidied(async (engine, t) => {
    const setup = await setUp(engine, t)
    const { on, subscription } = setup
    setup.answer = UP
    const put = (state: 'active' | 'paused') =>
      on.store.write(async (tx) => {
        await tx.db.updateTable('subscription').set({ state }).where('id', '=', subscription).execute()
        tx.announce('config')
        tx.announce('dispatch')
      })
    await put('paused')
    const first = await setup.start()
    await on.accept(20)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await first.stop()
    await setup.start()
    await setup.start()
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(setup.calls, 0)
    await put('active')
    await until(async () => (await on.rows()).every(({ state }) => state === 'done'))
    assert.equal(setup.calls, 20)
  }),
)
