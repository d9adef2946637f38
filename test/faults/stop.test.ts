/**
 * SIGTERM: the gate takes no more, ends what it has begun, and leaves with 0 in its time. In: load, half-sent bodies, an app
 * that never answers. Out: nothing. Refuses a lost acknowledgement and a gate that hangs.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Engine, eachEngine } from '../support/engines.ts'
import { type Gate, startGate } from '../support/gate.ts'
import { type Furnished, furnish } from './furnished.ts'
import { Witness } from './half-written.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { post } from './post.ts'
import { MortalApp } from './receiver.ts'
import { Senders } from './senders.ts'

/** Milliseconds that a stop may take in all, the drain of ten seconds included. */
const STOP_MS = 10_000

eachEngine('SIGTERM under load: nothing acknowledged is lost, and exit 0', async (engine) => {
  await withGate(engine, {}, async ({ gate, house, ledger, app }) => {
    const senders = new Senders(house, Math.random)
    const stop = new AbortController()
    const load = senders.run(gate.publicUrl, stop.signal)
    await pause(400)
    const began = performance.now()
    const code = await gate.stop()
    const took = performance.now() - began
    stop.abort()
    await load
    assert.equal(code, 0)
    assert.ok(took < STOP_MS, `it took ${took} ms`)
    const witness = new Witness(ledger)
    await witness.look()
    assert.ok(senders.acknowledged.size > 0, `${senders.acknowledged.size} acknowledged`)
    for (const id of senders.acknowledged) assert.ok(witness.deliveryOf(house.channel, id), `${id} is lost`)
    assert.deepEqual([...senders.refused.keys()], [], 'it answers well or not at all')
    // What it had pushed it has settled: nothing is left to a lease that must run out, and nothing was pushed twice.
    assert.deepEqual(await ledger.run(`SELECT id FROM dispatch WHERE state NOT IN ('pending', 'done')`), [])
    const done = await ledger.run(`SELECT id FROM dispatch WHERE state = 'done'`)
    assert.deepEqual([app.got().length, new Set(app.got()).size], [done.length, done.length])
  })
})

eachEngine(
  'SIGTERM while an app hangs: the push is cut, comes again later, and did not count',
  async (engine) => {
    const env = { GATEHOUSE_DRAIN_SECONDS: '1' }
    await withGate(engine, { env, mood: 'hang' }, async ({ gate, house, ledger, app }) => {
      assert.equal((await post(gate.publicUrl + house.path, house.secret, event('a'))).status, 200)
      for (let i = 0; i < 200 && app.got().length === 0; i++) await pause(20)
      assert.equal(app.got().length, 1)
      const began = performance.now()
      assert.equal(await gate.stop(), 0)
      const took = performance.now() - began
      assert.ok(took > 800 && took < 4_000, `it took ${took} ms`)
      const [row] = await ledger.run('SELECT state, attempts, lease FROM dispatch')
      assert.deepEqual({ ...row }, { state: 'pending', attempts: 0, lease: null })
    })
  },
)

eachEngine(
  'SIGTERM in the middle of bodies: one that ends in time is taken, one that does not is cut',
  async (engine) => {
    const env = { GATEHOUSE_DRAIN_SECONDS: '2' }
    await withGate(engine, { env }, async ({ gate, house, ledger }) => {
      const ends = await halfSent(gate, house, event('ends'))
      const hangs = await halfSent(gate, house, event('hangs'))
      await pause(100)
      const stopped = gate.stop()
      await pause(300)
      ends.finish()
      assert.match(await ends.answer, /^HTTP\/1\.1 200 /)
      const began = performance.now()
      assert.equal(await stopped, 0)
      assert.ok(performance.now() - began < 5_000)
      assert.doesNotMatch(await hangs.answer, /^HTTP\/1\.1 2/)
      assert.equal((await ledger.run('SELECT id FROM inbox')).length, 1)
    })
  },
)

test('SIGTERM to an idle gate with idle connections: it does not wait for them', async () => {
  const gate = await startGate()
  const { hostname, port } = new URL(gate.publicUrl)
  const sockets = [connect(Number(port), hostname), connect(Number(port), hostname)]
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  for (const socket of sockets) socket.on('error', () => {})
  sockets[0]?.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
  await pause(100)
  const began = performance.now()
  assert.equal(await gate.stop(), 0)
  const took = performance.now() - began
  for (const socket of sockets) socket.destroy()
  assert.ok(took < 3_000, `it took ${took} ms`)
})

interface World {
  readonly gate: Gate
  readonly house: Furnished
  readonly ledger: Ledger
  readonly app: MortalApp
}

async function withGate(
  engine: Engine,
  { env = {}, mood }: { readonly env?: Readonly<Record<string, string>>; readonly mood?: 'hang' },
  body: (world: World) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-stop-'))
  const data = join(folder, 'data')
  const database = engine.engine === 'postgres' ? { GATEHOUSE_DATABASE_URL: engine.url } : {}
  const common = { GATEHOUSE_PUSH_ALLOW_LOOPBACK: 'true', GATEHOUSE_INGRESS_RATE: '0' }
  const app = await MortalApp.start(join(folder, 'got'), mood)
  const gate = await startGate({ data, env: { ...common, ...database, ...env } })
  const file = { engine: 'sqlite', file: join(data, 'gatehouse.db') } as const
  const ledger = await openLedger(engine.engine === 'postgres' ? engine : file)
  try {
    const house = await furnish(gate.adminUrl, gate.claim ?? '', app.url)
    await body({ gate, house, ledger, app })
  } finally {
    await Promise.all([gate.kill(), app.kill(), ledger.close()])
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A request whose body has begun; `finish` sends the rest. */
async function halfSent(gate: Gate, { path, secret }: Furnished, body: string) {
  const { hostname, port, host } = new URL(gate.publicUrl)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.on('error', () => {})
  const head = [
    `POST ${path} HTTP/1.1`,
    `host: ${host}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-signature: ${createHmac('sha256', secret).update(body).digest('hex')}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body.slice(0, 5)}`)
  return {
    answer: text(socket).catch(() => ''),
    finish: () => void socket.write(body.slice(5)),
  }
}

function event(id: string): string {
  return JSON.stringify({ id, text: 'a delivery' })
}
