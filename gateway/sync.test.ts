import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Engine, eachEngine } from '../test/support/engines.ts'
import { LEASE_MS } from './delivery/queue.ts'
import { type Tidy, tidied, until } from './delivery/rig.ts'
import { openStore } from './store/open.ts'
import { StoreUnavailable } from './store/store.ts'
import { type App, type Gate, type Handler, openGate, says, startApp } from './sync.fixture.ts'

/** What Slack hears when the app has no say: an empty 200. */
const NEUTRAL = { status: 200 }
const HELLO = { response_type: 'ephemeral', text: 'on its way' }
const SAID = { status: 200, contentType: 'application/json', body: JSON.stringify(HELLO) }

interface Setup {
  readonly gate: Gate
  readonly app: App
  readonly subscription: string
}

async function setUp(engine: Engine, t: Tidy, handler: Handler): Promise<Setup> {
  const store = await openStore(engine, Date.now)
  const gate = await openGate(store)
  const app = await startApp(handler)
  t.after(async () => {
    await gate.close()
    app.close()
    await store.close()
  })
  const subscription = await gate.on.subscribe('push', { url: app.url, sync: 1, inline_body: 1 })
  return { gate, app, subscription }
}

/** The dispatch behind the one delivery, once it has ended or waits. */
async function ended({ on }: Gate) {
  await until(async () => (await on.rows()).every(({ state }) => state !== 'leased'))
  const [row, ...more] = await on.rows()
  assert.deepEqual(more, [])
  return { state: row?.state, error: row?.last_error, attempts: row?.attempts }
}

eachEngine(
  'an app in time answers the vendor, and nothing is sent to it twice',
  tidied(async (engine, t) => {
    const { gate, app } = await setUp(engine, t, says(HELLO))
    assert.deepEqual(await gate.answer(gate.command(1)), SAID)
    assert.deepEqual(await ended(gate), { state: 'done', error: null, attempts: 1 })
    await sleep(150)
    assert.equal(app.seen.length, 1)
    assert.match(String(app.seen[0]?.['gatehouse-answer-within']), /^2\.\d$/)
    assert.deepEqual(gate.outcomes, ['answered'])
  }),
)

eachEngine(
  'a late app: the vendor hears the ack in time, and the answer is only recorded',
  tidied(async (engine, t) => {
    const { gate, app } = await setUp(
      engine,
      t,
      (...call) => void setTimeout(() => says(HELLO)(...call), 400),
    )
    const began = performance.now()
    const command = gate.command(1)
    assert.deepEqual(await gate.answer(command, 100), NEUTRAL)
    assert.ok(performance.now() - began < 350)
    assert.deepEqual(await ended(gate), { state: 'done', error: 'sync-late', attempts: 1 })
    assert.deepEqual(await gate.answer(command), NEUTRAL)
    assert.equal(app.seen.length, 1)
    assert.deepEqual(gate.outcomes, ['late', 'repeated'])
  }),
)

const WRONG: Readonly<Record<string, Handler>> = {
  'a modal for a command': says({ response_action: 'clear' }),
  'another type': (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<b>'),
  'no JSON': (_, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{'),
  'more than 64 KiB': says({ text: 'x'.repeat(30_000), blocks: [{ type: 'y'.repeat(40_000) }] }),
  'a part of one': (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
    response.write('{"text":')
    setTimeout(() => response.destroy(), 20)
  },
}
for (const [what, handler] of Object.entries(WRONG)) {
  eachEngine(
    `an app that answers ${what}: the vendor hears the ack`,
    tidied(async (engine, t) => {
      const { gate } = await setUp(engine, t, handler)
      assert.deepEqual(await gate.answer(gate.command(1)), NEUTRAL)
      assert.deepEqual(await ended(gate), { state: 'done', error: 'sync-refused', attempts: 1 })
      assert.deepEqual(gate.outcomes, ['refused'])
    }),
  )
}

eachEngine(
  'an app that is down or fails: the vendor hears the ack at once, and the delivery is pushed by the schedule',
  tidied(async (engine, t) => {
    const { gate, app } = await setUp(engine, t, (_, response) => void response.writeHead(500).end())
    assert.deepEqual(await gate.answer(gate.command(1)), NEUTRAL)
    assert.deepEqual(await ended(gate), { state: 'pending', error: 'status-500', attempts: 1 })
    app.handler = says(HELLO)
    gate.on.pass(6_000)
    await until(() => app.seen.length === 2)
    assert.deepEqual(await ended(gate), { state: 'done', error: null, attempts: 2 })
    assert.equal(app.seen[1]?.['gatehouse-answer-within'], undefined)
  }),
)

eachEngine(
  'an app that resets the connection before it answers is tried again later',
  tidied(async (engine, t) => {
    const { gate } = await setUp(engine, t, (request) => void request.socket.destroy())
    assert.deepEqual(await gate.answer(gate.command(1)), NEUTRAL)
    assert.deepEqual(await ended(gate), { state: 'pending', error: 'reset', attempts: 1 })
    assert.deepEqual(gate.outcomes, ['failed'])
  }),
)

eachEngine(
  'a gate that dies between accept and answer: a copy hears the ack, and the delivery is pushed when the lease is over',
  tidied(async (engine, t) => {
    const { gate, app } = await setUp(engine, t, says(HELLO))
    const command = gate.command(1)
    await gate.acceptOnly(command)
    await sleep(200)
    assert.equal(app.seen.length, 0, 'the pusher sent what another gate was about to send')
    assert.deepEqual(await gate.answer(command, 150), NEUTRAL)
    gate.on.pass(LEASE_MS)
    await until(() => app.seen.length === 1)
    assert.deepEqual(await ended(gate), { state: 'done', error: null, attempts: 1 })
    assert.deepEqual(await gate.answer(command), NEUTRAL)
  }),
)

eachEngine(
  'copies that race, over two gates, are answered alike and reach the app once',
  tidied(async (engine, t) => {
    const { gate, app } = await setUp(
      engine,
      t,
      (...call) => void setTimeout(() => says(HELLO)(...call), 150),
    )
    const other = await openStore(engine, Date.now)
    const second = await openGate(other, gate.on)
    t.after(async () => {
      await second.close()
      await other.close()
    })
    const gates = [gate, second, gate, second, gate, second]
    const answers = await Promise.all(gates.map((one) => one.answer(one.command(7))))
    assert.deepEqual(answers, Array(6).fill(SAID))
    assert.deepEqual(await second.answer(second.command(7)), SAID)
    assert.equal(app.seen.length, 1)
  }),
)

eachEngine(
  'copies whose time is shorter than the app decide for all: nobody hears two things',
  tidied(async (engine, t) => {
    const { gate } = await setUp(engine, t, (...call) => void setTimeout(() => says(HELLO)(...call), 400))
    const command = gate.command(7)
    const first = gate.answer(command, 2_000)
    await until(async () => (await gate.on.rows()).length === 1)
    assert.deepEqual(await gate.answer(command, 100), NEUTRAL)
    assert.deepEqual(await first, NEUTRAL)
    assert.deepEqual(await ended(gate), { state: 'done', error: 'sync-late', attempts: 1 })
  }),
)

eachEngine(
  'a paused subscription is not called, and a store that fails at the answer makes it the ack',
  tidied(async (engine, t) => {
    const { gate, app, subscription } = await setUp(engine, t, says(HELLO))
    const { store } = gate.on
    let isAway = false
    const flaky = {
      ...store,
      engine: store.engine,
      read: store.read,
      listen: store.listen.bind(store),
      write: (body: Parameters<typeof store.write>[0]) =>
        isAway ? Promise.reject(new StoreUnavailable('away')) : store.write(body),
    } as typeof store
    const other = await openGate(store, gate.on, { store: flaky })
    t.after(() => other.close())
    isAway = true
    assert.deepEqual(await other.answer(other.command(1)), NEUTRAL)
    isAway = false
    assert.deepEqual(await other.answer(other.command(1)), NEUTRAL, 'a copy hears the same')
    await store.write(async (tx) => {
      await tx.db
        .updateTable('subscription')
        .set({ state: 'paused' })
        .where('id', '=', subscription)
        .execute()
      tx.announce('config')
    })
    await until(async () => (await gate.delivery.ways.of(gate.on.channel)).sync === undefined)
    await assert.rejects(gate.answer(gate.command(2)), /no app answers here/)
    assert.equal(app.seen.length, 1)
  }),
)
