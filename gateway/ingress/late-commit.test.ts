/**
 * A write that outlives its request. In: a store that is slow to begin, and a delivery whose wait is given up. Out: the
 * vendor hears "unavailable", the write commits all the same, and the repeat is a duplicate that is acknowledged. Refuses
 * a second delivery, and waiting ones that still go to a store that is away.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { eachEngine } from '../../test/support/engines.ts'
import { appendAll } from '../audit/append.ts'
import { openStore } from '../store/open.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { Acceptor, type Proved } from './accept.ts'
import { channel as provingChannel, NOW, proved, signed } from './signing.fixture.ts'
import { StoreBreaker } from './store-breaker.ts'

const LOOK = 250
const clock = () => NOW * 1_000

eachEngine('given up, committed, repeated: one delivery', async (engine, t) => {
  const store = await openStore(engine, clock)
  t.mock.timers.enable({ apis: ['setInterval'] })
  const began = Promise.withResolvers<void>()
  let writes = 0
  const slow = over(store, async () => {
    writes++
    await began.promise
  })
  const told: string[] = []
  const breaker = new StoreBreaker({
    store: slow,
    opened: () => told.push('opened'),
    closed: () => told.push('closed'),
  })
  const acceptor = acceptorOver(breaker.store)
  try {
    const first = assert.rejects(
      breaker.wait(() => acceptor.accept(delivery(1))),
      StoreUnavailable,
    )
    await turns()
    // Comes while the first is under way, so it waits for the next write.
    const second = assert.rejects(
      breaker.wait(() => acceptor.accept(delivery(2))),
      StoreUnavailable,
    )
    for (let i = 0; i < 19; i++) t.mock.timers.tick(LOOK)
    await Promise.all([first, second])
    await turns()
    assert.equal(breaker.isOpen, true)
    const writesOfBatches = writes
    await turns()
    assert.equal(writes, writesOfBatches, 'what waited was refused, not tried')

    began.resolve()
    const rows = async () => (await store.read.selectFrom('inbox').select('id').execute()).length
    for (let i = 0; i < 500 && (await rows()) === 0; i++) await pause(10)
    assert.equal(await rows(), 1, 'the write that was given up has committed')
    t.mock.timers.tick(LOOK)
    for (let i = 0; i < 500 && breaker.isOpen; i++) await pause(10)
    assert.deepEqual(told, ['opened', 'closed'])

    const repeat = await breaker.wait(() => acceptor.accept(delivery(1)))
    assert.equal(repeat.fresh, false)
    const next = await breaker.wait(() => acceptor.accept(delivery(2)))
    assert.equal(next.fresh, true)
    assert.equal(await rows(), 2)
  } finally {
    breaker.close()
    t.mock.timers.reset()
    await store.close()
  }
})

/** The store, whose deliveries wait for `before`; its probe does not. */
function over(store: Store, before: () => Promise<void>): Store {
  return {
    engine: store.engine,
    read: store.read,
    async write(body) {
      await before()
      return await store.write(body)
    },
    listen: (topic, listener) => store.listen(topic, listener),
    ping: () => store.ping(),
    close: () => store.close(),
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
}

function acceptorOver(store: Store): Acceptor {
  return new Acceptor({
    store,
    seal: async (_tenant, _row, bytes) => Buffer.from(bytes),
    append: (tx, events) => appendAll(tx, events, clock()),
    fanOut: async () => {},
    clock,
  })
}

function delivery(n: number): Proved {
  const { source, settings } = provingChannel('slack')
  const rest = { workspaces: undefined, replayMs: 86_400_000, paused: false, credentials: [] }
  return {
    channel: { id: 'chn_1', tenant: 'ten_1', name: 'support', source, settings, ...rest },
    delivery: proved('slack', signed('slack', `{"n":${n}}`)),
    facts: { workspaces: [], kind: 'message', deliveryId: `Ev${n}` },
    requestId: 'req_1',
  }
}
