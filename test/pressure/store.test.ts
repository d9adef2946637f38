/**
 * A store that is away under load. In: PostgreSQL that hangs behind a line, SQLite locked by another process. Out: no wait
 * of five seconds, then 503 at once, forged ones still told apart, memory that does not grow, and a gate that finds its
 * store by itself. Refuses a 2xx for what was not written, and a loss or a double once all is repeated.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { lineToUrl, through } from '../faults/cuttable.ts'
import { testDatabase } from '../support/postgres.ts'
import { reasonToSkip } from '../support/presence.ts'
import {
  type Answered,
  type House,
  type Line,
  metric,
  openHouse,
  openLine,
  send,
  until,
} from '../support/ingress.ts'

const SECRET = 'the secret of a channel in a test'
const SETTINGS = { header: 'x-signature', deliveryIdPath: 'id' }
/** Milliseconds; on a quiet machine a refusal takes less than two, on a loaded one some tens. */
const AT_ONCE = 60
/** Milliseconds: the gate gives up before five seconds, and the machine may be late. */
const WAIT_AT_MOST = 6_500
const REFUSED = 1_500
/** Bytes of growth that are noise: one collection of garbage late. */
const NOISE = 64 * 1024 * 1024

test('PostgreSQL hangs: fast 503, nothing lost, found again by itself', async (t) => {
  let database
  try {
    database = await testDatabase()
  } catch (error) {
    return t.skip(reasonToSkip('postgres', error))
  }
  const wire = await lineToUrl(database.url)
  const house = await openHouse({ engine: 'postgres', url: through(wire, database.url) })
  try {
    await away(
      t,
      house,
      () => wire.freeze(),
      () => wire.pass(),
    )
    await t.test('and once more, cut off', () =>
      away(
        t,
        house,
        () => wire.cut(),
        () => wire.pass(),
      ),
    )
  } finally {
    await house.close()
    await wire.close()
    await database.drop()
  }
})

test('SQLite locked by another process: the same', async (t) => {
  const house = await openHouse({ engine: 'sqlite', file: '' })
  let other: DatabaseSync | undefined
  try {
    await away(
      t,
      house,
      () => {
        other = new DatabaseSync(join(house.data, 'gatehouse.db'))
        other.exec('BEGIN EXCLUSIVE')
      },
      () => {
        other?.exec('ROLLBACK')
        other?.close()
      },
    )
  } finally {
    await house.close()
  }
})

async function away(t: TestContext, house: House, begin: () => void, end: () => void): Promise<void> {
  const line = await openLine(house, 'generic-hmac', SECRET, { settings: SETTINGS })
  const url = house.gate.publicUrl + line.path
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const post = (id: string, forged = false) => timed(send(url, { ...delivery(id, forged), agent }))
  try {
    // The channel is new; the poll that each gate makes each second forgets it once more.
    await pause(1_500)
    assert.equal((await post('before')).status, 200)
    const recovered = count(house, 'store.recovered')
    begin()
    // From the first that waits until it is known: each hears 503 in bounded time.
    const first = await Promise.all(['a', 'b', 'c', 'd'].map((id) => post(`waits-${id}`)))
    for (const heard of first) is503(heard)
    // Where each fails at once, a batch counts as one failure, and three are needed.
    await until('the gate knows', async () => {
      is503(await post('more'))
      return (await isOpen(house)) || undefined
    })

    const memory = memoryOf(house.gate.pid)
    const waits: number[] = []
    for (let i = 0; i < REFUSED; i += 4) {
      for (const heard of await Promise.all([0, 1, 2, 3].map((n) => post(`refused-${i + n}`)))) {
        is503(heard)
        waits.push(heard.ms)
      }
    }
    const [median, p99] = [quantile(waits, 0.5), quantile(waits, 0.99)]
    const grown = memoryOf(house.gate.pid) - memory
    t.diagnostic(
      `${house.engine}: 503 in ${median.toFixed(1)} ms (median), ${p99.toFixed(1)} ms (p99); memory ${grown >> 20} MiB`,
    )
    assert.ok(median < AT_ONCE, `median ${median} ms`)
    assert.ok(grown < NOISE, `memory grew by ${grown} bytes`)
    assert.equal((await post('forged', true)).status, 401, 'known channels still tell forged ones apart')
    const unknown = await timed(send(`${house.gate.publicUrl}/in/chn_${'0'.repeat(26)}`, delivery('x')))
    assert.equal(unknown.status, 503, 'what cannot be looked up now is not "no such channel"')
    assert.ok(unknown.ms < WAIT_AT_MOST)

    end()
    // No request: the probe alone.
    await until(
      'the gate says that it is well',
      () => count(house, 'store.recovered') > recovered || undefined,
    )
    assert.equal(await isOpen(house), false)
    for (const id of ['before', 'waits-a', 'waits-b', 'waits-c', 'waits-d', 'refused-0'])
      await taken(post, id)
    assert.equal(await deliveries(house, line), 6, 'each once, whether its late write had committed or not')
  } finally {
    agent.destroy()
  }
}

/** A connection that broke in the pool may fail one repeat more; a vendor repeats that too. */
async function taken(post: (id: string) => Promise<Timed>, id: string): Promise<void> {
  await until(`${id} is taken`, async () => (await post(id)).status === 200 || undefined)
}

type Timed = Answered & { readonly ms: number }

async function timed(answer: Promise<Answered>): Promise<Timed> {
  const began = performance.now()
  return { ...(await answer), ms: performance.now() - began }
}

function is503({ status, headers, ms }: Timed): void {
  assert.equal(status, 503)
  assert.ok(Number(headers['retry-after']) >= 1)
  assert.ok(ms < WAIT_AT_MOST, `${ms} ms`)
}

function delivery(id: string, forged = false) {
  const body = JSON.stringify({ id, text: 'x'.repeat(2_000) })
  const signature = createHmac('sha256', forged ? 'another' : SECRET)
    .update(body)
    .digest('hex')
  return { body, headers: { 'content-type': 'application/json', 'x-signature': signature } }
}

async function isOpen({ admin }: House): Promise<boolean> {
  return (await metric(admin, 'gatehouse_store_breaker_open', {})) === 1
}

/** How often the gate logged an event. */
function count({ gate }: House, event: string): number {
  return gate.log().split(`"event":"${event}"`).length - 1
}

async function deliveries({ admin, tenant }: House, { id }: Line): Promise<number> {
  return (await admin.listDeliveries(tenant, { channel: id, limit: 100 })).items.length
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length * q)] ?? Number.NaN
}

/** Resident bytes of a process. */
function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024
}
