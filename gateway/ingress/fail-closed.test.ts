/**
 * Whatever breaks, the ingress refuses. In: a fault in each thing it needs, one at a time. Out: for each exactly one answer,
 * never a 2xx, nothing stored. Refuses a fault that escapes as a rejection nobody handles, and a write that is half there.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { type Engine, eachEngine } from '../../test/support/engines.ts'
import { appendAll } from '../audit/append.ts'
import { fanOut } from '../delivery/fan-out.ts'
import { openStore } from '../store/open.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { Acceptor, type AcceptNeeds, type Proved } from './accept.ts'
import type { Channel } from './channel.ts'
import { RawBodies } from './raw.ts'
import { Receiver, type ReceiveNeeds } from './receive.ts'
import { channel as provingChannel, NOW, proved, signed } from './signing.fixture.ts'
import type { Source } from './source.ts'

const LIMITS = { bodyCap: 1_000_000, inFlightCap: 10_000_000, slowBodyFloor: 1 }
const BODY = '{"team_id":"T1","event_id":"Ev1","event":{"type":"message"}}'
const PATH = '/in/chn_1'

class Injected extends Error {}

function fail(): never {
  throw new Injected('injected')
}

async function failLater(): Promise<never> {
  await Promise.resolve()
  return fail()
}

/** A channel of a source that is Slack but for `change`. */
function channelOf(change: Partial<Source> = {}, workspaces?: readonly string[]): Channel {
  const { source, settings, credentials } = provingChannel('slack')
  return {
    id: 'chn_1',
    tenant: 'ten_1',
    name: 'support',
    source: { ...source, ...change },
    settings,
    workspaces,
    replayMs: 86_400_000,
    paused: false,
    credentials: credentials.map((credential) => ({ ...credential, expiresAt: undefined })),
  }
}

const FAULTS: Readonly<Record<string, Partial<ReceiveNeeds>>> = {
  'channel lookup': { find: failLater },
  'channel lookup, at once': { find: fail },
  'claim of the source': { find: async () => channelOf({ claim: fail }) },
  'window of the source': { find: async () => channelOf({ toleranceOf: fail }) },
  'window that is no number': { find: async () => channelOf({ toleranceOf: () => Number.NaN }) },
  'source that signs no time and says it does': { find: async () => channelOf(untimed()) },
  'signature arithmetic': { find: async () => withBrokenKey() },
  'credentials that are none': { find: async () => ({ ...channelOf(), credentials: [] }) },
  'facts of the source': { find: async () => channelOf({ facts: fail }) },
  'content types of the source': { find: async () => broken('contentTypes') },
  'ack of the source': { find: async () => broken('ack') },
  clock: { clock: sequence([() => NOW * 1_000, fail, () => NOW * 1_000]) },
  'clock that is no number': { clock: () => Number.NaN },
  'clock from the start': { clock: fail },
  'rate limiter': { admit: failLater },
  'note of the use': { credentialUsed: fail },
  accept: { accept: failLater },
  'accept, at once': { accept: fail },
  'store away': { accept: async () => Promise.reject(new StoreUnavailable('away')) },
  'event of the mismatch': { find: async () => channelOf({}, ['T2']), tenantMismatch: failLater },
  'note of the refusal': { find: async () => channelOf({}, ['T2']), noteRefusal: fail },
}

for (const [what, faults] of Object.entries(FAULTS)) {
  test(`fault in ${what}: one answer, not 2xx, nothing accepted`, async () => {
    const { statuses, accepted, escaped } = await answersOf(faults)
    assert.deepEqual(escaped, [])
    const [status = 0, ...more] = statuses
    assert.deepEqual(more, [])
    assert.ok(status >= 400 && status < 600, String(status))
    assert.equal(accepted, 0)
  })
}

test('no fault: taken, so the faults above are what refuses', async () => {
  const { statuses, accepted, escaped } = await answersOf({})
  assert.deepEqual({ statuses, accepted, escaped }, { statuses: [200], accepted: 1, escaped: [] })
})

test('faults in telling do not undo the answer, and nothing escapes', async () => {
  for (const faults of [{ report: fail }, { report: fail, failed: fail }]) {
    const { statuses, escaped } = await answersOf(faults)
    assert.deepEqual({ statuses, escaped }, { statuses: [200], escaped: [] })
  }
  for (const faults of [
    { accept: failLater, failed: fail },
    { accept: failLater, failed: fail, report: fail },
    { find: failLater, failed: fail, noteRefusal: fail },
    { newRequestId: fail },
  ]) {
    const { statuses, escaped } = await answersOf(faults)
    assert.deepEqual({ statuses, escaped }, { statuses: [503], escaped: [] })
  }
})

/** Faults inside the one durable write, and around it. */
const WRITE_FAULTS: Readonly<Record<string, (needs: AcceptNeeds) => Partial<AcceptNeeds>>> = {
  'audit append': () => ({ append: failLater }),
  'audit append, after it has written': ({ append }) => ({
    append: async (tx, events) => {
      await append(tx, events)
      fail()
    },
  }),
  'fan-out': () => ({ fanOut: failLater }),
  'fan-out, after it has written': () => ({
    fanOut: async (tx, rows, now) => {
      await fanOut(tx, rows, now)
      fail()
    },
  }),
  keyring: () => ({ seal: failLater }),
  'keyring, at once': () => ({ seal: fail }),
  clock: () => ({ clock: fail }),
  'store, before it writes': ({ store }) => ({ store: withWrite(store, failLater) }),
  'store, at once': ({ store }) => ({ store: withWrite(store, fail) }),
  'store, inside the transaction': ({ store }) => ({
    store: withWrite(store, (body) =>
      store.write(async (tx) => {
        await body(tx)
        fail()
      }),
    ),
  }),
  'inbox row that does not go in': ({ store }) => ({
    store: withWrite(store, (body) =>
      store.write((tx) =>
        body({
          ...tx,
          insertMany: async (table, rows) =>
            table === 'inbox' ? rows.map(() => false) : await tx.insertMany(table, rows),
        }),
      ),
    ),
  }),
}

for (const [what, faulty] of Object.entries(WRITE_FAULTS)) {
  eachEngine(`fault in ${what}: nothing of the delivery is there, and the repeat is new`, async (engine) => {
    await withAcceptor(engine, async (needs) => {
      await assert.rejects(new Acceptor({ ...needs, ...faulty(needs) }).accept(delivery(1)))
      assert.deepEqual(await rowsOf(needs.store), NOTHING)
      const { fresh } = await new Acceptor(needs).accept(delivery(1))
      assert.equal(fresh, true)
      assert.deepEqual(await rowsOf(needs.store), { inbox: 1, replay_memory: 2, dispatch: 0, audit_entry: 1 })
    })
  })
}

eachEngine('a commit whose answer was lost: refused, and the repeat is a duplicate', async (engine) => {
  await withAcceptor(engine, async (needs) => {
    const { store } = needs
    const lost = withWrite(store, async (body) => {
      await store.write(body)
      throw new StoreUnavailable('the answer was lost')
    })
    await assert.rejects(new Acceptor({ ...needs, store: lost }).accept(delivery(1)), StoreUnavailable)
    assert.equal((await new Acceptor(needs).accept(delivery(1))).fresh, false)
    assert.equal((await rowsOf(store)).inbox, 1)
  })
})

eachEngine('one delivery that cannot be sealed does not take others with it', async (engine) => {
  await withAcceptor(engine, async (needs) => {
    let calls = 0
    const acceptor = new Acceptor({
      ...needs,
      seal: async (tenant, row, bytes) => (++calls === 2 ? fail() : await needs.seal(tenant, row, bytes)),
    })
    const outcomes = await Promise.allSettled([1, 2, 3].map((n) => acceptor.accept(delivery(n))))
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.equal((await rowsOf(needs.store)).inbox, 2)
    assert.equal((await acceptor.accept(delivery(4))).fresh, true, 'and it goes on')
  })
})

eachEngine(
  'a write that fails for a batch refuses the whole batch, and the next one goes in',
  async (engine) => {
    await withAcceptor(engine, async (needs) => {
      let isBroken = true
      const append: AcceptNeeds['append'] = (tx, events) =>
        isBroken ? failLater() : needs.append(tx, events)
      const acceptor = new Acceptor({ ...needs, append })
      const many = Array.from({ length: 200 }, (_, n) => n)
      const outcomes = await Promise.allSettled(many.map((n) => acceptor.accept(delivery(n))))
      assert.ok(outcomes.every(({ status }) => status === 'rejected'))
      assert.deepEqual(await rowsOf(needs.store), NOTHING)
      isBroken = false
      const again = await Promise.all(many.map((n) => acceptor.accept(delivery(n))))
      assert.ok(again.every(({ fresh }) => fresh))
      assert.equal((await rowsOf(needs.store)).inbox, many.length)
    })
  },
)

interface Answers {
  readonly statuses: readonly number[]
  readonly accepted: number
  readonly escaped: readonly unknown[]
}

/** Sends one genuine delivery to a receiver with these faults, over a real socket. */
async function answersOf(faults: Partial<ReceiveNeeds>): Promise<Answers> {
  const bodies = new RawBodies(LIMITS)
  const statuses: number[] = []
  const escaped: unknown[] = []
  let accepted = 0
  const needs: ReceiveNeeds = {
    bodies,
    methods: new Set(['POST']),
    find: async () => channelOf(),
    accept: async () => ({ fresh: ++accepted > 0, id: 'dlv_1' }),
    admit: async () => undefined,
    noteRefusal: () => {},
    tenantMismatch: async () => {},
    credentialUsed: () => {},
    report: () => {},
    failed: () => {},
    vendorKey: fail,
    visit: fail,
    publicUrl: undefined,
    newRequestId: () => 'req_1',
    clock: () => NOW * 1_000,
    ...faults,
  }
  const receiver = new Receiver(needs)
  const server = createServer((request, response) => {
    response.once('finish', () => statuses.push(response.statusCode))
    receiver.answer(request, response).catch((error: unknown) => {
      escaped.push(error)
      response.destroy()
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}${PATH}`
  const headers = { ...Object.fromEntries(signed('slack', BODY).headers), 'content-type': 'application/json' }
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers,
      body: BODY,
      signal: AbortSignal.timeout(5_000),
    })
    await answer.arrayBuffer()
  } catch (error) {
    escaped.push(error)
  } finally {
    server.closeAllConnections()
    server.close()
    bodies.close()
  }
  assert.equal(bodies.held, 0, 'every byte is given back')
  return { statuses, accepted, escaped }
}

function untimed(): Partial<Source> {
  const { source } = provingChannel('slack')
  return {
    claim(request, settings) {
      const made = source.claim(request, settings)
      return 'refused' in made ? made : { ...made, sentAt: undefined }
    },
  }
}

function withBrokenKey(): Channel {
  const made = channelOf()
  return {
    ...made,
    credentials: made.credentials.map((credential) => ({
      ...credential,
      get key(): never {
        return fail()
      },
    })),
  }
}

function broken(property: 'ack' | 'contentTypes'): Channel {
  const made = channelOf()
  const source = Object.defineProperty({ ...made.source }, property, { get: fail })
  return { ...made, source }
}

/** Each call the next of them; the last for ever. */
function sequence<T>(calls: readonly (() => T)[]): () => T {
  let at = 0
  return () => {
    const call = calls[Math.min(at++, calls.length - 1)]
    return call === undefined ? fail() : call()
  }
}

function delivery(n: number): Proved {
  const body = BODY.replace('Ev1', `Ev${n}`)
  const verified = proved('slack', signed('slack', body))
  const facts = { workspaces: ['T1'], kind: 'message', deliveryId: `Ev${n}` }
  return { channel: channelOf(), delivery: verified, facts, requestId: `req_${n}` }
}

async function withAcceptor(engine: Engine, body: (needs: AcceptNeeds) => Promise<void>): Promise<void> {
  const clock = () => NOW * 1_000
  const store = await openStore(engine, clock)
  try {
    await body({
      store,
      seal: async (_tenant, _row, bytes) => Buffer.from(bytes),
      append: (tx, events) => appendAll(tx, events, clock()),
      fanOut,
      clock,
    })
  } finally {
    await store.close()
  }
}

function withWrite(store: Store, write: Store['write']): Store {
  return {
    engine: store.engine,
    read: store.read,
    write,
    listen: (topic, listener) => store.listen(topic, listener),
    ping: () => store.ping(),
    close: () => store.close(),
  }
}

const TABLES = ['inbox', 'replay_memory', 'dispatch', 'audit_entry'] as const
const NOTHING = { inbox: 0, replay_memory: 0, dispatch: 0, audit_entry: 0 }

async function rowsOf(store: Store): Promise<Record<(typeof TABLES)[number], number>> {
  const counts = { ...NOTHING }
  for (const table of TABLES) {
    const counted = await store.read
      .selectFrom(table)
      .select((is) => is.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
    counts[table] = Number(counted.n)
  }
  return counts
}
