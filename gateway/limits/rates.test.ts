/**
 * Rate limits, alone and shared. In: a memory, a Redis, and a Redis that dies under load. Out: nothing. Refuses a limit that
 * two gates do not share, one that opens when Redis goes, and a class that nobody declared.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../test/support/free-port.ts'
import { Absent, reasonToSkip } from '../../test/support/presence.ts'
import { redisOrSkip } from '../../test/support/redis.ts'
import { Rates } from './rates.ts'
import { openRedis } from './redis.ts'

/** Long enough that no window ends within a test that does not wait for it. */
const CLASSES = {
  few: { points: 5, seconds: 60 },
  soon: { points: 3, seconds: 1 },
  load: { points: 50, seconds: 60 },
}

test('alone: as many as declared, for each key, until the window ends', async () => {
  const rates = new Rates({ classes: CLASSES, ingressRate: 2, redis: undefined, prefix: 'x' })
  assert.equal(await passed(rates, 'few', 'a', 20), 5)
  assert.equal(await passed(rates, 'few', 'b', 20), 5)
  const refused = await rates.take('few', 'a')
  assert.ok(!refused.ok && refused.retryAfterSeconds >= 1 && refused.retryAfterSeconds <= 60)
  assert.equal(await passed(rates, 'soon', 'a', 20), 3)
  await pause(1_050)
  assert.equal(await passed(rates, 'soon', 'a', 20), 3)
  assert.equal(await passed(rates, 'ingress', 'chn_1', 20), 2)
})

test('a class that nobody declared is refused; only ingress may be without a limit', async () => {
  const rates = new Rates({ classes: CLASSES, ingressRate: 0, redis: undefined, prefix: 'x' })
  for (const name of ['', 'none', 'toString', '__proto__', 'constructor'])
    assert.deepEqual((await rates.take(name, 'a')).ok, false, name)
  assert.equal(await passed(rates, 'ingress', 'chn_1', 500), 500)
})

test('a delivery takes a point of its channel and one of its tenant; a channel over its rate spends none of the tenant', async () => {
  const rates = new Rates({ classes: CLASSES, ingressRate: 4, tenantRate: 6, redis: undefined, prefix: 'x' })
  const one = async (id: string, tenant: string, tries: number): Promise<number> => {
    const taken = await Promise.all(Array.from({ length: tries }, () => rates.takeDelivery({ id, tenant })))
    return taken.filter(({ ok }) => ok).length
  }
  assert.equal(await one('chn_1', 'ten_1', 50), 4)
  assert.equal(await one('chn_2', 'ten_1', 50), 2, 'what the first left of the tenant')
  assert.equal(await one('chn_3', 'ten_2', 50), 4, 'another tenant has its own')
  const without = new Rates({
    classes: CLASSES,
    ingressRate: 0,
    tenantRate: 0,
    redis: undefined,
    prefix: 'x',
  })
  assert.equal(await passed(without, 'tenant', 'ten_1', 500), 500)
})

test('two gates over one Redis share one limit, and other houses have their own', async (t) => {
  const server = await redisOrSkip(t)
  if (server === undefined) return
  await withGates(server.url, server.prefix, 3, async ([one, two, other]) => {
    assert.ok(one && two && other)
    const both = await Promise.all([passed(one, 'few', 'a', 20), passed(two, 'few', 'a', 20)])
    assert.equal(both[0] + both[1], 5)
    const elsewhere = await clientOf(server.url)
    const apart = new Rates({
      classes: CLASSES,
      ingressRate: 0,
      redis: elsewhere.redis,
      prefix: `${server.prefix}other`,
    })
    const there = await passed(apart, 'few', 'a', 20)
    elsewhere.redis.disconnect()
    assert.equal(there, 5)
  })
})

test('Redis that dies under load: each gate counts for itself, and shares again when it is back', async (t) => {
  const port = await freePort()
  let server: ChildProcess
  try {
    server = await redisAt(port)
  } catch (error) {
    t.skip(reasonToSkip('redis', error))
    return
  }
  const url = `redis://127.0.0.1:${port}`
  try {
    await withGates(url, 'mortal', 2, async ([one, two], told) => {
      assert.ok(one && two)
      const gates = [one, two]
      // Before: the limit of the house is one.
      assert.equal(await total(gates, 'load', 'before', 100), 50)
      const during = gates.map((gate) => underLoad(gate, 'during', 600))
      await pause(100)
      const gone = once(server, 'exit')
      server.kill('SIGKILL')
      await gone
      const admitted = (await Promise.all(during)).reduce((sum, n) => sum + n, 0)
      // What Redis had admitted is forgotten with it: once the limit from it, once from each gate, and no more.
      assert.ok(admitted >= 50 && admitted <= 150, `${admitted} admitted while Redis died`)
      // After: at most the limit for each gate, at once, and none hangs.
      const began = performance.now()
      assert.equal(await total(gates, 'load', 'after', 400), 100)
      assert.ok(performance.now() - began < 3_000)
      // Clients try again each second; each says once that Redis is away, however often it fails.
      await pause(2_200)
      assert.deepEqual(told, ['said', 'said'])
      server = await redisAt(port)
      await pause(1_500)
      assert.equal(await total(gates, 'load', 'again', 200), 50)
    })
  } finally {
    server.kill('SIGKILL')
  }
})

test('a gate that starts while Redis is away limits all the same', async () => {
  const port = await freePort()
  await withGates(`redis://127.0.0.1:${port}`, 'absent', 1, async ([one]) => {
    assert.ok(one)
    assert.equal(await passed(one, 'few', 'a', 20), 5)
  })
})

async function withGates(
  url: string,
  prefix: string,
  count: number,
  body: (gates: readonly Rates[], told: readonly string[]) => Promise<void>,
): Promise<void> {
  const told: string[] = []
  const clients = await Promise.all(Array.from({ length: count }, () => clientOf(url, told)))
  try {
    await body(
      clients.map(({ redis }) => new Rates({ classes: CLASSES, ingressRate: 0, redis, prefix })),
      told,
    )
  } finally {
    for (const { redis } of clients) redis.disconnect()
  }
}

async function clientOf(url: string, told: string[] = []) {
  return { redis: await openRedis(url, () => told.push('said')) }
}

/** How many of `tries`, all at once, were let through. */
async function passed(rates: Rates, rateClass: string, key: string, tries: number): Promise<number> {
  const taken = await Promise.all(Array.from({ length: tries }, () => rates.take(rateClass, key)))
  return taken.filter(({ ok }) => ok).length
}

async function total(
  gates: readonly Rates[],
  rateClass: string,
  key: string,
  tries: number,
): Promise<number> {
  const each = await Promise.all(gates.map((gate) => passed(gate, rateClass, key, tries)))
  return each.reduce((sum, n) => sum + n, 0)
}

/** Asks in a steady stream for `ms`; how many were let through. */
async function underLoad(rates: Rates, key: string, ms: number): Promise<number> {
  let count = 0
  for (const end = performance.now() + ms; performance.now() < end; await pause(2))
    count += await passed(rates, 'load', key, 2)
  return count
}

async function redisAt(port: number): Promise<ChildProcess> {
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const started = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false))
    child.once('exit', () => resolve(false))
    child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('eady to accept connections')) resolve(true)
    })
  })
  if (!started) throw new Absent('start redis-server: it is not on the path')
  return child
}
