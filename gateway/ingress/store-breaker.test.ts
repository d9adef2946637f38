/**
 * The breaker to the store, with time in the test's hand. In: a store that fails, hangs, comes late and comes back. Out:
 * nothing. Refuses a wait that is too long, a refusal without need, a store asked while it is away by anything but the
 * probe, and a recovery that needs a request.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { StoreBreaker } from './store-breaker.ts'

const LOOK = 250
const away = (): Promise<never> => Promise.reject(new StoreUnavailable('away'))
const hang = (): Promise<never> => new Promise(() => {})
const fine = async (): Promise<string> => 'fine'

test('three failures in a row open it; one that ends well in between does not', async (t) => {
  const { breaker, told } = rig(t)
  for (const work of [away, away, fine, away, away]) await breaker.ask(work).catch(() => {})
  assert.equal(breaker.isOpen, false)
  await assert.rejects(breaker.ask(away), StoreUnavailable)
  assert.equal(breaker.isOpen, true)
  assert.deepEqual(told, ['opened'])
})

test('what fails for a reason of its own, or waits in a queue that is full, says nothing of the store', async (t) => {
  const { breaker } = rig(t)
  for (let i = 0; i < 5; i++) {
    await assert.rejects(
      breaker.ask(() => Promise.reject(new Error('a mistake'))),
      /a mistake/,
    )
    await assert.rejects(breaker.wait(away), StoreUnavailable)
  }
  assert.equal(breaker.isOpen, false)
})

test('while it is open nothing is asked, and what waited before may still end well', async (t) => {
  const { breaker, ping } = rig(t)
  ping.is = away
  const before = Promise.withResolvers<string>()
  const waiting = breaker.ask(() => before.promise)
  await opened(breaker)
  let asked = 0
  for (const door of [
    () => breaker.ask(async () => void asked++),
    () => breaker.wait(async () => void asked++),
    () => breaker.store.write(async () => void asked++),
  ])
    await assert.rejects(door(), StoreUnavailable)
  assert.equal(asked, 0)
  before.resolve('late, and well')
  assert.equal(await waiting, 'late, and well')
  assert.equal(breaker.isOpen, true, 'only the probe closes it')
})

test('a wait opens it after three seconds, and is given up before five', async (t) => {
  const { breaker, pass, told, ping } = rig(t)
  ping.is = hang
  const outcome = settled(breaker.wait(hang))
  await pass(3_000)
  assert.equal(breaker.isOpen, false)
  await pass(LOOK)
  assert.equal(breaker.isOpen, true)
  assert.deepEqual(outcome, {})
  await pass(1_750)
  assert.ok(outcome.is instanceof StoreUnavailable)
  assert.deepEqual(told, ['opened'])
})

test('the probe closes it: soon, by itself, and not with an answer that came late', async (t) => {
  const { breaker, pass, told, ping } = rig(t)
  ping.is = away
  await opened(breaker)
  await pass(LOOK * 4)
  const slow = Promise.withResolvers<void>()
  ping.is = () => slow.promise
  await pass(LOOK)
  ping.is = hang
  await pass(LOOK * 8)
  slow.resolve()
  await pass(0)
  assert.equal(breaker.isOpen, true)
  ping.is = async () => {}
  await pass(LOOK)
  assert.equal(breaker.isOpen, false)
  assert.deepEqual(told, ['opened', `closed after ${LOOK * 14} ms`])
  assert.equal(await breaker.ask(fine), 'fine')
})

test('probes that hang are few, whatever the time', async (t) => {
  const { breaker, pass, ping } = rig(t)
  ping.is = hang
  await opened(breaker)
  await pass(60_000)
  assert.equal(ping.count, 2)
})

test('what hung before a recovery does not open it again', async (t) => {
  const { breaker, pass, ping, told } = rig(t)
  const outcome = settled(breaker.wait(hang))
  await pass(1_000)
  ping.is = away
  await opened(breaker)
  ping.is = async () => {}
  await pass(LOOK)
  assert.equal(breaker.isOpen, false)
  await pass(4_000)
  assert.ok(outcome.is instanceof StoreUnavailable)
  assert.equal(breaker.isOpen, false)
  assert.equal(told.length, 2)
})

interface Outcome {
  is?: unknown
}

interface Ping {
  is: () => Promise<void>
  count: number
}

function rig(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const told: string[] = []
  const ping: Ping = { is: async () => {}, count: 0 }
  const breaker = new StoreBreaker({
    store: storeOf(ping),
    opened: () => told.push('opened'),
    closed: (ms) => told.push(`closed after ${ms} ms`),
  })
  t.after(() => breaker.close())
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= LOOK) {
      t.mock.timers.tick(LOOK)
      await new Promise(setImmediate)
    }
    await new Promise(setImmediate)
  }
  return { breaker, told, ping, pass }
}

function storeOf(ping: Ping): Store {
  const none = (): never => {
    throw new Error('not asked for here')
  }
  return {
    engine: 'sqlite',
    // A boundary: nothing here reads.
    read: undefined as unknown as Store['read'],
    write: none,
    listen: none,
    ping: () => (ping.count++, ping.is()),
    close: none,
  }
}

async function opened(breaker: StoreBreaker): Promise<void> {
  for (let i = 0; i < 3; i++) await assert.rejects(breaker.ask(away), StoreUnavailable)
  assert.equal(breaker.isOpen, true)
}

function settled(work: Promise<unknown>): Outcome {
  const outcome: Outcome = {}
  work.then(
    (value) => (outcome.is = value),
    (error: unknown) => (outcome.is = error),
  )
  return outcome
}
