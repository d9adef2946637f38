/**
 * The command line over replays, retries and ways out. In: a gate with a delivery that an app has taken. Out: previewed, sent
 * again, listed, retried. Refuses a replay without a reason.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { gatehouse } from '../../cli/spawned.fixture.ts'
import { openHouse, openLine, send, startApp, until } from '../support/ingress.ts'

test('replay preview, start, show, list; delivery retry; subscription --ordered', async () => {
  const house = await openHouse({ engine: 'sqlite', file: '' })
  const app = await startApp()
  const env = { GATEHOUSE_URL: house.gate.adminUrl, GATEHOUSE_TOKEN: house.token }
  const run = async (...words: string[]) => {
    const { exit, stdout, stderr } = await gatehouse([...words, '--json'], { env })
    return { exit, stderr, answer: (stdout === '' ? {} : JSON.parse(stdout)) as Record<string, unknown> }
  }
  try {
    const line = await openLine(house, 'github', 'a secret', { name: 'code' })
    const words = [
      'subscription',
      'create',
      '--name',
      'bot',
      '--channel',
      'code',
      '--push',
      app.url,
      '--ordered',
    ]
    assert.equal((await run(...words)).answer['ordered'], true)
    const body = '{"zen":"Keep it logically awesome."}'
    const signature = `sha256=${createHmac('sha256', 'a secret').update(body).digest('hex')}`
    const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signature }
    assert.equal((await send(house.gate.publicUrl + line.path, { headers, body })).status, 202)
    await until('the push', () => app.got[0])
    const first = await until('it to be done', async () => {
      const { items } = await house.admin.listDeliveries(house.tenant, { state: 'done' })
      return items[0]
    })

    const preview = await run('replay', 'preview', '--channel', 'code', '--state', 'done')
    assert.deepEqual(preview.answer, { deliveries: 1, dispatches: 1, complete: true }, preview.stderr)
    assert.equal((await run('replay', 'start', '--channel', 'code')).exit, 2)
    const started = await run('replay', 'start', '--channel', 'code', '--reason', 'the app lost it')
    await until('the second push', () => app.got[1])
    const shown = await until('the end of the replay', async () => {
      const { answer } = await run('replay', 'show', String(started.answer['id']))
      return answer['state'] === 'done' ? answer : undefined
    })
    assert.equal(shown['dispatched'], 1)
    assert.equal((await run('replay', 'list')).exit, 0)
    const retried = await run('delivery', 'retry', first.id, '--reason', 'to see')
    assert.match(`${retried.stderr}${JSON.stringify(retried.answer)}`, /dispatches|nothing|wait/)
  } finally {
    await app.close()
    await house.close()
  }
})
