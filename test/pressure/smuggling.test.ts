/**
 * Messages that two servers could read in two ways, on bare sockets. In: shapes. Out: for each the statuses it must hear,
 * in order, and what becomes of its connection. Refuses a shape taken as a delivery, an answer out of turn, any of the
 * 500s, a hang, and a sender that holds its place by saying nothing.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { test } from 'node:test'
import { type House, type Line, openHouse, openLine, send, speak } from '../support/ingress.ts'
import { type Vendor, vendor } from '../ingress/vendors.ts'
import { chunks, expectations, firstLines, framings, sequences, type Shape } from './shapes.ts'
import { play, wrong } from './wire.ts'

/** Milliseconds: a head may take ten seconds, and is looked for each two; by itself Node would look each thirty. */
const HEAD_AT_MOST = 22_000

test('shapes: framings, first lines, chunks, several on one connection, expectations', async (t) => {
  await withLine(async (house, { path }, from) => {
    let n = 1_000
    const deliver = () => from.says({ n: ++n, text: 'a delivery' })
    let accepted = 0
    for (const group of [framings, firstLines, chunks, sequences, expectations]) {
      await t.test(group.name, async () => {
        const shapes: readonly Shape[] = group(path, deliver)
        const heard = await Promise.all(shapes.map((shape) => play(house.gate.publicUrl, shape)))
        const faults = shapes.flatMap((shape, i) => {
          const one = heard[i]
          return one === undefined ? [] : (wrong(shape, one) ?? [])
        })
        assert.deepEqual(faults, [])
        for (const { accepts = 0 } of shapes) accepted += accepts
        assert.equal(await deliveries(house), accepted, 'no shape more was taken as a delivery')
      })
    }
    assert.ok(accepted > 20, 'some shapes are genuine')
    assert.doesNotMatch(house.gate.log(), /"level":"(error|fatal)"/)
    assert.equal((await send(house.gate.publicUrl + path, deliver())).status, 200)
  })
})

test('a sender that ends its half before the answer: its repeat is acknowledged, and it is there once', async () => {
  await withLine(async (house, { path }, from) => {
    const { headers, body } = from.says({ n: 1 })
    const given = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const { hostname, port } = new URL(house.gate.publicUrl)
    const socket = createConnection({ host: hostname, port: Number(port), allowHalfOpen: true })
    const closed = once(socket, 'close')
    socket
      .resume()
      .end(
        `POST ${path} HTTP/1.1\r\nhost: gate\r\n${given.join('')}content-length: ${body.length}\r\n\r\n${body}`,
      )
    await closed
    assert.equal((await send(house.gate.publicUrl + path, { headers, body })).status, 200)
    assert.equal(await deliveries(house), 1)
  })
})

test('heads that do not come: 408, and the place is free', async () => {
  await withLine(async (house, { path }) => {
    const url = house.gate.publicUrl
    const heads = ['', 'P', `GET ${path}\r\n`, `POST ${path} HTTP/1.1\r\nhost: gate\r\nx-`]
    const heard = await Promise.all(heads.map((head) => speak(url, [head], HEAD_AT_MOST)))
    for (const [i, { text, ms }] of heard.entries()) {
      assert.match(text, /^HTTP\/1\.1 408 [^]*connection: close/i, JSON.stringify(heads[i]))
      assert.ok(ms > 8_000 && ms < HEAD_AT_MOST, `${JSON.stringify(heads[i])}: ${ms} ms`)
    }
  })
})

async function withLine(body: (house: House, line: Line, from: Vendor) => Promise<void>): Promise<void> {
  const house = await openHouse({ engine: 'sqlite', file: '' })
  try {
    const from = vendor('slack')
    await body(house, await openLine(house, 'slack', from.secret), from)
  } finally {
    await house.close()
  }
}

async function deliveries({ admin, tenant }: House): Promise<number> {
  return (await admin.listDeliveries(tenant, { limit: 100 })).items.length
}
