import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Envelope } from '@gatehouse/contract/envelope.ts'
import { fromBase64 } from '@gatehouse/proof/bytes.ts'
import { macKey, signedBy } from '@gatehouse/proof/webhook.ts'
import { type Engine, eachEngine } from '../../test/support/engines.ts'
import { openDialler } from '../egress/dial.ts'
import { openStore } from '../store/open.ts'
import { StoreUnavailable } from '../store/store.ts'
import { type Delivery, startDelivery } from './deliver.ts'
import { replay } from './fan-out.ts'
import type { DeliveryNeeds } from './needs.ts'
import { PUSH_LIMITS } from './push.ts'
import { type Rig, SECRET, type Tidy, openRig, tidied, until } from './rig.ts'

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void
const OK: Answer = (_, response) => void response.end()

interface Setup {
  readonly on: Rig
  readonly url: string
  readonly seen: { headers: IncomingMessage['headers']; body: string }[]
  readonly start: () => Delivery
}

/** A receiver on loopback, a dialler that may reach it, and a store. */
async function setUp(
  engine: Engine,
  t: Tidy,
  answer: Answer,
  changes: Partial<DeliveryNeeds> = {},
): Promise<Setup> {
  const seen: Setup['seen'] = []
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request)
    seen.push({ headers: request.headers, body })
    answer(request, response, body)
  }
  const server = createServer((request, response) => void receive(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const dialler = openDialler({
    config: { except: [], allowLoopback: true },
    resolve: async () => ['127.0.0.1'],
    limits: { headersMs: 200, totalMs: 400 },
  })
  const store = await openStore(engine, Date.now)
  const on = await openRig(store, { post: dialler.post, ...changes })
  const started: Delivery[] = []
  t.after(async () => {
    await Promise.all(started.map((delivery) => delivery.close(100)))
    await dialler.close()
    server.closeAllConnections()
    server.close()
    await store.close()
  })
  const start = (): Delivery => {
    const delivery = startDelivery(on, { ...PUSH_LIMITS, tickMs: 50 })
    started.push(delivery)
    return delivery
  }
  return { on, seen, start, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` }
}

const settled = (on: Rig, count: number): Promise<void> => until(() => on.attempts.length >= count)

eachEngine(
  'a delivery is pushed once, in its envelope, signed as Standard Webhooks has it',
  tidied(async (engine, t) => {
    const { on, seen, start, url } = await setUp(engine, t, OK)
    await on.subscribe('push', { url, inline_body: 1 })
    start()
    const [id = ''] = await on.accept()
    await settled(on, 1)
    const { headers, body } = seen[0] ?? assert.fail('nothing came')
    const made = Envelope.parse(JSON.parse(body))
    assert.deepEqual([made.id, made.attempt, made.replay, made.body.inline], [id, 1, false, 'hello'])
    assert.deepEqual(
      [headers['webhook-id'], headers['content-type'], headers['gatehouse-replay']],
      [id, 'application/json', undefined],
    )
    const key = macKey('hmac-sha256', fromBase64(SECRET.slice(6)) ?? Buffer.of())
    const value = fromBase64(String(headers['webhook-signature']).slice(3)) ?? Buffer.of()
    const parts = [`${id}.${String(headers['webhook-timestamp'])}.`, body]
    assert.ok(signedBy(key, parts, { algorithm: 'hmac-sha256', value }))
    const [row] = await on.rows()
    assert.deepEqual([row?.state, row?.last_status, row?.attempts], ['done', 200, 1])
    assert.equal(seen.length, 1)
  }),
)

eachEngine(
  'what fails is tried again and marked with which try it is',
  tidied(async (engine, t) => {
    const { on, seen, start, url } = await setUp(engine, t, (_, response, body) => {
      const { attempt } = Envelope.parse(JSON.parse(body))
      response.writeHead(attempt === 1 ? 500 : 200).end('a canary that must not be kept')
    })
    await on.subscribe('push', { url })
    start()
    await on.accept()
    await settled(on, 1)
    assert.equal((await on.rows())[0]?.last_error, 'status-500')
    on.pass(5_001)
    await settled(on, 2)
    assert.deepEqual(
      on.attempts.map(({ outcome, code }) => [outcome, code]),
      [
        ['retry', 'status-500'],
        ['done', ''],
      ],
    )
    assert.equal(seen[0]?.headers['webhook-id'], seen[1]?.headers['webhook-id'])
  }),
)

eachEngine(
  'a replay carries a fresh signature and says so',
  tidied(async (engine, t) => {
    const { on, seen, start, url } = await setUp(engine, t, OK)
    await on.subscribe('push', { url })
    start()
    const [id = ''] = await on.accept()
    await settled(on, 1)
    on.pass(60_000)
    await on.store.write((tx) => replay(tx, on.tenant, id, undefined, on.clock()))
    await settled(on, 2)
    assert.deepEqual(
      seen.map(({ headers }) => [headers['webhook-id'], headers['gatehouse-replay']]),
      [
        [id, undefined],
        [id, 'true'],
      ],
    )
    assert.notEqual(seen[0]?.headers['webhook-signature'], seen[1]?.headers['webhook-signature'])
    assert.equal(Envelope.parse(JSON.parse(seen[1]?.body ?? '')).replay, true)
  }),
)

eachEngine(
  'faults of the receiver are content-free codes, and each is tried again',
  tidied(async (engine, t) => {
    const answers: Record<string, Answer> = {
      '/hang': () => {},
      '/reset': (request) => request.socket.resetAndDestroy(),
      '/redirect': (_, response) =>
        void response.writeHead(307, { location: 'http://169.254.169.254/' }).end(),
      '/huge': (_, response) => void response.end(Buffer.alloc(8_000_000)),
    }
    const { on, start, url } = await setUp(engine, t, (request, response, body) =>
      answers[request.url ?? '']?.(request, response, body),
    )
    const origin = new URL(url).origin
    const urls = [
      ...Object.keys(answers).map((path) => origin + path),
      'http://127.0.0.1:1/',
      'https://169.254.169.254/?token=canary',
      'http://example.com/',
      'https://example.com.:99999/',
    ]
    const names = new Map<string, string>()
    for (const each of urls) names.set(await on.subscribe('push', { url: each }), each.replace(origin, ''))
    await on.accept()
    start()
    await settled(on, urls.length)
    const codes = Object.fromEntries(
      on.attempts.map(({ subscription, code }) => [names.get(subscription), code]),
    )
    assert.deepEqual(codes, {
      '/hang': 'timeout',
      '/reset': 'reset',
      '/redirect': 'status-307',
      '/huge': '',
      'http://127.0.0.1:1/': 'connect-refused',
      'https://169.254.169.254/?token=canary': 'url-refused',
      'http://example.com/': 'url-refused',
      'https://example.com.:99999/': 'url-refused',
    })
    assert.ok(!JSON.stringify(await on.rows()).includes('canary'))
  }),
)

eachEngine(
  'a fault inside fails the try and nothing else',
  tidied(async (engine, t) => {
    const faults: Partial<DeliveryNeeds>[] = [
      { unseal: () => Promise.reject(new Error('no key')) },
      {
        unseal: async (_tenant, { table }, blob) => (table === 'inbox' ? blob : Buffer.from('not a secret')),
      },
      { unpack: () => assert.fail('not a content') },
      { post: () => Promise.reject(new Error('the dialler is broken')) },
    ]
    const { on, seen, url } = await setUp(engine, t, OK)
    for (const fault of faults) {
      const subscription = await on.subscribe('push', { url })
      await on.accept()
      const delivery = startDelivery({ ...on, ...fault }, { ...PUSH_LIMITS, total: 4, each: 4, tickMs: 50 })
      await until(() => on.attempts.some((attempt) => attempt.subscription === subscription))
      await delivery.close(1_000)
    }
    const codes = new Set(on.attempts.map(({ code }) => code))
    assert.deepEqual([...codes].toSorted(), ['content-unreadable', 'internal', 'secret-unreadable'])
    assert.equal(seen.length, 0)
  }),
)

eachEngine(
  'a slow app holds up itself only, and no more than its share is in flight',
  tidied(async (engine, t) => {
    let most = 0
    let slow = 0
    const held: ServerResponse[] = []
    const { on, start, url } = await setUp(engine, t, (request, response) => {
      if (request.url !== '/slow') return void response.end()
      most = Math.max(most, ++slow)
      held.push(response)
    })
    await on.subscribe('push', { url: new URL('/slow', url).href })
    const fast = await on.subscribe('push', { url })
    start()
    await on.accept(40)
    const done = (): number =>
      on.attempts.filter(({ subscription, outcome }) => subscription === fast && outcome === 'done').length
    await until(() => done() === 40)
    const ended = on.attempts.filter(({ subscription }) => subscription !== fast)
    assert.equal(most, 8, `tries of the slow app ended already: ${ended.map(({ code }) => code).join(' ')}`)
    for (const response of held) response.end()
  }),
)

eachEngine(
  'two gateways on one store push each delivery once',
  tidied(async (engine, t) => {
    const { on, seen, start, url } = await setUp(engine, t, OK)
    await on.subscribe('push', { url })
    start()
    start()
    for (let i = 0; i < 10; i++) await on.accept(20)
    await settled(on, 200)
    assert.equal(new Set(seen.map(({ headers }) => headers['webhook-id'])).size, 200)
    assert.equal(seen.length, 200)
  }),
)

eachEngine(
  'a result is kept until the store takes it',
  tidied(async (engine, t) => {
    const { on, seen, url } = await setUp(engine, t, OK)
    await on.subscribe('push', { url })
    let writes = 0
    const store: DeliveryNeeds['store'] = Object.create(on.store, {
      engine: { value: on.store.engine },
      read: { value: on.store.read },
      listen: { value: on.store.listen.bind(on.store) },
      // The second write is the result of the push.
      write: {
        value: (body: never) =>
          ++writes === 2 ? Promise.reject(new StoreUnavailable('away')) : on.store.write(body),
      },
    })
    await on.accept()
    const delivery = startDelivery({ ...on, store })
    await settled(on, 1)
    await delivery.close(100)
    assert.deepEqual([on.attempts[0]?.outcome, seen.length, on.troubles.length], ['done', 1, 1])
  }),
)

eachEngine(
  'closing finishes what is in flight, and hands back what does not finish',
  tidied(async (engine, t) => {
    const held: ServerResponse[] = []
    const { on, start, url } = await setUp(engine, t, (_, response) => void held.push(response))
    await on.subscribe('push', { url })
    const delivery = start()
    await on.accept(2)
    await until(() => held.length === 2)
    setTimeout(() => held[0]?.end(), 20)
    await delivery.close(100)
    const rows = await on.rows()
    assert.deepEqual(rows.map(({ state }) => state).toSorted(), ['done', 'pending'])
    const [back] = rows.filter(({ state }) => state === 'pending')
    assert.deepEqual([back?.attempts, back?.lease], [0, null])
    await on.accept()
    assert.equal(held.length, 2)
  }),
)
