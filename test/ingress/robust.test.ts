/**
 * The listener under requests that nobody means. In: a few thousand bent ones, under a seed that is told. Out: refusals.
 * Refuses a 500, a crash, a hang, and a gate that takes nothing genuine afterwards. `npm run prove` sends many more.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openHouse, openLine, speak } from '../support/ingress.ts'
import { bombard } from './bombard.ts'
import { vendor } from './vendors.ts'

const COUNT = 3_000

test(`${COUNT} bent requests: no 500, no crash, no hang`, async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const house = await openHouse({ engine: 'sqlite', file: '' })
  try {
    const { sent, statuses } = await bombard(house, COUNT, seed)
    const told = [...statuses].toSorted(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
    t.diagnostic(`seed ${seed}: ${sent} sent; ${told.join(', ')}`)
    for (const status of [200, 400, 401]) assert.ok((statuses.get(status) ?? 0) > 0, `some got ${status}`)
  } finally {
    await house.close()
  }
})

test('bytes that are no HTTP, and connections that say nothing', async () => {
  const house = await openHouse({ engine: 'sqlite', file: '' })
  try {
    const from = vendor('slack')
    const { path } = await openLine(house, 'slack', from.secret)
    const lines = [
      '\r\n\r\n',
      'GET\r\n\r\n',
      `POST ${path}\r\n\r\n`,
      `POST ${path} HTTP/1.1\r\n\r\n`,
      `POST ${path} HTTP/3.0\r\nhost: gate\r\n\r\n`,
      `POST ${path} HTTP/1.1\r\nhost: gate\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
      `POST ${path} HTTP/1.1\r\nhost: gate\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      `POST ${path} HTTP/1.1\r\nhost: gate\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      `POST ${path} HTTP/1.1\r\nhost: gate\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n`,
      `POST ${path} HTTP/1.1\r\nhost: gate\r\ntransfer-encoding: chunked\r\n\r\n${'f'.repeat(20)}\r\n`,
      `POST ${path} HTTP/1.1\r\nhost: gate\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
      `POST ${path} HTTP/1.1\r\nhost: gate\r\nbad header\r\n\r\n`,
      `POST ${path} HTTP/1.1\r\nhost: gate\r\nx: a\u0000b\r\ncontent-length: 0\r\n\r\n`,
      `POST ${path} HTTP/1.1\r\nhost: gate\r\n folded: x\r\n\r\n`,
      '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
      Buffer.alloc(100_000, 0xff),
    ]
    for (const line of lines) {
      const { text } = await speak(house.gate.publicUrl, [line], 1_500)
      assert.match(text, /^(HTTP\/1\.1 4\d\d |$)/, JSON.stringify(line.toString().slice(0, 60)))
    }
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => speak(house.gate.publicUrl, ['POST '], 300)),
    )
    assert.ok(answers.every(({ text }) => text === ''))
    const { headers, body } = from.says({ n: 1 })
    const taken = await fetch(house.gate.publicUrl + path, { method: 'POST', headers, body })
    assert.equal(taken.status, 200)
    assert.doesNotMatch(house.gate.log(), /"level":"(error|fatal)"/)
  } finally {
    await house.close()
  }
})
