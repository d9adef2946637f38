/**
 * Redis killed under load, before two real gates. In: deliveries far over the rate, and a Redis of the test's own. Out: 200
 * or 429, never anything else. Refuses an acknowledged delivery that is not there, and more admitted than the rate once
 * for each gate.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'
import { openHouse, openLine, until } from '../support/ingress.ts'
import { testDatabase } from '../support/postgres.ts'
import { Absent, reasonToSkip } from '../support/presence.ts'
import { SETTINGS, stream, told } from './load.ts'

const SECRET = 'the secret of a channel in a test'
const RATE = 20
/** Milliseconds of load before and after Redis dies. */
const EACH = 1_500
/** Windows of a second that such a half touches, and one more for a machine that is late. */
const WINDOWS = 4

test('Redis dies under load: nothing lost, at most the rate once for each gate', async (t) => {
  let database
  let redis: ChildProcess
  const port = await freePort()
  try {
    redis = await redisAt(port)
  } catch (error) {
    return t.skip(reasonToSkip('redis', error))
  }
  try {
    database = await testDatabase()
  } catch (error) {
    redis.kill('SIGKILL')
    return t.skip(reasonToSkip('postgres', error))
  }
  const env = { GATEHOUSE_INGRESS_RATE: String(RATE), GATEHOUSE_REDIS_URL: `redis://127.0.0.1:${port}` }
  const house = await openHouse({ engine: 'postgres', url: database.url }, { gates: 2, env })
  try {
    const line = await openLine(house, 'generic-hmac', SECRET, { settings: SETTINGS })
    const stop = new AbortController()
    const running = house.gates.map((gate, i) =>
      stream({ url: gate.publicUrl + line.path, secret: SECRET, rate: 100, name: `gate-${i}` }, stop.signal),
    )
    await pause(EACH)
    const gone = once(redis, 'exit')
    redis.kill('SIGKILL')
    await gone
    await pause(EACH)
    stop.abort()
    const streams = await Promise.all(running)
    t.diagnostic(streams.map(({ statuses }) => told(statuses)).join('; '))
    for (const { statuses } of streams) assert.deepEqual([...statuses.keys()].toSorted(byNumber), [200, 429])
    const taken = streams.flatMap((one) => one.taken)
    const most = WINDOWS * RATE + WINDOWS * RATE * house.gates.length
    assert.ok(taken.length >= 2 * RATE && taken.length <= most, `${taken.length} taken, ${most} at most`)
    assert.equal(await deliveries(), taken.length, 'what was acknowledged is there, and nothing else')
    await until(
      'both have told of it',
      () => house.gates.every((gate) => gate.log().includes('limits.redis-unavailable')) || undefined,
    )

    async function deliveries(): Promise<number> {
      let count = 0
      for (let cursor: string | null | undefined; cursor !== null;) {
        const page = await house.admin.listDeliveries(house.tenant, {
          channel: line.id,
          limit: 100,
          ...(cursor !== undefined && { cursor }),
        })
        count += page.items.length
        cursor = page.next
      }
      return count
    }
  } finally {
    await house.close()
    redis.kill('SIGKILL')
    await database.drop()
  }
})

async function redisAt(port: number): Promise<ChildProcess> {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] })
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

function byNumber(a: number, b: number): number {
  return a - b
}
