/**
 * Every delivery reaches the app once, whoever repeats it, where and how often. In: copies, at once and one after the
 * other, over one gate and over two. Out: one accepted delivery, one dispatch, one push. Refuses a replay memory that a
 * header can go around, that a copy can poison, or that a crash wipes.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { eachEngine } from '../support/engines.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { reasonToSkip } from '../support/presence.ts'
import {
  adminOf,
  type App,
  type House,
  type Line,
  metric,
  openHouse,
  openLine,
  send,
  startApp,
  until,
} from '../support/ingress.ts'
import { type Signed, type Vendor, vendor } from './vendors.ts'

const COPIES = 1_000
const OTHER_IDS = 60

test(`${COPIES} copies at once over two gates on one PostgreSQL: one delivery, one dispatch, one push`, async (t) => {
  await withTwoGates(t, async (house, app) => {
    const slack = await listenedTo(house, app, vendor('slack'))
    const copy = slack.from.says({ n: 1 })
    await copies(house, slack.line, () => copy)
    await cameOnce(house, app, slack)
  })
})

test(`${COPIES} copies, each under a delivery id of its own (GitHub signs none): the same`, async (t) => {
  await withTwoGates(t, async (house, app) => {
    const github = await listenedTo(house, app, vendor('github'))
    const copy = github.from.says({ n: 1 })
    await copies(house, github.line, (n) => ({
      ...copy,
      headers: {
        ...copy.headers,
        'x-github-delivery': `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
      },
    }))
    await cameOnce(house, app, github)
  })
})

eachEngine('a delivery id beside a replayed body does not spend that id', async (engine) => {
  const house = await openHouse(engine)
  const app = await startApp()
  try {
    const github = await listenedTo(house, app, vendor('github'))
    const url = house.gate.publicUrl + github.line.path
    const first = github.from.says({ n: 0 })
    const under = (id: string | undefined): Signed => {
      const { 'x-github-delivery': _, ...headers } = first.headers
      return { ...first, headers: id === undefined ? headers : { ...headers, 'x-github-delivery': id } }
    }
    await send(url, first)
    // One after the other: the id is named by a copy first, and by its own delivery later.
    assert.equal((await send(url, under('id-1'))).status, 202)
    assert.equal((await send(url, under(undefined))).status, 202)
    assert.equal(await deliveries(house, github.line), 1)
    assert.equal((await send(url, github.from.says({ n: 1, id: 'id-1' }))).status, 202)
    assert.equal(await deliveries(house, github.line), 2)
    // And its repeat under another id, or none, is known.
    await send(url, github.from.says({ n: 1, id: 'id-2' }))
    assert.equal(await deliveries(house, github.line), 2)
    // All at once, so that copies and genuine ones share a write.
    const ids = Array.from({ length: OTHER_IDS }, (_, n) => ({ n: n + 10, id: `batch-${n}` }))
    const storm = ids.flatMap(({ n, id }) => [under(id), github.from.says({ n, id }), under(id)])
    const answers = await Promise.all(storm.map((request) => send(url, request)))
    assert.ok(answers.every(({ status }) => status === 202))
    assert.equal(await deliveries(house, github.line), 2 + OTHER_IDS)
    await until('the app has all', () => app.got.length >= 2 + OTHER_IDS || undefined)
    assert.equal(app.got.length, 2 + OTHER_IDS)
  } finally {
    await house.close()
    await app.close()
  }
})

eachEngine('the id alone is enough too: the same event signed anew is a duplicate', async (engine) => {
  const house = await openHouse(engine)
  try {
    const stripe = vendor('stripe')
    const line = await openLine(house, 'stripe', stripe.secret)
    const now = Date.now()
    for (const late of [0, 1_000, 2_000]) {
      const again = stripe.says({ n: 1, now: now - late })
      assert.equal((await send(house.gate.publicUrl + line.path, again)).status, 200)
    }
    assert.equal(await deliveries(house, line), 1)
    const other = await openLine(house, 'stripe', stripe.secret)
    await send(house.gate.publicUrl + other.path, stripe.says({ n: 1, now }))
    assert.equal(await deliveries(house, other), 1, 'another channel remembers for itself')
  } finally {
    await house.close()
  }
})

eachEngine('a restart and a crash between copies change nothing', async (engine) => {
  const house = await openHouse(engine)
  const app = await startApp()
  try {
    const slack = await listenedTo(house, app, vendor('slack'))
    const copy = slack.from.says({ n: 1 })
    assert.equal((await send(house.gate.publicUrl + slack.line.path, copy)).status, 200)
    await until('the app has it', () => app.got.length > 0 || undefined)
    assert.equal(await house.gate.stop(), 0)
    const second = await house.add()
    assert.equal((await send(second.publicUrl + slack.line.path, copy)).status, 200)
    await second.kill()
    const third = await house.add()
    assert.equal((await send(third.publicUrl + slack.line.path, copy)).status, 200)
    assert.equal(
      await metric(adminOf(house, third), 'gatehouse_ingress_duplicates_total', { source: 'slack' }),
      1,
    )
    const marker = slack.from.says({ n: 2 })
    assert.equal((await send(third.publicUrl + slack.line.path, marker)).status, 200)
    await until('the app has the marker', () => app.got.some(({ body }) => body.includes('Ev2')) || undefined)
    assert.equal(app.got.length, 2)
    assert.equal((await adminOf(house, third).listDeliveries(house.tenant)).items.length, 2)
  } finally {
    await house.close()
    await app.close()
  }
})

interface Listened {
  readonly from: Vendor
  readonly line: Line
}

async function listenedTo(house: House, app: App, from: Vendor): Promise<Listened> {
  const line = await openLine(house, from.source, from.secret)
  await house.admin.createSubscription(house.tenant, {
    name: 'bot',
    mode: 'push',
    url: app.url,
    channels: [line.id],
    inlineBody: true,
  })
  return { from, line }
}

async function withTwoGates(t: TestContext, body: (house: House, app: App) => Promise<void>): Promise<void> {
  let database: TestDatabase
  try {
    database = await testDatabase()
  } catch (error) {
    t.skip(reasonToSkip('postgres', error))
    return
  }
  const app = await startApp()
  const house = await openHouse({ engine: 'postgres', url: database.url }, { gates: 2 })
  try {
    await body(house, app)
  } finally {
    await house.close()
    await app.close()
    await database.drop()
  }
}

/** Sends them all at once, every other one to the second gate. */
async function copies(house: House, line: Line, copy: (n: number) => Signed): Promise<void> {
  const { gates } = house
  const answers = await Promise.all(
    Array.from({ length: COPIES }, async (_, n) => {
      const gate = gates[n % gates.length] ?? house.gate
      return await send(gate.publicUrl + line.path, copy(n))
    }),
  )
  const [first] = answers
  assert.ok(first)
  const others = answers.filter(({ status, body }) => status !== first.status || body !== first.body)
  assert.deepEqual(others, [], 'every copy hears the same')
  assert.ok(first.status === 200 || first.status === 202)
}

async function cameOnce(house: House, app: App, { from, line }: Listened): Promise<void> {
  const counted = async (name: string, labels: Record<string, string>): Promise<number> => {
    const each = house.gates.map((gate) => metric(adminOf(house, gate), name, labels))
    return (await Promise.all(each)).reduce((sum, one) => sum + one, 0)
  }
  const { source } = from
  assert.equal(await counted('gatehouse_ingress_requests_total', { source, outcome: 'accepted' }), 1)
  assert.equal(await counted('gatehouse_ingress_duplicates_total', { source }), COPIES - 1)
  const { items } = await house.admin.listDeliveries(house.tenant, { channel: line.id })
  assert.deepEqual(
    items.map(({ dispatches }) => dispatches.length),
    [1],
  )
  // A marker behind it: had a second copy been queued, it would have come before.
  assert.equal((await send(house.gate.publicUrl + line.path, from.says({ n: 2 }))).status, from.ack)
  await until('the app has the marker', () => app.got.length >= 2 || undefined)
  await until('all is handed over', async () => {
    const { items: open } = await house.admin.listDeliveries(house.tenant, {
      channel: line.id,
      state: 'done',
    })
    return open.length === 2 || undefined
  })
  assert.equal(app.got.length, 2)
}

async function deliveries({ admin, tenant }: House, line: Line): Promise<number> {
  return (await admin.listDeliveries(tenant, { channel: line.id, limit: 100 })).items.length
}
