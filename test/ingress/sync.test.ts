/**
 * Slash commands that an app answers, through real gates. In: genuine Slack commands, and apps that are in time, late or
 * gone. Out: within three seconds one answer, the app's or Slack's ack. Refuses two answers to one callback, whatever dies
 * in between, and an answer before the delivery is durable.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Engine, eachEngine } from '../support/engines.ts'
import {
  adminOf,
  type Answered,
  type House,
  type Line,
  metric,
  openHouse,
  openLine,
  send,
  until,
} from '../support/ingress.ts'
import { vendor, WORKSPACE } from './vendors.ts'

/** Slack's own limit, milliseconds. */
const SLACK_WAITS = 3_000
const HELLO = '{"response_type":"ephemeral","text":"on its way"}'

interface SlowApp {
  readonly url: string
  readonly open: ServerResponse[]
  /** Called with each push once it has come whole. */
  answer: (response: ServerResponse) => void
}

async function slowApp(t: { after(end: () => unknown): void }): Promise<SlowApp> {
  const server = createServer((incoming, response) => {
    incoming.resume().once('end', () => {
      app.open.push(response)
      app.answer(response)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const app: SlowApp = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    open: [],
    answer: hello,
  }
  return app
}

function hello(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(HELLO)
}

interface Setup {
  readonly house: House
  readonly line: Line
  readonly app: SlowApp
  readonly command: (n: number, gate?: number) => Promise<Answered & { readonly ms: number }>
}

async function setUp(engine: Engine, t: { after(end: () => unknown): void }, gates = 1): Promise<Setup> {
  const house = await openHouse(engine, { gates })
  t.after(() => house.close())
  const app = await slowApp(t)
  const slack = vendor('slack')
  const line = await openLine(house, 'slack', slack.secret)
  await house.admin.createSubscription(house.tenant, {
    name: 'bot',
    mode: 'push',
    url: app.url,
    channels: [line.id],
    sync: true,
  })
  return {
    house,
    line,
    app,
    command: async (n, gate = 0) => {
      const form = `command=%2Fdeploy&team_id=${WORKSPACE}&user_id=U1&channel_id=C1&trigger_id=${n}.abc`
      const signed = slack.signs(form, { n })
      const headers = { ...signed.headers, 'content-type': 'application/x-www-form-urlencoded' }
      const began = performance.now()
      const to = (house.gates[gate]?.publicUrl ?? '') + line.path
      const answered = await send(to, { headers, body: signed.body })
      return { ...answered, ms: performance.now() - began }
    },
  }
}

const dispatchOf = async ({ house }: Setup, gate = 0) => {
  const { items } = await adminOf(house, house.gates[gate] ?? house.gate).listDeliveries(house.tenant)
  return items[0]?.dispatches[0]
}

eachEngine(
  'an app in time answers Slack, a late one is only recorded, and copies hear the same',
  async (engine, t) => {
    const setup = await setUp(engine, t)
    const { app, command, house } = setup
    const inTime = await command(1)
    assert.deepEqual(
      [inTime.status, inTime.body, inTime.headers['content-type']],
      [200, HELLO, 'application/json'],
    )
    assert.equal((await command(1)).body, HELLO)
    assert.equal(app.open.length, 1)
    app.answer = () => {}
    const late = await command(2)
    assert.deepEqual([late.status, late.body], [200, ''])
    assert.ok(late.ms > 2_000 && late.ms < SLACK_WAITS, `${late.ms} ms`)
    assert.equal((await dispatchOf(setup))?.state, 'leased')
    hello(app.open.at(-1) ?? assert.fail('the app was not called'))
    await until('the late answer is recorded', async () => (await dispatchOf(setup))?.lastError ?? undefined)
    const dispatch = await dispatchOf(setup)
    assert.deepEqual([dispatch?.state, dispatch?.lastError], ['done', 'sync-late'])
    assert.equal((await command(2)).body, '')
    assert.equal(app.open.length, 2)
    for (const [outcome, times] of Object.entries({ answered: 1, late: 1, repeated: 2 }))
      assert.equal(
        await metric(house.admin, 'gatehouse_sync_answers_total', { source: 'slack', outcome }),
        times,
      )
  },
)

eachEngine(
  'a gate killed while the app is at it: the delivery is there, and a copy at another gate hears the ack',
  async (engine, t) => {
    const setup = await setUp(engine, t, 2)
    const { app, command, house } = setup
    app.answer = () => {}
    // Warms the other gate's keys and channels; what is measured is the answer.
    assert.equal((await command(1, 1)).body, '')
    const cut = command(2, 0).then(
      () => 'answered',
      () => 'cut',
    )
    await until('the app is called', () => (app.open.length === 2 ? true : undefined))
    await house.gates[0]?.kill()
    assert.equal(await cut, 'cut')
    const copy = await command(2, 1)
    assert.deepEqual([copy.status, copy.body], [200, ''])
    assert.ok(copy.ms < SLACK_WAITS, `${copy.ms} ms`)
    assert.equal((await dispatchOf(setup, 1))?.state, 'leased', 'it is pushed when the lease is over')
    assert.equal(app.open.length, 2)
  },
)
