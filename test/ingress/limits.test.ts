/**
 * What the listener bounds before it knows anybody. In: bodies too large, too slow, too many, on bare sockets. Out: the
 * refusal, early, on a connection that then closes. Refuses a gate that buffers what it will refuse, or that lets those
 * who hold a place keep it from others for good.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type House, metric, openHouse, openLine, send, speak, until } from '../support/ingress.ts'
import { type Signed, vendor } from './vendors.ts'

const MIB = 1024 * 1024
/** Bytes a flood offers; a gate that buffered them would grow by as much. */
const FLOOD = 96 * MIB
/** Bytes a gate may take of a flood before it has hung up: its own lingering of 4 MiB, and what sockets hold. */
const TAKEN_AT_MOST = 24 * MIB
/** Bytes of growth that are noise: one collection of garbage late. */
const NOISE = 48 * MIB
const HEADERS = 'host: gate\r\ncontent-type: application/json\r\n'

test('too large: 413 before the body, and nothing of it is kept', async (t) => {
  const house = await openHouse({ engine: 'sqlite', file: '' })
  try {
    const from = vendor('slack')
    const { path } = await openLine(house, 'slack', from.secret)
    const unknown = '/in/chn_00000000000000000000000000'
    await t.test('declared', async () => {
      for (const target of [path, unknown]) {
        const head = `POST ${target} HTTP/1.1\r\n${HEADERS}content-length: ${MIB + 1}\r\n\r\n`
        const { text, firstByteMs } = await speak(house.gate.publicUrl, [head])
        assert.match(text, /^HTTP\/1\.1 413 /)
        assert.match(text, /\r\nconnection: close\r\n/i)
        assert.ok(firstByteMs < 1_000, `answered after ${firstByteMs} ms, without a byte of the body`)
      }
    })
    await t.test('declared beyond every number', async () => {
      for (const length of ['9'.repeat(15), '9'.repeat(40), '-1', '1e3', '0x10', '1, 2']) {
        const { text } = await speak(house.gate.publicUrl, [
          `POST ${path} HTTP/1.1\r\n${HEADERS}content-length: ${length}\r\n\r\n`,
        ])
        assert.match(text, /^HTTP\/1\.1 (413|400) /, length)
      }
    })
    await t.test('chunked', async () => {
      const before = memoryOf(house.gate.pid)
      const { text, taken } = await flood(
        house,
        `POST ${path} HTTP/1.1\r\n${HEADERS}transfer-encoding: chunked\r\n\r\n`,
      )
      assert.match(text, /^HTTP\/1\.1 413 /)
      assert.match(text, /\r\nconnection: close\r\n/i)
      assert.ok(taken < TAKEN_AT_MOST, `${taken} bytes of the flood were taken`)
      const grown = memoryOf(house.gate.pid) - before
      assert.ok(grown < NOISE, `memory grew by ${grown} bytes`)
    })
    await t.test('many at once stay within memory', async () => {
      const before = memoryOf(house.gate.pid)
      const head = `POST ${path} HTTP/1.1\r\n${HEADERS}transfer-encoding: chunked\r\n\r\n`
      const floods = await Promise.all(Array.from({ length: 6 }, () => flood(house, head)))
      assert.ok(floods.every(({ text }) => text.startsWith('HTTP/1.1 413 ')))
      assert.ok(memoryOf(house.gate.pid) - before < 2 * NOISE)
      assert.equal(await heldBytes(house), 0)
    })
    await t.test('exactly the cap is taken', async () => {
      const start = from.says({ n: 1 }).body.slice(0, -1)
      const body = `${start},"pad":"${' '.repeat(MIB - start.length - 10)}"}`
      assert.equal(body.length, MIB)
      assert.equal((await send(house.gate.publicUrl + path, from.signs(body))).status, 200)
    })
  } finally {
    await house.close()
  }
})

test('bytes in flight are capped: 503 with Retry-After, and the place comes free again', async () => {
  const house = await openHouse({ engine: 'sqlite', file: '' }, { env: { GATEHOUSE_IN_FLIGHT_CAP: '1MiB' } })
  try {
    const from = vendor('slack')
    const line = await openLine(house, 'slack', from.secret)
    const url = house.gate.publicUrl + line.path
    const large = from.signs(`${from.says({ n: 1 }).body.slice(0, -1)},"pad":"${'x'.repeat(500_000)}"}`)
    const holders = await Promise.all([hold(house, line.path, 400_000), hold(house, line.path, 400_000)])
    await until('800,000 bytes are held', async () =>
      (await heldBytes(house)) >= 800_000 ? true : undefined,
    )
    const shed = await send(url, large)
    assert.equal(shed.status, 503)
    assert.ok(Number(shed.headers['retry-after']) >= 1)
    assert.equal(shed.headers.connection, 'close')
    const chunked = await speak(house.gate.publicUrl, [wireOf(line.path, large)])
    assert.match(chunked.text, /^HTTP\/1\.1 503 /)
    assert.equal((await send(url, from.says({ n: 2 }))).status, 200, 'small ones still pass')
    for (const socket of holders) socket.destroy()
    await until('nothing is held', async () => ((await heldBytes(house)) === 0 ? true : undefined))
    assert.equal((await send(url, large)).status, 200)
    assert.equal(await heldBytes(house), 0)
  } finally {
    await house.close()
  }
})

test('slow bodies: 408 within two windows, while others pass', async () => {
  const house = await openHouse({ engine: 'sqlite', file: '' })
  try {
    const from = vendor('slack')
    const line = await openLine(house, 'slack', from.secret)
    const silent = speak(
      house.gate.publicUrl,
      [`POST ${line.path} HTTP/1.1\r\n${HEADERS}content-length: 1000\r\n\r\n{`],
      24_000,
    )
    const dripping = drip(house, line.path, 10)
    const steady = drip(house, line.path, 400)
    await pause(2_000)
    assert.equal((await send(house.gate.publicUrl + line.path, from.says({ n: 1 }))).status, 200)
    for (const { text, firstByteMs } of [await silent, await dripping]) {
      assert.match(text, /^HTTP\/1\.1 408 /)
      assert.match(text, /\r\nconnection: close\r\n/i)
      assert.ok(firstByteMs > 8_000 && firstByteMs < 22_000, `${firstByteMs} ms`)
    }
    assert.equal((await steady).text, '', 'one above the floor goes on')
    await until('nothing is held', async () => ((await heldBytes(house)) === 0 ? true : undefined))
  } finally {
    await house.close()
  }
})

interface Flooded {
  readonly text: string
  /** Bytes the other side took, and those in between. */
  readonly taken: number
}

/** Writes chunks for as long as they are taken. */
async function flood({ gate }: House, head: string): Promise<Flooded> {
  const { hostname, port } = new URL(gate.publicUrl)
  const socket = createConnection({ host: hostname, port: Number(port) })
  let text = ''
  socket.on('error', () => {})
  socket.on('data', (bytes) => (text += bytes.toString('latin1')))
  await once(socket, 'connect')
  // Not `once` of events: being hung up on is an error to it, and here the point.
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(head)
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
  while (!socket.destroyed && socket.bytesWritten - socket.writableLength < FLOOD) {
    if (!socket.write(chunk))
      await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed])
  }
  const taken = socket.bytesWritten - socket.writableLength
  socket.destroy()
  await closed
  return { text, taken }
}

/** A request whose body has begun and does not end. */
async function hold({ gate }: House, path: string, bytes: number): Promise<Socket> {
  const { hostname, port } = new URL(gate.publicUrl)
  const socket = createConnection({ host: hostname, port: Number(port) })
  socket.on('error', () => {})
  socket.write(`POST ${path} HTTP/1.1\r\n${HEADERS}content-length: 500000\r\n\r\n${'x'.repeat(bytes)}`)
  await once(socket, 'connect')
  return socket
}

/** A body that comes `each` bytes at a time, four times a second. */
async function drip(
  { gate }: House,
  path: string,
  each: number,
): Promise<{ text: string; firstByteMs: number }> {
  const { hostname, port } = new URL(gate.publicUrl)
  const socket = createConnection({ host: hostname, port: Number(port) })
  const began = performance.now()
  let text = ''
  let firstByteMs = Number.NaN
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    if (text === '') firstByteMs = performance.now() - began
    text += bytes.toString('latin1')
  })
  await once(socket, 'connect')
  socket.write(`POST ${path} HTTP/1.1\r\n${HEADERS}content-length: 900000\r\n\r\n`)
  while (!socket.destroyed && performance.now() - began < 22_500) {
    socket.write('x'.repeat(each))
    await pause(250)
  }
  socket.destroy()
  return { text, firstByteMs }
}

function wireOf(path: string, { headers, body }: Signed): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const size = body.length.toString(16)
  return `POST ${path} HTTP/1.1\r\nhost: gate\r\n${lines.join('')}transfer-encoding: chunked\r\n\r\n${size}\r\n${body}\r\n0\r\n\r\n`
}

async function heldBytes({ admin }: House): Promise<number> {
  return await metric(admin, 'gatehouse_ingress_in_flight_bytes', {})
}

/** Resident bytes of a process. */
function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024
}
